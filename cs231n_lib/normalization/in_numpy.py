"""Normalization in NumPy: forward and backward passes, with the tags of the equations."""

import numpy as np

from cs231n_lib.errors import above, at_least, below, validated, whole
from cs231n_lib.normalization import bn_options


@validated(x="N D", gamma="D", beta="D", bn_param=bn_options("D"))
def batchnorm_forward(x, gamma, beta, bn_param):
    """Batch normalization: standardize each feature over the batch, then scale and shift.

    Args:
        x: (N, D) one row per example.
        gamma, beta: (D,) learned scale and shift.
        bn_param: dict with
            mode: 'train' (batch statistics) or 'test' (running statistics); default 'train'.
            eps: added to the variance, under the root; default 1e-5.
            momentum: share of the old running value that is kept; default 0.9.
            running_mean, running_var: (D,) start at zero; updated here in train mode.

    Returns:
        out: (N, D); cache: whatever your backward pass needs.

    Raises:
        ValueError: when the mode is neither 'train' nor 'test'.

    Slides 11–13. Ioffe & Szegedy 2015, arXiv:1502.03167.

    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> out, cache = batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train"})
    >>> out.round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    mode = bn_param.get("mode", "train")
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", np.zeros_like(gamma))
    running_var = bn_param.get("running_var", np.zeros_like(gamma))

    if mode == "train":
        mu = x.mean(axis=0, dtype=float).astype(x.dtype)  # (D,) BN.1, summed in double
        x_mu = x - mu  # (N, D)
        x_mu -= x_mu.mean(axis=0)  # again: takes out the rounding of a large mean
        var = (x_mu**2).mean(axis=0, dtype=float).astype(x.dtype)  # (D,) BN.2
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu  # BN.5
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var  # BN.6
    elif mode == "test":
        x_mu = x - running_mean
        var = running_var
    else:
        raise ValueError(f"bn_param['mode'] must be 'train' or 'test', not {mode!r}")

    std = np.sqrt(var + eps)  # (D,)
    x_hat = x_mu / std  # (N, D) BN.3
    out = gamma * x_hat + beta  # (N, D) BN.4
    return out, (x_hat, gamma, std)


@validated(dout="N D")
def batchnorm_backward(dout, cache):
    """Gradient of train-mode batch normalization, one step of the computation graph at a time.

    Args:
        dout: (N, D) gradient of the loss with respect to the output.
        cache: from `batchnorm_forward` in train mode.

    Returns:
        dx: (N, D); dgamma: (D,); dbeta: (D,).

    Slide 12. Ioffe & Szegedy 2015, section 3.

    >>> x = np.array([[1.0], [2.0], [6.0]])
    >>> out, cache = batchnorm_forward(x, np.ones(1), np.zeros(1), {"mode": "train"})
    >>> dx, dgamma, dbeta = batchnorm_backward(np.array([[1.0], [0.0], [0.0]]), cache)
    >>> abs(dx.sum()).round(9), dbeta
    (np.float64(0.0), array([1.]))
    """
    x_hat, gamma, std = cache
    N = dout.shape[0]
    x_mu = x_hat * std  # (N, D)

    dbeta = dout.sum(axis=0)  # (D,) BN.8
    dgamma = (dout * x_hat).sum(axis=0)  # (D,) BN.9
    dx_hat = dout * gamma  # (N, D) BN.10
    dvar = -0.5 / std**3 * (dx_hat * x_mu).sum(axis=0)  # (D,) BN.11
    dmu = -1 / std * dx_hat.sum(axis=0)  # (D,) BN.12
    dx = dx_hat / std + 2 / N * x_mu * dvar + dmu / N  # (N, D) BN.13
    return dx, dgamma, dbeta


@validated(dout="N D")
def batchnorm_backward_alt(dout, cache):
    """Gradient of train-mode batch normalization from the formula simplified on paper.

    Args:
        dout: (N, D) gradient of the loss with respect to the output.
        cache: from `batchnorm_forward` in train mode.

    Returns:
        dx: (N, D); dgamma: (D,); dbeta: (D,), equal to those of `batchnorm_backward`.

    Slide 12. Ioffe & Szegedy 2015, section 3.

    >>> x = np.array([[1.0], [2.0], [6.0]])
    >>> out, cache = batchnorm_forward(x, np.ones(1), np.zeros(1), {"mode": "train"})
    >>> dx, dgamma, dbeta = batchnorm_backward_alt(out, cache)
    >>> abs(dx).max() < 1e-5
    np.True_
    """
    x_hat, gamma, std = cache
    N = dout.shape[0]

    dbeta = dout.sum(axis=0)  # (D,) BN.8
    dgamma = (dout * x_hat).sum(axis=0)  # (D,) BN.9
    dx = gamma / std * (dout - dbeta / N - x_hat * dgamma / N)  # (N, D) BN.14
    return dx, dgamma, dbeta


@validated(x="N C H W", gamma="C", beta="C", bn_param=bn_options("C"))
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    """Batch normalization of images: every channel is standardized over N, H and W.

    Args:
        x: (N, C, H, W).
        gamma, beta: (C,) learned scale and shift of each channel.
        bn_param: as for `batchnorm_forward`; running_mean and running_var are (C,).

    Returns:
        out: (N, C, H, W); cache: whatever your backward pass needs.

    Raises:
        ValueError: when the mode is neither 'train' nor 'test'.

    Slide 14. Ioffe & Szegedy 2015, section 3.2.

    >>> x = np.arange(12.0).reshape(1, 2, 2, 3)
    >>> out, cache = spatial_batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train"})
    >>> bool(np.allclose(out.mean(axis=(0, 2, 3)), 0))
    True
    """
    N, C, H, W = x.shape
    rows = x.transpose(1, 0, 2, 3).reshape(C, -1).T  # (N·H·W, C): one row per pixel
    out, cache = batchnorm_forward(rows, gamma, beta, bn_param)
    return out.T.reshape(C, N, H, W).transpose(1, 0, 2, 3), cache


@validated(dout="N C H W")
def spatial_batchnorm_backward(dout, cache):
    """Gradient of train-mode spatial batch normalization.

    Args:
        dout: (N, C, H, W) gradient of the loss with respect to the output.
        cache: from `spatial_batchnorm_forward` in train mode.

    Returns:
        dx: (N, C, H, W); dgamma: (C,); dbeta: (C,).

    Slide 14. Ioffe & Szegedy 2015, section 3.2.

    >>> x = np.arange(12.0).reshape(1, 2, 2, 3)
    >>> out, cache = spatial_batchnorm_forward(x, np.ones(2), np.zeros(2), {"mode": "train"})
    >>> spatial_batchnorm_backward(np.ones((1, 2, 2, 3)), cache)[2]
    array([6., 6.])
    """
    N, C, H, W = dout.shape
    rows = dout.transpose(1, 0, 2, 3).reshape(C, -1).T  # (N·H·W, C)
    dx, dgamma, dbeta = batchnorm_backward(rows, cache)
    return dx.T.reshape(C, N, H, W).transpose(1, 0, 2, 3), dgamma, dbeta


@validated(W="D_in D", b="D", gamma="D", beta="D", bn_param=bn_options("D"))
def fold_batchnorm(W, b, gamma, beta, bn_param):
    """Fold test-time batch normalization into the affine layer before it.

    Args:
        W: (D_in, D) and b: (D,) of the affine layer x @ W + b.
        gamma, beta: (D,) of the batch normalization that follows it.
        bn_param: dict with running_mean, running_var (D,) and eps (default 1e-5).

    Returns:
        W_folded: (D_in, D); b_folded: (D,), so that one affine layer does the work of both.

    Raises:
        KeyError: when bn_param holds no running statistics yet.

    Slide 13: at test time the statistics are fixed numbers.

    >>> param = {"running_mean": np.array([2.0]), "running_var": np.array([9.0]), "eps": 0.0}
    >>> fold_batchnorm(np.array([[6.0]]), np.array([5.0]), np.ones(1), np.zeros(1), param)
    (array([[2.]]), array([1.]))
    """
    scale = gamma / np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))  # (D,)
    W_folded = W * scale  # (D_in, D) BN.15
    b_folded = (b - bn_param["running_mean"]) * scale + beta  # (D,) BN.15
    return W_folded, b_folded


@validated(W="D_in D", dW="D_in D", learning_rate=above(0), reg=at_least(0))
def effective_learning_rate(W, dW, learning_rate, reg):
    """Learning rate that the direction of each column of W sees after one step under batch norm.

    Args:
        W: (D_in, D) weights of the affine layer before a batch normalization.
        dW: (D_in, D) gradient of the data loss; each column is orthogonal to that of W.
        learning_rate: of the step W - learning_rate * (dW + gradient of reg * sum(W**2)).
        reg: strength of L2, as on slide 70 (without the factor one half).

    Returns:
        (D,) learning_rate divided by the squared length of each column after the step.

    Slides 11 and 70. van Laarhoven 2017, arXiv:1706.05350.

    >>> W, dW = np.array([[3.0], [4.0]]), np.array([[0.0], [0.0]])
    >>> effective_learning_rate(W, dW, learning_rate=0.5, reg=0.0)
    array([0.02])
    """
    shrink = 1 - 2 * learning_rate * reg
    kept = shrink**2 * (W**2).sum(axis=0)  # (D,)
    added = learning_rate**2 * (dW**2).sum(axis=0)  # (D,)
    return learning_rate / (kept + added)  # (D,) BN.16, BN.17


@validated(running="D", momentum=below(1), steps=whole(1))
def debias_running(running, momentum, steps):
    """Correct a running statistic that was started at zero.

    Args:
        running: (D,) running mean or variance after `steps` batches.
        momentum: share of the old value that each batch kept, in [0, 1).
        steps: number of batches seen, at least 1.

    Returns:
        (D,) the statistic without the pull towards its start at zero.

    Slide 13; the same correction as in Adam, slide 46. Kingma & Ba 2015, arXiv:1412.6980.

    >>> debias_running(np.array([0.1]), momentum=0.9, steps=1).round(6)
    array([1.])
    """
    return running / (1 - momentum**steps)  # BN.7


def separating_input():
    """Return a float32 batch on which batch norm with a one-pass variance goes wrong.

    Returns:
        x: (N, D) float32, finite, at most 10,000 numbers.

    Slide 12, where the variance is the mean square of the *centred* values.
    """
    spread = np.array([-1, 1, -2, 2, 0], dtype=np.float32)
    return 10_000 + spread.reshape(-1, 1)  # the squares, near 1e8, have no room for the spread
