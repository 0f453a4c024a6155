"""The warm process starts while the rest of a grading command is still being imported."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from autograder.course.errors import CourseError
from autograder.course.names import find_name, lessons_in
from autograder.sandbox.process import Fresh, Infrastructure
from autograder.sandbox.zygote import Zygote, sandboxes


def start_early(
    root: Path, lesson: str, students: Sequence[str], force: bool
) -> Zygote | Fresh | None:
    """Have sandboxes start that `grade_class` is going to need; None where it needs none.

    What is wrong with the course is left to be told by whoever reads it.
    """
    with contextlib.suppress(CourseError, Infrastructure, OSError):
        name = find_name(lesson, lessons_in(root))
        if force or has_new(root, name, students):
            places = sandboxes(None, [root.resolve()])
            places.start()
            return places
    return None


def has_new(root: Path, lesson: str, students: Sequence[str]) -> bool:
    """Whether somebody may have handed in who has no result yet."""
    results, submitted = root / ".autograder" / "results" / lesson, root / "submitted"
    return not {f"{who}.json" for who in students or _names(submitted)} <= _names(results)


def _names(folder: Path) -> set[str]:
    with contextlib.suppress(OSError):
        return {*os.listdir(folder)}
    return set()
