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
MOST_SMALL = 8  # small inputs of an exercise
KINDS = ("slip", "mistake")  # of a misconception

# What students call functions of their own; no locked cell may give these names another meaning.
COMMON_HELPERS = (
    *("sigmoid", "relu", "softmax", "log_softmax", "one_hot", "cross_entropy", "accuracy", "loss"),
    *("predict", "evaluate", "forward", "backward", "step", "update", "helper", "solve", "func"),
    *("normalize_rows", "center", "centered", "standardized", "mean_var", "moments", "stats"),
    *("to_rows", "from_rows", "to_images", "flatten", "unflatten", "group", "ungroup", "split"),
    *("mask", "make_mask", "bernoulli", "clip", "pad", "crop", "flip", "rotate", "scale", "shift"),
    *("norm", "distance", "dot", "ema", "moving_average", "bias_correct", "decay", "schedule"),
)

# Why an exercise has no small inputs.
RANDOM = "what it returns is drawn at random"
CALLBACK = "it works on functions or networks that it is given"
KILLS_A_BUG = "it answers with an input itself"
FREE = "many different answers are right"
NO_SMALL = (RANDOM, CALLBACK, KILLS_A_BUG, FREE)


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

    `forward(impl, *arrays)` calls the student's own forward pass as the scenario does; with it a
    backward pass may earn half the points (`follow_through`).
    """

    name: str
    points: float
    scenario: Callable[..., Arrays]
    judge: Callable[..., Verdict] | None = None  # None: match the reference
    forward: Callable[..., np.ndarray] | None = None


@dataclass(frozen=True, eq=False)
class Exercise:
    """What the student writes (the last of `functions`), on top of the functions before it.

    `kind` is "function", or "class" when the last of `functions` is a class: a module, an
    optimizer. Its methods are stubs of their own, and a scenario calls it to get an object.

    `needs_autograd`: PyTorch records gradients while the scenarios run, for an exercise in which
    autograd writes the backward pass. The forbidden built-ins raise all the same.

    `small` are up to eight tiny public inputs, smallest first, each a little program that anyone
    can paste into a cell: its last line is the value. `hint()` shows the first that differs from
    the reference's. Where there are none, `no_small` says why: one of NO_SMALL.

    `look` is a cell before the check: a few lines that use what was just written, with a comment
    that says what to see in the output; `in_torch` leaves it out. Small programs are written in
    NumPy's words, those about a class of PyTorch in its own.
    """

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
    kind: str = "function"  # or "class"
    needs_autograd: bool = False
    small: tuple[str, ...] = ()
    no_small: str = ""
    look: str = ""

    def __post_init__(self):
        if self.kind not in ("function", "class") or len(self.small) > MOST_SMALL:
            raise ValueError(
                f"{self.id}: kind must be 'function' or 'class', with at most {MOST_SMALL} small "
                f"inputs, got {self.kind!r} and {len(self.small)}"
            )
        if self.no_small and (self.small or self.no_small not in NO_SMALL):
            raise ValueError(
                f"{self.id}: no_small must be one of {NO_SMALL}, and empty where there are small "
                f"inputs, got {self.no_small!r} and {len(self.small)} of them"
            )

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

    @property
    def slides(self) -> str:
        """Its slides in words; nothing where it has none."""
        one = "slide" if self.slide.isdigit() else "slides"
        return f"{one} {self.slide}" if self.slide else ""

    def in_torch(self, points: float, optional: bool = False) -> "Exercise":
        """Return the same exercise for PyTorch: the same checks, worth `points` in all.

        Whoever has translated two functions of a lesson has seen how it goes: of those that are
        no bonus anyway, all further ones are `optional`, which makes them one.
        """
        share = points / self.points
        return replace(
            self,
            id=f"{self.family}.torch.{self.function}",
            title=f"{self.title}, in PyTorch",
            checks=tuple(replace(check, points=check.points * share) for check in self.checks),
            given=(),
            bonus=self.bonus or optional,
            look="",
        )


@dataclass(frozen=True, eq=False)
class Misconception:
    """A runnable wrong answer with the hint for whoever wrote it.

    Usually `edits` of the reference, {function: ((old, new), ...)}, so that it reads as its
    difference; otherwise whole `functions`. Edits are written in NumPy and translated for PyTorch.
    Those of one method of a class have the key "Class.method".

    `kind` is the price. A "slip" (a default, eps, a dtype, a shape, a key, a count off by one, an
    input that is changed) keeps at least 60 % of the points where there are three checks; a
    "mistake" keeps at least one check, unless `fundamental` says why nothing can be right.

    `group`: records of one group are synonyms, and to name one for the other is no wrong name;
    an empty group is a group of its own.

    `judged_by`: the check that costs a convention of which the statement has another one; in all
    others what it shows is right as well.
    """

    exercise: str
    name: str
    hint: str
    edits: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    functions: Mapping[str, Callable] = field(default_factory=dict)
    kind: str = "mistake"  # or "slip"
    fundamental: str = ""
    group: str = ""
    judged_by: str = ""

    def __post_init__(self):
        if self.kind not in KINDS or (self.fundamental and self.kind == "slip"):
            raise ValueError(
                f"{self.exercise}, {self.name!r}: kind must be one of {KINDS}, and only a mistake "
                f"is fundamental, got {self.kind!r}"
            )


@dataclass(frozen=True, eq=False)
class Variant:
    """A legitimate other way to write an exercise: full marks, with `remark` where one is due."""

    exercise: str
    name: str
    remark: str = ""
    edits: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    functions: Mapping[str, Callable] = field(default_factory=dict)
