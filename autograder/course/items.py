"""How good each exercise of a lesson is as a measurement: difficulty, and what it has in common
with the rest.

The corrected item-rest correlation compares an exercise with the sum of the *others*, so that it
does not correlate with itself. Its 95 % interval is Fisher's: tanh(atanh r ± 1.96/√(n − 3)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autograder.grading.results import SubmissionResult

LEAST = 30  # answers, below which a correlation says nothing
Z95 = 1.959963984540054
WEAK = 0.3  # an exercise whose interval ends below this hardly measures what the others do
TOO_HARD = 0.2  # mean share of the points


@dataclass(frozen=True)
class Item:
    """One exercise as a class did it."""

    exercise_id: str
    title: str
    points: float
    scores: tuple[float, ...]
    correlation: float | None = None  # with the rest
    low: float = 0.0
    high: float = 0.0

    @property
    def mean(self) -> float:
        """Mean score."""
        return math.fsum(self.scores) / len(self.scores)

    @property
    def difficulty(self) -> float:
        """Mean share of the points: 1 is an exercise that everybody solved."""
        return self.mean / self.points if self.points else 1.0

    @property
    def repair(self) -> str:
        """Why an exercise should be looked at, or nothing."""
        if self.correlation is not None and self.high < WEAK:
            return "hardly goes with the rest of the lesson"
        if len(self.scores) >= LEAST and self.difficulty < TOO_HARD:
            return "hardly anybody solved it"
        return ""


def items(results: Sequence[SubmissionResult]) -> list[Item]:
    """Return the exercises of a lesson in its order."""
    found: dict[str, tuple[str, float, list[float], list[float]]] = {}
    for result in results:
        total = result.score + result.bonus
        for report in result.reports:
            _, _, own, rest = found.setdefault(
                report.exercise_id, (report.title, report.points, [], [])
            )
            own.append(report.score)
            rest.append(total - report.score)
    return [
        Item(name, title, points, tuple(own), *correlation(own, rest))
        for name, (title, points, own, rest) in found.items()
    ]


def correlation(a: Sequence[float], b: Sequence[float]) -> tuple[float | None, float, float]:
    """Return Pearson's r with the ends of its 95 % interval; None for too few or equal values.

    >>> correlation([0.0] * 40, range(40))
    (None, 0.0, 0.0)
    """
    if len(a) < LEAST:
        return None, 0.0, 0.0
    x, y = (np.asarray(values, dtype=float) - np.mean(values) for values in (a, b))
    scale = math.sqrt(float(x @ x) * float(y @ y))
    if not scale:
        return None, 0.0, 0.0
    r = min(1.0, max(-1.0, float(x @ y) / scale))
    if abs(r) == 1:
        return r, r, r
    half = Z95 / math.sqrt(len(a) - 3)
    return r, math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)
