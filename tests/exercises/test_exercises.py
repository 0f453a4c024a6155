"""Laws of every exercise of the course, by discovery: a new one is tested by existing."""

import ast
import inspect
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from built_ins import BUILT_INS, REMARKED, WITHOUT, built_ins_for
from providers import provider

from autograder import exercises, expectations, misconceptions
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import observe
from autograder.checking.spec import KILLS_A_BUG, Misconception
from autograder.quality.measure import seeded

EXERCISES = exercises.all_exercises()
# PyTorch runs the very scenarios of NumPy at three times the cost; `make grader-quality` tries 200.
SEEDS = {"numpy": 20, "torch": 4}
FEW = {"numpy": 1, "torch": 1}  # of these, tried in `make test`
ROOM = 0.75  # of the tolerance that a right answer may need (seen: 0.54)
for_every_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)


def report_on(exercise, functions, number=0):
    """Return the report on functions with the seeds of this number; 0 are the public ones."""
    seen = observe(exercise, functions, seeded(number))
    return judge_exercise(exercise, seen, provider(number))


def remarks(report):
    return {row.remark for row in report.rows if row.remark}


def not_written(*args, **options):
    raise NotImplementedError("not written yet")


def assert_full_marks(report, remark=""):
    assert report.score == report.points, str(report)
    assert remarks(report) == ({remark} if remark else set()), str(report)
    assert not report.misconceptions
    assert not any(row.hint or row.message for row in report.rows), str(report)


def assert_leaves_room(exercise, seen):
    """No value is off by almost the tolerance: another processor would round it out of that.

    What is off by more and right all the same is compared in another way.
    """
    for check in exercise.checks:
        expected = provider().expected(exercise, check)
        for key, value in seen[check.name].arrays.items():
            right = expected.arrays.get(key)
            if not key.startswith("_") and right is not None and value.shape == right.shape:
                off = np.nanmax(np.abs(value.astype(float) - right), initial=0.0)
                bound = expected.tolerance(key, value.dtype)
                assert not ROOM * bound < off <= bound, f"{check.name}, {key}: {off} of {bound}"


# ---------------------------------------------------------------------------------- right answers


@for_every_exercise
def test_the_reference_earns_full_marks_and_is_not_diagnosed(exercise):
    assert_full_marks(report_on(exercise, expectations.reference(exercise)))


@for_every_exercise
def test_every_variant_earns_full_marks_with_its_remark(exercise):
    for variant in misconceptions.variants_of(exercise.id):
        seen = observe(exercise, misconceptions.functions_of(variant), expectations.public_seed)
        assert_full_marks(judge_exercise(exercise, seen, provider()), variant.remark)
        assert_leaves_room(exercise, seen)


def as_typed(value):
    """Return what somebody types for an array: a list, of whole numbers where they are whole."""
    if isinstance(value, tuple):
        return tuple(map(as_typed, value))
    if getattr(value, "dtype", None) == np.float32:  # this precision is part of the question
        return value
    whole = np.all(np.asarray(value) == np.round(value))
    return np.asarray(value, int if whole else None).tolist()


KILLERS = [exercise for exercise in EXERCISES if exercise.no_small == KILLS_A_BUG]


@pytest.mark.parametrize("exercise", KILLERS, ids=lambda e: e.id)
def test_an_input_that_kills_a_bug_may_be_typed_as_a_list_of_whole_numbers(exercise):
    functions = expectations.reference(exercise)
    find = functions[exercise.function]
    typed = {exercise.function: lambda *args: as_typed(find(*args))}
    assert_full_marks(report_on(exercise, functions | typed))


WITH_BUILT_IN = [exercise for exercise in EXERCISES if built_ins_for(exercise)]


@pytest.mark.parametrize("exercise", WITH_BUILT_IN, ids=lambda e: e.id)
def test_the_built_in_earns_full_marks(exercise):
    """Where its convention is another one, it earns the remark of the Variant with that."""
    variants = {v.name: v.remark for v in misconceptions.variants_of(exercise.id)}
    convention = REMARKED.get(exercise.function)
    free = replace(exercise, forbidden=(), needs_autograd=True)
    seen = observe(free, built_ins_for(exercise), expectations.public_seed)
    report = judge_exercise(exercise, seen, provider())
    assert_full_marks(report, variants[convention] if convention else "")
    assert_leaves_room(exercise, seen)


def test_every_function_has_a_built_in_or_a_reason_for_none():
    asked = {exercise.function for exercise in EXERCISES}
    assert asked == {e.function for e in WITH_BUILT_IN} | set(WITHOUT)
    assert not set(WITHOUT) & set(BUILT_INS) and set(REMARKED) <= set(BUILT_INS)
    assert all(len(why) > 10 for why in WITHOUT.values())


@for_every_exercise
def test_right_answers_stay_right_with_a_few_other_seeds(exercise):
    assert_right_answers_stay_right(exercise, range(1, FEW[exercise.framework] + 1))


@pytest.mark.slow
@for_every_exercise
def test_right_answers_stay_right_with_many_other_seeds(exercise):
    numbers = range(FEW[exercise.framework] + 1, SEEDS[exercise.framework] + 1)
    assert_right_answers_stay_right(exercise, numbers)


def assert_right_answers_stay_right(exercise, numbers):
    """The reference and, by turns, one of its variants."""
    variants = misconceptions.variants_of(exercise.id)
    for number in numbers:
        assert_full_marks(report_on(exercise, expectations.reference(exercise), number))
        variant = variants[number % len(variants)]
        report = report_on(exercise, misconceptions.functions_of(variant), number)
        assert_full_marks(report, variant.remark)


# ---------------------------------------------------------------------------------- wrong answers


@for_every_exercise
def test_the_stub_earns_nothing_and_is_told_apart_from_a_mistake(exercise):
    stub = report_on(exercise, expectations.reference(exercise) | {exercise.function: not_written})
    assert stub.score == 0
    assert {(row.message, row.hint) for row in stub.rows} == {("not written yet", "")}


@for_every_exercise
def test_every_misconception_loses_points_and_is_named(exercise):
    """By its own name or that of a synonym, with the hint that belongs to it."""
    for known, report in provider().reports(exercise):
        assert report.score < report.points, known.name
        synonyms = misconceptions.synonyms_of(exercise.id, known.name)
        hints = {r.hint for r in misconceptions.of(exercise.id) if r.name in synonyms}
        assert synonyms & set(report.misconceptions), (known.name, report.misconceptions)
        assert hints & {row.hint for row in report.rows}


@for_every_exercise
def test_no_check_is_idle(exercise):
    failed = set()
    for _, report in provider().reports(exercise):
        failed |= {row.check for row in report.rows if row.earned < row.points}
    assert failed == {check.name for check in exercise.checks}


# ---------------------------------------------------------------------------------- records


@for_every_exercise
def test_there_are_three_wrong_and_three_other_right_answers_at_least(exercise):
    for records in (misconceptions.of(exercise.id), misconceptions.variants_of(exercise.id)):
        assert len(records) >= 3
        assert len({record.name for record in records}) == len(records)
        for record in records:
            changed = {name.partition(".")[0] for name in (*record.edits, *record.functions)}
            assert changed <= set(exercise.functions)


@for_every_exercise
def test_records_differ_from_the_reference(exercise):
    for record in (*misconceptions.of(exercise.id), *misconceptions.variants_of(exercise.id)):
        assert record.edits or record.functions, record.name
        for name, text in misconceptions.texts_of(record).items():
            assert text != misconceptions.reference_source(exercise, name), record.name
        for old, new in (edit for edits in record.edits.values() for edit in edits):
            assert misconceptions.in_words_of(exercise, old) != new


@pytest.mark.parametrize("old", ["no such text", "x"])
def test_an_edit_must_apply_exactly_once(old):
    edits = {"batchnorm_forward": ((old, "1"),)}
    record = Misconception("normalization.batchnorm_forward", "unclear", "hint", edits)
    with pytest.raises(ValueError, match="must apply once, but the reference holds it"):
        misconceptions.functions_of(record)


def solution_parts(exercise):
    """Yield the statements of the reference, and the values that they compute, as text."""
    for name in exercise.functions:
        function = ast.parse(misconceptions.reference_source(exercise, name)).body[0]
        for node in ast.walk(function):
            if isinstance(node, ast.stmt) and node is not function:
                yield ast.unparse(node)
            if isinstance(node, ast.Assign | ast.Return) and not isinstance(
                node.value, ast.Name | ast.Constant
            ):
                yield ast.unparse(node.value)


def without_spaces(text):
    return re.sub(r"\s", "", text)


@for_every_exercise
def test_no_hint_holds_a_line_of_the_reference(exercise):
    parts = {without_spaces(part) for part in solution_parts(exercise)}
    assert len(parts) > 1
    for record in misconceptions.of(exercise.id):
        held = [part for part in parts if part in without_spaces(record.hint)]
        assert not held, (record.name, held)


@for_every_exercise
def test_hints_are_sentences_that_ask_or_say_something(exercise):
    for record in misconceptions.of(exercise.id):
        assert record.hint == record.hint.strip() and record.hint[-1] in ".?"
        assert len(record.hint) > 40, "a hint explains"
    for variant in misconceptions.variants_of(exercise.id):
        assert not variant.remark or variant.remark.endswith(".")


@for_every_exercise
def test_the_equivalent_mutants_have_a_reason(exercise):
    assert all(len(why) > 10 for why in misconceptions.equivalent_of(exercise.id).values())


def test_ids_are_unique_and_name_functions_of_the_library():
    assert len({exercise.id for exercise in EXERCISES}) == len(EXERCISES)
    for exercise in EXERCISES:
        middle = "torch." if exercise.framework == "torch" else ""
        assert exercise.id == f"{exercise.family}.{middle}{exercise.function}"
        written = expectations.reference(exercise)[exercise.function]
        assert inspect.isclass(written) == (exercise.kind == "class")
        assert exercises.find(exercise.id) is exercise
        assert len(exercise.grade_id + "-solution") <= 64 and "." not in exercise.grade_id
        assert (
            set(expectations.reference(exercise))
            == set(exercise.functions)
            == set(exercise.returns)
        )


@for_every_exercise
def test_checks_have_names_and_points(exercise):
    names = [check.name for check in exercise.checks]
    assert len(set(names)) == len(names)
    assert all(check.points > 0 and len(check.name) < 80 for check in exercise.checks)


@for_every_exercise
def test_seeds_differ_from_check_to_check_and_follow_the_secret(exercise):
    seeds = [
        seed_of(exercise, check)
        for seed_of in (
            expectations.public_seed,
            expectations.secret_seed(b"one", "02"),
            expectations.secret_seed(b"two", "02"),
            expectations.secret_seed(b"one", "03"),
        )
        for check in exercise.checks
    ]
    assert len(set(seeds)) == len(seeds)


def test_an_unknown_id_names_the_nearest():
    with pytest.raises(KeyError, match=r"did you mean 'normalization\.fold_batchnorm'"):
        exercises.find("normalization.fold_batchnrom")


# ---------------------------------------------------------------------------------- the scenarios


def arrays_of(exercise, number=0):
    return {check.name: provider(number).expected(exercise, check) for check in exercise.checks}


WITH_INPUTS = [exercise for exercise in EXERCISES if exercise.function != "separating_input"]


@pytest.mark.parametrize("exercise", WITH_INPUTS, ids=lambda e: e.id)
def test_scenarios_are_no_accident_of_their_seed(exercise):
    """Other seeds give other numbers, none of them empty or the same everywhere."""
    for check in exercise.checks:
        first, other = (arrays_of(exercise, number)[check.name].arrays for number in (1, 2))
        visible = [key for key in first if not key.startswith("_") and first[key].ndim]
        for key in visible:
            assert first[key].size > 1 and first[key].std() > 0, (check.name, key)
            assert first[key].shape == other[key].shape
            assert (first[key] != other[key]).any()


def test_shapes_are_awkward():
    """No two axes are equally long, so that a mixed-up axis shows."""
    for exercise in EXERCISES:
        for expected in arrays_of(exercise).values():
            for key, array in expected.arrays.items():
                if key.startswith("_") or array.ndim < 2:
                    continue
                lengths = sorted(length for length in array.shape if length > 1)
                assert all(a < b for a, b in pairwise(lengths)), (exercise.id, key)


def test_functions_take_what_the_scenarios_pass():
    """A reference has as many parameters as its exercise's stub shows."""
    for exercise in EXERCISES:
        for name, function in expectations.reference(exercise).items():
            parameters = inspect.signature(function).parameters.values()
            assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters), name


def test_what_may_learn_is_seen_to_learn_however_numbers_round():
    """By sums a head would stand still in some epochs: its classes share one."""
    exercise = exercises.find("transfer.torch.finetune")
    check = next(check for check in exercise.checks if "thaw" in check.name)
    for number in range(8):
        learnt = expectations.live(seeded(number)).expected(exercise, check).arrays["learnt"]
        assert learnt[:, -1].all()
        assert (np.diff(learnt.astype(int), axis=0) >= 0).all(), "what has thawed goes on"
