"""How fast is batch normalization, forward and backward, against the framework's own?

    python benchmarks/normalization.py [--rounds 40] [--compile]

Each ratio is time / time of `torch.nn.functional.batch_norm` with autograd, float32, one thread:
the median of interleaved rounds, and its quartiles. Smaller is faster. `--compile` adds
`torch.compile` of the readable PyTorch form, which takes half a minute to start. Everything runs on
the CPU; on a GPU nothing is measured here.
"""

import argparse
import inspect

from machine import describe, interleaved, ratio  # first: it sets the number of threads

# isort: split
import torch

from cs231n_lib.normalization import in_numpy, in_torch, modules, tuned

PROBLEMS = {  # shape, and how many times fewer rounds than asked for
    "batch norm 512×1024": ((512, 1024), 1),
    "spatial BN 64×64×32×32": ((64, 64, 32, 32), 4),
}
GOALS = {  # at most this ratio
    "batch norm 512×1024": {"NumPy, tuned": 1.4, "PyTorch, compiled": 1.2},
    "spatial BN 64×64×32×32": {
        "NumPy, tuned": 1.2,
        "PyTorch, tuned": 1.2,
        "PyTorch, compiled": 0.4,
    },
}


def contestants(shape, compiled):
    """Return {name: function} of everything that does the same forward and backward pass."""
    generator = torch.Generator().manual_seed(0)
    x, dout = torch.randn((2, *shape), generator=generator).unbind()
    gamma, beta = torch.ones(shape[1]), torch.zeros(shape[1])
    tensors = x, gamma, beta, dout
    arrays = tuple(t.numpy() for t in tensors)
    functions = {
        "PyTorch, built in": built_in(*tensors),
        "NumPy, readable": by_hand(in_numpy, *arrays),
        "NumPy, tuned": by_hand(tuned, *arrays),
        "PyTorch, readable": by_hand(in_torch, *tensors),
        "PyTorch, tuned": by_hand(tuned, *tensors),
        "PyTorch, our layer": layer(*tensors),
    }
    if compiled:
        functions["PyTorch, compiled"] = by_compiler(*tensors)
    return functions


def built_in(x, gamma, beta, dout):
    leaves = [t.clone().requires_grad_() for t in (x, gamma, beta)]
    mean, var = torch.zeros_like(gamma), torch.ones_like(gamma)

    def run():
        x, gamma, beta = leaves
        out = torch.nn.functional.batch_norm(x, mean, var, gamma, beta, training=True)
        return torch.autograd.grad(out, leaves, dout)

    return run


def by_hand(module, x, gamma, beta, dout):
    prefix = "" if x.ndim == 2 else "spatial_"
    forward = getattr(module, f"{prefix}batchnorm_forward")
    backward = getattr(module, f"{prefix}batchnorm_backward")

    def run():
        _, cache = forward(x, gamma, beta, {"mode": "train"})
        return backward(dout, cache)

    return run


def layer(x, gamma, beta, dout):
    ours = modules.BatchNorm1d if x.ndim == 2 else modules.BatchNorm2d
    module = ours(len(gamma))
    x = x.clone().requires_grad_()
    return lambda: torch.autograd.grad(module(x), (x, module.weight, module.bias), dout)


def by_compiler(x, gamma, beta, dout):
    """Compile the readable formulas without their argument checks."""
    forward, backward = map(
        inspect.unwrap, (in_torch.batchnorm_forward, in_torch.batchnorm_backward_alt)
    )

    @torch.compile
    def run(x, gamma, beta, dout):
        x, dout = (t.movedim(1, -1).reshape(-1, len(gamma)) for t in (x, dout))
        out, cache = forward(x, gamma, beta, {"mode": "train"})
        return out, *backward(dout, cache)

    return lambda: run(x, gamma, beta, dout)


def main():
    """Measure and print one table a problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    print(describe())
    for problem, (shape, fewer) in PROBLEMS.items():
        seconds = interleaved(contestants(shape, options.compile), options.rounds // fewer)
        base = seconds["PyTorch, built in"]
        print(f"\n{problem:<24}{'ratio':>8}{'quartiles':>16}{'goal':>8}{'ms':>9}")
        for name, times in seconds.items():
            middle, low, high = ratio(times, base)
            milliseconds = sorted(times)[len(times) // 2] * 1e3
            goal = GOALS[problem].get(name, "")
            spread = f"{low:.2f} to {high:.2f}"
            print(f"{name:<24}{middle:8.2f}{spread:>16}{goal:>8}{milliseconds:9.2f}")


if __name__ == "__main__":
    main()
