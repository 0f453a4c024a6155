"""Marks for other systems: CSV, Canvas, Moodle, Blackboard and Gradescope.

    export(course, "canvas", out, lesson, template=Path("exported.csv"))

A format is a module of this folder with a function `write`; `FORMATS` names them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder.course.folder import Course, CourseError
from autograder.course.markbook import Line, marks
from autograder.course.roster import Roster, read_roster
from autograder.course.settings import Settings, read_settings


@dataclass(frozen=True)
class Marks:
    """What an export is made from."""

    lines: Sequence[Line]
    roster: Roster
    settings: Settings
    lesson: str = ""  # where a format holds one lesson

    @property
    def students(self) -> list[str]:
        """Everyone of the roster or with a mark, once."""
        return sorted({*self.roster.people, *(line.student for line in self.lines)})

    @property
    def lessons(self) -> list[str]:
        """Lessons that somebody handed in."""
        return sorted({line.lesson for line in self.lines})

    def line(self, student: str, lesson: str) -> Line | None:
        """The marks of one student in one lesson."""
        return self._by_place.get((student, lesson))

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], Line]:
        return {(line.student, line.lesson): line for line in self.lines}

    def of(self, student: str) -> list[Line]:
        """All lessons of one student."""
        found = (self.line(student, lesson) for lesson in self.lessons)
        return [line for line in found if line]


@dataclass(frozen=True)
class Exported:
    """Files that were written, and a sentence for each thing that somebody should know."""

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def marks_of(course: Course, lesson: str = "") -> Marks:
    """Return what the course's gradebook holds; raises `CourseError` when nobody is marked."""
    settings = read_settings(course.root)
    lines = marks(course, settings)
    if not any(line.lesson == lesson or not lesson for line in lines):
        of = f" for {lesson}" if lesson else ""
        raise CourseError(f"Nobody has marks{of} yet: run `autograder grade` first.")
    return Marks(lines, read_roster(course), settings, lesson)


def export(
    course: Course,
    name: str,
    output: Path,
    lesson: str = "",
    template: Path | None = None,
    column: str = "",
    replace: bool = False,
) -> Exported:
    """Write marks in the form of another system.

    Args:
        name: a key of `FORMATS`.
        output: the folder to write into; files that are there are kept unless `replace`.
        lesson: full name; formats other than csv hold one lesson.
        template: what the platform exported, for Canvas, Moodle and Blackboard: the lesson's
            column is filled and nothing else is touched.
        column: heading of that column, where the lesson's name does not find it.
    """
    from autograder.course.export import gradescope, sheets

    formats: dict[str, Callable[..., Exported]] = {
        "csv": sheets.write_csv,
        "canvas": sheets.write_canvas,
        "moodle": sheets.write_moodle,
        "blackboard": sheets.write_blackboard,
        "gradescope": gradescope.write,
    }
    if name != "csv" and not lesson:
        raise CourseError(f"--{name} holds one lesson: name it after the course.")
    found = marks_of(course, lesson)
    if not replace:
        _keep(Path(output))
    return formats[name](found, Path(output), template=template, column=column)


def _keep(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise CourseError(f"{output} is a file: name a folder.")
    if output.is_dir() and any(output.iterdir()):
        raise CourseError(
            f"{output} exists and is not empty: name another folder, or add --replace."
        )
