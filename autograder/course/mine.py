"""The wrong answers of a class that nobody has named, found by what they return.

    answers    what each student's functions showed, kept when they were graded
    clusters   answers to one exercise that show the same in every check, within rounding
    findings   a cluster with its representative, the smallest input on which it parts from the
               reference, and a `Misconception` that was tried: it loses points, no known name fits

What students wrote is read here; whatever is run, runs in the sandbox.
"""

from __future__ import annotations

import ast
import textwrap
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from autograder import exercises, expectations
from autograder.checking.diagnose import judge_exercise, shows_same
from autograder.checking.observe import STUB_MESSAGE, Fault, Seen
from autograder.checking.report import Report
from autograder.checking.spec import Exercise
from autograder.checking.traces import sums_of
from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.stubs import Stub, definition, stub_of, stub_with, without_texts
from autograder.grading.grader import _all, given_cells
from autograder.grading.observations import NotKept
from autograder.grading.results import SubmissionResult
from autograder.sandbox.process import Limits, execute
from autograder.sandbox.zygote import sandboxes
from autograder.submissions.code import Code
from autograder.submissions.notebook import OutOfReach, Step
from autograder.submissions.rebuild import read_template, rebuild, role
from autograder.submissions.uploads import take

LEAST = 2  # students of a cluster
LOOKED_AT = 20  # notebooks of one cluster, to find the shortest answer


@dataclass(frozen=True)
class Answer:
    """One student's answer to one exercise: what it showed, and how it was judged."""

    student: str
    exercise: Exercise
    report: Report
    seen: Mapping[str, Seen]
    turn: int = 0  # of the seeds: answers of one turn can be compared


@dataclass(frozen=True)
class Cluster:
    """Answers that show the same."""

    answers: tuple[Answer, ...]

    @property
    def exercise(self) -> Exercise:
        """The exercise that they answer."""
        return self.answers[0].exercise

    @property
    def students(self) -> tuple[str, ...]:
        """Who gave this answer."""
        return tuple(answer.student for answer in self.answers)

    @property
    def lost(self) -> tuple[str, ...]:
        """The checks in which nothing was earned."""
        return tuple(row.check for row in self.answers[0].report.rows if row.earned == 0)


def is_unnamed(report: Report) -> bool:
    """Say whether an answer was written, lost all points of a check, and got no name there."""
    open_ = [row for row in report.rows if row.earned == 0 and not row.misconception]
    return bool(open_) and not any(row.message == STUB_MESSAGE for row in report.rows)


def unnamed_of(
    result: SubmissionResult, seen: Mapping[str, Mapping[str, Seen]]
) -> Iterable[Answer]:
    """Yield a student's unnamed answers, without what only follows from a mistake before."""
    lost = {report.exercise_id for report in result.reports if report.score < report.points}
    for report in result.reports:
        if report.exercise_id in result.unjudged or not is_unnamed(report):
            continue
        exercise, shown = exercises.find(report.exercise_id), seen.get(report.exercise_id, {})
        prefix = exercise.id.rpartition(".")[0]
        follows = lost & {f"{prefix}.{name}" for name in exercise.functions[:-1]}
        if not follows and {check.name for check in exercise.checks} <= set(shown):
            yield Answer(result.student, exercise, report, shown, result.turn)


def clusters(
    answers: Iterable[Answer], provider_of: Callable[[int], object], least: int = LEAST
) -> list[Cluster]:
    """Group answers by what they return, the largest group first.

    Args:
        provider_of: gives what checks expect in a turn.
        least: students whom a group must have.
    """
    every: dict[tuple[str, int], _Groups] = defaultdict(_Groups)
    for answer in answers:
        every[answer.exercise.id, answer.turn].add(answer, provider_of(answer.turn))
    groups = [group for known in every.values() for group in known.groups]
    found = [Cluster(tuple(group)) for group in groups if len(group) >= least]
    return sorted(found, key=lambda c: (-len(c.answers), c.exercise.id, c.students))


class _Groups:
    """Answers to one exercise in groups that show the same, by a sum of what they return.

    Only groups of nearly the same sum are looked at, so that a large class with many different
    answers does not have all of them compared with each other.
    """

    def __init__(self) -> None:
        self.sums: list[float] = []
        self.groups: list[list[Answer]] = []

    def add(self, answer: Answer, provider) -> None:
        """Put an answer into the group that shows the same, or into one of its own."""
        total, bound = _sum_of(answer, provider)
        at, end = bisect_left(self.sums, total - bound), bisect_right(self.sums, total + bound)
        for group in self.groups[at:end]:
            if shows_same(answer.exercise, answer.seen, group[0].seen, provider):
                group.append(replace(answer, seen=group[0].seen))  # one copy in memory for all
                return
        place = bisect_right(self.sums, total)
        self.sums.insert(place, total)
        self.groups.insert(place, [answer])


def _sum_of(answer: Answer, provider) -> tuple[float, float]:
    """Return a weighted sum of all that an answer returned, and by how much the same may differ."""
    total = bound = 0.0
    for check in answer.exercise.checks:
        expected = provider.expected(answer.exercise, check)
        sums, rounding = sums_of(answer.seen.get(check.name, Seen()), expected)
        total += 0.0 if np.isnan(sums[0]) else sums[0]
        bound += 2 * rounding
    return (total, bound) if np.isfinite(total) else (0.0, np.inf)


# ---------------------------------------------------------------------------------- trying


class Laboratory(Protocol):
    """Where a guessed answer is tried."""

    def observe(self, exercise: Exercise, texts: Mapping[str, str]) -> Mapping[str, Seen]:
        """Return what the checks show of functions given by their program texts."""

    def smallest(self, exercise: Exercise, texts: Mapping[str, str]) -> str:
        """Return the smallest input on which they part from the reference, and both values."""


@dataclass(frozen=True)
class Finding:
    """An unknown mistake: who makes it, how it reads, what a record of it would be."""

    cluster: Cluster
    representative: str  # program text
    smallest: str = ""
    stub: Stub | None = None
    shows_same: bool = False  # the record shows what the class showed
    loses: bool = False
    told_apart: bool = False  # no name of the catalogue fits it

    @property
    def is_ready(self) -> bool:
        """Whether the record was tried and may join the catalogue."""
        return self.stub is not None and self.shows_same and self.loses and self.told_apart


def finding_of(
    cluster: Cluster, sources: Iterable[str], laboratory: Laboratory, provider
) -> Finding:
    """Guess a record for a cluster, and try it.

    Args:
        sources: program texts of some of its answers.
    """
    exercise = cluster.exercise
    report = cluster.answers[0].report
    stubs = {s: stub for s in sources if (stub := stub_of(exercise, s, report)) is not None}
    if not stubs:
        return Finding(cluster, "")
    nearest = min(stubs, key=lambda source: (_size(stubs[source]), source))
    stub, found = stubs[nearest], Finding(cluster, nearest)
    whole = replace(stub, edits=(), function=program_of(nearest, exercise))
    for attempt in dict.fromkeys((stub, whole)):
        found = _tried(found, attempt, laboratory, provider)
        if found.shows_same:
            break
    return _without_style(found, laboratory, provider)


def _size(stub):
    """Return by which answers are compared: those nearest to the reference are shown."""
    return not stub.edits, sum(map(len, sum(stub.edits, ()))), len(stub.function)


def _without_style(found, laboratory, provider):
    """Leave out the edits without which the record shows the same: they are ways of writing."""
    for edit in found.stub.edits if found.shows_same else ():
        left = tuple(other for other in found.stub.edits if other != edit)
        fewer = stub_with(found.stub, left) if left else found.stub
        tried = _tried(found, fewer, laboratory, provider) if left else found
        found = tried if tried.shows_same else found
    return found


def _tried(found, stub, laboratory, provider):
    exercise = stub.exercise
    try:
        texts = stub.texts()
    except (ValueError, SyntaxError):
        return replace(found, stub=stub)
    seen = laboratory.observe(exercise, texts)
    report = judge_exercise(exercise, seen, provider)
    return replace(
        found,
        stub=stub,
        smallest=laboratory.smallest(exercise, texts),
        shows_same=shows_same(exercise, seen, found.cluster.answers[0].seen, provider),
        loses=report.score < report.points,
        told_apart=is_unnamed(report),
    )


class Sandboxed:
    """Tries program texts in the sandbox, with the seeds of a turn; close it, or use `with`."""

    def __init__(self, template, seed_of, hidden, limits: Limits | None = None):
        self.template, self.seed_of, self.limits = template, seed_of, limits or Limits()
        self.places = sandboxes(None, hidden, given_cells(template))
        self.small = expectations.live(seed_of).small

    def __enter__(self) -> Sandboxed:
        return self

    def __exit__(self, *error: object) -> None:
        self.places.close()

    def observe(self, exercise: Exercise, texts: Mapping[str, str]) -> Mapping[str, Seen]:
        """Return what the checks show."""
        outcome = self._run(exercise, texts, ())
        return outcome.seen.get(exercise.id) or _all(exercise, _fault(outcome))

    def smallest(self, exercise: Exercise, texts: Mapping[str, str]) -> str:
        """Return what the ladder of hints would show, as the sandbox prints it."""
        if not exercise.small:
            return ""
        program = _program(exercise, self.small(exercise))
        outputs = self._run(exercise, texts, (program,)).outputs.get("small-0", ())
        return "".join(str(output.get("text", "")) for output in outputs).strip()

    def _run(self, exercise, texts, programs):
        cells = [cell for cell in self.template.cells if role(cell) == "given"]
        grade_id = f"{exercise.grade_id}-check"
        steps = [Step(cell.id, "given", cell.source) for cell in cells]
        steps += [Step(name, "solution", text) for name, text in texts.items()]
        call = f'check("{exercise.id}", {", ".join(exercise.functions)})'
        steps += [Step(grade_id, "check", call, grade_id)]
        steps += [Step(f"small-{i}", "added", text) for i, text in enumerate(programs)]
        return execute(steps, {grade_id: exercise}, self.seed_of, self.limits, self.places)


def _fault(outcome):
    return next(iter((*outcome.failed.values(), *outcome.stopped.values())), Fault("nothing came"))


def _program(exercise, right):
    """Return a cell that prints the smallest difference."""
    arrays = (
        "(" + "".join(f"np.array({a.tolist()!r}, dtype={a.dtype.str!r}), " for a in values) + ")"
        for values in right
    )
    functions = ", ".join(f"{name!r}: {name}" for name in exercise.functions)
    return "\n".join(
        (
            "import numpy as np",
            "from numpy import inf, nan",
            "from autograder import exercises",
            "from autograder.checking.ladder import smallest_difference",
            f"right = ({', '.join(arrays)},)",
            f"exercise = exercises.find({exercise.id!r})",
            f"print(smallest_difference(exercise, {{{functions}}}, right) or '')",
        )
    )


# ---------------------------------------------------------------------------------- a course


def read_clusters(
    course: Course, lesson: str, least: int = LEAST
) -> tuple[list[Cluster], list[str]]:
    """Return the clusters of a lesson, and a line for each reason why some answers are missing.

    Looked at are the observations of those who have an unnamed mistake. Raises `CourseError` when
    nobody is graded, or none of these observations was kept.
    """
    store, why = course.store(lesson), defaultdict(list)
    wrong = [one for one in course.results(lesson) if any(map(is_unnamed, one.reports))]

    def answers():
        for result in wrong:
            try:
                observed = store.observations(result)
            except NotKept as error:
                why[str(error)].append(result.student)
            else:
                yield from unnamed_of(result, observed.outcome.seen)

    found = clusters(answers(), providers_of(course, lesson), least)
    if wrong and len(wrong) == sum(map(len, why.values())):
        raise CourseError(
            f"No observations are kept for {lesson} ({next(iter(why))}): run `autograder grade "
            f"{course.root} {lesson} --force` first."
        )
    return found, [f"{len(who)} left out: {reason}" for reason, who in why.items()]


def providers_of(course: Course, lesson: str) -> Callable[[int], expectations.live]:
    """Return a function: turn -> what the checks expect in it."""
    secret = course.secret()
    return cache(lambda turn: expectations.live(expectations.secret_seed(secret, lesson, turn)))


def mine(
    course: Course, lesson: str, least: int = LEAST, most: int = 10
) -> tuple[list[Finding], list[str]]:
    """Return the unnamed wrong answers of a class, the most common first, each tried.

    With them come the lines of `read_clusters` about what is missing.
    """
    every, notes = read_clusters(course, lesson, least)
    found, provider_of = every[:most], providers_of(course, lesson)
    template = read_template(release_of(course, lesson))
    findings = []
    for turn in sorted({c.answers[0].turn for c in found}):
        seed_of = expectations.secret_seed(course.secret(), lesson, turn)
        with Sandboxed(template, seed_of, [course.root]) as laboratory:
            findings += [
                finding_of(c, sources(course, lesson, template, c), laboratory, provider_of(turn))
                for c in found
                if c.answers[0].turn == turn
            ]
    return sorted(findings, key=lambda one: found.index(one.cluster)), notes


def program_of(source: str, exercise: Exercise) -> str:
    """Return the definition of an exercise's function, without the texts that were handed out."""
    found = definition(source, exercise.function)
    return ast.unparse(without_texts(found)) if found else ""


def described(number: int, finding: Finding) -> str:
    """Return what an instructor reads about a finding."""
    cluster, stub = finding.cluster, finding.stub
    rows = [row for row in cluster.answers[0].report.rows if row.earned == 0]
    program = program_of(finding.representative, cluster.exercise) or "no program text"
    lines = [
        f"{number}. {cluster.exercise.id}: {len(cluster.answers)} students",
        *(f"   {row.check}: {row.message}" for row in rows),
        *textwrap.indent(program, "   | ").splitlines(),
        *textwrap.indent(finding.smallest, "   ").splitlines(),
    ]
    if stub is not None:
        doubts = {
            "it does not show what the class showed": finding.shows_same,
            "it loses no points": finding.loses,
            "a known name fits it": finding.told_apart,
        }
        why = ", ".join(doubt for doubt, fine in doubts.items() if not fine)
        lines.append(f"   not ready: {why}" if why else "   ready, --accept it:")
        lines += textwrap.indent(stub.text("seen"), "   ").splitlines()
    return "\n".join([*lines, ""])


def sources(course: Course, lesson: str, template, cluster: Cluster) -> Sequence[str]:
    """Return what some students of a cluster wrote, as program texts."""
    texts = []
    for student in cluster.students[:LOOKED_AT]:
        code = handed_in_code(course, lesson, template, student)
        texts.append("\n".join(step.source for step in code.answering(cluster.exercise)))
    return texts


def handed_in_code(course: Course, lesson: str, template, student: str) -> Code:
    """Return what a student wrote; nothing where the machine does not give it."""
    try:
        upload = take(course.root / "submitted" / student / lesson / f"{lesson}.ipynb")
    except OutOfReach:
        return Code(())
    return Code(rebuild(template, upload.submission()).steps)


def release_of(course: Course, lesson: str) -> Path:
    """Return the released notebook; raises `CourseError` when there is none."""
    from autograder.course.grade_class import template_path
    from autograder.course.nbgrader_api import NbgraderCourse

    return template_path(NbgraderCourse(course.root), lesson)
