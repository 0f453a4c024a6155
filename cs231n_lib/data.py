"""Data for the lessons: handwritten digits that are always there, and CIFAR-10 where it is.

Every data set is a `Dataset` of rows of float32 numbers from 0 to 1 with integer labels;
`.images()` gives the same examples as (N, C, H, W).
"""

import dataclasses
import math
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from cs231n_lib.errors import between, validated, whole

FOLDER_VARIABLE = "CS231N_DATA"  # names the folder in which local data sets are looked for
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_HASH = "md5:c32a1d4ab5d03f1284b67883e8d87530"
CIFAR10_FOLDER = "cifar-10-batches-bin"
CHUNK = 2**14  # bytes that a download writes at once, so that an interruption loses few
RECORD = 1 + 3 * 32 * 32  # bytes: a label, then the red, green and blue 32 × 32 pixels


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Examples and their integer labels, split into train, val and test.

    x_*: (N, D) float32 from 0 to 1, or (N, C, H, W) after `images()`; y_*: (N,) int64.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    name: str
    classes: tuple
    image_shape: tuple

    def images(self):
        """The same data with each example an image (C, H, W).

        >>> digits().images().x_test.shape
        (250, 1, 8, 8)
        """
        return self._shaped(self.image_shape)

    def flat(self):
        """The same data with each example a row of D numbers.

        >>> digits().images().flat().x_test.shape
        (250, 64)
        """
        return self._shaped((math.prod(self.image_shape),))

    def few(self, n):
        """The same data with only the first `n` training examples.

        >>> digits().few(500)
        digits: 500 train, 250 val, 250 test examples of shape (64,), 10 classes
        """
        whole(1)("n", n)
        if n > len(self.x_train):
            raise ValueError(f"n must be at most {len(self.x_train)}, the examples, got {n}")
        return dataclasses.replace(self, x_train=self.x_train[:n], y_train=self.y_train[:n])

    def with_random_labels(self, share, rng):
        """The same data with random labels for a random `share` of the training examples.

        Any class is as likely as any other, so of ten classes a tenth of these labels stays right.
        Validation and test labels are left as they are.

        >>> noisy = digits().with_random_labels(0.3, np.random.default_rng(0))
        >>> bool(0.2 < (noisy.y_train != digits().y_train).mean() < 0.3)
        True
        """
        between(0, 1)("share", share)
        y = self.y_train.copy()
        chosen = rng.permutation(len(y))[: round(share * len(y))]
        y[chosen] = rng.integers(0, len(self.classes), len(chosen))
        return dataclasses.replace(self, y_train=y)

    def _shaped(self, shape):
        names = ("x_train", "x_val", "x_test")
        return dataclasses.replace(
            self, **{name: getattr(self, name).reshape(-1, *shape) for name in names}
        )

    def __repr__(self):
        return (
            f"{self.name}: {len(self.x_train)} train, {len(self.x_val)} val, {len(self.x_test)} "
            f"test examples of shape {self.x_train.shape[1:]}, {len(self.classes)} classes"
        )


def load(name="digits"):
    """The data set of this name, 'digits' or 'cifar10'; digits where CIFAR-10 is not at hand.

    Raises:
        ValueError: for another name.

    >>> load("digits")
    digits: 1297 train, 250 val, 250 test examples of shape (64,), 10 classes
    """
    if name not in ("digits", "cifar10"):
        raise ValueError(f"a data set's name must be 'digits' or 'cifar10', got {name!r}")
    if name == "cifar10":
        try:
            return load_cifar10()
        except FileNotFoundError:
            print(
                "CIFAR-10 is not on this computer, so digits it is: load_cifar10(download=True) "
                f"downloads 162 MB, or set {FOLDER_VARIABLE} to its folder."
            )
    return digits()


def digits(seed=0):
    """1,797 handwritten digits of 8 × 8 pixels, part of scikit-learn; `seed` chooses the split.

    Licence: CC BY 4.0. Alpaydin & Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine
    Learning Repository 1998, doi:10.24432/C50P49; scikit-learn holds its test set.

    >>> data = digits()
    >>> data.x_train.shape, data.y_train.shape, float(data.x_train.max())
    ((1297, 64), (1297,), 1.0)
    """
    from sklearn.datasets import load_digits  # takes a second, which only this function needs

    pixels, labels = load_digits(return_X_y=True)  # (1797, 64), 0 to 16
    order = np.random.default_rng(seed).permutation(len(labels))
    x = (pixels[order] / 16).astype(np.float32)
    y = labels[order].astype(np.int64)
    test = x[-250:], y[-250:]
    return _split(x[:-250], y[:-250], 250, *test, "digits", tuple("0123456789"), (1, 8, 8))


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
    return _split(x, y, max(1, len(y) // 10), x_test, y_test, "cifar10", classes, (3, 32, 32))


def batches(x, y, batch_size, rng):
    """One epoch of batches (x, y) in random order; the last examples that fill no batch are left.

    Raises:
        ValueError: when there are fewer examples than one batch holds.

    >>> rng = np.random.default_rng(0)
    >>> [len(y) for x, y in batches(np.zeros((10, 2)), np.zeros(10), 4, rng)]
    [4, 4]
    """
    whole(1)("batch_size", batch_size)
    if batch_size > len(x):
        raise ValueError(f"batch_size must be at most {len(x)}, the examples, got {batch_size}")
    order = rng.permutation(len(x))
    starts = range(0, len(x) - batch_size + 1, batch_size)
    chosen = (order[start : start + batch_size] for start in starts)
    return ((x[indices], y[indices]) for indices in chosen)


def _split(x, y, n_val, x_test, y_test, name, classes, image_shape):
    """Make the last `n_val` training examples the validation set."""
    train, val = slice(None, -n_val), slice(-n_val, None)
    return Dataset(x[train], y[train], x[val], y[val], x_test, y_test, name, classes, image_shape)


# --------------------------------------------------------------------------- photographs

SOURCE = (  # photographs that the small network has learnt to tell apart
    *("camera", "coins", "brick", "grass", "gravel", "moon", "rocket", "hubble_deep_field"),
    *("immunohistochemistry", "retina", "page", "text"),
)
TARGET = ("astronaut", "chelsea", "coffee", "motorcycle", "china", "flower")  # others


@validated(side=whole(1))
def patches(name, side=32):
    """Cut a photograph into square patches that do not overlap.

    Args:
        name: one of `SOURCE` or `TARGET`; side: of a patch, in pixels.

    Returns:
        (N, side, side, 3) uint8, row by row; what fills no patch at the right and the bottom is
        left out.

    >>> patches("chelsea").shape
    (126, 32, 32, 3)
    """
    image = photograph(name)
    rows, columns = (length // side for length in image.shape[:2])
    grid = image[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    return grid.swapaxes(1, 2).reshape(-1, side, side, 3)


def grey(images, size=16):
    """Return square colour images as small grey ones: the mean over blocks of pixels.

    Args:
        images: (N, side, side, 3) uint8; size: height and width to return, divides the side.

    Returns:
        (N, 1, size, size) float32 from 0 to 1.

    >>> grey(np.full((1, 32, 32, 3), 255, np.uint8)).max()
    np.float32(1.0)
    """
    n, side, _, _ = images.shape
    block = side // size
    light = images.astype(np.float32) @ np.float32([0.299, 0.587, 0.114]) / np.float32(255)
    return light.reshape(n, 1, size, block, size, block).mean(axis=(3, 5))


def photograph(name):
    """Return a photograph that scikit-image or scikit-learn brings, (H, W, 3) uint8.

    >>> photograph("camera").shape
    (512, 512, 3)
    """
    from skimage import data, io

    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        return load_sample_image(f"{name}.jpg")
    if name == "motorcycle":
        return io.imread(Path(data.__file__).parent / "motorcycle_left.png")
    image = getattr(data, name)()
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


# --------------------------------------------------------------------------- CIFAR-10's files


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
