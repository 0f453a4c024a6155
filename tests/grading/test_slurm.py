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

COUNT = 6


def test_ctrl_c_stays_what_it_was():
    before = signal.getsignal(signal.SIGINT)
    assert _slurm_cluster().__name__ == "SLURMCluster"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_jobs_of_slurm_come_to_the_results_of_one_machine(tmp_path):
    if why := slurm_node.missing():
        pytest.skip(why)
    root = tmp_path / "course"
    init(root, src=write_lesson(tmp_path / "src"))
    NbgraderCourse(root).generate_assignment(NAME)
    hand_in(root / "submitted", COUNT, broken=3)
    shutil.copytree(root, tmp_path / "serial")
    certificates = tmp_path / "certificates"
    write_certificates(certificates)
    done = subprocess.run(
        [
            *("unshare", "--net", sys.executable, slurm_node.__file__),
            *(sys.executable, "-m", "autograder", "grade", str(root), NAME),
            *("--cluster", "slurm", "--certificates", str(certificates)),
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode == slurm_node.SKIPPED:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    serial = open_course(tmp_path / "serial")
    grade_class(serial, NAME, jobs=1)
    found, expected = (timeless(open_course(c).store(NAME).folder) for c in (root, serial.root))
    assert len(expected) == COUNT and found == expected


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
