"""Pictures of what normalization does to photographs, and of ways to whiten."""

import matplotlib.pyplot as plt
import numpy as np

from cs231n_lib.plotting.style import plain, style


def plot_photographs(rows):
    """Draw photographs in a grid.

    Args:
        rows: dict row -> dict title -> image (3, H, W) of numbers from 0 to 1; what lies outside is
            drawn as 0 or 1. The rows may hold different titles.

    >>> grey = np.full((3, 4, 5), 0.5)
    >>> figure = plot_photographs({"before": {"as taken": grey, "darker": grey / 2}})
    >>> [ax.get_title() for ax in figure.axes]
    ['as taken', 'darker']
    >>> plt.close(figure)
    """
    columns = max(map(len, rows.values()))
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(0.6 + 2.2 * columns, 2.4 * len(rows)), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for line, (row, images) in zip(axes, rows.items(), strict=True):
        beside = {"transform": line[0].transAxes, "rotation": 90, "ha": "right", "va": "center"}
        line[0].text(-0.05, 0.5, row, fontsize=11, **beside)
        for ax, (title, image) in zip(line, images.items(), strict=False):
            ax.imshow(np.clip(np.moveaxis(image, 0, -1), 0, 1))
            ax.set_title(title, fontsize=10)
            ax.axis("off")
        for ax in line[len(images) :]:
            ax.remove()
    return figure


def plot_whitening(panels, marked=5):
    """Draw two features of the same examples in one panel for each way to treat them.

    Args:
        panels: dict title -> (N, 2); row i is the same example in every panel.
        marked: so many examples, spread over the first panel, are numbered.

    >>> points = np.random.default_rng(0).normal(size=(50, 2))
    >>> figure = plot_whitening({"before": points, "mirrored": -points})
    >>> [ax.get_title() for ax in figure.axes]
    ['before', 'mirrored']
    >>> plt.close(figure)
    """
    figure, axes = plt.subplots(
        1, len(panels), figsize=(2.9 * len(panels), 3.1), squeeze=False, layout="constrained"
    )
    chosen = _spread_out(next(iter(panels.values())), marked)
    reaches = [1.1 * np.abs(points - points.mean(axis=0)).max() for points in panels.values()]
    widest = max(reaches[1:], default=0.0)  # one scale for all that was treated
    reaches[1:] = len(reaches[1:]) * [widest]
    for ax, (title, points), reach in zip(axes[0], panels.items(), reaches, strict=True):
        plain(ax)
        ax.plot(*points.T, ".", ms=3, color="0.75")
        ax.plot(*points[chosen].T, "o", ms=13, mfc="white", mec=style(0)[0], mew=1.5)
        for number, i in enumerate(chosen, start=1):
            ax.text(*points[i], str(number), ha="center", va="center", fontsize=9)
        middle = points.mean(axis=0)
        ax.set(
            xlim=(middle[0] - reach, middle[0] + reach),
            ylim=(middle[1] - reach, middle[1] + reach),
            aspect="equal",
            title=title,
            xlabel="feature 1",
            ylabel="feature 2",
        )
    return figure


def _spread_out(points, count):
    """Return the rows of `count` points that lie far from each other, the outermost first."""
    chosen = [int(np.linalg.norm(points - points.mean(axis=0), axis=1).argmax())]
    while len(chosen) < count:
        apart = np.linalg.norm(points[:, None] - points[chosen], axis=2).min(axis=1)
        chosen.append(int(apart.argmax()))
    return chosen
