"""Pictures of learning rates: schedules, losses by rate, losses over a schedule, a rate finder."""

import matplotlib.pyplot as plt
import numpy as np

from cs231n_lib.plotting.style import (
    PANEL,
    legend,
    line,
    log_if_wide,
    panels,
    plain,
    smooth,
    stacked,
    style,
)

EVERY = (0, 0.12)  # markers along a curve: the first, and how far they are apart


def plot_schedules(schedules, steps, xlabel="t (steps)"):
    """Draw schedules against time, on a linear and on a logarithmic axis.

    Args:
        schedules: dict label -> function t -> rate, or (T,) rates.
        steps: T, how many to draw, from t = 0.

    >>> figure = plot_schedules({"constant": lambda t: 0.1, "1/t": lambda t: 0.1 / (1 + t)}, 10)
    >>> [ax.get_yscale() for ax in figure.axes]
    ['linear', 'log']
    >>> plt.close(figure)
    """
    figure, axes = panels(2)
    for k, (label, schedule) in enumerate(schedules.items()):
        rates = [schedule(t) for t in range(steps)] if callable(schedule) else schedule
        for ax in axes:
            line(ax, range(steps), np.atleast_2d(np.asarray(rates, float)), k, label, EVERY)
            ax.set(xlabel=xlabel, ylabel="learning rate")
    axes[1].set_yscale("log")
    legend(figure, axes[0])
    return figure


def plot_loss_by_rate(histories, highest=None):
    """Draw the training loss of runs at different rates, as slide 49 does.

    Args:
        histories: dict label -> list of `History`, one a seed. The loss is a running mean over a
            fiftieth of the steps; a run that diverged ends in a cross at the top.
        highest: upper end of the loss axis; None for all of it.

    >>> from cs231n_lib.train import History
    >>> figure = plot_loss_by_rate({"0.1": [History([2.3, 1.0, 0.7])]}, highest=3)
    >>> float(figure.axes[0].get_ylim()[1])
    3.0
    >>> plt.close(figure)
    """
    figure, (ax,) = panels(1)
    for k, (label, runs) in enumerate(histories.items()):
        losses = stacked([smooth(run.loss) for run in runs])
        line(ax, np.arange(1, losses.shape[1] + 1), losses, k, label, EVERY)
    ax.set(xlabel="step", ylabel="training loss (nats)")
    if highest is not None:
        ax.set_ylim(0, highest)
    legend(figure, ax)
    return figure


def plot_loss_and_rate(steps, losses, rates, marks=(), ylabel="loss of all training data (nats)"):
    """Draw the loss over the steps, and below it the rate that each step was taken at.

    Args:
        steps: (T,) at which the loss was measured.
        losses: dict label -> (T,) or (seeds, T).
        rates: dict label -> (S,) the rate of every step, the first being step 1.
        marks: steps at which something happens, such as drops or restarts: dotted lines.

    >>> figure = plot_loss_and_rate([1, 2], {"a": [2.0, 1.0]}, {"a": [0.1, 0.01]}, marks=[1])
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['loss of all training data (nats)', 'learning rate']
    >>> plt.close(figure)
    """
    figure, axes = plt.subplots(
        2, 1, figsize=(1.5 * PANEL[0], 1.4 * PANEL[1]), sharex=True, height_ratios=(2, 1),
        layout="constrained",
    )  # fmt: skip
    for k, label in enumerate(losses):
        line(axes[0], steps, np.atleast_2d(np.asarray(losses[label], float)), k, label, EVERY)
        color, _, dash, _ = style(k)
        axes[1].plot(range(1, len(rates[label]) + 1), rates[label], color=color, ls=dash)
    for ax, name in zip(axes, (ylabel, "learning rate"), strict=True):
        plain(ax)
        ax.set_ylabel(name)
        for mark in marks:
            ax.axvline(mark + 0.5, color="0.4", lw=1, ls=":", zorder=1)
    log_if_wide(axes[0])
    axes[1].set_xlabel("step")
    legend(figure, axes[0])
    return figure


def plot_rate_finder(searches, chosen=None):
    """Draw the smoothed loss against the rate, on a logarithmic axis.

    Args:
        searches: dict label -> (rates, losses), or a list of such pairs, as `find_rate` gives them.
        chosen: a rate to mark, or None.

    >>> figure = plot_rate_finder({"a": ([0.01, 0.1, 1.0], [2.0, 1.0, 3.0])}, chosen=0.1)
    >>> figure.axes[0].get_xscale()
    'log'
    >>> plt.close(figure)
    """
    figure, (ax,) = panels(1)
    first = 0.0
    for k, (label, pairs) in enumerate(searches.items()):
        pairs = pairs if isinstance(pairs, list) else [pairs]
        losses = stacked([losses for _, losses in pairs])
        rates = max((rates for rates, _ in pairs), key=len)
        line(ax, rates, losses, k, label, EVERY)
        first = max(first, np.nanmax(losses[:, 0]))
    if chosen is not None:
        ax.axvline(chosen, color="0.3", lw=1, ls="--", label=f"chosen: {chosen:.2g}")
    ax.set(xscale="log", xlabel="learning rate", ylabel="loss, smoothed (nats)")
    ax.set_ylim(0, 1.5 * first)
    legend(figure, ax)
    return figure
