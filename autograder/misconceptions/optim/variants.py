"""Right answers of the family `optim` in other ways: other state, other algebra, loops, in place.

Written in NumPy's words; where PyTorch needs its own, the framework is named.
"""

import numpy as np

from autograder.exercises.optim import IN_PLACE
from autograder.misconceptions.records import right

EPS_HAT = (
    "Your epsilon is added before the correction of the second mean, as in the short form of Adam "
    "that the paper gives as well (its ε̂). Both are in use; with the same number they differ a "
    "little in the first steps."
)

# ------------------------------------------------------------------ gradient descent


def sgd_defaults(w, dw, config=None):
    """Fill in the settings that are missing, as the usual assignment does."""
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    return w - config["learning_rate"] * dw, config


def sgd_by_row(w, dw, config=None):
    """Take one row after the other."""
    config = dict(config or {})
    rate = config.get("learning_rate", 0.01)
    next_w = w.copy()
    for i in range(len(w)):
        next_w[i] = w[i] - rate * dw[i]
    return next_w, config


def sgd_as_sum(w, dw, config=None):
    """Add a step, computed first."""
    config = config if config is not None else {"learning_rate": 0.01}
    step = dw * -config.setdefault("learning_rate", 0.01)
    return step + w, config


def sgd_in_place(w, dw, config=None):
    """Write into w."""
    config = {} if config is None else config
    w -= config.get("learning_rate", 1e-2) * dw
    return w, config


SGD = (
    *right("sgd", "missing settings filled in", sgd=sgd_defaults),
    *right("sgd", "row by row", sgd=sgd_by_row),
    *right("sgd", "a step, then a sum", sgd=sgd_as_sum),
    *right("sgd", "w in place", sgd=sgd_in_place, remark=IN_PLACE),
)

# ------------------------------------------------------------------ momentum


def momentum_defaults(w, dw, config=None):
    """Fill in the settings that are missing, as the usual assignment does."""
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    v = config["momentum"] * v - config["learning_rate"] * dw
    next_w = w + v
    config["velocity"] = v
    return next_w, config


def momentum_in_place(w, dw, config=None):
    """Update the velocity in place."""
    config = {} if config is None else config
    v = config.setdefault("velocity", 0 * w)
    v *= config.get("momentum", 0.9)
    v -= config.get("learning_rate", 1e-2) * dw
    return w + v, config


def momentum_uphill(w, dw, config=None):
    """Let the velocity point uphill, and step against it."""
    config = {} if config is None else config
    uphill = config.get("uphill", 0) * config.get("momentum", 0.9)
    uphill = uphill + config.get("learning_rate", 1e-2) * dw
    config["uphill"] = uphill
    return w - uphill, config


def momentum_heavy_ball(w, dw, config=None):
    """Keep the weights before; the velocity is the difference (Polyak 1964)."""
    config = {} if config is None else config
    before = config.get("before", w)
    config["before"] = w.copy()
    step = config.get("momentum", 0.9) * (w - before) - config.get("learning_rate", 1e-2) * dw
    return w + step, config


def momentum_moving_w(w, dw, config=None):
    """Write into w."""
    config = {} if config is None else config
    v = config.get("velocity", np.zeros_like(w))
    v = config.get("momentum", 0.9) * v - config.get("learning_rate", 1e-2) * dw
    config["velocity"] = v
    w += v
    return w, config


MOMENTUM = (
    *right("sgd_momentum", "missing settings filled in", sgd_momentum=momentum_defaults),
    *right("sgd_momentum", "velocity in place", sgd_momentum=momentum_in_place),
    *right("sgd_momentum", "a velocity that points uphill", sgd_momentum=momentum_uphill),
    *right("sgd_momentum", "the weights before", sgd_momentum=momentum_heavy_ball),
    *right("sgd_momentum", "w in place", sgd_momentum=momentum_moving_w, remark=IN_PLACE),
)


def unscaled_defaults(w, dw, config=None):
    """Fill in the settings that are missing."""
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config["momentum"] * config.get("velocity", np.zeros_like(w)) + dw
    config["velocity"] = v
    return w - config["learning_rate"] * v, config


def unscaled_first_buffer(w, dw, config=None):
    """Start the buffer with a copy of the first gradient, as PyTorch does."""
    config = {} if config is None else config
    if "buffer" not in config:
        config["buffer"] = dw.copy()
    else:
        config["buffer"] *= config.get("momentum", 0.9)
        config["buffer"] += dw
    return w - config.get("learning_rate", 1e-2) * config["buffer"], config


def unscaled_all_gradients(w, dw, config=None):
    """Keep all gradients, and weigh each by its age."""
    config = {} if config is None else config
    rho = config.get("momentum", 0.9)
    gradients = config["gradients"] = [*config.get("gradients", []), dw.copy()]
    velocity = sum(rho**age * g for age, g in enumerate(reversed(gradients)))
    return w - config.get("learning_rate", 1e-2) * velocity, config


def unscaled_moving_w(w, dw, config=None):
    """Write into w."""
    config = {} if config is None else config
    v = config.get("momentum", 0.9) * config.get("velocity", np.zeros_like(w)) + dw
    config["velocity"] = v
    w -= config.get("learning_rate", 1e-2) * v
    return w, config


NAME = "sgd_momentum_unscaled"
UNSCALED = (
    *right(NAME, "missing settings filled in", sgd_momentum_unscaled=unscaled_defaults),
    *right(NAME, "a buffer that starts as PyTorch's", sgd_momentum_unscaled=unscaled_first_buffer),
    *right(NAME, "all gradients kept", sgd_momentum_unscaled=unscaled_all_gradients),
    *right(NAME, "w in place", sgd_momentum_unscaled=unscaled_moving_w, remark=IN_PLACE),
)

AGAINST = "the velocity with the other sign"
NEGATED = (
    *right(
        "sgd_momentum",
        AGAINST,
        ("v - learning_rate * dw", "v + learning_rate * dw"),
        ("next_w = w + v", "next_w = w - v"),
    ),
    *right(
        NAME,
        AGAINST,
        ("momentum * v + dw", "momentum * v - dw"),
        ("w - learning_rate * v", "w + learning_rate * v"),
    ),
    *right(
        "nesterov_lookahead",
        AGAINST,
        ("v - learning_rate * gradient(w + momentum", "v + learning_rate * gradient(w - momentum"),
        ("next_w = w + v", "next_w = w - v"),
    ),
    *right(
        "nesterov",
        AGAINST,
        ("old_v - learning_rate", "old_v + learning_rate"),
        ("w - momentum * old_v + (1", "w + momentum * old_v - (1"),
    ),
)

# ------------------------------------------------------------------ Nesterov


def lookahead_staged(w, gradient, config=None):
    """Name every point of the drawing."""
    if config is None:
        config = {}
    alpha = config.setdefault("learning_rate", 1e-2)
    rho = config.setdefault("momentum", 0.9)
    carried = rho * config.get("velocity", np.zeros_like(w))
    w_ahead = w + carried
    dw_ahead = gradient(w_ahead)
    config["velocity"] = carried - alpha * dw_ahead
    return w + config["velocity"], config


def lookahead_two_points(w, gradient, config=None):
    """Keep the weights before, and step from the point ahead (Nesterov 1983)."""
    config = {} if config is None else config
    ahead = w + config.get("momentum", 0.9) * (w - config.get("before", w))
    config["before"] = w.copy()
    return ahead - config.get("learning_rate", 1e-2) * gradient(ahead), config


def lookahead_unscaled(w, gradient, config=None):
    """Keep the rate out of the velocity."""
    config = {} if config is None else config
    alpha, rho = config.get("learning_rate", 1e-2), config.get("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    v = rho * v + gradient(w - alpha * rho * v)
    config["velocity"] = v
    return w - alpha * v, config


def lookahead_moving_w(w, gradient, config=None):
    """Move w itself to the point ahead, and on from there."""
    config = {} if config is None else config
    carried = config.get("momentum", 0.9) * config.get("velocity", np.zeros_like(w))
    w += carried
    correction = config.get("learning_rate", 1e-2) * gradient(w)
    config["velocity"] = carried - correction
    w -= correction
    return w, config


LOOKAHEAD = (
    *right("nesterov_lookahead", "every point named", nesterov_lookahead=lookahead_staged),
    *right("nesterov_lookahead", "the weights before", nesterov_lookahead=lookahead_two_points),
    *right(
        "nesterov_lookahead", "a velocity without the rate", nesterov_lookahead=lookahead_unscaled
    ),
    *right(
        "nesterov_lookahead", "w in place", nesterov_lookahead=lookahead_moving_w, remark=IN_PLACE
    ),
)


def nesterov_slide(w, dw, config=None):
    """Write the lines of slide 35 one by one, with defaults filled in."""
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    rho, v = config["momentum"], config.get("velocity", np.zeros_like(w))
    old_v = v.copy()
    v = rho * v - config["learning_rate"] * dw
    x = w.copy()
    x += -rho * old_v + (1 + rho) * v
    config["velocity"] = v
    return x, config


def nesterov_as_pytorch(w, dw, config=None):
    """Keep the rate out of the velocity, and mix it with the gradient once more."""
    config = {} if config is None else config
    rho = config.get("momentum", 0.9)
    buffer = rho * config.get("buffer", 0) + dw
    config["buffer"] = buffer
    return w - config.get("learning_rate", 1e-2) * (dw + rho * buffer), config


def nesterov_by_change(w, dw, config=None):
    """Add the velocity and a fraction of its change."""
    config = {} if config is None else config
    rho, v = config.get("momentum", 0.9), config.get("velocity", np.zeros_like(w))
    change = (rho - 1) * v - config.get("learning_rate", 1e-2) * dw
    config["velocity"] = v + change
    return w + v + change + rho * change, config


def nesterov_short(w, dw, config=None):
    """Leave out what cancels: the gradient's step, and a fraction of the new velocity."""
    config = {} if config is None else config
    rho, step = config.get("momentum", 0.9), -config.get("learning_rate", 1e-2) * dw
    config["velocity"] = rho * config.get("velocity", np.zeros_like(w)) + step
    return w + step + rho * config["velocity"], config


def nesterov_moving_w(w, dw, config=None):
    """Write into w, in two movements."""
    config = {} if config is None else config
    rho, v = config.get("momentum", 0.9), config.get("velocity", np.zeros_like(w))
    w -= rho * v
    config["velocity"] = rho * v - config.get("learning_rate", 1e-2) * dw
    w += (1 + rho) * config["velocity"]
    return w, config


NESTEROV = (
    *right("nesterov", "the lines of the slide", nesterov=nesterov_slide),
    *right("nesterov", "PyTorch's form", nesterov=nesterov_as_pytorch),
    *right("nesterov", "the change of the velocity", nesterov=nesterov_by_change),
    *right("nesterov", "what cancels left out", nesterov=nesterov_short),
    *right("nesterov", "w in place", nesterov=nesterov_moving_w, remark=IN_PLACE),
)


def bowl_of_two():
    """Return one direction that separates, and one in which both arrive."""
    return np.array([0.5, 8.0])


def bowl_near_the_edge():
    """Return a curvature at which the wrong look-ahead just gets lost."""
    return np.array([2.0])


def bowl_of_single_precision():
    """Return float32 numbers."""
    return np.full(3, 6.0, dtype=np.float32)


CURVATURES = (
    *right("separating_curvatures", "two directions", separating_curvatures=bowl_of_two),
    *right("separating_curvatures", "near the edge", separating_curvatures=bowl_near_the_edge),
    *right("separating_curvatures", "float32", separating_curvatures=bowl_of_single_precision),
)

# ------------------------------------------------------------------ AdaGrad, RMSProp


def adagrad_defaults(w, dw, config=None):
    """Fill in the settings that are missing, as the usual assignment does."""
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("cache", np.zeros_like(w))
    config["cache"] += dw * dw
    step = config["learning_rate"] * dw / (config["cache"] ** 0.5 + config["epsilon"])
    return w - step, config


def adagrad_rates(w, dw, config=None):
    """Compute a learning rate for every weight first."""
    config = {} if config is None else config
    config["squares"] = config.get("squares", 0) + np.square(dw)
    size = np.sqrt(config["squares"])
    rates = config.get("learning_rate", 1e-2) / (size + config.get("epsilon", 1e-8))
    return w - rates * dw, config


def adagrad_history(w, dw, config=None):
    """Keep all gradients, and sum their squares anew in every step."""
    config = {} if config is None else config
    config["gradients"] = [*config.get("gradients", []), dw.copy()]
    size = sum(g**2 for g in config["gradients"]) ** 0.5
    step = dw / (size + config.get("epsilon", 1e-8))
    return w - config.get("learning_rate", 1e-2) * step, config


def adagrad_moving_w(w, dw, config=None):
    """Write into w."""
    config = {} if config is None else config
    config["cache"] = config.get("cache", np.zeros_like(w)) + dw**2
    size = np.sqrt(config["cache"]) + config.get("epsilon", 1e-8)
    w -= config.get("learning_rate", 1e-2) * dw / size
    return w, config


ADAGRAD = (
    *right("adagrad", "missing settings filled in", adagrad=adagrad_defaults),
    *right("adagrad", "a rate for every weight", adagrad=adagrad_rates),
    *right("adagrad", "all gradients kept", adagrad=adagrad_history),
    *right("adagrad", "w in place", adagrad=adagrad_moving_w, remark=IN_PLACE),
)


def rmsprop_defaults(w, dw, config=None):
    """Fill in the settings that are missing, as the usual assignment does."""
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("decay_rate", 0.99)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("cache", np.zeros_like(w))
    decay = config["decay_rate"]
    config["cache"] = decay * config["cache"] + (1 - decay) * dw**2
    root = np.sqrt(config["cache"])
    return w - config["learning_rate"] * dw / (root + config["epsilon"]), config


def rmsprop_towards(w, dw, config=None):
    """Move the mean a little towards the new square."""
    config = {} if config is None else config
    cache = config.get("cache", np.zeros_like(w))
    cache = cache + (1 - config.get("decay_rate", 0.99)) * (dw**2 - cache)
    config["cache"] = cache
    rates = config.get("learning_rate", 1e-2) / (cache**0.5 + config.get("epsilon", 1e-8))
    return w - rates * dw, config


def rmsprop_in_place(w, dw, config=None):
    """Update the mean in place."""
    config = {} if config is None else config
    decay, cache = config.get("decay_rate", 0.99), config.setdefault("cache", np.zeros_like(w))
    cache *= decay
    cache += (1 - decay) * dw * dw
    step = dw / (np.sqrt(cache) + config.get("epsilon", 1e-8))
    return w - config.get("learning_rate", 1e-2) * step, config


def rmsprop_moving_w(w, dw, config=None):
    """Write into w."""
    config = {} if config is None else config
    decay = config.get("decay_rate", 0.99)
    config["cache"] = decay * config.get("cache", np.zeros_like(w)) + (1 - decay) * dw**2
    size = np.sqrt(config["cache"]) + config.get("epsilon", 1e-8)
    w -= config.get("learning_rate", 1e-2) * dw / size
    return w, config


RMSPROP = (
    *right("rmsprop", "missing settings filled in", rmsprop=rmsprop_defaults),
    *right("rmsprop", "a mean that is moved", rmsprop=rmsprop_towards),
    *right("rmsprop", "the mean in place", rmsprop=rmsprop_in_place),
    *right("rmsprop", "w in place", rmsprop=rmsprop_moving_w, remark=IN_PLACE),
)

# ------------------------------------------------------------------ Adam


def almost_defaults(w, dw, config=None):
    """Fill in the settings that are missing, as the usual assignment does."""
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("m", np.zeros_like(w))
    config.setdefault("v", np.zeros_like(w))
    beta1, beta2 = config["beta1"], config["beta2"]
    config["m"] = beta1 * config["m"] + (1 - beta1) * dw
    config["v"] = beta2 * config["v"] + (1 - beta2) * (dw * dw)
    root = np.sqrt(config["v"]) + config["epsilon"]
    return w - config["learning_rate"] * config["m"] / root, config


def almost_in_place(w, dw, config=None):
    """Update both means in place."""
    config = {} if config is None else config
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    m = config.setdefault("first", np.zeros_like(w))
    v = config.setdefault("second", np.zeros_like(w))
    m *= beta1
    m += (1 - beta1) * dw
    v *= beta2
    v += (1 - beta2) * dw**2
    step = m / (v**0.5 + config.get("epsilon", 1e-8))
    return w - config.get("learning_rate", 1e-3) * step, config


def almost_history(w, dw, config=None):
    """Keep all gradients, and weigh each by its age."""
    config = {} if config is None else config
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    gradients = config["gradients"] = [*config.get("gradients", []), dw.copy()]
    ages = list(enumerate(reversed(gradients)))
    m = (1 - beta1) * sum(beta1**age * g for age, g in ages)
    v = (1 - beta2) * sum(beta2**age * g**2 for age, g in ages)
    size = np.sqrt(v) + config.get("epsilon", 1e-8)
    return w - config.get("learning_rate", 1e-3) * m / size, config


def almost_moving_w(w, dw, config=None):
    """Write into w."""
    config = {} if config is None else config
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    config["m"] = beta1 * config.get("m", np.zeros_like(w)) + (1 - beta1) * dw
    config["v"] = beta2 * config.get("v", np.zeros_like(w)) + (1 - beta2) * dw**2
    size = np.sqrt(config["v"]) + config.get("epsilon", 1e-8)
    w -= config.get("learning_rate", 1e-3) * config["m"] / size
    return w, config


ADAM_UNCORRECTED = (
    *right("adam_uncorrected", "missing settings filled in", adam_uncorrected=almost_defaults),
    *right("adam_uncorrected", "both means in place", adam_uncorrected=almost_in_place),
    *right("adam_uncorrected", "all gradients kept", adam_uncorrected=almost_history),
    *right("adam_uncorrected", "w in place", adam_uncorrected=almost_moving_w, remark=IN_PLACE),
)


def adam_counting_afterwards(w, dw, config=None):
    """Start t at 1 and count after the step; settings as the usual assignment fills them in."""
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("m", np.zeros_like(w))
    config.setdefault("v", np.zeros_like(w))
    config.setdefault("t", 1)
    beta1, beta2, t = config["beta1"], config["beta2"], config["t"]
    config["m"] = beta1 * config["m"] + (1 - beta1) * dw
    config["v"] = beta2 * config["v"] + (1 - beta2) * (dw**2)
    mt = config["m"] / (1 - beta1**t)
    vt = config["v"] / (1 - beta2**t)
    next_w = w - config["learning_rate"] * mt / (np.sqrt(vt) + config["epsilon"])
    config["t"] += 1
    return next_w, config


def adam_by_powers(w, dw, config=None):
    """Keep the powers of the betas in place of t."""
    config = {} if config is None else config
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    left1 = config["left1"] = config.get("left1", 1.0) * beta1
    left2 = config["left2"] = config.get("left2", 1.0) * beta2
    m = config["m"] = beta1 * config.get("m", 0) + (1 - beta1) * dw
    v = config["v"] = beta2 * config.get("v", 0) + (1 - beta2) * dw**2
    size = (v / (1 - left2)) ** 0.5 + config.get("epsilon", 1e-8)
    return w - config.get("learning_rate", 1e-3) / (1 - left1) * m / size, config


def adam_as_pytorch(w, dw, config=None):
    """Put the corrections where PyTorch has them."""
    config = {} if config is None else config
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    step = config["step"] = config.get("step", 0) + 1
    m = config.setdefault("exp_avg", np.zeros_like(w))
    v = config.setdefault("exp_avg_sq", np.zeros_like(w))
    m += (1 - beta1) * (dw - m)
    v *= beta2
    v += (1 - beta2) * dw * dw
    denominator = np.sqrt(v) / (1 - beta2**step) ** 0.5 + config.get("epsilon", 1e-8)
    return w - config.get("learning_rate", 1e-3) / (1 - beta1**step) * (m / denominator), config


def adam_corrected_means(w, dw, config=None):
    """Keep the corrected means, and let the new gradient in with the share that it then has."""
    config = {} if config is None else config
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    t = config["t"] = config.get("t", 0) + 1
    m, v = config.get("m", np.zeros_like(w)), config.get("v", np.zeros_like(w))
    m = m + (1 - beta1) / (1 - beta1**t) * (dw - m)
    v = v + (1 - beta2) / (1 - beta2**t) * (dw**2 - v)
    config["m"], config["v"] = m, v
    size = np.sqrt(v) + config.get("epsilon", 1e-8)
    return w - config.get("learning_rate", 1e-3) * m / size, config


def adam_short(w, dw, config=None):
    """Put both corrections into the rate, and leave epsilon where it is."""
    config = {} if config is None else config
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    t = config["t"] = config.get("t", 0) + 1
    m = config["m"] = beta1 * config.get("m", np.zeros_like(w)) + (1 - beta1) * dw
    v = config["v"] = beta2 * config.get("v", np.zeros_like(w)) + (1 - beta2) * dw**2
    rate = config.get("learning_rate", 1e-3) * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    return w - rate * m / (np.sqrt(v) + config.get("epsilon", 1e-8)), config


def adam_moving_w(w, dw, config=None):
    """Write into w."""
    config = {} if config is None else config
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    t = config["t"] = config.get("t", 0) + 1
    m = config["m"] = beta1 * config.get("m", np.zeros_like(w)) + (1 - beta1) * dw
    v = config["v"] = beta2 * config.get("v", np.zeros_like(w)) + (1 - beta2) * dw**2
    size = np.sqrt(v / (1 - beta2**t)) + config.get("epsilon", 1e-8)
    w -= config.get("learning_rate", 1e-3) * m / (1 - beta1**t) / size
    return w, config


ADAM = (
    *right("adam", "t counted afterwards", adam=adam_counting_afterwards),
    *right("adam", "powers in place of t", adam=adam_by_powers),
    *right("adam", "corrections as in PyTorch", adam=adam_as_pytorch),
    *right("adam", "corrected means kept", adam=adam_corrected_means),
    *right("adam", "the paper's short form", adam=adam_short, remark=EPS_HAT),
    *right("adam", "w in place", adam=adam_moving_w, remark=IN_PLACE),
)


def adamw_shrinking_first(w, dw, config=None):
    """Shrink the weights first, as PyTorch does."""
    config = {} if config is None else config
    rate, beta1 = config.get("learning_rate", 1e-3), config.get("beta1", 0.9)
    beta2, t = config.get("beta2", 0.999), config.get("t", 0) + 1
    shrunk = w * (1 - rate * config.get("weight_decay", 1e-2))
    m = beta1 * config.get("m", np.zeros_like(w)) + (1 - beta1) * dw
    v = beta2 * config.get("v", np.zeros_like(w)) + (1 - beta2) * dw**2
    config.update(m=m, v=v, t=t)
    root = (v / (1 - beta2**t)) ** 0.5
    return shrunk - rate * m / (1 - beta1**t) / (root + config.get("epsilon", 1e-8)), config


def adamw_decay_last(w, dw, config=None):
    """Take away the fraction of the old weights at the end; t counted afterwards."""
    if config is None:
        config = {}
    defaults = {"learning_rate": 1e-3, "weight_decay": 1e-2, "beta1": 0.9, "beta2": 0.999}
    for key, value in (defaults | {"epsilon": 1e-8, "t": 1}).items():
        config.setdefault(key, value)
    beta1, beta2, t = config["beta1"], config["beta2"], config["t"]
    config["m"] = beta1 * config.get("m", 0) + (1 - beta1) * dw
    config["v"] = beta2 * config.get("v", 0) + (1 - beta2) * dw * dw
    root = np.sqrt(config["v"] / (1 - beta2**t)) + config["epsilon"]
    next_w = w - config["learning_rate"] * (config["m"] / (1 - beta1**t)) / root
    next_w = next_w - config["learning_rate"] * config["weight_decay"] * w
    config["t"] += 1
    return next_w, config


def adamw_short(w, dw, config=None):
    """Put both corrections into the rate, and leave epsilon where it is."""
    config = {} if config is None else config
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    alpha, t = config.get("learning_rate", 1e-3), config.get("t", 0) + 1
    m = beta1 * config.get("m", np.zeros_like(w)) + (1 - beta1) * dw
    v = beta2 * config.get("v", np.zeros_like(w)) + (1 - beta2) * dw**2
    config.update(m=m, v=v, t=t)
    rate = alpha * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    decayed = w - alpha * config.get("weight_decay", 1e-2) * w
    return decayed - rate * m / (np.sqrt(v) + config.get("epsilon", 1e-8)), config


def adamw_moving_w(w, dw, config=None):
    """Write into w, in two movements."""
    config = {} if config is None else config
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    alpha, t = config.get("learning_rate", 1e-3), config.get("t", 0) + 1
    m = beta1 * config.get("m", np.zeros_like(w)) + (1 - beta1) * dw
    v = beta2 * config.get("v", np.zeros_like(w)) + (1 - beta2) * dw**2
    config.update(m=m, v=v, t=t)
    w *= 1 - alpha * config.get("weight_decay", 1e-2)
    root = np.sqrt(v / (1 - beta2**t))
    w -= alpha * m / (1 - beta1**t) / (root + config.get("epsilon", 1e-8))
    return w, config


ADAMW = (
    *right("adamw", "shrinking first", adamw=adamw_shrinking_first),
    *right("adamw", "decay last, t counted afterwards", adamw=adamw_decay_last),
    *right("adamw", "the paper's short form", adamw=adamw_short, remark=EPS_HAT),
    *right("adamw", "w in place", adamw=adamw_moving_w, remark=IN_PLACE),
)


def gradients_that_grow_slowly():
    """Return gradients that grow by a tenth in each step."""
    return 1.1 ** np.arange(20)


def gradients_with_noise():
    """Return gradients of one sign and changing size."""
    return np.random.default_rng(0).uniform(0.5, 1.5, 20)


def gradients_uphill():
    """Return small negative gradients, in float32."""
    return np.full(19, -0.25, dtype=np.float32)


GRADIENTS = (
    *right(
        "separating_gradients", "slowly growing", separating_gradients=gradients_that_grow_slowly
    ),
    *right("separating_gradients", "some noise", separating_gradients=gradients_with_noise),
    *right("separating_gradients", "negative", separating_gradients=gradients_uphill),
)

VARIANTS = (
    *SGD,
    *MOMENTUM,
    *UNSCALED,
    *NEGATED,
    *LOOKAHEAD,
    *NESTEROV,
    *CURVATURES,
    *ADAGRAD,
    *RMSPROP,
    *ADAM_UNCORRECTED,
    *ADAM,
    *ADAMW,
    *GRADIENTS,
)
