"""What needs no framework: when to stop, which weights to keep, and where that goes in training."""

import copy
import math

import numpy as np

from cs231n_lib.errors import at_least, validated, whole


class EarlyStopping:
    """Watch a validation score: say when to stop, and keep the weights of the best one.

    Args:
        patience: how many scores in a row without a gain end the run, at least 1.
        min_delta: a score is a gain when it beats the best one by more than this.
        mode: 'max' where high scores are good, such as accuracy; 'min' for a loss.

    Attributes:
        best: the best score so far; before the first, the worst there is.
        best_weights: a copy of the weights that had it; None before the first gain.
        waited: scores since then.

    Raises:
        ValueError: for a number outside its range, or another mode; yours may do otherwise.

    Slide 64. Prechelt 1998, *Early stopping – but when?*

    >>> stopper = EarlyStopping(patience=2)
    >>> [stopper.update(score, {"w": t}) for t, score in enumerate([0.5, 0.8, 0.7, 0.6])]
    [False, False, False, True]
    >>> stopper.best, stopper.best_weights
    (0.8, {'w': 1})
    """

    @validated(patience=whole(1), min_delta=at_least(0), mode=("max", "min"))
    def __init__(self, patience, min_delta=0.0, mode="max"):
        """Remember the settings; nothing has been seen yet."""
        self.patience, self.min_delta, self.mode = patience, min_delta, mode
        self.sign = 1 if mode == "max" else -1
        self.best, self.best_weights, self.waited = -self.sign * math.inf, None, 0

    def update(self, score, weights):
        """Take in a score and the weights that have it.

        Args:
            score: a number; NaN is no gain.
            weights: dict of arrays or tensors, which training will go on to change.

        Returns:
            whether to stop now, True or False.
        """
        if self.sign * (score - self.best) > self.min_delta:  # Stop.1
            self.best, self.best_weights, self.waited = score, copy.deepcopy(weights), 0  # Stop.2
        else:
            self.waited += 1  # Stop.3
        return self.waited >= self.patience  # Stop.4


def separating_scores(patience):
    """Return validation scores for which the patience that is never renewed stops too soon.

    Args:
        patience: 2 or more.

    Returns:
        scores: array (T,) of 2 to 200 numbers from 0 to 1: `EarlyStopping` and
        `stops_without_renewal` stop at different ones of them.

    Slide 64.

    >>> len(separating_scores(3)) <= 200
    True
    """
    dip = (patience - 1) * [0.1]
    return np.array([0.2, *dip, 0.5, *dip])  # two falls, and the gain between them renews


@validated(length=whole(1), cycles=whole(1), members=whole(1))
def snapshot_ensemble(model, take_step, restart, schedule, length, cycles, members):
    """Train in cycles, and keep a copy of the weights at the end of each of the last ones.

    Args:
        model: has `state_dict()`, which shows the live weights.
        take_step: function of a learning rate: one step of training.
        restart: function without arguments, which makes the optimizer forget its velocity; to be
            called before every cycle.
        schedule: function of t -> rate; t counts the steps of a *cycle*, from 0.
        length: steps in a cycle; cycles: how many; members: how many snapshots to keep.

    Returns:
        snapshots: list of states, one for each of the last `members` cycles, in the
        order in which they were taken.

    Raises:
        ValueError: for a length, cycles or members below 1; yours may do otherwise.

    Slides 66–67. Huang et al. 2017, *Snapshot ensembles: train 1, get M for free*.

    >>> from types import SimpleNamespace
    >>> w = np.zeros(1)
    >>> def take_step(rate):
    ...     w[...] += rate
    >>> model = SimpleNamespace(state_dict=lambda: {"w": w})
    >>> snapshot_ensemble(model, take_step, lambda: None, lambda t: 3 - t, 3, 4, 2)
    [{'w': array([18.])}, {'w': array([24.])}]
    """
    snapshots = []
    for _ in range(cycles):
        restart()
        for t in range(length):
            take_step(schedule(t))  # Snap.1
        snapshots.append(copy.deepcopy(model.state_dict()))  # Snap.2
    return snapshots[-members:]


@validated(epochs=whole(1))
def train_and_select(model, optimizer, batches, loss_of, accuracy, stopper, epochs):
    """Train until a validation score says stop; report the test accuracy of the weights it kept.

    Args:
        model: has `state_dict()`, which shows the live weights, `load_state_dict(state)`, and
            `train()` and `eval()`: losses want the one mode, accuracies the other.
        optimizer: has `zero_grad()` and `step()`.
        batches: list of the batches of an epoch, to be used in this order in every epoch.
        loss_of: function of a batch; what it returns has `backward()`.
        accuracy: function of 'train', 'val' or 'test' -> accuracy of the model on that part.
        stopper: an `EarlyStopping`, to be updated at the end of every epoch.
        epochs: how many at most, at least one.

    Returns:
        val, test: the best validation accuracy, and the test accuracy of the weights that had it.
        The model is left with these weights, in test mode.

    Raises:
        ValueError: for epochs below 1; yours may do otherwise.

    Slide 64.

    >>> import torch
    >>> model = torch.nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> batches, loss_of = [torch.ones(2, 1)], lambda x: model(x).pow(2).mean()
    >>> accuracy = {"val": 0.75, "test": 0.5}.get
    >>> train_and_select(model, optimizer, batches, loss_of, accuracy, EarlyStopping(2), 9)
    (0.75, 0.5)
    """
    for _ in range(epochs):
        model.train()
        for batch in batches:
            optimizer.zero_grad()
            loss_of(batch).backward()
            optimizer.step()
        model.eval()
        if stopper.update(accuracy("val"), model.state_dict()):
            break
    model.load_state_dict(stopper.best_weights)
    return stopper.best, accuracy("test")


def evaluate_average(model, average, refresh, evaluate):
    """Score the averaged weights of a model that is still training, and leave it as it was.

    Args:
        model: has `state_dict()`, which shows the live weights and running statistics, and
            `load_state_dict(state)`.
        average: a state with the averaged weights.
        refresh: function without arguments that collects the running statistics again, for the
            weights that the model then has.
        evaluate: function without arguments: the score of the model as it then is.

    Returns:
        score: of the averaged weights. The model has the weights and statistics of before.

    Slide 68.

    >>> import torch
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> before = model.weight.item()
    >>> average = {"weight": torch.tensor([[2.0]])}
    >>> evaluate_average(model, average, lambda: None, lambda: model.weight.item())
    2.0
    >>> model.weight.item() == before
    True
    """
    kept = copy.deepcopy(model.state_dict())
    model.load_state_dict(average)
    refresh()
    score = evaluate()
    model.load_state_dict(kept)
    return score
