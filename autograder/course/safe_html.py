"""What students wrote, as HTML that does nothing in the browser of whoever reads it.

nbconvert renders Markdown with the HTML in it as it stands, and so does nbgrader's formgrader, in
the session of an instructor. The two filters here take the place of nbconvert's own: they render
first and clean what came of it, so that no trick of Markdown gets by. Formulas, tables, code and
pictures stay; scripts, forms, frames and addresses of other pages' pictures do not.
"""

from __future__ import annotations

import html
import re
from functools import cache
from urllib.parse import urlsplit

from bleach.css_sanitizer import CSSSanitizer
from bleach.sanitizer import Cleaner
from jinja2 import pass_context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

TAGS = """
    a abbr b blockquote br caption code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins
    kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead
    tr tt u ul var
"""
ATTRIBUTES = "align alt class colspan height rowspan scope style title width"
STYLES = """
    background-color border-left border-radius color font-style font-weight line-height margin
    margin-top max-width padding padding-left text-align text-decoration vertical-align white-space
    width
"""
PICTURE = re.compile(r"data:image/(png|jpeg|gif);base64,[A-Za-z0-9+/=\s]*\Z")
FILTERS = {
    "markdown2html": "autograder.course.safe_html.from_markdown",
    "clean_html": "autograder.course.safe_html.clean",
}


def clean(text: str) -> str:
    """Return HTML without anything that acts, asks for input or calls another server.

    >>> clean('<b onclick="x()">a</b><script>y()</script>')
    '<b>a</b>&lt;script&gt;y()&lt;/script&gt;'
    """
    return _cleaner().clean(text)


@pass_context
def from_markdown(context, text: str) -> str:
    """Return a cell's Markdown as clean HTML; what cannot be rendered is shown as it is."""
    attachments = context.get("cell", {}).get("attachments", {})
    try:
        return clean(
            MarkdownWithMath(renderer=_Renderer(escape=False, attachments=attachments)).render(text)
        )
    except Exception:
        return f"<pre>{html.escape(text)}</pre>"


class _Renderer(IPythonRenderer):
    def _embed_image_or_attachment(self, src: str) -> str:
        """Leave the name of a picture that is not there, for which nbconvert gives up."""
        known = src.removeprefix("attachment:") in self.attachments
        return super()._embed_image_or_attachment(src) if known else src


@cache
def _cleaner() -> Cleaner:
    return Cleaner(
        tags=frozenset(TAGS.split()),
        attributes=_is_harmless,
        protocols={"http", "https", "mailto", "data"},
        css_sanitizer=CSSSanitizer(allowed_css_properties=STYLES.split()),
    )


def _is_harmless(tag: str, name: str, value: str) -> bool:
    if tag == "img" and name == "src":
        return bool(PICTURE.match(value)) or not (urlsplit(value).scheme or urlsplit(value).netloc)
    if tag == "a" and name == "href":
        return not value.strip().lower().startswith("data:")
    return name in ATTRIBUTES.split()
