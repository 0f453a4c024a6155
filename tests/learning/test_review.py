"""Review: right keys, boxes that move, a week that goes by, and the same in a browser."""

import datetime
import itertools
import json
import re

import numpy as np
import pytest

from autograder import check as checks
from autograder import expectations, misconceptions
from autograder.checking.attempts import FIELDS, Attempts
from autograder.checking.ladder import in_words_of, shown, values_of
from autograder.exercises import all_exercises, find
from autograder.learning import items as module
from autograder.learning.errors import LearnerError
from autograder.learning.history import History
from autograder.learning.items import items_for
from autograder.learning.review import (
    A_DAY,
    DAYS,
    Box,
    Review,
    ask_all,
    boxes_in,
    calendar_of,
    days_ahead,
    link_of,
    opened,
    read_review,
    write_review,
)
from autograder.learning.review_page import page_of
from autograder.learning.shelf import LOG

FORWARD = find("normalization.batchnorm_forward")
NOW = datetime.datetime(2026, 11, 28, 18, 0)
DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def provider():
    return expectations.live(expectations.public_seed)


def entry(name, time=NOW, exercise=FORWARD, score=0.0):
    values = [exercise.id, "c", score, exercise.points, [name] if name else [], 0]
    return dict(zip(FIELDS, values, strict=True)) | {"time": time.isoformat()}


def mistakes(number):
    return [entry(record.name) for record in misconceptions.of(FORWARD.id)[:number]]


def reviewed(provider, number, now=NOW):
    review = Review()
    review.add(History(tuple(mistakes(number))), provider, now)
    return review


# ---------------------------------------------------------------------------------- items


def keys_are_right(exercise, record, provider):
    """Hold every key against the reference and the wrong answer, run anew."""
    right = expectations.reference(exercise)
    programs = {in_words_of(exercise, program): program for program in exercise.small}
    forms = items_for(exercise.id, record.name, provider, passed=True)
    for item in (item for item in forms if item["code"]):
        program = programs[item["code"]]
        wrong = misconceptions.functions_of(record)  # anew: one may remember its calls
        keys = [shown(values_of(exercise, f, program), module.DIGITS) for f in (right, wrong)]
        picked = [item["choices"][i] for i in item["right"]]
        assert picked == [keys[item["form"] == "which is wrong"]]
        assert set(keys) <= set(item["choices"]) and keys[0] != keys[1]
        assert len(set(item["choices"])) == len(item["choices"])
    return [item["form"] for item in forms]


def test_keys_of_one_exercise_are_right(provider):
    for record in misconceptions.of(FORWARD.id):
        forms = keys_are_right(FORWARD, record, provider)
        assert forms[-1] == "write it again"


@pytest.mark.slow
def test_keys_of_every_exercise_are_right(provider):
    asked = 0
    for exercise in (e for e in all_exercises() if e.small):
        for record in misconceptions.of(exercise.id):
            wrong = provider.wrong_small(exercise)[record.name]
            if None not in wrong:
                asked += "predict" in keys_are_right(exercise, record, provider)
    assert asked > 100


@pytest.mark.parametrize("exercise_id", [FORWARD.id, "optim.adam"])
def test_the_wrong_line_makes_the_mistake(exercise_id, provider):
    """What is put in place of the wrong lines is all that parts the shown code from the right."""
    exercise, found = find(exercise_id), 0
    right = module._body(misconceptions.reference_source(exercise, exercise.function))
    for record in misconceptions.of(exercise_id):
        for item in items_for(exercise_id, record.name, provider, passed=True):
            if item["form"] == "which line":
                left = [c for i, c in enumerate(item["choices"]) if i not in item["right"]]
                assert set(left) <= set(right) and len(item["right"]) <= module.FEW
                assert {item["choices"][i] for i in item["right"]} - set(right)
                found += 1
    assert found > 3


def test_wrong_code_is_shown_only_after_the_exercise_is_passed(provider):
    forms = [i["form"] for i in items_for(FORWARD.id, "no eps", provider, passed=False)]
    assert forms == ["predict", "which is wrong", "write it again"]
    assert "which line" in [i["form"] for i in items_for(FORWARD.id, "no eps", provider, True)]


def test_a_mistake_of_another_version_can_still_be_written_again(provider):
    (item,) = items_for(FORWARD.id, "no longer known", provider, passed=True)
    assert item["form"] == "write it again"
    review = Review()
    history = History((entry("no eps") | {"exercise": "family.gone"},))
    review.add(history, provider, NOW)
    assert not review.boxes


def test_outputs_that_are_nearly_the_same_are_not_asked_about():
    a, b = (np.array([1.0, 2.0]),), (np.array([1.005, 2.0]),)
    assert not module._apart(a, b) and module._apart(a, (np.array([1.5, 2.0]),))
    assert not module._apart(a, None) and module._apart(a, (np.ones(3),))


def test_a_kit_asks_the_same_from_its_recordings(tmp_path, provider):
    expectations.record([FORWARD], tmp_path)
    kit = expectations.recorded(tmp_path)
    for name in provider.hints(FORWARD):
        assert items_for(FORWARD.id, name, kit, False) == items_for(
            FORWARD.id, name, provider, False
        )


# ---------------------------------------------------------------------------------- boxes


def test_a_week_of_review(provider):
    """Twelve mistakes: five questions a day, every mistake in its turn, a wrong one comes back."""
    review, served = reviewed(provider, 12), []
    assert len(review.boxes) == 12
    for day in range(7):
        now = NOW + day * DAY
        today = review.due(now)
        assert len(today) <= A_DAY and len(review.due(now)) == len(today)
        for key, item in today:
            is_right = (day, key) != (0, today[0][0])
            choice = item["right"][0] if is_right else len(item["choices"])
            assert review.answer(key, choice, now) == is_right
            assert review.boxes[key].due > now.date().isoformat()
        served.append([key for key, _ in today])
        assert not review.due(now) or len(today) < A_DAY
    assert [len(keys) for keys in served[:3]] == [A_DAY] * 3
    assert {key for keys in served for key in keys} == set(review.boxes)
    assert served[0][0] in served[1] + served[2] + served[3]


def test_boxes_wait_twice_as_long_and_a_wrong_answer_starts_over():
    box, waits = Box(1, NOW.date().isoformat()), []
    for _ in range(6):
        box = box.after(True, NOW)
        waits.append((datetime.date.fromisoformat(box.due) - NOW.date()).days)
    assert waits == [2, 4, 8, 16, 16, 16]
    assert box.after(False, NOW).box == 1
    assert all(b == 2 * a for a, b in itertools.pairwise(DAYS))


def test_the_same_mistake_in_a_later_check_comes_back(provider):
    review = reviewed(provider, 1)
    ((key, item),) = review.due(NOW)
    review.answer(key, item["right"][0], NOW)
    again = entry(misconceptions.of(FORWARD.id)[0].name, NOW + DAY)
    review.add(History((again,)), provider, NOW + DAY)
    assert review.boxes[key].box == 1 and review.due(NOW + DAY)


def test_each_box_asks_in_another_form(provider):
    review = reviewed(provider, 1)
    (key,) = review.boxes
    forms = []
    for box in range(1, len(review.items[key]) + 1):
        review.boxes[key] = Box(box, "2026-01-01")
        forms.append(review.question(key)["form"])
    assert len(set(forms)) == len(forms) > 1


def test_two_devices_are_merged_by_the_last_answer_and_nothing_is_lost():
    early, late = "2026-11-20T10:00:00", "2026-11-21T10:00:00"
    ours = Review({"a": Box(3, "2026-12-01", early), "b": Box(2, "2026-12-01", late)})
    theirs = {"a": Box(1, "2026-11-22", late), "b": Box(1, "2026-11-22", early), "c": Box()}
    ours.merge(theirs)
    assert {key: box.box for key, box in ours.boxes.items()} == {"a": 1, "b": 2, "c": 1}


def test_a_clock_that_jumped_is_one_line_and_keeps_nothing_away(provider):
    review = reviewed(provider, 3)
    for key in review.boxes:
        review.boxes[key] = review.boxes[key].after(True, NOW + 900 * DAY)
    assert not review.due(NOW)
    review.settle(NOW)
    assert len(review.due(NOW)) == 3 and len(review.remarks) == 1
    review.settle(NOW)
    assert len(review.remarks) == 1


# ---------------------------------------------------------------------------------- files


def test_the_file_comes_back_as_it_was(tmp_path, provider):
    review = reviewed(provider, 2)
    write_review(tmp_path / "review.json", review)
    assert read_review(tmp_path / "review.json") == review
    assert boxes_in(str(tmp_path / "review.json")) == review.boxes
    assert boxes_in("review.html#" + link_of(review.boxes)) == review.boxes
    assert set(json.loads((tmp_path / "review.json").read_text())["items"]) == set(review.boxes)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"format": 1}',
        '{"format": 1, "boxes": {"a": [9, "2026-11-28", ""]}, "items": {}}',
        '{"format": 1, "boxes": {"a": [1, "someday", ""]}, "items": {}}',
        '{"format": 1, "boxes": {"a": [1, "2026-11-28", "noon"]}, "items": {}}',
        '{"format": 1, "boxes": {}, "items": {"a": [{"form": "predict"}]}}',
        '{"format": 1, "boxes": {}, "items": {"a": ["predict"]}}',
    ],
)
def test_a_damaged_file_is_put_aside_and_one_line_says_so(tmp_path, text):
    path = tmp_path / "review.json"
    path.write_text(text)
    review = read_review(path)
    assert not review.boxes and len(review.remarks) == 1
    assert (tmp_path / "review.damaged.json").read_text() == text and not path.exists()


def test_a_newer_file_is_left_alone(tmp_path):
    path = tmp_path / "review.json"
    path.write_text('{"format": 2}')
    with pytest.raises(LearnerError, match="update"):
        read_review(path)
    assert path.read_text() == '{"format": 2}'
    for source in ("page.html#no-boxes", str(path), str(tmp_path)):
        with pytest.raises(LearnerError, match="neither"):
            boxes_in(source)


def test_answers_are_asked_taken_and_kept(tmp_path, provider):
    path, told, kept = tmp_path / "review.json", [], []
    review = opened(path, History(tuple(mistakes(3))), provider, NOW)
    (first, item), (second, other), _ = review.due(NOW)
    wrong = next(i for i in range(4) if i not in other["right"])
    typed = iter([str(item["right"][0] + 1), str(wrong + 1), ""])
    ask_all(review, NOW, lambda _: next(typed), told.append, lambda: kept.append(1))
    assert review.boxes[first].box == 2 and review.boxes[second].box == 1
    assert len(kept) == 2 and len(review.due(NOW)) == 1  # what was skipped stays
    said = "\n".join(told)
    assert "Right.\n" in said and "Not so. Right is: " in said and said.endswith("Skipped.")


def test_review_in_a_notebook_keeps_what_was_answered(tmp_path, monkeypatch, capsys):
    log = tmp_path / LOG
    log.write_text("".join(json.dumps(line) + "\n" for line in mistakes(1)))
    monkeypatch.setattr(checks, "_attempts", lambda: Attempts(log))
    monkeypatch.setattr("builtins.input", lambda _: "1")
    checks.review()
    (box,) = read_review(tmp_path / "review.json").boxes.values()
    assert box.answered and ("Right." in capsys.readouterr().out) == (box.box == 2)
    checks.review()
    assert "Nothing is due today" in capsys.readouterr().out
    monkeypatch.setattr(checks, "recorder", lambda *_: None)
    checks.review()
    assert capsys.readouterr().out == ""  # where submissions are graded


def test_the_calendar_has_the_days_on_which_something_waits(provider):
    review = reviewed(provider, 12)
    assert list(days_ahead(review, NOW).values()) == [5, 2]
    text = calendar_of(review, NOW)
    assert text.count("BEGIN:VEVENT") == text.count("END:VEVENT") == 2
    assert re.findall(r"DTSTART;VALUE=DATE:(\d+)\r\n", text) == ["20261129", "20261130"]
    assert all(len(line) <= 75 for line in text.split("\r\n")) and text.count("\n") == text.count(
        "\r\n"
    )
    assert "VEVENT" not in calendar_of(Review(), NOW)


# ---------------------------------------------------------------------------------- the page


def test_the_page_is_one_file_and_escapes_its_data(provider):
    review = reviewed(provider, 1)
    ((key, forms),) = review.items.items()
    review.items[key] = [forms[0] | {"why": "</script><b>"}]
    page = page_of(review)
    assert "</script><b>" not in page and not re.search(r"(?:src|href)=\"(?!#)", page)
    assert "://" not in page  # it asks no other host for anything
