"""Wrong and other right answers of the family `initialization`."""

from typing import TYPE_CHECKING

import numpy as np

from autograder.exercises.initialization import GLOROT, GLOROT_UNIFORM, UNIFORM_REMARK
from autograder.misconceptions.records import right, wrong

if TYPE_CHECKING:  # an answer finds these beside it
    import torch

DRAWN = "rng.standard_normal((fan_in, fan_out))"
UNIFORM = "(2 * rng.random((fan_in, fan_out)) - 1)"
IN_TORCH = "torch.randn((fan_in, fan_out), generator=rng, device=rng.device)"
XAVIER, KAIMING = "W / fan_in**0.5", "W * (2 / fan_in) ** 0.5"


def everywhere(function, scaled):
    """Return mistakes about structure and randomness, for weights that are `scaled` rightly."""
    inner = scaled[1:]  # what is done to W
    lines = (
        (
            "all weights alike",
            "All units compute the same and get the same gradient, forever. What makes them "
            "different from each other?",
            (scaled, f"(1 + 0 * W){inner}"),
        ),
        (
            "every unit has the same weights",
            "Compare two columns of your W. Two units that start alike stay alike.",
            (scaled, f"(W[:, :1] + 0 * W){inner}"),
        ),
        (
            "every input has the same weight",
            "Compare two rows of your W. How many numbers have to be drawn?",
            (scaled, f"(W[:1] + 0 * W){inner}"),
        ),
        (
            "weights of one sign",
            "All of your weights are positive, so sums over many inputs do not cancel. "
            "What should the mean of the weights be?",
            (scaled, f"np.abs(W){inner}"),
        ),
        (
            "stored the other way round",
            "x @ W takes a row of x for each example. How many rows must W have, and how many "
            "columns?",
            (scaled, f"({scaled}).T"),
        ),
    )
    return (
        *wrong(function, *lines),
        *wrong(
            function,
            (
                "the global generator",
                "A run with the same seed should start with the same weights. Which generator do "
                "your numbers come from: the one that was passed in?",
                (DRAWN, "np.random.randn(fan_in, fan_out)"),
            ),
            (
                "a generator of its own",
                "Your weights are the same for every seed, and the same in layers of equal size. "
                "Who should choose the seed?",
                (DRAWN, "np.random.default_rng(0).standard_normal((fan_in, fan_out))"),
            ),
            (
                "the generator starts again",
                "Two layers of equal size get the same weights from you. Does a second draw from "
                "the same generator go on where the first ended?",
                (DRAWN, f"np.random.default_rng(rng.bit_generator.seed_seq){DRAWN[3:]}"),
            ),
            framework="numpy",
        ),
        *wrong(
            function,
            (
                "the global generator",
                "A run with the same seed should start with the same weights. Which generator do "
                "your numbers come from: the one that was passed in?",
                (IN_TORCH, "torch.randn((fan_in, fan_out))"),
            ),
            (
                "a generator of its own",
                "Your weights are the same for every seed, and the same in layers of equal size. "
                "Who should choose the seed?",
                (IN_TORCH, IN_TORCH.replace("=rng,", "=torch.Generator().manual_seed(0),")),
            ),
            framework="torch",
        ),
    )


WRONG_XAVIER = (
    *wrong(
        "xavier_init",
        (
            "by the fan-out",
            "Each unit adds up one product for each of its inputs. How many are they: as many as W "
            "has rows, or columns?",
            (XAVIER, "W / fan_out**0.5"),
        ),
        (
            "the variance as standard deviation",
            "Multiply a random number by c: its variance is multiplied by c². "
            "Did you multiply by a variance, or by a standard deviation?",
            (XAVIER, "W / fan_in"),
        ),
        (
            "the root taken twice",
            "Multiply a random number by c: its variance is multiplied by c². Which c gives the "
            "variance that you want? You have one root too many.",
            (XAVIER, "W / fan_in**0.25"),
        ),
        (
            "not scaled",
            "Your weights have variance 1 in every layer. A sum of fan-in many products then has "
            "which variance?",
            (XAVIER, "W"),
        ),
        (
            "multiplied instead of divided",
            "The more inputs a unit has, the larger your weights. "
            "Should a sum of more terms have larger or smaller terms?",
            (XAVIER, "W * fan_in**0.5"),
        ),
        (
            "the factor 2 of Kaiming",
            "A ReLU takes away half of the mean square, and a factor makes up for it. "
            "Is there a ReLU in what Xavier initialization is made for?",
            (XAVIER, "W * (2 / fan_in) ** 0.5"),
        ),
        (
            "half the variance",
            "Your variance is too small by a factor of 2. Do you divide by two fans and leave the "
            "second one out?",
            (XAVIER, "W / (2 * fan_in) ** 0.5"),
        ),
        (
            "fan-in times fan-out",
            "Your weights shrink with both sizes of the layer. How many products does one unit "
            "add up?",
            (XAVIER, "W / (fan_in * fan_out) ** 0.5"),
        ),
        (
            "Glorot's limit as standard deviation",
            "The 6 in that formula belongs to a uniform distribution, where it gives the limits. "
            "What is the variance of a uniform number between −a and a?",
            (XAVIER, "W * (6 / (fan_in + fan_out)) ** 0.5"),
        ),
        (
            "the standard deviation as limit",
            "A uniform number between −a and a has a standard deviation that is smaller than a. "
            "How much smaller?",
            (DRAWN, UNIFORM),
        ),
        (
            "0.01, whatever the size",
            "These are the small random numbers of the slide's first case. "
            "What do they do to a deep network, and what should they depend on?",
            (XAVIER, "0.01 * W"),
        ),
    ),
    *everywhere("xavier_init", XAVIER),
)
WRONG_KAIMING = (
    *wrong(
        "kaiming_init",
        (
            "without the 2",
            "That is Xavier's variance. A ReLU sets half of its inputs to 0: what is left of the "
            "mean square, and what makes up for it?",
            (KAIMING, "W / fan_in**0.5"),
        ),
        (
            "the 2 outside of the root",
            "Multiply a random number by c: its variance is multiplied by c². "
            "By how much does your factor of 2 multiply the variance?",
            (KAIMING, "2 * W / fan_in**0.5"),
        ),
        (
            "by the fan-out",
            "With the fan-out it is the gradients that keep their size. Which one is asked for "
            "here, and how many products does one unit add up?",
            (KAIMING, "W * (2 / fan_out) ** 0.5"),
        ),
        (
            "Glorot's variance",
            "That is made for units that are linear around 0. Which activation function is this "
            "initialization made for?",
            (KAIMING, "W * (2 / (fan_in + fan_out)) ** 0.5"),
        ),
        (
            "the variance as standard deviation",
            "Multiply a random number by c: its variance is multiplied by c². "
            "Did you multiply by a variance, or by a standard deviation?",
            (KAIMING, "W * (2 / fan_in)"),
        ),
        (
            "half in place of double",
            "A ReLU halves the mean square. Do the weights have to make up for it, or to halve it "
            "once more?",
            (KAIMING, "W / (2 * fan_in) ** 0.5"),
        ),
        (
            "the standard deviation as limit",
            "A uniform number between −a and a has a standard deviation that is smaller than a. "
            "How much smaller?",
            (DRAWN, UNIFORM),
        ),
        (
            "not scaled",
            "Your weights have variance 1 in every layer. A sum of fan-in many products then has "
            "which variance?",
            (KAIMING, "W"),
        ),
    ),
    *everywhere("kaiming_init", KAIMING),
)
MISCONCEPTIONS = (*WRONG_XAVIER, *WRONG_KAIMING)

# ------------------------------------------------------------------ right


def xavier_unit_by_unit(fan_in, fan_out, rng):
    """Draw the weights of one unit after the other."""
    units = [rng.normal(0, np.sqrt(1 / fan_in), fan_in) for _ in range(fan_out)]
    return np.stack(units, axis=1)


def xavier_in_place(fan_in, fan_out, rng):
    """Fill an empty tensor."""
    W = torch.empty(fan_in, fan_out, device=rng.device)
    return W.normal_(0, fan_in**-0.5, generator=rng)


def xavier_in_single_precision(fan_in, fan_out, rng):
    """Draw float32 numbers from the start."""
    W = rng.standard_normal(size=(fan_in, fan_out), dtype=np.float32)
    return W * np.float32(1 / np.sqrt(fan_in))


def kaiming_unit_by_unit(fan_in, fan_out, rng):
    """Draw the weights of one unit after the other."""
    units = [rng.normal(0, np.sqrt(2 / fan_in), fan_in) for _ in range(fan_out)]
    return np.stack(units, axis=1)


def kaiming_in_place(fan_in, fan_out, rng):
    """Fill an empty tensor."""
    W = torch.empty(fan_in, fan_out, device=rng.device)
    return W.normal_(0, (2 / fan_in) ** 0.5, generator=rng)


WHOLE_UNIFORM = (DRAWN, f"{UNIFORM} * 3**0.5")
BY_GLOROT = (XAVIER, "W * (2 / (fan_in + fan_out)) ** 0.5")
NUMPY, TORCH = {"framework": "numpy"}, {"framework": "torch"}
VARIANTS = (
    *right("xavier_init", "unit by unit", xavier_init=xavier_unit_by_unit, **NUMPY),
    *right("xavier_init", "float32", xavier_init=xavier_in_single_precision, **NUMPY),
    *right("xavier_init", "filled in place", xavier_init=xavier_in_place, **TORCH),
    *right("xavier_init", "times the root of 1/fan_in", (XAVIER, "W * (1 / fan_in) ** 0.5")),
    *right("xavier_init", "uniform", WHOLE_UNIFORM, remark=UNIFORM_REMARK),
    *right("xavier_init", "Glorot, normal", BY_GLOROT, remark=GLOROT),
    *right("xavier_init", "Glorot, uniform", WHOLE_UNIFORM, BY_GLOROT, remark=GLOROT_UNIFORM),
    *right("kaiming_init", "unit by unit", kaiming_init=kaiming_unit_by_unit, **NUMPY),
    *right("kaiming_init", "filled in place", kaiming_init=kaiming_in_place, **TORCH),
    *right("kaiming_init", "two roots", (KAIMING, "W * 2**0.5 / fan_in**0.5")),
    *right("kaiming_init", "uniform", WHOLE_UNIFORM, remark=UNIFORM_REMARK),
)
NO_GPU = {
    "W = torch.randn((fan_in, fan_out), generator=rng)": "differs only for a generator on a "
    "GPU, and checks run without one",
}
EQUIVALENT = {
    "initialization.torch.xavier_init": NO_GPU,
    "initialization.torch.kaiming_init": NO_GPU,
}
