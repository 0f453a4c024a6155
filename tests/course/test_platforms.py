"""Classroom 50 and LTI: what is written fits their published forms, and nothing is sent twice."""

import datetime
import http.server
import json
import socket
import threading
import urllib.parse
from dataclasses import replace

import jsonschema
import pytest
from test_export import LESSON, MARKS, line

from autograder.course.errors import CourseError
from autograder.course.export import classroom, lti
from autograder.course.folder import Course
from autograder.course.roster import Person, Roster
from autograder.course.settings import Classroom, LessonSettings, Lti, Settings

WHEN = datetime.datetime(2026, 10, 1, 12, 30)
TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"
TEXT = {"type": "string", "minLength": 1}
WHOLE = {"type": "integer", "minimum": 0}
# What result-v1 of foundation50/classroom50 asks for, in our own words.
TEST = {"test-name": TEXT, "passed": {"type": "boolean"}, "score": WHOLE, "max-score": WHOLE}
FORM = {
    "schema": {"const": "classroom50/result/v1"},
    "assignment_type": {"enum": ["individual", "group"]},
    "submission": {"type": "string", "pattern": "^submit/"},
    "datetime": {"type": "string", "pattern": TIME},
    "score": WHOLE,
    "max-score": WHOLE,
    "tests": {
        "type": "array",
        "items": {"type": "object", "properties": TEST, "required": list(TEST)},
    },
    **dict.fromkeys(("classroom", "assignment", "owner", "commit", "release", "review"), TEXT),
}


# ------------------------------------------------------------------------------ Classroom 50


def test_results_fit_the_form_of_classroom_50(tmp_path):
    settings = Settings(classroom=Classroom("cs231n", "https://github.com/school"))
    marks = replace(MARKS, settings=settings)
    marks = replace(marks, lines=(line("ada", 15.5, when=WHEN), line("zoe", 99.0)))
    done = classroom.write(marks, tmp_path)
    rules = {"properties": FORM, "required": list(FORM), "additionalProperties": False}
    for path in (one for one in done.files if one.suffix == ".json"):
        found = json.loads(path.read_text("utf-8"))
        jsonschema.Draft202012Validator(rules).validate(found)
        assert all(test["score"] <= test["max-score"] for test in found["tests"])
        assert found["score"] <= found["max-score"]
    ada = json.loads((tmp_path / "ada" / "result.json").read_text("utf-8"))
    assert (ada["score"], ada["max-score"]) == (40, 40)  # 20.5 of 20, in halves
    assert ada["tests"][0]["score"] == 31
    assert not ada["tests"][0]["passed"]
    assert ada["datetime"] == "2026-10-01T12:30:00Z"
    assert ada["commit"] == f"https://github.com/school/cs231n-{LESSON}-ada/commits"
    assert "multiplied by 2" in done.notes[0]
    assert "20.5 of 20 points" in (tmp_path / "ada" / "summary.md").read_text("utf-8")


def test_a_summary_says_what_waits_for_a_person():
    one = line("ada", 15.5)
    assert "wait" not in classroom.summary(one)
    open_ = replace(one.questions[1], waiting=True)
    said = classroom.summary(replace(one, questions=(one.questions[0], open_)))
    assert "1 answers wait for a person" in said


@pytest.mark.parametrize(("earned", "factor"), [(15, 1), (15.5, 2), (15.25, 4), (15.01, 100)])
def test_points_become_whole_by_the_least_factor(earned, factor):
    found = classroom.whole([replace(line("ada", earned), by_rule=False)])
    assert found == factor


# ---------------------------------------------------------------------------------------- LTI


class Platform(http.server.BaseHTTPRequestHandler):
    """The token and score services of a platform, as LTI 1.3 describes them."""

    def do_POST(self):
        """Give a token for a signed request, and take scores from whoever has it."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        known = self.server
        if self.path == "/token":
            asked = {key: one for key, (one,) in urllib.parse.parse_qs(body).items()}
            claims = known.decode(asked["client_assertion"])
            fine = claims["iss"] == "tool" and asked["scope"] == lti.SCORE
            return self.answer(200 if fine else 401, {"access_token": "t-1"})
        if self.headers["Authorization"] != "Bearer t-1" or self.path in known.refused:
            return self.answer(403, {})
        known.asked += 1
        if known.failing:
            return known.failing(self)
        kind = "application/vnd.ims.lis.v1.score+json"
        assert self.headers["Content-Type"] == kind
        known.scores.append((self.path, json.loads(body)))
        return self.answer(200, {})

    def answer(self, status, data, content=b""):
        """Send JSON, or what is given."""
        content = content or json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="module")
def key():
    """A private key in PEM, and a function that reads what was signed with it."""
    jwt = pytest.importorskip("jwt")
    pytest.importorskip("pylti1p3")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.TraditionalOpenSSL
    text = made.private_bytes(serialization.Encoding.PEM, form, plain).decode()
    options = {"algorithms": ["RS256"], "options": {"verify_aud": False}}
    return text, lambda token: jwt.decode(token, made.public_key(), **options)


@pytest.fixture
def platform(key, tmp_path):
    """A platform on this machine, and a course that knows it: (server, course, marks)."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Platform)
    server.scores, server.refused, server.decode = [], set(), key[1]
    server.asked, server.failing = 0, None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_port}"
    (tmp_path / ".autograder").mkdir()
    for name, text in (
        ("lti.pem", key[0]),
        (
            "lti.toml",
            f'client_id = "tool"\ntoken_url = "{place}/token"\nprivate_key_file = "lti.pem"\n',
        ),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    settings = Settings(lti=Lti("lti.toml", {LESSON: f"{place}/items/7"}))
    people = Roster([Person("ada", lti="u-1"), Person("zoe", lti="u-2")])
    yield server, Course(tmp_path), replace(MARKS, settings=settings, roster=people)
    server.shutdown()
    server.server_close()


def test_scores_are_posted_once_and_again_when_they_change(platform):
    server, course, marks = platform
    assert lti.post(course, marks).notes == ("2 scores were posted",)
    (path, ada), (_, zoe) = server.scores
    assert path == "/items/7/scores"
    assert (ada["userId"], ada["scoreGiven"], ada["scoreMaximum"]) == ("u-1", 20.5, 20)
    assert (zoe["userId"], zoe["gradingProgress"]) == ("u-2", "FullyGraded")
    assert "10 % off" in zoe["comment"]
    assert datetime.datetime.fromisoformat(ada["timestamp"]).tzinfo
    assert lti.post(course, marks).notes == ("0 scores were posted",)
    changed = replace(marks, lines=(line("ada", 16.0), marks.lines[1]))
    assert lti.post(course, changed).notes == ("1 scores were posted",)
    assert len(server.scores) == 3


def test_an_excuse_posts_nothing_and_clears_what_was_posted(platform):
    server, course, marks = platform
    lesson = LessonSettings(excused=frozenset({"ada", "bob"}))  # bob never had a score
    people = Roster([*marks.roster.people.values(), Person("bob", lti="u-3")])
    excusing = replace(marks.settings, lessons={LESSON: lesson})
    excusing = replace(marks, settings=excusing, roster=people)
    lti.post(course, marks)
    done = lti.post(course, excusing)
    assert done.notes[0] == "1 scores were posted" and "2 excused students" in done.notes[1]
    _, cleared = server.scores[-1]
    assert (cleared["userId"], cleared["gradingProgress"]) == ("u-1", "NotReady")
    assert "scoreGiven" not in cleared
    assert lti.post(course, excusing).notes[0] == "0 scores were posted"
    assert lti.post(course, marks).notes == ("1 scores were posted",)
    assert server.scores[-1][1]["scoreGiven"] == 20.5


def test_scores_with_answers_that_wait_for_a_person_say_so(platform):
    server, course, marks = platform
    open_ = replace(line("ada", 5.0).questions[1], waiting=True)
    waiting = replace(line("ada", 5.0), questions=(open_,))
    done = lti.post(course, replace(marks, lines=(waiting,)))
    assert "1 answers of 1 students wait" in done.notes[1] and not done.problems
    assert server.scores[0][1]["gradingProgress"] == "PendingManual"


def test_who_cannot_be_posted_is_named_and_tried_again(platform):
    server, course, marks = platform
    nameless = replace(marks, roster=Roster([Person("ada", lti="u-1")]))
    server.refused.add("/items/7/scores")
    done = lti.post(course, nameless)
    assert done.problems == 2
    assert "ada: the platform answered 403" in done.notes[2]
    assert "zoe has no number" in done.notes[1]
    server.refused.clear()
    assert lti.post(course, marks).notes == ("2 scores were posted",)


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        (lambda asked: asked.answer(401, {}), "answered 401"),
        (lambda asked: asked.answer(500, {}), "answered 500"),
        (lambda asked: asked.answer(429, {"error": "slowly"}), 'Too Many Requests {"error": "slow'),
        (lambda asked: asked.server.never.wait(60), "no answer in 0.2 s"),
        (lambda asked: asked.connection.shutdown(socket.SHUT_RDWR), "cannot be reached"),
    ],
)
def test_what_keeps_the_platform_from_taking_any_score_is_one_line(
    platform, monkeypatch, failing, said
):
    server, course, marks = platform
    monkeypatch.setattr(lti, "SECONDS", 0.2)
    server.never, server.failing = threading.Event(), failing
    done = lti.post(course, marks)
    server.never.set()
    posted, line = done.notes
    assert (posted, done.problems, server.asked) == ("0 scores were posted", 1, 1)
    assert said in line and "2 scores were not tried" in line
    server.failing = None
    monkeypatch.undo()
    assert lti.post(course, marks).notes == ("2 scores were posted",)


def test_an_answer_in_other_words_than_json_is_a_success(platform):
    server, course, marks = platform
    server.failing = lambda asked: asked.answer(200, None, b"thank you")
    assert lti.post(course, marks).notes == ("2 scores were posted",)
    assert lti.post(course, marks).notes == ("0 scores were posted",)


def test_credentials_that_others_can_read_or_that_lack_something(platform):
    _, course, marks = platform
    path = course.root / "lti.toml"
    path.chmod(0o644)
    with pytest.raises(CourseError, match="chmod 600"):
        lti.post(course, marks)
    path.chmod(0o600)
    path.write_text('client_id = "tool"')
    with pytest.raises(CourseError, match="lacks token_url, private_key_file"):
        lti.post(course, marks)
    with pytest.raises(CourseError, match="no line item"):
        lti.post(course, replace(marks, settings=Settings()))
    path.unlink()
    with pytest.raises(CourseError, match="There is no file"):
        lti.post(course, marks)


def test_a_platform_that_is_not_there_is_one_line(platform):
    server, course, marks = platform
    text = (course.root / "lti.toml").read_text()
    (course.root / "lti.toml").write_text(text.replace(str(server.server_port), "1"))
    with pytest.raises(CourseError, match="gave no access"):
        lti.post(course, marks)
