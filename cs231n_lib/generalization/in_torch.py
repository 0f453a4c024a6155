"""Averages of predictions and of weights in PyTorch, with the tags of the equations."""

import torch

from cs231n_lib.errors import alike, validated
from cs231n_lib.generalization import POLYAK


@validated(scores="M N C")
def ensemble_predict(scores):
    """Predict with several models: average their probabilities, then choose the class.

    Args:
        scores: (M, N, C) of M models for N examples and C classes, before any softmax.

    Returns:
        probabilities: (N, C), rows that sum to 1; labels: (N,) the likeliest class of each row.

    Raises:
        ValueError: when scores have another number of axes; yours may do otherwise.

    Slide 65.

    >>> sure, unsure = [[4.0, 0.0]], [[-1.0, 0.0]]
    >>> ensemble_predict(torch.tensor([sure, unsure, unsure]))[1]
    tensor([0])
    """
    top = torch.amax(scores, dim=2, keepdim=True)  # (M, N, 1) so that exp does not overflow
    exps = torch.exp(scores - top)  # (M, N, C)
    members = exps / exps.sum(dim=2, keepdim=True)  # Ens.1
    probabilities = members.mean(dim=0)  # Ens.2, (N, C)
    return probabilities, probabilities.argmax(dim=1)  # Ens.3


@validated(w=alike("w"), config=POLYAK)
def polyak_average(w, config=None):
    """Average the weights of a run: call it with the new weights after every step.

    Args:
        w: the weights after a step, of any shape.
        config: dict with
            kind: 'uniform', the mean of all, or 'exponential'; default 'exponential'.
            beta: β, the fraction of the old mean that is kept (exponential); default 0.99.
            start: where an exponential mean starts: 'zero', and is debiased, or 'weights', the
                first ones that it gets, and is not; default 'zero'.
            start_at: how many first calls to leave out; in these, the average is w; default 0.
            t: number of calls so far; starts at 0 and is counted up first; updated here.
            mean: a or m, shaped as w; updated here.

    Returns:
        average: the averaged weights, as w, to be used at test time; config: for the next call.

    Raises:
        ValueError: for an unknown kind or start, or a number outside its range;
            yours may do otherwise.

    Slide 68. Polyak & Juditsky 1992. `torch.optim.swa_utils.AveragedModel` for whole models.

    >>> config = {"kind": "uniform"}
    >>> for w in (1.0, 3.0, 2.0):
    ...     average, config = polyak_average(torch.tensor([w]), config)
    >>> average
    tensor([2.])
    """
    config = {} if config is None else config
    kind, start = config.get("kind", "exponential"), config.get("start", "zero")
    beta = config.get("beta", 0.99)
    config["t"] = config.get("t", 0) + 1
    n = config["t"] - config.get("start_at", 0)  # weights in the average, this call's included

    if n < 1:
        return w.clone(), config
    mean = config.get("mean", w if start == "weights" else torch.zeros_like(w))  # Polyak.4
    if kind == "uniform":
        mean = average = mean + (w - mean) / n  # Polyak.1
    else:
        mean = average = beta * mean + (1 - beta) * w  # Polyak.2
        if start == "zero":
            average = mean / (1 - beta**n)  # Polyak.3
    config["mean"] = mean
    return average, config


@torch.no_grad()
def refresh_statistics(net, batches):
    """Collect the running statistics of every batch norm again, for the weights as they are.

    Args:
        net: an nn.Module; the buffers of its layers with running statistics are changed, its
            weights are not, and it is left in the mode in which it was.
        batches: the inputs (N, D) or (N, C, H, W) of some training batches; each counts the same.

    Raises:
        ValueError: when there is no batch.

    Slide 68, with slide 84: after weights were averaged. `torch.optim.swa_utils.update_bn`.

    >>> net = torch.nn.BatchNorm1d(1)
    >>> refresh_statistics(net, [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])])
    >>> net.running_mean
    tensor([4.])
    """
    batches = list(batches)
    if not batches:
        raise ValueError("refresh_statistics: pass at least one batch of training inputs, got none")
    layers = [layer for layer in net.modules() if hasattr(layer, "running_mean")]
    momenta, modes = [layer.momentum for layer in layers], [(m, m.training) for m in net.modules()]
    net.train()
    try:
        for i, x in enumerate(batches, start=1):
            for layer in layers:
                layer.momentum = 1 / i  # Refresh.1; PyTorch's is the fraction of the new value
            net(x)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for module, training in modes:
            module.training = training
