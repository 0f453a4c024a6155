"""What lesson 06 claims, and what `docs/lecture_errata.md` says about its slides."""

import math
from functools import cache

import numpy as np
import pytest
import torch

from cs231n_lib.data import digits
from cs231n_lib.layers.network import Affine, Network, ReLU
from cs231n_lib.schedules.shared import (
    cosine_restarts,
    exponential_decay,
    inverse_time_decay,
    step_decay,
)
from cs231n_lib.train import fit

SEEDS = range(3)


def network(seed):
    rng = np.random.default_rng(seed)
    return Network([Affine(64, 32, rng), ReLU(), Affine(32, 10, rng)])


@cache
def noisy():
    """Return (x, y) of the digits with a tenth of the labels random."""
    rng, data = np.random.default_rng(0), digits()
    y = np.where(rng.random(len(data.y_train)) < 0.1, rng.integers(10, size=1297), data.y_train)
    return data.x_train, y


def loss_of_all(net):
    return float(net.loss_and_gradients(*noisy())[0])


def losses_of_run(seed, schedule, steps, batch_size):
    """Return the loss of all data after each tenth step; a batch of None is all data."""
    (x, y), net, rng, losses = noisy(), network(seed), np.random.default_rng(seed), []
    for t in range(steps):
        rows = slice(None) if batch_size is None else rng.integers(len(x), size=batch_size)
        _, gradients = net.loss_and_gradients(x[rows], y[rows])
        for name, w in net.params.items():
            w -= np.float32(schedule(t)) * gradients[name]
        if t % 10 == 9:
            losses.append(loss_of_all(net))
    return np.array(losses)


# ---------------------------------------------------------------------------- the lecture's words


@pytest.mark.parametrize("seed", SEEDS)
def test_a_very_high_rate_ends_at_guessing_with_a_dead_layer(seed):
    net, rng = network(seed), np.random.default_rng(seed)
    history = fit(net, digits(), steps=100, batch_size=16, learning_rate=5.0, rng=rng)
    assert not history.diverged and max(history.loss[:10]) > 2 * math.log(10)
    alive = (net.activations(digits().x_train)["relu1"] > 0).any(axis=0)
    assert alive.mean() < 0.2  # a unit or two of 32 may live on
    assert np.mean(history.loss[-50:]) > 0.95 * math.log(10)  # one batch of 16 says little


def test_two_rates_change_places():
    high, low = (
        np.mean([losses_of_run(seed, lambda t, r=r: r, 600, 16) for seed in range(20)], axis=0)
        for r in (1.0, 0.03)
    )
    assert high[5] < low[5] and high[-5:].mean() > low[-5:].mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_loss_drops_at_the_decay_when_batches_are_noisy(seed):
    """Soon after a drop the loss is below all that the run saw in the 100 steps before."""
    losses = losses_of_run(seed, lambda t: step_decay(t, 0.5, 0.1, 300), 340, 16)
    before, after = losses[20:30], losses[31:]
    assert after.mean() < before.min()


@pytest.mark.parametrize("seed", SEEDS)
def test_without_noise_there_is_no_drop(seed):
    """Over all of the data the lower rate only makes the descent slower."""
    decayed, constant = (
        losses_of_run(seed, lambda t, f=f: step_decay(t, 0.2, f, 100), 140, None) for f in (0.1, 1)
    )
    assert (np.diff(decayed) < 0).all() and (decayed[10:] > constant[10:]).all()
    speed = decayed[9] - decayed[10], constant[9] - constant[10]
    assert speed[0] == pytest.approx(0.1 * speed[1], rel=0.2)  # first order in the rate


@pytest.mark.parametrize("rate", [0.4, 0.1, 0.02])
def test_the_floor_of_a_noisy_quadratic_is_in_proportion_to_the_rate(rate):
    """½w² with noise of variance 1 in its gradient: E[w²] settles at α / (2 − α)."""
    rng, w, squares = np.random.default_rng(0), np.zeros(4000), []
    for t in range(600):
        w -= rate * (w + rng.normal(size=w.shape))
        if t >= 300:
            squares.append((w**2).mean())
    assert np.mean(squares) == pytest.approx(rate / (2 - rate), rel=0.05)  # 5 standard errors


def test_the_decays_of_slide_50_reach_differently_far():
    """Between the same first and last rate, and as integrals over time know it."""
    T, first = 1200, 0.5
    reach = [
        sum(schedule(t) for t in range(T))
        for schedule in (
            lambda t: step_decay(t, first, 0.1, T // 3),
            lambda t: exponential_decay(t, first, math.log(100) / T),
            lambda t: inverse_time_decay(t, first, 99 / T),
        )
    ]
    exact = (
        first * T / 3 * 1.11,
        first * T * 0.99 / math.log(100),
        first * T / 99 * math.log(100),
    )
    np.testing.assert_allclose(reach, exact, rtol=0.01)  # sums for integrals: first/2 of 28


def test_only_the_1_t_decay_meets_robbins_and_monro():
    """Its sum has no limit, that of its squares has; the exponential stops within 1/k."""
    sums = [sum(inverse_time_decay(t, 1.0, 0.1) for t in range(10**n)) for n in (2, 3, 4)]
    growth = np.diff(sums)
    assert growth[1] == pytest.approx(growth[0], rel=0.05)  # as much again for ten times the steps
    squares = [sum(inverse_time_decay(t, 1.0, 0.1) ** 2 for t in range(10**n)) for n in (3, 4)]
    assert squares[1] - squares[0] < 0.02 * squares[0]
    assert sum(exponential_decay(t, 1.0, 0.1) for t in range(10**4)) < 1 / 0.1 + 1


def test_the_lowest_rate_of_a_cycle_is_not_reached():
    rates = [cosine_restarts(t, 0.5, 0.1, 20, 2) for t in range(140)]
    assert min(rates) > 0.1 and [t for t in range(140) if rates[t] == 0.5] == [0, 20, 60]


@pytest.mark.parametrize("rho", [0.5, 0.9, 0.99])
def test_the_two_forms_of_momentum_part_at_the_drop(rho):
    """Without a gradient after it, slide 28 goes 1/f times as far as slide 27."""
    rate, f, ends = 0.1, 0.1, []
    for keeps_length in (False, True):
        w = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        optimizer = torch.optim.SGD([w], lr=rate, momentum=rho)
        for t in range(2200):  # 0.99²¹⁵⁰ is below the tolerance
            w.grad = torch.full_like(w, float(t < 50))
            if t == 50:
                optimizer.param_groups[0]["lr"] = f * rate
                start = w.item()
                buffer = optimizer.state[w]["momentum_buffer"]
                velocity = buffer.item()
                buffer /= f if keeps_length else 1
            optimizer.step()
        ends.append(w.item() - start)
    coasting = -rho / (1 - rho) * rate * velocity
    np.testing.assert_allclose(ends, [f * coasting, coasting], rtol=1e-9)


def test_question_3_counts_right():
    steps_an_epoch = 1_280_000 // 256
    assert [steps_an_epoch * epochs for epochs in (30, 60)] == [150_000, 300_000]
    assert -math.log10(step_decay(steps_an_epoch, 1.0, 0.1, 30)) == pytest.approx(166)
