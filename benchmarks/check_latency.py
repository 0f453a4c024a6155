"""How long does a student wait for `check`?

    python benchmarks/check_latency.py [--rounds 3]

Goal: below 0.3 s an exercise, whatever was submitted. Measured with the clock on the wall, for the
reference and for every known wrong answer; `first` is the first call in this process, which also
computes what the checks expect and what the wrong answers show. Imports come before.
"""

import argparse
import importlib
import statistics
import time

from machine import describe

# isort: split
from autograder import exercises, misconceptions
from autograder.check import run

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


def main():
    """Measure every exercise and print one row for each, the slowest answer by its name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(describe())
    print(f"\n{'exercise':<48}{'first':>8}{'right':>8}{'slowest':>9}   slowest answer")
    late = 0
    for exercise in exercises.all_exercises():
        named = answers(exercise)
        right = named["the reference"]
        first = seconds(lambda right=right, exercise=exercise: run(exercise, right), 1)
        times = {
            name: seconds(lambda f=functions, exercise=exercise: run(exercise, f), rounds)
            for name, functions in named.items()
        }
        slowest = max(times, key=times.get)
        late += max(first, times[slowest]) > GOAL
        print(
            f"{exercise.id:<48}{first:8.3f}{times['the reference']:8.3f}{times[slowest]:9.3f}"
            f"   {slowest} (of {len(times)})"
        )
    print(f"\n{late} of {len(exercises.all_exercises())} exercises above the goal of {GOAL} s")


if __name__ == "__main__":
    main()
