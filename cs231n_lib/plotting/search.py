"""Pictures of babysitting and search: loss curves side by side, trials over two hyperparameters."""

import matplotlib.pyplot as plt
import numpy as np

from cs231n_lib.plotting.style import legend, panels, plain, smooth, stacked, style

MARKERS = ("o", "s", "^", "D")


def plot_loss_curves(histories, top=1.6):
    """Draw runs side by side, the loss above and the two accuracies below, for reading (slide 8).

    Args:
        histories: dict title -> `History`, or a list of them, one a seed: thin lines.
        top: of the loss axes, in units of the largest first loss; what is higher leaves the panel.

    >>> from cs231n_lib.train import History
    >>> figure = plot_loss_curves({"A": History([2.3, 1.0], [1, 2], [0.5, 0.8], [0.4, 0.7])})
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['training loss (nats)', 'accuracy']
    >>> plt.close(figure)
    """
    size = (1.9 + 2.2 * len(histories), 4.0)
    figure, axes = plt.subplots(
        2, len(histories), figsize=size, sharex="col", squeeze=False,
        layout="constrained",
    )  # fmt: skip
    lists = {k: runs if isinstance(runs, list | tuple) else [runs] for k, runs in histories.items()}
    ceiling = top * max(run.loss[0] for runs in lists.values() for run in runs)
    for (above, below), (title, runs) in zip(axes.T, lists.items(), strict=True):
        losses = stacked([smooth(run.loss) for run in runs])
        for loss in losses:
            above.plot(np.arange(1, len(loss) + 1), loss, color=style(0)[0], lw=1.2)
        if np.nanmax(losses) > ceiling:
            above.text(0.97, 0.95, "leaves the panel", transform=above.transAxes, ha="right",
                       va="top", fontsize=8)  # fmt: skip
        for run in runs:
            for k, name in enumerate(("train", "val")):
                color, marker, dash, _ = style(k)
                look = {"color": color, "ls": dash, "marker": marker, "ms": 3.5, "lw": 1.2}
                values = getattr(run, f"{name}_accuracy")
                every = max(1, len(values) // 6)
                below.plot(run.steps, values, markevery=every, label=name, **look)
        above.set(title=title, ylim=(0, ceiling))
        below.set(xlabel="step", ylim=(0, 1.03))
        for ax in (above, below):
            plain(ax)
    axes[0, 0].set_ylabel("training loss (nats)")
    axes[1, 0].set_ylabel("accuracy")
    legend(figure, axes)
    return figure


def plot_trials(searches, names, ranges=None, result="validation accuracy"):
    """Draw trials over two hyperparameters, on logarithmic axes; the better, the darker.

    Args:
        searches: dict label -> (T, 3) table of result and two hyperparameters, all in one panel
            with a marker each; or dict title -> such a dict, a panel each. The best trial of all
            has a ring.
        names: of the two hyperparameters.
        ranges: dict label -> (2, 2) ranges of a search, drawn as a dashed frame.
        result: what the first column holds.

    Ticks along the lower and the left edge show which values of each hyperparameter were tried.

    >>> table = np.array([[0.4, 1e-3, 1e-4], [0.9, 1e-1, 1e-5]])
    >>> figure = plot_trials({"coarse": table}, ("learning rate", "L2"))
    >>> figure.axes[0].get_xscale()
    'log'
    >>> plt.close(figure)
    """
    groups = searches if isinstance(next(iter(searches.values())), dict) else {"": searches}
    figure, axes = panels(len(groups))
    results = np.concatenate([t[:, 0] for tables in groups.values() for t in tables.values()])
    shades = plt.Normalize(np.nanmin(results), np.nanmax(results))
    for ax, (title, tables) in zip(axes, groups.items(), strict=True):
        _draw_trials(ax, tables, ranges or {}, shades)
        ax.set(title=title, xlabel=names[0], ylabel=names[1], xscale="log", yscale="log")
    for ends in ("xlim", "ylim"):  # one scale in all panels
        spans = np.array([getattr(ax, f"get_{ends}")() for ax in axes])
        for ax in axes:
            ax.set(**{ends: (spans[:, 0].min(), spans[:, 1].max())})
    colors = plt.cm.ScalarMappable(shades, "Greys")
    figure.colorbar(colors, ax=list(axes), label=result, location="bottom", aspect=40, shrink=0.8)
    legend(figure, axes)
    return figure


def _draw_trials(ax, tables, ranges, shades):
    ax.margins(0.12)  # no mark is cut off at the edge
    for (label, table), marker in zip(tables.items(), MARKERS, strict=False):
        look = {"cmap": "Greys", "norm": shades, "edgecolors": "black", "linewidths": 0.8}
        ax.scatter(table[:, 1], table[:, 2], 45, table[:, 0], marker=marker, label=label, **look)
        if label in ranges:
            (left, right), (low, high) = ranges[label]
            corners = [left, right, right, left, left], [low, low, high, high, low]
            ax.plot(*corners, color="0.3", ls="--", lw=1, zorder=0)
    everything = np.concatenate(list(tables.values()))
    edge = np.zeros(len(everything))
    look = {"color": "black", "ms": 9}
    ax.plot(everything[:, 1], edge, "|", transform=ax.get_xaxis_transform(), **look)
    ax.plot(edge, everything[:, 2], "_", transform=ax.get_yaxis_transform(), **look)
    _, x, y = everything[np.nanargmax(everything[:, 0])]
    ax.plot(x, y, "o", ms=14, mfc="none", mec=style(1)[0], mew=2, label="best")
