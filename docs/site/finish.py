"""What Sphinx has written, read once more: the gallery of all figures, and what is broken.

`faults` lists links that lead nowhere and figures that a screen reader cannot tell; the build
fails on any of them.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

HEADINGS = ("h1", "h2", "h3")
GALLERY = "@GALLERY@"
NO_FIGURES = "<p>This site was built without the outputs of the lessons.</p>"


class Page(HTMLParser):
    """The links, anchors and images of one page; each image with the heading that it is under."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.images: list[tuple[dict, str, str]] = []  # (attributes, anchor, heading)
        self.titles: list[str] = [""]
        self._section, self._in_heading = "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note what a tag brings."""
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "section":
            self._section = found.get("id", "")
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
            self._in_heading = self._in_heading and found.get("class") != "headerlink"
        if tag in HEADINGS:
            self._in_heading = True
            self.titles.append("")
        if tag == "img":
            self.images.append((found, self._section, self.titles[-1]))

    def handle_endtag(self, tag):
        """End a heading."""
        if tag in HEADINGS:
            self._in_heading = False

    def handle_data(self, data):
        """Read the words of a heading."""
        if self._in_heading:
            self.titles[-1] += data


@cache
def read(path: Path) -> Page:
    """Return a page of the site, read once."""
    return Page(path.read_text("utf-8"))


# ---------------------------------------------------------------------------------- what is broken


def faults(site: Path, beside: Path) -> list[str]:
    """Return a line for each broken link and each figure without an alternative text.

    Args:
        site: the folder that Sphinx wrote.
        beside: the folder into which it will be copied; what lies there may be linked too.
    """
    found = []
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        for link in dict.fromkeys(read(path).links):
            if not _leads_somewhere(link, path, site, beside):
                found.append(f"{name}: the link {link} leads nowhere")
        for image in _untold(read(path)):
            found.append(
                f"{name}: the figure {image} has no alternative text; write alt= at its cell"
            )
    return found


def _leads_somewhere(link, path, site, beside):
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
    if not target.is_relative_to(site):
        return False
    if not target.exists():
        target = beside / target.relative_to(site)
    target = target / "index.html" if target.is_dir() else target
    if not target.exists() or not parts.fragment or target.suffix != ".html":
        return target.exists()
    return unquote(parts.fragment) in read(target).anchors


def _untold(page: Page) -> Iterator[str]:
    """Yield the images whose alternative text is missing, a single word, or the name of a file."""
    for attributes, _, _ in page.images:
        source, words = attributes.get("src", ""), attributes.get("alt", "").strip()
        if not words or words == source or " " not in words:
            yield source[:60]


# ---------------------------------------------------------------------------------- the gallery


def fill_gallery(site: Path) -> None:
    """Put all figures of the lessons into the gallery's page, each with a link to its part."""
    page = site / "gallery.html"
    shown = "\n".join(
        figure for lesson in sorted(site.glob("lessons/*.html")) for figure in _figures(lesson)
    )
    text = page.read_text("utf-8").replace(GALLERY, shown or NO_FIGURES)
    page.write_text(text, encoding="utf-8")


def _figures(lesson: Path) -> Iterator[str]:
    page = read(lesson)
    title = next(filter(None, page.titles), lesson.stem)
    for attributes, anchor, heading in page.images:
        source = attributes.get("src", "").removeprefix("../")
        if not source.startswith("_images/"):
            continue
        words = html.escape(attributes.get("alt", ""))
        where = html.escape(title if heading == title else f"{title}: {heading}")
        yield (
            f'<figure><a href="lessons/{lesson.name}#{anchor}"><img loading="lazy" src="{source}" '
            f'alt="{words}"></a><figcaption>{where}</figcaption></figure>'
        )
