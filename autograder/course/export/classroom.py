"""What Classroom 50 and GitHub Actions read: a result.json and a summary.md of each student.

The form is `schemas/result-v1.schema.json` of foundation50/classroom50, which holds whole points
only: where a class has halves, all its points are multiplied alike, and a note says by how much.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from autograder.bars import printable
from autograder.course.export.marks import Exported, Marks
from autograder.course.markbook import Line
from autograder.grading.results import write_atomically

SCHEMA = "classroom50/result/v1"
FACTORS = (1, 2, 4, 10, 20, 100)  # that may make points whole
EPOCH = datetime.datetime(1970, 1, 1)


def write(marks: Marks, output: Path, **options: object) -> Exported:
    """Write STUDENT/result.json and STUDENT/summary.md for who handed in and is not excused."""
    lines = marks.own
    factor = whole(lines)
    files = []
    for line in lines:
        text = json.dumps(result(line, marks, factor), indent=2, ensure_ascii=False)
        for name, content in (("result.json", text), ("summary.md", summary(line))):
            files.append(output / line.student / name)
            write_atomically(files[-1], content.encode())
    told = marks.notes("have no file, because Classroom 50 knows no excuse")
    return Exported(tuple(files), (*_notes(lines, factor), *told))


def whole(lines: Iterable[Line]) -> int:
    """Return the least factor that makes all points of a class whole; the last one at worst."""
    values = [
        value
        for line in lines
        for value in (line.final, line.maximum, *(q.score for q in line.questions))
    ]
    fits = (f for f in FACTORS if all(abs(v * f - round(v * f)) < 1e-6 for v in values))
    return next(fits, FACTORS[-1])


def _notes(lines: Sequence[Line], factor: int) -> Iterable[str]:
    if factor > 1:
        yield f"Classroom 50 holds whole points only: all points are multiplied by {factor}."
    over = sum(line.final > line.maximum for line in lines)
    if over:
        yield f"{over} students have more than all points; Classroom 50 shows all of them."
    unknown = sum(line.when is None for line in lines)
    if unknown:
        yield f"{unknown} hand-ins have no time: they are dated {EPOCH:%Y-%m-%d}."


def result(line: Line, marks: Marks, factor: int = 1) -> dict:
    """Return the result.json of one student.

    The commit is not known here: the tag is made of the time and a digest of who handed in, and
    the links lead to the student's repository.
    """
    settings, person = marks.settings.classroom, marks.roster.person(line.student)
    owner = person.github or person.id
    when = line.when or EPOCH
    digest = hashlib.sha256(f"{owner}/{line.lesson}/{when}".encode()).hexdigest()[:7]
    tag = f"submit/{when:%Y-%m-%dT%H-%M-%SZ}-{digest}"
    classroom = settings.name or "classroom"
    place = f"{settings.url.rstrip('/')}/{quote(f'{classroom}-{line.lesson}-{owner}')}"
    points = round(factor * line.maximum)
    return {
        "schema": SCHEMA,
        "classroom": classroom,
        "assignment": line.lesson,
        "assignment_type": "individual",
        "owner": owner,
        "submission": tag,
        "commit": f"{place}/commits",
        "release": f"{place}/releases/tag/{quote(tag, safe='')}",
        "review": f"{place}/commits",
        "datetime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "score": min(round(factor * line.final), points),
        "max-score": points,
        "tests": [
            {
                "test-name": one.title,
                "passed": one.score >= one.maximum and not one.waiting,
                "score": round(factor * min(one.score, one.maximum)),
                "max-score": round(factor * one.maximum),
            }
            for one in line.questions
        ],
    }


def summary(line: Line) -> str:
    """Return one student's marks as Markdown, for a job's summary on GitHub."""
    rows = [(one.title, one.score + one.bonus, one.maximum) for one in line.questions]
    open_ = sum(one.waiting for one in line.questions)
    waits = f"{open_} answers wait for a person to mark them: they count 0." if open_ else ""
    said = filter(None, (line.lateness.words, waits))
    return markdown(line.lesson, rows, line.final, line.maximum, said)


def markdown(
    title: str,
    rows: Iterable[tuple[str, float, float]],
    score: float,
    points: float,
    notes: Iterable[str] = (),
) -> str:
    """Return a table of (name, score, points) as Markdown in which no name is markup.

    >>> print(markdown("Lesson", [("a|b", 1.5, 2)], 1.5, 2))
    ### Lesson: 1.5 of 2 points
    <BLANKLINE>
    | | score | of |
    |---|---:|---:|
    | a\\|b | 1.5 | 2 |
    <BLANKLINE>
    """
    lines = [f"### {_plain(title)}: {score:g} of {points:g} points", ""]
    lines += ["| | score | of |", "|---|---:|---:|"]
    lines += [f"| {_plain(name)} | {got:g} | {of:g} |" for name, got, of in rows]
    return "\n".join([*lines, *(f"\n{_plain(note)}" for note in notes)]) + "\n"


def _plain(text: str) -> str:
    for letter in "\\`*_[]<>|":
        text = text.replace(letter, f"\\{letter}")
    return printable(text)
