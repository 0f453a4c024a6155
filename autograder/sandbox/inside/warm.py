"""The warm process: everything imported, no answers, one thread; forks a child per submission.

Started by `isolation.main` inside of the namespaces; no garbage is collected before it is warm.
Its only partner is `zygote.py`, over a socket that no child has:

    {"imports": "import numpy …"}                                     ──▶  {"ready": check names}
    {"do": "fork", "slot": 3, "private": …, "allowance": …} + socket  ──▶  {"pid": 7} + pidfd
    {"do": "reap", "pid": 7}                                          ──▶  {"status": -9}

A child speaks with the grader over the socket that came with its request: lines of JSON both
ways, each reply followed by as many bytes as its "sizes" add up to.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import resource
import select
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from autograder import exercises
from autograder.sandbox.inside import isolation, kernel, messages
from autograder.sandbox.inside.child import Inside, import_from_here, serve, stop_nowhere

with contextlib.suppress(ModuleNotFoundError):  # without the extra there are the NumPy halves
    import torch

HAS_TORCH = "torch" in sys.modules
SEED = 0  # of every child's global generators, so that the same code does the same again
USE_OF_LIBRARIES = """
import numpy as np, matplotlib.pyplot as plt
from IPython.display import display
x = np.random.default_rng(0).normal(size=(4, 3))
print(np.linalg.norm(x @ x.T), np.einsum("nd,nd->n", x, x), (x - x.mean(0)) / x.std(0))
plt.plot([0, 1]); plt.title("$x$"); plt.show()
display(x)
1 / 0
"""
USE_OF_TORCH = """
import torch
t = torch.arange(12.0).reshape(4, 3)
print(t @ t.T, torch.nn.functional.relu(t).sum(0), torch.sqrt(t.var(0) + 1e-5))
"""


def main(arguments: Sequence[str]) -> None:
    """Warm up, then fork on request until the grader hangs up."""
    setup = json.loads(arguments[0])
    sys.argv[1:] = []
    control = socket.socket(fileno=setup["control"])
    control.set_inheritable(False)
    message = control.recv(isolation.MESSAGE)
    if not message:  # nobody's code is to be run after all
        return
    inside = _warm_up(json.loads(message)["imports"])
    require_one_thread(setup["views"]["tasks"])
    control.sendall(json.dumps({"ready": exercises.check_names()}).encode())
    children: set[int] = set()
    try:
        _serve(control, setup, inside, children)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        end_orphans(())


def _warm_up(imports: str) -> Inside:
    """Import and use once what every submission uses; leave nothing of it behind but the memory."""
    if HAS_TORCH:
        torch.set_num_threads(1)
    inside = Inside()
    gc.freeze()  # what is there to stay need not be looked through below
    for source in (imports, USE_OF_LIBRARIES, *([USE_OF_TORCH] if HAS_TORCH else [])):
        inside.answer({"do": "run", "source": source})
    inside.shell.reset(new_session=True)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    plt.close("all")
    gc.collect()
    gc.freeze()  # a collection in a child would write to, and so copy, every page
    gc.enable()
    np.random.seed(SEED)
    if HAS_TORCH:
        torch.manual_seed(SEED)
    return inside


def require_one_thread(tasks: int) -> None:
    """Make sure that a fork takes everything along: other threads, and what they lock, stay behind.

    Args:
        tasks: an open /proc/self/task.
    """
    count = len(os.listdir(tasks))
    if count != 1:
        raise RuntimeError(f"the warm process has {count} threads; it can fork only with one")


def _serve(control: socket.socket, setup: Mapping, inside: Inside, children: set[int]) -> None:
    pieces = large_pieces(setup["views"]["tasks"])
    while True:
        _make_large(pieces, control)
        message, descriptors, *_ = socket.recv_fds(control, isolation.MESSAGE, 1)
        if not message:
            return
        request = json.loads(message)
        if request["do"] == "fork":
            _fork(control, setup, request, descriptors[0], inside, children)
        else:
            status = _reap(request["pid"], setup, children)
            control.sendall(json.dumps({"status": status}).encode())


def _make_large(pieces: Iterator[int], control: socket.socket) -> None:
    """Put memory onto large pages until somebody asks: to fork and to end then takes half."""
    while not select.select([control], [], [], 0)[0]:
        with contextlib.suppress(OSError):  # of a kernel before 6.1, or where there is none left
            address = next(pieces, None)
            if address is None:
                return
            kernel.make_large(address)


def large_pieces(tasks: int) -> Iterator[int]:
    """Yield the addresses at which memory of this process's own could lie on a large page.

    Args:
        tasks: an open /proc/self/task.
    """
    maps = os.open(f"{os.listdir(tasks)[0]}/maps", os.O_RDONLY, dir_fd=tasks)
    with open(maps) as lines:
        areas = [line.split() for line in lines]
    for place, rights, *_, name in areas:
        if rights == "rw-p" and not name.startswith("/"):
            start, end = (int(address, 16) for address in place.split("-"))
            first = -(-start // kernel.LARGE) * kernel.LARGE
            yield from range(first, end - kernel.LARGE + 1, kernel.LARGE)


def _fork(control, setup, request, descriptor, inside, children):
    layers = isolation.Layers(**setup["layers"])
    require_one_thread(setup["views"]["tasks"])
    child = isolation.fork(layers, setup["views"]["processes"])
    if child == 0:
        try:
            control.detach()
            _live(socket.socket(fileno=descriptor), layers, setup, request, inside)
        finally:
            os._exit(1)
    children.add(child)
    os.close(descriptor)
    handle = os.pidfd_open(child)
    socket.send_fds(control, [json.dumps({"pid": child}).encode()], [handle])
    os.close(handle)


def _reap(child: int, setup: Mapping, children: set[int]) -> int:
    """Wait for a child that has ended; where it had no namespace, end what it left behind."""
    _, status = os.waitpid(child, 0)
    children.discard(child)
    if not setup["layers"]["namespaces"]:
        end_orphans(children)
    return os.waitstatus_to_exitcode(status)


def end_orphans(children: Sequence[int] | set[int]) -> None:
    """Kill whoever became a child of this process without being one of `children`."""
    if not os.path.isdir("/proc/self"):
        return
    while orphans := _own_children() - set(children):
        for orphan in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan, 0)


def _own_children() -> set[int]:
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{name}/stat").read_text()
            parent = int(status.rpartition(")")[2].split()[1])
            if parent == os.getpid():
                found.add(int(name))
    return found


# --------------------------------------------------------------------------------- in a child


def _live(connection, layers, setup, request, inside) -> None:
    """Be the child: become harmless, then answer until the grader hangs up."""
    try:
        _become_harmless(connection, layers, setup, request, inside)
    except BaseException:
        why = traceback.format_exc()[-4000:]
        connection.sendall(messages.framed({"ready": False, "why": why}))
        return
    connection.sendall(messages.framed({"ready": True}))
    serve(connection, inside)
    os._exit(0)


def _become_harmless(connection, layers, setup, request, inside) -> None:
    allowance = isolation.Allowance(**request["allowance"])
    pages = int(os.pread(setup["views"]["size"], 100, 0).split()[0])
    own = pages * resource.getpagesize()  # of the libraries, which every child has
    _keep_only(connection.fileno())
    isolation.confine(
        layers,
        isolation.Allowance(own + allowance.memory, allowance.files, allowance.seconds),
        request["slot"],
        request["private"],
        setup.get("readable", ()),
        setup["hidden"] + request["hidden"],
        setup["others"],
    )
    os.environ |= isolation.move_in(request["private"])
    tempfile.tempdir = None
    import_from_here()
    stop_nowhere()
    random.seed(SEED)  # which a fork seeds anew, unlike the other generators


def _keep_only(descriptor: int) -> None:
    """Close everything but one descriptor; standard input and output lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, isolation.MANY)
