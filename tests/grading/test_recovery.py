"""Killed at any moment: every submission is graded once, and rightly."""

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from classroom import NAME, added, content, solution, template

from autograder.grading.batch import grade_batch
from autograder.grading.grader import Grader
from autograder.grading.log import Log
from autograder.grading.results import Store
from autograder.sandbox import zygote

SECRET = b"the secret of a course"
STUDENTS = tuple(f"student-{number}" for number in range(4))
KILLED_AFTER = 2  # results
ENGINE = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {tests!r} + "/grading"]
from test_recovery import grade
grade(Path({folder!r}), progress=lambda student, result: print(student, flush=True))
"""


def hand_in(folder):
    """Right answers of everybody, each another file, and return their paths."""
    paths = {}
    for student in STUDENTS:
        notebook = solution()
        notebook.cells.append(added(f"'{student}'"))
        paths[student] = folder / "submitted" / student / f"{NAME}.ipynb"
        paths[student].parent.mkdir(parents=True, exist_ok=True)
        if not paths[student].exists():
            paths[student].write_bytes(content(notebook))
    return paths


def grade(folder, **options):
    """Grade what was handed in there, as `autograder grade` does."""
    log = Log(folder / "log.jsonl")
    with Grader(template(), NAME, SECRET, log=log) as grader:
        return grade_batch(grader, hand_in(folder), Store(folder / "results"), **options)


def events(folder):
    return [line["event"] for line in Log(folder / "log.jsonl").read()]


def require_all_right(folder, graded, faults):
    assert faults == {} and list(graded) == list(STUDENTS)
    for result in graded.values():
        assert result.score == result.points > 0 and result.complete
    assert sorted(path.name for path in (folder / "results").glob("*.json")) == [
        f"{student}.json" for student in STUDENTS
    ]
    log = Log(folder / "log.jsonl").read()
    times = Counter(line["student"] for line in log if line["event"] == "graded")
    assert set(times.values()) <= {1}, times


@pytest.mark.slow
def test_an_engine_that_is_killed_goes_on_where_it_was(tmp_path):
    hand_in(tmp_path)
    program = ENGINE.format(tests=str(Path(__file__).parents[1]), folder=str(tmp_path))
    engine = subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
    )
    with engine:
        for _ in range(KILLED_AFTER):
            assert engine.stdout.readline().strip().decode() in STUDENTS
        engine.kill()
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "results").glob("*.json")}
    assert KILLED_AFTER <= len(kept) < len(STUDENTS)

    graded, faults = grade(tmp_path)
    require_all_right(tmp_path, graded, faults)
    later = {name: (tmp_path / "results" / name).stat().st_mtime_ns for name in kept}
    assert later == kept
    assert events(tmp_path).count("kept") == len(kept)
    assert events(tmp_path)[-1] == "batch ended"


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["warm process", "child"])
def test_what_is_killed_beside_the_engine_costs_nobody_a_mark(tmp_path, monkeypatch, victim):
    last_cells, warm = [], set()
    real = zygote.Process.ask

    def ask(process, request, own=False):
        warm.add(process._warm)
        if f"'{STUDENTS[2]}'" in request.get("source", ""):
            last_cells.append(request)
        if len(last_cells) == 2:  # one run gave the outputs, one has been observed until here
            last_cells.append("killed")
            if victim == "child":
                signal.pidfd_send_signal(process._handle, signal.SIGKILL)
            else:
                os.kill(process._warm._starter.pid, signal.SIGKILL)
        return real(process, request, own)

    monkeypatch.setattr(zygote.Process, "ask", ask)
    graded, faults = grade(tmp_path)
    require_all_right(tmp_path, graded, faults)
    assert len(warm) == (2 if victim == "warm process" else 1)
    assert not list(Path(tempfile.gettempdir()).glob(f"{zygote.BOX}*/children/*"))
