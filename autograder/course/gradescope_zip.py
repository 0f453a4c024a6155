"""The zip that Gradescope runs for one lesson: checks with public seeds, without any answer.

    write_zip("02_batch_normalization", Path("autograder.zip"))

It holds no secret: what a student's code could read there is what the kit holds, too.
"""

from __future__ import annotations

import re
import tempfile
import tomllib
import zipfile
from pathlib import Path

from autograder import expectations
from autograder.answers import ROOT, is_answer_file
from autograder.course.errors import CourseError
from autograder.grading.harness import TEMPLATE
from autograder.lessons.build import notebook_text, student_notebook
from autograder.lessons.lesson import Lesson
from autograder.lessons.packages import copy_packages

# What runs and judges, beside what a check in a notebook needs.
GRADING_SIDE = (
    "bars.py",
    "grading/*.py",
    "lessons/*.py",
    "sandbox/**/*.py",
    "submissions/*.py",
)
EPOCH = (1980, 1, 1, 0, 0, 0)  # one time for all members, so that the same sources pack alike

SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, when it builds the container.
set -euo pipefail
source="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
apt-get update && apt-get install -y python3 python3-venv
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed: choose Ubuntu 24.04 as base image." >&2
    exit 1
}
python3 -m venv "$source/../venv"
"$source/../venv/bin/pip" install \\
    --extra-index-url https://download.pytorch.org/whl/cpu -r "$source/requirements.txt"
"""

RUN = """\
#!/usr/bin/env bash
# Gradescope copies this to /autograder and runs it for each submission.
root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$root"
PYTHONPATH="$root/source" exec "$root/venv/bin/python" -m autograder.grading.harness "$root"
"""


def write_zip(lesson: Lesson, out: Path) -> Path:
    """Write the zip for a lesson and return its path.

    Raises `CourseError` when there is a file already.
    """
    out = Path(out)
    if out.exists():
        raise CourseError(f"{out} exists: name another file, or remove it.")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_packages(folder)
        _copy_grading_side(folder)
        expectations.record(lesson.exercises, folder / "autograder" / "recordings")
        _texts(folder, lesson)
        _pack(folder, out)
    return out


def _copy_grading_side(folder: Path) -> None:
    for pattern in GRADING_SIDE:
        for source in (ROOT / "autograder").glob(pattern):
            relative = source.relative_to(ROOT)
            if not is_answer_file(relative):
                (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                (folder / relative).write_bytes(source.read_bytes())


def _texts(folder: Path, lesson: Lesson) -> None:
    texts = {
        "setup.sh": SETUP,
        "run_autograder": RUN,
        "lesson.txt": f"{lesson.name}\n",
        TEMPLATE: notebook_text(student_notebook(lesson)),
        "requirements.txt": "".join(f"{line}\n" for line in _requirements()),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _requirements() -> list[str]:
    """What the packages import, nbgrader and its gradebook left out: those stay at the course."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["grade"], *extras["torch"]]
    left_out = {"jupyter", "nbgrader", "sqlalchemy"}
    return [line for line in lines if re.split(r"[^\w.-]", line)[0].lower() not in left_out]


def _pack(folder: Path, out: Path) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            is_run = path.name in ("setup.sh", "run_autograder")
            info.external_attr = (0o755 if is_run else 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())
