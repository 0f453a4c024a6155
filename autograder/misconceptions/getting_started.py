"""Wrong and other right answers of the family `getting_started`."""

import numpy as np

from autograder.exercises.getting_started import NEARLY_REMARK
from autograder.misconceptions.records import SLIP, fundamental, right, wrong

ID = "getting_started.unit_rows"
LENGTH = "np.sqrt((x**2).sum(axis=1, keepdims=True))"
RESULT = "x / np.where(length > 0, length, 1)"


def unit_rows_by_loop(x):
    """Scale one row at a time."""
    out = np.zeros_like(x)
    for i, row in enumerate(x):
        if row.any():
            out[i] = row / np.sqrt(np.dot(row, row))
    return out


MISCONCEPTIONS = wrong(
    "unit_rows",
    (
        "columns of length 1",
        "Here every column has length 1. One example is one row: "
        "along which axis of x do you move when you walk through a row?",
        ("axis=1", "axis=0"),
    ),
    (
        "one length for the whole array",
        "All rows were divided by the same number. How many lengths should there be?",
        ("axis=1", "axis=None"),
    ),
    (
        "no square root",
        "Try it by hand on the row (3, 4): its length is 5, and you divided by 25.",
        (LENGTH, "(x**2).sum(axis=1, keepdims=True)"),
    ),
    (
        "sum of absolute values",
        "Try it by hand on the row (3, 4): its length is 5, and you divided by 7.",
        (LENGTH, "np.abs(x).sum(axis=1, keepdims=True)"),
    ),
    (
        "mean of the squares",
        "Your rows get longer when there are more columns: the length is the root of a sum, "
        "not of an average.",
        (".sum(", ".mean("),
    ),
    (
        "lengths lose their axis",
        "NumPy lines shapes up from the right, so (N,) does not fit (N, D), but (N, 1) does. "
        "Which argument of sum keeps the axis?",
        fundamental("the shapes collide, so every call stops"),
        (", keepdims=True", ""),
    ),
    (
        "zeros divided by zero",
        "0 / 0 is nan. What should a row of zeros be divided by, so that it stays as it is?",
        (RESULT, "x / length"),
    ),
    (
        "the lengths are returned",
        "You returned the lengths, (N, 1). The rows themselves, scaled, are asked for.",
        (RESULT, "length"),
    ),
    (
        "x is changed",
        "After the call the caller's x is no longer what it was: /= writes into it. "
        "Make a new array.",
        SLIP,
        (f"return {RESULT}", "x /= np.where(length > 0, length, 1)\n    return x"),
    ),
    (
        "a visible number added to every length",
        "You add a number to every length to avoid 0 / 0; it makes all other rows too short. "
        "Treat only the rows of zeros differently.",
        (RESULT, "x / (length + 1e-5)"),
    ),
)

VARIANTS = (
    *right("unit_rows", "a loop over rows", unit_rows=unit_rows_by_loop),
    *right("unit_rows", "np.linalg.norm", (LENGTH, "np.linalg.norm(x, axis=1, keepdims=True)")),
    *right("unit_rows", "einsum", (LENGTH, 'np.sqrt(np.einsum("nd,nd->n", x, x))[:, None]')),
    *right("unit_rows", "a smallest length", (RESULT, "x / np.maximum(length, 1e-30)")),
    *right(
        "unit_rows",
        "a tiny number added to every length",
        (RESULT, "x / (length + 1e-10)"),
        remark=NEARLY_REMARK,
    ),
)

EQUIVALENT = {
    ID: {"return x / np.where(length > 0, length, 2)": "a row of zeros divided by anything is zero"}
}
