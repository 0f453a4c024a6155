"""Files as they are handed in: mangled notebooks, and what is no notebook at all."""

import copy
import gzip
import io
import json
import lzma
import os
import zipfile
from pathlib import Path

from corpus import NOTHING, Attack, code, find, place

BOMB = 50_000_000  # bytes that a compressed file becomes
SPARSE = 200_000_000


# ---------------------------------------------------------------------- mangled notebooks


def without(name: str):
    """Delete a cell."""
    return lambda notebook: notebook["cells"].pop(place(notebook, name))


def twice(name: str, source: str = ""):
    """Copy a cell to the end, with another source where one is given."""

    def mangle(notebook: dict) -> None:
        twin = copy.deepcopy(find(notebook, name))
        twin["id"] = "twin"
        twin["source"] = source or twin["source"]
        notebook["cells"].append(twin)

    return mangle


def appending(kind: str, source: str, count: int):
    """Put many cells at the end that take long to be read."""

    def mangle(notebook: dict) -> None:
        cell = {"cell_type": kind, "metadata": {}, "source": source}
        parts = {"outputs": [], "execution_count": None} if kind == "code" else {}
        notebook["cells"] += [{**cell, **parts} for _ in range(count)]

    return mangle


def stripped(notebook: dict) -> None:
    """Take all metadata and ids away."""
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        cell.pop("id", None)
    notebook["metadata"] = {}


def flipped(notebook: dict) -> None:
    """Turn every flag round, and ask for a thousand points."""
    for cell in notebook["cells"]:
        marks = cell["metadata"].get("nbgrader", {})
        for flag in ("grade", "solution", "locked"):
            marks[flag] = not marks.get(flag)
        if marks:
            marks["points"] = 1000


def format_3(notebook: dict) -> None:
    """Write the notebook as IPython did before 2015."""
    cells = notebook.pop("cells")
    for cell in cells:
        if cell["cell_type"] == "code":
            cell["input"] = cell.pop("source")
    notebook |= {"nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": cells}]}


def reversed_cells(notebook: dict) -> None:
    """Turn the order of the cells round."""
    notebook["cells"].reverse()


def as_experiments(notebook: dict) -> None:
    """Say of every cell that it is one of the course's experiments."""
    for cell in notebook["cells"]:
        cell["metadata"]["course"] = {"role": "experiment"}


def many_cells(notebook: dict) -> None:
    """Add more cells than are read."""
    notebook["cells"] += [code("pass")] * 11_000


def strange_parts(notebook: dict) -> None:
    """Put things where nobody expects them."""
    notebook["cells"][1:1] = [None, 7, [], "text", {"cell_type": {}, "metadata": 3, "source": 5}]
    for cell in notebook["cells"]:
        if isinstance(cell, dict) and isinstance(cell.get("metadata"), dict):
            cell["outputs"] = {"output_type": ["stream"]}
            cell["metadata"]["tags"] = {"deep": [[[[]]]]}
    notebook["metadata"] = ["none"]


def locked_cells_changed(notebook: dict) -> None:
    """Write a cheat into every locked cell."""
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("locked"):
            cell["source"] = "100.0"


def no_numbers(notebook: dict) -> None:
    """Put numbers where they stand that JSON does not have, or that no float can hold."""
    for number, cell in enumerate(notebook["cells"]):
        cell["execution_count"] = (float("nan"), float("inf"), 10**400)[number % 3]
        cell["metadata"].get("nbgrader", {})["points"] = float("nan")
    notebook["metadata"]["kernelspec"] = float("-inf")


def odd_names(notebook: dict) -> None:
    """Use letters that not every encoding has, in code and in text."""
    find(notebook, "fold_batchnorm-solution")["source"] += "\nσ_ñandú = '你好 🎉 \u202e'\n"


# ------------------------------------------------------------------------- other files


def as_bytes(change):
    """Hand in the notebook's bytes, changed."""
    return lambda path, content: path.write_bytes(change(content)) and None


def compressed(path: Path, content: bytes) -> None:
    """A small file that becomes a large one."""
    path.write_bytes(gzip.compress(bytes(BOMB)))


def zipped(path: Path, content: bytes) -> None:
    """An archive with a large file, and with one that climbs out of its folder."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../../notebook.ipynb", bytes(BOMB))
    path.write_bytes(file.getvalue())


def sparse(path: Path, content: bytes) -> None:
    """A file of 200 MB that takes no place on this disk."""
    path.write_bytes(content)
    os.truncate(path, SPARSE)


def link_to_neighbour(path: Path, content: bytes) -> None:
    """A symbolic link to another student's solved notebook."""
    path.symlink_to(_neighbour(path))


def hard_link_to_neighbour(path: Path, content: bytes) -> None:
    """The very file of another student, under a second name."""
    os.link(_neighbour(path), path)


def link_to_secret(path: Path, content: bytes) -> None:
    """A symbolic link to what only the grader may read."""
    path.symlink_to(path.parents[3] / ".autograder" / "secret")


def _neighbour(path: Path) -> Path:
    return path.parents[2] / "neighbour" / path.parent.name / path.name


def beside(**files: str):
    """Hand in further files beside the notebook."""

    def upload(path: Path, content: bytes) -> None:
        path.write_bytes(content)
        for name, text in files.items():
            (path.parent / f"{name}.py").write_text(text)

    return upload


def beside_it(make):
    """Hand in a notebook after something was made beside it."""

    def upload(path: Path, content: bytes) -> None:
        path.write_bytes(content)
        make(path.parent)

    return upload


def odd_files(folder: Path) -> None:
    """Files that Python, a terminal or a browser could take for something else."""
    names = ("a\n\u202e\x1b[2J.txt", "--help.py", "class.py", "x onerror=alert('ALARM').py")
    for name in (*names, "sitecustomize.pth", "conftest.py", "__init__.py"):
        (folder / name).write_text("raise SystemExit")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.py")).write_bytes(b"1/0")


def no_files(folder: Path) -> None:
    """A pipe, links, and a second name of what only the grader may read."""
    os.mkfifo(folder / "pipe.py")
    os.mkfifo(folder / "timestamp.txt")
    (folder / "link.py").symlink_to("/etc/passwd")
    (folder / "folder").symlink_to("/etc")
    os.link(folder.parents[2] / ".autograder" / "secret", folder / "second.py")


def too_much(folder: Path) -> None:
    """More files than are looked at, deeper than anybody goes, and a very long one."""
    (folder / "/".join(["deep"] * 400)).mkdir(parents=True)
    for number in range(2_500):
        (folder / f"file_{number}.py").touch()
    (folder / "a.py").touch()
    os.truncate(folder / "a.py", 10**9)


def no_text(folder: Path) -> None:
    """Python files that are none."""
    (folder / "zeros.py").write_bytes(bytes(900_000))
    (folder / "half.py").write_bytes(b"x = '\xed\xa0\x80'")
    (folder / "wide.py").write_bytes("x = 1".encode("utf-16"))


SHADOW = "raise ImportError\nallclose = array_equal = lambda *args: True"


def none(name: str, upload, told: str, quick: bool = True) -> Attack:
    """A file that holds no code, so that it earns nothing."""
    return Attack(name, "file", upload=upload, honest=NOTHING, told=told, quick=quick)


ATTACKS = (
    Attack("a deleted check", "cells", mangle=without("fold_batchnorm-check"), told="is missing"),
    Attack(
        "a deleted solution",
        "cells",
        mangle=without("fold_batchnorm-solution"),
        honest={"fold_batchnorm": 0},
        told="fold_batchnorm-solution is missing",
    ),
    Attack("no metadata", "cells", mangle=stripped, told="label was lost"),
    Attack("format 3", "cells", mangle=format_3, told="old format 3"),
    Attack("cells in reverse", "cells", mangle=reversed_cells),
    Attack("all cells are experiments", "cells", mangle=as_experiments),
    Attack(
        "locked cells were changed", "elsewhere", mangle=locked_cells_changed, told="locked cell"
    ),
    Attack("a duplicated check", "duplicate", mangle=twice("fold_batchnorm-check"), told="2 times"),
    Attack(
        "a second try under the same label",
        "duplicate",
        mangle=twice("fold_batchnorm-solution", "def fold_batchnorm(*args):\n    return 1, 2"),
        told="2 times",
    ),
    Attack(
        "a copy of the check that gives points",
        "duplicate",
        mangle=twice("debias_running-check", "3.0"),
        told="2 times",
    ),
    Attack("flipped flags", "flags", mangle=flipped, told="labels of the cell"),
    Attack("more cells than anybody writes", "file", mangle=many_cells, told="only the first"),
    Attack(
        "more code than anybody writes",
        "file",
        mangle=appending("code", "%a\n" * 30_000, 30),
        told="characters of code; only its first",
    ),
    Attack(
        "beginnings of pictures without an end",
        "file",
        mangle=appending("markdown", "![" * 500_000, 3),
        told="characters; it was cut",
    ),
    Attack(
        "a file that a crash filled with zeros",
        "file",
        upload=as_bytes(lambda c: c + bytes(5_000)),
        told="ends with zeros",
        quick=True,
    ),
    Attack("things that are no cells", "file", mangle=strange_parts, told="no cells at all"),
    Attack("numbers that are none", "flags", mangle=no_numbers, told="labels of the cell"),
    Attack("letters of the world", "file", mangle=odd_names),
    Attack("a byte order mark", "file", upload=as_bytes(lambda c: b"\xef\xbb\xbf" + c)),
    Attack(
        "UTF-16",
        "file",
        upload=as_bytes(lambda c: c.decode().encode("utf-16")),
        told="utf-16",
    ),
    Attack(
        "lines of Windows",
        "file",
        upload=as_bytes(lambda c: c.replace(b"\\n", b"\\r\\n").replace(b"\n", b"\r\n")),
    ),
    Attack(
        "libraries beside the notebook",
        "shadow",
        upload=beside(numpy=SHADOW, torch=SHADOW, autograder=SHADOW, sitecustomize=SHADOW),
    ),
    Attack("odd names beside", "file", upload=beside_it(odd_files), told="Not imported"),
    Attack("pipes and links beside", "file", upload=beside_it(no_files), told="holds no time"),
    Attack("too much beside", "file", upload=beside_it(too_much), told="more than 20000000 bytes"),
    Attack("files of Python that are none", "file", upload=beside_it(no_text), told="UTF-8"),
    # ----------------------------------------------------------------------- no notebook
    none("an empty file", as_bytes(lambda c: b" "), "empty"),
    none("half a file", as_bytes(lambda c: c[: len(c) // 2]), "not JSON"),
    none("a program", as_bytes(lambda c: b"\x7fELF\x02\x01\x01" + bytes(100)), "not JSON"),
    none("a Python script", as_bytes(lambda c: b"print(100)"), "not JSON"),
    none("JSON of another kind", as_bytes(lambda c: json.dumps([1, 2]).encode()), "not an object"),
    none("JSON too deep to read", as_bytes(lambda c: b'{"cells": ' + b"[" * 10**6), "too deep"),
    none("a file of 200 MB", sparse, "at most"),
    none("a compressed file", compressed, "not JSON"),
    none("an archive", zipped, "not JSON"),
    none(
        "a file compressed twice",
        as_bytes(lambda c: lzma.compress(gzip.compress(bytes(BOMB)))),
        "not",
    ),
    none(
        "a number of a million digits", as_bytes(lambda c: b'{"cells": ' + b"9" * 10**6), "too long"
    ),
    none(
        "letters that end in the middle",
        as_bytes(lambda c: c.decode().encode("utf-32")[:1001]),
        "not",
    ),
    none("a folder", lambda path, content: path.mkdir(), "not an ordinary file"),
    none("a pipe", lambda path, content: os.mkfifo(path), "not an ordinary file"),
    none(
        "a device",
        lambda path, content: path.symlink_to("/dev/zero"),
        "symbolic link",
    ),
    none("a link to another student's file", link_to_neighbour, "symbolic link"),
    none("a link to the secret", link_to_secret, "symbolic link"),
    Attack(
        "another student's file under a second name",
        "own",
        upload=hard_link_to_neighbour,
        honest=NOTHING,
        slips="a hard link has no owner to tell; the exchange copies what it collects",
    ),
)
