"""How many cores grade a class by a deadline, and what they cost: a simulation from measured times.

    python benchmarks/deadline.py [--write 0.012] [--start 20] [--price 0.05]

Submissions take times drawn from `TIMES`. They go out in chunks as `autograder grade --cluster`
makes them, each to the core that is free first, from `--start` seconds on; whoever types the
command writes one result after the other, `--write` seconds each. Shown are cores that meet the
deadline, their core-hours and the price of these; where no number does, how long writing takes.
"""

import argparse
import heapq
import itertools
import random

from autograder.grading.cluster import chunk_size

# Seconds of one core for a submission of lesson 02, of the made-up class of `autograder demo` but
# for two; measured on 29 November 2026 on two cores of an Intel Xeon at a load of 15.
TIMES = (0.93, 0.86, 1.2, 0.79, 0.78, 0.47, 0.62, 0.76, 0.94, 1.57, 0.53, 0.79)
SIZES = (1_000, 10_000, 100_000)
DEADLINES = (1, 10, 60)  # minutes


def minutes(times, cores, start, write):
    """When the last result is written."""
    upto = list(itertools.accumulate(times, initial=0.0))
    free, ended, first = [start] * cores, [], 0
    while first < len(times):
        size = chunk_size(len(times) - first, 0, cores, upto[-1] / len(times))
        last = min(first + size, len(times))
        end = heapq.heappop(free) + upto[last] - upto[first]
        heapq.heappush(free, end)
        ended.append((end, last - first))
        first = last
    written = 0.0
    for end, count in sorted(ended):
        written = max(written, end) + count * write
    return written / 60


def cores_for(times, deadline, start, write):
    """Cores that meet a deadline in minutes, where one less does not; None where no number does."""
    low, high = 0, len(times)
    if minutes(times, high, start, write) > deadline:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if minutes(times, middle, start, write) > deadline:
            low = middle
        else:
            high = middle
    return high


def table(write, start, price):
    """The rows of a Markdown table."""
    heads = ("students", "deadline", "cores", "done after", "core-hours", "USD")
    rows = ["| " + " | ".join(heads) + " |", "|" + "---:|" * len(heads)]
    for students in SIZES:
        times = random.Random(students).choices(TIMES, k=students)
        for deadline in DEADLINES:
            cores = cores_for(times, deadline, start, write)
            if cores is None:
                cells = ("–", f"writing takes {students * write / 60:.1f} min", "–", "–")
            else:
                took = minutes(times, cores, start, write)
                hours = cores * took / 60
                cells = (f"{cores:,}", f"{took:.1f} min", f"{hours:,.1f}", f"{hours * price:,.2f}")
            rows.append(f"| {students:,} | {deadline} min | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", type=float, default=0.012, help="seconds a result")
    parser.add_argument("--start", type=float, default=20.0, help="seconds until a worker is ready")
    parser.add_argument("--price", type=float, default=0.05, help="USD of a core-hour")
    print(table(**vars(parser.parse_args(arguments))))


if __name__ == "__main__":
    main()
