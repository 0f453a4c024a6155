"""What students wrote, as HTML that does nothing in the browser of whoever reads it.

nbconvert renders Markdown with the HTML in it as it stands, and so does nbgrader's formgrader, in
the session of an instructor. The filters here take the place of nbconvert's own: they render
first and clean what came of it, so that no trick of Markdown gets by. Formulas, tables, code and
pictures stay; scripts, forms, frames and addresses of other pages' pictures do not. Prose has no
say over its looks: with a class or a style, a link could cover the page. Characters that turn the
direction of text around are shown by their number.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Callable, Mapping
from functools import cache
from urllib.parse import urlsplit

from bleach.css_sanitizer import CSSSanitizer
from bleach.sanitizer import Cleaner
from jinja2 import pass_context
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.token import STANDARD_TYPES

from autograder.course.formulas import mathml

TAGS = """
    a abbr b blockquote br caption code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins
    kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead
    tr tt u ul var
"""
ATTRIBUTES = "align alt colspan height rowspan scope title width"
OF_REPORTS = "class style"  # which our own tables have
OF_CODE = {"highlight", "hl-python", *STANDARD_TYPES.values()}  # classes, for its colours
STYLES = """
    background-color border-left border-radius color font-style font-weight line-height margin
    margin-top max-width padding padding-left text-align text-decoration vertical-align white-space
    width
"""
PICTURE = re.compile(r"data:image/(png|jpeg|gif);base64,[A-Za-z0-9+/=\s]*\Z")
ALIGNED = re.compile(r"text-align: ?(left|right|center)")
TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # the direction in which text is read
FILTERS = {
    "markdown2html": "autograder.course.safe_html.from_markdown",
    "clean_html": "autograder.course.safe_html.clean",
    "highlight_code": "autograder.course.safe_html.highlighted",
}


def clean(text: str) -> str:
    """Return HTML without anything that acts, asks for input or calls another server.

    >>> clean('<b onclick="x()">a</b><script>y()</script>')
    '<b>a</b>&lt;script&gt;y()&lt;/script&gt;'
    """
    return _cleaner(_is_harmless).clean(text)


def visible(text: str) -> str:
    """Return text with the characters that turn its direction shown as what they are.

    >>> visible("a\\u202eb")
    'a⟨U+202E⟩b'
    """
    return TURNS.sub(lambda turn: f"⟨U+{ord(turn[0]):04X}⟩", text)


def highlighted(source: str, language: str | None = None, metadata=None) -> str:
    """Return a cell's code as HTML with colours, on which nothing is hidden."""
    return Highlight2HTML(pygments_lexer="ipython3")(visible(source), language, metadata)


@pass_context
def from_markdown(context, text: str) -> str:
    """Return a cell's Markdown as clean HTML; what cannot be rendered is shown as it is."""
    attachments = context.get("cell", {}).get("attachments", {})
    try:
        renderer = _Renderer(escape=False, attachments=attachments)
        return _cleaner(_is_prose).clean(MarkdownWithMath(renderer=renderer).render(visible(text)))
    except Exception:
        return f"<pre>{html.escape(visible(text))}</pre>"


def with_formulas(text: str, attachments: Mapping | None = None) -> str:
    """Return Markdown as clean HTML whose formulas are MathML, for a page without scripts.

    >>> with_formulas("*a* $<$")
    '<p><em>a</em> <math display="inline"><mrow><mo>&lt;</mo></mrow></math></p>'
    """
    renderer = _Formulas(escape=False, attachments=attachments or {})
    try:
        rendered = MarkdownWithMath(renderer=renderer).render(visible(text))
        return renderer.put_in(_cleaner(_is_prose).clean(rendered)).strip()
    except Exception:
        return f"<pre>{html.escape(visible(text))}</pre>"


class _Renderer(IPythonRenderer):
    def _embed_image_or_attachment(self, src: str) -> str:
        """Leave the name of a picture that is not there, for which nbconvert gives up."""
        known = src.removeprefix("attachment:") in self.attachments
        return super()._embed_image_or_attachment(src) if known else src


class _Formulas(_Renderer):
    """Leaves a word for each formula that nobody can guess, and puts MathML in its place."""

    def __init__(self, **options):
        super().__init__(**options)
        self.word, self.found = f"formula{secrets.token_hex(8)}x", []

    def _leave(self, latex: str, display: str) -> str:
        self.found.append((latex, display))
        return f"{self.word}{len(self.found) - 1}x"

    def block_math(self, body: str) -> str:
        """A formula on lines of its own."""
        return self._leave(body, "block")

    def inline_math(self, body: str) -> str:
        """A formula within a line."""
        return self._leave(body, "inline")

    def latex_environment(self, name: str, body: str) -> str:
        """An environment, such as align."""
        return self._leave(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")

    def put_in(self, cleaned: str) -> str:
        """Replace the words; within a tag, which may hold one as a picture's text, by LaTeX."""
        word = re.compile(rf"{self.word}(\d+)x")

        def replaced(match: re.Match) -> str:
            if match[1]:
                return mathml(*self.found[int(match[1])])
            return word.sub(lambda m: html.escape(self.found[int(m[1])][0]), match[0])

        tag = r'<[^<>"]*(?:"[^"]*"[^<>"]*)*>'
        return re.sub(f"{tag}|{word.pattern}", replaced, cleaned)


@cache
def _cleaner(attributes: Callable[[str, str, str], bool]) -> Cleaner:
    return Cleaner(
        tags=frozenset(TAGS.split()),
        attributes=attributes,
        protocols={"http", "https", "mailto", "data"},
        css_sanitizer=CSSSanitizer(allowed_css_properties=STYLES.split()),
    )


def _is_harmless(tag: str, name: str, value: str) -> bool:
    """Whether an attribute may stay in what we show, our own tables included."""
    return name in OF_REPORTS.split() or _is_plain(tag, name, value)


def _is_prose(tag: str, name: str, value: str) -> bool:
    """Whether an attribute may stay in what a student wrote."""
    if name == "class":
        return tag in ("div", "span") and set(value.split()) <= OF_CODE
    if name == "style":  # of a column in a table
        return tag in ("td", "th") and bool(ALIGNED.fullmatch(value))
    return _is_plain(tag, name, value)


def _is_plain(tag: str, name: str, value: str) -> bool:
    if tag == "img" and name == "src":
        return bool(PICTURE.match(value)) or not (urlsplit(value).scheme or urlsplit(value).netloc)
    if tag == "a" and name == "href":
        return not value.strip().lower().startswith("data:")
    return name in ATTRIBUTES.split()
