"""The exercises of the family `schedules`: checks of functions of time, and of a training loop.

The loop is judged by spies: a model, an optimizer and a scheduler that write down what happens to
them. What they show are plain numbers: the rate that every step was taken at, where every step
led, and the weights in the end. So any order of calls that trains the same way is right.
"""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from autograder.checking.judge import matches
from autograder.checking.scenarios import failed, family
from autograder.checking.spec import CALLBACK, KILLS_A_BUG, Check, Verdict

FEATURES, BATCHES, EPOCHS = 5, 3, 4  # of the loop's made-up training
SEARCHED = 200  # steps among which "kill the bug" looks for an answer


def _along(schedule, times, *settings):
    return {"rates": np.array([schedule(t, *settings) for t in times])}


def _at_the_start(name, settings, *more):
    """Return the scenario of the very first rate, under several settings."""

    def scenario(impl, rng):
        schedule = getattr(impl, name)
        return {"rates": np.array([schedule(0, *settings(rng), *more) for _ in range(3)])}

    return scenario


# ------------------------------------------------------------------ decay


def _step_settings(rng):
    """Return rate, factor and every; neither the factor nor what it takes away is ½."""
    return rng.uniform(0.2, 0.9), rng.uniform(0.6, 0.9), int(rng.integers(4, 8))


def _step_decays(intervals, within=lambda every: (every // 2,)):
    """Return the scenario of step decay in these intervals, at the steps `within` each."""

    def scenario(impl, rng):
        rate, factor, every = _step_settings(rng)
        times = [interval * every + t for interval in intervals for t in within(every)]
        return _along(impl.step_decay, times, rate, factor, every)

    return scenario


def _after_the_first_drop(impl, rng):
    """Several settings, since what follows one drop is a single rate."""
    rates = []
    for rate, factor, every in (_step_settings(rng) for _ in range(3)):
        rates += [impl.step_decay(t, rate, factor, every) for t in (every, every + 1)]
    return {"rates": np.array(rates)}


def _smooth_settings(rng):
    return rng.uniform(0.2, 0.9), rng.uniform(0.1, 0.3)


def _smooth(name, times, first_rate=None):
    """Return the scenario of a smooth decay at these times, from a first rate or a random one."""

    def scenario(impl, rng):
        rate, k = _smooth_settings(rng)
        return _along(getattr(impl, name), times, first_rate or rate, k)

    return scenario


# ------------------------------------------------------------------ cycles


def _cycle_settings(rng):
    """Return high, low and period; low is 0 where it is not asked for."""
    return rng.uniform(0.6, 0.9), 0.0, int(rng.integers(5, 9))


def _one_cycle(impl, rng):
    return _along(impl.cosine_restarts, range(5), *_cycle_settings(rng), 1)


def _above_zero(impl, rng):
    high, _, period = _cycle_settings(rng)
    return _along(impl.cosine_restarts, range(5), high, rng.uniform(0.1, 0.3), period, 1)


def _restarts(impl, rng):
    high, low, period = _cycle_settings(rng)
    times = {
        multiple: [end * period + t for end in ends for t in (-1, 0, 1)]
        for multiple, ends in ((1, (1, 2, 20)), (2, (1, 3, 15)))  # after 1, 2, 20 or 4 cycles
    }
    alike = _along(impl.cosine_restarts, times[1], high, low, period, 1)
    longer = _along(impl.cosine_restarts, times[2], high, low, period, 2)
    return {**alike, **{f"{key}, cycles twice as long": a for key, a in longer.items()}}


def _longer_cycles(impl, rng):
    high, low, _ = _cycle_settings(rng)
    period = int(rng.integers(2, 4))
    return _along(impl.cosine_restarts, range(25), high, low, period, period + 1)


def _between_steps(impl, rng):
    high, low, period = _cycle_settings(rng)
    times = np.arange(6) * period / 2 + rng.uniform(0.1, 0.9, 6)  # in three cycles
    return _along(impl.cosine_restarts, times.tolist(), high, low, period, 2)


def _warmup_settings(rng):
    return rng.uniform(0.2, 0.9), int(rng.integers(6, 10)), rng.uniform(0.1, 0.4)


def _rise(impl, rng):
    rate, steps, share = _warmup_settings(rng)
    return _along(impl.linear_warmup, (*range(5), steps - 1), rate, steps, share)


def _risen(impl, rng):
    """Two warm-ups, since what follows one is a single rate."""
    rates = []
    for rate, steps, share in (_warmup_settings(rng), _warmup_settings(rng)):
        rates += [impl.linear_warmup(t, rate, steps, share) for t in (steps + 1, 4 * steps)]
    return {"rates": np.array(rates)}


# ------------------------------------------------------------------ wire the pipeline


class Weights(np.ndarray):
    """Live weights that can do what people do with those of a network, a tensor or an array."""

    def detach(self):
        """Return these very weights, as a tensor does."""
        return self

    cpu = numpy = detach

    def clone(self):
        """Return a copy."""
        return self.copy()

    def copy_(self, other):
        """Take the values of others."""
        self[...] = np.asarray(other)
        return self


def live(w):
    """Return the array w as weights that share its memory; a tensor where torch is loaded."""
    if sys.modules.get("torch") is None:
        return w.view(Weights)
    import torch

    class Tensor(torch.Tensor):
        copy = torch.Tensor.clone

        def __deepcopy__(self, memo):
            return self.clone()

    return torch.from_numpy(w).as_subclass(Tensor)


class Training:
    """A model, its optimizer, a scheduler, losses and scores: all of them spies.

    The weights are w (D,); the loss of a batch b is ½|w − b|², and gradients add up until they are
    set to zero. The score depends on how many steps were taken: it is best after one of the inner
    epochs, and higher still in the middle of another, where nobody should ask.
    """

    def __init__(self, rng, factor=1.0):
        self.w = rng.normal(size=FEATURES)
        self.gradient = np.zeros(FEATURES)
        self.batches = list(rng.normal(size=(BATCHES, FEATURES)))
        self.rate, self.factor = rng.uniform(0.3, 0.6), factor
        self.scores = rng.uniform(0.2, 0.5, size=BATCHES * EPOCHS + 1)
        self.scores[2 * BATCHES], self.scores[2 * BATCHES + 1] = 0.7, 0.9
        self.rates, self.path = [], []
        self.shown, self.loaded = [], LOADED.index("nothing")
        self.model = SimpleNamespace(
            parameters=lambda: iter([live(self.w)]),
            state_dict=self._state_dict,
            load_state_dict=self._load_state_dict,
            zero_grad=self._zero_grad,
            train=lambda mode=True: None,
            eval=lambda: None,
        )
        self.optimizer = SimpleNamespace(step=self._step, zero_grad=self._zero_grad)
        self.scheduler = SimpleNamespace(step=self._change_rate)

    def run(self, impl, per="epoch"):
        """Pass everything to the student's loop and return the best score."""
        return impl.train_with_schedule(
            *(self.model, self.optimizer, self.scheduler, per),
            *(self.batches, self._loss_of, self._evaluate, EPOCHS),
        )

    def _state_dict(self):
        """Return a new dict of the live weights, as PyTorch does."""
        self.shown.append({"w": live(self.w)})
        return self.shown[-1]

    def _load_state_dict(self, state):
        weights = np.asarray(state["w"])
        kind = "live weights" if np.shares_memory(weights, self.w) else "a copy"
        if any(state is shown for shown in self.shown):
            kind = "what was shown"
        self.loaded = LOADED.index(kind)
        self.w[...] = weights

    def _zero_grad(self, set_to_none=True):
        self.gradient[...] = 0

    def _loss_of(self, batch):
        loss = SimpleNamespace(backward=lambda: self._backward(batch), item=lambda: 0.0)
        loss.detach = loss.cpu = lambda: loss
        return loss

    def _backward(self, batch):
        self.gradient += self.w - batch

    def _step(self):
        """Take a step of gradient descent, and write down its rate and where it led."""
        self.w -= self.rate * self.gradient
        self.rates.append(self.rate)
        self.path.append(self.w.copy())

    def _change_rate(self):
        self.rate *= self.factor

    def _evaluate(self):
        return float(self.scores[min(len(self.rates), len(self.scores) - 1)])


LOADED = ("nothing", "what was shown", "live weights", "a copy")


def _rates_per(per):
    """Return the scenario of a schedule that moves on after every batch, or every epoch."""

    def scenario(impl, rng):
        training = Training(rng, factor=rng.uniform(0.6, 0.9))
        training.run(impl, per)
        return {"rates": np.array(training.rates)}

    return scenario


def _path(impl, rng):
    training = Training(rng)
    training.run(impl)
    return {"weights after every step": np.array(training.path)}


def _best_weights(impl, rng):
    training = Training(rng)
    training.run(impl)
    return {"weights in the end": training.w, "loaded": np.array(training.loaded)}


def _weights_match(seen, expected):
    """Judge the weights; how they came back into the model only serves to name a mistake."""
    key = "weights in the end"
    return matches(seen, replace(expected, arrays={key: expected.arrays[key]}))


def _best_score(impl, rng):
    training = Training(rng)
    return {"best": training.run(impl)}


# ------------------------------------------------------------------ kill the bug


def compounding_step_decay(t, rate, factor, every):
    """Somebody's step decay: go through all steps, and lower the rate at every drop."""
    for step in range(1, t + 1):
        if step % every == 0:
            rate = rate * factor ** (step // every)
    return rate


def _separate(impl, rng):
    factor, every = rng.uniform(0.4, 0.8), int(rng.integers(6, 12))
    t = impl.separating_step(factor, every)
    own = np.array([impl.step_decay(t, 1.0, factor, every) for t in range(SEARCHED)])
    wrong = np.array([compounding_step_decay(t, 1.0, factor, every) for t in range(SEARCHED)])
    return {"__t": t, "_own": own, "_wrong": wrong, "outcome": np.array(_outcome(t, own, wrong))}


def _separates(seen, expected):
    """Judge: at the student's t the student's step decay is right, and the other one is not."""
    right, own = expected.arrays["_own"], seen.get("_own")
    if own is None or own.shape != right.shape or not np.allclose(own, right):
        return failed(OUTCOMES[2], "outcome")
    outcome = _outcome(seen.get("__t", np.array(-1)), right, expected.arrays["_wrong"])
    return failed(OUTCOMES[outcome], "outcome") if outcome else Verdict(1)


OUTCOMES = (
    "right and wrong differ",
    f"t must be one whole number from 0 to {SEARCHED - 1}",
    "your own step_decay is wrong for these settings",
    "both give the same rate here: the first one",
    "both give the same rate here: nothing has dropped yet",
    "both give the same rate here, after the first drop",
)


def _outcome(t, right, wrong):
    """Return the place in OUTCOMES of what the step `t` shows."""
    if t.ndim or not 0 <= t < SEARCHED or t != int(t):
        return 1
    right, wrong = right[int(t)], wrong[int(t)]
    if abs(wrong - right) > 0.05 * abs(right):
        return 0
    if t == 0:
        return 3
    return 4 if wrong == 1 else 5


# ------------------------------------------------------------------ the exercises

SCHEDULERS = (
    "ChainedScheduler ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR "
    "ExponentialLR LambdaLR LinearLR MultiplicativeLR MultiStepLR OneCycleLR PolynomialLR "
    "SequentialLR StepLR"
)
RETURNS = {
    "step_decay": ("rate",),
    "exponential_decay": ("rate",),
    "inverse_time_decay": ("rate",),
    "cosine_restarts": ("rate",),
    "linear_warmup": ("rate",),
    "train_with_schedule": ("best",),
    "separating_step": ("t",),
}

exercise = family(
    "schedules", RETURNS, [f"torch.optim.lr_scheduler.{name}" for name in SCHEDULERS.split()]
)

STEP = exercise(
    "Step decay",
    "step_decay",
    (
        Check("the first rate", 2, _at_the_start("step_decay", _step_settings)),
        Check("the step before a drop", 2.5, _step_decays((1, 2, 3), lambda every: (-1,))),
        Check("after the first drop", 3, _after_the_first_drop),
        Check("between the drops", 3.5, _step_decays(range(6))),
        Check("late steps, asked for out of order", 3, _step_decays((9, 12, 5, 7))),
    ),
    "50–52",
    shared=True,
    small=(
        "step_decay(0, 1.0, 0.5, 4)",
        "step_decay(3, 1.0, 0.6, 4)",
        "step_decay(4, 2.0, 0.6, 4)",
        "step_decay(8, 2.0, 0.6, 4)",
        "step_decay(14, 2.0, 0.6, 4)",
    ),
    look="""\
print([step_decay(t, 1.0, 0.5, 4) for t in range(9)])  # four times 1, four times 0.5, then 0.25
""",
)
EXPONENTIAL = exercise(
    "Exponential decay",
    "exponential_decay",
    (
        Check("the first rate", 2, _at_the_start("exponential_decay", _smooth_settings)),
        Check("the first steps", 5, _smooth("exponential_decay", range(8))),
        Check("late steps, from a rate of 1", 3, _smooth("exponential_decay", range(40, 60, 3), 1)),
    ),
    "50",
    shared=True,
    small=(
        "exponential_decay(0, 0.5, 0.1)",
        "exponential_decay(1, 0.5, 0.1)",
        "exponential_decay(10, 0.5, 0.1)",
    ),
    look="""\
print([round(exponential_decay(t, 1.0, 0.7), 3) for t in range(4)])  # halved in nearly every step
""",
)
INVERSE = exercise(
    "1/t decay",
    "inverse_time_decay",
    (
        Check("the first rate", 2, _at_the_start("inverse_time_decay", _smooth_settings)),
        Check("the first steps", 5, _smooth("inverse_time_decay", range(8))),
        Check("late steps", 3, _smooth("inverse_time_decay", range(400, 900, 70))),
    ),
    "50",
    shared=True,
    small=(
        "inverse_time_decay(0, 0.5, 0.1)",
        "inverse_time_decay(1, 0.5, 0.1)",
        "inverse_time_decay(10, 0.5, 0.1)",
    ),
    look="""\
print([inverse_time_decay(t, 1.0, 0.1) for t in (0, 10, 20, 30)])  # 1, then 1/2, 1/3 and 1/4
""",
)
SEPARATING = exercise(
    "Kill the bug: a step for the compounding decay",
    "step_decay separating_step",
    (Check("your step tells right from wrong", 4, _separate, _separates),),
    "50",
    given=(compounding_step_decay,),
    shared=True,
    no_small=KILLS_A_BUG,
    look="""\
# The two rates at your step, with a drop to a half every 10 steps: they should differ.
t = separating_step(0.5, 10)
print("yours:      ", step_decay(t, 1.0, 0.5, 10))
print("compounding:", compounding_step_decay(t, 1.0, 0.5, 10))
""",
)
RESTARTS = exercise(
    "Cosine with warm restarts",
    "cosine_restarts",
    (
        Check("the first rate", 2, _at_the_start("cosine_restarts", _cycle_settings, 1)),
        Check("inside one cycle", 5, _one_cycle),
        Check("a low rate above zero", 3, _above_zero),
        Check("around the restarts", 5, _restarts),
        Check("cycles that get longer", 4, _longer_cycles),
        Check("between whole steps", 3, _between_steps),
    ),
    "66–67",
    shared=True,
    small=(
        "cosine_restarts(0, 1.0, 0.0, 4, 1)",
        "cosine_restarts(1, 1.0, 0.0, 4, 1)",
        "cosine_restarts(1, 1.0, 0.2, 4, 1)",
        "cosine_restarts(4, 1.0, 0.2, 4, 1)",
        "cosine_restarts(9, 1.0, 0.2, 4, 1)",
        "cosine_restarts(6, 1.0, 0.2, 2, 2)",
        "cosine_restarts(7, 1.0, 0.2, 2, 2)",
        "cosine_restarts(2.5, 1.0, 0.2, 4, 1)",
    ),
    look="""\
print([round(cosine_restarts(t, 1.0, 0.0, 4, 1), 3) for t in range(6)])
# falls from 1 for four steps, is 0.5 in the middle, and starts again at 1
""",
)
WARMUP = exercise(
    "Linear warm-up",
    "linear_warmup",
    (
        Check("the first rate", 1, _at_the_start("linear_warmup", _warmup_settings)),
        Check("the rise", 3, _rise),
        Check("afterwards", 2, _risen),
    ),
    "66–67",
    bonus=True,
    shared=True,
    small=(
        "linear_warmup(0, 0.5, 4, 0.2)",
        "linear_warmup(1, 0.5, 4, 0.2)",
        "linear_warmup(3, 0.5, 4, 0.2)",
        "linear_warmup(4, 0.5, 4, 0.2)",
        "linear_warmup(9, 0.5, 4, 0.2)",
    ),
    look="""\
print([linear_warmup(t, 1.0, 4, 0.2) for t in range(6)])  # from 0.2 up to 1, where it stays
""",
)
PIPELINE = exercise(
    "Wire the pipeline",
    "train_with_schedule",
    (
        Check("scheduler per batch: the rate of every step", 5, _rates_per("batch")),
        Check("scheduler per epoch: the rate of every step", 5, _rates_per("epoch")),
        Check("every step follows the gradient of its batch", 4, _path),
        Check("the model has the weights of its best epoch", 4, _best_weights, _weights_match),
        Check("the best score is returned", 2, _best_score),
    ),
    "50–52, 64",
    shared=True,
    no_small=CALLBACK,
    look="""\
# A model, an optimizer and a scheduler that only tell what is done with them: two epochs of two
# batches, with the scheduler moved on after each epoch. The second epoch is the worse one.
class Told:
    def __init__(self, name):
        self.name = name

    def __getattr__(self, method):
        return lambda *args: print(f"{self.name}.{method}", *args) or {"w": "as it is"}

class Loss:
    def backward(self):
        print("loss.backward")

scores = iter([0.8, 0.5])
told = Told("model"), Told("optimizer"), Told("scheduler")
print(train_with_schedule(*told, "epoch", [1, 2], lambda batch: Loss(), lambda: next(scores), 2))
""",
)

EXERCISES = (STEP, EXPONENTIAL, INVERSE, SEPARATING, RESTARTS, WARMUP, PIPELINE)
