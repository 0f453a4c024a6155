"""Check a file of one's own, without a course: a notebook, or any Python file."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from autograder import exercises, expectations
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import Fault
from autograder.checking.report import Report
from autograder.checking.spec import Exercise
from autograder.grading.findings import stops, why_unseen
from autograder.grading.grader import _all, probes
from autograder.sandbox import process
from autograder.sandbox.process import Limits, Outcome
from autograder.sandbox.zygote import sandboxes
from autograder.submissions.code import Code, bindings
from autograder.submissions.notebook import MAX_FILE, Step, Unreadable, read, read_regular
from autograder.submissions.uploads import look_beside, modules_of

FILE = "file "  # how the ids of steps that are a whole file start
NEAR = 0.85  # how alike two names are, of which one is taken for a slip of the other
NO_TORCH = "they were left out; pip install 'cs231n-lecture7-course[torch]'"
_LINE = re.compile(r"line (\d+)")


def _can_check(exercise: Exercise) -> bool:
    return exercise.framework != "torch" or importlib.util.find_spec("torch") is not None


def check_file(path: Path, limits: Limits | None = None) -> tuple[list[Report], list[str]]:
    """Run the instant checks on a notebook or a Python file, with the public seeds.

    Returns the reports of the exercises that were found in it, and what went wrong on the way.
    In a notebook of the course the check cells say what is checked; in any other file it is
    every exercise whose function the file defines.

    Raises `Unreadable` when the file is neither.
    """
    return check_files([path], limits)


def check_files(
    paths: Sequence[Path], limits: Limits | None = None
) -> tuple[list[Report], list[str]]:
    """Do what `check_file` does for Python files that belong together, such as a whole folder's.

    They are executed one after the other, in this order, as if they were one file.
    """
    steps, found, problems = _plan(paths)
    checked = {name: one for name, one in found.items() if _can_check(one)}
    if len(checked) < len(found):
        problems = [*problems, f"{len(found) - len(checked)} exercises need PyTorch: {NO_TORCH}"]
    code, provider, seed_of = Code(steps), expectations.default(), expectations.public_seed
    with sandboxes() as places:
        probe_of = probes(provider, seed_of)
        outcome = process.execute(
            code.readable, checked, seed_of, limits or Limits(), places, probe_of
        )
    reports = []
    for check_id, exercise in checked.items():
        why = _why_undefined(exercise, steps, outcome)
        fault = Fault(why or why_unseen(exercise, check_id, code, outcome))
        seen = _all(exercise, fault) | outcome.seen.get(exercise.id, {})
        reports.append(judge_exercise(exercise, seen, provider))
    cells = [step for step in steps if not step.cell_id.startswith(FILE)]
    return reports, [*problems, *_raised(steps, outcome), *stops(cells, outcome), *code.notes()]


def _why_undefined(exercise, steps, outcome) -> str:
    """Say which file ended before it defined a function, and how; nothing where none did."""
    for step in steps:
        name = step.cell_id.removeprefix(FILE)
        if name != step.cell_id and exercise.function in bindings(step.source):
            for said in (*_syntax_error(step.source, name), *_raised([step], outcome)):
                return f"{exercise.function} is not defined: {said}"
    return ""


def _syntax_error(source: str, name: str) -> tuple[str, ...]:
    try:
        compile(source, "the file", "exec", ast.PyCF_ONLY_AST)
    except SyntaxError as error:
        return (f"{name}: SyntaxError in line {error.lineno}: {error.msg}.",)
    except (ValueError, RecursionError, MemoryError):
        return (f"{name}: it cannot be parsed.",)
    return ()


def _raised(steps: Iterable[Step], outcome: Outcome) -> Iterator[str]:
    """Say what stopped a file on its way: type, message and line."""
    for step in steps:
        for output in outcome.outputs.get(step.cell_id, ()):
            if step.cell_id.startswith(FILE) and output["output_type"] == "error":
                lines = _LINE.findall("\n".join(output["traceback"]))
                where = f" (line {lines[0]})" if lines else ""
                name = step.cell_id.removeprefix(FILE)
                if output["ename"] == "SyntaxError":
                    continue  # said before anything ran
                yield f"{name}: {output['ename']}: {output['evalue']}{where}"


def _plan(paths: Sequence[Path]):
    """Return the cells to execute, the exercises to check, and what is odd about the files."""
    known = {f"{exercise.grade_id}-check": exercise for exercise in exercises.all_exercises()}
    cells: list[Step] = []
    problems: list[str] = []
    for path in paths:
        steps, odd = _cells_of(path, known)
        cells += [step for step in steps if step.role != "module" or step not in cells]
        problems += [problem for problem in odd if problem not in problems]
    own = [step for step in cells if step.role != "module"]
    checked = {step.grade_id: known[step.grade_id] for step in cells if step.role == "check"}
    if not checked:
        checked = {key: e for key, e in known.items() if _defines(own, e)}
        cells += [Step(key, "check", _call(e), key) for key, e in checked.items()]
    return cells, checked, [*problems, *_mistyped(own, known.values())]


def _cells_of(path: Path, known) -> tuple[list[Step], Sequence[str]]:
    files = [name for name in look_beside(path.parent, own=0).files if name != path.name]
    readable = [name for name in files if os.access(path.parent / name, os.R_OK)]
    modules, odd = modules_of(path.parent, readable, own=1)
    cells = [Step(name, "module", text) for name, text in modules]
    if path.suffix == ".py":
        source = read_regular(path, MAX_FILE).decode("utf-8-sig", "replace")
        cells.append(Step(f"{FILE}{path.name}", "added", source))
        return cells, (*odd, *_syntax_error(source, path.name))
    submission = read(path)
    if not submission.cells:
        raise Unreadable(*submission.problems)
    code = [cell for cell in submission.cells if cell.kind == "code" and not cell.shown]
    cells += [
        Step(f"cell-{i}", "check" if c.grade_id in known else "added", c.source, c.grade_id)
        for i, c in enumerate(code)
    ]
    return cells, (*submission.problems, *odd)


def _defines(steps: Iterable[Step], exercise: Exercise) -> bool:
    """Whether code defines what an exercise asks for, and speaks its framework."""
    source = "\n".join(step.source for step in steps)
    speaks_torch = re.search(r"^\s*(?:import|from) torch\b", source, re.MULTILINE) is not None
    wanted = "torch" if speaks_torch else "numpy"
    return exercise.framework == wanted and set(exercise.functions) <= set(bindings(source))


def _mistyped(steps: Iterable[Step], known: Iterable[Exercise]) -> Iterator[str]:
    """Suggest the name of an exercise for a function that has nearly that name."""
    defined = dict.fromkeys(name for step in steps for name in bindings(step.source))
    wanted = {name for exercise in known for name in exercise.functions}
    missing = sorted(wanted - defined.keys())
    for name in defined.keys() - wanted:
        for near in difflib.get_close_matches(name, missing, n=1, cutoff=NEAR):
            yield f"{name} is not the name of an exercise: did you mean {near}?"


def _call(exercise: Exercise) -> str:
    return f'check("{exercise.id}", {", ".join(exercise.functions)})'
