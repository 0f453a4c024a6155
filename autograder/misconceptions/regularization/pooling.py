"""Wrong and other right answers about fractional max pooling."""

import math
from typing import TYPE_CHECKING

import numpy as np

from autograder.checking.spec import Misconception
from autograder.misconceptions.records import (
    SLIP,
    fundamental,
    grouped,
    ids_of,
    right,
    wrong,
)

if TYPE_CHECKING:  # an answer finds these beside it
    from cs231n_lib.regularization.in_numpy import pooling_boundaries, pooling_regions

# ------------------------------------------------------------------ boundaries


def inverted_ratio(n_in, n_out, u):
    """Step by n_out / n_in."""
    alpha = n_out / n_in
    i = np.arange(n_out + 1)
    return np.ceil(alpha * (i + u)) - np.ceil(alpha * u)


def without_u(n_in, n_out, u):
    """Round multiples of the ratio."""
    return np.ceil(n_in / n_out * np.arange(n_out + 1) - 1e-9)


def u_outside(n_in, n_out, u):
    """Shift by u rows, not by u regions."""
    i = np.arange(n_out + 1)
    return np.ceil(n_in / n_out * i + u) - np.ceil(u)


def rounded_steps(n_in, n_out, u):
    """Round the ratio, and step by it."""
    return np.arange(n_out + 1) * int(np.ceil(n_in / n_out))


def floored_steps(n_in, n_out, u):
    """Go down to a whole step each time."""
    a, steps = 0.0, [0]
    for i in range(n_out):
        a += math.floor(n_in / n_out + (u if i % 2 else 0))
        steps.append(a)
    return np.array(steps)


BOUNDARIES = wrong(
    "pooling_boundaries",
    (
        "the ratio upside down",
        "Your boundaries do not get to the last row. Is α larger or smaller than 1?",
        inverted_ratio,
    ),
    (
        "no shift at the start",
        "Your first boundary is not 0: the image begins before it. What has to be taken off all of "
        "them?",
        ("return ceilings - ceilings[0]", "return ceilings"),
    ),
    (
        "u is not used",
        "Every u gives the same boundaries: the regions are fixed forever.",
        without_u,
    ),
    (
        "u outside the product",
        "Your u shifts by a part of a row. In the formula it is added to i, before the product.",
        u_outside,
    ),
    (
        "the ratio is rounded",
        "All your steps are equal, and the last boundary is not the last row. The product is to be "
        "rounded, not the ratio.",
        rounded_steps,
    ),
    (
        "every step rounded by itself",
        "What is lost in the rounding of one step is lost for good, and the end is missed. Which "
        "number should be rounded: the step, or the place?",
        floored_steps,
    ),
    (
        "one boundary too few",
        "n_out regions have n_out + 1 boundaries, the last one after the last row.",
        ("np.arange(n_out + 1)", "np.arange(n_out)"),
    ),
)

# ------------------------------------------------------------------ regions of one axis

KIND = 'pool_param.get("kind", "pseudo-random") == "random"'
OVERLAP = 'pool_param.get("overlapping", False)'
LAST = f"last = a[1:] if {OVERLAP} else a[1:] - 1"

AXIS = wrong(
    "pooling_regions",
    (
        "regions fixed forever",
        "Every call gives the same regions. Where does u come from?",
        ("rng.random()", "0.4"),
    ),
    (
        "both kinds are pseudo-random",
        "With kind 'random' only a few sequences ever come. There are as many as there are orders "
        "of the steps.",
        (KIND, "False"),
    ),
    (
        "both kinds are random",
        "Without the key 'kind' the boundaries should come from your pooling_boundaries.",
        (KIND, "True"),
    ),
    (
        "every step is drawn by itself",
        "Your random steps do not add up to the number of rows. How many of them have to be two?",
        ("1 + (np.arange(n_out) < n_in - n_out)", "1 + (rng.random(n_out) < n_in / n_out - 1)"),
    ),
    (
        "the twos come first",
        "With kind 'random' the long steps are always at the start. In which order should they be?",
        ("rng.permutation(steps)", "steps"),
    ),
    (
        "always disjoint",
        "With 'overlapping' your regions still end before the next one begins.",
        (LAST, "last = a[1:] - 1"),
    ),
    (
        "always overlapping",
        "Without 'overlapping' your regions share a row with the next. The last row is included: "
        "which one is that?",
        (LAST, "last = a[1:]"),
    ),
    (
        "beyond the last row",
        "Your last region ends in a row that does not exist.",
        SLIP,
        ("last.clip(max=n_in - 1)", "last"),
    ),
    (
        "an overlap of two rows",
        "Neighbouring regions share two rows. Where does the next region begin?",
        SLIP,
        (LAST, f"last = a[1:] + 1 if {OVERLAP} else a[1:] - 1"),
    ),
    (
        "random numbers from elsewhere",
        "The same generator should give the same regions again. Which of your numbers do not come "
        "from `rng`?",
        SLIP,
        ("rng.permutation(", "np.random.default_rng().permutation("),
    ),
)

# ------------------------------------------------------------------ forward

ROWS = 'rows = pooling_regions(x.shape[2], pool_param["height"], pool_param, rng)'
COLS = 'cols = pooling_regions(x.shape[3], pool_param["width"], pool_param, rng)'


def per_channel(x, pool_param, rng):
    """Draw regions for every channel."""
    outs = []
    for c in range(x.shape[1]):
        channel = x[:, c : c + 1]
        rows = pooling_regions(x.shape[2], pool_param["height"], pool_param, rng)
        cols = pooling_regions(x.shape[3], pool_param["width"], pool_param, rng)
        bands = [channel[:, :, a : b + 1].max(axis=2) for a, b in zip(*rows, strict=True)]
        tall = np.stack(bands, axis=2)
        out = [tall[..., a : b + 1].max(axis=3) for a, b in zip(*cols, strict=True)]
        outs.append(np.stack(out, axis=3))
    return np.concatenate(outs, axis=1), None


def per_image(x, pool_param, rng):
    """Draw regions for every image."""
    outs = []
    for n in range(len(x)):
        rows = pooling_regions(x.shape[2], pool_param["height"], pool_param, rng)
        cols = pooling_regions(x.shape[3], pool_param["width"], pool_param, rng)
        bands = [x[n : n + 1, :, a : b + 1].max(axis=2) for a, b in zip(*rows, strict=True)]
        tall = np.stack(bands, axis=2)
        out = [tall[..., a : b + 1].max(axis=3) for a, b in zip(*cols, strict=True)]
        outs.append(np.stack(out, axis=3))
    return np.concatenate(outs), None


def one_sequence(x, pool_param, rng):
    """Take the same random numbers for rows and columns."""
    import copy

    twin = copy.deepcopy(rng)
    rows = pooling_regions(x.shape[2], pool_param["height"], pool_param, rng)
    cols = pooling_regions(x.shape[3], pool_param["width"], pool_param, twin)
    bands = [x[:, :, a : b + 1].max(axis=2) for a, b in zip(*rows, strict=True)]
    tall = np.stack(bands, axis=2)
    out = [tall[..., a : b + 1].max(axis=3) for a, b in zip(*cols, strict=True)]
    return np.stack(out, axis=3), None


FORWARD = wrong(
    "fractional_max_pool_forward",
    (
        "every channel has its own regions",
        "Two equal channels come out different. For how many things are regions drawn in one call?",
        per_channel,
    ),
    (
        "every image has its own regions",
        "Two equal images come out different. For how many things are regions drawn in one call?",
        per_image,
    ),
    (
        "rows and columns share their draw",
        "On a square image your rows and columns always have the same boundaries. Where do the "
        "random numbers of the columns come from?",
        one_sequence,
    ),
    (
        "the mean in place of the maximum",
        "Your outputs are between the numbers of their regions. Which of them should come out?",
        fundamental("no output is that of max pooling, unless all pixels are equal"),
        (".max(axis=2)", ".mean(axis=2)"),
        (".max(axis=3)", ".mean(axis=3)"),
    ),
    (
        "the last row and column left out",
        "A slice ends before its second number, and `last` belongs to the region.",
        ("x[:, :, a : b + 1]", "x[:, :, a : max(b, a + 1)]"),
        ("x_rows[..., a : b + 1]", "x_rows[..., a : max(b, a + 1)]"),
    ),
    (
        "never overlapping",
        "With 'overlapping' your regions are still disjoint. Does it reach pooling_regions?",
        (ROWS, 'pool_param = {**pool_param, "overlapping": False}\n    ' + ROWS),
    ),
    (
        "x is changed",
        "After the call the caller's x is another one. Which statement writes into it?",
        SLIP,
        ("    return out", "    x -= 1\n    return out"),
    ),
    (
        "the same regions in every call",
        "All your calls have the same regions. A new generator with an old seed begins again where "
        "the old one began.",
        (ROWS, "rng = np.random.default_rng(3)\n    " + ROWS),
    ),
)

# ------------------------------------------------------------------ backward


def in_the_cache(name, hint, *edits, **options):
    """Return a mistake about what the forward pass keeps."""
    changed = {"fractional_max_pool_forward": edits}
    return tuple(
        Misconception(exercise_id, name, hint, edits=changed, **options)
        for exercise_id in ids_of("fractional_max_pool_backward")
    )


def every_equal_number(dout, cache):
    """Give the gradient to whatever in the image equals an output."""
    x, out, *_ = cache
    dx = np.zeros_like(x)
    for i, j in np.ndindex(out.shape[2:]):
        dx += (x == out[:, :, i, j, None, None]) * dout[:, :, i, j, None, None]
    return dx


def region_after_region(dout, cache):
    """Write each gradient to the place of its maximum, over what is there."""
    x, _, (top, bottom), (left, right) = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        region = x[n, c, top[i] : bottom[i] + 1, left[j] : right[j] + 1]
        row, column = np.unravel_index(region.argmax(), region.shape)
        dx[n, c, top[i] + row, left[j] + column] = dout[n, c, i, j]
    return dx


BACKWARD = (
    *wrong(
        "fractional_max_pool_backward",
        (
            "later gradients replace earlier ones",
            "Where regions overlap, a number can be the largest of several. What happens to the "
            "gradient that is there already?",
            ("dx[there] += met * dout[here]",
             "dx[there] = np.where(met, dout[here], dx[there])"),
        ),
        (
            "the last region has the last word",
            "Where regions overlap, a number can be the largest of several. What happens to the "
            "gradient that is there already?",
            grouped("later gradients replace earlier ones"),
            region_after_region,
        ),
        (
            "every tied number gets it all",
            "In a region of equal numbers the gradients should add up to that of the output, and "
            "yours add up to a multiple of it.",
            (" & open_regions[here]", ""),
        ),
        (
            "found by value, not by place",
            "A number outside of a region gets its gradient because it is as large. Where is the "
            "largest number of the *region*?",
            every_equal_number,
        ),
        (
            "the gradient goes to the whole region",
            "Every number of the region gets the gradient. On which does the output depend?",
            fundamental("it has nothing to do with the maximum"),
            ("dx[there] += met * dout[here]", "dx[there] += dout[here]"),
        ),
        (
            "dout is changed",
            "After the call the caller's dout is another one. Which statement writes into it?",
            SLIP,
            ("    return dx", "    dout *= 2\n    return dx"),
        ),
    ),
    *in_the_cache(
        "a new draw in the backward pass",
        "The gradient goes to other regions than those of the output. Where do you keep what the "
        "forward pass drew?",
        ("    return out", f"    {ROWS}\n    {COLS}\n    return out"),
    ),
    *in_the_cache(
        "rows and columns swapped on the way",
        "The forward pass packs rows, then columns. In which order do you unpack?",
        ("(x, out, rows, cols)", "(x, out, cols, rows)"),
        fundamental="every region lies in another place",
    ),
)  # fmt: skip

MISCONCEPTIONS = (*BOUNDARIES, *AXIS, *FORWARD, *BACKWARD)

# ------------------------------------------------------------------ other right answers


def ceilings_of_floats(n_in, n_out, u):
    """Write the formula as it stands in the paper."""
    alpha = n_in / n_out
    a = [math.ceil(alpha * (i + u)) - math.ceil(alpha * u) for i in range(n_out + 1)]
    return np.array(a)


def floors(n_in, n_out, u):
    """Round down: the same steps."""
    i = np.arange(n_out + 1)
    return (np.floor(n_in / n_out * (i + u)) - np.floor(n_in / n_out * u)).astype(int)


def increments(n_in, n_out, u):
    """Add up the steps."""
    a = [math.ceil(n_in / n_out * (i + u)) for i in range(n_out + 1)]
    return np.append(0, np.cumsum(np.diff(a)))


def regions_in_a_loop(n_in, n_out, pool_param, rng):
    """Walk from region to region; choose where the twos are."""
    if pool_param.get("kind") == "random":
        steps = np.ones(n_out, dtype=int)
        steps[rng.choice(n_out, size=n_in - n_out, replace=False)] = 2
        a = [0]
        for step in steps:
            a.append(a[-1] + step)
    else:
        a = list(pooling_boundaries(n_in, n_out, rng.uniform()))
    reach = 0 if pool_param.get("overlapping") else 1
    return np.array(a[:-1]), np.array([min(end - reach, n_in - 1) for end in a[1:]])


def windows_in_loops(x, pool_param, rng):
    """Take the maximum of every region by itself."""
    height, width = pool_param["height"], pool_param["width"]
    top, bottom = pooling_regions(x.shape[2], height, pool_param, rng)
    left, right_ = pooling_regions(x.shape[3], width, pool_param, rng)
    out = np.empty((*x.shape[:2], height, width), x.dtype)
    for i in range(height):
        for j in range(width):
            window = x[:, :, top[i] : bottom[i] + 1, left[j] : right_[j] + 1]
            out[:, :, i, j] = window.max(axis=(2, 3))
    return out, (x, out, (top, bottom), (left, right_))


def gradient_in_loops(dout, cache):
    """Go through all regions, and share the gradient between ties."""
    x, out, (top, bottom), (left, right_) = cache
    dx = np.zeros_like(x)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            rows, cols = slice(top[i], bottom[i] + 1), slice(left[j], right_[j] + 1)
            largest = x[:, :, rows, cols] == out[:, :, i, j, None, None]
            shares = largest / largest.sum(axis=(2, 3), keepdims=True)
            dx[:, :, rows, cols] += (shares * dout[:, :, i, j, None, None]).astype(x.dtype)
    return dx


def gradient_by_index(dout, cache):
    """Find the first maximum of each region by argmax."""
    x, out, (top, bottom), (left, right_) = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(out.shape):
        window = x[n, c, top[i] : bottom[i] + 1, left[j] : right_[j] + 1]
        r, s = np.unravel_index(window.argmax(), window.shape)
        dx[n, c, top[i] + r, left[j] + s] += dout[n, c, i, j]
    return dx


VARIANTS = (
    *right("pooling_boundaries", "the paper's formula", pooling_boundaries=ceilings_of_floats),
    *right("pooling_boundaries", "rounded down", pooling_boundaries=floors),
    *right("pooling_boundaries", "steps added up", pooling_boundaries=increments),
    *right("pooling_regions", "region by region", pooling_regions=regions_in_a_loop),
    *right("pooling_regions", "shuffled otherwise",
           ("rng.permutation(steps)", "steps[rng.random(n_out).argsort()]")),
    *right("pooling_regions", "np.minimum",
           ("last.clip(max=n_in - 1)", "np.minimum(last, n_in - 1)")),
    *right("fractional_max_pool_forward", "window by window",
           fractional_max_pool_forward=windows_in_loops),
    *right("fractional_max_pool_forward", "columns drawn first",
           (f"{ROWS}\n    {COLS}", f"{COLS}\n    {ROWS}")),
    *right("fractional_max_pool_forward", "np.amax",
           ("x[:, :, a : b + 1].max(axis=2)", "np.amax(x[:, :, a : b + 1], axis=2)")),
    *right("fractional_max_pool_backward", "shares between ties",
           fractional_max_pool_backward=gradient_in_loops),
    *right("fractional_max_pool_backward", "by argmax",
           fractional_max_pool_backward=gradient_by_index),
    *right("fractional_max_pool_backward", "the gradient where it was met",
           ("dx[there] += met * dout[here]", "dx[there] += np.where(met, dout[here], 0)")),
)  # fmt: skip
