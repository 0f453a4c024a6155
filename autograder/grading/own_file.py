"""Check a file of one's own, without a course: a notebook, or any Python file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

from autograder import exercises, expectations
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import Fault
from autograder.checking.report import Report
from autograder.checking.spec import Exercise
from autograder.grading.grader import _all, _stops, _why_unseen, sandboxes
from autograder.sandbox import process
from autograder.sandbox.process import Limits
from autograder.submissions.code import Code
from autograder.submissions.submission import (
    MAX_FILE,
    Step,
    Unreadable,
    definitions,
    read,
    read_regular,
)


def check_file(path: Path, limits: Limits | None = None) -> tuple[list[Report], list[str]]:
    """Run the instant checks on a notebook or a Python file, with the public seeds.

    Returns the reports of the exercises that were found in it, and what went wrong on the way.
    In a notebook of the course the check cells say what is checked; in any other file it is
    every exercise whose function the file defines.

    Raises `Unreadable` when the file is neither.
    """
    steps, checked, problems = _plan_of_file(path)
    code = Code(steps)
    with sandboxes() as places:
        outcome = process.execute(
            code.readable, checked, expectations.public_seed, limits or Limits(), places
        )
    provider = expectations.default()
    reports = []
    for check_id, exercise in checked.items():
        fault = Fault(_why_unseen(exercise, check_id, code, outcome))
        seen = _all(exercise, fault) | outcome.seen.get(exercise.id, {})
        reports.append(judge_exercise(exercise, seen, provider))
    return reports, [*problems, *_stops(steps, outcome), *code.notes()]


def _syntax_error(source: str) -> tuple[str, ...]:
    try:
        compile(source, "the file", "exec", ast.PyCF_ONLY_AST)
    except SyntaxError as error:
        return (f"SyntaxError in line {error.lineno}: {error.msg}.",)
    except (ValueError, RecursionError, MemoryError):
        return ("It cannot be parsed.",)
    return ()


def _plan_of_file(path: Path):
    known = {f"{exercise.grade_id}-check": exercise for exercise in exercises.all_exercises()}
    if path.suffix == ".py":
        source = read_regular(path, MAX_FILE).decode("utf-8-sig", "replace")
        cells, problems = [Step("file", "added", source)], _syntax_error(source)
    else:
        submission = read(path)
        if not submission.cells:
            raise Unreadable(*submission.problems)
        problems = submission.problems
        code = [cell for cell in submission.cells if cell.kind == "code" and not cell.shown]
        cells = [
            Step(f"cell-{i}", "check" if c.grade_id in known else "added", c.source, c.grade_id)
            for i, c in enumerate(code)
        ]
    checked = {step.grade_id: known[step.grade_id] for step in cells if step.role == "check"}
    if not checked:
        checked = {key: e for key, e in known.items() if _defines(cells, e)}
        cells += [Step(key, "check", _call(e), key) for key, e in checked.items()]
    return cells, checked, problems


def _defines(steps: Iterable[Step], exercise: Exercise) -> bool:
    """Whether code defines what an exercise asks for, and speaks its framework."""
    source = "\n".join(step.source for step in steps)
    speaks_torch = re.search(r"^\s*(?:import|from) torch\b", source, re.MULTILINE) is not None
    wanted = "torch" if speaks_torch else "numpy"
    return exercise.framework == wanted and set(exercise.functions) <= set(definitions(source))


def _call(exercise: Exercise) -> str:
    return f'check("{exercise.id}", {", ".join(exercise.functions)})'
