"""How fast is dropout, forward and backward, against the framework's own?

    python benchmarks/regularization.py [--rounds 40]

Each ratio is time / time of `torch.nn.functional.dropout` with autograd on four million float32
numbers, one thread: the median of interleaved rounds, and its quartiles. Smaller is faster. Drawing
the random numbers is the larger part, so that is measured too. Everything runs on the CPU.
"""

import argparse

from machine import describe, interleaved, ratio  # first: it sets the number of threads

# isort: split
import numpy as np
import torch

from cs231n_lib.regularization import in_numpy, in_torch

SIZE = (2048, 2048)
KEEP = 0.7
GOALS = {"NumPy": 0.3, "PyTorch": 0.5}  # at most this ratio


def by_hand(module, x, dout, seed):
    """Return a function that takes one inverted dropout forward and back."""

    def run():
        _, cache = module.dropout_forward(x, {"p": KEEP, "seed": seed})
        return module.dropout_backward(dout, cache)

    return run


def contestants():
    """Return {name: function}, the built-in first."""
    generator = torch.Generator().manual_seed(0)
    x, dout = torch.randn((2, *SIZE), generator=generator).unbind()
    leaf, rng = x.clone().requires_grad_(), np.random.default_rng(0)

    def built_in():
        return torch.autograd.grad(torch.nn.functional.dropout(leaf, 1 - KEEP), leaf, dout)

    return {
        "PyTorch, built in": built_in,
        "NumPy": by_hand(in_numpy, x.numpy(), dout.numpy(), rng),
        "PyTorch": by_hand(in_torch, x, dout, generator),
        "NumPy, drawing alone": lambda: rng.random(SIZE, dtype=np.float32),
        "PyTorch, drawing alone": lambda: torch.rand(SIZE, generator=generator),
    }


def main():
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    print(describe())
    seconds = interleaved(contestants(), options.rounds)
    base = next(iter(seconds.values()))
    print(f"\n{'dropout 2048×2048':<24}{'ratio':>8}{'quartiles':>16}{'goal':>8}{'ms':>9}")
    for name, times in seconds.items():
        middle, low, high = ratio(times, base)
        milliseconds = sorted(times)[len(times) // 2] * 1e3
        spread, goal = f"{low:.2f} to {high:.2f}", GOALS.get(name, "")
        print(f"{name:<24}{middle:8.2f}{spread:>16}{goal:>8}{milliseconds:9.2f}")


if __name__ == "__main__":
    main()
