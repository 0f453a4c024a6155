"""What a submission showed, kept on the trusted side, so that it can be judged again.

Points, judges and names change; what a student's functions returned does not. One .npz a
submission holds the arrays and faults of every check, why cells were stopped, and what is needed
to know that the experiments are still the same ones: a digest of what executing depended on, and
of each check the digest of its seed with a summary of what the reference showed. What the code
says (`findings`) lies beside it. What a whole class has in common is in a file of its own
(`baseline`).

    kept = store.observations(result)              -> Observations
    kept.outcome.seen["family.function"]["check"]  -> Seen: arrays, or the fault
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache

import numpy as np

from autograder.checking.judge import Expected
from autograder.checking.observe import Fault, Seen
from autograder.grading.baseline import Baseline, archive, read_archive
from autograder.grading.findings import Findings
from autograder.grading.pack import Packed, taken
from autograder.sandbox.process import Outcome

FORMAT = 4  # of the file; another one is not read
MAX_BYTES = 2_000_000  # of one file; honest work of a lesson takes a tenth
SAME = 1000  # exercises whose equal observations, as those of right answers, are read once


class NotKept(Exception):
    """There is nothing that could be judged again; the text says why, in half a sentence."""


@dataclass(frozen=True)
class Experiment:
    """What identifies one check: its seed, and by observation a shape and a sum of the reference's.

    `sums` are weighted, so that the order of the values counts.
    """

    seed: str  # a digest
    sums: Mapping[str, tuple[list[int], float]]

    def is_that_of(self, seed: int, expected: Expected) -> bool:
        """Whether a check with this seed is the same experiment, within rounding."""
        if self.seed != _digest_of(seed) or self.sums.keys() != expected.arrays.keys():
            return False
        for key, array in expected.arrays.items():
            shape, total = self.sums[key]
            allowed = array.size * expected.tolerance(key, np.float64)
            if tuple(shape) != array.shape or abs(total - _sum(array)) > allowed:
                return False
        return True


def experiment(seed: int, expected: Expected) -> Experiment:
    """Return what identifies the check with this seed, of which the reference shows `expected`."""
    sums = {key: (list(a.shape), _sum(a)) for key, a in expected.arrays.items()}
    return Experiment(_digest_of(seed), sums)


def text_of(experiments: Mapping[str, Experiment]) -> str:
    """Return the experiments of one exercise, by check, as text: whole classes have the same."""
    return json.dumps({check: [one.seed, dict(one.sums)] for check, one in experiments.items()})


def experiments_in(text: str) -> dict[str, Experiment]:
    """Return what `text_of` made a text of."""
    return {check: Experiment(*parts) for check, parts in json.loads(text).items()}


def _digest_of(seed: int) -> str:
    return hashlib.sha256(str(seed).encode()).hexdigest()


def _sum(array: np.ndarray) -> float:
    values = array.astype(float).ravel()
    return float(np.where(np.isfinite(values), values, 1.0) @ np.cos(np.arange(values.size)))


@dataclass(frozen=True)
class Observations:
    """What executing one submission came to, without the outputs of cells.

    Those are in the `SubmissionResult` of the same student, which names this file's digest.
    """

    run: str  # digest of all that executing depended on
    outcome: Outcome
    experiments: Mapping[str, str] = field(default_factory=dict)  # by exercise id: `text_of`
    reader: str = ""  # digest of what read the code, and what it found there
    findings: Findings = field(default_factory=Findings)
    baseline: Baseline | None = None  # from which the file says the differences

    def to_bytes(self) -> bytes:
        """Return the content of a file; nothing (`b""`) where it would be too large to be kept."""
        outcome, values = self.outcome, b""
        kept: dict[str, list] = {}  # by exercise id: text, begin, end
        for exercise, checks in outcome.seen.items():
            text, more = self._text_and_values(exercise, checks)
            kept[exercise] = [text, len(values), len(values) + len(more)]
            values += more
        facts = {
            "format": FORMAT,
            "run": self.run,
            "seen": kept,
            "stopped": {cell: _listed(fault) for cell, fault in outcome.stopped.items()},
            "failed": {exercise: _listed(fault) for exercise, fault in outcome.failed.items()},
            "aborted": outcome.aborted and _listed(outcome.aborted),
            "cut": sorted(outcome.cut),
            "seconds": outcome.seconds,
            "experiments": self._own_experiments(),
            "baseline": self.baseline.digest if self.baseline else "",
            "reader": self.reader,
            "findings": asdict(self.findings),
        }
        content = archive(facts, values)
        return content if len(content) <= MAX_BYTES else b""

    def _text_and_values(self, exercise: str, checks: Mapping[str, Seen]) -> tuple[str, bytes]:
        """What was seen of one exercise, which does not depend on what was seen of others."""
        packed = Packed()
        entries = {check: stored(seen, packed) for check, seen in checks.items()}
        values = packed.content()
        if self.baseline:
            values = self.baseline.differences(exercise, entries, values)
        return json.dumps(entries), values

    def _own_experiments(self) -> dict[str, str]:
        """The experiments, without the text of those that the baseline has."""
        known = self.baseline.experiments if self.baseline else {}
        return {e: "" if known.get(e) == text else text for e, text in self.experiments.items()}

    @classmethod
    def from_bytes(cls, content: bytes, baseline_of: Callable[[str], Baseline]) -> Observations:
        """Read back what `to_bytes` wrote.

        Args:
            baseline_of: returns the baseline with a digest.

        Raises `NotKept` when the file is of another version, or damaged.
        """
        try:
            facts, values = read_archive(content)
            if facts["format"] != FORMAT:
                raise NotKept("its observations were kept by another version")
            baseline = baseline_of(facts["baseline"]) if facts["baseline"] else None
            known = baseline.experiments if baseline else {}
            seen = {
                exercise: _seen(exercise, text, values[begin:end], baseline)
                for exercise, (text, begin, end) in facts["seen"].items()
            }
            experiments = {e: text or known[e] for e, text in facts["experiments"].items()}
            outcome, findings = _outcome(facts, seen), _findings(facts["findings"])
            return cls(facts["run"], outcome, experiments, facts["reader"], findings, baseline)
        except NotKept:
            raise
        except Exception as error:  # whatever NumPy and zlib say of a damaged archive
            raise NotKept("its observations are damaged") from error


@lru_cache(maxsize=SAME)
def _seen(exercise: str, text: str, values: bytes, baseline: Baseline | None) -> dict[str, Seen]:
    """What `_text_and_values` was given; equal ones are one object, which stays as it is."""
    entries = json.loads(text)
    if baseline:
        values = baseline.differences(exercise, entries, values)
    return {check: seen_from(one, values) for check, one in entries.items()}


def _outcome(facts, seen) -> Outcome:
    return Outcome(
        seen=seen,
        stopped={cell: Fault(*fault) for cell, fault in facts["stopped"].items()},
        failed={exercise: Fault(*fault) for exercise, fault in facts["failed"].items()},
        aborted=Fault(*facts["aborted"]) if facts["aborted"] else None,
        cut=set(facts["cut"]),
        seconds=facts["seconds"],
    )


def _findings(facts) -> Findings:
    """A list is a tuple, also in a mapping."""
    return Findings(
        facts["steps"],
        tuple(facts["problems"]),
        tuple(facts["notes"]),
        {name: tuple(found) for name, found in facts["shortcuts"].items()},
        {name: tuple(found) for name, found in facts["remarks"].items()},
        facts["unseen"],
    )


def stored(seen: Seen, values: Packed) -> dict:
    """Put what was seen among packed values, and return where it is, as plain data."""
    if seen.fault is not None:
        return {"fault": _listed(seen.fault)}
    return {"arrays": {key: values.put(array) for key, array in (seen.arrays or {}).items()}}


def seen_from(entries: Mapping, values: bytes) -> Seen:
    """Return what `stored` put there."""
    if "fault" in entries:
        return Seen(fault=Fault(*entries["fault"]))
    return Seen(arrays={key: taken(values, entry) for key, entry in entries["arrays"].items()})


def _listed(fault: Fault) -> list[str]:
    return [fault.kind, fault.text]
