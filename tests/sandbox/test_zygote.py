"""The warm process and its children: what a submission may do at each tier, and what it costs.

Every tier that this machine allows is tested as the user who runs the tests, and, when that is
root, once more as an ordinary user.
"""

import ctypes
import errno
import io
import json
import mmap
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autograder import exercises
from autograder.answers import ROOT
from autograder.checking import observe
from autograder.sandbox.inside import cgroup, isolation, kernel, warm
from autograder.sandbox.process import Infrastructure, Limits, Stopped
from autograder.sandbox.zygote import Ahead, Process, Zygote, _is_larger, remove_abandoned_boxes

LIMITS = Limits(cell_seconds=60, total_seconds=120, memory=2**29, file=2**23)
PLANTED = "planted-" + "answer"  # in one piece only in files and in this process's memory
SECRET = os.fsencode(PLANTED) * 3
SUPPORT = ("cs231n_lib/layers",)  # in_*.py of it are given to students


@pytest.fixture(scope="module")
def planted():
    """A folder that other users could read, with an answer in it; a server; another process."""
    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        os.chmod(folder, 0o755)
        Path(folder, "answer").write_bytes(SECRET)
        yield Path(folder)


def started(layers, planted):
    return Zygote(layers, hidden=[planted])


@pytest.fixture(scope="module", params=isolation.TIERS)
def zygote(request, planted):
    layers = isolation.available().lowered(request.param)
    if layers.tier != request.param:
        pytest.skip(f"this machine allows tier {layers.tier}")
    with started(layers, planted) as zygote:
        yield zygote


@pytest.fixture(scope="module")
def unfiltered(planted):
    """Namespaces and limits without seccomp and Landlock: each wall must hold by itself."""
    layers = replace(isolation.available(), seccomp=False, landlock=False)
    if not layers.namespaces:
        pytest.skip("this machine allows no namespaces")
    with started(layers, planted) as zygote:
        yield zygote


@pytest.fixture
def child(zygote):
    with zygote.process(LIMITS) as child:
        yield child


def walled(zygote):
    """Skip what tier C does not promise."""
    if zygote.tier == "C":
        pytest.skip("tier C does not stop this")


def run(child, source):
    """Run a cell; return what it printed, and the name of the error that ended it."""
    outputs = child.ask({"do": "run", "source": source})["outputs"]
    error = next((o["ename"] for o in outputs if o["output_type"] == "error"), "")
    return "".join("".join(o.get("text", "")) for o in outputs), error


def said(child, source):
    text, error = run(child, source)
    assert not error, text
    return text


# ---------------------------------------------------------------------------- doing its work


@pytest.mark.slow
def test_nothing_shared_can_be_locked_or_watched(zygote):
    """Two children that see the same library cannot tell each other anything through its locks."""
    walled(zygote)
    source = """
import ctypes, fcntl, numpy
file = open(numpy.__file__)
def refused(action):
    try:
        action()
    except OSError:
        return True
    return False
READ = bytes([0] * 32)
print(
    refused(lambda: fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)),
    refused(lambda: fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)),
    refused(lambda: fcntl.fcntl(file, 37, READ)),
    refused(lambda: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)),
    refused(lambda: open(numpy.__file__, "r+")),
    ctypes.CDLL(None).inotify_init1(0),
)
"""
    with zygote.process(LIMITS) as one, zygote.process(LIMITS) as other:
        assert said(one, source) == said(other, source) == "True True True True True -1\n"


def test_a_check_is_observed_as_it_is_here(child):
    source = "import numpy as np\ndef unit_rows(x):\n    return x / np.abs(x).sum(1)[:, None]"
    namespace = {}
    exec(source, namespace)
    exercise = exercises.find("getting_started.unit_rows")
    said(child, source)
    call = f"from autograder.check import check\ncheck('{exercise.id}', unit_rows)"
    assert child.ask({"do": "check", "exercise": exercise.id, "source": call})["kept"]
    seeds = {check.name: seed for seed, check in enumerate(exercise.checks)}
    here = observe.observe(
        exercise, {"unit_rows": namespace["unit_rows"]}, lambda _, c: seeds[c.name]
    )
    for name, seed in seeds.items():
        reply = child.ask({"do": "observe", "check": name, "seed": seed})
        arrays = [np.load(io.BytesIO(data), allow_pickle=False) for data in child.arrays]
        expected = here[name].arrays
        assert reply["arrays"] == list(expected) and expected
        for array, wanted in zip(arrays, expected.values(), strict=True):
            np.testing.assert_array_equal(array, wanted, strict=True)


def test_pictures_gradients_and_threads_work(child):
    text = said(
        child,
        "import threading, threadpoolctl, torch, matplotlib.pyplot as plt\n"
        "threadpoolctl.threadpool_limits(1)\n"
        "plt.plot([1, 2]); plt.show()\n"
        "t = torch.ones(3, requires_grad=True); (t ** 2).sum().backward()\n"
        "worker = threading.Thread(target=lambda: print(t.grad.tolist()))\n"
        "worker.start(); worker.join()\n",
    )
    assert text == "[2.0, 2.0, 2.0]\n"


def test_children_start_alike_and_share_nothing(zygote):
    draw = "import random, numpy as np, torch\n"
    draw += "print(random.random(), np.random.rand(), torch.rand(1).item(), 'x' in dir())\nx = 1"
    with zygote.process(LIMITS) as one, zygote.process(LIMITS) as two:
        first, second = said(one, draw), said(two, draw)
        assert said(one, draw) != first
    assert first == second and "False" in first


def test_what_a_student_writes_is_for_this_submission_only(zygote):
    write = "import os\nopen('mine', 'w').write('x')\nprint(os.path.abspath('mine'))"
    with zygote.process(LIMITS) as one:
        path = said(one, write).strip()
        if zygote.tier == "C" and not zygote.layers.slot_user:
            return
        with zygote.process(LIMITS) as two:
            look = f"import os\nprint(os.path.exists('mine'))\nopen({path!r}).read()"
            assert run(two, look) in (
                ("False\n", "FileNotFoundError"),
                ("False\n", "PermissionError"),
            )
    with zygote.process(LIMITS) as three:
        assert said(three, "import os\nprint(os.listdir())") == "[]\n"


# ------------------------------------------------------------------------------- not to be seen

SEARCH = """
import os
found = []
for folder, _, files in os.walk("/"):
    for name in files:
        path = os.path.join(folder, name)
        if path.startswith(("/proc", "/sys")):
            continue
        if name.endswith(".ipynb") or "misconception" in path or name.startswith("in_"):
            found.append(path)
print("\\n".join(found))
"""


def test_no_answers_are_on_disk(zygote, child):
    walled(zygote)
    found = said(child, SEARCH).split()
    words = ("cs231n", "autograder", "course")  # a clone may have any of them in its path
    found = [path for path in found if "/site-packages/" not in path]
    ours = [path for path in found if any(word in path for word in words)]
    if zygote.layers.namespaces:
        assert any(SUPPORT[0] in path for path in ours)  # so that the search can find something
    assert [path for path in ours if SUPPORT[0] not in path] == []


def test_known_places_cannot_be_opened(zygote, child, planted):
    walled(zygote)
    places = [
        planted / "answer",
        ROOT / "cs231n_lib/normalization/in_numpy.py",
        ROOT / "pyproject.toml",
    ]
    assert all(place.exists() for place in places)
    for place in (*places, "/etc/shadow", f"/proc/{os.getpid()}/environ", "/proc/self/environ"):
        assert run(child, f"print(open({str(place)!r}, 'rb').read())")[1] in (
            "FileNotFoundError",
            "PermissionError",
        )
    listing = f"import os\nprint(os.listdir({str(planted.parent)!r}))"
    text, error = run(child, listing)
    assert error or planted.name not in text


def test_no_answer_and_no_token_is_in_memory(zygote, child, planted):
    os.environ["GRADER_TOKEN"] = SECRET.decode()
    try:
        assert PLANTED not in said(child, "import os\nprint(dict(os.environ))")
    finally:
        del os.environ["GRADER_TOKEN"]
    modules = said(child, "import sys\nprint(*sys.modules)").split()
    assert "autograder.check" in modules
    ours = [name for name in modules if name.startswith(("autograder", "cs231n"))]
    assert not [n for n in ours if "in_numpy" in n or "in_torch" in n or "misconc" in n]
    assert not [name for name in ours if name.endswith(("engine", "provider.live", "zygote"))]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of a child")
def test_a_search_of_its_whole_memory_finds_nothing_planted(zygote, child):
    said(child, "own = b'own-' + b'text' * 2")
    memory = memory_of(child)
    assert b"own-texttext" in memory and b"batchnorm_forward" in memory
    assert SECRET not in memory
    assert b"eps outside the root" not in memory  # the name of a misconception


def memory_of(child):
    number = number_of(child)
    spans = []
    for line in Path(f"/proc/{number}/maps").read_text().splitlines():
        span, rights, *_ = line.split()
        if rights.startswith("rw"):
            spans.append([int(part, 16) for part in span.split("-")])
    with open(f"/proc/{number}/mem", "rb", 0) as memory:
        return b"".join(os.pread(memory.fileno(), end - start, start) for start, end in spans)


def number_of(child):
    lines = Path(f"/proc/self/fdinfo/{child._handle}").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pid:")).split()[1])


# ---------------------------------------------------------------------------- not to be reached

CONNECT = """
import socket
def attempt(family, kind, address):
    try:
        with socket.socket(family, kind) as s:
            s.settimeout(2)
            s.connect(address)
            s.sendall(b"x")
    except OSError as error:
        return "refused"
    return "reached"
print(attempt(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", PORT)),
      attempt(socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 80)),
      attempt(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", PORT)),
      attempt(socket.AF_INET6, socket.SOCK_STREAM, ("::1", PORT)),
      attempt(socket.AF_UNIX, socket.SOCK_STREAM, PATH),
      attempt(socket.AF_UNIX, socket.SOCK_STREAM, "\\0" + PATH))
"""


@pytest.fixture
def servers(planted):
    """A port and a name at which this process listens."""
    import socket

    with ExitStack() as stack:
        port = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        name = str(planted / "socket")
        for address in (name, "\0" + name):
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(address)
            server.listen()
        os.chmod(name, 0o777)
        yield f"PORT, PATH = {port}, {name!r}\n"
        os.unlink(name)


def reached(child, servers):
    return said(child, servers + CONNECT).split()


def test_there_is_no_network(zygote, child, servers):
    walled(zygote)
    assert reached(child, servers) == ["refused"] * 6


def test_namespaces_alone_reach_no_network(unfiltered, servers):
    with unfiltered.process(LIMITS) as child:
        assert reached(child, servers) == ["refused"] * 6


def test_the_servers_can_be_reached_from_here(servers):
    source = servers + CONNECT.replace('("192.0.2.1", 80)', '("127.0.0.1", PORT)')
    found = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert (
        found.stdout.split()[:2] == ["reached"] * 2 and found.stdout.split()[4:] == ["reached"] * 2
    )


SEND = """
import socket
try:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    print(one.sendto(b"x", NAME))
except OSError as error:
    print("refused")
"""


def test_nobody_is_sent_a_signal_about_a_descriptor(zygote, child):
    """Whoever owns a descriptor gets a signal of one's choice when it can be read."""
    walled(zygote)
    source = "import fcntl, os, struct\nreader, _ = os.pipe()\nrefused = 0\n"
    source += "for action in (lambda: fcntl.fcntl(reader, fcntl.F_SETOWN, os.getpid()),\n"
    source += "               lambda: fcntl.fcntl(reader, 10, 9),\n"
    source += (
        "               lambda: fcntl.ioctl(reader, 0x8901, struct.pack('i', os.getpid()))):\n"
    )
    source += "    try:\n        action()\n    except PermissionError:\n        refused += 1\n"
    assert said(child, source + "print(refused)") == "3\n"


def test_a_pair_of_sockets_reaches_nobody_else(zygote, child, planted):
    """A pair needs no permission of `socket`, and one of datagrams can be sent anywhere."""
    import socket

    walled(zygote)
    name = str(planted / "datagrams")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name)
        os.chmod(name, 0o777)
        heard.setblocking(False)
        assert "refused" in said(child, SEND.replace("NAME", repr(name)))
        with pytest.raises(BlockingIOError):
            heard.recv(1)
    os.unlink(name)
    said(child, "import asyncio, socket\nasyncio.new_event_loop().close()")


CHANGE = """
import os
changes = [lambda: os.truncate(PATH, 0), lambda: os.chmod(PATH, 0o600)]
changes += [lambda: os.utime(PATH, (1, 1)), lambda: os.chown(PATH, os.getuid(), -1)]
changes += [lambda: os.setxattr(PATH, "user.a", b"1")]
for change in changes:
    try:
        change()
    except OSError:
        pass
import shutil
open("mine", "w").close()
shutil.copy2("mine", "copy")
"""


def test_nothing_of_a_file_that_cannot_be_opened_can_be_changed(zygote, child, planted):
    walled(zygote)
    path = planted / "answer"
    path.chmod(0o666)
    before = path.stat(), path.read_bytes(), os.listxattr(path)
    said(child, CHANGE.replace("PATH", repr(str(path))))
    assert (path.stat().st_mode, path.stat().st_mtime) == (before[0].st_mode, before[0].st_mtime)
    assert (path.read_bytes(), os.listxattr(path)) == before[1:]


CALLS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def refused(name, *arguments):
    ctypes.set_errno(0)
    return getattr(libc, name)(*arguments) == -1 and ctypes.get_errno() == 1
print(all([
    refused("ptrace", 0, 0, 0, 0), refused("mount", b"a", b"/", b"tmpfs", 0, b""),
    refused("umount2", b"/own", 2), refused("unshare", 0x10000000), refused("chroot", b"/"),
    refused("process_vm_readv", 1, None, 0, None, 0, 0), refused("memfd_create", b"a", 0),
    refused("shmget", 0, 4096, 0o1600), refused("setns", 0, 0), refused("setuid", 0),
    refused("syscall", 425, 1, 0), refused("mq_open", b"/a", 0o100, 0o600, None),
    refused("prctl", 1, 0, 0, 0, 0), refused("fork"), refused("execve", b"/bin/sh", None, None),
    refused("prlimit64", 2, 0, None, None), refused("kill", 2, 9), refused("kill", -1, 9),
]))
print(libc.syscall(435, 0, 0), ctypes.get_errno(), libc.syscall(1000), ctypes.get_errno())
os.kill(os.getpid(), 0)
"""


def test_system_calls_that_harm_others_are_refused(zygote, child):
    walled(zygote)
    assert said(child, CALLS).split() == ["True", "-1", "38", "-1", "38"]


def test_nobody_gains_rights(unfiltered):
    source = "import os\nfor name in ('setuid', 'setgid', 'chroot', 'unlink'):\n    try:\n"
    source += (
        "        getattr(os, name)('/lib' if name in ('chroot', 'unlink') else 0); print(name)\n"
    )
    source += "    except OSError: pass"
    with unfiltered.process(LIMITS) as child:
        assert said(child, source) == ""
        status = Path(f"/proc/{number_of(child)}/status").read_text()
    values = dict(line.split(":\t", 1) for line in status.splitlines())
    assert {values[f"Cap{kind}"].strip("0 ") for kind in ("Eff", "Prm", "Inh", "Bnd", "Amb")} == {
        ""
    }
    assert values["NoNewPrivs"] == "1"
    assert "0" not in values["Uid"].split()


def test_other_processes_can_be_neither_seen_nor_signalled(zygote, child):
    walled(zygote)
    source = f"import os\nos.kill({os.getpid()}, 0)"
    assert run(child, source)[1] in ("PermissionError", "ProcessLookupError")
    text, error = run(child, "import os\nprint([n for n in os.listdir('/proc') if n.isdigit()])")
    assert error in ("PermissionError", "FileNotFoundError") or text == "[]\n"


def test_namespaces_alone_hide_other_processes(unfiltered):
    with unfiltered.process(LIMITS) as child:
        source = "import os\nprint(os.getpid(), [n for n in os.listdir('/proc') if n.isdigit()])"
        assert said(child, source) == "1 []\n"
        assert run(child, f"os.kill({os.getpid()}, 0)")[1] == "ProcessLookupError"


# ---------------------------------------------------------------------------- not to be drowned

FORK_BOMB = """
import os
count = 0
try:
    while count < 1000:
        if os.fork() == 0:
            import time; time.sleep(1e6)
        count += 1
except OSError:
    pass
print(count)
"""


def test_a_fork_bomb_does_not_start(zygote, child):
    walled(zygote)
    assert said(child, FORK_BOMB) == "0\n"


def test_a_fork_bomb_without_filter_is_small_and_dies(unfiltered, request):
    if not (unfiltered.layers.slot_user or unfiltered.layers.user_namespace):
        pytest.skip("this user's processes are counted together")
    with unfiltered.process(LIMITS) as child, unfiltered.process(LIMITS) as neighbour:
        count = int(said(child, FORK_BOMB))
        assert isolation.THREADS / 2 < count <= isolation.THREADS
        assert len(processes(unfiltered)) > count
        said(neighbour, "import threading\nt = threading.Thread(target=print)\nt.start(); t.join()")
    assert len(processes(unfiltered)) == 1


def have_large_pages():
    """Whether the kernel puts memory onto large pages when it is asked to."""
    with mmap.mmap(-1, 2 * kernel.LARGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.write(b"x" * len(memory))
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        with suppress(OSError):
            kernel.make_large(-(-start // kernel.LARGE) * kernel.LARGE)
            return True
    return False


@pytest.mark.skipif(not have_large_pages(), reason="this kernel makes no large pages")
def test_what_all_children_have_lies_on_large_pages(zygote, child):
    (warm_process, *_) = sorted(processes(zygote))
    maps = Path(f"/proc/{warm_process}/smaps_rollup")
    end = time.monotonic() + 60
    while (large := int(re.search(r"AnonHugePages: +(\d+)", maps.read_text())[1])) < 64 * 1024:
        assert time.monotonic() < end, f"{large} kB"
        time.sleep(0.1)
    assert said(child, "print(1)") == "1\n"


def processes(zygote):
    """The warm process of a zygote, and its children."""
    return processes_of(zygote._box)


def processes_of(box):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{name}/cmdline").read_bytes()
        except OSError:
            continue
        if b"warm.main" in command and os.fsencode(box) in command:
            found.append(int(name))
    return found


DAEMON = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import time; time.sleep(1e6)
    os._exit(0)
os.wait()
print("gone")
"""


def test_a_daemon_dies_with_its_submission(zygote, unfiltered):
    for one in (zygote, unfiltered):
        with one.process(LIMITS) as child:
            text, error = run(child, DAEMON)
            allowed = one is unfiltered or one.tier == "C"
            assert (text, error) == ("gone\n", "") if allowed else error == "PermissionError"
            assert len(processes(one)) == 2 + allowed
        assert len(processes(one)) == 1


def test_a_memory_bomb_is_an_error_of_the_student(child):
    bomb = "x = []\nwhile True: x.append(bytearray(50_000_000))"
    assert run(child, bomb)[1] == "MemoryError"
    shared = "x.clear()\nimport mmap\nwhile True: x.append(mmap.mmap(-1, 50_000_000))"
    assert run(child, shared)[1] == "OSError"
    assert said(child, "x.clear()\nprint('alive')") == "alive\n"


def test_a_group_ends_who_takes_too_much_and_nobody_else(zygote, monkeypatch):
    """Where rlimits count too little, such as files in memory, the group has the last word."""
    if not cgroup.available():
        pytest.skip("this user may not make control groups")
    monkeypatch.setattr("autograder.sandbox.zygote.COPIED", -(2**28))  # less than the rlimit allows
    bomb = "kept = b'x' * 450_000_000"
    limits = replace(LIMITS, memory=LIMITS.memory + 1)  # a group of its own
    with zygote.process(LIMITS) as neighbour, zygote.process(limits) as child:
        said(neighbour, "kept = bytes(range(256)) * 100_000")
        with pytest.raises(Stopped, match="it used more than 512 MB of memory"):
            run(child, bomb)
        assert said(neighbour, "print(sum(kept))") == f"{sum(range(256)) * 100_000}\n"


FULL = """
import time
number = 0
while True:
    with open(f"file{number}", "wb") as file:
        file.write(bytes(500_000))
    number += 1
    if number > 16: time.sleep(0.02)
"""


def test_a_full_disk_is_contained(zygote, child):
    if zygote.layers.namespaces:
        assert run(child, FULL)[1] == "OSError"
        used = said(
            child, "import os\nprint(sum(os.stat(n).st_blocks for n in os.listdir()) * 512)"
        )
        assert 0 < int(used) <= LIMITS.file
    else:
        with pytest.raises(Stopped, match="it wrote more than 8 MB, or"):
            run(child, FULL)


@pytest.mark.parametrize(("deep", "is_larger"), [(60, False), (80, True)])
def test_folders_in_each_other_are_looked_at_so_far_only(tmp_path, deep, is_larger):
    folder = tmp_path / "own"
    (folder / "/".join("d" * deep)).mkdir(parents=True)
    assert _is_larger(folder, 2**20) == is_larger


def test_many_and_deep_folders_leave_nothing(zygote):
    deep = "import os\nfor i in range(1100):\n    os.mkdir('deep'); os.chdir('deep')\n"
    deep += "os.chmod('..', 0)"
    with zygote.process(LIMITS) as child:
        folder = child._folder
        stops = pytest.raises(Stopped, match="too many files") if folder else nullcontext()
        with stops:
            run(child, deep)
    assert folder is None or not folder.exists()


# ----------------------------------------------------------------------- not to be talked around


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (
            "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
            "longer",
        ),
        ("import os\nos._exit(7)", "exit status 7"),
        ("import os\nos.kill(os.getpid(), 9)", "SIGSYS|SIGKILL"),
        ("import ctypes\nctypes.string_at(0)", "SIGSEGV"),
        ("import os\nos.closerange(3, 64)", "ended|closed"),
    ],
)
def test_what_ends_a_child_ends_only_that(zygote, source, why):
    with (
        zygote.process(replace(LIMITS, cell_seconds=1.5)) as child,
        zygote.process(LIMITS) as other,
    ):
        said(child, "1")
        with pytest.raises(Stopped) as stopped:
            run(child, source)
        assert re.search(why, f"{stopped.value.fault}")
        assert said(other, "print(1)") == "1\n"
    with zygote.process(LIMITS) as child:
        assert said(child, "print(2)") == "2\n"


@contextmanager
def without_processor(child, seconds):
    """Keep a child from the processor for a while, as a busy machine does."""
    signal.pidfd_send_signal(child._handle, signal.SIGSTOP)
    later = threading.Timer(seconds, signal.pidfd_send_signal, (child._handle, signal.SIGCONT))
    later.start()
    yield
    later.join()


def test_a_busy_machine_takes_no_time_from_a_cell(zygote):
    walled(zygote)
    with zygote.process(replace(LIMITS, cell_seconds=1)) as child:
        with without_processor(child, 1.5):
            assert said(child, "print(sum(range(1000)))") == "499500\n"
        assert LIMITS.total_seconds - child.left < 1


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("while True: pass", "than 0.5 seconds .an endless loop"),
        ("import time\nwhile True: time.sleep(1)", "than 2 seconds .does it wait"),
        ("import time\nwhile time.sleep(0.001) is None: pass", "than 2 seconds .does it wait"),
        (
            "import threading\ndef work():\n    while True: pass\n"
            "worker = threading.Thread(target=work)\nworker.start()\nworker.join()",
            "than 0.5 seconds .an endless loop",
        ),
    ],
    ids=["a loop", "sleep", "short naps", "a thread that works for it"],
)
def test_neither_work_nor_sleep_lasts_for_ever(zygote, source, why):
    walled(zygote)
    with zygote.process(replace(LIMITS, cell_seconds=0.5)) as child:
        with pytest.raises(Stopped, match=why):
            run(child, source)
        assert LIMITS.total_seconds - child.left > 0.5


def test_where_processes_may_be_started_what_passes_counts(unfiltered):
    source = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'while True: pass'])"
    limits = replace(LIMITS, cell_seconds=0.5)
    with unfiltered.process(limits) as child, pytest.raises(Stopped, match="an endless loop"):
        run(child, source)


WRITE = """
import os, socket
for number in range(3, 64):
    try:
        connection = socket.socket(fileno=os.dup(number))
    except OSError:
        continue
    connection.sendall({message!r})
"""


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"[]\n", "not as agreed"),
        (b"no json\n", "not as agreed"),
        (b"[" * 100_000 + b"\n", "not as agreed"),
        (b'{"sizes": [99999999999]}\n', "larger than agreed"),
        (b'{"sizes": [' + b"9000000," * 7 + b"9000000]}\n", "larger than agreed"),
        (b'{"sizes": [-1, 1]}\n', "larger than agreed"),
        (b'{"sizes": [true]}\n', "larger than agreed"),
        (b'{"sizes": "12"}\n', "larger than agreed"),
        (b'{"a": 1}\n{"b": 2}\n', "more than it was asked"),
        (b"x" * 9_000_000, "more output than can be kept"),
    ],
    ids=range(10),
)
def test_an_answer_that_is_not_as_agreed_stops_the_child(message, why):
    import socket

    from autograder.sandbox.zygote import Process

    ours, theirs = socket.socketpair()
    process = Process(None, LIMITS)
    process.connection = ours
    with ours, theirs:
        writer = threading.Thread(target=send, args=(theirs, message))
        writer.start()
        with pytest.raises(Stopped, match=why):
            process.ask({"do": "run"})
        ours.close()
        writer.join()


def send(connection, message):
    with suppress(OSError):
        connection.sendall(message)


def test_a_child_that_writes_to_the_connection_hurts_itself(zygote):
    with zygote.process(LIMITS) as child, zygote.process(LIMITS) as other:
        with pytest.raises(Stopped, match=r"agreed|asked"):
            run(child, WRITE.format(message=b'{"outputs": [], "kept": true}\n' * 2))
            run(child, "1")
        assert said(other, "print(1)") == "1\n"


def test_the_connection_is_all_that_a_child_has(zygote, child):
    source = "import os\nprint([n for n in range(1000) if os.path.exists(f'/dev/null') and ok(n)])"
    define = "def ok(n):\n    try: os.fstat(n)\n    except OSError: return False\n    return True\n"
    standard, connection = [0, 1, 2], 1
    assert len(json.loads(said(child, define + source))) == len(standard) + connection


# ------------------------------------------------------------------------------ the warm process


def test_a_warm_process_with_two_threads_does_not_fork():
    tasks = os.open("/proc/self/task", os.O_RDONLY)
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="threads; it can fork only with one"):
            warm.require_one_thread(tasks)
    finally:
        stop.set()
        thread.join()
        os.close(tasks)


def test_a_child_that_could_open_a_secret_does_not_start(zygote, monkeypatch):
    walled(zygote)
    library = os.path.dirname(np.__file__)
    monkeypatch.setattr(zygote, "hidden", [*zygote.hidden, library])
    with pytest.raises(Infrastructure, match=f"{library} can be seen"):
        zygote.process(LIMITS).__enter__()


@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_many_children_leave_nothing(zygote, count):
    with zygote.process(LIMITS) as child:
        said(child, "1")
    before = leftovers(zygote)
    for _ in range(count):
        with zygote.process(LIMITS):
            pass
    assert leftovers(zygote) == before


def leftovers(zygote):
    (warm_one,) = processes(zygote)
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "of the warm process": len(os.listdir(f"/proc/{warm_one}/fd")),
        "mounts": len(Path(f"/proc/{warm_one}/mounts").read_text().splitlines()),
        "files": len(list(zygote._box.rglob("*"))),
        "groups": len(zygote._groups),
        "slots": len(zygote._free),
    }


@pytest.mark.slow
def test_a_killed_zygote_is_nobodys_mark_starts_again_and_leaves_nothing(unfiltered):
    with unfiltered.process(LIMITS) as child:
        (warm_one,) = set(processes(unfiltered)) - {number_of(child)}
        os.kill(warm_one, signal.SIGKILL)
        with pytest.raises(Infrastructure, match="warm process ended"):
            while True:
                run(child, "1")
    with unfiltered.process(LIMITS) as child:
        assert said(child, "print(1)") == "1\n"
    box, lived = unfiltered._box, processes(unfiltered)
    groups = [folder for group in unfiltered._groups.values() for folder in group._folders]
    assert bool(groups) == cgroup.available()
    unfiltered.close()
    assert len(lived) == 1 and not os.path.exists(f"/proc/{lived[0]}")
    assert not box.exists() and not [folder for folder in groups if folder.exists()]


def test_graders_of_one_machine_share_no_slot_and_so_no_user(tmp_path, monkeypatch):
    monkeypatch.setattr("autograder.sandbox.zygote.LEASES", tmp_path)
    with Zygote() as one, Zygote() as other:
        taken = [zygote._take_slot() for zygote in (one, other, one, other)]
        assert len(set(taken)) == 4
        one._give_slot(taken[0])
        assert one._take_slot() == taken[0]
        one.close()
        assert {other._take_slot(), other._take_slot()} <= {taken[0], taken[2]}


GRADER = """
import sys, threading
from autograder.sandbox.inside import isolation
from autograder.sandbox.process import Limits
from autograder.sandbox.zygote import Zygote
layers = isolation.available().lowered(sys.argv[1])
with Zygote(layers) as zygote, zygote.process(Limits()) as child:
    child.ask({"do": "run", "source": "import threading"})
    print(zygote._box, flush=True)
    child.ask({"do": "run", "source": "threading.Event().wait()"})
"""


@pytest.mark.slow
def test_a_killed_grader_leaves_no_process_and_its_folder_to_the_next(zygote):
    if zygote.tier == "B":
        pytest.skip("its processes end as those of tier C")
    with zygote.process(LIMITS):
        pass  # it has a folder of its own, which must stay
    command = [sys.executable, "-c", GRADER, zygote.tier]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as grader:
        box = Path(grader.stdout.readline().strip())
        lived = {number: os.pidfd_open(number) for number in processes_of(box)}
        grader.kill()
    assert len(lived) == 2 and box.exists()
    for handle in lived.values():
        select.select([handle], [], [])  # returns when it has ended
        os.close(handle)
    remove_abandoned_boxes()
    assert not box.exists() and zygote._box.exists()


# --------------------------------------------------------------------------- children that wait


@pytest.fixture
def ahead(planted):
    layers = isolation.available()
    if not layers.namespaces:
        pytest.skip("this machine allows no namespaces")
    with Ahead(layers, hidden=[planted]) as ahead:
        yield ahead


def waiting(ahead):
    return ahead._next.result(timeout=60)


def test_the_next_child_waits_for_its_submission_and_is_like_any_other(ahead):
    look = "import os\nprint(os.listdir(), 'x' in dir())\nx = 1\nopen('mine', 'w').close()"
    for _ in range(3):
        with ahead.process(LIMITS) as child:
            following = waiting(ahead)
            assert said(child, look) == "[] False\n"
            assert len(processes(ahead)) == len(["warm", "child", "following"])
        with ahead.process(LIMITS) as child:
            assert child is following
            assert said(child, look) == "[] False\n"


def test_two_submissions_at_a_time_never_get_the_same_child(ahead):
    with ahead.process(LIMITS):
        waiting(ahead)
    taken, both = [], threading.Barrier(8)

    def submission():
        both.wait()
        with ahead.process(LIMITS) as child:
            taken.append((number_of(child), said(child, "print('x' in dir())\nx = 1")))
            both.wait()  # all of them live at the same time

    threads = [threading.Thread(target=submission) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(dict(taken)) == 8 and {text for _, text in taken} == {"False\n"}


def test_a_child_that_may_use_more_or_has_ended_is_given_to_nobody(ahead):
    more = replace(LIMITS, memory=LIMITS.memory * 2)
    with ahead.process(more):
        of_others = waiting(ahead)
    with ahead.process(LIMITS) as child:
        assert child is not of_others and child.limits == LIMITS
        ended = waiting(ahead)
        signal.pidfd_send_signal(ended._handle, signal.SIGKILL)
        select.select([ended._handle], [], [])  # returns when it has ended
    with ahead.process(LIMITS) as child:
        assert child is not ended and said(child, "print(1)") == "1\n"
        waiting(ahead)
    ahead._warm._starter.kill()
    ahead._warm._starter.wait()
    with ahead.process(LIMITS) as child:
        assert said(child, "print(2)") == "2\n"


def test_a_child_that_could_not_start_ahead_costs_nobody_anything(ahead, monkeypatch):
    """Files may run out while it starts, and be there again when it is its turn."""
    for error in (OSError(errno.EMFILE, "Too many open files"), Infrastructure("it was killed")):
        with monkeypatch.context() as patch, ahead.process(LIMITS):
            waiting(ahead).__exit__()
            patch.setattr(ahead, "_take_slot", lambda error=error: fail(error))
            ahead._next = ahead._helper.submit(Process(ahead, LIMITS).__enter__)
            assert ahead._next.exception(timeout=60) is error
        with ahead.process(LIMITS) as child:
            assert said(child, "print(1)") == "1\n"


def fail(error):
    raise error


HOSTILE = """
import ctypes, os, resource, signal, threading
libc = ctypes.CDLL(None, use_errno=True)
for number in range(1, 400):
    try:
        os.kill(number if number > 1 else -1, signal.SIGKILL)
    except OSError:
        pass
for place in ("/dev/shm", "/tmp", "/own", "/kit", "/"):
    try:
        open(f"{place}/left", "wb").write(bytes(70_000_000))
    except OSError:
        pass
for function in (libc.shm_open, libc.sem_open, libc.mq_open):
    function(b"/left", os.O_CREAT | os.O_RDWR, 0o666, 1)
libc.shmget(7, 4096, 0o1666), libc.semget(7, 1, 0o1666), libc.msgget(7, 0o1666)
for call in (248, 249, 250):  # key rings, where numbers are those of x86-64
    libc.syscall(call, b"user", b"left", b"x", 1, -3)
try:
    import numpy
    numpy.seterr(all="ignore"), numpy.random.seed(7), os.nice(-5), os.nice(5)
except OSError:
    pass
kept = bytearray(100_000_000)
threads = [threading.Thread(target=threading.Event().wait, daemon=True) for _ in range(12)]
for thread in threads:
    thread.start()
print("done")
"""
STATE = """
import ctypes, os, random, resource, sys
import numpy as np
libc = ctypes.CDLL(None, use_errno=True)
found = [sorted(os.listdir(place)) for place in ("/own", "/own/tmp", "/own/home")]
found += [libc.shm_open(b"/left", 0, 0), libc.shmget(7, 0, 0), libc.semget(7, 0, 0)]
found += [libc.msgget(7, 0), libc.syscall(250, 10, -3, b"user", b"left", 0)]
found += [np.random.random(), random.random(), np.geterr(), sorted(sys.modules)]
found += [sorted(os.environ.items()), os.sched_getaffinity(0), os.getpriority(0, 0)]
found += [resource.getrlimit(kind) for kind in range(16)]
print(found)
"""


def test_a_child_that_waits_meets_nothing_of_the_one_that_works(ahead):
    with ahead.process(LIMITS) as child:
        following = waiting(ahead)
        usual = said(child, STATE)
    with ahead.process(LIMITS) as child:
        assert child is following
        following = waiting(ahead)
        assert said(child, HOSTILE) == "done\n"
    with ahead.process(LIMITS) as child:
        assert child is following and said(child, STATE) == usual


def test_who_closes_leaves_no_child_that_waits(ahead):
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(2):  # it may be used again
        with ahead.process(LIMITS):
            waiting(ahead)
        box = ahead._box
        groups = [folder for group in ahead._groups.values() for folder in group._folders]
        ahead.close()
        assert not processes_of(box) and not box.exists()
        assert not [folder for folder in groups if folder.exists()]
        assert len(os.listdir("/proc/self/fd")) == descriptors
    with ahead.process(LIMITS):
        ahead.close()  # as where Ctrl-C comes while submissions are executed
    assert len(os.listdir("/proc/self/fd")) == descriptors


# -------------------------------------------------------------------------- as an ordinary user

AS_SOMEBODY = """
import os, sys, tempfile
from autograder.sandbox.inside import isolation
from autograder.sandbox.inside import kernel
from autograder.answers import ROOT

# What lies in closed folders, such as a Python in /root, is shown in open ones at the same place.
scratch, *arguments = sys.argv[1:]
needed = [*isolation.libraries(), str(ROOT)]
closed = set()
for path in needed:
    folder = os.path.dirname(path)
    while folder != "/":
        if not os.stat(folder).st_mode & 0o001:
            closed.add(folder)
        folder = os.path.dirname(folder)
kernel.unshare(kernel.NEW_MOUNTS)
kernel.keep_mounts_private()
for folder in isolation._outermost(closed):
    opened = tempfile.mkdtemp(dir=scratch)
    kernel.mount_memory(opened, 2**20, 1000)
    for path in needed:
        if path.startswith(folder + "/"):
            isolation._show(path, opened + path.removeprefix(folder))
    kernel.mount_again(opened, folder)
somebody = 4321
isolation.become(somebody)
os.environ |= {"HOME": "/nonexistent", "USER": "somebody", "LOGNAME": "somebody", "TMPDIR": scratch}
del os.environ["COURSE_TESTS_SHARED"]  # in a folder of root's
import pytest
sys.exit(pytest.main([*arguments, "--basetemp", f"{scratch}/tests"]))
"""


WALLS = (
    "observed or known_places or network or sockets or about_a_descriptor or cannot_be_opened "
    "or system_calls or gains_rights or processes or fork_bomb or daemon or memory_bomb "
    "or full_disk or deep_folders or ends_a_child"
)


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests above ran as an ordinary user already")
@pytest.mark.slow
def test_an_ordinary_user_is_as_safe():
    if not isolation.available().namespaces:
        pytest.skip("this root may not open the way to its Python for others")
    arguments = [__file__, "-q", "-k", WALLS, "-p", "no:cacheprovider", "-p", "no:xdist"]
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o777)
        command = [sys.executable, "-c", AS_SOMEBODY, scratch, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
