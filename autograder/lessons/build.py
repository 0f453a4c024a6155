"""Build notebooks: one text file a lesson -> student, solution and nbgrader source notebooks.

`autograder.lessons.lesson` says how a lesson is written. Here its cells become notebooks, the
same bytes at every build, and the committed ones are compared with a fresh build.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.lessons.lesson import (
    ANSWER_HERE,
    NOTEBOOKS,
    SRC,
    BuildError,
    Lesson,
    all_lessons,
    find_lesson,
    read_lesson,
    shown,
)
from autograder.lessons.source import STUB, solution_source, stub_source

__all__ = [
    "BuildError",
    "Lesson",
    "OutOfDate",
    "all_lessons",
    "build_all",
    "find_lesson",
    "nbgrader_settings",
    "nbgrader_source",
    "notebook_text",
    "read_lesson",
    "solution_notebook",
    "solution_source",
    "stub_source",
    "student_notebook",
]

STUDENT = NOTEBOOKS / "student"
SOLUTION = NOTEBOOKS / "solution"


class OutOfDate(BuildError):
    """Built files differ from a fresh build; `differences` lists them, one line each."""

    def __init__(self, differences):
        self.differences = list(differences)
        listed = "\n".join(f"  {line}" for line in self.differences)
        super().__init__(
            f"what was built is out of date:\n{listed}\n"
            "run `autograder build` and commit what it writes; edit only notebooks/src"
        )


# ---------------------------------------------------------------------------------- notebooks


def student_notebook(lesson: Lesson) -> NotebookNode:
    """Return the notebook that students open: stubs, and no answer."""
    return _notebook(lesson, "student")


def solution_notebook(lesson: Lesson) -> NotebookNode:
    """Return the notebook with every function written and every question answered."""
    return _notebook(lesson, "solution")


def nbgrader_source(lesson: Lesson) -> NotebookNode:
    """Return the instructor's notebook, from which nbgrader releases the student's.

    Needs `nbgrader_settings` in the course's nbgrader_config.py.
    """
    return _notebook(lesson, "release")


def nbgrader_settings() -> dict:
    """Return the nbgrader options under which a release equals the student notebook.

    A dict of dicts: nbgrader's class name -> its options. LockCells keeps its defaults.
    """
    return {"ClearSolutions": {"code_stub": {"python": STUB}, "text_stub": ANSWER_HERE}}


def notebook_text(notebook: NotebookNode) -> str:
    """Return the notebook as the bytes of its file: sorted keys, indent 1, final newline."""
    return nbformat.writes(notebook, version=4) + "\n"


def _notebook(lesson, form):
    metadata = {
        "course": {
            "lesson": lesson.number,
            "title": lesson.title,
            "minutes_core": lesson.minutes[0],
            "minutes_all": lesson.minutes[1],
        },
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    cells = [_notebook_cell(cell, getattr(cell, form)) for cell in lesson.cells]
    return nbformat.v4.new_notebook(metadata=metadata, cells=cells)


def _notebook_cell(cell, source):
    new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}[cell.kind]
    metadata: dict[str, object] = {"course": {"role": cell.role}}
    if cell.alt:  # as MyST-NB reads it
        metadata["mystnb"] = {"image": {"alt": cell.alt}}
    if cell.hidden:
        metadata["jupyter"] = {"source_hidden": True}
    if cell.grade is not None:
        grade = {"grade": False, "locked": False, "solution": False, "task": False} | cell.grade
        metadata["nbgrader"] = grade | {"schema_version": 3, "cell_type": cell.kind}
        metadata["deletable"] = False
        if not grade["solution"]:
            metadata["editable"] = False
    return new(source=source, id=cell.id, metadata=metadata)


# ---------------------------------------------------------------------------------- files


def build_all(
    src: Path = SRC, student: Path = STUDENT, solution: Path = SOLUTION, *, check: bool = False
) -> list[Path]:
    """Write the student and solution notebook of every lesson; return the files that are new.

    A notebook that somebody worked in is kept beside the new one, as `NAME-yours.ipynb`.
    With `check` nothing is written: raises OutOfDate, which lists the differences by cell.
    """
    texts = {}
    for lesson in all_lessons(src):
        file = f"{lesson.name}.ipynb"
        texts[Path(student) / file] = notebook_text(student_notebook(lesson))
        texts[Path(solution) / file] = notebook_text(solution_notebook(lesson))
    changed = {path: text for path, text in texts.items() if _read(path) != text}
    if check:
        _require_up_to_date(texts, changed, src)
        return []
    kept = [_keep(path) for path in changed if _worked_in(path)]
    for path, text in changed.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return [*kept, *changed]


def _read(path):
    return path.read_bytes().decode("utf-8", errors="replace") if path.exists() else None


def _worked_in(path):
    """Return whether the file holds what no build writes: outputs, or code in place of a stub."""
    text = _read(path)
    if text is None:
        return False
    try:
        cells = json.loads(text)["cells"]
        ran = any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
        return ran or (path.parent.name == STUDENT.name and any(map(_is_filled_in, cells)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return bool(text.strip())


def _is_filled_in(cell):
    role = cell["metadata"].get("course", {}).get("role")
    source = "".join(cell["source"])
    return (role == "solution" and STUB not in source) or (
        role == "answer" and source != ANSWER_HERE
    )


def _keep(path):
    """Move the file out of the way, to a name that is free, and return that."""
    names = [path.with_name(f"{path.stem}-yours.ipynb")]
    while names[-1].exists():
        names.append(path.with_name(f"{path.stem}-yours-{len(names) + 1}.ipynb"))
    return path.rename(names[-1])


def _require_up_to_date(texts, changed, src):
    differences = [line for path, text in changed.items() for line in _differences(path, text)]
    for folder in dict.fromkeys(path.parent for path in texts):
        for path in sorted(set(folder.glob("*.ipynb")) - set(texts)):
            if "-yours" not in path.stem:
                differences.append(f"{shown(path)}: has no source in {shown(src)}; delete it")
    if differences:
        raise OutOfDate(differences)


def _differences(path, built: str) -> Iterator[str]:
    """Say how the file at `path` differs from the text just built, a line a cell."""
    committed = _read(path)
    if committed is None:
        yield f"{shown(path)}: missing"
        return
    try:
        old = {cell["id"]: cell for cell in json.loads(committed)["cells"]}
    except (ValueError, KeyError, TypeError):
        yield f"{shown(path)}: not a notebook of this build"
        return
    new = {cell["id"]: cell for cell in json.loads(built)["cells"]}
    lines = [f"cell {id}: not in the source" for id in old if id not in new]
    lines += [f"cell {id}: missing" for id in new if id not in old]
    for id in old.keys() & new.keys():
        keys = sorted(old[id].keys() | new[id].keys())
        parts = [key for key in keys if old[id].get(key) != new[id].get(key)]
        lines += [f"cell {id}: different {', '.join(parts)}"] if parts else []
    if not lines and list(old) != list(new):
        lines = ["cells: different order"]
    for line in sorted(lines) or ["notebook metadata or formatting differs"]:
        yield f"{shown(path)}, {line}"
