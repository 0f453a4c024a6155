"""The lessons in a real browser: `make test-wasm` builds the page and names it in COURSE_PAGE."""

import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from all_lessons import all_lessons, numpy_half
from browsing import chromium, faults_of, needs_chromium
from site_server import served

from autograder import exercises
from autograder.grading.grader import Grader
from autograder.lessons.build import solution_notebook, student_notebook

ROOT = Path(__file__).resolve().parents[2]
IN_PYODIDE = Path(__file__).with_name("in_pyodide.py")
LESSON_IN_PYODIDE = Path(__file__).with_name("lesson_in_pyodide.py")
CELLS = "window.jupyterapp.shell.currentWidget.context.model.toJSON().cells"
DOWNLOAD = 35e6  # bytes
LONG = 10.0  # seconds of computing for which an experiment is named, not failed: machines differ
PATIENCE = 240  # seconds until a page that does not answer is given up

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("COURSE_PAGE" not in os.environ, reason="`make test-wasm` builds the page"),
    needs_chromium,
]


@pytest.fixture(scope="module")
def site():
    with served(Path(os.environ["COURSE_PAGE"])) as (address, sent):
        yield address, sent


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


class Opened:
    """A lesson that is open in the browser: write into its cells, run them, read what they say."""

    def __init__(self, browser, address, name, width=1440, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        self.page = context.new_page()
        self.faults = faults_of(self.page, address, "data:", "blob:")
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.goto(f"{address}/notebooks/index.html?path={name}.ipynb")
        self._wait()

    def reload(self):
        self.page.reload()
        self._wait()

    def _wait(self):
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        self.page.wait_for_function(
            "window.jupyterapp?.shell?.currentWidget?.context?.sessionContext?.session?.kernel"
        )

    def cells(self):
        return [nbformat.from_dict(cell) for cell in self.page.evaluate(CELLS)]

    def first_code(self):
        """Return the indices of the set-up and of the cell after it."""
        return [i for i, cell in enumerate(self.cells()) if cell.cell_type == "code"][:2]

    def index(self, grade_id):
        found = (c.metadata.get("nbgrader", {}).get("grade_id") for c in self.cells())
        return list(found).index(grade_id)

    def write(self, index, source):
        """Type `source` into a cell, in place of what stands there."""
        self._choose(index)
        self.page.evaluate(
            "() => { const book = jupyterapp.shell.currentWidget.content;"
            " book.mode = 'edit'; book.activeCell.editor.focus(); }"
        )
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)
        assert self.cells()[index].source.strip() == source.strip()

    def run(self, index):
        """Run a cell, wait until it is done, and return what it shows as text."""
        self._choose(index)
        self.page.evaluate(
            "() => { const { model } = jupyterapp.shell.currentWidget.content.activeCell;"
            " model.executionCount = null; jupyterapp.commands.execute('notebook:run-cell'); }"
        )
        self.page.wait_for_function(f"() => {CELLS}[{index}].execution_count !== null")
        return "".join(
            output.get("text", "") or output.get("data", {}).get("text/plain", "")
            for output in self.cells()[index].outputs
        )

    def _choose(self, index):
        self.page.evaluate(f"jupyterapp.shell.currentWidget.content.activeCellIndex = {index}")
        self.page.evaluate(f"jupyterapp.shell.currentWidget.content.scrollToItem({index})")

    def bar(self):
        return self.page.locator("#course-bar").inner_text()


def right_source(lesson, name):
    """Return the solution of an exercise, as its cell says it."""
    cells = solution_notebook(lesson).cells
    wanted = f"{name.replace('.', '-')}-solution"
    return next(c.source for c in cells if c.metadata.get("nbgrader", {}).get("grade_id") == wanted)


LESSONS = {
    "00_getting_started": (
        "getting_started.unit_rows",
        ("axis=1, keepdims=True", "axis=0, keepdims=True"),
        "every column has length 1",
    ),
    "02_batch_normalization": (
        "normalization.batchnorm_forward",
        ("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
        "what exactly is eps added to",
    ),
}


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_from_the_first_cell_to_a_mark(site, browser, name, tmp_path):
    exercise, (old, new), hint = LESSONS[name]
    lesson = next(one for one in all_lessons() if one.name == name)
    right = right_source(lesson, exercise)
    assert old in right
    address, sent = site
    sent.clear()
    began = time.monotonic()
    opened = Opened(browser, address, name)
    task = opened.index(f"{exercise.replace('.', '-')}-solution")
    check = opened.index(f"{exercise.replace('.', '-')}-check")
    for index, cell in enumerate(opened.cells()[:task]):
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("locked"):
            opened.run(index)
    opened.write(task, right.replace(old, new))
    opened.run(task)
    assert hint in (said := opened.run(check)), said
    to_hint, downloaded = time.monotonic() - began, sum(size for _, size in sent)
    loaded = [name for name, _ in sent]
    assert loaded.count("static/pyodide/pyodide.asm.wasm") == 1  # the kernel has the early Python
    wrong = right.replace(old, new)
    opened.write(task, re.sub(r"(?m)^    return", "    again = True\n    return", wrong))
    opened.run(task)
    assert "smallest input on which right and yours part" in opened.run(check)
    opened.write(task, right)
    opened.run(task)
    began = time.monotonic()
    said = opened.run(check)
    seconds = time.monotonic() - began
    points = exercises.find(exercise).points
    assert f"{points:g} of {points:g} points" in said and "Keep a copy" in said
    megabytes = downloaded / 1e6
    print(f"\n{name}: {to_hint:.1f} s to the hint, {megabytes:.1f} MB; a check {seconds:.2f} s")
    assert downloaded < DOWNLOAD

    opened.write(task, "from autograder.check import progress; progress()")
    assert "Next: " in (told := opened.run(task)), told
    opened.write(task, "from matplotlib import pyplot as plt; plt.plot([1, 2]); plt.show()")
    opened.run(task)
    assert any("image/png" in output.get("data", {}) for output in opened.cells()[task].outputs)
    opened.write(task, right)
    assert "No copy" in opened.bar()
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="Save a copy").click()
    copy = tmp_path / f"{name}.ipynb"
    download.value.save_as(copy)
    assert download.value.suggested_filename == copy.name
    opened.page.wait_for_function(
        "() => document.querySelector('#course-bar').innerText.includes('Last copy')"
    )
    with Grader(student_notebook(lesson), name, b"a secret") as grader:
        result = grader.grade(copy, "ada")
    assert result.report(exercise).score == points
    assert not opened.faults
    opened.page.context.close()


def whole_course():
    """Return the packages with their answers, as a zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in ("autograder", "cs231n_lib"):
            for path in sorted((ROOT / package).rglob("*.py")):
                archive.write(path, path.relative_to(ROOT).as_posix())
            for path in sorted((ROOT / package / "data").glob("*.npz")):
                archive.write(path, path.relative_to(ROOT).as_posix())
    return packed.getvalue()


START = """async (packages) => {
    window.python = await loadPyodide({ indexURL: "/static/pyodide/" });
    await python.loadPackage([...packages, "cs231n-lecture7-kit"]);
    const zip = await (await fetch("/course.zip")).arrayBuffer();
    python.unpackArchive(zip, "zip", { extractDir: "/course" });
}"""


@contextmanager
def python_in_a_page(browser, address, script, packages=("numpy",)):
    """Yield an empty page where Python has run a script: with the kit, the course in /course."""
    page = browser.new_page()
    page.goto(f"{address}/api/course.json")
    page.add_script_tag(url=f"{address}/static/pyodide/pyodide.js")
    packed = whole_course()
    page.route("**/course.zip", lambda route: route.fulfill(body=packed))
    page.evaluate(START, packages)
    page.evaluate("source => { python.runPython(source) }", script.read_text(encoding="utf-8"))
    yield page
    page.close()


def test_the_checks_say_there_what_they_say_here(site, browser, tmp_path):
    everything = bool(os.environ.get("ALL"))
    with python_in_a_page(browser, site[0], IN_PYODIDE) as page:
        call = f"import json; json.dumps(run('/course', {everything}))"
        found = json.loads(page.evaluate("call => python.runPython(call)", call))
    assert len(found["references"]) > 60
    assert [entry for entry in found["references"] if entry[1] != 1] == []
    if not everything:
        return
    here = said_natively(tmp_path)["catalogue"]
    there = found["catalogue"]
    assert [entry[:3] for entry in there] == [entry[:3] for entry in here]  # as many points
    assert [entry for entry in there if entry[2] >= 1] == []
    pairs = zip(here, there, strict=True)
    others = [f"{a[0]}: {a[1]!r}, there {b[3]}" for a, b in pairs if a[3] != b[3]]
    print(f"\n{len(there)} wrong answers, named otherwise: {len(others)}", *others, sep="\n")
    assert len(others) <= 0.01 * len(there)


def said_natively(folder):
    """Return what the kit of the page says of the same answers in this Python."""
    (kit,) = Path(os.environ["COURSE_PAGE"], "static", "pyodide").glob("cs231n_lecture7_kit-*.whl")
    zipfile.ZipFile(kit).extractall(folder)
    tell = f"import json; print(json.dumps(run({str(ROOT)!r}, True)))"
    code = f"{IN_PYODIDE.read_text(encoding='utf-8')}\n{tell}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(not os.environ.get("ALL"), reason="ALL=1 runs every experiment in the page")
@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.name)
def test_experiments_run_in_the_page_and_long_ones_are_named(site, browser, lesson):
    packages, timed = ("numpy", "matplotlib", "ipython", "tqdm"), []
    with python_in_a_page(browser, site[0], LESSON_IN_PYODIDE, packages) as page:
        computed = computing(page)
        for number, (role, source) in enumerate(numpy_half(lesson)):
            before = computed()
            page.evaluate("cell => { python.globals.get('run')(...cell) }", [number, source])
            if role == "experiment":
                timed.append((computed() - before, source))
    longest = [f"{seconds:.1f} s" for seconds, _ in sorted(timed, reverse=True)[:3]]
    print(f"\n{lesson.name}: {len(timed)} experiments; the longest {', '.join(longest)}")
    print(*(f"{seconds:.1f} s: {source}" for seconds, source in timed if seconds > LONG), sep="\n")
    assert timed


def computing(page):
    """Return a function that says for how many seconds the page's thread has computed."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def computed():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(entry["value"] for entry in metrics if entry["name"] == "TaskDuration")

    return computed


def test_a_second_visit_needs_no_network_and_knows_what_was_tried(site, browser):
    address, _ = site
    opened = Opened(browser, address, "00_getting_started")
    opened.page.wait_for_function("navigator.serviceWorker.controller")
    opened.reload()  # what came before the service worker did is kept now
    setup, first = opened.first_code()
    opened.run(setup)
    assert "25 of 100 points" in opened.run(first)
    opened.page.context.set_offline(True)
    opened.reload()
    opened.run(setup)
    task = opened.index("getting_started-unit_rows-solution")
    opened.write(task, "from autograder.check import progress; progress()")
    assert "unit_rows: columns of length 1" in (told := opened.run(task)), told
    opened.page.evaluate("jupyterapp.shell.currentWidget.context.sessionContext.restartKernel()")
    assert "unit_rows: columns of length 1" in (told := opened.run(task)), told
    full = "() => { Storage.prototype.setItem = () => { throw new DOMException('full') } }"
    opened.page.evaluate(full)
    opened.run(setup)
    assert "25 of 100 points" in opened.run(first)
    assert "storage is full" in opened.bar()
    opened.page.context.close()


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("delete window.WebAssembly", "no WebAssembly"),
        (
            "const f = fetch; window.fetch = (u, o) => String(u).includes('course.json')"
            ' ? Promise.resolve(new Response(\'{"build": "newer"}\')) : f(u, o)',
            "older than the course",
        ),
        (
            "const f = fetch; window.fetch = async (u, o) => { const answer = await f(u, o);"
            " if (!(u instanceof URL && u.href.includes('/files/'))) return answer;"
            " const newer = await answer.json(); newer.cells.push({ source: 'another set-up',"
            " metadata: { nbgrader: { locked: true } } });"
            " return new Response(JSON.stringify(newer)) }",
            "improved since you began",
        ),
        (
            "const f = IDBObjectStore.prototype.put; IDBObjectStore.prototype.put = function () {"
            " throw new DOMException('full', 'QuotaExceededError') }",
            "storage is full",
        ),
    ],
)
def test_what_goes_wrong_is_one_clear_line(site, browser, before, said):
    address, _ = site
    page = browser.new_page()
    page.add_init_script(before)
    page.goto(f"{address}/notebooks/index.html?path=00_getting_started.ipynb")
    bar = page.locator("#course-bar")
    bar.wait_for()
    page.wait_for_function(
        f"() => document.querySelector('#course-bar').innerText.includes('{said}')"
    )
    page.close()
