"""Pictures of the foundations: activation functions, units that are lost, depth and scale."""

import matplotlib.pyplot as plt
import numpy as np

from cs231n_lib.plotting.style import filled, legend, panels, plain, style

# --------------------------------------------------------------------------- activations


def plot_activation_functions(x, functions):
    """Draw activation functions, each with its slope, in a grid, all on one scale.

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
        sharex=True, sharey=True, squeeze=False, layout="constrained",
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


def plot_unit_states(shares, ylabel="fraction of the units"):
    """Draw fractions of units by layer, as bars; lines from the smallest to the largest seed.

    Args:
        shares: dict label -> (L,) or (seeds, L) fractions from 0 to 1, of the units of each layer.

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
