"""Fractional max pooling: the boundaries, the maxima, and their gradient.

Images that grow from pixel to pixel tell where a region ends, and those that fall where it starts:
beside the images to pool they are channels of their own. The rest is brute force.
"""

import math
from fractions import Fraction

import numpy as np

from autograder.checking.judge import same_dtype
from autograder.checking.spec import RANDOM, Check
from autograder.exercises.regularization.noise import (
    CLOSE,
    PRECISION,
    near,
    precision,
    randomness_check,
)
from autograder.exercises.regularization.shared import Place, exercise, outcome_check

# ------------------------------------------------------------------ boundaries


def _boundaries(impl, rng):
    """Take several u, each inside of one of the n_in cells in which the boundaries stay alike."""
    found = {}
    for n_in, n_out in ((16, 11), (25, 18), (10, 6)):
        cells = (rng.permutation(n_in)[:5] + 0.5) / n_in
        several = [np.asarray(impl.pooling_boundaries(n_in, n_out, float(u))) for u in cells]
        found[f"a from {n_in} to {n_out}"] = np.array(several)
    return found


BOUNDARIES = exercise(
    "Fractional max pooling: where the regions begin",
    "pooling_boundaries",
    (Check("boundaries of several sizes, and several u", 3, _boundaries),),
    "95",
    small=(
        "pooling_boundaries(3, 2, 0.5)",
        "pooling_boundaries(5, 3, 0.1)",
        "pooling_boundaries(7, 5, 0.5)",
        "pooling_boundaries(7, 5, 0.9)",
    ),
    look="""\
for u in (0.1, 0.5, 0.9):
    a = pooling_boundaries(7, 5, u)
    print(u, a, "steps", np.diff(a))  # from 0 to 7, in steps of one and two
""",
)

# ------------------------------------------------------------------ regions

WIDE = (25, 18)  # rows before and after, for one draw
SQUARE, SMALL, SEQUENCES = 16, 11, 40  # for many, in which the kinds are told apart


def one_axis(**param):
    """Return the run of one draw of the regions."""

    def run(impl, rng):
        first, last = impl.pooling_regions(*WIDE, dict(param), rng)
        return {}, {"first": first, "last": last}

    return run


REGIONS = (
    "right",
    "first and last must have shape (n_out,)",
    "the first region does not start at 0",
    "the last region does not end in the last row",
    "the last region ends beyond the last row",
    "a region is empty",
    "the regions start more than two rows apart, or in the same row",
    "there are rows that no region holds",
    "neighbouring regions share a row, and should be disjoint",
    "neighbouring regions share more than one row",
    "neighbouring regions share no row, and should overlap",
)


def region_check(title, points, overlapping):
    """Return the check of where the regions start and end."""

    def outcome(given, answers):
        first, last = answers["first"], answers["last"]
        n_in, n_out = WIDE
        if first.shape != (n_out,) or last.shape != (n_out,):
            return 1
        if first[0] != 0:
            return 2
        if last[-1] != n_in - 1:
            return 4 if last[-1] > n_in - 1 else 3
        if (last < first).any():
            return 5
        if not set(np.diff(first)) <= {1, 2}:
            return 6
        shared = last[:-1] - first[1:] + 1  # rows of neighbours
        if (shared < 0).any():
            return 7
        if overlapping:
            return 9 if (shared > 1).any() else 10 if (shared < 1).any() else 0
        return 8 if (shared > 0).any() else 0

    param = {"overlapping": True} if overlapping else {"kind": "pseudo-random"}
    return outcome_check(title, points, REGIONS, one_axis(**param), outcome)


KINDS = (
    "right",
    "first must have shape (n_out,)",
    "pseudo-random boundaries are not those of the formula",
    "random boundaries are only those of the formula",
    "the regions are the same in every call",
    "the numbers of steps of one and of two are not those that fit",
)


def many_draws(**param):
    """Return the run of many draws of the regions of 16 rows to 11."""

    def run(impl, rng):
        draws = [impl.pooling_regions(SQUARE, SMALL, dict(param), rng)[0] for _ in range(SEQUENCES)]
        return {}, {"starts": np.array(draws)}

    return run


def formulas():
    """Return the pseudo-random starts of 16 to 11, from exact fractions."""
    alpha = Fraction(SQUARE, SMALL)
    cells = (Fraction(2 * k + 1, 2 * SQUARE) for k in range(SQUARE))
    return {
        tuple(math.ceil(alpha * (i + u)) - math.ceil(alpha * u) for i in range(SMALL))
        for u in cells
    }


def _pseudo_random(given, answers):
    starts = answers["starts"]
    if starts.shape != (SEQUENCES, SMALL):
        return 1
    known = formulas()
    others = sum(tuple(first) not in known for first in starts)
    if others:
        return Place(2, f"{others} of {SEQUENCES} draws are none of its {len(known)}")
    return _unmoved(starts)


def _unmoved(starts):
    """Return 0 where regions differ from call to call."""
    same = (starts == starts[0]).all()
    return Place(4, f"one sequence in {SEQUENCES} calls") if same else 0


def _random(given, answers):
    starts = answers["starts"]
    if starts.shape != (SEQUENCES, SMALL):
        return 1
    steps = np.diff(starts, append=SQUARE)
    if (np.sort(steps, axis=1) != np.sort(steps[0])).any() or (starts > SQUARE).any():
        twos = (steps == 2).sum(axis=1)
        found = f"{twos.min()} to {twos.max()} steps of two, expected {SQUARE - SMALL}"
        return Place(5, found)
    if unmoved := _unmoved(starts):
        return unmoved
    known = formulas()
    among = all(tuple(first) in known for first in starts)
    return Place(3, f"all {SEQUENCES} draws are among its {len(known)}") if among else 0


def _regions_call(impl, rng):
    return lambda generator: impl.pooling_regions(160, 110, {"kind": "random"}, generator)[0]


AXIS = exercise(
    "Fractional max pooling: the regions of one axis (bonus)",
    "pooling_boundaries pooling_regions",
    (
        region_check("disjoint regions, from end to end", 1, False),
        region_check("overlapping regions", 1, True),
        outcome_check("pseudo-random, by default", 0.5, KINDS, many_draws(),
                      _pseudo_random),
        outcome_check("random", 1, KINDS, many_draws(kind="random"), _random),
        randomness_check(0.5, _regions_call),
    ),
    "95",
    bonus=True,
    look="""\
rng = np.random.default_rng(0)
for param in ({}, {"kind": "random"}, {"overlapping": True}):
    print(param, *pooling_regions(7, 5, param, rng))  # first rows, last rows
""",
    no_small=RANDOM,
)  # fmt: skip

# ------------------------------------------------------------------ forward

SHAPE, POOLED = (2, 5, 7, 10), (5, 6)  # images, channels; ratios 1.4 and 1.67
PASSES = 30


def images(rng, shape=SHAPE):
    """Return x: a channel that grows, one that falls, random ones, and the last once more."""
    x = rng.normal(size=shape)
    ramp = np.arange(shape[2] * shape[3], dtype=float).reshape(shape[2:])
    x[:, 0], x[:, 1] = ramp, -ramp
    x[:, -1] = x[:, -2]
    return x


def options(**more):
    return {"height": POOLED[0], "width": POOLED[1], **more}


def regions_of(out, width):
    """Return ((first, last) of rows, of columns) that the two ramps show, or None."""
    ramps = np.abs(out[0, :2])
    if not near(ramps, np.round(ramps)):
        return None
    last, first = (np.divmod(np.round(channel), width) for channel in ramps)
    drawn = []
    for axis in (0, 1):
        ends = []
        for where in (first[axis], last[axis]):
            lines = where if axis == 0 else where.T
            if (lines != lines[:, :1]).any():
                return None
            ends.append(lines[:, 0].astype(int))
        drawn.append(tuple(ends))
    return tuple(drawn)


def windows(regions):
    """Yield (i, j, rows, columns) of every region."""
    (top, bottom), (left, right) = regions
    for i, (t, b) in enumerate(zip(top, bottom, strict=True)):
        for j, (s, e) in enumerate(zip(left, right, strict=True)):
            yield i, j, slice(t, b + 1), slice(s, e + 1)


def pooled(**more):
    """Return the run of one forward pass."""

    def run(impl, rng):
        x = images(rng)
        out, _ = impl.fractional_max_pool_forward(x.copy(), options(**more), rng)
        return {"x": x}, {"out": out}

    return run


MAXIMA = (
    "right",
    "out must have shape (N, C, height, width)",
    "equal channels give different outputs: they have different regions",
    "the images have different regions",
    "the regions are no grid of rows and columns",
    "the outputs are not the largest numbers of their regions",
    "the regions do not reach from end to end",
)


def _maxima(given, answers):
    x, out = given["x"], answers["out"]
    if out.shape != (*SHAPE[:2], *POOLED):
        return 1
    if not near(out[:, -1], out[:, -2]):
        return 2
    if not near(out[0, :2], out[1, :2]):
        return 3
    regions = regions_of(out, SHAPE[3])
    if regions is None:
        return 4
    for i, j, rows, columns in windows(regions):
        region = x[:, :, rows, columns]
        if not region.size or not near(out[:, :, i, j], region.max(axis=(2, 3))):
            return 5
    ends = [(first[0], last[-1]) for first, last in regions]
    return 0 if ends == [(0, SHAPE[2] - 1), (0, SHAPE[3] - 1)] else 6


OVERLAPS = (
    "right",
    "out must have shape (N, C, height, width)",
    "the regions are no grid of rows and columns",
    "neighbouring regions do not share the row or column between them",
)


def _overlaps(given, answers):
    out = answers["out"]
    if out.shape != (*SHAPE[:2], *POOLED):
        return 1
    regions = regions_of(out, SHAPE[3])
    if regions is None:
        return 2
    return 0 if all((first[1:] == last[:-1]).all() for first, last in regions) else 3


AXES = (
    "right",
    "out must have shape (N, C, height, width)",
    "the regions are no grid of rows and columns",
    "the regions are the same in every call",
    "rows and columns always have the same boundaries",
)


def squares(impl, rng):
    """Pool a square many times."""
    x = images(rng, (1, 4, SQUARE, SQUARE))
    param = {"height": SMALL, "width": SMALL, "kind": "random"}
    outs = [
        impl.fractional_max_pool_forward(x.copy(), dict(param), rng)[0][:, :2]
        for _ in range(PASSES)
    ]
    return {}, {"outs": np.array(outs)}


def _axes(given, answers):
    if answers["outs"].shape != (PASSES, 1, 2, SMALL, SMALL):
        return 1
    regions = [regions_of(out, SQUARE) for out in answers["outs"]]
    if any(region is None for region in regions):
        return 2
    starts = [[tuple(first) for first, _ in region] for region in regions]
    if all(pair == starts[0] for pair in starts):
        return Place(3, f"one pair in {PASSES} calls")
    alike = all(rows == columns for rows, columns in starts)
    return Place(4, f"alike in {PASSES} of {PASSES} calls") if alike else 0


def _forward_precision(impl, rng):
    """All pixels of a channel are equal: the outputs do not depend on the draw."""
    x = np.broadcast_to(rng.normal(size=(2, 3, 1, 1)), (2, 3, 7, 10)).copy()

    def call(impl, arrays):
        generator = np.random.default_rng(3)
        return (impl.fractional_max_pool_forward(*arrays, options(), generator)[0],)

    return precision(call, "x")(impl, (x,))


FUNCTIONS = "pooling_boundaries pooling_regions fractional_max_pool_forward"

FORWARD = exercise(
    "Fractional max pooling, forward (bonus)",
    FUNCTIONS,
    (
        outcome_check("the largest number of each region", 2, MAXIMA, pooled(), _maxima),
        outcome_check("overlapping regions", 1, OVERLAPS, pooled(overlapping=True), _overlaps),
        outcome_check("rows and columns are drawn anew, each on its own", 1, AXES, squares, _axes),
        Check(PRECISION, 1, _forward_precision, same_dtype),
    ),
    "95",
    bonus=True,
    look="""\
x, rng = np.arange(25.0).reshape(1, 1, 5, 5), np.random.default_rng(0)
for _ in range(2):  # the lower right corner of each region; the last one is 24
    print(fractional_max_pool_forward(x, {"height": 3, "width": 3}, rng)[0][0, 0])
""",
    no_small=RANDOM,
)

# ------------------------------------------------------------------ backward


def both_passes(ties=False, **more):
    """Return the run of both passes; with ties, each image is one number but for the ramps."""

    def run(impl, rng):
        x = images(rng)
        if ties:
            x[:, 2:] = 1.0
        dout = rng.uniform(1, 2, (*SHAPE[:2], *POOLED))
        out, cache = impl.fractional_max_pool_forward(x.copy(), options(**more), rng)
        dx = impl.fractional_max_pool_backward(dout.copy(), cache)
        return {"x": x, "dout": dout}, {"out": out, "dx": dx}

    return run


GRADIENTS = (
    "right",
    "dx must have the shape of x",
    "your forward pass does not tell where the regions are",
    "where regions overlap, a later gradient replaces an earlier one",
    "there is gradient where no region has its largest number",
    "the gradient of a region is not that of its output",
)


def gradient_check(title, points, **more):
    """Return the check of dx on images without ties (but for the last two channels, left out)."""

    def outcome(given, answers):
        x, dout, out, dx = given["x"], given["dout"], answers["out"], answers["dx"]
        if dx.shape != x.shape:
            return 1
        regions = regions_of(out, SHAPE[3]) if out.shape == dout.shape else None
        if regions is None:
            return 2
        added, last = np.zeros_like(x), np.zeros_like(x)
        for i, j, rows, columns in windows(regions):
            region = x[:, :, rows, columns]
            is_largest = region == region.max(axis=(2, 3), keepdims=True)
            gradient = is_largest * dout[:, :, i, j, None, None]
            added[:, :, rows, columns] += gradient
            last[:, :, rows, columns] = np.where(is_largest, gradient, last[:, :, rows, columns])
        if np.abs(dx - added).max() < CLOSE:
            return 0
        if np.abs(dx - last).max() < CLOSE:
            return 3
        return 4 if np.abs(dx[added == 0]).max(initial=0) > CLOSE else 5

    return outcome_check(title, points, GRADIENTS, both_passes(**more), outcome)


TIES = (
    "right",
    "dx must have the shape of x",
    "your forward pass does not tell where the regions are",
    "every tied number of a region gets the whole gradient",
    "the gradient of a region with ties is not that of its output",
)


def _ties(given, answers):
    x, dout, out, dx = given["x"], given["dout"], answers["out"], answers["dx"]
    if dx.shape != x.shape:
        return 1
    regions = regions_of(out, SHAPE[3]) if out.shape == dout.shape else None
    if regions is None:
        return 2
    shared, copied = True, True
    for i, j, rows, columns in windows(regions):
        tied, whole = dx[:, 2:, rows, columns], dout[:, 2:, i, j]
        shared &= bool(np.abs(tied.sum(axis=(2, 3)) - whole).max() < CLOSE and tied.min() >= 0)
        copied &= bool(np.abs(tied - whole[..., None, None]).max() < CLOSE)
    return 0 if shared else 3 if copied else 4


def _backward_dtype(impl, rng):
    """The sum of dx is that of dout, whatever was drawn."""
    x, dout = rng.normal(size=(2, 3, 7, 10)), rng.normal(size=(2, 3, *POOLED))

    def call(impl, arrays):
        x, dout = arrays
        generator = np.random.default_rng(3)
        _, cache = impl.fractional_max_pool_forward(x, options(), generator)
        dx = impl.fractional_max_pool_backward(dout, cache)
        return (dx.sum(axis=(2, 3)),)

    return precision(call, "x dout", "sums_of_dx")(impl, (x, dout))


BACKWARD = exercise(
    "Fractional max pooling, backward (challenge, bonus)",
    f"{FUNCTIONS} fractional_max_pool_backward",
    (
        gradient_check("dx, disjoint regions", 2),
        gradient_check("dx, overlapping regions", 2, overlapping=True),
        outcome_check("ties: shares that add up to one", 1, TIES, both_passes(ties=True), _ties),
        Check("float32 and float64 alike, x and dout stay as they were", 1, _backward_dtype,
              same_dtype),
    ),
    "95",
    bonus=True,
    look="""\
x, rng = np.arange(9.0).reshape(1, 1, 3, 3), np.random.default_rng(0)
param = {"height": 2, "width": 2, "overlapping": True}
out, cache = fractional_max_pool_forward(x, param, rng)
print(out[0, 0], fractional_max_pool_backward(np.ones((1, 1, 2, 2)), cache)[0, 0])  # sum 4
""",
    no_small=RANDOM,
)  # fmt: skip

EXERCISES = (BOUNDARIES, AXIS, FORWARD, BACKWARD)
