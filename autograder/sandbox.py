"""Where a student's code runs: one process per submission, asked one thing at a time.

    outside (this module)                      inside (child.py, the student's code)
    {"do": "run", "source": …}           ──▶   executes a cell             ──▶  {"outputs": …}
    {"do": "check", "exercise": …, …}    ──▶   executes a check cell, which keeps the functions
    {"do": "observe", "check": …, "seed": …} ▶ runs one scenario on them   ──▶  {"arrays": files}

The outside sends a cell or a seed only when its turn has come, holds the clock, and reads arrays
back as bounded `.npy` files without pickle. Nothing that comes back is a mark.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autograder.exercises import check_names
from autograder.observe import Fault, Seen, known_kind
from autograder.spec import Check, Exercise
from autograder.submission import Step, Unreadable, clean_outputs, read_regular

MAX_REPLY = 8_000_000  # bytes of one answer of the child
MAX_ARRAYS = 200  # of one scenario
MAX_ARRAY = 9_000_000  # bytes of one observed array
MAX_FAULT = 2_000  # characters
MALFORMED = "what came back was not as agreed"


@dataclass(frozen=True)
class Limits:
    """What one submission may use: seconds of wall time, bytes of memory and of one file."""

    cell_seconds: float = 5.0
    total_seconds: float = 30.0
    start_seconds: float = 120.0
    memory: int = 4 * 2**30
    file: int = 64 * 2**20


@dataclass
class Outcome:
    """What came of executing a submission; kept exercise by exercise as it arrived."""

    seen: dict[str, dict[str, Seen]] = field(default_factory=dict)  # exercise id, check name
    outputs: dict[str, list[dict]] = field(default_factory=dict)  # cell id
    stopped: dict[str, Fault] = field(default_factory=dict)  # cell id: why it did not end
    failed: dict[str, Fault] = field(default_factory=dict)  # exercise id: why it was not observed
    aborted: Fault | None = None  # why the rest was not executed either
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether every cell came to its end, so that the same again gives the same again."""
        return not self.stopped and self.aborted is None


class Stopped(Exception):
    """The child did not answer; `fault` says why in words for the student."""

    def __init__(self, fault: Fault):
        super().__init__(fault.kind)
        self.fault = fault


class Infrastructure(Exception):
    """The sandbox itself failed; never a student's fault and never a mark."""


def execute(
    steps: Sequence[Step],
    exercises: Mapping[str, Exercise],
    seed_of: Callable[[Exercise, Check], int],
    limits: Limits,
) -> Outcome:
    """Execute the steps of one submission and observe its exercises.

    A cell that overruns its time or ends the process is left out in one second run; of a check
    cell, that is the exercise and what else calls its function. If it happens again, what was not
    observed by then stays unobserved.

    Args:
        exercises: by grade id of their check cell.
    """
    outcome = Outcome()
    run = _Run(steps, exercises, seed_of, limits, outcome)
    start = time.monotonic()
    stop = run.all()
    if stop is not None:
        outcome.aborted = run.all()
    outcome.seconds = time.monotonic() - start
    return outcome


class _Run:
    """The steps of one submission, executed from the first on, without what stopped them before."""

    def __init__(self, steps, exercises, seed_of, limits, outcome):
        self.steps, self.exercises, self.seed_of = steps, exercises, seed_of
        self.limits, self.outcome = limits, outcome
        self.stuck: set[tuple[str, str]] = set()  # framework, function

    def all(self) -> Fault | None:
        """Execute everything in one child; return what stopped it, if anything did."""
        with Process(self.limits) as child:
            for step in self.steps:
                if step.cell_id in self.outcome.stopped:
                    continue
                exercise = self.exercises.get(step.grade_id) if step.role == "check" else None
                try:
                    if exercise is None:
                        self._run(child, step)
                    else:
                        self._check(child, step, exercise)
                except Stopped as stop:
                    self.outcome.stopped[step.cell_id] = stop.fault
                    if exercise is not None:
                        self.outcome.failed[exercise.id] = stop.fault
                        self.stuck.add((exercise.framework, exercise.function))
                    return stop.fault
        return None

    def _run(self, child: Process, step: Step, **more: str) -> dict:
        reply = child.ask({"do": "run", "source": step.source} | more)
        self.outcome.outputs[step.cell_id] = clean_outputs(reply.get("outputs"))
        return reply

    def _check(self, child: Process, step: Step, exercise: Exercise) -> None:
        for name in exercise.functions:
            if (exercise.framework, name) in self.stuck:
                fault = Fault(f"not run: it calls {name}, which had to be stopped")
                self.outcome.failed[exercise.id] = fault
                return
        seen = self.outcome.seen.setdefault(exercise.id, {})
        waiting = [check for check in exercise.checks if check.name not in seen]
        if waiting:
            reply = self._run(child, step, do="check", exercise=exercise.id)
            waiting = waiting if reply.get("kept") is True else []
        for check in waiting:
            request = {"check": check.name, "seed": self.seed_of(exercise, check)}
            seen[check.name] = _seen(child.ask({"do": "observe"} | request), child.results)


def _seen(reply: dict, folder: Path) -> Seen:
    """Read back what a scenario showed; whatever is not as agreed is a fault of the submission."""
    fault, files = reply.get("fault"), reply.get("arrays")
    if isinstance(fault, list) and [type(part) for part in fault] == [str, str]:
        return Seen(fault=Fault(known_kind(fault[0]), fault[1][:MAX_FAULT]))
    if not isinstance(files, list) or len(files) > MAX_ARRAYS:
        return Seen(fault=Fault(MALFORMED))
    try:
        return Seen(arrays=_arrays(files, folder))
    except Unreadable as error:
        return Seen(fault=Fault(MALFORMED, str(error)))


def _arrays(files: list, folder: Path) -> dict[str, np.ndarray]:
    return {str(key)[:100]: read_array(folder / f"{i}.npy") for i, key in enumerate(files)}


def read_array(path: Path) -> np.ndarray:
    """Read a `.npy` file that a student's process wrote: plain numbers, of the size it says.

    Raises `Unreadable` for anything else.
    """
    content = read_regular(path, MAX_ARRAY)
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read_header(file)
    except Exception:  # a header is parsed as Python, which fails in many ways
        raise Unreadable("It is not an array file.") from None
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        raise Unreadable(f"It holds {dtype}, not plain numbers.")
    size = math.prod(shape) * dtype.itemsize
    if any(length < 0 for length in shape) or size != len(content) - file.tell():
        raise Unreadable("Its size is not what its header says.")
    file.seek(0)
    return np.load(file, allow_pickle=False)


class Process:
    """One child with its own folder, HOME, process group and limits; use it in a `with`."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.left = limits.total_seconds

    def __enter__(self) -> Process:
        self.box = Path(tempfile.mkdtemp(prefix="autograder-"))
        try:
            self._start()
        except OSError as error:
            self._end()
            raise Infrastructure(f"The sandbox did not start: {error}") from None
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def _start(self) -> None:
        self.results = self.box / "results"
        for folder in (self.results, self.box / "home", self.box / "tmp"):
            folder.mkdir()
        self.connection, theirs = socket.socketpair()
        limits = {
            "memory": self.limits.memory,
            "file": self.limits.file,
            "seconds": int(self.limits.total_seconds + self.limits.start_seconds),
        }
        # Without -P, files that appear in the child's folder could stand in for libraries.
        command = [sys.executable, "-P", "-s", "-m", "autograder.child"]
        with theirs, open(self.box / "stderr", "wb") as errors:
            self.child = subprocess.Popen(
                [*command, str(theirs.fileno()), str(self.results), json.dumps(limits)],
                cwd=self.box / "home",
                env=_environment(self.box),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        try:
            ready = self._read(time.monotonic() + self.limits.start_seconds)
        except (Stopped, OSError) as stop:
            text = (self.box / "stderr").read_text(errors="replace").strip()
            raise Infrastructure(f"The sandbox did not start: {text[-2000:] or stop}") from None
        if ready != {"ready": check_names()}:
            raise Infrastructure("The exercises were changed while grading ran; start it again.")

    def ask(self, request: dict) -> dict:
        """Send one request and return the answer; raises `Stopped` when none comes in time."""
        start = time.monotonic()
        deadline = start + min(self.limits.cell_seconds, self.left)
        try:
            self._wait(deadline)
            self.connection.sendall(json.dumps(request).encode() + b"\n")
            return self._read(deadline)
        except TimeoutError:
            raise Stopped(self._too_slow()) from None
        except OSError:
            raise Stopped(self._ended()) from None
        finally:
            self.left -= time.monotonic() - start

    def _wait(self, deadline: float) -> None:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self.connection.settimeout(remaining)

    def _read(self, deadline: float) -> dict:
        reply = bytearray()
        while not reply.endswith(b"\n"):
            self._wait(deadline)
            chunk = self.connection.recv(65536)
            if not chunk:
                raise ConnectionError
            reply += chunk
            if len(reply) > MAX_REPLY:
                raise Stopped(Fault("stopped: it produced more output than can be kept"))
        try:
            answer = json.loads(reply)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise Stopped(Fault("stopped: its answer was not as agreed"))
        return answer

    def _too_slow(self) -> Fault:
        cell, total = self.limits.cell_seconds, self.limits.total_seconds
        if self.left <= cell:
            return Fault(f"stopped: all cells together took longer than {total:g} seconds")
        return Fault(f"stopped: it took longer than {cell:g} seconds (an endless loop?)")

    def _ended(self) -> Fault:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(timeout=2)
        code = self.child.poll()
        if code is None:
            return Fault("stopped: it closed the connection to the grader")
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return Fault(f"stopped: it ended the Python process ({name})")
        return Fault(f"stopped: it ended the Python process (exit status {code})")

    def _end(self) -> None:
        """Kill everything of the child's process group and remove its folder."""
        child = getattr(self, "child", None)
        if child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if hasattr(self, "connection"):
            self.connection.close()
        shutil.rmtree(self.box, ignore_errors=True)


def _environment(box: Path) -> dict[str, str]:
    """An environment without the grader's variables: no tokens, no paths to the course."""
    threads = ("OMP", "MKL", "OPENBLAS", "NUMEXPR")
    return {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")),
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(box / "home"),
        "TMPDIR": str(box / "tmp"),
        "IPYTHONDIR": str(box / "home" / "ipython"),
        "MPLCONFIGDIR": str(_font_cache(box)),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        **{f"{name}_NUM_THREADS": "1" for name in threads},
    }


def _font_cache(box: Path) -> Path:
    """A folder for matplotlib with the list of fonts, which takes seconds to make."""
    import matplotlib

    folder = box / "matplotlib"
    folder.mkdir()
    for fonts in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
        shutil.copy(fonts, folder)
    return folder
