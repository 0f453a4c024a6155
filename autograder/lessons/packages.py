"""The packages without any answer: what the kit and a sandbox hold of both."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePath

from autograder.answers import ROOT, is_answer_file

# The part of `autograder` that a check in a notebook needs; the rest grades and builds.
STUDENT_SIDE = (
    "__init__.py",
    "carry.py",
    "check.py",
    "checking/*.py",
    "exercises/**/*.py",
    "expectations.py",
    "learning/*.py",
)

LEFT_BEHIND = ("__pycache__", ".ipynb_checkpoints", ".egg-info")  # by using a kit


def copy_packages(folder: Path, root: Path = ROOT) -> None:
    """Copy `autograder` and `cs231n_lib` to `folder`, without answers and what only grades."""
    for source in _sources(root):
        _copy(source, folder / source.relative_to(root))


def copy_compiled(folder: Path, root: Path = ROOT) -> None:
    """Give copies their sources' time, and what Python compiled these to, where it has done so.

    Python takes compiled code only of a source with that very time and size.
    """
    for source in _sources(root):
        if source.suffix == ".py":
            copied, status = folder / source.relative_to(root), source.stat()
            os.utime(copied, ns=(status.st_atime_ns, status.st_mtime_ns))
            with contextlib.suppress(FileNotFoundError):
                _copy(_compiled(source), _compiled(copied))


def _sources(root: Path) -> Iterator[Path]:
    sources = [path for pattern in STUDENT_SIDE for path in (root / "autograder").glob(pattern)]
    sources += [path for path in (root / "cs231n_lib").rglob("*") if path.is_file()]
    for source in sources:
        relative = source.relative_to(root)
        if not is_answer_file(relative) and not is_left_behind(relative):
            yield source


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _compiled(source: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(source)))


def is_left_behind(path: PurePath) -> bool:
    """Whether a file comes of using a kit."""
    return any(part.endswith(LEFT_BEHIND) for part in path.parts)
