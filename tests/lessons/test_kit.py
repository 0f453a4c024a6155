"""The student kit: the same verdicts and hints as the full package, and no answer in it."""

import ast
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from importlib import import_module
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
from providers import provider

from autograder import cli, exercises, misconceptions
from autograder.answers import ROOT, is_answer_file
from autograder.check import run
from autograder.lessons import kit
from autograder.lessons.kit import KitError, write_kit
from autograder.lessons.source import solution_source

EXERCISES = exercises.all_exercises()
MARKER = "marker_of_a_planted_answer"
# What the set-up cells of the lessons import for the answers.
IMPORTS = """\
import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A copy of the project in which every answer file and everything else unneeded is marked."""
    root = tmp_path_factory.mktemp("project")
    for name in ("autograder", "cs231n_lib", "docs", "notebooks", "tests"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    paths = [path for path in root.rglob("*.py") if "src" not in path.parts]
    marked = [path for path in paths if is_answer_file(path.relative_to(root))]
    marked += list((root / "autograder" / "lessons").glob("*.py"))
    marked += [root / "tests" / "lessons" / "test_build.py"]
    for path in marked:
        path.write_text(f"# {MARKER}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    for path in (root / "notebooks" / "src").glob("*.py"):
        text = re.sub(r'(role="answer".*\n)', rf"\1# {MARKER}\n", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
    assert len(marked) > 6
    return root


def parameters_of(exercise):
    return inspect.signature(getattr(import_module(exercise.module), exercise.function)).parameters


A_TENTH = EXERCISES[::10]
DATA = [exercise for exercise in EXERCISES if not parameters_of(exercise)]  # the answer is an array
FIRST = [exercise for exercise in EXERCISES if exercise.family == "getting_started"]
# To observe all of them takes a minute.
SOME = [exercise for exercise in EXERCISES if exercise in (*A_TENTH, *DATA, *FIRST)]
RECORDED = {"some": SOME, "all": EXERCISES}


def kit_of(asked, planted, out):
    """Write the kit of the marked copy, with recordings of what other tests have observed."""
    record = kit.expectations.record
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kit.expectations, "record", lambda _, to: record(asked, to, provider()))
        return write_kit(out, planted)


@pytest.fixture(scope="module")
def folder(planted, tmp_path_factory):
    """The kit of the marked copy, with some of the recordings."""
    return kit_of(RECORDED["some"], planted, tmp_path_factory.mktemp("out") / "kit")


@pytest.fixture(scope="module")
def whole(planted, tmp_path_factory):
    """The kit of the marked copy."""
    return kit_of(RECORDED["all"], planted, tmp_path_factory.mktemp("out") / "kit")


@pytest.fixture(params=["some", pytest.param("all", marks=pytest.mark.slow)])
def either(request):
    """Each of the two, with the exercises that it has recordings of."""
    name = {"some": "folder", "all": "whole"}[request.param]
    return request.getfixturevalue(name), RECORDED[request.param]


ISOLATED = """
import sys
sys.path = [{folder!r}, *(path for path in sys.path if path != {root!r})]
sys.meta_path = [f for f in sys.meta_path if "editable" not in getattr(f, "__module__", "")]
"""


def in_kit(folder, code, *arguments):
    """Run code in a fresh Python that finds the packages of the kit, and no others of ours."""
    program = ISOLATED.format(root=str(ROOT), folder=str(folder)) + textwrap.dedent(code)
    command = [sys.executable, "-I", "-c", program, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={**os.environ, "MPLBACKEND": "agg"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


# ---------------------------------------------------------------------------------- no answers


def members(folder):
    """Yield (name, bytes) of every file of the kit, and of every member of its archives."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield from _unpacked(path.name, path.read_bytes())


def _unpacked(name, content):
    yield name, content
    if zipfile.is_zipfile(BytesIO(content)):
        with zipfile.ZipFile(BytesIO(content)) as archive:
            for inner in archive.namelist():
                yield from _unpacked(f"{name}/{inner}", archive.read(inner))


def squashed(text):
    return re.sub(r"\s+", "", text)


def telling_lines():
    """Lines of the references' bodies that say how it is done: two operations or calls."""
    for exercise in EXERCISES:
        reference = getattr(import_module(exercise.module), exercise.function)
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(reference)))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Return) and node.value is not None:
                work = [n for n in ast.walk(node.value) if isinstance(n, ast.BinOp | ast.Call)]
                if len(work) >= 2:
                    yield exercise.id, ast.get_source_segment(source, node)


def test_the_kit_holds_no_line_of_an_answer(either):
    folder, _ = either
    lines = {squashed(line): name for name, line in telling_lines()}
    assert len(lines) > len(EXERCISES)
    seen = 0
    for name, content in members(folder):
        text = squashed(content.decode("utf-8", errors="replace").replace("\\n", "\n"))
        assert MARKER not in text, name
        for line, exercise in lines.items():
            assert line not in text, f"{name} holds a line of {exercise}: {line}"
        seen += 1
    assert seen > 50


def test_the_search_finds_what_is_planted(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "kit")
    line = next(line for _, line in telling_lines())
    for where in ("a", "b"):
        np.savez_compressed(copy / where, text=np.frombuffer(line.encode(), np.uint8))
    with zipfile.ZipFile(copy / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(copy / "a.npz", "inner.npz")
    found = [n for n, content in members(copy) if squashed(line).encode() in squash_bytes(content)]
    assert found == ["a.npz/text.npy", "b.npz/text.npy", "c.zip/inner.npz/text.npy"]


def squash_bytes(content):
    return re.sub(rb"\s+", b"", content)


def test_the_kit_holds_what_it_should_and_no_answer_file(either):
    folder, recorded = either
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name}  # from tests that ran it before
    assert not [name for name in files if is_answer_file(name)]
    assert {"README.md", "requirements.txt", "pyproject.toml", "kit.json"} <= files
    assert {
        "cs231n_lib/layers/in_numpy.py",
        "cs231n_lib/data/dataset.py",
        "autograder/check.py",
    } <= files
    recordings = {f"autograder/recordings/{exercise.grade_id}.npz" for exercise in recorded}
    assert {name for name in files if name.endswith(".npz") and "recordings/" in name} == recordings
    students = {p.name for p in (ROOT / "notebooks" / "student").glob("[0-9]*.ipynb")}
    assert {p.name for p in (folder / "notebooks" / "student").iterdir()} == students


def test_no_recording_holds_an_answer_that_is_data(folder):
    """Where the answer is itself an array, as in "kill the bug", it must not be recorded."""
    checked = 0
    for exercise in DATA:
        reference = getattr(import_module(exercise.module), exercise.function)
        with np.load(folder / f"autograder/recordings/{exercise.grade_id}.npz") as recording:
            answers = reference() if isinstance(reference(), tuple) else (reference(),)
            for array in (array for stack in recording.values() for array in stack):
                same = [a.shape == array.shape and np.allclose(a, array) for a in answers]
                assert not any(same)
                checked += 1
    assert checked > len(DATA)


# ---------------------------------------------------------------------------------- the same checks


AT_MOST = 2  # known answers of one exercise that are run in both places


def answers_by_source(asked):
    """Yield (exercise, program) of each reference, and of wrong and other right answers to it."""
    for exercise in asked:
        module = import_module(exercise.module)
        records = [*misconceptions.of(exercise.id), *misconceptions.variants_of(exercise.id)]
        edited = [record.edits for record in records if not record.functions]
        for edits in ({}, *edited[:: max(1, len(edited) // AT_MOST)]):
            program = IMPORTS
            for name in exercise.functions:
                text = solution_source(getattr(module, name))
                for old_and_new in edits.get(name, ()):
                    old, new = (misconceptions.in_words_of(exercise, s) for s in old_and_new)
                    assert old in text
                    text = text.replace(old, new)
                program += f"\n\n{text}\n"
            yield exercise, program


RUN = """
import json, os
cases = json.loads(open(sys.argv[1], encoding="utf-8").read())
from autograder import check, exercises
reports = []
for name, source in cases:
    namespace = {}
    exec(compile(source, "<cell>", "exec"), namespace)
    exercise = exercises.find(name)
    functions = {f: namespace[f] for f in exercise.functions}
    reports.append(check.run(exercise, functions).to_dict())
print(json.dumps(reports))
"""


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(A_TENTH, id="a tenth"),
        pytest.param(EXERCISES[5::10], id="another", marks=pytest.mark.slow),
    ],
)
def test_the_kit_gives_the_same_verdicts_and_hints(request, tmp_path, asked):
    folder = request.getfixturevalue("folder" if asked is A_TENTH else "whole")
    cases, expected = [], []
    for exercise, source in answers_by_source(asked):
        namespace = {}
        exec(compile(source, "<cell>", "exec"), namespace)
        functions = {name: namespace[name] for name in exercise.functions}
        cases.append((exercise.id, source))
        expected.append(run(exercise, functions).to_dict())
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases), encoding="utf-8")
    for case, mine, theirs in zip(cases, expected, in_kit(folder, RUN, str(file)), strict=True):
        assert theirs == json.loads(json.dumps(mine)), case
    assert {name for name, _ in cases} == {exercise.id for exercise in asked}
    hints = [row["hint"] for report in expected for row in report["rows"] if row["hint"]]
    assert len(hints) > len(asked)


def test_support_modules_import_without_answers(folder):
    names = in_kit(
        folder,
        """
        import importlib, json, pkgutil
        import autograder, cs231n_lib
        names = []
        for package in (autograder, cs231n_lib):
            for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
                assert module.name.startswith(package.__name__)
                imported = importlib.import_module(module.name)
                assert imported.__file__.startswith(sys.path[0]), imported.__file__
                names.append(module.name)
        print(json.dumps(names))
        """,
    )
    support = {"cs231n_lib.layers.in_torch", "cs231n_lib.train", "cs231n_lib.data"}
    assert support | {"autograder.check", "cs231n_lib.normalization"} <= set(names)


def test_the_first_lesson_runs_in_the_kit(folder):
    """As a student would: edit the stub in the kit's notebook, run every code cell in order."""
    path = folder / "notebooks" / "student" / "00_getting_started.ipynb"
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    stub = next(cell for cell in cells if cell.id.endswith("-solution"))
    sources = {"before": [cell.source for cell in cells]}
    stub.source = "def unit_rows(x):\n    return x / np.linalg.norm(x, axis=1, keepdims=True)"
    sources["after"] = [cell.source for cell in cells]
    printed = in_kit(
        folder,
        """
        import contextlib, io, json
        printed = {}
        for state, cells in json.loads(sys.argv[1]).items():
            namespace, out = {}, io.StringIO()
            with contextlib.redirect_stdout(out):
                for cell in cells:
                    exec(cell, namespace)
            printed[state] = out.getvalue()
        print(json.dumps(printed))
        """,
        json.dumps(sources),
    )
    assert "Here every column has length 1" in printed["before"]
    assert "x after the call" in printed["before"]  # into which second_try writes
    assert "this experiment waits for unit_rows" in printed["before"]
    assert "75 of 100 points" in printed["after"]  # a row of zeros became nan
    assert "0 / 0 is nan" in printed["after"]
    assert "waits for" not in printed["after"]


# ---------------------------------------------------------------------------------- the files


@pytest.mark.slow
def test_the_same_sources_give_the_same_bytes(planted, folder, tmp_path):
    """That what is observed afresh is the same, too, is said in test_core."""
    again = kit_of(RECORDED["some"], planted, tmp_path / "kit")
    first, second = folder.with_name("kit.zip"), again.with_name("kit.zip")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(second) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == sorted(names)
        for name in names:
            assert archive.read(name) == (again.parent / name).read_bytes()


@pytest.fixture
def quick(monkeypatch):
    """Leave out the recordings, which other tests look at."""
    monkeypatch.setattr(kit.expectations, "record", lambda exercises, folder: folder.mkdir())


@pytest.mark.slow
def test_a_kit_replaces_itself_but_nothing_that_somebody_changed(tmp_path, quick):
    out = write_kit(tmp_path / "kit")
    (out / "autograder" / "__pycache__").mkdir()
    (out / "autograder" / "__pycache__" / "check.pyc").write_text("left behind by using it")
    write_kit(out)
    assert not (out / "autograder" / "__pycache__").exists()
    notebook = out / "notebooks" / "student" / "00_getting_started.ipynb"
    notebook.write_text("my work")
    with pytest.raises(KitError, match=r"worked in .*kit: notebooks/student/00_getting_started"):
        write_kit(out)
    assert notebook.read_text() == "my work"


@pytest.mark.parametrize("content", [None, "no json"])
def test_another_folder_is_never_replaced(tmp_path, quick, content):
    (tmp_path / "thesis").mkdir()
    if content:
        (tmp_path / "thesis" / "kit.json").write_text(content)
    with pytest.raises(KitError, match="is there and is not a kit; choose another folder"):
        write_kit(tmp_path / "thesis")
    assert (tmp_path / "thesis").is_dir()


@pytest.mark.slow
def test_the_kit_is_a_package_that_pip_can_install(folder):
    import tomllib

    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["dependencies"]
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {Path(pattern.rstrip("*")).name for pattern in packages} == {"autograder", "cs231n_lib"}
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert [re.match(r"[\w-]+", line)[0] for line in lines] == list(kit.REQUIREMENTS)
    imported = {name.partition(".")[0] for name in imported_modules(folder)}
    own = {"autograder", "cs231n_lib"} | set(sys.stdlib_module_names)
    asked_for = set(cli.EXTRAS["qr"])  # the only extra that a learner's command asks for by name
    providers = {
        "IPython": "ipython",
        "PIL": "pillow",
        "ipywidgets": "jupyter",
        "requests": "pooch",  # which downloads with it
        "skimage": "scikit-image",
        "sklearn": "scikit-learn",
    }
    assert {providers.get(name, name) for name in imported - own - asked_for} <= set(
        kit.REQUIREMENTS
    )


def test_every_document_that_a_lesson_names_is_in_the_kit(folder):
    lessons = [path.read_text(encoding="utf-8") for path in folder.rglob("*.ipynb")]
    named = {name for text in lessons for name in re.findall(r"`(docs/[\w./-]+)`", text)}
    assert named and all((folder / name).is_file() for name in named)


def imported_modules(folder):
    programs = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    for path in folder.rglob("*.ipynb"):
        cells = nbformat.read(path, nbformat.NO_CONVERT).cells
        programs += [cell.source for cell in cells if cell.cell_type == "code"]
    for program in programs:
        for node in ast.walk(ast.parse(program)):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
