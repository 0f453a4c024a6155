"""What follows from batch normalization: three short exercises, and an input that tells a bug."""

import numpy as np

from autograder.checking.scenarios import afterwards, separation
from autograder.checking.spec import Check
from autograder.exercises.normalization.shared import EPS, MOMENTUM, exercise

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
