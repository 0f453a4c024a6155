"""Peak memory of a layer, forward and backward, in units of its inputs and outputs.

Every forward pass of arrays or tensors that has a backward pass is found, and must have arguments
here. What a layer draws for each example counts as an input.
"""

import importlib
import inspect
import pkgutil
import tracemalloc

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import cs231n_lib

MOST = 4  # times the arrays that go in and come out
FORMS = (".in_numpy", ".in_torch", ".tuned")


def pairs():
    """Return {name: (forward, backward)} of all layers."""
    found = {}
    for module in pkgutil.walk_packages(cs231n_lib.__path__, "cs231n_lib."):
        if module.name.endswith(FORMS):
            names = vars(importlib.import_module(module.name))
            for name, function in list(names.items()):
                backward = names.get(name.replace("_forward", "_backward"))
                if name[0] != "_" and name.endswith("_forward") and backward:
                    found[f"{module.name.removeprefix('cs231n_lib.')}.{name}"] = function, backward
    return found


def images(rng):
    return rng.normal(size=(40, 16, 20, 20)).astype(np.float32)


def rows(rng):
    return rng.normal(size=(2000, 120)).astype(np.float32)


def few_rows(rng):
    return rows(rng)[:200].copy()


ONES, ZEROS = (lambda n, make=make: make(n, np.float32) for make in (np.ones, np.zeros))
GROUP = (1, 16, 1, 1)
ARGUMENTS = {  # the input, and what else each forward pass takes
    "batchnorm_forward": (rows, (ONES(120), ZEROS(120), {})),
    "layernorm_forward": (rows, (ONES(120), ZEROS(120), {})),
    "decorrelated_batchnorm_forward": (rows, (ONES(120), ZEROS(120), {"group_size": 8})),
    "spatial_batchnorm_forward": (images, (ONES(16), ZEROS(16), {})),
    "instancenorm_forward": (images, (ONES(16), ZEROS(16), {})),
    "spatial_groupnorm_forward": (images, (ONES(GROUP), ZEROS(GROUP), 4, {})),
    "dropout_forward": (rows, ({"p": 0.7, "seed": 0},)),
    "vanilla_dropout_forward": (rows, ({"p": 0.7, "seed": 0},)),
    "affine_forward": (rows, (np.ones((120, 100), np.float32), ZEROS(100))),
    "relu_forward": (rows, ()),
    "sigmoid_forward": (rows, ()),
    "tanh_forward": (rows, ()),
    "leaky_relu_forward": (rows, ()),
    "elu_forward": (rows, ()),
    "maxout_forward": (rows, (np.ones((8, 120, 100), np.float32), np.zeros((8, 100), np.float32))),
    "conv_forward": (images, (np.ones((16, 16, 3, 3), np.float32), ZEROS(16), {"pad": 1})),
    "max_pool_forward": (images, ({},)),
    "dropconnect_forward": (few_rows, (np.ones((120, 100), np.float32), ZEROS(100), 0.7)),
    "fractional_max_pool_forward": (images, ({"height": 13, "width": 14},)),
    "stochastic_depth_forward": (
        images,
        (images(np.random.default_rng(1)), {"p": 0.7, "training": True}),
    ),
}
DRAWN = {"dropconnect_forward": 200 * 120 * 100 * 4}  # bytes: a number for each weight and example
PAIRS = pairs()


def peak(function):
    """Return the answer of a call and the most memory that it held above what there was."""
    tracemalloc.start()
    answer = function()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return answer, most


def peak_of_tensors(function):
    """Return the answer of a call and the most memory of tensors above what there was."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        answer = function()
    events = profiler.profiler.kineto_results.events()
    taken = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    return answer, max(np.cumsum([size for _, size in sorted(taken, key=lambda t: t[0])]))


def arguments(forward, tensors):
    """Return the arguments of a forward pass, as arrays or tensors, its generator among them."""
    make, rest = ARGUMENTS[forward.__name__]
    args = [make(np.random.default_rng(0)), *rest]
    if tensors:
        args = [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in args]
    args = [dict(a) if isinstance(a, dict) else a for a in args]
    if "rng" in inspect.signature(forward).parameters:
        args.append(torch.Generator().manual_seed(0) if tensors else np.random.default_rng(0))
    return args


@pytest.mark.parametrize("name", PAIRS)
def test_a_layer_needs_few_times_its_inputs_and_outputs(name):
    forward, backward = PAIRS[name]
    tensors = ".in_torch." in name
    args = arguments(forward, tensors)
    dout = forward(*args)[0] * 0 + 1  # and what is made once is not counted below

    def run():
        out, cache = forward(*args)
        return out, backward(dout, cache)

    (out, gradients), most = (peak_of_tensors if tensors else peak)(run)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    given = sum(a.nbytes for a in args if getattr(a, "shape", None) == args[0].shape)
    drawn = DRAWN.get(forward.__name__, 0)
    outside = given + out.nbytes + dout.nbytes + drawn + sum(g.nbytes for g in gradients)
    assert most + given + dout.nbytes <= MOST * outside


@pytest.mark.parametrize(
    ("measure", "ones"), [(peak, np.ones), (peak_of_tensors, torch.ones)], ids=["NumPy", "PyTorch"]
)
def test_what_is_measured_is_the_memory_of_temporaries_too(measure, ones):
    x = ones(1_000_000)
    assert 2 <= measure(lambda: [x + 1, x * 2])[1] / x.nbytes < 2.1
    assert 0.9 < measure(lambda: (x + 1).sum())[1] / x.nbytes < 1.1
