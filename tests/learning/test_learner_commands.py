"""The learner's commands: an old assignment, a review and questions in the terminal, the doctor."""

import datetime
import json

import pytest

from autograder import cli
from autograder.checking.observe import STUB_MESSAGE
from autograder.checking.report import Report, Row
from autograder.cli import main
from autograder.exercises import find
from autograder.grading import own_file
from autograder.learning import machine
from autograder.learning.errors import LearnerError
from autograder.learning.history import read_history
from autograder.learning.machine import look
from autograder.learning.review import FILE, Box, boxes_in, read_review
from autograder.learning.review_page import qr_of
from autograder.learning.shelf import LOG
from autograder.misconceptions import reference_source

FORWARD = find("normalization.batchnorm_forward")
BACKWARD = find("normalization.batchnorm_backward")


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments, typed=""):
        answers = iter([typed] * 9)
        monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return left.value.code or 0, *capsys.readouterr()

    return command


def one_line(result):
    assert result[0] == 2 and result[2].count("\n") == 1, result
    return result[2]


@pytest.fixture
def worked(tmp_path):
    """A folder of lessons with one named mistake in its log."""
    time = datetime.datetime.now().isoformat(timespec="seconds")
    entry = {"time": time, "exercise": FORWARD.id, "code": "c", "score": 1.0, "points": 16.0}
    entry |= {"names": ["no eps"], "rung": 2}
    (tmp_path / LOG).write_text(json.dumps(entry) + "\n")
    return tmp_path


def reported(exercise, score):
    return Report(exercise.id, exercise.title, (Row("a check", exercise.points, score),))


def test_a_qr_code_carries_the_boxes_of_a_review(run, worked, tmp_path, monkeypatch):
    pytest.importorskip("segno", reason="the extra `qr` is not installed")
    monkeypatch.chdir(tmp_path)
    status, out, _ = run("review", worked, "--qr", "https://example.org/review.html")
    assert status == 0 and "wrote review.svg" in out
    assert (tmp_path / "review.svg").read_bytes().startswith(b"<?xml")
    few = read_review(worked / FILE).boxes
    many = {f"{key}{i}": box for key, box in few.items() for i in range(60)}
    with pytest.raises(LearnerError, match="these are 60"):
        qr_of("https://example.org/review.html", many)


def test_a_qr_code_holds_the_link_of_the_page(monkeypatch):
    segno = pytest.importorskip("segno", reason="the extra `qr` is not installed")
    taken = []
    monkeypatch.setattr("segno.make_qr", lambda text, **how: taken.append(text) or segno.make("x"))
    boxes = {f"{FORWARD.id} | no eps": Box(2, "2026-11-28")}
    qr_of("https://example.org/review.html#old", boxes)
    assert taken[0].startswith("https://example.org/review.html#") and boxes_in(taken[0]) == boxes


def test_an_old_assignment_says_what_is_already_right(run, tmp_path, monkeypatch):
    for name in ("course/layers.py", "optim.py", ".venv/lib.py", "env/site-packages/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    reports, taken = [reported(FORWARD, FORWARD.points), reported(BACKWARD, 2)], []
    monkeypatch.setattr(own_file, "check_files", lambda paths: (taken.extend(paths) or reports, []))
    status, out, _ = run("check", tmp_path)
    assert status == 1 and [path.name for path in taken] == ["layers.py", "optim.py"]
    (line,) = [line for line in out.splitlines() if line.startswith("Lesson ")]
    assert "Lesson 02" in line and "already right: batchnorm_forward;" in line
    assert f"not yet: batchnorm_backward (2 of {BACKWARD.points:g})" in line
    monkeypatch.setattr(cli, "MOST_PROGRAMS", 1)
    assert "name those that are yours" in one_line(run("check", tmp_path))


def test_check_writes_down_what_was_tried_where_somebody_learns(run, tmp_path, monkeypatch):
    file, stub = tmp_path / "02.ipynb", Row("a check", 4, 0, STUB_MESSAGE)
    file.write_text("{}")
    reports = [reported(FORWARD, FORWARD.points), Report(BACKWARD.id, "", (stub,))]
    monkeypatch.setattr(own_file, "check_files", lambda paths: (reports, []))
    run("check", file)
    assert not (tmp_path / LOG).exists()
    (tmp_path / LOG).touch()
    run("check", file)
    (entry,) = read_history(tmp_path / LOG).entries
    assert entry["exercise"] == FORWARD.id and "batchnorm_backward" in run("progress", tmp_path)[1]


def test_review_asks_in_the_terminal_and_writes_page_and_calendar(run, worked):
    page, calendar = worked / "review.html", worked / "review.ics"
    status, out, _ = run("review", worked, "--page", page, "--calendar", calendar)
    assert status == 0 and "wrote" in out and "No day is in it" in out  # what waits, waits today
    assert "<script" in page.read_text(encoding="utf-8")
    assert calendar.read_bytes().startswith(b"BEGIN:VCALENDAR\r\n")
    status, out, _ = run("review", worked, typed="1")
    assert status == 0 and "What does this return?" in out
    ((key, box),) = read_review(worked / FILE).boxes.items()
    assert key.startswith(FORWARD.id) and box.answered
    assert "Nothing is due today" in run("review", worked)[1]


def test_what_review_cannot_use_is_one_line(run, worked):
    assert "There is no folder" in one_line(run("review", worked / "no"))
    assert "neither" in one_line(run("review", worked, "--merge", "page.html#no"))
    (worked / FILE).write_text('{"format": 9}')
    assert "update" in one_line(run("review", worked))


def test_questions_are_asked_about_a_file_that_passes(run, tmp_path, monkeypatch):
    points = iter([FORWARD.points, 1])
    checked = lambda path: ([reported(FORWARD, next(points))], [])  # noqa: E731
    monkeypatch.setattr(own_file, "check_file", checked)
    path = tmp_path / "own.py"
    body = reference_source(FORWARD, FORWARD.function).partition("def ")[2]
    path.write_text(f"import numpy as np\n\n\ndef {body}")
    status, out, _ = run("questions", path)
    assert status == 0 and out.count("Skipped.") == 2
    assert "then come again" in one_line(run("questions", path))
    assert "There is no file" in one_line(run("questions", tmp_path / "no.py"))


def test_the_doctor_tells_a_learner_what_to_do(monkeypatch, tmp_path):
    assert all(finding.fine for finding in look(tmp_path) if finding.needed)
    monkeypatch.setattr(machine, "_version", lambda name: "")
    monkeypatch.setenv("CS231N_DATA", str(tmp_path / "no"))
    monkeypatch.setattr(machine, "OLDEST", (99, 0))
    lacking = {finding.what: finding.why for finding in look(tmp_path) if not finding.fine}
    for what, remedy in (
        ("Python", "install 99.0"),
        ("numpy", "pip install numpy"),
        ("Jupyter", "pip install jupyterlab"),
        ("torch", "[torch]"),
        ("data folder", "change it"),
    ):
        assert remedy in lacking[what]
