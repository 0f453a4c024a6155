"""Fast forms of this family, tested equal to the readable ones.

The heights and widths of pooling regions are 1 to 3, so the largest value of every region along
one axis is that of at most three selections of whole rows. An image at a time stays in the
processor's cache.
"""

import numpy as np

from cs231n_lib.errors import validated
from cs231n_lib.regularization import FMP_PARAM, in_numpy


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
