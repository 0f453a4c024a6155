"""A file with one line of JSON for each decision of the grader, only ever appended to."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from pathlib import Path
from typing import Any

from autograder.grading.results import write_atomically

FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class Log:
    """Appends to a file, or does nothing where `path` is None; processes may share a file."""

    def __init__(self, path: Path | None = None):
        self.path = path

    def write(self, event: str, **values: Any) -> None:
        """Append one decision in one write; a log that cannot be written costs nobody a mark."""
        if self.path is None:
            return
        time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": time, "process": os.getpid(), "event": event, **values})
        with contextlib.suppress(OSError):
            try:
                descriptor = os.open(self.path, FLAGS, 0o600)
            except FileNotFoundError:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                descriptor = os.open(self.path, FLAGS, 0o600)
            try:
                os.write(descriptor, line.encode() + b"\n")
            finally:
                os.close(descriptor)

    def forget(self, student: str) -> int:
        """Remove the decisions about a student; returns how many there were."""
        lines = self.read()
        kept = [line for line in lines if line.get("student") != student]
        if self.path is not None and len(kept) < len(lines):
            text = "".join(f"{json.dumps(line)}\n" for line in kept)
            write_atomically(self.path, text.encode())
        return len(lines) - len(kept)

    def read(self) -> list[dict[str, Any]]:
        """Return what was logged; a line that a crash cut short is passed over."""
        found = []
        if self.path is not None and self.path.exists():
            for line in self.path.read_text("utf-8").splitlines():
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
        return found
