"""Rubrics of the questions that people mark: items with points, and the marks made of them.

    COURSE/.autograder/rubrics/LESSON.json

A mark names the items that an answer has, so an item that changes its points changes every mark
that has it. A rubric begins as the lesson's author wrote it, after the model answer:

    *Rubric.* (a) 2 points: 1 for the mean that moves along, 1 for the output. (b) 1 point.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from autograder.course.errors import CourseError
from autograder.grading.results import write_atomically

FIRST, SECOND = ROUNDS = ("first", "second")  # the second time only says how far people agree
NUMBER = r"\d+(?:\.\d+)?"
# Where a part of a rubric begins: "(a) 2 points", "1.5 points" after a full stop or semicolon.
PART = re.compile(rf"(?:^|(?<=[.;] ))(?=(?:\([a-h]\) )?{NUMBER} points?\b)")
HEAD = re.compile(rf"(\([a-h]\) )?({NUMBER}) points?\b")
FOR = re.compile(rf"({NUMBER}) (?:points? )?for (.+?)(?=[,;] (?:and )?{NUMBER}\b|$)")
AFTER = re.compile(rf"(.+?) \(({NUMBER})\)")


@dataclass(frozen=True)
class Item:
    """One line of a rubric. Points may be negative; `key` stays when the text is changed."""

    key: str
    points: float
    text: str


@dataclass(frozen=True)
class Mark:
    """What a person decided about an answer."""

    items: tuple[str, ...]  # keys of what the answer has
    adjust: float = 0.0  # points on top, or taken off, for what no item says
    comment: str = ""
    by: str = ""


@dataclass
class Rubric:
    """The items of one question and the marks of its answers, by digest of the answer and round."""

    items: list[Item] = field(default_factory=list)
    marks: dict[str, dict[str, Mark]] = field(default_factory=dict)

    def score(self, mark: Mark, maximum: float) -> float:
        """Return the points of a mark, from 0 to the points of the question."""
        points = {item.key: item.points for item in self.items}
        earned = sum(points.get(key, 0.0) for key in mark.items) + mark.adjust
        return float(min(max(round(earned, 6), 0.0), maximum))

    def comments(self) -> list[str]:
        """Comments that were given, the most frequent first."""
        given = [m.comment for rounds in self.marks.values() for m in rounds.values() if m.comment]
        return sorted(set(given), key=lambda text: (-given.count(text), text))

    def agreement(self, maximum: float) -> dict[str, float]:
        """Return how far two marks of an answer agree: how many, the same, mean difference."""
        pairs = [
            [self.score(rounds[one], maximum) for one in ROUNDS]
            for rounds in self.marks.values()
            if set(ROUNDS) <= rounds.keys()
        ]
        apart = [abs(first - second) for first, second in pairs]
        mean = sum(apart) / len(apart) if apart else 0.0
        return {"count": len(apart), "same": apart.count(0.0), "difference": round(mean, 3)}


# ------------------------------------------------------------------------------ as it was written


def split_answer(text: str) -> tuple[str, str]:
    """Return the model answer and the rubric of an answer cell.

    >>> split_answer("*Model answer.* Yes.\\n\\n*Rubric.* 5 points.")
    ('*Model answer.* Yes.', '5 points.')
    """
    model, _, rubric = text.partition("*Rubric.*")
    return model.strip(), " ".join(rubric.split())


def items_of(rubric: str, maximum: float) -> list[Item]:
    """Return the items of a rubric in an author's words; one item where they do not add up.

    >>> [(i.points, i.text) for i in items_of("(a) 2 points: 1 for x, 1 for y. (b) 1 point.", 3)]
    [(1.0, '(a) x'), (1.0, '(a) y'), (1.0, '(b)')]
    """
    parts = [part.strip() for part in PART.split(rubric) if part.strip()]
    found = [item for part in parts for item in _items_of_part(part)]
    if sum(points for points, _ in found) != maximum:
        found = [(maximum, rubric or "all of it is right")]
    return [Item(str(number), points, text) for number, (points, text) in enumerate(found, 1)]


def _items_of_part(part: str) -> list[tuple[float, str]]:
    """Return (points, text) of one part, as fine as its numbers allow."""
    head = HEAD.match(part)
    if head is None:
        return []
    label, total, rest = head[1] or "", float(head[2]), part[head.end() :].rstrip(".; ")
    if rest.startswith(" for "):
        listed = [(float(n), text) for n, text in FOR.findall(part.rstrip(".; "))]
        return [(n, label + text) for n, text in listed]
    said = rest.lstrip(":, ")
    ways = (
        [(float(n), text) for n, text in FOR.findall(said)],
        [(float(n), text.lstrip(",;: ")) for text, n in AFTER.findall(said)],
    )
    for listed in ways:
        if listed and sum(n for n, _ in listed) == total:
            return [(n, label + text) for n, text in listed]
    return [(total, (label + said).strip())]


# ------------------------------------------------------------------------------------- the file


@dataclass
class Rubrics:
    """All rubrics of a lesson, and the people among whom its questions are dealt."""

    questions: dict[str, Rubric] = field(default_factory=dict)
    graders: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RubricFile:
    """The file of a lesson. Several people may change it at the same time, each in one step."""

    path: Path

    def read(self) -> Rubrics:
        """Return what is kept; raises `CourseError` where the file is broken."""
        try:
            return _from_dict(json.loads(self.path.read_text("utf-8")))
        except FileNotFoundError:
            return Rubrics()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CourseError(f"{self.path} cannot be read ({error}): take a backup.") from None

    @contextlib.contextmanager
    def change(self) -> Iterator[Rubrics]:
        """Read the file, and write it when the block ends without an error."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(self.path.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            rubrics = self.read()
            yield rubrics
            text = json.dumps(asdict(rubrics), ensure_ascii=False, indent=1)
            write_atomically(self.path, text.encode())


def _from_dict(data: Mapping) -> Rubrics:
    questions = {
        name: Rubric(
            [Item(**item) for item in one["items"]],
            {
                group: {
                    which: Mark(**{**mark, "items": tuple(mark["items"])})
                    for which, mark in rounds.items()
                }
                for group, rounds in one["marks"].items()
            },
        )
        for name, one in data["questions"].items()
    }
    return Rubrics(questions, list(data["graders"]))
