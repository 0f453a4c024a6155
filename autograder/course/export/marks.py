"""What an export is made from, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.markbook import Line, marks
from autograder.course.roster import Roster, read_roster
from autograder.course.settings import Settings


@dataclass(frozen=True)
class Marks:
    """What an export is made from."""

    lines: Sequence[Line]
    roster: Roster
    settings: Settings
    lesson: str = ""  # where a format holds one lesson

    @cached_property
    def students(self) -> list[str]:
        """Everyone of the roster or with a mark, once."""
        return sorted({*self.roster.people, *(line.student for line in self.lines)})

    @cached_property
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
    problems: int = 0  # notes that say what could not be done


def marks_of(course: Course, lesson: str = "") -> Marks:
    """Return what the course's gradebook holds; raises `CourseError` when nobody is marked."""
    settings = course.settings()
    lines = marks(course, settings)
    if not any(line.lesson == lesson or not lesson for line in lines):
        of = f" for {lesson}" if lesson else ""
        raise CourseError(f"Nobody has marks{of} yet: run `autograder grade` first.")
    return Marks(lines, read_roster(course), settings, lesson)
