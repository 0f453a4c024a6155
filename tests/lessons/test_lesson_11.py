"""What lesson 11 claims, and what `docs/lecture_errata.md` says about its slides.

The networks are those of the lesson, from its own first cells, with fewer seeds.
"""

import numpy as np
import pytest

from autograder.exercises.augmentation.crops import corner_resize
from autograder.lessons.lesson import find_lesson
from cs231n_lib.augmentation import in_numpy
from cs231n_lib.data import photograph_patches

SEEDS = 6


@pytest.fixture(scope="module")
def lesson():
    """Return the names that the lesson binds before its first exercise."""
    space = {}
    for cell in [cell for cell in find_lesson("11").cells if cell.kind == "code"][:3]:
        text = cell.solution.replace("sized(16, 3,", f"sized({SEEDS}, 3,")
        exec(compile(text, cell.id, "exec"), space)
    assert space["SEEDS"] == SEEDS
    return space


def gains(lesson, task, augment, without):
    """Return the points of accuracy that an augmentation gains, one number a seed."""
    stack = lesson["trained"](task, augment)
    return 100 * (lesson["accuracies"](stack, task) - without)


def flipped(x, rng):
    return in_numpy.horizontal_flip(x, 0.5, rng)


def upside_down(x, rng):
    return flipped(x.swapaxes(1, 2), rng).swapaxes(1, 2)


def random_affine(x, rng, angle=10, stretch=0.1, shear=0.2, shift=0.7):
    """Draw a map for each image, as the lesson does."""
    N = len(x)
    matrices = in_numpy.affine_matrices(
        rng.uniform(-angle, angle, N), rng.uniform(1 - stretch, 1 + stretch, (N, 2)),
        rng.uniform(-shear, shear, N), rng.uniform(-shift, shift, (N, 2)),
    )  # fmt: skip
    return in_numpy.affine_warp(x, matrices.astype(x.dtype))


@pytest.mark.slow
def test_flips_and_jitter_help_on_photographs_and_black_edges_do_not(lesson):
    def jittered(x, rng):
        return in_numpy.color_jitter(x, 0.4, 0.2, rng)

    def cropped(x, rng):
        return in_numpy.pad_crop(x, 2, rng)

    task, without = lesson["pieces"], lesson["without"][0]
    assert gains(lesson, task, flipped, without).mean() > 0
    assert gains(lesson, task, jittered, without).mean() > 0
    assert gains(lesson, task, cropped, without).mean() < 0


@pytest.mark.slow
def test_the_way_of_the_split_decides_which_flip_helps(lesson):
    """Pieces from the top for training, and from the bottom for the test."""
    sets = [
        photograph_patches(per_class=(100, 1, 200), along="height", seed=seed).images()
        for seed in range(SEEDS)
    ]
    task = lesson["task_of"](sets)
    without = lesson["accuracies"](lesson["trained"](task, lesson["as_it_is"]), task)
    upside, sideways = (gains(lesson, task, way, without) for way in (upside_down, flipped))
    assert upside.mean() > 0 and upside.mean() > sideways.mean()


@pytest.mark.slow
def test_averaging_over_mirror_images_helps_a_network_that_was_trained_without(lesson):
    def over_both(net, x):
        crops = np.stack([x, x[:, :, ::-1]], axis=1)
        ask = lesson["probabilities"]
        return in_numpy.average_over_crops(crops, lambda images: ask(net, images))

    task, accuracies = lesson["pieces"], lesson["accuracies"]
    before = accuracies(lesson["plain_pieces"], task, over_both) - lesson["without"][0]
    with_flips = lesson["trained"](task, flipped)
    after = accuracies(with_flips, task, over_both) - accuracies(with_flips, task)
    assert before.mean() > 0 and before.mean() > after.mean()


def test_digits_have_no_mirror_images(lesson):
    assert gains(lesson, lesson["numerals"], flipped, lesson["without"][1]).mean() < -1


@pytest.mark.slow
def test_small_maps_help_on_digits_and_any_angle_ruins_them(lesson):
    def any_angle(x, rng):
        return random_affine(x, rng, angle=180)

    task, without = lesson["numerals"], lesson["without"][1]
    assert gains(lesson, task, random_affine, without).mean() > 0
    assert gains(lesson, task, any_angle, without).mean() < -10


@pytest.mark.parametrize(("size", "L"), [(8, 16), (12, 36), (16, 8)])
def test_resizing_from_the_corner_moves_the_image(size, L):
    """By half an old pixel less half a new one, to the upper left where it gets larger."""
    middle = (size - 1) / 2
    rows = np.arange(size)[:, None] - middle
    bump = np.exp(-(rows**2 + rows.T**2) / (size / 8) ** 2).reshape(1, size, size, 1)

    def centre(x):
        """Return where the mass of an image lies, as a row of the old one."""
        weights = x[0].sum(axis=(1, 2))
        row = (np.arange(len(x[0])) * weights).sum() / weights.sum()
        return (row + 0.5) * size / len(x[0]) - 0.5

    assert centre(in_numpy.resize_short_side(bump, L)) == pytest.approx(middle, abs=1e-6)
    moved = centre(corner_resize(bump, L)) - middle
    assert moved == pytest.approx(0.5 * size / L - 0.5, abs=0.02)
