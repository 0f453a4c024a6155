"""What the instant check says besides its table."""

import importlib
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograder.check import check, files_beside


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """A module beside the notebook."""
    (tmp_path / "my_rows.py").write_text("def halved(x):\n    return x / 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    my_rows = importlib.import_module("my_rows")

    yield my_rows
    monkeypatch.delitem(sys.modules, "my_rows")


def test_a_file_beside_the_notebook_has_to_be_handed_in(helper, capsys):
    space = {"halved": helper.halved, "tools": helper, "np": np}
    exec(
        "def by_name(x):\n    return halved(x)\ndef by_module(x):\n    return tools.halved(x)",
        space,
    )
    exec("def without(x):\n    return np.sqrt(x)\ndef unit_rows(x):\n    return halved(x)", space)
    for function in (helper.halved, space["by_name"], space["by_module"]):
        assert files_beside([function]) == ["my_rows.py"]
    assert files_beside([space["without"], len, np.sqrt]) == []
    check("getting_started.unit_rows", space["unit_rows"])
    assert "my_rows.py must be handed in with this notebook" in capsys.readouterr().out


def test_what_was_installed_in_the_folder_has_not(tmp_path, monkeypatch):
    """With `pip install --target`, or a whole Python as conda makes it beside the notebook."""
    package = tmp_path / "my-packages" / "their_library"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from .rows import halved\n")
    (package / "rows.py").write_text("def halved(x):\n    return x / 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(package.parent)
    their_library = importlib.import_module("their_library")
    assert files_beside([their_library.halved]) == ["my-packages/their_library/rows.py"]
    (package.parent / "their_library-1.0.dist-info").mkdir()
    assert files_beside([their_library.halved]) == []
    for name in ("their_library", "their_library.rows"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.chdir(Path(random.__file__).parent)
    assert files_beside([random.shuffle, random.Random]) == []


def test_importing_the_check_brings_nothing_but_numpy():
    """A structure that keeps the import as short as NumPy's own."""
    program = (
        "import sys\nbefore = set(sys.modules)\nimport autograder.check\n"
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    brought = set(done.stdout.split())
    packages = {name.partition(".")[0] for name in brought}
    assert packages - sys.stdlib_module_names == {"autograder", "cs231n_lib", "numpy"}
    library = {name for name in brought if name.startswith("cs231n_lib")}
    assert library == {"cs231n_lib", "cs231n_lib.webpage"}
    learning = {name for name in brought if name.startswith("autograder.learning.")}
    assert learning == {"autograder.learning.shelf"}  # the rest comes with the first question
    assert not brought & {"autograder.checking.disputes", "autograder.misconceptions", "random"}
