"""The class report as a notebook, to go on from: it reads the kept results when it is run.

No name and no text of a student stands in it, so that nothing of theirs can be code there.
"""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.grading.results import write_atomically

CELLS = (
    (
        "markdown",
        """\
# Lesson {lesson}: what the class understood

Run all cells: the numbers are those of the results that are kept now.""",
    ),
    (
        "code",
        """\
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt

from autograder.course.folder import open_course
from autograder.course.items import items

course = open_course(Path({place!r}))
results = course.store({lesson!r}).all()
print(len(results), "students")""",
    ),
    ("markdown", "## How the points are spread"),
    (
        "code",
        """\
shares = [100 * one.score / one.points for one in results if one.points]
plt.hist(shares, bins=range(0, 101, 10))
plt.xlabel("share of the points, in %")
plt.ylabel("students")
plt.title("Points of the class")
plt.show()""",
    ),
    (
        "markdown",
        """\
## How hard each exercise is

The correlation is that with the sum of the other exercises, with its 95 % interval; there is none
below 30 students.""",
    ),
    (
        "code",
        """\
for item in items(results):
    related = "–"
    if item.correlation is not None:
        related = f"{{item.correlation:.2f}} ({{item.low:.2f}} to {{item.high:.2f}})"
    print(f"{{item.title:50}} {{item.difficulty:6.0%}}  {{related}}  {{item.repair}}")""",
    ),
    ("markdown", "## Which misconceptions the class holds"),
    (
        "code",
        """\
held = Counter(name for one in results for name in one.misconceptions)
for name, students in held.most_common():
    print(f"{{students:5}}  {{name}}")""",
    ),
)


def report_notebook(lesson: str, place: str) -> NotebookNode:
    """Return the notebook about a lesson; `place` is the course's folder as seen from its own."""
    cells = []
    for number, (kind, text) in enumerate(CELLS):
        make = getattr(nbformat.v4, f"new_{kind}_cell")
        cells.append(make(text.format(lesson=lesson, place=place), id=f"report-{number}"))
    language = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=language)


def write_notebook(course: Course, lesson: str, output: Path | None = None) -> Path:
    """Write the notebook and return its path.

    Raises `CourseError` when nobody is graded, or `output` is no name of a notebook.
    """
    path = (output or course.root / f"summary-{lesson}.ipynb").resolve()
    if path.suffix != ".ipynb":
        raise CourseError(f"{path} is no name of a notebook: let it end in .ipynb.")
    course.results(lesson)  # raises when there is nothing to read
    place = os.path.relpath(course.root, path.parent)
    write_atomically(path, nbformat.writes(report_notebook(lesson, place)).encode())
    return path
