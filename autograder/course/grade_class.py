"""The whole way of a class: from submitted files to marks, comments and feedback pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course.errors import CourseError, nearest
from autograder.course.folder import Course
from autograder.course.handed_in import HandedIn
from autograder.grading.batch import grade_batch
from autograder.grading.grader import Grader
from autograder.grading.results import SubmissionResult
from autograder.submissions.rebuild import read_template


@dataclass(frozen=True)
class Graded:
    """What grading a class came to."""

    results: dict[str, SubmissionResult]  # by student
    faults: dict[str, str]  # what could not be done, and whether a mark was written, by student
    unchanged: tuple[str, ...]  # students whose marks in the gradebook were already right
    unread: dict[str, list[str]]  # a sentence for each notebook that was not read, by student
    lost: tuple[str, ...] = ()  # students of whom nothing was read
    old_bonus: bool = False  # the released notebook counts bonus points in its maximum


def grade_class(
    course: Course,
    lesson: str,
    *,
    students: Sequence[str] = (),
    force: bool = False,
    jobs: int = 2,
    feedback: bool = False,
    progress: Callable[[str, str, int], None] | None = None,
) -> Graded:
    """Grade submissions and write marks and comments to the gradebook, through nbgrader.

    Args:
        lesson: full name of the assignment.
        students: only these; all who submitted when empty.
        force: execute and write again what is unchanged.
        feedback: also write feedback pages.
        progress: called with (stage, student, how many there are) after each piece of work; the
            stages are "execute", "record" and "feedback".
    """
    from autograder.course.feedback import NoPage, write_feedback
    from autograder.course.gradebook import NotWritten, Recorder
    from autograder.course.marks import with_counted_bonus
    from autograder.course.nbgrader_api import NbgraderCourse

    tell = progress or (lambda stage, student, total: None)
    book = NbgraderCourse(course.root)
    found = book.handed_in(lesson)
    submissions = _select(students, found, lesson)
    template = read_template(template_path(book, lesson))
    with Grader(
        template,
        lesson,
        course.secret(),
        book.limits,
        hidden=[course.root],
        log=course.log,
        turn=course.turn(lesson),
    ) as grader:
        results, faults = grade_batch(
            grader,
            submissions,
            course.store(lesson),
            jobs=jobs,
            force=force,
            progress=lambda student, result: tell("execute", student, len(submissions)),
        )
    faults = {student: f"no mark was written: {why}" for student, why in faults.items()}
    with Recorder(book, lesson) as recorder:
        unchanged = set() if force else recorder.unchanged(results)
        for student, result in results.items():
            try:
                if student not in unchanged and recorder.can:
                    recorder.record(student, submissions[student], result)
                elif student not in unchanged:
                    book.autograde(lesson, student)
            except NotWritten as error:
                faults[student] = f"the mark was written, but not its notebook: {_line(error)}"
            except Exception as error:
                faults[student] = f"no mark was written: {_line(error)}"
            tell("record", student, len(results))
    marked = [student for student in results if student not in faults]
    if feedback and marked:
        pages = write_feedback(
            course, lesson, marked, lambda student: tell("feedback", student, len(marked))
        )
        for student, why in pages.items():
            if isinstance(why, NoPage):
                faults[student] = f"the mark was written, but no feedback page: {_line(why)}"
    kept = tuple(student for student in results if student in unchanged)
    chosen = students or found.unread
    unread = {who: found.unread[who] for who in chosen if who in found.unread}
    lost = tuple(who for who in found.lost if who in unread)
    return Graded(results, faults, kept, unread, lost, with_counted_bonus(template))


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def template_path(book, lesson: str) -> Path:
    """Return the released notebook; raises `CourseError` when it has not been generated."""
    path = book.template(lesson)
    if not path.is_file():
        raise CourseError(
            f"{lesson} has not been released: run `nbgrader generate_assignment {lesson}` in "
            f"{book.root}."
        )
    return path


def _select(students: Sequence[str], found: HandedIn, lesson: str) -> dict[str, Path]:
    submitted = found.notebooks
    if not submitted and not found.unread:
        raise CourseError(
            f"Nobody has submitted {lesson} yet: run `nbgrader collect {lesson}`, or put files at "
            f"submitted/STUDENT/{lesson}/{lesson}.ipynb."
        )
    for student in students:
        if student not in submitted:
            why = found.unread.get(student, [nearest(student, submitted).strip()])
            raise CourseError(
                f"There is no submission of {student!r} for {lesson}. {'; '.join(why)}".strip()
            )
    return {student: submitted[student] for student in students or submitted}
