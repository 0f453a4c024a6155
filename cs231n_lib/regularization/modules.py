"""Layers with noise for networks in PyTorch, around the functions of `in_torch`.

An `autograd.Function` with our backward pass, and PyTorch's own layer with our passes in it.
"""

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from cs231n_lib.errors import below, off
from cs231n_lib.regularization.in_torch import dropout_backward, dropout_forward


class DropoutFunction(torch.autograd.Function):
    """Inverted dropout for autograd: our forward pass, our backward pass.

    Slide 82. Srivastava et al. 2014, JMLR 15.

    >>> x = torch.rand(5, 3, dtype=torch.float64, requires_grad=True)
    >>> layer = lambda x: DropoutFunction.apply(x, {"p": 0.6, "seed": 0})
    >>> torch.autograd.gradcheck(layer, x)
    True
    """

    @staticmethod
    def forward(ctx, x, dropout_param):
        """Return `out`; `dropout_param` is read as in `dropout_forward`."""
        out, ctx.cache = dropout_forward(x, dropout_param)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        """Return the gradient of x, and None for the options."""
        return dropout_backward(dout, ctx.cache), None


class Dropout(nn.Dropout):
    """Dropout layer, `torch.nn.Dropout` with our passes: its p is the probability to DROP a unit.

    Args:
        p: probability to drop a unit, 0 or more and below 1; the functions of this family take
            1 − p, the probability to keep it.
        inplace: must be False, inputs are never changed.
        seed: an int, which gives the same mask at every call, or a torch.Generator on the device
            of the inputs; default: fresh random numbers.

    Raises:
        ValueError: for a p outside its range, or when inplace is on.

    Slide 82. Srivastava et al. 2014, JMLR 15.

    >>> layer = Dropout(0.2)
    >>> layer(torch.ones(50, 20)).unique()
    tensor([0.0000, 1.2500])
    >>> layer.eval()(torch.ones(1, 3))
    tensor([[1., 1., 1.]])
    """

    def __init__(self, p=0.5, inplace=False, *, seed=None):
        below(1)("Dropout: p", p)
        off("Dropout: inplace", inplace)
        super().__init__(p)
        self.seed = seed

    def forward(self, input):
        """Return the input with units dropped in train mode, and as it is in eval mode."""
        if not self.training or input.numel() == 0:
            return input
        param = {"p": 1 - self.p, "mode": "train", "seed": self.seed}
        return DropoutFunction.apply(input.reshape(input.shape or 1), param).reshape(input.shape)
