"""What lesson 10 claims of networks, once more with fewer seeds; formulas are tested elsewhere."""

from functools import cache

import numpy as np
import pytest

from cs231n_lib.data import digits
from cs231n_lib.layers.batched import fit_many
from cs231n_lib.layers.in_numpy import softmax_loss
from cs231n_lib.layers.network import Affine, Layer, Network, ReLU
from cs231n_lib.regularization.in_numpy import (
    dropconnect_backward,
    dropconnect_forward,
    dropconnect_mean_network,
    fractional_max_pool_forward,
    stochastic_depth_backward,
    stochastic_depth_forward,
    survival_probabilities,
)

SEEDS, WIDTH, KEEP = range(8), 48, 0.5


@cache
def data_sets():
    """Return 500 digits a seed, 30 % of them with a random label; the rest is for testing."""
    sets = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        sets.append(digits().few(500).with_random_labels(0.3, rng))
    return sets


def accuracies(nets):
    x, y = digits().x_train[500:], digits().y_train[500:]
    return np.array([100 * net.accuracy(x, y) for net in nets])


def trained(nets, steps=400):
    fit_many(
        nets, data_sets(), steps=steps, batch_size=25, learning_rate=0.3,
        rngs=[np.random.default_rng(seed) for seed in SEEDS], progress=False,
    )  # fmt: skip
    return accuracies(nets)


class Connections(Affine):
    """DropConnect and ReLU, the mean network at test time."""

    def __init__(self, rng, draws):
        super().__init__(WIDTH, WIDTH, rng)
        self.draws = draws

    def forward(self, x):
        w, b = self.params["w"], self.params["b"]
        if not self.training:
            return dropconnect_mean_network(x, w, b, KEEP)
        out, self.cache = dropconnect_forward(x, w, b, KEEP, self.draws)
        self.positive = out > 0
        return out * self.positive

    def backward(self, dout):
        dx, self.grads["w"], self.grads["b"] = dropconnect_backward(
            dout * self.positive, self.cache
        )
        return dx


class Units(Layer):
    """Dropout of units, not scaled in training."""

    def __init__(self, draws):
        super().__init__()
        self.draws = draws

    def forward(self, x):
        shape = x.shape
        self.q = self.draws.random(shape) < KEEP if self.training else np.float32(KEEP)
        return x * self.q

    def backward(self, dout):
        return dout * self.q


def two_layers(seed, kind):
    rng, draws = np.random.default_rng(seed), np.random.default_rng(seed + 1000)
    first, last = [Affine(64, WIDTH, rng), ReLU()], Affine(WIDTH, 10, rng)
    if kind == "DropConnect":
        return Network([*first, Connections(rng, draws), last])
    noise = [Units(draws)] if kind == "dropout" else []
    return Network([*first, *noise, Affine(WIDTH, WIDTH, rng), ReLU(), last])


@pytest.mark.slow
def test_dropconnect_helps_about_as_much_as_dropout():
    none, dropout, connections = (
        trained([two_layers(seed, kind) for seed in SEEDS])
        for kind in ("none", "dropout", "DropConnect")
    )
    assert (connections - none).mean() > 1.5
    assert abs((connections - dropout).mean()) < 0.7 * (dropout - none).mean()


class Regions(Layer):
    """Digits pooled from 8 × 8 to 5 × 5, in regions that are drawn, or fixed."""

    def __init__(self, draws):
        super().__init__()
        self.draws = draws

    def forward(self, x):
        rng = np.random.default_rng(0) if self.draws is None else self.draws
        param = {"height": 5, "width": 5}
        out, _ = fractional_max_pool_forward(x.reshape(-1, 1, 8, 8), param, rng)
        return out.reshape(len(x), -1)

    def backward(self, dout):
        return np.zeros((len(dout), 1), dout.dtype)


@pytest.mark.slow
def test_one_draw_of_the_regions_is_not_enough():
    def net(seed, draws):
        rng = np.random.default_rng(seed)
        return Network([Regions(draws), Affine(25, WIDTH, rng), ReLU(), Affine(WIDTH, 10, rng)])

    fixed = trained([net(seed, None) for seed in SEEDS])
    moving = [net(seed, np.random.default_rng(seed + 70)) for seed in SEEDS]
    one_draw = trained(moving)
    x, y = digits().x_train[500:], digits().y_train[500:]
    twelve = []
    for one in moving:
        scores = np.array([one.scores(x) for _ in range(12)])
        e = np.exp(scores - scores.max(axis=2, keepdims=True))
        mean = (e / e.sum(axis=2, keepdims=True)).mean(axis=0)
        twelve.append(100 * np.mean(mean.argmax(axis=1) == y))
    assert (one_draw - fixed).mean() < -3
    assert (np.array(twelve) - fixed).mean() > -1


BLOCKS, NARROW = 24, 32


class Deep:
    """A residual network of 24 blocks, x + q·(ReLU(x) w + b), for one seed."""

    def __init__(self, seed, p_last):
        rng = np.random.default_rng(seed)
        scales = (64, NARROW, (2 / 64) ** 0.5), (NARROW, 10, NARROW**-0.5)
        self.first, self.last = (s * rng.normal(size=(a, b)) for a, b, s in scales)
        scale = (2 / NARROW / BLOCKS) ** 0.5
        self.w = [scale * rng.normal(size=(NARROW, NARROW)) for _ in range(BLOCKS)]
        self.b = [np.zeros(NARROW) for _ in range(BLOCKS)]
        self.p = survival_probabilities(BLOCKS, p_last).tolist()
        self.draws = np.random.default_rng(seed + 1000)

    def forward(self, x, training, kept=range(BLOCKS)):
        h, passed = x @ self.first, []
        for k in kept:
            a = np.maximum(h, 0)
            param = {"p": self.p[k], "training": training}
            out, q = stochastic_depth_forward(h, a @ self.w[k] + self.b[k], param, self.draws)
            passed.append((h, a, q))
            h = out
        return h, passed

    def train(self, data, steps=500):
        rng = np.random.default_rng(0)
        for t in range(steps):
            rate, rows = 0.1 * (1 - t / steps), rng.permutation(500)[:50]
            x = data.x_train[rows].astype(float)
            h, passed = self.forward(x, training=True)
            _, dscores = softmax_loss(np.maximum(h, 0) @ self.last, data.y_train[rows])
            dh = (dscores @ self.last.T) * (h > 0)
            self.last -= rate * np.maximum(h, 0).T @ dscores
            for k, (h, a, q) in reversed(list(enumerate(passed))):
                dx, dbranch = stochastic_depth_backward(dh, q)
                dh = dx + (dbranch @ self.w[k].T) * (h > 0)
                self.w[k] -= rate * a.T @ dbranch
                self.b[k] -= rate * dbranch.sum(axis=0)
            self.first -= rate * x.T @ dh
        return self

    def accuracy(self, removed):
        rng = np.random.default_rng(5)
        x, y = digits().x_train[500:].astype(float), digits().y_train[500:]
        kept = (sorted(rng.permutation(BLOCKS)[removed:].tolist()) for _ in range(5))
        scores = (np.maximum(self.forward(x, False, k)[0], 0) @ self.last for k in kept)
        return 100 * np.mean([np.mean(s.argmax(axis=1) == y) for s in scores])


@pytest.mark.slow
def test_networks_trained_with_stochastic_depth_can_do_without_half_of_their_blocks():
    lost = {}
    for p_last in (1.0, 0.5):
        nets = [Deep(s, p_last).train(data) for s, data in zip(range(4), data_sets(), strict=False)]
        lost[p_last] = np.mean([net.accuracy(0) - net.accuracy(12) for net in nets])
    assert lost[1.0] > 8
    assert lost[0.5] < 0.7 * lost[1.0]
