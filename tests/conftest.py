"""What every test runs under: one thread, no screen, no settings of the person at the keyboard."""

import os
import shutil
import signal
import sys
import tempfile

import hypothesis
import pytest

TESTS = os.path.dirname(__file__)
PRIVATE = tempfile.mkdtemp(prefix="course-tests-")
os.environ |= {
    "IPYTHONDIR": f"{PRIVATE}/ipython",
    "JUPYTER_CONFIG_DIR": f"{PRIVATE}/jupyter-config",
    "JUPYTER_DATA_DIR": f"{PRIVATE}/jupyter-data",
    "JUPYTER_PLATFORM_DIRS": "1",
    "MPLBACKEND": "agg",
    "OMP_NUM_THREADS": "1",  # read when NumPy and PyTorch are imported, which is later
}
# Of all processes of a run: the first one makes it, the workers find it in their environment.
os.makedirs(os.environ.setdefault("COURSE_TESTS_SHARED", f"{PRIVATE}/shared"), exist_ok=True)

# jsonschema, which nbformat imports, builds a grammar with it for seconds; so does our command.
sys.modules.setdefault("rfc3987_syntax", None)

# A shell has what it starts in the background ignore Ctrl-C, which some tests press.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, and no verdict that depends on how busy the machine is.
hypothesis.settings.register_profile("course", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("course")


def pytest_collection_modifyitems(items):
    """Skip what needs a GPU where there is none."""
    for_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if for_gpu and not _has_gpu():
        for item in for_gpu:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def _has_gpu():
    import torch

    return torch.cuda.is_available()


def pytest_unconfigure():
    """Remove the private folders."""
    shutil.rmtree(PRIVATE, ignore_errors=True)


def pytest_addoption(parser):
    """Offer --all-attacks and --tier, the options of `tests/attacks`."""
    parser.addoption(
        "--all-attacks",
        action="store_true",
        default=bool(os.environ.get("ALL_ATTACKS")),
        help="hand in every attack of the corpus, not only the fast subset (or ALL_ATTACKS=1)",
    )
    parser.addoption("--tier", choices="ABC", help="a lower tier than the machine allows")
    parser.addoption(
        "--shift-seeds",
        type=int,
        default=0,
        help="add this to every seed that a test writes down: a test may not need a lucky one",
    )


def pytest_configure(config):
    """Shift the seeds of generators that test files make."""
    shift = config.getoption("--shift-seeds")
    if not shift:
        return
    import numpy as np

    made = np.random.default_rng

    def shifted(seed=None):
        caller = sys._getframe(1).f_globals.get("__file__", "")
        return made(seed + shift if isinstance(seed, int) and caller.startswith(TESTS) else seed)

    np.random.default_rng = shifted
