"""Runs the cells of a lesson under Pyodide, and says how long each takes there."""

import contextlib
import io
import time

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

mpl.use("agg")


def pace():
    """Return the seconds of a small piece of work, such as experiments are made of."""
    x = np.full((64, 64), 0.01, np.float32)
    started = time.perf_counter()
    for _ in range(500):
        x = np.maximum(x @ x, 0.01)
    return time.perf_counter() - started


def run(cells):
    """Run [(role, source), …]; return [seconds, in paces too] of each experiment, else None."""
    names = {"__name__": "__main__", "display": lambda *shown: None}
    found = []
    for number, (role, source) in enumerate(cells):
        before, started = pace(), time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(source, f"<cell {number}>", "exec"), names)
        seconds = time.perf_counter() - started
        plt.close("all")
        paces = seconds / max(before, pace())  # the machine may be busy with other things
        found.append([seconds, paces] if role == "experiment" else None)
    return found
