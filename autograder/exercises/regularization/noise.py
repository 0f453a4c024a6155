"""What the exercises on noise share, beside the outcomes of `shared`."""

import numpy as np

from autograder.checking.scenarios import afterwards
from autograder.exercises.regularization.shared import outcome_check

CLOSE = 1e-4  # float32 is far inside, and what is to be told apart far outside


def near(a, b):
    """Say whether two arrays are equal in float32, relative to the largest number."""
    if a.shape != b.shape:
        return False
    return bool(np.abs(a - b).max(initial=0) <= CLOSE * max(1, np.abs(b).max(initial=0)))


RANDOMNESS = (
    "right",
    "generators with one seed give different results",
    "generators with different seeds give the same result",
    "a second call with the same generator gives the same result",
)


def randomness_check(points, call):
    """Return the check that all randomness comes from the generator, and moves it on.

    `call(impl, rng)` returns a function of a generator.
    """

    def run(impl, rng):
        function, seed = call(impl, rng), int(rng.integers(2**31))
        generator = np.random.default_rng(seed)
        first, second = function(generator), function(generator)
        again, other = (function(np.random.default_rng(seed + more)) for more in (0, 1))
        return {}, {"first": first, "second": second, "again": again, "other": other}

    def outcome(inputs, answers):
        first, second, again, other = (answers[k] for k in ("first", "second", "again", "other"))
        same = (near(first, a) for a in (again, other, second))
        equal, unmoved_by_seed, unmoved_by_call = same
        if not equal:
            return 1
        return 2 if unmoved_by_seed else 3 if unmoved_by_call else 0

    return outcome_check("all randomness from the generator", points, RANDOMNESS, run, outcome)


def precision(call, names, outputs="out"):
    """Return the scenario of both precisions.

    `call(impl, arrays)` returns what a function makes of arrays without any chance; `names` are
    those of the arrays, `outputs` those of its results.
    """

    def scenario(impl, arrays):
        single = [a.astype(np.float32) for a in arrays]
        observed = dict(zip(outputs.split(), call(impl, single), strict=True))
        double = call(impl, [a.copy() for a in arrays])[0]
        first = outputs.split()[0]
        return {**observed, f"{first} in float64": double, **afterwards(names, single)}

    return scenario


PRECISION = "float32 and float64 alike, inputs stay as they were"
