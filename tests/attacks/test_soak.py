"""A few dozen gradings in one engine; `soak.py` does ten thousand."""

import subprocess
import sys
from dataclasses import replace

import pytest
import soak

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="counts file descriptors")


@pytest.mark.slow
def test_gradings_leave_nothing_behind():
    told = []
    states = soak.main(24, tell=told.append)
    assert len(states) == 4 and told[-1].startswith("24 gradings")


def test_what_grows_is_named():
    before = soak.State(100, 200, 10, 3, 5)
    assert not before.grown(before)
    assert not replace(before, megabytes=before.megabytes + soak.GROWTH).grown(before)
    more = replace(before, megabytes=before.megabytes + soak.GROWTH + 1, files=6)
    assert [line.split(":")[0] for line in more.grown(before)] == ["megabytes", "files"]


def test_an_open_file_a_process_and_a_file_are_noticed(tmp_path):
    before = soak.state(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        (tmp_path / "left").touch()
        names = {line.split(":")[0] for line in soak.state(tmp_path).grown(before)}
        child.communicate(b"\n")
    assert {"descriptors", "processes", "files"} <= names
