"""Late days: one budget a student, spent in order of hand-in, whatever the order of the rows."""

import contextlib
import csv
import datetime
import random

import pytest

from autograder.course import feedback
from autograder.course.errors import CourseError
from autograder.course.export.marks import Marks
from autograder.course.export.sheets import write_csv
from autograder.course.late import Arrival, Lateness, days_left, decide
from autograder.course.markbook import Line, Question, absences, drop_lowest, total
from autograder.course.roster import Person, Roster
from autograder.course.settings import (
    LateRule,
    LessonSettings,
    Settings,
    read_settings,
    require_known,
)

DUE = datetime.datetime(2026, 10, 1, 22, 0)
RULE = LateRule(
    days=3, most_per_lesson=2, grace_minutes=15, penalty_per_day=0.1, closed_after_days=7
)


def hours(number):
    return DUE + datetime.timedelta(hours=number)


def settings(rule=RULE, **lessons):
    return Settings(late=rule, lessons=lessons or {name: LessonSettings(due=DUE) for name in "abc"})


@pytest.mark.parametrize(
    ("late", "covered", "charged", "fraction"),
    [
        (-5, 0, 0, 0.0),
        (0, 0, 0, 0.0),
        (0.25, 0, 0, 0.0),  # the grace
        (0.26, 1, 0, 0.0),
        (24, 1, 0, 0.0),
        (24.1, 2, 0, 0.0),
        (60, 2, 1, 0.1),  # three days begun, two may be covered
        (24 * 7, 2, 5, 0.5),
        (24 * 7 + 1, 0, 8, 1.0),  # closed
    ],
)
def test_one_late_lesson(late, covered, charged, fraction):
    found = decide([Arrival("ada", "a", hours(late))], settings())["ada", "a"]
    assert (found.covered, found.charged) == (covered, charged)
    assert found.fraction == pytest.approx(fraction)


def test_the_budget_is_spent_in_the_order_of_hand_in():
    late = [
        Arrival("ada", "b", hours(30)),  # second: two days, one is left
        Arrival("ada", "a", hours(20)),  # first: one day
        Arrival("ada", "c", hours(47)),  # third: two days, none is left
    ]
    found = decide(late, settings())
    used = {lesson: (one.covered, one.charged) for (_, lesson), one in found.items()}
    assert used == {"a": (1, 0), "b": (2, 0), "c": (0, 2)}
    assert days_left(found, settings(), "ada") == 0
    assert days_left(found, settings(), "bob") == 3


@pytest.mark.parametrize("seed", range(20))
def test_nothing_depends_on_the_order_of_rows_and_no_budget_is_overdrawn(seed):
    rng = random.Random(seed)
    late = [
        Arrival(who, lesson, hours(rng.uniform(-50, 200)) if rng.random() < 0.9 else None)
        for who in ("ada", "bob", "zoë")
        for lesson in "abc"
    ]
    found = decide(late, settings())
    assert decide(rng.sample(late, len(late)), settings()) == found
    for who in ("ada", "bob", "zoë"):
        assert 0 <= days_left(found, settings(), who) <= RULE.days
    assert all(0 <= one.fraction <= 1 and one.covered <= 2 for one in found.values())


def test_an_extension_an_excuse_and_a_time_that_nobody_knows():
    lesson = LessonSettings(due=DUE, extensions={"ada": hours(48)}, excused=frozenset({"bob"}))
    late = [
        Arrival("ada", "a", hours(47)),
        Arrival("bob", "a", hours(500)),
        Arrival("carl", "a", None, called_late=True),
        Arrival("dora", "a", None),
    ]
    found = decide(late, settings(a=lesson))
    assert found["ada", "a"] == Lateness()
    assert found["bob", "a"].words == "excused"
    assert found["carl", "a"].words == "late, by how much unknown: nothing was taken off"
    assert found["dora", "a"].words == ""


def test_without_a_rule_nothing_is_taken_off():
    found = decide([Arrival("ada", "a", hours(100))], settings(rule=None))
    assert found["ada", "a"].fraction == 0


# ------------------------------------------------------------------------------------ totals


def line(lesson, earned, of=100.0, bonus=0.0, **options):
    return Line("ada", lesson, (Question("q", earned, of, bonus),), **options)


def test_the_lowest_lesson_is_dropped_and_the_last_one_never():
    rule = Settings(drop_lowest=1)
    found = drop_lowest([line("a", 90), line("b", 10), line("c", 50)], rule)
    assert [one.lesson for one in found if one.dropped] == ["b"]
    assert not drop_lowest([line("a", 0)], rule)[0].dropped


def test_an_excused_lesson_is_neither_dropped_nor_counted():
    lines = drop_lowest(
        [line("a", 90), line("b", 0, lateness=Lateness(excused=True)), line("c", 50)],
        Settings(drop_lowest=1),
    )
    assert [one.lesson for one in lines if one.dropped] == ["c"]
    assert total(lines, Settings()).percent == pytest.approx(90)


def test_what_is_due_and_not_handed_in_counts_nothing_and_an_excuse_does_not_count():
    rules = {
        "a": LessonSettings(due=DUE, extensions={"bob": hours(10)}, excused=frozenset({"carl"})),
        "b": LessonSettings(due=hours(48)),
        "c": LessonSettings(),
    }
    lines = [line(lesson, 50) for lesson in rules]
    who = ["ada", "bob", "carl", "dora"]
    found = absences(lines, who, Settings(lessons=rules), hours(1))
    assert {(one.student, one.lesson, one.lateness.excused) for one in found} == {
        ("carl", "a", True),
        ("dora", "a", False),
    }
    assert [(one.score, one.maximum, one.handed_in) for one in found] == 2 * [(0, 100, False)]
    later = absences(lines, who, Settings(lessons=rules), hours(49))
    assert {(one.student, one.lesson) for one in later} == {
        *(("bob", "a"), ("bob", "b"), ("carl", "a"), ("carl", "b"), ("dora", "a"), ("dora", "b"))
    }


def test_the_lowest_is_what_was_not_handed_in():
    missing = line("b", 0, handed_in=False)
    found = drop_lowest([line("a", 90), missing, line("c", 50)], Settings(drop_lowest=1))
    assert [one.lesson for one in found if one.dropped] == ["b"]
    assert total(found, Settings()).percent == pytest.approx(70)


def test_lessons_count_by_their_weight_and_bonus_comes_on_top():
    weights = Settings(lessons={"a": LessonSettings(points=10), "b": LessonSettings(points=30)})
    found = total([line("a", 100, bonus=20), line("b", 50)], weights)
    assert (found.points, found.maximum) == (pytest.approx(12 + 15), 40)


def test_a_penalty_is_a_part_of_what_was_earned_and_never_more():
    late = line("a", 80, bonus=4, by_rule=True, lateness=Lateness(fraction=0.25))
    assert (late.penalty, late.final) == (21.0, 63.0)
    assert line("a", 3, recorded_penalty=10).final == 0


# ------------------------------------------------------------------------------- course.toml


def written(tmp_path, text):
    (tmp_path / "course.toml").write_text(text, encoding="utf-8")
    return tmp_path


def test_settings_are_read_with_times_in_utc(tmp_path):
    found = read_settings(
        written(
            tmp_path,
            """
            [course]
            name = "Networks"
            [late]
            days = 5
            [marks]
            drop_lowest = 1
            [lessons.02_batch_normalization]
            due = 2026-10-01T23:59:00+02:00
            points = 10
            leave_out = ["normalization.fold_batchnorm"]
            [lessons.02_batch_normalization.extensions]
            ada = 2026-10-04
            carl = "excused"
            """,
        )
    )
    lesson = found.lesson("02_batch_normalization")
    assert (found.name, found.late.days, found.drop_lowest) == ("Networks", 5, 1)
    assert lesson.due == datetime.datetime(2026, 10, 1, 21, 59)
    assert lesson.due_of("ada") == datetime.datetime(2026, 10, 4, 23, 59, 59)
    assert lesson.excused == {"carl"}
    assert found.lesson("03").points == 100


def test_without_a_file_there_are_defaults(tmp_path):
    assert read_settings(tmp_path) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[late", "not TOML"),
        ("[late]\ndais = 3", "Did you mean days?"),
        ("[late]\ndays = -1", "late.days is -1"),
        ("[late]\ndays = true", "late.days is True"),
        ("[late]\npenalty_per_day = 10", "a fraction"),
        ("[late]\npenalty_per_day = -0.1", "late.penalty_per_day is -0.1"),
        ("[late]\ndays = 2.5", "a whole number"),
        ("[late]\nmost_per_lesson = 0.5", "a whole number"),
        ("[marks]\ndrop_lowest = 1.5", "a whole number"),
        ("[lessons.a]\ndue = 0001-01-01T00:00:00+02:00", "in the years 1 to 9999"),
        ("[lessons.a]\nregrades_until = 9999-12-31T23:59:59-02:00", "in the years 1 to 9999"),
        ("[lessons.a]\ndue = 'Friday'", "lessons.a.due is 'Friday'"),
        ("[lessons.a.extensions]\nada = 'maybe'", "lessons.a.extensions.ada"),
        (
            "[lessons.a]\ndue = 2026-10-02\n[lessons.a.extensions]\nada = 2026-10-01",
            "a.extensions.ada is '2026-10-01 23:59:59 UTC'; it should be not before 2026-10-02",
        ),
        ("[lessons.a]\ndue = 2026-10-02\nregrades_until = 2026-10-01", "a.regrades_until is"),
        ("lessons = 3", "tables such as"),
        ("[grading]", "there is no entry grading"),
        ("course = 1", "a table [course]"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path, text, said):
    with pytest.raises(CourseError) as caught:
        read_settings(written(tmp_path, text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_in_another_encoding_are_named(tmp_path):
    (tmp_path / "course.toml").write_bytes("[course]\nname = 'Zoë'".encode("latin-1"))
    with pytest.raises(CourseError, match="UTF-8"):
        read_settings(tmp_path)


@pytest.mark.parametrize(("dropped", "fine"), [(0, True), (1, True), (2, False), (99, False)])
def test_of_all_lessons_one_has_to_count(dropped, fine):
    expected = contextlib.nullcontext() if fine else pytest.raises(CourseError, match="than 2, the")
    with expected:
        require_known(Settings(drop_lowest=dropped), ["a", "b"], ())


# --------------------------------------------------------------------------- several lessons

TWO_LESSONS = """
[late]
days = 3
most_per_lesson = 2
grace_minutes = 15
penalty_per_day = 0.1

[marks]
drop_lowest = 1

[lessons.a]
due = 2026-10-01T23:59:00+02:00
points = 10

[lessons.a.extensions]
emmy = 2026-10-03T23:59:00+02:00
leo = "excused"

[lessons.b]
due = 2026-10-08T23:59:00+02:00
points = 20

[lessons.b.extensions]
carl = "excused"
"""
HANDED_IN = {  # (student, lesson): hour of October in UTC, points
    ("ada", "a"): ((3, 10), 81),
    ("carl", "a"): ((4, 10), 11),
    ("emmy", "a"): ((3, 18), 81),
    ("ada", "b"): ((10, 10), 85),
    ("carl", "b"): ((10, 10), 85),
    ("emmy", "b"): ((9, 10), 78),
}


def test_table_feedback_and_csv_agree_over_lessons(tmp_path):
    """Reckoned by hand: a budget, an extension, excuses, and the lowest that is dropped."""
    rules = read_settings(written(tmp_path, TWO_LESSONS))
    arrivals = [
        Arrival(*place, datetime.datetime(2026, 10, *when))
        for place, (when, _) in HANDED_IN.items()
    ]
    decided = decide(arrivals, rules)
    lines = [
        Line(*place, (Question("q", earned, 100.0),), lateness=decided[place], by_rule=True)
        for place, (_, earned) in HANDED_IN.items()
    ]
    left = {who: days_left(decided, rules, who) for who in ("ada", "carl", "emmy")}
    assert left == {"ada": 0, "carl": 1, "emmy": 2}
    told = {(line.student, line.lesson): feedback.late(line) for line in lines}
    assert told["ada", "b"] == (
        "1 d 12 h late: 1 late day used, 10 % off; 8.5 points taken off, 76.5 count."
    )
    assert told["carl", "b"] == "This lesson is excused: it does not count."
    assert told["emmy", "a"] == ""
    after = datetime.datetime(2026, 12, 1)
    everyone = Roster([Person(who) for who in ("ada", "carl", "emmy", "leo")])
    table = write_csv(Marks(lines, everyone, rules, now=after), tmp_path).files[0]
    with table.open(encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    shown = {
        who: [row[name] for name in ("a", "a late", "b", "b late", "total", "of")]
        for who, row in rows.items()
    }
    some = "1 d 12 h late: 1 late day used, 10 % off"
    much = "2 d 12 h late: 2 late days used, 10 % off"
    assert shown == {
        "ada": ["81", "1 d 12 h late: 2 late days used", "76.5", f"{some}; dropped", "8.1", "10"],
        "carl": ["9.9", much, "85", "excused", "0.99", "10"],
        "emmy": ["81", "", "78", "12 h late: 1 late day used; dropped", "8.1", "10"],
        "leo": ["", "excused", "0", "not handed in", "0", "20"],
    }
