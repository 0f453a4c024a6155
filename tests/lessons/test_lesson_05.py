"""What lesson 05 claims, and what `docs/lecture_errata.md` says about its slides."""

import functools

import numpy as np
import pytest

from cs231n_lib import plotting
from cs231n_lib.data import digits
from cs231n_lib.layers.network import Affine, Network, ReLU
from cs231n_lib.optim.in_numpy import (
    adagrad,
    adam,
    adam_uncorrected,
    adamw,
    rmsprop,
    separating_gradients,
)
from cs231n_lib.train import fit, sgd_update

RATES = np.logspace(-4, 1, 26)


def steps_in_rates(rule, gradients, **settings):
    """Return each step of one weight, downhill positive, in learning rates."""
    w, config, path = np.zeros(1), {"learning_rate": 1e-3} | settings, [0.0]
    for gradient in gradients:
        w, config = rule(w, np.array([float(gradient)]), config)
        path.append(w[0])
    return -np.diff(path) / 1e-3


def best_loss(rule, landscape):
    ends = [landscape.path(rule, 100, {"learning_rate": rate})[-1] for rate in RATES]
    return np.nanmin(landscape.above(np.array(ends)))


def descend_1d(rule, rate, steps, h=1.0, noise=None):
    """Return the weight and the factor on the gradient at every step down ½ h w² from 1."""
    w, config, path, factors = np.ones(1), {"learning_rate": rate}, [], []
    for step in range(steps):
        dw = h * w + (0 if noise is None else noise[step])
        next_w, config = rule(w, dw, config)
        factors.append(((w - next_w) / dw)[0])
        path.append(next_w[0])
        w = next_w
    return np.array(path), np.array(factors)


# ---------------------------------------------------------------------------- the lecture's words


@pytest.mark.parametrize("condition", [1.0, 100.0, 1e4])
def test_along_the_axes_adagrad_does_not_see_the_condition_number(condition):
    """Question 1 (a): the steep weight goes the way that it would go at condition 1."""
    start, settings = (-4.0, 1.0), {"learning_rate": 0.5, "epsilon": 0.0}
    way = plotting.ravine(condition).path(adagrad, 40, settings, start=start)
    round_bowl = plotting.ravine(1).path(adagrad, 40, settings, start=start)
    np.testing.assert_allclose(way, round_bowl, rtol=1e-9, atol=1e-12)
    assert abs(way[-1, 0]) < 0.75 * 4


def test_in_the_turned_ravine_adagrad_is_behind_gradient_descent():
    aligned, turned = plotting.ravine(100), plotting.ravine(100, 45)
    assert best_loss(adagrad, aligned) < 1e-16 < 1e-2 * best_loss(sgd_update, aligned)
    ratio = best_loss(adagrad, turned) / best_loss(sgd_update, turned)
    assert 1.5 < ratio < 2
    for degrees, ahead in ((25, True), (40, False)):
        ravine = plotting.ravine(100, degrees)
        assert (best_loss(adagrad, ravine) < best_loss(sgd_update, ravine)) == ahead


@pytest.mark.parametrize("seed", range(3))
def test_adagrads_factor_falls_like_one_over_root_t_with_noise_and_levels_off_without(seed):
    sigma, rate = 2.0, 0.1
    noise = np.random.default_rng(seed).normal(0, sigma, 4000)
    _, noisy = descend_1d(adagrad, rate, 4000, noise=noise)
    t = np.array([1000, 2000, 4000])
    np.testing.assert_allclose(noisy[t - 1], rate / (sigma * np.sqrt(t)), rtol=0.1)  # 3 s.d.: 0.07
    _, still = descend_1d(adagrad, rate, 4000)
    assert still[3999] > 0.999 * still[1000] > 0.02


def test_without_noise_the_root_of_adagrads_sum_has_the_limit_of_question_2():
    """At small rates, where steps are nearly continuous: h w₀²/(4α) above its start, h w₀."""
    for h, rate in ((1.0, 0.02), (3.0, 0.02)):
        path, factors = descend_1d(adagrad, rate, 8000, h=h)
        assert abs(path[-1]) < 1e-3
        assert rate / factors[-1] == pytest.approx(h * (1 + 1 / (4 * rate)), rel=0.05)


def test_the_first_step_of_uncorrected_adam_is_not_its_longest():
    steps = steps_in_rates(adam_uncorrected, 50 * [5.0])
    t = np.arange(1, 51)
    np.testing.assert_allclose(steps, (1 - 0.9**t) / np.sqrt(1 - 0.999**t), rtol=1e-6)
    assert steps[0] == pytest.approx(np.sqrt(10), rel=1e-3) and steps.argmax() + 1 == 12
    assert steps[-1] > 4
    np.testing.assert_allclose(steps_in_rates(adam, 50 * [5.0]), 1, rtol=1e-6)


@functools.cache
def history(rule, learning_rate, seed, steps=300):
    """Return the history of the race's network."""
    rng = np.random.default_rng(seed)
    sizes = [64, 64, 64]
    hidden = [layer for n in (0, 1) for layer in (Affine(*sizes[n : n + 2], rng), ReLU())]
    net = Network([*hidden, Affine(64, 10, rng)])
    return fit(
        net, digits(), steps=steps, batch_size=64, learning_rate=learning_rate, rng=rng,
        update=rule, progress=False,
    )  # fmt: skip


def steps_to_target(run):
    means = np.convolve(run.loss, np.ones(20) / 20, "valid")
    below = np.flatnonzero(means < 0.1)
    return below[0] + 20 if below.size else np.inf


@pytest.mark.parametrize("seed", [0, 1])
def test_the_recommended_rate_of_adam_is_a_start_and_not_the_best(seed):
    """Of slide 47's two rates the smaller one takes longer still; both learn."""
    best = steps_to_target(history(adam, 0.03, seed))
    assert best < 120
    assert steps_to_target(history(adam, 1e-3, seed)) > 2 * best
    first, second = (np.mean(history(adam, rate, seed).loss[-20:]) for rate in (1e-3, 5e-4))
    assert first < second < 1  # guessing is 2.3


# ---------------------------------------------------------------------------- the lesson's claims


def test_adagrads_first_step_is_as_far_in_both_directions():
    way = plotting.ravine(100).path(adagrad, 1, {"learning_rate": 0.5})
    np.testing.assert_allclose(np.abs(way[1] - way[0]), 0.5, rtol=1e-7)


def test_rmsprop_never_comes_to_rest_and_adagrad_does():
    path, factors = descend_1d(rmsprop, 0.01, 3000)
    assert 1e-3 < np.abs(path[-100:]).max() < 0.1
    assert factors[-1] > 2 * factors[10]
    path, _ = descend_1d(adagrad, 0.1, 3000)
    assert np.abs(path[-1]) < 1e-9


def test_rmsprops_first_factor_is_ten_times_adagrads():
    first = [descend_1d(rule, 0.01, 1)[1][0] for rule in (rmsprop, adagrad)]
    assert first[0] / first[1] == pytest.approx(10, rel=1e-6)


@pytest.mark.parametrize(("beta1", "turns"), [(0.5, 2), (0.9, 7), (0.99, 69)])
def test_after_how_many_steps_adam_turns_round(beta1, turns):
    calm = np.ones(2500)
    steps = steps_in_rates(adam, np.r_[calm, -np.ones(100)], beta1=beta1)[len(calm) :]
    assert np.flatnonzero(steps < 0)[0] + 1 == turns


@pytest.mark.parametrize(("beta2", "late"), [(0.9, 98), (0.99, 807)])
def test_how_long_a_burst_shortens_adams_steps(beta2, late):
    steps = steps_in_rates(adam, np.r_[np.ones(3000), 1000.0, np.ones(1500)], beta2=beta2)
    assert np.flatnonzero(steps[-1500:] < 0.5)[-1] + 1 == late


def test_with_its_defaults_adam_crawls_for_thousands_of_steps_after_a_burst():
    steps = steps_in_rates(adam, np.r_[np.ones(500), 1000.0, np.ones(4000)])
    assert (steps[600:] < 0.5).all()


def test_the_separating_gradients_take_the_uncorrected_adam_six_times_as_far():
    far = [steps_in_rates(r, separating_gradients()).sum() for r in (adam_uncorrected, adam)]
    assert far[0] - far[1] > 90 and far[1] == pytest.approx(20, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_l2_through_adam_shrinks_small_gradients_more_and_adamw_all_alike(seed):
    noise = np.random.default_rng(seed).normal(size=(2000, 2)) * (0.01, 1.0)
    w_l2, w_decoupled, l2, decoupled = np.ones(2), np.ones(2), {}, {"weight_decay": 0.1}
    for dw in noise:
        w_l2, l2 = adam(w_l2, dw + 0.1 * w_l2, l2)
        w_decoupled, decoupled = adamw(w_decoupled, dw, decoupled)
    assert w_l2[0] < 0.1 and w_l2[1] > 0.6
    np.testing.assert_allclose(w_decoupled, (1 - 1e-4) ** 2000, atol=0.2)  # noise: 0.001 · √2000


@pytest.mark.parametrize("seed", [0, 1])
def test_at_tuned_rates_adam_needs_fewer_steps_than_gradient_descent(seed):
    rates = {sgd_update: 0.316, adagrad: 0.03, adam_uncorrected: 0.003, adam: 0.03}
    needed = {rule: steps_to_target(history(rule, rate, seed)) for rule, rate in rates.items()}
    assert needed[adam] < 0.75 * needed[sgd_update]
    assert needed[adam_uncorrected] < 0.75 * needed[sgd_update]
    assert needed[adagrad] < needed[sgd_update]
