"""Batch normalization for speed on a CPU: one code for NumPy arrays and PyTorch tensors.

The same names, arguments and results as in `in_numpy` and `in_torch`, the same equations. What is
different is the order of the work:

- An input is taken a block at a time, small enough to stay in the cache until everything is done
  with it. A block is a view: some images as (K, C, H·W), or some rows, transposed, as (D, K).
- The result is the only new array. x − μ is written into it and becomes the result in place;
  nothing else is kept, so the cache holds x and dout is met once more.
- Every sum is made of many partial sums. Adding row after row, as NumPy does across memory, loses
  a digit in float32 over some hundred rows; a product with ones does not, and is faster.
- Centring again costs no pass. The mean of x − μ is only the rounding δ of μ, so it is subtracted
  where it matters: σ² = mean((x − μ)²) − δ², without cancellation.

Results have the dtype of x. Do not write into x between the forward and the backward pass. A GPU
waits for the many small steps; there, `torch.compile` of `in_torch` does this work.
Images below about 8 × 8 are too small for it, and `in_numpy` is as fast.
"""

import math

import numpy as np
import torch

from cs231n_lib.errors import validated
from cs231n_lib.normalization import bn_options

BLOCK = 2**17  # numbers of the input that are taken at a time
CHAIN = 512  # rows that are added up at a time; in longer sums float32 loses digits


@validated(x="N D", gamma="D", beta="D", bn_param=bn_options("D"))
def batchnorm_forward(x, gamma, beta, bn_param):
    """Batch normalization, with the arguments and results of `in_numpy.batchnorm_forward`.

    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> out, cache = batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train"})
    >>> out.round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    return _forward(x, gamma, beta, bn_param)


@validated(dout="N D")
def batchnorm_backward(dout, cache):
    """Gradient of train-mode batch normalization: dx (N, D), dgamma (D,), dbeta (D,).

    >>> x = torch.tensor([[1.0], [2.0], [6.0]])
    >>> out, cache = batchnorm_forward(x, torch.ones(1), torch.zeros(1), {"mode": "train"})
    >>> batchnorm_backward(torch.tensor([[1.0], [0.0], [0.0]]), cache)[2]
    tensor([1.])
    """
    return _backward(dout, cache)


@validated(x="N C H W", gamma="C", beta="C", bn_param=bn_options("C"))
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    """Batch normalization of images, as `in_numpy.spatial_batchnorm_forward`.

    >>> x = np.arange(12.0).reshape(1, 2, 2, 3)
    >>> out, cache = spatial_batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train"})
    >>> bool(np.allclose(out.mean(axis=(0, 2, 3)), 0))
    True
    """
    return _forward(x, gamma, beta, bn_param)


@validated(dout="N C H W")
def spatial_batchnorm_backward(dout, cache):
    """Gradient of train-mode spatial batch normalization: dx (N, C, H, W), dgamma, dbeta (C,).

    >>> x = np.arange(12.0).reshape(1, 2, 2, 3)
    >>> out, cache = spatial_batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train"})
    >>> spatial_batchnorm_backward(np.ones((1, 2, 2, 3)), cache)[2]
    array([6., 6.])
    """
    return _backward(dout, cache)


@torch.no_grad()
def _forward(x, gamma, beta, bn_param):
    lib = torch if isinstance(x, torch.Tensor) else np
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", lib.zeros_like(gamma))
    running_var = bn_param.get("running_var", lib.zeros_like(gamma))

    out = _new(lib, x)
    if bn_param.get("mode", "train") == "train":
        count = math.prod(x.shape) / len(gamma)
        mu = _sum(lib, [_total(lib, block) for block in _blocks(x)]) / count  # BN.1
        totals = [
            (_total(lib, x_mu), _total(lib, x_mu * x_mu)) for x_mu in _centred(lib, x, mu, out)
        ]
        delta, square = (_sum(lib, parts) / count for parts in zip(*totals, strict=True))
        var = (square - delta**2).clip(0)  # BN.2
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * (mu + delta)  # BN.5
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var  # BN.6
        blocks = _blocks(out)
    else:
        mu, delta, var = running_mean, 0, running_var
        blocks = _centred(lib, x, mu, out)

    std = lib.sqrt(var + eps)
    scale = gamma / std
    shift = beta - delta * scale
    for x_mu in blocks:  # BN.3, BN.4: out = gamma * (x_mu - delta) / std + beta
        x_mu *= scale[:, None]
        x_mu += shift[:, None]
    return out, (x, mu, delta, gamma, std)


@torch.no_grad()
def _backward(dout, cache):
    x, mu, delta, gamma, std = cache
    lib = torch if isinstance(x, torch.Tensor) else np
    count = math.prod(x.shape) / len(gamma)

    dx = _new(lib, dout)
    totals = [
        (_total(lib, g), _total(lib, g * x_mu))
        for g, x_mu in zip(_blocks(dout), _centred(lib, x, mu, dx), strict=True)
    ]
    dbeta, product = (_sum(lib, parts) for parts in zip(*totals, strict=True))  # BN.8
    dgamma = (product - delta * dbeta) / std  # BN.9

    scale = gamma / std
    slope = -dgamma / std / count
    offset = -dbeta / count - slope * delta
    for g, x_mu in zip(_blocks(dout), _blocks(dx), strict=True):
        x_mu *= slope[:, None]  # BN.14: dx = scale * (g + offset + slope * x_mu)
        x_mu += g
        x_mu += offset[:, None]
        x_mu *= scale[:, None]
    return dx, dgamma, dbeta


def _blocks(a):
    """Return views of a: (D, K) of some rows (N, D), or (K, C, H·W) of some images."""
    if a.ndim == 2:
        return [rows.T for rows in _slices(a)]
    return _slices(a.reshape(*a.shape[:2], -1))


def _slices(a):
    step = min(CHAIN, max(1, BLOCK // math.prod(a.shape[1:])))
    return [a[i : i + step] for i in range(0, len(a), step)]


def _centred(lib, x, mu, result):
    """Yield the blocks of x − μ, each just written to its place in `result`."""
    for block, place in zip(_blocks(x), _blocks(result), strict=True):
        yield lib.subtract(block, mu[:, None], out=place)


def _total(lib, block):
    """Return the sum of each feature of one block, (C,)."""
    if block.ndim == 3:
        return block.sum((0, 2))
    return block.sum(1) if lib is torch else block @ np.ones(block.shape[1], block.dtype)


def _sum(lib, totals):
    """Return the sum of the totals of all blocks, (C,)."""
    return _total(lib, lib.stack(totals).T)


def _new(lib, a):
    """Return an array like a in plain order, so that its blocks are views."""
    return lib.empty(a.shape, dtype=a.dtype, device=a.device)
