"""Mutations of submitted notebooks that keep their structure, against reading and rebuilding.

    python tests/attacks/fuzz.py            10,000 mutations, with a progress bar
    python tests/attacks/fuzz.py 500 7      500 of them, from seed 7

Nothing is executed. Whatever happens to a notebook, it is read and rebuilt without an exception
into a valid notebook, and a solution cell that nobody touched is executed as it stands.
"""

import copy
import json
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import nbformat
from tqdm import tqdm

from autograder.submissions.code import definitions
from autograder.submissions.notebook import MAX_CELLS, MAX_SOURCE, parse
from autograder.submissions.rebuild import Rebuilt, read_template, rebuild, role

ROOT = Path(__file__).resolve().parents[2]
LESSON = "02_batch_normalization.ipynb"
MUTATIONS = 10_000
ODD = (None, True, -1, 2**70, 1.5, "", "code", "\0\ud800", [], [[]], {}, {"a": {}}, "x" * 3000)
ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-be", "utf-8", "latin-1", "utf-7")


def load(folder: str):
    """A notebook of the lesson as plain data."""
    return json.loads((ROOT / "notebooks" / folder / LESSON).read_text("utf-8"))


# ---------------------------------------------------------------- of the document and its cells


def delete_cell(rng, notebook):
    """Delete a cell."""
    notebook["cells"].pop(_place(rng, notebook))


def copy_cell(rng, notebook):
    """Put a copy of a cell somewhere after it, as copying and pasting does."""
    place = _place(rng, notebook)
    twin = copy.deepcopy(notebook["cells"][place])
    if isinstance(twin, dict) and rng.random() < 0.5:
        twin["id"] = f"twin-{rng.randrange(10**6)}"
    notebook["cells"].insert(rng.randint(place + 1, len(notebook["cells"])), twin)


def move_cell(rng, notebook):
    """Move a cell."""
    cell = notebook["cells"].pop(_place(rng, notebook))
    notebook["cells"].insert(rng.randint(0, len(notebook["cells"])), cell)


def split_cell(rng, notebook):
    """Split a cell in two: Jupyter copies its metadata."""
    cell = _cell(rng, notebook)
    place = notebook["cells"].index(cell)
    lines = _source(cell).splitlines(keepends=True)
    cut = rng.randint(0, len(lines))
    rest = copy.deepcopy(cell) | {"source": lines[cut:], "id": f"rest-{rng.randrange(10**6)}"}
    cell["source"] = lines[:cut]
    notebook["cells"].insert(place + 1, rest)


def merge_cells(rng, notebook):
    """Merge a cell with the next one."""
    cell = _cell(rng, notebook)
    place = notebook["cells"].index(cell)
    if place + 1 < len(notebook["cells"]):
        below = notebook["cells"].pop(place + 1)
        cell["source"] = _source(cell) + "\n\n" + _source(below)


def add_cell(rng, notebook):
    """Add a cell of one's own."""
    text = rng.choice(("x = 1", "%%time\nx", "# café 数", "def f(:", "\ud800", "x" * 200_000))
    kind = rng.choice(("code", "markdown", "raw", "heading"))
    cell = {"cell_type": kind, "metadata": {}, "source": text, "outputs": []}
    notebook["cells"].insert(rng.randint(0, len(notebook["cells"])), cell)


def add_many_cells(rng, notebook):
    """Add hundreds of cells at the end."""
    cell = {"cell_type": "code", "metadata": {}, "source": "pass", "outputs": []}
    notebook["cells"] += [cell] * rng.choice((50, 200, 1500))


def replace_cell(rng, notebook):
    """Put something that is no cell in a cell's place."""
    notebook["cells"][_place(rng, notebook)] = copy.deepcopy(rng.choice(ODD))


def shuffle(rng, notebook):
    """Put all cells in another order."""
    rng.shuffle(notebook["cells"])


# ----------------------------------------------------------------------------- of one cell


def set_key(rng, notebook):
    """Give a cell's key an odd value."""
    cell = _cell(rng, notebook)
    keys = ("cell_type", "source", "metadata", "outputs", "id", "attachments", "execution_count")
    cell[rng.choice(keys)] = copy.deepcopy(rng.choice(ODD))


def drop_key(rng, notebook):
    """Take a key out of a cell."""
    cell = _cell(rng, notebook)
    if cell:
        cell.pop(rng.choice(sorted(cell)))


def set_mark(rng, notebook):
    """Change one of nbgrader's labels."""
    marks = _marks(_cell(rng, notebook))
    keys = ("grade_id", "grade", "solution", "locked", "points", "schema_version", "task")
    marks[rng.choice(keys)] = copy.deepcopy(rng.choice(ODD))


def swap_labels(rng, notebook):
    """Swap the metadata of two cells."""
    one, two = _cell(rng, notebook), _cell(rng, notebook)
    one["metadata"], two["metadata"] = two.get("metadata"), one.get("metadata")


def strip_metadata(rng, notebook):
    """Take all metadata away, and sometimes the ids."""
    with_ids = rng.random() < 0.5
    for cell in _cells(notebook):
        cell["metadata"] = {}
        if with_ids:
            cell.pop("id", None)


def edit_source(rng, notebook):
    """Cut, repeat or scramble a cell's source."""
    cell = _cell(rng, notebook)
    text = _source(cell)
    start = rng.randint(0, len(text))
    stop = rng.randint(start, len(text))
    change = rng.choice(("", text[start:stop] * 2, "\r\n", "\t", "\0", "\ud800", "é", '"""'))
    cell["source"] = text[:start] + change + text[stop:]


def source_as_lines(rng, notebook):
    """Write sources as lists of lines, as files hold them."""
    for cell in _cells(notebook):
        cell["source"] = _source(cell).splitlines(keepends=True)


def add_outputs(rng, notebook):
    """Store outputs of every kind."""
    kinds = ("stream", "error", "pyerr", "display_data", "execute_result", "nonsense", 7)
    bundle = {"text/plain": ["a", 3], "image/png": "aGk=", "text/html": "<script>"}
    output = {"output_type": rng.choice(kinds), "name": "stdout", "text": rng.choice(ODD)}
    output |= {"data": rng.choice((bundle, *ODD)), "traceback": rng.choice((["a", 4], *ODD))}
    _cell(rng, notebook)["outputs"] = [output] * rng.choice((1, 3, 100))


# ------------------------------------------------------------------------- of the document


def format_3(rng, notebook):
    """Write the notebook in format 3."""
    for cell in _cells(notebook):
        if cell.get("cell_type") == "code":
            cell["input"] = cell.pop("source", "")
    half = len(notebook["cells"]) // 2
    sheets = [{"cells": notebook["cells"][:half]}, {"cells": notebook["cells"][half:]}, None]
    notebook["worksheets"] = sheets
    del notebook["cells"]


def set_top(rng, notebook):
    """Change the document's own keys, other than its cells."""
    key = rng.choice(("metadata", "nbformat", "nbformat_minor", "worksheets", "extra"))
    notebook[key] = copy.deepcopy(rng.choice(ODD))


def _cells(notebook) -> list[dict]:
    return [cell for cell in notebook["cells"] if isinstance(cell, dict)]


def _place(rng, notebook) -> int:
    return rng.randrange(len(notebook["cells"]))


def _cell(rng, notebook) -> dict:
    return rng.choice(_cells(notebook))


def _source(cell) -> str:
    text = cell.get("source") if isinstance(cell, dict) else ""
    text = "".join(p for p in text if isinstance(p, str)) if isinstance(text, list) else text
    return text if isinstance(text, str) else ""


def _marks(cell: dict) -> dict:
    if not isinstance(cell.get("metadata"), dict):
        cell["metadata"] = {}
    if not isinstance(cell["metadata"].get("nbgrader"), dict):
        cell["metadata"]["nbgrader"] = {}
    return cell["metadata"]["nbgrader"]


OFTEN = (delete_cell, copy_cell, move_cell, split_cell, merge_cells, add_cell, edit_source)
SELDOM = (add_many_cells, replace_cell, shuffle, set_key, drop_key, set_mark, swap_labels)
SELDOM += (strip_metadata, source_as_lines, add_outputs, set_top)


# ------------------------------------------------------------------------- of the bytes


def encoded(rng, notebook) -> bytes:
    """Write a notebook as a file, in an encoding of some editor."""
    text = json.dumps(notebook, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, 1)))
    encoding = rng.choice(ENCODINGS) if rng.random() < 0.2 else "utf-8"
    return text.encode(encoding, "replace" if rng.random() < 0.5 else "surrogatepass")


def damaged(rng, content: bytes) -> bytes:
    """Damage the bytes of a file."""
    start = rng.randrange(len(content))
    stop = min(len(content), start + rng.choice((1, 10, 1000)))
    middle = rng.choice((b"", b"\xff\xfe", b"\0", content[start:stop] * 2, rng.randbytes(20)))
    return content[:start] + middle + rng.choice((content[stop:], b""))


def mutated(seed: int, original: dict) -> tuple[dict, bytes]:
    """Return a mutated notebook, and its file, which may be damaged besides."""
    rng = random.Random(seed)
    notebook = copy.deepcopy(original)
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        rng.choice(OFTEN if rng.random() < 0.6 else SELDOM)(rng, notebook)
        if not _cells(notebook):
            break
    if rng.random() < 0.05:
        format_3(rng, notebook)
    try:
        content = encoded(rng, notebook)
    except UnicodeEncodeError:
        content = json.dumps(notebook).encode()
    if rng.random() < 0.1:
        return {}, damaged(rng, content)
    return notebook, content


# ------------------------------------------------------------------------- what must hold


def intact(original: dict, notebook: dict, content: bytes) -> dict[str, str]:
    """Solution cells that nobody touched or claims a second time: {grade id: source}."""
    try:
        if json.loads(content.decode("utf-8-sig")) != notebook:
            return {}
    except ValueError:
        return {}  # not in UTF-8: it is read as far as that goes
    cells = notebook.get("cells", [])[:MAX_CELLS]
    claimed = [_grade_id(cell) for cell in cells]
    defined = [set(definitions(_source(cell))) for cell in cells]
    found = {}
    for cell in original["cells"]:
        name = _grade_id(cell)
        wanted = definitions(_source(cell))[-1:]
        alone = claimed.count(name) == 1 and sum(wanted[0] in d for d in defined if wanted) <= 2
        if name.endswith("-solution") and cell in cells and alone:
            found[name] = _source(cell)
    return found


def _grade_id(cell) -> str:
    metadata = cell.get("metadata") if isinstance(cell, dict) else None
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = marks.get("grade_id") if isinstance(marks, dict) else None
    return name if isinstance(name, str) else ""


def require(template, original: dict, seed: int) -> Rebuilt:
    """Read and rebuild one mutation; raises AssertionError where something was lost."""
    notebook, content = mutated(seed, original)
    submission = parse(content)
    rebuilt = rebuild(template, submission)
    nbformat.validate(rebuilt.notebook)
    nbformat.writes(rebuilt.notebook).encode()
    assert submission.cells or rebuilt.problems, "nothing was read, and nothing is said of it"
    assert all(isinstance(problem, str) and problem for problem in rebuilt.problems)
    assert "\n".join(rebuilt.problems).encode() is not None
    checks = [cell.id for cell in template.cells if role(cell) == "check"]
    executed = [step.cell_id for step in rebuilt.steps if step.role == "check"]
    assert executed == checks, "a check of the template is missing or out of place"
    assert all(len(step.source) <= MAX_SOURCE for step in rebuilt.steps)
    steps = {step.grade_id: step.source for step in rebuilt.steps if step.role == "solution"}
    for name, source in intact(original, notebook, content).items():
        assert steps.get(name) == source, f"{name} was intact and is not executed as it stands"
    return rebuilt


def main(count: int = MUTATIONS, first: int = 0, progress: Callable[[Iterable], Iterable] = tqdm):
    """Try `count` mutations from a seed on; raises at the first that breaks something."""
    template = read_template(ROOT / "notebooks" / "student" / LESSON)
    original = load("solution")
    protected = 0
    for seed in progress(range(first, first + count)):
        try:
            rebuilt = require(template, original, seed)
        except Exception as error:
            error.add_note(f"mutation {seed}: mutated({seed}, load('solution'))")
            raise
        protected += sum(step.role == "solution" for step in rebuilt.steps)
    return protected


if __name__ == "__main__":
    print(f"{main(*map(int, sys.argv[1:]))} solution cells were executed.")
