"""Normalization for speed on a CPU: one code for NumPy arrays and PyTorch tensors.

The same names, arguments and results as in `in_numpy` and `in_torch`, the same equations. What is
different is the order of the work:

- An input is taken a block at a time, small enough to stay in the cache until everything is done
  with it. A block is a view: some images as (K, C, H·W), or some rows, transposed, as (D, K).
- The result is the only new array. x − μ is written into it and becomes the result in place;
  nothing else is kept, so the cache holds x and dout is met once more. (Only for layer norm of
  arrays it is faster to keep x̂.)
- Every sum is made of many partial sums. Adding row after row, as NumPy does across memory, loses
  a digit in float32 over some hundred rows; a product with ones does not, and is faster.
- NumPy's buffer is made short, or it copies every scale as often as a row has numbers.
- Centring again costs no pass. The mean of x − μ is only the rounding δ of μ, so it is subtracted
  where it matters: σ² = mean((x − μ)²) − δ², without cancellation.

Layer, instance and group norm are one code too. An example is seen as (K, J, P): K sets of numbers
that share a mean, in each of them J scales, and P numbers under each scale. That is (1, D, 1) for
layer norm, (C, 1, H·W) for instance norm and (G, C/G, H·W) for group norm.

Results have the dtype of x. Do not write into x between the forward and the backward pass. On a
GPU, which would wait for the many small steps, and under `torch.compile`, which puts steps together
by itself, everything is taken at once. To compile batch norm of rows, take that of `in_torch`.
Images below about 8 × 8 are too small for it, and `in_numpy` is as fast.
"""

import contextlib
import math

import numpy as np
import torch
from torch.compiler import is_compiling

from cs231n_lib.errors import divisor, validated
from cs231n_lib.normalization import (
    bn_options,
    ln_options,
    marks_test_mode,
    of_this_output,
)
from cs231n_lib.precision import in_single

BLOCK = 2**18  # numbers of the input that are taken at a time
CHAIN = 512  # numbers that are added up at a time; in longer sums float32 loses digits


@validated(x="N D", gamma="D", beta="D", bn_param=bn_options("D"))
@marks_test_mode
@in_single
def batchnorm_forward(x, gamma, beta, bn_param):
    """Batch normalization, with the arguments and results of `in_numpy.batchnorm_forward`.

    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> out, cache = batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train"})
    >>> out.round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    return _forward(x, gamma, beta, bn_param)


@validated(dout="N D", cache=of_this_output)
@in_single
def batchnorm_backward(dout, cache):
    """Gradient of train-mode batch normalization: dx (N, D), dgamma (D,), dbeta (D,).

    >>> x = torch.tensor([[1.0], [2.0], [6.0]])
    >>> out, cache = batchnorm_forward(x, torch.ones(1), torch.zeros(1), {"mode": "train"})
    >>> batchnorm_backward(torch.tensor([[1.0], [0.0], [0.0]]), cache)[2]
    tensor([1.])
    """
    return _backward(dout, cache)


@validated(x="N C H W", gamma="C", beta="C", bn_param=bn_options("C"))
@marks_test_mode
@in_single
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    """Batch normalization of images, as `in_numpy.spatial_batchnorm_forward`.

    >>> x = np.arange(12.0).reshape(1, 2, 2, 3)
    >>> out, cache = spatial_batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train"})
    >>> bool(np.allclose(out.mean(axis=(0, 2, 3)), 0))
    True
    """
    return _forward(x, gamma, beta, bn_param)


@validated(dout="N C H W", cache=of_this_output)
@in_single
def spatial_batchnorm_backward(dout, cache):
    """Gradient of train-mode spatial batch normalization: dx (N, C, H, W), dgamma, dbeta (C,).

    >>> x = np.arange(12.0).reshape(1, 2, 2, 3)
    >>> out, cache = spatial_batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train"})
    >>> spatial_batchnorm_backward(np.ones((1, 2, 2, 3)), cache)[2]
    array([6., 6.])
    """
    return _backward(dout, cache)


@validated(x="N D", gamma="D", beta="D", ln_param=ln_options())
@in_single
def layernorm_forward(x, gamma, beta, ln_param):
    """Layer normalization, with the arguments and results of `in_numpy.layernorm_forward`.

    >>> x = np.array([[1.0, 3.0], [10.0, 30.0]])
    >>> layernorm_forward(x, np.ones(2), np.zeros(2), {})[0].round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    if isinstance(x, np.ndarray):
        return _forward_rows(x, gamma, beta, ln_param.get("eps", 1e-5))
    return _forward_within(x, gamma, beta, (1, x.shape[1], 1), ln_param)


@validated(dout="N D", cache=of_this_output)
@in_single
def layernorm_backward(dout, cache):
    """Gradient of layer normalization: dx (N, D), dgamma (D,), dbeta (D,).

    >>> out, cache = layernorm_forward(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), {})
    >>> layernorm_backward(np.ones((1, 2)), cache)[2]
    array([1., 1.])
    """
    if isinstance(dout, np.ndarray):
        return _backward_rows(dout, cache)
    return _backward_within(dout, cache)


@validated(x="N C H W", gamma="C", beta="C", in_param=ln_options())
@in_single
def instancenorm_forward(x, gamma, beta, in_param):
    """Instance normalization, as `in_numpy.instancenorm_forward`.

    >>> x = np.arange(12.0).reshape(1, 2, 2, 3)
    >>> out, cache = instancenorm_forward(x, np.ones(2), np.zeros(2), {})
    >>> bool(np.allclose(out.mean(axis=(2, 3)), 0))
    True
    """
    return _forward_within(x, gamma, beta, (x.shape[1], 1, -1), in_param)


@validated(dout="N C H W", cache=of_this_output)
@in_single
def instancenorm_backward(dout, cache):
    """Gradient of instance normalization: dx (N, C, H, W), dgamma (C,), dbeta (C,).

    >>> out, cache = instancenorm_forward(np.ones((1, 2, 2, 3)), np.ones(2), np.zeros(2), {})
    >>> instancenorm_backward(np.ones((1, 2, 2, 3)), cache)[2]
    array([6., 6.])
    """
    return _backward_within(dout, cache)


@validated(x="N C H W", gamma="1 C 1 1", beta="1 C 1 1", G=divisor("C"), gn_param=ln_options())
@in_single
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    """Group normalization, as `in_numpy.spatial_groupnorm_forward`.

    >>> x = np.arange(16.0).reshape(1, 4, 2, 2)
    >>> one, zero = np.ones((1, 4, 1, 1)), np.zeros((1, 4, 1, 1))
    >>> spatial_groupnorm_forward(x, one, zero, 2, {})[0].mean(axis=(2, 3)).round(2)
    array([[-0.87,  0.87, -0.87,  0.87]])
    """
    return _forward_within(x, gamma, beta, (G, x.shape[1] // G, -1), gn_param)


@validated(dout="N C H W", cache=of_this_output)
@in_single
def spatial_groupnorm_backward(dout, cache):
    """Gradient of group normalization: dx (N, C, H, W), dgamma and dbeta (1, C, 1, 1).

    >>> one, zero = np.ones((1, 4, 1, 1)), np.zeros((1, 4, 1, 1))
    >>> out, cache = spatial_groupnorm_forward(np.ones((1, 4, 2, 2)), one, zero, 2, {})
    >>> spatial_groupnorm_backward(np.ones((1, 4, 2, 2)), cache)[2].ravel()
    array([4., 4., 4., 4.])
    """
    return _backward_within(dout, cache)


@contextlib.contextmanager
def _short_buffer():
    """Let NumPy take rows as they are, for as long as this lasts.

    A row that is shorter than its buffer, 8,192 numbers, is not multiplied by its scale: the scale
    is copied into the buffer once for each number of the row, which takes twice as long again.
    """
    with np.errstate():  # puts the old size back at the end
        np.setbufsize(CHAIN)
        yield


def _at_once(x):
    """Whether x is for a GPU or a compiler, which small steps only hinder."""
    return isinstance(x, torch.Tensor) and (x.device.type != "cpu" or is_compiling())


# ------------------------------------------------------------------ batch norm


@torch.no_grad()
@_short_buffer()
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
            (_total(lib, x_mu), _total(lib, x_mu, x_mu)) for x_mu in _centred(lib, x, mu, out)
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
@_short_buffer()
def _backward(dout, cache):
    x, mu, delta, gamma, std = cache
    lib = torch if isinstance(x, torch.Tensor) else np
    count = math.prod(x.shape) / len(gamma)

    dx = _new(lib, dout)
    totals = [
        (_total(lib, g), _total(lib, g, x_mu))
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
    if _at_once(a):
        return [a]
    step = min(CHAIN, max(1, BLOCK // math.prod(a.shape[1:])))
    return [a[i : i + step] for i in range(0, len(a), step)]


def _centred(lib, x, mu, result):
    """Yield the blocks of x − μ, each just written to its place in `result`."""
    for block, place in zip(_blocks(x), _blocks(result), strict=True):
        yield lib.subtract(block, mu[:, None], out=place)


def _total(lib, a, b=None):
    """Return the sum of a·b, or of a, of each feature of one block, (C,)."""
    if a.ndim == 3:
        return _dot(lib, a, b).sum(0)
    product = a if b is None else a * b
    return product.sum(1) if lib is torch else product @ np.ones(a.shape[1], a.dtype)


def _sum(lib, totals):
    """Return the sum of the totals of all blocks, (C,)."""
    return _total(lib, lib.stack(totals).T)


def _new(lib, a):
    """Return an array like a in plain order, so that its blocks are views."""
    return lib.empty(a.shape, dtype=a.dtype, device=a.device)


# ------------------------------------------------------------------ rows of arrays


@_short_buffer()
def _forward_rows(x, gamma, beta, eps):
    """Layer norm of some rows at a time: two axes are met faster than four, sums are x @ ones.

    x̂ is kept: to make it again would be three passes beside the eleven that are left.
    """
    N, D = x.shape
    weights = np.full(D, 1 / D, x.dtype)  # (D,)
    x_hat, out = np.empty_like(x, order="C"), np.empty_like(x, order="C")
    inverse = np.empty((N, 1), x.dtype)
    for own in _some_rows(x):
        x_mu, result = x_hat[own], out[own]  # (n, D)
        mu = x[own] @ weights  # (n,) LN.1
        np.subtract(x[own], mu[:, None], out=x_mu)
        x_mu -= (x_mu @ weights)[:, None]  # the rounding of mu
        var = np.vecdot(x_mu, x_mu) / D  # (n,) LN.2
        inverse[own, 0] = 1 / np.sqrt(var + eps)
        x_mu *= inverse[own]  # LN.3
        np.multiply(x_mu, gamma, out=result)  # LN.4
        result += beta
    return out, (x_hat, gamma, inverse)


@_short_buffer()
def _backward_rows(dout, cache):
    x_hat, gamma, inverse = cache
    D = dout.shape[1]
    dx = np.empty_like(dout, order="C")
    dgamma, dbeta = np.zeros((2, D), dout.dtype)
    for own in _some_rows(dout):
        g, result = dout[own], dx[own]  # (n, D)
        product = g * x_hat[own]
        ones = np.ones(len(g), g.dtype)
        dbeta += ones @ g  # LN.5
        dgamma += ones @ product  # LN.6
        mean, share = (g @ gamma / D)[:, None], (product @ gamma / D)[:, None]  # (n, 1)
        np.multiply(g, gamma, out=result)  # LN.7
        result -= mean  # LN.8
        result -= np.multiply(x_hat[own], share, out=product)
        result *= inverse[own]
    return dx, dgamma, dbeta


def _some_rows(x):
    step = min(128, max(1, BLOCK // x.shape[1]))
    return [slice(i, i + step) for i in range(0, len(x), step)]


# ------------------------------------------------------------------ within one example


@torch.no_grad()
def _forward_within(x, gamma, beta, parts, param):
    eps = param.get("eps", 1e-5)
    forward = _forward_of_all if _at_once(x) else _forward_in_blocks
    return forward(x, gamma, beta, parts, eps)


@torch.no_grad()
def _backward_within(dout, cache):
    at_once = len(cache) == 3  # as `_forward_of_all` left it
    return (_backward_of_all if at_once else _backward_in_blocks)(dout, cache)


def _forward_of_all(x, gamma, beta, parts, eps):
    seen = x.reshape(len(x), *parts)  # (N, K, J, P)
    K, J, _ = parts
    x_mu = seen - _mean(seen)  # LN.1, IN.1, GN.1
    x_mu = x_mu - _mean(x_mu)  # again: takes out the rounding of a large mean
    std = torch.sqrt(_mean(x_mu**2) + eps)  # (N, K, 1, 1) LN.2, IN.2, GN.2
    x_hat = x_mu * (1 / std)  # LN.3, IN.3, GN.3; it divides one number a set
    out = gamma.reshape(K, J, 1) * x_hat + beta.reshape(K, J, 1)  # LN.4, IN.4, GN.4
    return out.reshape(x.shape), (x_hat, gamma, std)


def _backward_of_all(dout, cache):
    x_hat, gamma, std = cache
    _, K, J, P = x_hat.shape
    scales = gamma.reshape(K, J, 1)
    g = dout.reshape(x_hat.shape)  # (N, K, J, P)
    sums = g.sum(3, keepdim=True)  # (N, K, J, 1)
    products = (g * x_hat).sum(3, keepdim=True)
    dbeta, dgamma = (s.sum(0).reshape(gamma.shape) for s in (sums, products))  # GN.5, GN.6
    mean = (scales * sums).sum(2, keepdim=True) / (J * P)  # (N, K, 1, 1), of dx_hat
    share = (scales * products).sum(2, keepdim=True) / (J * P)  # of dx_hat * x_hat
    dx = 1 / std * (scales * g - mean - x_hat * share)  # GN.7, GN.8
    return dx.reshape(dout.shape), dgamma, dbeta


def _mean(a):
    """Return the mean of each set of numbers, (N, K, 1, 1); the compiler wants P summed first."""
    return a.sum(3, keepdim=True).sum(2, keepdim=True) / math.prod(a.shape[2:])


@_short_buffer()
def _forward_in_blocks(x, gamma, beta, parts, eps):
    lib = torch if isinstance(x, torch.Tensor) else np
    K, J, _ = parts
    seen = x.reshape(len(x), *parts)  # (N, K, J, P)
    scales, shifts = gamma.reshape(K, J), beta.reshape(K, J)
    M = math.prod(seen.shape[2:])

    out = _new(lib, seen)
    mu, delta, inverse = (_new(lib, seen[:, :, 0, 0]) for _ in range(3))  # (N, K)
    for own in _examples(seen):
        result = out[own]  # (n, K, J, P)
        rows = result.reshape(-1, K, M)
        mu[own] = _dot(lib, seen[own].reshape(rows.shape)) / M  # LN.1, IN.1, GN.1
        lib.subtract(seen[own], mu[own][:, :, None, None], out=result)
        delta[own] = _dot(lib, rows) / M  # the rounding of mu
        var = (_dot(lib, rows, rows) / M - delta[own] ** 2).clip(0)  # LN.2, IN.2, GN.2
        inverse[own] = (var + eps) ** -0.5
        _scale_and_shift(result, delta[own], inverse[own], scales, shifts)
    return out.reshape(x.shape), (seen, mu, delta, inverse, gamma)


def _scale_and_shift(x_mu, delta, inverse, scales, shifts):
    """Turn x_mu (n, K, J, P) into scales * (x_mu - delta) * inverse + shifts, in place."""
    if x_mu.shape[3] == 1:  # as many scales as numbers: no array of its own for them together
        x_mu *= inverse[:, :, None, None]  # LN.3
        x_mu -= (delta * inverse)[:, :, None, None]
        x_mu *= scales[..., None]  # LN.4
        x_mu += shifts[..., None]
        return
    scale = inverse[:, :, None] * scales  # (n, K, J)
    shift = shifts - delta[:, :, None] * scale
    x_mu *= scale[..., None]  # IN.3, IN.4, GN.3, GN.4
    x_mu += shift[..., None]


@_short_buffer()
def _backward_in_blocks(dout, cache):
    seen, mu, delta, inverse, gamma = cache
    lib = torch if isinstance(dout, torch.Tensor) else np
    _, K, J, _ = seen.shape
    M = math.prod(seen.shape[2:])
    scales = gamma.reshape(K, J)
    gradient = dout.reshape(seen.shape)  # (N, K, J, P)

    dx = _new(lib, seen)
    dgamma, dbeta = [], []
    for own in _examples(seen):
        g, x_mu = gradient[own], dx[own]  # (n, K, J, P)
        away, inv = delta[own], inverse[own]  # (n, K)
        lib.subtract(seen[own], mu[own][:, :, None, None], out=x_mu)
        sums, products = _dot(lib, g), _dot(lib, g, x_mu)  # (n, K, J)
        dbeta.append(sums.sum(0))  # LN.5, IN.5, GN.5
        dgamma.append(_weighted(inv, products) - _weighted(inv * away, sums))  # LN.6, IN.6, GN.6

        mean = _dot(lib, sums, scales) / M  # (n, K), of dx_hat
        share = (_dot(lib, products, scales) / M - away * mean) * inv  # of dx_hat * x_hat
        slope = -share * inv**2
        offset = -mean * inv - away * slope
        x_mu *= slope[:, :, None, None]  # LN.8, IN.7, GN.8: dx = scale * g + slope * x_mu + offset
        x_mu += offset[:, :, None, None]
        scale = (inv[:, :, None] * scales)[..., None]  # (n, K, J, 1)
        _add_product(x_mu, scale, g)  # LN.7, GN.7
    dgamma, dbeta = (lib.stack(parts).sum(0).reshape(gamma.shape) for parts in (dgamma, dbeta))
    return dx.reshape(dout.shape), dgamma, dbeta


def _examples(seen):
    """Return slices of some examples each."""
    step = max(1, BLOCK // math.prod(seen.shape[1:]))
    return [slice(i, i + step) for i in range(0, len(seen), step)]


def _dot(lib, a, b=None):
    """Return the sums of a·b, or of a, over the last axis."""
    size = a.shape[-1]
    if size == 1:
        return (a if b is None else a * b)[..., 0]
    if lib is torch:
        return (a if b is None else a * b).sum(-1)
    arrays = (a,) if b is None else (a, b)
    rest = size // CHAIN * CHAIN
    total = 0
    if rest:
        chains = (c[..., :rest].reshape(*c.shape[:-1], -1, CHAIN) for c in arrays)
        total = _chain(*chains).sum(-1)
    if rest < size:
        total = total + _chain(*(c[..., rest:] for c in arrays))
    return total


def _chain(a, *b):
    """As `_dot`, in one go; a sum is a product with ones, which takes a third of the time."""
    if b:
        return np.vecdot(a, *b)
    return (a.reshape(-1, a.shape[-1]) @ np.ones(a.shape[-1], a.dtype)).reshape(a.shape[:-1])


def _add_product(a, scale, b):
    """Turn a into a + scale * b, in place."""
    if isinstance(a, torch.Tensor):
        a.addcmul_(scale, b)  # without an array for the product
    else:
        a += scale * b


def _weighted(weights, a):
    """Return the sum over examples of a (n, K, J) with weights (n, K)."""
    return (weights[:, :, None] * a).sum(0)
