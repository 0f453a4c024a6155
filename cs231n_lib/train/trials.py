"""Trials of a training: a first rate, which of two ways is better, searches that go on."""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cs231n_lib.errors import above, below, between, whole
from cs231n_lib.train.loop import TrainingInterrupted, interruptions
from cs231n_lib.train.progress import progress_bar, shown_progress
from cs231n_lib.train.state import require_writable


def find_rate(train, low, high, steps, keep=0.9):
    """Raise the rate from step to step, by the same factor each time, and watch the loss.

    Args:
        train: function (schedule, steps) -> `History`, which trains a *new* network so.
        low, high: rates of the first and the last step.
        steps: how many, at least two; a run that diverges ends sooner.
        keep: fraction of the old value in the running average of the loss, which is debiased.

    Returns:
        (rates, losses): two arrays (T,); losses are smoothed, T <= steps. Good rates are those at
        which the loss falls fast, well below the rate at which it rises.

    Raises:
        ValueError: for a number outside its range.

    Before there is a schedule, this finds its first rate (Smith 2017, arXiv:1506.01186; slide 49).

    >>> from cs231n_lib.data import digits
    >>> from cs231n_lib.layers.network import Affine, Network
    >>> from cs231n_lib.train import fit
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
    history = _uncut(train, lambda t: low * (high / low) ** (t / (steps - 1)), steps)
    average, losses = 0.0, []
    for t, loss in enumerate(history.loss, start=1):
        if not math.isfinite(loss):
            break
        average = keep * average + (1 - keep) * loss
        losses.append(average / (1 - keep**t))
    return np.array(history.rates[: len(losses)]), np.array(losses)


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

    Returns:
        A `Comparison`: both means, the mean difference and its interval.

    Raises:
        ValueError: for fewer than two seeds, for repeated seeds, or when a result is not finite.
        TrainingInterrupted: when a training of a or b was interrupted and returned all the same.

    >>> compare(lambda seed: seed + 2.0, lambda seed: seed / 2, [1, 2, 3], names=("BN", "none"))
    BN is above none by 3 on average (95 % interval +1.76 to +4.24, 3 seeds).
    """
    seeds = list(seeds)
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be two or more different numbers, got {seeds}")
    results = [
        (_number(_uncut(a, seed)), _number(_uncut(b, seed)))
        for seed in shown_progress(seeds, progress, "seeds")
    ]
    for seed, pair in zip(seeds, results, strict=True):
        if not all(map(math.isfinite, pair)):
            raise ValueError(
                f"results must be finite, got {pair} at seed {seed}; return a number for a run "
                "that diverges too, such as the accuracy of guessing"
            )
    first, second = np.array(results).T
    differences = first - second
    margin = t_quantile(0.975, len(seeds) - 1) * differences.std(ddof=1) / math.sqrt(len(seeds))
    mean = differences.mean()
    bounds = float(mean), float(mean - margin), float(mean + margin)
    return Comparison(tuple(names), first, second, *bounds)


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
        OSError: when it cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     square = remembered(lambda x: print("computing") or x * x, f"{folder}/squares.json")
    ...     square(3.0), square(3.0)
    computing
    (9.0, 9.0)
    """
    path = Path(path)
    require_writable(path, path.name)
    known = _read_results(path) if path.exists() else {}
    bar = progress_bar(progress, total=total, desc="trials")

    def call(*numbers):
        key = tuple(map(float, numbers))
        if key not in known:
            known[key] = _number(_uncut(function, *numbers))
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


def _number(result):
    try:
        return float(result)
    except (TypeError, ValueError):
        raise TypeError(
            f"a trial must return a number, got {type(result).__name__} {result!r:.60}"
        ) from None


def _uncut(call, *arguments):
    """The result of a call, unless a training in it was interrupted and returned all the same."""
    before = len(interruptions)
    result = call(*arguments)
    if len(interruptions) > before:
        raise TrainingInterrupted(
            "an interrupted training is no result; on_interrupt='return' is for single runs",
            interruptions[-1],
        )
    return result


def t_quantile(p, freedom):
    """The value below which Student's t with `freedom` degrees lies with probability p > ½.

    >>> round(t_quantile(0.975, 4), 4), round(t_quantile(0.975, 1), 4)
    (2.7764, 12.7062)
    """
    whole(1)("freedom", freedom)
    between(0.5, 1)("p", p)
    low, high = 0.0, 1.0
    while _t_probability(high, freedom) < p:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _t_probability(middle, freedom) < p else (low, middle)
    return high


def _t_probability(t, freedom):
    """P(T <= t) for t >= 0, by the finite sums for whole degrees of freedom.

    Abramowitz & Stegun 1964, 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= math.cos(angle) ** 2 * (k - 1) / k
        total += term
    inside = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return (1 + inside) / 2
