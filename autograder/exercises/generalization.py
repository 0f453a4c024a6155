"""The exercises of the family `generalization`: a stopper, averages, and two training loops.

The loops are judged by spies: a model, an optimizer and data sets that behave as real ones do, and
write down what happens to them. What they show are plain numbers, so any order of calls that
trains, selects and reports the same way is right.
"""

from types import SimpleNamespace

import numpy as np

from autograder.checking.observe import BadReturn
from autograder.checking.scenarios import afterwards, family, separation
from autograder.checking.spec import CALLBACK, KILLS_A_BUG, Check

NEVER = 99  # patience that no made-up run exhausts
WIDE, TALL = 5, 3  # sizes of made-up weights


class Live(np.ndarray):
    """Weights as a model shows them: an array that also answers to what a tensor can do."""

    def detach(self):
        """Return the same weights: nothing here records gradients."""
        return self

    cpu = detach

    def clone(self):
        """Return a copy."""
        return self.copy()

    def numpy(self):
        """Return the same numbers as a plain array."""
        return self.view(np.ndarray)

    def copy_(self, other):
        """Take over the numbers of another array."""
        self[...] = other
        return self


def live(arrays):
    """Return a dict of weights that training will change in place."""
    return {name: np.array(array).view(Live) for name, array in arrays.items()}


# ------------------------------------------------------------------ early stopping


def _stopped_at(stopper, scores):
    """Return how many scores it took until the stopper said stop; 0 if it never did."""
    weights = live({"w": np.zeros(WIDE)})
    for count, score in enumerate(scores, start=1):
        if stopper.update(float(score), weights):
            return count
    return 0


def _peak(rng, rise, fall):
    """Return scores that rise to a peak and then fall, all of them different."""
    steps = rng.uniform(0.01, 0.03, size=rise + fall)
    return 0.3 + np.cumsum(np.r_[steps[:rise], -steps[rise:] / 2])


def _peaks(rng):
    """Return pairs of a patience and scores with one peak, so that no gain follows a fall."""
    patience = rng.permutation([2, 3, 4, 5, NEVER])
    return [(int(p), _peak(rng, int(rng.integers(1, 7)), 7)) for p in patience]


def _patience(impl, rng):
    counts = [_stopped_at(impl.EarlyStopping(p), scores) for p, scores in _peaks(rng)]
    return {"scores until it stops": np.array(counts)}


def _beyond_plain(impl, rng, runs, *settings):
    """Return how much later each run stops than a plain peak does, with the same patience.

    So this says nothing about how patience is counted, which is another check's question.
    """
    later = []
    for p, scores in runs:
        plain = _peak(rng, 2, 7)
        stopper = impl.EarlyStopping(p, *settings)
        later.append(_stopped_at(stopper, scores) - _stopped_at(impl.EarlyStopping(p), plain))
    return {"when it stops": np.array(later)}


def _renewal(impl, rng):
    """Fall, gain, fall: the second fall has the whole patience."""
    runs = []
    for p in rng.permutation([3, 4, 5]):
        first, second = _peak(rng, int(rng.integers(1, 5)), p - 2), _peak(rng, 1, 7)
        runs.append((int(p), np.r_[first, 0.2 + second]))
    return _beyond_plain(impl, rng, runs)


def _ties(impl, rng):
    """A rise, and then the same score forever, but for one that is none."""
    runs = []
    for p in rng.permutation([2, 3, 4]):
        rise = _peak(rng, int(rng.integers(2, 7)), 0)
        runs.append((int(p), np.r_[rise, np.nan, np.repeat(rise[-1:], 6)]))
    return _beyond_plain(impl, rng, runs)


def _losses(impl, rng):
    runs = [(p, 2 - scores) for p, scores in _peaks(rng)]
    return _beyond_plain(impl, rng, runs, 0.0, "min")


def _least_gain(impl, rng):
    """A rise that is too slow from time to time, but adds up; and one that levels off."""
    least = rng.uniform(0.02, 0.04)
    slow = np.r_[0.6 * np.arange(11), np.arange(5, 0, -1)]
    level = np.array([0, 1.5, 2.0, 1.2, 2.3, 2.2, 2.1, 2.0, 1.9])
    runs = []
    for rise in (slow, level):
        start = 0.1 + 2 * least * np.arange(rng.integers(1, 7))
        runs.append((3, np.r_[start, start[-1] + least * (2 + rise)]))
    high = _beyond_plain(impl, rng, runs, least)
    low = _beyond_plain(impl, rng, [(p, 2 - scores) for p, scores in runs], least, "min")
    return {"when it stops": np.r_[high["when it stops"], low["when it stops"]]}


def _kept(impl, rng):
    """Return a stopper after a run in which training changes the weights that it was shown."""
    stopper = impl.EarlyStopping(NEVER)
    weights = live({"w": rng.normal(size=(WIDE, TALL)), "b": rng.normal(size=TALL)})
    for score in _peak(rng, 4, 3):
        for array in weights.values():
            array += rng.normal(size=array.shape)
        stopper.update(float(score), weights)
    return stopper


def _best_weights(impl, rng):
    kept = _kept(impl, rng).best_weights
    if not isinstance(kept, dict):
        raise BadReturn(f"best_weights must be a dict, got {type(kept).__name__}")
    return {f"best {name}": kept[name] for name in ("w", "b")}


def _best_score(impl, rng):
    return {"best": np.array(float(_kept(impl, rng).best))}


# ------------------------------------------------------------------ kill the bug

LONGEST = 200  # scores
PATIENCE = 3  # with which "kill the bug" is tried


def stops_without_renewal(scores, patience):
    """Somebody's early stopping: after how many scores it stops; 0 if it never does."""
    best, left = 0.0, patience
    for count, score in enumerate(scores, start=1):
        if score > best:
            best = score
        else:
            left -= 1
        if left == 0:
            return count
    return 0


def _stops(scores):
    """Return after how many scores a run ends, by the age of the maximum at every time."""
    ages = [t - int(np.argmax(scores[: t + 1])) for t in range(len(scores))]
    return next((t + 1 for t, age in enumerate(ages) if age >= PATIENCE), 0)


SCORE_OUTCOMES = (
    "right and wrong stop at different scores",
    f"scores must be an array of 2 to {LONGEST} numbers from 0 to 1",
    "your own EarlyStopping is wrong for these scores",
    "neither of the two stops: no score is below the best one before it",
    "neither of the two stops: some patience is left in the end",
    "both stop at the same score, before there is a gain after a fall",
)


def _unfair_scores(scores):
    fair = scores.ndim == 1 and 2 <= scores.size <= LONGEST
    return 0 if fair and np.all((scores >= 0) & (scores <= 1)) else 1


def _score_outcome(scores, own):
    """Return the place in SCORE_OUTCOMES of what these scores show."""
    if own is None or own.shape or own != _stops(scores):
        return 2
    if own != stops_without_renewal(scores, PATIENCE):
        return 0
    if own:
        return 5
    return 4 if (scores < np.maximum.accumulate(scores)).any() else 3


# ------------------------------------------------------------------ ensembles


def _members(impl, rng):
    probabilities, _ = impl.ensemble_predict(rng.normal(size=(3, 6, 4), scale=2))
    return {"probabilities": probabilities}


def _choice(impl, rng):
    """Examples in which votes, mean scores and the surest model choose otherwise.

    In the first, two of three models hardly prefer another class; in the second, one model rules a
    class out; in the third, one model is sure of a class that the others find unlikely.
    """
    a = np.array([[9, 1], [4.5, 5.5], [4.5, 5.5]])
    b = np.array([[1e-6, 10], [8, 2], [8, 2]])
    c = np.array([[9.5, 0.5], [2, 8], [2, 8]])
    p = np.stack([a, b, c], axis=1)[:, rng.permutation(3)] / 10  # (M, N, 2)
    unlikely = np.full((*p.shape[:2], 2), 1e-4)
    columns = rng.permutation(4)
    scores = np.log(np.concatenate([p, unlikely], axis=2))[:, :, columns]
    clear = rng.normal(size=(3, 2, 4)) + 9 * np.eye(4)[rng.integers(4, size=2)]  # so that N ≠ M
    _, labels = impl.ensemble_predict(np.concatenate([scores, clear], axis=1))
    return {"labels": labels}


def _one_member(impl, rng):
    probabilities, _ = impl.ensemble_predict(rng.normal(size=(1, 5, 3), scale=2))
    return {"probabilities": probabilities}


def _large_scores(impl, rng):
    """So large that exp overflows; a constant on all scores of an example changes nothing."""
    scores = rng.normal(size=(1, 4, 3)) + rng.choice([-1.0, 1.0], size=(1, 4, 1)) * 900
    probabilities, _ = impl.ensemble_predict(scores)
    return {"probabilities": probabilities}


# ------------------------------------------------------------------ averages of weights


def _averages(impl, rng, settings, steps=9):
    """Return the average after every step of a random walk."""
    config, seen = dict(settings), []
    w = rng.normal(size=(WIDE, TALL)) + 2
    for _ in range(steps):
        w = w + rng.normal(size=w.shape)
        average, config = impl.polyak_average(w.copy(), config)
        seen.append(average)
    return {"averages": np.array(seen)}


def _uniform(impl, rng):
    return _averages(impl, rng, {"kind": "uniform"})


def _from_zero(impl, rng):
    return _averages(impl, rng, {"kind": "exponential", "start": "zero", "beta": 0.7})


def _from_weights(impl, rng):
    return _averages(impl, rng, {"kind": "exponential", "start": "weights", "beta": 0.7})


def _late(impl, rng):
    """Of the exponential mean only what does not depend on β: its first value after the start."""
    uniform = _averages(impl, rng, {"kind": "uniform", "start_at": 4})
    moving = _averages(impl, rng, {"kind": "exponential", "start_at": 4, "beta": 0.7}, steps=5)
    return {**uniform, "first exponential average": moving["averages"][-1]}


def _defaults(impl, rng):
    """From None; and the weights that go in stay as they are."""
    config, seen = None, []
    for w in rng.normal(size=(4, WIDE, TALL)):
        average, config = impl.polyak_average(w, config)
        seen.append(average)
    return {"averages": np.array(seen), **afterwards("w", (w,))}


# ------------------------------------------------------------------ snapshots


class Cycling:
    """A model, a step with momentum and a restart: all of them spies.

    The gradient of step n is w minus a random target.
    """

    def __init__(self, rng, momentum=0.0):
        self.weights = live({"w": rng.normal(size=(WIDE, TALL)), "b": rng.normal(size=TALL)})
        self.targets = {n: rng.normal(size=(NEVER, *w.shape)) for n, w in self.weights.items()}
        self.velocity = {name: np.zeros(w.shape) for name, w in self.weights.items()}
        self.momentum, self.rates = momentum, []
        self.model = SimpleNamespace(state_dict=lambda: dict(self.weights))

    def run(self, impl, schedule, length, cycles, members):
        """Pass everything to the student's loop; return its snapshots."""
        snapshots = impl.snapshot_ensemble(
            *(self.model, self.take_step, self.restart, schedule, length, cycles, members)
        )
        listed = isinstance(snapshots, list | tuple) and all(isinstance(s, dict) for s in snapshots)
        if not listed:
            raise BadReturn("snapshot_ensemble must return a list of dicts of weights")
        return snapshots

    def take_step(self, rate):
        """Take a step of gradient descent with momentum, and write down its rate."""
        for name, w in self.weights.items():
            gradient = np.asarray(w) - self.targets[name][len(self.rates) % NEVER]
            self.velocity[name] = self.momentum * self.velocity[name] + gradient
            w -= float(rate) * self.velocity[name]
        self.rates.append(float(rate))

    def restart(self):
        """Forget the velocity."""
        for velocity in self.velocity.values():
            velocity[...] = 0


def _constant(t):
    return 0.3


def _cycle_rates(impl, rng):
    high = rng.uniform(0.4, 0.8)

    def schedule(t):
        return high / (1 + t)

    spies = Cycling(rng)
    spies.run(impl, schedule, 4, 3, 3)
    return {"rates": np.array(spies.rates)}


def _ends_of_cycles(impl, rng):
    snapshots = Cycling(rng).run(impl, _constant, 6, 4, 4)
    return {f"{name} of the snapshots": np.array([s[name] for s in snapshots]) for name in "wb"}


def _forgotten(impl, rng):
    spies = Cycling(rng, momentum=0.8)
    spies.run(impl, _constant, 4, 3, 3)
    return {"weights after all cycles": spies.weights["w"]}


def _last_members(impl, rng):
    """Weights that only grow tell the order; how many there are, and whether they rise."""
    spies = Cycling(rng)
    for targets in spies.targets.values():
        targets[...] = 100
    snapshots = spies.run(impl, _constant, 2, 5, 3)
    first = np.array([s["w"].flat[0] for s in snapshots])
    return {"one weight of each snapshot": first}


# ------------------------------------------------------------------ wire the pipeline

BATCHES, EPOCHS, BEST = 2, 6, 3  # of the loops' made-up training; the best epoch


class Scripted:
    """A stopper whose mind is made up: which epoch is the best, and when to stop."""

    def __init__(self, best_at, stop_at):
        self.best_at, self.stop_at = best_at, stop_at
        self.scores, self.best, self.best_weights = [], 0.0, None

    def update(self, score, weights):
        """Write the score down; keep the weights of the epoch that was said to be the best."""
        self.scores.append(float(score))
        if len(self.scores) == self.best_at:
            self.best = float(score)
            self.best_weights = {n: np.array(w).view(Live) for n, w in weights.items()}
        return len(self.scores) == self.stop_at


class Training:
    """A model with two modes, its optimizer, a loss and data in three parts: all of them spies.

    The weights are w (WIDE,), the loss of a batch b is ½|w − b|², and gradients add up until they
    are set to zero. The accuracy on a part depends on how many steps were taken.
    """

    def __init__(self, rng):
        self.w = rng.normal(size=WIDE).view(Live)
        self.gradient, self.batches = np.zeros(WIDE), list(rng.normal(size=(BATCHES, WIDE)))
        self.rate = rng.uniform(0.3, 0.6)
        scores = rng.uniform(0.2, 0.8, size=(3, BATCHES * EPOCHS + 1))
        scores[1, BEST * BATCHES] = 0.9  # the highest on validation data, as the stopper will say
        scores[2, (BEST + 1) * BATCHES] = 0.9  # the highest on test data, where nobody should look
        self.scores = dict(zip(("train", "val", "test"), scores, strict=True))
        self.training, self.steps_in, self.asked_in = True, [], []
        self.path, self.tested = [], []
        self.model = SimpleNamespace(
            state_dict=lambda: {"w": self.w},
            load_state_dict=self._load_state_dict,
            zero_grad=self._zero_grad,
            train=self._train,
            eval=lambda: self._train(False),
        )
        self.optimizer = SimpleNamespace(step=self._step, zero_grad=self._zero_grad)

    def run(self, impl, stopper):
        """Pass everything to the student's loop and return its two results."""
        return impl.train_and_select(
            *(self.model, self.optimizer, self.batches, self._loss_of),
            *(self._accuracy, stopper, EPOCHS),
        )

    def _train(self, mode=True):
        self.training = bool(mode)
        return self.model

    def _load_state_dict(self, state):
        self.w[...] = state["w"]

    def _zero_grad(self, set_to_none=True):
        self.gradient[...] = 0

    def _loss_of(self, batch):
        return SimpleNamespace(backward=lambda: self._backward(batch), item=lambda: 0.0)

    def _backward(self, batch):
        self.gradient += np.asarray(self.w) - batch
        self.steps_in.append(self.training)

    def _step(self):
        self.w -= self.rate * self.gradient
        self.path.append(np.array(self.w))

    def _accuracy(self, part):
        self.asked_in.append(self.training)
        if part == "test":
            self.tested.append(np.array(self.w))
        return float(self.scores[part][min(len(self.path), BATCHES * EPOCHS)])


def _path(impl, rng):
    training = Training(rng)
    training.run(impl, Scripted(best_at=BEST, stop_at=NEVER))
    return {"weights after every step": np.array(training.path)}


def _modes(impl, rng):
    training = Training(rng)
    training.run(impl, Scripted(best_at=BEST, stop_at=NEVER))
    return {
        "fraction of steps in train mode": np.mean(training.steps_in),
        "fraction of accuracies in train mode": np.mean(training.asked_in),
    }


def _validation(impl, rng):
    stopper = Scripted(best_at=BEST, stop_at=NEVER)
    Training(rng).run(impl, stopper)
    return {"scores that the stopper saw": np.array(stopper.scores)}


def _stops_when_told(impl, rng):
    steps = []
    for stop_at in rng.permutation([1, 2, 3, 4, 5, NEVER]):
        training = Training(rng)
        training.run(impl, Scripted(best_at=1, stop_at=stop_at))
        steps.append(len(training.path))
    return {"steps": np.array(steps)}


def _test_set(impl, rng):
    """A run that is stopped, and one that goes on to its last epoch."""
    stopped, whole = Training(rng), Training(rng)
    stopped.run(impl, Scripted(best_at=BEST, stop_at=5))
    whole.run(impl, Scripted(best_at=BEST, stop_at=NEVER))
    return {
        "weights that met the test set": np.array(stopped.tested),
        "weights that met it after the last epoch": np.array(whole.tested),
        "weights in the end": stopped.w,
    }


def _results(impl, rng):
    val, test = Training(rng).run(impl, Scripted(best_at=BEST, stop_at=5))
    return {"val": val, "test": test}


class Averaged:
    """A model with weights and statistics, an average of its weights, and a score: spies.

    The right statistics of weights w are w squared; the score weighs both.
    """

    def __init__(self, rng, of_weights, of_statistics):
        self.state = live({name: rng.normal(size=WIDE) for name in ("w", "running_var")})
        self.average = live({name: rng.normal(size=WIDE) for name in ("w", "running_var")})
        self.before = {name: np.array(array) for name, array in self.state.items()}
        self.shares = rng.normal(size=(2, WIDE)) * [[of_weights], [of_statistics]]
        self.model = SimpleNamespace(
            state_dict=lambda: dict(self.state),
            load_state_dict=self._load_state_dict,
            train=lambda mode=True: None,
            eval=lambda: None,
        )

    def run(self, impl):
        """Pass everything to the student's function and return its score."""
        return impl.evaluate_average(self.model, self.average, self._refresh, self._evaluate)

    def _load_state_dict(self, state):
        for name, array in self.state.items():
            array[...] = state[name]

    def _refresh(self):
        self.state["running_var"][...] = np.asarray(self.state["w"]) ** 2

    def _evaluate(self):
        return float(np.sum(self.shares * np.stack(list(self.state.values()))))


def _score_of_weights(impl, rng):
    return {"scores": np.array([Averaged(rng, 1, 0).run(impl) for _ in range(3)])}


def _score_of_statistics(impl, rng):
    return {"scores": np.array([Averaged(rng, 0, 1).run(impl) for _ in range(3)])}


def _as_before(impl, rng):
    spies = Averaged(rng, 1, 1)
    spies.run(impl)
    return {f"{name} afterwards": array for name, array in spies.state.items()}


# ------------------------------------------------------------------ the exercises


def _updates(settings, scores):
    """Return the program that shows what a stopper says to these scores."""
    return (
        f"stopper = EarlyStopping({settings})\n"
        f"[bool(stopper.update(score, {{}})) for score in ({scores})]"
    )


def _path_of(config, weights):
    """Return the program that shows the average after these weights."""
    return (
        f"config = {{{config}}}\n"
        f"for w in ({weights},):\n"
        "    average, config = polyak_average(np.array([w]), config)\n"
        "average"
    )


AVERAGED_MODEL = "torch.optim.swa_utils.AveragedModel"
RETURNS = {
    "EarlyStopping": ("stopper",),
    "separating_scores": ("scores",),
    "ensemble_predict": ("probabilities", "labels"),
    "snapshot_ensemble": ("snapshots",),
    "polyak_average": ("average", "config"),
    "train_and_select": ("val", "test"),
    "evaluate_average": ("score",),
}

exercise = family("generalization", RETURNS, [AVERAGED_MODEL])

EARLY_STOPPING = exercise(
    "Early stopping",
    "EarlyStopping",
    (
        Check("it stops when the patience is over", 3, _patience),
        Check("a gain renews the patience", 2, _renewal),
        Check("an equal score is no gain, nor is NaN", 2, _ties),
        Check("losses: low is good", 2, _losses),
        Check("the least gain counts from the best score", 2, _least_gain),
        Check("it keeps a copy of the best weights", 4, _best_weights),
        Check("the best score", 1, _best_score),
    ),
    "64",
    kind="class",
    shared=True,
    small=(
        "bool(EarlyStopping(1).update(0.5, {}))",
        _updates("1", "0.5, 0.4"),
        _updates("2", "0.5, 0.4, 0.3"),
        _updates("2", "0.5, 0.4, 0.6, 0.5, 0.5"),
        _updates("2", "0.5, 0.5, 0.5"),
        _updates('2, 0.0, "min"', "2.0, 1.0, 1.5, 1.2"),
        _updates("2, 0.1", "0.50, 0.56, 0.58, 0.65"),
        """\
class Weights(np.ndarray):  # an array that can do what a tensor can
    clone, detach, cpu = np.ndarray.copy, lambda self: self, lambda self: self

stopper, w = EarlyStopping(3), np.zeros(1).view(Weights)
for score in (0.5, 0.7, 0.6):
    w += 1
    stopper.update(score, {"w": w})
stopper.best, stopper.best_weights["w"]""",
    ),
    look="""\
stopper, w = EarlyStopping(patience=2), np.zeros(1)
for score in (0.5, 0.7, 0.6, 0.65):
    w += 1  # training changes the array in place
    print(score, stopper.update(score, {"w": w}), stopper.best, stopper.best_weights)
# the last line says True, 0.7 and w = 2, although w is 4 by then""",
)
SEPARATING = exercise(
    "Kill the bug: scores for a patience that is never renewed",
    "EarlyStopping separating_scores",
    (
        separation(
            "your scores tell right from wrong",
            3,
            SCORE_OUTCOMES,
            find=lambda impl: impl.separating_scores(PATIENCE),
            own=lambda impl, x: np.array(_stopped_at(impl.EarlyStopping(PATIENCE), x)),
            unfair=_unfair_scores,
            outcome=_score_outcome,
        ),
    ),
    "64",
    given=(stops_without_renewal,),
    shared=True,
    no_small=KILLS_A_BUG,
    look="""\
# After how many of your scores each of the two stops (0: never).
stopper, stops = EarlyStopping(3), []
for score in separating_scores(3):
    stops.append(stopper.update(score, {}))
print("yours:          ", stops.index(True) + 1 if True in stops else 0)
print("without renewal:", stops_without_renewal(separating_scores(3), 3))
""",
)
ENSEMBLE = exercise(
    "Predict with an ensemble",
    "ensemble_predict",
    (
        Check("probabilities of three models", 3, _members),
        Check("the class of the highest mean probability", 2, _choice),
        Check("probabilities of one model alone", 2, _one_member),
        Check("large scores do not overflow", 2, _large_scores),
    ),
    "65",
    small=(
        "ensemble_predict(np.array([[[0.0, 0.0]]]))[0]",
        "ensemble_predict(np.array([[[1.0, 0.0]]]))[0]",
        "ensemble_predict(np.array([[[1.0, 0.0], [0.0, 2.0]]]))[0]",
        "ensemble_predict(np.array([[[4.0, 0.0]], [[0.0, 0.0]]]))[0]",
        "ensemble_predict(np.array([[[4.0, 0.0]], [[-1.0, 0.0]], [[-1.0, 0.0]]]))[1]",
        "ensemble_predict(np.array([[[2.0, 0.0]], [[-1.5, 0.0]], [[-1.5, 0.0]]]))[1]",
        "ensemble_predict(np.array([[[1000.0, 0.0]]]))[0]",
    ),
    look="""\
sure, unsure = [[4.0, 0.0]], [[-1.0, 0.0]]
probabilities, labels = ensemble_predict(np.array([sure, unsure, unsure]))
print(probabilities, probabilities.sum(axis=1), labels)
# one row that sums to 1; class 0, although two of three models prefer class 1""",
)
SNAPSHOTS = exercise(
    "Snapshots of one run",
    "snapshot_ensemble",
    (
        Check("the rate of every step", 3, _cycle_rates),
        Check("the weights at the ends of the cycles", 4, _ends_of_cycles),
        Check("every cycle starts without velocity", 2, _forgotten),
        Check("the last cycles, in their order", 2, _last_members),
    ),
    "66–67",
    shared=True,
    no_small=CALLBACK,
    look="""\
# A model of one number, which every step moves by the rate. Three cycles of steps at the rates 2
# and 1 bring it to 3, 6 and 9; of two members the numbers should still be 6 and 9 at the end.
number = {"w": np.zeros(1)}

class Model:
    def state_dict(self):
        return number

def move(rate):
    number["w"] += rate

print(snapshot_ensemble(Model(), move, lambda: None, lambda t: 2 - t, 2, 3, 2))
""",
)
POLYAK = exercise(
    "Polyak averaging",
    "polyak_average",
    (
        Check("the uniform mean", 5.5, _uniform),
        Check("a late start", 1, _late),
        Check("the exponential mean, from zero", 2.5, _from_zero),
        Check("the exponential mean, from the weights", 2.5, _from_weights),
        Check("without a config; w is left alone", 1.5, _defaults),
    ),
    "68",
    small=(
        "polyak_average(np.array([2.0]))[0]",
        _path_of("", "1.0, 3.0"),
        _path_of('"kind": "uniform"', "1.0, 3.0, 8.0"),
        _path_of('"beta": 0.5', "1.0, 3.0"),
        _path_of('"beta": 0.5', "1.0, 3.0, 8.0"),
        _path_of('"beta": 0.5, "start": "weights"', "1.0, 3.0"),
        _path_of('"kind": "uniform", "start_at": 1', "1.0"),
        _path_of('"kind": "uniform", "start_at": 1', "1.0, 3.0, 8.0"),
    ),
    look="""\
for settings in ({"kind": "uniform"}, {"beta": 0.9}, {"beta": 0.9, "start": "weights"}):
    config = dict(settings)
    for w in (1.0, 3.0, 2.0, 5.0, 4.0):
        average, config = polyak_average(np.array([w]), config)
    print(settings, average)
# 3, 3.1655 and 1.8868: three averages of the same weights""",
)
SELECT = exercise(
    "Wire the pipeline: train, select, report",
    "train_and_select",
    (
        Check("every step follows the gradient of its batch", 3, _path),
        Check("steps in train mode, accuracies in test mode", 2, _modes),
        Check("the stopper sees validation accuracies", 4, _validation),
        Check("it stops when it is told to", 2, _stops_when_told),
        Check("only the selected weights meet the test set, once", 4, _test_set),
        Check("both accuracies are returned", 1, _results),
    ),
    "64",
    shared=True,
    no_small=CALLBACK,
    look="""\
# A model, an optimizer and data that only tell what is done with them: two epochs of one batch. The
# test data should be asked for once, at the very end.
class Told:
    def __getattr__(self, name):
        return lambda *args: print(name, end=" ") or ({} if name == "state_dict" else self)

def asked(part):
    print(f"accuracy({part})", end=" ")
    return 0.75

print(train_and_select(Told(), Told(), [1], lambda batch: Told(), asked, EarlyStopping(5), 2))
""",
)
AVERAGE = exercise(
    "Wire the pipeline: look at the average, and train on",
    "evaluate_average",
    (
        Check("the averaged weights are scored", 2, _score_of_weights),
        Check("with statistics of their own", 2, _score_of_statistics),
        Check("the model is as it was", 2, _as_before),
    ),
    "68",
    shared=True,
    no_small=CALLBACK,
    look="""\
# A model of one number, 5, and the average 2. The score should be that of the average, for which
# the statistics are collected again; afterwards the model should be back at 5.
class Model:
    w = 5.0

    def state_dict(self):
        return {"w": self.w}

    def load_state_dict(self, state):
        self.w = state["w"]

model = Model()
score = evaluate_average(model, {"w": 2.0}, lambda: print("collected at", model.w), lambda: model.w)
print("score", score, "and afterwards", model.w)
""",
)

EXERCISES = (
    EARLY_STOPPING,
    SEPARATING,
    ENSEMBLE,
    SNAPSHOTS,
    POLYAK,
    SELECT,
    AVERAGE,
    ENSEMBLE.in_torch(2),
    POLYAK.in_torch(4),
)
