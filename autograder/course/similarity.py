"""Submissions of a class that are more similar than independent work: for a person to look at.

Short right answers look alike, so nothing is said function by function. Of every answer the
starter is taken away and fingerprints are kept (k-grams of its tokens without names, winnowed).
What stands in a published solution is no evidence, and what many share is little:

    score(a, b) = Σ log(N / df) over shared fingerprints, df of N submissions having each

over the functions of which they share at least half of what is their own.

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
from itertools import combinations

import numpy as np

from autograder import misconceptions
from autograder.checking.spec import Exercise
from autograder.quality.styles import AS_PUBLISHED, Habits, disguised, styled

GRAM, WINDOW = 8, 2  # characters of a fingerprint without names; of which one in a window is kept
LEAST_FUNCTIONS = 3
MOST_SHARING = 50  # submissions, beyond which a fingerprint makes no pair worth looking at
HALF = 0.5  # share of an answer's own fingerprints, below which it counts for nothing
WRONG = 3.0  # shared fingerprints that one shared wrong output is worth
ALIKE = 0.5  # share of the fingerprints of the shorter answer, in functions that are similar
PUBLISHED = 0.9  # fraction of an answer's fingerprints that are in one published solution
HONEST_RATE = 0.005  # of honest pairs that the default threshold lets through
CLASS, COPIES = 100, 60  # made-up students; planted copies of each kind

Print = tuple[str, int]  # (exercise id, hash)


@cache
def fingerprints(text: str) -> frozenset[int]:
    """Return the winnowed fingerprints of an answer; names, layout and comments do not count."""
    from copydetect.utils import winnow

    tokens = _tokens(text)
    grams = [tokens[i : i + GRAM] for i in range(max(len(tokens) - GRAM + 1, 0))]
    if len(grams) < WINDOW:
        return frozenset(map(_stable, grams))
    kept, _ = winnow(np.array([_stable(gram) for gram in grams]), WINDOW)
    return frozenset(int(value) for value in kept)


def _stable(gram: str) -> int:
    """A hash that is the same in every process, so that the same pairs are shown every time."""
    return zlib.crc32(gram.encode())


@cache
def _tokens(text: str) -> str:
    """Return what was written without signatures, docstrings, names and layout."""
    return normal(_body(text))


def normal(text: str) -> str:
    """Return program text without names, layout and comments."""
    from copydetect.utils import filter_code

    return "".join(filter_code(text, "answer.py", "python")[0].split())


def _body(text: str) -> str:
    try:
        nodes = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError):
        return text
    lines = []
    for node in nodes:
        body = node.body if isinstance(node, ast.FunctionDef) else [node]
        lines += [ast.unparse(part) for part in body if not _is_text(part)]
    return "\n".join(lines)


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
        """What a fingerprint that so many share says."""
        return math.log(len(self.works) / min(holders, len(self.works)))

    def pairs(self) -> list[Pair]:
        """All pairs that share something in enough functions, the most similar first."""
        shared = (*self.holders.values(), *self.wrong.values())
        few = (students for students in shared if 1 < len(students) <= MOST_SHARING)
        candidates = {pair for students in few for pair in combinations(students, 2)}
        by_name = {work.student: work for work in self.works}
        found = (self._pair(by_name[a], by_name[b]) for a, b in candidates)
        return sorted((p for p in found if p.score), key=lambda p: (-p.score, p.students))

    def _pair(self, a: Work, b: Work) -> Pair:
        scores = self._scores(self.own[a.student], self.own[b.student], self.holders)
        for one in a.wrong & b.wrong:
            scores[one[0]] += WRONG * self.weight(len(self.wrong[one]))
        return Pair((a.student, b.student), _positive(scores), alike(a, b))

    def _scores(self, a, b, holders) -> defaultdict[str, float]:
        """Score the functions of which two answers share at least half of what is their own."""
        scores: defaultdict[str, float] = defaultdict(float)
        for name in a.keys() & b.keys():
            shared = a[name] & b[name]
            if shared and len(shared) >= HALF * max(len(a[name]), len(b[name])):
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
    """Return the number of functions of which two submissions share half of the fingerprints."""
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
    threshold: float = field(init=False)

    def __post_init__(self):
        above = int(HONEST_RATE * len(self.honest))
        object.__setattr__(self, "threshold", math.ceil(self.honest[-above - 1]) + 1.0)

    def flagged(self, threshold: float) -> float:
        """Share of honest pairs with at least this score."""
        return float((self.honest >= threshold).mean())

    def found(self, copied: int, threshold: float) -> float:
        """Share of copies of so many functions with at least this score."""
        return float((self.copies[copied] >= threshold).mean())

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
    for functions in sorted({min(k, len(exercises)) for k in (2, 3, len(exercises))}):
        for _ in range(copies):
            victim, own = (works[i] for i in rng.choice(size, 2, replace=False))
            found[functions].append(group.score(victim, copied_from(victim, own, functions, rng)))
    published = sum(len(group.as_published(work)) for work in works)
    return Rates(
        np.sort(honest),
        {k: np.array(values) for k, values in found.items()},
        len(exercises),
        published / (size * len(exercises)),
    )
