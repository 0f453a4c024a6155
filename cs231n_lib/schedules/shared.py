"""Schedules, the equations of the package cited by their tags: numbers in, a number out."""

import copy
import math

from cs231n_lib.errors import validated, whole


@validated(t="nonnegative", rate="positive", factor="fraction", every=whole(1))
def step_decay(t, rate, factor, every):
    """Multiply the rate by a factor at regular intervals.

    Args:
        t: steps or epochs done so far; rate: the first rate, at t = 0.
        factor: what is left of the rate after a drop, 0 to 1.
        every: time from drop to drop, in the unit of t.

    Returns:
        the rate at time t, a float.

    Raises:
        ValueError: for a number outside its range; yours may do otherwise.

    Slides 50–52.

    >>> [step_decay(epoch, 0.1, 0.5, 30) for epoch in (0, 29, 30, 60)]
    [0.1, 0.1, 0.05, 0.025]
    """
    drops = t // every  # Decay.1
    return rate * factor**drops  # Decay.2


@validated(t="nonnegative", rate="positive", k="nonnegative")
def exponential_decay(t, rate, k):
    """Let the rate fall by the same factor in every step: α₀·exp(−kt).

    Args:
        t: steps or epochs done so far; rate: the first rate, at t = 0.
        k: speed of the decay, per unit of t.

    Returns:
        the rate at time t, a float.

    Raises:
        ValueError: for a number outside its range; yours may do otherwise.

    Slide 50.

    >>> round(exponential_decay(10, 0.1, 0.05), 5)  # 0.1 / sqrt(e)
    0.06065
    """
    return rate * math.exp(-k * t)  # Decay.3


@validated(t="nonnegative", rate="positive", k="nonnegative")
def inverse_time_decay(t, rate, k):
    """Let the rate fall like 1/t: fast at first, then ever more slowly.

    Args:
        t: steps or epochs done so far; rate: the first rate, at t = 0.
        k: speed of the decay, per unit of t; at t = 1/k half of the rate is left.

    Returns:
        the rate at time t, a float.

    Raises:
        ValueError: for a number outside its range; yours may do otherwise.

    Slide 50.

    >>> [inverse_time_decay(t, 0.5, 0.25) for t in (0, 4, 12)]
    [0.5, 0.25, 0.125]
    """
    return rate / (1 + k * t)  # Decay.4


@validated(t="nonnegative", high="positive", low="nonnegative", period=whole(1), multiple=whole(1))
def cosine_restarts(t, high, low, period, multiple):
    """Let the rate fall along half a cosine, then start again at the top (SGDR).

    Args:
        t: steps or epochs done so far; may be a fraction, such as 2.5 epochs.
        high: the rate at the start of every cycle.
        low: the rate that a cycle comes near at its end, and does not reach in whole steps.
        period: length of the first cycle, in the unit of t.
        multiple: every cycle is so many times as long as the one before it; 1: all equally long.

    Returns:
        the rate at time t, a float.

    Raises:
        ValueError: for a number outside its range; yours may do otherwise.

    Slides 66–67; Loshchilov & Hutter 2017.

    >>> [round(cosine_restarts(t, 1.0, 0.2, 4, 2), 3) for t in (0, 1, 2, 3, 4, 8, 12)]
    [1.0, 0.883, 0.6, 0.317, 1.0, 0.6, 1.0]
    """
    t = t % period if multiple == 1 else t  # cycles that are all alike need no counting
    for _ in range(int(t // period).bit_length()):  # others at least double each time
        if t >= period:
            t = t - period  # SGDR.1
            period = period * multiple  # SGDR.2
    return low + 0.5 * (high - low) * (1 + math.cos(math.pi * t / period))  # SGDR.3


@validated(t="nonnegative", rate="positive", steps=whole(1), share="fraction")
def linear_warmup(t, rate, steps, share):
    """Raise the rate on a straight line, and keep it from there on.

    Args:
        t: steps done so far; rate: the rate after the warm-up.
        steps: length of the warm-up.
        share: of the rate, with which to begin, 0 to 1.

    Returns:
        the rate at time t, a float.

    Raises:
        ValueError: for a number outside its range; yours may do otherwise.

    Beyond the lecture (beside slides 66–67); Goyal et al. 2017.

    >>> [linear_warmup(t, 0.4, 4, 0.25) for t in (0, 2, 4, 9)]
    [0.1, 0.25, 0.4, 0.4]
    """
    done = min(t / steps, 1.0)
    return rate * (share + (1 - share) * done)  # Warm.1


@validated(per=("batch", "epoch"), epochs=whole(1))
def train_with_schedule(model, optimizer, scheduler, per, batches, loss_of, evaluate, epochs):
    """Train, with the scheduler in its place, and leave the model as it was when it was best.

    Args:
        model: has `state_dict()`, which shows the live weights, and `load_state_dict(state)`.
        optimizer: has `zero_grad()` and `step()`; gradients add up until they are set to zero.
        scheduler: has `step()`, which sets the optimizer's rate for what comes next.
        per: "batch" or "epoch", after which of the two the scheduler moves on.
        batches: list of the batches of an epoch, to be used in this order in every epoch.
        loss_of: function of a batch; what it returns has `backward()`.
        evaluate: function without arguments: the score on validation data, higher is better.
            Called once at the end of every epoch.
        epochs: how many, at least one.

    Returns:
        the best score, a float. The model has the weights that it had then.

    Raises:
        ValueError: for an unknown `per`, or epochs below 1; yours may do otherwise.

    Slides 50 and 64.

    >>> import torch
    >>> model = torch.nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    >>> halve = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    >>> batches, loss_of = [torch.ones(2, 1)], lambda x: model(x).pow(2).mean()
    >>> train_with_schedule(model, optimizer, halve, "epoch", batches, loss_of, lambda: 0.8, 3)
    0.8
    >>> halve.get_last_lr()
    [0.125]
    """
    best = -math.inf
    for _ in range(epochs):
        for batch in batches:
            optimizer.zero_grad()
            loss_of(batch).backward()
            optimizer.step()  # Wire.1
            if per == "batch":
                scheduler.step()  # Wire.2
        if per == "epoch":
            scheduler.step()  # Wire.2
        score = evaluate()
        if score > best:
            best, kept = score, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return best


def separating_step(factor, every):
    """Return a step at which the compounding decay is found out.

    Args:
        factor: what is left of the rate after a drop, between 0 and 1.
        every: steps from drop to drop.

    Returns:
        t, a whole number from 0 to 199: there `step_decay` and `compounding_step_decay` differ.

    Slide 50.

    >>> separating_step(0.5, 10) < 200
    True
    """
    drops = 2  # the first at which the two exponents are no longer the same
    return drops * every
