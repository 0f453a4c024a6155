"""The line search and its loop on functions that are awkward to minimize."""

import math

import numpy as np
import pytest
import torch

from cs231n_lib.descent import descend, strong_wolfe
from cs231n_lib.errors import above, validated
from cs231n_lib.second_order import in_numpy, in_torch

STEEPEST = (lambda dw: -dw, lambda s, y: None, lambda: None)


@pytest.mark.parametrize("start", [300.0, 400.0, -700.0])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_losses_whose_squares_overflow(library, start):
    if library == "numpy":
        w = np.array([start, 0.5])
        outcome = descend(lambda w: (np.cosh(w).sum(), np.sinh(w)), w, *STEEPEST)
    else:
        w = torch.tensor([start, 0.5], dtype=torch.float64)
        outcome = descend(lambda w: (torch.cosh(w).sum(), torch.sinh(w)), w, *STEEPEST)
    assert np.isfinite(outcome.losses).all() and list(outcome.losses) == sorted(
        outcome.losses, reverse=True
    )
    assert outcome.losses[-1] < outcome.losses[0]


def test_a_function_may_reuse_its_gradient():
    buffer = np.empty(3)
    scales = np.array([1.0, 10.0, 100.0])

    def f(w):
        np.multiply(scales, w, out=buffer)
        return 0.5 * scales @ w**2, buffer

    def fresh(w):
        return 0.5 * scales @ w**2, scales * w

    w = np.array([1.0, -2.0, 3.0])
    reused, expected = (descend(g, w, *STEEPEST) for g in (f, fresh))
    assert reused.losses == expected.losses
    assert reused.losses[-1] < 1e-3 * reused.losses[0]


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda w: w @ w, TypeError, "f must return loss, dw with dw an array like w, got float64"),
        (lambda w: [w @ w, 2 * w], TypeError, "f must return loss, dw .* got list"),
        (lambda w: (w @ w, [2.0, 2.0]), TypeError, "f must return loss, dw .* got tuple"),
        (lambda w: (w @ w, w[:1]), ValueError, r"with the shape of w, \(2,\), got \(1,\)"),
    ],
)
def test_what_is_no_loss_and_gradient_is_refused(f, error, message):
    w = np.ones(2)
    with pytest.raises(error, match=message):
        descend(f, w, *STEEPEST)
    with pytest.raises(error, match=message):
        strong_wolfe(f, w, 2.0, 2 * w, -w)


def in_place(w):
    """Spoil what it is given, and use it for the gradient."""
    loss = w @ w
    w *= 2
    return loss, w


LIKE_A_SQUARE = {  # forms in which a loss and a gradient come
    "in place": in_place,
    "loss of shape ()": lambda w: (np.array(w @ w), 2 * w),
    "loss of shape (1,)": lambda w: (np.array([w @ w]), 2 * w),
    "loss in float32": lambda w: (np.float32(w @ w), 2 * w),
    "read-only": lambda w: (w @ w, np.broadcast_to(2 * w[:1], w.shape)),
}
WITH_A_GRAPH = {
    "loss": lambda w: ((w.requires_grad_() ** 2).sum(), 2 * w.detach()),
    "gradient": lambda w: (w @ w, 2 * w.detach().clone().requires_grad_()),
    "autograd": lambda w: (
        loss := (w.requires_grad_() ** 2).sum(),
        torch.autograd.grad(loss, w, create_graph=True)[0],
    ),
}


@pytest.mark.parametrize("form", LIKE_A_SQUARE)
@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
def test_the_form_of_a_loss_and_a_gradient_does_not_matter(method, form):
    w = np.array([3.0, 3.0])
    outcome = getattr(in_numpy, method)(LIKE_A_SQUARE[form], w)
    assert outcome.reason == "flat" and np.abs(outcome.w).max() < 1e-6
    assert all(type(loss) is float for loss in outcome.losses)
    assert (w == 3.0).all()


@pytest.mark.parametrize("form", WITH_A_GRAPH)
@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
def test_a_loss_and_a_gradient_may_have_a_graph(method, form):
    outcome = getattr(in_torch, method)(WITH_A_GRAPH[form], torch.tensor([3.0, 4.0]))
    assert outcome.reason == "flat" and not outcome.w.requires_grad


@pytest.mark.parametrize(("module", "make"), [(in_numpy, np.array), (in_torch, torch.tensor)])
@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
def test_a_gradient_may_hold_whole_numbers(method, module, make):
    def distance(w):
        return abs(w - 0.25).sum(), make([int(n) for n in np.sign(np.asarray(w) - 0.25)])

    outcome = getattr(module, method)(distance, make([3.0, 4.0]))
    assert outcome.losses[-1] < outcome.losses[0]


@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
def test_an_overflow_of_pythons_numbers_is_a_bad_step_too(method):
    def f(w):
        return math.exp(w[0]) + math.exp(-w[0]), np.exp(w) - np.exp(-w)

    outcome = getattr(in_numpy, method)(f, np.array([700.0]), line_search=far)
    assert outcome.losses[-1] < outcome.losses[0]


def far(f, w, loss, dw, p, step):
    """Begin a line search where numbers overflow."""
    return strong_wolfe(f, w, loss, dw, p, 2e3)


@pytest.mark.parametrize("loss", ["1.0 or so", None, 1j, np.ones(2), [1.0]])
def test_a_loss_that_is_no_number_is_refused(loss):
    with pytest.raises(TypeError, match="f must return a loss that is one real number, got"):
        descend(lambda w: (loss, w), np.ones(2), *STEEPEST)


def test_numbers_of_numpy_become_pythons_at_the_door():
    seen = []

    @validated(a=above(0), b=above(0), options={"c": above(0), "w": "D"})
    def f(a, b=1.0, options=None):
        seen.extend([a, b, options["c"]])

    options = {"c": np.float32(0.5), "w": np.ones(3)}
    f(np.float64(1.0), b=np.int64(2), options=options)
    assert [type(value) for value in seen] == [float, int, float]
    assert isinstance(options["w"], np.ndarray)
