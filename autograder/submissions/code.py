"""What submitted code says, read on the trusted side without running any of it.

The text may be anything: its length and depth are bounded, each cell is parsed once, and what
cannot be read is named, so that it is not executed either.
"""

from __future__ import annotations

import ast
import re
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from autograder.checking.spec import Exercise
from autograder.submissions.submission import Step

OWN_PACKAGES = ("autograder", "cs231n_lib")
MAX_READ = 400_000  # characters of all cells of one submission
MAX_PARTS = 12  # of a dotted name, from its root
MAX_NAMED = 10  # in one sentence
MAX_NAME = 80  # characters
TOO_DEEP = "not executed: its expressions are nested too deeply to be looked through"
TOO_LONG = f"not executed: more than {MAX_READ} characters of code were submitted"
WRITTEN = ("solution", "added")  # roles of the student's own cells
_MAGIC = re.compile(r"^([ \t]*)[%!?].*", re.MULTILINE)

# CPython's parser, filters of warnings and redirected output each exist once in a process:
# whoever parses a student's code or runs a reference quietly holds this.
lock = threading.Lock()


class TooDeep(Exception):
    """Python's parser gives up on this code."""


def parsed(source: str) -> ast.Module:
    """Parse a cell; lines that are IPython's and code that is not Python count as empty.

    Raises:
        TooDeep: when the parser cannot go as deep as the code does.
    """
    tree = _parsed(source)
    if tree is None and _MAGIC.search(source):
        tree = _parsed(_MAGIC.sub(r"\1pass", source))
    return tree or ast.Module(body=[], type_ignores=[])


def _parsed(source: str) -> ast.Module | None:
    with lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\\d" in a student's string
        for _ in range(3):
            try:
                return ast.parse(source)
            except (SyntaxError, ValueError):
                return None
            except (RecursionError, MemoryError):
                break
            except SystemError:  # other threads may parse code of the course's own
                continue
    raise TooDeep


@dataclass(frozen=True)
class Names:
    """The dotted names of one cell."""

    imported: tuple[tuple[str, str], ...]  # name in the cell, what it stands for
    used: tuple[str, ...]
    assigned: tuple[str, ...]  # attributes that were given another value

    def uses(self, names: Iterable[str], elsewhere: Sequence[tuple[str, str]] = ()) -> list[str]:
        """Which of `names` the cell imports or uses, with what other cells imported."""
        known: dict[str, set[str]] = {}
        for name, meant in (*elsewhere, *self.imported):
            known.setdefault(name, set()).add(meant)
        found = {meant for _, meant in self.imported}
        for use in self.used:
            root, dot, rest = use.partition(".")
            meanings = known.get(root, set()) | {root}
            meanings |= {f"{module}.{root}" for module in known.get("*", ())}
            found |= {meant + dot + rest for meant in meanings}
        return [name for name in names if any(_covers(name, use) for use in found)]


def _covers(name: str, use: str) -> bool:
    return use == name or use.startswith(name + ".")


def names_of(source: str) -> Names:
    """Collect the dotted names of a cell, in time that grows with its length only.

    >>> names_of("import numpy as np\\nnp.all = print").assigned
    ('np.all',)
    """
    imported, used, assigned = [], [], []
    waiting: deque[Any] = deque([parsed(source)])
    while waiting:
        node = waiting.popleft()
        if isinstance(node, ast.Import):
            imported += map(_import, node.names)
        elif isinstance(node, ast.ImportFrom):
            imported += [(a.asname or a.name, _member(node.module, a.name)) for a in node.names]
        if isinstance(node, ast.Attribute | ast.Name):
            name, node = _dotted(node)
            if name:
                used.append(name)
                continue
        if isinstance(node, ast.Assign):
            targets = (t for t in node.targets if isinstance(t, ast.Attribute))
            assigned += [name for name, _ in map(_dotted, targets) if name]
        waiting += ast.iter_child_nodes(node)
    return Names(*(tuple(dict.fromkeys(part)) for part in (imported, used, assigned)))


def _import(alias: ast.alias) -> tuple[str, str]:
    root = alias.name.split(".")[0]
    return (alias.asname, alias.name) if alias.asname else (root, root)


def _member(module: str | None, name: str) -> str:
    return f"{module}" if name == "*" else f"{module}.{name}"


def _dotted(node: ast.AST) -> tuple[str, ast.AST]:
    """The name that a chain of attributes spells, if it is one, and what the chain hangs on."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return "", node
    return ".".join([node.id, *parts[: -MAX_PARTS - 1 : -1]]), node


class Code:
    """The code cells of one submission, each read once."""

    def __init__(self, steps: Sequence[Step]):
        self.steps = steps
        self.unread: dict[str, str] = {}  # cell id: why it cannot be executed
        self._names: dict[str, Names] = {}  # by cell id
        left = MAX_READ
        for step in (s for s in steps if s.role in ("given", *WRITTEN)):
            left -= len(step.source)
            try:
                if left < 0:
                    self.unread[step.cell_id] = TOO_LONG
                else:
                    self._names[step.cell_id] = names_of(step.source)
            except TooDeep:
                self.unread[step.cell_id] = TOO_DEEP

    @property
    def readable(self) -> tuple[Step, ...]:
        """The steps without those that cannot be read."""
        return tuple(step for step in self.steps if step.cell_id not in self.unread)

    def shortcuts(self, exercise: Exercise) -> list[str]:
        """The forbidden names that the student's code for `exercise` uses.

        In the exercise's own cell all of them count. Elsewhere only the course's own answers do:
        to compare with the framework's built-in in a cell of one's own is good practice.
        """
        answers = [n for n in exercise.forbidden if n.split(".")[0] in OWN_PACKAGES]
        imports = [pair for names in self._names.values() for pair in names.imported]
        own = self._of(f"{exercise.grade_id}-solution", "solution")
        used = [name for names in own for name in names.uses(exercise.forbidden, imports)]
        used += [name for names in self._of("", "added") for name in names.uses(answers)]
        return list(dict.fromkeys(used))

    def _of(self, grade_id: str, role: str) -> Iterator[Names]:
        for step in self.steps:
            if (step.grade_id, step.role) == (grade_id, role) and step.cell_id in self._names:
                yield self._names[step.cell_id]

    def notes(self) -> Iterator[str]:
        """What the instructor should know: what was not executed, what was replaced.

        In the sandbox to replace parts of libraries changes no mark.
        """
        titles = {step.cell_id: step.grade_id or "that the student added" for step in self.steps}
        for why in dict.fromkeys(self.unread.values()):
            cells = [titles[cell_id] for cell_id, reason in self.unread.items() if reason == why]
            yield f"The cell {_listed(cells)} was {why}."
        modules = {name for names in self._names.values() for name, _ in names.imported}
        assigned = (name for names in self._names.values() for name in names.assigned)
        replaced = [name for name in dict.fromkeys(assigned) if name.split(".")[0] in modules]
        if replaced:
            yield f"The submitted code replaces {_listed(replaced)}, which changes no mark."


def _listed(names: Iterable[str]) -> str:
    """Some names as part of a sentence, of bounded length.

    >>> _listed(["np.all", "np.all", "np.any"])
    'np.all, np.any'
    """
    names = list(dict.fromkeys(name[:MAX_NAME] for name in names))
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
