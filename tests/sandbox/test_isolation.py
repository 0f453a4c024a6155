"""What keeps submissions apart, in parts: the filter of system calls, what is shown, the tiers."""

import errno
import json
import os
import re
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.answers import ROOT
from autograder.sandbox.inside import cgroup, isolation, kernel
from autograder.sandbox.inside.isolation import Layers

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
EVERYTHING = Layers(namespaces=True, seccomp=True, landlock=True, slot_user=True)


# ---------------------------------------------------------------------------- system calls


@pytest.mark.parametrize("machine", HEADERS)
def test_numbers_of_system_calls_are_those_of_the_kernel(machine, monkeypatch):
    if not HEADERS[machine].exists():
        pytest.skip("the kernel's headers are not installed")
    lines = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", HEADERS[machine].read_text())
    known = {name: int(number) for name, number in lines}
    monkeypatch.setattr(kernel.platform, "machine", lambda: machine)
    for text in (kernel._NUMBERS, kernel._DENIED, kernel._PRETENDED, kernel._INSPECTED):
        table = kernel._table(text)
        assert len(table) > 3
        assert table == {name: known[name] for name in table}


def answer(program, architecture, number, *arguments):
    """Run a filter as the kernel does; return the action and its error number."""
    data = struct.pack("=iIQ6Q", number, architecture, 0, *(*arguments, *[0] * 6)[:6])
    value, at = 0, 0
    while True:
        code, when, otherwise, constant = struct.unpack("HBBI", program[at])
        at += 1
        if code == 0x20:
            (value,) = struct.unpack_from("I", data, constant)
        elif code == 0x06:
            return constant & 0xFFFF0000, constant & 0xFFFF
        else:
            tests = {0x15: value == constant, 0x25: value > constant, 0x45: value & constant}
            at += when if tests[code] else otherwise


ALLOWED, REFUSED, DONE = (0x7FFF0000, 0), (0x00050000, errno.EPERM), (0x00050000, 0)
MISSING, KILLED = (0x00050000, errno.ENOSYS), (0x80000000, 0)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_filter_answers_as_it_should(machine, monkeypatch):
    monkeypatch.setattr(kernel.platform, "machine", lambda: machine)
    program, here = kernel._filter(process=7, sees_files=False), ARCHITECTURES[machine]
    calls = kernel._table(kernel._INSPECTED)
    read, openat = {"x86_64": (0, 257), "aarch64": (63, 56)}[machine]

    def asked(number, *arguments):
        return answer(program, here, number, *arguments)

    assert asked(read) == asked(openat) == ALLOWED
    assert {asked(number) for number in kernel._table(kernel._DENIED).values()} == {REFUSED}
    thread, new_users = 0x003D0F00, 0x10000000
    assert asked(calls["clone"], thread) == ALLOWED
    assert asked(calls["clone"], 17) == asked(calls["clone"], thread | new_users) == REFUSED
    assert asked(calls["clone3"]) == asked(451) == asked(10_000) == MISSING
    assert asked(calls["kill"], 7) == asked(calls["tgkill"], 7) == ALLOWED
    assert asked(calls["kill"], 7, 9) == asked(calls["tgkill"], 7, 7, 9) == KILLED
    for other in (1, 8, 0, 2**32 - 1):
        assert asked(calls["kill"], other, 9) == asked(calls["tgkill"], other, 7, 9) == REFUSED
    assert asked(calls["prctl"], 15) == asked(calls["prlimit64"], 0) == ALLOWED
    assert asked(calls["prctl"], 1) == asked(calls["prlimit64"], 3) == REFUSED
    locks, owners, leases, hints = (6, 7, 37, 38), (8, 10, 15), (1024, 1026), (1036, 1038)
    others = (*locks, *owners, *leases, *hints)
    assert {asked(calls["fcntl"], 3, shared) for shared in others} == {REFUSED}
    assert {asked(calls["fcntl"], 3, own) for own in (*range(6), 1030, 1031)} == {ALLOWED}
    assert asked(calls["ioctl"], 3, 0x5401) == ALLOWED
    assert {asked(calls["ioctl"], 3, what) for what in kernel._LASTING} == {REFUSED}
    assert {asked(calls["socketpair"], 1, kind) for kind in (1, 0x80001, 0x801)} == {ALLOWED}
    assert {asked(calls["socketpair"], 1, kind) for kind in (2, 3, 5, 0x80002)} == {REFUSED}
    assert asked(calls["socketpair"], 30, 1) == REFUSED
    pretended = kernel._table(kernel._PRETENDED).values()
    assert {asked(number) for number in pretended} == {ALLOWED}
    seeing = kernel._filter(process=7, sees_files=True)
    assert {answer(seeing, here, number) for number in pretended} == {DONE}
    (foreign,) = set(ARCHITECTURES.values()) - {here}
    assert answer(program, foreign, read) == KILLED
    if machine == "x86_64":
        assert asked(0x40000000 | read) == MISSING  # the same call by its x32 number


def test_a_refusal_carries_the_words_of_the_kernel(tmp_path):
    with pytest.raises(OSError, match=rf"mount: \w+.* \({tmp_path}\)"):
        kernel.mount_again("/no/such/folder", str(tmp_path))


# -------------------------------------------------------------------------------- the tiers


@pytest.mark.parametrize(
    ("layers", "tier"),
    [
        (EVERYTHING, "A"),
        (replace(EVERYTHING, landlock=False), "A"),
        (replace(EVERYTHING, namespaces=False), "B"),
        (replace(EVERYTHING, namespaces=False, landlock=False), "C"),
        (replace(EVERYTHING, seccomp=False), "C"),
        (Layers(), "C"),
    ],
)
def test_tiers_need_their_layers(layers, tier):
    assert layers.tier == tier


def test_a_root_that_cannot_become_somebody_else_is_tier_c(monkeypatch):
    monkeypatch.setattr(isolation.os, "geteuid", lambda: 0)
    assert replace(EVERYTHING, slot_user=False).tier == "C"
    assert replace(EVERYTHING, slot_user=False, user_namespace=True).tier == "A"
    monkeypatch.setattr(isolation.os, "geteuid", lambda: 1000)
    assert replace(EVERYTHING, slot_user=False).tier == "A"


@pytest.mark.parametrize("tier", isolation.TIERS)
def test_a_lower_tier_can_be_chosen(tier):
    lowered = EVERYTHING.lowered(tier)
    assert lowered.tier == tier and lowered.lowered(tier) == lowered
    assert lowered.slot_user  # nobody's code runs as root at any tier


def test_the_report_names_every_layer_with_a_reason():
    rows = {feature: (is_there, why) for feature, is_there, why in isolation.report()}
    assert {"warm process", "seccomp", "Landlock", "control groups"} < rows.keys()
    assert all(why for _, why in rows.values())
    layers = isolation.available()
    assert rows["seccomp"][0] == layers.seccomp and rows["Landlock"][0] == layers.landlock
    assert rows["warm process"][0] == isolation.can_fork_warm()
    assert rows["control groups"][0] == cgroup.available()


def test_a_foreign_system_has_no_layers_and_says_so(monkeypatch):
    monkeypatch.setattr(isolation.platform, "system", lambda: "Darwin")
    rows, layers = isolation._probed.__wrapped__()
    assert layers == Layers() and layers.tier == "C"
    assert rows == [("warm process", False, "needs Linux, this is Darwin")]


# ------------------------------------------------------------------------------ what is shown


def make(folder, *paths):
    for path in paths:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("text")


def test_folders_are_spelled_out_around_what_is_hidden(tmp_path):
    make(tmp_path, "lib/numpy/a", "lib/ours/in_numpy.py", "lib/z", "other/x")
    shown = isolation.without(
        [f"{tmp_path}/lib", f"{tmp_path}/other"], [f"{tmp_path}/lib/ours", f"{tmp_path}/no"]
    )
    assert shown == [f"{tmp_path}/lib/numpy", f"{tmp_path}/lib/z", f"{tmp_path}/other"]
    assert isolation.without(shown, [f"{tmp_path}/other"]) == shown[:2]


def test_libraries_are_there_and_a_checkout_is_not(tmp_path, monkeypatch):
    make(tmp_path, "checkout/cs231n_lib/a.py", "checkout/pyproject.toml", "site/cs231n_lib/a.py")
    checkout, site = f"{tmp_path}/checkout", f"{tmp_path}/site"
    monkeypatch.setattr(sys, "path", [checkout, site, os.path.dirname(pytest.__path__[0])])
    shown = isolation.libraries()
    assert site in shown and checkout not in shown
    for needed in (os.__file__, pytest.__file__, sys.executable, os.path.realpath(sys.executable)):
        assert any(needed == path or needed.startswith(f"{path}/") for path in shown), needed
    assert not any(str(ROOT) == path or str(ROOT).startswith(f"{path}/") for path in shown)
    assert f"{site}/cs231n_lib" in isolation.installed_copies(kit="")


ROOT_OF_ITS_OWN = """
import json, os, sys
from autograder.sandbox.inside import isolation
from autograder.sandbox.inside import kernel
from pathlib import Path
root, site = sys.argv[1:]
def inside():
    kernel.make_root(root)
    texts = {name: Path(site, name).exists() for name in ("other/b.py", "ours/a.py", "ours")}
    try:
        Path(site, "new").write_text("x")
    except OSError as error:
        texts["error"] = error.strerror
    Path(isolation.PRIVATE, "new").write_text("x")
    print(json.dumps([sorted(os.listdir("/")), texts, os.path.exists(root)]), flush=True)
layers = isolation.available()
isolation._own_namespaces(layers.user_namespace)
isolation._build_root(root, {site: site}, [f"{site}/ours"])
inside()
"""


def test_a_root_shows_what_it_should_and_nothing_else(tmp_path):
    if not isolation.available().namespaces:
        pytest.skip("this machine allows no namespaces")
    make(tmp_path, "site/other/b.py", "site/ours/a.py")
    (tmp_path / "root").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", ROOT_OF_ITS_OWN, str(tmp_path / "root"), str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert not done.stderr
    names, texts, old_root = json.loads(done.stdout)
    first = tmp_path.parts[1]
    assert set(names) <= {first, "dev", "own", "proc", "sys", "tmp"}
    wanted = {
        "other/b.py": True,
        "ours/a.py": False,
        "ours": True,
        "error": "Read-only file system",
    }
    assert texts == wanted and not old_root
    assert list((tmp_path / "root").iterdir()) == []


# ---------------------------------------------------------------------------- control groups

VERSION_2 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate
32 23 0:29 / /proc rw - proc proc rw
"""


def test_groups_of_both_versions_are_found(tmp_path, monkeypatch):
    unified = VERSION_2.replace("/sys/fs/cgroup", str(tmp_path))
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "cgroup.subtree_control").write_text("cpu memory pids\n")
    texts = {"/proc/self/cgroup": "0::/user/session\n", "/proc/self/mountinfo": unified}
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path: texts.get(str(path)) or read(path))
    ((folder, files),) = cgroup._places(1000, 5)
    assert folder == tmp_path / "user"
    assert (files["memory.max"], files["pids.max"]) == ("1000", "5")
    (tmp_path / "user" / "cgroup.subtree_control").write_text("cpu pids\n")
    with pytest.raises(OSError, match="passes memory and pids"):
        cgroup._places(1000, 5)
    texts["/proc/self/cgroup"] = "8:pids:/a\n4:memory:/b\n1:cpu,cpuacct:/\n0::/\n"
    texts["/proc/self/mountinfo"] = "".join(
        f"33 31 0:3{i} / /cg/{name} rw - cgroup cgroup rw,{name}\n"
        for i, name in enumerate(("memory", "pids", "cpu,cpuacct"))
    )
    places = dict(cgroup._places(1000, 5))
    assert places[Path("/cg/memory/b")] == {"memory.limit_in_bytes": "1000"}
    assert places[Path("/cg/pids/a")] == {"pids.max": "5"}
    assert places[Path("/cg/cpu,cpuacct")]["cpu.cfs_quota_us"] == "100000"


def test_a_group_holds_a_process_and_disappears():
    if not cgroup.available():
        pytest.skip("this user may not make control groups")
    group = cgroup.Group(f"autograder-test-{os.getpid()}", 2**30, 8)
    folders = list(group._folders)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        group.add(process.pid)
        assert [(f / "cgroup.procs").read_text().split() for f in folders] == [
            [str(process.pid)] for _ in folders
        ]
        assert group.kills() == 0
    group.close()
    assert folders and not [folder for folder in folders if folder.exists()]
