"""How many cores grade a class by a deadline, and what they cost: a simulation from measured times.

    python benchmarks/deadline.py [--write 0.012] [--start 20] [--price 0.05]

Submissions take times drawn from `TIMES`. They go out in chunks of half a minute, each to the core
that is free first, from `--start` seconds on; whoever types the command writes one result after the
other, `--write` seconds each. The smallest number of cores that meets the deadline is shown, with
their core-hours and the price of these; where no number does, how long writing alone takes.
"""

import argparse
import heapq
import random

# Seconds of one core for a submission of lesson 02, of the made-up class of `autograder demo`.
TIMES = ()
SIZES = (1_000, 10_000, 100_000)
DEADLINES = (1, 10, 60)  # minutes
CHUNK = 30.0  # seconds of work
MOST = 1 << 17  # cores


def chunks(students, rng):
    """Work that goes out together: (seconds, submissions)."""
    found, seconds, count = [], 0.0, 0
    for time in rng.choices(TIMES, k=students):
        seconds, count = seconds + time, count + 1
        if seconds >= CHUNK:
            found.append((seconds, count))
            seconds, count = 0.0, 0
    return [*found, (seconds, count)] if count else found


def minutes(work, cores, start, write):
    """When the last result is written."""
    free = [start] * min(cores, len(work))
    ended = []
    for seconds, count in work:
        end = heapq.heappop(free) + seconds
        heapq.heappush(free, end)
        ended.append((end, count))
    written = 0.0
    for end, count in sorted(ended):
        written = max(written, end) + count * write
    return written / 60


def cores_for(work, deadline, start, write):
    """The smallest number of cores that meets a deadline in minutes; None where none does."""
    low, high = 0, min(MOST, len(work))
    if minutes(work, high, start, write) > deadline:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if minutes(work, middle, start, write) > deadline:
            low = middle
        else:
            high = middle
    return high


def table(write, start, price):
    """The rows of a Markdown table."""
    heads = ("students", "deadline", "cores", "done after", "core-hours", "USD")
    rows = ["| " + " | ".join(heads) + " |", "|" + "---:|" * len(heads)]
    for students in SIZES:
        work = chunks(students, random.Random(students))
        for deadline in DEADLINES:
            cores = cores_for(work, deadline, start, write)
            if cores is None:
                alone = f"never: writing takes {students * write / 60:.1f} min"
                cells = ("–", alone, "–", "–")
            else:
                took = minutes(work, cores, start, write)
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
