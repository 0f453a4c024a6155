"""The exercises of the family `capstone`: an ablation, its table, a report, predictions.

A report is a text; what is judged are numbers that are read from it, so that any words are right.
"""

import re

import numpy as np

from autograder.checking.observe import BadReturn
from autograder.checking.scenarios import afterwards, failed, family, separation
from autograder.checking.spec import CALLBACK, FREE, KILLS_A_BUG, Check, Verdict

INGREDIENTS = ("batch norm", "decay", "shifts", "weight decay", "ensemble")
EXAMPLES = 200  # unlabelled, of the 250 test examples of the digits
ENOUGH = 0.85  # accuracy; the nearest neighbour reaches 0.97

# ------------------------------------------------------------------ the ablation


class Trainer:
    """Counts what it is asked to train: which ingredients are in, and with which seed."""

    def __init__(self, rng, names):
        self.names, self.luck = names, rng.uniform(0.2, 0.6, 1000)
        self.worth = rng.uniform(0.02, 0.05, len(names))
        self.recipes, self.seeds, self.dicts = [], [], []

    def __call__(self, recipe, seed):
        """Return a made-up accuracy, in which each seed has its own luck."""
        present = np.array([bool(recipe.get(name)) for name in self.names])
        self.recipes.append(present)
        self.seeds.append(seed)
        self.dicts.append(recipe)
        return float(self.luck[seed] + self.worth @ present)


def _ablation(impl, rng):
    """Return the trainer of an ablation, its recipe and what came out; K + 1 ≠ S."""
    names = rng.permutation(INGREDIENTS)[:4].tolist()
    trainer, recipe = Trainer(rng, names), dict.fromkeys(names, True)
    seeds = rng.choice(1000, 3, replace=False).tolist()
    return trainer, recipe, impl.ablate(trainer, recipe, seeds)


def _recipes(impl, rng):
    """Observe which recipes were trained, whatever the order."""
    trainer, *_ = _ablation(impl, rng)
    return {"what each run has": np.sort([trainer.worth @ run for run in trainer.recipes])}


def _same_seeds(impl, rng):
    """Observe the seeds of all runs, sorted: every one comes once for every row."""
    trainer, *_ = _ablation(impl, rng)
    return {"seeds": np.array(sorted(trainer.seeds))}


def _first_row(impl, rng):
    *_, accuracy = _ablation(impl, rng)
    return {"accuracy with everything": np.atleast_2d(accuracy)[0]}


def _accuracies(impl, rng):
    *_, accuracy = _ablation(impl, rng)
    return {"accuracy": accuracy}


def _recipe_kept(impl, rng):
    trainer, recipe, _ = _ablation(impl, rng)
    dicts = {id(one) for one in (recipe, *trainer.dicts)}
    return {
        "ingredients after the call": np.array(float(sum(recipe.values()))),
        "calls that share a dict": np.array(1 + len(trainer.dicts) - len(dicts)),
    }


# ------------------------------------------------------------------ its table


def _runs(rng, shift=0.0):
    """Return accuracies (1 + K, S): seeds differ by much, the ingredients by little."""
    K, S = 4, 6
    accuracy = rng.uniform(0.3, 0.6, S) + rng.uniform(-0.05, 0.05, (1 + K, S))
    accuracy[0] += shift
    return accuracy, rng.uniform(2, 4)


def _mean_gain(impl, rng):
    table = impl.ablation_table(*_runs(rng, shift=0.1))
    return {"mean gain": np.atleast_2d(table)[:, 0]}


def _width(impl, rng):
    """Observe how wide the intervals are, wherever they lie."""
    table = np.atleast_2d(impl.ablation_table(*_runs(rng)))
    return {"width": np.abs(table[:, 2] - table[:, 1])}


def _ends(impl, rng):
    """Observe where the intervals lie, when all gains are equal and they have no width."""
    accuracy, quantile = _runs(rng)
    accuracy[1:] = accuracy[0] - rng.uniform(0.1, 0.2, (len(accuracy) - 1, 1))
    return {"low and high": np.atleast_2d(impl.ablation_table(accuracy, quantile))[:, 1:]}


def _table_and_inputs(impl, rng):
    accuracy, quantile = _runs(rng)
    return {"table": impl.ablation_table(accuracy, quantile)} | afterwards("accuracy", [accuracy])


# ------------------------------------------------------------------ kill the bug

QUANTILE = 2.776  # 0.975, four degrees of freedom
FIVE_SEEDS = (2, 5)


def unpaired_table(accuracy, quantile):
    """Somebody's table: the spread of the seeds in place of that of the differences."""
    with_it, without = accuracy
    mean = with_it.mean() - without.mean()
    variance = with_it.var(ddof=1) + without.var(ddof=1)
    margin = quantile * np.sqrt(variance / len(with_it))
    return np.array([[mean, mean - margin, mean + margin]])


def _unfair(x):
    if x.shape != FIVE_SEEDS:
        return 1
    return 0 if ((x >= 0) & (x <= 1)).all() else 2


def _clear(table):
    _, low, high = table[0]
    return low > 0 or high < 0


def _own_table(impl, x):
    return impl.ablation_table(x, QUANTILE)


def _right_table(x):
    gains = x[0].astype(float) - x[1]
    margin = QUANTILE * np.sqrt(gains.var(ddof=1) / gains.size)
    return np.array([[gains.mean(), gains.mean() - margin, gains.mean() + margin]])


def _outcome(x, own):
    x = x.astype(float)
    right = _right_table(x)
    if own is None or own.shape != right.shape or not np.allclose(own, right, atol=1e-5):
        return 3
    if not _clear(right):
        return 4
    return 5 if _clear(unpaired_table(x, QUANTILE)) else 0


OUTCOMES = (
    "right and wrong differ",
    "accuracy must have shape (2, 5): two rows, five seeds",
    "accuracy must hold numbers from 0 to 1",
    "your own ablation_table is wrong for these runs",
    "the pairs are not clearly different either",
    "both tables find the difference clear",
)

# ------------------------------------------------------------------ the report

HEADINGS = ("Data", "Recipe", "Result", "Ablation", "Limits")
NUMBER = re.compile(r"([-+\u2212]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)(\s*%)?")
ABSENT = -9.0  # in the place of a number that is not there
MOST_LINES = 60


def _thousandths(rng, low, high, size=None):
    """Return random shares with three digits, so that there is nothing to round."""
    return rng.integers(low, high, size) / 1000


def _measured(rng):
    """Return results of a made-up capstone; two of the four intervals hold 0.

    One of these is about a gain and one about a loss; of the others the last is a clear loss.
    """
    names = rng.permutation(INGREDIENTS)[:4].tolist()
    gains, margins = _thousandths(rng, 20, 40, 4), _thousandths(rng, 5, 15, 4)
    wide = rng.permutation(3)[:2]
    margins[wide] += 0.04
    rows = np.round(np.stack([gains, gains - margins, gains + margins], axis=1), 3)
    for harmful in (wide[0], 3):
        rows[harmful] = -rows[harmful, [0, 2, 1]]
    return {
        "data": "digits",
        "recipe": ["one hidden layer", "Adam"],
        "seeds": int(rng.integers(5, 20)),
        "test": float(_thousandths(rng, 901, 930)),
        "validation": float(_thousandths(rng, 931, 960)),
        "baseline": float(_thousandths(rng, 801, 900)),
        "ablation": dict(zip(names, rows, strict=True)),
    }


def _page(impl, rng):
    """Return the lines of the student's report, and what it reports."""
    measured = _measured(rng)
    page = impl.report_page(measured)
    if not isinstance(page, str):
        raise BadReturn(f"page of report_page must be a text, got {type(page).__name__}")
    return [line.strip() for line in page.splitlines()], measured


def _heading_of(line):
    """Return the place in HEADINGS that a line names, or None."""
    title = re.fullmatch(r"#+\s*(.*?)\W*", line)
    names = [name.lower() for name in HEADINGS]
    return names.index(title[1].lower()) if title and title[1].lower() in names else None


def _section(lines, name):
    """Return the lines below a heading; all lines where there is no such heading."""
    marks = [(k, _heading_of(line)) for k, line in enumerate(lines) if line.startswith("#")]
    starts = [k for k, found in marks if found == HEADINGS.index(name)]
    if not starts:
        return lines
    end = next((k for k, _ in marks if k > starts[0]), len(lines))
    return lines[starts[0] + 1 : end]


def _numbers(text):
    """Return the numbers in a text; a percentage counts as a share."""
    return [
        float(digits.replace("\u2212", "-")) / (100 if percent else 1)
        for digits, percent in NUMBER.findall(text)
    ]


def _after(word, lines):
    """Return the first number after a word, in the first line that starts with it."""
    for line in lines:
        found = re.match(rf"\W*{re.escape(word)}(?!\w)(.*)", line, re.IGNORECASE)
        if found and (numbers := _numbers(found[1])):
            return round(numbers[0], 3)
    return ABSENT


def _row_of(name, lines):
    """Return what follows an ingredient's name in its line."""
    rows = (re.match(rf"\W*{re.escape(name)}(?!\w)(.*)", line, re.IGNORECASE) for line in lines)
    return next((row[1] for row in rows if row), "")


def _headings(impl, rng):
    lines, _ = _page(impl, rng)
    found = [_heading_of(line) for line in lines]
    order = [place for place in found if place is not None]
    return {
        f"place of {name}": np.array(float(order.index(k)) if k in order else ABSENT)
        for k, name in enumerate(HEADINGS)
    }


def _results(impl, rng):
    lines, _ = _page(impl, rng)
    section = _section(lines, "Result")
    words = ("test", "validation", "baseline")
    return {"test, validation, baseline": np.array([_after(word, section) for word in words])}


def _rows(impl, rng):
    lines, measured = _page(impl, rng)
    section, table = _section(lines, "Ablation"), []
    for name in measured["ablation"]:
        numbers = [round(number, 3) for number in _numbers(_row_of(name, section))[:3]]
        table.append(numbers + [ABSENT] * (3 - len(numbers)))
    return {"gain, low and high of each ingredient": np.array(table)}


def _unclear(impl, rng):
    lines, measured = _page(impl, rng)
    section = _section(lines, "Ablation")
    said = [
        gain if "not clear" in _row_of(name, section).lower() else 0.0
        for name, (gain, _, _) in measured["ablation"].items()
    ]
    return {"gains said to be not clear": np.array(said)}


def _limits(impl, rng):
    lines, _ = _page(impl, rng)
    return {
        "seeds": np.array(_after("seeds", _section(lines, "Limits"))),
        "lines too many": np.array(float(max(0, len(lines) - MOST_LINES))),
    }


# ------------------------------------------------------------------ predictions


def _unlabelled(rng):
    """Return training examples and labels, and the rows of the test examples to predict."""
    from cs231n_lib.data import digits  # support, in the sandbox too

    data = digits()
    return data, rng.permutation(len(data.x_test))[:EXAMPLES]


def _predicted(impl, rng):
    data, rows = _unlabelled(rng)
    return {
        "y": impl.predictions(data.x_train.copy(), data.y_train.copy(), data.x_test[rows]),
        "_rows": rows,
    }


def _labels(expected):
    from cs231n_lib.data import digits

    return digits().y_test[expected.arrays["_rows"].astype(int)]


def _is_classes(seen, expected):
    """Judge: one whole number for each example, and a class of the data."""
    y, right = seen.get("y"), _labels(expected)
    if y is None or y.shape != right.shape:
        return failed(f"y must have shape {right.shape}, a number for each example", "y")
    if not (np.isin(y, np.arange(10))).all():
        return failed("y must hold whole numbers from 0 to 9", "y")
    return Verdict(1)


def _is_accurate(seen, expected):
    """Judge: enough of the classes are right, by labels that only the judge looks up."""
    y, right = seen.get("y"), _labels(expected)
    if y is None or y.shape != right.shape or (y == right).mean() < ENOUGH:
        return failed(f"fewer than {ENOUGH:.0%} of the examples have their class", "y")
    return Verdict(1)


# ------------------------------------------------------------------ the exercises

RETURNS = {
    "ablate": ("accuracy",),
    "ablation_table": ("table",),
    "separating_runs": ("accuracy",),
    "report_page": ("page",),
    "predictions": ("y",),
}

exercise = family("capstone", RETURNS, ())

ABLATE = exercise(
    "Wire the ablation",
    "ablate",
    (
        Check("each run leaves out one ingredient at most", 6, _recipes),
        Check("all rows have the same seeds", 5, _same_seeds),
        Check("the first row has everything", 3, _first_row),
        Check("the accuracies, in order", 4, _accuracies),
        Check("the recipe stays as it was", 2, _recipe_kept),
    ),
    "108",
    shared=True,
    no_small=CALLBACK,
    look="""\
# Trainings that only tell what they are asked for. Everything first, then without each ingredient
# in turn; the same two seeds every time.
def told(recipe, seed):
    print(recipe, "seed", seed)
    return 0.5 + 0.1 * sum(recipe.values()) + 0.01 * seed

print(ablate(told, {"depth": True, "tricks": True}, [0, 1]))
""",
)
TABLE = exercise(
    "What each ingredient is worth",
    "ablation_table",
    (
        Check("the mean gain", 6, _mean_gain),
        Check("the width of the interval", 8, _width),
        Check("gains without any spread", 4, _ends),
        Check("the whole table, and inputs stay as they were", 5, _table_and_inputs),
    ),
    "108",
    shared=True,
    small=(
        "ablation_table(np.array([[0.9, 0.7], [0.8, 0.6]]), 2.0)",
        "ablation_table(np.array([[0.9, 0.7], [0.8, 0.4]]), 2.0)",
        "ablation_table(np.array([[0.9, 0.8, 0.7], [0.8, 0.6, 0.6], [0.9, 0.9, 0.8]]), 4.0)",
    ),
    look="""\
# Two ingredients with the same mean gain, 0.1. The first gains 0.1 with every seed, so its interval
# should have no width; the second gains 0, 0.1 or 0.2, and its interval should be wide.
print(ablation_table(np.array([[0.9, 0.8, 0.7], [0.8, 0.7, 0.6], [0.9, 0.7, 0.5]]), 4.3).round(3))
""",
)
SEPARATING = exercise(
    "Kill the bug: runs for the unpaired table",
    "ablation_table separating_runs",
    (
        separation(
            "your runs tell right from wrong",
            5,
            OUTCOMES,
            find=lambda impl: impl.separating_runs(),
            own=_own_table,
            unfair=_unfair,
            outcome=_outcome,
        ),
    ),
    "108",
    given=(unpaired_table,),
    shared=True,
    no_small=KILLS_A_BUG,
    look="""\
# Mean gain, low and high end: one of the two intervals should hold 0, and the other one not.
print("paired:  ", ablation_table(separating_runs(), 2.776))
print("unpaired:", unpaired_table(separating_runs(), 2.776))
""",
)
REPORT = exercise(
    "A page that reports it",
    "report_page",
    (
        Check("five headings, in order", 5, _headings),
        Check("the three results", 7, _results),
        Check("a line for each ingredient, with its interval", 7, _rows),
        Check("what is not clear is said to be so", 5, _unclear),
        Check("the number of seeds, on one page", 3, _limits),
    ),
    "108",
    shared=True,
    no_small=FREE,
    look="""\
# A page on made-up results. Five headings in order, three digits everywhere, and "not clear" beside
# the one ingredient whose interval holds 0.
print(report_page({
    "data": "made up", "recipe": ["Adam", "dropout"], "seeds": 5,
    "test": 0.93, "validation": 0.95, "baseline": 0.9,
    "ablation": {"Adam": (0.1, 0.05, 0.15), "dropout": (0.01, -0.02, 0.04)},
}))
""",
)
PREDICTIONS = exercise(
    "Predictions for unlabelled examples",
    "predictions",
    (
        Check("a class for each example", 1, _predicted, _is_classes),
        Check(f"at least {ENOUGH:.0%} are right", 4, _predicted, _is_accurate),
    ),
    "108",
    shared=True,
    no_small=FREE,
    look="""\
# Two classes, 3 and 7, far apart. What you predict should be the one that each point lies near.
points, classes = np.array([[0.0, 0.0], [0.2, 0.1], [5.0, 5.0], [5.1, 4.8]]), np.array([3, 3, 7, 7])
print(predictions(points, classes, np.array([[0.1, 0.1], [4.9, 5.0], [5.2, 5.1]])))
""",
)

EXERCISES = (ABLATE, TABLE, SEPARATING, REPORT, PREDICTIONS)
