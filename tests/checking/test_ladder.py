"""Hints that grow: the smallest input that parts right from theirs, where to read, what is kept."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from providers import provider

from autograder import check as checks
from autograder import exercises, expectations, misconceptions
from autograder.checking.attempts import Attempts, digest_of
from autograder.checking.judge import follow_through, matches, verdict_on
from autograder.checking.ladder import Hint, Part, reading, smallest_difference, tags_in
from autograder.checking.observe import Implementation, observe_check
from autograder.checking.report import Report, Row
from autograder.checking.spec import KILLS_A_BUG
from autograder.exercises import all_exercises

FORWARD = exercises.find("normalization.batchnorm_forward")
ALL = all_exercises()
WITH_SMALL = [exercise for exercise in ALL if exercise.small]
NUMPY = [exercise for exercise in ALL if exercise.framework == "numpy"]
SLOW_IN_TORCH = [
    pytest.param(e, marks=pytest.mark.slow) if e.framework == "torch" and e.kind != "class" else e
    for e in WITH_SMALL  # the programs of the two frameworks are the same
]
for_every_small = pytest.mark.parametrize("exercise", WITH_SMALL, ids=lambda e: e.id)


def right(exercise):
    return provider().small(exercise)


def known(exercise, name):
    (record,) = (m for m in misconceptions.of(exercise.id) if m.name == name)
    return misconceptions.functions_of(record)


# ---------------------------------------------------------------------------------- laws


def test_every_exercise_has_small_inputs_or_says_why_not():
    assert [e.id for e in ALL if bool(e.small) == bool(e.no_small)] == []
    told = [e.id for e in ALL if e.title.startswith("Kill the bug")]
    assert told == [e.id for e in ALL if e.no_small == KILLS_A_BUG]


def test_every_numpy_exercise_says_what_to_look_at():
    assert [e.id for e in ALL if bool(e.look) != (e in NUMPY)] == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("exercise", NUMPY, ids=lambda e: e.id)
def test_a_look_shows_what_the_answer_does(exercise, capsys):
    """On the reference it prints something, and it waits for the answer."""
    space = {"np": np} | {helper.__name__: helper for helper in exercise.given}
    for other in NUMPY:
        space |= expectations.reference(other)
    exec(exercise.look, dict(space))
    assert re.search(r"\w", capsys.readouterr().out)

    def unwritten(*args, **settings):
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        exec(exercise.look, space | {exercise.function: unwritten})


@for_every_small
def test_the_reference_and_every_variant_agree_on_every_small_input(exercise):
    values, conventions = right(exercise), provider().conventions(exercise)
    assert all(array.size for arrays in values for array in arrays)
    answers = [expectations.reference(exercise)]
    answers += map(misconceptions.functions_of, misconceptions.variants_of(exercise.id))
    for functions in answers:
        assert smallest_difference(exercise, functions, values, conventions) is None


@pytest.mark.parametrize("exercise", SLOW_IN_TORCH, ids=lambda e: e.id)
def test_small_inputs_part_known_wrong_answers_from_right(exercise):
    """Nine in ten of those whose values differ in double precision, by the checks' own judges."""
    values, conventions, parted, missed = right(exercise), provider().conventions(exercise), 0, []
    for record in misconceptions.of(exercise.id):
        functions = misconceptions.functions_of(record)
        if smallest_difference(exercise, functions, values, conventions):
            parted += 1
        elif any(_shows_a_value(exercise, check, functions) for check in exercise.checks):
            missed.append(record.name)
    assert parted >= 9 * len(missed), missed


def _shows_a_value(exercise, check, functions):
    """Say whether a check that one answer passes finds numbers wrong, even in double precision.

    Not asked are checks of types, of inputs that were changed, of errors, and those at which more
    than one answer is right.
    """
    if check.judge not in (None, matches, follow_through):
        return False
    impl = Implementation(functions, exercise, lambda array: array.astype(float))
    seen = observe_check(impl, exercise, check, expectations.public_seed(exercise, check))
    wrong = verdict_on(check, seen, exercise, provider()).wrong
    return any(not key.endswith(" after the call") for key in wrong)


@for_every_small
def test_small_inputs_are_small_and_come_smallest_first(exercise):
    assert all(len(program) < 400 for program in exercise.small)
    assert all(a.size <= 12 for arrays in right(exercise) for a in arrays)


# ---------------------------------------------------------------------------------- rungs


def test_both_values_are_shown_with_the_program():
    part = smallest_difference(FORWARD, known(FORWARD, "eps outside the root"), right(FORWARD))
    program, _, values = part.code.partition("\n\n")
    assert program in FORWARD.small
    assert values.startswith("right: ") and "\nyours: " in values
    theirs = values.partition("yours: ")
    assert theirs[0].removeprefix("right: ").strip() != theirs[2].strip()


def test_in_pytorch_the_program_is_in_its_words():
    exercise = exercises.find("normalization.torch.batchnorm_forward")
    part = smallest_difference(exercise, known(exercise, "eps outside the root"), right(exercise))
    assert "torch.tensor(" in part.code and "np." not in part.code


def test_a_crash_is_a_difference():
    def crash(*args):
        raise KeyError("mode")

    part = smallest_difference(FORWARD, {FORWARD.function: crash}, right(FORWARD))
    assert "yours: KeyError: 'mode'" in part.code


def test_the_kit_shows_the_same(tmp_path):
    expectations.record([FORWARD], tmp_path)
    kit, full = expectations.recorded(tmp_path), expectations.live(expectations.public_seed)
    wrong = known(FORWARD, "eps outside the root")
    ours, theirs = (smallest_difference(FORWARD, wrong, p.small(FORWARD)) for p in (kit, full))
    assert ours == theirs is not None
    assert kit.tags(FORWARD) == full.tags(FORWARD)


def test_where_to_read():
    tags = tags_in("a = 1  # BN.2\nb = 2  # BN.1, (N,)\nc = 3  # DBN.4\nd = 'BN.9'")
    assert tags == ("BN.2", "BN.1", "DBN.4")
    assert reading(FORWARD, tags) == (
        "Read once more: (BN.1) to (BN.2), (DBN.4), slides 11–13, and the text above this exercise."
    )


def test_text_and_html_say_the_same_whatever_is_in_it():
    hint = Hint((Part("First <b>:", "x < 1\ny & 2"), Part("Then.")))
    assert str(hint) == "First <b>:\n    x < 1\n    y & 2\nThen."
    page = hint._repr_html_()
    assert "First &lt;b&gt;:" in page and "x &lt; 1\ny &amp; 2" in page and "<b>" not in page
    assert "color:#" not in page  # readable on light and on dark: no colour of its own


# ---------------------------------------------------------------------------------- attempts


def report(score):
    return Report("family.f", "F", (Row("one", 2, score, "differs"),))


def test_other_code_that_fails_goes_one_rung_further_and_the_same_code_does_not():
    attempts = Attempts()
    rungs = [attempts.note(report(0), code) for code in ("a", "a", "b", "b", "c", "d")]
    assert rungs == [2, 2, 3, 3, 4, 4]
    assert attempts.note(report(2), "e") == 0
    assert attempts.note(report(1), "f") == 2


def test_asking_goes_on_too_and_costs_nothing():
    attempts = Attempts()
    assert attempts.climb("family.f") == 0
    attempts.note(report(0), "a")
    assert [attempts.climb("family.f") for _ in range(3)] == [3, 4, 4]
    assert attempts.latest("family.f")["score"] == 0
    attempts.note(report(2), "b")
    assert attempts.climb("family.f") == 0


def test_the_log_is_a_file_that_survives_and_may_hold_anything(tmp_path):
    path = tmp_path / "attempts.jsonl"
    Attempts(path).note(report(0), "a")
    with path.open("a") as file:
        file.write('no json\n{"exercise": 3}\n[]\n')
    again = Attempts(path)
    assert len(again.entries) == 1 and again.note(report(0), "b") == 3
    entry = json.loads(path.read_text().splitlines()[-1])
    assert entry.keys() == {"time", "exercise", "code", "score", "points", "names", "rung"}


def test_a_folder_that_cannot_be_written_to_stops_nothing(tmp_path):
    attempts = Attempts(tmp_path / "missing" / "attempts.jsonl")
    assert attempts.note(report(0), "a") == 2 and attempts.path is None
    assert attempts.note(report(0), "b") == 3


def test_a_digest_follows_the_code_and_not_its_place():
    def make(source):
        namespace = {}
        exec(source, namespace)
        return digest_of({"f": namespace["f"]})

    one = make("def f(x):\n    return x + 1")
    assert one == make("\n\ndef f(x):\n    # a comment\n    return x + 1")
    assert one != make("def f(x):\n    return x + 2")
    layer = "class f:\n    def step(self):\n        return {}"
    assert make(layer.format(1)) != make(layer.format(2))


# ---------------------------------------------------------------------------------- in a notebook


@pytest.fixture
def fresh(monkeypatch):
    kept = Attempts()
    monkeypatch.setattr(checks, "_attempts", lambda: kept)
    monkeypatch.setattr(checks, "_last", None)


def test_check_and_hint_go_up_the_ladder(fresh, capsys):
    wrong = [known(FORWARD, n)["batchnorm_forward"] for n in ("eps outside the root", "no eps")]

    def said(action):
        action()
        return capsys.readouterr().out

    assert "Run the check" in said(checks.hint)
    first = said(lambda: checks.check(FORWARD.id, wrong[0]))
    assert "right: " not in first and "hint: " in first
    assert "right: " not in said(lambda: checks.check(FORWARD.id, wrong[0]))  # nothing changed
    second = said(lambda: checks.check(FORWARD.id, wrong[1]))
    assert "right: " in second and "Read once more" not in second
    third = said(checks.hint)
    assert "right: " in third and "Read once more: (BN.1)" in third
    said(lambda: checks.check(FORWARD.id, *expectations.reference(FORWARD).values()))
    assert "nothing to hint at" in said(checks.hint)


def test_without_small_inputs_the_next_rung_is_where_to_read(fresh, capsys, monkeypatch):
    exercise = replace(FORWARD, small=(), no_small=KILLS_A_BUG)
    monkeypatch.setattr(exercises, "find", lambda name: exercise)
    checks.check(FORWARD.id, known(FORWARD, "no eps")["batchnorm_forward"])
    checks.hint()
    assert "Read once more" in capsys.readouterr().out


def test_nothing_is_written_in_grading(fresh, monkeypatch):
    monkeypatch.setattr(checks, "recorder", lambda exercise, functions: None)
    checks.check(FORWARD.id, np.abs)
    assert not checks._attempts().entries


def test_a_check_that_takes_long_says_so(monkeypatch):
    import io
    import time

    said = io.StringIO()
    monkeypatch.setattr(checks.sys, "stdout", said)
    monkeypatch.setattr(checks, "PATIENCE", 0.05)
    with checks._patience():
        deadline = time.monotonic() + 60  # a busy machine may wake the thread late
        while not said.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "in grading a cell is stopped here" in said.getvalue()
    assert "interrupt" in said.getvalue()


@pytest.mark.parametrize(
    ("history", "others", "said"),
    [
        (["def batchnorm_forward(x:\n  pass"], {}, "syntax error in line 1"),
        (["def batchnorm_forward(x): ...", "1 +"], {}, ""),
        ([], {"batchnorm_foward": "own"}, "You have written batchnorm_foward"),
        ([], {"batchnorm_foward": "imported"}, ""),
        ([], {"unlike": "own"}, ""),
    ],
)
def test_why_what_was_written_is_not_what_was_checked(history, others, said, monkeypatch):
    def own():
        pass

    own.__module__ = "__main__"
    found = {name: own if kind == "own" else np.sum for name, kind in others.items()}

    shell = SimpleNamespace(user_ns={"In": ["", *history], **found}, transform_cell=str)
    monkeypatch.setattr(checks, "_shell", lambda: shell)
    text = checks._never_ran(FORWARD)
    assert said in text and bool(text) == bool(said)


def test_slides_are_told_in_one_way():
    one = replace(FORWARD, slide="12")
    several, none = replace(FORWARD, slide="11–13"), replace(FORWARD, slide="")
    assert [e.slides for e in (one, several, none)] == ["slide 12", "slides 11–13", ""]
