"""Initialization: laws and oracles, in NumPy and in PyTorch.

Weights are random; a test asks for what holds for every seed but one in 10⁹, and tries several.
"""

from itertools import combinations

import numpy as np
import pytest
import scipy.stats
import torch

from autograder.exercises.initialization import (
    MEAN,
    NARROW,
    RULES,
    WIDE,
    T,
    chi_square_bounds,
    is_uniform,
    rule_of,
    structure_of,
)
from cs231n_lib.initialization import in_numpy, in_torch

SEEDS = range(5)
RARE = 1e-9


def draw(framework, name, *args, seed=0):
    """Return weights as an array, of a generator with this seed."""
    if framework == "numpy":
        return getattr(in_numpy, name)(*args, np.random.default_rng(seed))
    return getattr(in_torch, name)(*args, torch.Generator().manual_seed(seed)).numpy()


both = pytest.mark.parametrize("framework", ["numpy", "torch"])
INITS = {"gaussian_init": (0.02,), "xavier_init": (), "kaiming_init": ()}
every_init = pytest.mark.parametrize("name", INITS)
VARIANCE = {
    "gaussian_init": lambda fan_in: 0.02**2,
    "xavier_init": lambda fan_in: 1 / fan_in,
    "kaiming_init": lambda fan_in: 2 / fan_in,
}


@both
@every_init
@pytest.mark.parametrize("fans", [(300, 50), (50, 300), (1, 4000), (4000, 1)])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_sum_of_squares_is_chi_square(framework, name, fans, seed):
    W = draw(framework, name, *fans, *INITS[name], seed=seed).astype(float)
    assert W.shape == fans
    squares = (W**2).sum() / VARIANCE[name](fans[0])
    low, high = scipy.stats.chi2.ppf([RARE / 2, 1 - RARE / 2], W.size)
    assert low <= squares <= high
    error = np.sqrt(VARIANCE[name](fans[0]) / W.size)
    assert abs(W.mean()) <= scipy.stats.norm.isf(RARE / 2) * error


@both
@every_init
@pytest.mark.parametrize("seed", SEEDS)
def test_the_weights_are_gaussian_and_independent(framework, name, seed):
    W = draw(framework, name, 60, 200, *INITS[name], seed=seed).astype(float)
    scaled = W / np.sqrt(VARIANCE[name](60))
    assert scipy.stats.kstest(scaled.ravel(), "norm").pvalue > RARE
    for way in (scaled, scaled.T):  # units, then inputs: sums of neighbours are no larger than luck
        products = (way[:-1] * way[1:]).mean(axis=1) * np.sqrt(way.shape[1])
        low, high = scipy.stats.chi2.ppf([RARE / 2, 1 - RARE / 2], len(products))
        assert low / 2 < (products**2).sum() < high * 2  # products are not quite normal
    assert len(np.unique(W)) > 0.99 * W.size  # float32 has some numbers twice


@both
@every_init
def test_randomness_comes_from_the_generator_alone(framework, name):
    first, again = (draw(framework, name, 6, 5, *INITS[name], seed=3) for _ in range(2))
    other = draw(framework, name, 6, 5, *INITS[name], seed=4)
    assert np.array_equal(first, again) and not np.isclose(first, other).any()


@every_init
def test_a_generator_goes_on(name):
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    for module, source in ((in_numpy, rng), (in_torch, generator)):
        first, second = (getattr(module, name)(6, 5, *INITS[name], source) for _ in range(2))
        assert first.shape == (6, 5) and (first != second).all()


def test_the_default_dtype_of_torch_is_kept():
    assert in_torch.xavier_init(3, 2, torch.Generator()).dtype == torch.float32
    assert in_numpy.xavier_init(3, 2, np.random.default_rng(0)).dtype == np.float64


@both
def test_the_three_are_one_gaussian_with_other_deviations(framework):
    plain = draw(framework, "gaussian_init", 40, 30, 1.0)
    for name in ("xavier_init", "kaiming_init"):
        expected = plain * np.sqrt(VARIANCE[name](40))
        np.testing.assert_allclose(draw(framework, name, 40, 30), expected, rtol=1e-6)


def test_kaiming_is_pytorchs_with_the_same_numbers():
    """PyTorch takes weights the other way round, so that its fan-out is our fan-in."""
    ours = in_torch.kaiming_init(40, 30, torch.Generator().manual_seed(5))
    theirs = torch.nn.init.kaiming_normal_(
        torch.empty(40, 30), mode="fan_out", nonlinearity="relu",
        generator=torch.Generator().manual_seed(5),
    )  # fmt: skip
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)


# ---------------------------------------------------------------------------------- statistics


@both
@pytest.mark.parametrize("seed", SEEDS)
def test_a_linear_layer_keeps_the_variance_with_xavier(framework, seed):
    """Over the weights, the mean square of x W is that of x: chi-square with 2,000 degrees."""
    x = np.random.default_rng(seed).normal(size=(1, 500))
    W = draw(framework, "xavier_init", 500, 2000, seed=seed)
    low, high = scipy.stats.chi2.ppf([RARE / 2, 1 - RARE / 2], 2000) / 2000
    assert low <= ((x @ W) ** 2).mean() / (x**2).mean() <= high


def statistics(framework, x, weights, activation):
    if framework == "numpy":
        return in_numpy.activation_statistics(x, weights, getattr(np, activation))
    tensors = [torch.from_numpy(a) for a in (x, *weights)]
    function = getattr(torch, activation)
    return [a.numpy() for a in in_torch.activation_statistics(tensors[0], tensors[1:], function)]


@both
def test_statistics_are_those_of_each_layer(framework):
    rng = np.random.default_rng(0)
    x, first, second = rng.normal(size=(9, 4)), rng.normal(size=(4, 6)), rng.normal(size=(6, 3))
    hidden = [np.tanh(x @ first)]
    hidden.append(np.tanh(hidden[0] @ second))
    means, stds = statistics(framework, x, [first, second], "tanh")
    np.testing.assert_allclose(means, [np.mean(h) for h in hidden], rtol=1e-12)
    np.testing.assert_allclose(stds, [np.std(h) for h in hidden], rtol=1e-12)


@both
@pytest.mark.parametrize("seed", SEEDS)
def test_too_small_too_big_and_just_right_for_tanh(framework, seed):
    """Ten layers of 200 units, as on slide 5."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(100, 200))
    std = {
        name: statistics(framework, x, [f() for _ in range(10)], "tanh")[1]
        for name, f in {
            "small": lambda: in_numpy.gaussian_init(200, 200, 0.01, rng),
            "big": lambda: in_numpy.gaussian_init(200, 200, 1.0, rng),
            "right": lambda: in_numpy.xavier_init(200, 200, rng),
        }.items()
    }
    np.testing.assert_allclose(std["small"][1:] / std["small"][:-1], 0.01 * np.sqrt(200), rtol=0.2)
    assert std["big"].min() > 0.9 and 0.2 < std["right"][-1] < std["right"][0] < 0.7


def test_activation_statistics_leave_their_input_alone():
    x = np.ones((2, 3))
    in_numpy.activation_statistics(x, [np.ones((3, 3))], np.tanh)
    assert (x == 1).all()


# ---------------------------------------------------------------------------------- bad input


@both
@pytest.mark.parametrize(
    ("name", "args", "error", "message"),
    [
        ("xavier_init", (0, 3), ValueError, "xavier_init: fan_in must be a whole number"),
        ("kaiming_init", (3, 2.5), ValueError, "kaiming_init: fan_out must be a whole number"),
        ("xavier_init", ("3", 2), TypeError, "fan_in must be a number, a whole number"),
        ("gaussian_init", (3, 2, -1.0), ValueError, "std must be at least 0, got -1.0"),
        ("gaussian_init", (3, 2, np.nan), ValueError, "std must be at least 0, got nan"),
    ],
)
def test_sizes_and_deviations_are_checked(framework, name, args, error, message):
    with pytest.raises(error, match=message):
        draw(framework, name, *args)


def test_inputs_of_statistics_are_checked():
    with pytest.raises(ValueError, match=r"activation_statistics: x must have shape \(N, D\)"):
        in_numpy.activation_statistics(np.ones(3), [], np.tanh)


# ---------------------------------------------------------------------------------- the judge


@pytest.mark.parametrize("fans", [WIDE, NARROW])
def test_the_rules_lie_outside_of_each_others_bounds(fans):
    """Then only one of them fits, and a mistake is not taken for another or for a right answer."""
    low, high = chi_square_bounds(fans[0] * fans[1])
    intervals = [(low * rule(*fans), high * rule(*fans)) for rule in RULES.values()]
    for (a, b), (c, d) in combinations(intervals, 2):
        assert b < c or d < a


@pytest.mark.parametrize("n", [120, 420, WIDE[0] * WIDE[1]])
def test_the_bounds_are_safe(n):
    """The exact tails of chi-square beyond the bounds are rarer than their inequality says."""
    low, high = chi_square_bounds(n)
    assert scipy.stats.chi2.cdf(n * low, n) <= np.exp(-T)
    assert scipy.stats.chi2.sf(n * high, n) <= np.exp(-T)
    assert 2 * scipy.stats.norm.sf(MEAN) + 6 * np.exp(-T) < RARE


@pytest.mark.parametrize("seed", range(20))
def test_judges_know_right_weights(seed):
    rng = np.random.default_rng(seed)
    W = in_numpy.xavier_init(*WIDE, rng)
    uniform = rng.uniform(-1, 1, WIDE) * np.sqrt(3 / WIDE[0])
    normal = scipy.stats.truncnorm(-2, 2).rvs(WIDE, rng)
    for weights in (W, uniform):
        assert list(RULES)[rule_of(weights)] == "xavier" and structure_of(weights) == 0
    assert is_uniform(uniform) and not is_uniform(W) and not is_uniform(normal)


# ---------------------------------------------------------------------------------- on a GPU


@pytest.mark.gpu
@every_init
def test_weights_are_drawn_where_the_generator_is(name):
    W = getattr(in_torch, name)(300, 50, *INITS[name], torch.Generator("cuda").manual_seed(0))
    assert W.is_cuda and W.dtype == torch.float32
    squares = (W.double() ** 2).sum().item() / VARIANCE[name](300)
    low, high = scipy.stats.chi2.ppf([RARE / 2, 1 - RARE / 2], W.numel())
    assert low <= squares <= high
