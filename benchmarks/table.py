"""One table: every technique beside the framework's own, at its default and at its best.

    python benchmarks/table.py [--seconds 8] [--compile] [--only WORD] [--write]

A ratio is time / time of the built-in at its default; smaller is faster. It is the median of rounds
in each of which everything runs once, with its quartiles in brackets. "best" is the built-in at its
best, `fused=True` of optimizers. Of our forms the fastest is shown. A goal that is not reached says
so, and the last lines count the goals and name those that are missed. `--write` keeps the table in
`results.md`, beside which the next one is printed. The whole takes about five minutes, ten with
`--compile`.
"""

import argparse
import math
import time
from pathlib import Path

from machine import describe, interleaved, ratio  # first: it sets the number of threads

# isort: split
import augmentation
import layers
import normalization
import optim
import regularization
import second_order

RESULTS = Path(__file__).with_name("results.md")
HEAD = ("", "built-in, ms", "best", "NumPy", "goal", "PyTorch", "goal", "compiled", "goal")


def rows(compiled):
    """Yield (title, function that makes the contestants, goals) of each row."""
    for title, problem in normalization.PROBLEMS.items():
        yield title, lambda p=problem: normalization.contestants(p, compiled), problem.goals
    for size in (64, 128):
        goals = normalization.WHITENING
        yield f"ZCA whitening {size}", lambda s=size: normalization.whiteners(s), goals
    for title, problem in layers.PROBLEMS.items():
        yield title, lambda p=problem: layers.contestants(*p), layers.GOALS[title]
    yield "dropout, 4 M", regularization.contestants, regularization.GOALS["dropout"]
    pooling = "fractional max pooling"
    yield pooling, regularization.poolings, regularization.GOALS[pooling]
    for title, problem in optim.PROBLEMS.items():
        yield title, lambda p=problem: optim.contestants(*p, compiled), optim.GOALS[title]
    for size, shape in augmentation.SIZES.items():
        for task in ("pad-crop", "colour jitter", "rotation"):
            goals = {who: goal for (what, who), goal in augmentation.GOALS.items() if what == task}
            yield (
                f"{task}, {size}",
                lambda t=task, s=shape: augmentation.contestants(*s, compiled)[t],
                goals,
            )
    yield "L-BFGS, 1 M, m = 10", lambda: second_order.contestants(1_000_000), second_order.GOALS


def measured(make, seconds):
    """Return {name: times} in as many rounds as fit into so many seconds, 5 to 200."""
    functions = make()
    interleaved(functions, 1)  # compiles, and fills the caches
    start = time.perf_counter()
    interleaved(functions, 1)
    rounds = seconds / max(1e-9, time.perf_counter() - start) * 2
    return interleaved(functions, int(min(200, max(5, rounds))))


def of_kind(name):
    """Return the column of a contestant, or None for one that stands only in the longer tables."""
    if "alone" in name or "pure" in name:
        return None
    if "fused" in name:
        return "best"
    if "compiled" in name:
        return "compiled"
    return "NumPy" if name.startswith("NumPy") else "PyTorch"


def row(title, times, goals):
    """Return the cells of one row, and {column: ratio}."""
    (_, base), *others = times.items()
    fastest = {}
    for name, seconds in others:
        column, found = of_kind(name), ratio(seconds, base)
        if column and found < fastest.get(column, (math.inf,)):
            fastest[column] = found
    wanted = {}
    for name, goal in goals.items():
        if of_kind(name):
            wanted[of_kind(name)] = goal
    cells = [title, f"{sorted(base)[len(base) // 2] * 1e3:.2f}"]
    for column in ("best", "NumPy", "PyTorch", "compiled"):
        middle, low, high = fastest.get(column, (None,) * 3)
        cells.append("" if middle is None else f"{middle:.2f} ({low:.2f}–{high:.2f})")
        if column != "best":
            missed = middle is not None and round(middle, 2) > wanted.get(column, math.inf)
            cells.append(f"{wanted.get(column, '')}{' missed' * missed}")
    return cells, {column: found[0] for column, found in fastest.items()}


def summary(ratios):
    """Return one sentence: how many rows of NumPy are as fast as the built-in, and the slowest."""
    of_numpy = {title: found["NumPy"] for title, found in ratios.items() if "NumPy" in found}
    if not of_numpy:
        return ""
    fast, worst = sum(r <= 1 for r in of_numpy.values()), max(of_numpy, key=of_numpy.get)
    return (
        f"NumPy: {fast} of {len(of_numpy)} rows at most 1.00; the slowest is {worst}, "
        f"{of_numpy[worst]:.2f}."
    )


def verdict(rows):
    """Return one sentence: how many goals are met of those that were measured, and the others."""
    missed, met = [], 0
    for title, *cells in rows:
        columns = zip(HEAD[3::2], cells[2::2], cells[3::2], strict=True)
        for column, measured_ratio, goal in columns:
            if "missed" in goal:
                missed.append(
                    f"{title} ({column}, {measured_ratio.split()[0]} for {goal.split()[0]})"
                )
            met += bool(measured_ratio and goal and "missed" not in goal)
    others = f"; missed: {', '.join(missed)}" if missed else ""
    return f"Goals: {met} of {met + len(missed)} met{others}."


def line(cells):
    """Return a line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def main():
    """Measure row by row, print each at once, and keep the table where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8, help="for each row")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--only", default="", help="rows with this in their name")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    lines = [describe(), "", line(HEAD), line(["---"] * len(HEAD))]
    print("\n".join(lines))
    ratios, measured_rows = {}, []
    for title, make, goals in rows(options.compile):
        if options.only in title:
            cells, ratios[title] = row(title, measured(make, options.seconds), goals)
            measured_rows.append(cells)
            lines.append(line(cells))
            print(lines[-1], flush=True)
    lines += ["", summary(ratios), "", verdict(measured_rows)]
    print("\n".join(lines[-4:]))
    if options.write:
        RESULTS.write_text("\n".join(["# The last measured table", "", *lines, ""]))
    elif RESULTS.exists():
        print(f"\nThe last table that was kept:\n\n{RESULTS.read_text()}")


if __name__ == "__main__":
    main()
