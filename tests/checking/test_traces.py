"""Wrong answers made by machine: what they are called, and what they leave behind."""

from collections import Counter

import numpy as np
import pytest
from providers import provider

from autograder import exercises, expectations
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import Seen, observe
from autograder.checking.traces import compared, sums_of, trace_from
from autograder.misconceptions import derived

FORWARD = exercises.find("normalization.batchnorm_forward")
SOME = [e for e in exercises.all_exercises() if e.framework == "numpy" and not e.no_small][::20]


def test_every_kind_of_change_is_made_somewhere_and_its_hint_says_where():
    found = {}
    for exercise in exercises.all_exercises():
        if exercise.framework == "numpy":
            for made in derived.of_one(exercise):
                kind = next(k for k in derived.HINTS if made.names[0].startswith(k))
                found[kind] = made.hint
    assert set(found) == set(derived.HINTS)
    assert not [hint for hint in found.values() if "{" in hint]
    assert any("(BN.1)" in made.hint for made in derived.of_one(FORWARD))


@pytest.mark.parametrize("exercise", SOME, ids=lambda e: e.id)
def test_an_answer_made_by_machine_is_called_by_its_own_name(exercise):
    every = Counter(made.names for made in derived.of_one(exercise))
    traced = {trace.names for trace in provider().traces(exercise) if trace.hint}
    assert traced <= set(every)
    for one in derived.of_one(exercise):
        if one.names in traced and every[one.names] == 1:
            seen = observe(exercise, one.functions(), expectations.public_seed)
            report = judge_exercise(exercise, seen, provider())
            assert report.score < report.points and set(one.names) <= set(report.misconceptions)


def test_a_trace_holds_within_rounding_and_no_further():
    check = FORWARD.checks[0]
    expected = provider().expected(FORWARD, check)
    sums, _ = sums_of(Seen(expected.arrays), expected)
    trace = derived.Trace(("a sign",), "hint", check.name, (), tuple(sums))
    key = compared(expected)[0]
    array = expected.arrays[key]
    for factor, same in ((1e-9, True), (1e-3, False)):
        moved = expected.arrays | {key: array + factor * np.abs(array).max()}
        assert trace.is_of(*sums_of(Seen(moved), expected)) == same
    assert not trace.is_of(*sums_of(Seen({}), expected))
    assert trace_from({"names": ["a sign"], "hint": "hint", "check": check.name, "passed": [],
                       "sums": list(sums)}) == trace  # fmt: skip


def test_what_is_drawn_at_random_has_no_traces_and_no_mark_waits_for_them():
    at_random = next(e for e in exercises.all_exercises() if e.no_small)
    assert provider().traces(at_random) == ()
    assert expectations.live(expectations.public_seed).traces(FORWARD) == ()
    assert provider().traces(FORWARD)
