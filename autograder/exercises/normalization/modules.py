"""Normalizations as layers of a network: parameters, state, training and evaluation."""

import numpy as np

from autograder.checking.spec import Check
from autograder.exercises.normalization.shared import EPS, MOMENTUM, batch, exercise

ROWS = (7, 5)  # N, D
STATISTICS = ("running_mean", "running_var")


def _made(impl, rng, *settings):
    """Return a layer with parameters of its own, in the precision of its inputs."""
    _, gamma, beta = batch(rng, *ROWS)
    layer = impl.BatchNorm(ROWS[1], *settings).to(impl.tensor(gamma).dtype)
    layer.gamma.data.copy_(impl.tensor(gamma))
    layer.beta.data.copy_(impl.tensor(beta))
    return layer


def _batch(impl, rng):
    """Return rows that come from a layer before: gradients flow through them."""
    return impl.tensor(batch(rng, *ROWS)[0]).requires_grad_()


def _know(impl, rng, layer):
    """Give a layer running statistics, as if it had been trained."""
    layer.running_mean.copy_(impl.tensor(rng.normal(size=ROWS[1])))
    layer.running_var.copy_(impl.tensor(rng.uniform(0.5, 2, ROWS[1])))
    return layer


def _statistics_of(impl, layer):
    return {key: impl.array(key, getattr(layer, key)) for key in STATISTICS}


def _training(impl, rng):
    return {"out": impl.array("out", _made(impl, rng)(_batch(impl, rng)))}


def _settings(impl, rng):
    layer = _made(impl, rng, EPS, MOMENTUM)
    return {"out": impl.array("out", layer(_batch(impl, rng))), **_statistics_of(impl, layer)}


def _three_batches(impl, rng):
    layer = _made(impl, rng)
    for _ in range(3):
        layer(_batch(impl, rng))
    followed = any(getattr(layer, key).requires_grad for key in STATISTICS)
    return {
        **_statistics_of(impl, layer),
        "gradients flow into the running statistics": np.array(followed),
    }


def _evaluation(impl, rng):
    layer = _know(impl, rng, _made(impl, rng)).eval()
    out = impl.array("out", layer(_batch(impl, rng)[:1]))
    return {"out": out, **_statistics_of(impl, layer)}


def _gradients(impl, rng):
    layer, x = _made(impl, rng), _batch(impl, rng)
    dout = impl.tensor(rng.normal(size=ROWS))
    (layer(x) * dout).sum().backward()
    gradients = {"dx": x.grad, "dgamma": layer.gamma.grad, "dbeta": layer.beta.grad}
    return {label: impl.array(label, gradients[label]) for label in gradients}


def _saved(impl, rng):
    """The state of a layer moves into a new one, as after a restart."""
    known = _know(impl, rng, _made(impl, rng)).state_dict()
    restored = _made(impl, rng)
    restored.load_state_dict(known)
    return {"out": impl.array("out", restored.eval()(_batch(impl, rng)))}


BATCH_NORM = exercise(
    "Batch normalization as a layer",
    "batchnorm_forward BatchNorm",
    (
        Check("output in training", 0.8, _training),
        Check("eps and momentum of the layer", 0.4, _settings),
        Check("running statistics after three batches", 0.8, _three_batches),
        Check("output and statistics after eval()", 0.8, _evaluation),
        Check("gradients of x, gamma and beta", 0.8, _gradients),
        Check("saved, and loaded into a new layer", 0.4, _saved),
    ),
    "11–13",
    in_torch=True,
    kind="class",
    needs_autograd=True,
)
