"""Layer, instance and group norm for autograd: Functions and modules against PyTorch's layers."""

import numpy as np
import pytest
import torch
from implementations import relative_difference
from torch import nn
from torch.nn import functional as F

from cs231n_lib.normalization import modules, tuned

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
every_device = pytest.mark.parametrize("device", DEVICES)
CASES = {  # name of the class, its arguments, the shape of a batch
    "layer norm": ("LayerNorm", (5,), {}, (7, 5)),
    "layer norm of a sequence": ("LayerNorm", (5,), {"eps": 0.1}, (2, 7, 5)),
    "layer norm of images": ("LayerNorm", ((5, 2, 4),), {}, (3, 5, 2, 4)),
    "layer norm without shift": ("LayerNorm", (5,), {"bias": False}, (7, 5)),
    "plain layer norm": ("LayerNorm", (5,), {"elementwise_affine": False}, (7, 5)),
    "instance norm": ("InstanceNorm2d", (5,), {"affine": True, "eps": 0.1}, (3, 5, 2, 4)),
    "instance norm without shift": (
        "InstanceNorm2d",
        (5,),
        {"affine": True, "bias": False},
        (3, 5, 2, 4),
    ),
    "plain instance norm": ("InstanceNorm2d", (5,), {}, (3, 5, 2, 4)),
    "instance norm with statistics": (
        "InstanceNorm2d",
        (5,),
        {"affine": True, "track_running_stats": True, "momentum": 0.3, "eps": 0.1},
        (3, 5, 2, 4),
    ),
    "group norm": ("GroupNorm", (2, 6), {"eps": 0.1}, (3, 6, 4, 5)),
    "group norm of rows": ("GroupNorm", (2, 6), {}, (5, 6)),
    "group norm of a sequence": ("GroupNorm", (3, 6), {}, (2, 6, 7)),
    "group norm without shift": ("GroupNorm", (2, 6), {"bias": False}, (3, 6, 4, 5)),
    "plain group norm": ("GroupNorm", (2, 6), {"affine": False}, (3, 6, 4, 5)),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def twins(case, dtype=torch.float64, device="cpu"):
    """Return our layer and PyTorch's with the same random scale and shift."""
    name, arguments, options, _ = case
    layers = [getattr(place, name)(*arguments, **options) for place in (modules, nn)]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for mine, other in zip(*(layer.parameters() for layer in layers), strict=True):
            other.copy_(0.5 + torch.rand(other.shape, generator=generator))
            mine.copy_(other)
    return [layer.to(device, dtype) for layer in layers]


def batch(case, seed=0, dtype=torch.float64, device="cpu"):
    """Return a batch whose examples and features differ in mean and spread."""
    shape = case[-1]
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 4, (*shape[:2], *[1] * (len(shape) - 2))) + rng.normal(size=shape)
    return torch.tensor(x * rng.uniform(0.5, 2, shape), dtype=dtype, device=device)


def pass_through(layer, x, dout):
    """Return the output and the gradients of x and the parameters."""
    x = x.clone().requires_grad_()
    out = layer(x)
    return out, *torch.autograd.grad(out, (x, *layer.parameters()), dout)


def statistics(layer):
    """Return the running statistics; the count that PyTorch keeps beside them stays 0."""
    assert not getattr(layer, "num_batches_tracked", 0)
    return [buffer for buffer in layer.buffers() if buffer.ndim]


def assert_close(mine, other, bound):
    for a, b in zip(mine, other, strict=True):
        a, b = (t.detach().to("cpu", torch.float64) for t in (a, b))
        assert relative_difference(a, b) <= bound


# ---------------------------------------------------------------------------------- Functions


@pytest.mark.parametrize(
    ("function", "shape", "parameters", "rest"),
    [
        (modules.LayerNormFunction, (4, 3), (3,), ({"eps": 0.1},)),
        (modules.LayerNormFunction, (1, 4), (4,), ({"eps": 0.1},)),
        (modules.InstanceNormFunction, (2, 3, 2, 4), (3,), ({"eps": 0.1},)),
        (modules.GroupNormFunction, (2, 6, 2, 1), (1, 6, 1, 1), (3, {"eps": 0.1})),
    ],
)
def test_gradcheck_of_the_functions(function, shape, parameters, rest):
    generator = torch.Generator().manual_seed(0)
    leaves = [
        torch.randn(size, generator=generator, dtype=torch.float64, requires_grad=True)
        for size in (shape, parameters, parameters)
    ]
    assert torch.autograd.gradcheck(lambda *leaves: function.apply(*leaves, *rest), leaves)


@every_case
def test_there_is_no_second_derivative_and_it_says_so(case):
    mine, _ = twins(case)
    x = batch(case).requires_grad_()
    (dx,) = torch.autograd.grad((mine(x) ** 3).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dx.sum().backward()


# ---------------------------------------------------------------------------------- modules


@every_device
@every_case
def test_training_and_evaluation_equal_pytorchs(case, device):
    mine, other = twins(case, device=device)
    for step in range(3):
        x, dout = batch(case, step, device=device), batch(case, 100 + step, device=device)
        assert_close(pass_through(mine, x, dout), pass_through(other, x, dout), 1e-10)
        assert_close(statistics(mine), statistics(other), 1e-10)
        mine.eval(), other.eval()
        before = [a.clone() for a in statistics(mine)]
        assert_close(pass_through(mine, x, dout), pass_through(other, x, dout), 1e-10)
        assert_close(statistics(mine), before, 0)
        mine.train(), other.train()


@every_case
def test_state_goes_both_ways(case):
    mine, other = twins(case)
    other(batch(case)), other(batch(case, 1))
    assert mine.state_dict().keys() == other.state_dict().keys()
    mine.load_state_dict(other.state_dict())
    _, back = twins(case)
    back.load_state_dict(mine.state_dict())
    x = batch(case, 2)
    assert_close([mine.eval()(x), back.eval()(x)], [other.eval()(x)] * 2, 1e-10)


@every_case
def test_memory_layout_does_not_matter(case):
    mine, other = twins(case)
    x, dout = batch(case), batch(case, 1)
    spread = [a.mT.contiguous().mT.repeat_interleave(2, dim=0)[::2] for a in (x, dout)]
    assert not any(a.is_contiguous() for a in spread)
    out, *gradients = pass_through(mine, *spread)
    assert_close((out, *gradients), pass_through(other, x, dout), 1e-10)
    assert out.view(len(x), -1).shape == x.flatten(1).shape


@every_case
def test_it_trains_in_a_network(case):
    """The same steps of SGD, through the layer before and after, with either layer."""
    results = []
    for layer in twins(case):
        torch.manual_seed(0)
        before = nn.Linear(case[-1][-1], case[-1][-1]).double()
        optimizer = torch.optim.SGD([*before.parameters(), *layer.parameters()], lr=0.1)
        for step in range(4):
            loss = (layer(before(batch(case, step))).relu() - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        results.append([*before.parameters(), *layer.parameters(), *statistics(layer)])
    assert_close(*results, 1e-9)


BOUNDS = {torch.float64: 1e-10, torch.float32: 2e-5, torch.bfloat16: 0.1}


@every_device
@every_case
@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
def test_device_and_dtype_follow_the_input(case, dtype, device):
    x, dout = batch(case, 0, dtype, device), batch(case, 1, dtype, device)
    _, other = twins(case, dtype)
    exact = pass_through(other.double(), x.double().cpu(), dout.double().cpu())
    mine, _ = twins(case, dtype, device)
    results = pass_through(mine, x, dout)
    assert {(r.dtype, r.device) for r in results} == {(dtype, x.device)}
    assert_close(results, exact, BOUNDS[dtype])


# ---------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (modules.LayerNorm(5), (2, 4), r"LayerNorm: the last dimensions .* \(5,\), .* \(2, 4\)"),
        (modules.LayerNorm((3, 5)), (5,), r"LayerNorm: the last dimensions .* \(3, 5\)"),
        (modules.InstanceNorm2d(5), (2, 5), r"InstanceNorm2d: the input must be \(N, C, H, W\)"),
        (modules.InstanceNorm2d(5), (2, 4, 3, 3), r"with C = 5, but its shape is \(2, 4, 3, 3\)"),
        (modules.InstanceNorm2d(5), (2, 5, 1, 1), "more than one value per channel, got 1; use"),
        (modules.GroupNorm(2, 6), (6,), r"GroupNorm: the input must be \(N, C, ...\) with C = 6"),
        (modules.GroupNorm(2, 6), (2, 4, 3, 3), r"but its shape is \(2, 4, 3, 3\)"),
    ],
)
def test_shapes_that_cannot_be_are_refused(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(torch.ones(shape))


def test_groups_that_do_not_divide_are_refused_at_once():
    with pytest.raises(ValueError, match="num_groups must divide C = 6 as in num_channels, got 4"):
        modules.GroupNorm(4, 6)


def test_the_settings_are_shown():
    for name, arguments, options, _ in CASES.values():
        mine, other = (getattr(place, name)(*arguments, **options) for place in (modules, nn))
        assert repr(mine) == repr(other)


def test_numpys_buffer_is_short_only_within():
    before = np.getbufsize()
    tuned.layernorm_forward(np.ones((2, 3)), np.ones(3), np.ones(3), {})
    with pytest.raises(ZeroDivisionError), tuned._short_buffer():
        assert np.getbufsize() < before
        raise ZeroDivisionError
    assert np.getbufsize() == before


# ------------------------------------------------------------------ as compilers and GPUs get it

AT_ONCE = {  # the shape of a batch, of the parameters, what the forward pass takes more, PyTorch's
    "layernorm": ((7, 5), (5,), (), lambda x, g, b: F.layer_norm(x, (5,), g, b)),
    "instancenorm": ((3, 6, 4, 5), (6,), (), lambda x, g, b: F.instance_norm(x, weight=g, bias=b)),
    "spatial_groupnorm": (
        (3, 6, 4, 5), (1, 6, 1, 1), (2,),
        lambda x, g, b: F.group_norm(x, 2, g.reshape(-1), b.reshape(-1)),
    ),
    "batchnorm": ((7, 5), (5,), (), lambda x, g, b: F.batch_norm(x, None, None, g, b, True)),
    "spatial_batchnorm": (
        (3, 6, 4, 5), (6,), (), lambda x, g, b: F.batch_norm(x, None, None, g, b, True),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("mean", "dtype", "bound"), [(3, torch.float64, 1e-10), (1e4, torch.float32, 2e-6)]
)
@pytest.mark.parametrize("kind", AT_ONCE)
def test_all_at_once_is_what_the_framework_computes(kind, mean, dtype, bound, monkeypatch):
    monkeypatch.setattr(tuned, "is_compiling", lambda: True)
    monkeypatch.setattr(tuned, "BLOCK", 1)
    monkeypatch.setattr(tuned, "_examples", None)  # what cuts layer, instance and group norm
    shape, parameters, more, oracle = AT_ONCE[kind]
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(mean, rng.uniform(0.5, 2, shape))).to(dtype)
    gamma, beta, dout = (torch.tensor(rng.normal(size=s)) for s in (parameters, parameters, shape))
    single = (t.to(dtype) for t in (gamma, beta))
    out, cache = getattr(tuned, f"{kind}_forward")(x, *single, *more, {})
    assert len(tuned._slices(x)) == 1  # and batch norm is not cut
    found = out, *getattr(tuned, f"{kind}_backward")(dout.to(dtype), cache)
    leaves = [t.double().requires_grad_() for t in (x, gamma, beta)]
    out = oracle(*leaves)
    for a, b in zip(found, (out, *torch.autograd.grad(out, leaves, dout)), strict=True):
        assert a.dtype == dtype and a.shape == b.shape
        assert relative_difference(a, b.detach()) <= bound
