"""A small trainer for NumPy networks and PyTorch models, and fair ways to compare runs.

`fit` and `fit_torch` take the same arguments, see the same batches for the same `rng`, and return
the same `History`. Nothing here warns about a run that diverges: it stops, and its history says so.

**Callbacks** are called as `callback(step, net, history)` after every step, the first being 1. The
network is in training mode; `history.steps[-1] == step` says that the accuracies have just been
measured. A callback ends the training by raising `StopTraining`. One that remembers something
across steps is an object with `state()`, which returns it as numbers, text, None, arrays, and
lists and dicts of such, and `load_state(state)`, which takes it back: so it goes on with a run that
was saved.
"""

from cs231n_lib.train.history import History, read_curve
from cs231n_lib.train.linear import softmax_regression
from cs231n_lib.train.loop import (
    EVALUATED,
    StopTraining,
    TrainingInterrupted,
    fit,
    fit_torch,
    sgd_update,
)
from cs231n_lib.train.sizes import sized
from cs231n_lib.train.telling import predicted, score_predictions, timed
from cs231n_lib.train.trials import Comparison, compare, find_rate, remembered

__all__ = [
    "EVALUATED",
    "Comparison",
    "History",
    "StopTraining",
    "TrainingInterrupted",
    "compare",
    "find_rate",
    "fit",
    "fit_torch",
    "predicted",
    "read_curve",
    "remembered",
    "score_predictions",
    "sgd_update",
    "sized",
    "softmax_regression",
    "timed",
]
