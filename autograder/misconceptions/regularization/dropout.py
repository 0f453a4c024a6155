"""Wrong and other right answers about dropout and its expectation over masks."""

import itertools
from typing import TYPE_CHECKING

import numpy as np

from autograder.checking.spec import Misconception
from autograder.misconceptions.records import SLIP, fundamental, ids_of, right, wrong

if TYPE_CHECKING:  # an answer finds these beside it
    import torch

    from cs231n_lib.regularization import generator_of

NUMPY, TORCH = {"framework": "numpy"}, {"framework": "torch"}
KINDS = ("dropout", "vanilla_dropout")
SEED = 'dropout_param.get("seed")'
OUT = "out = x * mask"

# ------------------------------------------------------------------ forward, of both kinds


def everywhere(function):
    """Return mistakes about the mask that both kinds of dropout invite."""
    return (
        *wrong(
            function,
            (
                "keep and drop swapped",
                "With p = 0.9 most of your units are gone. p is the probability to keep a unit: on "
                "which side of p do the random numbers of the kept ones lie?",
                (" < p", " >= p"),
            ),
            (
                "half of the units, whatever p is",
                "The fraction of the units that you keep does not change with p.",
                (" < p", " < 0.5"),
            ),
            (
                "all examples share one mask",
                "Every row of your output has its zeros in the same places. How many random "
                "numbers do you draw for a batch?",
                ("x.shape", "x.shape[1:]"),
            ),
            (
                "one draw for each example",
                "A row of your output is all there or all gone. How many random numbers do you "
                "draw for one example?",
                ("x.shape", "(*x.shape[:1], *(1 for _ in x.shape[1:]))"),
            ),
            (
                "still random at test time",
                "Two calls in test mode should give the same answer. Where do you look at the "
                "mode?",
                ('if mode == "train":', 'if mode in ("train", "test"):'),
            ),
            (
                "the seed is not used",
                "Two calls with the same seed give different masks. Where does your generator get "
                "its seed?",
                SLIP,
                (SEED, "None"),
            ),
            (
                "one seed forever",
                "Every call gives the same mask, whatever seed is asked for: the same units are "
                "gone forever.",
                SLIP,
                (SEED, "0"),
            ),
            (
                "one seed where none is given",
                "Without a seed every call of yours gives the same mask. What does the docstring "
                "promise to those who give none?",
                SLIP,
                (SEED, 'dropout_param.get("seed", 0)'),
            ),
            (
                "an unknown mode passes",
                'What should happen with a mode such as "tests", a typing error?',
                SLIP,
                ('elif mode == "test":', "elif mode:"),
            ),
            (
                "x is changed",
                "After the call the caller's x has zeros too. Which of your statements writes into "
                "it?",
                SLIP,
                (OUT, "x *= mask\n    out = x"),
            ),
        ),
        *wrong(
            function,
            (
                "normal numbers in place of uniform ones",
                "P(u < p) = p holds for numbers that are uniform between 0 and 1. From which "
                "distribution do you draw?",
                ("rng.random(", "rng.standard_normal("),
            ),
            (
                "every example keeps the same number",
                "You choose how many units to drop; dropout leaves that to chance as well. Each "
                "unit should be decided by itself.",
                (
                    "rng.random(x.shape, dtype=np.float32) < p",
                    "np.argsort(np.argsort(rng.random(x.shape), axis=-1), axis=-1)"
                    " < p * x.shape[-1]",
                ),
            ),
            (
                "the generator starts again",
                "A generator that is passed in should go on: your second call gives the mask of "
                "the first.",
                SLIP,
                (SEED, f'__import__("copy").deepcopy({SEED})'),
            ),
            (
                "out is always float32",
                "For float64 numbers half of the digits of your output are gone.",
                SLIP,
                (OUT, "out = (x * mask).astype(np.float32)"),
            ),
            **NUMPY,
        ),
        *wrong(
            function,
            (
                "normal numbers in place of uniform ones",
                "P(u < p) = p holds for numbers that are uniform between 0 and 1. From which "
                "distribution do you draw?",
                ("torch.rand(", "torch.randn("),
            ),
            (
                "every example keeps the same number",
                "You choose how many units to drop; dropout leaves that to chance as well. Each "
                "unit should be decided by itself.",
                (
                    "torch.rand(x.shape, generator=rng, device=x.device) < p",
                    "torch.argsort(torch.argsort(torch.rand(x.shape, generator=rng), dim=-1), "
                    "dim=-1) < p * x.shape[-1]",
                ),
            ),
            (
                "the generator starts again",
                "A generator that is passed in should go on: your second call gives the mask of "
                "the first.",
                SLIP,
                (
                    f"generator_of({SEED}, x.device)",
                    f"generator_of({SEED}, x.device).clone_state()",
                ),
            ),
            (
                "out is always float32",
                "For float64 numbers half of the digits of your output are gone.",
                SLIP,
                (OUT, "out = (x * mask).float()"),
            ),
            **TORCH,
        ),
    )


SCALED, STILL = "kept / x.dtype.type(p)", "mask = 1\n"
WRONG_FORWARD = (
    *wrong(
        "dropout_forward",
        (
            "kept units are not scaled",
            "In training your output is on average p times as large as at test time. What does "
            "inverted dropout do about that, and when?",
            (SCALED, "kept / x.dtype.type(1)"),
        ),
        (
            "scaled by the probability to drop",
            "What is the mean of your output, over all masks? It should be x.",
            (SCALED, "kept / x.dtype.type(1 - p)"),
        ),
        (
            "multiplied by p where it should be divided",
            "Some units are missing, so the others have to become larger, not smaller.",
            (SCALED, "kept / x.dtype.type(1 / p)"),
        ),
        (
            "scaled twice",
            "What is the mean of your output, over all masks? It should be x.",
            (SCALED, "kept / x.dtype.type(p**2)"),
        ),
        (
            "p is the probability to drop",
            "Everything fits together, for the other p: PyTorch's. Here p is the probability to "
            "keep, as on slide 72.",
            (" < p", " >= p"),
            (SCALED, "kept / x.dtype.type(1 - p)"),
        ),
        (
            "the comparison comes last",
            "Python reads a < p / p as a < (p / p), which holds for every a below 1: no unit is "
            "ever dropped. What did you want to divide?",
            (" < p", " < p / p"),
            (SCALED, "kept / x.dtype.type(1)"),
        ),
        (
            "scaled at test time as well",
            "Inverted dropout makes up for the missing units in training. What is left to do at "
            "test time?",
            (STILL, "mask = p\n"),
        ),
        (
            "scaled at test time instead",
            "That is vanilla dropout: right, but not what is asked for. Where does inverted "
            "dropout scale?",
            (SCALED, "kept / x.dtype.type(1)"),
            (STILL, "mask = p\n"),
        ),
        (
            "scaled up in both modes",
            "At test time no unit is missing. What would you make up for?",
            (STILL, "mask = 1 / p\n"),
        ),
    ),
    *everywhere("dropout_forward"),
)

WRONG_VANILLA = (
    *wrong(
        "vanilla_dropout_forward",
        (
            "scaled in training",
            "Vanilla dropout scales at test time. What is done in training then?",
            (OUT, 'out = x * mask / (p if mode == "train" else 1)'),
        ),
        (
            "inverted dropout",
            "That is the better one of slide 82, and here slide 80's is asked for: when does it "
            "scale?",
            (OUT, 'out = x * mask / (p if mode == "train" else 1)'),
            ("mask = p\n", "mask = 1\n"),
        ),
        (
            "not scaled at test time",
            "At test time all units are there. What was the mean output of a unit in training?",
            ("mask = p\n", "mask = 1\n"),
        ),
        (
            "scaled by the probability to drop",
            "What was the mean output of a unit in training? With p = ½ the mistake hides.",
            ("mask = p\n", "mask = 1 - p\n"),
        ),
        (
            "divided at test time",
            "At test time all units are there, so each has to count less, not more.",
            ("mask = p\n", "mask = 1 / p\n"),
        ),
        (
            "the comparison comes last",
            "Python reads a < p / p as a < (p / p), which holds for every a below 1: no unit is "
            "ever dropped.",
            (" < p", " < p / p"),
        ),
    ),
    *everywhere("vanilla_dropout_forward"),
)

# ------------------------------------------------------------------ backward, of both kinds

DX = "dx = dout * mask"


def mask_of_the_last_call(function):
    """Return the mistake of a backward pass that uses the mask of the latest forward pass."""
    forward = function.replace("backward", "forward")
    return tuple(
        Misconception(
            exercise_id,
            "the mask of the latest call",
            "With two layers, both forward passes come before both backward passes. Which mask "
            "does the second backward pass find? The cache is there to be taken along.",
            edits={
                forward: (("return out, mask", f"{forward}.latest = mask\n    return out, mask"),),
                function: (("mask = cache", f"mask = {forward}.latest"),),
            },
        )
        for exercise_id in ids_of(function)
    )


def dropped_in_the_cache(function, name, hint, kept):
    """Return the mistake of a forward pass that keeps something else than its mask: `kept`."""
    forward = function.replace("backward", "forward")
    return tuple(
        Misconception(
            exercise_id, name, hint, edits={forward: (("return out, mask", f"return out, {kept}"),)}
        )
        for exercise_id in ids_of(function)
    )


def everywhere_back(function):
    """Return mistakes about gradients that both kinds of dropout invite."""
    return (
        *wrong(
            function,
            (
                "the gradient comes through dropped units",
                "A unit that was dropped had no part in the output. What is the derivative of the "
                "output with respect to it?",
                (DX, "dx = dout * 1"),
            ),
            (
                "the mask turned around",
                "Your gradient comes through the units that were dropped, and no other.",
                (DX, "dx = dout * (mask == 0)"),
            ),
            (
                "no gradient at test time",
                "At test time the output is not random, but it is still a function of x. What is "
                "its derivative?",
                (DX, "dx = dout * mask if hasattr(mask, 'shape') else 0 * dout"),
            ),
            (
                "the mask divides",
                "You divide by a mask that holds zeros. What does a mask do on the way back?",
                (DX, "dx = dout / mask"),
            ),
            (
                "the mask is squared",
                "The output is the mask times x. How often is the mask a factor of the derivative?",
                (DX, "dx = dout * mask**2"),
            ),
            (
                "dout is changed",
                "After the call the caller's dout has zeros too. Which of your statements writes "
                "into it?",
                SLIP,
                (DX, "dout *= mask\n    dx = dout"),
            ),
        ),
        *wrong(
            function,
            (
                "the mask is drawn again",
                "The gradient has to go where the numbers went. Does your backward pass use the "
                "random numbers of the forward pass, or new ones?",
                (DX, "dx = dout * np.random.default_rng(0).permutation(mask * np.ones_like(dout))"),
            ),
            **NUMPY,
        ),
        *wrong(
            function,
            (
                "the mask is drawn again",
                "The gradient has to go where the numbers went. Does your backward pass use the "
                "random numbers of the forward pass, or new ones?",
                (DX, "dx = dout * (mask * torch.ones_like(dout)).flip(0)"),
            ),
            **TORCH,
        ),
        *mask_of_the_last_call(function),
    )


WRONG_BACKWARD = (
    *wrong(
        "dropout_backward",
        (
            "1/p is forgotten",
            "Kept units were scaled up on the way forward. What does that do to their gradient?",
            (DX, "dx = dout * (mask != 0)"),
        ),
        (
            "only scaled",
            "Every gradient comes through, scaled. Which ones should not?",
            (DX, "dx = dout * (mask + (mask == 0))"),
        ),
    ),
    *everywhere_back("dropout_backward"),
)
WRONG_VANILLA_BACKWARD = (
    *wrong(
        "vanilla_dropout_backward",
        (
            "no p at test time",
            "At test time the output is p·x. What is its derivative?",
            (DX, "dx = dout * (mask != 0)"),
        ),
    ),
    *dropped_in_the_cache(
        "vanilla_dropout_backward",
        "divided by p on the way back",
        "Nothing is scaled up in your forward pass. By what was a unit multiplied that was kept?",
        '(mask / p if mode == "train" else mask)',
    ),
    *everywhere_back("vanilla_dropout_backward"),
)

# ------------------------------------------------------------------ expectations

PROBABILITY = "p ** sum(kept) * (1 - p) ** (D - sum(kept))"
TERM = "expected + probability * function(m * x)"
WRONG_EXPECTATION = wrong(
    "expectation_over_masks",
    (
        "all masks equally likely",
        "For p = ½ you are right. For p = 0.9, which is likelier: that all is kept, or that all "
        "is dropped?",
        (PROBABILITY, "0.5**D"),
    ),
    (
        "keep and drop swapped",
        "p is the probability to keep. Which power does it get in the probability of a mask?",
        (PROBABILITY, "(1 - p) ** sum(kept) * p ** (D - sum(kept))"),
    ),
    (
        "the function of the mean",
        "You scale the inputs and call the function once: that is the approximation of slide 79. "
        "Right for a linear neuron; the function here is another one.",
        (TERM, "function(p * x)"),
    ),
    (
        "p times the function",
        "The mean of a neuron with ReLU is not p times the neuron. Where does p come in, if each "
        "input is decided by itself?",
        (TERM, "p * function(x)"),
    ),
    (
        "inputs scaled up",
        "Inverted dropout scales what is kept. Here it stays as it is.",
        (TERM, "expected + probability * function(m * x / max(p, 1e-9))"),
    ),
    (
        "the empty mask is left out",
        "Are the probabilities of all of your masks together 1? One mask keeps nothing, and the "
        "function need not be 0 there.",
        (TERM, "expected + (probability * function(m * x) if any(kept) else 0)"),
    ),
    (
        "the full mask is left out",
        "Are the probabilities of all of your masks together 1? One mask keeps everything.",
        (TERM, "expected + (probability * function(m * x) if not all(kept) else 0)"),
    ),
    (
        "only the kept ones in the probability",
        "Are the probabilities of all of your masks together 1? That an input is dropped has a "
        "probability too.",
        (PROBABILITY, "p ** sum(kept)"),
    ),
    (
        "counts in place of masks",
        "How many masks keep 2 of 5 inputs is counted by going through them. Do you count them "
        "twice?",
        (PROBABILITY, f"{PROBABILITY} * len(list(itertools.combinations(range(D), sum(kept))))"),
    ),
    (
        "also divided by the number of masks",
        "A mean with weights that add up to 1 is divided by nothing more.",
        (TERM, "expected + probability * function(m * x) / 2**D"),
    ),
    (
        "no weights at all",
        "You add up the function over all masks. What makes a mean of a sum?",
        (TERM, "expected + function(m * x)"),
    ),
    (
        "one mask at a time: only single inputs dropped",
        "Several inputs may be dropped at once. How many masks are there of D inputs?",
        (
            "itertools.product((0, 1), repeat=D)",
            "(tuple(int(i != j) for i in range(D)) for j in range(D))",
        ),
    ),
    (
        "the mask is added",
        "What does a mask do to an input that it drops?",
        ("m * x", "m + x"),
    ),
    (
        "masks pile up in x",
        "A statement such as x *= m writes into x, and what one mask has set to 0 is gone for all "
        "masks after it.",
        fundamental("every mask but the first sees an x that is not x"),
        ("function(m * x)", "function(np.multiply(m, x, out=x))"),
    ),
    (
        "x is changed",
        "After the call the caller's x is another one. Which of your statements writes into it?",
        SLIP,
        ("return expected", "x *= p\n    return expected"),
    ),
)

PRODUCTS = "np.array([1.0, -1.0])"
WRONG_PRODUCTS = wrong(
    "separating_products",
    (
        "products of one sign",
        "With products of one sign the sum is on the same side of 0 for every mask, and there the "
        "ReLU is linear. What would bend it?",
        (PRODUCTS, "np.array([1.0, 2.0])"),
    ),
    (
        "all products negative",
        "The neuron is 0 for every mask. When is it sometimes positive, and sometimes not?",
        (PRODUCTS, "np.array([-1.0, -2.0])"),
    ),
    (
        "hardly bent",
        "You are on the right way: with few masks the sum changes its side, and not by much. Make "
        "these masks likelier, or the change larger.",
        (PRODUCTS, "np.array([1.0, -0.2])"),
    ),
    (
        "only one product",
        "With one product there is a mask with it and one without. Two at least are asked for.",
        (PRODUCTS, "np.array([1.0])"),
    ),
    (
        "nothing but zeros",
        "All products are 0, and so is every mean.",
        (PRODUCTS, "np.zeros(3)"),
    ),
)

MISCONCEPTIONS = (
    *WRONG_FORWARD,
    *WRONG_BACKWARD,
    *WRONG_VANILLA,
    *WRONG_VANILLA_BACKWARD,
    *WRONG_EXPECTATION,
    *WRONG_PRODUCTS,
)

# ------------------------------------------------------------------ right


def dropout_by_loop(x, dropout_param):
    """Decide unit after unit, as many people write it first."""
    p, mode = dropout_param["p"], dropout_param["mode"]
    if mode not in ("train", "test"):
        raise ValueError("mode?")
    if mode == "test":
        return x.copy(), (mode, None)
    rng = np.random.default_rng(dropout_param.get("seed"))
    scale = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        if rng.random() <= p:
            scale[place] = 1 / p
    return x * scale, (mode, scale)


def dropout_by_loop_back(dout, cache):
    """Take the gradient of `dropout_by_loop`."""
    mode, scale = cache
    return dout.copy() if mode == "test" else np.multiply(dout, scale)


def usual_dropout(x, dropout_param):
    """Keep the options in the cache and draw coins, as in the usual assignment."""
    p, mode = dropout_param["p"], dropout_param["mode"]
    mask = None
    if mode == "train":
        generator = np.random.default_rng(dropout_param.get("seed"))
        mask = generator.binomial(1, p, size=x.shape).astype(x.dtype)
        out = x * mask / p
    elif mode == "test":
        out = x
    else:
        raise ValueError(mode)
    return out, (dropout_param, mask)


def usual_dropout_back(dout, cache):
    """Take the gradient of `usual_dropout`."""
    dropout_param, mask = cache
    if dropout_param["mode"] == "train":
        return dout * mask / dropout_param["p"]
    return dout


def dropout_by_zeros(x, dropout_param):
    """Scale a copy and set what is dropped to 0; remember which."""
    if dropout_param["mode"] == "test":
        return x, (None, 1)
    if dropout_param["mode"] != "train":
        raise ValueError("the mode must be 'train' or 'test'")
    p = dropout_param["p"]
    generator = generator_of(dropout_param.get("seed"), x.device)
    dropped = torch.empty(x.shape).uniform_(generator=generator) >= p
    return (x / p).masked_fill(dropped, 0), (dropped, p)


def dropout_by_zeros_back(dout, cache):
    """Take the gradient of `dropout_by_zeros`."""
    dropped, p = cache
    dx = dout / p
    return dx if dropped is None else dx.masked_fill(dropped, 0)


def dropout_by_coins(x, dropout_param):
    """Toss coins."""
    p, mode = dropout_param["p"], dropout_param["mode"]
    if mode == "train":
        generator = generator_of(dropout_param.get("seed"), x.device)
        coins = torch.bernoulli(torch.full_like(x, p), generator=generator) / p
    elif mode == "test":
        coins = torch.ones_like(x)
    else:
        raise ValueError(mode)
    return x * coins, coins


def vanilla_by_coins(x, dropout_param):
    """Toss coins, and remember the mode."""
    p, mode = dropout_param["p"], dropout_param["mode"]
    if mode == "train":
        rng = np.random.default_rng(dropout_param.get("seed"))
        coins = rng.choice([0.0, 1.0], size=x.shape, p=[1 - p, p]).astype(x.dtype)
        return coins * x, (coins, 1)
    if mode == "test":
        return p * x, (np.ones_like(x), p)
    raise ValueError(f"{mode} is neither train nor test")


def vanilla_by_coins_back(dout, cache):
    """Take the gradient of `vanilla_by_coins`."""
    coins, scale = cache
    return dout * coins * scale


def vanilla_by_where(x, dropout_param):
    """Choose between x and 0."""
    if dropout_param["mode"] == "test":
        return x * dropout_param["p"], dropout_param["p"]
    if dropout_param["mode"] == "train":
        rng = np.random.default_rng(dropout_param.get("seed"))
        dropped = rng.random(size=x.shape) > dropout_param["p"]
        return np.where(dropped, 0, x).astype(x.dtype), ~dropped
    raise ValueError("mode")


def expectation_by_numbers(function, x, p):
    """Read the masks off the digits of a number."""
    D, total = len(x), 0.0
    for number in range(2**D):
        m = np.array([(number >> j) & 1 for j in range(D)])
        probability = 1.0
        for kept in m:
            probability *= p if kept else 1 - p
        total = total + probability * function(x * m)
    return total


def expectation_by_recursion(function, x, p):
    """Decide the first input, and leave the others to the same rule."""

    def mean(decided, rest):
        if len(rest) == 0:
            return function(np.array(decided))
        kept = mean([*decided, rest[0]], rest[1:])
        return p * kept + (1 - p) * mean([*decided, 0.0], rest[1:])

    return mean([], x)


def expectation_by_average(function, x, p):
    """All values first, then one weighted average."""
    masks = np.array(list(itertools.product([False, True], repeat=x.size)))
    weights = np.prod(np.where(masks, p, 1 - p), axis=1)
    return np.average([function(np.where(m, x, 0.0)) for m in masks], axis=0, weights=weights)


def expectation_by_counts(function, x, p):
    """Choose which inputs are kept, by their number."""
    total = 0
    for count in range(len(x) + 1):
        for places in itertools.combinations(range(len(x)), count):
            kept = x * 0
            kept[list(places)] = x[list(places)]
            total = total + p**count * (1 - p) ** (len(x) - count) * function(kept)
    return total


VARIANTS = (
    *right("dropout_forward", "unit by unit", dropout_forward=dropout_by_loop, **NUMPY),
    *right("dropout_forward", "the usual assignment's", dropout_forward=usual_dropout, **NUMPY),
    *right(
        "dropout_forward",
        "x first",
        (SCALED, "kept"),
        (OUT, 'out = x * mask / (p if mode == "train" else 1)'),
        **NUMPY,
    ),
    *right("dropout_forward", "zeros filled in", dropout_forward=dropout_by_zeros, **TORCH),
    *right("dropout_forward", "coins", dropout_forward=dropout_by_coins, **TORCH),
    *right("dropout_forward", "at most p", (" < p", " <= p")),
    *right(
        "dropout_backward",
        "unit by unit",
        dropout_forward=dropout_by_loop,
        dropout_backward=dropout_by_loop_back,
        **NUMPY,
    ),
    *right(
        "dropout_backward",
        "the usual assignment's",
        dropout_forward=usual_dropout,
        dropout_backward=usual_dropout_back,
        **NUMPY,
    ),
    *right(
        "dropout_backward",
        "zeros filled in",
        dropout_forward=dropout_by_zeros,
        dropout_backward=dropout_by_zeros_back,
        **TORCH,
    ),
    *right("dropout_backward", "in other words", (DX, "dx = mask * dout")),
    *right("dropout_backward", "coins", dropout_forward=dropout_by_coins, **TORCH),
    *right("vanilla_dropout_forward", "coins", vanilla_dropout_forward=vanilla_by_coins),
    *right("vanilla_dropout_forward", "a choice", vanilla_dropout_forward=vanilla_by_where),
    *right("vanilla_dropout_forward", "at most p", (" < p", " <= p")),
    *right(
        "vanilla_dropout_backward",
        "coins",
        vanilla_dropout_forward=vanilla_by_coins,
        vanilla_dropout_backward=vanilla_by_coins_back,
    ),
    *right("vanilla_dropout_backward", "in other words", (DX, "dx = mask * dout")),
    *right("vanilla_dropout_backward", "a choice", vanilla_dropout_forward=vanilla_by_where),
    *right(
        "expectation_over_masks", "digits of numbers", expectation_over_masks=expectation_by_numbers
    ),
    *right("expectation_over_masks", "recursion", expectation_over_masks=expectation_by_recursion),
    *right("expectation_over_masks", "one average", expectation_over_masks=expectation_by_average),
    *right("expectation_over_masks", "combinations", expectation_over_masks=expectation_by_counts),
    *right("separating_products", "more of them", (PRODUCTS, "np.array([2.0, -1.0, -1.5])")),
    *right("separating_products", "small ones", (PRODUCTS, "np.array([-0.3, 0.2])")),
    *right("separating_products", "by p", (PRODUCTS, "np.array([10.0, -10.0, 1 - p])")),
)
