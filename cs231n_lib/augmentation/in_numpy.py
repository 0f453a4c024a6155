"""Data augmentation in NumPy, images (N, H, W, C), with the tags of the equations."""

import numpy as np

from cs231n_lib.augmentation import crop_side, inside, on_floats, require_order
from cs231n_lib.errors import generator, images, validated, whole
from cs231n_lib.precision import in_single_throughout
from cs231n_lib.sampling import bilinear

# ---------------------------------------------------------------------------------- flips, crops


@validated(x=images("N H W C"), p="fraction", rng=generator)
def horizontal_flip(x, p, rng):
    """Mirror each image left to right, or leave it as it is.

    Args:
        x: (N, H, W, C) images.
        p: probability that an image is mirrored.
        rng: np.random.Generator, the only source of randomness; one draw for each image.

    Returns:
        out: (N, H, W, C), a new array.

    Slide 87.

    >>> x = np.arange(3.0).reshape(1, 1, 3, 1)
    >>> horizontal_flip(x, 1.0, np.random.default_rng(0)).ravel()
    array([2., 1., 0.])
    """
    flips = rng.random(len(x)) < p  # (N,)
    return np.where(flips[:, None, None, None], x[:, :, ::-1], x)  # Flip.1


@validated(x=images("N H W C"), pad=whole(0), rng=generator)
def pad_crop(x, pad, rng):
    """Put zeros around each image, and cut a window of its old size out at a random place.

    Args:
        x: (N, H, W, C) images.
        pad: rows and columns of zeros on each of the four sides.
        rng: np.random.Generator, the only source of randomness. For each image one row and one
            column at which its window begins: whole numbers from 0 to 2·pad, both included.

    Returns:
        out: (N, H, W, C), a new array.

    Slide 88, at the size of CIFAR-10 (He et al. 2016, arXiv:1512.03385).

    >>> pad_crop(np.ones((1, 2, 3, 1)), 0, np.random.default_rng(0)).shape
    (1, 2, 3, 1)
    """
    N, H, W, C = x.shape
    r, s = rng.integers(0, 2 * pad + 1, (2, N))
    out = np.zeros_like(x)
    padded = np.zeros((H + 2 * pad, W + 2 * pad, C), x.dtype)
    for n in range(N):
        padded[pad : pad + H, pad : pad + W] = x[n]  # the zeros around it stay
        out[n] = padded[r[n] : r[n] + H, s[n] : s[n] + W]  # Crop.1
    return out


@on_floats
@validated(x=images("N H W C"), L=whole(1))
def resize_short_side(x, L):
    """Resize images so that their short side has L pixels, and keep their proportions.

    Args:
        x: (N, H, W, C) images.
        L: the new length of the short side. The other side becomes a whole number too; pixels
            between the old ones are interpolated with `bilinear`, edges stay edges.

    Returns:
        out: (N, H', W', C), with min(H', W') = L.

    Slides 88–89, step 2.

    >>> x = np.arange(4.0).reshape(1, 1, 4, 1)
    >>> resize_short_side(x, 2)[0, 0, :, 0]
    array([0.  , 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.  ])
    """
    H, W = x.shape[1:3]
    H_new, W_new = (round(L * side / min(H, W)) for side in (H, W))  # Size.1
    rows = (np.arange(H_new) + 0.5) * H / H_new - 0.5  # (H',) Size.2
    columns = (np.arange(W_new) + 0.5) * W / W_new - 0.5  # (W',)
    return bilinear(x, rows[:, None], columns[None, :])


@validated(x=images("N H W C"), size=whole(1), low=whole(1), high=whole(1), rng=generator)
def random_resized_crop(x, size, low, high, rng):
    """Resize each image to a random scale, and cut a random square patch out of it.

    Args:
        x: (N, H, W, C) images.
        size: side of the patch, at most `low`.
        low, high: the short side becomes a whole number L from low to high, both included.
        rng: np.random.Generator, the only source of randomness; for each image its own L and
            its own place.

    Returns:
        out: (N, size, size, C).

    Raises:
        ValueError: when size <= low <= high does not hold.

    Slide 88: low = 256, high = 480, size = 224.

    >>> random_resized_crop(np.ones((2, 8, 9, 3)), 4, 5, 9, np.random.default_rng(0)).shape
    (2, 4, 4, 3)
    """
    require_order(size, low, high)
    patches = []
    for image in x:
        larger = resize_short_side(image[None], int(rng.integers(low, high + 1)))[0]
        H, W = larger.shape[:2]
        r, s = rng.integers(0, H - size + 1), rng.integers(0, W - size + 1)
        patches.append(larger[r : r + size, s : s + size])  # Crop.1, without zeros
    return np.stack(patches)


@validated(x=images("N H W C"), size=crop_side)
def ten_crop(x, size):
    """Cut the four corners and the centre out of each image, and mirror these five.

    Args:
        x: (N, H, W, C) images.
        size: side of the square crops, at most min(H, W).

    Returns:
        crops: (N, 10, size, size, C): upper left, upper right, lower left, lower right, centre
        (of an odd margin the smaller half is above and to the left), then the mirror images of
        the five in the same order.

    Slide 89, testing. Krizhevsky et al. 2012.

    >>> ten_crop(np.arange(9.0).reshape(1, 3, 3, 1), 1).ravel()
    array([0., 2., 6., 8., 4., 0., 2., 6., 8., 4.])
    """
    H, W = x.shape[1:3]
    bottom, right = H - size, W - size
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    crops = np.stack([x[:, r : r + size, s : s + size] for r, s in corners], axis=1)  # Crop.1
    return np.concatenate([crops, crops[:, :, :, ::-1]], axis=1)  # Flip.1


@validated(x=images("N H W C"), size=whole(1))
def multi_scale_crops(x, size, scales):
    """Ten crops of each image at each of several scales.

    Args:
        x: (N, H, W, C) images.
        size: side of the square crops, at most the smallest scale.
        scales: lengths of the short side, one after the other.

    Returns:
        crops: (N, 10·len(scales), size, size, C), scale by scale in the order of `ten_crop`.

    Slide 89, testing: scales 224, 256, 384, 480, 640 and size = 224.

    >>> multi_scale_crops(np.ones((2, 6, 8, 3)), 4, (4, 5)).shape
    (2, 20, 4, 4, 3)
    """
    return np.concatenate([ten_crop(resize_short_side(x, L), size) for L in scales], axis=1)


@validated(crops=images("N K h w C"), predict="function")
def average_over_crops(crops, predict):
    """Average the class probabilities over a fixed set of crops of each image.

    Args:
        crops: (N, K, h, w, C), K crops of each of N images.
        predict: function of (M, h, w, C) images, which returns their probabilities (M, classes).

    Returns:
        probabilities: (N, classes).

    Slide 89, testing: "average a fixed set of crops".

    >>> dark_or_bright = lambda x: np.stack([1 - x.mean((1, 2, 3)), x.mean((1, 2, 3))], axis=1)
    >>> average_over_crops(np.array([0.0, 0.5]).reshape(1, 2, 1, 1, 1), dark_or_bright)
    array([[0.75, 0.25]])
    """
    N, K = crops.shape[:2]
    probabilities = predict(crops.reshape(N * K, *crops.shape[2:]))  # (N·K, classes)
    return probabilities.reshape(N, K, -1).mean(axis=1)


# ---------------------------------------------------------------------------------- colours


@on_floats
@validated(x=images("N H W C"), contrast="fraction", brightness="fraction", rng=generator)
def color_jitter(x, contrast, brightness, rng):
    """Change contrast and brightness of each image at random.

    Args:
        x: (N, H, W, C) images from 0 to 1.
        contrast: each image gets a factor, uniform from 1 − contrast to 1 + contrast, on how far
            its values lie from their mean over the whole image, or over each channel.
        brightness: and then a shift of all its values, uniform from −brightness to brightness.
        rng: np.random.Generator, the only source of randomness; its own draws for each image.

    Returns:
        out: (N, H, W, C), cut off at 0 and 1, of the dtype of x.

    Slide 90.

    >>> x = np.array([0.25, 0.75]).reshape(1, 1, 2, 1)
    >>> color_jitter(x, 0.5, 0.0, np.random.default_rng(3)).ravel().round(2)
    array([0.35, 0.65])
    """
    N = len(x)
    c = rng.uniform(1 - contrast, 1 + contrast, (N, 1, 1, 1)).astype(x.dtype)
    b = rng.uniform(-brightness, brightness, (N, 1, 1, 1)).astype(x.dtype)
    mean = x.mean(axis=(1, 2, 3), keepdims=True)  # (N, 1, 1, 1)
    out = c * x
    out += (1 - c) * mean + b  # Color.1
    return np.clip(out, 0, 1, out=out)


@on_floats
@validated(x=images("N H W C"))
@in_single_throughout
def color_components(x):
    """Principal components of the colours of all pixels.

    Args:
        x: (N, H, W, C) training images from 0 to 1.

    Returns:
        eigenvalues: (C,) variances along the components; U: (C, C) the components, unit vectors
        in its columns, in the order of the eigenvalues. Any order and sign will do,
        and a division by the number of pixels or by one less.

    Slide 91, step 1.

    >>> grey = np.linspace(0, 1, 6).reshape(1, 2, 3, 1) * np.ones(3)
    >>> eigenvalues, U = color_components(grey)
    >>> eigenvalues.max().round(2), abs(U[:, eigenvalues.argmax()]).round(2)
    (np.float64(0.35), array([0.58, 0.58, 0.58]))
    """
    colors = x.reshape(-1, x.shape[-1])  # (N·H·W, C)
    centred = colors - colors.mean(axis=0)
    cov = centred.T @ centred / len(colors)  # (C, C)
    eigenvalues, U = np.linalg.eigh(cov)  # Color.2
    return eigenvalues, U


@on_floats
@validated(x=images("N H W C"), eigenvalues="C", U="C C", std="nonnegative", rng=generator)
def pca_color_offsets(x, eigenvalues, U, std, rng):
    """Add to each image one colour, drawn along the principal components of the training colours.

    Args:
        x: (N, H, W, C) images from 0 to 1.
        eigenvalues: (C,) and U: (C, C): as `color_components` returns them.
        std: standard deviation of the factors on the eigenvalues; 0.1 in the paper.
        rng: np.random.Generator, the only source of randomness; C normal numbers for each image.

    Returns:
        out: (N, H, W, C), cut off at 0 and 1, of the dtype of x.

    Slide 91, steps 2 and 3. Krizhevsky et al. 2012, section 4.1.

    >>> x, rng = np.full((1, 1, 1, 3), 0.5), np.random.default_rng(0)
    >>> pca_color_offsets(x, np.array([0.5, 0.0, 0.0]), np.eye(3), 0.1, rng).ravel().round(4)
    array([0.5063, 0.5   , 0.5   ])
    """
    alpha = std * rng.standard_normal((len(x), len(eigenvalues)))  # (N, C)
    offsets = (alpha * eigenvalues) @ U.T  # (N, C) Color.3
    out = x + offsets[:, None, None, :].astype(x.dtype)
    return np.clip(out, 0, 1, out=out)


# ---------------------------------------------------------------------------------- geometry


@validated(angle="N", stretch="N 2", shear="N", shift="N 2")
def affine_matrices(angle, stretch, shear, shift):
    """Matrices [A | t] that stretch, then shear, then rotate, then shift.

    Args:
        angle: (N,) degrees; with y down, a positive angle turns clockwise.
        stretch: (N, 2) factors along x and y.
        shear: (N,) how far x moves for each pixel of y.
        shift: (N, 2) pixels along x and y.

    Returns:
        matrices: (N, 2, 3), the last column is the shift.

    Slide 92.

    >>> one, zero = np.ones((1, 2)), np.zeros((1, 2))
    >>> affine_matrices(np.array([90.0]), one, zero[:, 0], one).round(6) + 0.0
    array([[[ 0., -1.,  1.],
            [ 1.,  0.,  1.]]])
    """
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    one, zero = np.ones_like(angle), np.zeros_like(angle)
    rotate = np.stack([cos, -sin, sin, cos], axis=1).reshape(-1, 2, 2)  # (N, 2, 2)
    shear = np.stack([one, shear, zero, one], axis=1).reshape(-1, 2, 2)
    A = rotate @ shear * stretch[:, None, :]  # (N, 2, 2) Warp.1
    return np.concatenate([A, shift[:, :, None]], axis=2)


@on_floats
@validated(x=images("N H W C"), matrices="N 2 3")
@in_single_throughout
def affine_warp(x, matrices):
    """Move what each image shows by its own affine map about the centre of the image.

    Args:
        x: (N, H, W, C) images.
        matrices: (N, 2, 3) = [A | t]: what is at z goes to A z + t, where z = (x, y) is a place
            in pixels, x to the right and y down, seen from the centre of the image.

    Returns:
        out: (N, H, W, C), interpolated with `bilinear`, of the dtype of x.

    Slide 92.

    >>> x, right = np.arange(3.0).reshape(1, 1, 3, 1), np.array([[[1.0, 0, 1], [0, 1, 0]]])
    >>> affine_warp(x, right).ravel()
    array([0., 0., 1.])
    """
    N, H, W = x.shape[:3]
    inverse = np.linalg.inv(matrices[:, :, :2])
    a, b, c, d = inverse.reshape(N, 4, 1, 1).transpose(1, 0, 2, 3)  # each (N, 1, 1)
    t_x, t_y = matrices[:, :, 2].T[:, :, None, None]  # each (N, 1, 1)
    z_x = np.arange(W, dtype=matrices.dtype)[None, :] - (W - 1) / 2  # (1, W)
    z_y = np.arange(H, dtype=matrices.dtype)[:, None] - (H - 1) / 2  # (H, 1)
    columns = a * (z_x - t_x) + b * (z_y - t_y) + (W - 1) / 2  # (N, H, W) Warp.2
    rows = c * (z_x - t_x) + d * (z_y - t_y) + (H - 1) / 2
    return bilinear(x, rows, columns)


@on_floats
@validated(x=images("N H W C"), k="N")
def lens_distortion(x, k):
    """Bend each image as a lens does: like a barrel for k > 0, like a cushion for k < 0.

    Args:
        x: (N, H, W, C) images.
        k: (N,) strength: a corner shows what was 1 + k times as far from the centre.

    Returns:
        out: (N, H, W, C), interpolated with `bilinear`, of the dtype of x.

    Slide 92, "lens distortions".

    >>> x = np.arange(5.0).reshape(1, 1, 5, 1)
    >>> lens_distortion(x, np.array([-0.5])).ravel()
    array([1.   , 1.125, 2.   , 2.875, 3.   ])
    """
    H, W = x.shape[1:3]
    z_x = np.arange(W)[None, :] - (W - 1) / 2  # (1, W)
    z_y = np.arange(H)[:, None] - (H - 1) / 2  # (H, 1)
    squares = z_x**2 + z_y**2  # (H, W) |z|², at most R²
    factor = 1 + k[:, None, None] * squares / squares.max()  # (N, H, W) Lens.1
    return bilinear(x, factor * z_y + (H - 1) / 2, factor * z_x + (W - 1) / 2)


# ---------------------------------------------------------------------------------- beyond


@validated(x=images("N H W C"), size=whole(1), rng=generator)
def cutout(x, size, rng, fill=0.0):
    """Cover a square of each image, around a random pixel; at the border only a part of it.

    Args:
        x: (N, H, W, C) images. After normalization a fill of 0 is the mean colour.
        size: side of the square.
        rng: np.random.Generator, the only source of randomness.
        fill: the value of covered pixels.

    Returns:
        out: (N, H, W, C), a new array.

    Beyond the lecture (beside slide 92). DeVries & Taylor 2017, arXiv:1708.04552.

    >>> int(cutout(np.ones((1, 9, 9, 1)), 1, np.random.default_rng(0)).sum())
    80
    """
    H, W = x.shape[1:3]
    r, s = rng.integers(0, [[H], [W]], (2, len(x)))
    rows = inside(r[:, None], size, np.arange(H))[:, :, None]  # (N, H, 1)
    columns = inside(s[:, None], size, np.arange(W))[:, None, :]  # (N, 1, W)
    return np.where((rows & columns)[..., None], np.asarray(fill, x.dtype), x)  # Cut.1


@validated(x="N H W C", y="N K", alpha="positive", rng=generator)
def mixup(x, y, alpha, rng):
    """Mix each image with another one of the batch, and its label by the same share.

    Args:
        x: (N, H, W, C) images.
        y: (N, K) labels as probabilities: one-hot rows.
        alpha: the share comes from Beta(alpha, alpha).
        rng: np.random.Generator, the only source of randomness; a share for each image, or
            one for the whole batch, and an order of the batch for the partners, usually a random
            one.

    Returns:
        x_mix: (N, H, W, C); y_mix: (N, K), of the dtypes of x and y.

    Beyond the lecture (beside slide 92). Zhang et al. 2018, arXiv:1710.09412.

    >>> x, y = np.ones((2, 1, 1, 1)), np.eye(2)
    >>> mixup(x, y, 0.3, np.random.default_rng(0))[1].sum(axis=1)
    array([1., 1.])
    """
    share = rng.beta(alpha, alpha, len(x)).astype(x.dtype)  # (N,)
    order = rng.permutation(len(x))
    for_x, for_y = share[:, None, None, None], share[:, None].astype(y.dtype)
    x_mix = for_x * x + (1 - for_x) * x[order]
    return x_mix, for_y * y + (1 - for_y) * y[order]  # Mix.1


# ---------------------------------------------------------------------------------- the pipeline


@validated(epochs=whole(1), batch_size=whole(1), rng=generator)
def train_augmented(data, augment, normalize, step, score, epochs, batch_size, rng):
    """Train on new versions of the training images in every epoch, and score after each.

    Args:
        data: (x_train, y_train, x_val, y_val); x (N, H, W, C) images from 0 to 1.
        augment: function (x, rng) -> images from 0 to 1, a new draw at each call.
        normalize: function (x) -> what the network wants to see.
        step: function (x, y): one step of training on a batch.
        score: function (x, y) -> validation accuracy.
        epochs: how many.
        batch_size: in every epoch all training examples come once, in a new order; the last
            batch may be smaller.
        rng: np.random.Generator: the order of the examples, and what `augment` gets.

    Returns:
        scores: (epochs,) after each epoch, on all validation data at once.

    Slides 85–86.

    >>> data = np.ones((4, 1, 1, 1)), np.arange(4), np.ones((2, 1, 1, 1)), np.arange(2)
    >>> darker, centred = lambda x, rng: x / 2, lambda x: x - 0.5
    >>> step, score = lambda x, y: print(x.ravel()), lambda x, y: x.mean()
    >>> train_augmented(data, darker, centred, step, score, 1, 3, np.random.default_rng(0))
    [0. 0. 0.]
    [0.]
    array([0.5])
    """
    x_train, y_train, x_val, y_val = data
    scores = []
    for _ in range(epochs):
        order = rng.permutation(len(x_train))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            step(normalize(augment(x_train[batch], rng)), y_train[batch])
        scores.append(score(normalize(x_val), y_val))
    return np.array(scores)


def separating_image():
    """Return an image that shows in which resize the pixels' corners stand for their centres.

    Returns:
        x: (1, H, W, 1) floats from 0 to 1, 8 to 64 rows and columns, its own mirror image.

    Slides 88–89.
    """
    frame = np.zeros((1, 8, 8, 1))
    frame[:, [0, -1]] = frame[:, :, [0, -1]] = 1.0  # only the border is bright
    return frame
