"""Write marks to nbgrader's gradebook as `nbgrader autograde` does, in a hundredth of its time.

    Recorder(book, lesson).record(student, path, result)

The same rows and the same autograded notebook come of it (a test compares both). nbgrader starts
anew for each submission, writes the notebook twice and asks the database for each cell; here what
is the same for a class is prepared once, and a submission is one transaction.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import (
    Comment,
    Grade,
    Gradebook,
    MissingEntry,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.preprocessors import AssignLatePenalties, IgnorePattern, LimitOutput

from autograder.course.marks import Mark, fill, mark_of, marks_and_comments, set_mark
from autograder.course.nbgrader_api import NbgraderCourse, quiet
from autograder.course.nbgrader_plugin import AUTOGRADE
from autograder.course.settings import read_settings
from autograder.grading.grader import graded_exercises
from autograder.grading.results import SubmissionResult, write_atomically
from autograder.submissions.rebuild import read_template, rebuild
from autograder.submissions.uploads import copy_files, take, timestamp

ATTEMPTS = 3  # of a transaction, when somebody else holds the database
READ_ONLY = 0o444


class Changed(Exception):
    """A submission is not the one any more that was graded."""


class NotWritten(Exception):
    """The marks of a submission are in the gradebook; its autograded notebook is not."""


class Recorder:
    """Records submissions of one lesson; use it in a `with`."""

    def __init__(self, book: NbgraderCourse, lesson: str):
        self.book, self.lesson = book, lesson
        self.coursedir = book.coursedir
        self.template = read_template(book.template(lesson))
        with quiet():
            self.gradebook = Gradebook(self.coursedir.db_url, self.coursedir.course_id)
            self.gradebook.db.remove()
            self.gradebook.db.configure(expire_on_commit=False)
        self.cleaners = [kind(config=book.config) for kind in (IgnorePattern, LimitOutput)]
        self.late = AssignLatePenalties(config=book.config)
        self.late.init_plugin()
        self.names = self._names_of_cells()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        with quiet():
            self.gradebook.close()

    @property
    def can(self) -> bool:
        """Whether the course is as `autograder init` makes it; if not, nbgrader has to do it."""
        settings = self.book.config.Autograde
        ours = all(settings.get(option) == value for option, value in AUTOGRADE.items())
        return ours and bool(self.names) and not self.coursedir.groupshared

    def _names_of_cells(self) -> dict[str, str]:
        """Names of the cells by their number in the database; none unless there is one notebook."""
        with quiet(), contextlib.suppress(MissingEntry):
            notebooks = self.gradebook.find_assignment(self.lesson).notebooks
            if [notebook.name for notebook in notebooks] == [self.lesson]:
                cells = (*notebooks[0].grade_cells, *notebooks[0].solution_cells)
                return {cell.id: cell.name for cell in (*cells, *notebooks[0].task_cells)}
        return {}

    def record(self, student: str, path: Path, result: SubmissionResult) -> None:
        """Write the marks of one submission, then its autograded notebook, which says so.

        Raises `Changed` when the files are no longer those that were graded, and `NotWritten`
        when the marks are in the gradebook, and the notebook could not be written.
        """
        upload = take(path)
        if upload.digest != result.file:
            raise Changed("the submission was changed while it was graded: grade it again")
        notebook = rebuild(self.template, upload.submission()).notebook
        fill(notebook, result)
        for cleaner in self.cleaners:
            if cleaner.enabled:
                notebook, _ = cleaner.preprocess(notebook, {})
        for attempt in range(ATTEMPTS):
            try:
                with quiet(), _one_transaction(self.gradebook):
                    self._enter(student, path, notebook, result)
                break
            except Exception:
                if attempt == ATTEMPTS - 1:
                    raise
        try:
            self._write(student, path, notebook)
        except OSError as error:
            raise NotWritten(str(error)) from error

    def _enter(self, student, path, notebook, result) -> None:
        when, _ = timestamp(path.parent)
        self.gradebook.update_or_create_student(student)
        submission = self.gradebook.update_or_create_submission(
            self.lesson, student, **({"timestamp": when} if when else {})
        )
        (entry,) = submission.notebooks
        marks, comments = marks_and_comments(notebook, result)
        for grade in self._rows(Grade, entry):
            set_mark(grade, marks[self.names[grade.cell_id]])
        for comment in self._rows(Comment, entry):
            comment.auto_comment = comments[self.names[comment.cell_id]]
        entry.late_submission_penalty = None
        seconds = submission.total_seconds_late
        if seconds > 0:
            entry.late_submission_penalty = self._penalty(student, entry, seconds)

    def _rows(self, kind, entry: SubmittedNotebook) -> list:
        return self.gradebook.db.query(kind).filter(kind.notebook_id == entry.id).all()

    def _penalty(self, student: str, entry: SubmittedNotebook, seconds: float) -> float | None:
        self.gradebook.db.flush()
        self.gradebook.db.refresh(entry)  # its score is a sum that the database forms
        penalty = self.late.plugin_inst.late_submission_penalty(student, entry.score, seconds)
        return None if penalty is None else self.late._check_late_penalty(entry, penalty)

    def _write(self, student: str, path: Path, notebook: NotebookNode) -> None:
        """Make the folder anew: the student's files, the course's over them, the notebook last."""
        course = self.coursedir
        folder = Path(course.format_path(course.autograded_directory, student, self.lesson))
        source = Path(course.format_path(course.source_directory, ".", self.lesson))
        ignored = [*course.ignore, "*.ipynb"]
        if folder.exists():
            utils.rmtree(str(folder))
        folder.mkdir(parents=True)
        copy_files(path.parent, folder, ignored)
        kept = self.book.config.Autograde.get("exclude_overwriting", {}).get(self.lesson, [])
        for name in utils.find_all_files(str(source), ignored):
            relative = Path(name).relative_to(source)
            if str(relative) not in kept:
                (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(name, folder / relative)
        text = nbformat.v4.writes(notebook)
        write_atomically(folder / f"{self.lesson}.ipynb", f"{text}\n".encode())
        for file in folder.rglob("*"):
            if file.is_file():
                file.chmod(READ_ONLY)

    def unchanged(self, results: dict[str, SubmissionResult]) -> set[str]:
        """Students whose marks in the gradebook and autograded notebook are those of `results`.

        A due date, an extension or a way of penalties that has changed since counts as a change.
        """
        exercises = graded_exercises(self.template)
        cells = [
            (cell.metadata.nbgrader.grade_id, cell)
            for cell in self.template.cells
            if cell.metadata.get("nbgrader", {}).get("grade_id") in exercises
        ]
        recorded = self._recorded()
        with quiet():
            return {
                student
                for student, entry, submission in self._entries()
                if (result := results.get(student))
                and self.book.recorded(self.lesson, student) == [result.key, result.file]
                and all(
                    name in recorded[entry.id]
                    and recorded[entry.id][name].agrees(mark_of(result, exercises[name], cell))
                    for name, cell in cells
                )
                and self._is_as_late(student, entry, submission)
            }

    def _entries(self) -> list[tuple[str, SubmittedNotebook, SubmittedAssignment]]:
        assignment = self.gradebook.find_assignment(self.lesson)
        rows = (
            self.gradebook.db.query(SubmittedNotebook, SubmittedAssignment)
            .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .filter(SubmittedAssignment.assignment_id == assignment.id)
            .all()
        )
        return [(submission.student_id, entry, submission) for entry, submission in rows]

    def _is_as_late(
        self, student: str, entry: SubmittedNotebook, submission: SubmittedAssignment
    ) -> bool:
        """Whether the recorded penalty is due today; what course.toml takes is left to `settle`."""
        if read_settings(self.book.root).late is not None:
            return True
        seconds = submission.total_seconds_late
        due = self._penalty(student, entry, seconds) if seconds > 0 else None
        return due == entry.late_submission_penalty

    def _recorded(self) -> dict[str, dict[str, _Recorded]]:
        """Marks in the gradebook, by number of the notebook and cell."""
        found: dict[str, dict[str, _Recorded]] = defaultdict(dict)
        marks = (Grade.auto_score, Grade.manual_score, Grade.extra_credit)
        with quiet():
            rows = self.gradebook.db.query(Grade.notebook_id, Grade.cell_id, *marks).all()
        for notebook, cell, *values in rows:
            if cell in self.names:
                found[notebook][self.names[cell]] = _Recorded(*values)
        return found


@dataclass(frozen=True)
class _Recorded:
    """The marks of one cell as they stand in the gradebook."""

    score: float | None
    by_hand: float | None
    extra: float | None

    def agrees(self, mark: Mark) -> bool:
        """Whether `mark` would change nothing."""
        kept = mark.extra is None or self.by_hand is not None or self.extra == mark.extra
        return self.score == mark.score and kept


@contextlib.contextmanager
def _one_transaction(gradebook: Gradebook) -> Iterator[None]:
    """Have the gradebook's own commits wait for the last one."""
    session = gradebook.db
    session.commit = session.flush
    try:
        yield
    except BaseException:
        session.rollback()
        session.remove()
        raise
    finally:
        del session.commit
    session.commit()
