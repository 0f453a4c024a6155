"""The trusted side of grading: rebuild, execute outside of this process, judge here, keep.

    Grader(template, assignment, secret).grade(path, student) -> SubmissionResult
    grade_batch(grader, {student: path}, store)               -> the same for a class

Nothing of the student's is loaded here. The secret stays here; a sandbox gets the seed of the
check at hand. A result is kept under a key of everything it depends on, so that an unchanged
submission is not executed again.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

from nbformat import NotebookNode

from autograder import analysis, exercises, provider, sandbox
from autograder.analysis import OWN_PACKAGES, Code
from autograder.judge import Report, judge_exercise
from autograder.observe import Fault, Seen
from autograder.sandbox import Infrastructure, Limits, Outcome
from autograder.spec import Exercise
from autograder.submission import (
    MAX_FILE,
    Rebuilt,
    Step,
    Unreadable,
    clean_text,
    definitions,
    read,
    read_regular,
    rebuild,
    role,
)
from autograder.uploads import read_submission

TIER = "process"  # how the student's code was kept apart; recorded with every mark
LIBRARIES = ("numpy", "torch", "ipython", "nbformat")


@dataclass(frozen=True)
class SubmissionResult:
    """What grading one submission came to; `reports` hold details that students must not see."""

    student: str
    assignment: str
    reports: tuple[Report, ...]
    bonus_ids: tuple[str, ...] = ()  # exercises whose points are bonus
    unjudged: tuple[str, ...] = ()  # exercises that a person must look at
    unobserved: tuple[str, ...] = ()  # exercises that could not be run to their end
    problems: tuple[str, ...] = ()
    outputs: Mapping[str, list[dict]] = field(default_factory=dict)  # cell id -> nbformat outputs
    seconds: float = 0.0
    complete: bool = True  # whether every cell came to its end
    key: str = ""  # digest of everything the result depends on
    file: str = ""  # digest of the submitted file
    seeds: str = ""  # digest of the seeds of all checks
    tier: str = TIER

    @property
    def score(self) -> float:
        """Points earned, without bonus."""
        return sum(report.score for report in self.reports if not self.is_bonus(report))

    @property
    def points(self) -> float:
        """Points to be had, without bonus."""
        return sum(report.points for report in self.reports if not self.is_bonus(report))

    @property
    def bonus(self) -> float:
        """Bonus points earned."""
        return sum(report.score for report in self.reports if self.is_bonus(report))

    @property
    def misconceptions(self) -> tuple[str, ...]:
        """Names of the misconceptions that were recognised, in the order of the exercises."""
        names = (name for report in self.reports for name in report.misconceptions)
        return tuple(dict.fromkeys(names))

    def is_bonus(self, report: Report) -> bool:
        """Whether the points of this report are bonus points."""
        return report.exercise_id in self.bonus_ids

    def report(self, exercise_id: str) -> Report | None:
        """The report of one exercise."""
        return next((r for r in self.reports if r.exercise_id == exercise_id), None)

    def to_dict(self) -> dict:
        """Plain data for JSON."""
        data = {**asdict(self), "reports": [report.to_dict() for report in self.reports]}
        return data | {"score": self.score, "points": self.points, "bonus": self.bonus}

    @classmethod
    def from_dict(cls, data: Mapping) -> SubmissionResult:
        """Rebuild a result from `to_dict`."""
        names = cls.__dataclass_fields__
        values = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
        values["reports"] = tuple(Report.from_dict(report) for report in data["reports"])
        return cls(**{name: values[name] for name in names})


# ---------------------------------------------------------------------------------- grading


class Grader:
    """Grades submissions of one assignment.

    Args:
        template: the released notebook.
        assignment: its name, part of every seed.
        secret: the course's secret.
        limits: time and memory of one submission.
    """

    def __init__(
        self,
        template: NotebookNode,
        assignment: str,
        secret: bytes,
        limits: Limits | None = None,
    ):
        self.template = template
        self.assignment = assignment
        self.limits = limits or Limits()
        self.exercises = graded_exercises(template)
        self.seed_of = provider.secret_seed(secret, assignment)
        self.provider = provider.live(self.seed_of)
        self._basis = _digest(
            *_cell_texts(template),
            assignment,
            hashlib.sha256(secret).hexdigest(),
            json.dumps(asdict(self.limits)),
            TIER,
            software(),
        )

    @property
    def seeds(self) -> str:
        """Digest of the seeds of all checks, to be kept with a mark."""
        pairs = [(e, check) for e in self.exercises.values() for check in e.checks]
        return _digest(*(f"{e.id}/{check.name}/{self.seed_of(e, check)}" for e, check in pairs))

    def key(self, rebuilt: Rebuilt) -> str:
        """Digest of all that the result of a submission depends on."""
        steps = (text for step in rebuilt.steps for text in (step.role, step.cell_id, step.source))
        return _digest(self._basis, *steps, *rebuilt.problems)

    def grade(
        self, path: Path, student: str, store: Store | None = None, accept: str = "complete"
    ) -> SubmissionResult:
        """Grade the file at `path`; any file gives a result.

        Args:
            store: where results are kept; a kept result with the same key is returned as it is.
            accept: which kept results count: "complete" ones, "all", or "none".

        Raises `Infrastructure` when the sandbox itself fails twice.
        """
        submission = read_submission(path)
        rebuilt = rebuild(self.template, submission)
        key = self.key(rebuilt)
        kept = store.load(student) if store and accept != "none" else None
        if kept and kept.key == key and (kept.complete or accept == "all"):
            return self._keep(store, replace(kept, file=submission.digest), kept)
        code = Code(rebuilt.steps)
        outcome = self._execute(code.readable) if submission.cells else Outcome()
        reports, unjudged, problems = self._judge(code, outcome)
        result = SubmissionResult(
            student=student,
            assignment=self.assignment,
            reports=reports,
            bonus_ids=tuple(e.id for e in self.exercises.values() if e.bonus),
            unjudged=unjudged,
            unobserved=tuple(e.id for e in self.exercises.values() if not _observed(e, outcome)),
            problems=(*rebuilt.problems, *problems),
            outputs=outcome.outputs,
            seconds=round(outcome.seconds, 3),
            complete=outcome.complete,
            key=key,
            file=submission.digest,
            seeds=self.seeds,
        )
        return self._keep(store, result)

    def _keep(self, store, result, kept=None):
        if store and result != kept:
            store.save(result)
        return result

    def _execute(self, steps: tuple[Step, ...]) -> Outcome:
        try:
            return sandbox.execute(steps, self.exercises, self.seed_of, self.limits)
        except Infrastructure:
            return sandbox.execute(steps, self.exercises, self.seed_of, self.limits)

    def _judge(self, code, outcome):
        reports, unjudged, problems = [], [], [*_stops(code.steps, outcome), *code.notes()]
        for check_id, exercise in self.exercises.items():
            names = code.shortcuts(exercise)
            if names:
                problems.append(f"{exercise.id}: the submitted code uses {', '.join(names)}.")
                fault = Fault(f"uses {', '.join(names)}, which is not allowed here")
                seen = _all(exercise, fault)
            else:
                fault = Fault(_why_unseen(exercise, check_id, code, outcome))
                seen = _all(exercise, fault) | outcome.seen.get(exercise.id, {})
            try:
                with analysis.lock:
                    reports.append(judge_exercise(exercise, seen, self.provider))
            except Exception as error:
                unjudged.append(exercise.id)
                problems.append(
                    f"{exercise.id}: the results could not be judged ({_short(error)}); it has 0 "
                    "points until someone looks at it."
                )
                fault = Fault("the results could not be judged; your instructor has been told")
                with analysis.lock:
                    seen = _all(exercise, fault)
                    reports.append(judge_exercise(exercise, seen, self.provider))
        return tuple(reports), tuple(unjudged), problems


def _short(error: BaseException) -> str:
    """Name an error in one line that any file and terminal can take."""
    return clean_text(f"{type(error).__name__}: {error}"[:300])


def graded_exercises(template: NotebookNode) -> dict[str, Exercise]:
    """The exercises that a notebook checks, by the grade id of their check cell, in its order."""
    known = {f"{exercise.grade_id}-check": exercise for exercise in exercises.all_exercises()}
    checks = (cell.metadata.nbgrader.grade_id for cell in template.cells if role(cell) == "check")
    return {grade_id: known[grade_id] for grade_id in checks if grade_id in known}


def _observed(exercise: Exercise, outcome: Outcome) -> bool:
    """Whether the exercise ran to its end, whatever came of it."""
    return exercise.id in outcome.seen and outcome.seen[exercise.id].keys() == {
        check.name for check in exercise.checks
    }


def _all(exercise: Exercise, fault: Fault) -> dict[str, Seen]:
    return {check.name: Seen(fault=fault) for check in exercise.checks}


def _why_unseen(exercise, check_id, code, outcome) -> str:
    """Say, without numbers, why an exercise was not observed."""
    function = exercise.function
    if exercise.id in outcome.failed:
        return outcome.failed[exercise.id].kind
    if not outcome.outputs and not outcome.stopped:
        return "nothing was submitted that could be executed"
    for step in code.steps:
        if step.cell_id in outcome.stopped and step.grade_id.startswith(f"{exercise.grade_id}-"):
            return outcome.stopped[step.cell_id].kind
    own = next((s for s in code.steps if s.grade_id == f"{exercise.grade_id}-solution"), None)
    if own and own.cell_id in code.unread:
        return code.unread[own.cell_id]
    failed = _error(outcome.outputs.get(own.cell_id, ())) if own else ""
    if failed:
        return f"{function} is not defined: its cell ended with {failed}"
    check = next((s for s in code.steps if s.grade_id == check_id), None)
    failed = _error(outcome.outputs.get(check.cell_id, ())) if check else ""
    if failed:
        return f"could not be checked: the check ended with {failed}"
    if outcome.aborted:
        return f"not reached: another cell was {outcome.aborted.kind}"
    return "no result came back from this check"


def _error(outputs: Iterable[Mapping]) -> str:
    """Name the error that ended a cell, in words that Python has: a name of one's own says all."""
    names = [output["ename"] for output in outputs if output["output_type"] == "error"]
    if not names:
        return ""
    return names[0] if isinstance(getattr(builtins, names[0], None), type) else "an error"


def _stops(steps: Iterable[Step], outcome: Outcome) -> Iterator[str]:
    """What the instructor should know about cells that did not come to their end."""
    names = {step.cell_id: step.grade_id or "that the student added" for step in steps}
    for cell_id, fault in outcome.stopped.items():
        yield f"The cell {names.get(cell_id, cell_id)} was {fault.kind}."
    if outcome.aborted:
        yield "A second cell had to be stopped, so what came after it was not executed."


# ---------------------------------------------------------------------------------- results


class Store:
    """Results of one assignment, a JSON file a student, each written in one step."""

    def __init__(self, folder: Path):
        self.folder = folder

    def load(self, student: str) -> SubmissionResult | None:
        """Return the kept result of a student, or None when there is none that can be read."""
        try:
            return SubmissionResult.from_dict(json.loads(self._path(student).read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def save(self, result: SubmissionResult) -> None:
        """Keep a result: the file is either the old one or the new one, never half of one."""
        text = json.dumps(result.to_dict(), ensure_ascii=False, indent=1)
        write_atomically(self._path(result.student), text.encode())

    def all(self) -> list[SubmissionResult]:
        """Return every kept result, by student."""
        names = sorted(path.name.removesuffix(".json") for path in self.folder.glob("*.json"))
        return [result for result in map(self.load, names) if result is not None]

    def _path(self, student: str) -> Path:
        return self.folder / f"{student}.json"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file for its owner only, in one step that survives a crash."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def grade_batch(
    grader: Grader,
    submissions: Mapping[str, Path],
    store: Store,
    *,
    jobs: int = 2,
    force: bool = False,
    progress: Callable[[str], None] | None = None,
) -> tuple[dict[str, SubmissionResult], dict[str, str]]:
    """Grade many submissions, `jobs` sandboxes at a time.

    Returns the results by student, and the infrastructure faults by student, which are no marks.

    Args:
        progress: called with the student's name after each submission.
    """
    results, faults = {}, {}
    accept = "none" if force else "complete"
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        tasks = {
            pool.submit(grader.grade, path, student, store, accept): student
            for student, path in submissions.items()
        }
        try:
            for task in as_completed(tasks):
                student = tasks[task]
                try:
                    results[student] = task.result()
                except Infrastructure as error:
                    faults[student] = str(error)
                except Exception as error:  # whatever one submission does, the others go on
                    faults[student] = _short(error)
                if progress:
                    progress(student)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {student: results[student] for student in submissions if student in results}, faults


# ---------------------------------------------------------------------------------- digests


def _digest(*texts: str) -> str:
    """A digest of texts in which their borders count."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "replace")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _cell_texts(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        yield from (cell.get("id", ""), cell.cell_type, cell.source, json.dumps(cell.metadata))


@cache
def software() -> str:
    """Digest of the grader's own code and of the libraries that decide about a result."""
    root = Path(__file__).resolve().parents[1]
    files = [path for package in OWN_PACKAGES for path in sorted((root / package).rglob("*.py"))]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    sources = [path.read_text("utf-8") for path in files]
    return _digest(platform.python_version(), *versions, *map(str, files), *sources)


# ------------------------------------------------------------------- a file of one's own


def check_file(path: Path, limits: Limits | None = None) -> tuple[list[Report], list[str]]:
    """Run the instant checks on a notebook or a Python file, with the public seeds.

    Returns the reports of the exercises that were found in it, and what went wrong on the way.
    In a notebook of the course the check cells say what is checked; in any other file it is
    every exercise whose function the file defines.

    Raises `Unreadable` when the file is neither.
    """
    steps, checked, problems = _plan_of_file(path)
    code = Code(steps)
    outcome = sandbox.execute(code.readable, checked, provider.public_seed, limits or Limits())
    expectations = provider.default()
    reports = []
    for check_id, exercise in checked.items():
        fault = Fault(_why_unseen(exercise, check_id, code, outcome))
        seen = _all(exercise, fault) | outcome.seen.get(exercise.id, {})
        reports.append(judge_exercise(exercise, seen, expectations))
    return reports, [*problems, *_stops(steps, outcome), *code.notes()]


def _plan_of_file(path: Path):
    known = {f"{exercise.grade_id}-check": exercise for exercise in exercises.all_exercises()}
    if path.suffix == ".py":
        source = read_regular(path, MAX_FILE).decode("utf-8-sig", "replace")
        cells, problems = [Step("file", "added", source)], ()
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
