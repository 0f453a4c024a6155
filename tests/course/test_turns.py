"""Private inputs change once feedback was shown, and never otherwise."""

from types import SimpleNamespace

import pytest
from traitlets.config import Config

from autograder.course import nbgrader_plugin
from autograder.course.folder import Course
from autograder.grading.results import SubmissionResult

LESSON = "02_batch_normalization"


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path)


def show_feedback(course, student):
    """Have our part of nbgrader's feedback see the page of one student."""
    converter = SimpleNamespace(coursedir=SimpleNamespace(root=str(course.root)))
    part = SimpleNamespace(parent=SimpleNamespace(parent=converter))
    page, resources = object(), {"nbgrader": {"assignment": LESSON, "student": student}}
    assert nbgrader_plugin.EndTurn.preprocess(part, page, resources) == (page, resources)


def test_a_turn_ends_once_however_many_pages_are_shown(course):
    assert course.turn(LESSON) == 0
    for student in ("ada", "bob"):
        course.store(LESSON).save(SubmissionResult(student, LESSON, ()))
    for student in ("ada", "bob", "ada", "nobody"):
        show_feedback(course, student)
    assert course.turn(LESSON) == 1 and course.turn("03_more") == 0
    course.store(LESSON).save(SubmissionResult("bob", LESSON, (), turn=1))
    show_feedback(course, "ada")  # whose mark is of the turn before
    assert course.turn(LESSON) == 1
    show_feedback(course, "bob")
    assert course.turn(LESSON) == 2


def test_nbgrader_is_told_to_end_a_turn():
    config = Config()
    nbgrader_plugin.configure(config)
    assert nbgrader_plugin.EndTurn in config.GenerateFeedback.preprocessors
