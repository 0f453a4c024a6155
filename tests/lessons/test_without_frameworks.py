"""The NumPy half of the course needs NumPy and matplotlib, and runs where nothing else is."""

import subprocess
import sys
from pathlib import Path

import pytest

from autograder.lessons.lesson import all_lessons

ROOT = Path(__file__).resolve().parents[2]
BLOCKED = ("torch", "scipy", "skimage", "sklearn")
BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
"""
REFERENCES = """
from autograder import check, exercises, expectations, misconceptions

misconceptions.variants_of = lambda exercise_id: ()  # those of PyTorch's exercises need it
written = [e for e in exercises.all_exercises() if e.framework == "numpy"]
assert len(written) > 50
for exercise in written:
    report = check.run(exercise, expectations.reference(exercise))
    assert report.score == exercise.points, str(report)
"""
HALF = """
import matplotlib
import warnings

warnings.simplefilter("error")
matplotlib.use("agg")
from autograder.lessons.lesson import find_lesson

space = {{"__name__": "__main__", "display": lambda *shown: None}}
for cell in find_lesson({number!r}).cells:
    if cell.kind != "code" or cell.role == "check":
        continue
    if "import torch" in cell.solution and cell.role == "setup":
        break
    exec(compile(cell.solution, cell.id, "exec"), space)
    matplotlib.pyplot.close("all")
"""


def run_without(names, program):
    """Run a program in a process that cannot import some packages."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCK.format(names=set(names)) + program],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_reference_in_numpy_earns_full_marks_without_them():
    run_without((*BLOCKED, "IPython"), REFERENCES)


@pytest.mark.slow
@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.name)
def test_the_numpy_half_of_a_solution_runs_without_them(lesson):
    run_without(BLOCKED, HALF.format(number=lesson.number))


def test_what_a_notebook_imports_waits_for_no_framework():
    run_without(
        (*BLOCKED, "IPython"),
        "import autograder.check, cs231n_lib.train, cs231n_lib.plotting, cs231n_lib.data\n"
        "import cs231n_lib.gradcheck, cs231n_lib.descent, cs231n_lib.layers.network\n",
    )
