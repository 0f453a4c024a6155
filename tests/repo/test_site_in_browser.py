"""The built site, as readers see it: `make test-site` builds it and names it in COURSE_SITE.

Every page at the width of a phone and of a desk, in the light and in the dark, and in print;
axe-core looks for what keeps people out.
"""

import os
from itertools import product
from pathlib import Path

import pytest
from browsing import AXE, SCHEMES, chromium, faults_of, grave, needs_chromium
from site_server import served

SITE = Path(os.environ.get("COURSE_SITE", "no site"))
ELSEWHERE = {"try", "_static"}  # the lessons in JupyterLite; parts of the theme that are no pages
PAGES = sorted(path for path in SITE.rglob("*.html") if not ELSEWHERE & set(path.parts))
PAGES += SITE.glob("try/index.html")
WIDE_TABLES = """[...document.querySelectorAll(".pst-scrollable-table-container")]
    .filter((place) => place.scrollWidth > place.clientWidth).map((place) => place.innerText)"""
PHONE, DESK, PAPER = 390, 1440, 794  # CSS pixels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("COURSE_SITE" not in os.environ, reason="`make test-site` builds the site"),
    needs_chromium,
]


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address():
    with served(SITE) as (address, _):
        yield address


@pytest.fixture
def opened(browser, address):
    """Return a function that opens a page; nothing may go wrong in it or be asked of a host."""
    tabs = []

    def open_page(path, width, **options):
        tab = browser.new_page(viewport={"width": width, "height": 900}, **options)
        tab.set_default_timeout(120_000)  # on a machine that has other work
        tabs.append((tab, faults_of(tab, address, "data:", "blob:")))
        tab.goto(f"{address}/{path.relative_to(SITE).as_posix()}")
        return tab

    yield open_page
    for tab, _ in tabs:
        tab.close()
    assert [faults for _, faults in tabs if faults] == []


def wide(tab):
    """Say whether a page has to be pushed sideways to be read."""
    return tab.evaluate("document.documentElement.scrollWidth > window.innerWidth")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(SITE).as_posix())
def test_a_page_can_be_read_by_everybody(opened, path):
    for width, scheme in product((PHONE, DESK), SCHEMES):
        tab = opened(path, width, color_scheme=scheme)
        assert tab.evaluate("document.documentElement.dataset.theme") in (scheme, None)
        assert not wide(tab), (width, scheme)
        assert tab.evaluate(WIDE_TABLES) == [], (width, scheme)
        if AXE.is_file():
            assert grave(tab) == [], (width, scheme)
    tab.set_viewport_size({"width": PAPER, "height": 1123})
    tab.emulate_media(media="print")
    assert not wide(tab), "print"
    assert not tab.locator(".prediction:visible").count()
    assert tab.locator(".waits:visible").count() == tab.locator(".waits").count()


def test_every_lesson_was_run_and_asks_before_it_shows(opened):
    for path in sorted(SITE.glob("lessons/*.html")):
        tab = opened(path, PHONE)
        assert tab.locator(".cell_output").count(), path.name
        asked = tab.locator(".prediction")
        assert asked.count() == tab.locator(".waits").count()
        if asked.count():
            form = asked.first
            heights = [box.bounding_box()["height"] for box in form.locator("input, button").all()]
            assert min(heights) >= 44
            for field in form.locator("input").all():
                field.fill("1")
            form.get_by_role("button").click()
            assert tab.locator(".prediction").count() == tab.locator(".waits").count()


def test_a_line_broken_on_the_first_page_changes_picture_and_name_at_once(opened):
    tab = opened(SITE / "index.html", PHONE)
    before = tab.inner_html("#bars"), tab.inner_text("#told")
    tab.select_option("#line", index=1)
    picture, told = tab.inner_html("#bars"), tab.inner_text("#told")
    assert picture != before[0] and "Recognised: " in told != before[1]
    assert tab.locator(".doors > a").count() == 3


def test_a_name_in_a_table_breaks_between_its_words(opened):
    tab = opened(SITE / "lessons" / "02_batch_normalization.html", PHONE)
    table = tab.locator("table").first
    assert "batchnorm_<wbr>forward" in table.inner_html()
    assert "batchnorm_forward" in table.inner_text()
    assert table.evaluate("t => t.parentElement.scrollWidth <= t.parentElement.clientWidth")


def test_a_table_is_cards_where_it_does_not_fit_and_stays_a_table_to_who_hears_it(opened):
    for width, are_cards in ((PHONE, True), (DESK, False)):
        tab = opened(SITE / "syllabus.html", width)
        assert tab.locator("table.cards").count() == are_cards
        label = "getComputedStyle(document.querySelectorAll('td')[1], '::before').content"
        assert (tab.evaluate(label) == '"slides: "') == are_cards
        table = tab.get_by_role("table")
        assert table.get_by_role("columnheader", name="slides").count() == 1
        assert table.get_by_role("row").nth(1).get_by_role("cell").count() == 5
    tab.set_viewport_size({"width": PHONE, "height": 900})  # as a device that is turned
    tab.wait_for_selector("table.cards")


def test_what_is_searched_is_found(opened):
    tab = opened(SITE / "search.html", DESK)
    tab.goto(f"{tab.url}?q=batchnorm_backward")
    tab.wait_for_selector("#search-results a")
    assert "normalization" in tab.inner_text("#search-results").lower()
