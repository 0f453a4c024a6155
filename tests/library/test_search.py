"""Babysitting and search: oracles, properties, the statistics behind the checks, bad input."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.check import run
from autograder.exercises import find
from autograder.exercises import search as exercises
from cs231n_lib.search import shared
from cs231n_lib.search.shared import log_uniform, random_search, refine, sanity_loss


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# ---------------------------------------------------------------------------------- the first loss


@given(
    n=st.integers(1, 9),
    c=st.integers(1, 12),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 1e4]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40)
def test_sanity_loss_is_the_frameworks_cross_entropy_less_log_c(n, c, scale, seed):
    rng = np.random.default_rng(seed)
    scores, y = scale * rng.normal(size=(n, c)), rng.integers(0, c, n)
    loss = torch.nn.functional.cross_entropy(torch.from_numpy(scores), torch.from_numpy(y))
    tolerance = 1e-12 * (1 + np.abs(scores).max())
    assert sanity_loss(scores, y) == pytest.approx(loss.item() - math.log(c), abs=tolerance)


def test_excess_is_the_divergence_from_guessing_in_closed_form():
    """Two classes with scores (s, 0), both labels equally often: log cosh(s / 2)."""
    for s in (0.1, 1.0, 5.0):
        scores = np.array([[s, 0.0], [s, 0.0]])
        assert sanity_loss(scores, np.array([0, 1])) == pytest.approx(math.log(math.cosh(s / 2)))


def test_scores_keep_their_type_and_stay_as_they_were():
    scores = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
    before = scores.copy()
    assert sanity_loss(scores, np.array([1])).dtype == np.float32
    np.testing.assert_array_equal(scores, before)


# ---------------------------------------------------------------------------------- random draws


@pytest.mark.parametrize("ends", [(1e-6, 1e2), (0.3, 0.9), (1.0, 1.5)])
def test_log_uniform_has_scipys_distribution(ends):
    """Kolmogorov and Smirnov; the test's p-value is below 1e-9 once in 1e9 seeds."""
    for seed in range(20):
        values = log_uniform(*ends, 2000, np.random.default_rng(seed))
        assert scipy.stats.kstest(values, scipy.stats.loguniform(*ends).cdf).pvalue > 1e-9
        assert ends[0] <= values.min() and values.max() <= ends[1] * (1 + 1e-12)


def test_log_uniform_follows_its_generator_and_takes_any_shape():
    one, other = (log_uniform(1e-3, 1.0, (2, 3), np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert one.shape == (2, 3) and one.dtype == np.float64
    assert log_uniform(1e-3, 1.0, 4, np.random.default_rng(5)).shape == (4,)


RANGES = np.array([[1e-4, 1.0], [1e-6, 1e-2], [0.5, 0.9]])


def test_random_search_tries_what_it_reports(rng):
    tried = []

    def objective(*setting):
        tried.append(setting)
        return len(tried) / 10

    table = random_search(objective, RANGES, 6, rng)
    np.testing.assert_array_equal(table[:, 0], np.arange(1, 7) / 10)
    np.testing.assert_array_equal(table[:, 1:], tried)
    assert (table[:, 1:] >= RANGES[:, 0]).all() and (table[:, 1:] <= RANGES[:, 1]).all()


def test_random_search_draws_hyperparameters_independently():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        table = random_search(lambda *setting: 0.0, RANGES, 2000, rng)
        correlations = np.corrcoef(np.log(table[:, 1:]).T)[np.triu_indices(3, 1)]
        assert np.abs(correlations).max() < 6.2 / math.sqrt(2000)  # 6.2 standard deviations: 1e-9


# ---------------------------------------------------------------------------------- refinement


@given(seed=st.integers(0, 2**32 - 1), shrink=st.floats(0.05, 2.0), trials=st.integers(1, 9))
@settings(max_examples=30)
def test_refine_is_centred_at_the_best_and_shrinks_each_width(seed, shrink, trials):
    rng = np.random.default_rng(seed)
    table = random_search(lambda *setting: rng.random(), RANGES, trials, rng)
    new = refine(table, RANGES, shrink)
    best = table[table[:, 0].argmax(), 1:]
    np.testing.assert_allclose(scipy.stats.gmean(new, axis=1), best, rtol=1e-12)
    ratios = np.log(new[:, 1] / new[:, 0]) / np.log(RANGES[:, 1] / RANGES[:, 0])
    np.testing.assert_allclose(ratios, shrink, rtol=1e-9)


def test_refine_moves_on_past_the_border():
    table = np.array([[0.2, 1e-3, 1e-4, 0.6], [0.9, 0.9, 1e-6, 0.9]])
    new = refine(table, RANGES, 0.5)
    assert new[0, 1] > RANGES[0, 1] and new[1, 0] < RANGES[1, 0] and new[2, 1] > RANGES[2, 1]


def test_refine_passes_over_failed_trials_and_changes_nothing():
    table = np.array([[np.nan, 1e-3, 1e-4, 0.6], [0.4, 1e-2, 1e-5, 0.7], [0.3, 0.1, 1e-3, 0.8]])
    before, ranges = table.copy(), RANGES.copy()
    new = refine(table, ranges, 0.5)
    np.testing.assert_allclose(scipy.stats.gmean(new, axis=1), [1e-2, 1e-5, 0.7])
    np.testing.assert_array_equal(table, before)
    np.testing.assert_array_equal(ranges, RANGES)


def test_a_search_that_follows_its_best_leaves_the_range_that_was_too_low():
    """The best learning rate lies four powers of ten above the first range."""
    ranges, rng = np.array([[1e-6, 1e-4]]), np.random.default_rng(0)
    for _ in range(12):
        table = random_search(lambda rate: -abs(math.log10(rate)), ranges, 10, rng)
        ranges = refine(table, ranges, 0.9)
    assert ranges[0, 0] < 1.0 < ranges[0, 1]


# ---------------------------------------------------------------------------------- the checks


def test_the_bound_of_the_checks_is_kept_by_chance():
    """The largest deviation of 2,000 samples of 500 stays below the bound for one in 1e10."""
    rng = np.random.default_rng(1)
    seen = [exercises.deviation(rng.random(500)) for _ in range(2000)]
    assert max(seen) < exercises.allowed(500)
    one_in_thousand = math.sqrt(math.log(2 / 1e-3) / 1000)  # the same bound for a rarer surprise
    assert np.mean(np.array(seen) > one_in_thousand) <= 5e-3


def test_deviation_is_kolmogorovs_statistic(rng):
    shares = rng.random(50)
    expected = scipy.stats.kstest(shares, "uniform").statistic
    assert exercises.deviation(shares) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [exercises.DRAWS, exercises.MANY])
def test_random_values_leave_one_in_e_cells_empty(n):
    for seed in range(20):
        assert not exercises._is_regular(np.random.default_rng(seed).random(n))
    assert exercises._is_regular(np.linspace(0, 1, n, endpoint=False))


def report_on(name, *functions):
    exercise = find(f"search.{name}")
    return run(exercise, dict(zip(exercise.functions, functions, strict=True)))


def test_code_as_it_is_usually_written_earns_full_marks():
    def draw(low, high, size, rng):
        return 10 ** rng.uniform(np.log10(low), np.log10(high), size)

    def search(objective, ranges, trials, rng):
        rows = []
        for _ in range(trials):
            lr, reg, keep = (draw(low, high, 1, rng)[0] for low, high in ranges)
            val_acc = objective(lr, reg, keep)
            rows.append((val_acc, lr, reg, keep))
        return np.array(rows)

    for report in (report_on("log_uniform", draw), report_on("random_search", draw, search)):
        assert report.score == report.points and not report.misconceptions, str(report)


def test_two_mistakes_are_both_named():
    def draw(low, high, size, rng):
        return np.random.uniform(low, high, size)

    named = report_on("log_uniform", draw).misconceptions
    assert {"linear for log-uniform", "global random numbers"} <= set(named)


# ---------------------------------------------------------------------------------- errors

RNG, SCORES, Y = np.random.default_rng(0), np.zeros((2, 3)), np.array([0, 2])
TABLE = np.ones((4, 3))
TWO = RANGES[:2]
CASES = [
    ("sanity_loss", (SCORES[0], Y), ValueError, r"scores must have shape \(N, C\)"),
    ("sanity_loss", (SCORES, Y + 1), ValueError, "labels from 0 to 2 .* got labels from 1 to 3"),
    ("sanity_loss", (SCORES, Y / 2), TypeError, "y must be an array of integer labels"),
    ("log_uniform", (0.0, 1.0, 3, RNG), ValueError, "low must be greater than 0, got 0.0"),
    ("log_uniform", (2.0, 1.0, 3, RNG), ValueError, "high must be greater than 2.0, got 1.0"),
    ("log_uniform", (1.0, math.inf, 3, RNG), ValueError, "high must be .* got inf"),
    ("log_uniform", (1.0, 2.0, 0, RNG), ValueError, "size must be a whole number of at least 1"),
    ("log_uniform", (1.0, 2.0, (3, 1.5), RNG), ValueError, "size must be a whole number"),
    ("log_uniform", (1.0, 2.0, 3, 0), TypeError, "rng must be .*default_rng"),
    ("random_search", (max, TWO, 0, RNG), ValueError, "trials must be .* at least 1, got 0"),
    ("random_search", (max, TWO[:, ::-1], 2, RNG), ValueError, "a range with 0 < low < high"),
    ("random_search", (max, np.ones((2, 3)), 2, RNG), ValueError, r"ranges must have .* \(P, 2\)"),
    ("refine", (TABLE, RANGES, 0.5), ValueError, "table must have .* each of the 3 ranges, got 3"),
    ("refine", (TABLE * np.nan, TWO, 0.5), ValueError, "must hold a result that is not NaN"),
    ("refine", (TABLE, TWO, 0.0), ValueError, "shrink must be greater than 0, got 0.0"),
]


@pytest.mark.parametrize(("function", "arguments", "kind", "message"), CASES)
def test_bad_input_is_refused_by_name(function, arguments, kind, message):
    with pytest.raises(kind, match=message) as caught:
        getattr(shared, function)(*arguments)
    assert str(caught.value).startswith(f"{function}: ")


def test_what_is_made_wrong_above_was_right():
    assert refine(TABLE, TWO, 0.5).shape == (2, 2)
    assert random_search(max, TWO, 2, RNG).shape == (2, 3)
