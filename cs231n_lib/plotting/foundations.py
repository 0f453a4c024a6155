"""Pictures of the foundations: activation functions, units that are lost, depth and scale."""

import matplotlib.pyplot as plt
import numpy as np

from cs231n_lib.plotting.style import filled, legend, panels, plain, style

# --------------------------------------------------------------------------- activations


def plot_activation_functions(x, functions):
    """Draw activation functions, each with its slope, in a grid.

    Args:
        x: (X,) increasing.
        functions: dict name -> (values (X,), slopes (X,)).

    >>> x = np.linspace(-2, 2, 5)
    >>> figure = plot_activation_functions(x, {"identity": (x, np.ones(5))})
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['f(x)', 'slope']
    >>> plt.close(figure)
    """
    columns = min(3, len(functions))
    rows = -(-len(functions) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(1.6 + 3.0 * columns, 0.4 + 2.4 * rows),
        sharex=True, squeeze=False, layout="constrained",
    )  # fmt: skip
    for ax in axes.flat[len(functions) :]:
        ax.remove()
    for ax, (name, (values, slopes)) in zip(axes.flat, functions.items(), strict=False):
        for k, (label, line) in enumerate({"f(x)": values, "slope": slopes}.items()):
            color, marker, dash, _ = style(k)
            every = max(1, len(x) // 8)
            ax.plot(
                x, line, color=color, ls=dash, marker=marker, markevery=every, ms=4, label=label
            )
        ax.set_title(name, fontsize=10)
        ax.set(xlabel="x", ylabel="f(x), slope")
        plain(ax)
    legend(figure, axes)
    return figure


def plot_unit_states(shares, ylabel="share of the units"):
    """Draw shares of units, layer by layer, as bars; lines from the smallest to the largest seed.

    Args:
        shares: dict label -> (L,) or (seeds, L) shares from 0 to 1, of the units of each layer.

    >>> figure = plot_unit_states({"ReLU, dead": [0.0, 0.25]})
    >>> figure.axes[0].get_ylim()[0]
    np.float64(0.0)
    >>> plt.close(figure)
    """
    figure, axes = panels(1)
    ax, width = axes[0], 0.8 / len(shares)
    for k, (label, values) in enumerate(shares.items()):
        values = np.atleast_2d(np.asarray(values, float))
        middle, low, high = (f(values, axis=0) for f in (np.median, np.min, np.max))
        places = np.arange(1, values.shape[1] + 1) + (k - (len(shares) - 1) / 2) * width
        ax.bar(places, middle, width, label=label, **filled(k))
        if len(values) > 1:
            ax.vlines(places, low, high, color=style(k)[0], lw=2)
    ax.set_xticks(np.arange(1, values.shape[1] + 1))
    ax.set(xlabel="hidden layer", ylabel=ylabel, ylim=(0, None))
    legend(figure, axes)
    return figure


# --------------------------------------------------------------------------- initialization

LOGARITHMS = (-15, 9)  # powers of ten that a logarithmic histogram spans


def plot_layer_histograms(rows, xlabel, limits=None):
    """Draw histograms of some layers (columns) of several networks (rows).

    Args:
        rows: dict network -> dict layer -> array of any shape.
        xlabel: what the arrays hold.
        limits: ends of the x axis. Without, the axis is the logarithm of the size of the values
            that are not 0, and smaller or larger ones are collected at its ends; a panel names the
            share of zeros.

    >>> figure = plot_layer_histograms({"small": {"layer 1": np.ones(3)}}, "activation", (-1, 1))
    >>> figure.axes[0].get_title()
    'std 0'
    >>> plt.close(figure)
    """
    columns = list(next(iter(rows.values())))
    figure, axes = plt.subplots(
        len(rows), len(columns), figsize=(1.2 + 2.0 * len(columns), 0.6 + 1.5 * len(rows)),
        sharex=True, squeeze=False, layout="constrained",
    )  # fmt: skip
    bins = np.linspace(*(limits or LOGARITHMS), 61)
    for k, (name, arrays) in enumerate(rows.items()):
        for ax, column in zip(axes[k], columns, strict=True):
            values = np.ravel(arrays[column]).astype(float)
            title = f"std {values.std():.2g}"
            if limits is None:
                zeros = np.mean(values == 0)
                title += f", {zeros:.0%} zeros" if zeros > 0.005 else ""
                values = np.log10(np.abs(values[values != 0]))
            shares = np.histogram(values.clip(bins[0], bins[-1]), bins)[0] / max(1, values.size)
            ax.bar(bins[:-1], shares, np.diff(bins), align="edge", lw=0, **filled(k))
            ax.stairs(shares, bins, color=style(k)[0], lw=1.2)
            ax.set_title(title, fontsize=8)
            ax.set(xlim=bins[[0, -1]])
            ax.locator_params(axis="y", nbins=3)
            ax.tick_params(labelsize=8)
            plain(ax)
            if limits is None:
                ax.set_xticks([-12, -6, 0, 6], ["$10^{-12}$", "$10^{-6}$", "1", "$10^{6}$"])
        axes[k, 0].set_ylabel(f"{name}\nfraction", fontsize=9)
    for ax, column in zip(axes[-1], columns, strict=True):
        ax.set_xlabel(f"{xlabel},\n{column}", fontsize=9)
    return figure
