"""Real nbgrader around our grading: release, collect, autograde, feedback, and both gradebooks."""

import copy
import datetime
import html
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import nbformat
import pytest
from classroom import NAME, added, cell, content, index, write_lesson

from autograder.cli import main
from autograder.course.errors import NbgraderError
from autograder.course.folder import init, open_course
from autograder.course.grade_class import grade_class
from autograder.course.gradebook import Recorder
from autograder.course.marks import escape_markdown
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.lessons import build
from autograder.lessons.lesson import read_lesson
from autograder.sandbox.process import Infrastructure, Limits

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nbgrader.api import Gradebook

FORWARD, FOLD = "normalization-batchnorm_forward", "normalization-fold_batchnorm"


def solution(lesson):
    return build.solution_notebook(lesson)


def mistaken(lesson):
    """eps outside the root, and one question left open."""
    notebook = solution(lesson)
    forward = cell(notebook, "batchnorm_forward-solution")
    forward.source = forward.source.replace("np.sqrt(var + eps)", "(np.sqrt(var) + eps)")
    cell(notebook, "why-0-question").source = build.ANSWER_HERE
    notebook.cells.insert(2, added("import matplotlib.pyplot as plt\nplt.plot([1, 2]);"))
    return notebook


def mangled(lesson):
    """A cell duplicated, a check deleted, labels changed."""
    notebook = solution(lesson)
    twin = copy.deepcopy(cell(notebook, "batchnorm_forward-solution"))
    twin.id = "twin"
    notebook.cells.append(twin)
    twin = copy.deepcopy(cell(notebook, "batchnorm_backward-check"))
    twin.id = "twin-check"
    notebook.cells.append(twin)
    del notebook.cells[index(notebook, "fold_batchnorm-check")]
    labels = cell(notebook, "fold_batchnorm-solution").metadata.nbgrader
    labels.solution, labels.grade, labels.points = False, True, 50
    return notebook


SUBMITTED = {
    "ada": lambda lesson: content(solution(lesson)),
    "carl": lambda lesson: content(mistaken(lesson)),
    "jan": lambda lesson: b'{"cells": [',
    "zoë b": lambda lesson: content(mangled(lesson)),
}


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    return read_lesson(write_lesson(tmp_path_factory.mktemp("src")) / f"{NAME}.py")


@pytest.fixture(scope="module")
def collected(tmp_path_factory, lesson):
    """A course whose lesson went out and came back through nbgrader's exchange."""
    root = tmp_path_factory.mktemp("courses") / "course"
    exchange = root.parent / "exchange"
    init(root, exchange=exchange, src=write_lesson(root.parent / "src"))
    book = NbgraderCourse(root)
    book.generate_assignment(NAME)
    book.release_assignment(NAME)
    assert (exchange / "course" / "outbound" / NAME / f"{NAME}.ipynb").is_file()
    for student, make in SUBMITTED.items():
        when = "2026-01-15 10:00:00 UTC"
        folder = exchange / "course" / "inbound" / f"{student}+{NAME}+{when}"
        folder.mkdir()
        (folder / f"{NAME}.ipynb").write_bytes(make(lesson))
        (folder / "timestamp.txt").write_text(when)
    book.collect(NAME)
    assert list(book.submissions(NAME)) == list(SUBMITTED)
    return root


@pytest.fixture(scope="module")
def course(collected):
    """The same course, graded by `autograder grade`, which takes a while: its tests are slow."""
    root = collected.with_name("graded")
    shutil.copytree(collected, root)
    main_returns(["grade", str(root), "2", "--student", "ada", "--student", "carl", "--feedback"])
    main_returns(["grade", str(root), "02"])
    return root


def main_returns(arguments):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0


def gradebook(root):
    """Marks and comments by student and cell."""
    with warnings.catch_warnings(), Gradebook(f"sqlite:///{root}/gradebook.db") as book:
        warnings.simplefilter("ignore")
        return {
            submission.student_id: {
                **{
                    grade.name: (grade.auto_score, grade.needs_manual_grade)
                    for grade in submission.notebooks[0].grades
                },
                **{
                    comment.name: comment.auto_comment
                    for comment in submission.notebooks[0].comments
                    if comment.name.endswith("-solution")
                },
            }
            for submission in book.assignment_submissions(NAME)
        }


def circumstances(root):
    """When each submission came, its penalty, and what people gave by hand."""
    with warnings.catch_warnings(), Gradebook(f"sqlite:///{root}/gradebook.db") as book:
        warnings.simplefilter("ignore")
        return {
            submission.student_id: (
                submission.timestamp,
                submission.notebooks[0].late_submission_penalty,
                submission.notebooks[0].score,
                [grade.manual_score for grade in submission.notebooks[0].grades],
                sorted(str(comment.comment) for comment in submission.notebooks[0].comments),
            )
            for submission in book.assignment_submissions(NAME)
        }


def files_of(root, student):
    """Names, modes and contents below an autograded folder; of a notebook, what nbformat reads."""
    folder = root / "autograded" / student / NAME
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(p.relative_to(folder), p.stat().st_mode & 0o777, _contents(p)) for p in paths]


def _contents(path):
    return nbformat.read(path, as_version=4) if path.suffix == ".ipynb" else path.read_bytes()


def autograded(root, student):
    return nbformat.read(root / "autograded" / student / NAME / f"{NAME}.ipynb", as_version=4)


# ------------------------------------------------------------------------------ our command


@pytest.mark.slow
def test_every_submission_has_marks_whatever_was_handed_in(course):
    marks = gradebook(course)
    assert set(marks) == set(SUBMITTED)
    automatic = {
        student: sum(m[0] or 0 for name, m in cells.items() if name.endswith("-check"))
        for student, cells in marks.items()
    }
    assert automatic["ada"] == automatic["zoë b"] == 80
    assert 0 < automatic["carl"] < 80 and automatic["jan"] == 0
    assert marks["carl"][f"{FOLD}-check"] == (4, False)


@pytest.mark.slow
def test_written_answers_wait_for_a_person_and_empty_ones_do_not(course):
    marks = gradebook(course)
    assert marks["ada"]["why-0-question"] == (None, True)
    assert marks["carl"]["why-0-question"] == (0, False)
    assert marks["carl"]["why-1-question"] == (None, True)


@pytest.mark.slow
def test_comments_name_each_check_and_hint_at_the_misconception(course):
    comment = gradebook(course)["carl"][f"{FORWARD}-solution"]
    assert comment.startswith("**")
    assert comment.count("\n- ") == len(
        open_course(course).store(NAME).load("carl").reports[0].rows
    )
    assert "*Hint:*" in comment
    assert gradebook(course)["ada"][f"{FOLD}-solution"].startswith("**4 of 4 points**")


@pytest.mark.slow
def test_feedback_shows_the_code_and_its_report_and_no_secret_number(course):
    page = (course / "feedback" / "carl" / NAME / f"{NAME}.html").read_text("utf-8")
    report = open_course(course).store(NAME).load("carl").reports[0]
    lost = next(row for row in report.rows if row.hint)
    assert lost.message in page and html.escape(lost.hint[:40]) in page and "def</span>" in page
    assert "not graded yet" in page and "No answer." in page and "0.0" not in page
    details = [row.detail for each in [report] for row in each.rows if row.detail]
    assert details and not any(detail in page for detail in details)


@pytest.mark.slow
def test_what_was_odd_is_told_in_the_notebook(course):
    notes = autograded(course, "zoë b").cells[0]
    assert notes.cell_type == "markdown" and notes.source.count("2 times") == 2
    assert "is missing" in notes.source and "labels" in notes.source
    assert "not JSON" in autograded(course, "jan").cells[0].source
    assert "grading-notes" not in [c.id for c in autograded(course, "ada").cells]


def test_the_released_notebook_is_what_students_get(collected, lesson):
    released = nbformat.read(collected / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    student = build.student_notebook(lesson)
    assert [c.source for c in released.cells] == [c.source for c in student.cells]


@pytest.mark.slow
def test_only_changed_submissions_are_graded_again_and_manual_marks_stay(course, lesson):
    copied = course.with_name("regraded")
    shutil.copytree(course, copied)
    with Gradebook(f"sqlite:///{copied}/gradebook.db") as book:
        for name, score in (("why-1-question", 4), (f"{FOLD}-check", 1.5)):
            book.find_grade(name, NAME, NAME, "carl").manual_score = score
        book.find_comment("why-1-question", NAME, NAME, "carl").manual_comment = "well said"
        book.db.commit()
    path = copied / "submitted" / "carl" / NAME / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cell(notebook, "why-2-question").source = "A new thought"
    path.write_bytes(content(notebook))
    graded = grade_class(open_course(copied), NAME)
    assert graded.unchanged == ("ada", "jan", "zoë b") and graded.faults == {}
    assert cell(autograded(copied, "carl"), "why-2-question").source == "A new thought"
    with Gradebook(f"sqlite:///{copied}/gradebook.db") as book:
        fold = book.find_grade(f"{FOLD}-check", NAME, NAME, "carl")
        assert (fold.auto_score, fold.score, fold.needs_manual_grade) == (4, 1.5, True)
        assert book.find_grade("why-1-question", NAME, NAME, "carl").score == 4
        comment = book.find_comment("why-1-question", NAME, NAME, "carl")
        assert comment.comment == "well said"


PLUGIN = """
from nbgrader.plugins import BasePlugin
class Three(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return 3.0
c.AssignLatePenalties.plugin_class = Three
"""


@pytest.mark.slow
def test_due_dates_extensions_and_penalties_reach_what_is_unchanged(course):
    root = course.with_name("late")
    shutil.copytree(course, root)
    everyone, opened = {"ada", "carl", "jan", "zoë b"}, open_course(root)

    def penalties():
        with Gradebook(f"sqlite:///{root}/gradebook.db") as book:
            late = book.assignment_submissions(NAME)
            return {s.student_id: s.notebooks[0].late_submission_penalty for s in late}

    with Gradebook(f"sqlite:///{root}/gradebook.db") as book:
        (early,) = {s.timestamp for s in book.assignment_submissions(NAME)}
        book.update_or_create_assignment(NAME, duedate=early - datetime.timedelta(days=1))
    grade_class(opened, NAME)
    first = penalties()
    with open(root / "nbgrader_config.py", "a") as config:
        config.write(PLUGIN)
    again = grade_class(opened, NAME)
    due = dict.fromkeys(everyone, 3.0) | {"jan": 0.0}  # no more than what was earned
    assert penalties() == due != first and not set(again.unchanged) - {"jan"}
    with Gradebook(f"sqlite:///{root}/gradebook.db") as book:
        book.grant_extension(NAME, "ada", days=2)
    assert set(grade_class(opened, NAME).unchanged) == everyone - {"ada"}
    assert penalties() == due | {"ada": None}
    assert set(grade_class(opened, NAME).unchanged) == everyone


@pytest.mark.slow
def test_what_was_changed_after_it_was_graded_is_not_recorded(collected, monkeypatch):
    root = collected.with_name("changed")
    shutil.copytree(collected, root)
    path = root / "submitted" / "ada" / NAME / f"{NAME}.ipynb"
    real = Recorder.unchanged

    def unchanged(recorder, results):
        path.write_bytes(path.read_bytes() + b" ")
        return real(recorder, results)

    monkeypatch.setattr(Recorder, "unchanged", unchanged)
    graded = grade_class(open_course(root), NAME, students=["ada", "carl"])
    assert list(graded.faults) == ["ada"] and "grade it again" in graded.faults["ada"]
    assert set(gradebook(root)) == {"carl"}


@pytest.mark.slow
def test_an_older_gradebook_is_filled_again(collected, course):
    copied = course.with_name("refilled")
    shutil.copytree(course, copied)
    shutil.copy(collected / "gradebook.db", copied)
    assert gradebook(copied) == {}
    assert grade_class(open_course(copied), NAME).unchanged == ()
    assert gradebook(copied) == gradebook(course)


@pytest.mark.slow
def test_faults_of_the_sandbox_and_other_file_names_are_told_and_no_mark(collected, monkeypatch):
    root = collected.with_name("faulty")
    shutil.copytree(collected, root)

    def fail(*args):
        raise Infrastructure("no process to be had")

    misnamed = root / "submitted" / "max" / NAME / "homework.ipynb"
    misnamed.parent.mkdir(parents=True)
    misnamed.write_bytes(b"{}")
    monkeypatch.setattr("autograder.sandbox.process.execute", fail)
    graded = grade_class(open_course(root), NAME)
    assert set(graded.faults) == {"ada", "carl", "zoë b"} and set(graded.results) == {"jan"}
    place = f"submitted/max/{NAME}/homework.ipynb"
    assert graded.unread == {"max": [f"{place} was not read: rename it to {NAME}.ipynb"]}
    assert all(why.startswith("no mark was written: ") for why in graded.faults.values())
    assert set(gradebook(root)) == {"jan"}
    with pytest.raises(NbgraderError, match="no process to be had"):
        NbgraderCourse(root).autograde(NAME, "ada")


def hand_in_traps(folder, root):
    """Links, a pipe and a time that is none, beside a notebook."""
    (folder / "leak.txt").symlink_to(root / ".autograder" / "secret")
    (folder / "endless").symlink_to("/dev/zero")
    (folder / "everything").symlink_to(root, target_is_directory=True)
    os.mkfifo(folder / "pipe")
    (folder / "notes.txt").write_text("mine")
    (folder / "timestamp.txt").write_text("yesterday, I swear")


@pytest.fixture(scope="module")
def trapped(collected, lesson):
    """A course in which someone handed in traps, through the exchange and afterwards."""
    root = collected.with_name("trapped")
    shutil.copytree(collected, root)
    config = root / "nbgrader_config.py"
    exchange = root.parent / "traps"
    config.write_text(config.read_text() + f"c.Exchange.root = {str(exchange)!r}\n")
    folder = exchange / "course" / "inbound" / f"eve+{NAME}+2026-01-15 10:00:00 UTC"
    folder.mkdir(parents=True)
    (exchange / "course" / "inbound").chmod(0o733)
    notebook = solution(lesson)
    notebook.cells.append(added("<script>alarm()</script> ![a](attachment:none)", "markdown"))
    (folder / f"{NAME}.ipynb").write_bytes(content(notebook))
    hand_in_traps(folder, root)
    nbgrader(root, "collect", NAME)
    return root


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_collecting_follows_no_link_and_waits_for_no_pipe(trapped):
    collected = trapped / "submitted" / "eve" / NAME
    assert names_in(collected) == [f"{NAME}.ipynb", "notes.txt", "timestamp.txt"]


@pytest.mark.slow
def test_traps_beside_a_notebook_reach_neither_autograded_nor_feedback(trapped):
    submitted = trapped / "submitted" / "eve" / NAME
    shutil.rmtree(submitted)
    submitted.mkdir()
    inbound = next((trapped.parent / "traps" / "course" / "inbound").iterdir())
    shutil.copy(inbound / f"{NAME}.ipynb", submitted)
    hand_in_traps(submitted, trapped)
    turn = open_course(trapped).turn(NAME)
    graded = grade_class(open_course(trapped), NAME, students=["eve"], feedback=True)
    assert graded.faults == {} and graded.results["eve"].turn == turn
    assert open_course(trapped).turn(NAME) == turn + 1  # who hands in again meets other inputs
    assert sum("symbolic link" in text for text in graded.results["eve"].problems) == 1
    assert sum("nobody knows" in text for text in graded.results["eve"].problems) == 1
    for step in ("autograded", "feedback"):
        assert not {"leak.txt", "endless", "everything", "pipe"} & set(
            names_in(trapped / step / "eve" / NAME)
        )
    assert (trapped / "autograded" / "eve" / NAME / "notes.txt").read_text() == "mine"
    page = trapped / "feedback" / "eve" / NAME / f"{NAME}.html"
    assert "alarm" not in page.read_text("utf-8")
    nbgrader(trapped, "generate_feedback", NAME, "--student", "eve", "--force")
    nbgraders = page.read_text("utf-8")
    assert "<script>alarm" not in nbgraders and "&lt;script&gt;alarm()" in nbgraders
    nbgrader(trapped, "autograde", NAME, "--student", "eve", "--force")


def test_limits_are_settings_of_the_course(collected):
    root = collected.with_name("slow")
    shutil.copytree(collected, root)
    assert NbgraderCourse(root).limits == Limits()
    with open(root / "nbgrader_config.py", "a") as config:
        config.write("c.RunInSandbox.cell_seconds = 8\nc.RunInSandbox.total_seconds = 70\n")
    assert NbgraderCourse(root).limits == Limits(cell_seconds=8, total_seconds=70)


def test_names_that_nbgrader_takes_for_wildcards_are_refused(collected):
    with pytest.raises(NbgraderError, match="rename"):
        NbgraderCourse(collected).autograde(NAME, "ada*")


# ------------------------------------------------------------------------ nbgrader's command


def nbgrader(root, *arguments):
    command = [str(Path(sys.executable).with_name("nbgrader")), *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
def test_nbgrader_autograde_gives_the_same_marks_and_comments(collected, course):
    root = collected.with_name("by-nbgrader")
    shutil.copytree(collected, root)
    nbgrader(root, "autograde", NAME)
    assert gradebook(root) == gradebook(course)
    assert circumstances(root) == circumstances(course)
    for student in SUBMITTED:
        assert files_of(root, student) == files_of(course, student)


@pytest.mark.slow
def test_manual_scores_and_late_penalties_are_those_of_nbgrader(course):
    roots = [course.with_name(name) for name in ("late-ours", "late-nbgraders")]
    for root in roots:
        shutil.copytree(course, root)
        with open(root / "nbgrader_config.py", "a") as config:
            config.write("c.LateSubmissionPlugin.penalty_method = 'zero'\n")
        with Gradebook(f"sqlite:///{root}/gradebook.db") as book:
            book.find_assignment(NAME).duedate = datetime.datetime(2026, 1, 15, 9, 0)
            book.find_grade("why-1-question", NAME, NAME, "carl").manual_score = 4
            book.find_grade(f"{FOLD}-check", NAME, NAME, "carl").manual_score = 1.5
            book.find_comment("why-1-question", NAME, NAME, "carl").manual_comment = "well said"
            book.db.commit()
    grade_class(open_course(roots[0]), NAME, students=["carl"], force=True)
    NbgraderCourse(roots[1]).autograde(NAME, "carl")
    ours, theirs = map(circumstances, roots)
    assert ours == theirs and gradebook(roots[0]) == gradebook(roots[1])
    _, penalty, score, _, comments = ours["carl"]
    assert penalty == score > 5.5 and "well said" in comments
    assert ours["ada"][1] is None


@pytest.mark.slow
def test_a_course_of_another_make_is_recorded_by_nbgrader_itself(course, monkeypatch):
    root = course.with_name("own-hook")
    shutil.copytree(course, root)
    with open(root / "nbgrader_config.py", "a") as config:
        config.write(
            "c.Autograde.autograde_preprocessors = c.Autograde.autograde_preprocessors[1:]\n"
        )
    book = NbgraderCourse(root)
    with Recorder(book, NAME) as recorder:
        assert not recorder.can
    with Recorder(NbgraderCourse(course), NAME) as recorder:
        assert recorder.can


@pytest.mark.slow
def test_a_transaction_is_written_whole_or_not_at_all(course, monkeypatch):
    root = course.with_name("torn")
    shutil.copytree(course, root)
    before = gradebook(root), files_of(root, "carl")
    monkeypatch.setattr("autograder.course.gradebook.set_mark", lambda grade, mark: 1 / 0)
    graded = grade_class(open_course(root), NAME, students=["carl"], force=True)
    assert "division" in graded.faults["carl"]
    assert (gradebook(root), files_of(root, "carl")) == before


@pytest.mark.slow
def test_a_mark_that_somebody_changed_is_put_right_and_nothing_else_is_touched(course):
    root = course.with_name("altered")
    shutil.copytree(course, root)
    with Gradebook(f"sqlite:///{root}/gradebook.db") as book:
        book.find_grade(f"{FORWARD}-check", NAME, NAME, "carl").auto_score = 99
        book.db.commit()
    times = {
        s: (root / "autograded" / s / NAME / f"{NAME}.ipynb").stat().st_mtime_ns for s in SUBMITTED
    }
    graded = grade_class(open_course(root), NAME)
    assert set(graded.unchanged) == set(SUBMITTED) - {"carl"}
    assert gradebook(root) == gradebook(course)
    for student, time in times.items():
        after = (root / "autograded" / student / NAME / f"{NAME}.ipynb").stat().st_mtime_ns
        assert (after == time) == (student != "carl")


@pytest.mark.slow
def test_without_our_parts_the_value_of_check_is_partial_credit(collected):
    root = collected.with_name("plain")
    shutil.copytree(collected, root)
    config = root / "nbgrader_config.py"
    config.write_text(config.read_text().replace("configure(c)", "c.Execute.timeout = 60"))
    book = NbgraderCourse(root)
    book.autograde(NAME, "carl")
    marks = gradebook(root)["carl"]
    assert 0 < marks[f"{FORWARD}-check"][0] < 16 and marks[f"{FOLD}-check"][0] == 4


def test_an_assignment_of_another_kind_is_graded_as_ever(collected):
    root = collected.with_name("foreign")
    shutil.copytree(collected, root)
    labels = {
        "schema_version": 3,
        "locked": False,
        "solution": False,
        "grade": False,
        "task": False,
    }
    solved = nbformat.v4.new_code_cell("a = 1", id="a")
    solved.metadata.nbgrader = labels | {"grade_id": "a", "solution": True}
    test = nbformat.v4.new_code_cell("assert a == 2", id="b")
    test.metadata.nbgrader = labels | {"grade_id": "b", "grade": True, "locked": True, "points": 3}
    notebook = nbformat.v4.new_notebook(cells=[solved, test])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    for folder in ("source", "submitted/ada"):
        path = root / folder / "ps0" / "problem.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook))
    book = NbgraderCourse(root)
    book.generate_assignment("ps0")
    book.autograde("ps0", "ada")
    with Gradebook(f"sqlite:///{root}/gradebook.db") as marks:
        assert marks.find_grade("b", "problem", "ps0", "ada").auto_score == 0


@pytest.mark.parametrize("text", ["a_b*c*", "<script>", "[x](javascript:y)", "line\nbreak", "`c`"])
def test_comments_show_text_as_it_is(text):
    from nbconvert.filters import markdown2html

    shown = markdown2html(escape_markdown(text))
    assert "<script" not in shown and "<em>" not in shown and "<a " not in shown
    assert "<code>" not in shown and shown.count("\n") <= 1
