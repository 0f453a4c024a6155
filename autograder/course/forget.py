"""Everything of one student, removed: files, results, marks, and the line of the roster."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.nbgrader_api import NbgraderCourse, asking
from autograder.course.regrades import forget_requests
from autograder.course.roster import Roster, read_roster, write_roster
from autograder.course.settings import FILE, read_settings
from autograder.grading.results import write_atomically

FOLDERS = ("submitted", "autograded", "feedback", ".autograder/earlier")
LISTS = ("handed_in/*.json", "collected/*/*.json")  # which have an entry for each student
NOT_LOOKED_THROUGH = (*FOLDERS[:3], ".autograder", "source", "release", "roster.csv", FILE)
PAGES = (".csv", ".txt", ".html", ".json", ".md", ".ipynb", ".py")  # that were written for people


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

    Exports, reports and backups are yours to clean; those in the course's folder that still name
    the student are said.

    Raises `CourseError` when the course has nothing of them.
    """
    if student in ("", ".", "..") or "/" in student or "\0" in student:
        raise CourseError(f"{student!r} is no student's name.")
    name = read_roster(course).person(student).name
    removed = list(_forget(course, student)) or _nothing(course, student)
    return [*removed, *_still_named(course, student), *_pages(course, student, name)]


def _forget(course: Course, student: str) -> Iterator[str]:
    for path in traces(course, student):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        yield f"removed {path.relative_to(course.root)}"
    yield from _from_gradebook(course, student)
    yield from _from_lists(course, student)
    if decisions := course.log.forget(student):
        yield f"removed {decisions} lines of .autograder/log.jsonl"
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


def _from_lists(course: Course, student: str) -> Iterator[str]:
    for path in sorted(found for form in LISTS for found in course.private.glob(form)):
        try:
            listed = json.loads(path.read_text("utf-8"))
        except ValueError:  # damaged, and made anew when it is needed
            path.unlink()
            continue
        if student in listed:
            kept = [name for name in listed if name != student]
            left = {name: listed[name] for name in kept} if isinstance(listed, dict) else kept
            write_atomically(path, json.dumps(left).encode())
            yield f"removed from {path.relative_to(course.root)}"


def _pages(course: Course, student: str, name: str) -> Iterator[str]:
    """What was written for people and has the student's folder or name in it."""
    words = "|".join(re.escape(word) for word in (student, name) if word)
    called = re.compile(rf"(?<!\w)({words})(?!\w)")
    for path in sorted(course.root.rglob("*")):
        place = path.relative_to(course.root)
        if place.parts[0] in NOT_LOOKED_THROUGH or path.suffix not in PAGES or not path.is_file():
            continue
        encoding = "utf-16" if path.suffix == ".txt" else "utf-8"  # as Blackboard wants it
        if called.search(f"{place}\n{path.read_bytes().decode(encoding, 'replace')}"):
            yield f"{place} still names them: remove it, or write it again"


def _still_named(course: Course, student: str) -> Iterator[str]:
    """Entries of `course.toml`, which is the instructor's to edit."""
    for name, lesson in read_settings(course.root).lessons.items():
        if student in lesson.extensions or student in lesson.excused:
            yield f"{FILE} still names them in lessons.{name}.extensions: remove that entry"


def _nothing(course: Course, student: str) -> list[str]:
    raise CourseError(f"{course.root.name} has nothing of {student!r}.")
