"""The checks of the schedules: what the spies accept, and what a separating step must be."""

from functools import partial

import numpy as np
import pytest
import torch

from autograder import check, exercises
from autograder.exercises.schedules import BATCHES, EPOCHS, OUTCOMES, Training
from cs231n_lib.schedules.shared import separating_step, step_decay, train_with_schedule


class Functions:
    """What a scenario calls, made of plain functions."""

    train_with_schedule = staticmethod(train_with_schedule)


def report_on(name, **functions):
    return check.run(exercises.find(name), functions)


def message(**functions):
    (row,) = report_on("schedules.separating_step", **functions).rows
    return row.message


# ------------------------------------------------------------------ the spies


@pytest.mark.parametrize("per", ["batch", "epoch"])
@pytest.mark.parametrize("seed", range(3))
def test_the_spies_train_as_pytorch_does(seed, per):
    """Gradient descent on ½|w − b|² with ExponentialLR, by PyTorch's own objects."""
    spies, twin = (Training(np.random.default_rng(seed), factor=0.7) for _ in range(2))
    best = spies.run(Functions, per)

    w = torch.nn.Parameter(torch.from_numpy(twin.w.copy()))
    optimizer = torch.optim.SGD([w], lr=twin.rate)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.7)
    path, rates = [], []
    optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    optimizer.register_step_post_hook(lambda *_: path.append(w.detach().numpy().copy()))
    model = torch.nn.Module()
    model.w = w
    scores = iter(twin.scores[BATCHES::BATCHES])
    theirs = train_with_schedule(
        model, optimizer, scheduler, per, twin.batches,
        lambda b: (w - torch.from_numpy(b)).pow(2).sum() / 2, lambda: next(scores), EPOCHS,
    )  # fmt: skip

    assert best == theirs == 0.7
    np.testing.assert_allclose(spies.rates, rates, rtol=1e-12)
    np.testing.assert_allclose(spies.path, path, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(spies.w, w.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_the_best_epoch_is_an_inner_one_and_no_tie(seed):
    """So keeping the first, the last or an equal one shows; a better score lies between epochs."""
    scores = Training(np.random.default_rng(seed)).scores
    at_ends = scores[BATCHES::BATCHES]
    assert len(at_ends) == EPOCHS == len(set(at_ends))
    assert 0 < at_ends.argmax() < EPOCHS - 1 and scores.max() > at_ends.max()


def test_a_loop_that_never_steps_earns_nothing_and_crashes_nothing():
    report = report_on("schedules.train_with_schedule", train_with_schedule=lambda *arguments: 0.0)
    assert report.score == 0
    assert all(row.message and not row.message.startswith("raised") for row in report.rows)


def test_wrong_wiring_costs_its_own_check_only():
    """With a constant rate nothing else depends on where the scheduler stands."""

    def per_batch(model, optimizer, scheduler, per, *others):
        return train_with_schedule(model, optimizer, scheduler, "batch", *others)

    report = report_on("schedules.train_with_schedule", train_with_schedule=per_batch)
    lost = [row.check for row in report.rows if row.earned < row.points]
    assert lost == ["scheduler per epoch: the rate of every step"]
    assert report.misconceptions == ("always stepped per batch",)


# ------------------------------------------------------------------ kill the bug


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (lambda factor, every: 2 * every, 0),
        (lambda factor, every: float(2 * every), 0),
        (lambda factor, every: np.int64(3 * every + 1), 0),
        (lambda factor, every: 199, 0),
        (lambda factor, every: 200, 1),
        (lambda factor, every: -1, 1),
        (lambda factor, every: 2.5 * every + 0.25, 1),
        (lambda factor, every: float("nan"), 1),
        (lambda factor, every: np.array([2 * every]), 1),
        (lambda factor, every: 0, 3),
        (lambda factor, every: every - 1, 4),
        (lambda factor, every: 2 * every - 1, 5),
    ],
)
def test_what_a_separating_step_is(answer, outcome):
    expected = OUTCOMES[outcome] if outcome else ""
    assert message(step_decay=step_decay, separating_step=answer) == expected


def test_the_students_own_step_decay_must_be_right():
    for own in (
        lambda t, rate, factor, every: rate * factor ** (t / every),
        lambda t, rate, factor, every: rate,
    ):
        assert message(step_decay=own, separating_step=separating_step) == OUTCOMES[2]


def test_schedules_may_be_written_with_partial_and_numpy_numbers():
    """What a function returns may be any one real number."""
    for kind in (float, np.float64, np.array):
        own = partial(lambda kind, *a: kind(step_decay(*a)), kind)
        report = report_on("schedules.step_decay", step_decay=own)
        assert report.score == report.points
