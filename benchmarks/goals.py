"""The goals of grading's speed beside what this machine does, in one run of about eight minutes.

One line a goal: the figure, the goal, and whether it is met.

    python benchmarks/goals.py [--submissions 60] [--plain 6] [--class 300] [--large 1500]

Lesson 02 is graded with the command that an instructor types, with what its checks expect kept from
the grading before, as in a course that is under way; plain nbgrader grades the first few of the
same cells, without experiments. The larger classes are recorded results of a few submissions, each
as somebody else's, which go through the real writer; nothing of them is executed again.
"""

import argparse
import datetime
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from grading import PROCESSES, further, limit, make_course, ours, plain, without_our_parts
from hundred_thousand import Class
from machine import describe

# isort: split
from autograder.course import preview as previewing
from autograder.grading import grader

NOTHING = 4  # kB a submission: what an allocator keeps of a class, a result has 44
LESSONS = 10_000  # submissions that a dry run is reckoned up to


def row(what, value, unit, *, least=None, most=None):
    """Print one line of the table, with its goal and whether it is met where there is one."""
    goal = ""
    if least is not None:
        goal = f"at least {least:<6g}{'met' if value >= least else 'MISSED'}"
    elif most is not None:
        goal = f"at most {most:<7g}{'met' if value <= most else 'MISSED'}"
    print(f"{what:<52}{value:10.2f} {unit:<14}{goal}".rstrip(), flush=True)


def first_judged(course, lesson):
    """Return the seconds from the start of the command to the first submission with marks."""
    known = len(course.log.read())
    start = datetime.datetime.now(datetime.UTC)
    student = min(path.name for path in (course.root / "submitted").iterdir())
    ours(course, lesson, PROCESSES, "--force", "--student", student)
    graded = (line for line in course.log.read()[known:] if line["event"] == "graded")
    return (datetime.datetime.fromisoformat(next(graded)["time"]) - start).total_seconds()


def unchanged(course, lesson):
    """Return the seconds of grading a class in which nothing changed, and the peak memory in MB."""
    command = [sys.executable, "-m", "autograder", "grade", str(course.root), lesson]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=-3, stderr=-3) as engine:
        _, status, used = os.wait4(engine.pid, 0)
        engine.returncode = os.waitstatus_to_exitcode(status)
    if engine.returncode:
        raise RuntimeError(f"{command} ended with {engine.returncode}")
    return time.perf_counter() - start, used.ru_maxrss / 2**10


def recorded_class(folder, students):
    """Return a course with the results of a few as everybody's; prints what writing them takes."""
    folder.mkdir()
    whole = Class(folder, students, "")
    whole.hand_in()
    start = time.perf_counter()
    whole.write()
    each = 1000 * (time.perf_counter() - start) / students
    row(f"result and mark written, of {students}", each, "ms each", most=10)
    return whole.course


def dry_run(course, lesson):
    """Print what another judge would change for everybody: all points doubled."""
    graded = grader.graded_exercises

    def doubled(template):
        return {
            name: replace(one, checks=tuple(replace(c, points=2 * c.points) for c in one.checks))
            for name, one in graded(template).items()
        }

    grader.graded_exercises = previewing.graded_exercises = doubled
    grader.software = lambda: "of another judge"
    ends = []
    previewing.preview(
        course, lesson, jobs=PROCESSES, progress=lambda *told: ends.append(time.perf_counter())
    )
    first = len(ends) // 10  # the references are run before the first one
    each = (ends[-1] - ends[first]) / (len(ends) - 1 - first)
    row(f"dry run with another judge, of {len(ends)}", 1000 * each, "ms each")
    row(f"  hence for {LESSONS:,}", LESSONS * each, "s", most=60)


def main():
    """Measure and print, one line a goal."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--submissions", type=int, default=60)
    parser.add_argument("--plain", type=int, default=6, help="how many plain nbgrader grades")
    parser.add_argument("--class", type=int, default=300, dest="students", help="of recorded ones")
    parser.add_argument("--large", type=int, default=1500)
    count, few, students, large = vars(parser.parse_args()).values()
    print(f"{describe()}\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
    with tempfile.TemporaryDirectory() as folder:
        course, lesson = make_course(Path(folder) / "ours", count)
        row("first grading of a course", ours(course, lesson, PROCESSES), "s")
        starts = [first_judged(course, lesson) for _ in range(3)]
        row("start to the first judged, best of 3", min(starts), "s", most=3)
        whole = min(ours(course, lesson, PROCESSES, "--force") for _ in range(2))
        pairs = [
            (further(course, lesson, few) / (count - few), limit(course, lesson) / count)
            for _ in range(3)
        ]
        each = statistics.median(seconds for seconds, _ in pairs)
        other, _ = make_course(Path(folder) / "plain", few, experiments=False)
        without_our_parts(other)
        alone = plain(other, lesson, ["*"]) / few
        pair = plain(other, lesson, ["a*", "b*"]) / few
        row(f"{count} submissions, whole command", whole, "s")
        row("  to plain nbgrader", count * alone / whole, "times", least=20)
        row(f"  to {PROCESSES} processes of it", count * pair / whole, "times", least=10)
        row("each further one", 1 / each, "a second")
        row("  to plain nbgrader", alone / each, "times", least=28)
        shares = sorted(100 * warm / seconds for seconds, warm in pairs)
        row(f"  to {PROCESSES} warm processes without walls", shares[1], "%", least=95)
        print(f"  the three of which this is the middle: {', '.join(f'{s:.0f}' for s in shares)}")
        feedback = ours(course, lesson, PROCESSES, "--feedback") - unchanged(course, lesson)[0]
        row("feedback pages", 1000 * feedback / count, "ms each")
        row("  to grading", feedback / whole, "times", most=1)
        small = recorded_class(Path(folder) / "small", students)
        big = recorded_class(Path(folder) / "big", large)
        little, much = unchanged(small, lesson), unchanged(big, lesson)
        rate = (large - students) / (much[0] - little[0])
        row(f"unchanged, from {students} to {large}", rate, "a second", least=1000)
        row(f"memory of the engine, a class of {students}", little[1], "MB")
        grown = 1024 * (much[1] - little[1]) / (large - students)
        row("  each further submission", grown, "kB", most=NOTHING)
        dry_run(small, lesson)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
