"""Peak memory of a layer, forward and backward, in units of its inputs and outputs.

Every forward pass of arrays that has a backward pass is found, and must have arguments here, unless
it takes a generator of random numbers.
"""

import importlib
import inspect
import pkgutil
import tracemalloc

import numpy as np
import pytest

import cs231n_lib

MOST = 4  # times the arrays that go in and come out


def pairs():
    """Return {name: (forward, backward)} of all layers on arrays."""
    found = {}
    for module in pkgutil.walk_packages(cs231n_lib.__path__, "cs231n_lib."):
        if module.name.endswith((".in_numpy", ".tuned")):
            names = vars(importlib.import_module(module.name))
            for name, function in names.items():
                backward = names.get(name.replace("_forward", "_backward"))
                chance = (
                    name.endswith("_forward") and "rng" in inspect.signature(function).parameters
                )
                if name[0] != "_" and name.endswith("_forward") and backward and not chance:
                    found[f"{module.name.removeprefix('cs231n_lib.')}.{name}"] = function, backward
    return found


def images(rng):
    return rng.normal(size=(40, 16, 20, 20)).astype(np.float32)


def rows(rng):
    return rng.normal(size=(2000, 120)).astype(np.float32)


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
}
PAIRS = pairs()


def peak(function):
    """Return the answer of a call and the most memory that it held above what there was."""
    tracemalloc.start()
    answer = function()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return answer, most


@pytest.mark.parametrize("name", PAIRS)
def test_a_layer_needs_few_times_its_inputs_and_outputs(name):
    forward, backward = PAIRS[name]
    rng = np.random.default_rng(0)
    make, rest = ARGUMENTS[forward.__name__]
    x = make(rng)
    forward(x, *rest)  # what is made once is not counted
    dout = np.ones_like(forward(x, *rest)[0])

    def run():
        out, cache = forward(x, *rest)
        return out, backward(dout, cache)

    (out, gradients), most = peak(run)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    outside = x.nbytes + out.nbytes + dout.nbytes + sum(g.nbytes for g in gradients)
    assert most + x.nbytes + dout.nbytes <= MOST * outside
