"""Carry checked functions over: from earlier notebooks and files into one cell of a later lesson.

Only imports, functions, classes and assignments of a notebook are read, and of those only what a
function needs; the cells themselves are not run. What is carried has just passed its checks, in
the very words that are written into the cell. It works in the kit, without the rest of the grader:

    python -m autograder.carry 13_capstone.ipynb 02_batch_normalization.ipynb my_functions.py
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder import exercises
from autograder.checking.spec import Exercise

CELL_ID = "carried-functions"
FIRST_LINE = "# Carried from earlier lessons by `autograder carry`, which writes this cell anew."
MAX_CELL = 90_000  # characters of a cell that grading reads
MAX_BYTES = 100_000_000  # of a notebook
NOT_READ = ("experiment", "predict")  # cells of the course that define nothing
_CHECK = re.compile(r"^check\(\s*[\"']([\w.]+)[\"']", re.MULTILINE)
_MAGIC = re.compile(r"^([ \t]*)[%!?].*$", re.MULTILINE)


class CarryError(ValueError):
    """Nothing can be carried; the text says why, and what to do."""


@dataclass(frozen=True)
class Source:
    """One file: its code cells in order, and after which of them each exercise is checked."""

    name: str
    cells: tuple[str, ...]
    checks: dict[str, int]  # exercise id: place of its check cell


@dataclass
class Carried:
    """What goes into the cell, and what is to be said about the rest."""

    texts: dict[str, str] = field(default_factory=dict)  # name bound: program text, in order
    functions: dict[str, str] = field(default_factory=dict)  # function: file it is from
    failing: dict[str, str] = field(default_factory=dict)  # function: why it is not carried
    stand_ins: tuple[str, ...] = ()

    def cell(self) -> str:
        """Return the program text of the cell."""
        parts = [FIRST_LINE]
        texts = dict.fromkeys(self.texts.values())  # one may bind several names
        parts += [text for text in texts if _is_import(text)]
        parts += [f"\n\n{text}" for text in texts if not _is_import(text)]
        if self.stand_ins:
            names = "".join(f"    {name},\n" for name in self.stand_ins)
            parts.append(
                "\n\n# The framework's, in place of yours, which are missing or lose points:\n"
                f"from cs231n_lib.stand_ins import (\n{names})"
            )
        return "\n".join(parts)

    def report(self) -> str:
        """Return what happened, a line for each function."""
        lines = [f"{name}: yours, from {place}" for name, place in self.functions.items()]
        for name, why in self.failing.items():
            taken = "; the framework's takes its place" if name in self.stand_ins else ""
            lines.append(f"{name}: not carried, {why}{taken}")
        for name in self.stand_ins:
            if name not in self.failing:
                lines.append(f"{name}: missing in these files; the framework's takes its place")
        return "\n".join(lines)


def carry(target: str | Path, sources: Sequence[str | Path]) -> Carried:
    """Write the checked functions of earlier notebooks and .py files into a notebook.

    The cell comes after the notebook's first code cell; one that is there already is replaced.
    Exercises of the target itself are left out.

    Args:
        target: the notebook of a later lesson.
        sources: notebooks and .py files; where two define a function, the later one counts.

    Raises:
        CarryError: for a file that cannot be used, or when nothing at all can be carried.
    """
    target = Path(target)
    notebook = _read_notebook(target)
    files = [_source(Path(path)) for path in sources]
    if not files:
        raise CarryError("Name the notebooks or .py files to carry from, after the target.")
    if any(Path(path).resolve() == target.resolve() for path in sources):
        raise CarryError(f"{target.name} is the target; name the notebooks of earlier lessons.")
    own = set(_source_of(notebook, target.name).checks)
    carried = collect(files, leave_out=own)
    carried.stand_ins = _needed(notebook, carried)
    if not carried.functions and not carried.stand_ins:
        raise CarryError(
            "None of these files holds a function of an earlier exercise that passes its checks. "
            + " ".join(f"{name}: {why}." for name, why in carried.failing.items())
        )
    text = carried.cell()
    if len(text) > MAX_CELL:
        raise CarryError(
            f"The carried functions have {len(text)} characters, and a cell at most {MAX_CELL}: "
            "name fewer notebooks."
        )
    _put(notebook, text)
    _write(target, notebook)
    return carried


# ---------------------------------------------------------------------------------- collecting


def collect(files: Iterable[Source], leave_out: Iterable[str] = ()) -> Carried:
    """Return the functions of exercises in NumPy that are in these files and pass their checks."""
    carried, leave_out = Carried(), set(leave_out)
    for file in files:
        for exercise in exercises.all_exercises():
            if exercise.framework == "numpy" and exercise.id not in leave_out:
                _take(exercise, file, carried)
    return carried


def _take(exercise: Exercise, file: Source, carried: Carried) -> None:
    end = file.checks.get(exercise.id)
    if end is None and file.checks:  # a notebook of the course that has another lesson's exercises
        return
    defined = _bindings(file.cells[:end])
    name = exercise.function
    if name not in defined or not set(exercise.functions) <= defined.keys():
        return
    texts = _with_what_it_needs(exercise.functions, defined)
    why = _fault(exercise, texts)
    for other, text in texts.items():
        if not why and carried.texts.get(other, text) != text and other not in exercise.functions:
            why = f"its helper {other} stands elsewhere with another meaning: rename one of the two"
    if why:
        if name not in carried.functions:
            carried.failing[name] = why
        return
    carried.failing.pop(name, None)
    carried.texts.update(texts)
    carried.functions[name] = file.name


def _fault(exercise: Exercise, texts: dict[str, str]) -> str:
    """Run the checks of an exercise on program texts; return what is wrong, or nothing."""
    from autograder.check import run
    from autograder.checking.observe import STUB_MESSAGE

    space: dict = {"__name__": "carried"}
    try:
        for text in sorted(dict.fromkeys(texts.values()), key=lambda text: not _is_import(text)):
            exec(compile(text, "<carried>", "exec"), space)
        report = run(exercise, {name: space[name] for name in exercise.functions})
    except Exception as error:  # whatever a student's line may raise
        return f"it cannot be run by itself ({type(error).__name__}: {error})"
    if all(row.message == STUB_MESSAGE for row in report.rows):
        return "it is not written yet"
    if report.score < report.points:
        return f"it earns {report.score:g} of {report.points:g} points"
    return ""


@dataclass(frozen=True)
class Statement:
    """A statement at top level, and its program text with decorators and comments."""

    node: ast.stmt
    text: str


def _bindings(cells: Iterable[str]) -> dict[str, Statement]:
    """Return {name: the last statement that binds it}; a stub binds nothing."""
    found: dict[str, Statement] = {}
    for cell in cells:
        for statement in _statements(cell):
            if not _is_stub(statement.node):
                found |= dict.fromkeys(_bound(statement.node), statement)
    return found


def _statements(cell: str) -> list[Statement]:
    for text in (cell, _MAGIC.sub(r"\1pass", cell)):
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        lines = text.splitlines()
        return [
            Statement(node, "\n".join(lines[_first_line(node) - 1 : node.end_lineno]))
            for node in body
        ]
    return []


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    targets = getattr(node, "targets", [node.target] if isinstance(node, ast.AnnAssign) else [])
    names = [part for target in targets for part in ast.walk(target)]
    return [part.id for part in names if isinstance(part, ast.Name)]


def _is_stub(node: ast.stmt) -> bool:
    """Say whether a function is as it was released: a docstring, and raise NotImplementedError."""
    if not isinstance(node, ast.FunctionDef):
        return False
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return len(body) == 1 and ast.unparse(body[0]).startswith("raise NotImplementedError")


def _with_what_it_needs(names: Iterable[str], defined: dict[str, Statement]) -> dict[str, str]:
    """Return {name: program text} of functions and of all they use, what is used first."""
    texts: dict[str, str] = {}
    entered: set[str] = set()

    def visit(name):
        if name not in defined or name in entered:
            return
        entered.add(name)
        node = defined[name].node
        used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        for other in sorted(used & defined.keys()):
            visit(other)
        texts[name] = defined[name].text

    for name in names:
        visit(name)
    return texts


def _is_import(text: str) -> bool:
    return text.startswith(("import ", "from "))


def _needed(notebook: dict, carried: Carried) -> tuple[str, ...]:
    """Return the stand-ins of functions that the notebook speaks of and that were not carried."""
    from cs231n_lib.stand_ins import PAIRS, STAND_INS

    cells = [_text_of(c) for c in notebook["cells"] if not _is_carried(c)]
    spoken = {name for name in STAND_INS if re.search(rf"\b{name}\b", "\n".join(cells))}
    missing = spoken - carried.functions.keys()
    for pair in PAIRS.items():
        if missing & set(pair):
            missing |= set(pair)
    for name in missing & carried.functions.keys():
        carried.failing[name] = "its other half is missing, and the two go together"
        del carried.functions[name], carried.texts[name]
    return tuple(name for name in STAND_INS if name in missing)


# ---------------------------------------------------------------------------------- files


def _source(path: Path) -> Source:
    if path.suffix == ".ipynb":
        return _source_of(_read_notebook(path), path.name)
    if path.suffix != ".py":
        raise CarryError(f"{path} is neither a notebook (.ipynb) nor a Python file (.py).")
    text = _read(path)
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise CarryError(f"{path}: a syntax error in line {error.lineno}: {error.msg}.") from None
    return Source(path.name, (text,), {})


def _source_of(notebook: dict, name: str) -> Source:
    cells = [
        _text_of(cell)
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and not _is_carried(cell) and _role(cell) not in NOT_READ
    ]
    checks = {found[1]: k for k, cell in enumerate(cells) for found in _CHECK.finditer(cell)}
    return Source(name, tuple(cells), checks)


def _read(path: Path) -> str:
    if not path.is_file():
        raise CarryError(f"There is no file {path}.")
    if path.stat().st_size > MAX_BYTES:
        raise CarryError(f"{path} is larger than {MAX_BYTES // 10**6} MB.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise CarryError(f"{path} is not written in UTF-8: save it anew.") from None


def _read_notebook(path: Path) -> dict:
    if path.suffix != ".ipynb":
        raise CarryError(f"{path} must be a notebook, a file that ends in .ipynb.")
    content = _read(path)
    try:
        notebook = json.loads(content)
        well_formed = all(isinstance(c["cell_type"], str) and _role(c) is not None and
                          isinstance(_text_of(c), str) for c in notebook["cells"])  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        well_formed = False
    if not well_formed:
        raise CarryError(f"{path} is not a notebook: open and save it in Jupyter once.")
    return notebook


def _text_of(cell: dict) -> str:
    return "".join(cell["source"])


def _role(cell: dict) -> str:
    return cell.get("metadata", {}).get("course", {}).get("role", "")


def _is_carried(cell: dict) -> bool:
    return cell["cell_type"] == "code" and _text_of(cell).startswith(FIRST_LINE)


def _put(notebook: dict, text: str) -> None:
    """Put the cell below the first code cell, in place of one that was carried before."""
    cells = [cell for cell in notebook["cells"] if not _is_carried(cell)]
    first = next((k for k, c in enumerate(cells) if c["cell_type"] == "code"), -1)
    new = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": ["carried"]},
        "outputs": [],
        "source": text.splitlines(keepends=True),
    }
    if any("id" in cell for cell in cells):
        new["id"] = CELL_ID  # older formats have none
    notebook["cells"] = [*cells[: first + 1], new, *cells[first + 1 :]]


def _write(path: Path, notebook: dict) -> None:
    """Replace the file as a whole, so that an interruption leaves the old one."""
    new = path.with_name(f".{path.name}.new")
    text = json.dumps(notebook, indent=1, ensure_ascii=False)
    new.write_text(f"{text}\n", encoding="utf-8")
    os.replace(new, path)


def main(arguments: Sequence[str]) -> int:
    """Run `python -m autograder.carry TARGET SOURCE...`; return the exit status."""
    if len(arguments) < 2:
        print("usage: python -m autograder.carry TARGET.ipynb SOURCE...", file=sys.stderr)
        return 2
    try:
        print(carry(arguments[0], arguments[1:]).report())
    except CarryError as error:
        print(f"autograder: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
