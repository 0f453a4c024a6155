"""What nbgrader shows and stores of a result: outputs, marks, comments and notes."""

from __future__ import annotations

import html
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import nbformat
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import Grade

from autograder.checking.report import Report
from autograder.checking.spec import Exercise
from autograder.grading.grader import exercise_of, graded_exercises
from autograder.grading.results import SubmissionResult
from autograder.submissions.rebuild import is_practice

EQUAL_REPORTS = 2000  # of a class, as those of right answers are, that are put into words once


def fill(notebook: NotebookNode, result: SubmissionResult) -> None:
    """Put outputs, reports and notes of the engine into a rebuilt notebook."""
    exercises = graded_exercises(notebook)
    for cell in notebook.cells:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if grade_id in exercises:
            cell.outputs = report_outputs(result, exercises[grade_id].id, cell["id"])
        elif cell["cell_type"] == "code" and cell["id"] in result.outputs:
            cell.outputs = [nbformat.from_dict(o) for o in result.outputs[cell["id"]]]
        elif cell["cell_type"] == "code" and utils.is_grade(cell) and not is_practice(cell):
            cell.outputs = [_error("NotExecuted", "this cell was not reached")]
    if result.problems:
        notes = nbformat.v4.new_markdown_cell(_notes(result), id="grading-notes")
        notebook.cells.insert(0, notes)
    notebook.metadata["autograder"] = {"result": [result.key, result.file]}


@dataclass(frozen=True)
class Mark:
    """An automatic mark: `score` counts towards the maximum, `extra` (credit) comes on top.

    None: a person must give it, or, of `extra`, there is none to give.
    """

    score: float | None
    extra: float | None = None


def set_mark(grade: Grade, mark: Mark) -> None:
    """Enter an automatic mark; someone must look where there is none, or one given by hand."""
    grade.auto_score = mark.score
    if mark.extra is not None and grade.manual_score is None:
        grade.extra_credit = mark.extra
    grade.needs_manual_grade = mark.score is None or grade.manual_score is not None


def columns(mark: Mark) -> dict[str, object]:
    """An automatic mark as a row of the gradebook, where nobody gave one by hand before."""
    return {
        "auto_score": mark.score,
        "extra_credit": mark.extra,
        "needs_manual_grade": mark.score is None,
    }


def marks_and_comments(
    notebook: NotebookNode, result: SubmissionResult
) -> tuple[dict[str, Mark], dict[str, str | None]]:
    """Return automatic marks and comments by grade id.

    Exercises have those of the engine; all other cells those that nbgrader gives them.
    """
    exercises = graded_exercises(notebook)
    solutions = {f"{exercise.grade_id}-solution": exercise for exercise in exercises.values()}
    marks: dict[str, Mark] = {}
    comments: dict[str, str | None] = {}
    for cell in notebook.cells:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if name is None:
            continue
        if name in exercises:
            marks[name] = mark_of(result, exercises[name], cell)
        elif utils.is_grade(cell):
            score, _ = utils.determine_grade(cell)
            marks[name] = Mark(score)
        if name in solutions:
            comments[name] = comment_text(_report(result, solutions[name].id))
        elif utils.is_solution(cell) or utils.is_task(cell):
            untouched = cell.metadata.nbgrader.get("checksum") == utils.compute_checksum(cell)
            comments[name] = "No response." if untouched and not utils.is_task(cell) else None
    return marks, comments


def mark_of(result: SubmissionResult, exercise: Exercise, cell: NotebookNode) -> Mark:
    """Return the mark of an exercise with this check cell; bonus is extra credit on 0 points.

    In a notebook that was released when bonus still had points, they count as they did.
    """
    if exercise.id in result.unjudged:
        return Mark(None)
    score = _report(result, exercise.id).score
    return Mark(0.0, extra=score) if exercise.bonus and not _points(cell) else Mark(score)


def _report(result: SubmissionResult, exercise_id: str) -> Report:
    """The report of an exercise that the graded notebook checks."""
    report = result.report(exercise_id)
    if report is None:
        raise KeyError(f"{result.student} has no report of {exercise_id}: grade the lesson again")
    return report


def counted_otherwise(template: NotebookNode, left_out: Collection[str]) -> list[str]:
    """Say what a released notebook counts, or does not, and a new release would not, or would.

    Args:
        left_out: exercises that `course.toml` leaves out now.
    """
    cells = {
        cell.metadata.nbgrader.grade_id: cell for cell in template.cells if utils.is_grade(cell)
    }
    known = graded_exercises(template)
    found = [
        f"{exercise.id} counts, which course.toml leaves out"
        for exercise in known.values()
        if exercise.id in left_out
    ]
    if any(exercise.bonus and _points(cells[name]) for name, exercise in known.items()):
        found.append("bonus points count in the maximum")
    practice = (exercise_of(name) for name, cell in cells.items() if is_practice(cell))
    return found + [
        f"{exercise.id} does not count, which course.toml no longer leaves out"
        for exercise in practice
        if exercise and exercise.id not in left_out
    ]


def _points(cell: NotebookNode) -> float:
    return float(cell.metadata.nbgrader.get("points", 0))


def report_outputs(result: SubmissionResult, exercise_id: str, cell_id: str) -> list:
    """Return the outputs of a check cell: its error if it had one, the report, the score."""
    raised = [o for o in result.outputs.get(cell_id, ()) if o["output_type"] == "error"]
    return [*map(nbformat.from_dict, raised), *_shown(_report(result, exercise_id))]


@lru_cache(maxsize=EQUAL_REPORTS)
def _shown(report: Report) -> tuple[NotebookNode, NotebookNode]:
    """What a check cell shows of a report, and its value; equal reports have the same nodes."""
    public = report.public()
    score = 0.0 if public.bonus else public.score  # as `check` returns it
    data = {"text/plain": str(public), "text/html": public._repr_html_()}
    value = {"text/plain": repr(score)}
    shown = {"output_type": "display_data", "data": data, "metadata": {}}
    result = {"output_type": "execute_result", "data": value, "metadata": {}}
    return nbformat.from_dict(shown), nbformat.from_dict(result | {"execution_count": None})


@lru_cache(maxsize=EQUAL_REPORTS)
def comment_text(report: Report) -> str:
    """Return what a student may see of a report, as the Markdown of nbgrader's comments."""
    report = report.public()
    lines = [f"**{report.score:g} of {report.points:g} {report.kind_of_points}**", ""]
    for row in report.rows:
        line = f"- {row.earned:g}/{row.points:g} {escape_markdown(row.check)}"
        if row.status != "passed":
            line += f": {escape_markdown(row.message)}"
        notes = {"Hint": row.hint, "Remark": row.remark}
        line += "".join(f" *{k}:* {escape_markdown(note)}" for k, note in notes.items() if note)
        lines.append(line)
    if report.reading:
        lines += ["", escape_markdown(report.reading)]
    return "\n".join(lines)


@lru_cache(maxsize=10_000)
def escape_markdown(text: str) -> str:
    """Return text that Markdown and HTML show as it is, on one line.

    >>> escape_markdown("a_b <i>")
    'a\\\\_b &lt;i&gt;'
    """
    return html.escape(
        re.sub(r"([\\\\`*_{}\[\]#|$~])", r"\\\1", " ".join(text.split())), quote=False
    )


def _notes(result: SubmissionResult) -> str:
    listed = "\n".join(f"- {escape_markdown(problem)}" for problem in result.problems)
    return f"**Notes on this submission**\n\n{listed}"


def _error(name: str, text: str):
    return nbformat.v4.new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"])
