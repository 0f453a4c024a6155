"""A class graded by jobs of a real Slurm, which the test starts; what is refused is one line."""

import shutil
import signal
import subprocess
import sys

import pytest
from classroom import NAME, hand_in, timeless, write_lesson

pytest.importorskip("dask", reason="the extra `cluster` is not installed")
import slurm_node

from autograder.course.folder import init, open_course
from autograder.course.grade_class import grade_class
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.grading.cluster import ClusterError, _slurm_cluster, session, write_certificates


def test_ctrl_c_stays_what_it_was():
    before = signal.getsignal(signal.SIGINT)
    assert _slurm_cluster().__name__ == "SLURMCluster"
    assert signal.getsignal(signal.SIGINT) is before


def graded_by_slurm(folder, count, broken, asleep=0, minute=0):
    """Grade a class on a Slurm and on this machine; returns what Slurm said, and the course's log.

    The results have to be equal.
    """
    if why := slurm_node.missing():
        pytest.skip(why)
    root = folder / "course"
    init(root, src=write_lesson(folder / "src"))
    NbgraderCourse(root).generate_assignment(NAME)
    hand_in(root / "submitted", count, broken, asleep)
    shutil.copytree(root, folder / "serial")
    certificates = folder / "certificates"
    write_certificates(certificates)
    done = subprocess.run(
        [
            *("unshare", "--net", sys.executable, slurm_node.__file__, "--minute", str(minute)),
            *(sys.executable, "-m", "autograder", "grade", str(root), NAME),
            *("--cluster", "slurm", "--certificates", str(certificates)),
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode == slurm_node.SKIPPED:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    serial, course = open_course(folder / "serial"), open_course(root)
    grade_class(serial, NAME, jobs=4 if asleep else 1)
    found, expected = (timeless(one.store(NAME).folder) for one in (course, serial))
    assert len(expected) == count and found == expected
    return done.stdout, course.log.read()


@pytest.mark.slow
def test_jobs_of_slurm_come_to_the_results_of_one_machine(tmp_path):
    graded_by_slurm(tmp_path, count=6, broken=3)


@pytest.mark.slow
def test_a_walltime_that_ends_within_a_chunk_costs_nobody_a_mark(tmp_path):
    """Slurm ends a job that is over its minute at the latest half a minute later."""
    said, log = graded_by_slurm(tmp_path, count=12, broken=6, asleep=10, minute=2)
    assert said.count(slurm_node.EXHAUSTED) == 2
    names = [event["event"] for event in log]
    assert names[:3] == ["cluster", "late", "late"], "nothing was marked before they ended"
    assert [event["workers"] for event in log[1:3]] == [0, 0] and names.count("graded") == 12


REFUSES = """\
#!/bin/sh
echo 'sbatch: error: invalid partition specified: gpu' >&2
exit 1
"""


@pytest.mark.parametrize(("text", "match"), [(REFUSES, "invalid partition"), ("", "No such file")])
def test_what_slurm_refuses_is_one_line_before_anything_is_sent(tmp_path, monkeypatch, text, match):
    if text:
        command = tmp_path / "sbatch"
        command.write_text(text)
        command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    write_certificates(tmp_path / "certificates")
    with (
        pytest.raises(ClusterError, match=match) as raised,
        session("slurm", tmp_path / "certificates"),
    ):
        pass
    assert "\n" not in str(raised.value)


def test_slurm_needs_certificates_that_its_nodes_can_read():
    with pytest.raises(ClusterError, match="--certificates FOLDER"), session("slurm"):
        pass
