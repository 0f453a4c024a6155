"""What an instructor reads about a class: right counts, and nothing that a name could break."""

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import nbformat
import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text
from scipy import stats

from autograder import exercises
from autograder.bars import Cell
from autograder.checking.report import Report, Row
from autograder.course.class_page import course_html, summary_html, write_summary
from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.items import LEAST, correlation, items
from autograder.course.late import Lateness
from autograder.course.markbook import Line, Question
from autograder.course.register import Register, remember, sections
from autograder.course.report_notebook import write_notebook
from autograder.course.roster import Person, Roster
from autograder.course.summary import line, printable, score, table, understanding
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
    Console(width=width, file=file).print(table(map(line, results), "a title", people))
    return file.getvalue()


def test_the_table_has_a_row_for_each_student():
    text = shown(CLASS)
    assert "a title" in text
    assert re.search(r"carl.*2/8.*no eps", text) and re.search(r"jan.*0/8", text)
    assert text.rstrip().endswith("jan: not JSON")


@pytest.mark.parametrize("width", [16, 20, 24, 29, 37, 50, 80, 120])
@pytest.mark.parametrize("justify", ["left", "right"])
@pytest.mark.parametrize("no_wrap", [False, True])
def test_a_cell_looks_as_text_with_padding_does(width, justify, no_wrap):
    texts = ["", "a", "two words", "wörd 李李李李 " * 5, "a-word-without-an-end" * 3, "a\n\nb c "]

    def drawn(kind, padding, more):
        table = Table(padding=padding, show_lines=True)
        options = {"overflow": "fold", "justify": justify, "no_wrap": no_wrap}
        table.add_column(kind("head"), max_width=12 + more, **options)
        table.add_column(kind("head"), **options)
        for text in texts:
            table.add_row(kind(text), kind(text * 2))
        file = io.StringIO()
        Console(width=width, file=file).print(table)
        return file.getvalue()

    assert drawn(Cell, 0, Cell.SPACES) == drawn(Text, (0, 1), 0)


def test_a_report_has_names_and_sections_and_80_columns_are_enough():
    people = Roster([Person("carl", "Carl Gauß", section="Monday")])
    long = replace(CLASS[0], problems=("word " * 40,))
    lines = shown([*CLASS, long], people, width=80).splitlines()
    assert any("Carl Gauß (Monday)" in line for line in lines)
    assert max(map(len, lines)) <= 80
    assert max(line.count("word") for line in lines) >= 14  # notes have the whole width


def test_the_page_counts_students_not_mistakes():
    page = summary_html("02", CLASS)
    rows = dict(re.findall(r'<th scope="row">([^<]*)</th><td class="number"[^>]*>(\d+)</td>', page))
    assert rows["no eps"] == "1" and rows["gamma is missing"] == "1"
    assert "4 submissions" in page and "1 have all of them" in page
    forward = re.search(rf"<code>{FORWARD.id}</code></th>(.*?)</tr>", page).group(1)
    assert re.findall(r'class="number"[^>]*>([^<]*)<', forward) == [
        *("2", "0", "2", "0", "2 of 4", "0.50", ""),
    ]
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
    tables = [a for tag, a in structure.seen if tag == "table"]
    assert len(tables) > 2 and all(a["aria-label"] for a in tables)
    wide = [a for a in attributes if "wide" in a.get("class", "")]
    assert len(wide) == len(tables) and all(a["tabindex"] == "0" for a in wide)
    assert "Students by share of the points: 0 to 10 %: 1" in next(
        a["aria-label"] for tag, a in structure.seen if tag == "svg"
    )
    assert all("scope" in a for tag, a in structure.seen if tag == "th")
    assert not any(key in a for a in attributes for key in ("src", "href", "onclick"))
    assert all(a["aria-hidden"] == "true" for a in attributes if a.get("class") == "bar")
    assert "http" not in page


# ------------------------------------------------------------------ items


def made_up(number, rng):
    """A student whose ability decides two exercises; the third is luck."""
    ability = rng.normal()
    scores = [4.0 * (ability + rng.normal() > 0) for _ in range(2)] + [4.0 * (rng.random() > 0.5)]
    three = zip((FORWARD, BACKWARD, FOLD), scores, strict=True)
    return result(f"s{number}", *(report(*pair, "differs") for pair in three))


def test_the_corrected_correlation_is_scipys_with_its_interval():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 60))
    b = b + a
    expected = stats.pearsonr(a, b)
    interval = expected.confidence_interval()
    assert correlation(a, b) == pytest.approx((expected.statistic, *interval), rel=1e-12)
    assert correlation(a[: LEAST - 1], b[: LEAST - 1])[0] is None


def test_an_exercise_that_goes_with_nothing_is_to_be_looked_at():
    rng = np.random.default_rng(0)
    one, two, luck = items([made_up(number, rng) for number in range(400)])
    assert (
        one.correlation > 0.2 > luck.correlation and luck.repair and not (one.repair + two.repair)
    )
    few = items([made_up(number, rng) for number in range(LEAST - 1)])
    assert all(item.correlation is None and not item.repair for item in few)


# ------------------------------------------------------------------ what a course knows


def test_the_page_says_who_is_missing_where_feedback_is_and_what_changed(tmp_path):
    known = Register(
        names={"carl": "Carl <b>F</b>", "zoe": "Zoë"},
        missing=("zoe",),
        feedback={"carl": "feedback/carl/a%20b.html"},
        changes={"carl": "2 → 3 points"},
        unreadable=2,
    )
    page = summary_html("02", CLASS, known)
    for text in ("Carl &lt;b&gt;F&lt;/b&gt;", 'href="feedback/carl/a%20b.html"', "2 → 3 points"):
        assert text in page
    assert "1 of the roster have not handed in" in page and "Zoë" in page
    assert "2 results were kept by another version" in page
    everything = course_html("A course", {"02": CLASS, "03": []}, {"02": known, "03": Register()})
    assert "4 students in 1 lessons" in everything and "Carl &lt;b&gt;F" in everything
    assert "Nobody has been graded" in course_html("A course", {}, {})


def test_the_page_about_a_course_says_what_is_excused_dropped_or_missing():
    asked = (Question("why-question", 3.0, 4.0),)
    none = (Question("not handed in", 0.0, 4.0),)
    excused = Lateness(excused=True)
    marks = {
        "ada": Line("ada", "02", asked, dropped=True),
        "carl": Line("carl", "02", asked, excused),
        "zoe": Line("zoe", "02", none, excused, handed_in=False),
        "eve": Line("eve", "02", none, handed_in=False),
    }
    page = course_html("A course", {"02": CLASS}, {"02": Register(marks=marks)})
    rows = re.findall(r"<tr>.*?</tr>", page.partition("Everyone, in percent")[2], re.DOTALL)
    said = [re.sub(r"<[^>]*>|\s+", " ", row).split() for row in rows]
    assert said[1:] == [
        ["ada", "75", "dropped"],
        ["carl", "75", "excused"],
        ["dora", "50"],
        ["eve", "0"],
        ["jan", "0"],
        ["zoe", "excused"],
    ]


def test_a_hand_in_is_compared_with_the_one_before(tmp_path):
    course = Course(tmp_path)
    first = result("ada", report(FORWARD, 1, "differs", "no eps"), file="a")
    assert remember(course, "02", [first]) == {} == remember(course, "02", [first])
    second = result("ada", report(FORWARD, 4), file="b")
    change = {"ada": "1 → 4 points; no longer: no eps"}
    assert remember(course, "02", [second]) == change == remember(course, "02", [second])


def test_the_paragraph_to_revisit_is_the_heading_above_the_exercise(tmp_path):
    path = tmp_path / "a.ipynb"
    cells = [
        {"cell_type": "markdown", "source": ["# A\n", "## The part\n"], "metadata": {}},
        {"cell_type": "code", "source": "", "metadata": {"nbgrader": {"grade_id": "x-check"}}},
    ]
    path.write_text(json.dumps({"cells": cells}))
    assert sections(path) == {"x-check": "The part"} and sections(tmp_path / "none") == {}


def test_a_class_of_nobody_is_no_failure(tmp_path):
    page = write_summary(tmp_path / "page.html", "02", []).read_text()
    assert "Nobody has been graded yet" in page


def test_printable_keeps_letters_of_every_language():
    assert printable("Zoë Ünal 李") == "Zoë Ünal 李"
    assert printable("a\tb\nc\x9b") == "a\ufffdb\ufffdc\ufffd"


def test_the_report_as_a_notebook_runs_as_it_is_written(tmp_path, monkeypatch, capsys):
    course = Course(tmp_path / "course")
    course.store("02").folder.mkdir(parents=True)
    course.config.write_text("")
    with pytest.raises(CourseError, match="Nobody is graded"):
        write_notebook(course, "02")
    for one in CLASS:
        course.store("02").save(one)
    with pytest.raises(CourseError, match=r"end in \.ipynb"):
        write_notebook(course, "02", tmp_path / "report.html")
    path = write_notebook(course, "02", tmp_path / "elsewhere" / "report.ipynb")
    made = nbformat.read(path, as_version=4)
    nbformat.validate(made)
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    names = {}
    for cell in made.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    out = capsys.readouterr().out
    assert out.startswith("4 students")
    assert "    1  no eps" in out
    assert names["held"] == {"no eps": 1, "gamma is missing": 1}
    assert FOLD.title in out
