"""What lies beside a submitted notebook: the files that may be copied, and the time of submission.

nbgrader copies a submission's other files wherever it goes, up to the feedback that students get,
and follows links on the way. Here only ordinary files of bounded number and size are taken; the
rest is left where it is and becomes a sentence for the instructor.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import importlib.metadata
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import cache, partial
from pathlib import Path

import dateutil.parser
import dateutil.tz

from autograder.submissions.notebook import (
    MAX_FILE,
    OutOfReach,
    Submission,
    Unreadable,
    clean_text,
    digest_of,
    has_link,
    parse,
    read_regular,
)

MAX_FILES = 100
MAX_BYTES = 20_000_000  # of one file, and of all together
MAX_ENTRIES = 2_000  # files and folders that are looked at
MAX_MODULES = 20  # Python files that are executed with a notebook
MAX_CODE = 1_000_000  # bytes of all of them
MAX_TIMESTAMP = 100  # bytes
OWN = 3  # parts of a path that a student may have made: submitted/STUDENT/LESSON/FILE
MAX_NAMED = 5  # files that one sentence names
TIMESTAMP = "timestamp.txt"
DAYS = (datetime.datetime(2000, 1, 1), datetime.datetime(2001, 2, 2))  # for what a text leaves out
IGNORED = (
    *("*.ipynb", ".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback"),
    *(".DS_Store", "._*", "__MACOSX"),  # of macOS
)


@dataclass(frozen=True)
class Beside:
    """The other files of a submission: those to copy (relative paths), and what was odd."""

    files: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    digest: str = ""  # of names, sizes and times of change
    missed: str = ""  # what the machine does not give, and why


@dataclass(frozen=True)
class Upload:
    """A submission as it was handed in, read once: whoever needs it is given this."""

    content: bytes  # of the notebook; empty where it cannot be read
    unreadable: str = ""
    beside: Beside = field(default_factory=Beside)
    modules: tuple[tuple[str, str], ...] = ()  # path and text of the Python files beside it

    @property
    def digest(self) -> str:
        """Digest of the notebook and of all that lies beside it."""
        texts = [self.unreadable, self.beside.digest, *(f"{n}\0{text}" for n, text in self.modules)]
        parts = [digest_of(text.encode("utf-8", "replace")) for text in texts]
        return digest_of(" ".join([digest_of(self.content), *parts]).encode())

    def submission(self) -> Submission:
        """The cells, with the problems of everything that was handed in."""
        cells = Submission((), (self.unreadable,)) if self.unreadable else parse(self.content)
        problems = (*cells.problems, *self.beside.problems)
        return replace(cells, problems=problems, digest=self.digest, modules=self.modules)


def take(path: Path) -> Upload:
    """Read a submitted notebook and the Python files beside it; any file gives an upload.

    Raises `OutOfReach` when the machine does not give all of it: that is no upload, and no mark.
    """
    content, unreadable = b"", ""
    try:
        content = read_regular(path, MAX_FILE, OWN)
    except Unreadable as error:
        unreadable = str(error)
    beside = _whole(look_beside(path.parent))
    modules, refused = modules_of(path.parent, beside.files)
    return Upload(content, unreadable, replace(beside, problems=beside.problems + refused), modules)


def _whole(beside: Beside) -> Beside:
    if beside.missed:
        raise OutOfReach(beside.missed)
    return beside


def modules_of(
    folder: Path, files: Iterable[str], own: int = OWN
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The Python files that a notebook may import, and why others are not executed."""
    taken: list[tuple[str, str]] = []
    refused, size = {}, 0
    for name in (name for name in files if name.endswith(".py")):
        if why := _no_module(name):
            refused[name] = why
        elif len(taken) == MAX_MODULES:
            refused[name] = f"one of more than {MAX_MODULES} Python files"
        else:
            try:
                content = read_regular(folder / name, MAX_CODE - size, own + name.count("/"))
                taken.append((name, content.decode("utf-8-sig")))
                size += len(content)
            except UnicodeDecodeError:
                refused[name] = "not written in UTF-8"
            except Unreadable:
                refused[name] = f"too long: {MAX_CODE} bytes of Python are executed"
    return tuple(taken), tuple(_told(refused, "Not imported"))


def _no_module(name: str) -> str:
    """Why a file cannot be imported beside the libraries, or nothing."""
    parts = name.removesuffix(".py").split("/")
    if not all(map(str.isidentifier, parts)):
        return "no name that Python can import"
    return "named like a library" if parts[0] in _libraries() else ""


@cache
def _libraries() -> frozenset[str]:
    """Names that can be imported already: Python's, ours, and those of what is installed."""
    installed = importlib.metadata.packages_distributions()
    return frozenset((*sys.stdlib_module_names, *installed, "autograder", "cs231n_lib"))


def look_beside(folder: Path, ignored: Iterable[str] = IGNORED, own: int = OWN - 1) -> Beside:
    """Say which files of a submission may be copied; nothing is opened but the time.

    Args:
        own: how many parts at the end of `folder` may be a student's doing, and so be no links.
    """
    if link := has_link(folder, own):
        return Beside(problems=(f"Nothing was copied, because {link} is a symbolic link.",))
    missed: list[OutOfReach] = []
    found = sorted(_walk(folder, tuple(ignored), missed), key=_first_what_counts)
    refused = {name: why for name, status in found if (why := _refusal(name, status))}
    files: list[str] = []
    total = 0
    for name, status in found:
        if name in refused:
            continue
        size = 0 if name.endswith(".ipynb") else status.st_size
        if len(files) == MAX_FILES or total + size > MAX_BYTES:
            refused[name] = "too much beside the notebook"
        else:
            files.append(name)
            total += size
    unclear: tuple[str, ...] = ()
    try:
        _, unclear = timestamp(folder)
    except OutOfReach as error:
        missed.append(error)
    facts = [f"{name} {status.st_size} {status.st_mtime_ns}" for name, status in found]
    digest = hashlib.sha256("\0".join(facts).encode("utf-8", "replace")).hexdigest()
    first = str(missed[0]) if missed else ""
    return Beside(tuple(files), (*_told(refused), *unclear), digest, first)


def _first_what_counts(entry: tuple[str, os.stat_result]) -> tuple[bool, str]:
    name, _ = entry
    return name != TIMESTAMP and not name.endswith(".ipynb"), name


def _walk(
    folder: Path, ignored: tuple[str, ...], missed: list[OutOfReach]
) -> Iterator[tuple[str, os.stat_result]]:
    """The entries under a folder, with what they are themselves; links are not followed."""
    waiting, seen = [""], 0
    while waiting:
        here = waiting.pop()
        try:
            entries = sorted(os.listdir(folder / here))
        except OSError as error:
            missed.append(OutOfReach.of(folder / here, error))
            continue
        for name in entries:
            seen += 1
            if seen > MAX_ENTRIES:
                return
            if any(fnmatch(name, pattern) for pattern in ignored):
                continue
            path = os.path.join(here, name)
            try:
                status = (folder / path).lstat()
            except OSError as error:
                missed.append(OutOfReach.of(folder / path, error))
                continue
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)
            else:
                yield path, status


def _refusal(name: str, status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return "a symbolic link"
    if not stat.S_ISREG(status.st_mode):
        return "no ordinary file"
    if status.st_nlink > 1:
        return "a file that has a second name elsewhere"
    most = MAX_FILE if name.endswith(".ipynb") else MAX_BYTES
    return f"more than {most} bytes" if status.st_size > most else ""


def _told(refused: dict[str, str], what: str = "Not copied") -> Iterator[str]:
    for why in dict.fromkeys(refused.values()):
        names = [name for name, reason in refused.items() if reason == why]
        rest = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        shown = ", ".join(clean_text(name[:80]) for name in names[:MAX_NAMED])
        yield f"{what}, because it is {why}: {shown}{rest}."


def contents(
    folder: Path, ignored: Iterable[str] = IGNORED, own: int = OWN - 1
) -> Iterator[tuple[str, bytes]]:
    """Read what may be copied of a submission's other files: relative paths and contents.

    Raises `OutOfReach` when the machine does not give all of it.
    """
    for name in _whole(look_beside(folder, ignored, own)).files:
        most = MAX_FILE if name.endswith(".ipynb") else MAX_BYTES
        with contextlib.suppress(Unreadable):
            yield name, read_regular(folder / name, most, own + 1 + name.count("/"))


def copy_files(
    folder: Path, target: Path, ignored: Iterable[str] = IGNORED, own: int = OWN - 1
) -> None:
    """Copy what may be copied of a submission's other files from `folder` to `target`."""
    for name, content in contents(folder, ignored, own):
        copied = target / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.unlink(missing_ok=True)
        copied.write_bytes(content)


def timestamp(folder: Path) -> tuple[datetime.datetime | None, tuple[str, ...]]:
    """Return when a submission was handed in (UTC), as its own file says, or why nobody knows.

    Raises `OutOfReach` when the machine does not give that file.
    """
    if not os.path.lexists(f"{folder}/{TIMESTAMP}"):
        return None, ()
    try:
        return parse_time(
            read_regular(Path(folder) / TIMESTAMP, MAX_TIMESTAMP, OWN - 1).decode().strip()
        ), ()
    except (Unreadable, ValueError, ArithmeticError, TypeError, AttributeError):
        return None, (
            f"{TIMESTAMP} holds no time, so that nobody knows whether the submission was late.",
        )


def parse_time(text: str) -> datetime.datetime:
    """Return a time in UTC, read as nbgrader reads it; without a day it is none.

    >>> parse_time("2026-01-15 10:00:00 Europe/Berlin")
    datetime.datetime(2026, 1, 15, 9, 0)

    Raises `ValueError`, `OverflowError` or `TypeError` when the text is no time.
    """
    parts, named = text.split(" "), None
    if len(parts) == 3:
        named = _zone(parts[2])
        text = " ".join([*parts[:2], "TZ"])
    zones = partial(_named_zone, named)
    when, other = (dateutil.parser.parse(text, default=day, tzinfos=zones) for day in DAYS)
    if when != other:
        raise ValueError(f"{text!r} names no day")
    return when if when.tzinfo is None else when.astimezone(datetime.UTC).replace(tzinfo=None)


def _named_zone(named, name: str | None, offset: int | None):
    return named if name == "TZ" else offset


def _zone(name: str) -> int | datetime.tzinfo | None:
    try:
        return int(name)  # seconds
    except ValueError:
        return dateutil.tz.gettz(name) if re.fullmatch(r"[A-Za-z][\w+/-]*", name) else None
