"""Submissions of a class that are more similar than independent work: for a person to look at.

Short right answers look alike, so nothing is said function by function. Of every answer the
starter is taken away and fingerprints are kept: k-grams of its statements in alphabetical order,
without the names that it gives itself, winnowed. So neither new names nor another order hide a
copy, and what it calls by which arguments tells independent answers apart.
What stands in a published solution is no evidence, and what many share is little:

    score(a, b) = c Σ log(N / df) over shared fingerprints, df of N submissions having each

with c below 1 in a class of more than a hundred, where two share rarer things by chance,
over the functions of which they share at least four fifths of what is their own.

Pairs count that share something in at least three functions. The same wrong output, which nobody
has named, is evidence too. What the score is worth is measured on a made-up class of the lesson:
how many honest pairs, and how many planted copies, lie above each threshold.
"""

from __future__ import annotations

import ast
import math
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from autograder import misconceptions
from autograder.checking.spec import Exercise
from autograder.quality.styles import AS_PUBLISHED, Habits, disguised, styled

GRAM, WINDOW = 12, 3  # characters of a fingerprint; of which one in a window is kept
LEAST_FUNCTIONS = 3
MOST_SHARING = 50  # submissions, beyond which a fingerprint makes no pair worth looking at
SHARED = 0.8  # of the own fingerprints of either answer, below which none counts
WRONG = 3.0  # shared fingerprints that one shared wrong output is worth
ALIKE = 0.8  # share of the fingerprints of the shorter answer, in functions that are similar
PUBLISHED = 0.9  # fraction of an answer's fingerprints that are in one published solution
HONEST_RATE = 0.005  # of honest pairs that the default threshold lets through
OWN_CODE = 2  # copied answers with code of their own, from which on a copy can be told
CLASS, COPIES = 100, 60  # made-up students; planted copies of each kind

Print = tuple[str, int]  # (exercise id, hash)


@cache
def fingerprints(text: str) -> frozenset[int]:
    """Return the winnowed fingerprints of an answer; names, layout and comments do not count."""
    from copydetect.utils import winnow

    shape = _shape(text)
    grams = [shape[i : i + GRAM] for i in range(max(len(shape) - GRAM + 1, 0))]
    if len(grams) < WINDOW:
        return frozenset(map(_stable, grams))
    kept, _ = winnow(np.array([_stable(gram) for gram in grams]), WINDOW)
    return frozenset(int(value) for value in kept)


def _stable(gram: str) -> int:
    """A hash that is the same in every process, so that the same pairs are shown every time."""
    return zlib.crc32(gram.encode())


@cache
def _shape(text: str) -> str:
    """Return the statements in alphabetical order, without signatures, docstrings and layout.

    Names that the text gives itself are one letter; those of libraries and attributes stay.
    """
    try:
        tree = ast.parse(text)
        nodes = _Nameless(tree).visit(tree).body
        bodies = [node.body if isinstance(node, ast.FunctionDef) else [node] for node in nodes]
        parts = [ast.unparse(part) for body in bodies for part in body if not _is_text(part)]
    except (SyntaxError, ValueError, RecursionError):
        parts = [text]
    lines = ("".join(line.split()) for part in parts for line in part.splitlines())
    return ";".join(sorted(lines))


class _Nameless(ast.NodeTransformer):
    """Gives one letter to every variable, parameter and function of a program text."""

    def __init__(self, tree: ast.AST):
        nodes = list(ast.walk(tree))
        stored = (n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        parameters = (n.arg for n in nodes if isinstance(n, ast.arg))
        functions = (n.name for n in nodes if isinstance(n, ast.FunctionDef))
        self.own = {*stored, *parameters, *functions}

    def visit_Name(self, node):
        return ast.Name("V", node.ctx) if node.id in self.own else node

    def visit_arg(self, node):
        return ast.arg("V", None)

    def visit_FunctionDef(self, node):
        node.name = "V"
        return self.generic_visit(node)


def _is_text(node):
    """Say whether a statement is a docstring."""
    value = getattr(node, "value", None)
    return isinstance(node, ast.Expr) and isinstance(getattr(value, "value", None), str)


# ---------------------------------------------------------------------------------- a class


@dataclass(frozen=True)
class Work:
    """What one student handed in: program texts by exercise, and wrong outputs without a name."""

    student: str
    texts: Mapping[str, str]
    wrong: frozenset[tuple[str, int]] = frozenset()  # (exercise id, number of the cluster)


@dataclass(frozen=True)
class Pair:
    """Two submissions that share something, function by function."""

    students: tuple[str, str]
    scores: Mapping[str, float]  # by exercise
    alike: int  # functions that are similar, as published or not

    @property
    def score(self) -> float:
        """The sum; nothing where fewer than three functions are similar."""
        return math.fsum(self.scores.values()) if self.alike >= LEAST_FUNCTIONS else 0.0


class Class:
    """Submissions of one lesson, and what is shared among them.

    Args:
        published: {exercise id: {source: program text}} of the library and the known right answers.
        starters: program texts that were handed out, by exercise.
    """

    def __init__(
        self,
        works: Sequence[Work],
        published: Mapping[str, Mapping[str, str]],
        starters: Mapping[str, str] | None = None,
    ):
        self.works, self.published = works, published
        self.ignored = {
            (name, value)
            for name, sources in published.items()
            for text in sources.values()
            for value in fingerprints(text)
        } | {(n, value) for n, text in (starters or {}).items() for value in fingerprints(text)}
        self.own = {work.student: self.own_of(work) for work in works}
        self.holders: dict[Print, list[str]] = defaultdict(list)
        for student, prints in self.own.items():
            for exercise_id, values in prints.items():
                for value in values:
                    self.holders[exercise_id, value].append(student)
        self.wrong: dict[Print, list[str]] = defaultdict(list)
        for work in works:
            for one in work.wrong:
                self.wrong[one].append(work.student)

    def own_of(self, work: Work) -> dict[str, frozenset[int]]:
        """The fingerprints of each answer that are in nothing published or handed out."""
        return {
            name: frozenset(v for v in fingerprints(text) if (name, v) not in self.ignored)
            for name, text in work.texts.items()
        }

    def weight(self, holders: int) -> float:
        """What a fingerprint that so many share says.

        In a class larger than the made-up one, one that two share says as much as there, so that
        its threshold holds.
        """
        size = len(self.works)
        scale = math.log(CLASS / 2) / math.log(max(size, CLASS) / 2)
        return scale * math.log(size / min(holders, size))

    def pairs(self, least: float = 0.0) -> list[Pair]:
        """All pairs that share something in enough functions, the most similar first.

        Looked at are those that share something which few have: a student at a time, since a class
        has many more pairs than students.

        Args:
            least: score of those that are returned.
        """
        shared = (*self.holders.values(), *self.wrong.values())
        sharing: dict[str, list[list[str]]] = defaultdict(list)
        for students in shared:
            if 1 < len(students) <= MOST_SHARING:
                for student in students:
                    sharing[student].append(students)
        place = {work.student: number for number, work in enumerate(self.works)}
        found = []
        for one in self.works:
            after = {
                s for few in sharing[one.student] for s in few if place[s] > place[one.student]
            }
            pairs = (self._pair(one, self.works[place[other]]) for other in after)
            found += [pair for pair in pairs if pair.score and pair.score >= least]
        return sorted(found, key=lambda pair: (-pair.score, pair.students))

    def _pair(self, a: Work, b: Work) -> Pair:
        scores = self._scores(self.own[a.student], self.own[b.student], self.holders)
        for one in a.wrong & b.wrong:
            scores[one[0]] += WRONG * self.weight(len(self.wrong[one]))
        return Pair((a.student, b.student), _positive(scores), alike(a, b))

    def _scores(self, a, b, holders) -> defaultdict[str, float]:
        """Score the functions of which two answers share four fifths of what is their own."""
        scores: defaultdict[str, float] = defaultdict(float)
        for name in a.keys() & b.keys():
            shared = a[name] & b[name]
            if shared and len(shared) >= SHARED * max(len(a[name]), len(b[name])):
                weights = (self.weight(len(holders[name, value])) for value in shared)
                scores[name] = math.fsum(weights)
        return scores

    def score(self, one: Work, copy: Work) -> float:
        """The score of a submission with a further one that is not among them."""
        own = self.own_of(copy)
        holders = {
            (name, value): {*self.holders.get((name, value), ()), copy.student}
            for name, values in own.items()
            for value in values
        }
        scores = self._scores(self.own[one.student], own, holders)
        return Pair((one.student, copy.student), _positive(scores), alike(one, copy)).score

    def as_published(self, work: Work) -> dict[str, str]:
        """Return {exercise id: source} for the answers that are as they were published."""
        found = {}
        for name, text in work.texts.items():
            own = fingerprints(text)
            sources = self.published.get(name, {}).items()
            shares = {s: len(own & fingerprints(t)) / len(own) for s, t in sources if own}
            best = max(shares, key=shares.__getitem__, default="")
            if best and shares[best] >= PUBLISHED:
                found[name] = best
        return found


def _positive(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: score for name, score in scores.items() if score > 0}


def alike(a: Work, b: Work) -> int:
    """Return the number of functions of which two submissions share most fingerprints."""
    shares = []
    for name in a.texts.keys() & b.texts.keys():
        one, other = fingerprints(a.texts[name]), fingerprints(b.texts[name])
        shares.append(len(one & other) / max(min(len(one), len(other)), 1))
    return sum(share >= ALIKE for share in shares)


def published_of(exercises: Iterable[Exercise]) -> dict[str, dict[str, str]]:
    """Return {exercise id: {source: program text}} of the library and the known right answers."""
    found: dict[str, dict[str, str]] = {}
    for exercise in exercises:
        texts = {"the library": misconceptions.reference_source(exercise, exercise.function)}
        for variant in misconceptions.variants_of(exercise.id):
            changed = misconceptions.texts_of(variant)
            if exercise.function in changed:
                texts[f"“{variant.name}”"] = changed[exercise.function]
        found[exercise.id] = texts
    return found


# ---------------------------------------------------------------------------------- rates


@dataclass(frozen=True)
class Rates:
    """How many honest pairs and planted copies have at least each score, in a made-up class."""

    honest: np.ndarray  # sorted scores of all pairs
    copies: Mapping[int, np.ndarray]  # by how many functions were copied
    functions: int
    identical: float  # fraction of answers of the honest class that are as published
    # How many of the copied answers of each copy have code that is in nothing published.
    own: Mapping[int, np.ndarray]
    threshold: float = field(init=False)

    def __post_init__(self):
        above = int(HONEST_RATE * len(self.honest))
        object.__setattr__(self, "threshold", math.floor(10 * self.honest[-above - 1] + 1) / 10)

    def flagged(self, threshold: float) -> float:
        """Share of honest pairs with at least this score, of which nothing shared is none."""
        return float(((self.honest >= threshold) & (self.honest > 0)).mean())

    def by_chance(self, students: int, threshold: float) -> int:
        """Pairs of so many honest students that have at least this score."""
        return round(self.flagged(threshold) * students * (students - 1) / 2)

    def found(self, copied: int, threshold: float) -> float:
        """Share of copies of so many functions with at least this score."""
        return float((self.copies[copied] >= threshold).mean())

    def of_own_code(self, copied: int) -> tuple[float, float]:
        """Of copies of so many functions: how many have code of their own in two or more.

        And what share of these the threshold finds, 0 where there are none.
        """
        has = self.own[copied] >= OWN_CODE
        found = self.copies[copied] >= self.threshold
        return float(has.mean()), float((has & found).sum()) / max(int(has.sum()), 1)

    def table(self) -> list[tuple[float, ...]]:
        """Rows (threshold, honest pairs flagged, copies found by how many were copied)."""
        marks = [self.threshold * part for part in (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4)]
        copied = sorted(self.copies)
        return [(t, self.flagged(t), *(self.found(k, t) for k in copied)) for t in marks]


def honest_class(
    exercises: Sequence[Exercise], rng: np.random.Generator, size: int = CLASS
) -> list[Work]:
    """Make up students who work alone: known right answers, in a style of their own."""
    published, works = published_of(exercises), []
    for number in range(size):
        habits, texts = Habits.drawn(rng), {}
        for exercise_id, sources in published.items():
            choices = list(sources.values())
            text = choices[0 if rng.random() < 0.5 else rng.integers(len(choices))]
            plain = rng.random() < AS_PUBLISHED
            texts[exercise_id] = disguised(text, rng) if plain else styled(text, rng, habits)
        works.append(Work(f"made-up {number}", texts))
    return works


def copied_from(victim: Work, own: Work, functions: int, rng: np.random.Generator) -> Work:
    """Return a submission in which some functions are the victim's, renamed and reordered."""
    taken = rng.permutation(list(own.texts))[:functions]
    return Work(
        own.student,
        dict(own.texts) | {name: disguised(victim.texts[name], rng) for name in taken},
    )


def measured(
    exercises: Sequence[Exercise], seed: int = 0, size: int = CLASS, copies: int = COPIES
) -> Rates:
    """Measure, on a made-up class of these exercises, what a score is worth."""
    rng = np.random.default_rng(seed)
    works = honest_class(exercises, rng, size)
    group = Class(works, published_of(exercises))
    honest = np.zeros(size * (size - 1) // 2)
    scores = [pair.score for pair in group.pairs()]
    honest[: len(scores)] = scores
    found: dict[int, list[float]] = defaultdict(list)
    held: dict[int, list[int]] = defaultdict(list)
    for functions in sorted({min(k, len(exercises)) for k in (2, 3, len(exercises))}):
        for _ in range(copies):
            victim, own = (works[i] for i in rng.choice(size, 2, replace=False))
            copy = copied_from(victim, own, functions, rng)
            found[functions].append(group.score(victim, copy))
            taken = [name for name, text in copy.texts.items() if text is not own.texts[name]]
            held[functions].append(sum(bool(group.own[victim.student][name]) for name in taken))
    published = sum(len(group.as_published(work)) for work in works)
    return Rates(
        np.sort(honest),
        {k: np.array(values) for k, values in found.items()},
        len(exercises),
        published / (size * len(exercises)),
        {k: np.array(values) for k, values in held.items()},
    )
