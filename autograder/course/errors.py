"""What can be wrong with a course, as an instructor can put it right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CourseError(Exception):
    """Something a user can put right; the text is one line that says what and how."""


class NbgraderError(Exception):
    """nbgrader did not do what it was asked; the text says why."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ' Did you mean X?' for the known name nearest to `name`, or nothing.

    >>> nearest("adda", ["ada", "zoe"]), nearest("02", ["02_batch_normalization"])
    (' Did you mean ada?', ' Did you mean 02_batch_normalization?')
    """
    names = list(known)
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    found = found or [one for one in names if name and one.startswith(name)]
    return f" Did you mean {found[0]}?" if found else ""
