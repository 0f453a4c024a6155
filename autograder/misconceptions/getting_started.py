"""Wrong and other right answers of the family `getting_started`."""

import numpy as np

from autograder.checking.spec import Misconception, Variant
from autograder.exercises.getting_started import NEARLY_REMARK

ID = "getting_started.unit_rows"
LENGTH = "np.sqrt((x**2).sum(axis=1, keepdims=True))"
RESULT = "x / np.where(length > 0, length, 1)"


def _wrong(name, hint, *edits):
    return Misconception(ID, name, hint, edits={"unit_rows": edits})


def _right(name, *edits, remark=""):
    return Variant(ID, name, remark, edits={"unit_rows": edits})


def unit_rows_by_loop(x):
    """Scale one row at a time."""
    out = np.zeros_like(x)
    for i, row in enumerate(x):
        if row.any():
            out[i] = row / np.sqrt(np.dot(row, row))
    return out


MISCONCEPTIONS = (
    _wrong(
        "columns of length 1",
        "Here every column has length 1. One example is one row: "
        "along which axis of x do you move when you walk through a row?",
        ("axis=1", "axis=0"),
    ),
    _wrong(
        "one length for the whole array",
        "All rows were divided by the same number. How many lengths should there be?",
        ("axis=1", "axis=None"),
    ),
    _wrong(
        "no square root",
        "Try it by hand on the row (3, 4): its length is 5, and you divided by 25.",
        (LENGTH, "(x**2).sum(axis=1, keepdims=True)"),
    ),
    _wrong(
        "sum of absolute values",
        "Try it by hand on the row (3, 4): its length is 5, and you divided by 7.",
        (LENGTH, "np.abs(x).sum(axis=1, keepdims=True)"),
    ),
    _wrong(
        "mean of the squares",
        "Your rows get longer when there are more columns: the length is the root of a sum, "
        "not of an average.",
        (".sum(", ".mean("),
    ),
    _wrong(
        "lengths lose their axis",
        "NumPy lines shapes up from the right, so (N,) does not fit (N, D), but (N, 1) does. "
        "Which argument of sum keeps the axis?",
        (", keepdims=True", ""),
    ),
    _wrong(
        "zeros divided by zero",
        "0 / 0 is nan. What should a row of zeros be divided by, so that it stays as it is?",
        (RESULT, "x / length"),
    ),
    _wrong(
        "the lengths are returned",
        "You returned the lengths, (N, 1). The rows themselves, scaled, are asked for.",
        (RESULT, "length"),
    ),
    _wrong(
        "x is changed",
        "After the call the caller's x is no longer what it was: /= writes into it. "
        "Make a new array.",
        (f"return {RESULT}", "x /= np.where(length > 0, length, 1)\n    return x"),
    ),
    _wrong(
        "a visible number added to every length",
        "You add a number to every length to avoid 0 / 0; it makes all other rows too short. "
        "Treat only the rows of zeros differently.",
        (RESULT, "x / (length + 1e-5)"),
    ),
)

VARIANTS = (
    Variant(ID, "a loop over rows", functions={"unit_rows": unit_rows_by_loop}),
    _right("np.linalg.norm", (LENGTH, "np.linalg.norm(x, axis=1, keepdims=True)")),
    _right("einsum", (LENGTH, 'np.sqrt(np.einsum("nd,nd->n", x, x))[:, None]')),
    _right("a smallest length", (RESULT, "x / np.maximum(length, 1e-30)")),
    _right(
        "a tiny number added to every length",
        (RESULT, "x / (length + 1e-10)"),
        remark=NEARLY_REMARK,
    ),
)

EQUIVALENT = {
    ID: {"return x / np.where(length > 0, length, 2)": "a row of zeros divided by anything is zero"}
}
