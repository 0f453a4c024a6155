"""The pages of a course on disk: one lesson, all lessons, and what students dispute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Group

from autograder.checking.disputes import PREFIX, parse
from autograder.course.class_page import course_html, write_summary
from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.register import counted_of, register_of
from autograder.course.roster import read_roster
from autograder.course.summary import line, table
from autograder.grading.results import SubmissionResult, write_atomically
from autograder.submissions.notebook import OutOfReach, Unreadable, read_regular

MAX_DISPUTE = 200_000  # bytes


def report_lesson(
    course: Course, lesson: str, output: Path | None = None
) -> tuple[Sequence[SubmissionResult], Group, Path]:
    """Write the page about one lesson; returns results, table for the terminal, path of the page.

    Raises `CourseError` when nobody is graded.
    """
    page = output or course.summary(lesson)
    results = course.store(lesson).all()
    register = register_of(course, lesson, results, page)
    if not results:
        why = f" {register.unreadable} results cannot be read." if register.unreadable else ""
        raise CourseError(
            f"Nobody is graded: run `autograder grade {course.root} {lesson}` first.{why}"
        )
    shown = table(map(line, results), lesson, read_roster(course))
    return results, shown, write_summary(page, lesson, results, register)


def report_course(course: Course, output: Path | None = None) -> Path:
    """Write the page about all lessons and return its path.

    Raises `CourseError` when nobody is graded in any.
    """
    page = output or course.root / "summary.html"
    lessons = {name: course.store(name).all() for name in course.lessons()}
    if not any(lessons.values()):
        raise CourseError(f"Nobody is graded: run `autograder grade {course.root} LESSON` first.")
    lines = counted_of(course)
    registers = {
        name: register_of(course, name, results, page, lines) for name, results in lessons.items()
    }
    title = course.settings().name or course.root.name
    html = course_html(f"{title}: what the class understood", lessons, registers)
    write_atomically(page, html.encode())
    return page


def list_disputes(course: Course, lesson: str = "") -> Iterator[str]:
    """Yield a line for each check that a student thinks is wrong; a last one where there is none.

    They lie beside the notebook that was handed in, as `dispute()` wrote them.
    """
    found = 0
    pattern = f"*/{lesson or '*'}/{PREFIX}*.json"
    for path in sorted((course.root / "submitted").glob(pattern)):
        who, where = path.parts[-3], path.parts[-2]
        try:
            dispute = parse(read_regular(path, MAX_DISPUTE))
        except OutOfReach as error:
            yield f"{who}, {where}: {error}"
            continue
        except (Unreadable, ValueError) as error:
            yield f"{who}, {where}: {path.name} cannot be read: {error}"
            continue
        found += 1
        checks = ", ".join(f"“{row['check']}” (seed {row['seed']})" for row in dispute["checks"])
        note = f": {dispute['note']}" if dispute["note"] else ""
        yield f"{who}, {where}: {dispute['exercise']}, {checks}{note}"
        yield from (f"    {line}" for line in dispute["code"].splitlines())
    if not found:
        yield "nobody disputes a check"
