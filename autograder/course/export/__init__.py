"""Marks for other systems: tables, Gradescope, Classroom 50, and whatever speaks LTI.

    export(course, "canvas", out, lesson, template=Path("exported.csv"))

A format is a function that takes marks and a folder; `FORMATS` names them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from autograder.course.errors import CourseError
from autograder.course.export import classroom, gradescope, lti, sheets
from autograder.course.export.marks import Exported, marks_of
from autograder.course.folder import Course

FORMATS: dict[str, Callable[..., Exported]] = {
    "csv": sheets.write_csv,
    "canvas": sheets.write_canvas,
    "moodle": sheets.write_moodle,
    "blackboard": sheets.write_blackboard,
    "gradescope": gradescope.write,
    "classroom": classroom.write,
}


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
        name: a key of `FORMATS`, or "lti", which posts scores and writes no files.
        output: the folder to write into; files that are there are kept unless `replace`.
        lesson: full name; formats other than csv hold one lesson.
        template: what the platform exported, for Canvas, Moodle and Blackboard: the lesson's
            column is filled and nothing else is touched.
        column: heading of that column, where the lesson's name does not find it.
    """
    if name != "csv" and not lesson:
        raise CourseError(f"--{name} holds one lesson: name it after the course.")
    found = marks_of(course, lesson)
    if name == "lti":
        return lti.post(course, found)
    if not replace:
        _keep(Path(output))
    return FORMATS[name](found, Path(output), template=template, column=column)


def _keep(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise CourseError(f"{output} is a file: name a folder.")
    if output.is_dir() and any(output.iterdir()):
        raise CourseError(
            f"{output} exists and is not empty: name another folder, or add --replace."
        )
