"""How long does a student wait for `check`?

    python benchmarks/check_latency.py [--rounds 3] [--first]

Goal: below 0.3 s an exercise, whatever was submitted. Measured with the clock on the wall, for the
reference and for every known wrong answer. `first` is what it takes to judge, in a process that has
judged nothing yet, an answer that nobody has a name for: all that the checks expect has to be
computed, and all that the known wrong answers show. That is in seconds of the processor; with
--first nothing else is measured. Imports come before.
"""

import argparse
import importlib
import os
import statistics
import time
from dataclasses import replace

from machine import describe

# isort: split
import numpy as np

from autograder import exercises, expectations, misconceptions
from autograder.check import run
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import observe
from autograder.checking.scenarios import AFTERWARDS

GOAL = 0.3  # seconds


def seconds(function, rounds):
    """Return the median time of a call."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def answers(exercise):
    """Return {name: functions} of the reference and of every known wrong answer."""
    module = importlib.import_module(exercise.module)
    named = {"the reference": {name: getattr(module, name) for name in exercise.functions}}
    for record in misconceptions.of(exercise.id):
        named[record.name] = misconceptions.functions_of(record)
    return named


def first(exercise):
    """Return the seconds of the processor to judge an answer of wrong numbers only, in a fork."""
    ours, theirs = os.pipe()
    if not os.fork():
        provider, right = expectations.default(), expectations.reference(exercise)
        seen = observe(exercise, right, expectations.public_seed)
        for name, value in seen.items():
            seen[name] = replace(value, arrays=off(value.arrays))
        start = time.process_time()
        judge_exercise(exercise, seen, provider)
        os.write(theirs, str(time.process_time() - start).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as told:
        return float(told.read())


def off(arrays):
    """Move every number that an answer returned, each by another part of itself; not its inputs."""
    rng = np.random.default_rng(7)
    return {
        name: (value * rng.uniform(1.3, 1.7, value.shape)).astype(value.dtype)
        if value.dtype.kind == "f" and not name.startswith("_") and not name.endswith(AFTERWARDS)
        else value
        for name, value in (arrays or {}).items()
    }


def main():
    """Measure every exercise and print one row for each, the slowest answer by its name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--first", action="store_true", help="only the first check in a process")
    chosen = parser.parse_args()
    print(describe())
    print(f"\n{'exercise':<48}{'first':>8}{'right':>8}{'slowest':>9}   slowest answer")
    late = 0
    for exercise in exercises.all_exercises():
        named = answers(exercise)
        slowest = first(exercise)
        row = f"{exercise.id:<48}{slowest:8.3f}"
        if not chosen.first:
            times = {
                name: seconds(
                    lambda f=functions, exercise=exercise: run(exercise, f), chosen.rounds
                )
                for name, functions in named.items()
            }
            name = max(times, key=times.get)
            slowest = max(slowest, times[name])
            row += f"{times['the reference']:8.3f}{times[name]:9.3f}   {name} (of {len(times)})"
        late += slowest > GOAL
        print(row, flush=True)
    print(f"\n{late} of {len(exercises.all_exercises())} exercises above the goal of {GOAL} s")


if __name__ == "__main__":
    main()
