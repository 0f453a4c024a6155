"""Exercises of the family `search`: the first loss, log-uniform draws, random search, refinement.

What is drawn at random is judged by what every right answer shares, whatever its order of draws: it
lies in the range, each stretch of the logarithmic axis gets its part of the values, and it follows
the generator that was passed. A scenario names what it finds as an `outcome`; the judge finds it
again from the values themselves, and a right answer fails by chance less than once in 10⁹ checks.
"""

import functools
import math
from itertools import combinations

import numpy as np

from autograder.checking.judge import keeps_types
from autograder.checking.scenarios import Measured, afterwards, failed, family
from autograder.checking.spec import RANDOM, Check, Verdict

FALSE_ALARM = 1e-10  # of one statistical bound
SLACK = 1e-4  # relative: an end of a range may be rounded
DRAWS = 5000
WIDE, NARROW = (1e-5, 3e2), (0.3, 0.9)

# ------------------------------------------------------------------ sanity_loss


def first_scores(rng, N, C, scale=1.0):
    """Return scores that prefer some classes, and labels."""
    return scale * (rng.normal(size=(N, C)) + np.linspace(-1, 1, C)), rng.integers(0, C, N)


def _excess(N, C, scale=1.0, dtype=np.float64):
    def scenario(impl, rng):
        scores, y = first_scores(rng, N, C, scale)
        return {"excess": impl.sanity_loss(scores.astype(dtype), y)}

    return scenario


def _inputs_of_sanity_loss(impl, rng):
    scores, y = first_scores(rng, 6, 4)
    excess = np.asarray(impl.sanity_loss(scores, y), dtype=float)
    is_number = np.array(bool(np.isfinite(excess).all() and excess.any()))
    return {"the excess is a number": is_number, **afterwards("scores y", [scores, y])}


# ------------------------------------------------------------------ what random values share


def position(values, low, high):
    """Return where values lie between the ends of a range, 0 to 1 on a logarithmic axis."""
    return np.log(values / low) / math.log(high / low)


def deviation(shares):
    """Return how far values in [0, 1] are from evenly spread: the largest gap of the two CDFs."""
    ordered, n = np.sort(np.ravel(shares)), np.size(shares)
    steps = np.arange(n + 1) / n
    return max(np.abs(ordered - steps[:-1]).max(), np.abs(ordered - steps[1:]).max())


def allowed(n):
    """Return the largest `deviation` that chance explains (Dvoretzky–Kiefer–Wolfowitz bound)."""
    return math.sqrt(math.log(2 / FALSE_ALARM) / (2 * n))


FINE = "right"
OUTSIDE = "some values lie outside of the range"
NOT_FINITE = "some values are not finite"
NEGATIVE = "some values are negative"
EQUAL = "all values are the same"
ORDERED = "the values come in ascending order"
PART = "a part of the range is never reached"
TOP_HEAVY = "nearly all values lie in the highest factor of ten"
CLUSTERED = "the values are not evenly spread on a logarithmic axis"
CROWDED = "the values crowd in the middle of a logarithmic axis"
ROOTS = "the square roots of the values are evenly spread, and not their logarithms"
POWERS = "some values lie outside of the range, and all are whole powers of ten"
FIXED = "the values lie at fixed places: nothing about them is random"
WRONG_SHAPE = "the shape of the values must be `size`"
NOT_FROM_RNG = "the same seed gives other values: they do not come from rng alone"
ALWAYS_SAME = "a second call with the same rng gives the first values again"
TABLE_SHAPE = "the table must have a row for each trial and a column for each number"
ONE_ROW = "there must be a row for each trial, not for one of them"
ROWS = "there must be as many rows as trials"
RESULTS = "the first column must hold what the objective returned for that row"
LAST = "the results must stand in the first column, not in the last"
TOGETHER = "two hyperparameters rise and fall together"
OUTCOMES = (
    *(FINE, WRONG_SHAPE, NOT_FINITE, NEGATIVE, OUTSIDE, EQUAL, ORDERED, PART),
    *(TOP_HEAVY, CLUSTERED, CROWDED, FIXED, NOT_FROM_RNG, ALWAYS_SAME, ROOTS, POWERS),
    *(TABLE_SHAPE, ONE_ROW, ROWS, RESULTS, LAST, TOGETHER),
)


def fault_of_values(values, low, high, n):
    """Return what is wrong with n log-uniform values, one of OUTCOMES."""
    if values.shape != (n,):
        return WRONG_SHAPE
    if not np.isfinite(values).all():
        return NOT_FINITE
    if values.min() < 0:
        return NEGATIVE
    if values.min() < low * (1 - SLACK) or values.max() > high * (1 + SLACK):
        reach = f"values from {values.min():.3g} to {values.max():.3g}, range {low:g} to {high:g}"
        return Measured(POWERS if _are_powers_of_ten(values) else OUTSIDE, reach)
    shares = position(values.clip(low, high), low, high)
    if np.ptp(shares) == 0:
        return EQUAL
    if deviation(shares) > allowed(n):
        return Measured(_kind_of_crowd(values, low, high), _largest_gap(shares))
    if _is_regular(shares):
        return FIXED
    return ORDERED if (np.diff(values) >= 0).all() else FINE


def _are_powers_of_ten(values):
    return bool(values.min() > 0 and np.allclose(np.mod(np.log10(values) + 0.5, 1), 0.5))


def _kind_of_crowd(values, low, high):
    shares, decades = position(values.clip(low, high), low, high), math.log10(high / low)
    if shares.min() > 0.1 or shares.max() < 0.9:
        return PART
    if min(np.mean(shares < 0.75), np.mean(shares > 0.25)) > 0.75 + allowed(values.size):
        return CROWDED
    roots = (np.sqrt(values) - math.sqrt(low)) / (math.sqrt(high) - math.sqrt(low))
    if decades > 2 and deviation(roots) < allowed(values.size):
        return ROOTS
    return TOP_HEAVY if decades > 2 and np.mean(shares > 1 - 1 / decades) > 0.7 else CLUSTERED


def _largest_gap(shares):
    """Say up to where on a logarithmic axis too many values lie, or too few."""
    ordered, n = np.sort(shares), shares.size
    worst = np.abs(np.arange(1, n + 1) / n - ordered).argmax()
    below, end = (worst + 1) / n, ordered[worst]
    return (
        f"in the first {end:.3f} of a logarithmic axis: {below:.3f} of the values, "
        f"expected {end:.3f} ± {allowed(n):.3f}"
    )


def _is_regular(shares):
    """Say whether values fill their axis more evenly, or less, than chance does.

    Cut the axis into as many cells as there are values: of n random ones, a share near 1/e of the
    cells stays empty. By McDiarmid's inequality it is off by `allowed` as rarely as stated.
    """
    n = shares.size
    filled = np.unique((shares * n).astype(int)).size
    return abs(filled / n - (1 - 1 / math.e)) > allowed(n) + 1 / n


# ------------------------------------------------------------------ log_uniform


def judged(look):
    """Return (scenario, judge) of an experiment on random values.

    `look(impl, rng)` returns named values; `fault(**values)`, its second part, one of OUTCOMES.
    """
    draw, fault = look

    def scenario(impl, rng):
        values = {f"__{name}": array for name, array in draw(impl, rng).items()}
        return {**values, "outcome": np.array(OUTCOMES.index(found(values)))}

    def found(seen):
        values = {key[2:]: array for key, array in seen.items() if key.startswith("__")}
        return fault(**values)

    def judge(seen, expected):
        outcome = found(seen)
        return Verdict(1) if outcome is FINE else failed(outcome, "outcome")

    return scenario, judge


def _values_between(low, high):
    def draw(impl, rng):
        return {"values": impl.log_uniform(low, high, DRAWS, rng)}

    return draw, functools.partial(fault_of_values, low=low, high=high, n=DRAWS)


def _in_range(low, high):
    """As `_values_between`, whatever the shape and the places of the values are."""

    def fault(values):
        found = fault_of_values(values.ravel(), low, high, values.size)
        return found if found in (NOT_FINITE, NEGATIVE, OUTSIDE, POWERS) else FINE

    return _values_between(low, high)[0], fault


def _shapes(impl, rng):
    return {
        "number": impl.log_uniform(0.1, 10.0, 7, rng),
        "pair": impl.log_uniform(0.1, 10.0, (3, 5), rng),
    }


def _fault_of_shapes(number, pair):
    return FINE if number.shape == (7,) and pair.shape == (3, 5) else WRONG_SHAPE


def _calls(impl, rng):
    seed = int(rng.integers(2**32))
    one, other = np.random.default_rng(seed), np.random.default_rng(seed)
    return {
        "first": impl.log_uniform(1e-3, 1e3, 50, one),
        "second": impl.log_uniform(1e-3, 1e3, 50, one),
        "again": impl.log_uniform(1e-3, 1e3, 50, other),
    }


def _fault_of_calls(first, second, again):
    if not np.array_equal(first, again):
        return NOT_FROM_RNG
    return ALWAYS_SAME if np.array_equal(first, second) else FINE


# ------------------------------------------------------------------ random_search

RANGES = np.array([[1e-5, 1e1], [1e-3, 4e3], [0.2, 0.8]])
FEW, MANY = 5, 1500


def smooth_objective(rate, reg, keep):
    """Return a result that differs from setting to setting."""
    return float(np.sin(np.log(rate)) + np.cos(np.log(reg)) * keep)


def _search(trials):
    def draw(impl, rng):
        return {"table": impl.random_search(smooth_objective, RANGES.copy(), trials, rng)}

    return draw


def _fault_of_shape(table, trials):
    columns = 1 + len(RANGES)
    if table.shape == (trials, columns):
        return None
    if table.shape in ((columns,), (1, columns)):
        return ONE_ROW
    return ROWS if table.ndim == 2 and table.shape[1] == columns else TABLE_SHAPE


def _fault_of_table(trials):
    def fault(table):
        wrong_shape = _fault_of_shape(table, trials)
        if wrong_shape:
            return wrong_shape
        if _belong(table[:, 0], table[:, 1:]):
            return FINE
        return LAST if _belong(table[:, -1], table[:, :-1]) else RESULTS

    return fault


def _belong(results, settings):
    """Say whether results are those of the objective."""
    if not (settings > 0).all():
        return False
    expected = [smooth_objective(*row) for row in settings]
    return np.allclose(results, expected, rtol=1e-9, atol=1e-12)


def _fault_of_settings(table):
    """Return what is wrong with the settings of a table, in whatever order it has them."""
    others = (table[:MANY], table.T, np.roll(table, 1, axis=-1))
    fine = any(_fault_of_columns(other) is FINE for other in others)
    return FINE if fine else _fault_of_columns(table)


def _fault_of_columns(table):
    wrong_shape = _fault_of_shape(table, MANY)
    if wrong_shape:
        return wrong_shape
    columns = [(column, *span) for column, span in zip(table[:, 1:].T, RANGES, strict=True)]
    for column, low, high in columns:
        found = fault_of_values(column, low, high, MANY)
        if found is not FINE:
            return found
    shares = [position(*column) for column in columns]
    return TOGETHER if any(_fall_together(*pair) for pair in combinations(shares, 2)) else FINE


def _fall_together(a, b):
    """Say whether the differences of two uniform columns are not those of independent ones."""
    difference = np.mod(a - b, 1.0)  # uniform on [0, 1) where a and b are independent
    return deviation(difference) > allowed(difference.size)


# ------------------------------------------------------------------ refine


def finished_table(rng, ranges, best, where):
    """Return the table of a search whose best trial, in row `where`, has the settings `best`."""
    settings = ranges[:, 0] * (ranges[:, 1] / ranges[:, 0]) ** rng.uniform(size=(8, len(ranges)))
    settings[where] = best
    results = rng.uniform(0.1, 0.6, 8)
    results[where] = 0.7
    return np.column_stack([results, settings])


def _refined(impl, rng, along=(0.4, 0.7, 0.55), shrink=0.3, spoil=lambda table: None):
    low = 10 ** rng.uniform(-5, -3, 3)
    ranges = np.stack([low, low * 10 ** rng.uniform(2, 4, 3)], axis=1)
    best = ranges[:, 0] * (ranges[:, 1] / ranges[:, 0]) ** np.array(along)
    table = finished_table(rng, ranges, best, where=int(rng.integers(2, 6)))
    spoil(table)
    new_ranges = impl.refine(table, ranges, shrink)
    return new_ranges, {"new_ranges": new_ranges, **afterwards("table ranges", [table, ranges])}


def _on_log_axis(new_ranges):
    return np.log10(np.maximum(new_ranges.reshape(-1, 2), 1e-12)).T


def _centre(impl, rng):
    low, high = _on_log_axis(_refined(impl, rng)[0])
    return {"centre (powers of ten)": (low + high) / 2}


def _width(impl, rng):
    low, high = _on_log_axis(_refined(impl, rng)[0])
    return {"width (powers of ten)": high - low}


def _at_the_border(impl, rng):
    return {"new_ranges": _refined(impl, rng, along=(0.02, 0.97, 1.0), shrink=0.6)[0]}


def _with_failed_trials(impl, rng):
    def spoil(table):
        table[[0, -1], 0] = np.nan

    return {"new_ranges": _refined(impl, rng, spoil=spoil)[0]}


def _refine_inputs(impl, rng):
    return _refined(impl, rng, shrink=0.45)[1]


# ------------------------------------------------------------------ the exercises

RETURNS = {
    "sanity_loss": ("excess",),
    "log_uniform": ("values",),
    "random_search": ("table",),
    "refine": ("new_ranges",),
}
FORBIDDEN = (
    "scipy.stats.loguniform",
    "scipy.stats.reciprocal",
    "torch.nn.functional.cross_entropy",
    "torch.nn.CrossEntropyLoss",
    "sklearn.metrics.log_loss",
    "sklearn.model_selection.RandomizedSearchCV",
    "sklearn.model_selection.ParameterSampler",
)

exercise = family("search", RETURNS, FORBIDDEN)

SANITY_LOSS = exercise(
    "The first loss against that of guessing",
    "sanity_loss",
    (
        Check("four classes", 1.5, _excess(6, 4)),
        Check("other numbers of classes and examples, float32", 1, _excess(3, 7, dtype=np.float32)),
        Check("scores in the thousands", 0.75, _excess(5, 3, scale=3000)),
        Check("inputs stay as they were", 0.75, _inputs_of_sanity_loss),
    ),
    "8",
    shared=True,
    bonus=True,
    small=(
        "sanity_loss(np.zeros((1, 3)), np.array([0]))",
        "sanity_loss(np.array([[1.0, 0.0, -1.0]]), np.array([2]))",
        "sanity_loss(np.array([[1.0, 0.0, -1.0], [2.0, 0.0, 0.0]]), np.array([2, 0]))",
        "sanity_loss(np.array([[1000.0, 0.0]]), np.array([1]))",
    ),
    look="""\
print(sanity_loss(np.zeros((5, 10)), np.zeros(5, dtype=int)))  # 0, but for rounding: no preference
""",
)
LOG_UNIFORM = exercise(
    "Random numbers, evenly spread over the powers of ten",
    "log_uniform",
    (
        Check("every value lies in the range", 3, *judged(_in_range(*WIDE))),
        Check("each power of ten gets its share", 6, *judged(_values_between(*WIDE))),
        Check("a range within one power of ten", 3, *judged(_values_between(*NARROW))),
        Check("the shape that was asked for", 2, *judged((_shapes, _fault_of_shapes))),
        Check("all randomness comes from rng", 4, *judged((_calls, _fault_of_calls))),
    ),
    "9",
    shared=True,
    no_small=RANDOM,
    look="""\
# 6,000 numbers over six powers of ten: about 1,000 should lie in each.
numbers = log_uniform(1e-3, 1e3, 6000, np.random.default_rng(0))
print(np.histogram(np.log10(numbers), bins=6, range=(-3, 3))[0])
""",
)
RANDOM_SEARCH = exercise(
    "Random search",
    "log_uniform random_search",
    (
        Check("a row for each trial: result, then settings", 1.5,
              *judged((_search(FEW), _fault_of_table(FEW)))),
        Check("every hyperparameter is drawn by itself, from its range", 1.5,
              *judged((_search(MANY), _fault_of_settings))),
    ),
    "9",
    shared=True,
    bonus=True,
    no_small=RANDOM,
    look="""\
# The result of these trials is the product of the two numbers: the first column should be the
# product of the others, and every trial should have a number of its own in each column.
ranges = np.array([[1.0, 10.0], [1.0, 10.0]])
trials = random_search(lambda a, b: a * b, ranges, 4, np.random.default_rng(0))
print(trials.round(2))
""",
)  # fmt: skip
REFINE = exercise(
    "From coarse to fine",
    "refine",
    (
        Check("the best trial is in the middle", 1, _centre),
        Check("narrower, in powers of ten", 1, _width),
        Check("a best trial near the border", 1, _at_the_border),
        Check("trials that failed", 0.5, _with_failed_trials),
        Check("inputs stay as they were", 0.5, _refine_inputs, keeps_types),
    ),
    "9",
    shared=True,
    bonus=True,
    small=(
        "refine(np.array([[0.5, 0.1]]), np.array([[0.01, 1.0]]), 0.5)",
        "refine(np.array([[0.5, 0.1], [0.9, 0.2], [0.4, 0.02]]), np.array([[0.01, 1.0]]), 0.5)",
        "refine(np.array([[np.nan, 0.1], [0.9, 1.0], [0.4, 0.02]]), np.array([[0.01, 1.0]]), 0.5)",
    ),
    look="""\
print(refine(np.array([[0.5, 0.1], [0.9, 1.0]]), np.array([[0.01, 1.0]]), 0.5))
# from 0.32 to 3.2: around the best value, and half as many powers of ten
""",
)

EXERCISES = (SANITY_LOSS, LOG_UNIFORM, RANDOM_SEARCH, REFINE)
