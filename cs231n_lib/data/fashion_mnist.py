"""Fashion-MNIST from its IDX files, with or without gzip: read, compared, downloaded."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from cs231n_lib.data.dataset import split
from cs231n_lib.data.downloads import FOLDER_VARIABLE, cache, digest, fetch, named_folder, tell_size

URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
FOLDER = "fashion-mnist"
OFFICIAL = 60_000, 10_000  # training and test records
FILES = {  # name: MD5 of the official .gz, SHA-256 of what is in it
    "train-images-idx3-ubyte": (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train-labels-idx1-ubyte": (
        "25c81989df183df01b3e8a0aad5dffbe",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "t10k-images-idx3-ubyte": (
        "bef4ecab320f06d8554ea6380940ec79",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "t10k-labels-idx1-ubyte": (
        "bb300cfdad3c16e7a12a480ee83cd310",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
CLASSES = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
    "ankle boot",
)  # fmt: skip


def load_fashion_mnist(folder=None, download=False):
    """Fashion-MNIST, 70,000 grey pictures of clothes of 28 × 28 pixels, from its IDX files.

    Args:
        folder: holds the four files, as .gz or unpacked, or a folder fashion-mnist with them; by
            default $CS231N_DATA, the folder of Debian's package dataset-fashion-mnist, or the
            download's folder, whichever has them. In a folder of yours any number of whole records
            will do, and a line says so.
        download: fetch 31 MB when none has them; an interrupted download is continued.

    Returns:
        a `Dataset`; the last tenth of the training examples is val.

    Raises:
        FileNotFoundError: when the files are not there.
        ValueError: when a file is incomplete or not in this format, or the download is damaged:
            download=True then fetches it again.
        ConnectionError: when the download fails.

    Licence: MIT, Zalando SE. Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747.

    >>> load_fashion_mnist(download=True)  # doctest: +SKIP
    fashion-mnist: 54000 train, 6000 val, 10000 test examples of shape (784,), 10 classes
    """
    own = cache() / FOLDER
    places = [named_folder(folder)] if folder else [named_folder(), DEBIAN, own]
    found = next(filter(None, (_files_in(place) for place in places if place)), None)
    is_download = found is not None and next(iter(found.values())).parent == own
    if download and (found is None or is_download):
        found, is_download = _downloaded(own), True
    if found is None:
        raise FileNotFoundError(
            f"Fashion-MNIST's files ({next(iter(FILES))}.gz, ...) are not in "
            f"{' or '.join(str(place) for place in places if place)}; pass their folder, set "
            f"{FOLDER_VARIABLE} to it, or download 31 MB with load_fashion_mnist(download=True)"
        )
    arrays = [_read(file, FILES[name][1] if is_download else None) for name, file in found.items()]
    x, y, x_test, y_test = arrays
    place = next(iter(found.values())).parent
    for images, labels in ((x, y), (x_test, y_test)):
        _require_pairs(images, labels, place)
    if np.array_equal(x, x_test):
        raise ValueError(
            f"{place} must hold every picture once, but those for training and for testing are the "
            "same; copy or download them again"
        )
    tell_size("Fashion-MNIST", place, (len(y), len(y_test)), OFFICIAL)
    x, x_test = (_rows(images) for images in (x, x_test))
    y, y_test = (labels.astype(np.int64) for labels in (y, y_test))
    n_val = max(1, len(y) // 10)
    return split(x, y, n_val, x_test, y_test, "fashion-mnist", CLASSES, (1, 28, 28))


def _files_in(folder):
    """{name: path} of the four files in a folder, or in a folder fashion-mnist in it; or None."""
    for place in (folder, folder / FOLDER):
        for ending in ("", ".gz"):
            files = {name: place / f"{name}{ending}" for name in FILES}
            if all(file.is_file() for file in files.values()):
                return files
    return None


def _downloaded(folder):
    """Fetch what is missing or damaged in the folder for downloads."""
    instead = "pass its folder, load_fashion_mnist('.../fashion-mnist')"
    for name, (md5, _) in FILES.items():  # pooch keeps a file with this checksum as it is
        fetch(f"{URL}{name}.gz", f"md5:{md5}", folder, "Fashion-MNIST", instead)
    return _files_in(folder)


def _read(file, checksum=None):
    """The array of an IDX file of bytes; with a checksum, only the official one."""
    try:
        content = file.read_bytes()
        content = gzip.decompress(content) if file.suffix == ".gz" else content
    except (gzip.BadGzipFile, EOFError, zlib.error):
        content = b""
    if checksum is not None and digest(content) != checksum:
        raise ValueError(
            f"{file} is not as it was downloaded; fetch it again with "
            "load_fashion_mnist(download=True)"
        )
    rank = content[3] if content[:4] in (b"\0\0\x08\x01", b"\0\0\x08\x03") else 0
    start = 4 + 4 * rank
    whole = rank and len(content) >= start
    shape = tuple(np.frombuffer(content[4:start], ">u4")) if whole else (0,)
    if not shape[0] or len(content) - start != math.prod(map(int, shape)):
        raise ValueError(
            f"{file} must be a whole IDX file of bytes, got {len(content)} bytes that begin with "
            f"{content[:4].hex()!r}: it is incomplete, or another file; copy or download it again"
        )
    return np.frombuffer(content[start:], np.uint8).reshape(shape)


def _require_pairs(images, labels, folder):
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1] or len(labels) < 2:
        raise ValueError(
            f"{folder} must hold two or more pictures of 28 × 28 pixels with a label each, got "
            f"arrays of shapes {images.shape} and {labels.shape}"
        )
    if labels.max() >= len(CLASSES):
        raise ValueError(f"{folder} must hold labels from 0 to 9, got {labels.max()}")


def _rows(images):
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
