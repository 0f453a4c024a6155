"""CIFAR-10 from its official binary files: where they are looked for, read, and downloaded."""

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from cs231n_lib.data.dataset import split

FOLDER_VARIABLE = "CS231N_DATA"  # names the folder in which local data sets are looked for
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_HASH = "md5:c32a1d4ab5d03f1284b67883e8d87530"
CIFAR10_FOLDER = "cifar-10-batches-bin"
CHUNK = 2**14  # bytes that a download writes at once, so that an interruption loses few
RECORD = 1 + 3 * 32 * 32  # bytes: a label, then the red, green and blue 32 × 32 pixels


def load_cifar10(folder=None, download=False):
    """CIFAR-10, 60,000 colour photographs of 32 × 32 pixels, from its official binary files.

    Args:
        folder: holds data_batch_*.bin, test_batch.bin and batches.meta.txt, or a folder
            cifar-10-batches-bin with them; by default $CS231N_DATA, else the download's folder.
        download: fetch 162 MB when the folder has none; an interrupted download is continued.

    Returns:
        a `Dataset`; the last tenth of the training examples is val.

    Raises:
        FileNotFoundError: when the files are not there.
        ValueError: when a file is incomplete or has another layout, or the download is damaged.
        ConnectionError: when the download fails.
        FileExistsError: when an incomplete folder is where the download would go.

    Licence: none is stated; free for research and teaching with reference to Krizhevsky, *Learning
    Multiple Layers of Features from Tiny Images*, 2009. https://www.cs.toronto.edu/~kriz/cifar.html

    >>> load_cifar10("cifar-10-batches-bin")  # doctest: +SKIP
    cifar10: 45000 train, 5000 val, 10000 test examples of shape (3072,), 10 classes
    """
    place = Path(folder or os.environ.get(FOLDER_VARIABLE) or _cache())
    found = _cifar10_in(place)
    if found is None and download:
        found = place / CIFAR10_FOLDER
        _download_cifar10(found)
    if found is None:
        raise FileNotFoundError(
            f"CIFAR-10's binary files (data_batch_1.bin, ..., test_batch.bin, batches.meta.txt) "
            f"are not in {place}; pass their folder, load_cifar10('.../{CIFAR10_FOLDER}'), set "
            f"{FOLDER_VARIABLE} to it, or download 162 MB with load_cifar10(download=True)"
        )
    classes = tuple((found / "batches.meta.txt").read_text().split())
    train = [_read_records(file, len(classes)) for file in sorted(found.glob("data_batch_*.bin"))]
    x, y = (np.concatenate(parts) for parts in zip(*train, strict=True))
    x_test, y_test = _read_records(found / "test_batch.bin", len(classes))
    return split(x, y, max(1, len(y) // 10), x_test, y_test, "cifar10", classes, (3, 32, 32))


def _cache():
    import pooch

    return pooch.os_cache("cs231n_lib")


def _cifar10_in(folder):
    for place in (folder, folder / CIFAR10_FOLDER):
        needed = [place / "data_batch_1.bin", place / "test_batch.bin", place / "batches.meta.txt"]
        if all(file.is_file() for file in needed):
            return place
    return None


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


def _download_cifar10(folder):
    import pooch
    import requests

    if folder.exists():
        raise FileExistsError(f"{folder} is there but incomplete; move it away and call again")
    folder.parent.mkdir(parents=True, exist_ok=True)
    name = "cifar-10-binary.tar.gz"
    resume = _ResumingDownloader(folder.parent / f"{name}.part")
    try:
        archive = pooch.retrieve(CIFAR10_URL, CIFAR10_HASH, name, folder.parent, downloader=resume)
    except requests.exceptions.RequestException as error:
        raise ConnectionError(
            f"could not download CIFAR-10 from {CIFAR10_URL} ({type(error).__name__}); what "
            "arrived is kept, so call again to continue; or download and unpack it elsewhere and "
            f"pass its folder, load_cifar10('.../{CIFAR10_FOLDER}')"
        ) from error
    _unpack(Path(archive), folder)
    Path(archive).unlink()


class _ResumingDownloader:
    """A downloader for pooch that keeps what arrived in `part` and asks only for the rest."""

    def __init__(self, part):
        self.part = Path(part)

    def __call__(self, url, output_file, pooch):
        import requests

        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
        with requests.get(url, headers=headers, stream=True, timeout=30) as response:
            if response.status_code != requests.codes.requested_range_not_satisfiable:
                response.raise_for_status()
                continued = response.status_code == requests.codes.partial_content
                self._write(response, have if continued else 0)
        os.replace(self.part, output_file)  # pooch compares the hash next, and deletes a bad file

    def _write(self, response, have):
        from tqdm.auto import tqdm

        size = have + int(response.headers.get("Content-Length", 0))
        look = {"desc": "CIFAR-10", "unit": "B", "unit_scale": True, "delay": 3, "leave": False}
        with (
            open(self.part, "ab" if have else "wb") as file,
            tqdm(total=size, initial=have, **look) as bar,
        ):
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))


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
        os.replace(unpacked, folder)
