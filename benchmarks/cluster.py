"""What a cluster costs: workers of this machine against one process that grades one at a time.

    python benchmarks/cluster.py [--few 8] [--many 24] [--workers 1 2 4]

Each grades a few submissions of lesson 02 and then many, start and end included; the difference is
what each further one takes, in seconds and in seconds of the processor, which other programs hardly
change. Efficiency is `--jobs 1` divided by the cluster's, for each worker; of the processor's
seconds it is what is left when no core waits. Below it a task's round trip, and what travels.
"""

import argparse
import pickle
import resource
import tempfile
import time
from pathlib import Path

from grading import make_course
from machine import describe

# isort: split
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.grading.batch import grade_batch
from autograder.grading.cluster import Returned, cluster_blocks, session
from autograder.grading.grader import Grader
from autograder.grading.results import Store
from autograder.submissions.rebuild import read_template
from autograder.submissions.uploads import take

TASKS = 100  # round trips that are timed


def seconds():
    """Seconds so far: of the clock, and of the processor for this process and all that ended."""
    own, ended = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return time.perf_counter(), own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def took(grade, course, lesson, count):
    """Grade so many submissions from nothing; returns both kinds of seconds and the results."""
    book, start = NbgraderCourse(course.root), seconds()
    paths = dict(list(book.submissions(lesson).items())[:count])
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        template = read_template(book.template(lesson))
        with Grader(template, lesson, course.secret(), book.limits) as grader:
            grade(grader, paths, store)
        kept = [store.load(student) for student in paths]
        sizes = [sum(p.stat().st_size for p in Path(folder).glob(f"{s}.*")) for s in paths]
    assert all(kept)
    return [end - begin for end, begin in zip(seconds(), start, strict=True)], max(sizes)


def one_at_a_time(grader, paths, store):
    """Grade in this process."""
    grade_batch(grader, paths, store, jobs=1)


def on_workers(count):
    """Return what grades on so many workers of this machine."""

    def grade(grader, paths, store):
        with session("local", jobs=count) as connect:
            for block in cluster_blocks(connect, grader, paths, store):
                assert not block.faults

    return grade


def each_further(grade, course, lesson, few, many):
    """Both kinds of seconds that one more submission takes."""
    before, _ = took(grade, course, lesson, few)
    after, _ = took(grade, course, lesson, many)
    return [(b - a) / (many - few) for a, b in zip(before, after, strict=True)]


def echo(chunk, size):
    """A task that does nothing: a chunk goes to the worker, and as much as a result back."""
    return Returned("", results={student: (b"0" * size, None) for student in chunk})


def round_trip(upload, size):
    """Milliseconds of one task that does nothing."""
    with session("local", jobs=1) as connect, connect() as client:
        times = []
        for _ in range(TASKS):
            start = time.perf_counter()
            client.submit(echo, {"ada": upload}, size, pure=False).result()
            times.append(time.perf_counter() - start)
    return 1000 * sorted(times)[TASKS // 2]


def main():
    """Print one row for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--few", type=int, default=8)
    parser.add_argument("--many", type=int, default=24)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    chosen = parser.parse_args()
    print(describe(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        course, lesson = make_course(Path(folder) / "course", chosen.many)
        counts = course, lesson, chosen.few, chosen.many
        print(
            f"{'':<12}{'s each':>9}{'efficiency':>12}{'s of the processor':>20}{'efficiency':>12}"
        )
        clock, own = each_further(one_at_a_time, *counts)
        print(f"{'--jobs 1':<12}{clock:9.2f}{1:12.2f}{own:20.2f}{1:12.2f}", flush=True)
        for workers in chosen.workers:
            c, o = each_further(on_workers(workers), *counts)
            shares = clock / (workers * c), own / o
            print(f"{workers:>2} workers  {c:9.2f}{shares[0]:12.2f}{o:20.2f}{shares[1]:12.2f}")
        (path, *_) = NbgraderCourse(course.root).submissions(lesson).values()
        _, size = took(one_at_a_time, course, lesson, 1)
        upload = take(path)
        print(f"a task that does nothing: {round_trip(upload, size):.0f} ms there and back")
        print(f"a submission: {len(pickle.dumps(upload)):,} bytes to a worker, {size:,} back")


if __name__ == "__main__":
    main()
