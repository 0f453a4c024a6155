"""A learner's own function, watched while it runs: which lines, which shapes, which keys.

The function is compiled again from its text, without decorators, so that lines have the numbers of
the text and one of them can be left out. Whoever asks compares first that it does the same.
"""

import ast
import copy
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from autograder.checking.definition import definition_in

OWN = "<your function>"


@dataclass(frozen=True)
class Text:
    """The text of one function, without decorators and docstring, as it is shown."""

    name: str
    tree: ast.FunctionDef

    @property
    def lines(self) -> list[str]:
        """The lines that are shown; the first is number 1."""
        return ast.unparse(self.tree).splitlines()

    @property
    def parameters(self) -> list[str]:
        """Names of what is passed in."""
        return [one.arg for one in (*self.tree.args.posonlyargs, *self.tree.args.args)]

    def statements(self) -> Iterator[ast.stmt]:
        """Yield what can be left out: assignments of one line, wherever they stand."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign | ast.AugAssign) and node.lineno == node.end_lineno:
                yield node

    def compiled(self, namespace: Mapping, without: int | None = None) -> Callable:
        """Return the function, in names of its own; `without` the statement of a line."""
        tree = self.tree if without is None else _Without(without).visit(copy.deepcopy(self.tree))
        module = ast.fix_missing_locations(ast.Module([tree], []))
        names = dict(namespace)
        exec(compile(module, OWN, "exec"), names)
        return names[self.name]


class _Without(ast.NodeTransformer):
    def __init__(self, line):
        self._line = line

    def _left_out(self, node):
        if node.lineno == self._line:
            return ast.copy_location(ast.Pass(), node)
        return node

    visit_Assign = visit_AugAssign = _left_out


def text_of(source: str, name: str) -> Text | None:
    """Return the text of a function in a program; None where it is nothing to ask about.

    So it is where a loop may have no end without one of its lines, where the values of `empty`
    are whatever the memory holds, and in a generator.
    """
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:
        return None
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
    endless = (ast.While, ast.Yield, ast.YieldFrom, ast.Await, ast.Global, ast.Nonlocal)
    if not found or any(isinstance(node, endless) for node in ast.walk(found[-1])):
        return None
    if "empty" in ast.unparse(found[-1]):
        return None
    function = found[-1]
    function.decorator_list = []
    if ast.get_docstring(function) is not None:
        function.body = function.body[1:] or [ast.Pass()]
    again = definition_in(ast.parse(ast.unparse(ast.fix_missing_locations(function))))
    return Text(name, again) if isinstance(again, ast.FunctionDef) else None


# ---------------------------------------------------------------------------------- running


@dataclass(frozen=True)
class Outcome:
    """What a call came to: the error's type, or the values, and what is in what was passed in."""

    error: str = ""
    returned: tuple = ()
    kept: dict = field(default_factory=dict)


def outcome_of(function: Callable, args: tuple, names: list[str]) -> Outcome:
    """Call a function on copies of arguments."""
    args = copy.deepcopy(args)
    try:
        with np.errstate(all="ignore"):
            value = function(*args)
    except Exception as error:
        return Outcome(type(error).__name__)
    returned = value if isinstance(value, tuple) else (value,)
    pairs = zip(names, args, strict=False)
    changeable = (pair for pair in pairs if isinstance(pair[1], dict) or shape_of(pair[1]))
    return Outcome("", returned, dict(changeable))


def same(a, b) -> bool | None:
    """Say whether two values are the same; None where nobody can be sure.

    Numbers that differ by rounding alone, and objects that cannot be looked into, are such.
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return False if list(a) != list(b) else _all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list):
        return False if len(a) != len(b) else _all(map(same, a, b))
    if isinstance(a, str | bool | type(None)):
        return a == b
    if hasattr(a, "detach"):
        a, b = a.detach().cpu().numpy(), b.detach().cpu().numpy()
    if not isinstance(a, np.ndarray | np.generic | int | float):
        return None
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype or a.dtype.kind not in "fiub":
        return False if a.dtype.kind in "fiub" else None
    if np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        return True
    return None if np.allclose(a, b, 1e-3, 1e-6, equal_nan=True) else False


def _all(answers) -> bool | None:
    answers = list(answers)
    return False if False in answers else (None if None in answers else True)


# ---------------------------------------------------------------------------------- watching


@dataclass
class Trace:
    """The lines in their order, and the shapes of local arrays: None where a shape changed."""

    lines: list[int] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...] | None] = field(default_factory=dict)

    def note(self, frame_locals: Mapping) -> None:
        """Write down the shapes of all local arrays."""
        for name, value in frame_locals.items():
            shape = shape_of(value)
            before = self.shapes.get(name, shape)
            if shape is not None or name in self.shapes:
                self.shapes[name] = shape if shape == before else None


def shape_of(value) -> tuple[int, ...] | None:
    """Return the shape of an array or tensor, None for anything else."""
    is_array = isinstance(value, np.ndarray) or hasattr(value, "detach")
    return tuple(value.shape) if is_array else None


def traced(function: Callable, args: tuple) -> Trace | None:
    """Run a function and watch it; None where it raises or a debugger watches already."""
    if sys.gettrace() is not None:
        return None
    trace, code = Trace(), function.__code__

    def watch(frame, event, _):
        if frame.f_code is not code:
            return None
        if event == "line":
            trace.lines.append(frame.f_lineno)
        if event in ("line", "return"):
            trace.note(frame.f_locals)
        return watch

    args = copy.deepcopy(args)
    sys.settrace(watch)
    try:
        with np.errstate(all="ignore"):
            function(*args)
    except Exception:
        return None
    finally:
        sys.settrace(None)
    return trace


class Watched(dict):
    """A dict that notes which lines of a function read one of its keys.

    `whole` says that somebody read all of it, so that no line is sure.
    """

    def __init__(self, entries: Mapping, code):
        super().__init__(entries)
        self.lines: dict[str, set[int]] = {}
        self.whole = False
        self._code = code

    def _note(self, key) -> None:
        frame = sys._getframe(2)
        if frame.f_code is self._code:
            self.lines.setdefault(key, set()).add(frame.f_lineno)
        else:
            self.whole = True


def _noting(method, whole):
    def called(self, *args):
        if whole:
            self.whole = True
        else:
            self._note(args[0])
        return method(self, *args)

    return called


for _name in ("__getitem__", "get", "pop", "setdefault"):
    setattr(Watched, _name, _noting(getattr(dict, _name), whole=False))
for _name in ("__iter__", "__or__", "__ror__", "copy", "items", "values", "keys"):
    setattr(Watched, _name, _noting(getattr(dict, _name), whole=True))
