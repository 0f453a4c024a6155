"""Everything of one student, removed: files, results, marks, and the line of the roster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.nbgrader_api import NbgraderCourse, asking
from autograder.course.regrades import forget_requests
from autograder.course.roster import Roster, read_roster, write_roster
from autograder.course.settings import FILE, read_settings

FOLDERS = ("submitted", "autograded", "feedback", ".autograder/earlier")


def traces(course: Course, student: str) -> list[Path]:
    """Files and folders of a student, results and kept observations among them."""
    folders = [course.root / name / student for name in FOLDERS]
    kept = [
        path
        for path in (course.private).rglob("*")
        if path.is_file() and path.stem == student and path.suffix in (".json", ".npz")
    ]
    return [*(path for path in folders if path.exists()), *sorted(kept)]


def forget(course: Course, student: str) -> list[str]:
    """Remove a student; returns one line for each thing that was removed.

    The log keeps digests and verdicts without names of files; backups of yours are yours to clean.

    Raises `CourseError` when the course has nothing of them.
    """
    if student in ("", ".", "..") or "/" in student or "\0" in student:
        raise CourseError(f"{student!r} is no student's name.")
    removed = list(_forget(course, student)) or _nothing(course, student)
    return [*removed, *_still_named(course, student)]


def _forget(course: Course, student: str) -> Iterator[str]:
    for path in traces(course, student):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        yield f"removed {path.relative_to(course.root)}"
    yield from _from_gradebook(course, student)
    if asked := forget_requests(course, student):
        yield f"removed {asked} regrade requests"
    roster = read_roster(course)
    if student in roster.people:
        write_roster(course, Roster(person for person in roster if person.id != student))
        yield "removed from roster.csv"


def _from_gradebook(course: Course, student: str) -> Iterator[str]:
    from nbgrader.api import MissingEntry

    with asking(), NbgraderCourse(course.root).gradebook() as gradebook:
        try:
            gradebook.remove_student(student)
        except MissingEntry:
            return
    yield "removed from the gradebook"


def _still_named(course: Course, student: str) -> Iterator[str]:
    """Entries of `course.toml`, which is the instructor's to edit."""
    for name, lesson in read_settings(course.root).lessons.items():
        if student in lesson.extensions or student in lesson.excused:
            yield f"{FILE} still names them in lessons.{name}.extensions: remove that entry"


def _nothing(course: Course, student: str) -> list[str]:
    raise CourseError(f"{course.root.name} has nothing of {student!r}.")
