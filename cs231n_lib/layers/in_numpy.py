"""Layers in NumPy: each forward pass with the backward pass that belongs to it.

A forward pass returns (out, cache), its backward pass takes (dout, cache) and returns the gradients
in the order of the forward pass's arguments. float32 stays float32, and no input is written to.
"""

import numpy as np

from cs231n_lib.errors import labels, validated, whole
from cs231n_lib.precision import loss_in_single

CONV_PARAM = {"stride": whole(1), "pad": whole(0)}
POOL_PARAM = {"pool_height": whole(1), "pool_width": whole(1), "stride": whole(1)}


@validated(x="N ...", w="D M", b="M")
def affine_forward(x, w, b):
    """Affine layer, x·w + b, each example flattened to a row of D numbers.

    Args:
        x: (N, d1, ..., dk) with d1···dk = D; w: (D, M); b: (M,).

    Returns:
        out: (N, M); cache for `affine_backward`.

    Raises:
        ValueError: when the examples do not have as many numbers as w has rows.

    >>> out, cache = affine_forward(np.ones((2, 3)), np.ones((3, 4)), np.zeros(4))
    >>> out.shape
    (2, 4)
    """
    rows = x.reshape(len(x), -1)  # (N, D)
    if rows.shape[1] != len(w):
        raise ValueError(
            f"affine_forward: w must have one row for each of the {rows.shape[1]} numbers of an "
            f"example (x has shape {x.shape}), got w of shape {w.shape}"
        )
    out = rows @ w  # (N, M)
    out += b
    return out, (x, w)


@validated(dout="N M")
def affine_backward(dout, cache):
    """Gradients of the affine layer.

    Args:
        dout: (N, M) gradient of the loss with respect to the output.
        cache: from `affine_forward`.

    Returns:
        dx: like x; dw: (D, M); db: (M,).

    >>> out, cache = affine_forward(np.ones((2, 3)), np.ones((3, 4)), np.zeros(4))
    >>> dx, dw, db = affine_backward(out, cache)
    >>> dx.shape, dw.shape, db.shape
    ((2, 3), (3, 4), (4,))
    """
    x, w = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout  # (D, M)
    db = dout.sum(axis=0)  # (M,)
    return dx, dw, db


@validated(x="...")
def relu_forward(x):
    """Rectified linear unit, max(0, x), on an array of any shape.

    Args:
        x: array of any shape.

    Returns:
        out: like x; cache: x, for `relu_backward`.

    Slides 3–4.

    >>> relu_forward(np.array([-1.0, 2.0]))[0]
    array([0., 2.])
    """
    return np.maximum(x, 0), x


@validated(dout="...")
def relu_backward(dout, cache):
    """Gradient of the rectified linear unit: dout where x was positive, 0 elsewhere.

    Args:
        dout: gradient of the loss with respect to the output, of the same shape.
        cache: from `relu_forward`.

    Returns:
        dx: like dout.

    Slides 3–4.

    >>> relu_backward(np.array([5.0, 6.0]), np.array([-1.0, 2.0]))
    array([0., 6.])
    """
    return dout * (cache > 0)


@validated(x="N C H W", w="F C KH KW", b="F", conv_param=CONV_PARAM)
def conv_forward(x, w, b, conv_param):
    """Convolution (cross-correlation) of images with F filters, zeros padded around the images.

    Args:
        x: (N, C, H, W); w: (F, C, KH, KW); b: (F,).
        conv_param: dict with stride (default 1) and pad (default 0), in pixels.

    Returns:
        out: (N, F, OH, OW) with OH = 1 + (H + 2·pad − KH) // stride; cache for `conv_backward`.

    Raises:
        ValueError: when a filter is larger than the padded image.

    >>> x, w = np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3))
    >>> conv_forward(x, w, np.zeros(1), {"stride": 2, "pad": 1})[0]
    array([[[[4., 4.],
             [4., 4.]]]])
    """
    N, _, H, W = x.shape
    F, C, KH, KW = w.shape
    stride, pad = conv_param.get("stride", 1), conv_param.get("pad", 0)
    OH, OW = _output_size("conv_forward", (H + 2 * pad, W + 2 * pad), (KH, KW), stride)

    windows = _windows(_padded(x, pad), (KH, KW), stride)  # (N, C, KH, KW, OH, OW)
    columns = np.empty((C * KH * KW, OH * OW), x.dtype)  # reused: stays in the processor's cache
    filters = w.reshape(F, -1)  # (F, C·KH·KW)
    out = np.empty((N, F, OH, OW), np.result_type(x, w))
    for n in range(N):
        columns.reshape(C, KH, KW, OH, OW)[...] = windows[n]
        np.matmul(filters, columns, out=out[n].reshape(F, -1))
    out += b[:, None, None]
    return out, (x, w, stride, pad)


@validated(dout="N F OH OW")
def conv_backward(dout, cache):
    """Gradients of the convolution.

    Args:
        dout: (N, F, OH, OW) gradient of the loss with respect to the output.
        cache: from `conv_forward`.

    Returns:
        dx: (N, C, H, W); dw: (F, C, KH, KW); db: (F,).

    >>> x, w = np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3))
    >>> out, cache = conv_forward(x, w, np.zeros(1), {"stride": 2, "pad": 1})
    >>> conv_backward(np.ones((1, 1, 2, 2)), cache)[1]
    array([[[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]]])
    """
    x, w, stride, pad = cache
    N, C, H, W = x.shape
    F, _, KH, KW = w.shape
    OH, OW = dout.shape[2:]
    dtype = np.result_type(dout, x, w)

    windows = _windows(_padded(x, pad), (KH, KW), stride)  # (N, C, KH, KW, OH, OW)
    columns = np.empty((C * KH * KW, OH * OW), x.dtype)
    dfilters = np.zeros((F, C * KH * KW), dtype)
    taps = w.transpose(2, 3, 0, 1).copy()  # (KH, KW, F, C)
    dpadded = np.zeros((N, H + 2 * pad, W + 2 * pad, C), dtype)  # a pixel's channels side by side
    for n in range(N):
        columns.reshape(C, KH, KW, OH, OW)[...] = windows[n]
        dout_rows = dout[n].reshape(F, -1)  # (F, OH·OW)
        dfilters += dout_rows @ columns.T
        for i, j in np.ndindex(KH, KW):  # windows overlap: one offset of them never does
            pixels = slice(i, i + stride * OH, stride), slice(j, j + stride * OW, stride)
            dpadded[n][pixels] += (dout_rows.T @ taps[i, j]).reshape(OH, OW, C)
    dx = dpadded[:, pad : pad + H, pad : pad + W].transpose(0, 3, 1, 2)
    return dx, dfilters.reshape(w.shape), dout.sum(axis=(0, 2, 3))


@validated(x="N C H W", pool_param=POOL_PARAM)
def max_pool_forward(x, pool_param):
    """Largest value of each window, channel by channel.

    Args:
        x: (N, C, H, W).
        pool_param: dict with pool_height, pool_width and stride, each 2 by default.

    Returns:
        out: (N, C, OH, OW), OH = 1 + (H − pool_height) // stride; cache for `max_pool_backward`.

    Raises:
        ValueError: when a window is larger than the image.

    >>> max_pool_forward(np.arange(16.0).reshape(1, 1, 4, 4), {"stride": 2})[0]
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    PH, PW = pool_param.get("pool_height", 2), pool_param.get("pool_width", 2)
    stride = pool_param.get("stride", 2)
    OH, OW = _output_size("max_pool_forward", x.shape[2:], (PH, PW), stride)

    out = np.empty((*x.shape[:2], OH, OW), x.dtype)
    rows = np.empty((x.shape[1], OH, x.shape[3]), x.dtype)  # (C, OH, W) reused
    for image, pooled in zip(x, out, strict=True):  # an image fits the processor's cache
        _largest([image[:, i:][:, ::stride][:, :OH] for i in range(PH)], rows)
        _largest([rows[:, :, j:][:, :, ::stride][:, :, :OW] for j in range(PW)], pooled)
    return out, (x, out, PH, PW, stride)


@validated(dout="N C OH OW")
def max_pool_backward(dout, cache):
    """Gradient of max pooling: dout goes to the first largest value of its window.

    Args:
        dout: (N, C, OH, OW) gradient of the loss with respect to the output.
        cache: from `max_pool_forward`.

    Returns:
        dx: (N, C, H, W); a value that is the largest of several overlapping windows collects all
        their gradients.

    >>> x = np.zeros((1, 1, 2, 3))  # two overlapping windows, every value a tie
    >>> out, cache = max_pool_forward(x, {"pool_height": 2, "pool_width": 2, "stride": 1})
    >>> max_pool_backward(np.array([[[[5.0, 7.0]]]]), cache)
    array([[[[5., 7., 0.],
             [0., 0., 0.]]]])
    """
    x, out, PH, PW, stride = cache
    dx = np.zeros(x.shape, np.result_type(dout, x))
    windows = _windows(x, (PH, PW), stride)  # (N, C, PH, PW, OH, OW)
    dwindows = _windows(dx, (PH, PW), stride, writeable=True)
    apart = stride >= max(PH, PW)  # then every number has one window, and nothing adds up
    gradient = np.empty(out.shape[1:], dx.dtype)  # (C, OH, OW) reused
    is_first_max = np.empty(out.shape[1:], bool)
    for n in range(len(x)):
        open_windows = np.ones(out.shape[1:], bool)  # whose maximum has not been met yet
        for i, j in np.ndindex(PH, PW):
            np.equal(windows[n, :, i, j], out[n], out=is_first_max)
            is_first_max &= open_windows
            open_windows ^= is_first_max
            place = dwindows[n, :, i, j]
            if apart:
                np.multiply(dout[n], is_first_max, out=place)
            else:
                place += np.multiply(dout[n], is_first_max, out=gradient)
    return dx


@validated(scores="N C", y=labels("N", "C"))
@loss_in_single
def softmax_loss(scores, y):
    """Mean cross-entropy of softmax(scores), and its gradient.

    Args:
        scores: (N, C) unnormalized log probabilities; y: (N,) integer labels, 0 to C − 1.

    Returns:
        loss: float, in nats; dscores: (N, C).

    >>> loss, dscores = softmax_loss(np.zeros((2, 4)), np.array([0, 3]))
    >>> round(loss, 4) == round(np.log(4), 4), dscores[0]
    (np.True_, array([-0.375,  0.125,  0.125,  0.125]))
    """
    N = len(y)
    rows = np.arange(N)
    shifted = scores - scores.max(axis=1, keepdims=True)  # (N, C)
    correct = shifted[rows, y]  # (N,)
    probabilities = np.exp(shifted, out=shifted)
    totals = probabilities.sum(axis=1, keepdims=True)  # (N, 1)
    loss = float(np.mean(np.log(totals[:, 0]) - correct))

    dscores = probabilities
    dscores /= totals * N
    dscores[rows, y] -= 1 / N
    return loss, dscores


@validated(scores="N C", y=labels("N", "C"))
@loss_in_single
def svm_loss(scores, y):
    """Mean multiclass hinge loss with margin 1, and its gradient.

    Args:
        scores: (N, C); y: (N,) integer labels, 0 to C − 1.

    Returns:
        loss: float; dscores: (N, C).

    >>> svm_loss(np.array([[3.0, 2.5, 0.0]]), np.array([0]))
    (0.5, array([[-1.,  1.,  0.]]))
    """
    N = len(y)
    rows = np.arange(N)
    margins = np.maximum(scores - scores[rows, y][:, None] + 1, 0)  # (N, C)
    margins[rows, y] = 0
    loss = float(margins.sum() / N)

    dscores = (margins > 0).astype(scores.dtype)
    dscores[rows, y] = -dscores.sum(axis=1)
    dscores /= N
    return loss, dscores


def _padded(x, pad):
    return np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))) if pad else x


def _windows(x, size, stride, writeable=False):
    """View x (N, C, H, W) as its windows, (N, C, KH, KW, OH, OW), without a copy."""
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3), writeable=writeable)
    return windows[:, :, ::stride, ::stride].transpose(0, 1, 4, 5, 2, 3)


def _largest(arrays, out):
    """Write the largest of the arrays, element by element, into `out`."""
    out[...] = arrays[0]
    for array in arrays[1:]:
        np.maximum(out, array, out=out)


def _output_size(function, image, window, stride):
    if window[0] > image[0] or window[1] > image[1]:
        raise ValueError(
            f"{function}: a window must fit into the (padded) image, got a window of "
            f"{window[0]}×{window[1]} and an image of {image[0]}×{image[1]}; pad more or use a "
            f"smaller window"
        )
    return tuple((image[k] - window[k]) // stride + 1 for k in range(2))
