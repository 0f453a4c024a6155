"""What was tried: one line for each check, kept as `attempts.jsonl` where a learner works.

It lies beside the student kit, beside the lessons that `autograder lessons` wrote, or in a page in
the browser's storage; elsewhere it lives as long as the kernel. The ladder of hints, the score so
far, progress and a review read it. It is never written in grading.
"""

import contextlib
import datetime
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType

from autograder.checking.browser import keep
from autograder.checking.ladder import KNOWN, READING
from autograder.checking.report import Report


class Attempts:
    """The log of one kit, or of one kernel when `path` is None."""

    def __init__(self, path: Path | None = None):
        self.path = path
        self.entries: list[dict] = []
        with contextlib.suppress(OSError):  # a log that cannot be read is no reason to fail a check
            if path is not None and path.is_file():
                self.entries = list(_entries(path))

    def note(self, report: Report, code: str) -> int:
        """Write down one attempt and return the rung of the ladder that is due.

        The first failing attempt gets what the table says; each later one whose code is another,
        one rung more.
        """
        last, rung = self.latest(report.exercise_id), KNOWN
        if report.score == report.points:
            rung = 0
        elif last and last["rung"]:
            rung = min(last["rung"] + (last["code"] != code), READING)
        self._add(
            exercise=report.exercise_id,
            code=code,
            score=report.score,
            points=report.points,
            names=list(report.misconceptions),
            rung=rung,
        )
        return rung

    def climb(self, exercise_id: str) -> int:
        """Go one rung further because somebody asked, and return it; 0 where nothing failed."""
        last = self.latest(exercise_id)
        if not last or not last["rung"]:
            return 0
        rung = min(last["rung"] + 1, READING)
        self._add(**{key: last[key] for key in last if key != "time"} | {"rung": rung})
        return rung

    def latest(self, exercise_id: str) -> dict | None:
        """Return the last entry of an exercise."""
        found = (entry for entry in reversed(self.entries) if entry["exercise"] == exercise_id)
        return next(found, None)

    def _add(self, **entry):
        entry = {"time": datetime.datetime.now().isoformat(timespec="seconds"), **entry}
        self.entries.append(entry)
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            keep(self.path)
        except OSError:  # a folder that cannot be written to is no reason to fail a check
            self.path = None


FIELDS = {
    "exercise": str,
    "code": str,
    "score": float | int,
    "points": float | int,
    "names": list,
    "rung": int,
}


def is_entry(value) -> bool:
    """Say whether a value is an attempt as it is written here; it may have further fields.

    >>> is_entry({"exercise": "optim.sgd"}), is_entry([])
    (False, False)
    """
    return isinstance(value, dict) and all(
        isinstance(value.get(key), kind) for key, kind in FIELDS.items()
    )


def _entries(path):
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if is_entry(entry):
            yield entry


def digest_of(functions: Mapping[str, Callable]) -> str:
    """Return a digest of what functions do, whatever their comments and places."""
    digest = hashlib.sha256()
    for name, function in functions.items():
        methods = vars(function).values() if isinstance(function, type) else (function,)
        for method in methods:
            code = getattr(inspect.unwrap(method), "__code__", None)
            digest.update(repr((name, _of_code(code))).encode("utf-8", "replace"))
    return digest.hexdigest()[:16]


def _of_code(code):
    if not isinstance(code, CodeType):
        return repr(type(code))
    constants = tuple(_of_code(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, constants
