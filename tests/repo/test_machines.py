"""The machine profiles change what they are meant to change."""

import numpy as np
import pytest

from autograder.quality import machines


@pytest.fixture(scope="module")
def native():
    return machines.bits("native")


@pytest.mark.slow
@pytest.mark.parametrize("profile", [name for name in machines.PROFILES if name != "native"])
def test_a_profile_rounds_differently(native, profile):
    found = machines.bits(profile)
    if isinstance(found, str):
        pytest.skip(f"this machine cannot run the profile {profile}: {found}")
    assert len(found) == len(native) == 4
    if found == native:
        pytest.skip(f"{profile} is this machine's own way to compute")
    assert found[:2] != native[:2], "the products of matrices did not change"


def test_a_profile_unsets_what_others_set(monkeypatch):
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    assert "MKL_CBWR" not in machines.environment("native")
    assert machines.environment("nehalem")["MKL_CBWR"] == "COMPATIBLE"


def test_seeds_of_tests_are_shifted(pytestconfig):
    shift = pytestconfig.getoption("--shift-seeds")
    plain = np.random.Generator(np.random.PCG64(3 + shift)).random()
    assert np.random.default_rng(3).random() == plain
