"""The frameworks' own versions of what students write, with the conventions of the exercises.

A module for each family has `BUILT_INS` {name: function on tensors}, `WITHOUT` {name: why there is
no built-in} and `REMARKED` {name: the Variant whose remark the built-in earns}.
"""

import functools
import importlib
import inspect
import pkgutil

import numpy as np
import torch

_MODULES = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
BUILT_INS, WITHOUT, REMARKED = (
    {key: value for module in _MODULES for key, value in getattr(module, table).items()}
    for table in ("BUILT_INS", "WITHOUT", "REMARKED")
)


def on_arrays(function):
    """Return a function on tensors as one on arrays."""

    @functools.wraps(function)
    def converted(*args):
        inner = [tensors(arg) for arg in args]
        result = function(*inner)
        for outer_arg, inner_arg in zip(args, inner, strict=True):
            if isinstance(outer_arg, dict):
                outer_arg.update({key: arrays(value) for key, value in inner_arg.items()})
        return tuple(map(arrays, result)) if isinstance(result, tuple) else arrays(result)

    return converted


def tensors(value):
    """Turn an array, the arrays of a dict, or those that a function returns, into tensors."""
    if isinstance(value, dict):
        return {key: tensors(entry) for key, entry in value.items()}
    if inspect.isfunction(value):
        return lambda *args: tensors(value(*map(arrays, args)))
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def arrays(value):
    """Turn a tensor into an array."""
    return value.numpy() if isinstance(value, torch.Tensor) else value


def built_ins_for(exercise):
    """Return {name: function} for an exercise whose functions all have a built-in, else None."""
    if not set(exercise.functions) <= set(BUILT_INS):
        return None
    functions = {name: BUILT_INS[name] for name in exercise.functions}
    if exercise.framework == "torch":
        return functions
    return {name: on_arrays(function) for name, function in functions.items()}
