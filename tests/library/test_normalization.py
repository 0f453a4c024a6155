"""Normalization: laws and oracles for every implementation, in NumPy and in PyTorch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from implementations import relative_difference
from normalizations import (
    BACKWARDS,
    EVERY,
    IMAGES,
    READABLE,
    ROWS,
    WITH_STATISTICS,
    backward_pass,
    every_forward,
    every_pair,
    forward_pass,
    groups_of,
    is_grouped,
    named,
    others,
    pairs,
    per_feature,
    plain,
    problem,
    shape_for,
    standardized,
    together,
)

from cs231n_lib.gradcheck import check_gradients
from cs231n_lib.normalization import in_numpy, in_torch


def framework(forward, x, gamma, beta, dout, eps):
    """Return out, dx, dgamma and dbeta of PyTorch's own layer and autograd, in float64."""
    leaves = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (x, gamma, beta)]
    out = built_in(forward, *leaves, eps)
    gradients = torch.autograd.grad(out, leaves, torch.tensor(dout, dtype=torch.float64))
    answers = [out.detach().numpy(), *(g.numpy() for g in gradients)]
    assert all(np.ptp(a) > 0 or a.size == 1 for a in answers), "the oracle's answer is constant"
    return answers


def built_in(forward, x, gamma, beta, eps):
    if is_grouped(forward):
        return F.group_norm(x, groups_of(x.shape[1]), gamma, beta, eps)
    if forward == "layernorm_forward":
        return F.layer_norm(x, gamma.shape, gamma, beta, eps)
    if forward == "instancenorm_forward":
        return F.instance_norm(x, None, None, gamma, beta, eps=eps)
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)


# ---------------------------------------------------------------------------------- oracles


@every_pair
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_agrees_with_the_framework_in_float64(impl, forward, backward, eps):
    shape = shape_for(forward)
    x, gamma, beta, dout = problem(shape)
    out, cache = forward_pass(impl, forward)(x, gamma, beta, {"mode": "train", "eps": eps})
    ours = out, *backward_pass(impl, backward)(dout, cache)
    for a, b in zip(ours, framework(forward, x, gamma, beta, dout, eps), strict=True):
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
    shape = (n, c, *size) if shape_for(forward) == IMAGES else (n, c)
    viewed, axes = together(forward, np.empty(shape))
    if np.prod([viewed.shape[axis] for axis in axes]) == 1:  # which the framework refuses
        shape = (2, c, 1, 2) if shape_for(forward) == IMAGES else (2, c + 1)
    dtype, bound = (np.float32, 1e-4) if single else (np.float64, 1e-10)
    x, gamma, beta, dout = problem(shape, seed, dtype)
    out, cache = forward_pass(impl, forward)(LAYOUTS[layout](x), gamma, beta, {"eps": 0.5})
    ours = out, *backward_pass(impl, backward)(LAYOUTS[layout](dout), cache)
    assert all(a.dtype == dtype for a in ours)
    for a, b in zip(ours, framework(forward, x, gamma, beta, dout, 0.5), strict=True):
        assert relative_difference(a, b) <= bound


ONE_VALUE = {"batchnorm_forward": (1, 4), "layernorm_forward": (4, 1)}  # for each mean
ONE_VALUE |= {"spatial_batchnorm_forward": (1, 4, 1, 1), "instancenorm_forward": (3, 4, 1, 1)}
ONE_VALUE |= {"spatial_groupnorm_forward": (3, 2, 1, 1)}


@every_pair
def test_one_value_per_mean_leaves_the_shift_and_no_gradient(impl, forward, backward):
    x, gamma, beta, dout = problem(ONE_VALUE[forward])
    out, cache = forward_pass(impl, forward)(x, gamma, beta, {})
    dx, dgamma, dbeta = backward_pass(impl, backward)(dout, cache)
    np.testing.assert_allclose(out, per_feature(beta, x.ndim) + 0 * x, rtol=1e-12)
    np.testing.assert_allclose(dbeta, dout.sum(others(x.shape)), rtol=1e-12)
    for gradient in (dx, dgamma):
        np.testing.assert_allclose(gradient, 0, atol=1e-12)


@pytest.mark.parametrize(
    ("impl", "forward", "backward"), [p for p in pairs() if not p.values[0].tensors]
)
def test_backward_is_the_derivative_of_forward(impl, forward, backward):
    x, gamma, beta, _ = problem(shape_for(forward))
    inputs = {"x": x, "gamma": gamma, "beta": beta}
    report = check_gradients(
        forward_pass(impl, forward),
        backward_pass(impl, backward),
        inputs,
        {"eps": 0.3},
        tolerance=1e-7,
    )
    assert report.ok, report


@pytest.mark.parametrize("backward", BACKWARDS)
def test_torch_backward_is_what_autograd_finds_in_our_own_forward(backward):
    forward = BACKWARDS[backward]
    *arrays, dout = (torch.from_numpy(a) for a in problem(shape_for(forward)))
    leaves = [a.requires_grad_() for a in arrays]
    out, cache = forward_pass(in_torch, forward)(*leaves, {"eps": 0.3})
    expected = torch.autograd.grad(out, leaves, dout, retain_graph=True)
    for a, b in zip(backward_pass(in_torch, backward)(dout, cache), expected, strict=True):
        assert relative_difference(a.detach(), b) <= 1e-12


@every_pair
def test_the_libraries_agree(impl, forward, backward):
    x, gamma, beta, dout = problem(shape_for(forward), seed=3)
    reference, theirs = {"eps": 0.3}, {"eps": 0.3}
    out, cache = forward_pass(in_numpy, forward)(x, gamma, beta, reference)
    expected = out, *backward_pass(in_numpy, backward)(dout, cache)
    out, cache = forward_pass(impl, forward)(x, gamma, beta, theirs)
    for a, b in zip((out, *backward_pass(impl, backward)(dout, cache)), expected, strict=True):
        assert relative_difference(a, b) <= 1e-13
    assert theirs.keys() == reference.keys()
    for key in reference.keys() - {"eps"}:
        assert relative_difference(theirs[key], reference[key]) <= 1e-13


# ---------------------------------------------------------------------------------- accuracy


def one_pass(forward, x):
    viewed, axes = together(forward, x.astype(np.float32))
    mean = viewed.mean(axes, keepdims=True)
    var = np.maximum((viewed**2).mean(axes, keepdims=True) - mean**2, 0)
    return ((viewed - mean) / np.sqrt(var + np.float32(1e-5))).reshape(x.shape)


def far_from_zero(shape, seed):
    return (1e4 + np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


SIZES = {
    ROWS: [(64, 50), (512, 64), (4096, 64), (64, 4096)],
    IMAGES: [(16, 8, 16, 16), (16, 8, 32, 32)],
}


@every_forward
@pytest.mark.parametrize("seed", range(3))
def test_float32_far_from_zero_errs_by_a_millionth(impl, forward, seed):
    backward = forward.replace("forward", "backward")
    for shape in SIZES[shape_for(forward)]:
        x = far_from_zero(shape, seed)
        bn_param = {"momentum": 0.0} if forward in WITH_STATISTICS else {}
        out, cache = forward_pass(impl, forward)(x, *plain(shape, np.float32), bn_param)
        expected = standardized(forward, x)
        assert np.abs(one_pass(forward, x) - expected).max() > 0.1, "the input is too easy"
        assert np.abs(out - expected).max() <= 1e-6
        if forward in WITH_STATISTICS:
            mean, var = (moment(x.astype(float), others(shape)) for moment in (np.mean, np.var))
            assert relative_difference(bn_param["running_mean"], mean) <= 1e-6
            assert relative_difference(bn_param["running_var"], var) <= 5e-7

        dout = (x - 1e4 + np.roll(x, 1, axis=0) - 1e4).astype(np.float32)
        gradients = backward_pass(impl, backward)(dout, cache)
        rounding = max(1e-6, 6e-8 * np.sqrt(len(x)))  # of a sum over rows, one after the other
        expected = framework(forward, x, *plain(shape), dout, 1e-5)[1:]
        for a, b in zip(gradients, expected, strict=True):
            assert relative_difference(a, b) <= rounding


@every_forward
def test_a_tiny_variance_counts_as_much_as_a_large_one(impl, forward):
    """Without eps the scale of x drops out; a power of two changes no digit, only exponents."""
    x, gamma, beta, _ = problem(shape_for(forward), dtype=np.float32)
    forward = forward_pass(impl, forward)
    expected, _ = forward(x, gamma, beta, {"eps": 0.0})
    for scale in (2.0**-50, 2.0**40):
        out, _ = forward(x * np.float32(scale), gamma, beta, {"eps": 0.0})
        np.testing.assert_array_equal(out, expected)


@every_forward
def test_a_tiny_variance_is_lost_in_eps(impl, forward):
    x, gamma, beta, _ = problem(shape_for(forward))
    x = 1e-9 * x
    out, _ = forward_pass(impl, forward)(x, gamma, np.zeros_like(beta), {"eps": 0.01})
    viewed, axes = together(forward, x)
    centred = (viewed - viewed.mean(axes, keepdims=True)).reshape(x.shape)
    assert relative_difference(out, per_feature(gamma, x.ndim) * centred / 0.1) <= 1e-12


@every_forward
@pytest.mark.parametrize("value", [0.0, 3.7, 1e8])
def test_where_x_is_constant_the_shift_is_left(impl, forward, value):
    x, gamma, beta, _ = problem(shape_for(forward))
    constant = np.s_[:, 1] if forward in WITH_STATISTICS else np.s_[1]
    x[constant] = value
    bn_param = {}
    out, _ = forward_pass(impl, forward)(x, gamma, beta, bn_param)
    expected = (per_feature(beta, x.ndim) + 0 * x)[constant]
    np.testing.assert_allclose(out[constant], expected, atol=1e-12)
    if forward in WITH_STATISTICS:
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


@every_forward
def test_nan_stays_among_the_numbers_that_share_its_mean(impl, forward):
    x, gamma, beta, _ = problem(shape_for(forward))
    x[(2, 1, 0, 0)[: x.ndim]] = np.nan
    out, _ = forward_pass(impl, forward)(x, gamma, beta, {})
    viewed, axes = together(forward, x)
    reached = (np.isnan(viewed).any(axes, keepdims=True) & np.ones_like(viewed, bool)).reshape(
        x.shape
    )
    assert 0 < reached.sum() < x.size
    np.testing.assert_array_equal(np.isnan(out), reached)


# ---------------------------------------------------------------------------------- identities


@every_pair
def test_output_ignores_scale_and_shift_of_the_input(impl, forward, backward):
    x, gamma, beta, _ = problem(shape_for(forward))
    viewed, axes = together(forward, x)
    scale = np.random.default_rng(5).uniform(0.1, 10, viewed.mean(axes, keepdims=True).shape)
    out, _ = forward_pass(impl, forward)(x, gamma, beta, {"eps": 0.0})
    moved = (scale * viewed - 3).reshape(x.shape)
    moved, _ = forward_pass(impl, forward)(moved, gamma, beta, {"eps": 0.0})
    assert relative_difference(moved, out) <= 1e-12


@every_pair
def test_dx_is_orthogonal_to_ones_and_to_x(impl, forward, backward):
    """Moving or (without eps) scaling what shares a mean changes nothing: no slope there."""
    x, gamma, beta, dout = problem(shape_for(forward))
    _, cache = forward_pass(impl, forward)(x, gamma, beta, {"eps": 0.0})
    dx = backward_pass(impl, backward)(dout, cache)[0]
    assert np.abs(dx).max() > 0.01
    (dx, axes), (x, _) = together(forward, dx), together(forward, x)
    np.testing.assert_allclose(dx.sum(axes), 0, atol=1e-12)
    np.testing.assert_allclose((dx * x).sum(axes), 0, atol=1e-12)


@every_forward
def test_only_batch_norm_looks_at_the_other_examples(impl, forward):
    x, gamma, beta, dout = problem(shape_for(forward))
    forward_one, backward_one = (
        forward_pass(impl, forward),
        backward_pass(impl, forward.replace("forward", "backward")),
    )
    out, cache = forward_one(x, gamma, beta, {"eps": 0.3})
    alone, cache_alone = forward_one(x[1:2], gamma, beta, {"eps": 0.3})
    dx, dx_alone = backward_one(dout, cache)[0], backward_one(dout[1:2], cache_alone)[0]
    if forward in WITH_STATISTICS:
        assert relative_difference(alone, out[1:2]) > 0.01
    else:
        assert relative_difference(alone, out[1:2]) <= 1e-13
        assert relative_difference(dx_alone, dx[1:2]) <= 1e-13


def run(impl, kind, arrays, *extra):
    """Return out, dx, dgamma and dbeta of one layer, gradients as they come."""
    x, gamma, beta, dout = arrays
    out, cache = getattr(impl, f"{kind}_forward")(x, gamma, beta, *extra, {"eps": 0.3})
    return out, *getattr(impl, f"{kind}_backward")(dout, cache)


@named(EVERY)
def test_group_norm_with_as_many_groups_as_channels_is_instance_norm(impl):
    x, gamma, beta, dout = problem(IMAGES)
    expected = run(impl, "instancenorm", (x, gamma, beta, dout))
    shaped = [a.reshape(1, -1, 1, 1) for a in (gamma, beta)]
    ours = run(impl, "spatial_groupnorm", (x, *shaped, dout), IMAGES[1])
    for a, b in zip(ours, expected, strict=True):
        assert relative_difference(a.reshape(b.shape), b) <= 1e-13


@named(EVERY)
def test_group_norm_with_one_group_is_layer_norm_of_whole_images(impl):
    """Layer norm has a scale for every number; here one for each channel, so sums are left."""
    x, gamma, beta, dout = problem(IMAGES)
    N, C, H, W = IMAGES
    shaped = [a.reshape(1, C, 1, 1) for a in (gamma, beta)]
    out, dx, *gradients = run(impl, "spatial_groupnorm", (x, *shaped, dout), 1)
    rows = x.reshape(N, -1), *(np.repeat(a, H * W) for a in (gamma, beta)), dout.reshape(N, -1)
    expected, dx_rows, *by_number = run(impl, "layernorm", rows)
    assert relative_difference(out.reshape(N, -1), expected) <= 1e-13
    assert relative_difference(dx.reshape(N, -1), dx_rows) <= 1e-13
    for a, b in zip(gradients, by_number, strict=True):
        assert relative_difference(a.ravel(), b.reshape(C, -1).sum(axis=1)) <= 1e-12


@named(EVERY)
def test_layer_norm_is_batch_norm_of_the_transpose(impl):
    """With a plain scale and shift: the rows of one are the columns of the other."""
    x, _, _, dout = problem(ROWS)
    ours = run(impl, "layernorm", (x, *plain(x.shape), dout))
    expected = run(impl, "batchnorm", (x.T, *plain(x.T.shape), dout.T))
    for a, b in zip(ours[:2], expected[:2], strict=True):
        assert relative_difference(a, b.T) <= 1e-13


@named(EVERY)
def test_instance_norm_is_batch_norm_of_one_image_at_a_time(impl):
    x, gamma, beta, dout = problem(IMAGES)
    out, dx, *sums = run(impl, "instancenorm", (x, gamma, beta, dout))
    one = [run(impl, "spatial_batchnorm", (x[[n]], gamma, beta, dout[[n]])) for n in range(len(x))]
    for a, b in ((out, [o for o, *_ in one]), (dx, [d for _, d, *_ in one])):
        assert relative_difference(a, np.concatenate(b)) <= 1e-13
    for k, total in enumerate(sums, start=2):
        assert relative_difference(total, sum(parts[k] for parts in one)) <= 1e-12


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
    expected = standardized("batchnorm_forward", x)
    assert np.abs(out - expected).max() <= 1e-6
    assert np.abs(one_pass("batchnorm_forward", x) - expected).max() > 0.5
