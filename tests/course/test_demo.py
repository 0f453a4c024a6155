"""The demo: what each made-up student hands in, and the whole way to marks and feedback."""

import copy
import json
import sqlite3

import nbformat
import pytest
from classroom import NAME, cell, write_lesson

from autograder import misconceptions
from autograder.course import demo
from autograder.course.errors import CourseError
from autograder.course.folder import init
from autograder.lessons.build import solution_notebook, student_notebook
from autograder.lessons.lesson import read_lesson
from autograder.submissions.notebook import parse
from autograder.submissions.rebuild import role


@pytest.fixture(scope="module")
def src(tmp_path_factory):
    return write_lesson(tmp_path_factory.mktemp("src"))


@pytest.fixture(scope="module")
def lesson(src):
    return read_lesson(src / f"{NAME}.py")


def solutions(notebook):
    return [cell.source for cell in notebook.cells if role(cell) == "solution"]


def submitted(student, lesson):
    return nbformat.reads(student.submit(lesson).decode(), as_version=4)


def test_the_class_is_as_large_and_as_mixed_as_a_class(lesson):
    contents = {student.name: student.submit(lesson) for student in demo.CLASS}
    assert len(contents) == len(demo.CLASS) >= 12
    assert len(set(contents.values())) == len(contents)
    assert sum("mistaken" in s.submit.__qualname__ for s in demo.CLASS) >= 4
    again = {student.name: student.submit(lesson) for student in demo.CLASS}
    assert again == contents


def test_each_student_differs_from_the_solution_as_described(lesson):
    by_name = {student.name: student for student in demo.CLASS}
    right, stubs = (solutions(make(lesson)) for make in (solution_notebook, student_notebook))
    assert solutions(submitted(by_name["ada"], lesson)) == right
    assert solutions(submitted(by_name["maryam"], lesson)) == stubs
    half = solutions(submitted(by_name["blaise"], lesson))
    assert half[:7] == right[:7] and half[7:] == stubs[7:]
    other = solutions(submitted(by_name["emmy"], lesson))
    assert sum(a != b for a, b in zip(other, right, strict=True)) >= 3
    for name in ("carl", "daphne", "felix", "grace", "niels"):
        wrong = solutions(submitted(by_name[name], lesson))
        assert any(a != b for a, b in zip(wrong, right, strict=True)), name
    assert parse(by_name["jan"].submit(lesson)).cells == ()
    twins = submitted(by_name["katherine"], lesson)
    assert len(twins.cells) == len(solution_notebook(lesson).cells) + 2
    assert any("np.allclose =" in c.source for c in submitted(by_name["leonhard"], lesson).cells)


def test_every_known_answer_that_can_be_pasted_runs_in_the_notebook(lesson):
    right = solution_notebook(lesson)
    for exercise in lesson.exercises:
        records = (*misconceptions.of(exercise.id), *misconceptions.variants_of(exercise.id))
        pasted = list(filter(demo.can_be_pasted, records))
        assert len(pasted) >= len(records) / 2, exercise.id
        for record in pasted:
            notebook = copy.deepcopy(right)
            demo.paste(record, notebook)
            assert solutions(notebook) != solutions(right), record.name
            for source in solutions(notebook):
                compile(source, record.name, "exec")


@pytest.mark.slow
def test_the_demo_grades_a_class_and_says_where_to_look(src, tmp_path, monkeypatch, capsys):
    chosen = ("ada", "carl", "emmy", "jan", "leonhard")
    monkeypatch.setattr(demo, "CLASS", tuple(s for s in demo.CLASS if s.name in chosen))
    monkeypatch.setattr(demo, "find_lesson", lambda number: read_lesson(src / f"{NAME}.py"))
    monkeypatch.setattr(init, "__defaults__", ((), None, src))
    monkeypatch.setenv("COLUMNS", "160")
    folder = tmp_path / "demo-course"
    graded = demo.run(folder)
    assert graded.faults == {} and tuple(graded.results) == chosen
    scores = {student: result.score for student, result in graded.results.items()}
    assert scores["ada"] == scores["emmy"] == 80 and scores["jan"] == scores["leonhard"] == 0
    assert 0 < scores["carl"] < 80 and graded.results["carl"].misconceptions
    out = capsys.readouterr().out
    assert "5 submissions graded" in out and graded.results["carl"].misconceptions[0] in out
    for path in ("gradebook.db", f"feedback/carl/{NAME}/{NAME}.html", f"summary-{NAME}.html"):
        assert (folder / path).is_file() and path in out
    with sqlite3.connect(folder / "gradebook.db") as database:
        (marks,) = database.execute("select count(*) from grade where auto_score > 0").fetchone()
    assert marks > 20
    again = json.loads((folder / ".autograder" / "results" / NAME / "carl.json").read_text())
    assert again["score"] == scores["carl"]
    (folder / "gradebook.db").write_text("from the demo before")
    assert (folder / ".autograder" / demo.MARKER).exists()  # so the next demo may replace it


def test_the_demo_replaces_only_a_demo(src, tmp_path):
    init(tmp_path / "real", src=src)
    with pytest.raises(CourseError, match="is no demo"):
        demo.run(tmp_path / "real")
    assert (tmp_path / "real" / ".autograder" / "secret").exists()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CourseError, match="is no demo"):
        demo.run(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_known_answer_lands_in_its_own_cell(lesson):
    notebook = solution_notebook(lesson)
    record = next(filter(demo.can_be_pasted, misconceptions.of("normalization.fold_batchnorm")))
    demo.paste(record, notebook)
    before = solution_notebook(lesson)
    names = [c.id for c, d in zip(notebook.cells, before.cells, strict=True) if c != d]
    assert names == ["normalization-fold_batchnorm-solution"]
    assert cell(notebook, names[0]).source.startswith("def fold_batchnorm(")
