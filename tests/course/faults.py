"""Faults of the machine at any step of grading: a full or a closed disk, Ctrl-C, a kill.

    PYTHONPATH=tests python tests/course/faults.py [SHARE]       of all steps, 1 by default
    PYTHONPATH=tests python tests/course/faults.py --signals 12 8    interruptions of the real
                                                                 command, within 8 seconds

A step is a file of the course that is made, written, renamed or removed, or a change of the
gradebook. Each fault comes at one step of `autograder grade --feedback`, in a process of its own;
what was handed in is no notebook, so that nothing has to be executed. Whatever it was: clear lines
or none, a status that tells, and the same command again makes everything right.
"""

import builtins
import contextlib
import errno
import io
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from classroom import NAME, content, solution, template, write_lesson

from autograder import cli
from autograder.course import early
from autograder.course.folder import init
from autograder.course.nbgrader_api import NbgraderCourse

STUDENTS = ("ada", "carl", "eve")
KINDS = ("full disk", "no permission", "Ctrl-C", "kill")
KILLED = -signal.SIGKILL
MARKED = re.compile(r"^(\w+): the mark was written", re.MULTILINE)
UNMARKED = re.compile(r"^(\w+): no mark was written", re.MULTILINE)
COMMAND = ("grade", "2", "--feedback")


def make(folder: Path, notebook: bytes = b"no notebook") -> Path:
    """Make a released course in which everybody handed in `notebook`."""
    course, _ = init(folder, exchange=folder / "exchange", src=write_lesson(folder.parent / "src"))
    NbgraderCourse(folder).generate_assignment(NAME)
    for student in STUDENTS:
        path = folder / "submitted" / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(notebook)
    return course.root


def marks(root: Path) -> dict[str, list]:
    """What the gradebook has, by student."""
    query = (
        "select student_id, base_cell.name, auto_score, needs_manual_grade from grade "
        "join submitted_notebook on submitted_notebook.id = grade.notebook_id "
        "join submitted_assignment on submitted_assignment.id = submitted_notebook.assignment_id "
        "join base_cell on base_cell.id = grade.cell_id order by 1, 2"
    )
    found: dict[str, list] = {}
    with contextlib.closing(sqlite3.connect(root / "gradebook.db")) as book:
        for student, *rest in book.execute(query):
            found.setdefault(student, []).append(rest)
    return found


def pages(root: Path) -> dict[str, str]:
    """The feedback pages, by student."""
    found = (root / "feedback").glob(f"*/{NAME}/{NAME}.html")
    return {path.parts[-3]: path.read_text("utf-8") for path in found}


# ------------------------------------------------------------------------------- one fault


@dataclass(frozen=True)
class Ended:
    """How the command ended."""

    status: int
    said: str  # on standard error
    steps: int


class _Steps:
    """Counts the steps of this process; at one of them, a fault comes."""

    def __init__(self, root: Path, kind: str, at: int):
        self.root, self.kind, self.at, self.number = str(root), kind, at, 0

    def step(self, file: str = "") -> None:
        """Count one, and fail when it is the one; without a file it is of the gradebook."""
        self.number += 1
        if self.number != self.at:
            return
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "Ctrl-C":
            raise KeyboardInterrupt
        is_full = self.kind == "full disk"
        if not file:
            from sqlalchemy.exc import OperationalError

            said = "database or disk is full" if is_full else "attempt to write a readonly database"
            raise OperationalError("INSERT", {}, sqlite3.OperationalError(said))
        number = errno.ENOSPC if is_full else errno.EACCES
        raise OSError(number, os.strerror(number), file)

    def watch(self) -> None:
        """Have every step counted, for good."""
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        for owner, name in (
            *((os, name) for name in ("replace", "mkdir", "unlink", "rmdir", "chmod")),
            (tempfile, "mkstemp"),
        ):
            setattr(owner, name, self._counted(getattr(owner, name)))
        opened = builtins.open

        def open_(file, mode="r", *arguments, **options):
            if set(mode) & set("wax+"):
                self._touch(file)
            return opened(file, mode, *arguments, **options)

        builtins.open = io.open = open_

        def execute(connection, cursor, statement, *_):
            if not statement.lstrip().startswith(("SELECT", "PRAGMA")):
                self.step()

        event.listen(Engine, "before_cursor_execute", execute)

    def _counted(self, function):
        def call(*arguments, **options):
            self._touch(options.get("dir") or arguments[0])
            return function(*arguments, **options)

        return call

    def _touch(self, file) -> None:
        if isinstance(file, str | Path) and str(file).startswith(self.root):
            self.step(str(file))


def run(root: Path, kind: str = "", at: int = 0) -> Ended:
    """Run the command in a fork of this process, with a fault at one step."""
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as count:
        child = os.fork()
        if child == 0:
            _live(root, _Steps(root, kind, at), said, count)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        count.seek(0)
        steps = int(count.read() or 0)
        return Ended(os.waitstatus_to_exitcode(status), said.read(), steps)


def _live(root: Path, steps: _Steps, said, count) -> None:
    """Be the process that grades, and end."""
    status, out = 70, open(os.devnull, "w")  # noqa: SIM115 - open until the process ends
    try:
        os.dup2(said.fileno(), 2)
        sys.stdout, sys.stderr = out, said
        cli.end_now, early.has_new = sys.exit, lambda *_: False
        steps.watch()
        cli.main(_arguments(root))
        status = 0
    except SystemExit as left:
        status = left.code or 0
    except BaseException as error:
        print(f"Traceback: {error!r} came out of the command", file=sys.stderr)
    finally:
        said.flush()
        os.pwrite(count.fileno(), str(steps.number).encode(), 0)
        os._exit(status)


def require_sound(original: Path, root: Path, kind: str, at: int, whole: tuple) -> str:
    """Let a fault come in a copy of a course and require that nothing false or broken is left.

    Returns how it ended, in a word. Raises AssertionError with what is wrong.

    Args:
        whole: marks and pages of the same course without a fault.
    """
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(original, root)
    ended = run(root, kind, at)
    where = f"{kind} at step {at}: status {ended.status}, {ended.said!r}"
    assert "Traceback" not in ended.said, where
    after, shown = marks(root), pages(root)
    everything = (after, shown) == whole
    if kind == "kill":
        assert ended.status == KILLED, where
    elif kind == "Ctrl-C":
        assert ended.status in (0, cli.INTERRUPTED), where
        assert ended.said.count("\n") <= 1 or ended.status == 0, where
    assert everything or ended.status != 0, where
    assert all(student in after for student in MARKED.findall(ended.said)), where
    assert not any(student in after for student in UNMARKED.findall(ended.said)), where
    assert all(after[student] == whole[0][student] for student in after), where
    assert all(page.rstrip().endswith("</html>") for page in shown.values()), where
    again = run(root)
    assert again.status == 0 and not again.said, f"{where}; again: {again}"
    assert (marks(root), pages(root)) == whole, f"{where}; again"
    is_sudden = kind in ("kill", "Ctrl-C")  # which wait for no thread that writes
    left = [path for path in root.rglob(".writing-*") if not is_sudden]
    assert not left, f"{where}; left: {left}"
    return "ended well" if ended.status == 0 else "one line" if ended.said else "no line"


def sweep(folder: Path, share: float = 1.0) -> dict[str, Counter]:
    """Let every kind of fault come at a share of all steps; returns how often it ended how."""
    original, root = make(folder / "original"), folder / "copy"
    shutil.copytree(original, root)
    first = run(root)
    assert first.status == 0 and not first.said, first
    whole = marks(root), pages(root)
    assert set(whole[0]) == set(whole[1]) == set(STUDENTS)
    every = max(1, round(1 / share))
    found: dict[str, Counter] = {kind: Counter() for kind in KINDS}
    for number, kind in enumerate(KINDS):
        for at in range(1 + number * every // len(KINDS), first.steps + 1, every):
            found[kind][require_sound(original, root, kind, at, whole)] += 1
    return found


# ----------------------------------------------------------------------- the real command


def interrupt(folder: Path, times: int, longest: float) -> Counter:
    """Press Ctrl-C at random moments of the real command; returns how often it ended how."""
    original, found = make(folder / "original", content(solution())), Counter()
    generator = random.Random(0)
    for number in range(times):
        root = folder / f"copy-{number}"
        shutil.copytree(original, root)
        ended = _interrupted(root, longest * generator.random())
        assert "Traceback" not in ended.said, ended
        assert ended.status in (0, 130), ended
        assert not ended.status or ended.said.count("\n") == 1, ended
        found["ended before" if ended.status == 0 else "one line"] += 1
        after = marks(root)
        assert all(
            mark[1] is not None
            for student in after
            for mark in after[student]
            if mark[0].endswith("-check")
        ), after
    done = subprocess.run(_program(root), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    total = sum(cell["metadata"]["nbgrader"].get("points", 0) for cell in _checks())
    for student, found_marks in marks(root).items():
        earned = sum(score for name, score, _ in found_marks if name.endswith("-check"))
        assert earned == total, (student, found_marks)
    return found


def _checks():
    return [cell for cell in template().cells if cell.source.startswith("check(")]


def _program(root: Path) -> list[str]:
    """The command as a shell starts it."""
    return [sys.executable, "-m", "autograder", *_arguments(root)]


def _arguments(root: Path) -> list[str]:
    command, *rest = COMMAND
    return [command, str(root), *rest]


def _interrupted(root: Path, seconds: float) -> Ended:
    """Run the command and interrupt it after some seconds."""
    program = "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "os.execv(sys.argv[1], sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", program, *_program(root)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        time.sleep(0.3 + seconds)  # earlier, Python itself would show a traceback
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
    return Ended(running.returncode, said, 0)


def main(arguments: list[str]) -> None:
    """Sweep, and print what came of it."""
    with tempfile.TemporaryDirectory(prefix="course-faults-") as name:
        if arguments[:1] == ["--signals"]:
            found = interrupt(Path(name), int(arguments[1]), float(arguments[2]))
            print(f"Ctrl-C: {dict(found)}")
            return
        for kind, found in sweep(Path(name), *map(float, arguments[:1])).items():
            print(f"{kind}: {sum(found.values())} steps, {dict(found)}")


if __name__ == "__main__":
    main(sys.argv[1:])
