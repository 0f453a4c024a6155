"""Exercises of the family `activations`: what is asked, how it is tried, what it is worth.

One check asks for the default of alpha and one for another alpha; all others give the usual one, so
that neither another default nor an alpha that is not looked at costs more than its own check.
Inputs are awkward on purpose: numbers of both signs with several zeros among them, K ≠ N ≠ D ≠ M
for maxout, pieces that are equally large.
"""

from dataclasses import replace

import numpy as np

from autograder.checking.judge import follow_through, keeps_types, matches
from autograder.checking.scenarios import afterwards, failed, family, separation
from autograder.checking.slopes import with_place
from autograder.checking.spec import KILLS_A_BUG, Check

ALPHA = 0.3  # neither the lecture's slope nor PyTorch's
LEAKY_ALPHA, ELU_ALPHA = 0.1, 1.0  # the usual ones
SHAPE, IMAGES = (5, 7), (3, 4, 2, 5)
AT_KINKS = "dx where x is 0"


def away_from_zero(rng, shape, low=0.1, signs=(-1, 1)):
    """Return numbers of size `low` to 3 with these signs: a small step crosses no kink."""
    return rng.choice(signs, shape) * rng.uniform(low, 3, shape)


# ------------------------------------------------------------------ element by element


def forward_checks(name, usual, points, *special):
    """Return the checks of the forward pass `name`, an activation with a parameter alpha.

    `usual` is the alpha that most of them give.
    """

    def forward(impl, *args):
        return getattr(impl, name)(*args)[0]

    def both_signs(*alpha):
        return lambda impl, rng: {"out": forward(impl, away_from_zero(rng, SHAPE), *alpha)}

    def images(impl, rng):
        x = away_from_zero(rng, IMAGES)
        x[:, 1] = 0.0
        return {"out": forward(impl, x, usual)}

    def types_and_inputs(impl, rng):
        x = away_from_zero(rng, SHAPE)
        single = x.astype(np.float32)
        out = forward(impl, single, ALPHA)
        return {
            "out": out,
            "out of float64 x": forward(impl, x, ALPHA),
            **afterwards("x", [single]),
        }

    scenarios = (
        ("numbers of both signs", both_signs(usual), None),
        ("the default of alpha", both_signs(), None),
        ("another alpha", both_signs(ALPHA), None),
        ("images, with zeros among the numbers", images, None),
        *special,
        ("float32 and float64 alike, x stays as it was", types_and_inputs, keeps_types),
    )
    return tuple(
        Check(title, worth, scenario, judge)
        for (title, scenario, judge), worth in zip(scenarios, points, strict=True)
    )


def backward_checks(forward, backward, usual, points, *special):
    """Return the checks of an activation's backward pass; the signs of x choose the path tried.

    `usual` is the alpha that most of them give.
    """

    def along(signs, alpha=usual):
        def scenario(impl, rng):
            x, dout = away_from_zero(rng, SHAPE, signs=signs), rng.normal(size=SHAPE)
            out, cache = passed(impl, x, alpha)
            dx = getattr(impl, backward)(dout.copy(), cache)
            return with_place(out, [x], dout, {"dx": (0, dx)})

        return scenario

    def passed(impl, x, *alpha):
        return getattr(impl, forward)(x.copy(), *alpha)

    def out_of(impl, x):
        return passed(impl, x, usual)[0]

    def out_of_another(impl, x):
        return passed(impl, x, ALPHA)[0]

    def gradient(impl, x, dout, *alpha):
        _, cache = passed(impl, x, *alpha)
        return getattr(impl, backward)(dout.copy(), cache)

    def default(impl, rng):
        x, dout = away_from_zero(rng, SHAPE), rng.normal(size=SHAPE)
        return {"dx": gradient(impl, x, dout)}

    def types_and_inputs(impl, rng):
        x, dout = away_from_zero(rng, SHAPE), rng.normal(size=SHAPE)
        single = dout.astype(np.float32)
        _, cache = passed(impl, x.astype(np.float32), usual)
        dx = getattr(impl, backward)(single, cache)
        double = gradient(impl, x, dout, usual)
        return {"dx": dx, "dx of float64 dout": double, **afterwards("dout", [single])}

    scenarios = (
        ("dx, every x positive", along((1,)), follow_through, out_of),
        ("dx, every x negative", along((-1,)), follow_through, out_of),
        ("dx, numbers of both signs", along((-1, 1)), follow_through, out_of),
        ("dx, the default of alpha", default, None),
        ("dx, another alpha", along((-1, 1), ALPHA), follow_through, out_of_another),
        *special,
        ("float32 and float64 alike, dout stays as it was", types_and_inputs, keeps_types),
    )
    return tuple(
        Check(title, worth, *parts)
        for (title, *parts), worth in zip(scenarios, points, strict=True)
    )


def _leaky_zeros(impl, rng):
    x, dout = away_from_zero(rng, SHAPE), rng.normal(size=SHAPE)
    x[:, 2] = 0.0
    _, cache = impl.leaky_relu_forward(x.copy(), LEAKY_ALPHA)
    dx = impl.leaky_relu_backward(dout.copy(), cache)
    sides = dout[:, 2], LEAKY_ALPHA * dout[:, 2]
    if dx.shape != SHAPE:
        return {"dx": dx}
    return {
        "dx": np.delete(dx, 2, axis=1),
        AT_KINKS: dx[:, 2],
        "_low": np.minimum(*sides),
        "_high": np.maximum(*sides),
    }


def between_the_sides(seen, expected):
    """Judge: at a kink any slope between those of the two sides; elsewhere as `matches`."""
    elsewhere = {key: array for key, array in expected.arrays.items() if key != AT_KINKS}
    verdict = matches(seen, replace(expected, arrays=elsewhere))
    if verdict.fraction < 1:
        return verdict
    low, high = expected.arrays["_low"], expected.arrays["_high"]
    dx = seen.get(AT_KINKS, np.full_like(low, np.nan))
    room = expected.tolerance("_high", dx.dtype)
    if dx.shape == low.shape and ((low - room <= dx) & (dx <= high + room)).all():
        return verdict
    return failed(f"{AT_KINKS} lies outside of the slopes of the two sides", AT_KINKS)


def _elu_far(impl, rng):
    x = np.concatenate([away_from_zero(rng, 5), [-1e4, -300.0, 300.0, 1e4]])
    return {"out": impl.elu_forward(x, ELU_ALPHA)[0]}


def _elu_backward_far(impl, rng):
    x = np.concatenate([away_from_zero(rng, 5), [-1e4, -300.0, 300.0, 1e4]])
    dout = rng.normal(size=x.shape)
    _, cache = impl.elu_forward(x, ELU_ALPHA)
    return {"dx": impl.elu_backward(dout, cache)}


# ------------------------------------------------------------------ kill the bug


def slope_by_division(dout, cache):
    """Gradient of the leaky ReLU, with its slope as output divided by input."""
    out, x = cache
    return dout * (out / x)


OUTCOMES = (
    "right and wrong differ",
    "x must be an array of 1 to 10,000 floats",
    "x must be finite",
    "your own leaky_relu_backward is wrong on this x",
    "both give the same slopes on this x, where every number is positive",
    "both give the same slopes on this x, where every number is negative",
    "both give the same slopes on this x, which has numbers of both signs",
)


def _outcome(x, own):
    """Return the place in OUTCOMES of what `x` and the student's slopes for it show."""
    low, high = np.where(x > 0, 1.0, 0.1), np.where(x < 0, 0.1, 1.0)
    if own is None or own.shape != x.shape or _outside(own, low, high):
        return 3
    with np.errstate(all="ignore"):
        divided = slope_by_division(np.ones_like(x), (x * low, x))
    if _outside(divided, low, high):
        return 0
    return 4 if (x > 0).all() else 5 if (x < 0).all() else 6


def _outside(slopes, low, high):
    return not ((low - 0.01 <= slopes) & (slopes <= high + 0.01)).all()


def _unfair(x):
    if not 0 < x.size <= 10_000:
        return 1
    return 0 if np.isfinite(x).all() else 2


def _own(impl, x):
    _, cache = impl.leaky_relu_forward(x)
    return impl.leaky_relu_backward(np.ones_like(x), cache)


# ------------------------------------------------------------------ maxout

N, D, M, K = 6, 5, 4, 3


def maxout_layer(rng, pieces=K):
    """Return x, w and b of a maxout layer."""
    return rng.normal(size=(N, D)), rng.normal(size=(pieces, D, M)), rng.normal(size=(pieces, M))


def _maxout(impl, rng):
    return {"out": impl.maxout_forward(*maxout_layer(rng))[0]}


def _maxout_of_two(impl, rng):
    return {"out": impl.maxout_forward(*maxout_layer(rng, pieces=2))[0]}


def _maxout_types(impl, rng):
    arrays = maxout_layer(rng)
    single = [a.astype(np.float32) for a in arrays]
    out, _ = impl.maxout_forward(*single)
    double, _ = impl.maxout_forward(*arrays)
    return {"out": out, "out of float64 x": double, **afterwards("x w b", single)}


def _maxout_out(impl, *arrays):
    return impl.maxout_forward(*arrays)[0]


def _maxout_gradients(*keys):
    def scenario(impl, rng):
        arrays, dout = maxout_layer(rng), rng.normal(size=(N, M)) + 0.5
        out, cache = impl.maxout_forward(*(a.copy() for a in arrays))
        named = zip(("dx", "dw", "db"), impl.maxout_backward(dout.copy(), cache), strict=True)
        wanted = {key: (n, g) for n, (key, g) in enumerate(named) if key in keys}
        return with_place(out, arrays, dout, wanted)

    return scenario


def _maxout_ties(impl, rng):
    """Pieces 0 and 1 are the same piece, so that dx and the sums do not feel how they share."""
    x, w, b = (np.round(3 * a) for a in maxout_layer(rng))  # sums of whole numbers are exact
    w[1], b[1] = w[0], b[0]
    b[2] += 0.5  # never as large as another piece
    dout = rng.normal(size=(N, M)) + 0.5
    _, cache = impl.maxout_forward(x, w, b)
    dx, dw, db = impl.maxout_backward(dout, cache)
    return {"dx": dx, "sum of dw over the pieces": dw.sum(axis=0), "sum of db": db.sum(axis=0)}


def _maxout_gradient_types(impl, rng):
    arrays, dout = maxout_layer(rng), rng.normal(size=(N, M))
    *single, single_dout = (a.astype(np.float32) for a in (*arrays, dout))
    _, cache = impl.maxout_forward(*single)
    gradients = impl.maxout_backward(single_dout, cache)
    observed = dict(zip(("dx", "dw", "db"), gradients, strict=True))
    observed |= afterwards("x w b dout", [*single, single_dout])
    _, cache = impl.maxout_forward(*arrays)
    double, *_ = impl.maxout_backward(dout, cache)
    return observed | {"dx of float64 dout": double}


# ------------------------------------------------------------------ the exercises

FORBIDDEN = (
    "torch.nn.functional.leaky_relu",
    "torch.nn.functional.leaky_relu_",
    "torch.nn.functional.prelu",
    "torch.nn.functional.elu",
    "torch.nn.functional.elu_",
    "torch.nn.functional.celu",
    "torch.nn.LeakyReLU",
    "torch.nn.PReLU",
    "torch.nn.ELU",
    "torch.nn.CELU",
    "torch.celu",
    "torch.prelu",
)
RETURNS = {
    "leaky_relu_forward": ("out", "cache"),
    "leaky_relu_backward": ("dx",),
    "slope_breaking_input": ("x",),
    "maxout_forward": ("out", "cache"),
    "maxout_backward": ("dx", "dw", "db"),
    "elu_forward": ("out", "cache"),
    "elu_backward": ("dx",),
}
exercise = family("activations", RETURNS, FORBIDDEN)

LEAKY_FORWARD = exercise(
    "Leaky ReLU, forward",
    "leaky_relu_forward",
    forward_checks("leaky_relu_forward", LEAKY_ALPHA, (2, 1, 1, 1, 1)),
    "3–4",
    small=(
        "leaky_relu_forward(np.array([2.0, -1.0]), 0.1)[0]",
        "leaky_relu_forward(np.array([2.0, -1.0]), 0.5)[0]",
        "leaky_relu_forward(np.array([2.0, 0.0, -1.0]))[0]",
    ),
    look="""\
print(leaky_relu_forward(np.array([-2.0, 0.0, 2.0]))[0])  # -0.2, 0 and 2: a little leaks
""",
)
LEAKY_BACKWARD = exercise(
    "Leaky ReLU, backward",
    "leaky_relu_forward leaky_relu_backward",
    backward_checks(
        "leaky_relu_forward",
        "leaky_relu_backward",
        LEAKY_ALPHA,
        (1, 1.5, 1.5, 1, 1, 1, 1),
        ("dx where x is exactly 0", _leaky_zeros, between_the_sides),
    ),
    "3–4",
    small=(
        "_, cache = leaky_relu_forward(np.array([2.0, -1.0]), 0.1)\n"
        "leaky_relu_backward(np.array([3.0, 5.0]), cache)",
        "_, cache = leaky_relu_forward(np.array([2.0, -1.0]), 0.5)\n"
        "leaky_relu_backward(np.array([3.0, -5.0]), cache)",
    ),
    look="""\
_, cache = leaky_relu_forward(np.array([-2.0, 2.0]))
print(leaky_relu_backward(np.array([5.0, 5.0]), cache))  # 0.5 and 5: the slopes are 0.1 and 1
""",
)
SEPARATING = exercise(
    "Kill the bug: an input for the slope by division",
    "leaky_relu_forward leaky_relu_backward slope_breaking_input",
    (
        separation(
            "your input tells right from wrong",
            2,
            OUTCOMES,
            find=lambda impl: impl.slope_breaking_input(),
            own=_own,
            unfair=_unfair,
            outcome=_outcome,
        ),
    ),
    "3–4",
    given=(slope_by_division,),
    bonus=True,
    no_small=KILLS_A_BUG,
    look="""\
# The slopes on your input, twice: where do they part?
x = slope_breaking_input()
out, kept = leaky_relu_forward(x)
print("yours:      ", leaky_relu_backward(np.ones_like(x), kept))
with np.errstate(all="ignore"):
    print("by division:", slope_by_division(np.ones_like(x), (out, x)))
""",
)
MAXOUT_FORWARD = exercise(
    "Maxout, forward",
    "maxout_forward",
    (
        Check("three pieces", 1, _maxout),
        Check("two pieces, as on the slide", 0.5, _maxout_of_two),
        Check(
            "float32 and float64 alike, inputs stay as they were", 0.5, _maxout_types, keeps_types
        ),
    ),
    "3–4",
    bonus=True,
    small=(
        "maxout_forward(np.array([[2.0]]), np.array([[[1.0]], [[-1.0]]]), np.array([[0.0], "
        "[1.0]]))[0]",
        "maxout_forward(np.array([[2.0], [-3.0]]), np.array([[[1.0]], [[-1.0]]]), "
        "np.array([[0.5], [1.0]]))[0]",
        "maxout_forward(np.array([[2.0], [-3.0]]), np.array([[[-1.0, 1.0]], [[-2.0, 0.5]], "
        "[[-4.0, 3.0]]]), np.array([[-0.5, 1.0], [-2.0, 0.0], [-1.0, 1.0]]))[0]",
    ),
    look="""\
print(maxout_forward(np.array([[2.0], [-3.0]]), np.array([[[1.0]], [[-1.0]]]), np.zeros((2, 1)))[0])
# 2 and 3: the larger one of x and -x
""",
)
MAXOUT_BACKWARD = exercise(
    "Maxout, backward",
    "maxout_forward maxout_backward",
    (
        Check("dw and db", 0.5, _maxout_gradients("dw", "db"), follow_through, _maxout_out),
        Check("dx", 0.5, _maxout_gradients("dx"), follow_through, _maxout_out),
        Check("pieces that are equally large", 0.5, _maxout_ties),
        Check(
            "float32 and float64 alike, inputs stay as they were",
            0.5,
            _maxout_gradient_types,
            keeps_types,
        ),
    ),
    "3–4",
    bonus=True,
    small=(
        "_, cache = maxout_forward(np.array([[2.0]]), np.array([[[1.0]], [[-1.0]]]), "
        "np.array([[0.0], [1.0]]))\n"
        "maxout_backward(np.array([[3.0]]), cache)",
        "_, cache = maxout_forward(np.array([[2.0], [-3.0]]), np.array([[[1.0]], "
        "[[-1.0]]]), np.array([[0.5], [1.0]]))\n"
        "maxout_backward(np.array([[3.0], [5.0]]), cache)",
        """\
_, cache = maxout_forward(np.array([[2.0]]), np.ones((2, 1, 1)), np.zeros((2, 1)))
dx, dw, db = maxout_backward(np.array([[3.0]]), cache)
dx, dw.sum(axis=0), db.sum(axis=0)""",
    ),
    look="""\
_, cache = maxout_forward(np.array([[2.0]]), np.array([[[1.0]], [[-1.0]]]), np.zeros((2, 1)))
print(*maxout_backward(np.array([[5.0]]), cache))  # the second piece gets no gradient
""",
)
ELU_FORWARD = exercise(
    "ELU, forward",
    "elu_forward",
    forward_checks(
        "elu_forward",
        ELU_ALPHA,
        (0.25, 0.25, 0.5, 0.25, 0.25, 0.5),
        ("numbers far from 0", _elu_far, None),
    ),
    "3–4",
    bonus=True,
    small=(
        "elu_forward(np.array([2.0, -1.0]), 1.0)[0]",
        "elu_forward(np.array([2.0, -1.0]), 0.5)[0]",
        "elu_forward(np.array([2.0, 0.0, -1.0]))[0]",
        "elu_forward(np.array([800.0, -800.0]), 1.0)[0]",
    ),
    look="""\
print(elu_forward(np.array([-20.0, 0.0, 2.0]))[0])  # nearly -1, 0 and 2
""",
)
ELU_BACKWARD = exercise(
    "ELU, backward",
    "elu_forward elu_backward",
    backward_checks(
        "elu_forward",
        "elu_backward",
        ELU_ALPHA,
        (0.25, 0.25, 0.25, 0.25, 0.5, 0.25, 0.25),
        ("dx, numbers far from 0", _elu_backward_far, None),
    ),
    "3–4",
    bonus=True,
    small=(
        "_, cache = elu_forward(np.array([2.0, -1.0]), 1.0)\n"
        "elu_backward(np.array([3.0, -5.0]), cache)",
        "_, cache = elu_forward(np.array([2.0, -1.0]), 0.5)\n"
        "elu_backward(np.array([3.0, 5.0]), cache)",
        "_, cache = elu_forward(np.array([800.0, -800.0]), 1.0)\n"
        "elu_backward(np.array([3.0, 5.0]), cache)",
    ),
    look="""\
_, cache = elu_forward(np.array([-20.0, 2.0]))
print(elu_backward(np.array([5.0, 5.0]), cache))  # nearly 0 and 5: far to the left it is flat
""",
)

EXERCISES = (
    LEAKY_FORWARD,
    LEAKY_BACKWARD,
    SEPARATING,
    MAXOUT_FORWARD,
    MAXOUT_BACKWARD,
    ELU_FORWARD,
    ELU_BACKWARD,
    LEAKY_FORWARD.in_torch(points=4),
    LEAKY_BACKWARD.in_torch(points=5),
    MAXOUT_FORWARD.in_torch(points=1),
    MAXOUT_BACKWARD.in_torch(points=1),
    ELU_FORWARD.in_torch(points=1),
    ELU_BACKWARD.in_torch(points=1),
)
