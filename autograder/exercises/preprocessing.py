"""Exercises of the family `preprocessing`: what is learned on training data and applied to all.

Inputs are awkward on purpose: training and validation data of different size, mean and spread,
constant features, fewer examples than features, two directions of one spread. One check has an eps
that is large enough to see, and one the default beside a variance of 0; in all others the data vary
so much that eps is rounding. What the mathematics leaves open (the sign of a direction, a rotation
of white data) is not compared: the scenarios turn coordinates into numbers that do not depend on
it.
"""

import numpy as np

from autograder.checking.judge import keeps_types
from autograder.checking.scenarios import afterwards, family, separation
from autograder.checking.spec import KILLS_A_BUG, Check

EPS = 0.3  # not the default, and large beside the smaller variances
N, M, D = 13, 4, 6
LARGE = 1e11  # spread of data beside which eps is rounding


def split(rng, n_train=N, n_val=M, along=(5.0, 3.0, 1.8, 1.1, 0.8, 0.6), scale=1.0):
    """Return training and validation data with `scale` times these spreads along turned axes.

    The features are correlated, and differ in mean and spread.
    """
    axes, _ = np.linalg.qr(rng.normal(size=(D, D)))
    turned = axes.T * np.geomspace(0.7, 1.4, D)
    mean = rng.normal(0, 4, D)
    x_train = mean + rng.normal(size=(n_train, D)) * along @ turned
    x_val = mean + 2 + 1.5 * rng.normal(size=(n_val, D)) * along @ turned
    return scale * x_train, scale * x_val


def evenly_spread(rng):
    """Return data whose variance is the same in three directions, and smaller in the others."""
    axes, _ = np.linalg.qr(rng.normal(size=(D, D)))
    x_train = np.concatenate([axes * [3, 3, 3, 2, 1, 0.5], -axes * [3, 3, 3, 2, 1, 0.5]], axis=1).T
    return x_train + rng.normal(0, 4, D), rng.normal(0, 3, (M, D))


def few(rng):
    """Return four training examples, which vary in three directions only, and five others."""
    axes, _ = np.linalg.qr(rng.normal(size=(D, D)))
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    x_train = corners * rng.uniform([4, 2, 1], [6, 3, 1.5]) @ axes[:3]
    return x_train + rng.normal(0, 4, D), rng.normal(0, 3, (5, D))


def inputs_after(x_train, x_val):
    return afterwards("x_train x_val", [x_train, x_val])


# ------------------------------------------------------------------ normalize


def _training_data(impl, rng):
    return {"x_train_out": impl.normalize(*split(rng, scale=LARGE))[0]}


def _validation_data(impl, rng):
    return {"x_val_out": impl.normalize(*split(rng, scale=LARGE))[1]}


def _one_validation_example(impl, rng):
    return {"x_val_out": impl.normalize(*split(rng, n_val=1, scale=LARGE))[1]}


def _both(*outs):
    return dict(zip(OUTPUTS, outs, strict=True))


def _given_eps(impl, rng):
    return _both(*impl.normalize(*split(rng), EPS))


def _constant_feature(impl, rng):
    x_train, x_val = split(rng, scale=LARGE)
    x_train[:, 1] = x_val[:, 1] = 3.5  # its sums are exact, so its variance is exactly 0
    x_val[0, 1] = 3.75
    return _both(*impl.normalize(x_train, x_val))


def _far_from_zero(impl, rng):
    """Here the default eps is less than float32 can tell."""
    x_train, x_val = (1000 + x.astype(np.float32) for x in split(rng))
    return _both(*impl.normalize(x_train, x_val))


def _types_and_inputs(function, *options, observed=_both):
    def scenario(impl, rng):
        x_train, x_val = split(rng)
        single = x_train.astype(np.float32), x_val.astype(np.float32)
        out = getattr(impl, function)(*single, *options)
        double = getattr(impl, function)(x_train, x_val, *options)
        of_float64 = {f"{key} of float64 x": value for key, value in observed(*double).items()}
        return {**observed(*out), **of_float64, **inputs_after(*single)}

    return scenario


# ------------------------------------------------------------------ kill the bug


def guarded_normalize(x_train, x_val):
    """Standardize each feature; where the standard deviation is 0, divide by 1 instead."""
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    guarded = np.where(std == 0, 1, std)
    return tuple((x - mean) / guarded for x in (x_train, x_val))


OUTCOMES = (
    "right and wrong differ",
    "x_train must have shape (N, D), with 1 to 100,000 numbers",
    "x_train must be float32",
    "x_train must be finite and stay within ±1,000",
    "every feature of x_train must be constant: the same number in all rows",
    "your own normalize is not near 0 on this x_train",
    "the guard holds on this x_train: both give zeros, or nearly",
    "the guard holds on these few rows: both give zeros, or nearly",
)


def _outcome(x, own):
    """Return the place in OUTCOMES of what `x` and the student's output for it show."""
    if own is None or own.shape != x.shape or not np.abs(own).max() < 0.05:
        return 5
    if np.abs(guarded_normalize(x, x[:1])[0]).max() >= 0.5:
        return 0
    return 6 if len(x) >= 100 else 7


def _unfair(x):
    if x.ndim != 2 or not 0 < x.size <= 100_000:
        return 1
    if x.dtype != np.float32:
        return 2
    if not (np.abs(x) <= 1000).all():
        return 3
    return 4 if (x != x[0]).any() else 0


# ------------------------------------------------------------------ pca


def turned(z_train, z_val):
    """Return coordinates with signs chosen so that the first training example has none below 0."""
    signs = np.where(z_train[:1] < 0, -1, 1).astype(z_train.dtype)
    same = signs.shape[1:] == z_val.shape[1:]
    return {"z_train": z_train * signs, "z_val": z_val * signs if same else z_val}


def inner_products(z_train, z_val):
    """Return what a rotation of white data leaves alone: lengths and angles, as inner products."""
    pairs = np.triu_indices(len(z_train))
    return {
        "inner products of training examples": (z_train @ z_train.T)[pairs],
        "inner products with validation examples": _products(z_val, z_train),
    }


def _products(a, b):
    return a @ b.T if a.shape[1:] == b.shape[1:] else a


def _first_directions(key, k):
    def scenario(impl, rng):
        return {key: turned(*impl.pca(*split(rng, n_train=40), k))[key]}

    return scenario


def _few_examples(impl, rng):
    return turned(*impl.pca(*few(rng), 3))


def _equal_spreads(impl, rng):
    return inner_products(*impl.pca(*evenly_spread(rng), 3))


# ------------------------------------------------------------------ whiten


def _whitened(key):
    """In float32, beside whose rounding it does not matter how a root of a matrix is found."""

    def scenario(impl, rng):
        data = split(rng, along=(3.0, 2.4, 1.9, 1.5, 1.2, 1.0), scale=LARGE)
        return {key: inner_products(*impl.whiten(*map(_single, data)))[key]}

    return scenario


def _few_examples_whitened(impl, rng):
    return inner_products(*impl.whiten(*map(_single, few(rng)), EPS))


def _single(x):
    return x.astype(np.float32)


def _equal_spreads_whitened(impl, rng):
    """Spreads so small that the default eps shows."""
    x_train, x_val = evenly_spread(rng)
    return inner_products(*impl.whiten(0.02 * x_train, 0.02 * x_val))


# ------------------------------------------------------------------ the exercises

OUTPUTS = ("x_train_out", "x_val_out")
RETURNS = {
    "normalize": OUTPUTS,
    "separating_feature": ("x_train",),
    "pca": ("z_train", "z_val"),
    "whiten": OUTPUTS,
}
FORBIDDEN = (
    "sklearn.preprocessing.StandardScaler",
    "sklearn.preprocessing.scale",
    "sklearn.decomposition.PCA",
    "scipy.stats.zscore",
    "torch.pca_lowrank",
    "torch.nn.functional.batch_norm",
)
PRECISION = "float32 and float64 alike, inputs stay as they were"

exercise = family("preprocessing", RETURNS, FORBIDDEN)

NORMALIZE = exercise(
    "Centre and scale every feature",
    "normalize",
    (
        Check("training data", 3.5, _training_data),
        Check("validation data, treated as the training data was", 3.5, _validation_data),
        Check("a single validation example", 2, _one_validation_example),
        Check("an eps that shows", 2, _given_eps),
        Check("a constant feature, default eps", 2, _constant_feature),
        Check("float32 around 1,000", 1.5, _far_from_zero),
        Check(PRECISION, 1.5, _types_and_inputs("normalize", EPS), keeps_types),
    ),
    "6–7",
    small=(
        "normalize(np.array([[1.0], [3.0]]), np.array([[2.0]]), 0.0)",
        "normalize(np.array([[1.0], [3.0]]), np.array([[2.0], [6.0]]), 3.0)",
        "normalize(np.array([[1.0, 0.0], [3.0, 6.0], [5.0, 0.0]]), np.array([[2.0, 4.0]]), 0.0)",
        "normalize(np.array([[2.0, 0.0], [2.0, 6.0], [2.0, 0.0]]), np.array([[3.0, 4.0]]))",
    ),
    look="""\
print(*normalize(np.array([[1.0, 10.0], [3.0, 30.0]]), np.array([[2.0, 0.0]])))
# columns of -1 and 1; the validation example is measured from the same means: 0 and -2
""",
)
SEPARATING = exercise(
    "Kill the bug: a constant feature that the guard does not see",
    "normalize separating_feature",
    (
        separation(
            "your input tells right from wrong",
            3,
            OUTCOMES,
            find=lambda impl: impl.separating_feature(),
            own=lambda impl, x: impl.normalize(x, x[:1].copy())[0],
            unfair=_unfair,
            outcome=_outcome,
        ),
    ),
    "6–7",
    given=(guarded_normalize,),
    bonus=True,
    no_small=KILLS_A_BUG,
    look="""\
# The largest number that either makes of your features: which of the two is far from 0?
x_train = separating_feature()
print("yours:  ", abs(normalize(x_train, x_train)[0]).max())
print("guarded:", abs(guarded_normalize(x_train, x_train)[0]).max())
""",
)
PCA = exercise(
    "Principal components: the directions of largest variance",
    "pca",
    (
        Check("training data along the first directions", 1.25, _first_directions("z_train", 4)),
        Check("validation data along the same directions", 1, _first_directions("z_val", 2)),
        Check("fewer examples than features", 0.5, _few_examples),
        Check("three directions of equal variance", 0.5, _equal_spreads),
        Check(PRECISION, 0.75, _types_and_inputs("pca", 2, observed=turned), keeps_types),
    ),
    "6–7",
    bonus=True,
    small=(
        "abs(pca(np.array([[1.0, 1.0], [2.0, 2.0], [6.0, 6.0]]), np.array([[4.0, 4.0]]), 1)[0])",
        "abs(pca(np.array([[1.0, 1.0], [2.0, 2.0], [6.0, 6.0]]), np.array([[4.0, 4.0]]), 1)[1])",
        "abs(pca(np.array([[0.0, 2.0], [6.0, 3.0], [0.0, 4.0], [6.0, 3.0]]), "
        "np.array([[1.0, 5.0]]), 2)[0])",
        """\
x = np.array([[1.0, 0.0, 2.0], [3.0, 5.0, 1.0], [0.0, 4.0, 4.0], [6.0, 1.0, 0.0]])
abs(pca(x, x[:1], 1)[0])""",
    ),
    look="""\
print(*pca(np.array([[1.0, 1.0], [2.0, 2.0], [6.0, 6.0]]), np.array([[3.0, 3.0]]), 1))
# one column that holds all distances from the mean; the validation example is the mean itself
""",
)
WHITEN = exercise(
    "Whitening: no correlation, and variance 1 in every direction",
    "whiten",
    (
        Check("training data", 1, _whitened("inner products of training examples")),
        Check("validation data", 1, _whitened("inner products with validation examples")),
        Check("fewer examples than features, an eps that shows", 0.75, _few_examples_whitened),
        Check("directions of equal variance, default eps", 0.5, _equal_spreads_whitened),
        Check(
            PRECISION,
            0.75,
            _types_and_inputs("whiten", EPS, observed=inner_products),
            keeps_types,
        ),
    ),
    "6–7",
    bonus=True,
    look="""\
white, _ = whiten(np.array([[1.0, 1.0], [2.0, 3.0], [6.0, 5.0]]), np.zeros((1, 2)))
print(white.T @ white / 3)  # nearly the identity
""",
    small=(
        """\
few = np.array([[1.0, 1.0], [-1.0, -1.0], [2.0, -2.0], [-2.0, 2.0]])
out, _ = whiten(few, few[:1], 0.0)
out @ out[:2].T""",
        """\
few = np.array([[1.0, 2.0], [3.0, 3.0], [0.0, 1.0]])
out, new = whiten(few, np.array([[5.0, 1.0]]), 1.0)
out @ out.T, new @ out.T""",
        """\
few = np.array([[0.01, 0.0], [0.0, 0.01], [-0.01, -0.01]])
out, new = whiten(few, few[:1])
out @ out.T, new @ out.T""",
    ),
)

EXERCISES = (
    NORMALIZE,
    SEPARATING,
    PCA,
    WHITEN,
    NORMALIZE.in_torch(points=3, optional=True),
    PCA.in_torch(points=2),
    WHITEN.in_torch(points=2),
)
