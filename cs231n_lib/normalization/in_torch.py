"""Normalization in PyTorch: the functions of `in_numpy` on tensors, and layers around them.

Every backward pass is written by hand; device and dtype follow the input.
"""

import torch
from torch import nn
from torch.autograd.function import once_differentiable

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
            momentum: share of the old running value that is kept; default 0.9
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


@validated(dout="N D")
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

    >>> x = torch.arange(12.0).reshape(1, 2, 2, 3)
    >>> out, cache = spatial_batchnorm_forward(x, torch.ones(2), torch.zeros(2), {"mode": "train"})
    >>> torch.allclose(out.mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-6)
    True
    """
    N, C, H, W = x.shape
    rows = x.permute(1, 0, 2, 3).reshape(C, -1).T  # (N·H·W, C): one row per pixel
    out, cache = batchnorm_forward(rows, gamma, beta, bn_param)
    return out.T.reshape(C, N, H, W).permute(1, 0, 2, 3), cache


@validated(dout="N C H W")
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
        momentum: share of the old value that each batch kept, in [0, 1).
        steps: number of batches seen, at least 1.

    Returns:
        (D,) the statistic without the pull towards its start at zero.

    Slide 13; the same correction as in Adam, slide 46. Kingma & Ba 2015, arXiv:1412.6980.

    >>> debias_running(torch.tensor([0.25]), momentum=0.5, steps=2)
    tensor([0.3333])
    """
    return running / (1 - momentum**steps)  # BN.7


class BatchNormFunction(torch.autograd.Function):
    """Train-mode batch normalization for autograd: our forward pass, our backward pass.

    Slide 12. Ioffe & Szegedy 2015, arXiv:1502.03167.

    >>> x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    >>> gamma, beta = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
    >>> layer = lambda x, gamma, beta: BatchNormFunction.apply(x, gamma, beta, {})
    >>> torch.autograd.gradcheck(layer, (x, gamma, beta))
    True
    """

    @staticmethod
    def forward(ctx, x, gamma, beta, bn_param):
        """Return (N, D) `out`; `bn_param` is read and updated as in `batchnorm_forward`."""
        if bn_param.get("mode", "train") != "train":
            raise ValueError(
                "BatchNormFunction: bn_param['mode'] must be 'train', because the backward pass is "
                "that of train mode; in test mode call batchnorm_forward, which autograd can follow"
            )
        out, cache = batchnorm_forward(x, gamma, beta, bn_param)
        ctx.save_for_backward(*cache)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        """Return the gradients of x, gamma and beta, and None for bn_param."""
        return *batchnorm_backward_alt(dout, ctx.saved_tensors), None


class BatchNorm1d(nn.Module):
    """Batch normalization layer, a drop-in for `torch.nn.BatchNorm1d` on (N, D) inputs.

    Same state_dict and PyTorch's conventions: `momentum` is the share of the *new* value, and the
    running variance is the unbiased one. `momentum=None` averages all batches equally. It always
    has a scale, a shift and running statistics.

    Raises:
        ValueError: when the input has the wrong number of dimensions or of features, or when a
            training batch has one value per channel.

    Slides 11–13. Ioffe & Szegedy 2015, arXiv:1502.03167.

    >>> layer = BatchNorm1d(3)
    >>> layer.load_state_dict(nn.BatchNorm1d(3).state_dict())
    <All keys matched successfully>
    >>> layer(torch.randn(4, 3)).shape
    torch.Size([4, 3])
    """

    input_dims = 2

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        """Normalize x by its batch statistics in training, by the running ones in evaluation."""
        if x.dim() != self.input_dims or x.shape[1] != self.num_features:
            expected = "(N, C)" if self.input_dims == 2 else "(N, C, H, W)"
            raise ValueError(
                f"{type(self).__name__}: the input must be {expected} with C = "
                f"{self.num_features}, but its shape is {tuple(x.shape)}"
            )
        channels_first = x.movedim(1, 0)
        rows = channels_first.reshape(self.num_features, -1).T  # (N, D) or (N·H·W, C)
        out = self._normalize_batch(rows) if self.training else self._normalize_running(rows)
        out = out.T.reshape(channels_first.shape).movedim(0, 1)
        return out.contiguous()  # as PyTorch's own, so that view() works on it

    def _normalize_batch(self, rows):
        N = len(rows)
        if N == 1:
            raise ValueError(
                f"{type(self).__name__}: training needs more than one value per channel, got 1; "
                "use a larger batch, or call eval() first"
            )
        batch = {"eps": self.eps, "momentum": 0.0}  # leaves this batch's own statistics
        out = BatchNormFunction.apply(rows, self.weight, self.bias, batch)
        with torch.no_grad():
            self.num_batches_tracked += 1
            share = self.momentum
            if share is None:
                share = 1 / int(self.num_batches_tracked)
            self.running_mean.lerp_(batch["running_mean"].to(self.running_mean), share)
            unbiased = batch["running_var"].to(self.running_var) * (N / (N - 1))
            self.running_var.lerp_(unbiased, share)
        return out

    def _normalize_running(self, rows):
        running = {
            "mode": "test",
            "eps": self.eps,
            "running_mean": self.running_mean,
            "running_var": self.running_var,
        }
        return batchnorm_forward(rows, self.weight, self.bias, running)[0]

    def extra_repr(self):
        """Show the settings, as PyTorch's layer does."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm2d(BatchNorm1d):
    """Batch normalization layer for images, a drop-in for `torch.nn.BatchNorm2d`.

    Input (N, C, H, W); arguments, state and errors as for `BatchNorm1d`.

    Slide 14. Ioffe & Szegedy 2015, section 3.2.

    >>> BatchNorm2d(3)(torch.randn(2, 3, 4, 5)).shape
    torch.Size([2, 3, 4, 5])
    """

    input_dims = 4
