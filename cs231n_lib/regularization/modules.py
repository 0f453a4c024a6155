"""Layers with noise for networks in PyTorch, around the functions of `in_torch`.

An `autograd.Function` with our backward pass, and a module that drops in for PyTorch's own.
"""

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from cs231n_lib.errors import below
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


class Dropout(nn.Module):
    """Dropout layer, a drop-in for `torch.nn.Dropout`: its p is the probability to DROP a unit.

    Args:
        p: probability to drop a unit, 0 or more and below 1; the functions of this family take
            1 − p, the probability to keep it.
        seed: an int, which gives the same mask at every call, or a torch.Generator on the device
            of the inputs; default: fresh random numbers.

    Raises:
        ValueError: for a p outside its range.

    Slide 82. Srivastava et al. 2014, JMLR 15.

    >>> layer = Dropout(0.2)
    >>> layer(torch.ones(50, 20)).unique()
    tensor([0.0000, 1.2500])
    >>> layer.eval()(torch.ones(1, 3))
    tensor([[1., 1., 1.]])
    """

    def __init__(self, p=0.5, seed=None):
        super().__init__()
        below(1)("Dropout: p", p)
        self.p, self.seed = p, seed

    def forward(self, x):
        """Return x with units dropped in train mode, and x itself in eval mode."""
        mode = "train" if self.training else "test"
        return DropoutFunction.apply(x, {"p": 1 - self.p, "mode": mode, "seed": self.seed})

    def extra_repr(self):
        """Return what `print` shows between the brackets."""
        return f"p={self.p}"
