"""What lesson 13 says, and what `docs/lecture_errata.md` says about slide 108."""

import numpy as np
import pytest
import scipy.stats

from cs231n_lib.capstone.shared import ablate, ablation_table, report_page, separating_runs
from cs231n_lib.data import digits
from cs231n_lib.train.trials import t_quantile


def test_two_that_do_the_same_job_both_look_worthless():
    """Question 1: each alone would do, so an ablation loses nothing by either of them."""

    def train(recipe, seed):
        return 0.9 if recipe["a"] or recipe["b"] else 0.5

    accuracy = ablate(train, {"a": True, "b": True}, [0, 1, 2])
    np.testing.assert_array_equal(accuracy, 0.9)
    assert train({"a": False, "b": False}, 0) == 0.5


@pytest.mark.parametrize("seed", range(20))
def test_the_table_is_students_interval_of_paired_differences(seed):
    """SciPy's own paired test is the oracle."""
    rng = np.random.default_rng(seed)
    S = int(rng.integers(2, 12))
    accuracy = rng.uniform(size=(4, S))
    table = ablation_table(accuracy, t_quantile(0.975, S - 1))
    for row, other in zip(table, accuracy[1:], strict=True):
        test = scipy.stats.ttest_rel(accuracy[0], other)
        interval = test.confidence_interval(0.95)
        expected = (accuracy[0] - other).mean(), interval.low, interval.high
        np.testing.assert_allclose(row, expected, rtol=1e-9, atol=1e-12)


def test_of_many_intervals_95_percent_hold_the_truth():
    rng, held, trials = np.random.default_rng(0), 0, 4000
    for _ in range(trials):
        luck = rng.normal(size=5)
        accuracy = np.stack([luck + 0.3 + rng.normal(size=5), luck])
        ((_, low, high),) = ablation_table(accuracy, t_quantile(0.975, 4))
        held += low <= 0.3 <= high
    assert held / trials == pytest.approx(0.95, abs=0.021)  # six standard deviations


def test_pairs_are_clear_where_single_runs_are_not():
    with_it, without = separating_runs()
    assert scipy.stats.ttest_rel(with_it, without).pvalue < 0.05
    assert scipy.stats.ttest_ind(with_it, without).pvalue > 0.5


@pytest.mark.parametrize("trials", [4, 14])
def test_the_best_of_a_search_is_also_the_luckiest(trials):
    """All settings are equally good, and accuracy is counted on 250 examples."""
    results = np.random.default_rng(0).binomial(250, 0.9, size=(2000, trials)) / 250
    spread = np.sqrt(0.9 * 0.1 / 250)
    assert results.max(axis=1).mean() > 0.9 + 0.9 * spread  # two standard errors are 0.03 of it


def test_one_validation_example_is_what_the_lesson_says():
    assert 100 / len(digits().y_val) == 0.4


def test_a_report_has_one_page():
    ablation = {f"ingredient {k}": (0.1, -0.1, 0.3) for k in range(20)}
    shares = dict.fromkeys(("test", "validation", "baseline"), 0.9)
    measured = {"data": "digits", "recipe": [], "seeds": 5, "ablation": ablation, **shares}
    lines = report_page(measured).splitlines()
    assert len(lines) <= 60 and sum(line.endswith("not clear") for line in lines) == 20


@pytest.mark.parametrize(
    ("accuracy", "why"),
    [
        (np.ones(3), r"must have shape \(recipes, seeds\)"),
        (np.ones((1, 3)), "at least two seeds"),
        (np.ones((2, 1)), "at least two seeds"),
    ],
)
def test_a_table_needs_rows_and_seeds(accuracy, why):
    with pytest.raises(ValueError, match=why):
        ablation_table(accuracy, 2.0)
