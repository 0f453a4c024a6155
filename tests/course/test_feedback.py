"""Feedback pages: what they show, what they never show, and that nothing on them acts."""

import html
import re
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from classroom import template, written_answers

from autograder import exercises
from autograder.checking.report import Report, Row
from autograder.course.cells import source_of
from autograder.course.feedback import (
    LONGEST,
    _Writer,
    question_texts,
    without_docstrings,
)
from autograder.course.formulas import ATTRIBUTES, TAGS, mathml
from autograder.course.late import Lateness
from autograder.course.markbook import Line, Question
from autograder.course.roster import Person, Roster
from autograder.course.safe_html import with_formulas
from autograder.grading.results import SubmissionResult
from autograder.lessons import build

FORWARD, FOLD = (
    exercises.find(f"normalization.{name}") for name in ("batchnorm_forward", "fold_batchnorm")
)
HOSTILE = "</pre></p><script>alarm()</script><img src=x onerror=alarm()>\"'\u202e"
ACTS = re.compile(
    r"<(script|iframe|form|input|object|base)|<[^>]*\s(on\w+|href=.?javascript)", re.I
)


def cell(name, source, *errors):
    """A cell of an autograded notebook."""
    outputs = [{"output_type": "error", "ename": "ValueError", "evalue": e} for e in errors]
    return {"metadata": {"nbgrader": {"grade_id": name}}, "source": source, "outputs": outputs}


def page(questions, cells=(), reports=(), student="ada", name="", problems=(), **line):
    """The page of one student, without a course around it."""
    known = {f"{one.grade_id}-check": one for one in exercises.all_exercises()}
    writer = SimpleNamespace(
        lesson="02_batch_normalization",
        heading="Batch normalization",
        exercises=known,
        roster=Roster([Person(student, name)]),
        texts={"why-question": "Why is $\\sigma^2$ biased?"},
    )
    for method in ("_sections", "_exercise", "_question"):
        setattr(writer, method, getattr(_Writer, method).__get__(writer))
    result = SubmissionResult(student, "02_batch_normalization", tuple(reports), problems=problems)
    return _Writer.page(
        writer, student, Line(student, "02", tuple(questions), **line), result, list(cells)
    )


def report(exercise, *rows, **more):
    return Report(exercise.id, exercise.title, rows, **more)


CHECK = f"{FORWARD.grade_id}-check"
SOLUTION = f"{FORWARD.grade_id}-solution"


def test_what_waits_for_a_person_has_no_mark_and_is_not_in_the_sum():
    shown = page([Question(CHECK, 3, 4), Question("why-question", 0, 5, waiting=True)])
    assert "not graded yet (5 points)" in shown
    assert "3 of 4 points so far; 5 points wait for a person." in shown
    assert "0 of 5" not in shown and "0.0" not in shown


def test_every_exercise_has_its_own_title_and_no_more():
    for exercise in exercises.all_exercises():
        shown = page([Question(f"{exercise.grade_id}-check", 3, 4)])
        assert f">{exercise.title}<" in html.unescape(shown)


def test_bonus_is_on_top_and_lateness_is_told_in_words():
    late = Lateness(seconds=90_000, covered=1, charged=1, fraction=0.5)
    shown = page(
        [Question(CHECK, 4, 4), Question(f"{FOLD.grade_id}-check", 0, 0, bonus=4)],
        lateness=late,
        by_rule=True,
    )
    assert "4 of 4 points, +4 bonus." in shown and ">+4 bonus<" in shown
    assert "1 d 1 h late: 1 late day used, 50 % off; 4 points taken off, 4 count." in shown


def test_a_report_has_message_hint_and_reading_and_no_detail():
    rows = (
        Row("one", 2, 0, "differs", "expected 0.123", "Look at eps.", misconception="no eps"),
        Row("two", 2, 2),
    )
    made = report(FORWARD, *rows, reading="Read once more: (BN.3).")
    shown = page([Question(CHECK, 2, 4)], [cell(SOLUTION, "x = 1", "boom")], [made])
    for text in ("differs", "Look at eps.", "Read once more: (BN.3).", "two", "ValueError: boom"):
        assert text in shown
    assert "0.123" not in shown


def test_answers_and_comments_have_formulas_without_a_script():
    asked = Question("why-question", 4, 5, comment="See $\\frac{1}{N}$")
    shown = page([asked], [cell("why-question", "Because $\\mu$ is *fitted*.")])
    assert "<mfrac>" in shown and "<mi>μ</mi>" in shown and "<em>fitted</em>" in shown
    assert "$" not in shown.partition("<body>")[2]
    assert "From the person" in shown and "4 of 5" in shown


def test_an_empty_answer_is_called_so():
    waiting = [Question("why-question", 0, 5)]
    assert "No answer." in page(waiting, [cell("why-question", build.ANSWER_HERE)])


def test_nothing_that_a_student_chooses_acts():
    hostile = Row(HOSTILE, 1, 0, HOSTILE, hint=HOSTILE, remark=HOSTILE)
    shown = page(
        [Question(CHECK, 0, 1), Question("why-question", 1, 5, comment=HOSTILE)],
        [
            cell(SOLUTION, f'"""{HOSTILE}', HOSTILE),
            cell("why-question", f"{HOSTILE} $\\href{{javascript:x}}{{b}}$ [a](javascript:b)"),
        ],
        [report(FORWARD, hostile, reading=HOSTILE)],
        student=HOSTILE,
        name=HOSTILE,
        problems=(HOSTILE,),
    )
    assert not ACTS.search(shown)
    assert "alarm" in shown and "\u202e" not in shown


def test_a_very_long_answer_is_cut():
    shown = page([Question("why-question", 0, 5)], [cell("why-question", "word " * LONGEST)])
    assert "cut here" in shown and len(shown) < 3 * LONGEST


def test_docstrings_go_and_code_stays():
    method = '    def f(self):\n        """Doc\n        two."""\n        return 1'
    source = f'class A:\n    """Doc."""\n\n{method}'
    assert without_docstrings(source) == ("class A:\n\n    def f(self):\n        return 1")
    for kept in ("def f(:\n  '''a'''", "def f(): 'one'; return 1", "def f():\n    'only'"):
        assert without_docstrings(kept) == kept


def test_every_formula_of_an_answer_becomes_mathml():
    answers = [source_of(one) for one in written_answers()]
    shown = [re.sub("<code>[^\\\\<]*</code>", "", with_formulas(text)) for text in answers]
    assert sum("<math" in text for text in shown) > 20
    assert not [text for text in shown if "<code>" in text or re.search(r"\$[^$ ]+\$", text)]


def test_the_question_is_the_cell_above_its_answer():
    assert question_texts(template()) == {f"why-{i}-question": "Why?" for i in range(4)}


@pytest.mark.parametrize(
    "latex",
    [
        r"\href{javascript:x}{y}", r"\style{color:red}{x}", r"\hspace{900em} x", r"\color{red} x",
        "{" * 1500, r"\frac{", "x" * 5000, r"\begin{array}{c|c} a & b \end{array}", "<script>",
    ],
)  # fmt: skip
def test_a_hostile_formula_is_text_or_known_elements(latex):
    shown = mathml(latex)
    if shown.startswith("<math"):
        for element in ElementTree.fromstring(shown).iter():
            assert element.tag in TAGS.split()
            assert set(element.attrib) <= set(ATTRIBUTES.split())
            assert "900" not in str(element.attrib)
    else:
        assert shown.startswith("<code>") and "<script" not in shown


def test_a_formula_in_the_text_of_a_picture_stays_in_its_attribute():
    shown = with_formulas('![a $"x" onerror=alarm()$](data:image/png;base64,AAAA)')
    assert "<math" not in shown and not ACTS.search(re.sub('"[^"]*"', '""', shown))
