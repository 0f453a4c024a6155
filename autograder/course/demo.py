"""A course in miniature: a lesson, a class of made-up students, their marks and what they learn.

The students submit what classes submit: right answers in one's own style, half-finished work,
known misconceptions, endless loops, crashes, broken files, and an attempt to cheat.
"""

from __future__ import annotations

import ast
import inspect
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from rich.console import Console

from autograder import exercises, misconceptions
from autograder.bars import stages
from autograder.checking.spec import Misconception, Variant
from autograder.course.class_page import write_summary
from autograder.course.errors import CourseError
from autograder.course.folder import Course, init
from autograder.course.grade_class import Graded, grade_class
from autograder.course.summary import table
from autograder.lessons.build import notebook_text, solution_notebook, student_notebook
from autograder.lessons.lesson import Lesson, find_lesson
from autograder.submissions.rebuild import role

LESSON = "02"
SECRET = "the inputs of the demo are the same every time"  # a real course has a random one
MARKER = "demo"

ENDLESS = "    while True:\n        pass"
CRASH = "    import os\n    os._exit(3)"
CHEAT = """\
import autograder.check
import numpy as np

np.allclose = np.array_equal = np.all = lambda *args, **options: True
np.testing.assert_allclose = lambda *args, **options: None
autograder.check.check = check = lambda *args: 100.0"""


@dataclass(frozen=True)
class Student:
    """Someone of the class, and how they make their submission from a lesson."""

    name: str
    submit: Callable[[Lesson], bytes]


# -------------------------------------------------------------------------------- notebooks


def _bytes(notebook: NotebookNode) -> bytes:
    return notebook_text(notebook).encode()


def perfect(lesson: Lesson) -> bytes:
    """Every exercise as in the solution."""
    return _bytes(solution_notebook(lesson))


def empty(lesson: Lesson) -> bytes:
    """The notebook as it was handed out."""
    return _bytes(student_notebook(lesson))


def corrupted(lesson: Lesson) -> bytes:
    """A file whose second half is missing."""
    content = perfect(lesson)
    return content[: len(content) // 2]


def half(lesson: Lesson) -> bytes:
    """The first half of the exercises, the rest untouched."""
    written, stubs = solution_notebook(lesson), student_notebook(lesson)
    solutions = [i for i, cell in enumerate(written.cells) if role(cell) == "solution"]
    for index in solutions[len(solutions) // 2 :]:
        written.cells[index] = stubs.cells[index]
    return _bytes(written)


def duplicated(lesson: Lesson) -> bytes:
    """Right, but a solution and a check were copied and the copies kept."""
    notebook = solution_notebook(lesson)
    first = next(i for i, cell in enumerate(notebook.cells) if role(cell) == "solution")
    for index in (first, first + 1):
        copy = nbformat.from_dict({**notebook.cells[index], "id": f"copy-{index}"})
        notebook.cells.insert(first + 2, copy)
    return _bytes(notebook)


def cheating(lesson: Lesson) -> bytes:
    """Nothing written, but every comparison that a test could use is replaced."""
    notebook = student_notebook(lesson)
    first = next(i for i, cell in enumerate(notebook.cells) if role(cell) == "solution")
    notebook.cells.insert(first, nbformat.v4.new_code_cell(CHEAT, id="my-setup"))
    return _bytes(notebook)


def with_body(number: int, body: str) -> Callable[[Lesson], bytes]:
    """Right, except that the exercise `number` of the lesson has another body."""

    def submit(lesson: Lesson) -> bytes:
        notebook = solution_notebook(lesson)
        cells = [cell for cell in notebook.cells if role(cell) == "solution"]
        signature = cells[number].source.partition('"""')[0].rstrip()
        cells[number].source = f"{signature}\n{body}"
        return _bytes(notebook)

    return submit


def other_style(lesson: Lesson) -> bytes:
    """Right, and written in another way wherever one is known."""
    notebook = solution_notebook(lesson)
    for exercise in lesson.exercises:
        for variant in filter(can_be_pasted, misconceptions.variants_of(exercise.id)[:1]):
            paste(variant, notebook)
    return _bytes(notebook)


def mistaken(*choices: tuple[int, int]) -> Callable[[Lesson], bytes]:
    """Right, except for known misconceptions: pairs (exercise of the lesson, which one of it)."""

    def submit(lesson: Lesson) -> bytes:
        notebook = solution_notebook(lesson)
        for exercise, which in choices:
            known = filter(can_be_pasted, misconceptions.of(lesson.exercises[exercise].id))
            paste(list(known)[which], notebook)
        return _bytes(notebook)

    return submit


def can_be_pasted(record: Misconception | Variant) -> bool:
    """Whether the record's functions use nothing that a notebook does not have."""
    at_hand = {"np", "torch", *exercises.find(record.exercise).functions}
    written = record.functions.values()
    return all(
        inspect.isfunction(f) and inspect.getclosurevars(f).globals.keys() <= at_hand
        for f in written
    )


def paste(record: Misconception | Variant, notebook: NotebookNode) -> None:
    """Put a known other answer into the solution cells of its exercise."""
    exercise = exercises.find(record.exercise)
    prefix = exercise.grade_id.removesuffix(exercise.function)
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in notebook.cells}
    for name, text in misconceptions.texts_of(record).items():
        first = ast.parse(text).body[0].lineno - 1  # a student's has no line that validates
        cells[f"{prefix}{name}-solution"].source = "\n".join(text.splitlines()[first:]).rstrip()


CLASS = (
    Student("ada", perfect),
    Student("blaise", half),
    Student("carl", mistaken((0, 0))),
    Student("daphne", mistaken((1, 0))),
    Student("emmy", other_style),
    Student("felix", mistaken((0, 1), (4, 0))),
    Student("grace", mistaken((2, 0), (6, 0))),
    Student("henri", with_body(4, ENDLESS)),
    Student("ida", with_body(1, CRASH)),
    Student("jan", corrupted),
    Student("katherine", duplicated),
    Student("leonhard", cheating),
    Student("maryam", empty),
    Student("niels", mistaken((5, 0))),
)


# ------------------------------------------------------------------------------------- demo


def run(folder: Path = Path("demo-course")) -> Graded:
    """Make a course in `folder`, grade the made-up class, and print what came out."""
    from autograder.course.nbgrader_api import NbgraderCourse

    start, console = time.monotonic(), Console()
    lesson = find_lesson(LESSON)
    course = _fresh_course(folder)
    console.print(f"Releasing lesson {lesson.name} in {folder} with nbgrader …")
    book = NbgraderCourse(course.root)
    book.generate_assignment(lesson.name)
    book.release_assignment(lesson.name)
    for student in CLASS:
        path = course.root / "submitted" / student.name / lesson.name / f"{lesson.name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(student.submit(lesson))
    with stages() as tell:
        graded = grade_class(course, lesson.name, feedback=True, progress=tell)
    results = list(graded.results.values())
    console.print(table(graded.lines.values(), f"Lesson {lesson.number}: {lesson.title}"))
    page = Path(folder) / course.summary(lesson.name).name
    write_summary(page, lesson.name, results)
    seconds = time.monotonic() - start
    feedback = Path(folder) / "feedback" / "carl" / lesson.name / f"{lesson.name}.html"
    print(f"{len(results)} submissions graded in {seconds:.0f} s. Now look at")
    for path, what in (
        (page, "what the class understood"),
        (feedback, "what one student reads; the others' are beside it"),
        (Path(folder) / "gradebook.db", "the marks; `autograder mark` adds those of the questions"),
    ):
        print(f"  {path}\n      {what}")
    return graded


def _fresh_course(folder: Path) -> Course:
    root = Path(folder).resolve()
    marker = root / ".autograder" / MARKER
    if not marker.exists() and (root.is_file() or (root.is_dir() and any(root.iterdir()))):
        raise CourseError(f"{folder} is there already and is no demo: name another folder.")
    shutil.rmtree(root, ignore_errors=True)
    marker.parent.mkdir(parents=True, mode=0o700)
    marker.touch()
    secret = marker.parent / "secret"
    secret.touch(0o600)
    secret.write_text(SECRET)
    course, _ = init(root, [LESSON], exchange=root / "exchange")
    return course
