"""Wrong answers that learners really give, and right answers in other ways; found by discovery.

A module has tuples `MISCONCEPTIONS` and `VARIANTS`, and where needed a table `EQUIVALENT`. An edit
of the reference is applied to its source here, so that a record reads as the difference that it
makes. Records are written in NumPy's words; for a PyTorch exercise their text is translated.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Mapping
from functools import cache

from autograder import exercises
from autograder.checking.spec import Exercise, Misconception, Variant

DRAWN = "((fan_in, fan_out), generator=rng, device=rng.device)"
TO_TORCH = {
    "rng.standard_normal((fan_in, fan_out))": f"torch.randn{DRAWN}",
    "rng.random((fan_in, fan_out))": f"torch.rand{DRAWN}",
    "rng.random(x.shape, dtype=np.float32)": "torch.rand(x.shape, generator=rng, device=x.device)",
    "kept / x.dtype.type(p)": "kept.to(x.dtype) / p",
    "kept / x.dtype.type": "kept.to(x.dtype) / ",
    ", dtype=float).astype(x.dtype)": ")",  # PyTorch sums well in single precision
    "np.": "torch.",
    "axis=": "dim=",
    "keepdims": "keepdim",
    ".transpose(": ".permute(",
    ".copy()": ".clone()",
    ".astype(": ".to(",
}


@cache
def _modules(family, framework):
    """Return the modules with a family's records; those written with PyTorch for its half alone."""
    modules = [importlib.import_module(f"{__name__}.{family}")]
    inside = {module.name for module in pkgutil.iter_modules(getattr(modules[0], "__path__", ()))}
    if framework == "torch" and "in_torch" in inside:
        modules.append(importlib.import_module(f"{__name__}.{family}.in_torch"))
    return modules


@cache
def _records(family, framework) -> tuple[Misconception | Variant, ...]:
    return tuple(
        record
        for module in _modules(family, framework)
        for name in ("MISCONCEPTIONS", "VARIANTS")
        for record in getattr(module, name, ())
    )


@cache
def of(exercise_id: str) -> tuple[Misconception, ...]:
    """Return the known wrong answers to one exercise."""
    return _select(exercise_id, Misconception)


@cache
def synonyms_of(exercise_id: str, name: str) -> frozenset[str]:
    """Return the names of all wrong answers that are in one group with this one, its own too."""
    groups = {record.name: record.group or record.name for record in of(exercise_id)}
    return frozenset(other for other, group in groups.items() if group == groups[name])


@cache
def variants_of(exercise_id: str) -> tuple[Variant, ...]:
    """Return the legitimate other answers to one exercise."""
    return _select(exercise_id, Variant)


def _select(exercise_id, kind):
    exercise = exercises.find(exercise_id)
    records = _records(exercise.family, exercise.framework)
    return tuple(r for r in records if r.exercise == exercise_id and isinstance(r, kind))


@cache
def equivalent_of(exercise_id: str) -> dict[str, str]:
    """Return {mutated line: why it changes nothing that counts}; "..." stands for anything."""
    exercise = exercises.find(exercise_id)
    lines: dict[str, str] = {}
    for module in _modules(exercise.family, exercise.framework):
        tables = getattr(module, "EQUIVALENT", {})
        for name in (f"{exercise.family}.{exercise.function}", exercise.id):  # PyTorch's own last
            lines |= tables.get(name, {})
    return {in_words_of(exercise, line): why for line, why in lines.items()}


def functions_of(record: Misconception | Variant):
    """Return {name: function}: the reference with the record's edits and functions in place.

    They are made once; anew for each who asks where a function keeps something between calls.

    Raises:
        ValueError: when an edit does not apply exactly once.
    """
    functions = _made_once(record)
    return _made(record) if any(map(_remembers, functions.values())) else functions


def _made(record):
    return assembled(exercises.find(record.exercise), texts_of(record), label=record.name)


_made_once = cache(_made)


def _remembers(function):
    """Say whether a default argument is a container, which every call shares."""
    defaults = getattr(inspect.unwrap(function), "__defaults__", None) or ()
    return any(isinstance(value, dict | list | set) for value in defaults)


def texts_of(record: Misconception | Variant) -> dict[str, str]:
    """Return {name: program text} of what a record changes.

    Raises:
        ValueError: when an edit does not apply exactly once.
    """
    exercise = exercises.find(record.exercise)
    texts: dict[str, str] = {}
    for name, edits in record.edits.items():
        name, _, method = name.partition(".")
        text = texts.get(name) or reference_source(exercise, name)
        before, text, after = _around(text, method)
        for old, new in edits:
            text = _edited(text, old, new, record, exercise)
        texts[name] = before + text + after
    for name, function in record.functions.items():
        text = re.sub(
            rf"\b(def|class) {function.__name__}\b", rf"\1 {name}", _source(function), count=1
        )
        texts[name] = in_words_of(exercise, text)
    return texts


def _around(text, method):
    """Return the text before, of and after one method of a class; all of it without a method."""
    if not method:
        return "", text, ""
    lines = text.splitlines(keepends=True)
    (found,) = (
        node for node in ast.parse(text).body[0].body if getattr(node, "name", "") == method
    )
    first, last = found.lineno - 1, found.end_lineno
    return tuple("".join(part) for part in (lines[:first], lines[first:last], lines[last:]))


@cache
def _source(function):
    return textwrap.dedent(inspect.getsource(inspect.unwrap(function)))


def reference_source(exercise: Exercise, name: str) -> str:
    """Return the program text of one of the exercise's functions in the library."""
    return _source(getattr(importlib.import_module(exercise.module), name))


def assembled(exercise: Exercise, texts: Mapping[str, str], label: str):
    """Return {name: function} of the library, with the program `texts` in place of some.

    All functions live in one namespace, so that a changed one is also what the others call; the
    line that validates arguments is left out, as in what a student writes.
    """
    module = importlib.import_module(exercise.module)
    namespace = dict(vars(module)) | {"__name__": f"<{label}>", "validated": _unvalidated}
    for name in exercise.functions:
        text = texts.get(name) or reference_source(exercise, name)
        exec(compile(text, f"<{label}>", "exec"), namespace)
    return {name: namespace[name] for name in exercise.functions}


def in_words_of(exercise: Exercise, text: str) -> str:
    """Return program text that is written for NumPy in the words of the exercise's framework."""
    if exercise.framework == "torch":
        for numpy_word, torch_word in TO_TORCH.items():
            text = text.replace(numpy_word, torch_word)
    return text


def _unvalidated(**rules):
    return lambda function: function


def _edited(source, old, new, record, exercise):
    old, new = in_words_of(exercise, old), in_words_of(exercise, new)
    if source.count(old) != 1:
        raise ValueError(
            f"{record.exercise}, {record.name!r}: the edit of {old!r} must apply once, but the "
            f"reference holds it {source.count(old)} times"
        )
    return source.replace(old, new)
