"""Marks as tables: the course's own CSV, and those that Canvas, Moodle and Blackboard read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course.errors import CourseError, nearest
from autograder.course.export.marks import Exported, Marks
from autograder.course.markbook import Line, Total, total
from autograder.course.roster import Person, Roster
from autograder.course.tables import Sheet, harmless, read_sheet, write_table

STUDENT = ("id", "name", "email", "section")
ABSENT = "not handed in"


def points(value: float) -> str:
    """A number of points with at most two digits after the point.

    >>> points(71.5), points(80.0), points(1 / 3)
    ('71.5', '80', '0.33')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def write_csv(marks: Marks, output: Path, **options: object) -> Exported:
    """Write marks.csv (a row a student) and questions.csv (a row a question of a student)."""
    lessons = [marks.lesson] if marks.lesson else marks.lessons
    columns = [f"{lesson}{kind}" for lesson in lessons for kind in ("", " bonus", " late")]
    rows: list[Sequence[object]] = [(*STUDENT, *columns, "total", "of", "percent")]
    for student in marks.students:
        own = [marks.counted[student].get(lesson) for lesson in lessons]
        cells = [cell for line in own for cell in _cells(line)]
        sums = _sums(total(filter(None, own), marks.settings))
        rows.append((*_names(marks.roster.person(student)), *cells, *sums))
    files = [write_table(output / "marks.csv", rows)]
    files.append(write_table(output / "questions.csv", _questions(marks, lessons)))
    return Exported(tuple(files), (*marks.waiting(lessons), *_undecided(marks, lessons)))


def _names(person: Person) -> tuple[str, ...]:
    return tuple(harmless(getattr(person, name)) for name in STUDENT)


def _cells(line: Line | None) -> tuple[str, str, str]:
    if line is None:
        return "", "", ABSENT
    absent = "" if line.handed_in or line.lateness.excused else ABSENT
    dropped = "dropped" if line.dropped else ""
    words = "; ".join(filter(None, (line.lateness.words, absent, dropped)))
    if not line.handed_in and line.lateness.excused:
        return "", "", words
    return points(line.final), points(line.bonus), words


def _sums(of: Total) -> tuple[str, ...]:
    """The total, of how many points, and in percent: nothing where nothing counts."""
    sums = (of.points, of.maximum, of.percent)
    return tuple(map(points, sums)) if of.maximum else ("", "", "")


def _undecided(marks: Marks, lessons: Sequence[str]) -> Iterator[str]:
    """Say which lessons are no part of a total only because they have no due date."""
    for lesson in lessons:
        if marks.settings.lesson(lesson).due is None:
            left = [who for who, own in marks.counted.items() if lesson not in own]
            if left:
                yield (
                    f"{lesson} is no part of the total of {len(left)} students, who have not "
                    "handed it in: with a `due` in course.toml it would count 0."
                )


def _questions(marks: Marks, lessons: Sequence[str]) -> Iterator[Sequence[object]]:
    yield ("id", "lesson", "question", "title", "score", "of", "bonus", "state")
    for line in marks.lines:
        if line.lesson in lessons:
            for one in line.questions:
                state = "to be marked" if one.waiting else "marked"
                numbers = map(points, (one.score, one.maximum, one.bonus))
                yield (harmless(line.student), line.lesson, one.name, one.title, *numbers, state)


# ---------------------------------------------------------------------------- other platforms


def write_canvas(
    marks: Marks, output: Path, template: Path | None = None, column: str = ""
) -> Exported:
    """Write what Canvas imports: its own export with one column filled, or a new table."""
    if template:
        return _filled(marks, output, template, column, _CANVAS)
    heading = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section", marks.lesson)
    rows = [
        (
            f"{person.family_name}, {person.given_name}".strip(", "),
            person.canvas,
            person.sis,
            person.email or person.id,
            person.section,
            _grade(marks, person, _CANVAS) or "",
        )
        for person in map(marks.roster.person, marks.students)
    ]
    path = output / f"{marks.lesson}-canvas.csv"
    return _written(marks, path, [heading, *rows], _CANVAS)


def write_moodle(
    marks: Marks, output: Path, template: Path | None = None, column: str = ""
) -> Exported:
    """Write what Moodle imports: a grading worksheet with its grades filled, or a new table."""
    if template:
        return _filled(marks, output, template, column or "Grade", _MOODLE)
    heading = ("ID number", "Email address", marks.lesson)
    rows = [
        (person.sis, person.email, grade)
        for person in map(marks.roster.person, marks.students)
        if (grade := _grade(marks, person, _MOODLE)) is not None
    ]
    path = output / f"{marks.lesson}-moodle.csv"
    return _written(marks, path, [heading, *rows], _MOODLE)


def write_blackboard(
    marks: Marks, output: Path, template: Path | None = None, column: str = ""
) -> Exported:
    """Write what Blackboard's grade centre imports: tabs between the columns, UTF-16."""
    if template:
        return _filled(marks, output, template, column, _BLACKBOARD)
    maximum = max(line.maximum for line in marks.lines if line.lesson == marks.lesson)
    heading = ("Username", "Last Name", "First Name", f"{marks.lesson} [Total Pts: {maximum:g}]")
    rows = [
        (person.id, person.family_name, person.given_name, grade)
        for person in map(marks.roster.person, marks.students)
        if (grade := _grade(marks, person, _BLACKBOARD)) is not None
    ]
    path = output / f"{marks.lesson}-blackboard.txt"
    return _written(marks, path, [heading, *rows], _BLACKBOARD, "\t", "utf-16")


def _written(
    marks: Marks, path: Path, rows, platform: _Platform, separator=",", encoding="utf-8"
) -> Exported:
    table = write_table(path, rows, separator, encoding)
    return Exported((table,), marks.notes(platform.told))


# How a platform's table says who a row is: (key of the roster, headings, how to read it).
Keys = Sequence[tuple[str, tuple[str, ...], Callable[[str], str]]]


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


@dataclass(frozen=True)
class _Platform:
    """How a platform's table names a row, and what it has for who is excused."""

    keys: Keys
    excused: str
    told: str  # of them, as a sentence's end


_CANVAS = _Platform(
    (("canvas", ("ID",), str), ("sis", ("SIS User ID",), str)),
    "EX",
    "have EX, by which Canvas excuses them",
)
_MOODLE = _Platform(
    (
        ("moodle", ("Identifier",), _digits),
        ("email", ("Email address",), str),
        ("sis", ("ID number",), str),
        ("name", ("Full name",), str),
    ),
    "",
    "have an empty grade: exclude it in Moodle's grader report where no grade counts as 0",
)
_BLACKBOARD = _Platform(
    (("id", ("Username",), str), ("sis", ("Student ID",), str)),
    "",
    "have an empty grade: exempt it in the grade centre where no grade counts as 0",
)


def _grade(marks: Marks, person: Person, platform: _Platform) -> str | None:
    """What a platform's table says of a person; None where there is no mark."""
    if person.id in marks.excused:
        return platform.excused
    line = marks.line(person.id, marks.lesson)
    return points(line.final) if line else None


def _filled(
    marks: Marks, output: Path, template: Path, column: str, platform: _Platform
) -> Exported:
    """Fill one column of a platform's own table; who has no mark keeps the old value."""
    keys = platform.keys
    sheet = read_sheet(template)
    place = _column(sheet, column or marks.lesson)
    if place in [sheet.column(*headings) for _, headings, _ in keys]:
        raise CourseError(f"{sheet.heading[place]!r} says who a row is: name another --column.")
    rows, filled = [], set()
    for row in sheet.rows:
        person = _person(sheet, row, marks.roster, keys)
        grade = _grade(marks, person, platform) if person else None
        if person and grade is not None:
            filled.add(person.id)
            row = (*row[:place], grade, *row[place + 1 :])
        rows.append(row)
    lost = [line.student for line in marks.own if line.student not in filled]
    notes = [*marks.notes(platform.told)]
    if lost:
        shown = ", ".join(lost[:5]) + ("…" if len(lost) > 5 else "")
        notes.append(f"{len(lost)} students with marks stand in no row of {template.name}: {shown}")
    path = output / template.name
    if path.resolve() == template.resolve():
        raise CourseError(f"{path} is the template: name another folder with --output.")
    target = write_table(path, [sheet.heading, *rows], sheet.separator, sheet.encoding)
    return Exported((target,), tuple(notes), len(lost))


def _person(sheet: Sheet, row: Sequence[str], roster: Roster, keys: Keys) -> Person | None:
    for key, headings, read in keys:
        at = sheet.column(*headings)
        value = read(row[at]) if at is not None else ""
        if value and (person := roster.find(key, value)):
            return person
    return None


def _column(sheet: Sheet, name: str) -> int:
    """The column of a lesson: of that heading, or the only one that begins with its name."""
    if (place := sheet.column(name)) is not None:
        return place
    wanted = _plain(name)
    found = [at for at, heading in enumerate(sheet.heading) if _plain(heading).startswith(wanted)]
    if len(found) != 1:
        listed = ", ".join(sheet.heading)
        raise CourseError(
            f"{sheet.path}: no column is clearly that of {name}.{nearest(name, sheet.heading)} "
            f"Name it with --column; there are: {listed}."
        )
    return found[0]


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text).strip().lower()
