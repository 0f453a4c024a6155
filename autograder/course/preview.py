"""Whose mark grading again would change, by how much and why; nothing is written.

    preview(course, "02_batch_normalization").changes    -> Change("ada", 71.0, 75.0, ("late: …",))

Judges and points are tried on what was observed when a submission was graded. What only a run can
tell (a new hand-in, another template or library) is counted, with the minutes it would take.
"""

from __future__ import annotations

import multiprocessing
import signal
import statistics
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from nbformat import NotebookNode

from autograder.checking.spec import Exercise
from autograder.course.folder import Course
from autograder.course.grade_class import select_submissions, template_path
from autograder.course.markbook import Line, Question, marks
from autograder.course.marks import counted_otherwise, mark_of
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.grading.batch import told
from autograder.grading.grader import Grader, graded_exercises
from autograder.grading.observations import NotKept
from autograder.grading.results import Store, SubmissionResult
from autograder.submissions.rebuild import read_template
from autograder.submissions.uploads import take

NEAR = 1e-6  # points that are no difference
SECONDS = 10.0  # of a run, where none is known
FEW = 40  # submissions that one process judges sooner than several start
PIECE = 10  # submissions that a process is given at a time


@dataclass(frozen=True)
class Change:
    """One student's mark, as it stands and as it would be; None: there is none yet."""

    student: str
    before: float | None
    after: float
    why: tuple[str, ...]


Found = Change | NotKept | str | None  # None: nothing would change; a text: nobody can tell


@dataclass(frozen=True)
class Preview:
    """What grading a lesson again would come to."""

    changes: tuple[Change, ...] = ()
    same: int = 0
    runs: Mapping[str, str] = field(default_factory=dict)  # why only a run can tell, by student
    faults: Mapping[str, str] = field(default_factory=dict)  # why nobody can tell, by student
    minutes: float = 0.0  # that these runs would take
    otherwise: tuple[str, ...] = ()  # what the released notebook counts, and a new one would not

    @property
    def words(self) -> str:
        """The outcome in one line."""
        said = f"{len(self.changes)} marks would change, {self.same} would not"
        if self.runs:
            said += f"; needs {len(self.runs)} runs, about {in_minutes(self.minutes)}"
        if self.faults:
            said += f"; {len(self.faults)} could not be read or judged"
        return f"{said}. Nothing was written."

    def reasons(self) -> dict[str, list[str]]:
        """Who has to be executed, by the reason."""
        found: dict[str, list[str]] = {}
        for student, why in self.runs.items():
            found.setdefault(why, []).append(student)
        return found


def in_minutes(minutes: float) -> str:
    """Return a time in words.

    >>> in_minutes(0.2), in_minutes(7.6)
    ('1 minute', '8 minutes')
    """
    whole = max(1, round(minutes))
    return f"{whole} minute{'s' if whole > 1 else ''}"


def preview(
    course: Course,
    lesson: str,
    *,
    students: Sequence[str] = (),
    execute: bool = False,
    jobs: int = 2,
    progress: Callable[[str, str, int], None] | None = None,
) -> Preview:
    """Compare the gradebook with what grading again would write to it.

    Args:
        students: only these; all who submitted when empty.
        execute: also run what only a run can tell; its results are not kept.
        progress: called with ("execute", student, how many there are) after each submission.
    """
    tell = progress or (lambda stage, student, total: None)
    book, store = NbgraderCourse(course.root), course.store(lesson)
    submissions = select_submissions(students, book.handed_in(lesson), lesson)
    template = read_template(template_path(book, lesson))
    left_out = course.settings().lesson(lesson).leave_out
    recorded = {line.student: line for line in marks(course) if line.lesson == lesson}
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in template.cells}
    asked = {name: (one, cells[name]) for name, one in graded_exercises(template).items()}
    gone = {name for name, (one, _) in asked.items() if one.id in left_out}
    with Grader(
        template,
        lesson,
        course.secret(),
        book.limits,
        hidden=[course.root],
        turn=course.turn(lesson),
        expected=course.expected(lesson),
    ) as grader:

        def change_of(student: str, judge: Callable[[Path, str], SubmissionResult]) -> Found:
            try:
                result = judge(submissions[student], student)
            except NotKept as why:
                return why
            except Exception as error:
                return told(error)
            return _change(student, result, recorded.get(student), asked, gone)

        grader.expect()
        found: dict[str, Found] = {}
        look_at = partial(change_of, judge=partial(_judged, grader, store))
        looked = _side_by_side(look_at, submissions, jobs)
        for student, one in zip(submissions, looked, strict=True):
            found[student] = one
            tell("execute", student, len(submissions))
        waiting = [student for student, one in found.items() if isinstance(one, NotKept)]
        minutes = _minutes(store, waiting, jobs)
        if execute:
            with ThreadPoolExecutor(max_workers=jobs) as pool:
                executed = pool.map(partial(change_of, judge=grader.grade), waiting)
                found |= zip(waiting, executed, strict=True)
    return Preview(
        tuple(one for one in found.values() if isinstance(one, Change)),
        sum(one is None for one in found.values()),
        {who: str(one) for who, one in found.items() if isinstance(one, NotKept)},
        {who: one for who, one in found.items() if isinstance(one, str)},
        minutes,
        tuple(counted_otherwise(template, left_out)),
    )


def _side_by_side(look_at: Callable, students: Collection[str], jobs: int) -> Iterator:
    """Yield what `look_at` returns for each; many are dealt out to forks of this process."""
    if jobs == 1 or len(students) < FEW or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(look_at, students)
        return
    fork = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(jobs, fork, initializer=_begin, initargs=(look_at,))
    with pool, warnings.catch_warnings():
        # A fork has no other thread of this process; none of them holds what judging needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        yield from pool.map(_look, students, chunksize=PIECE)


_inherited: list[Callable] = []  # in a forked process: what it looks with


def _begin(look_at: Callable) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits
    _inherited.append(look_at)


def _look(student: str):
    return _inherited[0](student)


def _judged(grader: Grader, store: Store, path: Path, student: str) -> SubmissionResult:
    """The result that grading would give; raises `NotKept` where only a run can tell."""
    upload, kept = take(path), store.load(student)
    if kept and kept.complete and (kept.basis, kept.file) == (grader.basis, upload.digest):
        return kept
    try:
        return grader.remark(upload, student, store, keep=False)
    except NotKept:
        counted = frozenset(report.exercise_id for report in kept.reports) if kept else frozenset()
        if not counted > {exercise.id for exercise in grader.exercises.values()}:
            raise
        return grader.released_with(counted).remark(upload, student, store, keep=False)


def _minutes(store: Store, students: Sequence[str], jobs: int) -> float:
    """How long runs would take, by how long they took before."""
    known = [kept.seconds for kept in store.all() if kept.seconds] if students else []
    each = statistics.median(known) if known else SECONDS
    return len(students) * each / jobs / 60


def _change(
    student: str,
    result: SubmissionResult,
    line: Line | None,
    asked: Mapping[str, tuple[Exercise, NotebookNode]],
    gone: Collection[str],
) -> Change | None:
    """What a result would change; `gone` are questions that a new release would not count."""
    if line is None:
        return Change(student, None, result.score + result.bonus, ("it has no mark yet",))
    left = [one for one in line.questions if one.name not in gone]
    after = replace(line, questions=tuple(_marked(one, result, asked) for one in left))
    before = line.score - line.recorded_penalty
    if abs(after.final - before) < NEAR and after.maximum == line.maximum:
        return None
    return Change(student, before, after.final, tuple(_why(line, after)))


def _marked(question: Question, result: SubmissionResult, asked) -> Question:
    """A question with the mark of `result`; one that a person marked keeps theirs."""
    if question.name not in asked or question.by_hand:
        return question
    mark = mark_of(result, *asked[question.name])
    bonus = question.bonus if mark.extra is None else mark.extra
    return replace(question, score=mark.score or 0.0, bonus=bonus, waiting=mark.score is None)


def _why(before: Line, after: Line) -> Iterator[str]:
    would = {one.name: one for one in after.questions}
    for old in before.questions:
        was, new = old.score + old.bonus, would.get(old.name)
        if new is None:
            yield f"{old.title}: {was:g} of {old.maximum:g} are left out"
        elif abs(was - new.score - new.bonus) > NEAR:
            yield f"{new.title}: {was:g} → {new.score + new.bonus:g}"
    if before.maximum != after.maximum:
        yield f"of {after.maximum:g} points instead of {before.maximum:g}"
    if abs(before.recorded_penalty - after.penalty) > NEAR:
        words = after.lateness.words or "on time"
        yield f"penalty {before.recorded_penalty:g} → {after.penalty:g} ({words})"
