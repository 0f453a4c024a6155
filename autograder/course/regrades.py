"""Requests to look at a mark again: who asked, about what and why, and what was decided.

    request(course, lesson, "ada", "why-question", "my answer names the mean")   -> Request, open
    decide(course, 1, "granted", "right")                                        -> Request, granted

Kept in .autograder/regrades.jsonl, a line each. A lesson's `regrades_until` in course.toml ends the
window. A decision is a state: the mark itself is changed where marks are given.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from autograder.course.errors import CourseError, nearest
from autograder.course.folder import Course
from autograder.grading.results import write_atomically

OPEN, GRANTED, DECLINED = "open", "granted", "declined"
STATES = (OPEN, GRANTED, DECLINED)
MAX_REASON = 2_000  # characters


@dataclass(frozen=True)
class Request:
    """One request; times are in UTC."""

    number: int
    lesson: str
    student: str
    question: str  # nbgrader's grade id
    reason: str
    asked: str
    state: str = OPEN
    note: str = ""  # of who decided
    decided: str = ""


def requests(course: Course, lesson: str = "", state: str = "") -> list[Request]:
    """Return requests in the order in which they came."""
    if state and state not in STATES:
        raise CourseError(
            f"There is no state {state!r}.{nearest(state, STATES)} States: {', '.join(STATES)}."
        )
    return [
        one
        for one in _read(course)
        if lesson in ("", one.lesson) and (not state or one.state == state)
    ]


def request(
    course: Course,
    lesson: str,
    student: str,
    question: str,
    reason: str,
    now: datetime.datetime | None = None,
) -> Request:
    """Enter a request.

    Args:
        lesson: full name.
        question: nbgrader's grade id, or the id of an exercise.
        now: in UTC; the clock's time when None.

    Raises `CourseError` when the window is over, the same one is open, or there is no such mark.
    """
    now = now or _now()
    until = course.settings().lesson(lesson).regrades_until
    if until and now > until:
        raise CourseError(f"Regrade requests for {lesson} ended on {until:%Y-%m-%d %H:%M} UTC.")
    if not reason.strip() or len(reason) > MAX_REASON:
        raise CourseError(f"A reason has 1 to {MAX_REASON} characters; this has {len(reason)}.")
    name = _question(course, lesson, student, question)
    with _writing(course) as kept:
        for one in kept:
            same = (one.lesson, one.student, one.question) == (lesson, student, name)
            if same and one.state == OPEN:
                raise CourseError(f"Request {one.number} asks the same and is open.")
        number = max((one.number for one in kept), default=0) + 1
        kept.append(Request(number, lesson, student, name, reason.strip(), f"{now:%FT%TZ}"))
        return kept[-1]


def decide(
    course: Course, number: int, state: str, note: str = "", now: datetime.datetime | None = None
) -> Request:
    """Grant or decline a request; a decision may be changed."""
    if state not in (GRANTED, DECLINED):
        raise CourseError(f"A decision is {GRANTED} or {DECLINED}, not {state!r}.")
    with _writing(course) as kept:
        for place, one in enumerate(kept):
            if one.number == number:
                when = f"{now or _now():%FT%TZ}"
                kept[place] = replace(one, state=state, note=note, decided=when)
                return kept[place]
        raise CourseError(f"There is no request {number}: see `autograder regrade list`.")


def forget_requests(course: Course, student: str) -> int:
    """Remove a student's requests; returns how many there were."""
    if not _path(course).is_file():
        return 0
    with _writing(course) as kept:
        others = [one for one in kept if one.student != student]
        removed = len(kept) - len(others)
        kept[:] = others
    return removed


def _question(course: Course, lesson: str, student: str, question: str) -> str:
    """The grade id of a question that the student has a mark for."""
    from autograder.course.markbook import marks

    lines = [line for line in marks(course) if line.lesson == lesson]
    line = next((line for line in lines if line.student == student), None)
    if line is None:
        known = nearest(student, [line.student for line in lines])
        raise CourseError(f"{student} has no marks of {lesson}.{known}")
    names = [one.name for one in line.questions]
    plain = question.replace(".", "-")
    for name in names:
        if plain in (name, name.removesuffix("-check"), name.removesuffix("-question")):
            return name
    raise CourseError(
        f"{lesson} has no question {question!r}.{nearest(plain, names)} "
        f"Questions: {', '.join(names)}."
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def _path(course: Course):
    return course.private / "regrades.jsonl"


def _read(course: Course) -> list[Request]:
    try:
        lines = _path(course).read_text("utf-8").splitlines()
        return [_request(line) for line in lines]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise CourseError(
            f"{_path(course)} is damaged ({error}): put back a copy of it, or move it away."
        ) from None


def _request(line: str) -> Request:
    found = Request(**json.loads(line))
    if not isinstance(found.number, int):
        raise TypeError(f"{found.number!r} is no number of a request")
    return found


@contextlib.contextmanager
def _writing(course: Course) -> Iterator[list[Request]]:
    """Change the list while nobody else does; it is written whole when nothing was raised."""
    held = os.open(course.private, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        kept = _read(course)
        yield kept
        text = "".join(f"{json.dumps(asdict(one))}\n" for one in kept)
        write_atomically(_path(course), text.encode())
    finally:
        os.close(held)
