"""Wrong and other right answers about stochastic depth."""

from typing import TYPE_CHECKING

import numpy as np

from autograder.checking.spec import Misconception
from autograder.misconceptions.records import SLIP, fundamental, grouped, ids_of, right, wrong

if TYPE_CHECKING:  # an answer finds these beside it
    import torch

    from cs231n_lib.regularization.in_numpy import stochastic_depth_forward, survival_probabilities

LINEAR = "1 - l / L * (1 - p_last)"
SHAPE = "(draws, *[1] * (x.ndim - 1))"
ROWS = 'len(x) if depth_param.get("mode", "batch") == "row" else 1'
DIVISOR = '(p if scale == "train" else 1)'
AT_TEST = 'q = p if scale == "test" else 1'
BLOCK = "return x + q * branch, q"
GRADIENT = "return dout.copy(), q * dout"

# ------------------------------------------------------------------ survival

SURVIVAL = wrong(
    "survival_probabilities",
    (
        "the first block is sure to survive",
        "Your first block is never left out. In the paper l counts from 1, and what is sure is the "
        "input, l = 0.",
        ("np.arange(1, L + 1)", "np.arange(0, L)"),
    ),
    (
        "the schedule runs backwards",
        "Your first blocks are left out most often. The first ones find what all others build on: "
        "which end should be safer?",
        (LINEAR, "p_last + (l - 1) / L * (1 - p_last)"),
    ),
    (
        "how often a block is left out",
        "Your numbers rise from block to block. Do they say how often a block is kept, or how "
        "often it is left out?",
        (LINEAR, "l / L * (1 - p_last)"),
    ),
    (
        "all blocks alike",
        "Every block of yours survives equally often. Only the last one survives with p_last.",
        (LINEAR, "p_last + 0 * l"),
    ),
    (
        "from a sure first block to the last",
        "Your first block survives with probability 1: you have one step too few between it and "
        "the last. How many steps down are there for L blocks?",
        (LINEAR, "1 - (l - 1) / (L - 1) * (1 - p_last)"),
    ),
    (
        "a geometric decay",
        "Your steps get shorter. The paper's probabilities fall by the same amount from block to "
        "block.",
        (LINEAR, "p_last ** (l / L)"),
    ),
)

# ------------------------------------------------------------------ one block

FORWARD = (
    *wrong(
        "stochastic_depth_forward",
        (
            "the identity is left out too",
            "Where your branch is gone, nothing is left: no signal passes the block. What stays of "
            "a residual block without its branch?",
            (BLOCK, "return q * (x + branch), q"),
        ),
        (
            "the identity is left out too, in training",
            "Where your branch is gone, nothing is left: no signal passes the block. What stays of "
            "a residual block without its branch?",
            grouped("the identity is left out too"),
            (
                BLOCK,
                "return (q * (x + branch) if depth_param.get('training', True) else x + q * "
                "branch), q",
            ),
        ),
        (
            "keep and drop swapped",
            "With p = 0.9 your branch is nearly always gone. p is the probability to keep it.",
            (" < p", " >= p"),
        ),
        (
            "half of the time, whatever p is",
            "How often your branch is kept does not change with p.",
            (" < p", " < 0.5"),
        ),
        (
            "dropout on the branch",
            "Single numbers of your branch are gone. That is dropout: here a branch is there or "
            "not as a whole. How many random numbers does that take?",
            (SHAPE, "x.shape"),
        ),
        (
            "a draw for each example, in both modes",
            "In mode 'batch', which is the default, your examples lose the block one by one. How "
            "many random numbers does a batch take there?",
            (ROWS, "len(x)"),
        ),
        (
            "one draw for the batch, in both modes",
            "In mode 'row' your examples still lose the block together. How many random numbers "
            "does a batch of N take there?",
            (ROWS, "1"),
        ),
        (
            "the mask lies along the last axis",
            "N random numbers of shape (N,) are stretched along the last axis of x, not the first: "
            "that goes unnoticed where both are equally long. Which shape do they need?",
            (SHAPE, "(draws,)"),
        ),
        (
            "scaled in training and at test time",
            "With the default scale your branch is divided by p in training, and multiplied by it "
            "at test time: the two means no longer agree. Which one is asked for?",
            (DIVISOR, "p"),
        ),
        (
            "never scaled at test time",
            "In training your branch is there with probability p; at test time it is always there, "
            "and whole: larger than what the next block is used to.",
            (AT_TEST, "q = 1"),
        ),
        (
            "divided by p at test time",
            "At test time your branch is larger than it ever was in training. What is its mean?",
            (AT_TEST, 'q = 1 / p if scale == "test" else 1'),
        ),
        (
            "scaled by what is left out",
            "At test time you multiply by the fraction of calls in which the branch was *gone*.",
            (AT_TEST, 'q = 1 - p if scale == "test" else 1'),
        ),
        (
            "scale 'train' scales at test time as well",
            "Where the branch is divided by p in training, its mean is right already. What is left "
            "to do at test time?",
            SLIP,
            (AT_TEST, "q = p"),
        ),
        (
            "multiplied by p in training",
            "With scale 'train' the branch is there with probability p. By what must it be "
            "multiplied so that its mean is whole?",
            SLIP,
            (f"/ {DIVISOR}", f"* {DIVISOR}"),
        ),
        (
            "scale 'train' is not read",
            "With scale 'train' your branch is not scaled in training. The key 'scale' has two "
            "values: where do you ask for the second?",
            SLIP,
            (f" / {DIVISOR}", ""),
        ),
        (
            "still random at test time",
            "Two calls at test time should give the same answer. Where do you look at 'training'?",
            ('if depth_param.get("training", True):', "if True:"),
        ),
        (
            "x is changed",
            "After the call the caller's x holds the output. Which statement writes into it?",
            SLIP,
            (BLOCK, "x += q * branch\n    return x, q"),
        ),
    ),
    *wrong(
        "stochastic_depth_forward",
        (
            "random numbers from elsewhere",
            "The same generator should leave out the same blocks again. Which of your numbers do "
            "not come from `rng`?",
            SLIP,
            ("rng.random(", "np.random.default_rng().random("),
        ),
        framework="numpy",
    ),
    *wrong(
        "stochastic_depth_forward",
        (
            "random numbers from elsewhere",
            "The same generator should leave out the same blocks again. Which of your numbers do "
            "not come from `rng`?",
            SLIP,
            ("generator=rng, ", ""),
        ),
        framework="torch",
    ),
)

# ------------------------------------------------------------------ backward


def through_the_cache(name, hint, cached, **options):
    """Return mistakes about what the forward pass keeps for the backward pass."""
    edits = {"stochastic_depth_forward": ((BLOCK, f"return x + q * branch, {cached}"),)}
    return tuple(
        Misconception(exercise_id, name, hint, edits=edits, **options)
        for exercise_id in ids_of("stochastic_depth_backward")
    )


BACKWARD = (
    *wrong(
        "stochastic_depth_backward",
        (
            "the identity passes on what the branch does",
            "Where the branch was left out your dx is 0, and nothing reaches the blocks before. By "
            "which other way does x reach the output?",
            (GRADIENT, "return q * dout, q * dout"),
        ),
        (
            "gradient into branches that were left out",
            "A branch that was not there gets gradient all the same. What had the output of it?",
            (GRADIENT, "return dout.copy(), dout + 0 * q"),
        ),
        (
            "dx holds the branch's gradient too",
            "Your dx is dout and the branch's share together. The branch sends its own share back "
            "through its layers: it comes later.",
            (GRADIENT, "return dout + q * dout, q * dout"),
        ),
        (
            "dout is changed",
            "After the call the caller's dout is another one. Which statement writes into it?",
            SLIP,
            (GRADIENT, "dx = dout.copy()\n    dout *= q\n    return dx, dout"),
        ),
    ),
    *wrong(
        "stochastic_depth_backward",
        (
            "kept or not, without the factor",
            "A branch that was kept may have been multiplied by 1/p, and at test time all are "
            "multiplied by p. What is the derivative then?",
            (GRADIENT, "return dout.copy(), dout * (q != 0)"),
        ),
    ),
    *through_the_cache(
        "another draw in the backward pass",
        "The gradient flows into other branches than those that were kept. What the forward pass "
        "drew is needed again: how does it get here?",
        "np.roll(q, 1, 0) if hasattr(q, 'shape') else q",
    ),
    *through_the_cache(
        "multiplied by p once more",
        "The gradient of a branch that was kept is too small. By what was the branch multiplied in "
        "this call?",
        "p * q",
    ),
)

# ------------------------------------------------------------------ wire a network


def first_input(x, blocks, p_last, training, mode, rng):
    """Give every block the network's own input."""
    kept_with = survival_probabilities(len(blocks), p_last).tolist()
    out = x
    for block, p in zip(blocks, kept_with, strict=True):
        param = {"p": p, "mode": mode, "training": training}
        out, _ = stochastic_depth_forward(out, block(x), param, rng)
    return out


def one_draw(x, blocks, p_last, training, mode, rng):
    """Ask one random number how deep the network is."""
    kept_with = survival_probabilities(len(blocks), p_last).tolist()
    rows = len(x) if mode == "row" else 1
    u = rng.random((rows, *[1] * (x.ndim - 1)))
    for block, p in zip(blocks, kept_with, strict=True):
        x = x + ((u < p) if training else p) * block(x)
    return x


CALL = "x, _ = stochastic_depth_forward(x, block(x), param, rng)"
PARAM = '{"p": p, "mode": mode, "training": training}'

NETWORK = wrong(
    "stochastic_depth_network",
    (
        "every block gets the first x",
        "Your blocks stand beside each other, not one after the other. What does the second block "
        "get to see?",
        first_input,
    ),
    (
        "the network runs backwards",
        "Your last block comes first, with the probability of the first one. In which order is the "
        "list?",
        ("zip(blocks, kept_with", "zip(blocks[::-1], kept_with"),
    ),
    (
        "survival runs backwards",
        "Your first blocks are left out most often.",
        ("zip(blocks, kept_with", "zip(blocks, kept_with[::-1]"),
    ),
    (
        "all blocks survive like the last",
        "p_last belongs to the last block alone. Which of your functions knows the others'?",
        ('{"p": p,', '{"p": p_last,'),
    ),
    (
        "always in training",
        "At test time your network still leaves blocks out. What does `training` have to reach?",
        ('"training": training', '"training": True'),
    ),
    (
        "never in training",
        "In training your network has all its blocks, scaled. What does `training` have to reach?",
        ('"training": training', '"training": False'),
    ),
    (
        "the mode is lost",
        "In mode 'row' your examples still lose the same blocks. What does `mode` have to reach?",
        SLIP,
        ('"mode": mode, ', ""),
    ),
    (
        "the mode is always 'row'",
        "In mode 'batch' your examples lose different blocks. What does `mode` have to reach?",
        SLIP,
        ('"mode": mode', '"mode": "row"'),
    ),
    (
        "x comes in twice",
        "Every block of yours adds x once more. What does stochastic_depth_forward return: the "
        "branch, or the block's whole output?",
        fundamental("every number that goes from block to block is another one"),
        (CALL, f"before = x\n        {CALL}\n        x = before + x"),
    ),
    (
        "one draw decides how deep",
        "When a block of yours is left out, all later ones are too: there are L + 1 networks, not "
        "2^L. How many random numbers does a pass take?",
        one_draw,
    ),
    (
        "the same draw in every pass",
        "All passes of your network leave out the same blocks. A new generator with an old seed "
        "begins again where the old one began.",
        ("param, rng)", "param, np.random.default_rng(3))"),
    ),
    (
        "unscaled at test time",
        "At test time your branches are whole, and in training they are there with probability p.",
        (PARAM, '{"p": p, "mode": mode, "training": training,\n'
                '                 "scale": "test" if training else "train"}'),
    ),
)  # fmt: skip

MISCONCEPTIONS = (*SURVIVAL, *FORWARD, *BACKWARD, *NETWORK)

# ------------------------------------------------------------------ other right answers


def survival_in_a_loop(L, p_last):
    """Go down step by step."""
    step = (1 - p_last) / L
    return np.array([1 - step * (block + 1) for block in range(L)])


def block_by_cases(x, branch, depth_param, rng):
    """Write every case down by itself."""
    p, mode = depth_param["p"], depth_param.get("mode", "batch")
    late = depth_param.get("scale", "test") == "test"
    if not depth_param.get("training", True):
        factor = p if late else 1.0
        return x + branch * factor, factor
    if mode == "batch":
        kept = 1.0 if rng.random() < p else 0.0
    else:
        kept = (rng.uniform(size=len(x)) <= p).astype(x.dtype)
        kept = kept.reshape(-1, *[1 for _ in x.shape[1:]])
    if not late:
        kept = kept / p
    return x + branch * kept, kept


def block_by_rows(x, branch, depth_param, rng):
    """Copy x, and add the branch where it is there."""
    p, scale = depth_param["p"], depth_param.get("scale", "test")
    out = x.copy()
    factor = np.ones(len(x), x.dtype)
    if depth_param.get("training", True):
        per_row = depth_param.get("mode", "batch") == "row"
        kept = rng.binomial(1, p, size=len(x) if per_row else 1) == 1
        factor = factor * kept / (p if scale == "train" else 1)
    elif scale == "test":
        factor = factor * p
    factor = factor.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
    out += factor * branch
    return out, factor


def torch_block_by_cases(x, branch, depth_param, rng):
    """Write every case down by itself."""
    p, mode = depth_param["p"], depth_param.get("mode", "batch")
    late = depth_param.get("scale", "test") == "test"
    if not depth_param.get("training", True):
        factor = p if late else 1.0
        return x + branch * factor, factor
    rows = x.shape[0] if mode == "row" else 1
    kept = torch.bernoulli(torch.full((rows,), p, dtype=x.dtype), generator=rng)
    kept = kept.view(-1, *[1 for _ in x.shape[1:]])
    return x + branch * kept / (1.0 if late else p), kept / (1.0 if late else p)


def network_with_its_own_blocks(x, blocks, p_last, training, mode, rng):
    """Compute a branch only where it is needed, as the paper does to save time."""
    out = np.array(x)
    L = len(blocks)
    for l in range(1, L + 1):  # noqa: E741
        p = float(survival_probabilities(L, p_last)[l - 1])
        if training and mode == "batch":
            if rng.random() < p:
                out = out + blocks[l - 1](out)
        else:
            param = {"p": p, "mode": mode, "training": training}
            out = stochastic_depth_forward(out, blocks[l - 1](out), param, rng)[0]
    return out


VARIANTS = (
    *right("survival_probabilities", "step by step", survival_probabilities=survival_in_a_loop),
    *right("survival_probabilities", "linspace",
           (LINEAR, "np.linspace(1, p_last, L + 1)[1:]")),
    *right("survival_probabilities", "a weighted mean", (LINEAR, "(1 - l / L) + l / L * p_last")),
    *right("stochastic_depth_forward", "by cases", framework="numpy",
           stochastic_depth_forward=block_by_cases),
    *right("stochastic_depth_forward", "binomial numbers", framework="numpy",
           stochastic_depth_forward=block_by_rows),
    *right("stochastic_depth_forward", "by cases", framework="torch",
           stochastic_depth_forward=torch_block_by_cases),
    *right("stochastic_depth_forward", "the other side", (" < p", " >= 1 - p")),
    *right("stochastic_depth_forward", "a product first", (BLOCK, "return q * branch + x, q")),
    *right("stochastic_depth_backward", "dx without a copy", (GRADIENT, "return dout, q * dout")),
    *right("stochastic_depth_backward", "dx by addition",
           (GRADIENT, "dbranch = dout * q\n    return dout + 0, dbranch")),
    *right("stochastic_depth_backward", "three lines",
           (GRADIENT, "dx = 1 * dout\n    dbranch = dx * q\n    return dx, dbranch")),
    *right("stochastic_depth_network", "branches only where needed",
           stochastic_depth_network=network_with_its_own_blocks),
    *right("stochastic_depth_network", "counted",
           ("for block, p in zip(blocks, kept_with, strict=True):",
            "for i, block in enumerate(blocks):\n        p = kept_with[i]")),
    *right("stochastic_depth_network", "the branch by itself",
           (CALL, "f = block(x)\n        x = stochastic_depth_forward(x, f, param, rng)[0]")),
)  # fmt: skip
