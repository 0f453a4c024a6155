"""Pictures of augmented images, of the places that are cut out of them, and of what it gains."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from cs231n_lib.plotting.style import legend, plain, style

BROKEN = "#cf222e"  # the frame of a version that has lost its label


def plot_versions(rows, broken=()):
    """Draw versions of images in a grid, a row for each way to make them.

    Args:
        rows: dict name -> images (K, H, W, C) of numbers from 0 to 1; C is 1 or 3.
        broken: names of rows whose versions do not deserve their label any more: framed in red,
            crossed out, and said so beside them.

    >>> images = np.random.default_rng(0).random((3, 4, 6, 3))
    >>> figure = plot_versions({"as taken": images, "darker": images / 2}, ["darker"])
    >>> len(figure.axes)
    6
    >>> plt.close(figure)
    """
    columns = max(map(len, rows.values()))
    first = next(iter(rows.values()))
    height = 1.25 * first.shape[1] / first.shape[2] + 0.1
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(1.9 + 1.25 * columns, 0.5 + height * len(rows)),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        label = f"{name}\n(label lost)" if name in broken else name
        beside = {"transform": line[0].transAxes, "ha": "right", "va": "center", "fontsize": 9}
        line[0].text(-0.06, 0.5, label, color=BROKEN if name in broken else "k", **beside)
        for ax, image in zip(line, images, strict=False):
            _show(ax, image)
            if name in broken:
                _cross_out(ax, image.shape[:2])
        for ax in line[len(images) :]:
            ax.remove()
    return figure


def _show(ax, image):
    gray = image.shape[2] == 1
    shown = np.clip(image[..., 0] if gray else image, 0, 1)
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _cross_out(ax, shape):
    H, W = shape
    ax.spines[:].set(visible=True, color=BROKEN, linewidth=2.5)
    ax.plot([-0.5, W - 0.5], [-0.5, H - 0.5], color=BROKEN, lw=1)


def plot_crop_places(image, size):
    """Draw where the five crops of `size` pixels lie in an image (H, W, C).

    >>> figure = plot_crop_places(np.full((6, 9, 3), 0.5), 4)
    >>> len(figure.axes[0].patches)  # each has a white edge below its own, for dark places
    10
    >>> plt.close(figure)
    """
    H, W = image.shape[:2]
    figure, ax = plt.subplots(figsize=(4.6, 4.6 * H / W + 0.4), layout="constrained")
    _show(ax, image)
    places = [(0, 0), (0, W - size), (H - size, 0), (H - size, W - size)]
    places.append(((H - size) // 2, (W - size) // 2))
    for k, (row, column) in enumerate(places):
        color, _, dash, _ = style(k)
        inset = 0.3 + 0.02 * k * size  # so that no two edges cover each other
        corner, side = (column - 0.5 + inset, row - 0.5 + inset), size - 2 * inset
        for edge in ({"ec": "w", "lw": 5}, {"ec": color, "ls": dash, "lw": 2.5}):
            ax.add_patch(Rectangle(corner, side, side, fill=False, **edge))
        ax.text(
            column + 0.12 * size, row + 0.16 * size, str(k + 1), color="w", fontsize=11,
            bbox={"fc": color, "ec": "w", "boxstyle": "circle"},
        )  # fmt: skip
    return figure


def plot_pixel_centres(before, after):
    """Draw one row of pixels, and where the centres of a resized row lie in it.

    Args:
        before: number of old pixels.
        after: dict name -> positions (n,) of the new centres, in old pixels.

    >>> figure = plot_pixel_centres(4, {"edges stay": np.arange(8) / 2 - 0.25})
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['old centres', 'edges stay']
    >>> plt.close(figure)
    """
    figure, ax = plt.subplots(figsize=(7.5, 0.9 + 0.5 * (1 + len(after))), layout="constrained")
    plain(ax)
    ax.grid(False)
    for edge in np.arange(before + 1) - 0.5:
        ax.axvline(edge, color="0.8", lw=1)
    rows = {"old centres": np.arange(before), **after}
    for k, positions in enumerate(rows.values()):
        color, marker, _, _ = style(k)
        ax.plot(positions, np.full(len(positions), -k), marker, color=color, ms=8 if k else 11)
        middle = (np.min(positions) + np.max(positions)) / 2
        ax.plot([middle, middle], [-k - 0.3, -k + 0.3], color=color, lw=2)
    ax.set_yticks(-np.arange(len(rows)), list(rows))
    ax.set(xlabel="row of the old image (grey lines: edges of its pixels)", xlim=(-1.1, before))
    ax.set_ylim(-len(rows) + 0.4, 0.6)
    return figure


def plot_color_components(colors, mean, eigenvalues, U):
    """Draw colours in the red-green and the red-blue plane, with their principal components.

    Args:
        colors: (M, 3) from 0 to 1; mean: (3,) their mean.
        eigenvalues: (3,); U: (3, 3), components in its columns.

    >>> colors = np.random.default_rng(0).random((50, 3))
    >>> mean = colors.mean(axis=0)
    >>> figure = plot_color_components(colors, mean, np.array([1, 2, 3.0]), np.eye(3))
    >>> len(figure.axes)
    2
    >>> plt.close(figure)
    """
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.1), layout="constrained")
    order = np.argsort(-eigenvalues)
    for ax, (i, j) in zip(axes, ((0, 1), (0, 2)), strict=True):
        plain(ax)
        ax.scatter(colors[:, i], colors[:, j], s=7, c=np.clip(colors, 0, 1), lw=0.2, ec="0.5")
        for rank, k in enumerate(order):
            color, _, dash, _ = style(rank)
            length = 2 * np.sqrt(eigenvalues[k])
            ends = mean[:, None] + length * U[:, [k]] * np.array([-1, 1])  # (3, 2)
            label = f"component {rank + 1},\n± 2 deviations"
            ax.plot(ends[i], ends[j], color="white", lw=7)  # else a dashed line is lost in the dots
            ax.plot(ends[i], ends[j], color=color, ls=dash, lw=3, label=label)
        names = ("red", "green", "blue")
        ax.set(xlabel=names[i], ylabel=names[j], xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))
        ax.set_aspect("equal")
    legend(figure, axes)
    return figure


def plot_gains(comparisons, unit="points of test accuracy"):
    """Draw paired differences, one row each: a dot for each seed, the mean and its interval.

    Args:
        comparisons: dict name -> `Comparison` of fractions.
        unit: of a hundred times the differences.

    >>> from cs231n_lib.train import compare
    >>> gain = compare(lambda seed: 0.6 + seed / 50, lambda seed: 0.6, range(3))
    >>> figure = plot_gains({"flips": gain})
    >>> figure.axes[0].get_xlabel()
    'gain over no augmentation (points of test accuracy)'
    >>> plt.close(figure)
    """
    figure, ax = plt.subplots(figsize=(7.2, 0.9 + 0.42 * len(comparisons)), layout="constrained")
    plain(ax)
    ax.axvline(0, color="0.4", lw=1)
    for k, gain in enumerate(comparisons.values()):
        ax.plot(100 * gain.differences, np.full(len(gain.a), -k), ".", color="0.6", ms=6)
        ax.plot([100 * gain.low, 100 * gain.high], [-k, -k], color=style(0)[0], lw=2)
        ax.plot(100 * gain.mean, -k, "o", color=style(0)[0], ms=7)
    ax.set_yticks(-np.arange(len(comparisons)), list(comparisons))
    ax.set(xlabel=f"gain over no augmentation ({unit})", ylim=(-len(comparisons) + 0.4, 0.6))
    return figure
