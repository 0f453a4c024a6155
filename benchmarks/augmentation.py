"""How fast are crops, colour jitter and rotation beside plain PyTorch?

    python benchmarks/augmentation.py [--rounds 30]

A batch of float32 images, one thread, every image with its own draw. The base is what PyTorch has:
for pad-crop and jitter, which it has no single function for, the formula in its tensor operations
(pad, cut and stack image by image; mean, multiply, add, clip), for the rotation `affine_grid` and
`grid_sample`. Ratios are medians of rounds, in each of which everything runs once.
"""

import argparse

from machine import describe, interleaved, ratio  # first: it sets the number of threads

# isort: split
import numpy as np
import torch
from torch.nn import functional as F

from cs231n_lib.augmentation import in_numpy, in_torch

SIZES = {"256 images of 32 × 32": (256, 32), "16 images of 224 × 224": (16, 224)}
GOALS = {
    ("pad-crop", "NumPy"): 0.35,
    ("pad-crop", "PyTorch"): 1.0,
    ("colour jitter", "NumPy"): 1.3,
    ("colour jitter", "PyTorch, compiled"): 0.6,
    ("rotation", "NumPy"): 2.0,
    ("rotation", "PyTorch"): 3.0,
}
BASE = "PyTorch, built in"


def images(N, side):
    """Return the same images as an array (N, H, W, C) and as a tensor (N, C, H, W)."""
    x = np.random.default_rng(0).random((N, side, side, 3), dtype=np.float32)
    return x, torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, 3, 1)))


def pad_crop(x, pad, generator):
    """Pad and cut every image by PyTorch's functions, as its usual transforms do."""
    H, W = x.shape[2:]
    windows = []
    for image in x:
        padded = F.pad(image, [pad] * 4)
        r, s = torch.randint(2 * pad + 1, (2,), generator=generator).tolist()
        windows.append(padded[:, r : r + H, s : s + W])
    return torch.stack(windows)


def jitter(x, contrast, brightness, generator):
    """The formula of slide 90 in plain tensor operations."""
    c = 1 + contrast * (2 * torch.rand((len(x), 1, 1, 1), generator=generator) - 1)
    b = brightness * (2 * torch.rand((len(x), 1, 1, 1), generator=generator) - 1)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (mean + c * (x - mean) + b).clip(0, 1)


def rotation(x, matrices):
    """The same warp by `grid_sample`, which takes the inverse map in units of half an image."""
    inverse = torch.linalg.inv(matrices[:, :, :2])  # square images: one unit for x and y
    theta = torch.cat([inverse, torch.zeros_like(inverse[:, :, :1])], dim=2)
    grid = F.affine_grid(theta, x.shape, align_corners=True)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=True)


def contestants(N, side, compiled=False):
    """Return {task: {name: function}}; the functions of a task do the same."""
    x, t = images(N, side)
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    angle = rng.uniform(-30, 30, N).astype(np.float32)
    rest = np.ones((N, 2), np.float32), np.zeros(N, np.float32), np.zeros((N, 2), np.float32)
    matrices = in_numpy.affine_matrices(angle, *rest)
    tensors = torch.from_numpy(matrices)
    tasks = {
        "pad-crop": {
            BASE: lambda: pad_crop(t, 4, generator),
            "NumPy": lambda: in_numpy.pad_crop(x, 4, rng),
            "PyTorch": lambda: in_torch.pad_crop(t, 4, generator),
        },
        "colour jitter": {
            BASE: lambda: jitter(t, 0.3, 0.2, generator),
            "NumPy": lambda: in_numpy.color_jitter(x, 0.3, 0.2, rng),
            "PyTorch": lambda: in_torch.color_jitter(t, 0.3, 0.2, generator),
        },
        "rotation": {
            BASE: lambda: rotation(t, tensors),
            "NumPy": lambda: in_numpy.affine_warp(x, matrices),
            "PyTorch": lambda: in_torch.affine_warp(t, tensors),
        },
    }
    if compiled:
        torch.compiler.reset()  # only so many versions of one function are compiled
        jitters = torch.compile(in_torch.color_jitter)
        tasks["colour jitter"]["PyTorch, compiled"] = lambda: jitters(t, 0.3, 0.2, generator)
    return tasks


def main():
    """Measure, and print a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    print(describe())
    for title, size in SIZES.items():
        print(f"\n{title:<36}{'ratio':>8}{'quartiles':>16}{'goal':>7}{'ms':>9}")
        for task, functions in contestants(*size).items():
            seconds = interleaved(functions, options.rounds)
            for name, times in seconds.items():
                middle, low, high = ratio(times, seconds[BASE])
                goal = GOALS.get((task, name), "")
                spread, ms = f"{low:.2f} to {high:.2f}", sorted(times)[len(times) // 2] * 1e3
                print(f"{task + ', ' + name:<36}{middle:8.2f}{spread:>16}{goal:>7}{ms:9.2f}")


if __name__ == "__main__":
    main()
