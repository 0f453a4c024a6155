"""Wrong and other right answers of the family `search`."""

import math

import numpy as np

from autograder.misconceptions.records import SLIP, fundamental, grouped, right, wrong
from cs231n_lib.search.shared import log_uniform

# ------------------------------------------------------------------ wrong: sanity_loss

WRONG_SANITY_LOSS = wrong(
    "sanity_loss",
    (
        "first loss not compared with log C",
        "You return the loss itself. Is 2.3 a good first loss? With ten classes yes, with two no. "
        "What would a network say that prefers no class?",
        ("return loss - math.log(C)", "return loss"),
    ),
    (
        "compared with log N",
        "Guessing gets harder with more classes to choose from, not with more examples.",
        ("math.log(C)", "math.log(N)"),
    ),
    (
        "logarithm to the base 10",
        "The loss is in nats, from the natural logarithm; what you subtract counts in powers of "
        "ten.",
        ("math.log(C)", "math.log10(C)"),
    ),
    (
        "logarithm to the base 2",
        "The loss is in nats, from the natural logarithm; what you subtract counts in bits.",
        ("math.log(C)", "math.log2(C)"),
    ),
    (
        "both logarithms to the base 2",
        "The loss is in nats, from the natural logarithm. Which base undoes the exponential that "
        "comes before?",
        grouped("logarithm to the base 2"),
        ("np.log(np.exp", "np.log2(np.exp"),
        ("math.log(C)", "math.log2(C)"),
    ),
    (
        "classes counted in the labels",
        "A class that has no example among these few is still one that the network can choose. "
        "Where can you read off how many classes it knows?",
        ("math.log(C)", "math.log(len(set(y.tolist())))"),
    ),
    (
        "sign reversed",
        "A network that is sure of wrong answers has a large loss. Should it get a large excess, "
        "or a very negative one?",
        ("return loss - math.log(C)", "return math.log(C) - loss"),
    ),
    (
        "ratio in place of difference",
        "You say how many times as large the loss is. An excess is in nats, and 0 where all is "
        "well.",
        ("return loss - math.log(C)", "return loss / math.log(C)"),
    ),
    (
        "the loss is a sum",
        "Hand in every example twice: the excess must stay the same.",
        ("below_top[np.arange(N), y]).mean()", "below_top[np.arange(N), y]).sum()"),
    ),
    (
        "exponential overflows",
        "exp(1000) is infinite in every type of number that you use. The softmax does not change "
        "when the same number is subtracted from all scores of an example: which one helps?",
        ("below_top = scores - scores.max(axis=1, keepdims=True)", "below_top = scores"),
    ),
    (
        "labels ignored",
        "Exchange two labels: the loss should change. Whose score does the cross-entropy look at?",
        ("below_top[np.arange(N), y]", "below_top.mean(axis=1)"),
    ),
    (
        "softmax over the examples",
        "Probabilities of what should add up to 1: of the classes for one example, or of the "
        "examples for one class?",
        fundamental("the shapes collide, so every call stops"),
        ("np.exp(below_top).sum(axis=1)", "np.exp(below_top).sum(axis=0)"),
    ),
    (
        "scores are changed",
        "After the call the caller's scores are no longer what they were: a statement such as -= "
        "writes into them.",
        SLIP,
        (
            "below_top = scores - scores.max(axis=1, keepdims=True)",
            "scores -= scores.max(axis=1, keepdims=True)\n    below_top = scores",
        ),
    ),
)

# ------------------------------------------------------------------ wrong: log_uniform

DRAW = "np.exp(rng.uniform(math.log(low), math.log(high), size))"

WRONG_LOG_UNIFORM = wrong(
    "log_uniform",
    (
        "linear for log-uniform",
        "From 0.00001 to 1 nine tenths of your values are above 0.1, and four powers of ten share "
        "the rest. On which axis should they be evenly spread?",
        (DRAW, "rng.uniform(low, high, size)"),
    ),
    (
        "two different bases",
        "The logarithm of one base and the power of another do not undo each other: what becomes "
        "of `low` itself?",
        (DRAW, "10 ** rng.uniform(math.log(low), math.log(high), size)"),
    ),
    (
        "two different bases, back by e",
        "The logarithm of one base and the power of another do not undo each other: what becomes "
        "of `low` itself?",
        grouped("two different bases"),
        (DRAW, "np.exp(rng.uniform(math.log10(low), math.log10(high), size))"),
    ),
    (
        "the logarithms themselves",
        "A learning rate of -3? You drew on the logarithmic axis, and have not come back from it.",
        (DRAW, "rng.uniform(math.log(low), math.log(high), size)"),
    ),
    (
        "a bell on the logarithmic axis",
        "Your values crowd in the middle of the range, and what lies beyond is pushed to its ends. "
        "Before the first search, is the middle likelier than the rest?",
        (
            DRAW,
            "np.exp(rng.normal(math.log(low * high) / 2, math.log(high / low) / 4, size))"
            ".clip(low, high)",
        ),
    ),
    (
        "evenly spread roots",
        "You spread the square roots of the values evenly, and so the large values get most of the "
        "draws. Of which numbers should a factor of ten get equal parts?",
        (DRAW, "rng.uniform(math.sqrt(low), math.sqrt(high), size) ** 2"),
    ),
    (
        "whole powers of ten, and beyond the range",
        "Your values are 0.01, 0.1, 1 and the like, and some lie outside of the range. Which of "
        "your steps makes the exponent a whole number?",
        grouped("whole powers of ten only"),
        (
            DRAW,
            "10.0 ** rng.integers(int(math.floor(math.log10(low))),"
            " int(math.ceil(math.log10(high))) + 1, size)",
        ),
    ),
    (
        "whole powers of ten only",
        "Your values are 0.01, 0.1, 1 and the like, and nothing between. Which of your steps makes "
        "the exponent a whole number?",
        (DRAW, "10.0 ** np.round(rng.uniform(math.log10(low), math.log10(high), size))"),
    ),
    (
        "the low end is always 1",
        "Look at your smallest value. Which end of the range did you forget?",
        (DRAW, "np.exp(rng.uniform(0.0, math.log(high), size))"),
    ),
    (
        "a grid",
        "Your values are the same in every call. A grid tries each value of a hyperparameter many "
        "times; slide 9 wants a new one in every trial.",
        (DRAW, "np.geomspace(low, high, size)"),
    ),
    (
        "global random numbers",
        "Whoever passes a generator wants to get the same values again with the same seed. "
        "Where do your random numbers come from?",
        (DRAW, "np.exp(np.random.uniform(math.log(low), math.log(high), size))"),
    ),
    (
        "a generator of its own",
        "Two calls in a row give the same values, so every trial of a search would be the same. "
        "Which generator did the caller pass?",
        (
            DRAW,
            "np.exp(np.random.default_rng(0).uniform(math.log(low), math.log(high), size))",
        ),
    ),
    (
        "one value for all",
        "You return as many values as were asked for, all of them equal. How often do you draw?",
        (DRAW, "np.full(size, np.exp(rng.uniform(math.log(low), math.log(high))))"),
    ),
    (
        "size ignored",
        "The caller asks for an array of a certain shape, and gets a single number.",
        (DRAW, "np.exp(rng.uniform(math.log(low), math.log(high)))"),
    ),
    (
        "shape lost",
        "The right number of values, but a caller who asks for 3 rows and 5 columns gets them "
        "all in one row.",
        SLIP,
        (DRAW, "np.exp(rng.uniform(math.log(low), math.log(high), np.prod(size)))"),
    ),
    (
        "sorted",
        "Values in ascending order: two hyperparameters drawn like this would rise together, from "
        "the first trial to the last.",
        (DRAW, "np.sort(np.exp(rng.uniform(math.log(low), math.log(high), size)))"),
    ),
)

# ------------------------------------------------------------------ wrong: random_search

COLUMNS = "[log_uniform(low, high, trials, rng) for low, high in ranges]"
TABLE = "np.column_stack([results, settings])"

WRONG_RANDOM_SEARCH = wrong(
    "random_search",
    (
        "linear draws",
        "Nearly all your learning rates lie in the highest power of ten. You have a function that "
        "does better.",
        (COLUMNS, "[rng.uniform(low, high, trials) for low, high in ranges]"),
    ),
    (
        "the same random numbers for every hyperparameter",
        "A large learning rate always meets a large penalty: you walk along the diagonal of the "
        "square. What has to be drawn anew for each hyperparameter?",
        (COLUMNS, "[log_uniform(a, b, trials, np.random.default_rng(7)) for a, b in ranges]"),
    ),
    (
        "one setting for all trials",
        "Every row of your table shows the same hyperparameters. When are they drawn?",
        (COLUMNS, "[np.full(trials, log_uniform(a, b, 1, rng)[0]) for a, b in ranges]"),
    ),
    (
        "a grid for every hyperparameter",
        "Your hyperparameters go in equal steps from one end to the other, together. "
        "What is random about this search?",
        (COLUMNS, "[np.geomspace(low, high, trials) for low, high in ranges]"),
    ),
    (
        "one range for all hyperparameters",
        "All hyperparameters come from the same range. There is one for each.",
        (COLUMNS, "[log_uniform(*ranges[0], trials, rng) for _ in ranges]"),
    ),
    (
        "results last",
        "Slide 9 puts the accuracy first, and so does the description of the table.",
        SLIP,
        (TABLE, "np.column_stack([settings, results])"),
    ),
    (
        "results of other settings",
        "Call the objective with the hyperparameters of a row of your table: it returns something "
        "else than stands in that row.",
        ("for setting in settings", "for setting in rng.permutation(settings)"),
    ),
    (
        "only the best trial",
        "Somebody has to refine this search, and for that needs to see the other trials too.",
        fundamental("one row does not tell how the others were drawn"),
        (TABLE, "np.column_stack([results, settings])[np.argmax(results)]"),
    ),
    (
        "rows and columns exchanged",
        "Your table has a row for each hyperparameter. Which way round does the description have "
        "it?",
        SLIP,
        (TABLE, "np.column_stack([results, settings]).T"),
    ),
    (
        "one trial too many",
        "Count the trials: each of them may take an hour.",
        SLIP,
        (
            "columns = [log_uniform(low, high, trials, rng)",
            "columns = [log_uniform(low, high, trials + 1, rng)",
        ),
    ),
)

# ------------------------------------------------------------------ wrong: refine

BEST = "best = table[np.nanargmax(table[:, 0]), 1:]"
REACH = "(ranges[:, 1] / ranges[:, 0]) ** (shrink / 2)"
NEW = "return np.stack([best / reach, best * reach], axis=1)"


def range_of_the_better_half(table, ranges, shrink):
    """Take the smallest and the largest value among the better trials."""
    results = np.nan_to_num(table[:, 0], nan=-np.inf)
    better = table[np.argsort(-results)[: len(table) // 2], 1:]
    return np.stack([better.min(axis=0), better.max(axis=0)], axis=1)


WRONG_REFINE = wrong(
    "refine",
    (
        "a best value at the border is not extended",
        "The best trial lies at the border of what was searched, and your new range ends there as "
        "well. Where would you look next?",
        (
            NEW,
            "return np.stack([np.maximum(best / reach, ranges[:, 0]), "
            "np.minimum(best * reach, ranges[:, 1])], axis=1)",
        ),
    ),
    (
        "the lowest result taken for the best",
        "A result is an accuracy here, not a loss.",
        (BEST, "best = table[np.nanargmin(table[:, 0]), 1:]"),
    ),
    (
        "a failed trial wins",
        "A trial that diverged has NaN for a result. Ask NumPy for the largest of [0.3, NaN, 0.5]: "
        "which place does it name?",
        (BEST, "best = table[np.argmax(table[:, 0]), 1:]"),
    ),
    (
        "the last trial taken for the best",
        "You refine around the trial that happened to come last. Which column says how good a "
        "trial was?",
        (BEST, "best = table[-1, 1:]"),
    ),
    (
        "the middle stays where it was",
        "Your new range has the old middle. What did the search find out?",
        (BEST, "best = np.sqrt(ranges[:, 0] * ranges[:, 1])"),
    ),
    (
        "the result taken for a hyperparameter",
        "A row of the table has one number more than there are hyperparameters. Which one is it?",
        fundamental("the shapes collide, so every call stops"),
        (BEST, "best = table[np.nanargmax(table[:, 0])]"),
    ),
    (
        "shrink ignored",
        "Your new range is as wide as the old one. From coarse to fine?",
        ("** (shrink / 2)", "** (1 / 2)"),
    ),
    (
        "twice as wide as asked for",
        "From low to high your range covers `shrink` upwards *and* downwards. "
        "How far is it from the middle to an end?",
        ("** (shrink / 2)", "** shrink"),
    ),
    (
        "a width that does not depend on the old range",
        "A hyperparameter that was searched over six powers of ten and one that was searched over "
        "two get equally wide ranges.",
        (REACH, "1 / np.full(len(ranges), shrink)"),
    ),
    (
        "a width on the linear axis",
        "One end of your new range can be negative, which no learning rate is. "
        "On which axis is the middle in the middle?",
        (
            NEW,
            "half = shrink / 2 * (ranges[:, 1] - ranges[:, 0])\n"
            "    return np.stack([best - half, best + half], axis=1)",
        ),
    ),
    (
        "the range of the better trials",
        "Between the better trials lies a range, and it cannot reach beyond where you have "
        "already been. The description asks for one around the best.",
        range_of_the_better_half,
    ),
    (
        "low and high exchanged",
        "The first column of a range is its low end.",
        (NEW, "return np.stack([best * reach, best / reach], axis=1)"),
    ),
    (
        "the old ranges are changed",
        "After the call the caller's ranges are no longer what they were. Make a new array.",
        SLIP,
        (
            NEW,
            "ranges[:, 0], ranges[:, 1] = best / reach, best * reach\n    return ranges",
        ),
    ),
)

MISCONCEPTIONS = (
    *WRONG_SANITY_LOSS,
    *WRONG_LOG_UNIFORM,
    *WRONG_RANDOM_SEARCH,
    *WRONG_REFINE,
)

# ------------------------------------------------------------------ right in other ways


def excess_from_support(scores, y):
    """Use the loss that the course's networks use."""
    from cs231n_lib.layers.in_numpy import softmax_loss

    loss, _ = softmax_loss(scores, y)
    return float(loss) - np.log(scores.shape[1])


def excess_by_example(scores, y):
    """Add up one example after the other."""
    total = 0.0
    for row, label in zip(scores, y, strict=True):
        largest = row.max()
        total += np.log(np.exp(row - largest).sum()) + largest - row[label]
    return total / len(y) - np.log(scores.shape[1])


def excess_by_logaddexp(scores, y):
    """Let NumPy add logarithms."""
    own = np.take_along_axis(scores, y[:, None], axis=1)[:, 0]
    return np.mean(np.logaddexp.reduce(scores, axis=1) - own) - math.log(scores.shape[1])


def draw_powers_of_ten(low, high, size, rng):
    """Draw the exponent to the base ten."""
    return 10 ** rng.uniform(np.log10(low), np.log10(high), size=size)


def draw_one_by_one(low, high, size, rng):
    """Multiply the low end by a random power of the ratio, one value at a time."""
    values = np.empty(size)
    for i in range(values.size):
        values.flat[i] = low * (high / low) ** rng.random()
    return values


def draw_downwards(low, high, size, rng):
    """Start at the high end."""
    u = rng.random(size, dtype=np.float32)
    return high * np.exp2(-u * np.log2(high / low))


def search_trial_by_trial(objective, ranges, trials, rng):
    """Draw and try one setting after the other."""
    rows = []
    for _ in range(trials):
        setting = [float(log_uniform(low, high, 1, rng)[0]) for low, high in ranges]
        rows.append([objective(*setting), *setting])
    return np.array(rows)


def search_best_first(objective, ranges, trials, rng):
    """Return the rows with the best result first."""
    settings = np.array([log_uniform(low, high, trials, rng) for low, high in ranges]).T
    table = np.array([[objective(*row), *row] for row in settings])
    return table[np.argsort(-table[:, 0])]


def search_in_a_square(objective, ranges, trials, rng):
    """Draw points in a unit square, and stretch it."""
    u = log_uniform(1.0, math.e, (trials, len(ranges)), rng)
    low, high = np.asarray(ranges).T
    settings = low * (high / low) ** np.log(u)
    table = np.empty((trials, 1 + len(ranges)))
    table[:, 1:] = settings
    for row in table:
        row[0] = objective(*row[1:])
    return table


def refine_on_the_log_axis(table, ranges, shrink):
    """Go to powers of ten, and come back."""
    results = np.where(np.isnan(table[:, 0]), -np.inf, table[:, 0])
    centre = np.log10(table[results.argmax(), 1:])
    width = shrink * np.diff(np.log10(ranges), axis=1)[:, 0]
    return 10 ** np.column_stack([centre - width / 2, centre + width / 2])


def refine_one_by_one(table, ranges, shrink):
    """Treat one hyperparameter at a time."""
    finished = [row for row in table if row[0] == row[0]]
    best = max(finished, key=lambda row: row[0])
    new = []
    for value, (low, high) in zip(best[1:], ranges, strict=True):
        half = shrink * (math.log(high) - math.log(low)) / 2
        new.append((value * math.exp(-half), value * math.exp(half)))
    return np.array(new)


def refine_by_the_old_middle(table, ranges, shrink):
    """Shrink the old range about its middle, then move it to the best trial."""
    order = np.argsort(np.nan_to_num(table[:, 0], nan=-1.0))
    middle = np.sqrt(ranges.prod(axis=1, keepdims=True))
    return (ranges / middle) ** shrink * table[order[-1], 1:, None]


VARIANTS = (
    *right("sanity_loss", "the support's loss", sanity_loss=excess_from_support),
    *right("sanity_loss", "a loop", sanity_loss=excess_by_example),
    *right("sanity_loss", "logaddexp", sanity_loss=excess_by_logaddexp),
    *right("log_uniform", "powers of ten", log_uniform=draw_powers_of_ten),
    *right("log_uniform", "one by one", log_uniform=draw_one_by_one),
    *right("log_uniform", "downwards from the high end", log_uniform=draw_downwards),
    *right("log_uniform", "a list", (f"return {DRAW}", f"return ({DRAW}).tolist()")),
    *right("random_search", "trial by trial", random_search=search_trial_by_trial),
    *right(
        "random_search",
        "rows in lists",
        (
            "return np.column_stack([results, settings])",
            "return [[result, *setting] for result, setting in zip(results, settings)]",
        ),
    ),
    *right("random_search", "the best first", random_search=search_best_first),
    *right("random_search", "a stretched square", random_search=search_in_a_square),
    *right("refine", "on the logarithmic axis", refine=refine_on_the_log_axis),
    *right("refine", "one by one", refine=refine_one_by_one),
    *right("refine", "shrink, then move", refine=refine_by_the_old_middle),
)
EQUIVALENT: dict[str, dict[str, str]] = {}
