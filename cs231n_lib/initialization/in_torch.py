"""Weight initialization in PyTorch: the functions of `in_numpy`, on the generator's device."""

import torch

from cs231n_lib.errors import at_least, torch_generator, validated, whole


@validated(fan_in=whole(1), fan_out=whole(1), std=at_least(0), rng=torch_generator)
def gaussian_init(fan_in, fan_out, std, rng):
    """Weights from N(0, std²), whatever the size of the layer.

    Args:
        fan_in, fan_out: number of inputs and of units.
        std: standard deviation of the weights.
        rng: torch.Generator; its device is that of the weights.

    Returns:
        W: (fan_in, fan_out), of PyTorch's default dtype. (nn.Linear keeps the transpose.)

    Slide 5.

    >>> W = gaussian_init(300, 200, 0.01, torch.Generator().manual_seed(0))
    >>> W.shape, round(W.std().item(), 3)
    (torch.Size([300, 200]), 0.01)
    """
    return std * torch.randn((fan_in, fan_out), generator=rng, device=rng.device)  # Init.1


@validated(fan_in=whole(1), fan_out=whole(1), rng=torch_generator)
def xavier_init(fan_in, fan_out, rng):
    """Gaussian weights that keep the variance of centred inputs through a linear layer.

    Args:
        fan_in, fan_out: number of inputs and of units.
        rng: torch.Generator, the only source of randomness; its device is that of the weights.

    Returns:
        W: (fan_in, fan_out), each weight drawn on its own, with mean 0. (nn.Linear keeps the
        transpose.)

    Slide 5, "just right". Glorot & Bengio 2010, with the fan-in alone, as in the lecture.

    >>> W = xavier_init(400, 100, torch.Generator().manual_seed(0))
    >>> W.shape, round(W.std().item(), 2)
    (torch.Size([400, 100]), 0.05)
    """
    W = torch.randn((fan_in, fan_out), generator=rng, device=rng.device)
    return W / fan_in**0.5  # Init.2


@validated(fan_in=whole(1), fan_out=whole(1), rng=torch_generator)
def kaiming_init(fan_in, fan_out, rng):
    """Gaussian weights that keep the mean square of the activations from ReLU to ReLU.

    Args:
        fan_in, fan_out: number of inputs and of units.
        rng: torch.Generator, the only source of randomness; its device is that of the weights.

    Returns:
        W: (fan_in, fan_out), each weight drawn on its own, with mean 0. (nn.Linear keeps the
        transpose.)

    Slide 5, "just right" for ReLU. He et al. 2015, arXiv:1502.01852, with the fan-in.

    >>> W = kaiming_init(200, 100, torch.Generator().manual_seed(0))
    >>> W.shape, round(W.std().item(), 2)
    (torch.Size([200, 100]), 0.1)
    """
    W = torch.randn((fan_in, fan_out), generator=rng, device=rng.device)
    return W * (2 / fan_in) ** 0.5  # Init.3


@validated(x="N D")
def activation_statistics(x, weights, activation):
    """Mean and standard deviation of the activations of every layer of a deep network.

    Args:
        x: (N, D) inputs.
        weights: list of L weight matrices, (D, H1), (H1, H2), ...
        activation: function of a tensor, such as torch.tanh.

    Returns:
        means: (L,); stds: (L,), divided by the number of values as everywhere in this course.

    Slide 5.

    >>> x, rng = torch.ones(2, 100), torch.Generator().manual_seed(0)
    >>> small = [gaussian_init(100, 100, 0.01, rng) for _ in range(3)]
    >>> bool((activation_statistics(x, small, torch.tanh)[1].diff() < 0).all())
    True
    """
    means, stds = [], []
    for W in weights:
        x = activation(x @ W)  # (N, H) Init.4
        means.append(x.mean())
        stds.append(x.std(correction=0))
    return torch.stack(means), torch.stack(stds)
