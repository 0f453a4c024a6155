"""Normalization layers for networks in PyTorch, around the functions of `in_torch`.

For each technique an `autograd.Function` with our backward pass, and a layer that drops in for
PyTorch's own: it *is* PyTorch's layer, with our forward and backward pass in it.

====================================================  ==========================================
arguments, parameters, buffers, repr, isinstance      PyTorch's own
state_dict, in both directions; without the counter   PyTorch's own
`reset_parameters`, `reset_running_stats`             PyTorch's own
(N, C), (N, C, L), (N, C, H, W), (C, H, W)            wherever PyTorch's own takes them
statistics of a batch, of running means, of neither   same numbers
empty batches                                         same; running statistics stay as they were
half precision                                        running statistics move to float32
second derivatives, `torch.func.grad` and `vmap`      no, a RuntimeError says so; the functions of
                                                      `in_torch` have all three
====================================================  ==========================================
"""

import math

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from cs231n_lib.errors import divisor
from cs231n_lib.normalization.in_torch import (
    batchnorm_backward_alt,
    batchnorm_forward,
    decorrelated_batchnorm_backward,
    decorrelated_batchnorm_forward,
    instancenorm_backward,
    instancenorm_forward,
    layernorm_backward,
    layernorm_forward,
    spatial_batchnorm_forward,
    spatial_groupnorm_backward,
    spatial_groupnorm_forward,
)


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


def _scale_and_shift(layer, x, shape):
    """Return weight and bias in the given shape, 1 and 0 where there are none."""
    weight = x.new_ones(shape) if layer.weight is None else layer.weight.reshape(shape)
    bias = x.new_zeros(shape) if layer.bias is None else layer.bias.reshape(shape)
    return weight, bias


def _empty(layer, x):
    """Return an empty batch, from which every parameter gets a gradient of zeros."""
    return sum((parameter.sum() for parameter in layer.parameters()), start=x.clone())


def _require_shape(layer, x, shapes, channels):
    """Refuse an x that has the dimensions of none of `shapes`, such as "(N, C)"."""
    for shape in shapes:
        letters = shape.strip("()").split(", ")
        if x.dim() == len(letters) and x.shape[letters.index("C")] == channels:
            return
    raise ValueError(
        f"{type(layer).__name__}: the input must be {' or '.join(shapes)} with C = {channels}, but "
        f"its shape is {tuple(x.shape)}"
    )


@torch.no_grad()
def _move_running(layer, share, **new):
    """Move running statistics towards those of a batch, in float32 where they were half."""
    for name, value in new.items():
        running = getattr(layer, name)
        if running.dtype.itemsize == 2:  # after half(), which a variance would overflow
            running = running.float()
            setattr(layer, name, running)
        running += share * (value.to(running) - running)


class _BatchNorm(nn.modules.batchnorm._BatchNorm):
    """What batch normalization layers of any number of dimensions share: our forward pass."""

    shapes: tuple[str, ...] = ()

    def forward(self, input):
        """Normalize by the batch's statistics in training, by the running ones in evaluation."""
        _require_shape(self, input, self.shapes, self.num_features)
        if input.numel() == 0:
            if self.training and self.track_running_stats:
                self._count()
            return _empty(self, input)
        channels_first = input.movedim(1, 0)
        rows = channels_first.reshape(self.num_features, -1).T  # (N, D) or (N·H·W, C)
        by_batch = self.training or self.running_mean is None
        out = self._normalize_batch(rows) if by_batch else self._normalize_running(rows)
        out = out.T.reshape(channels_first.shape).movedim(0, 1)
        return out.contiguous()  # as PyTorch's own, so that view() works on it

    def _normalize_batch(self, rows):
        N = len(rows)
        if N == 1:
            mode, way = (
                ("training", "call eval() first")
                if self.training
                else (
                    "evaluation without running statistics",
                    "keep these with track_running_stats=True",
                )
            )
            raise ValueError(
                f"{type(self).__name__}: {mode} needs more than one value per channel, got 1; use "
                f"a larger batch, or {way}"
            )
        batch = {"eps": self.eps, "momentum": 0.0}  # leaves this batch's own statistics
        weight, bias = _scale_and_shift(self, rows, self.num_features)
        out = BatchNormFunction.apply(rows, weight, bias, batch)
        if self.training and self.track_running_stats:
            unbiased = batch["running_var"] * (N / (N - 1))
            share = self._count()
            _move_running(self, share, running_mean=batch["running_mean"], running_var=unbiased)
        return out

    def _count(self):
        """Count a batch; return its share in the running statistics."""
        counter = self.num_batches_tracked
        if counter is not None:
            counter += 1
        if self.momentum is not None:
            return self.momentum
        return 0.0 if counter is None else 1 / counter.double()  # not read: it may be on a GPU

    def _normalize_running(self, rows):
        running = {
            "mode": "test",
            "eps": self.eps,
            "running_mean": self.running_mean,
            "running_var": self.running_var,
        }
        return batchnorm_forward(rows, *_scale_and_shift(self, rows, self.num_features), running)[0]


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """Batch normalization layer, `torch.nn.BatchNorm1d` with our passes, on (N, C) or (N, C, L).

    PyTorch's arguments and conventions: `momentum` is the fraction of the *new* value, or None,
    which averages all batches equally; the running variance is the unbiased one.

    Args:
        num_features: C; eps: added to the variance; momentum: see above.
        affine: whether there is a scale, and with `bias` a shift.
        track_running_stats: keep running statistics; without, evaluation uses the batch's own.
        device, dtype: of the parameters.

    Raises:
        ValueError: when the input has the wrong number of dimensions or of channels, or when a
            training batch has one value per channel.

    Slides 11–13. Ioffe & Szegedy 2015, arXiv:1502.03167.

    >>> layer = BatchNorm1d(3)
    >>> layer.load_state_dict(nn.BatchNorm1d(3).state_dict())
    <All keys matched successfully>
    >>> layer(torch.randn(4, 3)).shape
    torch.Size([4, 3])
    """

    shapes = ("(N, C)", "(N, C, L)")


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """Batch normalization layer for images, `torch.nn.BatchNorm2d` with our passes.

    Input (N, C, H, W); arguments, state and errors as for `BatchNorm1d`.

    Slide 14. Ioffe & Szegedy 2015, section 3.2.

    >>> BatchNorm2d(3)(torch.randn(2, 3, 4, 5)).shape
    torch.Size([2, 3, 4, 5])
    """

    shapes = ("(N, C, H, W)",)


class LayerNormFunction(torch.autograd.Function):
    """Layer normalization for autograd: our forward pass, our backward pass.

    Slide 15. Ba, Kiros & Hinton 2016, arXiv:1607.06450.

    >>> x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    >>> gamma, beta = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
    >>> layer = lambda x, gamma, beta: LayerNormFunction.apply(x, gamma, beta, {"eps": 0.1})
    >>> torch.autograd.gradcheck(layer, (x, gamma, beta))
    True
    """

    @staticmethod
    def forward(ctx, x, gamma, beta, ln_param):
        """Return (N, D) `out`; `ln_param` is read as in `layernorm_forward`."""
        out, cache = layernorm_forward(x, gamma, beta, ln_param)
        ctx.save_for_backward(*cache)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        """Return the gradients of x, gamma and beta, and None for ln_param."""
        return *layernorm_backward(dout, ctx.saved_tensors), None


class InstanceNormFunction(torch.autograd.Function):
    """Instance normalization for autograd: our forward pass, our backward pass.

    Slide 16. Ulyanov, Vedaldi & Lempitsky 2017, arXiv:1701.02096.

    >>> x = torch.randn(2, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    >>> gamma, beta = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
    >>> layer = lambda x, gamma, beta: InstanceNormFunction.apply(x, gamma, beta, {"eps": 0.1})
    >>> torch.autograd.gradcheck(layer, (x, gamma, beta))
    True
    """

    @staticmethod
    def forward(ctx, x, gamma, beta, in_param):
        """Return (N, C, H, W) `out`; `in_param` is read as in `instancenorm_forward`."""
        out, cache = instancenorm_forward(x, gamma, beta, in_param)
        ctx.save_for_backward(*cache)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        """Return the gradients of x, gamma and beta, and None for in_param."""
        return *instancenorm_backward(dout, ctx.saved_tensors), None


class GroupNormFunction(torch.autograd.Function):
    """Group normalization for autograd: our forward pass, our backward pass.

    Slide 18. Wu & He 2018, arXiv:1803.08494.

    >>> x = torch.randn(2, 6, 2, 3, dtype=torch.float64, requires_grad=True)
    >>> gamma, beta = torch.rand(2, 1, 6, 1, 1, dtype=torch.float64, requires_grad=True)
    >>> layer = lambda x, gamma, beta: GroupNormFunction.apply(x, gamma, beta, 3, {"eps": 0.1})
    >>> torch.autograd.gradcheck(layer, (x, gamma, beta))
    True
    """

    @staticmethod
    def forward(ctx, x, gamma, beta, G, gn_param):
        """Return (N, C, H, W) `out`; arguments as in `spatial_groupnorm_forward`."""
        out, cache = spatial_groupnorm_forward(x, gamma, beta, G, gn_param)
        ctx.save_for_backward(*cache)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        """Return the gradients of x, gamma and beta, and None for G and gn_param."""
        return *spatial_groupnorm_backward(dout, ctx.saved_tensors), None, None


class LayerNorm(nn.LayerNorm):
    """Layer normalization layer, `torch.nn.LayerNorm` with our passes.

    Args:
        normalized_shape: of the last dimensions, over which one mean runs: D, or (C, H, W).
        eps: added to the variance; elementwise_affine: whether there is a scale, and with `bias` a
            shift; device, dtype: of the parameters.

    Raises:
        ValueError: when the last dimensions of the input are others.

    Slide 15. Ba, Kiros & Hinton 2016, arXiv:1607.06450.

    >>> layer = LayerNorm((3, 4))
    >>> layer.load_state_dict(nn.LayerNorm((3, 4)).state_dict())
    <All keys matched successfully>
    >>> layer(torch.randn(5, 2, 3, 4)).shape
    torch.Size([5, 2, 3, 4])
    """

    def forward(self, input):
        """Normalize input over its last dimensions."""
        if input.shape[-len(self.normalized_shape) :] != self.normalized_shape:
            raise ValueError(
                f"LayerNorm: the last dimensions of the input must be {self.normalized_shape}, "
                f"but its shape is {tuple(input.shape)}"
            )
        if input.numel() == 0:
            return _empty(self, input)
        rows = input.reshape(-1, math.prod(self.normalized_shape))
        parameters = _scale_and_shift(self, input, rows.shape[1:])
        out = LayerNormFunction.apply(rows, *parameters, {"eps": self.eps})
        return out.contiguous().view(input.shape)  # as PyTorch's own, so that view() works on it


class InstanceNorm2d(nn.InstanceNorm2d):
    """Instance normalization layer, `torch.nn.InstanceNorm2d` with our passes.

    Input (N, C, H, W), or one image (C, H, W). Without scale, shift and running statistics unless
    asked for.

    Args:
        num_features: C; eps: added to the variance.
        momentum: fraction of the *new* value in the running statistics.
        affine: whether there is a scale, and with `bias` a shift.
        track_running_stats: keep the means of the images' statistics, and use them after `eval()`.
            PyTorch's own keeps `num_batches_tracked` at 0 all the time, and so does this.
        device, dtype: of the parameters.

    Raises:
        ValueError: when the input has other dimensions, or one value per channel of an image while
            its own statistics are used.

    Slide 16. Ulyanov, Vedaldi & Lempitsky 2017, arXiv:1701.02096.

    >>> InstanceNorm2d(3, affine=True)(torch.randn(2, 3, 4, 5)).shape
    torch.Size([2, 3, 4, 5])
    """

    def forward(self, input):
        """Normalize each channel of each image; after `eval()` perhaps by running statistics."""
        _require_shape(self, input, ("(N, C, H, W)", "(C, H, W)"), self.num_features)
        if input.numel() == 0:
            return _empty(self, input)
        return self._normalize(input[None])[0] if input.dim() == 3 else self._normalize(input)

    def _normalize(self, x):
        weight, bias = _scale_and_shift(self, x, self.num_features)
        if self.track_running_stats and not self.training:
            running = {"running_mean": self.running_mean, "running_var": self.running_var}
            param = {"mode": "test", "eps": self.eps, **running}
            return spatial_batchnorm_forward(x, weight, bias, param)[0].contiguous()
        if x.shape[2] * x.shape[3] == 1:
            raise ValueError(
                "InstanceNorm2d: an image needs more than one value per channel, got 1; use larger "
                "images, or no normalization here"
            )
        if self.track_running_stats:
            self._track(x.detach().to(torch.promote_types(x.dtype, torch.float32)))
        return InstanceNormFunction.apply(x, weight, bias, {"eps": self.eps}).contiguous()

    def _track(self, x):
        mean = x.mean(dim=(2, 3)).mean(dim=0)  # (C,)
        var = x.var(dim=(2, 3)).mean(dim=0)  # (C,), unbiased, as PyTorch's own
        share = self.momentum or 0.0  # None is 0 in PyTorch's own
        _move_running(self, share, running_mean=mean, running_var=var)


class GroupNorm(nn.GroupNorm):
    """Group normalization layer, `torch.nn.GroupNorm` with our passes.

    Args:
        num_groups: G; num_channels: C, of which G is a divisor.
        eps: added to the variance; affine: whether there is a scale, and with `bias` a shift;
            device, dtype: of the parameters.

    Raises:
        ValueError: when G does not divide C, or axis 1 of the input is not C long.

    Slide 18. Wu & He 2018, arXiv:1803.08494.

    >>> GroupNorm(2, 6)(torch.randn(4, 6, 5, 3)).shape
    torch.Size([4, 6, 5, 3])
    """

    def __init__(
        self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None, *, bias=True
    ):
        divisor("C")("GroupNorm: num_groups", num_groups, {"C": (num_channels, "num_channels")})
        super().__init__(num_groups, num_channels, eps, affine, device, dtype, bias=bias)

    def forward(self, input):
        """Normalize each group of channels of each example."""
        if input.dim() < 2 or input.shape[1] != self.num_channels:
            raise ValueError(
                f"GroupNorm: the input must be (N, C, ...) with C = {self.num_channels}, but its "
                f"shape is {tuple(input.shape)}"
            )
        if input.numel() == 0:
            return _empty(self, input)
        images = input.reshape(len(input), self.num_channels, -1, 1)  # any number of dimensions
        parameters = _scale_and_shift(self, input, (1, self.num_channels, 1, 1))
        param = {"eps": self.eps}
        out = GroupNormFunction.apply(images, *parameters, self.num_groups, param)
        return out.contiguous().view(input.shape)


class DecorrelatedBatchNormFunction(torch.autograd.Function):
    """Train-mode decorrelated batch normalization for autograd: our forward, our backward pass.

    Slide 19. Huang et al. 2018, arXiv:1804.08450.

    >>> x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    >>> gamma, beta = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    >>> param = {"group_size": 2, "eps": 0.1}
    >>> layer = lambda *args: DecorrelatedBatchNormFunction.apply(*args, param)
    >>> torch.autograd.gradcheck(layer, (x, gamma, beta))
    True
    """

    @staticmethod
    def forward(ctx, x, gamma, beta, dbn_param):
        """Return (N, D) `out`; `dbn_param` is used as in `decorrelated_batchnorm_forward`."""
        if dbn_param.get("mode", "train") != "train":
            raise ValueError(
                "DecorrelatedBatchNormFunction: dbn_param['mode'] must be 'train', because the "
                "backward pass is that of train mode; in test mode call "
                "decorrelated_batchnorm_forward, which autograd can follow"
            )
        out, cache = decorrelated_batchnorm_forward(x, gamma, beta, dbn_param)
        ctx.save_for_backward(*cache)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        """Return the gradients of x, gamma and beta, and None for dbn_param."""
        return *decorrelated_batchnorm_backward(dout, ctx.saved_tensors), None


class DecorrelatedBatchNorm(nn.Module):
    """Decorrelated batch normalization layer, for (N, C) and for images (N, C, H, W).

    Used like `torch.nn.BatchNorm2d`, with its conventions: `momentum` is the fraction of the *new*
    value; the running mean starts at 0, the running whitening matrices at the identity. Of images,
    every pixel is a row. Inputs in half precision are whitened in float32.

    Args:
        num_features: C; group_size: K neighbouring channels are whitened together, all of them
            unless given; K must divide C.
        eps: added to the eigenvalues of the covariance; momentum: see above.

    Raises:
        ValueError: when K does not divide C, when axis 1 of the input is not C long, or when a
            training batch has one value per channel.

    Slide 19. Huang et al. 2018, arXiv:1804.08450.

    >>> DecorrelatedBatchNorm(6, group_size=3)(torch.randn(2, 6, 4, 5)).shape
    torch.Size([2, 6, 4, 5])
    """

    def __init__(self, num_features, group_size=None, eps=1e-5, momentum=0.1):
        super().__init__()
        size = num_features if group_size is None else group_size
        divisor("C")("DecorrelatedBatchNorm: group_size", size, {"C": (num_features, "the layer")})
        self.num_features, self.group_size = num_features, size
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_zca", torch.eye(size).repeat(num_features // size, 1, 1))

    def forward(self, input):
        """Whiten by the batch's statistics in training, by the running ones in evaluation."""
        if input.dim() < 2 or input.shape[1] != self.num_features:
            raise ValueError(
                f"DecorrelatedBatchNorm: the input must be (N, C) or (N, C, H, W) with C = "
                f"{self.num_features}, but its shape is {tuple(input.shape)}"
            )
        channels_last = input.movedim(1, -1)
        rows = channels_last.reshape(-1, self.num_features)  # (N, C) or (N·H·W, C)
        rows = rows.to(torch.promote_types(input.dtype, torch.float32))
        out = self._normalize(rows).to(input.dtype)
        return out.reshape(channels_last.shape).movedim(-1, 1).contiguous()

    def _normalize(self, rows):
        param = {"eps": self.eps, "group_size": self.group_size}
        parameters = self.weight.to(rows), self.bias.to(rows)
        if not self.training:
            running = {"running_mean": self.running_mean, "running_zca": self.running_zca}
            param |= {"mode": "test"} | {key: value.to(rows) for key, value in running.items()}
            return decorrelated_batchnorm_forward(rows, *parameters, param)[0]
        if len(rows) == 1:
            raise ValueError(
                "DecorrelatedBatchNorm: training needs more than one value per channel, got 1; use "
                "a larger batch, or call eval() first"
            )
        param["momentum"] = 0.0  # leaves this batch's own statistics
        out = DecorrelatedBatchNormFunction.apply(rows, *parameters, param)
        statistics = {key: param[key] for key in ("running_mean", "running_zca")}
        _move_running(self, self.momentum, **statistics)
        return out

    def extra_repr(self):
        """Show the settings."""
        return (
            f"{self.num_features}, group_size={self.group_size}, eps={self.eps}, "
            f"momentum={self.momentum}"
        )
