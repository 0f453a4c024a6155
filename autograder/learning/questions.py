"""Questions on one's own code, on request and never graded: every key comes from running it.

Four kinds: the shape of an array, the line that reads a setting, a value after two steps, and what
a line is good for. Where the tracer is not sure, nothing is asked.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograder.checking.observe import Implementation, observe_check, undisturbed
from autograder.checking.spec import Exercise
from autograder.expectations import public_seed
from autograder.learning.tracing import (
    Outcome,
    Text,
    Watched,
    outcome_of,
    same,
    shape_of,
    text_of,
    traced,
)

N, D = 7, 5
LARGEST = 2_000  # numbers in an argument
MOST = 2  # questions at a time
MOST_CALLS = 12
SHAPE, READS, VALUE, WITHOUT = "shape", "which line reads", "value", "without this line"
CLASSES = (
    "Questions are about functions, and {} is a class: what a method does depends on the calls "
    "before it, so that no key would be sure."
)
NOTHING, ERROR = "nothing that the caller sees", "an error"


@dataclass(frozen=True)
class Question:
    """One question: what is asked, the choices, the numbers of all right ones, and the trace."""

    kind: str
    text: str
    code: str
    choices: tuple[str, ...]
    right: frozenset[int]
    why: str


@dataclass(frozen=True)
class Own:
    """A learner's function with its text, and the calls that its checks make."""

    exercise: Exercise
    text: Text
    function: Callable  # compiled from the text
    namespace: Mapping
    calls: tuple[tuple, ...]

    @property
    def listing(self) -> str:
        """The text with line numbers."""
        return "\n".join(f"{i:>3}  {line}" for i, line in enumerate(self.text.lines, start=1))


def own(exercise: Exercise, functions: Mapping[str, Callable], source: str) -> Own | None:
    """Return what can be asked about: a plain function whose text does what the function does."""
    function = _innermost(functions[exercise.function])
    if exercise.kind == "class" or getattr(function, "__closure__", None):
        return None
    text = text_of(source, exercise.function)
    if text is None or not hasattr(function, "__globals__"):
        return None
    namespace = {**function.__globals__, **functions}
    again = text.compiled(namespace)
    calls = tuple(calls_of(exercise, functions))
    with undisturbed(exercise):
        for args in calls:  # an edited cell that was not run, or random numbers of its own
            if not _alike(outcome_of(function, args, []), outcome_of(again, args, [])):
                return None
    return Own(exercise, text, again, namespace, calls) if calls else None


def _innermost(function):
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def _alike(a: Outcome, b: Outcome) -> bool:
    return a.error == b.error and same(a.returned, b.returned) is not False


def calls_of(exercise: Exercise, functions: Mapping[str, Callable]) -> list[tuple]:
    """Return the arguments of the first calls that the checks make, each check's own."""
    calls: list[tuple] = []
    function = functions[exercise.function]

    def noting(*args):
        if len(calls) < MOST_CALLS and all(map(_can_be_asked, args)):
            calls.append(tuple(_plain(arg) for arg in args))
        return function(*args)

    impl = Implementation({**functions, exercise.function: noting}, exercise)
    for check in exercise.checks:
        observe_check(impl, exercise, check, public_seed(exercise, check))
    return calls


def _can_be_asked(arg) -> bool:
    if isinstance(arg, dict):
        return all(map(_can_be_asked, dict.values(arg)))
    if isinstance(arg, tuple | list):
        return all(map(_can_be_asked, arg))
    if (shape := shape_of(arg)) is not None:
        return int(np.prod(shape)) <= LARGEST
    return isinstance(arg, int | float | str | bool | type(None) | np.generic)


def _plain(arg):
    return dict(dict.items(arg)) if isinstance(arg, dict) else copy.deepcopy(arg)


# ---------------------------------------------------------------------------------- all kinds


def candidates(mine: Own, rng: random.Random) -> dict[str, list[Question]]:
    """Return all questions that can be asked with sure keys, by kind."""
    with undisturbed(mine.exercise):
        found = {
            SHAPE: list(_shapes(mine, rng)),
            READS: list(_reads(mine)),
            VALUE: list(_values(mine, rng)),
            WITHOUT: list(_without(mine, rng)),
        }
    return {kind: questions for kind, questions in found.items() if questions}


def choose(
    found: Mapping[str, Sequence[Question]], rng: random.Random, before: Sequence[str] = ()
) -> list[Question]:
    """Return at most two questions, of different kinds, and no kind for the third time running."""
    kinds = rng.sample(sorted(found), len(found))
    if len(before) >= 2 and before[-1] == before[-2]:
        kinds = [kind for kind in kinds if kind != before[-1]]
    return [rng.choice(list(found[kind])) for kind in kinds[:MOST]]


def _said(name: str, arg) -> str:
    """Say what an argument is, by its shape or its value."""
    shape = shape_of(arg)
    if shape is not None:
        return f"{name} {shape}"
    if isinstance(arg, dict):
        inner = ", ".join(_said(repr(key), value) for key, value in arg.items())
        return f"{name} {{{inner}}}"
    if isinstance(arg, tuple | list):
        return f"{name} ({', '.join(_said('', value).strip() for value in arg)})"
    return f"{name}={arg!r}"


def _called_with(mine: Own, args: tuple) -> str:
    pairs = zip(mine.text.parameters, args, strict=False)
    return "; ".join(_said(name, arg) for name, arg in pairs)


def _trace_text(trace) -> str:
    shapes = (f"{name} {shape}" for name, shape in trace.shapes.items() if shape is not None)
    lines = ", ".join(map(str, dict.fromkeys(trace.lines)))
    return f"Lines that ran: {lines}. Shapes at the end: {'; '.join(shapes)}."


# ---------------------------------------------------------------------------------- shapes


def _shapes(mine: Own, rng: random.Random) -> Iterator[Question]:
    """Yield questions for the shape of each local array that the function makes."""
    for args in (resized(mine.calls[0]), mine.calls[0]):
        if not args or not (trace := traced(mine.function, args)):
            continue
        sizes = sorted({size for shape in filter(None, trace.shapes.values()) for size in shape})
        for name, shape in trace.shapes.items():
            if shape is None or name in mine.text.parameters or name.startswith("_"):
                continue
            others = [s for s in _near(shape, sizes) if s != shape]
            choices = [shape, *rng.sample(others, min(3, len(others)))]
            rng.shuffle(choices)
            text = (
                f"Called with {_called_with(mine, args)}: what is the shape of {name} at the end?"
            )
            right = frozenset({choices.index(shape)})
            shown = tuple(map(str, choices))
            yield Question(SHAPE, text, mine.listing, shown, right, _trace_text(trace))
        return


def _near(shape: tuple[int, ...], sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return shapes that one may take for this one: an axis summed, kept, swapped, of other size.

    >>> _near((7, 5), [5, 7])[:4]
    [(5, 7), (5,), (1, 5), (7,)]
    """
    found = [shape[::-1]]
    for axis in range(len(shape)):
        before, after = shape[:axis], shape[axis + 1 :]
        found += [before + after, (*before, 1, *after)]
    found += [(size,) for size in sizes] + [(), (1, *shape)]
    return list(dict.fromkeys(found))


def resized(args: tuple) -> tuple | None:
    """Return arguments with N = 7 and D = 5 in place of the two sizes that they have, or None."""
    found = [size for arg in _arrays_in(args) for size in arg.shape if size > 1]
    sizes = list(dict.fromkeys(found))
    first = next(_arrays_in(args), None)
    if first is None or len(first.shape) != 2 or len(sizes) != 2 or tuple(first.shape) != (*sizes,):
        return None
    new = dict(zip(sizes, (N, D), strict=True))
    return tuple(_with_sizes(arg, new) for arg in args)


def _arrays_in(value) -> Iterator:
    if shape_of(value) is not None:
        yield value
    elif isinstance(value, dict | tuple | list):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _arrays_in(entry)


def _with_sizes(value, new: Mapping[int, int]):
    shape = shape_of(value)
    if shape is not None:
        is_tensor = hasattr(value, "detach")
        plain = value.detach().cpu().numpy() if is_tensor else value
        made = np.resize(plain, [new.get(size, size) for size in shape])
        return value.new_tensor(made) if is_tensor else made
    if isinstance(value, dict):
        return {key: _with_sizes(entry, new) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_with_sizes(entry, new) for entry in value)
    return value


# ---------------------------------------------------------------------------------- who reads


def _reads(mine: Own) -> Iterator[Question]:
    """Yield questions for the lines that read a key of a dict; all that read it are right."""
    asked = set()
    for args in sorted(mine.calls, key=lambda call: "test" not in str(_modes(call))):
        for place, arg in enumerate(args[: len(mine.text.parameters)]):
            if not isinstance(arg, dict):
                continue
            watched = Watched(copy.deepcopy(arg), mine.function.__code__)
            call = copy.deepcopy(args)
            with np.errstate(all="ignore"):
                try:
                    mine.function(*call[:place], watched, *call[place + 1 :])
                except Exception:
                    continue
            name = mine.text.parameters[place]
            for key, lines in {} if watched.whole else watched.lines.items():
                if key in arg and isinstance(key, str) and (name, key) not in asked:
                    asked.add((name, key))
                    yield _which_reads(mine, args, name, key, lines)


def _modes(call: tuple) -> list:
    return [arg.get("mode") for arg in call if isinstance(arg, dict)]


def _which_reads(mine: Own, args: tuple, name: str, key: str, lines: set[int]) -> Question:
    text = f"Called with {_called_with(mine, args)}: which line reads {key!r} of {name}?"
    named = ", ".join(map(str, sorted(lines)))
    why = f"In this call {key!r} is read in line {named}."
    shown = tuple(mine.text.lines)
    return Question(READS, text, "", shown, frozenset(n - 1 for n in lines), why)


# ---------------------------------------------------------------------------------- two steps


def _values(mine: Own, rng: random.Random) -> Iterator[Question]:
    """Yield a question for a weight after two steps of a rule, where the head can do it."""
    if mine.text.parameters != ["w", "dw", "config"] or mine.exercise.framework != "numpy":
        return
    keys: dict = next((call[2] for call in mine.calls if len(call) == 3 and call[2]), {})
    config = {k: 0.5 for k, v in keys.items() if isinstance(v, float) and 1e-4 < v < 1}
    start, slopes = float(rng.randint(1, 4)), [float(rng.choice((-2, -1, 1, 2))) for _ in range(2)]
    found = _two_steps(mine.function, start, slopes, config)
    if found is None or not all(map(_is_tidy, found)) or found[1] == start:
        return
    plain = start - 0.5 * sum(slopes)
    wrong = {found[0], plain, 2 * start - found[1], found[1] + slopes[1], start}
    choices = [f"{found[1]:g}", *sorted({f"{v:g}" for v in wrong} - {f"{found[1]:g}"})][:4]
    key = choices[0]
    rng.shuffle(choices)
    text = (
        f"w starts at {start:g} with config {config}; the gradient is {slopes[0]:g} in the first "
        f"step and {slopes[1]:g} in the second. What is w after both?"
    )
    why = f"After the first step w is {found[0]:g}, after the second {found[1]:g}."
    right = frozenset({choices.index(key)})
    yield Question(VALUE, text, mine.listing, tuple(choices), right, why)


def _two_steps(rule: Callable, start: float, slopes: Sequence[float], config: dict):
    """Return the weight after each of two steps, or None where the rule does something else."""
    w, config, found = np.array([start]), dict(config), []
    for slope in slopes:
        try:
            w, config = rule(w, np.array([slope]), config)
            found.append(float(np.asarray(w).item()))
        except Exception:
            return None
    return found


def _is_tidy(value: float) -> bool:
    """Say whether a number has few digits: no more than two behind the point, and exactly.

    >>> _is_tidy(-1.25), _is_tidy(0.333), _is_tidy(0.4999999)
    (True, False, False)
    """
    return abs(value) < 100 and abs(value * 100 - round(value * 100)) < 1e-9


# ---------------------------------------------------------------------------------- a line less


def _without(mine: Own, rng: random.Random) -> Iterator[Question]:
    """Yield questions for what changes when a line is left out, in one call."""
    for args in mine.calls[:2]:
        trace = traced(mine.function, args)
        before = outcome_of(mine.function, args, mine.text.parameters)
        if trace is None or before.error:
            continue
        effects = {}
        for node in mine.text.statements():
            if node.lineno in trace.lines:
                shorter = mine.text.compiled(mine.namespace, node.lineno)
                after = outcome_of(shorter, args, mine.text.parameters)
                effects[node.lineno] = _effect(mine, before, after)
        sure = {line: effect for line, effect in effects.items() if effect is not None}
        choices = sorted({NOTHING, ERROR, *sure.values()})
        for line, effect in sure.items():
            shown = [
                effect,
                *rng.sample([c for c in choices if c != effect], min(3, len(choices) - 1)),
            ]
            rng.shuffle(shown)
            text = f"Called with {_called_with(mine, args)}: without line {line}, what changes?"
            right = frozenset({shown.index(effect)})
            why = f"Without `{mine.text.lines[line - 1].strip()}`: {effect}. {_trace_text(trace)}"
            yield Question(WITHOUT, text, mine.listing, tuple(shown), right, why)
        return


def _effect(mine: Own, before: Outcome, after: Outcome) -> str | None:
    """Say what differs between two outcomes; None where nobody can be sure."""
    if after.error:
        return ERROR
    names = mine.exercise.returns[mine.exercise.function]
    if len(before.returned) != len(names) or len(after.returned) != len(names):
        return None
    pairs = [
        *zip(names, before.returned, after.returned, strict=True),
        *(
            (f"what {name} holds", kept, after.kept[name])
            for name, kept in before.kept.items()
            if name not in names
        ),
    ]
    answers = [(name, same(a, b)) for name, a, b in pairs]
    if any(answer is None for _, answer in answers):
        return None
    changed = [name for name, answer in answers if answer is False]
    return " and ".join(changed) if changed else NOTHING


# ---------------------------------------------------------------------------------- asking


def ask_about(
    exercise: Exercise,
    functions: Mapping[str, Callable],
    source: str,
    rng: random.Random,
    before: list[str],
    ask: Callable[[str], str],
    tell: Callable[[str], object],
) -> None:
    """Ask at most two questions about a learner's function; Enter skips, and nothing is graded.

    Args:
        source: a program that defines the function.
        before: kinds of the last questions; those asked now are added.
    """
    if exercise.kind == "class":
        tell(CLASSES.format(exercise.function))
        return
    mine = own(exercise, functions, source)
    chosen = choose(candidates(mine, rng), rng, before) if mine else []
    if not chosen:
        tell(f"There is nothing to ask about {exercise.function} whose answer would be sure.")
    for question in chosen:
        before.append(question.kind)
        tell(f"{exercise.title}: {question.text}")
        if question.code:
            tell(question.code)
        for number, choice in enumerate(question.choices, start=1):
            tell(f"{number:>3}  {choice}")
        typed = ask(f"1 to {len(question.choices)}, or Enter to skip: ").strip()
        if not typed.isdigit():
            tell("Skipped.")
        else:
            tell("Right." if int(typed) - 1 in question.right else f"Not so. {question.why}")
