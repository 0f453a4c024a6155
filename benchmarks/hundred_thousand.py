"""What a large class costs after it was executed: recorded results through the real writer.

    python benchmarks/hundred_thousand.py [--students 10000] [--database URL] [--read]

A few submissions of lesson 02 are graded; their results, each as somebody else's, then go through
the store and the gradebook in blocks, as `autograder grade` writes them, and through the report,
the export and some pages of feedback. For each stage: seconds, milliseconds a submission, peak
memory of the process so far, bytes on the disk. Nothing is executed but the few. With
`--read` results and rows are copied instead, and no notebooks; what is measured is who reads them.
"""

import argparse
import contextlib
import dataclasses
import json
import resource
import sqlite3
import tempfile
import time
from pathlib import Path

from grading import make_course
from machine import describe

# isort: split
from autograder.course.export import export
from autograder.course.feedback import write_feedback
from autograder.course.folder import open_course
from autograder.course.grade_class import grade_class
from autograder.course.gradebook import Recorder
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.course.reporting import report_lesson
from autograder.grading.batch import BLOCK
from autograder.grading.results import write_atomically
from autograder.submissions.uploads import take

KINDS = 6  # submissions that are executed
PAGES = 100  # of feedback


def hand_in(root, lesson, students, originals):
    """Put a copy of one of the originals into each student's folder."""
    contents = [path.read_bytes() for path in originals]
    for number in range(students):
        path = root / "submitted" / f"s{number:06}" / lesson / f"{lesson}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(contents[number % len(contents)])


def write(course, lesson, students, results, observations):
    """Write everybody's result and mark, in blocks; returns the faults."""
    book, store, faults = NbgraderCourse(course.root), course.store(lesson), {}
    with Recorder(book, lesson) as recorder:
        for start in range(0, students, BLOCK):
            block, paths = {}, {}
            for number in range(start, min(start + BLOCK, students)):
                student = f"s{number:06}"
                paths[student] = course.root / "submitted" / student / lesson / f"{lesson}.ipynb"
                block[student] = dataclasses.replace(
                    results[number % KINDS], student=student, file=take(paths[student]).digest
                )
                store.keep(block[student], observations[number % KINDS])
            faults |= recorder.record(block, paths)
    return faults


def copy(course, lesson, students, results):
    """Copy the few results, and their rows of the gradebook, for everybody; no notebooks."""
    store = course.store(lesson)
    texts = [store._path(one.student).read_bytes() for one in results]
    old = [json.dumps({"student": one.student})[1:-1].encode() for one in results]
    for number in range(students):
        new = f'"student": "s{number:06}"'.encode()
        text = texts[number % KINDS].replace(old[number % KINDS], new, 1)
        write_atomically(store._path(f"s{number:06}"), text, through=False)
    pairs = [(results[n % KINDS].student, f"s{n:06}") for n in range(students)]
    path = NbgraderCourse(course.root).coursedir.db_url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path.partition("?")[0])) as database, database:
        database.execute("CREATE TEMP TABLE who (old, new)")
        database.executemany("INSERT INTO who VALUES (?, ?)", pairs)
        for statement in COPY:
            database.execute(statement)


OF_STUDENTS = "JOIN submitted_assignment a ON a.id = n.assignment_id JOIN who ON a.student_id = old"
COPY = (
    "INSERT INTO student (id) SELECT new FROM who",
    "INSERT INTO submitted_assignment (id, assignment_id, student_id, timestamp) "
    "SELECT id || new, assignment_id, new, timestamp "
    "FROM submitted_assignment JOIN who ON student_id = old",
    "INSERT INTO submitted_notebook (id, assignment_id, notebook_id) "
    f"SELECT n.id || new, a.id || new, notebook_id FROM submitted_notebook n {OF_STUDENTS}",
    "INSERT INTO grade (id, notebook_id, cell_id, auto_score, extra_credit, needs_manual_grade) "
    "SELECT g.id || new, n.id || new, cell_id, auto_score, extra_credit, needs_manual_grade "
    f"FROM grade g JOIN submitted_notebook n ON g.notebook_id = n.id {OF_STUDENTS}",
    "INSERT INTO comment (id, notebook_id, cell_id, auto_comment) "
    "SELECT c.id || new, n.id || new, cell_id, auto_comment "
    f"FROM comment c JOIN submitted_notebook n ON c.notebook_id = n.id {OF_STUDENTS}",
)


def main():
    """Print one row a stage."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=10_000)
    parser.add_argument("--database", default="", help="of the gradebook; SQLite by default")
    parser.add_argument("--read", action="store_true", help="copy what is written, and read it")
    students, database, only_read = vars(parser.parse_args()).values()
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        course, lesson = make_course(Path(folder) / "course", KINDS)
        graded = grade_class(course, lesson)
        results, store = list(graded.results.values()), course.store(lesson)
        observations = [store._path(r.student, ".npz").read_bytes() for r in results]
        originals = list(NbgraderCourse(course.root).submissions(lesson).values())
        if not only_read:
            hand_in(course.root, lesson, students, originals)
        if database:
            from autograder.course.move_gradebook import move_gradebook

            move_gradebook(course, database)
            line = f"c.CourseDirectory.db_url = {database!r}\nconfigure(c)"
            text = course.config.read_text()
            course.config.write_text(text.replace("configure(c)", line))

        def stage(name, work):
            start = time.perf_counter()
            came = work()
            seconds = time.perf_counter() - start
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
            disk = sum(p.stat().st_blocks * 512 for p in Path(folder).rglob("*") if p.is_file())
            print(
                f"{name:<10} {seconds:8.1f} s {seconds / students * 1000:7.2f} ms each "
                f"{memory:7.0f} MB of memory {disk / 2**20:8.0f} MB on disk",
                flush=True,
            )
            return came

        if only_read:
            stage("copy", lambda: copy(course, lesson, students, results))
        elif faults := stage(
            "write", lambda: write(course, lesson, students, results, observations)
        ):
            raise SystemExit(json.dumps(faults)[:1000])
        opened = open_course(course.root)
        stage("report", lambda: report_lesson(opened, lesson) and None)
        stage("export", lambda: export(opened, "csv", Path(folder) / "exports"))
        few = [f"s{number:06}" for number in range(min(PAGES, students))]
        if not only_read:
            stage(f"{len(few)} pages", lambda: write_feedback(opened, lesson, few))


if __name__ == "__main__":
    main()
