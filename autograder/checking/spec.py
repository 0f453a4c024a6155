"""What an exercise *is*: frozen records that tests, notebooks and grading all walk over.

A check is an experiment that runs on *any* implementation: the student's, the reference, a wrong
answer, the framework's built-in. Its scenario calls the functions and returns plain arrays; its
judge compares what was seen with what was expected, and never meets the student's code. Records
are compared by identity: each is written down once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Verdict:
    """What a judge decides: the fraction of the points (0, ½ or 1) and why.

    `message` names the kind of difference and never shows a number of the inputs; `detail` may.
    """

    fraction: float
    message: str = ""
    detail: str = ""
    remark: str = ""
    wrong: tuple[str, ...] = ()  # the observations that differ


@dataclass(frozen=True, eq=False)
class Check:
    """One experiment: `scenario(impl, rng)` returns arrays, `judge(seen, expected)` a Verdict.

    Observations whose name starts with an underscore are working material of the judge; with two
    underscores they are themselves an answer, and the student kit does not hold them.
    """

    name: str
    points: float
    scenario: Callable[..., Arrays]
    judge: Callable[..., Verdict] | None = None  # None: match the reference


@dataclass(frozen=True, eq=False)
class Exercise:
    """What the student writes (the last of `functions`), on top of the functions before it."""

    id: str
    title: str
    functions: tuple[str, ...]
    returns: Mapping[str, tuple[str, ...]]  # names of what each function returns
    checks: tuple[Check, ...]
    slide: str
    given: tuple[Callable, ...] = ()
    forbidden: tuple[str, ...] = ()
    bonus: bool = False
    shared: bool = False  # a technique without a framework, written once

    @property
    def family(self) -> str:
        """First word of the id: the folder in `cs231n_lib`."""
        return self.id.split(".")[0]

    @property
    def framework(self) -> str:
        """Either 'numpy' or 'torch'."""
        return "torch" if ".torch." in self.id else "numpy"

    @property
    def module(self) -> str:
        """Where the reference lives."""
        place = "shared" if self.shared else f"in_{self.framework}"
        return f"cs231n_lib.{self.family}.{place}"

    @property
    def function(self) -> str:
        """Name of the function the student writes here."""
        return self.functions[-1]

    @property
    def points(self) -> float:
        """Points of all checks together."""
        return round(sum(check.points for check in self.checks), 6)

    @property
    def grade_id(self) -> str:
        """The id as nbgrader allows it, without dots."""
        return self.id.replace(".", "-")

    def in_torch(self, points: float) -> "Exercise":
        """Return the same exercise for PyTorch: the same checks, worth `points` in all."""
        share = points / self.points
        return replace(
            self,
            id=f"{self.family}.torch.{self.function}",
            checks=tuple(replace(check, points=check.points * share) for check in self.checks),
            given=(),
        )


@dataclass(frozen=True, eq=False)
class Misconception:
    """A runnable wrong answer with the hint for whoever wrote it.

    Usually `edits` of the reference, {function: ((old, new), ...)}, so that it reads as its
    difference; otherwise whole `functions`. Edits are written in NumPy and translated for PyTorch.
    """

    exercise: str
    name: str
    hint: str
    edits: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    functions: Mapping[str, Callable] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Variant:
    """A legitimate other way to write an exercise: full marks, with `remark` where one is due."""

    exercise: str
    name: str
    remark: str = ""
    edits: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    functions: Mapping[str, Callable] = field(default_factory=dict)
