"""What everybody takes for granted: streams, hooks of the shell, limits, numbers, whole files."""

from corpus import NOTHING, Attack, code
from forging import BLANK, debias
from uploads import as_bytes

CHANGING = """
import itertools
looks = itertools.count()
class Changing(float):
    def __float__(self): return float(next(looks))
    def __array__(self, *args, **options): return np.full(5, next(looks) / 7)
    def __repr__(self): return str(next(looks))
    def __eq__(self, other): return next(looks) > 3
    __hash__ = None
"""
HELD_BY_THE_COLLECTOR = """
import gc
waiting, seen = [running], set()
for _ in range(2_000):
    thing = waiting.pop(0) if waiting else None
    for holder in gc.get_referrers(thing) if thing is not None else ():
        if id(holder) not in seen and isinstance(holder, dict | list | tuple):
            seen.add(id(holder))
            waiting.append(holder)
            for value in holder.values() if isinstance(holder, dict) else holder:
                if isinstance(value, np.ndarray) and value.dtype == float and value.flags.writeable:
                    value[...] = 0
return running * 0
"""
FRAMES = """
import ctypes, sys
frame = sys._getframe(1)
while frame is not None:
    for name, value in list(frame.f_locals.items()):
        if name in ("rng", "seed", "check", "exercise", "observed"):
            frame.f_locals[name] = None
            ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
    frame = frame.f_back
return running
"""
OTHER_IMPLEMENTATION = """
import gc
for thing in gc.get_objects():
    if type(thing).__name__ == "Implementation":
        thing._functions = {name: lambda *args: np.ones(5) for name in thing._functions}
        thing._array = lambda label, value: np.ones(5)
return running
"""
LATER = """
import sys, threading, weakref
class Last:
    def __del__(self): print("LEAK", running)
kept.append(Last())
weakref.finalize(kept[-1], print, "LEAK", running)
threading.Timer(0.2, print, ("LEAK", running)).start()
threading.excepthook = sys.excepthook = sys.unraisablehook = lambda *args: print("LEAK", running)
threading.Thread(target=lambda: 1 / 0).start()
return running
"""
HOOKS = """
shell = get_ipython()
def fail(*args, **options): raise RuntimeError
for event in ("pre_execute", "pre_run_cell", "post_execute", "post_run_cell"):
    shell.events.register(event, fail)
shell.set_custom_exc((Exception,), lambda *args, **options: None)
shell.display_formatter.format = lambda thing, *args, **options: ({"text/plain": "16.0"}, {})
shell.register_magic_function(fail, "cell", "time")
shell.displayhook.write_format_data = lambda *args: None
"""
LOWERED = """
import resource
for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_STACK, resource.RLIMIT_NPROC):
    resource.setrlimit(kind, (0, 0))
resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))
"""
FUNCTIONS = tuple(
    "\n".join(f"def f{number}():{number}" for number in range(start, start + 4_500))
    for start in range(0, 18_000, 4_500)
)


def of_the_future(notebook: dict) -> None:
    """Say that the notebook has a format that does not exist yet."""
    notebook |= {"nbformat": 5, "nbformat_minor": 99, "kernels": [{"language": "julia"}]}
    notebook["cells"].insert(0, {"kind": "sql", "cell_type": "sql", "source": ["select 1"]})


def large_metadata(notebook: dict) -> None:
    """Carry megabytes in metadata, of the notebook and of its cells."""
    notebook["metadata"]["widgets"] = {"state": "x" * 10_000_000}
    for cell in notebook["cells"]:
        cell["metadata"]["deep"] = [[[[{"x": ["y"] * 100}]]]]


def odd_ids(notebook: dict) -> None:
    """Give cells ids that are none, and that many have."""
    odd = [float("nan"), {}, [], None, "x" * 10**5, "\ud800", "<b>", "../..", 10**400, True, "same"]
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = odd[number % len(odd)]


def long_cell(notebook: dict) -> None:
    """Add a cell of five megabytes."""
    notebook["cells"].append(code("x = 1\n" * 850_000))


ATTACKS = (
    # -------------------------------------------------------------------- what a value shows
    Attack(
        "a number that is another one at every look",
        "equal",
        cells={"debias_running": f"{CHANGING}{BLANK}    return Changing(1.0)\n"},
    ),
    Attack(
        "numbers with more digits than can be written",
        "equal",
        added=("10**5_000", "print(10**5_000)", "raise ValueError(10**4_000)"),
        cells=debias("return 10**5_000"),
    ),
    # ----------------------------------------------------------------- who holds the inputs
    Attack(
        "inputs that the collector finds are set to zero",
        "inputs",
        cells=debias(HELD_BY_THE_COLLECTOR),
        own_goal=True,
    ),
    Attack(
        "variables of the frames that call are taken away",
        "frames",
        cells=debias(FRAMES),
        own_goal=True,
        told="uses ctypes",
    ),
    Attack(
        "the functions under test are exchanged while they are tested",
        "own",
        cells=debias(OTHER_IMPLEMENTATION),
        own_goal=True,
    ),
    # ------------------------------------------------------------------ where it comes out
    Attack(
        "hidden inputs when something ends, later, and in hooks for errors",
        "own",
        added=("kept = []",),
        cells=debias(LATER),
        appended=("kept.clear()\nimport gc, time\ngc.collect()\ntime.sleep(0.5)",),
        own_goal=True,
    ),
    Attack(
        "hidden inputs as a note, a cause and a group of errors",
        "own",
        cells=debias(
            "error = ValueError('LEAK')\nerror.add_note(f'LEAK {running}')\n"
            "raise ExceptionGroup(f'LEAK {running}', [error]) from KeyError(f'LEAK {running}')"
        ),
    ),
    Attack(
        "hidden inputs as a warning that is an error",
        "warning",
        cells=debias(
            "import warnings\nwarnings.simplefilter('error')\n"
            "warnings.warn(f'LEAK {running}', type(f'LEAK{running[0]}', (UserWarning,), {}))"
        ),
    ),
    # ----------------------------------------------------------------- the shell and Python
    Attack(
        "streams that are closed",
        "own",
        added=(
            "import sys\nsys.stdout.close()\nsys.stderr = sys.stdout = sys.__stdout__ = None",
            "print('still here')",
        ),
    ),
    Attack(
        "outputs that are no outputs",
        "own",
        added=(
            "from IPython.display import publish_display_data as publish\n"
            "publish({'text/plain': {'a': 1}, 'image/png': 5, 'image/jpeg': '../../secret'})\n"
            "publish({5: 5})",
            "class Long:\n    def __repr__(self): return 'x' * 10**8\nLong()",
            "raise ValueError('x' * 10**8)",
        ),
    ),
    Attack("hooks of the shell that fail", "own", added=(HOOKS,), own_goal=True),
    Attack(
        "the shell is emptied",
        "own",
        appended=("get_ipython().user_ns.clear()", "get_ipython().reset(new_session=True)"),
    ),
    Attack(
        "the module of checks is loaded again",
        "check",
        added=("import importlib, autograder.check\nimportlib.reload(autograder.check)",),
        own_goal=True,
    ),
    Attack(
        "clocks that stand still",
        "own",
        added=(
            "import time\n"
            "time.monotonic = time.time = time.perf_counter = time.process_time = lambda: 0.0\n"
            "time.sleep = lambda seconds: None",
        ),
        told="replaces time.monotonic",
    ),
    Attack(
        "arrays that are always ones",
        "comparisons",
        added=(
            "import numpy\nones = numpy.ones\n"
            "numpy.asarray = numpy.array = lambda *args, **options: ones(5)",
        ),
        own_goal=True,
        told="replaces numpy.asarray",
    ),
    # ------------------------------------------------------------------- too much, too little
    Attack("limits that nothing can live with", "bomb", added=(LOWERED,), own_goal=True),
    Attack(
        "recursion that ends at once, and threads that never change",
        "bomb",
        added=("import sys\nsys.setswitchinterval(3600)\nsys.setrecursionlimit(60)",),
        own_goal=True,
    ),
    Attack("eighteen thousand functions", "bomb", added=FUNCTIONS),
    Attack("a cell of five megabytes", "file", mangle=long_cell, told="it was cut after"),
    # ---------------------------------------------------------------------- the file itself
    Attack("a format of the future", "cells", mangle=of_the_future),
    Attack("metadata of ten megabytes", "file", mangle=large_metadata),
    Attack("ids that are none", "cells", mangle=odd_ids),
    Attack(
        "a list of cells that is there twice",
        "file",
        upload=as_bytes(lambda c: c.replace(b"{", b'{"cells": [], "nbformat": 3, "cells": 7,', 1)),
    ),
    Attack(
        "two notebooks in one file",
        "file",
        upload=as_bytes(lambda c: c + c),
        honest=NOTHING,
        told="not JSON",
    ),
)
