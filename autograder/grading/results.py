"""What grading one submission came to, and where results are kept."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

from autograder.checking.report import Report
from autograder.grading.baseline import Baseline
from autograder.grading.observations import NotKept, Observations

MAX_NAME = 250  # bytes of a student's name in the name of a file
EQUAL_REPORTS = 500  # of a class, as those of right answers are, that are read once
# What stands before, between and behind the reports in the file of a result; a quotation mark of a
# text never stands there without a backslash, and so none of these is part of a text.
BEFORE, BETWEEN, BEHIND = '"reports": [{', '}, {"exercise_id": ', '}], "bonus_ids": '


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
    basis: str = ""  # the same without the submission
    file: str = ""  # digest of the submitted file
    seeds: str = ""  # digest of the seeds of all checks
    turn: int = 0  # of the seeds; it ends when feedback is shown
    tier: str = ""  # how the student's code was kept apart: A, B or C
    observed: str = ""  # digest of the kept observations; none when they were too large

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
        return self._by_exercise.get(exercise_id)

    @cached_property
    def _by_exercise(self) -> Mapping[str, Report]:
        return {report.exercise_id: report for report in self.reports}

    def to_dict(self) -> dict:
        """Plain data for JSON, without what is empty in the rows, which is most of them."""
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        totals = {"score": self.score, "points": self.points, "bonus": self.bonus}
        return data | {"reports": [_without_blanks(report) for report in self.reports]} | totals

    @classmethod
    def from_text(cls, text: str) -> SubmissionResult:
        """Rebuild a result from its file; equal reports are the same object, and read once."""
        head, starts, rest = text.partition(BEFORE)
        reports, ends, tail = rest.partition(BEHIND)
        if not (starts and ends):  # there is none, or somebody else wrote it
            return cls.from_dict(json.loads(text))
        data = json.loads(f'{head}"reports": [], "bonus_ids": {tail}')
        first, *others = reports.split(BETWEEN)
        found = (first, *(f'"exercise_id": {one}' for one in others))
        return cls.from_dict(data | {"reports": tuple(map(_report, found))})

    @classmethod
    def from_dict(cls, data: Mapping) -> SubmissionResult:
        """Rebuild a result from `to_dict`, whose reports may be objects already."""
        names = cls.__dataclass_fields__
        values: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in data.items()
        }
        values["reports"] = tuple(
            one if isinstance(one, Report) else Report.from_dict(one) for one in data["reports"]
        )
        return cls(**{name: values[name] for name in names})


class Keeper(Protocol):
    """What grading asks of whoever keeps its results."""

    def load(self, student: str) -> SubmissionResult | None:
        """Return the kept result of a student, or None."""

    def save(
        self, result: SubmissionResult, observations: Observations | None = None
    ) -> SubmissionResult:
        """Keep a result, and what it was judged from; returns it with the digest of that."""

    def remove(self, student: str) -> None:
        """Forget a result."""


class Store:
    """Results of one assignment, a JSON file a student, and what they were judged from, a .npz."""

    def __init__(self, folder: Path):
        self.folder = folder

    def load(self, student: str) -> SubmissionResult | None:
        """Return the kept result of a student, or None when there is none that can be read."""
        return _load(self._path(student))

    def has(self, student: str) -> bool:
        """Whether there is a file for a student, readable or not."""
        return self._path(student).exists()

    def observations(self, result: SubmissionResult) -> Observations:
        """Return what a kept result was judged from.

        Raises `NotKept` when it was not kept, belongs to another run, or cannot be read.
        """
        if not result.observed:
            raise NotKept("its observations were not kept")
        try:
            content = self._path(result.student, ".npz").read_bytes()
        except OSError:
            raise NotKept("its observations cannot be read") from None
        if _digest(content) != result.observed:
            raise NotKept("its observations are damaged, or those of another run")
        return Observations.from_bytes(content, self.baseline)

    def baseline(self, digest: str) -> Baseline:
        """Return what observations differ from.

        Raises `NotKept` when it cannot be read.
        """
        try:
            return _read_baseline(self._baseline_path(digest))
        except OSError:
            raise NotKept("what its observations differ from cannot be read") from None

    def _baseline_path(self, digest: str) -> Path:
        return self.folder / f".baseline-{digest}.npz"

    def keep_baseline(self, baseline: Baseline) -> None:
        """Write what observations differ from, unless it is there."""
        path = self._baseline_path(baseline.digest)
        if not path.exists():
            write_atomically(path, baseline.content)

    def save(
        self, result: SubmissionResult, observations: Observations | None = None
    ) -> SubmissionResult:
        """Keep a result, and what it was judged from; returns it with the digest of that.

        Each file is either the old one or the new one, never half of one. Which observations are
        a result's stands in the result, so that theirs may be lost in a crash.
        """
        result, content = with_observations(result, observations)
        if observations and observations.baseline:
            self.keep_baseline(observations.baseline)
        self.keep(result, content)
        return result

    def keep(self, result: SubmissionResult, content: bytes | None = None) -> None:
        """Write what `with_observations` returned, here or on another machine."""
        if content is not None:
            write_atomically(self._path(result.student, ".npz"), content, through=False)
        text = json.dumps(result.to_dict(), ensure_ascii=False)
        write_atomically(self._path(result.student), text.encode())

    def remove(self, student: str) -> None:
        """Forget a result."""
        for ending in (".json", ".npz"):
            self._path(student, ending).unlink(missing_ok=True)

    def all(self) -> list[SubmissionResult]:
        """Return every kept result, by student, without the outputs, of which a class has much.

        Equal reports, such as those of right answers, are in memory once.
        """
        loaded = map(_load, sorted(self.folder.glob("*.json")))
        same: dict[Report, Report] = {}
        return [
            replace(
                result,
                outputs={},
                reports=tuple(same.setdefault(one, one) for one in result.reports),
            )
            for result in loaded
            if result is not None
        ]

    def _path(self, student: str, ending: str = ".json") -> Path:
        name = os.fsencode(student)
        if len(name) > MAX_NAME:  # a folder's name may be as long as a file's, without the ending
            student = hashlib.sha256(name).hexdigest()
        return self.folder / f"{student}{ending}"


def with_observations(
    result: SubmissionResult, observations: Observations | None
) -> tuple[SubmissionResult, bytes | None]:
    """Return a result that names its observations, and their file; None: those on disk stay."""
    if observations is None:
        return result, None
    content = observations.to_bytes()
    return replace(result, observed=_digest(content) if content else ""), content


class Kept(Mapping):
    """Results of some students, each read from the store when it is asked for."""

    def __init__(self, store: Store, students: Iterable[str]):
        self._store, self._students = store, dict.fromkeys(students)

    def __getitem__(self, student: str) -> SubmissionResult:
        if student not in self._students:
            raise KeyError(student)
        if (result := self._store.load(student)) is None:
            raise KeyError(f"the kept result of {student!r} is gone")
        return result

    def __iter__(self) -> Iterator[str]:
        return iter(self._students)

    def __len__(self) -> int:
        return len(self._students)


def _without_blanks(report: Report) -> dict:
    """A report as plain data: the texts that most rows of a class have not are half of it."""
    data = report.to_dict()
    return data | {"rows": [{k: v for k, v in row.items() if v != ""} for row in data["rows"]]}


@lru_cache(maxsize=8)
def _read_baseline(path: Path) -> Baseline:
    """The baseline in a file, whose name says its content."""
    baseline = Baseline(path.read_bytes())
    if baseline.digest not in path.name:
        raise NotKept("what its observations differ from is damaged")
    return baseline


@lru_cache(maxsize=EQUAL_REPORTS)
def _report(text: str) -> Report:
    """A report of which the braces around it were cut off."""
    return Report.from_dict(json.loads(f"{{{text}}}"))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _load(path: Path) -> SubmissionResult | None:
    try:
        return SubmissionResult.from_text(path.read_bytes().decode())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_atomically(path: Path, content: bytes, through: bool = True) -> None:
    """Write a file for its owner only, in one step.

    Args:
        through: wait for the disk, so that it survives a crash of the machine.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            if through:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
