"""How records are written: once for both frameworks, in lines that read as differences."""

from autograder.exercises import all_exercises
from autograder.spec import Misconception, Variant


def wrong(function, *lines, edited=None):
    """Return misconceptions from lines (name, hint, *edits), in NumPy and PyTorch.

    The edits apply to the reference of `function`, or to that of `edited` on which it builds.
    """
    return tuple(
        Misconception(exercise_id, name, hint, edits={edited or function: edits})
        for exercise_id in ids_of(function)
        for name, hint, *edits in lines
    )


def right(function, name, *edits, remark="", edited=None, framework=None, **functions):
    """Return one legitimate variant, in NumPy and PyTorch or in one `framework` only.

    Give edits of the reference, or whole functions by the name of what they stand for.
    """
    written = {edited or function: edits} if edits else {}
    return tuple(
        Variant(exercise_id, name, remark, edits=written, functions=functions)
        for exercise_id in ids_of(function)
        if framework is None or (framework == "torch") == (".torch." in exercise_id)
    )


def ids_of(function):
    """Return the ids of the exercises in which `function` is written."""
    return [exercise.id for exercise in all_exercises() if exercise.function == function]
