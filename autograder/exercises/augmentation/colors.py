"""Contrast, brightness and the colours' principal components: slides 90 and 91."""

import numpy as np

from autograder.checking.scenarios import Measured
from autograder.checking.spec import RANDOM, Check
from autograder.exercises.augmentation.shared import (
    RIGHT,
    SHAPE,
    a_generator,
    by_chance,
    evenly_spread,
    exercise,
    generator_check,
    photographs,
    precision_check,
    same_shape,
)

PER_CHANNEL = (
    "Your contrast leaves the mean of each colour where it is; the formula takes one mean for all "
    "of them. Both are used, and yours keeps the tint of an image."
)
CLOSE = 1e-5

# ------------------------------------------------------------------ jitter


def _jittered(shape, contrast, brightness, low=0.45, high=0.55):
    """Return what is tried: images in the middle of the range, so that nothing is cut off."""

    def tried(impl, rng):
        x = photographs(rng, shape, low, high)
        options = np.array([contrast, brightness])
        out = impl.color_jitter(x.copy(), contrast, brightness, rng)
        return {"_x": x, "_options": options, "__out": out}

    return tried


def _lines(x, out):
    """Return slope, shift of the mean (each (N, C)), and whether out is such a line of x."""
    axes = (1, 2)
    mean, new = x.mean(axis=axes, keepdims=True), out.mean(axis=axes, keepdims=True)
    slope = ((out - new) * (x - mean)).sum(axis=axes) / ((x - mean) ** 2).sum(axis=axes)
    straight = np.allclose(out - new, slope[:, None, None, :] * (x - mean), rtol=0, atol=CLOSE)
    return slope, (new - mean)[:, 0, 0], straight


def _alike(values, axis):
    return bool(np.ptp(values, axis=axis).max() < CLOSE)


SHIFTS = (
    RIGHT,
    SHAPE,
    "brightness changes differences between the pixels of an image",
    "brightness shifts the colours of an image by different amounts",
    "all images of the batch get the same shift",
    "the shifts go beyond the brightness",
    "the shifts are all of one sign",
    "the shifts are not spread evenly over their range",
)


def _is_shift(arrays):
    if not same_shape(arrays):
        return SHIFTS[1]
    slope, shift, straight = _lines(arrays["_x"], arrays["__out"])
    if not straight or np.abs(slope - 1).max() > 1e-3:
        return SHIFTS[2]
    if not _alike(shift, 1):
        return SHIFTS[3]
    return _spread_of(shift[:, 0], 0, arrays["_options"][1], SHIFTS)


def _spread_of(values, middle, reach, sayings):
    if _alike(values, 0):
        return sayings[-4]
    if np.abs(values - middle).max() > reach + CLOSE:
        seen = f"from {values.min():.3f} to {values.max():.3f}"
        return Measured(sayings[-3], f"{seen}, range {middle - reach:g} to {middle + reach:g}")
    if (values >= middle).all() or (values <= middle).all():
        return sayings[-2]
    if evenly_spread(values, middle - reach, middle + reach):
        return RIGHT
    deviation = np.std(values)
    return Measured(sayings[-1], f"deviation {deviation:.3f}, expected {reach / 3**0.5:.3f}")


FACTORS = (
    RIGHT,
    SHAPE,
    "an image is not stretched by one factor",
    "contrast changes the mean of an image: as if black stayed where it is",
    "contrast changes the mean of an image: as if medium grey stayed where it is",
    "contrast changes the mean of an image: as if the mean of the batch stayed where it is",
    "contrast changes the mean of an image",
    "all images of the batch get the same factor",
    "the factors go beyond 1 − contrast to 1 + contrast",
    "the factors are all on one side of 1",
    "the factors are not spread evenly over their range",
)


def _is_stretch(arrays):
    if not same_shape(arrays):
        return FACTORS[1]
    x, out = arrays["_x"], arrays["__out"]
    slope, shift, straight = _lines(x, out)
    if not straight or not _alike(slope, 1):
        return FACTORS[2]
    stays = _what_stays(x, slope[:, :1], shift)
    if stays not in ("the image", "the channel"):
        return FACTORS[stays]
    said = _spread_of(slope[:, 0], 1, arrays["_options"][0], FACTORS)
    return said, PER_CHANNEL if stays == "the channel" and said == RIGHT else ""


def _what_stays(x, factor, shift):
    """Return whose mean stays where it is, or the place in FACTORS of what stays instead."""
    channels = x.mean(axis=(1, 2))  # (N, C)
    places = {
        "the image": x.mean(axis=(1, 2, 3))[:, None], "the channel": channels,
        3: 0.0, 4: 0.5, 5: x.mean(),
    }  # fmt: skip
    for name, place in places.items():
        if np.allclose(shift, (factor - 1) * (channels - place), rtol=0, atol=CLOSE):
            return name
    return 6


def _range(impl, rng):
    x = photographs(rng, (300, 3, 4, 2), 0.0, 1.0)
    return {"_x": x, "__out": impl.color_jitter(x.copy(), 0.0, 0.9, rng)}


CUT_OFF = (
    RIGHT,
    SHAPE,
    "values leave the range from 0 to 1",
    "no value ends at 0 or at 1: values are moved into the range, and not cut off",
)


def _is_cut_off(arrays):
    if not same_shape(arrays):
        return CUT_OFF[1]
    out = arrays["__out"]
    if out.min() < 0 or out.max() > 1:
        return CUT_OFF[2]
    return RIGHT if (out == 0).any() and (out == 1).any() else CUT_OFF[3]


LOOK_JITTER = """\
# Four times a dark and a bright pixel, with mean 0.5. Contrast alone moves them apart or together
# and keeps the mean; brightness alone keeps their difference.
pair = np.array([0.4, 0.6]).reshape(1, 1, 2, 1).repeat(4, axis=0)
print(color_jitter(pair, 0.5, 0.0, np.random.default_rng(0))[:, 0, :, 0].round(2))
print(color_jitter(pair, 0.0, 0.2, np.random.default_rng(0))[:, 0, :, 0].round(2))
"""
JITTER = exercise(
    "Contrast and brightness",
    "color_jitter",
    (
        by_chance(
            "brightness alone: one shift for each image", 2, _jittered((600, 2, 3, 4), 0.0, 0.1),
            _is_shift, SHIFTS,
        ),
        by_chance(
            "contrast alone: one factor for each image, around its mean", 3,
            _jittered((600, 3, 4, 2), 0.3, 0.0, 0.3, 0.5), _is_stretch, FACTORS,
        ),
        by_chance("what leaves the range is cut off", 1.5, _range, _is_cut_off, CUT_OFF),
        generator_check("color_jitter", 0.75, lambda: (0.3, 0.2)),
        precision_check("color_jitter", 0.75, lambda dtype: (0.3, 0.2, a_generator())),
    ),
    "90",
    look=LOOK_JITTER,
    no_small=RANDOM,
)  # fmt: skip

# ------------------------------------------------------------------ components


def _colors(rng, shape=(4, 5, 6, 3)):
    """Return images whose colours vary differently, depend on each other and differ in mean."""
    own = photographs(rng, shape, 0.0, 0.4) * [1.0, 0.6, 0.3]
    return own + photographs(rng, (*shape[:3], 1), 0.0, 0.3) + [0.05, 0.2, 0.3]


def _rebuilt(eigenvalues, U):
    """Return what does not depend on the order and the signs of components."""
    covariance = U * eigenvalues @ U.T
    return {"U diag(eigenvalues) U^T": covariance[np.triu_indices(len(U))]}


def _covariance(impl, rng):
    return _rebuilt(*impl.color_components(_colors(rng)))


def _variances(impl, rng):
    return {"eigenvalues, sorted": np.sort(impl.color_components(_colors(rng))[0])}


def _units(impl, rng):
    """Observe what U U^T makes of some colours: nothing, where U turns them."""
    colors = rng.normal(size=(4, 3))
    U = impl.color_components(_colors(rng))[1]
    return {"colours, turned there and back": colors @ U @ U.T}


LOOK_COMPONENTS = """\
# Grey pixels of many brightnesses vary along (1, 1, 1) only, in one direction or the other: one
# eigenvalue is large, and its column has three equal numbers of size 0.58.
grey = np.linspace(0, 1, 12).reshape(1, 3, 4, 1) * np.ones(3)
for array in color_components(grey):
    print(array.round(2))
"""
COMPONENTS = exercise(
    "Principal components of the colours",
    "color_components",
    (
        Check("the variances along the components", 1, _variances),
        Check("the components are unit vectors at right angles", 0.5, _units),
        Check("both together make up the covariance", 1, _covariance),
        precision_check("color_components", 0.5, lambda dtype: ()),
    ),
    "91",
    look=LOOK_COMPONENTS,
    small=(
        """\
x = np.array([0.0, 0.2, 0.4, 0.2, 0.8, 0.2]).reshape(1, 1, 3, 2)
np.sort(color_components(x)[0])""",
        """\
x = np.array([0.0, 0.2, 0.4, 0.2, 0.8, 0.2]).reshape(1, 1, 3, 2)
eigenvalues, U = color_components(x)
U * eigenvalues @ U.T""",
        """\
x = np.array([0.0, 0.2, 0.4, 0.3, 0.8, 0.7]).reshape(1, 1, 3, 2)
eigenvalues, U = color_components(x)
U * eigenvalues @ U.T""",
        """\
x = np.array([0.0, 0.2, 0.4, 0.3, 0.8, 0.7, 1.0, 0.1, 0.5, 0.9, 0.2, 0.2]).reshape(2, 2, 1, 3)
eigenvalues, U = color_components(x)
U * eigenvalues @ U.T""",
        """\
x = np.array([0.0, 0.2, 0.4, 0.3, 0.8, 0.7, 1.0, 0.1, 0.5, 0.9, 0.2, 0.2]).reshape(2, 2, 1, 3)
U = color_components(x)[1]
U.T @ U""",
    ),
)

# ------------------------------------------------------------------ offsets

STD = 0.2
EIGENVALUES = np.array([0.08, 0.05, 0.12])


def _offset(eigenvalues, N=1200):
    def tried(impl, rng):
        x = photographs(rng, (N, 2, 4, 3), 0.4, 0.6)
        U, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        out = impl.pca_color_offsets(x.copy(), eigenvalues.copy(), U, STD, rng)
        return {"_x": x, "_eigenvalues": eigenvalues, "_U": U, "__out": out}

    return tried


ONE_COLOR = (
    RIGHT,
    SHAPE,
    "pixels of one image get different offsets",
    "all images of the batch get the same offset",
    "nothing is added",
)


def _is_one_color(arrays):
    if not same_shape(arrays):
        return ONE_COLOR[1]
    offsets = arrays["__out"] - arrays["_x"]
    if not np.allclose(offsets, offsets[:, :1, :1], rtol=0, atol=CLOSE):
        return ONE_COLOR[2]
    if np.abs(offsets).max() < CLOSE:
        return ONE_COLOR[4]
    return ONE_COLOR[3] if _alike(offsets[:, 0, 0], 0) else RIGHT


ALONG = (
    RIGHT,
    SHAPE,
    "the offsets have the right size along the rows of U: its columns are the components",
    "the spread along a component is in proportion to the root of its eigenvalue",
    "the spread does not depend on the eigenvalues",
    "the spread does not depend on the components",
    "the standard deviation of the factors is not what was asked for",
    "all offsets of an image come from one number, and not from one for each component",
    "the offsets have another spread along the components",
    "the factors are not centred on 0",
)


def _is_along(arrays):
    """Compare the second moments of the offsets with those that a rule gives."""
    if not same_shape(arrays):
        return ALONG[1]
    offsets = (arrays["__out"] - arrays["_x"]).mean(axis=(1, 2))  # (N, 3)
    eigenvalues, U = arrays["_eigenvalues"], arrays["_U"]
    along = offsets @ U / (STD * eigenvalues)  # (N, 3), standard normal
    n = len(offsets)
    if _standard(along):
        one = np.abs(np.corrcoef(along.T))[np.triu_indices(3, 1)].max()
        if one > 0.3:  # independent: below 6.5 / sqrt(1200) = 0.19
            return Measured(ALONG[7], f"correlation {one:.2f}, expected 0 ± 0.19")
        mean, room = np.abs(along.mean(axis=0)).max(), 6.5 / np.sqrt(n)
        if mean < room:
            return RIGHT
        return Measured(ALONG[9], f"mean {mean:.2f} deviations, expected 0 ± {room:.2f}")
    rules = (
        (offsets @ U.T / (STD * eigenvalues), 2),
        (offsets @ U / (STD * np.sqrt(eigenvalues)), 3),
        (offsets @ U / STD, 4),
        (offsets / (STD * eigenvalues), 5),
        (offsets @ U / eigenvalues, 6),
    )
    said = next((ALONG[place] for scaled, place in rules if _standard(scaled)), ALONG[8])
    low, high = np.sqrt(_reach_of_squares(n))
    spread = ", ".join(f"{deviation:.2f}" for deviation in np.sqrt((along**2).mean(axis=0)))
    return Measured(
        said,
        f"deviations along the components, over those asked for: {spread}, "
        f"expected {low:.2f} to {high:.2f}",
    )


def _standard(values):
    """Return whether the mean squares of columns are 1, but for chance."""
    low, high = _reach_of_squares(len(values))
    squares = (values**2).mean(axis=0)
    return bool(((squares > low) & (squares < high)).all())


def _reach_of_squares(n):
    """Return the bounds of a mean of n squares of normal numbers (Laurent & Massart 2000)."""
    t = 25.0
    return 1 - 2 * np.sqrt(t / n), 1 + 2 * np.sqrt(t / n) + 2 * t / n


def _far_offset(impl, rng):
    x = photographs(rng, (200, 3, 2, 3), 0.0, 1.0)
    out = impl.pca_color_offsets(x.copy(), np.array([2.0, 3.0, 4.0]), np.eye(3), STD, rng)
    return {"_x": x, "__out": out}


def _options(dtype):
    return *_generator_options(dtype), a_generator()


def _generator_options(dtype=float):
    return EIGENVALUES.astype(dtype), np.eye(3, dtype=dtype), STD


LOOK_OFFSETS = """\
# Two grey pixels, three times; the data varies in red only. Both pixels of an image should change
# alike, in red only, and each image by another amount.
grey = np.full((3, 1, 2, 3), 0.5)
red_only = np.array([1.0, 0.0, 0.0]), np.eye(3)
print(pca_color_offsets(grey, *red_only, 0.1, np.random.default_rng(0)).round(3))
"""
OFFSETS = exercise(
    "A colour offset for each image",
    "pca_color_offsets",
    (
        by_chance(
            "one colour for all pixels of an image, another for each image", 2,
            _offset(EIGENVALUES, 100), _is_one_color, ONE_COLOR,
        ),
        by_chance(
            "along the components, in proportion to the eigenvalues", 2, _offset(EIGENVALUES),
            _is_along, ALONG,
        ),
        by_chance("what leaves the range is cut off", 0.75, _far_offset, _is_cut_off, CUT_OFF),
        generator_check("pca_color_offsets", 0.5, _generator_options),
        precision_check("pca_color_offsets", 0.75, _options),
    ),
    "91",
    look=LOOK_OFFSETS,
    no_small=RANDOM,
)  # fmt: skip
