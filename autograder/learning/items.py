"""Past mistakes in another dress: questions whose keys come from running right and wrong answers.

A kit has no answers, and reads what they return from its recordings; only the question for the
wrong line needs the full package.
"""

import ast
import difflib
import random
from collections.abc import Iterator, Sequence

import numpy as np

from autograder import exercises
from autograder.checking.definition import definition_in
from autograder.checking.ladder import in_words_of, shown
from autograder.checking.spec import Exercise

DIGITS = 4
MOST_CHOICES = 4
FEW = 3  # lines in which a wrong answer may differ, where one is to be found
CLOSE = 0.02  # outputs no further apart are not asked about
AGAIN = ("I wrote it again and its check passed", "Not yet")

Item = dict  # form, question, code, choices, right (numbers of all right choices), why


def items_for(exercise_id: str, name: str, provider, passed: bool) -> list[Item]:
    """Return the questions on one past mistake, the easiest first.

    Args:
        name: of the misconception; where it is not known any more, only one question is left.
        passed: whether the learner has passed the exercise: only then wrong code is shown.

    Raises KeyError when there is no such exercise.
    """
    exercise = exercises.find(exercise_id)
    hints = provider.hints(exercise)
    found = [*_on_values(exercise, name, provider)] if name in hints else []
    if passed and name in hints:
        found += _which_line(exercise, name)
    found.append(_write_again(exercise, name))
    about = {"title": exercise.title, "why": hints.get(name, "")}
    return [item | about for item in found]


def _write_again(exercise: Exercise, name: str) -> Item:
    question = (
        f"Write {exercise.function} again from an empty cell, without looking, and run its check. "
        f"Last time: {name}."
    )
    return _item("write it again", question, "", AGAIN, [0])


def _item(form, question, code, choices, right) -> Item:
    return {
        "form": form,
        "question": question,
        "code": code,
        "choices": list(choices),
        "right": list(right),
    }


def _on_values(exercise: Exercise, name: str, provider) -> Iterator[Item]:
    """Yield what does this return, and which of two outputs is wrong: on the last input that tells.

    The hint has shown the first one.
    """
    right, wrong = provider.small(exercise), provider.wrong_small(exercise)
    for s in reversed(range(len(exercise.small))):
        if not _apart(right[s], wrong[name][s]):
            continue
        key, mistaken = _text(right[s]), _text(wrong[name][s])
        code = in_words_of(exercise, exercise.small[s])
        rng = random.Random(f"{exercise.id} {name} {s}")
        apart = {_text(values[s]) for values in wrong.values() if _apart(right[s], values[s])}
        others = sorted(apart - {key, mistaken})
        kept = rng.sample(others, min(len(others), MOST_CHOICES - 2))
        choices = _shuffled(rng, [key, mistaken, *kept])
        yield _item("predict", "What does this return?", code, choices, [choices.index(key)])
        two = _shuffled(rng, [key, mistaken])
        question = "Of these two outputs, which is wrong?"
        yield _item("which is wrong", question, code, two, [two.index(mistaken)])
        return


def _apart(right, wrong) -> bool:
    """Say whether two outputs are told apart without a pocket calculator; an error is no output."""
    if wrong is None or _text(right) == _text(wrong):
        return False
    if [a.shape for a in right] != [b.shape for b in wrong]:
        return True
    return not all(np.allclose(b, a, CLOSE, CLOSE) for a, b in zip(right, wrong, strict=True))


def _text(values) -> str:
    return shown(values, DIGITS)


def _shuffled(rng: random.Random, choices: Sequence[str]) -> list[str]:
    return rng.sample(list(choices), len(choices))


# ---------------------------------------------------------------------------------- lines


def _which_line(exercise: Exercise, name: str) -> list[Item]:
    """Return the question for the wrong line, where answers are at hand and few lines differ."""
    try:
        from autograder import misconceptions
    except ImportError:  # a kit
        return []

    record = next(record for record in misconceptions.of(exercise.id) if record.name == name)
    text = misconceptions.texts_of(record).get(exercise.function)
    if text is None or exercise.kind == "class":
        return []
    right = _body(misconceptions.reference_source(exercise, exercise.function))
    wrong = _body(text)
    changed = wrong_lines(right, wrong)
    if not changed:
        return []
    return [_item("which line", "Which line is wrong?", "", wrong, changed)]


def wrong_lines(right: Sequence[str], wrong: Sequence[str]) -> list[int]:
    """Return the numbers of the lines in which a wrong program differs; none where it is many.

    >>> wrong_lines(["a", "b", "c"], ["a", "x", "c"])
    [1]
    >>> wrong_lines(["a", "b"], ["a"])
    []
    """
    matcher = difflib.SequenceMatcher(None, right, wrong, autojunk=False)
    blocks = [block for block in matcher.get_opcodes() if block[0] != "equal"]
    changed = [line for *_, first, last in blocks for line in range(first, last)]
    told = all(first < last for *_, first, last in blocks)  # what is only missing is on no line
    return changed if told and len(changed) <= FEW else []


def _body(source: str) -> list[str]:
    """Return the lines of a function without decorators, docstring and comments."""
    function = definition_in(ast.parse(source))
    function.decorator_list = []
    if ast.get_docstring(function) is not None:
        function.body = function.body[1:]
    return ast.unparse(function).splitlines()
