"""Whose notebook is read, and the one true line for each that is not."""

import pytest
from classroom import NAME, content, solution, write_lesson

from autograder.course.errors import CourseError
from autograder.course.folder import init
from autograder.course.grade_class import grade_class
from autograder.course.handed_in import look
from autograder.course.nbgrader_api import NbgraderCourse

OTHER = "01_foundations"
RIGHT = f"{NAME}/{NAME}.ipynb"


@pytest.fixture
def submitted(tmp_path):
    return tmp_path / "course [1]" / "submitted"


def put(submitted, *paths):
    for path in paths:
        (submitted / path).parent.mkdir(parents=True, exist_ok=True)
        (submitted / path).write_text("{}")


@pytest.mark.parametrize(
    "name", ["ada", ".dot", "a\nb", "br[a]k", "*", "x" * 255, "ä" * 127, "a b"]
)
def test_any_name_is_read(submitted, name):
    put(submitted, f"{name}/{RIGHT}")
    found = look(submitted, NAME, [NAME, OTHER])
    assert found.notebooks == {name: submitted / name / RIGHT} and not found.unread


@pytest.mark.parametrize(
    ("path", "who", "said"),
    [
        (f"{NAME}/ada/{NAME}.ipynb", NAME, "the wrong way round"),
        (f"ada/{NAME}/{RIGHT}", "ada", "lies too deep"),
        (f"ada/{NAME}.ipynb", "ada", f"lies in no folder {NAME}"),
        (f"ada/{NAME}/homework.ipynb", "ada", f"rename it to {NAME}.ipynb"),
        ("ada/Lesson 2/homework.ipynb", "ada", f"its folder is not {NAME}"),
        ("ada.ipynb", "ada.ipynb", "put it at STUDENT/"),
        (f"ada/{OTHER}/{NAME}.ipynb", "ada", f"its folder is not {NAME}"),
        (f"ada/{NAME}/helper.py", "ada", f"no {NAME}.ipynb, but helper.py"),
        (f"ada/{NAME}.zip", "ada", f"no {NAME}.ipynb, but {NAME}.zip"),
        (f"ada/{NAME} (1)/{NAME}.ipynb.txt", "ada", f"no {NAME}.ipynb, but {NAME} (1)"),
    ],
)
def test_what_lies_elsewhere_is_told_in_one_line(submitted, path, who, said):
    put(submitted, path)
    found = look(submitted, NAME, [NAME, OTHER])
    assert found.notebooks == {} and found.lost == [who]
    (line,) = found.unread[who]
    assert said in line and (not path.endswith(".ipynb") or path in line)


def test_work_in_the_folder_of_another_lesson_that_is_read_is_told(submitted):
    put(submitted, f"ada/{OTHER}/{OTHER}.ipynb", f"ada/{OTHER}/{NAME}.ipynb")
    assert look(submitted, NAME, [NAME, OTHER]).lost == ["ada"]
    assert not look(submitted, OTHER, [NAME, OTHER]).unread


def test_a_second_folder_for_the_lesson_is_told_and_scratch_work_is_not(submitted):
    second = f"ada/{NAME} (1)/{NAME}.ipynb"
    put(submitted, f"ada/{RIGHT}", second, f"ada/{NAME}/scratch.ipynb", "ada/play/x.ipynb")
    put(submitted, f"ada/{NAME}/.ipynb_checkpoints/{NAME}-checkpoint.ipynb")
    put(submitted, f"ada/{OTHER}/{OTHER}.ipynb", f"bob/{OTHER}/{OTHER}.ipynb", "notes.txt")
    found = look(submitted, NAME, [NAME, OTHER])
    assert list(found.notebooks) == ["ada"] == list(found.unread) and found.lost == []
    (line,) = found.unread["ada"]
    assert second in line and "there is also" in line


def test_what_macos_puts_beside_each_file_is_no_notebook(submitted):
    put(submitted, f"ada/{NAME}/._{NAME}.ipynb", f"ada/__MACOSX/{NAME}/._{NAME}.ipynb")
    assert look(submitted, NAME).lost == ["ada"]
    put(submitted, f"ada/{RIGHT}")
    assert not look(submitted, NAME).unread


def test_links_are_followed_in_no_place(submitted):
    put(submitted, f"ada/{RIGHT}")
    (submitted / "eve").symlink_to(submitted / "ada")
    (submitted / "bob").mkdir()
    (submitted / "bob" / NAME).symlink_to(submitted / "ada" / NAME)
    found = look(submitted, NAME)
    assert list(found.notebooks) == ["ada"] and found.lost == ["bob", "eve"]
    assert all("is a symbolic link" in line for lines in found.unread.values() for line in lines)


def test_a_course_without_submissions(submitted):
    assert look(submitted, NAME).notebooks == {}


@pytest.mark.slow
def test_a_class_with_odd_names_in_a_course_with_brackets(tmp_path):
    course, _ = init(tmp_path / "a [b]" / "c*", src=write_lesson(tmp_path / "src"))
    NbgraderCourse(course.root).generate_assignment(NAME)
    names = ["x" * 255, ".dot", "a\nb", "br[a]k"]
    for name in names:
        path = course.root / "submitted" / name / RIGHT
        path.parent.mkdir(parents=True)
        path.write_bytes(content(solution()))
    put(course.root / "submitted", f"eve/{NAME}/homework.ipynb")
    graded = grade_class(course, NAME, feedback=True)
    assert all(graded.results[name].score == 34 for name in names)
    assert not graded.faults
    pages = {path.parents[1].name for path in (course.root / "feedback").rglob("*.html")}
    assert pages == set(names)
    assert set(grade_class(course, NAME).unchanged) == set(names)
    assert {result.student for result in course.store(NAME).all()} == set(names)
    with pytest.raises(CourseError, match=f"rename it to {NAME}.ipynb"):
        grade_class(course, NAME, students=["eve"])
