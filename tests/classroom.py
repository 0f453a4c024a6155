"""A small lesson, submissions of it, and courses, for the tests of grading."""

import copy
import json
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import nbformat

from autograder.course.cells import name_of, read_cells
from autograder.lessons import build
from autograder.lessons.lesson import NOTEBOOKS, find_lesson, read_lesson
from autograder.submissions import notebook as reading

NAME = "02_batch_normalization"
HEADER = """\
# ---
# jupyter:
#   course: {lesson: "02", title: Batch normalization, minutes_core: 60, minutes_all: 90}
# ---

# %% [markdown]
# # Batch normalization

# %% role="setup"
import numpy as np
import torch

from autograder.check import check, needs

# %% role="experiment"
print("an experiment")
"""
QUESTION = """
# %% [markdown] role="question" id="why-{number}" points=5
# Why?

# %% [markdown] role="answer"
# Because.
"""
KEPT = ("batchnorm_forward", "batchnorm_backward", "fold_batchnorm")


def lesson_source() -> str:
    """The text of a lesson with every exercise of lesson 02 and four questions."""
    ids = [exercise.id for exercise in find_lesson("02").exercises]
    cells = [f'\n# %% role="exercise" exercise="{name}"\n' for name in ids]
    return "".join([HEADER, *cells, *(QUESTION.format(number=i) for i in range(4))])


def write_lesson(folder: Path) -> Path:
    """Write the lesson into `folder` and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.py").write_text(lesson_source(), encoding="utf-8")
    return folder


@cache
def _small_lesson():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        lesson = read_lesson(write_lesson(Path(folder)) / f"{NAME}.py")
    ids = [f"normalization-{name}-{part}" for name in KEPT for part in ("solution", "check")]
    kept = [c for c in lesson.cells if c.role not in ("given", "solution", "check") or c.id in ids]
    return replace(lesson, cells=tuple(kept))


def written_answers() -> list[dict]:
    """The cells of all lessons that hold a model answer and its rubric."""
    paths = sorted((NOTEBOOKS / "solution").glob("*.ipynb"))
    cells = [cell for path in paths for cell in read_cells(path)]
    return [cell for cell in cells if name_of(cell).endswith("-question")]


def template():
    """A released notebook with three exercises."""
    return build.student_notebook(_small_lesson())


def solution():
    """The same with everything written."""
    return build.solution_notebook(_small_lesson())


def cell(notebook, name):
    """The cell with a grade id, or a part of one such as 'batchnorm_forward-solution'."""
    return notebook.cells[index(notebook, name)]


def index(notebook, name):
    """The position of such a cell."""
    names = [
        c.metadata.get("nbgrader", {}).get("grade_id", c.get("id", "")) for c in notebook.cells
    ]
    return next(i for i, found in enumerate(names) if found in (name, f"normalization-{name}"))


def added(source, kind="code"):
    """A cell as a student adds it."""
    return getattr(nbformat.v4, f"new_{kind}_cell")(source)


def with_body(notebook, name, body):
    """Give the function of a solution cell another body."""
    solution = cell(notebook, f"{name}-solution")
    signature = solution.source.partition('"""')[0].rstrip()
    solution.source = f"{signature}\n    {body}"
    return notebook


def content(notebook) -> bytes:
    """The bytes of a notebook's file."""
    return json.dumps(notebook).encode()


def changed(notebook, **parts):
    """A copy of a notebook as plain data, for changes that nbformat would not allow."""
    return copy.deepcopy(json.loads(json.dumps(notebook))) | parts


def record_unrun(course, notebooks):
    """Enter submissions in a course's gradebook, (student: notebook), with nothing executed."""
    from autograder.checking.report import Report, Row
    from autograder.course.gradebook import Recorder
    from autograder.course.nbgrader_api import NbgraderCourse
    from autograder.grading.grader import graded_exercises
    from autograder.grading.results import SubmissionResult
    from autograder.submissions.rebuild import read_template
    from autograder.submissions.uploads import take

    book = NbgraderCourse(course.root)
    if not book.template(NAME).is_file():
        book.generate_assignment(NAME)
    reports = tuple(
        Report(one.id, one.title, (Row("a check", one.points, 0.0, "differs"),))
        for one in graded_exercises(read_template(book.template(NAME))).values()
    )
    results, paths = {}, {}
    for student, notebook in notebooks.items():
        paths[student] = course.root / "submitted" / student / NAME / f"{NAME}.ipynb"
        paths[student].parent.mkdir(parents=True, exist_ok=True)
        paths[student].write_bytes(content(notebook))
        file = take(paths[student]).digest
        results[student] = SubmissionResult(student, NAME, reports, key="unrun", file=file)
        course.store(NAME).save(results[student])
    with Recorder(book, NAME) as recorder:
        assert recorder.record(results, paths) == {}


def failing(monkeypatch, call: str, number: int, name: str) -> None:
    """Have the machine fail where something of this name, or below it, is used.

    Args:
        call: open, read, stat or listdir.
    """
    error = OSError(number, os.strerror(number), name)
    if call == "read":
        content = reading._content

        def read(descriptor, limit):
            if Path(os.readlink(f"/proc/self/fd/{descriptor}")).name == name:
                raise error
            return content(descriptor, limit)

        monkeypatch.setattr(reading, "_content", read)
        return
    called = getattr(os, call)

    def fail(path=".", *arguments, **options):
        if not isinstance(path, int) and name in Path(os.fsdecode(path)).parts:
            raise error
        return called(path, *arguments, **options)

    monkeypatch.setattr(os, call, fail)


SECRET = b"the secret of a course"


def hand_in(folder: Path, count: int, broken: int, asleep: int = 0) -> dict[str, Path]:
    """Write right answers and wrong ones, each another one; every so many is no notebook.

    Args:
        asleep: seconds in which a notebook does nothing.

    Returns where they lie, by student.
    """
    paths = {}
    for number in range(count):
        student = f"student-{number}"
        notebook = solution()
        notebook.cells.append(added(f"import time; time.sleep({asleep}); '{student}'"))
        if number % 3 == 1:
            notebook = with_body(notebook, "batchnorm_forward", "return x, None")
        path = folder / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no notebook" if number % broken == broken - 1 else content(notebook))
        paths[student] = path
    return paths


def timeless(folder: Path) -> dict[str, dict]:
    """What is kept in a folder of results, by student, without what a clock decided."""
    kept = {}
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        kept[path.stem] = result | {"seconds": 0, "observed": bool(result["observed"])}
    return kept
