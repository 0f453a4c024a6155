"""Pictures of second-order methods: models of a loss, damped steps, a saddle, the price."""

import numpy as np

from cs231n_lib.plotting.style import legend, line, panels, style

PATH_MARKS = 60  # a path with more points than this shows every second, third, ... marker only


def plot_taylor_models(distance, loss, models):
    """Draw a loss along a line with its models, and how far each model is off.

    Args:
        distance: (T,) along the line, from where the models were made; 0 may be among them.
        loss: (T,) there; models: dict label -> (T,) predictions.

    >>> import matplotlib.pyplot as plt
    >>> d = np.linspace(-1, 1, 5)
    >>> figure = plot_taylor_models(d, np.cos(d), {"first order": 0 * d + 1})
    >>> plt.close(figure)
    """
    distance, loss = np.asarray(distance, float), np.asarray(loss, float)
    figure, (left, right) = panels(2)
    left.plot(distance, loss, color="0.65", lw=5, label="the loss", zorder=0)
    for k, (name, values) in enumerate(models.items()):
        line(left, distance, np.atleast_2d(values), k, name)
        ahead = distance > 0
        error = np.abs(np.asarray(values) - loss)[ahead]
        line(right, distance[ahead], np.atleast_2d(error), k, name)
    left.axvline(0, color="0.8", lw=0.8, zorder=-1)
    room = np.ptp(loss)
    left.set_ylim(loss.min() - 0.6 * room, loss.max() + 0.3 * room)
    left.set(xlabel="distance from the point", ylabel="loss")
    right.set(xlabel="distance from the point", ylabel="|model − loss|", xscale="log", yscale="log")
    legend(figure, (left, right))
    return figure


def plot_damped_step(dampings, steps, poles):
    """Draw the component of a damped step along directions, against the damping, with its poles.

    Args:
        dampings: (T,); steps: dict label -> (T,) signed lengths, positive is downhill.
        poles: dampings at which a component has no value.

    >>> import matplotlib.pyplot as plt
    >>> figure = plot_damped_step([0, 1, 3], {"h = −2": [-0.5, -1, 1]}, poles=[2])
    >>> plt.close(figure)
    """
    figure, axes = panels(1)
    ax = axes[0]
    dampings = np.asarray(dampings, float)
    ax.axhspan(-4, 0, color="0.94", zorder=-2)
    for k, (name, values) in enumerate(steps.items()):
        values = np.array(values, float)
        values[np.abs(values) > 6] = np.nan  # so that no line crosses a pole
        line(ax, dampings, values[None], k, name)
    for pole in poles:
        ax.axvline(pole, color="0.4", ls=(0, (1, 2)), lw=1.2, zorder=-1)
        ax.annotate(
            "pole", (pole, -3.5), (4, 0), textcoords="offset points", va="center", fontsize=9
        )
    look = {"transform": ax.get_yaxis_transform(), "ha": "right", "fontsize": 9, "color": "0.3"}
    ax.text(0.99, 3.6, "downhill", va="center", **look)
    ax.text(0.99, -3.6, "uphill", va="center", **look)
    ax.set(xlabel="damping $\\lambda$", ylabel="step along the direction", ylim=(-4, 4))
    legend(figure, axes)
    return figure


def plot_saddle_paths(loss, paths, extent=(-1.6, 1.6, -1.2, 1.2)):
    """Draw paths of several methods over the contour lines of a loss with two parameters.

    Args:
        loss: function of two arrays of equal shape; paths: dict label -> (steps + 1, 2), w[0] to
            the right and w[1] upwards. A path starts at the ring and ends at the filled star.
        extent: (left, right, bottom, top) of the picture.

    >>> import matplotlib.pyplot as plt
    >>> paths = {"Newton": [[0.5, 0.5], [0.0, 0.0]]}
    >>> figure = plot_saddle_paths(lambda a, b: a**2 - b**2, paths)
    >>> plt.close(figure)
    """
    figure, axes = panels(1)
    ax = axes[0]
    figure.set_size_inches(8.2, 4.6)
    a, b = np.meshgrid(np.linspace(*extent[:2], 200), np.linspace(*extent[2:], 200))
    values = loss(a, b)
    levels = np.quantile(values, np.linspace(0.02, 0.98, 18))
    ax.contour(
        a, b, values, np.unique(levels), colors="0.75", linewidths=0.8, linestyles="solid", zorder=0
    )
    for k, (name, path) in enumerate(paths.items()):
        path = np.asarray(path, float)
        color, marker, dash, _ = style(k)
        every = max(1, len(path) // PATH_MARKS)
        look = {"color": color, "marker": marker, "ls": dash, "ms": 5, "markevery": every}
        ax.plot(*path.T, label=name, zorder=3, **look)
        ax.scatter(
            *path[-1], s=max(60, 380 - 110 * k), marker="*", fc=color, ec="none", zorder=4 + k
        )
    start = np.asarray(next(iter(paths.values())), float)[0]
    ax.scatter(*start, s=170, fc="none", ec="black", zorder=4)
    ax.set(xlabel="$w_0$", ylabel="$w_1$", xlim=extent[:2], ylim=extent[2:], aspect="equal")
    legend(figure, axes)
    return figure


def plot_hessian_cost(sizes, seconds, target=1e8):
    """Draw memory and time of one Newton step against the number of parameters, and beyond.

    Args:
        sizes: (T,) numbers of parameters; seconds: (T,) measured times of a step.
        target: number of parameters up to which the lines go on, memory as N² float64 numbers and
            time as N³ from the largest size measured.

    >>> import matplotlib.pyplot as plt
    >>> figure = plot_hessian_cost([10, 100, 1000], [1e-5, 1e-4, 2e-2])
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['memory of the Hessian (bytes)', 'time of a step (s)']
    >>> plt.close(figure)
    """
    sizes, seconds = np.asarray(sizes, float), np.asarray(seconds, float)
    figure, (left, right) = panels(2)
    beyond = np.geomspace(sizes[-1], target, 20)
    line(left, sizes, 8 * sizes[None] ** 2, 0, "measured here")
    line(right, sizes, seconds[None], 0, "measured here")
    for ax, values in (
        (left, 8 * beyond**2),
        (right, seconds[-1] * (beyond / sizes[-1]) ** 3),
    ):
        ax.plot(beyond, values, color=style(1)[0], ls="--", label="extrapolated")
        ax.plot(target, values[-1], marker="*", ms=14, color=style(1)[0], zorder=4)
        ax.set(xscale="log", yscale="log", xlabel="number of parameters N")
    marks = {left: ((1e9, "1 GB"), (1e15, "1 PB")), right: ((3600, "1 hour"), (3.16e7, "1 year"))}
    for ax, lines in marks.items():
        for value, name in lines:
            ax.axhline(value, color="0.5", ls=(0, (1, 2)), lw=1)
            place = ax.get_yaxis_transform()
            ax.text(0.02, value, name, transform=place, va="bottom", fontsize=9, color="0.3")
    left.set_ylabel("memory of the Hessian (bytes)")
    right.set_ylabel("time of a step (s)")
    legend(figure, (left, right))
    return figure
