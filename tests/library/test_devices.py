"""Every PyTorch function, layer and optimizer follows device and dtype of its input, on any GPU.

The `meta` device stands in for one: it has shapes and no values, so an array made elsewhere cannot
meet it, and reading a value (`.item()`, `bool()`, a mask as an index), for which a GPU would have
to be waited for, raises. Whatever has a documented example is found, and called as that example
calls it.
"""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import torch
from examples import recorded_calls, tree
from torch.utils._python_dispatch import TorchDispatchMode

import cs231n_lib
from cs231n_lib.data import digits
from cs231n_lib.optim import optimizers
from cs231n_lib.regularization import in_torch
from cs231n_lib.train import fit_torch

MODULES = ("in_torch", "modules", "tuned", "sampling")
READS = {  # what has to look at values, with the reason
    "average_over_crops": "its network is the caller's",
    "bfgs": "the line search decides by the loss",
    "lbfgs": "the line search decides by the loss",
    "expectation_over_masks": "its function is the caller's",
    "bfgs_update": "a step of no positive curvature leaves the matrix as it is",
    "cached_features": "its answer goes to the disk",
    "fractional_max_pool_forward": "slices by its boundaries, a few whole numbers",
    "fractional_max_pool_backward": "indexes by its boundaries, a few whole numbers",
    "fractional_max_pool_expectation": "as fractional_max_pool_forward",
    "finetune": "returns its losses as an array",
}


def found():
    """Return {id: (function or layer, its examples)} of all PyTorch code of the library."""
    things = {}
    for module in pkgutil.walk_packages(cs231n_lib.__path__, "cs231n_lib."):
        if module.name.rpartition(".")[2] not in MODULES:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            own = getattr(value, "__module__", None) == module.name and name[0] != "_"
            example = str(getattr(value, "__doc__", ""))
            own = own and any(word in example for word in ("torch", "nn.", "Norm", "small_cnn"))
            layer = inspect.isclass(value) and issubclass(value, torch.nn.Module)
            if own and (inspect.isfunction(value) or layer) and name not in READS:
                things[f"{module.name.removeprefix('cs231n_lib.')}.{name}"] = value
    return things


THINGS = found()


def leaves(value):
    """Return the tensors in lists, tuples, dicts and networks."""
    if torch.is_tensor(value):
        return [value]
    if isinstance(value, torch.nn.Module):
        value = value.state_dict()
    if isinstance(value, dict):
        value = list(value.values())
    return [t for entry in value for t in leaves(entry)] if isinstance(value, list | tuple) else []


def without_seeds(args):
    """Return the arguments with no seed: it makes a generator on the device, and meta has none."""
    return [
        {k: None if k == "seed" else v for k, v in arg.items()} if isinstance(arg, dict) else arg
        for arg in args
    ]


def on_meta(dtype):
    """Return a function that moves a tensor there, floats in the given dtype."""
    return lambda t: t.to("meta", dtype if t.is_floating_point() else t.dtype)


def check_there(value, dtype):
    found = leaves(value)
    assert {tensor.device.type for tensor in found} <= {"meta"}
    floats = {tensor.dtype for tensor in found if tensor.is_floating_point()}
    assert floats <= {dtype}, floats
    return found


@pytest.mark.parametrize("name", THINGS)
def test_outputs_caches_and_states_stay_on_the_device(name, monkeypatch):
    dtype, some = torch.float64, []  # not the default, so what is made elsewhere is seen
    thing, move = THINGS[name], on_meta(dtype)
    calls = recorded_calls(thing)
    assert calls, f"{name}: its documented example never calls it"
    if inspect.isfunction(thing) and not leaves(calls):
        pytest.skip("takes no tensor; its generator says where its answer is")
    monkeypatch.setattr(in_torch, "generator_of", lambda seed, device: None)
    for args, rest in calls:
        if inspect.isclass(thing):
            positional, named = args
            layer = thing(*positional, **named).to("meta", dtype)
            inputs = [move(x).requires_grad_(x.is_floating_point()) for x in rest]
            for mode in (True, False):
                out = layer.train(mode)(*inputs)
                some += check_there(out, dtype)
                some += check_there(torch.autograd.grad(out.sum(), inputs), dtype)
                some += check_there(list(layer.buffers()), dtype)
        else:
            inward, options = without_seeds(tree(move, args)), tree(move, rest)
            some += check_there(thing(*inward, **options), dtype)
            some += check_there([inward, options], dtype)  # states in the dicts that it was given
    assert some, f"{name}: no tensor in its answer"


OPTIMIZERS = {
    name: value
    for name, value in vars(optimizers).items()
    if inspect.isclass(value) and issubclass(value, optimizers.Optimizer)
}


@pytest.mark.parametrize("foreach", [None, True, False])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS.keys() - {"Optimizer"}))
def test_states_of_optimizers_stay_on_the_device(name, foreach):
    w = [torch.nn.Parameter(torch.empty(shape, device="meta")) for shape in ((3, 4), (5,))]
    options = {"momentum": 0.9, "nesterov": True} if name == "SGD" else {}
    optimizer = OPTIMIZERS[name](w, foreach=foreach, weight_decay=0.1, **options)
    for _ in range(2):
        for parameter in w:
            parameter.grad = torch.empty_like(parameter)
        optimizer.step()
    states = [entry for state in optimizer.state.values() for entry in state.values()]
    assert check_there(states, torch.float32)


class Reads(TorchDispatchMode):
    """Count the values that are read from the device, and give 1 for each of them."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._local_scalar_dense.default:
            self.count += 1
            return 1.0
        return function(*args, **(kwargs or {}))


def test_training_waits_for_one_number_a_step_and_one_an_accuracy():
    model = torch.nn.Linear(64, 10, device="meta", dtype=torch.float64)
    with Reads() as reads:
        history = fit_torch(
            model, digits(), steps=7, batch_size=20, learning_rate=0.1,
            rng=np.random.default_rng(0), evaluate_every=4,
        )  # fmt: skip
    assert history.loss == [1.0] * 7 and history.steps == [4, 7]
    assert reads.count == 7 + 2 * 2  # two measurements, each of training and validation
    check_there([model, model.weight.grad], torch.float64)


def test_exceptions_are_functions_that_exist():
    names = {
        name
        for module in pkgutil.walk_packages(cs231n_lib.__path__, "cs231n_lib.")
        if module.name.endswith(".in_torch")
        for name in vars(importlib.import_module(module.name))
    }
    assert READS.keys() <= names


def test_reading_a_value_would_be_seen():
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.zeros(1, device="meta").item()
