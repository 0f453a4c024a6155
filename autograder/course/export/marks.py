"""What an export is made from, and what it comes to."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.markbook import Line, absences, drop_lowest, marks
from autograder.course.roster import Roster, read_roster
from autograder.course.settings import Settings


@dataclass(frozen=True)
class Marks:
    """What an export is made from."""

    lines: Sequence[Line]  # of what was handed in
    roster: Roster
    settings: Settings
    lesson: str = ""  # where a format holds one lesson
    now: datetime.datetime = datetime.datetime.min  # in UTC: what is due by then and not there is 0

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
    def own(self) -> list[Line]:
        """Lines of the one lesson, but of who is excused from it."""
        return [
            line for line in self.lines if line.lesson == self.lesson and not self._is_out(line)
        ]

    @cached_property
    def excused(self) -> frozenset[str]:
        """Students who are excused from the one lesson."""
        return self.settings.lesson(self.lesson).excused & frozenset(self.students)

    def _is_out(self, line: Line) -> bool:
        return line.student in self.settings.lesson(line.lesson).excused

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], Line]:
        return {(line.student, line.lesson): line for line in self.lines}

    @cached_property
    def counted(self) -> Mapping[str, Mapping[str, Line]]:
        """What the total of each student is made of, by lesson; the lowest are said to be dropped.

        That is also what is excused, or due and not handed in.
        """
        absent = absences(self.lines, self.students, self.settings, self.now)
        found: dict[str, dict[str, Line]] = {student: {} for student in self.students}
        for line in drop_lowest([*self.lines, *absent], self.settings):
            found[line.student][line.lesson] = line
        return found

    def waiting(self, lessons: Sequence[str]) -> Iterator[str]:
        """Say how many answers of these lessons a person has still to mark, if there are any."""
        open_ = [
            line.student
            for line in self.lines
            if line.lesson in lessons and not self._is_out(line)
            for one in line.questions
            if one.waiting
        ]
        if open_:
            yield (
                f"{len(open_)} answers of {len(set(open_))} students wait for a person to mark "
                "them: they count 0."
            )

    def notes(self, excused: str) -> tuple[str, ...]:
        """Say of the one lesson who is excused, and what waits for a person.

        Args:
            excused: what excused students have, as a sentence's end.
        """
        said = [f"{len(self.excused)} excused students {excused}."] if self.excused else []
        return (*said, *self.waiting([self.lesson]))


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
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    return Marks(lines, read_roster(course), settings, lesson, now)
