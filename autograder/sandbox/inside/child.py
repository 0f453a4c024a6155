"""Inside the sandbox: an IPython that executes cells and runs scenarios, asked by `sandbox.py`.

Everything in this process may be the student's doing; the outside believes none of it.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import functools
import io
import json
import os
import pdb
import resource
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.text import SList
from traitlets import Instance, Type
from traitlets.config import Config

from autograder import check, exercises
from autograder.checking.observe import Implementation, is_students, observe_check, outs_of
from autograder.checking.spec import Exercise
from autograder.sandbox.inside import messages

with contextlib.suppress(ModuleNotFoundError):  # without the extra there are the NumPy halves
    import torch  # noqa: F401 - imported before the clock starts

MAX_OUTPUT = 2_000_000  # characters of one cell, pictures included
MAX_PIECES = 1_000
MAX_FAULT = 2_000  # characters
NOT_RUN = (  # magics that start programs or look for another front end
    *("!", "bash", "cmd", "conda", "mamba", "micromamba", "pip", "perl", "pypy", "python"),
    *("python2", "python3", "ruby", "script", "sh", "sx", "system", "uv"),
    *("connect_info", "gui", "notebook", "quickref", "reset"),
)
RUNS_CODE = ("prun", "run", "time", "timeit")  # magics whose errors are the code's own
TIMED = "<timed exec>"  # what IPython calls the text below %%time
SHOWN = ("text/plain", "image/png", "image/jpeg")  # of a rich output
TOKEN_TRANSFORMERS = TransformerManager().token_transformers  # those that leave Python as it is


def main(arguments: Sequence[str]) -> None:
    """Answer the requests of the grader until it hangs up."""
    descriptor, limits = arguments
    connection = socket.socket(fileno=int(descriptor))
    connection.set_inheritable(False)
    inside = Inside()
    import_from_here()
    stop_nowhere()
    set_limits(**json.loads(limits))
    connection.sendall(messages.framed({"ready": exercises.check_names()}))
    serve(connection, inside)


def serve(connection: socket.socket, inside: Inside) -> None:
    """Answer what the grader asks, until it hangs up."""
    for request in requests(connection):
        inside.arrays = []
        answer = inside.answer(request)
        connection.sendall(messages.framed(answer, inside.arrays))


def requests(connection: socket.socket) -> Iterator[dict]:
    """Yield what the grader asks, until it hangs up."""

    def receive():
        chunk = connection.recv(1 << 16)
        if not chunk:
            raise EOFError
        return chunk

    with contextlib.suppress(EOFError):
        while True:
            yield messages.read(receive)[0]


def import_from_here() -> None:
    """Find modules in the current folder too, last of all: none can stand in for a library."""
    sys.path.append(os.getcwd())


def stop_nowhere() -> None:
    """Go on where a debugger would wait for its user: nobody sits there, as for input()."""

    def go_on(*_, **__):
        print("Not run where work is graded: the debugger")

    sys.breakpointhook = pdb.set_trace = go_on


def set_limits(memory: int, file: int, seconds: int) -> None:
    """Limit this process for good: bytes of memory and of one file, seconds of processor time."""
    for kind, value in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, file),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


class Inside:
    """Executes cells, and runs scenarios on the functions that a check cell hands over."""

    def __init__(self):
        self.arrays: list[bytes] = []  # those that an answer names, each as a `.npy` file
        self.outputs = Outputs()
        self.shell = _shell(lambda kind, **content: self.outputs.add(kind, **content))
        self.streams = [_Stream(name, self) for name in ("stdout", "stderr")]
        self.check = check.check
        self.awaited = ""  # id of the exercise whose check cell runs now
        self.exercise: Exercise | None = None
        self.implementation: Implementation | None = None
        check.recorder = self.keep

    def answer(self, request: Mapping[str, Any]) -> dict:
        """Do what one request says; its keys are listed at the top of `process.py`."""
        if request["do"] == "observe":
            return self._observe(request["check"], request["seed"])
        if request["do"] == "forward":
            return self._call_forward(request["exercise"], request["check"], request["points"])
        if request["do"] == "module":
            return self._keep_module(request["name"], request["source"])
        self.outputs, self.implementation = Outputs(), None
        self.awaited = request.get("exercise", "")
        if self.awaited:
            self.shell.user_ns["check"] = self.check  # a student's variable may have this name
        sys.stdout, sys.stderr = self.streams
        result = self.shell.run_cell(request["source"], store_history=True)
        self.awaited = ""
        return {
            "outputs": self.outputs.pieces(),
            "kept": self.implementation is not None,
            "line": line_of(getattr(result, "error_in_exec", None)),
        }

    def keep(self, exercise: Exercise, functions: Mapping[str, Callable]) -> None:
        """Take the place of `check()`: only the template's check cell of an exercise counts."""
        if exercise.id == self.awaited:
            self.exercise = exercise
            self.implementation = Implementation(functions, exercise)

    def _keep_module(self, name: str, source: str) -> dict:
        """Write a file that was handed in beside the notebook, where imports find it last."""
        path = Path.cwd() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        return {"outputs": []}

    def _observe(self, name: str, seed: int) -> dict:
        if self.exercise is None or self.implementation is None:
            return {"fault": ["stopped", "nothing was handed over"]}
        check = next(check for check in self.exercise.checks if check.name == name)
        seen = observe_check(self.implementation, self.exercise, check, seed)
        if seen.fault is not None:
            return {"fault": [str(seen.fault.kind), str(seen.fault.text)[:MAX_FAULT]]}
        return self._shown(seen.arrays or {})

    def _call_forward(self, exercise_id: str, name: str, points: list) -> dict:
        """Call the forward pass that was handed over as a check of a backward pass does."""
        if self.exercise is None or self.implementation is None:
            return self._shown({})
        exercise = exercises.find(exercise_id)
        check = next(check for check in exercise.checks if check.name == name)
        arrays = [[np.array(values) for values in point] for point in points]
        outs = outs_of(self.implementation, self.exercise, check, arrays)
        return self._shown({str(number): out for number, out in enumerate(outs)})

    def _shown(self, arrays: Mapping[str, np.ndarray]) -> dict:
        self.arrays = [_file_of(array) for array in arrays.values()]
        return {"arrays": list(arrays)}


def _file_of(array: np.ndarray) -> bytes:
    """Return an array as `np.save` writes it, which would make the same header again and again."""
    array = np.asarray(array, order="C")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:  # what other processors do not have
        with np.errstate(all="ignore"):
            array = array.astype(float)
    return _header_of(array.dtype.str, array.shape) + array.tobytes()


@functools.lru_cache(maxsize=1000)
def _header_of(dtype: str, shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    described = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue()


def line_of(error: BaseException | None) -> int:
    """Return the line of a cell at which an error ended it; 0 where none did.

    The text below %%time is counted from its own first line.
    """
    trace, line = getattr(error, "__traceback__", None), 0
    while trace is not None:
        code = trace.tb_frame.f_code
        is_cell = is_students(code.co_filename) or code.co_filename == TIMED
        line += trace.tb_lineno if is_cell and code.co_name == "<module>" else 0
        trace = trace.tb_next
    return line


class Outputs:
    """The outputs of one cell as nbformat has them; what is too much is dropped."""

    def __init__(self):
        self._pieces: list[tuple[str, dict]] = []
        self._left = MAX_OUTPUT

    def add(self, kind: str, **content: Any) -> None:
        """Add a piece of output; text of the same stream is joined."""
        self._left -= len(json.dumps(content))
        if self._left < 0:
            return
        last_kind, last = self._pieces[-1] if self._pieces else ("", {})
        if kind == last_kind == "stream" and content["name"] == last["name"]:
            last["text"] += content["text"]
        elif len(self._pieces) < MAX_PIECES:
            self._pieces.append((kind, content))

    def pieces(self) -> list[dict]:
        """Return what was kept."""
        return [{"output_type": kind, **content} for kind, content in self._pieces]


class _Stream(io.TextIOBase):
    """sys.stdout or sys.stderr of the cells."""

    encoding = "utf-8"

    def __init__(self, name: str, inside: Inside):
        self._name, self._inside = name, inside

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text:
            self._inside.outputs.add("stream", name=self._name, text=[text])
        return len(text)


class _Results(DisplayHook):
    """The value of a cell's last line."""

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        if self.shell is not None:
            self.shell.collect("execute_result", data=_printable(format_dict))


class _Displays(DisplayPublisher):
    """What a cell shows with `display`, figures included."""

    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **kwargs):
        self.shell.collect("display_data", data=_printable(data))

    def clear_output(self, wait=False):
        pass


class _Transformers(TransformerManager):
    """IPython's own; but what is Python already is not taken apart to look for what is not."""

    def do_token_transforms(self, lines):
        is_done = self.token_transformers == TOKEN_TRANSFORMERS and is_python("".join(lines))
        return lines if is_done else super().do_token_transforms(lines)


def is_python(source: str) -> bool:
    """Whether some lines are Python, and nothing that IPython adds to it; False when in doubt.

    >>> is_python("x = 1"), is_python("x = %pwd"), is_python("print?"), is_python("!ls")
    (True, False, False, False)
    """
    if "\\" in source:  # of which Python may warn, and once is enough
        return False
    return _tree(source) is not None


def defines(source: str) -> bool:
    """Whether some lines are Python that defines functions or classes.

    >>> defines("import a\\ndef f(x): pass"), defines("x <- f(3)"), defines("def f(int x): pass")
    (True, False, False)
    """
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = _tree(source)
    return tree is not None and any(isinstance(node, kinds) for node in tree.body)


def _tree(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Shell(InteractiveShell):
    """IPython as a kernel has it; outputs go to `collect(kind, **content)`."""

    collect: Callable[..., None]
    displayhook_class = Type(_Results)
    display_pub_class = Type(_Displays)
    input_transformer_manager = Instance(_Transformers, ())

    def enable_gui(self, gui=None):
        """Do nothing: there is no window to show."""

    def system(self, cmd):
        """Say that a shell command is not run: what it would install or show is not needed."""
        print(f"Not run where work is graded: !{cmd}")

    def getoutput(self, cmd, split=True, depth=0):
        """Give no lines for `name = !command`."""
        self.system(cmd)
        return SList()

    def run_line_magic(self, magic_name, line, _stack_depth=1):
        """Run a magic that changes nothing but this process; a line says where one is not run."""
        if self.find_line_magic(magic_name) is None or magic_name in NOT_RUN:
            print(f"Not run where work is graded: %{magic_name} {line}".rstrip())
            return None
        try:
            return super().run_line_magic(magic_name, line, _stack_depth + 1)
        except Exception as error:
            if magic_name in RUNS_CODE:
                raise
            print(f"%{magic_name} was not run: {error}")
            return None

    def run_cell_magic(self, magic_name, line, cell):
        """Run a magic of a whole cell, such as %%time; a line says where one is not run.

        Most of what extensions bring, such as %%memit, runs what is below it as well.
        """
        is_known = self.find_cell_magic(magic_name) is not None
        if is_known and magic_name not in NOT_RUN:
            return super().run_cell_magic(magic_name, line, cell)
        print(f"Not run where work is graded: %%{magic_name} {line}".rstrip())
        if magic_name not in NOT_RUN and defines(self.transform_cell(cell)):
            self.run_cell(cell)
        return None

    def _showtraceback(self, etype, evalue, stb):
        name, text = etype.__name__, str(evalue)
        self.collect("error", ename=name, evalue=text, traceback=[str(line) for line in stb])


def _shell(collect: Callable[..., None]) -> _Shell:
    config = Config()
    config.HistoryManager.enabled = False
    shell: _Shell = _Shell.instance(config=config)
    shell.collect = collect
    shell.enable_matplotlib("inline")
    return shell


def _printable(data: Mapping[str, Any]) -> dict[str, str]:
    """The parts of a rich output that feedback shows; bitmaps in base64."""
    shown = {kind: data[kind] for kind in SHOWN if kind in data}
    return {
        kind: base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
        for kind, value in shown.items()
    }


if __name__ == "__main__":
    main(sys.argv[1:])
