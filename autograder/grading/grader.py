"""The trusted side of grading: rebuild, execute outside of this process, judge here, keep.

    Grader(template, assignment, secret).grade(path, student) -> SubmissionResult
    grade_batch(grader, {student: path}, store)               -> the same for a class

Nothing of the student's is loaded here. The secret stays here; a sandbox gets the seed of the
check at hand. A result is kept under a key of everything it depends on, so that an unchanged
submission is not executed again.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import platform
import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import numpy as np
from nbformat import NotebookNode

from autograder import exercises, expectations
from autograder.checking.diagnose import judge_exercise
from autograder.checking.judge import may_follow
from autograder.checking.ladder import reading
from autograder.checking.observe import Fault, Seen, for_points
from autograder.checking.report import Report
from autograder.checking.slopes import Probe
from autograder.checking.spec import Check, Exercise
from autograder.grading import expected as expecting
from autograder.grading.canary import Canaries, answers
from autograder.grading.log import Log
from autograder.grading.observations import Experiment, NotKept, Observations, experiment
from autograder.grading.results import Keeper, Store, SubmissionResult
from autograder.lessons import kit
from autograder.lessons.answers import ROOT, is_answer_file
from autograder.sandbox import process
from autograder.sandbox.inside import isolation
from autograder.sandbox.inside.isolation import Layers
from autograder.sandbox.process import Fresh, Infrastructure, Limits, Outcome
from autograder.sandbox.zygote import Zygote
from autograder.submissions.code import OWN_PACKAGES, WRITTEN, Code, bindings, lock, title
from autograder.submissions.notebook import Step, clean_text, parse
from autograder.submissions.rebuild import Rebuilt, rebuild, role
from autograder.submissions.uploads import Upload, take

LATE = "import torch._dynamo"  # which the first optimizer of a process makes: two seconds
ATTEMPTS = 3  # to execute a submission, when the sandbox itself fails
MAX_ERROR = 200  # characters
MAX_ERRORS = 3  # that one sentence tells
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PLACE = re.compile(
    r"^(?:Cell In ?\[\d+\], line (\d+)|File (?:[^\n:]*/)?([\w.]+\.py:\d+))", re.MULTILINE
)


# What executes a student's functions; the rest of `autograder` reads, judges and writes.
RUN_BY = (
    "sandbox/**/*.py",
    "checking/observe.py",
    "checking/settings.py",
    "checking/shortcuts.py",
    "checking/slopes.py",
)


# ---------------------------------------------------------------------------------- grading


@dataclass(frozen=True)
class Marked:
    """A result, the rebuilt notebook where there had to be one, and whether it was executed."""

    result: SubmissionResult
    notebook: NotebookNode | None = None
    executed: bool = False


class Grader:
    """Grades submissions of one assignment; its sandboxes start at the first one that is executed.

    Use it in a `with`, or leave it to the garbage collector.

    Args:
        template: the released notebook.
        assignment: its name, part of every seed.
        secret: the course's secret.
        limits: time and memory of one submission.
        layers: what keeps submissions apart; all that the machine allows when None.
        hidden: files and folders that no submission may be able to open.
        log: where decisions are written down.
        turn: of the assignment's seeds (`Course.turn`); a kept result stays valid in later ones.
        places: sandboxes that are warming up already, which are closed with the grader.
        expected: a file on the trusted side where what checks expect is kept between gradings.
    """

    def __init__(
        self,
        template: NotebookNode,
        assignment: str,
        secret: bytes,
        limits: Limits | None = None,
        *,
        layers: Layers | None = None,
        hidden: Iterable[Path] = (),
        log: Log | None = None,
        turn: int = 0,
        places: Zygote | Fresh | None = None,
        expected: Path | None = None,
    ):
        self.template = template
        self.assignment = assignment
        self.limits = limits or Limits()
        self.log = log or Log()
        self.exercises = graded_exercises(template)
        self.turn = turn
        self.seed_of = expectations.secret_seed(secret, assignment, turn)
        self.sandboxes = places or sandboxes(layers, hidden, given_cells(template))
        self._close = weakref.finalize(self, self.sandboxes.close)
        self.secret = secret
        self.basis = self.basis_at(self.tier)
        key = _digest(self.basis, str(turn))
        known = expected and expecting.read(expected, key, secret)
        self.provider = known or expectations.live(self.seed_of)
        texts = known.answers if known else answers
        self.canaries = Canaries(template, self.exercises, texts, self._marks_of, self.log.write)
        self._turns: dict[int, Grader] = {}
        self._same: dict[str, Mapping[str, Experiment]] = {}  # found the same, by exercise id
        self._write_expected = None
        if expected and not known:
            self._write_expected = partial(expecting.write, expected, key, secret)

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the sandboxes."""
        self._close()

    @property
    def tier(self) -> str:
        """How submissions are kept apart: A, B or C, recorded with every mark."""
        return self.sandboxes.tier

    def basis_at(self, tier: str) -> str:
        """Digest of all that a result depends on but the submission, where `tier` is in force."""
        return _digest(
            *_cell_texts(self.template),
            self.assignment,
            hashlib.sha256(self.secret).hexdigest(),
            json.dumps(asdict(self.limits)),
            tier,
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
        return _digest(self.basis, *steps, *rebuilt.problems)

    def run(self, rebuilt: Rebuilt) -> str:
        """Digest of all that executing a submission depends on, but the experiments."""
        steps = (text for step in rebuilt.steps for text in (step.role, step.cell_id, step.source))
        limits = json.dumps(asdict(self.limits))
        return _digest(self.assignment, limits, self.tier, surroundings(), *steps)

    def grade(
        self,
        what: Path | Upload,
        student: str,
        store: Store | None = None,
        accept: str = "complete",
    ) -> SubmissionResult:
        """Grade a submitted file; any file gives a result.

        Args:
            what: its path, or what was read there.
            store: where results are kept; a kept result with the same key is returned as it is.
            accept: which kept results count: "complete" ones, "all", or "none".

        Raises:
            Infrastructure: when the sandbox itself fails again and again, or the grader comes to
                a wrong mark for an answer that is known.
        """
        return self.mark(what, student, store, accept).result

    def mark(self, what: Path | Upload, student: str, store: Keeper | None, accept: str) -> Marked:
        """Return what `grade` does, and how it came to it."""
        upload = what if isinstance(what, Upload) else take(what)
        kept = acceptable(store, student, accept)
        if kept and (kept.basis, kept.file) == (self.basis, upload.digest):
            self.log.write("kept", student=student, key=kept.key)
            return Marked(kept)
        submission = upload.submission()
        rebuilt = rebuild(self.template, submission)
        key = self.key(rebuilt)
        if kept and kept.key == key:
            kept = self._keep(store, replace(kept, file=submission.digest), "kept")
            return Marked(kept, rebuilt.notebook)
        code, outcome = Code(rebuilt.steps), Outcome()
        if submission.cells:
            self.canaries.begin()
            outcome = self._execute(code.readable, student)
            self.canaries.require()  # before anything is judged or kept
        result = self._result(student, upload, rebuilt, code, outcome)
        stopped = {cell: [fault.kind, fault.text] for cell, fault in outcome.stopped.items()}
        observed = self._observations(rebuilt, outcome, result) if store else None
        result = self._keep(store, result, "graded", observed, stopped=stopped)
        return Marked(result, rebuilt.notebook, executed=bool(submission.cells))

    def remark(
        self, what: Path | Upload, student: str, store: Store, *, keep: bool = True
    ) -> SubmissionResult:
        """Judge a submission again from its kept observations; no code of the student's is run.

        The result is the one that executing it again would give, whatever has changed in points,
        judges, names and texts.

        Args:
            keep: replace the kept result; otherwise nothing is written.

        Raises `NotKept` where only executing it can tell.
        """
        before = store.load(student)
        if before is None:
            raise NotKept("it has not been graded yet")
        upload = what if isinstance(what, Upload) else take(what)
        if upload.digest != before.file:
            raise NotKept("it was changed since it was graded")
        observed = store.observations(before)
        rebuilt = rebuild(self.template, upload.submission())
        judge = self._in_turn(before.turn)
        judge._require_same(observed, rebuilt)
        outcome = replace(observed.outcome, outputs=dict(before.outputs))
        result = judge._result(student, upload, rebuilt, Code(rebuilt.steps), outcome)
        result = replace(result, observed=before.observed)
        return self._keep(store, result, "remarked") if keep else result

    def _in_turn(self, turn: int) -> Grader:
        """The same grader with the seeds of an earlier turn, for what was observed in it."""
        if turn == self.turn:
            return self
        if turn not in self._turns:
            other = copy.copy(self)
            other.turn, other._same = turn, {}
            other.seed_of = expectations.secret_seed(self.secret, self.assignment, turn)
            other.provider = expectations.live(other.seed_of)
            self._turns[turn] = other
        return self._turns[turn]

    def _require_same(self, observed: Observations, rebuilt: Rebuilt) -> None:
        """Raise `NotKept` unless executing the submission would show the same again."""
        if observed.run != self.run(rebuilt):
            raise NotKept("the lesson, a library, or what executes submissions has changed since")
        for exercise in self.exercises.values():
            if exercise.id not in observed.outcome.seen:
                continue
            known = observed.experiments.get(exercise.id, {})
            if known == self._same.get(exercise.id):  # those of a student before
                continue
            for check in exercise.checks:
                with lock:
                    expected = self.provider.expected(exercise, check)
                before = known.get(check.name)
                if before is None or not before.is_that_of(self.seed_of(exercise, check), expected):
                    raise NotKept(
                        f"{check.name!r} of {exercise.id} is another experiment than it was"
                    )
            self._same[exercise.id] = known

    def _result(self, student, upload, rebuilt, code, outcome) -> SubmissionResult:
        reports, unjudged, problems = self._judge(code, outcome)
        return SubmissionResult(
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
            key=self.key(rebuilt),
            basis=self.basis,
            file=upload.digest,
            seeds=self.seeds,
            turn=self.turn,
            tier=self.tier,
        )

    def _observations(self, rebuilt, outcome, result) -> Observations:
        experiments = {
            exercise.id: self._experiments(exercise)
            for exercise in self.exercises.values()
            if exercise.id in outcome.seen and exercise.id not in result.unjudged
        }
        return Observations(self.run(rebuilt), outcome, experiments)

    def _experiments(self, exercise):
        with lock:
            return {
                check.name: experiment(
                    self.seed_of(exercise, check), self.provider.expected(exercise, check)
                )
                for check in exercise.checks
            }

    def _keep(self, store, result, event, observations=None, **facts):
        if store:
            result = store.save(result, observations)
        self.log.write(
            event,
            student=result.student,
            key=result.key,
            tier=result.tier,
            score=result.score,
            points=result.points,
            unjudged=result.unjudged,
            seconds=result.seconds,
            **facts,
        )
        return result

    def _marks_of(self, notebook: NotebookNode) -> tuple[Report, ...]:
        """Grade a notebook of the course's own, whatever was kept."""
        rebuilt = rebuild(self.template, parse(json.dumps(notebook).encode()))
        code = Code(rebuilt.steps)
        with ThreadPoolExecutor(max_workers=1) as meanwhile:  # a sandbox takes seconds to start
            prepared = meanwhile.submit(self.prepare)
            outcome = self._execute(code.readable, "")
            prepared.result()
        reports, _, _ = self._judge(code, outcome)
        return reports

    def prepare(self) -> None:
        """Compute what every judgement needs; it is kept."""
        with lock:
            for exercise in self.exercises.values():
                self.provider.misconceptions(exercise)
            if self._write_expected:
                self._write_expected(self.exercises.values(), self.provider)
                self._write_expected = None

    def _execute(self, steps: tuple[Step, ...], student: str) -> Outcome:
        """Execute a submission, and again when the sandbox itself failed."""
        places = (self.limits, self.sandboxes, probes(self.provider, self.seed_of))
        execute = partial(process.execute, steps, self.exercises, self.seed_of, *places)
        for _ in range(ATTEMPTS - 1):
            try:
                return execute()
            except Infrastructure as error:
                self.log.write("retried", student=student, why=str(error))
        return execute()

    def _judge(self, code, outcome):
        reports, unjudged, problems = [], [], [*_stops(code.steps, outcome), *code.notes()]
        for check_id, exercise in self.exercises.items():
            names = code.shortcuts(exercise)
            problems += [*code.undefined(exercise), *code.by_steps(exercise)]
            if names:
                problems.append(f"{exercise.id}: the submitted code uses {', '.join(names)}.")
                fault = Fault(f"uses {', '.join(names)}, which is not allowed here")
                seen = _all(exercise, fault)
            else:
                fault = Fault(_why_unseen(exercise, check_id, code, outcome))
                seen = _all(exercise, fault) | outcome.seen.get(exercise.id, {})
            try:
                with lock:
                    report = judge_exercise(exercise, seen, self.provider)
                    where = reading(exercise, self.provider.tags(exercise))
                left = report.score < report.points
                reports.append(replace(report, reading=where if left else ""))
            except Exception as error:
                unjudged.append(exercise.id)
                problems.append(
                    f"{exercise.id}: the results could not be judged ({_short(error)}); it has 0 "
                    "points until someone looks at it."
                )
                fault = Fault("the results could not be judged; your instructor has been told")
                with lock:
                    seen = _all(exercise, fault)
                    reports.append(judge_exercise(exercise, seen, self.provider))
        return tuple(reports), tuple(unjudged), problems


def acceptable(store: Keeper | None, student: str, accept: str) -> SubmissionResult | None:
    """Return the kept result of a student, if it is one of those that count."""
    kept = store.load(student) if store and accept != "none" else None
    return kept if kept and (kept.complete or accept == "all") else None


def _short(error: BaseException) -> str:
    """Name an error in one line that any file and terminal can take."""
    return clean_text(f"{type(error).__name__}: {error}"[:300])


def probes(provider, seed_of) -> Callable[[Exercise, Check, Seen], Probe | None]:
    """Return what says where to call a forward pass, where half the points are possible."""

    def probe_of(exercise, check, seen):
        with lock, np.errstate(all="ignore"):
            expected = provider.expected(exercise, check)
            follows = may_follow(seen.arrays, expected)
        return Probe(expected.arrays, seed_of(exercise, for_points(check))) if follows else None

    return probe_of


def sandboxes(
    layers: Layers | None = None, hidden: Iterable[Path] = (), cells: Iterable[str] = ()
) -> Zygote | Fresh:
    """Return where submissions run: children of one warm process, if this machine can fork one.

    Args:
        cells: the course's own, whose imports a warm process makes beforehand.
    """
    return Zygote(layers, hidden, cells) if isolation.can_fork_warm() else Fresh()


def given_cells(template: NotebookNode) -> list[str]:
    """The cells of a released notebook whose imports are made before anybody's code is run."""
    given = [cell.source for cell in template.cells if role(cell) == "given"]
    return [*given, LATE] if _trains(template) else given


def _trains(template: NotebookNode) -> bool:
    """Whether students of a lesson write or use an optimizer of PyTorch's."""
    with_autograd = {
        f"{exercise.grade_id}-solution"
        for exercise in graded_exercises(template).values()
        if exercise.needs_autograd
    }
    asked = (cell for cell in template.cells if role(cell) == "solution")
    return any(
        "torch.optim" in cell.source and cell.metadata.nbgrader.grade_id in with_autograd
        for cell in asked
    )


def graded_exercises(template: NotebookNode) -> dict[str, Exercise]:
    """The exercises that a notebook checks, by the grade id of their check cell, in its order."""
    known = _by_check()
    checks = (cell.metadata.nbgrader.grade_id for cell in template.cells if role(cell) == "check")
    return {grade_id: known[grade_id] for grade_id in checks if grade_id in known}


@cache
def _by_check() -> dict[str, Exercise]:
    return {f"{exercise.grade_id}-check": exercise for exercise in exercises.all_exercises()}


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


def _stops(steps: Iterable[Step], outcome: Outcome) -> Iterator[str]:
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
    files = [path for package in OWN_PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return _digest(*_versions(), *map(_name, files), *(path.read_text("utf-8") for path in files))


@cache
def surroundings() -> str:
    """Digest of what a student's code can reach or is run by: the same without what judges."""
    given = (
        path for path in (ROOT / "cs231n_lib").rglob("*.py") if not is_answer_file(_name(path))
    )
    runs = (path for pattern in RUN_BY for path in (ROOT / "autograder").glob(pattern))
    files = sorted((*given, *runs))
    return _digest(*_versions(), *map(_name, files), *(path.read_text("utf-8") for path in files))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def _versions() -> tuple[str, ...]:
    """Python, and the kit's libraries with what those require; nothing runs in Jupyter itself."""
    needed = sorted(_required({*kit.REQUIREMENTS, "nbformat"} - {"jupyter"}))
    return platform.python_version(), *(f"{name} {version(name)}" for name in needed)


def _required(names: Iterable[str]) -> set[str]:
    """The distributions among `names` that are installed, and all that they require."""
    found, waiting = set(), list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", waiting.pop().strip(), maxsplit=1)[0])
        with contextlib.suppress(PackageNotFoundError):
            if name.lower() not in found:
                waiting += [r for r in requires(name) or () if "extra ==" not in r]
                found.add(name.lower())
    return found
