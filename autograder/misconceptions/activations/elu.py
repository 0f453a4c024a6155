"""Wrong and other right answers about the exponential linear unit."""

import numpy as np

from autograder.misconceptions.records import SLIP, right, wrong

OUT = "np.where(x > 0, x, alpha * np.expm1(x.clip(max=0)))"
DX = "dout * np.where(x > 0, 1, out + alpha)"
AT_ZERO = "both sides give 0 at 0"
OVERFLOW = "may overflow where x > 0, and that is not used there"
CACHE = "the cache is between the student's two functions; the backward exercise tries it"

MISCONCEPTIONS = (
    *wrong(
        "elu_forward",
        (
            "the exponential without − 1",
            "Just left of 0 your output is alpha, just right of it 0: a jump. "
            "What has to be taken away for the two sides to meet?",
            ("np.expm1(", "np.exp("),
        ),
        (
            "the exponential of 0 stays",
            "Where x is positive, min(x, 0) is 0, and its exponential is not. What has to be taken "
            "away on both sides?",
            (OUT, "np.maximum(x, 0) + alpha * np.exp(x.clip(max=0))"),
        ),
        (
            "alpha left out",
            "Far to the left your output is −1, whatever alpha is. To which depth should it fall?",
            ("alpha * np.expm1", "np.expm1"),
        ),
        (
            "alpha before the 1 is taken off",
            "Where the two sides meet, both should be 0. Yours is alpha − 1 there: does alpha "
            "multiply the exponential, or all of what levels off?",
            ("alpha * np.expm1(x.clip(max=0))", "alpha * np.exp(x.clip(max=0)) - 1"),
        ),
        (
            "alpha inside the exponent",
            "Far to the left your output is −1, and alpha only decides how soon. "
            "Does alpha multiply x, or what the exponential gives?",
            ("alpha * np.expm1(x.clip(max=0))", "np.expm1(alpha * x.clip(max=0))"),
        ),
        (
            "alpha on the positive side too",
            "What should come of x = 2? Yours depends on alpha.",
            ("np.where(x > 0, x,", "np.where(x > 0, alpha * x,"),
        ),
        (
            "another default of alpha",
            "With a given alpha you are right. What does the first line of the function promise "
            "when none is given?",
            SLIP,
            ("alpha=1.0", "alpha=0.1"),
        ),
        (
            "a leak in place of the exponential",
            "Your negative side goes down without end; this one levels off. "
            "What gives the E in ELU its name?",
            ("alpha * np.expm1(x.clip(max=0))", "alpha * x"),
        ),
        (
            "nothing on the negative side",
            "This is the plain ReLU. What is left of negative numbers here?",
            (OUT, "x.clip(min=0)"),
        ),
        (
            "infinity times zero",
            "exp of a large number is infinite, and infinity times 0 is no number. Your mask comes "
            "after the exponential; who protects the exponential itself?",
            (OUT, "x * (x > 0) + alpha * (np.exp(x) - 1) * (x <= 0)"),
        ),
        (
            "x is changed",
            "After the call the caller's x is no longer what it was: writing into some places of "
            "an array writes into the caller's array. Who else may still need x?",
            SLIP,
            (f"out = {OUT}", "x[x <= 0] = alpha * np.expm1(x[x <= 0])\n    out = 1 * x"),
        ),
        (
            "out forced to float32",
            "float64 comes in and float32 goes out: half of the digits are lost. "
            "Where do you name a type, or make an array that has one of its own?",
            SLIP,
            (OUT, f"{OUT}.astype(np.float32)"),
        ),
    ),
    *wrong(
        "elu_backward",
        (
            "alpha added to the input",
            "Far to the left the function is flat, and your slope is large. The slope of alpha "
            "(e^x − 1) can be read off something that the forward pass computed. Is it x?",
            ("out + alpha", "x + alpha"),
        ),
        (
            "the exponential of the output",
            "Your slope is alpha times e to the power of the *output*. Of which number is the "
            "exponential in (Act.9), and do you still have it?",
            ("out + alpha", "alpha * np.exp(out)"),
        ),
        (
            "the output as slope",
            "Far to the left the function is flat, but your slope there is −alpha. Differentiate "
            "alpha (e^x − 1) by hand: what becomes of the − 1?",
            ("out + alpha", "out"),
        ),
        (
            "alpha missing in the slope",
            "Your slope just left of 0 is 1. Differentiate alpha (e^x − 1) by hand: what stands "
            "in front of the exponential?",
            ("out + alpha", "np.exp(x.clip(max=0))"),
        ),
        (
            "1 in place of alpha",
            "You bring the output up by 1 to get the exponential back. "
            "By how much had the forward pass brought it down?",
            ("out + alpha", "out + 1"),
        ),
        (
            "no gradient on the negative side",
            "This is the backward pass of the plain ReLU. How does the output change when a "
            "negative x grows a little?",
            (DX, "dout * (x > 0)"),
        ),
        (
            "the slope of the leaky ReLU",
            "Your negative side has the same slope everywhere. Is the function a straight line "
            "there?",
            ("out + alpha", "alpha + 0 * x"),
        ),
        (
            "the gradient passes unchanged",
            "Your dx is dout itself, as if the layer were not there. "
            "What is the slope of the function to the left of 0?",
            (DX, "1 * dout"),
        ),
        (
            "the slope without the gradient",
            "Your dx does not change when dout does. What does the chain rule do with the slope of "
            "this layer and the gradient that arrives at it?",
            (DX, "np.where(x > 0, 1 + 0 * dout, out + alpha + 0 * dout)"),
        ),
        (
            "the sign of dout decides",
            "Which side of 0 did the forward pass see: that of x, or that of the gradient that "
            "arrives much later?",
            ("np.where(x > 0", "np.where(dout > 0"),
        ),
        (
            "the exponential on both sides",
            "Where x is positive, the output moves exactly as x does. "
            "What happens to the gradient there?",
            (DX, "dout * alpha * np.exp(x)"),
        ),
        (
            "infinity times zero",
            "exp of a large number is infinite, and infinity times 0 is no number. Your mask comes "
            "after the exponential; who protects the exponential itself?",
            (DX, "dout * (x > 0) + dout * alpha * np.exp(x) * (x <= 0)"),
        ),
        (
            "dout is changed",
            "After the call the caller's dout is no longer what it was: *= writes into the "
            "caller's array. Who else may still need dout?",
            SLIP,
            (
                f"return {DX}",
                "dout *= np.where(x > 0, 1 + 0 * x, out + alpha)\n    return 1 * dout",
            ),
        ),
        (
            "dx forced to float32",
            "float64 comes in and float32 goes out: half of the digits are lost. "
            "Where do you name a type, or make an array that has one of its own?",
            SLIP,
            (DX, f"({DX}).astype(np.float32)"),
        ),
    ),
)

# ------------------------------------------------------------------ right


def forward_by_mask(x, alpha=1.0):
    """Copy, then replace what is negative."""
    out = x.copy()
    out[x < 0] = alpha * (np.exp(x[x < 0]) - 1)
    return out, (x, out, alpha)


def forward_by_clipping(x, alpha=1.0):
    """Add what is positive and what becomes of the rest."""
    return x.clip(min=0) + alpha * (np.exp(x.clip(max=0)) - 1), (x, alpha)


def forward_through_infinity(x, alpha=1.0):
    """Let the exponential overflow where nobody looks."""
    return np.where(x > 0, x, alpha * (np.exp(x) - 1)), (x, alpha)


def forward_by_absolute_value(x, alpha=1.0):
    """Use exp(−|x|), which never overflows."""
    return np.where(x >= 0, x, alpha * np.expm1(-np.abs(x))), (x, alpha)


def backward_by_exponential(dout, cache):
    """Compute the exponential again."""
    x, alpha = cache
    return dout * np.where(x > 0, np.ones_like(x), alpha * np.exp(x.clip(max=0)))


def backward_by_mask(dout, cache):
    """Copy, then multiply what belongs to negative numbers in place."""
    x, out, alpha = cache
    dx, negative = dout.copy(), x < 0
    dx[negative] *= out[negative] + alpha
    return dx


def backward_in_parts(dout, cache):
    """Add both sides, each times its mask."""
    x, out, alpha = cache
    return dout * (x > 0) + dout * (out + alpha) * (x <= 0)


VARIANTS = (
    *right("elu_forward", "a mask", elu_forward=forward_by_mask),
    *right("elu_forward", "two clippings", elu_forward=forward_by_clipping),
    *right("elu_forward", "overflow that is not used", elu_forward=forward_through_infinity),
    *right("elu_forward", "|x|", elu_forward=forward_by_absolute_value),
    *right(
        "elu_backward",
        "the exponential again",
        elu_forward=forward_by_clipping,
        elu_backward=backward_by_exponential,
    ),
    *right("elu_backward", "a mask", elu_backward=backward_by_mask),
    *right("elu_backward", "both sides added", elu_backward=backward_in_parts),
)
EQUIVALENT = {
    "activations.elu_forward": {
        "out = np.where(x >= 0, x, alpha * np.expm1(x.clip(max=0)))": AT_ZERO,
        "return (out, (...": CACHE,
        "out = np.where(x > 0, x, alpha * np.expm1(x))": OVERFLOW,
        "out = np.where(x > 0, x, alpha * np.expm1(x.clip()))": OVERFLOW,
        "out = np.where(x > 0, x, alpha * np.expm1(x.clip(max=1)))": OVERFLOW,
    },
    "activations.elu_backward": {
        "x, alpha, out = cache": "they are only added to each other",
        "return dout * np.where(x >= 0, 1, out + alpha)": "no check holds an x of exactly 0; "
        "any slope from alpha to 1 would be right there",
        "return dout * np.where(out > 0, 1, out + alpha)": "out has the sign of x",
    },
}
