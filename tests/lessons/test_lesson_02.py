"""What lesson 02 claims, and what `docs/lecture_errata.md` says about its slides."""

import ast
import itertools

import numpy as np
import pytest

from autograder.lessons.lesson import SRC, find_lesson
from cs231n_lib.data import digits
from cs231n_lib.layers.network import Affine, Network, Normalization, ReLU
from cs231n_lib.normalization.in_numpy import (
    batchnorm_backward,
    batchnorm_forward,
    debias_running,
    effective_learning_rate,
    fold_batchnorm,
    spatial_batchnorm_forward,
)
from cs231n_lib.train import fit

PAIR = batchnorm_forward, batchnorm_backward
SOURCE = SRC / "02_batch_normalization.py"


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def normalized(x, eps=0.0):
    """Standardize x in train mode, with gamma 1 and beta 0."""
    D = x.shape[1]
    return batchnorm_forward(x, np.ones(D), np.zeros(D), {"mode": "train", "eps": eps})


def gradient_of_x(x, dout, eps=0.0):
    return batchnorm_backward(dout, normalized(x, eps)[1])[0]


def deep_net(seed, scale, pair=PAIR, eps=1e-5):
    """Return three hidden layers of 16 units, in float64."""
    rng = np.random.default_rng(seed)
    layers = []
    for n_in in (64, 16, 16):
        layers.append(Affine(n_in, 16, rng, scale, dtype=np.float64))
        if pair is not None:
            layers.append(Normalization(*pair, 16, dtype=np.float64, eps=eps))
        layers.append(ReLU())
    return Network([*layers, Affine(16, 10, rng, dtype=np.float64)])


# ---------------------------------------------------------------------------- the lecture's words


def test_a_batch_of_one_is_mapped_to_beta(rng):
    beta = rng.normal(size=3)
    outs = [batchnorm_forward(rng.normal(size=(1, 3)), np.ones(3), beta, {})[0] for _ in range(4)]
    assert np.array_equal(np.concatenate(outs), np.tile(beta, (4, 1)))


def test_in_train_mode_an_output_depends_on_its_company(rng):
    x, company = rng.normal(size=(1, 3)), rng.normal(size=(2, 4, 3))
    first, second = (normalized(np.concatenate([x, others]))[0][0] for others in company)
    assert np.abs(first - second).min() > 0.01


def test_gamma_and_beta_can_undo_the_normalization(rng):
    x, eps = rng.normal(3, 2, (9, 4)), 0.5
    std = np.sqrt(x.var(axis=0) + eps)
    undone = batchnorm_forward(x, std, x.mean(axis=0), {"eps": eps})[0]
    shrunk = batchnorm_forward(x, x.std(axis=0), x.mean(axis=0), {"eps": eps})[0]
    np.testing.assert_allclose(undone, x, rtol=1e-12)
    np.testing.assert_allclose(shrunk.std(axis=0) / x.std(axis=0), x.std(axis=0) / std, rtol=1e-12)


@pytest.mark.parametrize("N", [2, 3, 4])
def test_the_mean_variance_of_batches_is_too_small(rng, N):
    population = rng.normal(5, 3, 4)
    batches = np.array(list(itertools.product(population, repeat=N)))  # all of them, equally likely
    ratio = batches.var(axis=1).mean() / population.var()
    assert ratio == pytest.approx((N - 1) / N, rel=1e-12)


def test_running_statistics_forget():
    """A batch t steps ago has the weight (1 − ρ)ρᵗ in the running mean."""
    param = {"mode": "train", "momentum": 0.9}
    for step in range(8):
        batchnorm_forward(np.full((2, 1), float(step == 2)), np.ones(1), np.zeros(1), param)
    assert param["running_mean"][0] == pytest.approx(0.1 * 0.9**5, rel=1e-12)


def test_running_statistics_start_too_small():
    """Of a statistic that never changes, a share of 1 − ρᵗ is seen; the correction restores it."""
    x, param = np.array([[1.0], [5.0]]), {"mode": "train", "momentum": 0.9}
    for step in range(1, 6):
        batchnorm_forward(x, np.ones(1), np.zeros(1), param)
        for key, value in (("running_mean", 3.0), ("running_var", 4.0)):
            assert param[key][0] == pytest.approx(value * (1 - 0.9**step), rel=1e-12)
            assert debias_running(param[key], 0.9, step)[0] == pytest.approx(value, rel=1e-12)


def test_without_eps_a_constant_channel_is_nan(rng):
    x = rng.normal(size=(2, 3, 4, 5))
    x[:, 1] = 2.0
    with np.errstate(divide="ignore", invalid="ignore"):
        out, _ = spatial_batchnorm_forward(x, np.ones(3), np.zeros(3), {"eps": 0.0})
    assert np.isnan(out[:, 1]).all() and np.isfinite(out[:, [0, 2]]).all()
    out, _ = spatial_batchnorm_forward(x, np.ones(3), np.zeros(3), {"eps": 1e-5})
    assert np.abs(out[:, 1]).max() < 1e-3


def test_fixed_statistics_only_approximate_the_average_over_batches(rng):
    """The mean of an example's train-mode output over all batches is not its test-mode output."""
    population = np.array([-1.5, -0.5, 0.1, 1.9])
    param = {"mode": "test", "running_mean": population[:1] * 0, "running_var": np.ones(1)}
    param["running_mean"] += population.mean()
    param["running_var"] *= population.var()
    example = np.array([[1.9]])
    fixed = batchnorm_forward(example, np.ones(1), np.zeros(1), param)[0][0, 0]
    gaps = []
    for N in (3, 5, 7):
        company = np.array(list(itertools.product(population, repeat=N - 1))).T  # every company
        batches = np.concatenate([np.full((1, company.shape[1]), 1.9), company])
        gaps.append(abs(normalized(batches, 1e-5)[0][0].mean() - fixed))
    assert gaps[0] > gaps[1] > gaps[2] > 0.05


def test_at_batch_size_two_no_gradient_gets_through(rng):
    x, dout = rng.normal(size=(2, 2, 5))
    assert np.allclose(np.abs(normalized(x)[0]), 1, rtol=1e-12)
    assert np.abs(gradient_of_x(x, dout)).max() < 1e-12
    assert np.abs(gradient_of_x(rng.normal(size=(3, 5)), rng.normal(size=(3, 5)))).max() > 0.01


# ---------------------------------------------------------------------------- the lesson's claims


def test_doubling_the_weight_scale_multiplies_layer_l_by_two_to_the_l(rng):
    x = rng.normal(size=(30, 64))
    once, twice = (deep_net(0, scale, pair=None).activations(x) for scale in (0.1, 0.2))
    for layer in (1, 2, 3):
        ratio = twice[f"relu{layer}"].std() / once[f"relu{layer}"].std()
        assert ratio == pytest.approx(2**layer, rel=1e-9)


def test_with_dout_one_the_true_gradient_is_zero(rng):
    x = rng.normal(3, 2, (6, 4))
    assert np.abs(gradient_of_x(x, np.ones((6, 4)), eps=1e-5)).max() < 1e-12


def test_the_two_questions_that_test_the_simplified_formula(rng):
    """dx sums to zero, and so does dx·x_hat when eps is 0: shift and stretch change nothing."""
    x, dout = rng.normal(3, 2, (2, 6, 4))
    dx = gradient_of_x(x, dout)
    assert np.abs(dx).max() > 0.01
    assert np.abs(dx.sum(axis=0)).max() < 1e-12
    assert np.abs((dx * normalized(x)[0]).sum(axis=0)).max() < 1e-12


def test_the_bias_before_a_batch_norm_has_no_gradient(rng):
    net = deep_net(0, 0.2)
    _, gradients = net.loss_and_gradients(rng.normal(size=(20, 64)), rng.integers(0, 10, 20))
    for layer in (1, 2, 3):
        assert np.abs(gradients[f"affine{layer}.b"]).max() < 1e-12
        assert np.abs(gradients[f"affine{layer}.w"]).max() > 1e-4
    assert np.abs(gradients["affine4.b"]).max() > 1e-4


def test_the_gradient_is_at_right_angles_to_the_weights_and_pythagoras_holds(rng):
    net = deep_net(0, 0.2, eps=0.0)
    _, gradients = net.loss_and_gradients(rng.normal(size=(20, 64)), rng.integers(0, 10, 20))
    W, dW, rate, reg = net.params["affine2.w"], gradients["affine2.w"], 0.7, 0.05
    assert np.abs((W * dW).sum(axis=0)).max() < 1e-12
    stepped = W - rate * (dW + 2 * reg * W)
    expected = rate / (stepped**2).sum(axis=0)
    np.testing.assert_allclose(effective_learning_rate(W, dW, rate, reg), expected, rtol=1e-10)


def test_equal_effective_rates_train_through_the_same_functions(rng):
    """Weights times c and their learning rate times c² change no loss (eps = 0)."""
    x, y = rng.normal(size=(40, 64)), rng.integers(0, 10, 40)

    def losses(factor):
        net = deep_net(0, 0.2 * factor, eps=0.0)
        seen = []
        for _ in range(5):
            loss, gradients = net.loss_and_gradients(x, y)
            seen.append(loss)
            for name, w in net.params.items():
                hidden = name in ("affine1.w", "affine2.w", "affine3.w")
                w -= 0.3 * (factor**2 if hidden else 1.0) * gradients[name]
        return np.array(seen)

    np.testing.assert_allclose(losses(20.0), losses(1.0), rtol=1e-8)
    assert losses(1.0)[-1] < losses(1.0)[0] - 0.1


def test_a_folded_network_gives_the_same_scores(rng):
    net = deep_net(0, 0.2)
    for _ in range(3):
        net.scores(rng.normal(1, 2, (30, 64)))
    folded = deep_net(1, 0.2, pair=None).eval()
    for n in (1, 2, 3, 4):
        W, b = net.params[f"affine{n}.w"], net.params[f"affine{n}.b"]
        if n < 4:
            norm = net.layers[3 * n - 2]
            W, b = fold_batchnorm(W, b, norm.params["gamma"], norm.params["beta"], norm.param)
        folded.params[f"affine{n}.w"][...], folded.params[f"affine{n}.b"][...] = W, b
    x = rng.normal(size=(10, 64))
    np.testing.assert_allclose(folded.scores(x), net.eval().scores(x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_from_small_weights_only_the_normalized_network_learns(seed):
    data = digits()
    final = {}
    for name, pair in {"none": None, "batch norm": PAIR}.items():
        history = fit(
            deep_net(seed, 0.01, pair), data, steps=100, batch_size=64, learning_rate=0.1,
            rng=np.random.default_rng(seed), progress=False,
        )  # fmt: skip
        final[name] = history.val_accuracy[-1]
    assert final["none"] < 0.2 and final["batch norm"] > 0.7


# ---------------------------------------------------------------------------- the lesson as a text


def test_experiments_name_the_mode_because_code_for_the_usual_assignment_needs_it():
    calls = [node for node in ast.walk(ast.parse(SOURCE.read_text())) if isinstance(node, ast.Call)]
    literals = [
        [ast.literal_eval(key) for key in argument.keys]
        for call in calls
        if ast.unparse(call.func).endswith("batchnorm_forward")
        for argument in call.args
        if isinstance(argument, ast.Dict)
    ]
    assert len(literals) >= 4 and all("mode" in keys for keys in literals)


def test_code_that_students_read_holds_no_formula_of_an_answer():
    """Prose leaves to the student what an exercise asks for."""
    prose = "\n".join(
        cell.student for cell in find_lesson("02").cells if cell.role in ("prose", "question")
    )
    for tag in ("(BN.11)", "(BN.12)", "(BN.13)", "(BN.14)", "(BN.15)", "(BN.16)"):
        assert tag not in prose
