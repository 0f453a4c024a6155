"""The picture of an ablation: what each ingredient is worth, with its interval."""

import matplotlib.pyplot as plt
import numpy as np

from cs231n_lib.plotting.style import plain, style


def plot_ablation(names, table):
    """Draw the mean gain of each ingredient and its interval; hollow where it holds 0 (slide 108).

    Args:
        names: K ingredients, drawn from top to bottom.
        table: (K, 3) mean gain, low and high end, fractions of 1; drawn in percentage points.

    >>> figure = plot_ablation(["Adam", "luck"], np.array([[0.1, 0.05, 0.15], [0, -0.1, 0.1]]))
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['Adam', 'luck']
    >>> plt.close(figure)
    """
    figure, ax = plt.subplots(figsize=(7.0, 1.2 + 0.42 * len(names)), layout="constrained")
    color = style(0)[0]
    for row, (mean, low, high) in enumerate(100 * np.asarray(table, float)):
        fill = "white" if low <= 0 <= high else color
        ax.plot([low, high], [row, row], color=color, lw=2)
        ax.plot(mean, row, "o", color=color, mfc=fill, ms=7, zorder=3)
    ax.axvline(0, color="0.4", lw=1, ls=":")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("gain in accuracy (percentage points); hollow: the interval holds 0")
    plain(ax)
    return figure
