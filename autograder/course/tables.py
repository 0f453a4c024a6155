"""CSV files of other platforms, whatever their encoding, separator and first lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course.errors import CourseError
from autograder.grading.results import write_atomically

MAX_BYTES = 50_000_000
MAX_FIELD = 1_000_000  # characters
SEPARATORS = ",;\t"
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
QUOTED = re.compile(r'"[^"]*"')
FOR_EXCEL = re.compile(r"\Asep=[,;\t]\r?\n", re.IGNORECASE)  # a first line that names the separator


@dataclass(frozen=True)
class Sheet:
    """A table with a heading, and how the file was written."""

    path: Path
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    separator: str = ","
    encoding: str = "utf-8"

    def column(self, *names: str) -> int | None:
        """Where the first of these headings is, read without regard to case and blanks.

        Raises `CourseError` where several columns have it.
        """
        found = {name: self._places(name) for name in names}
        name = next(filter(found.get, found), "")
        if name and len(found[name]) > 1:
            numbers = ", ".join(f"{place + 1}" for place in found[name])
            raise CourseError(
                f"{self.path}: several columns are called {name!r} (numbers {numbers}). Rename "
                "those that are not meant."
            )
        return found[name][0] if name else None

    def _places(self, name: str) -> list[int]:
        wanted = _plain(name)
        return [place for place, one in enumerate(self.heading) if _plain(one) == wanted]


def _plain(heading: str) -> str:
    return " ".join(heading.lower().replace("_", " ").split())


def read_sheet(path: Path) -> Sheet:
    """Read a table; raises `CourseError` when the file is none.

    The separator is the one of comma, semicolon and tab that the heading has most of, outside
    quotes. A row with more fields than the heading, and a quote that is never closed, are refused:
    what follows would be read wrongly.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise CourseError(f"There is no file {path}.") from None
    if len(content) > MAX_BYTES:
        raise CourseError(f"{path} has more than {MAX_BYTES} bytes: it is no list of a class.")
    text, encoding = _decoded(content, path)
    text = FOR_EXCEL.sub("", text)
    top = next((line for line in QUOTED.sub("quoted", text).splitlines() if line.strip()), "")
    if "\0" in text or not text.strip():
        raise CourseError(f"{path} is no CSV file: export it again as CSV, in UTF-8.")
    separator = max(SEPARATORS, key=top.count)
    try:
        rows = [*_rows(text, separator, path)]
    except csv.Error as error:
        raise CourseError(f"{path} is no CSV file: {error}.") from None
    if not rows:
        raise CourseError(f"{path} is no CSV file: all its fields are empty.")
    heading, *students = rows
    return Sheet(path, tuple(map(str.strip, heading)), tuple(students), separator, encoding)


def _decoded(content: bytes, path: Path) -> tuple[str, str]:
    """UTF-8 with or without its mark, UTF-16 with it, and what Excel wrote in the West."""
    marked = [encoding for mark, encoding in MARKS.items() if content.startswith(mark)]
    for encoding in marked or ("utf-8", "cp1252", "latin-1"):
        try:
            return content.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    raise CourseError(f"{path} begins as {marked[0]} and goes on otherwise: export it again.")


def _rows(text: str, separator: str, path: Path) -> Iterator[tuple[str, ...]]:
    """The rows that hold something, each at least as wide as the first."""
    csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    width = 0
    for row in reader:
        if not any(map(str.strip, row)):
            continue
        width = width or len(row)
        if len(row) > width:
            raise CourseError(
                f"{path}, line {reader.line_num}: {len(row)} fields under a heading of {width}. "
                f"Put a field that holds {separator!r} in quotes."
            )
        yield (*row, *[""] * (width - len(row)))


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
