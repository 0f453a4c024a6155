"""Half points for a gradient that is right for one's own wrong forward: one verdict, any seed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from providers import provider

from autograder import exercises, misconceptions
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import observe
from autograder.quality.measure import seeded

FEW, MANY = range(1, 4), range(1, 9)  # seeds; the first are tried in `make test`
BACKWARD = exercises.find("normalization.torch.batchnorm_backward")
FORWARD = exercises.find("normalization.torch.batchnorm_forward")


def with_autograd(forward):
    """Return a forward pass and the backward pass that autograd finds for it."""

    def leaves_of(*arrays):
        return [array.clone().requires_grad_() for array in arrays]

    def kept(x, gamma, beta, bn_param):
        out, _ = forward(x, gamma, beta, bn_param)
        return out, (x, gamma, beta, dict(bn_param))

    def backward(dout, cache):
        *arrays, bn_param = cache
        with torch.inference_mode(False), torch.enable_grad():
            leaves = leaves_of(*arrays)
            out, _ = forward(*leaves, {k: v for k, v in bn_param.items() if "running" not in k})
            found = torch.autograd.grad(out, leaves, dout.clone(), allow_unused=True)
        zeros = map(torch.zeros_like, arrays)
        return tuple(z if g is None else g for z, g in zip(zeros, found, strict=True))

    return {"batchnorm_forward": kept, "batchnorm_backward": backward}


def scores(functions, exercise=BACKWARD, seeds=FEW):
    """Return the points of every check, for some seeds."""
    found = []
    for number in seeds:
        seen = observe(replace(exercise, needs_autograd=True), functions, seeded(number))
        report = judge_exercise(exercise, seen, provider(number))
        found.append(tuple(row.earned for row in report.rows))
    return found


WRONG_FORWARDS = [
    pytest.param(misconceptions.functions_of(record), id=record.name)
    for record in misconceptions.of(FORWARD.id)
]


@pytest.mark.parametrize("seeds", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=len)
@pytest.mark.parametrize("functions", WRONG_FORWARDS)
def test_a_wrong_forward_gets_the_same_points_with_every_seed(functions, seeds):
    try:
        found = scores(with_autograd(functions["batchnorm_forward"]), seeds=seeds)
    except RuntimeError:
        pytest.skip("autograd cannot follow this forward pass")
    assert len(set(found)) == 1


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_straight_line_is_no_forward_pass(scale):
    def forward(x, gamma, beta, bn_param):
        return scale * x + 0 * (gamma + beta), None

    found = scores(with_autograd(forward))
    points = {check.name: check.points for check in BACKWARD.checks}
    earned = dict(zip(points, np.max(found, axis=0), strict=True))
    assert all(earned[name] == 0 for name in points if name.startswith("dx"))


def test_some_wrong_forward_gets_half_points():
    record = next(r for r in misconceptions.of(FORWARD.id) if r.name == "eps outside the root")
    functions = with_autograd(misconceptions.functions_of(record)["batchnorm_forward"])
    halves = [check.points / 2 for check in BACKWARD.checks if check.name.startswith("dx,")]
    assert set(halves) <= set(scores(functions)[0])
