"""What a student uploads: the notebook in a zip, with its digest and the score of its checks.

    autograder pack 02_batch_normalization.ipynb

`collect` compares the digest with what arrives. The score is of the instant checks, which anybody
can change: nothing but the digest is believed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import textwrap
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course.errors import CourseError
from autograder.grading.results import write_atomically
from autograder.lessons.lesson import ANSWER_HERE
from autograder.submissions.code import bindings
from autograder.submissions.notebook import MAX_FILE, Unreadable, read_regular
from autograder.submissions.rebuild import role
from autograder.submissions.uploads import modules_of

PACK = "pack.json"  # what is put beside the notebook
WIDTH = 70  # characters of a question that are shown
EPOCH = (1980, 1, 1, 0, 0, 0)  # one time for all members, so that the same work packs alike


@dataclass(frozen=True)
class Packed:
    """The upload, and what a student should know before handing it in."""

    path: Path
    digest: str  # of the notebook
    missing: tuple[str, ...]  # what is not written yet
    beside: tuple[str, ...]  # Python files that go with it


def pack(notebook: Path, output: Path | None = None, modules: Sequence[Path] = ()) -> Packed:
    """Write NAME.zip with the notebook, .py files and pack.json.

    Args:
        output: the zip; beside the notebook by default.
        modules: Python files that the notebook imports.

    Raises `CourseError` when the notebook cannot be read, a module does not lie beside it, or the
    zip would be written over one of them.
    """
    import nbformat

    target = output or notebook.with_suffix(".zip")
    if target.resolve() in [path.resolve() for path in (notebook, *modules)]:
        raise CourseError(f"{target} is what you hand in: name another file for the zip.")
    for path in modules:
        if path.resolve().parent != notebook.resolve().parent:
            raise CourseError(f"{path} lies in another folder: put it beside {notebook.name}.")
    if not notebook.exists():
        raise CourseError(f"There is no file {notebook}.")
    try:
        content = read_regular(notebook, MAX_FILE, 1)
        missing = _missing(nbformat.reads(content.decode("utf-8"), as_version=4).cells)
    except Unreadable as error:
        raise CourseError(f"{notebook}: {error}") from None
    except Exception:
        raise CourseError(f"{notebook} is no notebook: save it in Jupyter and try again.") from None
    names = tuple(path.name for path in modules)
    texts, refused = modules_of(Path(notebook).parent, names, own=0)
    if refused:
        raise CourseError(" ".join(refused))
    digest = hashlib.sha256(content).hexdigest()
    told = {"notebook": notebook.name, "sha256": digest, "beside": list(names)}
    members = {
        notebook.name: content,
        **{name: text.encode() for name, text in texts},
        PACK: json.dumps(told, indent=2).encode(),
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in members.items():
            zipped.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)
    write_atomically(target, made.getvalue())
    return Packed(target, digest, tuple(missing), names)


def _missing(cells) -> list[str]:
    """Functions that are not written, by name, and questions, by their first words."""
    found, question = [], ""
    for cell in cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if cell.source.startswith("**Question"):
            question = cell.source
        elif role(cell) == "solution":
            half = " in PyTorch" if "-torch-" in name else ""
            is_written = bindings(cell.source)
            found += [f"{one}{half}" for one in is_written if not is_written[one]]
        elif name.endswith("-question") and not _answered(cell):
            found.append(_first_words(question) or name)
    return found


def _first_words(question: str) -> str:
    """Return the beginning of a question, without its points.

    >>> _first_words("**Question 2 (5 points), slide 73.** Why\\ndoes it *help*?")
    'Question 2, slide 73. Why does it *help*?'
    """
    text = re.sub(r"^\*\*(Question \d+) \([^)]*\)(.*?)\*\*", r"\1\2", question)
    return textwrap.shorten(text, WIDTH, placeholder="…")


def _answered(cell) -> bool:
    return cell.source.strip() not in ("", ANSWER_HERE.strip())
