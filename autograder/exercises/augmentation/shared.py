"""What the exercises of the family `augmentation` share: chance, the place of channels, inputs.

Many answers here are random, so a judge asks what every right draw obeys. Counts of n independent
draws are within n·√(ln(2/δ)/(2n)) of what is expected (Hoeffding 1963), but for one hand-in in
1/δ = 10¹⁰. Inputs are no two axes equally long.
"""

import functools
import math
from dataclasses import replace

import numpy as np

from autograder.checking.judge import same_dtype
from autograder.checking.scenarios import Measured, failed, family
from autograder.checking.spec import Check, Verdict

RARE = 1e-10
RIGHT = "right"
PRECISION = "float32 and float64 alike, inputs stay as they were"
GENERATOR = "all randomness from the generator"

RETURNS = {
    "horizontal_flip": ("out",),
    "pad_crop": ("out",),
    "resize_short_side": ("out",),
    "separating_image": ("x",),
    "ten_crop": ("crops",),
    "average_over_crops": ("probabilities",),
    "color_jitter": ("out",),
    "color_components": ("eigenvalues", "U"),
    "pca_color_offsets": ("out",),
    "affine_matrices": ("matrices",),
    "affine_warp": ("out",),
    "lens_distortion": ("out",),
    "mixup": ("x_mix", "y_mix"),
    "train_augmented": ("scores",),
}
FORBIDDEN = (
    "skimage.transform.resize",
    "skimage.transform.rescale",
    "skimage.transform.rotate",
    "skimage.transform.warp",
    "scipy.ndimage.zoom",
    "scipy.ndimage.rotate",
    "scipy.ndimage.affine_transform",
    "sklearn.decomposition.PCA",
    "torch.nn.functional.interpolate",
    "torch.nn.functional.affine_grid",
)
exercise = family("augmentation", RETURNS, FORBIDDEN)


# ------------------------------------------------------------------ images


def photographs(rng, shape, low=0.3, high=0.7, dtype=float):
    """Return images whose pixels have nothing to do with each other, away from 0 and 1."""
    return rng.uniform(low, high, shape).astype(dtype)


class ChannelsFirst:
    """An implementation whose images have their channels first, as one that has them last.

    Images are the arrays with four or more axes; what is done to one in place is seen outside.
    """

    def __init__(self, impl):
        self._impl = impl

    def __getattr__(self, name):
        function = getattr(self._impl, name)

        def call(*args):
            inner = [_moved(arg, -1, -3) for arg in args]
            result = function(*inner)
            for arg, inside in zip(args, inner, strict=True):
                if inside is not arg:
                    arg[...] = np.moveaxis(inside, -3, -1)
            if isinstance(result, tuple):
                return tuple(_moved(value, -3, -1) for value in result)
            return _moved(result, -3, -1)

        return call


def _moved(value, source, destination):
    if isinstance(value, np.ndarray) and value.ndim >= 4:
        return np.ascontiguousarray(np.moveaxis(value, source, destination))
    return value


def in_torch(numpy_exercise, points, small=(), optional=False):
    """Return the same exercise for PyTorch, where images are (N, C, H, W), and small inputs too."""
    changed = numpy_exercise.in_torch(points, optional)
    checks = tuple(replace(check, scenario=_first(check.scenario)) for check in changed.checks)
    return replace(changed, checks=checks, small=small)


def _first(scenario):
    return lambda impl, rng: scenario(ChannelsFirst(impl), rng)


# ------------------------------------------------------------------ chance


def by_chance(title, points, tried, problem, sayings):
    """Return a check of what is random: what came out has to obey a law.

    Args:
        title, points: of the check.
        tried: (impl, rng) -> arrays; names with one underscore are inputs, with two are answers.
        problem: (arrays) -> one of `sayings`, or (saying, remark).
        sayings: what can be said, the first being RIGHT.
    """

    def verdict(arrays):
        found = problem(arrays)
        return found if isinstance(found, tuple) else (found, "")

    def scenario(impl, rng):
        arrays = tried(impl, rng)
        return {**arrays, "outcome": np.array(sayings.index(verdict(arrays)[0]))}

    def judge(seen, expected):
        inputs = {k: v for k, v in expected.arrays.items() if k[0] == "_" and k[1] != "_"}
        answers = {key: value for key, value in seen.items() if key.startswith("__")}
        said, remark = verdict(inputs | answers)
        return Verdict(1, remark=remark) if said == RIGHT else failed(said, "outcome")

    return Check(title, points, scenario, judge)


SHAPE = "out must have the shape of x"


def same_shape(arrays):
    """Return whether the answer has the shape of the images, and is finite."""
    out = arrays.get("__out", np.zeros(0))
    return out.shape == arrays["_x"].shape and bool(np.isfinite(out).all())


def count_is_likely(count, n, p):
    """Return whether `count` of n independent draws of probability p is no wonder."""
    return abs(count - n * p) <= _reach_of_count(n)


def counted(said, count, n, p):
    """Return what is said of a count that is no chance, with the numbers."""
    return Measured(said, f"{count} of {n}, expected {n * p:.0f} ± {_reach_of_count(n):.0f}")


def _reach_of_count(n):
    return n * math.sqrt(math.log(2 / RARE) / (2 * n))


def evenly_spread(values, low, high):
    """Return whether independent values look uniform from low to high: their thirds, by count."""
    n = len(values)
    inside = (values >= low - 1e-6) & (values <= high + 1e-6)
    thirds = np.floor(3 * (values - low) / (high - low)).clip(0, 2)
    return inside.all() and all(count_is_likely((thirds == k).sum(), n, 1 / 3) for k in range(3))


# ------------------------------------------------------------------ checks for every function


def generator_check(name, points, args, shape=(12, 5, 4, 3)):
    """Return the check that all randomness comes from the generator, and moves it on."""

    def tried(impl, rng):
        function, x = getattr(impl, name), photographs(rng, shape)
        seed, options = int(rng.integers(2**31)), args()
        once = np.random.default_rng(seed)
        runs = {
            "__first": function(x.copy(), *options, once),
            "__second": function(x.copy(), *options, once),
            "__again": function(x.copy(), *options, np.random.default_rng(seed)),
            "__other": function(x.copy(), *options, np.random.default_rng(seed + 1)),
        }
        return {key: value[0] if isinstance(value, tuple) else value for key, value in runs.items()}

    def problem(arrays):
        first, second, again, other = (
            arrays.get(f"__{key}", np.zeros(0)) for key in ("first", "second", "again", "other")
        )
        if not _equal(first, again):
            return RANDOMNESS[1]
        if _equal(first, other):
            return RANDOMNESS[2]
        return RANDOMNESS[3] if _equal(first, second) else RIGHT

    return by_chance(GENERATOR, points, tried, problem, RANDOMNESS)


def _equal(a, b):
    """Return whether results are the same but for rounding; new draws differ by far more."""
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-5, atol=1e-6)


RANDOMNESS = (
    RIGHT,
    "generators with one seed give different results",
    "generators with different seeds give the same result",
    "a second call with the same generator gives the same result",
)


def precision_check(name, points, args, shape=(2, 5, 4, 3)):
    """Return the check of dtypes and of inputs, whatever the values.

    Args:
        name: of the function, or (impl, x, *options) -> what it returns.
        points: of the check.
        args: (dtype) -> options.
        shape: of x.
    """

    def in_its_type(impl, x, numbers):
        """Return some numbers in the type of what the function gives."""
        function = functools.partial(name, impl) if callable(name) else getattr(impl, name)
        result = function(x, *args(x.dtype.type))
        values = result if isinstance(result, tuple) else (result,)
        return numbers.astype(np.result_type(*(value.dtype for value in values)))

    def scenario(impl, rng):
        single, double = (photographs(rng, shape, dtype=kind) for kind in (np.float32, float))
        numbers = rng.uniform(0, 1, 3)
        return {
            "numbers of the result": in_its_type(impl, single, numbers),
            "numbers of the result, float64 x": in_its_type(impl, double, numbers),
            "x after the call": single.ravel(),
        }

    return Check(PRECISION, points, scenario, same_dtype)


def a_generator():
    """Return a generator for calls whose values do not matter."""
    return np.random.default_rng(1)
