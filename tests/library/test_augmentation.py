"""Augmentation: oracles, identities and laws of chance, in NumPy and in PyTorch.

Bounds of random quantities hold for every seed but one in 10⁹, and several seeds are tried.
"""

import pickle

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import skimage.transform
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils.data import DataLoader

from cs231n_lib.augmentation import in_numpy, in_torch
from cs231n_lib.augmentation.pipeline import AugmentedDataset, Epochs, compose
from cs231n_lib.sampling import bilinear, bilinear_tensor

RARE = 1e-9
SEEDS = range(5)
EVERY = {  # how each function of images is called, with images of 7 × 9 pixels
    "horizontal_flip": (0.5,),
    "pad_crop": (2,),
    "resize_short_side": (5,),
    "random_resized_crop": (3, 4, 8),
    "ten_crop": (4,),
    "multi_scale_crops": (4, (5, 8)),
    "color_jitter": (0.3, 0.2),
    "pca_color_offsets": (np.array([0.4, 0.2, 0.1]), np.eye(3), 0.1),
    "affine_warp": (np.tile([[0.9, 0.2, 1.5], [-0.3, 1.1, 0.5]], (4, 1, 1)),),
    "lens_distortion": (np.array([0.2, -0.2, 0.1, 0.4]),),
    "cutout": (3,),
}
RANDOM = (
    "horizontal_flip", "pad_crop", "random_resized_crop", "color_jitter", "pca_color_offsets",
    "cutout",
)  # fmt: skip
MAKES_CROPS = ("ten_crop", "multi_scale_crops")
every_function = pytest.mark.parametrize("name", EVERY)
every_random = pytest.mark.parametrize("name", RANDOM)
both = pytest.mark.parametrize("framework", ["numpy", "torch"])


def photographs(seed=0, shape=(4, 7, 9, 3), dtype=np.float64):
    """Return images of independent pixels, not near the ends of the range."""
    return np.random.default_rng(seed).uniform(0.3, 0.7, shape).astype(dtype)


def tensor(value):
    """Return images with their channels first, other arrays as they are, as tensors."""
    if not isinstance(value, np.ndarray):
        return value
    return torch.from_numpy(np.moveaxis(value, -1, -3).copy() if value.ndim >= 4 else value.copy())


def array(value):
    """Return a tensor as an array, its channels last."""
    return np.moveaxis(value.numpy(), -3, -1) if value.ndim >= 4 else value.numpy()


def apply(framework, name, x, *args, seed=0):
    """Return what a function makes of images (N, H, W, C), which are not changed."""
    before = x.copy()
    if framework == "numpy":
        source = (np.random.default_rng(seed),) if name in (*RANDOM, "mixup") else ()
        out = getattr(in_numpy, name)(x, *args, *source)
    else:
        source = (torch.Generator().manual_seed(seed),) if name in (*RANDOM, "mixup") else ()
        out = getattr(in_torch, name)(tensor(x), *map(tensor, args), *source)
        out = tuple(map(array, out)) if isinstance(out, tuple) else array(out)
    assert np.array_equal(x, before)
    return out


# ---------------------------------------------------------------------------------- all of them


@both
@every_function
def test_dtypes_are_kept_and_images_are_not_changed(framework, name):
    for dtype in (np.float32, np.float64, np.uint8):
        x = (255 * photographs()).astype(dtype) if dtype == np.uint8 else photographs(dtype=dtype)
        args = [a.astype(np.float32) if isinstance(a, np.ndarray) and dtype != np.float64 else a
                for a in EVERY[name]]  # fmt: skip
        out = apply(framework, name, x, *args)
        assert out.dtype == dtype and out.std() > 0


@both
@every_function
def test_bytes_and_floats_show_the_same(framework, name):
    """Within half a step of rounding; draws of the two dtypes need the same generator."""
    x = (255 * photographs()).round().astype(np.uint8)
    args = [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in EVERY[name]]
    as_bytes = apply(framework, name, x, *args).astype(float)
    as_floats = 255 * apply(framework, name, (x / 255).astype(np.float32), *args).astype(float)
    assert np.abs(as_bytes - as_floats).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("name", [name for name in EVERY if name not in RANDOM])
def test_numpy_and_pytorch_agree(name):
    args, x = EVERY[name], photographs()
    np.testing.assert_allclose(
        apply("torch", name, x, *args), apply("numpy", name, x, *args), rtol=0, atol=1e-6
    )


@both
@every_random
def test_randomness_comes_from_the_generator_alone(framework, name):
    x = photographs(shape=(12, 7, 9, 3))
    first, again, other = (apply(framework, name, x, *EVERY[name], seed=s) for s in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@both
@every_random
def test_every_image_gets_its_own_draw(framework, name):
    x = np.repeat(photographs(shape=(1, 7, 9, 3)), 40, axis=0)
    out = apply(framework, name, x, *EVERY[name])
    different = len(np.unique(out.reshape(40, -1), axis=0))
    assert different == 2 if name == "horizontal_flip" else different > 4


@both
@every_function
def test_images_that_are_views_will_do(framework, name):
    x = np.asfortranarray(photographs())[:, ::-1]
    out = apply(framework, name, x, *EVERY[name])
    expected = apply(framework, name, np.ascontiguousarray(x), *EVERY[name])
    np.testing.assert_allclose(out, expected, rtol=1e-12)


# ---------------------------------------------------------------------------------- sampling


@given(
    st.tuples(*[st.integers(1, n) for n in (3, 5, 6, 4)]), st.tuples(*[st.integers(1, 6)] * 2),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_bilinear_is_scipys(shape, looked, seed):
    rng = np.random.default_rng(seed)
    N, H, W, C = shape
    x = rng.normal(size=shape)
    rows, columns = (rng.uniform(-2, side + 1, (N, *looked)) for side in (H, W))
    out = bilinear(x, rows, columns)
    for n in range(N):
        for c in range(C):
            places = np.stack([rows[n], columns[n]])
            expected = scipy.ndimage.map_coordinates(x[n, ..., c], places, order=1, mode="nearest")
            np.testing.assert_allclose(out[n, ..., c], expected, rtol=0, atol=1e-12)
    tensors = [torch.from_numpy(a) for a in (np.moveaxis(x, 3, 1).copy(), rows, columns)]
    np.testing.assert_allclose(array(bilinear_tensor(*tensors)), out, rtol=0, atol=1e-12)


def test_bilinear_is_grid_sample_with_border_padding():
    rng = np.random.default_rng(0)
    x, rows, columns = rng.normal(size=(2, 5, 7, 3)), *rng.uniform(-1, 7, (2, 2, 4, 6))
    grid = np.stack([2 * columns / 6 - 1, 2 * rows / 4 - 1], axis=-1)
    expected = F.grid_sample(
        tensor(x), torch.from_numpy(grid), padding_mode="border", align_corners=True
    )
    np.testing.assert_allclose(bilinear(x, rows, columns), array(expected), rtol=0, atol=1e-12)


def test_bilinear_works_block_by_block(monkeypatch):
    rng = np.random.default_rng(0)
    x, rows, columns = rng.normal(size=(5, 4, 6, 2)), *rng.uniform(0, 6, (2, 5, 3, 3))
    tensors = tensor(x), torch.from_numpy(rows), torch.from_numpy(columns)
    whole = bilinear(x, rows, columns), bilinear_tensor(*tensors)
    monkeypatch.setattr("cs231n_lib.sampling.BLOCK", 10)
    assert np.array_equal(bilinear(x, rows, columns), whole[0]) and whole[0].std() > 0
    assert torch.equal(bilinear_tensor(*tensors), whole[1])


@pytest.mark.parametrize("shape", [(2, 3, 4, 3), (2, 1, 4, 1), (2, 3, 1, 2), (1, 1, 1, 1)])
def test_bilinear_is_exact_at_the_centres_of_pixels(shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    rows, columns = np.mgrid[: shape[1], : shape[2]].astype(float)
    assert np.array_equal(bilinear(x, rows, columns), x)
    places = torch.from_numpy(rows), torch.from_numpy(columns)
    assert torch.equal(bilinear_tensor(tensor(x), *places), tensor(x))


def test_bilinear_takes_a_place_that_is_no_number_to_a_value_that_is_none():
    x, nowhere = np.ones((2, 3, 4, 1)), np.full((2, 1, 1), [[[0.5]], [[np.nan]]])
    with np.errstate(invalid="ignore"):  # as whole numbers they are none either, NumPy says
        out = bilinear(x, nowhere, nowhere)
    assert np.array_equal(np.isnan(out).ravel(), [False, True])


def test_gradients_flow_through_bilinear_samples():
    rng = np.random.default_rng(0)
    x = tensor(rng.normal(size=(2, 3, 4, 1))).requires_grad_()
    places = torch.from_numpy(rng.uniform(0.1, 1.9, (2, 2, 2, 3))).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, p: bilinear_tensor(x, p[0], p[1]), (x, places))


# ---------------------------------------------------------------------------------- flips, crops


@both
def test_a_flip_is_its_own_inverse(framework):
    x = photographs()
    once = apply(framework, "horizontal_flip", x, 1.0)
    assert np.array_equal(once, x[:, :, ::-1]) and not np.array_equal(once, x)
    assert np.array_equal(apply(framework, "horizontal_flip", once, 1.0), x)
    assert np.array_equal(apply(framework, "horizontal_flip", x, 0.0), x)


@both
@pytest.mark.parametrize("seed", SEEDS)
def test_the_number_of_flips_is_binomial(framework, seed):
    x = np.arange(2.0).reshape(1, 1, 2, 1).repeat(3000, axis=0)
    flipped = apply(framework, "horizontal_flip", x, 0.3, seed=seed)[:, 0, 0, 0].sum()
    low, high = scipy.stats.binom.ppf([RARE / 2, 1 - RARE / 2], 3000, 0.3)
    assert low <= flipped <= high


@both
@pytest.mark.parametrize("seed", SEEDS)
def test_every_window_of_the_padded_image_is_reached(framework, seed):
    """25 places: one that is missed among 1,000 draws has the chance 25 · 0.96^1000 < 10^-16."""
    image = 1 + np.arange(12.0).reshape(1, 3, 4, 1)
    padded = np.pad(image[0, ..., 0], 2)
    windows = {padded[r : r + 3, s : s + 4].tobytes() for r in range(5) for s in range(5)}
    out = apply(framework, "pad_crop", image.repeat(1000, axis=0), 2, seed=seed)
    assert {np.ascontiguousarray(one[..., 0]).tobytes() for one in out} == windows


@both
@pytest.mark.parametrize("L", [4, 7, 10, 21])
def test_resizing_is_scikit_images_and_pytorchs(framework, L):
    for shape in ((2, 7, 14, 3), (2, 14, 7, 3), (1, 7, 7, 1)):
        x = photographs(shape=shape)
        out = apply(framework, "resize_short_side", x, L)
        assert min(out.shape[1:3]) == L
        assert out.shape[1] * shape[2] == out.shape[2] * shape[1]
        expected = F.interpolate(tensor(x), out.shape[1:3], mode="bilinear", align_corners=False)
        np.testing.assert_allclose(out, array(expected), rtol=0, atol=2e-6)
        for image, result in zip(x, out, strict=True):
            size = (*out.shape[1:3], shape[3])
            theirs = skimage.transform.resize(
                image, size, order=1, mode="edge", anti_aliasing=False
            )
            np.testing.assert_allclose(result, theirs, rtol=0, atol=2e-6)


@both
def test_resizing_keeps_mirror_images_and_constants(framework):
    x = photographs(shape=(2, 6, 9, 3))
    once = apply(framework, "resize_short_side", x, 4)
    mirrored = apply(framework, "resize_short_side", x[:, :, ::-1].copy(), 4)
    np.testing.assert_allclose(mirrored, once[:, :, ::-1], rtol=0, atol=1e-6)
    grey = apply(framework, "resize_short_side", np.full((1, 5, 8, 1), 0.25), 7)
    np.testing.assert_allclose(grey, 0.25, rtol=1e-12)


@both
def test_a_random_patch_is_a_window_of_a_resized_image(framework):
    x = photographs(shape=(30, 6, 8, 1))
    out = apply(framework, "random_resized_crop", x, 4, 4, 8)
    found = set()
    for n, patch in enumerate(out):
        for L in range(4, 9):
            larger = in_numpy.resize_short_side(x[n : n + 1], L)[0]
            windows = np.lib.stride_tricks.sliding_window_view(larger[..., 0], (4, 4))
            if np.abs(windows - patch[..., 0]).max(axis=(2, 3)).min() < 1e-6:
                found.add((n, L))
    assert {n for n, _ in found} == set(range(30))
    assert {L for _, L in found} == set(range(4, 9))


@both
def test_ten_crops_by_labelled_corners(framework):
    x = np.zeros((2, 6, 9, 1))
    x[1] = 100
    x[:, 0, 0], x[:, 0, -1], x[:, -1, 0], x[:, -1, -1] = 1, 2, 3, 4
    x[:, 2, 3] = 5  # where a centre crop of 2 begins: (6 − 2) // 2, (9 − 2) // 2
    out = apply(framework, "ten_crop", x, 2)
    assert out.shape == (2, 10, 2, 2, 1)
    first = out[0, :, :, :, 0]
    assert [first[0, 0, 0], first[1, 0, 1], first[2, 1, 0], first[3, 1, 1]] == [1, 2, 3, 4]
    assert first[4, 0, 0] == 5 and np.array_equal(first[5:], first[:5, :, ::-1])
    assert (out[1] >= 1).all() and out[1].max() == 100


@both
def test_a_square_image_at_its_own_scale_has_one_place_of_five(framework):
    """Slide 89 at L = 224: what is counted as ten crops is one crop and its mirror image."""
    crops = apply(framework, "multi_scale_crops", photographs(shape=(1, 8, 8, 3)), 8, (8, 11))[0]
    assert len(np.unique(crops[:10].reshape(10, -1), axis=0)) == 2
    assert len(np.unique(crops[10:].reshape(10, -1), axis=0)) == 10


@both
def test_the_average_over_crops_is_that_of_probabilities(framework):
    crops = photographs(shape=(2, 5, 3, 3, 1))
    module, make = {"numpy": (in_numpy, np.stack), "torch": (in_torch, torch.stack)}[framework]

    def predict(x):
        p = x.reshape(len(x), -1)[:, 0]
        return make([p, 1 - p], 1)

    given_crops = crops if framework == "numpy" else tensor(crops)
    out = np.asarray(module.average_over_crops(given_crops, predict))
    first = crops[:, :, 0, 0, 0].mean(axis=1)
    np.testing.assert_allclose(out, np.stack([first, 1 - first], axis=1), rtol=1e-12)


# ---------------------------------------------------------------------------------- colours


@both
@pytest.mark.parametrize("seed", SEEDS)
def test_jitter_is_one_factor_and_one_shift_for_each_image(framework, seed):
    x = photographs(shape=(500, 4, 5, 3))
    out = apply(framework, "color_jitter", x, 0.4, 0.1, seed=seed)
    mean, new_mean = (a.mean(axis=(1, 2, 3), keepdims=True) for a in (x, out))
    c = ((out - new_mean) * (x - mean)).sum((1, 2, 3)) / ((x - mean) ** 2).sum((1, 2, 3))
    np.testing.assert_allclose(out - new_mean, c[:, None, None, None] * (x - mean), atol=1e-6)
    shift = (new_mean - mean).ravel()
    for u in ((c - 0.6) / 0.8, (shift + 0.1) / 0.2):
        assert u.min() >= -1e-6 and u.max() <= 1 + 1e-6
        assert scipy.stats.kstest(u, "uniform").pvalue > RARE
    assert abs(np.corrcoef(c, shift)[0, 1]) < 6.5 / np.sqrt(500)


@both
def test_contrast_keeps_a_constant_image_and_jitter_the_range(framework):
    grey = np.full((5, 3, 4, 3), 0.3)
    np.testing.assert_allclose(apply(framework, "color_jitter", grey, 0.9, 0.0), grey, rtol=1e-12)
    x = np.random.default_rng(0).uniform(size=(50, 3, 4, 3))
    out = apply(framework, "color_jitter", x, 0.9, 0.5)
    assert out.min() == 0 and out.max() == 1
    assert np.array_equal(apply(framework, "color_jitter", x, 0.0, 0.0), x)


@both
def test_color_components_diagonalize_the_covariance_of_colours(framework):
    x = photographs(shape=(4, 7, 9, 3)) * [1.0, 0.5, 0.2] + 0.3 * photographs(1, (4, 7, 9, 1))
    eigenvalues, U = apply(framework, "color_components", x)
    cov = np.cov(x.reshape(-1, 3).T, bias=True)
    np.testing.assert_allclose(U * eigenvalues @ U.T, cov, rtol=0, atol=1e-12)
    np.testing.assert_allclose(U.T @ U, np.eye(3), atol=1e-12)


def test_components_of_bytes_are_those_of_floats():
    x = (255 * photographs()).round().astype(np.uint8)
    from_bytes, _ = in_numpy.color_components(x)
    np.testing.assert_allclose(from_bytes, in_numpy.color_components(x / 255)[0], rtol=1e-4)


def test_in_bytes_the_paper_s_offset_is_255_times_too_large():
    """The offset is a factor times an eigenvalue, which is a square: units do not cancel."""
    x = np.random.default_rng(0).uniform(size=(50, 8, 8, 3))
    small = 0.1 * in_numpy.color_components(x)[0].max()
    large = 0.1 * in_numpy.color_components(255 * x)[0].max()
    assert large / 255 == pytest.approx(255 * small)
    assert small < 0.02 and large / 255 > 1, "more than the whole range of the image"


@both
@pytest.mark.parametrize("seed", SEEDS)
def test_offsets_are_one_colour_an_image_with_the_covariance_of_slide_91(framework, seed):
    eigenvalues = np.array([0.5, 0.2, 0.05])
    U, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    x = np.full((4000, 2, 3, 3), 0.5)
    out = apply(framework, "pca_color_offsets", x, eigenvalues, U, 0.1, seed=seed)
    offsets = (out - x)[:, 0, 0]
    np.testing.assert_allclose(out - x, offsets[:, None, None] + np.zeros((2, 3, 1)), atol=1e-12)
    alpha = offsets @ U / (0.1 * eigenvalues)  # (4000, 3)
    for component in alpha.T:
        assert scipy.stats.kstest(component, "norm").pvalue > RARE
    assert np.abs(np.corrcoef(alpha.T) - np.eye(3)).max() < 6.5 / np.sqrt(4000)


# ---------------------------------------------------------------------------------- geometry


def affine_parameters(seed, N):
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(-180, 180, N), rng.uniform(0.7, 1.4, (N, 2)), rng.uniform(-0.5, 0.5, N),
        rng.uniform(-2, 2, (N, 2)),
    )  # fmt: skip


@both
def test_matrices_are_scikit_images(framework):
    parameters = affine_parameters(0, 6)
    module, convert = {"numpy": (in_numpy, np.asarray), "torch": (in_torch, torch.from_numpy)}[
        framework
    ]
    matrices = np.asarray(module.affine_matrices(*map(convert, parameters)))
    for (angle, (s_x, s_y), g, t), matrix in zip(
        zip(*parameters, strict=True), matrices, strict=True
    ):
        stretch = skimage.transform.AffineTransform(scale=(s_x, s_y))
        shear = skimage.transform.AffineTransform(matrix=[[1, g, 0], [0, 1, 0], [0, 0, 1]])
        rotate = skimage.transform.EuclideanTransform(rotation=np.deg2rad(angle), translation=t)
        np.testing.assert_allclose(matrix, (stretch + shear + rotate).params[:2], atol=1e-12)


@both
def test_a_warp_is_scikit_images_and_scipys(framework):
    x, (N, H, W) = photographs(), (4, 7, 9)
    matrices = in_numpy.affine_matrices(*affine_parameters(1, N))
    out = apply(framework, "affine_warp", x, matrices)
    for n in range(N):
        to_centre = np.array([[1, 0, (W - 1) / 2], [0, 1, (H - 1) / 2], [0, 0, 1]])
        forward = to_centre @ np.vstack([matrices[n], [0, 0, 1]]) @ np.linalg.inv(to_centre)
        inverse = np.linalg.inv(forward)
        theirs = skimage.transform.warp(x[n], inverse, order=1, mode="edge")
        np.testing.assert_allclose(out[n], theirs, atol=1e-12)
        swap = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
        scipys = scipy.ndimage.affine_transform(
            x[n, ..., 0], swap @ inverse @ swap, order=1, mode="nearest"
        )
        np.testing.assert_allclose(out[n, ..., 0], scipys, atol=1e-12)


@both
def test_a_warp_and_its_identities(framework):
    x = photographs(shape=(1, 7, 7, 3))
    still = np.array([[[1.0, 0, 0], [0, 1, 0]]])
    np.testing.assert_allclose(apply(framework, "affine_warp", x, still), x, atol=1e-12)
    quarter = np.array([[[0.0, -1, 0], [1, 0, 0]]])  # clockwise, since y points down
    np.testing.assert_allclose(
        apply(framework, "affine_warp", x, quarter), np.rot90(x, -1, axes=(1, 2)), atol=1e-12
    )
    mirror = np.array([[[-1.0, 0, 0], [0, 1, 0]]])
    np.testing.assert_allclose(
        apply(framework, "affine_warp", x, mirror),
        apply(framework, "horizontal_flip", x, 1.0), atol=1e-12,
    )  # fmt: skip


@both
def test_a_lens_moves_places_along_their_radius(framework):
    x = photographs(shape=(3, 7, 9, 2))
    k = np.array([0.0, 0.3, -0.3])
    out = apply(framework, "lens_distortion", x, k)
    np.testing.assert_allclose(out[0], x[0], atol=1e-12)
    np.testing.assert_allclose(out[:, 3, 4], x[:, 3, 4], atol=1e-12)
    y, across = np.mgrid[-3:4, -4:5].astype(float)
    radius = np.hypot(y, across)
    for n in (1, 2):
        moved = radius * (1 + k[n] * radius**2 / 25)
        places = moved * np.sin(np.arctan2(y, across)), moved * np.cos(np.arctan2(y, across))
        rows, columns = places[0] + 3, places[1] + 4
        expected = scipy.ndimage.map_coordinates(
            x[n, ..., 0], [rows, columns], order=1, mode="nearest"
        )
        np.testing.assert_allclose(out[n, ..., 0], expected, atol=1e-6)


# ---------------------------------------------------------------------------------- beyond


@both
@pytest.mark.parametrize("size", [1, 2, 5])
def test_cutout_covers_a_square_that_the_border_may_cut(framework, size):
    x = photographs(shape=(800, 4, 6, 2))
    out = apply(framework, "cutout", x, size)
    covered = (out == 0).all(axis=3)
    assert np.array_equal(out[~covered], x[~covered])
    found = {one.tobytes() for one in covered}
    squares = set()
    for r in range(4):
        for s in range(6):
            square = np.zeros((4, 6), bool)
            top, left = r - size // 2, s - size // 2
            square[max(top, 0) : top + size, max(left, 0) : left + size] = True
            squares.add(square.tobytes())
    assert found == squares, "24 places: one is missed with the chance 24 · (23/24)^800 < 10^-13"


@both
@pytest.mark.parametrize("seed", SEEDS)
def test_mixup_mixes_images_and_labels_alike(framework, seed):
    N = 600
    x, y = photographs(seed, (N, 2, 3, 1)), np.eye(N)
    x_mix, y_mix = apply(framework, "mixup", x, y, 0.4, seed=seed)
    np.testing.assert_allclose(np.tensordot(y_mix, x, axes=1), x_mix, rtol=1e-6)
    np.testing.assert_allclose(y_mix.sum(axis=1), 1, rtol=1e-6)
    partner = y_mix - np.diag(np.diag(y_mix))
    alone = partner.max(axis=1) == 0
    share = np.diag(y_mix)[~alone]
    assert scipy.stats.kstest(share, scipy.stats.beta(0.4, 0.4).cdf).pvalue > RARE
    partners = partner.argmax(axis=1)[~alone]
    assert len(np.unique(partners)) == len(partners)
    assert alone.sum() < 15, "fixed points of a random order: Poisson with mean 1"


# ---------------------------------------------------------------------------------- errors


@both
@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("horizontal_flip", (1.5,), "horizontal_flip: p must be between 0 and 1, got 1.5"),
        ("pad_crop", (-1,), "pad must be a whole number of at least 0, got -1"),
        ("ten_crop", (8,), "size must be at most 7, the short side of x, got 8; resize"),
        ("random_resized_crop", (5, 4, 8), "size <= low <= high must hold, .* got size = 5"),
        ("color_jitter", (0.5, 1.5), "brightness must be between 0 and 1, got 1.5"),
        ("resize_short_side", (0,), "L must be a whole number of at least 1, got 0"),
        ("affine_warp", (np.zeros((3, 2, 3)),), r"matrices must have shape \(N, 2, 3\) with N = 4"),
        ("lens_distortion", (np.zeros(5),), r"k must have shape \(N,\) with N = 4 as in x"),
        ("pca_color_offsets", (np.ones(4), np.eye(4), 0.1), "eigenvalues must have shape"),
    ],
)  # fmt: skip
def test_errors_say_what_came_and_what_to_pass(framework, name, args, message):
    with pytest.raises(ValueError, match=message):
        apply(framework, name, photographs(), *args)


@both
@every_function
def test_integers_and_single_images_are_refused(framework, name):
    with pytest.raises(TypeError, match=r"x must hold floats or uint8, got .*int64"):
        apply(framework, name, np.ones((4, 7, 9, 3), int), *EVERY[name])
    with pytest.raises(ValueError, match=r"x must have shape .* with 3 dimensions"):
        apply(framework, name, np.ones((7, 9, 3)), *EVERY[name])


# ---------------------------------------------------------------------------------- the pipeline


def stamp(x, rng):
    """Return images on which a random number stands."""
    return x + rng.integers(1, 2**40)


def numbers(loader, epochs=2):
    """Return what stands on each image, in the order of the examples: (epochs, N)."""
    seen = []
    for _ in range(epochs):
        stamps, labels = (torch.cat(parts) for parts in zip(*loader, strict=True))
        seen.append(stamps.ravel()[labels.argsort()].numpy())
    return np.array(seen)


def in_workers(test):
    """Let a test start more workers than the machine has cores, from a process with threads."""
    for message in ("This DataLoader will create", "This process .* is multi-threaded"):
        test = pytest.mark.filterwarnings(f"ignore:{message}")(test)
    return test


def loader_of(workers, seed=0, N=40):
    data = AugmentedDataset(np.zeros((N, 1, 1, 1)), np.arange(N), stamp, seed)
    return DataLoader(data, batch_size=8, sampler=Epochs(N, seed), num_workers=workers)


@in_workers
def test_four_workers_and_two_epochs_give_80_different_draws_and_those_of_no_worker():
    alone, together = numbers(loader_of(0)), numbers(loader_of(4))
    assert np.array_equal(alone, together)
    assert len(np.unique(together)) == together.size == 80
    assert not np.isin(numbers(loader_of(0, seed=1)), alone).any()


class WithOneGenerator:
    """The trap: a generator that lives in the data set, and is copied into every worker."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return 40

    def __getitem__(self, number):
        return stamp(np.zeros((1, 1, 1)), self.rng), number


@in_workers
def test_a_generator_in_the_data_set_repeats_itself_in_workers_and_epochs():
    drawn = numbers(DataLoader(WithOneGenerator(), batch_size=5, num_workers=4))
    assert np.array_equal(drawn[0], drawn[1]), "the second epoch brings nothing new"
    assert len(np.unique(drawn)) == 10, "four workers with the same ten numbers"


def test_the_order_of_examples_changes_from_epoch_to_epoch():
    sampler = Epochs(50, seed=3)
    first, second = list(sampler), list(sampler)
    assert sorted(first) == [(0, n) for n in range(50)] and {e for e, _ in second} == {1}
    assert [n for _, n in first] != [n for _, n in second] and len(sampler) == 50


def test_steps_are_composed_in_order():
    flip = lambda x, rng: in_numpy.horizontal_flip(x, 1.0, rng)  # noqa: E731
    crop = lambda x, rng: in_numpy.ten_crop(x, 3)[:, 0]  # noqa: E731
    x = photographs()
    assert np.array_equal(compose(flip, crop)(x, np.random.default_rng(0)), x[:, :3, :-4:-1])
    assert np.array_equal(compose(crop, flip)(x, np.random.default_rng(0)), x[:, :3, 2::-1])


def test_a_pipeline_goes_to_workers_that_share_no_memory():
    """They are sent the data set as bytes: on macOS and Windows, and from Python 3.14 on, Linux."""
    here = AugmentedDataset(photographs(), np.arange(4), compose(noise, noise), seed=3)
    there = pickle.loads(pickle.dumps(here))
    assert np.array_equal(there[1, 2][0], here[1, 2][0])


def noise(x, rng):
    return x + 0.1 * rng.standard_normal(x.shape)


def test_training_sees_new_versions_and_validation_none():
    x, y, seen = np.arange(6.0).reshape(6, 1, 1, 1), np.arange(6), []

    def step(x, y):
        seen.append((x.ravel(), y))

    scores = in_numpy.train_augmented(
        (x, y, x[:2], y[:2]), lambda x, rng: x + rng.uniform(0, 0.5, x.shape), lambda x: x - 100,
        step, lambda x, y: float((x.ravel() == y - 100).mean()), 3, 4, np.random.default_rng(0),
    )  # fmt: skip
    assert scores.tolist() == [1, 1, 1] and [len(y) for _, y in seen] == [4, 2] * 3
    versions = np.array([v for x, y in seen for v in x + 100 - y])
    assert len(np.unique(versions)) == 18 and versions.min() >= 0 and versions.max() <= 0.5
    for epoch in range(3):
        assert sorted(np.concatenate([y for _, y in seen[2 * epoch : 2 * epoch + 2]])) == [
            *range(6)
        ]
