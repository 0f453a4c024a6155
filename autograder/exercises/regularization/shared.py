"""What the exercises of the family share: its records, and checks of random layers by outcomes.

What a random layer gives cannot be compared with what the reference gives: every right answer draws
its own numbers. So a scenario returns the raw arrays, and `place` says which of a list of outcomes
they show; the first is right. The judge looks at the raw arrays again, on its own inputs.
"""

import math
from collections import defaultdict
from dataclasses import replace

import numpy as np

from autograder.checking.scenarios import Measured, WithNumbers, failed, family
from autograder.checking.spec import Check, Verdict

RETURNS = {
    "l2_penalty": ("penalty", "dW"),
    "l1_penalty": ("penalty", "dW"),
    "elastic_net_penalty": ("penalty", "dW"),
    "l1_proximal_step": ("next_w",),
    "vanilla_dropout_forward": ("out", "cache"),
    "vanilla_dropout_backward": ("dx",),
    "dropout_forward": ("out", "cache"),
    "dropout_backward": ("dx",),
    "expectation_over_masks": ("expected",),
    "separating_products": ("a",),
    "dropout_as_l2": ("loss", "dw"),
    "train_regularized": ("losses", "accuracies"),
    "dropconnect_forward": ("out", "cache"),
    "dropconnect_backward": ("dx", "dw", "db"),
    "dropconnect_moments": ("mean", "variance"),
    "separating_weights": ("w",),
    "dropconnect_inference": ("out",),
    "dropconnect_closed_form": ("out",),
    "pooling_boundaries": ("a",),
    "pooling_regions": ("first", "last"),
    "fractional_max_pool_forward": ("out", "cache"),
    "fractional_max_pool_backward": ("dx",),
    "survival_probabilities": ("p",),
    "stochastic_depth_forward": ("out", "cache"),
    "stochastic_depth_backward": ("dx", "dbranch"),
    "stochastic_depth_network": ("out",),
}
FORBIDDEN = (
    "torch.nn.Dropout",
    "torch.nn.Dropout1d",
    "torch.nn.Dropout2d",
    "torch.nn.Dropout3d",
    "torch.nn.AlphaDropout",
    "torch.nn.FeatureAlphaDropout",
    "torch.nn.functional.dropout",
    "torch.nn.functional.dropout1d",
    "torch.nn.functional.dropout2d",
    "torch.nn.functional.dropout3d",
    "torch.nn.functional.alpha_dropout",
    "torch.nn.functional.feature_alpha_dropout",
    "torch.nn.functional.softshrink",
    "torch.nn.Softshrink",
    "torch.dropout",
    "torch.dropout_",
    "torch.nn.FractionalMaxPool2d",
    "torch.nn.functional.fractional_max_pool2d",
    "torch.nn.functional.fractional_max_pool2d_with_indices",
)

exercise = family("regularization", RETURNS, FORBIDDEN)


def type_of(array):
    """Return an observation that has the array's type and nothing else."""
    return np.zeros((), array.dtype)


FALSE_ALARM = 1e-10  # of one bound; a check has a few


def share_bound(n):
    """Return how far a fraction of n independent draws may lie from its probability (Hoeffding)."""
    return math.sqrt(math.log(2 / FALSE_ALARM) / (2 * n))


class Place(WithNumbers, int):
    """A place in a list of outcomes."""


def place_of_share(place, share, p, n):
    """Return a place with the share that was kept of n, and the one that was expected."""
    return Place(place, f"share {share:.3f}, expected {p:.3f} ± {share_bound(n):.3f}")


def _said(outcomes, place):
    """Return an outcome in words, with the numbers of its place where it has any."""
    return Measured(outcomes[place], getattr(place, "numbers", ""))


def outcome_check(name, points, outcomes, scenario, place, half=()):
    """Return the check of a random layer.

    Args:
        name, points: of the check.
        outcomes: what can be said, in words; the first: right.
        scenario: (impl, rng) -> (inputs, raw): two dicts of arrays, of what went in, which depends
            on the seed alone, and of what came out.
        place: (inputs, raw) -> place in `outcomes`.
        half: places that are worth half the points.
    """

    def observed(impl, rng):
        inputs, raw = scenario(impl, rng)
        kept = {f"_{key}": array for key, array in inputs.items()}
        answers = {f"__{key}": array for key, array in raw.items()}
        return {**kept, **answers, "outcome": np.array(place(inputs, raw))}

    def judge(seen, expected):
        own = expected.arrays
        inputs = {k[1:]: a for k, a in own.items() if k.startswith("_") and not k.startswith("__")}
        raw = {k[2:]: array for k, array in seen.items() if k.startswith("__")}
        found = place(inputs, defaultdict(lambda: np.zeros(0), raw))
        verdict = failed(_said(outcomes, found), "outcome") if found else Verdict(1)
        return replace(verdict, fraction=0.5) if found in half else verdict

    return Check(name, points, observed, judge)
