"""What lies beside a submitted notebook: the files that may be copied, and the time of submission.

nbgrader copies a submission's other files wherever it goes, up to the feedback that students get,
and follows links on the way. Here only ordinary files of bounded number and size are taken; the
rest is left where it is and becomes a sentence for the instructor.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import dateutil.parser
import dateutil.tz

from autograder.submissions.submission import (
    Submission,
    Unreadable,
    file_digest,
    read,
    read_regular,
)

MAX_FILES = 100
MAX_BYTES = 20_000_000  # of one file, and of all together
MAX_ENTRIES = 2_000  # files and folders that are looked at
MAX_TIMESTAMP = 100  # bytes
MAX_NAMED = 5  # files that one sentence names
TIMESTAMP = "timestamp.txt"
DAYS = (datetime.datetime(2000, 1, 1), datetime.datetime(2001, 2, 2))  # for what a text leaves out
IGNORED = ("*.ipynb", ".ipynb_checkpoints", "*.pyc", "__pycache__", ".DS_Store", "feedback")


@dataclass(frozen=True)
class Beside:
    """The other files of a submission: those to copy (relative paths), and what was odd."""

    files: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    digest: str = ""  # of names, sizes, times of change, and the time of submission


def read_submission(path: Path) -> Submission:
    """Read a submitted notebook; its problems and its digest cover what lies beside it."""
    submission, beside = read(path), look_beside(path.parent)
    problems = (*submission.problems, *beside.problems)
    return replace(submission, problems=problems, digest=_joined(submission.digest, beside))


def digest_of(path: Path) -> str:
    """Return the digest of `read_submission`, without looking at the cells."""
    return _joined(file_digest(path), look_beside(path.parent))


def _joined(digest: str, beside: Beside) -> str:
    return hashlib.sha256(f"{digest} {beside.digest}".encode()).hexdigest()


def look_beside(folder: Path, ignored: Iterable[str] = IGNORED) -> Beside:
    """Say which files of a submission may be copied; nothing is opened but the time."""
    found = sorted(_walk(folder, tuple(ignored)), key=_first_what_counts)
    refused = {name: why for name, status in found if (why := _refusal(status))}
    files, total = [], 0
    for name, status in found:
        if name in refused:
            continue
        total += status.st_size
        if len(files) == MAX_FILES or total > MAX_BYTES:
            refused[name] = "too much beside the notebook"
            total -= status.st_size
        else:
            files.append(name)
    _, unclear = timestamp(folder)
    facts = [f"{name} {status.st_size} {status.st_mtime_ns}" for name, status in found]
    digest = hashlib.sha256("\0".join(facts).encode("utf-8", "replace")).hexdigest()
    return Beside(tuple(files), (*_told(refused), *unclear), digest)


def _first_what_counts(entry: tuple[str, os.stat_result]) -> tuple[bool, str]:
    name, _ = entry
    return name != TIMESTAMP and not name.endswith(".ipynb"), name


def _walk(folder: Path, ignored: tuple[str, ...]) -> Iterator[tuple[str, os.stat_result]]:
    """The entries under a folder, with what they are themselves; links are not followed."""
    waiting, seen = [Path(folder)], 0
    while waiting:
        here = waiting.pop()
        try:
            entries = sorted(os.listdir(here))
        except OSError:
            continue
        for name in entries:
            seen += 1
            if seen > MAX_ENTRIES:
                return
            path = here / name
            if any(fnmatch(name, pattern) for pattern in ignored):
                continue
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)
            else:
                yield str(path.relative_to(folder)), status


def _refusal(status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return "a symbolic link"
    if not stat.S_ISREG(status.st_mode):
        return "no ordinary file"
    if status.st_nlink > 1:
        return "a file that has a second name elsewhere"
    return f"more than {MAX_BYTES} bytes" if status.st_size > MAX_BYTES else ""


def _told(refused: dict[str, str]) -> Iterator[str]:
    for why in dict.fromkeys(refused.values()):
        names = [name for name, reason in refused.items() if reason == why]
        rest = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        shown = ", ".join(name[:80] for name in names[:MAX_NAMED])
        yield f"Not copied, because it is {why}: {shown}{rest}."


def copy_files(folder: Path, target: Path, ignored: Iterable[str] = IGNORED) -> None:
    """Copy what may be copied of a submission's other files from `folder` to `target`."""
    for name in look_beside(folder, ignored).files:
        try:
            content = read_regular(folder / name, MAX_BYTES)
        except Unreadable:
            continue
        copied = target / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.unlink(missing_ok=True)
        copied.write_bytes(content)


def timestamp(folder: Path) -> tuple[datetime.datetime | None, tuple[str, ...]]:
    """Return when a submission was handed in (UTC), as its own file says, or why nobody knows."""
    path = Path(folder) / TIMESTAMP
    if not os.path.lexists(path):
        return None, ()
    try:
        return parse_time(read_regular(path, MAX_TIMESTAMP).decode().strip()), ()
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
    return when if when.tzinfo is None else (when - when.utcoffset()).replace(tzinfo=None)


def _named_zone(named, name: str | None, offset: int | None):
    return named if name == "TZ" else offset


def _zone(name: str) -> int | datetime.tzinfo | None:
    try:
        return int(name)  # seconds
    except ValueError:
        return dateutil.tz.gettz(name) if re.fullmatch(r"[A-Za-z][\w+/-]*", name) else None
