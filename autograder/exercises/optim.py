"""Exercises of the family `optim`: what is asked, how it is tried, what it is worth.

A rule is tried over several steps and judged by where the weights go; what it keeps in its config
is its own affair. One check asks for the defaults and one for settings, which are neither the usual
ones nor each other's complement; all others give the usual settings, so that neither another
default nor a setting that is not looked at costs more than its own check. Gradients are so large
that epsilon does not show, but for the check that asks where epsilon goes.
"""

import json
from dataclasses import replace

import numpy as np

from autograder.checking.judge import Verdict, dtypes_alone, matches
from autograder.checking.scenarios import family, separation
from autograder.checking.spec import KILLS_A_BUG, Check

SHAPE, OTHER_SHAPE = (3, 5), (2,)  # of two parameters
STEPS = 4
LARGE = 1e12  # beside such gradients epsilon is rounding
RATE = 0.13
MOMENTUM = {"learning_rate": RATE, "momentum": 0.7}
RMSPROP = {"learning_rate": RATE, "decay_rate": 0.7}
BETAS = {"beta1": 0.6, "beta2": 0.83}
ADAM = {"learning_rate": RATE, **BETAS}
ADAMW = {**ADAM, "weight_decay": 0.4}
USUAL_RATE = {"learning_rate": 1e-2}
USUAL_MOMENTUM = {**USUAL_RATE, "momentum": 0.9}
USUAL_RMSPROP = {**USUAL_RATE, "decay_rate": 0.99}
USUAL_ADAM = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999}
USUAL_ADAMW = {**USUAL_ADAM, "weight_decay": 0.3}  # the usual one hardly shows
EPSILON = 0.3

IN_PLACE = (
    "Right, but w itself was changed too: a statement such as w -= ... writes into the caller's "
    "array. Trainers often do that on purpose; here next_w is a new array."
)


# ------------------------------------------------------------------ scenarios for every rule


def descend(impl, rule, rng, config=None, scale=1.0, steps=STEPS, size=1.0):
    """Return the weights (steps, 3, 5) after each of some steps along random gradients."""
    w, path = size * rng.normal(size=SHAPE), []
    for _ in range(steps):
        w, config = getattr(impl, rule)(w, scale * rng.normal(size=SHAPE), config)
        path.append(w.copy())
    return np.array(path)


def first_step(rule, settings, scale=1.0):
    """Return the check's scenario: one step with given settings, a zero in the gradient."""

    def scenario(impl, rng):
        w, dw = rng.normal(size=SHAPE), scale * rng.normal(size=SHAPE)
        dw[1, 2] = 0
        return {"next_w": getattr(impl, rule)(w, dw, {**settings})[0]}

    return scenario


def default_steps(rule, scale=1.0, sizes=(1e-3,)):
    """Return the check's scenario: steps without a config, from weights of some sizes."""

    def scenario(impl, rng):
        paths = {size: descend(impl, rule, rng, None, scale, size=size) for size in sizes}
        return {f"w after each step, from about {size:g}": path for size, path in paths.items()}

    return scenario


def given_steps(rule, settings, scale=1.0):
    """Return the check's scenario: steps with given settings."""
    return lambda impl, rng: {"w after each step": descend(impl, rule, rng, {**settings}, scale)}


def changing_rate(rule, settings):
    """Return the check's scenario: the caller lowers the learning rate in the returned config."""

    def scenario(impl, rng):
        w, config, path = rng.normal(size=SHAPE), {**settings}, []
        for step in range(STEPS):
            w, config = getattr(impl, rule)(w, rng.normal(size=SHAPE), config)
            config["learning_rate"] = RATE / (step + 2)
            path.append(w.copy())
        return {"w after each step": np.array(path)}

    return scenario


def long_after_the_start(rule, settings):
    """Return the check's scenario: the last of many steps, with means that have a short memory.

    What is done about the start has faded: 0.4⁴⁰ is rounding.
    """
    brief = {**settings, "beta1": 0.3, "beta2": 0.4}

    def scenario(impl, rng):
        path = descend(impl, rule, rng, {**brief}, LARGE, steps=45)
        return {"the last steps": np.diff(path[-5:], axis=0)}

    return scenario


def two_parameters(rule, settings, scale=1.0):
    """Return the check's scenario: two parameters take turns, each with its own config.

    The rule makes the config, in a step from 0 with a gradient of 0, which leads nowhere; then the
    config gets the settings.
    """

    def scenario(impl, rng):
        step, weights, configs = getattr(impl, rule), [], []
        for shape in (SHAPE, OTHER_SHAPE):
            w, config = step(np.zeros(shape), np.zeros(shape))
            weights.append(w)
            configs.append(config)
        for config in configs:
            config.update(settings)
        for _ in range(STEPS):
            for i, w in enumerate(weights):
                weights[i], configs[i] = step(w, scale * rng.normal(size=w.shape), configs[i])
        return {"first parameter": weights[0], "second parameter": weights[1]}

    return scenario


def where_epsilon_goes(rule, settings):
    """Return the check's scenario: a large epsilon, and the default one beside small gradients."""

    def scenario(impl, rng):
        given = descend(impl, rule, rng, {**settings, "epsilon": EPSILON})
        default = descend(impl, rule, rng, {**settings}, scale=3e-8)
        return {"w with a large epsilon": given, "w with the default epsilon": default}

    return scenario


def types_and_inputs(rule, settings, scale=1.0):
    """Return the check's scenario: two steps in float32, one in float64, and what they left."""

    def scenario(impl, rng):
        step = getattr(impl, rule)
        w, dw = rng.normal(size=SHAPE), scale * rng.normal(size=SHAPE)
        double, _ = step(w.copy(), dw.copy(), {**settings})
        w, dw = w.astype(np.float32), dw.astype(np.float32)
        before = w.copy()
        next_w, config = step(w, dw, {**settings})
        next_w, _ = step(next_w, dw, config)
        return {
            "next_w": next_w,
            "next_w of float64 w": double,
            "dw after the call": dw,
            "w moved": np.array(not np.array_equal(next_w, before)),
            "_w changed": np.array(not np.array_equal(w, before)),
        }

    return scenario


UNTOUCHED = ("dw after the call", "w moved")


def keeps_dtype(seen, expected):
    """Judge: dtypes as the reference's, dw untouched, w moved, wherever that is.

    A w that was changed in place gets a remark and keeps the points.
    """
    verdict = dtypes_alone(seen, expected)
    if verdict.fraction == 1:
        asked = {key: expected.arrays[key] for key in UNTOUCHED if key in expected.arrays}
        verdict = replace(matches(seen, replace(expected, arrays=asked)), remark=verdict.remark)
    if verdict.fraction < 1 or not seen.get("_w changed", np.array(0)).any():
        return verdict
    return Verdict(1, remark=" ".join([verdict.remark, IN_PLACE]).strip())


TYPES = "float32 and float64 alike, dw stays as it was"
LOOK_TYPES = "float32 and float64 alike"
TURNS = "two parameters take turns"
FIRST, DEFAULT, GIVEN = "the first step", "default settings", "given settings"
CHANGING = "the learning rate falls on the way"
EPSILON_GOES = "where epsilon goes"
AFTERWARDS = "long after the start"


def checks(scenarios, points):
    """Return the checks {name: scenario}, each worth its entry of `points`."""
    judges = {TYPES: keeps_dtype, LOOK_TYPES: keeps_dtype}
    return tuple(
        Check(name, worth, scenario, judges.get(name))
        for (name, scenario), worth in zip(scenarios.items(), points, strict=True)
    )


def momentum_checks(rule, points):
    """Return the checks of a rule that builds up velocity."""
    return checks(
        {
            FIRST: first_step(rule, USUAL_MOMENTUM),
            DEFAULT: default_steps(rule),
            GIVEN: given_steps(rule, MOMENTUM),
            CHANGING: changing_rate(rule, USUAL_MOMENTUM),
            TURNS: two_parameters(rule, USUAL_MOMENTUM),
            TYPES: types_and_inputs(rule, USUAL_MOMENTUM),
        },
        points,
    )


def adaptive_checks(rule, settings, usual, points, sizes=(1e-3,)):
    """Return the checks of a rule that divides by the size of the gradients.

    `sizes` are those of the weights when defaults are asked for: a decay shows on large ones only.
    """
    scenarios = {
        FIRST: first_step(rule, usual, LARGE),
        DEFAULT: default_steps(rule, LARGE, sizes),
        GIVEN: given_steps(rule, settings, LARGE),
        EPSILON_GOES: where_epsilon_goes(rule, usual),
        TURNS: two_parameters(rule, usual, LARGE),
        TYPES: types_and_inputs(rule, usual),
    }
    if "beta1" in usual:
        scenarios[AFTERWARDS] = long_after_the_start(rule, usual)
    return checks(scenarios, points)


# ------------------------------------------------------------------ look-ahead


def valley(rng):
    """Return the gradient function of a loss that is no quadratic, and the points asked for."""
    curvature, bottom = rng.uniform(0.5, 3, SHAPE), rng.normal(size=SHAPE)
    asked = []

    def gradient(w):
        asked.append(w)
        slope = curvature * (w - bottom) + np.sin(2 * w)
        return slope.astype(w.dtype)

    return gradient, asked


def look_ahead(impl, rng, config, steps=STEPS):
    """Return the weights after each step in a random valley, and where the gradient was asked."""
    gradient, asked = valley(rng)
    w, path = rng.normal(size=SHAPE), []
    for _ in range(steps):
        w, config = impl.nesterov_lookahead(w, gradient, config)
        path.append(w.copy())
    return np.array(path), np.array(asked)


def _look_first(impl, rng):
    return {"next_w": look_ahead(impl, rng, {**USUAL_MOMENTUM}, steps=1)[0][0]}


def _look_default(impl, rng):
    return {"w after each step": look_ahead(impl, rng, None)[0]}


def _look_given(impl, rng):
    return {"w after each step": look_ahead(impl, rng, {**MOMENTUM})[0]}


def _look_where(impl, rng):
    return {"where the gradient was asked for": look_ahead(impl, rng, {**USUAL_MOMENTUM})[1]}


def _look_turns(impl, rng):
    """As `two_parameters`, with a gradient function for each."""
    gradient, _ = valley(rng)
    other = rng.normal(size=OTHER_SHAPE)
    gradients, weights, configs = [gradient, lambda w: (3 * w - other).astype(w.dtype)], [], []
    for shape in (SHAPE, OTHER_SHAPE):
        w, config = impl.nesterov_lookahead(np.zeros(shape), lambda w: 0 * w)
        weights.append(w)
        configs.append(config)
    for config in configs:
        config.update(USUAL_MOMENTUM)
    for _ in range(STEPS):
        for i, w in enumerate(weights):
            weights[i], configs[i] = impl.nesterov_lookahead(w, gradients[i], configs[i])
    return {"first parameter": weights[0], "second parameter": weights[1]}


def _look_types(impl, rng):
    gradient, _ = valley(rng)
    w = rng.normal(size=SHAPE)
    double, _ = impl.nesterov_lookahead(w.copy(), gradient, {**USUAL_MOMENTUM})
    w = w.astype(np.float32)
    before = w.copy()
    next_w, config = impl.nesterov_lookahead(w, gradient, {**USUAL_MOMENTUM})
    next_w, _ = impl.nesterov_lookahead(next_w, gradient, config)
    return {
        "next_w": next_w,
        "next_w of float64 w": double,
        "w moved": np.array(not np.array_equal(next_w, before)),
        "_w changed": np.array(not np.array_equal(w, before)),
    }


# ------------------------------------------------------------------ kill the bug: look-ahead


def backward_lookahead(w, gradient, config):
    """Take a step of Nesterov's momentum, looking the wrong way."""
    carried = config["momentum"] * (w - config.get("before", w))  # the velocity was the last step
    config["before"] = w
    return w + carried - config["learning_rate"] * gradient(w - carried), config


KILL_RATE, KILL_MOMENTUM, KILL_STEPS = 0.1, 0.9, 100
ARRIVED, LOST = 0.01, 1.0  # times the distance from the minimum at the start


def _on_bowl(step, curvatures):
    """Return the distances from the minimum of ½ Σ h w², from w = 1, after `KILL_STEPS` steps."""
    w, config = np.ones(len(curvatures)), {"learning_rate": KILL_RATE, "momentum": KILL_MOMENTUM}
    for _ in range(KILL_STEPS):
        w, config = step(w, lambda at: curvatures * at, config)
    return np.abs(w)


CURVATURE_OUTCOMES = (
    "right and wrong differ",
    "h must have shape (D,), with 1 to 10 floats",
    "every curvature must be above 0 and at most 1,000",
    "your own nesterov_lookahead is wrong in this bowl",
    "your own nesterov_lookahead does not come near the minimum of this bowl either",
    "both come nearer to the minimum in this bowl",
)


def _curvature_outcome(h, own):
    """Return the place in CURVATURE_OUTCOMES of what `h` and the student's run in it show."""
    right = _second_order(h)
    if own is None or own.shape != h.shape or not np.allclose(own, right, 1e-6, 1e-9):
        return 3
    if not (right < ARRIVED).all():
        return 4
    return 0 if (_on_bowl(backward_lookahead, h) > LOST).any() else 5


def _second_order(h):
    """Distances after `KILL_STEPS` right steps, from the recursion in w alone."""
    damping = 1 - KILL_RATE * h
    before, w = np.ones_like(h), damping * 1.0
    for _ in range(KILL_STEPS - 1):
        before, w = w, damping * ((1 + KILL_MOMENTUM) * w - KILL_MOMENTUM * before)
    return np.abs(w)


def _unfair_curvatures(h):
    if h.ndim != 1 or not 0 < h.size <= 10:
        return 1
    return 0 if ((h > 0) & (h <= 1000)).all() else 2


# ------------------------------------------------------------------ kill the bug: bias correction


def uncorrected_path(gradients, learning_rate=0.01, beta1=0.9, beta2=0.999):
    """Return where Adam without bias correction goes from 0, (T,), one step a gradient."""
    w, m, v, path = 0.0, 0.0, 0.0, []
    for g in gradients:
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w -= learning_rate * m / (np.sqrt(v) + 1e-8)
        path.append(w)
    return np.array(path)


KILL_ADAM_RATE, FAR = 0.01, 90  # how many learning rates the two have to end apart
LONGEST = 20


NOT_FAR = f"after these gradients, right and wrong are less than {FAR} learning rates apart"
GRADIENT_OUTCOMES = (
    "right and wrong differ",
    f"the gradients must have shape (T,), with 1 to {LONGEST} floats",
    "every gradient must lie between 0.001 and 1000 in size",
    "your own adam is wrong on these gradients",
    f"{NOT_FAR}; these are few",
    f"{NOT_FAR}; these change their sign",
    f"{NOT_FAR}; these are of very different sizes",
    NOT_FAR,
)


def _gradient_outcome(g, own):
    """Return the place in GRADIENT_OUTCOMES of what `g` and the student's path on it show."""
    right = _weighted_path(g)
    if own is None or own.shape != g.shape or not np.allclose(own, right, 1e-6, 1e-9):
        return 3
    if abs(uncorrected_path(g)[-1] - right[-1]) >= FAR * KILL_ADAM_RATE:
        return 0
    if len(g) < LONGEST / 2:
        return 4
    if (g > 0).any() and (g < 0).any():
        return 5
    return 6 if np.abs(g).max() > 10 * np.abs(g).min() else 7


def _own_path(impl, g):
    w, config, path = np.zeros(1), {"learning_rate": KILL_ADAM_RATE}, []
    for value in g:
        w, config = impl.adam(w, np.array([value], dtype=float), config)
        path.append(w[0])
    return np.array(path)


def _weighted_path(g, beta1=0.9, beta2=0.999):
    """Where Adam goes from 0, with both means as averages of the gradients by their age."""
    steps = []
    for t in range(1, len(g) + 1):
        ages = np.arange(t)[::-1]
        mean = np.average(g[:t], weights=beta1**ages)
        square = np.average(g[:t] ** 2, weights=beta2**ages)
        steps.append(mean / (np.sqrt(square) + 1e-8))
    return -KILL_ADAM_RATE * np.cumsum(steps)


def _unfair_gradients(g):
    if g.ndim != 1 or not 0 < g.size <= LONGEST:
        return 1
    return 0 if ((np.abs(g) >= 1e-3) & (np.abs(g) <= 1e3)).all() else 2


# ------------------------------------------------------------------ tiny inputs


def small_steps(rule, settings):
    """Return small inputs of a rule: a step, three steps, without a config, once more without."""
    given = json.dumps(settings)
    return (
        f"{rule}(np.array([1.0]), np.array([4.0]), {given})[0]",
        f"""\
w, config = np.array([1.0]), {given}
for g in (4.0, -2.0, 1.0):
    w, config = {rule}(w, np.array([g]), config)
w""",
        f"""\
w, config = np.array([0.001, -0.002]), None
for g in (np.array([4.0, 30.0]), np.array([-2.0, 10.0])):
    w, config = {rule}(w, g, config)
w""",
        f"""\
_ = {rule}(np.array([1.0]), np.array([4.0]))
{rule}(np.array([1.0]), np.array([-2.0]))[0]""",
    )


def small_falling_rate(rule, settings):
    """Return a small input in which the rate falls after the first step."""
    return f"""\
w, config = {rule}(np.array([1.0]), np.array([4.0]), {json.dumps(settings)})
config["learning_rate"] = 0.25
{rule}(w, np.array([1.0]), config)[0]"""


def small_adaptive_steps(rule, settings):
    """Return small inputs of a rule that divides by the size of the gradients; two ask for eps."""
    given = json.dumps({**settings, "epsilon": 1.0})
    return (
        *small_steps(rule, settings),
        f"{rule}(np.array([1.0]), np.array([0.5]), {given})[0]",
        f"{rule}(np.array([0.0, 0.0]), np.array([1e-8, 0.0]))[0]",
    )


SMALL_MOMENTUM = {"learning_rate": 0.5, "momentum": 0.75}
SMALL_RMSPROP = {"learning_rate": 0.25, "decay_rate": 0.75}
SMALL_ADAM = {"learning_rate": 0.5, "beta1": 0.5, "beta2": 0.75}
SMALL_ADAMW = {**SMALL_ADAM, "weight_decay": 0.25}
SMALL_LOOKAHEAD = (
    """\
config = {"learning_rate": 0.5, "momentum": 0.75}
nesterov_lookahead(np.array([1.0]), lambda w: 4 * w, config)[0]""",
    """\
w, config = np.array([1.0]), {"learning_rate": 0.125, "momentum": 0.75}
for _ in range(3):
    w, config = nesterov_lookahead(w, lambda w: 4 * w, config)
w""",
    """\
w, config = np.array([1.0, -2.0]), None
for _ in range(2):
    w, config = nesterov_lookahead(w, lambda w: 4 * w, config)
w""",
    """\
_ = nesterov_lookahead(np.array([1.0]), lambda w: 4 * w)
nesterov_lookahead(np.array([1.0]), lambda w: 4 * w)[0]""",
    """\
asked = []

def gradient(w):
    asked.append(w)
    return 4 * w

_ = nesterov_lookahead(np.array([1.0]), gradient, {"learning_rate": 0.5})
len(asked)""",
)
LOOK_SGD = """\
# The minimum of w² lies at 0, and the gradient there is 2w. From 1 and from -1 alike, each step at
# rate 0.1 should take a fifth of the way.
w, config = np.array([1.0, -1.0]), {"learning_rate": 0.1}
for _ in range(3):
    w, config = sgd(w, 2 * w, config)
    print(w)
"""


def look_at_one_push(rule, comment, shown="w"):
    """Return a look at four steps of a rule, of which only the first has a gradient."""
    return f"""\
{comment}
w, config = np.zeros(1), {{"learning_rate": 0.1, "momentum": 0.5}}
for g in (1.0, 0.0, 0.0, 0.0):
    w, config = {rule}(w, np.array([g]), config)
    print({shown})
"""


LOOK_MOMENTUM = look_at_one_push(
    "sgd_momentum",
    """\
# One push with the gradient 1, then none: the weight should go on rolling in the same direction, by
# half as much at every step.""",
)
LOOK_UNSCALED = look_at_one_push(
    "sgd_momentum_unscaled",
    """\
# One push, then none, as above: the weight should take the same path. What is kept differs: here it
# is a sum of gradients.""",
    shown='w, "velocity", config["velocity"]',
)
LOOK_LOOKAHEAD = """\
# A slope that is told where it is asked. At first there is no velocity, and the place is w itself;
# later it should lie ahead of w, in the direction of the motion.
w, config = np.array([1.0]), {"learning_rate": 0.1, "momentum": 0.5}
for _ in range(3):
    asked = []
    before = w
    w, config = nesterov_lookahead(w, lambda place: asked.append(place) or 2 * place, config)
    print("at", before, "asked at", *asked, "went to", w)
"""
LOOK_NESTEROV = look_at_one_push(
    "nesterov",
    """\
# One push, then none. The first step should be longer than that of plain momentum, 0.1, because it
# counts the way ahead as well; then the weight should roll on, by half as much at every step.""",
)
LOOK_CURVATURES = """\
# How far from the minimum each direction of your bowl ends: near 0 with the look-ahead that you
# wrote, far away with the one that looks the wrong way.
h = separating_curvatures()
for step in (nesterov_lookahead, backward_lookahead):
    w, config = np.ones(len(h)), {"learning_rate": 0.1, "momentum": 0.9}
    for _ in range(100):
        w, config = step(w, lambda at: h * at, config)
    print(step.__name__, abs(w))
"""
LOOK_ADAGRAD = """\
# Two weights, one with gradients a thousand times as large. Both should move alike, and their steps
# should become shorter although the gradients stay the same.
w, config = np.zeros(2), {"learning_rate": 0.1}
for _ in range(4):
    w, config = adagrad(w, np.array([1000.0, 1.0]), config)
    print(w)
"""
LOOK_RMSPROP = """\
# Two weights, one with gradients a thousand times as large: both should move alike. AdaGrad's steps
# became shorter forever; these should settle, at about the learning rate.
w, config, way = np.zeros(2), {"learning_rate": 0.1, "decay_rate": 0.5}, [np.zeros(2)]
for _ in range(8):
    w, config = rmsprop(w, np.array([1000.0, 1.0]), config)
    way.append(w)
print(np.diff(way, axis=0))
"""
LOOK_ADAM_UNCORRECTED = """\
# One push, then none: with the momentum of the first mean the weight should roll on, for large and
# for small gradients alike.
w, config = np.zeros(2), {"learning_rate": 0.1, "beta1": 0.5, "beta2": 0.5}
for g in (1.0, 0.0, 0.0, 0.0):
    w, config = adam_uncorrected(w, np.array([1000.0, 1.0]) * g, config)
    print(w)
"""
LOOK_ADAM = """\
# However large a gradient is, as long as it stays the same every step should have one length; t
# should count 1, 2, 3.
w, config = np.zeros(2), {"learning_rate": 0.1}
for _ in range(3):
    w, config = adam(w, np.array([1000.0, -1.0]), config)
    print(config["t"], w)
"""
LOOK_GRADIENTS = """\
# Where Adam and its version without the correction end on your gradients, in learning rates.
w, config, gradients = np.zeros(1), {"learning_rate": 0.01}, separating_gradients()
for g in gradients:
    w, config = adam(w, np.array([g]), config)
print("yours:", w / 0.01, "without the correction:", uncorrected_path(gradients)[-1] / 0.01)
"""
LOOK_ADAMW = """\
# No gradient at all: the weights should shrink by the same share at every step, here by 5 %.
w, config = np.array([8.0, -1.0]), {"learning_rate": 0.1, "weight_decay": 0.5}
for _ in range(3):
    w, config = adamw(w, np.zeros(2), config)
    print(w)
"""

# ------------------------------------------------------------------ the exercises

FORBIDDEN = tuple(
    f"torch.optim.{name}"
    for name in (
        "SGD",
        "Adagrad",
        "RMSprop",
        "Adam",
        "AdamW",
        "NAdam",
        "sgd.SGD",
        "sgd.sgd",
        "adagrad.Adagrad",
        "adagrad.adagrad",
        "rmsprop.RMSprop",
        "rmsprop.rmsprop",
        "adam.Adam",
        "adam.adam",
        "adamw.AdamW",
        "adamw.adamw",
    )
)
STEP = ("next_w", "config")
RETURNS = {
    "sgd": STEP,
    "sgd_momentum": STEP,
    "sgd_momentum_unscaled": STEP,
    "Momentum": ("optimizer",),
    "nesterov_lookahead": STEP,
    "nesterov": STEP,
    "separating_curvatures": ("h",),
    "adagrad": STEP,
    "rmsprop": STEP,
    "adam_uncorrected": STEP,
    "adam": STEP,
    "Adam": ("optimizer",),
    "separating_gradients": ("gradients",),
    "adamw": STEP,
}

exercise = family("optim", RETURNS, FORBIDDEN)

SGD = exercise(
    "Gradient descent",
    "sgd",
    checks(
        {
            FIRST: first_step("sgd", USUAL_RATE),
            DEFAULT: default_steps("sgd"),
            GIVEN: given_steps("sgd", {"learning_rate": RATE}),
            CHANGING: changing_rate("sgd", USUAL_RATE),
            TYPES: types_and_inputs("sgd", USUAL_RATE),
        },
        (1.5, 1.5, 1.2, 1, 0.8),
    ),
    "20",
    small=small_steps("sgd", {"learning_rate": 0.5}),
    look=LOOK_SGD,
)
SGD_MOMENTUM = exercise(
    "Momentum, with the learning rate in the velocity",
    "sgd_momentum",
    momentum_checks("sgd_momentum", (2.5, 2.5, 3, 2, 2, 2)),
    "27–30",
    small=(
        *small_steps("sgd_momentum", SMALL_MOMENTUM),
        small_falling_rate("sgd_momentum", SMALL_MOMENTUM),
    ),
    look=LOOK_MOMENTUM,
)
SGD_MOMENTUM_UNSCALED = exercise(
    "Momentum, with the learning rate in the step",
    "sgd_momentum_unscaled",
    momentum_checks("sgd_momentum_unscaled", (1.5, 2, 2, 1.5, 1.5, 1.5)),
    "27–28",
    small=(
        *small_steps("sgd_momentum_unscaled", SMALL_MOMENTUM),
        small_falling_rate("sgd_momentum_unscaled", SMALL_MOMENTUM),
    ),
    look=LOOK_UNSCALED,
)
LOOKAHEAD = exercise(
    "Nesterov momentum, with the look-ahead",
    "nesterov_lookahead",
    checks(
        {
            FIRST: _look_first,
            DEFAULT: _look_default,
            GIVEN: _look_given,
            "where the gradient is asked for, once a step": _look_where,
            TURNS: _look_turns,
            LOOK_TYPES: _look_types,
        },
        (2, 2, 3, 3, 2, 2),
    ),
    "31–33",
    small=SMALL_LOOKAHEAD,
    look=LOOK_LOOKAHEAD,
)
NESTEROV = exercise(
    "Nesterov momentum, rearranged",
    "nesterov",
    checks(
        {
            FIRST: first_step("nesterov", USUAL_MOMENTUM),
            DEFAULT: default_steps("nesterov"),
            GIVEN: given_steps("nesterov", MOMENTUM),
            TURNS: two_parameters("nesterov", USUAL_MOMENTUM),
            TYPES: types_and_inputs("nesterov", USUAL_MOMENTUM),
        },
        (3, 3, 5, 2.5, 2.5),
    ),
    "34–35",
    small=small_steps("nesterov", SMALL_MOMENTUM),
    look=LOOK_NESTEROV,
)
CURVATURES = exercise(
    "Kill the bug: a bowl for a look-ahead that looks the wrong way",
    "nesterov_lookahead separating_curvatures",
    (
        separation(
            "your bowl tells right from wrong",
            4,
            CURVATURE_OUTCOMES,
            find=lambda impl: impl.separating_curvatures(),
            own=lambda impl, h: _on_bowl(impl.nesterov_lookahead, h),
            unfair=_unfair_curvatures,
            outcome=_curvature_outcome,
        ),
    ),
    "31–33",
    no_small=KILLS_A_BUG,
    look=LOOK_CURVATURES,
    given=(backward_lookahead,),
)
ADAGRAD = exercise(
    "AdaGrad",
    "adagrad",
    adaptive_checks("adagrad", {"learning_rate": RATE}, USUAL_RATE, (2, 2, 3, 1.5, 1.5, 2)),
    "37–41",
    small=small_adaptive_steps("adagrad", {"learning_rate": 0.5}),
    look=LOOK_ADAGRAD,
)
RMSPROP_EXERCISE = exercise(
    "RMSProp",
    "rmsprop",
    adaptive_checks("rmsprop", RMSPROP, USUAL_RMSPROP, (2, 2, 3, 1.5, 1.5, 2)),
    "42–43",
    small=small_adaptive_steps("rmsprop", SMALL_RMSPROP),
    look=LOOK_RMSPROP,
)
ADAM_UNCORRECTED = exercise(
    "Adam (almost)",
    "adam_uncorrected",
    adaptive_checks("adam_uncorrected", ADAM, USUAL_ADAM, (1.5, 1.5, 2, 1, 1.5, 1.5, 1)),
    "44–45",
    small=small_adaptive_steps("adam_uncorrected", SMALL_ADAM),
    look=LOOK_ADAM_UNCORRECTED,
)
ADAM_EXERCISE = exercise(
    "Adam",
    "adam",
    adaptive_checks("adam", ADAM, USUAL_ADAM, (3, 3, 4, 3, 3, 3, 3)),
    "46–47",
    small=small_adaptive_steps("adam", SMALL_ADAM),
    look=LOOK_ADAM,
)
GRADIENTS = exercise(
    "Kill the bug: gradients for an Adam without bias correction",
    "adam separating_gradients",
    (
        separation(
            "your gradients tell right from wrong",
            4,
            GRADIENT_OUTCOMES,
            find=lambda impl: impl.separating_gradients(),
            own=_own_path,
            unfair=_unfair_gradients,
            outcome=_gradient_outcome,
        ),
    ),
    "45–46",
    no_small=KILLS_A_BUG,
    look=LOOK_GRADIENTS,
    given=(uncorrected_path,),
)
ADAMW_EXERCISE = exercise(
    "AdamW",
    "adamw",
    adaptive_checks(
        "adamw", ADAMW, USUAL_ADAMW, (0.5, 0.5, 1, 0.5, 0.5, 0.5, 0.5), sizes=(1e-3, 1e3)
    ),
    "47",
    small=small_adaptive_steps("adamw", SMALL_ADAMW),
    look=LOOK_ADAMW,
    bonus=True,
)

EXERCISES = (
    SGD,
    SGD_MOMENTUM,
    SGD_MOMENTUM_UNSCALED,
    LOOKAHEAD,
    NESTEROV,
    CURVATURES,
    SGD.in_torch(points=1, optional=True),
    SGD_MOMENTUM.in_torch(points=2, optional=True),
    SGD_MOMENTUM_UNSCALED.in_torch(points=5),
    LOOKAHEAD.in_torch(points=2, optional=True),
    NESTEROV.in_torch(points=6),
    ADAGRAD,
    RMSPROP_EXERCISE,
    ADAM_UNCORRECTED,
    ADAM_EXERCISE,
    GRADIENTS,
    ADAMW_EXERCISE,
    ADAGRAD.in_torch(points=2, optional=True),
    RMSPROP_EXERCISE.in_torch(points=6),
    ADAM_UNCORRECTED.in_torch(points=2, optional=True),
    ADAM_EXERCISE.in_torch(points=9),
    ADAMW_EXERCISE.in_torch(points=2),
)
