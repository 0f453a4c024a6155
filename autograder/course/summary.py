"""What a class did, in words and as a table for the terminal; `class_page` has the page.

Names and texts that come from students are shown as they are, never interpreted: control
characters, which could move the cursor of a terminal, are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from autograder import exercises
from autograder.bars import Cell, printable
from autograder.checking.report import Report
from autograder.course.roster import Roster
from autograder.grading.results import SubmissionResult

NOT_WRITTEN = "not written yet"


def number(value: float) -> str:
    """Return a number with at most two digits after the point, and no more than it needs."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def score(result: SubmissionResult) -> str:
    """Return the score as '71.5/80', with bonus points as '71.5/80 + 2'."""
    text = f"{number(result.score)}/{number(result.points)}"
    return f"{text} + {number(result.bonus)}" if result.bonus else text


def understanding(result: SubmissionResult) -> list[str]:
    """Say in a few words what a student has misunderstood, or has not done yet."""
    left = [r for r in result.reports if r.score < r.points and not r.misconceptions]
    lost = {r.exercise_id for r in result.reports if r.score < r.points}
    kinds: dict[str, list[str]] = {
        "not written yet": [],
        "could not be run": [],
        "follows from a mistake before": [],
        "wrong in a way of their own": [],
    }
    for report in left:
        kinds[_kind(report, result, lost)].append(report.title)
    words = [
        f"{kind}: {_listed(titles, len(result.reports))}"
        for kind, titles in kinds.items()
        if titles
    ]
    return [*result.misconceptions, *words]


def _kind(report: Report, result: SubmissionResult, lost: set[str]) -> str:
    if all(row.message == NOT_WRITTEN for row in report.rows):
        return "not written yet"
    if report.exercise_id in result.unobserved:
        return "could not be run"
    prefix = report.exercise_id.rpartition(".")[0]
    before = exercises.find(report.exercise_id).functions[:-1]
    if lost & {f"{prefix}.{name}" for name in before}:
        return "follows from a mistake before"
    return "wrong in a way of their own"


def _listed(names: Sequence[str], of: int, most: int = 2) -> str:
    if len(names) == of:
        return "everything"
    return "; ".join(names) if len(names) <= most else f"{len(names)} of {of} exercises"


def person(student: str, people: Roster) -> str:
    """Return the name and section of a student, as far as the roster has them.

    >>> from autograder.course.roster import Person
    >>> person("ada", Roster([Person("ada", "Ada Lovelace", section="Monday")]))
    'Ada Lovelace (Monday)'
    """
    found = people.person(student)
    return " ".join(filter(None, (found.name, found.section and f"({found.section})")))


class Line(NamedTuple):
    """What a table says of one result, which is a hundredth of it."""

    student: str
    score: str
    understood: str
    notes: tuple[str, ...]


def line(result: SubmissionResult) -> Line:
    """Return what a table says of a result."""
    return Line(result.student, score(result), "\n".join(understanding(result)), result.problems)


def table(lines: Iterable[Line], title: str = "", people: Roster | None = None) -> Group:
    """Return a class as a table: student, score, what was misunderstood; with notes below it."""
    people = people or Roster()
    shown = Table(title=Text(title) if title else None, show_lines=True, padding=0)
    shown.add_column(Cell("student"), overflow="fold", max_width=24 + Cell.SPACES)
    shown.add_column(Cell("score"), justify="right", no_wrap=True)
    shown.add_column(Cell("what they misunderstood"), overflow="fold")
    notes = []
    for one in lines:
        who = "\n".join(filter(None, (one.student, person(one.student, people))))
        cells = (who, one.score, one.understood)
        shown.add_row(*(Cell("\n".join(map(printable, cell.split("\n")))) for cell in cells))
        notes += [Text(printable(f"{one.student}: {note}")) for note in one.notes]
    return Group(shown, *([Text("Notes for the instructor"), *notes] if notes else []))
