"""The lessons at hand, as their notebooks describe them, and the folder where a learner works."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autograder.checking.report import Report
from autograder.checking.spec import Exercise
from autograder.exercises import all_exercises
from cs231n_lib import webpage

PACKAGE = Path(__file__).resolve().parents[1]
# In a wheel the notebooks lie in the package, in a clone and in a kit beside it.
SHELVES = (PACKAGE / "notebooks" / "student", PACKAGE.parent / "notebooks" / "student")
LOG = "attempts.jsonl"
CHECK = "-check"  # how the ids of check cells end


@dataclass(frozen=True)
class Shelved:
    """A lesson: number, title, minutes of its core, and its exercises in their order."""

    number: str
    title: str
    minutes: int
    exercises: tuple[Exercise, ...]


@cache
def lessons() -> tuple[Shelved, ...]:
    """Return all lessons whose notebooks come with the package."""
    folder = next((shelf for shelf in SHELVES if shelf.is_dir()), None)
    return tuple(map(_shelved, sorted(folder.glob("*.ipynb")))) if folder else ()


def _shelved(path: Path) -> Shelved:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    known = {exercise.grade_id: exercise for exercise in all_exercises()}
    ids = (grade_id(cell).removesuffix(CHECK) for cell in notebook["cells"])
    found = tuple(dict.fromkeys(known[name] for name in ids if name in known))
    about = notebook["metadata"]["course"]
    return Shelved(about["lesson"], about["title"], about["minutes_core"], found)


def grade_id(cell: Mapping) -> str:
    """Return the id that nbgrader knows a cell by; "" for the others.

    >>> grade_id({"metadata": {"nbgrader": {"grade_id": "setup"}}}), grade_id({"metadata": {}})
    ('setup', '')
    """
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


def log_in(folder: Path) -> Path:
    """Return where the log of a learner is who works in `folder`.

    A kit has one log, beside its packages, and so has a page. Elsewhere it lies beside the
    lessons, where `autograder lessons` has put it.
    """
    if webpage.IN_A_PAGE:
        return Path.home() / LOG
    root = PACKAGE.parent
    return root / LOG if (root / "kit.json").is_file() else Path(folder).resolve() / LOG


def by_lesson(reports: Iterable[Report]) -> Iterator[str]:
    """Say which exercises of which lesson are already right, and what the others have."""
    found = {report.exercise_id: report for report in reports}
    for lesson in lessons():
        here = [found[e.id] for e in lesson.exercises if e.id in found]
        right = [_last_word(r) for r in here if r.score == r.points]
        open_ = [
            f"{_last_word(r)} ({r.score:g} of {r.points:g})" for r in here if r.score < r.points
        ]
        if here:
            said = [f"already right: {', '.join(right)}"] if right else []
            said += [f"not yet: {', '.join(open_)}"] if open_ else []
            yield f"Lesson {lesson.number} {lesson.title}: {'; '.join(said)}"


def _last_word(report: Report) -> str:
    return report.exercise_id.rpartition(".")[2]
