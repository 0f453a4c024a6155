"""Networks that are trained together end where each of them ends when it is trained alone."""

import numpy as np
import pytest
import torch

from cs231n_lib.data import digits
from cs231n_lib.layers.batched import Stack, fit_many
from cs231n_lib.layers.in_numpy import svm_loss
from cs231n_lib.layers.network import (
    Activation,
    Affine,
    Conv,
    Flatten,
    Network,
    Noise,
    Normalization,
    ReLU,
)
from cs231n_lib.normalization.in_numpy import batchnorm_backward, batchnorm_forward
from cs231n_lib.optim.in_numpy import adam
from cs231n_lib.train import StopTraining, fit

S = 4


def mlp(seed, middle=ReLU, dtype=np.float64, **options):
    rng = np.random.default_rng(seed)
    first, last = (Affine(*size, rng, dtype=dtype) for size in ((64, 16), (16, 10)))
    return Network([first, middle(), last], **options)


def dropout(seed):
    """A layer with draws of its own."""
    rng = np.random.default_rng([seed, 1])

    def forward(x, param):
        mask = (rng.random(x.shape) < 0.5) / 0.5 if param["mode"] == "train" else np.ones(x.shape)
        return x * mask, mask

    return Noise(forward, lambda dout, mask: dout * mask)


def normalization():
    return Normalization(batchnorm_forward, batchnorm_backward, 16, np.float64)


def small_convolution(seed):
    rng = np.random.default_rng(seed)
    conv = Conv(1, 2, 3, rng, dtype=np.float64)
    return Network([conv, ReLU(), Flatten(), Affine(128, 10, rng, dtype=np.float64)])


def alone_and_together(build, data=None, callbacks=None, **settings):
    """Return the S networks and histories of `fit`, and those of `fit_many`."""
    sets = data or [digits().few(200)] * S
    settings = {"steps": 25, "batch_size": 20, "learning_rate": 0.2} | settings
    lists = [callbacks(s) if callbacks else () for s in range(S)]
    alone = [build(s) for s in range(S)]
    rngs = [np.random.default_rng(s) for s in range(S)]
    histories = [
        fit(net, own, rng=rng, callbacks=calls, **settings)
        for net, own, rng, calls in zip(alone, sets, rngs, lists, strict=True)
    ]
    together = [build(s) for s in range(S)]
    rngs = [np.random.default_rng(s) for s in range(S)]
    lists = [callbacks(s) if callbacks else () for s in range(S)]
    joint = fit_many(together, sets, rngs=rngs, callbacks=lists, **settings)
    return (alone, histories), (together, joint)


def assert_same(one, other):
    (alone, histories), (together, joint) = one, other
    for net, own, same, history in zip(alone, histories, together, joint, strict=True):
        np.testing.assert_allclose(history.loss, own.loss, rtol=1e-9)
        assert (history.steps, history.rates) == (own.steps, own.rates)
        assert history.train_accuracy == own.train_accuracy
        assert history.val_accuracy == own.val_accuracy
        assert history.diverged == own.diverged
        for name, w in net.params.items():
            np.testing.assert_allclose(same.params[name], w, rtol=1e-7, atol=1e-10)
    losses = [history.loss[-1] for history in joint]
    assert len(set(losses)) == S  # the seeds differ


@pytest.mark.parametrize(
    ("build", "settings"),
    [
        (mlp, {}),
        (mlp, {"evaluate_every": 10}),
        (mlp, {"steps": None, "epochs": 2}),
        (mlp, {"learning_rate": None, "schedule": lambda t: 0.2 * 0.9**t}),
        (mlp, {"update": adam, "learning_rate": 1e-2}),
        (lambda s: mlp(s, loss=svm_loss), {"learning_rate": 0.02}),  # at 0.2 it dies: ties
        (lambda s: mlp(s, penalty=lambda w: (s * (w**2).sum(), 2 * s * w)), {"steps": 10}),
        (lambda s: mlp(s, lambda: dropout(s)), {}),
        (lambda s: mlp(s, normalization), {}),
        (lambda s: mlp(s, lambda: Activation(lambda x: (x**2, x), lambda d, x: 2 * d * x)),
         {"learning_rate": 1e-3}),
    ],
    ids=["plain", "evaluated", "epochs", "schedule", "adam", "hinge", "penalty", "dropout",
         "batch norm", "activation"],
)  # fmt: skip
def test_each_network_ends_where_it_ends_alone(build, settings):
    assert_same(*alone_and_together(build, **settings))


def test_images_pass_through_convolutions():
    assert_same(*alone_and_together(small_convolution, [digits().few(100).images()] * S, steps=5))


def test_every_network_may_have_its_own_data():
    sets = [digits(s).few(200).with_random_labels(0.3, np.random.default_rng(s)) for s in range(S)]
    assert_same(*alone_and_together(mlp, sets))


def test_callbacks_see_their_own_network_and_history():
    seen = {}

    def callbacks(s):
        def callback(step, net, history):
            row = step, len(history.loss), float(net.grads["affine1.b"].sum())
            seen.setdefault(s, []).append(row)

        return [callback]

    assert_same(*alone_and_together(mlp, callbacks=callbacks, steps=3))
    for s in range(S):
        np.testing.assert_allclose(seen[s][:3], seen[s][3:], rtol=1e-9, atol=1e-12)
        assert [row[:2] for row in seen[s][:3]] == [(1, 1), (2, 2), (3, 3)]


def test_a_network_that_stops_leaves_the_others_going():
    def callbacks(s):
        def stop(step, net, history):
            if step == 5 * (s + 1):
                raise StopTraining

        return [stop]

    one, other = alone_and_together(
        lambda s: mlp(s, lambda: dropout(s)), callbacks=callbacks, update=adam, learning_rate=0.01,
        steps=18,
    )  # fmt: skip
    assert_same(one, other)
    assert [len(history.loss) for history in other[1]] == [5, 10, 15, 18]


def test_a_network_that_diverges_leaves_the_others_going():
    def build(s):
        net = mlp(s)
        net.layers[0].params["w"] *= 1e200 if s == 2 else 1
        return net

    one, other = alone_and_together(build)
    assert [history.diverged for history in other[1]] == [s == 2 for s in range(S)]
    kept = [k for k in range(S) if k != 2]
    for k in kept:
        np.testing.assert_allclose(other[1][k].loss, one[1][k].loss, rtol=1e-9)
    assert len(other[1][2].loss) == len(one[1][2].loss) < 25


def test_float32_stays_float32():
    nets = [mlp(s, dtype=np.float32) for s in range(2)]
    rngs = [np.random.default_rng(s) for s in range(2)]
    fit_many(nets, digits(), steps=2, batch_size=20, learning_rate=0.1, rngs=rngs)
    assert {w.dtype for net in nets for w in net.params.values()} == {np.dtype(np.float32)}
    assert not nets[0].layers[0].training


def test_the_networks_see_what_happens_to_the_stack():
    nets = [mlp(s) for s in range(S)]
    stack = Stack(nets)
    stack.params["affine1.w"] *= 0
    assert all((net.params["affine1.w"] == 0).all() for net in nets)
    assert not np.shares_memory(nets[0].params["affine2.w"], nets[1].params["affine2.w"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nets": []}, "the number of networks must be a whole number of at least 1, got 0"),
        ({"rngs": [np.random.default_rng(0)]}, "there must be 2 generators in rngs, .* got 1"),
        ({"data": [digits()] * 3}, "there must be 2 data sets, one a network, got 3"),
        ({"callbacks": [()]}, "there must be 2 callbacks, one a network, got 1"),
        ({"nets": [mlp(0), mlp(1, normalization)]}, "same layers, got Normalization, ReLU in one"),
        ({"nets": [mlp(0), Network(mlp(0).layers[:2])]}, "must have the same layers, got 3 and 2"),
        ({"nets": [Network([Affine(64, n, np.random.default_rng(0))]) for n in (10, 11)]},
         r"same shapes, got \[\(64, 10\), \(64, 11\)\] for 'w'"),
        ({"batch_size": 2000}, "batch_size must be at most 1297, the examples, got 2000"),
        ({"steps": None}, "pass either steps or epochs"),
        ({"nets": [mlp(0)] * 2}, "must have parameters of their own, got one layer twice"),
        ({"nets": [torch.nn.Linear(64, 10)] * 2}, "net must be a Network, got Linear"),
        ({"update": None}, "update must be a function, got NoneType"),
        ({"data": [(1, 2), (3, 4)]}, "data must be a Dataset, .* got tuple"),
        ({"callbacks": [print, print]}, r"callbacks must be a list of functions"),
        ({"callbacks": [[print], [None]]}, r"callbacks must be a list of functions"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_together_is_refused(changes, message):
    settings = {
        "nets": [mlp(0), mlp(1)],
        "data": digits(),
        "rngs": [np.random.default_rng(s) for s in range(2)],
        "steps": 2, "batch_size": 10, "learning_rate": 0.1,
    } | changes  # fmt: skip
    nets = [net.eval() for net in settings.pop("nets")]
    with pytest.raises((TypeError, ValueError), match=message):
        fit_many(nets, settings.pop("data"), **settings)
    assert not any(layer.training for net in nets for layer in getattr(net, "layers", ()))
