"""What can be wrong with a course, as an instructor can put it right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CourseError(Exception):
    """Something a user can put right; the text is one line that says what and how."""


class NbgraderError(Exception):
    """nbgrader did not do what it was asked; the text says why."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ' Did you mean X?' for the known name nearest to `name`, or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f" Did you mean {found[0]}?" if found else ""
