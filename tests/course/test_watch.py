"""Grading what arrives: once its files rest, again when they change, a line each."""

import pytest
from classroom import NAME, write_lesson

from autograder.cli import main
from autograder.course import watch as watching
from autograder.course.errors import CourseError
from autograder.course.folder import init
from autograder.course.grade_class import Graded
from autograder.course.watch import watch
from autograder.grading.results import SubmissionResult


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course whose grading is a record of who was graded."""
    made, _ = init(tmp_path / "course", src=write_lesson(tmp_path / "src"))
    calls = []

    def grade(course, lesson, students, jobs):
        calls.append(list(students))
        results = {who: SubmissionResult(who, lesson, ()) for who in students}
        return Graded(results, {}, {"eve": "no mark"} if "eve" in students else {}, (), {})

    monkeypatch.setattr(watching, "grade_class", grade)
    monkeypatch.setattr(watching, "settle", lambda course: 0)
    return made, calls


def hand_in(course, student, text):
    path = course.root / "submitted" / student / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def watched(course, *steps, rounds=8):
    """Run `watch`, with a step between each two looks."""
    left = list(steps)
    return list(watch(course, NAME, rounds=rounds, sleep=lambda _: left.pop(0)() if left else None))


def test_a_hand_in_is_graded_once_its_files_rest(course):
    made, calls = course
    hand_in(made, "ada", "1")
    lines = watched(made, lambda: hand_in(made, "ada", "22"), lambda: hand_in(made, "ada", "333"))
    assert calls == [["ada"]]
    assert len(lines) == 1
    assert lines[0].endswith("ada: 0/0")


def test_what_changes_or_arrives_later_is_graded_then(course):
    made, calls = course
    hand_in(made, "ada", "1")
    nothing = lambda: None  # noqa: E731 - a step of none
    lines = watched(
        made, nothing, nothing, lambda: (hand_in(made, "ada", "22"), hand_in(made, "eve", "1"))
    )
    assert calls == [["ada"], ["ada", "eve"]]
    assert "eve: no mark" in lines[-1]


def test_a_lesson_that_another_one_grades_is_tried_again(course, monkeypatch):
    made, calls = course
    hand_in(made, "ada", "1")
    grade, refusals = watching.grade_class, [CourseError("is being graded already")]

    def busy(*args, **options):
        if refusals:
            raise refusals.pop()
        return grade(*args, **options)

    monkeypatch.setattr(watching, "grade_class", busy)
    lines = watched(made)
    assert "graded already" in lines[0]
    assert calls == [["ada"]]


def test_a_hand_in_that_is_taken_away_ends_nothing(course, monkeypatch):
    made, calls = course
    hand_in(made, "ada", "1")
    hand_in(made, "zoe", "1")
    gone = made.root / "submitted" / "zoe" / NAME / f"{NAME}.ipynb"
    found = watching._notebooks(made, NAME)
    gone.unlink()
    gone.parent.rmdir()
    monkeypatch.setattr(watching, "_notebooks", lambda course, lesson: found)
    assert len(watched(made)) == 1
    assert calls == [["ada"]]


def test_the_command_says_at_once_what_it_waits_for(course, monkeypatch, capsys):
    made, _ = course
    monkeypatch.setattr(watching, "watch", lambda *_, **options: iter(["10:00:00 ada: 1/2"]))
    with pytest.raises(SystemExit) as left:
        main(["watch", str(made.root), "2"])
    first, second = capsys.readouterr().out.splitlines()
    assert not left.value.code and str(made.root / "submitted") in first and NAME in first
    assert "Ctrl-C" in first and second == "10:00:00 ada: 1/2"
