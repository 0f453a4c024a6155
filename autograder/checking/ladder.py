"""Hints that grow: after what differs (1) and the hint of a known mistake (2) come two more rungs.

The third is the smallest public input on which right and theirs part, with both values; the fourth
says where to read. The programs of `Exercise.small` are run here, on the reference and on the
student's functions alike.
"""

import ast
import html
import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograder.checking.judge import EPS32
from autograder.checking.observe import BadReturn, Implementation, plain_array, undisturbed
from autograder.checking.spec import Exercise

KNOWN, SMALLEST, READING = 2, 3, 4  # rungs; the table of `check` shows the first two
DOUBLE, SINGLE = 1e-6, 1e-4  # within which values of a small input are the same, relative
TORCH_WORDS = {"np.array(": "torch.tensor(", "np.": "torch."}
TAG = re.compile(r"\b([A-Z][A-Za-z]*)\.(\d+)\b")


@dataclass(frozen=True)
class Part:
    """A piece of a hint: a sentence, and lines of code or numbers below it."""

    text: str
    code: str = ""


@dataclass(frozen=True)
class Hint:
    """Some rungs of the ladder; shows itself as text and as HTML, on light and on dark."""

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        lines = []
        for part in self.parts:
            lines += [part.text, *(f"    {line}" for line in part.code.splitlines())]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        shown = (
            f"<div>{html.escape(part.text)}</div>"
            + (f'<pre style="{CODE}">{html.escape(part.code)}</pre>' if part.code else "")
            for part in self.parts
        )
        return f'<div style="{BOX}">{"".join(shown)}</div>'


# No colour of its own but a see-through grey, so that any theme's text is readable.
BOX = "max-width:60em;border-left:4px solid #8886;padding-left:.8em;line-height:1.4"
CODE = "margin:.3em 0;padding:.3em .6em;background:#8882;color:inherit;white-space:pre-wrap"


# ---------------------------------------------------------------------------------- rung 3


def values_of(exercise: Exercise, functions: Mapping[str, Callable], program: str):
    """Run one of the small programs; return the arrays that its last line is.

    Raises whatever the functions raise.
    """
    impl = Implementation(functions, exercise)
    names = {name: getattr(impl, name) for name in functions}
    if exercise.kind == "class" and exercise.framework == "torch":
        names["torch"] = importlib.import_module("torch")
    *statements, last = ast.parse(program).body
    with undisturbed(exercise):
        namespace = {"np": np, **names}
        exec(compile(ast.Module(statements, []), "<small input>", "exec"), namespace)
        value = eval(compile(ast.unparse(last), "<small input>", "eval"), namespace)
        return tuple(_arrays(impl, value))


def _arrays(impl, value) -> Iterator[np.ndarray]:
    for entry in value if isinstance(value, tuple) else (value,):
        known = isinstance(entry, np.ndarray | np.generic | float | int)
        yield plain_array("the value", entry) if known else impl.array("the value", entry)


Values = tuple[np.ndarray, ...]


def smallest_difference(
    exercise: Exercise,
    functions: Mapping[str, Callable],
    right: Sequence[Values],
    conventions: Sequence[Sequence[Values | None]] = (),
) -> Part | None:
    """Return the first small input on which right and theirs part, or None.

    Args:
        right: what the reference returns, for each program of `exercise.small`.
        conventions: what other right answers return, which follow another convention.
    """
    for i, (program, expected) in enumerate(zip(exercise.small, right, strict=True)):
        try:
            found = values_of(exercise, functions, program)
        except BadReturn as error:
            return _parted(exercise, program, expected, str(error))
        except Exception as error:
            return _parted(exercise, program, expected, f"{type(error).__name__}: {error}")
        accepted = [expected, *(other[i] for other in conventions)]
        within = SINGLE if exercise.framework == "torch" else DOUBLE  # states may be float32
        if not any(_same(values, found, within) for values in accepted if values is not None):
            return _parted(exercise, program, expected, found)
    return None


def _same(expected, found, within):
    if len(expected) != len(found):
        return False
    return all(
        a.shape == b.shape and np.allclose(b, a, within, within * _size(a), equal_nan=True)
        for a, b in zip(expected, found, strict=True)
    )


def _size(array):
    return float(np.abs(array).max(initial=0.0)) or EPS32


def _parted(exercise, program, expected, found):
    """Show both values, in as many digits as it takes to see that they differ."""
    for digits in range(4, 18):
        right = shown(expected, digits)
        theirs = found if isinstance(found, str) else shown(found, digits)
        if right != theirs:
            break
    code = (
        f"{in_words_of(exercise, program)}\n\nright: {_indented(right)}\nyours: {_indented(theirs)}"
    )
    return Part("The smallest input on which right and yours part:", code)


def in_words_of(exercise: Exercise, program: str) -> str:
    """Return a small program in the words of the exercise's framework."""
    if exercise.framework == "torch" and exercise.kind == "function":
        for word, other in TORCH_WORDS.items():
            program = program.replace(word, other)
    return program


def shown(arrays: Sequence[np.ndarray], digits: int) -> str:
    """Return the values of a small program as text."""
    return "\n".join(_text(array, digits) for array in arrays)


def _text(array, digits):
    """Return an array as text; of images the axes of length 1 are told, not drawn."""
    drawn = array.squeeze() if array.ndim > 2 else array
    text = np.array2string(drawn, precision=digits, separator=", ")
    return text if array.ndim <= 2 else f"{text}  # shape {array.shape}"


def _indented(text):
    return text.replace("\n", "\n       ")


# ---------------------------------------------------------------------------------- rung 4


def tags_in(source: str) -> tuple[str, ...]:
    """Return the equations that comments in program text cite, in their order.

    >>> tags_in("x = 1  # (N,) BN.2, BN.10")
    ('BN.2', 'BN.10')
    """
    comments = (line.partition("#")[2] for line in source.splitlines())
    found = (match.group() for comment in comments for match in TAG.finditer(comment))
    return tuple(dict.fromkeys(found))


def reading(exercise: Exercise, tags: Sequence[str]) -> str:
    """Say where to read: the equations by their tags, the slide, the paragraph."""
    places = [_equations(tags)] if tags else []
    places += [exercise.slides] if exercise.slides else []
    return f"Read once more: {', '.join([*places, 'and the text above this exercise'])}."


def _equations(tags):
    """Return tags as part of a sentence, neighbours as a range."""
    runs: list[list[str]] = []
    words = list(dict.fromkeys(tag.split(".")[0] for tag in tags))
    for tag in sorted(tags, key=lambda t: (words.index(t.split(".")[0]), int(t.split(".")[1]))):
        word, number = tag.split(".")
        if runs and runs[-1][-1] == f"{word}.{int(number) - 1}":
            runs[-1].append(tag)
        else:
            runs.append([tag])
    return ", ".join(
        f"({run[0]})" if len(run) == 1 else f"({run[0]}) to ({run[-1]})" for run in runs
    )
