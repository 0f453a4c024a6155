"""Honest work keeps its marks: the table of situations, found by discovery."""

import json

import pytest
from classroom import NAME, solution, template
from nbgrader import utils
from situations import SITUATIONS

from autograder.course.marks import fill, marks_and_comments
from autograder.grading.grader import Grader
from autograder.sandbox.process import Limits
from autograder.submissions.rebuild import rebuild
from autograder.submissions.uploads import take


@pytest.fixture(scope="module")
def released():
    """The template as nbgrader releases it: it remembers what its cells were."""
    notebook = template()
    for cell in notebook.cells:
        if utils.is_grade(cell) or utils.is_solution(cell):
            cell.metadata.nbgrader.checksum = utils.compute_checksum(cell)
    return notebook


@pytest.fixture(scope="module")
def grader(released):
    with Grader(released, NAME, b"secret", Limits()) as made:
        yield made


@pytest.fixture(scope="module")
def graded(released, grader, tmp_path_factory):
    """Hand in a situation and grade it; returns the result, and marks by hand asked for."""

    def grade(situation):
        folder = tmp_path_factory.mktemp("submitted") / "ada" / NAME
        folder.mkdir(parents=True)
        notebook = json.loads(json.dumps(solution()))
        situation.change(notebook["cells"], folder)
        path = folder / f"{NAME}.ipynb"
        path.write_text(json.dumps(notebook), encoding="utf-8")
        upload = take(path)
        result = grader.grade(upload, "ada")
        rebuilt = rebuild(released, upload.submission()).notebook
        fill(rebuilt, result)
        return result, marks_and_comments(rebuilt, result)

    return grade


@pytest.mark.parametrize(
    "situation",
    [
        pytest.param(one, id=one.name, marks=[pytest.mark.slow] if one.slow else [])
        for one in SITUATIONS
    ],
)
def test_honest_work_keeps_its_marks(graded, situation):
    result, (marks, comments) = graded(situation)
    earned = {
        report.exercise_id.removeprefix("normalization."): report.score / report.points
        for report in result.reports
        if report.score
    }
    assert earned == situation.earned, (result.problems, *map(str, result.reports))
    names = [f"why-{number}-question" for number in range(4)]
    asked = tuple(marks[name].score is None and comments[name] is None for name in names)
    assert asked == situation.answers, result.problems
    assert situation.told in " ".join(result.problems)
    assert not (situation.quiet and result.problems), result.problems
    assert len(result.problems) < 6


def test_the_table_has_situations_of_every_kind():
    names = [situation.name for situation in SITUATIONS]
    assert len(set(names)) == len(names) >= 26
    assert all(situation.change.__doc__ for situation in SITUATIONS)
