"""How many submissions of lesson 02 a minute: this grader, plain nbgrader, and the limit.

    python benchmarks/grading.py [--submissions 60] [--plain 8] [--rounds 3] [--large 3000]
                                 [--memory] [--no-otter]

Everybody grades the same submissions with the command that an instructor types, from its start to
the end, gradebook and autograded notebooks included, feedback pages not. Plain nbgrader executes
experiments too, which take a minute; so that the same cells are compared, it gets submissions
without them, and once the whole ones. It is slow, so it grades the first few only; its command
starts faster than ours, so `each further one` shows ours without the start. `limit` executes the
same cells and scenarios in two warm processes that nothing keeps apart, without a judge or a
gradebook. Nobody gets results that were kept, except in `nothing changed`.

otter-grader is installed into an environment of its own, which is removed again; its command takes
one submission, so it is run for each, with a test for each exercise that calls the same check.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import psutil
from machine import describe

# isort: split
from autograder.course import demo
from autograder.course.folder import init, open_course
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.expectations import secret_seed
from autograder.grading.grader import graded_exercises
from autograder.lessons.lesson import find_lesson
from autograder.submissions.notebook import NOT_EXECUTED, read
from autograder.submissions.rebuild import read_template, rebuild

LESSON = "02"
UNFIT = {"henri", "ida", "jan", "katherine"}  # loops, crashes, and what plain nbgrader stops at
PROCESSES = 2
LOOK_SECONDS = 0.02  # between two looks at the memory of children


def make_course(folder, count, experiments=True):
    """Make a released course with `count` submissions that differ from each other."""
    lesson = find_lesson(LESSON)
    course, _ = init(folder, [LESSON], exchange=folder / "exchange")
    NbgraderCourse(folder).generate_assignment(lesson.name)
    people = [student for student in demo.CLASS if student.name not in UNFIT]
    contents = [json.loads(student.submit(lesson)) for student in people]
    if not experiments:
        contents = [without_experiments(notebook) for notebook in contents]
    for number in range(count):
        hand_in(folder, lesson.name, number, contents[number % len(contents)])
    return course, lesson.name


def without_experiments(notebook):
    """Return a submission without the cells that are not executed for marks."""
    roles = [cell["metadata"].get("course", {}).get("role") for cell in notebook["cells"]]
    kept = [
        cell
        for cell, role in zip(notebook["cells"], roles, strict=True)
        if role not in NOT_EXECUTED
    ]
    return {**notebook, "cells": kept}


def hand_in(folder, lesson, number, notebook):
    """Put one submission into the course, with a line that nobody else has."""
    group = "ab"[number % PROCESSES]
    path = folder / "submitted" / f"{group}{number:05}" / lesson / f"{lesson}.ipynb"
    path.parent.mkdir(parents=True)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    own = {**cells[-1], "id": f"own-{number}", "metadata": {}, "source": [f"# {number}"]}
    path.write_text(json.dumps({**notebook, "cells": [*notebook["cells"], own]}))


def without_our_parts(course):
    """Have plain nbgrader grade the course: `check` gives partial credit by its value."""
    text = course.config.read_text().replace("configure(c)", "", 1)
    course.config.write_text(text.rpartition("configure(c)")[0] or text)


def seconds_of(*commands, cwd):
    """Run commands at the same time; return the seconds until the last one has ended."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    start = time.perf_counter()
    running = [
        subprocess.Popen(c, cwd=cwd, env=environment, stdout=-3, stderr=subprocess.PIPE, text=True)
        for c in commands
    ]
    for one in running:
        _, said = one.communicate()
        if one.returncode:
            raise RuntimeError(f"{one.args} failed: {said[-1000:]}")
    return time.perf_counter() - start


def ours(course, lesson, jobs, *options):
    """Return the seconds of `autograder grade`."""
    command = [sys.executable, "-m", "autograder", "grade", str(course.root), lesson]
    return seconds_of([*command, "--jobs", str(jobs), *options], cwd=course.root)


def memory(course, lesson):
    """Return the peak of each child's own memory in MB, while `autograder grade` runs."""
    command = [sys.executable, "-m", "autograder", "grade", str(course.root), lesson, "--force"]
    peaks = {}
    with subprocess.Popen([*command, "--jobs", str(PROCESSES)], stdout=-3, stderr=-3) as engine:
        here = psutil.Process(engine.pid)
        while engine.poll() is None:
            for child in children_of_the_warm(here):
                with contextlib.suppress(psutil.NoSuchProcess):
                    own = child.memory_full_info().uss / 2**20
                    peaks[child.pid] = max(own, peaks.get(child.pid, 0.0))
            time.sleep(LOOK_SECONDS)
    return list(peaks.values())


def children_of_the_warm(engine):
    """Return the processes of submissions: the engine starts a starter, that the warm one."""
    found = [engine]
    for _ in range(3):
        below = []
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                below += process.children()
        found = below
    return found


def further(course, lesson, few):
    """Return the seconds by which all submissions take longer than a few of them."""
    students = sorted(path.name for path in (course.root / "submitted").iterdir())[:few]
    only = [word for student in students for word in ("--student", student)]
    start = ours(course, lesson, PROCESSES, "--force", *only)
    return ours(course, lesson, PROCESSES, "--force") - start


def plain(course, lesson, groups):
    """Return the seconds of `nbgrader autograde`, one process for each group of students."""
    shutil.rmtree(course.root / "autograded", ignore_errors=True)
    tool = str(Path(sys.executable).with_name("nbgrader"))
    commands = [[tool, "autograde", lesson, "--student", group] for group in groups]
    return seconds_of(*commands, cwd=course.root)


# ------------------------------------------------------------------------------------ otter

OTTER_TEST = """\
OK_FORMAT = True
case = {{"code": {code!r}, "hidden": False, "locked": False}}
suite = {{"type": "doctest", "scored": True, "setup": "", "teardown": "", "cases": [case]}}
test = {{"name": {name!r}, "points": {points}, "suites": [suite]}}
"""


def install_otter(folder):
    """Return the path of an `otter` that has this environment's libraries, or None and say why."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    (site,) = folder.glob("lib/*/site-packages")
    (site / "more.pth").write_text("\n".join(path for path in sys.path if Path(path).is_dir()))
    command = [str(folder / "bin" / "pip"), "install", "--quiet", "otter-grader"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"otter-grader is left out, it cannot be installed: {done.stderr.strip()[-200:]}")
        return None
    return folder / "bin" / "otter"


def otter_tests(tool, folder, template):
    """Write the tests of the lesson as otter has them; return the archive that it runs."""
    tests = folder / "tests"
    tests.mkdir(parents=True)
    for exercise in graded_exercises(read_template(template)).values():
        call = f'check("{exercise.id}", {", ".join(exercise.functions)})'
        code = f">>> {call} > {exercise.points - 0.001}\nTrue"
        name = exercise.id.replace(".", "_")
        text = OTTER_TEST.format(name=name, points=exercise.points, code=code)
        (tests / f"{name}.py").write_text(text)
    command = [tool, "generate", "-t", tests, "-o", folder / "tests.zip"]
    command += ["--no-requirements", "--no-environment", "--no-config"]
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    return folder / "tests.zip"


def otter(course, tool, archive, processes):
    """Return the seconds of `otter run` for every submission, so many at a time."""
    paths = sorted((course.root / "submitted").rglob("*.ipynb"))
    seconds = 0.0
    for number in range(0, len(paths), processes):
        commands = []
        for path in paths[number : number + processes]:
            out = path.parent / "otter"
            out.mkdir(exist_ok=True)
            commands.append([str(tool), "run", "-a", str(archive), "-o", str(out), str(path)])
        seconds += seconds_of(*commands, cwd=course.root)
    return seconds


# -------------------------------------------------------------------------------- the limit


def limit(course, lesson):
    """Return the seconds that executing everything takes in warm processes, side by side."""
    paths = sorted((course.root / "submitted").glob(f"*/{lesson}/*.ipynb"))
    template = course.root / "release" / lesson / f"{lesson}.ipynb"
    context, warm = multiprocessing.get_context("spawn"), []
    for part in range(PROCESSES):
        here, there = context.Pipe()
        worker = context.Process(
            target=execute, args=(there, template, paths[part::PROCESSES]), daemon=True
        )
        worker.start()
        warm.append((here, worker))
    for connection, _ in warm:
        connection.recv()
    start = time.perf_counter()
    for connection, _ in warm:
        connection.send("go")
    for connection, _ in warm:
        connection.recv()
    seconds = time.perf_counter() - start
    for _, worker in warm:
        worker.join()
    return seconds


def execute(connection, template, paths):
    """Execute the cells and scenarios of submissions in this process."""
    from autograder.sandbox.inside.child import Inside

    released = read_template(template)
    exercises = graded_exercises(released)
    seed_of = secret_seed(b"a secret", template.stem)
    plans = [rebuild(released, read(path)).steps for path in paths]
    inside = Inside()
    run_steps(inside, plans[0], exercises, seed_of)
    connection.send("ready")
    connection.recv()
    for steps in plans:
        run_steps(inside, steps, exercises, seed_of)
    connection.send("done")


def run_steps(inside, steps, exercises, seed_of):
    """Execute one submission as the sandbox does, in a namespace of its own."""
    inside.shell.reset(new_session=True)
    for step in steps:
        exercise = exercises.get(step.grade_id) if step.role == "check" else None
        name = exercise.id if exercise else ""
        reply = inside.answer({"do": "run", "source": step.source, "exercise": name})
        for check in exercise.checks if exercise and reply["kept"] else ():
            seed = seed_of(exercise, check)
            inside.answer({"do": "observe", "check": check.name, "seed": seed})
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


# --------------------------------------------------------------------------------- the table


def measure(arguments, folder):
    """Return {contestant: [submissions a minute, one for each round]}."""
    few, count = arguments.plain, arguments.submissions
    course, lesson = make_course(folder / "ours", count)
    other, _ = make_course(folder / "plain", few, experiments=False)
    whole, _ = make_course(folder / "whole", 2)
    without_our_parts(other)
    without_our_parts(whole)
    contestants = {
        "plain nbgrader": (few, lambda: plain(other, lesson, ["*"])),
        f"plain nbgrader, {PROCESSES} processes": (few, lambda: plain(other, lesson, ["a*", "b*"])),
        "plain nbgrader, with experiments": (2, lambda: plain(whole, lesson, ["*"])),
        "limit: 2 warm processes": (count, lambda: limit(course, lesson)),
        "ours, default": (count, lambda: ours(course, lesson, PROCESSES, "--force")),
        "ours, each further one": (count - few, lambda: further(course, lesson, few)),
        "ours, 1 at a time": (count, lambda: ours(course, lesson, 1, "--force")),
        "ours, nothing changed": (count, lambda: ours(course, lesson, PROCESSES)),
    }
    tool = None if arguments.no_otter else install_otter(folder / "otter")
    if tool:
        released = other.root / "release" / lesson / f"{lesson}.ipynb"
        archive = otter_tests(tool, folder / "otter-tests", released)
        for processes in (1, PROCESSES):
            run = partial(otter, other, tool, archive, processes)
            contestants[f"otter run, {processes} at a time"] = (few, run)
    rates = {name: [] for name in contestants}
    for _ in range(arguments.rounds):
        for name, (number, run) in contestants.items():
            rates[name].append(60 * number / run())
    return rates


def print_rates(rates):
    """Print the median rate of each, its range, and how it compares."""
    base, pair = (statistics.median(rates[name]) for name in list(rates)[:2])
    print(
        f"\n{'':<34}{'a minute':>9}   {'lowest - highest':<19}{'to nbgrader':>11}{'to its 2':>10}"
    )
    for name, found in rates.items():
        middle, spread = statistics.median(found), f"{min(found):.1f} - {max(found):.1f}"
        print(f"{name:<34}{middle:9.1f}   {spread:<19}{middle / base:10.1f}x{middle / pair:9.1f}x")


def print_memory(peaks):
    """Print how much memory children had that they did not share with the warm process."""
    low, *_, high = sorted(peaks)
    middle = statistics.median(peaks)
    print(f"{len(peaks)} children had {low:.0f} - {high:.0f} MB of their own, median {middle:.0f}")


def print_slope(folder, counts):
    """Print how the time grows with the class, and how fast grading it again is."""
    heads = ("submissions", "seconds", "a further one", "a minute", "unchanged, a second")
    print("\n" + "".join(head.rjust(20) for head in heads))
    before = (0, 0.0)
    for count in counts:
        course, lesson = make_course(folder / str(count), count)
        seconds = ours(course, lesson, PROCESSES)
        slope = (seconds - before[1]) / (count - before[0])
        again = count / ours(course, lesson, PROCESSES)
        row = (count, f"{seconds:.1f}", f"{slope:.4f} s", f"{60 * count / seconds:.1f}")
        print("".join(str(cell).rjust(20) for cell in (*row, f"{again:.1f}")), flush=True)
        before = (count, seconds)
        assert len(open_course(course.root).store(lesson).all()) == count


def main():
    """Measure and print; `--large` only how the time grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=60)
    parser.add_argument("--plain", type=int, default=8, help="how many plain nbgrader grades")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-otter", action="store_true")
    parser.add_argument("--memory", action="store_true", help="measure children's memory instead")
    parser.add_argument("--large", type=int, help="measure the growth up to so many instead")
    arguments = parser.parse_args()
    print(f"{describe()}\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        if arguments.large:
            count = arguments.submissions
            print_slope(Path(folder), [count, (count + arguments.large) // 2, arguments.large])
        elif arguments.memory:
            course, lesson = make_course(Path(folder), arguments.submissions)
            print_memory(memory(course, lesson))
        else:
            print_rates(measure(arguments, Path(folder)))
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
