"""What comes with the course: handwritten digits and photographs, in two small files.

Both hold the numbers of scikit-learn and scikit-image, so that neither is needed to read them.
"""

from pathlib import Path

import numpy as np

from cs231n_lib.data.dataset import Dataset, split
from cs231n_lib.errors import one_of, whole

HERE = Path(__file__).parent

# name: (what it shows, author, licence)
PHOTOGRAPHS = {
    "astronaut": ("Eileen Collins", "NASA", "public domain"),
    "cat": ("Chelsea the cat", "Stefan van der Walt", "CC0"),
    "coffee": ("a cup of coffee", "Rachel Michetti, Pikolo Espresso Bar", "CC0"),
    "hubble": ("the Hubble eXtreme Deep Field", "NASA", "public domain"),
    "retina": ("a human retina", "Mikael Häggström", "CC0"),
    "rocket": ("the start of a Falcon 9", "SpaceX", "public domain"),
    "brick": ("a brick wall, grey", "CC0Textures, Bricks25", "CC0"),
    "grass": ("grass, grey", "linolafett, DeviantArt", "CC0"),
    "gravel": ("gravel, grey", "CC0Textures, Gravel04", "CC0"),
    "camera": ("a man with a camera, grey", "Lav Varshney", "CC0"),
}
COLOUR = ("astronaut", "cat", "coffee", "hubble", "retina", "rocket")
CROPS = ("astronaut", "cat", "coffee")  # those with a crop of 100 × 100 pixels
EVEN = 5.0  # a piece varies less than this in every colour: sky, or the black around the retina
TRAIN, VAL = 0.6, 0.2  # fractions of a photograph's width or height, the rest is for tests


def digits(seed=0):
    """1,797 handwritten digits of 8 × 8 pixels; `seed` chooses the split.

    Licence: CC BY 4.0. Alpaydin & Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine
    Learning Repository 1998, doi:10.24432/C50P49; its test set, as scikit-learn has it.

    Returns:
        A `Dataset` of rows of 64 numbers.

    >>> data = digits()
    >>> data.x_train.shape, data.y_train.shape, float(data.x_train.max())
    ((1297, 64), (1297,), 1.0)
    """
    whole(0)("seed", seed)
    with np.load(HERE / "digits.npz") as file:
        pixels, labels = file["pixels"], file["labels"]  # (1797, 64) from 0 to 16, (1797,)
    order = np.random.default_rng(seed).permutation(len(labels))
    x = (pixels[order] / 16).astype(np.float32)
    y = labels[order].astype(np.int64)
    test = x[-250:], y[-250:]
    return split(x[:-250], y[:-250], 250, *test, "digits", tuple("0123456789"), (1, 8, 8))


def photograph(name, crop=False):
    """One of `PHOTOGRAPHS`, which are all CC0 or in the public domain and come from scikit-image.

    Args:
        name: of `PHOTOGRAPHS`.
        crop: a part of 100 × 100 pixels instead, every third of the original; for `CROPS`.

    Returns:
        uint8, (H, W, 3) in colour or (H, W) in grey: each pixel is the mean of 2 × 2 (hubble 4 × 4,
        retina 6 × 6) of the original; the camera man is as large as the original.

    Raises:
        ValueError: for another name.

    >>> photograph("cat").shape, photograph("cat", crop=True).shape, photograph("camera").shape
    ((150, 225, 3), (100, 100, 3), (512, 512))
    """
    one_of(*(CROPS if crop else PHOTOGRAPHS))("name", name)
    with np.load(HERE / "photographs.npz") as file:
        return file[f"{name}_crop" if crop else name]


def photograph_patches(
    names=COLOUR, size=16, per_class=(100, 50, 50), along="width", grey=False, seed=0
):
    """Small pieces of photographs; a piece's label says which photograph it was cut from.

    Pieces for training, validation and test come from three parts of a photograph that share no
    pixel: the first 60 % of its width, the next 20 % and the rest. Pieces of one part may overlap.
    Pieces of one colour are left out, since they are the same in all parts.
    A photograph whose halves mirror each other gives near-duplicates across a split of its width:
    compare with a split of its height before you believe what flips gain.

    Args:
        names: of `PHOTOGRAPHS`, the classes.
        size: of a piece, in pixels.
        per_class: numbers of training, validation and test examples of a class.
        along: "width" or "height", which is split.
        grey: True turns colours into grey; needed where a photograph is grey.
        seed: chooses the pieces.

    Returns:
        a `Dataset` whose images are (3, size, size), or (1, size, size) in grey.

    Raises:
        ValueError: for another name or direction, for grey and colour together, and for a size that
            does not fit into the parts.

    >>> photograph_patches()
    photographs: 600 train, 300 val, 300 test examples of shape (768,), 6 classes
    """
    one_of("width", "height")("along", along)
    whole(2)("size", size)
    whole(0)("seed", seed)
    whole(1)("the number of names", len(names))
    axis = 1 if along == "width" else 0
    rng = np.random.default_rng(seed)
    parts = [[], [], []]
    for name in names:
        image = _as_channels(name, grey)  # (H, W, C)
        for part, band, n in zip(parts, _bands(image, axis), per_class, strict=True):
            whole(1)("per_class", n)
            part.append(_pieces(name, band, size, n, rng))
    x = [np.concatenate(part).transpose(0, 3, 1, 2) for part in parts]  # (N, C, size, size)
    rows = [(images.reshape(len(images), -1) / 255).astype(np.float32) for images in x]
    labels = [np.repeat(np.arange(len(names)), n) for n in per_class]
    orders = [rng.permutation(len(y)) for y in labels]
    shuffled = [(r[o], y[o]) for r, y, o in zip(rows, labels, orders, strict=True)]
    (x_train, y_train), (x_val, y_val), (x_test, y_test) = shuffled
    return Dataset(
        x_train, y_train, x_val, y_val, x_test, y_test, "photographs", tuple(names), x[0].shape[1:]
    )  # fmt: skip


def _as_channels(name, grey):
    image = photograph(name)
    if image.ndim == 2 and not grey:
        raise ValueError(f"{name!r} is a grey photograph; pass grey=True for all of them")
    if image.ndim == 3 and grey:
        image = image @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    return image if image.ndim == 3 else image[:, :, None]


def _bands(image, axis):
    length = image.shape[axis]
    ends = [round(TRAIN * length), round((TRAIN + VAL) * length)]
    return np.split(image, ends, axis=axis)


def _pieces(name, band, size, n, rng):
    """n pieces (n, size, size, C) of a part of a photograph, without those of one colour."""
    height, width = band.shape[:2]
    if size > min(height, width):
        raise ValueError(
            f"size must be at most {min(height, width)}, what a part of {name!r} is wide or high, "
            f"got {size}"
        )
    found = []
    while len(found) < n:
        tops, lefts = (rng.integers(0, length - size + 1, n) for length in (height, width))
        drawn = [band[t : t + size, s : s + size] for t, s in zip(tops, lefts, strict=True)]
        found += [piece for piece in drawn if piece.std(axis=(0, 1)).max() > EVEN]
    return np.stack(found[:n])
