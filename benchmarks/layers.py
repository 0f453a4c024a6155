"""How fast are the layers of small networks, forward and backward, against the framework's own?

    python benchmarks/layers.py [--rounds 20]

Each ratio is time / time of the function of `torch.nn.functional` with autograd, float32, one
thread: the median of interleaved rounds, and its quartiles. Smaller is faster. Everything runs on
the CPU.
"""

import argparse

from machine import describe, interleaved, print_table  # first: it sets the number of threads

# isort: split
import torch
from torch.nn import functional as F

from cs231n_lib.layers import in_numpy, in_torch

PAD = {"stride": 1, "pad": 1}
PROBLEMS = {  # functions, shapes of the inputs, further arguments, what the built-in is
    "affine 512×1024×1024": ("affine", [(512, 1024), (1024, 1024), (1024,)], ()),
    "conv 3×3, 64×32×16×16→64": ("conv", [(64, 32, 16, 16), (64, 32, 3, 3), (64,)], (PAD,)),
    "max-pool 2×2, 64×64×32×32": ("max_pool", [(64, 64, 32, 32)], ({},)),
    "softmax loss 2048×1000": ("softmax", [(2048, 1000)], ()),
}
GOALS = {
    "affine 512×1024×1024": {"NumPy": 1.0, "PyTorch": 1.0},
    "conv 3×3, 64×32×16×16→64": {"NumPy": 1.7, "PyTorch": 1.7},
    "max-pool 2×2, 64×64×32×32": {"NumPy": 0.6, "PyTorch": 1.4},
    "softmax loss 2048×1000": {"NumPy": 1.0, "PyTorch": 1.1},
}
BUILT_IN = {
    "affine": lambda x, w, b: torch.addmm(b, x, w),
    "conv": lambda x, w, b: F.conv2d(x, w, b, padding=1),
    "max_pool": lambda x: F.max_pool2d(x, 2),
}


def contestants(kind, shapes, rest):
    """Return {name: function} of what makes the same output and gradients, the built-in first."""
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(shape, generator=generator) for shape in shapes]
    leaves = [t.clone().requires_grad_() for t in tensors]
    arrays = [t.numpy() for t in tensors]
    if kind == "softmax":
        labels = torch.randint(shapes[0][1], shapes[0][:1], generator=generator)

        def built_in():
            return torch.autograd.grad(F.cross_entropy(leaves[0], labels), leaves)

        return {
            "PyTorch, built in": built_in,
            "NumPy": lambda: in_numpy.softmax_loss(*arrays, labels.numpy())[1:],
            "PyTorch": lambda: in_torch.softmax_loss(*tensors, labels)[1:],
        }
    dout = torch.randn(BUILT_IN[kind](*tensors).shape, generator=generator)

    def by_hand(module, inputs, dout):
        forward, backward = (getattr(module, f"{kind}_{way}") for way in ("forward", "backward"))
        return lambda: backward(dout, forward(*inputs, *rest)[1])

    return {
        "PyTorch, built in": lambda: torch.autograd.grad(BUILT_IN[kind](*leaves), leaves, dout),
        "NumPy": by_hand(in_numpy, arrays, dout.numpy()),
        "PyTorch": by_hand(in_torch, tensors, dout),
    }


def main():
    """Measure and print one table a problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    print(describe())
    for title, problem in PROBLEMS.items():
        print_table(title, interleaved(contestants(*problem), options.rounds), GOALS[title])


if __name__ == "__main__":
    main()
