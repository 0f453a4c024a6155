"""The exercise of the family `second_order` whose answer is an optimizer of networks.

The direction inside is judged where it is written: here it is about one vector of all parameters,
the pairs, the memory, the closure and what is saved.
"""

import importlib

import numpy as np

from autograder.checking.spec import Check
from autograder.exercises.optimizers import PATH, Run
from autograder.exercises.second_order import exercise

SHAPES = (5, 3), (2,)
D = 17  # of all parameters together
RATE, MEMORY, STEPS = 0.6, 3, 5


class TiedRun(Run):
    """Two parameters, and a loss that ties them to each other.

    The loss is Σ c (v² − valley)², with v = w + 0.05 Σ w over all parameters: with a valley its
    curvature is negative near zero, and without one positive everywhere but at zero.
    """

    def __init__(self, impl, rng, start=1.0, valley=0.0):
        self.torch, self.impl, self.valley = importlib.import_module("torch"), impl, valley
        self.w = [
            self.torch.nn.Parameter(impl.tensor(start * rng.uniform(0.5, 1.5, shape)))
            for shape in SHAPES
        ]
        self.c = impl.tensor(rng.uniform(0.5, 2.0, D))
        self.calls = 0

    def loss(self):
        """Return the loss of the parameters as they are."""
        flat = self.torch.cat([w.reshape(-1) for w in self.w])
        v = flat + 0.05 * flat.sum()
        return 0.01 * (self.c * (v**2 - self.valley) ** 2).sum()

    def step(self, optimizer):
        """Take a step with a closure, and keep what it returns."""

        def closure():
            optimizer.zero_grad()
            loss = self.loss()
            loss.backward()
            self.calls += 1
            return loss

        self.returned = optimizer.step(closure)


def _first_step(impl, rng):
    """Default settings; in all other checks the rate is given."""
    run = TiedRun(impl, rng)
    return {PATH: run.steps(impl.LBFGS(run.w), count=1)}


def _steps(impl, rng):
    run = TiedRun(impl, rng)
    return {PATH: run.steps(impl.LBFGS(run.w, lr=RATE), count=8)}


def _memory(impl, rng):
    run = TiedRun(impl, rng)
    return {PATH: run.steps(impl.LBFGS(run.w, lr=RATE, memory=MEMORY), count=MEMORY + 4)}


def _negative_curvature(impl, rng):
    """Start where all curvatures are negative; after a few steps some pair is well behaved."""
    run = TiedRun(impl, rng, start=0.2, valley=2.0)
    return {PATH: run.steps(impl.LBFGS(run.w, lr=RATE), count=8)}


def _falling_rate(impl, rng):
    """In the first two steps, so that nothing but the rate of the second counts."""
    run = TiedRun(impl, rng)
    optimizer = impl.LBFGS(run.w, lr=RATE)

    def lower(step):
        for group in optimizer.param_groups:
            group["lr"] /= 3

    first, second = run.steps(optimizer, count=2, between=lower)
    return {"length of the second step": np.linalg.norm(second - first)}


def _closure(impl, rng):
    run = TiedRun(impl, rng)
    before = impl.array("the loss", run.loss())
    run.steps(impl.LBFGS(run.w, lr=RATE), count=1)
    returned = impl.array("what step returns", run.returned)
    return {
        "loss that step returns, less the loss before it": returned - before,
        "calls of the closure": np.array(run.calls),
        "gradients after the step": run.gradients(),
    }


def _saved(impl, rng):
    """Training stops after some steps, and goes on with a new optimizer."""
    run = TiedRun(impl, rng)
    before = impl.LBFGS(run.w, lr=RATE)
    run.steps(before, count=3)
    after = impl.LBFGS(run.w, lr=RATE)
    after.load_state_dict(before.state_dict())
    return {PATH: run.steps(after, count=2)}


def small_run(value, loss="(w**4).sum()", start="1.0", settings="lr=0.125"):
    """Return a small input: a `value` to look at after steps on a `loss`, in program text."""
    return f"""\
w = torch.nn.Parameter(torch.tensor([{start}]))
optimizer, losses = LBFGS([w], {settings}), []

def closure():
    optimizer.zero_grad()
    losses.append({loss})
    losses[-1].backward()
    return losses[-1]

{value}"""


THREE_STEPS = "[optimizer.step(closure).item() for step in range(3)], w"
SMALL = (
    small_run("optimizer.step(closure), w, len(losses), w.grad"),
    small_run(THREE_STEPS),
    small_run(THREE_STEPS, loss="((w**2 - 4) ** 2).sum()", start="0.5", settings="lr=0.0625"),
    small_run(
        THREE_STEPS.replace("3", "4"),
        loss="(w**4).sum() + w.prod()",
        start="1.0, 0.5",
        settings="lr=0.125, memory=1",
    ),
    """\
a, b = (torch.nn.Parameter(torch.tensor([1.0])) for _ in range(2))
optimizer = LBFGS([a, b], lr=0.125)

def closure():
    optimizer.zero_grad()
    loss = (a**4 + (a + b) ** 2).sum()
    loss.backward()
    return loss

[optimizer.step(closure).item() for step in range(3)], a, b""",
    small_run(
        """\
optimizer.step(closure)
state = optimizer.state_dict()
optimizer = LBFGS([w], lr=0.125)
optimizer.load_state_dict(state)
optimizer.step(closure), w"""
    ),
    small_run("optimizer.step(closure), w", settings="memory=2"),
    small_run(
        """\
optimizer.step(closure)
optimizer.param_groups[0]["lr"] = 0.03125
optimizer.step(closure), w"""
    ),
)
OPTIMIZER = exercise(
    "L-BFGS as an optimizer",
    "lbfgs_direction LBFGS",
    (
        Check("the first step goes against the gradient, default rate", 0.5, _first_step),
        Check("eight steps, all parameters as one vector, default memory", 1, _steps),
        Check("a short memory", 0.5, _memory),
        Check("pairs without positive curvature are left out", 0.5, _negative_curvature),
        Check("the learning rate falls on the way", 0.5, _falling_rate),
        Check("the closure is called once a step, and its loss returned", 0.5, _closure),
        Check("saved, and loaded into a new optimizer", 0.5, _saved),
    ),
    "60–61",
    in_torch=True,
    kind="class",
    needs_autograd=True,
    bonus=True,
    small=SMALL,
)
EXERCISES = (OPTIMIZER,)
