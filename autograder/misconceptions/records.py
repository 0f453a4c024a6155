"""How records are written: once for both frameworks, in lines that read as differences."""

import importlib
import pkgutil
from collections.abc import Iterable

from autograder.checking.spec import Misconception, Variant
from autograder.exercises import all_exercises

SLIP = {"kind": "slip"}


def collected(package: str, path: Iterable[str]):
    """Return (MISCONCEPTIONS, VARIANTS, EQUIVALENT) of all modules in a family's folder.

    One that is called `in_torch` is left out: it is read for the PyTorch half alone.
    """
    names = sorted({module.name for module in pkgutil.iter_modules(path)} - {"in_torch"})
    modules = [importlib.import_module(f"{package}.{name}") for name in names]
    records = (
        tuple(record for module in modules for record in getattr(module, kind, ()))
        for kind in ("MISCONCEPTIONS", "VARIANTS")
    )
    tables = (getattr(module, "EQUIVALENT", {}) for module in modules)
    return *records, {name: lines for table in tables for name, lines in table.items()}


def another_default(setting, default, other):
    """Return the line about a `setting` that a caller may leave out: an edit of its default."""
    return (
        f"another default {setting}",
        f"With {setting} given you are right. Which one does the docstring promise to callers who "
        "give none?",
        SLIP,
        (default, other),
    )


def in_one_place_too(name, hint, *parts):
    """Return a line with two edits, and two lines in which one of these is made alone."""
    options = [part for part in parts if isinstance(part, dict)]
    edits = [part for part in parts if not isinstance(part, dict)]
    alone = (
        (f"{name}: the {place} alone", hint, *options, grouped(name), edit)
        for place, edit in zip(("first", "second"), edits, strict=True)
    )
    return (name, hint, *parts), *alone


def with_convention(name, edit, *lines):
    """Return lines, each of which follows once more where another convention, an `edit`, is used.

    That a statement leaves a convention open changes what a mistake shows, and not its name.
    """
    return tuple(line for written in lines for line in _in_both_conventions(name, edit, written))


def _in_both_conventions(name, edit, line):
    yield line
    edits = [part for part in line[2:] if isinstance(part, tuple)]
    if edits and not any(edit[0] in old or old in edit[0] for old, _ in edits):
        group = next((part["group"] for part in line[2:] if "group" in part), line[0])
        yield f"{line[0]}, {name}", *line[1:], grouped(group), edit


def fundamental(reason):
    """Return, for a line of `wrong`, that nothing of such an answer can be right, and why."""
    return {"fundamental": reason}


def grouped(group):
    """Return, for a line of `wrong`, the group in which its name has synonyms."""
    return {"group": group}


def judged_by(check):
    """Return, for a line of `wrong`, the one check that asks for the statement's convention."""
    return SLIP | {"judged_by": check}


def wrong(function, *lines, edited=None, framework=None, **options):
    """Return misconceptions from lines (name, hint, *edits), in both frameworks or in one.

    The edits apply to the reference of `function`, or to that of `edited` on which it builds. In
    their place a line may hold one whole function. What else a record says (`kind`, `group`,
    `fundamental`) stands in `options`, for all lines, or as dicts among the edits of one:

        ("another default rate", "Which one does the docstring promise?", SLIP, ("1e-2", "1e-3"))
    """
    return tuple(
        Misconception(exercise_id, name, hint, **_change(edited or function, parts, options))
        for exercise_id in ids_of(function, framework)
        for name, hint, *parts in lines
    )


def _change(function, parts, options):
    edits = [part for part in parts if not isinstance(part, dict)]
    for part in parts:
        options = options | part if isinstance(part, dict) else options
    if callable(edits[0]):
        return {"functions": {function: edits[0]}, **options}
    return {"edits": {function: edits}, **options}


def right(function, name, *edits, remark="", edited=None, framework=None, **functions):
    """Return one legitimate variant, in NumPy and PyTorch or in one `framework` only.

    Give edits of the reference, or whole functions by the name of what they stand for.
    """
    written = {edited or function: edits} if edits else {}
    return tuple(
        Variant(exercise_id, name, remark, edits=written, functions=functions)
        for exercise_id in ids_of(function, framework)
    )


def ids_of(function, framework=None):
    """Return the ids of the exercises in which `function` is written, in one framework or all."""
    return [
        exercise.id
        for exercise in all_exercises()
        if exercise.function == function and framework in (None, exercise.framework)
    ]
