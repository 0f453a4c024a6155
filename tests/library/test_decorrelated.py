"""Decorrelated batch normalization against other ways to whiten, autograd, and its identities."""

import copy

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from normalizations import READABLE, named
from sklearn.decomposition import PCA

from cs231n_lib.gradcheck import check_gradients
from cs231n_lib.normalization import by_group, in_numpy, in_torch, side_by_side, zca_kernel
from cs231n_lib.normalization.modules import DecorrelatedBatchNorm, DecorrelatedBatchNormFunction

N, D, K = 9, 6, 3


def problem(n=N, d=D, seed=0, dtype=np.float64):
    """Return x with correlated features of different means, gamma, beta and dout."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(d, d)))
    x = rng.normal(size=(n, d)) * rng.uniform(0.5, 3, d) @ rotation + rng.normal(0, 4, d)
    arrays = x, rng.uniform(0.5, 2, d), rng.normal(size=d), rng.normal(size=(n, d)) + 0.5
    return tuple(a.astype(dtype) for a in arrays)


def run(impl, arrays, **options):
    """Return out, dx, dgamma, dbeta."""
    x, gamma, beta, dout = arrays
    out, cache = impl.decorrelated_batchnorm_forward(x, gamma, beta, options)
    return out, *impl.decorrelated_batchnorm_backward(dout, cache)


def whitened(impl, x, **options):
    """Return the output for gamma 1 and beta 0."""
    d = x.shape[1]
    one, zero = np.ones(d, x.dtype), np.zeros(d, x.dtype)
    return impl.decorrelated_batchnorm_forward(x, one, zero, options)[0]


def inverse_root(matrix):
    """Return matrix^(−1/2) by the iteration of Denman & Beavers: no eigenvalues, only inverses."""
    root, inverse = matrix, torch.eye(len(matrix), dtype=matrix.dtype)
    for _ in range(40):
        root, inverse = (
            (root + torch.linalg.inv(inverse)) / 2,
            (inverse + torch.linalg.inv(root)) / 2,
        )
    return inverse


def by_autograd(arrays, size, eps):
    """Return out, dx, dgamma, dbeta with a whitening that never looks at an eigenvalue."""
    x, gamma, beta, dout = (torch.tensor(a, requires_grad=True) for a in arrays)
    x_mu, parts = x - x.mean(dim=0), []
    for part in x_mu.split(size, dim=1):
        cov = part.T @ part / len(x)
        parts.append(part @ inverse_root(cov + eps * torch.eye(size, dtype=cov.dtype)))
    out = gamma * torch.cat(parts, dim=1) + beta
    gradients = torch.autograd.grad(out, (x, gamma, beta), dout.detach())
    return [t.detach().numpy() for t in (out, *gradients)]


def assert_close(results, expected, bound):
    """Compare relative to the size of each expected array; none of them may be trivial."""
    for ours, theirs in zip(results, expected, strict=True):
        size = np.abs(theirs).max()
        assert ours.shape == theirs.shape and size > 1e-3
        assert np.abs(ours - theirs).max() <= bound * size


# ---------------------------------------------------------------------------------- oracles


@named(READABLE)
@pytest.mark.parametrize(
    ("n", "size", "eps"), [(9, 6, 0.3), (9, 3, 1e-3), (9, 1, 0.3), (4, 6, 0.3)]
)
def test_agrees_with_a_whitening_without_eigenvalues(impl, n, size, eps):
    """Output and all gradients, N < D included."""
    arrays = problem(n)
    # Denman & Beavers lose digits like the condition number of the covariance, here below 10⁴.
    assert_close(run(impl, arrays, group_size=size, eps=eps), by_autograd(arrays, size, eps), 1e-10)


@named(READABLE)
def test_is_scipys_inverse_square_root(impl):
    x, *_ = problem()
    x_mu, eps = x - x.mean(axis=0), 0.2
    root = scipy.linalg.sqrtm(x_mu.T @ x_mu / N + eps * np.eye(D))
    assert_close([whitened(impl, x, eps=eps)], [x_mu @ np.linalg.inv(root)], 1e-10)


@named(READABLE)
def test_is_scikit_learns_whitening_turned_back(impl):
    x, *_ = problem(20)
    pca = PCA(whiten=True).fit(x)
    turned = pca.transform(x) @ pca.components_ * np.sqrt(20 / 19)  # it divides by N − 1
    assert_close([whitened(impl, x, eps=0.0)], [turned], 1e-10)


@named(READABLE)
def test_backward_is_the_derivative_of_forward(impl):
    x, gamma, beta, dout = problem()
    report = check_gradients(
        impl.decorrelated_batchnorm_forward,
        impl.decorrelated_batchnorm_backward,
        {"x": x, "gamma": gamma, "beta": beta},
        {"mode": "train", "eps": 0.1, "group_size": K},
        dout=dout,
    )
    assert report.ok, report


@pytest.mark.parametrize("options", [{}, {"group_size": 2, "eps": 0.3}])
def test_gradcheck_of_the_function(options):
    tensors = [torch.tensor(a, requires_grad=True) for a in problem()[:3]]
    assert torch.autograd.gradcheck(
        lambda *args: DecorrelatedBatchNormFunction.apply(*args, dict(options)), tensors
    )


@settings(max_examples=25)
@given(
    n=st.integers(1, 7),
    groups=st.integers(1, 3),
    size=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_numpy_and_torch_agree_for_every_shape(n, groups, size, seed):
    arrays = problem(n, groups * size, seed)
    ours, theirs = (run(impl, arrays, group_size=size, eps=0.1) for impl in READABLE)
    for a, b in zip(ours, theirs, strict=True):
        # eps bounds all inverse roots by 4, so rounding grows by far less than 10⁴ here
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * max(1, np.abs(b).max()))
    assert all(np.isfinite(a).all() for a in ours)


# ---------------------------------------------------------------------------------- identities


@named(READABLE)
@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_every_group_has_covariance_one(impl, size):
    x, *_ = problem(20)
    out = whitened(impl, x, group_size=size, eps=0.0)
    assert np.abs(out.mean(axis=0)).max() <= 1e-12
    for part in np.split(out, D // size, axis=1):
        np.testing.assert_allclose(part.T @ part / 20, np.eye(size), rtol=0, atol=1e-10)


@named(READABLE)
def test_eps_shrinks_each_direction_by_its_share(impl):
    """A direction of variance λ keeps the variance λ / (λ + ε)."""
    x, *_ = problem(20)
    variances = np.linalg.eigvalsh(np.cov(whitened(impl, x, eps=0.4).T, bias=True))
    lam = np.linalg.eigvalsh(np.cov(x.T, bias=True))
    np.testing.assert_allclose(variances, lam / (lam + 0.4), rtol=1e-10)


@named(READABLE)
def test_groups_of_one_feature_are_batch_norm(impl):
    arrays = problem()
    x, gamma, beta, dout = arrays
    out, cache = impl.batchnorm_forward(x, gamma, beta, {"eps": 0.2})
    expected = out, *impl.batchnorm_backward(dout, cache)
    assert_close(run(impl, arrays, group_size=1, eps=0.2), expected, 1e-12)


@named(READABLE)
def test_groups_do_not_see_each_other(impl):
    arrays = problem()
    both = run(impl, arrays, group_size=K, eps=0.1)
    for columns in (slice(0, K), slice(K, D)):
        alone = run(impl, [a[..., columns] for a in arrays], eps=0.1)
        assert_close([a[..., columns] for a in both], alone, 1e-12)


@named(READABLE)
def test_a_rotation_of_the_features_rotates_the_output(impl):
    """Hence ZCA, unlike PCA, does not care which axes the features came in."""
    x, *_ = problem()
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(D, D)))
    turned_before = whitened(impl, x @ rotation, eps=0.1)
    assert_close([turned_before], [whitened(impl, x, eps=0.1) @ rotation], 1e-10)


@named(READABLE)
def test_shift_and_scale_of_all_features_do_not_matter(impl):
    x, *_ = problem()
    shifted = whitened(impl, 3 * x + np.arange(D), eps=0.9)
    assert_close([shifted], [whitened(impl, x, eps=0.1)], 1e-10)


@named(READABLE)
def test_any_mixing_leaves_the_distances_that_count(impl):
    """After an invertible linear map the whitened batch is the same up to a rotation."""
    x, *_ = problem(20)
    mixing = np.random.default_rng(2).normal(size=(D, D)) + 3 * np.eye(D)
    before, after = (whitened(impl, rows, eps=0.0) for rows in (x, x @ mixing))
    assert np.abs(before - after).max() > 0.1
    assert_close([after @ after.T], [before @ before.T], 1e-9)


@named(READABLE)
def test_among_all_whitened_batches_it_is_the_nearest(impl):
    """ZCA moves the centred batch least (in squares), hence the axes keep their meaning."""
    x, *_ = problem(20)
    x_mu = x - x.mean(axis=0)
    out = whitened(impl, x, eps=0.0)
    rng = np.random.default_rng(3)
    for _ in range(5):
        rotation, _ = np.linalg.qr(rng.normal(size=(D, D)))
        assert ((out - x_mu) ** 2).sum() < ((out @ rotation - x_mu) ** 2).sum()


@named(READABLE)
def test_the_gradient_is_at_right_angles_to_shifts_and_to_the_batch(impl):
    """Neither a shift nor, with eps = 0, a scale of the batch changes the output."""
    x, gamma, beta, dout = problem(20)
    _, dx, *_ = run(impl, (x, gamma, beta, dout), eps=0.0)
    assert np.abs(dx).max() > 0.01
    assert np.abs(dx.sum(axis=0)).max() <= 1e-12
    assert abs((x * dx).sum()) <= 1e-10


def test_groups_are_neighbouring_columns_and_come_back():
    x = np.arange(12.0).reshape(2, 6)
    groups = by_group(x, 3)
    assert groups.tolist() == [[[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]]]
    np.testing.assert_array_equal(side_by_side(groups), x)
    assert torch.equal(side_by_side(by_group(torch.from_numpy(x), 2)), torch.from_numpy(x))


# ---------------------------------------------------------------------------------- degenerate


def test_the_kernel_is_the_quotient_of_differences_and_its_limit():
    lam = np.array([[0.5, 2.0, 2.0, 9.0]])
    kernel = zca_kernel(np.sqrt(lam))[0]
    for i, a in enumerate(lam[0]):
        for j, b in enumerate(lam[0]):
            limit = -0.5 * a**-1.5
            quotient = limit if a == b else (a**-0.5 - b**-0.5) / (a - b)
            assert kernel[i, j] == pytest.approx(quotient, rel=1e-12)


def hadamard():
    """Return 8 rows of 6 features with covariance 4: all eigenvalues are exactly equal."""
    return 2.0 * scipy.linalg.hadamard(8)[:, 1:7] + np.arange(6)


DEGENERATE = {
    "equal eigenvalues": hadamard(),
    "nearly equal eigenvalues": hadamard() + 1e-9 * problem(8)[0],
    "a constant feature": problem(9)[0] * [1, 1, 0, 1, 1, 1],
    "a feature that is there twice": problem(9)[0][:, [0, 1, 2, 3, 4, 1]],
    "N < D": problem(3)[0],
    "one example": problem(1)[0],
    "all examples equal": np.tile(problem(1)[0], (5, 1)),
    "tiny variances": 1e-8 * problem(9)[0],
}


@named(READABLE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", DEGENERATE)
def test_a_degenerate_spectrum_gives_finite_numbers(impl, name, dtype):
    x = DEGENERATE[name]
    _, gamma, beta, dout = problem(len(x))
    results = run(impl, [a.astype(dtype) for a in (x, gamma, beta, dout)])
    assert all(np.isfinite(a).all() and a.dtype == dtype for a in results)


@named(READABLE)
@pytest.mark.parametrize("name", [name for name in DEGENERATE if name not in ("one example",)])
def test_a_degenerate_spectrum_has_the_right_gradient(impl, name):
    """Against the whitening without eigenvalues, with an eps that keeps it well-conditioned."""
    x = DEGENERATE[name]
    _, gamma, beta, dout = problem(len(x))
    arrays = x, gamma, beta, dout
    results, expected = run(impl, arrays, eps=0.3), by_autograd(arrays, D, 0.3)
    for ours, theirs in zip(results, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10 * max(1, np.abs(theirs).max()))


@named(READABLE)
def test_large_values_do_not_make_an_eigenvalue_negative(impl):
    """In float32, rounding of a covariance near 10⁸ is far larger than eps."""
    x = np.float32(1e4) * problem(4, dtype=np.float32)[0][:, [0, 1, 2, 3, 4, 1]]
    _, gamma, beta, dout = problem(4, dtype=np.float32)
    assert all(np.isfinite(a).all() for a in run(impl, (x, gamma, beta, dout)))


# ---------------------------------------------------------------------------------- numbers


@named(READABLE)
def test_float32_around_a_mean_of_ten_thousand(impl):
    x, *_ = problem(64, dtype=np.float32)
    x = x + np.float32(10_000)  # rounded here, so that both see the same numbers
    exact = whitened(impl, x.astype(np.float64), eps=0.1)
    # λ_max/λ_min of about 40 and 6e-8 of rounding; a covariance in one pass is off by more than 1
    assert np.abs(whitened(impl, x, eps=0.1) - exact).max() <= 5e-6


@named(READABLE)
def test_float32_gradients_are_as_good_as_float32_allows(impl):
    arrays = problem(64)
    single = run(impl, [a.astype(np.float32) for a in arrays], eps=0.1, group_size=K)
    assert all(a.dtype == np.float32 for a in single)
    assert_close(single, run(impl, arrays, eps=0.1, group_size=K), 1e-5)


@named(READABLE)
def test_inputs_stay_as_they_were(impl):
    arrays = problem()
    before = [a.copy() for a in arrays]
    param = {"mode": "train", "running_mean": np.ones(D), "running_zca": np.ones((2, K, K))}
    run(impl, arrays, group_size=K)
    given_statistics = copy.deepcopy(param)
    impl.decorrelated_batchnorm_forward(*arrays[:3], param | {"mode": "test", "group_size": K})
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)
    for key in ("running_mean", "running_zca"):
        np.testing.assert_array_equal(param[key], given_statistics[key])


def test_strided_and_transposed_inputs_give_the_same():
    arrays = problem()
    expected = run(in_numpy, arrays, group_size=K, eps=0.1)
    wide = [np.repeat(a, 2, axis=-1)[..., ::2] for a in arrays]
    turned = [np.asfortranarray(a) for a in arrays]
    for other in (wide, turned):
        assert_close(run(in_numpy, other, group_size=K, eps=0.1), expected, 1e-12)


# ---------------------------------------------------------------------------------- test time


@named(READABLE)
def test_running_statistics_are_averages_of_mean_and_zca_matrix(impl):
    rho, param = 0.7, {"mode": "train", "momentum": 0.7, "eps": 0.1, "group_size": K}
    mean, zca = np.zeros(D), np.zeros((2, K, K))
    for seed in range(3):
        x, gamma, beta, _ = problem(seed=seed)
        impl.decorrelated_batchnorm_forward(x, gamma, beta, param)
        mean = rho * mean + (1 - rho) * x.mean(axis=0)
        for g in range(2):
            cov = np.cov(x[:, K * g : K * (g + 1)].T, bias=True) + 0.1 * np.eye(K)
            zca[g] = rho * zca[g] + (1 - rho) * np.linalg.inv(scipy.linalg.sqrtm(cov))
    assert_close([param["running_mean"], param["running_zca"]], [mean, zca], 1e-10)

    x, gamma, beta, _ = problem(seed=9)
    param["mode"] = "test"
    out, _ = impl.decorrelated_batchnorm_forward(x, gamma, beta, param)
    parts = [(x - mean)[:, K * g : K * (g + 1)] @ zca[g] for g in range(2)]
    assert_close([out], [gamma * np.concatenate(parts, axis=1) + beta], 1e-10)
    first, _ = impl.decorrelated_batchnorm_forward(x[:1], gamma, beta, param)
    np.testing.assert_allclose(first, out[:1], rtol=1e-12)


@named(READABLE)
def test_defaults(impl):
    x, gamma, beta, _ = problem()
    bare, full = {}, {"mode": "train", "eps": 1e-5, "momentum": 0.9, "group_size": D}
    full |= {"running_mean": np.zeros(D), "running_zca": np.zeros((1, D, D))}
    outs = [impl.decorrelated_batchnorm_forward(x, gamma, beta, p)[0] for p in (bare, full)]
    np.testing.assert_array_equal(*outs)
    assert bare.keys() == {"running_mean", "running_zca"}
    np.testing.assert_array_equal(bare["running_zca"], full["running_zca"])


# ---------------------------------------------------------------------------------- bad input


@named(READABLE)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"group_size": 4},
            r"\['group_size'\] must divide D = 6 as in x, got 4; divisors: 1, 2, 3",
        ),
        ({"group_size": 0}, r"\['group_size'\] must be a whole number of at least 1, got 0"),
        ({"mode": "tests"}, r"\['mode'\] must be 'train' or 'test', got 'tests'"),
        ({"eps": -1.0}, r"\['eps'\] must be at least 0, got -1.0"),
        ({"momentum": 1.5}, r"\['momentum'\] must be between 0 and 1, got 1.5"),
        ({"groups": 2}, r"unknown key 'groups'; known keys: 'mode', 'eps'"),
        ({"running_mean": np.zeros(5)}, r"\['running_mean'\] must have shape \(D,\) with D = 6"),
        (
            {"running_zca": np.zeros((1, 6, 6)), "group_size": 2},
            r"\['running_zca'\] must have shape \(3, 2, 2\), as D = 6 is whitened in groups of 2",
        ),
        ({"running_zca": np.zeros((2, 3, 2))}, r"must have shape \(G, K, K\) with K = 3"),
    ],
)
def test_bad_options_are_named(impl, options, message):
    x, gamma, beta, _ = problem()
    with pytest.raises(ValueError, match=message):
        impl.decorrelated_batchnorm_forward(x, gamma, beta, options)


@named(READABLE)
def test_bad_arrays_are_named(impl):
    x, gamma, beta, _ = problem()
    with pytest.raises(ValueError, match=r"x must have shape \(N, D\), got shape \(9, 6, 1\)"):
        impl.decorrelated_batchnorm_forward(x[..., None], gamma, beta, {})
    with pytest.raises(ValueError, match=r"gamma must have shape \(D,\) with D = 6 as in x"):
        impl.decorrelated_batchnorm_forward(x, gamma[1:], beta, {})
    with pytest.raises(TypeError, match=r"x must hold floats, got (torch\.)?int64"):
        impl.decorrelated_batchnorm_forward(x.astype(int), gamma, beta, {})


# ---------------------------------------------------------------------------------- the layer


def test_the_layer_whitens_images_pixel_by_pixel():
    torch.manual_seed(0)
    layer = DecorrelatedBatchNorm(6, group_size=3, eps=1e-7).double()
    x = torch.randn(3, 6, 4, 5, dtype=torch.float64) @ torch.randn(5, 5, dtype=torch.float64)
    out = layer(x)
    assert out.shape == x.shape and out.is_contiguous()
    rows = out.movedim(1, -1).reshape(-1, 6)
    for part in rows.split(3, dim=1):
        torch.testing.assert_close(
            part.T @ part / len(part), torch.eye(3).double(), atol=1e-5, rtol=0
        )


def test_the_layer_with_groups_of_one_is_pytorchs_batch_norm():
    """In train mode; PyTorch keeps a running variance, we keep a running inverse root."""
    torch.manual_seed(0)
    x = torch.randn(4, 5, 2, 3, dtype=torch.float64)
    ours, theirs = DecorrelatedBatchNorm(5, group_size=1).double(), torch.nn.BatchNorm2d(5).double()
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    root = torch.sqrt(x.var(dim=(0, 2, 3), correction=0) + 1e-5)
    torch.testing.assert_close(ours.running_zca.ravel(), 0.9 + 0.1 / root)


def test_the_layer_learns_its_running_statistics():
    torch.manual_seed(0)
    layer, x = DecorrelatedBatchNorm(4).double(), torch.randn(50, 4, dtype=torch.float64) * 3 + 7
    for _ in range(200):
        out = layer(x)
    torch.testing.assert_close(layer.eval()(x), out)  # 0.9**200 is 7e-10
    again = DecorrelatedBatchNorm(4).double().eval()
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again(x), layer(x))


def test_the_layers_gradients_are_autograds():
    layer = DecorrelatedBatchNorm(4, group_size=2, eps=0.1).double()
    assert torch.autograd.gradcheck(
        layer, torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    )
    assert torch.autograd.gradcheck(
        layer.eval(), torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_layer_takes_half_precision(dtype):
    torch.manual_seed(0)
    layer = DecorrelatedBatchNorm(4, eps=0.1)
    x = torch.randn(32, 4)
    out, exact = layer(x.to(dtype)), layer(x)
    assert out.dtype == dtype
    # inputs are rounded by eps/2 of values up to 4; the whitening multiplies by at most 1/√0.1
    assert (out.float() - exact).abs().max() <= 16 * torch.finfo(dtype).eps


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: DecorrelatedBatchNorm(6, group_size=4),
            "group_size must divide C = 6 as in the layer",
        ),
        (lambda: DecorrelatedBatchNorm(6)(torch.ones(2, 5)), "with C = 6, but its shape is"),
        (lambda: DecorrelatedBatchNorm(6)(torch.ones(1, 6)), "more than one value per channel"),
        (
            lambda: DecorrelatedBatchNormFunction.apply(
                torch.ones(2, 3), torch.ones(3), torch.ones(3), {"mode": "test"}
            ),
            "must be 'train'",
        ),
    ],
)
def test_the_layer_says_what_is_wrong(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_layer_shows_its_settings():
    assert "6, group_size=3, eps=1e-05, momentum=0.1" in repr(DecorrelatedBatchNorm(6, 3))


def test_the_device_follows_the_input():
    x, one = torch.ones(4, 6, device="meta"), torch.ones(6, device="meta")
    param = {"group_size": 3}
    out, cache = in_torch.decorrelated_batchnorm_forward(x, one, one, param)
    made = (out, param["running_zca"], *in_torch.decorrelated_batchnorm_backward(x, cache))
    assert {t.device.type for t in made} == {"meta"}
