"""Activation functions in NumPy: forward and backward passes, with the tags of the equations.

A forward pass returns (out, cache), its backward pass takes (dout, cache). ReLU is one of the
layers that students are given, and stands here under the same name.
"""

import numpy as np

from cs231n_lib.errors import at_least, between, validated
from cs231n_lib.layers.in_numpy import relu_backward, relu_forward  # Act.5, Act.6

__all__ = [
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
    "slope_breaking_input",
    "tanh_backward",
    "tanh_forward",
]


@validated(x="...")
def sigmoid_forward(x):
    """Sigmoid, 1 / (1 + exp(−x)), on an array of any shape; never overflows.

    Args:
        x: array of any shape.

    Returns:
        out: like x; cache: whatever your backward pass needs.

    Slide 3.

    >>> sigmoid_forward(np.array([-1e4, 0.0, 1e4]))[0]
    array([0. , 0.5, 1. ])
    """
    z = np.exp(-np.abs(x))  # from 0 to 1, whatever x is
    out = np.where(x >= 0, 1.0, z) / (1.0 + z)  # Act.1, with e^x on top and below where x < 0
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

    >>> out, cache = sigmoid_forward(np.zeros(2))
    >>> sigmoid_backward(np.array([1.0, 4.0]), cache)
    array([0.25, 1.  ])
    """
    return dout * cache * (1 - cache)  # Act.2


@validated(x="...")
def tanh_forward(x):
    """Hyperbolic tangent on an array of any shape.

    Args:
        x: array of any shape.

    Returns:
        out: like x; cache: whatever your backward pass needs.

    Slide 3.

    >>> tanh_forward(np.array([-1e4, 0.0, 1e4]))[0]
    array([-1.,  0.,  1.])
    """
    out = np.tanh(x)  # Act.3
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

    >>> out, cache = tanh_forward(np.array([0.0, 1e4]))
    >>> tanh_backward(np.array([5.0, 5.0]), cache)
    array([5., 0.])
    """
    return dout * (1 - cache**2)  # Act.4


@validated(x="...", alpha=between(0, 1))
def leaky_relu_forward(x, alpha=0.1):
    """Leaky ReLU: x where it is positive, a small fraction of it elsewhere.

    Args:
        x: array of any shape.
        alpha: slope of the negative side, from 0 to 1.

    Returns:
        out: like x; cache: whatever your backward pass needs.

    Slide 3. Maas, Hannun & Ng 2013, *Rectifier Nonlinearities Improve Neural Network Acoustic
    Models*.

    >>> leaky_relu_forward(np.array([-2.0, 3.0]), 0.5)[0]
    array([-1.,  3.])
    """
    out = np.maximum(alpha * x, x)  # Act.7
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

    >>> out, cache = leaky_relu_forward(np.array([-2.0, 3.0]), 0.5)
    >>> leaky_relu_backward(np.array([10.0, 20.0]), cache)
    array([ 5., 20.])
    """
    x, alpha = cache
    return np.where(x > 0, dout, alpha * dout)  # Act.8


def slope_breaking_input():
    """Return numbers on which the slope of the leaky ReLU cannot be had as output / input.

    Returns:
        x: array of finite floats, 1 to 10,000 of them.

    Slide 3, where the slope has two values and jumps.
    """
    return np.array([-1.0, 0.0, 2.0])  # 0/0 is no number; drawn at random, 0 never comes


@validated(x="N D", w="K D M", b="K M")
def maxout_forward(x, w, b):
    """Maxout layer: each of M units gives the largest of its K affine pieces.

    Args:
        x: (N, D) one row per example.
        w: (K, D, M) and b: (K, M) weights and bias of the pieces.

    Returns:
        out: (N, M); cache: whatever your backward pass needs.

    Slide 3, where K = 2. Goodfellow et al. 2013, arXiv:1302.4389.

    >>> w, b = np.array([[[1.0]], [[-1.0]]]), np.zeros((2, 1))  # max(x, −x)
    >>> maxout_forward(np.array([[-2.0], [3.0]]), w, b)[0]
    array([[2.],
           [3.]])
    """
    pieces = x @ w  # (K, N, M)
    pieces += b[:, None]  # Act.11
    out = np.amax(pieces, axis=0)  # (N, M) Act.12
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

    >>> w, b = np.array([[[1.0]], [[-1.0]]]), np.zeros((2, 1))
    >>> out, cache = maxout_forward(np.array([[-2.0], [3.0]]), w, b)
    >>> dx, dw, db = maxout_backward(np.array([[1.0], [1.0]]), cache)
    >>> dx.ravel(), dw.ravel()
    (array([-1.,  1.]), array([ 3., -2.]))
    """
    x, w, pieces = cache
    best = np.amax(pieces, axis=0)  # (N, M)
    left = dout.copy()  # (N, M): what the pieces so far have not taken
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(w[:, 0])
    for k in range(len(w)):
        dpiece = left * (pieces[k] == best)  # (N, M) Act.13
        left -= dpiece
        dx += dpiece @ w[k].T  # (N, D) Act.14
        dw[k] = x.T @ dpiece  # (D, M) Act.15
        db[k] = dpiece.sum(axis=0)  # (M,) Act.16
    return dx, dw, db


@validated(x="...", alpha=at_least(0))
def elu_forward(x, alpha=1.0):
    """Exponential linear unit: x where it is positive, elsewhere it levels off at −alpha.

    Args:
        x: array of any shape; large numbers of either sign are welcome.
        alpha: depth to which the negative side falls, at least 0.

    Returns:
        out: like x; cache: whatever your backward pass needs.

    Slide 3. Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289.

    >>> elu_forward(np.array([-1e4, 3.0]), 2.0)[0]
    array([-2.,  3.])
    """
    out = np.where(x > 0, x, alpha * np.expm1(x.clip(max=0)))  # Act.9, exp never overflows
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

    >>> out, cache = elu_forward(np.array([-1e4, 3.0]), 2.0)
    >>> elu_backward(np.array([10.0, 20.0]), cache)
    array([ 0., 20.])
    """
    x, out, alpha = cache
    return dout * np.where(x > 0, 1, out + alpha)  # Act.10
