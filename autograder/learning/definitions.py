"""The functions that a file of one's own defines, without running its experiments."""

import ast
import json
from collections.abc import Callable
from pathlib import Path

from autograder.learning.errors import LearnerError
from autograder.learning.shelf import CHECK, grade_id

KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def source_of(path: Path, until: str = "") -> str:
    """Return imports, functions, classes and constants of a notebook or a Python file.

    Args:
        until: the grade id of an exercise: cells after its check, which may define the same name
            in another framework, are left out.

    Raises LearnerError when it is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        cells = [text] if path.suffix == ".py" else _code_cells(json.loads(text), until)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LearnerError(f"{path} cannot be read as a notebook or a Python file.") from error
    return "\n".join(ast.unparse(node) for cell in cells for node in _kept(cell))


def _code_cells(notebook, until: str) -> list[str]:
    found = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            found.append("".join(cell["source"]))
        if until and grade_id(cell) == until + CHECK:
            break
    return found


def _kept(cell: str) -> list[ast.stmt]:
    try:
        statements = ast.parse(cell).body
    except SyntaxError:
        return []  # a magic of IPython, or a slip that the check has told
    return [node for node in statements if isinstance(node, KEPT) or _is_constant(node)]


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)


def functions_in(source: str) -> dict[str, Callable]:
    """Run a program of definitions and return the functions and classes that it defines."""
    namespace: dict[str, object] = {"__name__": "own"}
    exec(compile(source, "<own file>", "exec"), namespace)
    return {name: value for name, value in namespace.items() if callable(value)}
