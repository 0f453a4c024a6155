"""Made-up students: right answers rewritten in styles of their own, and copies made to look new.

    styled(text, rng)      the same function, in one student's way of writing
    disguised(text, rng)   the same function, other names and another order, as a copier does it

Every change keeps what the function computes. Both serve to measure how often honest work looks
alike, and how often a copy is found.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

# Names that people give what has no name yet, the common ones first.
WORDS = "res tmp a b m s c t d v val k u z p q r g h f e o cur new old aux buf left first"
REDUCTIONS = ("mean", "sum")
FLIPPED = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}
MOST = 0.6  # chance at each place


@dataclass(frozen=True)
class Habits:
    """How often one student does each of the things that people write differently.

    Args:
        chances: of each change, at each place.
        keeps: how often a variable has the name that it has where it is published.
        words: the names that the student likes, best first.
    """

    chances: dict[str, float]
    keeps: float
    words: tuple[str, ...]

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Habits:
        """Draw a student, who does everything at some places and not at others."""
        chances = {name: float(rng.uniform(0.0, MOST)) for name in CHANGES}
        return cls(chances, float(rng.uniform()), _favourites(rng))

    def plain(self) -> Habits:
        """The same student, who changes nothing but names."""
        return replace(self, chances=dict.fromkeys(CHANGES, 0.0))


def _favourites(rng):
    """Order the words as somebody likes them; everybody rather likes the common ones."""
    words = WORDS.split()
    chances = 1 / np.arange(1, len(words) + 1)
    order = rng.choice(words, len(words), replace=False, p=chances / chances.sum())
    return tuple(str(word) for word in order)


def styled(text: str, rng: np.random.Generator, habits: Habits | None = None) -> str:
    """Return the functions of a program text as one student would write them."""
    habits = habits or Habits.drawn(rng)
    tree = _bare(text)
    published = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    for name, change in CHANGES.items():
        if habits.chances[name]:
            tree = change(habits.chances[name], rng).visit(tree)
    kept = {name for name in sorted(published) if rng.random() < habits.keeps}
    return _renamed(ast.fix_missing_locations(tree), lambda: _liked(habits.words, rng), kept)


def disguised(text: str, rng: np.random.Generator) -> str:
    """Return the functions of a program text under other names, independent lines exchanged."""
    tree = _bare(text)
    for node in ast.walk(tree):
        for field in ("body", "orelse"):
            body = getattr(node, field, None)
            if isinstance(body, list):
                setattr(node, field, _reordered(body, rng))
    return _renamed(tree, lambda: [str(word) for word in rng.permutation(WORDS.split())])


def _bare(text):
    """Parse a program text; docstrings and decorators are left out."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.decorator_list = []
            if ast.get_docstring(node) is not None and len(node.body) > 1:
                node.body = node.body[1:]
    return tree


# ---------------------------------------------------------------------------------- names


def _renamed(tree, words, kept=frozenset()) -> str:
    """Give the local variables of functions other names.

    Args:
        words: gives the names for one function, best first.
        kept: the variables that keep theirs.
    """
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        nodes = list(ast.walk(function))
        bound = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        used = {n.id for n in nodes if isinstance(n, ast.Name)} | {
            n.arg for n in nodes if isinstance(n, ast.arg)
        }
        free = [word for word in words() if word not in used and not hasattr(builtins, word)]
        own = sorted(bound - kept - {n.arg for n in nodes if isinstance(n, ast.arg)})
        names = dict(zip(own, free, strict=False))
        for node in nodes:
            if isinstance(node, ast.Name):
                node.id = names.get(node.id, node.id)
    return ast.unparse(tree)


def _liked(words, rng):
    """Return the words that a student likes, in an order of today."""
    late = rng.geometric(0.5, len(words)) + np.arange(len(words))
    return [words[i] for i in np.argsort(late, kind="stable")]


# ---------------------------------------------------------------------------------- order


def _reordered(body, rng):
    """Exchange neighbouring assignments of which neither needs the other."""
    body = list(body)
    for i in range(len(body) - 1):
        a, b = body[i], body[i + 1]
        plain = all(isinstance(s, ast.Assign) for s in (a, b))
        if plain and rng.random() < 0.5 and not _touch(a, b):
            body[i], body[i + 1] = b, a
    return body


def _touch(a, b):
    """Say whether two statements share a name that one of them changes, or call anything."""
    (writes_a, reads_a), (writes_b, reads_b) = _names(a), _names(b)
    return bool(writes_a & (reads_b | writes_b) or writes_b & reads_a)


def _names(statement):
    """Return the names that a statement may change, and those that it reads."""
    writes: set[str] = set()
    reads: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            (writes if isinstance(node.ctx, ast.Store) else reads).add(node.id)
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            writes |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if isinstance(node, ast.Call):
            writes |= {n.id for n in ast.walk(node.func) if isinstance(n, ast.Name)} - {"np"}
    return writes, reads


# ---------------------------------------------------------------------------------- habits


class _Habit(ast.NodeTransformer):
    """A change that is made at each place with some probability."""

    def __init__(self, chance: float, rng: np.random.Generator):
        self.chance, self.rng = chance, rng

    def now(self):
        return self.rng.random() < self.chance


class _Squares(_Habit):
    """`x**2` as a product, or by NumPy."""

    def visit_BinOp(self, node):
        self.generic_visit(node)
        is_square = isinstance(node.op, ast.Pow) and getattr(node.right, "value", 0) == 2
        if not is_square or not isinstance(node.left, ast.Name) or not self.now():
            return node
        return ast.BinOp(node.left, ast.Mult(), node.left)


class _Turned(_Habit):
    """Sums and products of numbers with their parts exchanged."""

    def visit_BinOp(self, node):
        self.generic_visit(node)
        parts = (node.left, node.right)
        plain = all(isinstance(p, ast.Name | ast.BinOp | ast.Constant) for p in parts)
        texts = any(isinstance(getattr(p, "value", 0), str) for p in parts)
        if isinstance(node.op, ast.Mult | ast.Add) and plain and not texts and self.now():
            return ast.BinOp(node.right, node.op, node.left)
        return node


class _Differences(_Habit):
    """`a - b` as `a + (-b)`, or as `-(b - a)`."""

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if not isinstance(node.op, ast.Sub) or not self.now():
            return node
        if self.rng.random() < 0.5:
            return ast.BinOp(node.left, ast.Add(), ast.UnaryOp(ast.USub(), node.right))
        return ast.UnaryOp(ast.USub(), ast.BinOp(node.right, ast.Sub(), node.left))


class _Quotients(_Habit):
    """`a / b` as a product with `1 / b`."""

    def visit_BinOp(self, node):
        self.generic_visit(node)
        one = getattr(node.left, "value", None) == 1
        if not isinstance(node.op, ast.Div) or one or not self.now():
            return node
        return ast.BinOp(node.left, ast.Mult(), ast.BinOp(ast.Constant(1), ast.Div(), node.right))


class _Reductions(_Habit):
    """`x.mean(…)` as `np.mean(x, …)`, where x is one name."""

    def visit_Call(self, node):
        self.generic_visit(node)
        f = node.func
        if not isinstance(f, ast.Attribute) or f.attr not in REDUCTIONS or not self.now():
            return node
        if isinstance(f.value, ast.Name) and f.value.id not in ("np", "torch"):
            np_ = ast.Attribute(ast.Name("np", ast.Load()), f.attr, ast.Load())
            return ast.Call(np_, [f.value, *node.args], node.keywords)
        return node


class _Comparisons(_Habit):
    """`a < b` as `b > a`."""

    def visit_Compare(self, node):
        self.generic_visit(node)
        kinds = [type(op) for op in node.ops]
        if len(kinds) == 1 and kinds[0] in FLIPPED and self.now():
            return ast.Compare(node.comparators[0], [FLIPPED[kinds[0]]()], [node.left])
        return node


class _Branches(_Habit):
    """`if c: A else: B` as `if not c: B else: A`."""

    def visit_If(self, node):
        self.generic_visit(node)
        if node.orelse and not isinstance(node.orelse[0], ast.If) and self.now():
            return ast.If(ast.UnaryOp(ast.Not(), node.test), node.orelse, node.body)
        return node


class _Steps(_Habit):
    """A part of a calculation gets a line and a name of its own."""

    count = 0

    def visit_Assign(self, node):
        return self._with_steps(node)

    def visit_Return(self, node):
        return self._with_steps(node) if node.value is not None else node

    def _with_steps(self, node):
        lines: list[ast.stmt] = []
        parts = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for part in parts:
            for inner in ast.walk(part):
                if isinstance(inner, ast.Lambda | ast.comprehension | ast.IfExp | ast.BoolOp):
                    break
                if isinstance(inner, ast.BinOp):
                    for side in ("left", "right"):
                        value = getattr(inner, side)
                        if isinstance(value, ast.BinOp | ast.Call) and self.now():
                            name = f"step_{_Steps.count}"
                            _Steps.count += 1
                            lines.insert(0, ast.Assign([ast.Name(name, ast.Store())], value))
                            setattr(inner, side, ast.Name(name, ast.Load()))
        return [*lines, node]


class _Roots(_Habit):
    """`np.sqrt(x)` as a power."""

    def visit_Call(self, node):
        self.generic_visit(node)
        if getattr(node.func, "attr", "") == "sqrt" and len(node.args) == 1 and self.now():
            return ast.BinOp(node.args[0], ast.Pow(), ast.Constant(0.5))
        return node


class _Axes(_Habit):
    """`x.mean(axis=0)` as `x.mean(0)`."""

    def visit_Call(self, node):
        self.generic_visit(node)
        first = node.keywords[0] if node.keywords else None
        reduces = getattr(node.func, "attr", "") in (*REDUCTIONS, "var")
        if reduces and first and first.arg == "axis" and len(node.args) < 2 and self.now():
            return ast.Call(node.func, [*node.args, first.value], node.keywords[1:])
        return node


class _Results(_Habit):
    """What is returned gets a name first."""

    def visit_Return(self, node):
        if node.value is None or isinstance(node.value, ast.Name) or not self.now():
            return node
        name = ast.Name("result_", ast.Store())
        return [ast.Assign([name], node.value), ast.Return(ast.Name("result_", ast.Load()))]


class _Extras(_Habit):
    """Lines that compute nothing: sizes, checks, what was printed while searching."""

    LINES = (
        "size_ = len({0})",
        "shape_ = np.shape({0})",
        "assert {0} is not None",
        "assert hasattr({0}, '__class__'), '{0}'",
        "kind_ = type({0})",
        "first_, last_ = {0}, {1}",
        "pass",
        "debug_ = False",
    )

    def visit_FunctionDef(self, node):
        names = [a.arg for a in node.args.args]
        body = []
        for statement in node.body:
            if names and self.rng.random() < self.chance / 2:
                line = self.LINES[self.rng.integers(len(self.LINES))]
                two = self.rng.choice(names, 2)
                body += ast.parse(line.format(*two)).body
            body.append(statement)
        node.body = body
        return node


CHANGES: dict[str, Callable[..., _Habit]] = {
    "squares": _Squares,
    "differences": _Differences,
    "quotients": _Quotients,
    "reductions": _Reductions,
    "comparisons": _Comparisons,
    "branches": _Branches,
    "steps": _Steps,
    "turned": _Turned,
    "roots": _Roots,
    "axes": _Axes,
    "results": _Results,
    "extras": _Extras,
}
