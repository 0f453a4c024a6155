"""What the site shows of the course is true, and what is broken fails its build."""

import ast
import importlib.util
import json
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from all_lessons import all_lessons
from browsing import chromium, needs_chromium

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs" / "site"))  # build.py imports its neighbour
spec = importlib.util.spec_from_file_location("build_site", ROOT / "docs" / "site" / "build.py")
site = importlib.util.module_from_spec(spec)
spec.loader.exec_module(site)


def test_every_line_to_break_is_known_loses_points_and_shows():
    right, *broken = site.broken()
    assert right["yours"] == right["right"]
    assert [fact["name"] for fact in broken] == [n for n in _order() if n in site.CHOSEN]
    assert len(broken) == len(site.CHOSEN)
    for fact in broken:
        earned, points = map(float, fact["score"].split(" of "))
        assert earned < points
        assert fact["yours"] != fact["right"]
        assert fact["hint"] and fact["old"] != fact["new"]


def _order():
    return [record.name for record in site.misconceptions.of(site.BROKEN.id)]


@pytest.mark.parametrize("family", site.FAMILIES)
def test_the_page_of_a_family_has_every_public_name(family):
    page = site.library_page(family)
    assert page.startswith("# ")
    for part in site.PARTS:
        path = ROOT / "cs231n_lib" / family / f"{part}.py"
        defined = ast.parse(path.read_text("utf-8")).body if path.exists() else []
        public = {
            node.name
            for node in defined
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        }
        assert public <= set(page.replace("\n### ", "\n").splitlines()), family


def test_the_landing_page_leads_to_all_lessons_and_guides():
    names = [lesson.name for lesson in all_lessons()]
    page = site.landing(names)
    assert all(f"lessons/{name}" in page for name in names)
    assert all(f"\n{guide}\n" in page for guide in site.GUIDES)
    assert "@" not in page.partition("<script type")[0]
    facts = page.partition('id="facts">')[2].partition("</script>")[0]
    assert len(json.loads(facts)) == 1 + len(site.CHOSEN)


def test_the_syllabus_names_every_technique_and_leads_to_its_lesson():
    page = site.syllabus_page([lesson.name for lesson in all_lessons()])
    assert all(f"| {row.title} |" in page for row in site.SYLLABUS)
    assert "[02](lessons/02_batch_normalization.ipynb)" in page


# ---------------------------------------------------------------------------------- lessons


@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.number)
def test_a_lesson_says_what_it_shows_and_every_prediction_is_compared(lesson):
    cells = site.lesson_page(lesson.name)["cells"]
    assert any("shows the solutions" in "".join(cell["source"]) for cell in cells)
    asked = sum(cell["metadata"]["course"]["role"] == "predict" for cell in cells)
    measured = sum(cell["metadata"].get("tags") == ["measured"] for cell in cells)
    assert bool(asked) == bool(measured) and measured >= asked


def test_what_the_lessons_in_the_browser_load_is_said_before(tmp_path, monkeypatch):
    monkeypatch.setattr(site, "SITE", tmp_path)
    assert "this browser" not in site.note("02_norm") + site.landing([])
    (tmp_path / "try").mkdir()
    text = (ROOT / "docs" / "try" / "index.html").read_text("utf-8").replace("@MEGABYTES@", "31")
    (tmp_path / "try" / "index.html").write_text(text, encoding="utf-8")
    for page in (site.note("02_norm"), site.landing([])):
        assert "this browser" in page and "about 31 MB" in page


def test_a_lesson_opens_elsewhere_by_one_setting(monkeypatch):
    links = site.doors("02_norm", "https://github.com/ada/course", "https://hub.example.org/")
    assert set(links) == {"on Binder", "on Colab", "on your hub"}
    assert all("ada" in link and "02_norm.ipynb" in link for link in links.values())
    assert site.doors("02_norm", "") == {}
    with pytest.raises(SystemExit, match="OWNER/NAME"):
        site.doors("02_norm", "git@example.org:ada/course.git")
    monkeypatch.delenv("COURSE_REPOSITORY", raising=False)
    assert "Colab" not in site.note("02_norm")
    monkeypatch.setenv("COURSE_REPOSITORY", "https://github.com/ada/course")
    assert "https://colab.research.google.com/github/ada/course" in site.note("02_norm")


PREDICTION = """<!doctype html><div class="tag_measured"><div class="cell_output">
No prediction made; measured: 0.25. The picture follows.</div></div><script>{}</script>"""


@pytest.mark.slow
@needs_chromium
def test_a_tap_shows_how_far_off_a_prediction_was():
    script = (site.HERE / "static" / "course.js").read_text("utf-8")
    style = (site.HERE / "static" / "course.css").read_text("utf-8")
    with chromium() as browser:
        tab = browser.new_page()
        tab.set_content(f"<style>{style}</style>{PREDICTION.format(script)}")
        assert not tab.locator(".cell_output").is_visible()
        tab.get_by_label("Your prediction").fill("0.5")
        tab.get_by_role("button").click()
        assert "You predicted 0.5; it is 0.25: 100 % too high." in tab.inner_text("body")
        assert tab.locator(".cell_output").is_visible()


# ---------------------------------------------------------------------------------- what fails


MODULE = """
from dataclasses import dataclass
def told():
    'Told.'
def untold(): pass
class Silent: pass
class Heir(Exception): pass
@dataclass
class Record:
    size: int
def _private(): pass
"""


def test_a_public_name_without_a_docstring_fails_the_build():
    module = ModuleType("a_module")
    exec(MODULE, module.__dict__)
    with pytest.raises(SystemExit, match=r"docstring: untold, Silent, Heir, Record$"):
        site.public_names(module)
    del module.untold, module.Silent, module.Heir, module.Record
    assert [name for name, _ in site.public_names(module)] == ["told"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<h2 id="here">1</h2> <a href="#here">x</a> <a href="b.html#there">x</a>', ""),
        ('<a href="try/lesson.html">beside</a> <a href="https://example.org/x">out</a>', ""),
        ('<img src="_images/a.png" alt="A curve that falls.">', ""),
        ('<a href="c.html">x</a>', "the link c.html leads nowhere"),
        ('<a href="#nowhere">x</a>', "the link #nowhere leads nowhere"),
        ('<a href="b.html#nowhere">x</a>', "the link b.html#nowhere leads nowhere"),
        ('<a href="../../etc">x</a>', "the link ../../etc leads nowhere"),
        ('<img src="_images/a.png">', "the figure _images/a.png has no alternative text"),
        ('<img src="_images/a.png" alt="_images/a.png">', "has no alternative text"),
    ],
)
def test_links_that_lead_nowhere_and_silent_figures_are_faults(tmp_path, body, fault):
    html, beside = tmp_path / "html", tmp_path / "site"
    (beside / "try").mkdir(parents=True)
    (beside / "try" / "lesson.html").touch()
    html.mkdir()
    (html / "b.html").write_text('<p id="there">', encoding="utf-8")
    (html / "a.html").write_text(body, encoding="utf-8")
    found = site.faults(html, beside)
    assert len(found) == bool(fault)
    assert all(line.startswith("a.html: ") and fault in line for line in found)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (0, "sound", None),
        (2, "sound", "^2$"),
        (0, '<a href="c.html">x</a>', "^a.html: .* nowhere$"),
    ],
)
def test_what_is_broken_is_not_published(tmp_path, monkeypatch, status, body, said):
    def write(pages, out, execute):
        out.mkdir()
        (out / "a.html").write_text(body, encoding="utf-8")
        return status

    monkeypatch.setattr(sys, "argv", ["build.py"])
    monkeypatch.setattr(site, "HTML", tmp_path / "html")
    monkeypatch.setattr(site, "SITE", tmp_path / "site")
    monkeypatch.setattr(site, "run_sphinx", write)
    for name in ("gather", "fill_gallery", "write_for_all"):
        monkeypatch.setattr(site, name, lambda *arguments: None)
    with nullcontext() if said is None else pytest.raises(SystemExit, match=said):
        site.main()
    assert (tmp_path / "site" / "a.html").is_file() == (said is None)


def test_the_gallery_shows_the_figures_of_the_lessons_alone(tmp_path):
    (tmp_path / "lessons").mkdir()
    (tmp_path / "gallery.html").write_text(f"<div>{site.GALLERY}</div>", encoding="utf-8")
    lesson = """<section id="top"><h1>Norms<a class="headerlink" href="#top">#</a></h1>
        <section id="one"><h2>1 A part</h2><img src="../_images/a.png" alt="A &amp; B fall.">
        </section></section><img src="../_static/logo.png" alt="a logo">"""
    (tmp_path / "lessons" / "01.html").write_text(lesson, encoding="utf-8")
    site.fill_gallery(tmp_path)
    page = (tmp_path / "gallery.html").read_text("utf-8")
    assert page.count("<img") == 1 and site.faults(tmp_path, tmp_path)[1:] == []
    assert 'href="lessons/01.html#one"' in page and "Norms: 1 A part" in page
    assert 'alt="A &amp; B fall."' in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "words", "said"),
    [
        ("1 / 1", "A formula $x^2$.", []),
        ("1 / 0", "", ["ExecutionError"]),
        ("", r"[x](not/there.md) $\frac$", ["not/there.md", "this formula cannot be read"]),
    ],
    ids=["sound", "failed cell", "broken reference and odd formula"],
)
def test_what_sphinx_finds_fails_the_build(tmp_path, capfd, cell, words, said):
    pytest.importorskip("myst_nb", reason="the site needs the extra [docs]")
    pages, html = tmp_path / "pages", tmp_path / "html"
    shutil.copytree(site.HERE / "static", pages / "static")
    shutil.copy(site.HERE / "conf.py", pages)
    kernel = {"name": "python3", "display_name": "Python 3"}
    book = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    book.cells = [nbformat.v4.new_markdown_cell(f"# A lesson\n\n{words}")]
    book.cells += [nbformat.v4.new_code_cell(cell)] if cell else []
    nbformat.write(book, pages / "index.ipynb")
    failed = site.run_sphinx(pages, html, execute=bool(cell))
    errors = capfd.readouterr().err
    assert bool(failed) == bool(said)
    assert all(line in errors for line in said)
    assert said or "<math" in (html / "index.html").read_text("utf-8")
