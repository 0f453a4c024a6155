"""How fast is a step of an optimizer, against that of `torch.optim`?

    python benchmarks/optim.py [--rounds 20] [--compile]

Each ratio is time / time of the default `torch.optim` class, float32, one thread: the median of
interleaved rounds, and its quartiles. Smaller is faster. On the CPU the default takes one operation
after the other, so the built-in with `fused=True`, one pass over the memory, stands beside it.

"In place" and "pure" are our tuned NumPy form with `out=w` and without; "classes" are ours for
`torch.optim`, and `--compile` adds them under `torch.compile`, which takes a minute to start.
Everything runs on the CPU; on a GPU nothing is measured here.
"""

import argparse

from machine import describe, interleaved, print_table  # first: it sets the number of threads

# isort: split
import torch

from cs231n_lib.optim import in_numpy, in_torch, optimizers, tuned

BASE = "torch.optim, default"
ONE, MANY = [10_000_000], 200 * [5_000]  # how many numbers each parameter has
RULES = {  # our rule, the class and settings of torch.optim, and whether it can be fused
    "SGD": ("sgd", "SGD", {"lr": 1e-3}, True),
    "momentum": ("sgd_momentum_unscaled", "SGD", {"lr": 1e-3, "momentum": 0.9}, True),
    "Nesterov": ("nesterov", "SGD", {"lr": 1e-3, "momentum": 0.9, "nesterov": True}, True),
    "AdaGrad": ("adagrad", "Adagrad", {"lr": 1e-3}, True),
    "RMSProp": ("rmsprop", "RMSprop", {"lr": 1e-3}, False),
    "Adam": ("adam", "Adam", {"lr": 1e-3}, True),
}
PROBLEMS = {f"{name}, 10 M": (name, ONE) for name in RULES} | {"Adam, 200 × 5,000": ("Adam", MANY)}
GOALS = {  # at most this ratio
    "SGD, 10 M": {"NumPy, in place": 1.8, "NumPy, pure": 4.5, "PyTorch, classes": 1.0},
    "momentum, 10 M": {"NumPy, in place": 1.3, "PyTorch, classes": 1.0, "PyTorch, compiled": 0.7},
    "Nesterov, 10 M": {
        "NumPy, in place": 0.45,
        "NumPy, pure": 0.5,
        "PyTorch, classes": 0.4,
        "PyTorch, compiled": 0.2,
    },
    "AdaGrad, 10 M": {"NumPy, in place": 0.55, "PyTorch, classes": 1.0, "PyTorch, compiled": 0.2},
    "RMSProp, 10 M": {"NumPy, in place": 0.55, "PyTorch, classes": 1.0, "PyTorch, compiled": 0.2},
    "Adam, 10 M": {
        "NumPy, in place": 0.35,
        "NumPy, pure": 0.5,
        "PyTorch, classes": 0.7,
        "PyTorch, compiled": 0.14,
    },
    "Adam, 200 × 5,000": {"NumPy, flat": 0.6, "PyTorch, classes": 0.65},
}


def contestants(name, sizes, compiled=False):
    """Return {who: step} of everything that takes the same step on parameters of these sizes."""
    rule, kind, settings, fusible = RULES[name]
    builtin = getattr(torch.optim, kind)
    steps = {BASE: by_class(builtin, settings, sizes)}
    if fusible:
        steps["torch.optim, fused"] = by_class(builtin, settings | {"fused": True}, sizes)
    steps |= {
        "NumPy, readable": by_rule(getattr(in_numpy, rule), sizes),
        "NumPy, pure": by_rule(getattr(tuned, rule), sizes),
        "NumPy, in place": by_rule(getattr(tuned, rule), sizes, in_place=True),
        "NumPy, flat": by_flat(getattr(tuned, rule), sizes),
        "PyTorch, readable": by_rule(getattr(in_torch, rule), sizes, tensors=True),
        "PyTorch, classes": by_class(getattr(optimizers, kind), settings, sizes),
    }
    if compiled and sizes != MANY:  # 200 tensors take minutes to compile
        torch.compiler.reset()  # only so many versions of one function are compiled
        step = by_class(getattr(optimizers, kind), settings, sizes)
        steps["PyTorch, compiled"] = torch.compile(step)
    return steps


def problem(sizes):
    """Return the weights and the gradients of parameters with these sizes."""
    generator = torch.Generator().manual_seed(0)
    return [[torch.randn(n, generator=generator) for n in sizes] for _ in "wg"]


def by_class(kind, settings, sizes):
    """Return a function that takes a step with an optimizer class and returns the weights."""
    weights, gradients = problem(sizes)
    parameters = [torch.nn.Parameter(w) for w in weights]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer = kind(parameters, **settings)

    def step():
        optimizer.step()
        return parameters

    return step


def by_flat(rule, sizes):
    """Return a function that takes a step of all arrays at once and returns the weights."""
    weights, gradients = ([t.numpy() for t in group] for group in problem(sizes))
    flat, config = tuned.Flat(weights), {"learning_rate": 1e-3}

    def step():
        nonlocal config
        config = flat.step(rule, gradients, config)
        return flat.views

    return step


def by_rule(rule, sizes, tensors=False, in_place=False):
    """Return a function that takes a step with a rule (w, dw, config) and returns the weights."""
    weights, gradients = problem(sizes)
    if not tensors:
        weights, gradients = ([t.numpy() for t in group] for group in (weights, gradients))
    configs = [{"learning_rate": 1e-3} for _ in sizes]

    def step():
        for i, (w, dw) in enumerate(zip(weights, gradients, strict=True)):
            if in_place:
                _, configs[i] = rule(w, dw, configs[i], out=w)
            else:
                weights[i], configs[i] = rule(w, dw, configs[i])
        return weights

    return step


def main():
    """Measure and print one table a problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    print(describe())
    for title, (name, sizes) in PROBLEMS.items():
        seconds = interleaved(contestants(name, sizes, options.compile), options.rounds)
        print_table(title, seconds, GOALS[title])


if __name__ == "__main__":
    main()
