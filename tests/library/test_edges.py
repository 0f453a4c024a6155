"""Arguments that a formula would take and answer wrongly: each is refused with a sentence."""

import importlib
import inspect

import numpy as np
import pytest
import torch
from examples import recorded_calls
from normalizations import BACKWARDS, EVERY, backward_pass, forward_pass, problem, shape_for

from cs231n_lib.second_order import in_numpy, in_torch

FAMILIES = ("augmentation", "initialization", "regularization", "search")


def random_functions():
    """Return the public functions of these families that take an rng."""
    return [
        value
        for family in FAMILIES
        for form in ("in_numpy", "in_torch", "shared")
        if importlib.util.find_spec(f"cs231n_lib.{family}.{form}")
        for name, value in vars(importlib.import_module(f"cs231n_lib.{family}.{form}")).items()
        if inspect.isfunction(value)
        and name[0] != "_"
        and value.__module__ == f"cs231n_lib.{family}.{form}"
        and "rng" in inspect.signature(value).parameters
    ]


@pytest.mark.parametrize(
    "function", random_functions(), ids=lambda f: f"{f.__module__}.{f.__name__}"
)
def test_a_number_is_no_generator_and_the_message_says_what_is(function):
    args, named = recorded_calls(function)[0]
    bound = inspect.signature(function).bind(*args, **named)
    bound.arguments["rng"] = 0
    with pytest.raises(TypeError, match=rf"^{function.__name__}: rng must be a .*[Gg]enerator"):
        function(*bound.args, **bound.kwargs)


pairs = pytest.mark.parametrize(
    ("impl", "forward", "backward"),
    [
        pytest.param(impl, forward, backward, id=f"{impl.name}-{backward}")
        for impl in EVERY
        for backward, forward in (
            BACKWARDS | {"decorrelated_batchnorm_backward": "decorrelated_batchnorm_forward"}
        ).items()
        if hasattr(impl.module, backward)
    ],
)


@pairs
def test_a_gradient_of_another_size_is_refused(impl, forward, backward):
    shape = (7, 5) if "decorrelated" in forward else shape_for(forward)
    x, gamma, beta, dout = problem(shape)
    _, cache = forward_pass(impl, forward)(x, gamma, beta, {"mode": "train"})
    with pytest.raises(ValueError, match=rf"{backward}: dout must have the shape of the output"):
        backward_pass(impl, backward)(dout[:-1], cache)


@pairs
def test_test_mode_needs_statistics_and_its_cache_has_no_backward_pass(impl, forward, backward):
    if "batchnorm" not in forward:
        pytest.skip("no statistics there")
    shape = (7, 5) if "decorrelated" in forward else shape_for(forward)
    x, gamma, beta, dout = problem(shape)
    run, param = forward_pass(impl, forward), {"mode": "train"}
    with pytest.raises(ValueError, match=r"must hold running_mean and running_\w+ in test mode"):
        run(x, gamma, beta, {"mode": "test"})
    run(x, gamma, beta, param)
    _, cache = run(x, gamma, beta, param | {"mode": "test"})
    with pytest.raises(ValueError, match="cache must come from a forward pass in train mode"):
        backward_pass(impl, backward)(dout, cache)


@pytest.mark.parametrize(("module", "make"), [(in_numpy, np.array), (in_torch, torch.tensor)])
def test_flat_directions_and_saturated_models_are_refused(module, make):
    flat, w = make([[0.0, 0.0], [0.0, 2.0]]), make([1.0, 2.0])
    with pytest.raises(np.linalg.LinAlgError, match=r"saddle_free_step: .* pass a damping above 0"):
        module.saddle_free_step(w, w, flat)
    assert abs(module.saddle_free_step(w, w, flat, damping=0.5)).max() < 2
    dW, db, A = make([[0.0]]), make([0.0]), make([[2.0, 0.0], [0.0, 1.0]])
    for damping in (0.0, 0.1):
        with pytest.raises(np.linalg.LinAlgError, match="of a saturated model A or S is 0"):
            module.kfac_direction(dW, db, A, make([[0.0]]), damping)
