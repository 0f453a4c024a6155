"""Pictures of transfer: what is near in which features, and how far how many examples lead."""

import matplotlib.pyplot as plt
import numpy as np

from cs231n_lib.plotting.style import legend, line, panels, plain, style


def plot_neighbours(queries, rows):
    """Draw images, and beside each the images that are nearest to it; a frame: of the same class.

    Args:
        queries: dict name -> image (H, W, 3).
        rows: dict way -> list with, for each query, a list of pairs (image, same class or not). The
            ways are side by side.

    >>> image = np.zeros((4, 4, 3))
    >>> figure = plot_neighbours({"cat": image}, {"pixels": [[(image, True), (image, False)]]})
    >>> len(figure.axes)
    3
    >>> plt.close(figure)
    """
    counts = [len(found[0]) for found in rows.values()]
    widths = [1.0]
    for count in counts:
        widths += [0.35, *[1.0] * count]  # a gap before each way
    figure = plt.figure(figsize=(0.85 * sum(widths), 0.55 + 0.9 * len(queries)))
    grid = figure.add_gridspec(
        len(queries), len(widths), width_ratios=widths, wspace=0.08,
        left=0.02, right=0.98, bottom=0.02, top=0.9,
    )  # fmt: skip
    for k, (name, image) in enumerate(queries.items()):
        _show(figure.add_subplot(grid[k, 0]), image)
        figure.axes[-1].set_title(name, fontsize=8, pad=2)
        column = 1
        for way, found in rows.items():
            for i, (other, same) in enumerate(found[k]):
                ax = figure.add_subplot(grid[k, column + 1 + i])
                _show(ax, other, framed=same)
                if k == 0 and i == 0:
                    ax.set_title(f"nearest by {way}", loc="left", fontsize=9)
            column += 1 + len(found[k])
    return figure


def _show(ax, image, framed=False):
    ax.imshow(image)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=framed, color=style(1)[0], lw=3)


def plot_feature_planes(planes, labels, names, axis="principal axis"):
    """Draw the same examples in the plane of two principal axes of several kinds of features.

    Args:
        planes: dict kind -> (N, D) features; their first two principal components are drawn. A map
            in the plane, D = 2, is only turned.
        labels: (N,) classes from 0; names: of the classes; axis: what an axis is called.

    >>> x = np.random.default_rng(0).normal(size=(9, 4))
    >>> figure = plot_feature_planes({"pixels": x}, np.arange(9) % 3, ["a", "b", "c"])
    >>> figure.axes[0].get_title()
    'pixels'
    >>> plt.close(figure)
    """
    figure, axes = panels(len(planes))
    for ax, (kind, features) in zip(axes, planes.items(), strict=True):
        centred = features - features.mean(axis=0)
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        points = u[:, :2] * s[:2]  # (N, 2)
        for k, name in enumerate(names):
            color, marker, _, _ = style(k)
            look = {"color": color, "mfc": "white" if k % 2 else color, "ms": 4.5, "mew": 1.1}
            ax.plot(*points[labels == k].T, marker, label=name, **look)
        ax.set(title=kind, xlabel=f"first {axis}", aspect="equal", adjustable="datalim")
    axes[0].set_ylabel(f"second {axis}")
    legend(figure, axes)
    return figure


def plot_transfer_matrix(examples, results, baseline=None):
    """Draw the table of slide 104 as curves: a panel for each kind of data, all on one scale.

    Args:
        examples: (S,) numbers of training examples a class.
        results: dict kind -> dict way -> (seeds, S) accuracies; a way looks the same in each panel.
        baseline: name of the way that is drawn as a grey band, such as random features.

    >>> curves = {"probe": [[0.3, 0.6]], "random": [[0.2, 0.4]]}
    >>> figure = plot_transfer_matrix([5, 50], {"similar": curves, "different": curves}, "random")
    >>> [ax.get_title() for ax in figure.axes]
    ['similar', 'different']
    >>> plt.close(figure)
    """
    figure, axes = panels(len(results))
    drawn = list(dict.fromkeys(way for ways in results.values() for way in ways))
    drawn = [way for way in drawn if way != baseline]
    lows = []
    for ax, (kind, ways) in zip(axes, results.items(), strict=True):
        plain(ax)
        for k, way in enumerate(drawn):
            if way in ways:
                line(ax, examples, np.asarray(ways[way]), k, way)
        if baseline is not None:
            level = np.median(ways[baseline], axis=0)
            ax.fill_between(examples, 0, level, color="0.9", label=baseline, zorder=0)
            ax.plot(examples, level, color="0.5", lw=1, zorder=1)
        ax.set(title=kind, xscale="log", xlabel="training examples a class")
        ax.set_xticks(examples, [str(count) for count in examples])
        ax.minorticks_off()
        lows.append(min(np.min(values) for values in ways.values()))
    low = max(0.0, min(lows) - 0.05)
    for ax in axes:
        ax.set_ylim(low, 1.0)
    axes[0].set_ylabel("test accuracy")
    legend(figure, axes)
    return figure
