"""Inputs of the normalization tests: every implementation, every pass, awkward arrays.

Group norm takes a G and has its parameters in the shape (1, C, 1, 1); `forward_pass` and
`backward_pass` hide this, so that one test body serves all layers.
"""

import numpy as np
import pytest
from implementations import Implementation

from cs231n_lib.normalization import in_numpy, in_torch, tuned

READABLE = (Implementation("numpy", in_numpy), Implementation("torch", in_torch, tensors=True))
TUNED = (Implementation("tuned numpy", tuned), Implementation("tuned torch", tuned, tensors=True))
EVERY = READABLE + TUNED
BACKWARDS = {  # every backward pass, with the forward pass it belongs to
    "batchnorm_backward": "batchnorm_forward",
    "batchnorm_backward_alt": "batchnorm_forward",
    "spatial_batchnorm_backward": "spatial_batchnorm_forward",
    "layernorm_backward": "layernorm_forward",
    "instancenorm_backward": "instancenorm_forward",
    "spatial_groupnorm_backward": "spatial_groupnorm_forward",
}
FORWARDS = tuple(dict.fromkeys(BACKWARDS.values()))
WITH_STATISTICS = ("batchnorm_forward", "spatial_batchnorm_forward")
ROWS, IMAGES = (7, 5), (3, 6, 2, 5)


def named(implementations):
    return pytest.mark.parametrize("impl", implementations, ids=lambda impl: impl.name)


def pairs():
    """Return every implementation with every forward and backward pass that it has."""
    return [
        pytest.param(impl, forward, backward, id=f"{impl.name}-{backward}")
        for impl in EVERY
        for backward, forward in BACKWARDS.items()
        if hasattr(impl.module, backward)
    ]


def forwards(names):
    """Return every implementation with every forward pass of these that it has."""
    return pytest.mark.parametrize(
        ("impl", "forward"),
        [
            pytest.param(impl, forward, id=f"{impl.name}-{forward}")
            for forward in names
            for impl in EVERY
            if hasattr(impl.module, forward)
        ],
    )


every_pair = pytest.mark.parametrize(("impl", "forward", "backward"), pairs())
every_forward = forwards(FORWARDS)
with_statistics = forwards(WITH_STATISTICS)
without_statistics = forwards(f for f in FORWARDS if f not in WITH_STATISTICS)


def is_grouped(name):
    return "groupnorm" in name


def groups_of(C):
    """Return the G of a test with C channels, which is not C / G."""
    return 2 if C % 2 == 0 else 1


def forward_pass(impl, name):
    """Return a function (x, gamma (C,), beta (C,), options) -> out, cache."""
    function = getattr(impl, name)
    if not is_grouped(name):
        return function

    def forward(x, gamma, beta, options):
        parameters = (a.reshape(1, -1, 1, 1) for a in (gamma, beta))
        return function(x, *parameters, groups_of(x.shape[1]), options)

    return forward


def backward_pass(impl, name):
    """Return a function (dout, cache) -> dx, dgamma (C,), dbeta (C,)."""
    function = getattr(impl, name)
    if not is_grouped(name):
        return function

    def backward(dout, cache):
        dx, *gradients = function(dout, cache)
        assert all(g.shape == (1, dout.shape[1], 1, 1) for g in gradients)
        return dx, *(g.reshape(-1) for g in gradients)

    return backward


def shape_for(forward):
    return ROWS if forward in ("batchnorm_forward", "layernorm_forward") else IMAGES


def together(forward, x):
    """Return x in a shape in which one mean runs over whole axes, and these axes."""
    if is_grouped(forward):
        N, C, H, W = x.shape
        return x.reshape(N, groups_of(C), -1, H, W), (2, 3, 4)
    if forward == "instancenorm_forward":
        return x, (2, 3)
    return x, (1,) if forward == "layernorm_forward" else others(x.shape)


def others(shape):
    """Return every axis but the features'."""
    return (0, *range(2, len(shape)))


def per_feature(a, rank):
    """Return a (C,) so that it meets axis 1 of `rank` axes."""
    return a.reshape(1, -1, *[1] * (rank - 2))


def problem(shape, seed=0, dtype=np.float64):
    """Return x, gamma, beta and dout; features and examples of x differ in mean and spread."""
    rng = np.random.default_rng(seed)
    C = shape[1]
    features, examples = [1, C] + [1] * (len(shape) - 2), [shape[0]] + [1] * (len(shape) - 1)
    x = rng.normal(0, 4, features) + rng.uniform(0.5, 3, features) * rng.normal(size=shape)
    x = x + rng.normal(0, 2, examples)
    arrays = x, rng.uniform(0.5, 2, C), rng.normal(size=C), rng.normal(size=shape) + 0.5
    return tuple(a.astype(dtype) for a in arrays)


def standardized(forward, x, eps=1e-5):
    """Return x̂ computed in float64, whatever the dtype of x."""
    viewed, axes = together(forward, x.astype(np.float64))
    mean, var = viewed.mean(axes, keepdims=True), viewed.var(axes, keepdims=True)
    return ((viewed - mean) / np.sqrt(var + eps)).reshape(x.shape)


def plain(shape, dtype=np.float64):
    """Return a gamma of ones and a beta of zeros."""
    return np.ones(shape[1], dtype), np.zeros(shape[1], dtype)
