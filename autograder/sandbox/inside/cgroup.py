"""Control groups: a bound on the memory, threads and processor of one slot, where we may make them.

Both forms are served, the unified hierarchy (version 2) and one hierarchy a controller (1). The
limits inside a child hold without them; a group adds what rlimits do not count, knows when memory
ran out, and keeps a child with many busy threads on one processor.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

PERIOD = 100_000  # microseconds, of which a group may use as many on one processor
Files = dict[str, str]


class Group:
    """The groups of one slot, to be closed when nobody lives in them any more."""

    def __init__(self, name: str, memory: int, threads: int):
        """Make the groups.

        Raises OSError when this user may not.
        """
        self._folders: list[Path] = []
        try:
            for parent, files in _places(memory, threads):
                folder = parent / name
                folder.mkdir()
                self._folders.append(folder)
                for file, text in files.items():
                    if (folder / file).exists():
                        (folder / file).write_text(text)
        except OSError:
            self.close()
            raise

    def add(self, process: int) -> None:
        """Move a process in."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(process))

    def kills(self) -> int:
        """How many processes in here were ended because memory ran out."""
        for folder in self._folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError, ValueError):
                    lines = (folder / name).read_text().splitlines()
                    values = dict(line.split() for line in lines)
                    if "oom_kill" in values:
                        return int(values["oom_kill"])
        return 0

    def close(self) -> None:
        """Remove the groups."""
        for folder in self._folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
        self._folders.clear()


def remove(prefix: str) -> None:
    """Remove the groups with names that start so, which a killed grader has left behind."""
    with contextlib.suppress(OSError):
        for parent, _ in _places(0, 0):
            for folder in parent.glob(f"{prefix}*"):
                with contextlib.suppress(OSError):
                    folder.rmdir()


def report() -> tuple[str, bool, str]:
    """Return (feature, whether it is available, why), for `autograder doctor`."""
    why = _refusal()
    return "control groups", not why, why or "bounds on memory, threads and processor as sums"


def available() -> bool:
    """Whether this process may make groups and move its children there."""
    return not _refusal()


@functools.cache
def _refusal() -> str:
    try:
        group = Group(f"autograder-{uuid.uuid4().hex}", 2**30, 64)
        try:
            idle = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", "input()"],
                stdin=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            with idle:
                group.add(idle.pid)
        finally:
            group.close()
    except OSError as error:
        return str(error)
    return ""


def _places(memory: int, threads: int) -> list[tuple[Path, Files]]:
    """Where groups can be made, and what to write into their files.

    Raises OSError when memory and threads cannot both be bounded.
    """
    own, mounts = dict(_own_groups()), dict(_mounts())
    separate = {
        "memory": {"memory.limit_in_bytes": str(memory)},
        "pids": {"pids.max": str(threads)},
        "cpu": {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": str(PERIOD)},
    }
    if {"memory", "pids"} <= mounts.keys():
        here = [name for name in separate if name in mounts and name in own]
        return [(mounts[name] / own[name].lstrip("/"), separate[name]) for name in here]
    together = {
        "memory.max": str(memory),
        "memory.swap.max": "0",
        "pids.max": str(threads),
        "cpu.max": f"{PERIOD} {PERIOD}",
    }
    if "" in mounts and "" in own:
        group = mounts[""] / own[""].lstrip("/")
        for folder in (group, group.parent):
            with contextlib.suppress(OSError):
                passed_on = (folder / "cgroup.subtree_control").read_text().split()
                if {"memory", "pids"} <= set(passed_on) and os.access(folder, os.W_OK):
                    return [(folder, together)]
    raise OSError("no group near this process passes memory and pids on to groups that we may make")


def _own_groups() -> Iterator[tuple[str, str]]:
    """Yield (controller, path) of this process; the controller of version 2 is ""."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        yield from ((controller, path) for controller in controllers.split(","))


def _mounts() -> Iterator[tuple[str, Path]]:
    """Yield (controller, folder) of every hierarchy that is mounted."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        folder = Path(before.split(" ")[4])
        if kind == "cgroup2":
            yield "", folder
        elif kind == "cgroup":
            yield from ((option, folder) for option in options.split(","))
