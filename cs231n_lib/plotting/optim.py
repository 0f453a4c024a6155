"""Landscapes to walk down, as on slides 21–36, and pictures of the ways that optimizers take.

A landscape is a loss of two weights with its true gradient. Nothing is drawn by hand: a way is what
a rule does there.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

from cs231n_lib.errors import at_least, whole
from cs231n_lib.plotting.style import PANEL, legend, one_scale, plain, style

GROUND, SKY = 1e-16, 1e9  # a loss is drawn between these heights above the lowest one
MOST_FRAMES, DOTS = 100, 80  # of an animation; dots an inch
PAUSE = 2000  # milliseconds at the end of a round


@dataclass(frozen=True, eq=False)
class Landscape:
    """A loss of two weights.

    loss: (..., 2) -> (...); gradient: (2,) -> (2,), without noise; start: (2,) where ways begin;
    minima: (M, 2) the lowest first; box: ((low, high), (low, high)) to draw; noise: standard
    deviation of each component of the noise that mini-batches would add to the gradient.
    """

    loss: Callable
    gradient: Callable
    start: tuple
    minima: tuple
    box: tuple
    noise: float = 0.0

    def path(self, rule, steps, config=None, start=None, rng=None, lookahead=False):
        """Return the way of a rule, (steps + 1, 2), from `start` on; it may run off to infinity.

        Args:
            rule: (w, dw, config) -> next_w, config, such as your own `sgd`.
            steps: how many.
            config: settings of the rule.
            start: where to begin; this landscape's start unless given.
            rng: draws the noise of the gradient, where there is some.
            lookahead: whether the rule takes the gradient function in place of dw.

        >>> def halfway(w, dw, config):
        ...     return w - 0.5 * dw, config
        >>> ravine(1).path(halfway, 2, start=(4.0, 2.0))
        array([[4. , 2. ],
               [2. , 1. ],
               [1. , 0.5]])
        """

        def gradient(w):
            return self.gradient(w) + (self.noise * rng.normal(size=2) if self.noise else 0.0)

        w, config = np.array(self.start if start is None else start, float), dict(config or {})
        way = [w.copy()]
        with np.errstate(over="ignore", invalid="ignore"):  # running off is an outcome
            for _ in range(steps):
                w, config = rule(w, gradient if lookahead else gradient(w), config)
                way.append(w.copy())
        return np.array(way)

    def best_path(self, rule, steps, candidates, seed=0, lookahead=False):
        """Return the settings with the lowest loss over the last fifth of the steps, and the way.

        Args:
            rule, steps, lookahead: as for `path`.
            candidates: list of settings of the rule; seed: of the noise, the same for all of them.

        >>> def descent(w, dw, config):
        ...     return w - config["learning_rate"] * dw, config
        >>> rates = [{"learning_rate": rate} for rate in (0.1, 0.5, 0.7)]
        >>> ravine(3).best_path(descent, 20, rates)[0]
        {'learning_rate': 0.5}
        """
        best = np.inf, None, None
        for settings in candidates:
            rng = np.random.default_rng(seed)
            way = self.path(rule, steps, settings, rng=rng, lookahead=lookahead)
            end = np.mean(self.above(way)[-max(1, steps // 5) :])
            if best[1] is None or end < best[0]:
                best = end, dict(settings), way
        return best[1:]

    def above(self, way):
        """Return how far the loss along a way (..., 2) is above that of the lowest minimum."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.loss(np.asarray(way)) - self.loss(np.array(self.minima[0]))


def ravine(condition, degrees=0.0, noise=0.0):
    """Return the quadratic ½ wᵀHw whose H has the eigenvalues 1 and `condition`.

    Args:
        condition: the condition number, at least 1 (slide 21).
        degrees: angle between the ravine and the first axis.
        noise: of the gradient.

    >>> ravine(100).gradient(np.array([1.0, 1.0]))
    array([  1., 100.])
    """
    at_least(1)("condition", condition)
    turn = np.deg2rad(degrees)
    R = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    H = R @ np.diag([1.0, condition]) @ R.T
    start = tuple(R @ (-4.0, 1.0))
    box = ((-5, 5), (-2, 2)) if degrees == 0 else ((-5, 5), (-5, 5))

    def loss(w):
        return 0.5 * np.einsum("...i,ij,...j", w, H, w)

    return Landscape(loss, lambda w: H @ w, start, ((0.0, 0.0),), box, noise)


def two_valleys():
    """Return a landscape with a local minimum before the lowest one (slide 23).

    Along the first axis x⁴/4 − x² + 0.3·x, along the second y²: the shallow minimum is at x = 1.33,
    the deep one at x = −1.49, and the ridge between them at x = 0.15.

    >>> valleys = two_valleys()
    >>> [valleys.gradient(np.array(minimum)).round(9).tolist() for minimum in valleys.minima]
    [[-0.0, 0.0], [0.0, 0.0]]
    """

    def loss(w):
        x, y = w[..., 0], w[..., 1]
        return x**4 / 4 - x**2 + 0.3 * x + y**2

    def gradient(w):
        return np.array([w[0] ** 3 - 2 * w[0] + 0.3, 2 * w[1]])

    flat = np.sort(np.roots([1, 0, -2, 0.3]).real)
    minima = ((float(flat[0]), 0.0), (float(flat[2]), 0.0))
    return Landscape(loss, gradient, (2.3, 0.8), minima, ((-2.4, 2.6), (-1.2, 1.2)))


def saddle():
    """Return a saddle at the origin between two minima at (0, −1) and (0, 1) (slides 23–25).

    The loss is ½ x² − ½ y² + ¼ y⁴: curvature 1 along the first axis and −1 along the second. The
    first axis is the stable manifold: gradient descent that starts on it goes to the saddle.

    >>> saddle().gradient(np.array([2.0, 0.0]))
    array([2., 0.])
    """

    def loss(w):
        x, y = w[..., 0], w[..., 1]
        return x**2 / 2 - y**2 / 2 + y**4 / 4

    def gradient(w):
        return np.array([w[0], w[1] ** 3 - w[1]])

    minima = ((0.0, 1.0), (0.0, -1.0))
    return Landscape(loss, gradient, (-1.5, 1e-3), minima, ((-2, 2), (-1.6, 1.6)))


def landscapes(condition=20.0, degrees=45.0, noise=4.0):
    """Return {name: landscape}: all the situations of slides 21–29, and a ravine across the axes.

    Args:
        condition: condition number of the ravines; degrees: by which one of them is turned.
        noise: standard deviation of the gradient's noise in the noisy one.

    >>> list(landscapes())
    ['ravine', 'turned ravine', 'local minimum', 'saddle', 'noisy']
    """
    return {
        "ravine": ravine(condition),
        "turned ravine": ravine(condition, degrees),
        "local minimum": two_valleys(),
        "saddle": saddle(),
        "noisy": ravine(condition / 4, noise=noise),
    }


# --------------------------------------------------------------------------- ways


def plot_trajectories(races, losses=True):
    """Draw the ways of optimizers over the contours of a landscape, and the loss along them.

    Args:
        races: dict title -> (landscape, dict label -> way (T, 2)), a column each.
        losses: whether the loss above the lowest minimum is drawn below.

    >>> hill = ravine(10)
    >>> figure = plot_trajectories({"ravine": (hill, {"still": np.array([hill.start] * 3)})})
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['first weight', 'step']
    >>> plt.close(figure)
    """
    rows, columns = 1 + losses, len(races)
    width = PANEL[0] if columns < 3 else 3.6
    figure, axes = plt.subplots(
        rows, columns, figsize=(width * columns + 1.8, 3.2 * rows), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for column, (title, (landscape, ways)) in enumerate(races.items()):
        _draw_landscape(axes[0, column], landscape, title)
        for k, (label, way) in enumerate(ways.items()):
            _draw_way(axes[0, column], way, k, label)
            if losses:
                _draw_loss(axes[1, column], landscape.above(way), k, label)
        axes[0, column].set_xlabel("first weight")
    axes[0, 0].set_ylabel("second weight")
    if losses:
        one_scale(axes[1])
        axes[1, 0].set_ylabel("loss above the minimum")
    for ax in axes[1:].flat:
        ax.set_xlabel("step")
        plain(ax)
    legend(figure, axes)
    return figure


def _draw_landscape(ax, landscape, title):
    _draw_contours(ax, landscape)
    ax.scatter(*landscape.start, s=70, fc="white", ec="black", marker="o", zorder=4)
    ax.scatter(*landscape.minima[0], s=110, fc="black", ec="white", marker="*", zorder=4)
    ax.set_title(title)


def _draw_contours(ax, landscape):
    (left, right), (bottom, top) = landscape.box
    grid = np.stack(np.meshgrid(np.linspace(left, right, 121), np.linspace(bottom, top, 121)), -1)
    height = landscape.above(grid)
    levels = height.max() * np.linspace(0.03, 1, 12) ** 2  # closer together at the bottom
    ax.contour(grid[..., 0], grid[..., 1], height, levels, colors="0.75", linewidths=0.8)
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    ax.spines[["top", "right"]].set_visible(False)


def _draw_way(ax, way, k, label):
    color, marker, dash, _ = style(k)
    look = {"color": color, "marker": marker, "ls": dash, "ms": 4, "lw": 1.4}
    near = np.where(np.abs(way) < SKY, way, np.nan)
    ax.plot(*near.T, label=label, markevery=max(1, len(way) // 15), zorder=3, **look)


def _draw_loss(ax, above, k, label):
    color, marker, dash, _ = style(k)
    look = {"color": color, "marker": marker, "ls": dash, "ms": 4}
    every = (k * len(above) // 60, max(1, len(above) // 10))
    drawn = np.where(above < SKY, np.maximum(above, GROUND), np.nan)
    ax.plot(drawn, label=label, markevery=every, **look)


def plot_lookahead(landscape, w, v, rate, momentum):
    """Draw one step of momentum and one of Nesterov's from the same place and velocity.

    Args:
        landscape: the function they move on; w: (2,) the place; v: (2,) the velocity.
        rate, momentum: of both.

    >>> figure = plot_lookahead(ravine(6), (-2.0, 0.9), (1.6, -1.2), 0.12, 0.9)
    >>> [ax.get_title() for ax in figure.axes]
    ['momentum', 'Nesterov']
    >>> plt.close(figure)
    """
    w, carried, ends = np.array(w), momentum * np.array(v), [np.array(landscape.minima[0])]
    figure, axes = plt.subplots(1, 2, figsize=(11.8, 3.4), layout="constrained")
    for ax, title, asked in zip(axes, ("momentum", "Nesterov"), (w, w + carried), strict=True):
        _draw_contours(ax, landscape)
        pull = -rate * landscape.gradient(asked)
        arrows = {
            "ρv: what is left of the velocity": (w, carried, 0.01),
            "−α times the gradient, where it is taken": (asked, pull, 0.008),
            "the new velocity: both together": (w, carried + pull, 0.014),
        }
        for k, (label, (start, arrow, width)) in enumerate(arrows.items()):
            color = style((1, 0, 3)[k])[0]
            look = {"fc": "white" if k == 0 else color, "ec": color, "lw": 1, "zorder": 5 - k}
            place = {"angles": "xy", "scale_units": "xy", "scale": 1}
            ax.quiver(*start, *arrow, label=label, width=width, **look, **place)
        ends += [w, w + carried, w + carried + pull]
        ax.scatter(*w, s=60, fc="white", ec="black", zorder=9)
        ax.scatter(*landscape.minima[0], s=110, fc="black", ec="white", marker="*", zorder=4)
        ax.set(title=title, xlabel="first weight")
    axes[0].set_ylabel("second weight")
    low, high = np.min(ends, axis=0) - 0.5, np.max(ends, axis=0) + 0.5
    plt.setp(axes, xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    legend(figure, axes)
    return figure


def animate_trajectories(races, frames=40, seconds=6.0):
    """Return an animation in which all ways go on at the same pace, as an image for a notebook.

    It is a GIF of a few hundred kilobytes, which plays wherever images are shown. For a still,
    draw the same races with `plot_trajectories`.

    Args:
        races: as for `plot_trajectories`, without the losses.
        frames: pictures, at most 100; seconds: for one round.

    Returns:
        IPython.display.Image.

    >>> hill = ravine(10)
    >>> race = {"ravine": (hill, {"still": np.array([hill.start] * 3)})}
    >>> animate_trajectories(race, frames=3).data[:6]
    b'GIF89a'
    """
    from IPython.display import Image

    whole(2)("frames", frames)
    if frames > MOST_FRAMES:
        raise ValueError(f"frames must be at most {MOST_FRAMES}, so that the file stays small")
    pictures = _frames(races, frames)
    colors = pictures[-1].quantize(256)  # of the picture that has them all
    first, *rest = (picture.quantize(palette=colors, dither=0) for picture in pictures)
    file = io.BytesIO()
    still = 1000 * seconds / frames
    pace = {"duration": [still] * (frames - 1) + [still + PAUSE], "loop": 0}
    first.save(file, format="gif", save_all=True, append_images=rest, optimize=True, **pace)
    return Image(data=file.getvalue(), format="gif")


def _frames(races, frames):
    """Return a picture of every moment, from the start of all ways to their ends."""
    from PIL import Image

    figure = plot_trajectories(races, losses=False)
    figure.set_dpi(DOTS)
    figure.canvas.draw()
    figure.set_layout_engine("none")  # nothing moves any more but the ways
    lines = [line for ax in figure.axes for line in ax.lines]
    ways = [np.array(line.get_data()) for line in lines]  # (2, T) each
    longest = max(way.shape[1] for way in ways)
    pictures = []
    for moment in np.linspace(1, longest, frames).round().astype(int):
        for line, way in zip(lines, ways, strict=True):
            line.set_data(way[:, :moment])
        figure.canvas.draw()
        pictures.append(Image.fromarray(np.array(figure.canvas.buffer_rgba())).convert("RGB"))
    plt.close(figure)
    return pictures


# --------------------------------------------------------------------------- races


def plot_ranking(results, xlabel):
    """Draw how long each method took: a mark for every seed, a bar at the median.

    Args:
        results: dict label -> (seeds,) positive numbers, drawn from top to bottom; infinity is a
            run that did not arrive: a cross at the right.
        xlabel: what the numbers are.

    >>> figure = plot_ranking({"fast": [70, 80], "slow": [150, np.inf]}, "steps to target")
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['fast', 'slow']
    >>> plt.close(figure)
    """
    figure, ax = plt.subplots(figsize=(7.0, 0.9 + 0.42 * len(results)), layout="constrained")
    for row, (label, values) in enumerate(results.items()):
        color, marker, _, _ = style(row)
        values = np.asarray(values, float)
        arrived = values[np.isfinite(values)]
        spread = np.full(len(arrived), float(row))
        ax.plot(arrived, spread, marker, color=color, mfc="white", ms=6, label=label)
        middle = np.median(values)
        if np.isfinite(middle):
            ax.plot([middle] * 2, [row - 0.32, row + 0.32], color=color, lw=3)
            ax.annotate(f"{middle:.0f}", (middle, row - 0.34), ha="center", va="bottom", fontsize=8)
        if len(arrived) < len(values):
            ax.plot(1.0, row, "x", color=color, transform=ax.get_yaxis_transform(), clip_on=False)
    ax.set_yticks(range(len(results)), results)
    ax.set_ylim(len(results) - 0.4, -0.7)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"{xlabel} (a mark a seed, a bar at the median)")
    plain(ax)
    return figure
