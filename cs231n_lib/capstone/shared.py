"""The capstone: an ablation, its table, a page that reports it, and predictions (slide 108)."""

import numpy as np

from cs231n_lib.capstone import two_rows
from cs231n_lib.errors import validated


@validated(train="function", recipe=..., seeds=...)
def ablate(train, recipe, seeds):
    """Train with everything, then without each ingredient in turn, with the same seeds each time.

    Args:
        train: function (recipe, seed) -> accuracy.
        recipe: {ingredient: True}; it stays as it is, and no two calls share a dict. In a recipe
            without an ingredient it is False, or not there.
        seeds: S whole numbers.

    Returns:
        accuracy: (1 + K, S), row 0 with everything, row k without the k-th ingredient alone.

    Slide 108.

    >>> worth = {"depth": 0.3, "tricks": 0.1}
    >>> def train(recipe, seed):
    ...     return 0.5 + sum(worth[name] for name in recipe if recipe[name])
    >>> ablate(train, {"depth": True, "tricks": True}, [0, 1]).round(2)
    array([[0.9, 0.9],
           [0.6, 0.6],
           [0.8, 0.8]])
    """
    recipes = [dict(recipe)] + [recipe | {name: False} for name in recipe]
    return np.array([[train(dict(r), seed) for seed in seeds] for r in recipes])  # Ablation.1


@validated(accuracy=two_rows, quantile="positive")
def ablation_table(accuracy, quantile):
    """Say what each ingredient is worth, with its interval, from paired seeds.

    Args:
        accuracy: (1 + K, S), as `ablate` returns it.
        quantile: t, of Student's distribution with S − 1 degrees of freedom.

    Returns:
        table: (K, 3), of each ingredient the mean gain, the low and the high end of its interval.

    Slide 108; Student 1908, *The probable error of a mean*, Biometrika 6.

    >>> ablation_table(np.array([[0.9, 0.8, 0.7], [0.8, 0.6, 0.6]]), 4.3).round(3)
    array([[ 0.133, -0.01 ,  0.277]])
    """
    S = accuracy.shape[1]
    gains = accuracy[0] - accuracy[1:]  # (K, S) Ablation.2
    mean = gains.mean(axis=1)  # (K,) Ablation.3
    margin = quantile * gains.std(axis=1, ddof=1) / np.sqrt(S)  # (K,) Ablation.4
    return np.stack([mean, mean - margin, mean + margin], axis=1)


def separating_runs():
    """Return runs that are clearly different in pairs, and not clearly for `unpaired_table`.

    Returns:
        accuracy: (2, 5), from 0 to 1: row 0 with an ingredient, row 1 without it, a seed a column.

    Slide 108.

    >>> separating_runs().shape
    (2, 5)
    """
    luck = np.array([0.1, 0.3, 0.5, 0.7, 0.9])  # of the seed, for both rows alike
    gain = np.array([0.01, 0.02, 0.01, 0.02, 0.01])
    return np.stack([luck + gain, luck])


def report_page(measured):
    """Write what was measured on one page of Markdown.

    Args:
        measured: {"data": text, "recipe": list of texts, "seeds": S, "test": accuracy,
            "validation": accuracy, "baseline": accuracy, "ablation": {ingredient: (3,) mean gain,
            low, high}}; all numbers are fractions of 1.

    Returns:
        page: text of at most 60 lines, with the headings "## Data", "## Recipe", "## Result",
        "## Ablation" and "## Limits" in this order. Numbers have three digits after the point.
        Result: the lines "test: 0.931", "validation: ...", "baseline: ...". Ablation: a line for
        each ingredient, in order, with its name, its gain, low and high; it says "not clear" where
        the interval holds 0, and only there. Limits: the line "seeds: S".

    Slide 108.

    >>> measured = {"data": "digits", "recipe": ["Adam"], "seeds": 5, "test": 0.93,
    ...             "validation": 0.95, "baseline": 0.9, "ablation": {"Adam": (0.1, -0.1, 0.3)}}
    >>> report_page(measured).splitlines()[-3:]
    ['- Adam: 0.100, -0.100 to 0.300, not clear', '## Limits', 'seeds: 5']
    """
    page = ["# Report", "## Data", measured["data"], "## Recipe", *measured["recipe"]]
    page += ["## Result"]
    for name in ("test", "validation", "baseline"):
        page += [f"{name}: {measured[name]:.3f}"]
    page += ["## Ablation"]
    for name, (gain, low, high) in measured["ablation"].items():
        unclear = ", not clear" if low <= 0 <= high else ""
        page += [f"- {name}: {gain:.3f}, {low:.3f} to {high:.3f}{unclear}"]
    page += ["## Limits", f"seeds: {measured['seeds']}"]
    return "\n".join(page)


@validated(x_train="N D", y_train=..., x="M D")
def predictions(x_train, y_train, x):
    """Predict the classes of unlabelled examples, in at most five seconds, in any way you like.

    Args:
        x_train: (N, D) examples.
        y_train: (N,) their classes, whole numbers from 0.
        x: (M, D) examples without labels.

    Returns:
        y: (M,) whole numbers, the class of each row of x.

    This one is the baseline that a network has to beat: the class of the nearest training example.

    Slide 108.

    >>> x_train, y_train = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([3, 7])
    >>> predictions(x_train, y_train, np.array([[0.9, 0.8]]))
    array([7])
    """
    squares = (x_train**2).sum(axis=1)  # (N,)
    distances = squares - 2 * x @ x_train.T  # (M, N) up to a constant of each row
    return y_train[distances.argmin(axis=1)]
