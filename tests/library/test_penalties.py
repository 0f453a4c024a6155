"""Penalties against autograd, weight decay, closed forms and brute force; what L2 is not."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from cs231n_lib.gradcheck import numerical_gradient
from cs231n_lib.regularization import in_numpy, in_torch

LAM, BETA, RATE = 0.37, 1.7, 0.13
PENALTIES = {
    "l2_penalty": ((LAM,), lambda W: LAM * W.square().sum()),
    "l1_penalty": ((LAM,), lambda W: LAM * torch.linalg.vector_norm(W, 1)),
    "elastic_net_penalty": (
        (LAM, BETA),
        lambda W: LAM * (BETA * torch.linalg.vector_norm(W).square() + W.abs().sum()),
    ),
}
shapes = array_shapes(min_dims=1, max_dims=4, max_side=5)
every_penalty = pytest.mark.parametrize("name", PENALTIES)


def weights(shape=(4, 3), seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# ------------------------------------------------------------------ oracles


@every_penalty
@given(shape=shapes, seed=st.integers(0, 1000))
def test_penalties_and_their_gradients_are_those_of_autograd(name, shape, seed):
    settings, formula = PENALTIES[name]
    W = weights(shape, seed)
    leaf = torch.from_numpy(W).requires_grad_()
    expected = formula(leaf)
    (gradient,) = torch.autograd.grad(expected, leaf)
    assert expected > 0
    for module, given_W in ((in_numpy, W), (in_torch, torch.from_numpy(W))):
        penalty, dW = getattr(module, name)(given_W, *settings)
        np.testing.assert_allclose(float(penalty), expected.item(), rtol=1e-12)
        np.testing.assert_allclose(dW, gradient, rtol=1e-12)


@every_penalty
def test_gradients_are_the_slopes_of_the_penalty(name):
    settings, _ = PENALTIES[name]
    penalty = getattr(in_numpy, name)
    W = weights()
    slopes = numerical_gradient(lambda at: float(penalty(at, *settings)[0]), W)
    np.testing.assert_allclose(penalty(W, *settings)[1], slopes, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["l1_penalty", "elastic_net_penalty"])
@pytest.mark.parametrize("module", [in_numpy, in_torch])
def test_at_zero_the_slope_is_one_of_those_of_the_absolute_value(name, module):
    zero = torch.zeros(3) if module is in_torch else np.zeros(3)
    _, dW = getattr(module, name)(zero, *PENALTIES[name][0])
    assert bool((abs(dW) <= LAM).all())


@pytest.mark.parametrize("steps", [1, 5])
def test_l2_is_weight_decay_of_half_its_strength_in_gradient_descent(steps):
    """PyTorch decays by its own number times w, and the slide's ΣW² has the slope 2w."""
    w, dw = torch.from_numpy(weights()), torch.from_numpy(weights(seed=1))
    theirs = torch.nn.Parameter(w.clone())
    optimizer = torch.optim.SGD([theirs], lr=RATE, weight_decay=2 * LAM)
    for _ in range(steps):
        theirs.grad = dw.clone()
        optimizer.step()
        w = w - RATE * (dw + in_torch.l2_penalty(w, LAM)[1])
    np.testing.assert_allclose(w, theirs.detach(), rtol=1e-12)


def test_l2_is_not_weight_decay_under_adam():
    """Slide 70 says "weight decay"; Adam divides the penalty's gradient away, AdamW decays."""
    ends = {}
    for name, settings in (("Adam", {"weight_decay": 2 * LAM}), ("AdamW", {"weight_decay": LAM})):
        w = torch.nn.Parameter(torch.tensor([1.0, 10.0], dtype=torch.float64))
        optimizer = getattr(torch.optim, name)([w], lr=0.01, **settings)
        for _ in range(20):
            w.grad = torch.zeros_like(w)
            optimizer.step()
        ends[name] = (w.detach() / torch.tensor([1.0, 10.0])).numpy()  # what is left of each
    assert ends["AdamW"][0] == pytest.approx(ends["AdamW"][1]), "every weight by the same share"
    lost = 1 - ends["Adam"]
    assert lost[0] == pytest.approx(10 * lost[1], rel=0.05), "every weight by the same amount"


# ------------------------------------------------------------------ the proximal step


@given(shape=shapes, seed=st.integers(0, 1000), strength=st.floats(0, 5))
def test_the_proximal_step_is_soft_thresholding(shape, seed, strength):
    w, dw = weights(shape, seed), weights(shape, seed + 1)
    v = torch.from_numpy(w - RATE * dw)
    expected = torch.nn.functional.softshrink(v, RATE * strength).numpy()
    for next_w in (
        in_numpy.l1_proximal_step(w, dw, RATE, strength),
        in_torch.l1_proximal_step(*map(torch.from_numpy, (w, dw)), RATE, strength).numpy(),
    ):
        np.testing.assert_allclose(next_w, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", range(5))
def test_the_proximal_step_minimizes_what_it_stands_for(seed):
    """½(u − v)² + αλ|u| is lowest at u, of all points of a fine grid."""
    w, dw = weights((6,), seed), weights((6,), seed + 1)
    v = w - RATE * dw
    grid = np.linspace(-4, 4, 80_001)[:, None]
    lowest = grid[np.argmin(0.5 * (grid - v) ** 2 + RATE * 3.0 * np.abs(grid), axis=0), 0]
    np.testing.assert_allclose(in_numpy.l1_proximal_step(w, dw, RATE, 3.0), lowest, atol=1e-4)


def lasso(seed, steps=3000):
    """Return the weights of a lasso by the two kinds of step, and the data."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 12))
    y = X[:, :3] @ np.array([2.0, -1.5, 1.0]) + 0.1 * rng.normal(size=40)
    by_prox, by_slope = np.zeros(12), np.zeros(12)
    for _ in range(steps):
        by_prox = in_numpy.l1_proximal_step(by_prox, X.T @ (X @ by_prox - y) / 40, 0.05, 0.3)
        slope = X.T @ (X @ by_slope - y) / 40 + in_numpy.l1_penalty(by_slope, 0.3)[1]
        by_slope = by_slope - 0.05 * slope
    return X, y, by_prox, by_slope


@pytest.mark.parametrize("seed", range(3))
def test_the_proximal_step_finds_the_lasso_of_scikit_learn(seed):
    from sklearn.linear_model import Lasso

    X, y, w, _ = lasso(seed)
    theirs = Lasso(alpha=0.3, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(X, y).coef_
    assert 0 < np.count_nonzero(theirs) < 12
    np.testing.assert_allclose(w, theirs, atol=1e-6)
    assert (w == 0).tolist() == (theirs == 0).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_only_the_proximal_step_makes_zeros(seed):
    *_, by_prox, by_slope = lasso(seed)
    assert np.count_nonzero(by_prox == 0) >= 3
    assert not (by_slope == 0).any() and np.abs(by_slope).min() < 0.02


# ------------------------------------------------------------------ identities and manners


def test_the_elastic_net_is_the_sum_of_its_parts():
    W = weights()
    both = in_numpy.elastic_net_penalty(W, LAM, BETA)
    l2, l1 = in_numpy.l2_penalty(W, LAM * BETA), in_numpy.l1_penalty(W, LAM)
    for whole, a, b in zip(both, l2, l1, strict=True):
        np.testing.assert_allclose(whole, a + b, rtol=1e-12)
    for whole, a in zip(in_numpy.elastic_net_penalty(W, LAM, 0.0), l1, strict=True):
        np.testing.assert_array_equal(whole, a)


def test_without_strength_nothing_is_left():
    W = weights()
    for name, ((_, *rest), _) in PENALTIES.items():
        penalty, dW = getattr(in_numpy, name)(W, 0.0, *rest)
        assert penalty == 0 and not dW.any()
    np.testing.assert_array_equal(in_numpy.l1_proximal_step(W, 0 * W, RATE, 0.0), W)


@every_penalty
@pytest.mark.parametrize("module", [in_numpy, in_torch])
def test_types_stay_and_inputs_too(name, module):
    W = weights().astype(np.float32)
    arrays = [W, torch.from_numpy(W).bfloat16()][module is in_torch]
    before = arrays.copy() if module is in_numpy else arrays.clone()
    penalty, dW = getattr(module, name)(arrays, *PENALTIES[name][0])
    assert penalty.dtype == [np.float32, torch.float32][module is in_torch]  # a sum: never half
    assert dW.dtype == arrays.dtype
    assert bool((arrays == before).all())
    next_w = module.l1_proximal_step(arrays, arrays, RATE, LAM)
    assert next_w.dtype == arrays.dtype and bool((arrays == before).all())


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: in_numpy.l2_penalty(np.ones(3), -0.1), "reg must be at least 0, got -0.1"),
        (lambda: in_numpy.l1_penalty([1.0], 0.1), "W must be a NumPy array or a PyTorch tensor"),
        (lambda: in_numpy.l2_penalty(np.ones(3, int), 0.1), "W must hold floats"),
        (
            lambda: in_numpy.elastic_net_penalty(np.ones(3), 0.1, float("nan")),
            "beta must be at least 0, got nan",
        ),
        (
            lambda: in_numpy.l1_proximal_step(np.ones(3), np.ones(4), 0.1, 0.1),
            r"dw must have the shape of w, \(3,\), got shape \(4,\)",
        ),
        (
            lambda: in_numpy.l1_proximal_step(np.ones(3), np.ones(3), 0.0, 0.1),
            "learning_rate must be greater than 0, got 0.0",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


# ------------------------------------------------------------------ on a GPU


@pytest.mark.gpu
@every_penalty
def test_penalties_on_a_gpu(name):
    settings, _ = PENALTIES[name]
    W = torch.from_numpy(weights())
    for here, there in zip(
        getattr(in_torch, name)(W, *settings),
        getattr(in_torch, name)(W.cuda(), *settings),
        strict=True,
    ):
        assert there.is_cuda
        torch.testing.assert_close(there.cpu(), here)
