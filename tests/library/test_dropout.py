"""Dropout against PyTorch's, enumeration and closed forms; what its scaling is exact for.

Bounds of random counts hold but for one draw in 10⁹: n fair or unfair coins stay within 6.5
standard deviations of their mean, for the n here.
"""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from cs231n_lib.gradcheck import check_gradients, numerical_gradient
from cs231n_lib.regularization import generator_of, in_numpy, in_torch, modules, tuned

KINDS = ("dropout", "vanilla_dropout")
SIGMAS = 6.5
probabilities = st.floats(0.05, 1)
shapes = array_shapes(min_dims=2, max_dims=4, max_side=6)
every_kind = pytest.mark.parametrize("kind", KINDS)


def inputs(shape=(50, 40), seed=0):
    """Return x without zeros, so that a zero of the output is a dropped unit."""
    return np.random.default_rng(seed).uniform(0.5, 2, size=shape)


def pair(kind, module=in_numpy):
    return getattr(module, f"{kind}_forward"), getattr(module, f"{kind}_backward")


def scale(kind, p):
    return 1 / p if kind == "dropout" else 1.0


# ------------------------------------------------------------------ in training


@every_kind
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("p", [0.1, 0.35, 0.8])
def test_units_are_kept_with_probability_p_and_scaled(kind, p, seed):
    x = inputs()
    out, _ = pair(kind)[0](x, {"p": p, "seed": seed})
    kept = out != 0
    np.testing.assert_allclose(out[kept], (scale(kind, p) * x)[kept], rtol=1e-12)
    n = x.size
    assert abs(kept.sum() - p * n) < SIGMAS * math.sqrt(n * p * (1 - p))
    theirs = torch.nn.functional.dropout(torch.from_numpy(x), 1 - p) != 0  # the same law
    assert abs(int(theirs.sum()) - p * n) < SIGMAS * math.sqrt(n * p * (1 - p))


@every_kind
@pytest.mark.parametrize("seed", range(3))
def test_units_are_dropped_independently(kind, seed):
    """Neighbours in a row and in a column are both kept with probability p²."""
    p = 0.6
    kept = pair(kind)[0](inputs((200, 200)), {"p": p, "seed": seed})[0] != 0
    for both in (kept[:, ::2] & kept[:, 1::2], kept[::2] & kept[1::2]):
        n, q = both.size, p * p
        assert abs(both.sum() - q * n) < SIGMAS * math.sqrt(n * q * (1 - q))


@every_kind
def test_with_p_of_one_nothing_is_dropped(kind):
    x = inputs()
    np.testing.assert_array_equal(pair(kind)[0](x, {"p": 1})[0], x)


@every_kind
@pytest.mark.parametrize("module", [in_numpy, in_torch])
def test_the_seed_decides(kind, module):
    x = inputs() if module is in_numpy else torch.from_numpy(inputs())
    forward = pair(kind, module)[0]

    def same(a, b):
        return bool((forward(x, {"seed": a})[0] == forward(x, {"seed": b})[0]).all())

    assert same(3, 3) and not same(3, 4)
    assert not same(None, None), "fresh numbers"

    def new(seed):
        numpy = module is in_numpy
        return np.random.default_rng(seed) if numpy else torch.Generator().manual_seed(seed)

    assert same(new(5), new(5))
    generator = new(5)
    assert not same(generator, generator), "a generator goes on"


def test_the_global_generators_are_left_alone():
    np.random.seed(0)
    torch.manual_seed(0)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    for seed in (None, 3):
        in_numpy.dropout_forward(inputs(), {"seed": seed})
        in_torch.dropout_forward(torch.ones(3, 3), {"seed": seed})
    assert (np.random.get_state()[1] == before[0]).all()
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_generator_is_passed_on_and_numbers_seed_one():
    generator = torch.Generator()
    assert generator_of(generator, "cpu") is generator
    assert generator_of(7, "cpu").initial_seed() == 7
    assert generator_of(None, "cpu").initial_seed() != generator_of(None, "cpu").initial_seed()


# ------------------------------------------------------------------ backward, and at test time


@every_kind
@given(shape=shapes, p=probabilities, seed=st.integers(0, 1000))
def test_the_gradient_goes_through_the_same_mask(kind, shape, p, seed):
    x, dout = inputs(shape, seed), inputs(shape, seed + 1)
    forward, backward = pair(kind)
    out, cache = forward(x, {"p": p, "seed": seed})
    np.testing.assert_allclose(backward(dout, cache), dout * out / x, rtol=1e-12)


@every_kind
@pytest.mark.parametrize("mode", ["train", "test"])
def test_gradients_are_slopes(kind, mode):
    check_gradients(*pair(kind), {"x": inputs((3, 4))}, {"p": 0.6, "mode": mode, "seed": 8})


@every_kind
@pytest.mark.parametrize("mode", ["train", "test"])
def test_gradients_are_those_of_autograd(kind, mode):
    x = torch.from_numpy(inputs()).requires_grad_()
    dout = torch.from_numpy(inputs(seed=1))
    forward, backward = pair(kind, in_torch)
    out, cache = forward(x, {"p": 0.6, "mode": mode, "seed": 8})
    (expected,) = torch.autograd.grad(out, x, dout)
    assert expected.abs().sum() > 0
    torch.testing.assert_close(backward(dout, cache), expected)


@pytest.mark.parametrize("p", [0.2, 0.7])
@pytest.mark.parametrize("module", [in_numpy, in_torch])
def test_at_test_time_nothing_is_random(p, module):
    x = inputs() if module is in_numpy else torch.from_numpy(inputs())
    param = {"p": p, "mode": "test"}
    assert bool((module.dropout_forward(x, param)[0] == x).all())
    np.testing.assert_allclose(module.vanilla_dropout_forward(x, param)[0], p * x, rtol=1e-12)


@every_kind
@pytest.mark.parametrize("p", [0.3, 0.8])
def test_the_output_at_test_time_is_the_mean_output_in_training(kind, p):
    """Slide 80's law, for one layer: exactly, over all masks."""
    x = inputs((1, 5))
    masks = np.array(list(itertools.product((0, 1), repeat=5)))
    weights = p ** masks.sum(axis=1) * (1 - p) ** (5 - masks.sum(axis=1))
    mean = scale(kind, p) * weights @ (masks * x)
    np.testing.assert_allclose(pair(kind)[0](x, {"p": p, "mode": "test"})[0][0], mean, rtol=1e-12)


@every_kind
@pytest.mark.parametrize("module", [in_numpy, in_torch])
@pytest.mark.parametrize("mode", ["train", "test"])
def test_types_stay_and_inputs_too(kind, module, mode):
    x = inputs().astype(np.float32)
    x = x if module is in_numpy else torch.from_numpy(x).bfloat16()
    before = x.copy() if module is in_numpy else x.clone()
    forward, backward = pair(kind, module)
    out, cache = forward(x, {"p": 0.3, "mode": mode, "seed": 0})
    assert out.dtype == backward(x, cache).dtype == x.dtype
    assert bool((x == before).all())


@pytest.mark.parametrize(
    "param, message",
    [
        ({"p": 0}, r"dropout_param\['p'\] must be greater than 0 and at most 1, got 0"),
        ({"p": 1.5}, r"dropout_param\['p'\] must be greater than 0 and at most 1, got 1.5"),
        ({"mode": "eval"}, r"dropout_param\['mode'\] must be 'train' or 'test', got 'eval'"),
        (
            {"keep": 0.5},
            "dropout_param has the unknown key 'keep'; known keys: 'p', 'mode', 'seed'",
        ),
        (
            {"seed": -1},
            r"dropout_param\['seed'\] must be a whole number of at least 0, a np.random",
        ),
        ({"seed": 0.5}, "pass np.random.default_rng"),
    ],
)
@every_kind
def test_errors_say_what_is_wrong(kind, param, message):
    for module in (in_numpy, in_torch):
        x = np.ones((2, 3)) if module is in_numpy else torch.ones(2, 3)
        with pytest.raises((TypeError, ValueError), match=f"{kind}_forward: {message}|{message}"):
            pair(kind, module)[0](x, param)


# ------------------------------------------------------------------ the layer


@pytest.mark.parametrize("p", [0.0, 0.2, 0.7])
def test_the_layer_keeps_to_the_law_of_pytorchs_own(p):
    x = torch.from_numpy(inputs((200, 100))).requires_grad_()
    for layer in (modules.Dropout(p, seed=3), torch.nn.Dropout(p)):
        torch.manual_seed(0)
        out = layer(x)
        kept = out != 0
        torch.testing.assert_close(out[kept], (x / (1 - p))[kept])
        spread = math.sqrt(x.numel() * p * (1 - p))
        assert abs(int(kept.sum()) - (1 - p) * x.numel()) <= SIGMAS * spread
        (gradient,) = torch.autograd.grad(out.sum(), x)
        torch.testing.assert_close(gradient, out.detach() / x.detach())
        assert torch.equal(layer.eval()(x), x)


def test_the_layer_says_what_it_is_and_refuses_to_drop_all():
    assert repr(modules.Dropout(0.2)) == repr(torch.nn.Dropout(0.2))
    with pytest.raises(ValueError, match=r"Dropout: p must be at least 0 and below 1, got 1"):
        modules.Dropout(1)


# ------------------------------------------------------------------ the exact expectation


@given(p=st.floats(0, 1), seed=st.integers(0, 1000), size=st.integers(1, 8))
def test_a_linear_neuron_is_on_average_p_times_itself(p, seed, size):
    rng = np.random.default_rng(seed)
    w, x = rng.normal(size=(2, size))
    expected = in_numpy.expectation_over_masks(lambda at: w @ at, x, p)
    np.testing.assert_allclose(expected, p * (w @ x), atol=1e-12)


@given(p=st.floats(0, 1), seed=st.integers(0, 1000))
def test_the_expected_square_is_the_square_of_the_mean_plus_the_variance(p, seed):
    a = np.random.default_rng(seed).normal(size=6)
    expected = in_numpy.expectation_over_masks(lambda at: at.sum() ** 2, a, p)
    closed = (p * a.sum()) ** 2 + p * (1 - p) * (a**2).sum()
    np.testing.assert_allclose(expected, closed, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_the_expectation_is_the_limit_of_many_draws(p):
    x = inputs((6,)) - 1.2
    relu = lambda at: np.maximum(at.sum(axis=-1), 0)  # noqa: E731
    exact = in_numpy.expectation_over_masks(relu, x, p)
    draws = relu((np.random.default_rng(0).random((100_000, 6)) < p) * x)
    assert abs(draws.mean() - exact) < SIGMAS * draws.std() / math.sqrt(len(draws))
    in_pytorch = in_torch.expectation_over_masks(
        lambda at: at.sum().clamp(min=0), torch.from_numpy(x), p
    )
    np.testing.assert_allclose(in_pytorch, exact, rtol=1e-12)


def test_slide_78_has_four_masks_of_one_quarter():
    """The slides' transcript writes the mask (0, 1) twice and (0, 0) never; the sum is as given."""
    w, x, seen = np.array([0.3, -2.0]), np.array([1.5, 0.7]), []

    def neuron(at):
        seen.append(tuple(at != 0))
        return w @ at

    expected = in_numpy.expectation_over_masks(neuron, x, 0.5)
    assert sorted(seen) == [(False, False), (False, True), (True, False), (True, True)]
    np.testing.assert_allclose(expected, 0.5 * (w @ x))
    repeated = 0.25 * (w @ x + w[0] * x[0] + 2 * w[1] * x[1])
    assert abs(repeated - expected) > 0.1


def test_slide_79_multiplies_by_the_probability_of_keeping():
    """ "Dropout probability" taken as that of dropping is right at ½ only."""
    w, x = np.array([0.3, -2.0]), np.array([1.5, 0.7])
    for p, dropping_is_right in ((0.5, True), (0.8, False)):
        mean = in_numpy.expectation_over_masks(lambda at: w @ at, x, p)
        assert np.isclose(mean, p * (w @ x))
        assert np.isclose(mean, (1 - p) * (w @ x)) == dropping_is_right


def test_scaling_is_the_mean_of_a_relu_only_where_no_mask_changes_its_side():
    for p in (0.3, 0.8):
        relu = lambda at: max(at.sum(), 0.0)  # noqa: E731
        same_sign, mixed = np.array([1.0, 2.0]), in_numpy.separating_products(p)
        exact = in_numpy.expectation_over_masks(relu, same_sign, p)
        np.testing.assert_allclose(exact, relu(p * same_sign))
        exact = in_numpy.expectation_over_masks(relu, mixed, p)
        assert exact - relu(p * mixed) > 0.1 * np.abs(mixed).max()


# ------------------------------------------------------------------ softmax and its means


def softmax(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


def means_of_softmax(p, seed):
    """Return the geometric mean weighted by P(mask), the unweighted one, and the arithmetic one."""
    rng = np.random.default_rng(seed)
    W, x = 2 * rng.normal(size=(4, 10)), rng.normal(size=10)
    mean_log = in_numpy.expectation_over_masks(lambda at: np.log(softmax(W @ at)), x, p)
    masks = np.array(list(itertools.product((0, 1), repeat=10)))
    alike = np.mean([np.log(softmax(W @ (m * x))) for m in masks], axis=0)
    arithmetic = in_numpy.expectation_over_masks(lambda at: softmax(W @ at), x, p)
    scaled = softmax(W @ (p * x))
    return scaled, softmax(mean_log), softmax(alike), arithmetic


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("p", [0.5, 0.8])
def test_for_softmax_scaling_is_the_geometric_mean_weighted_by_the_masks(p, seed):
    scaled, weighted, alike, arithmetic = means_of_softmax(p, seed)
    np.testing.assert_allclose(weighted, scaled, atol=1e-14)
    assert np.isclose(arithmetic.sum(), 1)
    assert np.abs(arithmetic - scaled).max() > 0.01, "the mean of slide 75 is another one"
    assert (np.abs(alike - scaled).max() > 0.01) == (p != 0.5)


@pytest.mark.parametrize("module", [in_numpy, in_torch], ids=["NumPy", "PyTorch"])
@pytest.mark.parametrize("shape", [(40, 30), (7, 3, 5), (1, 1)])
def test_the_tuned_form_drops_the_same_units(module, shape):
    for seed, p, dtype in itertools.product(range(3), (0.01, 0.1, 0.5, 0.7, 1), "efd"):
        x = inputs(shape, seed).astype(dtype)
        x = torch.from_numpy(x) if module is in_torch else x
        for param in ({"p": p, "seed": seed}, {"p": p, "seed": seed, "mode": "test"}):
            ours, theirs = (m.dropout_forward(x, param) for m in (tuned, module))
            assert ours[0].dtype == x.dtype
            for one, other in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(one, other)


def test_the_tuned_form_goes_on_with_a_generator():
    ours, theirs = np.random.default_rng(5), np.random.default_rng(5)
    for p in (0.3, 0.6):
        one = tuned.dropout_forward(inputs(), {"p": p, "seed": ours})[0]
        assert (one == in_numpy.dropout_forward(inputs(), {"p": p, "seed": theirs})[0]).all()


@pytest.mark.parametrize("p", [0.1, 0.7])
def test_the_tuned_form_keeps_with_probability_p_by_any_generator(p):
    x = inputs((400, 501))
    rng = np.random.Generator(np.random.MT19937(0))
    rng.random(dtype=np.float32)  # half a draw is left over
    kept = tuned.dropout_forward(x, {"p": p, "seed": rng})[0] != 0
    assert abs(kept.sum() - p * x.size) < SIGMAS * math.sqrt(x.size * p * (1 - p))


# ------------------------------------------------------------------ dropout as L2


def regression(seed, N=7, D=5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, D)), rng.normal(size=N), rng.normal(size=D)


@given(p=st.floats(0, 1), seed=st.integers(0, 1000))
def test_for_least_squares_dropout_is_l2(p, seed):
    """Every example has masks of its own; the expectation of a sum needs them one by one."""
    x, y, w = regression(seed)
    brute = sum(
        in_numpy.expectation_over_masks(lambda at, target=target: (target - at @ w) ** 2, row, p)
        for row, target in zip(x, y, strict=True)
    )
    loss, _ = in_numpy.dropout_as_l2(x, y, w, p)
    np.testing.assert_allclose(loss, brute, rtol=1e-11)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.8, 1.0])
def test_its_gradient_is_its_slope_and_that_of_autograd(p):
    x, y, w = regression(0)
    _, dw = in_numpy.dropout_as_l2(x, y, w, p)
    slopes = numerical_gradient(lambda at: float(in_numpy.dropout_as_l2(x, y, at, p)[0]), w)
    np.testing.assert_allclose(dw, slopes, rtol=1e-6, atol=1e-8)
    tensors = [torch.from_numpy(a) for a in (x, y, w)]
    leaf = tensors[2].requires_grad_()
    loss, own = in_torch.dropout_as_l2(*tensors, p)
    expected = torch.autograd.grad(loss, leaf)[0] if p else torch.zeros_like(leaf)
    torch.testing.assert_close(own.detach(), expected)
    np.testing.assert_allclose(own.detach(), dw, rtol=1e-12, atol=1e-12)


def test_its_minimum_is_a_ridge_regression_of_scaled_inputs():
    """With inputs of size 1 a feature, inverted dropout is ridge with α = (1 − p) / p."""
    from sklearn.linear_model import Ridge

    p, (x, y, _) = 0.7, regression(3, N=30)
    x /= np.linalg.norm(x, axis=0)
    theirs = Ridge(alpha=(1 - p) / p, fit_intercept=False, solver="cholesky").fit(x, y).coef_
    _, dw = in_numpy.dropout_as_l2(x, y, theirs / p, p)  # inverted: x / p, so w / p for w
    np.testing.assert_allclose(dw, 0, atol=1e-12)


# ------------------------------------------------------------------ wiring


def test_training_with_a_penalty_is_gradient_descent_with_weight_decay():
    from cs231n_lib.layers.network import Affine, Network, ReLU

    rng = np.random.default_rng(0)
    net = Network([Affine(6, 5, rng, dtype=float), ReLU(), Affine(5, 3, rng, dtype=float)])
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    model.double()
    with torch.no_grad():
        for name, layer in (("affine1", model[0]), ("affine2", model[2])):
            layer.weight.copy_(torch.from_numpy(net.params[f"{name}.w"].T))
            layer.bias.zero_()
    batches = [(rng.normal(size=(4, 6)), rng.integers(3, size=4)) for _ in range(3)]
    optimizer = torch.optim.SGD(
        [
            {"params": [model[0].weight, model[2].weight], "weight_decay": 2 * 0.05},
            {"params": [model[0].bias, model[2].bias]},
        ],
        lr=0.2,
    )
    losses, accuracies = in_numpy.train_regularized(
        net, batches, batches[0], lambda W: in_numpy.l2_penalty(W, 0.05), 0.2, 2
    )
    for _ in range(2):
        for x, y in batches:
            optimizer.zero_grad()
            scores = model(torch.from_numpy(x))
            torch.nn.functional.cross_entropy(scores, torch.from_numpy(y)).backward()
            optimizer.step()
    for name, layer in (("affine1", model[0]), ("affine2", model[2])):
        np.testing.assert_allclose(net.params[f"{name}.w"].T, layer.weight.detach(), rtol=1e-10)
        np.testing.assert_allclose(net.params[f"{name}.b"], layer.bias.detach(), rtol=1e-10)
    assert losses.shape == (6,) and accuracies.shape == (2,)
    assert not net.layers[0].training, "left in test mode"


def test_noise_is_on_in_training_and_off_at_validation():
    modes = []
    net = SimpleNamespace(
        train=lambda: modes.append("train"),
        eval=lambda: modes.append("eval"),
        params={},
        loss_and_gradients=lambda x, y: (modes.append("step") or 0.0, {}),
        accuracy=lambda x, y: modes.append("score") or 0.5,
    )
    in_numpy.train_regularized(net, [(None, None)] * 2, (None, None), None, 0.1, 2)
    assert modes == ["train", "step", "step", "eval", "score"] * 2


# ------------------------------------------------------------------ on a GPU


@pytest.mark.gpu
@every_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dropout_on_a_gpu(kind, dtype):
    x = torch.ones(64, 64, device="cuda", dtype=dtype)
    forward, backward = pair(kind, in_torch)
    for seed in (3, torch.Generator("cuda").manual_seed(3), None):
        out, cache = forward(x, {"p": 0.25, "seed": seed})
        assert out.is_cuda and out.dtype == dtype
        assert out.unique().tolist() == [0, scale(kind, 0.25)]
        assert torch.equal(backward(x, cache), out)
