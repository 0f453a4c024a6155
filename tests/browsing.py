"""A headless Chromium for tests, for which no host exists but this machine."""

import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
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
