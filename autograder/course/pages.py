"""Our HTML pages: one way to open a template, so that whatever is put into a page is escaped."""

from __future__ import annotations

from typing import Any

import jinja2

from autograder.bars import printable


def environment(**options: Any) -> jinja2.Environment:
    """Return where templates come from; `options` are for what one page does otherwise."""
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("autograder.course", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        **{"trim_blocks": True, **options},
    )
    pages.filters["printable"] = printable
    return pages
