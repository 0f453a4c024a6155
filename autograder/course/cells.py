"""Cells of a notebook's file as plain data: quick to read, whatever stands in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def read_cells(path: Path) -> list[dict]:
    """Return the cells of a notebook that we wrote, which is valid."""
    return json.loads(path.read_text("utf-8"))["cells"]


def name_of(cell: Mapping) -> str:
    """Return nbgrader's grade id of a cell, or nothing."""
    return cell.get("metadata", {}).get("nbgrader", {}).get("grade_id", "")


def source_of(cell: Mapping) -> str:
    """Return the text of a cell, which a file may hold in lines.

    >>> source_of({"source": ["a\\n", "b"]}) == source_of({"source": "a\\nb"})
    True
    """
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)
