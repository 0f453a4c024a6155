"""Penalties and dropout as students really write them: pasted code, other draws, slips."""

import itertools
import math

import numpy as np
import pytest
from providers import provider

from autograder import exercises, expectations
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import observe
from autograder.exercises.regularization.dropout import (
    KILL_P,
    PRODUCT_OUTCOMES,
    scaled_neuron,
)
from autograder.exercises.regularization.shared import FALSE_ALARM, share_bound
from autograder.quality.measure import seeded

FORWARD, BACKWARD = "regularization.dropout_forward", "regularization.dropout_backward"


def report_on(exercise_id, number=1, **functions):
    """Return the report on some functions beside the reference's."""
    exercise = exercises.find(exercise_id)
    seen = observe(exercise, expectations.reference(exercise) | functions, seeded(number))
    return judge_exercise(exercise, seen, provider(number))


def lost(report):
    return {row.check for row in report.rows if row.earned < row.points}


# ------------------------------------------------------------------ dropout, pasted in


def pasted_forward(x, dropout_param):
    """The usual assignment's: the global generator, seeded where there is a seed."""
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask, out = None, None
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    elif mode == "test":
        out = x
    cache = (dropout_param, mask)
    return out.astype(x.dtype, copy=False), cache


def pasted_backward(dout, cache):
    dropout_param, mask = cache
    return dout * mask if dropout_param["mode"] == "train" else dout


def test_the_usual_assignments_dropout_loses_what_it_leaves_out_only():
    report = report_on(FORWARD, dropout_forward=pasted_forward)
    assert lost(report) == {"a generator goes on", "a mode that is neither train nor test"}
    assert report.score >= 0.9 * report.points and not report.misconceptions


def test_the_usual_assignments_backward_pass_is_right():
    report = report_on(BACKWARD, dropout_forward=pasted_forward, dropout_backward=pasted_backward)
    assert report.score == report.points, str(report)


@pytest.mark.parametrize("number", range(5))
def test_other_random_numbers_than_the_references_are_as_right(number):
    def by_columns(x, dropout_param):
        p, mode = dropout_param["p"], dropout_param["mode"]
        if mode not in ("train", "test"):
            raise ValueError(mode)
        if mode == "test":
            return x, None
        rng = np.random.default_rng(dropout_param["seed"])
        kept = [rng.uniform(size=len(x)) > 1 - p for _ in range(x.shape[1])]
        mask = np.stack(kept, axis=1).astype(x.dtype)
        return x * mask / x.dtype.type(p), mask

    report = report_on(FORWARD, number, dropout_forward=by_columns)
    assert report.score == report.points, str(report)


@pytest.mark.parametrize(
    "mask, message",
    [
        (lambda rng, x, p: rng.random(x.shape) < p, "multiplied by 1, not by 1/p"),
        (lambda rng, x, p: (rng.random(x.shape) < p) * p, "multiplied by p, not by 1/p"),
        (lambda rng, x, p: (rng.random(x.shape) < p) / p**2, "multiplied by 1/p², not by 1/p"),
        (lambda rng, x, p: (rng.random(x.shape) < p) / 0.9, "are not multiplied by 1/p"),
        (lambda rng, x, p: rng.random(x.shape) / p, "not all multiplied by the same number"),
        (lambda rng, x, p: np.zeros(x.shape), "all units are dropped"),
    ],
)
def test_whatever_is_left_of_a_unit_is_said(mask, message):
    def forward(x, dropout_param):
        if dropout_param["mode"] == "test":
            return x, 1
        rng = np.random.default_rng(dropout_param["seed"])
        m = mask(rng, x, dropout_param["p"])
        return x * m, m

    report = report_on(FORWARD, dropout_forward=forward)
    row = next(row for row in report.rows if row.check == "kept units are scaled")
    assert row.earned == 0 and message in row.message
    assert next(row for row in report.rows if row.check == "test mode").earned > 0


def test_a_gradient_with_new_random_numbers_is_not_called_turned_around():
    rng = np.random.default_rng(0)
    report = report_on(BACKWARD, dropout_backward=lambda g, _: g * (rng.random(g.shape) < 0.7))
    assert "the mask turned around" not in report.misconceptions


def test_the_bound_of_shares_is_hoeffdings():
    """2·exp(−2nt²) is the chance that n draws lie further than t from their probability."""
    for n in (100, 2100):
        assert 2 * math.exp(-2 * n * share_bound(n) ** 2) == pytest.approx(FALSE_ALARM)


# ------------------------------------------------------------------ penalties


@pytest.mark.parametrize("factor, checks", [(0.5, {"the penalty, of any shape of weights"})])
def test_the_half_of_the_usual_assignment_costs_one_check(factor, checks):
    report = report_on(
        "regularization.l2_penalty",
        l2_penalty=lambda W, reg: (factor * reg * np.sum(W * W), 2 * factor * reg * W),
    )
    assert lost(report) == checks
    assert report.misconceptions == ("the ½ of the usual assignment",)


@pytest.mark.parametrize("slope", [-1.0, -0.3, 0.0, 1.0])
def test_at_zero_any_slope_of_the_absolute_value_is_right(slope):
    def l1(W, reg):
        return reg * np.abs(W).sum(), reg * np.where(W == 0, slope, np.sign(W)).astype(W.dtype)

    report = report_on("regularization.l1_penalty", l1_penalty=l1)
    assert report.score == report.points, str(report)


# ------------------------------------------------------------------ kill the bug


def mean_of_neuron(a):
    """The mean of max(0, Σ m·a), mask by mask."""
    total = 0.0
    for kept in itertools.product((True, False), repeat=len(a)):
        probability = math.prod(KILL_P if k else 1 - KILL_P for k in kept)
        total += probability * max(0.0, sum(x for x, k in zip(a, kept, strict=True) if k))
    return total


@pytest.mark.parametrize(
    "a",
    [[1, -1], [1, 2], [-1, -2], [1, -0.2], [5, -3, -3], [0.1] * 8, [2, -1, 0, -1], [1e-3, -1e-3]],
)
def test_products_are_judged_by_how_far_the_two_means_lie_apart(a):
    a = np.array(a, float)
    report = report_on("regularization.separating_products", separating_products=lambda p: a)
    apart = abs(mean_of_neuron(a) - scaled_neuron(a, KILL_P)) / np.abs(a).max()
    separates = apart > 0.1 and np.abs(a).max() >= 0.01
    assert (report.score == report.points) == separates
    assert separates or report.rows[0].message in PRODUCT_OUTCOMES[1:]


def test_a_wrong_expectation_kills_no_bug():
    report = report_on(
        "regularization.separating_products",
        expectation_over_masks=lambda f, x, p: f(p * x),
    )
    assert report.rows[0].message == PRODUCT_OUTCOMES[3]
