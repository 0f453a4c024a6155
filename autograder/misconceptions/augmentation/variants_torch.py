"""Right answers in PyTorch, written in other ways than the reference.

PyTorch is imported where it is used, for the exercises in NumPy need none.
"""

from autograder.misconceptions.records import right
from cs231n_lib.sampling import bilinear_tensor


def flip_in_a_loop(x, p, rng):
    """Go through the images one by one."""
    import torch

    return torch.stack([im.flip(-1) if torch.rand(1, generator=rng) < p else im for im in x])


def flip_chosen(x, p, rng):
    """Choose images by a mask."""
    import torch

    mask = torch.bernoulli(torch.full((x.size(0),), p), generator=rng).bool()
    out = x.clone()
    out[mask] = torch.flip(x[mask], dims=[3])
    return out


def flip_by_columns(x, p, rng):
    """Look the columns up."""
    import torch

    W = x.shape[-1]
    forward = torch.arange(W)
    mask = (torch.rand(x.shape[0], generator=rng) < p)[:, None]
    columns = torch.where(mask, W - 1 - forward, forward)[:, None, None]
    return x.gather(3, columns.expand(x.shape))


def crop_of_each(x, pad, rng):
    """Pad every image on its own, then cut."""
    import torch

    H, W = x.shape[-2:]
    out = []
    for image in x:
        padded = torch.nn.functional.pad(image, (pad, pad, pad, pad))
        r, s = torch.randint(0, 2 * pad + 1, (2,), generator=rng)
        out.append(padded[:, r : r + H, s : s + W])
    return torch.stack(out)


def crop_by_index(x, pad, rng):
    """Look all pixels up at once."""
    import torch

    N, _, H, W = x.shape
    padded = torch.nn.functional.pad(x, [pad] * 4)
    top = torch.randint(2 * pad + 1, (N, 1), generator=rng)
    left = torch.randint(2 * pad + 1, (N, 1), generator=rng)
    rows = (top + torch.arange(H))[:, :, None]
    columns = (left + torch.arange(W))[:, None, :]
    chosen = padded.permute(0, 2, 3, 1)[torch.arange(N)[:, None, None], rows, columns]
    return chosen.permute(0, 3, 1, 2)


def crop_unfolded(x, pad, rng):
    """Choose among all windows."""
    import torch

    N, _, H, W = x.shape
    padded = torch.nn.functional.pad(x, [pad] * 4)
    windows = padded.unfold(2, H, 1).unfold(3, W, 1)  # (N, C, 2 pad + 1, 2 pad + 1, H, W)
    r, s = torch.randint(2 * pad + 1, (2, N), generator=rng)
    return windows[torch.arange(N), :, r, s].clone()


def jitter_in_a_loop(x, contrast, brightness, rng):
    """Go through the images one by one."""
    import torch

    out = torch.zeros_like(x)
    for n, image in enumerate(x):
        c, b = 2 * torch.rand(2, generator=rng, dtype=x.dtype) - 1
        mean = image.mean()
        out[n] = (mean + (1 + contrast * c) * (image - mean) + brightness * b).clamp(0, 1)
    return out


def jitter_brightness_first(x, contrast, brightness, rng):
    """Shift first, then stretch around the new mean."""
    import torch

    u = torch.rand(2, len(x), 1, 1, 1, generator=rng, dtype=x.dtype)
    x = x + (2 * u[0] - 1) * brightness
    mean = x.mean([1, 2, 3], keepdim=True)
    return torch.clamp((x - mean) * (1 + (2 * u[1] - 1) * contrast) + mean, 0, 1)


def jitter_of_rows(x, contrast, brightness, rng):
    """Treat every image as a row of numbers; uniform_ draws in place."""
    rows = x.flatten(1)
    c = x.new_empty(len(x), 1).uniform_(1 - contrast, 1 + contrast, generator=rng)
    b = x.new_empty(len(x), 1).uniform_(-brightness, brightness, generator=rng)
    mean = rows.mean(1, keepdim=True)
    return (mean + c * (rows - mean) + b).clip(0, 1).view_as(x)


def warp_one_by_one(x, matrices):
    """Go through the images."""
    import torch

    H, W = x.shape[2:]
    rows, columns = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    z = torch.stack([columns - (W - 1) / 2, rows - (H - 1) / 2]).reshape(2, -1)
    out = []
    for image, matrix in zip(x, matrices, strict=True):
        source = torch.linalg.inv(matrix[:, :2]) @ (z.to(matrix.dtype) - matrix[:, 2:])
        places = (source[1].view(H, W) + (H - 1) / 2, source[0].view(H, W) + (W - 1) / 2)
        out.append(bilinear_tensor(image[None], *places)[0])
    return torch.stack(out)


def warp_by_einsum(x, matrices):
    """Sum over coordinates by einsum."""
    import torch

    H, W = x.shape[2:]
    half = matrices.new_tensor([(W - 1) / 2, (H - 1) / 2])
    grid = torch.meshgrid(torch.arange(W), torch.arange(H), indexing="xy")
    z = torch.stack(grid, -1) - half - matrices[:, None, None, :, 2]
    source = torch.einsum("nab,nijb->nija", matrices[..., :2].inverse(), z) + half
    return bilinear_tensor(x, source[..., 1], source[..., 0])


def warp_by_grid_sample(x, matrices):
    """Build the grid, and let grid_sample look the places up."""
    import torch

    N, _, H, W = x.shape
    z = torch.stack(
        torch.meshgrid(torch.arange(W), torch.arange(H), indexing="xy"),
        -1,
    ).to(matrices.dtype) - matrices.new_tensor([(W - 1) / 2, (H - 1) / 2])
    source = torch.linalg.solve(matrices[:, :, :2], (z.reshape(-1, 2) - matrices[:, None, :, 2]).mT)
    grid = source.mT.reshape(N, H, W, 2) / matrices.new_tensor([W / 2, H / 2])
    return torch.nn.functional.grid_sample(
        x, grid.to(x.dtype), padding_mode="border", align_corners=False
    )


def in_pytorch(function, **ways):
    """Return the variants {name of the way: its function} of a function, in PyTorch."""
    return tuple(
        variant
        for name, way in ways.items()
        for variant in right(function, name.replace("_", " "), framework="torch", **{function: way})
    )


VARIANTS = (
    *in_pytorch("horizontal_flip", in_a_loop=flip_in_a_loop, by_a_mask=flip_chosen,
                column_by_column=flip_by_columns),
    *in_pytorch("pad_crop", each_image_on_its_own=crop_of_each,
                all_pixels_at_once=crop_by_index, unfolded=crop_unfolded),
    *in_pytorch("color_jitter", in_a_loop=jitter_in_a_loop,
                brightness_first=jitter_brightness_first,
                rows_of_numbers=jitter_of_rows),
    *in_pytorch("affine_warp", one_by_one=warp_one_by_one, einsum=warp_by_einsum,
                grid_sample=warp_by_grid_sample),
)  # fmt: skip
