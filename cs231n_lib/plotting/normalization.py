"""Pictures of normalization layers: running statistics, the graph, what shares a mean."""

import matplotlib.pyplot as plt
import numpy as np

from cs231n_lib.plotting.style import legend, panels, style


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
    figure, axes = panels(len(running))
    for ax, (name, by_momentum) in zip(axes, running.items(), strict=True):
        ax.axhline(population[name], color="0.6", lw=4, alpha=0.6, label="whole training set")
        for k, (momentum, values) in enumerate(by_momentum.items()):
            color, marker, _, _ = style(k)
            look = {"color": color, "marker": marker, "ms": 5}
            steps = np.arange(1, len(values) + 1)
            every = (k * len(steps) // 20, max(1, len(steps) // 6))
            label = f"momentum {momentum:g}"
            ax.plot(steps, values, ls="-", markevery=every, label=label, **look)
            if corrected:
                label, values = f"{label}, corrected", corrected[name][momentum]
                ax.plot(steps, values, ls="--", mfc="white", markevery=every, label=label, **look)
        ax.set(xlabel="step", ylabel=f"running {name}")
    legend(figure, axes)
    return figure


# --------------------------------------------------------------------------- the computation graph

BACKWARD = "#b03000"
IMAGINARY = 1e-30  # a step this small leaves the real parts as they are
VARIABLES = {  # name: place, text
    "x": ((0.0, 0.0), "$x$"),
    "gamma": ((14.2, 2.7), "$\\gamma$"),
    "beta": ((18.0, 2.7), "$\\beta$"),
    "y": ((21.8, 0.0), "$y$"),
}
OPERATIONS = {  # name: place, text with the equation that it belongs to
    "mean": ((2.5, 2.7), "mean\n(BN.1)"),
    "minus": ((4.8, 0.0), "−"),
    "variance": ((7.1, 2.7), "mean of\nsquares\n(BN.2)"),
    "root": ((9.8, 2.7), "$\\sqrt{\\;\\cdot + \\varepsilon}$"),
    "divide": ((9.8, 0.0), "÷\n(BN.3)"),
    "times": ((14.2, 0.0), "×"),
    "plus": ((18.0, 0.0), "+\n(BN.4)"),
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

    Above each edge is the value that goes forward, below it in italics the gradient of
    sum(dout · y) that comes back along this edge.

    Args:
        x, dout: (N,) the feature in each example, and the gradient that arrives at the output.
        gamma, beta, eps: numbers.

    >>> figure = plot_computation_graph()
    >>> plt.close(figure)
    """
    figure, ax = plt.subplots(figsize=(14.5, 3.5), layout="constrained")
    ax.set(xlim=(-0.5, 22.2), ylim=(-1.6, 3.6), aspect="equal")
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
    ax.text(-0.4, -0.8, f"both paths together: {_numbers(total)}", **look, **back)
    ax.text(9.8, -0.8, "above an edge, or right of it: the value that goes forward", **look)
    text = "below an edge, or left of it: the gradient that comes back along it"
    ax.text(9.8, -1.25, text, **look, **back)
    return figure


def _graph_edges(x, gamma, beta, dout, eps):
    """Return {(start, end): (value, gradient)} of every edge.

    A gradient is the derivative by what is added to the value on its way along the edge: a step of
    iδ there moves the imaginary part of the result by δ times the derivative, exactly.
    """
    values = _graph_values(x, gamma, beta, eps)
    edges = {}
    for edge, value in values.items():
        gradient = np.empty(np.shape(value))
        for index in np.ndindex(gradient.shape):
            step = np.zeros(gradient.shape, complex)
            step[index] = 1j * IMAGINARY
            y = _graph_values(x, gamma, beta, eps, {edge: step})["plus", "y"]
            gradient[index] = (np.array(dout) * y).sum().imag / IMAGINARY
        edges[edge] = np.array(value), gradient
    return edges


def _graph_values(x, gamma, beta, eps, added=None):
    """Return {(start, end): value} going forward, with something `added` on the way along edges."""
    values, added = {}, added or {}

    def along(start, end, value):
        values[start, end] = value + added.get((start, end), 0)
        return values[start, end]

    x = np.array(x, dtype=float)
    mean = along("x", "mean", x).mean()
    centred = along("x", "minus", x) - along("mean", "minus", mean)
    variance = (along("minus", "variance", centred) ** 2).mean()
    root = np.sqrt(along("variance", "root", variance) + eps)
    normalized = along("minus", "divide", centred) / along("root", "divide", root)
    scaled = along("divide", "times", normalized) * along("gamma", "times", gamma)
    shifted = along("times", "plus", scaled) + along("beta", "plus", beta)
    along("plus", "y", shifted)
    return values


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


# --------------------------------------------------------------------------- what shares a mean

TOGETHER, APART = "#0060a8", "0.95"  # dark and light, in grey too
DEPTH = np.array([0.45, 0.3])  # how far, right and up, the next example stands behind the first
SIZE = (4, 6, 5)  # examples, channels and pixels of an image that are drawn


def plot_normalization_axes(layers=None, shape=SIZE):
    """Draw for each layer a block of numbers (N, C, pixels), those dark that share a mean.

    Nothing is taken from a table: one number after the other is changed, and dark are those that
    move the output at the starred place. Front face: the first example, channels from left to
    right, pixels downwards.

    Args:
        layers: dict name -> function from x (N, C, H, W) to an output of the same shape, all
            arrays; by default the means of batch, layer, instance and group norm (two groups).
        shape: (N, C, number of pixels) of the block.

    >>> centred = lambda x: x - x.mean(axis=(2, 3), keepdims=True)
    >>> figure = plot_normalization_axes({"instance norm": centred})
    >>> plt.close(figure)
    """
    layers = layers or CENTRED
    size = (3.2 * len(layers), 3.0)
    figure, axes = plt.subplots(1, len(layers), figsize=size, squeeze=False, layout="constrained")
    for ax, (name, function) in zip(axes[0], layers.items(), strict=True):
        together = _moves_the_output(function, shape)
        _draw_block(ax, together)
        ax.set_title(f"{name}\none mean over {_axes_in_words(together)}", fontsize=11)
    return figure


def _centred(*axes):
    return lambda x: x - x.mean(axis=axes, keepdims=True)


def _centred_in_halves(x):
    halves = np.split(x, 2, axis=1)
    return np.concatenate([_centred(1, 2, 3)(half) for half in halves], axis=1)


CENTRED = {  # what each layer subtracts from x (N, C, H, W): all that decides what shares a mean
    "batch norm": _centred(0, 2, 3),
    "layer norm": _centred(1, 2, 3),
    "instance norm": _centred(2, 3),
    "group norm": _centred_in_halves,
}


def _moves_the_output(function, shape):
    """Return which numbers of a block move the output at its front, right, upper corner."""
    N, C, pixels = shape
    x = np.random.default_rng(0).normal(size=(N, C, pixels, 1))
    place = (0, C - 1, 0, 0)
    before = function(x.copy())[place]
    together = np.zeros(shape, bool)
    for index in np.ndindex(shape):
        moved = x.copy()
        moved[*index, 0] += 1
        together[index] = abs(function(moved)[place] - before) > 1e-9
    return together


def _axes_in_words(together):
    """Say over which axes the dark numbers reach: all of C, or C/G of it."""
    words = []
    for axis, (name, size) in enumerate(zip(("N", "C", "H, W"), together.shape, strict=True)):
        others = tuple(other for other in range(3) if other != axis)
        reach = int(together.any(axis=others).sum())
        if reach > 1:
            words.append(name if reach == size else f"{name}/{size // reach}")
    return ", ".join(words)


def _draw_block(ax, together):
    """Draw the three faces of a block that can be seen: front, right and top."""
    N, C, pixels = together.shape
    right, down = np.array([1.0, 0]), np.array([0, -1.0])
    for c, p in np.ndindex(C, pixels):
        _draw_cell(ax, c * right + p * down, right, down, together[0, c, p])
    for n, p in np.ndindex(N, pixels):
        _draw_cell(ax, C * right + p * down + n * DEPTH, DEPTH, down, together[n, C - 1, p])
    for n, c in np.ndindex(N, C):
        _draw_cell(ax, c * right + n * DEPTH, right, DEPTH, together[n, c, 0])

    star = (C - 0.5) * right + 0.5 * down
    ax.plot(*star, "*", ms=11, color="white", mec="black", mew=0.6)
    back = N * DEPTH
    _draw_axis(
        ax, (0, -pixels - 0.6), (C, -pixels - 0.6), "channels C", (0, -0.15), "center", "top"
    )
    _draw_axis(ax, (-0.6, 0), (-0.6, -pixels), "pixels\nH, W", (-0.2, 0), "right", "center")
    _draw_axis(
        ax,
        (-0.6, 0.3),
        (back[0] - 0.6, back[1] + 0.3),
        "examples\nN",
        (-0.2, 0.3),
        "right",
        "center",
    )
    ax.set(xlim=(-3.4, C + back[0] + 0.3), ylim=(-pixels - 1.9, back[1] + 0.6), aspect="equal")
    ax.axis("off")


def _draw_cell(ax, corner, along, across, dark):
    points = [corner, corner + along, corner + along + across, corner + across]
    color, edge = (TOGETHER, "white") if dark else (APART, "0.6")
    ax.add_patch(plt.Polygon(points, fc=color, ec=edge, lw=0.8))


def _draw_axis(ax, start, end, text, offset, ha, va):
    start, end = np.asarray(start), np.asarray(end)
    arrow = {"arrowstyle": "->", "lw": 0.9, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", xy=end, xytext=start, arrowprops=arrow)
    ax.text(*((start + end) / 2 + offset), text, ha=ha, va=va, fontsize=9)
