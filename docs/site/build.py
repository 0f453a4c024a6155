"""Build the site: gather the pages in build/site, then run Sphinx into site/ (`make site`).

    python docs/site/build.py              # notebooks as they are, without outputs
    python docs/site/build.py --execute    # run every solution notebook that changed

COURSE_REPOSITORY, an address of GitHub, is the one setting from which the links to Binder and Colab
are made; COURSE_HUB, a JupyterHub with nbgitpuller, adds a third. Unset, they are left out.

The landing page lets a reader break batch normalization: each choice is a line of a known wrong
answer, and what the page then shows was computed here, by the course's own checks.
"""

from __future__ import annotations

import argparse
import ast
import html
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
from urllib.parse import quote, urlencode

import numpy as np
from finish import GALLERY, faults, fill_gallery

from autograder import exercises, expectations, misconceptions
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import observe
from autograder.learning.review_page import write_for_all
from autograder.lessons.lesson import all_lessons
from autograder.lessons.syllabus import SYLLABUS

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PAGES, HTML, SITE = ROOT / "build" / "site", ROOT / "build" / "html", ROOT / "site"
GUIDES = {
    "student": "Doing a lesson",
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
GALLERY_PAGE = f"""# Figures

Each is computed by a lesson; a click leads to the part that it belongs to.

<div class="gallery">{GALLERY}</div>
"""
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
    """Gather, build, and look through what was built; anything broken fails the build."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--execute", action="store_true", help="run notebooks that changed")
    chosen = parser.parse_args()
    gather(PAGES)
    if status := run_sphinx(PAGES, HTML, execute=chosen.execute):
        sys.exit(status)
    fill_gallery(HTML)
    write_for_all(HTML / "review", expectations.default())
    if found := faults(HTML, SITE):
        sys.exit("\n".join(found))
    shutil.copytree(HTML, SITE, dirs_exist_ok=True)  # beside site/try


def run_sphinx(pages: Path, out: Path, execute: bool = False) -> int:
    """Run Sphinx; every warning is an error, and the exit status says so."""
    environment = os.environ | {
        "COURSE_EXECUTE": "1" if execute else "",
        "COURSE_NOTEBOOK_CACHE": str(out.parent / "notebooks"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    return subprocess.run([*command, pages, out], env=environment, check=False).returncode


def gather(pages: Path) -> None:
    """Write every page that Sphinx reads into a folder made anew."""
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(HERE / "static", pages / "static")
    shutil.copy(HERE / "conf.py", pages)
    shutil.copytree(ROOT / "docs" / "images", pages / "images")
    shutil.copy(ROOT / "docs" / "kubernetes.yaml", pages)  # a guide hands it out
    for name in GUIDES:
        _write(pages / f"{name}.md", (ROOT / "docs" / f"{name}.md").read_text("utf-8"))
    lessons = [lesson.name for lesson in all_lessons()]
    for name in lessons:
        _write(pages / "lessons" / f"{name}.ipynb", json.dumps(lesson_page(name)))
    for family in FAMILIES:
        _write(pages / "library" / f"{family}.md", library_page(family))
    _write(pages / "syllabus.md", syllabus_page(lessons))
    _write(pages / "gallery.md", GALLERY_PAGE)
    _write(pages / "index.md", landing(lessons))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# ---------------------------------------------------------------------------------- lessons


def lesson_page(name: str) -> dict:
    """Return the solution notebook as a page: where to write it oneself, and marked predictions."""
    notebook = json.loads((ROOT / "notebooks" / "solution" / f"{name}.ipynb").read_text("utf-8"))
    first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    heading, _, rest = "".join(first["source"]).partition("\n")
    first["source"] = f"{heading}\n\n{note(name)}\n{rest}"
    mark_predictions(notebook["cells"])
    return notebook


def note(name: str) -> str:
    """Say what a page shows, and where its exercises are written."""
    links = doors(name, os.environ.get("COURSE_REPOSITORY", ""), os.environ.get("COURSE_HUB", ""))
    if size := megabytes():
        here = f"in this browser ({size} the first time)"
        links = {here: f"../try/notebooks/index.html?path={name}.ipynb", **links}
    places = [f'<a href="{html.escape(address)}">{words}</a>' for words, address in links.items()]
    places.append("take the student's notebook")
    return f"*This page shows the solutions.* To write them yourself: {', '.join(places)}."


def megabytes() -> str:
    """Return what the lessons in the page say that they load, as "about 30 MB"; "" without them."""
    page = SITE / "try" / "index.html"
    said = re.search(r"about \d+ MB", page.read_text("utf-8")) if page.is_file() else None
    return said[0] if said else ""


def doors(name: str, repository: str, hub: str = "") -> dict[str, str]:
    """Return {place: address} of where a lesson's notebook opens; nothing without a repository.

    Raises SystemExit for a repository that is not on GitHub.
    """
    if not repository:
        return {}
    found = re.fullmatch(r"https://github\.com/([\w.-]+/([\w.-]+?))(?:\.git)?/?", repository)
    if not found:
        raise SystemExit(
            f"COURSE_REPOSITORY must be https://github.com/OWNER/NAME, got {repository!r}; "
            "leave it unset for a site without links to Binder and Colab"
        )
    path, project = found.groups()
    notebook = f"notebooks/student/{name}.ipynb"
    links = {
        "on Binder": f"https://mybinder.org/v2/gh/{path}/main?labpath={quote(notebook, safe='')}",
        "on Colab": f"https://colab.research.google.com/github/{path}/blob/main/{notebook}",
    }
    if hub:
        pulled = {"repo": found[0], "branch": "main", "urlpath": f"lab/tree/{project}/{notebook}"}
        links["on your hub"] = f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(pulled)}"
    return links


def mark_predictions(cells: list[dict]) -> None:
    """Tag the cells that ask for a prediction, and the first that says what it was compared with.

    `course.js` then shows the second one's output when the reader taps.
    """
    waiting: set[str] = set()
    for cell in cells:
        source, course = "".join(cell["source"]), cell["metadata"].get("course", {})
        if course.get("role") == "predict":
            waiting |= names_bound(source)
        elif cell["cell_type"] == "code" and (used := {n for n in waiting if n in source}):
            cell["metadata"]["tags"] = ["measured"]
            waiting -= used


def names_bound(source: str) -> set[str]:
    """Return the names that a program assigns.

    >>> sorted(names_bound("a, b = None, None  # numbers"))
    ['a', 'b']
    """
    nodes = ast.walk(ast.parse(source))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


# ---------------------------------------------------------------------------------- library


def library_page(family: str) -> str:
    """Return the page of a family: its equations, and each function or class with its code."""
    title = family.replace("_", " ").capitalize()
    package = importlib.import_module(f"cs231n_lib.{family}")
    lines = [f"# {title}", "", "```{eval-rst}", inspect.getdoc(package) or "", "```"]
    for part, words in PARTS.items():
        if not (ROOT / "cs231n_lib" / family / f"{part}.py").exists():
            continue
        module = importlib.import_module(f"cs231n_lib.{family}.{part}")
        lines += ["", f"## {words}", "", inspect.getdoc(module) or ""]
        for name, value in public_names(module):
            lines += ["", f"### {name}", "", "```text", *_described(name, value), "```", ""]
            source = inspect.getsource(inspect.unwrap(value)).rstrip()
            lines += ["````{dropdown} Its code", "```python", source, "```", "````"]
    return "\n".join(lines) + "\n"


def public_names(module) -> list[tuple[str, Callable]]:
    """Return the public functions and classes that a module defines.

    Raises SystemExit where one has no docstring of its own, and names all of them.
    """
    found = [
        (name, value)
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__
        and (inspect.isfunction(value) or inspect.isclass(value))
        and not name.startswith("_")
    ]
    silent = [name for name, value in found if _is_silent(name, value)]
    if silent:
        raise SystemExit(f"{module.__name__}: public and without a docstring: {', '.join(silent)}")
    return found


def _is_silent(name: str, value: Callable) -> bool:
    said = value.__doc__ or ""  # not a base's; a dataclass without one has its signature there
    return not said or said.startswith(f"{name}(")


def _described(name: str, value: Callable) -> list[str]:
    return [f"{name}{inspect.signature(value)}", "", *(inspect.getdoc(value) or "").splitlines()]


def syllabus_page(lessons: list[str]) -> str:
    """Return the table of every technique: its slides, its lesson, its functions, its exercises."""
    pages = {name[:2]: f"[{name[:2]}](lessons/{name}.ipynb)" for name in lessons}
    lines = [
        "# Syllabus",
        "",
        "Every technique of the lecture, in its order, and where this course has it.",
        "",
        "| technique | slides | lesson | library | you write |",
        "|---|---|---|---|---|",
    ]
    for row in SYLLABUS:
        family = row.family.replace("_", " ")
        shown = f"[{family}](library/{row.family}.md)" if row.family in FAMILIES else family
        names = ", ".join(f"`{function}`" for function in row.functions)
        written = ", ".join(f"`{exercise}`" for exercise in row.exercises) or "–"
        library = f"{shown}: {names}" if names else "–"
        lesson = pages.get(row.lesson, "–")
        lines.append(f"| {row.title} | {row.slides or '–'} | {lesson} | {library} | {written} |")
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------------------------- landing


def landing(lessons: list[str]) -> str:
    """Return the first page: something to break, three doors, and where everything stands."""
    page = (HERE / "index.md").read_text("utf-8")
    facts, size = json.dumps(list(broken()), ensure_ascii=False), megabytes()
    trees = {
        "@LESSONS@": [f"lessons/{name}" for name in lessons],
        "@GUIDES@": ["syllabus", "gallery", *GUIDES],
        "@LIBRARY@": [f"library/{family}" for family in FAMILIES],
    }
    for mark, names in trees.items():
        page = page.replace(mark, "\n".join(names))
    here = f'Nothing to install: <a href="try/index.html">write them in this browser</a> ({size}).'
    page = page.replace("@TRY@", f"<p>{here}</p>" if size else "")
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
