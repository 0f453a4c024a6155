"""What a class costs grows with it and not faster: rows that are read, statements, notebooks."""

import sqlite3
import warnings

import pytest
from classroom import NAME, record_unrun, template, write_lesson

from autograder.course.export.marks import Marks
from autograder.course.export.sheets import write_csv
from autograder.course.folder import init
from autograder.course.markbook import Line, Question
from autograder.course.nbgrader_api import INDEXES, NbgraderCourse
from autograder.course.roster import Roster
from autograder.course.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

OF_STUDENTS = ("submitted_assignment", "submitted_notebook", "grade", "comment")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A released course in which nobody has handed in."""
    root = tmp_path_factory.mktemp("courses") / "course"
    made, _ = init(root, src=write_lesson(root.parent / "src"))
    NbgraderCourse(root).generate_assignment(NAME)
    return made


def statements(course, students):
    """What the database is asked while these are recorded: (statement, parameters)."""
    asked = []

    def note(connection, cursor, statement, parameters, context, many):
        asked.append((statement, parameters[0] if many else parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        record_unrun(course, dict.fromkeys(students, template()))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return [(text, values) for text, values in asked if any(t in text for t in OF_STUDENTS)]


def rows(course):
    """The rows about students, each without its own number."""
    with sqlite3.connect(course.root / "gradebook.db") as database:
        return {
            table: sorted(map(repr, database.execute(f"SELECT * FROM {table}")))
            for table in OF_STUDENTS
        }


def test_a_block_is_a_statement_a_table_however_many_hand_in(course):
    few = statements(course, ["a1", "a2"])
    many = statements(course, [f"b{number}" for number in range(9)])
    assert [text.split()[:3] for text, _ in few] == [text.split()[:3] for text, _ in many]
    inserts = [text.split()[2] for text, _ in many if text.startswith("INSERT")]
    assert sorted(inserts) == sorted(OF_STUDENTS)
    assert not [text for text, _ in many if text.startswith("UPDATE")]


def test_recording_again_changes_no_row_and_reads_only_the_rows_of_its_students(course):
    students = [f"c{number}" for number in range(3)]
    first = statements(course, students)
    written = rows(course)
    again = statements(course, students)
    assert rows(course) == written and len(written["grade"]) >= 3
    with sqlite3.connect(course.root / "gradebook.db") as database:
        for text, values in first + again:
            if text.startswith(("SELECT", "UPDATE")):
                plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {text}", values)]
                read = [step for step in plan if step.startswith("SCAN")]
                assert not [step for step in read if step.split()[1] in OF_STUDENTS], (text, plan)


def test_a_gradebook_without_indexes_gets_them(course):
    database = sqlite3.connect(course.root / "gradebook.db")
    for index in INDEXES:
        database.execute(f"DROP INDEX IF EXISTS {index.name}")
    database.commit()
    statements(course, ["d1"])
    found = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    database.close()
    assert {index.name for index in INDEXES} <= found


class Counted(tuple):
    """Lines that count how often all of them are read."""

    count = 0

    def __iter__(self):
        self.count += 1
        return super().__iter__()


def test_an_export_reads_all_marks_as_often_for_many_as_for_few(tmp_path):
    counts = []
    for students in (2, 20):
        asked = (Question("why-question", 1.0, 2.0),)
        lines = Counted(Line(f"s{number}", NAME, asked) for number in range(students))
        marks = Marks(lines, Roster(), Settings())
        (table, _) = write_csv(marks, tmp_path / str(students)).files
        assert len(table.read_text().splitlines()) == 1 + students
        counts.append(lines.count)
    assert counts[0] == counts[1] > 0
