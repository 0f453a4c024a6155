"""What an attack on the grader is, and the honest submission that every attack starts from.

The records stand in `forging.py` (marks), `reflecting.py` (the same through Python itself),
`protocol.py` (what goes between a child and the judge), `leaking.py` (secrets and the reader's
browser), `harming.py` (the machine and other people), `assuming.py` (what everybody takes for
granted) and `uploads.py` (the file that is handed in).
`test_attacks.py` walks over all of them.
"""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

LESSON = "02_batch_normalization"
ROOT = Path(__file__).resolve().parents[2]
TIERS = ("C", "B", "A")  # each stops what the ones before it stop

ROWS = {  # what a submission may try, and what plain nbgrader makes of it
    "comparisons": "patch np.testing, np.allclose, np.all: 20/20",
    "transformer": "IPython AST transformer that drops asserts: 20/20",
    "disk": "read the hidden tests or solutions from disk: 20/20",
    "frames": "read the test cell through In[-1], frames, gc.get_objects(): 10/10",
    "displayhook": "sys.displayhook(10), NaN, negative, text as the mark: full marks",
    "check": "wrap the course's own check: 12/12 for a blank notebook in otter-grader",
    "pipe": "write to an inherited result pipe and exit: forged in a naive fork design",
    "equal": "return an always-equal object, a huge or object array, a generator: 10/10",
    "inputs": "change the inputs in place before the reference sees them",
    "generator": "replace np.random.default_rng so that all inputs become zeros",
    "shadow": "a file numpy.py beside the notebook shadows numpy: 20/20",
    "gradebook": "SQL update on gradebook.db: 20/20, and other marks changed",
    "neighbour": "edit another student's submission: the victim lost 10",
    "startup": "IPython startup file in HOME: the next wrong submission got 20/20",
    "daemon": "daemon left running, double fork and setsid: survives",
    "network": "loopback, outside TCP, UDP, unix sockets: worked",
    "exit": "os._exit, sys.exit, SIGKILL to itself or the parent, segfault: needs a person",
    "endless": "endless loop, swallowed SIGINT, time.sleep(1e9), deadlock: costs the timeout",
    "bomb": "memory bomb, fork bomb, full disk, millions of lines, 400 MB log: no limit",
    "cells": "deleted test cell, stripped metadata, nbformat 3: no mark",
    "duplicate": "duplicated graded cell: aborts the whole batch",
    "flags": "flipped grade and solution flags: no grade",
    "file": "corrupt, empty, binary, 200 MB, no notebook, wrong name, BOM, CRLF: partly aborts",
    "warning": "a harmless warnings.warn in correct code: false 0",
    "shortcut": "import the reference or call the framework's built-in: full marks",
    "elsewhere": "cheat in cells that are not solution cells: runs",
    "own": "against this very design",
}


@dataclass(frozen=True)
class Attack:
    """One submission that tries something, and what has to come of it.

    Exercises are named without their family: "fold_batchnorm", "torch.batchnorm_forward". In code
    `<course>` stands for the course folder, `<port>` for a listening port of this machine and
    `<grader>` for the grader's process number.
    """

    name: str
    row: str  # key of ROWS
    cells: Mapping[str, str] = field(default_factory=dict)  # exercise -> its solution cell
    added: tuple[str, ...] = ()  # code cells before the first exercise
    appended: tuple[str, ...] = ()  # code cells at the end
    mangle: Callable[[dict], None] | None = None  # changes the notebook as plain data
    upload: Callable[[Path, bytes], None] | None = None  # (path, content): hands it in
    honest: Mapping[str, float] = field(default_factory=dict)  # where it is not the base's marks
    own_goal: bool = False  # its code may spoil its own marks, so it earns at most the honest ones
    told: str = ""  # part of what the instructor reads about it; "" where nothing is there to tell
    tier: str = "C"  # the lowest that stops it
    slips: str = ""  # why no tier stops it: named in the documentation of the grader's security
    quick: bool = False  # part of the fast subset


_NUMPY = (
    *("batchnorm_forward", "batchnorm_backward", "batchnorm_backward_alt", "separating_input"),
    *("spatial_batchnorm_forward", "spatial_batchnorm_backward"),
    *("fold_batchnorm", "effective_learning_rate", "debias_running"),
)
_TORCH = (
    "BatchNorm",
    *("batchnorm_forward", "batchnorm_backward", "batchnorm_backward_alt"),
    *("spatial_batchnorm_forward", "spatial_batchnorm_backward"),
)
NOTHING = dict.fromkeys((*_NUMPY, *(f"torch.{name}" for name in _TORCH)), 0.0)

STUB = "def {name}(*arguments):\n    raise NotImplementedError"
BASE = {  # the wrong half of the honest submission; the other exercises are solved
    "batchnorm_backward": """
def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    return dout * gamma / std, (dout * x_hat).sum(axis=0), dout.sum(axis=0)
""",
    "batchnorm_backward_alt": STUB.format(name="batchnorm_backward_alt"),
    "separating_input": "def separating_input():\n    return np.zeros((4, 3), np.float32)",
    "effective_learning_rate": """
def effective_learning_rate(W, dW, learning_rate, reg):
    return learning_rate * np.ones(W.shape[1])
""",
    "debias_running": "def debias_running(running, momentum, steps):\n    return running",
    "torch.batchnorm_backward": STUB.format(name="batchnorm_backward"),
    "torch.batchnorm_backward_alt": STUB.format(name="batchnorm_backward_alt"),
    "torch.spatial_batchnorm_backward": STUB.format(name="spatial_batchnorm_backward"),
}
SOLVED = ("batchnorm_forward", "spatial_batchnorm_forward", "fold_batchnorm")
UNSOLVED = ("batchnorm_backward_alt", "separating_input", "debias_running")


@cache
def _solution() -> str:
    return (ROOT / "notebooks" / "solution" / f"{LESSON}.ipynb").read_text("utf-8")


def code(source: str) -> dict:
    """A code cell as Jupyter writes it."""
    return {
        "cell_type": "code",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def grade_id(cell: dict) -> str:
    """The grade id of a cell, or nothing."""
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


def place(notebook: dict, name: str) -> int:
    """Position of a cell, named such as "fold_batchnorm-check"."""
    wanted = "normalization-" + name.replace(".", "-")
    return next(i for i, cell in enumerate(notebook["cells"]) if grade_id(cell) == wanted)


def find(notebook: dict, name: str) -> dict:
    """A cell, named such as "fold_batchnorm-check"."""
    return notebook["cells"][place(notebook, name)]


def honest_notebook() -> dict:
    """Half right, half wrong, as plain data."""
    return with_cells(json.loads(_solution()), BASE)


def with_cells(notebook: dict, cells: Mapping[str, str]) -> dict:
    """Write solution cells into a notebook."""
    for exercise, source in cells.items():
        find(notebook, f"{exercise}-solution")["source"] = source
    return notebook


def notebook_of(attack: Attack) -> dict:
    """The notebook that an attack hands in."""
    notebook = with_cells(honest_notebook(), attack.cells)
    start = place(notebook, "batchnorm_forward-solution")
    notebook["cells"][start:start] = [code(source) for source in attack.added]
    notebook["cells"] += [code(source) for source in attack.appended]
    if attack.mangle:
        attack.mangle(notebook)
    return copy.deepcopy(notebook)


def write(path: Path, content: bytes) -> None:
    """Hand in a file as it is."""
    path.write_bytes(content)


def hand_in(attack: Attack, path: Path, places: Mapping[str, object]) -> None:
    """Write an attack's submission to `path`; `places` fills the gaps in its code."""
    text = json.dumps(notebook_of(attack), ensure_ascii=False, indent=1)
    for gap, value in places.items():
        text = text.replace(gap, str(value))
    path.parent.mkdir(parents=True)
    (attack.upload or write)(path, text.encode("utf-8", "surrogatepass"))
