"""Shortcuts an exercise forbids: the very function that the student is to write.

Two nets: a scan of the submitted source by the trusted side, and functions that raise while a
scenario runs. What slips through both is named in the documentation of the grader's security.
"""

import ast
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


def scan(source: str, names) -> list[str]:
    """Return the forbidden dotted names that `source` uses, in order of appearance.

    Imports and aliases are followed; code that does not parse uses nothing.

    >>> scan("from torch import nn\\nnn.BatchNorm1d(3)", ["torch.nn.BatchNorm1d"])
    ['torch.nn.BatchNorm1d']
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    aliases = _aliases(tree)
    used = [_dotted(node, aliases) for node in ast.walk(tree) if isinstance(node, _NAMES)]
    used += aliases.values()
    return [name for name in names if any(_covers(name, use) for use in used)]


_NAMES = (ast.Attribute, ast.Name)


def _aliases(tree):
    """Return {local name: dotted name} of every import."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                root = item.name.split(".")[0]
                aliases[item.asname or root] = item.name if item.asname else root
        elif isinstance(node, ast.ImportFrom):
            for item in node.names:
                aliases[item.asname or item.name] = f"{node.module}.{item.name}"
    return aliases


def _dotted(node, aliases):
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([aliases.get(node.id, node.id), *reversed(parts)])


def _covers(name, use):
    return use == name or use.startswith(name + ".")
