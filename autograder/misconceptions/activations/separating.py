"""Wrong and other right answers to the search for an input on which a slope by division fails."""

import numpy as np

from autograder.misconceptions.records import right, wrong

INPUT = "np.array([-1.0, 0.0, 2.0])"

MISCONCEPTIONS = wrong(
    "slope_breaking_input",
    (
        "positive numbers only",
        "On positive numbers output and input are the same, so their ratio is right. "
        "For which single number is a ratio to it not defined?",
        (INPUT, "np.array([0.5, 1.0, 2.0])"),
    ),
    (
        "negative numbers only",
        "On negative numbers the ratio is the slope. "
        "For which single number is a ratio to it not defined?",
        (INPUT, "np.array([-0.5, -1.0, -2.0])"),
    ),
    (
        "numbers drawn at random",
        "Random numbers of both signs pass, and that is how such a bug lives on. Which number do "
        "they never hit, although real data are full of it?",
        (INPUT, "np.random.default_rng(0).normal(size=100)"),
    ),
    (
        "infinity",
        "Infinity divided by infinity is no number either, but then the network had been lost "
        "before. There is a harmless number for which it fails too.",
        (INPUT, "np.array([-1.0, np.inf])"),
    ),
)


def separate_by_zeros():
    """An image with a black background."""
    return np.zeros((4, 3), dtype=np.float32)


def separate_by_underflow():
    """The smallest positive number there is; its tenth is 0."""
    return np.array([-np.finfo(np.float64).smallest_subnormal])


def separate_by_relu():
    """What a ReLU leaves behind."""
    return np.maximum(np.random.default_rng(0).normal(size=100), 0)


VARIANTS = (
    *right(
        "slope_breaking_input", "an image that is black", slope_breaking_input=separate_by_zeros
    ),
    *right(
        "slope_breaking_input",
        "a number whose tenth is 0",
        slope_breaking_input=separate_by_underflow,
    ),
    *right("slope_breaking_input", "behind a ReLU", slope_breaking_input=separate_by_relu),
)
EQUIVALENT = {
    "activations.slope_breaking_input": {"...": "any input that separates is a right answer"},
}
