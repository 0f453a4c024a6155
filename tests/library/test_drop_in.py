"""Layers and optimizers that drop in for PyTorch's: each row of their tables, in both directions.

The layers are found: whatever of ours is a subclass of a layer of PyTorch's.
"""

import importlib
import inspect
import pkgutil

import pytest
import torch
from torch import nn

import cs231n_lib
from cs231n_lib.normalization import in_torch, modules

INPUTS = {  # what each layer is made with, and the shapes that PyTorch's own takes
    "BatchNorm1d": ((4,), [(5, 4), (3, 4, 2), (0, 4), (2, 4, 0)]),
    "BatchNorm2d": ((4,), [(3, 4, 2, 5), (0, 4, 2, 5)]),
    "LayerNorm": ((4,), [(5, 4), (4,), (3, 2, 4), (0, 4)]),
    "InstanceNorm2d": ((4,), [(3, 4, 2, 5), (4, 2, 5), (0, 4, 2, 5)]),
    "GroupNorm": ((2, 4), [(3, 4), (3, 4, 2), (1, 4, 2, 5), (0, 4, 2, 5)]),
    "Dropout": ((), [(5, 4), (), (0, 4)]),
    "LeakyReLU": ((), [(5, 4), (), (0, 4)]),
    "ELU": ((), [(5, 4), (), (0, 4)]),
}
SETTINGS = {  # each option at values that are not the default, where a layer has it
    "eps": [0.3],
    "momentum": [0.4, None],
    "affine": [True, False],
    "elementwise_affine": [False],
    "bias": [False],
    "track_running_stats": [True, False],
    "dtype": [torch.float64],
    "device": ["meta"],
    "negative_slope": [0.3],
    "alpha": [0.6],
    "inplace": [False],
}


def of_ours():
    """Return {name: (our layer, PyTorch's)} for every layer that is one of PyTorch's too."""
    found = {}
    for module in pkgutil.walk_packages(cs231n_lib.__path__, "cs231n_lib."):
        if not module.name.endswith((".modules", ".in_torch")):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            theirs = getattr(nn, name, None)
            if inspect.isclass(value) and theirs and issubclass(value, theirs):
                found[name] = (value, theirs)
    return found


LAYERS = of_ours()


def cases():
    """Return every layer with every setting of each of its options, one at a time."""
    listed = []
    for name, (_, theirs) in LAYERS.items():
        options = inspect.signature(theirs).parameters
        listed += [pytest.param(name, {}, id=name)]
        listed += [
            pytest.param(name, {option: value}, id=f"{name}-{option}={value}")
            for option in SETTINGS.keys() & options.keys()
            for value in SETTINGS[option]
        ]
    return sorted(listed, key=lambda case: case.id)


def pair(name, settings):
    """Return our layer and PyTorch's, made in the same way and with the same random weights."""
    if name == "LeakyReLU":  # whose slope is the lecture's unless given
        settings = {"negative_slope": 0.1} | settings
    layers = [make(*INPUTS[name][0], **settings) for make in LAYERS[name]]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for mine, other in zip(*(layer.parameters() for layer in layers), strict=True):
            if mine.device.type == "cpu":
                mine.copy_(torch.rand(mine.shape, generator=generator) + 0.5)
                other.copy_(mine)
    return layers


def test_every_layer_has_inputs_and_every_option_a_setting():
    assert INPUTS.keys() == LAYERS.keys()
    for name, (_, theirs) in LAYERS.items():
        sizes = [p.name for p in inspect.signature(theirs).parameters.values()][: len(INPUTS[name])]
        options = set(inspect.signature(theirs).parameters) - set(sizes) - {"num_channels", "p"}
        assert options <= SETTINGS.keys(), name


@pytest.mark.parametrize(("name", "settings"), cases())
def test_made_alike_it_shows_holds_loads_and_resets_alike(name, settings):
    mine, other = pair(name, settings)
    assert isinstance(mine, LAYERS[name][1])
    if name != "Dropout":
        assert repr(mine) == repr(other)
    for entries in ("named_parameters", "named_buffers"):
        ours, theirs = (dict(getattr(layer, entries)()) for layer in (mine, other))
        assert {k: (v.shape, v.dtype, v.device) for k, v in ours.items()} == {
            k: (v.shape, v.dtype, v.device) for k, v in theirs.items()
        }
    if "device" in settings:
        return
    mine.load_state_dict(other.state_dict())
    other.load_state_dict(mine.state_dict())
    if hasattr(other, "reset_parameters"):
        for layer in (mine, other):
            layer.reset_parameters()
        for key, value in other.state_dict().items():
            torch.testing.assert_close(mine.state_dict()[key], value, rtol=0, atol=0)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("name", "settings"), cases())
def test_same_outputs_gradients_and_statistics(name, settings, training):
    if "device" in settings:
        pytest.skip("no values to compare there")
    if name == "Dropout" and training:
        pytest.skip("random: its own tests compare distributions")
    dtype = settings.get("dtype", torch.float32)
    generator = torch.Generator().manual_seed(1)
    for shape in INPUTS[name][1]:
        if 0 in shape and name == "InstanceNorm2d" and settings.get("affine"):
            continue  # PyTorch's own dies of it, ours does not
        layers = [layer.train(training) for layer in pair(name, settings)]
        results = []
        start, dout = (torch.randn(shape, generator=generator).to(dtype) for _ in range(2))
        for layer in layers:
            x = start.clone().requires_grad_()
            out = layer(x.clone())
            out.backward(dout)
            state = [v for v in layer.state_dict().values()]
            if 0 in shape and name == "InstanceNorm2d":
                state = []  # PyTorch's own are NaN from then on, ours stay
            results.append([out, x.grad, *(p.grad for p in layer.parameters()), *state])
        for found, expected in zip(*results, strict=True):
            torch.testing.assert_close(found, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", [n for n in LAYERS if hasattr(LAYERS[n][1], "_version")])
def test_checkpoints_without_a_counter_load_as_in_pytorch(name):
    settings = {} if "BatchNorm" in name else {"track_running_stats": True}
    mine, other = pair(name, settings if "Instance" in name or "Batch" in name else {})
    old = {k: v for k, v in other.state_dict().items() if k != "num_batches_tracked"}
    answers = []
    for layer in (mine, other):
        assert layer.load_state_dict(old).missing_keys == []
        answers.append(layer.state_dict().keys())
    assert answers[0] == answers[1]


@pytest.mark.parametrize("name", LAYERS)
def test_inputs_may_be_given_by_the_name_that_pytorch_has_for_them(name):
    expected, found = (
        list(inspect.signature(made.forward).parameters) for made in LAYERS[name][::-1]
    )
    assert found == expected
    pair(name, {})[0](**{found[1]: torch.ones(INPUTS[name][1][0])})


@pytest.mark.parametrize("name", LAYERS)
def test_a_view_of_the_output_works_wherever_it_does_in_pytorch(name):
    for shape in INPUTS[name][1]:
        x = torch.randn(shape)
        inputs = [x, x.movedim(0, -1).contiguous().movedim(-1, 0)] if x.dim() else [x]
        if x.dim() == 4:
            inputs.append(x.to(memory_format=torch.channels_last))
        for given in inputs:
            mine, other = (layer(given) for layer in pair(name, {}))
            assert mine.is_contiguous() >= other.is_contiguous()


@pytest.mark.parametrize("name", LAYERS)
def test_shapes_are_known_on_the_meta_device(name):
    for shape in INPUTS[name][1]:
        mine, other = (
            layer.to("meta")(torch.empty(shape, device="meta")) for layer in pair(name, {})
        )
        assert (mine.shape, mine.dtype, mine.device) == (other.shape, other.dtype, other.device)


@pytest.mark.parametrize("momentum", [0.3, None])
@pytest.mark.parametrize("name", ["BatchNorm1d", "BatchNorm2d"])
def test_a_layer_whose_counter_was_taken_away_goes_on_as_in_pytorch(name, momentum):
    layers = pair(name, {"momentum": momentum})
    x = torch.randn(INPUTS[name][1][0], generator=torch.Generator().manual_seed(0))
    for layer in layers:
        layer.num_batches_tracked = None
        layer(x)
        layer(x[:0])
    for found, expected in zip(*(layer.buffers() for layer in layers), strict=True):
        torch.testing.assert_close(found, expected)


def test_one_value_a_channel_is_refused_where_its_own_statistics_count():
    for name in ("BatchNorm1d", "BatchNorm2d"):
        x = torch.ones(1, 4, *[1] * (name == "BatchNorm2d") * 2)
        for settings, training in (({}, True), ({"track_running_stats": False}, True),
                                   ({"track_running_stats": False}, False)):  # fmt: skip
            for layer in pair(name, settings):
                with pytest.raises(ValueError, match=r"more than (one|1) value per channel"):
                    layer.train(training)(x)


@pytest.mark.parametrize("name", ["Dropout", "LeakyReLU", "ELU"])
def test_what_is_not_supported_is_refused_with_a_sentence(name):
    with pytest.raises(ValueError, match=f"{name}: inplace must be off, got True; use PyTorch's"):
        LAYERS[name][0](inplace=True)


def test_layers_say_that_they_have_no_second_derivative_and_the_functions_have_one():
    x = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    one, zero = torch.ones(4, dtype=x.dtype), torch.zeros(4, dtype=x.dtype)

    def of_function(x):
        return in_torch.layernorm_forward(x, one, zero, {"eps": 0.1})[0]

    layer = modules.LayerNorm(4, eps=0.1, dtype=torch.float64)
    for transform in (torch.func.grad(lambda x: layer(x).square().sum()), torch.func.vmap(layer)):
        with pytest.raises(RuntimeError, match=r"functorch|setup_context"):
            transform(x[None])
    built_in = nn.LayerNorm(4, eps=0.1, dtype=torch.float64)
    assert torch.autograd.gradgradcheck(of_function, x.clone().requires_grad_())
    for transform in (
        lambda f: torch.func.grad(lambda x: (f(x) ** 3).sum())(x),
        lambda f: torch.func.vmap(f)(torch.stack([x, 2 * x])),
    ):
        torch.testing.assert_close(transform(of_function), transform(built_in))
