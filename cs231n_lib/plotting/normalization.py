"""Pictures of normalization layers: running statistics, the computation graph."""

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
