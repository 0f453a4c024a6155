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
    top, down = _split(np, rows, H)  # (N, h, w)
    left, across = _split(np, columns, W)
    down, across = ((1 - share, share) for share in (down.astype(x.dtype), across.astype(x.dtype)))
    first = (np.arange(N) * (H * W))[:, None, None]
    corner = first + top.astype(np.intp) * W + left.astype(np.intp)
    a, b, c, d = neighbours = np.empty((4, *corner.shape), x.dtype)
    for plane, result in zip(planes, np.moveaxis(out, -1, 0), strict=True):
        for value, step in zip(neighbours, _steps(H, W), strict=True):
            np.take(plane[step:], corner, out=value, mode="clip")
        above, below = _between(a, b, across, b), _between(c, d, across, d)
        _between(above, below, down, result)


def _between(a, b, shares, out):
    """Write the mean of a and b, weighted by the two shares, into `out`; a and b are used up."""
    for value, share in zip((a, b), shares, strict=True):
        value *= share
    return np.add(a, b, out=out)


def _split(lib, places, size):
    """Return the pixel before each place, and how far behind its centre the place is, 0 to 1."""
    places = places.clip(0, size - 1)
    before = lib.floor(places).clip(0, max(0, size - 2))  # one more pixel comes behind it
    return before, places - before


def _steps(H, W):
    """Return how far the four neighbours of a place are from the first, as flat indices."""
    right, below = min(1, W - 1), W * min(1, H - 1)  # an image of one row has no next one
    return 0, right, below, below + right


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
    import torch  # the NumPy half need not wait for it

    N = len(x)
    shape = np.broadcast_shapes((N, 1, 1), rows.shape, columns.shape)  # (N, h, w)
    rows, columns = rows.expand(shape), columns.expand(shape)
    own_cache = x.device.type == "cpu"  # a GPU would wait for the many small steps
    step = max(1, BLOCK // (shape[1] * shape[2])) if own_cache else N
    parts = [slice(start, start + step) for start in range(0, N, step)]
    return torch.cat([_sample_tensor(torch, x[p], rows[p], columns[p]) for p in parts])


def _sample_tensor(torch, x, rows, columns):
    """Return what a few images show, all colours at once, (N, C, h, w)."""
    N, C, H, W = x.shape
    planes = x.movedim(1, 0).reshape(C, -1)  # (C, N·H·W)
    top, down = _split(torch, rows, H)  # (N, h, w)
    left, across = _split(torch, columns, W)
    down, across = down.to(x.dtype).reshape(-1), across.to(x.dtype).reshape(-1)
    first = torch.arange(N, device=x.device)[:, None, None] * (H * W)
    corner = (first + top.long() * W + left.long()).reshape(-1)
    a, b, c, d = (planes.index_select(1, corner + step) for step in _steps(H, W))
    out = a.lerp(b, across).lerp(c.lerp(d, across), down)  # (C, N·h·w)
    return out.reshape(C, *rows.shape).movedim(0, 1)
