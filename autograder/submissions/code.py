"""What submitted code says, read on the trusted side without running any of it.

The text may be anything: its length and depth are bounded, each cell is parsed once, and what
cannot be read is named, so that it is not executed either.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import re
import symtable
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, wraps
from typing import Any, TypeVar

from autograder.answers import ROOT, is_answer_file
from autograder.checking.spec import Exercise
from autograder.submissions.notebook import Step

T = TypeVar("T")
OWN_PACKAGES = ("autograder", "cs231n_lib")
SHORT = 5_000  # characters of a cell whose reading is remembered for long
MAX_LONG = 32  # longer cells whose reading is remembered
MAX_READ = 400_000  # characters of all cells of one submission
MAX_PARTS = 12  # of a dotted name, from its root
MAX_NAMED = 10  # in one sentence
MAX_NAME = 80  # characters
IN_NOTEBOOKS = ("__name__", "__file__", "_", "__", "In", "Out", "display", "exit", "get_ipython")
TOO_DEEP = "not executed: its expressions are nested too deeply to be looked through"
TOO_LONG = f"not executed: more than {MAX_READ} characters of code were submitted"
# PyTorch's own functions once more in Python, where nothing can stop them while they run.
REWRITTEN = ("torch._decomp", "torch._inductor", "torch._prims", "torch._refs")
# Where what is called cannot be seen while it runs; most of it has honest uses.
UNSEEN = ("_thread", "ctypes", "torch._C", "torch.compile", "torch.jit", "torch.overrides")
COMPLEX = ("complex", "complex64", "complex128", "cdouble", "cfloat", "csingle", "imag")
WRITTEN = ("module", "solution", "added")  # roles of what the student wrote
FORMATTING = ("display", "Markdown", "Latex", "md")  # what shows a text as more than output
SHOWING = ("print", *FORMATTING, "HTML", "Image", "Math")
_MARKDOWN = re.compile(rf"\s*(?:\w+\.)*(?:{'|'.join(FORMATTING)})\(")
_FILE = re.compile(r"\s*%%writefile\b")
_WORDS = re.compile(r"\s*%%(?:markdown|latex)\b")
# Lines that are IPython's: escapes, help, and names that are given what a command prints.
_MAGIC = re.compile(r"^([ \t]*)(?:[%!?,;/](?:.*\\\n)*.*|[\w.]+\?{1,2}[ \t]*)$", re.MULTILINE)
_ASSIGNED = re.compile(r"^([ \t]*[\w.,()][\w.,() \t]*=)[ \t]*[%!](?:.*\\\n)*.*$", re.MULTILINE)
_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

# CPython's parser, filters of warnings, redirected output and modules that are being imported each
# exist once in a process: whoever parses a student's code or loads or runs a reference holds this.
lock = threading.Lock()


class TooDeep(Exception):
    """Python's parser gives up on this code."""


def _remembered(reading: Callable[[str], T]) -> Callable[[str], T]:
    """Read a short cell once: those of a lesson come again with every submission.

    Of long cells the last ones are kept: those of one submission are asked for several times.
    """
    kept = lru_cache(maxsize=4_000)(reading)
    kept_long = lru_cache(maxsize=MAX_LONG)(reading)

    @wraps(reading)
    def read(source):
        return kept(source) if len(source) <= SHORT else kept_long(source)

    return read


def parsed(source: str) -> ast.Module:
    """Parse a cell; lines that are IPython's and code that is not Python count as empty.

    Raises:
        TooDeep: when the parser cannot go as deep as the code does.
    """
    tree = _parsed(source)
    if tree is None:
        python = _ASSIGNED.sub(r"\1 None", _MAGIC.sub(r"\1pass", source))
        tree = _parsed(python) if python != source else None
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


# ------------------------------------------------------------------------ what a cell defines


@_remembered
def definitions(source: str) -> tuple[str, ...]:
    """The names of the functions and classes that a cell of the course defines.

    >>> definitions("def f(x):\\n    def g(): pass\\nclass A: pass")
    ('f', 'A')
    """
    return tuple(node.name for node in parsed(source).body if isinstance(node, Definition))


@_remembered
def bindings(source: str) -> Mapping[str, bool]:
    """The names that a cell gives a value at its outermost level, and whether it is written.

    A function is not written when all it does is to raise NotImplementedError, or nothing.

    >>> bindings("def f(x):\\n    pass\\nif True:\\n    g = lambda x: x")
    {'f': False, 'g': True}
    """
    if _FILE.match(source):
        return {}
    try:
        body = parsed(source).body
    except TooDeep:
        body = []
    if not body:  # what Python cannot read may still be meant as an answer
        return dict.fromkeys(_DEFINITION.findall(source), True)
    found: dict[str, bool] = {}
    for node in _statements(body):
        found |= dict.fromkeys(_bound(node), not is_stub(node))
    return found


def parts_that_define_once(source: str, names: Set[str]) -> list[str]:
    """A cell, cut where it would define one of some functions again.

    >>> parts_that_define_once("def f(): pass\\nx = 1\\n@a\\ndef f(): pass", {"f"})
    ['def f(): pass\\nx = 1', '@a\\ndef f(): pass']
    """
    spelled = [name for name in _DEFINITION.findall(source) if name in names]
    if len(set(spelled)) == len(spelled):
        return [source]
    lines, seen, starts = source.split("\n"), set[str](), [0]
    if any("\n" in magic[0] for magic in _MAGIC.finditer(source)):
        return [source]  # lines are counted otherwise
    try:
        body = parsed(source).body
    except TooDeep:
        return [source]
    for node in (n for n in body if isinstance(n, Definition) and n.name in names):
        if node.name in seen:
            starts.append(min(part.lineno for part in (node, *node.decorator_list)) - 1)
            seen.clear()
        seen.add(node.name)
    return [
        "\n".join(lines[start:end]) for start, end in zip(starts, [*starts[1:], None], strict=True)
    ]


def is_stub(node: ast.AST) -> bool:
    """Whether a definition does nothing but to raise NotImplementedError, or nothing at all."""
    if isinstance(node, ast.ClassDef):
        methods = [part for part in node.body if isinstance(part, Definition)]
        return bool(methods) and all(map(is_stub, methods))
    return isinstance(node, Definition) and all(map(_does_nothing, node.body))


def _does_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Raise):
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of the outermost level, those under `if`, `try`, `with` and loops among them."""
    for node in body:
        yield node
        if not isinstance(node, Definition):
            for part in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, part, ()))
            for part in ("handlers", "cases"):
                for branch in getattr(node, part, ()):
                    yield from _statements(branch.body)


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that one statement binds, without the statements in it."""
    if isinstance(node, Definition):
        yield node.name
    elif isinstance(node, ast.Import):
        yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    else:
        inner = (ast.stmt, ast.Lambda, ast.comprehension)
        waiting = list(ast.iter_child_nodes(node))
        while waiting:
            part = waiting.pop()
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id
            if not isinstance(part, inner):
                waiting += ast.iter_child_nodes(part)


@_remembered
def shown_text(source: str) -> str:
    """The text of a cell of code that does nothing but to show one, as Marimo writes Markdown.

    >>> shown_text("mo.md('It is zero.')"), shown_text("x = 1")
    ('It is zero.', '')
    """
    if magic := _WORDS.match(source):
        return source[magic.end() :].partition("\n")[2]
    try:
        body = parsed(source).body if _MARKDOWN.match(source) else []
    except TooDeep:
        return ""
    if len(body) != 1 or not _says(body[0]):
        return ""
    values = (node.value for node in ast.walk(body[0]) if isinstance(node, ast.Constant))
    return "\n\n".join(inspect.cleandoc(value) for value in values if isinstance(value, str))


def is_words(source: str) -> bool:
    """Whether a cell of code only says something: in comments, in texts, or not in Python at all.

    >>> is_words('print("The mean " + "takes the bias out.")'), is_words("print(bias)")
    (True, False)
    """
    try:
        body = parsed(source).body
        if not body:
            return bool(source.strip()) and not bindings(source)
        said = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
        return bool(said) and all(map(_says, said))
    except (TooDeep, RecursionError):
        return False


def _says(node: ast.AST) -> bool:
    """Whether a statement or expression is texts, or shows them, or names some of a few words."""
    if isinstance(node, ast.Assign):
        return _says(node.value) and len(ast.unparse(node.value).split()) > 3
    if isinstance(node, ast.Expr):
        return _says(node.value)
    if isinstance(node, ast.Call):
        shown = _dotted(node.func)[0].rpartition(".")[2]
        texts = [k.value for k in node.keywords if _says(k.value)]
        given = node.args or texts
        return shown in SHOWING and bool(given) and all(map(_says, given))
    if parts := _parts_of_text(node):
        return all(map(_says, parts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _parts_of_text(node: ast.AST) -> list[ast.expr]:
    """What a text is put together from: a sum, a list, a dictionary, a text with nothing in it."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [node.left, node.right]
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return node.elts
    return node.values if isinstance(node, ast.Dict | ast.JoinedStr) else []


def only_definitions(source: str, known: Iterable[str] = ()) -> str:
    """What of a cell is executed where not all of it is: what other cells may build on.

    These are its imports, functions, classes, and names for constants; also under `if`, `try`
    and `with`. What binds a name in `known` is left out.

    >>> only_definitions("import math\\nprint(math.pi)\\nN = 3\\ndef f(): return N")
    'import math\\nN = 3\\n\\ndef f():\\n    return N'
    """
    return _unparsed(source, lambda body: list(_defining(body, frozenset(known))))


def definitions_of(source: str, wanted: Iterable[str], known: Iterable[str]) -> str:
    """What of a cell defines some names, with what that needs and is not known yet.

    >>> definitions_of("N = 3\\nM = 4\\ndef f(): return N", ["f"], [])
    'N = 3\\n\\ndef f():\\n    return N'
    """

    def needed(body):
        parts = list(_defining(body, frozenset(known)))
        chosen = parts_of(parts, wanted)
        return [part for part in parts if part in chosen]

    return _unparsed(source, needed)


def definitions_below(line: int, source: str) -> str:
    """What a cell defines below the line at which an error ended it, each attempted by itself.

    A decorator that fails is left out: most, such as those of a compiler that is not installed
    here, change nothing of what a function returns.

    >>> print(definitions_below(1, "import a\\nslow()\\nimport b"))
    try:
        import b
    except Exception:
        pass
    """

    def below(body):
        parts = _defining([node for node in body if node.lineno > line], frozenset())
        return list(map(_attempted, parts))

    return _unparsed(source, below)


def _attempted(part: ast.stmt) -> ast.stmt:
    otherwise: ast.stmt = ast.Pass()
    if isinstance(part, Definition) and part.decorator_list:
        plain = copy.copy(part)
        plain.decorator_list = []
        otherwise = _attempted(plain)
    failing = ast.ExceptHandler(ast.Name("Exception", ast.Load()), None, [otherwise])
    return ast.Try([part], [failing], [], [])


def _unparsed(source: str, chosen: Callable[[list[ast.stmt]], list[ast.stmt]]) -> str:
    """The text of what is chosen of a cell's statements; nothing where it is too deep."""
    try:
        body = chosen(parsed(source).body)
        return ast.unparse(ast.Module(body=body, type_ignores=[]))
    except (TooDeep, RecursionError):
        return ""


def _defining(body: Iterable[ast.stmt], known: frozenset[str]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If):
            node.body = list(_defining(node.body, known)) or [ast.Pass()]
            node.orelse = list(_defining(node.orelse, known))
            if not any(isinstance(part, ast.Call) for part in ast.walk(node.test)):
                yield node
        elif isinstance(node, ast.Try):
            branches: list[ast.Try | ast.ExceptHandler] = [node, *node.handlers]
            for branch in branches:
                branch.body = list(_defining(branch.body, known)) or [ast.Pass()]
            node.orelse, node.finalbody = [], []
            if node.handlers:
                yield node
        elif isinstance(node, ast.With):
            yield from _defining(node.body, known)
        elif _defines_only(node) and not known.intersection(_bound(node)):
            yield node


def _defines_only(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        return all(map(_is_constant, ast.walk(node.value)))
    return isinstance(node, Definition | ast.Import | ast.ImportFrom)


def _is_constant(node: ast.AST) -> bool:
    kinds = (ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.UnaryOp, ast.BinOp)
    return isinstance(node, (*kinds, ast.operator, ast.unaryop, ast.expr_context))


# -------------------------------------------------------------------------- what a cell uses


@dataclass(frozen=True)
class Names:
    """The dotted names of one cell."""

    imported: tuple[tuple[str, str], ...]  # name in the cell, what it stands for
    used: tuple[str, ...]
    assigned: tuple[str, ...]  # attributes that were given another value

    def uses(
        self,
        names: Iterable[str],
        elsewhere: Sequence[tuple[str, str]] = (),
        own: Set[str] = frozenset(),
    ) -> list[str]:
        """Which of `names` the cell imports or uses, with what other cells imported.

        After `from library import *` a name in `own` is the student's.

        In time that grows with the length of the code only, however it was made.
        """
        spelled = self._spelled
        free = {name for name in spelled if name.partition(".")[0] not in own}
        called, below = _called((*elsewhere, *self.imported))

        def is_used(wanted: str) -> bool:
            if wanted in self._brought or wanted in spelled:
                return True
            if any(name in spelled or name == "*" for name in below.get(wanted, ())):
                return bool(spelled)
            return any(
                rest in free if name == "*" else f"{name}.{rest}" in spelled
                for start in _beginnings(wanted)
                for rest in (wanted[len(start) + 1 :],)
                for name in called.get(start, ())
            )

        return [name for name in names if is_used(name)]

    @cached_property
    def _spelled(self) -> frozenset[str]:
        return frozenset(part for use in self.used for part in _beginnings(use))

    @cached_property
    def _brought(self) -> frozenset[str]:
        return frozenset(part for _, meant in self.imported for part in _beginnings(meant))

    def of_the_course(self, packages: Iterable[str], known: Set[str] = frozenset()) -> set[str]:
        """Which of the course's own packages the code takes an answer from.

        What the student kit has of them is none. After `from package import *` what is not
        `known` from elsewhere may be of it.
        """
        rest_of: dict[str, list[str]] = {}
        for use in self.used:
            root, _, rest = use.partition(".")
            rest_of.setdefault(root, []).append(rest)
            rest_of.setdefault("*", []).extend([use] if root not in known else [])
        found: set[str] = set()
        for package in packages:
            for name, meant in self.imported:
                is_whole = name == "*" or _is_within(package, meant)
                if is_whole or _is_within(meant, package):
                    rests = rest_of.get(name, ()) if is_whole else ("",)
                    full = (f"{meant}.{rest}".rstrip(".") for rest in rests)
                    if any(_is_answer(dotted, package) for dotted in full):
                        found.add(package)
                        break
        return found


def _is_within(name: str, other: str) -> bool:
    """Whether a dotted name is another one, or lies in it."""
    return f"{name}.".startswith(f"{other}.")


def _is_answer(name: str, package: str) -> bool:
    """Whether a dotted name is a package of the course's answers, or an answer in it."""
    member = name[len(package) + 1 :].partition(".")[0]
    return _is_within(name, package) and member not in _support_of(package)


@lru_cache(maxsize=100)
def _support_of(package: str) -> frozenset[str]:
    """What a package of the course's answers has that is none: it is in the student kit too."""
    file = ROOT.joinpath(*package.split("."), "__init__.py")
    is_in_kit = file.is_file() and not is_answer_file(file.relative_to(ROOT))
    return frozenset(bindings(file.read_text(encoding="utf-8")) if is_in_kit else ())


@lru_cache(maxsize=100)
def _called(
    imported: tuple[tuple[str, str], ...],
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """By what is imported its names in the cells, and the same by whatever that lies in."""
    called: dict[str, set[str]] = {}
    below: dict[str, set[str]] = {}
    for name, meant in imported:
        called.setdefault(meant, set()).add(name)
        for part in _beginnings(meant):
            below.setdefault(part, set()).add(name)
    return called, below


def _beginnings(name: str) -> Iterator[str]:
    """A dotted name and all that it lies in.

    >>> list(_beginnings("np.linalg.norm"))
    ['np', 'np.linalg', 'np.linalg.norm']
    """
    ends = (place for place, letter in enumerate(name) if letter == ".")
    yield from (name[:end] for end in (*ends, len(name)))


@_remembered
def names_of(source: str) -> Names:
    """Collect the dotted names of a cell, in time that grows with its length only.

    >>> names_of("import numpy as np\\nnp.all = print").assigned
    ('np.all',)
    """
    return names_in(parsed(source).body)


def names_in(statements: Iterable[ast.stmt]) -> Names:
    """Collect the dotted names of some statements."""
    imported: list[tuple[str, str]] = []
    used: list[str] = []
    assigned: list[str] = []
    waiting: deque[Any] = deque(statements)
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
    return Names(_once(imported), _once(used), _once(assigned))


def _once(parts: list[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(parts))


@_remembered
def bound_in_order(source: str) -> tuple[tuple[str, str], ...]:
    """What a cell imports, (name, what it stands for), and what else it binds, (name, "").

    >>> bound_in_order("from math import sqrt\\ndef sqrt(x): pass")
    (('sqrt', 'math.sqrt'), ('sqrt', ''))
    """
    found: list[tuple[str, str]] = []
    for node in _statements(parsed(source).body):
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        found += names_in([node]).imported if is_import else ((n, "") for n in _bound(node))
    return tuple(found)


def fillings(source: str) -> Iterator[tuple[str, str, ast.stmt]]:
    """What a cell changes a part of, at its outermost level: (name, dotted name, statement).

    The dotted name is that of an attribute that is given a value, and empty for all else.

    >>> [part[:2] for part in fillings("a[0].b = 1\\nc.d = 2\\ne.append(3)\\nsetattr(f, 'g', 4)")]
    [('a', ''), ('c', 'c.d'), ('e', ''), ('f', '')]
    """
    for node in _statements(parsed(source).body):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Attribute | ast.Subscript):
                    yield _root(target), _dotted(target)[0], node
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called, arguments = node.value.func, node.value.args
            if isinstance(called, ast.Attribute):
                yield _root(called), "", node
            elif arguments and isinstance(called, ast.Name) and called.id == "setattr":
                yield _root(arguments[0]), "", node


def _root(node: ast.AST) -> str:
    """The name that a chain of attributes, subscripts and calls starts from, if any."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


@_remembered
def unbound(source: str) -> frozenset[str]:
    """The names that the functions of a cell use without giving them a value anywhere.

    >>> sorted(unbound("def f(x):\\n    y = x\\n    return helper(y)"))
    ['helper']
    """
    return unbound_in(parsed(source).body)


def unbound_in(statements: Iterable[ast.stmt]) -> frozenset[str]:
    """The names that some statements use without giving them a value anywhere."""
    used: set[str] = set()
    given: set[str] = set()
    waiting: deque[Any] = deque(statements)
    while waiting:
        node = waiting.popleft()
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else given).add(node.id)
        elif isinstance(node, ast.arg):
            given.add(node.arg)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            given.add(node.name)
        elif isinstance(node, ast.stmt):
            given.update(_bound(node))
        waiting += ast.iter_child_nodes(node)
    return frozenset(used - given)


def parts_of(body: Iterable[ast.stmt], wanted: Iterable[str]) -> list[ast.stmt]:
    """The statements that define some names, and those that these need in turn."""
    binding: dict[str, list[ast.stmt]] = {}
    for node in body:
        for name in {name for part in _statements([node]) for name in _bound(part)}:
            binding.setdefault(name, []).append(node)
    waiting, kept = list(wanted), dict[ast.stmt, None]()
    while waiting:
        for node in binding.pop(waiting.pop(), ()):
            if node not in kept:
                kept[node] = None
                waiting += _taken_from_outside(node)
    return list(kept)


def _taken_from_outside(node: ast.stmt) -> Iterator[str]:
    """The names that a statement takes from the notebook: those of its own functions are not.

    Of what Python cannot compile they are all names that are spelled in it.
    """
    yield from (name for name, is_outside, _ in _referenced(node) if is_outside)


@lru_cache(maxsize=500)  # of an answer each statement is asked for three times
def _referenced(node: ast.stmt) -> tuple[tuple[str, bool, bool], ...]:
    """The names that a statement uses: whether from the notebook, and whether imported in it."""
    try:
        text = ast.unparse(node)
        with lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tables = [symtable.symtable(text, "cell", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return tuple((use.partition(".")[0], True, True) for use in names_in([node]).used)
    found = []
    for table in tables:
        tables += table.get_children()
        is_outermost = table is tables[0]
        for symbol in table.get_symbols():
            if symbol.is_referenced():
                is_outside = is_outermost or symbol.is_global()
                found.append((symbol.get_name(), is_outside, symbol.is_imported()))
    return tuple(found)


def names_reached(statements: Sequence[ast.stmt], wanted: Iterable[str] = ()) -> Names:
    """The names of some statements without those that are a function's own variables.

    Of imports at the outermost level are kept those of which a name is used, or wanted.

    >>> names_reached(ast.parse("def f(x):\\n    y = x.T\\n    return np.exp(y)").body).used
    ('np.exp',)
    """
    found = names_in(statements)
    reached = {name for node in statements for name, *where in _referenced(node) if any(where)}
    used = tuple(use for use in found.used if use.partition(".")[0] in reached)
    known = reached.union(wanted)
    outermost = [n for n in statements if isinstance(n, ast.Import | ast.ImportFrom)]
    unused = {pair for pair in names_in(outermost).imported if pair[0] not in known}
    imported = tuple(pair for pair in found.imported if pair not in unused)
    return replace(found, used=used, imported=imported)


def _mentioned(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """The names in some code; who returns functions that it made has not called them."""
    values = [node.value for node in nodes if isinstance(node, ast.Return)]
    made = {id(part) for value in values for part in getattr(value, "elts", [value])}
    for node in nodes:
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in made:
            yield node.id


def module_name(path: str) -> str:
    """How a file beside the notebook is imported.

    >>> module_name("tools/__init__.py"), module_name("tools/norms.py")
    ('tools', 'tools.norms')
    """
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def _import(alias: ast.alias) -> tuple[str, str]:
    root = alias.name.split(".")[0]
    return (alias.asname, alias.name) if alias.asname else (root, root)


def _member(module: str | None, name: str) -> str:
    return f"{module}" if name == "*" else f"{module}.{name}"


def _dotted(node: ast.AST) -> tuple[str, ast.AST]:
    """The dotted name that a chain of attributes spells, if any, and the node it starts from."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return "", node
    return ".".join([node.id, *parts[: -MAX_PARTS - 1 : -1]]), node


def _joined(*parts: Names) -> Names:
    imported = _once([pair for names in parts for pair in names.imported])
    return Names(imported, _once([use for names in parts for use in names.used]), ())


def title(step: Step) -> str:
    """What a step is called in a sentence that begins with "The cell"."""
    if step.role == "module":
        return f"of the file {step.cell_id}"
    return step.grade_id or "that the student added"


@dataclass
class Binding:
    """How a cell gives a name its value."""

    source: str
    is_own: bool  # the student's cell, not the course's
    meant: list[str] = field(default_factory=list)  # where it is imported: what it stands for


class Place:
    """Where a name means one thing: the cells up to a check, or a file beside the notebook."""

    def __init__(self) -> None:
        self.bindings: dict[str, list[Binding]] = {}  # by name; the last cell's counts
        self.stars: list[tuple[str, str]] = []  # ("*", library of which everything was imported)
        self.own: set[str] = set()  # names that no such library has replaced
        self.written: list[str] = []  # the student's cells

    def add(self, source: str, bound: Iterable[tuple[str, str]], is_own: bool) -> None:
        """Append a cell that binds some names, as `bound_in_order` says them."""
        self.written += [source] if is_own else []
        for name, meant in bound:
            if name == "*":
                self.stars.append((name, meant))
                self.own.clear()
                continue
            found = self.bindings.setdefault(name, [])
            if not found or found[-1].source is not source:
                found.append(Binding(source, is_own))
            found[-1].meant += [meant] if meant else []
            (self.own.discard if meant else self.own.add)(name)

    def imports(self, name: str) -> bool:
        """Whether a name is what the last cell that binds it imports."""
        return any(binding.meant for binding in self.bindings.get(name, ())[-1:])

    def uses(self, names: Names, forbidden: Iterable[str], function: str) -> list[str]:
        """Which forbidden names some code in this place uses, that a function is made of."""
        libraries, packages = _told_apart(forbidden)
        known = {*self.bindings, *dir(builtins), *IN_NOTEBOOKS} - {function}
        everything = replace(names, imported=(*names.imported, *self.stars))
        used = everything.of_the_course(packages, known)
        return [*names.uses(libraries, self.stars, self.own), *used]


def _told_apart(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The names that are a library's, and those that are the course's own."""
    names = list(names)
    own = [name for name in names if name.split(".")[0] in OWN_PACKAGES]
    return [name for name in names if name not in own], own


@dataclass(frozen=True)
class Answer:
    """What the statements say of which the answer to an exercise consists."""

    names: Names
    taken: frozenset[str]  # names that they need from anywhere in the notebook
    words: frozenset[str]  # that it mentions
    unbound: frozenset[str]
    is_complex: bool  # whether it computes with complex numbers


def _answer(cells: tuple[str, ...], function: str) -> Answer:
    """Read of some cells what defines a function; all, if nothing does."""
    body = [statement for source in cells for statement in parsed(source).body]
    parts = parts_of(body, [function])
    wanted, spelled = (
        ([function], ()) if parts else ([n for node in body for n in _bound(node)], (function,))
    )
    parts = parts or body
    names = names_reached(parts, wanted)
    names = replace(names, used=(*names.used, *spelled))
    taken = frozenset(name for part in parts for name in _taken_from_outside(part))
    nodes = [node for part in parts for node in ast.walk(part)]
    words = frozenset(_mentioned(nodes))
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    is_complex = bool(words.intersection(COMPLEX)) or any(type(v) is complex for v in values)
    return Answer(names, taken.union(spelled), words, unbound_in(parts), is_complex)


@dataclass
class Made:
    """What an answer is made of."""

    said: dict[Place, Names]
    seen: set[tuple[Place, str, int]]  # names that were followed, to which of their bindings


_remembered_answer = lru_cache(maxsize=4_000)(_answer)  # many of a class are the same, stubs too


class Code:
    """The code cells of one submission, each read once."""

    def __init__(self, steps: Sequence[Step]):
        self.steps = steps
        self.unread: dict[str, str] = {}  # cell id: why it cannot be executed
        self._names: dict[str, Names] = {}  # by cell id
        self._answers: dict[str, Answer] = {}  # by exercise id
        self._made: dict[str, Made] = {}  # by exercise id
        self._filling: dict[str, list[tuple[str, str, ast.stmt]]] = {}  # by cell
        self._read: dict[ast.stmt, tuple[frozenset[str], Names]] = {}
        self._statements: dict[str, dict[str, list[ast.stmt]]] = {}  # by cell, by what they bind
        left = MAX_READ
        for step in (s for s in steps if s.role in ("given", *WRITTEN)):
            left -= len(step.source) if step.role != "module" else 0
            try:
                if left < 0:
                    self.unread[step.cell_id] = TOO_LONG
                else:
                    self._names[step.cell_id] = names_of(step.source)
            except TooDeep:
                self.unread[step.cell_id] = TOO_DEEP

    @cached_property
    def _known(self) -> frozenset[str]:
        """The names that any executed cell defines, and those that a notebook has anyway."""
        found = (name for step in self.readable for name in bindings(step.source))
        return frozenset((*found, *dir(builtins), *IN_NOTEBOOKS))

    @property
    def readable(self) -> tuple[Step, ...]:
        """The steps without those that cannot be read."""
        return tuple(step for step in self.steps if step.cell_id not in self.unread)

    def shortcuts(self, exercise: Exercise) -> list[str]:
        """The forbidden names that the student's code for `exercise` uses.

        In the function itself and in what it needs, in other cells and in files beside the
        notebook, all of them count. Elsewhere none does: to compare is good practice.
        """
        costs = (*exercise.forbidden, *REWRITTEN)
        used = {
            name
            for place, names in self._made_of(exercise).said.items()
            for name in place.uses(names, costs, exercise.function)
        }
        found = [name for name in costs if name in used]
        if len(self._small_steps(exercise)) == 2:  # no gradient by hand needs both
            found.append(f"complex steps of {exercise.functions[0]}")
        return found

    def put_in(self, exercise: Exercise) -> Iterator[str]:
        """Which forbidden names were put into something that the answer uses.

        Whether it uses just that part cannot be told, and is for a person to decide.
        """
        made = self._made_of(exercise)
        found: set[str] = set()
        for place in made.said:
            needed = {name for where, name, _ in made.seen if where is place}
            if said := self._filled(place, made, names=needed):
                found.update(place.uses(said, exercise.forbidden, exercise.function))
        named = [name for name in exercise.forbidden if name in found]
        if named and not self.shortcuts(exercise):
            yield f"{exercise.function} uses what {listed(named)} was put into: look at what for."

    def idle_mentions(self, names: Iterable[str], costly: Iterable[str]) -> Iterator[str]:
        """What the student's code says of the course's own answers without costing anything."""
        _, own = _told_apart(set(names).difference(costly))
        written = (self._names[s.cell_id] for s in self.readable if s.role in WRITTEN)
        found = _joined(*written).of_the_course(own)
        if found:
            yield f"The submitted code names {listed(sorted(found))}, which no answer needs."

    @cached_property
    def _bound(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """What each cell binds, by its id."""
        steps = (step for step in self.readable if step.cell_id in self._names)
        return {step.cell_id: bound_in_order(step.source) for step in steps}

    @cached_property
    def _files(self) -> dict[str, Place]:
        """The files beside the notebook, by the names they are imported by."""
        found = {}
        for step in (s for s in self.readable if s.role == "module"):
            place = found[module_name(step.cell_id)] = Place()
            place.add(step.source, self._bound[step.cell_id], True)
        return found

    def _before_check(self, exercise: Exercise) -> Place:
        """What the notebook's names mean when an exercise is checked."""
        place = Place()
        for step in self.readable:
            if step.grade_id == f"{exercise.grade_id}-check":
                break
            if step.role != "module" and step.cell_id in self._names:
                place.add(step.source, self._bound[step.cell_id], step.role in WRITTEN)
        return place

    def answering(self, exercise: Exercise) -> list[Step]:
        """The student's cells that define the function of an exercise."""
        grade_id = f"{exercise.grade_id}-solution"
        return [
            step
            for step in self.steps
            if grade_id in step.answers or (step.grade_id, step.role) == (grade_id, "solution")
        ]

    def _answer(self, exercise: Exercise) -> Answer:
        if exercise.id not in self._answers:
            steps = (s for s in self.answering(exercise) if s.cell_id in self._names)
            cells = tuple(step.source for step in steps)
            read = _remembered_answer if sum(map(len, cells)) <= SHORT else _answer
            self._answers[exercise.id] = read(cells, exercise.function)
        return self._answers[exercise.id]

    def by_steps(self, exercise: Exercise) -> Iterator[str]:
        """Whether a backward pass may be made of small steps of the forward pass.

        That cannot be told from honest work, and is for a person to decide.
        """
        if why := self._small_steps(exercise):
            yield f"{exercise.function} {' and '.join(why)}: is it the gradient, by hand?"

    def _small_steps(self, exercise: Exercise) -> list[str]:
        """What in a backward pass small steps of its forward pass are made of."""
        forward = exercise.functions[0]
        if all(check.forward is None for check in exercise.checks):
            return []
        answer = self._answer(exercise)
        why = [f"calls {forward}"] if forward in answer.words else []
        return why + (["computes with complex numbers"] if answer.is_complex else [])

    def undefined(self, exercise: Exercise) -> Iterator[str]:
        """What the answer to an exercise uses although nothing that is executed defines it."""
        unknown = self._answer(exercise).unbound - self._known
        if unknown and "*" not in self._known:
            yield (
                f"{exercise.function} uses {listed(sorted(unknown))}, which no cell that "
                "is executed defines."
            )

    def _made_of(self, exercise: Exercise) -> Made:
        """What the answer to an exercise needs, by where it stands."""
        if exercise.id not in self._made:
            self._made[exercise.id] = self._gathered(exercise)
        return self._made[exercise.id]

    def _gathered(self, exercise: Exercise) -> Made:
        answer, notebook = self._answer(exercise), self._before_check(exercise)
        made = Made({}, set())
        self._gather(notebook, made, answer.taken, answer.names)
        waiting = list(self._members(made.said[notebook], notebook))
        while waiting:
            file, name = waiting.pop()
            place = self._files[file]
            if (place, name, 0) not in made.seen:
                made.seen.add((place, name, 0))
                waiting += self._members(self._gather(place, made, [name]), place)
        return made

    def _gather(self, place: Place, made: Made, wanted: Iterable[str], *own: Names) -> Names:
        """Add what gives some names their value in a place; attributes that it spells count."""
        names = _joined(*own, self._followed(place, wanted, made.seen))
        if said := self._filled(place, made, attributes=names._spelled):
            names = _joined(names, said)
        made.said[place] = _joined(made.said[place], names) if place in made.said else names
        return names

    def _filled(
        self,
        place: Place,
        made: Made,
        names: Set[str] = frozenset(),
        attributes: Set[str] = frozenset(),
    ) -> Names | None:
        """What is said by statements that change a part of some names, or set some attributes.

        Who calls a library's function changes no part of the library.
        """
        nodes = [
            node
            for source in place.written
            for name, dotted, node in self._fillings(source)
            if dotted in attributes or (name in names and (dotted or not place.imports(name)))
        ]
        taken = {name for node in nodes for name in self._said(node)[0]}
        said = [self._said(node)[1] for node in nodes]
        return _joined(*said, self._followed(place, taken, set(made.seen))) if nodes else None

    def _fillings(self, source: str) -> list[tuple[str, str, ast.stmt]]:
        if source not in self._filling:
            self._filling[source] = list(fillings(source))
        return self._filling[source]

    def _followed(self, place: Place, wanted: Iterable[str], seen: set) -> Names:
        """What the student's code that gives some names their value needs in the same place."""
        waiting = [(name, 1) for name in wanted]
        missing = tuple(name for name, _ in waiting if name not in place.bindings)
        imported: list[tuple[str, str]] = []
        statements: dict[ast.stmt, Names] = {}
        while waiting:
            name, nth = waiting.pop()
            bindings = place.bindings.get(name, ())
            if nth > len(bindings) or (place, name, nth) in seen:
                continue
            seen.add((place, name, nth))
            binding = bindings[-nth]
            imported += [(name, meant) for meant in binding.meant]
            for node in self._binding(binding).get(name, ()):
                if node not in statements:
                    taken, statements[node] = self._said(node)
                    again = name in taken and not isinstance(node, Definition)
                    waiting += [(other, 1) for other in taken] + [(name, nth + 1)] * again
        return _joined(Names(tuple(imported), missing, ()), *statements.values())

    def _said(self, node: ast.stmt) -> tuple[frozenset[str], Names]:
        """What a statement takes from the notebook, and its names; each is read once."""
        if node not in self._read:
            self._read[node] = frozenset(_taken_from_outside(node)), names_reached([node])
        return self._read[node]

    def _binding(self, binding: Binding) -> dict[str, list[ast.stmt]]:
        """The statements of a cell of the student's by the names that they bind."""
        if not binding.is_own:
            return {}
        if binding.source not in self._statements:
            found = self._statements[binding.source] = {}
            for node in _statements(parsed(binding.source).body):
                if not isinstance(node, ast.Import | ast.ImportFrom):
                    for name in _bound(node):
                        found.setdefault(name, []).append(node)
        return self._statements[binding.source]

    def _members(self, names: Names, place: Place) -> Iterator[tuple[str, str]]:
        """What some code takes from files beside the notebook: (file, name in it)."""
        if not self._files:
            return
        rest_of: dict[str, list[str]] = {"*": list(names.used)}
        for use in names.used:
            root, _, rest = use.partition(".")
            rest_of.setdefault(root, []).append(rest)
        whole: set[str] = set()  # files that are used as objects: then any name may be of them
        for name, meant in dict.fromkeys((*names.imported, *place.stars)):
            file, member = self._in_file(meant)
            for rest in rest_of.get(name, ()) if file and not member else ():
                within, part = self._in_file(f"{file}.{rest}".rstrip("."))
                whole |= set() if part else {within}
                yield from [(within, part)] if part else []
            yield from [(file, member)] if member else []
        parts = {part for use in names.used for part in use.split(".")} if whole else ()
        yield from ((file, part) for file in whole for part in parts)

    def _in_file(self, dotted: str) -> tuple[str, str]:
        """The file beside the notebook in which a dotted name lies, and its name there."""
        file = max(
            (part for part in _beginnings(dotted) if part in self._files), key=len, default=""
        )
        return file, dotted[len(file) + 1 :].partition(".")[0] if file else ""

    def notes(self) -> Iterator[str]:
        """What the instructor should know: what was not executed, what was replaced.

        In the sandbox to replace parts of libraries changes no mark.
        """
        titles = {step.cell_id: title(step) for step in self.steps}
        for why in dict.fromkeys(self.unread.values()):
            cells = [titles[cell_id] for cell_id, reason in self.unread.items() if reason == why]
            yield f"The cell {listed(cells)} was {why}."
        imports = [pair for names in self._names.values() for pair in names.imported]
        found = {n for names in self._names.values() for n in names.uses(UNSEEN, imports)}
        if found:
            yield f"The submitted code uses {listed(sorted(found))}: look at what for."
        modules = {name for name, _ in imports}
        assigned = (name for names in self._names.values() for name in names.assigned)
        replaced = [name for name in dict.fromkeys(assigned) if name.split(".")[0] in modules]
        if replaced:
            yield f"The submitted code replaces {listed(replaced)}, which changes no mark."


def listed(names: Iterable[str], most: int = MAX_NAMED) -> str:
    """Some names as part of a sentence, of bounded length.

    >>> listed(["np.all", "np.all", "np.any"])
    'np.all, np.any'
    """
    names = list(dict.fromkeys(name[:MAX_NAME] for name in names))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
