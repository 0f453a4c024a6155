"""The frameworks' own activation functions, with gradients from autograd."""

import torch
from torch.nn.functional import elu, leaky_relu


def differentiated(function):
    """Return a backward pass (dout, cache) for `function`; the cache holds its arguments."""

    def backward(dout, cache):
        with torch.inference_mode(False), torch.enable_grad():
            leaves = [a.clone().requires_grad_() for a in cache if isinstance(a, torch.Tensor)]
            others = [a for a in cache if not isinstance(a, torch.Tensor)]
            gradients = torch.autograd.grad(function(*leaves, *others), leaves, dout.clone())
        return gradients if len(gradients) > 1 else gradients[0]

    return backward


def maxout(x, w, b):
    """The largest piece; autograd shares the gradient equally among pieces that are tied."""
    return (x @ w + b[:, None]).amax(dim=0)


BUILT_INS = {
    "leaky_relu_forward": lambda x, alpha=0.1: (leaky_relu(x, alpha), (x, alpha)),
    "leaky_relu_backward": differentiated(leaky_relu),
    "maxout_forward": lambda *arrays: (maxout(*arrays), arrays),
    "maxout_backward": differentiated(maxout),
    "elu_forward": lambda x, alpha=1.0: (elu(x, alpha), (x, alpha)),
    "elu_backward": differentiated(elu),
}
WITHOUT = {"slope_breaking_input": "it is a search for an input"}
REMARKED = {}
