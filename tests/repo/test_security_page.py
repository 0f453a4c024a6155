"""What the page about security says in numbers and names is what the code does."""

import math
import re

import numpy as np
import pytest

from autograder import expectations
from autograder.answers import ROOT
from autograder.checking import judge, observe
from autograder.checking.judge import Expected
from autograder.checking.settings import ASKED
from autograder.grading.grader import graded_exercises
from autograder.sandbox import clock, process, zygote
from autograder.sandbox.inside import isolation, kernel
from autograder.sandbox.process import Limits
from autograder.submissions import code, notebook, rebuild, uploads

PAGE = " ".join((ROOT / "docs" / "security.md").read_text("utf-8").split())
LIMITS = Limits()
FRACTIONS = {4: "a quarter"}
WORDS = {3: "three", 4: "four"}


@pytest.mark.parametrize(
    "said",
    [
        f"{LIMITS.cell_seconds:g} s a cell; graded cells have {LIMITS.total_seconds:g} s in all, "
        f"own cells {LIMITS.own_seconds:g} s",
        f"the time of {process.ATTEMPTS}: after {LIMITS.occupied_seconds / 60:g} minutes",
        f"as in a sleep, {FRACTIONS[clock.PATIENCE]} counts",
        f"more than {WORDS[process.MAX_STOPS]} stops of graded cells",
        f"at most {rebuild.MAX_ADDED} of them",
        f"at most {uploads.MAX_MODULES} and {uploads.MAX_CODE / 1e6:g} MB",
        f"{notebook.MAX_CELLS:,} cells, {notebook.MAX_SOURCE:,} characters of one and "
        f"{notebook.MAX_CODE:,} of all code are read, {code.MAX_READ:,} characters of code are "
        "executed",
        f"Of a file of more than {notebook.MAX_PARSED / 1e6:g} MB outputs are left out",
        f"at most {zygote.MAX_DEPTH} folders in each other",
        f"user {isolation.FIRST_USER} and up",
        f"| threads | {isolation.THREADS} | {isolation.THREADS}, or {isolation.SHARED_THREADS} "
        "shared",
        f"{LIMITS.file // 2**20} MB in memory, its own",
        f"looked at {WORDS[1 / process.LOOK_SECONDS]} times a second, files are at most "
        f"{LIMITS.file // 2**20 // 8} MB and {isolation.DESCRIPTORS} may be open",
        f"{LIMITS.memory // 2**30} GB and {(LIMITS.file + zygote.COPIED) // 2**20} MB for these",
    ],
)
def test_bounds_are_those_of_the_code(said):
    assert said in PAGE


def test_every_system_call_that_is_not_simply_allowed_is_named():
    section = PAGE[PAGE.index("### What the filter of") : PAGE.index("## What slips through")]
    tables = (kernel._DENIED, kernel._PRETENDED, kernel._INSPECTED)
    rows = [row for text in tables for line in text.strip().splitlines() for row in line.split("|")]
    assert sorted(re.findall(r"`(\w+)`", section)) == sorted(row.split()[0] for row in rows)


# ------------------------------------------------------------------- bits that a page can carry


def kinds_of_difference():
    """What a student reads of one array, in every way in which it can be wrong."""
    right = np.array([[1.0, 2.0], [3.0, 4.0]])
    nan, inf, zero = right * np.nan, right * np.inf, right * 0
    some = [np.where(right > 3, wrong, right) for wrong in (nan, inf, right + 1)]
    ways = (nan, inf, zero, -right, 2 * right, right + 1, *some, right.ravel())
    expected = Expected({"out": right}, {"out": "float64"}, {"out": 0.0})
    shown = [{"out": wrong} for wrong in (*ways, right.astype(np.float16))]
    return {judge.same_dtype(seen, expected).message for seen in (*shown, {})}


def number_before(words):
    """A number of the page, by what follows it."""
    return int(re.search(rf"([\d,]+) {words}", PAGE)[1].replace(",", ""))


def test_what_feedback_can_carry_is_what_the_page_says():
    kinds = len(kinds_of_difference())
    words = len({*observe.KINDS, "raised an error", "stopped", process.MALFORMED})
    assert f"one of {kinds} kinds of difference" in PAGE
    assert f"or one of {words} words where nothing was compared" in PAGE
    released = ROOT / "notebooks" / "student" / "02_batch_normalization.ipynb"
    exercises = graded_exercises(rebuild.read_template(released)).values()
    provider = expectations.live(expectations.public_seed)
    by_kind = by_name = by_settings = 0.0
    for exercise in exercises:
        known = len(provider.misconceptions(exercise))
        asked = set()
        for check in exercise.checks:
            expected = provider.expected(exercise, check)
            shown = [key for key in expected.arrays if not key.startswith("_")]
            ways = (kinds + 1 + len(expected.variants)) ** len(shown)
            by_kind += math.log2(ways + words)
            by_name += math.log2(known + 1)
            asked |= {key for key in expected.arrays if key.startswith(ASKED)}
        by_settings += len(asked)
    assert number_before("checks, that is") == sum(len(e.checks) for e in exercises)
    for said, found in (
        ("bits a hand-in", by_kind),
        ("more by names", by_name),
        ("by settings", by_settings),
    ):
        assert 0 <= number_before(said) - found <= 0.1 * found
