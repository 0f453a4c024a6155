"""What follows from batch normalization: three short exercises, and an input that tells a bug."""

import numpy as np

from autograder.checking.judge import keeps_types
from autograder.checking.scenarios import afterwards, separation
from autograder.checking.spec import KILLS_A_BUG, Check
from autograder.exercises.normalization import tiny
from autograder.exercises.normalization.shared import EPS, LARGE, MOMENTUM, exercise

# ------------------------------------------------------------------ three consequences


def _layers(rng, spread):
    """Return an affine layer and the batch norm behind it, whose running deviation is `spread`."""
    W, b = spread * rng.normal(size=(4, 6)), spread * rng.normal(size=6)
    gamma, beta = rng.uniform(0.5, 2, 6), rng.normal(size=6)
    mean, var = spread * rng.normal(size=6), spread**2 * rng.uniform(0.5, 4, 6)
    return (W, b, gamma, beta), {"mode": "test", "running_mean": mean, "running_var": var}


def _folded(*keys, spread=1.0, **options):
    """Scenario: what is folded, with these options."""

    def scenario(impl, rng):
        layers, bn_param = _layers(rng, spread)
        folded = impl.fold_batchnorm(*(a.copy() for a in layers), bn_param | options)
        named = dict(zip(("W_folded", "b_folded"), folded, strict=True))
        return {key: named[key] for key in keys}

    return scenario


def _only_beta(impl, rng):
    (W, b, gamma, beta), bn_param = _layers(rng, 1.0)
    bn_param = bn_param | {"running_mean": b.copy(), "eps": EPS}
    return {"b_folded": impl.fold_batchnorm(W, b, gamma, beta, bn_param)[1]}


def _folded_inputs(impl, rng):
    (W, b, gamma, beta), bn_param = _layers(rng, 1.0)
    W_folded, b_folded = impl.fold_batchnorm(W, b, gamma, beta, bn_param | {"eps": EPS})
    return {"W_folded": W_folded, "b_folded": b_folded, **afterwards("W b", [W, b])}


def _step(reg, of_gradient=1.0, of_length=None):
    """Scenario: a step with this gradient, from columns of any length or of this one."""

    def scenario(impl, rng):
        W, dW = _columns(rng)
        lengths = np.sqrt((W**2).sum(axis=0)) if of_length else 1.0
        W = W * (of_length or 1.0) / lengths
        return {"rate": impl.effective_learning_rate(W, of_gradient * dW, 0.4, reg)}

    return scenario


def _columns(rng):
    W, dW = rng.normal(size=(2, 6, 4))
    dW -= W * (W * dW).sum(axis=0) / (W**2).sum(axis=0)  # as under batch norm
    return W, dW


def _step_inputs(impl, rng):
    W, dW = _columns(rng)
    rate = impl.effective_learning_rate(W, dW, 0.4, 0.3)
    return {"rate": rate, **afterwards("W dW", [W, dW])}


def _running_after(steps, momentum):
    def scenario(impl, rng):
        return {"debiased": impl.debias_running(_biased(rng, steps, momentum), momentum, steps)}

    return scenario


def _biased(rng, steps, momentum):
    return rng.uniform(0.5, 2, 5) * (1 - momentum**steps)


def _running_inputs(impl, rng):
    running = _biased(rng, 4, MOMENTUM)
    debiased = impl.debias_running(running, MOMENTUM, 4)
    return {"debiased": debiased, **afterwards("running", [running])}


# ------------------------------------------------------------------ kill the bug


def one_pass_batchnorm(x, eps=1e-5):
    """Standardize each feature with a variance that needs one pass over x only."""
    mu = x.mean(axis=0)
    var = (x**2).mean(axis=0) - mu**2
    return (x - mu) / np.sqrt(np.maximum(var, 0) + eps)


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


def _outcome(x, own):
    """Return the place in OUTCOMES of what `x` and the student's output for it show."""
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


def _own(impl, x):
    ones, zeros = np.ones(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
    return impl.batchnorm_forward(x, ones, zeros, {"mode": "train"})[0]


# ------------------------------------------------------------------ the exercises

SEPARATING = exercise(
    "Kill the bug: an input for the one-pass variance",
    "batchnorm_forward separating_input",
    (
        separation(
            "your input tells right from wrong",
            4,
            OUTCOMES,
            find=lambda impl: impl.separating_input(),
            own=_own,
            unfair=_unfair,
            outcome=_outcome,
        ),
    ),
    "12",
    given=(one_pass_batchnorm,),
    no_small=KILLS_A_BUG,
    look=tiny.LOOK_SEPARATING,
)
FOLD = exercise(
    "Fold batch normalization into the layer before it",
    "fold_batchnorm",
    (
        Check("folded weights", 1, _folded("W_folded", spread=LARGE, eps=1e-5)),
        Check("folded bias", 1, _folded("b_folded", spread=LARGE, eps=1e-5)),
        Check("another eps", 0.5, _folded("W_folded", "b_folded", eps=EPS)),
        Check("the default eps", 0.5, _folded("W_folded", "b_folded")),
        Check("a layer whose bias is the running mean: beta is left", 0.5, _only_beta),
        Check("W and b stay as they were", 0.5, _folded_inputs, keeps_types),
    ),
    "13",
    small=tiny.FOLD,
    look=tiny.LOOK_FOLD,
)
EFFECTIVE_RATE = exercise(
    "What L2 does under batch normalization",
    "effective_learning_rate",
    (
        Check("no gradient, no L2", 0.75, _step(reg=0.0, of_gradient=0.0)),
        Check("no gradient, no L2, columns of length one", 0.25, _step(0.0, 0.0, of_length=1.0)),
        Check("one step without L2", 1, _step(reg=0.0)),
        Check("one step with L2", 1.5, _step(reg=0.3)),
        Check("W and dW stay as they were", 0.5, _step_inputs, keeps_types),
    ),
    "11, 70",
    small=tiny.RATE,
    look=tiny.LOOK_RATE,
)
DEBIAS = exercise(
    "Running statistics that started at zero",
    "debias_running",
    (
        Check("after one batch", 1, _running_after(1, MOMENTUM)),
        Check("after four batches", 1.5, _running_after(4, MOMENTUM)),
        Check("running stays as it was", 0.5, _running_inputs, keeps_types),
    ),
    "13, 46",
    small=tiny.DEBIAS,
    look=tiny.LOOK_DEBIAS,
)
