"""Schedules against PyTorch's schedulers over many steps, closed forms, and properties."""

import inspect
import math
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from built_ins.schedules import scheduled
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from autograder.exercises.schedules import compounding_step_decay
from cs231n_lib.schedules.shared import (
    cosine_restarts,
    exponential_decay,
    inverse_time_decay,
    linear_warmup,
    separating_step,
    step_decay,
    train_with_schedule,
)

STEPS = 300
ULP = np.finfo(float).eps
# A scheduler of PyTorch multiplies or adds to its last rate, with a few roundings in each step.
ROUNDING = 8 * STEPS * ULP

rates = st.floats(1e-6, 10)
times = st.integers(0, 10_000)
speeds = st.floats(0, 1)
lengths = st.integers(1, 50)


def rates_of_pytorch(name, rate, steps=STEPS, **settings):
    """Return the rate of each step, of PyTorch's scheduler `name` stepped after its optimizer."""
    optimizer, scheduler = scheduled(name, rate, **settings)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(seen)


def rates_of(schedule, steps=STEPS):
    return np.array([schedule(t) for t in range(steps)])


def assert_same(schedule, name, rate, **settings):
    theirs = rates_of_pytorch(name, rate, **settings)
    assert theirs.std() > 0, "the expected answer is trivial"
    np.testing.assert_allclose(rates_of(schedule), theirs, rtol=ROUNDING, atol=ROUNDING * rate)


# ------------------------------------------------------------------ PyTorch


@pytest.mark.parametrize("rate", [0.1, 3.0])
@pytest.mark.parametrize("factor", [0.1, 0.5, 0.97])
@pytest.mark.parametrize("every", [1, 7, 100])
def test_step_decay_is_step_lr(rate, factor, every):
    schedule = partial(step_decay, rate=rate, factor=factor, every=every)
    assert_same(schedule, "StepLR", rate, step_size=every, gamma=factor)


@pytest.mark.parametrize("rate", [0.1, 3.0])
@pytest.mark.parametrize("k", [1e-3, 0.05, 0.7])
def test_exponential_decay_is_exponential_lr(rate, k):
    schedule = partial(exponential_decay, rate=rate, k=k)
    assert_same(schedule, "ExponentialLR", rate, gamma=math.exp(-k))


@pytest.mark.parametrize("k", [1e-3, 0.05, 0.7])
def test_inverse_time_decay_is_the_decay_of_adagrad(k):
    """AdaGrad divides its rate by 1 + kt, and the step by the root of the sum of squares."""
    w = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.Adagrad([w], lr=0.3, lr_decay=k, eps=0)
    for t in range(STEPS):
        before = w.item()
        w.grad = torch.ones_like(w)
        optimizer.step()
        moved = (before - w.item()) * math.sqrt(t + 1)
        # w has moved less than 30 by now, so a difference of two w is off by 30 ULP at most
        assert abs(moved - inverse_time_decay(t, 0.3, k)) < 64 * ULP * math.sqrt(t + 1)


@pytest.mark.parametrize(("high", "low"), [(0.1, 0.0), (3.0, 0.2)])
@pytest.mark.parametrize("period", [1, 10, 37])
@pytest.mark.parametrize("multiple", [1, 2, 3])
def test_cosine_restarts_is_pytorchs(high, low, period, multiple):
    if period == multiple == 1:
        assert set(rates_of(partial(cosine_restarts, **settings(high, low, 1, 1)))) == {high}
        return
    schedule = partial(cosine_restarts, **settings(high, low, period, multiple))
    name = "CosineAnnealingWarmRestarts"
    assert_same(schedule, name, high, T_0=period, T_mult=multiple, eta_min=low)


def settings(high, low, period, multiple):
    return {"high": high, "low": low, "period": period, "multiple": multiple}


@pytest.mark.parametrize("multiple", [1, 2])
def test_cosine_restarts_between_whole_steps_is_pytorchs(multiple):
    """At each batch of an epoch, as in the paper: time is a fraction of an epoch."""
    optimizer, scheduler = scheduled(
        "CosineAnnealingWarmRestarts", 0.5, T_0=5, T_mult=multiple, eta_min=0.1
    )
    for t in np.linspace(0, 40, 333):
        scheduler.step(float(t))
        ours = cosine_restarts(float(t), 0.5, 0.1, 5, multiple)
        assert abs(ours - optimizer.param_groups[0]["lr"]) < 64 * ULP


def test_one_cycle_without_restart_is_cosine_annealing():
    schedule = partial(cosine_restarts, high=0.5, low=0.1, period=STEPS, multiple=1)
    assert_same(schedule, "CosineAnnealingLR", 0.5, T_max=STEPS, eta_min=0.1)


@pytest.mark.parametrize("steps", [1, 20, 299])
@pytest.mark.parametrize("share", [0.01, 0.5])
def test_linear_warmup_is_linear_lr(steps, share):
    schedule = partial(linear_warmup, rate=0.4, steps=steps, share=share)
    assert_same(schedule, "LinearLR", 0.4, start_factor=share, total_iters=steps)


@pytest.mark.parametrize(
    "schedule",
    [
        partial(step_decay, rate=1.0, factor=0.3, every=30),
        partial(exponential_decay, rate=1.0, k=0.01),
        partial(inverse_time_decay, rate=1.0, k=0.1),
        partial(cosine_restarts, high=1.0, low=0.1, period=20, multiple=2),
        partial(linear_warmup, rate=1.0, steps=50, share=0.1),
    ],
    ids=lambda schedule: schedule.func.__name__,
)
def test_each_is_a_factor_for_lambda_lr(schedule):
    """With a rate of 1 a schedule is what LambdaLR multiplies the optimizer's rate by."""
    theirs = rates_of_pytorch("LambdaLR", 0.2, lr_lambda=schedule)
    np.testing.assert_allclose(theirs, 0.2 * rates_of(schedule), rtol=4 * ULP)


def test_warmup_and_decay_can_be_multiplied():
    """As SequentialLR's neighbours do when they are chained: each is a factor of its own."""

    def schedule(t):
        return linear_warmup(t, 0.4, 20, 0.1) * step_decay(t, 1.0, 0.5, 50)

    optimizer, warmup = scheduled("LinearLR", 0.4, start_factor=0.1, total_iters=20)
    chained = lr_scheduler.ChainedScheduler([warmup, lr_scheduler.StepLR(optimizer, 50, gamma=0.5)])
    for t in range(STEPS):
        assert abs(optimizer.param_groups[0]["lr"] - schedule(t)) < ROUNDING
        optimizer.step()
        chained.step()


# ------------------------------------------------------------------ closed forms, properties


@given(rates, st.floats(0.1, 1), lengths, st.integers(0, 100))
def test_between_drops_the_rate_stands_still(rate, factor, every, drops):
    first, last = drops * every, (drops + 1) * every - 1
    assert step_decay(first, rate, factor, every) == step_decay(last, rate, factor, every)
    ratio = step_decay(last + 1, rate, factor, every) / step_decay(last, rate, factor, every)
    assert ratio == pytest.approx(factor, rel=1e-12)  # powers of a hundred factors: 100 ULP


@given(rates, speeds, st.integers(0, 300))
def test_the_exponential_loses_the_same_share_in_equal_times(rate, k, t):
    two = exponential_decay(t, rate, k) * exponential_decay(t, rate, k)
    # exp of a number as large as 600 turns its rounding into 600 ULP
    assert exponential_decay(2 * t, rate, k) * rate == pytest.approx(two, rel=1e-12)


@given(rates, speeds, times)
def test_the_inverse_of_the_1_t_rate_is_a_straight_line(rate, k, t):
    inverse = 1 / inverse_time_decay(t, rate, k)
    assert inverse == pytest.approx(1 / rate + k / rate * t, rel=8 * ULP)


@pytest.mark.parametrize("k", [0.5, 0.125, 2**-10])
def test_half_of_the_rate_is_left_after(k):
    assert inverse_time_decay(1 / k, 0.6, k) == 0.3
    assert exponential_decay(math.log(2) / k, 0.6, k) == pytest.approx(0.3, rel=4 * ULP)


@given(rates, st.floats(0, 1), lengths, st.integers(1, 4), times)
def test_a_cycle_stays_above_its_low_rate(high, share, period, multiple, t):
    low = share * high
    rate = cosine_restarts(t, high, low, period, multiple)
    assert low <= rate <= high * (1 + 4 * ULP)
    if share < 0.9:
        assert rate > low, "eta_min itself is not reached"


@given(lengths, st.integers(1, 4), st.integers(0, 5))
def test_every_cycle_starts_at_the_high_rate(period, multiple, cycle):
    start = sum(period * multiple**i for i in range(cycle))
    length = period * multiple**cycle
    assert cosine_restarts(start, 0.9, 0.1, period, multiple) == 0.9
    end = cosine_restarts(start + length - 1, 0.9, 0.1, period, multiple)
    assert end == pytest.approx(0.5 + 0.4 * math.cos(math.pi * (length - 1) / length), rel=1e-12)
    middle = cosine_restarts(start + length / 2, 0.9, 0.1, period, multiple)
    assert middle == pytest.approx(0.5, rel=4 * ULP)


@given(rates, lengths, st.floats(0, 1), times)
def test_the_warmup_rises_to_the_rate_and_stays(rate, steps, share, t):
    assert linear_warmup(0, rate, steps, share) == pytest.approx(rate * share, rel=4 * ULP)
    assert linear_warmup(steps + t, rate, steps, share) == pytest.approx(rate, rel=4 * ULP)
    before, after = (linear_warmup(u, rate, steps, share) for u in (t, t + 1))
    assert before <= after


@given(rates, speeds, st.floats(0.01, 1), lengths)
def test_decays_never_rise(rate, k, factor, every):
    for schedule in (
        partial(step_decay, rate=rate, factor=factor, every=every),
        partial(exponential_decay, rate=rate, k=k),
        partial(inverse_time_decay, rate=rate, k=k),
    ):
        assert schedule(0) == rate
        assert all(a >= b >= 0 for a, b in pairwise(schedule(t) for t in range(0, 300, 7)))


@pytest.mark.parametrize("per_epoch", [1, 45])
def test_epochs_and_steps_are_only_two_units(per_epoch):
    """k per epoch is k / per_epoch per step; drops every 3 epochs are drops every 3 · per_epoch."""
    for step in range(0, 400, 13):
        epoch = step // per_epoch
        drop = step_decay(step, 0.5, 0.1, 3 * per_epoch)
        assert drop == step_decay(epoch, 0.5, 0.1, 3)
        fall = exponential_decay(step, 0.5, 0.2 / per_epoch)
        assert fall == pytest.approx(exponential_decay(step / per_epoch, 0.5, 0.2), rel=1e-12)


@pytest.mark.parametrize("kind", [int, float, np.int64, np.float64])
def test_scalars_of_any_kind_give_a_float(kind):
    assert isinstance(step_decay(kind(7), 0.5, 0.5, 3), float)
    assert isinstance(exponential_decay(kind(7), 0.5, 0.1), float)
    assert isinstance(inverse_time_decay(kind(7), 0.5, 0.1), float)
    assert isinstance(cosine_restarts(kind(7), 0.5, 0.1, 3, 2), float)
    assert isinstance(linear_warmup(kind(7), 0.5, 10, 0.1), float)


# ------------------------------------------------------------------ bad input

GOOD = {
    step_decay: (3, 0.1, 0.5, 10),
    exponential_decay: (3, 0.1, 0.5),
    inverse_time_decay: (3, 0.1, 0.5),
    cosine_restarts: (3, 0.1, 0.01, 10, 2),
    linear_warmup: (3, 0.1, 10, 0.1),
}


@pytest.mark.parametrize(
    ("function", "position", "value", "error", "message"),
    [
        (step_decay, 0, -1, ValueError, "t must be at least 0, got -1"),
        (step_decay, 1, math.nan, ValueError, "rate must be greater than 0, got nan"),
        (step_decay, 1, 0.0, ValueError, "rate must be greater than 0, got 0.0"),
        (step_decay, 2, 1.5, ValueError, "factor must be between 0 and 1, got 1.5"),
        (step_decay, 3, 0, ValueError, "every must be a whole number of at least 1, got 0"),
        (step_decay, 3, 2.5, ValueError, "every must be a whole number of at least 1, got 2.5"),
        (exponential_decay, 0, math.inf, ValueError, "t must be at least 0, got inf"),
        (exponential_decay, 1, "0.1", TypeError, "rate must be a number, greater than 0, got str"),
        (exponential_decay, 2, -0.1, ValueError, "k must be at least 0, got -0.1"),
        (inverse_time_decay, 0, None, TypeError, "t must be a number, at least 0, got NoneType"),
        (inverse_time_decay, 1, -0.1, ValueError, "rate must be greater than 0, got -0.1"),
        (inverse_time_decay, 2, math.nan, ValueError, "k must be at least 0, got nan"),
        (cosine_restarts, 1, math.nan, ValueError, "high must be greater than 0, got nan"),
        (cosine_restarts, 2, -0.1, ValueError, "low must be at least 0, got -0.1"),
        (cosine_restarts, 3, 0, ValueError, "period must be a whole number of at least 1, got 0"),
        (cosine_restarts, 4, 1.5, ValueError, "multiple must be a whole number of at least 1"),
        (linear_warmup, 1, -0.1, ValueError, "rate must be greater than 0, got -0.1"),
        (linear_warmup, 2, 0, ValueError, "steps must be a whole number of at least 1, got 0"),
        (linear_warmup, 3, 2, ValueError, "share must be between 0 and 1, got 2"),
    ],
)
def test_bad_numbers_are_named(function, position, value, error, message):
    arguments = list(GOOD[function])
    assert math.isfinite(function(*arguments))
    arguments[position] = value
    with pytest.raises(error, match=f"{function.__name__}: {message}"):
        function(*arguments)


# ------------------------------------------------------------------ the loop


def line(seed=0):
    """Return a model, an optimizer, batches and a loss: a line fitted to points."""
    torch.manual_seed(seed)
    model = torch.nn.Linear(3, 1).double()
    batches = [torch.randn(7, 3, dtype=torch.float64) for _ in range(4)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.5)
    return model, optimizer, batches, lambda x: (model(x) - x.sum()).pow(2).mean()


@pytest.mark.parametrize("per", ["batch", "epoch"])
def test_the_loop_takes_each_step_at_its_rate(per):
    """PyTorch's own objects, without the warning that the scheduler came first."""
    model, optimizer, batches, loss_of = line()
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append(optimizer.param_groups[0]["lr"]))
    train_with_schedule(model, optimizer, scheduler, per, batches, loss_of, lambda: 0.0, 3)
    counts = [n if per == "batch" else n // 4 for n in range(12)]
    assert seen == [0.2 * 0.5**n for n in counts]


def test_the_loop_ends_with_the_best_weights():
    model, optimizer, batches, loss_of = line()
    seen, scores = [], iter([0.1, 0.4, 0.3, 0.2])

    def evaluate():
        seen.append({name: w.clone() for name, w in model.state_dict().items()})
        return next(scores)

    scheduler = lr_scheduler.StepLR(optimizer, 2)
    best = train_with_schedule(model, optimizer, scheduler, "epoch", batches, loss_of, evaluate, 4)
    assert best == 0.4
    for name, w in model.state_dict().items():
        assert torch.equal(w, seen[1][name])
        assert not torch.equal(w, seen[3][name]), "training went on after the best epoch"


def test_the_loop_forgets_gradients():
    """Its steps are those of a run that asks autograd for each gradient afresh."""
    model, optimizer, batches, loss_of = line()
    twin, _, _, _ = line()
    constant = lr_scheduler.ConstantLR(optimizer, factor=1.0)
    train_with_schedule(model, optimizer, constant, "batch", batches, loss_of, lambda: 1.0, 1)
    velocity = [torch.zeros_like(p) for p in twin.parameters()]
    for x in batches:
        loss = (twin(x) - x.sum()).pow(2).mean()
        gradients = torch.autograd.grad(loss, list(twin.parameters()))
        with torch.no_grad():
            for p, v, g in zip(twin.parameters(), velocity, gradients, strict=True):
                v.mul_(0.5).add_(g)
                p.sub_(0.2 * v)
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("per", "epochs", "message"),
    [
        ("step", 1, "per must be 'batch' or 'epoch', got 'step'"),
        ("epoch", 0, "epochs must be a whole number of at least 1, got 0"),
    ],
)
def test_the_loop_names_what_it_cannot_use(per, epochs, message):
    nobody = SimpleNamespace()
    with pytest.raises(ValueError, match=f"train_with_schedule: {message}"):
        train_with_schedule(nobody, nobody, nobody, per, [], None, None, epochs)


@given(st.floats(0.3, 0.9), lengths)
def test_separating_step_separates(factor, every):
    t = separating_step(factor, every)
    right, wrong = (f(t, 1.0, factor, every) for f in (step_decay, compounding_step_decay))
    assert wrong < 0.95 * right
    earlier = range(t)
    assert all(
        step_decay(u, 1.0, factor, every) == compounding_step_decay(u, 1.0, factor, every)
        for u in earlier
    ), "and nothing before it does"


@pytest.mark.parametrize(("period", "multiple"), [(1, 1), (7, 1), (1, 2), (5, 3), (10, 10)])
def test_restarts_long_after_the_first_are_found_at_once(period, multiple):
    """Each cycle begins at the top and ends near the bottom, for billions of steps."""
    start, length, cycles = 0, period, 0
    while start < 10**12 and cycles < 200:
        assert cosine_restarts(start, 0.9, 0.1, period, multiple) == 0.9
        last = cosine_restarts(start + length - 1, 0.9, 0.1, period, multiple)
        expected = 0.1 + 0.4 * (1 + math.cos(math.pi * (length - 1) / length))
        assert math.isclose(last, expected, rel_tol=1e-12)
        start, length, cycles = start + length, length * multiple, cycles + 1
    unrolled = inspect.unwrap(cosine_restarts)
    for t in (0, 0.5, 3 * period + 0.25, 40 * period, 41 * period - 0.5):
        assert math.isclose(
            cosine_restarts(t, 0.9, 0.1, period, multiple),
            unrolled(t, 0.9, 0.1, period, multiple),
            rel_tol=1e-12,
        )
    assert cosine_restarts(10**15, 0.9, 0.1, 1, 1) == 0.9
