"""Data augmentation in PyTorch, images (N, C, H, W): the functions of `in_numpy` on tensors.

Device and dtype follow the images; a generator lives on their device.
"""

import torch

from cs231n_lib.augmentation import crop_side, inside, on_floats, require_order
from cs231n_lib.errors import (
    images,
    torch_generator,
    validated,
    whole,
)
from cs231n_lib.precision import in_single_throughout
from cs231n_lib.sampling import bilinear_tensor

# ---------------------------------------------------------------------------------- flips, crops


@validated(x=images("N C H W"), p="fraction", rng=torch_generator)
def horizontal_flip(x, p, rng):
    """Mirror each image left to right, or leave it as it is.

    Args:
        x: (N, C, H, W) images.
        p: probability that an image is mirrored.
        rng: torch.Generator, the only source of randomness; one draw for each image.

    Returns:
        out: (N, C, H, W), a new array.

    Slide 87.

    >>> x = torch.arange(3.0).reshape(1, 1, 1, 3)
    >>> horizontal_flip(x, 1.0, torch.Generator()).ravel()
    tensor([2., 1., 0.])
    """
    flips = torch.rand(len(x), generator=rng, device=x.device) < p  # (N,)
    return torch.where(flips[:, None, None, None], x.flip(3), x)  # Flip.1


@validated(x=images("N C H W"), pad=whole(0), rng=torch_generator)
def pad_crop(x, pad, rng):
    """Put zeros around each image, and cut a window of its old size out at a random place.

    Args:
        x: (N, C, H, W) images.
        pad: rows and columns of zeros on each of the four sides.
        rng: torch.Generator, the only source of randomness. For each image one row and one
            column at which its window begins: whole numbers from 0 to 2·pad, both included.

    Returns:
        out: (N, C, H, W), a new array.

    Slide 88, at the size of CIFAR-10 (He et al. 2016, arXiv:1512.03385).

    >>> pad_crop(torch.ones(1, 1, 2, 3), 0, torch.Generator()).shape
    torch.Size([1, 1, 2, 3])
    """
    N, C, H, W = x.shape
    padded = x.new_zeros((N, C, H + 2 * pad, W + 2 * pad))
    padded[:, :, pad : pad + H, pad : pad + W] = x
    r, s = torch.randint(2 * pad + 1, (2, N), generator=rng, device=rng.device).tolist()
    windows = [padded[n, :, r[n] : r[n] + H, s[n] : s[n] + W] for n in range(N)]  # Crop.1
    return torch.stack(windows)


@on_floats
@validated(x=images("N C H W"), L=whole(1))
def resize_short_side(x, L):
    """Resize images so that their short side has L pixels, and keep their proportions.

    Args:
        x: (N, C, H, W) images.
        L: the new length of the short side. The other side becomes a whole number too; pixels
            between the old ones are interpolated with `bilinear_tensor`, edges stay edges.

    Returns:
        out: (N, C, H', W'), with min(H', W') = L.

    Slides 88–89, step 2.

    >>> x = torch.arange(4.0).reshape(1, 1, 1, 4)
    >>> resize_short_side(x, 2)[0, 0, 0]
    tensor([0.0000, 0.2500, 0.7500, 1.2500, 1.7500, 2.2500, 2.7500, 3.0000])
    """
    H, W = x.shape[2:]
    H_new, W_new = (round(L * side / min(H, W)) for side in (H, W))  # Size.1
    rows = (torch.arange(H_new, device=x.device) + 0.5) * H / H_new - 0.5  # (H',) Size.2
    columns = (torch.arange(W_new, device=x.device) + 0.5) * W / W_new - 0.5  # (W',)
    return bilinear_tensor(x, rows[:, None], columns[None, :])


@validated(x=images("N C H W"), size=whole(1), low=whole(1), high=whole(1), rng=torch_generator)
def random_resized_crop(x, size, low, high, rng):
    """Resize each image to a random scale, and cut a random square patch out of it.

    Args:
        x: (N, C, H, W) images.
        size: side of the patch, at most `low`.
        low, high: the short side becomes a whole number L from low to high, both included.
        rng: torch.Generator, the only source of randomness; for each image its own L and
            its own place.

    Returns:
        out: (N, C, size, size).

    Raises:
        ValueError: when size <= low <= high does not hold.

    Slide 88: low = 256, high = 480, size = 224.

    >>> random_resized_crop(torch.ones(2, 3, 8, 9), 4, 5, 9, torch.Generator()).shape
    torch.Size([2, 3, 4, 4])
    """
    require_order(size, low, high)

    def draw(most):
        return torch.randint(most + 1, (), generator=rng, device=rng.device).item()

    patches = []
    for image in x:
        larger = resize_short_side(image[None], low + draw(high - low))[0]
        H, W = larger.shape[1:]
        r, s = draw(H - size), draw(W - size)
        patches.append(larger[:, r : r + size, s : s + size])  # Crop.1, without zeros
    return torch.stack(patches)


@validated(x=images("N C H W"), size=crop_side)
def ten_crop(x, size):
    """Cut the four corners and the centre out of each image, and mirror these five.

    Args:
        x: (N, C, H, W) images.
        size: side of the square crops, at most min(H, W).

    Returns:
        crops: (N, 10, C, size, size): upper left, upper right, lower left, lower right, centre
        (of an odd margin the smaller half is above and to the left), then the mirror images of
        the five in the same order.

    Slide 89, testing. Krizhevsky et al. 2012.

    >>> ten_crop(torch.arange(9.0).reshape(1, 1, 3, 3), 1).ravel()
    tensor([0., 2., 6., 8., 4., 0., 2., 6., 8., 4.])
    """
    H, W = x.shape[2:]
    bottom, right = H - size, W - size
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    crops = [x[:, :, r : r + size, s : s + size] for r, s in corners]  # Crop.1
    crops = torch.stack(crops, dim=1)
    return torch.cat([crops, crops.flip(4)], dim=1)  # Flip.1


@validated(x=images("N C H W"), size=whole(1))
def multi_scale_crops(x, size, scales):
    """Ten crops of each image at each of several scales.

    Args:
        x: (N, C, H, W) images.
        size: side of the square crops, at most the smallest scale.
        scales: lengths of the short side, one after the other.

    Returns:
        crops: (N, 10·len(scales), C, size, size), scale by scale in the order of `ten_crop`.

    Slide 89, testing: scales 224, 256, 384, 480, 640 and size = 224.

    >>> multi_scale_crops(torch.ones(2, 3, 6, 8), 4, (4, 5)).shape
    torch.Size([2, 20, 3, 4, 4])
    """
    return torch.cat([ten_crop(resize_short_side(x, L), size) for L in scales], dim=1)


@validated(crops=images("N K C h w"), predict="function")
def average_over_crops(crops, predict):
    """Average the class probabilities over a fixed set of crops of each image.

    Args:
        crops: (N, K, C, h, w), K crops of each of N images.
        predict: function of (M, C, h, w) images, which returns their probabilities (M, classes).

    Returns:
        probabilities: (N, classes).

    Slide 89, testing: "average a fixed set of crops".

    >>> dark_or_bright = lambda x: torch.stack([1 - x.mean((1, 2, 3)), x.mean((1, 2, 3))], dim=1)
    >>> average_over_crops(torch.tensor([0.0, 0.5]).reshape(1, 2, 1, 1, 1), dark_or_bright)
    tensor([[0.7500, 0.2500]])
    """
    N, K = crops.shape[:2]
    probabilities = predict(crops.reshape(N * K, *crops.shape[2:]))  # (N·K, classes)
    return probabilities.reshape(N, K, -1).mean(dim=1)


# ---------------------------------------------------------------------------------- colours


@on_floats
@validated(x=images("N C H W"), contrast="fraction", brightness="fraction", rng=torch_generator)
def color_jitter(x, contrast, brightness, rng):
    """Change contrast and brightness of each image at random.

    Args:
        x: (N, C, H, W) images from 0 to 1.
        contrast: each image gets a factor, uniform from 1 − contrast to 1 + contrast, on how far
            its values lie from their mean over the whole image, or over each channel.
        brightness: and then a shift of all its values, uniform from −brightness to brightness.
        rng: torch.Generator, the only source of randomness; its own draws for each image.

    Returns:
        out: (N, C, H, W), cut off at 0 and 1, of the dtype of x.

    Slide 90.

    >>> x = torch.tensor([0.25, 0.75]).reshape(1, 1, 1, 2)
    >>> color_jitter(x, 0.5, 0.0, torch.Generator().manual_seed(0)).mean()
    tensor(0.5000)
    """

    def draw(most):
        u = torch.rand((len(x), 1, 1, 1), generator=rng, dtype=x.dtype, device=x.device)
        return most * (2 * u - 1)

    c, b = 1 + draw(contrast), draw(brightness)  # (N, 1, 1, 1)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)  # (N, 1, 1, 1)
    return torch.lerp(mean, x, c).add_(b).clip_(0, 1)  # Color.1


@on_floats
@validated(x=images("N C H W"))
@in_single_throughout
def color_components(x):
    """Principal components of the colours of all pixels.

    Args:
        x: (N, C, H, W) training images from 0 to 1.

    Returns:
        eigenvalues: (C,) variances along the components; U: (C, C) the components, unit vectors
        in its columns, in the order of the eigenvalues. Any order and sign will do,
        and a division by the number of pixels or by one less.

    Slide 91, step 1.

    >>> grey = torch.linspace(0, 1, 6).reshape(1, 1, 2, 3).expand(1, 3, 2, 3)
    >>> eigenvalues, U = color_components(grey)
    >>> eigenvalues[-1], U[:, -1].abs()
    (tensor(0.3500), tensor([0.5774, 0.5774, 0.5774]))
    """
    colors = x.movedim(1, 3).reshape(-1, x.shape[1])  # (N·H·W, C)
    centred = colors - colors.mean(dim=0)
    cov = centred.T @ centred / len(colors)  # (C, C)
    eigenvalues, U = torch.linalg.eigh(cov)  # Color.2
    return eigenvalues, U


@on_floats
@validated(x=images("N C H W"), eigenvalues="C", U="C C", std="nonnegative", rng=torch_generator)
def pca_color_offsets(x, eigenvalues, U, std, rng):
    """Add to each image one colour, drawn along the principal components of the training colours.

    Args:
        x: (N, C, H, W) images from 0 to 1.
        eigenvalues: (C,) and U: (C, C): as `color_components` returns them.
        std: standard deviation of the factors on the eigenvalues; 0.1 in the paper.
        rng: torch.Generator, the only source of randomness; C normal numbers for each image.

    Returns:
        out: (N, C, H, W), cut off at 0 and 1, of the dtype of x.

    Slide 91, steps 2 and 3. Krizhevsky et al. 2012, section 4.1.

    >>> x, rng = torch.full((1, 3, 1, 1), 0.5), torch.Generator().manual_seed(0)
    >>> pca_color_offsets(x, torch.tensor([0.5, 0.0, 0.0]), torch.eye(3), 0.1, rng).ravel() != 0.5
    tensor([ True, False, False])
    """
    normal = torch.randn((len(x), len(eigenvalues)), generator=rng, dtype=U.dtype, device=U.device)
    offsets = (std * normal * eigenvalues) @ U.T  # (N, C) Color.3
    return (x + offsets[:, :, None, None].to(x.dtype)).clip_(0, 1)


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

    >>> one, zero = torch.ones(1, 2), torch.zeros(1)
    >>> affine_matrices(torch.tensor([90.0]), one, zero, one).round(decimals=4) + 0.0
    tensor([[[ 0., -1.,  1.],
             [ 1.,  0.,  1.]]])
    """
    cos, sin = angle.deg2rad().cos(), angle.deg2rad().sin()
    one, zero = torch.ones_like(angle), torch.zeros_like(angle)
    rotate = torch.stack([cos, -sin, sin, cos], dim=1).reshape(-1, 2, 2)  # (N, 2, 2)
    shear = torch.stack([one, shear, zero, one], dim=1).reshape(-1, 2, 2)
    A = rotate @ shear * stretch[:, None, :]  # (N, 2, 2) Warp.1
    return torch.cat([A, shift[:, :, None]], dim=2)


@on_floats
@validated(x=images("N C H W"), matrices="N 2 3")
@in_single_throughout
def affine_warp(x, matrices):
    """Move what each image shows by its own affine map about the centre of the image.

    Args:
        x: (N, C, H, W) images.
        matrices: (N, 2, 3) = [A | t]: what is at z goes to A z + t, where z = (x, y) is a place
            in pixels, x to the right and y down, seen from the centre of the image.

    Returns:
        out: (N, C, H, W), interpolated with `bilinear_tensor`, of the dtype of x.

    Slide 92.

    >>> x, right = torch.arange(3.0).reshape(1, 1, 1, 3), torch.tensor([[[1.0, 0, 1], [0, 1, 0]]])
    >>> affine_warp(x, right).ravel()
    tensor([0., 0., 1.])
    """
    N, _, H, W = x.shape
    inverse = torch.linalg.inv(matrices[:, :, :2])
    a, b, c, d = inverse.reshape(N, 4, 1, 1).transpose(0, 1)  # each (N, 1, 1)
    t_x, t_y = matrices[:, :, 2].T[:, :, None, None]  # each (N, 1, 1)
    z_x = torch.arange(W, device=x.device)[None, :] - (W - 1) / 2  # (1, W)
    z_y = torch.arange(H, device=x.device)[:, None] - (H - 1) / 2  # (H, 1)
    columns = a * (z_x - t_x) + b * (z_y - t_y) + (W - 1) / 2  # (N, H, W) Warp.2
    rows = c * (z_x - t_x) + d * (z_y - t_y) + (H - 1) / 2
    return bilinear_tensor(x, rows, columns)


@on_floats
@validated(x=images("N C H W"), k="N")
def lens_distortion(x, k):
    """Bend each image as a lens does: like a barrel for k > 0, like a cushion for k < 0.

    Args:
        x: (N, C, H, W) images.
        k: (N,) strength: a corner shows what was 1 + k times as far from the centre.

    Returns:
        out: (N, C, H, W), interpolated with `bilinear_tensor`, of the dtype of x.

    Slide 92, "lens distortions".

    >>> x = torch.arange(5.0).reshape(1, 1, 1, 5)
    >>> lens_distortion(x, torch.tensor([-0.5])).ravel()
    tensor([1.0000, 1.1250, 2.0000, 2.8750, 3.0000])
    """
    H, W = x.shape[2:]
    z_x = torch.arange(W, device=x.device)[None, :] - (W - 1) / 2  # (1, W)
    z_y = torch.arange(H, device=x.device)[:, None] - (H - 1) / 2  # (H, 1)
    squares = z_x**2 + z_y**2  # (H, W) |z|², at most R²
    factor = 1 + k[:, None, None] * squares / squares.max()  # (N, H, W) Lens.1
    return bilinear_tensor(x, factor * z_y + (H - 1) / 2, factor * z_x + (W - 1) / 2)


# ---------------------------------------------------------------------------------- beyond


@validated(x=images("N C H W"), size=whole(1), rng=torch_generator)
def cutout(x, size, rng, fill=0.0):
    """Cover a square of each image, around a random pixel; at the border only a part of it.

    Args:
        x: (N, C, H, W) images. After normalization a fill of 0 is the mean colour.
        size: side of the square.
        rng: torch.Generator, the only source of randomness.
        fill: the value of covered pixels.

    Returns:
        out: (N, C, H, W), a new array.

    Beyond the lecture (beside slide 92). DeVries & Taylor 2017, arXiv:1708.04552.

    >>> int(cutout(torch.ones(1, 1, 9, 9), 1, torch.Generator()).sum())
    80
    """
    N, _, H, W = x.shape
    draws = [torch.randint(side, (N, 1), generator=rng, device=rng.device) for side in (H, W)]
    r, s = (draw.to(x.device) for draw in draws)
    rows = inside(r, size, torch.arange(H, device=x.device))[:, None, :, None]  # (N, 1, H, 1)
    columns = inside(s, size, torch.arange(W, device=x.device))[:, None, None, :]
    return x.masked_fill(rows & columns, fill)  # Cut.1


@validated(x="N C H W", y="N K", alpha="positive", rng=torch_generator)
def mixup(x, y, alpha, rng):
    """Mix each image with another one of the batch, and its label by the same share.

    Args:
        x: (N, C, H, W) images.
        y: (N, K) labels as probabilities: one-hot rows.
        alpha: the share comes from Beta(alpha, alpha).
        rng: torch.Generator, the only source of randomness; a share for each image, or
            one for the whole batch, and an order of the batch for the partners, usually a random
            one.

    Returns:
        x_mix: (N, C, H, W); y_mix: (N, K), of the dtypes of x and y.

    Beyond the lecture (beside slide 92). Zhang et al. 2018, arXiv:1710.09412.

    >>> x, y = torch.ones(2, 1, 1, 1), torch.eye(2)
    >>> mixup(x, y, 0.3, torch.Generator().manual_seed(0))[1].sum(dim=1)
    tensor([1., 1.])
    """
    # The fraction of the first of two gamma numbers is a beta number.
    gamma = torch._standard_gamma(torch.full((2, len(x)), alpha, device=x.device), generator=rng)
    share = gamma[0] / gamma.sum(dim=0)  # (N,)
    order = torch.randperm(len(x), generator=rng, device=x.device)
    for_x, for_y = share[:, None, None, None].to(x.dtype), share[:, None].to(y.dtype)
    x_mix = for_x * x + (1 - for_x) * x[order]
    return x_mix, for_y * y + (1 - for_y) * y[order]  # Mix.1
