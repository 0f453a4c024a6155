"""The page without a browser: its wheel, its lock, and what Python in a page lacks."""

import hashlib
import importlib
import json
import sys
import threading
import zipfile
from types import SimpleNamespace

import pytest

from autograder import check as checks
from autograder import exercises
from autograder.lessons import page

UNIT_ROWS = exercises.find("getting_started.unit_rows")
IN_TORCH = next(e for e in exercises.all_exercises() if e.framework == "torch")


@pytest.fixture
def without_threads(monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.fixture
def without_torch(monkeypatch):
    def find(name, package=None):
        return None if name == "torch" else SimpleNamespace()

    monkeypatch.setattr(checks, "find_spec", find)


@pytest.mark.usefixtures("without_threads", "without_torch")
def test_a_check_needs_neither_threads_nor_pytorch(capsys):
    from cs231n_lib.getting_started.in_numpy import unit_rows

    assert checks.check(UNIT_ROWS.id, unit_rows) == UNIT_ROWS.points
    assert "Keep a copy" not in capsys.readouterr().out


@pytest.mark.usefixtures("without_threads")
def test_in_a_page_a_right_answer_is_told_to_keep_a_copy(capsys, monkeypatch):
    from cs231n_lib.getting_started.in_numpy import unit_rows

    monkeypatch.setattr(checks, "IN_A_PAGE", True)
    checks.check(UNIT_ROWS.id, abs)
    assert "Keep a copy" not in capsys.readouterr().out
    checks.check(UNIT_ROWS.id, unit_rows)
    assert "Keep a copy" in capsys.readouterr().out


@pytest.mark.usefixtures("without_torch")
def test_the_pytorch_half_says_where_it_runs(capsys):
    functions = [lambda: None] * (len(IN_TORCH.functions) - 1)
    last = type("Own", (), {}) if IN_TORCH.kind == "class" else lambda: None
    assert checks.check(IN_TORCH.id, *functions, last) == 0.0
    assert "Colab" in capsys.readouterr().out


@pytest.mark.usefixtures("without_torch")
def test_import_torch_says_so_too(capsys):
    shown = []
    shell = SimpleNamespace(showtraceback=lambda *args, **kwargs: shown.append(args))
    missing = ModuleNotFoundError("No module named 'torch'", name="torch")
    checks._missing(shell, type(missing), missing, None)
    assert "Colab" in capsys.readouterr().out and not shown
    other = ModuleNotFoundError("No module named 'pandas'", name="pandas")
    checks._missing(shell, type(other), other, None)
    assert shown


def test_a_wheel_can_be_imported_and_is_the_same_every_time(tmp_path, monkeypatch):
    files = {"a_page_kit/__init__.py": b"answer = 42\n"}
    first = page.wheel("a-page-kit", "1", files, tmp_path)
    bytes_of_first = first.read_bytes()
    assert page.wheel("a-page-kit", "1", files, tmp_path).read_bytes() == bytes_of_first
    monkeypatch.syspath_prepend(str(first))
    assert importlib.import_module("a_page_kit").answer == 42
    del sys.modules["a_page_kit"]
    with zipfile.ZipFile(first) as archive:
        record = archive.read("a_page_kit-1.dist-info/RECORD").decode()
        assert all(any(line.startswith(f"{name},") for line in record.splitlines())
                   for name in archive.namelist())  # fmt: skip


@pytest.fixture
def runtime(tmp_path):
    """A release of Pyodide in small: each file says its name."""
    folder = tmp_path / "release"
    folder.mkdir()
    packages = {}
    for name in (*page.IMPORTED, *page.KERNEL, "six"):
        (folder / f"{name}.whl").write_text(name)
        digest = hashlib.sha256(name.encode()).hexdigest()
        depends = ["six"] if name == "matplotlib" else []
        packages[name] = {"file_name": f"{name}.whl", "sha256": digest, "depends": depends}
    packages["scipy"] = {"file_name": "scipy.whl", "sha256": "", "depends": []}
    for name in page.CORE:
        (folder / name).write_text(name)
    (folder / "pyodide-lock.json").write_text(json.dumps({"info": {}, "packages": packages}))
    return folder


def test_the_runtime_is_what_the_lessons_need_and_our_wheels(runtime, tmp_path):
    kit = page.wheel("cs231n-lecture7-kit", "0", {}, tmp_path)
    build = page._copy_runtime(tmp_path / "page", str(runtime), [kit])
    lock = json.loads((tmp_path / "page" / "pyodide-lock.json").read_text())["packages"]
    assert "scipy" not in lock and "six" in lock
    assert lock["cs231n-lecture7-kit"]["imports"] == ["autograder", "cs231n_lib"]
    present = {path.name for path in (tmp_path / "page").iterdir()}
    assert present == {*page.CORE, "pyodide-lock.json", *(e["file_name"] for e in lock.values())}
    other = page.wheel("cs231n-lecture7-kit", "0", {"a.py": b""}, tmp_path)
    assert page._copy_runtime(tmp_path / "newer", str(runtime), [other]) != build


def test_a_runtime_that_is_damaged_missing_or_another_one_is_named(runtime, tmp_path):
    with pytest.raises(page.PageError, match="PYODIDE="):
        page._copy_runtime(tmp_path / "a", str(tmp_path / "nowhere"), [])
    (runtime / "six.whl").write_text("cut o")
    with pytest.raises(page.PageError, match=r"six\.whl .* damaged"):
        page._copy_runtime(tmp_path / "b", str(runtime), [])
    with pytest.raises(page.PageError, match="no numpy"):
        page.needed({}, ["numpy"])


def test_a_wheel_that_was_not_fetched_is_named(tmp_path):
    with pytest.raises(page.PageError, match="comm"):
        page._found(tmp_path)
