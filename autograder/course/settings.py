"""What an instructor decides about a course: `course.toml`, beside nbgrader's configuration.

    [course]
    name = "Training neural networks"

    [late]
    days = 5                 # of each student, for all lessons together
    most_per_lesson = 2      # of them
    grace_minutes = 15       # that cost nothing
    penalty_per_day = 0.1    # of the points earned, for each day that is not covered
    closed_after_days = 7    # later hand-ins get no points

    [marks]
    drop_lowest = 1          # lesson of each student

    [lessons.02_batch_normalization]
    due = 2026-10-01T23:59:00+02:00
    points = 10              # what its 100 points count in the course
    leave_out = ["normalization.fold_batchnorm"]
    regrades_until = 2026-10-15

    [lessons.02_batch_normalization.extensions]
    ada = 2026-10-04T23:59:00+02:00
    carl = "excused"

    [classroom]
    name = "cs231n"                      # of Classroom 50, and where its repositories are
    url = "https://github.com/my-school"

    [lti]                                # see autograder/course/export/lti.py
    credentials = "lti.toml"

All of it may be left out. What changes later reaches marks that are already given.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from autograder.course.errors import CourseError, nearest

FILE = "course.toml"
EXCUSED = "excused"
WHOLE = ("days", "most_per_lesson")  # entries of [late] that count days
TIMES = ("due", "regrades_until")  # of a lesson


@dataclass(frozen=True)
class LateRule:
    """What a late hand-in costs. Without a rule, `course.toml` takes nothing off."""

    days: int = 0  # a student's budget over all lessons
    most_per_lesson: int = 1_000  # days of the budget that one lesson may take
    grace_minutes: float = 0
    penalty_per_day: float = 0.0  # fraction of the points earned, for a day the budget lacks
    closed_after_days: float | None = None


@dataclass(frozen=True)
class LessonSettings:
    """What is decided about one lesson; times are in UTC, without a zone."""

    due: datetime.datetime | None = None
    points: float = 100.0
    leave_out: tuple[str, ...] = ()
    regrades_until: datetime.datetime | None = None
    extensions: Mapping[str, datetime.datetime] = field(default_factory=dict)
    excused: frozenset[str] = frozenset()

    def due_of(self, student: str) -> datetime.datetime | None:
        """When this student's work is due."""
        return self.extensions.get(student, self.due)


@dataclass(frozen=True)
class Classroom:
    """A classroom of Classroom 50: its short name, and the page of its organization."""

    name: str = ""
    url: str = "https://github.com"


@dataclass(frozen=True)
class Lti:
    """A platform that speaks LTI: the file of credentials, and the address of each lesson."""

    credentials: str = ""
    lineitems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """The whole of `course.toml`."""

    name: str = ""
    late: LateRule | None = None
    drop_lowest: int = 0
    lessons: Mapping[str, LessonSettings] = field(default_factory=dict)
    classroom: Classroom = field(default_factory=Classroom)
    lti: Lti = field(default_factory=Lti)

    def lesson(self, name: str) -> LessonSettings:
        """What is decided about a lesson, if only by default."""
        return self.lessons.get(name, LessonSettings())


def read_settings(root: Path) -> Settings:
    """Read the settings of the course in `root`; defaults where there is no `course.toml`.

    Raises `CourseError` that names the entry, what stands there and what may stand there.
    """
    path = Path(root) / FILE
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Settings()
    except UnicodeDecodeError:
        raise CourseError(f"{path} is not written in UTF-8: save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise CourseError(f"{path} is not TOML: {error}.") from None
    return _settings(data)


def require_known(settings: Settings, lessons: Collection[str], students: Collection[str]) -> None:
    """Raise `CourseError` for what has no effect: a name that is nobody's, a lesson too many.

    Args:
        lessons: of the course, and those that it may still get.
        students: of the roster; none where there is no roster, and any name may be right.
    """
    if settings.drop_lowest >= max(len(lessons), 1):
        most = f"less than {len(lessons)}, the number of lessons: one has to count"
        raise _wrong("marks.drop_lowest", settings.drop_lowest, most)
    for name, lesson in settings.lessons.items():
        if name not in lessons:
            raise CourseError(f"{FILE}: there is no lesson {name!r}.{nearest(name, lessons)}")
        for student in (*lesson.extensions, *lesson.excused):
            if students and student not in students:
                raise CourseError(
                    f"{FILE}: lessons.{name}.extensions names {student!r}, who is not in the "
                    f"roster.{nearest(student, students)}"
                )


def _settings(data: dict[str, Any]) -> Settings:
    _known("", data, ("course", "late", "marks", "lessons", "classroom", "lti"))
    course = _table(data, "course", ("name",))
    marks = _table(data, "marks", ("drop_lowest",))
    late = None
    if "late" in data:
        given = _table(data, "late", [one.name for one in fields(LateRule)])
        amounts: dict[str, Any] = {
            name: (_whole if name in WHOLE else _amount)(f"late.{name}", value)
            for name, value in given.items()
        }
        late = LateRule(**amounts)
        if late.penalty_per_day > 1:
            raise _wrong("late.penalty_per_day", late.penalty_per_day, "a fraction, as 0.1")
    lessons = data.get("lessons", {})
    if not isinstance(lessons, dict):
        raise _wrong("lessons", lessons, "tables such as [lessons.02_batch_normalization]")
    return Settings(
        name=_text("course.name", course.get("name", "")),
        late=late,
        drop_lowest=_whole("marks.drop_lowest", marks.get("drop_lowest", 0)),
        lessons={name: _lesson(name, lessons) for name in lessons},
        classroom=Classroom(**_texts(data, "classroom", ("name", "url"))),
        lti=_lti(data),
    )


def _lti(data: dict[str, Any]) -> Lti:
    given = _table(data, "lti", ("credentials", "lineitems"))
    items = _texts(given, "lineitems", None, "lti.")
    return Lti(_text("lti.credentials", given.get("credentials", "")), items)


def _texts(data: dict[str, Any], name: str, known, before: str = "") -> dict[str, str]:
    given = _table(data, name, known, before)
    return {key: _text(f"{before}{name}.{key}", value) for key, value in given.items()}


def _lesson(name: str, lessons: dict[str, Any]) -> LessonSettings:
    place = f"lessons.{name}"
    known = ("due", "points", "leave_out", "regrades_until", "extensions")
    given = _table(lessons, name, known, "lessons.")
    left_out = given.get("leave_out", [])
    if not isinstance(left_out, list):
        raise _wrong(f"{place}.leave_out", left_out, "a list of exercises")
    each = _table(given, "extensions", None, f"{place}.")
    for student, until in each.items():
        if isinstance(until, str) and until != EXCUSED:
            raise _wrong(f"{place}.extensions.{student}", until, f"a time, or {EXCUSED!r}")
    times = {key: _time(f"{place}.{key}", given[key]) for key in TIMES if key in given}
    extensions = {
        student: _time(f"{place}.extensions.{student}", until)
        for student, until in each.items()
        if until != EXCUSED
    }
    named = {f"extensions.{student}": until for student, until in extensions.items()}
    _require_ordered(place, times | named)
    return LessonSettings(
        due=times.get("due"),
        regrades_until=times.get("regrades_until"),
        points=_amount(f"{place}.points", given.get("points", 100.0)),
        leave_out=tuple(_text(f"{place}.leave_out", one) for one in left_out),
        extensions=extensions,
        excused=frozenset(student for student, until in each.items() if until == EXCUSED),
    )


def _require_ordered(place: str, times: Mapping[str, datetime.datetime]) -> None:
    """Nothing of a lesson ends before the lesson is due."""
    due = times.get("due", datetime.datetime.min)
    for key, when in times.items():
        if when < due:
            raise _wrong(f"{place}.{key}", f"{when} UTC", f"not before {due} UTC, when it is due")


def _table(data: dict, name: str, known, before: str = "") -> dict[str, Any]:
    found = data.get(name, {})
    if not isinstance(found, dict):
        raise _wrong(before + name, found, f"a table [{before}{name}]")
    if known is not None:
        _known(f"{before}{name}.", found, known)
    return found


def _known(before: str, given: dict, known) -> None:
    for name in given:
        if name not in known:
            raise CourseError(
                f"{FILE}: there is no entry {before}{name}.{nearest(name, known)} "
                f"Entries: {', '.join(known)}."
            )


def _amount(place: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise _wrong(place, value, "a number that is not negative")
    return value


def _whole(place: str, value: Any) -> int:
    if _amount(place, value) != int(value):
        raise _wrong(place, value, "a whole number")
    return int(value)


def _text(place: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(place, value, "text in quotes")
    return value


def _time(place: str, value: Any) -> datetime.datetime:
    """A time of TOML, or a day that lasts until its end; without a zone it is UTC."""
    if isinstance(value, datetime.datetime):
        try:
            return in_utc(value)
        except OverflowError:
            raise _wrong(place, f"{value}", "in the years 1 to 9999, also in UTC") from None
    if isinstance(value, datetime.date):
        return datetime.datetime.combine(value, datetime.time(23, 59, 59))
    raise _wrong(place, value, "a time such as 2026-10-01T23:59:00+02:00")


def in_utc(when: datetime.datetime) -> datetime.datetime:
    """Return a time in UTC, without a zone, as nbgrader keeps it."""
    if when.tzinfo is None:
        return when
    return when.astimezone(datetime.UTC).replace(tzinfo=None)


def _wrong(place: str, value: Any, wanted: str) -> CourseError:
    return CourseError(f"{FILE}: {place} is {value!r}; it should be {wanted}.")
