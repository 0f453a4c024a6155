"""A headless Chromium for tests, for which no host exists but this machine."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
SCHEMES = ("light", "dark")
AXE = Path(__file__).parents[1] / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")
needs_axe = pytest.mark.skipif(not AXE.is_file(), reason="`make test-site` fetches axe-core")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@contextmanager
def chromium():
    """Yield the browser; the test is skipped where Playwright is not installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


def faults_of(page, *places):
    """Return a list for what goes wrong in a page: errors, and what is asked of other places."""
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith(places) or faults.append(asked.url))
    return faults


def grave(page):
    """Return a line for each serious finding of axe-core: its rule, how often, and where first."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{rule['id']} ({len(rule['nodes'])} times): {rule['nodes'][0]['html'][:120]}"
        for rule in found
        if rule["impact"] in GRAVE
    ]
