"""What the site shows of the course is true, and nothing public is without words."""

import ast
import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
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
def test_the_page_of_a_family_has_every_public_function(family):
    page = site.library_page(family)
    assert page.startswith("# ")
    for part in site.PARTS:
        path = ROOT / "cs231n_lib" / family / f"{part}.py"
        defined = ast.parse(path.read_text("utf-8")).body if path.exists() else []
        public = {
            node.name
            for node in defined
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        }
        assert public <= set(page.replace("\n### ", "\n").splitlines()), family


def test_the_landing_page_leads_to_all_lessons_and_guides():
    names = [lesson.name for lesson in site.all_lessons()]
    page = site.landing(names)
    assert all(f"lessons/{name}" in page for name in names)
    assert all(f"\n{guide}\n" in page for guide in site.GUIDES)
    assert "@" not in page.partition("<script type")[0]
    facts = page.partition('id="facts">')[2].partition("</script>")[0]
    assert len(json.loads(facts)) == 1 + len(site.CHOSEN)


def test_a_lesson_says_that_it_shows_solutions():
    notebook = json.loads(site.with_a_note("02_batch_normalization"))
    assert any("shows the solutions" in "".join(cell["source"]) for cell in notebook["cells"])
