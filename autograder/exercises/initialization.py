"""Exercises of the family `initialization`: what is asked, how it is tried, what it is worth.

Weights are random, so a judge asks which rule they obey. The bounds below hold for right answers
but for one draw in 10⁹. Of n independent normal numbers of variance 1, the sum of squares S obeys
P(S > n + 2√(nt) + 2t) ≤ e^−t and P(S < n − 2√(nt)) ≤ e^−t (Laurent & Massart 2000, lemma 1), and
the mean exceeds 6.5/√n with probability 8·10⁻¹¹. Uniform numbers of this variance stay closer. The
fan-in and the fan-out are so different that the usual rules lie outside of each other's bounds.
"""

import math

import numpy as np

from autograder.checking.scenarios import Measured, failed, family
from autograder.checking.spec import RANDOM, Check, Verdict

T = 25.0  # e^−T = 1.4·10⁻¹¹
MEAN = 6.5  # standard errors
WIDE, NARROW = (120, 420), (420, 120)

# What the variance may be, by (fan-in, fan-out): the rules that people use, and their mistakes.
RULES = {
    "xavier": lambda n_in, n_out: 1 / n_in,
    "glorot": lambda n_in, n_out: 2 / (n_in + n_out),
    "kaiming": lambda n_in, n_out: 2 / n_in,
    "fan-out": lambda n_in, n_out: 1 / n_out,
    "kaiming by fan-out": lambda n_in, n_out: 2 / n_out,
    "half": lambda n_in, n_out: 1 / (2 * n_in),
    "root of 2 not taken": lambda n_in, n_out: 4 / n_in,
    "limit as deviation": lambda n_in, n_out: 6 / (n_in + n_out),
    "deviation as limit": lambda n_in, n_out: 1 / (3 * n_in),
    "kaiming's deviation as limit": lambda n_in, n_out: 2 / (3 * n_in),
    "variance as deviation": lambda n_in, n_out: 1 / n_in**2,
    "kaiming's variance as deviation": lambda n_in, n_out: 4 / n_in**2,
    "root taken twice": lambda n_in, n_out: 1 / math.sqrt(n_in),
    "both fans": lambda n_in, n_out: 1 / (n_in * n_out),
    "multiplied": lambda n_in, n_out: float(n_in),
    "unscaled": lambda n_in, n_out: 1.0,
    "a fixed small number": lambda n_in, n_out: 1e-4,
}
NAMES = tuple(RULES)
GLOROT = (
    "Your variance is 2/(fan_in + fan_out), as Glorot and Bengio proposed it: a compromise between "
    "the sizes of activations and of gradients. The lecture keeps the fan-in alone; both are right."
)
UNIFORM_REMARK = (
    "You draw from a uniform distribution with the variance of the Gaussian one. To the sums in a "
    "layer it makes no difference."
)
GLOROT_UNIFORM = (
    "Your weights are Glorot's, uniform with the variance 2/(fan_in + fan_out), as in Keras and in "
    "PyTorch's xavier_uniform_. The lecture's are Gaussian, with the fan-in alone; both are right."
)


# ------------------------------------------------------------------ what weights obey


def chi_square_bounds(n):
    """Return the bounds of a mean of n squares of standard normal numbers."""
    return 1 - 2 * math.sqrt(T / n), 1 + 2 * math.sqrt(T / n) + 2 * T / n


def rule_of(W):
    """Return the place in NAMES of the rule that the mean square of W obeys, or −1 for none."""
    low, high = chi_square_bounds(W.size)
    square = float(np.mean(W.astype(float) ** 2))
    fits = [low <= square / rule(*W.shape) <= high for rule in RULES.values()]
    return fits.index(True) if any(fits) else -1


def is_uniform(W):
    """Say whether W looks uniform: its fourth moment is 1.8 squares of the variance, not 3."""
    square = np.mean(W.astype(float) ** 2)
    return bool(np.mean(W.astype(float) ** 4) < 2.1 * square**2)


def structure_of(W):
    """Return 0 for independent numbers around 0, else what is wrong: a place in STRUCTURES."""
    deviation = W.std()
    if not deviation > 0:
        return 1
    scaled = (W - W.mean()) / deviation
    for axis, kind in ((1, 2), (0, 3)):  # over the units, one mean an input; over the inputs
        means = scaled.mean(axis=axis) * math.sqrt(W.shape[axis])
        if np.mean(means**2) > chi_square_bounds(means.size)[1]:
            return kind
    return 4 if abs(W.mean()) > MEAN * deviation / math.sqrt(W.size) else 0


STRUCTURES = (
    "right",
    "all weights are equal",
    "different units have weights in common",
    "the weights of one unit have a part in common",
    "the weights are not centred on 0",
)


def observed(W, fans):
    """Return what is wrong with the kind of array that W is, or ""."""
    if W.shape != fans:
        return f"W must have shape (fan_in, fan_out) = {fans}"
    return "" if np.isfinite(W).all() else "W is not finite"


# ------------------------------------------------------------------ scenarios and judges


def spread_check(name, title, points, fans, rules):
    """Return the check of the variance; `rules` {rule: (remark, remark when uniform)} are right."""

    def scenario(impl, rng):
        W = getattr(impl, name)(*fans, rng)
        rule = -2 if observed(W, fans) else rule_of(W)
        return {"__W": W, "rule": np.array(rule)}

    def judge(seen, expected):
        W = seen.get("__W", np.zeros(0))
        if observed(W, fans):
            return failed(observed(W, fans), "rule")
        place = rule_of(W)
        if place >= 0 and NAMES[place] in rules:
            return Verdict(1, remark=rules[NAMES[place]][is_uniform(W)])
        right, square = RULES[next(iter(rules))](*fans), np.mean(W.astype(float) ** 2)
        said = f"the spread of the weights is too {'large' if square > right else 'small'}"
        return failed(Measured(said, _compared(square, right, W.size)), "rule")

    return Check(title, points, scenario, judge)


def _compared(square, right, n):
    """Say what the deviation of n weights is, and within which bounds it should be."""
    low, high = (math.sqrt(right * bound) for bound in chi_square_bounds(n))
    return f"root mean square {math.sqrt(square):.3g}, expected {low:.3g} to {high:.3g}"


def structure_check(name, points, fans):
    """Return the check that the weights are independent and centred."""

    def scenario(impl, rng):
        W = getattr(impl, name)(*fans, rng)
        structure = -1 if observed(W, fans) else structure_of(W)
        return {"__W": W, "structure": np.array(structure)}

    def judge(seen, expected):
        W = seen.get("__W", np.zeros(0))
        problem = observed(W, fans) or STRUCTURES[structure_of(W)]
        return Verdict(1) if problem == "right" else failed(problem, "structure")

    return Check("mean 0, and every weight drawn on its own", points, scenario, judge)


def randomness_check(name, points):
    """Return the check that all randomness comes from the generator, and moves it on."""

    def scenario(impl, rng):
        init, seed = getattr(impl, name), int(rng.integers(2**31))
        generator = np.random.default_rng(seed)
        first, second = init(9, 7, generator), init(9, 7, generator)
        again = init(9, 7, np.random.default_rng(seed))
        other = init(9, 7, np.random.default_rng(seed + 1))
        outcome = RANDOMNESS.index(_randomness(first, second, again, other))
        raw = {"__first": first, "__second": second, "__again": again, "__other": other}
        return {**raw, "outcome": np.array(outcome)}

    def judge(seen, expected):
        empty = np.zeros(0)
        names = ("__first", "__second", "__again", "__other")
        problem = _randomness(*(seen.get(key, empty) for key in names))
        return Verdict(1) if problem == "right" else failed(problem, "outcome")

    return Check("all randomness from the generator", points, scenario, judge)


RANDOMNESS = (
    "right",
    "generators with one seed give different weights",
    "generators with different seeds give the same weights",
    "a second layer from the same generator gets the same weights",
)


def _randomness(first, second, again, other):
    if not np.array_equal(first, again):
        return RANDOMNESS[1]
    if np.array_equal(first, other):
        return RANDOMNESS[2]
    return RANDOMNESS[3] if np.array_equal(first, second) else RANDOMNESS[0]


def checks(name, rules, points):
    """Return the checks of an initialization."""
    wide, narrow, structure, randomness = points
    return (
        spread_check(name, "the spread, with more units than inputs", wide, WIDE, rules),
        spread_check(name, "the spread, with more inputs than units", narrow, NARROW, rules),
        structure_check(name, structure, WIDE),
        randomness_check(name, randomness),
    )


# ------------------------------------------------------------------ the exercises

FORBIDDEN = (
    "torch.nn.init.kaiming_normal_",
    "torch.nn.init.kaiming_uniform_",
    "torch.nn.init.xavier_normal_",
    "torch.nn.init.xavier_uniform_",
    "torch.nn.Linear",
)
RETURNS = {"xavier_init": ("W",), "kaiming_init": ("W",)}
exercise = family("initialization", RETURNS, FORBIDDEN)

XAVIER = exercise(
    "Xavier initialization",
    "xavier_init",
    checks(
        "xavier_init",
        {"xavier": ("", UNIFORM_REMARK), "glorot": (GLOROT, GLOROT_UNIFORM)},
        (4, 4, 3, 3),
    ),
    "5",
    no_small=RANDOM,
    look="""\
# Inputs of variance 1 go through a layer with few and with many inputs, as many units each: what
# comes out should have a variance of about 1 both times.
for n in (50, 800):
    rng = np.random.default_rng(0)
    W = xavier_init(n, n, rng)
    print(W.shape, "variance of what comes out:", (rng.normal(size=(1000, n)) @ W).var())
""",
)
KAIMING = exercise(
    "Kaiming initialization",
    "kaiming_init",
    checks("kaiming_init", {"kaiming": ("", UNIFORM_REMARK)}, (1, 1, 1, 1)),
    "5",
    bonus=True,
    no_small=RANDOM,
    look="""\
# Through eight layers with ReLU, the mean square of the activations should stay about what it was.
rng = np.random.default_rng(0)
activations = rng.normal(size=(200, 400))
for _ in range(8):
    activations = np.maximum(0, activations @ kaiming_init(400, 400, rng))
    print((activations**2).mean().round(2), end=" ")
""",
)

EXERCISES = (XAVIER, KAIMING, XAVIER.in_torch(points=9), KAIMING.in_torch(points=2))
