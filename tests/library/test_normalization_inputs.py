"""Normalization: running statistics, inputs left alone, errors in words, memory."""

import copy
import tracemalloc

import numpy as np
import pytest
import torch
from implementations import relative_difference
from normalizations import (
    EVERY,
    IMAGES,
    READABLE,
    ROWS,
    TUNED,
    WITH_STATISTICS,
    backward_pass,
    every_pair,
    forward_pass,
    named,
    others,
    pairs,
    plain,
    problem,
    shape_for,
    with_statistics,
    without_statistics,
)

from cs231n_lib.normalization import in_numpy, in_torch

# ---------------------------------------------------------------------------------- statistics


@with_statistics
def test_running_statistics_are_the_frameworks_up_to_two_conventions(impl, forward):
    """Its momentum is 1 − ρ, and its variance is the unbiased one."""
    shape = shape_for(forward)
    rho, C, count = 0.7, shape[1], np.prod(shape) / shape[1]
    mean, var = torch.zeros(C, dtype=torch.float64), torch.zeros(C, dtype=torch.float64)
    bn_param = {"mode": "train", "momentum": rho}
    for seed in range(4):
        x, gamma, beta, _ = problem(shape, seed)
        getattr(impl, forward)(x, gamma, beta, bn_param)
        torch.nn.functional.batch_norm(
            torch.from_numpy(x), mean, var, training=True, momentum=1 - rho
        )
        assert bn_param["running_mean"].shape == bn_param["running_var"].shape == (C,)
        assert relative_difference(bn_param["running_mean"], mean) <= 1e-10
        assert relative_difference(bn_param["running_var"] * count / (count - 1), var) <= 1e-10


@with_statistics
def test_test_mode_is_the_frameworks_and_changes_nothing(impl, forward):
    shape = shape_for(forward)
    x, gamma, beta, _ = problem(shape)
    rng = np.random.default_rng(1)
    mean, var = rng.normal(size=shape[1]), rng.uniform(0.5, 4, shape[1])
    bn_param = {"mode": "test", "eps": 0.3, "running_mean": mean, "running_var": var}
    before = {key: np.copy(value) for key, value in bn_param.items()}
    out, _ = getattr(impl, forward)(x, gamma, beta, bn_param)
    tensors = (torch.from_numpy(a) for a in (x, mean, var, gamma, beta))
    expected = torch.nn.functional.batch_norm(*tensors, training=False, eps=0.3).numpy()
    assert relative_difference(out, expected) <= 1e-10
    assert bn_param.keys() == before.keys()
    for key, value in before.items():
        np.testing.assert_array_equal(bn_param[key], value)


@with_statistics
def test_defaults_are_train_mode_and_the_usual_numbers(impl, forward):
    shape = shape_for(forward)
    x, gamma, beta, _ = problem(shape)
    forward = getattr(impl, forward)
    bare, full = {}, {"mode": "train", "eps": 1e-5, "momentum": 0.9}
    full |= {"running_mean": np.zeros(shape[1]), "running_var": np.zeros(shape[1])}
    np.testing.assert_array_equal(
        forward(x, gamma, beta, bare)[0], forward(x, gamma, beta, full)[0]
    )
    assert bare.keys() == {"running_mean", "running_var"}
    assert relative_difference(bare["running_mean"], 0.1 * x.mean(others(shape))) <= 1e-12
    np.testing.assert_array_equal(bare["running_var"], full["running_var"])


@named(EVERY)
def test_options_are_read_and_kept(impl):
    x, gamma, beta, _ = problem(ROWS)
    bn_param = {"mode": "train", "eps": 0.3, "momentum": 0.0}
    impl.batchnorm_forward(x, gamma, beta, bn_param)
    assert (bn_param["mode"], bn_param["eps"], bn_param["momentum"]) == ("train", 0.3, 0.0)
    np.testing.assert_allclose(bn_param["running_mean"], x.mean(axis=0), rtol=1e-12)


@without_statistics
def test_without_statistics_the_mode_changes_nothing(impl, forward):
    x, gamma, beta, _ = problem(shape_for(forward))
    outputs = []
    for options in ({}, {"eps": 1e-5}, {"mode": "train"}, {"mode": "test"}):
        given = dict(options)
        outputs.append(forward_pass(impl, forward)(x, gamma, beta, given)[0])
        assert given == options
    for out in outputs[1:]:
        np.testing.assert_array_equal(out, outputs[0])


# ---------------------------------------------------------------------------------- inputs


@every_pair
@pytest.mark.parametrize("mode", ["train", "test"])
def test_inputs_are_never_changed(impl, forward, backward, mode):
    x, gamma, beta, dout = problem(shape_for(forward))
    running = np.full(gamma.shape, 0.5), np.full(gamma.shape, 2.0)
    arrays = x, gamma, beta, dout, *running
    before = [a.copy() for a in arrays]
    inner = [impl.inward(a) for a in arrays]
    options = {"mode": mode}
    if forward in WITH_STATISTICS:
        options |= {"running_mean": inner[4], "running_var": inner[5]}
    out, cache = forward_pass(impl.module, forward)(*inner[:3], options)
    gradients = backward_pass(impl.module, backward)(inner[3], cache) if mode == "train" else ()
    for a, b in zip(inner, before, strict=True):
        np.testing.assert_array_equal(np.asarray(a), b)
    for result in map(np.asarray, (out, *gradients)):
        assert not any(np.shares_memory(result, np.asarray(a)) for a in inner)


@every_pair
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_input_is_kept(impl, forward, backward, dtype):
    x, gamma, beta, dout = problem(shape_for(forward), dtype=dtype)
    bn_param = {}
    out, cache = forward_pass(impl, forward)(x, gamma, beta, bn_param)
    results = out, *backward_pass(impl, backward)(dout, cache), *bn_param.values()
    assert [a.dtype for a in results] == [dtype] * (6 if forward in WITH_STATISTICS else 4)


@named(READABLE)
def test_the_consequences_keep_dtype_and_inputs(impl):
    W, dW = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    ones = np.ones(4, np.float32)
    param = {"running_mean": 2 * ones, "running_var": 3 * ones}
    inputs = W, dW, ones, *param.values()
    before = [a.copy() for a in inputs]
    results = *impl.fold_batchnorm(W, ones, ones, ones, param), impl.debias_running(ones, 0.9, 2)
    results += (impl.effective_learning_rate(W, dW, 0.1, 0.2),)
    assert [a.dtype for a in results] == [np.float32] * 4
    for a, b in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------------------------- errors

X, IMAGE, W, ONE = np.ones((4, 3)), np.ones((2, 3, 4, 4)), np.ones((5, 3)), np.ones(3)
SIX, SHAPED = np.ones((2, 6, 4, 4)), np.ones((1, 6, 1, 1))
GOOD = {  # arguments that are accepted; each case below replaces one
    "batchnorm_forward": {"x": X, "gamma": ONE, "beta": ONE, "bn_param": {}},
    "spatial_batchnorm_forward": {"x": IMAGE, "gamma": ONE, "beta": ONE, "bn_param": {}},
    "batchnorm_backward": {"dout": X, "cache": (X, ONE, ONE)},
    "batchnorm_backward_alt": {"dout": X, "cache": (X, ONE, ONE)},
    "spatial_batchnorm_backward": {"dout": IMAGE, "cache": (np.ones((32, 3)), ONE, ONE)},
    "layernorm_forward": {"x": X, "gamma": ONE, "beta": ONE, "ln_param": {}},
    "layernorm_backward": {"dout": X, "cache": (X, ONE, np.ones((4, 1)))},
    "instancenorm_forward": {"x": IMAGE, "gamma": ONE, "beta": ONE, "in_param": {}},
    "instancenorm_backward": {"dout": IMAGE, "cache": (IMAGE, ONE, np.ones((2, 3, 1, 1)))},
    "spatial_groupnorm_forward": {
        **{"x": SIX, "gamma": SHAPED, "beta": SHAPED, "G": 3, "gn_param": {}},
    },
    "spatial_groupnorm_backward": {"dout": SIX, "cache": (SIX, SHAPED, np.ones((6, 1)))},
    "fold_batchnorm": {
        **{"W": W, "b": ONE, "gamma": ONE, "beta": ONE},
        "bn_param": {"running_mean": ONE, "running_var": ONE},
    },
    "effective_learning_rate": {"W": W, "dW": W, "learning_rate": 0.1, "reg": 0.0},
    "debias_running": {"running": ONE, "momentum": 0.9, "steps": 2},
}
ARRAYS = [
    ("batchnorm_forward", "x", IMAGE, ValueError, r"x must have shape \(N, D\)"),
    ("batchnorm_forward", "x", X[:0], ValueError, "x must not be empty"),
    ("batchnorm_forward", "x", X.astype(int), TypeError, "x must hold floats"),
    ("batchnorm_forward", "x", [[1.0]], TypeError, "x must be .* array"),
    ("batchnorm_forward", "gamma", np.ones(4), ValueError, "gamma .* D = 3 as in x"),
    ("batchnorm_forward", "beta", np.ones((1, 3)), ValueError, r"beta .* got shape \(1, 3\)"),
    ("spatial_batchnorm_forward", "x", X, ValueError, r"x must have shape \(N, C, H, W\)"),
    ("spatial_batchnorm_forward", "gamma", np.ones(4), ValueError, "gamma .* C = 3 as in x"),
    ("spatial_batchnorm_forward", "beta", ONE.astype(int), TypeError, "beta must hold floats"),
    ("batchnorm_backward", "dout", ONE, ValueError, r"dout must have shape \(N, D\)"),
    ("batchnorm_backward_alt", "dout", X.astype(int), TypeError, "dout must hold floats"),
    ("spatial_batchnorm_backward", "dout", X, ValueError, r"dout .* \(N, C, H, W\)"),
    ("layernorm_forward", "x", IMAGE, ValueError, r"x must have shape \(N, D\)"),
    ("layernorm_forward", "gamma", np.ones(4), ValueError, "gamma .* D = 3 as in x"),
    ("layernorm_backward", "dout", ONE, ValueError, r"dout must have shape \(N, D\)"),
    ("instancenorm_forward", "x", X, ValueError, r"x must have shape \(N, C, H, W\)"),
    ("instancenorm_forward", "beta", SHAPED, ValueError, r"beta must have shape \(C,\)"),
    ("instancenorm_backward", "dout", X, ValueError, r"dout .* \(N, C, H, W\)"),
    ("spatial_groupnorm_forward", "x", X, ValueError, r"x must have shape \(N, C, H, W\)"),
    ("spatial_groupnorm_forward", "gamma", ONE, ValueError, r"gamma .* \(1, C, 1, 1\)"),
    ("spatial_groupnorm_forward", "beta", SHAPED[:, :3], ValueError, "beta .* C = 6 as in x"),
    ("spatial_groupnorm_forward", "G", 4, ValueError, "G must divide C = 6 .* divisors: 1, 2, 3"),
    ("spatial_groupnorm_forward", "G", 0, ValueError, "G must be a whole number of at least 1"),
    ("spatial_groupnorm_forward", "G", 2.0, ValueError, "G must be a whole number"),
    ("spatial_groupnorm_forward", "G", "2", TypeError, "G must be a number"),
    ("spatial_groupnorm_backward", "dout", X, ValueError, r"dout .* \(N, C, H, W\)"),
    ("fold_batchnorm", "b", np.ones(5), ValueError, "b must have shape .* D = 3 as in W"),
    ("fold_batchnorm", "bn_param", {"running_mean": ONE}, KeyError, "running_var"),
    ("effective_learning_rate", "dW", X, ValueError, "dW must have .* D_in = 5 as in W"),
    ("effective_learning_rate", "learning_rate", np.nan, ValueError, "greater than 0, got nan"),
    ("effective_learning_rate", "learning_rate", 0.0, ValueError, "greater than 0, got 0.0"),
    ("effective_learning_rate", "reg", -1.0, ValueError, "reg must be at least 0, got -1.0"),
    ("debias_running", "running", X, ValueError, r"running must have shape \(D,\)"),
    ("debias_running", "momentum", 1.0, ValueError, "momentum .* below 1, got 1.0"),
    ("debias_running", "steps", 0, ValueError, "steps must be .* at least 1, got 0"),
    ("debias_running", "steps", 1.5, ValueError, "steps must be a whole number"),
]
OPTIONS = [
    ({"mode": "eval"}, ValueError, r"\['mode'\] must be 'train' or 'test', got 'eval'"),
    ({"epsilon": 0.1}, ValueError, "unknown key 'epsilon'; known keys: .*'eps'"),
    ({"eps": -1e-5}, ValueError, r"\['eps'\] must be at least 0, got -1e-05"),
    ({"eps": np.nan}, ValueError, r"\['eps'\] must be .* got nan"),
    ({"momentum": 1.5}, ValueError, r"\['momentum'\] must be between 0 and 1, got 1.5"),
    ({"momentum": "0.9"}, TypeError, r"\['momentum'\] must be a number"),
    ({"running_mean": np.ones(2)}, ValueError, r"\['running_mean'\] must have .* = 3 as in x"),
    ({"running_var": 1.0}, TypeError, r"\['running_var'\] must be .* array"),
    (1e-5, TypeError, "bn_param must be a dict of options, got float"),
]
CASES = ARRAYS + [(name, "bn_param", *case) for name in WITH_STATISTICS for case in OPTIONS]
WITHOUT = {"layernorm": "ln_param", "instancenorm": "in_param", "spatial_groupnorm": "gn_param"}
CASES += [
    (f"{kind}_forward", param, *case)
    for kind, param in WITHOUT.items()
    for case in (
        ({"epsilon": 0.1}, ValueError, "unknown key 'epsilon'; known keys: 'mode', 'eps'"),
        ({"momentum": 0.9}, ValueError, "unknown key 'momentum'"),
        ({"mode": "eval"}, ValueError, r"\['mode'\] must be 'train' or 'test', got 'eval'"),
        ({"eps": -1e-5}, ValueError, r"\['eps'\] must be at least 0, got -1e-05"),
        (1e-5, TypeError, f"{param} must be a dict of options, got float"),
    )
]


def refusals():
    for function, argument, value, kind, message in CASES:
        for impl in EVERY:
            if hasattr(impl.module, function):
                name = f"{impl.name}-{function}-{argument}-{message}"
                yield pytest.param(impl, function, {argument: value}, kind, message, id=name)


@pytest.mark.parametrize(("impl", "function", "bad", "kind", "message"), list(refusals()))
def test_bad_input_is_refused_by_name(impl, function, bad, kind, message):
    with pytest.raises(kind, match=message) as caught:
        getattr(impl, function)(*copy.deepcopy(GOOD[function] | bad).values())
    assert kind is KeyError or str(caught.value).startswith(f"{function}: ")


@pytest.mark.parametrize("function", GOOD)
def test_what_is_made_wrong_above_was_right(function):
    getattr(in_numpy, function)(**copy.deepcopy(GOOD[function]))


def test_arrays_of_both_libraries_do_not_mix():
    with pytest.raises(
        TypeError, match="from one library, got this function from PyTorch and gamma from NumPy"
    ):
        in_torch.batchnorm_forward(torch.ones(4, 3), ONE, ONE, {})


# ---------------------------------------------------------------------------------- memory


def peak_memory(impl, forward, backward, shape):
    """Return the peak of forward and backward, in units of x, dout, out and dx together."""
    tracemalloc.start()
    try:
        x, dout = np.ones(shape), np.ones(shape)
        out, cache = forward_pass(impl.module, forward)(x, *plain(shape), {})
        dx, *_ = backward_pass(impl.module, backward)(dout, cache)
        return tracemalloc.get_traced_memory()[1] / sum(a.nbytes for a in (x, dout, out, dx))
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("impl", "forward", "backward"), [p for p in pairs() if not p.values[0].tensors]
)
def test_memory_stays_within_a_few_copies(impl, forward, backward):
    shape = (16, 32, 32, 32) if shape_for(forward) == IMAGES else (4096, 128)
    peak = peak_memory(impl, forward, backward, shape)
    assert 1 <= peak <= (1.5 if impl in TUNED else 4)
