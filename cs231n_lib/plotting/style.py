"""What all pictures share: colours, markers, panels, a line for many runs, one legend."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Colour (dark and light in turn, safe for colour-blind readers), marker, dash, hatch.
STYLES = (
    ("#000000", "o", "-", ""),
    ("#e07b00", "s", "--", "///"),
    ("#0060a8", "^", "-.", "..."),
    ("#56b4a0", "D", ":", "xxx"),
    ("#8b2a6b", "v", (0, (6, 1, 1, 1, 1, 1)), "\\\\\\"),
    ("#7f7f7f", "P", (0, (1, 1)), "++"),
)
FAINT = 0.2  # opacity of a band or a bar
PANEL = (5.0, 3.4)  # inches


def show(title):
    """Give the present figure a title, which says what to take away, and show it.

    >>> figure = plt.figure()
    >>> show("Nothing")
    >>> figure.get_suptitle()
    'Nothing'
    >>> plt.close(figure)
    """
    figure = plt.gcf()
    figure.suptitle(title)
    if isinstance(engine := figure.get_layout_engine(), ConstrainedLayoutEngine):
        engine.set(h_pad=0.08)  # inches, below the title too
    plt.show()


def sweep(x, results, xlabel, ylabel):
    """Draw results against settings x, a panel each or one; see `plot_scale_sweep`."""
    groups = results if isinstance(next(iter(results.values())), dict) else {ylabel: results}
    figure, axes = panels(len(groups))
    for ax, (label, lines) in zip(axes, groups.items(), strict=True):
        for k, (name, values) in enumerate(lines.items()):
            values = np.atleast_2d(np.asarray(values, float))
            if values.shape[1] != len(x):
                raise ValueError(
                    f"{name!r} must have one value for each of the {len(x)} settings, (S,) or "
                    f"(seeds, S), got shape {np.shape(lines[name])}"
                )
            line(ax, x, np.where(np.isfinite(values), values, np.inf), k, name)
        ax.set(xlabel=xlabel, ylabel=label)
        log_if_wide(ax)
    legend(figure, axes)
    return figure, axes


def panels(count):
    """Return a figure and its `count` plain axes side by side."""
    size = (PANEL[0] * count + 1.8, PANEL[1])
    figure, axes = plt.subplots(1, count, figsize=size, squeeze=False, layout="constrained")
    for ax in axes[0]:
        plain(ax)
    return figure, axes[0]


def plain(ax):
    """Take away what carries no information; put a faint grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="0.92", lw=0.8)
    ax.set_axisbelow(True)


def style(k):
    """Return (colour, marker, dash, hatch) of the k-th thing in a picture."""
    return STYLES[k % len(STYLES)]


def faint(color):
    """Return a colour as see-through as a band."""
    return (*to_rgb(color), FAINT)


def filled(k):
    """Return the look of an area of the k-th thing: faint, hatched, with an edge."""
    color, _, _, hatch = style(k)
    return {"fc": faint(color), "ec": color, "hatch": hatch}


def line(ax, x, values, k, label, markevery=None):
    """Draw the median of values (seeds, X) and their range; infinity is a cross at the top."""
    color, marker, dash, _ = style(k)
    markevery = markevery or max(1, len(x) // 20)
    look = {"color": color, "marker": marker, "ls": dash, "ms": 5, "markevery": markevery}
    ax.plot(x, over_seeds(np.median, values), label=label, zorder=3, **look)
    if len(values) > 1:
        low, high = over_seeds(np.min, values), over_seeds(np.max, values)
        ax.fill_between(x, low, high, fc=faint(color), lw=0)
    diverged = np.isinf(values).any(axis=0)
    if diverged.any():
        top = ax.get_xaxis_transform()
        crosses = np.asarray(x)[diverged], np.full(diverged.sum(), 1.0 + 0.03 * k)
        ax.plot(
            *crosses,
            "x",
            color=color,
            transform=top,
            clip_on=False,
            label=f"{label}, a run diverged",
        )


def over_seeds(function, values):
    """Reduce values (seeds, X) to (X,) by the finite ones; NaN where there is none."""
    columns = [column[np.isfinite(column)] for column in values.T]
    return np.array([function(column) if column.size else np.nan for column in columns])


def stacked(runs):
    """Stack runs of unequal length, (runs, longest), the rest NaN."""
    stacked = np.full((len(runs), max(map(len, runs))), np.nan)
    for row, run in zip(stacked, runs, strict=True):
        row[: len(run)] = run
    return stacked


def smooth(loss):
    """Running mean over a fiftieth of the steps; infinity where the loss is not finite."""
    loss = np.where(np.isfinite(loss), loss, np.inf)
    window = max(1, len(loss) // 50)
    return [loss[max(0, i + 1 - window) : i + 1].mean() for i in range(len(loss))]


def log_if_wide(ax):
    """Use a logarithmic y axis for positive values that span more than two powers of ten."""
    values = np.concatenate([line.get_ydata() for line in ax.lines])
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() > 100 * values.min():
        ax.set_yscale("log")


def one_scale(axes):
    """Give a row of panels one y axis, a logarithmic one where any of them needs it."""
    for ax in axes:
        log_if_wide(ax)
    if any(ax.get_yscale() == "log" for ax in axes):
        plt.setp(axes, yscale="log")
    low, high = zip(*(ax.get_ylim() for ax in axes), strict=True)
    plt.setp(axes, ylim=(min(low), max(high)))


def legend(figure, axes):
    """Put one legend for all panels to the right of them, half-way up: the title is above."""
    entries = {}
    for ax in np.ravel(axes):
        handles, labels = ax.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(
        entries.values(), entries.keys(), loc="outside right center", frameon=False, fontsize=9,
        handlelength=3.5,
    )  # fmt: skip
