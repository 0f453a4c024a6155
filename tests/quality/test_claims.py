"""Claims: how they are tagged, measured, kept, and held against what the lessons say."""

import json

import numpy as np
import pytest
from all_lessons import all_lessons

from autograder.lessons.lesson import BuildError, Claim, read_lesson
from autograder.quality import claims
from autograder.quality.machines import PROFILES
from cs231n_lib.train import compare

HEAD = """\
# ---
# jupyter:
#   course: {lesson: "02", title: Small, minutes_core: 1, minutes_all: 1}
# ---

# %% [markdown]
# # Small

"""
CELL = "# %% role='experiment' {options}\nx = 2.0\n"


def lesson(tmp_path, options):
    path = tmp_path / "02_small.py"
    path.write_text(HEAD + CELL.format(options=options.replace("'", '"')).replace("'", '"'))
    return read_lesson(path)


@pytest.fixture(autouse=True)
def without_points(monkeypatch):
    monkeypatch.setattr("autograder.lessons.lesson._require_points", lambda path, lesson: None)


@pytest.mark.parametrize(
    ("low", "high", "says"), [(0.5, 1.5, "above"), (-2, -1, "below"), (-1, 1.1, "alike")]
)
def test_a_comparison_says_where_its_interval_lies(low, high, says):
    middle = compare(lambda s: [low, high][s], lambda s: 0.0, [0, 1])
    many = compare(lambda s: np.linspace(low, high, 9)[s], lambda s: 0.0, range(9))
    for saying in ("above", "below", "alike"):
        assert claims.measured(Claim("c", "x", saying), many)["holds"] == (saying == says)
    assert claims.measured(Claim("c", "x", "alike"), middle)["seeds"] == 2


@pytest.mark.parametrize(
    ("value", "holds"), [(0.49, False), (0.5, True), (0.7, True), (0.8, False)]
)
def test_a_number_lies_between_its_bounds(value, holds):
    assert claims.measured(Claim("c", "x", "0.5 to 0.7"), value) == {"value": value, "holds": holds}


def test_a_claim_is_read_from_its_cell_and_measured(tmp_path):
    small = lesson(tmp_path, "claim='two' of='x + 1' says='2.5 to 3.5' slide='11'")
    assert claims.claims_of(small) == [Claim("two", "x + 1", "2.5 to 3.5", "11")]
    assert claims.run(small) == {"two": {"value": 3.0, "holds": True}}


@pytest.mark.parametrize(
    "options",
    [
        "claim='two'",
        "claim='two' of='x' says='nearly'",
        "claim='two' of='x' says='2 to 1'",
        "claim='two' of='x +' says='above'",
        "claim='Two!' of='x' says='above'",
        "slide='3'",
    ],
)
def test_a_claim_that_says_nothing_is_refused(tmp_path, options):
    with pytest.raises(BuildError, match="claim"):
        lesson(tmp_path, options)


def test_results_keep_what_other_machines_came_to(tmp_path):
    small = lesson(tmp_path, "claim='two' of='x' says='1 to 3'")
    old = {"02": {"two": {"haswell": {"value": 2.0, "holds": True}}, "gone": {}}}
    new = {"02": {"two": {"native": {"value": 4.0, "holds": False}}}}
    kept = claims.merged(old, new, [small])
    assert set(kept["02"]) == {"two"} and set(kept["02"]["two"]) == {"haswell", "native"}
    text = claims.page(kept, [small])
    assert "4 **does not hold**" in text and "not measured" in text


def test_every_claim_of_the_lessons_was_measured_under_every_profile_and_holds():
    results = claims.read()
    for found in all_lessons():
        for claim in claims.claims_of(found):
            by_profile = results.get(found.number, {}).get(claim.id, {})
            missing = PROFILES.keys() - by_profile.keys()
            assert not missing, f"lesson {found.number}: `make claims` for {claim.id} ({missing})"
            failing = [name for name, one in by_profile.items() if not one["holds"]]
            assert not failing, f"lesson {found.number}: {claim.id} does not hold under {failing}"


def test_comparisons_of_lessons_08_to_10_rest_on_twenty_seeds():
    """Networks that are trained together make seeds cheap there."""
    results = claims.read()
    measured = [
        (number, name, found["seeds"])
        for number in ("08", "09", "10")
        for name, by_profile in results[number].items()
        for found in by_profile.values()
        if "seeds" in found
    ]
    assert len(measured) > 30
    assert [one for one in measured if one[-1] < 20] == []


def test_ids_of_claims_are_unique_in_a_lesson():
    for found in all_lessons():
        ids = [claim.id for claim in claims.claims_of(found)]
        assert len(ids) == len(set(ids))


def test_the_page_is_made_from_the_results():
    assert claims.PAGE.read_text(encoding="utf-8") == claims.page(claims.read(), all_lessons())
    assert json.loads(claims.RESULTS.read_text(encoding="utf-8")) == claims.read()
