"""What a statement promises to raise is checked, or left to the student in so many words."""

import inspect
import re

import pytest

from autograder import exercises, misconceptions
from autograder.checking.scenarios import refuses

FREE = "yours may do otherwise"
NATURAL = ("AttributeError", "KeyError")  # what Python raises by itself when something is missing
_RAISES = re.compile(r"^Raises:\n((?:    .*\n)+)", re.MULTILINE)


@pytest.mark.parametrize("exercise", exercises.all_exercises(), ids=lambda exercise: exercise.id)
def test_no_error_is_promised_that_no_check_asks_for(exercise):
    source = misconceptions.reference_source(exercise, exercise.function)
    found = _RAISES.search(inspect.cleandoc(source.split('"""')[1]) + "\n")
    if found is None:
        return
    promised = inspect.cleandoc(found[1])
    is_checked = any(check.judge is refuses for check in exercise.checks)
    assert promised.startswith(NATURAL) or FREE in " ".join(promised.split()) or is_checked
