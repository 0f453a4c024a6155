"""CSV files of other platforms, whatever their encoding, separator and first lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course.errors import CourseError
from autograder.grading.results import write_atomically

MAX_BYTES = 50_000_000
MAX_FIELD = 1_000_000  # characters
SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Sheet:
    """A table with a heading, and how the file was written."""

    path: Path
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    separator: str = ","
    encoding: str = "utf-8"

    def column(self, *names: str) -> int | None:
        """Where the first of these headings is, read without regard to case and blanks."""
        known = {_plain(name): place for place, name in reversed([*enumerate(self.heading)])}
        return next((known[_plain(name)] for name in names if _plain(name) in known), None)


def _plain(heading: str) -> str:
    return " ".join(heading.lower().replace("_", " ").split())


def read_sheet(path: Path) -> Sheet:
    """Read a table; raises `CourseError` when the file is none.

    The separator is the one of comma, semicolon and tab that the first line has most of.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise CourseError(f"There is no file {path}.") from None
    if len(content) > MAX_BYTES:
        raise CourseError(f"{path} has more than {MAX_BYTES} bytes: it is no list of a class.")
    text, encoding = _decoded(content)
    if "\0" in text or not text.strip():
        raise CourseError(f"{path} is no CSV file: export it again as CSV.")
    first = next(line for line in text.splitlines() if line.strip())
    separator = max(SEPARATORS, key=first.count)
    csv.field_size_limit(MAX_FIELD)
    try:
        lines = [
            tuple(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        ]
    except csv.Error as error:
        raise CourseError(f"{path} is no CSV file: {error}.") from None
    lines = [line for line in lines if any(field.strip() for field in line)]
    heading, *rows = lines
    width = len(heading)
    filled = (tuple((*row, *[""] * (width - len(row)))) for row in rows)
    return Sheet(path, tuple(map(str.strip, heading)), tuple(filled), separator, encoding)


def _decoded(content: bytes) -> tuple[str, str]:
    """UTF-8 with or without its mark, UTF-16 with it, and what Excel wrote in the West."""
    marks = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
    for mark, encoding in marks.items():
        if content.startswith(mark):
            return content.decode(encoding, "replace"), encoding
    for encoding in ("utf-8", "cp1252"):
        try:
            return content.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1"), "latin-1"


def table_text(rows: Iterable[Sequence[object]], separator: str = ",") -> str:
    """Return rows as CSV."""
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def write_table(
    path: Path, rows: Iterable[Sequence[object]], separator: str = ",", encoding: str = "utf-8"
) -> Path:
    """Write rows as CSV and return the path; a file of that name must not be lost unseen."""
    write_atomically(Path(path), table_text(rows, separator).encode(encoding))
    return Path(path)


def harmless(text: str) -> str:
    """Return text that a spreadsheet does not take for a formula.

    >>> harmless("=1+1"), harmless("Ada")
    ("'=1+1", 'Ada')
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
