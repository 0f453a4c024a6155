"""Shortcuts an exercise forbids: the very function that the student is to write.

Two nets: the trusted side reads the submitted source (`analysis.py`), and here are functions that
raise while a scenario runs. What slips through both stands in the documentation of security.
"""

import contextlib
import sys


class Forbidden(Exception):
    """Student code called a function that the exercise asks it to write."""


@contextlib.contextmanager
def blocked(names):
    """While active, every dotted name such as 'torch.nn.functional.batch_norm' raises Forbidden."""
    originals = []
    try:
        for name in names:
            owner, _, attribute = name.rpartition(".")
            module = sys.modules.get(owner)
            if hasattr(module, attribute):
                originals.append((module, attribute, getattr(module, attribute)))
                setattr(module, attribute, _raiser(name))
        yield
    finally:
        for module, attribute, original in reversed(originals):
            setattr(module, attribute, original)


def _raiser(name):
    def forbidden(*args, **kwargs):
        raise Forbidden(
            f"{name} is what this exercise asks you to write; use plain array operations"
        )

    return forbidden
