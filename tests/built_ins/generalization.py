"""PyTorch's softmax and its averages of weights.

Its moving average starts at the weights. Started at zero it is debiased by the same average of
ones, which is the share of what it has seen.
"""

import torch
from torch.optim.swa_utils import get_ema_avg_fn, get_swa_avg_fn


def ensemble_predict(scores):
    """The mean of softmaxes."""
    probabilities = torch.softmax(scores, dim=-1).mean(dim=0)
    return probabilities, probabilities.argmax(dim=-1)


def polyak_average(w, config=None):
    """The averages of `AveragedModel`, for one tensor."""
    config = {} if config is None else config
    config["t"] = config.get("t", 0) + 1
    seen = config["t"] - config.get("start_at", 0) - 1
    if seen < 0:
        return w.clone(), config
    if config.get("kind", "exponential") == "uniform":
        average = get_swa_avg_fn()
    else:
        average = get_ema_avg_fn(config.get("beta", 0.99))
        if config.get("start", "zero") == "zero":
            mean = average(config.get("mean", torch.zeros_like(w)), w, seen)
            share = average(config.get("share", torch.zeros_like(w)), torch.ones_like(w), seen)
            config |= {"mean": mean, "share": share}
            return mean / share, config
    config["mean"] = average(config["mean"], w, seen) if seen else w.clone()
    return config["mean"], config


BUILT_INS = {"ensemble_predict": ensemble_predict, "polyak_average": polyak_average}
WITHOUT = {
    "EarlyStopping": "PyTorch has none; what it stops on is tested against a brute force",
    "separating_scores": "it is a search for scores",
    "snapshot_ensemble": "it is the wiring between built-ins",
    "train_and_select": "it is the wiring between built-ins",
    "evaluate_average": "it is the wiring between built-ins",
}
REMARKED = {}
