"""Formulas as MathML, which a browser shows without a script or a network.

    mathml("\\\\frac{1}{N}")   the element, or the formula's text where it cannot be read

A formula may come from a student: of what the converter makes, only known elements and
attributes are kept (LaTeX's `\\\\href` would lead anywhere, and space of any width covers a page).
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from xml.etree import ElementTree

LONGEST = 2_000  # characters of one formula
TAGS = """
    math menclose mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup
    msup mtable mtd mtext mtr munder munderover
"""
ATTRIBUTES = """
    accent columnalign display displaystyle fence form largeop linethickness mathvariant maxsize
    minsize movablelimits notation scriptlevel separator stretchy symmetric width
"""
WORDS = re.compile(r"[a-zA-Z -]+|\d?(\.\d+)?(em|ex|px|pt)?")  # no length is above 10, or negative
PREFIX = "{http://www.w3.org/1998/Math/MathML}"


@lru_cache(maxsize=4096)
def mathml(latex: str, display: str = "inline") -> str:
    """Return a formula as an element of HTML, which holds nothing that acts.

    >>> mathml("x^2")
    '<math display="inline"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>'
    >>> "href" in mathml(r"\\href{https://example.org}{b}")
    False
    """
    from latex2mathml.converter import convert

    try:
        if len(latex) > LONGEST:
            raise ValueError("too long")
        root = ElementTree.fromstring(convert(latex, display=display))
        return ElementTree.tostring(_known(root), encoding="unicode", short_empty_elements=False)
    except Exception:  # the converter has many errors, and deep nesting is one of Python's own
        return f"<code>{html.escape(latex)}</code>"


def _known(element: ElementTree.Element) -> ElementTree.Element:
    """Return a copy with known elements and attributes; text stays."""
    tag = element.tag.removeprefix(PREFIX)
    kept = {
        k: v for k, v in element.attrib.items() if k in ATTRIBUTES.split() and WORDS.fullmatch(v)
    }
    copy = ElementTree.Element(tag if tag in TAGS.split() else "mrow", kept)
    copy.text, copy.tail = element.text, element.tail
    copy.extend(map(_known, element))
    return copy
