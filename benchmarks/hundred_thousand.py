"""What a large class costs after it was executed: recorded results through the real writer.

    python benchmarks/hundred_thousand.py [--students 10000] [--database URL] [--folder FOLDER]
                                          [--read]

A few submissions of lesson 02 are graded. Their results, each as somebody else's, then go through
the store and the gradebook in blocks, as `autograder grade` writes them; who hands in is a link to
one of the few notebooks. Then everything is read: to see that nothing changed, by the report, the
export, some feedback pages, `mine`, `similarity`, and nbgrader's own list of submissions. For each
stage: seconds, and seconds of the processor, which other programs do not change; for a submission;
peak memory so far.

With --folder the class stays there, and is only read where it is complete already. With --read
results and rows are copied instead, and no notebooks: what is measured is who reads them.
"""

import argparse
import contextlib
import copy
import dataclasses
import json
import resource
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from pathlib import Path

from grading import make_course
from machine import describe

# isort: split
from autograder.course.export import export
from autograder.course.feedback import write_feedback
from autograder.course.folder import open_course
from autograder.course.grade_class import grade_class
from autograder.course.gradebook import Recorder
from autograder.course.mine import read_clusters
from autograder.course.nbgrader_api import NbgraderCourse, quiet
from autograder.course.reporting import report_lesson
from autograder.course.similar_page import write_similarity
from autograder.grading.batch import BLOCK
from autograder.grading.results import write_atomically
from autograder.submissions.rebuild import read_template, rebuild
from autograder.submissions.uploads import take

KINDS = 10  # submissions that are executed: of ten people who misunderstood different things
PAGES = 100  # of feedback
COPIES = 1000  # notebooks of which it is timed what copying takes, a part of writing
WRITTEN = (".autograder", "autograded", "gradebook.db", "feedback", "exports")


class Class:
    """A course in which many have handed in what a few have."""

    def __init__(self, folder, students, database):
        self.folder, self.students = folder, [f"s{number:06}" for number in range(students)]
        if not (folder / "course").exists():
            course, lesson = make_course(folder / "few", KINDS)
            assert not grade_class(course, lesson).faults
            shutil.copytree(folder / "few", folder / "course")
            if database:
                move(open_course(folder / "course"), database)
        self.course = open_course(folder / "course")
        (self.lesson,) = self.course.lessons()
        self.book, self.store = NbgraderCourse(self.course.root), self.course.store(self.lesson)
        few = NbgraderCourse(folder / "few")
        self.originals = list(few.submissions(self.lesson).values())
        kept = open_course(folder / "few").store(self.lesson)
        self.results = [kept.load(path.parts[-3]) for path in self.originals]
        self.observations = [kept._path(one.student, ".npz").read_bytes() for one in self.results]
        template = read_template(few.template(self.lesson))
        taken = [take(path) for path in self.originals]
        self.digests = [one.digest for one in taken]
        rebuilt = [rebuild(template, one.submission()) for one in taken]
        self.notebooks = [one.notebook for one in rebuilt]  # as the grader has them

    def path(self, student):
        """Where a student's notebook lies."""
        return self.course.root / "submitted" / student / self.lesson / f"{self.lesson}.ipynb"

    def result(self, student):
        """The result of one of the few, as this student's."""
        kind = self.kind(student)
        digest = self.digests[kind]
        return dataclasses.replace(self.results[kind], student=student, file=digest)

    def kind(self, student):
        """Which of the few this student copies."""
        return int(student[1:]) % KINDS

    def blocks(self):
        """The students as they are graded together."""
        return (self.students[i : i + BLOCK] for i in range(0, len(self.students), BLOCK))

    def hand_in(self):
        """Put a link to one of the few notebooks into each student's folder."""
        for student in self.students:
            path = self.path(student)
            path.parent.mkdir(parents=True)
            path.hardlink_to(self.originals[self.kind(student)])

    def notebook(self, student):
        """One of the few notebooks, with code cells of its own, which are filled in."""
        notebook = copy.copy(self.notebooks[self.kind(student)])
        notebook["cells"] = [
            copy.copy(cell) if cell["cell_type"] == "code" else cell for cell in notebook["cells"]
        ]
        notebook["metadata"] = copy.copy(notebook["metadata"])
        return notebook

    def copy_notebooks(self):
        """Copy a few notebooks as `write` does: of a class, each is there when it was graded."""
        for student in self.students[:COPIES]:
            self.notebook(student)

    def write(self):
        """Write everybody's result, observations, marks and notebook, in blocks."""
        with Recorder(self.book, self.lesson) as recorder:
            assert recorder.can
            for block in self.blocks():
                results = {student: self.result(student) for student in block}
                notebooks = {student: self.notebook(student) for student in block}
                for student, result in results.items():
                    self.store.keep(result, self.observations[self.kind(student)])
                paths = {student: self.path(student) for student in block}
                if faults := recorder.record(results, paths, notebooks):
                    raise SystemExit(json.dumps(faults)[:1000])

    def copy(self):
        """Copy the few results, and their rows of SQLite's gradebook, for everybody."""
        texts = [json.dumps(one.to_dict(), ensure_ascii=False) for one in self.results]
        old = [json.dumps({"student": one.student})[1:-1] for one in self.results]
        for student in self.students:
            kind = self.kind(student)
            text = texts[kind].replace(old[kind], f'"student": "{student}"', 1)
            write_atomically(self.store._path(student), text.encode(), through=False)
        pairs = [(self.results[self.kind(student)].student, student) for student in self.students]
        path = self.book.coursedir.db_url.removeprefix("sqlite:///").partition("?")[0]
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TEMP TABLE who (old, new)")
            database.executemany("INSERT INTO who VALUES (?, ?)", pairs)
            for statement in COPY:
                database.execute(statement)

    def look_again(self):
        """What `autograder grade` asks of everybody when nothing has changed."""
        with Recorder(self.book, self.lesson) as recorder:
            for block in self.blocks():
                results = {student: self.store.load(student) for student in block}
                assert recorder.unchanged(results) == set(block)

    def list_submissions(self):
        """What nbgrader's formgrader asks for its page of all submissions of a lesson."""
        with quiet():
            assert len(self.book.api.get_submissions(self.lesson)) >= len(self.students)

    def disk(self):
        """Gigabytes on the disk, by what was written."""
        used = Counter()
        for path in self.course.root.rglob("*"):
            if path.is_file() and (part := path.relative_to(self.course.root).parts[0]) in WRITTEN:
                kind = path.suffix if part == ".autograder" else ""
                used[f"{part} {kind}".strip()] += path.stat().st_blocks * 512
        return {name: round(size / 1e9, 2) for name, size in used.most_common()}


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


def move(course, database):
    """Have PostgreSQL keep the gradebook."""
    from autograder.course.move_gradebook import move_gradebook

    move_gradebook(course, database)
    line = f"c.CourseDirectory.db_url = {database!r}\nconfigure(c)"
    course.config.write_text(course.config.read_text().replace("configure(c)", line))


def stage(name, count, work):
    """Run and time one stage; print its row."""
    wall, own = time.perf_counter(), time.process_time()
    work()
    wall, own = time.perf_counter() - wall, time.process_time() - own
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{name:<18}{wall:9.1f} s{own:9.1f} s of the processor {1000 * own / count:8.2f} ms each "
        f"{memory:6.2f} GB of memory",
        flush=True,
    )


def main():
    """Print one row a stage."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=10_000)
    parser.add_argument("--database", default="", help="of the gradebook; SQLite by default")
    parser.add_argument("--folder", type=Path, help="where the class stays")
    parser.add_argument("--read", action="store_true", help="copy what is written, and read it")
    chosen = parser.parse_args()
    print(describe(), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        whole = Class(folder, chosen.students, chosen.database)
        count, course, lesson = chosen.students, whole.course, whole.lesson
        if whole.store.has(whole.students[-1]):
            print("The class is there already.")
        elif chosen.read:
            stage("copy", count, whole.copy)
        else:
            stage("hand in", count, whole.hand_in)
            stage("copies, apart", min(count, COPIES), whole.copy_notebooks)
            stage("write", count, whole.write)
        stage("report", count, lambda: report_lesson(course, lesson))
        output = course.root / "exports"
        stage("export", count, lambda: export(course, "csv", output, replace=True))
        if not chosen.read:  # what needs the notebooks
            stage("nothing changed", count, whole.look_again)
            few = whole.students[:PAGES]
            stage(f"{len(few)} pages", len(few), lambda: write_feedback(course, lesson, few))
            stage("unknown mistakes", count, lambda: read_clusters(course, lesson))
            stage("similarity", count, lambda: write_similarity(course, lesson))
        stage("nbgrader's list", count, whole.list_submissions)
        print("GB on the disk:", whole.disk(), flush=True)


if __name__ == "__main__":
    main()
