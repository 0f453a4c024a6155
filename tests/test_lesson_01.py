"""What lesson 01 claims, and what `docs/lecture_errata.md` says about its slides."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from autograder.exercises.activations import slope_by_division
from cs231n_lib.activations import in_numpy as activations
from cs231n_lib.data import digits
from cs231n_lib.gradcheck import check_gradients
from cs231n_lib.initialization.in_numpy import gaussian_init, kaiming_init, xavier_init
from cs231n_lib.layers.network import Activation, Affine, Network
from cs231n_lib.train import fit

RELU = activations.relu_forward, activations.relu_backward
TANH = activations.tanh_forward, activations.tanh_backward
LEAKY = activations.leaky_relu_forward, activations.leaky_relu_backward


@pytest.fixture
def rng():
    return np.random.default_rng(7)


# ------------------------------------------------------------------ activation functions


def test_ten_sigmoids_pass_on_less_than_a_millionth():
    x = np.linspace(-6, 6, 1001)
    out, cache = activations.sigmoid_forward(x)
    slopes = activations.sigmoid_backward(np.ones_like(x), cache)
    assert slopes.max() == pytest.approx(0.25) and slopes.max() ** 10 < 1e-6
    assert out.min() > 0


def test_the_maximum_is_the_leaky_relu_only_up_to_slope_one(rng):
    x = rng.normal(size=50)
    for slope, agrees in ((0.1, True), (1.0, True), (1.5, False)):
        drawn = torch.nn.functional.leaky_relu(torch.from_numpy(x), slope).numpy()
        assert np.allclose(np.maximum(slope * x, x), drawn) == agrees


def test_the_slope_by_division_is_right_on_random_numbers_and_passes_a_gradient_check(rng):
    x = rng.normal(size=(6, 5))
    for seed in range(3):
        numbers, dout = np.random.default_rng(seed).normal(size=(2, 4, 3))
        _, cache = LEAKY[0](numbers)
        ours, divided = LEAKY[1](dout, cache), slope_by_division(dout, (numbers, 0.1))
        np.testing.assert_allclose(divided, ours, rtol=1e-15)
    assert check_gradients(LEAKY[0], slope_by_division, {"x": x}).ok


def test_about_half_of_the_digits_pixels_are_exactly_zero():
    assert 0.4 < np.mean(digits().x_train == 0) < 0.6


def shallow(pair, seed):
    """Return five hidden layers of 64 units, as the lesson counts lost units in."""
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out in pairwise([64] * 6):
        layers += [Affine(n_in, n_out, rng), Activation(*pair)]
    return Network([*layers, Affine(64, 10, rng)])


def lost_in_the_last_layer(pair, rate, seed):
    data, net = digits(), shallow(pair, seed)
    history = fit(
        net, data, steps=200, batch_size=64, learning_rate=rate,
        rng=np.random.default_rng(seed), progress=False,
    )  # fmt: skip
    with np.errstate(all="ignore"):  # a diverged run
        out = net.activations(data.x_train)["activation5"]
        slopes = net.layers[-2].backward(np.ones_like(out))
    return np.mean(slopes.max(axis=0) < 0.01), history.val_accuracy[-1]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_large_rate_kills_relus_and_saturates_tanhs_but_not_leaky_ones(seed):
    few, good = lost_in_the_last_layer(RELU, 0.1, seed)
    many, _ = lost_in_the_last_layer(RELU, 0.5, seed)
    saturated, guessing = lost_in_the_last_layer(TANH, 1.0, seed)
    assert few <= 0.1 < many and good > 0.9
    assert saturated > 0.9 and guessing < 0.2
    assert lost_in_the_last_layer(LEAKY, 0.5, seed)[0] == 0


def test_a_dead_unit_has_no_gradient_of_its_own(rng):
    net = shallow(RELU, 0)
    net.params["affine3.b"][5] = -100  # no example makes it positive
    _, gradients = net.loss_and_gradients(digits().x_train[:50], digits().y_train[:50])
    assert not gradients["affine3.w"][:, 5].any() and gradients["affine3.b"][5] == 0
    assert gradients["affine3.w"][:, 6].any() and gradients["affine2.w"].any()


def test_the_slope_of_tanh_is_zero_in_single_precision_from_ten():
    x = np.array([8.0, 10.0], np.float32)
    slopes = TANH[1](np.ones_like(x), TANH[0](x)[1])
    assert slopes[0] > 0 == slopes[1]


# ------------------------------------------------------------------ initialization


def deep(pair, init, seed=0, units=100):
    """Return ten hidden layers of 100 units in float64."""
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out in pairwise([64] + [units] * 10 + [10]):
        affine = Affine(n_in, n_out, rng, dtype=np.float64)
        affine.params["w"][...] = init(n_in, n_out, rng)
        layers += [affine, Activation(*pair)]
    return Network(layers[:-1])


def sizes(net):
    """Return the root mean squares of the activations and of their gradients, layers 1 to 10."""
    data = digits()
    outputs = net.activations(data.x_train[:300].astype(float))
    _, dout = net.loss(outputs["affine11"], data.y_train[:300])
    forward, backward = [], []
    for name, layer in reversed(list(zip(net.names, net.layers, strict=True))):
        if name.startswith("activation"):
            forward.append(np.sqrt(np.mean(outputs[name] ** 2)))
            backward.append(np.sqrt(np.mean(dout**2)))
        dout = layer.backward(dout)
    return np.array(forward[::-1]), np.array(backward[::-1])


def normal(std):
    return lambda fan_in, fan_out, rng: gaussian_init(fan_in, fan_out, std, rng)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("pair", [TANH, RELU], ids=["tanh", "relu"])
def test_too_small_weights_shrink_activations_and_gradients_but_not_to_zero(pair, seed):
    forward, backward = sizes(deep(pair, normal(0.01), seed))
    factor = 0.1 if pair is TANH else 0.1 / np.sqrt(2)
    steps = np.concatenate([forward[1:] / forward[:-1], backward[:-1] / backward[1:]])
    assert np.median(steps) == pytest.approx(factor, rel=0.1)
    assert 0 < forward[-1] < 1e-10 and 0 < backward[0] < 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_too_big_weights_saturate_tanh_but_its_gradients_explode(seed):
    net = deep(TANH, normal(1.0), seed)
    _, backward = sizes(net)
    out = net.activations(digits().x_train[:300].astype(float))["activation10"]
    assert np.mean(np.abs(out) > 0.99) > 0.7
    assert backward[0] > 500 * backward[-1]
    assert (backward[:-1] > backward[1:]).all()  # larger in every layer on the way back


def test_the_gradient_of_a_saturated_tanh_layer_grows_with_the_weights():
    """E[slope²] falls like 1/σ but is multiplied by σ²: the product grows without bound."""
    z = torch.randn(200_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    growth = []
    for sigma in (1.0, 4.0, 16.0):  # standard deviation of the input of tanh, and of the sum back
        slopes = 1 - torch.tanh(sigma * z) ** 2
        growth.append(sigma**2 * (slopes**2).mean().item())
    assert growth[0] < 1 < growth[1] < growth[2]
    limit = 4 / 3 / np.sqrt(2 * np.pi) * 16.0  # ∫ sech⁴ = 4/3, times the density at 0
    assert growth[2] == pytest.approx(limit, rel=0.05)  # four standard errors


@pytest.mark.parametrize("seed", range(3))
def test_too_big_weights_make_relus_explode_by_seven_a_layer(seed):
    forward, backward = sizes(deep(RELU, normal(1.0), seed))
    steps = np.concatenate([forward[1:] / forward[:-1], backward[:-1] / backward[1:]])
    assert np.median(steps) == pytest.approx(np.sqrt(50), rel=0.15)


@pytest.mark.parametrize("seed", range(3))
def test_just_right_keeps_both_directions(seed):
    for pair, init in ((TANH, xavier_init), (RELU, kaiming_init)):
        for size in sizes(deep(pair, init, seed)):
            assert 1 / 4 < size[-1] / size[0] < 4


def test_xavier_and_relu_lose_the_root_of_two_in_every_layer():
    ratios = []
    for seed in range(8):
        forward, _ = sizes(deep(RELU, xavier_init, seed))
        ratios.append(forward[-1] / forward[0])
    assert np.median(ratios) == pytest.approx(2**-4.5, rel=0.3)


@pytest.mark.parametrize("seed", range(2))
def test_relu_learns_from_kaimings_weights_and_hardly_from_the_others(seed):
    final = {}
    for name, init in {
        "small": normal(0.01),
        "xavier": xavier_init,
        "kaiming": kaiming_init,
    }.items():
        history = fit(
            deep(RELU, init, seed), digits(), steps=200, batch_size=64, learning_rate=0.05,
            rng=np.random.default_rng(seed), progress=False,
        )  # fmt: skip
        final[name] = history.val_accuracy[-1]
    assert final["small"] < 0.2 and final["kaiming"] > 0.8
    assert final["kaiming"] > final["xavier"] + 0.2


def test_pytorchs_linear_layer_starts_at_a_third_of_xaviers_variance():
    torch.manual_seed(0)
    weight = torch.nn.Linear(400, 500).weight
    assert weight.abs().max() <= 1 / 20
    assert weight.var().item() == pytest.approx(1 / 3 / 400, rel=0.02)  # ten standard errors
