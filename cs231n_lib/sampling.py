"""Bilinear sampling: what an image shows between its pixels. Support for lesson 11.

The centre of pixel (i, j) is at row i and column j, so an image of H rows reaches from −½ to H − ½.
Between four centres the value is their mean, weighted by how near they are; outside of the
outermost centres it is that of the nearest one. It is what `scipy.ndimage.map_coordinates` does
with `order=1, mode="nearest"`, and PyTorch's `grid_sample` with `padding_mode="border"`.
"""

import numpy as np

from cs231n_lib.errors import validated

BLOCK = 2**14  # positions that are looked up at once


@validated(x="N H W C", rows="array", columns="array")
def bilinear(x, rows, columns):
    """Values of images at any positions, by bilinear interpolation.

    Args:
        x: (N, H, W, C) floats, images.
        rows, columns: (N, h, w) or (h, w), or shapes that broadcast to it: where to look, in
            pixels; the centre of the first pixel is at row 0, column 0.

    Returns:
        out: (N, h, w, C), of the dtype of x.

    Slides 88 and 92 need it: an image that is resized or rotated is looked at between its pixels.

    >>> x = np.array([[0.0, 1.0], [2.0, 3.0]]).reshape(1, 2, 2, 1)
    >>> bilinear(x, np.array([[0.0, 0.5]]), np.array([[0.25, 0.5]]))[0, ..., 0]
    array([[0.25, 1.5 ]])
    """
    N, C = len(x), x.shape[3]
    shape = np.broadcast_shapes((N, 1, 1), rows.shape, columns.shape)  # (N, h, w)
    rows, columns = np.broadcast_to(rows, shape), np.broadcast_to(columns, shape)
    out = np.empty((*shape, C), x.dtype)
    step = max(1, BLOCK // (shape[1] * shape[2]))  # a few images at a time stay in the cache
    for start in range(0, N, step):
        part = slice(start, start + step)
        _sample(x[part], rows[part], columns[part], out[part])
    return out


def _sample(x, rows, columns, out):
    """Write into `out` what a few images show; one colour after the other, by flat indices."""
    N, H, W, C = x.shape
    planes = np.ascontiguousarray(x.reshape(-1, C).T)  # (C, N·H·W)
    rows, columns = rows.clip(0, H - 1), columns.clip(0, W - 1)
    top, left = rows.astype(np.intp), columns.astype(np.intp)  # (N, h, w)
    down, across = (rows - top).astype(x.dtype), (columns - left).astype(x.dtype)
    corner = (np.arange(N) * (H * W))[:, None, None] + top * W + left
    right, below = left < W - 1, (top < H - 1) * W  # steps to the neighbours; none at the edge
    places = (corner, corner + right, corner + below, corner + below + right)
    values = [np.empty(corner.shape, x.dtype) for _ in places]
    for plane, result in zip(planes, np.moveaxis(out, -1, 0), strict=True):
        for place, value in zip(places, values, strict=True):
            np.take(plane, place, out=value, mode="clip")
        upper = _between(*values[:2], across)
        lower = _between(*values[2:], across)
        result[...] = _between(upper, lower, down)


def _between(a, b, share):
    """Return a + share·(b − a), in the memory of b."""
    b -= a
    b *= share
    b += a
    return b


@validated(x="N C H W", rows="array", columns="array")
def bilinear_tensor(x, rows, columns):
    """Values of images at any positions, as `bilinear`, for tensors with their channels first.

    Args:
        x: (N, C, H, W) floats, images on any device.
        rows, columns: (N, h, w) or (h, w), or shapes that broadcast to it: where to look.

    Returns:
        out: (N, C, h, w), of the dtype and on the device of x.

    Slides 88 and 92.

    >>> import torch
    >>> x = torch.tensor([[0.0, 1.0], [2.0, 3.0]]).reshape(1, 1, 2, 2)
    >>> bilinear_tensor(x, torch.tensor([[0.0, 0.5]]), torch.tensor([[0.25, 0.5]]))[0, 0]
    tensor([[0.2500, 1.5000]])
    """
    N, C, H, W = x.shape
    shape = np.broadcast_shapes((N, 1, 1), rows.shape, columns.shape)
    rows, columns = (at.expand(shape).reshape(N, 1, -1) for at in (rows, columns))  # (N, 1, hw)
    rows, columns = rows.clip(0, H - 1), columns.clip(0, W - 1)
    top, left = rows.floor(), columns.floor()
    down, across = (rows - top).to(x.dtype), (columns - left).to(x.dtype)
    top, left = top.long(), left.long()
    bottom, right = (top + 1).clip(max=H - 1), (left + 1).clip(max=W - 1)

    def at(row, column):
        return x.flatten(2).gather(2, (row * W + column).expand(N, C, -1))  # (N, C, hw)

    upper = at(top, left).lerp(at(top, right), across)
    lower = at(bottom, left).lerp(at(bottom, right), across)
    return upper.lerp(lower, down).reshape(N, C, *shape[1:])
