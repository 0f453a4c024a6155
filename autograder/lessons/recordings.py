"""Make what is kept of the known wrong answers, where it is stale."""

import json
from pathlib import Path

from autograder import exercises, expectations
from autograder.answers import ROOT
from autograder.misconceptions import kept


def stale() -> list[str]:
    """Return the families of which nothing is kept that holds."""
    return sorted(family for family in _by_family() if not kept.is_fresh(family))


def renew() -> list[Path]:
    """Make again what is stale; return the files that are new."""
    before, provider = _contents(), expectations.live(expectations.public_seed, derives=True)
    for family in stale():
        expectations.record_wrong(_by_family()[family], kept.FOLDER, provider)
        _list(family)
    for path in before.keys() - _expected_files():
        path.unlink()
    return [path for path, content in _contents().items() if before.get(path) != content]


def _by_family():
    families: dict[str, list] = {}
    for exercise in exercises.all_exercises():
        families.setdefault(exercise.family, []).append(exercise)
    return families


def _contents():
    return {path: path.read_bytes() for path in sorted(kept.FOLDER.glob("*.*"))}


def _expected_files():
    names = [exercise.grade_id for exercise in exercises.all_exercises()]
    return {
        kept.LIST,
        *(kept.FOLDER / f"{name}{end}" for name in names for end in (".json", ".npz")),
    }


def _list(family):
    """Write down from which files a family was made."""
    known = json.loads(kept.LIST.read_text(encoding="utf-8")) if kept.LIST.exists() else {}
    files = sorted(path.relative_to(ROOT).as_posix() for path in kept.files_of(family))
    known[family] = {"digest": kept.digest_of(files), "files": files}
    kept.LIST.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    kept.is_fresh.cache_clear()
