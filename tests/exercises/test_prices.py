"""What wrong answers cost, and that their names are earned: laws of every exercise."""

import re
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from providers import provider
from scipy.stats import binom

from autograder import exercises, expectations, misconceptions
from autograder.checking.diagnose import (
    ANOTHER_DEFAULT,
    CHANGED_HINT,
    judge_exercise,
    shows_same,
)
from autograder.checking.observe import observe
from autograder.misconceptions.derived import texts_of_both

EXERCISES = exercises.all_exercises()
NUMPY = [exercise for exercise in EXERCISES if exercise.framework == "numpy"]
SLIP_KEEPS = 0.6
PAIRS = 12  # tried of each exercise
for_every_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)

# Of a hundred wrong answers nobody has seen before, so many may get another one's name.
MOST_MISNAMED, MOST_MISNAMED_PAIRS = 0.02, 0.02
LEAST_NAMED_PAIRS = 0.85  # seen: 0.887 of 903; a name that may be wrong is worse than none


@cache
def answers(exercise):
    """Return [(record, what it shows)] of the known wrong answers."""
    known = provider().misconceptions(exercise)
    return list(zip(misconceptions.of(exercise.id), known, strict=True))


def kept(exercise, record, report):
    """Say whether a wrong answer keeps what its kind may keep."""
    if len(exercise.checks) == 1 or record.fundamental:
        return True
    if record.kind == "slip":
        return len(exercise.checks) < 3 or report.score >= SLIP_KEEPS * report.points
    return any(row.earned == row.points for row in report.rows)


def test_prices():
    """A slip keeps most of the points, a mistake at least one check, unless nothing is right."""
    found = [
        f"{exercise.id}: {record.name}"
        for exercise in EXERCISES
        for record, (_, report) in zip(
            misconceptions.of(exercise.id), provider().reports(exercise), strict=True
        )
        if not kept(exercise, record, report)
    ]
    assert not found, "\n".join(found)


# ---------------------------------------------------------------------------------- names


def groups(exercise, names):
    """Return the groups of names; all defaults that differ are one."""
    known = {record.name: record.group or record.name for record, _ in answers(exercise)}
    found = {known.get(name, name) for name in names}
    return {ANOTHER_DEFAULT if name.startswith(ANOTHER_DEFAULT) else name for name in found}


def guessed(exercise, report):
    """Return the groups of a report's names; that an input was changed is seen, and no guess."""
    facts = {row.misconception for row in report.rows if row.hint == CHANGED_HINT}
    return groups(exercise, report.misconceptions) - facts


class Without:
    """Expectations in which some known wrong answers are unknown."""

    def __init__(self, *names):
        self._names = names
        self.expected = provider().expected

    def misconceptions(self, exercise):
        known = provider().misconceptions(exercise)
        return tuple(answer for answer in known if answer.name not in self._names)

    def traces(self, exercise):
        return tuple(t for t in provider().traces(exercise) if not {*t.names} & {*self._names})


def made_of(exercise, known, names):
    """Say whether a wrong answer is the two known ones that it is called, in one function."""
    parts = [record for record, _ in answers(exercise) if record.name in names]
    functions = both(exercise, *parts) if len(parts) == len(names) == 2 else None
    if functions is None:
        return False
    seen = observe(exercise, functions, expectations.public_seed)
    return shows_same(exercise, seen, known.seen, provider())


@pytest.mark.parametrize(
    "asked", [EXERCISES[::8], pytest.param(EXERCISES, marks=pytest.mark.slow)], ids=len
)
def test_a_wrong_answer_that_is_not_known_gets_no_other_ones_name(asked):
    tried, misnamed = 0, []
    for exercise in asked:
        for record, known in answers(exercise):
            own = {
                r.name
                for r, _ in answers(exercise)
                if groups(exercise, [r.name]) == groups(exercise, [record.name])
            }
            report = judge_exercise(exercise, known.seen, Without(*own))
            others = guessed(exercise, report) - groups(exercise, [record.name])
            tried += 1
            if others and not made_of(exercise, known, report.misconceptions):
                misnamed.append(f"{exercise.id}: {record.name} is taken for {others}")
    assert len(misnamed) <= MOST_MISNAMED * tried, "\n".join(misnamed)


# A number that stands for a setting of the caller's; 0 is where a count starts.
DEFAULT = re.compile(r'\.get\("(\w+)", (\d*[1-9.][\d.e-]*)\)')
# Many answers take the settings of dropout for given, as the usual assignment gives them.
NEVER_LEFT_OUT = ("dropout_forward", "vanilla_dropout_forward")


def with_half_a_default(exercise):
    """Yield (setting, functions) of answers in which one default is half of what it should be."""
    text = misconceptions.reference_source(exercise, exercise.function)
    for found in DEFAULT.finditer(text):
        half = f"{text[: found.start(2)]}{float(found[2]) / 2}{text[found.end(2) :]}"
        texts = {exercise.function: half}
        yield found[1], misconceptions.assembled(exercise, texts, label="half a default")


def test_a_default_of_another_size_is_named():
    asked, unnamed = 0, []
    for exercise in NUMPY:
        if exercise.function in NEVER_LEFT_OUT:
            continue
        for setting, functions in with_half_a_default(exercise):
            seen = observe(exercise, functions, expectations.public_seed)
            names = judge_exercise(exercise, seen, provider()).misconceptions
            asked += 1
            if groups(exercise, names) != {ANOTHER_DEFAULT}:
                unnamed.append(f"{exercise.id}: half the default of {setting} is called {names}")
    assert asked > 20
    assert not unnamed, "\n".join(unnamed)


def both(exercise, first, second):
    """Return the functions of an answer with two mistakes; None where they exclude each other."""
    texts = texts_of_both(first, second)
    return texts and misconceptions.assembled(exercise, texts, label="two mistakes")


@pytest.mark.parametrize(
    "asked", [NUMPY[::4], pytest.param(NUMPY, marks=pytest.mark.slow)], ids=len
)
def test_two_mistakes_get_the_names_of_these_or_none(asked):
    tried, named, misnamed = 0, 0, []
    for exercise in asked:
        edited = [record for record in misconceptions.of(exercise.id) if record.edits]
        pairs = list(combinations(edited, 2))
        chosen = np.random.default_rng(len(pairs)).permutation(len(pairs))[:PAIRS]
        for first, second in (pairs[i] for i in chosen):
            functions = both(exercise, first, second)
            if functions is None:
                continue
            seen = observe(exercise, functions, expectations.public_seed)
            report = judge_exercise(exercise, seen, provider())
            own = groups(exercise, [first.name, second.name])
            others = guessed(exercise, report) - own
            tried += 1
            named += bool(own & groups(exercise, report.misconceptions))
            if others:
                misnamed.append(f"{exercise.id}: {first.name} + {second.name}: {others}")
    assert tried > 100
    most = binom.ppf(0.975, tried, MOST_MISNAMED_PAIRS)  # of a sample, where that is the rate
    assert len(misnamed) <= most, "\n".join(misnamed)
    assert named >= LEAST_NAMED_PAIRS * tried, f"{named} of {tried} pairs have a name of theirs"
