"""What checks expect is kept between gradings, exactly, and nobody else can write it."""

import pytest
from classroom import NAME, template

from autograder import expectations
from autograder.grading import expected as expecting
from autograder.grading.canary import answers
from autograder.grading.grader import Grader, graded_exercises
from autograder.sandbox.inside import isolation
from autograder.sandbox.inside.isolation import Layers

SECRET = b"the secret of a course"


@pytest.fixture(scope="module")
def live():
    return expectations.live(expectations.secret_seed(SECRET, NAME))


@pytest.fixture
def written(tmp_path, live):
    """The path of a file with all that the small lesson expects."""
    path = tmp_path / "expected" / NAME
    exercises = graded_exercises(template()).values()
    expecting.write(path, expecting.pack("key", SECRET, exercises, live))
    return path


def same(a, b):
    """Whether two dicts of arrays are alike to the last bit."""
    return a.keys() == b.keys() and all(
        (a[k].dtype, a[k].shape, a[k].tobytes()) == (b[k].dtype, b[k].shape, b[k].tobytes())
        for k in a
    )


def test_what_is_read_is_what_was_computed(written, live):
    kept = expecting.read(written, "key", SECRET)
    for exercise in graded_exercises(template()).values():
        assert kept.tags(exercise) == live.tags(exercise)
        assert kept.answers(exercise) == answers(exercise)
        for check in exercise.checks:
            one, other = kept.expected(exercise, check), live.expected(exercise, check)
            assert same(one.arrays, other.arrays) and one.coarsest == other.coarsest
            assert (one.dtypes, one.noise) == (other.dtypes, other.noise)
            assert [remark for remark, _ in one.variants] == [r for r, _ in other.variants]
            for (_, ours), (_, theirs) in zip(one.variants, other.variants, strict=True):
                assert same(ours, theirs)
        pairs = zip(kept.misconceptions(exercise), live.misconceptions(exercise), strict=True)
        for one, other in pairs:
            assert (one.name, one.hint, one.wrong) == (other.name, other.hint, other.wrong)
            for name, seen in other.seen.items():
                assert one.seen[name].fault == seen.fault
                assert same(one.seen[name].arrays or {}, seen.arrays or {})


@pytest.mark.parametrize("place", [0, 40, -1])
def test_a_file_that_somebody_else_wrote_or_changed_is_not_read(written, place):
    assert expecting.read(written, "another", SECRET) is None
    assert expecting.read(written, "key", b"another") is None
    content = bytearray(written.read_bytes())
    content[place] ^= 1
    written.write_bytes(content)
    assert expecting.read(written, "key", SECRET) is None
    written.write_bytes(content[:20])
    assert expecting.read(written, "key", SECRET) is None
    written.unlink()
    assert expecting.read(written, "key", SECRET) is None


def test_a_second_grader_computes_nothing(tmp_path, live, monkeypatch):
    path = tmp_path / NAME
    first = Grader(template(), NAME, SECRET, expected=path)
    first.provider = live
    first.prepare()
    assert path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(expectations, "live", lambda seed_of: None)
    second = Grader(template(), NAME, SECRET, expected=path)
    before = path.stat().st_mtime_ns
    second.prepare()
    assert isinstance(second.provider, expecting.Kept) and path.stat().st_mtime_ns == before


def test_the_grader_of_another_machine_computes_nothing_whatever_its_tier(live, monkeypatch):
    first = Grader(template(), NAME, SECRET, layers=Layers())
    first.provider = live
    first.prepare()
    monkeypatch.setattr(expectations, "live", lambda seed_of: None)
    second = Grader(template(), NAME, SECRET, expected=first.packed())
    assert (first.tier, second.tier) == ("C", isolation.available().tier)
    assert isinstance(second.provider, expecting.Kept) and second.packed() == first.packed()
    assert Grader(template(), NAME, b"another", expected=first.packed()).provider is None


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    expecting.write(tmp_path / "file" / NAME, b"packed")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
