"""What the lessons of a course are called, which is known before anything large is imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autograder.course.errors import CourseError, nearest


def lessons_in(root: Path) -> list[str]:
    """Names of the assignments in source/ of a course."""
    return sorted(path.name for path in (root / "source").glob("*") if path.is_dir())


def find_name(lesson: str, known: Sequence[str]) -> str:
    """Return the full name of a lesson given as '2', '02' or in full.

    >>> find_name("2", ["00_getting_started", "02_batch_normalization"])
    '02_batch_normalization'

    Raises `CourseError` that names the nearest lesson.
    """
    text = lesson.strip().rstrip("/").removesuffix(".ipynb")
    number = text.zfill(2) if text.isdigit() else None
    for name in known:
        if text == name or (number and name.split("_")[0] == number):
            return name
    listed = ", ".join(known) or "none"
    raise CourseError(
        f"There is no lesson {lesson!r} here.{nearest(text, known)} Lessons: {listed}."
    )
