"""The frameworks' own versions of what students write, with the conventions of the exercises.

PyTorch's momentum is the share of the new value and its running variance is the unbiased one; the
first is translated here, the second is a Variant that earns full marks with a remark.
"""

import numpy as np
import scipy.signal
import torch
from torch.nn.functional import batch_norm, group_norm, instance_norm, layer_norm
from torch.nn.utils.fusion import fuse_linear_bn_weights


def forward(x, gamma, beta, bn_param):
    """Batch norm of rows or images."""
    train, eps = {"train": True, "test": False}.get(bn_param["mode"]), bn_param.get("eps", 1e-5)
    if train is None:
        raise ValueError("mode")
    share = 1 - bn_param.get("momentum", 0.9)
    running = {
        key: bn_param.get(key, torch.zeros_like(gamma)).clone()
        for key in ("running_mean", "running_var")
    }
    out = batch_norm(x, *running.values(), gamma, beta, train, share, eps)
    bn_param.update(running)
    return out, (x, gamma, beta, eps)


def backward(dout, cache):
    """The gradients that autograd finds."""
    x, gamma, beta, eps = cache
    with torch.inference_mode(False), torch.enable_grad():
        leaves = [t.clone().requires_grad_() for t in (x, gamma, beta)]
        out = batch_norm(leaves[0], None, None, *leaves[1:], training=True, eps=eps)
        return torch.autograd.grad(out, leaves, dout.clone())


def layer(x, gamma, beta, eps):
    """Layer norm of rows."""
    return layer_norm(x, gamma.shape, gamma, beta, eps)


def instance(x, gamma, beta, eps):
    """Instance norm of images."""
    return instance_norm(x, None, None, gamma, beta, eps=eps)


def groups(x, gamma, beta, G, eps):
    """Group norm of images, with gamma and beta of shape (1, C, 1, 1)."""
    return group_norm(x, G, gamma.flatten(), beta.flatten(), eps)


def within_examples(function):
    """Return the forward and the backward pass of a layer without running statistics."""

    def forward(x, gamma, beta, *rest):
        *extra, options = rest
        extra.append(options.get("eps", 1e-5))
        return function(x, gamma, beta, *extra), (x, gamma, beta, extra)

    def backward(dout, cache):
        *arrays, extra = cache
        with torch.inference_mode(False), torch.enable_grad():
            leaves = [t.clone().requires_grad_() for t in arrays]
            return torch.autograd.grad(function(*leaves, *extra), leaves, dout.clone())

    return forward, backward


layer_forward, layer_backward = within_examples(layer)
instance_forward, instance_backward = within_examples(instance)
group_forward, group_backward = within_examples(groups)


def fold(W, b, gamma, beta, bn_param):
    """PyTorch's own fusion, which is used to prepare networks for inference."""
    mean, var = bn_param["running_mean"], bn_param["running_var"]
    eps = bn_param.get("eps", 1e-5)
    weight, bias = fuse_linear_bn_weights(W.T, b, mean, var, eps, gamma, beta)
    return weight.detach().T, bias.detach()


def effective_rate(W, dW, learning_rate, reg):
    """The length after a step of PyTorch's own optimizer."""
    parameter = torch.nn.Parameter(W.clone())
    parameter.grad = dW.clone()
    torch.optim.SGD([parameter], lr=learning_rate, weight_decay=2 * reg).step()
    return learning_rate / parameter.detach().pow(2).sum(dim=0)


def debias(running, momentum, steps):
    """Divide by what SciPy's recursive filter makes of a constant 1."""
    return running / scipy.signal.lfilter([1 - momentum], [1, -momentum], np.ones(steps))[-1]


class BatchNorm(torch.nn.BatchNorm1d):
    """PyTorch's own layer; its running variance starts at one, ours at zero."""

    gamma, beta = property(lambda self: self.weight), property(lambda self: self.bias)

    def __init__(self, features, eps=1e-5, momentum=0.9):
        super().__init__(features, eps, 1 - momentum)
        self.running_var.zero_()


class GroupNorm(torch.nn.GroupNorm):
    """PyTorch's own layer, with parameters in the shape of the exercise."""

    def __init__(self, groups, channels, eps=1e-5):
        super().__init__(groups, channels, eps, affine=False)
        self.gamma = torch.nn.Parameter(torch.ones(1, channels, 1, 1))
        self.beta = torch.nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x):
        return self.gamma * super().forward(x) + self.beta


BUILT_INS = {
    "BatchNorm": BatchNorm,
    "GroupNorm": GroupNorm,
    "batchnorm_forward": forward,
    "batchnorm_backward": backward,
    "batchnorm_backward_alt": backward,
    "spatial_batchnorm_forward": forward,
    "spatial_batchnorm_backward": backward,
    "layernorm_forward": layer_forward,
    "layernorm_backward": layer_backward,
    "instancenorm_forward": instance_forward,
    "instancenorm_backward": instance_backward,
    "spatial_groupnorm_forward": group_forward,
    "spatial_groupnorm_backward": group_backward,
    "fold_batchnorm": fold,
    "effective_learning_rate": effective_rate,
    "debias_running": debias,
}
NO_LAYER = "neither PyTorch nor SciPy has this layer; library/test_decorrelated.py has oracles"
WITHOUT = {
    "separating_input": "it is a search for an input",
    "separating_groups": "it is a search for an input",
    "decorrelated_batchnorm_forward": NO_LAYER,
    "decorrelated_batchnorm_backward": NO_LAYER,
}
REMARKED = {  # the Variant whose remark a built-in earns
    "batchnorm_forward": "unbiased running variance",
    "BatchNorm": "unbiased running variance",
    "spatial_batchnorm_forward": "unbiased running variance",
}
