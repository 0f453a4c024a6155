"""The page on which people mark: served on this machine only, to whoever has its address.

    http://127.0.0.1:PORT/TOKEN/

Every address begins with a token that nobody can guess, so no other page in the browser can mark
anything. Nothing is loaded from elsewhere, and no name of a student is ever sent.
"""

from __future__ import annotations

import hmac
import json
import math
import secrets
import threading
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jinja2

from autograder.course.errors import CourseError
from autograder.course.feedback import shorter
from autograder.course.marking import LONGEST, Marking, MarkingError
from autograder.course.pages import environment
from autograder.course.rubrics import ROUNDS, Mark
from autograder.course.safe_html import with_formulas

MOST = 1_000_000  # bytes of a request
HOST = "127.0.0.1"


class MarkServer(ThreadingHTTPServer):
    """Serves the page for one person and one lesson; use it in a `with`, then `serve_forever`."""

    daemon_threads = True

    def __init__(self, marking: Marking, port: int = 0):
        self.marking, self.token = marking, secrets.token_urlsafe(24)
        self.turn = threading.Lock()  # requests are answered one after the other
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise CourseError(f"Port {port} cannot be used: {error.strerror}.") from None

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"


class _Handler(BaseHTTPRequestHandler):
    server: MarkServer

    def do_GET(self) -> None:
        """Send the page, or data for it."""
        self._answer({"": _page, "lesson": _lesson, "answer": _answer})

    def do_POST(self) -> None:
        """Change something."""
        self._answer({"mark": _mark, "rubric": _rubric})

    def _answer(self, known: dict[str, Callable[[Marking, dict], Any]]) -> None:
        place = urlsplit(self.path)
        _, token, *rest = place.path.split("/", 2)
        here = f"{HOST}:{self.server.server_port}"
        if self.headers.get("Host") not in (here, here.replace(HOST, "localhost")) or not (
            hmac.compare_digest(token.encode(), self.server.token.encode())
        ):
            self._send(HTTPStatus.FORBIDDEN, {"error": "open the address that was printed"})
            return
        asked = known.get("/".join(rest))
        if asked is None:
            self._send(HTTPStatus.NOT_FOUND, {"error": "there is nothing here"})
            return
        try:
            query = {key: values[0] for key, values in parse_qs(place.query).items()}
            given = self._body() if self.command == "POST" else query
            with self.server.turn:
                self._send(HTTPStatus.OK, asked(self.server.marking, given))
        except CourseError as error:
            self._send(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._send(HTTPStatus.BAD_REQUEST, {"error": f"not understood: {error!r}"})

    def _body(self) -> dict:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= MOST:
            raise MarkingError("the request is empty or too long")
        return json.loads(self.rfile.read(length))

    def _send(self, status: HTTPStatus, content: Any) -> None:
        is_page = isinstance(content, _Page)
        data = (content.html if is_page else json.dumps(content)).encode()
        scripts = f"script-src 'nonce-{content.nonce}'; " if is_page else ""
        self.send_response(status)
        for name, value in {
            "Content-Type": f"{'text/html' if is_page else 'application/json'}; charset=utf-8",
            "Content-Length": str(len(data)),
            "Content-Security-Policy": f"default-src 'none'; {scripts}style-src 'unsafe-inline'; "
            "img-src data:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
            "frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Say nothing: an address holds the token."""


# ----------------------------------------------------------------------------- what is answered


class _Page:
    def __init__(self, html: str, nonce: str):
        self.html, self.nonce = html, nonce


def _page(marking: Marking, given: dict) -> _Page:
    nonce = secrets.token_urlsafe(16)
    return _Page(_template().render(lesson=marking.lesson, nonce=nonce), nonce)


def _lesson(marking: Marking, given: dict) -> list[dict]:
    marking.refresh()
    return [_question(marking, name) for name in marking.questions]


def _question(marking: Marking, name: str) -> dict:
    """What the page shows of a question: the rubric, how far it is, what is next."""
    asked, rubrics = marking.questions[name], marking.file.read()
    rubric = rubrics.questions[name]
    return {
        "name": name,
        "title": asked.title,
        "points": asked.points,
        "text": with_formulas(asked.text),
        "model": with_formulas(asked.model),
        "rubric": with_formulas(asked.rubric),
        "items": [
            {"key": i.key, "points": i.points, "text": i.text, "html": with_formulas(i.text)}
            for i in rubric.items
        ],
        "queue": [
            {"group": group, "round": which, "done": which in rubric.marks.get(group, {})}
            for group, which in marking.queue(name, rubrics)
        ],
        "comments": rubric.comments()[:9],
        "agreement": rubric.agreement(asked.points),
    }


def _answer(marking: Marking, given: dict) -> dict:
    name, digest, which = given["question"], given["group"], given["round"]
    group = marking.groups.get(name, {}).get(digest)
    if group is None or which not in ROUNDS:
        raise MarkingError("there is no such answer any more: load the page again")
    rubric = marking.file.read().questions[name]
    mark = rubric.marks.get(digest, {}).get(which, Mark(()))
    return {
        "html": with_formulas(shorter(group.answer), group.attachments),
        "alike": len(group.students),
        "items": mark.items,
        "adjust": mark.adjust,
        "comment": mark.comment,
    }


def _mark(marking: Marking, given: dict) -> dict:
    name = str(given["question"])
    items = tuple(str(key) for key in given["items"])
    mark = Mark(items, _points(given["adjust"]), _text(given["comment"]), marking.grader)
    marking.mark(name, str(given["group"]), str(given["round"]), mark)
    return _question(marking, name)


def _rubric(marking: Marking, given: dict) -> dict:
    name = str(given["question"])
    items = [(str(i["key"]), _points(i["points"]), _text(i["text"])) for i in given["items"]]
    marking.set_items(name, items)
    return _question(marking, name)


def _points(value: Any) -> float:
    points = float(value or 0)
    if not math.isfinite(points) or abs(points) > 1000:
        raise MarkingError(f"points must be a number up to 1000, got {value!r}")
    return points


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise MarkingError(f"a text has at most {LONGEST} characters")
    return value.strip()


@cache
def _template() -> jinja2.Template:
    return environment(trim_blocks=False).get_template("mark.html")
