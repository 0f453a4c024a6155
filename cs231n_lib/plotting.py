"""The lessons' pictures: each function draws one and returns its matplotlib Figure.

Call `plt.show()` afterwards to see it. Lines differ in colour, marker and dash, so that they can be
told apart in grey; where there are several seeds, a line is their median and its band their range.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.ticker import LogLocator, NullLocator

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
    figure, axes = _sweep(scales, results, "scale of the initial weights", ylabel)
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
    figure, axes = _sweep(batch_sizes, results, "batch size (examples)", ylabel)
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
    figure, axes = _sweep(x, results, xlabel, ylabel)
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
    figure, axes = _panels(1)
    ax = axes[0]
    curves = [np.atleast_2d(np.asarray(values, float)) for values in (train_mode, eval_mode)]
    middles = [_over_seeds(np.median, curve) for curve in curves]
    ax.fill_between(x, *middles, color="0.85", label="gap", zorder=0)
    _line(ax, x, curves[0], 0, "train mode: statistics of the batch")
    _line(ax, x, curves[1], 1, "test mode: running statistics")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    _legend(figure, axes)
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
    figure, (left, right) = _panels(2)
    for k, (label, runs) in enumerate(histories.items()):
        runs = runs if isinstance(runs, list | tuple) else [runs]
        losses = _stacked([_smooth(run.loss) for run in runs])
        _line(left, np.arange(1, losses.shape[1] + 1), losses, k, label, markevery=(0, 0.15))
        steps = max((run.steps for run in runs), key=len)
        _line(right, steps, _stacked([run.val_accuracy for run in runs]), k, label)
        train = _over_seeds(np.median, _stacked([run.train_accuracy for run in runs]))
        color, marker, dash, _ = _style(k)
        right.plot(steps, train, color=color, marker=marker, ls=dash, lw=0.8, ms=5, mfc="white")
    left.set(xlabel="step", ylabel="training loss (nats)")
    right.set(xlabel="step", ylabel="accuracy (filled: val, hollow: train)")
    _log_if_wide(left)
    _legend(figure, left)
    return figure


def plot_running_statistics(running, population, corrected=None):
    """Draw running statistics on their way to the statistics of the whole training set.

    Args:
        running: dict name ('mean', 'variance') -> dict momentum -> (T,) of one feature, by step.
        population: dict name -> the number they approach.
        corrected: like `running`, with the start at zero divided out; dashed.

    >>> values = {"mean": {0.9: [0.1, 0.19, 0.271]}}
    >>> figure = plot_running_statistics(values, {"mean": 1.0})
    >>> plt.close(figure)
    """
    figure, axes = _panels(len(running))
    for ax, (name, by_momentum) in zip(axes, running.items(), strict=True):
        ax.axhline(population[name], color="0.6", lw=4, alpha=0.6, label="whole training set")
        for k, (momentum, values) in enumerate(by_momentum.items()):
            color, marker, _, _ = _style(k)
            look = {"color": color, "marker": marker, "ms": 5}
            steps = np.arange(1, len(values) + 1)
            every = (k * len(steps) // 20, max(1, len(steps) // 6))
            label = f"momentum {momentum:g}"
            ax.plot(steps, values, ls="-", markevery=every, label=label, **look)
            if corrected:
                label, values = f"{label}, corrected", corrected[name][momentum]
                ax.plot(steps, values, ls="--", mfc="white", markevery=every, label=label, **look)
        ax.set(xlabel="step", ylabel=f"running {name}")
    _legend(figure, axes)
    return figure


# --------------------------------------------------------------------------- distributions, times


def plot_histograms(activations, xlabel="activation"):
    """Draw histograms in a grid, such as those of each layer's activations with and without BN.

    Args:
        activations: dict row -> dict column -> array of any shape. A column shares its x axis and
            its bins; a panel names the mean and the standard deviation of its values.

    >>> row = {"layer 1": np.zeros(9), "layer 2": np.arange(9.0)}
    >>> figure = plot_histograms({"before": row, "after": row})
    >>> len(figure.axes)
    4
    >>> plt.close(figure)
    """
    n_rows, columns = len(activations), list(next(iter(activations.values())))
    figure, axes = plt.subplots(
        n_rows, len(columns), figsize=(1.0 + 2.3 * len(columns), 0.6 + 1.7 * n_rows),
        sharex="col", squeeze=False, layout="constrained",
    )  # fmt: skip
    for k, (row, panels) in enumerate(activations.items()):
        for ax, column in zip(axes[k], columns, strict=True):
            values = np.ravel(panels[column]).astype(float)
            everything = np.concatenate([np.ravel(each[column]) for each in activations.values()])
            bins = np.histogram_bin_edges(everything, 40)
            shares = np.histogram(values, bins)[0] / values.size
            ax.bar(bins[:-1], shares, np.diff(bins), align="edge", lw=0, **_filled(k))
            ax.stairs(shares, bins, color=_style(k)[0], lw=1.2)
            mean = round(values.mean(), 2) + 0.0  # + 0.0 turns −0 into 0
            ax.set_title(f"mean {mean:.2f}, std {values.std():.2g}", fontsize=9)
            ax.tick_params(labelsize=8)
            _plain(ax)
        axes[k, 0].set_ylabel(f"{row}\nfraction")
    for ax, column in zip(axes[-1], columns, strict=True):
        ax.set_xlabel(f"{xlabel}, {column}")
    return figure


def plot_timings(timings):
    """Draw times as bars on a logarithmic axis, each with its ratio to the first of its group.

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
    ax.set_xscale("log")
    position, ticks = 0.0, {}
    for name, group in groups.items():
        first = next(iter(group.values()))
        for label, seconds in group.items():
            ax.barh(position, seconds * 1e3, 0.8, **_filled(labels.index(label)))
            ratio = "" if seconds is first else f" ({seconds / first:.2g} ×)"
            text = f"{seconds * 1e3:.3g} ms{ratio}"
            ax.annotate(
                text, (seconds * 1e3, position), (4, 0), textcoords="offset points", va="center"
            )
            ticks[position] = f"{name}, {label}" if name else label
            position += 1
        position += 0.6
    milliseconds = [1e3 * seconds for group in groups.values() for seconds in group.values()]
    ax.set_xlim(min(milliseconds) / 3, max(milliseconds) * 4)
    ax.set_yticks(list(ticks), ticks.values())
    ax.invert_yaxis()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("time of one call (ms, logarithmic)")
    _plain(ax)
    return figure


# --------------------------------------------------------------------------- the computation graph

BACKWARD = "#b03000"
VARIABLES = {  # name: place, text
    "x": ((0.0, 0.0), "$x$"),
    "gamma": ((13.2, 2.7), "$\\gamma$"),
    "beta": ((16.2, 2.7), "$\\beta$"),
    "y": ((19.0, 0.0), "$y$"),
}
OPERATIONS = {  # name: place, text with the equation that it belongs to
    "mean": ((2.5, 2.7), "mean\n(BN.1)"),
    "minus": ((4.8, 0.0), "−"),
    "variance": ((7.1, 2.7), "mean of\nsquares\n(BN.2)"),
    "root": ((9.8, 2.7), "$\\sqrt{\\;\\cdot + \\varepsilon}$"),
    "divide": ((9.8, 0.0), "÷\n(BN.3)"),
    "times": ((13.2, 0.0), "×"),
    "plus": ((16.2, 0.0), "+\n(BN.4)"),
}
SYMBOLS = {  # what goes along an edge, where it has a name
    ("mean", "minus"): "$\\mu$",
    ("minus", "divide"): "$x - \\mu$",
    ("variance", "root"): "$\\sigma^2$",
    ("root", "divide"): "$s$",
    ("divide", "times"): "$\\hat x$",
}


def plot_computation_graph(x=(1.0, 2.0, 6.0), gamma=2.0, beta=1.0, dout=(1.0, 0.0, 0.0), eps=1e-5):
    """Draw batch normalization's computational graph for one feature of a small batch.

    Above each edge stands the value that goes forward, below it in italics the gradient of
    sum(dout · y) that comes back along this edge; PyTorch's autograd computes both.

    Args:
        x, dout: (N,) the feature in each example, and the gradient that arrives at the output.
        gamma, beta, eps: numbers.

    >>> figure = plot_computation_graph()
    >>> plt.close(figure)
    """
    figure, ax = plt.subplots(figsize=(13, 3.5), layout="constrained")
    ax.set(xlim=(-0.5, 19.4), ylim=(-1.6, 3.6), aspect="equal")
    ax.axis("off")
    nodes = {name: _draw_node(ax, *node, "circle", "white") for name, node in VARIABLES.items()}
    nodes |= {name: _draw_node(ax, *node, "round", "0.9") for name, node in OPERATIONS.items()}
    edges = _graph_edges(x, gamma, beta, dout, eps)
    for (start, end), (value, gradient) in edges.items():
        symbol = SYMBOLS.get((start, end))
        forward = f"{symbol} = {_numbers(value)}" if symbol else _numbers(value)
        _draw_edge(ax, nodes[start], nodes[end], forward, _numbers(gradient))

    total = sum(gradient for (start, _), (_, gradient) in edges.items() if start == "x")
    look = {"va": "top", "fontsize": 10}
    back = {"color": BACKWARD, "style": "italic"}
    ax.text(-0.4, -0.8, f"both ways together: {_numbers(total)}", **look, **back)
    ax.text(9.8, -0.8, "above an edge, or right of it: the value that goes forward", **look)
    text = "below an edge, or left of it: the gradient that comes back along it"
    ax.text(9.8, -1.25, text, **look, **back)
    return figure


def _graph_edges(x, gamma, beta, dout, eps):
    """Return {(start, end): (value, gradient)} of every edge, both from autograd."""
    import torch

    copies = {}

    def along(start, end, value):  # a copy keeps the gradient of this edge apart from the others
        copies[start, end] = value.clone()
        copies[start, end].retain_grad()
        return copies[start, end]

    x, gamma, beta, dout = (torch.tensor(v, dtype=torch.float64) for v in (x, gamma, beta, dout))
    for leaf in (x, gamma, beta):
        leaf.requires_grad_()
    mean = along("x", "mean", x).mean()
    centred = along("x", "minus", x) - along("mean", "minus", mean)
    variance = along("minus", "variance", centred).square().mean()
    root = (along("variance", "root", variance) + eps).sqrt()
    normalized = along("minus", "divide", centred) / along("root", "divide", root)
    scaled = along("divide", "times", normalized) * along("gamma", "times", gamma)
    shifted = along("times", "plus", scaled) + along("beta", "plus", beta)
    along("plus", "y", shifted).backward(dout)
    return {edge: (copy.detach().numpy(), copy.grad.numpy()) for edge, copy in copies.items()}


def _draw_node(ax, place, text, shape, color):
    box = {"boxstyle": f"{shape},pad=0.35", "fc": color, "ec": "black"}
    size = 10 if "(" in text else 13
    return ax.text(*place, text, ha="center", va="center", fontsize=size, bbox=box)


def _draw_edge(ax, start, end, forward, backward):
    """Draw an arrow between two nodes with what goes forward above it and what comes back below."""
    ends = {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
    arrow = {"arrowstyle": "-|>", "fc": "0.3", "ec": "0.3", "shrinkA": 1, "shrinkB": 1, **ends}
    tail, head = np.array(start.get_position()), np.array(end.get_position())
    ax.annotate("", head, tail, arrowprops=arrow)
    dx, dy = (head - tail) / np.hypot(*(head - tail))
    texts = (forward, 1, {}), (backward, -1, {"color": BACKWARD, "style": "italic"})
    for text, side, look in texts:
        if dx == 0:
            place = (tail + head) / 2 + (0.15 * side, 0)
            look = {"ha": "left" if side > 0 else "right", **look}
        else:
            place = (tail + head) / 2 + 0.27 * side * np.array([-dy, dx])
            look = {"ha": "center", "rotation": np.degrees(np.arctan2(dy, dx)), **look}
        ax.text(*place, text, va="center", fontsize=9, **look)


def _numbers(values):
    texts = [f"{value + 0.0:.2g}".replace("-", "−") for value in np.round(np.ravel(values), 6)]
    return f"({', '.join(texts)})" if len(texts) > 1 else texts[0]


# --------------------------------------------------------------------------- shared by the pictures


def _sweep(x, results, xlabel, ylabel):
    panels = results if isinstance(next(iter(results.values())), dict) else {ylabel: results}
    figure, axes = _panels(len(panels))
    for ax, (label, lines) in zip(axes, panels.items(), strict=True):
        for k, (name, values) in enumerate(lines.items()):
            values = np.atleast_2d(np.asarray(values, float))
            if values.shape[1] != len(x):
                raise ValueError(
                    f"{name!r} must have one value for each of the {len(x)} settings, (S,) or "
                    f"(seeds, S), got shape {np.shape(lines[name])}"
                )
            _line(ax, x, np.where(np.isfinite(values), values, np.inf), k, name)
        ax.set(xlabel=xlabel, ylabel=label)
        _log_if_wide(ax)
    _legend(figure, axes)
    return figure, axes


def _panels(count):
    size = (PANEL[0] * count + 1.8, PANEL[1])
    figure, axes = plt.subplots(1, count, figsize=size, squeeze=False, layout="constrained")
    for ax in axes[0]:
        _plain(ax)
    return figure, axes[0]


def _plain(ax):
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="0.92", lw=0.8)
    ax.set_axisbelow(True)


def _style(k):
    return STYLES[k % len(STYLES)]


def _faint(color):
    return (*to_rgb(color), FAINT)


def _filled(k):
    color, _, _, hatch = _style(k)
    return {"fc": _faint(color), "ec": color, "hatch": hatch}


def _line(ax, x, values, k, label, markevery=None):
    """Draw the median of values (seeds, X) and their range; infinity is a cross at the top."""
    color, marker, dash, _ = _style(k)
    markevery = markevery or max(1, len(x) // 20)
    look = {"color": color, "marker": marker, "ls": dash, "ms": 5, "markevery": markevery}
    ax.plot(x, _over_seeds(np.median, values), label=label, zorder=3, **look)
    if len(values) > 1:
        low, high = _over_seeds(np.min, values), _over_seeds(np.max, values)
        ax.fill_between(x, low, high, fc=_faint(color), lw=0)
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


def _over_seeds(function, values):
    """Reduce values (seeds, X) to (X,) by the finite ones; NaN where there is none."""
    columns = [column[np.isfinite(column)] for column in values.T]
    return np.array([function(column) if column.size else np.nan for column in columns])


def _stacked(runs):
    """Stack runs of unequal length, (runs, longest), the rest NaN."""
    stacked = np.full((len(runs), max(map(len, runs))), np.nan)
    for row, run in zip(stacked, runs, strict=True):
        row[: len(run)] = run
    return stacked


def _smooth(loss):
    """Running mean over a fiftieth of the steps; infinity where the loss is not finite."""
    loss = np.where(np.isfinite(loss), loss, np.inf)
    window = max(1, len(loss) // 50)
    return [loss[max(0, i + 1 - window) : i + 1].mean() for i in range(len(loss))]


def _log_if_wide(ax):
    """Use a logarithmic y axis for positive values that span more than two powers of ten."""
    values = np.concatenate([line.get_ydata() for line in ax.lines])
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() > 100 * values.min():
        ax.set_yscale("log")


def _legend(figure, axes):
    """Put one legend for all panels to the right of them."""
    entries = {}
    for ax in np.ravel(axes):
        handles, labels = ax.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(
        entries.values(), entries.keys(), loc="outside right upper", frameon=False, fontsize=9,
        handlelength=3.5,
    )  # fmt: skip
