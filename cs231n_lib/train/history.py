"""What a run saw: recorded, kept in a file, and read in words."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cs231n_lib.errors import whole

EVALUATED = 1000  # training examples on which the training accuracy is measured
SERIES = ("loss", "rates", "steps", "train_accuracy", "val_accuracy")


@dataclass
class History:
    """What a run saw.

    loss: of the batch of every step; rates: the learning rate of every step, NaN where a PyTorch
    optimizer has no "lr"; steps: after how many steps the accuracies were measured; train_accuracy,
    val_accuracy: fractions, in test mode; diverged: the loss became infinite or NaN and the run
    stopped there; interrupted: Ctrl-C cut the run short.
    """

    loss: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    train_accuracy: list = field(default_factory=list)
    val_accuracy: list = field(default_factory=list)
    diverged: bool = False
    rates: list = field(default_factory=list)
    interrupted: bool = False

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
        self.train_accuracy.append(_fraction(accuracy, data.x_train[few], data.y_train[few]))
        self.val_accuracy.append(_fraction(accuracy, data.x_val, data.y_val))
        net.train()

    def table(self):
        """The run as a dict of columns, a row a step; NaN where nothing was measured.

        A spreadsheet, or `pandas.DataFrame(history.table())`, takes it as it is.

        >>> table = History([2.3, 1.9], [2], [0.5], [0.4], rates=[0.1, 0.1]).table()
        >>> {name: column.tolist() for name, column in table.items()}
        {'step': [1, 2], 'rate': [0.1, 0.1], 'loss': [2.3, 1.9],
         'train_accuracy': [nan, 0.5], 'val_accuracy': [nan, 0.4]}
        """
        columns = {"step": np.arange(1, len(self.loss) + 1)}
        columns["rate"] = np.full(len(self.loss), np.nan)
        columns["rate"][: len(self.rates)] = self.rates
        columns["loss"] = np.array(self.loss, dtype=float)
        for name in ("train_accuracy", "val_accuracy"):
            columns[name] = np.full(len(self.loss), np.nan)
            columns[name][np.array(self.steps, dtype=int) - 1] = getattr(self, name)
        return columns

    def state(self):
        """The history as a dict of arrays and truth values; `load_state` takes it back."""
        series = {name: np.array(getattr(self, name)) for name in SERIES}
        return series | {"diverged": self.diverged, "interrupted": self.interrupted}

    def load_state(self, state):
        """Become the history whose `state` this was."""
        for name in SERIES:
            setattr(self, name, state[name].tolist())
        self.diverged, self.interrupted = state["diverged"], state["interrupted"]

    def save(self, path):
        """Write the history to a JSON file, exactly: numbers that are not finite stand as text.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     History([2.3, math.inf], [2], [0.1], [0.1], diverged=True).save(f"{folder}/a.json")
        ...     History.load(f"{folder}/a.json")
        History: 2 steps, loss inf, val accuracy 0.100, diverged
        """
        content = {name: list(map(_written, getattr(self, name))) for name in SERIES}
        content |= {"diverged": self.diverged, "interrupted": self.interrupted}
        Path(path).write_text(json.dumps(content) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path):
        """The history that `save` wrote.

        Raises:
            ValueError: when the file holds something else.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            series = {name: list(map(_read, content[name])) for name in SERIES}
            return cls(**series, diverged=content["diverged"], interrupted=content["interrupted"])
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"{path} must hold a history as History.save writes it; choose another path"
            ) from None

    def __repr__(self):
        if not self.loss:
            return "History: no steps"
        end = ", diverged" if self.diverged else ", interrupted" if self.interrupted else ""
        accuracy = f", val accuracy {self.val_accuracy[-1]:.3f}" if self.val_accuracy else ""
        return f"History: {len(self.loss)} steps, loss {self.loss[-1]:.4g}{accuracy}{end}"


def _fraction(accuracy, x, y):
    value = float(accuracy(x, y))
    if not 0 <= value <= 1:
        raise ValueError(
            f"an accuracy must be a number from 0 to 1, got {value}; correct the network's accuracy"
        )
    return value


def _written(number):
    return number if math.isfinite(number) else str(number)


def _read(number):
    return float(number) if isinstance(number, str) else number


def read_curve(history):
    """Say in a few words what the loss and accuracies of a run, its `history`, look like (slide 8).

    Returns one of: "learning rate too high", when the run diverged or its loss stays large and does
    not fall; "learning rate too low", when it stays large and falls steadily; "plateau", when it is
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
