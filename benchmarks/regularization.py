"""How fast are dropout and fractional max pooling against the framework's own?

    python benchmarks/regularization.py [--rounds 40]

Each ratio is time / time of the function of `torch.nn.functional`, float32, one thread: the median
of interleaved rounds, and its quartiles. Smaller is faster. Dropout runs forward and backward, with
autograd, on four million numbers; drawing them is the larger part, so that is measured too.
Fractional max pooling runs forward. Everything runs on the CPU.
"""

import argparse

from machine import describe, interleaved, print_table  # first: it sets the number of threads

# isort: split
import numpy as np
import torch

from cs231n_lib.regularization import in_numpy, in_torch, tuned

SIZE = (2048, 2048)
KEEP = 0.7
MAPS, POOLED = (64, 64, 32, 32), (22, 22)
GOALS = {  # at most this ratio
    "dropout": {"NumPy, tuned": 0.3, "PyTorch, tuned": 0.5},
    "fractional max pooling": {"NumPy, tuned": 0.35, "PyTorch, tuned": 0.5},
}


def by_hand(module, readable, x, dout, seed):
    """Return a function that takes one inverted dropout forward and back."""

    def run():
        _, cache = module.dropout_forward(x, {"p": KEEP, "seed": seed})
        return readable.dropout_backward(dout, cache)

    return run


def contestants():
    """Return {name: function}, the built-in first."""
    generator = torch.Generator().manual_seed(0)
    x, dout = torch.randn((2, *SIZE), generator=generator).unbind()
    leaf, rng = x.clone().requires_grad_(), np.random.default_rng(0)

    def built_in():
        return torch.autograd.grad(torch.nn.functional.dropout(leaf, 1 - KEEP), leaf, dout)

    arrays, tensors = (x.numpy(), dout.numpy(), rng), (x, dout, generator)
    return {
        "PyTorch, built in": built_in,
        "NumPy, readable": by_hand(in_numpy, in_numpy, *arrays),
        "NumPy, tuned": by_hand(tuned, in_numpy, *arrays),
        "PyTorch, readable": by_hand(in_torch, in_torch, *tensors),
        "PyTorch, tuned": by_hand(tuned, in_torch, *tensors),
        "NumPy, drawing alone": lambda: rng.random(SIZE, dtype=np.float32),
        "PyTorch, drawing alone": lambda: torch.rand(SIZE, generator=generator),
    }


def poolings():
    """Return {name: function} of forward passes from 32 × 32 to 22 × 22, the built-in first."""
    generator = torch.Generator().manual_seed(0)
    x, rng = torch.randn(MAPS, generator=generator), np.random.default_rng(0)
    param, maps = dict(zip(("height", "width"), POOLED, strict=True)), x.numpy()
    return {
        "PyTorch, built in": lambda: torch.nn.functional.fractional_max_pool2d(x, 2, POOLED),
        "NumPy, readable": lambda: in_numpy.fractional_max_pool_forward(maps, param, rng)[0],
        "NumPy, tuned": lambda: tuned.fractional_max_pool_forward(maps, param, rng)[0],
        "PyTorch, readable": lambda: in_torch.fractional_max_pool_forward(x, param, generator)[0],
        "PyTorch, tuned": lambda: tuned.fractional_max_pool_forward(x, param, generator)[0],
    }


def main():
    """Measure and print one table a problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    print(describe())
    for title, make in {"dropout": contestants, "fractional max pooling": poolings}.items():
        print_table(title, interleaved(make(), options.rounds), GOALS[title])


if __name__ == "__main__":
    main()
