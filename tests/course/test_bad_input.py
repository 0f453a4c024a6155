"""What instructors' files may be: one clear line for each fault, status not 0, nothing lost."""

import json
import socket
import sqlite3
import zipfile

import pytest
from classroom import NAME, content, record_unrun, template, write_lesson

from autograder.cli import main
from autograder.course.errors import CourseError
from autograder.course.folder import init
from autograder.course.pack import pack
from autograder.grading import observations
from autograder.grading.observations import Observations
from autograder.sandbox.process import Outcome

KEPT = ("of another version",)
DUE = f"[lessons.{NAME}]\ndue = 2026-10-01T12:00:00+02:00\n"


@pytest.fixture(scope="module")
def src(tmp_path_factory):
    return write_lesson(tmp_path_factory.mktemp("lessons"))


@pytest.fixture
def made(tmp_path, src):
    made, _ = init(tmp_path / "course", src=src)
    return made


@pytest.fixture
def refused(made, capsys):
    """Run a command that must fail with one line and change no file; returns the line."""

    def command(*arguments):
        before = files(made.root)
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert left.value.code == 2
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("autograder: ")
        assert files(made.root) == before
        return err

    return command


def files(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_zips_that_are_none_or_are_cut_off(made, refused, tmp_path):
    path = tmp_path / "hand-ins.zip"
    path.write_bytes(b"no zip at all")
    assert "hand-ins.zip" in refused("collect", made.root, "2", path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"ada_1_2_{NAME}.ipynb", "{}" * 500)
    path.write_bytes(path.read_bytes()[:-30])
    assert "hand-ins.zip" in refused("collect", made.root, "2", path)
    assert "absent.zip" in refused("collect", made.root, "2", tmp_path / "absent.zip")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no CSV"),
        (b"\x00\x01\x02", "no CSV"),
        (b",,\n,,\n", "all its fields are empty"),
        (b"a,b\n1,2\n", "columns"),
        (b"id,name\nada,Ada\nada,Ada Two\n", "more than once"),
        (b'id,name\nada,"Ada\nzoe,Zoe\n', "end of data"),
        (b"id,name,email\nada,Lovelace, Ada,ada@example.org\n", "line 2: 4 fields"),
        ("id,name\nada,Ada\n".encode("utf-16-le"), "no CSV"),
        ("\ufeffid,name\nada,Ada\n".encode("utf-32-le"), "no CSV"),
        (b"\xef\xbb\xbfid,name\nada,\xc5da\n", "goes on otherwise"),
        (b"\xff\xfei\x00d", "goes on otherwise"),
        (b"PK\x03\x04\x14\x00\x06\x00", "no CSV"),
        (b"<!DOCTYPE html>\n<title>Sign in</title>\n", "no list of students"),
        (b'"id\nof the student",name\nada,Ada\n', "columns"),
    ],
)
def test_rosters_that_are_none_or_have_a_student_twice(made, refused, tmp_path, content, said):
    path = tmp_path / "roster.csv"
    path.write_bytes(content)
    assert said in refused("roster", "import", made.root, path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,name\nada,Ada\nada,Ada Two\n", "more than once"),
        ("id,name\n,Ada\n", "the id '' of Ada"),
        ("id,name\n../../zoe,Zoe\n", "no folder's name"),
        ("name,email\nAda,ada@example.org\n", "no column id"),
    ],
)
def test_a_roster_that_was_edited_wrongly_is_not_written_over(made, refused, tmp_path, text, said):
    (made.root / "roster.csv").write_text(text)
    (path := tmp_path / "more.csv").write_text("id\nemmy\n")
    assert said in refused("roster", "import", made.root, path)
    assert said in refused("roster", "show", made.root)


def test_two_rows_for_one_student_of_the_roster(made, refused, tmp_path):
    (made.root / "roster.csv").write_text("id,email,sis\nada,ada@example.org,s-1\n")
    path = tmp_path / "more.csv"
    path.write_text("id,email,sis\nzoe,ada@example.org,\nemmy,,s-1\n")
    assert "two rows are of ada" in refused("roster", "import", made.root, path)


def test_of_several_zips_none_is_collected_where_one_is_damaged(made, refused, tmp_path):
    (made.root / "roster.csv").write_text("id,canvas\nada,1\n")
    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    with zipfile.ZipFile(good, "w") as archive:
        archive.writestr(f"ada_LATE_1_2_{NAME}.ipynb", "{}")
    bad.write_bytes(good.read_bytes()[:-9])
    assert "bad.zip" in refused("collect", made.root, "2", good, bad)
    unknown = bytearray(good.read_bytes())
    unknown[unknown.index(b"PK\x01\x02") + 6] = 0xFF  # the version that it takes to unpack it
    bad.write_bytes(unknown)
    assert "Nothing was collected" in refused("collect", made.root, "2", good, bad)
    (times := tmp_path / "times.csv").write_text("id,time\nada,soon\n")
    assert "'soon' is no time" in refused("collect", made.root, "2", good, "--times", times)
    times.write_text("who,when\nada,2026-10-01\n")
    assert "needs a column time" in refused("collect", made.root, "2", good, "--times", times)


def test_a_score_that_is_none_and_a_page_that_is_a_folder(made, refused, tmp_path, capsys):
    for score in ("nan", "-1", "inf"):
        assert "--threshold is" in refused("similarity", made.root, "2", "--threshold", score)
    record_unrun(made, {"ada": template()})
    with pytest.raises(SystemExit):
        main(["report", str(made.root), "2"])
    capsys.readouterr()
    said = refused("report", made.root, "2", "--output", tmp_path)
    assert said.startswith(f"autograder: {tmp_path}: ")


def test_a_class_of_nobody_of_one_or_without_observations(made, refused, capsys, monkeypatch):
    for command in ("mine", "similarity", "report"):
        assert "Nobody is graded" in refused(command, made.root, "2")
    record_unrun(made, {"ada": template()})
    for command in ("mine", "similarity"):
        said = refused(command, made.root, "2")
        assert "its observations were not kept" in said and "--force" in said
    store = made.store(NAME)
    with monkeypatch.context() as older:
        older.setattr(observations, "FORMAT", -1)
        store.save(store.load("ada"), Observations("run", Outcome()))
    for command in ("mine", "similarity"):
        assert "kept by another version" in refused(command, made.root, "2")
    store.save(store.load("ada"), Observations("run", Outcome()))
    assert "1 graded submissions: nothing to compare" in refused("similarity", made.root, "2")
    with pytest.raises(SystemExit) as left:
        main(["mine", str(made.root), "2"])
    assert not left.value.code
    assert capsys.readouterr().out == "no 2 students share a wrong answer without a name\n"


def test_settings_in_another_encoding(made, refused):
    (made.root / "course.toml").write_bytes('[course]\nname = "Übung"\n'.encode("cp1252"))
    assert "not written in UTF-8" in refused("late", made.root)


def test_a_gradebook_that_is_none_or_of_another_version(made, refused, capsys):
    path = made.root / "gradebook.db"
    path.write_bytes(b"not a database, although it is long enough to be one" * 30)
    for command in (("late", made.root), ("export", made.root, "--csv")):
        assert "gradebook.db is no gradebook" in refused(*command)
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE grade (id VARCHAR, points REAL)")
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR)")
        database.execute("INSERT INTO alembic_version VALUES (?)", KEPT)
    database.close()
    with pytest.raises(SystemExit) as left:
        main(["export", str(made.root), "--csv"])
    err = capsys.readouterr().err
    assert (left.value.code, err.count("\n")) == (2, 1)
    assert "another version" in err
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [KEPT]
    database.close()


def test_files_of_ours_that_are_damaged(made, refused):
    path = made.private / "regrades.jsonl"
    for text in ('{"number": 1', "[1]\n", '{"number": 1, "of": "another version"}\n', "\n"):
        path.write_text(text)
        assert "regrades.jsonl is damaged" in refused("regrade", "list", made.root)
    asked = dict.fromkeys(("lesson", "student", "question", "reason", "asked"), "")
    path.write_text(json.dumps({"number": "one", **asked}) + "\n")
    assert "'one' is no number" in refused("regrade", "list", made.root)
    turn = made.private / "turns" / NAME
    turn.parent.mkdir(exist_ok=True)
    turn.write_text("two")
    with pytest.raises(CourseError, match="holds no number"):
        made.turn(NAME)


def test_marking_without_marks_a_name_or_a_port(made, refused, monkeypatch):
    def unknown():
        raise KeyError("uid not found")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "autograder: " in refused("mark", made.root, "2", "--as", "carl", "--port", port)
    monkeypatch.setattr("getpass.getuser", unknown)
    assert "--as" in refused("mark", made.root, "2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[lessons.02_batch_normalisation]\npoints = 3\n", f"Did you mean {NAME}?"),
        (f"[lessons.{NAME}.extensions]\nadda = 2026-10-01\n", "Did you mean ada?"),
        ("[lessons.02]\npoints = 3\n", f"Did you mean {NAME}?"),
        (f'[lessons.{NAME}.extensions]\nada = "excuse"\n', "a time, or 'excused'"),
        (f'[lessons.{NAME}.extensions]\nzoe = "excused"\n', "'zoe', who is not in the roster"),
        (
            f'[lessons.{NAME}]\nleave_out = ["normalization.batchnorm_forwrd"]\n',
            "Did you mean normalization.batchnorm_forward?",
        ),
    ],
)
def test_a_due_date_or_an_extension_of_nobody_is_not_passed_over(made, refused, text, said):
    (made.root / "roster.csv").write_text("id,name\nada,Ada\n")
    (made.root / "course.toml").write_text(text)
    for command, *words in (["late"], ["grade", "2"], ["export", "--csv"], ["init"]):
        assert said in refused(command, made.root, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("request", "77", "ada", "why-1", "it is right"), "no lesson '77'"),
        (("request", "2", "ada", "why-1", " "), "A reason has"),
        (("decide", "1", "granted"), "There is no request 1"),
        (("decide", "1", "maybe"), "granted or declined"),
        (("list", "--state", "opn"), "Did you mean open?"),
        (("list", "77"), "no lesson '77'"),
    ],
)
def test_requests_about_what_is_not_there(made, refused, words, said):
    assert said in refused("regrade", words[0], made.root, *words[1:])


# -------------------------------------------------------------------------------- what is packed


def test_what_is_packed_is_never_written_over(tmp_path):
    notebook, module = tmp_path / f"{NAME}.ipynb", tmp_path / "helper.py"
    notebook.write_bytes(content(template()))
    module.write_text("x = 1\n")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (other := elsewhere / "helper.py").write_text("x = 2\n")
    before = files(tmp_path)
    for target in (notebook, module):
        with pytest.raises(CourseError, match="is what you hand in"):
            pack(notebook, target, [module])
    with pytest.raises(CourseError, match="in another folder"):
        pack(notebook, None, [other])
    assert files(tmp_path) == before
    assert pack(notebook, None, [module]).beside == ("helper.py",)


def test_a_notebook_that_is_not_there_is_not_packed(tmp_path):
    with pytest.raises(CourseError, match="There is no file"):
        pack(tmp_path / f"{NAME}.ipynb")


@pytest.mark.parametrize("marks", ["none", ["none"], None])
def test_a_notebook_whose_marks_are_none(tmp_path, marks):
    notebook = tmp_path / f"{NAME}.ipynb"
    made = json.loads(content(template()))
    made["cells"][0]["metadata"] = {"nbgrader": marks}
    notebook.write_text(json.dumps(made))
    with pytest.raises(CourseError, match="is no notebook"):
        pack(notebook)
    assert files(tmp_path).keys() == {notebook}


# --------------------------------------------------------------------------------- due dates


@pytest.mark.slow
def test_init_enters_due_dates_in_the_gradebook_once(made, src, capsys, monkeypatch):
    from nbgrader.api import Gradebook

    def said():
        with pytest.raises(SystemExit):
            main(["init", str(made.root)])
        return capsys.readouterr().out

    monkeypatch.setattr(init, "__defaults__", ((), None, src))
    (made.root / "course.toml").write_text(DUE)
    assert said() == f"course: entered when {NAME} is due\n"
    assert said() == "course: everything was there already\n"
    with Gradebook(f"sqlite:///{made.root / 'gradebook.db'}") as book:
        assert f"{book.find_assignment(NAME).duedate}" == "2026-10-01 10:00:00"
    (made.root / "course.toml").write_text(DUE.replace("10-01", "10-02"))
    assert "entered" in said()
