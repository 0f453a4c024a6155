"""What a learner's machine has: Python, packages, device, data, and what to do about each."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COURSE = "cs231n-lecture7-course"
OLDEST = (3, 11)
NOTEBOOKS = ("jupyterlab", "notebook")  # either opens a notebook in a browser


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, whether it is fine, and why or what to do."""

    what: str
    fine: bool
    why: str
    needed: bool = False  # to work, or to grade, at all


def look(folder: Path = Path()) -> list[Finding]:
    """Return what a learner needs, in the order in which to fix it."""
    numpy = _package("numpy", "pip install numpy", needed=True)
    return [_python(), numpy, _jupyter(), *_torch(), *_data(), _folder(folder)]


def _python() -> Finding:
    fine = sys.version_info >= OLDEST
    newer = f"; install {'.'.join(map(str, OLDEST))} or newer"
    return Finding("Python", fine, f"{platform.python_version()}{'' if fine else newer}", True)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _package(name: str, install: str, needed: bool = False) -> Finding:
    version = _version(name)
    return Finding(name, bool(version), version or f"not installed: {install}", needed)


def _jupyter() -> Finding:
    found = [f"{name} {version}" for name in NOTEBOOKS if (version := _version(name))]
    lacking = "none here: pip install jupyterlab, or open the notebooks in an editor"
    return Finding("Jupyter", bool(found), ", ".join(found) or lacking)


def _torch() -> Iterator[Finding]:
    install = f"pip install '{COURSE}[torch]'; without it you have the NumPy half of the lessons"
    yield _package("torch", install)
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    if torch.cuda.is_available():
        yield Finding("device", True, f"{torch.cuda.get_device_name()}, as 'cuda'")
    elif torch.version.cuda and Path("/proc/driver/nvidia").exists():
        yield Finding("device", False, "there is a GPU that PyTorch cannot use: update its driver")
    else:
        yield Finding("device", True, "the CPU, for which the lessons are made")


def _data() -> Iterator[Finding]:
    from cs231n_lib.data import load
    from cs231n_lib.data.downloads import FOLDER_VARIABLE, cache, named_folder

    yield Finding("digits", True, str(load("digits")))
    named = named_folder()
    if named is not None and not named.is_dir():
        why = f"{FOLDER_VARIABLE} names {named}, which is not there: change it, or unset it"
        yield Finding("data folder", False, why)
        return
    places = [named or cache(), (named or cache()) / "cifar-10-batches-bin"]
    found = next((place for place in places if (place / "data_batch_1.bin").is_file()), None)
    lacking = "not here, nor needed: 162 MB on request"
    yield Finding("CIFAR-10", found is not None, str(found or lacking))


def _folder(folder: Path) -> Finding:
    here = Path(folder).resolve()
    fine = os.access(here, os.W_OK | os.X_OK)
    why = f"{here}: {'can be written' if fine else 'cannot be written: work in another folder'}"
    return Finding("this folder", fine, why, True)
