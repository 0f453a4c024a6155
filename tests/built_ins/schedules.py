"""PyTorch's schedulers, as functions of time: each is stepped as often as time has passed.

1/t decay is none of them, but the decay of the rate inside `torch.optim.Adagrad`.
"""

import math

import torch
from torch.optim import lr_scheduler

CYCLIC = "CosineAnnealingWarmRestarts"


def scheduled(name, rate, **settings):
    """Return an optimizer with this rate, and a scheduler of PyTorch on it, by its name."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    return optimizer, getattr(lr_scheduler, name)(optimizer, **settings)


def rate_after(t, name, rate, **settings):
    """Return the rate after t steps of an optimizer and its scheduler."""
    optimizer, scheduler = scheduled(name, rate, **settings)
    for _ in range(t):
        optimizer.step()
        scheduler.step()
    return optimizer.param_groups[0]["lr"]


def step_decay(t, rate, factor, every):
    """Step decay."""
    return rate_after(t, "StepLR", rate, step_size=every, gamma=factor)


def exponential_decay(t, rate, k):
    """The same factor in every step."""
    return rate_after(t, "ExponentialLR", rate, gamma=math.exp(-k))


def inverse_time_decay(t, rate, k):
    """How far step t of AdaGrad goes on a first gradient of 1."""
    w = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.Adagrad([w], lr=rate, lr_decay=k, eps=0)
    optimizer.state[w]["step"] = torch.tensor(float(t))
    w.grad = torch.ones_like(w)
    optimizer.step()
    return -w.item()


def cosine_restarts(t, high, low, period, multiple):
    """Cosine with warm restarts; PyTorch takes the time between steps too."""
    settings = {"T_0": period, "T_mult": multiple, "eta_min": low}
    if isinstance(t, int):
        return rate_after(t, CYCLIC, high, **settings)
    optimizer, scheduler = scheduled(CYCLIC, high, **settings)
    scheduler.step(t)
    return optimizer.param_groups[0]["lr"]


def linear_warmup(t, rate, steps, share):
    """A straight line up."""
    return rate_after(t, "LinearLR", rate, start_factor=share, total_iters=steps)


BUILT_INS = {
    "step_decay": step_decay,
    "exponential_decay": exponential_decay,
    "inverse_time_decay": inverse_time_decay,
    "cosine_restarts": cosine_restarts,
    "linear_warmup": linear_warmup,
}
WITHOUT = {
    "train_with_schedule": "it is the wiring between built-ins",
    "separating_step": "it is a search for a step",
}
REMARKED = {}
