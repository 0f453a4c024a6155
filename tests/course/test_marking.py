"""Marking by hand: rubrics as data, equal answers, who marks what, and the page over HTTP."""

import contextlib
import json
import re
import threading
import urllib.error
import urllib.request
from urllib.parse import urlencode

import pytest
from classroom import NAME, cell, record_unrun, write_lesson, written_answers

from autograder.course.cells import source_of
from autograder.course.errors import CourseError
from autograder.course.feedback import write_feedback
from autograder.course.folder import init
from autograder.course.mark_page import MarkServer
from autograder.course.markbook import marks
from autograder.course.marking import Marking, MarkingError, digest_of
from autograder.course.rubrics import Item, Mark, Rubric, RubricFile, items_of, split_answer
from autograder.lessons import build
from autograder.lessons.lesson import read_lesson

WHY = "why-0-question"
HOSTILE = "<script>alarm()</script><img src=x onerror=alarm()>"


# ------------------------------------------------------------------------------------ rubrics


def test_the_rubric_of_every_question_adds_up_to_its_points():
    answers = list(written_answers())
    for one in answers:
        points = one["metadata"]["nbgrader"]["points"]
        model, rubric = split_answer(source_of(one))
        items = items_of(rubric, points)
        assert model and rubric
        assert sum(item.points for item in items) == points
        assert len({item.key for item in items}) == len(items) > 1
        said = [re.sub(r"^\([a-h]\)", "", item.text).strip() for item in items]
        assert all(said) and len(set(said)) == len(said), said  # each says what it is for
    assert len(answers) >= 49


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("(a) 2 points: 1 for one, 1 for two (or three). (b) 1 point: four.", [1, 1, 1]),
        ("(a) 1.5 points: one (1), two (0.5). (b) 1.5 points, one for a reason.", [1, 0.5, 1.5]),
        ("(a) 1 point for one, 1 for two. (b) 1 point.", [1, 1, 1]),
        ("2 points: one (1) and two (1). 1 point: a number.", [1, 1, 1]),
        ("1 point each.", [3]),
        ("(a) 2 points. (b) 2 points.", [3]),
        ("", [3]),
    ],
)  # fmt: skip
def test_items_are_as_fine_as_the_author_numbers_them(text, points):
    assert [item.points for item in items_of(text, sum(points))] == points


def test_points_follow_the_items_and_stay_within_the_question():
    rubric = Rubric([Item("1", 2, "a"), Item("2", -1, "b")])
    assert rubric.score(Mark(("1", "2"), adjust=0.5), 5) == 1.5
    assert rubric.score(Mark(("1",), adjust=9), 5) == 5
    assert rubric.score(Mark(("2", "gone")), 5) == 0


def test_agreement_counts_only_answers_that_were_marked_twice():
    full, none = Mark(("1",)), Mark(())
    rubric = Rubric([Item("1", 2, "a")])
    rubric.marks = {
        "a": {"first": full, "second": full},
        "b": {"first": full, "second": none},
        "c": {"first": none},
    }
    assert rubric.agreement(5) == {"count": 2, "same": 1, "difference": 1.0}


def test_a_file_is_changed_whole_or_not_at_all(tmp_path):
    file = RubricFile(tmp_path / "rubrics" / "02.json")
    with file.change() as rubrics:
        rubrics.questions["q"] = Rubric([Item("1", 2, "a")], {"g": {"first": Mark(("1",), by="x")}})
    before = file.path.read_bytes()
    with contextlib.suppress(ZeroDivisionError), file.change() as rubrics:
        rubrics.questions.clear()
        _ = 1 / 0
    assert file.path.read_bytes() == before
    assert file.read().questions["q"].marks["g"]["first"] == Mark(("1",), by="x")
    file.path.write_text("{}")
    with pytest.raises(CourseError, match="cannot be read"):
        file.read()


def test_people_at_the_same_time_lose_nothing(tmp_path):
    file = RubricFile(tmp_path / "02.json")

    def add(name):
        for number in range(10):
            with file.change() as rubrics:
                rubrics.questions[f"{name}{number}"] = Rubric()

    people = [threading.Thread(target=add, args=(name,)) for name in "abc"]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert len(file.read().questions) == 30


# ------------------------------------------------------------------------------------ a class

ANSWERS = {
    "ada": "Because $x$.",
    "carl": "Because  $x$.\n",
    "eve": HOSTILE,
    "jan": build.ANSWER_HERE,
    **{f"student{number}": f"Because {number}." for number in range(4)},
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A class whose exercises nobody ran; its answers wait for a person."""
    root = tmp_path_factory.mktemp("marked")
    src = write_lesson(root / "src")
    course, _ = init(root / "course", src=src)
    record_unrun(course, {who: answering(src, text) for who, text in ANSWERS.items()})
    return course


def answering(src, text):
    notebook = build.solution_notebook(read_lesson(src / f"{NAME}.py"))
    cell(notebook, WHY).source = text
    return notebook


@pytest.fixture
def marking(course):
    """One person, before anything is marked."""
    RubricFile(course.private / "rubrics" / f"{NAME}.json").path.unlink(missing_ok=True)
    return Marking(course, NAME, "ada")


def question_of(course, student, name=WHY):
    line = next(line for line in marks(course) if line.student == student)
    return next(one for one in line.questions if one.name == name)


@pytest.mark.slow
def test_equal_answers_have_one_mark_and_open_ones_none(course, marking):
    group = digest_of("Because $x$.")
    assert marking.groups[WHY][group].students == ("ada", "carl")
    assert digest_of(build.ANSWER_HERE) not in marking.groups[WHY]
    marking.mark(WHY, group, "first", Mark(("1",), -1, "Say *why*.", "ada"))
    for student in ("ada", "carl"):
        found = question_of(course, student)
        assert (found.score, found.waiting, found.comment) == (4, False, "Say *why*.")
    assert question_of(course, "student0").waiting
    marking.mark(WHY, group, "second", Mark(()))
    assert question_of(course, "ada").score == 4  # the first mark counts


def test_a_picture_makes_another_answer():
    words = "As in ![](attachment:a.png)"
    pictures = [{"a.png": {"image/png": data}} for data in ("AAAA", "BBBB")]
    assert len({digest_of(words, one) for one in (*pictures, None)}) == 3


def test_an_item_that_changes_changes_every_mark_that_has_it(course, marking):
    groups = [digest_of(f"Because {number}.") for number in range(3)]
    for group in groups[:2]:
        marking.mark(WHY, group, "first", Mark(("1",)))
    marking.mark(WHY, groups[2], "first", Mark((), 0.5))
    marking.set_items(WHY, [("1", 3, "less"), ("", 1, "new")])
    scores = [question_of(course, f"student{number}").score for number in range(3)]
    assert scores == [3, 3, 0.5]
    assert [item.key for item in marking.file.read().questions[WHY].items] == ["1", "2"]
    marking.set_items(WHY, [("2", 1, "new")])
    assert question_of(course, "student0").score == 0
    marking.set_items(WHY, [("2", 1, "new"), ("", 5, "not the one that is gone")])
    assert question_of(course, "student0").score == 0
    with pytest.raises(MarkingError, match="changed meanwhile"):
        marking.mark(WHY, groups[0], "first", Mark(("1",)))


def test_every_answer_is_dealt_once_and_one_in_twenty_twice_to_somebody_else(course, marking):
    for people in (["ada"], ["ada", "bo"], ["ada", "bo", "cy", "di", "ed"]):
        rubrics = marking.file.read()
        rubrics.graders = people
        dealt = []
        for marking.grader in people:
            for name in marking.questions:
                dealt += [(name, *task, marking.grader) for task in marking.queue(name, rubrics)]
        first = {task[:2]: task[3] for task in dealt if task[2] == "first"}
        second = {task[:2]: task[3] for task in dealt if task[2] == "second"}
        every = {(name, group) for name in marking.questions for group in marking.groups[name]}
        assert set(first) == every and len(dealt) == len(every) + len(second)
        assert second and second.keys() <= first.keys()
        assert len(people) == 1 or all(first[one] != who for one, who in second.items())


def test_a_changed_answer_does_not_get_the_mark_of_the_old_one(course, marking):
    group, src = digest_of("Because 3."), course.root.parent / "src"
    record_unrun(course, {"student3": answering(src, "Something else.")})
    marking.mark(WHY, group, "first", Mark(("1",)))
    assert question_of(course, "student3").waiting
    record_unrun(course, {"student3": answering(src, "Because 3.")})
    Marking(course, NAME, "ada")  # the mark of these words is known
    assert question_of(course, "student3").score == 5


# ----------------------------------------------------------------------------------- the page


@pytest.fixture
def server(marking):
    with MarkServer(marking) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(address, body=None, **headers):
    """Status and content of an answer."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data, headers)) as answer:
            text = answer.read().decode()
            return answer.status, text, answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def test_a_mark_over_http_reaches_gradebook_and_feedback(course, server):
    (first, *_) = json.loads(fetch(f"{server.address}lesson")[1])
    assert first["name"] == WHY and first["items"][0]["points"] == 5
    group = digest_of("Because $x$.")
    body = {"question": WHY, "group": group, "round": "first", "items": ["1"]}
    status, text, _ = fetch(
        f"{server.address}mark", body | {"adjust": -1.5, "comment": "Well $y$."}
    )
    assert status == 200 and json.loads(text)["comments"] == ["Well $y$."]
    assert question_of(course, "carl").score == 3.5
    asked = urlencode({"question": WHY, "group": group, "round": "first"})
    shown = json.loads(fetch(f"{server.address}answer?{asked}")[1])
    assert shown["alike"] == 2 and shown["adjust"] == -1.5 and "<math" in shown["html"]
    turn = course.turn(NAME)
    page = write_feedback(course, NAME, ["carl"])["carl"].read_text("utf-8")
    assert "3.5 of 5" in page and "<mi>y</mi>" in page and "not graded yet" in page
    assert course.turn(NAME) == turn + 1  # who hands in again meets other inputs
    items = [{"key": "1", "points": 2, "text": "x"}]
    assert fetch(f"{server.address}rubric", {"question": WHY, "items": items})[0] == 200
    assert question_of(course, "carl").score == 0.5


def test_no_name_is_sent_and_nothing_that_is_sent_acts(server):
    status, page, headers = fetch(server.address)
    assert status == 200 and "default-src 'none'" in headers["Content-Security-Policy"]
    assert "http" not in page.partition("<body>")[2]
    sent = page + fetch(f"{server.address}lesson")[1]
    for group in server.marking.groups[WHY]:
        asked = urlencode({"question": WHY, "group": group, "round": "first"})
        sent += fetch(f"{server.address}answer?{asked}")[1]
    assert "alarm()" in sent and "<script>alarm" not in sent and "onerror" not in sent
    assert not [name for name in ANSWERS if f'"{name}"' in sent or "student0" in sent]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"group": "0"}, 400), ({"items": ["9"]}, 400), ({"adjust": "much"}, 400),
        ({"adjust": 1e999}, 400), ({"comment": "x" * 6000}, 400), ({"comment": 3}, 400),
        ({"round": "third"}, 400), ({"question": "why-9-question"}, 400), ({"items": None}, 400),
    ],
)  # fmt: skip
def test_bad_requests_change_nothing(server, change, status):
    before = server.marking.file.path.read_bytes()
    body = {"question": WHY, "group": digest_of("Because 0."), "round": "first", "items": []}
    body |= {"adjust": 0, "comment": ""} | change
    assert fetch(f"{server.address}mark", body)[0] == status
    assert server.marking.file.path.read_bytes() == before


def test_only_who_has_the_address_gets_an_answer(server):
    place = server.address.replace(server.token, "guessed")
    assert fetch(place)[0] == fetch(f"{place}lesson")[0] == 403
    assert fetch(server.address, Host="example.org")[0] == 403  # another name for this machine
    assert fetch(f"{server.address}../etc/passwd")[0] == 404
    assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(CourseError, match=f"Port {server.server_port} cannot be used"):
        MarkServer(server.marking, server.server_port)


def test_a_lesson_without_answers_says_what_to_do(course, tmp_path):
    empty, _ = init(tmp_path / "empty", src=write_lesson(tmp_path / "src"))
    with pytest.raises(CourseError, match="nbgrader generate_assignment"):
        Marking(empty, NAME, "ada")
