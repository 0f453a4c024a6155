"""What lesson 08 claims, and what `docs/lecture_errata.md` says about its slides."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from torch.optim import swa_utils

from cs231n_lib.data import batches, digits
from cs231n_lib.generalization.in_numpy import ensemble_predict, polyak_average
from cs231n_lib.generalization.shared import EarlyStopping, snapshot_ensemble
from cs231n_lib.layers.batched import Stack
from cs231n_lib.layers.network import Affine, Network, ReLU

STEPS, RATE = 800, 0.2
SEEDS = range(8)


def endless(data, batch, rng):
    while True:
        yield from batches(data.x_train, data.y_train, batch, rng)


class Networks:
    """A network for each seed, trained at the same time on 500 digits."""

    def __init__(self, noise, batch=10, seeds=SEEDS, label_seed=None):
        rngs = [np.random.default_rng(seed) for seed in seeds]
        labels = [np.random.default_rng(s if label_seed is None else label_seed) for s in seeds]
        sets = [digits().few(500).with_random_labels(noise, rng) for rng in labels]
        nets = [Network([Affine(64, 64, rng), ReLU(), Affine(64, 10, rng)]) for rng in rngs]
        self.stack = Stack(nets).train()
        self.streams = [endless(d, batch, rng) for d, rng in zip(sets, rngs, strict=True)]

    def step(self, rate):
        x, y = map(np.stack, zip(*map(next, self.streams), strict=True))
        _, gradients = self.stack.loss_and_gradients(x, y)
        for name, w in self.stack.params.items():
            w -= rate * gradients[name]

    def state_dict(self):
        return self.stack.params

    def load_state_dict(self, state):
        for name, w in self.stack.params.items():
            w[...] = state[name]

    def scores(self, part="test"):
        x = getattr(digits(), f"x_{part}")
        return self.stack.scores(np.stack([x] * len(self.stack.nets)))

    def accuracy(self, part="test"):
        return (self.scores(part).argmax(axis=2) == getattr(digits(), f"y_{part}")).mean(axis=1)


@cache
def curves(noise, batch):
    """Return {part: accuracies (S, T)} after each twentieth step."""
    networks, seen = Networks(noise, batch), {"val": [], "test": []}
    for t in range(1, STEPS + 1):
        networks.step(RATE)
        if t % 20 == 0:
            for part in seen:
                seen[part].append(networks.accuracy(part))
    return {part: np.array(accuracies).T for part, accuracies in seen.items()}


def handed_over(run, patience):
    """Return test accuracies at the end of the patience, and those of the best on validation."""
    ends, kept = [], []
    for val, test in zip(run["val"], run["test"], strict=True):
        stopper = EarlyStopping(patience)
        for t, score in enumerate(val):
            if stopper.update(score, {"t": np.array(t)}):
                break
        ends.append(test[t])
        kept.append(test[int(stopper.best_weights["t"])])
    return np.array(ends), np.array(kept)


# ---------------------------------------------------------------------------- the lecture's words


def test_wrong_labels_make_validation_turn_and_right_ones_do_not():
    noisy, clean = curves(0.3, 10)["val"], curves(0.0, 10)["val"]
    assert np.median(noisy.max(axis=1) - noisy[:, -1]) > 0.03
    assert np.median(clean.max(axis=1) - clean[:, -1]) < 0.02


def test_what_the_first_decrease_is_worth_depends_on_the_noise_of_the_curve():
    """Against the end of the run, it loses with batches of 10 and wins with batches of 50."""
    gains = {}
    for batch in (10, 50):
        run = curves(0.3, batch)
        at_once, _ = handed_over(run, 1)
        _, best = handed_over(run, 10)
        gains[batch] = at_once - run["test"][:, -1]
        assert np.mean(best) > np.mean(at_once)
        assert np.mean(best) > np.mean(run["test"][:, -1])
    assert np.median(gains[10]) < np.median(gains[50])


@pytest.mark.parametrize(("models", "above"), [(3, 0.846), (20, 1.867)])
def test_the_best_of_equal_models_looks_better_than_it_is(models, above):
    """By so many standard deviations, for normal numbers; counts of 250 are close to these."""
    rng = np.random.default_rng(0)
    found = rng.binomial(250, 0.9, size=(40_000, models)).max(axis=1) / 250
    deviation = math.sqrt(0.9 * 0.1 / 250)
    assert found.mean() - 0.9 == pytest.approx(above * deviation, rel=0.06)


@cache
def ensemble(noise):
    """Return (gain over the mean member, disagreement) of five networks, for three data sets."""
    y, found = digits().y_test, []
    for label_seed in range(3):
        members = Networks(noise, seeds=range(5), label_seed=label_seed)
        for _ in range(STEPS):
            members.step(RATE)
        scores = members.scores()
        chosen = scores.argmax(axis=2)
        apart = np.mean([(chosen[i] != chosen[j]).mean() for i in range(5) for j in range(i)])
        found.append(((ensemble_predict(scores)[1] == y).mean() - (chosen == y).mean(), apart))
    return np.mean(found, axis=0)


def test_what_an_ensemble_gains_follows_the_disagreement_of_its_members():
    (noisy, apart), (clean, together) = ensemble(0.3), ensemble(0.0)
    assert noisy > 0.02 > clean > -0.005
    assert apart > 3 * together


def test_an_ensemble_may_be_wrong_where_most_of_its_members_are_right():
    right = np.array([0.55, 0.55, 0.05])
    scores = np.log(np.stack([right, 1 - right], axis=1))[:, None]  # (3, 1, 2)
    assert (scores.argmax(axis=2) == 0).sum() == 2
    assert ensemble_predict(scores)[1] == [1]


def test_averaged_weights_of_independent_runs_are_no_network():
    members = Networks(0.0, seeds=range(5), label_seed=0)
    for _ in range(STEPS):
        members.step(RATE)
    alone = members.accuracy()
    for w in members.state_dict().values():
        w[...] = w.mean(axis=0)
    assert members.accuracy()[0] < alone.min() - 0.03


@cache
def snapshots(noise):
    """Return test accuracies (S,) of five snapshots, one decayed run, the best on validation."""
    length, y = STEPS // 5, digits().y_test
    cyclic, decayed = Networks(noise), Networks(noise)
    kept = snapshot_ensemble(
        cyclic, cyclic.step, lambda: None, lambda t: 2 * RATE * (1 - t / length), length, 5, 5
    )
    for t in range(STEPS):
        decayed.step(2 * RATE * (1 - t / STEPS))
    scores, val = [], []
    for state in kept:
        cyclic.load_state_dict(state)
        scores.append(cyclic.scores())
        val.append(cyclic.accuracy("val"))
    z = np.stack(scores, axis=1)
    together = np.array([(ensemble_predict(one)[1] == y).mean() for one in z])
    members = (z.argmax(axis=3) == y).mean(axis=2)
    best = members[np.arange(len(members)), np.argmax(val, axis=0)]
    return together, decayed.accuracy(), best


def test_snapshots_give_nothing_over_one_decayed_run_on_clean_data():
    together, decayed, _ = snapshots(0.0)
    assert abs(np.mean(together - decayed)) < 0.01


def test_snapshots_are_not_above_the_best_of_them_on_noisy_data():
    together, _, best = snapshots(0.3)
    assert np.mean(together - best) < 0.015


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("h", [0.5, 2.0])
def test_the_uniform_average_of_sgd_does_not_depend_on_the_rate(rate, h):
    """Polyak and Juditsky: n times its variance tends to that of the noise, over h²."""
    rng, n = np.random.default_rng(0), 3000
    w, config = np.zeros(4000), {"kind": "uniform"}
    for _ in range(n):
        w = w - rate * (h * w + rng.normal(size=w.shape))
        average, config = polyak_average(w, config)
    assert n * (average**2).mean() * h**2 == pytest.approx(1, rel=0.15)
    assert (w**2).mean() == pytest.approx(rate / (h * (2 - rate * h)), rel=0.15)


def test_the_moving_average_keeps_a_ball_of_its_own():
    """It forgets, so its variance does not go to zero; that of the uniform mean does."""
    rng, ends = np.random.default_rng(0), {}
    configs = {"moving": {"beta": 0.95}, "uniform": {"kind": "uniform"}}
    w = np.zeros(4000)
    for t in range(1, 2001):
        w = w - 0.2 * (w + rng.normal(size=w.shape))
        for name, config in configs.items():
            average, configs[name] = polyak_average(w, config)
            if t in (500, 2000):
                ends[name, t] = (average**2).mean()
    assert ends["moving", 2000] == pytest.approx(ends["moving", 500], rel=0.1)
    assert ends["uniform", 2000] == pytest.approx(ends["uniform", 500] / 4, rel=0.15)


def test_averaged_weights_need_running_statistics_of_their_own():
    x, y = (torch.as_tensor(a) for a in (digits().x_train[:500], digits().y_train[:500]))
    x_test, y_test = torch.as_tensor(digits().x_test), torch.as_tensor(digits().y_test)
    gains = []
    for seed in range(4):
        torch.manual_seed(seed)
        norm = torch.nn.BatchNorm1d(64)
        layers = torch.nn.Linear(64, 64), norm, torch.nn.ReLU(), torch.nn.Linear(64, 10)
        model = torch.nn.Sequential(*layers)
        averaged = swa_utils.AveragedModel(model)  # statistics are copied from the last weights
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        for rows in torch.randint(500, (300, 10)):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            averaged.update_parameters(model)

        def accuracy(net=averaged):
            with torch.inference_mode():
                return (net.eval()(x_test).argmax(dim=1) == y_test).double().mean().item()

        stale = accuracy()
        swa_utils.update_bn(list(x.split(100)), averaged)
        gains.append(accuracy() - stale)
    assert np.mean(gains) > 0.005


# ---------------------------------------------------------------------------- the questions


def test_question_1_counts_right():
    y = digits().y_train
    shares = [
        (digits().with_random_labels(0.3, np.random.default_rng(s)).y_train == y).mean()
        for s in range(200)
    ]
    assert np.mean(shares) == pytest.approx(0.73, abs=0.002)  # a standard error is 0.0005


def test_question_4_counts_right():
    assert math.log(2) / -math.log(0.99) == pytest.approx(69, abs=0.1)
    _, config = polyak_average(np.array([5.0]), {"start": "weights"})
    assert config["mean"] / (1 - 0.99) == pytest.approx(500.0)
