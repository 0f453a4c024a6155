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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import numpy as np
from nbformat import NotebookNode

from autograder import exercises, expectations
from autograder.answers import ROOT, is_answer_file
from autograder.checking.diagnose import judge_exercise
from autograder.checking.judge import may_follow
from autograder.checking.ladder import reading as reading_of
from autograder.checking.observe import Fault, Seen, for_points
from autograder.checking.report import Report
from autograder.checking.slopes import Probe
from autograder.checking.spec import Check, Exercise
from autograder.grading import expected as expecting
from autograder.grading.baseline import Baseline
from autograder.grading.canary import Canaries, answers
from autograder.grading.findings import Findings, digest, digest_of, is_observed, look_through
from autograder.grading.log import Log
from autograder.grading.observations import (
    SAME,
    NotKept,
    Observations,
    experiment,
    experiments_in,
    text_of,
)
from autograder.grading.results import Keeper, Store, SubmissionResult
from autograder.lessons import kit
from autograder.sandbox import process
from autograder.sandbox.inside.isolation import Layers
from autograder.sandbox.process import Fresh, Infrastructure, Limits, Outcome
from autograder.sandbox.zygote import Zygote, sandboxes
from autograder.submissions.code import OWN_PACKAGES, Code, lock
from autograder.submissions.notebook import Step, clean_text, parse
from autograder.submissions.rebuild import is_practice, rebuild, role
from autograder.submissions.uploads import Upload, take

LATE = "import torch._dynamo"  # which the first optimizer of a process makes: two seconds
ANY_NUMBER = contextlib.nullcontext()
ATTEMPTS = 3  # to execute a submission, when the sandbox itself fails


# What executes a student's functions; the rest of `autograder` reads, judges and writes.
RUN_BY = (
    "sandbox/**/*.py",
    "checking/observe.py",
    "checking/settings.py",
    "checking/shortcuts.py",
    "checking/slopes.py",
)
# What reads submitted code, without running it.
READ_BY = ("submissions/*.py", "checking/spec.py", "grading/findings.py", "answers.py")


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
        expected: a file on the trusted side where what checks expect is kept between gradings, or
            what another grader `packed`.
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
        expected: Path | bytes | None = None,
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
        self._expected_key = digest(self.basis_at(""), str(turn))  # the same at every tier
        known = expected and expecting.read(expected, self._expected_key, secret)
        self.provider = known or expectations.live(self.seed_of)
        texts = known.answers if known else answers
        self.canaries = Canaries(template, self.exercises, texts, self._marks_of, self.log.write)
        self._turns: dict[int, Grader] = {}
        self._releases: dict[frozenset[str], Grader] = {}  # by `released_with`
        self._same: dict[str, str] = {}  # experiments found the same, by exercise id
        self._judged: dict[tuple, tuple[Mapping[str, Seen], Report]] = {}  # by `_judge_once`
        self._keep_at = expected if isinstance(expected, Path) and not known else None

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
        return digest(
            *_cell_texts(self.template),
            self.assignment,
            hashlib.sha256(self.secret).hexdigest(),
            json.dumps(asdict(self.limits)),
            tier,
            software(),
        )

    @cached_property
    def seeds(self) -> str:
        """Digest of the seeds of all checks, to be kept with a mark."""
        pairs = [(e, check) for e in self.exercises.values() for check in e.checks]
        return digest(*(f"{e.id}/{check.name}/{self.seed_of(e, check)}" for e, check in pairs))

    @cached_property
    def reader(self) -> str:
        """Digest of all that reading a submission depends on, but the submission."""
        asked = (
            [e.id, e.functions, e.forbidden, [check.forward is None for check in e.checks]]
            for e in self.exercises.values()
        )
        return digest(*_cell_texts(self.template), json.dumps(list(asked)), readers())

    def key(self, steps: str, problems: Iterable[str]) -> str:
        """Digest of all that a result depends on.

        Args:
            steps: digest of what is executed of the submission.
            problems: of rebuilding it.
        """
        return digest(self.basis, steps, *problems)

    def run(self, steps: str) -> str:
        """Digest of all that executing a submission depends on, but the experiments."""
        limits = json.dumps(asdict(self.limits))
        return digest(self.assignment, limits, self.tier, surroundings(), steps)

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

    def mark(
        self,
        what: Path | Upload,
        student: str,
        store: Keeper | None,
        accept: str,
        turnstile: AbstractContextManager = ANY_NUMBER,
    ) -> Marked:
        """Return what `grade` does, and how it came to it.

        Args:
            turnstile: entered while the submission is executed, but not while it is read or judged.
        """
        upload = what if isinstance(what, Upload) else take(what)
        kept = acceptable(store, student, accept)
        if kept and (kept.basis, kept.file) == (self.basis, upload.digest):
            self.log.write("kept", student=student, key=kept.key)
            return Marked(kept)
        submission = upload.submission()
        rebuilt = rebuild(self.template, submission)
        key = self.key(digest_of(rebuilt.steps), rebuilt.problems)
        if kept and kept.key == key:
            kept = self._keep(store, replace(kept, file=submission.digest), "kept")
            return Marked(kept, rebuilt.notebook)
        code, outcome = Code(rebuilt.steps), Outcome()
        if submission.cells:
            self.canaries.begin()
            with turnstile:
                outcome = self._execute(code.readable, student)
            self.canaries.require()  # before anything is judged or kept
        findings = look_through(rebuilt, code, outcome, self.exercises)
        result = self._result(student, upload, findings, outcome, judge_exercise)
        stopped = {cell: [fault.kind, fault.text] for cell, fault in outcome.stopped.items()}
        observed = self._observations(findings, outcome, result) if store else None
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
        outcome = replace(observed.outcome, outputs=dict(before.outputs))
        findings = observed.findings
        if observed.reader != self.reader:
            rebuilt = rebuild(self.template, upload.submission())
            code = Code(rebuilt.steps)
            findings = look_through(rebuilt, code, outcome, self.exercises)
        judge = self._in_turn(before.turn)
        judge._require_same(observed, findings)
        result = judge._result(student, upload, findings, outcome, judge._judge_once)
        result = replace(result, observed=before.observed)
        return self._keep(store, result, "remarked") if keep else result

    def _twin(self) -> Grader:
        """A copy that works out anew what depends on seeds and exercises."""
        other = copy.copy(self)
        other._same, other._judged = {}, {}
        for name in ("seeds", "reader", "baseline"):
            vars(other).pop(name, None)
        return other

    def _in_turn(self, turn: int) -> Grader:
        """The same grader with the seeds of an earlier turn, for what was observed in it."""
        if turn == self.turn:
            return self
        if turn not in self._turns:
            other = self._twin()
            other.turn = turn
            other.seed_of = expectations.secret_seed(self.secret, self.assignment, turn)
            other.provider = expectations.live(other.seed_of)
            self._turns[turn] = other
        return self._turns[turn]

    def released_with(self, counted: frozenset[str]) -> Grader:
        """The same grader for a release that counted these exercises too, which it has as practice.

        For what was observed of submissions to that one.
        """
        if counted not in self._releases:
            other = self._twin()
            other.template = copy.deepcopy(self.template)
            for cell in other.template.cells:
                one = exercise_of(cell.metadata.get("nbgrader", {}).get("grade_id"))
                if one and one.id in counted and is_practice(cell):
                    cell.metadata["course"]["role"] = "check"
            other.exercises = graded_exercises(other.template)
            other._turns = {}
            self._releases[counted] = other
        return self._releases[counted]

    def _require_same(self, observed: Observations, findings: Findings) -> None:
        """Raise `NotKept` unless executing the submission would show the same again."""
        if observed.run != self.run(findings.steps):
            raise NotKept("the lesson, a library, or what executes submissions has changed since")
        for exercise in self.exercises.values():
            if exercise.id not in observed.outcome.seen:
                continue
            text = observed.experiments.get(exercise.id, "{}")
            if text == self._same.get(exercise.id):  # those of a student before
                continue
            known = experiments_in(text)
            for check in exercise.checks:
                with lock:
                    expected = self.provider.expected(exercise, check)
                before = known.get(check.name)
                if before is None or not before.is_that_of(self.seed_of(exercise, check), expected):
                    raise NotKept(
                        f"{check.name!r} of {exercise.id} is another experiment than it was"
                    )
            self._same[exercise.id] = text

    def _judge_once(self, exercise: Exercise, seen: Mapping[str, Seen], provider) -> Report:
        """Judge an exercise; what was judged before, object for object, has the report it had."""
        key = (exercise.id, *(one.fault or id(one) for one in seen.values()))
        if key not in self._judged:
            if len(self._judged) >= SAME:
                self._judged.clear()
            self._judged[key] = seen, judge_exercise(exercise, seen, provider)
        return self._judged[key][1]

    def _result(self, student, upload, findings, outcome, judge) -> SubmissionResult:
        reports, unjudged, problems = self._judge(findings, outcome, judge)
        return SubmissionResult(
            student=student,
            assignment=self.assignment,
            reports=reports,
            bonus_ids=tuple(e.id for e in self.exercises.values() if e.bonus),
            unjudged=unjudged,
            unobserved=tuple(e.id for e in self.exercises.values() if not is_observed(e, outcome)),
            problems=(*findings.problems, *problems),
            outputs=outcome.outputs,
            seconds=round(outcome.seconds, 3),
            complete=outcome.complete,
            key=self.key(findings.steps, findings.problems),
            basis=self.basis,
            file=upload.digest,
            seeds=self.seeds,
            turn=self.turn,
            tier=self.tier,
        )

    def _observations(self, findings, outcome, result) -> Observations:
        experiments = {
            exercise: text
            for exercise, text in self.baseline.experiments.items()
            if exercise in outcome.seen and exercise not in result.unjudged
        }
        run = self.run(findings.steps)
        return Observations(run, outcome, experiments, self.reader, findings, self.baseline)

    @cached_property
    def baseline(self) -> Baseline:
        """What the observations of this turn differ from."""
        exercises = self.exercises.values()
        return Baseline.of(
            {exercise.id: self._experiments(exercise) for exercise in exercises},
            {exercise.id: self._expected_arrays(exercise) for exercise in exercises},
        )

    def _expected_arrays(self, exercise) -> dict[str, Mapping[str, np.ndarray]]:
        with lock:
            return {c.name: self.provider.expected(exercise, c).arrays for c in exercise.checks}

    def _experiments(self, exercise: Exercise) -> str:
        """What identifies the checks of an exercise, which is the same for a whole class."""
        with lock:
            return text_of(
                {
                    check.name: experiment(
                        self.seed_of(exercise, check), self.provider.expected(exercise, check)
                    )
                    for check in exercise.checks
                }
            )

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
        findings = look_through(rebuilt, code, outcome, self.exercises)
        reports, _, _ = self._judge(findings, outcome, judge_exercise)
        return reports

    def expect(self) -> None:
        """Compute what every judgement needs."""
        with lock:
            for exercise in self.exercises.values():
                self.provider.misconceptions(exercise)

    def prepare(self) -> None:
        """Compute what every judgement needs, and keep it for the next grading."""
        self.expect()
        with lock:
            if self._keep_at:
                expecting.write(self._keep_at, self.packed())
                self._keep_at = None

    def packed(self) -> bytes:
        """What `prepare` computes, for the grader of another machine."""
        if isinstance(self.provider, expecting.Kept):
            return self.provider.packed
        names = self._expected_key, self.secret
        return expecting.pack(*names, self.exercises.values(), self.provider)

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

    def _judge(self, findings, outcome, judge):
        reports, unjudged, problems = [], [], [*findings.notes]
        for exercise in self.exercises.values():
            names = ", ".join(findings.shortcuts.get(exercise.id, ()))
            problems += findings.remarks.get(exercise.id, ())
            if names:
                problems.append(f"{exercise.id}: the submitted code uses {names}.")
                seen = _all(exercise, Fault(f"uses {names}, which is not allowed here"))
            else:
                unseen = _all(exercise, Fault(findings.unseen.get(exercise.id, "")))
                seen = unseen | outcome.seen.get(exercise.id, {})
            try:
                with lock:
                    report = judge(exercise, seen, self.provider)
                    where = reading_of(exercise, self.provider.tags(exercise))
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
    named = (
        (cell["metadata"].get("nbgrader", {}).get("grade_id"), cell) for cell in template.cells
    )
    return {
        grade_id: known[grade_id]
        for grade_id, cell in named
        if grade_id in known and role(cell) == "check"
    }


def exercise_of(grade_id: str) -> Exercise | None:
    """The exercise that a check cell checks."""
    return _by_check().get(grade_id)


@cache
def _by_check() -> dict[str, Exercise]:
    return {f"{exercise.grade_id}-check": exercise for exercise in exercises.all_exercises()}


def _all(exercise: Exercise, fault: Fault) -> dict[str, Seen]:
    return {check.name: Seen(fault=fault) for check in exercise.checks}


# ---------------------------------------------------------------------------------- digests


def _cell_texts(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        yield from (cell.get("id", ""), cell.cell_type, cell.source, json.dumps(cell.metadata))


@cache
def software() -> str:
    """Digest of the grader's own code and of the libraries that decide about a result."""
    files = [path for package in OWN_PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return _digest_with_versions(files)


@cache
def surroundings() -> str:
    """Digest of what a student's code can reach or is run by: the same without what judges."""
    given = (
        path for path in (ROOT / "cs231n_lib").rglob("*.py") if not is_answer_file(_name(path))
    )
    return _digest_with_versions(sorted((*given, *_own_files(RUN_BY))))


@cache
def readers() -> str:
    """Digest of what reads submitted code."""
    return _digest_with_versions(sorted(_own_files(READ_BY)))


def _own_files(patterns: Iterable[str]) -> Iterator[Path]:
    return (path for pattern in patterns for path in (ROOT / "autograder").glob(pattern))


def _digest_with_versions(files: Sequence[Path]) -> str:
    return digest(*_versions(), *map(_name, files), *(path.read_text("utf-8") for path in files))


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
