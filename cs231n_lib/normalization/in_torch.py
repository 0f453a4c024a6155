"""Normalization in PyTorch: the functions of `in_numpy` on tensors.

Every backward pass is written by hand; device and dtype follow the input. The layers around these
functions stand in `modules`. `a * (1 / std)` is a / std with a division a statistic in place
of one a number, which counts when the function is compiled.
"""

import torch

from cs231n_lib.errors import above, at_least, below, divisor, validated, whole
from cs231n_lib.normalization import (
    bn_options,
    by_group,
    dbn_options,
    ln_options,
    marks_test_mode,
    of_this_output,
    side_by_side,
    zca_kernel,
)
from cs231n_lib.precision import in_single


@validated(x="N D", gamma="D", beta="D", bn_param=bn_options("D"))
@marks_test_mode
@in_single
def batchnorm_forward(x, gamma, beta, bn_param):
    """Batch normalization: standardize each feature over the batch, then scale and shift.

    Args:
        x: (N, D) one row per example.
        gamma, beta: (D,) learned scale and shift.
        bn_param: dict with
            mode: 'train' (batch statistics) or 'test' (running statistics); default 'train'.
            eps: added to the variance, under the root; default 1e-5.
            momentum: fraction of the old running value that is kept; default 0.9
                (PyTorch's own momentum is one minus this).
            running_mean, running_var: (D,) start at zero; updated here in train mode.

    Returns:
        out: (N, D); cache: whatever your backward pass needs.

    Raises:
        ValueError: when the mode is neither 'train' nor 'test'.

    Slides 11–13. Ioffe & Szegedy 2015, arXiv:1502.03167.

    >>> x = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    >>> out, cache = batchnorm_forward(x, torch.ones(2), torch.zeros(2), {"mode": "train"})
    >>> out.round(decimals=3)
    tensor([[-1., -1.],
            [ 1.,  1.]])
    """
    mode = bn_param.get("mode", "train")
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", torch.zeros_like(gamma))
    running_var = bn_param.get("running_var", torch.zeros_like(gamma))

    if mode == "train":
        mu = x.mean(dim=0)  # (D,) BN.1
        x_mu = x - mu  # (N, D)
        x_mu -= x_mu.mean(dim=0)  # again: takes out the rounding of a large mean
        var = (x_mu**2).mean(dim=0)  # (D,) BN.2
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu  # BN.5
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var  # BN.6
    elif mode == "test":
        x_mu = x - running_mean
        var = running_var
    else:
        raise ValueError(f"bn_param['mode'] must be 'train' or 'test', not {mode!r}")

    std = torch.sqrt(var + eps)  # (D,)
    x_hat = x_mu * (1 / std)  # (N, D) BN.3
    out = gamma * x_hat + beta  # (N, D) BN.4
    return out, (x_hat, gamma, std)


@validated(dout="N D", cache=of_this_output)
@in_single
def batchnorm_backward(dout, cache):
    """Gradient of train-mode batch normalization, one step of the computation graph at a time.

    Args:
        dout: (N, D) gradient of the loss with respect to the output.
        cache: from `batchnorm_forward` in train mode.

    Returns:
        dx: (N, D); dgamma: (D,); dbeta: (D,).

    Slide 12. Ioffe & Szegedy 2015, section 3.

    >>> x = torch.tensor([[1.0], [2.0], [6.0]])
    >>> out, cache = batchnorm_forward(x, torch.ones(1), torch.zeros(1), {"mode": "train"})
    >>> batchnorm_backward(torch.tensor([[1.0], [0.0], [0.0]]), cache)[2]
    tensor([1.])
    """
    x_hat, gamma, std = cache
    N = dout.shape[0]
    x_mu = x_hat * std  # (N, D)

    dbeta = dout.sum(dim=0)  # (D,) BN.8
    dgamma = (dout * x_hat).sum(dim=0)  # (D,) BN.9
    dx_hat = dout * gamma  # (N, D) BN.10
    dvar = -0.5 / std**3 * (dx_hat * x_mu).sum(dim=0)  # (D,) BN.11
    dmu = -1 / std * dx_hat.sum(dim=0)  # (D,) BN.12
    dx = dx_hat / std + 2 / N * x_mu * dvar + dmu / N  # (N, D) BN.13
    return dx, dgamma, dbeta


@validated(dout="N D", cache=of_this_output)
@in_single
def batchnorm_backward_alt(dout, cache):
    """Gradient of train-mode batch normalization from the formula simplified on paper.

    Args:
        dout: (N, D) gradient of the loss with respect to the output.
        cache: from `batchnorm_forward` in train mode.

    Returns:
        dx: (N, D); dgamma: (D,); dbeta: (D,), equal to those of `batchnorm_backward`.

    Slide 12. Ioffe & Szegedy 2015, section 3.

    >>> x = torch.tensor([[1.0], [2.0], [6.0]])
    >>> out, cache = batchnorm_forward(x, torch.ones(1), torch.zeros(1), {"mode": "train"})
    >>> bool(batchnorm_backward_alt(out, cache)[0].abs().max() < 1e-5)
    True
    """
    x_hat, gamma, std = cache
    N = dout.shape[0]

    dbeta = dout.sum(dim=0)  # (D,) BN.8
    dgamma = (dout * x_hat).sum(dim=0)  # (D,) BN.9
    dx = gamma * (1 / std) * (dout - dbeta / N - x_hat * (dgamma / N))  # (N, D) BN.14
    return dx, dgamma, dbeta


class BatchNorm(torch.nn.Module):
    """Batch normalization as a layer of a network, around `batchnorm_forward`.

    In training it normalizes by the batch and updates its running statistics; after `eval()` it
    normalizes by these. Autograd finds the backward pass.

    Args:
        features: D, the number of features.
        eps, momentum: as in the `bn_param` of `batchnorm_forward`.

    Its parameters are gamma (ones) and beta (zeros), its buffers running_mean and running_var
    (zeros), each (D,): the optimizer finds the first two, and `state_dict()` holds all four.

    Slides 11–13. Ioffe & Szegedy 2015, arXiv:1502.03167.

    >>> layer = BatchNorm(2)
    >>> layer(torch.tensor([[1.0, 10.0], [3.0, 30.0]])).detach().round(decimals=3)
    tensor([[-1., -1.],
            [ 1.,  1.]])
    >>> layer.running_mean
    tensor([0.2000, 2.0000])
    """

    def __init__(self, features, eps=1e-5, momentum=0.9):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.gamma = torch.nn.Parameter(torch.ones(features))
        self.beta = torch.nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.zeros(features))

    def forward(self, x):
        """Return x (N, D) normalized, scaled and shifted: (N, D)."""
        bn_param = {
            "mode": "train" if self.training else "test",
            "eps": self.eps,
            "momentum": self.momentum,
            "running_mean": self.running_mean,
            "running_var": self.running_var,
        }
        out, _ = batchnorm_forward(x, self.gamma, self.beta, bn_param)
        self.running_mean = bn_param["running_mean"].detach()
        self.running_var = bn_param["running_var"].detach()
        return out


@validated(x="N C H W", gamma="C", beta="C", bn_param=bn_options("C"))
@marks_test_mode
@in_single
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

    >>> x = torch.arange(12.0).reshape(1, 2, 2, 3)
    >>> out, cache = spatial_batchnorm_forward(x, torch.ones(2), torch.zeros(2), {"mode": "train"})
    >>> torch.allclose(out.mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-6)
    True
    """
    N, C, H, W = x.shape
    rows = x.permute(1, 0, 2, 3).reshape(C, -1).T  # (N·H·W, C): one row per pixel
    out, cache = batchnorm_forward(rows, gamma, beta, bn_param)
    return out.T.reshape(C, N, H, W).permute(1, 0, 2, 3), cache


@validated(dout="N C H W", cache=of_this_output)
@in_single
def spatial_batchnorm_backward(dout, cache):
    """Gradient of train-mode spatial batch normalization.

    Args:
        dout: (N, C, H, W) gradient of the loss with respect to the output.
        cache: from `spatial_batchnorm_forward` in train mode.

    Returns:
        dx: (N, C, H, W); dgamma: (C,); dbeta: (C,).

    Slide 14. Ioffe & Szegedy 2015, section 3.2.

    >>> x = torch.arange(12.0).reshape(1, 2, 2, 3)
    >>> out, cache = spatial_batchnorm_forward(x, torch.ones(2), torch.zeros(2), {"mode": "train"})
    >>> spatial_batchnorm_backward(torch.ones(1, 2, 2, 3), cache)[2]
    tensor([6., 6.])
    """
    N, C, H, W = dout.shape
    rows = dout.permute(1, 0, 2, 3).reshape(C, -1).T  # (N·H·W, C)
    dx, dgamma, dbeta = batchnorm_backward(rows, cache)
    return dx.T.reshape(C, N, H, W).permute(1, 0, 2, 3), dgamma, dbeta


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

    >>> param = {"running_mean": torch.tensor([2.0]), "running_var": torch.tensor([9.0]), "eps": 0}
    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> fold_batchnorm(torch.tensor([[6.0]]), torch.tensor([5.0]), one, zero, param)
    (tensor([[2.]]), tensor([1.]))
    """
    scale = gamma / torch.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))  # (D,)
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

    >>> W, dW = torch.tensor([[3.0], [4.0]]), torch.zeros(2, 1)
    >>> effective_learning_rate(W, dW, learning_rate=0.5, reg=0.0)
    tensor([0.0200])
    """
    shrink = 1 - 2 * learning_rate * reg
    kept = shrink**2 * (W**2).sum(dim=0)  # (D,)
    added = learning_rate**2 * (dW**2).sum(dim=0)  # (D,)
    return learning_rate / (kept + added)  # (D,) BN.16, BN.17


@validated(running="D", momentum=below(1), steps=whole(1))
def debias_running(running, momentum, steps):
    """Correct a running statistic that was started at zero.

    Args:
        running: (D,) running mean or variance after `steps` batches.
        momentum: fraction of the old value that each batch kept, in [0, 1).
        steps: number of batches seen, at least 1.

    Returns:
        (D,) the statistic without the pull towards its start at zero.

    Slide 13; the same correction as in Adam, slide 46. Kingma & Ba 2015, arXiv:1412.6980.

    >>> debias_running(torch.tensor([0.25]), momentum=0.5, steps=2)
    tensor([0.3333])
    """
    return running / (1 - momentum**steps)  # BN.7


@validated(x="N D", gamma="D", beta="D", ln_param=ln_options())
@in_single
def layernorm_forward(x, gamma, beta, ln_param):
    """Layer normalization: standardize each example over its features, then scale and shift.

    Args:
        x: (N, D) one row per example.
        gamma, beta: (D,) learned scale and shift of each feature.
        ln_param: dict with
            eps: added to the variance, under the root; default 1e-5.

    Returns:
        out: (N, D); cache: whatever your backward pass needs.

    Slide 15. Ba, Kiros & Hinton 2016, arXiv:1607.06450.

    >>> x = torch.tensor([[1.0, 3.0], [10.0, 30.0]])
    >>> out, cache = layernorm_forward(x, torch.ones(2), torch.zeros(2), {})
    >>> out.round(decimals=3)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    eps = ln_param.get("eps", 1e-5)
    mu = x.mean(dim=1, keepdim=True)  # (N, 1) LN.1
    x_mu = x - mu  # (N, D)
    x_mu -= x_mu.mean(dim=1, keepdim=True)  # again: takes out the rounding of a large mean
    var = (x_mu**2).mean(dim=1, keepdim=True)  # (N, 1) LN.2
    std = torch.sqrt(var + eps)  # (N, 1)
    x_hat = x_mu * (1 / std)  # (N, D) LN.3
    out = gamma * x_hat + beta  # (N, D) LN.4
    return out, (x_hat, gamma, std)


@validated(dout="N D", cache=of_this_output)
@in_single
def layernorm_backward(dout, cache):
    """Gradient of layer normalization.

    Args:
        dout: (N, D) gradient of the loss with respect to the output.
        cache: from `layernorm_forward`.

    Returns:
        dx: (N, D); dgamma: (D,); dbeta: (D,).

    Slide 15. Ba, Kiros & Hinton 2016, arXiv:1607.06450.

    >>> x = torch.tensor([[1.0, 2.0, 6.0]])
    >>> out, cache = layernorm_forward(x, torch.ones(3), torch.zeros(3), {})
    >>> dx, dgamma, dbeta = layernorm_backward(torch.tensor([[1.0, 0.0, 0.0]]), cache)
    >>> abs(dx.sum()) < 1e-6, dbeta
    (tensor(True), tensor([1., 0., 0.]))
    """
    x_hat, gamma, std = cache
    dbeta = dout.sum(dim=0)  # (D,) LN.5
    dgamma = (dout * x_hat).sum(dim=0)  # (D,) LN.6
    dx_hat = dout * gamma  # (N, D) LN.7
    mean = dx_hat.mean(dim=1, keepdim=True)  # (N, 1)
    share = (dx_hat * x_hat).mean(dim=1, keepdim=True)  # (N, 1)
    dx = 1 / std * (dx_hat - mean - x_hat * share)  # (N, D) LN.8
    return dx, dgamma, dbeta


@validated(x="N C H W", gamma="C", beta="C", in_param=ln_options())
@in_single
def instancenorm_forward(x, gamma, beta, in_param):
    """Instance normalization: standardize each channel of each image, then scale and shift.

    Args:
        x: (N, C, H, W).
        gamma, beta: (C,) learned scale and shift of each channel.
        in_param: dict with
            eps: added to the variance, under the root; default 1e-5.

    Returns:
        out: (N, C, H, W); cache: whatever your backward pass needs.

    Slide 16. Ulyanov, Vedaldi & Lempitsky 2017, arXiv:1701.02096.

    >>> x = torch.arange(12.0).reshape(1, 2, 2, 3)
    >>> out, cache = instancenorm_forward(x, torch.ones(2), torch.zeros(2), {})
    >>> bool(out.mean(dim=(2, 3)).abs().max() < 1e-6)
    True
    """
    eps = in_param.get("eps", 1e-5)
    mu = x.mean(dim=(2, 3), keepdim=True)  # (N, C, 1, 1) IN.1
    x_mu = x - mu  # (N, C, H, W)
    x_mu -= x_mu.mean(dim=(2, 3), keepdim=True)  # again: takes out the rounding of a large mean
    var = (x_mu**2).mean(dim=(2, 3), keepdim=True)  # IN.2
    std = torch.sqrt(var + eps)  # (N, C, 1, 1)
    x_hat = x_mu * (1 / std)  # (N, C, H, W) IN.3
    out = gamma[:, None, None] * x_hat + beta[:, None, None]  # (N, C, H, W) IN.4
    return out, (x_hat, gamma, std)


@validated(dout="N C H W", cache=of_this_output)
@in_single
def instancenorm_backward(dout, cache):
    """Gradient of instance normalization.

    Args:
        dout: (N, C, H, W) gradient of the loss with respect to the output.
        cache: from `instancenorm_forward`.

    Returns:
        dx: (N, C, H, W); dgamma: (C,); dbeta: (C,).

    Slide 16. Ulyanov, Vedaldi & Lempitsky 2017, arXiv:1701.02096.

    >>> x = torch.arange(12.0).reshape(1, 2, 2, 3)
    >>> out, cache = instancenorm_forward(x, torch.ones(2), torch.zeros(2), {})
    >>> instancenorm_backward(torch.ones(1, 2, 2, 3), cache)[2]
    tensor([6., 6.])
    """
    x_hat, gamma, std = cache
    dbeta = dout.sum(dim=(0, 2, 3))  # (C,) IN.5
    dgamma = (dout * x_hat).sum(dim=(0, 2, 3))  # (C,) IN.6
    mean = dout.mean(dim=(2, 3), keepdim=True)  # (N, C, 1, 1)
    share = (dout * x_hat).mean(dim=(2, 3), keepdim=True)  # (N, C, 1, 1)
    dx = gamma[:, None, None] / std * (dout - mean - x_hat * share)  # (N, C, H, W) IN.7
    return dx, dgamma, dbeta


@validated(x="N C H W", gamma="1 C 1 1", beta="1 C 1 1", G=divisor("C"), gn_param=ln_options())
@in_single
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    """Group normalization: standardize each group of channels of each image, then scale and shift.

    Args:
        x: (N, C, H, W).
        gamma, beta: (1, C, 1, 1) learned scale and shift of each channel.
        G: number of groups, a divisor of C; a group is C / G neighbouring channels.
        gn_param: dict with
            eps: added to the variance, under the root; default 1e-5.

    Returns:
        out: (N, C, H, W); cache: whatever your backward pass needs.

    Slide 18. Wu & He 2018, arXiv:1803.08494.

    >>> x = torch.arange(16.0).reshape(1, 4, 2, 2)
    >>> one, zero = torch.ones(1, 4, 1, 1), torch.zeros(1, 4, 1, 1)
    >>> out, cache = spatial_groupnorm_forward(x, one, zero, 2, {})
    >>> out.mean(dim=(2, 3)).round(decimals=2)
    tensor([[-0.8700,  0.8700, -0.8700,  0.8700]])
    """
    eps = gn_param.get("eps", 1e-5)
    groups = x.reshape(len(x) * G, -1)  # (N·G, M): one row per group, M = C/G·H·W
    mu = groups.mean(dim=1, keepdim=True)  # (N·G, 1) GN.1
    x_mu = groups - mu  # (N·G, M)
    x_mu -= x_mu.mean(dim=1, keepdim=True)  # again: takes out the rounding of a large mean
    var = (x_mu**2).mean(dim=1, keepdim=True)  # (N·G, 1) GN.2
    std = torch.sqrt(var + eps)  # (N·G, 1)
    x_hat = (x_mu * (1 / std)).reshape(x.shape)  # (N, C, H, W) GN.3
    out = gamma * x_hat + beta  # (N, C, H, W) GN.4
    return out, (x_hat, gamma, std)


@validated(dout="N C H W", cache=of_this_output)
@in_single
def spatial_groupnorm_backward(dout, cache):
    """Gradient of group normalization.

    Args:
        dout: (N, C, H, W) gradient of the loss with respect to the output.
        cache: from `spatial_groupnorm_forward`.

    Returns:
        dx: (N, C, H, W); dgamma: (1, C, 1, 1); dbeta: (1, C, 1, 1).

    Slide 18. Wu & He 2018, arXiv:1803.08494.

    >>> x = torch.arange(16.0).reshape(1, 4, 2, 2)
    >>> one, zero = torch.ones(1, 4, 1, 1), torch.zeros(1, 4, 1, 1)
    >>> out, cache = spatial_groupnorm_forward(x, one, zero, 2, {})
    >>> spatial_groupnorm_backward(torch.ones(1, 4, 2, 2), cache)[2].ravel()
    tensor([4., 4., 4., 4.])
    """
    x_hat, gamma, std = cache
    dbeta = dout.sum(dim=(0, 2, 3), keepdim=True)  # (1, C, 1, 1) GN.5
    dgamma = (dout * x_hat).sum(dim=(0, 2, 3), keepdim=True)  # (1, C, 1, 1) GN.6
    dx_hat = (dout * gamma).reshape(len(std), -1)  # (N·G, M) GN.7
    h = x_hat.reshape(len(std), -1)  # (N·G, M)
    mean = dx_hat.mean(dim=1, keepdim=True)  # (N·G, 1)
    share = (dx_hat * h).mean(dim=1, keepdim=True)  # (N·G, 1)
    dx = 1 / std * (dx_hat - mean - h * share)  # (N·G, M) GN.8
    return dx.reshape(dout.shape), dgamma, dbeta


class GroupNorm(torch.nn.Module):
    """Group normalization as a layer of a network, around `spatial_groupnorm_forward`.

    It does the same in training and after `eval()`, and keeps no statistics. Autograd finds the
    backward pass.

    Args:
        groups: G, the number of groups.
        channels: C, the number of channels, a multiple of G.
        eps: as in the `gn_param` of `spatial_groupnorm_forward`.

    Its parameters are gamma (ones) and beta (zeros), each (1, C, 1, 1).

    Slide 18. Wu & He 2018, arXiv:1803.08494.

    >>> layer = GroupNorm(2, 4)
    >>> layer(torch.randn(3, 4, 5, 5)).shape
    torch.Size([3, 4, 5, 5])
    """

    def __init__(self, groups, channels, eps=1e-5):
        super().__init__()
        self.groups, self.eps = groups, eps
        self.gamma = torch.nn.Parameter(torch.ones(1, channels, 1, 1))
        self.beta = torch.nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x):
        """Return x (N, C, H, W) normalized, scaled and shifted: (N, C, H, W)."""
        gn_param = {"eps": self.eps}
        out, _ = spatial_groupnorm_forward(x, self.gamma, self.beta, self.groups, gn_param)
        return out


@validated(x="N D", gamma="D", beta="D", dbn_param=dbn_options("D"))
@marks_test_mode
@in_single
def decorrelated_batchnorm_forward(x, gamma, beta, dbn_param):
    """Decorrelated batch normalization: whiten groups of features by ZCA, then scale and shift.

    Args:
        x: (N, D) one row per example.
        gamma, beta: (D,) learned scale and shift.
        dbn_param: dict with
            mode: 'train' (batch statistics) or 'test' (running statistics); default 'train'.
            eps: added to the eigenvalues of the covariance; default 1e-5.
            momentum: fraction of the old running value that is kept; default 0.9.
            group_size: K neighbouring features are whitened together; default all D.
            running_mean: (D,), running_zca: (D / K, K, K) start at zero; updated in train mode.

    Returns:
        out: (N, D); cache: whatever your backward pass needs.

    Raises:
        ValueError: when the mode is neither 'train' nor 'test'.

    Slide 19. Huang, Yang, Lang & Deng 2018, arXiv:1804.08450.

    >>> x = torch.tensor([[1.0, 2.0], [2.0, 3.0], [3.0, 5.0], [4.0, 4.0]])
    >>> one, zero = torch.ones(2), torch.zeros(2)
    >>> out, cache = decorrelated_batchnorm_forward(x, one, zero, {"eps": 0.0})
    >>> torch.allclose(torch.cov(out.T, correction=0), torch.eye(2), atol=1e-5)
    True
    """
    mode = dbn_param.get("mode", "train")
    eps = dbn_param.get("eps", 1e-5)
    momentum = dbn_param.get("momentum", 0.9)
    N, D = x.shape
    K = dbn_param.get("group_size", D)
    running_mean = dbn_param.get("running_mean", torch.zeros_like(gamma))
    running_zca = dbn_param.get("running_zca", x.new_zeros(D // K, K, K))

    if mode == "train":
        mu = x.mean(dim=0)  # (D,) DBN.1
        x_mu = x - mu  # (N, D)
        x_mu -= x_mu.mean(dim=0)  # again: takes out the rounding of a large mean
        groups = by_group(x_mu, K)  # (G, N, K)
        cov = groups.mT @ groups / N  # (G, K, K) DBN.2
        lam, U = torch.linalg.eigh(cov)  # (G, K), (G, K, K) DBN.3
        root = torch.sqrt(lam.clip(0) + eps)  # (G, K); rounding can make a zero negative
        zca = U / root[:, None, :] @ U.mT  # (G, K, K) DBN.4
        dbn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu  # DBN.7
        dbn_param["running_zca"] = momentum * running_zca + (1 - momentum) * zca  # DBN.8
    elif mode == "test":
        groups = by_group(x - running_mean, K)
        zca, U, root = running_zca, None, None
    else:
        raise ValueError(f"dbn_param['mode'] must be 'train' or 'test', not {mode!r}")

    x_hat = side_by_side(groups @ zca)  # (N, D) DBN.5
    out = gamma * x_hat + beta  # (N, D) DBN.6
    return out, (groups, x_hat, gamma, zca, U, root)


@validated(dout="N D", cache=of_this_output)
@in_single
def decorrelated_batchnorm_backward(dout, cache):
    """Gradient of train-mode decorrelated batch normalization, through the eigendecomposition.

    Args:
        dout: (N, D) gradient of the loss with respect to the output.
        cache: from `decorrelated_batchnorm_forward` in train mode.

    Returns:
        dx: (N, D); dgamma: (D,); dbeta: (D,).

    Slide 19. Huang, Yang, Lang & Deng 2018, arXiv:1804.08450, in a form that stays finite when
    eigenvalues are equal.

    >>> x = torch.tensor([[1.0, 2.0], [2.0, 3.0], [3.0, 5.0], [4.0, 4.0]])
    >>> one, zero = torch.ones(2), torch.zeros(2)
    >>> out, cache = decorrelated_batchnorm_forward(x, one, zero, {"eps": 0.0})
    >>> dx, dgamma, dbeta = decorrelated_batchnorm_backward(out, cache)
    >>> abs(dx).max() < 1e-5  # the whitened batch always has the same sum of squares
    tensor(True)
    """
    groups, x_hat, gamma, zca, U, root = cache
    N, K = len(dout), root.shape[1]

    dbeta = dout.sum(dim=0)  # (D,) DBN.9
    dgamma = (dout * x_hat).sum(dim=0)  # (D,) DBN.10
    dx_hat = by_group(dout * gamma, K)  # (G, N, K) DBN.11
    dzca = groups.mT @ dx_hat  # (G, K, K) DBN.12
    turned = U.mT @ (dzca + dzca.mT) @ U / 2  # (G, K, K) in the eigenvectors' axes
    dcov = U @ (zca_kernel(root) * turned) @ U.mT  # (G, K, K) DBN.13
    dx_mu = side_by_side(dx_hat @ zca + 2 / N * groups @ dcov)  # (N, D) DBN.14
    dx = dx_mu - dx_mu.mean(dim=0)  # (N, D) DBN.15
    return dx, dgamma, dbeta
