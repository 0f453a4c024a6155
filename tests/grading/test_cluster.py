"""A class graded on Dask's workers: the results of one machine, each written once."""

import errno
import json
import os
import stat
import subprocess
import sys
from collections import Counter
from threading import Timer
from types import SimpleNamespace

import pytest
from classroom import NAME, SECRET, failing, hand_in, template, timeless

pytest.importorskip("dask.distributed", reason="the extra `cluster` is not installed")
import dask
from cluster_faults import least_played

from autograder.checking.report import Report, Row
from autograder.grading import cluster
from autograder.grading.baseline import Baseline
from autograder.grading.batch import grade_batch
from autograder.grading.cluster import (
    QUIET,
    ClusterError,
    Returned,
    _Carried,
    cluster_blocks,
    session,
    write_certificates,
)
from autograder.grading.grader import Grader
from autograder.grading.log import Log
from autograder.grading.results import Store, SubmissionResult

COUNT = 6
COMMON = Baseline.of({}, {})


def graded_on(connect, folder, paths, **options):
    """Grade on a cluster and return the blocks' results and faults, and the log."""
    log = Log(folder / "log.jsonl")
    results, faults = {}, {}
    with Grader(template(), NAME, SECRET, log=log) as grader:
        for block in cluster_blocks(connect, grader, paths, Store(folder / "results"), **options):
            results |= block.results
            faults |= block.faults
    return results, faults, log.read()


def test_a_worker_imports_nothing_that_takes_a_second():
    arguments = ["-X", "importtime", "-c", f"import {cluster.__name__}"]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    slow = {"rfc3987_syntax.syntax_helpers", "torch", "nbgrader", "sqlalchemy", "pandas"}
    assert "jsonschema" in imported and not imported & slow


def test_the_matrix_of_faults_goes_on_where_it_ended(tmp_path):
    counts, names = tmp_path / "counts.jsonl", ["killed", "stopped"]
    assert least_played(counts, names, times=1) == "killed"
    counts.write_text('{"fault": "killed"}\n{"fault": "none"}\n')
    assert least_played(counts, names, times=1) == "stopped"
    assert least_played(counts, names[:1], times=1) == least_played(counts, [], times=1) == ""


def test_the_store_that_a_worker_has_keeps_what_a_store_writes(tmp_path):
    results = [SubmissionResult(f"student-{n}", NAME, (), outputs={"a": [{"n": n}]}) for n in "12"]
    carried, store = _Carried(), Store(tmp_path)
    for result in results:
        carried.save(result)
    carried.remove("student-2")
    ((content, observations),) = carried.results.values()
    store.keep(SubmissionResult.from_dict(json.loads(content)), observations)
    assert store.load("student-1") == results[0] and store.all()[0].outputs == {}


def test_equal_reports_of_a_class_are_in_memory_once(tmp_path):
    store = Store(tmp_path)
    for student, earned in (("ada", 1.0), ("ben", 0.0), ("cleo", 1.0)):
        report = Report("a.b", "A title", (Row("a check", 1.0, earned, f"got {earned}"),))
        store.keep(SubmissionResult(student, NAME, (report,), outputs={"a": []}))
    ada, ben, cleo = store.all()
    assert [one.score for one in (ada, ben, cleo)] == [1.0, 0.0, 1.0]
    assert ada.reports[0] is cleo.reports[0] and ada.reports[0] != ben.reports[0]
    assert store.load("ada").outputs == {"a": []} and ada.outputs == {}


@pytest.mark.slow
def test_a_cluster_comes_to_the_results_of_one_machine_and_goes_on_from_them(tmp_path):
    paths = hand_in(tmp_path / "submitted", COUNT, broken=3)
    with Grader(template(), NAME, SECRET) as grader:
        grade_batch(grader, paths, Store(tmp_path / "serial"), jobs=1)
    with session("local", jobs=2) as connect:
        with connect() as client:
            for name, value in QUIET.items():
                assert set(client.run(dask.config.get, name).values()) == {value}
        results, faults, log = graded_on(connect, tmp_path, paths)
        assert faults == {} and results.keys() == paths.keys()
        left, right = timeless(tmp_path / "results"), timeless(tmp_path / "serial")
        assert left.keys() == right.keys()
        for who in left:
            assert left[who] == right[who]
        here, there = Store(tmp_path / "serial"), Store(tmp_path / "results")
        for one, other in zip(here.all(), there.all(), strict=True):
            assert here.observations(one).experiments == there.observations(other).experiments
        assert sorted(e["student"] for e in log if e["event"] == "graded") == sorted(paths)
        again, faults, log = graded_on(connect, tmp_path, paths)
        assert again == results and faults == {}
        assert [e["event"] for e in log].count("graded") == len(paths)


# ---------------------------------------------------------------- the coordinator, by itself


STOPPED = "finished, and then its worker stopped"


class Coming:
    """A future of Dask's, as far as the coordinator looks at it."""

    def __init__(self, key, chunk, workers):
        self.key, self.chunk, self.workers = key, chunk, workers
        self.status, self._tell, self._value = "pending", None, None

    def add_done_callback(self, tell):
        self._tell = tell
        if self.status != "pending":
            tell(self)

    def end(self, value):
        self.status = "error" if isinstance(value, Exception) else "finished"
        self._value = value
        if self._tell:
            self._tell(self)

    def result(self, timeout=None):
        if self._value is STOPPED:
            raise TimeoutError
        return self._value

    exception = result


class Workers:
    """A client whose workers do with each chunk what `play` says, in the order given."""

    status = "running"

    def __init__(self, play, names=("a", "b")):
        self.play, self.names, self.given = play, names, []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def register_plugin(self, plugin):
        assert plugin.job.secret == SECRET

    def unregister_worker_plugin(self, name):
        pass

    def scheduler_info(self, n_workers):
        return {"workers": {name: {"nthreads": 1} for name in self.names}}

    def processing(self):
        return {f.workers[0]: [f.key] for f in self.given if f.status == "pending"}

    def submit(self, task, name, chunk, workers, **options):
        self.given.append(Coming(f"chunk-{len(self.given)}", chunk, workers))
        self.play(self, self.given[-1])
        return self.given[-1]


def marked(future, worker=None, **options):
    """What a worker returns of a chunk."""
    results = {
        student: SubmissionResult(student, NAME, (), file=upload.digest)
        for student, upload in future.chunk.items()
    }
    content = {s: (json.dumps(result.to_dict()).encode(), None) for s, result in results.items()}
    baselines = {COMMON.digest: COMMON.content}
    parts = {"results": content, "baselines": baselines, "seconds": 1.0}
    return Returned(worker or future.workers[0], **parts, **options)


def coordinated(play, folder, **options):
    """Grade with made-up workers; returns results, faults and how often each was written."""
    client, paths = Workers(play), hand_in(folder / "submitted", COUNT, broken=3)
    grader = SimpleNamespace(
        template=None,
        assignment=NAME,
        secret=SECRET,
        limits=None,
        turn=0,
        tier="B",
        log=Log(folder / "log.jsonl"),
        basis_at=lambda tier: tier,
        prepare=lambda: None,
        packed=lambda: b"",
    )
    results, faults, store = {}, {}, Store(folder / "results")
    for block in cluster_blocks(lambda: client, grader, paths, store, **options):
        results |= block.results
        faults |= block.faults
    log = grader.log.read()
    written = Counter(event["student"] for event in log if event["event"] == "graded")
    assert written == Counter(results.keys())
    assert not results or store.baseline(COMMON.digest).content == COMMON.content
    assert results.keys() | faults.keys() == paths.keys() and not results.keys() & faults.keys()
    return client, faults, log


def test_a_late_chunk_goes_to_another_worker_and_counts_once(tmp_path):
    def play(client, future):
        if len(client.given) > 1:  # the first one sleeps until the second copy has been marked
            future.end(marked(future))
            first = client.given[0]
            if first.status == "pending" and future.chunk.keys() == first.chunk.keys():
                first.end(marked(first))

    client, faults, log = coordinated(play, tmp_path, late=0)
    copies = [f for f in client.given if f.chunk.keys() == client.given[0].chunk.keys()]
    assert faults == {} and len(copies) == 2 and copies[1].workers == ["b"]
    assert [event["event"] for event in log].count("late") == 1


def test_what_fails_on_one_worker_is_marked_by_another(tmp_path):
    def play(client, future):
        if "a" in future.workers:
            future.end(Returned("a", faults=dict.fromkeys(future.chunk, "no disk")))
        else:
            future.end(marked(future))

    assert coordinated(play, tmp_path)[1] == {}


def test_what_fails_everywhere_or_ends_its_workers_is_a_fault_and_no_mark(tmp_path):
    def play(client, future):
        if "student-1" in future.chunk:
            future.end(RuntimeError("the worker was killed"))
        elif "student-4" in future.chunk:
            future.end(Returned(future.workers[-1], faults={"student-4": "no disk"}))
        else:
            future.end(marked(future))

    _, faults, _ = coordinated(play, tmp_path)
    assert "the worker was killed" in faults.pop("student-1")
    assert faults == {"student-4": "no disk"}


def test_what_the_machine_does_not_give_is_a_fault_and_the_rest_goes_on(tmp_path, monkeypatch):
    failing(monkeypatch, "open", errno.EIO, "student-1")
    faults = coordinated(lambda client, future: future.end(marked(future)), tmp_path)[1]
    assert faults.keys() == {"student-1"} and faults["student-1"].endswith(os.strerror(errno.EIO))


def test_of_what_was_told_to_be_out_of_reach_no_late_mark_is_written(tmp_path, monkeypatch):
    def play(client, future):
        if len(client.given) > 1:
            failing(monkeypatch, "open", errno.EIO, "student-0")  # before it is given again
            first = client.given[0]
            if first.status == "pending" and future.chunk.keys() < first.chunk.keys():
                first.end(marked(first))
            future.end(marked(future))

    client, faults, _ = coordinated(play, tmp_path, late=0)
    assert faults.keys() == {"student-0"} and "student-0" in client.given[0].chunk


def test_a_worker_that_may_not_mark_gets_nothing_more_and_the_others_do(tmp_path):
    def play(client, future):
        if "a" in future.workers:
            future.end(Returned("a", refused="keeps submissions apart at tier C, not B"))
        else:
            future.end(marked(future))

    client, faults, log = coordinated(play, tmp_path)
    assert faults == {} and [e["worker"] for e in log if e["event"] == "refused"][:1] == ["a"]
    assert client.given[-1].workers == ["b"]


def test_where_nobody_may_mark_one_line_says_why_and_nothing_is_lost(tmp_path):
    def play(client, future):
        future.end(Returned(future.workers[-1], refused="has another version"))

    with pytest.raises(ClusterError, match="b has another version; a has another version"):
        coordinated(play, tmp_path, patience=0)


def test_a_chunk_that_comes_before_what_marks_it_waits_for_that(monkeypatch):
    plugins = {}
    monkeypatch.setattr(cluster, "get_worker", lambda: SimpleNamespace(plugins=plugins))
    marker = SimpleNamespace(grade=lambda chunk: f"marked {chunk}")
    Timer(0.3, lambda: plugins.update(marker=marker)).start()
    assert cluster._grade("marker", "ada") == "marked ada"
    monkeypatch.setattr(cluster, "PATIENCE", 0)
    with pytest.raises(KeyError):
        cluster._grade("another", "ada")


def test_what_a_stopped_worker_does_not_hand_over_is_marked_again(tmp_path):
    def play(client, future):
        future.end(STOPPED if len(client.given) == 1 else marked(future))

    _, faults, log = coordinated(play, tmp_path)
    assert faults == {} and "chunk failed" in [event["event"] for event in log]


def test_a_chunk_whose_workers_are_all_gone_goes_to_those_that_came(tmp_path):
    def play(client, future):
        client.names = ("c", "d")  # a and b have reached their walltime
        if future.workers != ["a", "b"]:
            future.end(marked(future))

    client, faults, _ = coordinated(play, tmp_path)
    assert faults == {} and client.given[0].status == "pending"


def test_the_first_worker_after_a_walltime_leaves_something_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "LEAST", 1)

    def play(client, future):
        alone = [f for f in client.given if f.workers == ["c"]]
        assert len(alone) <= 2, "one slot has two chunks at a time"
        if "a" in future.workers:
            client.names = ("c",)
        elif future.workers == ["c"]:
            client.names = ("c", "d")[: len(alone)]
        else:
            for one in (*alone, future):
                if one.status == "pending":
                    one.end(marked(one))

    client, faults, _ = coordinated(play, tmp_path)
    assert faults == {}
    assert [f.workers for f in client.given] == [["a", "b"]] * 4 + [["c"]] * 2 + [["c", "d"]] * 3


def test_what_no_worker_lives_to_finish_is_tried_alone_and_then_told(tmp_path):
    """A chunk that is longer than a walltime is marked in parts; what ends its workers is not."""

    def play(client, future):
        assert len(client.given) < 30, "it is given again and again"
        if len(future.chunk) > 1 or "student-1" in future.chunk:
            client.names = (f"after {future.key}",)  # all others are gone
        else:
            future.end(marked(future))

    _, faults, _ = coordinated(play, tmp_path)
    assert faults.keys() == {"student-1"} and "its workers ended" in faults["student-1"]


def test_a_scheduler_that_forgot_everything_is_asked_again(tmp_path):
    def play(client, future):
        if len(client.given) == 1:
            future.status = "lost"
        else:
            future.end(marked(future))

    _, faults, log = coordinated(play, tmp_path)
    assert faults == {} and "cluster lost" in [event["event"] for event in log]


@pytest.mark.parametrize("moment", ["__enter__", "__exit__"])
def test_what_is_said_as_a_connection_opens_or_closes_ends_nothing(tmp_path, monkeypatch, moment):
    real, said = getattr(Workers, moment), []

    def fail(client, *error):
        if not said:
            said.append("IOStream is not idle; cannot convert to SSL")
            raise ValueError(*said)
        return real(client, *error)

    def play(client, future):
        if len(client.given) == 1:
            future.status = "lost"
        else:
            future.end(marked(future))

    monkeypatch.setattr(Workers, moment, fail)
    assert coordinated(play, tmp_path)[1] == {} and said


# ------------------------------------------------------------------------------ bad addresses


def test_the_secret_travels_encrypted_or_not_at_all(tmp_path):
    for where, match in (("tcp://10.0.0.1:8786", "no tls://"), ("10.0.0.1:8786", "no tls://")):
        with pytest.raises(ClusterError, match=match), session(where, tmp_path):
            pass
    with pytest.raises(ClusterError, match="need --certificates"), session("tls://a:1"):
        pass
    with pytest.raises(ClusterError, match="There is no"), session("tls://a:1", tmp_path):
        pass


def test_certificates_are_for_their_owner_and_never_replaced(tmp_path):
    folder = tmp_path / "certificates"
    paths = write_certificates(folder)
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with pytest.raises(ClusterError, match="exists"):
        write_certificates(folder)
    with session("tls://a:1", folder):
        pass
    paths[1].chmod(0o644)
    with pytest.raises(ClusterError, match="chmod 600"), session("tls://a:1", folder):
        pass
