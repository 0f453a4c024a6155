"""What scenarios of all families share: how an experiment on a student's functions is observed.

Nothing here is an answer; scenarios run where a student's code runs.
"""

import numpy as np

from autograder.checking.spec import Check, Exercise, Verdict

AFTERWARDS = " after the call"  # so end the names of inputs as observations


def family(name, returns, forbidden):
    """Return a function that writes down the exercises of a family.

    Args:
        name: of the family.
        returns: {function: names of what it returns}, of all its functions.
        forbidden: dotted names that no exercise of the family may use; the family's own references
            and the known wrong answers are added.
    """
    always = (f"cs231n_lib.{name}", "cs231n_lib.stand_ins", "autograder.misconceptions")

    def exercise(title, functions, checks, slide, in_torch=False, **options):
        """Return an exercise; `functions` are names, and the last one is the one to write.

        `in_torch`: it is written in PyTorch only.
        """
        names = functions.split()
        return Exercise(
            id=f"{name}.torch.{names[-1]}" if in_torch else f"{name}.{names[-1]}",
            title=title,
            functions=tuple(names),
            returns={function: returns[function] for function in names},
            checks=checks,
            slide=slide,
            forbidden=(*always, *forbidden),
            **options,
        )

    return exercise


def afterwards(names, arrays):
    """Return arrays that went into a function as observations: it should not have changed them."""
    return {f"{n}{AFTERWARDS}": array for n, array in zip(names.split(), arrays, strict=True)}


def refusal(call):
    """Return whether `call` raises a ValueError, as an observation for the judge `refuses`."""
    try:
        call()
    except ValueError:
        return {"refused": np.array(True)}
    return {"refused": np.array(False)}


def refuses(seen, expected):
    """Judge: a ValueError stopped the call."""
    if seen.get("refused", np.array(0)).all():
        return Verdict(1)
    return failed("it went through, and should have raised a ValueError", "refused")


def in_floats(x):
    """Return an array as one of floats, as whoever types `[1, -1]` means it.

    >>> in_floats(np.array([1, -1]))
    array([ 1., -1.])
    """
    return x if x.dtype.kind == "f" else x.astype(float)


def separation(title, points, outcomes, *, find, own, unfair, outcome):
    """Return the check of "kill the bug": the student supplies an input that tells two apart.

    Whole numbers are taken as the floats that they stand for.

    Args:
        title, points: of the check.
        outcomes: what can be said, in sentences; the first: right and wrong differ.
        find: (impl) -> x, the student's input.
        own: (impl, x) -> out, what the student's own right function makes of it.
        unfair: (x) -> place in `outcomes` of what x must not be, or 0.
        outcome: (x, out) -> place in `outcomes` of what x and out show; out is None where there is
            none.
    """

    def place(x, out):
        return unfair(x) or outcome(x, out)

    def separate(impl, rng):
        x = in_floats(find(impl))
        observed = {"__x": x} if unfair(x) else {"__x": x, "__own": own(impl, x.copy())}
        return {**observed, "outcome": np.array(place(x, observed.get("__own")))}

    def separates(seen, expected):
        found = place(in_floats(seen.get("__x", np.array(0))), seen.get("__own"))
        return failed(outcomes[found], "outcome") if found else Verdict(1)

    return Check(title, points, separate, separates)


class WithNumbers:
    """A finding with the `numbers` that say so, for the instant check alone."""

    numbers: str

    def __new__(cls, finding, numbers: str):
        self = super().__new__(cls, finding)  # type: ignore[call-arg]  # of str or int
        self.numbers = numbers
        return self


class Measured(WithNumbers, str):
    """What is wrong, in words."""


def failed(message, key):
    """Return the verdict of a judge that found observation `key` wrong."""
    return Verdict(0, str(message), detail=getattr(message, "numbers", ""), wrong=(key,))
