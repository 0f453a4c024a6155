"""What the exercises on noise share: random answers are judged by what they turn out to be.

A scenario returns what the functions gave, and says which of a check's `outcomes` that is; the
judge looks for itself. So a wrong answer is recognised by what it does, whatever it drew. Bounds on
shares hold for right answers but for one draw in 10¹⁰ (Hoeffding 1963).
"""

import math
from dataclasses import replace

import numpy as np

from autograder.checking.scenarios import afterwards, failed, family
from autograder.checking.spec import Check, Verdict

FALSE_ALARM = 1e-10
NOT_FOUND = "nothing came back"

FORBIDDEN = (
    "torch.nn.functional.fractional_max_pool2d",
    "torch.nn.FractionalMaxPool2d",
    "torch.fractional_max_pool2d",
)
RETURNS = {
    "dropconnect_forward": ("out", "cache"),
    "dropconnect_backward": ("dx", "dw", "db"),
    "dropconnect_moments": ("mean", "variance"),
    "dropconnect_inference": ("out",),
    "dropconnect_closed_form": ("out",),
    "separating_weights": ("w",),
    "pooling_boundaries": ("a",),
    "pooling_regions": ("first", "last"),
    "fractional_max_pool_forward": ("out", "cache"),
    "fractional_max_pool_backward": ("dx",),
    "survival_probabilities": ("p",),
    "stochastic_depth_forward": ("out", "cache"),
    "stochastic_depth_backward": ("dx", "dbranch"),
    "stochastic_depth_network": ("out",),
}
exercise = family("regularization", RETURNS, FORBIDDEN)


def margin(trials):
    """Return how far a share of independent draws may lie from its probability."""
    return math.sqrt(math.log(2 / FALSE_ALARM) / (2 * trials))


def outcome_check(title, points, outcomes, run, outcome, half=()):
    """Return a check whose answers are random.

    Args:
        title, points: of the check.
        outcomes: what can be said, in sentences; the first is that of a right answer.
        run: (impl, rng) -> (inputs, answers), two dicts of arrays. The inputs do not depend on
            what the functions answer.
        outcome: (inputs, answers) -> place in `outcomes`.
        half: places that are worth half the points.
    """

    def scenario(impl, rng):
        inputs, answers = run(impl, rng)
        return {
            **{f"_{name}": array for name, array in inputs.items()},
            **{f"__{name}": array for name, array in answers.items()},
            "outcome": np.array(outcome(inputs, answers)),
        }

    def judge(seen, expected):
        answers = {key[2:]: seen[key] for key in seen if key.startswith("__")}
        inputs = {
            key[1:]: array
            for key, array in expected.arrays.items()
            if key.startswith("_") and not key.startswith("__")
        }
        try:
            found = outcome(inputs, answers)
        except KeyError:
            return failed(NOT_FOUND, "outcome")
        if found in half:
            return replace(failed(outcomes[found], "outcome"), fraction=0.5)
        return failed(outcomes[found], "outcome") if found else Verdict(1)

    return Check(title, points, scenario, judge)


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
        same = (np.array_equal(first, a) for a in (again, other, second))
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
