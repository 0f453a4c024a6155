"""The command line: what it teaches, what it does, and one clear line for each mistake."""

import io
import json
import os
import re
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest
from classroom import NAME, content, solution, write_lesson

from autograder import cli
from autograder.__main__ import require_python
from autograder.bars import Rate, stages
from autograder.checking.report import Report, Row
from autograder.cli import main
from autograder.course import doctor, folder, grade_class
from autograder.course.folder import find_name, init
from autograder.course.summary import line
from autograder.grading import own_file
from autograder.grading.results import SubmissionResult
from autograder.lessons import lesson


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command line; returns exit status, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return left.value.code or 0, *capsys.readouterr()

    return command


@pytest.fixture
def made(tmp_path):
    """A course with a source notebook that nobody has released."""
    made, _ = init(tmp_path / "my course", src=write_lesson(tmp_path / "src"))
    return made


def released(made):
    """The same with a release, as nbgrader would make it, and one broken submission."""
    for place in ("release", "submitted/ada"):
        path = made.root / place / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(content(solution()) if folder == "release" else b"{")
    return made


# ------------------------------------------------------------------------------------ help


def test_help_teaches_with_examples(run):
    status, out, _ = run("--help")
    commands = ("init", "build", "kit", "grade", "report", "check", "doctor", "demo")
    assert status == 0 and all(command in out for command in commands)
    for command in commands:
        status, out, _ = run(command, "--help")
        assert status == 0 and "Example" in out and f"autograder {command}" in out


def test_python_dash_m_works():
    arguments = ["-X", "importtime", "-m", "autograder", "grade", "no-such-folder", "2"]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120)
    imports = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    (said,) = set(done.stderr.splitlines()) - set(imports)
    assert done.returncode == 2
    assert said.startswith("autograder: There is no folder no-such-folder")
    imported = {line.rpartition("|")[2].strip() for line in imports}
    slow = {"rfc3987_syntax.syntax_helpers", "torch", "nbgrader", "sqlalchemy"}
    assert "typer" in imported and not imported & slow, "a command imports these where it uses them"


def test_an_old_python_is_told_what_to_install(capsys):
    require_python((3, 11))
    with pytest.raises(SystemExit) as left:
        require_python((3, 9))
    assert left.value.code == 2
    assert "this is Python 3.9, and Python 3.11 or newer is needed" in capsys.readouterr().err


# ------------------------------------------------------------------------------------ init


def test_init_makes_a_course_and_running_it_again_keeps_everything(run, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "SRC", write_lesson(tmp_path / "src"))
    monkeypatch.setattr(init, "__defaults__", ((), None, tmp_path / "src"))
    root = tmp_path / "made"
    status, out, _ = run("init", root, "--exchange", tmp_path / "exchange")
    assert status == 0 and "made the secret" in out and f"wrote source/{NAME}" in out
    secret = root / ".autograder" / "secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    assert len(secret.read_text()) == 64
    assert str(tmp_path / "exchange") in (root / "nbgrader_config.py").read_text()
    (root / "gradebook.db").write_text("precious")
    config = root / "nbgrader_config.py"
    config.write_text(config.read_text() + "# mine\n")
    source = root / "source" / NAME / f"{NAME}.ipynb"
    source.write_text("edited by hand")
    before = {path: path.read_bytes() for path in (secret, config, root / "gradebook.db")}
    status, out, _ = run("init", root)
    assert status == 0 and "replaced" in out
    assert all(path.read_bytes() == kept for path, kept in before.items())
    (earlier,) = (root / ".autograder" / "replaced").iterdir()
    assert earlier.read_text() == "edited by hand"
    assert run("init", root)[1] == "made: everything was there already\n"


def test_init_leaves_another_course_as_it_is(run, tmp_path):
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()")
    status, _, err = run("init", tmp_path)
    assert status == 2 and "configure(c)" in err
    assert (tmp_path / "nbgrader_config.py").read_text() == "c = get_config()"


# -------------------------------------------------------------------------------- options


def test_help_has_a_short_form_and_the_version_is_shown(run):
    assert "Example" in run("grade", "-h")[1]
    assert re.fullmatch(r"autograder \d+\.\d+\.\d+\n", run("--version")[1])
    assert "--install-completion" in run("-h")[1]


def test_a_mistyped_command_names_the_nearest(run):
    for typed, meant in (("grad", "grade"), ("exprt", "export"), ("docter", "doctor")):
        status, out, err = run(typed)
        assert status == 2 and out == "" and f"Did you mean '{meant}'" in err


@pytest.mark.parametrize("arguments", [("--quiet", "doctor"), ("doctor", "--quiet")])
def test_quiet_leaves_problems_only(run, arguments):
    assert run(*arguments) == (0, "", "")
    assert "There is no folder" in run("grade", "absent", "2", "--quiet")[2]


def test_json_is_all_that_stands_on_standard_output(run, made, tmp_path, monkeypatch):
    result = SubmissionResult("ada", NAME, (), problems=("odd\x1b[2J",))
    graded = grade_class.Graded({"ada": result}, {"ada": line(result)}, {"eve": "no mark"}, (), {})
    monkeypatch.setattr(grade_class, "grade_class", lambda *args, **options: graded)
    status, out, err = run("grade", made.root, "2", "--json")
    found = json.loads(out)
    assert status == 1 and found["faults"] == {"eve": "no mark"} and "eve" in err
    assert found["students"]["ada"]["problems"] == ["odd\x1b[2J"] and "\x1b" not in out
    made.store(NAME).save(result)
    status, out, err = run("report", made.root, "2", "--json", "--quiet")
    assert status == 0 and json.loads(out)["students"].keys() == {"ada"} and "wrote" in err
    assert {"what", "fine", "why", "needed"} == json.loads(run("doctor", "--json")[1])[0].keys()
    report = Report("normalization.fold_batchnorm", "Fold", (Row("a check", 4, 3),))
    monkeypatch.setattr(own_file, "check_files", lambda paths: ([report], []))
    (tmp_path / "mine.py").write_text("")
    status, out, err = run("check", tmp_path / "mine.py", "--json")
    assert status == 1 and json.loads(out)["score"] == 3 and "a check" in err


# ------------------------------------------------------------------------------- mistakes


def one_line(result):
    status, out, err = result
    assert status == 2 and out == "" and err.count("\n") == 1 and err.startswith("autograder: ")
    return err


def test_a_missing_or_wrong_course_folder(run, tmp_path):
    assert "run `autograder init" in one_line(run("grade", tmp_path / "absent", "2"))
    assert "is not a course folder" in one_line(run("grade", tmp_path, "2"))
    assert "is not a course folder" in one_line(run("report", tmp_path, "2"))


def test_an_unknown_lesson_names_the_nearest(run, made):
    err = one_line(run("grade", made.root, "02_batch_normalisation"))
    assert f"Did you mean {NAME}?" in err
    assert f"Lessons: {NAME}" in one_line(run("report", made.root, "7"))
    assert "There is no lesson 'optimizers'" in one_line(
        run("init", made.root, "--lesson", "optimizers")
    )


def test_what_has_to_be_done_first_is_said(run, made):
    assert "Nobody has submitted" in one_line(run("grade", made.root, "2"))
    path = made.root / "submitted" / "ada" / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert f"nbgrader generate_assignment {NAME}" in one_line(run("grade", made.root, "2"))
    assert "Nobody is graded" in one_line(run("report", made.root, "2"))
    released_path = made.root / "release" / NAME / f"{NAME}.ipynb"
    released_path.parent.mkdir(parents=True)
    released_path.write_bytes(content(solution()))
    (made.root / ".autograder" / "secret").unlink()
    assert "autograder init" in one_line(run("grade", made.root, "2"))


def test_an_unknown_student_names_the_nearest(run, made):
    released(made)
    err = one_line(run("grade", made.root, "2", "--student", "ade"))
    assert "no submission of 'ade'" in err and "Did you mean ada?" in err


def test_a_folder_without_permission(run, tmp_path, monkeypatch):
    def refuse(self, *args, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(folder.Path, "mkdir", refuse)
    assert "No permission for" in one_line(run("init", tmp_path / "closed"))


@pytest.mark.slow
def test_a_file_in_the_way_and_a_full_disk(run, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    assert "Not a directory" in one_line(run("init", tmp_path / "file" / "course"))

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "write_atomically", full)
    assert "No space left on device" in one_line(run("init", tmp_path / "course"))


@pytest.mark.slow
def test_broken_and_absent_files_to_check(run, tmp_path):
    assert "There is no file" in one_line(run("check", tmp_path / "absent.ipynb"))
    assert "is a folder without .py files: name a notebook" in one_line(run("check", tmp_path))
    (tmp_path / "broken.py").write_text("x = 1\ny = (\n")
    assert "SyntaxError in line 2" in one_line(run("check", tmp_path / "broken.py"))
    assert "is a file: name a folder" in one_line(run("init", tmp_path / "broken.py"))
    (tmp_path / "broken.ipynb").write_text("{")
    assert "not JSON" in one_line(run("check", tmp_path / "broken.ipynb"))


def test_names_cannot_steer_the_terminal(run, made):
    err = one_line(run("grade", made.root, "\x1b[2J\u202e2"))
    assert "\x1b" not in err and "\u202e" not in err


def test_an_interruption_is_one_line_that_says_what_is_kept(run, made, monkeypatch):
    def interrupt(*args, progress, **options):
        progress("execute", "ada", 3)
        raise KeyboardInterrupt

    monkeypatch.setattr(grade_class, "grade_class", interrupt)
    monkeypatch.setattr(cli, "end_now", sys.exit)
    status, _, err = run("grade", released(made).root, "2")
    assert status == cli.INTERRUPTED and err.count("\n") == 1
    assert err.startswith("autograder: Stopped after 1 of 3: what was graded is kept")


def test_an_interruption_before_the_first_stage_is_one_line_too(run, made, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "end_now", sys.exit)
    monkeypatch.setattr(folder, "open_course", interrupt)
    for arguments in (("grade", made.root, "2"), ("report", made.root, "2")):
        status, _, err = run(*arguments)
        assert status == cli.INTERRUPTED and err.count("\n") == 1
        assert err.startswith("autograder: Stopped")


def test_a_lesson_is_graded_by_one_at_a_time(run, made):
    with made.alone_with(NAME):
        err = one_line(run("grade", released(made).root, "2"))
    assert "being graded already" in err and f"process {os.getpid()}" in err
    with made.alone_with(NAME):  # whoever held it has let go
        pass


def test_to_judge_again_and_to_execute_again_are_two_things(run, made):
    assert "give one of them" in one_line(run("grade", made.root, "2", "--remark", "--force"))


@pytest.mark.parametrize(
    ("arguments", "said", "explained"),
    [
        ("grade", "Missing argument 'COURSE'", "grade -h"),
        ("grade c 2 --jbos 3", "--jobs", "grade -h"),
        ("grade c 2 --jobs 0", "'--jobs'", "grade -h"),
        ("grade c 2 --student", "'--student'", " -h"),
        ("mine c 2 extra", "(extra)", "mine -h"),
        ("grde c 2", "Did you mean 'grade'", "autograder -h"),
        ("roster imprt c", "Did you mean 'import'", "roster -h"),
    ],
)
def test_a_wrong_call_is_one_line_with_what_there_is(run, arguments, said, explained):
    line = one_line(run(*arguments.split()))
    assert said in line and f"{explained}` explains it" in line


def test_a_group_of_commands_alone_shows_its_help(run):
    status, out, err = run("roster")
    assert status == 2 and "import" in out + err and "explains it" not in err


def test_a_question_that_is_not_answered_with_yes_does_nothing(run, made, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    status, _, err = run("forget", made.root, "ada")
    assert status == 1 and err.endswith("autograder: Nothing was done.\n")


# ---------------------------------------------------------------------------------- working


@pytest.mark.parametrize("name", ["2", "02", NAME, f"{NAME}/", f"{NAME}.ipynb"])
def test_a_lesson_has_three_names(name):
    assert find_name(name, ["00_getting_started", NAME]) == NAME


def test_grade_says_who_has_no_marks(run, made, monkeypatch):
    graded = grade_class.Graded(
        results={},
        lines={"ada": line(SubmissionResult("ada", NAME, ()))},
        faults={"eve": "no mark was written: no process"},
        unchanged=("ada",),
        unread={"max": ["homework.ipynb was not read"]},
    )
    monkeypatch.setattr(grade_class, "grade_class", lambda *args, **options: graded)
    status, out, err = run("grade", made.root, "2")
    assert status == 1 and "ada" in out and "1 were unchanged" in out
    assert "eve: no mark was written: no process" in err and "homework.ipynb" in err


def test_report_shows_a_table_and_writes_a_page(run, made, tmp_path):
    made.store(NAME).save(SubmissionResult("ada", NAME, (), problems=("odd",)))
    status, out, _ = run("report", made.root, "2", "--output", tmp_path / "page.html")
    assert status == 0 and "ada" in out and "odd" in out
    assert "<th scope=" in (tmp_path / "page.html").read_text()


@pytest.mark.slow
def test_check_prints_tables_and_a_status_for_scripts(run, tmp_path, monkeypatch):
    path = tmp_path / "mine.py"
    path.write_text("import numpy as np\n\ndef fold_batchnorm(W, b, gamma, beta, bn_param): 1 / 0")
    status, out, _ = run("check", path)
    assert status == 1 and "raised ZeroDivisionError" in out and "0 of 4 points" in out
    path.write_text("x = 1")
    assert "defines no function" in one_line(run("check", path))
    report = Report("normalization.fold_batchnorm", "Fold", (Row("a check", 4, 4),))
    monkeypatch.setattr(own_file, "check_files", lambda paths: ([report], ["a note"]))
    status, out, _ = run("check", path)
    assert status == 0 and "a check" in out and "a note" in out and "4 of 4 points" in out


def test_doctor_says_which_tier_and_what_is_missing(run, made, tmp_path, monkeypatch):
    status, out, _ = run("doctor", made.root, "--all")
    assert status == 0 and re.search(r"tier [ABC]", out) and "NO" not in out
    for word in ("Landlock", "seccomp", "Python", "torch", "nbgrader", "alembic", "secret"):
        assert word in out
    status, short, _ = run("doctor", made.root)
    assert status == 0 and re.search(r"tier [ABC]", short) and "nbgrader" not in short
    (made.private / "secret").chmod(0o644)
    status, out, _ = run("doctor", made.root)
    assert status == 1 and "mode 644" in out
    status, out, _ = run("doctor", tmp_path / "absent")
    assert status == 1 and "cannot be written" in out and "autograder init" in out
    monkeypatch.setattr(doctor, "LIBRARIES", ("no-such-library",))
    assert run("doctor")[0] == 1


def test_build_writes_and_checks(run, tmp_path, monkeypatch):
    folders = (write_lesson(tmp_path / "src"), tmp_path / "student", tmp_path / "solution")
    from autograder.lessons import build

    monkeypatch.setattr(build.build_all, "__defaults__", folders)
    status, _, err = run("build", "--check")
    assert status == 1 and "run `autograder build`" in err
    assert run("build")[1].count("wrote") == 2
    assert run("build", "--check")[:2] == (0, "every notebook is up to date\n")
    (tmp_path / "src" / f"{NAME}.py").write_text("# %%\n")
    assert NAME in one_line(run("build"))


def test_kit_says_where_it_is(run, tmp_path, monkeypatch):
    from autograder.lessons import kit

    monkeypatch.setattr(kit, "write_kit", lambda out: tmp_path / out)
    assert run("kit", "handout")[:2] == (0, f"wrote {tmp_path}/handout and handout.zip\n")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").write_text("")
    monkeypatch.undo()
    assert "used" in one_line(run("kit", tmp_path / "used"))


def test_the_progress_of_each_stage_is_shown(capsys):
    with stages() as tell:
        for student in ("ada", "b\x1b[2Jo"):
            tell("execute", student, 2)
    out = capsys.readouterr().out
    assert "execute and judge" in out and "2/2" in out and "\x1b[2Jo" not in out


@pytest.mark.parametrize(("seconds", "said"), [(0.01, ""), (30.0, "6/min")])
def test_a_rate_is_that_of_a_whole_stage_which_took_a_second_or_more(seconds, said):
    task = SimpleNamespace(finished_time=None, elapsed=seconds, completed=3)
    assert Rate().render(task).plain == said


def test_every_lesson_of_the_course_can_be_put_into_one(tmp_path):
    made, _ = init(tmp_path / "all")
    assert made.lessons() == sorted(path.stem for path in lesson.SRC.glob("*.py"))
