"""Penalties, the proximal step, dropout as a penalty, and the wiring of penalty and noise.

The wiring is judged by spies: a network and a penalty that write down what happens to them.
"""

import numpy as np

from autograder.checking.judge import Expected, matches, same_dtype
from autograder.checking.scenarios import afterwards
from autograder.checking.spec import CALLBACK, Check, Verdict
from autograder.exercises.regularization.shared import exercise, outcome_check, type_of

SHAPE = (3, 5)
FILTERS = (2, 3, 4, 5)  # weights of a convolution

# ------------------------------------------------------------------ penalties


def _strength(rng):
    return rng.uniform(0.2, 0.8)


def penalty_checks(name, settings, halved, points):
    """Return the checks of a penalty; `settings(rng)` are its numbers, `halved` what ½ would do."""

    def seen(impl, rng, shape):
        return getattr(impl, name)(rng.normal(size=shape), *settings(rng))

    def value(impl, rng):
        return {
            "penalty": seen(impl, rng, SHAPE)[0],
            "penalty of filters": seen(impl, rng, FILTERS)[0],
        }

    def gradient(impl, rng):
        penalty, dW = seen(impl, rng, SHAPE)
        return {"dW": dW, "_penalty": penalty}

    def types(impl, rng):
        W, numbers = rng.normal(size=SHAPE).astype(np.float32), settings(rng)
        _, dW = getattr(impl, name)(W, *numbers)
        double = getattr(impl, name)(W.astype(float), *numbers)[1]
        return {"dW": type_of(dW), "dW of float64 W": type_of(double), **afterwards("W", [W])}

    def slope_of_own(seen, expected):
        """Judge: dW is right, or half of it is, and that of a penalty with a ½."""
        verdict = matches(seen, expected)
        own, right = seen.get("_penalty"), expected.arrays["_penalty"]
        if not halved or verdict.fraction == 1 or own is None or own.shape != right.shape:
            return verdict
        if np.isclose(own, right / 2):
            half = matches(seen, _scaled(expected, 0.5))
            if half.fraction == 1:
                return Verdict(1)
        return verdict

    worth = dict(zip(("value", "gradient", "types"), points, strict=True))
    return (
        Check("the penalty, of any shape of weights", worth["value"], value),
        Check("its gradient", worth["gradient"], gradient, slope_of_own),
        Check("float32 and float64 alike, W stays as it was", worth["types"], types, same_dtype),
    )


def _scaled(expected, factor):
    arrays = {key: factor * array for key, array in expected.arrays.items()}
    return Expected(arrays, expected.dtypes, expected.noise)


def _at_zero(name, settings):
    """Return the scenario of weights that are 0: any slope within the strength is right."""

    def scenario(impl, rng):
        W, numbers = rng.normal(size=SHAPE), settings(rng)
        W[0, 1] = W[2, 3] = 0
        _, dW = getattr(impl, name)(W, *numbers)
        return {"slope at 0": _place_of_slopes(dW[W == 0], numbers[0])}

    return scenario


def _place_of_slopes(slopes, strength):
    """Return 0 where all slopes lie from −strength to strength, 1 where one does not, 2 for NaN."""
    if np.isnan(slopes).any():
        return np.array(2)
    return np.array(int(np.abs(slopes).max() > strength * (1 + 1e-6)))


def _l1_settings(rng):
    return (_strength(rng),)


def _net_settings(rng):
    return _strength(rng), rng.uniform(1.2, 3)


# ------------------------------------------------------------------ the proximal step


def _prox_arrays(rng):
    """Return w, which a step along dw leaves positive, and dw."""
    return rng.uniform(2, 4, size=SHAPE), rng.normal(size=SHAPE)


def _prox_settings(rng):
    return rng.uniform(0.2, 0.4), _strength(rng)


def _prox_descent(impl, rng):
    rate, _ = _prox_settings(rng)
    return {"next_w": impl.l1_proximal_step(*_prox_arrays(rng), rate, 0.0)}


def _prox_shrinks(impl, rng):
    """Weights near zero, in the first row far from it, and no gradient."""
    rate, reg = _prox_settings(rng)
    w = rate * reg * rng.uniform(0.2, 0.9, SHAPE) * rng.choice((-1, 1), SHAPE)
    w[0] *= 8
    return {"next_w": impl.l1_proximal_step(w, 0 * w, rate, reg)}


def _prox_order(impl, rng):
    """Weights that the gradient brings to the other side of zero, or away from it."""
    rate, reg = _prox_settings(rng)
    w = rate * reg * rng.uniform(0.3, 0.7, SHAPE) * rng.choice((-1, 1), SHAPE)
    dw = reg * rng.uniform(3, 5, SHAPE) * rng.choice((-1, 1), SHAPE)
    return {"next_w": impl.l1_proximal_step(w, dw, rate, reg)}


def _prox_types(impl, rng):
    arrays = [a.astype(np.float32) for a in _prox_arrays(rng)]
    double = impl.l1_proximal_step(*(a.astype(float) for a in arrays), 0.3, 0.0)
    next_w = impl.l1_proximal_step(*arrays, 0.3, 0.0)
    return {"next_w": next_w, "next_w of float64 w": double, **afterwards("w dw", arrays)}


# ------------------------------------------------------------------ dropout as L2

ROWS, FEATURES = 7, 4


def _regression(rng):
    """Return x (N, D) with features of different sizes, y (N,), w (D,) and p, which is not ½."""
    x = rng.normal(size=(ROWS, FEATURES)) * rng.uniform(0.5, 3, FEATURES)
    return x, rng.normal(size=ROWS), rng.normal(size=FEATURES), rng.uniform(0.65, 0.85)


def _nothing_dropped(impl, rng):
    x, y, w, _ = _regression(rng)
    loss, dw = impl.dropout_as_l2(x, y, w, 1.0)
    return {"loss": loss, "dw": dw}


def _no_residual(impl, rng, observe):
    """Targets that the mean prediction meets: what is left is the penalty."""
    x, _, w, p = _regression(rng)
    loss, dw = impl.dropout_as_l2(x, p * (x @ w), w, p)
    return {"loss": loss} if observe == "loss" else {"dw": dw}


def _only_loss(impl, rng):
    return _no_residual(impl, rng, "loss")


def _only_gradient(impl, rng):
    return _no_residual(impl, rng, "dw")


def _no_weights(impl, rng):
    x, y, w, p = _regression(rng)
    return {"dw": impl.dropout_as_l2(x, y, 0 * w, p)[1]}


def _expected_loss(impl, rng):
    x, y, w, p = _regression(rng)
    return {"loss": impl.dropout_as_l2(x, y, w, p)[0]}


def _expected_gradient(impl, rng):
    x, y, w, p = _regression(rng)
    return {"dw": impl.dropout_as_l2(x, y, w, p)[1]}


def _l2_types(impl, rng):
    *arrays, p = _regression(rng)
    single = [a.astype(np.float32) for a in arrays]
    dw = impl.dropout_as_l2(*single, p)[1]
    return {"dw": type_of(dw), **afterwards("x y w", single)}


# ------------------------------------------------------------------ wire the pipeline

EPOCHS, BATCHES = 3, 2


class Wired:
    """A network with two layers, a normalization between them, and noise: all of it a spy.

    The data loss of a batch b is ½ Σ (parameter − target_b)² over all parameters. `penalize` is the
    penalty, of which it keeps the arrays that it was asked for.
    """

    def __init__(self, rng):
        shapes = {
            "affine1.w": (4, 3),
            "affine1.b": (3,),
            "normalization1.gamma": (3,),
            "affine2.w": (3, 2),
            "affine2.b": (2,),
        }
        self._params = {name: rng.normal(size=shape) for name, shape in shapes.items()}
        self._targets = [
            {name: rng.normal(size=shape) for name, shape in shapes.items()}
            for _ in range(BATCHES + 1)
        ]
        self.batches = [(np.array([[float(k)]]), np.array([k])) for k in range(BATCHES)]
        self.val = (np.array([[float(BATCHES)]]), np.array([BATCHES]))
        self.strength, self.rate = rng.uniform(0.3, 0.8), rng.uniform(0.1, 0.3)
        self.mode, self.modes, self.scored, self.path = "new", [], [], []

    @property
    def params(self):
        """Return a new dict of the live arrays, as the course's network does."""
        return dict(self._params)

    def train(self):
        """Switch the noise on."""
        self.mode = "train"
        return self

    def eval(self):
        """Switch the noise off."""
        self.mode = "eval"
        return self

    def loss_and_gradients(self, x, y):
        """Return the data loss of a batch and its gradients, which do not depend on the noise."""
        self.modes.append(self.mode)
        self.path.append(self.flat())
        target = self._targets[int(y[0])]
        away = {name: w - target[name] for name, w in self._params.items()}
        return float(sum(0.5 * np.sum(a**2) for a in away.values())), away

    def accuracy(self, x, y, batch_size=1000):
        """Return a number that tells the data and the weights at which it was asked for."""
        self.scored.append(self.mode)
        target = self._targets[int(y[0])]["affine1.w"]
        return float(np.exp(-np.mean((self._params["affine1.w"] - target) ** 2)))

    def flat(self):
        """Return all parameters in one row."""
        return np.concatenate([w.ravel() for w in self._params.values()])

    def run(self, impl, strength):
        """Pass everything to the student's function."""

        def penalty(W):
            return strength * np.sum(W**4), 4 * strength * W**3  # none of the lesson's

        return impl.train_regularized(self, self.batches, self.val, penalty, self.rate, EPOCHS)


def _descent(impl, rng):
    wired = Wired(rng)
    wired.run(impl, 0.0)
    return {"parameters before each step": np.array(wired.path), "at the end": wired.flat()}


def _penalized(names):
    """Return the scenario of a training with a penalty; it looks at some parameters at the end."""

    def scenario(impl, rng):
        wired = Wired(rng)
        wired.run(impl, 0.05 * wired.strength)
        return {f"{name} at the end": wired.params[name] for name in names}

    return scenario


def _losses(impl, rng):
    wired = Wired(rng)
    return {"losses": wired.run(impl, 0.05 * wired.strength)[0]}


def _accuracies(impl, rng):
    wired = Wired(rng)
    return {"accuracies": wired.run(impl, 0.0)[1]}


MODES = ("new", "train", "eval")
STEPS_MODES = (
    "right",
    "the network was never told that training begins",
    "the noise is off in every step",
    "the noise is on in the first epoch, and off from then on",
    "the noise is off in some of the steps",
)
SCORES_MODES = (
    "right",
    "the network was never told that training is over",
    "the noise is on at validation",
    "the noise is on at some of the validations",
)


def _mode_check(title, points, outcomes, asked, place):
    """Return the check of the modes in which the network was used, one an entry of `asked`."""

    def scenario(impl, rng):
        wired = Wired(rng)
        wired.run(impl, 0.0)
        return {}, {"modes": np.array([MODES.index(mode) for mode in getattr(wired, asked)])}

    return outcome_check(title, points, outcomes, scenario, lambda _, raw: place(raw["modes"]))


def _place_of_steps(modes):
    new, train, off = (modes == k for k in range(len(MODES)))
    if train.size and train.all():
        return 0
    if new.any():
        return 1
    if off.all():
        return 2
    return 3 if train[:BATCHES].all() and off[BATCHES:].all() else 4


def _place_of_scores(modes):
    new, train, off = (modes == k for k in range(len(MODES)))
    if off.size and off.all():
        return 0
    if new.any():
        return 1
    return 2 if train.all() else 3


# ------------------------------------------------------------------ the exercises

L2 = exercise(
    "L2 penalty",
    "l2_penalty",
    penalty_checks("l2_penalty", _l1_settings, True, (3, 3, 2)),
    "69–70",
    small=(
        "l2_penalty(np.array([2.0]), 1.0)",
        "l2_penalty(np.array([3.0, -4.0]), 0.1)",
        "l2_penalty(np.array([[1.0, 0.0], [-2.0, 0.5]]), 0.5)",
    ),
    look="""\
W = np.array([[3.0, -4.0], [0.0, 1.0]])
penalty, dW = l2_penalty(W, 0.1)
print(penalty)  # one number; the squares of the weights add up to 26
print(dW)  # as many numbers as weights, larger for larger weights, 0 where a weight is 0
""",
)
L1 = exercise(
    "L1 penalty",
    "l1_penalty",
    (
        *penalty_checks("l1_penalty", _l1_settings, False, (1, 1, 0.5)),
        Check("weights that are 0", 0.5, _at_zero("l1_penalty", _l1_settings)),
    ),
    "69–70",
    bonus=True,
    small=(
        "l1_penalty(np.array([2.0]), 1.0)",
        "l1_penalty(np.array([3.0, -4.0]), 0.1)",
        "l1_penalty(np.array([[1.0, 0.25], [-2.0, 0.5]]), 0.5)",
        "abs(l1_penalty(np.array([0.0]), 0.5)[1]) <= 0.5",
    ),
    look="""\
penalty, dW = l1_penalty(np.array([3.0, -4.0, 0.001]), 0.1)
print(penalty, dW)  # the gradient is as large for the small weight as for the others
""",
)
NET = exercise(
    "Elastic net",
    "elastic_net_penalty",
    (
        *penalty_checks("elastic_net_penalty", _net_settings, False, (1, 1, 0.5)),
        Check("weights that are 0", 0.5, _at_zero("elastic_net_penalty", _net_settings)),
    ),
    "69–70",
    bonus=True,
    small=(
        "elastic_net_penalty(np.array([2.0]), 1.0, 0.0)",
        "elastic_net_penalty(np.array([2.0]), 1.0, 0.5)",
        "elastic_net_penalty(np.array([3.0, -4.0]), 0.1, 2.0)",
        "abs(elastic_net_penalty(np.array([0.0]), 0.5, 2.0)[1]) <= 0.5",
    ),
    look="""\
W = np.array([3.0, -4.0])
print(elastic_net_penalty(W, 0.1, 0.0))  # with β = 0 it is L1
""",
)
PROX = exercise(
    "L1 by its proximal step",
    "l1_proximal_step",
    (
        Check("without a penalty: gradient descent", 1, _prox_descent),
        Check("without a gradient: towards zero, and not past it", 1, _prox_shrinks),
        Check("the gradient's step comes first", 1, _prox_order),
        Check("float32 and float64 alike, inputs stay as they were", 1, _prox_types, same_dtype),
    ),
    "69–70",
    bonus=True,
    small=(
        "l1_proximal_step(np.array([1.0]), np.array([0.0]), 0.5, 1.0)",
        "l1_proximal_step(np.array([0.25, -0.25]), np.array([0.0, 0.0]), 0.5, 1.0)",
        "l1_proximal_step(np.array([0.5, -2.0]), np.array([2.0, 1.0]), 0.5, 0.5)",
    ),
    look="""\
w, dw = np.array([1.0, -1.0, 0.3]), np.zeros(3)
print(l1_proximal_step(w, dw, 0.5, 1.0))  # all moved by 0.5 towards zero, and none past it
""",
)
AS_L2 = exercise(
    "Dropout is a penalty, for least squares",
    "dropout_as_l2",
    (
        Check("with p = 1 it is plain least squares", 2, _nothing_dropped),
        Check("the penalty alone: predictions right on average", 2, _only_loss),
        Check("the gradient of the penalty alone", 2, _only_gradient),
        Check("the gradient at w = 0", 2, _no_weights),
        Check("the loss", 2, _expected_loss),
        Check("its gradient", 1, _expected_gradient),
        Check("float32 stays float32, inputs stay as they were", 1, _l2_types, same_dtype),
    ),
    "73–79",
    small=(
        "dropout_as_l2(np.array([[2.0]]), np.array([3.0]), np.array([1.0]), 1.0)",
        "dropout_as_l2(np.array([[2.0]]), np.array([3.0]), np.array([1.0]), 0.5)",
        "dropout_as_l2(np.array([[1.0, 2.0]]), np.array([0.0]), np.array([1.0, -1.0]), 0.5)",
        "dropout_as_l2(np.array([[1.0], [2.0]]), np.array([1.0, 0.0]), np.array([3.0]), 0.8)",
    ),
    look="""\
x, y, w = np.array([[2.0]]), np.array([3.0]), np.array([1.0])
print(dropout_as_l2(x, y, w, 0.5)[0])  # half of the time (3 - 2)² = 1, half of the time 3² = 9
""",
)
WIRED = exercise(
    "Wire the pipeline",
    "train_regularized",
    (
        Check("without a penalty: every step follows its gradient", 2, _descent),
        Check(
            "with one: the weights of both layers",
            3,
            _penalized(("affine1.w", "affine2.w")),
        ),
        Check(
            "with one: nothing but weights is penalized",
            2,
            _penalized(("affine1.b", "normalization1.gamma", "affine2.b")),
        ),
        Check("the losses, with the penalties", 2, _losses),
        _mode_check("noise is on for every step", 1.5, STEPS_MODES, "modes", _place_of_steps),
        _mode_check("noise is off at validation", 1.5, SCORES_MODES, "scored", _place_of_scores),
        Check("accuracies of the validation data, after each epoch", 1, _accuracies),
    ),
    "70, 82–83",
    no_small=CALLBACK,
    look="""\
# A network of one weight and one bias, whose data loss is 0 and whose gradients are 0: only the
# penalty moves anything. The weight should shrink, the bias should stay.
class Flat:
    def __init__(self):
        self.params = {"layer.w": np.ones((1, 1)), "layer.b": np.ones(1)}

    def __getattr__(self, name):
        return lambda *args: print(name, end=" ")

    def loss_and_gradients(self, x, y):
        return 0.0, {name: np.zeros_like(array) for name, array in self.params.items()}

    def accuracy(self, x, y):
        return 0.5

net = Flat()
print(train_regularized(net, [(0, 0)] * 3, (0, 0), lambda W: l2_penalty(W, 0.5), 0.1, 2))
print(net.params)
""",
)

EXERCISES = (L2, L1, NET, PROX, AS_L2, WIRED, L2.in_torch(points=2))
