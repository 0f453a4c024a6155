"""How fast are the normalization layers, forward and backward, against the framework's own?

    python benchmarks/normalization.py [--rounds 40] [--compile]

Each ratio is time / time of the function of `torch.nn.functional` with autograd, float32, one
thread: the median of interleaved rounds, and its quartiles. Smaller is faster. `--compile` adds
`torch.compile` of a PyTorch form, which takes half a minute to start. PyTorch has no
whitening; there the base is one put together from its own parts, forward only. Everything runs on
the CPU; on a GPU nothing is measured here.
"""

import argparse
import inspect
from dataclasses import dataclass

from machine import describe, interleaved, print_table  # first: it sets the number of threads

# isort: split
import torch
from torch.nn import functional

from cs231n_lib.normalization import in_numpy, in_torch, modules, tuned


@dataclass(frozen=True)
class Problem:
    """One row: which functions on which shape, and the goals, at most this ratio.

    `fewer` is how many times fewer rounds than asked for, `extra` what a forward pass takes between
    beta and the options.
    """

    kind: str
    shape: tuple[int, ...]
    goals: dict[str, float]
    fewer: int = 1
    extra: tuple[int, ...] = ()


MAPS = (64, 64, 32, 32)
PROBLEMS = {
    "batch norm 512×1024": Problem(
        "batchnorm", (512, 1024), {"NumPy, tuned": 1.4, "PyTorch, compiled": 1.2}
    ),
    "layer norm 512×1024": Problem(
        "layernorm", (512, 1024), {"NumPy, tuned": 1.7, "PyTorch, compiled": 1.2}
    ),
    "spatial BN 64×64×32×32": Problem(
        "spatial_batchnorm",
        MAPS,
        {"NumPy, tuned": 1.2, "PyTorch, tuned": 1.2, "PyTorch, compiled": 0.4},
        fewer=4,
    ),
    "instance norm": Problem(
        "instancenorm",
        MAPS,
        {"NumPy, tuned": 1.4, "PyTorch, tuned": 1.5, "PyTorch, compiled": 0.7},
        fewer=4,
    ),
    "group norm, G = 8": Problem(
        "spatial_groupnorm",
        MAPS,
        {"NumPy, tuned": 2.2, "PyTorch, tuned": 2.2, "PyTorch, compiled": 1.0},
        fewer=4,
        extra=(8,),
    ),
}


def contestants(problem, compiled):
    """Return {name: function} of everything that does the same forward and backward pass."""
    generator = torch.Generator().manual_seed(0)
    x, dout = torch.randn((2, *problem.shape), generator=generator).unbind()
    shape = (1, x.shape[1], 1, 1) if problem.extra else (x.shape[1],)
    tensors = x, torch.ones(shape), torch.zeros(shape), dout
    arrays = tuple(t.numpy() for t in tensors)
    functions = {
        "PyTorch, built in": built_in(problem, *tensors),
        "NumPy, readable": by_hand(in_numpy, problem, *arrays),
        "NumPy, tuned": by_hand(tuned, problem, *arrays),
        "PyTorch, readable": by_hand(in_torch, problem, *tensors),
        "PyTorch, tuned": by_hand(tuned, problem, *tensors),
        "PyTorch, our layer": layer(problem, x, dout),
    }
    if compiled:
        functions["PyTorch, compiled"] = by_compiler(problem, *tensors)
    return functions


def built_in(problem, x, gamma, beta, dout):
    mean, var = torch.zeros(x.shape[1]), torch.ones(x.shape[1])
    out = {
        "batchnorm": lambda x, g, b: functional.batch_norm(x, mean, var, g, b, training=True),
        "layernorm": lambda x, g, b: functional.layer_norm(x, g.shape, g, b),
        "instancenorm": lambda x, g, b: functional.instance_norm(x, None, None, g, b),
        "groupnorm": lambda x, g, b: functional.group_norm(
            x, *problem.extra, g.view(-1), b.view(-1)
        ),
    }[problem.kind.removeprefix("spatial_")]
    leaves = [t.clone().requires_grad_() for t in (x, gamma, beta)]
    return lambda: torch.autograd.grad(out(*leaves), leaves, dout)


def by_hand(module, problem, x, gamma, beta, dout):
    forward, backward = (getattr(module, f"{problem.kind}_{p}") for p in ("forward", "backward"))

    def run():
        _, cache = forward(x, gamma, beta, *problem.extra, {"mode": "train"})
        return backward(dout, cache)

    return run


def layer(problem, x, dout):
    channels = x.shape[1]
    module = {
        "batchnorm": lambda: modules.BatchNorm1d(channels),
        "layernorm": lambda: modules.LayerNorm(channels),
        "spatial_batchnorm": lambda: modules.BatchNorm2d(channels),
        "instancenorm": lambda: modules.InstanceNorm2d(channels, affine=True),
        "spatial_groupnorm": lambda: modules.GroupNorm(*problem.extra, channels),
    }[problem.kind]()
    x = x.clone().requires_grad_()
    return lambda: torch.autograd.grad(module(x), (x, module.weight, module.bias), dout)


def by_compiler(problem, x, gamma, beta, dout):
    """Compile the formulas, of images the tuned ones, without argument checks."""
    torch.compiler.reset()  # only so many versions of one function are compiled
    backward = "backward_alt" if problem.kind == "batchnorm" else "backward"
    module = tuned if x.ndim == 4 else in_torch  # channels need another view of x
    forward, backward = (
        inspect.unwrap(getattr(module, f"{problem.kind}_{way}")) for way in ("forward", backward)
    )

    @torch.compile
    def run(x, gamma, beta, dout):
        out, cache = forward(x, gamma, beta, *problem.extra, {"mode": "train"})
        return out, *backward(dout, cache)

    return lambda: run(x, gamma, beta, dout)


def whiteners(features):
    """Return {name: function} of forward passes of decorrelated batch norm, 512 × features."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(512, features, generator=generator)
    x = x @ torch.randn(features, features, generator=generator)
    tensors = x, torch.ones(features), torch.zeros(features)
    arrays = tuple(t.numpy() for t in tensors)

    def of_its_own():
        x, gamma, beta = tensors
        lam, U = torch.linalg.eigh(torch.cov(x.T, correction=0))
        zca = U @ torch.diag((lam.clamp(min=0) + 1e-5).rsqrt()) @ U.T
        return torch.addcmul(beta, gamma, (x - x.mean(dim=0)) @ zca)

    return {
        "PyTorch, its own parts": of_its_own,
        "NumPy, readable": lambda: in_numpy.decorrelated_batchnorm_forward(*arrays, {}),
        "PyTorch, readable": lambda: in_torch.decorrelated_batchnorm_forward(*tensors, {}),
    }


WHITENING = {"NumPy, readable": 1.15, "PyTorch, readable": 1.0}  # the goals


def main():
    """Measure and print one table a problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    print(describe())
    for title, problem in PROBLEMS.items():
        rounds = options.rounds // problem.fewer
        seconds = interleaved(contestants(problem, options.compile), rounds)
        print_table(title, seconds, problem.goals)
    for features in (64, 128):
        seconds = interleaved(whiteners(features), options.rounds)
        print_table(f"ZCA whitening, {features}", seconds, WHITENING)


if __name__ == "__main__":
    main()
