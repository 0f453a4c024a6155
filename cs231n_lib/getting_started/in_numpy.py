"""Getting started in NumPy: the equation of the package cited by its tag."""

import numpy as np

from cs231n_lib.errors import validated


@validated(x="N D")
def unit_rows(x):
    """Scale every row to length 1, so that only its direction is left.

    Args:
        x: (N, D) one row per example; not changed.

    Returns:
        (N, D) a new array; a row of zeros stays a row of zeros.

    Before slide 1: this one is for getting to know the checks.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    length = np.sqrt((x**2).sum(axis=1, keepdims=True))  # (N, 1)
    return x / np.where(length > 0, length, 1)  # (N, D) GS.1
