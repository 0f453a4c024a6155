"""Data for the lessons: digits and photographs that are always there, and others where they are.

Every data set is a `Dataset` of rows of float32 numbers from 0 to 1 with integer labels;
`.images()` gives the same examples as (N, C, H, W). Where a set comes from and under which licence
stands in README.md and beside the function that loads it.
"""

import os

from cs231n_lib.data.cifar10 import CIFAR10_HASH, CIFAR10_URL, load_cifar10
from cs231n_lib.data.dataset import Dataset, batches
from cs231n_lib.data.downloads import FOLDER_VARIABLE
from cs231n_lib.data.embedded import (
    COLOUR,
    CROPS,
    PHOTOGRAPHS,
    digits,
    photograph,
    photograph_patches,
)
from cs231n_lib.data.fashion_mnist import load_fashion_mnist
from cs231n_lib.data.wheels import SOURCE, TARGET, faces, grey, patches, wheel_photograph
from cs231n_lib.errors import one_of

__all__ = [
    "COLOUR",
    "CROPS",
    "FOLDER_VARIABLE",
    "PHOTOGRAPHS",
    "SOURCE",
    "SOURCES",
    "TARGET",
    "Dataset",
    "batches",
    "digits",
    "faces",
    "grey",
    "load",
    "load_cifar10",
    "load_fashion_mnist",
    "patches",
    "photograph",
    "photograph_patches",
    "wheel_photograph",
]


SOURCES = {  # name: where it comes from, its licence, its size, how it is checked
    "digits": (
        "https://doi.org/10.24432/C50P49", "CC BY 4.0", "45 kB", "comes with the course",
    ),
    "photographs": (
        "https://scikit-image.org", "CC0 or public domain", "1.1 MB", "comes with the course",
    ),
    "faces": (
        "https://scikit-image.org", "none stated; for research and teaching", "1 MB",
        "SHA-256, by scikit-image, with which they come",
    ),
    "cifar10": (
        CIFAR10_URL, "none stated; cite Krizhevsky 2009", "162 MB", CIFAR10_HASH,
    ),
    "fashion-mnist": (
        "https://github.com/zalandoresearch/fashion-mnist", "MIT", "31 MB", "MD5, SHA-256 a file",
    ),
}  # fmt: skip
ON_DISK = {  # name: what it is called, and its function
    "cifar10": ("CIFAR-10", load_cifar10),
    "fashion-mnist": ("Fashion-MNIST", load_fashion_mnist),
}


def load(name="digits"):
    """The data set of this name: 'digits', 'photographs', 'faces', 'cifar10' or 'fashion-mnist'.

    Photographs are pieces of 16 × 16 pixels. Where CIFAR-10 or Fashion-MNIST is not at hand, a line
    says so and digits come instead; but not when `CS231N_DATA` names a folder, which then is wrong.

    Raises:
        ValueError: for another name.
        FileNotFoundError: when the folder in `CS231N_DATA` does not have it.

    >>> load("digits")
    digits: 1297 train, 250 val, 250 test examples of shape (64,), 10 classes
    """
    one_of(*SOURCES)("a data set's name", name)
    if name == "photographs":
        return photograph_patches()
    if name == "faces":
        return faces()
    if name in ON_DISK:
        what, function = ON_DISK[name]
        try:
            return function()
        except FileNotFoundError:
            if os.environ.get(FOLDER_VARIABLE):
                raise
            print(
                f"{what} is not on this computer, so digits it is: "
                f"{function.__name__}(download=True) downloads {SOURCES[name][2]}, or set "
                f"{FOLDER_VARIABLE} to its folder."
            )
    return digits()
