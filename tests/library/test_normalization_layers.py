"""Batch norm for autograd: the Function and the modules, against PyTorch's own layers."""

import copy

import numpy as np
import pytest
import torch
from implementations import relative_difference
from torch import nn

from cs231n_lib.normalization import in_torch
from cs231n_lib.normalization.modules import BatchNorm1d, BatchNorm2d, BatchNormFunction

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
LAYERS = {  # ours, PyTorch's, and the shape of a batch
    "rows": (BatchNorm1d, nn.BatchNorm1d, (7, 5)),
    "sequences": (BatchNorm1d, nn.BatchNorm1d, (3, 5, 4)),
    "images": (BatchNorm2d, nn.BatchNorm2d, (3, 5, 2, 4)),
}
both_layers = pytest.mark.parametrize(("ours", "theirs", "shape"), LAYERS.values(), ids=LAYERS)
every_device = pytest.mark.parametrize("device", DEVICES)


def batch(shape, seed=0, dtype=torch.float64, device="cpu"):
    """Return a batch whose features (axis 1) differ in mean and spread."""
    rng = np.random.default_rng(seed)
    features = [1, shape[1]] + [1] * (len(shape) - 2)
    x = rng.normal(0, 4, features) + rng.uniform(0.5, 3, features) * rng.normal(size=shape)
    return torch.tensor(x, dtype=dtype, device=device)


def twins(ours, theirs, seed=0, dtype=torch.float64, device="cpu", **options):
    """Return our layer and PyTorch's with the same random scale and shift."""
    rng = np.random.default_rng(seed)
    mine, other = ours(5, **options), theirs(5, **options)
    with torch.no_grad():
        for name, values in (("weight", rng.uniform(0.5, 2, 5)), ("bias", rng.normal(size=5))):
            getattr(mine, name).copy_(torch.from_numpy(values))
            getattr(other, name).copy_(torch.from_numpy(values))
    return mine.to(device, dtype), other.to(device, dtype)


def pass_through(layer, x, dout):
    """Return the output and the gradients of x, weight and bias."""
    x = x.clone().requires_grad_()
    out = layer(x)
    return out, *torch.autograd.grad(out, (x, layer.weight, layer.bias), dout)


def assert_close(mine, other, bound):
    for a, b in zip(mine, other, strict=True):
        a, b = (t.detach().to("cpu", torch.float64) for t in (a, b))
        assert relative_difference(a, b) <= bound


# ---------------------------------------------------------------------------------- the Function


@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (5, 1)])
def test_gradcheck_of_the_function(shape):
    x = batch(shape).requires_grad_()
    gamma = torch.linspace(0.5, 2, shape[1], dtype=torch.float64, requires_grad=True)
    beta = torch.linspace(-1, 1, shape[1], dtype=torch.float64, requires_grad=True)

    def apply(*leaves):
        return BatchNormFunction.apply(*leaves, {"eps": 0.1})

    assert torch.autograd.gradcheck(apply, (x, gamma, beta))


def test_the_function_updates_the_statistics_it_is_given():
    x, bn_param, expected = batch((7, 5)), {"momentum": 0.7}, {"momentum": 0.7}
    one, zero = torch.ones(5, dtype=x.dtype), torch.zeros(5, dtype=x.dtype)
    for _ in range(2):
        BatchNormFunction.apply(x, one, zero, bn_param)
        in_torch.batchnorm_forward(x, one, zero, expected)
    for key in ("running_mean", "running_var"):
        assert relative_difference(bn_param[key], expected[key]) == 0
    assert not bn_param["running_mean"].requires_grad


def test_the_function_refuses_test_mode():
    one = torch.ones(5)
    with pytest.raises(ValueError, match=r"must be 'train'.* call batchnorm_forward"):
        BatchNormFunction.apply(torch.ones(2, 5), one, one, {"mode": "test"})


def test_the_function_says_that_it_has_no_second_derivative():
    x = batch((7, 5)).requires_grad_()
    one, zero = torch.ones(2, 5, dtype=x.dtype).unbind()
    out = BatchNormFunction.apply(x, one, zero, {})
    (dx,) = torch.autograd.grad((out**3).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dx.sum().backward()


# ---------------------------------------------------------------------------------- the modules


@every_device
@both_layers
@pytest.mark.parametrize("momentum", [0.1, 0.6, None])
def test_training_and_evaluation_equal_pytorchs(ours, theirs, shape, momentum, device):
    mine, other = twins(ours, theirs, momentum=momentum, eps=0.01, device=device)
    for step in range(4):
        x, dout = batch(shape, step, device=device), batch(shape, 100 + step, device=device)
        assert_close(pass_through(mine, x, dout), pass_through(other, x, dout), 1e-10)
        assert_close(mine.buffers(), other.buffers(), 1e-10)
        mine.eval(), other.eval()
        before = copy.deepcopy(mine.state_dict())
        assert_close(pass_through(mine, x, dout), pass_through(other, x, dout), 1e-10)
        for key, value in mine.state_dict().items():
            torch.testing.assert_close(value, before[key], rtol=0, atol=0)
        mine.train(), other.train()


@both_layers
@pytest.mark.parametrize("training", [True, False])
def test_gradcheck_of_the_modules(ours, theirs, shape, training):
    mine, _ = twins(ours, theirs, eps=0.1, momentum=0.0)
    mine.train(training)
    x = batch(shape).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, weight, bias: torch.func.functional_call(
            mine, {"weight": weight, "bias": bias}, (x,)
        ),
        (x, mine.weight, mine.bias),
    )


@both_layers
def test_state_goes_both_ways(ours, theirs, shape):
    trained, _ = twins(theirs, ours)
    trained(batch(shape)), trained(batch(shape, 1))
    mine, back = ours(5).double(), theirs(5).double()
    assert mine.state_dict().keys() == trained.state_dict().keys()
    mine.load_state_dict(trained.state_dict())
    back.load_state_dict(mine.state_dict())
    assert back.num_batches_tracked == mine.num_batches_tracked == 2
    x = batch(shape, 2)
    outputs = [layer.eval()(x) for layer in (mine, back)]
    assert_close(outputs, [trained.eval()(x)] * 2, 1e-10)


@both_layers
def test_a_copy_learns_on_its_own(ours, theirs, shape):
    mine, _ = twins(ours, theirs)
    mine(batch(shape))
    twin = copy.deepcopy(mine)
    assert_close(twin.state_dict().values(), mine.state_dict().values(), 0)
    twin(batch(shape, 1))
    assert mine.num_batches_tracked == 1
    assert relative_difference(twin.running_mean, mine.running_mean) > 0.01


@both_layers
def test_dtype_follows_the_layer(ours, theirs, shape):
    mine = ours(5).to(torch.float64)
    out = mine(batch(shape))
    assert out.dtype == mine.running_mean.dtype == mine.running_var.dtype == torch.float64
    assert mine.num_batches_tracked.dtype == torch.int64
    assert ours(5)(batch(shape, dtype=torch.float32)).dtype == torch.float32


@both_layers
def test_memory_layout_does_not_matter(ours, theirs, shape):
    mine, other = twins(ours, theirs)
    x, dout = batch(shape), batch(shape, 1)
    expected = pass_through(other, x, dout)
    spread = [a.mT.contiguous().mT.repeat_interleave(2, dim=0)[::2] for a in (x, dout)]
    assert not any(a.is_contiguous() for a in spread)
    out, *gradients = pass_through(mine, *spread)
    assert_close((out, *gradients), expected, 1e-10)
    assert out.view(len(x), -1).shape == x.flatten(1).shape


@both_layers
def test_it_trains_in_a_network(ours, theirs, shape):
    """The same steps of SGD, through the layer before and after, with either layer."""
    results = []
    for layer in twins(ours, theirs):
        torch.manual_seed(0)
        first = nn.Linear(5, 5).double()
        optimizer = torch.optim.SGD([*first.parameters(), *layer.parameters()], lr=0.1)
        for step in range(5):
            x = first(batch(shape, step).movedim(1, -1)).movedim(-1, 1)
            loss = (layer(x).relu() - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        results.append([first.weight, first.bias, *layer.state_dict().values()])
    assert_close(*results, 1e-9)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (BatchNorm1d, (5,), r"BatchNorm1d: the input must be \(N, C\) or \(N, C, L\) with C = 5"),
        (BatchNorm1d, (2, 4), r"BatchNorm1d: .* its shape is \(2, 4\)"),
        (BatchNorm1d, (2, 5, 3, 1), r"must be \(N, C\) or \(N, C, L\) with C = 5"),
        (BatchNorm2d, (2, 5), r"BatchNorm2d: the input must be \(N, C, H, W\) with C = 5"),
        (BatchNorm2d, (2, 4, 3, 3), r"BatchNorm2d: .* its shape is \(2, 4, 3, 3\)"),
        (BatchNorm1d, (1, 5), "more than one value per channel, got 1; use a larger batch, or"),
        (BatchNorm2d, (1, 5, 1, 1), "more than one value per channel"),
    ],
)
def test_shapes_that_cannot_be_are_refused(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(5)(torch.ones(shape))


@both_layers
def test_one_value_per_channel_is_enough_for_evaluation(ours, theirs, shape):
    mine, other = (layer.eval() for layer in twins(ours, theirs))
    x = batch((1, 5) + (1,) * (len(shape) - 2))
    assert_close([mine(x)], [other(x)], 1e-10)


def test_the_settings_are_shown():
    assert repr(BatchNorm2d(5, eps=0.1)) == repr(nn.BatchNorm2d(5, eps=0.1))


# ---------------------------------------------------------------------------------- devices

BOUNDS = {torch.float64: 1e-10, torch.float32: 2e-5, torch.bfloat16: 0.1}


@every_device
@both_layers
@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
def test_device_and_dtype_follow_the_input(ours, theirs, shape, dtype, device):
    exact = pass_through(
        twins(ours, theirs)[1], batch(shape, dtype=dtype).double(), batch(shape, 1).double()
    )
    mine, _ = twins(ours, theirs, dtype=dtype, device=device)
    x, dout = batch(shape, 0, dtype, device), batch(shape, 1, dtype, device)
    results = pass_through(mine, x, dout)
    for result in (*results, mine.running_mean, mine.running_var):
        assert result.device == x.device
    assert all(result.dtype == dtype for result in results)
    of_statistics = torch.promote_types(dtype, torch.float32)  # single at least
    assert mine.running_mean.dtype == mine.running_var.dtype == of_statistics
    assert_close(results, exact, BOUNDS[dtype])


@every_device
@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
@pytest.mark.parametrize("spatial", [False, True], ids=["rows", "images"])
def test_functions_follow_device_and_dtype(spatial, dtype, device):
    prefix, shape = ("spatial_", (3, 5, 2, 4)) if spatial else ("", (7, 5))
    forward = getattr(in_torch, f"{prefix}batchnorm_forward")
    backward = getattr(in_torch, f"{prefix}batchnorm_backward")

    def run(dtype, device):
        x, dout = (batch(shape, seed, torch.bfloat16, device).to(dtype) for seed in (0, 1))
        gamma = torch.linspace(0.5, 2, 5, dtype=dtype, device=device)
        bn_param = {"eps": 0.1}
        out, cache = forward(x, gamma, -gamma, bn_param)
        return out, *backward(dout, cache), *bn_param.values()

    results = run(dtype, device)
    tensors = [r for r in results if torch.is_tensor(r)]
    assert {r.device.type for r in tensors} == {device}
    out, dx, *of_parameters = tensors  # these in single precision at least, as the statistics
    assert {out.dtype, dx.dtype} == {dtype}
    assert {r.dtype for r in of_parameters} == {torch.promote_types(dtype, torch.float32)}
    expected = run(torch.float64, "cpu")
    pairs = [(a, b) for a, b in zip(results, expected, strict=True) if torch.is_tensor(a)]
    assert_close(*zip(*pairs, strict=True), BOUNDS[dtype])


@pytest.mark.gpu
def test_memory_on_the_device_stays_within_a_few_copies():
    x = torch.randn(64, 64, 32, 32, device="cuda")
    dout = torch.randn_like(x)
    layer = BatchNorm2d(64).cuda()
    pass_through(layer, x, dout)
    torch.cuda.reset_peak_memory_stats()
    pass_through(layer, x, dout)
    in_and_out = 4 * x.nbytes  # x, dout, out and dx
    assert in_and_out <= torch.cuda.max_memory_allocated() <= 4 * in_and_out
