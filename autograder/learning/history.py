"""A learner's log read with care: other versions, damage, two devices, a clock that jumped."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.checking.attempts import is_entry


@dataclass(frozen=True)
class History:
    """All attempts, oldest first, and a line for whatever was odd about them."""

    entries: tuple[dict, ...] = ()
    remarks: tuple[str, ...] = ()

    def latest(self, exercise_id: str) -> dict | None:
        """Return the last attempt at an exercise."""
        found = (entry for entry in reversed(self.entries) if entry["exercise"] == exercise_id)
        return next(found, None)

    def mistakes(self) -> tuple[tuple[str, str], ...]:
        """Return (exercise, name) of every mistake that was ever named, the oldest first."""
        named = ((e["exercise"], name) for e in self.entries for name in e["names"])
        return tuple(dict.fromkeys((exercise, str(name)) for exercise, name in named))

    def passed(self) -> frozenset[str]:
        """Return the exercises that once earned all their points."""
        return frozenset(e["exercise"] for e in self.entries if e["score"] >= e["points"])


def read_history(path: Path, now: datetime.datetime | None = None) -> History:
    """Read a log; what cannot be read is left out, and one line says so."""
    entries, damaged = [], 0
    for line in _lines(path):
        entry = _parsed(line)
        if entry is None:
            damaged += 1
        else:
            entries.append(entry)
    remarks = []
    if damaged:
        remarks.append(
            f"{path.name}: {_count(damaged, 'line')} could not be read (damaged, or of another "
            "version) and did not count; nothing was removed from the file."
        )
    return History(tuple(entries), (*remarks, *_jumps(entries, now or datetime.datetime.now())))


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line for line in text.splitlines() if line.strip()]


def _parsed(line: str) -> dict | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if is_entry(entry) else None


def _time(entry: dict) -> str:
    time = entry.get("time")
    return time if isinstance(time, str) else ""


def _jumps(entries: Sequence[dict], now: datetime.datetime) -> list[str]:
    tomorrow = (now + datetime.timedelta(days=1)).isoformat(timespec="seconds")
    ahead = sum(_time(entry) > tomorrow for entry in entries)
    if not ahead:
        return []
    are = "is" if ahead == 1 else "are"
    return [
        f"The clock jumped: {_count(ahead, 'attempt')} {are} dated after today. Their order in "
        "the file counts."
    ]


def merge_histories(path: Path, others: Iterable[Path]) -> int:
    """Add to a log what other devices have; return how many lines came.

    Every line is kept, one that cannot be read too. Each device's own order stays, whatever its
    clock did: an attempt counts as no earlier than the one before it.
    """
    devices = [_lines(place) for place in (path, *others)]
    dated = [pair for lines in devices for pair in _dated(lines)]
    merged = list(dict.fromkeys(line for _, line in sorted(dated, key=lambda pair: pair[0])))
    came = len(merged) - len(set(devices[0]))
    beside = path.with_name(path.name + ".new")
    beside.write_text("".join(f"{line}\n" for line in merged), encoding="utf-8")
    os.replace(beside, path)
    return came


def _dated(lines: Iterable[str]):
    latest = ""
    for line in lines:
        entry = _parsed(line)
        latest = max(latest, _time(entry) if entry else "")
        yield latest, line
