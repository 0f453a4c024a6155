"""`make check-notebooks` must be able to fail: each way a notebook can be wrong is reported."""

import execute_notebooks
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

starts_kernels = pytest.mark.slow  # as what is tested here, which is no part of `make test`


def check_cell(source="", value=None, stderr=""):
    """Return a check cell worth 3 points, as if it had ended with `value`."""
    outputs = [new_output("stream", name="stderr", text=stderr)] if stderr else []
    if value is not None:
        outputs.append(new_output("execute_result", data={"text/plain": value}))
    metadata = {"nbgrader": {"grade": True, "grade_id": "a-check", "points": 3}}
    return new_code_cell(source, outputs=outputs, metadata=metadata)


@pytest.mark.parametrize(
    ("value", "stderr", "full_marks", "says"),
    [
        ("3.0", "", True, ""),
        ("0.0", "", False, ""),
        ("2.5", "", True, "earned 2.5 points, 3 are due"),
        ("1.0", "", False, "earned 1 points, 0 are due"),
        (None, "", True, "ends without a score"),
        ("'3'", "", True, "ends without a score"),
        ("3.0", "a warning", True, "writes to stderr"),
    ],
)
def test_problem_in_an_executed_check_cell(value, stderr, full_marks, says):
    problem = execute_notebooks.problem_in(check_cell(value=value, stderr=stderr), full_marks)
    assert says in problem
    assert bool(problem) == bool(says)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a notebook into the folder `kind`."""

    def write(kind, *cells):
        path = tmp_path / kind / "77_tiny.ipynb"
        path.parent.mkdir()
        nbformat.write(new_notebook(cells=list(cells)), path)
        return path

    return write


@starts_kernels
def test_a_solution_passes_and_is_run_in_an_empty_folder(write, capsys):
    path = write("solution", new_code_cell("import os; print(os.listdir())"), check_cell("3.0"))
    assert execute_notebooks.main([str(path)]) == 0
    assert "3 of 3 points" in capsys.readouterr().out


@starts_kernels
def test_a_warning_fails_a_solution_but_not_a_student_notebook(write, capsys):
    warns = new_code_cell("import warnings; warnings.warn('careful')")
    solution, student = write("solution", warns), write("student", warns)
    assert execute_notebooks.main([str(solution), str(student)]) == 1
    shown = capsys.readouterr().out
    assert "UserWarning: careful" in shown
    assert "2 notebooks, 1 with a problem" in shown


@starts_kernels
def test_a_dead_kernel_is_a_problem_and_not_a_crash(write, capsys):
    path = write("student", new_code_cell("import os; os._exit(1)"), check_cell("0.0"))
    assert execute_notebooks.main([str(path)]) == 1
    assert "DeadKernelError" in capsys.readouterr().out


@starts_kernels
def test_until_its_pytorch_half_a_solution_imports_numpy_alone(write, capsys):
    half = new_code_cell("import torch", metadata={"course": {"role": "setup"}})
    photographs = new_code_cell("from cs231n_lib.data import faces\nfaces()")
    path = write("solution", half, photographs)
    assert execute_notebooks.main([str(path)]) == 0
    nbformat.write(new_notebook(cells=[photographs, half]), path)
    assert execute_notebooks.main([str(path)]) == 1
    assert "the NumPy half of a lesson imports skimage" in capsys.readouterr().out


@starts_kernels
def test_a_cell_may_take_its_time_and_one_with_widgets_less(write, capsys, monkeypatch):
    monkeypatch.setattr(execute_notebooks, "SECONDS_WITH_WIDGETS", 1)
    slow = "import time; time.sleep(3)"
    assert execute_notebooks.main([str(write("student", new_code_cell(slow)))]) == 0
    path = write("solution", new_code_cell(f"{slow}  # in place of ipywidgets"))
    assert execute_notebooks.main([str(path)]) == 1
    assert "CellTimeoutError" in capsys.readouterr().out
