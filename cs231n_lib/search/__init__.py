r"""Babysitting and hyperparameter search (slides 8–9): *look first, then search at random*.

These are techniques on single numbers, without a framework: everything stands in `shared`.

A hyperparameter such as a learning rate acts by factors, so it is drawn evenly on a logarithmic
axis. With u uniform on [0, 1], low and high the ends of the range:

.. math::
    \log v = \log \text{low} + u \, (\log \text{high} - \log \text{low})        && \text{(Search.1)}

Random search (Bergstra & Bengio 2012, JMLR 13) draws every hyperparameter of every trial anew;
a table has a row for each trial, its result first:

.. math::
    \text{row}_t = \bigl(f(v_{t1}, \dots, v_{tP}), \; v_{t1}, \dots, v_{tP}\bigr)
                                                                                && \text{(Search.2)}

From coarse to fine: the next search is centred, on the logarithmic axis, on the best trial
:math:`v^*`, and narrower by the factor s. It is not cut off at the old border, so that a best trial
near the border moves the range beyond it:

.. math::
    \bigl[\, v^*_p / r_p, \; v^*_p \, r_p \,\bigr], \qquad
    \log r_p = \tfrac{s}{2} \log (\text{high}_p / \text{low}_p)                 && \text{(Search.3)}

Before all of this, the first loss. A classifier that prefers none of C classes yet gives each the
probability 1/C, so the mean cross-entropy of the scores f over N examples is log C:

.. math::
    L &= \tfrac1N \sum_i \bigl( \log \sum_c e^{f_{ic}} - f_{i y_i} \bigr) && \text{(Search.4)} \\
    \text{excess} &= L - \log C                                                && \text{(Search.5)}
"""

import numpy as np

from cs231n_lib.errors import above, array, whole


def low_end(name, value, known):
    """Rule for `validated`: the positive low end of a range; `high_end` compares with it."""
    above(0)(name, value)
    known["low"] = value, name


def high_end(name, value, known):
    """Rule for `validated`: the high end of a range, above its low end."""
    above(known["low"][0])(name, value)


def spans(name, value, known):
    """Rule for `validated`: (P, 2) floats, each row the low and the high end of a range."""
    array("P two")(name, value, known)
    low, high = value[:, 0], value[:, -1]
    if value.shape[1] != 2 or not ((low > 0) & (low < high) & np.isfinite(high)).all():
        raise ValueError(
            f"{name} must have shape (P, 2), each row a range with 0 < low < high, got "
            f"{np.array2string(value, threshold=10)}"
        )
    columns, source = known.get("columns", (1 + len(value), None))
    if columns != 1 + len(value):
        raise ValueError(
            f"{source} must have a column for the result and one for each of the {len(value)} "
            f"{name}, got {columns} columns"
        )


def trial_table(name, value, known):
    """Rule for `validated`: a row for each trial, its result and then its P hyperparameters."""
    array("T columns")(name, value, known)
    if np.isnan(value[:, 0]).all():
        raise ValueError(f"{name}[:, 0] must hold a result that is not NaN; run some trials first")


def shape(name, value, known):
    """Rule for `validated`: how many values, or the shape of an array of them."""
    for length in value if isinstance(value, tuple) else (value,):
        whole(1)(name, length)
