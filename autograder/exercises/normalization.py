"""Exercises of the family `normalization`: what is asked, how it is tried, what it is worth.

Inputs are awkward on purpose: N ≠ D, H ≠ W, eps large enough to see, a momentum that is neither
the default nor ½, gamma ≠ 1, features of very different mean and spread.
"""

import numpy as np

from autograder.judge import Verdict, follow_through, same_dtype
from autograder.spec import Check, Exercise

EPS, MOMENTUM = 0.3, 0.7  # neither the usual values nor each other's complement
DIRECTIONS = 3  # along which a student's own forward pass is differentiated
STEP = 1e-5


def batch(rng, *shape):
    """Return x with features (axis 1) of different mean and spread, and gamma and beta for it."""
    features = [1, shape[1]] + [1] * (len(shape) - 2)
    spread, mean = rng.uniform(0.5, 3, features), rng.normal(0, 4, features)
    gamma, beta = rng.uniform(0.5, 2, shape[1]), rng.normal(0, 1, shape[1])
    return mean + spread * rng.normal(size=shape), gamma, beta


def training(**options):
    """Return a fresh bn_param in train mode with our awkward eps and momentum."""
    return {"mode": "train", "eps": EPS, "momentum": MOMENTUM, **options}


# ------------------------------------------------------------------ forward, rows or images


def forward_checks(name, shape, points):
    """Return the checks of a forward pass `name` on inputs of `shape`."""
    features = shape[1]

    def forward(impl, *args):
        return getattr(impl, name)(*args)

    def train_output(impl, rng):
        out, _ = forward(impl, *batch(rng, *shape), training())
        return {"out": out}

    def defaults(impl, rng):
        x, gamma, beta = batch(rng, *shape)
        x[:, 1] = 3.7  # a constant feature: its variance is 0, and only eps is left
        bn_param = {"mode": "train"}
        out, _ = forward(impl, x, gamma, beta, bn_param)
        return {"out": out, **running(bn_param)}

    def running_statistics(impl, rng):
        bn_param = train_three(impl, rng)
        return running(bn_param)

    def train_three(impl, rng):
        bn_param = training()
        for _ in range(3):
            forward(impl, *batch(rng, *shape), bn_param)
        return bn_param

    def given_statistics(impl, rng):
        x, gamma, beta = batch(rng, *shape)
        mean, var = rng.normal(size=features), rng.uniform(0.5, 2, features)
        bn_param = training(mode="test", running_mean=mean, running_var=var)
        out, _ = forward(impl, x, gamma, beta, bn_param)
        return {"out": out, **running(bn_param)}

    def train_then_test(impl, rng):
        bn_param = train_three(impl, rng)
        x, gamma, beta = batch(rng, *shape)
        bn_param["mode"] = "test"
        out, _ = forward(impl, x[:2], gamma, beta, bn_param)
        return {"out": out}

    def large_mean(impl, rng):
        x, gamma, beta = batch(rng, *shape)
        single = [a.astype(np.float32) for a in (10_000 + x, gamma, beta)]
        bn_param = training()
        out, _ = forward(impl, *single, bn_param)
        return {"out": out, "running_var": np.asarray(bn_param["running_var"])}

    def types_and_inputs(impl, rng):
        arrays = [a.astype(np.float32) for a in batch(rng, *shape)]
        out, _ = forward(impl, *arrays, training())
        return {"out": out, **dict(zip(("x", "gamma", "beta"), arrays, strict=True))}

    scenarios = {
        "output of a training batch": (train_output, None),
        "a constant feature, default eps and momentum": (defaults, None),
        "running statistics after three batches": (running_statistics, None),
        "test mode with given statistics": (given_statistics, None),
        "test mode after three training batches": (train_then_test, None),
        "float32 around a mean of 10,000": (large_mean, None),
        "float32 stays float32, inputs stay as they were": (types_and_inputs, same_dtype),
    }
    return tuple(
        Check(title, worth, scenario, judge)
        for (title, (scenario, judge)), worth in zip(scenarios.items(), points, strict=True)
    )


def running(bn_param):
    """Return the running statistics that a forward pass left behind."""
    keys = ("running_mean", "running_var")
    return {key: np.array(bn_param[key]) for key in keys if key in bn_param}


# ------------------------------------------------------------------ backward, rows or images


def backward_checks(forward, backward, shape, points):
    """Return the checks of the pair `forward`, `backward`; dout chooses the path that is tried."""
    others = (0, *range(2, len(shape)))  # every axis but the features'

    def centred(a):
        return a - a.mean(axis=others, keepdims=True)

    def along_path(choose):
        def scenario(impl, rng):
            x, gamma, beta = batch(rng, *shape)
            dout = choose(rng.normal(size=shape), centred(x))
            return gradients(impl, rng, (x, gamma, beta), dout)

        return scenario

    def gradients(impl, rng, arrays, dout):
        out, cache = getattr(impl, forward)(*arrays, training())
        dx, dgamma, dbeta = getattr(impl, backward)(dout, cache)
        observed = {"dx": dx, "dgamma": dgamma, "dbeta": dbeta, "_out": out}
        for position, key in enumerate(("dx", "dgamma", "dbeta")):
            directions = rng.normal(size=(DIRECTIONS, *arrays[position].shape))
            observed[f"_directions_{key}"] = directions
            observed[f"_slopes_{key}"] = np.array(
                [slope(impl, arrays, position, direction, dout) for direction in directions]
            )
        return observed

    def slope(impl, arrays, position, direction, dout):
        """Derivative of sum(dout * out) along `direction`, from the own forward pass."""
        moved = [list(arrays), list(arrays)]
        moved[0][position] = arrays[position] + STEP * direction
        moved[1][position] = arrays[position] - STEP * direction
        plus, minus = (getattr(impl, forward)(*args, training())[0] for args in moved)
        return np.sum(dout * (plus - minus)) / (2 * STEP)

    def only(scenario, *keys):
        def narrowed(impl, rng):
            kept = {"_out", *keys, *(f"_{kind}_{k}" for kind in KINDS for k in keys)}
            return {k: a for k, a in scenario(impl, rng).items() if k in kept}

        return narrowed

    def types_and_inputs(impl, rng):
        arrays = [a.astype(np.float32) for a in batch(rng, *shape)]
        dout = rng.normal(size=shape).astype(np.float32)
        _, cache = getattr(impl, forward)(*arrays, training())
        dx, dgamma, dbeta = getattr(impl, backward)(dout, cache)
        return {"dx": dx, "dgamma": dgamma, "dbeta": dbeta, "dout": dout}

    def direct(noise, x_mu):
        """Remove both sums: neither the mean nor the variance moves the loss."""
        return without(centred(noise), x_mu)

    def without(dout, x_mu):
        share = (dout * x_mu).sum(axis=others, keepdims=True)
        return dout - x_mu * share / (x_mu**2).sum(axis=others, keepdims=True)

    whole = along_path(lambda noise, x_mu: noise + 1)
    scenarios = {
        "dbeta": (only(whole, "dbeta"), follow_through),
        "dgamma": (only(whole, "dgamma"), follow_through),
        "dx, direct path (the loss feels neither mean nor variance)": (
            only(along_path(direct), "dx"),
            follow_through,
        ),
        "dx, through the variance (the loss does not feel the mean)": (
            only(along_path(lambda noise, x_mu: centred(noise)), "dx"),
            follow_through,
        ),
        "dx, through the mean (the loss does not feel the variance)": (
            only(along_path(lambda noise, x_mu: without(noise + 1, centred(x_mu))), "dx"),
            follow_through,
        ),
        "dx, every path at once": (only(whole, "dx"), follow_through),
        "float32 stays float32, dout stays as it was": (types_and_inputs, same_dtype),
    }
    return tuple(
        Check(title, worth, scenario, judge)
        for (title, (scenario, judge)), worth in zip(scenarios.items(), points, strict=True)
    )


KINDS = ("directions", "slopes")


# ------------------------------------------------------------------ three consequences


def _folded(impl, rng):
    W, b = rng.normal(size=(4, 6)), rng.normal(size=6)
    gamma, beta = rng.uniform(0.5, 2, 6), rng.normal(size=6)
    bn_param = training(
        mode="test", running_mean=rng.normal(size=6), running_var=rng.uniform(0.5, 4, 6)
    )
    arrays = {"W": W, "b": b}
    W_folded, b_folded = impl.fold_batchnorm(W, b, gamma, beta, bn_param)
    return {"W_folded": W_folded, "b_folded": b_folded, **arrays}


def _folded_weights(impl, rng):
    return {key: array for key, array in _folded(impl, rng).items() if "W" in key}


def _folded_bias(impl, rng):
    return {key: array for key, array in _folded(impl, rng).items() if "b" in key}


def _step(reg):
    def scenario(impl, rng):
        W, dW = rng.normal(size=(2, 6, 4))
        dW -= W * (W * dW).sum(axis=0) / (W**2).sum(axis=0)  # as under batch norm
        return {"rate": impl.effective_learning_rate(W, dW, 0.4, reg)}

    return scenario


def _running_after(steps, momentum):
    def scenario(impl, rng):
        running = rng.uniform(0.5, 2, 5) * (1 - momentum**steps)
        return {"debiased": impl.debias_running(running, momentum, steps), "running": running}

    return scenario


# ------------------------------------------------------------------ kill the bug


def one_pass_batchnorm(x, eps=1e-5):
    """Standardize each feature with a variance that needs one pass over x only."""
    mu = x.mean(axis=0)
    var = (x**2).mean(axis=0) - mu**2
    return (x - mu) / np.sqrt(np.maximum(var, 0) + eps)


def _separate(impl, rng):
    x = impl.separating_input()
    if x.ndim != 2:
        return {"x": x}
    ones, zeros = np.ones(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
    own, _ = impl.batchnorm_forward(x, ones, zeros, {"mode": "train"})
    return {"x": x, "own": own}


def _separates(seen, expected):
    """Judge: on a fair input the student's batch norm is right and the one-pass one is not."""
    x = seen["x"]
    fair = x.ndim == 2 and x.dtype == np.float32 and 0 < x.size <= 10_000 and np.isfinite(x).all()
    if not fair:
        return _not("x must be a finite float32 array (N, D) of at most 10,000 numbers", "x")
    if (np.abs(x) > 1e6).any():
        return _not("x must stay within ±1,000,000, so that its squares stay finite", "x")
    exact = x.astype(np.float64)
    right = (exact - exact.mean(axis=0)) / np.sqrt(exact.var(axis=0) + 1e-5)
    if seen["own"].shape != x.shape or not np.abs(seen["own"] - right).max() < 0.05:
        return _not("your own batchnorm_forward is wrong on this x", "own")
    if np.abs(one_pass_batchnorm(x) - right).max() < 0.5:
        return _not("both give nearly the same output on this x", "x")
    return Verdict(1)


def _not(message, key):
    return Verdict(0, message, wrong=(key,))


# ------------------------------------------------------------------ the exercises

FORBIDDEN = (
    "cs231n_lib.normalization",
    "autograder.misconceptions",
    "torch.batch_norm",
    "torch.native_batch_norm",
    "torch.nn.functional.batch_norm",
    "torch.nn.functional.group_norm",
    "torch.nn.functional.instance_norm",
    "torch.nn.functional.layer_norm",
    "torch.nn.BatchNorm1d",
    "torch.nn.BatchNorm2d",
    "torch.nn.BatchNorm3d",
)
GRADIENTS = ("dx", "dgamma", "dbeta")
RETURNS = {
    "batchnorm_forward": ("out", "cache"),
    "batchnorm_backward": GRADIENTS,
    "batchnorm_backward_alt": GRADIENTS,
    "separating_input": ("x",),
    "spatial_batchnorm_forward": ("out", "cache"),
    "spatial_batchnorm_backward": GRADIENTS,
    "fold_batchnorm": ("W_folded", "b_folded"),
    "effective_learning_rate": ("rate",),
    "debias_running": ("debiased",),
}
ROWS, IMAGES = (7, 5), (3, 4, 2, 5)


def exercise(title, functions, checks, slide, **options):
    """Return an exercise of this family; the last of `functions` is the one to write."""
    names = functions.split()
    return Exercise(
        id=f"normalization.{names[-1]}",
        title=title,
        functions=tuple(names),
        returns={name: RETURNS[name] for name in names},
        checks=checks,
        slide=slide,
        forbidden=FORBIDDEN,
        **options,
    )


FORWARD = exercise(
    "Batch normalization, forward",
    "batchnorm_forward",
    forward_checks("batchnorm_forward", ROWS, (3, 2, 3, 3, 2, 2, 1)),
    "11–13",
)
BACKWARD = exercise(
    "Batch normalization, backward",
    "batchnorm_forward batchnorm_backward",
    backward_checks("batchnorm_forward", "batchnorm_backward", ROWS, (2, 2, 3, 2, 2, 2, 1)),
    "12",
)
BACKWARD_ALT = exercise(
    "Batch normalization, backward in one formula",
    "batchnorm_forward batchnorm_backward_alt",
    backward_checks("batchnorm_forward", "batchnorm_backward_alt", ROWS, (1, 1, 1, 1, 1, 2, 1)),
    "12",
)
SEPARATING = exercise(
    "Kill the bug: an input for the one-pass variance",
    "batchnorm_forward separating_input",
    (Check("your input tells right from wrong", 4, _separate, _separates),),
    "12",
    given=(one_pass_batchnorm,),
)
SPATIAL_FORWARD = exercise(
    "Batch normalization for ConvNets, forward",
    "batchnorm_forward spatial_batchnorm_forward",
    forward_checks("spatial_batchnorm_forward", IMAGES, (2, 1, 1, 1, 1, 1, 1)),
    "14",
)
SPATIAL_BACKWARD = exercise(
    "Batch normalization for ConvNets, backward",
    "batchnorm_forward batchnorm_backward spatial_batchnorm_forward spatial_batchnorm_backward",
    backward_checks(
        "spatial_batchnorm_forward", "spatial_batchnorm_backward", IMAGES, (0.5, 0.5, 1, 1, 1, 1, 1)
    ),
    "14",
)
FOLD = exercise(
    "Fold batch normalization into the layer before it",
    "fold_batchnorm",
    (
        Check("folded weights", 2, _folded_weights),
        Check("folded bias", 2, _folded_bias),
    ),
    "13",
)
EFFECTIVE_RATE = exercise(
    "What L2 does under batch normalization",
    "effective_learning_rate",
    (
        Check("one step without L2", 2, _step(reg=0.0)),
        Check("one step with L2", 2, _step(reg=0.3)),
    ),
    "11, 70",
)
DEBIAS = exercise(
    "Running statistics that started at zero",
    "debias_running",
    (
        Check("after one batch", 1, _running_after(1, MOMENTUM)),
        Check("after four batches", 2, _running_after(4, MOMENTUM)),
    ),
    "13, 46",
)

EXERCISES = (
    FORWARD,
    BACKWARD,
    BACKWARD_ALT,
    SEPARATING,
    SPATIAL_FORWARD,
    SPATIAL_BACKWARD,
    FOLD,
    EFFECTIVE_RATE,
    DEBIAS,
    FORWARD.in_torch(points=4),
    BACKWARD.in_torch(points=3),
    BACKWARD_ALT.in_torch(points=2),
    SPATIAL_FORWARD.in_torch(points=2),
    SPATIAL_BACKWARD.in_torch(points=2),
)
