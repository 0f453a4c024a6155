"""Pictures of training runs, of distributions and of times, for any technique."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullLocator

from cs231n_lib.plotting.style import (
    filled,
    legend,
    line,
    log_if_wide,
    over_seeds,
    panels,
    plain,
    smooth,
    stacked,
    style,
    sweep,
)

# --------------------------------------------------------------------------- one setting, many runs


def plot_scale_sweep(scales, results, ylabel="standard deviation of the activations"):
    """Draw results against the scale of the initial weights, on a logarithmic axis.

    Args:
        scales: (S,) positive.
        results: dict label -> (S,) or (seeds, S); or, for several panels side by side, dict
            y-label -> such a dict. NaN or infinity is a run that diverged: a cross at the top.
        ylabel: of a single panel.

    >>> figure = plot_scale_sweep([0.01, 0.1, 1.0], {"batch norm": [0.90, 0.95, 0.93]})
    >>> figure.axes[0].get_xscale()
    'log'
    >>> plt.close(figure)
    """
    figure, axes = sweep(scales, results, "scale of the initial weights", ylabel)
    for ax in axes:
        ax.set_xscale("log")
    return figure


def plot_batch_sizes(batch_sizes, results, ylabel="validation accuracy"):
    """Draw results against the batch size; arguments as for `plot_scale_sweep`.

    >>> figure = plot_batch_sizes([2, 8, 32], {"batch norm": [[0.5, 0.8, 0.9], [0.6, 0.8, 0.9]]})
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['2', '8', '32']
    >>> plt.close(figure)
    """
    figure, axes = sweep(batch_sizes, results, "batch size (examples)", ylabel)
    for ax in axes:
        ax.set_xscale("log", base=2)
        ax.set_xticks(batch_sizes, [str(size) for size in batch_sizes])
        ax.xaxis.set_minor_locator(NullLocator())
    return figure


def plot_lines(x, results, xlabel, ylabel, log_x=False):
    """Draw results against any setting x (S,); `results` as for `plot_scale_sweep`.

    >>> figure = plot_lines([1, 2, 3], {"mean": [0.1, 0.2, 0.3]}, xlabel="step", ylabel="value")
    >>> figure.axes[0].get_xlabel()
    'step'
    >>> plt.close(figure)
    """
    figure, axes = sweep(x, results, xlabel, ylabel)
    if log_x:
        for ax in axes:
            ax.set_xscale("log")
    return figure


def plot_train_eval_gap(
    x, train_mode, eval_mode, xlabel="training step", ylabel="validation accuracy"
):
    """Draw one quantity as measured in train mode and in test mode, and the gap between them.

    Args:
        x: (T,); train_mode, eval_mode: (T,) or (seeds, T).

    >>> figure = plot_train_eval_gap([1, 2, 3], [0.5, 0.7, 0.8], [0.1, 0.6, 0.8])
    >>> plt.close(figure)
    """
    figure, axes = panels(1)
    ax = axes[0]
    curves = [np.atleast_2d(np.asarray(values, float)) for values in (train_mode, eval_mode)]
    middles = [over_seeds(np.median, curve) for curve in curves]
    ax.fill_between(x, *middles, color="0.85", label="gap", zorder=0)
    line(ax, x, curves[0], 0, "train mode: statistics of the batch")
    line(ax, x, curves[1], 1, "test mode: running statistics")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    legend(figure, axes)
    return figure


# --------------------------------------------------------------------------- over the steps


def plot_curves(histories):
    """Draw the training loss and the accuracies of runs against the step.

    Args:
        histories: dict label -> `History`, or a list of them, one a seed. The loss is a running
            mean over a fiftieth of the steps.

    >>> from cs231n_lib.train import History
    >>> figure = plot_curves({"batch norm": History([2.3, 1.0], [1, 2], [0.5, 0.8], [0.4, 0.7])})
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['training loss (nats)', 'accuracy (filled: val, hollow: train)']
    >>> plt.close(figure)
    """
    figure, (left, right) = panels(2)
    for k, (label, runs) in enumerate(histories.items()):
        runs = runs if isinstance(runs, list | tuple) else [runs]
        losses = stacked([smooth(run.loss) for run in runs])
        line(left, np.arange(1, losses.shape[1] + 1), losses, k, label, markevery=(0, 0.15))
        steps = max((run.steps for run in runs), key=len)
        line(right, steps, stacked([run.val_accuracy for run in runs]), k, label)
        train = over_seeds(np.median, stacked([run.train_accuracy for run in runs]))
        color, marker, dash, _ = style(k)
        right.plot(steps, train, color=color, marker=marker, ls=dash, lw=0.8, ms=5, mfc="white")
    left.set(xlabel="step", ylabel="training loss (nats)")
    right.set(xlabel="step", ylabel="accuracy (filled: val, hollow: train)")
    log_if_wide(left)
    legend(figure, left)
    return figure


# --------------------------------------------------------------------------- distributions, times


def plot_histograms(activations, xlabel="activation"):
    """Draw histograms in a grid, such as those of each layer's activations with and without BN.

    Args:
        activations: dict row -> dict column -> array of any shape. A column shares its x axis and
            its bins, a row its y axis; a panel names the mean and the standard deviation of its
            values.

    >>> row = {"layer 1": np.zeros(9), "layer 2": np.arange(9.0)}
    >>> figure = plot_histograms({"before": row, "after": row})
    >>> len(figure.axes)
    4
    >>> plt.close(figure)
    """
    n_rows, columns = len(activations), list(next(iter(activations.values())))
    figure, axes = plt.subplots(
        n_rows, len(columns), figsize=(1.0 + 2.3 * len(columns), 0.6 + 1.7 * n_rows),
        sharex="col", sharey="row", squeeze=False, layout="constrained",
    )  # fmt: skip
    for k, (row, arrays) in enumerate(activations.items()):
        for ax, column in zip(axes[k], columns, strict=True):
            values = np.ravel(arrays[column]).astype(float)
            everything = np.concatenate([np.ravel(each[column]) for each in activations.values()])
            bins = np.histogram_bin_edges(everything, 40)
            shares = np.histogram(values, bins)[0] / values.size
            ax.bar(bins[:-1], shares, np.diff(bins), align="edge", lw=0, **filled(k))
            ax.stairs(shares, bins, color=style(k)[0], lw=1.2)
            mean = round(values.mean(), 2) + 0.0  # + 0.0 turns −0 into 0
            ax.set_title(f"mean {mean:.2f}, std {values.std():.2g}", fontsize=9)
            ax.tick_params(labelsize=8)
            plain(ax)
        axes[k, 0].set_ylabel(f"{row}\nfraction")
    for ax, column in zip(axes[-1], columns, strict=True):
        ax.set_xlabel(f"{xlabel}, {column}")
    return figure


def plot_timings(timings):
    """Draw times as bars, each with its ratio to the first of its group.

    Args:
        timings: dict label -> seconds, or dict group -> such a dict.

    >>> figure = plot_timings({"NumPy": 0.004, "PyTorch": 0.001})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['4 ms', '1 ms (0.25 ×)']
    >>> plt.close(figure)
    """
    groups = timings if isinstance(next(iter(timings.values())), dict) else {"": timings}
    labels = list(dict.fromkeys(label for group in groups.values() for label in group))
    n_bars = sum(map(len, groups.values()))
    figure, ax = plt.subplots(figsize=(7, 1.1 + 0.42 * n_bars), layout="constrained")
    position, ticks = 0.0, {}
    for name, group in groups.items():
        first = next(iter(group.values()))
        for label, seconds in group.items():
            ax.barh(position, seconds * 1e3, 0.8, **filled(labels.index(label)))
            ratio = "" if seconds is first else f" ({seconds / first:.2g} ×)"
            text = f"{seconds * 1e3:.3g} ms{ratio}"
            ax.annotate(
                text, (seconds * 1e3, position), (4, 0), textcoords="offset points", va="center"
            )
            ticks[position] = f"{name}, {label}" if name else label
            position += 1
        position += 0.6
    milliseconds = [1e3 * seconds for group in groups.values() for seconds in group.values()]
    ax.set_xlim(0, max(milliseconds) * 1.4)  # room for what is written beside the longest
    ax.set_yticks(list(ticks), ticks.values())
    ax.invert_yaxis()
    ax.set_xlabel("time of one call (ms)")
    plain(ax)
    return figure
