"""Photographs that come with scikit-image and scikit-learn, cut into patches; and small faces.

More of them, and larger, than those embedded here: enough to learn from some and to transfer to
others. scikit-image lists camera, brick, grass, gravel, chelsea (a cat), coffee and retina as CC0;
astronaut, rocket and hubble_deep_field (NASA, SpaceX), moon and text as public domain; coins
(Brooklyn Museum), page and immunohistochemistry as free of known restrictions; the motorcycle is
from the Middlebury stereo benchmark (Scharstein et al. 2014). China and flower are CC BY 2.0, by
danielbuechele and vultilion, in scikit-learn. The faces are from Labeled Faces in the Wild (Huang
et al. 2007), photographs of the news whose authors keep their rights: for research and teaching.
"""

from pathlib import Path

import numpy as np

from cs231n_lib.data.dataset import split
from cs231n_lib.errors import one_of, validated, whole

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
    image = wheel_photograph(name)
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


def wheel_photograph(name):
    """Return a photograph that scikit-image or scikit-learn brings, (H, W, 3) uint8.

    Raises:
        ValueError: for a name that is neither in `SOURCE` nor in `TARGET`.

    >>> wheel_photograph("camera").shape
    (512, 512, 3)
    """
    one_of(*SOURCE, *TARGET)("name", name)
    from skimage import data, io  # these take a second, which only this function needs

    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        return load_sample_image(f"{name}.jpg")
    if name == "motorcycle":
        return io.imread(Path(data.__file__).parent / "motorcycle_left.png")
    image = getattr(data, name)()
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


def faces(seed=0):
    """100 faces and 100 pieces of other things, grey, of 25 × 25 pixels; `seed` chooses the split.

    They come with scikit-image (`skimage.data.lfw_subset`), which compares their SHA-256, and are
    not contained here. Larger sets of faces are downloads of persons' names and pictures, or may
    not be passed on; this course has none.

    Returns:
        a `Dataset` of 120 training, 40 validation and 40 test examples, (625,) float32 from 0 to 1.

    >>> faces()
    faces: 120 train, 40 val, 40 test examples of shape (625,), 2 classes
    """
    from skimage.data import lfw_subset

    whole(0)("seed", seed)
    order = np.random.default_rng(seed).permutation(200)
    x = lfw_subset()[order].reshape(200, 625).astype(np.float32)
    y = (order < 100).astype(np.int64)  # the first half are faces
    return split(x[:-40], y[:-40], 40, x[-40:], y[-40:], "faces", ("other", "face"), (1, 25, 25))
