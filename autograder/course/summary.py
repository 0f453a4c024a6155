"""What a class did, in words and as a table for the terminal; `class_page` has the page.

Names and texts that come from students are shown as they are, never interpreted: control
characters, which could move the cursor of a terminal, are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from autograder import exercises
from autograder.bars import printable
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


def table(
    results: Iterable[SubmissionResult], title: str = "", people: Roster | None = None
) -> Group:
    """Return a class as a table: student, score, what was misunderstood; with notes below it."""
    people = people or Roster()
    shown = Table(title=Text(title) if title else None, show_lines=True)
    shown.add_column("student", overflow="fold", max_width=24)
    shown.add_column("score", justify="right", no_wrap=True)
    shown.add_column("what they misunderstood", overflow="fold")
    notes = []
    for result in results:
        who = "\n".join(filter(None, (result.student, person(result.student, people))))
        cells = (who, score(result), "\n".join(understanding(result)))
        shown.add_row(*(Text("\n".join(map(printable, cell.split("\n")))) for cell in cells))
        notes += [Text(printable(f"{result.student}: {note}")) for note in result.problems]
    return Group(shown, *([Text("Notes for the instructor"), *notes] if notes else []))
