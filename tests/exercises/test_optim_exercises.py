"""Optimizers as students really write them: code for the usual assignment, pasted in, and slips.

Right code earns full marks however it handles its config; what is only a matter of convention costs
the one check about it; a function that a scenario passes in crosses into either framework.
"""

import numpy as np
import pytest
import torch

from autograder import exercises, misconceptions
from autograder.check import run
from autograder.checking.observe import Implementation
from autograder.exercises import optim
from cs231n_lib.optim import in_numpy, in_torch


def report_on(exercise_id, *functions):
    exercise = exercises.find(exercise_id)
    return run(exercise, dict(zip(exercise.functions, functions, strict=True)))


def failed(report):
    return {row.check for row in report.rows if row.earned < row.points}


def remarks(report):
    return {row.remark for row in report.rows if row.remark}


def known(exercise_id, name):
    """Return the function of a known wrong answer."""
    exercise = exercises.find(exercise_id)
    (record,) = (m for m in misconceptions.of(exercise_id) if m.name == name)
    return misconceptions.functions_of(record)[exercise.function]


# ------------------------------------------------------------------ the usual assignment


def assignment_adam(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("m", np.zeros_like(w))
    config.setdefault("v", np.zeros_like(w))
    config.setdefault("t", 0)

    next_w = None
    learning_rate, beta1, beta2, eps, m, v, t = (
        config[key] for key in ("learning_rate", "beta1", "beta2", "epsilon", "m", "v", "t")
    )
    t += 1
    m = beta1 * m + (1 - beta1) * dw
    v = beta2 * v + (1 - beta2) * (dw**2)
    mb = m / (1 - beta1**t)
    vb = v / (1 - beta2**t)
    next_w = w - learning_rate * mb / (np.sqrt(vb) + eps)
    config["m"], config["v"], config["t"] = m, v, t
    return next_w, config


def test_code_for_the_usual_assignment_can_be_pasted():
    report = report_on("optim.adam", assignment_adam)
    assert report.score == report.points and not remarks(report), str(report)


def test_whoever_starts_t_at_one_and_increments_first_is_told():
    """The mistake that an old handout made usual: it passes checks that prescribe t."""

    def one_too_high(w, dw, config=None):
        config = {"t": 1} if config is None else config
        config.setdefault("t", 1)
        return assignment_adam(w, dw, config)

    report = report_on("optim.adam", one_too_high)
    assert report.score < report.points / 2
    assert report.misconceptions == ("t one too high",)


@pytest.mark.parametrize("rule", ["adagrad", "rmsprop"])
@pytest.mark.parametrize("place", ["optim", "optim.torch"])
def test_epsilon_inside_the_root_costs_the_check_that_asks_for_it_only(rule, place):
    name = f"{place}.{rule}"
    report = report_on(name, known(name, "epsilon inside the root"))
    assert failed(report) == {"where epsilon goes"}
    assert report.misconceptions == ("epsilon inside the root",)


@pytest.mark.parametrize("place", ["optim", "optim.torch"])
def test_the_two_forms_of_momentum_part_only_when_the_rate_falls(place):
    module = in_torch if place.endswith("torch") else in_numpy
    for rule, other in (
        ("sgd_momentum", module.sgd_momentum_unscaled),
        ("sgd_momentum_unscaled", module.sgd_momentum),
    ):
        report = report_on(f"{place}.{rule}", lambda *args, other=other: other(*args))
        assert failed(report) == {"the learning rate falls on the way"}
        assert [name[:14] for name in report.misconceptions] == ["the other form"]


# ------------------------------------------------------------------ what a call may change


@pytest.mark.parametrize("module", [in_numpy, in_torch])
def test_moving_w_halfway_in_place_gets_a_remark_and_keeps_its_points(module):
    """Also where w is left at some point on the way."""

    def halfway(w, dw, config=None):
        next_w, config = module.sgd_momentum(w, dw, config)
        w += 0.5 * (next_w - w)
        return next_w, config

    place = "optim.torch" if module is in_torch else "optim"
    report = report_on(f"{place}.sgd_momentum", halfway)
    assert report.score == report.points
    assert remarks(report) == {optim.IN_PLACE}


def test_state_in_more_digits_than_needed_gets_a_remark():
    def double_state(w, dw, config=None):
        config = {"velocity": np.zeros(w.shape)} if config is None else config
        config.setdefault("velocity", np.zeros(w.shape))
        rho, rate = config.get("momentum", 0.9), config.get("learning_rate", 1e-2)
        config["velocity"] = rho * config["velocity"] - rate * dw
        return w + config["velocity"], config

    report = report_on("optim.sgd_momentum", double_state)
    assert report.score == report.points
    assert [text[:21] for text in remarks(report)] == ["Right, in more memory"]


@pytest.mark.parametrize("name", ["sgd", "sgd_momentum", "nesterov"])
def test_the_frameworks_own_optimizer_is_no_answer(name):
    def borrowed(w, dw, config=None):
        parameter = torch.nn.Parameter(w.clone())
        parameter.grad = dw
        torch.optim.SGD([parameter], lr=1e-2).step()
        return parameter.detach(), config

    report = report_on(f"optim.torch.{name}", borrowed)
    assert report.score == 0
    assert {row.message for row in report.rows} == {"shortcut"}


# ------------------------------------------------------------------ functions that are passed in


@pytest.mark.parametrize("place", ["optim", "optim.torch"])
def test_a_gradient_function_speaks_the_language_of_the_exercise(place):
    met = []

    def look(w, gradient, config=None):
        met.append((type(w), type(gradient(w)), gradient(w).dtype))
        return w, config

    exercise = exercises.find(f"{place}.nesterov_lookahead")
    impl = Implementation({"nesterov_lookahead": look}, exercise)
    asked = []

    def gradient(w):
        asked.append(w)
        return w / 2

    w = np.ones((2, 3), dtype=np.float32)
    impl.nesterov_lookahead(w, gradient, None)
    kind = torch.Tensor if place.endswith("torch") else np.ndarray
    dtype = torch.float32 if place.endswith("torch") else np.float32
    assert met == [(kind, kind, dtype)]
    assert all(type(a) is np.ndarray and a is not w for a in asked) and len(asked) == 2


def test_a_gradient_function_says_what_it_cannot_take():
    report = report_on("optim.nesterov_lookahead", lambda w, gradient, config=None: gradient("w"))
    assert {row.message.partition(";")[0] for row in report.rows} == {"wrong return value"}
    for row in report.rows:
        assert "is called with must be a NumPy array, got str" in row.detail


# ------------------------------------------------------------------ kill the bug


@pytest.mark.parametrize(
    ("h", "message"),
    [
        ([1.0, 0.0], "every curvature must be above 0"),
        ([float("nan")], "every curvature must be above 0"),
        ([[1.0]], "h must have shape (D,)"),
        ([], "h must have shape (D,)"),
        ([1e-4], "does not come near the minimum"),
        ([14.0], "does not come near the minimum"),
        ([1.0], "both come nearer"),
    ],
)
def test_bowls_that_separate_nothing(h, message):
    report = report_on(
        "optim.separating_curvatures", in_numpy.nesterov_lookahead, lambda: np.array(h)
    )
    assert report.score == 0 and message in report.rows[0].message


@pytest.mark.parametrize("h", [1.4, 3.0, 13.0])
def test_bowls_in_which_theory_says_that_only_the_right_look_ahead_arrives(h):
    """With a = rate · curvature: the wrong one needs a < 1/ρ − 1, the right one a < 1.357."""
    report = report_on(
        "optim.separating_curvatures", in_numpy.nesterov_lookahead, lambda: np.array([h])
    )
    assert report.score == 4, str(report)


def test_a_wrong_look_ahead_kills_no_bug():
    wrong = known("optim.nesterov_lookahead", "momentum written for Nesterov")
    report = report_on("optim.separating_curvatures", wrong, in_numpy.separating_curvatures)
    assert report.rows[0].message == "your own nesterov_lookahead is wrong in this bowl"


@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        (np.zeros(20), "must lie between 0.001 and 1000"),
        (np.ones((2, 10)), "must have shape (T,)"),
        (np.ones(9), "these are few"),
        (np.ones(12), "learning rates apart"),
        (np.linspace(-1, 1, 20), "these change their sign"),
        (np.geomspace(1000, 0.001, 20), "of very different sizes"),
    ],
)
def test_gradients_that_separate_too_little(gradients, message):
    report = report_on("optim.separating_gradients", in_numpy.adam, lambda: gradients)
    assert report.score == 0 and message in report.rows[0].message


def test_a_wrong_adam_kills_no_bug():
    wrong = known("optim.adam", "t one too high")
    report = report_on("optim.separating_gradients", wrong, in_numpy.separating_gradients)
    assert report.rows[0].message == "your own adam is wrong on these gradients"
