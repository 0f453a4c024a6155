"""Preprocessing: oracles, identities and awkward data, in NumPy and in PyTorch."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from implementations import Implementation, relative_difference
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from autograder.check import run
from autograder.exercises import find
from autograder.exercises.preprocessing import guarded_normalize
from cs231n_lib.preprocessing import in_numpy, in_torch

BOTH = (Implementation("numpy", in_numpy), Implementation("torch", in_torch, tensors=True))
for_both = pytest.mark.parametrize("impl", BOTH, ids=lambda impl: impl.name)
CALLS = {  # every function with the options after the data
    "zero_center": (),
    "normalize": (0.2,),
    "pca": (3,),
    "whiten": (0.2,),
}
for_every_function = pytest.mark.parametrize("function", CALLS)


def split(seed=0, n=30, m=7, d=5, dtype=np.float64):
    """Return correlated data with variances far apart, and validation data that lie elsewhere."""
    rng = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(rng.normal(size=(d, d)))
    x = rng.normal(size=(n + m, d)) * np.geomspace(0.5, 8, d) @ axes + rng.normal(0, 5, d)
    x[n:] = 1.5 * x[n:] + 2
    return x[:n].astype(dtype), x[n:].astype(dtype)


def covariance(x):
    return np.cov(x.T, bias=True)


# ---------------------------------------------------------------------------------- oracles


@for_both
def test_centring_and_scaling_are_scikit_learns(impl):
    x_train, x_val = split()
    centred, scaled = (
        StandardScaler(with_std=False).fit(x_train),
        StandardScaler().fit(x_train),
    )
    for ours, oracle in ((impl.zero_center(x_train, x_val), centred),
                         (impl.normalize(x_train, x_val, eps=0.0), scaled)):  # fmt: skip
        for out, x in zip(ours, (x_train, x_val), strict=True):
            assert relative_difference(out, oracle.transform(x)) <= 1e-12


@for_both
@pytest.mark.parametrize("k", [1, 3, 5])
def test_pca_is_scikit_learns_up_to_signs(impl, k):
    x_train, x_val = split()
    oracle = PCA(k, svd_solver="full").fit(x_train)
    z_train, z_val = impl.pca(x_train, x_val, k)
    signs = np.sign((z_train * oracle.transform(x_train)).sum(axis=0))
    assert relative_difference(z_train * signs, oracle.transform(x_train)) <= 1e-12
    assert relative_difference(z_val * signs, oracle.transform(x_val)) <= 1e-12


@for_both
@pytest.mark.parametrize("eps", [0.0, 0.5])
def test_whitening_is_the_inverse_root_of_the_covariance(impl, eps):
    x_train, x_val = split()
    root = scipy.linalg.sqrtm(covariance(x_train) + eps * np.eye(5))
    for out, x in zip(impl.whiten(x_train, x_val, eps), (x_train, x_val), strict=True):
        expected = scipy.linalg.solve(root, (x - x_train.mean(axis=0)).T).T
        assert relative_difference(out, expected) <= 1e-10


@for_both
def test_whitening_is_scikit_learns_up_to_a_rotation_and_its_unbiased_variance(impl):
    x_train, x_val = split()
    oracle = PCA(whiten=True, svd_solver="full").fit(x_train)
    unbiased = np.sqrt((len(x_train) - 1) / len(x_train))
    w_train, w_val = (unbiased * w for w in impl.whiten(x_train, x_val, 0.0))
    expected = oracle.transform(x_val) @ oracle.transform(x_train).T
    assert relative_difference(w_val @ w_train.T, expected) <= 1e-10


@for_both
@for_every_function
@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 2e-5), (np.float64, 1e-12)])
def test_both_libraries_agree_and_keep_the_dtype(impl, function, dtype, bound):
    x_train, x_val = split(seed=3, dtype=dtype)
    options = CALLS[function]
    ours = getattr(impl, function)(x_train, x_val, *options)
    exact = getattr(in_numpy, function)(
        x_train.astype(np.float64), x_val.astype(np.float64), *options
    )
    assert [out.dtype for out in ours] == [dtype, dtype]
    signs = np.sign((ours[0] * exact[0]).sum(axis=0)) if function == "pca" else 1
    for a, b in zip(ours, exact, strict=True):
        assert relative_difference(a * signs, b) <= bound


# ---------------------------------------------------------------------------------- what they make


@for_both
@given(
    n=st.integers(2, 40),
    d=st.integers(1, 8),
    single=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=30)
def test_covariances_on_every_shape(impl, n, d, single, seed):
    """Features become standard, coordinates uncorrelated, white data the identity, but for eps."""
    dtype, bound = (np.float32, 1e-3) if single else (np.float64, 1e-9)
    x_train, x_val = split(seed, n, 3, d, dtype)
    eps, before = 0.5, covariance(x_train.astype(float)).reshape(d, d)
    normalized, _ = impl.normalize(x_train, x_val, eps)
    np.testing.assert_allclose(normalized.mean(axis=0), 0, atol=10 * bound)
    variance = before.diagonal()
    np.testing.assert_allclose(normalized.var(axis=0), variance / (variance + eps), atol=bound)
    z_train, _ = impl.pca(x_train, x_val, d)
    scale = before.trace() + 1
    after = covariance(z_train.astype(float)).reshape(d, d)
    spectrum = np.sort(np.linalg.eigvalsh(before))[::-1]
    np.testing.assert_allclose(after, np.diag(spectrum), atol=bound * scale)
    white, _ = impl.whiten(x_train, x_val, eps)
    values = np.linalg.eigvalsh(covariance(white.astype(float)).reshape(d, d))
    expected = np.sort(spectrum.clip(0) / (spectrum.clip(0) + eps))
    np.testing.assert_allclose(values, expected, atol=bound)


@for_both
def test_pca_with_all_directions_keeps_every_distance(impl):
    x_train, x_val = split()
    z_train, z_val = impl.pca(x_train, x_val, 5)
    before = np.linalg.norm(x_train[:, None] - x_val, axis=2)
    assert relative_difference(np.linalg.norm(z_train[:, None] - z_val, axis=2), before) <= 1e-12


@for_both
def test_the_first_directions_lose_least(impl):
    """What k directions leave over is the sum of the other variances (Eckart and Young)."""
    x_train, x_val = split()
    z_train, _ = impl.pca(x_train, x_val, 2)
    spectrum = np.sort(np.linalg.eigvalsh(covariance(x_train)))[::-1]
    assert (z_train**2).mean(axis=0) == pytest.approx(spectrum[:2], rel=1e-10)


@for_both
def test_statistics_come_from_the_training_data_alone(impl):
    x_train, x_val = split()
    for function, options in CALLS.items():
        once = getattr(impl, function)(x_train, x_val, *options)
        other = getattr(impl, function)(x_train, 3 * x_val[:2] + 1, *options)
        np.testing.assert_array_equal(once[0], other[0])
        alone = getattr(impl, function)(x_train, x_val[2:3], *options)[1]
        assert relative_difference(alone, once[1][2:3]) <= 1e-12, "an example has no company"
        same = getattr(impl, function)(x_train, x_train.copy(), *options)
        assert relative_difference(same[1], same[0]) <= 1e-12


@for_both
def test_normalizing_ignores_the_units_of_the_features(impl):
    x_train, x_val = split()
    units, origin = np.array([1e-3, 2.0, 50.0, 1e4, 0.3]), np.array([1.0, -50.0, 3.0, 0.0, 7.0])
    plain = impl.normalize(x_train, x_val, 0.0)
    moved = impl.normalize(x_train * units + origin, x_val * units + origin, 0.0)
    for a, b in zip(moved, plain, strict=True):
        assert relative_difference(a, b) <= 1e-8  # 1e-3 · x beside 1.0 has lost four digits


@for_both
def test_whitening_undoes_every_invertible_mixing_up_to_a_rotation(impl):
    x_train, x_val = split()
    mixing = np.random.default_rng(8).normal(size=(5, 5)) + 3 * np.eye(5)
    plain, mixed = (
        impl.whiten(x_train, x_val, 0.0),
        impl.whiten(x_train @ mixing, x_val @ mixing, 0.0),
    )
    assert relative_difference(mixed[1] @ mixed[0].T, plain[1] @ plain[0].T) <= 1e-9


# ---------------------------------------------------------------------------------- awkward data


def constant_feature(x_train, x_val):
    x_train[:, 1], x_val[:, 1] = 3.7, 3.8
    return x_train, x_val


AWKWARD = {
    "a constant feature": lambda: constant_feature(*split()),
    "all features constant": lambda: (np.full((6, 4), 0.1), np.full((2, 4), 0.2)),
    "one example": lambda: split(n=1),
    "fewer examples than features": lambda: split(n=3, d=6),
    "one feature": lambda: split(d=1),
    "the same feature twice": lambda: tuple(x[:, [0, 1, 2, 2]] for x in split()),
    "equal variance everywhere": lambda: (np.concatenate([np.eye(4), -np.eye(4)]), np.eye(4)[:2]),
}


@for_both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("data", AWKWARD.values(), ids=AWKWARD)
def test_awkward_data_stay_finite(impl, data, dtype):
    x_train, x_val = (x.astype(dtype) for x in data())
    k = min(2, x_train.shape[1])
    for function, options in {"normalize": (), "pca": (k,), "whiten": ()}.items():
        for out in getattr(impl, function)(x_train, x_val, *options):
            assert np.isfinite(out).all(), function


@for_both
def test_equal_eigenvalues_leave_white_data_determined(impl):
    """Their eigenvectors are not; the sum over a whole eigenspace is."""
    corners = np.concatenate([np.eye(4), -np.eye(4)])
    white, _ = impl.whiten(corners + 3, corners[:1], 0.0)
    np.testing.assert_allclose(white, 2 * corners, atol=1e-12)


@for_both
def test_float32_around_ten_thousand(impl):
    """The mean of N numbers near 1e4 is rounded to half a unit of the last place, 5e-4."""
    rng = np.random.default_rng(0)
    x_train, x_val = ((1e4 + rng.normal(size=(n, 3))).astype(np.float32) for n in (8, 4))
    exact = StandardScaler().fit(x_train.astype(float))
    for out, x in zip(impl.normalize(x_train, x_val, 0.0), (x_train, x_val), strict=True):
        off = np.abs(out - exact.transform(x.astype(float)))
        assert off.max() <= 8 * 5e-4 / np.sqrt(exact.var_).min()  # at most one rounding an addition


@for_both
@for_every_function
def test_inputs_are_never_changed(impl, function):
    arrays = split()
    before = [x.copy() for x in arrays]
    inner = [impl.inward(x) for x in arrays]
    results = getattr(impl.module, function)(*inner, *CALLS[function])
    for a, b in zip(inner, before, strict=True):
        np.testing.assert_array_equal(np.asarray(a), b)
    for result in map(np.asarray, results):
        assert not any(np.shares_memory(result, np.asarray(a)) for a in inner)


@pytest.mark.gpu
@for_every_function
def test_on_a_gpu(function):
    x_train, x_val = (torch.from_numpy(x) for x in split())
    options = CALLS[function]
    there = getattr(in_torch, function)(x_train.cuda(), x_val.cuda(), *options)
    here = getattr(in_torch, function)(x_train, x_val, *options)
    signs = torch.sign((there[0].cpu() * here[0]).sum(dim=0)) if function == "pca" else 1
    assert all(out.is_cuda for out in there)
    for a, b in zip(there, here, strict=True):
        assert relative_difference(a.cpu() * signs, b) <= 1e-10


# ---------------------------------------------------------------------------------- errors

X, V = np.ones((4, 3)), np.ones((2, 3))
CASES = [
    ("zero_center", (X, np.ones((2, 4))), ValueError, "x_val .* D = 3 as in x_train"),
    ("normalize", (X.astype(int), V), TypeError, "x_train must hold floats"),
    ("normalize", (X[0], V), ValueError, r"x_train must have shape \(N, D\)"),
    ("normalize", (X[:0], V), ValueError, "x_train must not be empty"),
    ("normalize", (X, V, -1e-5), ValueError, "eps must be at least 0, got -1e-05"),
    ("pca", (X, V, 0), ValueError, "k must be a whole number of at least 1, got 0"),
    ("pca", (X, V, 4), ValueError, "k must be at most D = 3, the features of x_train, got 4"),
    ("pca", (X, V, 1.5), ValueError, "k must be a whole number"),
    ("whiten", (X, V, np.nan), ValueError, "eps must be at least 0, got nan"),
    ("whiten", ([[1.0]], V), TypeError, "x_train must be .* array"),
]


@for_both
@pytest.mark.parametrize(("function", "arguments", "kind", "message"), CASES)
def test_bad_input_is_refused_by_name(impl, function, arguments, kind, message):
    with pytest.raises(kind, match=message) as caught:
        getattr(impl, function)(*arguments)
    assert str(caught.value).startswith(f"{function}: ")


# ---------------------------------------------------------------------------------- kill the bug


def test_the_separating_feature_separates():
    x = in_numpy.separating_feature()
    assert x.dtype == np.float32 and (x == x[0]).all()
    assert np.abs(guarded_normalize(x, x[:1])[0]).max() >= 0.5
    assert np.abs(in_numpy.normalize(x, x[:1])[0]).max() < 0.05


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.float32([1, 2, 3]), "must have shape"),
        (np.ones((5, 2)), "must be float32"),
        (np.full((5, 2), np.nan, np.float32), "must be finite"),
        (np.float32([[1, 2], [1, 3]]), "every feature of x_train must be constant"),
        (np.ones((500, 2), np.float32), "the guard holds on this x_train"),
        (np.full((3, 1), 0.5, np.float32), "the guard holds on these few rows"),
    ],
)
def test_an_input_that_does_not_separate_is_told_why(x, says):
    functions = {"normalize": in_numpy.normalize, "separating_feature": lambda: x}
    report = run(find("preprocessing.separating_feature"), functions)
    assert report.score == 0 and says in report.rows[0].message


# ---------------------------------------------------------------------------------- as pasted in


def assert_full_marks(exercise_id, function):
    exercise = find(exercise_id)
    report = run(exercise, {exercise.function: function})
    assert report.score == report.points and not report.misconceptions, str(report)


def test_code_in_the_style_of_the_course_notes():
    def normalize(X, X_val, eps=1e-5):
        X_val = X_val - np.mean(X, axis=0)
        std = np.sqrt(np.std(X, axis=0) ** 2 + eps)
        X = X - np.mean(X, axis=0)
        return X / std, X_val / std

    def pca(X, X_val, k):
        mean = np.mean(X, axis=0)
        X = X - mean
        cov = np.dot(X.T, X) / X.shape[0]
        U, _, _ = np.linalg.svd(cov)
        return np.dot(X, U[:, :k]), np.dot(X_val - mean, U[:, :k])

    def whiten(X, X_val, eps=1e-5):
        mean = np.mean(X, axis=0)
        X = X - mean
        U, S, _ = np.linalg.svd(np.dot(X.T, X) / X.shape[0])
        return np.dot(X, U) / np.sqrt(S + eps), np.dot(X_val - mean, U) / np.sqrt(S + eps)

    for function in (normalize, pca, whiten):
        assert_full_marks(f"preprocessing.{function.__name__}", function)


def test_the_unbiased_variance_costs_one_check():
    def normalize(x_train, x_val, eps=1e-5):
        mean, var = x_train.mean(dim=0), x_train.var(dim=0)
        return (x_train - mean) / (var + eps).sqrt(), (x_val - mean) / (var + eps).sqrt()

    exercise = find("preprocessing.torch.normalize")
    report = run(exercise, {"normalize": normalize})
    assert [row.check for row in report.rows if row.earned < row.points] == ["training data"]
    assert report.misconceptions == ("unbiased variance",)
