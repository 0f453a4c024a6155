"""Wrong answers that learners really give, and right answers in other ways; found by discovery.

A module has tuples `MISCONCEPTIONS` and `VARIANTS`, or one of them. An edit of the reference is
applied to its source here, so that a record reads as the difference that it makes. Records are
written in NumPy's words; for a PyTorch exercise their text is translated.
"""

import importlib
import inspect
import pkgutil
from functools import cache

from autograder import exercises
from autograder.spec import Exercise, Misconception, Variant

TO_TORCH = {
    "np.": "torch.",
    "axis=": "dim=",
    "keepdims": "keepdim",
    ".transpose(": ".permute(",
    ".copy()": ".clone()",
    ".astype(": ".to(",
}


@cache
def _records() -> tuple[Misconception | Variant, ...]:
    modules = [importlib.import_module(f"{__name__}.{m.name}") for m in _files()]
    return tuple(
        record
        for module in modules
        for name in ("MISCONCEPTIONS", "VARIANTS")
        for record in getattr(module, name, ())
    )


def _files():
    return sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name)


@cache
def of(exercise_id: str) -> tuple[Misconception, ...]:
    """Return the known wrong answers to one exercise."""
    return _select(exercise_id, Misconception)


@cache
def variants_of(exercise_id: str) -> tuple[Variant, ...]:
    """Return the legitimate other answers to one exercise."""
    return _select(exercise_id, Variant)


def _select(exercise_id, kind):
    return tuple(r for r in _records() if r.exercise == exercise_id and isinstance(r, kind))


@cache
def functions_of(record: Misconception | Variant):
    """Return {name: function}: the reference with the record's edits and functions in place.

    All functions live in one namespace, so that an edited one is also what the others call; the
    line that validates arguments is left out, as in what a student writes.

    Raises:
        ValueError: when an edit does not apply exactly once.
    """
    exercise = exercises.find(record.exercise)
    module = importlib.import_module(exercise.module)
    namespace = dict(vars(module)) | {"__name__": f"<{record.name}>", "validated": _unvalidated}
    for name in exercise.functions:
        source = inspect.getsource(inspect.unwrap(getattr(module, name)))
        for old, new in record.edits.get(name, ()):
            source = _edited(source, old, new, record, exercise)
        _execute(source, record, namespace)
    for name, function in record.functions.items():
        _execute(in_words_of(exercise, inspect.getsource(function)), record, namespace)
        namespace[name] = namespace[function.__name__]
    return {name: namespace[name] for name in exercise.functions}


def in_words_of(exercise: Exercise, text: str) -> str:
    """Return program text that is written for NumPy in the words of the exercise's framework."""
    if exercise.framework == "torch":
        for numpy_word, torch_word in TO_TORCH.items():
            text = text.replace(numpy_word, torch_word)
    return text


def _unvalidated(**rules):
    return lambda function: function


def _execute(source, record, namespace):
    exec(compile(source, f"<{record.name}>", "exec"), namespace)


def _edited(source, old, new, record, exercise):
    old, new = in_words_of(exercise, old), in_words_of(exercise, new)
    if source.count(old) != 1:
        raise ValueError(
            f"{record.exercise}, {record.name!r}: the edit of {old!r} must apply once, but the "
            f"reference holds it {source.count(old)} times"
        )
    return source.replace(old, new)
