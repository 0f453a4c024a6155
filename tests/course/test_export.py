"""Marks for other systems: what they read back is what the gradebook holds, and no more."""

import csv
import datetime
import io
import json
from dataclasses import replace

import pytest

from autograder.course.errors import CourseError
from autograder.course.export import FORMATS, classroom, gradescope, sheets
from autograder.course.export.marks import Marks
from autograder.course.late import Lateness
from autograder.course.markbook import Line, Question
from autograder.course.roster import Person, Roster
from autograder.course.settings import LessonSettings, Settings

LESSON = "02_batch_normalization"
ROSTER = Roster(
    [
        Person("ada", "Ada Lovelace", "ada@example.org", "Monday", "101", "s-1", "4711", "9001"),
        Person("zoe", "Zoë Ångström", "zoe@example.org", "", "102", "s-2", "4712", "9002"),
        Person("eve", "=HYPERLINK(1)", "eve@example.org", "", "103", "s-3", "4713", "9003"),
    ]
)
FORWARD = "normalization-batchnorm_forward-check"
LATE = Lateness(seconds=90_000, charged=1, fraction=0.1)


def line(student, earned, **options):
    questions = (Question(FORWARD, earned, 16.0), Question("why-question", 4.0, 4.0, bonus=1.0))
    return Line(student, LESSON, questions, by_rule=True, **options)


MARKS = Marks(
    (line("ada", 15.5), line("zoe", 5.0, lateness=LATE)),
    ROSTER,
    Settings(lessons={LESSON: LessonSettings(points=10)}),
    LESSON,
)


def read(path, separator=",", encoding="utf-8"):
    text = path.read_bytes().decode(encoding)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def records(path):
    return csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))


def test_csv_has_everyone_with_names_bonus_and_lateness(tmp_path):
    done = sheets.write_csv(MARKS, tmp_path)
    rows = {row["id"]: row for row in records(done.files[0])}
    assert list(rows) == ["ada", "eve", "zoe"]
    assert rows["ada"]["name"] == "Ada Lovelace"
    assert (rows["ada"][LESSON], rows["ada"][f"{LESSON} bonus"]) == ("20.5", "1")
    assert rows["zoe"][LESSON] == "9"  # 10 less a tenth
    assert rows["zoe"][f"{LESSON} late"] == "1 d 1 h late: 10 % off"
    assert rows["eve"][f"{LESSON} late"] == "not handed in"
    assert (rows["ada"]["total"], rows["ada"]["of"]) == ("10.25", "10")


OTHER = "03_layer_group_normalization"
DUE = datetime.datetime(2026, 10, 1)
RULES = {
    LESSON: LessonSettings(points=10, due=DUE, excused=frozenset({"eve"})),
    OTHER: LessonSettings(points=10, due=DUE, excused=frozenset({"eve", "zoe"})),
}


def test_csv_over_lessons_drops_excuses_and_counts_what_is_missing(tmp_path):
    lines = (
        *(replace(line("ada", 15.5), lesson=OTHER), line("ada", 5.0)),
        replace(line("bob", 15.5), lesson=OTHER),
        line("zoe", 5.0),
    )
    after = DUE + datetime.timedelta(days=1)
    for dropped, expected in (
        (0, {"ada": ("15.25", "20"), "bob": ("10.25", "20"), "zoe": ("5", "10")}),
        (1, {"ada": ("10.25", "10"), "bob": ("10.25", "10"), "zoe": ("5", "10")}),
    ):
        settings = Settings(drop_lowest=dropped, lessons=RULES)
        marks = replace(MARKS, lines=lines, settings=settings, lesson="", now=after)
        path = sheets.write_csv(marks, tmp_path / str(dropped)).files[0]
        rows = {row["id"]: row for row in records(path)}
        sums = {who: (row["total"], row["of"]) for who, row in rows.items() if who != "eve"}
        assert sums == expected
        eve = rows["eve"]
        assert (eve["total"], eve["of"], eve["percent"], eve[LESSON]) == ("", "", "", "")
        assert eve[f"{LESSON} late"] == rows["zoe"][f"{OTHER} late"] == "excused"
        missing = "not handed in" + ("; dropped" if dropped else "")
        assert (rows["bob"][LESSON], rows["bob"][f"{LESSON} late"]) == ("0", missing)


def test_a_lesson_that_is_missing_and_has_no_due_date_is_said(tmp_path):
    done = sheets.write_csv(MARKS, tmp_path)
    assert "no part of the total of 1 students" in done.notes[-1]  # eve
    with_due = replace(MARKS, settings=Settings(lessons=RULES), now=DUE)
    assert sheets.write_csv(with_due, tmp_path / "due").notes == ()


@pytest.mark.parametrize("write", [*FORMATS.values()])
def test_every_form_says_how_many_answers_wait_for_a_person(tmp_path, write):
    open_ = replace(line("ada", 5.0).questions[1], waiting=True)
    waiting = replace(line("ada", 5.0), questions=(open_, open_))
    done = write(replace(MARKS, lines=(waiting, line("zoe", 5.0))), tmp_path)
    assert any("2 answers of 1 students wait for a person" in note for note in done.notes)


def test_csv_of_questions_has_titles(tmp_path):
    path = sheets.write_csv(MARKS, tmp_path).files[1]
    rows = list(records(path))
    assert len(rows) == 4
    assert rows[0]["title"] != FORWARD
    assert (rows[0]["score"], rows[0]["of"], rows[1]["bonus"]) == ("15.5", "16", "1")


def test_a_name_is_no_formula_of_a_spreadsheet(tmp_path):
    text = sheets.write_csv(MARKS, tmp_path).files[0].read_text(encoding="utf-8")
    assert ",=" not in text
    assert "'=HYPERLINK(1)" in text


def test_questions_that_wait_for_a_person_are_said(tmp_path):
    waiting = replace(MARKS.lines[0], questions=(Question("why", 0, 5, waiting=True),))
    done = sheets.write_csv(replace(MARKS, lines=(waiting,)), tmp_path)
    assert "1 answers of 1 students wait for a person" in done.notes[0]


CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Homework (7),02 batch normalization (77),Final\r\n"
    "    Points Possible,,,,,10,20,\r\n"
    '"Lovelace, Ada",101,s-1,ada@example.org,Monday,9,,88.1\r\n'
    '"Ångström, Zoë",102,s-2,zoe@example.org,Monday,,3,\r\n'
    '"Nobody, Known",555,,,Monday,7,1,\r\n'
)
MOODLE = (
    "Identifier;Full name;Email address;Grade;Maximum Grade\r\n"
    "Participant 4711;Ada Lovelace;ada@example.org;;20\r\n"
    "Participant 4712;Zoë Ångström;zoe@example.org;2;20\r\n"
)
BLACKBOARD = (
    '"Last Name"\t"Username"\t"02 batch normalization [Total Pts: 20] |77"\n'
    '"Lovelace"\t"ada"\t""\n'
    '"Ångström"\t"zoe"\t""\n'
)


@pytest.mark.parametrize(
    ("write", "text", "separator", "encoding", "place"),
    [
        (sheets.write_canvas, CANVAS, ",", "utf-8", 6),
        (sheets.write_moodle, MOODLE, ";", "utf-8-sig", 3),
        (sheets.write_blackboard, BLACKBOARD, "\t", "utf-16", 2),
    ],
)
def test_a_template_is_filled_in_one_column_and_nothing_else(
    tmp_path, write, text, separator, encoding, place
):
    template = tmp_path / "exported.csv"
    template.write_bytes(text.encode(encoding))
    done = write(MARKS, tmp_path / "out", template=template)
    before, after = (read(p, separator, encoding) for p in (template, done.files[0]))
    assert len(before) == len(after)
    grades = {}
    for old, new in zip(before, after, strict=True):
        assert old[:place] + old[place + 1 :] == new[:place] + new[place + 1 :]
        if old[place] != new[place]:
            grades[" ".join(old)] = new[place]
    assert sorted(grades.values()) == ["20.5", "9"]
    assert template.read_bytes() == text.encode(encoding)


EXCUSING = replace(  # one who handed in, and one who did not
    MARKS,
    lines=(replace(MARKS.lines[0], lateness=Lateness(excused=True)), MARKS.lines[1]),
    settings=Settings(lessons={LESSON: LessonSettings(excused=frozenset({"ada", "eve"}))}),
)


@pytest.mark.parametrize(
    ("write", "text", "separator", "encoding", "place", "excused"),
    [
        (sheets.write_canvas, CANVAS, ",", "utf-8", 6, "EX"),
        (sheets.write_moodle, MOODLE.replace(";;20", ";7;20"), ";", "utf-8-sig", 3, ""),
        (sheets.write_blackboard, BLACKBOARD, "\t", "utf-16", 2, ""),
    ],
)
def test_who_is_excused_has_no_points_in_a_table(
    tmp_path, write, text, separator, encoding, place, excused
):
    template = tmp_path / "exported.csv"
    template.write_bytes(text.encode(encoding))
    filled = write(EXCUSING, tmp_path / "filled", template=template)
    (ada,) = [row for row in read(filled.files[0], separator, encoding) if "Lovelace" in str(row)]
    assert ada[place] == excused
    made = write(EXCUSING, tmp_path / "new")
    is_wide = write is sheets.write_blackboard
    _, *rows = read(made.files[0], *(("\t", "utf-16") if is_wide else (",", "utf-8")))
    assert sorted(row[-1] for row in rows) == sorted([excused, excused, "9"])
    for done in (filled, made):
        assert not done.problems and "2 excused students have" in done.notes[0]


@pytest.mark.parametrize("write", [gradescope.write, classroom.write])
def test_who_is_excused_has_no_file_where_a_platform_knows_no_excuse(tmp_path, write):
    done = write(EXCUSING, tmp_path)
    assert {path.parent.name for path in done.files} == {"zoe"}
    assert any("2 excused students have no file" in note for note in done.notes)


def test_answers_that_wait_are_counted_by_student_over_all_lessons():
    open_ = replace(MARKS.lines[0].questions[1], waiting=True)
    first = replace(MARKS.lines[0], questions=(open_,))
    both = replace(MARKS, lines=(first, replace(first, lesson=OTHER)))
    assert "2 answers of 1 students" in next(both.waiting([LESSON, OTHER]))


def test_answers_of_who_is_excused_wait_for_nobody():
    open_ = replace(MARKS.lines[0].questions[1], waiting=True)
    waiting = replace(EXCUSING.lines[0], questions=(open_,))
    assert not list(replace(EXCUSING, lines=(waiting,)).waiting([LESSON]))


def test_students_without_a_row_in_the_template_are_named(tmp_path):
    template = tmp_path / "exported.csv"
    template.write_text("\n".join(CANVAS.splitlines()[:3]), encoding="utf-8")
    done = sheets.write_canvas(MARKS, tmp_path / "out", template=template)
    assert "zoe" in done.notes[-1]


def test_a_column_that_is_not_clear_is_asked_for(tmp_path):
    template = tmp_path / "exported.csv"
    template.write_text("Student,ID,Section,Homework (7)\n", encoding="utf-8")
    with pytest.raises(CourseError, match="Name it with --column"):
        sheets.write_canvas(MARKS, tmp_path / "out", template=template)
    done = sheets.write_canvas(MARKS, tmp_path / "out", template=template, column="Homework (7)")
    assert done.files[0].exists()


def test_the_template_itself_is_never_written_over(tmp_path):
    template = tmp_path / "exported.csv"
    template.write_text(CANVAS, encoding="utf-8")
    with pytest.raises(CourseError, match="is the template"):
        sheets.write_canvas(MARKS, tmp_path, template=template)


@pytest.mark.parametrize(
    ("write", "separator", "encoding"),
    [
        (sheets.write_canvas, ",", "utf-8"),
        (sheets.write_moodle, ",", "utf-8"),
        (sheets.write_blackboard, "\t", "utf-16"),
    ],
)
def test_without_a_template_there_is_a_row_a_student_with_the_platforms_number(
    tmp_path, write, separator, encoding
):
    done = write(MARKS, tmp_path)
    rows = read(done.files[0], separator, encoding)
    assert {row[-1] for row in rows[1:]} >= {"20.5", "9"}
    assert rows[0][-1].startswith(LESSON)


def test_gradescopes_results_add_up(tmp_path):
    done = gradescope.write(MARKS, tmp_path)
    assert [path.parent.name for path in done.files] == ["ada", "zoe"]
    told = json.loads(done.files[1].read_text(encoding="utf-8"))
    assert told["score"] == 9
    assert told["output"] == "1 d 1 h late: 10 % off"
    assert sum(test["score"] for test in told["tests"]) == pytest.approx(10)
    assert {"name", "score", "max_score", "status", "visibility"} <= told["tests"][0].keys()


def template(tmp_path, text):
    path = tmp_path / "exported.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("Student,ID,Lesson 9 (77)\nAda,101,\n", "", "no column is clearly"),
        (f"Student,ID,{LESSON} (1),{LESSON} (2)\nAda,101,,\n", "", "no column is clearly"),
        ("Student,ID,Lesson 2\nAda,101,\n", "ID", "says who a row is"),
        ("Student,ID,Lesson 2\nLovelace, Ada,101,\n", "Lesson 2", "line 2: 4 fields"),
        ('Student,ID,Lesson 2\n"Ada,101,\n', "Lesson 2", "no CSV"),
        ("", "", "no CSV"),
    ],
)
def test_templates_with_other_columns_are_refused(tmp_path, text, column, said):
    with pytest.raises(CourseError, match=said):
        sheets.write_canvas(MARKS, tmp_path / "out", template(tmp_path, text), column)
    assert not (tmp_path / "out").exists()


def test_a_mark_that_stands_in_no_row_is_a_problem(tmp_path):
    made = template(tmp_path, f"Student,ID,{LESSON} (1)\nAda,101,\n")
    done = sheets.write_canvas(MARKS, tmp_path / "out", made)
    assert done.problems == 1
    assert "zoe" in done.notes[-1]
