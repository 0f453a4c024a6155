"""Stochastic depth: which blocks survive, what a block does, and a network of them.

Whether a branch was kept is read off the output: (out − x) / branch is one number for every example
whose branch is there or not as a whole.
"""

import numpy as np

from autograder.checking.judge import same_dtype
from autograder.checking.scenarios import afterwards
from autograder.checking.spec import RANDOM, Check
from autograder.exercises.regularization.noise import CLOSE, PRECISION, precision, randomness_check
from autograder.exercises.regularization.shared import (
    exercise,
    outcome_check,
    place_of_share,
    share_bound,
)

P = 0.7
SHAPE = (6, 4, 6)  # as many examples as columns: a mask along the wrong axis fits too
CALLS, MANY = 40, 200  # the second to count, with few numbers each

# ------------------------------------------------------------------ survival


def _survival(impl, rng):
    p_last = rng.uniform(0.2, 0.8)
    return {f"p of {L} blocks": impl.survival_probabilities(L, p_last) for L in (5, 24)}


SURVIVAL = exercise(
    "Which blocks survive: probabilities that fall linearly",
    "survival_probabilities",
    (Check("the probabilities of 5 and of 24 blocks", 3, _survival),),
    "96",
    small=(
        "survival_probabilities(1, 0.5)",
        "survival_probabilities(2, 0.5)",
        "survival_probabilities(4, 0.5)",
        "survival_probabilities(3, 1.0)",
    ),
    look="""\
print(survival_probabilities(4, 0.5))  # four equal steps down from 1; the last one is 0.5
""",
)

# ------------------------------------------------------------------ one block


def arrays(rng, shape=SHAPE):
    """Return x and branch; no number of the branch is near zero."""
    branch = rng.choice([-1, 1], shape) * rng.uniform(0.5, 2, shape)
    return rng.normal(size=shape), branch


def many_calls(calls=CALLS, shape=SHAPE, **options):
    """Return the run of many calls in training, from one generator."""

    def run(impl, rng):
        x, branch = arrays(rng, shape)
        param = {"p": P, **options}
        outs = [
            impl.stochastic_depth_forward(x.copy(), branch.copy(), dict(param), rng)[0]
            for _ in range(calls)
        ]
        return {"x": x, "branch": branch}, {"outs": np.array(outs)}

    return run


def shares(given, outs):
    """Return (out − x) / branch, like outs; zeros where only the identity is there."""
    return (outs - given["x"]) / given["branch"]


BLOCKS = (
    "right",
    "out must have the shape of x",
    "where the branch is left out, x is left out with it",
    "single numbers of the branch are left out, not the branch as a whole",
    "in one call some examples keep the branch and others do not",
    "the mask of the examples lies along another axis",
    "all examples of a batch keep the branch or lose it together",
    "a branch that is kept is divided by p",
    "a branch that is kept is multiplied by p",
    "the branch is neither whole nor left out",
)


def block_check(title, points, mode, share=1.0):
    """Return the check that branches are whole or left out, for batches or row by row."""

    def outcome(given, answers):
        outs = answers["outs"]
        if outs.shape != (CALLS, *SHAPE):
            return 1
        if (np.abs(outs).max(axis=(1, 2, 3)) == 0).any():
            return 2
        q = shares(given, outs)  # (calls, N, ...)
        values = [v for v in (share, 1.0, 1 / P, P) if _only(q, 0.0, v)]
        if not values:
            return 2 if _only(outs / (given["x"] + given["branch"]), 0.0, 1.0) else 9
        rows = _constant(q, (2, 3))
        if not rows:
            columns = _constant(q, (1, 2)) or _constant(q, (1, 3))
            return 5 if columns else 3
        together = _constant(q, (1, 2, 3))
        if mode == "batch" and not together:
            return 4
        if mode == "row" and together:
            return 6
        if values[0] == share:
            return 0
        return {1 / P: 7, P: 8}.get(values[0], 9)

    return outcome_check(title, points, BLOCKS, many_calls(**_mode(mode)), outcome)


def _mode(mode):
    return {} if mode == "batch" else {"mode": mode}  # 'batch' is the default


def _only(q, *values):
    return bool((np.abs(q[..., None] - values).min(axis=-1) < CLOSE).all())


def _constant(q, axes):
    return bool(np.ptp(q, axis=axes).max() < CLOSE)


SURVIVORS = (
    "right",
    "out must have the shape of x",
    "branches are left out as often as they should be kept",
    "the branch is always there",
    "the branch is never there",
    "branches are kept half of the time, whatever p is",
    "branches are kept with another probability",
)
ROWS = 4000


def both_modes(impl, rng):
    """Call it many times on a small batch, and once on many rows."""
    batch, answers = many_calls(MANY, (2, 3))(impl, rng)
    x, branch = arrays(rng, (ROWS, 2))
    param = {"p": P, "mode": "row"}
    rows, _ = impl.stochastic_depth_forward(x.copy(), branch.copy(), param, rng)
    return {**batch, "rows": x}, {**answers, "rows": rows}


def _survivors(given, answers):
    """Judge the fraction of branches that are there; rows that share a draw are another check's."""
    pairs = ((answers["outs"], given["x"]), (answers["rows"], given["rows"]))
    if any(outs.shape[-x.ndim :] != x.shape for outs, x in pairs):
        return 1
    places = []
    for outs, x in pairs:
        moved = (np.abs(outs - x) > CLOSE).reshape(len(outs), -1).any(axis=1)
        there = (np.abs(outs) > 0).reshape(len(outs), -1).any(axis=1)  # else x is gone as well
        places.append(_place_of_share((moved & there).mean(), len(outs)))
    batch, rows = places
    return batch if rows in (3, 4) else rows or batch


def _place_of_share(share, n):
    if share in (0, 1):
        return 4 - int(share)
    shares = {0: P, 2: 1 - P, 5: 0.5}
    near = (place for place, s in shares.items() if abs(share - s) < share_bound(n))
    return place_of_share(next(near, 6), share, P, n)


def _test_mode(scale):
    def scenario(impl, rng):
        x, branch = arrays(rng, (3, 4, 5))
        param = {"p": P, "training": False, **scale}
        out, _ = impl.stochastic_depth_forward(x, branch, param, np.random.default_rng(0))
        return {"out": out}

    return scenario


SCALED = (
    "right",
    "out must have the shape of x",
    "a branch that is kept is not divided by p",
    "a branch that is kept is multiplied by p",
    "branches are neither left out nor divided by p",
)


def _scaled(given, answers):
    outs = answers["outs"]
    if outs.shape != (CALLS, *SHAPE):
        return 1
    q = shares(given, outs)
    kept = q[np.abs(q) > CLOSE]
    if kept.size == 0:
        return 4
    places = {1 / P: 0, 1.0: 2, P: 3}
    return next((place for value, place in places.items() if _only(kept, value)), 4)


def _certain(impl, single):
    x, branch = single
    generator = np.random.default_rng(0)
    return impl.stochastic_depth_forward(x, branch, {"p": 1.0, "scale": "train"}, generator)[:1]


def _forward_precision(impl, rng):
    x, branch = arrays(rng, (3, 4, 5))
    observed = precision(_certain, "x branch")(impl, (x, branch))
    param = {"p": P, "training": False}
    single = x.astype(np.float32), branch.astype(np.float32)
    test, _ = impl.stochastic_depth_forward(*single, param, np.random.default_rng(0))
    return {**observed, "out at test time": test}


def _forward_call(impl, rng):
    x, branch = arrays(rng, (40, 3))
    param = {"p": 0.5, "mode": "row"}
    return lambda generator: impl.stochastic_depth_forward(x, branch, dict(param), generator)[0]


FORWARD = exercise(
    "Stochastic depth, forward",
    "stochastic_depth_forward",
    (
        block_check("a branch is whole or left out, for the batch at once", 2, "batch"),
        outcome_check("how often it is kept", 2, SURVIVORS, both_modes, _survivors),
        block_check("mode 'row': each example has its own draw", 1.5, "row"),
        Check("test time: the branch times p", 1.5, _test_mode({})),
        outcome_check("scale 'train': divided by p in training", 1, SCALED,
                      many_calls(scale="train", mode="row"), _scaled),
        Check("scale 'train': nothing to do at test time", 0.5, _test_mode({"scale": "train"})),
        randomness_check(0.5, _forward_call),
        Check(f"{PRECISION} (p = 1)", 1, _forward_precision, same_dtype),
    ),
    "96",
    look="""\
x, branch, rng = np.zeros((6, 2)), np.ones((6, 2)), np.random.default_rng(0)
for param in ({"p": 0.5}, {"p": 0.5, "mode": "row"}, {"p": 0.5, "training": False}):
    print(param, stochastic_depth_forward(x, branch, param, rng)[0][:, 0])
""",
    no_small=RANDOM,
)  # fmt: skip

# ------------------------------------------------------------------ backward


def gradients(**options):
    """Return the run of both passes, row by row, so that both outcomes are there."""

    def run(impl, rng):
        shape = (40, 3)
        x, branch = arrays(rng, shape)
        dout = rng.choice([-1, 1], shape) * rng.uniform(0.5, 2, shape)
        param = {"p": P, "mode": "row", **options}
        out, cache = impl.stochastic_depth_forward(x.copy(), branch.copy(), param, rng)
        dx, dbranch = impl.stochastic_depth_backward(dout.copy(), cache)
        given = {"x": x, "branch": branch, "dout": dout}
        return given, {"out": out, "dx": dx, "dbranch": dbranch}

    return run


ALONG = (
    "right",
    "dx must have the shape of dout",
    "dx is left out where the branch is: the identity is always there",
    "dx is multiplied by p",
    "dx holds the gradient of the branch as well",
    "dx is not what came in",
)


def _along_identity(given, answers):
    dx, dout = answers["dx"], given["dout"]
    if dx.shape != dout.shape:
        return 1
    q = shares(given, answers["out"]) if answers["out"].shape == dout.shape else np.nan * dout
    choices = {0: dout, 2: q * dout, 3: P * dout, 4: (1 + q) * dout}
    near = (p for p, choice in choices.items() if np.abs(dx - choice).max() < CLOSE)
    return next(near, 5)


THROUGH = (
    "right",
    "your forward pass does not tell which branches were kept",
    "dbranch must have the shape of dout",
    "it is right for your own forward pass; hence half the points",
    "it flows into branches that were left out",
    "it is multiplied by p once more",
    "it is that of another draw than the forward pass made",
    "it does not fit the branches that were kept",
)


def branch_check(title, points, allowed, **options):
    """Return the check of dbranch; q, the factor of the branch, may be one of `allowed`."""

    def outcome(given, answers):
        out, dout, dbranch = answers["out"], given["dout"], answers["dbranch"]
        if out.shape != dout.shape:
            return 1
        if dbranch.shape != dout.shape:
            return 2
        q = shares(given, out)  # (N, M)
        if not _constant(q, (1,)):
            return 1
        ratio = dbranch / dout
        if np.abs(ratio - q).max() < CLOSE:
            return 0 if _only(q, *allowed) else 3
        if _only(ratio, 1.0):
            return 4
        if np.abs(ratio - P * q).max() < CLOSE:
            return 5
        return 6 if _only(ratio, 0.0, *allowed) else 7

    return outcome_check(title, points, THROUGH, gradients(**options), outcome, half=(3,))


def _backward_at_test_time(impl, single):
    x, branch, dout = single
    param = {"p": P, "training": False}
    _, cache = impl.stochastic_depth_forward(x, branch, param, np.random.default_rng(0))
    return impl.stochastic_depth_backward(dout, cache)


def _backward_precision(impl, rng):
    x, branch = arrays(rng, (3, 4, 5))
    dout = rng.normal(size=(3, 4, 5))
    return precision(_backward_at_test_time, "x branch dout", "dx dbranch")(impl, (x, branch, dout))


BACKWARD = exercise(
    "Stochastic depth, backward",
    "stochastic_depth_forward stochastic_depth_backward",
    (
        outcome_check("dx, along the identity", 1, ALONG, gradients(), _along_identity),
        branch_check("dbranch, of branches that were kept", 1.5, (0.0, 1.0)),
        branch_check("dbranch with scale 'train'", 0.5, (0.0, 1 / P), scale="train"),
        Check(
            "at test time; float32 and float64 alike, dout stays",
            1,
            _backward_precision,
            same_dtype,
        ),
    ),
    "96",
    look="""\
x, branch, rng = np.zeros((6, 1)), np.ones((6, 1)), np.random.default_rng(0)
out, cache = stochastic_depth_forward(x, branch, {"p": 0.5, "mode": "row"}, rng)
dx, dbranch = stochastic_depth_backward(np.ones((6, 1)), cache)
print(out.T, dx.T, dbranch.T)  # dx is 1 everywhere, dbranch where the branch was
""",
    no_small=RANDOM,
)

# ------------------------------------------------------------------ wire a network

P_LAST, DEPTH, PASSES = 0.2, 4, 60


def curved(rng):
    """Return blocks that no order, input or scale leaves as they were."""
    scales = rng.uniform(0.5, 1.5, DEPTH)
    return [lambda x, s=s: np.tanh(s * x + 0.3) for s in scales.tolist()]


def counting():
    """Return blocks that add 1, 2, 4, ...: the sum tells which of them were there."""
    return [lambda x, step=2.0**k: np.full_like(x, step) for k in range(DEPTH)]


def _all_kept(impl, rng):
    x = rng.normal(size=(3, 5))
    out = impl.stochastic_depth_network(x, curved(rng), 1.0, True, "batch", rng)
    return {"out": out, **afterwards("x", [x])}


def _calls(impl, rng):
    """Write down what every block is given, when all are kept."""
    given = []

    def spy(block):
        def call(x):
            given.append(np.array(x))
            return block(x)

        return call

    blocks = [spy(block) for block in curved(rng)]
    impl.stochastic_depth_network(rng.normal(size=(3, 5)), blocks, 1.0, True, "batch", rng)
    return {"what each block is given": np.array(given).reshape(-1, 3, 5)}


def _at_test_time(mode):
    def scenario(impl, rng):
        x = rng.normal(size=(3, 5))
        blocks = curved(rng)
        return {"out": impl.stochastic_depth_network(x, blocks, P_LAST, False, mode, rng)}

    return scenario


def rows(impl, rng):
    """Run many examples, each with draws of its own."""
    x = np.zeros((ROWS, 1))
    return {}, {"out": impl.stochastic_depth_network(x, counting(), P_LAST, True, "row", rng)}


def survivors(out):
    """Return (examples, blocks) which of them were there, or None."""
    whole = np.round(out)
    if (np.abs(out - whole) > CLOSE).any() or whole.min() < 0 or whole.max() >= 2**DEPTH:
        return None
    return whole.astype(int).reshape(-1, 1) >> np.arange(DEPTH) & 1


RATES = (
    "right",
    "which blocks were there cannot be told from the output",
    "all examples lose the same blocks",
    "early blocks are dropped more often than late ones",
    "all blocks survive equally often",
    "every block survives as often as the one after it should",
    "every block survives as often as the one before it should",
    "blocks are left out as often as they should survive",
    "blocks survive with other probabilities",
)


def _rates(given, answers):
    out = answers["out"]
    kept = survivors(out) if out.shape == (ROWS, 1) else None
    if kept is None:
        return 1
    p = 1 - np.arange(1, DEPTH + 1) / DEPTH * (1 - P_LAST)  # 0.8, 0.6, 0.4, 0.2
    step = (1 - P_LAST) / DEPTH
    seen, room = kept.mean(axis=0), share_bound(ROWS)
    choices = {0: p, 3: p[::-1], 5: p - step, 6: p + step, 7: 1 - p}
    if (kept == kept[0]).all():
        return 2
    if np.ptp(seen) < 2 * room:
        return 4
    near = (place for place, c in choices.items() if (np.abs(seen - c) < room).all())
    return next(near, 8)


TOGETHER = (
    "right",
    "which blocks were there cannot be told from the output",
    "the examples of a batch lose different blocks",
    "all passes lose the same blocks",
    "neighbouring blocks are kept or lost together: they share a draw",
)


def passes(impl, rng):
    """Run a batch many times, from one generator."""
    x = np.zeros((5, 1))
    outs = [
        impl.stochastic_depth_network(x.copy(), counting(), 0.5, True, "batch", rng)
        for _ in range(PASSES)
    ]
    return {}, {"outs": np.array(outs)}


def _together(given, answers):
    outs = answers["outs"]
    kept = survivors(outs) if outs.shape == (PASSES, 5, 1) else None
    if kept is None:
        return 1
    kept = kept.reshape(PASSES, 5, DEPTH)
    if (kept != kept[:, :1]).any():
        return 2
    if (kept == kept[:1]).all():
        return 3
    later_alone = (kept[:, 0, 1:] > kept[:, 0, :-1]).any()  # never, where one number decides all
    return 0 if later_alone else 4


NETWORK = exercise(
    "Wire the pipeline: a residual network with stochastic depth",
    "survival_probabilities stochastic_depth_forward stochastic_depth_network",
    (
        Check("what each block is given", 1.5, _calls),
        Check("the output, where all are kept", 1.5, _all_kept),
        outcome_check("which blocks survive how often, in mode 'row'", 2, RATES, rows, _rates),
        outcome_check("mode 'batch': one draw for each block", 1.5, TOGETHER, passes, _together),
        Check("test time: all blocks, scaled", 1.5, _at_test_time("batch")),
    ),
    "96",
    look="""\
blocks, rng = [lambda x: x + 1] * 3, np.random.default_rng(0)  # a whole block makes 2x + 1
for training in (True, True, False):
    print(stochastic_depth_network(np.ones((1, 1)), blocks, 0.5, training, "batch", rng))
""",
    no_small=RANDOM,
)

EXERCISES = (
    SURVIVAL,
    FORWARD,
    BACKWARD,
    NETWORK,
    FORWARD.in_torch(points=5),
    BACKWARD.in_torch(points=3),
)
