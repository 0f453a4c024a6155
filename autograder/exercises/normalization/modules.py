"""Normalizations as layers of a network: parameters, state, training and evaluation."""

import numpy as np

from autograder.checking.observe import BadReturn
from autograder.checking.spec import Check
from autograder.exercises.normalization import tiny
from autograder.exercises.normalization.shared import EPS, MOMENTUM, batch, exercise

ROWS = (7, 5)  # N, D
USUAL = (1e-5, 0.9)  # eps and momentum, given where the defaults are not the question
STATISTICS = ("running_mean", "running_var")


def _made(impl, rng, *settings):
    """Return a layer with parameters of its own, in the precision of its inputs."""
    _, gamma, beta = batch(rng, *ROWS)
    layer = impl.BatchNorm(ROWS[1], *settings).to(impl.tensor(gamma).dtype)
    return _with(impl, layer, gamma, beta)


def _with(impl, layer, gamma, beta):
    """Give a layer these parameters.

    Raises:
        BadReturn: when its own have another shape.
    """
    for name, array in (("gamma", gamma), ("beta", beta)):
        parameter = getattr(layer, name)
        if parameter.shape != array.shape:
            shapes = f"shape {array.shape}, got {tuple(parameter.shape)}"
            raise BadReturn(f"{name} of the layer must have {shapes}")
        parameter.data.copy_(impl.tensor(array))
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
    """A layer as it was made, with the gamma and beta that it starts with."""
    x = _batch(impl, rng)
    layer = impl.BatchNorm(ROWS[1], EPS, MOMENTUM).to(x.dtype)
    return {"out": impl.array("out", layer(x)), **_statistics_of(impl, layer)}


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
    """A layer that has been trained is evaluated."""
    layer = _made(impl, rng, *USUAL)
    layer(_batch(impl, rng))
    _know(impl, rng, layer).eval()
    out = impl.array("out", layer(_batch(impl, rng)[:1]))
    return {"out": out, **_statistics_of(impl, layer)}


def _gradients(impl, rng):
    layer, x = _made(impl, rng, *USUAL), _batch(impl, rng)
    dout = impl.tensor(rng.normal(size=ROWS))
    (layer(x) * dout).sum().backward()
    gradients = {"dx": x.grad, "dgamma": layer.gamma.grad, "dbeta": layer.beta.grad}
    return {label: impl.array(label, gradients[label]) for label in gradients}


def _saved(impl, rng):
    """The state of a layer moves into a new one, as after a restart."""
    known = _know(impl, rng, _made(impl, rng, *USUAL)).state_dict()
    restored = _made(impl, rng, *USUAL)
    restored.load_state_dict(known)
    out = impl.array("out", restored.eval()(_batch(impl, rng)))
    found = sum(parameter.numel() for parameter in restored.parameters())
    return {"out": out, "numbers that an optimizer finds": np.array(found)}


BATCH_NORM = exercise(
    "Batch normalization as a layer",
    "batchnorm_forward BatchNorm",
    (
        Check("output in training", 0.8, _training),
        Check("a new layer with other settings", 0.4, _settings),
        Check("running statistics after three batches", 0.8, _three_batches),
        Check("output and statistics after eval()", 0.8, _evaluation),
        Check("gradients of x, gamma and beta", 0.8, _gradients),
        Check("saved, and loaded into a new layer", 0.4, _saved),
    ),
    "11–13",
    in_torch=True,
    kind="class",
    needs_autograd=True,
    small=tiny.LAYER_OF_ROWS,
)


# ------------------------------------------------------------------ groups

IMAGES, GROUPS = (2, 6, 3, 5), 3  # N, C, H, W
PARAMETERS = (1, IMAGES[1], 1, 1)


def _made_of_groups(impl, rng, *settings):
    """Return a layer with parameters of its own, in the precision of its inputs."""
    gamma, beta = rng.uniform(0.5, 2, PARAMETERS), rng.normal(size=PARAMETERS)
    layer = impl.GroupNorm(GROUPS, IMAGES[1], *settings).to(impl.tensor(gamma).dtype)
    return _with(impl, layer, gamma, beta)


def _images(impl, rng):
    return impl.tensor(batch(rng, *IMAGES)[0]).requires_grad_()


def _of_groups(impl, rng):
    return {"out": impl.array("out", _made_of_groups(impl, rng)(_images(impl, rng)))}


def _eps_of_groups(impl, rng):
    """A layer as it was made, with the gamma and beta that it starts with."""
    x = _images(impl, rng)
    layer = impl.GroupNorm(GROUPS, IMAGES[1], EPS).to(x.dtype)
    return {"out": impl.array("out", layer(x))}


def _groups_evaluated(impl, rng):
    """Train on some batches; afterwards one image comes out as it would have before."""
    layer = _made_of_groups(impl, rng, *USUAL[:1])
    for _ in range(3):
        layer(_images(impl, rng))
    return {"out": impl.array("out", layer.eval()(_images(impl, rng)[:1]))}


def _gradients_of_groups(impl, rng):
    layer, x = _made_of_groups(impl, rng, *USUAL[:1]), _images(impl, rng)
    (layer(x) * impl.tensor(rng.normal(size=IMAGES))).sum().backward()
    gradients = {"dx": x.grad, "dgamma": layer.gamma.grad, "dbeta": layer.beta.grad}
    return {label: impl.array(label, gradients[label]) for label in gradients}


def _trained_by_its_parameters(impl, rng):
    """What `parameters()` holds is moved, as an optimizer moves it."""
    layer = _made_of_groups(impl, rng, *USUAL[:1])
    moves = {id(w): impl.tensor(rng.normal(size=PARAMETERS)) for w in (layer.gamma, layer.beta)}
    for parameter in layer.parameters():  # in any order
        parameter.data.add_(moves.get(id(parameter), 0))
    return {"out": impl.array("out", layer(_images(impl, rng)))}


GROUP_NORM = exercise(
    "Group normalization as a layer",
    "spatial_groupnorm_forward GroupNorm",
    (
        Check("output in training", 1, _of_groups),
        Check("a new layer with another eps", 0.5, _eps_of_groups),
        Check("output after eval()", 1, _groups_evaluated),
        Check("gradients of x, gamma and beta", 1, _gradients_of_groups),
        Check("an optimizer finds gamma and beta", 0.5, _trained_by_its_parameters),
    ),
    "18",
    in_torch=True,
    kind="class",
    needs_autograd=True,
    small=tiny.LAYER_OF_GROUPS,
)
