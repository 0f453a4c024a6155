"""The warm process starts before anything large is imported, and only where code is to be run."""

import subprocess
import sys

import pytest
from classroom import NAME, write_lesson

from autograder.course import early
from autograder.course.folder import init
from autograder.grading.results import SubmissionResult
from autograder.sandbox.zygote import Zygote

LARGE = ("nbformat", "nbgrader", "sqlalchemy", "torch", "matplotlib", "IPython")
LOADED = f"""
import sys
from autograder import cli
from autograder.course import early
print(*(name for name in {LARGE} if name in sys.modules))
"""


@pytest.fixture
def course(tmp_path):
    made, _ = init(tmp_path / "course", src=write_lesson(tmp_path / "src"))
    for student in ("ada", "eve"):
        (made.root / "submitted" / student).mkdir(parents=True)
        made.store(NAME).save(SubmissionResult(student, NAME, ()))
    return made


@pytest.fixture
def started(monkeypatch):
    """Sandboxes that are only counted."""
    found = []
    monkeypatch.setattr(early, "sandboxes", lambda layers, hidden: Zygote(layers, hidden))
    monkeypatch.setattr(Zygote, "start", lambda zygote: found.append(zygote))
    return found


def test_nothing_large_is_imported_before_the_warm_process_starts():
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_it_starts_where_somebody_has_no_result_or_all_are_graded_again(course, started):
    assert early.start_early(course.root, NAME, (), False) is None and not started
    assert [early.start_early(course.root, NAME, (), True)] == started
    assert str(course.root) in started[0].hidden
    course.store(NAME).remove("eve")
    assert early.start_early(course.root, NAME, ["ada"], False) is None
    assert [early.start_early(course.root, NAME, ["eve"], False)] == started[1:]
    assert early.start_early(course.root, "no lesson", (), True) is None
    assert early.start_early(course.root / "none", NAME, (), True) is None
    assert len(started) == 2
