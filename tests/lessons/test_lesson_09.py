"""What lesson 09 claims of networks, once more in fewer steps; formulas are tested elsewhere."""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

from cs231n_lib.data import digits
from cs231n_lib.layers.batched import fit_many
from cs231n_lib.layers.network import Affine, Network, Noise, ReLU
from cs231n_lib.regularization.in_numpy import (
    dropout_backward,
    dropout_forward,
    l1_penalty,
    l1_proximal_step,
    l2_penalty,
)

SEEDS, STEPS, EVERY = range(8), 400, 25


def sample(seed):
    """Return 500 digits, 30 % of them with a random label, and the rest as test data."""
    rng, data = np.random.default_rng(seed), digits()
    order = rng.permutation(len(data.x_train))
    few, rest = order[:500], order[500:]
    small = replace(
        data,
        x_train=data.x_train[few],
        y_train=data.y_train[few],
        x_test=data.x_train[rest],
        y_test=data.y_train[rest],
    )
    return small.with_random_labels(0.3, rng)


def network(seed, dropped=False, penalty=None):
    rng, layers, n_in = np.random.default_rng(seed), [], 64
    for _ in range(2):
        layers += [Affine(n_in, 64, rng), ReLU()]
        if dropped:
            noise = np.random.default_rng(seed + 1000)
            layers.append(Noise(dropout_forward, dropout_backward, p=0.7, seed=noise))
        n_in = 64
    return Network([*layers, Affine(n_in, 10, rng)], penalty=penalty)


@cache
def data_sets():
    return [sample(seed) for seed in SEEDS]


WAYS = {
    "none": {},
    "dropout": {"dropped": True},
    "L2": {"penalty": lambda W: l2_penalty(W, 5e-3)},
}


@cache
def trained(way):
    """Return (networks, test accuracies at the end, and at the best step on validation data)."""
    sets, scores = data_sets(), []

    def watch(step, net, history, one):
        if step % EVERY == 0:
            net.eval()
            scores.append(
                (net.accuracy(one.x_val, one.y_val), net.accuracy(one.x_test, one.y_test))
            )
            net.train()

    nets = [network(seed, **WAYS[way]) for seed in SEEDS]
    fit_many(
        nets,
        sets,
        steps=STEPS,
        batch_size=50,
        learning_rate=0.3,
        rngs=[np.random.default_rng(seed) for seed in SEEDS],
        callbacks=[[partial(watch, one=one)] for one in sets],
        progress=False,
    )
    val, test = np.reshape(scores, (-1, len(nets), 2)).T  # (seeds, T) each
    return nets, test[:, -1], test[np.arange(len(nets)), val.argmax(axis=1)]


def silenced(nets, share):
    """Return the test accuracies (seeds,) with a share of the hidden units set to 0."""
    results = []
    for seed, net, one in zip(SEEDS, nets, data_sets(), strict=True):
        rng, accuracies = np.random.default_rng(seed), []
        for _ in range(4):
            x = one.x_test
            for layer in net.layers:
                x = layer.forward(x)
                if isinstance(layer, ReLU):
                    x[:, rng.permutation(64)[: round(64 * share)]] = 0
            accuracies.append(np.mean(x.argmax(axis=1) == one.y_test))
        results.append(np.mean(accuracies))
    return np.array(results)


def test_without_regularization_wrong_labels_are_learnt_by_heart():
    _, at_end, stopped = trained("none")
    assert (at_end < stopped).mean() > 0.8 and (stopped - at_end).mean() > 0.03


@pytest.mark.parametrize("way", ["dropout", "L2"])
def test_most_of_the_gain_of_dropout_is_gone_when_both_are_stopped(way):
    _, base_at_end, base_stopped = trained("none")
    _, at_end, stopped = trained(way)
    gain, left = (at_end - base_at_end).mean(), (stopped - base_stopped).mean()
    assert gain > 0.03
    assert left < 0.6 * gain


def test_networks_trained_with_dropout_can_do_without_a_quarter_of_their_units():
    lost = {way: (trained(way)[1] - silenced(trained(way)[0], 0.25)).mean() for way in WAYS}
    assert lost["dropout"] < lost["L2"] < lost["none"]
    assert lost["none"] > 2 * lost["dropout"]


def test_l1_makes_exact_zeros_only_by_its_proximal_step():
    def proximal(w, dw, config):
        rate = config["learning_rate"]
        return (l1_proximal_step(w, dw, rate, 2e-3) if w.ndim > 1 else w - rate * dw), config

    shares = {}
    for name, update, penalty in (
        ("slope", None, lambda W: l1_penalty(W, 2e-3)),
        ("proximal", proximal, None),
    ):
        net, one = network(0, penalty=penalty), data_sets()[0]
        options = {"update": update} if update else {}
        fit_many(
            [net],
            one,
            steps=STEPS,
            batch_size=50,
            learning_rate=0.3,
            rngs=[np.random.default_rng(0)],
            progress=False,
            **options,
        )
        W = net.params["affine2.w"]
        shares[name] = np.mean(W == 0), np.mean(np.abs(W) < 1e-3)
    assert shares["slope"][0] == 0 and shares["slope"][1] > 0.3
    assert shares["proximal"][0] > 0.3
