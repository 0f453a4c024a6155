"""The exercise of the family `getting_started`: small enough to play with its check."""

import numpy as np

from autograder.checking.judge import agree, keeps_types, matches
from autograder.checking.spec import Check, Exercise, Verdict

NEARLY = 1e-6  # a length this near to 1 is right
NEARLY_REMARK = (
    "The lengths are 1 only up to the small number that you added to all of them; "
    "only a row of zeros needs it."
)


def rows(rng, shortest=0.1):
    """Return x (7, 5) with rows of very different lengths, from about `shortest` on."""
    return shortest * rng.normal(size=(7, 5)) * np.geomspace(1, 100, 7)[:, None]


def _lengths(impl, rng):
    """Rows so long that a small number added to the lengths does not show."""
    return {"out": impl.unit_rows(rows(rng, shortest=1e4))}


def _zero_row(impl, rng):
    x = rows(rng)
    x[2] = 0
    return {"out": impl.unit_rows(x)}


def _types_and_inputs(impl, rng):
    x = rows(rng).astype(np.float32)
    return {"out": impl.unit_rows(x), "x after the call": x}


def nearly(seen, expected):
    """Judge: as `matches`, and a tiny number added to every length only gets a remark."""
    verdict = matches(seen, expected)
    if verdict.fraction < 1 and agree(seen["out"], expected.arrays["out"], NEARLY):
        return Verdict(1, remark=NEARLY_REMARK)
    return verdict


UNIT_ROWS = Exercise(
    id="getting_started.unit_rows",
    title="Rows of length 1",
    functions=("unit_rows",),
    returns={"unit_rows": ("out",)},
    checks=(
        Check("every row has length 1", 50, _lengths, nearly),
        Check("short rows, and a row of zeros stays one", 25, _zero_row, nearly),
        Check("float32 stays float32, x stays as it was", 25, _types_and_inputs, keeps_types),
    ),
    slide="",
    forbidden=("cs231n_lib.getting_started", "autograder.misconceptions"),
    small=(
        "unit_rows(np.array([[3.0, 4.0]]))",
        "unit_rows(np.array([[3.0, 4.0], [0.0, 2.0]]))",
        "unit_rows(np.array([[0.0, 0.0], [0.0, 2.0]]))",
        "unit_rows(np.array([[0.01, 0.0], [6.0, 8.0]]))",
    ),
    look="""\
print(unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])))  # 0.6 and 0.8; the zeros stay zeros
""",
)

EXERCISES = (UNIT_ROWS,)
