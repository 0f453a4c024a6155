"""Second-order methods against closed forms, SciPy and autograd, in NumPy and in PyTorch."""

import re

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given
from hypothesis import strategies as st
from implementations import Implementation, relative_difference

from cs231n_lib.data import digits
from cs231n_lib.descent import Trial, descend, strong_wolfe
from cs231n_lib.second_order import in_numpy, in_torch, tuned

IMPLEMENTATIONS = [
    Implementation("numpy", in_numpy),
    Implementation("torch", in_torch, tensors=True),
]
every_implementation = pytest.mark.parametrize("impl", IMPLEMENTATIONS, ids=lambda i: i.name)
EXACT = 1e-10  # relative, in float64; conditions here stay below 1e3
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture
def rng():
    return np.random.default_rng(53)


def symmetric(rng, eigenvalues):
    """Return a symmetric matrix with these eigenvalues."""
    Q = np.linalg.qr(rng.normal(size=(len(eigenvalues),) * 2))[0]
    H = (Q * np.asarray(eigenvalues)) @ Q.T
    return (H + H.T) / 2


def bowl(rng, D):
    return symmetric(rng, rng.uniform(0.3, 4, D))


def pairs_of(rng, m, H):
    """Return S and Y (m, D) of random steps on the quadratic with Hessian H."""
    S = rng.normal(size=(m, len(H)))
    return S, S @ H


def exact_search(H):
    """Return a line search that goes to the minimum of a quadratic with Hessian H."""

    def search(f, w, loss, dw, p, step):
        step = float(-(dw @ p) / (p @ H @ p))
        next_loss, next_dw = f(w + step * p)
        return Trial(step, float(next_loss), float(next_dw @ p), next_dw), 1

    return search


def quadratic(H, centre):
    return lambda w: (0.5 * (w - centre) @ H @ (w - centre), H @ (w - centre))


# ---------------------------------------------------------------------------- Taylor models


@every_implementation
@given(seed=seeds, N=st.integers(1, 4), D=st.integers(1, 5))
def test_a_quadratic_is_its_own_second_order_model(impl, seed, N, D):
    rng = np.random.default_rng(seed)
    H, centre, w0 = symmetric(rng, rng.uniform(-3, 3, D)), *rng.normal(size=(2, D))
    f = quadratic(H, centre)
    w = rng.normal(size=(N, D))
    _, second = impl.taylor_model(w, w0, *f(w0), H)
    expected = [f(point)[0] for point in w]
    np.testing.assert_allclose(second, expected, rtol=1e-9, atol=1e-11)


@every_implementation
def test_models_err_by_the_next_power_of_the_distance(impl, rng):
    """Ten times nearer: the first-order model errs 100 times less, the second-order one 1,000."""

    def f(w):
        return torch.exp(w[0] * 0.7 - w[1]) + torch.sin(w[0] * w[1])

    w0 = torch.from_numpy(rng.normal(size=2))
    dw = torch.autograd.functional.jacobian(f, w0).numpy()
    H = torch.autograd.functional.hessian(f, w0).numpy()
    d = np.array([0.6, 0.8])
    errors = []
    for distance in (1e-2, 1e-3):
        w = w0.numpy() + distance * d
        models = impl.taylor_model(w[None], w0.numpy(), float(f(w0)), dw, H)
        errors.append([abs(float(f(torch.from_numpy(w))) - model[0]) for model in models])
    ratios = np.array(errors[0]) / errors[1]
    np.testing.assert_allclose(ratios, [100, 1000], rtol=0.2)  # the powers after the next


# ---------------------------------------------------------------------------- Newton's step


@every_implementation
@given(seed=seeds, D=st.integers(1, 6))
def test_newton_reaches_the_critical_point_of_a_quadratic_in_one_step(impl, seed, D):
    """A minimum, a maximum or a saddle: it makes no difference to it."""
    rng = np.random.default_rng(seed)
    h = rng.uniform(0.3, 4, D) * rng.choice([-1, 1], D)
    H, w, centre = symmetric(rng, h), *rng.normal(size=(2, D))
    np.testing.assert_allclose(impl.newton_step(w, H @ (w - centre), H), centre, atol=1e-11)


@every_implementation
def test_damping_helps_only_past_the_most_negative_curvature(impl, rng):
    """Along the eigenvector of h = −2 the step goes uphill below λ = 2, and downhill above it."""
    h = np.array([-2.0, 1.0, 3.0])
    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    H, w = (Q * h) @ Q.T, rng.normal(size=3)
    dw = H @ w
    for damping, uphill in ((0.0, True), (1.0, True), (1.99, True), (2.01, False), (5.0, False)):
        step = impl.newton_step(w, dw, H, damping) - w
        assert ((Q[:, 0] @ step) * (Q[:, 0] @ dw) > 0) is np.bool_(uphill)
        expected = -(Q.T @ dw) / (h + damping)
        np.testing.assert_allclose(Q.T @ step, expected, rtol=1e-9)


@every_implementation
def test_newton_ends_at_a_saddle_and_the_saddle_free_step_leaves_it(impl):
    """On w₀² − w₁² + w₁⁴ with a saddle at 0 and minima at w₁ = ±√½."""

    def derivatives(w):
        dw = np.array([2 * w[0], -2 * w[1] + 4 * w[1] ** 3])
        return dw, np.diag([2.0, -2 + 12 * w[1] ** 2])

    ends = {}
    for name in ("newton_step", "saddle_free_step"):
        w = np.array([0.4, 0.1])
        for _ in range(30):
            w = getattr(impl, name)(w, *derivatives(w))
        ends[name] = w
    np.testing.assert_allclose(ends["newton_step"], [0, 0], atol=1e-12)
    np.testing.assert_allclose(ends["saddle_free_step"], [0, np.sqrt(0.5)], atol=1e-12)


@every_implementation
@given(seed=seeds, D=st.integers(1, 6), damping=st.floats(0, 10))
def test_the_saddle_free_step_is_newtons_where_the_curvature_is_positive(impl, seed, D, damping):
    rng = np.random.default_rng(seed)
    H, w, dw = bowl(rng, D), *rng.normal(size=(2, D))
    ours, newtons = (
        getattr(impl, name)(w, dw, H, damping) for name in ("saddle_free_step", "newton_step")
    )
    np.testing.assert_allclose(ours, newtons, rtol=1e-9, atol=1e-11)
    step = impl.saddle_free_step(w, dw, H - 2.1 * np.eye(D), damping) - w
    assert step @ dw < 0  # downhill, whatever the curvatures


@every_implementation
def test_a_singular_hessian_is_an_error_unless_damped(impl):
    w, H = np.array([1.0, 2.0]), np.ones((2, 2))
    with pytest.raises((np.linalg.LinAlgError, torch.linalg.LinAlgError)):
        impl.newton_step(w, w, H)
    assert np.isfinite(impl.newton_step(w, w, H, 0.1)).all()


# ---------------------------------------------------------------------------- BFGS


@every_implementation
@given(seed=seeds, D=st.integers(1, 6))
def test_an_update_keeps_the_secant_equation_symmetry_and_positive_definiteness(impl, seed, D):
    rng = np.random.default_rng(seed)
    M, s = bowl(rng, D), rng.normal(size=D)
    y = bowl(rng, D) @ s
    M_next = impl.bfgs_update(M, s, y)
    np.testing.assert_allclose(M_next @ y, s, rtol=1e-8, atol=1e-11)
    np.testing.assert_array_equal(M_next, M_next.T)
    assert np.linalg.eigvalsh(M_next).min() > 0


@every_implementation
def test_an_update_is_the_inverse_of_the_hessians_update_and_of_rank_two(impl, rng):
    M, H = bowl(rng, 6), bowl(rng, 6)
    s = rng.normal(size=6)
    y = H @ s
    B = np.linalg.inv(M)
    B_next = B + np.outer(y, y) / (y @ s) - np.outer(B @ s, B @ s) / (s @ B @ s)
    M_next = impl.bfgs_update(M, s, y)
    assert relative_difference(M_next, np.linalg.inv(B_next)) < EXACT
    assert np.linalg.matrix_rank(M_next - M, tol=1e-10) == 2


@every_implementation
def test_pairs_without_positive_curvature_change_nothing(impl, rng):
    M, s = bowl(rng, 3), np.array([1.0, 2.0, 0.0])
    for y in (-s, np.array([2.0, -1.0, 5.0]), 0 * s):
        M_next = impl.bfgs_update(M, s, y)
        np.testing.assert_array_equal(M_next, M)
        assert M_next is not M


@every_implementation
@pytest.mark.parametrize("D", [2, 5, 8])
def test_bfgs_finds_the_inverse_hessian_of_a_quadratic_in_d_exact_steps(impl, rng, D):
    """With exact line searches the directions are conjugate: D steps reach the minimum and M is
    the inverse Hessian, whatever it was at the start."""
    H, w = symmetric(rng, np.geomspace(0.5, 20, D)), rng.normal(size=D)
    M, dw = np.eye(D), H @ w
    for _ in range(D):
        p = -(M @ dw)
        s = p * -(dw @ p) / (p @ H @ p)
        M = impl.bfgs_update(M, s, H @ s)
        w, dw = w + s, dw + H @ s
    assert np.abs(dw).max() < 1e-9
    assert relative_difference(M, np.linalg.inv(H)) < 1e-7  # rounding grows with the condition


@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
@pytest.mark.parametrize("D", [3, 7])
def test_with_exact_line_search_a_quadratic_takes_d_steps(rng, method, D):
    H, centre = symmetric(rng, np.geomspace(1, 50, D)), rng.normal(size=D)
    minimize = getattr(in_numpy, method)
    found = minimize(quadratic(H, centre), np.zeros(D), line_search=exact_search(H))
    assert found.reason == "flat" and found.steps <= D
    np.testing.assert_allclose(found.w, centre, atol=1e-6)


# ---------------------------------------------------------------------------- L-BFGS


@every_implementation
@given(seed=seeds, m=st.integers(0, 6), D=st.integers(1, 6))
def test_two_loops_are_the_product_with_the_matrix_of_bfgs(impl, seed, m, D):
    rng = np.random.default_rng(seed)
    S, Y = pairs_of(rng, m, bowl(rng, D))
    dw = rng.normal(size=D)
    M = np.eye(D)
    if m:
        M *= (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])
    for s, y in zip(S, Y, strict=True):
        M = impl.bfgs_update(M, s, y)
    p = impl.lbfgs_direction(dw, S, Y)
    # cancellation in the loops grows with the size of M, which steps that are alike make large
    np.testing.assert_allclose(p, -(M @ dw), rtol=1e-7, atol=1e-9 * np.abs(M).max())
    assert p @ dw < 0


@every_implementation
def test_a_history_may_be_a_list_of_vectors(impl, rng):
    S, Y = pairs_of(rng, 3, bowl(rng, 4))
    dw = rng.normal(size=4)
    rows = [[impl.inward(row) for row in rows] for rows in (S, Y)]
    p = impl.lbfgs_direction(dw, *rows)
    np.testing.assert_array_equal(p, impl.lbfgs_direction(dw, S, Y))


@every_implementation
@given(seed=seeds, m=st.integers(0, 7), size=st.integers(1, 5), D=st.integers(3, 6))
def test_the_tuned_memory_gives_the_direction_of_its_last_pairs(impl, seed, m, size, D):
    """Also after the oldest pairs were replaced, and after everything was forgotten once."""
    rng = np.random.default_rng(seed)
    S, Y = pairs_of(rng, m, bowl(rng, D))
    dw = rng.normal(size=D)
    memory = tuned.Memory(size)
    memory.learn(*(impl.inward(a) for a in rng.random((2, D))))
    memory.forget()
    for s, y in zip(S, Y, strict=True):
        memory.learn(impl.inward(s), impl.inward(y))
        memory.learn(impl.inward(s), impl.inward(-y))  # no positive curvature: nothing to learn
    before = dw.copy()
    p = memory.direction(impl.inward(dw))
    expected = in_numpy.lbfgs_direction(dw, S[-size:], Y[-size:])
    # products of products: steps that are alike cancel, and M is large then
    np.testing.assert_allclose(p, expected, rtol=1e-6, atol=1e-8 * max(1, np.abs(expected).max()))
    np.testing.assert_array_equal(dw, before)


def test_the_tuned_memory_minimizes_like_the_readable_form():
    (f, start), tolerance = PROBLEMS["Rosenbrock, 10"]
    memory = tuned.Memory(10)
    ours = descend(f, start, memory.direction, memory.learn, memory.forget, 500, tolerance)
    readable = in_numpy.lbfgs(f, start, 10, 500, tolerance)
    assert ours.reason == readable.reason == "flat"
    assert ours.steps == pytest.approx(readable.steps, rel=0.1)  # rounding parts them, late


def rosenbrock(D):
    """Return SciPy's Rosenbrock function with its gradient, and the usual start."""
    start = np.where(np.arange(D) % 2, 1.0, -1.2)
    return lambda w: (scipy.optimize.rosen(w), scipy.optimize.rosen_der(w)), start


def softmax_regression(reg=1e-3):
    """Return the full-batch loss on digits, with L2, as a function of all weights, and zeros."""
    data = digits()
    x, y = data.x_train.astype(float), data.y_train
    N, C = len(x), len(data.classes)
    X = np.concatenate([x, np.ones((N, 1))], axis=1)

    def f(w):
        scores = X @ w.reshape(-1, C)
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores)
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(N), y]).mean() + reg * w @ w
        p[np.arange(N), y] -= 1
        return loss, (X.T @ p / N).ravel() + 2 * reg * w

    return f, np.zeros(X.shape[1] * C)


def ill_conditioned(seed, D=10):
    rng = np.random.default_rng(seed)
    return quadratic(symmetric(rng, np.geomspace(1, 1e6, D)), rng.normal(size=D)), np.zeros(D)


PROBLEMS = {  # (f, start), tolerance of the gradient
    "Rosenbrock, 2": (rosenbrock(2), 1e-5),
    "Rosenbrock, 10": (rosenbrock(10), 1e-5),
    "Rosenbrock, 30": (rosenbrock(30), 1e-5),
    "condition 1e6": (ill_conditioned(0), 1e-3),
    "softmax regression": (softmax_regression(), 1e-5),
}


STARTS = 21


@pytest.mark.parametrize("problem", PROBLEMS)
def test_lbfgs_reaches_scipys_optimum_with_at_most_13_tenths_of_its_evaluations(problem):
    """In the median of many starts: rounding alone moves one count by a factor of up to two."""
    (f, usual), tolerance = PROBLEMS[problem]
    rng, ratios = np.random.default_rng(0), []
    for start in usual + 0.1 * rng.normal(size=(STARTS, usual.size)):
        theirs = scipy.optimize.minimize(
            f, start, jac=True, method="L-BFGS-B",
            options={"maxcor": 10, "gtol": tolerance, "ftol": 0, "maxiter": 10**4, "maxfun": 10**4},
        )  # fmt: skip
        ours = in_numpy.lbfgs(f, start, max_steps=10_000, tolerance=tolerance)
        assert theirs.success and ours.reason == "flat"
        assert ours.losses[-1] == pytest.approx(theirs.fun, rel=1e-6, abs=1e-6)
        ratios.append(ours.evaluations / theirs.nfev)
    assert np.median(ratios) <= 1.3


@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
def test_both_methods_reach_the_minimum_in_both_frameworks(method):
    f, start = rosenbrock(4)

    def in_tensors(w):
        loss, dw = f(w.numpy())
        return torch.tensor(loss), torch.from_numpy(dw)

    ours = getattr(in_numpy, method)(f, start)
    tensors = getattr(in_torch, method)(in_tensors, torch.from_numpy(start))
    for found in (ours, tensors):
        assert found.reason == "flat"
        np.testing.assert_allclose(found.w, np.ones(4), atol=1e-5)
        assert (np.diff(found.losses) < 0).all()
    assert (ours.steps, ours.evaluations) == (tensors.steps, tensors.evaluations)
    np.testing.assert_array_equal(start, rosenbrock(4)[1])


def test_lbfgs_works_in_single_precision_and_keeps_it():
    H = np.diag([1.0, 30.0]).astype(np.float32)
    start = np.array([3.0, -2.0], dtype=np.float32)
    found = in_numpy.lbfgs(lambda w: (0.5 * w @ H @ w, H @ w), start, tolerance=1e-4)
    assert found.reason == "flat" and found.w.dtype == np.float32


def test_a_bad_pair_is_not_kept_by_lbfgs():
    """Along a concave stretch the gradient falls; the next direction must go downhill still."""

    def f(w):  # a maximum at 0, minima at ±√2: concave between −√⅔ and √⅔
        return 0.25 * w @ w**3 - w @ w, w**3 - 2 * w

    seen = []

    def first_step_short(g, w, loss, dw, p, step):
        seen.append(float(dw @ p))
        if len(seen) > 1:
            return strong_wolfe(g, w, loss, dw, p, step)
        next_loss, next_dw = g(w + 0.1 * p)
        assert (next_dw - dw) @ p < 0, "the pair has negative curvature"
        return Trial(0.1, float(next_loss), float(next_dw @ p), next_dw), 1

    for method in (in_numpy.bfgs, in_numpy.lbfgs):
        seen.clear()
        found = method(f, np.array([0.1]), line_search=first_step_short)
        assert found.reason == "flat" and all(slope < 0 for slope in seen)
        np.testing.assert_allclose(abs(found.w), np.sqrt(2), rtol=1e-6)


# ---------------------------------------------------------------------------- the line search


@given(seed=seeds, step=st.floats(1e-4, 1e4))
def test_the_step_found_fulfils_both_conditions(seed, step):
    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(0.2, 3, 3)

    def f(w):  # a bent valley with a smallest value
        return float(np.log1p(a * (w[0] - c) ** 2) + b * w[1] ** 2), np.array(
            [2 * a * (w[0] - c) / (1 + a * (w[0] - c) ** 2), 2 * b * w[1]]
        )

    w = rng.normal(0, 2, 2)
    loss, dw = f(w)
    p = -dw
    trial, evaluations = strong_wolfe(f, w, loss, dw, p, step, max_evaluations=60)
    slope = dw @ p
    assert trial.loss <= loss + 1e-4 * trial.step * slope
    assert abs(trial.slope) <= 0.9 * abs(slope)
    assert trial.loss == pytest.approx(f(w + trial.step * p)[0]) and 1 <= evaluations <= 60


def test_the_line_search_survives_infinite_values():
    def f(w):
        with np.errstate(invalid="ignore", divide="ignore"):
            return -np.log(1 - w[0]) - 2 * w[0], np.array([1 / (1 - w[0]) - 2])

    trial, _ = strong_wolfe(f, np.zeros(1), *f(np.zeros(1)), np.ones(1), step=5.0)
    assert 0 < trial.step < 1 and np.isfinite(trial.loss)


def test_a_search_that_finds_nothing_says_so_and_the_descent_stops():
    def f(w):  # its gradient is wrong: it promises a fall that never comes
        return float(w @ w), -2 * w

    w = np.array([1.0, 1.0])
    trial, evaluations = strong_wolfe(f, w, *f(w), p=2 * w)
    assert trial.step == 0 and evaluations <= 20
    found = in_numpy.lbfgs(f, w)
    assert found.reason == "stuck" and found.steps == 0 and found.losses == (2.0,)


def test_a_direction_that_fails_is_forgotten_and_the_descent_starts_afresh():
    forgotten = []
    found = descend(
        lambda w: (w @ w, 2 * w), np.array([3.0]), lambda dw: +dw, lambda s, y: None,
        lambda: forgotten.append(1), max_steps=50, line_search=exact_half,
    )  # fmt: skip
    assert found.reason == "flat" and len(forgotten) >= found.steps - 1 > 5


def exact_half(f, w, loss, dw, p, step):
    """A search that goes half-way to the minimum of w²."""
    step = float(-(dw @ p) / (4 * p @ p))
    next_loss, next_dw = f(w + step * p)
    return Trial(step, float(next_loss), float(next_dw @ p), next_dw), 1


def test_a_descent_counts_and_says_why_it_ended():
    f, start = rosenbrock(3)
    calls = []

    def counted(w):
        calls.append(w)
        return f(w)

    found = in_numpy.lbfgs(counted, start, max_steps=5)
    assert found.reason == "steps" and found.steps == 5 and found.evaluations == len(calls)
    assert repr(found).startswith("Descent: 5 steps, ") and repr(found).endswith(", steps")
    assert in_numpy.lbfgs(f, np.ones(3), max_steps=0).reason == "flat"


# ---------------------------------------------------------------------------- K-FAC


def fisher(jacobians, probabilities):
    """Exact Fisher matrix of a softmax: the mean over examples and labels of ggᵀ, by autograd.

    jacobians: (N, C, P) of the scores; probabilities: (N, C).
    """
    N, C, P = jacobians.shape
    total = np.zeros((P, P))
    for J, p in zip(jacobians, probabilities, strict=True):
        for label in range(C):
            g = J.T @ (p - np.eye(C)[label])
            total += p[label] * np.outer(g, g) / N
    return total


def two_layers(rng, N):
    """Return inputs, hidden values, probabilities of a small tanh network, and its jacobians.

    The parameters are those of the first layer, weights row by row and then the bias.
    """
    sizes = (3, 4, 3)
    x = torch.from_numpy(rng.normal(size=(N, sizes[0])))
    W1, b1 = (torch.from_numpy(rng.normal(0, 0.7, s)) for s in ((3, 4), 4))
    W2 = torch.from_numpy(rng.normal(0, 0.7, (4, 3)))

    def scores(flat, row):
        W = flat.reshape(4, 4)
        return torch.tanh(row @ W[:3] + W[3]) @ W2

    flat = torch.cat([W1, b1[None]]).ravel()
    jacobians = torch.stack([torch.func.jacrev(scores)(flat, row) for row in x]).numpy()
    h = torch.tanh(x @ W1 + b1)
    p = (h @ W2).softmax(dim=1)
    slopes = (1 - h**2).numpy()  # of the hidden values
    return x.numpy(), slopes, W2.numpy(), p.numpy(), jacobians


def all_labels(impl, x, slopes, W2, p):
    """Return A and S with the expectation over the labels taken exactly."""
    C, S = p.shape[1], 0
    for label in range(C):
        g = (p - np.eye(C)[label]) @ W2.T * slopes  # (N, hidden), by hand
        weighted = g * np.sqrt(p[:, label : label + 1])
        A, part = impl.kfac_factors(x, weighted)
        S = S + part
    return A, S


@every_implementation
def test_for_one_example_kfac_is_the_exact_fisher(impl, rng):
    x, slopes, W2, p, jacobians = two_layers(rng, 1)
    A, S = all_labels(impl, x, slopes, W2, p)
    assert relative_difference(np.kron(A, S), fisher(jacobians, p)) < EXACT


@every_implementation
def test_for_many_examples_kfac_is_an_approximation(impl, rng):
    """The mean of a product is not the product of the means. It is nearer to the Fisher matrix
    than that matrix without what lies off its diagonal."""
    distances = []
    for _ in range(5):
        x, slopes, W2, p, jacobians = two_layers(rng, 50)
        exact = fisher(jacobians, p)
        candidates = np.kron(*all_labels(impl, x, slopes, W2, p)), np.diag(np.diag(exact))
        distances.append([np.linalg.norm(c - exact) / np.linalg.norm(exact) for c in candidates])
    kfac, diagonal = np.mean(distances, axis=0)
    assert 0.05 < kfac < diagonal < 1


@every_implementation
@given(seed=seeds, N=st.integers(4, 9))
def test_for_a_linear_layer_with_squared_loss_kfac_is_the_exact_newton_step(impl, seed, N):
    """There the Fisher matrix is the Hessian, A ⊗ I: one step reaches the least squares."""
    rng = np.random.default_rng(seed)
    a, t, W, b = (rng.normal(size=shape) for shape in ((N, 2), (N, 3), (2, 3), 3))
    error = a @ W + b - t
    A, _ = impl.kfac_factors(a, error)
    pW, pb = impl.kfac_direction(a.T @ error / N, error.mean(axis=0), A, np.eye(3))
    a_bar = np.concatenate([a, np.ones((N, 1))], axis=1)
    residual = a_bar.T @ (a @ (W + pW) + b + pb - t) / N
    assert np.abs(residual).max() < 1e-8  # the normal equations


@every_implementation
@given(seed=seeds, D_in=st.integers(1, 4), D_out=st.integers(1, 4), damping=st.floats(0, 5))
def test_the_direction_solves_the_kronecker_system(impl, seed, D_in, D_out, damping):
    rng = np.random.default_rng(seed)
    A, S = bowl(rng, D_in + 1), 20 * bowl(rng, D_out)
    dW, db = rng.normal(size=(D_in, D_out)), rng.normal(size=D_out)
    pW, pb = impl.kfac_direction(dW, db, A, S, damping)
    pi = np.sqrt(np.diag(A).mean() / np.diag(S).mean())
    F = np.kron(
        A + pi * np.sqrt(damping) * np.eye(D_in + 1), S + np.sqrt(damping) / pi * np.eye(D_out)
    )
    left = F @ np.concatenate([pW.ravel(), pb])
    np.testing.assert_allclose(left, -np.concatenate([dW.ravel(), db]), rtol=1e-7, atol=1e-9)


@every_implementation
def test_labels_are_drawn_with_the_models_probabilities(impl, rng):
    """Over a fine grid of u every class gets its share."""
    scores, grid = rng.normal(0, 1.5, 4), (np.arange(10_000) + 0.5) / 10_000
    g, g_drawn = impl.kfac_output_gradients(np.tile(scores, (10_000, 1)), np.full(10_000, 2), grid)
    p = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(g_drawn.mean(axis=0), 0, atol=1e-4)  # half a step of the grid
    np.testing.assert_allclose(g[0], p - np.eye(4)[2], rtol=1e-12)
    S = g_drawn.T @ g_drawn / 10_000
    np.testing.assert_allclose(S, np.diag(p) - np.outer(p, p), atol=3e-4)


@every_implementation
def test_the_largest_u_draws_a_class_that_exists(impl):
    scores = np.tile(np.linspace(0, 1, 7), (3, 1)).astype(np.float32)
    u = np.array([0.0, 0.5, np.nextafter(np.float32(1), 0)], dtype=np.float32)
    _, g_drawn = impl.kfac_output_gradients(scores, np.zeros(3, int), u)
    assert g_drawn[0, 0] < 0 and g_drawn[2, 6] < 0


# ---------------------------------------------------------------------------- every function


def calls(rng, D=4):
    """Return {function: arguments} with generic arrays."""
    w, dw, s = rng.normal(size=(3, D))
    H = bowl(rng, D)
    S, Y = pairs_of(rng, 3, H)
    layer = rng.normal(size=(3, 2)), rng.normal(size=2), bowl(rng, D), bowl(rng, 2)
    return {
        "taylor_model": (rng.normal(size=(5, D)), w, 1.5, dw, H),
        "newton_step": (w, dw, H, 0.3),
        "saddle_free_step": (w, dw, H - np.eye(D), 0.3),
        "bfgs_update": (H, s, H @ s),
        "lbfgs_direction": (dw, S, Y),
        "kfac_output_gradients": (
            rng.normal(size=(5, 3)),
            np.array([0, 2, 1, 1, 0]),
            rng.random(5),
        ),
        "kfac_factors": (rng.normal(size=(6, 3)), rng.normal(size=(6, 2))),
        "kfac_direction": (*layer, 0.3),
    }


FUNCTIONS = list(calls(np.random.default_rng(0)))
every_function = pytest.mark.parametrize("function", FUNCTIONS)


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


@every_function
def test_numpy_and_torch_agree(rng, function):
    for _ in range(3):
        arguments = calls(rng)[function]
        ours, theirs = (as_tuple(getattr(i, function)(*arguments)) for i in IMPLEMENTATIONS)
        assert max(map(relative_difference, ours, theirs)) < EXACT


@every_implementation
@every_function
def test_inputs_stay_and_the_dtype_follows_them(impl, rng, function):
    arguments = calls(rng)[function]
    for dtype in (np.float32, np.float64):
        cast = [
            a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
            for a in arguments
        ]
        before = [np.copy(a) for a in cast]
        results = as_tuple(getattr(impl, function)(*cast))
        assert all(result.dtype == dtype for result in results)
        for a, copy in zip(cast, before, strict=True):
            np.testing.assert_array_equal(a, copy)


@every_implementation
@every_function
def test_views_give_what_copies_give(impl, rng, function):
    """Every other element of a larger array, as callers pass them."""
    arguments = calls(rng)[function]
    views = []
    for a in arguments:
        if isinstance(a, np.ndarray) and a.dtype.kind == "f":
            wide = np.repeat(a, 2, axis=-1)
            a = wide[..., ::2]
            assert not a.flags.contiguous or a.size < 2
        views.append(a)
    for a, b in zip(
        *(as_tuple(getattr(impl, function)(*x)) for x in (arguments, views)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


@every_implementation
@pytest.mark.parametrize(
    ("function", "position", "bad", "message"),
    [
        ("newton_step", 0, np.ones(3), "newton_step: dw must have shape (D,) with D = 3 as in w"),
        ("newton_step", 2, np.ones((4, 3)), "newton_step: H must have shape (D, D) with D = 4"),
        ("newton_step", 0, np.arange(4), "newton_step: w must hold floats"),
        ("newton_step", 3, -1.0, "newton_step: damping must be at least 0, got -1.0"),
        ("newton_step", 3, float("nan"), "newton_step: damping must be at least 0, got nan"),
        ("saddle_free_step", 3, True, "saddle_free_step: damping must be a number"),
        ("taylor_model", 0, np.ones(4), "taylor_model: w must have shape (N, D)"),
        ("bfgs_update", 1, np.ones(2), "bfgs_update: s must have shape (D,) with D = 4 as in M"),
        ("lbfgs_direction", 1, np.ones((2, 4)), "lbfgs_direction: Y must hold m = 2 vectors"),
        ("lbfgs_direction", 2, np.ones((3, 2)), "lbfgs_direction: Y[0] must have shape (D,)"),
        ("lbfgs_direction", 1, 3.0, "lbfgs_direction: S must hold vectors, (m, D), got float"),
        ("kfac_output_gradients", 2, np.ones(2), "kfac_output_gradients: u must have shape (N,)"),
        ("kfac_factors", 1, np.ones((5, 2)), "kfac_factors: g must have shape (N, D_out) with"),
        ("kfac_direction", 3, np.ones((3, 3)), "kfac_direction: S must have shape (D_out, D_out)"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_a_message(impl, rng, function, position, bad, message):
    arguments = list(calls(rng)[function])
    arguments[position] = bad
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        getattr(impl, function)(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"memory": 0}, "lbfgs: memory must be a whole number of at least 1, got 0"),
        ({"max_steps": 1.5}, "lbfgs: max_steps must be a whole number of at least 0, got 1.5"),
        ({"tolerance": -1e-6}, "lbfgs: tolerance must be at least 0, got -1e-06"),
    ],
)
def test_settings_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        in_numpy.lbfgs(*rosenbrock(2), **arguments)


def test_a_search_along_an_ascent_is_refused():
    f, w = rosenbrock(2)
    loss, dw = f(w)
    with pytest.raises(ValueError, match="p must go downhill, but the slope dw @ p is"):
        strong_wolfe(f, w, loss, dw, dw)


@pytest.mark.gpu
@every_function
def test_on_a_gpu_the_result_stays_there(rng, function):
    arguments = [
        torch.from_numpy(a).cuda() if isinstance(a, np.ndarray) else a for a in calls(rng)[function]
    ]
    results = as_tuple(getattr(in_torch, function)(*arguments))
    expected = as_tuple(
        getattr(IMPLEMENTATIONS[1], function)(*calls(np.random.default_rng(53))[function])
    )
    for result, on_cpu in zip(results, expected, strict=True):
        assert result.is_cuda
        assert relative_difference(result.cpu().numpy(), on_cpu) < EXACT


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1.0}, "LBFGS: lr must be at least 0, got -1"),
        ({"memory": 0}, "LBFGS: memory must be a whole number of at least 1, got 0"),
        ({"params": [{"params": []}, {"params": []}]}, "LBFGS: all parameters are one vector"),
    ],
)
def test_settings_of_lbfgs_are_looked_at(settings, message):
    with pytest.raises(ValueError, match=message):
        in_torch.LBFGS(**({"params": [torch.zeros(2, requires_grad=True)]} | settings))


def test_a_parameter_without_a_gradient_stays_where_it_is():
    w, idle = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizer, alone = in_torch.LBFGS([w, idle], lr=0.25), torch.nn.Parameter(torch.ones(3))
    other = in_torch.LBFGS([alone], lr=0.25)

    def closure(parameter):
        parameter.grad = None
        loss = (parameter**4).sum()
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(lambda: closure(w))
        other.step(lambda: closure(alone))
    assert (idle == 1).all() and torch.equal(w, alone) and (w.abs() < 1).all()
