"""Augmentation by scikit-image, SciPy and scikit-learn, with the conventions of the exercises.

They work on one image at a time, as arrays with the channels last.
"""

import numpy as np
import skimage.transform
import torch
from sklearn.decomposition import PCA


def with_channels_last(function):
    """Return a function of images (N, H, W, C) as one of tensors as they come.

    Those of the exercises in PyTorch have their channels before the rows: they have two or three
    channels, and more rows than that.
    """

    def converted(x, *args):
        first = x.shape[1] < min(x.shape[2:])
        images = x.movedim(1, 3) if first else x
        out = torch.from_numpy(function(images.numpy(), *(np.asarray(arg) for arg in args)))
        return out.movedim(3, 1) if first else out

    return converted


def resize_short_side(x, L):
    """`skimage.transform.resize`, bilinear, without smoothing before."""
    H, W = x.shape[1:3]
    size = [int(L) * side // min(H, W) for side in (H, W)]
    images = x.numpy()
    resized = [
        skimage.transform.resize(image, size, order=1, mode="edge", anti_aliasing=False)
        for image in images
    ]
    return torch.from_numpy(np.stack(resized))


@with_channels_last
def affine_warp(x, matrices):
    """`skimage.transform.warp` with a matrix about the centre."""
    H, W = x.shape[1:3]
    to_centre = np.array([[1, 0, (W - 1) / 2], [0, 1, (H - 1) / 2], [0, 0, 1]])
    out = []
    for image, matrix in zip(x, matrices, strict=True):
        forward = to_centre @ np.vstack([matrix, [0, 0, 1]]) @ np.linalg.inv(to_centre)
        inverse = np.linalg.inv(forward)
        out.append(skimage.transform.warp(image, inverse, order=1, mode="edge"))
    return np.stack(out).astype(x.dtype)


def affine_matrices(angle, stretch, shear, shift):
    """`skimage.transform.AffineTransform`: its three steps, one after the other."""
    out = []
    for degrees, s, g, t in zip(*map(np.asarray, (angle, stretch, shear, shift)), strict=True):
        steps = (
            skimage.transform.AffineTransform(scale=s)
            + skimage.transform.AffineTransform(matrix=[[1, g, 0], [0, 1, 0], [0, 0, 1]])
            + skimage.transform.EuclideanTransform(rotation=np.deg2rad(degrees), translation=t)
        )
        out.append(steps.params[:2])
    return torch.from_numpy(np.stack(out)).to(angle.dtype)


def color_components(x):
    """scikit-learn's; its variances are divided by the number of pixels minus one."""
    fitted = PCA().fit(x.reshape(-1, x.shape[-1]).numpy())
    values, vectors = fitted.explained_variance_, fitted.components_.T.copy()
    return torch.from_numpy(values), torch.from_numpy(vectors)


BUILT_INS = {
    "resize_short_side": resize_short_side,
    "affine_warp": affine_warp,
    "affine_matrices": affine_matrices,
    "color_components": color_components,
}
ALONE = "no library at hand draws for every image of a batch"
WITHOUT = {
    "horizontal_flip": ALONE,
    "pad_crop": ALONE,
    "color_jitter": ALONE,
    "pca_color_offsets": ALONE,
    "mixup": ALONE,
    "ten_crop": "torchvision has one, which no lesson needs",
    "average_over_crops": "it is a mean",
    "lens_distortion": "its model of a lens is one of many",
    "train_augmented": "it is the wiring between other functions",
    "separating_image": "it is a search for an input",
}
REMARKED = {"color_components": "divided by the number minus one"}
