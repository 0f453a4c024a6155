"""Grade a class on Dask's workers: chunks of submissions go out, results come back, once each.

    with session("tls://10.0.0.1:8786", folder_of_certificates) as connect:
        for block in cluster_blocks(connect, grader, submissions, store): ...

A worker is a trusted machine with the full package: it judges there, runs its own pair of answers
with known marks, and its sandbox keeps a student's code out of Dask's process. Dask does the
queueing; here is what it cannot know: which workers may mark, that a late chunk is given to
another one as well, and that each submission is written once, by this process.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import dask
from dask.distributed import Client, Future, LocalCluster, Security, WorkerPlugin, get_worker
from nbformat import NotebookNode

from autograder.grading.baseline import Baseline
from autograder.grading.batch import BLOCK, Batch, Block
from autograder.grading.grader import Grader, acceptable, software
from autograder.grading.observations import Observations
from autograder.grading.results import Store, SubmissionResult, with_observations
from autograder.sandbox.inside import isolation
from autograder.sandbox.process import Infrastructure, Limits
from autograder.submissions.notebook import OutOfReach
from autograder.submissions.uploads import Upload, take

CHUNK_SECONDS = 30.0  # of work in one task
LEAST = 20  # submissions, below which the pair after each chunk would be much of the work
FIRST_SECONDS = 0.5  # of a submission, before it is known how long one takes
LATE_SECONDS = 300.0  # after which a chunk is given to another worker as well
ANSWER_SECONDS = 15.0  # for all workers to take a plugin; a stopped one never does
PATIENCE = 60.0  # seconds without a worker or a scheduler
TRIES = 3  # workers that a submission may fail on
TIERS = "ABC"  # from the strongest
LOCAL, SLURM, KUBERNETES = "local", "slurm", "kubernetes"
FORWARD = ("kubectl", "port-forward", "service/grading", ":8786")  # of docs/kubernetes.yaml
FORWARDED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
QUEUE_PATIENCE = 86_400.0  # seconds that a job may wait for Slurm
OF_A_JOB = (
    "cores",
    "processes",
    "memory",
    "walltime",
    "worker-extra-args",
    "scheduler-options",
    "job-script-prologue",
)
HALF_AN_HOUR = "00:30:00"
NO_DASHBOARD = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
QUIET: dict[str, object] = {  # Dask looks at its own processes 100 and 50 times a second
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
}
SAID_HERE = ("distributed", "distributed.client")  # what these log is told in one line, or mended
CERTIFICATE, KEY = "certificate.pem", "key.pem"
OTHER_SOFTWARE = "has another version of the course, of Python or of a library"
WEAKER = "keeps submissions apart at tier {}, not {}"
UNREACHABLE = (
    "{} cannot be reached ({}): is the scheduler running there, with the certificates of this "
    "folder? What was graded is kept."
)


class ClusterError(Exception):
    """The cluster cannot be used; the text is one line that says why and what to do."""


# --------------------------------------------------------------------------------- a worker


@dataclass(frozen=True)
class Job:
    """All that a worker needs to mark a lesson; it holds the secret, and travels encrypted."""

    template: NotebookNode  # as it was read: a digest of it is part of every key
    assignment: str
    secret: bytes
    limits: Limits
    turn: int
    hidden: tuple[Path, ...]
    software: str  # digest
    tier: str  # the weakest that may mark
    expected: bytes  # what checks expect, which takes seconds to compute


@dataclass
class Returned:
    """What a worker made of a chunk."""

    worker: str  # its address
    refused: str = ""  # why it may not mark at all
    results: dict[str, tuple[bytes, bytes | None]] = field(default_factory=dict)
    baselines: dict[str, bytes] = field(default_factory=dict)  # that observations differ from
    faults: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0  # without the start of its sandbox, and the pair


class Marker(WorkerPlugin):
    """Holds the grader of a job in a worker; Dask gives one to every worker that joins."""

    def __init__(self, job: Job):
        self.job, self.name = job, f"autograder-{uuid.uuid4().hex}"

    def setup(self, worker) -> None:
        """Prepare to make the grader, which the first chunk does."""
        self._lock = threading.Lock()
        self._grader: Grader | None = None
        self._worker = worker

    def teardown(self, worker) -> None:
        """End the sandboxes, so that no warm process stays behind."""
        if self._grader:
            self._grader.close()

    def grade(self, chunk: Mapping[str, Upload]) -> Returned:
        """Mark some submissions, one after the other; whatever one does, the others go on."""
        job = self.job
        returned = Returned(self._worker.address)
        returned.refused = _why_not(job.software, job.tier)
        if returned.refused:
            return returned
        with self._lock:
            grader = self._grader = self._grader or _grader(job)
        carried, block = _Carried(), Block()
        batch = Batch(grader, carried)
        with contextlib.suppress(Infrastructure):  # said of each submission below
            grader.canaries.require()
        start = time.monotonic()
        for student, upload in chunk.items():
            batch.one(block, student, upload)
        returned.seconds = time.monotonic() - start
        batch.vouch(block)
        returned.refused = batch.distrust
        returned.results, returned.faults = carried.results, block.faults
        returned.baselines = carried.baselines
        return returned


class _Carried:
    """Takes the place of a store in a worker: what is saved goes to the coordinator."""

    def __init__(self):
        self.results: dict[str, tuple[bytes, bytes | None]] = {}
        self.baselines: dict[str, bytes] = {}

    def load(self, student: str) -> SubmissionResult | None:
        return None

    def save(
        self, result: SubmissionResult, observations: Observations | None = None
    ) -> SubmissionResult:
        result, content = with_observations(result, observations)
        if observations and (baseline := observations.baseline):
            self.baselines[baseline.digest] = baseline.content
        self.results[result.student] = json.dumps(result.to_dict()).encode(), content
        return result

    def remove(self, student: str) -> None:
        self.results.pop(student, None)


def look_at_workers(connect) -> dict[str, str]:
    """Return for each worker why it may not mark beside this machine; nothing where it may."""
    tier = isolation.available().tier
    with connect() as client:
        return client.run(_why_not, software(), tier)


def _why_not(digest: str, tier: str) -> str:
    """Say why the worker in which this runs may not mark."""
    own = isolation.available().tier
    if software() != digest:
        return OTHER_SOFTWARE
    return WEAKER.format(own, tier) if TIERS.index(own) > TIERS.index(tier) else ""


def _grader(job: Job) -> Grader:
    places = (job.template, job.assignment, job.secret, job.limits)
    return Grader(*places, hidden=job.hidden, turn=job.turn, expected=job.expected)


def _grade(name: str, chunk: Mapping[str, Upload]) -> Returned:
    """The task that Dask runs: the plugin of this name, which may be on its way, marks a chunk."""
    plugins, end = get_worker().plugins, time.monotonic() + PATIENCE
    while name not in plugins and time.monotonic() < end:
        time.sleep(0.1)
    return cast(Marker, plugins[name]).grade(chunk)


# ------------------------------------------------------------------------- the coordinator


@dataclass
class _Chunk:
    """Submissions that are at a worker, or at several when the first one is late."""

    students: tuple[str, ...]
    given: float
    futures: list[Future] = field(default_factory=list)
    allowed: set[str] = field(default_factory=set)  # workers that Dask may give it to


def cluster_blocks(
    connect: Callable[[], contextlib.AbstractContextManager[Client]],
    grader: Grader,
    submissions: Mapping[str, Path],
    store: Store,
    *,
    hidden: Sequence[Path] = (),
    force: bool = False,
    size: int = BLOCK,
    progress: Callable[[str, SubmissionResult | None], None] | None = None,
    patience: float = PATIENCE,
    late: float = LATE_SECONDS,
) -> Iterator[Block]:
    """Grade many submissions on a cluster, and yield them block by block, as `grade_blocks` does.

    Results are kept as they come; the same call goes on from them. A scheduler that ends is waited
    for, and gets again what is not done.

    Args:
        connect: opens a connection; called again when one is lost.
        hidden: what no submission may be able to open, on any worker.
        patience: seconds to wait for a scheduler, or for a worker that may mark.
        late: seconds after which a chunk is given to another worker as well.

    Raises `ClusterError` when nobody can mark; what came before is kept.
    """
    work = _Work(grader, store, submissions, force, progress, late)
    grader.log.write("cluster", submissions=len(submissions), tier=grader.tier)
    if work.is_left():
        job = _job(grader, hidden)
    lost = None  # since when there is no scheduler
    while work.is_left():
        try:
            with _connected(connect) as client:
                lost = None
                yield from work.on(client, Marker(job), patience, size)
        except _Lost as error:
            grader.log.write("cluster lost", why=str(error))
            lost = lost or time.monotonic()
            if time.monotonic() - lost > patience:
                raise ClusterError(UNREACHABLE.format("The scheduler", error)) from None
            time.sleep(1)
    if work.block.results or work.block.faults:
        yield work.block
    grader.log.write("cluster ended", again=work.again)


def _job(grader: Grader, hidden: Sequence[Path]) -> Job:
    """What workers need; what checks expect is computed here, once for all of them."""
    grader.prepare()
    return Job(
        grader.template,
        grader.assignment,
        grader.secret,
        grader.limits,
        grader.turn,
        tuple(hidden),
        software(),
        grader.tier,
        grader.packed(),
    )


class _Lost(Exception):
    """The connection to the scheduler is gone, and everything that was under way with it."""


@contextlib.contextmanager
def _or_lost() -> Iterator[None]:
    """Around what asks the scheduler: whatever Dask says when it cannot means that it is gone.

    A `ValueError` is of a connection that ends as TLS starts.
    """
    try:
        yield
    except (OSError, RuntimeError, ValueError, CancelledError) as error:
        raise _Lost(f"{type(error).__name__}: {error}") from None


@contextlib.contextmanager
def _connected(connect: Callable[[], contextlib.AbstractContextManager[Client]]):
    """Connect; whatever Dask says as it closes a connection that may be lost ends nothing."""
    with _or_lost():
        connection = connect()
        client = connection.__enter__()
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):
            connection.__exit__(None, None, None)


class _Work:
    """What is left of a class, and what is at which worker."""

    def __init__(self, grader, store, submissions, force, progress, late):
        self.grader, self.store, self.late = grader, store, late
        self.submissions = submissions
        self.progress = progress or (lambda student, result: None)
        self.block = Block()
        self.left: list[str] = []
        self.chunks: list[_Chunk] = []
        self.refused: dict[str, str] = {}  # worker: why
        self.failed: dict[str, set[str]] = defaultdict(set)  # student: workers
        self.done: set[tuple[str, str]] = set()  # student, digest of what was handed in
        self.given_up: set[str] = set()  # students whose results come too late
        self.digests: dict[str, str] = {}
        self.again = 0  # results that came a second time
        self.seconds, self.count = 0.0, 0  # that workers took, for so many submissions
        for student, path in submissions.items():
            self._take_kept(student, path, "none" if force else "complete")

    def _take_kept(self, student, path, accept):
        kept = acceptable(self.store, student, accept)
        try:
            same = kept and kept.basis in self._bases() and kept.file == take(path).digest
        except OutOfReach as error:
            self._fault(student, str(error))
            return
        if kept and same:
            self.grader.log.write("kept", student=student, key=kept.key)
            self._end(student, kept)
        else:
            self.left.append(student)

    def _bases(self):
        """The bases of results of workers that are at least as strong as they have to be."""
        return {self.grader.basis_at(tier) for tier in TIERS[: TIERS.index(self.grader.tier) + 1]}

    def is_left(self) -> bool:
        """Whether somebody has neither a result nor a fault."""
        return bool(self.left or self.chunks)

    def on(self, client: Client, marker: Marker, patience: float, size: int) -> Iterator[Block]:
        """Work through what is left on one connection; yields whenever a block is full."""
        self.left = [*(s for chunk in self.chunks for s in chunk.students), *self.left]
        self.chunks.clear()
        self.client, self.marker = client, marker
        arrived: queue.SimpleQueue[Future] = queue.SimpleQueue()
        with _or_lost():
            _within(ANSWER_SECONDS, client.register_plugin, marker)
        seen_worker = time.monotonic()
        try:
            while self.is_left():
                workers = self._workers()
                if workers:
                    seen_worker = time.monotonic()
                elif time.monotonic() - seen_worker > patience:
                    raise ClusterError(self._why_nobody(patience))
                self._give(workers, arrived)
                with contextlib.suppress(queue.Empty):
                    self._receive(arrived.get(timeout=0.5))
                    while True:
                        self._receive(arrived.get_nowait())
                self._look_after(workers, arrived)
                if len(self.block.results) + len(self.block.faults) >= size:
                    full, self.block = self.block, Block()
                    yield full
        finally:
            with contextlib.suppress(Exception):  # a lost scheduler needs no goodbye
                _within(ANSWER_SECONDS, client.unregister_worker_plugin, marker.name)

    def _workers(self) -> dict[str, int]:
        """Slots of the workers that may mark, by address."""
        if self.client.status != "running":
            raise _Lost("the connection to the scheduler broke")
        with _or_lost():
            known = self.client.scheduler_info(n_workers=-1)["workers"]
        return {a: w["nthreads"] for a, w in known.items() if a not in self.refused}

    def _why_nobody(self, patience: float) -> str:
        said = "; ".join(dict.fromkeys(f"{a} {why}" for a, why in self.refused.items()))
        why = f" Refused: {said}." if said else ""
        return f"No worker that may mark came within {patience:g} seconds.{why} Results are kept."

    def _give(self, workers: Mapping[str, int], arrived) -> None:
        """Keep two chunks a slot under way: no worker waits, and the scheduler stays small."""
        slots = sum(workers.values())
        while self.left and len(self.chunks) < 2 * slots:
            each = self.seconds / self.count if self.count else FIRST_SECONDS
            under_way = sum(len(chunk.students) for chunk in self.chunks)
            count = chunk_size(len(self.left), under_way, slots, each)
            if self.left[0] in self.failed:
                count = 1
            students, self.left = tuple(self.left[:count]), self.left[count:]
            chunk = _Chunk(students, time.monotonic())
            self.chunks.append(chunk)
            self._submit(chunk, workers, set().union(*(self.failed[s] for s in students)), arrived)

    def _submit(self, chunk, workers, without, arrived):
        uploads = self._uploads(chunk)
        if not uploads:
            return
        allowed = [address for address in workers if address not in without] or list(workers)
        with _or_lost():
            future = self.client.submit(
                _grade, self.marker.name, uploads, workers=allowed, pure=False, retries=0
            )
        chunk.futures.append(future)
        chunk.allowed |= set(allowed)
        future.add_done_callback(arrived.put)

    def _uploads(self, chunk: _Chunk) -> dict[str, Upload]:
        """Read the submissions of a chunk; what the machine does not give is left out of it."""
        uploads = {}
        for student in chunk.students:
            try:
                uploads[student] = take(self.submissions[student])
            except OutOfReach as error:
                self._fault(student, str(error))
        self.digests |= {student: upload.digest for student, upload in uploads.items()}
        chunk.students = tuple(uploads)
        if not uploads:
            self.chunks.remove(chunk)
        return uploads

    def _receive(self, future: Future) -> None:
        chunk = next((c for c in self.chunks if future in c.futures), None)
        if future.status == "finished":
            if returned := _handed_over(future):
                self._keep(chunk, returned)
            elif chunk:
                self._drop(chunk, future, "its worker does not hand over what it came to")
        elif chunk and future.status == "error":
            error = future.exception()
            self._drop(chunk, future, f"{type(error).__name__}: {error}")
        elif chunk:
            raise _Lost("the scheduler forgot what it was given")

    def _drop(self, chunk: _Chunk, future: Future, why: str) -> None:
        """Wait no longer for one copy of a chunk."""
        chunk.futures.remove(future)
        if not chunk.futures:
            self._divide(chunk, why)

    def _keep(self, chunk: _Chunk | None, returned: Returned) -> None:
        """Write each result that is new; give to others what failed or was refused."""
        if returned.refused:
            self.refused[returned.worker] = returned.refused
            self.grader.log.write("refused", worker=returned.worker, why=returned.refused)
        for content in returned.baselines.values():
            self.store.keep_baseline(Baseline(content))
        for student, (result, observations) in returned.results.items():
            self._write(student, SubmissionResult.from_dict(json.loads(result)), observations)
        if chunk is None:  # it came from another worker before
            return
        if returned.results:
            self.seconds, self.count = (
                self.seconds + returned.seconds,
                self.count + len(chunk.students),
            )
        self.chunks.remove(chunk)
        for student in chunk.students:
            if self._is_done(student):
                continue
            if not returned.refused:
                self.failed[student].add(returned.worker)
            self._again(student, returned.faults.get(student, returned.refused))

    def _write(self, student, result, observations):
        key = student, result.file
        if key in self.done or student in self.given_up:
            self.again += 1
            return
        self.store.keep(result, observations)
        self.grader.log.write("graded", student=student, key=result.key, tier=result.tier)
        self._end(student, result)

    def _is_done(self, student: str) -> bool:
        return (student, self.digests[student]) in self.done

    def _end(self, student: str, result: SubmissionResult) -> None:
        self.done.add((student, result.file))
        self.block.results[student] = result
        self.progress(student, result)

    def _divide(self, chunk: _Chunk, why: str) -> None:
        """A chunk that ended its workers is tried one by one."""
        self.grader.log.write("chunk failed", students=len(chunk.students), why=why)
        self.chunks.remove(chunk)
        for student in chunk.students:
            if not self._is_done(student):
                self.failed[student].add(f"with {why[:200]} ({len(self.failed[student])})")
                self._again(student, f"no worker could mark it ({why[:200]})")

    def _again(self, student: str, why: str) -> None:
        if len(self.failed[student]) < TRIES and not self._failed_everywhere(student):
            self.grader.log.write("again", student=student, why=why)
            self.left.insert(0, student)
        else:
            self._fault(student, why)

    def _fault(self, student: str, why: str) -> None:
        self.given_up.add(student)
        self.block.faults[student] = why
        self.grader.log.write("fault", student=student, why=why)
        self.progress(student, None)

    def _failed_everywhere(self, student: str) -> bool:
        workers = self._workers()
        return bool(workers) and workers.keys() <= self.failed[student]

    def _look_after(self, workers, arrived) -> None:
        """Give to another worker as well what takes too long; whoever comes first counts.

        So is what waits for workers that are all gone, as after a walltime, as soon as others have
        a slot for it. If those go as well, it may be too long for any, or end them: it is tried
        one by one.
        """
        if any(f.status in ("lost", "cancelled") for c in self.chunks for f in c.futures):
            raise _Lost("the scheduler forgot what it was given")
        taken = sum(not chunk.allowed.isdisjoint(workers) for chunk in self.chunks)
        room = 2 * sum(workers.values()) - taken
        for chunk in list(self.chunks) if workers else ():
            is_stranded = chunk.allowed.isdisjoint(workers)
            is_late = time.monotonic() - chunk.given > self.late and len(chunk.futures) < TRIES
            if is_stranded and len(chunk.futures) > 1:
                self._divide(chunk, "its workers ended before it was marked")
            elif room > 0 if is_stranded else is_late:
                room -= is_stranded
                self._give_again(chunk, workers, arrived)

    def _give_again(self, chunk, workers, arrived) -> None:
        chunk.given = time.monotonic()
        keys = {future.key for future in chunk.futures}
        with _or_lost():
            there = {a for a, at in self.client.processing().items() if keys & set(at)}
        self.grader.log.write("late", students=len(chunk.students), workers=len(there))
        self._submit(chunk, workers, there, arrived)


def chunk_size(left: int, under_way: int, slots: int, seconds: float) -> int:
    """Return how many submissions go out together, of which each takes so many seconds.

    At most half a minute of work; less towards the end, so that all slots end at about the same
    time; of a small class each slot gets an equal part.

    >>> chunk_size(10_000, 0, 2, 0.5), chunk_size(100, 120, 2, 0.5), chunk_size(40, 0, 4, 0.5)
    (60, 25, 10)
    >>> chunk_size(40, 40, 2, 0.5), chunk_size(40, 40, 2, 3.0)
    (20, 10)
    """
    share = -(-left // (2 * slots))
    least = min(-(-(left + under_way) // slots), LEAST)
    return max(1, min(max(share, least), int(CHUNK_SECONDS / seconds), BLOCK))


def _handed_over(future: Future) -> Returned | None:
    """What a worker returned; None where it has stopped before it was sent."""
    with _or_lost(), contextlib.suppress(TimeoutError):
        return future.result(timeout=CHUNK_SECONDS)
    return None


def _within(seconds: float, call: Callable, *arguments: object) -> None:
    """Call what waits for every worker, and go on without those that do not answer in time."""
    failed: list[Exception] = []

    def run():
        try:
            call(*arguments)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]


# ------------------------------------------------------------------------------ connections


@contextlib.contextmanager
def session(where: str, certificates: Path | None = None, jobs: int = 2):
    """Yield what connects to a cluster: `jobs` workers of this machine or of Slurm, or an address.

    Args:
        where: "local", "slurm", "kubernetes", or the scheduler's address, tls://HOST:PORT.
        certificates: the folder that `write_certificates` made, but for "local".

    Raises `ClusterError` for an address that would send the secret in the clear.
    """
    for name in SAID_HERE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if where == KUBERNETES:
        security = _security(certificates)
        _require_kubectl()
        yield lambda: _through_kubectl(security)
        return
    if where not in (LOCAL, SLURM):
        _require_encryption(where)
        security = _security(certificates)
        yield lambda: Client(where, security=security, timeout="15s", set_as_default=False)
        return
    security = _security(certificates) if where == SLURM else Security.temporary()
    started = _jobs_of_slurm if where == SLURM else _workers_here
    with dask.config.set(QUIET), started(jobs, security) as cluster:
        yield lambda: Client(cluster, security=security, set_as_default=False)


def _workers_here(jobs: int, security: Security) -> LocalCluster:
    # The warm process and its children are bounded by their own limits, not by Dask's.
    return LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        protocol="tls",
        security=security,
        scheduler_kwargs=NO_DASHBOARD,
        memory_limit=0,
        silence_logs=logging.CRITICAL,
    )


def _require_kubectl() -> None:
    if shutil.which(FORWARD[0]) is None:
        raise ClusterError(
            "There is no kubectl here: type the command where `kubectl get service grading` works, "
            "after `kubectl apply --filename docs/kubernetes.yaml`."
        )


@contextlib.contextmanager
def _through_kubectl(security: Security) -> Iterator[Client]:
    """Connect to the scheduler of docs/kubernetes.yaml, by a port of this machine that leads there.

    Raises `OSError` with what kubectl says where it does not forward.
    """
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            FORWARD, stdin=subprocess.DEVNULL, stdout=said, stderr=said, text=True
        ) as kubectl,
    ):
        try:
            address = f"tls://127.0.0.1:{_forwarded_port(kubectl, said)}"
            with Client(address, security=security, timeout="15s", set_as_default=False) as client:
                yield client
        finally:
            kubectl.terminate()


def _forwarded_port(kubectl: subprocess.Popen, said: IO[str]) -> str:
    end = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < end:
        is_over = kubectl.poll() is not None
        said.seek(0)
        text = said.read()
        if found := FORWARDED.search(text):
            return found[1]
        if is_over:
            break
        time.sleep(0.1)
    raise OSError(f"kubectl: {text.strip().splitlines()[-1] if text.strip() else 'no answer'}")


@contextlib.contextmanager
def _jobs_of_slurm(jobs: int, security: Security):
    """Yield a scheduler in this process and `jobs` workers, a job of Slurm each.

    Queue, account, walltime and memory are those of the site, in Dask's jobqueue.yaml. A worker
    leaves before its walltime ends, and another one is asked for.

    Raises `ClusterError` where Slurm would not take such a job.
    """
    options = {name: dask.config.get(f"jobqueue.slurm.{name}", None) for name in OF_A_JOB}
    exports = (f"export {name}={value}" for name, value in variables().items())
    with _slurm_cluster()(
        cores=options["cores"] or 1,
        processes=options["processes"] or options["cores"] or 1,  # a slot each
        memory=options["memory"] or "4GB",
        security=security,
        job_script_prologue=[*(options["job-script-prologue"] or ()), *exports],
        nanny=False,
        worker_extra_args=[
            *(options["worker-extra-args"] or ()),
            *("--lifetime", f"{_lifetime(options['walltime'] or HALF_AN_HOUR)}s"),
            *("--memory-limit", "0", "--no-dashboard"),
        ],
        scheduler_options={**(options["scheduler-options"] or {}), **NO_DASHBOARD},
        silence_logs=logging.CRITICAL,
    ) as cluster:
        _require_taken(cluster.job_script())
        cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)  # one that ended is renewed
        yield cluster


def variables() -> dict[str, str]:
    """The variables by which a process of Dask's that is started elsewhere is quiet, too."""
    return {f"DASK_{name.replace('.', '__').upper()}": str(value) for name, value in QUIET.items()}


def _slurm_cluster():
    """Import Dask's class of clusters, which takes Ctrl-C for itself as it is imported."""
    before = signal.getsignal(signal.SIGINT)
    from dask_jobqueue import SLURMCluster

    signal.signal(signal.SIGINT, before)
    return SLURMCluster


def _lifetime(walltime: str) -> int:
    """Return how many seconds a worker stays: a chunk less than Slurm gives it, or half of that.

    >>> _lifetime("00:30:00"), _lifetime("1-00:00:00"), _lifetime("00:01:00"), _lifetime("2")
    (1740, 86340, 30, 60)
    """
    days, _, clock = walltime.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if len(parts) == 1:  # minutes alone; hours alone after days
        parts = [*parts, 0, 0] if days else [0, *parts, 0]
    hours, minutes, seconds = [0] * (3 - len(parts)) + parts
    total = ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
    return int(max(total - 2 * CHUNK_SECONDS, total / 2))


def _require_taken(script: str) -> None:
    """Ask Slurm whether it would take a job, without giving it."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        try:
            command = ["sbatch", "--test-only", file.name]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
            said = done.stderr if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
    if said:
        raise ClusterError(
            f"Slurm takes no job of this machine ({said.strip().splitlines()[-1]}): type the "
            "command where `sbatch` works; queue and account belong into jobqueue.yaml."
        )


def patience_with(where: str) -> float:
    """Return how many seconds to wait for a worker: a job may be in Slurm's queue for hours."""
    return QUEUE_PATIENCE if where == SLURM else PATIENCE


def _require_encryption(where: str) -> None:
    if not where.startswith("tls://"):
        raise ClusterError(
            f"{where} is no tls:// address: the secret of the course goes to the workers, and only "
            "encrypted. Start the scheduler with the certificates of `autograder cluster "
            "certificates FOLDER`, and name tls://HOST:PORT."
        )


def _security(folder: Path | None) -> Security:
    if folder is None:
        raise ClusterError(
            "Other machines need --certificates FOLDER, the one of `autograder cluster "
            "certificates FOLDER`, which all of them can read."
        )
    certificate, key = (Path(folder) / name for name in (CERTIFICATE, KEY))
    for path in (certificate, key):
        if not path.is_file():
            raise ClusterError(
                f"There is no {path}: run `autograder cluster certificates {folder}`."
            )
    if key.stat().st_mode & 0o077:
        raise ClusterError(f"{key} can be read by others: run `chmod 600 {key}`.")
    files: dict[str, str] = {}
    for role in ("scheduler", "worker", "client"):
        files |= {f"tls_{role}_cert": str(certificate), f"tls_{role}_key": str(key)}
    return Security(tls_ca_file=str(certificate), require_encryption=True, **files)


def write_certificates(folder: Path) -> list[Path]:
    """Make a certificate and its key for scheduler, workers and coordinator; returns both files.

    Raises `ClusterError` where there are some already.
    """
    folder = Path(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Security.temporary()
    paths = []
    for name, text in ((CERTIFICATE, made.tls_client_cert), (KEY, made.tls_client_key)):
        path = folder / name
        try:
            with open(path, "x", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
                file.write(text)
        except FileExistsError:
            raise ClusterError(f"{path} exists: name another folder, or remove both.") from None
        paths.append(path)
    return paths
