"""The calls in documented examples: a function's own docstring tells how it is called."""

import copy
import doctest
import importlib
import inspect

import torch


def recorded_calls(thing):
    """Run the examples of a function or layer, and return (args, kwargs) of each call of it.

    For a layer, these are (arguments of its constructor, its inputs).
    """
    calls = []

    def function(*args, **kwargs):
        calls.append(tree(torch.clone, (args, kwargs)))
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


def tree(change, value):
    """Return value with every tensor in its lists, tuples, dicts and networks changed."""
    if torch.is_tensor(value):
        return change(value)
    if isinstance(value, torch.nn.Module):
        like = change(torch.zeros(1))
        return copy.deepcopy(value).to(like.device, like.dtype)
    if isinstance(value, dict):
        return {key: tree(change, entry) for key, entry in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(tree(change, entry) for entry in value)
    return value
