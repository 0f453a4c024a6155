"""Run built notebooks from top to bottom, two at a time: `make check-notebooks`.

A solution must finish with warnings as errors and earn every automatic point; until its PyTorch
half begins, none of its code may import more than NumPy and matplotlib (the checks may). A student
notebook must finish as it is handed out and earn none. Prints one line a notebook; the exit status
is 1 when one of them does not hold. Arguments: the notebooks to run; without any, all of them.
"""

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

HERE = Path(__file__).resolve().parent
NOTEBOOKS = HERE.parents[1] / "notebooks"
AT_ONCE = 2
SECONDS_A_CELL = 300
SECONDS_WITH_WIDGETS = 30  # nbclient may overlook the reply until this time is up
STRICT = """\
import warnings

warnings.simplefilter("error")
# On finite numbers too, now and then, see numpy/numpy#24067.
warnings.filterwarnings("ignore", category=RuntimeWarning, message="invalid value .* in matmul")
# The kernel warns about itself when it is shut down.
warnings.filterwarnings("ignore", category=PendingDeprecationWarning, module="ipykernel")"""
NUMPY_ALONE = "import numpy_alone\n\nnumpy_alone.begin()"
EVERYTHING = "numpy_alone.end()"


@dataclass(frozen=True)
class Outcome:
    """What running one notebook showed; `problem` is empty when all is well."""

    path: Path
    seconds: float
    earned: float
    points: float
    problem: str = ""

    def __str__(self):
        name = f"{self.path.parent.name}/{self.path.stem}"
        line = f"{name:48}{self.seconds:8.1f} s {self.earned:8g} of {self.points:g} points"
        return f"{line}\n    {self.problem}" if self.problem else line


async def run(path: Path) -> Outcome:
    """Execute one notebook in an empty folder and judge what it shows."""
    notebook = nbformat.read(path, as_version=4)
    full_marks = path.parent.name == "solution"
    if full_marks:
        _make_strict(notebook)
    start = time.perf_counter()
    crash = await _execute(notebook)
    seconds = time.perf_counter() - start
    checks = [cell for cell in notebook.cells if _is_check(cell)]
    problems = [crash] if crash else [p for cell in checks if (p := problem_in(cell, full_marks))]
    earned = sum(score(cell) or 0.0 for cell in checks)
    points = sum(cell.metadata.nbgrader.points for cell in checks)
    return Outcome(path, seconds, earned, points, "\n    ".join(problems))


def _make_strict(notebook):
    """Have warnings be errors, and imports of more than NumPy until the PyTorch half begins."""
    first = next((i for i, cell in enumerate(notebook.cells) if _begins_pytorch(cell)), None)
    code = nbformat.v4.new_code_cell
    if first is not None:
        notebook.cells.insert(first, code(EVERYTHING))
        notebook.cells.insert(0, code(NUMPY_ALONE))
    notebook.cells.insert(0, code(STRICT))


def _begins_pytorch(cell):
    is_setup = cell.metadata.get("course", {}).get("role") == "setup"
    return is_setup and "import torch" in cell.source


async def _execute(notebook):
    """Run the cells; return what stopped them, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout_func=seconds_of,
            kernel_name="python3",
            extra_arguments=["--log-level=ERROR"],  # else each kernel says that TCP is in the clear
            resources={"metadata": {"path": folder}},
        )
        try:
            own = {"IPYTHONDIR": folder, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
            await client.async_execute(env=os.environ | own)
        except CellExecutionError as error:
            return f"{error.ename}: {error.evalue}"
        except (CellTimeoutError, DeadKernelError) as error:
            return f"{type(error).__name__}: {error}"
    return ""


def seconds_of(cell) -> int:
    """Return how long a cell may take."""
    return SECONDS_WITH_WIDGETS if "ipywidgets" in cell.source else SECONDS_A_CELL


def _is_check(cell):
    return cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade", False)


def score(cell) -> float | None:
    """Return the number that a check cell ends with, None when there is none."""
    for output in cell.outputs:
        if output.output_type == "execute_result":
            try:
                return float(output.data["text/plain"])
            except ValueError:
                return None
    return None


def problem_in(cell, full_marks: bool) -> str:
    """Say what is wrong with an executed check cell: its score, or writing to stderr."""
    grade_id, points = cell.metadata.nbgrader.grade_id, cell.metadata.nbgrader.points
    earned, due = score(cell), points if full_marks else 0
    if earned is None:
        return f"{grade_id}: the cell ends without a score"
    if any(output.get("name") == "stderr" for output in cell.outputs):
        return f"{grade_id}: writes to stderr, for which nbgrader gives 0 points"
    if abs(earned - due) > 1e-6:
        return f"{grade_id}: earned {earned:g} points, {due:g} are due"
    return ""


async def _run_all(paths):
    places = asyncio.Semaphore(AT_ONCE)

    async def run_in_turn(path):
        async with places:
            outcome = await run(path)
        print(outcome, flush=True)
        return outcome

    return await asyncio.gather(*(run_in_turn(path) for path in paths))


def main(arguments: list[str]) -> int:
    """Run the notebooks, print what each showed, and return the exit status."""
    paths = [Path(argument) for argument in arguments] or sorted(NOTEBOOKS.glob("*/*.ipynb"))
    if not paths:
        print(f"No notebook in {NOTEBOOKS}; build them: make notebooks", file=sys.stderr)
        return 1
    outcomes = asyncio.run(_run_all(paths))
    failed = sum(bool(outcome.problem) for outcome in outcomes)
    print(f"{len(outcomes)} notebooks, {failed} with a problem")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
