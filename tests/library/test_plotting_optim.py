"""Landscapes have the gradients and minima that they claim, and ways are drawn as they went."""

import io
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from cs231n_lib import plotting
from cs231n_lib.gradcheck import numerical_gradient

LANDSCAPES = plotting.landscapes()
every_landscape = pytest.mark.parametrize("name", LANDSCAPES)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def downhill(w, dw, config):
    return w - config["learning_rate"] * dw, config


def looking_ahead(w, gradient, config):
    return w - config["learning_rate"] * gradient(w + 1), config


@every_landscape
def test_the_gradient_is_that_of_the_loss(name):
    landscape = LANDSCAPES[name]
    for w in np.random.default_rng(0).normal(size=(5, 2)):
        expected = numerical_gradient(lambda at: float(landscape.loss(at)), w)
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(landscape.gradient(w), expected, rtol=1e-6, atol=1e-8)


@every_landscape
def test_minima_are_minima_and_the_first_is_the_lowest(name):
    landscape = LANDSCAPES[name]
    (left, right), (bottom, top) = landscape.box
    grid = np.stack(np.meshgrid(np.linspace(left, right, 99), np.linspace(bottom, top, 99)), -1)
    assert (landscape.above(grid) > -1e-12).all()
    losses = [float(landscape.loss(np.array(minimum))) for minimum in landscape.minima]
    assert losses == sorted(losses)
    ring = 0.05 * np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 2 * np.pi, 20)])
    for minimum, loss in zip(landscape.minima, losses, strict=True):
        assert np.abs(landscape.gradient(np.array(minimum))).max() < 1e-9
        assert (landscape.loss(np.array(minimum) + ring) > loss).all()


@every_landscape
def test_losses_of_many_points_are_those_of_each(name):
    points = np.random.default_rng(1).normal(size=(3, 4, 2))
    losses = LANDSCAPES[name].loss(points)
    assert losses.shape == (3, 4)
    assert losses[1, 2] == pytest.approx(float(LANDSCAPES[name].loss(points[1, 2])), rel=1e-12)


@pytest.mark.parametrize("degrees", [0.0, 45.0, 30.0])
def test_a_ravine_has_its_condition_number_in_every_direction(degrees):
    hill = plotting.ravine(50, degrees)
    H = np.column_stack([hill.gradient(e) for e in np.eye(2)])
    np.testing.assert_allclose(np.linalg.eigvalsh(H), [1, 50], rtol=1e-12)
    assert float(hill.loss(np.array(hill.start))) == pytest.approx(0.5 * (16 + 50))


def test_a_condition_number_below_one_is_refused():
    with pytest.raises(ValueError, match=r"condition must be at least 1, got 0\.5"):
        plotting.ravine(0.5)


def test_a_way_begins_at_the_start_and_takes_the_rules_steps():
    hill = plotting.ravine(3)
    way = hill.path(downhill, 2, {"learning_rate": 0.5})
    np.testing.assert_allclose(way, [(-4, 1), (-2, -0.5), (-1, 0.25)])
    ahead = hill.path(looking_ahead, 1, {"learning_rate": 0.5}, lookahead=True)
    np.testing.assert_allclose(ahead[1], (-4 + 1.5, 1 - 3))


def test_a_way_is_kept_though_the_rule_writes_in_place():
    def in_place(w, dw, config):
        w -= 0.5 * dw
        return w, config

    way = plotting.ravine(1).path(in_place, 2)
    np.testing.assert_allclose(way, [(-4, 1), (-2, 0.5), (-1, 0.25)])


def test_a_way_may_run_off_without_a_warning():
    hill = plotting.ravine(20)
    way = hill.path(downhill, 400, {"learning_rate": 1.0})
    assert not np.isfinite(hill.above(way)[-1])
    plotting.plot_trajectories({"off": (hill, {"too fast": way})}).canvas.draw()


def test_the_noise_is_that_of_the_generator():
    noisy = plotting.ravine(1, noise=3.0)
    ways = [noisy.path(downhill, 200, {"learning_rate": 1.0}, rng=np.random.default_rng(5))] * 2
    np.testing.assert_array_equal(*ways)
    # With curvature and rate 1 each place is minus one draw of the noise.
    draws = np.random.default_rng(5).normal(size=(200, 2))
    np.testing.assert_allclose(ways[0][1:], -3 * draws, atol=1e-12)


def test_ways_and_losses_are_drawn_as_they_went():
    hill = plotting.ravine(4)
    way = hill.path(downhill, 30, {"learning_rate": 0.2})
    figure = plotting.plot_trajectories({"ravine": (hill, {"steps": way})})
    above, below = figure.axes
    np.testing.assert_array_equal(np.array(above.lines[0].get_data()).T, way)
    np.testing.assert_allclose(below.lines[0].get_ydata(), hill.loss(way))
    assert above.get_title() == "ravine" and below.get_yscale() == "log"


def test_an_animation_has_its_frames_moves_and_is_small():
    hill = plotting.ravine(4)
    race = {"ravine": (hill, {"steps": hill.path(downhill, 30, {"learning_rate": 0.2})})}
    shown = plotting.animate_trajectories(race, frames=4, seconds=2.0)
    gif = Image.open(io.BytesIO(shown.data))
    assert gif.n_frames == 4 and gif.info["duration"] == 500 and gif.info["loop"] == 0
    assert len(shown.data) < 200_000
    pictures = []
    for frame in range(4):
        gif.seek(frame)
        pictures.append(np.array(gif.convert("L"), dtype=int))
    changes = [np.abs(b - a).max() for a, b in pairwise(pictures)]
    assert min(changes) > 25  # grey values: dots and lines move
    assert plt.get_fignums() == []


def test_an_animation_has_the_colours_of_its_legend():
    """A GIF has 256 colours, and thin lines must not lose theirs to the many greys."""
    hill, rng = plotting.ravine(4), np.random.default_rng(0)
    names = ("SGD", "momentum", "AdaGrad", "RMSProp", "Adam")
    ways = {name: np.cumsum(rng.normal(0, 0.3, (60, 2)), axis=0) for name in names}
    race = {title: (hill, ways) for title in ("first", "second", "third")}
    gif = Image.open(io.BytesIO(plotting.animate_trajectories(race, frames=4).data))
    gif.seek(3)
    found = np.array([color for _, color in gif.convert("RGB").getcolors(1 << 24)])
    for name, line in zip(names, plotting.plot_trajectories(race).axes[0].lines, strict=False):
        wanted = 255 * np.array(to_rgb(line.get_color()))
        assert np.abs(found - wanted).max(axis=1).min() < 3, name


def test_an_animation_has_an_end():
    with pytest.raises(ValueError, match="frames must be at most 100"):
        plotting.animate_trajectories({}, frames=1000)


def test_a_ranking_has_a_mark_a_seed_and_a_cross_for_a_run_that_did_not_arrive():
    figure = plotting.plot_ranking({"fast": [70, 80, 75], "lost": [150, np.inf, np.inf]}, "steps")
    (ax,) = figure.axes
    marks, _, lost, cross = ax.lines[0], ax.lines[1], ax.lines[2], ax.lines[3]
    assert list(marks.get_xdata()) == [70, 80, 75]
    assert list(lost.get_xdata()) == [150] and cross.get_marker() == "x"
    assert [text.get_text() for text in ax.texts] == ["75"], "no median where most did not arrive"
    plt.close(figure)
