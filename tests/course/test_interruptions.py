"""Ctrl-C at any moment: one line, a status that is not 0, and the next grading completes."""

import io
import random
import subprocess
import sys

import pytest
from classroom import NAME, content, solution

from autograder import cli
from autograder.course import folder, grade_class
from autograder.course.folder import init, open_course
from autograder.course.markbook import marks
from autograder.course.nbgrader_api import NbgraderCourse

MOMENTS = {
    "at once": "def main(): press()",
    "in a finalizer, where Python goes on": """
class Last:
    def __del__(self): press()
def main():
    Last()
    time.sleep(9)
""",
    "after the end": "def main(): atexit.register(press)",
    "while a thread is waited for": """
def main():
    threading.Thread(target=time.sleep, args=(9,)).start()
    threading.Thread(target=press, args=(0.5,)).start()
""",
}
PRESSED = """
import atexit, os, signal, sys, threading, time, types

def press(after=0.0):
    time.sleep(after)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1 if after == 0.0 else 0.0)
{main}
sys.modules["autograder.cli"] = types.SimpleNamespace(main=main)
from autograder.__main__ import run
run()
"""
AT_A_CALL = """
import os, signal, sys
place, at, calls = sys.argv.pop(1), int(sys.argv.pop(1)), 0

def look(frame, event, argument):
    global calls
    calls += 1
    if calls == at:
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGINT)
    elif not at:
        number.seek(0)
        number.write(str(calls))

number = open(place, "w")
from autograder.__main__ import run
sys.setprofile(look)
run()
"""


def python(program, *arguments):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("moment", MOMENTS)
def test_it_is_one_line_wherever_python_is(moment):
    ended = python(PRESSED.format(main=MOMENTS[moment]))
    assert ended.returncode == cli.INTERRUPTED
    assert ended.stderr == "autograder: Stopped. What was done before is kept.\n"


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ((), "what was graded is kept, and the same command goes on"),
        (("--force",), "what was graded again is kept, and the same command begins anew"),
        (("--dry-run",), "nothing was written"),
    ],
)
def test_it_is_said_while_a_thread_that_judges_has_the_stream(
    options, kept, tmp_path, capsys, monkeypatch
):
    def interrupt(*arguments, progress, **more):
        progress("execute", "ada", 3)
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        raise KeyboardInterrupt

    monkeypatch.setattr(grade_class, "grade_class", interrupt)
    monkeypatch.setattr("autograder.course.preview.preview", interrupt)
    monkeypatch.setattr(folder, "open_course", lambda course: init(tmp_path, ["02"])[0])
    monkeypatch.setattr(cli, "end_now", sys.exit)
    with pytest.raises(SystemExit) as left:
        cli.main(["grade", str(tmp_path), "2", *options])
    assert left.value.code == cli.INTERRUPTED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"autograder: Stopped after 1 of 3: {kept}")


@pytest.mark.slow
def test_it_is_one_line_at_any_call_and_the_next_grading_completes(tmp_path):
    course, _ = init(tmp_path / "course", ["02"])
    NbgraderCourse(course.root).generate_assignment(NAME)
    path = course.root / "submitted" / "ada" / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(content(solution()))
    number, grade = tmp_path / "number", ("grade", course.root, "2", "--force")
    assert python(AT_A_CALL, number, 0, *grade).returncode == 0
    (mark,) = marks(open_course(course.root))
    calls = int(number.read_text())
    for at in random.Random(0).sample(range(1, calls), 2):
        ended = python(AT_A_CALL, number, at, *grade)
        assert ended.returncode == cli.INTERRUPTED, at
        (line,) = ended.stderr.splitlines()
        assert line.startswith("autograder: Stopped")
    assert python(AT_A_CALL, number, 0, *grade).returncode == 0
    assert [line.score for line in marks(open_course(course.root))] == [mark.score]
