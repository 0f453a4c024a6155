"""What the code of a submission says, as far as marks and notes depend on it.

To rebuild a notebook and to look through its code takes three quarters of the time of judging it
again, and comes to the same as long as nothing that reads has changed. So it is kept with what was
observed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from autograder.checking.spec import Exercise
from autograder.sandbox.process import Outcome
from autograder.submissions.code import WRITTEN, Code, bindings, title
from autograder.submissions.notebook import Step
from autograder.submissions.rebuild import Rebuilt

MAX_ERROR = 200  # characters
MAX_ERRORS = 3  # that one sentence tells
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PLACE = re.compile(
    r"^(?:Cell In ?\[\d+\], line (\d+)|File (?:[^\n:]*/)?([\w.]+\.py:\d+))", re.MULTILINE
)


@dataclass(frozen=True)
class Findings:
    """What was found; the mappings are by the id of an exercise, and leave out what is empty."""

    steps: str = ""  # digest of what is executed
    problems: tuple[str, ...] = ()  # of the file and its cells
    notes: tuple[str, ...] = ()  # about what was stopped, and about the code
    shortcuts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unseen: Mapping[str, str] = field(default_factory=dict)  # why something was not observed


def look_through(
    rebuilt: Rebuilt, code: Code, outcome: Outcome, exercises: Mapping[str, Exercise]
) -> Findings:
    """Look through a submission that was executed.

    Args:
        exercises: by grade id of their check cell.
    """
    shortcuts, remarks, unseen = {}, {}, {}
    for check_id, exercise in exercises.items():
        shortcuts[exercise.id] = tuple(code.shortcuts(exercise))
        remarks[exercise.id] = (
            *code.undefined(exercise),
            *code.by_steps(exercise),
            *code.put_in(exercise),
        )
        if not is_observed(exercise, outcome):
            unseen[exercise.id] = why_unseen(exercise, check_id, code, outcome)
    forbidden = {name for exercise in exercises.values() for name in exercise.forbidden}
    costly = {name for found in shortcuts.values() for name in found}
    return Findings(
        digest_of(rebuilt.steps),
        rebuilt.problems,
        (*stops(code.steps, outcome), *code.notes(), *code.idle_mentions(forbidden, costly)),
        {name: found for name, found in shortcuts.items() if found},
        {name: found for name, found in remarks.items() if found},
        unseen,
    )


def digest(*texts: str) -> str:
    """A digest of texts in which their borders count."""
    found = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "replace")
        found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()


def digest_of(steps: Iterable[Step]) -> str:
    """A digest of what is executed."""
    return digest(*(text for step in steps for text in (step.role, step.cell_id, step.source)))


def is_observed(exercise: Exercise, outcome: Outcome) -> bool:
    """Whether the exercise ran to its end, whatever came of it."""
    return exercise.id in outcome.seen and outcome.seen[exercise.id].keys() == {
        check.name for check in exercise.checks
    }


def why_unseen(exercise: Exercise, check_id: str, code: Code, outcome: Outcome) -> str:
    """Say, without numbers, why an exercise was not observed."""
    function = exercise.function
    if exercise.id in outcome.failed:
        return outcome.failed[exercise.id].kind
    if not outcome.outputs and not outcome.stopped:
        return "nothing was submitted that could be executed"
    own = code.answering(exercise)
    for step in own:
        if step.cell_id in outcome.stopped:
            return outcome.stopped[step.cell_id].kind
        if step.cell_id in code.unread:
            return code.unread[step.cell_id]
    for step in own:
        if failed := error_of(outcome.outputs.get(step.cell_id, ())):
            return f"{function} is not defined: its cell ended with {failed}"
    check = next((s for s in code.steps if s.grade_id == check_id), None)
    failed = error_of(outcome.outputs.get(check.cell_id, ())) if check else ""
    if failed:
        return f"could not be checked: the check ended with {failed}"
    if outcome.aborted:
        return f"not reached: another cell was {outcome.aborted.kind}"
    return "no result came back from this check"


def error_of(outputs: Iterable[Mapping]) -> str:
    """Say which error ended a cell, and where.

    It comes from the process that has no seeds, so that it may say all.

    >>> error_of([{"output_type": "error", "ename": "KeyError", "evalue": "a", "traceback": []}])
    'KeyError: a'
    """
    error = next((output for output in outputs if output["output_type"] == "error"), None)
    if error is None:
        return ""
    text = " ".join(f"{error['ename']}: {error['evalue']}".split())[:MAX_ERROR]
    trace = _COLOUR.sub("", "\n".join(error["traceback"]))
    places = [file or f"line {line}" for line, file in _PLACE.findall(trace)]
    return f"{text} ({places[-1]})" if places else text


def stops(steps: Iterable[Step], outcome: Outcome) -> Iterator[str]:
    """What the instructor should know about cells that did not come to their end."""
    names = {step.cell_id: title(step) for step in steps}
    for cell_id, fault in outcome.stopped.items():
        rest = "; only what it defines was executed" if cell_id in outcome.cut else ""
        yield f"The cell {names.get(cell_id, cell_id)} was {fault.kind}{rest}."
    also = outcome.cut - set(outcome.stopped)
    if also:
        yield f"Of {len(also)} more cells only what they define was executed, to reach the rest."
    if outcome.aborted:
        yield "What came after the last of these was not executed."
    written = [step for step in steps if step.role in WRITTEN and bindings(step.source)]
    ended = [error_of(outcome.outputs.get(step.cell_id, ())) for step in written]
    errors = list(dict.fromkeys(filter(None, ended)))
    if errors:
        more = f", and {len(errors) - MAX_ERRORS} more" if len(errors) > MAX_ERRORS else ""
        yield f"Cells that define something ended with {'; '.join(errors[:MAX_ERRORS])}{more}."
        if any(error.startswith("ModuleNotFoundError") for error in errors):
            yield "A module of one's own has to be handed in beside the notebook."
