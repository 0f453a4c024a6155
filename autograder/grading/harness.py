"""What runs in Gradescope's container: the checks with public seeds, and its results.json.

    python -m autograder.grading.harness /autograder

Reads submission/ and source/, and writes results/results.json. A fault of the container is no
mark: nothing is written then, and Gradescope says that the autograder failed.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat

from autograder.bars import printable
from autograder.checking.report import Report
from autograder.grading.grader import graded_exercises
from autograder.grading.own_file import check_files
from autograder.sandbox.inside import isolation
from autograder.submissions.rebuild import read_template, rebuild
from autograder.submissions.uploads import take

TEMPLATE = "lesson.ipynb"  # in source/: what students were handed
UNOFFICIAL = (
    "Unofficial: this container keeps submissions apart only by time and memory. Your instructor "
    "grades again elsewhere."
)


def main(root: Path) -> None:
    """Grade the one submission that lies in the container."""
    template = read_template(root / "source" / TEMPLATE)
    lesson = (root / "source" / "lesson.txt").read_text("utf-8").strip()
    found = sorted((root / "submission").rglob("*.ipynb"))
    named = [path for path in found if path.name == f"{lesson}.ipynb"] or found
    if len(named) == 1:
        reports, problems = _checked(template, named[0])
    else:
        names = ", ".join(path.name for path in found) or "none"
        reports, problems = [], [f"Hand in one notebook, {lesson}.ipynb; this has {names}."]
    written = results(template, reports, problems, isolation.available().tier)
    target = root / "results" / "results.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(written, indent=2), encoding="utf-8")


def _checked(template, path: Path) -> tuple[list[Report], list[str]]:
    """Check a notebook whose check cells are again those that were handed out."""
    rebuilt = rebuild(template, take(path).submission())
    with tempfile.TemporaryDirectory() as folder:
        for module in path.parent.glob("*.py"):
            if module.is_file() and not module.is_symlink():
                shutil.copy(module, folder)
        copy = Path(folder) / path.name
        copy.write_text(nbformat.writes(rebuilt.notebook), encoding="utf-8")
        reports, problems = check_files([copy])
    return reports, list(dict.fromkeys([*rebuilt.problems, *problems]))


def results(template, reports: Sequence[Report], problems: Sequence[str], tier: str) -> dict:
    """Return what Gradescope shows: a test for each exercise of the lesson, bonus beside them."""
    by_id = {report.exercise_id: report.public() for report in reports}
    tests, scores = [], []
    for exercise in graded_exercises(template).values():
        report = by_id.get(exercise.id)
        score = report.score if report else 0.0
        scores.append(score)
        tests.append(
            {
                "name": f"{exercise.title}{' (bonus)' if exercise.bonus else ''}",
                "score": score,
                "max_score": 0.0 if exercise.bonus else exercise.points,
                "status": "passed" if score >= exercise.points else "failed",
                "output": printable_lines(str(report)) if report else "It was not checked.",
                "visibility": "visible",
            }
        )
    said = [UNOFFICIAL] if tier == "C" else []
    return {
        "score": round(sum(scores), 4),
        "output": "\n".join([*said, *map(printable, problems)]),
        "visibility": "visible",
        "tests": tests,
        "extra_data": {"tier": tier, "official": tier != "C"},
    }


def printable_lines(text: str) -> str:
    """Return text whose only control characters are ends of lines."""
    return "\n".join(map(printable, text.split("\n")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
