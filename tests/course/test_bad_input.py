"""What instructors' files may be: one clear line for each fault, status not 0, nothing lost."""

import sqlite3
import zipfile

import pytest
from classroom import NAME, write_lesson

from autograder.cli import main
from autograder.course.folder import init

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
        (b"a,b\n1,2\n", "columns"),
        (b"id,name\nada,Ada\nada,Ada Two\n", "more than once"),
    ],
)
def test_rosters_that_are_none_or_have_a_student_twice(made, refused, tmp_path, content, said):
    path = tmp_path / "roster.csv"
    path.write_bytes(content)
    assert said in refused("roster", "import", made.root, path)


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
