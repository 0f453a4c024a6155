"""Questions on own code: no wrong key for any reference or variant, and silence where unsure."""

import ast
import copy
import itertools
import json
import random
import sys
import traceback

import numpy as np
import pytest

from autograder import check as checks
from autograder import expectations, misconceptions
from autograder.checking.attempts import Attempts
from autograder.checking.observe import undisturbed
from autograder.exercises import all_exercises, find
from autograder.learning import questions as module
from autograder.learning.definitions import functions_in, source_of
from autograder.learning.errors import LearnerError
from autograder.learning.questions import (
    MOST,
    READS,
    SHAPE,
    VALUE,
    WITHOUT,
    ask_about,
    candidates,
    choose,
    own,
)
from autograder.learning.shelf import CHECK
from autograder.learning.tracing import OWN, same, text_of, traced

FORWARD = find("normalization.batchnorm_forward")
SEEDS = 200


def answers(exercise):
    """Yield (functions, source) of the reference and of every variant of an exercise."""
    name = exercise.function
    yield expectations.reference(exercise), misconceptions.reference_source(exercise, name)
    for variant in misconceptions.variants_of(exercise.id):
        texts = misconceptions.texts_of(variant)
        source = texts.get(name) or misconceptions.reference_source(exercise, name)
        yield misconceptions.functions_of(variant), source


# ---------------------------------------------------------------------------------- oracles


def run_text(mine, lines, args):
    """Execute changed lines of a listing on copies of arguments; return value and arguments."""
    names = dict(mine.namespace)
    exec("\n".join(lines), names)
    args = copy.deepcopy(args)
    with np.errstate(all="ignore"):
        return names[mine.text.name](*args), args


def locals_of(mine, args):
    """Return the local variables at the end, by returning them, without any tracer."""

    class Locals(ast.NodeTransformer):
        def visit_Lambda(self, node):
            return node

        def visit_FunctionDef(self, node):
            return self.generic_visit(node) if node.name == mine.text.name else node

        def visit_Return(self, node):
            kept = ast.parse("__value = None").body
            kept[0].value = node.value or ast.Constant(None)
            return [*kept, *ast.parse("def f():\n return dict(locals())").body[0].body]

    tree = Locals().visit(ast.parse("\n".join(mine.text.lines)))
    found, _ = run_text(mine, [ast.unparse(ast.fix_missing_locations(tree))], args)
    return found


def named_args(mine, question):
    """Return the call that a question is about."""
    for args in (module.resized(mine.calls[0]), *mine.calls):
        if args is not None and f"with {module._called_with(mine, args)}:" in question.text:
            return args
    raise AssertionError(question.text)


def assert_shape(mine, question):
    name = question.text.rpartition("shape of ")[2].split()[0]
    (right,) = question.right
    value = locals_of(mine, named_args(mine, question))[name]
    assert question.choices[right] == str(tuple(value.shape))


class Read(Exception):
    """Somebody read the key that a trap guards."""


class Trap(dict):
    """A dict that lets a key be read some times, and raises at the next."""

    key, left = "", 0

    def _guard(self, key):
        if key == self.key and self.left == 0:
            raise Read
        self.left -= key == self.key

    def __getitem__(self, key):
        self._guard(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        self._guard(key)
        return super().get(key, default)

    def pop(self, key, *default):
        self._guard(key)
        return super().pop(key, *default)

    def setdefault(self, key, default=None):
        self._guard(key)
        return super().setdefault(key, default)


def assert_reads(mine, question):
    """Where the n-th reading of the key raises, for every n, is just what counts as right."""
    key, name = question.text.rpartition("line reads ")[2].rstrip("?").split(" of ")
    args, place = named_args(mine, question), mine.text.parameters.index(name)
    found = set()
    for n in itertools.count():
        call = list(copy.deepcopy(args))
        call[place] = Trap(call[place])
        call[place].key, call[place].left = ast.literal_eval(key), n
        try:
            with np.errstate(all="ignore"):
                mine.function(*call)
        except Read as error:
            frames = traceback.extract_tb(error.__traceback__)
            found.add(next(f.lineno for f in frames if f.filename == OWN) - 1)
        else:
            break
    assert found == question.right


def assert_value(mine, question):
    head, _, rest = question.text.partition(" with config ")
    config, _, slopes = rest.partition("; the gradient is ")
    config, w = ast.literal_eval(config), np.array([float(head.split()[-1])])
    numbers = [float(word) for word in slopes.split() if word.lstrip("-").isdigit()]
    rule = expectations.reference(mine.exercise)[mine.exercise.function]
    for slope in numbers:
        w, config = rule(w, np.array([slope]), config)
    (right,) = question.right
    assert float(question.choices[right]) == pytest.approx(w.item(), abs=1e-5)
    assert len(set(question.choices)) == len(question.choices)


def assert_without(mine, question):
    line = int(question.text.rpartition("without line ")[2].partition(",")[0])
    lines = list(mine.text.lines)
    args = named_args(mine, question)
    before, args_before = run_text(mine, lines, args)
    indent = lines[line - 1][: -len(lines[line - 1].lstrip())]
    lines[line - 1] = f"{indent}pass"
    (right,) = question.right
    said = question.choices[right]
    try:
        after, args_after = run_text(mine, lines, args)
    except Exception:
        assert said == module.ERROR
        return
    names = mine.exercise.returns[mine.exercise.function]
    pairs = [(before, after)] if len(names) == 1 else list(zip(before, after, strict=True))
    changed = [name for name, pair in zip(names, pairs, strict=True) if same(*pair) is False]
    kept = zip(mine.text.parameters, args_before, args_after, strict=False)
    changed += [f"what {n} holds" for n, a, b in kept if n not in names and same(a, b) is False]
    assert said == (" and ".join(changed) or module.NOTHING)


ORACLES = {
    SHAPE: assert_shape,
    READS: assert_reads,
    VALUE: assert_value,
    WITHOUT: assert_without,
}


def assert_keys(exercise, seeds):
    """Hold the key of every question that the seeds bring against its oracle; return how many."""
    asked = set()
    for functions, source in answers(exercise):
        mine = own(exercise, functions, source)
        if mine is None:
            break  # what the reference takes or is, its variants take and are
        seen = set()
        for seed in seeds:
            rng = random.Random(seed)
            found = _found(mine, rng)
            for question in choose(found, rng):
                told = (question.text, question.choices[min(question.right)])
                if told not in seen:
                    seen.add(told)
                    with undisturbed(exercise):
                        ORACLES[question.kind](mine, question)
                    asked.add((question.kind, *told))
    return asked


def _found(mine, rng, kept={}):  # noqa: B006
    """Return the candidates; what costs time, once for an answer, the drawn numbers anew."""
    if kept.get("mine") is not mine:
        kept.update(mine=mine, found=candidates(mine, rng))
    found = dict(kept["found"])
    with undisturbed(mine.exercise):
        drawn = list(module._values(mine, rng))
    return {k: v for k, v in {**found, VALUE: drawn}.items() if v}


@pytest.mark.parametrize(
    "exercise_id",
    [
        FORWARD.id,
        "normalization.batchnorm_backward",
        "optim.sgd_momentum",
        "getting_started.unit_rows",
    ],
)
def test_keys_of_some_exercises_are_right(exercise_id):
    asked = assert_keys(find(exercise_id), range(6))
    assert len({kind for kind, *_ in asked}) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_keys_of_all_references_and_variants_are_right(framework):
    found = {
        e.id: assert_keys(e, range(SEEDS)) for e in all_exercises() if e.framework == framework
    }
    asked = {exercise: len(questions) for exercise, questions in found.items() if questions}
    assert sum(asked.values()) > 500 and 2 * len(asked) > len(found)


# ---------------------------------------------------------------------------------- silence


@pytest.mark.parametrize(
    "source",
    [
        "def f(:",
        "def g(x):\n    return x",
        "def f(x):\n    while x:\n        x -= 1\n    return x",
        "def f(x):\n    yield x",
        "def f(x):\n    out = np.empty(3)\n    out[:] = x\n    return out",
    ],
)
def test_the_tracer_is_silent_where_it_is_not_sure(source):
    assert text_of(source, "f") is None


def test_a_text_that_is_not_the_functions_is_not_asked_about():
    """After a cell was edited and not run, the text at hand is another function's."""
    functions = expectations.reference(FORWARD)
    source = misconceptions.reference_source(FORWARD, FORWARD.function)
    assert own(FORWARD, functions, source) is not None
    assert own(FORWARD, functions, source.replace("np.sqrt(var + eps)", "np.sqrt(var) + 1")) is None


def test_what_is_random_or_cannot_be_compared_is_unsure():
    assert same(object(), object()) is None
    assert same(np.ones(2), np.ones(2) + 1e-9) is None
    assert same((np.ones(2), {"a": 1}), (np.ones(2), {"a": 2})) is False
    assert same(np.ones(2), np.ones(3)) is False and same(np.ones(2), np.ones(2)) is True


def test_tracing_leaves_arguments_and_debuggers_alone():
    def change(x):
        x += 1
        return x

    x = np.zeros(3)
    assert traced(change, (x,)).shapes == {"x": (3,)} and not x.any()
    sys.settrace(lambda *_: None)
    try:
        assert traced(change, (x,)) is None
    finally:
        sys.settrace(None)


# ---------------------------------------------------------------------------------- asking


def test_no_kind_comes_three_times_running_and_never_more_than_two():
    found = {kind: [kind] for kind in (SHAPE, READS, VALUE, WITHOUT)}
    before = []
    for seed in range(SEEDS):
        chosen = choose(found, random.Random(seed), before)
        assert 1 <= len(chosen) <= MOST and len(set(chosen)) == len(chosen)
        before += chosen
    assert all(len(set(three)) > 1 for three in zip(before, before[1:], before[2:], strict=False))
    assert choose({SHAPE: [SHAPE]}, random.Random(0), [SHAPE, SHAPE]) == []


def test_to_skip_is_free_and_a_wrong_answer_shows_the_trace():
    functions = expectations.reference(FORWARD)
    source = misconceptions.reference_source(FORWARD, FORWARD.function)

    def said(typed):
        told = []
        rng = random.Random(1)
        ask_about(FORWARD, functions, source, rng, [], lambda _: typed, told.append)
        return "\n".join(map(str, told))

    assert said("").count("Skipped.") == MOST
    assert said("999").count("Not so. ") == MOST and "Lines that ran: 2, 3" in said("999")


def test_of_a_class_nothing_is_asked_and_the_reason_is_said():
    exercise = next(e for e in all_exercises() if e.kind == "class")
    told = []
    ask_about(exercise, {}, "", random.Random(0), [], pytest.fail, told.append)
    assert len(told) == 1 and f"{exercise.function} is a class" in told[0]


def test_in_a_notebook_only_what_passed_is_asked_about(monkeypatch, capsys):
    kept = Attempts()
    monkeypatch.setattr(checks, "_attempts", lambda: kept)
    monkeypatch.setattr(checks, "_last", None)
    monkeypatch.setattr("builtins.input", lambda _: "")
    checks.questions()
    assert "Pass the check" in capsys.readouterr().out
    functions = expectations.reference(FORWARD)
    checks.check(FORWARD.id, *functions.values())
    capsys.readouterr()
    checks.questions()
    assert "Skipped." in capsys.readouterr().out
    wrong = misconceptions.functions_of(misconceptions.of(FORWARD.id)[0])
    checks.check(FORWARD.id, *wrong.values())
    capsys.readouterr()
    checks.questions()
    assert "Pass the check" in capsys.readouterr().out


def test_a_file_gives_its_functions_and_runs_nothing_else(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("import numpy as np\nEPS = 1\ndef f(x):\n    return x\nraise SystemExit\n")
    assert functions_in(source_of(path))["f"](3) == 3
    for odd in ("no.ipynb", "odd.ipynb"):
        (tmp_path / "odd.ipynb").write_text("[1]")
        with pytest.raises(LearnerError, match="cannot be read"):
            source_of(tmp_path / odd)


def test_of_two_functions_of_one_name_the_one_before_the_check_is_meant(tmp_path):
    def cell(source, grade_id=""):
        settings = {"nbgrader": {"grade_id": grade_id}} if grade_id else {}
        return {"cell_type": "code", "source": [source], "metadata": settings}

    path = tmp_path / "02.ipynb"
    cells = [
        cell("def f(x):\n    return 1"),
        cell("%matplotlib inline"),
        cell("check(f)", FORWARD.grade_id + CHECK),
        cell("def f(x):\n    return 2"),
    ]
    path.write_text(json.dumps({"cells": cells}))
    assert functions_in(source_of(path, FORWARD.grade_id))["f"](0) == 1
    assert functions_in(source_of(path))["f"](0) == 2
    assert text_of(source_of(path), "f").lines[-1].strip() == "return 2"
