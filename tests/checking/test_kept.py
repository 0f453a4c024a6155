"""What the wrong answers show, kept beside them: fresh or not read, and the same as run."""

import json
import re
import sys
from pathlib import Path

import pytest
from providers import provider

from autograder import exercises, expectations
from autograder.checking.diagnose import judge_exercise, shows_same
from autograder.lessons import recordings
from autograder.misconceptions import kept, reference_source

EXERCISES = exercises.all_exercises()
FAMILIES = sorted({exercise.family for exercise in EXERCISES})
SOME = [
    pytest.param(exercise, id=exercise.id, marks=[pytest.mark.slow] * (number % 40 > 0))
    for number, exercise in enumerate(EXERCISES)
]


@pytest.fixture(autouse=True)
def looks_again():
    """Forget what was fresh before and after a test that changes it."""
    kept.is_fresh.cache_clear()
    yield
    kept.is_fresh.cache_clear()


def test_what_is_committed_holds():
    assert not recordings.stale(), "run `autograder build` and commit what it writes"
    assert recordings._contents().keys() == recordings._expected_files()


@pytest.mark.parametrize("exercise", SOME)
def test_what_is_read_gives_the_names_of_what_is_run(exercise):
    """Where another processor rounds otherwise, a few wrong answers show something else.

    Those are the ones that divide by next to nothing, as whitening without eps, or take directions
    in which nothing varies: they may lose their name.
    """
    prompt, live = expectations.prompt(), provider()
    read, run = prompt.misconceptions(exercise), live.misconceptions(exercise)
    same = []
    for mine, theirs in zip(read, run, strict=True):
        assert (mine.name, mine.hint, mine.wrong) == (theirs.name, theirs.hint, theirs.wrong)
        if shows_same(exercise, mine.seen, theirs.seen, prompt):
            same.append(mine)
            by_what_is_read = judge_exercise(exercise, theirs.seen, prompt)
            assert by_what_is_read == judge_exercise(exercise, theirs.seen, live)
    assert len(same) >= 0.6 * len(run)  # of `preprocessing.pca` a third, at another processor
    mine, theirs = ({t.names for t in one.traces(exercise)} for one in (prompt, live))
    assert len(mine & theirs) >= 0.9 * len(mine | theirs)  # the same of pairs of them


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
def test_no_reference_has_memory_that_holds_anything(exercise):
    """With a line left out it would show something else every time, and nobody could name it."""
    for function in exercise.functions:
        assert not re.search(r"\.(new_)?empty(_like)?\(", reference_source(exercise, function))


def test_where_a_file_has_changed_nothing_is_read(tmp_path, monkeypatch):
    listed = json.loads(kept.LIST.read_text(encoding="utf-8"))
    listed["optim"]["digest"] = "of other files"
    monkeypatch.setattr(kept, "LIST", tmp_path / "made_from.json")
    kept.LIST.write_text(json.dumps(listed), encoding="utf-8")
    assert recordings.stale() == ["optim"]
    ran = []
    monkeypatch.setattr(expectations, "_run_misconceptions", lambda e, *_: ran.append(e) or ())
    prompt = expectations.prompt()
    for family in ("optim", "schedules"):
        prompt.misconceptions(next(e for e in EXERCISES if e.family == family))
    assert [exercise.id for exercise in ran] == ["optim.sgd"]


@pytest.mark.parametrize(
    "family",
    [pytest.param(f, marks=[pytest.mark.slow] * (i % 5 > 0)) for i, f in enumerate(FAMILIES)],
)
def test_the_files_are_all_whose_code_runs(family):
    ran = set()

    def note(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_absolute():
            ran.add(path)

    live = expectations.live(expectations.public_seed, derives=True)
    of_family = [exercise for exercise in EXERCISES if exercise.family == family]
    sys.setprofile(note)
    try:
        for exercise in (of_family[0], of_family[-1]):
            live.misconceptions(exercise)
            _ = [later.trace for later in live.traces(exercise)[:2]]
    finally:
        sys.setprofile(None)
    ours = {p for p in ran if any(kept.ROOT / package in p.parents for package in kept.PACKAGES)}
    assert len(ours) > 5
    assert ours <= kept.files_of(family)


def test_a_digest_is_of_names_and_contents_and_not_of_how_lines_end(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "ROOT", tmp_path)
    digests = set()
    for content in (b"x = 1\n", b"x = 1\r\n", b"x = 2\n"):
        (tmp_path / "a.py").write_bytes(content)
        (tmp_path / "b.py").write_bytes(content)
        digests |= {kept.digest_of(["a.py"]), kept.digest_of(["b.py"])}
    assert len(digests) == 4


def test_what_is_stale_is_made_again_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    monkeypatch.setattr(kept, "LIST", tmp_path / "made_from.json")
    few = [e for e in EXERCISES if e.family == "getting_started"]
    monkeypatch.setattr(exercises, "all_exercises", lambda: few)
    assert recordings.stale() == ["getting_started"]
    assert set(recordings.renew()) == recordings._expected_files()
    (tmp_path / "of_an_exercise_that_is_gone.npz").write_bytes(b"")
    assert recordings.renew() == []
    assert recordings._contents().keys() == recordings._expected_files()
