"""A gradebook in PostgreSQL, started for the test: moved there, and written by several graders."""

import dataclasses
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import warnings
from pathlib import Path

import pytest
from classroom import NAME, content, solution, write_lesson

from autograder.course.errors import CourseError
from autograder.course.folder import init, open_course
from autograder.course.move_gradebook import move_gradebook
from autograder.course.nbgrader_api import NbgraderCourse

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nbgrader.api import Base
    from sqlalchemy import NullPool, create_engine, select

pytestmark = pytest.mark.slow
GRADERS, EACH = 3, 5


class Server:
    """PostgreSQL in a folder of its own; use it in a `with`."""

    def __init__(self, ctl, folder):
        self.ctl, self.folder, self.as_user = ctl, folder, []
        if os.geteuid() == 0:  # it refuses to run as root
            shutil.chown(folder, "postgres")
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"postgresql+psycopg://grader@127.0.0.1:{self.port}"

    def __enter__(self):
        self.control("initdb", "-o", "--auth=trust --username=grader --no-sync")
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()

    def start(self):
        places = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self.control("start", "-l", f"{self.folder}/log", "-o", f"-p {self.port} {places}")

    def stop(self):
        self.control("stop", "-m", "immediate")

    def restart(self):
        """Stop, and start in a while, as after an update."""
        self.stop()
        threading.Timer(2, self.start).start()

    def control(self, *arguments):
        command = [*self.as_user, self.ctl, "-D", f"{self.folder}/data", "-w", *arguments]
        nothing = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        subprocess.run(command, cwd=self.folder, check=True, **nothing)


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL of the test's own."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    ctl = shutil.which("pg_ctl") or (str(found[-1]) if found else None)
    if ctl is None:
        pytest.skip("no PostgreSQL here (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    with tempfile.TemporaryDirectory() as folder, Server(ctl, folder) as started:
        yield started


def database(server, name):
    """Make an empty database and return its address."""
    options = {"isolation_level": "AUTOCOMMIT", "poolclass": NullPool}
    with create_engine(f"{server.url}/postgres", **options).connect() as one:
        one.exec_driver_sql(f"CREATE DATABASE {name}")
    return f"{server.url}/{name}"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A released course in which nobody is graded yet."""
    root = tmp_path_factory.mktemp("courses") / "course"
    made, _ = init(root, src=write_lesson(root.parent / "src"))
    NbgraderCourse(root).generate_assignment(NAME)
    for number in range(GRADERS * EACH + 1):
        folder = root / "submitted" / f"student-{number:02}" / NAME
        folder.mkdir(parents=True)
        (folder / f"{NAME}.ipynb").write_bytes(content(solution()))
    return made


def rows(url):
    """Every row of a gradebook, by table."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in Base.metadata.sorted_tables
        }


@pytest.fixture(scope="module")
def result(course):
    """The result of one of them, which is everybody's."""
    from autograder.grading.grader import Grader
    from autograder.submissions.rebuild import read_template

    book = NbgraderCourse(course.root)
    with Grader(read_template(book.template(NAME)), NAME, course.secret()) as grader:
        return grader.grade(book.handed_in(NAME).notebooks["student-00"], "student-00")


def record(root, result, students, meanwhile=None):
    """Write the marks of some students, as a grader does; returns its faults.

    Args:
        meanwhile: called once in the midst of the transaction, when rows have been sent.
    """
    from autograder.course.gradebook import Recorder
    from autograder.submissions.uploads import take

    book = NbgraderCourse(root)
    paths = {s: p for s, p in book.handed_in(NAME).notebooks.items() if s in students}
    results = {
        student: dataclasses.replace(result, student=student, file=take(path).digest)
        for student, path in paths.items()
    }
    with Recorder(book, NAME) as recorder:
        assert recorder.can
        if meanwhile:
            add = recorder._add

            def interrupted(new):
                add(new)
                recorder._add = add
                meanwhile()

            recorder._add = interrupted
        faults = recorder.record(results, paths)
        if meanwhile:
            meanwhile()
            assert recorder.unchanged(results) == set(results)
        return faults


def test_a_gradebook_moves_with_every_row_and_several_graders_write_it_through_a_restart(
    server, course, result
):
    assert record(course.root, result, ["student-00", "student-01"]) == {}
    old = NbgraderCourse(course.root).coursedir.db_url
    url = database(server, "moved")
    counts = move_gradebook(open_course(course.root), url)
    assert rows(url) == rows(old) and counts["submitted_assignment"] == 2
    with pytest.raises(CourseError, match="already: name an empty database"):
        move_gradebook(course, url)

    text = course.config.read_text()
    course.config.write_text(
        text.replace("configure(c)", f"c.CourseDirectory.db_url = {url!r}\nconfigure(c)")
    )
    students = [f"student-{number:02}" for number in range(GRADERS * EACH)]
    faults, threads = [], []
    for number in range(GRADERS):
        own = students[number::GRADERS]
        run = lambda own=own: faults.append(record(course.root, result, own))  # noqa: E731
        threads.append(threading.Thread(target=run))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == [{}] * GRADERS
    marks = rows(url)
    assert len(marks["submitted_assignment"]) == len(students)

    assert record(course.root, result, [f"student-{GRADERS * EACH:02}"], server.restart) == {}
    marks = rows(url)
    assert len(marks["submitted_assignment"]) == len(students) + 1

    server.stop()
    broken = pytest.raises(CourseError, match="What was graded is kept")
    with broken:
        record(course.root, result, students)
    server.start()
    assert record(course.root, result, students) == {}
    assert {n: len(r) for n, r in rows(url).items()} == {n: len(r) for n, r in marks.items()}


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("nowhere", "no address of a database"),
        ("postgresql+psycopg://grader@127.0.0.1:1/course", "gradebook is where it was"),
    ],
)
def test_an_address_without_a_database_is_one_clear_line(course, url, match):
    with pytest.raises(CourseError, match=match):
        move_gradebook(course, url)
