"""Read a notebook that a student handed in, whatever it is.

Nothing in here trusts the file: its size, encoding, structure and metadata may be anything.
What is wrong with it becomes a sentence for the instructor, never an exception.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

MAX_FILE = 100_000_000  # bytes of a submitted notebook, figures included
MAX_PARSED = 20_000_000  # bytes of JSON; of a longer file the outputs are left out before
MAX_TOKENS = 3_000_000  # strings and brackets that are looked at to find the outputs
MAX_CELLS = 10_000
MAX_SOURCE = 100_000  # characters of one cell
MAX_CODE = 2_000_000  # characters of all code cells: reading them takes the grader's own time
MAX_OUTPUTS = 40  # pieces of output of one cell
MAX_TEXT = 20_000  # characters of one piece of output
MAX_IMAGE = 1_000_000  # characters of one base64 image in an output
LONG = 100_000  # characters in a row that are left out of a file that is too long: of a picture

LEFT_OUT = "](left-out)"  # the end of what stands for a picture that is not kept
MERGE = ("<<<<<<<", ">>>>>>>")  # what git writes around two versions
INVISIBLE = "\ufeff\u200b"  # what editors and web pages put before a text
IMAGES = ("image/png", "image/jpeg")
NOT_EXECUTED = ("experiment", "predict")  # roles of code cells that the course made
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*\Z")
_PASTED = re.compile(  # a picture in the midst of the text, as Colab writes it
    r"!\[([^][\n]{0,200})\]\(data:(image/(?:png|jpeg));base64,([A-Za-z0-9+/=\s]*)\)"
)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]]', re.DOTALL)
_OUTPUTS = re.compile(rb'"outputs"\s*:\s*\[')
_LONG = re.compile(rb"(?<![A-Za-z0-9+/=\\])[A-Za-z0-9+/=\\]{%d,}+" % LONG)


# What opening a link, a file in the place of a folder, or a socket comes to: all were handed in.
_NOT_ORDINARY = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO)


class Unreadable(Exception):
    """The file cannot be used at all; the text says why."""


class OutOfReach(OSError):
    """The machine does not give a file, and nobody knows what is in it; the text says why."""

    @classmethod
    def of(cls, path: Path, error: OSError) -> OutOfReach:
        """Say which file it is."""
        return cls(f"{path} cannot be read: {error.strerror or error}")


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
    modules: tuple[tuple[str, str], ...] = ()  # path and text of Python files beside the notebook


@dataclass(frozen=True)
class Step:
    """Something that is executed for marks.

    role: given, solution or check (cells of the course); added (a cell of the student's own);
    module (a file that was handed in with the notebook; `cell_id` is its path).
    """

    cell_id: str
    role: str
    source: str
    grade_id: str = ""
    answers: tuple[str, ...] = ()  # grade ids of solution cells whose functions it defines


# ---------------------------------------------------------------------------------- reading


def read_regular(path: Path, limit: int, own: int = 1) -> bytes:
    """Read at most `limit` bytes of an ordinary file.

    Raises `Unreadable` for links, folders, pipes and devices, and for longer files; `OutOfReach`
    where the machine refuses or fails, which is not the doing of whoever handed it in.

    Args:
        own: how many parts at the end of the path may be a student's doing; none of them may be
            a link.
    """
    folder, names = os.path.join("", *path.parts[:-own]) or ".", path.parts[-own:]
    opened: list[int] = []
    try:
        opened.append(os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        for name in names[:-1]:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            opened.append(os.open(name, flags, dir_fd=opened[-1]))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        opened.append(os.open(names[-1], flags, dir_fd=opened[-1]))
        return _content(opened[-1], limit)
    except OSError as error:
        if error.errno not in _NOT_ORDINARY:
            raise OutOfReach.of(path, error) from None
        link = has_link(path, own)
        reason = f"{link} is a symbolic link" if link else error.strerror
        raise Unreadable(f"The file cannot be opened: {reason}.") from None
    finally:
        for descriptor in opened:
            os.close(descriptor)


def has_link(path: Path, own: int) -> str:
    """Return the first of the last `own` parts of a path that is a symbolic link, or nothing."""
    places = [path, *path.parents[: own - 1]]
    return next((place.name for place in reversed(places) if os.path.islink(place)), "")


def _content(descriptor: int, limit: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("It is not an ordinary file.")
    if status.st_size > limit:
        raise Unreadable(f"The file has {status.st_size} bytes; at most {limit} are read.")
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(status.st_size)  # room for `limit` would cost more than reading


def read(path: Path) -> Submission:
    """Read a notebook; a file that cannot be used gives no cells and says why.

    Raises `OutOfReach` when the machine does not give it.
    """
    try:
        return parse(read_regular(path, MAX_FILE))
    except Unreadable as error:
        return Submission((), (str(error),), digest_of(str(error).encode()))


def digest_of(content: bytes) -> str:
    """Return the digest of some bytes."""
    return hashlib.sha256(content).hexdigest()


def parse(content: bytes) -> Submission:
    """Turn the bytes of a notebook file of any age or state into cells.

    >>> parse(b"no notebook").problems
    ('The file is not a notebook: it is not JSON (line 1, column 1).',)
    """
    digest = digest_of(content)
    problems: list[str] = []
    try:
        cells = tuple(_cells(_decode(content, problems), problems))
    except Unreadable as error:
        return Submission((), (*problems, str(error)), digest)
    return Submission(cells, tuple(problems), digest)


def _decode(content: bytes, problems: list[str]) -> Any:
    if not content.strip():
        raise Unreadable("The file is empty.")
    encoding: str = json.detect_encoding(content)
    if len(content) > MAX_PARSED:
        content = _without_outputs(content, encoding)
        problems.append("The file is very large; the outputs in it were left out.")
    if len(content) > MAX_PARSED:
        content = _without_pictures(content)
        problems.append(
            "The file is very large without outputs too; pictures in its texts were left out: look "
            "at what was handed in."
        )
    text = content.decode(encoding, "replace")
    if text.endswith("\0"):
        text = text.rstrip("\0")
        problems.append("The file ends with zeros, as after a crash; they were left out.")
    if encoding.startswith("utf-8") and not _is_utf8(content):
        if text.replace("\ufffd", "").isascii():
            encoding, text = "latin-1", content.decode("latin-1")
        else:
            problems.append("The file holds bytes that are no text; they were replaced.")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        if all(mark in text for mark in MERGE):
            place += f"; a merge left both sides in it, between {' and '.join(MERGE)}"
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


def _without_outputs(content: bytes, encoding: str) -> bytes:
    """Empty the lists called "outputs" of a long file, without reading it as JSON."""
    kept, place = [], 0
    tokens = 0
    while encoding.startswith("utf-8") and (found := _OUTPUTS.search(content, place)):
        kept.append(content[place : found.end()])
        depth = 1
        for token in _TOKEN.finditer(content, found.end()):
            tokens += 1
            depth += {b"[": 1, b"]": -1}.get(token[0], 0)
            if depth == 0 or tokens > MAX_TOKENS:
                break
        if depth:
            break
        place = token.end() - 1
    kept.append(content[place:])
    return b"".join(kept)


def _without_pictures(content: bytes) -> bytes:
    """Leave out what has no end of a word for very long, without reading it as JSON.

    Raises `Unreadable` when it is too long all the same.
    """
    shorter = _LONG.sub(b"", content)
    if len(shorter) > MAX_PARSED:
        raise Unreadable(
            f"The file has {len(content)} bytes, and that is not because of its outputs; at most "
            f"{MAX_PARSED} are read."
        )
    return shorter


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
    unusable, left = 0, MAX_CODE
    lost: list[int] = []  # pictures of each cell
    for number, one in enumerate(raw[:MAX_CELLS]):
        if not isinstance(one, dict):
            unusable += 1
            continue
        cell = _cell(one, problems, lost)
        left -= len(cell.source) if cell.kind == "code" else 0
        if left < 0:
            problems.append(
                f"The notebook has more than {MAX_CODE} characters of code; only its first "
                f"{number} cells were read."
            )
            break
        yield cell
    if any(lost):
        problems.append(
            f"Pictures in a text were left out ({sum(lost)}): they are no PNG or JPEG, or too "
            "many; look at what was handed in."
        )
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


def _cell(raw: dict, problems: list[str], lost: list[int]) -> SubmittedCell:
    metadata = _dict(raw.get("metadata"))
    marks = _dict(metadata.get("nbgrader"))
    source = clean_text(raw.get("source", raw.get("input", ""))).lstrip(INVISIBLE)
    pictures = _attachments(raw.get("attachments"), lost)
    if raw.get("cell_type") == "markdown":
        source = _PASTED.sub(partial(_as_attachment, pictures), source)
        lost.append(source.count(LEFT_OUT))
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
        attachments=pictures,
    )


def _attachments(raw: Any, lost: list[int]) -> dict[str, dict]:
    """Pictures that were pasted into a written answer."""
    kept = {}
    bundles = _dict(raw)
    for name, bundle in list(bundles.items())[:MAX_OUTPUTS]:
        images = _images(_dict(bundle), MAX_PARSED)
        if images:
            kept[clean_text(name)] = images
    lost.append(len(bundles) - len(kept))
    return kept


def _as_attachment(pictures: dict[str, dict], found: re.Match) -> str:
    """Put a picture that stands in the text beside it, as Jupyter does; return what names it."""
    image = _images({found[2]: found[3]}, MAX_PARSED)
    if not image or len(pictures) >= MAX_OUTPUTS:
        return f"![{found[1]}{LEFT_OUT}"
    name = f"pasted-{len(pictures)}"
    pictures[name] = image
    return f"![{found[1]}](attachment:{name})"


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
        data = _images(bundle, MAX_IMAGE)
        if "text/plain" in bundle:
            data["text/plain"] = _bounded(bundle["text/plain"])
        cleaned = {"output_type": kind, "data": data, "metadata": {}}
        if kind == "execute_result":
            cleaned["execution_count"] = None
        return cleaned if data else None
    return None


def _images(bundle: dict, most: int) -> dict[str, str]:
    found = {kind: clean_text(bundle[kind]) for kind in IMAGES if kind in bundle}
    return {
        kind: text for kind, text in found.items() if 0 < len(text) <= most and _BASE64.match(text)
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
