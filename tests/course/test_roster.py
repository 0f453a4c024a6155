"""The class from what platforms export: names, numbers, sections, and nobody lost."""

import pytest

from autograder.course import roster
from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.roster import Person, Roster, import_people, read_roster, write_roster

CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Lesson 2 (77),Final Score
    Points Possible,,,,,100,
"Lovelace, Ada",101,s-1,ada@example.org,Monday,,
"Gauß, Carl Friedrich",102,s-2,carl@example.org,Tuesday,,
"Student, Test",999,,,Monday,,
"""
MOODLE = """\
First name,Last name,ID number,Email address,Groups
Ada,Lovelace,s-1,ada@example.org,A
Zoë,Ångström,s-3,zoe@example.org,B
"""
WORKSHEET = """\
Identifier,Full name,Email address,Status,Grade
Participant 4711,Ada Lovelace,ada@example.org,Submitted,
"""
GRADESCOPE = """\
Name,SID,Email,Role,Sections
Ada Lovelace,9001,ada@example.org,Student,1
Prof One,9999,prof@example.org,Instructor,
"""


def imported(tmp_path, text, old=(), encoding="utf-8"):
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode(encoding))
    return import_people(Roster(old), path)


def test_canvas_leaves_out_points_and_the_test_student(tmp_path):
    found = imported(tmp_path, CANVAS)
    assert found.platform == "Canvas"
    assert found.added == ("ada", "carl")
    ada = found.roster.person("ada")
    assert (ada.name, ada.canvas, ada.sis, ada.section) == ("Ada Lovelace", "101", "s-1", "Monday")
    assert found.roster.person("carl").name == "Carl Friedrich Gauß"


def test_a_column_that_is_there_twice_is_no_key_until_one_is_renamed(tmp_path):
    twice = CANVAS.replace("Final Score", "id")
    with pytest.raises(CourseError, match=r"called 'ID' \(numbers 2, 7\)"):
        imported(tmp_path, twice)
    assert imported(tmp_path, CANVAS.replace("Final Score", "Lesson 2 (77)")).added


def test_several_imports_give_one_student_all_numbers(tmp_path):
    people = ()
    for text in (CANVAS, MOODLE, WORKSHEET, GRADESCOPE):
        people = imported(tmp_path, text, people).roster
    ada = people.person("ada")
    assert (ada.canvas, ada.sis, ada.moodle, ada.gradescope) == ("101", "s-1", "4711", "9001")
    assert set(people.people) == {"ada", "carl", "zoe"}


def test_a_large_class_is_looked_through_once_for_each_key(monkeypatch):
    people, looks = Roster(Person(f"s{i}", canvas=f"{i}") for i in range(500)), []
    value = roster._value
    monkeypatch.setattr(roster, "_value", lambda *args: looks.append(1) or value(*args))
    assert [people.find("canvas", f"{i}").id for i in range(500)] == [f"s{i}" for i in range(500)]
    assert people.all("canvas", "500") == people.all("canvas", "") == []
    assert len(looks) == 500


def test_who_is_missing_in_the_file_is_kept_and_named(tmp_path):
    found = imported(tmp_path, MOODLE, [Person("noether", "Emmy Noether")])
    assert found.missing == ("noether",)
    assert "noether" in found.roster.people


def test_the_same_file_again_changes_nothing(tmp_path):
    once = imported(tmp_path, CANVAS).roster
    again = imported(tmp_path, CANVAS, once)
    assert (again.added, again.changed) == ((), ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_and_separators(tmp_path, encoding, separator):
    found = imported(tmp_path, MOODLE.replace(",", separator), encoding=encoding)
    assert found.roster.person("zoe").name == "Zoë Ångström"


def test_logins_that_two_addresses_share_become_whole_addresses(tmp_path):
    found = imported(
        tmp_path, "Name,SID,Email\nAda A,1,ada@a.org\nAda B,2,ada@b.org\nBob,3,bob@a.org\n"
    )
    assert set(found.roster.people) == {"ada-a.org", "ada-b.org", "bob"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no CSV file"),
        ("name,age\nAda,20\n", "no list of students"),
        ("PK\x03\x04\0\0", "no CSV file"),
        ("id,name\nada,Ada\nada,Ada again\n", "more than once"),
    ],
)
def test_a_file_that_is_no_list_is_refused_in_one_line(tmp_path, text, said):
    with pytest.raises(CourseError) as caught:
        imported(tmp_path, text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_without_login_is_left_out_and_named(tmp_path):
    found = imported(tmp_path, "Name,SID,Email\nAda,1,ada@a.org\nNobody,,\n")
    assert found.added == ("ada",)
    assert found.problems == ("line 3 has neither a login nor an address: left out",)


def test_a_roster_is_read_as_it_was_written(tmp_path):
    course = Course(tmp_path)
    roster = Roster([Person("ada", 'Ada "L", Countess', "ada@a.org", "1", "101", "s", "4", "9")])
    write_roster(course, roster)
    assert read_roster(course).people == roster.people
    assert not len(read_roster(Course(tmp_path / "elsewhere")))


def test_a_name_is_found_in_either_order_and_never_by_halves():
    roster = Roster(
        [Person("ada", "Ada Lovelace"), Person("a2", "Ada Byron"), Person("a3", "Ada Byron")]
    )
    assert roster.find("name", "Lovelace, Ada").id == "ada"
    assert roster.find("name", "Ada") is None
    assert roster.find("name", "Ada Byron") is None  # two of them
    assert roster.find("email", "") is None


@pytest.mark.parametrize(
    "content",
    [
        "id;name\nada;Lovelace, Ada\n".encode("utf-8-sig"),
        'id\tname\nada\t"Lovelace, Ada"\n'.encode("utf-16"),
        b"sep=;\r\nid;name\r\nada;Lovelace, Ada\r\n",
        b'id,name,"a; b; c; d"\nada,"Lovelace, Ada",\n',
        b'\n \n"id","name"\r"ada","Lovelace, Ada"\r',
        b"id,name\nada,Lovelace Ada\n,,,,\n",
    ],
)
def test_any_separator_encoding_and_end_of_line(tmp_path, content):
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    (person,) = import_people(Roster(), path).roster
    assert (person.id, person.name.replace(",", "")) == ("ada", "Lovelace Ada")


def test_an_import_keeps_columns_that_an_instructor_added(tmp_path):
    course = Course(tmp_path)
    (tmp_path / "roster.csv").write_text("id,tutor,name\nada,Carl,Ada\nzoe,Emmy,Zoe\n")
    people = [one for one in read_roster(course) if one.id != "zoe"]
    text = write_roster(course, Roster([*people, Person("bob")])).read_text("utf-8")
    assert [line.rpartition(",")[2] for line in text.splitlines()] == ["tutor", "Carl", ""]


def test_a_login_of_which_no_folder_can_be_made_is_told(tmp_path):
    found = imported(tmp_path, "id,name\n@@@,Ada\n...,Zoe\nemmy,Emmy\n")
    assert found.added == ("emmy",)
    assert len(found.problems) == 2
