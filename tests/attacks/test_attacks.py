"""Every attack earns what its honest code earns, harms nobody, and is reported."""

import itertools
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path

import assuming
import corpus
import forging
import harming
import leaking
import protocol
import pytest
import reflecting
import uploads
from corpus import NOTHING, ROWS, SOLVED, TIERS, UNSOLVED
from world import (
    ACTIVE,
    MOVING,
    SECRET,
    World,
    feedback_pages,
    in_the_browser,
    in_the_terminal,
    marks,
    student_reads,
)

from autograder.sandbox.inside import isolation

MODULES = (forging, reflecting, protocol, leaking, harming, assuming, uploads)
ATTACKS = tuple(attack for module in MODULES for attack in module.ATTACKS)
REFERENCE = (corpus.ROOT / "cs231n_lib" / "normalization" / "in_numpy.py").read_text("utf-8")
numbers = itertools.count()


@pytest.fixture(scope="module")
def world(request, tmp_path_factory):
    tmp_path_factory.getbasetemp()  # pytest's own, made while temporary folders are elsewhere
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="course-attacks-")))
        folder.chmod(0o711)  # the users that children become need to pass
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(tempfile, "tempdir", str(folder / "boxes"))
        layers = isolation.available()
        wanted = request.config.getoption("--tier", None)
        yield World(folder, layers.lowered(wanted) if wanted else layers, stack)


def pytest_generate_tests(metafunc):
    """Take every attack, or the fast subset."""
    if "attack" in metafunc.fixturenames:
        everything = wants_all(metafunc.config)
        chosen = [attack for attack in ATTACKS if everything or attack.quick]
        metafunc.parametrize("attack", list(map(parameter, chosen)))


def wants_all(config):
    return config.getoption("--all-attacks")


def parameter(attack):
    slips = [pytest.mark.xfail(reason=attack.slips)] if attack.slips else []
    return pytest.param(attack, id=attack.name, marks=slips)


def test_an_attack_earns_nothing_and_harms_nobody(attack, world):
    if TIERS.index(attack.tier) > TIERS.index(world.grader.tier):
        pytest.skip(f"tier {world.grader.tier} does not stop this, tier {attack.tier} does")
    results = world.grade(attack, next(numbers))
    left, after = world.left_behind(), world.digests()
    result = results["attacker"]

    honest = marks(world.base) | attack.honest
    earned = marks(result)
    assert earned.keys() == honest.keys()
    if attack.own_goal:
        assert not {name for name in honest if earned[name] > honest[name]}
    else:
        assert earned == honest

    assert marks(results["neighbour"]) == marks(world.base)
    assert after == world.before
    assert not left
    assert not world.heard

    assert attack.told in " ".join(result.problems)
    assert not result.unjudged
    assert not secrets_in(student_reads(result), world)
    assert not MOVING.search(in_the_terminal(result))
    assert not ACTIVE.search(in_the_browser(result))
    assert len(json.dumps(result.to_dict())) < 20_000_000
    assert sum(map(len, result.problems)) < 20_000


def secrets_in(text, world):
    """What a student must not read: marked values, seeds, the secret, lines of the reference."""
    seeds = (
        world.grader.seed_of(exercise, check)
        for exercise in world.grader.exercises.values()
        for check in exercise.checks
    )
    lines = [line.strip() for line in REFERENCE.splitlines() if "# (" in line]
    wanted = ["LEAK", "exit status", SECRET.decode()[:20], *map(str, seeds), *lines]
    return [word for word in wanted if word in text]


def test_after_all_attacks_the_neighbour_has_the_same_marks(world):
    assert marks(world.grader.grade(world.neighbour, "later")) == marks(world.base)
    assert not world.left_behind()


def test_feedback_pages_hold_nothing_that_a_browser_would_act_on(tmp_path, request):
    if not wants_all(request.config):
        pytest.skip("not in the fast subset")
    active = [attack for attack in leaking.ATTACKS if "ALARM" in repr(attack) or attack.mangle]
    pages = feedback_pages(tmp_path, active)
    assert len(pages) >= 4
    assert {name for name, page in pages.items() if ACTIVE.search(page)} == set()


def test_the_honest_submission_is_half_right(world):
    earned = marks(world.base)
    assert all(earned[name] > 0 for name in SOLVED)
    assert all(earned[name] == 0 for name in UNSOLVED)
    assert world.base.problems == ()


def test_the_corpus_has_every_row_of_the_table():
    assert {attack.row for attack in ATTACKS} == set(ROWS)
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 50
    assert sum(attack.row == "own" for attack in ATTACKS) >= 10
    assert {name for a in ATTACKS for name in (*a.cells, *a.honest)} <= set(NOTHING)
