"""The NumPy half of the course needs NumPy and matplotlib, and runs where nothing else is.

`execute_notebooks.py` requires it of the lessons: it lets their NumPy halves import nothing else.
"""

import subprocess
import sys
from pathlib import Path

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


def run_without(names, program):
    """Run a program in a process that cannot import packages."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCK.format(names=set(names)) + program],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_reference_in_numpy_earns_full_marks_without_them():
    run_without((*BLOCKED, "IPython"), REFERENCES)


def test_every_example_of_the_numpy_side_runs_without_them():
    """All modules of the library but those that say in their name that they are PyTorch's."""
    run_without(BLOCKED, EXAMPLES)


def test_what_a_notebook_imports_waits_for_no_framework():
    run_without(
        (*BLOCKED, "IPython"),
        "import autograder.check, cs231n_lib.train, cs231n_lib.plotting, cs231n_lib.data\n"
        "import cs231n_lib.gradcheck, cs231n_lib.descent, cs231n_lib.layers.network\n",
    )
