"""CIFAR-10 from its official binary files: where they are looked for, read, and downloaded."""

import json
import os
import re
import shutil
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from cs231n_lib.data.dataset import split
from cs231n_lib.data.downloads import FOLDER_VARIABLE, cache, digest, fetch, named_folder, tell_size

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_HASH = "md5:c32a1d4ab5d03f1284b67883e8d87530"
CIFAR10_FOLDER = "cifar-10-batches-bin"
MANIFEST = "checksums.json"  # of the files of a download, whose archive was compared as a whole
OFFICIAL = 50_000, 10_000  # training and test records
RECORD = 1 + 3 * 32 * 32  # bytes: a label, then the red, green and blue 32 × 32 pixels


def load_cifar10(folder=None, download=False):
    """CIFAR-10, 60,000 colour photographs of 32 × 32 pixels, from its official binary files.

    Args:
        folder: holds data_batch_*.bin, test_batch.bin and batches.meta.txt, or a folder
            cifar-10-batches-bin with them; by default $CS231N_DATA, else the download's folder.
            In a folder of yours any number of whole records will do, and a line says so.
        download: fetch 162 MB when the folder has none; an interrupted download is continued.

    Returns:
        a `Dataset`; the last tenth of the training examples is val.

    Raises:
        FileNotFoundError: when the files are not there.
        ValueError: when a file is incomplete, has another layout or is there twice, or when the
            download is damaged: download=True then fetches it again.
        ConnectionError: when the download fails.
        FileExistsError: when an incomplete folder is where the download would go.

    Licence: none is stated; free for research and teaching with reference to Krizhevsky, *Learning
    Multiple Layers of Features from Tiny Images*, 2009. https://www.cs.toronto.edu/~kriz/cifar.html

    >>> load_cifar10("cifar-10-batches-bin")  # doctest: +SKIP
    cifar10: 45000 train, 5000 val, 10000 test examples of shape (3072,), 10 classes
    """
    named = named_folder(folder)
    place = named or cache()
    found = _cifar10_in(place)
    damaged = found and _damaged(found)
    if damaged and not download:
        raise ValueError(
            f"{damaged} is not as it was downloaded; fetch CIFAR-10 again with "
            "load_cifar10(download=True)"
        )
    if download and (found is None or damaged):
        found = place / CIFAR10_FOLDER
        _download_cifar10(found, replace=damaged)
    if found is None:
        raise FileNotFoundError(
            f"CIFAR-10's binary files (data_batch_1.bin, ..., test_batch.bin, batches.meta.txt) "
            f"are not in {place}; pass their folder, load_cifar10('.../{CIFAR10_FOLDER}'), set "
            f"{FOLDER_VARIABLE} to it, or download 162 MB with load_cifar10(download=True)"
        )
    classes = _classes(found / "batches.meta.txt")
    files = _training_files(found)
    train = [_read_records(file, len(classes)) for file in files]
    x, y = (np.concatenate(parts) for parts in zip(*train, strict=True))
    x_test, y_test = _read_records(found / "test_batch.bin", len(classes))
    if len(y) < 2:
        raise ValueError(f"{found} must hold two training records or more, got {len(y)}")
    tell_size("CIFAR-10", found, (len(y), len(y_test)), OFFICIAL)
    return split(x, y, max(1, len(y) // 10), x_test, y_test, "cifar10", classes, (3, 32, 32))


def _cifar10_in(folder):
    for place in (folder, folder / CIFAR10_FOLDER):
        needed = [place / "data_batch_1.bin", place / "test_batch.bin", place / "batches.meta.txt"]
        if all(file.is_file() for file in needed):
            return place
    return None


def _classes(file):
    """The names of the classes, one a line."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    classes = tuple(line.strip() for line in lines if line.strip())
    if len(set(classes)) != len(classes) or len(classes) != 10 or "\ufffd" in "".join(classes):
        raise ValueError(
            f"{file} must hold the names of CIFAR-10's ten classes, one a line, got "
            f"{len(classes)} lines, {classes!r:.60}; copy or download it again"
        )
    return classes


def _training_files(folder):
    """The files data_batch_N.bin, of which none may be there twice."""
    files = sorted(folder.glob("data_batch*.bin*"), key=lambda file: (len(file.name), file.name))
    for file in files:
        if not re.fullmatch(r"data_batch_[1-9]\d*\.bin", file.name) or not file.is_file():
            kind = "" if file.is_file() else ", which is no file"
            raise ValueError(
                f"{folder} must hold data_batch_1.bin, data_batch_2.bin, ... and no copies of "
                f"them, got {file.name!r}{kind}; remove it"
            )
    seen = {}
    for file in [*files, folder / "test_batch.bin"]:
        twin = seen.setdefault(digest(file), file)
        if twin is not file:
            raise ValueError(
                f"{folder} must hold every record once, but {twin.name} and {file.name} are the "
                "same; remove the copy"
            )
    return files


def _damaged(folder):
    """The first file of a download that is not as it was unpacked; None in any other folder."""
    if not (folder / MANIFEST).exists():
        return None
    try:
        expected = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = [(folder / name, kept) for name, kept in expected.items()]
    except (ValueError, AttributeError):
        return folder / MANIFEST
    return next((f for f, kept in files if not f.is_file() or digest(f) != kept), None)


def _read_records(file, n_classes):
    data = np.fromfile(file, dtype=np.uint8)
    if data.size == 0 or data.size % RECORD:
        raise ValueError(
            f"{file} must hold whole records of {RECORD} bytes (1 label, 3 × 32 × 32 pixels), got "
            f"{data.size} bytes: the file is incomplete; copy or download it again"
        )
    records = data.reshape(-1, RECORD)
    y = records[:, 0].astype(np.int64)
    if y.max() >= n_classes:
        raise ValueError(
            f"{file} must hold labels from 0 to {n_classes - 1}, got {y.max()}: this is not the "
            "binary version of CIFAR-10 (cifar-10-binary.tar.gz)"
        )
    x = records[:, 1:].astype(np.float32)
    x /= 255
    return x, y


def _download_cifar10(folder, replace):
    if folder.exists() and not replace:
        raise FileExistsError(f"{folder} is there but incomplete; move it away and call again")
    instead = f"pass its folder, load_cifar10('.../{CIFAR10_FOLDER}')"
    archive = fetch(CIFAR10_URL, CIFAR10_HASH, folder.parent, "CIFAR-10", instead)
    _unpack(archive, folder)
    archive.unlink()


def _unpack(archive, folder):
    """Unpack the data files into `folder`, which appears only when it is complete."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        unpacked = Path(temporary) / folder.name
        unpacked.mkdir()
        with tarfile.open(archive) as tar:
            for member in tar:
                name = Path(member.name).name
                if member.isfile() and name.endswith((".bin", ".meta.txt")):
                    with open(unpacked / name, "wb") as file:
                        shutil.copyfileobj(tar.extractfile(member), file)
        checksums = {file.name: digest(file) for file in sorted(unpacked.iterdir())}
        (unpacked / MANIFEST).write_text(json.dumps(checksums, indent=1) + "\n", encoding="utf-8")
        if folder.exists():  # a damaged download
            shutil.rmtree(folder)
        os.replace(unpacked, folder)
