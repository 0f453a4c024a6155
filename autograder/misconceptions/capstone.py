"""Wrong and other right answers of the family `capstone`."""

import numpy as np

from autograder.misconceptions.records import (
    SLIP,
    fundamental,
    grouped,
    in_one_place_too,
    right,
    wrong,
)

# ------------------------------------------------------------------ wrong: ablate

RECIPES = "[dict(recipe)] + [recipe | {name: False} for name in recipe]"
ROWS = "[[train(dict(r), seed) for seed in seeds] for r in recipes]"


def ablate_without_end(train, recipe, seeds):
    """Leave out more and more: what is off stays off."""
    accuracy, left = [[train(dict(recipe), seed) for seed in seeds]], dict(recipe)
    for name in recipe:
        left[name] = False
        accuracy.append([train(dict(left), seed) for seed in seeds])
    return np.array(accuracy)


def ablate_in_place(train, recipe, seeds):
    """Switch ingredients in the caller's own recipe, and leave it so."""
    accuracy = [[train(dict(recipe), seed) for seed in seeds]]
    for name in list(recipe):
        accuracy.append([train({**recipe, name: False}, seed) for seed in seeds])
    recipe[name] = False
    return np.array(accuracy)


def ablate_by_switching(train, recipe, seeds):
    """Switch ingredients off in the caller's own recipe, and on again."""
    accuracy = [[train(recipe, seed) for seed in seeds]]
    for name in recipe:
        recipe[name] = False
        accuracy.append([train(recipe, seed) for seed in seeds])
        recipe[name] = True
    return np.array(accuracy)


WRONG_ABLATE = (
    *wrong(
        "ablate",
        (
            "what is off stays off",
            "Print the recipe before each training. Which ingredients does the last row miss: one, "
            "or all of them?",
            ablate_without_end,
        ),
        (
            "the row with everything is missing",
            "From what is a loss counted? Look at the first row that the docstring asks for.",
            ("[dict(recipe)] + [", "["),
        ),
        (
            "seeds of its own for every row",
            "Your rows differ in their seeds as well as in their recipes. Which of the two is then "
            "the reason for a difference?",
            grouped("other seeds for each row"),
            (
                "train(dict(r), seed) for seed in seeds] for r in recipes",
                "train(dict(r), seed + i) for seed in seeds] for i, r in enumerate(recipes)",
            ),
        ),
        (
            "one ingredient alone",
            "Your rows have one ingredient each. An ablation asks the other question: what is "
            "lost when everything else stays?",
            ("recipe | {name: False}", "{other: other == name for other in recipe}"),
        ),
        (
            "other seeds for each row",
            "Rows can only be subtracted seed by seed when they have the same seeds. Which does "
            "your second row use?",
            (ROWS, "[[train(dict(r), s + k) for s in seeds] for k, r in enumerate(recipes)]"),
        ),
        (
            "the number of the seed for the seed",
            "The caller's seeds need not be 0, 1, 2. What do you pass on: a seed, or its place "
            "in the list?",
            (ROWS, "[[train(dict(r), s) for s in range(len(seeds))] for r in recipes]"),
        ),
        (
            "one seed for all columns",
            "All your columns are one and the same run. What is the spread of a number that was "
            "measured once?",
            ("train(dict(r), seed)", "train(dict(r), seeds[0])"),
        ),
        (
            "complete recipe in the last row",
            "Everything is there, in another order than the docstring says. Which row is to be "
            "compared with all others?",
            SLIP,
            (RECIPES, "[recipe | {name: False} for name in recipe] + [dict(recipe)]"),
        ),
        (
            "rows and columns exchanged",
            "Look at the shape: a row is a recipe, a column is a seed.",
            SLIP,
            ("for r in recipes])", "for r in recipes]).T"),
        ),
        (
            "the caller's recipe is changed",
            "After the call the recipe of whoever called you misses something. Work on a copy.",
            SLIP,
            ablate_in_place,
        ),
        (
            "runs share a dict",
            "A training function may write into its recipe. What does the run with the next seed "
            "find there, if it gets the same dict?",
            SLIP,
            ("train(dict(r), seed)", "train(r, seed)"),
        ),
        (
            "one dict for all runs",
            "A training function may write into its recipe, or keep it. What does the next run "
            "find there, if it gets the same dict?",
            grouped("runs share a dict"),
            SLIP,
            ablate_by_switching,
        ),
        (
            "the mean over the seeds",
            "You return one number for each recipe. How far the seeds lie apart is what comes "
            "next: what is the shape of the table?",
            (ROWS, "[np.mean([train(dict(r), seed) for seed in seeds]) for r in recipes]"),
        ),
        (
            "nothing left out",
            "All your rows are trained with everything. Where does the ingredient get its False?",
            ("recipe | {name: False}", "recipe | {name: True}"),
        ),
    ),
)

# ------------------------------------------------------------------ wrong: ablation_table

MARGIN = "gains.std(axis=1, ddof=1) / np.sqrt(S)"
WRONG_TABLE = wrong(
    "ablation_table",
    (
        "spread of the seeds for that of the differences",
        "You measure how much the seeds differ from each other. Each ingredient was tried with the "
        "same seeds: subtract first, then look at the spread.",
        (
            MARGIN,
            "np.sqrt((accuracy[0].var(ddof=1) + accuracy[1:].var(axis=1, ddof=1)) / S)",
        ),
    ),
    (
        "sign reversed",
        "An ingredient that helps has a positive gain: which of the two rows is higher then?",
        ("accuracy[0] - accuracy[1:]", "accuracy[1:] - accuracy[0]"),
        fundamental("every number of the table is that of the opposite question"),
    ),
    (
        "spread of single runs",
        "Your interval would not get narrower with a thousand seeds. It is for the mean of S "
        "differences, not for one of them.",
        (" / np.sqrt(S)", ""),
    ),
    (
        "divided by S, not by its root",
        "Four times as many seeds make the interval of a mean half as wide. Yours?",
        ("np.sqrt(S)", "S"),
    ),
    (
        "variance divided by S",
        "The mean was taken from the same S numbers, so one of them tells nothing new about the "
        "spread. What does (Ablation.4) divide by?",
        ("ddof=1", "ddof=0"),
    ),
    (
        "over ingredients, not over seeds",
        "One number for each ingredient: over which axis is the mean?",
        ("gains = accuracy[0] - accuracy[1:]", "gains = (accuracy[0] - accuracy[1:]).T"),
        fundamental("rows of the table are seeds"),
    ),
    (
        "quantile left out",
        "One standard error on each side holds the truth in about two of three experiments. What "
        "is `quantile` for?",
        ("quantile * ", ""),
    ),
    (
        "half widths in place of ends",
        "You return how wide the interval is; asked for are its two ends.",
        ("[mean, mean - margin, mean + margin]", "[mean, -margin, margin]"),
    ),
    (
        "high before low",
        "The second column is the low end of the interval, the third the high one.",
        SLIP,
        ("mean - margin, mean + margin", "mean + margin, mean - margin"),
    ),
)

# ------------------------------------------------------------------ wrong: separating_runs

ALL_ALIKE = "np.stack([luck + gain, luck])"
WRONG_SEPARATING = wrong(
    "separating_runs",
    (
        "all seeds alike",
        "Somebody's table is misled by the spread of the seeds. Your runs have none, so both find "
        "the difference.",
        ("np.array([0.1, 0.3, 0.5, 0.7, 0.9])", "np.full(5, 0.5)"),
    ),
    (
        "the gain differs as much as the seeds",
        "The right table does not find this difference clear either: its pairs have to agree "
        "with each other.",
        ("np.array([0.01, 0.02, 0.01, 0.02, 0.01])", "np.array([0.1, -0.1, 0.05, -0.1, 0.06])"),
    ),
    (
        "rows for seeds",
        "Row 0 has the ingredient and row 1 has not; a column is a seed.",
        (ALL_ALIKE, "np.stack([luck + gain, luck], axis=1)"),
    ),
    (
        "percent",
        "Accuracies here are fractions of all examples, numbers from 0 to 1.",
        (ALL_ALIKE, "100 * np.stack([luck + gain, luck])"),
    ),
)

# ------------------------------------------------------------------ wrong: report_page

WRONG_REPORT = wrong(
    "report_page",
    (
        "validation reported as test",
        "The validation examples have chosen the recipe. What does your line `test` say?",
        SLIP,
        ("{measured[name]:.3f}", "{measured['validation' if name == 'test' else name]:.3f}"),
    ),
    (
        "all is clear",
        "What does an interval from −0.01 to 0.03 show? Say so in its line.",
        ('", not clear" if low <= 0 <= high else ""', '""'),
    ),
    (
        "clear and not clear exchanged",
        "An interval that holds 0 is one that shows nothing.",
        ("if low <= 0 <= high", "if not low <= 0 <= high"),
    ),
    (
        "a clear loss called not clear",
        "An ingredient whose whole interval lies below 0 clearly harms. Which values must an "
        "interval hold to show nothing?",
        SLIP,
        ("if low <= 0 <= high", "if low <= 0"),
    ),
    (
        "no intervals",
        "A gain without its interval cannot be judged by whoever reads it.",
        ("{low:.3f} to {high:.3f}", ""),
    ),
    (
        "limits left out",
        "How many seeds is all this from? A reader cannot guess.",
        SLIP,
        ('page += ["## Limits", f"seeds: {measured[\'seeds\']}"]', 'page += ["## Limits"]'),
    ),
    (
        "sections in another order",
        "Compare the order of your headings with that of the docstring.",
        SLIP,
        (
            '"## Data", measured["data"], "## Recipe", *measured["recipe"]',
            '"## Recipe", *measured["recipe"], "## Data", measured["data"]',
        ),
    ),
    *in_one_place_too(
        "two digits",
        "Gains are a few thousandths: with two digits they vanish.",
        ("{gain:.3f}, {low:.3f} to {high:.3f}", "{gain:.2f}, {low:.2f} to {high:.2f}"),
        ("{measured[name]:.3f}", "{measured[name]:.2f}"),
    ),
    (
        "results in percent",
        "All numbers of the page are fractions of 1. In which unit are your results?",
        ("{measured[name]:.3f}", "{100 * measured[name]:.3f}"),
    ),
    (
        "seeds written as rows",
        "One page: a line for each ingredient, and one for the number of seeds.",
        SLIP,
        (
            "f\"seeds: {measured['seeds']}\"]",
            '*(f"seed {s}" for s in range(100))]',
        ),
    ),
)

# ------------------------------------------------------------------ wrong: predictions

WRONG_PREDICTIONS = wrong(
    "predictions",
    (
        "the farthest example",
        "Which training example should an image be like: the one with the smallest distance, or "
        "the largest?",
        ("distances.argmin(axis=1)", "distances.argmax(axis=1)"),
    ),
    (
        "places for classes",
        "You return which training example is meant. What is its class?",
        ("y_train[distances.argmin(axis=1)]", "distances.argmin(axis=1)"),
        fundamental("most places are no class"),
    ),
    (
        "scores for classes",
        "You return a number for each class, or for each training example. Which one is the "
        "largest?",
        ("y_train[distances.argmin(axis=1)]", "distances"),
        fundamental("nothing in it is a class"),
    ),
    (
        "classes counted from 1",
        "Compare a few of your classes with `y_train`: the first class is called 0.",
        ("y_train[distances.argmin(axis=1)]", "(y_train[distances.argmin(axis=1)] + 1) % 10"),
    ),
    (
        "the same class for all",
        "Look at a few of your predictions: do they depend on x?",
        ("y_train[distances.argmin(axis=1)]", "np.full(len(x), y_train[0])"),
    ),
)

MISCONCEPTIONS = (
    *WRONG_ABLATE,
    *WRONG_TABLE,
    *WRONG_SEPARATING,
    *WRONG_REPORT,
    *WRONG_PREDICTIONS,
)

# ------------------------------------------------------------------ right


def ablate_by_loops(train, recipe, seeds):
    """Write into an array, with a copy of the recipe for every run."""
    accuracy = np.zeros((1 + len(recipe), len(seeds)))
    for row, left_out in enumerate([None, *recipe]):
        for column, seed in enumerate(seeds):
            accuracy[row, column] = train({n: n != left_out for n in recipe}, seed)
    return accuracy


def ablate_seed_by_seed(train, recipe, seeds):
    """Go through the seeds outside, and return lists."""
    columns = []
    for seed in seeds:
        column = [train(recipe.copy(), seed)]
        for name in recipe:
            without = recipe.copy()
            without[name] = False
            column.append(train(without, seed))
        columns.append(column)
    return list(map(list, zip(*columns, strict=True)))


def ablate_by_omission(train, recipe, seeds):
    """An ingredient that is left out is no entry at all."""
    recipes = [recipe, *({n: v for n, v in recipe.items() if n != name} for name in recipe)]
    return [[train(dict(one), seed) for seed in seeds] for one in recipes]


def table_by_loops(accuracy, quantile):
    """A row at a time, in plain Python."""
    rows = []
    for other in accuracy[1:]:
        gains = [float(a) - float(b) for a, b in zip(accuracy[0], other, strict=True)]
        mean = sum(gains) / len(gains)
        variance = sum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1)
        margin = quantile * np.sqrt(variance / len(gains))
        rows.append([mean, mean - margin, mean + margin])
    return np.array(rows)


def runs_at_random():
    """Seeds at random, and nearly the same gain for all."""
    rng = np.random.default_rng(0)
    luck = rng.uniform(0, 0.9, 5)
    return np.array([luck + 0.05 + 0.001 * np.arange(5), luck])


def page_with_tables(measured):
    """Percentages, tables, and more words."""
    page = "# What we found\n\n## Data\n\nWe used " + measured["data"] + ".\n\n## Recipe\n\n"
    page += ", ".join(measured["recipe"]) + "\n\n## Result\n\n| accuracy | value |\n|---|---|\n"
    for name in ("validation", "test", "baseline"):
        page += f"| {name} | {100 * measured[name]:.1f} % |\n"
    page += "\n## Ablation\n\n"
    for name in measured["ablation"]:
        gain, low, high = measured["ablation"][name]
        page += f"* **{name}** {gain:+.3f} ({low:+.3f} to {high:+.3f})"
        if low * high <= 0:
            page += ": Not clear."
        page += "\n"
    return page + f"\n## Limits\n\n* Seeds: {measured['seeds']}\n"


def page_at_full_precision(measured):
    """Numbers as Python prints them."""
    lines = ["## Data", str(measured["data"]), "## Recipe", str(measured["recipe"]), "## Result"]
    lines += [f"{k}: {float(measured[k])}" for k in ("test", "validation", "baseline")]
    lines.append("## Ablation")
    for name, row in measured["ablation"].items():
        gain, low, high = map(float, row)
        said = "clear" if low > 0 or high < 0 else "not clear"
        lines.append(f"{name}: {gain}, from {low} to {high}, {said}")
    return "\n".join([*lines, "## Limits", f"seeds: {measured['seeds']}"])


def three_nearest(x_train, y_train, x):
    """The majority of the three nearest."""
    distances = ((x[:, None] - x_train) ** 2).sum(axis=2)
    nearest = y_train[distances.argsort(axis=1)[:, :3]]
    return np.array([np.bincount(row).argmax() for row in nearest])


def nearest_mean(x_train, y_train, x):
    """The class whose mean image is nearest, as a list."""
    means = np.stack([x_train[y_train == c].mean(axis=0) for c in range(10)])
    return [int(np.argmin(((row - means) ** 2).sum(axis=1))) for row in x]


VARIANTS = (
    *right("ablate", "by loops", ablate=ablate_by_loops),
    *right("ablate", "seed by seed, as lists", ablate=ablate_seed_by_seed),
    *right("ablate", "without an entry, as lists", ablate=ablate_by_omission),
    *right(
        "ablate",
        "with dict()",
        ("recipe | {name: False}", "dict(recipe, **{name: False})"),
    ),
    *right("ablation_table", "by loops", ablation_table=table_by_loops),
    *right(
        "ablation_table",
        "root of the variance",
        (MARGIN, "np.sqrt(gains.var(axis=1, ddof=1) / S)"),
    ),
    *right(
        "ablation_table",
        "column_stack",
        (
            "np.stack([mean, mean - margin, mean + margin], axis=1)",
            "np.column_stack((mean, mean - margin, mean + margin))",
        ),
    ),
    *right("separating_runs", "seeds at random", separating_runs=runs_at_random),
    *right(
        "separating_runs",
        "an ingredient that harms",
        (ALL_ALIKE, "np.stack([luck, luck + gain])"),
    ),
    *right("separating_runs", "lists", (ALL_ALIKE, "[list(luck + gain), list(luck)]")),
    *right("report_page", "tables and percentages", report_page=page_with_tables),
    *right("report_page", "numbers as Python prints them", report_page=page_at_full_precision),
    *right("report_page", "a blank line between all lines", ('"\\n".join', '"\\n\\n".join')),
    *right("predictions", "three neighbours", predictions=three_nearest),
    *right("predictions", "nearest mean, as a list", predictions=nearest_mean),
    *right(
        "predictions",
        "floats that are whole",
        ("y_train[distances.argmin(axis=1)]", "y_train[distances.argmin(axis=1)].astype(float)"),
    ),
)

DECORATED = "an underscore is a mark of Markdown, which is free"
ANY_ORDER = "each result has a line of its own, with its name"
BY_CHANCE = "an end that is exactly 0"
EQUIVALENT = {
    "capstone.ablate": {
        "recipes = [recipe] + [...": "every training gets a copy all the same",
        "return [[train(dict(r), seed) for seed in seeds] for r in recipes]": "lists are a table",
    },
    "capstone.report_page": {
        "page = ['# Report_', '## Data', measured['data'], '## Recipe', *measured['recipe']]": (
            "the title is free"
        ),
        "for name in ('validation', 'test', 'baseline'):": ANY_ORDER,
        "for name in ('test', 'baseline', 'validation'):": ANY_ORDER,
        "page += [f'{name}: _{measured[name]:.3f}']": DECORATED,
        "page += [f'- {name}: _{gain:.3f}, {low:.3f} to {high:.3f}{unclear}']": DECORATED,
        "page += [f'- {name}: {gain:.3f}, _{low:.3f} to {high:.3f}{unclear}']": DECORATED,
        "page += [f'- {name}: {gain:.3f}, {low:.3f} to _{high:.3f}{unclear}']": DECORATED,
        "page += ['## Limits', f\"seeds: _{measured['seeds']}\"]": DECORATED,
        "unclear = ', not clear_' if low <= 0 <= high else ''": DECORATED,
        "unclear = ', not clear' if low <= 0 <= high else '_'": DECORATED,
        "unclear = ', not clear' if low < 0 <= high else ''": BY_CHANCE,
        "unclear = ', not clear' if low <= 0 < high else ''": BY_CHANCE,
    },
    "capstone.separating_runs": {"...": "any runs that separate are a right answer"},
    "capstone.predictions": {"...": "any classifier that is good enough is a right answer"},
}
