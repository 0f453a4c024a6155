"""Layers in PyTorch: the names and the order of `in_numpy`, on tensors, backward passes by hand.

Device and dtype follow the input, and no input is written to. A forward pass returns (out, cache),
its backward pass takes (dout, cache).
"""

import torch

from cs231n_lib.errors import labels, validated
from cs231n_lib.layers.in_numpy import CONV_PARAM, POOL_PARAM, _output_size
from cs231n_lib.precision import loss_in_single

IMAGES = 8  # whose columns are in memory at once: they are KH·KW times the images


@validated(x="N ...", w="D M", b="M")
def affine_forward(x, w, b):
    """Affine layer, x·w + b: x (N, d1, ..., dk) with d1···dk = D, w (D, M), b (M,), out (N, M).

    Raises:
        ValueError: when the examples do not have as many numbers as w has rows.

    >>> out, cache = affine_forward(torch.ones(2, 3), torch.ones(3, 4), torch.zeros(4))
    >>> out.shape
    torch.Size([2, 4])
    """
    rows = x.reshape(len(x), -1)  # (N, D)
    if rows.shape[1] != len(w):
        raise ValueError(
            f"affine_forward: w must have one row for each of the {rows.shape[1]} numbers of an "
            f"example (x has shape {tuple(x.shape)}), got w of shape {tuple(w.shape)}"
        )
    return torch.addmm(b, rows, w), (x, w)


@validated(dout="N M")
def affine_backward(dout, cache):
    """Gradients of the affine layer.

    Args:
        dout: (N, M) gradient of the loss with respect to the output.
        cache: from `affine_forward`.

    Returns:
        dx: like x; dw: (D, M); db: (M,).

    >>> out, cache = affine_forward(torch.ones(2, 3), torch.ones(3, 4), torch.zeros(4))
    >>> [gradient.shape[0] for gradient in affine_backward(out, cache)]
    [2, 3, 4]
    """
    x, w = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout  # (D, M)
    db = dout.sum(dim=0)  # (M,)
    return dx, dw, db


@validated(x="...")
def relu_forward(x):
    """Rectified linear unit, max(0, x), on a tensor of any shape.

    Args:
        x: tensor of any shape.

    Returns:
        out: like x; cache: x, for `relu_backward`.

    Slides 3–4.

    >>> relu_forward(torch.tensor([-1.0, 2.0]))[0]
    tensor([0., 2.])
    """
    return x.clamp(min=0), x


@validated(dout="...")
def relu_backward(dout, cache):
    """Gradient of the rectified linear unit: dout where x was positive, 0 elsewhere.

    Args:
        dout: gradient of the loss with respect to the output, of the same shape.
        cache: from `relu_forward`.

    Returns:
        dx: like dout.

    Slides 3–4.

    >>> relu_backward(torch.tensor([5.0, 6.0]), torch.tensor([-1.0, 2.0]))
    tensor([0., 6.])
    """
    return dout * (cache > 0)


@validated(x="N C H W", w="F C KH KW", b="F", conv_param=CONV_PARAM)
def conv_forward(x, w, b, conv_param):
    """Cross-correlation of x (N, C, H, W) with w (F, C, KH, KW), plus b (F,): out (N, F, OH, OW).

    conv_param is a dict with stride (default 1) and pad (default 0), in pixels.

    Raises:
        ValueError: when a filter is larger than the padded image.

    >>> x, w = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3)
    >>> conv_forward(x, w, torch.zeros(1), {"stride": 2, "pad": 1})[0].flatten()
    tensor([4., 4., 4., 4.])
    """
    N, _, H, W = x.shape
    F, _, KH, KW = w.shape
    stride, pad = conv_param.get("stride", 1), conv_param.get("pad", 0)
    OH, OW = _output_size("conv_forward", (H + 2 * pad, W + 2 * pad), (KH, KW), stride)

    filters = w.reshape(F, -1)  # (F, C·KH·KW)
    some = _padded(x, pad).split(IMAGES)
    out = torch.cat([filters @ _columns(part, (KH, KW), stride) for part in some])  # (N, F, OH·OW)
    out = (out + b[:, None]).reshape(N, F, OH, OW)
    return out, (x, w, stride, pad)


@validated(dout="N F OH OW")
def conv_backward(dout, cache):
    """Gradients of the convolution.

    Args:
        dout: (N, F, OH, OW) gradient of the loss with respect to the output.
        cache: from `conv_forward`.

    Returns:
        dx: (N, C, H, W); dw: (F, C, KH, KW); db: (F,).

    >>> x, w = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3)
    >>> out, cache = conv_forward(x, w, torch.zeros(1), {"stride": 2, "pad": 1})
    >>> conv_backward(torch.ones(1, 1, 2, 2), cache)[1].flatten()
    tensor([1., 2., 1., 2., 4., 2., 1., 2., 1.])
    """
    x, w, stride, pad = cache
    N, C, H, W = x.shape
    F, _, KH, KW = w.shape
    OH, OW = dout.shape[2:]

    filters, padded = w.reshape(F, -1), _padded(x, pad)
    dw, dpadded = torch.zeros_like(filters), dout.new_zeros(padded.shape)
    dout_rows = dout.reshape(N, F, -1)  # (N, F, OH·OW)
    for start in range(0, N, IMAGES):
        few = slice(start, start + IMAGES)
        part, drows, dpart = padded[few], dout_rows[few], dpadded[few]
        dw += (drows @ _columns(part, (KH, KW), stride).mT).sum(dim=0)
        dcolumns = (filters.T @ drows).reshape(-1, C, KH, KW, OH, OW)
        dwindows = _windows(dpart, (KH, KW), stride)  # a view: writing to it writes to dpadded
        for i in range(KH):
            for j in range(KW):  # windows overlap: one offset of them never does
                dwindows[:, :, i, j] += dcolumns[:, :, i, j]
    dw = dw.reshape(w.shape)
    dx = dpadded[:, :, pad : pad + H, pad : pad + W]
    return dx, dw, dout.sum(dim=(0, 2, 3))


@validated(x="N C H W", pool_param=POOL_PARAM)
def max_pool_forward(x, pool_param):
    """Largest value of each window: x (N, C, H, W), out (N, C, OH, OW).

    pool_param is a dict with pool_height, pool_width and stride, each 2 by default.

    Raises:
        ValueError: when a window is larger than the image.

    >>> max_pool_forward(torch.arange(16.0).reshape(1, 1, 4, 4), {"stride": 2})[0].flatten()
    tensor([ 5.,  7., 13., 15.])
    """
    PH, PW = pool_param.get("pool_height", 2), pool_param.get("pool_width", 2)
    stride = pool_param.get("stride", 2)
    N, C = x.shape[:2]
    OH, OW = _output_size("max_pool_forward", x.shape[2:], (PH, PW), stride)

    columns = _windows(x, (PH, PW), stride).reshape(N, C, PH * PW, OH * OW)
    out, index = columns.max(dim=2)  # (N, C, OH·OW) the value and its place in the window
    return out.reshape(N, C, OH, OW), (index, x.shape, PH, PW, stride)


@validated(dout="N C OH OW")
def max_pool_backward(dout, cache):
    """Gradient of max pooling: dout goes to the first largest value of its window.

    Args:
        dout: (N, C, OH, OW) gradient of the loss with respect to the output.
        cache: from `max_pool_forward`.

    Returns:
        dx: (N, C, H, W); a value that is the largest of several overlapping windows collects all
        their gradients.

    >>> out, cache = max_pool_forward(torch.tensor([[[[1.0, 3.0], [2.0, 0.0]]]]), {})
    >>> max_pool_backward(torch.tensor([[[[5.0]]]]), cache).flatten()
    tensor([0., 5., 0., 0.])
    """
    index, (N, C, H, W), PH, PW, stride = cache
    numbers = torch.arange(H * W, device=dout.device).reshape(1, 1, H, W)
    pixels = _windows(numbers, (PH, PW), stride).reshape(PH * PW, -1)  # (PH·PW, OH·OW)
    target = pixels.gather(0, index.reshape(N * C, -1))  # (N·C, OH·OW) the pixel of each maximum
    dx = dout.new_zeros(N * C, H * W)
    dx.scatter_add_(1, target, dout.reshape(N * C, -1))
    return dx.reshape(N, C, H, W)


@validated(scores="N C", y=labels("N", "C"))
@loss_in_single
def softmax_loss(scores, y):
    """Mean cross-entropy (a tensor, in nats) of scores (N, C) at labels y (N,), and dscores.

    >>> loss, dscores = softmax_loss(torch.zeros(2, 4), torch.tensor([0, 3]))
    >>> round(loss.item(), 4), dscores[0]
    (1.3863, tensor([-0.3750,  0.1250,  0.1250,  0.1250]))
    """
    N = len(y)
    shifted = scores - scores.amax(dim=1, keepdim=True)  # (N, C)
    correct = shifted.gather(1, y[:, None])  # (N, 1)
    probabilities = shifted.exp_()
    totals = probabilities.sum(dim=1, keepdim=True)  # (N, 1)
    loss = (totals.log() - correct).mean()

    dscores = probabilities.div_(totals * N)
    dscores.scatter_add_(1, y[:, None], torch.full_like(totals, -1 / N))
    return loss, dscores


@validated(scores="N C", y=labels("N", "C"))
@loss_in_single
def svm_loss(scores, y):
    """Mean hinge loss, margin 1 (a tensor), of scores (N, C) at labels y (N,), and dscores.

    >>> svm_loss(torch.tensor([[3.0, 2.5, 0.0]]), torch.tensor([0]))
    (tensor(0.5000), tensor([[-1.,  1.,  0.]]))
    """
    N, correct = len(y), y[:, None]
    margins = (scores - scores.gather(1, correct) + 1).clamp(min=0)  # (N, C)
    margins.scatter_(1, correct, 0)
    loss = margins.sum() / N

    dscores = (margins > 0).to(scores.dtype)
    dscores.scatter_(1, correct, -dscores.sum(dim=1, keepdim=True))
    return loss, dscores.div_(N)


def _padded(x, pad):
    N, C, H, W = x.shape
    padded = x.new_zeros(N, C, H + 2 * pad, W + 2 * pad)
    padded[:, :, pad : pad + H, pad : pad + W] = x
    return padded


def _columns(padded, kernel, stride):
    """The windows of padded images as columns: (N, C·KH·KW, OH·OW)."""
    windows = _windows(padded, kernel, stride)  # (N, C, KH, KW, OH, OW)
    return windows.flatten(1, 3).flatten(2)


def _windows(x, size, stride):
    """View x (N, C, H, W) as its windows, (N, C, KH, KW, OH, OW), without a copy."""
    return x.unfold(2, size[0], stride).unfold(3, size[1], stride).permute(0, 1, 4, 5, 2, 3)
