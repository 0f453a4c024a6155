"""Inputs of the batch-norm tests: every implementation, every pass, awkward arrays."""

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
}
ROWS, IMAGES = (7, 5), (3, 4, 2, 5)


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


every_pair = pytest.mark.parametrize(("impl", "forward", "backward"), pairs())
both_ranks = pytest.mark.parametrize("shape", [ROWS, IMAGES], ids=["rows", "images"])


def forward_of(shape):
    return "batchnorm_forward" if len(shape) == 2 else "spatial_batchnorm_forward"


def shape_for(forward):
    return IMAGES if forward.startswith("spatial") else ROWS


def others(shape):
    """Return every axis but the features'."""
    return (0, *range(2, len(shape)))


def problem(shape, seed=0, dtype=np.float64):
    """Return x, gamma, beta and dout; the features of x differ in mean and spread."""
    rng = np.random.default_rng(seed)
    C = shape[1]
    features = [1, C] + [1] * (len(shape) - 2)
    x = rng.normal(0, 4, features) + rng.uniform(0.5, 3, features) * rng.normal(size=shape)
    arrays = x, rng.uniform(0.5, 2, C), rng.normal(size=C), rng.normal(size=shape) + 0.5
    return tuple(a.astype(dtype) for a in arrays)


def standardized(x, eps=1e-5):
    """Return x̂ computed in float64, whatever the dtype of x."""
    x, axes = x.astype(np.float64), others(x.shape)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def plain(shape, dtype=np.float64):
    """Return a gamma of ones and a beta of zeros."""
    return np.ones(shape[1], dtype), np.zeros(shape[1], dtype)
