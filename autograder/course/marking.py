"""Marking answers by hand: who marks what, answers that are the same, and marks in the gradebook.

    marking = Marking(course, "02_batch_normalization", grader="ada")
    marking.queue(name)                    what ada has to mark of a question
    marking.mark(name, group, "first", ...)

Answers with the same words are one group and have one mark. Nothing here tells whose they are. One
group in twenty is marked a second time, by the next person: that says how far people agree, and
only the first mark counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from autograder.course.cells import name_of, read_cells, source_of
from autograder.course.errors import CourseError
from autograder.course.feedback import question_texts
from autograder.course.folder import Course
from autograder.course.grade_class import template_path
from autograder.course.markbook import Question
from autograder.course.nbgrader_api import NbgraderCourse, quiet
from autograder.course.rubrics import (
    FIRST,
    ROUNDS,
    SECOND,
    Item,
    Mark,
    Rubric,
    RubricFile,
    Rubrics,
    items_of,
    split_answer,
)
from autograder.submissions.rebuild import read_template

ONE_IN = 20  # groups of which one is marked twice
FEWEST = 5  # groups of a question of which any is
LONGEST = 5_000  # characters of a comment, or of an item


class MarkingError(CourseError):
    """What was asked for cannot be done; the text says why."""


@dataclass(frozen=True)
class Group:
    """An answer, and everyone who gave it in these words."""

    digest: str
    answer: str
    students: tuple[str, ...]
    attachments: Mapping = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A question that a person marks."""

    name: str  # nbgrader's grade id
    title: str
    points: float
    text: str
    model: str  # answer, which no student sees
    rubric: str  # as the author wrote it


def digest_of(answer: str, attachments: Mapping | None = None) -> str:
    """Return what names an answer: the same for the same words, with the same pictures.

    >>> digest_of("Because  x") == digest_of("Because\\nx") != digest_of("because x")
    True
    """
    pictures = json.dumps(attachments, sort_keys=True) if attachments else ""
    return hashlib.sha256(f"{' '.join(answer.split())}{pictures}".encode()).hexdigest()[:20]


def _digest(cell: Mapping) -> str:
    return digest_of(source_of(cell), cell.get("attachments"))


class Marking:
    """The answers to the questions of one lesson, for one person who marks."""

    def __init__(self, course: Course, lesson: str, grader: str, graders: Sequence[str] = ()):
        self.lesson, self.grader = lesson, grader
        self.book = NbgraderCourse(course.root)
        self.file = RubricFile(course.private / "rubrics" / f"{lesson}.json")
        self.questions = self._read_questions(course)
        if not self.questions:
            raise CourseError(f"{lesson} has no question that a person marks.")
        self.groups: dict[str, dict[str, Group]] = {}
        self.seen: dict[Path, tuple[int, dict]] = {}
        with self.file.change() as rubrics:
            rubrics.graders = list(graders) or rubrics.graders
            for name, asked in self.questions.items():
                rubrics.questions.setdefault(name, Rubric(items_of(asked.rubric, asked.points)))
        self.refresh()

    def _read_questions(self, course: Course) -> dict[str, Asked]:
        template = read_template(template_path(self.book, self.lesson))
        source = course.root / "source" / self.lesson / f"{self.lesson}.ipynb"
        answers = {name_of(cell): source_of(cell) for cell in read_cells(source)}
        found, texts = {}, question_texts(template)
        for cell in template.cells:
            name = name_of(cell)
            if name in texts:
                model, rubric = split_answer(answers.get(name, ""))
                points = float(cell.metadata.nbgrader.get("points", 0))
                found[name] = Asked(name, Question(name).title, points, texts[name], model, rubric)
        return found

    # ------------------------------------------------------------------------------ answers

    def refresh(self) -> None:
        """Read the answers that need a person, and enter the marks that are known for them.

        Raises `CourseError` when nobody is graded yet.
        """
        waiting = self._waiting()
        if not waiting:
            raise CourseError(
                f"No answer of {self.lesson} waits for a person: run `autograder grade` first."
            )
        found: dict[str, dict[str, list]] = {name: {} for name in self.questions}
        for student, name in waiting:
            cell = self._answers(student).get(name)
            if cell is not None:
                found[name].setdefault(_digest(cell), []).append((student, cell))
        self.groups = {
            name: {
                digest: Group(
                    digest,
                    source_of(alike[0][1]),
                    tuple(student for student, _ in alike),
                    alike[0][1].get("attachments", {}),
                )
                for digest, alike in sorted(by_digest.items())
            }
            for name, by_digest in found.items()
        }
        rubrics = self.file.read()
        for name in self.questions:
            self._write(name, rubrics)

    def _waiting(self) -> list[tuple[str, str]]:
        """Pairs (student, question) without an automatic mark."""
        from nbgrader import api

        asked = self._of_lesson(
            select(api.SubmittedAssignment.student_id, api.GradeCell.name)
            .join(api.Grade, api.Grade.cell_id == api.GradeCell.id)
            .where(api.Grade.auto_score.is_(None)),
            api.Grade,
        )
        with quiet(), self.book.gradebook() as gradebook:
            rows = gradebook.db.execute(asked).all()
        return sorted((student, name) for student, name in rows if name in self.questions)

    def _of_lesson(self, asked, kind):
        """Restrict a query of grades or comments to this lesson, and join who they belong to."""
        from nbgrader import api

        entry, work = api.SubmittedNotebook, api.SubmittedAssignment
        return (
            asked.join(entry, kind.notebook_id == entry.id)
            .join(work, entry.assignment_id == work.id)
            .join(api.Assignment, work.assignment_id == api.Assignment.id)
            .where(api.Assignment.name == self.lesson)
        )

    def _answers(self, student: str) -> dict[str, Any]:
        """The cells of a student's answers, as they lie there now."""
        step = self.book.coursedir.autograded_directory
        folder = Path(self.book.coursedir.format_path(step, student, self.lesson))
        path = folder / f"{self.lesson}.ipynb"
        if not path.is_file():
            return {}
        changed = path.stat().st_mtime_ns
        if self.seen.get(path, (0, {}))[0] != changed:
            cells = {
                name_of(cell): cell for cell in read_cells(path) if name_of(cell) in self.questions
            }
            self.seen[path] = changed, cells
        return self.seen[path][1]

    # ------------------------------------------------------------------------- who marks what

    def queue(self, name: str, rubrics: Rubrics) -> list[tuple[str, str]]:
        """Return what the grader marks of a question, as pairs (group, round).

        Questions are dealt in turn, so that one is marked by one person; where there are more
        people than questions, they share one.
        """
        graders = rubrics.graders or [self.grader]
        owners = graders[self._place(name) :: len(self.questions)] or [
            graders[self._place(name) % len(graders)]
        ]
        groups = list(self.groups[name])
        owner = {group: owners[int(group, 16) % len(owners)] for group in groups}
        twice = groups[: -(-len(groups) // ONE_IN)] if len(groups) >= FEWEST else []
        after = {who: graders[(i + 1) % len(graders)] for i, who in enumerate(graders)}
        first = [(group, FIRST) for group in groups if owner[group] == self.grader]
        return first + [(group, SECOND) for group in twice if after[owner[group]] == self.grader]

    def _place(self, name: str) -> int:
        return list(self.questions).index(name)

    # -------------------------------------------------------------------------------- marks

    def mark(self, name: str, group: str, which: str, mark: Mark) -> None:
        """Give a mark, to everyone with this answer; raises `MarkingError` for what is unknown."""
        if group not in self.groups.get(name, {}) or which not in ROUNDS:
            raise MarkingError("there is no such answer any more: load the page again")
        with self.file.change() as rubrics:
            rubric = rubrics.questions[name]
            unknown = set(mark.items) - {item.key for item in rubric.items}
            if unknown:
                raise MarkingError("the rubric was changed meanwhile: load the page again")
            rubric.marks.setdefault(group, {})[which] = mark
        self._write(name, rubrics, [group])

    def set_items(self, name: str, items: Sequence[tuple[str, float, str]]) -> None:
        """Replace the items of a rubric, (key or nothing, points, text); marks follow."""
        if name not in self.questions:
            raise MarkingError("there is no such question")
        with self.file.change() as rubrics:
            rubric = rubrics.questions[name]
            used = [int(item.key) for item in rubric.items]
            used += [int(k) for r in rubric.marks.values() for m in r.values() for k in m.items]
            known = {item.key for item in rubric.items}
            new, kept = max(used, default=0), []
            for key, points, text in items:
                if key not in known:
                    new += 1
                    key = str(new)
                kept.append(Item(key, points, text))
            rubric.items = kept
        self._write(name, rubrics)

    def _write(self, name: str, rubrics: Rubrics, groups: Sequence[str] | None = None) -> None:
        """Enter the marks of a question, or of some of its groups, in the gradebook.

        A student whose answer is another one by now is left alone. Raises `MarkingError` when the
        gradebook cannot be written now.
        """
        rubric, marks = rubrics.questions[name], {}
        for digest in self.groups[name] if groups is None else groups:
            mark = rubric.marks.get(digest, {}).get(FIRST)
            if mark is None:
                continue
            for student in self.groups[name][digest].students:
                if _digest(self._answers(student).get(name, {})) == digest:
                    marks[student] = mark
        try:
            self._enter(name, rubric, marks)
        except OperationalError as error:  # somebody else holds the database
            raise MarkingError(
                f"kept, but not in the gradebook yet, so save again: {error.orig}"
            ) from None

    def _enter(self, name: str, rubric: Rubric, marks: Mapping[str, Mark]) -> None:
        from nbgrader import api

        def rows(kind, cell):
            asked = select(kind, api.SubmittedAssignment.student_id)
            asked = asked.join(cell, kind.cell_id == cell.id).where(cell.name == name)
            return gradebook.db.execute(self._of_lesson(asked, kind)).all()

        if not marks:
            return
        points = self.questions[name].points
        with quiet(), self.book.gradebook() as gradebook:
            for grade, student in rows(api.Grade, api.GradeCell):
                if student in marks:
                    grade.manual_score = rubric.score(marks[student], points)
                    grade.needs_manual_grade = False
            for comment, student in rows(api.Comment, api.SolutionCell):
                if student in marks:
                    comment.manual_comment = marks[student].comment
            gradebook.db.commit()
