"""Exercises of the family `optim` whose answer is an optimizer of networks, a class in PyTorch.

The rules inside are those of `optim`, and judged there: here gradients are so large that epsilon
does not show, and what counts are parameters, groups, settings, closures and what is saved.
"""

import importlib

import numpy as np

from autograder.checking.spec import Check
from autograder.exercises.optim import LARGE, OTHER_SHAPE, SHAPE, STEPS, exercise

RATE, OTHER_RATE = 0.13, 0.02
PATH = "parameters after each step"


class Run:
    """Two parameters of different shapes and a given `size`, and random gradients for them."""

    def __init__(self, impl, rng, size=1.0):
        self.torch = importlib.import_module("torch")
        self.impl, self.rng = impl, rng
        arrays = (size * rng.normal(size=shape) for shape in (SHAPE, OTHER_SHAPE))
        self.w = [self.torch.nn.Parameter(impl.tensor(array)) for array in arrays]

    def steps(self, optimizer, count=STEPS, between=lambda step: None):
        """Take some steps and return the parameters after each of them, (count, 17)."""
        path = []
        for step in range(count):
            self.step(optimizer)
            path.append(self.now())
            between(step)
        return np.array(path)

    def step(self, optimizer):
        """Take a step with random gradients, always in the same place."""
        for w in self.w:
            w.grad = self.torch.zeros_like(w) if w.grad is None else w.grad
            w.grad.copy_(self.impl.tensor(LARGE * self.rng.normal(size=tuple(w.shape))))
        optimizer.step()

    def gradients(self):
        """Return the gradients of all parameters that have one, as one row of numbers."""
        found = [self.impl.array("a gradient", w.grad) for w in self.w if w.grad is not None]
        return np.concatenate([np.empty(0), *(gradient.ravel() for gradient in found)])

    def now(self):
        """Return all parameters as one row of numbers."""
        return np.concatenate([self.impl.array("a parameter", w).ravel() for w in self.w])


def optimizer_checks(name, usual, settings, points):
    """Return the checks of an optimizer; `settings` are what it takes besides the rate.

    Where neither these nor the defaults are the question, the `usual` ones are given.
    """

    def built(impl, *args, **options):
        return getattr(impl, name)(*args, **options)

    def as_usual(impl, params):
        return built(impl, params, lr=RATE, **usual)

    def defaults(impl, rng):
        """Beside parameters this small, small steps show in full."""
        run = Run(impl, rng, size=1e-3)
        return {PATH: run.steps(built(impl, run.w))}

    def given(impl, rng):
        run = Run(impl, rng)
        return {PATH: run.steps(built(impl, run.w, lr=RATE, **settings))}

    def groups(impl, rng):
        """Each group has its own rate, and a scheduler lowers them on the way."""
        run = Run(impl, rng)
        first, second = ([w] for w in run.w)
        groups = [{"params": first}, {"params": second, "lr": OTHER_RATE}]
        optimizer = as_usual(impl, groups)

        def lower(step):
            for group in optimizer.param_groups:
                group["lr"] /= step + 2

        return {PATH: run.steps(optimizer, between=lower)}

    def without_gradient(impl, rng):
        run = Run(impl, rng)
        optimizer = as_usual(impl, run.w)
        run.w[0].grad = impl.tensor(LARGE * rng.normal(size=SHAPE))
        optimizer.step()
        return {"parameters after a step": run.now(), "gradients after a step": run.gradients()}

    def closure(impl, rng):
        run = Run(impl, rng)
        optimizer, calls = as_usual(impl, run.w), []

        def again():
            optimizer.zero_grad()
            loss = LARGE * sum((w**2).sum() for w in run.w)
            loss.backward()
            calls.append(loss)
            return loss

        returned = optimizer.step(again)
        return {
            "loss that step returns": impl.array("what step returns", returned),
            "parameters after a step": run.now(),
            "calls of the closure": np.array(len(calls)),
        }

    def saved(impl, rng):
        """Training stops after some steps, and goes on with a new optimizer."""
        run = Run(impl, rng)
        before = as_usual(impl, run.w)
        run.steps(before)
        after = as_usual(impl, run.w)
        after.load_state_dict(before.state_dict())
        return {PATH: run.steps(after)}

    checks = {
        "default settings, two parameters": defaults,
        "settings of the optimizer": given,
        "groups with rates of their own, which fall": groups,
        "a parameter without a gradient stays": without_gradient,
        "a closure is called once, and its loss returned": closure,
        "saved, and loaded into a new optimizer": saved,
    }
    return tuple(
        Check(title, worth, scenario)
        for (title, scenario), worth in zip(checks.items(), points, strict=True)
    )


def small_runs(name, *settings):
    """Return small inputs of an optimizer, whose `settings` are program text."""
    given = ", ".join(["lr=0.5", *settings])
    return (
        f"""\
w = torch.nn.Parameter(torch.tensor([1.0]))
w.grad = torch.tensor([4.0])
{name}([w], {given}).step()
w""",
        f"""\
w = torch.nn.Parameter(torch.tensor([1.0]))
optimizer = {name}([w], {given})
for g in (4.0, -2.0, 1.0):
    w.grad = torch.tensor([g])
    optimizer.step()
w""",
        f"""\
w = torch.nn.Parameter(torch.tensor([1.0]))
w.grad = torch.zeros(1)
optimizer = {name}([w], {given})
for g, rate in ((4.0, 0.5), (-1.0, 0.25)):
    w.grad.fill_(g)
    optimizer.param_groups[0]["lr"] = rate
    optimizer.step()
w""",
        f"""\
a, b = (torch.nn.Parameter(torch.tensor([1.0])) for _ in range(2))
optimizer = {name}([{{"params": [a], "lr": 0.5}}, {{"params": [b]}}], lr=0.125)
for g in (4.0, -2.0):
    a.grad, b.grad = torch.tensor([g]), torch.tensor([2 * g + 1])
    optimizer.step()
a, b""",
        f"""\
a, b = (torch.nn.Parameter(torch.tensor([1.0])) for _ in range(2))
a.grad = torch.tensor([4.0])
{name}([a, b], {given}).step()
a, b, a.grad""",
        f"""\
w, losses = torch.nn.Parameter(torch.tensor([1.0])), []
groups = [{{"params": [w]}}, {{"params": [torch.nn.Parameter(torch.tensor([1.0]))]}}]

def closure():
    losses.append((w**2).sum())
    losses[-1].backward()
    return losses[-1]

{name}(groups, lr=0.5).step(closure), w, len(losses)""",
    )


MOMENTUM = exercise(
    "Momentum as an optimizer",
    "sgd_momentum_unscaled Momentum",
    optimizer_checks("Momentum", {"momentum": 0.9}, {"momentum": 0.7}, (1.5, 0.5, 1, 0.5, 0.5, 1)),
    "27–28",
    in_torch=True,
    kind="class",
    needs_autograd=True,
    small=small_runs("Momentum", "momentum=0.75"),
)
ADAM = exercise(
    "Adam as an optimizer",
    "adam Adam",
    optimizer_checks(
        "Adam",
        {"betas": (0.9, 0.999), "eps": 1e-8},
        {"betas": (0.6, 0.83), "eps": 0.3 * LARGE},
        (1.5, 0.5, 1, 0.5, 0.5, 1),
    ),
    "46–47",
    in_torch=True,
    kind="class",
    needs_autograd=True,
    small=small_runs("Adam", "betas=(0.5, 0.75)", "eps=2.0"),
)
EXERCISES = (MOMENTUM, ADAM)
