"""What people do in a browser, done in headless Chromium: a check, a mark, a feedback page."""

import csv
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from itertools import product

import nbformat
import pytest
from browsing import SCHEMES, chromium, grave, needs_axe, needs_chromium
from classroom import NAME, cell, record_unrun

from autograder.answers import ROOT
from autograder.cli import main
from autograder.course.class_page import summary_html
from autograder.course.feedback import write_feedback
from autograder.course.folder import init
from autograder.course.markbook import marks
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.course.register import Register
from autograder.lessons import build
from autograder.lessons.lesson import NOTEBOOKS, find_lesson

SECONDS = 120  # at most, on a machine that has other work
QUESTION = "useless-bias-question"
KERNEL_IS_READY = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
# nbgrader loads MathJax from the network, where there is none: here is what takes any call.
NO_FORMULAS = """
window.MathJax = new Proxy(() => MathJax, {get: () => MathJax, set: () => true});
"""
UNIT_ROWS = """\
def unit_rows(x):
    length = np.linalg.norm(x, axis=AXIS, keepdims=True)
    return x / np.where(length == 0, 1, length)
"""

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser):
    """A page on which nothing may go wrong unseen."""
    context = browser.new_context(viewport={"width": 1280, "height": 2400})
    context.set_default_timeout(1000 * SECONDS)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def started():
    """Start a program, which ends with the test."""
    programs = []

    def start(*arguments, **options):
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | options.pop("env", {})
        programs.append(subprocess.Popen(arguments, env=environment, text=True, **options))
        return programs[-1]

    yield start
    for program in programs:
        program.send_signal(signal.SIGTERM)
        program.communicate()


# --------------------------------------------------------------------------------- a student


@pytest.fixture
def lab(tmp_path, started):
    """JupyterLab with lesson 00, as somebody has it who never opened it before."""
    folder = tmp_path / "lessons"
    folder.mkdir()
    shutil.copy(NOTEBOOKS / "student" / "00_getting_started.ipynb", folder)
    return f"{jupyterlab(started, folder, tmp_path)}/lab/tree/00_getting_started.ipynb"


def jupyterlab(started, folder, private):
    """Start JupyterLab in a folder, with nobody's settings; return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    started(
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="),
        *("--expose-app-in-browser", f"--ServerApp.root_dir={folder}"),
        cwd=folder,
        env={name: str(private / name) for name in places},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(f"http://127.0.0.1:{port}/api")
    return f"http://127.0.0.1:{port}"


def wait_for(address):
    """Wait until a server answers."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            return urllib.request.urlopen(address).close()
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < until, f"nothing answers at {address}"
            time.sleep(0.1)


def run_cell(page, place, source=None):
    """Run the cell at a place of the notebook, first with another source, and wait for its end."""
    cell = page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{place}']")
    cell.locator(".cm-content").first.click()
    cell.locator(".cm-focused").first.wait_for()
    if source is not None:
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(source)
        cell.locator(".cm-line", has_text=source.splitlines()[1].strip()).first.wait_for()
    prompt = cell.locator(".jp-InputPrompt")
    before = prompt.first.inner_text()
    page.keyboard.press("Control+Enter")
    prompt.filter(has_text=re.compile(r"\[\d+\]")).filter(has_not_text=before).first.wait_for()
    return cell


def test_a_check_in_jupyterlab_is_red_and_then_green(lab, page):
    notebook = nbformat.read(NOTEBOOKS / "student" / "00_getting_started.ipynb", as_version=4)
    place = {one.id.removeprefix("getting_started-"): i for i, one in enumerate(notebook.cells)}
    page.goto(lab)
    page.wait_for_function(KERNEL_IS_READY)
    run_cell(page, place["setup"])
    marks = {}
    for axis, word in ((0, "failed"), (1, "passed")):
        run_cell(page, place["unit_rows-solution"], UNIT_ROWS.replace("AXIS", str(axis)))
        check = run_cell(page, place["unit_rows-check"])
        mark = check.locator("td b", has_text=word).first
        mark.wait_for()
        marks[word] = mark.evaluate("mark => getComputedStyle(mark).backgroundColor")
        if word == "failed":
            assert "Hint:" in check.inner_text()
        else:
            assert check.locator("td b", has_text="failed").count() == 0
    red, green = (list(map(int, re.findall(r"\d+", marks[w])[:3])) for w in ("failed", "passed"))
    assert red[0] > 2 * red[1] and green[1] > 2 * green[0]


# ----------------------------------------------------------------------------- an instructor


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Lesson 02 as it is, with answers that wait for a person."""
    course, _ = init(tmp_path_factory.mktemp("browser") / "course", ["02"])
    answers = {"ada": "Because $x^2$.", "carl": "Because  $x^2$.", "eve": "No."}
    record_unrun(course, {student: answering(text) for student, text in answers.items()})
    return course


def answering(text):
    notebook = build.solution_notebook(find_lesson("02"))
    cell(notebook, QUESTION).source = text
    return notebook


def test_a_mark_given_with_keys_reaches_the_export(course, page, started, tmp_path):
    program = started(
        *(sys.executable, "-m", "autograder", "mark", str(course.root), "2", "--as", "ada"),
        stdout=subprocess.PIPE,
    )
    page.goto(program.stdout.readline().split()[1])
    page.locator("#items kbd").first.wait_for()
    assert "the mean that moves along" in page.inner_text("#items")  # of the rubric
    if not page.locator("#answer math").count():
        page.keyboard.press("j")
        page.locator("#answer math").wait_for()
    assert "2 students" in page.inner_text("#where") and "ada" not in page.content()
    for key in "134a":
        page.keyboard.press(key)
    page.keyboard.type("-0.5")
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.keyboard.insert_text("Why a square?")
    page.keyboard.press("Control+Enter")
    page.get_by_text("Why a square?").wait_for()  # offered for the next answer
    marks = question_marks(course, tmp_path)
    assert marks["ada"] == marks["carl"] == ("2.5", "marked")
    assert marks["eve"] != marks["ada"]


def until_answered(page):
    """Wait until the marking page has what it asked for; its policy forbids to wait in the page."""
    while page.evaluate("asked"):
        page.wait_for_timeout(20)


def test_keys_of_the_marking_page_lose_nothing_and_save_once(course, page, started):
    program = started(
        *(sys.executable, "-m", "autograder", "mark", str(course.root), "2", "--as", "ada"),
        stdout=subprocess.PIPE,
    )
    sent, answer = [], page.locator("#where")
    page.on("request", lambda one: one.method == "POST" and sent.append(one.url.split("/")[-1]))
    page.goto(program.stdout.readline().split()[1])
    page.locator("#items kbd").first.wait_for()
    page.get_by_role("button", name="useless bias").click()
    answer.filter(has_text="Answer 1 of").wait_for()
    until_answered(page)  # it may be that of the question before
    page.keyboard.press("c")
    page.keyboard.insert_text("Why so?")
    for times in (1, 2):  # with nothing chosen, the first time only asks
        for key in ("Control", "Enter", "Enter", "Enter"):  # held down
            page.keyboard.down(key)
        for key in ("Enter", "Control"):
            page.keyboard.up(key)
        if times == 1:
            page.get_by_text("Enter again gives 0 points.").wait_for()
            assert sent == []
    page.locator("#comments button", has_text="Why so?").wait_for()
    assert sent == ["mark"]

    page.keyboard.press("j")
    page.keyboard.press("k")
    answer.filter(has_text="Answer 1 of").wait_for()
    until_answered(page)
    page.keyboard.press("c")
    page.keyboard.insert_text("Or not?")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    answer.filter(has_text="Answer 2 of").wait_for()
    page.keyboard.press("k")
    page.get_by_text("This mark is not saved yet.").wait_for()
    assert "Or not?" in page.input_value("#comment")
    until_answered(page)
    page.keyboard.press("Control+Enter")
    page.get_by_text("Enter again gives 0 points.").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.get_by_text("This mark is not saved yet.").wait_for()
    until_answered(page)
    page.keyboard.press("Control+Enter")
    page.get_by_text("Enter again gives 0 points.").wait_for()  # asked anew
    assert sent == ["mark"]

    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.press("Control+A")
    page.keyboard.type("4")
    page.keyboard.press("Control+Enter")
    page.locator("#items b", has_text="+4").wait_for()
    page.get_by_text("The rubric is changed").wait_for()
    assert sent == ["mark", "rubric"] and "Or not?" in page.input_value("#comment")
    page.keyboard.press("r")
    page.locator("#editor").wait_for()
    page.keyboard.press("Escape")
    assert page.locator("#editor").is_hidden()
    page.fill("#comment", "")
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Digit1")
    assert page.input_value("#comment") == page.locator("#comments button").first.evaluate(
        "button => button.lastChild.textContent.trim()"
    )


def test_a_mark_given_in_the_formgrader_reaches_the_export(course, page, started, tmp_path):
    with NbgraderCourse(course.root).gradebook() as gradebook:
        submission = gradebook.find_submission_notebook(NAME, NAME, "eve").id
    server = jupyterlab(started, course.root, tmp_path)
    page.add_init_script(NO_FORMULAS)
    page.goto(f"{server}/formgrader/submissions/{submission}", wait_until="networkidle")
    score = page.locator(f"input.score#{QUESTION}")
    with page.expect_response(lambda answer: answer.request.method == "PUT") as saved:
        score.fill("1.5")
        score.press("Tab")
    assert saved.value.ok
    assert question_marks(course, tmp_path)["eve"] == ("1.5", "marked")


def question_marks(course, folder):
    """Return {student: (score, state)} of the question, as exported."""
    with pytest.raises(SystemExit):
        main(["export", str(course.root), "--csv", "--output", str(folder / "out")])
    with (folder / "out" / "questions.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["question"] == QUESTION]
    return {row["id"]: (row["score"], row["state"]) for row in rows}


# ------------------------------------------------------------------ the page about a class


@pytest.fixture
def class_page(course, tmp_path):
    """Write the page about a class of whom each forgot something; return its path."""
    path, name = tmp_path / "class.html", "A name that is_as_long_as_people_sometimes_have_names"
    results = course.store(NAME).all()
    reports = [
        replace(one, rows=(replace(one.rows[0], misconception=f"{one.exercise_id} forgotten"),))
        for one in results[0].reports
    ]
    results = [replace(one, reports=tuple(reports), problems=(name,)) for one in results]
    lines = {line.student: line for line in marks(course)}
    register = Register({one.student: name for one in results}, lines, missing=("zoe",))
    path.write_text(summary_html(NAME, results, register), encoding="utf-8")
    return path


def test_no_table_about_a_class_scrolls_sideways_on_a_telephone(class_page, page):
    label = "getComputedStyle(document.querySelector('td.number'), '::before').content"
    for width, is_card in ((390, True), (1280, False)):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(class_page.as_uri())
        tables = page.evaluate(
            "[...document.querySelectorAll('.wide')].map(one => [one.scrollWidth, one.clientWidth])"
        )
        assert len(tables) >= 4 and all(needed <= there for needed, there in tables)
        assert page.locator("thead").first.is_visible() != is_card
        assert (page.evaluate(label) == '"students: "') == is_card


@needs_axe
def test_nobody_is_kept_out_of_the_pages_about_a_class_and_of_feedback(course, class_page, page):
    feedback = write_feedback(course, NAME, ["ada"])["ada"]
    for path, width, scheme in product((class_page, feedback), (390, 1440), SCHEMES):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.goto(path.as_uri())
        assert grave(page) == [], (path.name, width, scheme)


# --------------------------------------------------------------------------- a feedback page


def test_a_feedback_page_fits_a_telephone_and_ten_sheets_of_paper(course, page):
    path = write_feedback(course, NAME, ["ada"])["ada"]
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    papers = {}
    for width, scheme in ((390, "light"), (390, "dark"), (1280, "light")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        papers[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert papers == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}
    assert page.locator("math").count() > 0 and page.locator("script").count() == 0
    assert set(asked) == {path.as_uri()}
    printed = page.pdf(format="A4", prefer_css_page_size=True)
    assert 1 < len(re.findall(rb"/Type\s*/Page\b", printed)) <= 10
