"""Write marks to nbgrader's gradebook as `nbgrader autograde` does, in a hundredth of its time.

    Recorder(book, lesson).record(results, paths)

The same rows and the same autograded notebook come of it (a test compares both). nbgrader starts
anew for each submission, writes the notebook twice and asks the database for each cell; here what
is the same for a class is prepared once, and a submission is one transaction.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import (
    Comment,
    Grade,
    Gradebook,
    MissingEntry,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    new_uuid,
)
from nbgrader.preprocessors import AssignLatePenalties, IgnorePattern, LimitOutput
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import selectinload

from autograder.course.marks import Mark, columns, fill, mark_of, marks_and_comments, set_mark
from autograder.course.nbgrader_api import (
    LAST_LINE,
    NbgraderCourse,
    add_indexes,
    asking,
    line_of,
    quiet,
)
from autograder.course.nbgrader_plugin import AUTOGRADE
from autograder.course.settings import read_settings
from autograder.grading.grader import graded_exercises
from autograder.grading.results import SubmissionResult, write_atomically
from autograder.submissions.rebuild import read_template, rebuild
from autograder.submissions.uploads import copy_files, take, timestamp

NO_MARK = "no mark was written: {}"
READ_ONLY = 0o444
WAITS = (1, 2, 4, 8, 15)  # seconds until a database server that does not answer is asked again

T = TypeVar("T")
R = TypeVar("R")


class Changed(Exception):
    """A submission is not the one any more that was graded."""


@dataclass(frozen=True)
class _Entry:
    """What is written of one submission."""

    timestamp: datetime | None  # when it was handed in, in UTC
    marks: Mapping[str, Mark]  # by name of the cell
    comments: Mapping[str, str | None]
    text: bytes  # of the autograded notebook


@dataclass(frozen=True)
class _Cells:
    """A lesson in the database: numbers of assignment and notebook, names of cells by number."""

    assignment: str | None = None
    notebook: str = ""
    due: datetime | None = None
    graded: Mapping[str, str] = field(default_factory=dict)
    commented: Mapping[str, str] = field(default_factory=dict)


class Recorder:
    """Records submissions of one lesson; use it in a `with`."""

    def __init__(self, book: NbgraderCourse, lesson: str):
        self.book, self.lesson = book, lesson
        self.coursedir = book.coursedir
        self.template = read_template(book.template(lesson))
        self.writer = Writer(self.template)
        self.cleaners = [kind(config=book.config) for kind in (IgnorePattern, LimitOutput)]
        self.late = AssignLatePenalties(config=book.config)
        self.late.init_plugin()
        with asking():
            self.gradebook = book.gradebook()
            add_indexes(self.gradebook.engine)
            self.gradebook.db.remove()
            self.gradebook.db.configure(expire_on_commit=False)
            self.cells = self._cells()
        self.names = {**self.cells.graded, **self.cells.commented}
        self.rules = read_settings(book.root)

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

    def _cells(self) -> _Cells:
        """Return what the database calls the lesson and its cells; no cells unless it has the one
        notebook.
        """
        with contextlib.suppress(MissingEntry):
            assignment = self.gradebook.find_assignment(self.lesson)
            if [notebook.name for notebook in assignment.notebooks] == [self.lesson]:
                (one,) = assignment.notebooks
                graded, commented = (
                    {cell.id: cell.name for cell in (*cells, *one.task_cells)}
                    for cells in (one.grade_cells, one.solution_cells)
                )
                return _Cells(assignment.id, one.id, assignment.duedate, graded, commented)
            return _Cells(assignment.id)
        return _Cells()

    def record(
        self,
        results: Mapping[str, SubmissionResult],
        paths: Mapping[str, Path],
        notebooks: Mapping[str, NotebookNode] = MappingProxyType({}),
    ) -> dict[str, str]:
        """Write the marks of a block in one transaction, then each autograded notebook.

        Where the transaction fails, each submission gets its own. Returns what could not be
        written, and whether the marks were, by student.

        Args:
            notebooks: the rebuilt ones that are there; they are filled in.
        """
        entries, faults = {}, {}
        for student, result in results.items():
            try:
                entries[student] = self._entry(paths[student], result, notebooks.get(student))
            except Exception as error:
                faults[student] = NO_MARK.format(line_of(error))
        try:
            self._patiently(self._enter_at_once, entries)
        except OperationalError as error:  # of the database, and so everybody's
            return faults | dict.fromkeys(entries, NO_MARK.format(line_of(error)))
        except Exception:
            for student in list(entries):
                try:
                    self._enter_at_once({student: entries[student]})
                except Exception as error:
                    faults[student] = NO_MARK.format(line_of(error))
                    del entries[student]
        for student, entry in entries.items():
            try:
                self._write(student, paths[student], entry.text)
            except OSError as error:
                why = line_of(error)
                faults[student] = f"the mark was written, but not its notebook: {why}"
        return faults

    def _entry(self, path: Path, result: SubmissionResult, notebook: NotebookNode | None) -> _Entry:
        """Return what is written of one submission.

        Raises `Changed` when the files are no longer those that were graded.
        """
        upload = take(path)
        if upload.digest != result.file:
            raise Changed("the submission was changed while it was graded: grade it again")
        if notebook is None:
            notebook = rebuild(self.template, upload.submission()).notebook
        fill(notebook, result)
        with_outputs = [(at, cell) for at, cell in enumerate(notebook.cells) if cell.get("outputs")]
        for cleaner in self.cleaners:
            for at, cell in with_outputs if cleaner.enabled else ():
                cleaner.preprocess_cell(cell, {}, at)
        when, _ = timestamp(path.parent)
        marks, comments = marks_and_comments(notebook, result)
        return _Entry(
            when and utils.parse_utc(when), marks, comments, self.writer.text_of(notebook)
        )

    def _patiently(self, ask: Callable[[Mapping[str, T]], R], by_student: Mapping[str, T]) -> R:
        """Ask the database; a server that is restarted meanwhile is waited for."""
        is_server = self.gradebook.engine.dialect.name != "sqlite"
        for seconds in WAITS if is_server else ():
            try:
                return ask(by_student)
            except OperationalError:
                self.gradebook.db.remove()
                time.sleep(seconds)
        return ask(by_student)

    def _enter_at_once(self, entries: Mapping[str, _Entry]) -> None:
        with quiet(), _one_transaction(self.gradebook):
            there = self._submissions(entries)
            new = {student: entry for student, entry in entries.items() if student not in there}
            self._add(new)
            if late := [student for student, entry in new.items() if self._is_late(entry)]:
                there |= self._submissions(late)
            for student, submission in there.items():
                self._enter(submission, entries[student])

    def _submissions(self, students: Iterable[str]) -> dict[str, SubmittedAssignment]:
        """The submissions that the gradebook has, each with all its rows."""
        notebooks = selectinload(SubmittedAssignment.notebooks)
        rows = (
            self.gradebook.db.query(SubmittedAssignment)
            .filter(
                SubmittedAssignment.assignment_id == self.cells.assignment,
                SubmittedAssignment.student_id.in_(list(students)),
            )
            .options(
                notebooks.selectinload(SubmittedNotebook.grades),
                notebooks.selectinload(SubmittedNotebook.comments),
            )
        )
        return {submission.student_id: submission for submission in rows}

    def _add(self, new: Mapping[str, _Entry]) -> None:
        """Enter submissions that the gradebook has not, marks and all, with a statement a table."""
        db, cells = self.gradebook.db, self.cells
        known = {student.id for student in db.query(Student).filter(Student.id.in_(list(new)))}
        submitted = {student: new_uuid() for student in new}
        notebooks = {student: new_uuid() for student in new}
        rows = {
            Student: [{"id": student} for student in new if student not in known],
            SubmittedAssignment: [
                {
                    "id": submitted[student],
                    "assignment_id": cells.assignment,
                    "student_id": student,
                    "timestamp": entry.timestamp,
                }
                for student, entry in new.items()
            ],
            SubmittedNotebook: [
                {"id": number, "assignment_id": submitted[student], "notebook_id": cells.notebook}
                for student, number in notebooks.items()
            ],
            Grade: [
                {"cell_id": cell, "notebook_id": notebooks[student], **columns(entry.marks[name])}
                for student, entry in new.items()
                for cell, name in cells.graded.items()
            ],
            Comment: [
                {
                    "cell_id": cell,
                    "notebook_id": notebooks[student],
                    "auto_comment": entry.comments[name],
                }
                for student, entry in new.items()
                for cell, name in cells.commented.items()
            ],
        }
        for table, values in rows.items():
            if values:
                db.execute(insert(table.__table__), values)

    def _is_late(self, entry: _Entry) -> bool:
        """Whether a submission that nobody gave an extension came after the lesson was due."""
        due, when = self.cells.due, entry.timestamp
        return due is not None and when is not None and when > due

    def _enter(self, submission: SubmittedAssignment, entry: _Entry) -> None:
        if entry.timestamp:
            submission.timestamp = entry.timestamp
        (notebook,) = submission.notebooks
        for grade in notebook.grades:
            set_mark(grade, entry.marks[self.names[grade.cell_id]])
        for comment in notebook.comments:
            comment.auto_comment = entry.comments[self.names[comment.cell_id]]
        notebook.late_submission_penalty = None
        seconds = submission.total_seconds_late
        if seconds > 0:
            notebook.late_submission_penalty = self._penalty(
                submission.student_id, notebook, seconds
            )

    def _penalty(self, student: str, entry: SubmittedNotebook, seconds: float) -> float | None:
        self.gradebook.db.flush()
        self.gradebook.db.refresh(entry)  # its score is a sum that the database forms
        penalty = self.late.plugin_inst.late_submission_penalty(student, entry.score, seconds)
        return None if penalty is None else self.late._check_late_penalty(entry, penalty)

    def _write(self, student: str, path: Path, text: bytes) -> None:
        """Put the student's files into a folder, the course's over them, the notebook last."""
        course = self.coursedir
        folder = Path(course.format_path(course.autograded_directory, student, self.lesson))
        source = Path(course.format_path(course.source_directory, ".", self.lesson))
        ignored = [*course.ignore, "*.ipynb"]
        written = folder / f"{self.lesson}.ipynb"
        if folder.exists() and list(folder.iterdir()) != [written]:
            utils.rmtree(str(folder))
        folder.mkdir(parents=True, exist_ok=True)
        copy_files(path.parent, folder, ignored)
        kept = self.book.config.Autograde.get("exclude_overwriting", {}).get(self.lesson, [])
        for name in utils.find_all_files(str(source), ignored):
            relative = Path(name).relative_to(source)
            if str(relative) not in kept:
                (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(name, folder / relative)
        write_atomically(written, text, through=False)
        for file in folder.rglob("*"):
            if file.is_file():
                file.chmod(READ_ONLY)

    def unchanged(self, results: Mapping[str, SubmissionResult]) -> set[str]:
        """Students whose marks in the gradebook and autograded notebook are those of `results`.

        A due date, an extension or a way of penalties that has changed since counts as a change.
        """
        with asking():
            return self._patiently(self._unchanged, results)

    def _unchanged(self, results: Mapping[str, SubmissionResult]) -> set[str]:
        exercises = graded_exercises(self.template)
        cells = [
            (cell.metadata.nbgrader.grade_id, cell)
            for cell in self.template.cells
            if cell.metadata.get("nbgrader", {}).get("grade_id") in exercises
        ]
        entries = self._entries(results)
        recorded = self._recorded([entry.id for _, entry, _ in entries])
        return {
            student
            for student, entry, submission in entries
            if (result := results[student])
            and self.book.recorded(self.lesson, student) == [result.key, result.file]
            and all(
                name in recorded[entry.id]
                and recorded[entry.id][name].agrees(mark_of(result, exercises[name], cell))
                for name, cell in cells
            )
            and self._is_as_late(student, entry, submission)
        }

    def _entries(
        self, students: Iterable[str]
    ) -> list[tuple[str, SubmittedNotebook, SubmittedAssignment]]:
        rows = (
            self.gradebook.db.query(SubmittedNotebook, SubmittedAssignment)
            .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .filter(
                SubmittedAssignment.assignment_id == self.cells.assignment,
                SubmittedAssignment.student_id.in_(list(students)),
            )
            .all()
        )
        return [(submission.student_id, entry, submission) for entry, submission in rows]

    def _is_as_late(
        self, student: str, entry: SubmittedNotebook, submission: SubmittedAssignment
    ) -> bool:
        """Whether the recorded penalty is due today; what course.toml takes is left to `settle`."""
        if self.rules.late is not None:
            return True
        seconds = submission.total_seconds_late
        due = self._penalty(student, entry, seconds) if seconds > 0 else None
        return due == entry.late_submission_penalty

    def _recorded(self, notebooks: list[str]) -> dict[str, dict[str, _Recorded]]:
        """Marks in the gradebook, by number of the notebook and cell."""
        found: dict[str, dict[str, _Recorded]] = defaultdict(dict)
        marks = (Grade.auto_score, Grade.manual_score, Grade.extra_credit)
        rows = self.gradebook.db.query(Grade.notebook_id, Grade.cell_id, *marks).filter(
            Grade.notebook_id.in_(notebooks)
        )
        for notebook, cell, *values in rows:
            if cell in self.names:
                found[notebook][self.names[cell]] = _Recorded(*values)
        return found


words = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


class Writer:
    """Puts notebooks into words, a cell a line: nbformat's own way takes twenty times as long.

    What they have as the template has it, most of them all, is put into words once.
    """

    def __init__(self, template: NotebookNode):
        empty: dict[str, object] = {"outputs": [], "execution_count": None}
        released = [
            cell | empty if cell.cell_type == "code" else dict(cell) for cell in template.cells
        ]
        self._released = {cell.get("id"): (cell, words(cell)) for cell in released}

    def text_of(self, notebook: NotebookNode) -> bytes:
        """Return the file of a notebook."""
        cells = ",\n".join(map(self._cell, notebook.cells)).encode()
        rest = words({key: value for key, value in notebook.items() if key != "cells"}).encode()
        return b'{"cells": [\n' + cells + LAST_LINE + rest[1:] + b"\n"

    def _cell(self, cell: NotebookNode) -> str:
        released, text = self._released.get(cell.get("id"), (None, ""))
        return text if cell == released else words(cell)


class _Recorded(NamedTuple):
    """The marks of one cell as they are in the gradebook."""

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
