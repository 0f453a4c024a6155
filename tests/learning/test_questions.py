"""Questions on own code: no wrong key for any reference or variant, and silence where unsure."""

import ast
import random

import numpy as np
import pytest

from autograder import expectations, misconceptions
from autograder.checking.observe import undisturbed
from autograder.exercises import all_exercises, find
from autograder.learning import questions as module
from autograder.learning.questions import (
    READS,
    SHAPE,
    VALUE,
    WITHOUT,
    candidates,
    choose,
    own,
)
from autograder.learning.tracing import same

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
    import copy

    names = dict(mine.namespace)
    exec("\n".join(lines), names)
    args = copy.deepcopy(args)
    with np.errstate(all="ignore"):
        return names[mine.text.name](*args), args


def locals_of(mine, args):
    """Return the local variables at the end, by returning them, without any tracer."""

    class Locals(ast.NodeTransformer):
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


def assert_reads(mine, question):
    """Every right line holds the key; without the key at hand, the reading line fails first."""
    key, name = question.text.rpartition("line reads ")[2].rstrip("?").split(" of ")
    lines = [question.choices[i] for i in question.right]
    assert lines
    trapped = [arg for arg in named_args(mine, question) if isinstance(arg, dict)]
    assert any(key.strip("'") in arg for arg in trapped) and name in mine.text.parameters
    held = {i for i, line in enumerate(question.choices) if key in line}
    assert question.right <= held or not held  # a key may stand in a variable


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
        seen = set()
        for seed in seeds if mine else ():
            rng = random.Random(seed)
            found = _found(mine, rng, seed)
            for question in choose(found, rng):
                told = (question.text, question.choices[min(question.right)])
                if told not in seen:
                    seen.add(told)
                    with undisturbed(exercise):
                        ORACLES[question.kind](mine, question)
                    asked.add((question.kind, *told))
    return asked


def _found(mine, rng, seed, kept={}):  # noqa: B006
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
    asked = assert_keys(find(exercise_id), range(20))
    assert len({kind for kind, *_ in asked}) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_keys_of_all_references_and_variants_are_right(framework):
    asked, silent = 0, 0
    for exercise in (e for e in all_exercises() if e.framework == framework):
        found = len(assert_keys(exercise, range(SEEDS)))
        asked, silent = asked + found, silent + (not found)
    print(f"{framework}: {asked} questions, silent on {silent} exercises")
    assert asked > 300
