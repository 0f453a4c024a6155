"""What lesson 01 claims, and what `docs/lecture_errata.md` says about its slides."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from autograder.exercises.activations import slope_by_division
from autograder.exercises.preprocessing import guarded_normalize
from autograder.lessons.lesson import find_lesson
from cs231n_lib.activations import in_numpy as activations
from cs231n_lib.data import digits
from cs231n_lib.gradcheck import check_gradients
from cs231n_lib.initialization.in_numpy import gaussian_init, kaiming_init, xavier_init
from cs231n_lib.layers.in_numpy import softmax_loss
from cs231n_lib.layers.network import Activation, Affine, Network, ReLU
from cs231n_lib.preprocessing.in_numpy import normalize, pca, whiten
from cs231n_lib.search.shared import log_uniform, random_search, refine, sanity_loss
from cs231n_lib.train import fit, read_curve

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


def keeping_both(x):
    out, _ = LEAKY[0](x)
    return out, (out, x)


def test_the_slope_by_division_is_right_on_random_numbers_and_passes_a_gradient_check(rng):
    x = rng.normal(size=(6, 5))
    for seed in range(3):
        numbers, dout = np.random.default_rng(seed).normal(size=(2, 4, 3))
        out, cache = LEAKY[0](numbers)
        ours, divided = LEAKY[1](dout, cache), slope_by_division(dout, (out, numbers))
        np.testing.assert_allclose(divided, ours, rtol=1e-15)
    assert check_gradients(keeping_both, slope_by_division, {"x": x}).ok


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


# ------------------------------------------------------------------ preprocessing

DATA, EPS = digits(), 1e-2
X_TRAIN, X_VAL = normalize(DATA.x_train, DATA.x_val, EPS)
PREPARED = replace(DATA, x_train=X_TRAIN, x_val=X_VAL)


def small_net(seed, scale=None, depth=1, last_scale=0.01):
    """Return the ReLU network of parts 3 to 5 of the lesson."""
    rng = np.random.default_rng(seed)
    layers, n_in = [], 64
    for _ in range(depth):
        layers += [Affine(n_in, 32, rng, scale), ReLU()]
        n_in = 32
    return Network([*layers, Affine(n_in, 10, rng, last_scale)])


def small_run(seed, data, learning_rate, steps=300, **net):
    return fit(
        small_net(seed, **net), data, steps=steps, batch_size=64, learning_rate=learning_rate,
        rng=np.random.default_rng(seed), progress=False,
    )  # fmt: skip


def loss_after_a_move(x, W, b, y, share, rng):
    direction = rng.normal(size=W.shape)
    direction *= share * np.linalg.norm(W) / np.linalg.norm(direction)
    return softmax_loss(x @ (W + direction) + b, y)[0]


@pytest.mark.parametrize("seed", range(5))
def test_the_same_classifier_is_more_sensitive_the_further_the_data_lie_from_zero(rng, seed):
    """Rewritten for data that are moved, it has the same loss; moved weights do more to it."""
    x = rng.normal(size=(200, 6))
    W, b = rng.normal(size=(6, 4)), rng.normal(size=4)
    y = np.argmax(x @ W + b, axis=1)
    losses = []
    for moved in (0.0, 3.0, 30.0):
        at, b_there = x + moved, b - moved * W.sum(axis=0)
        assert softmax_loss(at @ W + b_there, y)[0] == pytest.approx(softmax_loss(x @ W + b, y)[0])
        directions = np.random.default_rng(seed)
        losses.append(np.median([loss_after_a_move(at, W, b_there, y, 0.3, directions)
                                 for _ in range(20)]))  # fmt: skip
    assert losses[0] < losses[1] < losses[2]


def test_images_far_from_zero_defeat_the_network_of_the_lesson():
    moved = replace(DATA, x_train=DATA.x_train + 1, x_val=DATA.x_val + 1)
    for rate in (0.1, 0.3, 1.0):
        assert small_run(0, moved, rate, steps=100).val_accuracy[-1] < 0.9
    assert small_run(0, PREPARED, 0.3, steps=100).val_accuracy[-1] > 0.9


def test_one_example_normalized_by_itself_is_zero_and_all_get_one_answer():
    net = small_net(0)
    fit(net, PREPARED, steps=100, batch_size=64, learning_rate=0.3, rng=np.random.default_rng(0),
        progress=False)  # fmt: skip
    alone = [normalize(x[None], x[None], EPS)[1] for x in DATA.x_val[:30]]
    assert not np.concatenate(alone).any()
    assert len({int(net.scores(x).argmax()) for x in alone}) == 1
    together = normalize(DATA.x_val, DATA.x_val, EPS)[1]
    by_training = net.accuracy(X_VAL, DATA.y_val)
    assert abs(net.accuracy(together, DATA.y_val) - by_training) < 0.03 < by_training - 0.8


def test_a_scaled_cloud_keeps_its_correlation_and_a_white_one_loses_it(rng):
    shared = rng.normal(size=(300, 1))
    x = 5 + shared + 0.3 * rng.normal(size=(300, 2))
    before = np.corrcoef(x.T)[0, 1]
    assert np.corrcoef(normalize(x, x, 0.0)[0].T)[0, 1] == pytest.approx(before)
    for out in (pca(x, x, 2)[0], whiten(x, x, 0.0)[0]):
        assert abs(np.corrcoef(out.T)[0, 1]) < 1e-9 < before - 0.8


def test_the_guard_fails_on_a_constant_and_eps_does_not():
    x = np.full((1000, 1), 0.1, np.float32)
    assert np.abs(guarded_normalize(x, x[:1])[0]).max() > 0.5
    assert np.abs(normalize(x, x[:1])[0]).max() < 0.05


# ------------------------------------------------------------------ babysitting


@pytest.mark.parametrize("seed", range(5))
def test_the_first_loss_is_log_c_only_for_small_last_weights(seed):
    excess = {
        scale: sanity_loss(small_net(seed, last_scale=scale).scores(X_TRAIN), DATA.y_train)
        for scale in (0.01, 1.0)
    }
    assert abs(excess[0.01]) < 0.05 and excess[1.0] > 1


def test_a_confident_guess_costs_more_than_log_c_on_average():
    """Labels that have nothing to do with the scores: the mean loss is at least log C."""
    rng = np.random.default_rng(0)
    scores = 3 * rng.normal(size=(50, 10))
    every_label = [sanity_loss(scores, np.full(50, label)) for label in range(10)]
    assert np.mean(every_label) > 1  # by Jensen's inequality it is never below 0


@pytest.mark.parametrize("seed", range(3))
def test_twenty_examples_are_learned_by_heart_unless_the_labels_are_shuffled_apart(seed):
    twenty = replace(PREPARED, x_train=X_TRAIN[:20], y_train=DATA.y_train[:20])
    order = np.random.default_rng(0)

    def broken(scores, y):
        return softmax_loss(scores, order.permutation(y))

    for loss, learns in ((softmax_loss, True), (broken, False)):
        net = Network(small_net(seed).layers, loss)
        history = fit(net, twenty, steps=200, batch_size=20, learning_rate=0.3,
                      rng=np.random.default_rng(seed), progress=False)  # fmt: skip
        assert (history.loss[-1] < 0.05) == (history.train_accuracy[-1] == 1.0) == learns


@pytest.mark.parametrize("seed", range(2))
def test_the_five_runs_are_what_they_are_called(seed):
    hundred = replace(PREPARED, x_train=X_TRAIN[:100], y_train=DATA.y_train[:100])
    small = {"scale": 0.02, "depth": 2, "last_scale": 0.02}
    assert read_curve(small_run(seed, PREPARED, 0.003)) == "learning rate too low"
    assert read_curve(small_run(seed, PREPARED, 4.0)) == "learning rate too high"
    assert read_curve(small_run(seed, PREPARED, 0.3)) == "good"
    assert read_curve(small_run(seed, hundred, 0.3)) == "gap"
    assert read_curve(small_run(seed, PREPARED, 0.3, **small)) == "plateau"


# ------------------------------------------------------------------ search


def test_evenly_drawn_values_leave_the_small_powers_of_ten_out():
    values = np.random.default_rng(0).uniform(1e-5, 1, 10_000)
    assert np.mean(values > 0.1) == pytest.approx(0.9, abs=0.02)  # six standard deviations
    assert np.mean(values < 1e-3) < 0.005
    drawn = log_uniform(1e-5, 1.0, 10_000, np.random.default_rng(0))
    assert np.mean(drawn > 0.1) == pytest.approx(0.2, abs=0.025)


def test_nine_random_trials_beat_a_grid_where_one_hyperparameter_decides():
    """A peak that is one power of ten wide, in a range of five at an unknown place."""

    def peak(rate, reg):
        return float(np.exp(-((2 * np.log10(rate)) ** 2)))

    better = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        ranges = np.array([[1e-3, 1e2], [1e-6, 1e-2]]) * 10 ** rng.uniform(-1.5, 1.5, (2, 1))
        random = random_search(peak, ranges, 9, rng)[:, 0].max()
        grid = max(peak(rate, 1e-3) for rate in np.geomspace(*ranges[0], 3))
        better.append(random - grid)
    assert np.mean(better) > 5 * np.std(better) / np.sqrt(200)


@pytest.mark.parametrize("seed", range(10))
def test_a_range_that_is_cut_off_at_its_border_never_finds_what_lies_beyond(seed):
    """The best rate is 3, the range ends at 1; a result is the ratio of a rate to the best."""
    ranges = np.array([[1e-5, 1.0]])

    def search(cut):
        rng, current, best = np.random.default_rng(seed), ranges, 0.0
        for _ in range(6):
            table = random_search(lambda rate: min(rate / 3, 3 / rate), current, 8, rng)
            best = max(best, table[:, 0].max())
            current = refine(table, current, 0.7)
            if cut:
                current = current.clip(*ranges[0])
        return best

    assert search(cut=False) > 0.5 > 1 / 3 >= search(cut=True)


def test_the_best_of_many_noisy_results_is_too_good():
    """48 trials of equal settings, each accuracy measured on 250 images."""
    rng = np.random.default_rng(0)
    best = [rng.binomial(250, 0.95, 48).max() / 250 for _ in range(200)]
    assert np.mean(best) > 0.95 + 0.02


# ------------------------------------------------------------------ the lesson as a text


def test_prose_leaves_the_answers_to_the_student():
    cells = find_lesson("01").cells
    first = next(n for n, cell in enumerate(cells) if cell.id.startswith("initialization-xavier"))
    prose = [cell.student for cell in cells[:first] if cell.role in ("prose", "setup")]
    for formula in ("(Act.8)", "(Act.10)", "(Act.13)", "(Init.2)", "1/n_"):
        assert not [text for text in prose if formula in text], formula
