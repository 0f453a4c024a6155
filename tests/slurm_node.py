"""A Slurm of one node that lives as long as a command, in a network of its own.

    unshare --net python tests/slurm_node.py [--minute 2] COMMAND...

Needs root, and Debian's `slurmctld slurmd slurm-client slurm-wlm-basic-plugins`. The command finds
Slurm by SLURM_CONF, and Dask's settings for it by DASK_CONFIG. The exit status is the command's;
77 where Slurm does not start, with the reason. What Slurm logged of a walltime is printed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "sinfo", "squeue", "scontrol", "ip", "unshare")
HERE = "10.99.0.1"
START_SECONDS = 20.0
SKIPPED = 77
EXHAUSTED = "Time limit exhausted"
# auth/none and cred/none are for a node that nobody else reaches.
# A job is its process group: a worker that outlives its script is ended, too.
SLURM = """\
ClusterName=one
SlurmctldHost={host}({address})
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SwitchType=switch/none
KillWait=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ReturnToService=2
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr={address} CPUs=2 RealMemory=16000 State=UNKNOWN
PartitionName=p Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
JOBS = """\
jobqueue:
  slurm:
    cores: 1
    memory: 4GB
    walltime: "00:30:00"
    log-directory: {folder}/logs
    scheduler-options: {{host: {address}}}
"""


def missing() -> str:
    """Say what this machine lacks, or nothing."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        return f"no {', '.join(lacking)} here (Debian: slurmctld slurmd slurm-client)"
    if os.geteuid() != 0:
        return "a network of its own needs root"
    done = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    return done.stderr.strip()


def main() -> int:
    """Start the node, run the command, end the node."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--minute", type=int, default=0, help="give so many jobs no more than a minute"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    for line in (
        "link add one type veth peer name other",
        f"address add {HERE}/24 dev one",
        "link set one up",
        "link set other up",
        "link set lo up",
    ):
        subprocess.run(["ip", *line.split()], check=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("state", "spool", "logs"):
            (folder / name).mkdir()
        values = {"host": socket.gethostname(), "address": HERE, "folder": folder}
        (folder / "slurm.conf").write_text(SLURM.format(**values))
        (folder / "jobqueue.yaml").write_text(JOBS.format(**values))
        os.environ |= {"SLURM_CONF": f"{folder}/slurm.conf", "DASK_CONFIG": str(folder)}
        with open(folder / "log", "wb") as log:
            daemons = [
                subprocess.Popen([name, "-D"], stdout=log, stderr=log)
                for name in ("slurmctld", "slurmd")
            ]
            try:
                if not _is_idle():
                    print(f"Slurm does not start: {(folder / 'log').read_text()[-1000:]}")
                    return SKIPPED
                threading.Thread(target=_shorten, args=[chosen.minute], daemon=True).start()
                status = subprocess.run(chosen.command).returncode
                _is_idle()  # until the jobs that were cancelled have ended
                return status
            finally:
                for daemon in reversed(daemons):
                    daemon.terminate()
                for daemon in daemons:
                    daemon.wait(20)
                lines = (folder / "log").read_text().splitlines()
                print(*(line for line in lines if EXHAUSTED in line), sep="\n")


def _shorten(count: int) -> None:
    """Wait for so many jobs to run, and give them the shortest walltime that Slurm knows."""
    running: list[str] = []
    while len(running) < count:
        time.sleep(0.5)
        command = ["squeue", "--noheader", "--states=running", "--format=%i"]
        running = subprocess.run(command, capture_output=True, text=True).stdout.split()
    for job in running:
        subprocess.run(["scontrol", "update", f"JobId={job}", "TimeLimit=1"], check=True)


def _is_idle() -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        done = subprocess.run(["sinfo", "-h", "-o", "%t"], capture_output=True, text=True)
        if done.stdout.strip() == "idle":
            return True
        time.sleep(0.5)
    return False


if __name__ == "__main__":
    sys.exit(main())
