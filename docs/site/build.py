"""Build the site: gather the pages in build/site, then run Sphinx into site/ (`make site`).

    python docs/site/build.py              # notebooks as they are, without outputs
    python docs/site/build.py --execute    # run every solution notebook that changed

The landing page lets a reader break batch normalization: each choice is a line of a known wrong
answer, and what the page then shows was computed here, by the course's own checks.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from autograder import exercises, expectations, misconceptions
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import observe
from autograder.lessons.lesson import all_lessons

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PAGES, HTML, SITE = ROOT / "build" / "site", ROOT / "build" / "html", ROOT / "site"
GUIDES = {
    "learner": "Learning alone",
    "instructor": "The instructor's day",
    "vocabulary": "Words and symbols",
    "results": "What the lessons say, measured",
    "lecture_errata": "What the lecture says otherwise",
    "security": "How submissions are kept apart",
    "scale": "More than one machine",
}
FAMILIES = (
    *("activations", "initialization", "preprocessing", "search", "normalization", "optim"),
    *("schedules", "second_order", "generalization", "regularization", "augmentation", "transfer"),
)
PARTS = {"in_numpy": "In NumPy", "in_torch": "In PyTorch", "shared": "In both"}
BROKEN = exercises.find("normalization.batchnorm_forward")
CHOSEN = (
    "no eps",
    "eps outside the root",
    "divided by the variance",
    "x is not centred",
    "variance around zero",
    "unbiased variance",
    "statistics of each example",
    "gamma and beta swapped",
    "beta added before the scaling",
)


def main() -> None:
    """Gather, then build; the exit status is Sphinx's."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--execute", action="store_true", help="run notebooks that changed")
    chosen = parser.parse_args()
    gather(PAGES)
    environment = os.environ | {
        "COURSE_EXECUTE": "1" if chosen.execute else "",
        "COURSE_NOTEBOOK_CACHE": str(ROOT / "build" / "notebooks"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run([*command, str(PAGES), str(HTML)], env=environment, check=False)
    if not done.returncode:
        shutil.copytree(HTML, SITE, dirs_exist_ok=True)  # beside site/try
    sys.exit(done.returncode)


def gather(pages: Path) -> None:
    """Write every page that Sphinx reads into a folder made anew."""
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(HERE / "static", pages / "static")
    shutil.copy(HERE / "conf.py", pages)
    shutil.copytree(ROOT / "docs" / "images", pages / "images")
    for name in GUIDES:
        _write(pages / f"{name}.md", (ROOT / "docs" / f"{name}.md").read_text("utf-8"))
    lessons = [lesson.name for lesson in all_lessons()]
    for name in lessons:
        _write(pages / "lessons" / f"{name}.ipynb", with_a_note(name))
    for family in FAMILIES:
        _write(pages / "library" / f"{family}.md", library_page(family))
    _write(pages / "index.md", landing(lessons))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def with_a_note(name: str) -> str:
    """Return the solution notebook; its first cell says what a reader looks at."""
    notebook = json.loads((ROOT / "notebooks" / "solution" / f"{name}.ipynb").read_text("utf-8"))
    first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    text = "".join(first["source"])
    heading, _, rest = text.partition("\n")
    note = "*This page shows the solutions. To write them yourself, take the student's notebook.*"
    first["source"] = f"{heading}\n\n{note}\n{rest}"
    return json.dumps(notebook)


def library_page(family: str) -> str:
    """Return the page of a family: each function with its docstring and its code."""
    title = family.replace("_", " ").capitalize()
    lines = [f"# {title}"]
    for part, words in PARTS.items():
        if not (ROOT / "cs231n_lib" / family / f"{part}.py").exists():
            continue
        module = importlib.import_module(f"cs231n_lib.{family}.{part}")
        lines += ["", f"## {words}", "", inspect.getdoc(module) or ""]
        for name, function in public_functions(module):
            lines += ["", f"### {name}", "", "```text", *_described(name, function), "```", ""]
            source = inspect.getsource(inspect.unwrap(function)).rstrip()
            lines += ["````{dropdown} Its code", "```python", source, "```", "````"]
    return "\n".join(lines) + "\n"


def public_functions(module) -> Iterator[tuple[str, Callable]]:
    """Yield the public functions that a module defines; raises where one has no docstring."""
    for name, value in vars(module).items():
        own = getattr(value, "__module__", "") == module.__name__
        if own and inspect.isfunction(value) and not name.startswith("_"):
            if not inspect.getdoc(value):
                raise SystemExit(f"{module.__name__}.{name} is public and has no docstring")
            yield name, value


def _described(name: str, function: Callable) -> list[str]:
    return [f"{name}{inspect.signature(function)}", "", *inspect.getdoc(function).splitlines()]


def landing(lessons: list[str]) -> str:
    """Return the first page: something to break, three doors, and where everything stands."""
    page = (HERE / "index.md").read_text("utf-8")
    facts = json.dumps(list(broken()), ensure_ascii=False)
    trees = {
        "@LESSONS@": [f"lessons/{name}" for name in lessons],
        "@GUIDES@": list(GUIDES),
        "@LIBRARY@": [f"library/{family}" for family in FAMILIES],
    }
    for mark, names in trees.items():
        page = page.replace(mark, "\n".join(names))
    return page.replace("@FACTS@", facts.replace("</", "<\\/"))


def broken() -> Iterator[dict]:
    """Yield, for each line that a reader may choose, what it shows and how it is named."""
    x = np.random.default_rng(2).normal(2.0, 1.5, size=(12, 1))
    ones = np.ones(1)

    def shown(functions):
        options = {"mode": "train", "eps": 0.3}
        out = functions["batchnorm_forward"](x.copy(), 1.5 * ones, 0.5 * ones, options)[0]
        return [round(float(value), 3) for value in out.ravel()]

    right = shown(expectations.reference(BROKEN))
    yield {"name": "as it should be", "hint": "", "old": "", "new": "", "right": right,
           "yours": right, "score": f"{BROKEN.points:g} of {BROKEN.points:g}"}  # fmt: skip
    for record in misconceptions.of(BROKEN.id):
        if record.name not in CHOSEN:
            continue
        functions = misconceptions.functions_of(record)
        report = judge_exercise(
            BROKEN, observe(BROKEN, functions, expectations.public_seed), expectations.default()
        )
        old, new = record.edits["batchnorm_forward"][-1]
        yield {
            "name": record.name,
            "hint": record.hint,
            "old": _line(old),
            "new": _line(new),
            "right": right,
            "yours": shown(functions),
            "score": f"{report.score:g} of {report.points:g}",
        }


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


if __name__ == "__main__":
    main()
