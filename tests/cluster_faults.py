"""The fault matrix of a cluster: real `dask scheduler` and `dask worker` processes, and mishaps.

    python tests/cluster_faults.py                       every fault once (`make test-cluster`)
    python tests/cluster_faults.py --times 20 killed     one of them, twenty times
    python tests/cluster_faults.py --times 20 --counts FILE

The last one writes each run into a file, from which it goes on when it is started again; two may
do so at a time. Each run grades a small class with two workers while one thing goes wrong. It is
passed when the results are those of one machine but for times, everybody has one, each was
written once, and no process is left behind. The exit status is 1 where one is not; what this
machine cannot do is skipped, with the reason.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import psutil
from classroom import NAME, SECRET, hand_in, template, timeless

from autograder.grading import cluster
from autograder.grading.batch import grade_batch
from autograder.grading.cluster import (
    CERTIFICATE,
    KEY,
    cluster_blocks,
    session,
    write_certificates,
)
from autograder.grading.grader import Grader
from autograder.grading.log import Log
from autograder.grading.results import Store

STUDENTS = 8
AFTER = 1  # results, before something goes wrong
LATE = 30.0  # seconds, after which a chunk is given to another worker as well
PATIENCE = 60.0
END_SECONDS = 15.0  # for a sandbox to notice that its worker is gone
PR_SET_CHILD_SUBREAPER = 36
NETWORK = f"10.99.{os.getpid() % 256}"  # of a cable that can be cut; runs at once have their own
HERE, THERE = f"{NETWORK}.1", f"{NETWORK}.2"


class Impossible(Exception):
    """This machine cannot play a fault; the text says why."""


class Machines:
    """A scheduler and workers as processes of their own; use it in a `with`."""

    def __init__(self, folder: Path, host: str = "127.0.0.1"):
        self.folder, self.host = folder, host
        write_certificates(folder / "certificates")
        with socket.create_server((host, 0)) as free:
            self.port = free.getsockname()[1]
        self.scheduler: subprocess.Popen | None = None
        self.workers: list[subprocess.Popen] = []

    def __enter__(self) -> Machines:
        self.start_scheduler()
        return self

    def __exit__(self, *error: object) -> None:
        for process in filter(None, (*self.workers, self.scheduler)):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in filter(None, (*self.workers, self.scheduler)):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def address(self) -> str:
        return f"tls://{self.host}:{self.port}"

    def start_scheduler(self) -> None:
        self.scheduler = self._start("scheduler", "--host", self.host, "--port", str(self.port))

    def start_worker(self, within: tuple[str, ...] = (), **environment: str) -> subprocess.Popen:
        """Start a worker with one slot that Dask does not bound in memory."""
        number = str(len(self.workers))
        arguments = ("--nthreads", "1", "--memory-limit", "0", "--no-nanny", "--name", number)
        places = ("--local-directory", str(self.folder / f"worker-{number}"))
        self.workers.append(
            self._start("worker", self.address, *arguments, *places, within=within, **environment)
        )
        return self.workers[-1]

    def _start(self, what, *arguments, within=(), **environment):
        certificate, key = (str(self.folder / "certificates" / name) for name in (CERTIFICATE, KEY))
        files = ("--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key)
        with open(self.folder / "dask.log", "ab") as log:
            return subprocess.Popen(
                [*within, sys.executable, "-m", "dask", what, *files, "--no-dashboard", *arguments],
                env=os.environ | environment,
                stdout=log,
                stderr=log,
            )


# ------------------------------------------------------------------------------- the faults


@contextlib.contextmanager
def two_workers(folder):
    """A cluster to which nothing has happened yet."""
    with Machines(folder) as machines:
        machines.start_worker()
        machines.start_worker()
        yield machines


def none(machines):
    """Nothing goes wrong."""


def killed(machines):
    """A worker is killed, and nobody starts it again."""
    machines.workers[0].kill()


def stopped(machines):
    """A worker stops for good (SIGSTOP), and its connection stays open."""
    machines.workers[0].send_signal(signal.SIGSTOP)


def delivered_twice(machines):
    """A worker stops for longer than a chunk may take, and then delivers all the same."""
    machines.workers[0].send_signal(signal.SIGSTOP)

    def wake(log):
        if log and any(event["event"] == "late" for event in log.read()):
            machines.workers[0].send_signal(signal.SIGCONT)

    return wake


def scheduler_restarted(machines):
    """The scheduler is killed; it and the workers, which end with it, are started again."""
    machines.scheduler.kill()
    for process in (machines.scheduler, *machines.workers):
        process.terminate()
        process.wait()
    machines.start_scheduler()
    machines.start_worker()
    machines.start_worker()


def renewed(machines):
    """Every worker is ended and another one comes, as at a walltime within a chunk."""
    for worker in machines.workers[:2]:
        worker.terminate()
    machines.start_worker()
    machines.start_worker()


def lifetime_over(machines):
    """Every worker comes to the end of its lifetime within a chunk, and others come."""
    with (
        session(machines.address, machines.folder / "certificates") as connect,
        connect() as client,
    ):
        client.run(_leave)
    machines.start_worker()
    machines.start_worker()
    for worker in machines.workers[:2]:
        worker.wait(2 * PATIENCE)


def _leave(dask_worker):
    """Do what a worker does when its `--lifetime` is over."""
    dask_worker.loop.call_later(0, dask_worker.close_gracefully)


def slow_writer(machines):
    """Whoever writes the results takes two seconds for each."""
    real = Store.keep

    def keep(store, *arguments):
        time.sleep(2)
        real(store, *arguments)

    Store.keep = keep

    def undo(log):
        if log is None:
            Store.keep = real

    return undo


@contextlib.contextmanager
def disk_full(folder):
    """One of the workers has 64 kB of disk for its sandboxes."""
    small = folder / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small]).returncode:
        raise Impossible("no file system may be mounted here")
    try:
        with Machines(folder) as machines:
            machines.start_worker(TMPDIR=str(small))
            machines.start_worker()
            yield machines
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


@contextlib.contextmanager
def on_a_cable(folder):
    """One of the workers is in another network, at the end of a cable."""
    name = f"autograder{os.getpid()}"
    ends = f"a{os.getpid()}", f"b{os.getpid()}"
    try:
        _ip("netns", "add", name)
        _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", name)
        _ip("address", "add", f"{HERE}/24", "dev", ends[0])
        _ip("link", "set", ends[0], "up")
        _ip("-n", name, "address", "add", f"{THERE}/24", "dev", ends[1])
        _ip("-n", name, "link", "set", ends[1], "up")
        _ip("-n", name, "link", "set", "lo", "up")
        with Machines(folder, HERE) as machines:
            machines.start_worker(within=("ip", "netns", "exec", name))
            machines.start_worker()
            machines.cable = ends[0]
            yield machines
    finally:
        subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "delete", ends[0]], stderr=subprocess.DEVNULL)


def _ip(*arguments: str) -> None:
    try:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", "") or str(error)
        raise Impossible(f"no network of its own here: {why.strip()}") from None


def network_cut(machines):
    """The cable to a worker is cut for good."""
    _ip("link", "set", machines.cable, "down")


FAULTS = {  # what happens, and the event in the log by which it shows that it did
    "none": (two_workers, none, "graded"),
    "killed": (two_workers, killed, "graded"),
    "stopped": (two_workers, stopped, "late"),
    "delivered twice": (two_workers, delivered_twice, "late"),
    "scheduler restarted": (two_workers, scheduler_restarted, "cluster lost"),
    "workers renewed": (two_workers, renewed, "graded"),
    "lifetime over": (two_workers, lifetime_over, "graded"),
    "slow writer": (two_workers, slow_writer, "graded"),
    "disk full": (disk_full, none, "again"),
    "network cut": (on_a_cable, network_cut, "graded"),
}


# -------------------------------------------------------------------------------- the runs


def run(name: str, folder: Path, paths: dict[str, Path], expected: dict[str, dict]) -> str:
    """Play one fault; returns what is wrong with the outcome, or nothing."""
    machines_of, happen, shows = FAULTS[name]
    log, store = Log(folder / "log.jsonl"), Store(folder / "results")
    results, faults, later = {}, {}, [None]

    def progress(student, result):
        results[student] = result
        if len(results) == AFTER:
            log.write("mishap")
            later[0] = happen(machines)
        if later[0]:
            later[0](log)

    with (
        machines_of(folder) as machines,
        session(machines.address, folder / "certificates") as connect,
        Grader(template(), NAME, SECRET, log=log) as grader,
    ):
        with connect() as client:  # a worker that comes late would have nothing to lose
            client.wait_for_workers(2, timeout=PATIENCE)
        try:
            options = {"progress": progress, "late": LATE, "patience": PATIENCE}
            for block in cluster_blocks(connect, grader, paths, store, **options):
                faults |= block.faults
        finally:
            if later[0]:
                later[0](None)
    events = log.read()
    written = Counter(e["student"] for e in events if e["event"] == "graded")
    names = [event["event"] for event in events]
    if faults:
        return f"faults: {faults}"
    if shows not in (names if happen is none else names[names.index("mishap") :]):
        return f"nothing happened: no event {shows!r}"
    if written != Counter(paths.keys()):
        return f"written: {written}"
    found = timeless(folder / "results")
    return (
        ""
        if found == expected
        else f"other results: {[s for s in paths if found[s] != expected[s]]}"
    )


def left_behind() -> str:
    """End what a run started and did not end; returns what it was, or nothing."""
    _, alive = psutil.wait_procs(psutil.Process().children(recursive=True), timeout=END_SECONDS)
    lines = [" ".join(process.cmdline()) for process in alive]
    for process in alive:
        process.kill()
    return f"left behind: {lines}" if lines else ""


def take_orphans() -> None:
    """Become the parent of what a killed worker leaves behind, so that it is seen."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def played(counts: Path, names: list[str]) -> dict[str, list[dict]]:
    """What is known of the runs so far, by fault."""
    lines = counts.read_text("utf-8").splitlines() if counts.exists() else []
    runs = [json.loads(line) for line in lines]
    return {name: [run for run in runs if run["fault"] == name] for name in names}


def least_played(counts: Path, names: list[str], times: int) -> str:
    """The fault of the fewest runs; nothing where all were played so many times."""
    runs = {name: len(found) for name, found in played(counts, names).items()}
    least = min(runs, key=runs.__getitem__, default="")
    return least if least and runs[least] < times else ""


def play(name: str, paths: dict[str, Path], expected: dict[str, dict], keep: Path) -> dict:
    """Play one fault; returns the outcome, and what it took. The log of a failure is kept."""
    start, before = time.monotonic(), processor()
    with tempfile.TemporaryDirectory() as folder:
        try:
            wrong = run(name, Path(folder), paths, expected)
        except Impossible:
            raise
        except Exception:
            wrong = traceback.format_exc()
        left = left_behind()  # asked in any case, so that the next run starts with none
        wrong = wrong or left
        if wrong:
            shutil.copytree(folder, keep / f"{name} {time.strftime('%H-%M-%S')}")
    took = {"seconds": time.monotonic() - start, "processor": processor() - before}
    return {"fault": name, "wrong": wrong} | {key: round(n, 1) for key, n in took.items()}


def processor() -> float:
    """Seconds of the processor, of this process and of all that it started and that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def play_all(names: list[str], times: int, counts: Path) -> bool:
    """Play what was played least until all were so often; returns whether all were passed."""
    with tempfile.TemporaryDirectory() as place:
        paths = hand_in(Path(place) / "submitted", STUDENTS, broken=6)
        with Grader(template(), NAME, SECRET) as grader:
            grade_batch(grader, paths, Store(Path(place) / "serial"), jobs=1)
        expected = timeless(Path(place) / "serial")
        assert expected.keys() == paths.keys()
        while least := least_played(counts, names, times):
            try:
                outcome = play(least, paths, expected, counts.parent)
            except Impossible as why:
                print(f"{least} is skipped: {why}", flush=True)
                names.remove(least)
                continue
            with open(counts, "a", encoding="utf-8") as file:
                file.write(f"{json.dumps(outcome)}\n")
            print(outcome["wrong"] or f"{least} was passed", flush=True)
    return tell(played(counts, names))


def tell(played: dict[str, list[dict]]) -> bool:
    """Print how often each was passed, and the seconds; returns whether all were."""
    for name, runs in played.items():
        passed = sum(not one["wrong"] for one in runs)
        spans = [sorted(one[key] for one in runs) for key in ("seconds", "processor")]
        clock, cpu = (f"{span[0]:.0f} to {span[-1]:.0f} s" for span in spans)
        print(f"{name:<20} {passed} of {len(runs)}  {clock}, of the processor {cpu}")
    return not any(one["wrong"] for runs in played.values() for one in runs)


def main() -> None:
    """Play the faults that are named, or all, and say how often each was passed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []])
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--counts", type=Path, help="a file of runs, to go on from")
    chosen = parser.parse_args()
    take_orphans()
    cluster.LEAST = 1  # small chunks, of which some are under way at any time
    with tempfile.TemporaryDirectory() as place:
        counts = chosen.counts or Path(place) / "counts.jsonl"
        sys.exit(not play_all(chosen.faults or list(FAULTS), chosen.times, counts))


if __name__ == "__main__":
    main()
