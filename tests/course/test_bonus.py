"""Bonus points come on top: in nbgrader's gradebook no maximum knows of them."""

import json
import shutil
import warnings
from types import SimpleNamespace

import nbformat
import pytest
from all_lessons import all_lessons

from autograder.check import check
from autograder.cli import main
from autograder.course.folder import init, open_course
from autograder.course.grade_class import grade_class
from autograder.course.marks import Mark, counted_otherwise, set_mark
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.expectations import reference
from autograder.lessons import build
from autograder.lessons.lesson import find_lesson

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nbgrader.api import Gradebook
    from nbgrader.utils import determine_grade

LESSON = find_lesson("06")
NAME = LESSON.name
(BONUS,) = [exercise for exercise in LESSON.exercises if exercise.bonus]
CELL = f"{BONUS.grade_id}-check"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course in which ada did everything, and bob left out the bonus."""
    root = tmp_path_factory.mktemp("courses") / "course"
    made, _ = init(root, [NAME])
    NbgraderCourse(made.root).generate_assignment(NAME)
    solution = build.solution_notebook(LESSON)
    without = nbformat.from_dict(json.loads(json.dumps(solution)))
    stub = next(
        c for c in build.student_notebook(LESSON).cells if c.id == f"{BONUS.grade_id}-solution"
    )
    next(c for c in without.cells if c.id == stub.id).source = stub.source
    for student, notebook in {"ada": solution, "bob": without}.items():
        path = made.root / "submitted" / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook))
    grade_class(open_course(made.root), NAME)
    return made.root


def book_of(root):
    return Gradebook(f"sqlite:///{root}/gradebook.db")


def test_the_maximum_is_100_with_and_without_bonus(course):
    with book_of(course) as book:
        assert book.find_assignment(NAME).max_score == 100
        marks = {who: book.find_grade(CELL, NAME, NAME, who) for who in ("ada", "bob")}
        found = {w: (g.auto_score, g.extra_credit, g.max_score, g.score) for w, g in marks.items()}
        scores = {w: book.find_submission(NAME, w).score for w in marks}
    assert found == {
        "ada": (0, BONUS.points, 0, BONUS.points),
        "bob": (0, 0, 0, 0),
    }
    assert scores == {"ada": 80 + BONUS.points, "bob": 80}


def test_who_has_everything_has_100_and_the_bonus(course):
    root = course.with_name("by-hand")
    shutil.copytree(course, root)
    with book_of(root) as book:
        for cell in book.find_notebook(NAME, NAME).grade_cells:
            if cell.name.endswith("-question"):
                book.find_grade(cell.name, NAME, NAME, "ada").manual_score = cell.max_score
        book.db.commit()
        submission = book.find_submission(NAME, "ada")
        assert (submission.score, submission.max_score) == (100 + BONUS.points, 100)


@pytest.mark.slow
def test_what_was_recorded_is_left_alone_and_what_was_changed_is_put_right(course):
    root = course.with_name("again")
    shutil.copytree(course, root)
    assert set(grade_class(open_course(root), NAME).unchanged) == {"ada", "bob"}
    with book_of(root) as book:
        book.find_grade(CELL, NAME, NAME, "ada").extra_credit = 99
        by_hand = book.find_grade(CELL, NAME, NAME, "bob")
        by_hand.manual_score, by_hand.extra_credit = 3, 1
        book.db.commit()
    assert grade_class(open_course(root), NAME, force=True).faults == {}
    with book_of(root) as book:
        ada, bob = (book.find_grade(CELL, NAME, NAME, who) for who in ("ada", "bob"))
        assert (ada.extra_credit, ada.needs_manual_grade) == (BONUS.points, False)
        assert (bob.manual_score, bob.extra_credit, bob.needs_manual_grade) == (3, 1, True)


@pytest.mark.slow
def test_an_old_release_counts_as_it_did_and_one_line_says_what_to_do(course, capsys):
    root = course.with_name("old")
    shutil.copytree(course, root)
    for folder in ("source", "release"):
        path = root / folder / NAME / f"{NAME}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == CELL:
                cell.metadata.nbgrader.points = BONUS.points
        path.chmod(0o644)
        nbformat.write(notebook, path)
    NbgraderCourse(root).generate_assignment(NAME)
    assert counted_otherwise(notebook, ()) == ["bonus points count in the maximum"]
    with pytest.raises(SystemExit) as left:
        main(["grade", str(root), NAME, "--student", "ada"])
    assert left.value.code == 0
    assert "nbgrader generate_assignment" in capsys.readouterr().out.replace("\n", " ")
    with book_of(root) as book:
        grade = book.find_grade(CELL, NAME, NAME, "ada")
        assert grade.auto_score == BONUS.points


@pytest.mark.parametrize(("by_hand", "extra", "needed"), [(None, 4.0, False), (2.0, None, True)])
def test_a_score_by_hand_is_left_alone(by_hand, extra, needed):
    grade = SimpleNamespace(auto_score=None, manual_score=by_hand, extra_credit=None)
    set_mark(grade, Mark(0.0, extra=4.0))
    assert (grade.auto_score, grade.extra_credit, grade.needs_manual_grade) == (0.0, extra, needed)
    assert grade.manual_score == by_hand


def test_check_returns_what_nbgrader_can_take(capsys):
    value = check(BONUS.id, *reference(BONUS).values())
    assert value == 0.0 and type(value) is float
    assert f"{BONUS.points:g} of {BONUS.points:g} bonus points" in capsys.readouterr().out


@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.number)
def test_every_notebook_has_100_points(lesson):
    for form in (build.student_notebook, build.solution_notebook, build.nbgrader_source):
        graded = [c for c in form(lesson).cells if c.metadata.get("nbgrader", {}).get("grade")]
        assert sum(cell.metadata.nbgrader["points"] for cell in graded) == pytest.approx(100)


def test_plain_nbgrader_takes_the_value_of_a_bonus_cell():
    cell = next(c for c in build.student_notebook(LESSON).cells if c.id == CELL)
    cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "0.0"})]
    assert determine_grade(cell) == (0, 0)
