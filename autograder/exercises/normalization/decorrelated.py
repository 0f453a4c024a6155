"""Decorrelated batch normalization: groups of features, whitened together; and a bug about groups.

The key of the running whitening matrix is never looked at, because there are two right things to
average; what test mode makes of it is.
"""

import numpy as np

from autograder.checking.judge import follow_through, same_dtype
from autograder.checking.scenarios import (
    afterwards,
    family,
    refusal,
    refuses,
    separation,
)
from autograder.checking.slopes import with_place
from autograder.checking.spec import KILLS_A_BUG, Arrays, Check
from autograder.exercises.normalization import tiny
from autograder.exercises.normalization.shared import (
    EPS,
    FORBIDDEN,
    GRADIENTS,
    MOMENTUM,
    RETURNS,
)
from cs231n_lib.normalization import by_group, side_by_side, zca_kernel

N, D, K = 9, 6, 3  # two groups of three features
SMALL = 0.03
REPEATED = np.array([[1.0, 1.0], [1.0, -1.0]])

# ------------------------------------------------------------------ forward


def mixed_batch(rng, n=N):
    """Return x (n, D) with features that are correlated, across groups too, and gamma and beta."""
    rotation, _ = np.linalg.qr(rng.normal(size=(D, D)))
    x = rng.normal(size=(n, D)) * rng.uniform(0.5, 3, D) @ rotation + rng.normal(0, 4, D)
    return x, rng.uniform(0.5, 2, D), rng.normal(size=D)


def training(**options):
    """Return a fresh dbn_param in train mode with our awkward eps and momentum."""
    return {"mode": "train", "eps": EPS, "momentum": MOMENTUM, **options}


def forward(impl, arrays, param):
    """Return the output of the student's forward pass."""
    return impl.decorrelated_batchnorm_forward(*arrays, param)[0]


def _one_group(impl, rng):
    return {"out": forward(impl, mixed_batch(rng), training())}


def _groups(impl, rng):
    return {"out": forward(impl, mixed_batch(rng), training(group_size=K))}


def _degenerate(impl, rng):
    """Fewer examples than features, one of them constant, one there twice."""
    x, gamma, beta = mixed_batch(rng, n=4)
    x[:, 1], x[:, 4] = 3.7, x[:, 2]
    return {"out": forward(impl, (x, gamma, beta), training())}


def _defaults(impl, rng):
    """Among small numbers, beside which the default eps shows in single precision too."""
    batches = [(SMALL * x, *others) for x, *others in (mixed_batch(rng, n=20), mixed_batch(rng))]
    param = {"mode": "train"}
    out = forward(impl, batches[0], param)
    param["mode"] = "test"
    return {"out": out, "out in test mode": forward(impl, batches[1], param)}


def _after_three(impl, rng):
    param = training(group_size=K)
    for _ in range(3):
        forward(impl, mixed_batch(rng), param)
    param["mode"] = "test"
    return param


def _running_statistics(impl, rng):
    param = _after_three(impl, rng)
    return {"out": forward(impl, mixed_batch(rng), param)}


def _test_mode(impl, rng):
    param = _after_three(impl, rng)
    x, gamma, beta = mixed_batch(rng)
    first = forward(impl, (x[:1], gamma, beta), param)
    forward(impl, (x, gamma, beta), param)
    return {"out alone": first, "out later": forward(impl, (x[:1], gamma, beta), param)}


def _large_mean(impl, rng):
    x, gamma, beta = mixed_batch(rng)
    single = [a.astype(np.float32) for a in (10_000 + x, gamma, beta)]
    return {"out": forward(impl, single, training(group_size=K))}


def _types_and_inputs(impl, rng):
    arrays = mixed_batch(rng)
    single = [a.astype(np.float32) for a in arrays]
    out = forward(impl, single, training(group_size=K))
    double = forward(impl, arrays, training(group_size=K))
    return {"out": out, "out of float64 x": double, **afterwards("x gamma beta", single)}


def _unknown_mode(impl, rng):
    arrays = mixed_batch(rng)
    return refusal(lambda: forward(impl, arrays, training(mode="tests")))


FORWARD_CHECKS = (
    Check("all features whitened together", 2.5, _one_group),
    Check("groups of three features", 2, _groups),
    Check("fewer examples than features, one constant, one there twice", 1.5, _degenerate),
    Check("default eps, momentum and group size", 1, _defaults),
    Check("test mode after three training batches", 2, _running_statistics),
    Check("test mode gives one example the same answer at any time", 1, _test_mode),
    Check("float32 around a mean of 10,000", 1, _large_mean),
    Check(
        "float32 and float64 alike, inputs stay as they were", 0.5, _types_and_inputs, same_dtype
    ),
    Check("a mode that is neither train nor test", 0.5, _unknown_mode, refuses),
)

# ------------------------------------------------------------------ backward


def along_path(choose, *keys, **options):
    """Return a scenario whose dout, made by `choose(noise, x_mu)`, leaves some ways back open."""

    def scenario(impl, rng):
        x, gamma, beta = mixed_batch(rng)
        dout = choose(rng.normal(size=x.shape), x - x.mean(axis=0)) / gamma
        return gradients(impl, (x, gamma, beta), dout, keys, options)

    return scenario


def whole_batch(impl, *arrays):
    """Return the output for one group of all features."""
    return forward(impl, arrays, training())


def in_groups(impl, *arrays):
    """Return the output for groups of K features."""
    return forward(impl, arrays, training(group_size=K))


def gradients(impl, arrays, dout, keys, options):
    """Return the gradients named `keys`, and where they were taken."""
    copies = (array.copy() for array in arrays)
    out, cache = impl.decorrelated_batchnorm_forward(*copies, training(**options))
    returned = impl.decorrelated_batchnorm_backward(dout.copy(), cache)
    named = zip(GRADIENTS, enumerate(returned), strict=True)
    wanted = {key: placed for key, placed in named if key in keys}
    return with_place(out, arrays, dout, wanted)


def whole(noise, x_mu):
    """Leave every way back open."""
    return noise + 1


def centre(noise, x_mu):
    """Let the loss not feel the mean."""
    return noise - noise.mean(axis=0)


def offset(noise, x_mu):
    """Let the loss not feel the covariance: the symmetric part of x_muᵀ·dx_hat is 0."""
    dx_hat = noise + 1
    product = x_mu.T @ dx_hat
    return dx_hat - x_mu @ np.linalg.solve(x_mu.T @ x_mu, (product + product.T) / 2)


def direct(noise, x_mu):
    """Let the loss feel neither."""
    return offset(centre(noise, x_mu) - 1, x_mu)


def _white_already(impl, rng):
    """Columns of a Hadamard matrix: their covariance is a multiple of 1, all eigenvalues equal."""
    hadamard = np.kron(np.kron(REPEATED, REPEATED), REPEATED)
    x = 2 * hadamard[:, 1 + rng.permutation(7)[:D]] + rng.integers(-9, 9, D)
    arrays = x, rng.uniform(0.5, 2, D), rng.normal(size=D)
    return gradients(impl, arrays, rng.normal(size=x.shape), ("dx",), {})


def _backward_types_and_inputs(impl, rng):
    arrays = mixed_batch(rng)
    dout = rng.normal(size=(N, D))
    single = [a.astype(np.float32) for a in (*arrays, dout)]
    observed: Arrays = {}
    for label, (*inputs, g) in {"": single, " of float64 dout": [*arrays, dout]}.items():
        _, cache = impl.decorrelated_batchnorm_forward(*inputs, training(group_size=K))
        returned = impl.decorrelated_batchnorm_backward(g, cache)
        observed |= {key + label: d for key, d in zip(GRADIENTS, returned, strict=True)}
    return {**observed, **afterwards("dout", single[-1:])}


BACKWARD_CHECKS = (
    Check("dbeta", 0.5, along_path(whole, "dbeta"), follow_through, whole_batch),
    Check("dgamma", 0.5, along_path(whole, "dgamma"), follow_through, whole_batch),
    Check(
        "dx, direct path (the loss feels neither mean nor covariance)",
        1.5,
        along_path(direct, "dx"),
        follow_through,
        whole_batch,
    ),
    Check(
        "dx, through the covariance (the loss does not feel the mean)",
        1.5,
        along_path(centre, "dx"),
        follow_through,
        whole_batch,
    ),
    Check(
        "dx, through the mean (the loss does not feel the covariance)",
        1,
        along_path(offset, "dx"),
        follow_through,
        whole_batch,
    ),
    Check(
        "dx, every path at once, in groups",
        1.5,
        along_path(whole, "dx", group_size=K),
        follow_through,
        in_groups,
    ),
    Check("dx of a batch that is white already", 1, _white_already, follow_through, whole_batch),
    Check(
        "float32 and float64 alike, dout stays as it was",
        0.5,
        _backward_types_and_inputs,
        same_dtype,
    ),
)

# ------------------------------------------------------------------ kill the bug


def groupnorm_swapped(x, G, eps=1e-5):
    """Group norm without scale and shift; its author tried it on 4 channels with G = 2."""
    groups = x.reshape(len(x), x.shape[1] // G, -1)
    mu = groups.mean(axis=2, keepdims=True)
    var = groups.var(axis=2, keepdims=True)
    return ((groups - mu) * (var + eps) ** -0.5).reshape(x.shape)


OUTCOMES = (
    "right and wrong differ",
    "x must have shape (N, C, H, W), with 1 to 10,000 numbers",
    "x must hold numbers within ±1,000,000",
    "C must be even, because G is 2",
    "your own spatial_groupnorm_forward is wrong on this x",
    "both form the same groups of this x",
    "both form different groups of this x, and give nearly the same output",
)


def _outcome(x, own):
    """Return the place in OUTCOMES of what `x` and the student's output for it show."""
    exact = x.astype(np.float64)
    groups = exact.reshape(len(x) * 2, -1)
    spread = groups.var(axis=1, keepdims=True)
    right = ((groups - groups.mean(axis=1, keepdims=True)) / np.sqrt(spread + 1e-5)).reshape(
        x.shape
    )
    if own is None or own.shape != x.shape or not np.abs(own - right).max() < 0.05:
        return 4
    if np.abs(groupnorm_swapped(exact, 2) - right).max() >= 0.5:
        return 0
    return 5 if x.shape[1] == 4 else 6


def _unfair(x):
    if x.ndim != 4 or not 0 < x.size <= 10_000:
        return 1
    if not (np.abs(x) <= 1e6).all():
        return 2
    return 3 if x.shape[1] % 2 else 0


def _own(impl, x):
    one = np.ones((1, x.shape[1], 1, 1), x.dtype)
    return impl.spatial_groupnorm_forward(x, one, 0 * one, 2, {})[0]


# ------------------------------------------------------------------ the exercises

exercise = family(
    "normalization",
    {
        **RETURNS,
        "separating_groups": ("x",),
        "decorrelated_batchnorm_forward": ("out", "cache"),
        "decorrelated_batchnorm_backward": GRADIENTS,
    },
    FORBIDDEN,
)

SEPARATING_GROUPS = exercise(
    "Kill the bug: an input for the swapped groups",
    "spatial_groupnorm_forward separating_groups",
    (
        separation(
            "your input tells right from wrong",
            4,
            OUTCOMES,
            find=lambda impl: impl.separating_groups(),
            own=_own,
            unfair=_unfair,
            outcome=_outcome,
        ),
    ),
    "18",
    given=(groupnorm_swapped,),
    no_small=KILLS_A_BUG,
    look=tiny.LOOK_SEPARATING_GROUPS,
)
FORWARD = exercise(
    "Decorrelated batch normalization, forward",
    "decorrelated_batchnorm_forward",
    FORWARD_CHECKS,
    "19",
    given=(by_group, side_by_side),
    small=tiny.DECORRELATED,
    look=tiny.LOOK_DECORRELATED,
)
BACKWARD = exercise(
    "Challenge: decorrelated batch normalization, backward",
    "decorrelated_batchnorm_forward decorrelated_batchnorm_backward",
    BACKWARD_CHECKS,
    "19",
    given=(zca_kernel,),
    bonus=True,
    small=tiny.DECORRELATED_BACKWARD,
    look=tiny.LOOK_DECORRELATED_BACKWARD,
)
