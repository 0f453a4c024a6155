"""Activation functions: laws and oracles, in NumPy and in PyTorch."""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from implementations import Implementation, relative_difference
from torch.nn import functional as F

from cs231n_lib.activations import in_numpy, in_torch
from cs231n_lib.gradcheck import check_gradients
from cs231n_lib.layers.network import Activation, Affine, Network, ReLU

BOTH = (Implementation("numpy", in_numpy), Implementation("torch", in_torch, tensors=True))
both = pytest.mark.parametrize("impl", BOTH, ids=lambda impl: impl.name)
ALPHA = 0.3


@dataclass(frozen=True)
class Known:
    """An activation and the framework's own; `smooth` ones have a slope everywhere."""

    name: str
    oracle: object
    options: tuple = ()
    smooth: bool = False


ELEMENTWISE = (
    Known("sigmoid", torch.sigmoid, smooth=True),
    Known("tanh", torch.tanh, smooth=True),
    Known("relu", torch.relu),
    Known("leaky_relu", lambda x: F.leaky_relu(x, ALPHA), (ALPHA,)),
    Known("elu", lambda x: F.elu(x, ALPHA), (ALPHA,)),
)
every_activation = pytest.mark.parametrize("known", ELEMENTWISE, ids=lambda known: known.name)


def passes(impl, known, x, dout):
    """Return out and dx of an activation."""
    out, cache = getattr(impl, f"{known.name}_forward")(x, *known.options)
    return out, getattr(impl, f"{known.name}_backward")(dout, cache)


def oracle(known, x, dout):
    """Return out and dx of the framework, in float64."""
    leaf = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    out = known.oracle(leaf)
    (dx,) = torch.autograd.grad(out, leaf, torch.tensor(dout, dtype=torch.float64))
    return out.detach().numpy(), dx.numpy()


def numbers(shape, seed=0, dtype=np.float64):
    """Return x and dout; no x is near a kink, where the slope is a matter of choice."""
    rng = np.random.default_rng(seed)
    x = rng.choice((-1, 1), shape) * rng.uniform(0.01, 4, shape)
    return x.astype(dtype), (rng.normal(size=shape) + 0.5).astype(dtype)


# ---------------------------------------------------------------------------------- oracles


@both
@every_activation
def test_agrees_with_the_framework_in_float64(impl, known):
    x, dout = numbers((5, 4, 3))
    for ours, expected in zip(passes(impl, known, x, dout), oracle(known, x, dout), strict=True):
        assert np.ptp(expected) > 0
        assert relative_difference(ours, expected) <= 1e-14


@both
def test_sigmoid_is_scipys(impl):
    x = np.linspace(-700, 40, 500)
    out, _ = impl.sigmoid_forward(x)
    np.testing.assert_allclose(out, scipy.special.expit(x), rtol=1e-13)


LAYOUTS = {
    "plain": lambda x: x,
    "axes in reverse order": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
}


@both
@every_activation
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
    layout=st.sampled_from(sorted(LAYOUTS)),
    single=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=25)
def test_agrees_with_the_framework_on_every_shape(impl, known, shape, layout, single, seed):
    dtype, bound = (np.float32, 1e-6) if single else (np.float64, 1e-14)
    x, dout = numbers(shape, seed, dtype)
    before = x.copy(), dout.copy()
    ours = passes(impl, known, LAYOUTS[layout](x), LAYOUTS[layout](dout))
    for array, expected in zip(ours, oracle(known, x, dout), strict=True):
        assert array.dtype == dtype and array.shape == shape
        np.testing.assert_allclose(array, expected, rtol=0, atol=bound * 4 * 6)  # |x| ≤ 4, |dout|
    assert np.array_equal(x, before[0]) and np.array_equal(dout, before[1])


@every_activation
def test_numpy_backward_is_the_derivative_of_forward(known):
    forward, backward = (
        getattr(in_numpy, f"{known.name}_{way}") for way in ("forward", "backward")
    )
    report = check_gradients(forward, backward, {"x": numbers((4, 5))[0]}, *known.options)
    assert report.ok, report


@every_activation
def test_torch_backward_is_what_autograd_finds_in_our_own_forward(known):
    x, dout = (torch.from_numpy(a) for a in numbers((4, 5), 1))
    leaf = x.requires_grad_()
    out, cache = getattr(in_torch, f"{known.name}_forward")(leaf, *known.options)
    (expected,) = torch.autograd.grad(out, leaf, dout, retain_graph=True)
    dx = getattr(in_torch, f"{known.name}_backward")(dout, cache)
    assert relative_difference(dx.detach(), expected) <= 1e-13


@every_activation
def test_the_libraries_agree(known):
    x, dout = numbers((6, 3), 2)
    for a, b in zip(*(passes(impl, known, x, dout) for impl in BOTH), strict=True):
        assert relative_difference(a, b) <= 1e-14


# ---------------------------------------------------------------------------------- far and near


@both
@every_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 1e35])
def test_large_numbers_neither_overflow_nor_lose_their_limits(impl, known, dtype, size):
    x = np.array([-1e4, -200, -100, 100, 200, 1e4], dtype)  # warnings are errors
    dout = np.full_like(x, size)
    out, dx = passes(impl, known, x, dout)
    expected, slopes = oracle(known, x, dout)
    assert np.isfinite(out).all() and out.dtype == dx.dtype == dtype
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(dx, slopes, rtol=1e-6, atol=1e-7 * size)


@both
def test_sigmoid_keeps_its_digits_far_on_the_negative_side(impl):
    out, _ = impl.sigmoid_forward(np.array([-80.0], np.float32))
    assert out[0] == pytest.approx(np.exp(-80.0), rel=1e-5)  # 1.8e-35: 1 − 1/(1 + e^x) would be 0


@both
def test_elu_keeps_its_digits_near_zero(impl):
    out, _ = impl.elu_forward(np.array([-1e-7], np.float32), 2.0)
    assert out[0] == pytest.approx(-2e-7, rel=1e-6)  # exp(x) − 1 would be −1.2e-7 · 2


@both
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu"])
def test_at_the_kink_the_slope_lies_between_the_sides(impl, name):
    out, cache = getattr(impl, f"{name}_forward")(np.zeros(3))
    dx = getattr(impl, f"{name}_backward")(np.ones(3), cache)
    low = {"relu": 0.0, "leaky_relu": 0.1, "elu": 1.0}[name]
    assert not out.any() and (low <= dx).all() and (dx <= 1).all()


@both
@every_activation
def test_nan_stays_where_it_is(impl, known):
    x = np.array([np.nan, 1.0, -1.0])
    out, _ = getattr(impl, f"{known.name}_forward")(x, *known.options)
    assert np.isnan(out).tolist() == [True, False, False]


# ---------------------------------------------------------------------------------- identities


@both
def test_sigmoid_is_a_tanh_that_was_moved(impl):
    x, _ = numbers((5, 4))
    shifted = (1 + impl.tanh_forward(x / 2)[0]) / 2
    assert relative_difference(impl.sigmoid_forward(x)[0], shifted) <= 1e-14


@both
def test_sigmoid_of_both_signs_adds_up_to_one(impl):
    x, _ = numbers((5, 4))
    total = impl.sigmoid_forward(x)[0] + impl.sigmoid_forward(-x)[0]
    np.testing.assert_allclose(total, 1, rtol=1e-15)


@both
def test_leaky_relu_goes_from_relu_to_the_identity(impl):
    x, dout = numbers((5, 4))
    for alpha, expected, slope in ((0.0, x * (x > 0), x > 0), (1.0, x, np.ones_like(x))):
        out, cache = impl.leaky_relu_forward(x, alpha)
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(impl.leaky_relu_backward(dout, cache), dout * slope)


@both
def test_the_default_slope_is_the_lectures(impl):
    assert impl.leaky_relu_forward(np.array([-10.0, 10.0]))[0].tolist() == [-1.0, 10.0]


@both
def test_relu_is_the_one_that_lessons_are_given(impl):
    from cs231n_lib.layers import in_numpy as layers

    assert in_numpy.relu_forward is layers.relu_forward
    x, dout = numbers((5, 4))
    out, cache = impl.relu_forward(x)
    np.testing.assert_array_equal(out, impl.leaky_relu_forward(x, 0.0)[0])
    np.testing.assert_array_equal(impl.relu_backward(dout, cache), dout * (x > 0))


@both
def test_elu_without_depth_is_relu(impl):
    x, dout = numbers((5, 4))
    out, cache = impl.elu_forward(x, 0.0)
    np.testing.assert_array_equal(out, x * (x > 0))
    np.testing.assert_array_equal(impl.elu_backward(dout, cache), dout * (x > 0))


# ---------------------------------------------------------------------------------- maxout


def layer(n=6, d=5, m=4, k=3, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    shapes = (n, d), (k, d, m), (k, m), (n, m)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def maxout_oracle(x, w, b, dout):
    """Return out, dx, dw and db by autograd, unit by unit and piece by piece, in float64."""
    leaves = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (x, w, b)]
    x, w, b = leaves
    pieces = [F.linear(x, piece.T, bias) for piece, bias in zip(w, b, strict=True)]
    out = torch.stack(pieces).max(dim=0).values
    gradients = torch.autograd.grad(out, leaves, torch.tensor(dout, dtype=torch.float64))
    return [out.detach().numpy(), *(g.numpy() for g in gradients)]


def maxout(impl, x, w, b, dout):
    out, cache = impl.maxout_forward(x, w, b)
    return [out, *impl.maxout_backward(dout, cache)]


@both
@given(
    sizes=st.tuples(*[st.integers(1, 5)] * 4),
    single=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40)
def test_maxout_agrees_with_autograd_on_every_shape(impl, sizes, single, seed):
    dtype, bound = (np.float32, 3e-5) if single else (np.float64, 1e-12)  # sums of up to 25 terms
    arrays = layer(*sizes, seed, dtype)
    before = [a.copy() for a in arrays]
    for ours, expected in zip(maxout(impl, *arrays), maxout_oracle(*arrays), strict=True):
        assert ours.dtype == dtype and ours.shape == expected.shape
        np.testing.assert_allclose(ours, expected, rtol=0, atol=bound)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


def test_maxout_backward_is_the_derivative_of_forward():
    x, w, b, _ = layer()
    inputs = {"x": x, "w": w, "b": b}
    report = check_gradients(in_numpy.maxout_forward, in_numpy.maxout_backward, inputs)
    assert report.ok, report


@both
def test_maxout_of_one_piece_is_affine(impl):
    x, w, b, dout = layer(k=1)
    out, dx, dw, db = maxout(impl, x, w, b, dout)
    np.testing.assert_allclose(out, x @ w[0] + b[0], rtol=1e-12)
    np.testing.assert_allclose(dx, dout @ w[0].T, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dw[0], x.T @ dout, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(db[0], dout.sum(axis=0), rtol=1e-12)


@both
def test_maxout_of_x_and_its_share_is_leaky_relu(impl):
    x, _, _, dout = layer(d=4, m=4)
    w, b = np.stack([np.eye(4), ALPHA * np.eye(4)]), np.zeros((2, 4))
    out, dx, *_ = maxout(impl, x, w, b, dout)
    expected, cache = impl.leaky_relu_forward(x, ALPHA)
    np.testing.assert_allclose(out, expected, rtol=1e-15)
    np.testing.assert_allclose(dx, impl.leaky_relu_backward(dout, cache), rtol=1e-15)


@both
def test_tied_pieces_share_one_gradient(impl):
    x, w, b, dout = layer(k=2)
    w[1], b[1] = w[0], b[0]
    out, dx, dw, db = maxout(impl, x, w, b, dout)
    alone = maxout(impl, x, w[:1], b[:1], dout)
    sums = out, dx, dw.sum(axis=0, keepdims=True), db.sum(axis=0, keepdims=True)
    for ours, expected in zip(sums, alone, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-13)


# ---------------------------------------------------------------------------------- kill the bug


def test_the_slope_breaking_input_breaks_a_slope():
    x = in_numpy.slope_breaking_input()
    out, cache = in_numpy.leaky_relu_forward(x)
    assert np.isfinite(in_numpy.leaky_relu_backward(np.ones_like(x), cache)).all()
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(out / x).all()


# ---------------------------------------------------------------------------------- bad input


@both
@pytest.mark.parametrize("name", [known.name for known in ELEMENTWISE])
def test_whole_numbers_are_refused(impl, name):
    with pytest.raises(TypeError, match=f"{name}_forward: x must hold floats"):
        getattr(impl, f"{name}_forward")(np.arange(3))
    with pytest.raises(TypeError, match=f"{name}_backward: dout must"):
        getattr(impl, f"{name}_backward")([1.0], None)


@both
@pytest.mark.parametrize("alpha", [-0.1, 1.5, np.nan])
def test_a_slope_outside_of_its_range_is_refused(impl, alpha):
    with pytest.raises(ValueError, match="leaky_relu_forward: alpha must be between 0 and 1"):
        impl.leaky_relu_forward(np.ones(2), alpha)
    if not alpha > 0:
        with pytest.raises(ValueError, match="elu_forward: alpha must be at least 0"):
            impl.elu_forward(np.ones(2), alpha)


@both
def test_pieces_that_do_not_fit_are_refused(impl):
    x, w, b, dout = layer()
    with pytest.raises(ValueError, match=r"w must have shape \(K, D, M\) with D = 4 as in x"):
        impl.maxout_forward(x[:, :4].copy(), w, b)
    with pytest.raises(ValueError, match=r"b must have shape \(K, M\) with K = 3 as in w"):
        impl.maxout_forward(x, w, b[:2].copy())
    with pytest.raises(ValueError, match=r"maxout_backward: dout must have shape \(N, M\)"):
        impl.maxout_backward(dout[0], impl.maxout_forward(x, w, b)[1])


# ---------------------------------------------------------------------------------- layers


DROP_INS = (
    (in_torch.LeakyReLU(), torch.nn.LeakyReLU(0.1)),
    (in_torch.LeakyReLU(0.4), torch.nn.LeakyReLU(0.4)),
    (in_torch.ELU(), torch.nn.ELU()),
    (in_torch.ELU(0.4), torch.nn.ELU(0.4)),
)


@pytest.mark.parametrize(("ours", "theirs"), DROP_INS, ids=lambda layer: str(layer))
def test_layers_drop_in_where_the_built_in_ones_go(ours, theirs):
    assert str(ours) == str(theirs) and ours.state_dict() == theirs.state_dict()
    x, dout = (torch.from_numpy(a) for a in numbers((3, 4, 5)))
    results = []
    for module in (ours, theirs):
        leaf = x.clone().requires_grad_()
        module(leaf).backward(dout)
        results.append((module(x), leaf.grad))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-14, atol=0)


def test_a_maxout_layer_learns_the_absolute_value():
    torch.manual_seed(0)
    model = in_torch.Maxout(1, 1, pieces=2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[[0.1]], [[-0.1]]]))
    x = torch.linspace(-1, 1, 21)[:, None]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        (model(x) - x.abs()).square().mean().backward()
        optimizer.step()
    assert (model(x) - x.abs()).abs().max() < 1e-3
    assert str(model) == "Maxout(1, 1, pieces=2)"


@pytest.mark.parametrize("sizes", [(0, 1, 2), (3, -1, 2), (3, 4, 0)])
def test_a_maxout_layer_has_sizes(sizes):
    with pytest.raises(ValueError, match=r"Maxout: .* must be a whole number of at least 1"):
        in_torch.Maxout(*sizes)


@pytest.mark.parametrize("known", ELEMENTWISE, ids=lambda known: known.name)
def test_any_pair_becomes_a_layer_of_a_network(known):
    forward, backward = (
        getattr(in_numpy, f"{known.name}_{way}") for way in ("forward", "backward")
    )
    rng = np.random.default_rng(0)
    activation = Activation(forward, backward, *known.options)
    net = Network(
        [Affine(6, 5, rng, dtype=np.float64), activation, Affine(5, 3, rng, dtype=np.float64)]
    )
    assert net.names == ["affine1", "activation1", "affine2"]
    x, y = rng.normal(size=(7, 6)), rng.integers(0, 3, 7)
    _, gradients = net.loss_and_gradients(x, y)
    weights = torch.tensor(net.params["affine1.w"], requires_grad=True)
    hidden = known.oracle(torch.tensor(x) @ weights)
    scores = hidden @ torch.tensor(net.params["affine2.w"])
    F.cross_entropy(scores, torch.tensor(y)).backward()
    assert relative_difference(gradients["affine1.w"], weights.grad) <= 1e-12


def test_the_relu_layer_is_an_activation():
    layer = ReLU()
    assert isinstance(layer, Activation) and not layer.params
    assert layer.forward(np.array([-1.0, 2.0])).tolist() == [0.0, 2.0]
    assert layer.backward(np.array([5.0, 6.0])).tolist() == [0.0, 6.0]


# ---------------------------------------------------------------------------------- on a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@every_activation
def test_activations_stay_on_the_gpu(known, dtype):
    x, dout = (torch.from_numpy(a).to("cuda", dtype) for a in numbers((5, 4)))
    out, cache = getattr(in_torch, f"{known.name}_forward")(x, *known.options)
    dx = getattr(in_torch, f"{known.name}_backward")(dout, cache)
    assert {(a.device.type, a.dtype) for a in (out, dx)} == {("cuda", dtype)}
    if dtype == torch.float64:
        expected = oracle(known, x.cpu().numpy(), dout.cpu().numpy())
        for ours, theirs in zip((out, dx), expected, strict=True):
            assert relative_difference(ours.cpu(), theirs) <= 1e-13


@pytest.mark.gpu
def test_maxout_stays_on_the_gpu():
    arrays = layer()
    x, w, b, dout = (torch.from_numpy(a).cuda() for a in arrays)
    out, cache = in_torch.maxout_forward(x, w, b)
    seen = out, *in_torch.maxout_backward(dout, cache)
    for ours, expected in zip(seen, maxout_oracle(*arrays), strict=True):
        assert ours.is_cuda and relative_difference(ours.cpu(), expected) <= 1e-12
