"""Pictures: they show the numbers they were given, legibly, in grey too, and show nothing else."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from cs231n_lib import plotting
from cs231n_lib.plotting.normalization import (
    CENTRED,
    SIZE,
    TOGETHER,
    _graph_edges,
    _moves_the_output,
)
from cs231n_lib.plotting.style import STYLES
from cs231n_lib.train import History

SCALES = np.logspace(-3, 1, 5)
RUNS = np.linspace(0.1, 0.9, 10).reshape(2, 5)  # two seeds
HISTORY = History([2.3, 1.0, 0.5], [1, 3], [0.5, 0.9], [0.4, 0.8])
TWO = {"batch norm": RUNS, "no normalization": RUNS[::-1] / 2}
POINTS, IMAGES = RUNS.reshape(5, 2), np.arange(48.0).reshape(3, 4, 4)
TWO_CLOUDS = {"raw": POINTS[:2] + 1, "white": POINTS[:3] + 1}
TABLE = np.array([[0.4, 1e-3, 1e-5], [0.9, 0.1, 1e-4], [np.nan, 10.0, 0.1]])
RUNNING = {name: {0.9: [0.1, 0.19], 0.99: [0.01, 0.02]} for name in ("mean", "variance")}
WAYS = {"one": np.array([[-4, 1], [0, 0.5]]), "two": np.array([[-4, 1], [0, -0.5]])}
RACE = (plotting.ravine(10), WAYS)
PHOTOGRAPH = np.linspace(0, 1, 60).reshape(3, 4, 5)
POINTS = np.random.default_rng(0).normal(size=(40, 2))

PICTURES = {
    "scales": lambda: plotting.plot_scale_sweep(SCALES, TWO),
    "panels": lambda: plotting.plot_scale_sweep(SCALES, {"accuracy": TWO, "loss": TWO}),
    "diverged": lambda: plotting.plot_scale_sweep(SCALES, {"none": [1, 2, np.nan, np.inf, 3]}),
    "batch sizes": lambda: plotting.plot_batch_sizes([2, 4, 8, 16, 32], TWO),
    "pooling regions": lambda: plotting.plot_pooling_regions(
        PHOTOGRAPH[0], {"u = 0.1": ([0, 1, 3, 4], [0, 2, 3, 5]), "u = 0.9": ([0, 2, 4], [0, 1, 5])}
    ),
    "averaged passes": lambda: plotting.plot_averaged_passes([1, 2, 4, 8, 16], TWO),
    "lines": lambda: plotting.plot_lines(SCALES, TWO, "rate", "accuracy", log_x=True),
    "gap": lambda: plotting.plot_train_eval_gap(range(5), RUNS, RUNS / 2),
    "curves": lambda: plotting.plot_curves({"a": HISTORY, "b": [HISTORY, HISTORY]}),
    "running": lambda: plotting.plot_running_statistics(
        RUNNING, {"mean": 1, "variance": 1}, RUNNING
    ),
    "histograms": lambda: plotting.plot_histograms({"without": {"1": RUNS, "2": RUNS}}),
    "timings": lambda: plotting.plot_timings({"forward": {"a": 0.01, "b": 0.0001}}),
    "schedules": lambda: plotting.plot_schedules({"1/t": lambda t: 1 / (1 + t), "a": [2] * 9}, 9),
    "loss by rate": lambda: plotting.plot_loss_by_rate({"0.1": [HISTORY], "1": [HISTORY] * 2}, 3),
    "loss and rate": lambda: plotting.plot_loss_and_rate(
        range(5), TWO, {name: [0.1] * 3 + [0.01] * 2 for name in TWO}, marks=[3]
    ),
    "rate finder": lambda: plotting.plot_rate_finder({"a": (SCALES, [2, 1, 1, 3, 9])}, 0.1),
    "graph": plotting.plot_computation_graph,
    "trajectories": lambda: plotting.plot_trajectories({"a": RACE, "b": RACE}),
    "models": lambda: plotting.plot_taylor_models(
        np.linspace(-1, 2, 7), np.cos(np.linspace(-1, 2, 7)), {"a": np.ones(7), "b": np.zeros(7)}
    ),
    "damped step": lambda: plotting.plot_damped_step(
        np.linspace(0, 4, 9), {"h = −1": 1 / (np.linspace(0.1, 4, 9) - 1.3)}, poles=[1.3]
    ),
    "saddle": lambda: plotting.plot_saddle_paths(
        lambda a, b: a**2 - b**2, {"one": RUNS.T, "other": RUNS.T / 2}
    ),
    "Hessian": lambda: plotting.plot_hessian_cost([10, 100, 1000], [1e-5, 1e-4, 2e-2]),
    "activation functions": lambda: plotting.plot_activation_functions(
        SCALES, {name: (SCALES, np.ones(5)) for name in ("one", "two", "three", "four")}
    ),
    "unit states": lambda: plotting.plot_unit_states(TWO),
    "clouds": lambda: plotting.plot_point_clouds({"raw": POINTS, "white": -POINTS}, TWO_CLOUDS),
    "image rows": lambda: plotting.plot_image_rows({"raw": IMAGES, "white": -IMAGES[:1]}),
    "loss curves": lambda: plotting.plot_loss_curves({"A": HISTORY, "B": HISTORY}),
    "trials": lambda: plotting.plot_trials({"coarse": TABLE, "fine": TABLE}, ("rate", "L2")),
    "two searches": lambda: plotting.plot_trials(
        {"grid": {"trial": TABLE}, "random": {"trial": TABLE[:2]}}, ("rate", "L2")
    ),
    "axes": plotting.plot_normalization_axes,
    "photographs": lambda: plotting.plot_photographs(
        {"before": {"a": PHOTOGRAPH, "b": PHOTOGRAPH / 2}, "after": {"c": 2 * PHOTOGRAPH}}
    ),
    "whitening": lambda: plotting.plot_whitening({"before": POINTS, "after": -2 * POINTS}),
}


@pytest.fixture(autouse=True)
def close_figures(request):
    """Close what a test drew; `picture` keeps its figure for several tests."""
    yield
    if "picture" not in request.fixturenames:
        plt.close("all")


@pytest.fixture(params=PICTURES, scope="module")
def picture(request):
    """Return each picture, drawn once; it is the only figure, and nothing has shown it."""
    plt.close("all")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plt, "show", lambda: pytest.fail("a picture must not show itself"))
        figure = PICTURES[request.param]()
    assert isinstance(figure, plt.Figure) and plt.get_fignums() == [figure.number]
    figure.canvas.draw()
    return figure


def boxes(figure, artists):
    return [artist.get_window_extent(figure.canvas.get_renderer()) for artist in artists]


def overlap(a, b):
    """Return the area, in square pixels, that two boxes share."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(width, 0) * max(height, 0)


def test_axes_have_names(picture):
    for ax in picture.axes:
        if ax.get_label() == "<colorbar>":
            assert ax.get_xlabel() or ax.get_ylabel()
        elif ax.axison:
            place = ax.get_subplotspec()
            assert ax.get_xlabel() or not place.is_last_row()
            assert ax.get_ylabel() or ax.get_yticklabels() or not place.is_first_col()


def test_the_legend_covers_no_data_and_all_is_inside_the_figure(picture):
    axes = boxes(picture, picture.axes)
    for legend in boxes(picture, picture.legends):
        assert all(overlap(legend, ax) == 0 for ax in axes)
        assert legend.x1 <= picture.bbox.x1 + 1 and legend.y0 >= picture.bbox.y0 - 1


def test_texts_do_not_overlap(picture):
    texts = [t for ax in picture.axes for t in ax.texts if t.get_text() and not t.get_rotation()]
    framed = [text.get_bbox_patch() or text for text in texts]
    assert all(overlap(a, b) == 0 for a, b in combinations(boxes(picture, framed), 2))


def test_lines_differ_in_grey(picture):
    for ax in picture.axes:
        lines = [line for line in ax.lines if line.get_marker() not in (None, "None", "x")]
        looks = {
            (line.get_marker(), line.get_markerfacecolor() == "white", str(line.get_linestyle()))
            for line in lines
        }
        assert len(looks) == len(lines)


def test_the_styles_are_different_in_marker_and_dash():
    assert len({style[1] for style in STYLES}) == len(STYLES)
    assert len({str(style[2]) for style in STYLES}) == len(STYLES)


def test_a_line_is_the_median_and_a_band_the_range():
    runs = np.array([[1.0, 5], [2, 6], [9, 7]])
    (ax,) = plotting.plot_scale_sweep([0.1, 1], {"a": runs}).axes
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [2, 6])
    corners = ax.collections[0].get_paths()[0].vertices
    assert {(x, y) for x, y in corners} == {(0.1, 1), (0.1, 9), (1, 5), (1, 7)}


def test_markers_stay_apart_on_long_lines():
    def every(n):
        return plotting.plot_lines(range(n), {"a": range(n)}, "x", "y").axes[0].lines[0]

    assert [every(n).get_markevery() for n in (3, 20, 300)] == [1, 1, 15]


def test_a_diverged_run_is_a_cross_at_the_top():
    figure = plotting.plot_scale_sweep([1, 2, 3], {"a": [[1, 2, np.nan], [1, np.inf, 3]]})
    line, crosses = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), [1, 2, 3])
    assert crosses.get_xdata().tolist() == [2, 3] and min(crosses.get_ydata()) >= 1
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["a", "a, a run diverged"]


def test_wide_ranges_are_drawn_on_a_logarithmic_axis():
    def scale(values):
        return plotting.plot_scale_sweep([1, 2], {"a": values}).axes[0].get_yscale()

    assert scale([1e-3, 1.0]) == "log"
    assert scale([0.1, 9.0]) == scale([0, 1e3]) == scale([-1e-3, 1.0]) == "linear"


def test_results_must_fit_the_settings():
    with pytest.raises(ValueError, match=r"'a' must have one value for each of the 3 settings"):
        plotting.plot_scale_sweep([1, 2, 3], {"a": [1, 2]})
    with pytest.raises(ValueError, match=r"got shape \(2, 4\)"):
        plotting.plot_batch_sizes([1, 2, 3], {"a": np.ones((2, 4))})


def test_curves_show_loss_and_both_accuracies():
    left, right = plotting.plot_curves({"a": HISTORY}).axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), HISTORY.loss)
    np.testing.assert_array_equal(right.lines[0].get_ydata(), HISTORY.val_accuracy)
    np.testing.assert_array_equal(right.lines[1].get_ydata(), HISTORY.train_accuracy)
    assert right.lines[1].get_markerfacecolor() == "white" != right.lines[0].get_markerfacecolor()


def test_the_loss_is_a_running_mean_over_a_fiftieth_of_the_steps():
    history = History([0.0, 2.0] * 50, [100], [0.5], [0.5])
    smooth = plotting.plot_curves({"a": history}).axes[0].lines[0].get_ydata()
    np.testing.assert_array_equal(smooth, [0] + [1] * 99)


def test_a_run_that_diverged_early_ends_in_a_cross():
    diverged = History([2.0, np.nan], [2], [0.1], [0.1], diverged=True)
    left, right = plotting.plot_curves({"a": [HISTORY, diverged]}).axes
    line, cross = left.lines
    np.testing.assert_allclose(line.get_ydata(), [2.15, 1, 0.5])
    assert cross.get_xdata().tolist() == [2]
    assert right.lines[0].get_xdata().tolist() == [1, 3]


def test_a_histogram_counts_every_value_once():
    values = np.random.default_rng(0).normal(size=(20, 10))
    figure = plotting.plot_histograms({"a": {"1": values}, "b": {"1": values + 5}})
    for ax in figure.axes:
        assert sum(bar.get_height() for bar in ax.patches if hasattr(bar, "get_height")) == (
            pytest.approx(1)
        )
    assert figure.axes[0].get_title().endswith(f"std {values.std():.2g}")


def test_times_are_compared_with_the_first_of_their_group():
    timings = {"forward": {"a": 0.01, "b": 0.005}, "backward": {"a": 0.02, "b": 0.06}}
    (ax,) = plotting.plot_timings(timings).axes
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["10 ms", "5 ms (0.5 ×)", "20 ms", "60 ms (3 ×)"]
    ticks = [label.get_text() for label in ax.get_yticklabels()]
    assert ticks == ["forward, a", "forward, b", "backward, a", "backward, b"]
    assert ax.get_xscale() == "linear" and ax.get_xlim()[0] == 0  # a bar is as long as its time


def test_the_price_of_the_hessian_goes_on_with_the_cube():
    left, right = plotting.plot_hessian_cost([10, 1000], [1e-4, 2.0], target=1e6).axes
    for ax, end in ((left, 8e12), (right, 2e9)):
        (star,) = (line for line in ax.lines if line.get_marker() == "*")
        assert (star.get_xdata()[0], star.get_ydata()[0]) == (1e6, pytest.approx(end))


def test_a_model_is_compared_with_the_loss_in_front_of_it():
    d, loss = np.array([-1.0, 0.0, 0.5, 1.0]), np.array([3.0, 1.0, 0.5, 0.25])
    left, right = plotting.plot_taylor_models(d, loss, {"a": 1 - d}).axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), loss)
    np.testing.assert_allclose(right.lines[0].get_ydata(), [0, 0.25])


def test_a_damped_step_does_not_cross_its_pole():
    (ax,) = plotting.plot_damped_step([0, 0.99, 1.01, 2], {"a": [-1, -100, 100, 1]}, [1]).axes
    assert np.isnan(ax.lines[0].get_ydata()).tolist() == [False, True, True, False]


def test_a_path_starts_at_the_ring_and_ends_at_the_star():
    path = np.array([[1.0, 0.5], [0.5, 0.2], [0.0, 0.1]])
    (ax,) = plotting.plot_saddle_paths(lambda a, b: a**2 - b**2, {"a": path}).axes
    star, ring = ax.collections[-2:]
    np.testing.assert_array_equal(star.get_offsets()[0], path[-1])
    np.testing.assert_array_equal(ring.get_offsets()[0], path[0])
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), path)


def test_the_graphs_numbers_are_those_of_torchs_batch_norm():
    import torch

    x = torch.tensor([[1.0], [2], [6]], dtype=torch.float64, requires_grad=True)
    gamma = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    beta = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    out = torch.nn.functional.batch_norm(x, None, None, gamma, beta, True, eps=0.5)
    dout = torch.tensor([[1.0], [-2], [0.5]], dtype=torch.float64)
    out.backward(dout)
    edges = _graph_edges((1.0, 2.0, 6.0), 2.0, 1.0, (1.0, -2.0, 0.5), 0.5)
    np.testing.assert_allclose(edges["plus", "y"][0], out.detach().numpy()[:, 0])
    into_x = sum(gradient for (start, _), (_, gradient) in edges.items() if start == "x")
    np.testing.assert_allclose(into_x, x.grad.numpy()[:, 0], atol=1e-12)
    np.testing.assert_allclose(edges["gamma", "times"][1], gamma.grad.item())
    np.testing.assert_allclose(edges["beta", "plus"][1], beta.grad.item())


def test_the_graph_shows_its_numbers():
    texts = [text.get_text() for text in plotting.plot_computation_graph().axes[0].texts]
    assert "$\\mu$ = 3" in texts and "(−2, −1, 3)" in texts
    assert "(BN.3)" in " ".join(texts)


def test_no_number_of_the_graph_touches_a_node_or_another_number():
    figure = plotting.plot_computation_graph()
    figure.canvas.draw()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    boxes = [text.get_bbox_patch() or text for text in texts if text.get_rotation() == 0]
    places = [box.get_window_extent() for box in boxes]
    assert len(places) > 20
    assert not [(a, b) for k, a in enumerate(places) for b in places[:k] if a.overlaps(b)]


def test_the_layers_that_are_drawn_share_the_means_of_pytorchs():
    """Nothing else moves an output of theirs, and nothing that does is left out."""
    functional = torch.nn.functional
    theirs = {
        "batch norm": lambda x: functional.batch_norm(x, None, None, training=True),
        "layer norm": lambda x: functional.layer_norm(x, x.shape[1:]),
        "instance norm": functional.instance_norm,
        "group norm": lambda x: functional.group_norm(x, 2),
    }
    assert list(CENTRED) == list(theirs)
    for name, layer in theirs.items():
        moved = [
            _moves_the_output(function, SIZE)
            for function in (
                CENTRED[name],
                lambda x, layer=layer: layer(torch.from_numpy(x)).numpy(),
            )
        ]
        np.testing.assert_array_equal(*moved, err_msg=name)


def test_each_activation_function_has_its_own_panel_with_its_slope():
    functions = {name: (SCALES * k, np.full(5, k)) for k, name in enumerate(("a", "b", "c", "d"))}
    figure = plotting.plot_activation_functions(SCALES, functions)
    assert [ax.get_title() for ax in figure.axes] == list(functions)  # and no empty panel
    for ax, (values, slopes) in zip(figure.axes, functions.values(), strict=True):
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), values)
        np.testing.assert_array_equal(ax.lines[1].get_ydata(), slopes)


def test_shares_of_units_are_the_median_and_the_range_of_the_seeds():
    shares = np.array([[0.1, 0.5], [0.2, 0.6], [0.9, 0.7]])
    (ax,) = plotting.plot_unit_states({"dead": shares, "none": [0.0, 0.3]}).axes
    assert [bar.get_height() for bar in ax.patches] == [0.2, 0.6, 0.0, 0.3]
    ends = [segment[:, 1].tolist() for segment in ax.collections[0].get_segments()]
    assert ends == [[0.1, 0.9], [0.5, 0.7]]


def test_landscapes_have_equal_axes_and_their_losses_one_scale():
    races = {
        name: (hill, {"way": np.linspace(hill.start, hill.minima[0], 5)})
        for name, hill in plotting.landscapes().items()
    }
    above, below = np.split(np.array(plotting.plot_trajectories(races).axes), 2)
    assert {ax.get_aspect() for ax in above} == {1.0}
    assert len({(*ax.get_ylim(), ax.get_yscale()) for ax in below}) == 1


def test_a_cloud_shows_its_points_and_the_origin():
    for ax in plotting.plot_point_clouds({"raw": POINTS + 2, "centred": POINTS - 0.5}).axes:
        x, y = ax.lines[0].get_xdata(), ax.lines[0].get_ydata()
        (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
        assert (left, right) == (low, high) and left < 0 < right
        assert left < min(*x, *y) and max(*x, *y) < right


def test_each_row_of_images_has_its_own_grey_values():
    figure = plotting.plot_image_rows({"a": IMAGES, "b": 100 * IMAGES, "constant": IMAGES * 0})
    shown = [np.array([im.get_array() for ax in figure.axes[i : i + 3] for im in ax.images])
             for i in (0, 3, 6)]  # fmt: skip
    np.testing.assert_allclose(shown[0], IMAGES / 47)
    np.testing.assert_allclose(shown[1], shown[0])
    assert not shown[2].any()


def test_loss_curves_show_every_run_and_say_when_one_leaves_the_panel():
    wild = History([2.0, 50.0, 900.0], [3], [0.1], [0.1])
    figure = plotting.plot_loss_curves({"A": [HISTORY, HISTORY], "B": wild})
    above, below = figure.axes[:2], figure.axes[2:]
    assert [len(ax.lines) for ax in above] == [2, 1]
    np.testing.assert_array_equal(above[0].lines[0].get_ydata(), HISTORY.loss)
    assert [len(ax.texts) for ax in above] == [0, 1]
    np.testing.assert_array_equal(below[0].lines[1].get_ydata(), HISTORY.val_accuracy)


def test_trials_are_placed_by_their_settings_and_the_best_has_the_ring():
    ranges = {"coarse": np.array([[1e-4, 1.0], [1e-6, 1e-2]])}
    (ax, _) = plotting.plot_trials({"coarse": TABLE}, ("rate", "L2"), ranges).axes
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), TABLE[:, 1:])
    frame, ring = ax.lines[0], ax.lines[-1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (0.1, 1e-4)
    assert set(frame.get_xdata()) == {1e-4, 1.0} and set(frame.get_ydata()) == {1e-6, 1e-2}


def test_panels_of_trials_share_their_axes():
    tables = {"grid": {"trial": TABLE}, "random": {"trial": TABLE * [1, 50, 7]}}
    first, second, _ = plotting.plot_trials(tables, ("rate", "L2")).axes
    assert first.get_xlim() == second.get_xlim() and first.get_ylim() == second.get_ylim()


def test_dark_numbers_share_a_mean_with_the_starred_one():
    def dark(layer):
        (ax,) = plotting.plot_normalization_axes({"layer": layer}).axes
        faces = [patch for patch in ax.patches if isinstance(patch, plt.Polygon)]
        assert len(faces) == C * P + N * P + N * C
        return sum(to_hex(face.get_facecolor()) == TOGETHER for face in faces), ax.get_title()

    N, C, P = SIZE
    axes = {"N, H, W": (0, 2, 3), "C, H, W": (1, 2, 3), "H, W": (2, 3), "C": (1,)}
    faces = {  # on the front, on the right, on top
        "N, H, W": P + N * P + N,
        "C, H, W": C * P + P + C,
        "H, W": P + P + 1,
        "C": C + 1 + C,
    }
    for words, over in axes.items():
        seen, title = dark(lambda x, over=over: x - x.mean(axis=over, keepdims=True))
        assert title.endswith(f"one mean over {words}")
        assert seen == faces[words]


def test_a_layer_that_mixes_nothing_has_one_dark_number():
    together = _moves_the_output(lambda x: 3 * x, SIZE)
    assert together.sum() == 1 and together[0, -1, 0]
