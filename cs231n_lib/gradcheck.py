"""Gradient checks: is a backward pass the derivative of its forward pass?

The loss of a check is sum(dout · out) for some `dout`, because a backward pass takes any `dout`.
Do not take all ones. For batch normalization each output column then sums to N·beta whatever x is:
the true dx and dgamma are 0, relative errors compare rounding with rounding, and a right backward
pass seems wrong, while one that forgets the variance gives 0 too and seems right.
`check_gradients` draws `dout` at random.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cs231n_lib.errors import above, generator

REAL = "biuf"  # kinds of dtypes
STEP = float(
    np.cbrt(np.finfo(float).eps)
)  # balances the rounding and the h² of centred differences
NEGLIGIBLE = float(np.sqrt(np.finfo(float).eps))  # below it a gradient is the rounding of zero


def numerical_gradient(f, x, dout=None, h=None):
    """Gradient of sum(dout · f(x)) by centred differences, in float64.

    Args:
        f: function of one array; it returns a number, an array, or a tuple that starts with one
            (such as (out, cache)).
        x: array of floats; it is not written to.
        dout: array with the shape of f(x); only a number needs none.
        h: step; by default 6e-6 · max(1, |x|) for each element.

    Returns:
        gradient: float64, with the shape of x.

    >>> numerical_gradient(lambda x: (x**2).sum(), np.array([1.0, -3.0])).round(6)
    array([ 2., -6.])
    """
    point = _real("x", x)
    if h is not None:
        above(0)("h", h)
    weights = 1.0 if dout is None else _real("dout", dout)
    gradient = np.empty(point.shape)
    for index in np.ndindex(point.shape):
        value = point[index]
        step = STEP * max(1.0, abs(value)) if h is None else h
        ends = value + step, value - step
        if ends[0] == ends[1]:
            raise ValueError(f"h must be large enough to change {value}, got {h!r}")
        outputs = []
        for point[index] in ends:
            outputs.append(_output(f, point, dout))
        point[index] = value
        difference = np.sum(weights * (outputs[0] - outputs[1]))
        gradient[index] = difference / (ends[0] - ends[1])  # the step that rounding left
    return gradient


def relative_error(a, b):
    """Largest difference of two arrays, relative to the largest magnitude in either; 0 for 0, 0.

    >>> relative_error(np.array([1.0, 1e-9]), np.array([1.0, 2e-9])) < 1e-8
    True
    """
    a, b = _real("a", a), _real("b", b)
    if a.shape != b.shape:
        raise ValueError(f"the arrays to compare must have one shape, got {a.shape} and {b.shape}")
    size = np.maximum(np.abs(a), np.abs(b)).max(initial=0)  # NaN where there is one
    if size == 0:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # infinities have no relative error: NaN
        return float(np.abs(a - b).max() / size)


@dataclass(frozen=True)
class GradientCheck:
    """One gradient, compared: `verdict` is 'right', 'wrong' or 'unclear', `detail` says why.

    Differences cannot tell at a kink, beside a place where the forward pass is not finite, where it
    bends sharply, and where it computes in float32.
    """

    name: str
    verdict: str
    detail: str

    def __str__(self):
        return f"d{self.name:<8} {self.verdict:<8} {self.detail}"


@dataclass(frozen=True)
class GradientReport:
    """The outcome of `check_gradients`; prints as one line for each gradient."""

    rows: tuple

    @property
    def ok(self):
        """True when every gradient is right."""
        return all(row.verdict == "right" for row in self.rows)

    def __str__(self):
        return "\n".join(map(str, self.rows))

    __repr__ = __str__


def check_gradients(forward, backward, inputs, *options, rng=None, dout=None, tolerance=1e-6):
    """Compare a backward pass with centred differences of its forward pass.

    Args:
        forward: (*inputs, *options) -> out, cache.
        backward: (dout, cache) -> a gradient for each input, in order (or one array for one input).
        inputs: dict name -> array; they are copied to float64.
        *options: further arguments of `forward`, such as {"mode": "train"}; copied for each call.
        rng: draws `dout`; seeded unless given, differently from the seeds that people choose for x
            (were `dout` equal to x, batch normalization's dx would be about 0 again).
        dout: fixed instead; see above why ones are a bad choice.
        tolerance: largest relative error that is right.

    Returns:
        a `GradientReport`: `.ok`, and one line a gradient when printed.

    Raises:
        TypeError: when an input, or what forward returns, is something else; for an rng that is no
            generator.
        ValueError: when backward does not return one gradient for each input, for a dout of another
            shape than the output, or a tolerance that is not above 0.

    >>> from cs231n_lib.layers.in_numpy import affine_backward, affine_forward
    >>> rng = np.random.default_rng(1)
    >>> inputs = {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 2)), "b": np.zeros(2)}
    >>> check_gradients(affine_forward, affine_backward, inputs).ok
    True
    """
    above(0)("tolerance", tolerance)
    if rng is not None:
        generator("rng", rng)
    if not isinstance(inputs, Mapping):
        raise TypeError(f"inputs must be a dict name -> array, got {type(inputs).__name__}")
    arrays = {name: _real(name, value) for name, value in inputs.items()}

    def run(**changed):
        return _pair(forward(*(arrays | changed).values(), *copy.deepcopy(options)))

    out, cache = run()
    shape = np.shape(out)
    if dout is None:
        dout = (rng or np.random.default_rng([231, 2018])).standard_normal(shape)
    dout = _real("dout", dout)
    if dout.shape != shape:
        raise ValueError(f"dout must have the shape of the output, {shape}, got {dout.shape}")
    gradients = backward(dout.copy(), cache)
    gradients = gradients if isinstance(gradients, tuple | list) else (gradients,)
    if len(gradients) != len(arrays):
        raise ValueError(
            f"backward must return a gradient for each of {', '.join(arrays)}, got "
            f"{len(gradients)} values"
        )
    rows = []
    for (name, array), gradient in zip(arrays.items(), gradients, strict=True):
        expected = numerical_gradient(lambda x, name=name: run(**{name: x}), array, dout)
        line = _Line(lambda x, name=name: run(**{name: x}), array, dout)
        rows.append(_compared(name, np.asarray(gradient), expected, tolerance, line))
    return GradientReport(tuple(rows))


def _pair(result):
    """Return what a forward pass returned, out and cache."""
    if not (isinstance(result, tuple | list) and len(result) == 2):
        raise TypeError(
            f"forward must return a pair out, cache, got {type(result).__name__} {result!r:.60}"
        )
    return tuple(result)


def _real(name, value):
    """Return a copy in float64; refuse what is not made of real numbers."""
    array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    if array.dtype.kind not in REAL:
        raise TypeError(f"{name} must hold real numbers, got {array.dtype} values: {value!r:.60}")
    return array.astype(float)


class _Line:
    """The loss along one element of an input, to see why a difference is no derivative there."""

    def __init__(self, f, point, dout):
        self.f, self.point, self.dout = f, point, dout
        out = _output(f, point, dout)
        self.loss = float(np.sum(dout * out))
        rounding = np.finfo(out.dtype if out.dtype.kind == "f" else float).eps
        self.noise = rounding * float(np.abs(dout * out).sum())  # of the loss
        self.type = out.dtype

    def slopes(self, index, step):
        """Differences to the left and to the right."""
        ends = []
        for sign in (-1, 1):
            moved = self.point.copy()
            moved[index] += sign * step
            with np.errstate(all="ignore"):
                loss = float(np.sum(self.dout * _output(self.f, moved, self.dout)))
            ends.append(sign * (loss - self.loss) / step)
        return ends

    def excuse(self, index, gradient, expected):
        """Why the difference at this element says nothing against this gradient; None: it does."""
        step = STEP * max(1.0, abs(self.point[index]))
        where = f"at [{', '.join(map(str, index))}]"
        if self.type != np.float64 and abs(gradient - expected) <= self.noise / step:
            return f"the forward pass computes in {self.type}, whose rounding hides it {where}"
        near = [self.slopes(index, step), self.slopes(index, step / 10)]
        if not np.isfinite(near).all():
            return f"the forward pass is not finite beside {self.point[index]:.3g}, {where}"
        left, right = near[1]
        centred = [(a + b) / 2 for a, b in near]
        wide, narrow = (abs(b - a) for a, b in near)
        slack = 1e-3 * narrow
        if narrow > 0.5 * wide and min(left, right) - slack <= gradient <= max(left, right) + slack:
            return f"a kink {where}: the slope is {left:.3g} on its left, {right:.3g} on its right"
        if abs(gradient - centred[1]) < 0.5 * abs(centred[0] - centred[1]):
            return f"the forward pass bends too much for a step of {step:.0e} {where}"
        return None


def _compared(name, gradient, expected, tolerance, line):
    if gradient.dtype.kind not in REAL:
        return GradientCheck(name, "wrong", f"it must hold real numbers, got {gradient.dtype}")
    if gradient.shape != expected.shape:
        detail = f"its shape must be {expected.shape}, got {gradient.shape}"
        return GradientCheck(name, "wrong", detail)
    if not np.isfinite(gradient).all():
        return GradientCheck(name, "wrong", "it must be finite, got NaN or infinity")
    sizes = np.abs(expected[np.isfinite(expected)])
    if sizes.max(initial=0) < NEGLIGIBLE and np.isfinite(expected).all():
        detail = "the true gradient is about 0, nothing to compare; pass another dout"
        return GradientCheck(name, "unclear", detail)
    error = relative_error(gradient, expected)
    if error <= tolerance:
        return GradientCheck(name, "right", f"relative error {error:.1e}")
    size = max(sizes.max(initial=0), np.abs(gradient).max())
    excuse = None
    for index in map(tuple, np.argwhere(~(np.abs(gradient - expected) <= tolerance * size))):
        excuse = line.excuse(index, gradient[index], expected[index])
        if excuse is None:
            return GradientCheck(name, "wrong", f"relative error {error:.1e}")
    return GradientCheck(name, "unclear", f"cannot tell: {excuse}; pass other inputs")


def _output(f, point, dout):
    result = f(point.copy())
    out = np.asarray(result[0] if isinstance(result, tuple) else result)
    if out.dtype.kind not in REAL:
        raise TypeError(f"f must return real numbers, got {out.dtype} values: {out!r:.60}")
    if dout is None and out.ndim:
        raise ValueError(
            f"f must return a number, got an array of shape {out.shape}; pass dout of that shape"
        )
    if dout is not None and np.shape(dout) != out.shape:
        raise ValueError(f"dout must have the shape of f(x), {out.shape}, got {np.shape(dout)}")
    return out
