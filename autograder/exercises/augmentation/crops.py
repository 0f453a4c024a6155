"""Flips, crops and scales: slides 87–89."""

import numpy as np

from autograder.checking.scenarios import separation
from autograder.checking.spec import CALLBACK, KILLS_A_BUG, RANDOM, Check
from autograder.exercises.augmentation.shared import (
    RIGHT,
    SHAPE,
    Measured,
    a_generator,
    by_chance,
    count_is_likely,
    counted,
    exercise,
    generator_check,
    photographs,
    precision_check,
    same_shape,
)
from cs231n_lib.sampling import bilinear

# ------------------------------------------------------------------ horizontal flip

P = 0.3


def _flipped_with(p, shape):
    def scenario(impl, rng):
        return {"out": impl.horizontal_flip(photographs(rng, shape), p, rng)}

    return scenario


def _many_flips(impl, rng):
    x = photographs(rng, (1500, 2, 3, 2))
    return {"_x": x, "__out": impl.horizontal_flip(x.copy(), P, rng)}


FLIPS = (
    RIGHT,
    SHAPE,
    "all images are changed, or none is: they share one draw",
    "too many images are changed",
    "too few images are changed",
    "images in one half of the batch are changed, and in the other not",
)


def _which_flipped(arrays):
    """Count the images that are not as they were; how they were mirrored is another question."""
    if not same_shape(arrays):
        return FLIPS[1]
    x, out = arrays["_x"], arrays["__out"]
    changed = ~np.isclose(out, x).all(axis=(1, 2, 3))
    n, count = len(x), int(changed.sum())
    if count in (0, n):
        return FLIPS[2]
    if not count_is_likely(count, n, P):
        return counted(FLIPS[3] if count > n * P else FLIPS[4], count, n, P)
    halves = changed[: n // 2].sum(), changed[n // 2 :].sum()
    return RIGHT if all(count_is_likely(half, n // 2, P) for half in halves) else FLIPS[5]


LOOK_FLIP = """\
# Six times the same row of four pixels: each comes out as it was, or mirrored.
row = np.arange(4.0).reshape(1, 1, 4, 1)
print(horizontal_flip(row.repeat(6, axis=0), 0.5, np.random.default_rng(0))[:, 0, :, 0])
"""
FLIP = exercise(
    "Horizontal flips",
    "horizontal_flip",
    (
        Check("p = 1: every image is mirrored", 2, _flipped_with(1.0, (3, 4, 5, 2))),
        Check("p = 0: no image is", 0.5, _flipped_with(0.0, (3, 4, 5, 2))),
        by_chance("p = 0.3: every image has its own draw", 2, _many_flips, _which_flipped, FLIPS),
        generator_check("horizontal_flip", 0.75, lambda: (0.5,)),
        precision_check("horizontal_flip", 0.75, lambda dtype: (1.0, a_generator())),
    ),
    "87",
    look=LOOK_FLIP,
    no_small=RANDOM,
)

# ------------------------------------------------------------------ pad and crop


def _cropped(shape, pad):
    def tried(impl, rng):
        x = photographs(rng, shape)
        return {"_x": x, "_pad": np.array(pad), "__out": impl.pad_crop(x.copy(), pad, rng)}

    return tried


def _places(arrays, fill=None):
    """Return (N, 2·pad + 1, 2·pad + 1): at which places the window of each image may lie.

    Where `fill` is None, what lies outside of the image may be anything.
    """
    x, out, pad = arrays["_x"], arrays["__out"], int(arrays["_pad"])
    widths = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    inside = np.pad(np.ones_like(x), widths)
    padded = np.pad(x, widths) if fill in (None, "zeros") else np.pad(x, widths, mode=fill)
    H, W = x.shape[1:3]
    found = np.zeros((len(x), 2 * pad + 1, 2 * pad + 1), bool)
    for r in range(2 * pad + 1):
        for s in range(2 * pad + 1):
            window = (slice(None), slice(r, r + H), slice(s, s + W))
            same = np.isclose(out, padded[window])
            if fill is None:
                same |= inside[window] == 0
            found[:, r, s] = same.all(axis=(1, 2, 3))
    return found


WINDOWS = (
    RIGHT,
    SHAPE,
    "what lies outside of the image repeats its border",
    "what lies outside of the image mirrors it",
    "what leaves the image on one side comes in on the other",
    "what lies outside of the image is not 0",
    "some outputs are no window of the padded image",
)


def _is_window(arrays):
    if not same_shape(arrays):
        return WINDOWS[1]
    if _places(arrays, "zeros").any(axis=(1, 2)).all():
        return RIGHT
    for mode, said in zip(("edge", "reflect", "wrap", None), WINDOWS[2:6], strict=True):
        if _places(arrays, mode).any(axis=(1, 2)).all():
            return said
    return WINDOWS[6]


REACHED = (
    RIGHT,
    SHAPE,
    "some outputs are no window of the padded image",
    "all images of the batch are cut at the same place",
    "rows and columns always move by the same number",
    "the windows never move up or down",
    "the windows never move left or right",
    "the last row and the last column are never reached",
    "the first row and the first column are never reached",
    "some places are never reached",
    "some places come far too often",
)


def _reaches(arrays):
    if not same_shape(arrays):
        return REACHED[1]
    found = _places(arrays)
    if not found.any(axis=(1, 2)).all():
        return REACHED[2]
    counts = found.sum(axis=0)  # every image has one place: its pixels are all different
    n, share = len(found), 1 / counts.size
    if (counts > 0).all():
        likely = all(count_is_likely(c, n, share) for c in counts.ravel())
        return RIGHT if likely else counted(REACHED[10], counts.max(), n, share)
    places = f"{(counts > 0).sum()} of {counts.size} places, by {n} images"
    return Measured(REACHED[_how_unreached(counts > 0)], places)


def _how_unreached(reached):
    """Return the place in REACHED of what a table (rows, columns) of reached places shows."""
    if reached.sum() == 1:
        return 3
    if np.array_equal(reached, np.eye(len(reached), dtype=bool)):
        return 4
    rows, columns = reached.any(axis=1), reached.any(axis=0)
    if rows.sum() == 1 or columns.sum() == 1:
        return 5 if rows.sum() == 1 else 6
    for missing, place in ((-1, 7), (0, 8)):
        rest = np.delete(np.delete(reached, missing, 0), missing, 1)
        if not rows[missing] and not columns[missing] and rest.all():
            return place
    return 9


LOOK_PAD_CROP = """\
# Images of ones, with zeros around them: the ones move by at most one pixel, each image by itself,
# and zeros come in where they have been.
ones = np.ones((3, 3, 4, 1))
print(pad_crop(ones, 1, np.random.default_rng(0))[..., 0].astype(int))
"""
PAD_CROP = exercise(
    "Pad, and cut out a random window",
    "pad_crop",
    (
        by_chance(
            "each output is a window of the padded image", 2.25, _cropped((40, 5, 4, 3), 2),
            _is_window, WINDOWS,
        ),
        by_chance(
            "every image has its own place, and every place is reached", 2.25,
            _cropped((2000, 4, 3, 1), 2), _reaches, REACHED,
        ),
        generator_check("pad_crop", 0.75, lambda: (2,)),
        precision_check("pad_crop", 0.75, lambda dtype: (2, a_generator())),
    ),
    "88",
    look=LOOK_PAD_CROP,
    no_small=RANDOM,
)  # fmt: skip

# ------------------------------------------------------------------ resize


def _resized(shape, L):
    def scenario(impl, rng):
        return {"out": impl.resize_short_side(photographs(rng, shape, 0.0, 1.0), L)}

    return scenario


def _sizes(impl, rng):
    """Observe heights and widths only: wide images, high ones, and a square."""
    sizes = []
    for by in ((1, 2), (3, 1), (1, 1), (2, 1)):
        short, L = rng.integers(3, 9, 2)
        shape = (1, *(int(short) * side for side in by), 2)
        sizes += impl.resize_short_side(photographs(rng, shape), int(L)).shape[1:3]
    return {"heights and widths": np.array(sizes)}


SMALL_RESIZE = (
    "resize_short_side(np.array([0.0, 1.0]).reshape(1, 1, 2, 1), 2)[0, :, :, 0]",
    "resize_short_side(np.array([0.0, 1.0, 0.0]).reshape(1, 3, 1, 1), 2)[0, :, :, 0]",
    "resize_short_side(np.arange(8.0).reshape(1, 2, 4, 1), 1)[0, :, :, 0]",
)
LOOK_RESIZE = """\
# A dark and a bright pixel, four times as wide: the row should go up as slowly at its end as at its
# beginning.
row = np.array([0.0, 1.0]).reshape(1, 1, 2, 1)
print(resize_short_side(row, 4)[0, 0, :, 0])
"""
RESIZE = exercise(
    "Resize the short side",
    "resize_short_side",
    (
        Check("the new height and width", 2, _sizes),
        Check("wide images, made larger", 2, _resized((2, 4, 12, 3), 6)),
        Check("high images, made smaller", 2, _resized((2, 15, 5, 3), 4)),
        Check("the size that they have already", 1, _resized((2, 4, 8, 3), 4)),
        precision_check("resize_short_side", 1, lambda dtype: (8,), shape=(2, 4, 8, 3)),
    ),
    "88–89",
    small=SMALL_RESIZE,
    look=LOOK_RESIZE,
)

# ------------------------------------------------------------------ kill the bug

SMALLER = 4  # the short side to which the student's image is resized


def corner_resize(x, L):
    """Somebody's resize: row i of the new image is row i·H/H' of the old one."""
    H, W = x.shape[1:3]
    short = min(H, W)
    H_new, W_new = round(L * H / short), round(L * W / short)
    rows = np.arange(H_new) * H / H_new
    columns = np.arange(W_new) * W / W_new
    return bilinear(x, rows[:, None], columns[None, :])


IMAGE_OUTCOMES = (
    "right and wrong differ",
    "x must have shape (1, H, W, 1) with 8 to 64 rows and columns",
    "x must hold numbers from 0 to 1",
    "x must be its own mirror image, left to right and top to bottom",
    "your own resize_short_side does not keep this mirror image one",
    "the wrong resize keeps the symmetry of this image: it is the same everywhere",
    "the wrong resize keeps the symmetry of this image, or nearly",
)


def _asymmetry(x):
    return max(np.abs(x - x[:, ::-1]).max(), np.abs(x - x[:, :, ::-1]).max())


def _unfair_image(x):
    if x.ndim != 4 or x.shape[0] != 1 or x.shape[3] != 1:
        return 1
    if not all(8 <= side <= 64 for side in x.shape[1:3]):
        return 1
    if not ((x >= 0) & (x <= 1)).all():
        return 2
    return 3 if _asymmetry(x) > 1e-6 else 0


def _image_outcome(x, own):
    if own is None or own.ndim != 4 or own.size == 0 or _asymmetry(own) > 1e-6:
        return 4
    if _asymmetry(corner_resize(x, SMALLER)) >= 0.2:
        return 0
    return 5 if np.ptp(x) == 0 else 6


SEPARATING = exercise(
    "Kill the bug: an image for the resize that starts at the corner",
    "resize_short_side separating_image",
    (
        separation(
            "your image tells right from wrong",
            2,
            IMAGE_OUTCOMES,
            find=lambda impl: impl.separating_image(),
            own=lambda impl, x: impl.resize_short_side(x, SMALLER),
            unfair=_unfair_image,
            outcome=_image_outcome,
        ),
    ),
    "88–89",
    given=(corner_resize,),
    no_small=KILLS_A_BUG,
    look="""\
# Your image is its own mirror image, so what comes out should be one as well. Which of the two is?
image = separating_image()
length = min(image.shape[1:3]) // 2
print(resize_short_side(image, length)[0, 0, :, 0], corner_resize(image, length)[0, 0, :, 0])
""",
)

# ------------------------------------------------------------------ ten crops


def _flat(crops):
    """Return crops with their pixels in one row, for their two sides are equally long."""
    return crops.reshape(*crops.shape[:2], -1) if crops.ndim > 2 else crops


def _crops(which, shape, size):
    def scenario(impl, rng):
        crops = _flat(impl.ten_crop(photographs(rng, shape), size))
        return {f"crops {which.start + 1} to {which.stop}": crops[:, which]}

    return scenario


def _ten(impl, rng):
    return {"__crops": impl.ten_crop(photographs(rng, (3, 6, 8, 2)), 4)}


MIRRORS = (
    RIGHT,
    "crops must have shape (N, 10, size, size, C)",
    "the last five are the first five again",
    "the last five are mirrored top to bottom",
    "each crop is followed by its mirror image: the order is five crops, then five mirror images",
    "the mirror images are right, and in another order",
    "the last five are not the mirror images of the first five",
)
HFLIP_FIRST = (
    "Your last five are the crops of the mirrored image, in their own order, as in torchvision. "
    "They are the same five images; only their order differs from the description."
)


def _are_mirrored(arrays):
    """Compare the last five with the first five, wherever those were cut out."""
    crops = arrays.get("__crops", np.zeros(0))
    if crops.shape != (3, 10, 4, 4, 2):
        return MIRRORS[1]
    first, last = crops[:, :5], crops[:, 5:]
    expected = {
        RIGHT: first[:, :, :, ::-1],
        HFLIP_FIRST: first[:, [1, 0, 3, 2, 4], :, ::-1],
        MIRRORS[2]: first,
        MIRRORS[3]: first[:, :, ::-1],
    }
    for said, value in expected.items():
        if np.array_equal(last, value):
            return (RIGHT, HFLIP_FIRST) if said == HFLIP_FIRST else said
    if np.array_equal(crops[:, 1::2], crops[:, ::2, :, ::-1]):
        return MIRRORS[4]
    mirrored = {crop.tobytes() for crop in np.ascontiguousarray(first[0, :, :, ::-1])}
    return MIRRORS[5 if {crop.tobytes() for crop in last[0]} == mirrored else 6]


SMALL_TEN = (
    "ten_crop(np.arange(6.0).reshape(1, 1, 6, 1), 1).ravel()",
    "ten_crop(np.arange(9.0).reshape(1, 3, 3, 1), 1).ravel()",
    "ten_crop(np.arange(12.0).reshape(1, 3, 4, 1), 2)[0, 1:4, :, :, 0].reshape(3, 4)",
    "ten_crop(np.arange(12.0).reshape(1, 3, 4, 1), 2)[0, 5:8, :, :, 0].reshape(3, 4)",
)
LOOK_TEN = """\
# The first rows of the ten crops of a small table: five, and then the same five from right to left.
table = np.arange(20.0).reshape(1, 4, 5, 1)
print(ten_crop(table, 2)[0, :, 0, :, 0])
"""
TEN = exercise(
    "Ten crops",
    "ten_crop",
    (
        Check("the four corners", 1.25, _crops(slice(0, 4), (3, 6, 9, 2), 4)),
        Check("the centre, with an even margin", 0.75, _crops(slice(4, 5), (3, 6, 10, 2), 4)),
        Check("the centre, with an odd margin", 0.5, _crops(slice(4, 5), (3, 7, 9, 2), 4)),
        by_chance("the last five are mirror images", 2, _ten, _are_mirrored, MIRRORS),
        precision_check("ten_crop", 0.5, lambda dtype: (3,), shape=(2, 5, 5, 3)),
    ),
    "89",
    small=SMALL_TEN,
    look=LOOK_TEN,
)

# ------------------------------------------------------------------ the average

CLASSES = 6


def _averaged(sharpness, shape):
    def scenario(impl, rng):
        crops = photographs(rng, shape, 0.0, 1.0)
        weights = sharpness * rng.normal(size=(int(np.prod(shape[2:])), CLASSES))

        def predict(x):
            scores = np.sin(5 * x.reshape(len(x), -1)) @ weights  # no line
            p = np.exp(scores - scores.max(axis=1, keepdims=True))
            return p / p.sum(axis=1, keepdims=True)

        return {"probabilities": impl.average_over_crops(crops, predict)}

    return scenario


LOOK_AVERAGE = """\
# Two images with three crops each; the "network" calls a crop bright with its own brightness as the
# probability. The rows should be the mean brightness and what is left to 1.
brightness = np.array([[0.0, 0.3, 0.6], [1.0, 0.8, 0.9]]).reshape(2, 3, 1, 1, 1)
print(average_over_crops(brightness, lambda x: np.stack([x, 1 - x], axis=1).reshape(-1, 2)))
"""
AVERAGE = exercise(
    "Average over crops",
    "average_over_crops",
    (
        Check("one crop of each image", 0.5, _averaged(0.5, (4, 1, 3, 2, 1))),
        Check("several crops of one image", 1.25, _averaged(0.5, (1, 5, 3, 2, 1))),
        Check("several crops of several images", 1.5, _averaged(0.5, (4, 3, 2, 5, 1))),
        Check("crops that are sure of different classes", 0.75, _averaged(1e4, (4, 5, 3, 2, 1))),
    ),
    "89",
    look=LOOK_AVERAGE,
    no_small=CALLBACK,
)
