"""Shortcuts an exercise forbids: the very function that the student is to write.

    by name       the trusted side reads the submitted source (`submissions/code.py`)
    in its place  `torch.nn.functional.batch_norm` raises while a scenario runs
    by itself     so does a function of Python, a method too, wherever it was put before
    by kernel     so does every call of PyTorch whose own name is of that kind, however it was
                  reached: an alias, `torch.ops.aten`, `torch._C`, a thread
    by autograd   so does whatever differentiates, where the backward pass is written by hand

What slips through all of them stands in the documentation of security.
"""

import contextlib
import functools
import inspect
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

KERNELS = {"interpolate": "upsample", "grid_sample": "grid_sampler"}  # where the name is another
AUTOGRAD = ("grad", "backward", "_make_dual")  # PyTorch's ways in: of reverse and forward mode
Refusal = tuple[FunctionType, dict[str, Any] | None, CodeType]  # defaults and code to give it


class Forbidden(Exception):
    """Student code called a function that the exercise asks it to write."""


@contextlib.contextmanager
def blocked(names, autograd: bool = True):
    """While active, every dotted name such as 'torch.nn.functional.batch_norm' raises Forbidden.

    Args:
        autograd: whether PyTorch may differentiate.
    """
    with contextlib.ExitStack() as stack:
        refusals: list[Refusal] = []
        for name in names:
            owner, _, attribute = name.rpartition(".")
            module = sys.modules.get(owner)
            if hasattr(module, attribute):
                value, raiser = getattr(module, attribute), _raiser(name)
                refusals += [_refusal(f, raiser) for f in _functions(value) if f is not raiser]
                _set(stack, module, attribute, raiser)
        stack.callback(_give_code, [(f, f.__kwdefaults__, f.__code__) for f, *_ in refusals])
        _give_code(refusals)
        if "torch" in sys.modules:
            _block_kernels(stack, kernels(names), () if autograd else AUTOGRAD)
        yield


def _set(stack, owner, attribute, value):
    """Give an attribute another value until `stack` ends."""
    stack.callback(setattr, owner, attribute, getattr(owner, attribute))
    setattr(owner, attribute, value)


@functools.cache
def _raiser(name):
    def forbidden(*args, **kwargs):
        raise Forbidden(
            f"{name} is what this exercise asks you to write; use plain array operations"
        )

    return forbidden


def _functions(value) -> Iterator[FunctionType]:
    """What of Python runs when a function or a class is called, or an object of that class."""
    if isinstance(value, FunctionType):
        yield inspect.unwrap(value, stop=lambda function: not _is_wrapper(function))
    else:
        kind = value if isinstance(value, type) else type(value)
        yield from (part for part in vars(kind).values() if isinstance(part, FunctionType))


def _is_wrapper(function):
    return isinstance(getattr(function, "__wrapped__", None), FunctionType)


@functools.cache  # the same again for every check
def _refusal(function: FunctionType, raiser) -> Refusal:
    """What a function has to be given to raise, under whatever name somebody has kept it."""
    code = _refused.__code__.replace(co_freevars=function.__code__.co_freevars)
    return function, {"raiser": raiser}, code


def _give_code(functions: Iterable[Refusal]) -> None:
    for function, defaults, code in functions:
        function.__kwdefaults__, function.__code__ = defaults, code


def _refused(*args, raiser, **kwargs):
    raiser()


def kernels(names: Iterable[str]) -> re.Pattern | None:
    """Return what the names of PyTorch's own functions for `names` have in common.

    >>> found = kernels(["torch.nn.functional.layer_norm", "torch.nn.LayerNorm"])
    >>> [bool(found.search(name)) for name in ("native_layer_norm", "layer_norm_", "norm")]
    [True, True, False]
    """
    last = {name.rpartition(".")[2].strip("_") for name in names if name.startswith("torch.")}
    words = sorted(KERNELS.get(word, word) for word in last if word.islower())
    return re.compile(rf"(?:^|_)(?:{'|'.join(words)})(?:_|$)") if words else None


def _block_kernels(stack, forbidden, differentiates):
    """Have PyTorch ask before each of its functions, here and in threads that are started here.

    Other threads of the process, and what they start in the meantime, are not asked: they are a
    grader's own, and outlive this block.
    """
    if forbidden is None and not differentiates:
        return
    from torch.overrides import TorchFunctionMode

    class Asking(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            name = getattr(function, "__name__", "").partition(".")[0]  # "batch_norm.default"
            if name in differentiates:
                raise Forbidden("write the backward pass by hand; here autograd may not do it")
            if forbidden is not None and forbidden.search(name):
                _raiser(f"torch's {name}")()
            return function(*args, **(kwargs or {}))

    def run_asking(run):
        inside.add(threading.get_ident())
        try:
            with Asking():
                run()
        finally:
            inside.discard(threading.get_ident())

    def start_asking(thread):
        if threading.get_ident() in inside:
            thread.run = functools.partial(run_asking, thread.run)
        start(thread)

    inside, start = {threading.get_ident()}, threading.Thread.start
    _set(stack, threading.Thread, "start", start_asking)
    stack.enter_context(Asking())
