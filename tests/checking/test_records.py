"""What the records may say, and how many of them are written at once."""

import pytest

from autograder.checking.spec import MOST_SMALL, Exercise, Misconception
from autograder.misconceptions.records import SLIP, fundamental, grouped, wrong

EDIT = ("np.sqrt(var + eps)", "np.sqrt(var) + eps")
RECORD = {"exercise": "family.f", "name": "a name", "hint": "A hint."}


def test_a_line_may_say_what_its_record_costs_and_which_names_are_synonyms():
    plain, slip, both = wrong(
        "batchnorm_forward",
        ("plain", "A hint.", EDIT),
        ("slip", "A hint.", SLIP, EDIT),
        ("both", "A hint.", grouped("other"), fundamental("nothing is left"), EDIT),
        group="epsilon",
        framework="numpy",
    )
    assert (plain.kind, plain.group, plain.fundamental) == ("mistake", "epsilon", "")
    assert (slip.kind, slip.group) == ("slip", "epsilon")
    assert (both.kind, both.group, both.fundamental) == ("mistake", "other", "nothing is left")
    assert plain.edits == slip.edits == both.edits == {"batchnorm_forward": [EDIT]}


@pytest.mark.parametrize("wrongly", [{"kind": "error"}, {"kind": "slip", "fundamental": "why"}])
def test_only_known_prices(wrongly):
    with pytest.raises(ValueError, match="only a mistake is fundamental"):
        Misconception(**RECORD, **wrongly)


@pytest.mark.parametrize("wrongly", [{"kind": "method"}, {"small": ("1",) * (MOST_SMALL + 1)}])
def test_exercises_are_functions_or_classes_with_few_small_inputs(wrongly):
    with pytest.raises(ValueError, match="kind must be 'function' or 'class'"):
        Exercise("family.f", "title", ("f",), {}, (), "1", **wrongly)
