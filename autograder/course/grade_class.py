"""The whole way of a class: from submitted files to marks, comments and feedback pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course.folder import Course, CourseError, nearest
from autograder.grading.batch import grade_batch
from autograder.grading.grader import Grader
from autograder.grading.results import SubmissionResult
from autograder.submissions.submission import read_template


@dataclass(frozen=True)
class Graded:
    """What grading a class came to."""

    results: dict[str, SubmissionResult]  # by student
    faults: dict[str, str]  # infrastructure faults by student: no marks were written for these
    unchanged: tuple[str, ...]  # students whose marks in the gradebook were already right
    missing: dict[str, list[str]]  # students without the notebook: the files they handed in
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
        feedback: also write nbgrader's feedback pages.
        progress: called with (stage, student, how many there are) after each piece of work; the
            stages are "execute", "record" and "feedback".
    """
    from autograder.course.folder import NbgraderError
    from autograder.course.gradebook import Recorder
    from autograder.course.marks import with_counted_bonus
    from autograder.course.nbgrader_api import NbgraderCourse

    tell = progress or (lambda stage, student, total: None)
    book = NbgraderCourse(course.root)
    submissions = _select(students, book.submissions(lesson), lesson)
    template = read_template(template_path(book, lesson))
    with Grader(
        template, lesson, course.secret(), book.limits, hidden=[course.root], log=course.log
    ) as grader:
        results, faults = grade_batch(
            grader,
            submissions,
            course.store(lesson),
            jobs=jobs,
            force=force,
            progress=lambda student, result: tell("execute", student, len(submissions)),
        )
    with Recorder(book, lesson) as recorder:
        unchanged = set() if force else recorder.unchanged(results)
        for student, result in results.items():
            try:
                if student not in unchanged and recorder.can:
                    recorder.record(student, submissions[student], result)
                elif student not in unchanged:
                    book.autograde(lesson, student)
            except Exception as error:
                faults[student] = " ".join(str(error).split()) or type(error).__name__
            tell("record", student, len(results))
    marked = [student for student in results if student not in faults]
    for student in marked if feedback else ():
        try:
            book.generate_feedback(lesson, student)
        except NbgraderError as error:
            faults[student] = f"no feedback page: {error}"
        tell("feedback", student, len(marked))
    missing = {} if students else book.without_notebook(lesson)
    kept = tuple(student for student in results if student in unchanged)
    return Graded(results, faults, kept, missing, with_counted_bonus(template))


def template_path(book, lesson: str) -> Path:
    """Return the released notebook; raises `CourseError` when it has not been generated."""
    path = book.template(lesson)
    if not path.is_file():
        raise CourseError(
            f"{lesson} has not been released: run `nbgrader generate_assignment {lesson}` in "
            f"{book.root}."
        )
    return path


def _select(students: Sequence[str], submitted: dict[str, Path], lesson: str) -> dict[str, Path]:
    if not submitted:
        raise CourseError(
            f"Nobody has submitted {lesson} yet: run `nbgrader collect {lesson}`, or put files at "
            f"submitted/STUDENT/{lesson}/{lesson}.ipynb."
        )
    for student in students:
        if student not in submitted:
            raise CourseError(
                f"There is no submission of {student!r} for {lesson}.{nearest(student, submitted)}"
            )
    return {student: submitted[student] for student in students or submitted}
