"""Augmentation in a pipeline: several steps as one, and in the workers of a `DataLoader`.

A generator that is created once and copied into every worker gives the same numbers in each of
them, and again in every epoch. Here every example gets a generator of its own, made from the seed,
the epoch and the example's number: no draw comes twice, and the results do not depend on how many
workers there are.
"""

import functools

import numpy as np

from cs231n_lib.errors import whole


def compose(*steps):
    """Put several functions (x, rng) -> x into one, in this order.

    It goes to the workers of a `DataLoader` wherever its steps do. Where workers share no memory
    (on macOS and Windows, and from Python 3.14 on under Linux) a function of a module does; a
    lambda or a function inside a function does not.

    Slides 85–86.

    >>> twice = compose(lambda x, rng: x + 1, lambda x, rng: 10 * x)
    >>> twice(1, None)
    20
    """

    return functools.partial(_one_after_the_other, steps)


def _one_after_the_other(steps, x, rng):
    for step in steps:
        x = step(x, rng)
    return x


class AugmentedDataset:
    """Examples (image, label) for a `DataLoader`, each in a new version in every epoch.

    Its items are asked for by (epoch, number): use it with `Epochs` as the loader's sampler.

    Args:
        x: (N, H, W, C) images; y: (N,) labels.
        augment: function (x, rng) -> x of a batch, here of one image, with a NumPy generator.
        seed: a whole number; the same seed gives the same versions, whatever the workers.

    Slides 85–86.

    >>> data = AugmentedDataset(np.zeros((4, 2, 2, 3)), np.arange(4), lambda x, rng: x + 1, seed=0)
    >>> image, label = data[0, 3]
    >>> image.shape, int(label), len(data)
    ((2, 2, 3), 3, 4)
    """

    def __init__(self, x, y, augment, seed):
        whole(0)("seed", seed)
        self.x, self.y, self.augment, self.seed = x, y, augment, seed

    def __len__(self):
        return len(self.x)

    def __getitem__(self, place):
        epoch, number = place
        rng = np.random.default_rng([self.seed, epoch, number])
        return self.augment(self.x[number : number + 1], rng)[0], self.y[number]


class Epochs:
    """Sampler of a `DataLoader`: (epoch, number) of every example, in a new order each time.

    Args:
        size: number of examples; seed: of the orders.

    >>> sampler = Epochs(3, seed=0)
    >>> sorted(sampler), sorted(sampler)
    ([(0, 0), (0, 1), (0, 2)], [(1, 0), (1, 1), (1, 2)])
    """

    def __init__(self, size, seed):
        whole(1)("size", size)
        self.size, self.seed, self.epoch = size, seed, 0

    def __len__(self):
        return self.size

    def __iter__(self):
        epoch, self.epoch = self.epoch, self.epoch + 1
        rng = np.random.default_rng([self.seed, epoch, self.size])  # no example has this number
        return iter([(epoch, int(number)) for number in rng.permutation(self.size)])
