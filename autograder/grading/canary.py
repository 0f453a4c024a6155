"""Two submissions whose marks are known: one right, one wrong in every exercise.

They go the whole way of a submission. When one of them comes to another mark, something is wrong
with the grader, and it may not give marks to anybody.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nbformat import NotebookNode

from autograder import misconceptions
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import observe
from autograder.checking.report import Report
from autograder.checking.spec import Exercise
from autograder.exercises import all_exercises
from autograder.expectations import reference
from autograder.lessons.source import solution_source, undecorated
from autograder.sandbox.process import Infrastructure
from autograder.submissions.code import lock

DISTRUST = (
    "the grader cannot be trusted: an answer known to be {} came to another mark in {}; see "
    "`autograder doctor`, then grade again"
)


class Distrusted(Infrastructure):
    """A submission whose mark is known came to another one; the grader gives no marks."""


@dataclass(frozen=True)
class Answers:
    """Program texts for one exercise: one that earns all points, one that does not, if known."""

    right: str
    wrong: str | None


def answers(exercise: Exercise) -> Answers:
    """Return the known answers to an exercise; where it is one in PyTorch, that is imported."""
    return Answers(_right(exercise), _wrong(exercise))


def _right(exercise: Exercise) -> str:
    module = importlib.import_module(exercise.module)
    return solution_source(inspect.unwrap(getattr(module, exercise.function)))


def _wrong(exercise: Exercise) -> str | None:
    """The first known wrong answer that is an edit of this function or class, and of no other."""
    for record in misconceptions.of(exercise.id):
        edited = {name.partition(".")[0] for name in record.edits}
        if edited == {exercise.function} and not record.functions:
            return undecorated(misconceptions.texts_of(record)[exercise.function])
    return None


def filled(
    template: NotebookNode,
    exercises: Iterable[Exercise],
    answer: Callable[[Exercise], str | None],
) -> NotebookNode:
    """Return the released notebook with an answer in each exercise, as a submission."""
    notebook = copy.deepcopy(template)
    by_id = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in notebook.cells}
    for exercise in exercises:
        cell, text = by_id.get(f"{exercise.grade_id}-solution"), answer(exercise)
        if cell is not None and text is not None:
            cell.source = text
    return notebook


def left_out(template: NotebookNode, counted: Iterable[Exercise]) -> list[Exercise]:
    """The exercises that a released notebook asks for and that count nowhere; others use them."""
    named = {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in template.cells}
    known = {exercise.grade_id for exercise in counted}
    return [
        exercise
        for exercise in all_exercises()
        if f"{exercise.grade_id}-solution" in named and exercise.grade_id not in known
    ]


class Canaries:
    """The pair for one assignment.

    Args:
        answers: gives the known answers to an exercise.
        grade: comes to the reports of a submission, without looking at kept results.
        note: told what came out, for the log.
    """

    def __init__(
        self,
        template: NotebookNode,
        exercises: Mapping[str, Exercise],
        answers: Callable[[Exercise], Answers],
        grade: Callable[[NotebookNode], Iterable[Report]],
        note: Callable[..., Any],
    ):
        self._template, self._exercises = template, tuple(exercises.values())
        self._answers, self._grade, self._note = answers, grade, note
        self._lock = threading.Lock()
        self._why: str | None = None  # "" when both came to their marks
        self._begun = False

    def reset(self) -> None:
        """Forget the last outcome, so that the pair runs again before the next submission."""
        with self._lock:
            self._why, self._begun = None, False

    def begin(self) -> None:
        """Start the pair beside whatever goes on; `require` waits for it."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._run_quietly, daemon=True).start()

    def _run_quietly(self) -> None:
        with contextlib.suppress(Infrastructure):  # whoever requires the pair runs it again
            self.require()

    def require(self) -> None:
        """Run the pair, unless it ran since the last `reset`; others wait meanwhile.

        Raises:
            Distrusted: when one of the two came to another mark than is known.
            Infrastructure: when they could not be executed.
        """
        with self._lock:
            if self._why is None:
                self._why = self._compare()
                self._note("canaries", trusted=not self._why, why=self._why)
            if self._why:
                raise Distrusted(self._why)

    def require_judge(self, provider, seed_of) -> None:
        """Judge the reference and all known wrong answers here, where nobody's code is executed.

        Raises:
            Distrusted: when one of them comes to another mark than is known.
        """
        for exercise in self._exercises:
            with lock:
                seen = observe(exercise, reference(exercise), seed_of)
                right = judge_exercise(exercise, seen, provider)
                known = provider.misconceptions(exercise)
                wrong = [judge_exercise(exercise, one.seen, provider) for one in known]
            if right.score != right.points or any(one.score == one.points for one in wrong):
                raise Distrusted(DISTRUST.format("right or wrong", exercise.id))

    @cached_property
    def _pair(self) -> list[NotebookNode]:
        """The two submissions: all answers right, and all of them wrong."""
        with lock:  # it may import PyTorch, which two threads at once get in pieces
            known = {exercise.id: self._answers(exercise) for exercise in self._exercises}
            template = filled(self._template, left_out(self._template, self._exercises), _right)
        return [
            filled(template, self._exercises, lambda e: known[e.id].right),
            filled(template, self._exercises, lambda e: known[e.id].wrong),
        ]

    def _compare(self) -> str:
        with ThreadPoolExecutor(max_workers=2) as both:
            right, wrong = both.map(self._grade, self._pair)
        off = [report.exercise_id for report in right if report.score < report.points]
        if off:
            return DISTRUST.format("right", ", ".join(off))
        off = [report.exercise_id for report in wrong if report.score == report.points]
        return DISTRUST.format("wrong", ", ".join(off)) if off else ""
