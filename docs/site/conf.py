"""Settings of Sphinx for the site; `build.py` gathers the pages and runs it."""

import os
import re

from docutils.nodes import SkipNode
from sphinx.util import logging

from autograder.course.formulas import mathml

project = "Training neural networks, part 2"
author = "the course authors"
extensions = ["myst_nb", "sphinx_design"]
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["static"]
html_css_files = ["course.css"]
html_js_files = ["course.js"]
html_theme_options = {
    "repository_url": os.environ.get("COURSE_REPOSITORY", ""),
    "use_repository_button": bool(os.environ.get("COURSE_REPOSITORY")),
    "show_toc_level": 2,
    "use_download_button": False,  # sources are not copied
}
html_copy_source = False
html_domain_indices = False  # of modules: nothing leads there
exclude_patterns = ["jupyter_execute"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
# Notebooks are executed once and kept by their content: building again costs only what changed.
nb_execution_mode = "cache" if os.environ.get("COURSE_EXECUTE") else "off"
nb_execution_cache_path = os.environ.get("COURSE_NOTEBOOK_CACHE", "")
nb_execution_timeout = 300
nb_execution_raise_on_error = True  # a cell that fails fails the build
nb_ipywidgets_js = {}  # a knob needs a kernel; its scripts would be asked of another host
suppress_warnings = [
    "myst.header",  # a lesson may begin a part below the level before it
]


def setup(app):
    """Write formulas as MathML: a page then needs no script and no network to show them."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))


html_math_renderer = "mathml"
TAG = re.compile(r"\\tag\{([^}]*)\}")


def inline(translator, node):
    """Write a formula of a sentence."""
    translator.body.append(written(node, node.astext(), "inline"))
    raise SkipNode


def block(translator, node):
    """Write a formula of its own line, or several in columns, its tag beside it."""
    tags = ", ".join(TAG.findall(node.astext()))
    text = TAG.sub("", node.astext())
    if "&" in text and not text.lstrip().startswith(r"\begin"):
        text = rf"\begin{{split}}{text}\end{{split}}"
    shown = f'<span class="tag">({tags})</span>' if tags else ""
    formula = written(node, text, "block")
    translator.body.append(f'<div class="formula">{formula}{shown}</div>')
    raise SkipNode


def written(node, text, display):
    """Return a formula as MathML; one that cannot be read fails the build."""
    formula = mathml(text, display)
    if not formula.startswith("<math"):
        logging.getLogger(__name__).warning("this formula cannot be read: %s", text, location=node)
    return formula
