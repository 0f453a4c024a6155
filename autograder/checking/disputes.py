"""\"I think it is right\": what a student sends to the author of the course about a check.

A small JSON file beside the notebook: the exercise, the code, the failed checks with their public
seeds, the versions, and the student's own words. It is handed in with the notebook.
"""

import inspect
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from autograder.checking.report import Report

PREFIX = "dispute-"  # how the names of the files start
MAX_NOTE, MAX_CODE = 1_000, 20_000  # characters
FIELDS = {"exercise": str, "code": str, "note": str, "versions": str, "checks": list}


def content(
    report: Report,
    functions: Mapping[str, Callable],
    seeds: Mapping[str, int],
    note: str = "",
    only: Sequence[str] = (),
) -> dict:
    """Return what is sent: plain data.

    Args:
        seeds: by the name of a check.
        only: names of the checks that are disputed; all that lost points when empty.
    """
    chosen = [r for r in report.rows if r.earned < r.points and (not only or r.check in only)]
    return {
        "exercise": report.exercise_id,
        "code": "\n\n".join(map(_source, functions.values()))[:MAX_CODE],
        "note": note[:MAX_NOTE],
        "versions": f"Python {platform.python_version()}, NumPy {np.__version__}",
        "checks": [
            {"check": row.check, "seed": seeds[row.check], "said": row.message} for row in chosen
        ],
    }


def _source(function):
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return f"# the program text of {getattr(function, '__name__', 'a function')} is not at hand"


def write(data: Mapping, folder: Path) -> Path:
    """Write a dispute into a folder and return its path; one of the same exercise is replaced."""
    path = folder / f"{PREFIX}{data['exercise'].replace('.', '-')}.json"
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def parse(text: bytes) -> dict:
    """Read a dispute, which may hold anything; raises `ValueError` where it is none."""
    data = json.loads(text)
    if not isinstance(data, dict) or any(
        not isinstance(data.get(k), kind) for k, kind in FIELDS.items()
    ):
        raise ValueError("it is not as dispute() writes it")
    rows = [row for row in data["checks"] if isinstance(row, dict)]
    checks = [{k: str(row.get(k, ""))[:200] for k in ("check", "seed", "said")} for row in rows]
    texts = {key: data[key][:MAX_CODE] for key, kind in FIELDS.items() if kind is str}
    return texts | {"note": texts["note"][:MAX_NOTE], "checks": checks}
