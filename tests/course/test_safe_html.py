"""What students wrote does nothing in a browser, and what is worth reading is still there."""

import warnings
from html.parser import HTMLParser

import nbformat
import pytest
from traitlets.config import Config

from autograder.course.safe_html import FILTERS, clean

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nbconvert.exporters import HTMLExporter


class Tags(HTMLParser):
    """Remembers every tag with its attributes."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))


def tags(text):
    parser = Tags()
    parser.feed(text)
    return parser.seen


def page(*cells):
    """The body of the page that nbconvert makes of cells, as nbgrader does."""
    config = Config()
    config.HTMLExporter.filters = FILTERS
    config.HTMLExporter.sanitize_html = True
    config.HTMLExporter.template_name = "classic"
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole, _ = HTMLExporter(config=config).from_notebook_node(notebook)
    return whole.partition('id="notebook-container"')[2].partition("</main>")[0]


def written(text, **options):
    return page(nbformat.v4.new_markdown_cell(text, **options))


ACTIVE = [
    "<script>alarm()</script>",
    "<img src=x onerror=alarm()>",
    "<svg onload=alarm()></svg>",
    "<iframe src='//alarm'></iframe>",
    "<form action=//alarm><input><button>go</button></form>",
    "<style>body { display: none }</style>",
    "<a href='&#106;avascript:alarm()'>a</a>",
    "[a](javascript:alarm())",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "<object data=alarm></object><embed src=alarm><link href=alarm><meta http-equiv=refresh>",
    "$a<img src=x onerror=alarm()>$",
    "$$\n<script>alarm()</script>\n$$",
    "`<script>`<b onmouseover='alarm()'>b</b>",
    "```mermaid\n</pre><script>alarm()</script>\n```",
    "<math><mi//xlink:href='data:x,<script>alarm()</script>'>",
    "<noscript><p title='</noscript><img src=x onerror=alarm()>'>",
    "<!--><script>alarm()</script>-->",
    "![a](http://alarm.example/pixel.png)",
    "<img src='//alarm.example/pixel.png'>",
    "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
    "<div style='position: fixed; background: url(//alarm)'>a</div>",
]


@pytest.mark.parametrize("text", ACTIVE)
def test_nothing_that_a_student_writes_acts_in_a_browser(text):
    for tag, attributes in tags(written(text)):
        assert tag in ("a", "b", "br", "code", "div", "h1", "img", "p", "pre", "span")
        assert not [name for name in attributes if name.startswith("on")]
        addresses = [attributes.get("href") or "", attributes.get("src") or ""]
        assert not any(":" in address or "//" in address for address in addresses)
        assert "position" not in (attributes.get("style") or "") and "url" not in str(attributes)


def test_outputs_of_any_kind_do_nothing():
    kinds = ("text/html", "text/markdown", "application/javascript", "text/latex", "text/plain")
    outputs = [
        nbformat.v4.new_output("display_data", {kind: "<script>alarm()</script>"}) for kind in kinds
    ]
    outputs.append(nbformat.v4.new_output("stream", text="\x1b[31m<script>\x1b]0;a\x07\x1b[2J"))
    error = {"ename": "<script>", "evalue": "<script>", "traceback": ["<script>alarm()</script>"]}
    outputs.append(nbformat.v4.new_output("error", **error))
    shown = page(nbformat.v4.new_code_cell("'<script>'", outputs=outputs))
    assert "script" not in {tag for tag, _ in tags(shown)}
    assert "alarm" in shown and "\x1b[2J" not in shown and "ansi-red-fg" in shown


def test_formulas_tables_code_and_pictures_stay():
    text = "# T\n$a < b$\n\n|a|b|\n|-|--:|\n|1|2|\n\n```python\nx = 1\n```\n![p](attachment:p.png)"
    shown = written(text, attachments={"p.png": {"image/png": "AAAA"}})
    found = {tag for tag, _ in tags(shown)}
    assert {"h1", "table", "th", "td", "pre", "img"} <= found
    assert "$a &lt; b$" in shown and "text-align:right" in shown
    assert 'class="highlight"' in shown and 'src="data:image/png;base64,AAAA"' in shown
    assert 'src="figures/a.png"' in written("![a](figures/a.png)")
    assert 'href="https://example.org/a"' in written("[a](https://example.org/a)")


def test_a_picture_that_is_not_there_stops_nothing():
    assert "why" in written("![a](attachment:none.png) why")


def test_text_that_cannot_be_rendered_is_shown_as_it_is(monkeypatch):
    def fail(*args):
        raise RecursionError

    monkeypatch.setattr("autograder.course.safe_html.MarkdownWithMath.render", fail)
    assert "&lt;b&gt;**a**" in written("<b>**a**")


def test_our_own_reports_are_shown_as_they_are():
    from autograder.checking.report import Report, Row

    row = Row("a check", 4, 2, message="differs", hint="look at <eps>")
    report = Report("normalization.fold_batchnorm", "Fold", (row,))._repr_html_()
    kept = tags(clean(report))
    assert [tag for tag, _ in kept if tag != "tbody"] == [tag for tag, _ in tags(report)]
    assert sum("style" in attributes for _, attributes in kept) >= 9


@pytest.mark.parametrize(
    "text",
    [
        '<a class="navbar-fixed-top modal" href="https://alarm">a link over the page</a>',
        '<div style="position:fixed;top:0;width:100%;height:100%">a</div>',
        '<span class="btn">a</span>',
        '<b style="margin-top:-900px">a</b>',
    ],
)
def test_prose_has_no_say_over_its_looks(text):
    name = tags(text)[0][0]
    kept = [attributes for tag, attributes in tags(written(f"x {text}")) if tag == name]
    assert name in ("div", "span") or kept
    assert not any("btn" in str(a) or "modal" in str(a) or "style" in a for a in kept)


def test_code_in_prose_keeps_its_colours():
    assert 'class="k"' in written("```python\ndef f(): pass\n```")


@pytest.mark.parametrize("turn", "\u202a\u202e\u2066\u2069")
def test_characters_that_turn_text_around_are_shown(turn):
    number = f"U+{ord(turn):04X}"
    code = page(nbformat.v4.new_code_cell(f"x = 1  # {turn}1 = y"))
    prose = written(f"a {turn} b")
    for shown in (code, prose):
        assert turn not in shown and number in shown
