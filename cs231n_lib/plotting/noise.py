"""Pictures of noise: regions that move, and passes that are averaged."""

import matplotlib.pyplot as plt
import numpy as np

from cs231n_lib.plotting.style import PANEL, line, plain


def plot_pooling_regions(image, draws):
    """Draw the regions of pooling over an image, one panel for each draw, on one scale of grey.

    Args:
        image: (H, W) grey values, 0 to 1.
        draws: dict title -> (rows, columns), the boundaries of the regions, from 0 to H and to W.

    >>> grey = np.full((4, 6), 0.5)
    >>> figure = plot_pooling_regions(grey, {"u = 0.4": ([0, 1, 3, 4], [0, 2, 4, 6])})
    >>> [ax.get_title() for ax in figure.axes]
    ['u = 0.4']
    >>> plt.close(figure)
    """
    figure, axes = plt.subplots(
        1, len(draws), figsize=(3.2 * len(draws), 3.4), squeeze=False, layout="constrained"
    )
    lines = ("white", 2.6), ("black", 1.0)  # one of the two is seen on any grey, in print too
    for ax, (title, (rows, columns)) in zip(axes[0], draws.items(), strict=True):
        ax.imshow(image, cmap="gray", vmin=0, vmax=1)
        for color, width in lines:
            ax.hlines(np.asarray(rows) - 0.5, -0.5, image.shape[1] - 0.5, color=color, lw=width)
            ax.vlines(np.asarray(columns) - 0.5, -0.5, image.shape[0] - 0.5, color=color, lw=width)
        ax.set_title(title, fontsize=10)
        ax.axis("off")
    return figure


def plot_averaged_passes(counts, gaps, ylabel="points above one pass\nat test time"):
    """Draw what averaging noisy passes gives, a panel for each kind of noise, all on one scale.

    Args:
        counts: (K,) how many passes are averaged.
        gaps: dict kind -> (seeds, K) differences to the network's own way at test time, the line 0.

    >>> gaps = {"dropout": [[-5, -1, 0]], "depth": [[-8, -2, 0]]}
    >>> figure = plot_averaged_passes([1, 4, 16], gaps)
    >>> [ax.get_title() for ax in figure.axes]
    ['dropout', 'depth']
    >>> plt.close(figure)
    """
    figure, axes = plt.subplots(
        1, len(gaps), figsize=(0.5 * PANEL[0] * len(gaps) + 1, PANEL[1]), squeeze=False,
        sharey=True, layout="constrained",
    )  # fmt: skip
    for k, (ax, (kind, values)) in enumerate(zip(axes[0], gaps.items(), strict=True)):
        plain(ax)
        ax.axhline(0, color="0.4", lw=1.5, ls=":")
        line(ax, counts, np.atleast_2d(np.asarray(values, float)), k, kind)
        ax.set_xscale("log", base=2)
        ax.set_xticks(counts, [str(count) for count in counts])
        ax.set_title(kind, fontsize=11)
        ax.set_xlabel("passes averaged")
        ax.tick_params(labelleft=True)
    axes[0, 0].set_ylabel(ylabel)
    return figure
