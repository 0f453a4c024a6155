"""Translation, rotation, stretching, shearing and lens distortion: slide 92."""

import numpy as np

from autograder.checking.spec import Check
from autograder.exercises.augmentation.shared import (
    exercise,
    photographs,
    precision_check,
)

N = 5
H, W = 6, 9  # of the images that are warped

# ------------------------------------------------------------------ matrices


def _parameters(rng, *changed):
    """Return angle, stretch, shear and shift: those that are named random, the others neutral."""
    drawn = {
        "angle": rng.uniform(20, 160, N) * rng.choice((-1, 1), N),
        "stretch": rng.uniform([0.5, 1.2], [0.8, 1.9], (N, 2)),
        "shear": rng.uniform(0.2, 0.9, N),
        "shift": rng.uniform([1, -3], [3, -1], (N, 2)),
    }
    neutral = {"stretch": np.ones((N, 2))}
    return [
        value if key in changed else neutral.get(key, np.zeros_like(value))
        for key, value in drawn.items()
    ]


def _matrices(*changed):
    def scenario(impl, rng):
        return {"matrices": impl.affine_matrices(*_parameters(rng, *changed))}

    return scenario


def _of_one_array(impl, x):
    """Return matrices of parameters that stand side by side."""
    return impl.affine_matrices(x[:, 0], x[:, 1:3], x[:, 3], x[:, 4:])


SMALL_MATRICES = (
    "affine_matrices(np.zeros(1), np.ones((1, 2)), np.zeros(1), np.array([[2.0, 3.0]]))[0]",
    "affine_matrices(np.array([90.0]), np.ones((1, 2)), np.zeros(1), np.zeros((1, 2)))[0]",
    "affine_matrices(np.zeros(1), np.array([[2.0, 3.0]]), np.zeros(1), np.zeros((1, 2)))[0]",
    "affine_matrices(np.zeros(1), np.ones((1, 2)), np.array([0.5]), np.zeros((1, 2)))[0]",
    "affine_matrices(np.array([90.0]), np.array([[2.0, 1.0]]), np.zeros(1), np.zeros((1, 2)))[0]",
    "affine_matrices(np.array([90.0]), np.ones((1, 2)), np.array([0.5]), np.zeros((1, 2)))[0]",
    "affine_matrices(np.array([90.0]), np.ones((1, 2)), np.zeros(1), np.array([[2.0, 3.0]]))[0]",
)
LOOK_MATRICES = """\
# A quarter turn after a stretch of x by 2: (1, 0) goes down to (0, 2), and (0, 1) to (-1, 0). Those
# are the first two columns; the last one is the shift.
parts = np.array([90.0]), np.array([[2.0, 1.0]]), np.zeros(1), np.array([[5.0, 6.0]])
print(affine_matrices(*parts).round(3))
"""
MATRICES = exercise(
    "Matrices that stretch, shear, rotate and shift",
    "affine_matrices",
    (
        Check("rotation alone", 1.25, _matrices("angle")),
        Check("stretching alone", 0.75, _matrices("stretch")),
        Check("shearing alone", 0.75, _matrices("shear")),
        Check("shifting alone", 0.5, _matrices("shift")),
        Check("all in their order", 1.25, _matrices("angle", "stretch", "shear", "shift")),
        precision_check(_of_one_array, 0.5, lambda dtype: (), shape=(N, 6)),
    ),
    "92",
    small=SMALL_MATRICES,
    look=LOOK_MATRICES,
)

# ------------------------------------------------------------------ warp


def _turns(degrees):
    """Return (N, 2, 2) matrices that turn by these angles."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)


def _warped(linear, shift, shape):
    """Return the scenario of a warp by matrices whose parts are functions of (rng, number)."""

    def scenario(impl, rng):
        x = photographs(rng, shape, 0.0, 1.0)
        A, t = linear(rng, shape[0]), shift(rng, shape[0])
        return {"out": impl.affine_warp(x, np.concatenate([A, t[:, :, None]], axis=2))}

    return scenario


def _still(rng, n):
    return np.tile(np.eye(2), (n, 1, 1))


def _no_shift(rng, n):
    return np.zeros((n, 2))


def _whole_shifts(rng, n):
    return np.tile([2.0, -1.0], (n, 1))


def _half_turns(rng, n):
    return np.tile(-np.eye(2), (n, 1, 1))


def _rotations(rng, n):
    return _turns(rng.uniform(15, 75, n) * rng.choice((-1, 1), n))


def _general(rng, n):
    return _rotations(rng, n) @ np.array([[1.2, 0.5], [0.0, 0.7]])


def small_warps(row, rows, square, plane):
    """Return small inputs; the first three are shapes of images, `plane` is where pixels are."""
    return (
        f"affine_warp(np.arange(4.0).reshape({row}), np.array([[[1.0, 0, 1], [0, 1, 0]]])).ravel()",
        f"""\
x, mirror = np.arange(4.0).reshape({row}), np.array([[[-1.0, 0, 0], [0, 1, 0]]])
affine_warp(x, mirror).ravel()""",
        f"affine_warp(np.arange(5.0).reshape({row}), np.array([[[2.0, 0, 0], [0, 1, 0]]])).ravel()",
        f"""\
x, quarter = np.arange(9.0).reshape({square}), np.array([[[0.0, -1, 0], [1, 0, 0]]])
affine_warp(x, quarter)[{plane}]""",
        f"""\
x, both = np.arange(9.0).reshape({square}), np.array([[[0.0, -1, 1], [1, 0, 0]]])
affine_warp(x, both)[{plane}]""",
        f"""\
mirror, right = [[-1.0, 0, 0], [0, 1, 0]], [[1.0, 0, 1], [0, 1, 0]]
affine_warp(np.arange(8.0).reshape({rows}), np.array([mirror, right])).ravel()""",
    )


SMALL_WARP_IN_TORCH = small_warps("1, 1, 1, -1", "2, 1, 1, 4", "1, 1, 3, 3", "0, 0")
LOOK_WARP = """\
# A quarter turn, clockwise: the first row becomes the last column. And a shift by one pixel to the
# right, after which the first column appears twice.
x = np.arange(9.0).reshape(1, 3, 3, 1)
for matrix in ([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]], [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]):
    print(affine_warp(x, np.array([matrix]))[0, :, :, 0])
"""
WARP = exercise(
    "Affine warp",
    "affine_warp",
    (
        Check("a shift by whole pixels", 1.5, _warped(_still, _whole_shifts, (2, H, W, 3))),
        Check("half a turn, for which there is one centre", 1.5,
              _warped(_half_turns, _no_shift, (2, H, W, 3))),
        Check("each image turned by its own angle", 1.5,
              _warped(_rotations, _no_shift, (4, H, W, 2))),
        Check("turned, sheared, stretched and shifted", 1.5,
              _warped(_general, _whole_shifts, (4, H, W, 2))),
        precision_check(
            "affine_warp", 1, lambda dtype: (np.tile(np.eye(2, 3, dtype=dtype), (2, 1, 1)),),
            shape=(2, H, W, 3),
        ),
    ),
    "92",
    small=small_warps("1, 1, -1, 1", "2, 1, 4, 1", "1, 3, 3, 1", "0, :, :, 0"),
    look=LOOK_WARP,
)  # fmt: skip

# ------------------------------------------------------------------ lens


def _bent(low, high, shape):
    def scenario(impl, rng):
        x = photographs(rng, shape, 0.0, 1.0)
        return {"out": impl.lens_distortion(x, rng.uniform(low, high, shape[0]))}

    return scenario


SMALL_LENS = (
    "lens_distortion(np.arange(5.0).reshape(1, 1, 5, 1), np.array([0.0])).ravel()",
    "lens_distortion(np.arange(5.0).reshape(1, 1, 5, 1), np.array([-0.5])).ravel()",
    "lens_distortion(np.arange(5.0).reshape(1, 5, 1, 1), np.array([-0.5])).ravel()",
    "lens_distortion(np.arange(12.0).reshape(1, 3, 4, 1), np.array([-0.5]))[0, :, :, 0]",
    "lens_distortion(np.arange(10.0).reshape(2, 1, 5, 1), np.array([-0.5, 0.0]))[:, 0, :, 0]",
)
LENS = exercise(
    "Lens distortion",
    "lens_distortion",
    (
        Check("like a cushion: k below 0", 1, _bent(-0.6, -0.3, (2, H, W, 3))),
        Check("like a barrel: k above 0", 1, _bent(0.3, 0.6, (4, 7, H, 2))),
        precision_check(
            "lens_distortion", 1, lambda dtype: (np.zeros(2, dtype),), shape=(2, H, W, 3)
        ),
    ),
    "92",
    bonus=True,
    small=SMALL_LENS,
    look="""\
# Numbers that grow from pixel to pixel. The middle should stay 12; a corner should show what was
# nearer to the middle for k = -0.5, and itself for k = 0.
for k in (0.0, -0.5):
    print(lens_distortion(np.arange(25.0).reshape(1, 5, 5, 1), np.array([k]))[0, :, :, 0].round(1))
""",
)
