"""Other machines on this one: profiles of linear algebra, as variables of a process.

A profile is a set of variables that are read when NumPy and PyTorch are imported: which kernels
OpenBLAS takes, how MKL and oneDNN compute, which instructions PyTorch and NumPy may use. Another
processor rounds differently; what holds under one profile alone does not hold.
"""

import os
import subprocess
import sys

VARIABLES = (
    "OPENBLAS_CORETYPE",
    "MKL_CBWR",
    "ONEDNN_MAX_CPU_ISA",
    "NPY_DISABLE_CPU_FEATURES",
    "ATEN_CPU_CAPABILITY",
)
PROFILES = {
    "native": {},
    "haswell": {
        "OPENBLAS_CORETYPE": "Haswell",
        "MKL_CBWR": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
    },
    "nehalem": {
        "OPENBLAS_CORETYPE": "Nehalem",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 X86_V3",
        "ATEN_CPU_CAPABILITY": "default",
    },
}
# What a profile has to change: sums in another order, by NumPy's and PyTorch's products.
PROBE = """
import numpy as np, torch
torch.set_num_threads(1)
rng = np.random.default_rng(0)
a, b = rng.normal(size=(2, 150, 150)).astype(np.float32)
t = torch.from_numpy
print((a @ b).tobytes().hex(), (t(a) @ t(b)).numpy().tobytes().hex(),
      torch.exp(t(a)).numpy().tobytes().hex(), np.exp(a).tobytes().hex())
"""


def environment(profile: str) -> dict[str, str]:
    """Return the variables of a process under a profile; those of other profiles are unset."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return kept | PROFILES[profile]


def bits(profile: str) -> list[str] | str:
    """Return what the probe computes under a profile, or why the machine cannot run it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE],
        env=environment(profile),
        capture_output=True,
        text=True,
    )
    return done.stdout.split() if done.returncode == 0 else done.stderr.strip()[-200:]
