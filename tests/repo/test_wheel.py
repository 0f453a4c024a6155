"""The wheel: installed in an empty environment, without PyTorch and nbgrader, it is a course."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("autograder", "cs231n_lib", "notebooks")
ABOUT = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
TWO = ("00_getting_started", "02_batch_normalization")

pytestmark = pytest.mark.slow  # it is built twice, and installed with what it needs


def command(*arguments, **options):
    return subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        **options,
    )


def copied(folder):
    """Copy the sources, with times and permissions of their own: others may build at the time."""
    sources = folder / "sources"
    sources.mkdir(parents=True)
    for name in SOURCES:
        shutil.copytree(ROOT / name, sources / name, copy_function=shutil.copyfile,
                        ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    for name in ABOUT:
        shutil.copyfile(ROOT / name, sources / name)
    return sources


def built(folder, sources=None):
    """Build the wheel as `make wheel` does, and return it."""
    sources = sources or copied(folder)
    done = command(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, sources),
        env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"},
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory, wheel):
    """The `autograder` of an environment that holds the wheel and what it needs, no more."""
    folder = tmp_path_factory.mktemp("environment")
    assert command(sys.executable, "-m", "venv", folder).returncode == 0
    done = command(folder / "bin" / "pip", "install", "--quiet", wheel)
    assert done.returncode == 0, done.stderr
    return folder / "bin" / "autograder"


BUILD_SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


def sdist_of(folder, umask):
    """Copy the sources to a new folder and build there."""
    sources = copied(folder)
    done = command(sys.executable, "-c", BUILD_SDIST, folder, cwd=sources, umask=umask)
    assert done.returncode == 0, done.stderr
    (archive,) = folder.glob("*.tar.gz")
    return archive


def test_an_sdist_of_another_day_and_user_has_the_same_bytes_and_the_lessons(tmp_path):
    pytest.importorskip("setuptools")
    first = sdist_of(tmp_path / "first", 0o022)
    assert first.read_bytes() == sdist_of(tmp_path / "second", 0o077).read_bytes()
    with tarfile.open(first) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for form in ("src", "student"):
        lessons = (ROOT / "notebooks" / form).iterdir()
        assert {f"notebooks/{form}/{path.name}" for path in lessons if path.is_file()} <= names
    assert not [name for name in names if name.startswith(("tests", "notebooks/solution"))]


def test_a_wheel_of_the_tree_and_one_of_the_sdist_have_the_same_bytes(wheel, tmp_path):
    with tarfile.open(sdist_of(tmp_path, 0o077)) as opened:
        opened.extractall(tmp_path / "unpacked", filter="data")
    (sources,) = (tmp_path / "unpacked").iterdir()
    left = sources / "build" / "lib" / "autograder" / "gone.py"  # of an earlier version's build
    left.parent.mkdir(parents=True)
    left.touch()
    again = built(tmp_path / "again", sources)
    assert again.read_bytes() == wheel.read_bytes()


def test_the_wheel_holds_the_lessons_and_is_small(wheel):
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    for form, suffix in (("src", ".py"), ("student", ".ipynb")):
        lessons = {path.name for path in (ROOT / "notebooks" / form).glob(f"*{suffix}")}
        inside = {name for name in lessons if f"autograder/notebooks/{form}/{name}" in names}
        assert inside == lessons
    assert wheel.stat().st_size < 10_000_000  # half of it is what wrong answers show


def test_neither_pytorch_nor_nbgrader_comes_with_it(installed):
    python = installed.with_name("python")
    for module in ("torch", "nbgrader", "scipy", "sklearn", "skimage"):
        assert command(python, "-c", f"import {module}").returncode != 0


@pytest.fixture(scope="module")
def lessons(installed, tmp_path_factory):
    """The lessons as a learner gets them, with the answers of the solutions in two of them."""
    folder = tmp_path_factory.mktemp("learner") / "lessons"
    assert command(installed, "lessons", folder).returncode == 0
    assert len(list(folder.glob("*.ipynb"))) == 14
    for name in TWO:
        notebook = json.loads((folder / f"{name}.ipynb").read_text(encoding="utf-8"))
        solution = json.loads(
            (ROOT / "notebooks" / "solution" / f"{name}.ipynb").read_text(encoding="utf-8")
        )
        answers = {cell["id"]: cell["source"] for cell in solution["cells"]}
        for cell in notebook["cells"]:
            if cell["metadata"].get("nbgrader", {}).get("solution"):
                cell["source"] = answers[cell["id"]]
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return folder


def test_lesson_00_and_the_numpy_half_of_02_are_checked(installed, lessons):
    for name in TWO:
        done = command(installed, "check", lessons / f"{name}.ipynb", cwd=lessons)
        tables, _, last = done.stdout.strip().rpartition("\n")
        earned, _, points = last.partition(" points")[0].partition(" of ")
        assert float(earned) == float(points) > 20, done.stdout[-2000:] + done.stderr
        assert done.returncode == 0
        assert ("need PyTorch" in tables) == (name == TWO[1])


def test_a_mistake_is_named_there(installed, lessons):
    path = lessons / f"{TWO[1]}.ipynb"
    text = path.read_text(encoding="utf-8")
    wrong = lessons / "wrong.ipynb"
    changed = text.replace("np.sqrt(var + eps)", "(np.sqrt(var) + eps)")
    assert changed != text
    wrong.write_text(changed, encoding="utf-8")
    done = command(installed, "check", wrong, cwd=lessons)
    assert done.returncode == 1
    assert "eps" in done.stdout


def test_a_learner_packs_what_is_handed_in(installed, lessons, tmp_path):
    done = command(installed, "pack", lessons / f"{TWO[0]}.ipynb", "--output", tmp_path / "a.zip")
    assert done.returncode == 0, done.stderr
    assert "100 of 100 points" in done.stdout
    assert (tmp_path / "a.zip").is_file()


def test_what_was_worked_in_is_kept(installed, lessons):
    before = (lessons / f"{TWO[1]}.ipynb").read_bytes()
    done = command(installed, "lessons", lessons)
    assert "was left as it is" in done.stdout
    assert (lessons / f"{TWO[1]}.ipynb").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "extra"), [(["demo"], "grade"), (["init", "course"], "grade")]
)
def test_what_needs_an_extra_says_which(installed, tmp_path, arguments, extra):
    done = command(installed, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert f"[{extra}]" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_learner_has_progress_review_and_the_doctor(installed, lessons):
    wrong = lessons / "wrong.ipynb"
    text = (lessons / f"{TWO[1]}.ipynb").read_text(encoding="utf-8")
    wrong.write_text(text.replace("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"), encoding="utf-8")
    command(installed, "check", wrong, cwd=lessons)  # is written down beside the lessons
    done = command(installed, "progress", lessons)
    assert done.returncode == 0 and "batchnorm_forward: eps outside the root" in done.stdout
    page = lessons / "review.html"
    done = command(installed, "review", lessons, "--page", page)
    assert done.returncode == 0 and "eps outside the root" in page.read_text(encoding="utf-8")
    done = command(installed, "doctor", cwd=lessons)
    assert done.returncode == 0 and "[torch]" in done.stdout and "to grade" not in done.stdout
