"""A record for a wrong answer that nobody has named: the edit guessed, tried, written down.

    edits = guessed_edits(reference, answer)   # (("np.sqrt(var + eps)", "np.sqrt(var)"),)

An edit is the smallest piece of the reference that occurs once in it, and what the answer has in
its place, in the reference's names. Where the two differ too much, the record holds the whole
function. What came from a student is parsed here and never run.
"""

from __future__ import annotations

import ast
import copy
import difflib
import importlib
import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autograder import misconceptions
from autograder.checking.report import Report
from autograder.checking.spec import Exercise, Misconception
from autograder.grading.results import write_atomically

MOST_EDITS = 3
SHORT, WIDTH = 30, 76  # characters of a text that needs no line of its own, and of a line
LONGEST_NAME = 60
CHECKS_OF_A_SLIP, KEPT_BY_A_SLIP = 3, 0.6  # checks of the exercise; share of its points


@dataclass(frozen=True)
class Stub:
    """A wrong answer as a record: edits of the reference, or the whole function."""

    exercise: Exercise
    edits: tuple[tuple[str, str], ...]
    function: str  # program text, where there are no edits
    name: str = ""
    hint: str = ""
    kind: str = "mistake"
    fundamental: str = ""

    def texts(self) -> dict[str, str]:
        """Return {name: program text} of the exercise's functions with the mistake in the last.

        Raises `ValueError` when an edit does not apply exactly once.
        """
        found = {
            name: plain(misconceptions.reference_source(self.exercise, name))
            for name in self.exercise.functions
        }
        wanted = self.exercise.function
        if self.edits:
            record = Misconception(self.exercise.id, "guessed", "", edits={wanted: self.edits})
            found[wanted] = plain(misconceptions.texts_of(record)[wanted])
        else:
            found[wanted] = self.function
        return found

    def text(self, helper: str = "") -> str:
        """Return the record as Python, with the name of its function where it has one."""
        what = self.exercise.function
        lines = [_literal(self.exercise.id), _literal(self.name), f"hint={_wrapped(self.hint)}"]
        if self.edits:
            pairs = "".join(f"({_wrapped(old)}, {_wrapped(new)}), " for old, new in self.edits)
            lines.append(f"edits={{{_literal(what)}: ({pairs.rstrip()})}}")
        else:
            lines.append(f"functions={{{_literal(what)}: {helper}}}")
        lines += ['kind="slip"'] if self.kind == "slip" else []
        lines += [f"fundamental={_literal(self.fundamental)}"] if self.fundamental else []
        body = "".join(f"    {line},\n" for line in lines)
        return f"Misconception(\n{body})"


def _literal(text):
    """Return text as Python writes it, in double quotes."""
    return json.dumps(text, ensure_ascii=False)


def _wrapped(text):
    """Return a literal; a long one in several lines."""
    if len(text) <= SHORT:
        return _literal(text)
    parts = (text[i : i + WIDTH] for i in range(0, len(text), WIDTH))
    return "(\n" + "".join(f"        {_literal(part)}\n" for part in parts) + "    )"


# ---------------------------------------------------------------------------------- guessing


def stub_of(exercise: Exercise, answer: str, report: Report) -> Stub | None:
    """Return a record for an answer that lost these points; None where it cannot be read."""
    reference = misconceptions.reference_source(exercise, exercise.function)
    theirs = definition(answer, exercise.function)
    if theirs is None:
        return None
    edits = guessed_edits(reference, answer, exercise.function)
    lost = [row.check for row in report.rows if row.earned == 0]
    kept = report.score / report.points if report.points else 0.0
    is_slip = len(exercise.checks) >= CHECKS_OF_A_SLIP and kept >= KEPT_BY_A_SLIP
    nothing = len(lost) == len(report.rows) > 1
    return Stub(
        exercise,
        edits,
        "" if edits else ast.unparse(without_texts(theirs)),
        name=_name(edits, lost),
        hint=f"Look at what the check '{lost[0]}' asks for: where does your answer part from it?",
        kind="slip" if is_slip else "mistake",
        fundamental="no check can be passed with it" if nothing else "",
    )


def stub_with(stub: Stub, edits: tuple[tuple[str, str], ...]) -> Stub:
    """Return a record with other edits, named after them."""
    return replace(stub, edits=edits, name=_name(edits, ()))


def _name(edits, lost):
    if not edits:
        return _short(f"written otherwise, and wrong in {', '.join(lost)}")
    old, new = (" ".join(part.split()) for part in edits[0])
    return _short(f"{old} left out" if new == "pass" else f"{new} for {old}")


def _short(text):
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1].rstrip() + "…"


def definition(source: str, function: str) -> ast.FunctionDef | ast.ClassDef | None:
    """Return the last definition of a function or class in program text."""
    try:
        nodes = ast.walk(ast.parse(textwrap.dedent(source)))
        kinds = ast.FunctionDef | ast.ClassDef
        found = [node for node in nodes if isinstance(node, kinds) and node.name == function]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return found[-1] if found else None


def without_texts(node):
    """Return a copy of a definition without docstrings and decorators; comments are gone anyway."""
    node = copy.deepcopy(node)
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef):
            inner.decorator_list = []
            if ast.get_docstring(inner) is not None:
                inner.body = inner.body[1:] or [ast.Pass()]
    return node


def plain(text: str) -> str:
    """Return the text of a definition from its first line, without the line that validates."""
    first = ast.parse(text).body[0].lineno - 1
    return "\n".join(text.splitlines()[first:]).rstrip()


def guessed_edits(reference: str, answer: str, function: str) -> tuple[tuple[str, str], ...]:
    """Return the edits that make the reference what the answer says; none where that is too much.

    >>> guessed_edits("def f(x, eps):\\n    return x + eps", "def f(a, eps): return a - eps", "f")
    (('x + eps', 'x - eps'),)
    """
    ours, theirs = (definition(text, function) for text in (reference, answer))
    if ours is None or theirs is None or type(ours) is not type(theirs):
        return ()
    comparison = _Comparison(reference, ours, theirs)
    edits = comparison.edits()
    return edits if len(edits) <= MOST_EDITS else ()


class _Comparison:
    """Two definitions of one function, walked side by side."""

    def __init__(self, text, ours, theirs):
        self.text = text
        self.ours, self.theirs = without_texts(ours), without_texts(theirs)
        nodes = ast.walk(self.theirs)
        stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        arguments = {n.arg for n in ast.walk(self.theirs) if isinstance(n, ast.arg)}
        self.own = stored | arguments  # names that they may choose
        self.names: dict[str, str] = {}  # theirs: ours

    def edits(self):
        if isinstance(self.ours, ast.FunctionDef):
            pairs = zip(self.ours.args.args, self.theirs.args.args, strict=False)
            self.names = {theirs.arg: ours.arg for ours, theirs in pairs}
        found: dict[str, str] = {}
        for old, new in self._bodies(self.ours.body, self.theirs.body, ()):
            if not old or self.text.count(old) != 1:
                return ()
            found[old] = new
        outer = [old for old in found if not any(old in o and old != o for o in found)]
        return tuple((old, found[old]) for old in outer)

    def _bodies(self, ours, theirs, path) -> Iterator[tuple[str, str]]:
        """Yield the edits between two lists of statements."""
        if len(ours) == len(theirs):
            for a, b in zip(ours, theirs, strict=True):
                yield from self._nodes(a, b, path)
            return
        own, other = ([_shape(s) for s in body] for body in (ours, theirs))
        matcher = difflib.SequenceMatcher(None, own, other, autojunk=False)
        for kind, i, i_end, j, j_end in matcher.get_opcodes():
            a, b = ours[i:i_end], theirs[j:j_end]
            if kind == "insert":
                before = ours[i - 1] if i else ours[0]
                new = [self._said(s, before) for s in b]
                space = "\n" + " " * before.col_offset
                parts = [self._segment(before), *new] if i else [*new, self._segment(before)]
                yield self._segment(before), space.join(parts)
                continue
            for one, other in zip(a, b, strict=False):
                yield from self._nodes(one, other, path)
            for left_out in a[len(b) :]:
                yield self._segment(left_out), "pass"
            if len(b) > len(a):
                yield "", ""  # more than an edit can say

    def _nodes(self, a, b, path) -> Iterator[tuple[str, str]]:
        path = (*path, (a, b))
        if isinstance(a, ast.Name) and isinstance(b, ast.Name):
            own = b.id in self.own
            if (self.names.setdefault(b.id, a.id) if own else b.id) != a.id:
                yield self._edit(path)
            return
        if type(a) is not type(b):
            yield self._edit(path)
            return
        for name, ours in ast.iter_fields(a):
            theirs = getattr(b, name)
            if name in ("ctx", "name", "type_comment", "returns", "annotation"):
                continue
            if isinstance(ours, list) and ours and isinstance(ours[0], ast.stmt):
                yield from self._bodies(ours, theirs, path)
            elif isinstance(ours, list):
                if len(ours) != len(theirs):
                    yield self._edit(path)
                    return
                for one, other in zip(ours, theirs, strict=True):
                    yield from self._parts(one, other, path)
            else:
                yield from self._parts(ours, theirs, path)

    def _parts(self, ours, theirs, path):
        if isinstance(ours, ast.expr | ast.stmt | ast.keyword | ast.arguments | ast.arg):
            if isinstance(ours, ast.arg) and isinstance(theirs, ast.arg):
                return
            if isinstance(theirs, ast.AST):
                yield from self._nodes(ours, theirs, path)
            else:
                yield self._edit(path)
        elif isinstance(ours, ast.AST) and isinstance(theirs, ast.AST):
            if ast.dump(ours) != ast.dump(theirs):
                yield self._edit(path)
        elif ours != theirs:
            yield self._edit(path)

    def _edit(self, path):
        """Return the innermost piece of the reference that occurs there once, and theirs."""
        for a, b in reversed(path):
            old = self._segment(a)
            if old and self.text.count(old) == 1:
                return old, self._said(b, a)
        return "", ""

    def _segment(self, node):
        if not hasattr(node, "lineno"):
            return ""
        return ast.get_source_segment(self.text, node) or ""

    def _said(self, node, place):
        """Return their piece in our names, indented as what it stands for."""
        node = copy.deepcopy(node)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                inner.id = self.names.get(inner.id, inner.id)
        text = ast.unparse(node)
        first, *rest = text.splitlines()
        return "\n".join([first, *(" " * place.col_offset + line for line in rest)])


def _shape(statement):
    """Return a statement without the names in it."""
    statement = copy.deepcopy(statement)
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            node.id = "_"
    return ast.dump(statement)


# ---------------------------------------------------------------------------------- writing


def family_file(exercise: Exercise) -> Path:
    """Return the file of the wrong answers of an exercise's family."""
    module = importlib.import_module(f"autograder.misconceptions.{exercise.family}")
    return Path(inspect.getfile(module))


def written(stub: Stub, text: str) -> str:
    """Return the text of a family's file with the record at its end; tests find it there.

    Raises `ValueError` when the file already has the name for this exercise.
    """
    if any(known.name == stub.name for known in misconceptions.of(stub.exercise.id)):
        raise ValueError(f"{stub.exercise.id} has a wrong answer named {stub.name!r} already")
    helper = ""
    parts = [text.rstrip("\n")]
    if not stub.edits:
        helper = "seen_" + re.sub(r"\W+", "_", stub.name.lower()).strip("_")[:40]
        parts.append(re.sub(rf"\b{stub.exercise.function}\b", helper, stub.function, count=1))
    record = textwrap.indent(stub.text(helper), "    ")
    parts.append(f"MISCONCEPTIONS += (\n{record},\n)")
    return _with_imports("\n\n\n".join(parts) + "\n", "" if stub.edits else stub.function)


def _with_imports(text: str, code: str) -> str:
    """Add the imports that the record needs."""
    tree = ast.parse(text)
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    bound = {alias.asname or alias.name for node in imports for alias in node.names}
    needed = {"Misconception": "from autograder.checking.spec import Misconception"}
    needed |= {"np": "import numpy as np"} if re.search(r"\bnp\.", code) else {}
    needed |= {"torch": "import torch"} if re.search(r"\btorch\.", code) else {}
    lines = [line for name, line in needed.items() if name not in bound]
    at = imports[0].lineno - 1 if imports else 1
    have = text.splitlines()
    return "\n".join([*have[:at], *reversed(lines), *have[at:]]) + "\n"


def accept(stub: Stub) -> Path:
    """Write a record into its family's file and return the path.

    Raises `ValueError` when the name is taken.
    """
    path = family_file(stub.exercise)
    mode = path.stat().st_mode
    write_atomically(path, written(stub, path.read_text("utf-8")).encode())
    path.chmod(mode)
    return path


def exported(stubs: Sequence[Stub]) -> str:
    """Return anonymous records as a Python file: edits and code, no names of people."""
    parts = ['"""Wrong answers that a class gave and nobody has named yet."""']
    for number, stub in enumerate(stubs, start=1):
        helper = "" if stub.edits else f"seen_{number}"
        if helper:
            function = stub.exercise.function
            parts.append(re.sub(rf"\b{function}\b", helper, stub.function, count=1))
        parts.append(stub.text(helper))
    return "\n\n".join(parts) + "\n"
