"""What lies beside a submitted notebook: what is copied, what is told, and when it came."""

import datetime
import errno
import os
import warnings

import pytest
from classroom import failing

from autograder.submissions import uploads
from autograder.submissions.notebook import OutOfReach
from autograder.submissions.uploads import (
    copy_files,
    look_beside,
    parse_time,
    take,
    timestamp,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nbgrader.utils import parse_utc


@pytest.fixture
def folder(tmp_path):
    """A submission with one file of each kind beside it."""
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    made = tmp_path / "ada" / "02"
    (made / "figures").mkdir(parents=True)
    (made / "02.ipynb").write_text("{}")
    (made / "figures" / "a.png").write_bytes(b"picture")
    (made / "link").symlink_to(secret)
    (made / "endless").symlink_to("/dev/zero")
    (made / "all").symlink_to("/", target_is_directory=True)
    os.link(secret, made / "hard")
    os.mkfifo(made / "pipe")
    with open(made / "huge", "wb") as file:
        file.truncate(uploads.MAX_BYTES + 1)
    return made


def copied(folder):
    target = folder.parent / "copied"
    copy_files(folder, target)
    return sorted(str(p.relative_to(target)) for p in target.rglob("*") if not p.is_dir())


def test_only_ordinary_files_are_copied_and_the_rest_is_told(folder):
    assert copied(folder) == ["figures/a.png"]
    told = look_beside(folder).problems
    assert len(told) == 4 and all(text.startswith("Not copied, because it is") for text in told)
    links = next(text for text in told if "symbolic link" in text)
    assert links.endswith("a symbolic link: all, endless, link.")
    assert "pipe" in " ".join(told) and "hard" in " ".join(told) and "huge" in " ".join(told)
    assert set(told) <= set(take(folder / "02.ipynb").submission().problems)


def test_honest_files_are_copied_without_a_word(tmp_path):
    for name in ("helper.py", "data/x.csv", ".ipynb_checkpoints/a", "__pycache__/b", "other.ipynb"):
        (tmp_path / "s" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "s" / name).write_text(name)
    assert look_beside(tmp_path / "s").problems == ()
    assert copied(tmp_path / "s") == ["data/x.csv", "helper.py"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENOENT])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        *(("open", name) for name in ("ada", "02", "02.ipynb", "help.py", "timestamp.txt")),
        *(("read", name) for name in ("02.ipynb", "help.py", "timestamp.txt")),
        *(("stat", name) for name in ("help.py", "data")),
        *(("listdir", name) for name in ("02", "data")),
    ],
)
def test_what_the_machine_does_not_give_is_no_upload(tmp_path, monkeypatch, call, name, number):
    made = tmp_path / "submitted" / "ada" / "02"
    (made / "data").mkdir(parents=True)
    for file in ("02.ipynb", "help.py", "data/a.csv"):
        (made / file).write_text("1")
    (made / "timestamp.txt").write_text("2026-01-15 10:00:00 UTC")
    before = take(made / "02.ipynb")
    with monkeypatch.context() as broken:
        failing(broken, call, number, name)
        with pytest.raises(OutOfReach) as told:
            take(made / "02.ipynb")
    assert str(told.value).startswith(str(made)) and os.strerror(number) in str(told.value)
    assert take(made / "02.ipynb") == before


def test_many_files_and_many_bytes_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_FILES", 3)
    monkeypatch.setattr(uploads, "MAX_BYTES", 100)
    (tmp_path / "s").mkdir()
    for i in range(9):
        (tmp_path / "s" / f"{i}").write_bytes(bytes(40))
    look = look_beside(tmp_path / "s")
    assert look.files == ("0", "1")
    assert look.problems == (
        "Not copied, because it is too much beside the notebook: 2, 3, 4, 5, 6 and 2 more.",
    )
    monkeypatch.setattr(uploads, "MAX_BYTES", 1000)
    assert look_beside(tmp_path / "s").files == ("0", "1", "2")
    monkeypatch.setattr(uploads, "MAX_ENTRIES", 2)
    assert look_beside(tmp_path / "s").files == ("0", "1")


def test_the_notebook_and_the_time_come_before_what_lies_beside_them(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_FILES", 2)
    for name in ("a.png", "b.ipynb", "timestamp.txt"):
        (tmp_path / name).write_text("2026-01-15")
    assert set(look_beside(tmp_path, ()).files) == {"b.ipynb", "timestamp.txt"}


def test_the_digest_of_a_submission_covers_what_lies_beside_it(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text("{}")
    digests = [take(path).digest]
    (tmp_path / "helper.py").write_text("1")
    digests.append(take(path).digest)
    (tmp_path / "timestamp.txt").write_text("2026-01-15")
    digests.append(take(path).digest)
    assert len(set(digests)) == 3
    assert take(path).digest == digests[-1]


def test_a_missing_folder_is_no_failure(tmp_path):
    assert look_beside(tmp_path / "none").files == ()
    with pytest.raises(OutOfReach, match="No such file"):
        take(tmp_path / "none" / "a.ipynb")


TIMES = [
    "2026-01-15 10:00:00 UTC",
    "2026-01-15 10:00:00.123456 Europe/Berlin",
    "2026-01-15 10:00:00",
    "2015-02-02 15:58:23.948203 America/Los_Angeles",
    "2015-02-02 15:58:23 +0100",
    "2026-01-15T10:00:00Z",
    "2026-01-15 10:00:00+01:00",
    "2026-01-15 10:00:00 EST",
    "15.1.2026 10:00",
]


@pytest.mark.parametrize("text", TIMES)
def test_times_are_read_as_nbgrader_reads_them(text, tmp_path):
    (tmp_path / "timestamp.txt").write_text(f"{text}\n")
    assert timestamp(tmp_path) == (parse_utc(text), ())
    assert isinstance(parse_time(text), datetime.datetime)


NO_TIMES = [
    b"",
    b"yesterday",
    b"1",
    b"9999-12-31 23:59:59 -2359",
    b"\xff\xfe\x00",
    b"2026-13-45",
    b"9" * 60,
    b"2026-01-15 " + b" " * 200,
    b"0001-01-01 00:00:00 +99999999999999",
    b"2026\x00",
    b"10:00",
    b"2026 [] {}",
]


@pytest.mark.parametrize("content", NO_TIMES)
def test_a_time_that_is_none_is_told_and_stops_nothing(content, tmp_path):
    (tmp_path / "timestamp.txt").write_bytes(content)
    when, problems = timestamp(tmp_path)
    assert when is None and problems == look_beside(tmp_path).problems
    assert "nobody knows whether the submission was late" in problems[0]


def test_no_time_is_no_problem_and_a_link_is_no_time(tmp_path):
    assert timestamp(tmp_path) == (None, ())
    (tmp_path / "timestamp.txt").symlink_to("/dev/zero")
    assert timestamp(tmp_path)[0] is None and len(look_beside(tmp_path).problems) == 2


# ---------------------------------------------------------------- Python files beside a notebook


def handed_in(folder, **files):
    """A submission with files beside it; `__` in a name is a folder."""
    made = folder / "submitted" / "ada" / "02"
    for name, text in files.items():
        path = made / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (made / "02.ipynb").write_text("{}")
    return made / "02.ipynb"


def test_python_files_are_taken_with_their_text(tmp_path):
    upload = take(handed_in(tmp_path, helper="a = 1", tools__norms="b = 2"))
    assert upload.modules == (("helper.py", "a = 1"), ("tools/norms.py", "b = 2"))
    assert upload.beside.problems == ()
    assert take(handed_in(tmp_path, helper="a = 2")).digest != upload.digest


@pytest.mark.parametrize(
    "name", ["numpy", "torch", "os", "autograder", "cs231n_lib__optim", "yaml"]
)
def test_no_file_takes_the_name_of_a_library(tmp_path, name):
    upload = take(handed_in(tmp_path, **{name: "a = 1"}))
    assert upload.modules == () and "named like a library" in upload.beside.problems[0]


def test_python_files_are_bounded_and_ordinary(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_MODULES", 2)
    monkeypatch.setattr(uploads, "MAX_CODE", 100)
    path = handed_in(tmp_path, a="1", b="2" * 101, c="3", d="4")
    (path.parent / "link.py").symlink_to(path.parent / "a.py")
    (path.parent / "odd name.py").write_text("5")
    (path.parent / "e.py").write_bytes(b"\xff")
    upload = take(path)
    assert [name for name, _ in upload.modules] == ["a.py", "c.py"]
    told = " ".join(upload.beside.problems)
    for part in ("symbolic link: link.py", "too long", "no name that Python", "more than 2 Python"):
        assert part in told


@pytest.mark.parametrize("place", ["ada", "ada/02", "ada/02/02.ipynb"])
def test_a_link_is_refused_in_every_part_of_the_path(tmp_path, place):
    path = handed_in(tmp_path, helper="a = 1")
    real = tmp_path / "submitted" / place
    real.rename(tmp_path / "moved")
    real.symlink_to(tmp_path / "moved")
    upload = take(path)
    assert upload.content == b"" and f"{real.name} is a symbolic link" in upload.unreadable
    if place != "ada/02/02.ipynb":
        assert upload.modules == () and look_beside(path.parent).files == ()
