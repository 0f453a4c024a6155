"""What keeps a submission apart from the grader, from the answers and from other submissions.

    tier  files                    processes, network            limits
    A     a root of its own:       own process, network and      rlimits, a user per slot or a
          Python, libraries, kit,  IPC namespaces; seccomp       user namespace per child, memory
          64 MB in memory                                        file system, cgroup where writable
    B     Landlock: the same       seccomp: no new process,      the same without namespaces; the
          list, the disk           no socket, no foreign signal  grader watches the disk
    C     what the user may read   whatever the user may do      rlimits and the clock: unofficial

`available()` says what this machine allows, `report()` says why. The warm process goes through
`enter` once (namespaces and the root are made for all of its children), and each child through
`confine`, which costs what cannot be shared: its own process and mount namespaces, its user, its
limits, its filter. Bubblewrap would do the first part, but cannot be asked by a process that has
forked already; so both are done here.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from autograder.sandbox.inside import cgroup, kernel

TIERS = ("A", "B", "C")
SLOTS = 1024  # children at the same time
MANY = 1 << 20  # more descriptors than a process has
FIRST_USER = 61_184  # of a range that systemd keeps for users who are nobody
THREADS = 16  # of one child
SHARED_THREADS = 256  # where those of all its children and of the grader are counted together
DESCRIPTORS = 64
MESSAGE = 1 << 16  # bytes between the grader and the warm process
FILES = 4096  # in a child's own folder
WARM = "warm process"
OWN_PACKAGES = ("autograder", "cs231n_lib")
KIT, PRIVATE = "/kit", "/own"  # in a root: the packages, and the only place to write to
# Libraries leave next to nothing to collect, and looking for it would take a fifth of their time.
START_WARM = """
import gc, sys
gc.disable()
from autograder.sandbox.inside import warm
warm.main(sys.argv[1:])
"""
DEVICES = ("null", "zero", "full", "random", "urandom")
SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/etc/ld.so.cache",
)
MACHINE = (  # texts about the machine that libraries look at; a root gets copies
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu/possible",
    "/sys/devices/system/cpu/present",
    "/sys/devices/system/cpu/online",
)


@dataclass(frozen=True)
class Layers:
    """What keeps a child apart. Leaving one out lowers the tier.

    Args:
        namespaces: own files, processes, network and IPC.
        user_namespace: they need a user namespace, since the grader is not root.
        slot_user: the grader is root and gives each child a user of its own.
    """

    namespaces: bool = False
    user_namespace: bool = False
    seccomp: bool = False
    landlock: bool = False
    slot_user: bool = False

    @property
    def tier(self) -> str:
        """A, B or C: how much that is together."""
        is_nobody = self.user_namespace or self.slot_user or os.geteuid() != 0
        if not (self.seccomp and is_nobody):
            return "C"
        if self.namespaces:
            return "A"
        return "B" if self.landlock else "C"

    def lowered(self, tier: str) -> Layers:
        """Return these layers without those that a lower tier does not have.

        >>> Layers(namespaces=True, seccomp=True, landlock=True, slot_user=True).lowered("B").tier
        'B'
        """
        if tier == "A":
            return self
        without = replace(self, namespaces=False, user_namespace=False)
        return without if tier == "B" else replace(without, seccomp=False, landlock=False)


@dataclass(frozen=True)
class Allowance:
    """What one child may use: bytes of memory and of files, seconds of processor time."""

    memory: int
    files: int
    seconds: int


# --------------------------------------------------------------------------- what there is


def available() -> Layers:
    """Return the layers that this machine allows this user."""
    _, layers = _probed()
    return layers


def report() -> list[tuple[str, bool, str]]:
    """Return (feature, whether it is available, why), for `autograder doctor`."""
    rows, _ = _probed()
    return [*rows, cgroup.report()]


def can_fork_warm() -> bool:
    """Whether submissions can be forked from a warm process here; else each starts its own."""
    rows, _ = _probed()
    return next(available for feature, available, _ in rows if feature == WARM)


@functools.cache
def _probed() -> tuple[list[tuple[str, bool, str]], Layers]:
    """Try everything in a process of its own, so that nothing of it stays behind here."""
    if platform.system() != "Linux":
        return [(WARM, False, f"needs Linux, this is {platform.system()}")], Layers()
    root = str(Path(__file__).resolve().parents[3])
    done = subprocess.run(
        [sys.executable, "-P", "-s", "-S", "-m", __name__, "probe"],
        env={"PYTHONPATH": root},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the machine could not be examined: {done.stderr.strip()[-2000:]}")
    rows, layers = json.loads(done.stdout)
    return [tuple(row) for row in rows], Layers(**layers)


def _probe() -> tuple[list[tuple[str, bool, str]], Layers]:
    """Try each layer in a fork of this process."""
    numbers = kernel.supported()
    unknown = f"the system calls of {platform.machine()} are not known to this program"
    seccomp = _tried(kernel.seccomp_available) if numbers else unknown
    landlock = _tried(kernel.landlock_version) if numbers else unknown
    slot_user = _tried(lambda: become(FIRST_USER)) if os.geteuid() == 0 else "not started by root"
    namespaces = _tried(lambda: _try_root(False)) if numbers else unknown
    own_users = "not needed"
    if namespaces and numbers:
        own_users = _tried(lambda: _try_root(True))
    layers = Layers(
        namespaces=not namespaces or not own_users,
        user_namespace=bool(namespaces) and not own_users,
        seccomp=not seccomp,
        landlock=not landlock,
        slot_user=not slot_user and not (namespaces and not own_users),
    )
    handles = _tried(lambda: os.close(os.pidfd_open(os.getpid())))
    rows = [
        (WARM, not handles, handles or "libraries are imported once, a submission is a fork"),
        ("namespaces as this user", not namespaces, namespaces or "own files, processes, network"),
        ("namespaces in a user namespace", not own_users, own_users or "the same, without root"),
        ("seccomp", not seccomp, seccomp or "no processes, no sockets, no foreign signals"),
        ("Landlock", not landlock, landlock or "files are hidden without namespaces too"),
        ("a user per submission", not slot_user, slot_user or "limits of their own, even for root"),
        _libraries_row(layers),
    ]
    return rows, layers


def _libraries_row(layers: Layers) -> tuple[str, bool, str]:
    """Whether a slot's user, who is nobody, can read the libraries where they are."""
    name = "libraries readable for everybody"
    if not layers.slot_user:
        return name, True, "not needed"

    def as_nobody():
        become(FIRST_USER)
        os.listdir(os.path.dirname(os.__file__))

    closed = _tried(as_nobody)
    if closed and not layers.namespaces:
        closed += "; what is not imported at the start cannot be imported later"
    return name, not closed, closed or "imports work without namespaces too"


def _tried(action: Callable[[], object]) -> str:
    """Return why `action` fails in a fork of this process, or nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException as error:
            os.write(writer, f"{error}"[:500].encode() or b"it failed")
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        why = file.read().decode()
    _, status = os.waitpid(child, 0)
    return why or (f"it ended with status {status}" if status else "")


def _try_root(user_namespace: bool) -> None:
    """Do what `enter` does, with next to nothing in the root."""
    with tempfile.TemporaryDirectory() as folder:

        def apart():
            _own_namespaces(user_namespace)
            _fail_of(_tried_root, folder)

        why = _tried(apart)
    if why:
        raise OSError(why)


def _fail_of(action, *arguments):
    why = _tried(lambda: action(*arguments))
    if why:
        raise OSError(why)


def _tried_root(folder: str) -> None:
    _build_root(folder, {"/dev/null": "/dev/null"}, [])
    kernel.make_root(folder)
    kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_IPC)
    kernel.mount_memory(PRIVATE, 2**20, 16)


# ------------------------------------------------------------------- once, for the warm process


def libraries() -> list[str]:
    """The files and folders that Python and the installed libraries consist of."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    found = [f"{prefix}/{name}" for prefix in prefixes for name in ("lib", "lib64", "pyvenv.cfg")]
    found += [path for path in sys.path if not _is_checkout(path)]
    found += [*_links(sys.executable), *SYSTEM]
    return _outermost(path for path in found if os.path.isabs(path) and os.path.exists(path))


def _is_checkout(path: str) -> bool:
    """Whether a folder holds our own sources, perhaps with a course and its gradebook inside."""
    ours = any(os.path.isdir(f"{path}/{name}") for name in OWN_PACKAGES)
    return ours and os.path.exists(f"{path}/pyproject.toml")


def _links(path: str) -> Iterator[str]:
    """A path, what it links to, what that links to, and so on."""
    yield path
    while os.path.islink(path):
        path = os.path.join(os.path.dirname(path), os.readlink(path))
        yield path


def _outermost(paths: Iterable[str]) -> list[str]:
    """Leave out what lies below another one of the paths."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not any(_is_below(path, other) for other in kept):
            kept.append(path)
    return kept


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def installed_copies(kit: str) -> list[str]:
    """Our own packages among the installed libraries: they hold answers, the kit does not."""
    places = [f"{path}/{name}" for path in sys.path for name in OWN_PACKAGES if path != kit]
    return [place for place in places if os.path.isdir(place)]


def without(paths: Iterable[str], hidden: Iterable[str]) -> list[str]:
    """Spell out `paths` so that they cover the same files, but nothing of `hidden`."""
    hidden, left = list(hidden), []
    for path in paths:
        if any(_is_below(place, path) for place in hidden):
            left += without((f"{path}/{name}" for name in sorted(os.listdir(path))), hidden)
        elif path not in hidden:
            left.append(path)
    return left


def enter(layers: Layers, root: str, kit: str, then: Callable[[dict[str, int]], None]) -> None:
    """Go where the warm process lives, and call `then` there; does not return.

    With namespaces `then` runs in a new process, the first one of its process namespace, whose
    files are the libraries and the kit (at `KIT`) and nothing else; this one only waits for it.

    Args:
        root: an empty folder to build the root on.
        then: is given open files of /proc about its process, which has no /proc of its own.
    """
    if not layers.namespaces:
        kernel.adopt_orphans()
        then(_views())
    _own_namespaces(layers.user_namespace)
    child = os.fork()
    if child == 0:
        kernel.die_with_parent()
        views = _views()
        shown = {path: path for path in libraries() if path != kit} | {kit: KIT}
        _build_root(root, shown, installed_copies(kit))
        kernel.make_root(root)
        then(views)
    os.closerange(3, MANY)
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _own_namespaces(user_namespace: bool) -> None:
    if user_namespace:
        kernel.become_root_of_own_users()
    kernel.unshare(
        kernel.NEW_MOUNTS
        | kernel.NEW_PROCESSES
        | kernel.NEW_NETWORK
        | kernel.NEW_IPC
        | kernel.NEW_NAMES
        | kernel.NEW_CGROUPS
    )


def _views() -> dict[str, int]:
    """Open what this process must know about itself later."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")  # when memory runs out, this goes before the grader
    names = {"tasks": "task", "size": "statm", "processes": "ns/pid"}
    views = {key: os.open(f"/proc/self/{name}", os.O_RDONLY) for key, name in names.items()}
    for descriptor in views.values():
        os.set_inheritable(descriptor, True)
    return views


def _build_root(root: str, shown: Mapping[str, str], hidden: Iterable[str]) -> None:
    """Fill `root` with what a child may see, read-only, and an empty folder at `PRIVATE`."""
    kernel.keep_mounts_private()
    kernel.mount_memory(root, 16 * 2**20, FILES)
    for path, place in {**shown, **{f"/dev/{name}": f"/dev/{name}" for name in DEVICES}}.items():
        _show(path, root + place)
    for path in hidden:
        if os.path.isdir(root + path):
            kernel.mount_memory(root + path, 4096, 2)
    for path in MACHINE:
        _copy(path, root + path)
    os.symlink(f"{PRIVATE}/tmp", f"{root}/dev/shm")
    if not os.path.lexists(f"{root}/tmp"):
        os.symlink(f"{PRIVATE}/tmp", f"{root}/tmp")
    os.mkdir(root + PRIVATE)
    kernel.make_read_only(root)
    kernel.mount_memory(root + PRIVATE, 64 * 2**20, FILES)


def _show(path: str, target: str) -> None:
    if not os.path.exists(path):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        open(target, "xb").close()
    kernel.mount_again(path, target)


def _copy(path: str, target: str) -> None:
    if os.path.exists(path):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(path, target)


# --------------------------------------------------------------------------- for each child


def fork(layers: Layers, processes: int) -> int:
    """Fork; with namespaces the child is the first process of a namespace of its own.

    Args:
        processes: an open /proc/self/ns/pid. A process may leave its own namespace for its next
            child only from there.
    """
    if layers.namespaces:
        kernel.enter_namespace(processes, kernel.NEW_PROCESSES)
        kernel.unshare(kernel.NEW_PROCESSES)
    return os.fork()


def confine(
    layers: Layers,
    allowance: Allowance,
    slot: int,
    private: str,
    readable: Iterable[str],
    hidden: Iterable[str],
    others: int,
) -> None:
    """Take away whatever this fork of the warm process could harm anybody with.

    Args:
        slot: its number among the children that live at the same time.
        private: the folder that it may write to.
        readable: what it may read (tier B; at tier A the root holds nothing else).
        hidden: what it must not be able to open; raises RuntimeError otherwise.
        others: threads that its user has anyway.
    """
    os.setsid()
    if layers.namespaces:
        kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_IPC)
        kernel.mount_memory(private, allowance.files, FILES, "1777")
    if layers.user_namespace:
        kernel.unshare(kernel.NEW_USERS)  # its threads are counted there, apart from all others
    kernel.bar_capabilities()
    if layers.slot_user:
        become(FIRST_USER + slot)
    own_count = layers.user_namespace or layers.slot_user
    _set_limits(layers, allowance, THREADS if own_count else others + SHARED_THREADS)
    kernel.drop_capabilities()
    if not layers.namespaces:
        kernel.die_with_parent()
    if layers.landlock:
        shown = ("/",) if layers.namespaces else (*readable, f"/proc/{os.getpid()}")
        kernel.restrict_files(shown, (private, "/dev/null"))
    if layers.seccomp:
        kernel.filter_calls(os.getpid(), sees_files=not layers.namespaces)
    if layers.tier != "C":
        _require_hidden(hidden)


def move_in(private: str) -> dict[str, str]:
    """Make the folders of a home in `private`, and return the variables that lead there."""
    for name in ("home", "tmp"):
        os.makedirs(f"{private}/{name}", exist_ok=True)
    os.chdir(f"{private}/home")
    return {
        "HOME": f"{private}/home",
        "TMPDIR": f"{private}/tmp",
        "IPYTHONDIR": f"{private}/home/ipython",
        "MPLCONFIGDIR": f"{private}/home/matplotlib",
    }


def become(user: int) -> None:
    """Turn from root into a user who owns nothing."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _set_limits(layers: Layers, allowance: Allowance, threads: int) -> None:
    # Without a file system of its own it could fill the disk with files that have no name.
    file = allowance.files if layers.namespaces else allowance.files // 8
    for kind, value in (
        (resource.RLIMIT_AS, allowance.memory),
        (resource.RLIMIT_FSIZE, file),
        (resource.RLIMIT_CPU, allowance.seconds),
        (resource.RLIMIT_NPROC, threads),
        (resource.RLIMIT_NOFILE, DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_MEMLOCK, 2**16),
    ):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _require_hidden(paths: Iterable[str]) -> None:
    for path in paths:
        try:
            with os.scandir(path) as entries:
                is_there = any(entries)
        except NotADirectoryError:
            is_there = True
        except (FileNotFoundError, PermissionError):
            is_there = False
        if is_there:
            raise RuntimeError(f"{path} can be seen from inside the sandbox, which it must not")


def threads_of_user() -> int:
    """How many threads this user has at the moment, in all processes."""
    count, user = 0, os.geteuid()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count


def main(arguments: Sequence[str]) -> None:
    """`probe` prints what there is; `enter SETUP` goes inside and becomes the warm process."""
    if arguments[0] == "probe":
        rows, layers = _probe()
        print(json.dumps([rows, asdict(layers)]))
        return
    setup = json.loads(arguments[1])
    layers = Layers(**setup["layers"])
    kit = setup["kit"]
    inside = KIT if layers.namespaces else kit
    if layers.tier == "B":
        setup["readable"] = without([*libraries(), kit], installed_copies(kit))
        setup["readable"] += [*MACHINE, *(f"/dev/{name}" for name in DEVICES)]
    setup["hidden"] = installed_copies(kit)
    setup["others"] = threads_of_user()

    def start(views):
        command = [sys.executable, "-P", "-s", "-c", START_WARM]
        command.append(json.dumps(setup | {"views": views}))
        places = move_in(setup["private"])
        os.execve(sys.executable, command, os.environ | places | {"PYTHONPATH": inside})

    enter(layers, setup["root"], kit, start)


if __name__ == "__main__":
    main(sys.argv[1:])
