"""An instructor's day, command by command, for a made-up class: seconds a step.

    python benchmarks/instructors_day.py [--students 300] [--lesson 02] [--jobs 2] [--keep FOLDER]

The class stands in a Canvas export; its hand-ins come in zips of Canvas, Moodle, Blackboard and
Gradescope, a quarter each, every tenth of them late. They are right, half done, mistaken, or
written in another way. A step is what an instructor types, in one process, so without the start of
Python; rubric marks are given as the marking page gives them, one for each different answer.
"""

import argparse
import contextlib
import csv
import io
import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from machine import describe
from tqdm import tqdm

# isort: split
from autograder.cli import main
from autograder.course import demo
from autograder.course.folder import open_course
from autograder.course.marking import Marking
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.course.rubrics import Mark
from autograder.lessons.lesson import find_lesson

NAMES = ("Gauß, Carl", "O'Neil, Bo", 'Ö "Zoë", Åsa', "李, 雷", "de la Cruz, Ana-María")
KINDS = (demo.perfect, demo.half, demo.mistaken((0, 0)), demo.other_style, demo.mistaken((1, 0)))
LATE_DAYS = "[late]\ndays = 1\npenalty_per_day = 0.25\n"
DUE = "[lessons.{name}]\ndue = {day}T12:00:00Z\n"
EXPORTS = ("csv", "canvas", "moodle", "blackboard", "gradescope")


def person(number):
    """Return the last and first name of a student, no two alike."""
    last, first = NAMES[number % len(NAMES)].rsplit(", ", 1)
    return f"{last}{number}", first


def login(number):
    """Return the login of a student."""
    return f"student{number:04}"


def write_roster(path, students):
    """Write the gradebook of Canvas, in which the class stands."""
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        write = csv.writer(file).writerow
        write(["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Lesson (77)"])
        write(["    Points Possible", "", "", "", "", 100])
        for number in range(students):
            name, email = ", ".join(person(number)), f"{login(number)}@example.org"
            write([name, 1000 + number, f"s-{number}", email, "ABC"[number % 3], ""])


def notebooks(lesson, students):
    """Yield each student's notebook, which nobody else has."""
    originals = [json.loads(kind(lesson)) for kind in KINDS]
    for number in range(students):
        cells = list(originals[number % len(KINDS)]["cells"])
        cells.append({"cell_type": "markdown", "id": "mine", "metadata": {}, "source": f"{number}"})
        yield number, json.dumps({**originals[number % len(KINDS)], "cells": cells})


def write_zips(folder, lesson, students):
    """Write the zips of four platforms; returns them, and Canvas's times."""
    file, times = f"{lesson.name}.ipynb", folder / "times.csv"
    makers = (_canvas, _moodle, _blackboard, _gradescope)
    archives = [zipfile.ZipFile(folder / f"{one.__name__[1:]}.zip", "w") for one in makers]
    lines, known = ["canvas,time"], []
    for number, text in notebooks(lesson, students):
        late = number % 10 == 9
        day = "2026-10-03" if late else "2026-10-01"
        which = number % len(makers)
        archives[which].writestr(makers[which](number, day, late, file), text)
        if which == 0:
            lines.append(f"{1000 + number},{day} 10:00 UTC")
        if which == 3:
            known.append(
                f"submission_{number}:\n  :submitters:\n  - :sid: s-{number}\n"
                f"  :created_at: {day} 10:00:00 Z\n"
            )
    archives[3].writestr("assignment_7_export/submission_metadata.yml", "".join(known))
    for archive in archives:
        archive.close()
    times.write_text("\n".join(lines), encoding="utf-8")
    return [Path(archive.filename) for archive in archives], times


def _canvas(number, day, late, file):
    return f"{login(number)}_{'LATE_' if late else ''}{1000 + number}_{number}_{file}"


def _moodle(number, day, late, file):
    last, first = person(number)
    return f"{first} {last}_{4000 + number}_assignsubmission_file_/{file}"


def _blackboard(number, day, late, file):
    return f"Lesson_s-{number}_attempt_{day}-10-00-00_{file}"


def _gradescope(number, day, late, file):
    return f"assignment_7_export/submission_{number}/{file}"


def mark_by_hand(course, lesson):
    """Give each different answer the first item of its rubric; returns how many there were."""
    marking, count = Marking(open_course(course), lesson, "ada"), 0
    for name in marking.questions:
        rubrics = marking.file.read()
        for group, which in marking.queue(name, rubrics):
            items = tuple(item.key for item in rubrics.questions[name].items[:1])
            marking.mark(name, group, which, Mark(items, comment="See slide 14.", by="ada"))
            count += 1
    return count


class Day:
    """The steps of a day and how long each took; a row is printed as soon as it is known."""

    def __init__(self, steps):
        self.bar = tqdm(total=steps, unit="step", file=sys.stderr)
        print(f"{'step':<36}{'seconds':>9}  what it said", flush=True)

    def step(self, title, do):
        """Do one step and print its row."""
        self.bar.set_description(title)
        start = time.perf_counter()
        said = do()
        row = f"{title:<36}{time.perf_counter() - start:>9.1f}  {said or ''}"
        tqdm.write(row, file=sys.stdout)
        sys.stdout.flush()
        self.bar.update()

    def run(self, title, *arguments):
        """Run a command of `autograder`."""
        self.step(title, lambda: command(*arguments))

    def close(self):
        """End the bar."""
        self.bar.close()


def command(*arguments):
    """Run a command of `autograder`; returns its last line, with its status if that is not 0."""
    said, status = io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main([str(one) for one in arguments])
        except SystemExit as left:
            status = left.code or 0
    lines = said.getvalue().strip().splitlines() or [""]
    return f"status {status}: {lines[-1][:110]}" if status else lines[-1][:110]


def live(folder, lesson, students, jobs):
    """Go through the day in `folder`."""
    course, name = folder / "course", lesson.name
    roster = folder / "canvas.csv"
    write_roster(roster, students)
    zips, times = write_zips(folder, lesson, students)
    course.mkdir()
    settings = course / "course.toml"
    settings.write_text(LATE_DAYS + DUE.format(name=name, day="2026-10-01"), encoding="utf-8")
    day = Day(23 + len(EXPORTS))
    day.run("init", "init", course, "--lesson", lesson.number, "--exchange", folder / "exchange")
    day.run("roster import", "roster", "import", course, roster)
    day.step("release with nbgrader", lambda: NbgraderCourse(course).generate_assignment(name))
    day.run("kit for students", "kit", folder / "kit")
    for archive in zips:
        when = ("--times", times) if archive.stem == "canvas" else ()
        day.run(f"collect, {archive.stem}", "collect", course, name, archive, *when)
    day.run("grade", "grade", course, name, "--jobs", jobs)
    day.run("grade again, nothing changed", "grade", course, name, "--jobs", jobs)
    day.step("rubric marks", lambda: f"{mark_by_hand(course, name)} different answers")
    day.run("late days", "late", course)
    day.run("feedback", "feedback", course, name)
    for form in EXPORTS:
        only = ("--template", roster, "--column", "Lesson (77)") if form == "canvas" else ()
        day.run(f"export, {form}", "export", course, name, f"--{form}", *only)
    settings.write_text(LATE_DAYS + DUE.format(name=name, day="2026-09-30"), encoding="utf-8")
    day.run("dry run, another due date", "grade", course, name, "--dry-run", "--jobs", jobs)
    day.run("late days, another due date", "late", course)
    day.run("judge again (--remark)", "grade", course, name, "--remark", "--jobs", jobs)
    day.run("report", "report", course, name)
    day.run("report, all lessons", "report", course)
    day.run("similarity", "similarity", course, name)
    day.run("unnamed mistakes", "mine", course, name)
    exercise = lesson.exercises[0].id
    asked = ("regrade", "request", course, name, first_student(course), exercise, "It is right.")
    day.run("regrade request", *asked)
    day.run("regrade decision", "regrade", "decide", course, 1, "granted")
    day.run("forget a student", "forget", course, first_student(course), "--yes")
    day.close()


def first_student(course):
    """Return the first student of the roster."""
    with open(course / "roster.csv", encoding="utf-8", newline="") as file:
        return next(csv.DictReader(file))["id"]


def measure():
    """Print a row a step."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=300)
    parser.add_argument("--lesson", default="02")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="leave the course in this folder, a new one")
    chosen = parser.parse_args()
    print(describe())
    lesson = find_lesson(chosen.lesson)
    if chosen.keep:
        chosen.keep.mkdir(parents=True)
        return live(chosen.keep, lesson, chosen.students, chosen.jobs)
    with tempfile.TemporaryDirectory() as folder:
        live(Path(folder), lesson, chosen.students, chosen.jobs)


if __name__ == "__main__":
    measure()
