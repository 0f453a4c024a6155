r"""Data augmentation (slides 85–92): every epoch sees other versions of the same images.

Images are (N, H, W, C) in NumPy and (N, C, H, W) in PyTorch: floats from 0 to 1, or bytes (uint8)
from 0 to 255, and what comes back is of the same kind. Every image of a batch gets its own draw.

Places. The centre of pixel (i, j) is at row i and column j. So an image of H rows reaches from
:math:`-\tfrac12` to :math:`H - \tfrac12`, and its centre is at row (H − 1)/2. What is asked for
between the pixels is interpolated (`cs231n_lib.sampling`), what is asked for outside is the nearest
pixel.

Flips and crops (slides 87–89). :math:`u \sim U(0, 1)`, :math:`r, s` are whole numbers drawn from
:math:`0, \dots, 2P`, and :math:`\bar x` is x with P rows and columns of zeros on every side:

.. math::
    \hat x_{ij} &= x_{i, W-1-j} \;\text{ if } u < p, \text{ else } x_{ij}   && \text{(Flip.1)} \\
    \hat x_{ij} &= \bar x_{r+i, s+j}   && \text{(Crop.1)}

Resizing from H to :math:`H'` rows keeps the edges of the image, not the centres of its first
pixels, where they are:

.. math::
    H' &= L \, H / \min(H, W)   && \text{(Size.1)} \\
    \hat x_i &= x \text{ at row } (i + \tfrac12) \, H / H' - \tfrac12   && \text{(Size.2)}

Colours (slides 90–91). :math:`\mu` is the mean of *one* image, over its pixels and colours;
:math:`\Sigma` is (C, C), of the colours of all pixels of the training data, with eigenvectors in
the columns of U. Factor, shift and :math:`\alpha` are drawn once for an image:

.. math::
    \hat x &= \mu + c \, (x - \mu) + b, \quad
        c \sim U(1 - c_0, 1 + c_0), \; b \sim U(-b_0, b_0)   && \text{(Color.1)} \\
    \Sigma &= U \operatorname{diag}(\lambda) \, U^\top   && \text{(Color.2)} \\
    \hat x_{ij} &= x_{ij} + U \, (\alpha \circ \lambda), \quad
        \alpha \sim N(0, s^2)   && \text{(Color.3)}

both cut off at 0 and 1.

Geometry (slide 92). z is a place (x to the right, y down) seen from the centre of the image.
What is at z moves to :math:`A z + t`; so the pixel at :math:`z'` shows what was at the place that
moves there:

.. math::
    A &= \begin{pmatrix} \cos\theta & -\sin\theta \\ \sin\theta & \cos\theta \end{pmatrix}
         \begin{pmatrix} 1 & g \\ 0 & 1 \end{pmatrix}
         \begin{pmatrix} s_x & 0 \\ 0 & s_y \end{pmatrix}   && \text{(Warp.1)} \\
    \hat x(z') &= x \text{ at } A^{-1} (z' - t)   && \text{(Warp.2)} \\
    \hat x(z') &= x \text{ at } z' \, (1 + k \, |z'|^2 / R^2)   && \text{(Lens.1)}

where R is the distance from the centre to a corner.

Beyond the lecture: cutout (DeVries & Taylor 2017, arXiv:1708.04552) sets the pixels of a square
around a random pixel to a constant; mixup (Zhang et al. 2018, arXiv:1710.09412) mixes images and
labels alike, with :math:`\pi` a random order of the batch:

.. math::
    \hat x_{ij} &= f \;\text{ if } i, j \text{ lie in the square, else } x_{ij} && \text{(Cut.1)} \\
    \hat x &= \lambda x + (1 - \lambda) x_\pi, \quad
    \hat y = \lambda y + (1 - \lambda) y_\pi, \quad
        \lambda \sim \operatorname{Beta}(\alpha, \alpha)   && \text{(Mix.1)}

=====================  ========================  =================================
what                   drawn for each image      what stays
=====================  ========================  =================================
horizontal_flip        whether                   every row's set of pixels
pad_crop               two whole numbers         the pixels that are still inside
random_resized_crop    size, two whole numbers   proportions
color_jitter           factor and shift          edges
pca_color_offsets      one number a component    differences between pixels
affine_warp            (given)                   straight lines
lens_distortion        (given)                   the centre
mixup                  share and partner         the sum of the labels
=====================  ========================  =================================

None of it belongs to validation or test time; there, one may average over a *fixed* set of crops.
"""

import functools

from cs231n_lib.errors import whole


def on_floats(function):
    """Let a function of float images x take bytes as well, and give bytes back.

    Bytes are divided by 255 on their way in; an image that comes back alone is rounded.

    >>> import numpy as np
    >>> brighter = on_floats(lambda x: x + 0.1)
    >>> brighter(np.array([0, 100, 250], dtype=np.uint8))
    array([ 26, 126, 255], dtype=uint8)
    """

    @functools.wraps(function)
    def converted(x, *args):
        if not str(getattr(x, "dtype", "")).endswith("uint8"):
            return function(x, *args)
        tensor = hasattr(x, "is_floating_point")
        floats = x.float() if tensor else x.astype("float32")
        out = function(floats / 255, *args)
        if isinstance(out, tuple):
            return out
        whole_numbers = (out * 255).round().clip(0, 255)
        return whole_numbers.to(x.dtype) if tensor else whole_numbers.astype(x.dtype)

    return converted


def crop_side(name, value, known):
    """Rule for `validated`: the side of a square that fits into the images."""
    whole(1)(name, value)
    H, W = known["H"][0], known["W"][0]
    if value > min(H, W):
        raise ValueError(
            f"{name} must be at most {min(H, W)}, the short side of {known['H'][1]}, got {value}; "
            "resize the images first"
        )


def require_order(size, low, high):
    """Refuse a patch that does not fit into the smallest of the resized images."""
    if not size <= low <= high:
        raise ValueError(
            "random_resized_crop: size <= low <= high must hold, so that the patch fits into the "
            f"resized image, got size = {size}, low = {low}, high = {high}"
        )


def inside(centre, size, places):
    """Which of `places` (L,) lie in an interval of `size` around each centre (N, 1): (N, L)."""
    first = centre - size // 2
    return (places >= first) & (places < first + size)
