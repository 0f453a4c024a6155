"""The lessons as files of one's own, wherever the package is installed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.learning.shelf import LOG
from autograder.lessons.build import STUDENT


@dataclass(frozen=True)
class Taken:
    """What was copied, what was there already, and what is kept because somebody worked in it."""

    new: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def take_lessons(folder: Path, names: Sequence[str] = (), student: Path = STUDENT) -> Taken:
    """Copy the students' notebooks into a folder; nothing that is there is written over.

    Args:
        names: only notebooks whose names start with one of these, such as "02"; all when empty.

    Raises `FileNotFoundError` when there is no such lesson.
    """
    found: dict[str, list[str]] = {"new": [], "same": [], "kept": []}
    chosen = [
        path
        for path in sorted(Path(student).glob("*.ipynb"))
        if not names or path.name.startswith(tuple(name.zfill(2) for name in names))
    ]
    if not chosen:
        raise FileNotFoundError(f"no lesson {', '.join(names)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOG).touch()  # where it is, checks in notebooks write down what was tried
    for path in chosen:
        target = folder / path.name
        if not target.exists():
            shutil.copyfile(path, target)
            found["new"].append(path.name)
        else:
            is_same = target.read_bytes() == path.read_bytes()
            found["same" if is_same else "kept"].append(path.name)
    return Taken(*map(tuple, found.values()))
