"""Exercises of the family `normalization`: what is asked, how it is tried, what it is worth.

Inputs are awkward on purpose: N ≠ D, H ≠ W, eps large enough to see, a momentum that is neither
the default nor ½, gamma ≠ 1, features of very different mean and spread.
"""

import numpy as np

from autograder.judge import Verdict, follow_through, same_dtype
from autograder.scenarios import afterwards, failed, family, refusal, refuses, with_slopes
from autograder.spec import Check

EPS, MOMENTUM = 0.3, 0.7  # neither the usual values nor each other's complement
GRADIENTS = ("dx", "dgamma", "dbeta")


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
        out, _ = forward(impl, x[:1], gamma, beta, bn_param)
        return {"out": out}

    def large_mean(impl, rng):
        x, gamma, beta = batch(rng, *shape)
        single = [a.astype(np.float32) for a in (10_000 + x, gamma, beta)]
        bn_param = training()
        out, _ = forward(impl, *single, bn_param)
        return {"out": out, "running_var": np.asarray(bn_param["running_var"])}

    def unknown_mode(impl, rng):
        arrays = batch(rng, *shape)
        return refusal(lambda: forward(impl, *arrays, training(mode="tests")))

    def types_and_inputs(impl, rng):
        arrays = batch(rng, *shape)
        single = [a.astype(np.float32) for a in arrays]
        out, _ = forward(impl, *single, training())
        double, _ = forward(impl, *arrays, training())
        return {"out": out, "out of float64 x": double, **afterwards("x gamma beta", single)}

    scenarios = {
        "output of a training batch": (train_output, None),
        "a constant feature, default eps and momentum": (defaults, None),
        "running statistics after three batches": (running_statistics, None),
        "test mode with given statistics": (given_statistics, None),
        "test mode after three training batches": (train_then_test, None),
        "float32 around a mean of 10,000": (large_mean, None),
        "float32 and float64 alike, inputs stay as they were": (types_and_inputs, same_dtype),
        "a mode that is neither train nor test": (unknown_mode, refuses),
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

    def along_path(choose, *keys):
        def scenario(impl, rng):
            x, gamma, beta = batch(rng, *shape)
            dout = choose(rng.normal(size=shape), centred(x))
            return gradients(impl, rng, (x, gamma, beta), dout, keys)

        return scenario

    def gradients(impl, rng, arrays, dout, keys):
        _, cache = forward_of(impl, arrays)
        returned = getattr(impl, backward)(dout.copy(), cache)
        named = zip(GRADIENTS, enumerate(returned), strict=True)
        wanted = {key: placed for key, placed in named if key in keys}
        return with_slopes(rng, lambda *a: forward_of(impl, a)[0], arrays, dout, wanted)

    def forward_of(impl, arrays):
        return getattr(impl, forward)(*(array.copy() for array in arrays), training())

    def types_and_inputs(impl, rng):
        arrays = batch(rng, *shape)
        dout = rng.normal(size=shape)
        single = dout.astype(np.float32)
        _, cache = getattr(impl, forward)(*(a.astype(np.float32) for a in arrays), training())
        observed = dict(zip(GRADIENTS, getattr(impl, backward)(single, cache), strict=True))
        double, *_ = getattr(impl, backward)(dout, forward_of(impl, arrays)[1])
        return {**observed, "dx of float64 dout": double, **afterwards("dout", [single])}

    def direct(noise, x_mu):
        """Remove both sums: neither the mean nor the variance moves the loss."""
        return without(centred(noise), x_mu)

    def without(dout, x_mu):
        share = (dout * x_mu).sum(axis=others, keepdims=True)
        return dout - x_mu * share / (x_mu**2).sum(axis=others, keepdims=True)

    def centre(noise, x_mu):
        return centred(noise)

    def offset(noise, x_mu):
        return without(noise + 1, x_mu)

    def whole(noise, x_mu):
        return noise + 1

    scenarios = {
        "dbeta": along_path(whole, "dbeta"),
        "dgamma": along_path(whole, "dgamma"),
        "dx, direct path (the loss feels neither mean nor variance)": along_path(direct, "dx"),
        "dx, through the variance (the loss does not feel the mean)": along_path(centre, "dx"),
        "dx, through the mean (the loss does not feel the variance)": along_path(offset, "dx"),
        "dx, every path at once": along_path(whole, "dx"),
        "float32 and float64 alike, dout stays as it was": types_and_inputs,
    }
    judges = [follow_through] * (len(scenarios) - 1) + [same_dtype]
    return tuple(
        Check(title, worth, scenario, judge)
        for (title, scenario), worth, judge in zip(scenarios.items(), points, judges, strict=True)
    )


# ------------------------------------------------------------------ three consequences


def _folded(impl, rng, **options):
    W, b = rng.normal(size=(4, 6)), rng.normal(size=6)
    gamma, beta = rng.uniform(0.5, 2, 6), rng.normal(size=6)
    statistics = {"running_mean": rng.normal(size=6), "running_var": rng.uniform(0.5, 4, 6)}
    bn_param = {"mode": "test", **statistics, **options}
    W_folded, b_folded = impl.fold_batchnorm(W, b, gamma, beta, bn_param)
    weights = {"W_folded": W_folded, **afterwards("W", [W])}
    bias = {"b_folded": b_folded, **afterwards("b", [b])}
    return weights, bias


def _folded_weights(impl, rng):
    return _folded(impl, rng, eps=EPS)[0]


def _folded_bias(impl, rng):
    return _folded(impl, rng, eps=EPS)[1]


def _folded_default_eps(impl, rng):
    weights, bias = _folded(impl, rng)
    return weights | bias


def _step(reg):
    def scenario(impl, rng):
        W, dW = rng.normal(size=(2, 6, 4))
        dW -= W * (W * dW).sum(axis=0) / (W**2).sum(axis=0)  # as under batch norm
        rate = impl.effective_learning_rate(W, dW, 0.4, reg)
        return {"rate": rate, **afterwards("W dW", [W, dW])}

    return scenario


def _running_after(steps, momentum):
    def scenario(impl, rng):
        running = rng.uniform(0.5, 2, 5) * (1 - momentum**steps)
        debiased = impl.debias_running(running, momentum, steps)
        return {"debiased": debiased, **afterwards("running", [running])}

    return scenario


# ------------------------------------------------------------------ kill the bug


def one_pass_batchnorm(x, eps=1e-5):
    """Standardize each feature with a variance that needs one pass over x only."""
    mu = x.mean(axis=0)
    var = (x**2).mean(axis=0) - mu**2
    return (x - mu) / np.sqrt(np.maximum(var, 0) + eps)


def _separate(impl, rng):
    x = impl.separating_input()
    if _unfair(x):
        return {"__x": x, "outcome": np.array(_outcome(x))}
    ones, zeros = np.ones(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
    own, _ = impl.batchnorm_forward(x.copy(), ones, zeros, {"mode": "train"})
    return {"__x": x, "__own": own, "outcome": np.array(_outcome(x, own))}


def _separates(seen, expected):
    """Judge: on a fair input the student's batch norm is right and the one-pass one is not."""
    outcome = _outcome(seen.get("__x", np.array(0)), seen.get("__own"))
    return failed(OUTCOMES[outcome], "outcome") if outcome else Verdict(1)


OUTCOMES = (
    "right and wrong differ",
    "x must have shape (N, D), with 1 to 10,000 numbers",
    "x must be float32",
    "x must be finite and stay within ±1,000,000, so that its squares stay finite",
    "your own batchnorm_forward is wrong on this x",
    "both give nearly the same output on this x, where every feature is constant",
    "both give nearly the same output on this x, which lies around 0",
    "both give nearly the same output on this x",
)


def _outcome(x, own=None):
    """Return the place in OUTCOMES of what `x` and the student's output for it show."""
    unfair = _unfair(x)
    if unfair:
        return unfair
    exact = x.astype(np.float64)
    mean, spread = exact.mean(axis=0), exact.std(axis=0)
    right = (exact - mean) / np.sqrt(spread**2 + 1e-5)
    if own is None or own.shape != x.shape or not np.abs(own - right).max() < 0.05:
        return 4
    if np.abs(one_pass_batchnorm(x) - right).max() >= 0.5:
        return 0
    if not spread.any():
        return 5
    return 6 if (np.abs(mean) < 10 * spread).all() else 7


def _unfair(x):
    if x.ndim != 2 or not 0 < x.size <= 10_000:
        return 1
    if x.dtype != np.float32:
        return 2
    return 0 if (np.abs(x) <= 1e6).all() else 3


# ------------------------------------------------------------------ the exercises

FORBIDDEN = (
    "torch.batch_norm",
    "torch.instance_norm",
    "torch.layer_norm",
    "torch.group_norm",
    "torch.native_batch_norm",
    "torch.native_layer_norm",
    "torch.native_group_norm",
    "torch.nn.functional.batch_norm",
    "torch.nn.functional.group_norm",
    "torch.nn.functional.instance_norm",
    "torch.nn.functional.layer_norm",
    "torch.nn.BatchNorm1d",
    "torch.nn.BatchNorm2d",
    "torch.nn.BatchNorm3d",
)
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


exercise = family("normalization", RETURNS, FORBIDDEN)

FORWARD = exercise(
    "Batch normalization, forward",
    "batchnorm_forward",
    forward_checks("batchnorm_forward", ROWS, (3, 2, 3, 3, 1.5, 2, 1, 0.5)),
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
    forward_checks("spatial_batchnorm_forward", IMAGES, (1.5, 1, 1, 1, 1, 1, 1, 0.5)),
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
        Check("folded weights", 1.5, _folded_weights),
        Check("folded bias", 1.5, _folded_bias),
        Check("the default eps", 1, _folded_default_eps),
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
