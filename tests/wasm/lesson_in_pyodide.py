"""Runs the cells of a lesson under Pyodide, one after another."""

import contextlib
import io

import matplotlib as mpl
from matplotlib import pyplot as plt

mpl.use("agg")
names = {"__name__": "__main__", "display": lambda *shown: None}


def run(number, source):
    """Run a cell among the names of those before it; what it prints and shows is dropped."""
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, f"<cell {number}>", "exec"), names)
    plt.close("all")
