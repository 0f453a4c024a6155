"""Gradescope's results.json of each student, as its autograder harness reads it."""

from __future__ import annotations

import json
from pathlib import Path

from autograder.course.export.marks import Exported, Marks
from autograder.course.markbook import Line
from autograder.grading.results import write_atomically


def write(marks: Marks, output: Path, **options: object) -> Exported:
    """Write STUDENT/results.json for everyone who handed the lesson in and is not excused."""
    files = []
    for line in marks.own:
        path = output / line.student / "results.json"
        text = json.dumps(results(line), indent=2, ensure_ascii=False)
        write_atomically(path, text.encode())
        files.append(path)
    return Exported(tuple(files), marks.notes("have no file, because Gradescope knows no excuse"))


def results(line: Line) -> dict:
    """Return what Gradescope shows of one submission: the score, a test for each question."""
    tests = [
        {
            "name": one.title,
            "score": round(one.score + one.bonus, 4),
            "max_score": round(one.maximum, 4),
            "status": "passed" if one.score >= one.maximum and not one.waiting else "failed",
            "output": "A person has still to mark this." if one.waiting else "",
            "visibility": "visible",
        }
        for one in line.questions
    ]
    said = {"output": line.lateness.words} if line.lateness.words else {}
    return {"score": round(line.final, 4), "visibility": "visible", **said, "tests": tests}
