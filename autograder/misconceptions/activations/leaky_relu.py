"""Wrong and other right answers about the leaky ReLU."""

import numpy as np

from autograder.checking.judge import WASTEFUL
from autograder.misconceptions.records import SLIP, right, wrong

OUT, DX = "np.maximum(alpha * x, x)", "np.where(x > 0, dout, alpha * dout)"
ANY_SLOPE = "at 0 any slope between those of the two sides is right"
CACHE = "the cache is between the student's two functions; the backward exercise tries it"

MISCONCEPTIONS = (
    *wrong(
        "leaky_relu_forward",
        (
            "the slope on all of x",
            "Your output is a straight line through 0: two layers with it are one affine layer. "
            "For which x does the slope hold?",
            (OUT, "alpha * x"),
        ),
        (
            "alpha in place of a share of x",
            "Every negative number becomes alpha with you. What should come of −2, and what of −1?",
            (OUT, "np.where(x > 0, x, alpha + 0 * x)"),
        ),
        (
            "nothing leaks",
            "What your function makes of −1 is 0, and that is the unit that can die. "
            "What is left of negative numbers here?",
            (OUT, "np.maximum(0 * x, x)"),
        ),
        (
            "the two sides are swapped",
            "For an alpha below 1, compare which of alpha·x and x is larger, for x = 1 and for "
            "x = −1. Which one do you take?",
            (OUT, "np.minimum(alpha * x, x)"),
        ),
        (
            "the negative side points upwards",
            "A larger x should never give a smaller output; between −2 and −1 yours does. "
            "Which sign have your outputs there?",
            (OUT, "np.where(x > 0, x, -alpha * x)"),
        ),
        (
            "the slope is always 0.1",
            "The caller may choose the slope, and your output does not care. "
            "Where does the function learn about it?",
            SLIP,
            (OUT, "np.maximum(0.1 * x, x)"),
        ),
        (
            "the slope is always 0.01",
            "0.01 is PyTorch's default slope. Which one does the caller ask for here?",
            (OUT, "np.maximum(0.01 * x, x)"),
        ),
        (
            "another default slope",
            "With a given slope you are right. What does the first line of the function promise "
            "when none is given?",
            SLIP,
            ("alpha=0.1", "alpha=0.01"),
        ),
        (
            "the slope as an offset",
            "alpha is a slope: twice as far to the left, the output should be twice as deep. "
            "With which operation do alpha and x meet?",
            (OUT, "np.where(x > 0, x, x + alpha)"),
        ),
        (
            "divided by the slope",
            "On the negative side your output is steeper than on the positive one. "
            "Should a small alpha make the output small or large there?",
            (OUT, "np.where(x > 0, x, x / alpha)"),
        ),
        (
            "x is changed",
            "After the call the caller's x is no longer what it was: writing into some places of "
            "an array writes into the caller's array. Who else may still need x?",
            SLIP,
            (f"out = {OUT}", "x[x < 0] *= alpha\n    out = 1 * x"),
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
        "leaky_relu_backward",
        (
            "the slope on every gradient",
            "Where x is positive, the output moves exactly as x does. "
            "What happens to the gradient there?",
            (DX, "alpha * dout"),
        ),
        (
            "the slope has the wrong sign",
            "A larger x never gives a smaller output. Which sign has the slope on the left, then?",
            (DX, "np.where(x > 0, dout, -alpha * dout)"),
        ),
        (
            "no gradient on the negative side",
            "This is the backward pass of the plain ReLU. How does the output change when a "
            "negative x grows a little?",
            (DX, "dout * (x > 0)"),
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
            (DX, "np.where(x > 0, 1 + 0 * dout, alpha + 0 * dout)"),
        ),
        (
            "the sign of dout decides",
            "Which side of 0 did the forward pass see: that of x, or that of the gradient that "
            "arrives much later?",
            (DX, "np.where(dout > 0, dout, alpha * dout)"),
        ),
        (
            "multiplied by the output",
            "The gradient is multiplied by how fast the output changes with x, not by how large "
            "it is. Which of the two do you multiply by?",
            (DX, "np.where(x > 0, x, alpha * x) * dout"),
        ),
        (
            "the two sides are swapped",
            "Try x = 1: the output moves as fast as x. Is that what your dx says?",
            (DX, "np.where(x > 0, alpha * dout, dout)"),
        ),
        (
            "the slope is always 0.1",
            "The forward pass was called with another slope. How can the backward pass know?",
            SLIP,
            ("x, alpha = cache", "x, alpha = cache[0], 0.1"),
        ),
        (
            "divided by the slope",
            "On the negative side your gradient comes back larger than it went in. "
            "Should a flat function pass on a large gradient or a small one?",
            (DX, "np.where(x > 0, dout, dout / alpha)"),
        ),
        (
            "0/0 where x is 0",
            "Output divided by input is the slope of this function everywhere but in one place. "
            "What do you get there, and is a division needed at all?",
            (DX, "dout * (np.maximum(alpha * x, x) / x)"),
        ),
        (
            "no gradient where x is 0",
            "At 0 one may choose a slope, but between which two? "
            "What does your function pass back there?",
            (DX, f"(x != 0) * {DX}"),
        ),
        (
            "dout is changed",
            "After the call the caller's dout is no longer what it was: writing into some places "
            "of an array writes into the caller's array. Who else may still need dout?",
            SLIP,
            (f"return {DX}", "dout[x <= 0] *= alpha\n    return 1 * dout"),
        ),
        (
            "dx forced to float32",
            "float64 comes in and float32 goes out: half of the digits are lost. "
            "Where do you name a type, or make an array that has one of its own?",
            SLIP,
            (DX, f"{DX}.astype(np.float32)"),
        ),
    ),
)

# ------------------------------------------------------------------ right


def forward_by_mask(x, alpha=0.1):
    """Copy, then multiply what is negative in place."""
    out = x.copy()
    negative = x < 0
    out[negative] *= alpha
    return out, (x, alpha)


def forward_by_clipping(x, alpha=0.1):
    """Add what is positive and a fraction of what is negative."""
    return x.clip(min=0) + alpha * x.clip(max=0), (x, alpha)


def forward_by_absolute_value(x, alpha=0.1):
    """Half the sum and half the difference of the slopes."""
    return 0.5 * ((1 + alpha) * x + (1 - alpha) * np.abs(x)), (x, alpha)


def forward_by_loop(x, alpha=0.1):
    """One number at a time."""
    out = np.empty_like(x)
    flat, numbers = out.reshape(-1), x.reshape(-1)
    for i in range(len(numbers)):
        flat[i] = numbers[i] if numbers[i] >= 0 else alpha * numbers[i]
    return out, (x, alpha)


def forward_with_slopes(x, alpha=0.1):
    """Keep the slopes for the backward pass."""
    slopes = np.ones_like(x)
    slopes[x <= 0] = alpha
    return slopes * x, slopes


def backward_with_slopes(dout, slopes):
    """Multiply by the slopes that were kept."""
    return dout * slopes


def backward_by_mask(dout, cache):
    """Copy, then multiply what belongs to negative numbers in place."""
    x, alpha = cache
    dx = dout.copy()
    dx[x < 0] *= alpha
    return dx


def backward_by_sign(dout, cache):
    """At 0 take the mean of both slopes."""
    x, alpha = cache
    return 0.5 * dout * ((1 + alpha) + (1 - alpha) * np.sign(x))


def backward_in_parts(dout, cache):
    """Add both sides, each times its mask."""
    x, alpha = cache
    return dout * (x > 0) + dout * (x <= 0) * alpha


VARIANTS = (
    *right("leaky_relu_forward", "a mask", leaky_relu_forward=forward_by_mask),
    *right("leaky_relu_forward", "two clippings", leaky_relu_forward=forward_by_clipping),
    *right("leaky_relu_forward", "|x|", leaky_relu_forward=forward_by_absolute_value),
    *right("leaky_relu_forward", "a loop", leaky_relu_forward=forward_by_loop),
    *right("leaky_relu_forward", "slopes kept", leaky_relu_forward=forward_with_slopes),
    *right("leaky_relu_forward", "where", (OUT, "np.where(x > 0, x, alpha * x)")),
    *right(
        "leaky_relu_backward",
        "slopes kept",
        leaky_relu_forward=forward_with_slopes,
        leaky_relu_backward=backward_with_slopes,
    ),
    *right("leaky_relu_backward", "a mask", leaky_relu_backward=backward_by_mask),
    *right("leaky_relu_backward", "the mean of slopes", leaky_relu_backward=backward_by_sign),
    *right("leaky_relu_backward", "both sides added", leaky_relu_backward=backward_in_parts),
    *right("leaky_relu_backward", "slope 1 at 0", ("x > 0", "x >= 0")),
    *right(
        "leaky_relu_backward",
        "slopes in float64",
        (DX, "dout * ((x > 0) + alpha * (x <= 0))"),
        remark=WASTEFUL,
        framework="numpy",
    ),
)
EQUIVALENT = {
    "activations.leaky_relu_forward": {
        "out = np.maximum(x, alpha * x)": "the larger of two numbers, in either order",
        "return (out, (...": CACHE,
    },
    "activations.leaky_relu_backward": {
        "return np.where(x >= 0, dout, alpha * dout)": ANY_SLOPE,
    },
}
