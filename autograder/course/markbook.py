"""The marks of a course as they stand: by hand and automatic, late days, what is dropped.

    for line in marks(course): line.student, line.lesson, line.final, line.maximum

Reads nbgrader's gradebook and changes nothing in it but late penalties (`settle`).
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from sqlalchemy import select

from autograder.course.collect import late_unknown
from autograder.course.folder import Course
from autograder.course.late import Arrival, Lateness, decide
from autograder.course.nbgrader_api import NbgraderCourse, asking, quiet
from autograder.course.settings import Settings
from autograder.grading.grader import exercise_of

ROWS = 10_000  # of the gradebook that are read at a time


@dataclass(frozen=True)
class Question:
    """One graded cell: an exercise, or a question that a person marks."""

    name: str  # nbgrader's grade id
    score: float = 0.0  # without bonus
    maximum: float = 0.0
    bonus: float = 0.0
    waiting: bool = False  # for a person
    by_hand: bool = False  # a person marked it
    comment: str = ""  # which a person wrote

    @property
    def title(self) -> str:
        """The exercise's title, or the name of a question."""
        found = exercise_of(self.name)
        return found.title if found else self.name.removesuffix("-question").replace("-", " ")


@dataclass(frozen=True)
class Line:
    """One student's marks of one lesson."""

    student: str
    lesson: str
    questions: tuple[Question, ...] = ()
    lateness: Lateness = field(default_factory=Lateness)
    recorded_penalty: float = 0.0  # as the gradebook has it
    by_rule: bool = False  # whether course.toml has a rule for late work
    handed_in: bool = True
    dropped: bool = False  # one of the student's lowest, which do not count (`drop_lowest`)
    when: datetime.datetime | None = None  # it was handed in, in UTC

    @property
    def score(self) -> float:
        """Points earned before anything is taken off, bonus included."""
        return sum(one.score + one.bonus for one in self.questions)

    @property
    def bonus(self) -> float:
        """Bonus points."""
        return sum(one.bonus for one in self.questions)

    @property
    def maximum(self) -> float:
        """Points to be had, without bonus."""
        return sum(one.maximum for one in self.questions)

    @property
    def penalty(self) -> float:
        """Points taken off because the work was late."""
        due = self.lateness.fraction * self.score if self.by_rule else self.recorded_penalty
        return min(due, self.score)

    @property
    def final(self) -> float:
        """What the student gets for this lesson."""
        return self.score - self.penalty

    @property
    def waiting(self) -> bool:
        """Whether a person has still to mark something."""
        return any(one.waiting for one in self.questions)


def marks(course: Course, settings: Settings | None = None) -> list[Line]:
    """Return the marks of everyone who handed something in, by student and lesson."""
    settings = settings or course.settings()
    with _Gradebook(course) as book:
        lines, arrivals = book.lines(), book.arrivals()
    decided = decide(arrivals, settings)
    times = {(one.student, one.lesson): one.when for one in arrivals}
    return [
        replace(
            line,
            lateness=decided[line.student, line.lesson],
            by_rule=settings.late is not None,
            when=times[line.student, line.lesson],
        )
        for line in lines
    ]


def absences(
    lines: Sequence[Line], students: Iterable[str], settings: Settings, now: datetime.datetime
) -> list[Line]:
    """Return a line for each lesson of which a student has none although that says something.

    It is excused, or its due time is over and it counts nothing. A lesson that is not due, or has
    no due time, is left out.

    Args:
        now: in UTC, without a zone.
    """
    maximum = {line.lesson: line.maximum for line in lines}
    known = {(line.student, line.lesson) for line in lines}
    found = []
    for student, lesson in product(students, maximum):
        rule = settings.lesson(lesson)
        due, excused = rule.due_of(student), student in rule.excused
        if (student, lesson) not in known and (excused or (due and due < now)):
            asked = (Question("not handed in", maximum=maximum[lesson]),)
            late = Lateness(excused=excused)
            found.append(Line(student, lesson, asked, late, handed_in=False))
    return found


def drop_lowest(lines: Iterable[Line], settings: Settings) -> list[Line]:
    """Mark each student's lowest lessons, by the part of their points, as not counting.

    Excused lessons count neither as one of them nor otherwise.
    """
    by_student = defaultdict(list)
    for line in lines:
        by_student[line.student].append(line)
    found = []
    for own in by_student.values():
        counted = [one for one in own if not one.lateness.excused and one.maximum]
        lowest = sorted(counted, key=lambda one: (one.final / one.maximum, one.lesson))
        dropped = {one.lesson for one in lowest[: min(settings.drop_lowest, len(counted) - 1)]}
        found += [replace(one, dropped=one.lesson in dropped) for one in own]
    return found


@dataclass(frozen=True)
class Total:
    """What a student's lessons come to."""

    points: float
    maximum: float

    @property
    def percent(self) -> float:
        """Of the points to be had, bonus included in what was earned."""
        return 100 * self.points / self.maximum if self.maximum else 0.0


def total(lines: Iterable[Line], settings: Settings) -> Total:
    """Add up one student's lessons, each by the weight that `course.toml` gives it."""
    counted = [
        line
        for line in lines
        if not line.dropped and not line.lateness.excused and line.maximum > 0
    ]
    weights = [settings.lesson(line.lesson).points for line in counted]
    earned = sum(w * line.final / line.maximum for w, line in zip(weights, counted, strict=True))
    return Total(earned, sum(weights))


def settle(course: Course, settings: Settings | None = None) -> int:
    """Write the late penalties of `course.toml` to the gradebook; returns how many changed.

    Without a rule there the gradebook's own penalties stay as they are.
    """
    settings = settings or course.settings()
    if settings.late is None:
        return 0
    lines = marks(course, settings)
    with _Gradebook(course) as book:
        return book.write_penalties(lines)


def enter_due_dates(course: Course) -> list[str]:
    """Write the due dates of `course.toml` to the gradebook; returns the lessons that changed."""
    with _Gradebook(course) as book:
        return book.write_due_dates(course.settings(), course.lessons())


def _is_practice(name: str, maximum: float) -> bool:
    """Whether a cell is the check of an exercise that `course.toml` leaves out."""
    exercise = exercise_of(name)
    return exercise is not None and not exercise.bonus and not maximum


def _commented(name: str) -> str:
    """The cell on which a person comments: an exercise's solution, or the answer itself."""
    return f"{name.removesuffix('-check')}-solution" if name.endswith("-check") else name


class _Gradebook:
    """nbgrader's database, read in a few queries for a whole course."""

    def __init__(self, course: Course):
        self.course = course
        with asking():
            self.gradebook = NbgraderCourse(course.root).gradebook()
        self.db = self.gradebook.db

    def __enter__(self) -> _Gradebook:
        return self

    def __exit__(self, *error: object) -> None:
        with quiet():
            self.gradebook.close()

    def arrivals(self) -> list[Arrival]:
        """When each submission came, as recorded."""
        from nbgrader.api import Assignment, SubmittedAssignment

        called = {
            name: frozenset(late_unknown(self.course, name)) for name in self.course.lessons()
        }
        asked = select(
            SubmittedAssignment.student_id, Assignment.name, SubmittedAssignment.timestamp
        ).join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        with asking():
            rows = self.db.execute(asked).all()
        return [
            Arrival(student, lesson, when, student in called.get(lesson, ()))
            for student, lesson, when in rows
        ]

    def lines(self) -> list[Line]:
        """The marks of every submission, cells in the order of the lesson."""
        from nbgrader import api

        cells: dict[str, tuple[str, float]] = {}
        with asking():
            for kind in (api.GradeCell, api.TaskCell):
                cells |= {
                    one.id: (one.name, one.max_score)
                    for one in self.db.query(kind).all()
                    if not _is_practice(one.name, one.max_score)
                }
            entries = self.db.execute(
                select(
                    api.SubmittedNotebook.id,
                    api.SubmittedNotebook.late_submission_penalty,
                    api.SubmittedAssignment.student_id,
                    api.Assignment.name,
                )
                .join(
                    api.SubmittedAssignment,
                    api.SubmittedNotebook.assignment_id == api.SubmittedAssignment.id,
                )
                .join(api.Assignment, api.SubmittedAssignment.assignment_id == api.Assignment.id)
                .order_by(api.Assignment.name, api.SubmittedAssignment.student_id)
            ).all()
            comments = self._comments()
            by_entry = self._questions(cells, comments)
        place = {name: order for order, name in enumerate(name for name, _ in cells.values())}
        return [
            Line(
                student,
                lesson,
                tuple(sorted(by_entry[entry], key=lambda one: place[one.name])),
                recorded_penalty=penalty or 0.0,
            )
            for entry, penalty, student, lesson in entries
        ]

    def write_due_dates(self, settings: Settings, lessons: Iterable[str]) -> list[str]:
        """Enter the due dates that differ from what is recorded; returns whose they are."""
        from nbgrader.api import MissingEntry

        changed = []
        with asking():
            for lesson in lessons:
                due = settings.lesson(lesson).due
                try:
                    known = self.gradebook.find_assignment(lesson).duedate
                except MissingEntry:
                    known = None
                if due and due != known:
                    self.gradebook.update_or_create_assignment(lesson, duedate=due)
                    changed.append(lesson)
        return changed

    def _questions(self, cells, comments) -> dict[str, list[Question]]:
        """The graded cells of each notebook; equal ones of a large class are in memory once."""
        from nbgrader import api

        grades = self.db.execute(
            select(
                api.Grade.notebook_id,
                api.Grade.cell_id,
                api.Grade.auto_score,
                api.Grade.manual_score,
                api.Grade.extra_credit,
                api.Grade.needs_manual_grade,
            ).execution_options(yield_per=ROWS)
        )
        found: dict[str, list[Question]] = defaultdict(list)
        same: dict[Question, Question] = {}  # each is in memory once
        for entry, cell, automatic, by_hand, extra, waiting in grades:
            if cell in cells:
                name, maximum = cells[cell]
                score = automatic if by_hand is None else by_hand
                one = Question(
                    name,
                    score or 0.0,
                    maximum,
                    extra or 0.0,
                    bool(waiting and by_hand is None),
                    by_hand is not None,
                    comments.get((entry, _commented(name)), ""),
                )
                found[entry].append(same.setdefault(one, one))
        return found

    def _comments(self) -> dict[tuple[str, str], str]:
        """What people wrote, by (submission's notebook, name of the cell)."""
        from nbgrader.api import Comment, SolutionCell, TaskCell

        found = {}
        for kind in (SolutionCell, TaskCell):
            asked = select(Comment.notebook_id, kind.name, Comment.manual_comment)
            joined = asked.join(kind, Comment.cell_id == kind.id)
            for entry, name, text in self.db.execute(joined.where(Comment.manual_comment != "")):
                found[entry, name] = text
        return found

    def write_penalties(self, lines: Iterable[Line]) -> int:
        """Enter the penalties that differ from what is recorded."""
        from nbgrader.api import SubmittedNotebook

        changed = 0
        with asking():
            for line in lines:
                if abs(line.penalty - line.recorded_penalty) > 1e-9:
                    entry = self.gradebook.find_submission(line.lesson, line.student)
                    for notebook in entry.notebooks:
                        self.db.query(SubmittedNotebook).filter(
                            SubmittedNotebook.id == notebook.id
                        ).update({"late_submission_penalty": line.penalty or None})
                    changed += 1
            self.db.commit()
        return changed
