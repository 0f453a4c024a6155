"""Wrong and other right answers about DropConnect and its Gaussian at test time."""

import math
from typing import TYPE_CHECKING

import numpy as np

from autograder.checking.spec import Misconception
from autograder.misconceptions.records import SLIP, grouped, ids_of, right, wrong

if TYPE_CHECKING:  # an answer finds these beside it
    import torch

    from cs231n_lib.regularization.in_numpy import dropconnect_moments

SHAPE = "(*x.shape, w.shape[1])"
DRAWN = "drawn < p"
CACHED = "return out, (x, mask, masked)"

# ------------------------------------------------------------------ forward


def never_back(x, w, b, p, rng):
    """Take weights away from the same array, example after example."""
    left, masks = w * 1, []
    for _ in x:
        left = left * (rng.random(w.shape) < p)
        masks.append(left)
    masked = np.stack(masks)
    return np.einsum("nd,ndm->nm", x, masked) + b, (x, masked != 0, masked)


FORWARD = (
    *wrong(
        "dropconnect_forward",
        (
            "one mask for the whole batch",
            "All your examples miss the same weights. Slide 94's M belongs to one example: how "
            "many masks does a batch of N need?",
            (SHAPE, "(1, *w.shape)"),
        ),
        (
            "units dropped, not weights",
            "When an input is missing for one output, it is missing for all of them: that is "
            "dropout. How many random numbers does one weight matrix need?",
            (SHAPE, "(*x.shape, 1)"),
        ),
        (
            "outputs dropped, not weights",
            "An output of yours has all of its weights or none. How many random numbers does one "
            "weight matrix need?",
            (SHAPE, "(x.shape[0], 1, w.shape[1])"),
        ),
        (
            "keep and drop swapped",
            "With p = 0.9 most of your weights are gone. p is the probability to keep one: on "
            "which side of p do the random numbers of those lie?",
            (DRAWN, "drawn >= p"),
        ),
        (
            "half of the weights, whatever p is",
            "The fraction of the weights that you keep does not change with p.",
            (DRAWN, "drawn < 0.5"),
        ),
        (
            "divided by p in training",
            "Your sums are larger than any sum of the layer's products. Inverted dropout divides "
            "in training; DropConnect leaves the mean to test time.",
            ("mask * w", "mask * w / p"),
        ),
        (
            "multiplied by p in training",
            "A weight that is kept is kept whole. Where does p come in a second time, and when "
            "should it?",
            ("mask * w", "mask * w * p"),
        ),
        (
            "the bias is left out",
            "With all weights gone your output is 0. What should be left of an affine layer?",
            SLIP,
            (", masked) + b", ", masked)"),
        ),
        (
            "the bias is multiplied by p",
            "The bias is never taken away here, so its mean is the bias itself.",
            SLIP,
            (", masked) + b", ", masked) + p * b"),
        ),
        (
            "the bias is taken away too",
            "Now and then your bias is missing. The paper does that, and this layer does not: see "
            "its docstring.",
            SLIP,
            (", masked) + b", ", masked) + (drawn[:, 0] < p) * b"),
        ),
        (
            "the bias is taken away for a whole batch",
            "In some batches a bias is missing. The paper does that, and this layer does not: see "
            "its docstring.",
            SLIP,
            grouped("the bias is taken away too"),
            (", masked) + b", ", masked) + (drawn[0, 0] < p) * b"),
        ),
    ),
    *wrong(
        "dropconnect_forward",
        (
            "normal numbers in place of uniform ones",
            "P(u < p) = p holds for numbers that are uniform between 0 and 1. From which "
            "distribution are yours?",
            ("rng.random(", "rng.standard_normal("),
        ),
        (
            "random numbers from elsewhere",
            "The same generator should give the same masks again. Which of your numbers do not "
            "come from `rng`?",
            SLIP,
            ("rng.random(", "np.random.default_rng().random("),
        ),
        (
            "one seed forever",
            "Every call takes the same weights away, whatever `rng` is: it is no noise any more.",
            SLIP,
            ("rng.random(", "np.random.default_rng(0).random("),
        ),
        (
            "weights never come back",
            "Late examples of your batch have hardly any weights left. From which array do you "
            "take the weights of the second example?",
            never_back,
        ),
        (
            "x is changed",
            "After the call the caller's x is another one. Which statement writes into it?",
            SLIP,
            ("    return out", "    x -= x.mean()\n    return out"),
        ),
        framework="numpy",
    ),
    *wrong(
        "dropconnect_forward",
        (
            "normal numbers in place of uniform ones",
            "P(u < p) = p holds for numbers that are uniform between 0 and 1. From which "
            "distribution are yours?",
            ("torch.rand(", "torch.randn("),
        ),
        (
            "random numbers from elsewhere",
            "The same generator should give the same masks again. Which of your numbers do not "
            "come from `rng`?",
            SLIP,
            ("generator=rng, ", ""),
        ),
        (
            "one seed forever",
            "Every call takes the same weights away, whatever `rng` is: it is no noise any more.",
            SLIP,
            ("generator=rng", "generator=torch.Generator().manual_seed(0)"),
        ),
        framework="torch",
    ),
)

# ------------------------------------------------------------------ backward


def in_both(name, hint, forward, backward=(), framework=None, **options):
    """Return mistakes that show in both passes, as edits of each."""
    edits = {"dropconnect_forward": forward}
    if backward:
        edits["dropconnect_backward"] = backward
    return tuple(
        Misconception(exercise_id, name, hint, edits=edits, **options)
        for exercise_id in ids_of("dropconnect_backward", framework)
    )


REDRAWN = (
    "a new mask in the backward pass",
    "Your gradient belongs to other weights than those that were kept. The mask of the forward "
    "pass is needed again: how does it get here?",
)

BACKWARD = (
    *in_both(
        "dx through all weights",
        "A weight that was not there passes nothing on to x. Which weights did the output see?",
        ((CACHED, "return out, (x, mask, w + 0 * masked)"),),
    ),
    *wrong(
        "dropconnect_backward",
        (
            "dw without the mask",
            "A weight that an example did not have gets gradient from it all the same. Where is "
            "the mask in your sum over the examples?",
            ("mask * dout", "(mask | True) * dout"),
        ),
        (
            "dw averaged over the batch",
            "Your dw is too small by the number of examples. The loss holds its mean already: what "
            "is left to do is a sum.",
            ("    db =", "    dw = dw / x.shape[0]\n    db ="),
        ),
        (
            "dx summed over the outputs without dout",
            "Your dx does not change with dout. Through each weight flows the gradient of its own "
            "output.",
            ("dx = np.einsum(\"nm,ndm->nd\", dout, masked)",
             "dx = np.einsum(\"nm,ndm->nd\", dout * 0 + 1, masked)"),
        ),
        (
            "db through the mask",
            "The bias is never taken away, so every example adds to its gradient.",
            SLIP,
            ("dout.sum(axis=0)", "(mask[:, 0] * dout).sum(axis=0)"),
        ),
        (
            "db averaged over the batch",
            "Your db is too small by the number of examples. The loss holds its mean already.",
            SLIP,
            ("dout.sum(axis=0)", "dout.mean(axis=0)"),
        ),
        (
            "one mask for all calls",
            "Two forward passes, then two backward passes: yours both use the second mask. Where "
            "do you keep it?",
            (
                "x, mask, masked = cache",
                "x = cache[0]\n    mask, masked = dropconnect_forward.last",
            ),
        ),
    ),
    *in_both(
        "divided by p in both passes",
        "Your sums are larger than any sum of the layer's products, and the gradient follows them. "
        "Inverted dropout divides in training; DropConnect does not.",
        (("mask * w", "mask * w / p"), (CACHED, "return out, (x, mask / p, masked)")),
    ),
    *in_both(
        *REDRAWN,
        ((CACHED, "mask = rng.random(mask.shape) < p\n    return out, (x, mask, mask * w)"),),
        framework="numpy",
    ),
    *in_both(
        *REDRAWN,
        ((CACHED, "mask = torch.rand(mask.shape, generator=rng) < p\n    "
          "return out, (x, mask, mask * w)"),),
        framework="torch",
    ),
    *in_both(
        "dout is changed",
        "After the call the caller's dout is another one. Which statement writes into it?",
        (("    return out", "    b = b + 0\n    return out"),),
        (("    return dx", "    dout *= 2\n    return dx"),),
        kind="slip",
    ),
)  # fmt: skip
for_one_mask = (CACHED, f"dropconnect_forward.last = mask, masked\n    {CACHED}")
BACKWARD = tuple(
    Misconception(
        record.exercise, record.name, record.hint,
        edits={"dropconnect_forward": (for_one_mask,), **record.edits},
    )
    if record.name == "one mask for all calls" else record
    for record in BACKWARD
)  # fmt: skip

# ------------------------------------------------------------------ moments

MEAN, VARIANCE = "p * (x @ w) + b", "p * (1 - p) * (x**2 @ w**2)"

MOMENTS = wrong(
    "dropconnect_moments",
    (
        "the bias inside the scaled mean",
        "The bias is never taken away. Which part of the output is there with probability p only?",
        (MEAN, "p * (x @ w + b)"),
    ),
    (
        "the mean is not scaled",
        "Your mean is that of a layer with all its weights. How often is each of them there?",
        (MEAN, "x @ w + b"),
    ),
    (
        "the square of the sum",
        "Weights 1 and −1 on equal inputs: your variance is 0, and the output is 1, 0 or −1. Each "
        "weight is drawn on its own, so what of each adds up?",
        (VARIANCE, "p * (1 - p) * (x @ w) ** 2"),
    ),
    (
        "the mean square in place of the variance",
        "With p = 1 nothing is random, and your variance is not 0. What is subtracted from the "
        "mean of the squares?",
        (VARIANCE, "p * (x**2 @ w**2)"),
    ),
    (
        "the squared probability",
        "A weight is there with probability p. What is the variance of a number that is 1 with "
        "probability p, else 0? It is largest at p = ½.",
        (VARIANCE, "p**2 * (x**2 @ w**2)"),
    ),
    (
        "the deviation in place of the variance",
        "You return the root already. Which of the two does the docstring promise?",
        (VARIANCE, "(p * (1 - p) * (x**2 @ w**2)) ** 0.5"),
    ),
    (
        "weights not squared",
        "Your variance can be negative: a weight of −2 adds less than nothing.",
        ("@ w**2", "@ w"),
    ),
    (
        "inputs not squared",
        "Your variance can be negative: an input of −2 adds less than nothing.",
        ("x**2 @", "x @"),
    ),
    (
        "the bias in the variance",
        "A bias of any size moves the mean and nothing else: it is always there.",
        SLIP,
        ("(x**2 @ w**2)", "(x**2 @ w**2 + b**2)"),
    ),
    (
        "x is squared in place",
        "After the call the caller's x holds squares. Which statement writes into it?",
        SLIP,
        ("    variance =", "    x **= 2\n    variance ="),
        ("x**2 @", "x @"),
    ),
)

# ------------------------------------------------------------------ inference

AVERAGE = "u.clip(0).mean(axis=0)"
DRAWS = "(samples, *mean.shape)"

INFERENCE = (
    *wrong(
        "dropconnect_inference",
        (
            "averaged before the nonlinearity",
            "Your samples are averaged first and bent afterwards: what comes out is the mean "
            "network, and the noise is gone before the ReLU sees it. Which comes first?",
            (AVERAGE, "u.mean(axis=0).clip(0)"),
        ),
        (
            "no nonlinearity",
            "Some of your outputs are negative. What happens to each sample before the average?",
            (AVERAGE, "u.mean(axis=0)"),
        ),
        (
            "the variance for the deviation",
            "Your samples scatter too far. What times a standard normal number has variance σ²?",
            ("np.sqrt(variance)", "variance"),
        ),
        (
            "samples are added up",
            "With more samples your output grows. What turns a sum of K numbers into a mean?",
            (AVERAGE, "u.clip(0).sum(axis=0)"),
        ),
        (
            "one draw for all outputs",
            "All your outputs go up and down together. How many random numbers does one sample of "
            "an (N, M) output need?",
            grouped("shared draws"),
            (DRAWS, "(samples, *(1 for _ in mean.shape))"),
        ),
        (
            "one draw for each unit",
            "Equal examples give equal outputs. How many random numbers does one sample of an (N, "
            "M) output need?",
            grouped("shared draws"),
            (DRAWS, "(samples, 1, *mean.shape[1:])"),
        ),
        (
            "one draw for each example",
            "The outputs of an example go up and down together. How many random numbers does one "
            "sample of an (N, M) output need?",
            grouped("shared draws"),
            (DRAWS, "(samples, *mean.shape[:1], 1)"),
        ),
        (
            "one sample, whatever was asked for",
            "Your output scatters as much with a hundred samples as with one. Along which axis do "
            "the samples lie, and how many are there?",
            (DRAWS, "(1, *mean.shape)"),
        ),
    ),
    *wrong(
        "dropconnect_inference",
        (
            "uniform numbers for normal ones",
            "Sums of many independent terms are nearly Gaussian. From which distribution are your "
            "numbers?",
            ("rng.standard_normal(", "rng.random("),
        ),
        (
            "random numbers from elsewhere",
            "The same generator should give the same output again. Which of your numbers do not "
            "come from `rng`?",
            SLIP,
            ("rng.standard_normal(", "np.random.default_rng().standard_normal("),
        ),
        (
            "one seed forever",
            "Every call gives the same output, whatever `rng` is.",
            SLIP,
            ("rng.standard_normal(", "np.random.default_rng(0).standard_normal("),
        ),
        framework="numpy",
    ),
    *wrong(
        "dropconnect_inference",
        (
            "uniform numbers for normal ones",
            "Sums of many independent terms are nearly Gaussian. From which distribution are your "
            "numbers?",
            ("torch.randn(", "torch.rand("),
        ),
        (
            "random numbers from elsewhere",
            "The same generator should give the same output again. Which of your numbers do not "
            "come from `rng`?",
            SLIP,
            ("generator=rng, ", ""),
        ),
        (
            "one seed forever",
            "Every call gives the same output, whatever `rng` is.",
            SLIP,
            ("generator=rng", "generator=torch.Generator().manual_seed(0)"),
        ),
        framework="torch",
    ),
    *wrong(
        "dropconnect_inference",
        (
            "x is changed",
            "After the call the caller's x is another one. Which statement writes into it?",
            SLIP,
            ("    return u", "    x -= 1\n    return u"),
        ),
    ),
)

# ------------------------------------------------------------------ closed form

CLOSED_FORM = wrong(
    "dropconnect_closed_form",
    (
        "the density is left out",
        "At a mean of 0 you get 0. A Gaussian that loses its negative half has a positive mean.",
        (" + sigma * density", ""),
    ),
    (
        "the density of a mean of 0",
        "Where the mean is many deviations away from 0, the ReLU changes nothing, and yours still "
        "adds a fraction of the deviation. How much of the Gaussian lies beyond 0 there?",
        ("mean * normal_cdf(t) + sigma * density", "mean.clip(0) + sigma / math.sqrt(2 * math.pi)"),
    ),
    (
        "the density is not scaled",
        "Double all weights: mean and deviation double, and the output should too. Which of your "
        "two terms does not?",
        ("sigma * density", "density"),
    ),
    (
        "the variance for the deviation",
        "Your t is a mean divided by a variance. In which unit does it come out?",
        ("np.sqrt(variance)", "variance"),
    ),
    (
        "the density has no normalization",
        "The density of N(0, 1) at 0 is 0.3989, and yours is 1.",
        (" / math.sqrt(2 * math.pi)", ""),
    ),
    (
        "a distribution function of the mean",
        "Your distribution function is asked at the mean itself. How many deviations is the mean "
        "away from 0?",
        ("normal_cdf(t)", "normal_cdf(mean)"),
    ),
    (
        "not a number where nothing varies",
        "An example of zeros has no variance: you divide 0 by 0. What is the output there?",
        SLIP,
        ("np.where(sigma > 0, sigma, 1)", "sigma"),
        ("np.where(sigma > 0, out, mean.clip(0))", "out"),
    ),
    (
        "no ReLU where nothing varies",
        "Where the variance is 0 your output can be negative. What does a ReLU make of a number "
        "that is certain?",
        SLIP,
        ("mean.clip(0)", "mean"),
    ),
    (
        "x is changed",
        "After the call the caller's x is another one. Which statement writes into it?",
        SLIP,
        ("    return", "    x -= 1\n    return"),
    ),
)

# ------------------------------------------------------------------ kill the bug

SEPARATING = wrong(
    "separating_weights",
    (
        "weights that add up",
        "Here the other variance is too large, not blind. The sum x·w is squared there: what makes "
        "a sum vanish whose terms do not?",
        ("[[1.0], [-1.0]]", "[[1.0], [2.0]]"),
    ),
    (
        "one weight alone",
        "With one weight the square of the sum is the sum of the squares.",
        ("[[1.0], [-1.0]]", "[[1.0]]"),
    ),
    (
        "weights without their axis",
        "w needs the shape (D, 1): one row for each input, one output.",
        ("[[1.0], [-1.0]]", "[1.0, -1.0]"),
    ),
    (
        "no weights at all",
        "With weights of 0 nothing varies, and both are right.",
        ("[[1.0], [-1.0]]", "[[0.0], [0.0]]"),
    ),
)

MISCONCEPTIONS = (*FORWARD, *BACKWARD, *MOMENTS, *INFERENCE, *CLOSED_FORM, *SEPARATING)

# ------------------------------------------------------------------ other right answers


def forward_by_example(x, w, b, p, rng):
    """Go through the examples one by one."""
    out, masks = np.empty((len(x), w.shape[1]), x.dtype), []
    for n in range(len(x)):
        mask = rng.uniform(size=w.shape) <= p
        out[n] = x[n] @ (w * mask) + b
        masks.append(mask)
    mask = np.array(masks)
    return out, (x, mask, mask * w)


def forward_by_bernoulli(x, w, b, p, rng):
    """Draw zeros and ones, and multiply matrices."""
    mask = rng.binomial(1, p, size=(len(x), *w.shape)).astype(w.dtype)
    return (x[:, None, :] @ (mask * w))[:, 0] + b, (x, mask, mask * w)


def forward_by_output(x, w, b, p, rng):
    """Draw output by output: other random numbers, the same rule."""
    drop = rng.random((w.shape[1], *x.shape)) > p
    mask = 1 - drop.transpose(1, 2, 0).astype(x.dtype)
    out = sum(x[:, d, None] * mask[:, d] * w[d] for d in range(len(w))) + b
    return out, (x, mask, mask * w)


def torch_forward_by_bernoulli(x, w, b, p, rng):
    """Draw zeros and ones, and multiply matrices."""
    shape = (x.shape[0], *w.shape)
    mask = torch.bernoulli(torch.full(shape, p, dtype=w.dtype), generator=rng)
    return torch.bmm(x[:, None], mask * w)[:, 0] + b, (x, mask, mask * w)


def torch_forward_by_example(x, w, b, p, rng):
    """Go through the examples one by one."""
    masks = [torch.rand(w.shape, generator=rng) < p for _ in x]
    out = torch.stack([row @ (w * m) + b for row, m in zip(x, masks, strict=True)])
    mask = torch.stack(masks)
    return out, (x, mask, mask * w)


def backward_by_example(dout, cache):
    """Add up the gradients of an affine layer, one example at a time."""
    x, mask, masked = cache
    dx, dw, db = 0 * x, 0 * masked[0], 0 * dout[0]
    for n in range(x.shape[0]):
        dx[n] = masked[n] @ dout[n]
        dw += mask[n] * (x[n][:, None] * dout[n])
        db += dout[n]
    return dx, dw, db


def moments_in_loops(x, w, b, p):
    """Add up mean and variance of each weight's product."""
    mean, variance = 0 * (x @ w) + b, 0 * (x @ w)
    for d in range(w.shape[0]):
        product = x[:, d, None] * w[d]
        mean = mean + p * product
        variance = variance + product**2 * (p - p**2)
    return mean, variance


def inference_in_a_loop(x, w, b, p, samples, rng):
    """Draw one sample after the other."""
    mean, variance = dropconnect_moments(x, w, b, p)
    total = np.zeros_like(mean)
    for _ in range(samples):
        total += np.maximum(0, rng.normal(mean, np.sqrt(variance)).astype(mean.dtype))
    return total / samples


def inference_by_output(x, w, b, p, samples, rng):
    """Draw the samples of an output beside each other."""
    mean, variance = dropconnect_moments(x, w, b, p)
    z = rng.standard_normal((*mean.shape, samples)).astype(mean.dtype)
    u = mean[..., None] + variance[..., None] ** 0.5 * z
    return (u * (u > 0)).mean(axis=-1)


def torch_inference_in_a_loop(x, w, b, p, samples, rng):
    """Draw one sample after the other."""
    mean, variance = dropconnect_moments(x, w, b, p)
    total = torch.zeros_like(mean)
    for _ in range(samples):
        z = torch.normal(0.0, 1.0, mean.shape, generator=rng, dtype=mean.dtype)
        total += torch.relu(mean + variance.sqrt() * z)
    return total / samples


def closed_form_in_loops(x, w, b, p):
    """Treat every output as a number, with the error function."""
    mean, variance = dropconnect_moments(x, w, b, p)
    out = np.maximum(mean, 0)
    for place, (m, v) in np.ndenumerate(np.rec.fromarrays([mean, variance])):
        if v > 0:
            t = m / math.sqrt(v)
            cdf = 0.5 * math.erfc(-t / math.sqrt(2))
            out[place] = m * cdf + math.sqrt(v / (2 * math.pi)) * math.exp(-0.5 * t * t)
    return out


EINSUMS = 'np.einsum("nd,ndm->dm", x, mask * dout[:, None, :])'
VARIANTS = (
    *right("dropconnect_forward", "example by example", framework="numpy",
           dropconnect_forward=forward_by_example),
    *right("dropconnect_forward", "binomial numbers", framework="numpy",
           dropconnect_forward=forward_by_bernoulli),
    *right("dropconnect_forward", "drawn output by output", framework="numpy",
           dropconnect_forward=forward_by_output),
    *right("dropconnect_forward", "Bernoulli numbers", framework="torch",
           dropconnect_forward=torch_forward_by_bernoulli),
    *right("dropconnect_forward", "example by example", framework="torch",
           dropconnect_forward=torch_forward_by_example),
    *right("dropconnect_forward", "the other side", ("drawn < p", "drawn >= 1 - p")),
    *right("dropconnect_forward", "products first",
           ('np.einsum("nd,ndm->nm", x, masked)', "(x[:, :, None] * masked).sum(axis=1)")),
    *right("dropconnect_backward", "example by example", dropconnect_backward=backward_by_example),
    *right("dropconnect_backward", "products first",
           (EINSUMS, "(x[:, :, None] * mask * dout[:, None, :]).sum(axis=0)")),
    *right("dropconnect_backward", "sums of products",
           ('np.einsum("nm,ndm->nd", dout, masked)', "(dout[:, None, :] * masked).sum(axis=2)")),
    *right("dropconnect_moments", "weight by weight", dropconnect_moments=moments_in_loops),
    *right("dropconnect_moments", "scaled weights", (MEAN, "x @ (p * w) + b")),
    *right("dropconnect_moments", "products of products",
           (VARIANCE, "(p - p * p) * ((x * x) @ (w * w))")),
    *right("dropconnect_inference", "sample by sample", framework="numpy",
           dropconnect_inference=inference_in_a_loop),
    *right("dropconnect_inference", "samples last", framework="numpy",
           dropconnect_inference=inference_by_output),
    *right("dropconnect_inference", "sample by sample", framework="torch",
           dropconnect_inference=torch_inference_in_a_loop),
    *right("dropconnect_inference", "a mask of the positive",
           (AVERAGE, "(u * (u > 0)).mean(axis=0)")),
    *right("dropconnect_inference", "a sum, divided", (AVERAGE, "u.clip(0).sum(axis=0) / samples")),
    *right("dropconnect_closed_form", "number by number",
           dropconnect_closed_form=closed_form_in_loops),
    *right("dropconnect_closed_form", "sigma in front",
           ("mean * normal_cdf(t) + sigma * density", "sigma * (t * normal_cdf(t) + density)")),
    *right("dropconnect_closed_form", "a density by powers",
           ("np.exp(-(t**2) / 2)", "math.e ** (-t * t / 2)")),
    *right("separating_weights", "three weights", ("[[1.0], [-1.0]]", "[[3.0], [-1.0], [-2.0]]")),
    *right("separating_weights", "the other order", ("[[1.0], [-1.0]]", "[[-0.5], [0.5]]")),
    *right("separating_weights", "by a row", ("np.array([[1.0], [-1.0]])",
                                              "np.array([[1.0, 1.0, -2.0]]).T")),
)  # fmt: skip
