"""What lies in a course's folder of submissions: whose notebook is read, and why others are not.

    submitted/STUDENT/LESSON/LESSON.ipynb

Names may be anything that a file system allows. No link is followed.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

DEPTH = 5  # folders below a student's in which notebooks are looked for
MOST = 1_000  # folders of one student that are looked at
IGNORED = (".ipynb_checkpoints", "__pycache__", ".git", "__MACOSX")
BESIDE = "._"  # how names begin of what macOS puts beside each file
ALIKE = 0.8  # of two names


@dataclass(frozen=True)
class HandedIn:
    """The notebooks of one lesson by student, and a sentence for each one that is not read."""

    notebooks: dict[str, Path] = field(default_factory=dict)
    unread: dict[str, list[str]] = field(default_factory=dict)  # by student or folder

    @property
    def lost(self) -> list[str]:
        """Who handed something in of which nothing is read."""
        return [who for who in self.unread if who not in self.notebooks]


def look(submitted: Path, lesson: str, lessons: Collection[str] = ()) -> HandedIn:
    """Find the notebooks of a lesson.

    A notebook of which the machine does not even say whether it exists is among them: whoever
    reads it learns why, instead of hearing that there is none.

    Args:
        submitted: the folder of all submissions.
        lessons: all lessons of the course, whose folders are not mixed up.
    """
    found = HandedIn()
    for who in sorted(_names(submitted)):
        place = submitted / who
        wanted = place / lesson / f"{lesson}.ipynb"
        links = [path for path in (place, wanted.parent) if os.path.islink(path)]
        if not links and not _is_absent(wanted):
            found.notebooks[who] = wanted
        why = list(_unread(place, wanted, links[:1], {*lessons, lesson}))
        if why:
            found.unread[who] = why
    return found


def _is_absent(path: Path) -> bool:
    """Whether there certainly is no file of this name, not even a link."""
    try:
        path.lstat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _unread(place: Path, wanted: Path, links: list[Path], lessons: set[str]) -> Iterator[str]:
    submitted, lesson = place.parent, wanted.stem
    if links:
        yield f"{_shown(links[0], submitted)} is a symbolic link, which is not followed"
    elif not os.path.isdir(place):
        if place.suffix == ".ipynb":
            yield f"{place.name} was not read: put it at STUDENT/{lesson}/{lesson}.ipynb"
    elif place.name in lessons:
        if place.name == lesson:
            for path in _notebooks(place):
                yield (
                    f"{_shown(path, submitted)} was not read: the folders are the wrong way "
                    f"round, put it at STUDENT/{lesson}/{lesson}.ipynb"
                )
    else:
        is_read = not _is_absent(wanted)
        others = [path for path in _notebooks(place) if path != wanted]
        told = [path for path in others if _may_be_meant(path, place, lesson, lessons, is_read)]
        for path in told:
            yield f"{_shown(path, submitted)} was not read: {_reason(path, wanted)}"
        if not is_read and not told:
            try:
                if names := _instead(place, wanted, lessons):
                    yield f"no {lesson}.ipynb, but {names}"
            except OSError as error:
                yield f"{_shown(wanted.parent, submitted)} cannot be read: {error.strerror}"


def _instead(place: Path, wanted: Path, lessons: set[str]) -> str:
    """What lies where a notebook should; without the folder, what has nearly its name."""
    if os.path.isdir(wanted.parent):
        return ", ".join(sorted(_names(wanted.parent))[:5]) or "nothing"
    others = set(_names(place)) - lessons
    return ", ".join(sorted(n for n in others if _alike(Path(n).stem, wanted.stem))[:5])


def _notebooks(folder: Path) -> Iterator[Path]:
    depth = str(folder).count(os.sep)
    for number, (here, folders, files) in enumerate(os.walk(folder)):
        is_deep = here.count(os.sep) - depth >= DEPTH or number >= MOST
        folders[:] = [] if is_deep else sorted(name for name in folders if name not in IGNORED)
        yield from (Path(here) / name for name in sorted(files) if _is_notebook(name))


def _is_notebook(name: str) -> bool:
    return name.endswith(".ipynb") and not name.startswith(BESIDE)


def _may_be_meant(path: Path, place: Path, lesson: str, lessons: set[str], is_read: bool) -> bool:
    """Whether a notebook in another place may be somebody's work for the lesson."""
    folders = path.relative_to(place).parts[:-1]
    if path.stem == lesson:
        return True
    if any(part in lessons - {lesson} for part in (*folders[:1], path.stem)):
        return False
    names = (path.stem, *folders[:1]) if folders[:1] != (lesson,) else (path.stem,)
    return not is_read or any(_alike(name, lesson) for name in names)


def _alike(name: str, lesson: str) -> bool:
    match = difflib.SequenceMatcher(None, name.lower(), lesson.lower())
    return lesson.lower() in name.lower() or match.ratio() >= ALIKE


def _reason(path: Path, wanted: Path) -> str:
    submitted, lesson = wanted.parents[2], wanted.stem
    if not _is_absent(wanted):
        return f"there is also {_shown(wanted, submitted)}, which was"
    if path.parent == wanted.parent:
        return f"rename it to {wanted.name}"
    if wanted.parent in path.parents:
        return f"it lies too deep, put it at {_shown(wanted, submitted)}"
    if path.parent == wanted.parents[1]:
        return f"it lies in no folder {lesson}, put it at {_shown(wanted, submitted)}"
    return f"its folder is not {lesson}, put it at {_shown(wanted, submitted)}"


def _shown(path: Path, submitted: Path) -> str:
    return str(path.relative_to(submitted.parent))
