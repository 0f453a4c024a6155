"""Read what a student handed in, whatever it is, and rebuild it from the released template.

Nothing in here trusts the file: its size, encoding, structure and metadata may be anything.
What is wrong with it becomes a sentence for the instructor, never an exception.

    released template ──┐
                        ├─ rebuild ─▶ notebook (what feedback shows) + steps (what is executed)
    submitted file ─ read
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

MAX_FILE = 20_000_000  # bytes of a submitted notebook, figures included
MAX_CELLS = 1_000
MAX_SOURCE = 100_000  # characters of one cell
MAX_ADDED = 100  # code cells of the student's own that are executed
MAX_OUTPUTS = 40  # pieces of output of one cell
MAX_TEXT = 20_000  # characters of one piece of output
MAX_IMAGE = 1_000_000  # characters of one base64 image

IMAGES = ("image/png", "image/jpeg")
NOT_EXECUTED = ("experiment", "predict")  # roles of code cells that the course made
_DEFINITION = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*\Z")


class Unreadable(Exception):
    """The file cannot be used at all; the text says why."""


@dataclass(frozen=True)
class SubmittedCell:
    """One cell as it was handed in, cleaned of everything that is not text."""

    kind: str  # "code", "markdown" or "raw"
    source: str
    cell_id: str = ""
    grade_id: str = ""
    flags: dict[str, Any] = field(default_factory=dict)
    shown: bool = False  # the course's own experiment or prose, by its metadata
    outputs: tuple[dict, ...] = ()
    attachments: dict[str, dict] = field(default_factory=dict)


@dataclass(frozen=True)
class Submission:
    """The cells of a submitted file, and what the instructor should know about it."""

    cells: tuple[SubmittedCell, ...]
    problems: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True)
class Step:
    """A cell that is executed for marks. role: given, solution, check or added."""

    cell_id: str
    role: str
    source: str
    grade_id: str = ""


@dataclass(frozen=True)
class Rebuilt:
    """What feedback shows (`notebook`), what is executed (`steps`), what was odd (`problems`)."""

    notebook: NotebookNode
    steps: tuple[Step, ...]
    problems: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------- reading


def read_regular(path: Path, limit: int) -> bytes:
    """Read at most `limit` bytes of an ordinary file.

    Raises `Unreadable` for links, folders, pipes and devices, and for longer files.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = "it is a symbolic link" if os.path.islink(path) else error.strerror
        raise Unreadable(f"The file cannot be opened: {reason}.") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("It is not an ordinary file.")
        if status.st_size > limit:
            raise Unreadable(f"The file has {status.st_size} bytes; at most {limit} are read.")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)


def read(path: Path) -> Submission:
    """Read a submitted notebook; a file that cannot be used gives no cells and says why."""
    try:
        return parse(read_regular(path, MAX_FILE))
    except Unreadable as error:
        return Submission((), (str(error),), _digest(str(error).encode()))


def file_digest(path: Path) -> str:
    """Return the digest of a submitted file, as `read` gives it, without looking at its cells."""
    try:
        return _digest(read_regular(path, MAX_FILE))
    except Unreadable as error:
        return _digest(str(error).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def parse(content: bytes) -> Submission:
    """Turn the bytes of a notebook file of any age or state into cells.

    >>> parse(b"no notebook").problems
    ('The file is not a notebook: it is not JSON (line 1, column 1).',)
    """
    digest = _digest(content)
    problems: list[str] = []
    try:
        cells = tuple(_cells(_decode(content, problems), problems))
    except Unreadable as error:
        return Submission((), (*problems, str(error)), digest)
    return Submission(cells, tuple(problems), digest)


def _decode(content: bytes, problems: list[str]) -> Any:
    if not content.strip():
        raise Unreadable("The file is empty.")
    encoding = json.detect_encoding(content)
    text = content.decode(encoding, "replace")
    if encoding.startswith("utf-8") and not _is_utf8(content):
        if text.replace("\ufffd", "").isascii():
            encoding, text = "latin-1", content.decode("latin-1")
        else:
            problems.append("The file holds bytes that are no text; they were replaced.")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Unreadable(f"The file is not a notebook: it is not JSON ({place}).") from None
    except (ValueError, RecursionError):
        raise Unreadable(
            "The file is not a notebook: its JSON is too deep or too long to be read."
        ) from None
    if not encoding.startswith("utf-8"):
        problems.append(
            f"The file is written in {encoding}, not in UTF-8; it was read all the same."
        )
    return document


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _cells(document: Any, problems: list[str]) -> Iterator[SubmittedCell]:
    raw = _raw_cells(document, problems)
    if len(raw) > MAX_CELLS:
        problems.append(f"The notebook has {len(raw)} cells; only the first {MAX_CELLS} were read.")
    unusable = 0
    for cell in raw[:MAX_CELLS]:
        if isinstance(cell, dict):
            yield _cell(cell, problems)
        else:
            unusable += 1
    if unusable:
        problems.append(f"{unusable} cells are no cells at all and were left out.")


def _raw_cells(document: Any, problems: list[str]) -> list:
    if not isinstance(document, dict):
        raise Unreadable("The file is not a notebook: its JSON is not an object.")
    if isinstance(document.get("cells"), list):
        return document["cells"]
    if isinstance(document.get("worksheets"), list):
        problems.append("The notebook is in the old format 3; it was read all the same.")
        sheets = [sheet for sheet in document["worksheets"] if isinstance(sheet, dict)]
        return [cell for sheet in sheets for cell in _list(sheet.get("cells"))]
    raise Unreadable("The file is not a notebook: it has no list of cells.")


def _cell(raw: dict, problems: list[str]) -> SubmittedCell:
    metadata = _dict(raw.get("metadata"))
    marks = _dict(metadata.get("nbgrader"))
    source = clean_text(raw.get("source", raw.get("input", "")))
    if len(source) > MAX_SOURCE:
        problems.append(f"A cell has {len(source)} characters; it was cut after {MAX_SOURCE}.")
        source = source[:MAX_SOURCE]
    kind = raw.get("cell_type")
    if kind == "heading":
        kind, source = "markdown", f"# {source}"
    return SubmittedCell(
        kind=kind if kind in ("code", "markdown") else "raw",
        source=source,
        cell_id=clean_text(raw.get("id")),
        grade_id=clean_text(marks.get("grade_id")),
        flags={key: marks[key] for key in ("grade", "solution", "points") if key in marks},
        shown=_dict(metadata.get("course")).get("role") in NOT_EXECUTED,
        outputs=tuple(clean_outputs(raw.get("outputs"))),
        attachments=_attachments(raw.get("attachments")),
    )


def _attachments(raw: Any) -> dict[str, dict]:
    """Pictures that were pasted into a written answer."""
    kept = {}
    for name, bundle in list(_dict(raw).items())[:MAX_OUTPUTS]:
        images = _images(_dict(bundle))
        if images:
            kept[clean_text(name)] = images
    return kept


def clean_outputs(raw: Any) -> list[dict]:
    """Keep the harmless part of a cell's outputs: text, tracebacks and bitmaps, each bounded.

    HTML, SVG, JavaScript and widgets are left out: feedback is read in an instructor's browser.

    >>> clean_outputs([{"output_type": "stream", "name": "stdout", "text": ["a", "b"]}, 7])
    [{'output_type': 'stream', 'name': 'stdout', 'text': 'ab'}]
    """
    kept = []
    for output in _list(raw)[:MAX_OUTPUTS]:
        cleaned = _clean_output(_dict(output))
        if cleaned:
            kept.append(cleaned)
    return kept


def _clean_output(output: dict) -> dict | None:
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": "stream", "name": name, "text": _bounded(output.get("text"))}
    if kind in ("error", "pyerr"):
        lines = [_bounded(line) for line in _list(output.get("traceback"))[:100]]
        name, value = _bounded(output.get("ename")), _bounded(output.get("evalue"))
        return {"output_type": "error", "ename": name, "evalue": value, "traceback": lines}
    if kind in ("display_data", "execute_result"):
        bundle = _dict(output.get("data"))
        data = _images(bundle)
        if "text/plain" in bundle:
            data["text/plain"] = _bounded(bundle["text/plain"])
        cleaned = {"output_type": kind, "data": data, "metadata": {}}
        if kind == "execute_result":
            cleaned["execution_count"] = None
        return cleaned if data else None
    return None


def _images(bundle: dict) -> dict[str, str]:
    found = {kind: clean_text(bundle[kind]) for kind in IMAGES if kind in bundle}
    return {
        kind: text
        for kind, text in found.items()
        if 0 < len(text) <= MAX_IMAGE and _BASE64.match(text)
    }


def _bounded(value: Any) -> str:
    text = clean_text(value)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "\n… cut here …"


def clean_text(value: Any) -> str:
    """Text from a string or a list of strings; lone surrogates and null characters are replaced."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        return ""
    text = value.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _dict(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


# --------------------------------------------------------------------------------- template


def read_template(path: Path) -> NotebookNode:
    """Read a released notebook, which the course made itself and so may be trusted."""
    return nbformat.read(path, as_version=4)


def role(cell: NotebookNode) -> str:
    """What a cell of the template is.

    given (locked code), check (graded code), solution (the student's code), answer (marked by
    hand) or shown (prose and experiments, which are not executed for marks).
    """
    marks = cell.metadata.get("nbgrader", {})
    if marks.get("solution"):
        return "answer" if marks.get("grade") or cell.cell_type != "code" else "solution"
    if cell.cell_type == "code" and marks.get("grade"):
        return "check"
    if cell.cell_type == "code" and marks.get("locked"):
        return "given"
    return "shown"


def definitions(source: str) -> tuple[str, ...]:
    """The names of the functions and classes that a cell defines at its outermost level.

    >>> definitions("def f(x):\\n    def g(): pass\\nclass A: pass")
    ('f', 'A')
    """
    return tuple(_DEFINITION.findall(source))


# ---------------------------------------------------------------------------------- rebuild


def rebuild(template: NotebookNode, submission: Submission) -> Rebuilt:
    """Put the student's work into a fresh copy of the released template.

    Given and check cells come from the template. A solution cell is found by its grade id, else
    by its cell id, else by the function that it defines; of duplicates the first counts. Cells
    that the student added stay after the cell that they followed, and code in them is executed.
    """
    return _Rebuild(template, submission).result()


class _Rebuild:
    def __init__(self, template: NotebookNode, submission: Submission):
        self.template = template
        self.submitted = submission.cells
        self.problems = list(submission.problems)
        self.roles = [role(cell) for cell in template.cells]
        self.match: dict[int, int] = {}  # template index -> index of the submitted cell
        self.idle: set[int] = set()  # submitted cells that are shown, but not executed
        self.dropped: set[int] = set()  # submitted cells that the template replaces
        self.added = 0

    def result(self) -> Rebuilt:
        if self.submitted:
            self._match_grade_ids()
            self._match_cell_ids()
            self._match_sources()
            self._match_definitions()
            self._report()
        cells, steps = [], []
        for cell, step in self._placed():
            cells.append(cell)
            if step is not None and step.source.strip():
                steps.append(step)
        metadata = copy.deepcopy(self.template.metadata)
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        return Rebuilt(notebook, tuple(steps), tuple(self.problems))

    # Which submitted cell belongs to which cell of the template, surest sign first.

    def _match_grade_ids(self) -> None:
        by_id: dict[str, list[int]] = {}
        for index, cell in enumerate(self.submitted):
            by_id.setdefault(cell.grade_id, []).append(index)
        for position, cell in enumerate(self.template.cells):
            found = by_id.get(self._grade_id(position)) if self._grade_id(position) else None
            if found:
                self.match[position] = self._first(position, found)
                if len(found) > 1:
                    self._duplicates(position, [i for i in found if i != self.match[position]])
                self._relabelled(cell, self.submitted[self.match[position]])

    def _first(self, position: int, found: list[int]) -> int:
        """The first copy that defines what the cell is for: to split a cell copies its label."""
        wanted = set(definitions(self.template.cells[position].source)[-1:])
        defining = [i for i in found if wanted & set(definitions(self.submitted[i].source))]
        return (defining or found)[0]

    def _duplicates(self, position: int, others: list[int]) -> None:
        kind = self.roles[position]
        wanted = set(definitions(self.template.cells[position].source)[-1:])
        for index in others:
            if kind in ("given", "check"):
                self.dropped.add(index)
            elif kind == "answer" or wanted & set(definitions(self.submitted[index].source)):
                self.idle.add(index)
        count = len(others) + 1
        self.problems.append(
            f"The cell {self._grade_id(position)} is there {count} times; the first one counts."
        )

    def _relabelled(self, cell: NotebookNode, submitted: SubmittedCell) -> None:
        marks = cell.metadata.nbgrader
        changed = [
            key
            for key, value in submitted.flags.items()
            if value != marks.get(key, 0 if key == "points" else False)
        ]
        if submitted.kind != cell.cell_type:
            changed.append("cell type")
        if changed:
            self.problems.append(
                f"The labels of the cell {marks.grade_id} were changed ({', '.join(changed)}); "
                "those of the released notebook were used."
            )

    def _match_cell_ids(self) -> None:
        free = {cell.get("id"): position for position, cell in self._unmatched()}
        for index, cell in self._unclaimed():
            position = free.get(cell.cell_id)
            if cell.cell_id and position is not None and position not in self.match:
                self.match[position] = index

    def _match_sources(self) -> None:
        free: dict[tuple[str, str], list[int]] = {}
        for position, cell in self._unmatched():
            free.setdefault((cell.cell_type, cell.source.strip()), []).append(position)
        for index, cell in self._unclaimed():
            positions = free.get((cell.kind, cell.source.strip()))
            if positions:
                self.match[positions.pop(0)] = index

    def _match_definitions(self) -> None:
        for position, cell in self._unmatched():
            wanted = definitions(cell.source)[-1:]
            if self.roles[position] != "solution" or not wanted:
                continue
            for index, submitted in self._unclaimed():
                if submitted.kind == "code" and wanted[0] in definitions(submitted.source):
                    self.match[position] = index
                    self.problems.append(
                        f"The cell {self._grade_id(position)} had lost its label; "
                        f"the cell that defines {wanted[0]} was taken for it."
                    )
                    break

    def _unmatched(self) -> list[tuple[int, NotebookNode]]:
        return [pair for pair in enumerate(self.template.cells) if pair[0] not in self.match]

    def _unclaimed(self) -> list[tuple[int, SubmittedCell]]:
        claimed = set(self.match.values()) | self.idle | self.dropped
        return [pair for pair in enumerate(self.submitted) if pair[0] not in claimed]

    def _grade_id(self, position: int) -> str:
        return self.template.cells[position].metadata.get("nbgrader", {}).get("grade_id", "")

    def _report(self) -> None:
        for position, kind in enumerate(self.roles):
            name = self._grade_id(position)
            if position not in self.match:
                if kind != "shown":
                    self.problems.append(
                        f"The cell {name} is missing; the released one was put back."
                    )
                continue
            if kind in ("given", "check"):
                source = self.submitted[self.match[position]].source
                if source.strip() != self.template.cells[position].source.strip():
                    self.problems.append(
                        f"The locked cell {name} was changed; the released one was used."
                    )

    # The cells in their order, each with the step that executes it.

    def _placed(self) -> Iterator[tuple[NotebookNode, Step | None]]:
        extras = self._extras()
        yield from self._added(extras.get(-1, ()))
        for position, cell in enumerate(self.template.cells):
            if self.roles[position] != "shown" or position in self.match or not self.submitted:
                yield self._from_template(position, cell)
            yield from self._added(extras.get(position, ()))

    def _extras(self) -> dict[int, list[int]]:
        """The student's own cells, by the position of the template's cell that they follow."""
        position_of = {index: position for position, index in self.match.items()}
        extras: dict[int, list[int]] = {}
        anchor = -1
        for index in range(len(self.submitted)):
            if index in position_of:
                anchor = position_of[index]
            elif index not in self.dropped:
                extras.setdefault(anchor, []).append(index)
        return extras

    def _from_template(
        self, position: int, original: NotebookNode
    ) -> tuple[NotebookNode, Step | None]:
        cell, kind = copy.deepcopy(original), self.roles[position]
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if position in self.match and kind in ("solution", "answer", "shown"):
            self._fill(cell, self.submitted[self.match[position]], kind)
        if kind == "shown" or cell.cell_type != "code" or self._is_defined_elsewhere(position):
            return cell, None
        step_role = "solution" if kind == "answer" else kind
        return cell, Step(cell.id, step_role, cell.source, self._grade_id(position))

    def _fill(self, cell: NotebookNode, submitted: SubmittedCell, kind: str) -> None:
        cell.source = submitted.source
        if kind == "shown" and cell.cell_type == "code" and submitted.kind == "code":
            cell.outputs = [nbformat.from_dict(output) for output in submitted.outputs]
        if cell.cell_type == "markdown" and submitted.attachments:
            cell.attachments = nbformat.from_dict(submitted.attachments)

    def _is_defined_elsewhere(self, position: int) -> bool:
        """A stub that was put back must not undo an answer that stands in another cell."""
        if position in self.match or self.roles[position] != "solution":
            return False
        wanted = definitions(self.template.cells[position].source)[-1:]
        return any(
            wanted and cell.kind == "code" and wanted[0] in definitions(cell.source)
            for cell in self.submitted
        )

    def _added(self, indices: Iterable[int]) -> Iterator[tuple[NotebookNode, Step | None]]:
        for index in indices:
            submitted = self.submitted[index]
            cell_id = f"student-{index}"
            if submitted.kind != "code":
                make = getattr(nbformat.v4, f"new_{submitted.kind}_cell")
                cell = make(submitted.source, id=cell_id)
                if submitted.attachments and submitted.kind == "markdown":
                    cell.attachments = nbformat.from_dict(submitted.attachments)
                yield cell, None
                continue
            cell = nbformat.v4.new_code_cell(submitted.source, id=cell_id)
            if submitted.shown or index in self.idle or not self._may_add(submitted):
                cell.outputs = [nbformat.from_dict(output) for output in submitted.outputs]
                yield cell, None
            else:
                yield cell, Step(cell_id, "added", submitted.source)

    def _may_add(self, submitted: SubmittedCell) -> bool:
        self.added += bool(submitted.source.strip())
        if self.added == MAX_ADDED + 1:
            self.problems.append(
                f"More than {MAX_ADDED} code cells were added; the rest was not executed."
            )
        return self.added <= MAX_ADDED
