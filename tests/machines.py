"""The suite on other machines: the same tests under three profiles of linear algebra, and with
shifted seeds.

    python tests/machines.py                      all of it
    python tests/machines.py haswell tests/library   one profile, these tests

A test that holds under one profile alone is a fault.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

from autograder.quality.machines import PROFILES, bits, environment

ROOT = Path(__file__).resolve().parents[1]
SHIFT = 5  # added to every seed that a test file writes down


def fixed_generator(seed: int) -> np.random.Generator:
    """Return the generator of a seed that is part of what is tested, and never shifted."""
    return np.random.Generator(np.random.PCG64(seed))


def main(arguments: list[str]) -> int:
    """Run the suite under the profiles that are named, or under all and with shifted seeds."""
    names = [name for name in arguments if name in PROFILES]
    rest = [argument for argument in arguments if argument not in PROFILES]
    runs = [(name, ()) for name in names or PROFILES]
    if not names:
        runs.append(("native", (f"--shift-seeds={SHIFT}",)))
    failed = []
    for name, options in runs:
        title = " ".join((name, *options))
        if isinstance(reason := bits(name), str):
            print(f"{title}: skipped, this machine cannot run it: {reason}", flush=True)
            continue
        print(f"{title}: {PROFILES[name]}", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal"]
        status = subprocess.call(
            [*command, *options, *(rest or ["tests"])], env=environment(name), cwd=ROOT
        )
        failed += [title] if status else []
    print(f"failed: {', '.join(failed)}" if failed else "The suite holds on every machine.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
