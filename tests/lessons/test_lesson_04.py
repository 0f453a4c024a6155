"""What lesson 04 claims, and what `docs/lecture_errata.md` says about its slides."""

import numpy as np
import pytest
import torch

from autograder.exercises.optim import backward_lookahead
from autograder.lessons.lesson import find_lesson
from cs231n_lib import plotting
from cs231n_lib.data import digits
from cs231n_lib.layers.network import Affine, Network, ReLU
from cs231n_lib.optim.in_numpy import (
    nesterov,
    nesterov_lookahead,
    sgd,
    sgd_momentum,
    sgd_momentum_unscaled,
)
from cs231n_lib.train import fit

RULES = {"sgd": sgd, "momentum": sgd_momentum, "Nesterov": nesterov}
FAST = {"momentum": 0.9}
every_rule = pytest.mark.parametrize("name", RULES)


def settings(name, rate):
    return {"learning_rate": rate} | ({} if name == "sgd" else FAST)


def steps_until(condition, way):
    """Return the number of the first step at which `condition` holds; none is a failure."""
    held = condition(way)
    assert held.any()
    return held.argmax()


# ---------------------------------------------------------------------------- ravines


@pytest.mark.parametrize("share", [0.5, 1.9, 2.05])
def test_each_weight_is_multiplied_by_its_own_factor(share):
    kappa = 20
    way = plotting.ravine(kappa).path(sgd, 30, {"learning_rate": share / kappa})
    factors = np.array([1 - share / kappa, 1 - share])
    expected = np.array([-4.0, 1.0]) * factors ** np.arange(31)[:, None]
    np.testing.assert_allclose(way, expected, rtol=1e-9)


@pytest.mark.parametrize("kappa", [3.0, 10.0, 100.0])
def test_at_the_best_rate_the_distance_shrinks_by_the_factor_of_theory(kappa):
    way = plotting.ravine(kappa).path(sgd, 40, {"learning_rate": 2 / (1 + kappa)})
    distance = np.linalg.norm(way, axis=1)
    np.testing.assert_allclose(distance[1:] / distance[:-1], (kappa - 1) / (kappa + 1), rtol=1e-9)
    for rate in (1.9 / (1 + kappa), 2.05 / (1 + kappa)):  # any other rate is slower in the end
        other = plotting.ravine(kappa).path(sgd, 400, {"learning_rate": rate})
        last = np.linalg.norm(other[-1]) / np.linalg.norm(other[-2])
        assert last > (kappa - 1) / (kappa + 1)


def test_momentum_replaces_the_condition_number_by_its_root():
    """Quadrupling the root of κ quadruples the steps of momentum and Nesterov, not sixteenfold."""

    def steps(kappa):
        root, hill = np.sqrt(kappa), plotting.ravine(kappa)
        share = (root - 1) / (root + 1)
        ways = (
            hill.path(sgd, 6_000, {"learning_rate": 2 / (1 + kappa)}),
            hill.path(
                sgd_momentum,
                6_000,
                {"learning_rate": 4 / (1 + root) ** 2, "momentum": share**2},
            ),
            hill.path(
                nesterov_lookahead,
                6_000,
                {"learning_rate": 1 / kappa, "momentum": share},
                lookahead=True,
            ),
        )
        near = 1e-6 * np.linalg.norm(hill.start)
        return np.array(
            [steps_until(lambda w: np.linalg.norm(w, axis=1) <= near, way) for way in ways]
        )

    few, many = steps(49), steps(784)
    ratios = many / few
    assert ratios[0] == pytest.approx(16, rel=0.02)  # a step more or less of 339
    assert (ratios[1:] > 3.5).all() and (ratios[1:] < 4.5).all()
    assert few[1] < few[2] < few[0] / 3


# ---------------------------------------------------------------------------- zero gradients


@every_rule
@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_at_a_saddle_only_the_stable_manifold_is_stuck(name, rate):
    saddle = plotting.saddle()
    on, off = (
        saddle.path(RULES[name], 3000, settings(name, rate), start=(-1.5, offset))
        for offset in (0.0, 1e-9)
    )
    assert not on[:, 1].any() and abs(on[-1, 0]) < 1e-9
    assert abs(abs(off[-1, 1]) - 1) < 1e-3  # a minimum


def test_leaving_a_saddle_takes_logarithmically_many_steps():
    def leaving(offset, name="sgd"):
        way = plotting.saddle().path(RULES[name], 900, settings(name, 0.05), start=(-1.5, offset))
        return steps_until(lambda w: np.abs(w[:, 1]) > 0.5, way)

    steps = [leaving(offset) for offset in (1e-12, 1e-8, 1e-4)]
    each = np.log(1e4) / np.log(1.05)
    assert np.diff(steps) == pytest.approx([-each, -each], abs=1.5)
    # Near the saddle momentum multiplies by the larger root of z² − (1 + α + ρ) z + ρ.
    growth = np.roots([1, -(1 + 0.05 + 0.9), 0.9]).max()
    few = [leaving(offset, "momentum") for offset in (1e-12, 1e-8)]
    assert few[0] - few[1] == pytest.approx(np.log(1e4) / np.log(growth), abs=1.5)


def equal_units(offset):
    rng = np.random.default_rng(0)
    net = Network([Affine(64, 4, rng, dtype=float), ReLU(), Affine(4, 10, rng, dtype=float)])
    first, second = net.params["affine1.w"], net.params["affine2.w"]
    first[...] = 0.5 * np.abs(first[:, :1])
    first += offset * rng.normal(size=first.shape)
    second[...] = 0.1 * second[:1]
    return net


@every_rule
def test_equal_units_stay_equal_whatever_the_rule(name):
    data = digits()
    x, y = data.x_train[:100].astype(float), data.y_train[:100]
    spread = {}
    for offset in (0.0, 1e-3):
        net = equal_units(offset)
        configs = {key: settings(name, 0.1) for key in net.params}
        for _ in range(150):
            _, gradients = net.loss_and_gradients(x, y)
            for key, w in net.params.items():
                w[...], configs[key] = RULES[name](w, gradients[key], configs[key])
        spread[offset] = np.ptp(net.params["affine1.w"], axis=1).max()
    # Rounding may tell the units apart, by digits that are far from 1e-3.
    assert spread[0.0] < 1e-9 and spread[1e-3] > 3e-3


def test_few_random_matrices_are_positive_definite():
    """Closed forms for two and three weights: (2 − √2)/4 and (π − 2√2)/(4π)."""
    rng, draws = np.random.default_rng(0), 40_000
    closed = {1: 1 / 2, 2: (2 - np.sqrt(2)) / 4, 3: (np.pi - 2 * np.sqrt(2)) / (4 * np.pi)}
    shares = {}
    for n in (1, 2, 3, 4, 5):
        entries = rng.normal(size=(draws, n, n))
        lowest = np.linalg.eigvalsh(entries + entries.transpose(0, 2, 1))[:, 0]
        shares[n] = (lowest > 0).mean()
    for n, share in closed.items():  # six standard deviations of a binomial share
        assert shares[n] == pytest.approx(share, abs=6 * np.sqrt(share * (1 - share) / draws))
    assert shares[4] < 0.005 and shares[5] < 1 / 2000


def test_whether_momentum_leaves_a_valley_depends_on_the_settings():
    valleys = plotting.two_valleys()
    deep, shallow = (minimum[0] for minimum in valleys.minima)

    def end(start, rate, rho):
        way = valleys.path(
            sgd_momentum, 3000, {"learning_rate": rate, "momentum": rho}, start=start
        )
        return way[-1, 0]

    assert end((2.3, 0.8), 0.02, 0.9) == pytest.approx(deep, abs=1e-6)
    assert end((2.3, 0.8), 0.02, 0.8) == pytest.approx(shallow, abs=1e-6)
    assert end((-2.6, 0.8), 0.02, 0.9) == pytest.approx(shallow, abs=1e-6)


# ---------------------------------------------------------------------------- noise


def test_the_variance_of_a_mean_of_draws_is_that_of_one_by_their_number():
    """All batches of three of five numbers, with and without replacement: exact, no sampling."""
    values = np.array([-1.0, 0.5, 2.0, 3.0, 7.0])
    N, B = len(values), 3
    places = np.stack(np.meshgrid(*[np.arange(N)] * B), axis=-1).reshape(-1, B)
    different = np.array([len(set(row)) == B for row in places.tolist()])
    means = values[places].mean(axis=1)
    assert means.var() == pytest.approx(values.var() / B, rel=1e-12)
    expected = values.var() / B * (N - B) / (N - 1)
    assert means[different].var() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rate", [0.03, 0.3])
def test_noise_makes_the_loss_level_off_where_the_formula_says(rate):
    """The variance of each weight is the fixed point of one step; iterated, it gives the loss."""
    sigma, curvatures, variance = 2.0, np.array([1.0, 5.0]), np.zeros(2)
    for _ in range(2000):
        variance = (1 - rate * curvatures) ** 2 * variance + rate**2 * sigma**2
    formula = rate * sigma**2 / 2 * (1 / (2 - rate * curvatures)).sum()
    assert 0.5 * (curvatures * variance).sum() == pytest.approx(formula, rel=1e-9)
    noisy = plotting.ravine(5, noise=sigma)
    way = noisy.path(sgd, 20_000, {"learning_rate": rate}, rng=np.random.default_rng(0))
    # Neighbouring steps are alike over some 1/rate steps: 10 % is four standard deviations.
    assert noisy.above(way)[1000:].mean() == pytest.approx(formula, rel=0.1)


# ---------------------------------------------------------------------------- momentum, Nesterov


def both_forms(rates):
    rng, ways = np.random.default_rng(0), []
    gradients = rng.normal(size=(len(rates), 7))
    for rule in (sgd_momentum, sgd_momentum_unscaled):
        w, config, way = np.zeros(7), dict(FAST), []
        for rate, dw in zip(rates, gradients, strict=True):
            config["learning_rate"] = rate
            w, config = rule(w, dw, config)
            way.append(w)
        ways.append(np.array(way))
    return ways


def test_both_forms_of_momentum_part_when_the_rate_falls():
    np.testing.assert_allclose(*both_forms(200 * [0.1]), rtol=0, atol=1e-12)
    with_rate, without = both_forms(100 * [0.1] + 100 * [0.01])
    gap = np.abs(with_rate - without).max(axis=1)
    assert gap[:100].max() < 1e-12 and gap[100] > 0.01


def test_after_the_rate_falls_only_one_form_finishes_its_steps():
    steps = {}
    for rule in (sgd_momentum, sgd_momentum_unscaled):
        w, config = np.zeros(1), {"learning_rate": 1.0, **FAST}
        w, config = rule(w, np.ones(1), config)
        config["learning_rate"] = 0.1
        steps[rule.__name__] = (rule(w, np.zeros(1), config)[0] - w)[0]
    assert steps["sgd_momentum"] == pytest.approx(-0.9)
    assert steps["sgd_momentum_unscaled"] == pytest.approx(-0.09)


@pytest.mark.parametrize("rho", [0.5, 0.9, 0.99])
def test_the_velocity_is_a_sum_and_not_a_mean(rho):
    w, config, before = np.zeros(1), {"learning_rate": 0.01, "momentum": rho}, np.zeros(1)
    for step in range(1, 2001):
        before, (w, config) = w, sgd_momentum(w, np.ones(1), config)
        if step in (1, 10):
            assert before[0] - w[0] == pytest.approx(0.01 * (1 - rho**step) / (1 - rho), rel=1e-9)
    assert before[0] - w[0] == pytest.approx(0.01 / (1 - rho), rel=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_at_equal_effective_rate_most_of_the_gap_is_gone(seed):
    def loss(rule, rate):
        rng = np.random.default_rng(seed)
        net = Network([Affine(64, 32, rng), ReLU(), Affine(32, 10, rng)])
        history = fit(
            net, digits(), steps=100, batch_size=64, learning_rate=rate, rng=rng, update=rule,
            progress=False,
        )  # fmt: skip
        return np.mean(history.loss[-20:])

    with_momentum = loss(sgd_momentum, 0.01)
    equal_rate, equal_effective_rate = loss(sgd, 0.01), loss(sgd, 0.1)
    assert equal_rate - with_momentum > 0.8
    assert abs(equal_effective_rate - with_momentum) < 0.3


def test_the_forms_of_nesterov_agree_after_the_change_of_variables():
    valleys, options = plotting.two_valleys(), {"learning_rate": 0.05, "momentum": 0.8}
    x = valleys.path(nesterov_lookahead, 100, options, lookahead=True)
    x_tilde = valleys.path(nesterov, 100, options)
    np.testing.assert_allclose(x[1:] + 0.8 * np.diff(x, axis=0), x_tilde[1:], atol=1e-12)
    assert np.abs(x - x_tilde).max() > 0.1


def test_the_change_of_variables_needs_a_constant_momentum_but_no_constant_rate():
    """Rates may differ from step to step; when the momentum does, the two forms part."""

    def gap(rates, momenta):
        hill = plotting.ravine(5)
        x = x_tilde = np.array(hill.start)
        config, config_tilde, v = {}, {}, np.zeros(2)
        for rate, rho in zip(rates, momenta, strict=True):
            config |= {"learning_rate": rate, "momentum": rho}
            config_tilde |= {"learning_rate": rate, "momentum": rho}
            next_x, config = nesterov_lookahead(x, hill.gradient, config)
            x, v = next_x, next_x - x
            x_tilde, config_tilde = nesterov(x_tilde, hill.gradient(x_tilde), config_tilde)
        return np.abs(x + rho * v - x_tilde).max()

    assert gap([0.1] * 10 + [0.01] * 10, [0.9] * 20) < 1e-12
    assert gap([0.1] * 20, [0.9] * 10 + [0.5] * 10) > 1e-4


@pytest.mark.parametrize("rate_times_h", [0.05, 0.2, 0.7, 1.3])
def test_when_a_look_ahead_gets_lost(rate_times_h):
    """The backward one needs αh < 1/ρ − 1 = 0.11, the right one αh < 1.357 at ρ = 0.9."""
    ends = []
    for rule in (nesterov_lookahead, backward_lookahead):
        w, config = np.ones(1), {"learning_rate": 0.1, **FAST}
        for _ in range(400):
            w, config = rule(w, lambda at: rate_times_h / 0.1 * at, config)
        ends.append(abs(w[0]))
    assert ends[0] < 1e-3
    assert (ends[1] > 1) == (rate_times_h > 1 / 0.9 - 1)


# ---------------------------------------------------------------------------- the lesson as a text


def test_prose_leaves_the_rearranged_form_to_the_student():
    prose = "\n".join(
        cell.student for cell in find_lesson("04").cells if cell.role in ("prose", "question")
    )
    assert "(Nesterov.3)" not in prose and "(Nesterov.4)" not in prose
    assert r"(1 + \rho)" not in prose


def test_autograd_gives_the_landscapes_gradient_as_the_lesson_types_it():
    w = torch.tensor([0.7, -0.4], dtype=torch.float64, requires_grad=True)
    x, y = w[0], w[1]
    (x**4 / 4 - x**2 + 0.3 * x + y**2).backward()
    expected = plotting.two_valleys().gradient(w.detach().numpy())
    np.testing.assert_allclose(w.grad.numpy(), expected, rtol=1e-12)
