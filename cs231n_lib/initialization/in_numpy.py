"""Weight initialization in NumPy, with the tags of the equations."""

import numpy as np

from cs231n_lib.errors import at_least, generator, validated, whole


@validated(fan_in=whole(1), fan_out=whole(1), std=at_least(0), rng=generator)
def gaussian_init(fan_in, fan_out, std, rng):
    """Weights from N(0, std²), whatever the size of the layer.

    Args:
        fan_in, fan_out: number of inputs and of units.
        std: standard deviation of the weights.
        rng: np.random.Generator.

    Returns:
        W: (fan_in, fan_out).

    Slide 5.

    >>> W = gaussian_init(300, 200, 0.01, np.random.default_rng(0))
    >>> W.shape, W.std().round(3)
    ((300, 200), np.float64(0.01))
    """
    return std * rng.standard_normal((fan_in, fan_out))  # (fan_in, fan_out) Init.1


@validated(fan_in=whole(1), fan_out=whole(1), rng=generator)
def xavier_init(fan_in, fan_out, rng):
    """Gaussian weights that keep the variance of centred inputs through a linear layer.

    Args:
        fan_in, fan_out: number of inputs and of units.
        rng: np.random.Generator, the only source of randomness.

    Returns:
        W: (fan_in, fan_out), each weight drawn on its own, with mean 0.

    Slide 5, "just right". Glorot & Bengio 2010, with the fan-in alone, as in the lecture.

    >>> W = xavier_init(400, 100, np.random.default_rng(0))
    >>> W.shape, W.std().round(2)
    ((400, 100), np.float64(0.05))
    """
    W = rng.standard_normal((fan_in, fan_out))
    return W / fan_in**0.5  # Init.2


@validated(fan_in=whole(1), fan_out=whole(1), rng=generator)
def kaiming_init(fan_in, fan_out, rng):
    """Gaussian weights that keep the mean square of the activations from ReLU to ReLU.

    Args:
        fan_in, fan_out: number of inputs and of units.
        rng: np.random.Generator, the only source of randomness.

    Returns:
        W: (fan_in, fan_out), each weight drawn on its own, with mean 0.

    Slide 5, "just right" for ReLU. He et al. 2015, arXiv:1502.01852, with the fan-in.

    >>> W = kaiming_init(200, 100, np.random.default_rng(0))
    >>> W.shape, W.std().round(2)
    ((200, 100), np.float64(0.1))
    """
    W = rng.standard_normal((fan_in, fan_out))
    return W * (2 / fan_in) ** 0.5  # Init.3


@validated(x="N D")
def activation_statistics(x, weights, activation):
    """Mean and standard deviation of the activations of every layer of a deep network.

    Args:
        x: (N, D) inputs.
        weights: list of L weight matrices, (D, H1), (H1, H2), ...
        activation: function of an array, such as np.tanh.

    Returns:
        means: (L,); stds: (L,).

    Slide 5.

    >>> x, rng = np.ones((2, 100)), np.random.default_rng(0)
    >>> small = [gaussian_init(100, 100, 0.01, rng) for _ in range(3)]
    >>> activation_statistics(x, small, np.tanh)[1].round(4)
    array([0.0933, 0.0084, 0.0008])
    """
    means, stds = [], []
    for W in weights:
        x = activation(x @ W)  # (N, H) Init.4
        means.append(x.mean())
        stds.append(x.std())
    return np.stack(means), np.stack(stds)
