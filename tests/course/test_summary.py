"""What an instructor reads about a class: right counts, and nothing that a name could break."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from autograder import exercises
from autograder.checking.report import Report, Row
from autograder.course.roster import Person, Roster
from autograder.course.summary import (
    printable,
    score,
    summary_html,
    table,
    understanding,
    write_summary,
)
from autograder.grading.results import SubmissionResult

FORWARD, BACKWARD, FOLD = (
    exercises.find(f"normalization.{name}")
    for name in ("batchnorm_forward", "batchnorm_backward", "fold_batchnorm")
)


def report(exercise, earned, message="", misconception=""):
    """A report with one row."""
    row = Row("a check", 4, earned, message=message, misconception=misconception)
    return Report(exercise.id, exercise.title, (row,))


def result(student, *reports, **options):
    return SubmissionResult(student, "02", reports, **options)


CLASS = [
    result("ada", report(FORWARD, 4), report(FOLD, 4)),
    result("carl", report(FORWARD, 0, "differs", "no eps"), report(FOLD, 2, "differs", "no eps")),
    result("dora", report(FORWARD, 4), report(FOLD, 0, "differs", "gamma is missing")),
    result("jan", report(FORWARD, 0), report(FOLD, 0), problems=("not JSON",)),
]


def test_a_score_shows_bonus_points_apart():
    ada = CLASS[0]
    assert score(ada) == "8/8"
    assert score(replace(ada, bonus_ids=(FOLD.id,))) == "4/4 + 4"


def test_understanding_tells_mistakes_from_their_consequences_and_from_work_not_done():
    one = result(
        "eve",
        report(FORWARD, 1, "differs", "no eps"),
        report(BACKWARD, 2, "differs"),
        report(FOLD, 0, "not written yet"),
    )
    assert understanding(one) == [
        "no eps",
        f"not written yet: {FOLD.title}",
        f"follows from a mistake before: {BACKWARD.title}",
    ]
    own = result("eve", report(FORWARD, 4), report(BACKWARD, 2, "differs"))
    assert understanding(own) == [f"wrong in a way of their own: {BACKWARD.title}"]
    stopped = result("eve", report(FORWARD, 0), report(FOLD, 0), unobserved=(FORWARD.id, FOLD.id))
    assert understanding(stopped) == ["could not be run: everything"]
    assert understanding(CLASS[0]) == []


def shown(results, people=None, width=120):
    file = io.StringIO()
    Console(width=width, file=file).print(table(results, "a title", people))
    return file.getvalue()


def test_the_table_has_a_row_for_each_student():
    text = shown(CLASS)
    assert "a title" in text
    assert re.search(r"carl.*2/8.*no eps", text) and re.search(r"jan.*0/8", text)
    assert text.rstrip().endswith("jan: not JSON")


def test_a_report_has_names_and_sections_and_80_columns_are_enough():
    people = Roster([Person("carl", "Carl Gauß", section="Monday")])
    long = replace(CLASS[0], problems=("word " * 40,))
    lines = shown([*CLASS, long], people, width=80).splitlines()
    assert any("Carl Gauß (Monday)" in line for line in lines)
    assert max(map(len, lines)) <= 80
    assert max(line.count("word") for line in lines) >= 14  # notes have the whole width
    assert "Carl Gauß (Monday)" in summary_html("a lesson", CLASS, people)


def test_the_page_counts_students_not_mistakes():
    page = summary_html("02", CLASS)
    rows = dict(re.findall(r'<th scope="row">([^<]*)</th><td class="number">(\d+)</td>', page))
    assert rows["no eps"] == "1" and rows["gamma is missing"] == "1"
    assert "4 submissions" in page and "1 have all of them" in page
    forward = re.search(rf"<code>{FORWARD.id}</code></th>(.*?)</tr>", page).group(1)
    assert re.findall(r'class="number">([^<]*)<', forward) == ["2", "0", "2", "2 of 4"]
    assert 'class="all" style="width:50.0%"' in forward


class Structure(HTMLParser):
    """Remembers tags and attributes, and fails on a tag that is not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.texts = [], [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


NASTY = '<script>alert("x")</script>&\x1b[2J\u202e'


@pytest.fixture
def nasty():
    one = report(FORWARD, 0, NASTY, NASTY)
    return result(NASTY, one, problems=(NASTY,), unobserved=(NASTY,))


def test_the_page_shows_names_and_texts_as_they_are(nasty):
    structure = Structure()
    structure.feed(summary_html(NASTY, [nasty]))
    tags = {tag for tag, _ in structure.seen}
    assert not structure.open and not tags & {"script", "link", "img", "iframe"}
    assert sum('<script>alert("x")</script>&' in text for text in structure.texts) >= 4
    assert not any("\x1b" in text or "\u202e" in text for text in structure.texts)


def test_the_table_shows_names_and_texts_as_they_are(nasty):
    text = shown([nasty])
    assert "\x1b[2J" not in text and "\u202e" not in text
    assert "[bold]" in shown([replace(nasty, student="[bold]b[/bold]")])


def test_the_page_is_accessible_and_needs_nothing_else():
    structure = Structure()
    page = summary_html("02", CLASS)
    structure.feed(page)
    attributes = [a for _, a in structure.seen]
    assert ("html", {"lang": "en"}) in structure.seen
    tables = sum(tag == "table" for tag, _ in structure.seen)
    assert tables == 3 == sum(tag == "caption" for tag, _ in structure.seen)
    assert all("scope" in a for tag, a in structure.seen if tag == "th")
    assert not any(key in a for a in attributes for key in ("src", "href", "onclick"))
    assert all(a["aria-hidden"] == "true" for a in attributes if a.get("class") == "bar")
    assert "http" not in page


def test_a_class_of_nobody_is_no_failure(tmp_path):
    page = write_summary(tmp_path / "page.html", "02", []).read_text()
    assert "Nobody has been graded yet" in page


def test_printable_keeps_letters_of_every_language():
    assert printable("Zoë Ünal 李") == "Zoë Ünal 李"
    assert printable("a\tb\nc\x9b") == "a\ufffdb\ufffdc\ufffd"
