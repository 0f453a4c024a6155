"""What a class did: a table for the terminal and a page for the browser.

Names and texts that come from students are shown as they are, never interpreted: HTML is escaped,
and control characters, which could move the cursor of a terminal, are replaced.
"""

from __future__ import annotations

import html
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from autograder import exercises
from autograder.bars import printable
from autograder.checking.report import Report
from autograder.grading.results import SubmissionResult, write_atomically

NOT_WRITTEN = "not written yet"
NUMBER = '<td class="number">'


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


def table(results: Sequence[SubmissionResult], title: str = "") -> Table:
    """Return a class as a table: student, score, what was misunderstood, notes."""
    shown = Table(title=Text(title) if title else None, show_lines=True)
    shown.add_column("student", overflow="fold", max_width=24)
    shown.add_column("score", justify="right", no_wrap=True)
    shown.add_column("what they misunderstood", ratio=2, overflow="fold")
    shown.add_column("notes for the instructor", ratio=2, overflow="fold")
    for result in results:
        cells = (
            result.student,
            score(result),
            "\n".join(understanding(result)),
            "\n".join(result.problems),
        )
        shown.add_row(*(Text("\n".join(map(printable, cell.split("\n")))) for cell in cells))
    return shown


# ------------------------------------------------------------------------------------- HTML

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d0d7de; --grey: #57606a;
  --full: #1f6feb; --part: #9cc3f5 }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e6edf3; --paper: #0d1117; --line: #30363d;
  --grey: #9198a1; --full: #4493f8; --part: #2f5a94 }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper) }}
.wide {{ overflow-x: auto; margin: 0 0 2.5rem }}
table {{ border-collapse: collapse; width: 100% }}
caption {{ text-align: left; font-size: 1.25rem; font-weight: 600; padding: .5rem 0 }}
th, td {{ text-align: left; vertical-align: top; padding: .35rem .6rem;
  border-bottom: 1px solid var(--line) }}
thead th {{ vertical-align: bottom }}
tbody th {{ min-width: 10rem; font-weight: 600; overflow-wrap: anywhere }}
th.number, td.number {{ text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums }}
th code {{ font-weight: 400; color: var(--grey) }}
ul {{ margin: 0; padding-left: 1.1rem; min-width: 12rem; overflow-wrap: anywhere }}
.bar {{ display: flex; height: 1.1rem; min-width: 8rem; border: 1px solid var(--grey) }}
.all {{ background: var(--full) }}
.some {{ background: repeating-linear-gradient(45deg, var(--part) 0 4px, var(--paper) 4px 8px) }}
.count {{ background: var(--grey) }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{lead}</p>
{misunderstood}
{exercises}
{students}
</body>
</html>
"""


def write_summary(path: Path, lesson: str, results: Sequence[SubmissionResult]) -> Path:
    """Write the page about a class and return its path."""
    write_atomically(path, summary_html(lesson, results).encode())
    return path


def summary_html(lesson: str, results: Sequence[SubmissionResult]) -> str:
    """Return one page about a class that needs no other file and no script."""
    title = html.escape(printable(f"Lesson {lesson}: what the class understood"))
    return PAGE.format(
        title=title,
        lead=_lead(results),
        misunderstood=_misunderstood(results),
        exercises=_exercises(results),
        students=_students(results),
    )


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
    counts = Counter(name for result in results for name in result.misconceptions)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [
        (_text(name), _number(str(count)), _bar([("count", count / len(results))]))
        for name, count in ordered
    ]
    return _table(
        "What was misunderstood, and by how many", ("misconception", "students", "share"), rows
    )


def _exercises(results):
    by_title: dict[tuple[str, str], list[Report]] = {}
    for result in results:
        for report in result.reports:
            by_title.setdefault((report.exercise_id, report.title), []).append(report)
    rows = [_exercise_row(*names, reports) for names, reports in by_title.items()]
    columns = ("exercise", "all points", "some", "none", "mean", "all ▮ and some ▨")
    return _table("How the exercises went", columns, rows)


def _exercise_row(exercise_id, title, reports):
    full = sum(report.score == report.points for report in reports)
    none = sum(report.score == 0 for report in reports)
    some, mean = len(reports) - full - none, statistics.fmean(r.score for r in reports)
    name = f"{html.escape(title)}<br><code>{html.escape(exercise_id)}</code>"
    share = f"{number(mean)} of {number(reports[0].points)}"
    bar = _bar([("all", full / len(reports)), ("some", some / len(reports))])
    return (f"<td>{name}</td>", *map(_number, (str(full), str(some), str(none), share)), bar)


def _students(results):
    rows = [
        (
            _text(result.student),
            _number(score(result)),
            _list(understanding(result)),
            _list(result.problems),
        )
        for result in results
    ]
    columns = ("student", "score", "what they misunderstood", "notes for the instructor")
    return _table("Everyone", columns, rows)


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; `rows` hold whole cells, of which the first is the row's heading."""
    if not rows:
        return f"<p>{html.escape(caption)}: nothing to show.</p>"
    numeric = [' class="number"' if cell.startswith(NUMBER) else "" for cell in rows[0]]
    head = "".join(
        f'<th scope="col"{kind}>{html.escape(column)}</th>'
        for column, kind in zip(columns, numeric, strict=True)
    )
    body = "".join(f"<tr>{''.join([_heading(row[0]), *row[1:]])}</tr>\n" for row in rows)
    return (
        f'<div class="wide"><table><caption>{html.escape(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>"
    )


def _heading(cell: str) -> str:
    return '<th scope="row">' + cell.removeprefix("<td>").removesuffix("</td>") + "</th>"


def _text(text: str) -> str:
    return f"<td>{html.escape(printable(text))}</td>"


def _number(text: str) -> str:
    return f"{NUMBER}{html.escape(text)}</td>"


def _list(texts: Iterable[str]) -> str:
    items = "".join(f"<li>{html.escape(printable(text))}</li>" for text in texts)
    return f"<td><ul>{items}</ul></td>" if items else "<td></td>"


def _bar(parts: Iterable[tuple[str, float]]) -> str:
    """Return a bar of shares; the numbers stand beside it, so that it need not be read aloud."""
    inner = "".join(
        f'<span class="{kind}" style="width:{share:.1%}"></span>' for kind, share in parts
    )
    return f'<td><div class="bar" aria-hidden="true">{inner}</div></td>'
