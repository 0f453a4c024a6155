"""Pictures of preprocessing: clouds of points, and images before and after."""

import matplotlib.pyplot as plt
import numpy as np

from cs231n_lib.plotting.style import plain, style


def plot_point_clouds(clouds, marked=None, labels=("axis 1", "axis 2")):
    """Draw the same points after each step of a preparation, a panel each.

    Args:
        clouds: dict step -> (N, 2) points. The axes of a panel have one scale and go through the
            origin, so that centre and shape can be seen.
        marked: dict step -> (M, 2) other points, such as validation data; drawn hollow on top.
        labels: names of the two axes.

    >>> figure = plot_point_clouds({"raw": np.ones((3, 2)), "centred": np.zeros((3, 2))})
    >>> [ax.get_title() for ax in figure.axes]
    ['raw', 'centred']
    >>> plt.close(figure)
    """
    size = (0.6 + 2.5 * len(clouds), 2.9)
    figure, axes = plt.subplots(1, len(clouds), figsize=size, squeeze=False, layout="constrained")
    for ax, (step, points) in zip(axes[0], clouds.items(), strict=True):
        others = points[:0] if marked is None else marked[step]
        ax.plot(*points.T, "o", ms=2.5, color=style(0)[0], alpha=0.35, mew=0)
        ax.plot(*others.T, "^", ms=4.5, color=style(1)[0], mfc="white")
        reach = 1.1 * np.abs(np.concatenate([points, others])).max() or 1.0
        lowest = min(0.0, points.min(), *others.ravel()) * 1.1
        span = (-reach, reach) if lowest < -0.1 * reach else (-0.08 * reach, reach)
        ax.axhline(0, color="0.4", lw=1)
        ax.axvline(0, color="0.4", lw=1)
        ax.set(xlim=span, ylim=span, aspect="equal", title=step, xlabel=labels[0])
        ax.title.set_fontsize(10)
        plain(ax)
    axes[0, 0].set_ylabel(labels[1])
    return figure


def plot_image_rows(rows):
    """Draw images in rows, each row with grey values from its own smallest to its own largest.

    Args:
        rows: dict label -> (K, H, W) images, or (K, H, W, 3) of colours.

    >>> figure = plot_image_rows({"raw": np.zeros((2, 8, 8)), "white": np.ones((2, 8, 8))})
    >>> len(figure.axes)
    4
    >>> plt.close(figure)
    """
    columns = max(map(len, rows.values()))
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(1.6 + 0.85 * columns, 0.3 + 0.95 * len(rows)),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for row, (label, images) in zip(axes, rows.items(), strict=True):
        low, high = np.min(images), np.max(images)
        for ax, image in zip(row, images, strict=False):
            ax.imshow((image - low) / ((high - low) or 1.0), cmap="gray", vmin=0, vmax=1)
        for ax in row:
            ax.axis("off")
        look = {"transform": row[0].transAxes, "ha": "right", "va": "center", "fontsize": 9}
        row[0].text(-0.1, 0.5, label, **look)
    figure.supxlabel("each row: black is its smallest value, white its largest", fontsize=8)
    return figure
