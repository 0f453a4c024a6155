"""The trusted side of the warm process: start it, ask it for a child, speak with the child.

    with Zygote() as zygote:
        with zygote.process(limits) as child:
            child.ask({"do": "run", "cell": "a", "source": "print(1)"})

Libraries are imported once (in `warm.py`); a submission costs a fork, which `Ahead` makes before it
is asked for. The child is apart from everything as far as the machine allows it (`isolation.py`);
this side holds its clock, a handle to kill it with, and believes none of its answers.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import fcntl
import heapq
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from autograder.answers import ROOT
from autograder.checking.observe import Fault
from autograder.exercises import check_names
from autograder.lessons.packages import copy_compiled, copy_packages
from autograder.sandbox import process
from autograder.sandbox.clock import Clock
from autograder.sandbox.inside import cgroup, isolation
from autograder.sandbox.inside.isolation import Allowance, Layers
from autograder.sandbox.process import Fresh, Infrastructure, Limits, Stopped
from autograder.submissions.code import parsed

MAX_MESSAGE = 1 << 18  # bytes between here and the warm process
BOX, LEASE = "autograder-zygote-", "lease"
LEASES = Path("/tmp")  # the same for all graders of a machine, whatever TMPDIR says
START_SECONDS = 120.0  # for all imports, on a busy machine
CALL_SECONDS = 30.0  # for a fork, or for the end of a killed child
COPIED = 256 * 2**20  # bytes of the warm process that a child may come to have copies of
MAX_DEPTH = 64  # of a child's folders: to look at thousands in each other takes a second
SECRET_PLACES = tuple(ROOT / name for name in ("cs231n_lib", "autograder", "notebooks", "tests"))


class Zygote:
    """A warm process and its children; starts at the first request, again when it was killed.

    Threads may share it. Use it in a `with`, or call `close`.

    Args:
        layers: what keeps children apart; by default all that the machine allows.
        hidden: files and folders, besides the course's own sources, that no child may open.
            At tiers A and B a child that can open one does not start.
        cells: the course's own cells (never a student's), whose imports are made beforehand.
    """

    def __init__(
        self,
        layers: Layers | None = None,
        hidden: Iterable[str | Path] = (),
        cells: Iterable[str] = (),
    ):
        self.layers = isolation.available() if layers is None else layers
        self._imports = imports_of(cells)
        self.hidden = [str(path) for path in (*SECRET_PLACES, *hidden)]
        self._lock = threading.Lock()
        self._warm: _Warm | None = None
        self._leases: dict[int, int] = {}  # slots that are ours, and what holds them
        self._free: list[int] = []  # those of them that no child has
        self._groups: dict[tuple[int, int], cgroup.Group] = {}
        self._box: Path | None = None
        self._lease = -1  # open as long as the box is ours

    @property
    def tier(self) -> str:
        """A, B or C, to be recorded with every mark."""
        return self.layers.tier

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def process(self, limits: Limits) -> AbstractContextManager[Process]:
        """Give a child to one submission."""
        return Process(self, limits)

    def start(self) -> None:
        """Have the warm process import its libraries before any cells are known."""
        with contextlib.suppress(Infrastructure, OSError), self._lock:  # told when it is used
            self._started()

    def begin(self, cells: Iterable[str]) -> None:
        """Have the warm process become ready for these cells beside whatever goes on here."""
        self._imports = imports_of(cells)

        def start():
            with contextlib.suppress(Infrastructure, OSError), self._lock:  # told when it is used
                self._running()

        threading.Thread(target=start, daemon=True).start()

    def close(self) -> None:
        """End the warm process and all of its children, and remove what they had."""
        with self._lock:
            self._stop()
            for group in self._groups.values():
                group.close()
            self._groups.clear()
            for held in self._leases.values():
                os.close(held)
            self._leases.clear()
            self._free.clear()
            if self._box is not None:
                _remove(self._box)
                os.close(self._lease)
                self._box = None
        atexit.unregister(self.close)

    def _stop(self) -> None:
        if self._warm is not None:
            self._warm.close()
            self._warm = None

    def _running(self) -> _Warm:
        """Return the warm process, ready to fork."""
        warm = self._started()
        warm.become_ready(self._imports)
        return warm

    def _started(self) -> _Warm:
        """Return the warm process; start it when there is none (any more)."""
        if self._warm is None or not self._warm.is_alive():
            self._stop()
            if self._box is None:
                remove_abandoned_boxes()
                self._box, self._lease = _make_box()
                atexit.register(self.close)
            self._warm = _Warm(self.layers, self._box)
        return self._warm

    def _fork(self, request: Mapping, theirs: socket.socket) -> tuple[_Warm, int, int]:
        """Return the warm process, the number of the new child there, and a handle to it."""
        with self._lock:
            try:
                return self._running().fork(request, theirs)
            except Infrastructure:
                self._stop()
                return self._running().fork(request, theirs)

    def _reap(self, warm: _Warm, child: int) -> int | None:
        """Return how a child ended; None when its warm process has ended too."""
        with self._lock:
            try:
                return warm.call({"do": "reap", "pid": child})[0]["status"]
            except Infrastructure:
                return None

    def _take_slot(self) -> int:
        """Take a free slot, or lease one that no grader of this machine holds: a child's user."""
        with self._lock:
            if self._free:
                return heapq.heappop(self._free)
            for slot in range(isolation.SLOTS):
                if slot not in self._leases and (held := _hold(slot)) is not None:
                    self._leases[slot] = held
                    return slot
        raise Infrastructure(f"more than {isolation.SLOTS} submissions run at once")

    def _give_slot(self, slot: int) -> None:
        with self._lock:
            if slot in self._leases:
                heapq.heappush(self._free, slot)

    def _own_box(self) -> Path:
        """The folder of what is running."""
        if self._box is None:
            raise Infrastructure("the sandboxes were closed")
        return self._box

    def _group(self, slot: int, limits: Limits) -> cgroup.Group | None:
        """Return the control group of a slot, where there can be one."""
        if not cgroup.available():
            return None
        memory = limits.memory + limits.file + COPIED
        if (slot, memory) not in self._groups:
            name = f"{self._own_box().name}-{slot}-{memory}"
            self._groups[slot, memory] = cgroup.Group(name, memory, isolation.THREADS)
        return self._groups[slot, memory]

    def _folder(self, slot: int) -> Path | None:
        """Make the folder that a child may write to, unless it has one in memory."""
        if self.layers.namespaces:
            return None
        folder = Path(tempfile.mkdtemp(dir=self._own_box() / "children"))
        if self.layers.slot_user:
            user = isolation.FIRST_USER + slot
            os.chown(folder, user, user)
        return folder


class Ahead(Zygote):
    """A warm process whose next child starts, and whose last one is removed, while others work.

    That takes a sixth of a submission's time. A child that waits has met nobody's code, and nobody
    can reach it: for layers with namespaces only.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._helper: ThreadPoolExecutor | None = None
        self._next: Future[Process] | None = None

    @contextlib.contextmanager
    def process(self, limits: Limits) -> Iterator[Process]:
        """Give a child to one submission, which has started before where one could.

        Raises Infrastructure when it cannot be started, or when the warm process died with it.
        """
        child = self._waiting(limits) or Process(self, limits).__enter__()
        try:
            with self._lock:
                self._helper = self._helper or ThreadPoolExecutor(1)
                self._next = self._next or self._helper.submit(Process(self, limits).__enter__)
            yield child
        finally:
            self._remove(child)

    def _waiting(self, limits: Limits) -> Process | None:
        """Return the child that waits, if there is one that fits."""
        with self._lock:
            begun, self._next = self._next, None
        with contextlib.suppress(Infrastructure, OSError):  # whoever starts one now is told
            if begun and begun.result().is_fit(limits):
                return begun.result()
            if begun:
                self._remove(begun.result())
        return None

    def _remove(self, child: Process) -> None:
        """Remove a child: beside what goes on, unless everything is being closed."""
        with self._lock:
            begun = self._helper and self._helper.submit(child.__exit__)
        if not begun:
            child.__exit__()

    def close(self) -> None:
        """End everything, also what waits."""
        with self._lock:
            (helper, self._helper), (begun, self._next) = (self._helper, None), (self._next, None)
        if helper:
            helper.shutdown()
        with contextlib.suppress(Infrastructure):
            if begun:
                begun.result().__exit__()
        super().close()


def sandboxes(
    layers: Layers | None = None, hidden: Iterable[Path] = (), cells: Iterable[str] = ()
) -> Zygote | Fresh:
    """Return where submissions run: children of one warm process, if this machine can fork one.

    Args:
        cells: the course's own, whose imports a warm process makes beforehand.
    """
    if not isolation.can_fork_warm():
        return Fresh()
    layers = isolation.available() if layers is None else layers
    return (Ahead if layers.namespaces else Zygote)(layers, hidden, cells)


def imports_of(cells: Iterable[str]) -> str:
    """Return the import statements at the top level of some cells.

    >>> imports_of(["import numpy as np\\nx = np.ones(3)", "from math import *"])
    'import numpy as np\\nfrom math import *'
    """
    kinds = (ast.Import, ast.ImportFrom)
    found = (node for cell in cells for node in parsed(cell).body if isinstance(node, kinds))
    return "\n".join(dict.fromkeys(map(ast.unparse, found)))


class _Warm:
    """One run of the warm process."""

    def __init__(self, layers: Layers, box: Path):
        self._is_ready = False
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        setup = {
            "control": theirs.fileno(),
            "layers": asdict(layers),
            "root": str(box / "root"),
            "kit": str(box / "kit"),
            "private": isolation.PRIVATE if layers.namespaces else str(box / "own"),
        }
        program = (sys.executable, "-P", "-s", "-m", "autograder.sandbox.inside.isolation")
        self._errors = box / "errors"
        with theirs, open(self._errors, "wb") as stderr:
            self._starter = subprocess.Popen(
                [*program, "enter", json.dumps(setup)],
                env=_environment(box / "kit"),
                cwd=box,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def become_ready(self, imports: str) -> None:
        """Have it make imports, and wait until it can fork."""
        if self._is_ready:
            return
        try:
            ready, _ = self.call({"imports": imports}, seconds=START_SECONDS)
            if ready != {"ready": check_names()}:
                raise Infrastructure("The exercises were changed meanwhile; start grading again.")
        except Infrastructure:
            self.close()
            raise
        self._is_ready = True

    def is_alive(self) -> bool:
        return self._starter.poll() is None

    def fork(self, request: Mapping, theirs: socket.socket) -> tuple[_Warm, int, int]:
        reply, handles = self.call({"do": "fork", **request}, theirs)
        if len(handles) != 1:
            raise Infrastructure("The warm process did not fork as agreed.")
        return self, reply["pid"], handles[0]

    def call(
        self, request: Mapping, theirs: socket.socket | None = None, seconds: float = CALL_SECONDS
    ) -> tuple[dict, list]:
        """Send one request and return the answer with its descriptors."""
        descriptors = [theirs.fileno()] if theirs else []
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], descriptors)
        except OSError:
            raise Infrastructure(self._why_ended()) from None
        return self._receive(seconds)

    def _receive(self, seconds: float) -> tuple[dict, list]:
        self._control.settimeout(seconds)
        try:
            message, descriptors, *_ = socket.recv_fds(
                self._control, MAX_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC
            )
        except OSError as error:
            raise Infrastructure(f"The warm process does not answer: {error}") from None
        if not message:
            raise Infrastructure(self._why_ended())
        return json.loads(message), descriptors

    def _why_ended(self) -> str:
        last = ""
        with contextlib.suppress(OSError):  # it was closed, and its folder removed
            last = self._errors.read_text(errors="replace").strip()[-2000:]
        return f"The warm process has ended: {last or 'it was killed'}"

    def close(self) -> None:
        """Hang up, upon which it kills its children and ends; kill it when it does not."""
        self._control.close()
        try:
            self._starter.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._starter.kill()
            self._starter.wait()


class Process(process.Process):
    """One child, forked from the warm process; use it in a `with`.

    Raises Infrastructure when it cannot be started, or when the warm process died with it.
    """

    def __init__(self, zygote: Zygote, limits: Limits):
        super().__init__(limits)
        self._zygote = zygote
        self._folder: Path | None = None
        self._child: int | None = None
        self._handle = -1

    def __enter__(self) -> Process:
        self._slot = self._zygote._take_slot()
        try:
            self._start()
        except OSError as error:
            self._end()
            raise Infrastructure(f"The child did not start: {error}") from None
        except BaseException:
            self._end()
            raise
        return self

    def _start(self) -> None:
        zygote, limits = self._zygote, self.limits
        seconds = int(limits.all_seconds) + 5
        with zygote._lock:
            zygote._running()
        self._folder = zygote._folder(self._slot)
        self.connection, theirs = process.connected()
        request = {
            "slot": self._slot,
            "private": str(self._folder or isolation.PRIVATE),
            "hidden": zygote.hidden,
            "allowance": asdict(Allowance(limits.memory, limits.file, seconds)),
        }
        with theirs:
            self._warm, self._child, self._handle = zygote._fork(request, theirs)
        number = _number_here(self._handle)
        self._alone = number if zygote.layers.seccomp else None
        self._group = zygote._group(self._slot, limits)
        if self._group:
            self._kills = self._group.kills()
            self._group.add(number)
        try:
            ready = self._read(Clock(limits.start_seconds))
        except (Stopped, OSError) as stop:
            raise Infrastructure(f"The child did not start: {stop}") from None
        if ready.get("ready") is not True:
            raise Infrastructure(f"The child did not start: {ready.get('why')}")

    def is_fit(self, limits: Limits) -> bool:
        """Whether it still lives, with its warm process, and may use as much as that."""
        lives = self._warm.is_alive() and not _has_ended(self._handle, 0)
        return lives and self.limits == limits

    def _read(self, clock: Clock) -> dict:
        answer = super()._read(clock)
        self._look()
        return answer

    def _look(self) -> None:
        """Require that the child has written little to the disk."""
        if self._folder is not None and _is_larger(self._folder, self.limits.file):
            allowed = self.limits.file / 2**20
            raise Stopped(Fault(f"stopped: it wrote more than {allowed:g} MB, or too many files"))

    def _ended(self) -> Fault:
        if not _has_ended(self._handle, 2.0):
            return Fault("stopped: it closed the connection to the grader")
        status = None if self._child is None else self._zygote._reap(self._warm, self._child)
        self._child = None
        if status is None:
            raise Infrastructure("The warm process ended, and its children with it.")
        if self._group and self._group.kills() > self._kills:
            allowed = self.limits.memory / 2**20
            return Fault(f"stopped: it used more than {allowed:g} MB of memory")
        return process.ended(status)

    def _end(self) -> None:
        """Kill the child with all it started, and remove what it wrote."""
        if self._handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            if _has_ended(self._handle, CALL_SECONDS) and self._child is not None:
                self._zygote._reap(self._warm, self._child)
            os.close(self._handle)
        if hasattr(self, "connection"):
            self.connection.close()
        if self._folder is not None:
            _remove(self._folder)
        self._zygote._give_slot(self._slot)


# ------------------------------------------------------------------------------ processes


def _has_ended(handle: int, seconds: float) -> bool:
    """Whether the process behind a handle ends within some seconds."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _number_here(handle: int) -> int:
    """The number that the process behind a handle has in our own namespace."""
    lines = Path(f"/proc/self/fdinfo/{handle}").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pid:")).split()[1])


# --------------------------------------------------------------------------------- folders


def _make_box() -> tuple[Path, int]:
    """Make the folder of a zygote: the kit without answers, and places to mount and to write.

    Also returns an open descriptor, whose lock says that somebody uses the folder.
    """
    box = Path(tempfile.mkdtemp(prefix=BOX))
    lease = os.open(box / LEASE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lease, fcntl.LOCK_EX)
    box.chmod(0o711)  # children may be other users, who need to pass
    for name in ("root", "own", "children"):
        (box / name).mkdir(mode=0o711)
    copy_packages(box / "kit")
    copy_compiled(box / "kit")
    here, there = Path(__file__).parent, box / "kit" / "autograder" / "sandbox"
    shutil.copytree(here / "inside", there / "inside", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(here / "__init__.py", there / "__init__.py")
    for path in (box / "kit", *(box / "kit").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return box, lease


def _hold(slot: int) -> int | None:
    """Lock a slot against all graders of this user; None where another one holds it.

    The lock ends with the process that has the descriptor open, however it ends.
    """
    folder = LEASES / f"autograder-slots-{os.geteuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise Infrastructure(f"{folder} belongs to somebody else: remove it")
    held = os.open(folder / str(slot), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held


def remove_abandoned_boxes() -> None:
    """Remove what graders of this user that were killed have left behind."""
    for file in Path(tempfile.gettempdir()).glob(f"{BOX}*/{LEASE}"):
        with contextlib.suppress(OSError), open(file, "rb") as lease:
            if os.fstat(lease.fileno()).st_uid == os.geteuid():
                fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(file.parent)
                cgroup.remove(f"{file.parent.name}-")


def _remove(folder: Path) -> None:
    """Remove a folder in which a student's code may have done anything."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # too deep for Python, or closed by its owner
        nowhere = subprocess.DEVNULL
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*command, "--", str(folder)], stdout=nowhere, stderr=nowhere)


def _is_larger(folder: Path, limit: int) -> bool:
    """Whether the files below a folder take more than `limit` bytes, or are too long to look at."""
    size, count, folders = 0, 0, [str(folder)]
    deepest = len(folder.parts) + MAX_DEPTH
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    count += 1
                    if size > limit or count > isolation.FILES or entry.path.count("/") > deepest:
                        return True
        except FileNotFoundError:
            continue
        except OSError:
            return True
    return False


def _environment(kit: Path) -> dict[str, str]:
    """An environment without the grader's variables: no tokens, no paths to the course."""
    return {
        **process.ENVIRONMENT,
        "PATH": str(Path(sys.executable).parent),
        "PYTHONPATH": str(kit),
        "USER": "student",
        "LOGNAME": "student",
    }
