"""Batch normalization: laws and oracles for every implementation, in NumPy and in PyTorch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from implementations import relative_difference
from normalizations import (
    BACKWARDS,
    EVERY,
    IMAGES,
    READABLE,
    ROWS,
    both_ranks,
    every_pair,
    forward_of,
    named,
    others,
    pairs,
    plain,
    problem,
    shape_for,
    standardized,
)

from cs231n_lib.gradcheck import check_gradients
from cs231n_lib.normalization import in_numpy, in_torch


def framework(x, gamma, beta, dout, eps):
    """Return out, dx, dgamma and dbeta of PyTorch's batch norm and autograd, in float64."""
    leaves = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (x, gamma, beta)]
    x, gamma, beta = leaves
    out = torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)
    gradients = torch.autograd.grad(out, leaves, torch.tensor(dout, dtype=torch.float64))
    answers = [out.detach().numpy(), *(g.numpy() for g in gradients)]
    assert all(np.ptp(a) > 0 or a.size == 1 for a in answers), "the oracle's answer is constant"
    return answers


# ---------------------------------------------------------------------------------- oracles


@every_pair
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_agrees_with_the_framework_in_float64(impl, forward, backward, eps):
    shape = shape_for(forward)
    x, gamma, beta, dout = problem(shape)
    out, cache = getattr(impl, forward)(x, gamma, beta, {"mode": "train", "eps": eps})
    ours = out, *getattr(impl, backward)(dout, cache)
    for a, b in zip(ours, framework(x, gamma, beta, dout, eps), strict=True):
        assert relative_difference(a, b) <= 1e-10


LAYOUTS = {
    "plain": lambda x: x,
    "axes in reverse order": lambda x: np.asfortranarray(x),
    "every other example": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "part of a larger array": lambda x: np.pad(x, 1)[(slice(1, -1),) * x.ndim],
}


@every_pair
@given(
    n=st.integers(1, 6),
    c=st.integers(1, 5),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    layout=st.sampled_from(sorted(LAYOUTS)),
    single=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40)
def test_agrees_with_the_framework_on_every_shape(
    impl, forward, backward, n, c, size, layout, single, seed
):
    shape = (n, c, *size) if forward.startswith("spatial") else (n, c)
    if n * np.prod(shape[2:]) == 1:
        n, shape = 2, (2, *shape[1:])  # the framework refuses one value per feature
    dtype, bound = (np.float32, 1e-4) if single else (np.float64, 1e-10)
    x, gamma, beta, dout = problem(shape, seed, dtype)
    out, cache = getattr(impl, forward)(LAYOUTS[layout](x), gamma, beta, {"eps": 0.5})
    ours = out, *getattr(impl, backward)(LAYOUTS[layout](dout), cache)
    assert all(a.dtype == dtype for a in ours)
    for a, b in zip(ours, framework(x, gamma, beta, dout, 0.5), strict=True):
        assert relative_difference(a, b) <= bound


@every_pair
def test_one_value_per_feature_leaves_the_shift_and_no_gradient(impl, forward, backward):
    shape = (1, 4, 1, 1) if forward.startswith("spatial") else (1, 4)
    x, gamma, beta, dout = problem(shape)
    out, cache = getattr(impl, forward)(x, gamma, beta, {})
    dx, dgamma, dbeta = getattr(impl, backward)(dout, cache)
    np.testing.assert_allclose(out.ravel(), beta, rtol=1e-12)
    np.testing.assert_array_equal(dbeta, dout.ravel())
    np.testing.assert_allclose([dx.ravel(), dgamma], 0, atol=1e-12)


@pytest.mark.parametrize(
    ("module", "forward", "backward"),
    [
        pytest.param(p.values[0].module, *p.values[1:], id=p.id)
        for p in pairs()
        if not p.values[0].tensors
    ],
)
def test_backward_is_the_derivative_of_forward(module, forward, backward):
    x, gamma, beta, _ = problem(shape_for(forward))
    inputs = {"x": x, "gamma": gamma, "beta": beta}
    report = check_gradients(
        getattr(module, forward), getattr(module, backward), inputs, {"eps": 0.3}, tolerance=1e-7
    )
    assert report.ok, report


@pytest.mark.parametrize("backward", BACKWARDS)
def test_torch_backward_is_what_autograd_finds_in_our_own_forward(backward):
    forward = getattr(in_torch, BACKWARDS[backward])
    *arrays, dout = (torch.from_numpy(a) for a in problem(shape_for(BACKWARDS[backward])))
    leaves = [a.requires_grad_() for a in arrays]
    out, cache = forward(*leaves, {"eps": 0.3})
    expected = torch.autograd.grad(out, leaves, dout, retain_graph=True)
    for a, b in zip(getattr(in_torch, backward)(dout, cache), expected, strict=True):
        assert relative_difference(a.detach(), b) <= 1e-12


@every_pair
def test_the_libraries_agree(impl, forward, backward):
    x, gamma, beta, dout = problem(shape_for(forward), seed=3)
    reference, theirs = {"eps": 0.3}, {"eps": 0.3}
    out, cache = getattr(in_numpy, forward)(x, gamma, beta, reference)
    expected = out, *getattr(in_numpy, backward)(dout, cache)
    out, cache = getattr(impl, forward)(x, gamma, beta, theirs)
    for a, b in zip((out, *getattr(impl, backward)(dout, cache)), expected, strict=True):
        assert relative_difference(a, b) <= 1e-13
    for key in ("running_mean", "running_var"):
        assert relative_difference(theirs[key], reference[key]) <= 1e-13


# ---------------------------------------------------------------------------------- accuracy


def one_pass(x):
    x, axes = x.astype(np.float32), others(x.shape)
    mean = x.mean(axes, keepdims=True)
    var = np.maximum((x**2).mean(axes, keepdims=True) - mean**2, 0)
    return (x - mean) / np.sqrt(var + np.float32(1e-5))


def far_from_zero(shape, seed):
    return (1e4 + np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


SIZES = [(64, 50), (512, 64), (4096, 64), (16, 8, 16, 16), (16, 8, 32, 32)]
ACCURATE = [(impl, shape) for impl in EVERY for shape in SIZES]


@pytest.mark.parametrize(("impl", "shape"), ACCURATE, ids=lambda p: getattr(p, "name", str(p)))
@pytest.mark.parametrize("seed", range(3))
def test_float32_far_from_zero_errs_by_a_millionth(impl, shape, seed):
    x = far_from_zero(shape, seed)
    bn_param = {"momentum": 0.0}
    out, cache = getattr(impl, forward_of(shape))(x, *plain(shape, np.float32), bn_param)
    expected = standardized(x)
    assert np.abs(one_pass(x) - expected).max() > 0.1, "the input is too easy"
    assert np.abs(out - expected).max() <= 1e-6
    mean, var = (moment(x.astype(float), others(shape)) for moment in (np.mean, np.var))
    assert relative_difference(bn_param["running_mean"], mean) <= 1e-6
    assert relative_difference(bn_param["running_var"], var) <= 5e-7

    dout = (x - 1e4 + np.roll(x, 1, axis=0) - 1e4).astype(np.float32)
    gradients = getattr(impl, forward_of(shape).replace("forward", "backward"))(dout, cache)
    rounding = max(1e-6, 6e-8 * np.sqrt(len(x)))  # of a sum over rows, one after the other
    for a, b in zip(gradients, framework(x, *plain(shape), dout, 1e-5)[1:], strict=True):
        assert relative_difference(a, b) <= rounding


@named(EVERY)
@both_ranks
def test_a_tiny_variance_counts_as_much_as_a_large_one(impl, shape):
    """Without eps the scale of x drops out; a power of two changes no digit, only exponents."""
    x, gamma, beta, _ = problem(shape, dtype=np.float32)
    forward = getattr(impl, forward_of(shape))
    expected, _ = forward(x, gamma, beta, {"eps": 0.0})
    for scale in (2.0**-50, 2.0**40):
        out, _ = forward(x * np.float32(scale), gamma, beta, {"eps": 0.0})
        np.testing.assert_array_equal(out, expected)


@named(EVERY)
@both_ranks
def test_a_tiny_variance_is_lost_in_eps(impl, shape):
    x, gamma, beta, _ = problem(shape)
    x = 1e-9 * x
    out, _ = getattr(impl, forward_of(shape))(x, gamma, np.zeros_like(beta), {"eps": 0.01})
    features = [1, -1] + [1] * (len(shape) - 2)
    centred = x - x.mean(others(shape), keepdims=True)
    assert relative_difference(out, gamma.reshape(features) * centred / 0.1) <= 1e-12


@named(EVERY)
@both_ranks
@pytest.mark.parametrize("value", [0.0, 3.7, 1e8])
def test_a_constant_feature_becomes_its_shift(impl, shape, value):
    x, gamma, beta, _ = problem(shape)
    x[:, 1] = value
    bn_param = {}
    out, _ = getattr(impl, forward_of(shape))(x, gamma, beta, bn_param)
    np.testing.assert_allclose(out[:, 1], beta[1], atol=1e-12)
    assert 0 <= bn_param["running_var"][1] < 1e-12


@named(EVERY)
def test_many_nearly_constant_rows_have_a_tiny_variance_and_no_negative_one(impl):
    """One row is larger by one digit; sums of 50,021 equal numbers round worst of all."""
    constants = np.geomspace(0.1, 1e4, 50, dtype=np.float32)
    x = np.tile(constants, (50_021, 1))
    x[0] = np.nextafter(constants, np.float32(2e4))
    bn_param = {"momentum": 0.0}
    impl.batchnorm_forward(x, *plain(x.shape, np.float32), bn_param)
    assert bn_param["running_var"].min() >= 0
    assert np.all(bn_param["running_var"] <= 1e-12 * constants**2)


@named(EVERY)
def test_nan_stays_in_its_feature(impl):
    x, gamma, beta, _ = problem(ROWS)
    x[2, 1] = np.nan
    out, _ = impl.batchnorm_forward(x, gamma, beta, {})
    assert np.isnan(out[:, 1]).all()
    assert np.isfinite(np.delete(out, 1, axis=1)).all()


# ---------------------------------------------------------------------------------- identities


@every_pair
def test_output_ignores_scale_and_shift_of_the_input(impl, forward, backward):
    x, gamma, beta, _ = problem(shape_for(forward))
    features = [1, -1] + [1] * (x.ndim - 2)
    scale = np.random.default_rng(5).uniform(0.1, 10, x.shape[1]).reshape(features)
    out, _ = getattr(impl, forward)(x, gamma, beta, {"eps": 0.0})
    moved, _ = getattr(impl, forward)(scale * x - 3, gamma, beta, {"eps": 0.0})
    assert relative_difference(moved, out) <= 1e-12


@every_pair
def test_dx_is_orthogonal_to_ones_and_to_x(impl, forward, backward):
    """Moving or (without eps) scaling a feature changes nothing, so the loss has no slope there."""
    x, gamma, beta, dout = problem(shape_for(forward))
    _, cache = getattr(impl, forward)(x, gamma, beta, {"eps": 0.0})
    dx = getattr(impl, backward)(dout, cache)[0]
    assert np.abs(dx).max() > 0.01
    np.testing.assert_allclose(dx.sum(others(x.shape)), 0, atol=1e-13)
    np.testing.assert_allclose((dx * x).sum(others(x.shape)), 0, atol=1e-12)


@named(READABLE)
@given(n=st.integers(1, 8), d=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_both_backward_passes_are_one(impl, n, d, seed):
    x, gamma, beta, dout = problem((n, d), seed)
    _, cache = impl.batchnorm_forward(x, gamma, beta, {"eps": 0.1})
    ours, simplified = (
        impl.batchnorm_backward(dout, cache),
        impl.batchnorm_backward_alt(dout, cache),
    )
    for a, b in zip(ours, simplified, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * np.abs(dout).max())


@named(EVERY)
def test_spatial_is_batch_norm_with_a_row_per_pixel(impl):
    x, gamma, beta, dout = problem(IMAGES)

    def rows(images):
        return images.transpose(0, 2, 3, 1).reshape(-1, IMAGES[1])

    images_param, rows_param = {"eps": 0.3}, {"eps": 0.3}
    out, cache = impl.spatial_batchnorm_forward(x, gamma, beta, images_param)
    dx, dgamma, dbeta = impl.spatial_batchnorm_backward(dout, cache)
    expected, cache = impl.batchnorm_forward(rows(x), gamma, beta, rows_param)
    gradients = impl.batchnorm_backward(rows(dout), cache)
    ours = rows(out), rows(dx), dgamma, dbeta
    for a, b in zip(ours, (expected, *gradients), strict=True):
        assert relative_difference(a, b) <= 1e-13
    for key in ("running_mean", "running_var"):
        assert relative_difference(images_param[key], rows_param[key]) <= 1e-13


@named(READABLE)
def test_folding_is_affine_then_test_mode(impl):
    x, gamma, beta, _ = problem(ROWS)
    rng = np.random.default_rng(1)
    W, b = rng.normal(size=(5, 6)), rng.normal(size=6)
    gamma, beta = np.resize(gamma, 6), np.resize(beta, 6)
    bn_param = {
        "mode": "test",
        "eps": 0.3,
        "running_mean": rng.normal(size=6),
        "running_var": rng.uniform(0.5, 4, 6),
    }
    expected, _ = impl.batchnorm_forward(x @ W + b, gamma, beta, bn_param)
    W_folded, b_folded = impl.fold_batchnorm(W, b, gamma, beta, bn_param)
    assert relative_difference(x @ W_folded + b_folded, expected) <= 1e-13


def affine_batch_norm_loss(W, x, dout):
    """Loss of an affine layer with the framework's batch norm, which does not feel |W|."""
    out = torch.nn.functional.batch_norm(x @ W, None, None, training=True, eps=1e-30)
    return (out * dout).sum()


def gradient_of_loss(W, x, dout):
    W = torch.from_numpy(np.asarray(W)).requires_grad_()
    loss = affine_batch_norm_loss(W, torch.from_numpy(x), torch.from_numpy(dout))
    return torch.autograd.grad(loss, W)[0].numpy()


@pytest.fixture
def layer():
    """Return W, x and dout of an affine layer before batch norm, and the gradient of W."""
    rng = np.random.default_rng(2)
    W, x, dout = rng.normal(size=(4, 3)), rng.normal(size=(9, 4)), rng.normal(size=(9, 3))
    return W, x, dout, gradient_of_loss(W, x, dout)


def test_weights_before_batch_norm_are_orthogonal_to_their_gradient(layer):
    W, _, _, dW = layer
    assert np.abs(dW).max() > 0.1
    np.testing.assert_allclose((W * dW).sum(axis=0), 0, atol=1e-13)


@named(READABLE)
@pytest.mark.parametrize("reg", [0.0, 0.2])
def test_effective_rate_is_the_speed_at_which_a_direction_turns(impl, layer, reg):
    """Take a step, then a tiny one: each column turns by rate · |gradient at length 1|."""
    W, x, dout, dW = layer
    learning_rate = 0.4
    rate = impl.effective_learning_rate(W, dW, learning_rate, reg)
    W_after = W - learning_rate * (dW + 2 * reg * W)
    assert relative_difference(rate, learning_rate / (W_after**2).sum(axis=0)) <= 1e-12

    tiny = 1e-6
    W_turned = W_after - tiny * gradient_of_loss(W_after, x, dout)
    direction, turned = (V / np.linalg.norm(V, axis=0) for V in (W_after, W_turned))
    angle = np.linalg.norm(turned - direction, axis=0)
    slope = np.linalg.norm(gradient_of_loss(direction, x, dout), axis=0)
    assert relative_difference(angle / slope, tiny / learning_rate * rate) <= 1e-5


@named(READABLE)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_debiasing_is_exact_for_a_constant_batch(impl, steps):
    x, gamma, beta, _ = problem(ROWS)
    bn_param = {"momentum": 0.8}
    for _ in range(steps):
        impl.batchnorm_forward(x, gamma, beta, bn_param)
    mean = impl.debias_running(bn_param["running_mean"], 0.8, steps)
    var = impl.debias_running(bn_param["running_var"], 0.8, steps)
    assert relative_difference(mean, x.mean(axis=0)) <= 1e-13
    assert relative_difference(var, x.var(axis=0)) <= 1e-13


@named(READABLE)
def test_debiasing_is_a_weighted_average_of_the_batches(impl):
    rho, steps = 0.7, 5
    _, gamma, beta, _ = problem(ROWS)
    batches = [problem(ROWS, seed)[0] for seed in range(steps)]
    bn_param = {"momentum": rho}
    for x in batches:
        impl.batchnorm_forward(x, gamma, beta, bn_param)
    weights = rho ** np.arange(steps)[::-1]
    expected = np.average([x.mean(axis=0) for x in batches], axis=0, weights=weights)
    debiased = impl.debias_running(bn_param["running_mean"], rho, steps)
    assert relative_difference(debiased, expected) <= 1e-12


@named(READABLE)
def test_debiasing_is_adams(impl):
    """The framework's Adam, on a constant gradient: its averages, debiased, are that gradient."""
    weights = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    weights.grad = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)
    adam = torch.optim.Adam([weights], betas=(0.8, 0.95))
    for _ in range(4):
        adam.step()
    state, gradient = adam.state[weights], weights.grad.numpy()
    first = impl.debias_running(state["exp_avg"].numpy(), 0.8, 4)
    second = impl.debias_running(state["exp_avg_sq"].numpy(), 0.95, 4)
    assert relative_difference(first, gradient) <= 1e-13
    assert relative_difference(second, gradient**2) <= 1e-13


# ---------------------------------------------------------------------------------- kill the bug


def test_separating_input_separates():
    x = in_numpy.separating_input()
    assert x.dtype == np.float32 and x.ndim == 2 and x.size <= 10_000 and np.isfinite(x).all()
    out, _ = in_numpy.batchnorm_forward(x, *plain(x.shape, np.float32), {})
    assert np.abs(out - standardized(x)).max() <= 1e-6
    assert np.abs(one_pass(x) - standardized(x)).max() > 0.5
