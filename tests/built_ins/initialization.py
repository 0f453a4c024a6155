"""PyTorch's own initializations; its weights stand the other way round, (fan_out, fan_in)."""

import functools

import numpy as np
import torch


def drawn(fill, fan_in, fan_out, rng):
    """Return weights that `fill` drew with a generator of PyTorch's."""
    if isinstance(rng, np.random.Generator):
        rng = torch.Generator().manual_seed(int(rng.integers(2**63)))
    return fill(torch.empty(fan_out, fan_in), generator=rng).T


def kaiming(weights, generator):
    """Kaiming's for ReLU, by the fan-in, as PyTorch has it."""
    return torch.nn.init.kaiming_normal_(weights, nonlinearity="relu", generator=generator)


BUILT_INS = {
    "xavier_init": functools.partial(drawn, torch.nn.init.xavier_normal_),
    "kaiming_init": functools.partial(drawn, kaiming),
}
WITHOUT = {}
REMARKED = {"xavier_init": "Glorot, normal"}
