"""What a large class costs after it was executed: recorded results through the real writer.

    python benchmarks/hundred_thousand.py [--students 10000] [--database URL]

A few submissions of lesson 02 are graded; their results, each as somebody else's, then go through
the store and the gradebook in blocks, as `autograder grade` writes them, and through the report
and the export. For each stage: seconds, milliseconds a submission, peak memory of the process so
far, bytes on the disk. Nothing is executed but the few.
"""

import argparse
import dataclasses
import json
import resource
import tempfile
import time
from pathlib import Path

from grading import make_course
from machine import describe

# isort: split
from autograder.course.class_page import write_summary
from autograder.course.export import export
from autograder.course.folder import open_course
from autograder.course.grade_class import grade_class
from autograder.course.gradebook import Recorder
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.grading.batch import BLOCK
from autograder.submissions.uploads import take

KINDS = 6  # submissions that are executed


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


def main():
    """Print one row a stage."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=10_000)
    parser.add_argument("--database", default="", help="of the gradebook; SQLite by default")
    students, database = vars(parser.parse_args()).values()
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        course, lesson = make_course(Path(folder) / "course", KINDS)
        graded = grade_class(course, lesson)
        results, store = list(graded.results.values()), course.store(lesson)
        observations = [store._path(r.student, ".npz").read_bytes() for r in results]
        originals = list(NbgraderCourse(course.root).submissions(lesson).values())
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

        faults = stage("write", lambda: write(course, lesson, students, results, observations))
        if faults:
            raise SystemExit(json.dumps(faults)[:1000])
        opened = open_course(course.root)
        page = opened.summary(lesson)
        stage("report", lambda: write_summary(page, lesson, opened.store(lesson).all()))
        stage("export", lambda: export(opened, "csv", Path(folder) / "exports"))


if __name__ == "__main__":
    main()
