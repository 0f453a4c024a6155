"""Normalization of half-precision numbers: computed in single precision, as frameworks do."""

import copy
import importlib

import numpy as np
import pytest
import torch

from cs231n_lib.normalization import in_numpy, in_torch, modules, tuned

PAIRS = {
    "batchnorm": ((64, 6), ()),
    "layernorm": ((64, 6), ()),
    "spatial_batchnorm": ((4, 6, 5, 3), ()),
    "instancenorm": ((4, 6, 5, 3), ()),
    "spatial_groupnorm": ((4, 6, 5, 3), (2,)),
    "decorrelated_batchnorm": ((64, 6), ()),
}
SCALES = pytest.mark.parametrize(("mean", "size"), [(0.0, 300.0), (1000.0, 3.0), (0.0, 1e-3)])


def run(module, name, x, dout, extra):
    """Return out, dx and the running variance, with single-precision parameters."""
    grouped = name == "spatial_groupnorm"
    make = torch.ones if isinstance(x, torch.Tensor) else lambda *shape: np.ones(shape, np.float32)
    gamma = make(1, 6, 1, 1) if grouped else make(6)
    param = {"mode": "train", "eps": 1e-5}
    out, cache = getattr(module, f"{name}_forward")(x, gamma, 0 * gamma, *extra, param)
    dx = getattr(module, f"{name}_backward")(dout, cache)[0]
    return out, dx, param.get("running_var")


@pytest.mark.parametrize("seed", range(3))
@SCALES
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    ("module", "dtype"),
    [
        (in_numpy, np.float16),
        (in_torch, torch.float16),
        (in_torch, torch.bfloat16),
        (tuned, np.float16),
        (tuned, torch.float16),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)).rpartition(".")[2],
)
def test_half_inputs_give_what_single_ones_give(module, dtype, name, mean, size, seed):
    if not hasattr(module, f"{name}_forward"):
        pytest.skip("no such form")
    shape, extra = PAIRS[name]
    rng = np.random.default_rng(seed)
    x, dout = mean + size * rng.normal(size=shape), rng.normal(size=shape)
    if isinstance(dtype, torch.dtype):
        half = [torch.from_numpy(a).to(dtype) for a in (x, dout)]
        single = [a.float() for a in half]
        coarse = torch.finfo(dtype).eps
    else:
        half = [a.astype(dtype) for a in (x, dout)]
        single = [a.astype(np.float32) for a in half]
        coarse = np.finfo(dtype).eps
    found, expected = run(module, name, *half, extra), run(module, name, *single, extra)
    assert found[0].dtype == found[1].dtype == dtype
    for value, right in zip(found[:2], expected[:2], strict=True):
        value, right = (np.asarray(v.float() if hasattr(v, "float") else v, float)
                        for v in (value, right))  # fmt: skip
        np.testing.assert_allclose(value, right, rtol=coarse, atol=coarse * np.abs(right).max())
    if found[2] is not None:
        assert "float32" in str(found[2].dtype)
        np.testing.assert_array_equal(np.asarray(found[2]), np.asarray(expected[2]))


LAYERS = {
    "BatchNorm1d": ((4,), {}, (32, 4)),
    "BatchNorm2d": ((4,), {}, (8, 4, 3, 5)),
    "LayerNorm": ((4,), {}, (32, 4)),
    "InstanceNorm2d": ((4,), {"affine": True, "track_running_stats": True}, (8, 4, 3, 5)),
    "GroupNorm": ((2, 4), {}, (8, 4, 3, 5)),
    "DecorrelatedBatchNorm": ((4,), {}, (32, 4)),
}


@pytest.mark.parametrize(("mean", "size"), [(0, 300.0), (0, 1e4), (3e4, 1.0), (0, 1.0), (0, 1e-4)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_in_half_precision_does_what_one_in_single_does(name, dtype, mean, size):
    args, options, shape = LAYERS[name]
    half = getattr(modules, name)(*args, **options).to(dtype)
    single = copy.deepcopy(half).float()
    generator = torch.Generator().manual_seed(0)
    dout = torch.randn(shape, generator=generator).to(dtype)
    for _ in range(3):
        x = (mean + size * torch.randn(shape, generator=generator)).to(dtype).requires_grad_()
        out, expected = half(x), single(exact := x.detach().float().requires_grad_())
        out.backward(dout)
        expected.backward(dout.float())
    found = out, x.grad, half.eval()(x)
    assert all(tensor.dtype == dtype for tensor in (*found, *(p.grad for p in half.parameters())))
    right = expected, exact.grad, single.eval()(exact)
    bound, largest = 4 * torch.finfo(dtype).eps, torch.finfo(dtype).max
    for pair in zip(found, right, strict=True):
        value, other = (tensor.float().clamp(-largest, largest) for tensor in pair)
        atol = bound * other.abs().max().item() + torch.finfo(dtype).tiny
        torch.testing.assert_close(value, other, rtol=bound, atol=atol)
    for value, other in zip(half.buffers(), single.buffers(), strict=True):
        assert value.dtype == other.dtype and value.isfinite().all()
        torch.testing.assert_close(value, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


LOSSES = {
    "softmax_loss": ("layers", [0, 3, 1, 2] * 8),
    "svm_loss": ("layers", [0, 3, 1, 2] * 8),
    "l2_penalty": ("regularization", 0.01),
    "l1_penalty": ("regularization", 100.0),
    "elastic_net_penalty": ("regularization", 10.0, 0.5),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("framework", ["in_numpy", "in_torch"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_of_half_numbers_is_single_and_its_gradient_half(name, framework, seed):
    family, *rest = LOSSES[name]
    function = getattr(importlib.import_module(f"cs231n_lib.{family}.{framework}"), name)
    single = np.random.default_rng(seed).normal(size=(32, 4), scale=300).astype(np.float16)
    rest = [np.array(value) if isinstance(value, list) else value for value in rest]
    if framework == "in_torch":
        single = torch.from_numpy(single)
        rest = [torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in rest]
    half, single = single, single.float() if framework == "in_torch" else single.astype(np.float32)
    (loss, gradient), (right, slope) = function(half, *rest), function(single, *rest)
    assert float(loss) == float(right) and np.isfinite(float(loss))
    assert gradient.dtype == half.dtype
    np.testing.assert_allclose(np.asarray(gradient, float), np.asarray(slope, float), 1e-3, 1e-7)
