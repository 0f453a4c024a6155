"""Thousands of gradings in one engine, which must leave nothing behind and not grow.

    python tests/attacks/soak.py            10,000 gradings, with a table as it goes
    python tests/attacks/soak.py 500        500 of them

A class hands in lesson 00 again and again: right, wrong, unwritten, an exception, a process that
ends itself, a file that is no notebook. Everything is executed and recorded in the gradebook each
time. After the first tenth, memory, open files, processes and temporary files stay as they are,
every mark stays the same, and afterwards nobody holds the gradebook.
"""

import gc
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from itertools import product
from pathlib import Path

import psutil
from world import settle

from autograder.course.folder import init
from autograder.course.gradebook import Recorder
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.grading.batch import grade_batch
from autograder.grading.grader import Grader
from autograder.lessons.build import solution_notebook
from autograder.lessons.lesson import find_lesson
from autograder.submissions.rebuild import read_template, role

GRADINGS = 10_000
LESSON = "00"
MOST_COPIES = 10  # of the class in one batch
WARM_UP = 0.1  # of all gradings, until everything that is kept has been computed
GROWTH = 16  # megabytes that memory may differ by: the allocator's own ups and downs
FULL = 100.0
SLOTS = "/autograder-slots-"  # in the names of files that say who has a slot
RIGHT = """\
    length = np.sqrt((x**2).sum(axis=1, keepdims=True))
    return x / np.where(length > 0, length, 1)"""
CLASS = {  # student: body of the function that they submit (None: no notebook), points
    "right": (RIGHT, FULL),
    "wrong": ("    return x / (x**2).sum(axis=1, keepdims=True)", 25.0),
    "unwritten": ('    raise NotImplementedError("not written yet")', 0.0),
    "failing": ("    return x / nobody", 0.0),
    "ending": ("    import os\n    os._exit(1)", 0.0),
    "broken": (None, 0.0),
}


@dataclass(frozen=True)
class State:
    """What the engine and its processes hold at one moment."""

    megabytes: int  # of this process
    warm_megabytes: int  # of the largest process below it, the warm one
    descriptors: int  # but those of slots, as many as children ever lived at once
    processes: int  # below this one
    files: int  # in the folder for temporary files

    def grown(self, before: "State") -> list[str]:
        """Name what is more than it was."""
        return [
            f"{field.name}: {old} before, {new} now"
            for field, old, new in zip(fields(self), astuple(before), astuple(self), strict=True)
            if new > old + (GROWTH if "megabytes" in field.name else 0)
        ]


def state(temporary: Path) -> State:
    """Measure, once what can be collected has been."""
    gc.collect()
    here = psutil.Process()
    below = [held for child in here.children(recursive=True) if (held := _megabytes(child))]
    return State(
        megabytes=_megabytes(here),
        warm_megabytes=max(below, default=0),
        descriptors=here.num_fds() - sum(SLOTS in file.path for file in here.open_files()),
        processes=len(below),
        files=sum(len(files) for _, _, files in os.walk(temporary)),
    )


def _megabytes(process) -> int:
    """Memory of a process; 0 once it has ended."""
    with suppress(psutil.NoSuchProcess):
        return process.memory_info().rss // 2**20
    return 0


def hand_in(folder: Path, lesson, copies: int) -> dict[str, Path]:
    """Put everybody's submission into a course, so many times; return the files by student."""
    paths = {}
    for number, (kind, (body, _)) in product(range(copies), CLASS.items()):
        student = f"{kind}-{number}"
        notebook = solution_notebook(lesson)
        cell = next(cell for cell in notebook.cells if role(cell) == "solution")
        cell.source = f"def unit_rows(x):\n{body}"
        paths[student] = folder / "submitted" / student / lesson.name / f"{lesson.name}.ipynb"
        paths[student].parent.mkdir(parents=True)
        paths[student].write_text("no notebook" if body is None else json.dumps(notebook))
    return paths


@contextmanager
def engine(folder: Path, copies: int):
    """Yield a function that grades and records the whole class once."""
    lesson = find_lesson(LESSON)
    course, _ = init(folder, [LESSON], exchange=folder / "exchange")
    book = NbgraderCourse(course.root)
    book.generate_assignment(lesson.name)
    paths = hand_in(course.root, lesson, copies)
    template = read_template(book.template(lesson.name))
    with ExitStack() as stack:
        grader = stack.enter_context(
            Grader(template, lesson.name, course.secret(), hidden=[course.root])
        )
        recorder = stack.enter_context(Recorder(book, lesson.name))

        def once():
            results, faults = grade_batch(grader, paths, course.store(lesson.name), force=True)
            assert not faults, faults
            for student, result in results.items():
                expected = CLASS[student.partition("-")[0]][1]
                assert result.score == expected, f"{student}: {result.score} of {expected}"
            unwritten = recorder.record(results, paths)
            assert not unwritten, unwritten
            settle(grader.sandboxes)

        yield once


def main(gradings: int = GRADINGS, tell: Callable[[str], object] = print) -> list[State]:
    """Grade so many times; return the states that were measured, the first after the warm-up.

    Raises AssertionError when something grew, a mark changed, or the gradebook stayed locked.
    """
    copies = min(MOST_COPIES, max(1, gradings // (10 * len(CLASS))))
    rounds = max(4, -(-gradings // (copies * len(CLASS))))
    with tempfile.TemporaryDirectory(prefix="course-soak-") as name:
        temporary = Path(name) / "temporary"
        temporary.mkdir(mode=0o711)
        Path(name).chmod(0o711)
        before, tempfile.tempdir = tempfile.tempdir, str(temporary)
        try:
            with engine(Path(name) / "course", copies) as once:
                states = list(_measured(once, rounds, copies * len(CLASS), temporary, tell))
        finally:
            tempfile.tempdir = before
        with sqlite3.connect(Path(name) / "course" / "gradebook.db", timeout=0) as book:
            book.execute("begin exclusive")
        book.close()
    for later in states[1:]:
        assert not later.grown(states[0]), later.grown(states[0])
    return states


def _measured(once, rounds, size, temporary, tell):
    tell(_line("gradings", *(field.name for field in fields(State))))
    first, start = max(1, round(rounds * WARM_UP)), time.monotonic()
    for number in range(1, rounds + 1):
        once()
        if number % first == 0:
            now = state(temporary)
            tell(
                " ".join(
                    [str(number * size).rjust(9), *(str(value).rjust(15) for value in astuple(now))]
                )
            )
            yield now
    seconds = time.monotonic() - start
    tell(f"{rounds * size} gradings in {seconds:.0f} s, every mark as expected")


def _line(*values):
    return " ".join(str(value).rjust(15) for value in values)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
