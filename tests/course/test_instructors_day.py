"""From a roster to a platform's gradebook, on the command line, as an instructor does."""

import csv
import datetime
import io
import shutil
import zipfile
from dataclasses import replace

import pytest
from classroom import NAME, content, write_lesson

from autograder.cli import main
from autograder.course import preview as previewing
from autograder.course.cells import name_of, read_cells
from autograder.course.errors import CourseError
from autograder.course.folder import init, open_course
from autograder.course.markbook import marks
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.course.pack import pack
from autograder.course.preview import preview
from autograder.course.regrades import decide, forget_requests, request, requests
from autograder.grading import grader
from autograder.lessons import build
from autograder.lessons.lesson import NOTEBOOKS, read_lesson
from autograder.submissions.notebook import OutOfReach
from autograder.submissions.uploads import take

pytestmark = pytest.mark.slow  # one course, graded twice

DAY = datetime.timedelta(days=1)
ROSTER = """\
Student,ID,SIS User ID,SIS Login ID,Section,Lesson 2 (77)
    Points Possible,,,,,100
"Lovelace, Ada",101,s-1,ada@example.org,Monday,
"Gauß, Carl",102,s-2,carl@example.org,Tuesday,
"Ångström, Zoë",103,s-3,zoe@example.org,Tuesday,
"""
TIMES = "canvas,time\n101,2026-10-01 10:00 UTC\n102,2026-10-03 10:00 UTC\n"
SETTINGS = f"""\
[late]
days = 1
penalty_per_day = 0.25
[lessons.{NAME}]
due = 2026-10-01T12:00:00Z
points = 10
leave_out = ["normalization.fold_batchnorm"]
"""


def run(*arguments, status=0):
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    assert (left.value.code or 0) == status


def archive(path, **notebooks):
    with zipfile.ZipFile(path, "w") as zipped:
        for name, made in notebooks.items():
            zipped.writestr(f"{name}_{NAME}.ipynb", content(made))
    return path


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """The whole day, command by command."""
    root = tmp_path_factory.mktemp("day")
    src = write_lesson(root / "src")
    lesson = read_lesson(src / f"{NAME}.py")
    course = root / "course"
    course.mkdir()
    (course / "course.toml").write_text(SETTINGS, encoding="utf-8")
    init(course, src=src)
    NbgraderCourse(course).generate_assignment(NAME)
    (root / "canvas.csv").write_text(ROSTER, encoding="utf-8")
    (root / "times.csv").write_text(TIMES, encoding="utf-8")
    run("roster", "import", course, root / "canvas.csv")
    made = build.solution_notebook(lesson)
    submissions = archive(root / "s.zip", lovelaceada_101_1=made, gausscarl_LATE_102_2=made)
    run("collect", course, "2", submissions, "--times", root / "times.csv")
    run("grade", course, "2")
    return course


def test_a_left_out_exercise_is_in_no_maximum_and_the_rest_is_graded(day):
    ada = next(line for line in marks(open_course(day)) if line.student == "ada")
    names = [one.name for one in ada.questions]
    assert not [name for name in names if "fold" in name]
    automatic = [one for one in ada.questions if not one.waiting]
    assert all(one.score == one.maximum for one in automatic if one.maximum)
    assert len(automatic) > 3


def test_what_is_left_out_is_decided_anew_after_marks_are_given(day, tmp_path, capsys, monkeypatch):
    course = tmp_path / "course"
    shutil.copytree(day, course)
    src = day.parent / "src"
    monkeypatch.setattr(init, "__defaults__", ((), None, src))

    def maximum():
        return {line.maximum for line in marks(open_course(course))}

    (before,) = maximum()
    other = SETTINGS.replace("fold_batchnorm", "batchnorm_forward")
    (course / "course.toml").write_text(other, encoding="utf-8")
    run("grade", course, "2")
    said = " ".join(capsys.readouterr().out.split())
    assert "normalization.batchnorm_forward counts, which course.toml leaves out" in said
    assert "fold_batchnorm does not count, which course.toml no longer leaves out" in said
    assert maximum() == {before}
    run("init", course)
    NbgraderCourse(course).generate_assignment(NAME)
    run("grade", course, "2")
    assert "In the released" not in capsys.readouterr().out
    (after,) = maximum()
    points = {one.id: one.points for one in read_lesson(src / f"{NAME}.py").exercises}
    fold, forward = (points[f"normalization.{n}"] for n in ("fold_batchnorm", "batchnorm_forward"))
    assert after - before == pytest.approx(fold - forward)
    ada = next(line for line in marks(open_course(course)) if line.student == "ada")
    assert not [one for one in ada.questions if not one.maximum and not one.bonus]
    assert all(one.score == one.maximum for one in ada.questions if not one.waiting)


def test_a_dry_run_shows_what_leaving_out_changes_without_a_run(day, tmp_path, capsys, monkeypatch):
    course = tmp_path / "course"
    shutil.copytree(day, course)
    monkeypatch.setattr(init, "__defaults__", ((), None, day.parent / "src"))
    before = {line.student: line for line in marks(open_course(course))}
    forward = next(one for one in before["ada"].questions if "batchnorm_forward" in one.name)
    more = SETTINGS.replace("fold_batchnorm", 'fold_batchnorm", "normalization.batchnorm_forward')
    (course / "course.toml").write_text(more, encoding="utf-8")
    found = preview(open_course(course), NAME)
    after = {one.student: one.after for one in found.changes}
    assert after["ada"] == pytest.approx(before["ada"].score - forward.score)
    assert after["carl"] == pytest.approx(0.75 * after["ada"]) and not found.runs
    run("grade", course, "2", "--dry-run")
    said = capsys.readouterr().out
    assert f"{forward.score:g} of {forward.maximum:g} are left out" in said
    assert "In the released" in said and "autograder init" in said
    run("init", course)
    NbgraderCourse(course).generate_assignment(NAME)
    again = preview(open_course(course), NAME)
    assert (again.same, again.runs, again.otherwise) == (1, {}, ())
    assert [(one.student, one.after) for one in again.changes] == [
        ("carl", pytest.approx(after["carl"]))  # whose penalty is of fewer points
    ]
    run("grade", course, "2")
    graded = {line.student: line.final for line in marks(open_course(course))}
    assert graded == pytest.approx(after)
    (course / "course.toml").write_text(SETTINGS, encoding="utf-8")
    run("init", course)
    NbgraderCourse(course).generate_assignment(NAME)
    assert len(preview(open_course(course), NAME).runs) == 2  # what counts again was not observed


def test_late_days_are_used_then_points(day):
    by_student = {line.student: line for line in marks(open_course(day))}
    assert by_student["ada"].penalty == 0
    carl = by_student["carl"]
    assert (carl.lateness.covered, carl.lateness.charged) == (1, 1)
    assert carl.final == pytest.approx(0.75 * carl.score)
    assert carl.recorded_penalty == pytest.approx(carl.penalty)


def test_an_extension_reaches_marks_that_are_given(day, capsys):
    text = SETTINGS + f"[lessons.{NAME}.extensions]\ncarl = 2026-10-05\n"
    (day / "course.toml").write_text(text, encoding="utf-8")
    try:
        run("late", day)
        assert "1 penalties changed" in capsys.readouterr().out
        assert all(line.recorded_penalty == 0 for line in marks(open_course(day)))
    finally:
        (day / "course.toml").write_text(SETTINGS, encoding="utf-8")
        run("grade", day, "2")  # nothing is executed again, penalties are
    assert {line.recorded_penalty > 0 for line in marks(open_course(day))} == {False, True}


def test_feedback_has_a_page_for_everyone_and_says_who_has_none(day, capsys):
    run("feedback", day, "2")
    assert "2 pages" in capsys.readouterr().out
    page = (day / "feedback" / "carl" / NAME / f"{NAME}.html").read_text("utf-8")
    assert "Gauß" in page and "late day used" in page and "not graded yet" in page
    assert "Lovelace" not in page and "ada" not in page.partition("<body>")[2]
    run("feedback", day, "2", "--student", "carla", status=1)
    said = capsys.readouterr().err
    assert "carla: there are no marks yet" in said and "Did you mean carl?" in said


def test_who_marks_must_be_among_those_who_do(day, capsys):
    run("mark", day, "2", "--graders", "ada, bo", "--as", "eve", status=2)
    assert "name yourself with --as" in capsys.readouterr().err


def test_students_and_the_instructor_get_their_pages(day):
    run("feedback", day, "2")
    pages = {path.parts[-3] for path in (day / "feedback").rglob("*.html")}
    assert pages == {"ada", "carl"}
    run("report", day, "2")
    text = (day / f"summary-{NAME}.html").read_text(encoding="utf-8")
    assert "Ada Lovelace" in text and "have not handed in" in text  # zoe


def test_canvas_gets_its_own_file_back(day, tmp_path, capsys):
    template = day.parent / "canvas.csv"
    run(
        *("export", day, "2", "--canvas", "--template", template),
        *("--column", "Lesson 2 (77)", "--output", tmp_path / "out"),
    )
    text = (tmp_path / "out" / "canvas.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(text)))
    assert float(rows[2][5]) > float(rows[3][5]) > 0
    assert rows[4][5] == ""  # zoe handed nothing in
    run("export", day, "--csv", "--output", tmp_path / "out", status=2)
    assert "not empty" in capsys.readouterr().err


# ------------------------------------------------------------------- after marks are given


def test_a_dry_run_says_who_changes_and_why_and_writes_nothing(day, capsys, monkeypatch):
    def files():
        return {p: p.read_bytes() for p in day.rglob("*") if p.is_file() and "__" not in str(p)}

    run("grade", day, "2", "--dry-run")
    assert "0 marks would change, 2 would not" in capsys.readouterr().out
    easier = SETTINGS.replace("0.25", "0.5")
    (day / "course.toml").write_text(easier, encoding="utf-8")
    try:
        before = files()
        carl = next(line for line in marks(open_course(day)) if line.student == "carl")
        found = preview(open_course(day), NAME)
        assert files() == before
    finally:
        (day / "course.toml").write_text(SETTINGS, encoding="utf-8")
    (change,) = found.changes
    assert change.student == "carl"
    assert change.before == pytest.approx(0.75 * carl.score)
    assert change.after == pytest.approx(0.5 * carl.score)
    assert "50 % off" in change.why[0]


def test_a_dry_run_judges_again_and_counts_what_must_be_run(day, monkeypatch):
    course = open_course(day)
    question = next(one for one in marks(course)[0].questions if one.maximum and not one.waiting)
    fewer = replace(question, score=question.score - 3)

    def recorded(course):
        return [
            replace(line, questions=tuple(fewer if q == question else q for q in line.questions))
            for line in marks(course)
            if line.student == "ada"
        ]

    monkeypatch.setattr(previewing, "marks", recorded)
    monkeypatch.setattr(grader, "software", lambda: "of another judge")
    found = preview(course, NAME, students=["ada"])
    (change,) = found.changes
    assert change.after - change.before == pytest.approx(3)
    assert question.title in change.why[0]
    alone = preview(course, NAME, jobs=1)
    monkeypatch.setattr(previewing, "FEW", 1)
    assert preview(course, NAME, jobs=2) == alone  # in processes, which many are dealt out to
    monkeypatch.setattr(grader, "surroundings", lambda: "another library")
    found = preview(course, NAME, students=["ada", "carl"])
    assert not found.changes
    assert set(found.runs) == {"ada", "carl"}
    assert "needs 2 runs, about 1 minute" in found.words


def test_a_dry_run_goes_on_where_one_file_cannot_be_read(day, capsys, monkeypatch):
    def taken(path):
        if "carl" in path.parts:
            raise OutOfReach.of(path, PermissionError(13, "Permission denied"))
        return take(path)

    monkeypatch.setattr(previewing, "take", taken)
    run("grade", day, "2", "--dry-run", status=1)
    shown = capsys.readouterr()
    assert "0 marks would change, 1 would not; 1 could not be read" in shown.out
    (line,) = shown.err.splitlines()
    assert line.startswith("carl: ") and line.endswith("cannot be read: Permission denied")


def test_a_dry_run_gives_the_same_reason_for_many_once(day, capsys, monkeypatch):
    monkeypatch.setattr(grader, "software", lambda: "of another judge")
    monkeypatch.setattr(grader, "surroundings", lambda: "another library")
    run("grade", day, "2", "--dry-run")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ada, carl: the lesson, a library")


def test_a_request_is_open_then_decided_within_its_window(day, capsys):
    course = open_course(day)
    exercise = "normalization.batchnorm_forward"
    run("regrade", "request", day, "2", "ada", exercise, "it is right")
    run("regrade", "request", day, "2", "ada", exercise, "it is right", status=2)
    assert "Request 1 asks the same" in capsys.readouterr().err
    run("regrade", "decide", day, "1", "granted", "--note", "yes")
    run("regrade", "list", day, "--state", "granted")
    assert "1 granted (yes)  ada" in capsys.readouterr().out
    assert request(course, NAME, "ada", "why-1", "again").number == 2
    for wrong, said in (
        (("ada", "why-9", "x"), "no question"),
        (("eve", "why-1", "x"), "no marks"),
        (("carl", "why-1", " "), "A reason has"),
    ):
        with pytest.raises(CourseError, match=said):
            request(course, NAME, *wrong)
    with pytest.raises(CourseError, match="no request 7"):
        decide(course, 7, "granted")
    with pytest.raises(CourseError, match="granted or declined"):
        decide(course, 1, "maybe")
    text = SETTINGS.replace("points = 10", "points = 10\nregrades_until = 2026-10-15")
    (day / "course.toml").write_text(text, encoding="utf-8")
    try:
        late = datetime.datetime(2026, 10, 16, 0, 1)
        assert request(course, NAME, "carl", "why-1", "x", late - DAY).state == "open"
        with pytest.raises(CourseError, match="ended on 2026-10-15"):
            request(course, NAME, "carl", "why-2", "x", late)
    finally:
        (day / "course.toml").write_text(SETTINGS, encoding="utf-8")
    assert forget_requests(course, "carl") == 1
    assert {one.student for one in requests(course)} == {"ada"}


def test_a_student_is_forgotten_everywhere(day, tmp_path, capsys):
    course = tmp_path / "course"
    shutil.copytree(day, course)
    excused = f'[lessons.{NAME}.extensions]\ncarl = "excused"\n'
    (course / "course.toml").write_text(SETTINGS + excused, encoding="utf-8")
    for form in ("--csv", "--gradescope", "--blackboard"):
        run("export", course, "2", form)
    run("report", course, "2")
    run("collect", course, "2", archive(tmp_path / "late.zip", gausscarl_LATE_102_9="again"))
    damaged = course / ".autograder" / "handed_in" / "damaged.json"
    damaged.write_text("{", encoding="utf-8")
    capsys.readouterr()
    run("forget", course, "carl", "--yes")
    said = capsys.readouterr().out
    files = [path for path in course.rglob("*") if path.is_file()]
    named = {
        str(path.relative_to(course))
        for path in files
        if b"carl" in str(path).encode() + path.read_bytes().replace(b"\0", b"")
    }
    assert named == {line.partition(" still ")[0] for line in said.splitlines() if "still" in line}
    assert {name.partition("/")[0] for name in named} == {
        *("course.toml", "exports", f"summary-{NAME}.html")
    }
    assert not damaged.exists()
    shutil.rmtree(course / "exports")
    assert "removed from the gradebook" in said
    assert f"course.toml still names them in lessons.{NAME}.extensions" in said
    (course / "course.toml").write_text(SETTINGS, encoding="utf-8")
    assert [line.student for line in marks(open_course(course))] == ["ada"]
    assert not [path for path in course.rglob("*") if "carl" in path.name]
    assert "carl" not in (course / "roster.csv").read_text(encoding="utf-8")
    run("forget", course, "carl", "--yes", status=2)


def test_a_pack_says_what_is_missing_and_is_the_same_every_time(tmp_path):
    lesson = read_lesson(write_lesson(tmp_path / "src") / f"{NAME}.py")
    notebook = tmp_path / f"{NAME}.ipynb"
    notebook.write_bytes(content(build.solution_notebook(lesson)))
    first = pack(notebook)
    again = first.path.read_bytes()
    assert pack(notebook).path.read_bytes() == again
    assert first.missing == ()
    notebook.write_bytes(content(build.student_notebook(lesson)))
    assert pack(notebook).missing
    notebook.write_bytes(b"{")
    with pytest.raises(CourseError, match="no notebook"):
        pack(notebook)


def test_what_a_pack_misses_is_named_as_a_student_knows_it(tmp_path):
    lesson = tmp_path / "lesson.ipynb"
    for path in sorted((NOTEBOOKS / "student").glob("*.ipynb")):
        lesson.write_bytes(path.read_bytes())
        missing = pack(lesson).missing
        names = [one for one in missing if not one.startswith("Question ")]
        assert all(name.removesuffix(" in PyTorch").isidentifier() for name in names)
        assert len(names) == len(set(names)) >= 1
        asked = [cell for cell in read_cells(path) if name_of(cell).endswith("-question")]
        assert len(missing) - len(names) == len(asked)
        lesson.write_bytes((NOTEBOOKS / "solution" / path.name).read_bytes())
        assert pack(lesson).missing == ()


def test_a_left_out_exercise_that_the_lesson_has_not_is_named(tmp_path):
    course = tmp_path / "course"
    course.mkdir()
    (course / "course.toml").write_text(
        f'[lessons.{NAME}]\nleave_out = ["normalization.fold"]\n', encoding="utf-8"
    )
    with pytest.raises(CourseError, match="Did you mean"):
        init(course, src=write_lesson(tmp_path / "src"))


def test_the_day_of_the_hand_in_is_kept(day):
    (ada,) = [line for line in marks(open_course(day)) if line.student == "ada"]
    assert ada.lateness.seconds == 0
    stamp = (day / "submitted" / "ada" / NAME / "timestamp.txt").read_text(encoding="utf-8")
    assert datetime.datetime.fromisoformat(stamp.replace(" UTC", "").strip()).day == 1
