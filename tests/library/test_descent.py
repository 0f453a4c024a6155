"""The line search and its loop on functions that are awkward to minimize."""

import numpy as np
import pytest
import torch

from cs231n_lib.descent import descend, strong_wolfe
from cs231n_lib.errors import above, validated

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


def test_numbers_of_numpy_become_pythons_at_the_door():
    seen = []

    @validated(a=above(0), b=above(0), options={"c": above(0), "w": "D"})
    def f(a, b=1.0, options=None):
        seen.extend([a, b, options["c"]])

    options = {"c": np.float32(0.5), "w": np.ones(3)}
    f(np.float64(1.0), b=np.int64(2), options=options)
    assert [type(value) for value in seen] == [float, int, float]
    assert isinstance(options["w"], np.ndarray)
