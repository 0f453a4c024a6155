"""What a check of something random says: the numbers that came, and those that chance explains."""

import re

import pytest
from providers import provider

from autograder import exercises
from autograder.checking.spec import RANDOM

# A backward pass follows the draws of its forward pass: nothing is left to chance.
DRAWN = [
    exercise
    for exercise in exercises.all_exercises()
    if exercise.no_small == RANDOM
    and exercise.framework == "numpy"
    and not exercise.function.endswith("_backward")
]
OF_CHANCE = re.compile(r"fraction of .* kept|spread of|too (many|few)|evenly spread")
NUMBERS = re.compile(r"\d.*(expected|range|draws|calls|steps|places|reach)")


@pytest.mark.parametrize("exercise", DRAWN, ids=lambda exercise: exercise.id)
def test_numbers_say_that_something_is_no_chance_and_feedback_does_not_hold_them(exercise):
    rows = [row for _, report in provider().reports(exercise) for row in report.rows]
    told = [row for row in rows if NUMBERS.search(row.detail)]
    assert told, {row.detail for row in rows}
    assert not [row.message for row in told if row.detail in row.message]
    assert not [row for row in rows if OF_CHANCE.search(row.message) and row not in told]
