"""Does L-BFGS need more evaluations than SciPy's, and how fast is its direction?

    python benchmarks/second_order.py [--rounds 20] [--large]

The first table counts evaluations of loss and gradient until every element of the gradient is
within a tolerance, for ours and for SciPy's L-BFGS-B with the same memory. `--large` adds the
problems that take thousands of evaluations. The second one compares times of a direction, 1 M
parameters and 10 pairs, float32, one thread, with that of the built-in: `torch.optim.LBFGS`
computes it inside of `step`, so its two loops are written out here with its calls, and with every
1 / y·s at hand, which it keeps from step to step. The tuned form keeps all products of the pairs;
learning the newest pair, which it does between two directions, is timed in a row of its own. The
readable forms keep nothing.
"""

import argparse

from machine import describe, interleaved, ratio  # first: it sets the number of threads

# isort: split
import numpy as np
import scipy.optimize
import torch

from cs231n_lib.data import digits
from cs231n_lib.second_order import in_numpy, in_torch, tuned

MOST = 1.3  # times SciPy's evaluations
GOALS = {"NumPy, tuned": 0.75, "PyTorch, tuned": 0.65}


# ---------------------------------------------------------------------------- problems


def rosenbrock(D):
    """Return SciPy's Rosenbrock function with its gradient, and the usual start."""
    start = np.where(np.arange(D) % 2, 1.0, -1.2)
    return lambda w: (scipy.optimize.rosen(w), scipy.optimize.rosen_der(w)), start


def quadratic(D, condition, seed):
    """Return a quadratic whose axes are turned at random, and 0."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(D, D)))[0]
    H, centre = (Q * np.geomspace(1, condition, D)) @ Q.T, rng.normal(size=D)
    return lambda w: (0.5 * (w - centre) @ H @ (w - centre), H @ (w - centre)), np.zeros(D)


def softmax_regression(reg):
    """Return the full-batch loss on digits, with L2, as a function of all weights, and 0."""
    data = digits()
    x, y = data.x_train.astype(float), data.y_train
    N, C = len(x), len(data.classes)
    X = np.concatenate([x, np.ones((N, 1))], axis=1)

    def f(w):
        scores = X @ w.reshape(-1, C)
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores)
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(N), y]).mean() + reg * w @ w
        p[np.arange(N), y] -= 1
        return loss, (X.T @ p / N).ravel() + 2 * reg * w

    return f, np.zeros(X.shape[1] * C)


PROBLEMS = {  # what makes (f, start), the tolerance
    "Rosenbrock, D = 2": (lambda: rosenbrock(2), 1e-5),
    "Rosenbrock, D = 10": (lambda: rosenbrock(10), 1e-5),
    "Rosenbrock, D = 100": (lambda: rosenbrock(100), 1e-5),
    "condition 1e6, D = 10, seed 0": (lambda: quadratic(10, 1e6, 0), 1e-3),
    "condition 1e6, D = 10, seed 1": (lambda: quadratic(10, 1e6, 1), 1e-3),
    "condition 1e6, D = 10, seed 2": (lambda: quadratic(10, 1e6, 2), 1e-3),
    "softmax on digits, L2 1e-2": (lambda: softmax_regression(1e-2), 1e-5),
    "softmax on digits, L2 1e-3": (lambda: softmax_regression(1e-3), 1e-5),
    "softmax on digits, L2 1e-4": (lambda: softmax_regression(1e-4), 1e-5),
}
LARGE = {
    "Rosenbrock, D = 1000": (lambda: rosenbrock(1000), 1e-5),
    "condition 1e6, D = 50, seed 0": (lambda: quadratic(50, 1e6, 0), 1e-3),
    "condition 1e6, D = 100, seed 0": (lambda: quadratic(100, 1e6, 0), 1e-3),
}


def compared(make, tolerance):
    """Return (ours, SciPy's result) on one problem."""
    f, start = make()
    theirs = scipy.optimize.minimize(
        f, start, jac=True, method="L-BFGS-B",
        options={"maxcor": 10, "gtol": tolerance, "ftol": 0, "maxiter": 20_000, "maxfun": 40_000},
    )  # fmt: skip
    return in_numpy.lbfgs(f, start, 10, max_steps=20_000, tolerance=tolerance), theirs


# ---------------------------------------------------------------------------- direction


def built_in(dw, S, Y):
    """The two loops of `torch.optim.LBFGS`, call by call, with rho at hand as it has."""
    rho = [1 / y.dot(s) for s, y in zip(S, Y, strict=True)]
    scale = S[-1].dot(Y[-1]) / Y[-1].dot(Y[-1])
    alphas = [None] * len(S)

    def run():
        q = dw.neg()
        for i in range(len(S) - 1, -1, -1):
            alphas[i] = S[i].dot(q) * rho[i]
            q.add_(Y[i], alpha=-alphas[i])
        r = torch.mul(q, scale)
        for i in range(len(S)):
            r.add_(S[i], alpha=alphas[i] - Y[i].dot(r) * rho[i])
        return r

    return run


def filled(S, Y):
    """Return the tuned form's memory of these pairs."""
    memory = tuned.Memory(len(S))
    for s, y in zip(S, Y, strict=True):
        memory.learn(s, y)
    return memory


def contestants(size, memory=10):
    """Return {name: function} of everything that computes the same direction."""
    generator = torch.Generator().manual_seed(0)
    dw, *rows = torch.randn((1 + memory, size), generator=generator)
    S = torch.stack(rows)
    Y = S * torch.rand(size, generator=generator) + 0.1 * S
    arrays = [t.numpy() for t in (dw, S, Y)]
    memories = [filled(*arrays[1:]), filled(S, Y)]
    return {
        "PyTorch, built in": built_in(dw, S, Y),
        "NumPy, readable": lambda: in_numpy.lbfgs_direction(*arrays),
        "NumPy, tuned": lambda: memories[0].direction(arrays[0]),
        "PyTorch, readable": lambda: in_torch.lbfgs_direction(dw, S, Y),
        "PyTorch, tuned": lambda: memories[1].direction(dw),
    }


def learning(size, memory=10):
    """Return {name: function} that learns a pair when the memory is full."""
    generator = torch.Generator().manual_seed(0)
    S = torch.randn((memory, size), generator=generator)
    kept = {"NumPy": filled(S.numpy(), S.numpy()), "PyTorch": filled(S, S)}
    pairs = {"NumPy": S[0].numpy(), "PyTorch": S[0]}
    return {
        f"{name}, tuned: learn a pair": lambda memory=memory, s=pairs[name]: memory.learn(s, s)
        for name, memory in kept.items()
    }


def main():
    """Count and measure, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    print(describe())
    print(f"\n{'evaluations':<32}{'ours':>8}{'SciPy':>8}{'ratio':>8}{'goal':>6}{'our loss':>14}"
          f"{'its loss':>12}")  # fmt: skip
    for name, problem in (PROBLEMS | (LARGE if options.large else {})).items():
        ours, theirs = compared(*problem)
        print(f"{name:<32}{ours.evaluations:>8}{theirs.nfev:>8}"
              f"{ours.evaluations / theirs.nfev:>8.2f}{MOST:>6}{ours.losses[-1]:>14.5g}"
              f"{theirs.fun:>12.5g}")  # fmt: skip

    seconds = interleaved(contestants(1_000_000) | learning(1_000_000), options.rounds)
    base = seconds["PyTorch, built in"]
    print(f"\n{'direction, 1 M, m = 10':<32}{'ratio':>8}{'quartiles':>16}{'goal':>8}{'ms':>9}")
    for name, times in seconds.items():
        middle, low, high = ratio(times, base)
        milliseconds = sorted(times)[len(times) // 2] * 1e3
        spread = f"{low:.2f} to {high:.2f}"
        print(f"{name:<32}{middle:8.2f}{spread:>16}{GOALS.get(name, ''):>8}{milliseconds:9.2f}")


if __name__ == "__main__":
    main()
