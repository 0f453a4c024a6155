"""The whole way of a class: from submitted files to marks, comments and feedback pages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nbformat.reader import NotJSONError

from autograder.course import early
from autograder.course.errors import CourseError, nearest
from autograder.course.folder import Course
from autograder.course.handed_in import HandedIn
from autograder.course.summary import Line, line
from autograder.grading.batch import grade_blocks, remark_blocks
from autograder.grading.grader import Grader, given_cells
from autograder.grading.results import Kept, SubmissionResult
from autograder.sandbox.process import Fresh
from autograder.sandbox.zygote import Zygote, sandboxes
from autograder.submissions.rebuild import read_template


@dataclass(frozen=True)
class Graded:
    """What grading a class came to."""

    results: Mapping[str, SubmissionResult]  # by student, each read when it is asked for
    lines: Mapping[str, Line]  # the same for a table, as they were when they were marked
    faults: dict[str, str]  # what could not be done, and whether a mark was written, by student
    unchanged: tuple[str, ...]  # students whose marks in the gradebook were already right
    unread: dict[str, list[str]]  # a sentence for each notebook that was not read, by student
    lost: tuple[str, ...] = ()  # students of whom nothing was read
    otherwise: tuple[str, ...] = ()  # what the released notebook counts as a new one would not


def grade_class(
    course: Course,
    lesson: str,
    *,
    students: Sequence[str] = (),
    force: bool = False,
    remark: bool = False,
    jobs: int = 2,
    cluster: str = "",
    certificates: Path | None = None,
    feedback: bool = False,
    progress: Callable[[str, str, int], None] | None = None,
    started: Zygote | Fresh | None = None,
) -> Graded:
    """Grade submissions and write marks and comments to the gradebook, through nbgrader.

    Args:
        lesson: full name of the assignment.
        students: only these; all who submitted when empty.
        force: execute and write again what is unchanged.
        remark: execute nothing; judge again from what was observed when it was graded.
        cluster: where Dask's workers grade: "local", "slurm", "kubernetes", or the scheduler's
            tls:// address.
        certificates: folder with those of the scheduler.
        feedback: also write feedback pages.
        progress: called with (stage, student, how many there are) after each piece of work; the
            stages are "execute", "record" and "feedback".
        started: sandboxes that were started for it already; they are closed in the end.
    """
    course.settings()  # what is wrong in it is said before anything is graded
    is_needed = not (remark or cluster) and (force or early.has_new(course.root, lesson, students))
    with (
        course.alone_with(lesson),
        _blocks_on(cluster, certificates, jobs) as cluster_blocks,
        _warming(course, lesson, is_needed, started) as places,
    ):
        return _grade_class(
            course,
            lesson,
            students,
            force,
            remark,
            jobs,
            cluster_blocks,
            feedback,
            progress,
            places,
        )


@contextlib.contextmanager
def _blocks_on(cluster: str, certificates: Path | None, jobs: int):
    """Yield what grades on a cluster, if one is asked for; its errors are the course's."""
    if not cluster:
        yield None
        return
    from autograder.grading.cluster import ClusterError, cluster_blocks, patience_with, session

    try:
        with session(cluster, certificates, jobs) as connect:
            yield partial(cluster_blocks, connect, patience=patience_with(cluster))
    except ClusterError as error:
        raise CourseError(str(error)) from None


def _grade_class(
    course, lesson, students, force, remark, jobs, cluster_blocks, feedback, progress, places
) -> Graded:
    from autograder.course.feedback import NoPage, write_feedback
    from autograder.course.gradebook import NO_MARK, Recorder
    from autograder.course.marks import counted_otherwise
    from autograder.course.nbgrader_api import NbgraderCourse

    tell = progress or (lambda stage, student, total: None)
    book, store = NbgraderCourse(course.root), course.store(lesson)
    found = book.handed_in(lesson)
    submissions = select_submissions(students, found, lesson)
    template = read_template(template_path(book, lesson))
    marked: dict[str, Line] = {}
    unchanged: set[str] = set()
    faults: dict[str, str] = {}

    def executed(student: str, result: SubmissionResult | None) -> None:
        tell("execute", student, len(submissions))

    with (
        Grader(
            template,
            lesson,
            course.secret(),
            book.limits,
            hidden=[course.root],
            log=course.log,
            turn=course.turn(lesson),
            places=places,
            expected=course.expected(lesson),
        ) as grader,
        Recorder(book, lesson) as recorder,
    ):
        if remark:
            blocks = remark_blocks(grader, submissions, store, progress=executed)
        elif cluster_blocks:
            options = {"hidden": [course.root], "force": force, "progress": executed}
            blocks = cluster_blocks(grader, submissions, store, **options)
        else:
            blocks = grade_blocks(
                grader, submissions, store, jobs=jobs, force=force, progress=executed
            )
        for block in blocks:
            faults |= {student: NO_MARK.format(why) for student, why in block.faults.items()}
            right = set() if force else recorder.unchanged(block.results)
            left = {name: result for name, result in block.results.items() if name not in right}
            faults |= _record(book, recorder, lesson, left, submissions, block.notebooks)
            unchanged |= right
            marked |= {student: line(result) for student, result in block.results.items()}
            for student in block.results:
                tell("record", student, len(submissions))
    marked = {student: marked[student] for student in submissions if student in marked}
    fine = [student for student in marked if student not in faults]
    if feedback and fine:
        shown = write_feedback(course, lesson, fine, lambda who: tell("feedback", who, len(fine)))
        for student, why in shown.items():
            if isinstance(why, NoPage):
                faults[student] = f"the mark was written, but no feedback page: {why}"
    chosen = students or found.unread
    unread = {who: found.unread[who] for who in chosen if who in found.unread}
    lost = tuple(who for who in found.lost if who in unread)
    return Graded(
        Kept(store, marked),
        marked,
        faults,
        tuple(student for student in marked if student in unchanged),
        unread,
        lost,
        tuple(counted_otherwise(template, course.settings().lesson(lesson).leave_out)),
    )


@contextlib.contextmanager
def _warming(
    course: Course, lesson: str, is_needed: bool, started: Zygote | Fresh | None
) -> Iterator[Zygote | Fresh | None]:
    """Have sandboxes warm up while nbgrader is imported, and close them in the end.

    None where the course has no readable release in the usual place; the grader makes its own.
    """
    with contextlib.ExitStack() as closing:
        if started:
            closing.callback(started.close)
        places = None
        with contextlib.suppress(OSError, NotJSONError):
            if is_needed:
                release = read_template(course.root / "release" / lesson / f"{lesson}.ipynb")
                places = started or sandboxes(None, [course.root])
                closing.callback(places.close)
                places.begin(given_cells(release))
        yield places


def _record(book, recorder, lesson, results, paths, notebooks) -> dict[str, str]:
    """Write a block to the gradebook; returns what could not be written, by student."""
    from autograder.course.gradebook import NO_MARK, line_of

    if recorder.can:
        return recorder.record(results, paths, notebooks)
    faults = {}
    for student in results:
        try:
            book.autograde(lesson, student)
        except Exception as error:
            faults[student] = NO_MARK.format(line_of(error))
    return faults


def template_path(book, lesson: str) -> Path:
    """Return the released notebook; raises `CourseError` when it has not been generated."""
    path = book.template(lesson)
    if not path.is_file():
        raise CourseError(
            f"{lesson} has not been released: run `nbgrader generate_assignment {lesson}` in "
            f"{book.root}."
        )
    return path


def select_submissions(students: Sequence[str], found: HandedIn, lesson: str) -> dict[str, Path]:
    """Return the notebooks of some students, or of all who submitted.

    Raises `CourseError` when there is none, or one of the students has none.
    """
    submitted = found.notebooks
    if not submitted and not found.unread:
        raise CourseError(
            f"Nobody has submitted {lesson} yet: run `autograder collect`, or put files at "
            f"submitted/STUDENT/{lesson}/{lesson}.ipynb."
        )
    for student in students:
        if student not in submitted:
            why = found.unread.get(student, [nearest(student, submitted).strip()])
            raise CourseError(
                f"There is no submission of {student!r} for {lesson}. {'; '.join(why)}".strip()
            )
    return {student: submitted[student] for student in students or submitted}
