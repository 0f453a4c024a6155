"""Submissions of a class that are more similar than independent work: for a person to look at.

Short right answers look alike, so nothing is said function by function. Of every answer the
starter is taken away and fingerprints are kept: k-grams of its statements in alphabetical order,
without the names that it gives itself, winnowed. So neither new names nor another order hide a
copy, and what it calls by which arguments tells independent answers apart.
Where code is alike, the names and the comments that a student chose are evidence too: nobody needs
them to be right, and who copies rarely changes all of them.
What stands in a published solution is no evidence, and what many share is little:

    score(a, b) = c Σ log(N / df) over shared fingerprints, df of N submissions having each

with c below 1 in a class of more than a hundred, where two share rarer things by chance,
over the functions of which they share at least four fifths of what is their own. Each answer that
is alike, published or not, adds a little, and all of them at most twice the rest.

Pairs count of which at least three functions are alike. The same wrong output, which nobody
has named, is evidence too. What the score is worth is measured on made-up classes of the lesson:
how many honest pairs, and how many planted copies, lie above each threshold. The threshold holds
in each of several such classes, in which more or fewer answers stand as published.
"""

from __future__ import annotations

import ast
import io
import math
import tokenize
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from autograder import misconceptions
from autograder.checking.spec import Exercise
from autograder.quality.styles import Habits, disguised, styled

GRAM, WINDOW = 12, 3  # characters of a fingerprint; of which one in a window is kept
LEAST_FUNCTIONS = 3
MOST_SHARING = 50  # submissions, beyond which a fingerprint makes no pair worth looking at
SHARED = 0.8  # of the fingerprints of either answer, below which they are not alike
WRONG = 3.0  # shared fingerprints that one shared wrong output is worth
SAME = 10.0  # shared fingerprints that one answer is worth that is alike, published or not
MOST_SAME = 2.0  # times what else is shared, beyond which such answers count no more
PUBLISHED = 0.9  # fraction of an answer's fingerprints that are in one published solution
HONEST_RATE = 0.005  # of honest pairs that the default threshold lets through
OWN_CODE = 2  # copied answers with code of their own, from which on a copy can be told
CLASS, COPIES = 100, 60  # made-up students; planted copies of each kind
AS_PUBLISHED = 0.25  # functions of which a made-up student chooses no more than the names
SHARES = (0.15, 0.25, 0.35)  # of answers that stand as published, in the made-up classes

WORD = 3.0  # shared fingerprints that one shared word is worth
CODE, WORDS = "code", "words"

Aspect = tuple[str, str]  # (exercise id, CODE or WORDS)
Print = tuple[Aspect, int]  # with a hash


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


@cache
def words(text: str) -> frozenset[int]:
    """Return the hashes of the names that an answer gives itself, and of its comments.

    Names of parameters do not count: the starter has them.
    """
    try:
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, ValueError, RecursionError, tokenize.TokenError):
        return frozenset()
    found = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
    found |= {" ".join(t.string.split()) for t in tokens if t.type == tokenize.COMMENT}
    return frozenset(map(_stable, found))


def _prints(exercise_id: str, text: str) -> dict[Aspect, frozenset[int]]:
    """What may be shared of an answer, by aspect."""
    return {(exercise_id, CODE): fingerprints(text), (exercise_id, WORDS): words(text)}


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
    alike: int  # functions that are alike, as published or not

    @property
    def score(self) -> float:
        """The sum, and some more for all that is alike; nothing where that is too little.

        An answer that is alike says little, since both may have found it, and nothing by itself:
        it counts beside what the two share that nobody could find.
        """
        shared = math.fsum(self.scores.values())
        more = min(SAME * self.alike, MOST_SAME * shared)
        return shared + more if self.alike >= LEAST_FUNCTIONS else 0.0


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
        known = [(n, text) for n, sources in published.items() for text in sources.values()]
        self.ignored: dict[Aspect, set[int]] = defaultdict(set)
        for name, text in (*known, *(starters or {}).items()):
            for aspect, values in _prints(name, text).items():
                self.ignored[aspect] |= values
        self.own = {work.student: self.own_of(work) for work in works}
        self.holders: dict[Print, list[str]] = defaultdict(list)
        for student, prints in self.own.items():
            for aspect, values in prints.items():
                for value in values:
                    self.holders[aspect, value].append(student)
        self.wrong: dict[tuple[str, int], list[str]] = defaultdict(list)
        for work in works:
            for one in work.wrong:
                self.wrong[one].append(work.student)

    def own_of(self, work: Work) -> dict[Aspect, frozenset[int]]:
        """What each answer has that is in nothing published or handed out, by aspect."""
        return {
            aspect: values - self.ignored.get(aspect, set())
            for name, text in work.texts.items()
            for aspect, values in _prints(name, text).items()
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
        alike = alike_in(a, b)
        scores = self._scores(self.own[a.student], self.own[b.student], alike, self.holders)
        for one in a.wrong & b.wrong:
            scores[one[0]] += WRONG * self.weight(len(self.wrong[one]))
        return Pair((a.student, b.student), _positive(scores), len(alike))

    def _scores(self, a, b, alike, holders) -> defaultdict[str, float]:
        """Score the functions of which two answers share four fifths of what is their own.

        Words count where the code is alike, published or not.
        """
        scores: defaultdict[str, float] = defaultdict(float)
        for aspect in a.keys() & b.keys():
            name, kind = aspect
            shared = a[aspect] & b[aspect]
            counts = kind == CODE or name in alike
            if counts and shared and len(shared) >= SHARED * max(len(a[aspect]), len(b[aspect])):
                weights = (self.weight(len(holders[aspect, value])) for value in shared)
                scores[name] += math.fsum(weights) * (WORD if kind == WORDS else 1)
        return scores

    def score(self, one: Work, copy: Work) -> float:
        """The score of a submission with a further one that is not among them."""
        own = self.own_of(copy)
        holders = {
            (aspect, value): {*self.holders.get((aspect, value), ()), copy.student}
            for aspect, values in own.items()
            for value in values
        }
        alike = alike_in(one, copy)
        scores = self._scores(self.own[one.student], own, alike, holders)
        return Pair((one.student, copy.student), _positive(scores), len(alike)).score

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


def alike_in(a: Work, b: Work) -> set[str]:
    """Return the exercises of which two submissions share four fifths of all fingerprints."""
    found = set()
    for name in a.texts.keys() & b.texts.keys():
        one, other = fingerprints(a.texts[name]), fingerprints(b.texts[name])
        if len(one & other) >= SHARED * max(len(one), len(other), 1):
            found.add(name)
    return found


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
    """How many honest pairs and planted copies have at least each score, in made-up classes."""

    honest: np.ndarray  # sorted scores of all pairs, a row for each class
    copies: Mapping[int, np.ndarray]  # renamed and reordered, by how many functions were copied
    unchanged: Mapping[int, np.ndarray]  # the same copies, as they are
    functions: int
    identical: float  # fraction of answers of the honest classes that are as published
    # How many of the copied answers of each copy have code that is in nothing published.
    own: Mapping[int, np.ndarray]
    threshold: float = field(init=False)

    def __post_init__(self):
        above = int(HONEST_RATE * self.honest.shape[1])
        highest = self.honest[:, -above - 1].max()
        object.__setattr__(self, "threshold", math.floor(10 * highest + 1) / 10)

    def flagged(self, threshold: float) -> float:
        """Share of honest pairs with at least this score, of which nothing shared is none."""
        return float(((self.honest >= threshold) & (self.honest > 0)).mean())

    def by_chance(self, students: int, threshold: float) -> int:
        """Pairs of so many honest students that have at least this score."""
        return round(self.flagged(threshold) * students * (students - 1) / 2)

    def found(self, copied: int) -> float:
        """Share of copies of so many functions, renamed and reordered, that the threshold finds."""
        return _share(self.copies[copied], self.threshold)

    def found_unchanged(self, copied: int) -> float:
        """The same of copies as they are."""
        return _share(self.unchanged[copied], self.threshold)

    def of_own_code(self, copied: int) -> tuple[float, float]:
        """Of copies of so many functions: how many have code of their own in two or more.

        And what share of these the threshold finds, 0 where there are none.
        """
        has = self.own[copied] >= OWN_CODE
        found = self.copies[copied] >= self.threshold
        return float(has.mean()), float((has & found).sum()) / max(int(has.sum()), 1)

    def table(self) -> list[tuple[float, ...]]:
        """Rows (threshold, honest pairs flagged, copies found by how many were copied).

        For each number the renamed and reordered ones, and the same as they are.
        """
        marks = [self.threshold * part for part in (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4)]
        columns = [f for k in sorted(self.copies) for f in (self.copies[k], self.unchanged[k])]
        return [(t, self.flagged(t), *(_share(f, t) for f in columns)) for t in marks]


def _share(scores: np.ndarray, threshold: float) -> float:
    return float((scores >= threshold).mean())


def honest_class(
    exercises: Sequence[Exercise],
    rng: np.random.Generator,
    size: int = CLASS,
    published: float = AS_PUBLISHED,
) -> list[Work]:
    """Make up students who work alone: known right answers, in a style of their own.

    Args:
        published: share of the answers of which only the names are their own.
    """
    known, works = published_of(exercises), []
    for number in range(size):
        habits, texts = Habits.drawn(rng), {}
        for exercise_id, sources in known.items():
            choices = list(sources.values())
            text = choices[0 if rng.random() < 0.5 else rng.integers(len(choices))]
            plain = rng.random() < published
            texts[exercise_id] = styled(text, rng, habits.plain() if plain else habits)
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
    exercises: Sequence[Exercise],
    seed: int = 0,
    size: int = CLASS,
    copies: int = COPIES,
    shares: Sequence[float] = SHARES,
) -> Rates:
    """Measure, on made-up classes of these exercises, what a score is worth.

    Args:
        shares: for each class, how many answers stand as published.
    """
    rng, published = np.random.default_rng(seed), published_of(exercises)
    classes = [Class(honest_class(exercises, rng, size, share), published) for share in shares]
    honest = np.zeros((len(classes), size * (size - 1) // 2))
    for group, row in zip(classes, honest, strict=True):
        scores = [pair.score for pair in group.pairs()]
        row[: len(scores)] = scores
    hidden, plain = defaultdict(list), defaultdict(list)
    held: dict[int, list[int]] = defaultdict(list)
    for functions in sorted({min(k, len(exercises)) for k in (2, 3, len(exercises))}):
        for number in range(copies):
            group = classes[number % len(classes)]
            victim, own = (group.works[i] for i in rng.choice(size, 2, replace=False))
            copy = copied_from(victim, own, functions, rng)
            taken = [name for name, text in copy.texts.items() if text is not own.texts[name]]
            same = Work(own.student, {**own.texts, **{name: victim.texts[name] for name in taken}})
            hidden[functions].append(group.score(victim, copy))
            plain[functions].append(group.score(victim, same))
            held[functions].append(sum(bool(group.own[victim.student][n, CODE]) for n in taken))
    as_published = sum(len(one.as_published(work)) for one in classes for work in one.works)
    return Rates(
        np.sort(honest),
        _arrays(hidden),
        _arrays(plain),
        len(exercises),
        as_published / (len(classes) * size * len(exercises)),
        _arrays(held),
    )


def _arrays(found: Mapping[int, list]) -> dict[int, np.ndarray]:
    return {copied: np.array(values) for copied, values in found.items()}
