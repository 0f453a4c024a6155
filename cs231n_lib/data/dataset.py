"""A `Dataset`: examples and labels in three parts, and the batches of an epoch."""

import dataclasses
import math

import numpy as np

from cs231n_lib.errors import between, generator, whole


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Examples and their integer labels, split into train, val and test.

    x_*: (N, D) float32 from 0 to 1, or (N, C, H, W) after `images()`; y_*: (N,) int64.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    name: str
    classes: tuple
    image_shape: tuple

    def __post_init__(self):
        """Refuse parts in which not every example has a label."""
        for part in ("train", "val", "test"):
            _require_labels(getattr(self, f"x_{part}"), getattr(self, f"y_{part}"), part)

    def images(self):
        """The same data with each example an image (C, H, W).

        >>> from cs231n_lib.data import digits
        >>> digits().images().x_test.shape
        (250, 1, 8, 8)
        """
        return self._shaped(self.image_shape)

    def flat(self):
        """The same data with each example a row of D numbers.

        >>> from cs231n_lib.data import digits
        >>> digits().images().flat().x_test.shape
        (250, 64)
        """
        return self._shaped((math.prod(self.image_shape),))

    def few(self, n):
        """The same data with only the first `n` training examples.

        >>> from cs231n_lib.data import digits
        >>> digits().few(500)
        digits: 500 train, 250 val, 250 test examples of shape (64,), 10 classes
        """
        whole(1)("n", n)
        if n > len(self.x_train):
            raise ValueError(f"n must be at most {len(self.x_train)}, the examples, got {n}")
        return dataclasses.replace(self, x_train=self.x_train[:n], y_train=self.y_train[:n])

    def with_random_labels(self, share, rng):
        """The same data with random labels for a random `share` of the training examples.

        Any class is as likely as any other, so of ten classes a tenth of these labels stays right.
        Validation and test labels are left as they are.

        >>> from cs231n_lib.data import digits
        >>> noisy = digits().with_random_labels(0.3, np.random.default_rng(0))
        >>> bool(0.2 < (noisy.y_train != digits().y_train).mean() < 0.3)
        True
        """
        between(0, 1)("share", share)
        generator("rng", rng)
        y = self.y_train.copy()
        chosen = rng.permutation(len(y))[: round(share * len(y))]
        y[chosen] = rng.integers(0, len(self.classes), len(chosen))
        return dataclasses.replace(self, y_train=y)

    def _shaped(self, shape):
        names = ("x_train", "x_val", "x_test")
        return dataclasses.replace(
            self, **{name: getattr(self, name).reshape(-1, *shape) for name in names}
        )

    def __repr__(self):
        return (
            f"{self.name}: {len(self.x_train)} train, {len(self.x_val)} val, {len(self.x_test)} "
            f"test examples of shape {self.x_train.shape[1:]}, {len(self.classes)} classes"
        )


def _require_labels(x, y, part):
    if len(x) != len(y):
        raise ValueError(
            f"the examples of {part} must have a label each, got {len(x)} examples and {len(y)} "
            "labels"
        )


def batches(x, y, batch_size, rng):
    """One epoch of batches (x, y) in random order; the last examples that fill no batch are left.

    Args:
        x, y: examples, by the first axis, and their labels.
        batch_size: how many are in one batch; rng: NumPy's generator, draws the order.

    Raises:
        ValueError: when there are fewer examples than one batch holds, or not as many labels.

    >>> rng = np.random.default_rng(0)
    >>> [len(y) for x, y in batches(np.zeros((10, 2)), np.zeros(10), 4, rng)]
    [4, 4]
    """
    whole(1)("batch_size", batch_size)
    _require_labels(x, y, "an epoch")
    if batch_size > len(x):
        raise ValueError(f"batch_size must be at most {len(x)}, the examples, got {batch_size}")
    generator("rng", rng)
    shuffled = rng.permutation(len(x))
    starts = range(0, len(x) - batch_size + 1, batch_size)
    chosen = (shuffled[start : start + batch_size] for start in starts)
    return ((x[indices], y[indices]) for indices in chosen)


def split(x, y, n_val, x_test, y_test, name, classes, image_shape):
    """Make the last `n_val` training examples the validation set."""
    train, val = slice(None, -n_val), slice(-n_val, None)
    return Dataset(x[train], y[train], x[val], y[val], x_test, y_test, name, classes, image_shape)
