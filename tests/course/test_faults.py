"""Faults of the machine while a class is graded: some of each kind; `faults.py` sweeps them all."""

import contextlib
import datetime
import errno
import os
import resource
import shutil
import sqlite3
import threading

import faults
import pytest
from classroom import NAME, failing
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeError

from autograder.cli import main
from autograder.course import early, nbgrader_api
from autograder.course.nbgrader_plugin import Collect


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return faults.make(tmp_path_factory.mktemp("faults") / "original")


@pytest.fixture
def root(original, tmp_path):
    return shutil.copytree(original, tmp_path / "course")


@pytest.fixture
def grade(capsys, monkeypatch):
    """Grade the course; returns the status and what was said on standard error."""
    monkeypatch.setattr(early, "has_new", lambda *_: False)  # nothing has to be executed

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


@pytest.mark.parametrize(
    ("calls", "number"),
    [
        (["open"], errno.EACCES),  # mode 0000
        (["open"], errno.ENOENT),  # it vanished since it was listed
        (["open", "stat"], errno.EACCES),  # its folder may not be entered
        (["listdir"], errno.ESTALE),  # which is looked at for what lies beside
        (["open"], errno.EIO),
    ],
)
def test_what_the_machine_does_not_give_gets_no_mark_and_the_rest_does(
    root, grade, monkeypatch, calls, number
):
    os.rename(root / "submitted" / "carl", root / "submitted" / "out of reach")
    who, others = "out of reach", {"ada", "eve"}
    with monkeypatch.context() as broken:
        for call in calls:
            failing(broken, call, number, who)
        status, said = grade(root)
    file = root / "submitted" / who / NAME
    assert status == 1 and said.count("\n") == 1, said
    assert said.startswith(f"{who}: no mark was written: {file}"), said
    assert said.rstrip().endswith(f"cannot be read: {os.strerror(number)}"), said
    assert set(faults.marks(root)) == others
    assert grade(root) == (0, "")
    whole = faults.marks(root)
    assert set(whole) == {*others, who}
    with monkeypatch.context() as broken:
        for call in calls:
            failing(broken, call, number, who)
        status, said = grade(root)
    assert status == 1 and said.count("\n") == 1 and faults.marks(root) == whole


def test_collecting_leaves_what_the_machine_does_not_give_and_takes_the_rest(
    tmp_path, monkeypatch, caplog
):
    coursedir = CourseDirectory(root=str(tmp_path), course_id="course", assignment_id=NAME)
    made = Collect(coursedir=coursedir, check_owner=False, update=True)
    made.inbound_path = str(tmp_path / "inbound")
    names = {who: f"{who}+{NAME}+2026-01-15 10:00:00 UTC" for who in ("ada", "carl")}

    def collect(text):
        for name in names.values():
            (tmp_path / "inbound" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "inbound" / name / f"{NAME}.ipynb").write_text(text)
        when = datetime.datetime(2026, 1, 15)
        made.src_records = [
            {"username": who, "filename": name, "timestamp": when} for who, name in names.items()
        ]
        made.copy_files()

    def collected():
        return {
            who: (tmp_path / "submitted" / who / NAME / f"{NAME}.ipynb").read_text()
            for who in names
        }

    collect("first")
    assert collected() == {"ada": "first", "carl": "first"}
    with monkeypatch.context() as broken, pytest.raises(ExchangeError):
        failing(broken, "open", errno.EACCES, names["carl"])
        collect("second")
    assert collected() == {"ada": "second", "carl": "first"}
    assert "carl: not collected: " in caplog.text and "Permission denied" in caplog.text
    collect("third")
    assert collected() == {"ada": "third", "carl": "third"}


@pytest.mark.slow
def test_no_fault_at_any_step_leaves_something_broken(tmp_path):
    found = faults.sweep(tmp_path, share=0.05)  # `faults.py` tries all
    assert set(found) == set(faults.KINDS)
    assert all(sum(counts.values()) >= 3 for counts in found.values()), found
