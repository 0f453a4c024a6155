"""Late days: what each late hand-in of a class costs, in the order in which work came in.

A student has a budget of whole days for all lessons. A hand-in that is late by more than the grace
takes as many days as it is late, begun days counting whole; what the budget, or the most that one
lesson may take, does not cover costs points.

    penalty = min(1, days not covered × penalty a day) × points earned
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autograder.course.settings import LateRule, LessonSettings, Settings

DAY = 86_400.0  # seconds


@dataclass(frozen=True)
class Arrival:
    """One hand-in: when it came (UTC), and whether a platform called it late without a time."""

    student: str
    lesson: str
    when: datetime.datetime | None
    called_late: bool = False


@dataclass(frozen=True)
class Lateness:
    """What is decided about one hand-in."""

    seconds: float = 0.0  # after the time it was due, with any extension
    covered: int = 0  # days taken from the budget
    charged: int = 0  # days that cost points
    fraction: float = 0.0  # of the points earned that is taken off
    excused: bool = False
    unknown: bool = False  # late, by how much unknown

    @property
    def words(self) -> str:
        """The decision as a reader's words; nothing where there is nothing to say.

        >>> Lateness(seconds=90_000, covered=1, charged=1, fraction=0.1).words
        '1 d 1 h late: 1 late day used, 10 % off'
        """
        if self.excused:
            return "excused"
        if self.unknown:
            return "late, by how much unknown: nothing was taken off"
        if self.seconds <= 0:
            return ""
        used = f"{self.covered} late day{'s' if self.covered != 1 else ''} used"
        off = f"{100 * self.fraction:g} % off" if self.fraction else ""
        said = ", ".join(filter(None, (used if self.covered else "", off)))
        return f"{duration(self.seconds)} late: {said or 'within the grace'}"


def duration(seconds: float) -> str:
    """Return seconds in days, hours and minutes.

    >>> duration(90_000), duration(61)
    ('1 d 1 h', '2 min')
    """
    minutes = math.ceil(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    days, hours = divmod(minutes // 60, 24)
    parts = (f"{days} d" if days else "", f"{hours} h" if hours else "")
    return " ".join(filter(None, parts))


def decide(arrivals: Iterable[Arrival], settings: Settings) -> dict[tuple[str, str], Lateness]:
    """Return what each hand-in costs, by (student, lesson).

    The budget is spent in order of hand-in, then of the lessons' names, so that the outcome does
    not depend on the order of `arrivals`.
    """
    rule = settings.late or LateRule()
    left: dict[str, int] = {}
    decided = {}
    last = datetime.datetime.max
    for one in sorted(arrivals, key=lambda a: (a.when or last, a.lesson, a.student)):
        budget = left.setdefault(one.student, rule.days)
        found = _one(one, settings.lesson(one.lesson), rule, budget)
        left[one.student] = budget - found.covered
        decided[one.student, one.lesson] = found
    return decided


def _one(arrival: Arrival, lesson: LessonSettings, rule: LateRule, budget: int) -> Lateness:
    if arrival.student in lesson.excused:
        return Lateness(excused=True)
    due = lesson.due_of(arrival.student)
    if arrival.when is None:
        return Lateness(unknown=arrival.called_late)
    if due is None or arrival.when <= due:
        return Lateness()
    seconds = (arrival.when - due).total_seconds()
    if seconds <= 60 * rule.grace_minutes:
        return Lateness(seconds)
    days = math.ceil(seconds / DAY)
    covered = min(days, budget, rule.most_per_lesson)
    charged = days - covered
    fraction = min(1.0, charged * rule.penalty_per_day)
    if rule.closed_after_days is not None and seconds > DAY * rule.closed_after_days:
        return Lateness(seconds, 0, days, 1.0)
    return Lateness(seconds, covered, charged, fraction)


def days_left(decided: Mapping[tuple[str, str], Lateness], settings: Settings, student: str) -> int:
    """Return how many late days a student still has."""
    used = sum(one.covered for (who, _), one in decided.items() if who == student)
    return (settings.late or LateRule()).days - used
