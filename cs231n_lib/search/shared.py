"""The first loss, random search, and from coarse to fine: techniques that need no framework."""

import math

import numpy as np

from cs231n_lib.errors import above, generator, labels, validated, whole
from cs231n_lib.search import high_end, low_end, shape, spans, trial_table


@validated(scores="N C", y=labels("N", "C"))
def sanity_loss(scores, y):
    """Say how far the first loss is above that of a network without any preference.

    Args:
        scores: (N, C) of an untrained network, before the softmax.
        y: (N,) integer labels, from 0 to C − 1.

    Returns:
        excess: mean cross-entropy minus that of guessing, in nats. About 0 is healthy; much more
        says that the initial weights or the inputs are too large, or that the loss is wrong.

    Slide 8.

    >>> round(float(sanity_loss(np.zeros((4, 10)), np.array([3, 1, 4, 1]))), 9)
    0.0
    """
    N, C = scores.shape
    below_top = scores - scores.max(axis=1, keepdims=True)  # (N, C) so that exp does not overflow
    log_total = np.log(np.exp(below_top).sum(axis=1))  # (N,)
    loss = (log_total - below_top[np.arange(N), y]).mean()  # Search.4
    return loss - math.log(C)  # Search.5


@validated(low=low_end, high=high_end, size=shape, rng=generator)
def log_uniform(low, high, size, rng):
    """Draw random numbers from `low` to `high` such that every factor of ten gets an equal share.

    Args:
        low, high: ends of the range, 0 < low < high.
        size: how many, or the shape of an array of them.
        rng: np.random.Generator, the only source of randomness.

    Returns:
        values: array of shape `size`, float64, from low to high.

    Slide 9. Bergstra & Bengio 2012, *Random search for hyper-parameter optimization*, JMLR 13.

    >>> values = log_uniform(1e-3, 1e3, 10_000, np.random.default_rng(0))
    >>> bool(abs(np.mean(values < 1) - 0.5) < 0.02)  # half of them below the geometric middle
    True
    """
    return np.exp(rng.uniform(math.log(low), math.log(high), size))  # Search.1


@validated(ranges=spans, trials=whole(1), rng=generator)
def random_search(objective, ranges, trials, rng):
    """Try random settings: every trial draws every hyperparameter log-uniformly from its range.

    Args:
        objective: function of P numbers, the hyperparameters in the order of `ranges`, that returns
            the result of a trial, such as a validation accuracy.
        ranges: (P, 2) the low and the high end of each hyperparameter's range.
        trials: number of trials, T.
        rng: np.random.Generator, the only source of randomness.

    Returns:
        table: (T, 1 + P) a row for each trial: its result, then its hyperparameters.

    Slide 9. Bergstra & Bengio 2012, *Random search for hyper-parameter optimization*, JMLR 13.

    >>> ranges = np.array([[1e-4, 1.0], [1e-6, 1e-2]])
    >>> random_search(lambda rate, reg: -rate, ranges, 5, np.random.default_rng(0)).shape
    (5, 3)
    """
    columns = [log_uniform(low, high, trials, rng) for low, high in ranges]
    settings = np.stack(columns, axis=1)  # (T, P)
    results = [objective(*setting) for setting in settings]
    return np.column_stack([results, settings])  # (T, 1 + P) Search.2


@validated(table=trial_table, ranges=spans, shrink=above(0))
def refine(table, ranges, shrink):
    """Return the ranges of the next, finer search: around the best trial, narrower by `shrink`.

    Args:
        table: (T, 1 + P) a row for each trial: its result, then its hyperparameters. A result is
            NaN where the trial failed.
        ranges: (P, 2) the low and the high end of each hyperparameter's range in that search.
        shrink: width of the new range divided by that of the old one, on a logarithmic axis.

    Returns:
        new_ranges: (P, 2) centred at the best trial on a logarithmic axis; near a border of the old
        range they reach beyond it.

    Slide 9.

    >>> table = np.array([[0.4, 0.1], [0.9, 10.0]])
    >>> refine(table, np.array([[0.01, 100.0]]), shrink=0.5).round(6)
    array([[  1., 100.]])
    """
    best = table[np.nanargmax(table[:, 0]), 1:]  # (P,)
    reach = (ranges[:, 1] / ranges[:, 0]) ** (shrink / 2)  # (P,) a factor up and down
    return np.stack([best / reach, best * reach], axis=1)  # (P, 2) Search.3
