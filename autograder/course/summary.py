"""What a class did: a table for the terminal and a page for the browser.

Names and texts that come from students are shown as they are, never interpreted: HTML is escaped,
and control characters, which could move the cursor of a terminal, are replaced.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2
from rich.console import Group
from rich.table import Table
from rich.text import Text

from autograder import exercises
from autograder.bars import printable
from autograder.checking.report import Report
from autograder.course.roster import Roster
from autograder.grading.results import SubmissionResult, write_atomically

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
    results: Sequence[SubmissionResult], title: str = "", people: Roster | None = None
) -> Group:
    """Return a class as a table: student, score, what was misunderstood; notes stand under it."""
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


# ------------------------------------------------------------------------------------- HTML


def write_summary(
    path: Path, lesson: str, results: Sequence[SubmissionResult], people: Roster | None = None
) -> Path:
    """Write the page about a class and return its path."""
    write_atomically(path, summary_html(lesson, results, people).encode())
    return path


def summary_html(
    lesson: str, results: Sequence[SubmissionResult], people: Roster | None = None
) -> str:
    """Return one page about a class that needs no other file and no script."""
    return _template().render(
        title=f"Lesson {lesson}: what the class understood",
        lead=_lead(results),
        columns=COLUMNS,
        misunderstood=_misunderstood(results),
        exercises=_exercises(results),
        students=[
            {
                "name": result.student,
                "person": person(result.student, people or Roster()),
                "score": score(result),
                "understanding": understanding(result),
                "notes": result.problems,
            }
            for result in results
        ],
    )


def _columns(text: str) -> list[dict]:
    """Return the columns of a table; a # marks those that hold numbers."""
    names = [name.strip() for name in text.split(",")]
    return [{"name": name.lstrip("#"), "number": name.startswith("#")} for name in names]


COLUMNS = {
    "misunderstood": _columns("misconception, #students, share"),
    "exercises": _columns("exercise, #all points, #some, #none, #mean, all ▮ and some ▨"),
    "students": _columns("student, #score, what they misunderstood, notes for the instructor"),
}


@cache
def _template() -> jinja2.Template:
    """The page: whatever is put into it is escaped."""
    loader = jinja2.PackageLoader("autograder.course", "templates")
    pages = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    pages.filters["printable"] = printable
    return pages.get_template("summary.html")


def _lead(results):
    if not results:
        return "Nobody has been graded yet."
    scores = [result.score for result in results]
    points = number(max(result.points for result in results))
    middle = number(statistics.median(scores))
    full = sum(result.score == result.points for result in results)
    return (
        f"{len(results)} submissions. Half of them have {middle} or more of the {points} points "
        f"that are given automatically; {full} have all of them. Points that are given by hand "
        "are in nbgrader's gradebook."
    )


def _misunderstood(results):
    """Return (misconception, how many have it, their share), the most common first."""
    counts = Counter(name for result in results for name in result.misconceptions)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(name, count, count / len(results)) for name, count in ordered]


def _exercises(results):
    by_title: dict[tuple[str, str], list[Report]] = {}
    for result in results:
        for report in result.reports:
            by_title.setdefault((report.exercise_id, report.title), []).append(report)
    return [_exercise_row(*names, reports) for names, reports in by_title.items()]


def _exercise_row(exercise_id, title, reports):
    full = sum(report.score == report.points for report in reports)
    none = sum(report.score == 0 for report in reports)
    mean = statistics.fmean(report.score for report in reports)
    return {
        "id": exercise_id,
        "title": title,
        "count": len(reports),
        "full": full,
        "some": len(reports) - full - none,
        "none": none,
        "mean": f"{number(mean)} of {number(reports[0].points)}",
    }
