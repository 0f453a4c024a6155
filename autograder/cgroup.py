"""Control groups: a bound on the memory and the threads of one slot, where we may make them.

Both forms are served, the unified hierarchy (version 2) and one hierarchy a controller (1). The
limits inside a child hold without them; a group adds what rlimits do not count, and knows when
memory ran out.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_LIMITS = {  # version: (file, what it bounds)
    1: (("memory.limit_in_bytes", "memory"), ("pids.max", "threads")),
    2: (("memory.max", "memory"), ("pids.max", "threads")),
}
_numbers = itertools.count()


class Group:
    """The groups of one slot, to be closed when nobody lives in them any more."""

    def __init__(self, memory: int, threads: int):
        """Make the groups.

        Raises OSError when this user may not.
        """
        self._folders: list[Path] = []
        name = f"autograder-{os.getpid()}-{next(_numbers)}"
        limits = {"memory": memory, "threads": threads}
        try:
            for parent, version, files in _places():
                folder = parent / name
                folder.mkdir()
                self._folders.append(folder)
                for file, kind in files:
                    (folder / file).write_text(str(limits[kind]))
                if version == 2:
                    with contextlib.suppress(OSError):  # there is no such file without swap
                        (folder / "memory.swap.max").write_text("0")
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


def report() -> tuple[str, bool, str]:
    """Return (feature, whether it is available, why), for `autograder doctor`."""
    why = _refusal()
    return "control groups", not why, why or "memory and threads of a submission, as one sum"


def available() -> bool:
    """Whether this process may make groups and move its children there."""
    return not _refusal()


@functools.cache
def _refusal() -> str:
    try:
        group = Group(2**30, 64)
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


def _places() -> list[tuple[Path, int, Iterable[tuple[str, str]]]]:
    """Where groups can be made: (folder, version, files to write).

    Raises OSError when memory and threads cannot both be bounded.
    """
    own, mounts = dict(_own_groups()), dict(_mounts())
    if {"memory", "pids"} <= mounts.keys():
        found = []
        for controller, limit in zip(("memory", "pids"), _LIMITS[1], strict=True):
            found.append((mounts[controller] / own[controller].lstrip("/"), 1, (limit,)))
        return found
    if "" in mounts and "" in own:
        here = mounts[""] / own[""].lstrip("/")
        for folder in (here, here.parent):
            with contextlib.suppress(OSError):
                passed_on = (folder / "cgroup.subtree_control").read_text().split()
                if {"memory", "pids"} <= set(passed_on) and os.access(folder, os.W_OK):
                    return [(folder, 2, _LIMITS[2])]
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
