"""Compare what was seen with what was expected, and say what differs.

Nothing here runs students' code.

The tolerance is derived, not guessed. Noise is how far the float32 reference, on inputs moved by
one rounding, lands from the float64 reference; it scales with the machine epsilon of the dtype at
hand and has a floor of 16 epsilon. An answer may be off by ten times the noise: correct code in
other orders of summation stays below half of that, a one-pass variance is off by thousands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from autograder.checking.observe import Seen
from autograder.checking.scenarios import AFTERWARDS, refuses
from autograder.checking.slopes import APART, MEASURED
from autograder.checking.spec import Arrays, Check, Exercise, Verdict

NOISE_FACTOR = 10
STILL = 1e-3  # of the right slope: a forward pass that moves less does not react to its input
FLOOR = 16  # epsilons of the largest expected value
EPS32 = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Expected:
    """What the reference shows in one check: values in float64, natural dtypes, float32 noise."""

    arrays: Arrays
    dtypes: Mapping[str, str]
    noise: Mapping[str, float]
    variants: tuple[tuple[str, Arrays], ...] = ()  # (remark, arrays) of legitimate other ways
    coarsest: float = 0.0  # epsilon of the type that nobody has to exceed

    def tolerance(self, key: str, dtype) -> float:
        """Largest difference that rounding explains in observation `key` of type `dtype`.

        Types coarser than float32 are given no more room than float32. In PyTorch, whose own type
        that is, an answer may compute in it: a step counted in a tensor is float32.
        """
        found = self._tolerances.get((key, dtype))
        if found is None:
            eps = max(_eps(self.dtypes[key]), min(_eps(dtype), EPS32), self.coarsest)
            size = float(np.abs(self.arrays[key]).max(initial=0.0))
            found = NOISE_FACTOR * max(self.noise[key] * eps / EPS32, FLOOR * eps * size)
            self._tolerances[key, dtype] = found
        return found

    @cached_property
    def _tolerances(self) -> dict[tuple[str, Any], float]:
        """Those that were asked for: a class asks for the same ones."""
        return {}


def _eps(dtype):
    dtype = np.dtype(dtype)
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0


# ---------------------------------------------------------------------------------- judges


def matches(seen: Arrays, expected: Expected) -> Verdict:
    """Judge: every observation equals the reference's, or a variant's, within rounding."""
    wrong, remarks = [], []
    for key in expected.arrays:
        if key.startswith("_"):
            continue
        difference = _difference(key, seen, expected, expected.arrays[key])
        if difference is None:
            continue
        remark = _variant_remark(key, seen, expected)
        if remark is None:
            wrong.append((key, *difference))
        else:
            remarks.append(remark)
    if wrong:
        keys, messages, details = zip(*wrong, strict=True)
        return Verdict(0, "; ".join(messages), "; ".join(filter(None, details)), wrong=keys)
    return Verdict(1, remark=" ".join(dict.fromkeys(filter(None, remarks))))


def same_dtype(seen: Arrays, expected: Expected) -> Verdict:
    """Judge: as `matches`, and no observation is less precise than the reference's.

    More precise costs twice the memory and no points.
    """
    kinds = dtypes_alone(seen, expected)
    verdict = matches(seen, expected) if kinds.fraction == 1 else kinds
    if verdict.fraction == 1 and kinds.remark:
        return replace(verdict, remark=" ".join([verdict.remark, kinds.remark]).strip())
    return verdict


def dtypes_alone(seen: Arrays, expected: Expected) -> Verdict:
    """Judge: no observation is less precise than the reference's, whatever its values are."""
    remark = ""
    for key, dtype in expected.dtypes.items():
        if key.startswith("_") or key not in seen:
            continue
        gain = _digits(seen[key].dtype) - _digits(np.dtype(dtype))
        if gain < 0:
            message, detail = f"{key} must be {dtype}", f"{key} is {seen[key].dtype}"
            return Verdict(0, message, detail, wrong=(key,))
        if gain > 0:
            remark = WASTEFUL
    return Verdict(1, remark=remark)


def keeps_types(seen: Arrays, expected: Expected) -> Verdict:
    """Judge: dtypes are the reference's and inputs stay as they were, whatever the values are.

    Something has to be computed, though: an output that is one number everywhere, or one of the
    inputs as it came, says nothing about types.
    """
    inputs = {key: a for key, a in expected.arrays.items() if key.endswith(AFTERWARDS)}
    kinds = dtypes_alone(seen, expected)
    verdict = matches(seen, replace(expected, arrays=inputs)) if kinds.fraction == 1 else kinds
    if verdict.fraction < 1:
        return verdict
    for key in expected.arrays:
        is_output = not key.startswith("_") and key not in inputs
        idle = _idle(seen.get(key), expected.arrays[key], inputs) if is_output else ""
        if idle:
            return Verdict(0, f"{key} {idle}", wrong=(key,))
    return replace(verdict, remark=kinds.remark)


def _idle(value, wanted, inputs):
    """Say why an output is nobody's work, or nothing."""
    if value is None:
        return "is missing"
    if value.size == 0:
        return "is empty"
    if np.isnan(value).all():
        return "is NaN everywhere"
    if value.ndim == 0 and wanted.size > 1:
        return "is a single number"
    if value.size > 1 and (value == value.flat[0]).all():
        return "is the same number everywhere"
    for name, array in inputs.items():
        if value.shape == array.shape and np.allclose(value, array, rtol=1e-6):
            return f"is {name.removesuffix(AFTERWARDS)}, as it came"
    return ""


WASTEFUL = (
    "Right, in more memory than needed: float32 came in and float64 goes out. Look for an array "
    "that is made without a dtype."
)


def _digits(dtype):
    """Precision of a floating type; anything else has none."""
    return np.finfo(dtype).precision if dtype.kind == "f" else -1


def agree(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Say whether two observations are the same: shape, NaNs, infinities, values in tolerance."""
    if a.shape != b.shape:
        return False
    a, b = a.astype(float, copy=False), b.astype(float, copy=False)
    with np.errstate(invalid="ignore"):
        close = np.abs(a - b) <= tolerance
        if not close.all():
            close |= (a == b) | (np.isnan(a) & np.isnan(b))
    return bool(close.all())


def _difference(key, seen, expected, target):
    """Return (message, detail) where `seen[key]` differs from `target`, else None."""
    if key not in seen:
        return f"{key} is missing", ""
    value = seen[key]
    if value.shape != target.shape:
        return f"{key} must have shape {target.shape}", f"{key} has shape {value.shape}"
    value, tolerance = value.astype(float), expected.tolerance(key, value.dtype)
    off = ~(np.abs(value - target) <= tolerance)
    if not off.any():
        return None
    first = tuple(int(i) for i in np.argwhere(off)[0])
    where = f"{key}{list(first)}" if first else key
    detail = f"{where}: expected {', got '.join(told_apart(target[first], value[first]))}"
    if off.size > 1:
        detail += f" (different in {off.sum()} of {off.size} places)"
    return f"{key} {_kind_of_difference(value, target, off, tolerance)}", detail


def told_apart(a: float, b: float) -> tuple[str, str]:
    """Return two numbers in as many digits as it takes to see that they differ.

    >>> told_apart(0.41737112, 0.41737098)
    ('0.4173711', '0.417371')
    >>> told_apart(1.0, float("nan"))
    ('1', 'nan')
    """
    for digits in range(6, 18):
        shown = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if shown[0] != shown[1]:
            break
    return shown


def _kind_of_difference(value, target, off, tolerance):
    """Say in words how `value` misses `target`, without a number of either."""
    strange = np.isnan(value) & ~np.isnan(target), np.isinf(value) & ~np.isinf(target)
    for found, kind in zip(strange, ("NaN, not a number", "infinite"), strict=True):
        if found.any():
            return f"is {kind}" if found.all() else f"is {kind}, in some places"
    if not value.any():
        return "is zero everywhere"
    factor = (value * target).sum() / (target**2).sum() if target.any() else 0.0
    if value.size > 2 and factor and agree(value, factor * target, abs(factor) * tolerance):
        opposite = agree(value, -target, tolerance)
        return "has the opposite sign" if opposite else "is off by one constant factor"
    return "differs everywhere" if off.all() else "differs in some places"


def _variant_remark(key, seen, expected):
    for remark, arrays in expected.variants:
        if key in arrays and _difference(key, seen, expected, arrays[key]) is None:
            return remark
    return None


def follow_through(seen: Arrays, expected: Expected) -> Verdict:
    """Judge of a backward pass: full marks for the right gradient, half for a consistent one.

    Half the points go to a gradient that is right for the student's own wrong forward pass, whose
    slopes were measured (`slopes.Probe`). Nothing goes to a forward pass that is right after all,
    that is another one than was measured, that does not react to its input, or that is a straight
    line where the right one is none: its gradient is no work. All of that holds for every random
    input, or for none.
    """
    verdict = matches(seen, expected)
    if verdict.fraction == 1 or not _is_wrong_and_no_trifle(seen, expected):
        return verdict
    if not all(_is_slope(key, seen, expected) for key in verdict.wrong):
        return verdict
    return replace(
        verdict,
        fraction=0.5,
        message=f"{verdict.message}; but right for your own forward pass, hence half the points",
    )


def may_follow(seen: Arrays, expected: Expected) -> bool:
    """Say whether half the points are possible, so that slopes have to be measured."""
    return matches(seen, expected).fraction < 1 and _is_wrong("_out", seen, expected)


def _is_wrong(key, seen, expected):
    """Say whether a forward pass returned numbers of the right shape, but not the right ones."""
    out, right = seen.get(key), expected.arrays["_out"]
    if out is None or out.shape != right.shape or not np.isfinite(out).all():
        return False
    return not agree(out, right, expected.tolerance("_out", out.dtype))


def _is_wrong_and_no_trifle(seen, expected):
    measured = f"{MEASURED}out"
    if not (_is_wrong("_out", seen, expected) and _is_wrong(measured, seen, expected)):
        return False
    out, again = seen["_out"], seen[measured]
    if (
        not agree(out, again, expected.tolerance("_out", out.dtype))
        or np.ptp(out.astype(float)) == 0
    ):
        return False
    return _is_bent(seen) or not _is_bent(expected.arrays)


def _is_bent(arrays):
    """Say whether a forward pass has another slope elsewhere."""
    slopes = arrays[f"{MEASURED}slopes_{APART}"]  # (2,)
    return bool(abs(slopes[0] - slopes[1]) > STILL * np.abs(slopes).max())


def _is_slope(key, seen, expected):
    """Say whether the gradient `key` gives the slopes that the student's own forward has."""
    directions, slopes = (seen[f"{MEASURED}{name}_{key}"] for name in ("directions", "slopes"))
    right = expected.arrays[f"{MEASURED}slopes_{key}"]  # (K,)
    gradient = seen.get(key)
    if gradient is None or gradient.shape != directions.shape[1:]:
        return False
    along = np.tensordot(directions, gradient, axes=gradient.ndim)  # (K,)
    reacts = np.abs(slopes).max() > STILL * np.abs(right).max()
    return bool(reacts and np.allclose(slopes, along, 1e-4, 1e-6))


def verdict_on(check: Check, seen: Seen, exercise: Exercise, provider) -> Verdict:
    """Judge one check; what could not be observed earns nothing."""
    if seen.fault:
        kind = seen.fault.kind
        if check.judge is refuses and kind.startswith("raised "):
            kind = f"expected ValueError, got {kind.removeprefix('raised ')}"
        return Verdict(0, kind, seen.fault.text, wrong=("fault",))
    with np.errstate(all="ignore"):  # what was seen may hold NaN and infinity
        return (check.judge or matches)(seen.arrays or {}, provider.expected(exercise, check))
