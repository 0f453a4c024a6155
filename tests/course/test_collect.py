"""Zips of four platforms: whose each notebook is, when it came, and what was not taken."""

import datetime
import errno
import hashlib
import io
import json
import os
import stat
import zipfile

import pytest
from classroom import NAME as LESSON
from classroom import failing

from autograder.course.collect import collect, late_unknown
from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.roster import Person, Roster
from autograder.submissions.uploads import timestamp

ROSTER = Roster(
    [
        Person("ada", "Ada Lovelace", "ada@example.org", canvas="101", moodle="4711", sis="s-1"),
        Person("zoe", "Zoë Ångström", "zoe@example.org", canvas="102", moodle="4712", sis="s-2"),
    ]
)
NOTEBOOK = f"{LESSON}.ipynb"


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def course(tmp_path):
    (tmp_path / "course").mkdir()
    return Course(tmp_path / "course")


def collected(course, members, times=None, name="submissions.zip"):
    archive = zipped(course.root.parent / name, members)
    return collect(course, LESSON, [archive], ROSTER, times)


def read(course, student, name=NOTEBOOK):
    return (course.root / "submitted" / student / LESSON / name).read_bytes()


CANVAS = {
    f"lovelaceada_101_9001_{LESSON}.ipynb": b"first",
    f"lovelaceada_101_9003_{LESSON}-2.ipynb": b"third",
    f"lovelaceada_101_9002_{LESSON}-1.ipynb": b"second",
    "lovelaceada_101_9004_helper.py": b"x = 1",
    f"angstromzoe_LATE_102_9005_{LESSON}.ipynb": b"late",
}
MOODLE = {
    f"Ada Lovelace_4711_assignsubmission_file_/{NOTEBOOK}": b"ada",
    f"Zoë Ångström_4712_assignsubmission_file_{NOTEBOOK}": b"zoe",
}
BLACKBOARD = {
    f"Lesson 2_ada_attempt_2026-10-01-10-00-00_{NOTEBOOK}": b"early",
    f"Lesson 2_ada_attempt_2026-10-02-11-30-00_{NOTEBOOK}": b"later",
    "Lesson 2_ada_attempt_2026-10-02-11-30-00.txt": b"Name: Ada Lovelace (ada)",
    f"Lesson 2_s-2_attempt_2026-10-01-09-00-00_{NOTEBOOK}": b"zoe",
}
GRADESCOPE = {
    "assignment_7_export/submission_metadata.yml": b"""\
submission_31:
  :submitters:
  - :name: Ada Lovelace
    :sid: s-1
    :email: ada@example.org
  :created_at: 2026-10-01 12:00:00.123 +02:00
submission_32:
  :submitters:
  - :name: Zoe
    :email: ZOE@example.org
  :created_at: 2026-10-01 12:30:00.000000000 Z
""",
    f"assignment_7_export/submission_31/{NOTEBOOK}": b"ada",
    f"assignment_7_export/submission_32/{NOTEBOOK}": b"zoe",
}


def test_canvas_takes_the_highest_number_and_remembers_a_lateness_without_a_time(course):
    done = collected(course, CANVAS)
    assert done.students == {"ada": "new", "zoe": "new"}
    assert read(course, "ada") == b"third"
    assert read(course, "ada", "helper.py") == b"x = 1"
    assert done.late_unknown == late_unknown(course, LESSON) == ["zoe"]
    assert done.problems == []


def test_moodle_in_folders_and_without(course):
    done = collected(course, MOODLE)
    assert done.students == {"ada": "new", "zoe": "new"}
    assert (read(course, "ada"), read(course, "zoe")) == (b"ada", b"zoe")


@pytest.mark.parametrize("folder", ["file_/", "file/", "file_/mine/deep/", "file/mine/", "file_"])
def test_moodle_of_every_version_with_folders_of_the_student_and_what_was_typed(course, folder):
    typed = folder.partition("/")[0].replace("file", "onlinetext")
    done = collected(
        course,
        {
            f"Ada Lovelace_4711_assignsubmission_{folder}{NOTEBOOK}": b"ada",
            f"Ada Lovelace_4711_assignsubmission_{typed}/onlinetext.html": b"my notes",
            f"Zoë Ångström_4712_assignsubmission_{typed}/onlinetext.html": b"only this",
        },
    )
    assert done.students == {"ada": "new"}
    assert read(course, "ada") == b"ada"
    assert done.problems == [f"zoe: no notebook instead of one {NOTEBOOK}: not collected"]


def test_moodle_by_name_where_the_roster_has_no_number(course):
    roster = Roster([Person("ada", "Lovelace, Ada")])
    archive = zipped(course.root.parent / "m.zip", MOODLE)
    done = collect(course, LESSON, [archive], roster)
    assert list(done.students) == ["ada"]
    assert len(done.problems) == 1
    assert "Zoë Ångström" in done.problems[0]


def test_blackboard_has_times_and_the_latest_counts(course):
    done = collected(course, BLACKBOARD)
    assert (read(course, "ada"), read(course, "zoe")) == (b"later", b"zoe")
    when, _ = timestamp(course.root / "submitted" / "ada" / LESSON)
    assert when == datetime.datetime(2026, 10, 2, 11, 30)
    assert done.problems == ["ada: 2 hand-ins, the latest was taken"]


def test_blackboard_finds_user_names_with_underscores_and_not_who_is_called_as_their_end(course):
    roster = Roster([Person("ada_l"), Person("l"), Person("zoe")])
    names = [
        f"{lesson}_{user}" for lesson in ("Lesson 2", "gradebook_x_2") for user in ("l", "zoe")
    ]
    for before, user in zip(names, ("l", "zoe", "l", "zoe"), strict=True):
        archive = zipped(
            course.root.parent / "b.zip",
            {f"{before}_attempt_2026-10-01-10-00-00_{NOTEBOOK}": before.encode()},
        )
        assert list(collect(course, LESSON, [archive], roster).students) == [user]
    archive = zipped(
        course.root.parent / "b.zip",
        {f"Lesson 2_ada_l_attempt_2026-10-01-10-00-00_{NOTEBOOK}": b"of ada_l"},
    )
    assert list(collect(course, LESSON, [archive], roster).students) == ["ada_l"]


def test_gradescope_has_times_with_their_zone(course):
    done = collected(course, GRADESCOPE)
    assert done.students == {"ada": "new", "zoe": "new"}
    when, _ = timestamp(course.root / "submitted" / "ada" / LESSON)
    assert when == datetime.datetime(2026, 10, 1, 10, 0)


def test_times_from_a_worksheet(course):
    sheet = course.root.parent / "worksheet.csv"
    sheet.write_text(
        "Identifier,Full name,Last modified (submission)\n"
        'Participant 4711,Ada Lovelace,"Thursday, 1 October 2026, 10:15 PM"\n'
        "Participant 4712,Zoë Ångström,-\n",
        encoding="utf-8",
    )
    collected(course, MOODLE, times=sheet)
    assert timestamp(course.root / "submitted" / "ada" / LESSON)[0] == datetime.datetime(
        2026, 10, 1, 22, 15
    )
    assert timestamp(course.root / "submitted" / "zoe" / LESSON)[0] is None


def test_what_was_there_before_is_kept_and_the_same_again_changes_nothing(course):
    collected(course, MOODLE)
    assert collected(course, MOODLE).students == {"ada": "unchanged", "zoe": "unchanged"}
    changed = {**MOODLE, f"Ada Lovelace_4711_assignsubmission_file_/{NOTEBOOK}": b"better"}
    assert collected(course, changed).students == {"ada": "replaced", "zoe": "unchanged"}
    earlier = list((course.private / "earlier" / "ada" / LESSON).rglob("*.ipynb"))
    assert [path.read_bytes() for path in earlier] == [b"ada"]


def test_a_late_hand_in_that_came_again_in_time_is_late_no_more(course):
    collected(course, CANVAS)
    collected(course, {f"angstromzoe_102_9009_{LESSON}-1.ipynb": b"again"})
    assert late_unknown(course, LESSON) == []


# ------------------------------------------------------------------------------- bad input


def link():
    info = zipfile.ZipInfo(f"lovelaceada_101_9000_{LESSON}.ipynb")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({f"nobody_555_1_{LESSON}.ipynb": b""}, "not in the roster"),
        ({"lovelaceada_101_1_essay.pdf": b""}, "no notebook instead of one"),
        ({"lovelaceada_101_1_a.ipynb": b"", "lovelaceada_101_2_b.ipynb": b""}, "instead of one"),
        ({**CANVAS, "../../escape.ipynb": b""}, "leads out of its folder"),
        ({**CANVAS, "/etc/cron.d/x": b""}, "leads out of its folder"),
        ({**CANVAS, "C:\\x.ipynb": b""}, "leads out of its folder"),
        ({**CANVAS, link(): b"/etc/passwd"}, "symbolic link"),
        ({**CANVAS, "notes.txt": b""}, "no hand-in of Canvas"),
        ({f"lovelaceada_101_1_{LESSON}.zip": b"no zip"}, "a damaged zip"),
    ],
)
def test_what_is_not_taken_is_said_in_one_line_and_the_rest_goes_on(course, members, said):
    done = collected(course, members)
    assert any(said in problem for problem in done.problems), done.problems
    assert all("\n" not in problem for problem in done.problems)
    outside = [path for path in course.root.parent.iterdir() if path.name == "escape.ipynb"]
    assert not outside


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x05\x06" + bytes(10)])
def test_a_broken_zip_is_refused_whole(course, content):
    path = course.root.parent / "broken.zip"
    path.write_bytes(content)
    with pytest.raises(CourseError, match="no zip, or a damaged one"):
        collect(course, LESSON, [path], ROSTER)


def test_a_damaged_member_costs_nobody_else(course):
    path = zipped(course.root.parent / "s.zip", MOODLE)
    content = bytearray(path.read_bytes())
    content[content.index(b"ada", content.index(b".ipynb"))] ^= 1  # the data of the first
    path.write_bytes(content)
    done = collect(course, LESSON, [path], ROSTER)
    assert list(done.students) == ["zoe"]
    assert "damaged at this hand-in" in done.problems[0]


def test_a_zip_of_something_else_is_named(course):
    with pytest.raises(CourseError, match="no export of Canvas"):
        collected(course, {"holiday.jpg": b""})
    with pytest.raises(CourseError, match=r"nothing to read .*its path leads out of its folder"):
        collected(course, {f"../ada_1_2_{LESSON}.ipynb": b"{}"})
    with pytest.raises(CourseError, match="There is no file"):
        collect(course, LESSON, [course.root / "none.zip"], ROSTER)


def test_times_of_somebody_unknown_are_named(course):
    (sheet := course.root.parent / "times.csv").write_text("id,time\nadda,2026-10-01\n")
    done = collected(course, MOODLE, times=sheet)
    assert done.problems == ["times.csv has times of 1 not in the roster: adda"]


@pytest.mark.parametrize(
    "text", ["who,when\nada,now\n", "id,time\nada,soon\n", "id,time\nada,2026-13-45\n"]
)
def test_times_that_are_none_are_refused(course, text):
    sheet = course.root.parent / "times.csv"
    sheet.write_text(text)
    with pytest.raises(CourseError):
        collected(course, MOODLE, times=sheet)


# ----------------------------------------------------------------------------------- packed


def packed(content, told):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(NOTEBOOK, content)
        archive.writestr("pack.json", told)
    return out.getvalue()


def test_a_packed_upload_is_opened_and_its_digest_compared(course):
    told = json.dumps({"notebook": NOTEBOOK, "sha256": hashlib.sha256(b"mine").hexdigest()})
    done = collected(
        course,
        {
            f"lovelaceada_101_1_{LESSON}.zip": packed(b"mine", told),
            f"angstromzoe_102_2_{LESSON}.zip": packed(b"other", told),
        },
    )
    assert done.students == {"ada": "new"}
    assert read(course, "ada") == b"mine"
    assert "not what was packed" in done.problems[0]
    assert not (course.root / "submitted" / "ada" / LESSON / "pack.json").exists()


def test_one_of_two_students_of_a_name_is_not_guessed(course):
    archive = zipped(
        course.root.parent / "m.zip",
        {f"Ada Lovelace_99_assignsubmission_file_/{NOTEBOOK}": b"{}"},
    )
    roster = Roster([Person("ada", "Ada Lovelace"), Person("ada2", "Lovelace, Ada")])
    done = collect(course, LESSON, [archive], roster)
    assert done.students == {}
    assert "may be each of ada, ada2" in done.problems[0]


def test_a_damaged_member_costs_its_student_only(course):
    archive = course.root.parent / "c.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr(f"ada_101_1_{LESSON}.ipynb", "a" * 1000)
        written.writestr(f"zoe_102_2_{LESSON}.ipynb", b"zoe")
    name = f"ada_101_1_{LESSON}.ipynb".encode()
    data = archive.read_bytes()
    at = data.index(name) + len(name)
    archive.write_bytes(data[:at] + b"\xff\xff" + data[at + 2 :])
    done = collect(course, LESSON, [archive], ROSTER)
    assert done.students == {"zoe": "new"}
    assert "damaged" in done.problems[0]


def test_a_file_whose_name_no_folder_holds_is_left_out(course):
    done = collected(course, CANVAS | {f"lovelaceada_101_9005_{'x' * 300}.py": b"x = 1"})
    assert done.students == {"ada": "new", "zoe": "new"}
    assert "name" in done.problems[0]


@pytest.mark.parametrize("submitters", ["3", "ada", "[ada, 3]", "{:name: Ada}", "[" * 2000])
def test_gradescope_metadata_of_another_form(course, submitters):
    members = {
        "e/submission_metadata.yml": f"submission_31:\n  :submitters: {submitters}\n",
        f"e/submission_31/{NOTEBOOK}": b"ada",
    }
    try:
        done = collected(course, members)
    except CourseError as error:
        assert "damaged" in str(error)
    else:
        assert done.students == {}
        assert "nobody" in done.problems[0]


@pytest.mark.parametrize("call", ["stat", "listdir"])
def test_what_stands_there_and_cannot_be_read_stays_and_the_rest_goes_on(course, monkeypatch, call):
    collected(course, CANVAS)
    again = {name: b"again" for name in CANVAS}
    with monkeypatch.context() as broken:
        failing(broken, call, errno.EIO, "ada")
        done = collected(course, again)
    (said,) = done.problems
    assert said.startswith("ada: ") and os.strerror(errno.EIO) in said
    assert done.students == {"zoe": "replaced"} and read(course, "ada") == b"third"
    assert collected(course, again).students == {"ada": "replaced", "zoe": "unchanged"}
