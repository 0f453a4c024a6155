"""Pictures of what comes after training: when to stop, results by seed, averages of weights."""

import matplotlib.pyplot as plt
import numpy as np

from cs231n_lib.plotting.style import PANEL, legend, plain, style


def plot_stopping(steps, curves, flags):
    """Draw the accuracies of one run, and flags at the steps where rules would end it.

    Args:
        steps: (T,) at which the accuracies were measured.
        curves: dict label -> (T,) accuracies; flags mark the first.
        flags: dict label -> place in `steps`.

    >>> figure = plot_stopping([10, 20, 30], {"val": [0.5, 0.9, 0.8]}, {"best": 1})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['best']
    >>> plt.close(figure)
    """
    figure, ax = plt.subplots(figsize=(1.6 * PANEL[0], 1.2 * PANEL[1]), layout="constrained")
    for k, (label, values) in enumerate(curves.items()):
        color, marker, dash, _ = style(k)
        every = max(1, len(steps) // 15)
        ax.plot(steps, values, color=color, ls=dash, marker=marker, ms=4, markevery=every,
                label=label)  # fmt: skip
    first = np.asarray(next(iter(curves.values())), float)
    left, right = ax.get_xlim()
    ax.set_xlim(left, right + 0.15 * (right - left))
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.3 * (high - low))
    for k, (label, place) in enumerate(flags.items()):
        top = high + (0.24 - 0.09 * k) * (high - low)
        ax.plot([steps[place]] * 2, [first[place], top], color="0.3", lw=1)
        ax.plot(steps[place], first[place], "o", ms=9, mfc="none", mec="0.1")
        ax.annotate(
            label, (steps[place], top), (4, -2), textcoords="offset points", fontsize=9, va="top"
        )
    ax.set(xlabel="step", ylabel="accuracy")
    plain(ax)
    ax.legend(frameon=False, loc="lower right", fontsize=9)
    return figure


def plot_results(groups, xlabel, titles=None):
    """Draw results of several ways as dots, one a seed, with their mean as a bar.

    Args:
        groups: dict panel -> dict way -> (seeds,) results; the panels share their scale.
        xlabel: what the results are.
        titles: dict panel -> what to take away; its name unless given.

    >>> figure = plot_results({"noisy": {"a": [0.5, 0.7], "b": [0.8, 0.9]}}, "accuracy")
    >>> [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    ['a', 'b']
    >>> plt.close(figure)
    """
    ways = list(dict.fromkeys(way for group in groups.values() for way in group))
    size = 0.85 * PANEL[0] * len(groups) + 1, 1.2 + 0.42 * len(ways)
    figure, axes = plt.subplots(
        1, len(groups), figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for ax, (name, group) in zip(axes[0], groups.items(), strict=True):
        for way, results in group.items():
            row = ways.index(way)
            spread = row + np.linspace(-0.25, 0.25, len(results))
            ax.plot(results, spread, "o", ms=3.5, mfc="none", mec=style(row)[0])
            mean = np.mean(results)
            ax.plot([mean] * 2, [row - 0.38, row + 0.38], color=style(row)[0], lw=3)
        ax.set(xlabel=xlabel, title=(titles or {}).get(name, name))
        plain(ax)
    axes[0, 0].set_yticks(range(len(ways)), ways)
    axes[0, 0].locator_params(axis="x", nbins=6)  # numbers of three decimals fit side by side
    axes[0, 0].invert_yaxis()
    return figure


def plot_noise_ball(curvatures, path, averages):
    """Draw the steps of SGD around the minimum of a bowl, and where averages of them go.

    Args:
        curvatures: (2,) of the bowl, whose minimum is at zero.
        path: (T, 2) the weights after every step.
        averages: dict label -> (T, 2) the average of the weights so far.

    >>> path = np.random.default_rng(0).normal(size=(9, 2))
    >>> figure = plot_noise_ball([1, 4], path, {"mean": path / 2})
    >>> figure.axes[0].get_aspect()
    1.0
    >>> plt.close(figure)
    """
    figure, ax = plt.subplots(figsize=(1.5 * PANEL[0], 1.4 * PANEL[1]), layout="constrained")
    ax.plot(*path.T, ".", ms=3, color="0.6", label="weights after a step")
    x, y = np.meshgrid(*[np.linspace(-1.1, 1.1, 101) * r for r in np.abs(path).max(axis=0)])
    loss = (curvatures[0] * x**2 + curvatures[1] * y**2) / 2
    ax.contour(x, y, loss, levels=8, colors="0.85", linewidths=0.8, zorder=0)
    for k, (label, points) in enumerate(averages.items()):
        color, marker, dash, _ = style(k)
        ax.plot(*points.T, color=color, ls=dash, lw=1)
        ax.plot(*points[-1], marker, color=color, ms=9, label=label)
    ax.plot(0, 0, "+", color="#c00000", ms=14, mew=2, label="the minimum")
    ax.set(xlabel="w₁", ylabel="w₂", aspect="equal")
    plain(ax)
    legend(figure, ax)
    return figure
