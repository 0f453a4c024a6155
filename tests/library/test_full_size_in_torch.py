"""The capstone's recipe around convolutions: each ingredient does something, and nothing else."""

import numpy as np
import pytest
import torch
from torch import nn

from cs231n_lib.capstone.full_size_in_torch import (
    INGREDIENTS,
    Prepared,
    accuracy,
    main,
    train_full_size,
)
from cs231n_lib.data import digits
from cs231n_lib.transfer.in_torch import extract_features
from cs231n_lib.zoo import residual_cnn

ALL = dict.fromkeys(INGREDIENTS, True)


@pytest.fixture(scope="module")
def data():
    return digits().few(256).images()


def weights(data, recipe, seed=0):
    model, history = train_full_size(data, recipe, seed, epochs=2, width=2, progress=False)
    assert len(history.loss) == 4 and not model.training
    return torch.cat([w.detach().ravel() for w in model.parameters()])


def test_the_same_seed_trains_the_same_weights_and_another_one_others(data):
    first = weights(data, ALL)
    assert torch.equal(first, weights(data, ALL))
    assert not torch.equal(first, weights(data, ALL, seed=1))


@pytest.mark.parametrize("name", INGREDIENTS)
def test_every_ingredient_changes_what_is_trained(name, data):
    complete, less = weights(data, ALL), weights(data, ALL | {name: False})
    assert complete.isfinite().all() and less.isfinite().all()
    assert complete.shape != less.shape or not torch.equal(complete, less)


def test_an_ingredient_that_is_left_out_of_the_recipe_is_off(data):
    off = ALL | {"shifts": False}
    assert torch.equal(weights(data, off), weights(data, {k: v for k, v in off.items() if v}))


def test_images_are_standardized_always_and_disturbed_in_training_only():
    x = torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    prepare = Prepared(x, torch.Generator().manual_seed(0))
    once, again = prepare(x), prepare(x)
    assert once.shape == x.shape and not torch.equal(once, again)
    plain = prepare.eval()(x)
    assert torch.equal(plain, Prepared(x, None)(x))
    torch.testing.assert_close(plain.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(plain.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("count", [1, 499, 501])
def test_accuracy_averages_each_image_and_its_mirror_image(count):
    rng = np.random.default_rng(count)
    x = rng.random((count, 1, 4, 4), dtype=np.float32)
    y = rng.integers(0, 3, count)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    with torch.no_grad():
        views = [model(torch.tensor(view)).softmax(dim=1) for view in (x, x[..., ::-1].copy())]
    expected = (sum(views).argmax(dim=1).numpy() == y).mean()
    assert accuracy(model, x, y) == pytest.approx(expected, abs=1e-12)


def test_it_learns_the_digits():
    model, _ = train_full_size(digits().images(), ALL, seed=0, epochs=5, width=6, progress=False)
    assert accuracy(model, digits().images().x_test, digits().y_test) > 0.5  # 8 seeds: 0.75 to 0.88


def test_parts_of_the_network_have_the_names_of_the_zoo():
    torch.manual_seed(0)
    net = residual_cnn(5, channels=1, width=2).eval()
    names = [name for name, _ in net.named_children()]
    assert names == ["stem", "stage1", "stage2", "stage3", "pool", "head"]
    x = torch.rand(3, 1, 8, 8)
    assert net(x).shape == (3, 5)
    assert extract_features(net, x, "stage2", True).shape == (3, 8)
    twice = nn.Sequential(net.stage1[-1])(out := net.stage1[:-1](net.stem(x)))
    inner = out
    for layer in net.stage1[-1]:
        inner = layer(inner)
    assert torch.equal(twice, out + inner)


def test_without_normalization_convolutions_have_a_bias():
    for norm, has_bias in ((nn.Identity, True), (nn.BatchNorm2d, False)):
        net = residual_cnn(5, width=2, norm=norm)
        convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
        assert len(convolutions) == 8
        assert all((conv.bias is not None) == has_bias for conv in convolutions)


def test_the_command_trains_and_says_what_it_got(capsys):
    main(["--data", "digits", "--images", "128", "--epochs", "1", "--width", "2",
          "--without", "shifts", "--without", "average"])  # fmt: skip
    out = capsys.readouterr().out
    assert "128 train" in out and "validation 0." in out and "test 0." in out


@pytest.mark.parametrize(
    "recipe, images, message",
    [
        ({"dropout": True}, 256, "an ingredient must be"),
        ({}, 100, "batch_size must be at most 100"),
    ],
)
def test_what_cannot_be_trained_is_said(recipe, images, message):
    with pytest.raises(ValueError, match=message):
        train_full_size(digits().few(images).images(), recipe, seed=0, epochs=1, width=2)
