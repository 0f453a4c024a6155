"""Dropout of both kinds, and exact expectations over its masks.

The bounds of random shares are Hoeffding's, see `share_bound`. x is positive everywhere, so that
a zero of the output is a dropped unit.
"""

import math

import numpy as np

from autograder.checking.judge import same_dtype
from autograder.checking.scenarios import afterwards, refusal, refuses, separation
from autograder.checking.spec import KILLS_A_BUG, RANDOM, Check
from autograder.exercises.regularization.shared import (
    exercise,
    outcome_check,
    place_of_share,
    share_bound,
    type_of,
)

N, D = 60, 35
CLOSE = 1e-4  # relative; float32 is far inside, and the factors in question far outside


def _keep(rng):
    """Return a p that is neither ½ nor near anything that is made of it by mistake."""
    return float(rng.uniform(0.7, 0.8))


def _x(rng, shape=(N, D)):
    return rng.uniform(0.5, 2, size=shape)


def _param(p, seed, mode="train"):
    return {"p": p, "mode": mode, "seed": seed}


def _seed(rng):
    return int(rng.integers(2**31))


def _forward(impl, kind):
    return getattr(impl, f"{kind}_forward")


def _backward(impl, kind):
    return getattr(impl, f"{kind}_backward")


def _usable(array, shape):
    return array.shape == shape and bool(np.isfinite(array).all())


# ------------------------------------------------------------------ which units are kept

NO_ARRAY = "out must have the shape of x, and be finite"
KEPT = (
    "right",
    NO_ARRAY,
    "no unit is dropped",
    "all units are dropped",
    "the fraction of the units that are kept is 1 − p",
    "the fraction of the units that are kept is ½, whatever p is",
    "the fraction of the units that are kept is that of normal random numbers below p",
    "the fraction of the units that are kept is not p",
)


def _kept_scenario(kind):
    def scenario(impl, rng):
        p = float(rng.uniform(0.2, 0.26))  # far from ½, and from what normal numbers would give
        rows = {"x": _x(rng, (1, 1500)), "x of many rows": _x(rng, (1500, 1))}
        out = {
            name.replace("x", "out", 1): _forward(impl, kind)(x, _param(p, _seed(rng)))[0]
            for name, x in rows.items()
        }
        return {**rows, "p": np.array(p)}, out

    return scenario


def _kept_place(inputs, raw):
    """Look at one long row, and at many short ones; the better of the two counts.

    A mask that examples or features share is wrong in one of them, and another check asks for that.
    """
    p, places = float(inputs["p"]), []
    for name in ("x", "x of many rows"):
        out, x = raw[name.replace("x", "out", 1)], inputs[name]
        if not _usable(out, x.shape):
            return 1
        places.append(_place_of_share(float(np.mean(out != 0)), p, x.size))
    return min(places, key=lambda place: (place in (2, 3, 7), place))


def _place_of_share(share, p, n):
    if share in (0, 1):
        return 3 - int(share)
    below = 0.5 * (1 + math.erf(p / math.sqrt(2)))  # P(normal number < p)
    if abs(share - p) < share_bound(n):
        return 0
    shares = (1 - p, 0.5, below)
    nearest = min(range(3), key=lambda k: abs(share - shares[k]))
    place = nearest + 4 if abs(share - shares[nearest]) < share_bound(n) else 7
    return place_of_share(place, share, p, n)


# ------------------------------------------------------------------ what is left of a kept unit

FACTORS = {
    "1": lambda p: 1.0,
    "1/p": lambda p: 1 / p,
    "p": lambda p: p,
    "1/(1 − p)": lambda p: 1 / (1 - p),
    "1 − p": lambda p: 1 - p,
    "1/p²": lambda p: p**-2,
    "p²": lambda p: p**2,
}


def _values(right):
    """Return the outcomes for kept units that should be multiplied by the factor `right`."""
    others = [name for name in FACTORS if name != right]
    return (
        "right",
        NO_ARRAY,
        "all units are dropped",
        *(f"kept units are multiplied by {name}, not by {right}" for name in others),
        "kept units are not all multiplied by the same number",
        f"kept units are not multiplied by {right}",
    )


def _factor_place(ratios, p, right):
    """Return the place in `_values(right)` of what kept units were multiplied by."""
    if ratios.size == 0:
        return 2
    if np.ptp(ratios) > CLOSE * np.abs(ratios).max():
        return 2 + len(FACTORS)
    others = [name for name in FACTORS if name != right]
    for place, name in ((0, right), *enumerate(others, start=3)):
        if math.isclose(ratios.flat[0], FACTORS[name](p), rel_tol=CLOSE):
            return place
    return 3 + len(FACTORS)


def _value_check(kind, points, right):
    def scenario(impl, rng):
        p, x = _keep(rng), _x(rng)
        out, _ = _forward(impl, kind)(x, _param(p, _seed(rng)))
        return {"x": x, "p": np.array(p)}, {"out": out}

    def place(inputs, raw):
        x, out = inputs["x"], raw["out"].astype(float)
        if not _usable(out, x.shape):
            return 1
        kept = out != 0
        return _factor_place(out[kept] / x[kept], float(inputs["p"]), right)

    title = "kept units are scaled" if right != "1" else "kept units stay as they are"
    return outcome_check(title, points, _values(right), scenario, place)


# ------------------------------------------------------------------ each unit by itself

ALONE = (
    "right",
    NO_ARRAY,
    "all units are kept, or none",
    "all examples share one mask",
    "all units of an example share one draw",
    "every example keeps the same number of units",
)


def _alone_place(inputs, raw):
    x, out = inputs["x"], raw["out"]
    if not _usable(out, x.shape):
        return 1
    kept = out != 0
    if kept.all() or not kept.any():
        return 2
    if (kept == kept[:1]).all():
        return 3
    if (kept == kept[:, :1]).all():
        return 4
    return 5 if np.ptp(kept.sum(axis=1)) == 0 else 0


def _alone_check(kind, points):
    def scenario(impl, rng):
        p, x = _keep(rng), _x(rng)
        return {"x": x}, {"out": _forward(impl, kind)(x, _param(p, _seed(rng)))[0]}

    title = "every unit of every example by itself"
    return outcome_check(title, points, ALONE, scenario, _alone_place)


# ------------------------------------------------------------------ at test time


def _still(right):
    others = [name for name in FACTORS if name != right]
    return (
        "right",
        NO_ARRAY,
        "all is 0 at test time",
        "some units are 0 at test time: it is still random",
        *(f"at test time units are multiplied by {name}, not by {right}" for name in others),
        "units are not all multiplied by the same number at test time",
        f"at test time units are not multiplied by {right}",
    )


def _test_time_check(kind, points, right, of="forward"):
    """Return the check of test mode, forward or backward."""

    def scenario(impl, rng):
        p, x, dout = _keep(rng), _x(rng), _x(rng)
        out, cache = _forward(impl, kind)(x, _param(p, _seed(rng), "test"))
        inputs = {"x": x if of == "forward" else dout, "p": np.array(p)}
        return inputs, {"out": out if of == "forward" else _backward(impl, kind)(dout, cache)}

    def place(inputs, raw):
        x, out = inputs["x"], raw["out"].astype(float)
        if not _usable(out, x.shape):
            return 1
        if (out == 0).any():
            return 3 if out.any() else 2
        place = _factor_place(out / x, float(inputs["p"]), right)
        return place and place + 1

    names = {"forward": "test mode", "backward": "in test mode"}
    return outcome_check(names[of], points, _still(right), scenario, place)


# ------------------------------------------------------------------ where randomness comes from

SEEDED = (
    "right",
    "one seed gives different masks",
    "different seeds give the same mask",
    "without a seed every call gives the same mask",
)
GOES_ON = (
    "right",
    "a generator gives the same mask at the second call",
    "generators in one state give different masks",
)


def _seed_check(kind, points):
    def scenario(impl, rng):
        p, x, seed = _keep(rng), _x(rng), _seed(rng)
        seeds = {"first": seed, "again": seed, "other": seed + 1}
        given = {name: _param(p, number) for name, number in seeds.items()}
        params = given | {"fresh": {"p": p}, "fresh again": {"p": p}}
        return {}, {name: _forward(impl, kind)(x, param)[0] != 0 for name, param in params.items()}

    def place(inputs, raw):
        if not np.array_equal(raw["first"], raw["again"]):
            return 1
        if np.array_equal(raw["first"], raw["other"]):
            return 2
        return 3 if np.array_equal(raw["fresh"], raw["fresh again"]) else 0

    return outcome_check("the seed decides", points, SEEDED, scenario, place)


def _generator_check(kind, points):
    def scenario(impl, rng):
        p, x, seed = _keep(rng), _x(rng), _seed(rng)
        param, alike = (_param(p, np.random.default_rng(seed)) for _ in range(2))
        return {}, {
            "first": _forward(impl, kind)(x, param)[0] != 0,
            "second": _forward(impl, kind)(x, param)[0] != 0,
            "alike": _forward(impl, kind)(x, alike)[0] != 0,
        }

    def place(inputs, raw):
        if not np.array_equal(raw["first"], raw["alike"]):
            return 2
        return 1 if np.array_equal(raw["first"], raw["second"]) else 0

    return outcome_check("a generator goes on", points, GOES_ON, scenario, place)


# ------------------------------------------------------------------ types and modes


def _types(kind):
    def scenario(impl, rng):
        x, p = _x(rng).astype(np.float32), _keep(rng)
        out, _ = _forward(impl, kind)(x, _param(p, _seed(rng)))
        double, _ = _forward(impl, kind)(x.astype(float), _param(p, _seed(rng)))
        types = {"out": type_of(out), "out of float64 x": type_of(double)}
        return {**types, **afterwards("x", [x])}

    return scenario


def _mode(kind):
    def scenario(impl, rng):
        x, p = _x(rng), _keep(rng)
        return refusal(lambda: _forward(impl, kind)(x, _param(p, 0, "tests")))

    return scenario


def forward_checks(kind, points):
    """Return the checks of a forward pass, worth what `points` says, in the order below."""
    share, value, alone, test, seed, generator, types, mode = points
    training, still = ("1", "p") if kind == "vanilla_dropout" else ("1/p", "1")
    return (
        outcome_check(
            "units are kept with probability p", share, KEPT, _kept_scenario(kind), _kept_place
        ),
        _value_check(kind, value, training),
        _alone_check(kind, alone),
        _test_time_check(kind, test, still),
        _seed_check(kind, seed),
        _generator_check(kind, generator),
        Check("float32 and float64 alike, x stays as it was", types, _types(kind), same_dtype),
        Check("a mode that is neither train nor test", mode, _mode(kind), refuses),
    )


# ------------------------------------------------------------------ backward


def _gradients(right):
    others = [name for name in FACTORS if name != right]
    return (
        "right",
        "dx must have the shape of dout, and be finite",
        "no gradient comes through",
        "the gradient comes through dropped units too, as it is",
        "the gradient comes through dropped units too",
        "the gradient comes through dropped units, and through no other",
        "the gradient does not come through the units that were kept",
        *(f"the gradient is multiplied by {name}, not by {right}" for name in others),
        "the gradient is not multiplied by the same number everywhere",
        f"the gradient is not multiplied by {right}",
    )


def _gradient_place(out, dout, dx, p, right):
    """Return the place in `_gradients(right)` of dx, for the mask that the student's out shows."""
    if not _usable(dx, dout.shape) or out.shape != dout.shape:
        return 1
    kept, through = out != 0, dx != 0
    if not through.any():
        return 2
    if through.all() and not kept.all():
        return 3 if np.allclose(dx, dout) else 4
    if (kept != through).any():
        return 5 if (kept ^ through).all() else 6
    place = _factor_place(dx[through] / dout[through], p, right)
    return place and place + 4


def _backward_check(kind, points, right, calls, title):
    """Return the check of some forward passes, then as many backward passes in the same order."""

    def scenario(impl, rng):
        p = _keep(rng)
        xs, douts = [_x(rng) for _ in range(calls)], [_x(rng) for _ in range(calls)]
        passed = [_forward(impl, kind)(x, _param(p, _seed(rng))) for x in xs]
        dxs = [
            _backward(impl, kind)(dout, cache)
            for dout, (_, cache) in zip(douts, passed, strict=True)
        ]
        inputs = {f"dout{k}": dout for k, dout in enumerate(douts)}
        raw = {f"out{k}": out for k, (out, _) in enumerate(passed)}
        raw |= {f"dx{k}": dx for k, dx in enumerate(dxs)}
        return {**inputs, "p": np.array(p)}, raw

    def place(inputs, raw):
        p = float(inputs["p"])
        return max(
            _gradient_place(raw[f"out{k}"], inputs[f"dout{k}"], raw[f"dx{k}"], p, right)
            for k in range(calls)
        )

    return outcome_check(title, points, _gradients(right), scenario, place)


def _backward_types(kind):
    def scenario(impl, rng):
        x, dout = _x(rng).astype(np.float32), _x(rng).astype(np.float32)
        _, cache = _forward(impl, kind)(x, _param(_keep(rng), _seed(rng)))
        return {"dx": type_of(_backward(impl, kind)(dout, cache)), **afterwards("dout", [dout])}

    return scenario


def backward_checks(kind, points):
    """Return the checks of a backward pass, worth what `points` says, in the order below."""
    one, two, test, types = points
    training, still = ("1", "p") if kind == "vanilla_dropout" else ("1/p", "1")
    return (
        _backward_check(kind, one, training, 1, "through the units that were kept"),
        _backward_check(kind, two, training, 2, "two forward passes, then two backward passes"),
        _test_time_check(kind, test, still, "backward"),
        Check(
            "float32 stays float32, dout stays as it was", types, _backward_types(kind), same_dtype
        ),
    )


# ------------------------------------------------------------------ exact expectations


def _neuron(rng, size, outputs):
    """Return a function (D,) -> (outputs,) that is linear in nothing, and not 0 at 0."""
    A, b = rng.normal(size=(outputs, size)), rng.normal(size=outputs)

    def neuron(x):
        return np.tanh(A @ x + b)

    return neuron


def _linear(impl, rng):
    w, x, p = rng.normal(size=6), rng.normal(size=6), _keep(rng)
    return {"expected": impl.expectation_over_masks(lambda at: np.array(w @ at), x, p)}


def _two_inputs(impl, rng):
    neuron, x = _neuron(rng, 2, 3), rng.normal(size=2)
    return {"expected": impl.expectation_over_masks(neuron, x, 0.5)}


def _five_inputs(impl, rng):
    neuron, x = _neuron(rng, 5, 3), rng.normal(size=5)
    return {"expected": impl.expectation_over_masks(neuron, x, _keep(rng))}


def _all_kept(impl, rng):
    neuron, x = _neuron(rng, 4, 3), rng.normal(size=4)
    return {"expected": impl.expectation_over_masks(neuron, x, 1.0)}


def _all_dropped(impl, rng):
    neuron, x = _neuron(rng, 4, 3), rng.normal(size=4)
    return {"expected": impl.expectation_over_masks(neuron, x, 0.0)}


def _unchanged(impl, rng):
    neuron, x = _neuron(rng, 4, 3), rng.normal(size=4)
    impl.expectation_over_masks(neuron, x, 0.5)
    return afterwards("x", [x])


# ------------------------------------------------------------------ kill the bug

KILL_P, MOST, APART = 0.7, 8, 0.1


def scaled_neuron(a, p):
    """Somebody's mean of a neuron with a ReLU: scale its inputs by p, as at test time."""
    return max(0.0, p * float(np.sum(a)))


def _rectified(a):
    return np.maximum(np.sum(a), 0)


PRODUCT_OUTCOMES = (
    "right and wrong differ",
    f"a must have shape (D,), with 2 to {MOST} numbers",
    "every product must lie between −100 and 100, and one of them at least 0.01 from 0",
    "your own expectation_over_masks is wrong for these products",
    "both are 0 here: no mask makes the sum positive",
    "both are the same here: no mask makes the sum negative",
    "they differ, but by less than a tenth of the largest product",
)


def _unfair_products(a):
    if a.ndim != 1 or not 2 <= a.size <= MOST:
        return 1
    return 0 if (np.abs(a) <= 100).all() and np.abs(a).max() >= 0.01 else 2


def _product_outcome(a, own):
    """Return the place in PRODUCT_OUTCOMES of what `a` and the student's mean of it show."""
    right = _mean_by_binary_numbers(a)
    if own is None or own.ndim or not np.isclose(own, right, 1e-6, 1e-9):
        return 3
    apart = abs(right - scaled_neuron(a, KILL_P)) / np.abs(a).max()
    if apart > APART:
        return 0
    if apart > 1e-9:
        return 6
    return 5 if right else 4


def _mean_by_binary_numbers(a):
    """Mean of max(0, Σ m·a), with the masks as the digits of the numbers from 0 to 2^D − 1."""
    masks = np.arange(2**a.size)[:, None] >> np.arange(a.size) & 1  # (2^D, D)
    weights = np.prod(np.where(masks, KILL_P, 1 - KILL_P), axis=1)
    return float(weights @ np.maximum(masks @ a, 0))


# ------------------------------------------------------------------ the exercises

FORWARD = exercise(
    "Inverted dropout, forward",
    "dropout_forward",
    forward_checks("dropout", (3, 3, 2, 2, 1.5, 0.5, 1.5, 0.5)),
    "71–72, 82",
    look="""\
out, cache = dropout_forward(np.ones((4, 8)), {"p": 0.75, "mode": "train", "seed": 0})
print(out)  # zeros and one other number, no two rows alike
print(dropout_forward(np.ones((4, 8)), {"p": 0.75, "mode": "test", "seed": 0})[0])  # all ones
""",
    no_small=RANDOM,
)
BACKWARD = exercise(
    "Inverted dropout, backward",
    "dropout_forward dropout_backward",
    backward_checks("dropout", (3, 1.5, 1.5, 1)),
    "71–72, 82",
    look="""\
out, cache = dropout_forward(np.ones((2, 8)), {"p": 0.75, "mode": "train", "seed": 0})
print(out)
print(dropout_backward(np.ones((2, 8)), cache))  # zeros in the same places
""",
    no_small=RANDOM,
)
VANILLA_FORWARD = exercise(
    "Vanilla dropout, forward",
    "vanilla_dropout_forward",
    forward_checks("vanilla_dropout", (0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25)),
    "71–72, 79–81",
    bonus=True,
    look="""\
for mode in ("train", "test"):
    out, cache = vanilla_dropout_forward(np.ones((2, 8)), {"p": 0.75, "mode": mode, "seed": 0})
    print(out)  # zeros and ones in training, one number at test time
""",
    no_small=RANDOM,
)
VANILLA_BACKWARD = exercise(
    "Vanilla dropout, backward",
    "vanilla_dropout_forward vanilla_dropout_backward",
    backward_checks("vanilla_dropout", (0.75, 0.5, 0.5, 0.25)),
    "71–72, 79–81",
    bonus=True,
    look="""\
out, cache = vanilla_dropout_forward(np.ones((2, 8)), {"p": 0.75, "mode": "train", "seed": 0})
print(out)
print(vanilla_dropout_backward(np.ones((2, 8)), cache))  # zeros in the same places
""",
    no_small=RANDOM,
)
EXPECTATION = exercise(
    "The exact expectation over all masks",
    "expectation_over_masks",
    (
        Check("a linear neuron", 2, _linear),
        Check("two inputs, p = ½: the four masks of slide 78", 2, _two_inputs),
        Check("five inputs, another p", 3, _five_inputs),
        Check("p = 1: all is kept", 0.5, _all_kept),
        Check("p = 0: all is dropped", 0.5, _all_dropped),
        Check("x stays as it was", 1, _unchanged),
    ),
    "75–78",
    look="""\
x = np.array([1.0, 2.0])
print(expectation_over_masks(lambda at: at.sum(), x, 0.5))  # a sum is on average half as large
print(expectation_over_masks(lambda at: at.sum() ** 2, x, 1.0))  # with p = 1 nothing is dropped
""",
    small=(
        "expectation_over_masks(lambda x: x.sum(), np.array([4.0]), 0.25)",
        "expectation_over_masks(lambda x: x.sum() ** 2, np.array([3.0, 1.0]), 0.25)",
        "expectation_over_masks(lambda x: x, np.array([3.0, 1.0]), 0.25)",
        "expectation_over_masks(lambda x: np.exp(x.sum()), np.array([1.0, 2.0, 0.0]), 0.75)",
    ),
)
SEPARATING = exercise(
    "Kill the bug: a neuron whose mean is not its scaled self",
    "expectation_over_masks separating_products",
    (
        separation(
            "your products tell right from wrong",
            5,
            PRODUCT_OUTCOMES,
            find=lambda impl: impl.separating_products(KILL_P),
            own=lambda impl, a: impl.expectation_over_masks(_rectified, a, KILL_P),
            unfair=_unfair_products,
            outcome=_product_outcome,
        ),
    ),
    "75–80",
    given=(scaled_neuron,),
    no_small=KILLS_A_BUG,
    look="""\
# The neuron's mean over all masks, and what scaling its inputs gives: they should be far apart.
a = separating_products(0.5)
print("mean:  ", expectation_over_masks(lambda a: max(0.0, a.sum()), a, 0.5))
print("scaled:", scaled_neuron(a, 0.5))
""",
)

EXERCISES = (
    FORWARD,
    BACKWARD,
    VANILLA_FORWARD,
    VANILLA_BACKWARD,
    EXPECTATION,
    SEPARATING,
    FORWARD.in_torch(points=6),
    BACKWARD.in_torch(points=4),
)
