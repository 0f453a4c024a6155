"""Right answers, written in other ways than the reference."""

import numpy as np

from autograder.exercises.augmentation.colors import PER_CHANNEL
from autograder.exercises.augmentation.crops import HFLIP_FIRST
from autograder.exercises.augmentation.pipeline import ONE_SHARE
from autograder.misconceptions.records import right
from cs231n_lib.sampling import bilinear


def of(function, **ways):
    """Return the variants {name of the way: its function} of a function, in NumPy."""
    return tuple(
        variant
        for name, way in ways.items()
        for variant in right(function, name.replace("_", " "), framework="numpy", **{function: way})
    )


# ------------------------------------------------------------------ flips and crops


def flip_in_a_loop(x, p, rng):
    """Go through the images one by one."""
    out = x.copy()
    for n in range(len(x)):
        if rng.uniform() < p:
            out[n] = np.fliplr(x[n])
    return out


def flip_chosen(x, p, rng):
    """Choose images by their numbers."""
    chosen = np.flatnonzero(rng.binomial(1, p, size=x.shape[0]))
    out = x.copy()
    out[chosen] = np.flip(x[chosen], axis=2)
    return out


def flip_by_columns(x, p, rng):
    """Look every column up, from the left or from the right."""
    N, _, W, _ = x.shape
    flips = (rng.random(N) >= 1 - p)[:, None]
    columns = np.where(flips, np.arange(W)[::-1], np.arange(W))  # (N, W)
    return np.take_along_axis(x, columns[:, None, :, None], axis=2)


FLIP = of(
    "horizontal_flip",
    in_a_loop=flip_in_a_loop,
    chosen_by_number=flip_chosen,
    column_by_column=flip_by_columns,
)


def crop_of_each(x, pad, rng):
    """Pad every image on its own, then cut."""
    N, H, W, _ = x.shape
    out = np.empty_like(x)
    for n in range(N):
        padded = np.pad(x[n], ((pad, pad), (pad, pad), (0, 0)))
        top, left = rng.integers(2 * pad + 1), rng.integers(2 * pad + 1)
        out[n] = padded[top : top + H, left : left + W]
    return out


def crop_by_index(x, pad, rng):
    """Look all pixels up at once."""
    N, H, W, _ = x.shape
    padded = np.pad(x, [(0, 0), (pad, pad), (pad, pad), (0, 0)], mode="constant")
    top = rng.integers(0, 2 * pad, size=N, endpoint=True)
    left = rng.integers(0, 2 * pad, size=N, endpoint=True)
    rows, columns = top[:, None] + np.arange(H), left[:, None] + np.arange(W)
    return padded[np.arange(N)[:, None, None], rows[:, :, None], columns[:, None, :]]


def crop_by_shift(x, pad, rng):
    """Shift the image, and leave zeros behind."""
    N, H, W, _ = x.shape
    out = np.zeros_like(x)
    for n, (down, across) in enumerate(rng.integers(-pad, pad + 1, (N, 2))):
        into = (slice(max(down, 0), H + min(down, 0)), slice(max(across, 0), W + min(across, 0)))
        source = (
            slice(max(-down, 0), H + min(-down, 0)),
            slice(max(-across, 0), W + min(-across, 0)),
        )
        out[n][into] = x[n][source]
    return out


PAD_CROP = of(
    "pad_crop",
    each_image_on_its_own=crop_of_each,
    all_pixels_at_once=crop_by_index,
    the_image_is_shifted=crop_by_shift,
)


def resize_by_factors(x, L):
    """Go by one factor for both sides."""
    factor = min(x.shape[1], x.shape[2]) / L
    sizes = [int(side / factor + 0.5) for side in x.shape[1:3]]
    rows, columns = ((np.arange(size) + 0.5) * factor - 0.5 for size in sizes)
    return bilinear(x, *np.meshgrid(rows, columns, indexing="ij"))


def resize_between_edges(x, L):
    """Take the middles between evenly spaced edges."""
    H, W = x.shape[1:3]
    h, w = (L, L * W // H) if H <= W else (L * H // W, L)
    edges = [np.linspace(-0.5, old - 0.5, new + 1) for old, new in ((H, h), (W, w))]
    rows, columns = ((edge[:-1] + edge[1:]) / 2 for edge in edges)
    return bilinear(x, rows.reshape(-1, 1), columns.reshape(1, -1))


def resize_without_the_sampler(x, L):
    """Interpolate along the rows, then along the columns."""
    short = min(x.shape[1:3])
    for axis in (1, 2):
        size = x.shape[axis]
        at = ((np.arange(L * size // short) + 0.5) * short / L - 0.5).clip(0, size - 1)
        first = np.minimum(at.astype(int), max(size - 2, 0))
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        share = (at - first).reshape(shape).astype(x.dtype)
        before, after = x.take(first, axis), x.take((first + 1).clip(max=size - 1), axis)
        x = before * (1 - share) + after * share
    return x


RESIZE = of(
    "resize_short_side",
    by_one_factor=resize_by_factors,
    middles_between_edges=resize_between_edges,
    one_axis_after_the_other=resize_without_the_sampler,
)


def a_bright_column_on_each_side():
    """Return an image with bright columns."""
    x = np.zeros((1, 12, 16, 1), dtype=np.float32)
    x[0, :, 0] = x[0, :, -1] = 1
    return x


def a_bowl():
    """Return an image that gets brighter towards its edges."""
    r = np.abs(np.linspace(-1, 1, 10))
    return np.maximum.outer(r, r).reshape(1, 10, 10, 1) ** 4


def stripes():
    """Return stripes that are their own mirror image."""
    row = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    return np.outer(np.ones(8), row).reshape(1, 8, 10, 1)


SEPARATING = of(
    "separating_image",
    bright_columns=a_bright_column_on_each_side,
    a_bowl=a_bowl,
    stripes=stripes,
)


def ten_in_a_list(x, size):
    """Cut the five, then mirror each."""
    H, W = x.shape[1:3]
    places = [(0, 0), (0, W - size), (H - size, 0), (H - size, W - size)]
    places.append(((H - size) // 2, (W - size) // 2))
    five = [x[:, r : r + size, c : c + size, :] for r, c in places]
    return np.stack(five + [np.flip(crop, 2) for crop in five], axis=1)


def ten_filled(x, size):
    """Fill the result place by place."""
    N, H, W, C = x.shape
    out = np.empty((N, 10, size, size, C), dtype=x.dtype)
    out[:, 0], out[:, 1] = x[:, :size, :size], x[:, :size, W - size :]
    out[:, 2], out[:, 3] = x[:, H - size :, :size], x[:, H - size :, W - size :]
    top, left = int((H - size) / 2), int((W - size) / 2)
    out[:, 4] = x[:, top : top + size, left : left + size]
    for k in range(5):
        out[:, 5 + k] = out[:, k, :, ::-1]
    return out


def ten_of_mirrored(x, size):
    """Cut the same five places out of the mirrored image."""
    H, W = x.shape[1:3]
    crops = []
    for image in (x, x[:, :, ::-1]):
        for r, c in ((0, 0), (0, W - size), (H - size, 0), (H - size, W - size)):
            crops.append(image[:, r : r + size, c : c + size])
        r, c = (H - size) // 2, (W - size) // 2
        if image is not x:
            c = W - size - c
        crops.append(image[:, r : r + size, c : c + size])
    return np.stack(crops, axis=1)


TEN = (
    *of("ten_crop", a_list_of_ten=ten_in_a_list, filled_place_by_place=ten_filled),
    *right(
        "ten_crop", "crops of the mirrored image", ten_crop=ten_of_mirrored, remark=HFLIP_FIRST,
        framework="numpy",
    ),
)  # fmt: skip


def average_image_by_image(crops, predict):
    """Ask for one image at a time."""
    return np.stack([predict(of_one).mean(axis=0) for of_one in crops])


def average_crop_by_crop(crops, predict):
    """Ask for one crop of all images at a time."""
    total = 0
    for k in range(crops.shape[1]):
        total = total + predict(crops[:, k])
    return total / crops.shape[1]


def average_by_weights(crops, predict):
    """Multiply by a matrix that averages."""
    N, K = crops.shape[:2]
    p = predict(crops.reshape((-1, *crops.shape[2:])))
    return np.kron(np.eye(N), np.full((1, K), 1 / K)) @ p


AVERAGE = of(
    "average_over_crops",
    image_by_image=average_image_by_image,
    crop_by_crop=average_crop_by_crop,
    with_a_matrix=average_by_weights,
)

# ------------------------------------------------------------------ colours


def jitter_in_a_loop(x, contrast, brightness, rng):
    """Go through the images one by one."""
    out = np.zeros_like(x)
    for n, image in enumerate(x):
        factor = 1 + contrast * rng.uniform(-1, 1)
        shift = brightness * rng.uniform(-1, 1)
        out[n] = np.minimum(
            np.maximum(image.mean() + factor * (image - image.mean()) + shift, 0), 1
        )
    return out


def jitter_brightness_first(x, contrast, brightness, rng):
    """Shift first, then stretch around the new mean."""
    draws = rng.random((2, len(x), 1, 1, 1)).astype(x.dtype) * 2 - 1
    shifted = x + brightness * draws[0]
    mean = shifted.mean((1, 2, 3), keepdims=True)
    return np.clip((shifted - mean) * (1 + contrast * draws[1]) + mean, 0, 1)


def jitter_of_rows(x, contrast, brightness, rng):
    """Treat every image as a row of numbers."""
    rows = x.reshape(len(x), -1)
    mean = rows.mean(axis=1, keepdims=True)
    factor = rng.uniform(1 - contrast, 1 + contrast, (len(x), 1))
    shift = rng.uniform(-brightness, brightness, (len(x), 1))
    return ((rows - mean) * factor + mean + shift).clip(0, 1).reshape(x.shape).astype(x.dtype)


def jitter_by_channel(x, contrast, brightness, rng):
    """Keep the mean of every channel."""
    shape = (len(x), 1, 1, 1)
    factor = rng.uniform(1 - contrast, 1 + contrast, shape).astype(x.dtype)
    shift = rng.uniform(-brightness, brightness, shape).astype(x.dtype)
    mean = x.mean(axis=(1, 2), keepdims=True)
    return np.clip(mean + factor * (x - mean) + shift, 0, 1)


JITTER = (
    *of(
        "color_jitter",
        in_a_loop=jitter_in_a_loop,
        brightness_first=jitter_brightness_first,
        rows_of_numbers=jitter_of_rows,
    ),
    *right(
        "color_jitter", "the mean of each channel", color_jitter=jitter_by_channel,
        remark=PER_CHANNEL, framework="numpy",
    ),
)  # fmt: skip

UNBIASED = (
    "You divide by the number of pixels minus one, as np.cov does. With the thousands of pixels of "
    "a data set it makes no difference; the exercises divide by their number."
)


def components_by_svd(x):
    """Take the singular values of the centred colours."""
    colors = x.reshape(-1, x.shape[-1])
    _, singular, V = np.linalg.svd(colors - colors.mean(axis=0), full_matrices=False)
    return singular**2 / len(colors), V.T


def components_by_cov(x):
    """Take NumPy's covariance, divided by the number of pixels."""
    values, vectors = np.linalg.eigh(np.cov(x.reshape(-1, x.shape[3]), rowvar=False, ddof=0))
    order = values.argsort()[::-1]
    return values[order].astype(x.dtype), vectors[:, order].astype(x.dtype)


def components_by_moments(x):
    """Add up over pixels with einsum."""
    centred = x - x.mean(axis=(0, 1, 2))
    cov = np.einsum("nijc,nijd->cd", centred, centred) / (x.size // x.shape[3])
    U, values, _ = np.linalg.svd(cov)
    return values, -U


def components_unbiased(x):
    """Divide by the number of pixels minus one."""
    colors = x.reshape(-1, x.shape[-1])
    cov = np.cov(colors.T)
    values, U = np.linalg.eigh(cov)
    return values.astype(x.dtype), U.astype(x.dtype)


COMPONENTS = (
    *of(
        "color_components",
        singular_values=components_by_svd,
        np_cov_sorted=components_by_cov,
        einsum_and_svd=components_by_moments,
    ),
    *right(
        "color_components", "divided by the number minus one",
        color_components=components_unbiased, remark=UNBIASED, framework="numpy",
    ),
)  # fmt: skip


def offsets_in_a_loop(x, eigenvalues, U, std, rng):
    """Add up the components one by one."""
    out = x.copy()
    for n in range(len(x)):
        offset = np.zeros(x.shape[-1])
        for k, size in enumerate(eigenvalues):
            offset = offset + rng.normal(0, std) * size * U[:, k] if std else offset
        out[n] = np.clip(x[n] + offset, 0, 1)
    return out


def offsets_by_einsum(x, eigenvalues, U, std, rng):
    """Sum over components by einsum."""
    alpha = rng.normal(scale=std, size=(x.shape[0], eigenvalues.shape[0])).astype(x.dtype)
    offsets = np.einsum("ck,k,nk->nc", U, eigenvalues, alpha)
    return np.minimum(1, np.maximum(0, x + offsets.reshape(len(x), 1, 1, -1)))


def offsets_by_matrix(x, eigenvalues, U, std, rng):
    """Multiply normal numbers by one matrix."""
    mix = np.diag(eigenvalues) @ U.T * std
    offsets = rng.standard_normal(size=(len(x), 3)) @ mix
    return (x + offsets.astype(x.dtype)[:, np.newaxis, np.newaxis]).clip(0, 1)


OFFSETS = of(
    "pca_color_offsets",
    in_a_loop=offsets_in_a_loop,
    einsum=offsets_by_einsum,
    one_matrix=offsets_by_matrix,
)

# ------------------------------------------------------------------ geometry


def matrices_written_out(angle, stretch, shear, shift):
    """Multiply out by hand."""
    theta = angle * np.pi / 180
    c, s = np.cos(theta), np.sin(theta)
    out = np.empty((len(angle), 2, 3), dtype=angle.dtype)
    out[:, 0, 0], out[:, 1, 0] = c * stretch[:, 0], s * stretch[:, 0]
    out[:, 0, 1] = (c * shear - s) * stretch[:, 1]
    out[:, 1, 1] = (s * shear + c) * stretch[:, 1]
    out[:, :, 2] = shift
    return out


def matrices_one_by_one(angle, stretch, shear, shift):
    """Multiply the three matrices of every image."""
    out = []
    for theta, (s_x, s_y), g, t in zip(np.radians(angle), stretch, shear, shift, strict=True):
        R = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
        A = R @ np.array([[1, g], [0, 1]]) @ np.diag([s_x, s_y])
        out.append(np.column_stack([A, t]))
    return np.array(out, dtype=angle.dtype)


def matrices_by_complex(angle, stretch, shear, shift):
    """Turn the columns as complex numbers."""
    turn = np.exp(1j * np.deg2rad(angle))
    first, second = turn * stretch[:, 0], turn * (shear + 1j) * stretch[:, 1]
    last = shift[:, 0] + 1j * shift[:, 1]
    columns = np.stack([first, second, last], axis=1)  # (N, 3)
    return np.stack([columns.real, columns.imag], axis=1).astype(angle.dtype)


MATRICES = of(
    "affine_matrices",
    written_out=matrices_written_out,
    one_by_one=matrices_one_by_one,
    complex_numbers=matrices_by_complex,
)


def warp_one_by_one(x, matrices):
    """Go through the images."""
    H, W = x.shape[1:3]
    columns, rows = np.meshgrid(np.arange(W), np.arange(H))
    z = np.stack([columns.ravel() - (W - 1) / 2, rows.ravel() - (H - 1) / 2])  # (2, HW)
    out = np.empty_like(x)
    for n, matrix in enumerate(matrices):
        source = np.linalg.solve(matrix[:, :2], z - matrix[:, 2:])
        at = (source[1] + (H - 1) / 2).reshape(H, W), (source[0] + (W - 1) / 2).reshape(H, W)
        out[n] = bilinear(x[n : n + 1], *at)[0]
    return out


def warp_homogeneous(x, matrices):
    """Invert 3 by 3 matrices about the centre."""
    N, H, W, _ = x.shape
    last = np.tile([[[0.0, 0.0, 1.0]]], (N, 1, 1))
    centre = np.array([[1, 0, (W - 1) / 2], [0, 1, (H - 1) / 2], [0, 0, 1]])
    forward = centre @ np.concatenate([matrices, last], axis=1) @ np.linalg.inv(centre)
    rows, columns = np.mgrid[:H, :W]
    places = np.stack([columns, rows, np.ones((H, W))]).reshape(3, -1)
    source = (np.linalg.inv(forward) @ places).reshape(N, 3, H, W)
    return bilinear(x, source[:, 1], source[:, 0])


def warp_by_einsum(x, matrices):
    """Sum over coordinates by einsum."""
    H, W = x.shape[1:3]
    half = (np.array([W, H]) - 1) / 2
    z = np.dstack(np.meshgrid(np.arange(W), np.arange(H))) - half  # (H, W, 2)
    back = np.linalg.inv(matrices[..., :2])
    source = np.einsum("nab,nijb->nija", back, z - matrices[:, None, None, :, 2]) + half
    return bilinear(x, source[..., 1], source[..., 0])


WARP = of(
    "affine_warp",
    one_by_one=warp_one_by_one,
    homogeneous_coordinates=warp_homogeneous,
    einsum=warp_by_einsum,
)


def lens_one_by_one(x, k):
    """Go through the images."""
    H, W = x.shape[1:3]
    rows, columns = np.mgrid[:H, :W] - np.array([(H - 1) / 2, (W - 1) / 2]).reshape(2, 1, 1)
    r = np.hypot(rows, columns) / np.hypot((H - 1) / 2, (W - 1) / 2)
    out = [
        bilinear(image[None], rows * (1 + s * r**2) + (H - 1) / 2,
                 columns * (1 + s * r**2) + (W - 1) / 2)[0]
        for image, s in zip(x, k, strict=True)
    ]  # fmt: skip
    return np.stack(out)


def lens_by_offsets(x, k):
    """Add to every place how far it moves."""
    N, H, W, _ = x.shape
    i, j = np.arange(H).reshape(1, H, 1), np.arange(W).reshape(1, 1, W)
    cy, cx = 0.5 * (H - 1), 0.5 * (W - 1)
    bend = k.reshape(N, 1, 1) * ((i - cy) ** 2 + (j - cx) ** 2) / (cy**2 + cx**2)
    return bilinear(x, i + bend * (i - cy), j + bend * (j - cx))


def lens_by_complex(x, k):
    """Places as complex numbers."""
    H, W = x.shape[1:3]
    z = (np.arange(W) - (W - 1) / 2) + 1j * (np.arange(H) - (H - 1) / 2)[:, None]
    z = z * (1 + np.multiply.outer(k, abs(z / z[-1, -1]) ** 2))
    return bilinear(x, z.imag + (H - 1) / 2, z.real + (W - 1) / 2)


LENS = of(
    "lens_distortion",
    one_by_one=lens_one_by_one,
    how_far_it_moves=lens_by_offsets,
    complex_numbers=lens_by_complex,
)

# ------------------------------------------------------------------ the pipeline


def pipeline_split(data, augment, normalize, step, score, epochs, batch_size, rng):
    """Split the order into batches, and normalize validation once."""
    x_train, y_train, x_val, y_val = data
    x_val, results = normalize(x_val), np.zeros(epochs)
    for epoch in range(epochs):
        order = rng.permutation(len(y_train))
        for batch in np.split(order, range(batch_size, len(order), batch_size)):
            step(normalize(augment(x_train[batch], rng)), y_train[batch])
        results[epoch] = score(x_val, y_val)
    return results


def pipeline_by_epoch(data, augment, normalize, step, score, epochs, batch_size, rng):
    """Augment all images at the beginning of every epoch."""
    x, y, x_val, y_val = data
    scores = []
    for _ in range(epochs):
        versions = normalize(augment(x, rng))
        order = np.arange(len(x))
        rng.shuffle(order)
        for i in range(-(-len(x) // batch_size)):
            chosen = order[i * batch_size : (i + 1) * batch_size]
            step(versions[chosen], y[chosen])
        scores += [score(normalize(x_val), y_val)]
    return np.asarray(scores)


def pipeline_image_by_image(data, augment, normalize, step, score, epochs, batch_size, rng):
    """Augment one image at a time."""
    x, y, x_val, y_val = data
    scores, todo = [], []
    for _ in range(epochs):
        todo = list(rng.choice(len(x), len(x), replace=False))
        while todo:
            batch, todo = todo[:batch_size], todo[batch_size:]
            images = np.concatenate([augment(x[n : n + 1], rng) for n in batch])
            step(normalize(images), y[np.array(batch)])
        scores.append(float(score(normalize(x_val), y_val)))
    return np.array(scores)


PIPELINE = of(
    "train_augmented",
    the_order_split=pipeline_split,
    all_images_in_every_epoch=pipeline_by_epoch,
    image_by_image=pipeline_image_by_image,
)


def mixup_in_a_loop(x, y, alpha, rng):
    """Go through the pairs."""
    x_mix, y_mix = np.empty_like(x), np.empty_like(y)
    for n, m in enumerate(rng.permutation(len(x))):
        lam = rng.beta(alpha, alpha)
        x_mix[n] = lam * x[n] + (1 - lam) * x[m]
        y_mix[n] = lam * y[n] + (1 - lam) * y[m]
    return x_mix, y_mix


def mixup_by_gamma(x, y, alpha, rng):
    """Make beta numbers of gamma numbers; the partner moves towards."""
    a, b = rng.gamma(alpha, size=(2, len(x)))
    share = (a / (a + b)).astype(x.dtype)
    order = rng.permutation(len(x))
    x_mix = x[order] + share.reshape(-1, 1, 1, 1) * (x - x[order])
    return x_mix, y[order] + share.reshape(-1, 1).astype(y.dtype) * (y - y[order])


def mixup_neighbours(x, y, alpha, rng):
    """Take the next one of the batch, which comes in random order, as partner."""
    share = rng.beta(alpha, alpha, size=len(y)).astype(x.dtype)
    s = share.reshape(-1, *[1] * (x.ndim - 1))
    x_mix = s * x + (1 - s) * np.roll(x, 1, axis=0)
    s = share[:, np.newaxis].astype(y.dtype)
    return x_mix, s * y + (1 - s) * np.roll(y, 1, axis=0)


def mixup_one_share(x, y, alpha, rng):
    """One share for the whole batch."""
    share, order = float(rng.beta(alpha, alpha)), rng.permutation(len(x))
    mix = [share * part + (1 - share) * part[order] for part in (x, y)]
    return tuple(mix)


MIXUP = (
    *of("mixup", in_a_loop=mixup_in_a_loop, gamma_numbers=mixup_by_gamma,
        the_next_one=mixup_neighbours),
    *right("mixup", "one share for the batch", mixup=mixup_one_share, remark=ONE_SHARE),
)  # fmt: skip

VARIANTS = (
    *FLIP,
    *PAD_CROP,
    *RESIZE,
    *SEPARATING,
    *TEN,
    *AVERAGE,
    *JITTER,
    *COMPONENTS,
    *OFFSETS,
    *MATRICES,
    *WARP,
    *LENS,
    *PIPELINE,
    *MIXUP,
)
