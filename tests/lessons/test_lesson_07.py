"""What lesson 07 claims, and what `docs/lecture_errata.md` says about its slides."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from cs231n_lib.data import digits
from cs231n_lib.layers.network import Affine, Network, ReLU
from cs231n_lib.second_order.in_numpy import (
    bfgs_update,
    kfac_output_gradients,
    lbfgs,
    lbfgs_direction,
    newton_step,
    saddle_free_step,
    taylor_model,
)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def network_loss(seed, sizes=(16, 8, 10), rows=slice(0, 400)):
    """Return f(w) -> loss, dw of a small network on coarse digits, and its first w."""
    rng, data = np.random.default_rng(seed), digits()
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [Affine(n_in, n_out, rng, dtype=float), ReLU()]
    net = Network(layers[:-1])
    images = data.x_train[rows].astype(float)
    if sizes[0] == 16:
        images = images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    start = np.concatenate([array.ravel() for array in net.params.values()])

    def f(w):
        place = 0
        for array in net.params.values():
            array[...] = w[place : place + array.size].reshape(array.shape)
            place += array.size
        loss, gradients = net.loss_and_gradients(images, data.y_train[rows])
        return loss, np.concatenate([gradients[name].ravel() for name in net.params])

    return f, start


def hessian(f, w, h=1e-5):
    columns = [(f(w + h * e)[1] - f(w - h * e)[1]) / (2 * h) for e in np.eye(len(w))]
    return (np.array(columns) + np.array(columns).T) / 2


# ---------------------------------------------------------------------------- the lecture's words


def test_the_hessian_of_a_hundred_million_parameters():
    N, petabyte = 10**8, 10**15
    assert np.dtype(float).itemsize * N**2 / petabyte == 80


def test_the_update_of_rank_one_can_lose_positive_definiteness():
    """A pair with y·s > 0, from a positive definite M: SR1 leaves it, BFGS does not."""
    M, s, y = np.eye(2), np.array([1.0, 0.0]), np.array([0.5, 3.0])
    error = s - M @ y
    rank_one = M + np.outer(error, error) / (error @ y)
    assert y @ s > 0
    np.testing.assert_allclose(rank_one @ y, s, atol=1e-12)
    assert np.linalg.eigvalsh(rank_one).min() < 0
    assert np.linalg.eigvalsh(bfgs_update(M, s, y)).min() > 0


def test_the_noise_in_a_pair_does_not_shrink_with_the_step(rng):
    """y of two batches = change along the step + difference of the batches at one point."""
    f, w = network_loss(0, rows=slice(0, 64))
    g, _ = network_loss(0, rows=slice(64, 128))
    shrinks = []
    for direction in rng.normal(size=(20, len(w))):
        steps = [length * direction / np.linalg.norm(direction) for length in (1e-1, 1e-3)]
        changes = [g(w + s)[1] - g(w)[1] for s in steps]
        noises = [g(w + s)[1] - f(w)[1] - c for s, c in zip(steps, changes, strict=True)]
        sizes, noise = np.linalg.norm(changes, axis=1), np.linalg.norm(noises, axis=1)
        assert noise[0] == pytest.approx(noise[1], rel=1e-9)
        assert noise[1] > 10 * sizes[1]  # how far above depends on the network
        shrinks.append(sizes[0] / sizes[1])
    assert np.median(shrinks) > 50  # 100 without the kinks of ReLU, which only add to a long step


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_dropout_takes_away_the_advantage_of_lbfgs(seed):
    """With noise in the loss the built-in ends at a loss that is many times larger."""
    data = digits()
    x, y = torch.from_numpy(data.x_train).double(), torch.from_numpy(data.y_train)
    ends = []
    for noise in (0.0, 0.3):
        torch.manual_seed(seed)
        model = torch.nn.Sequential(
            torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Dropout(noise),
            torch.nn.Linear(32, 10),
        ).double()  # fmt: skip
        optimizer = torch.optim.LBFGS(
            model.parameters(), max_iter=60, max_eval=60, history_size=10,
            tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe",
        )  # fmt: skip

        def closure(model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            return loss.detach()

        optimizer.step(closure)
        model.eval()
        with torch.inference_mode():
            ends.append(torch.nn.functional.cross_entropy(model(x), y).item())
    assert ends[1] > 10 * ends[0]


# ---------------------------------------------------------------------------- the lesson's claims


def test_half_the_distance_makes_the_second_order_model_eight_times_better(rng):
    f, w0 = network_loss(0, sizes=(16, 10))  # softmax regression is smooth
    loss, dw = f(w0)
    H = hessian(f, w0)
    w = w0 - np.outer([0.25, 0.5], dw / np.linalg.norm(dw))
    errors = [
        np.abs(model - [f(row)[0] for row in w]) for model in taylor_model(w, w0, loss, dw, H)
    ]
    ratios = [error[1] / error[0] for error in errors]
    np.testing.assert_allclose(ratios, [4, 8], rtol=0.15)


@pytest.mark.parametrize("condition", [10, 1000])
def test_gradient_descent_needs_steps_in_proportion_to_the_condition(condition):
    h = np.geomspace(1, condition, 10)
    w, steps = np.ones(10), 0
    while np.abs(w).max() > 1e-6:
        w, steps = w - 2 / (h.min() + h.max()) * h * w, steps + 1
    predicted = np.log(1e6) / np.log((condition + 1) / (condition - 1))
    assert steps == pytest.approx(predicted, abs=2)


def test_newton_doubles_the_right_digits(rng):
    f, w = network_loss(0, sizes=(16, 10))

    def with_l2(w):
        loss, dw = f(w)
        return loss + 1e-3 * w @ w, dw + 2e-3 * w

    sizes = []
    for _ in range(11):
        dw = with_l2(w)[1]
        sizes.append(np.abs(dw).max())
        w = newton_step(w, dw, hessian(with_l2, w))
    fast = [i for i in range(10) if 1e-6 < sizes[i] < 1e-2]
    assert fast and all(sizes[i + 1] < 100 * sizes[i] ** 2 for i in fast)
    assert sizes[-1] < 1e-12


def test_newtons_step_ignores_the_units_of_the_parameters(rng):
    """In v with w = S v it goes to the same point; gradient descent does not."""
    D = 4
    w, dw = rng.normal(size=(2, D))
    S, H = rng.normal(size=(D, D)), np.diag([1.0, 2.0, -3.0, 4.0])
    v = np.linalg.solve(S, w)
    np.testing.assert_allclose(S @ newton_step(v, S.T @ dw, S.T @ H @ S), newton_step(w, dw, H))
    assert np.abs(S @ (v - 0.1 * S.T @ dw) - (w - 0.1 * dw)).max() > 0.01


def path_on_the_saddle(step, steps=25):
    w = np.array([0.8, 0.1])
    for _ in range(steps):
        dw = np.array([w[0], -w[1] + w[1] ** 3])
        w = step(w, dw, np.diag([1.0, -1 + 3 * w[1] ** 2]))
    return w


def test_who_ends_at_the_saddle():
    """The saddle is 0, the minimum (0, 1)."""

    def damped(damping):
        return lambda w, dw, H: newton_step(w, dw, H, damping)

    for step in (newton_step, damped(0.3)):
        np.testing.assert_allclose(path_on_the_saddle(step), [0, 0], atol=1e-2)
    for step in (damped(1.5), saddle_free_step, lambda w, dw, H: w - 0.2 * dw):
        np.testing.assert_allclose(path_on_the_saddle(step), [0, 1], atol=1e-2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_network_that_has_begun_to_learn_has_many_negative_curvatures(seed):
    f, w = network_loss(seed, rows=slice(None))
    for _ in range(20):
        w = w - 0.2 * f(w)[1]
    h = np.linalg.eigvalsh(hessian(f, w))
    assert (h < -1e-6).mean() > 0.1 and h.min() < -0.01


def test_after_as_many_exact_steps_as_parameters_bfgs_knows_the_hessian(rng):
    h = np.geomspace(1, 100, 8)
    Q = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    H, w, M = (Q * h) @ Q.T, Q @ np.ones(8), np.eye(8)
    for _ in range(8):
        p = -(M @ (H @ w))
        s = p * -(w @ H @ p) / (p @ H @ p)
        M, w = bfgs_update(M, s, H @ s), w + s
    assert np.abs(M @ H - np.eye(8)).max() < 1e-6 and np.abs(w).max() < 1e-8


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_memory_pays(seed):
    f, w = network_loss(seed, sizes=(64, 32, 10), rows=slice(None))
    descents = [lbfgs(f, w, memory, max_steps=60) for memory in (1, 30)]
    few, many = (found.losses[-1] for found in descents)
    assert many < few / 10


def test_with_a_pair_of_negative_curvature_every_gradient_leads_uphill(rng):
    """One pair with y·s < 0 makes M negative definite, not only for one dw."""
    for _ in range(20):
        s, y, dw = rng.normal(size=(3, 5))
        y -= s * (y @ s + 0.5) / (s @ s)  # now y·s = −½
        assert lbfgs_direction(dw, s[None], y[None]) @ dw > 0


def test_the_empirical_fisher_matrix_vanishes_where_all_is_known_by_heart():
    y = np.array([0, 1, 2])
    scores = 20 * np.eye(3)[y]
    u = np.array([0.2, 0.5, 0.9])
    scores[0, 1] = 20  # undecided between two classes, and right by half
    g, g_drawn = kfac_output_gradients(scores, y, u)
    assert np.abs(g[1:]).max() < 1e-8 and np.abs(g_drawn[0]).max() > 0.4
