"""The page without a browser: its wheel, its lock, and what Python in a page lacks."""

import ast
import importlib
import inspect
import json
import platform
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from all_lessons import all_lessons, numpy_half

from autograder import check as checks
from autograder import exercises
from autograder.learning import review
from autograder.learning.shelf import LOG
from autograder.lessons import page
from autograder.lessons.compiled import forms
from cs231n_lib import webpage

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


@pytest.fixture
def in_a_page(tmp_path, monkeypatch):
    """Be in a page that keeps what it is told; call what comes for a kernel that starts anew."""
    kept = {}

    class Channel:
        @classmethod
        def new(cls, name):
            assert f'"{name}"' in (page.SOURCES / "course.js").read_text(encoding="utf-8")
            return cls()

        def postMessage(self, text):
            file = json.loads(text)
            kept[file["name"]] = file["text"]

        def close(self):
            pass

    def start():
        checks._attempts.cache_clear()
        home = Path(tempfile.mkdtemp(dir=tmp_path))
        monkeypatch.setenv("HOME", str(home))
        for name, text in kept.items():
            (home / name).write_text(text, encoding="utf-8")

    monkeypatch.setattr(webpage, "IN_A_PAGE", True)
    monkeypatch.setitem(sys.modules, "js", SimpleNamespace(BroadcastChannel=Channel))
    start()
    yield start
    checks._attempts.cache_clear()


def test_in_a_page_attempts_outlive_the_kernel(capsys, in_a_page):
    from cs231n_lib.getting_started.in_numpy import unit_rows

    checks.check(UNIT_ROWS.id, abs)
    in_a_page()
    capsys.readouterr()
    checks.check(UNIT_ROWS.id, lambda x: x)  # other code: one rung more
    assert checks.DISPUTE in capsys.readouterr().out
    checks.check(UNIT_ROWS.id, unit_rows)
    in_a_page()
    assert len(checks._history().entries) == 3
    assert checks._history().passed() == {UNIT_ROWS.id}


def test_in_a_page_the_boxes_of_the_review_outlive_the_kernel(in_a_page):
    path = Path.home() / review.FILE
    review.write_review(path, review.Review({"a: b": review.Box(2, "2026-11-03", "")}))
    in_a_page()
    assert review.read_review(Path.home() / review.FILE).boxes["a: b"].box == 2


def test_a_log_that_cannot_be_read_or_written_is_no_reason_to_fail(monkeypatch, capsys, in_a_page):
    (Path.home() / LOG).touch()

    def refusing(method):
        def called(path, *args, **kwargs):
            if path.name == LOG:
                raise PermissionError("not yours")
            return method(path, *args, **kwargs)

        return called

    for name in ("is_file", "open", "read_text"):
        monkeypatch.setattr(Path, name, refusing(getattr(Path, name)))
    checks.check(UNIT_ROWS.id, abs)
    checks.check(UNIT_ROWS.id, lambda x: x)
    assert checks.DISPUTE in capsys.readouterr().out
    assert len(checks._history().entries) == 2


@pytest.mark.usefixtures("without_threads")
def test_in_a_page_a_right_answer_is_told_to_keep_a_copy(capsys, in_a_page):
    from cs231n_lib.getting_started.in_numpy import unit_rows

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


def archive_of(path, name):
    """Write an archive with one small module."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name.replace('-', '_')}.py", f"name = {name!r}\n")


@pytest.fixture
def runtime(tmp_path):
    """A release of Pyodide in small: each archive has a module that says its name."""
    folder = tmp_path / "release"
    folder.mkdir()
    packages = {}
    for name in (*page.IMPORTED, *page.KERNEL, "six"):
        archive_of(folder / f"{name}.whl", name)
        if name == "numpy":
            with zipfile.ZipFile(folder / "numpy.whl", "a") as archive:
                archive.writestr("numpy/f2py/rules.py", "")
        digest = page._sha256(folder / f"{name}.whl")
        depends = ["six", "fonttools"] if name == "matplotlib" else []
        packages[name] = {"file_name": f"{name}.whl", "sha256": digest, "depends": depends}
    packages["scipy"] = {"file_name": "scipy.whl", "sha256": "", "depends": []}
    for name in page.CORE:
        (folder / name).write_text(name)
    archive_of(folder / "python_stdlib.zip", "os")
    lock = {"info": {"python": platform.python_version()}, "packages": packages}
    (folder / "pyodide-lock.json").write_text(json.dumps(lock))
    return folder


def test_the_runtime_is_what_the_lessons_need_and_our_wheels(runtime, tmp_path):
    kit = page.wheel("cs231n-lecture7-kit", "0", {}, tmp_path)
    build = page._copy_runtime(tmp_path / "page", str(runtime), [kit])
    lock = json.loads((tmp_path / "page" / "pyodide-lock.json").read_text())["packages"]
    assert "scipy" not in lock and "six" in lock
    assert lock["cs231n-lecture7-kit"]["imports"] == ["autograder", "cs231n_lib"]
    with zipfile.ZipFile(tmp_path / "page" / "numpy.whl") as archive:
        assert archive.namelist() == ["numpy.py"]
    present = {path.name for path in (tmp_path / "page").iterdir()}
    assert present == {*page.CORE, "pyodide-lock.json", *(e["file_name"] for e in lock.values())}
    other = page.wheel("cs231n-lecture7-kit", "0", {"a.py": b""}, tmp_path)
    assert page._copy_runtime(tmp_path / "newer", str(runtime), [other]) != build


def test_modules_are_compiled_once_and_the_kit_keeps_its_text(runtime, tmp_path, monkeypatch):
    kit = page.wheel(
        "cs231n-lecture7-kit", "0", {"a_kit.py": b"def f():\n    return 1\n"}, tmp_path
    )
    folder = tmp_path / "page"
    page._copy_runtime(folder, str(runtime), [kit], sys.executable)
    lock = json.loads((folder / "pyodide-lock.json").read_text())["packages"]
    for entry in lock.values():
        assert page._sha256(folder / entry["file_name"]) == entry["sha256"]
    with zipfile.ZipFile(folder / "python_stdlib.zip") as archive:
        assert archive.namelist() == ["os.pyc"]
    monkeypatch.syspath_prepend(str(folder / "six.whl"))
    monkeypatch.delitem(sys.modules, "six", raising=False)
    assert importlib.import_module("six").name == "six"
    del sys.modules["six"]
    zipfile.ZipFile(folder / kit.name).extractall(tmp_path / "installed")
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    module = importlib.import_module("a_kit")
    assert "return 1" in inspect.getsource(module.f)
    assert module.__cached__.endswith(".pyc") and len(list(tmp_path.rglob("a_kit*.pyc"))) == 1
    del sys.modules["a_kit"]


def test_a_python_of_another_version_compiles_nothing(runtime, tmp_path):
    lock = json.loads((runtime / "pyodide-lock.json").read_text())
    lock["info"]["python"] = "3.9.1"
    (runtime / "pyodide-lock.json").write_text(json.dumps(lock))
    with pytest.raises(page.PageError, match=r"Python 3\.9\.1 are compiled by that version"):
        page._copy_runtime(tmp_path / "page", str(runtime), [], sys.executable)


def test_what_is_no_module_stays_as_it_is():
    assert list(forms("a.py", b"def (")) == [("a.py", b"def (")]
    (twice,) = {tuple(forms("a.py", b"x = [1, 2]")) for _ in range(2)}
    assert twice[0][0] == "a.pyc"


def test_a_runtime_that_is_damaged_missing_or_another_one_is_named(runtime, tmp_path):
    with pytest.raises(page.PageError, match="PYODIDE="):
        page._copy_runtime(tmp_path / "a", str(tmp_path / "nowhere"), [])
    (runtime / "six.whl").write_text("cut o")
    with pytest.raises(page.PageError, match=r"six\.whl .* damaged"):
        page._copy_runtime(tmp_path / "b", str(runtime), [])
    with pytest.raises(page.PageError, match="no numpy"):
        page.needed({}, ["numpy"])


def test_python_that_starts_early_loads_what_the_kernel_asks_for(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "index.html").write_text("<html><head></head></html>")
    page._add_ours(tmp_path, "a build", [])
    (kernel,) = page._settings()["jupyter-config-data"]["litePluginSettings"].values()
    packages = json.dumps(kernel["loadPyodideOptions"]["packages"])
    assert f"packages: {packages}" in (tmp_path / "python.js").read_text()
    assert '"a build"' in (tmp_path / "course.js").read_text()
    assert "../course.js" in (tmp_path / "notebooks" / "index.html").read_text()


def test_a_wheel_that_was_not_fetched_is_named(tmp_path):
    with pytest.raises(page.PageError, match="comm"):
        page._found(tmp_path, ["comm"])


IN_THE_PAGE = {*sys.stdlib_module_names, "autograder", "cs231n_lib"} | {
    {"pillow": "PIL", "ipython": "IPython"}.get(name, name)
    for name in (*page.IMPORTED, *page.KERNEL, *page.OURS)
}


def imported(node):
    """Yield the packages that a program imports whatever it finds: under no `if` or `try`."""
    if isinstance(node, ast.Import):
        yield from (one.name.partition(".")[0] for one in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module.partition(".")[0]
    elif not isinstance(node, ast.If | ast.Try):
        for child in ast.iter_child_nodes(node):
            yield from imported(child)


@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.name)
def test_a_numpy_half_imports_what_the_page_has(lesson):
    packages = {name for _, source in numpy_half(lesson) for name in imported(ast.parse(source))}
    assert "autograder" in packages and packages <= IN_THE_PAGE
