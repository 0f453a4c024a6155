"""Activation functions in PyTorch: the functions of `in_numpy` on tensors, and layers around them.

Every backward pass is written by hand; device and dtype follow the input.
"""

import math

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from cs231n_lib.errors import at_least, between, off, validated, whole
from cs231n_lib.layers.in_torch import relu_backward, relu_forward  # Act.5, Act.6

__all__ = [
    "ELU",
    "ELUFunction",
    "LeakyReLU",
    "LeakyReLUFunction",
    "Maxout",
    "MaxoutFunction",
    "elu_backward",
    "elu_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "maxout_backward",
    "maxout_forward",
    "relu_backward",
    "relu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "tanh_backward",
    "tanh_forward",
]


@validated(x="...")
def sigmoid_forward(x):
    """Sigmoid, 1 / (1 + exp(−x)), on a tensor of any shape; never overflows.

    Args:
        x: tensor of any shape.

    Returns:
        out: like x; cache: whatever your backward pass needs.

    Slide 3.

    >>> sigmoid_forward(torch.tensor([-1e4, 0.0, 1e4]))[0]
    tensor([0.0000, 0.5000, 1.0000])
    """
    z = torch.exp(-torch.abs(x))  # from 0 to 1, whatever x is
    out = torch.where(x >= 0, 1.0, z) / (1.0 + z)  # Act.1, with e^x on top and below where x < 0
    return out, out


@validated(dout="...")
def sigmoid_backward(dout, cache):
    """Gradient of the sigmoid.

    Args:
        dout: gradient of the loss with respect to the output, of the same shape.
        cache: from `sigmoid_forward`.

    Returns:
        dx: like dout.

    Slide 3.

    >>> out, cache = sigmoid_forward(torch.zeros(2))
    >>> sigmoid_backward(torch.tensor([1.0, 4.0]), cache)
    tensor([0.2500, 1.0000])
    """
    return dout * cache * (1 - cache)  # Act.2


@validated(x="...")
def tanh_forward(x):
    """Hyperbolic tangent on a tensor of any shape.

    Args:
        x: tensor of any shape.

    Returns:
        out: like x; cache: whatever your backward pass needs.

    Slide 3.

    >>> tanh_forward(torch.tensor([-1e4, 0.0, 1e4]))[0]
    tensor([-1.,  0.,  1.])
    """
    out = torch.tanh(x)  # Act.3
    return out, out


@validated(dout="...")
def tanh_backward(dout, cache):
    """Gradient of the hyperbolic tangent.

    Args:
        dout: gradient of the loss with respect to the output, of the same shape.
        cache: from `tanh_forward`.

    Returns:
        dx: like dout.

    Slide 3.

    >>> out, cache = tanh_forward(torch.tensor([0.0, 1e4]))
    >>> tanh_backward(torch.tensor([5.0, 5.0]), cache)
    tensor([5., 0.])
    """
    return dout * (1 - cache**2)  # Act.4


@validated(x="...", alpha=between(0, 1))
def leaky_relu_forward(x, alpha=0.1):
    """Leaky ReLU: x where it is positive, a small fraction of it elsewhere.

    Args:
        x: tensor of any shape.
        alpha: slope of the negative side, from 0 to 1.

    Returns:
        out: like x; cache: whatever your backward pass needs.

    Slide 3. Maas, Hannun & Ng 2013, *Rectifier Nonlinearities Improve Neural Network Acoustic
    Models*.

    >>> leaky_relu_forward(torch.tensor([-2.0, 3.0]), 0.5)[0]
    tensor([-1.,  3.])
    """
    out = torch.maximum(alpha * x, x)  # Act.7
    return out, (x, alpha)


@validated(dout="...")
def leaky_relu_backward(dout, cache):
    """Gradient of the leaky ReLU.

    Args:
        dout: gradient of the loss with respect to the output, of the same shape.
        cache: from `leaky_relu_forward`.

    Returns:
        dx: like dout; where x is exactly 0, any slope between those of the two sides is right.

    Slide 3. Maas, Hannun & Ng 2013.

    >>> out, cache = leaky_relu_forward(torch.tensor([-2.0, 3.0]), 0.5)
    >>> leaky_relu_backward(torch.tensor([10.0, 20.0]), cache)
    tensor([ 5., 20.])
    """
    x, alpha = cache
    return torch.where(x > 0, dout, alpha * dout)  # Act.8


@validated(x="N D", w="K D M", b="K M")
def maxout_forward(x, w, b):
    """Maxout layer: each of M units gives the largest of its K affine pieces.

    Args:
        x: (N, D) one row per example.
        w: (K, D, M) and b: (K, M) weights and bias of the pieces.

    Returns:
        out: (N, M); cache: whatever your backward pass needs.

    Slide 3, where K = 2. Goodfellow et al. 2013, arXiv:1302.4389.

    >>> w, b = torch.tensor([[[1.0]], [[-1.0]]]), torch.zeros(2, 1)  # max(x, −x)
    >>> maxout_forward(torch.tensor([[-2.0], [3.0]]), w, b)[0]
    tensor([[2.],
            [3.]])
    """
    pieces = x @ w  # (K, N, M)
    pieces += b[:, None]  # Act.11
    out = torch.amax(pieces, dim=0)  # (N, M) Act.12
    return out, (x, w, pieces)


@validated(dout="N M")
def maxout_backward(dout, cache):
    """Gradient of the maxout layer: the largest piece of each unit gets all of it.

    Args:
        dout: (N, M) gradient of the loss with respect to the output.
        cache: from `maxout_forward`.

    Returns:
        dx: (N, D); dw: (K, D, M); db: (K, M). Where several pieces are largest, they may share the
        gradient in any way, as long as their shares sum to 1.

    Slide 3. Goodfellow et al. 2013, arXiv:1302.4389.

    >>> w, b = torch.tensor([[[1.0]], [[-1.0]]]), torch.zeros(2, 1)
    >>> out, cache = maxout_forward(torch.tensor([[-2.0], [3.0]]), w, b)
    >>> dx, dw, db = maxout_backward(torch.tensor([[1.0], [1.0]]), cache)
    >>> dx.ravel(), dw.ravel()
    (tensor([-1.,  1.]), tensor([ 3., -2.]))
    """
    x, w, pieces = cache
    best = torch.amax(pieces, dim=0)  # (N, M)
    left = dout.clone()  # (N, M): what the pieces so far have not taken
    dx, dw, db = torch.zeros_like(x), torch.zeros_like(w), torch.zeros_like(w[:, 0])
    for k in range(len(w)):
        dpiece = left * (pieces[k] == best)  # (N, M) Act.13
        left -= dpiece
        dx += dpiece @ w[k].T  # (N, D) Act.14
        dw[k] = x.T @ dpiece  # (D, M) Act.15
        db[k] = dpiece.sum(dim=0)  # (M,) Act.16
    return dx, dw, db


@validated(x="...", alpha=at_least(0))
def elu_forward(x, alpha=1.0):
    """Exponential linear unit: x where it is positive, elsewhere it levels off at −alpha.

    Args:
        x: tensor of any shape; large numbers of either sign are welcome.
        alpha: depth to which the negative side falls, at least 0.

    Returns:
        out: like x; cache: whatever your backward pass needs.

    Slide 3. Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289.

    >>> elu_forward(torch.tensor([-1e4, 3.0]), 2.0)[0]
    tensor([-2.,  3.])
    """
    out = torch.where(x > 0, x, alpha * torch.expm1(x.clip(max=0)))  # Act.9, exp never overflows
    return out, (x, out, alpha)


@validated(dout="...")
def elu_backward(dout, cache):
    """Gradient of the exponential linear unit.

    Args:
        dout: gradient of the loss with respect to the output, of the same shape.
        cache: from `elu_forward`.

    Returns:
        dx: like dout.

    Slide 3. Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289.

    >>> out, cache = elu_forward(torch.tensor([-1e4, 3.0]), 2.0)
    >>> elu_backward(torch.tensor([10.0, 20.0]), cache)
    tensor([ 0., 20.])
    """
    x, out, alpha = cache
    return dout * torch.where(x > 0, 1, out + alpha)  # Act.10


# --------------------------------------------------------------------------- for autograd


class LeakyReLUFunction(torch.autograd.Function):
    """Leaky ReLU for autograd: our forward pass, our backward pass.

    Slide 3. Maas, Hannun & Ng 2013.

    >>> x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(lambda x: LeakyReLUFunction.apply(x, 0.3), x)
    True
    """

    @staticmethod
    def forward(ctx, x, alpha):
        """Return `out`, of the shape of x."""
        out, (x, ctx.alpha) = leaky_relu_forward(x, alpha)
        ctx.save_for_backward(x)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        """Return the gradient of x, and None for alpha."""
        return leaky_relu_backward(dout, (*ctx.saved_tensors, ctx.alpha)), None


class LeakyReLU(nn.LeakyReLU):
    """Leaky ReLU layer, `torch.nn.LeakyReLU` with our passes; the slope is the lecture's 0.1.

    Args:
        negative_slope: factor of negative inputs.
        inplace: must be False, for the backward pass needs the inputs.

    Raises:
        ValueError: when inplace is on.

    Slide 3. Maas, Hannun & Ng 2013.

    >>> LeakyReLU(0.5)(torch.tensor([-2.0, 3.0]))
    tensor([-1.,  3.])
    """

    def __init__(self, negative_slope=0.1, inplace=False):
        off("LeakyReLU: inplace", inplace)
        super().__init__(negative_slope)

    def forward(self, input):
        """Return leaky ReLU of the input."""
        return LeakyReLUFunction.apply(input, self.negative_slope)


class MaxoutFunction(torch.autograd.Function):
    """Maxout for autograd: our forward pass, our backward pass.

    Slide 3. Goodfellow et al. 2013, arXiv:1302.4389.

    >>> inputs = [torch.randn(s, dtype=torch.float64, requires_grad=True)
    ...           for s in ((5, 3), (2, 3, 4), (2, 4))]
    >>> torch.autograd.gradcheck(MaxoutFunction.apply, inputs)
    True
    """

    @staticmethod
    def forward(ctx, x, w, b):
        """Return (N, M) `out`."""
        out, cache = maxout_forward(x, w, b)
        ctx.save_for_backward(*cache)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        """Return the gradients of x, w and b."""
        return maxout_backward(dout, ctx.saved_tensors)


class Maxout(nn.Module):
    """Maxout layer from D to M features with K pieces; PyTorch has none of its own.

    Weights start at N(0, 1/D), biases at 0.

    Slide 3. Goodfellow et al. 2013, arXiv:1302.4389.

    >>> Maxout(3, 4)(torch.randn(5, 3)).shape
    torch.Size([5, 4])
    """

    def __init__(self, in_features, out_features, pieces=2):
        super().__init__()
        sizes = {"pieces": pieces, "in_features": in_features, "out_features": out_features}
        for name, size in sizes.items():
            whole(1)(f"Maxout: {name}", size)
        start = torch.randn(*sizes.values()) / math.sqrt(in_features)
        self.weight = nn.Parameter(start)
        self.bias = nn.Parameter(torch.zeros(pieces, out_features))

    def forward(self, x):
        """Return the largest piece of every unit."""
        return MaxoutFunction.apply(x, self.weight, self.bias)

    def extra_repr(self):
        """Show the sizes."""
        K, D, M = self.weight.shape
        return f"{D}, {M}, pieces={K}"


class ELUFunction(torch.autograd.Function):
    """Exponential linear unit for autograd: our forward pass, our backward pass.

    Slide 3. Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289.

    >>> x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(lambda x: ELUFunction.apply(x, 0.7), x)
    True
    """

    @staticmethod
    def forward(ctx, x, alpha):
        """Return `out`, of the shape of x."""
        out, (*tensors, ctx.alpha) = elu_forward(x, alpha)
        ctx.save_for_backward(*tensors)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        """Return the gradient of x, and None for alpha."""
        return elu_backward(dout, (*ctx.saved_tensors, ctx.alpha)), None


class ELU(nn.ELU):
    """Exponential linear unit layer, `torch.nn.ELU` with our passes.

    Args:
        alpha: depth on the negative side.
        inplace: must be False, for the backward pass needs the inputs.

    Raises:
        ValueError: when inplace is on.

    Slide 3. Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289.

    >>> ELU(2.0)(torch.tensor([-1e4, 3.0]))
    tensor([-2.,  3.])
    """

    def __init__(self, alpha=1.0, inplace=False):
        off("ELU: inplace", inplace)
        super().__init__(alpha)

    def forward(self, input):
        """Return ELU of the input."""
        return ELUFunction.apply(input, self.alpha)
