"""Gradescope's autograder zip, run in the layout of its harness."""

import json
import os
import subprocess
import sys
import zipfile

import pytest
from classroom import content, template

from autograder.answers import is_answer_file
from autograder.course.errors import CourseError
from autograder.course.gradescope_zip import SETUP, write_zip
from autograder.grading.harness import results
from autograder.lessons import build
from autograder.lessons.lesson import find_lesson

# The fields that Gradescope's specification of results.json names.
FIELDS = {"score", "execution_time", "output", "output_format", "visibility", "stdout_visibility"}
FIELDS |= {"extra_data", "tests", "leaderboard", "test_output_format", "test_name_format"}
TEST_FIELDS = {"score", "max_score", "status", "name", "name_format", "number", "output"}
TEST_FIELDS |= {"output_format", "tags", "visibility", "extra_data"}
MOST = 100_000_000  # bytes of an upload


def fits(found):
    assert found.keys() <= FIELDS
    assert all(test.keys() <= TEST_FIELDS for test in found["tests"])
    assert all(test["status"] in ("passed", "failed") for test in found["tests"])
    assert found["score"] == pytest.approx(sum(test["score"] for test in found["tests"]))


def test_who_was_not_checked_has_no_points_and_a_reason():
    found = results(template(), [], ["Hand in\x1b one notebook"], "C")
    fits(found)
    assert found["score"] == 0
    assert len(found["tests"]) == 3
    assert found["output"].startswith("Unofficial")
    assert "\x1b" not in found["output"]
    assert found["extra_data"] == {"tier": "C", "official": False}
    assert "Unofficial" not in results(template(), [], [], "A")["output"]


@pytest.fixture(scope="module")
def container(tmp_path_factory):
    """/autograder as Gradescope lays it out, with this Python where setup.sh makes one."""
    root = tmp_path_factory.mktemp("gradescope") / "autograder"
    made = write_zip(find_lesson("00"), root.with_suffix(".zip"))
    with pytest.raises(CourseError, match="exists"):
        write_zip(find_lesson("00"), made)
    with zipfile.ZipFile(made) as archive:
        archive.extractall(root / "source")
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert made.stat().st_size < MOST
    assert modes["setup.sh"] == modes["run_autograder"] == 0o755
    assert not [name for name in modes if is_answer_file(name)]
    assert not [name for name in modes if "secret" in name]
    run = root / "run_autograder"
    run.write_bytes((root / "source" / "run_autograder").read_bytes())
    run.chmod(0o755)
    python = root / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return root


def graded(root, text):
    name = find_lesson("00").name
    (root / "submission").mkdir(exist_ok=True)
    (root / "submission" / f"{name}.ipynb").write_bytes(text)
    surroundings = {key: one for key, one in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [root / "run_autograder"], env=surroundings, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((root / "results" / "results.json").read_text("utf-8"))
    fits(found)
    return found


@pytest.mark.slow
def test_the_harness_marks_work_without_its_checks_and_an_empty_notebook(container):
    lesson = find_lesson("00")
    most = sum(exercise.points for exercise in lesson.exercises if not exercise.bonus)
    without_checks = build.solution_notebook(lesson)
    without_checks.cells = [
        cell
        for cell in without_checks.cells
        if not cell.metadata.get("nbgrader", {}).get("grade_id", "").endswith("-check")
    ]
    assert graded(container, content(without_checks))["score"] == most > 0
    assert graded(container, content(build.student_notebook(lesson)))["score"] == 0


STUBS = {
    "apt-get": 'echo "apt-get $*" >> "$CALLS"',
    "python3": """case "$1" in
    -m) mkdir -p "$3/bin" && cp "$STUBS/pip" "$3/bin/pip" ;;
    -c) exit "$OLD" ;;
esac""",
    "pip": 'echo "pip $*" >> "$CALLS"',
}


@pytest.mark.parametrize("old", [0, 1])
def test_setup_makes_the_environment_that_run_autograder_uses(tmp_path, old):
    """setup.sh with programs that only write down how they are called: nothing is downloaded."""
    source, stubs, calls = (tmp_path / name for name in ("autograder/source", "stubs", "calls"))
    for folder in (source, stubs):
        folder.mkdir(parents=True)
    for name, text in STUBS.items():
        (stubs / name).write_text(f"#!/bin/sh\n{text}\n")
        (stubs / name).chmod(0o755)
    (source / "setup.sh").write_text(SETUP)
    surroundings = {"PATH": f"{stubs}:{os.defpath}", "CALLS": str(calls), "STUBS": str(stubs)}
    done = subprocess.run(
        ["bash", source / "setup.sh"],
        env=surroundings | {"OLD": str(old)},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    told = calls.read_text().splitlines()
    assert told[:2] == ["apt-get update", "apt-get install -y python3 python3-venv"]
    if old:
        assert done.returncode == 1
        assert "Ubuntu 24.04" in done.stderr
        assert len(told) == 2
    else:
        assert done.returncode == 0, done.stderr
        assert told[2].startswith("pip install ")
        assert told[2].endswith(f"-r {source / 'requirements.txt'}")
        assert (source.parent / "venv" / "bin" / "pip").exists()
