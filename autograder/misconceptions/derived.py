"""Wrong answers that follow from what is written down: one small change of a reference, or two
known mistakes in one function.

Every formula can get a wrong sign, lose a term, a factor or a root, add up where it averages, or go
along another axis. Such a change is made in the program text of the reference, and its name says of
which kind it is and in which equation.

There are many of these answers. One that is asked for is run until a check shows something that no
known one shows; of that a trace is kept.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, permutations
from typing import TypeGuard

import numpy as np

from autograder.checking.judge import verdict_on
from autograder.checking.ladder import tags_in
from autograder.checking.observe import Implementation, Seen, observe_check
from autograder.checking.spec import Exercise, Misconception
from autograder.checking.traces import CLEAR, Later, Trace, compared, is_telling, sums_of
from autograder.misconceptions import assembled, of, reference_source, texts_of

HINTS = {
    "a sign": "Compare the signs with {where}, one by one.",
    "a term is missing": "Count the terms of {where}. Are all of them in your line?",
    "a factor is missing": "Count the factors of {where}. Are all of them in your line?",
    "a division": "By what is divided in {where}, and what is only multiplied?",
    "a root or a function is missing": "Which function is taken in {where}, and of what?",
    "another power": "Look at the exponents of {where}.",
    "off by one": "What is the first number that {where} counts, and what the last?",
    "a sum for a mean, or a mean for a sum": "Is {where} a sum or a mean?",
    "another axis": "Which numbers share one value in {where}? Say the axis that is summed over.",
    "a comparison the other way round": "Put one small number into {where}: on which side is it?",
    "one value in the place of another": "Read {where} letter by letter: which value stands where?",
    "a line is left out": "Follow a second call, or a second step: is {where} still done?",
    "in another order": "In which order does the docstring promise what is returned?",
}
AXES = (0, 1, None, (0, 2, 3), (2, 3), (1, 2, 3))  # None: over all numbers
WRAPPERS = ("sqrt", "exp", "expm1", "log", "abs", "sign", "round", "deg2rad", "square")
METHODS = ("clip", "abs", "sqrt", "cumsum")
MEANS = {"sum": "mean", "mean": "sum"}
Edit = tuple[ast.AST, str]  # a node, and what stands in its place


@dataclass(frozen=True)
class Derived:
    """A wrong answer: the names of what is wrong in it, and its functions.

    `hint` is empty where the names are those of two known mistakes.
    """

    names: tuple[str, ...]
    hint: str
    exercise: Exercise
    texts: dict[str, str]

    def functions(self) -> dict:
        """Return {name: function}."""
        return assembled(self.exercise, self.texts, label=self.names[0])


def traces_of(exercise: Exercise, seed_of, provider) -> tuple[Later, ...]:
    """Return what derived wrong answers will leave behind, unless known ones leave the same.

    Only of exercises with small inputs: of what is drawn at random nothing comes out the same, and
    of what works on functions that it is given a changed loop may have no end. Pairs are those of
    the NumPy half, which comes first.
    """
    if exercise.no_small:
        return ()
    known = {answer.name: answer for answer in provider.misconceptions(exercise)}
    run = _Run(exercise, seed_of, provider)
    checks = [c for c in exercise.checks if compared(provider.expected(exercise, c))]
    found = [
        Later(made.names, made.hint, partial(run.trace_of, made, checks))
        for made in of_one(exercise)
    ]
    largest = sorted(checks, key=lambda check: -_size(provider.expected(exercise, check)))
    edited = [record for record in of(exercise.id) if record.edits]
    for pair in combinations(edited, 2) if exercise.framework == "numpy" else ():
        names = tuple(record.name for record in pair)
        both = _not_told_apart(largest, *(known[name] for name in names))
        found += [Later(names, "", partial(run.trace_of_two, *pair, both))] if both else []
    return tuple(found)


def _not_told_apart(checks, first, second):
    """Return the first check that two mistakes both get wrong, where one never shows alone.

    In a first step or a single number two mistakes often show what two others do.
    """
    places = [{(n, key) for n, keys in k.wrong.items() for key in keys} for k in (first, second)]
    if places[0] - places[1] and places[1] - places[0]:
        return ()
    return [c for c in checks if first.wrong[c.name] and second.wrong[c.name]][:1]


def _size(expected):
    """Return how many numbers are compared in a check."""
    return sum(expected.arrays[key].size for key in compared(expected))


class _Run:
    """Runs derived answers, and keeps of each one trace."""

    def __init__(self, exercise, seed_of, provider):
        self._exercise, self._seed_of, self._provider = exercise, seed_of, provider
        self._right = {
            c.name: self._sums(c, Seen(provider.expected(exercise, c).arrays))[0]
            for c in exercise.checks
        }
        self._found = {
            check.name: [
                self._sums(check, known.seen[check.name])[0]
                for known in provider.misconceptions(exercise)
                if known.seen[check.name].arrays is not None
            ]
            for check in exercise.checks
        }  # what known answers have left behind, and changes of the reference

    def _sums(self, check, seen):
        return sums_of(seen, self._provider.expected(self._exercise, check))

    def trace_of(self, made, checks):
        """Return the trace in the first check where it is one of its own; None without any."""
        impl = Implementation(made.functions(), self._exercise, is_ours=True)
        passed: list[str] = []
        for check in checks:
            seed = self._seed_of(self._exercise, check)
            seen = observe_check(impl, self._exercise, check, seed)
            wrong = verdict_on(check, seen, self._exercise, self._provider).wrong
            trace = self._left(made, check, passed, seen, wrong) if wrong else None
            if trace:
                return trace
            passed += [] if wrong else [check.name]
        return None

    def trace_of_two(self, first, second, checks):
        """Return the trace of two mistakes in one function; None where they exclude each other."""
        texts = texts_of_both(first, second)
        made = Derived((first.name, second.name), "", self._exercise, texts) if texts else None
        return self.trace_of(made, checks) if made else None

    def _left(self, made, check, passed, seen, wrong):
        if seen.fault or not is_telling(wrong, seen.arrays):
            return None
        sums, bound = self._sums(check, seen)
        is_clear = (np.abs(sums - self._right[check.name]) > CLEAR * bound).any()
        if not is_clear or any((np.abs(sums - s) <= bound).all() for s in self._found[check.name]):
            return None
        if made.hint:
            self._found[check.name].append(sums)
        return Trace(made.names, made.hint, check.name, tuple(passed), tuple(sums))


def texts_of_both(first: Misconception, second: Misconception) -> dict[str, str] | None:
    """Return the program texts of an answer with two mistakes; None where they cannot both be."""
    edits = dict(first.edits)
    for name, more in second.edits.items():
        edits[name] = (*edits.get(name, ()), *more)
    try:
        texts = texts_of(replace(first, edits=edits))
        for text in texts.values():
            ast.parse(text)
        return texts
    except (ValueError, SyntaxError):
        return None


def of_one(exercise: Exercise) -> Iterator[Derived]:
    """Yield the answers that differ from the reference in one place."""
    name = exercise.function
    text = _plainly(reference_source(exercise, name))
    made = {text}
    for kind, statement, edits in _changes(ast.parse(text)):
        changed = _edited(text, edits)
        if changed not in made:
            made.add(changed)
            where, name_of_place = _place(text, statement)
            hint = HINTS[kind].format(where=where)
            yield Derived((f"{kind}{name_of_place}",), hint, exercise, {name: changed})


# ---------------------------------------------------------------------------------- places


def _place(text, statement):
    """Return how a hint and how a name say where a statement stands: by its equation."""
    lines = text.splitlines()
    here = tags_in("\n".join(lines[statement.lineno - 1 : statement.end_lineno]))
    if here:
        return f"({here[0]})", f" in ({here[0]})"
    later = tags_in("\n".join(lines[statement.lineno :]))
    if later:
        return f"what comes before ({later[0]})", f" on the way to ({later[0]})"
    return "the formula", ""


def _plainly(text):
    """Return the text without docstrings and without lines that only take out rounding."""
    tree = ast.parse(text)
    idle = [node for node in ast.walk(tree) if _is_idle(node)]
    return _edited(text, [(node, "0") for node in idle])


def _is_idle(node):
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_docstring or (isinstance(node, ast.AugAssign) and _takes_own_mean(node))


def _takes_own_mean(node):
    mean = getattr(node.value, "func", None)
    if not isinstance(node.op, ast.Sub) or not isinstance(mean, ast.Attribute):
        return False
    return mean.attr == "mean" and ast.unparse(mean.value) == ast.unparse(node.target)


# ---------------------------------------------------------------------------------- changes


def _changes(tree) -> Iterator[tuple[str, ast.stmt, list[Edit]]]:
    """Yield (kind, statement, edits) of every change."""
    first = tree.body[0]
    statements = [node for node in ast.walk(first) if isinstance(node, ast.stmt)][1:]
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.Raise):
            continue
        nodes = list(_own_nodes(statement))
        for node in nodes:
            yield from ((kind, statement, [(node, new)]) for kind, new in _others(node))
        is_loop = isinstance(statement, ast.For | ast.While)  # another one might have no end
        values = [node for node in nodes if _is_value(node) and not is_loop]
        for name, other in permutations(values, 2):
            if name.id != other.id:
                change = [(name, other.id)]
                yield "one value in the place of another", statement, change
        if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Tuple):
            turned = ", ".join(map(ast.unparse, reversed(statement.value.elts)))
            yield "in another order", statement, [(statement.value, turned)]
        if _may_be_left_out(statement):
            yield "a line is left out", statement, [(statement, "pass")]
    yield from _everywhere(first, statements)


def _everywhere(first, statements):
    """Yield what is changed in all places alike: the axis of every sum and mean."""
    axes = [node.value for node in ast.walk(first) if _is_axis(node)]
    for axis in AXES if len(axes) > 1 else ():
        at = next(s for s in statements if s.lineno <= axes[0].lineno <= s.end_lineno)
        yield "another axis", at, [(value, str(axis)) for value in axes]


def _own_nodes(statement):
    """Walk over a statement without the statements inside it, and without what it assigns to."""
    waiting = [c for c in ast.iter_child_nodes(statement) if not isinstance(c, ast.stmt)]
    while waiting:
        node = waiting.pop(0)
        yield node
        waiting += ast.iter_child_nodes(node)


def _is_value(node):
    modules = ("np", "torch", "math", "copy", "itertools", "self", "len", "range", "zip", "abs")
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in modules


def _is_axis(node) -> TypeGuard[ast.keyword]:
    return isinstance(node, ast.keyword) and node.arg in ("axis", "dim")


def _may_be_left_out(statement):
    if isinstance(statement, ast.Assign):
        return isinstance(statement.targets[0], ast.Subscript | ast.Attribute)
    return isinstance(statement, ast.AugAssign | ast.Expr)


def _others(node) -> Iterator[tuple[str, str]]:
    """Yield (kind, what may stand in the place of a node)."""
    if isinstance(node, ast.BinOp):
        yield from _other_terms(node, ast.unparse(node.left), ast.unparse(node.right))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "a sign", ast.unparse(node.operand)
    elif isinstance(node, ast.Call):
        yield from _other_calls(node)
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Lt | ast.Gt):
        turned = ">" if isinstance(node.ops[0], ast.Lt) else "<"
        sides = ast.unparse(node.left), ast.unparse(node.comparators[0])
        yield "a comparison the other way round", f"{sides[0]} {turned} {sides[1]}"


def _other_terms(node, left, right):
    """Yield what may stand in the place of `left op right`."""
    a, b = f"({left})", f"({right})"
    if isinstance(node.op, ast.Add | ast.Sub):
        yield "a sign", f"{a} - {b}" if isinstance(node.op, ast.Add) else f"{a} + {b}"
        yield from (("a term is missing", part) for part in (left, right))
        yield from (("off by one", f"{a} + {b} {sign} 1") for sign in "+-" if "1" in (left, right))
    elif isinstance(node.op, ast.Mult | ast.MatMult):
        yield from (("a factor is missing", part) for part in (left, right))
    elif isinstance(node.op, ast.Div):
        yield "a division", left
        yield "a division", f"{a} * {b}"
        yield "off by one", f"{a} / ({b} - 1)"
    elif isinstance(node.op, ast.FloorDiv):
        yield "a division", f"{a} / {b}"
    elif isinstance(node.op, ast.Pow):
        yield "another power", left
        yield from (("another power", f"{a} ** ({b} {change})") for change in ("- 1", "+ 1", "* 2"))


def _other_calls(node):
    """Yield what may stand in the place of a call."""
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name in WRAPPERS and len(node.args) == 1:
        yield "a root or a function is missing", ast.unparse(node.args[0])
    if name in METHODS and isinstance(node.func, ast.Attribute):
        yield "a root or a function is missing", ast.unparse(node.func.value)
    if name in MEANS and isinstance(node.func, ast.Attribute):
        call = f"({ast.unparse(node.func.value)}).{MEANS[name]}"
        yield "a sum for a mean, or a mean for a sum", f"{call}({_arguments(node)})"
    for number, keyword in enumerate(node.keywords):
        if _is_axis(keyword):
            for axis in AXES:
                others = [*node.keywords]
                others[number] = ast.keyword(keyword.arg, ast.parse(str(axis), mode="eval").body)
                yield "another axis", ast.unparse(ast.Call(node.func, node.args, others))
    for number, argument in enumerate(node.args):
        if isinstance(argument, ast.Constant) and type(argument.value) is int and name != "get":
            for value in (argument.value - 1, argument.value + 1):
                others = [*node.args]
                others[number] = ast.Constant(value)
                yield "off by one", ast.unparse(ast.Call(node.func, others, node.keywords))


def _arguments(node):
    return ", ".join(map(ast.unparse, [*node.args, *node.keywords]))


def _edited(text, edits):
    """Return the text with other code in the place of nodes, whose positions count bytes."""
    starts, data = [0], text.encode()
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node, new in sorted(
        edits, key=lambda edit: -starts[edit[0].lineno - 1] - edit[0].col_offset
    ):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        new = new if isinstance(node, ast.stmt) else f"({new})"
        data = data[:start] + new.encode() + data[end:]
    return data.decode()
