"""One test body for every implementation: arrays go in and come out, whatever is inside."""

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch


@dataclass(frozen=True)
class Implementation:
    """A module of functions, called with NumPy arrays; `tensors` says what it is given instead.

    A dict of options is passed on with its arrays converted, and holds arrays again afterwards. A
    cache is opaque and passes through.
    """

    name: str
    module: ModuleType
    tensors: bool = False

    def __getattr__(self, function):
        if function.startswith("__"):
            raise AttributeError(function)

        def call(*args, **kwargs):
            inner = [self.inward(arg) for arg in args]
            result = getattr(self.module, function)(*inner, **kwargs)
            for arg, inside in zip(args, inner, strict=True):
                if isinstance(arg, dict):
                    arg.update({key: outward(value) for key, value in inside.items()})
            if isinstance(result, tuple):
                return tuple(map(outward, result))
            return outward(result)

        return call

    def inward(self, value):
        """Return the argument as this implementation takes it."""
        if isinstance(value, dict):
            return {key: self.inward(entry) for key, entry in value.items()}
        if self.tensors and isinstance(value, np.ndarray):
            return tensor(value)
        return value


def tensor(array):
    """Return a tensor with the values, and where PyTorch can have them the strides, of an array."""
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(array)


def outward(value):
    """Return a tensor as an array, anything else as it is."""
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def relative_difference(a, b):
    """Return max|a − b| / max|b|, for b with more than zeros in it."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    assert a.shape == b.shape
    size = np.abs(b).max()
    assert size > 0, "the expected answer is trivial"
    return np.abs(a - b).max() / size
