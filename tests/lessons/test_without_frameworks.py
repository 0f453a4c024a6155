"""The NumPy half of the course needs NumPy and matplotlib, and runs where nothing else is."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from all_lessons import all_lessons

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
EXAMPLES = """
import doctest, importlib, matplotlib, pkgutil, warnings

warnings.simplefilter("error")
matplotlib.use("agg")
import cs231n_lib

FOR_PYTORCH = ("in_torch", "modules", "optimizers", "zoo")
TUNED_FOR_BOTH = ("normalization.tuned", "regularization.tuned")
OF_SCIPY = ("data.wheels", "train.linear", "transfer.in_numpy")  # or of scikit-image
flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
ran = 0
for info in pkgutil.walk_packages(cs231n_lib.__path__, "cs231n_lib."):
    if info.name.endswith(FOR_PYTORCH + TUNED_FOR_BOTH + OF_SCIPY):
        continue
    module = importlib.import_module(info.name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, module.__name__):
        if "import torch" not in test.docstring:
            outcome = doctest.DocTestRunner(verbose=False, optionflags=flags).run(test)
            assert outcome.failed == 0, test.name
            ran += outcome.attempted
assert ran > 200, ran
"""
HALF = """
import json
import matplotlib
import warnings

warnings.simplefilter("error")
matplotlib.use("agg")
space = {"__name__": "__main__", "display": lambda *shown: None}
for name, source in json.load(sys.stdin):
    exec(compile(source, name, "exec"), space)
    matplotlib.pyplot.close("all")
"""


def numpy_half(lesson):
    """Return [id, source] of the cells of a solution up to the PyTorch half, without checks."""
    cells = [cell for cell in lesson.cells if cell.kind == "code"]
    half = itertools.takewhile(
        lambda cell: not (cell.role == "setup" and "import torch" in cell.solution), cells
    )
    return [[cell.id, cell.solution] for cell in half if cell.role != "check"]


def run_without(names, program, given=None):
    """Run a program, with something given as JSON, in a process that cannot import packages."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCK.format(names=set(names)) + program],
        capture_output=True,
        input=json.dumps(given),
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_reference_in_numpy_earns_full_marks_without_them():
    run_without((*BLOCKED, "IPython"), REFERENCES)


def test_every_example_of_the_numpy_side_runs_without_them():
    """All modules of the library but those that say in their name that they are PyTorch's."""
    run_without(BLOCKED, EXAMPLES)


# Lesson 00 shows wrong answers to the checks; where there is no PyTorch, a kit has them recorded.
@pytest.mark.slow
@pytest.mark.parametrize("lesson", all_lessons()[1:], ids=lambda lesson: lesson.name)
def test_the_numpy_half_of_a_solution_runs_without_them(lesson):
    run_without(BLOCKED, HALF, numpy_half(lesson))


def test_what_a_notebook_imports_waits_for_no_framework():
    run_without(
        (*BLOCKED, "IPython"),
        "import autograder.check, cs231n_lib.train, cs231n_lib.plotting, cs231n_lib.data\n"
        "import cs231n_lib.gradcheck, cs231n_lib.descent, cs231n_lib.layers.network\n",
    )
