"""PyTorch's dropout, weight decay and soft threshold, with our conventions."""

import numpy as np
import torch


def dropout(x, dropout_param):
    """Inverted dropout, whose p is the probability to drop; numbers from a seed of its own."""
    p, mode = dropout_param["p"], dropout_param["mode"]
    if mode not in ("train", "test"):
        raise ValueError(mode)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_seed(dropout_param.get("seed")))
        ones = torch.ones_like(x)
        mask = torch.nn.functional.dropout(ones, 1 - p, training=mode == "train")
    return x * mask, mask


def _seed(source):
    if isinstance(source, torch.Generator):
        return int(torch.randint(2**31, (), generator=source))
    if isinstance(source, np.random.Generator):
        return int(source.integers(2**31))
    return torch.seed() if source is None else source


def through_the_mask(dout, mask):
    """The gradient of a product."""
    return dout * mask


def weight_decay(W, reg):
    """The penalty of which SGD's weight decay is the gradient: one step from W with rate 1."""
    parameter = torch.nn.Parameter(W.clone())
    parameter.grad = torch.zeros_like(W)
    torch.optim.SGD([parameter], lr=1.0, weight_decay=2 * reg).step()
    return reg * torch.linalg.vector_norm(W) ** 2, W - parameter.detach()


def soft_threshold(w, dw, learning_rate, reg):
    """PyTorch's soft threshold, after the step."""
    return torch.nn.functional.softshrink(w - learning_rate * dw, learning_rate * reg)


BUILT_INS = {
    "dropout_forward": dropout,
    "dropout_backward": through_the_mask,
    "l2_penalty": weight_decay,
    "l1_proximal_step": soft_threshold,
}
WITHOUT = {
    "l1_penalty": "frameworks leave it to autograd, against which the library's tests compare",
    "elastic_net_penalty": "frameworks leave it to autograd, against which tests compare",
    "vanilla_dropout_forward": "every framework's dropout is inverted",
    "vanilla_dropout_backward": "every framework's dropout is inverted",
    "expectation_over_masks": "no framework enumerates masks",
    "separating_products": "any products that separate right from wrong are an answer",
    "dropout_as_l2": "compared with brute force and ridge regression in the library's tests",
    "train_regularized": "a loop around PyTorch's optimizer is what the library's tests compare",
    "dropconnect_forward": "no framework has it; library tests compare with autograd",
    "dropconnect_backward": "no framework has it; library tests compare with autograd",
    "dropconnect_moments": "enumerated in the library's tests",
    "separating_weights": "any weights that separate right from wrong are an answer",
    "dropconnect_inference": "compared with numerical integration in the library's tests",
    "dropconnect_closed_form": "compared with numerical integration in the library's tests",
    "pooling_boundaries": "PyTorch keeps its sequences to itself; tests use exact fractions",
    "pooling_regions": "PyTorch keeps its regions to itself; tests use brute force",
    "fractional_max_pool_forward": "PyTorch draws other regions for every channel",
    "fractional_max_pool_backward": "PyTorch draws other regions for every channel",
    "survival_probabilities": "a line of numbers, compared with np.linspace in the tests",
    "stochastic_depth_forward": "torchvision has it without the paper's scale; tests enumerate",
    "stochastic_depth_backward": "compared with centred differences in the library's tests",
    "stochastic_depth_network": "all depths of a network are enumerated in the library's tests",
}
REMARKED = {}
