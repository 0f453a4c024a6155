"""Faults of the machine while a class is graded: some of each kind; `faults.py` sweeps them all."""

import contextlib
import resource
import shutil
import sqlite3
import threading

import faults
import pytest

from autograder.cli import main
from autograder.course import grade_class, nbgrader_api


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return faults.make(tmp_path_factory.mktemp("faults") / "original")


@pytest.fixture
def root(original, tmp_path):
    return shutil.copytree(original, tmp_path / "course")


@pytest.fixture
def grade(capsys, monkeypatch):
    """Grade the course; returns the status and what was said on standard error."""
    monkeypatch.setattr(grade_class, "_has_new", lambda *_: False)  # nothing has to be executed

    def command(root):
        try:
            main(["grade", str(root), "2"])
        except SystemExit as left:
            return left.code or 0, capsys.readouterr().err
        return 0, capsys.readouterr().err

    return command


@contextlib.contextmanager
def locked(root):
    """Hold the gradebook as another program may."""
    with contextlib.closing(sqlite3.connect(root / "gradebook.db", timeout=0)) as book:
        book.isolation_level = None
        book.execute("begin exclusive")
        yield book


def test_a_locked_gradebook_is_waited_for_and_then_told_in_a_line(root, grade, monkeypatch):
    monkeypatch.setattr(nbgrader_api, "PATIENCE", 0.1)
    with locked(root):
        status, said = grade(root)
    assert status == 2 and said.count("\n") == 1
    assert "The gradebook cannot be used (database is locked)" in said
    assert faults.marks(root) == {}
    monkeypatch.setattr(nbgrader_api, "PATIENCE", 60)
    opened = sqlite3.connect(root / "gradebook.db", isolation_level=None, check_same_thread=False)
    with contextlib.closing(opened) as book:
        book.execute("begin exclusive")
        threading.Timer(0.5, book.execute, ["rollback"]).start()
        assert grade(root) == (0, "")
    assert set(faults.marks(root)) == set(faults.STUDENTS)


@pytest.mark.parametrize("most", [0, 50_000])
def test_a_disk_that_takes_no_more_is_told_and_nothing_false_of_marks(root, grade, most):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        status, said = grade(root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status in (1, 2) and said and "Traceback" not in said
    assert not set(faults.MARKED.findall(said)) - set(faults.marks(root))
    assert grade(root) == (0, "")
    assert set(faults.marks(root)) == set(faults.STUDENTS)


@pytest.mark.slow
def test_no_fault_at_any_step_leaves_something_broken(tmp_path):
    found = faults.sweep(tmp_path, share=0.05)  # `faults.py` tries all
    assert set(found) == set(faults.KINDS)
    assert all(sum(counts.values()) >= 3 for counts in found.values()), found
