"""The calls in documented examples: a function's own docstring tells how it is called."""

import copy
import doctest
import importlib
import inspect

import numpy as np
import torch

ARRAYS = (np.ndarray, torch.Tensor)


def recorded_calls(thing):
    """Run the examples of a function or layer, and return (args, kwargs) of each call of it.

    For a layer, these are (arguments of its constructor, its inputs).
    """
    calls = []

    def function(*args, **kwargs):
        calls.append(copied((args, kwargs)))
        return thing(*args, **kwargs)

    def layer(*args, **kwargs):
        made = thing(*args, **kwargs)
        made.register_forward_pre_hook(lambda _, x: calls.append(((args, kwargs), x)))
        return made

    module = importlib.import_module(thing.__module__)
    recorder = layer if inspect.isclass(thing) else function
    for test in doctest.DocTestFinder(recurse=False).find(thing, module=module):
        space = dict(vars(module)) | {thing.__name__: recorder}
        for example in test.examples:
            exec(example.source, space)
    return calls


def tree(change, value, kinds=torch.Tensor):
    """Return value with every tensor in its lists, tuples, dicts and networks changed.

    Or what is of other `kinds`; networks are changed for tensors alone.
    """
    if isinstance(value, kinds):
        return change(value)
    if isinstance(value, torch.nn.Module) and kinds is torch.Tensor:
        like = change(torch.zeros(1))
        return copy.deepcopy(value).to(like.device, like.dtype)
    if isinstance(value, dict):
        return {key: tree(change, entry, kinds) for key, entry in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(tree(change, entry, kinds) for entry in value)
    return value


def copied(value):
    """Return value with copies of its arrays, networks and generators of random numbers."""
    kinds = (*ARRAYS, torch.nn.Module, np.random.Generator, torch.Generator)

    def copy_of(one):
        if isinstance(one, torch.Tensor):
            return one.clone()
        if isinstance(one, torch.Generator):
            return torch.Generator(one.device).set_state(one.get_state())
        return copy.deepcopy(one)

    return tree(copy_of, value, kinds)
