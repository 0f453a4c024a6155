"""What grading needs of a machine and what it found: `autograder doctor`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from autograder.learning.machine import Finding
from autograder.sandbox.inside import isolation

TIERS = {
    "A": "files, processes and network of its own; nothing of the course is within reach",
    "B": "files and network are closed to submissions, which still see other processes",
    "C": "time and memory are bounded, and nothing else: marks are unofficial",
}

LIBRARIES = ("numpy", "torch", "ipython", "nbformat", "nbgrader")


def examine(course: Path | None = None) -> list[Finding]:
    """Return what was found, the tier first; with a course, also whether it can be written."""
    tier = isolation.available().tier
    found = [Finding(f"tier {tier}", tier != "C", TIERS[tier])]
    found += [Finding(*row) for row in isolation.report()]
    found += [*_software(), _folder("temporary files", Path(tempfile.gettempdir()))]
    return found if course is None else [*found, *_course(Path(course))]


def examine_cluster(where: str, certificates: Path | None) -> list[Finding]:
    """Return a line for the scheduler and one for each worker: whether it may mark, and why not.

    Raises `CourseError` where the address is none that the secret may travel to.
    """
    from autograder.course.errors import CourseError
    from autograder.grading.cluster import ClusterError, look_at_workers, session

    try:
        with session(where, certificates) as connect:
            found = look_at_workers(connect)
    except ClusterError as error:
        raise CourseError(str(error)) from None
    except OSError as error:
        return [Finding("scheduler", False, f"{where}: {' '.join(str(error).split())}", True)]
    scheduler = Finding("scheduler", bool(found), f"{where}: {len(found)} workers", True)
    return [scheduler, *(Finding(f"worker {name}", not why, why) for name, why in found.items())]


def _software() -> Iterator[Finding]:
    version = platform.python_version()
    yield Finding("Python", sys.version_info >= (3, 11), f"{version}, {sys.executable}", True)
    for name in LIBRARIES:
        try:
            yield Finding(name, True, importlib.metadata.version(name), True)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, False, "not installed: run `make venv`", True)
    beside = Path(sys.executable).with_name("alembic")
    alembic = shutil.which("alembic") or (str(beside) if beside.exists() else "")
    yield Finding("alembic", bool(alembic), alembic or "nbgrader calls it: run `make venv`", True)


def _course(root: Path) -> Iterator[Finding]:
    yield _folder("course folder", root)
    config, secret = root / "nbgrader_config.py", root / ".autograder" / "secret"
    ours = config.is_file() and "nbgrader_plugin" in config.read_text("utf-8", "replace")
    yield Finding(
        "nbgrader_config.py", ours, "ours" if ours else f"run `autograder init {root}`", True
    )
    mode = secret.stat().st_mode & 0o777 if secret.is_file() else None
    why = "missing: run `autograder init`" if mode is None else f"mode {mode:o}"
    yield Finding("secret", mode is not None and not mode & 0o077, why, True)


def _folder(what: str, folder: Path) -> Finding:
    fine = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    free = f"{shutil.disk_usage(folder).free / 1e9:.1f} GB free" if fine else "cannot be written"
    return Finding(what, fine, f"{folder}: {free}", True)


def table(findings: Sequence[Finding], title: str = "") -> Table:
    """Return the findings as one table."""
    shown = Table(title=title or None, show_lines=False)
    shown.add_column("what", no_wrap=True)
    shown.add_column("here", no_wrap=True)
    shown.add_column("why", overflow="fold")
    for finding in findings:
        here = "yes" if finding.fine else ("NO" if finding.needed else "no")
        shown.add_row(Text(finding.what), here, Text(finding.why))
    return shown
