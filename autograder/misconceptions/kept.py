"""What the wrong answers show on the public seeds, kept beside them: a check need not run them all.

What is kept of a family holds for the files that it was made from, which are listed with their
digest. Where one of them has changed it is not read, until `autograder build` makes it again.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from autograder.answers import ROOT

FOLDER = Path(__file__).parent / "recordings"
LIST = FOLDER / "made_from.json"
PLACES = ("autograder/exercises", "autograder/misconceptions", "cs231n_lib")  # of a family's files
PACKAGES = ("autograder", "cs231n_lib")


@cache
def is_fresh(family: str) -> bool:
    """Say whether what is kept of a family was made from the files as they are."""
    try:
        made_from = json.loads(LIST.read_text(encoding="utf-8"))[family]
        return made_from["digest"] == digest_of(made_from["files"])
    except (OSError, KeyError):
        return False


def digest_of(files: Iterable[str]) -> str:
    """Digest files, wherever the project is and however their lines end."""
    digest = hashlib.sha256()
    for name in files:
        content = (ROOT / name).read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()


# ---------------------------------------------------------------------------------- made from


def files_of(family: str) -> set[Path]:
    """Return a family's files, all that they and the checks import, and the arrays beside them."""
    waiting = [ROOT / "autograder/expectations.py", Path(__file__).parent / "derived.py"]
    for place in PLACES:
        waiting += [*(ROOT / place).glob(f"{family}*.py"), *(ROOT / place / family).rglob("*.py")]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported_by(path)
    return found | {data for path in found for data in path.parent.glob("*.npz")}


def _imported_by(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield from _modules_in(name)


def _modules_in(name: str) -> Iterator[Path]:
    """Yield the files of the packages and of the module that a dotted name begins with."""
    parts = name.split(".")
    if parts[0] in PACKAGES:
        for count in range(1, len(parts) + 1):
            place = ROOT.joinpath(*parts[:count])
            yield from (p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file())
