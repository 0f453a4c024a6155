"""The exercises, found by discovery: every module here has a tuple `EXERCISES`."""

import difflib
import importlib
import pkgutil
from functools import cache

from autograder.checking.spec import Exercise


@cache
def all_exercises() -> tuple[Exercise, ...]:
    """Return every exercise of the course, family by family."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return tuple(exercise for module in modules for exercise in module.EXERCISES)


def check_names() -> list[str]:
    """Return "exercise: check" of every check; two processes that agree on it speak of the same."""
    return [f"{e.id}: {check.name}" for e in all_exercises() for check in e.checks]


@cache
def _by_id() -> dict[str, Exercise]:
    return {exercise.id: exercise for exercise in all_exercises()}


def find(exercise_id: str) -> Exercise:
    """Return the exercise with this id.

    Raises:
        KeyError: naming the nearest id.
    """
    known = _by_id()
    if exercise_id in known:
        return known[exercise_id]
    near = difflib.get_close_matches(str(exercise_id), known, n=1, cutoff=0.0)
    raise KeyError(f"there is no exercise {exercise_id!r}; did you mean {near[0]!r}?")
