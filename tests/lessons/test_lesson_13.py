"""What lesson 13 says, and what `docs/lecture_errata.md` says about slide 108."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats

from autograder.lessons.lesson import find_lesson
from cs231n_lib.capstone.shared import ablate, ablation_table, report_page, separating_runs
from cs231n_lib.data import digits
from cs231n_lib.normalization import in_numpy as normalization
from cs231n_lib.optim import in_numpy as optim
from cs231n_lib.schedules.shared import cosine_restarts
from cs231n_lib.search.shared import log_uniform
from cs231n_lib.stand_ins import STAND_INS
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


# ---------------------------------------------------------------------------- own, and theirs

OWN = SimpleNamespace(
    batchnorm_forward=normalization.batchnorm_forward,
    batchnorm_backward=normalization.batchnorm_backward,
    adam=optim.adam,
    cosine_restarts=cosine_restarts,
    log_uniform=log_uniform,
)


@pytest.fixture(scope="module")
def lesson():
    """Return the names that the lesson binds before its first training."""
    space = {}
    for cell in find_lesson("13").cells:
        if cell.kind == "code" and cell.role != "check":
            exec(compile(cell.solution, cell.id, "exec"), space)
            if "RECIPE = " in cell.solution:
                return space


def test_own_functions_train_as_the_frameworks_do(lesson):
    """Same seed: the first losses agree to rounding, and 30 steps do not tear them apart."""
    functions = OWN, SimpleNamespace(**STAND_INS)
    own, theirs = (
        np.array(lesson["trained"](lesson["RECIPE"], 0, one, steps=30)[1].loss) for one in functions
    )
    assert len(own) == 30 and own[-1] < 0.7 * own[0]
    np.testing.assert_allclose(own[:3], theirs[:3], rtol=1e-5)
    np.testing.assert_allclose(own, theirs, rtol=1e-2)


@pytest.mark.parametrize(
    "name", ["batchnorm_forward", "batchnorm_backward", "adam", "cosine_restarts"]
)
def test_a_wrong_function_shows_in_the_first_losses(lesson, name):
    """What the lesson tells whoever finds that the two runs part at once."""

    def wrong(*args):
        out = getattr(OWN, name)(*args)
        return (1.2 * out[0], *out[1:]) if isinstance(out, tuple) else 1.2 * out

    functions = SimpleNamespace(**{**vars(OWN), name: wrong})
    right, other = (
        np.array(lesson["trained"](lesson["RECIPE"], 0, one, steps=4)[1].loss)
        for one in (OWN, functions)
    )
    parted = int(np.argmax(~np.isclose(right, other, rtol=1e-4)))
    assert parted == (0 if name == "batchnorm_forward" else 1)
