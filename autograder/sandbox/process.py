"""Where a student's code runs: one process per submission, asked one thing at a time.

    outside (this module)                      inside (child.py, the student's code)
    {"do": "module", "name": …, …}       ──▶   keeps a file to import      ──▶  {"outputs": …}
    {"do": "run", "source": …}           ──▶   executes a cell             ──▶  {"outputs": …}
    {"do": "check", "exercise": …, …}    ──▶   executes a check cell, which keeps the functions
    {"do": "observe", "check": …, "seed": …} ▶ runs one scenario on them   ──▶  {"arrays": names}
    {"do": "forward", "check": …, …}     ──▶   calls the forward at points ──▶  {"arrays": names}

The outside sends a cell or a seed only when its turn has come, holds the clock, and reads arrays
back as bounded `.npy` files without pickle. Nothing that comes back is a mark.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from autograder.checking.observe import Fault, Seen, known_kind
from autograder.checking.slopes import MEASURED, Probe
from autograder.checking.spec import Check, Exercise
from autograder.exercises import check_names
from autograder.sandbox.clock import PATIENCE, Clock, WorkClock
from autograder.sandbox.inside import messages
from autograder.submissions.code import WRITTEN, definitions_below, only_definitions
from autograder.submissions.notebook import (
    Step,
    Unreadable,
    clean_outputs,
    clean_text,
)

MAX_FAULT = 2_000  # characters
ATTEMPTS = 10  # at everything, in whose time all attempts have to come to their end
MAX_STOPS = 3  # cells that may have to be stopped before the rest is given up
LOOK_SECONDS = 0.25  # between two looks at the clock and at what a child wrote to the disk
CHUNK = 1 << 16  # bytes that are read at once; to make room for more takes longer than to read
OWN = ("module", "added")  # roles of what students add to a lesson
KILLED = signal.SIGKILL.name
ENVIRONMENT = {  # of whatever executes a student's code
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "TORCHDYNAMO_DISABLE": "1",  # no compiler is there: torch.compile changes nothing
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")},
}
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(?P<dtype>[<>|](?:f[248]|[iu][1248]|b1))', "
    rb"'fortran_order': (?P<order>True|False), "
    rb"'shape': \((?P<shape>(?:\d{1,9}, ?){0,31}(?:\d{1,9})?)\), \} *\n",
    re.DOTALL,
)
MALFORMED = "what came back was not as agreed"
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What one submission may use: seconds on a `WorkClock`, bytes of memory and of one file.

    The cells that students add have their own time, so that they take none from what is graded.
    """

    cell_seconds: float = 5.0
    total_seconds: float = 40.0  # of all graded cells
    own_seconds: float = 20.0  # of all cells that the student added
    start_seconds: float = 120.0
    memory: int = 4 * 2**30
    file: int = 64 * 2**20

    @property
    def all_seconds(self) -> float:
        """What all cells together may take."""
        return self.total_seconds + self.own_seconds

    @property
    def occupied_seconds(self) -> float:
        """How long all attempts to execute a submission may keep a place from others."""
        return ATTEMPTS * self.all_seconds


@dataclass
class Outcome:
    """What came of executing a submission; kept exercise by exercise as it arrived."""

    seen: dict[str, dict[str, Seen]] = field(default_factory=dict)  # exercise id, check name
    outputs: dict[str, list[dict]] = field(default_factory=dict)  # cell id
    stopped: dict[str, Fault] = field(default_factory=dict)  # cell id: why it did not end
    cut: set[str] = field(default_factory=set)  # ids of cells of which only definitions were run
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
    sandboxes: Sandboxes,
    probe_of: Callable[[Exercise, Check, Seen], Probe | None] = lambda *_: None,
) -> Outcome:
    """Execute the steps of one submission: once for its outputs, and once to observe it.

    Code that has met the inputs of a scenario could remember them and print them in a later cell.
    So one process, which is never given a seed, produces the outputs that feedback shows; a second
    one is given seeds and produces nothing but observations. Where half the points are possible, a
    third one, which has seen neither a seed nor a gradient, runs the forward pass that was marked.

    A cell that overruns its time or ends the process is stopped, and everything is executed again
    with only the definitions of that cell; if it has to be stopped once more, without the cell. For
    a check cell, the exercise is left out, and so is what else calls its function. After more than
    three stops of graded cells, or when their time is used up, the remaining cells are not
    executed; cells that the student added are reduced to their definitions instead. The first time
    that a process is killed counts as an accident. Where an error ends a cell that the student
    wrote, its definitions below are executed all the same: it may be this machine that differs.
    When all of that together has kept a place for too long, nothing more is executed.

    Args:
        exercises: by grade id of their check cell.
        sandboxes: where it runs.
        probe_of: says where to call the forward pass that a check of a backward pass followed.

    Raises `Infrastructure` when a sandbox fails.
    """
    run = _Run(steps, exercises, seed_of, limits, sandboxes)
    start = time.monotonic()
    for observing in (False, True):
        while not run.comes_to_end(observing):
            continue
    run.measure(probe_of)
    run.outcome.seconds = time.monotonic() - start
    return run.outcome


class _Run:
    """The steps of one submission, executed from the first on, without what stopped them before."""

    def __init__(self, steps, exercises, seed_of, limits, sandboxes):
        self.steps, self.exercises, self.seed_of = steps, exercises, seed_of
        self.limits, self.sandboxes, self.outcome = limits, sandboxes, Outcome()
        self.killed = ""  # id of a cell during which the process was killed
        self.last = ""  # id of the cell after which nothing is executed
        self.stops = self.own_stops = 0
        self.occupied = 0.0  # seconds in which its processes kept their places from others
        self.left_out: set[str] = set()  # ids of cells
        self.stuck: set[tuple[str, str]] = set()  # framework, function

    def comes_to_end(self, observing: bool) -> bool:
        """Execute everything in one child; False when something has to be stopped and all repeated.

        Args:
            observing: whether scenarios run; if so, outputs are not kept.
        """
        taken: dict[str, float] = {}  # seconds of own cells
        with self._process() as child:
            for step in self.steps:
                if self._occupies_too_long(child):
                    self._give_up(step.cell_id)
                if step.cell_id == self.last:
                    return True
                if step.cell_id in self.left_out:
                    continue
                exercise = self.exercises.get(step.grade_id) if step.role == "check" else None
                before = child.left_own
                try:
                    if observing and exercise is not None:
                        self._observe(child, step, exercise)
                    else:
                        reply = self._ask(child, step, exercise)
                        if not observing:
                            outputs = clean_outputs(reply.get("outputs"))
                            self.outcome.outputs[step.cell_id] = outputs
                except Stopped as stop:
                    if stop.fault.text == KILLED and not self.killed:
                        self.killed = step.cell_id
                        return False
                    self.outcome.stopped[step.cell_id] = stop.fault
                    if step.role in OWN:
                        self._stop_own(step.cell_id, child.is_used_up(own=True), taken)
                    else:
                        self._stop_graded(step, exercise, stop.fault, child.is_used_up(own=False))
                    return self.outcome.aborted is not None
                if step.role in OWN:
                    taken[step.cell_id] = before - child.left_own
        return True

    @contextlib.contextmanager
    def _process(self) -> Iterator[Process]:
        """A process for the submission, whose time is taken from what all may have together."""
        with self.sandboxes.process(self.limits) as child:
            try:
                yield child
            finally:
                self.occupied += child.occupied

    def _occupies_too_long(self, child: Process) -> bool:
        return self.occupied + child.occupied >= self.limits.occupied_seconds

    def _give_up(self, cell_id: str) -> None:
        minutes = self.limits.occupied_seconds / 60
        fault = Fault(f"stopped: all attempts together took longer than {minutes:g} minutes")
        self.outcome.stopped.setdefault(cell_id, fault)
        self.outcome.aborted, self.last = self.outcome.aborted or fault, cell_id

    def measure(self, probe_of: Callable[[Exercise, Check, Seen], Probe | None]) -> None:
        """Call the marked forward passes at points around the places of backward passes."""
        forwards = {(e.framework, e.function): e.id for e in self.exercises.values()}
        waiting: dict[str, list[tuple[Exercise, Check, Probe]]] = {}
        for exercise in self.exercises.values():
            for check in (c for c in exercise.checks if c.forward is not None):
                seen = self.outcome.seen.get(exercise.id, {}).get(check.name, Seen())
                probe = probe_of(exercise, check, seen) if seen.arrays is not None else None
                marked = forwards.get((exercise.framework, exercise.functions[0]))
                if probe and marked:
                    waiting.setdefault(marked, []).append((exercise, check, probe))
        if waiting:
            with contextlib.suppress(Stopped):
                self._measure(waiting)

    def _measure(self, waiting):
        with self._process() as child:
            for step in self.steps:
                if step.cell_id == self.last or not waiting or self._occupies_too_long(child):
                    return
                if step.cell_id in self.left_out:
                    continue
                marked = self.exercises.get(step.grade_id) if step.role == "check" else None
                reply = self._ask(child, step, marked)
                asked = waiting.pop(marked.id, ()) if marked else ()
                for exercise, check, probe in asked if reply.get("kept") is True else ():
                    points = [[array.tolist() for array in point] for point in probe.points]
                    request = {"exercise": exercise.id, "check": check.name, "points": points}
                    reply = child.ask({"do": "forward"} | request)
                    outs = _seen(reply, child.arrays).arrays or {}
                    if len(outs) == len(points):
                        seen = self.outcome.seen[exercise.id]
                        shown = seen[check.name].arrays | probe.measured(list(outs.values()))
                        seen[check.name] = Seen(arrays=shown)

    def _stop_own(self, cell_id: str, is_used_up: bool, taken: dict[str, float]) -> None:
        """Cut short what the student added, so that what is graded is reached."""
        self.own_stops += 1
        if self.own_stops > MAX_STOPS:
            self._cut(step.cell_id for step in self.steps if step.role in OWN)
        elif is_used_up:
            self._cut([cell_id, *_slowest(taken, self.limits.own_seconds / 2)])
        else:
            self._cut([cell_id])

    def _stop_graded(
        self, step: Step, exercise: Exercise | None, fault: Fault, is_used_up: bool
    ) -> None:
        self.stops += 1
        if exercise is None:
            self._cut([step.cell_id])
        else:
            self.outcome.failed[exercise.id] = fault
            self.stuck.add((exercise.framework, exercise.function))
            self.left_out.add(step.cell_id)
        if self.stops > MAX_STOPS or is_used_up:
            self.outcome.aborted, self.last = fault, step.cell_id

    def _cut(self, cells: Iterable[str]) -> None:
        """Execute only what cells define, or nothing where that was too much."""
        for cell_id in cells:
            (self.left_out if cell_id in self.outcome.cut else self.outcome.cut).add(cell_id)

    def _ask(self, child: Process, step: Step, exercise: Exercise | None) -> dict:
        """Execute a step; below an error in it, what it defines."""
        request, own = self._request(step, exercise), step.role in OWN
        reply = child.ask(request, own)
        line = reply.get("line")
        if step.role not in WRITTEN or type(line) is not int or line <= 0:
            return reply
        if rest := definitions_below(line, request["source"]):
            child.ask({"do": "run", "source": rest}, own)
        return reply

    def _request(self, step: Step, exercise: Exercise | None) -> dict[str, str]:
        if step.role == "module":
            return {"do": "module", "name": step.cell_id, "source": step.source}
        if exercise is not None:
            return {"do": "check", "source": step.source, "exercise": exercise.id}
        is_cut = step.cell_id in self.outcome.cut
        return {"do": "run", "source": only_definitions(step.source) if is_cut else step.source}

    def _observe(self, child: Process, step: Step, exercise: Exercise) -> None:
        for name in exercise.functions:
            if (exercise.framework, name) in self.stuck:
                fault = Fault(f"not run: it calls {name}, which had to be stopped")
                self.outcome.failed[exercise.id] = fault
                return
        seen = self.outcome.seen.setdefault(exercise.id, {})
        waiting = [check for check in exercise.checks if check.name not in seen]
        if not waiting or child.ask(self._request(step, exercise)).get("kept") is not True:
            return
        for check in waiting:
            request = {"check": check.name, "seed": self.seed_of(exercise, check)}
            reply = child.ask({"do": "observe"} | request)
            seen[check.name] = _seen(reply, child.arrays)


def _slowest(taken: Mapping[str, float], allowed: float) -> Iterator[str]:
    """The cells without which the others take no longer than is allowed."""
    total = sum(taken.values())
    for cell_id in sorted(taken, key=taken.__getitem__, reverse=True):
        if total <= allowed:
            return
        total -= taken[cell_id]
        yield cell_id


def _seen(reply: dict, contents: Sequence[bytes]) -> Seen:
    """Read back what a scenario showed; whatever is not as agreed is a fault of the submission."""
    fault, names = reply.get("fault"), reply.get("arrays")
    if isinstance(fault, list) and [type(part) for part in fault] == [str, str]:
        return Seen(fault=Fault(known_kind(fault[0]), clean_text(fault[1][:MAX_FAULT])))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return Seen(fault=Fault(MALFORMED))
    try:
        if len(contents) != len(names):
            raise Unreadable(f"{len(names)} arrays were announced and {len(contents)} came.")
        keys = [clean_text(name[:100]) for name in names]
        shown = zip(keys, map(read_array, contents), strict=True)
        return Seen(arrays={k: array for k, array in shown if not k.startswith(MEASURED)})
    except Unreadable as error:
        return Seen(fault=Fault(MALFORMED, str(error)))


def read_array(content: bytes) -> np.ndarray:
    """Read what a student's process wrote as `.npy`: plain numbers, as many as it says.

    Only the header that `np.save` itself writes is taken, and not as Python.

    Raises `Unreadable` for anything else.
    """
    header = _HEADER.match(content)
    if header is None or header.end() != 10 + int.from_bytes(content[8:10], "little"):
        raise Unreadable("It is not an array file of plain numbers.")
    shape = tuple(map(int, header["shape"].replace(b",", b" ").split()))
    dtype = np.dtype(header["dtype"].decode())
    if math.prod(shape) * dtype.itemsize != len(content) - header.end():
        raise Unreadable("Its size is not what its header says.")
    if math.prod(filter(None, shape)) > messages.MAX_PART:
        raise Unreadable("Its shape is not one that an array has.")
    values = np.frombuffer(content[header.end() :], dtype).copy()
    return values.reshape(shape, order="F" if header["order"] == b"True" else "C")


class Sandboxes(Protocol):
    """Where submissions run."""

    @property
    def tier(self) -> str:
        """A, B or C, to be recorded with every mark."""

    def process(self, limits: Limits) -> AbstractContextManager[Process]:
        """Give a process to one submission."""

    def start(self) -> None:
        """Start what needs no cells yet."""

    def begin(self, cells: Iterable[str]) -> None:
        """Start preparing a process for the course's own cells in the background."""

    def close(self) -> None:
        """End the processes that are ready."""


class Fresh:
    """Starts a Python of its own for each process: where none can be forked from a warm one."""

    tier = "C"

    def __enter__(self) -> Fresh:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def process(self, limits: Limits) -> Process:
        """Return a process for one submission, to be used in a `with`."""
        return Process(limits)

    def start(self) -> None:
        """Do nothing: no process is prepared."""

    close = start

    def begin(self, cells: Iterable[str]) -> None:
        """Do nothing: no process is prepared."""


class Process:
    """One child with its own folder, HOME, process group and limits; use it in a `with`."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.left = limits.total_seconds  # for what is graded
        self.left_own = limits.own_seconds
        self.occupied = 0.0  # seconds in which it kept its place from others
        self._alone: int | None = None  # its number, where it can start no process to work for it

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
        for folder in (self.box / "home", self.box / "tmp"):
            folder.mkdir()
        self.connection, theirs = connected()
        limits = {
            "memory": self.limits.memory,
            "file": self.limits.file,
            "seconds": int(self.limits.all_seconds + self.limits.start_seconds),
        }
        # Without -P, files that appear in the child's folder could stand in for libraries.
        command = [sys.executable, "-P", "-s", "-m", "autograder.sandbox.inside.child"]
        with theirs, open(self.box / "stderr", "wb") as errors:
            self.child = subprocess.Popen(
                [*command, str(theirs.fileno()), json.dumps(limits)],
                cwd=self.box / "home",
                env=_environment(self.box),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        try:
            ready = self._read(Clock(self.limits.start_seconds))
        except (Stopped, OSError) as stop:
            text = (self.box / "stderr").read_text(errors="replace").strip()
            raise Infrastructure(f"The sandbox did not start: {text[-2000:] or stop}") from None
        if ready != {"ready": check_names()}:
            raise Infrastructure("The exercises were changed while grading ran; start it again.")

    def ask(self, request: dict, own: bool = False) -> dict:
        """Send one request and return the answer; raises `Stopped` when none comes in time.

        Args:
            own: whether it takes from the time of the cells that the student added.
        """
        allowed = min(self.limits.cell_seconds, self.left_own if own else self.left)
        clock = Clock(allowed) if self._alone is None else WorkClock(allowed, self._alone)
        try:
            self._send(messages.framed(request), clock)
            return self._read(clock)
        except TimeoutError:
            raise Stopped(self._too_slow(own, clock)) from None
        except OSError:
            raise Stopped(self._ended()) from None
        finally:
            taken, occupied = clock.used()
            self.occupied += occupied
            if own:
                self.left_own -= taken
            else:
                self.left -= taken

    def is_used_up(self, own: bool) -> bool:
        """Whether no time is left for cells of a kind."""
        return (self.left_own if own else self.left) <= 0

    def _look(self) -> None:
        """Do nothing: there is nothing to look at while a child works."""

    def _in_time(self, clock: Clock, do: Callable[[], T]) -> T:
        """Send or receive; raises OSError when that is not possible, or not in time."""
        while not clock.is_over():
            with contextlib.suppress(TimeoutError):
                return do()
            self._look()
        raise TimeoutError

    def _send(self, message: bytes, clock: Clock) -> None:
        rest = memoryview(message)
        while rest:
            rest = rest[self._in_time(clock, partial(self.connection.send, rest)) :]

    def _read(self, clock: Clock) -> dict:
        try:
            answer, self.arrays = messages.read(lambda: self._receive(clock))
        except messages.Refused as refused:
            raise Stopped(Fault(f"stopped: {refused}")) from None
        return answer

    def _receive(self, clock: Clock) -> bytes:
        """Return some bytes of an answer; raises OSError when none come."""
        chunk = self._in_time(clock, partial(self.connection.recv, CHUNK))
        if not chunk:
            raise ConnectionError
        return chunk

    def _too_slow(self, own: bool, clock: Clock) -> Fault:
        most, why = self.limits.cell_seconds, "an endless loop?"
        if clock.waits():
            most, why = PATIENCE * most, "does it wait for something?"
        if clock.allowed == self.limits.cell_seconds:
            return Fault(f"stopped: it took longer than {most:g} seconds ({why})")
        kind, most = (
            ("added", self.limits.own_seconds) if own else ("graded", self.limits.total_seconds)
        )
        return Fault(f"stopped: all {kind} cells together took longer than {most:g} seconds")

    def _ended(self) -> Fault:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(timeout=2)
        code = self.child.poll()
        if code is None:
            return Fault("stopped: it closed the connection to the grader")
        return ended(code)

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


def connected() -> tuple[socket.socket, socket.socket]:
    """Return our end of a connection to a child, which waits no longer than for a look, and its."""
    ours, theirs = socket.socketpair()
    ours.settimeout(LOOK_SECONDS)
    return ours, theirs


def ended(status: int) -> Fault:
    """The fault of a process that ended by itself.

    How it ended is for the instructor only: a student's code that has met secret inputs chooses it.

    >>> ended(-11)
    Fault(kind='stopped: it ended the Python process', text='SIGSEGV')
    """
    how = f"exit status {status}"
    if status < 0:
        known = -status in set(signal.Signals)
        how = signal.Signals(-status).name if known else f"signal {-status}"
    return Fault("stopped: it ended the Python process", how)


def _environment(box: Path) -> dict[str, str]:
    """An environment without the grader's variables: no tokens, no paths to the course."""
    return {
        **ENVIRONMENT,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "HOME": str(box / "home"),
        "TMPDIR": str(box / "tmp"),
        "IPYTHONDIR": str(box / "home" / "ipython"),
        "MPLCONFIGDIR": str(_font_cache(box)),
    }


def _font_cache(box: Path) -> Path:
    """A folder for matplotlib with the list of fonts, which takes seconds to make."""
    import matplotlib

    folder = box / "matplotlib"
    folder.mkdir()
    for fonts in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
        shutil.copy(fonts, folder)
    return folder
