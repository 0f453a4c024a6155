"""The data of the course is that of scikit-learn and scikit-image, number by number."""

import numpy as np
import pytest
import skimage.data
from machines import fixed_generator
from sklearn.datasets import load_digits

from cs231n_lib.data import (
    COLOUR,
    CROPS,
    PHOTOGRAPHS,
    SOURCES,
    digits,
    faces,
    load,
    photograph,
    photograph_patches,
)

NAMES = {"cat": "chelsea", "hubble": "hubble_deep_field"}  # in scikit-image, where they differ
SHRUNK = {"hubble": 4, "retina": 6, "camera": 1}  # pixels a side that are averaged; 2 otherwise
CROPPED = {  # the part of each that lesson 03 shows, every third pixel
    "astronaut": np.s_[:300:3, 100:400:3],
    "cat": np.s_[:300:3, 60:360:3],
    "coffee": np.s_[50:350:3, 150:450:3],
}


def original(name):
    return getattr(skimage.data, NAMES.get(name, name))()


def test_digits_are_scikit_learns():
    pixels, labels = load_digits(return_X_y=True)
    order = fixed_generator(3).permutation(len(labels))
    sets = digits(3)
    x = np.concatenate([sets.x_train, sets.x_val, sets.x_test])
    y = np.concatenate([sets.y_train, sets.y_val, sets.y_test])
    np.testing.assert_array_equal(x, (pixels[order] / 16).astype(np.float32))
    np.testing.assert_array_equal(y, labels[order])
    assert (x.dtype, y.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_are_means_of_scikit_images(name):
    k = SHRUNK.get(name, 2)
    image = original(name)
    height, width = (length // k for length in image.shape[:2])
    whole = image[: k * height, : k * width].reshape(height, k, width, k, -1)
    mean = whole.astype(float).mean(axis=(1, 3)).squeeze()
    assert photograph(name).dtype == np.uint8
    assert np.abs(photograph(name) - mean).max() <= 0.5


@pytest.mark.parametrize("name", CROPS)
def test_crops_are_parts_of_scikit_images(name):
    np.testing.assert_array_equal(photograph(name, crop=True), original(name)[CROPPED[name]])


def test_every_photograph_has_an_author_and_a_free_licence():
    for name, (what, author, licence) in PHOTOGRAPHS.items():
        assert what and author and licence in ("CC0", "public domain"), name
        assert (photograph(name).ndim == 3) == (name in COLOUR)
    with pytest.raises(ValueError, match=r"name must be 'astronaut' or .* got 'dog'"):
        photograph("dog")
    with pytest.raises(ValueError, match="name must be 'astronaut' or 'cat' or 'coffee', got"):
        photograph("retina", crop=True)


def place(piece, image):
    """Return the places (top, left) at which a piece lies in an image."""
    size = len(piece)
    corners = (image[: -size + 1, : -size + 1] == piece[0, 0]).all(axis=2)
    views = ((top, left, image[top : top + size, left : left + size])
             for top, left in np.argwhere(corners))  # fmt: skip
    return np.array([(top, left) for top, left, view in views if (view == piece).all()])


@pytest.mark.parametrize(("along", "axis"), [("width", 1), ("height", 0)])
def test_the_parts_of_a_split_share_no_pixel(along, axis):
    sets = photograph_patches(("cat", "coffee"), 20, (6, 4, 4), along).images()
    for label, name in enumerate(sets.classes):
        image = photograph(name)
        ends = {}
        for part in ("train", "val", "test"):
            x = getattr(sets, f"x_{part}")[getattr(sets, f"y_{part}") == label]
            pieces = np.round(x * 255).astype(np.uint8).transpose(0, 2, 3, 1)
            starts = [place(piece, image)[0, axis] for piece in pieces]
            ends[part] = min(starts), max(starts) + 20
        assert ends["train"][1] <= ends["val"][0] and ends["val"][1] <= ends["test"][0]


def test_pieces_have_the_class_of_their_photograph():
    sets = load("photographs")
    assert sets.classes == COLOUR and sets.image_shape == (3, 16, 16)
    assert np.bincount(sets.y_train).tolist() == [100] * 6
    assert np.bincount(sets.y_test).tolist() == [50] * 6
    assert sets.x_train.min() >= 0 and sets.x_train.max() <= 1 and sets.x_train.dtype == np.float32
    assert sets.y_train.tolist() != sorted(sets.y_train)
    # The night sky is dark and the cat is not.
    stars, cat = (sets.x_train[sets.y_train == COLOUR.index(n)].mean() for n in ("hubble", "cat"))
    assert stars < 0.2 < 0.4 < cat
    np.testing.assert_array_equal(load("photographs").x_val, sets.x_val)
    assert (photograph_patches(seed=1).x_val != sets.x_val).any()


def test_grey_pieces():
    sets = photograph_patches(("brick", "cat"), 16, (5, 5, 5), grey=True)
    assert sets.images().x_train.shape == (10, 1, 16, 16)
    white = photograph_patches(("cat",), 16, (5, 1, 1), grey=True).x_train
    colour = photograph_patches(("cat",), 16, (5, 1, 1)).images().x_train
    weights = np.array([0.299, 0.587, 0.114]).reshape(3, 1, 1)
    np.testing.assert_allclose(white, (colour * weights).sum(axis=1).reshape(5, -1), atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"names": ("dog",)}, "name must be 'astronaut' or"),
        ({"names": ("brick", "cat")}, "'brick' is a grey photograph; pass grey=True for all"),
        ({"along": "time"}, "along must be 'width' or 'height', got 'time'"),
        ({"size": 31, "along": "height"}, "size must be at most 30, what a part of 'cat' is wide"),
        ({"per_class": (5, 0, 5)}, "per_class must be a whole number of at least 1, got 0"),
    ],
)
def test_pieces_that_cannot_be_cut(settings, message):
    with pytest.raises(ValueError, match=message):
        photograph_patches(**settings)


# --------------------------------------------------------------------------- what a wheel brings


def test_faces_are_scikit_images_and_tell_faces_from_others():
    sets = faces(3)
    x = np.concatenate([sets.x_train, sets.x_val, sets.x_test])
    y = np.concatenate([sets.y_train, sets.y_val, sets.y_test])
    order = fixed_generator(3).permutation(200)
    np.testing.assert_allclose(x.reshape(-1, 25, 25), skimage.data.lfw_subset()[order], rtol=1e-6)
    np.testing.assert_array_equal(y == sets.classes.index("face"), order < 100)
    mean = [sets.x_train[sets.y_train == label].mean(axis=0) for label in (0, 1)]
    nearest = [np.linalg.norm(sets.x_test - m, axis=1) for m in mean]
    assert ((nearest[1] < nearest[0]) == sets.y_test).mean() > 0.6  # faces have one mean face


def test_every_row_of_the_registry_is_a_data_set_with_its_source(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("CS231N_DATA", raising=False)
    for name, row in SOURCES.items():
        source, licence, size, how_checked = row
        assert source.startswith("http") and licence and how_checked
        assert float(size.split()[0]) > 0 and size.split()[1] in ("kB", "MB")
        assert load(name).name in (name, "digits")


# --------------------------------------------------------------------------- near-duplicates


def nearest(x, others):
    """Return (N,) root mean squared differences from the most similar of the others."""
    squares = (x**2).sum(axis=1)[:, None] - 2 * x @ others.T + (others**2).sum(axis=1)
    return np.sqrt(np.maximum(squares.min(axis=1), 0) / x.shape[1])


def test_no_digit_is_in_two_parts():
    sets = digits()
    parts = sets.x_train, sets.x_val, sets.x_test
    for k, part in enumerate(parts):
        for other in parts[k + 1 :]:
            assert nearest(part, other).min() > 1e-3


TWINS = 0.012  # pieces nearer than that show the same


@pytest.mark.parametrize("along", ["width", "height"])
@pytest.mark.parametrize("name", COLOUR)
def test_no_piece_of_a_test_is_among_those_of_training(name, along):
    sets = photograph_patches((name,), 16, (400, 1, 400), along)
    assert nearest(sets.x_test, sets.x_train).min() > TWINS


@pytest.mark.parametrize("seed", range(3))
def test_mirror_images_lie_on_both_sides_of_a_split_of_what_mirrors_itself(seed):
    """The edge of the retina is a circle: left and right mirror each other, top and bottom too."""
    across, along_it = {}, {}
    for along, mirrored in {"width": np.s_[..., ::-1], "height": np.s_[..., ::-1, :]}.items():
        sets = photograph_patches(("retina",), 16, (1000, 1, 400), along, seed=seed).images()
        train = sets.x_train.reshape(1000, -1)
        across[along] = nearest(sets.x_test[mirrored].reshape(400, -1), train).min()
        other = sets.x_test[..., ::-1, ::-1][mirrored]
        along_it[along] = nearest(other.reshape(400, -1), train).min()
    assert max(across.values()) < TWINS < min(along_it.values())


def test_a_size_that_fits_no_texture_is_refused():
    with pytest.raises(ValueError, match="size must be a whole number of at least 2, got 1"):
        photograph_patches(size=1)
