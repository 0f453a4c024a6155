"""A small trainer for NumPy networks and PyTorch models, and fair ways to compare runs.

`fit` and `fit_torch` take the same arguments, see the same batches for the same `rng`, and return
the same `History`. Nothing here warns about a run that diverges: it stops, and its history says so.
"""

import json
import math
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cs231n_lib.data import batches
from cs231n_lib.errors import above, at_least, below, labels, validated, whole

EVALUATED = 1000  # training examples on which the training accuracy is measured


@dataclass
class History:
    """What a run saw.

    loss: of the batch of every step; rates: the learning rate of every step, NaN where a PyTorch
    optimizer has no "lr"; steps: after how many steps the accuracies were measured; train_accuracy,
    val_accuracy: fractions, in test mode; diverged: the loss became infinite or NaN and the run
    stopped there.
    """

    loss: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    train_accuracy: list = field(default_factory=list)
    val_accuracy: list = field(default_factory=list)
    diverged: bool = False
    rates: list = field(default_factory=list)

    def note(self, loss, rate):
        """Add the loss of a step and the rate with which it was made."""
        self.rates.append(rate)
        self.loss.append(loss)
        self.diverged = not math.isfinite(loss)

    def measure(self, step, net, accuracy, data):
        """Add the accuracies of `net` after this step, measured in test mode."""
        few = slice(0, EVALUATED)
        net.eval()
        self.steps.append(step)
        self.train_accuracy.append(accuracy(data.x_train[few], data.y_train[few]))
        self.val_accuracy.append(accuracy(data.x_val, data.y_val))
        net.train()

    def __repr__(self):
        if not self.loss:
            return "History: no steps"
        end = ", diverged" if self.diverged else ""
        accuracy = f", val accuracy {self.val_accuracy[-1]:.3f}" if self.val_accuracy else ""
        return f"History: {len(self.loss)} steps, loss {self.loss[-1]:.4g}{accuracy}{end}"


class StopTraining(Exception):
    """Raise it in a callback to end the training after this step; `fit` returns as usual.

    >>> from cs231n_lib.data import digits
    >>> from cs231n_lib.layers.network import Affine, Network
    >>> def enough(step, net, history):
    ...     if history.loss[-1] < 1:
    ...         raise StopTraining
    >>> rng = np.random.default_rng(0)
    >>> settings = {"steps": 1000, "batch_size": 50, "learning_rate": 0.3, "rng": rng}
    >>> history = fit(Network([Affine(64, 10, rng)]), digits(), callbacks=[enough], **settings)
    >>> len(history.loss) < 100
    True
    """


def sgd_update(w, dw, config):
    """Gradient descent: w − learning_rate·dw and the config, unchanged.

    >>> sgd_update(np.array([1.0]), np.array([0.5]), {"learning_rate": 0.2})[0]
    array([0.9])
    """
    return w - config["learning_rate"] * dw, config


def fit(
    net,
    data,
    *,
    steps=None,
    epochs=None,
    batch_size,
    learning_rate=None,
    schedule=None,
    rng,
    update=sgd_update,
    callbacks=(),
    evaluate_every=None,
    progress=None,
):
    """Train a NumPy network on random batches.

    Args:
        net: a `Network`; its parameters are changed, and it is left in test mode.
        data: a `Dataset`.
        steps or epochs: how long; one of the two. An epoch leaves out an incomplete last batch.
        batch_size: examples in a step.
        learning_rate or schedule: size of a step, reaches `update` in `config`; one of the two. A
            schedule is a function: number of steps done so far -> learning rate of the next one.
        rng: np.random.Generator that chooses the batches.
        update: (w, dw, config) -> next_w, config; every parameter has its own config.
        callbacks: functions (step, net, history), called after every step, the first being 1. An
            array that a callback keeps must be copied: the next step changes it.
        evaluate_every: steps between measurements of the accuracies; None measures at the end only.
            Training accuracy is that of the first 1,000 training examples.
        progress: True or False shows or hides the progress bar; None shows it after three seconds.

    Returns:
        a `History`.

    Raises:
        ValueError: for both or neither of steps and epochs, or of learning_rate and schedule, or a
            number outside its range.

    >>> from cs231n_lib.data import digits
    >>> from cs231n_lib.layers.network import Affine, Network
    >>> rng = np.random.default_rng(0)
    >>> net = Network([Affine(64, 10, rng)])
    >>> history = fit(net, digits(), steps=200, batch_size=50, learning_rate=0.3, rng=rng)
    >>> history.steps, history.val_accuracy[-1] > 0.8
    ([200], True)
    """
    rate_at = rate_function(learning_rate, schedule)
    configs = {name: {"learning_rate": learning_rate} for name in net.params}

    def step(x, y, rate):
        loss, gradients = net.loss_and_gradients(x, y)
        if math.isfinite(loss):
            update_parameters(net.params, gradients, configs, update, rate if schedule else None)
        return float(loss)

    return _run(
        net, data, step, net.accuracy, rate_at, steps, epochs, batch_size, rng, callbacks,
        evaluate_every, progress,
    )  # fmt: skip


def fit_torch(
    model,
    data,
    *,
    steps=None,
    epochs=None,
    batch_size,
    learning_rate=None,
    schedule=None,
    rng,
    optimizer=None,
    callbacks=(),
    evaluate_every=None,
    progress=None,
):
    """Train a PyTorch model with cross-entropy, as `fit` does; device and dtype are the model's.

    Args:
        model: an nn.Module from examples to scores; it is left in eval mode.
        optimizer: a torch optimizer over the model's parameters, with its own rate in place of
            `learning_rate`; torch.optim.SGD unless given. A `schedule` sets the rate of all its
            parameter groups before each step.
        (all others): as for `fit`.

    >>> import torch
    >>> from cs231n_lib.data import digits
    >>> rng, model = np.random.default_rng(0), torch.nn.Linear(64, 10)
    >>> history = fit_torch(model, digits(), steps=200, batch_size=50, learning_rate=0.3, rng=rng)
    >>> history.val_accuracy[-1] > 0.8
    True
    """
    import torch  # NumPy lessons need not wait for it

    rate_at = rate_function(learning_rate, schedule)
    first = next(model.parameters())
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=rate_at(0))
    groups = optimizer.param_groups

    def rate_of(t):  # callbacks may change an optimizer's own rate
        return groups[0].get("lr", math.nan) if schedule is None else rate_at(t)

    def step(x, y, rate):
        if schedule is not None:
            for group in groups:
                group["lr"] = rate
        x = torch.as_tensor(x, dtype=first.dtype, device=first.device)
        loss = torch.nn.functional.cross_entropy(model(x), torch.as_tensor(y, device=first.device))
        optimizer.zero_grad()
        loss.backward()
        if torch.isfinite(loss):
            optimizer.step()
        return loss.item()

    def accuracy(x, y):
        right = 0
        with torch.inference_mode():
            for start in range(0, len(x), EVALUATED):
                part = slice(start, start + EVALUATED)
                scores = model(torch.as_tensor(x[part], dtype=first.dtype, device=first.device))
                right += (scores.argmax(dim=1).cpu().numpy() == y[part]).sum()
        return float(right / len(x))

    return _run(
        model, data, step, accuracy, rate_of, steps, epochs, batch_size, rng, callbacks,
        evaluate_every, progress,
    )  # fmt: skip


def rate_function(learning_rate, schedule):
    """Return the function t -> learning rate that the arguments of `fit` describe."""
    if (learning_rate is None) == (schedule is None):
        raise ValueError(
            "pass either learning_rate or schedule, a function of the step, got "
            f"learning_rate={learning_rate} and schedule={schedule}"
        )
    if schedule is None:
        above(0)("learning_rate", learning_rate)
        return lambda t: learning_rate

    def rate_at(t):
        rate = schedule(t)
        at_least(0)(f"schedule({t})", rate)
        return float(rate)

    return rate_at


def _run(
    net, data, step, accuracy, rate_at, steps, epochs, batch_size, rng, callbacks, evaluate_every,
    progress,
):  # fmt: skip
    whole(1)("batch_size", batch_size)
    if evaluate_every is not None:
        whole(1)("evaluate_every", evaluate_every)
    steps = length_of(steps, epochs, len(data.x_train), batch_size)
    history = History()
    net.train()
    stream = endless_batches(data, batch_size, rng)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # diverging is an outcome
        for number in shown_progress(range(1, steps + 1), progress, "training"):
            rate = rate_at(number - 1)
            history.note(step(*next(stream), rate), rate)
            due = number == steps or (evaluate_every and number % evaluate_every == 0)
            if not finish_step(number, net, history, accuracy, data, due, callbacks):
                break
    net.eval()
    return history


def update_parameters(params, gradients, configs, update, rate):
    """Change every parameter in place as `update` says; a rate of None leaves that in configs."""
    for name, w in params.items():
        if rate is not None:
            configs[name]["learning_rate"] = rate
        w[...], configs[name] = update(w, gradients[name], configs[name])


def finish_step(number, net, history, accuracy, data, due, callbacks):
    """Measure the accuracies where due, call the callbacks; return whether the training goes on."""
    if due or history.diverged:
        history.measure(number, net, accuracy, data)
    try:
        for callback in callbacks:
            callback(number, net, history)
    except StopTraining:
        if history.steps[-1:] != [number]:
            history.measure(number, net, accuracy, data)
        return False
    return not history.diverged


def length_of(steps, epochs, examples, batch_size):
    """The number of steps that the arguments of `fit` describe."""
    if (steps is None) == (epochs is None):
        raise ValueError(f"pass either steps or epochs, got steps={steps} and epochs={epochs}")
    if steps is not None:
        whole(1)("steps", steps)
        return steps
    whole(1)("epochs", epochs)
    if batch_size > examples:
        raise ValueError(f"batch_size must be at most {examples}, the examples, got {batch_size}")
    return epochs * (examples // batch_size)


def endless_batches(data, batch_size, rng):
    """Batches of the training examples, epoch after epoch, each in another order."""
    while True:
        yield from batches(data.x_train, data.y_train, batch_size, rng)


def shown_progress(items, progress, description):
    """The items, behind a bar that `progress` shows or hides as in `fit`."""
    from tqdm.auto import tqdm

    delay = 0 if progress else 3
    return tqdm(items, description, disable=progress is False, delay=delay, leave=False)


# --------------------------------------------------------------------------- without a network


@validated(x="N D", y=labels("N"), penalty="nonnegative")
def softmax_regression(x, y, penalty):
    """Fit a linear classifier on features, with a squared penalty on its weights, by L-BFGS.

    The loss is mean(cross-entropy) + penalty · Σ w².

    Args:
        x: (N, D) features, about standardized; y: (N,) labels from 0.
        penalty: the penalty's strength; the bias has none.

    Returns:
        w (D, C), b (C,): the scores are x @ w + b.

    Raises:
        TypeError, ValueError: for features that are not floats, or a negative penalty.

    Slides 99–101.

    >>> w, b = softmax_regression(np.array([[-1.0], [1.0], [2.0]]), np.array([0, 1, 1]), 0.01)
    >>> (np.array([[-3.0], [3.0]]) @ w + b).argmax(axis=1)
    array([0, 1])
    """
    from scipy.optimize import minimize

    N, D = x.shape
    x = np.hstack([x, np.ones((N, 1))])  # (N, D + 1): the last weight is the bias
    target = np.eye(y.max() + 1)[y]  # (N, C)

    def loss_and_gradient(w):
        w = w.reshape(D + 1, -1)
        scores = x @ w
        scores -= scores.max(axis=1, keepdims=True)
        log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        loss = -(target * log_p).sum() / N + penalty * np.sum(w[:D] ** 2)
        gradient = x.T @ (np.exp(log_p) - target) / N
        gradient[:D] += 2 * penalty * w[:D]
        return loss, gradient.ravel()

    start = np.zeros((D + 1) * target.shape[1])
    w = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B").x.reshape(D + 1, -1)
    return w[:D], w[D]


# --------------------------------------------------------------------------- finding a rate


def find_rate(train, low, high, steps, keep=0.9):
    """Raise the rate from step to step, by the same factor each time, and watch the loss.

    Args:
        train: function (schedule, steps) -> `History`, which trains a *new* network so.
        low, high: rates of the first and the last step.
        steps: how many, at least two; a run that diverges ends sooner.
        keep: share of the old value in the running average of the loss, which is debiased.

    Returns:
        (rates, losses): two arrays (T,); losses are smoothed, T <= steps. Good rates are those at
        which the loss falls fast, well below the rate at which it rises.

    Raises:
        ValueError: for a number outside its range.

    Before there is a schedule, this finds its first rate (Smith 2017, arXiv:1506.01186; slide 49).

    >>> from cs231n_lib.data import digits
    >>> from cs231n_lib.layers.network import Affine, Network
    >>> rng, data = np.random.default_rng(0), digits()
    >>> def train(schedule, steps):
    ...     net = Network([Affine(64, 10, rng)])
    ...     return fit(net, data, schedule=schedule, steps=steps, batch_size=50, rng=rng)
    >>> rates, losses = find_rate(train, 1e-3, 10.0, steps=50)
    >>> bool(1e-2 < rates[losses.argmin()] < 10)
    True
    """
    above(0)("low", low)
    above(low)("high", high)
    whole(2)("steps", steps)
    below(1)("keep", keep)
    history = train(lambda t: low * (high / low) ** (t / (steps - 1)), steps)
    average, losses = 0.0, []
    for t, loss in enumerate(history.loss, start=1):
        if not math.isfinite(loss):
            break
        average = keep * average + (1 - keep) * loss
        losses.append(average / (1 - keep**t))
    return np.array(history.rates[: len(losses)]), np.array(losses)


# --------------------------------------------------------------------------- comparing


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Paired results of two ways, a and b, one pair a seed; prints as one sentence.

    a, b: (S,) results; mean: of the differences a − b; low, high: its 95 % interval (Student's t).
    """

    names: tuple
    a: np.ndarray
    b: np.ndarray
    mean: float
    low: float
    high: float

    @property
    def differences(self):
        """(S,) a − b for each seed."""
        return self.a - self.b

    def __str__(self):
        first, second = self.names
        interval = f"95 % interval {self.low:+.3g} to {self.high:+.3g}, {len(self.a)} seeds"
        if self.low <= 0 <= self.high:
            return f"{first} and {second} do not differ clearly: {self.mean:+.3g} ({interval})."
        relation = "above" if self.mean > 0 else "below"
        return f"{first} is {relation} {second} by {abs(self.mean):.3g} on average ({interval})."

    __repr__ = __str__


def compare(a, b, seeds, progress=None, names=("a", "b")):
    """Compare two ways by one number each, with the same seeds for both.

    The interval is Student's t of the paired differences: of many such comparisons, 95 % have the
    true mean difference inside. It needs two seeds; five or more make it useful.

    Args:
        a, b: functions seed -> number, such as a final accuracy.
        seeds: the seeds, at least two different ones.
        progress: as in `fit`.
        names: of a and b in the printed sentence.

    Raises:
        ValueError: for fewer than two seeds, for repeated seeds, or when a result is not finite.

    >>> compare(lambda seed: seed + 2.0, lambda seed: seed / 2, [1, 2, 3], names=("BN", "none"))
    BN is above none by 3 on average (95 % interval +1.76 to +4.24, 3 seeds).
    """
    from scipy.stats import t

    seeds = list(seeds)
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be two or more different numbers, got {seeds}")
    results = [
        (float(a(seed)), float(b(seed))) for seed in shown_progress(seeds, progress, "seeds")
    ]
    for seed, pair in zip(seeds, results, strict=True):
        if not all(map(math.isfinite, pair)):
            raise ValueError(
                f"results must be finite, got {pair} at seed {seed}; return a number for a run "
                "that diverges too, such as the accuracy of guessing"
            )
    first, second = np.array(results).T
    differences = first - second
    margin = t.ppf(0.975, len(seeds) - 1) * differences.std(ddof=1) / math.sqrt(len(seeds))
    mean = differences.mean()
    bounds = float(mean), float(mean - margin), float(mean + margin)
    return Comparison(tuple(names), first, second, *bounds)


def read_curve(history):
    """Say in a few words what a run's loss and accuracies look like (slide 8).

    One of: "learning rate too high", when the run diverged or its loss stays large and does not
    fall; "learning rate too low", when it stays large and falls steadily; "plateau", when it is
    flat at first and falls later or never; "gap", when the training accuracy is above that on
    validation data by 0.05 or more; "good". A rule of thumb for the size of these lessons, no
    more: "too low" means that the steps were not enough at this rate.

    Raises:
        ValueError: for a run of fewer than 20 steps that did not diverge.

    >>> falling = [2.3 * 0.9**step for step in range(40)]
    >>> read_curve(History(falling, [40], train_accuracy=[1.0], val_accuracy=[0.9]))
    'gap'
    """
    if history.diverged:
        return "learning rate too high"
    whole(20)("the number of steps", len(history.loss))
    first, tenths = history.loss[0], [np.mean(t) for t in np.array_split(history.loss, 10)]
    if not tenths[-1] < first:
        return "learning rate too high"
    fall, steepest = first - tenths[-1], -np.diff(tenths).min()
    flat = tenths[1] > 0.99 * first
    if flat and (fall < 0.01 * first or steepest > 5 * (first - tenths[1])):
        return "plateau"
    if tenths[-1] > 0.5 * first:
        return f"learning rate too {'low' if tenths[4] - tenths[-1] > 0.1 * fall else 'high'}"
    gap = history.train_accuracy[-1] - history.val_accuracy[-1]
    return "gap" if gap >= 0.05 else "good"


def remembered(function, path, total=None, progress=None):
    """Return `function` with a memory in a file, so that an interrupted search can go on.

    What it returned once for some numbers it returns again without a call, also after a restart.
    The file is a JSON list of [numbers..., result]; it is replaced as a whole after each call, so
    an interruption leaves it complete. Delete it when the function changes.

    Args:
        function: of finite numbers, such as hyperparameters, that returns a number (NaN: failed).
        path: of the file; its folder must exist.
        total: number of calls that are expected; a progress bar counts them.
        progress: as in `fit`.

    Raises:
        ValueError: when the file holds something else.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     square = remembered(lambda x: print("computing") or x * x, f"{folder}/squares.json")
    ...     square(3.0), square(3.0)
    computing
    (9.0, 9.0)
    """
    from tqdm.auto import tqdm

    path = Path(path)
    known = _read_results(path) if path.exists() else {}
    delay = 0 if progress else 3
    bar = tqdm(
        total=total, desc="trials", disable=progress is False, delay=delay, leave=False
    )  # fmt: skip

    def call(*numbers):
        key = tuple(map(float, numbers))
        if key not in known:
            known[key] = float(function(*numbers))
            _write_results(path, known)
        bar.update()
        if bar.n == total:
            bar.close()
        return known[key]

    return call


def _read_results(path):
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {
            tuple(numbers): math.nan if result is None else float(result)
            for *numbers, result in rows
        }
    except (ValueError, TypeError):
        raise ValueError(
            f"{path} must hold a JSON list of [numbers..., result]; delete it, or choose another "
            "path"
        ) from None


def _write_results(path, known):
    rows = [[*key, None if math.isnan(result) else result] for key, result in known.items()]
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(rows) + "\n", encoding="utf-8")
    os.replace(new, path)


def timed(function, repeats=5):
    """Median time of a call of `function`, in seconds, over `repeats` calls after one to warm up.

    It waits for the GPU where PyTorch uses one.

    >>> timed(lambda: sum(range(1000))) < 1
    True
    """
    whole(1)("repeats", repeats)
    seconds = []
    for _ in range(repeats + 1):
        _wait_for_gpu()
        start = time.perf_counter()
        function()
        _wait_for_gpu()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def predicted(guess, measured, unit=""):
    """Print how far a prediction was from what was measured.

    >>> predicted(3, 2.0, "s")
    You predicted 3 s; measured: 2 s. Your prediction was 50 % too high.
    >>> predicted(None, 0.25)
    No prediction made; measured: 0.25.
    """
    unit = f" {unit}" if unit else ""
    if guess is None:
        print(f"No prediction made; measured: {measured:.3g}{unit}.")
        return
    said = f"You predicted {guess:.3g}{unit}; measured: {measured:.3g}{unit}."
    if measured == 0:
        print(f"{said} The difference is {guess - measured:.3g}{unit}.")
        return
    off = 100 * (guess - measured) / abs(measured)
    if abs(off) < 0.5:
        print(f"{said} Exactly right.")
    else:
        print(f"{said} Your prediction was {abs(off):.0f} % too {'high' if off > 0 else 'low'}.")


def _wait_for_gpu():
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()
