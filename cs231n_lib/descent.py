"""Minimization along directions: choose one, search along it, learn from the step, repeat.

What is given to students: the loop and its line search are machinery, the direction is the idea.
A function to minimize is `f(w) -> loss, dw`, on NumPy arrays or PyTorch tensors of shape (D,).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cs231n_lib.errors import above, at_least, between, validated, whole

LONGEST, SHORTEST = 4.0, 1.1  # how far a search goes on where the minimum is not bracketed yet
EDGE = 0.1  # fraction of a bracket, at either end, in which nothing is tried
TINY = 1e-14  # a bracket this small, relative to its place, holds rounding only


@dataclass(frozen=True)
class Trial:
    """A point on the line w + step·p: the loss there, its slope along p, and the gradient."""

    step: float
    loss: float
    slope: float
    dw: Any


@validated(
    w="D", dw="D", p="D", step=above(0), decrease=between(0, 1), curvature=between(0, 1),
    max_evaluations=whole(1),
)  # fmt: skip
def strong_wolfe(
    f, w, loss, dw, p, step=1.0, decrease=1e-4, curvature=0.9, max_evaluations=20
):  # fmt: skip
    """Search along p for a step with a smaller loss and a flatter slope.

    It tries `step` first and returns it if it fulfils both conditions of Wolfe: the loss falls by
    `decrease` times what the slope promises, and the slope shrinks to `curvature` times its size.
    Else it goes on until the minimum is bracketed, and then into the bracket, by cubics.

    Args:
        f: function w -> loss, dw.
        w: (D,) where the line starts; loss, dw: there.
        p: (D,) direction along which the loss falls.
        step: the first one to try.
        decrease, curvature: the constants of the two conditions, decrease < curvature.
        max_evaluations: of f.

    Returns:
        (trial, evaluations): the best `Trial`, whose step is 0 when nothing better than w was
        found, and the number of evaluations of f.

    Raises:
        ValueError: when p does not go downhill.

    Slides 60–61. Nocedal & Wright 2006, algorithms 3.5 and 3.6.

    >>> import numpy as np
    >>> f = lambda w: (0.5 * w @ w, w)
    >>> w = np.array([4.0, 0.0])
    >>> trial, evaluations = strong_wolfe(f, w, *f(w), p=-w)
    >>> trial.step, trial.loss, evaluations
    (1.0, 0.0, 1)
    """
    start = Trial(0.0, _number(_detached(loss)), float(dw @ p), dw)
    if not start.slope < 0:
        raise ValueError(
            f"strong_wolfe: p must go downhill, but the slope dw @ p is {start.slope:.3g}; "
            "pass -dw, or forget what led to this direction"
        )
    low, high = start, None  # low: best so far; high: other end of the bracket, None if unknown
    for evaluations in range(1, max_evaluations + 1):
        here = _at(f, w, p, step)
        promised = start.loss + decrease * step * start.slope
        if not here.loss <= promised or here.loss >= low.loss:
            high = here
        elif abs(here.slope) <= -curvature * start.slope:
            return here, evaluations
        else:
            before, low = low, here
            if here.slope * (1.0 if high is None else high.step - before.step) >= 0:
                high = before
            elif high is None:
                step = _further(before, here)
                continue
        if abs(high.step - low.step) <= TINY * max(high.step, low.step):
            break
        step = _inside(low, high)
    return low, evaluations


def _at(f, w, p, step):
    there = w + step * p
    try:
        loss, dw = _evaluated(f, there)
    except OverflowError:  # of Python's numbers; those of an array become infinite
        loss, dw = math.inf, math.nan * there
    return Trial(step, loss, float(dw @ p), dw)


def _evaluated(f, w):
    """The loss f(w), and a copy of the gradient: a function may use one array for all of them."""
    result = f(w)
    if not (isinstance(result, tuple) and len(result) == 2 and hasattr(result[1], "shape")):
        raise TypeError(
            f"f must return loss, dw with dw an array like w, got {type(result).__name__} "
            f"{result!r:.60}"
        )
    loss, dw = map(_detached, result)
    if dw.shape != w.shape:
        raise ValueError(
            f"f must return dw with the shape of w, {tuple(w.shape)}, got {tuple(dw.shape)}"
        )
    return _number(loss), 1.0 * dw  # of whole numbers too


def _detached(value):
    return value.detach() if hasattr(value, "detach") else value


def _number(loss):
    """The loss as a number of Python, which may come in an array of one."""
    try:
        return float(loss.item() if hasattr(loss, "item") else loss)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"f must return a loss that is one real number, got {loss!r:.60}") from None


def _further(before, here):
    """Step beyond `here`: the minimum of the cubic, unless that is too near or too far."""
    gap = here.step - before.step
    target = _cubic_minimum(before, here)
    nearest, farthest = here.step + (SHORTEST - 1) * gap, here.step + LONGEST * gap
    return min(max(target, nearest), farthest) if target > here.step else farthest


def _inside(low, high):
    """Step between the ends of a bracket: the minimum of the cubic, kept away from the ends."""
    left, right = sorted((low.step, high.step))
    margin = EDGE * (right - left)
    target = _cubic_minimum(low, high)
    return min(max(target, left + margin), right - margin) if target == target else (
        (left + right) / 2
    )  # fmt: skip


def _cubic_minimum(a, b):
    """Place of the minimum of the cubic with the losses and slopes of two trials; NaN if none."""
    if not all(map(math.isfinite, (a.loss, b.loss, a.slope, b.slope))):
        return math.nan
    gap = b.step - a.step
    rise = 3 * (b.loss - a.loss) / gap
    size = max(abs(a.slope), abs(b.slope), abs(rise))  # in its unit no square overflows
    if not 0 < size < math.inf:
        return math.nan
    left, right, rise = a.slope / size, b.slope / size, rise / size
    bend = left + right - rise
    inner = bend**2 - left * right
    if inner < 0:
        return math.nan
    root = math.copysign(math.sqrt(inner), gap)
    below = right - left + 2 * root
    return b.step - gap * (right + root - bend) / below if below else math.nan


def _steepest(dw):
    """Down the gradient, and a first step of length 1 or less."""
    if math.isfinite(square := float(dw @ dw)):
        return -dw, min(1.0, 1 / math.sqrt(square)) if square else 1.0
    return -dw / float(abs(dw).max()), 1.0


@dataclass(frozen=True)
class Descent:
    """A minimization that has ended.

    w: (D,) the best point; losses: at the start and after every step; evaluations: of f;
    reason: 'flat' (the gradient is within the tolerance), 'stuck' (no smaller loss can be found
    along any direction) or 'steps' (as many as were allowed).
    """

    w: Any
    losses: tuple
    evaluations: int
    reason: str

    @property
    def steps(self):
        """Number of steps made."""
        return len(self.losses) - 1

    def __repr__(self):
        return (
            f"Descent: {self.steps} steps, {self.evaluations} evaluations, "
            f"loss {self.losses[-1]:.4g}, {self.reason}"
        )


@validated(w="D", max_steps=whole(0), tolerance=at_least(0))
def descend(f, w, direction, learn, forget, max_steps=200, tolerance=1e-6, line_search=None):
    """Minimize f from w along directions that learn from the steps made.

    Args:
        f: function w -> loss, dw.
        w: (D,) start; it is not changed.
        direction: function dw -> p (D,).
        learn: function (s, y): the step made and the change of the gradient, (D,) each.
        forget: function (): called when a direction leads nowhere, before going down the gradient.
        max_steps: to make at most; tolerance: largest element of the gradient at which to stop.
        line_search: as `strong_wolfe`, which is used unless given.

    Returns:
        a `Descent`.

    Raises:
        TypeError, ValueError: when f does not return a loss and a gradient of w's shape.

    Slides 60–61. Nocedal & Wright 2006, algorithms 6.1 and 7.5.

    >>> import numpy as np
    >>> steepest = (lambda dw: -dw, lambda s, y: None, lambda: None)
    >>> descend(lambda w: (w @ w, 2 * w), np.array([3.0, 4.0]), *steepest)
    Descent: 2 steps, 4 evaluations, loss 0, flat
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a loss that overflows is a bad step
        return _descend(f, w, direction, learn, forget, max_steps, tolerance, line_search)


def _descend(f, w, direction, learn, forget, max_steps, tolerance, line_search):
    search = line_search or strong_wolfe
    loss, dw = _evaluated(f, 1 * w)  # a copy, should f change what it is given
    losses, evaluations, fresh = [loss], 1, True
    while not float(abs(dw).max()) <= tolerance:
        if len(losses) > max_steps:
            return Descent(w, tuple(losses), evaluations, "steps")
        p, length = _steepest(dw) if fresh else (direction(dw), 1.0)
        trial = None
        if float(dw @ p) < 0:
            trial, more = search(f, w, losses[-1], dw, p, length)
            evaluations += more
        if trial is None or trial.step == 0:
            if fresh:
                return Descent(w, tuple(losses), evaluations, "stuck")
            forget()
            fresh = True
            continue
        s = trial.step * p
        learn(s, trial.dw - dw)
        w, dw, fresh = w + s, trial.dw, False
        losses.append(trial.loss)
    return Descent(w, tuple(losses), evaluations, "flat")
