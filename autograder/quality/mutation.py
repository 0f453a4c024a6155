"""Small mistakes made by machine: every mutant of a function differs from it in one place.

A check that lets a mutant pass would let a student's slip pass. What is changed: operators,
constants (axis numbers among them), comparisons, names of the same kind, the order of arguments;
what is left out: terms, calls, keyword arguments, signs, statements.
"""

import ast
import contextlib
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autograder.checking.definition import definition_in

OTHER = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
OTHER_CALL = {"sum": "mean", "mean": "sum"}
WITH_DOCSTRING = (ast.FunctionDef, ast.ClassDef)
SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Raise)


@dataclass(frozen=True)
class Mutant:
    """A changed function: its program text, and the statement that differs."""

    line: str
    text: str


def mutants(text: str, kinds: Mapping[str, object]) -> list[Mutant]:
    """Return every mutant of the function or class that `text` defines, each once.

    Args:
        text: program text; decorators, docstrings and signatures are left alone.
        kinds: {name of a variable: its kind}; only names of one kind take each other's place.

    >>> [m.line for m in mutants("def f(x):\\n    return -x", {"x": "number"})]
    ['return x']
    """
    tree = ast.parse(textwrap.dedent(text))
    first = definition_in(tree)
    first.decorator_list = []
    for definition in ast.walk(tree):
        if isinstance(definition, WITH_DOCSTRING) and ast.get_docstring(definition) is not None:
            del definition.body[0]
    methods = [node for node in first.body if isinstance(node, ast.FunctionDef)]
    found: dict[str, str] = {}
    for function in methods if isinstance(first, ast.ClassDef) else [first]:
        found |= _mutants_of(tree, function, kinds)
    found.pop(ast.unparse(tree), None)
    return [Mutant(line, changed) for changed, line in found.items()]


def _mutants_of(tree, function, kinds):
    """Return {program text: statement that differs} for the changes in one function of `tree`."""
    found: dict[str, str] = {}
    for statement in _statements(function):
        for parent, field, value in _changes(statement, kinds):
            with _changed(parent, field, value):
                line = ast.unparse(statement).splitlines()[0]
                found.setdefault(ast.unparse(tree), line)
    for parent, field, position, statement in _places(function):
        others = list(getattr(parent, field))
        others[position] = ast.Pass()
        with _changed(parent, field, others):
            found.setdefault(ast.unparse(tree), f"left out: {ast.unparse(statement)}")
    return found


def _statements(function):
    return [node for node in ast.walk(function) if isinstance(node, ast.stmt)][1:]


@contextlib.contextmanager
def _changed(parent, field, value):
    before = getattr(parent, field)
    setattr(parent, field, value)
    yield
    setattr(parent, field, before)


def _places(function):
    """Yield (node, field, position, statement) for every statement that can be left out."""
    for node in ast.walk(function):
        for field, body in ast.iter_fields(node):
            for position, part in enumerate(body if isinstance(body, list) else ()):
                if isinstance(part, SIMPLE):
                    yield node, field, position, part


def _changes(statement, kinds) -> Iterator:
    """Yield (node, field, value) for every value that a field of `statement` may have instead."""
    if isinstance(statement, ast.Raise):
        return  # the wording of an error counts for nothing
    for node in _own_nodes(statement):
        for field, value in list(ast.iter_fields(node)):
            if isinstance(value, list):
                yield from ((node, field, other) for other in _other_lists(node, value, kinds))
            else:
                yield from ((node, field, other) for other in _alternatives(value, kinds))


def _own_nodes(statement):
    """Walk over a statement without the statements inside it."""
    waiting = [statement]
    while waiting:
        node = waiting.pop(0)
        yield node
        waiting += [c for c in ast.iter_child_nodes(node) if not isinstance(c, ast.stmt)]


def _other_lists(node, values, kinds):
    """Yield the list with one part changed, left out, or exchanged with its neighbour."""
    for i, value in enumerate(values):
        before, after = values[:i], values[i + 1 :]
        yield from ([*before, other, *after] for other in _alternatives(value, kinds))
        if isinstance(value, ast.keyword):
            yield [*before, *after]
        if before and isinstance(node, ast.Call | ast.Tuple) and isinstance(value, ast.expr):
            yield [*before[:-1], value, before[-1], *after]


def _alternatives(node, kinds):
    """Yield what may replace the expression `node`."""
    if isinstance(node, ast.operator | ast.cmpop):
        if type(node) in OTHER:
            yield OTHER[type(node)]()
    elif isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant):
        yield from map(ast.Constant, _other_constants(node.value))
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        kind = kinds.get(node.id)
        same = sorted(name for name in kinds if kinds[name] == kind and name != node.id)
        yield from (ast.Name(name, ast.Load()) for name in same if kind is not None)
    elif isinstance(node, ast.Attribute) and node.attr in OTHER_CALL:
        yield ast.Attribute(node.value, OTHER_CALL[node.attr], ast.Load())
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield node.value
    elif isinstance(node, ast.Call):
        yield from _without_call(node, kinds)


def _without_call(call, kinds):
    if len(call.args) == 1 and not isinstance(call.args[0], ast.Starred):
        yield call.args[0]
    receiver = getattr(call.func, "value", None)
    is_module = isinstance(receiver, ast.Name) and receiver.id not in kinds
    if receiver is not None and not is_module:
        yield receiver


def _other_constants(value):
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [2 * value, value / 2]
    return [value + "_"] if isinstance(value, str) else []
