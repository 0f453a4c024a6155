"""Nothing in the syllabus is missing in any column, and nothing exists outside of it."""

import importlib
import inspect
import pkgutil
import re

import pytest

import cs231n_lib
from autograder import exercises
from autograder.answers import GIVEN_FAMILIES
from autograder.lessons.syllabus import PLACES, SYLLABUS, sources
from cs231n_lib import plotting

SLIDES = re.compile(r"\d+(–\d+)?(, \d+(–\d+)?)*")
every_row = pytest.mark.parametrize("row", SYLLABUS, ids=lambda row: row.title)


@every_row
def test_functions_stand_in_every_framework(row):
    importlib.import_module(f"cs231n_lib.{row.family}")
    assert bool(row.frameworks) == bool(row.functions)
    alone = row.frameworks == ("torch",) and any(name.islower() for name in row.functions)
    assert bool(row.without_numpy) == alone, "why there is only a form in PyTorch"
    for framework in row.frameworks:
        module = importlib.import_module(f"cs231n_lib.{row.family}.{PLACES[framework]}")
        missing = [name for name in row.functions if not is_written(vars(module).get(name))]
        assert not missing, f"{module.__name__} has no {missing}"


@every_row
def test_exercises_exist_and_ask_for_the_rows_functions(row):
    assert bool(row.exercises) != bool(row.without_exercise), "exercises, or why there are none"
    written = set()
    for exercise_id in row.exercises:
        exercise = exercises.find(exercise_id)
        assert (exercise.family, exercise.slide) == (row.family, row.slides)
        assert ("shared" if exercise.shared else exercise.framework) in row.frameworks
        assert exercise.function in row.functions
        written.add(exercise.function)
    assert written == set(row.functions) or not row.exercises


@every_row
def test_figures_exist_and_the_lesson_draws_them(row):
    assert bool(row.figure) != bool(row.without_figure), "a figure, or why there is none"
    if row.figure:
        assert inspect.isfunction(vars(plotting).get(row.figure))
        assert f"{row.figure}(" in sources()[row.lesson]


@every_row
def test_lessons_exist_and_set_the_exercises(row):
    assert row.lesson in sources(), f"no notebooks/src/{row.lesson}_*.py sets {row.title}"
    assert bool(row.shown_in) == (not row.exercises), "the lesson, where no exercise tells it"
    missing = [e for e in row.exercises if f'exercise="{e}"' not in sources()[row.lesson]]
    assert not missing, f"lesson {row.lesson} does not set {missing}"


@every_row
def test_slides_are_of_the_lecture(row):
    assert SLIDES.fullmatch(row.slides) or row.lesson == "00"
    assert all(1 <= int(number) <= 109 for number in re.findall(r"\d+", row.slides))


def test_every_exercise_stands_in_one_row():
    named = [exercise_id for row in SYLLABUS for exercise_id in row.exercises]
    assert named == list(dict.fromkeys(named))
    assert set(named) == {exercise.id for exercise in exercises.all_exercises()}


CLASSES = {e.function for e in exercises.all_exercises() if e.kind == "class"}


def is_written(value):
    """Say whether a value is what students write: any function, and the classes of exercises."""
    return inspect.isfunction(value) or (inspect.isclass(value) and value.__name__ in CLASSES)


def reference_functions():
    """Return (family, framework, name) of all that students may write in a family."""
    for family in pkgutil.iter_modules(cs231n_lib.__path__):
        if not family.ispkg or family.name in GIVEN_FAMILIES:
            continue
        package = importlib.import_module(f"cs231n_lib.{family.name}")
        for found in pkgutil.iter_modules(package.__path__):
            if found.name.startswith("in_") or found.name == "shared":
                module = importlib.import_module(f"{package.__name__}.{found.name}")
                for name, value in vars(module).items():
                    if is_written(value) and is_offered(module, name):
                        yield family.name, found.name.removeprefix("in_"), name


def is_offered(module, name):
    """Return whether a module defines this function, or passes it on: its `__all__` says so."""
    here = vars(module)[name].__module__ == module.__name__
    return here or name in getattr(module, "__all__", ())


def test_every_function_that_students_write_stands_in_one_row():
    named = [(r.family, f, name) for r in SYLLABUS for f in r.frameworks for name in r.functions]
    assert len(named) == len(set(named))
    assert set(named) == set(reference_functions())


def test_every_lesson_stands_in_the_syllabus():
    assert set(sources()) == {row.lesson for row in SYLLABUS}
    assert [row.lesson for row in SYLLABUS] == sorted(row.lesson for row in SYLLABUS)
