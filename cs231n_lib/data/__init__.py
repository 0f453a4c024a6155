"""Data for the lessons: digits and photographs that are always there, and CIFAR-10 where it is.

Every data set is a `Dataset` of rows of float32 numbers from 0 to 1 with integer labels;
`.images()` gives the same examples as (N, C, H, W). Where a set comes from and under which licence
stands in README.md and beside the function that loads it.
"""

from cs231n_lib.data.cifar10 import FOLDER_VARIABLE, load_cifar10
from cs231n_lib.data.dataset import Dataset, batches
from cs231n_lib.data.embedded import (
    COLOUR,
    CROPS,
    PHOTOGRAPHS,
    digits,
    photograph,
    photograph_patches,
)
from cs231n_lib.data.wheels import SOURCE, TARGET, grey, patches, wheel_photograph
from cs231n_lib.errors import one_of

__all__ = [
    "COLOUR",
    "CROPS",
    "FOLDER_VARIABLE",
    "PHOTOGRAPHS",
    "SOURCE",
    "TARGET",
    "Dataset",
    "batches",
    "digits",
    "grey",
    "load",
    "load_cifar10",
    "patches",
    "photograph",
    "photograph_patches",
    "wheel_photograph",
]


def load(name="digits"):
    """The data set of this name: 'digits', 'photographs' (pieces of 16 × 16 pixels) or 'cifar10'.

    Where CIFAR-10 is not at hand, it says so in a line and gives digits.

    Raises:
        ValueError: for another name.

    >>> load("digits")
    digits: 1297 train, 250 val, 250 test examples of shape (64,), 10 classes
    """
    one_of("digits", "photographs", "cifar10")("a data set's name", name)
    if name == "photographs":
        return photograph_patches()
    if name == "cifar10":
        try:
            return load_cifar10()
        except FileNotFoundError:
            print(
                "CIFAR-10 is not on this computer, so digits it is: load_cifar10(download=True) "
                f"downloads 162 MB, or set {FOLDER_VARIABLE} to its folder."
            )
    return digits()
