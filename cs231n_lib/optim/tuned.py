"""Optimizers for speed, in NumPy: no temporary arrays, and one pass over the memory.

The same names, settings and equations as in `in_numpy`. What is different:

- `out` takes the next weights: None makes a new array, and `out=w` steps in place. The arrays of
  state in `config` are always changed in place.
- A step goes over the weights a block at a time. A block stays in the cache until everything is
  done with it, and one block of scratch memory takes every intermediate result.

- `Flat` keeps many small arrays in one, so that one call of a rule steps all of them: for arrays of
  some thousand numbers the calls are most of the time.

`_in_blocks` does the blocks, so each rule below still reads as its formula. A rule is given blocks
of the next weights `x`, of `w`, of `dw` and of its state, and the scratch `s`.
"""

import math

import numpy as np

from cs231n_lib.errors import alike, validated
from cs231n_lib.optim import ADAGRAD, ADAM, ADAMW, MOMENTUM, RMSPROP, optim_options

BLOCK = 2**16  # numbers of each array that are taken at a time: Adam has five arrays, 1.3 MB
ARRAYS = {"w": alike("w"), "dw": alike("w"), "out": alike("w")}


@validated(**ARRAYS, config=optim_options())
def sgd(w, dw, config=None, out=None):
    """SGD, as `in_numpy.sgd`; the next weights are written into `out`.

    >>> w = np.array([1.0, 2.0])
    >>> sgd(w, np.array([10.0, -10.0]), {"learning_rate": 0.1}, out=w)[0] is w
    True
    >>> w
    array([0., 3.])
    """
    config = {} if config is None else config
    learning_rate = config.get("learning_rate", 1e-2)

    def rule(x, w, dw, s):
        _plus(w, -learning_rate, dw, s, x)  # SGD.1

    return _in_blocks(rule, w, dw, config, out)


@validated(**ARRAYS, config=MOMENTUM)
def sgd_momentum(w, dw, config=None, out=None):
    """SGD with momentum, as `in_numpy.sgd_momentum`, with the next weights in `out`.

    >>> w, config = sgd_momentum(np.array([1.0]), np.array([1.0]), {"learning_rate": 0.5})
    >>> w, config["velocity"]
    (array([0.5]), array([-0.5]))
    """
    config = {} if config is None else config
    learning_rate, momentum = config.get("learning_rate", 1e-2), config.get("momentum", 0.9)

    def rule(x, w, dw, v, s):
        v *= momentum
        _plus(v, -learning_rate, dw, s, v)  # Momentum.1
        np.add(w, v, out=x)  # Momentum.2

    return _in_blocks(rule, w, dw, config, out, "velocity")


@validated(**ARRAYS, config=MOMENTUM)
def sgd_momentum_unscaled(w, dw, config=None, out=None):
    """As `in_numpy.sgd_momentum_unscaled`, PyTorch's form, with the next weights in `out`.

    >>> w, config = sgd_momentum_unscaled(np.ones(1), np.ones(1), {"learning_rate": 0.5})
    >>> w, config["velocity"]
    (array([0.5]), array([1.]))
    """
    config = {} if config is None else config
    learning_rate, momentum = config.get("learning_rate", 1e-2), config.get("momentum", 0.9)

    def rule(x, w, dw, v, s):
        v *= momentum
        v += dw  # Momentum.3
        _plus(w, -learning_rate, v, s, x)  # Momentum.4

    return _in_blocks(rule, w, dw, config, out, "velocity")


@validated(**ARRAYS, config=MOMENTUM)
def nesterov(w, dw, config=None, out=None):
    """Nesterov momentum rearranged, as `in_numpy.nesterov`, with the next weights in `out`.

    >>> w, config = nesterov(np.array([1.0]), np.array([1.0]), {"learning_rate": 0.5})
    >>> w, config["velocity"]
    (array([0.05]), array([-0.5]))
    """
    config = {} if config is None else config
    learning_rate, momentum = config.get("learning_rate", 1e-2), config.get("momentum", 0.9)

    def rule(x, w, dw, v, s):
        v *= momentum
        _plus(v, -learning_rate, dw, s, v)  # Nesterov.3
        _plus(w, -learning_rate, dw, s, x)  # Nesterov.4, where v − ρ·old v is −α·dw
        _plus(x, momentum, v, s, x)

    return _in_blocks(rule, w, dw, config, out, "velocity")


@validated(**ARRAYS, config=ADAGRAD)
def adagrad(w, dw, config=None, out=None):
    """AdaGrad, as `in_numpy.adagrad`, with the next weights in `out`.

    >>> adagrad(np.array([1.0, 1.0]), np.array([5.0, -0.01]), {"learning_rate": 0.5})[0].round(5)
    array([0.5, 1.5])
    """
    config = {} if config is None else config
    learning_rate, eps = config.get("learning_rate", 1e-2), config.get("epsilon", 1e-8)

    def rule(x, w, dw, cache, s):
        np.multiply(dw, dw, out=s)
        cache += s  # AdaGrad.1
        _over_root(dw, cache, eps, s)
        _plus(w, -learning_rate, s, s, x)  # AdaGrad.2

    return _in_blocks(rule, w, dw, config, out, "cache")


@validated(**ARRAYS, config=RMSPROP)
def rmsprop(w, dw, config=None, out=None):
    """RMSProp, as `in_numpy.rmsprop`, with the next weights in `out`.

    >>> rmsprop(np.array([1.0]), np.array([5.0]), {"learning_rate": 0.1, "decay_rate": 0.75})[0]
    array([0.8])
    """
    config = {} if config is None else config
    learning_rate, eps = config.get("learning_rate", 1e-2), config.get("epsilon", 1e-8)
    decay_rate = config.get("decay_rate", 0.99)

    def rule(x, w, dw, cache, s):
        _mean_of_squares(cache, decay_rate, dw, s)  # RMSProp.1
        _over_root(dw, cache, eps, s)
        _plus(w, -learning_rate, s, s, x)  # RMSProp.2

    return _in_blocks(rule, w, dw, config, out, "cache")


@validated(**ARRAYS, config=ADAM)
def adam_uncorrected(w, dw, config=None, out=None):
    """Adam (almost), as `in_numpy.adam_uncorrected`, with the next weights in `out`.

    >>> config = {"learning_rate": 0.1}
    >>> adam_uncorrected(np.array([1.0]), np.array([5.0]), config)[0].round(3)
    array([0.684])
    """
    config = {} if config is None else config
    return _adam(w, dw, config, out, 1.0, 1.0, 0.0)  # Adam.3


@validated(**ARRAYS, config=ADAM)
def adam(w, dw, config=None, out=None):
    """Adam, as `in_numpy.adam`, with the next weights in `out`.

    >>> adam(np.array([1.0]), np.array([5.0]), {"learning_rate": 0.1})[0].round(6)
    array([0.9])
    """
    config = {} if config is None else config
    return _adam(w, dw, config, out, *_corrections(config), 0.0)  # Adam.6


@validated(**ARRAYS, config=ADAMW)
def adamw(w, dw, config=None, out=None):
    """Adam with decoupled weight decay, as `in_numpy.adamw`, with the next weights in `out`.

    >>> adamw(np.array([8.0]), np.array([0.0]), {"learning_rate": 0.1, "weight_decay": 0.5})[0]
    array([7.6])
    """
    config = {} if config is None else config
    return _adam(w, dw, config, out, *_corrections(config), config.get("weight_decay", 1e-2))


class Flat:
    """Many arrays side by side in one, stepped by one call of a rule of this module.

    Args:
        arrays: list of arrays of floats of one dtype, the weights; they are copied.

    `views` are the same arrays as parts of the one, so a step changes them; write into them, as in
    `net.weights[...] = view`, and do not replace them.

    >>> flat = Flat([np.ones((2, 3)), np.zeros(4)])
    >>> config = flat.step(adam, [np.ones((2, 3)), -np.ones(4)], {"learning_rate": 0.5})
    >>> flat.views[0][0].round(3), flat.views[1].round(3), config["t"]
    (array([0.5, 0.5, 0.5]), array([0.5, 0.5, 0.5, 0.5]), 1)
    """

    def __init__(self, arrays):
        self.values = np.concatenate([np.ravel(a) for a in arrays])  # (all numbers,)
        self.gradient = np.empty_like(self.values)
        self.views, self.slots = [], []
        start = 0
        for a in arrays:
            part = slice(start, start + a.size)
            self.views.append(self.values[part].reshape(a.shape))
            self.slots.append(self.gradient[part].reshape(a.shape))
            start += a.size

    def step(self, rule, gradients, config=None):
        """Step in place with the gradients of the arrays, in their order; return the config.

        Raises ValueError for another number of gradients, or one of another shape.
        """
        for slot, dw in zip(self.slots, gradients, strict=True):
            if slot.shape != dw.shape:
                raise ValueError(
                    f"Flat: each gradient must have the shape of its array, {slot.shape}, got "
                    f"shape {dw.shape}"
                )
            slot[...] = dw
        return rule(self.values, self.gradient, config, out=self.values)[1]


def _corrections(config):
    """Count the step and return 1 − β₁ᵗ and 1 − β₂ᵗ."""
    t = config["t"] = config.get("t", 0) + 1
    return 1 - config.get("beta1", 0.9) ** t, 1 - config.get("beta2", 0.999) ** t


def _adam(w, dw, config, out, correction1, correction2, weight_decay):
    learning_rate, eps = config.get("learning_rate", 1e-3), config.get("epsilon", 1e-8)
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    root = math.sqrt(correction2)  # taken out of the root of v̂, for one operation less
    rate = learning_rate * root / correction1

    def rule(x, w, dw, m, v, s):
        m *= beta1
        _plus(m, 1 - beta1, dw, s, m)  # Adam.1
        _mean_of_squares(v, beta2, dw, s)  # Adam.2
        _over_root(m, v, eps * root, s)  # Adam.5
        if weight_decay:
            w = np.multiply(w, 1 - learning_rate * weight_decay, out=x)  # AdamW.1
        _plus(w, -rate, s, s, x)  # Adam.4

    return _in_blocks(rule, w, dw, config, out, "m", "v")


def _plus(a, factor, b, s, out):
    """Write a + factor · b into out; s may be b, and out may be a."""
    np.multiply(b, factor, out=s)
    np.add(a, s, out=out)


def _mean_of_squares(mean, decay_rate, dw, s):
    """Move the running mean of dw² on by a step, in place."""
    np.multiply(dw, dw, out=s)
    mean *= decay_rate
    _plus(mean, 1 - decay_rate, s, s, mean)


def _over_root(direction, squares, eps, s):
    """Write direction / (√squares + eps) into s."""
    np.sqrt(squares, out=s)
    s += eps
    np.divide(direction, s, out=s)


def _in_blocks(rule, w, dw, config, out, *state):
    """Call rule(x, w, dw, *state, scratch) for each block; return the next weights and config."""
    w, dw = np.asarray(w), np.asarray(dw)  # an array without axes may have become a number
    kind = np.promote_types(w.dtype, np.float32)  # half precision would overflow or vanish
    for name in state:
        known = name in config
        config[name] = np.asarray(config[name], kind) if known else np.zeros_like(w, dtype=kind)
    next_w = out if isinstance(out, np.ndarray) else np.empty_like(w)
    arrays = [next_w, w, dw, *(config[name] for name in state)]
    if w.ndim == 0:
        arrays = [a.reshape(1) for a in arrays]

    rows = max(1, BLOCK // max(1, math.prod(w.shape[1:])))
    scratch = np.empty_like(arrays[0][:rows], dtype=kind)
    for i in range(0, len(arrays[0]), rows):
        blocks = [a[i : i + rows].astype(kind, copy=False) for a in arrays]
        rule(*blocks, scratch[: len(blocks[0])])
        if kind != next_w.dtype:
            arrays[0][i : i + rows] = blocks[0]
    return next_w, config
