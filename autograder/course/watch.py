"""Grade what arrives: look at the folder of submissions, wait until files rest, grade them."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.grade_class import grade_class
from autograder.course.handed_in import look
from autograder.course.markbook import settle
from autograder.course.summary import score

State = tuple[tuple[str, int, int], ...]  # name, time and size of each file


def watch(
    course: Course,
    lesson: str,
    *,
    seconds: float = 5.0,
    jobs: int = 2,
    rounds: int | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[str]:
    """Grade each submission that is new or changed and rested for one round; yields a line each.

    Args:
        seconds: between two looks.
        rounds: looks until it ends; forever when None.
    """
    before: dict[str, State] = {}
    done: dict[str, State] = {}
    for number in count():
        found = {who: state(path) for who, path in _notebooks(course, lesson).items()}
        now = {who: files for who, files in found.items() if files}
        resting = [
            who for who, files in now.items() if before.get(who) == files and done.get(who) != files
        ]
        if resting:
            try:
                yield from _graded(course, lesson, resting, jobs)
                done |= {who: now[who] for who in resting}
            except CourseError as error:  # another one grades: the next round tries again
                yield f"{_time()} {error}"
        before = now
        if rounds is not None and number + 1 >= rounds:
            return
        sleep(seconds)


def _notebooks(course: Course, lesson: str) -> dict[str, Path]:
    return look(course.root / "submitted", lesson, course.lessons()).notebooks


def state(notebook: Path) -> State:
    """Return what tells whether the files of a hand-in are still being written.

    Nothing where they are removed at this moment.
    """
    try:
        facts = [(path.name, path.lstat()) for path in sorted(notebook.parent.iterdir())]
    except OSError:
        return ()
    return tuple((name, one.st_mtime_ns, one.st_size) for name, one in facts)


def _graded(course: Course, lesson: str, students: list[str], jobs: int) -> Iterator[str]:
    graded = grade_class(course, lesson, students=students, jobs=jobs)
    settle(course)
    for who, result in graded.results.items():
        if who not in graded.unchanged:
            yield f"{_time()} {who}: {score(result)}"
    for who, why in graded.faults.items():
        yield f"{_time()} {who}: {why}"


def _time() -> str:
    return f"{datetime.datetime.now():%H:%M:%S}"
