"""DropConnect: a mask for each example, its gradient, and the Gaussian at test time.

Inputs grow threefold from weight to weight, so that a sum tells which products are in it: the
difference of two sums is never smaller than 0.4.
"""

import itertools
from statistics import NormalDist

import numpy as np

from autograder.checking.judge import same_dtype
from autograder.checking.scenarios import separation
from autograder.checking.spec import KILLS_A_BUG, RANDOM, Check
from autograder.exercises.regularization.noise import PRECISION, near, precision, randomness_check
from autograder.exercises.regularization.shared import (
    FALSE_ALARM,
    Place,
    exercise,
    outcome_check,
    place_of_share,
    share_bound,
)
from cs231n_lib.regularization import normal_cdf

P = 0.7
N, D, M = 240, 5, 3
CLOSE = 1e-3  # of sums up to 150; float32 is far inside


def inputs(rng, examples=N, bias=0.0):
    """Return x (N, D), w (D, M) and b (M,) for which every sum of products names its products."""
    x = rng.choice([-1, 1], (examples, D)) * rng.uniform(1, 1.1, (examples, D))
    sizes = 3.0 ** rng.permuted(np.tile(np.arange(D)[:, None], (1, M)), axis=0)
    w = rng.choice([-1, 1], (D, M)) * rng.uniform(1, 1.09, (D, M)) * sizes
    return x, w, bias * rng.uniform(1, 2, M)


SUBSETS = np.array(list(itertools.product((0.0, 1.0), repeat=D)))  # (32, D)


def all_sums(x, w):
    """Return the sums (32, N, M) of every subset of the products of each output."""
    return np.einsum("sd,ndm->snm", SUBSETS, x[:, :, None] * w)


SCALES = {"right": 1.0, "divided by p": P, "multiplied by p": 1 / P, "divided by 1 - p": 1 - P}


def decoded(x, w, sums):
    """Return (masks, name of the scale) of sums of products; (None, "") for anything else."""
    if sums.shape != (len(x), w.shape[1]) or not np.isfinite(sums).all():
        return None, ""
    candidates = all_sums(x, w)
    for name, scale in SCALES.items():
        off = np.abs(candidates - scale * sums)  # (32, N, M)
        if off.min(axis=0).max() < CLOSE:
            return SUBSETS[off.argmin(axis=0)].swapaxes(1, 2), name
    return None, ""


def forward(impl, rng, bias=0.0, p=P):
    """Run the forward pass on fresh inputs; return them, and what came out."""
    x, w, b = inputs(rng, bias=bias)
    out, _ = impl.dropconnect_forward(x.copy(), w.copy(), b.copy(), p, rng)
    return {"x": x, "w": w, "b": b}, {"out": out}


SUMS = (
    "right",
    "out must have shape (N, M)",
    "the products are not all whole, or there are others: each is there or not",
    "the sums are divided by the probability of keeping a weight",
    "the sums are multiplied by the probability of keeping a weight",
    "the sums are divided by the probability of dropping a weight",
)


def _sums(given, answers):
    x, w, out = given["x"], given["w"], answers["out"]
    if out.shape != (N, M):
        return 1
    _, scale = decoded(x, w, out)
    return {"": 2, "right": 0, **{s: 2 + i for i, s in enumerate(SCALES) if i}}[scale]


SHARES = (
    "right",
    "which weights were kept cannot be told from the sums",
    "the fraction of weights that are kept is that of those to drop",
    "all weights are kept",
    "no weight is kept",
    "a weight that is gone in one example is gone in all that follow",
    "the fraction of weights that are kept is one half, whatever p is",
    "the fraction of weights that are kept is that of normal random numbers below p",
    "the fraction of weights that are kept is another one",
)


def _share(given, answers):
    masks, _ = decoded(given["x"], given["w"], answers["out"])
    if masks is None:
        return 1
    falls = np.diff(masks, axis=0)
    if falls.any() and (falls <= 0).all():
        return 5
    for axis in range(3):  # draws that are shared, of which another check asks, count once
        if (masks == masks.take([0], axis=axis)).all():
            masks = masks.take([0], axis=axis)
    share, room = masks.mean(), share_bound(masks.size)
    if share in (0, 1):
        return 4 - int(share)
    shares = {0: P, 2: 1 - P, 6: 0.5, 7: NormalDist().cdf(P)}
    near = (place for place, s in shares.items() if abs(share - s) < room)
    return place_of_share(next(near, 8), share, P, masks.size)


OWN_DRAWS = (
    "right",
    "which weights were kept cannot be told from the sums",
    "all examples have the same mask",
    "all outputs of an example miss the same inputs: units are dropped, not weights",
    "an output has all of its weights or none: outputs are dropped, not weights",
)


def _own_draws(given, answers):
    masks, _ = decoded(given["x"], given["w"], answers["out"])  # (N, D, M)
    if masks is None or masks.std() == 0:
        return 1
    for place, axis in ((2, 0), (3, 2), (4, 1)):
        if (masks == masks.take([0], axis=axis)).all():
            return place
    return 0


BIASES = (
    "right",
    "the bias is not in the sums",
    "the bias is multiplied by p",
    "the bias is taken away too, now and then",
    "the bias is not added once to every output",
)


def _bias(given, answers):
    x, w, b, out = given["x"], given["w"], given["b"], answers["out"]
    if out.shape != (N, M):
        return 4
    for place, share in ((0, 1.0), (1, 0.0), (2, P)):
        if decoded(x, w, out - share * b)[0] is not None:
            return place
    without, whole = (np.abs(all_sums(x, w) - (out - s * b)).min(axis=0) for s in (0, 1))
    return 3 if (np.minimum(without, whole) < CLOSE).all() else 4


def _in_parts(impl, rng):
    """Run the forward pass on one part of the examples after the other."""
    x, w, b = inputs(rng, bias=0.17)
    parts = np.split(x, 12)
    out = [impl.dropconnect_forward(part.copy(), w.copy(), b.copy(), P, rng)[0] for part in parts]
    return {"x": x, "w": w, "b": b}, {"out": np.concatenate(out)}


def _with_all_weights(impl, arrays):
    return impl.dropconnect_forward(*arrays, 1.0, np.random.default_rng(0))[:1]


def _small(rng):
    return rng.normal(size=(4, 3)), rng.normal(size=(3, 5)), rng.normal(size=5)


def _forward_precision(impl, rng):
    return precision(_with_all_weights, "x w b")(impl, _small(rng))


def _forward_call(impl, rng):
    arrays = _small(rng)
    return lambda generator: impl.dropconnect_forward(*arrays, 0.5, generator)[0]


FORWARD = exercise(
    "DropConnect, forward",
    "dropconnect_forward",
    (
        outcome_check("each output adds up some of its products", 2, SUMS, forward, _sums),
        outcome_check("how many weights are kept", 2, SHARES, forward, _share),
        outcome_check("every weight, every example has a draw of its own", 2, OWN_DRAWS, forward,
                      _own_draws),
        outcome_check("the bias, whole and once", 1, BIASES, _in_parts, _bias),
        randomness_check(1, _forward_call),
        Check(f"{PRECISION} (p = 1)", 1, _forward_precision, same_dtype),
    ),
    "94",
    look="""\
x, b, rng = np.ones((4, 3)), np.zeros(2), np.random.default_rng(0)
w = np.array([[1.0, 1.0], [10.0, 10.0], [100.0, 100.0]])
print(dropconnect_forward(x, w, b, 0.5, rng)[0])  # the digits show which weights were there
""",
    no_small=RANDOM,
)  # fmt: skip

# ------------------------------------------------------------------ backward


def gradients(impl, rng):
    """Run both passes; return the inputs, and what came out."""
    x, w, b = inputs(rng)
    dout = rng.normal(size=(N, M))
    out, cache = impl.dropconnect_forward(x.copy(), w.copy(), b.copy(), P, rng)
    dx, dw, db = impl.dropconnect_backward(dout.copy(), cache)
    return {"x": x, "w": w, "b": b, "dout": dout}, {"out": out, "dx": dx, "dw": dw, "db": db}


def _dx_by(mask, given):
    return np.einsum("nm,ndm->nd", given["dout"], mask * given["w"] * np.ones((N, 1, 1)))


def _dw_by(mask, given):
    return np.einsum("nd,ndm,nm->dm", given["x"], mask * np.ones((N, D, M)), given["dout"])


def _some_mask(dx, given):
    """Say whether every number of dx adds up some of its products."""
    some = np.array(list(itertools.product((0.0, 1.0), repeat=M)))  # (2^M, M)
    sums = np.einsum("sm,nm,dm->snd", some, given["dout"], given["w"])
    return bool((np.abs(sums - dx).min(axis=0) < CLOSE).all())


def gradient_check(title, points, key, by):
    """Return the check of the gradient `key`, which `by(mask, inputs)` computes from a mask."""

    def outcome(given, answers):
        masks, scale = decoded(given["x"], given["w"], answers["out"])
        if masks is None:
            return 1
        own, everything = by(masks, given), by(1.0, given)
        if answers[key].shape != own.shape:
            return 2
        choices = {
            0: own,
            3: own / SCALES[scale],
            4: own / N,
            5: own / P,
            6: own * P,
            7: everything,
            8: everything * P,
        }
        fits = (place for place, choice in choices.items() if near(answers[key], choice))
        return next(fits, 9 if key == "dx" and _some_mask(answers[key], given) else 10)

    return outcome_check(title, points, GRADIENTS, gradients, outcome, half=(3,))


GRADIENTS = (
    "right",
    "your forward pass does not tell which weights were kept",
    "it has another shape than what it is the gradient of",
    "it is right for your own forward pass, which scales the sums; hence half the points",
    "it is divided by the number of examples",
    "it is divided by p",
    "it is multiplied by p",
    "it is that of a layer with all weights",
    "it is that of a layer with all weights, multiplied by p",
    "it is that of other weights than those that were kept",
    "it is not that of the weights that were kept",
)


def _db(impl, rng):
    return {"db": gradients(impl, rng)[1]["db"]}


def two_calls(impl, rng):
    """Run two forward passes, and then both backward passes."""
    x, w, b = inputs(rng)
    dout = rng.normal(size=(N, M))
    calls = [impl.dropconnect_forward(x.copy(), w.copy(), b.copy(), P, rng) for _ in range(2)]
    dxs = [impl.dropconnect_backward(dout.copy(), cache)[0] for _, cache in calls]
    given = {"x": x, "w": w, "b": b, "dout": dout}
    return given, {"out": calls[0][0], "dx": dxs[0], "later": calls[1][0], "dx later": dxs[1]}


TWO_CALLS = (
    "right",
    "your forward pass does not tell which weights were kept",
    "the first call's gradient comes from the second call's mask",
    "a gradient does not come from the mask of its own call",
)


def _two_calls(given, answers):
    masks = [decoded(given["x"], given["w"], answers[key])[0] for key in ("out", "later")]
    if any(mask is None for mask in masks):
        return 1
    own = [_dx_by(mask, given) for mask in masks]
    if near(answers["dx"], own[0]) and near(answers["dx later"], own[1]):
        return 0
    return 2 if near(answers["dx"], own[1]) else 3


def _backward_with_all_weights(impl, arrays):
    *layer, dout = arrays
    _, cache = impl.dropconnect_forward(*layer, 1.0, np.random.default_rng(0))
    return impl.dropconnect_backward(dout, cache)


def _backward_precision(impl, rng):
    arrays = (*_small(rng), rng.normal(size=(4, 5)))
    return precision(_backward_with_all_weights, "x w b dout", "dx dw db")(impl, arrays)


BACKWARD = exercise(
    "DropConnect, backward",
    "dropconnect_forward dropconnect_backward",
    (
        gradient_check("dx, through the weights that were kept", 1.5, "dx", _dx_by),
        gradient_check("dw, of the weights that were kept", 2, "dw", _dw_by),
        Check("db", 1, _db),
        outcome_check("two calls, two masks", 0.5, TWO_CALLS, two_calls, _two_calls),
        Check(f"{PRECISION} (p = 1)", 1, _backward_precision, same_dtype),
    ),
    "94",
    look="""\
x, w, rng = np.ones((1, 3)), np.array([[1.0], [10.0], [100.0]]), np.random.default_rng(1)
out, cache = dropconnect_forward(x, w, np.zeros(1), 0.5, rng)
dx, dw, db = dropconnect_backward(np.ones((1, 1)), cache)
print(out, dx, dw.T, db)  # dx holds what is left of w; dw is 1 where a weight was there
""",
    no_small=RANDOM,
)  # fmt: skip

# ------------------------------------------------------------------ the Gaussian at test time


def layer(rng, examples=4):
    """Return x (N, 6), w (6, 3), b (3,) whose output lies around 0, where a ReLU bends."""
    x, w = rng.normal(size=(examples, 6)), rng.normal(size=(6, 3))
    return x, w, rng.uniform(0.5, 1, 3) * rng.choice([-1, 1], 3)


def _mean(impl, rng):
    return {"mean": impl.dropconnect_moments(*layer(rng), P)[0]}


def _variance(impl, rng):
    x, w, b = layer(rng)
    return {"variance": impl.dropconnect_moments(x, w, 0 * b, P)[1]}


def _variance_with_bias(impl, rng):
    x, w, b = layer(rng)
    return {"variance": impl.dropconnect_moments(x, w, 3 * b, P)[1]}


def _moments_precision(impl, rng):
    call = precision(lambda impl, a: impl.dropconnect_moments(*a, 0.4), "x w b", "mean variance")
    return call(impl, layer(rng))


MOMENTS = exercise(
    "DropConnect: mean and variance over all masks",
    "dropconnect_moments",
    (
        Check("the mean, with a bias", 2, _mean),
        Check("the variance, without a bias", 2, _variance),
        Check("the variance, with a bias", 1, _variance_with_bias),
        Check(PRECISION, 1, _moments_precision, same_dtype),
    ),
    "94",
    small=(
        "dropconnect_moments(np.array([[2.0]]), np.array([[3.0]]), np.array([0.0]), 0.5)",
        "dropconnect_moments(np.array([[2.0]]), np.array([[3.0]]), np.array([1.0]), 0.75)",
        "dropconnect_moments(np.ones((1, 2)), np.array([[1.0], [-1.0]]), np.array([3.0]), 0.5)",
        "dropconnect_moments(np.array([[1.0, -2.0]]), np.eye(2) + 0.5, np.zeros(2), 0.25)",
    ),
    look="""\
x, w, b = np.ones((1, 2)), np.array([[1.0], [-1.0]]), np.array([3.0])
print(dropconnect_moments(x, w, b, 0.5))  # by hand: the four masks give 3, 4, 2 and 3
""",
)

MANY, FEW, ROWS = 4000, 25, 300
QUANTILES = np.array([NormalDist().inv_cdf((i + 0.5) / 1000) for i in range(1000)])


def around_zero(rng, examples=4):
    """Return x, w, b with means within about half a deviation of 0, and deviations above 1.4."""
    x = rng.choice([-1, 1], (examples, 6)) * rng.uniform(1, 1.5, (examples, 6))
    w = rng.choice([-1, 1], (6, 3)) * rng.uniform(1.3, 2, (6, 3))
    return x, w, -P * (x @ w).mean(axis=0) + rng.uniform(-0.3, 0.3, 3)


def sampled(samples, examples):
    """Return the run of inference on some examples; only one of them, repeated, where many."""

    def run(impl, rng):
        x, w, b = around_zero(rng, 4)
        if examples != 4:
            x = np.repeat(x[:1], examples, axis=0)
            b = -P * (x @ w)[0] + rng.uniform(-0.3, 0.3, 3)
        out = impl.dropconnect_inference(x.copy(), w.copy(), b.copy(), P, samples, rng)
        return {"x": x, "w": w, "b": b}, {"out": out}

    return run


def gaussian(given):
    """Return mean and deviation (N, M) of the outputs, by the masks of each weight alone."""
    x, w, b = given["x"], given["w"], given["b"]
    products = x[:, :, None] * w  # (N, 6, 3), each there with probability P
    spread = (P * (products - P * products) ** 2 + (1 - P) * (P * products) ** 2).sum(axis=1)
    return (P * products).sum(axis=1) + b, np.sqrt(spread)


def _relu_mean(mean, deviation):
    return np.maximum(mean + deviation * QUANTILES[:, None, None], 0).mean(axis=0)


AVERAGES = (
    "right",
    "out must have shape (N, M)",
    "it is the ReLU of the mean: averaged first, bent afterwards",
    "there is no ReLU in it",
    "the spread of the draws is the variance, where it should be its root",
    "the samples are added up, not averaged",
    "it is not the mean of the ReLU of the Gaussian",
)


def _average(given, answers):
    out = answers["out"]
    mean, deviation = gaussian(given)
    if out.shape != mean.shape:
        return 1
    room = deviation * np.sqrt(2 * np.log(2 * mean.size / FALSE_ALARM) / MANY) + 3e-3
    choices = (
        _relu_mean(mean, deviation),
        np.maximum(mean, 0),
        mean,
        _relu_mean(mean, deviation**2),
    )
    error = np.abs(out - choices[0])
    if (error < room).all():
        return 0
    worst = np.unravel_index(np.argmax(error / room), error.shape)
    numbers = f"mean {out[worst]:.3f}, expected {choices[0][worst]:.3f} ± {room[worst]:.3f}"
    for place, choice in zip((2, 3, 4), choices[1:], strict=True):
        extra = np.maximum(deviation, 1) if place == 4 else 1
        if (np.abs(out - choice) < room * extra).all():
            return Place(place, numbers)
    added = (np.abs(out / MANY - choices[0]) < room).all()
    return Place(5 if added else 6, numbers)


DRAWS = (
    "right",
    "out must have shape (N, M)",
    "equal examples get equal outputs: they share their draws, or there are none",
    "the outputs of an example share one draw",
    "all outputs share one draw",
)


def _draws(given, answers):
    out = answers["out"]
    mean, deviation = gaussian(given)
    if out.shape != mean.shape:
        return 1
    z = (out - mean) / deviation
    alive = (out > 0).all(axis=1)
    one_column = alive.any() and np.ptp(z[alive], axis=1).max() < CLOSE
    if np.ptp(z, axis=0).max() < CLOSE:  # all rows are of one example
        return 4 if one_column else 2
    return 3 if one_column else 0


COUNTS = (
    "right",
    "out must have shape (N, M)",
    "the outputs scatter as if fewer samples were averaged than asked for",
)


def _count(given, answers):
    """Judge the squares of the errors: no larger than those of a χ² (Laurent & Massart 2000)."""
    out = answers["out"]
    mean, deviation = gaussian(given)
    if out.shape != mean.shape:
        return 1
    errors = (out - _relu_mean(mean, deviation)) / deviation * np.sqrt(FEW)
    n, t = out.size, 25.0
    square, most = (errors**2).mean(), 1 + 2 * np.sqrt(t / n) + 2 * t / n
    if square < most:
        return 0
    return Place(2, f"squared error {square:.2f}, expected below {most:.2f}")


def _inference_call(impl, rng):
    arrays = around_zero(rng)
    return lambda generator: impl.dropconnect_inference(*arrays, P, 3, generator)


def _inference_precision(impl, rng):
    def call(impl, arrays):
        return (impl.dropconnect_inference(*arrays, 1.0, 3, np.random.default_rng(0)),)

    return precision(call, "x w b")(impl, layer(rng))


INFERENCE = exercise(
    "DropConnect at test time: samples of a Gaussian",
    "dropconnect_moments dropconnect_inference",
    (
        outcome_check("the average of many samples", 3, AVERAGES, sampled(MANY, 4), _average),
        outcome_check("every output has a draw of its own", 2, DRAWS, sampled(1, ROWS), _draws),
        outcome_check("as many samples as asked for", 0.5, COUNTS, sampled(FEW, ROWS), _count),
        randomness_check(0.5, _inference_call),
        Check(f"{PRECISION} (p = 1)", 1, _inference_precision, same_dtype),
    ),
    "94",
    look="""\
x, w, rng = np.ones((1, 2)), np.array([[1.0], [-1.0]]), np.random.default_rng(0)
for K in (1, 10, 1000):
    print(K, dropconnect_inference(x, w, np.zeros(1), 0.5, K, rng))  # towards 0.28, not 0
""",
    no_small=RANDOM,
)


def _closed_form(impl, rng):
    """Also with weights so small that no output deviates by as much as 1."""
    x, w, b = around_zero(rng)
    small = impl.dropconnect_closed_form(x.copy(), w / 20, b / 20, P)
    return {"out": impl.dropconnect_closed_form(x, w, b, P), "out of small weights": small}


def _closed_form_far(impl, rng):
    x, w, b = around_zero(rng)
    far = np.array([-25.0, 40.0, 3.0]) + b
    return {"out": impl.dropconnect_closed_form(x, w, far, P)}


def _closed_form_certain(impl, rng):
    """Nothing varies where all weights are kept, or where all inputs are 0; a mean may be 0 too."""
    x, w, b = layer(rng)
    all_kept = impl.dropconnect_closed_form(x.copy(), w.copy(), b.copy(), 1.0)
    x[1], b[0] = 0, 0
    return {"out with p = 1": all_kept, "out of x = 0": impl.dropconnect_closed_form(x, w, b, P)[1]}


def _closed_form_precision(impl, rng):
    call = precision(lambda impl, a: (impl.dropconnect_closed_form(*a, 1.0),), "x w b")
    return call(impl, around_zero(rng))


CLOSED_FORM = exercise(
    "DropConnect at test time: the Gaussian in closed form (bonus)",
    "dropconnect_moments dropconnect_closed_form",
    (
        Check("outputs around 0", 2, _closed_form),
        Check("outputs far from 0", 1, _closed_form_far),
        Check("no variance", 1, _closed_form_certain),
        Check(f"{PRECISION} (p = 1)", 1, _closed_form_precision, same_dtype),
    ),
    "94",
    given=(normal_cdf,),
    bonus=True,
    small=(
        "dropconnect_closed_form(np.ones((1, 2)), np.array([[1.0], [-1.0]]), np.array([0.0]), 0.5)",
        "dropconnect_closed_form(np.array([[2.0]]), np.array([[3.0]]), np.array([1.0]), 0.5)",
        "dropconnect_closed_form(np.array([[2.0]]), np.array([[-3.0]]), np.array([1.0]), 1.0)",
        "dropconnect_closed_form(np.array([[0.0]]), np.array([[3.0]]), np.array([0.0]), 0.5)",
    ),
    look="""\
x, w = np.ones((1, 2)), np.array([[1.0], [-1.0]])
for b in (-5.0, 0.0, 5.0):  # nearly 0, then some, then nearly the mean itself
    print(b, dropconnect_closed_form(x, w, np.array([b]), 0.5))
""",
)

# ------------------------------------------------------------------ kill the bug


def squared_sum_variance(x, w, p):
    """Somebody's variance of DropConnect: that of a layer which is there or not, as a whole."""
    return p * (1 - p) * (x @ w) ** 2


OUTCOMES = (
    "right and wrong differ",
    "w must have shape (D, 1), with 1 to 10 weights",
    "weights must be finite, and the largest between 0.01 and 100 in size",
    "your own dropconnect_moments is wrong for these weights",
    "both say nearly the same: one weight alone",
    "both say nearly the same here",
    "the other one sees noise too, only another amount",
)


def _unfair(w):
    if w.ndim != 2 or w.shape[1] != 1 or not 1 <= len(w) <= 10:
        return 1
    return 0 if np.isfinite(w).all() and 0.01 <= np.abs(w).max() <= 100 else 2


def _separates(w, own):
    ones = np.ones((1, len(w)))
    masks = np.array(list(itertools.product((0.0, 1.0), repeat=len(w))))
    right = float((masks @ w).var())  # p = ½: all masks are equally likely
    if own is None or own.shape != (1, 1) or not abs(own.item() - right) < 1e-6 * (right + 1e-6):
        return 3
    wrong = float(squared_sum_variance(ones, w, 0.5).item())
    if wrong <= 1e-6 * right:
        return 0
    if abs(wrong - right) < 0.05 * right:
        return 4 if np.count_nonzero(w) == 1 else 5
    return 6


def _own_variance(impl, w):
    return impl.dropconnect_moments(np.ones((1, len(w))), w, np.zeros(1), 0.5)[1]


SEPARATING = exercise(
    "Kill the bug: weights whose noise another variance cannot see",
    "dropconnect_moments separating_weights",
    (
        separation(
            "your weights tell right from wrong",
            4,
            OUTCOMES,
            find=lambda impl: impl.separating_weights(),
            own=_own_variance,
            unfair=_unfair,
            outcome=_separates,
        ),
    ),
    "94",
    given=(squared_sum_variance,),
    look="""\
w = separating_weights()
moments = dropconnect_moments(np.ones((1, len(w))), w, np.zeros(1), 0.5)
print("right:", moments[1], "theirs:", squared_sum_variance(np.ones((1, len(w))), w, 0.5))
""",
    no_small=KILLS_A_BUG,
)

EXERCISES = (
    FORWARD,
    BACKWARD,
    MOMENTS,
    SEPARATING,
    INFERENCE,
    CLOSED_FORM,
    FORWARD.in_torch(points=6),
    BACKWARD.in_torch(points=6),
    MOMENTS.in_torch(points=1, optional=True),
    INFERENCE.in_torch(points=2, optional=True),
)
