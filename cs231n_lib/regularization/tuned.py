"""Fast forms of this family, tested equal to the readable ones.

- Dropout: drawing is most of its time. NumPy makes a float32 of half of a 64-bit draw; here each
  half is compared as the whole number that it is, so a draw serves two units at once. A tensor of
  random numbers becomes the mask in place, without a pass for booleans.
- The heights and widths of pooling regions are 1 to 3, so the largest value of every region along
  one axis is that of at most three selections of whole rows. An image at a time stays in the
  processor's cache.
"""

import math

import numpy as np

from cs231n_lib.errors import validated
from cs231n_lib.regularization import FMP_PARAM, dropout_options, generator_of, in_numpy


@validated(x="N ...", dropout_param=dropout_options())
def dropout_forward(x, dropout_param):
    """Inverted dropout as in `in_numpy` and `in_torch`, on arrays or tensors.

    Args:
        x: (N, ...) one row per example; dropout_param: as in the readable form.

    Returns:
        out: like x; cache for `dropout_backward`. The mask is that of the readable form, except
        from a generator that has half a draw left over, or an older one such as MT19937.

    Raises:
        ValueError: when the mode is neither 'train' nor 'test', or for a p outside its range.

    Slide 82. Srivastava et al. 2014, JMLR 15.

    >>> x, param = np.ones((100, 7), np.float32), {"p": 0.25, "seed": 0}
    >>> fast, slow = dropout_forward(x, param)[0], in_numpy.dropout_forward(x, param)[0]
    >>> bool((fast == slow).all())
    True
    """
    readable, draw = in_numpy, _array_mask
    if not isinstance(x, np.ndarray):
        from cs231n_lib.regularization import in_torch

        readable, draw = in_torch, _tensor_mask
    if dropout_param.get("mode", "train") == "test":
        return readable.dropout_forward(x, dropout_param)
    mask = draw(x, dropout_param.get("p", 0.5), dropout_param.get("seed"))  # Drop.1, Drop.2
    return x * mask, mask  # Drop.3


def _array_mask(x, p, seed):
    pairs = -(-x.size // 2)
    draws = np.random.default_rng(seed).integers(2**64, size=pairs, dtype=np.uint64)
    halves = draws.view(np.uint32)[: x.size].reshape(x.shape)
    steps = math.ceil(np.float32(p) * 2**24)  # a float32 of [0, 1) is a multiple of 2⁻²⁴
    return (halves < steps * 2**8) / x.dtype.type(p)


def _tensor_mask(x, p, seed):
    import torch

    rng = generator_of(seed, x.device)
    return torch.rand(x.shape, generator=rng, device=x.device).lt_(p).to(x.dtype).div_(p)


@validated(x="N C H W", pool_param=FMP_PARAM)
def fractional_max_pool_forward(x, pool_param, rng):
    """Fractional max pooling as in `in_numpy` and `in_torch`, on arrays or tensors.

    Args:
        x: (N, C, H, W); pool_param, rng: as in the readable form, of the library of x.

    Returns:
        out: (N, C, height, width); cache for `fractional_max_pool_backward`.

    Slide 95. Graham 2014, arXiv:1412.6071.

    >>> x, param = np.random.default_rng(0).normal(size=(2, 3, 8, 9)), {"height": 5, "width": 6}
    >>> fast = fractional_max_pool_forward(x, param, np.random.default_rng(1))[0]
    >>> slow = in_numpy.fractional_max_pool_forward(x, param, np.random.default_rng(1))[0]
    >>> bool((fast == slow).all())
    True
    """
    if isinstance(x, np.ndarray):
        module, stack, along = in_numpy, np.stack, _arrays_along
    else:
        import torch  # the NumPy half need not wait for it

        from cs231n_lib.regularization import in_torch

        module, stack, along = in_torch, torch.stack, _tensors_along
    rows = module.pooling_regions(x.shape[2], pool_param["height"], pool_param, rng)
    cols = module.pooling_regions(x.shape[3], pool_param["width"], pool_param, rng)
    out = stack([along(along(image, rows, 1), cols, 2) for image in x])  # FMP.4
    return out, (x, out, rows, cols)


def _arrays_along(x, region, axis):
    """Largest value of x from first to last along one axis."""
    first, last = region
    out = x.take(first, axis)
    for further in range(1, int((last - first).max()) + 1):
        np.maximum(out, x.take(np.minimum(first + further, last), axis), out=out)
    return out


def _tensors_along(x, region, axis):
    first, last = (index.to(x.device) for index in region)
    out = x.index_select(axis, first)
    for further in range(1, int((last - first).max()) + 1):
        out = out.maximum(x.index_select(axis, (first + further).minimum(last)))
    return out
