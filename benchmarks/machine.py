"""What the numbers were measured on, and how: everything compared takes turns in one process.

    python benchmarks/machine.py          describes the machine
    make bench                            one table of all, benchmarks/table.py

Times are processor time of one thread, which other programs lengthen less than the clock on the
wall. Still they say little: neighbours share caches and memory, and the state of the heap counts.
Compare ratios of one run, and look at their spread before believing a difference.
"""

import os
import platform
import random
import statistics
import time

os.environ["OMP_NUM_THREADS"] = "1"  # read when NumPy's BLAS is loaded, so it comes first

import numpy as np
import torch

torch.set_num_threads(1)


def describe():
    """Return one line: processor, versions, threads, GPU, how busy the machine is."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU, so none measured"
    return (
        f"{_processor()}, 1 thread of {os.cpu_count()}; Python {platform.python_version()}, "
        f"NumPy {np.__version__}, PyTorch {torch.__version__}; {gpu}; load of the last minute "
        f"{os.getloadavg()[0]:.1f}"
    )


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return (
                next(line for line in file if line.startswith("model name")).split(":")[1].strip()
            )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def interleaved(functions, rounds):
    """Return {name: processor seconds of its calls}; in every round each function is called once.

    In an order that is drawn anew for every round: who comes next finds in the caches and in the
    heap what the one before has left there. In one order for all rounds, ratios were wrong by up to
    a quarter.

    Args:
        functions: dict name -> function without arguments; each is called once before to warm up.
        rounds: number of rounds.
    """
    for function in functions.values():
        function()
    seconds = {name: [] for name in functions}
    order, draw = list(functions), random.Random(0)
    for _ in range(rounds):
        draw.shuffle(order)
        for name in order:
            start = time.process_time()
            functions[name]()
            seconds[name].append(time.process_time() - start)
    return seconds


def ratio(times, base):
    """Return the median of times / base, round by round, and its quartiles."""
    low, middle, high = statistics.quantiles(
        [t / b for t, b in zip(times, base, strict=True)], n=4, method="inclusive"
    )
    return middle, low, high


def print_table(title, seconds, goals):
    """Print the times of one problem, {name: times}, beside those of the first."""
    base = next(iter(seconds.values()))
    print(f"\n{title:<32}{'ratio':>8}{'quartiles':>16}{'goal':>8}{'ms':>9}")
    for name, times in seconds.items():
        middle, low, high = ratio(times, base)
        milliseconds = sorted(times)[len(times) // 2] * 1e3
        spread, goal = f"{low:.2f} to {high:.2f}", goals.get(name, "")
        print(f"{name:<32}{middle:8.2f}{spread:>16}{goal:>8}{milliseconds:9.2f}")


if __name__ == "__main__":
    print(describe())
