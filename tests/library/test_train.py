"""The trainer learns what can be learned, repeats itself, and calls divergence by its name."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import stats

from cs231n_lib.data import Dataset, digits
from cs231n_lib.layers.network import Affine, Network, ReLU
from cs231n_lib.train import (
    Comparison,
    History,
    compare,
    find_rate,
    fit,
    fit_torch,
    predicted,
    read_curve,
    remembered,
    score_predictions,
    sgd_update,
    sized,
    timed,
)


def tiny_data(n=60, d=3, classes=2):
    """Return data in which the sign of the first feature is the label."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(n, d)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    return Dataset(x, y, x[:20], y[:20], x[:10], y[:10], "tiny", ("-", "+"), (1, 1, d))


def network(seed=0, d=3, width=8, classes=2):
    rng = np.random.default_rng(seed)
    return Network([Affine(d, width, rng), ReLU(), Affine(width, classes, rng)])


def run(net=None, data=None, seed=0, **changes):
    settings = {"steps": 30, "batch_size": 10, "learning_rate": 0.3} | changes
    return fit(net or network(), data or tiny_data(), rng=np.random.default_rng(seed), **settings)


def test_it_learns_digits():
    data = digits()
    net = network(0, 64, 32, 10)
    history = run(net, data, steps=300, batch_size=50)
    assert history.val_accuracy[-1] > 0.9  # guessing gives 0.1
    assert net.accuracy(data.x_val, data.y_val) == history.val_accuracy[-1]
    assert not history.diverged and len(history.loss) == 300


def test_a_run_repeats_exactly_and_depends_on_the_rng():
    assert run().loss == run().loss
    assert run().loss != run(seed=1).loss


def test_one_step_is_gradient_descent_on_the_batch():
    data = tiny_data(n=10)
    net, same = network(), network()
    loss, gradients = same.loss_and_gradients(data.x_train, data.y_train)
    history = run(net, data, steps=1)
    assert history.loss == [pytest.approx(loss, rel=1e-6)]
    for name, w in net.params.items():
        expected = same.params[name] - 0.3 * gradients[name]
        np.testing.assert_allclose(w, expected, rtol=1e-4, atol=1e-6)


def test_the_update_keeps_one_config_a_parameter():
    seen = {}

    def counting(w, dw, config):
        config = config | {"t": config.get("t", 0) + 1}
        seen.setdefault(w.shape, []).append(config["t"])
        return w - config["learning_rate"] * dw, config

    assert run(update=counting, steps=3).loss == run(steps=3).loss
    assert list(seen.values()) == [[1, 2, 3]] * 4


@pytest.mark.parametrize(
    ("changes", "steps", "evaluated"),
    [
        ({"steps": 7}, 7, [7]),
        ({"steps": 7, "evaluate_every": 3}, 7, [3, 6, 7]),
        ({"steps": 6, "evaluate_every": 3}, 6, [3, 6]),
        ({"steps": None, "epochs": 2, "batch_size": 25}, 4, [4]),
    ],
)
def test_lengths_and_evaluations(changes, steps, evaluated):
    history = run(**changes)
    assert len(history.loss) == steps and history.steps == evaluated
    assert len(history.train_accuracy) == len(history.val_accuracy) == len(evaluated)


def test_callbacks_see_every_step_in_training_mode():
    seen = []

    def callback(step, net, history):
        seen.append((step, len(history.loss), net.layers[0].training))

    net = network()
    run(net, steps=3, evaluate_every=2, callbacks=[callback])
    assert seen == [(1, 1, True), (2, 2, True), (3, 3, True)]
    assert not net.layers[0].training  # ready to be tested


def test_divergence_stops_the_run_without_a_warning():
    updates = []

    def update(w, dw, config):
        updates.append(w.shape)
        return sgd_update(w, dw, config)

    history = run(learning_rate=1e30, steps=50, update=update)
    assert history.diverged and len(history.loss) < 50
    assert len(updates) == 4 * (len(history.loss) - 1)  # none by the gradients of a lost run
    assert not np.isfinite(history.loss[-1]) and np.isfinite(history.loss[:-1]).all()
    assert history.steps == [len(history.loss)] and 0 <= history.val_accuracy[-1] <= 1
    assert "diverged" in repr(history)


def test_a_history_in_one_line():
    assert repr(History()) == "History: no steps"
    history = History([2.0, 1.0], [2], [0.5], [0.25])
    assert repr(history) == "History: 2 steps, loss 1, val accuracy 0.250"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"steps": None}, ValueError, "pass either steps or epochs, got steps=None and epochs=No"),
        ({"epochs": 2}, ValueError, "got steps=30 and epochs=2"),
        ({"steps": 0}, ValueError, "steps must be a whole number of at least 1, got 0"),
        ({"batch_size": 61}, ValueError, "batch_size must be at most 60, the examples, got 61"),
        ({"batch_size": 1.5}, ValueError, "batch_size must be a whole number"),
        ({"learning_rate": None}, ValueError, "pass either learning_rate or schedule, a function"),
        ({"schedule": abs}, ValueError, "got learning_rate=0.3 and schedule=<built-in"),
        ({"learning_rate": np.nan}, ValueError, "learning_rate must be greater than 0, got nan"),
        ({"evaluate_every": 0}, ValueError, "evaluate_every must be a whole number"),
    ],
)
def test_bad_settings_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        run(**changes)


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_the_progress_bar(progress, shown, capsys):
    run(steps=3, progress=progress)  # far shorter than the three seconds that None waits for
    assert ("training" in capsys.readouterr().err) is shown


# --------------------------------------------------------------------------- PyTorch


class Linear64(torch.nn.Module):
    """The network of `network()`, with its weights, in float64."""

    def __init__(self):
        super().__init__()
        (first, _, last) = network().layers
        self.arrays = torch.nn.ParameterList(
            torch.tensor(layer.params[key], dtype=torch.float64)
            for layer in (first, last)
            for key in ("w", "b")
        )

    def forward(self, x):
        w1, b1, w2, b2 = self.arrays
        assert x.dtype == torch.float64
        return torch.relu(x @ w1 + b1) @ w2 + b2


def run_torch(model, **changes):
    settings = {"steps": 30, "batch_size": 10} | changes
    if "optimizer" not in settings:
        settings.setdefault("learning_rate", 0.3)
    return fit_torch(model, tiny_data(), rng=np.random.default_rng(0), **settings)


def test_both_trainers_take_the_same_steps():
    history = run_torch(Linear64(), evaluate_every=10)
    expected = run(evaluate_every=10)
    np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-4)
    assert history.steps == expected.steps
    one_example = 1 / 20  # float32 and float64 may part at a tie
    assert history.val_accuracy == pytest.approx(expected.val_accuracy, abs=1.01 * one_example)


def test_a_torch_model_is_tested_in_eval_mode():
    modes = []

    class Model(Linear64):
        def forward(self, x):
            modes.append((self.training, torch.is_grad_enabled()))
            return super().forward(x)

    model = Model()
    run_torch(model, steps=2)
    assert modes == [(True, True), (True, True), (False, False), (False, False)]
    assert not model.training


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32])
def test_labels_may_be_any_whole_numbers(dtype):
    data, rng = tiny_data(), np.random.default_rng
    small = dataclasses.replace(data, y_train=data.y_train.astype(dtype),
                                y_val=data.y_val.astype(dtype))  # fmt: skip
    settings = {"steps": 3, "batch_size": 10, "learning_rate": 0.3}
    for one in (data, small):
        ours = fit(network(), one, rng=rng(0), **settings)
        theirs = fit_torch(Linear64(), one, rng=rng(0), **settings)
        np.testing.assert_allclose(theirs.loss, ours.loss, rtol=1e-4)
        assert ours.loss == run(steps=3).loss


@pytest.mark.parametrize("model", [torch.nn.Flatten(), Linear64().requires_grad_(False)])
def test_a_model_with_nothing_to_learn_is_refused(model):
    with pytest.raises(ValueError, match="must have parameters that require a gradient, got none"):
        run_torch(model)


def test_another_optimizer():
    model = Linear64()
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    history = run_torch(model, optimizer=adam)
    assert history.loss[1:] != run_torch(Linear64()).loss[1:]
    assert adam.state[model.arrays[0]]["step"] == 30


def test_divergence_in_torch():
    history = run_torch(Linear64(), learning_rate=1e200, steps=50)
    assert history.diverged and len(history.loss) < 50


@pytest.mark.gpu
def test_a_model_on_the_gpu_stays_there():
    model = Linear64().cuda()
    np.testing.assert_allclose(run_torch(model).loss, run_torch(Linear64()).loss, rtol=1e-8)


# --------------------------------------------------------------------------- learning rates


def halving(t):
    return 0.3 * 0.5**t


RUNS = {"numpy": lambda **options: run(**options), "torch": lambda **o: run_torch(Linear64(), **o)}
in_both = pytest.mark.parametrize("train", RUNS.values(), ids=RUNS)


@in_both
def test_a_schedule_is_asked_before_every_step(train):
    history = train(steps=4, learning_rate=None, schedule=halving)
    assert history.rates == [0.3, 0.15, 0.075, 0.0375]
    assert train(steps=4).rates == [0.3] * 4


@in_both
def test_a_constant_schedule_is_a_learning_rate(train):
    constant = train(learning_rate=None, schedule=lambda t: 0.3)
    assert constant.loss == train().loss
    assert train(learning_rate=None, schedule=halving).loss[2:] != constant.loss[2:]


def test_a_schedule_scales_every_step():
    """The second of two steps of gradient descent is a quarter as long at a quarter of the rate."""
    ends = []
    for second in (0.0, 0.4, 0.1):
        net = network()
        run(net, steps=2, learning_rate=None, schedule=lambda t, s=second: s if t else 0.3)
        ends.append({name: w.copy() for name, w in net.params.items()})
    start, whole, quarter = ends
    for name in start:
        np.testing.assert_allclose(
            4 * (quarter[name] - start[name]), whole[name] - start[name], rtol=1e-3, atol=1e-6
        )  # float32 differences of weights of order 1


def test_a_schedule_keeps_the_config_of_an_optimizer():
    seen = []

    def counting(w, dw, config):
        seen.append((config.get("t", 0), config["learning_rate"]))
        return w - config["learning_rate"] * dw, config | {"t": config.get("t", 0) + 1}

    run(steps=3, update=counting, learning_rate=None, schedule=halving)
    assert seen[::4] == [(0, 0.3), (1, 0.15), (2, 0.075)]


def test_a_schedule_sets_all_groups_of_a_torch_optimizer():
    model = Linear64()
    groups = [{"params": [p], "lr": 9.0} for p in model.parameters()]
    optimizer = torch.optim.SGD(groups)
    history = run_torch(model, optimizer=optimizer, schedule=halving, steps=3)
    assert [group["lr"] for group in optimizer.param_groups] == [0.075] * len(groups)
    assert history.loss == run_torch(Linear64(), learning_rate=None, schedule=halving, steps=3).loss


def test_the_rates_of_a_torch_optimizer_are_those_it_has():
    model = Linear64()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    history = run_torch(
        model, optimizer=optimizer, steps=5, callbacks=[lambda *_: scheduler.step()]
    )
    assert history.rates == [0.2, 0.2, 0.1, 0.1, 0.05]


def test_an_optimizer_may_have_no_rate_of_that_name():
    class Still(torch.optim.Optimizer):
        def __init__(self, parameters):
            super().__init__(parameters, {"step_size": 0.1})

        def step(self):
            """Change nothing."""

    model = Linear64()
    history = run_torch(model, optimizer=Still(model.parameters()), steps=2)
    assert len(history.loss) == 2 and np.isnan(history.rates).all()


@pytest.mark.parametrize("rate", [np.nan, -0.1])
def test_a_schedule_without_a_rate_is_refused(rate):
    with pytest.raises(ValueError, match=r"schedule\(2\) must be at least 0"):
        run(learning_rate=None, schedule=lambda t: rate if t == 2 else 0.1)


def test_the_rate_finder_raises_the_rate_by_equal_factors():
    rates, losses = find_rate(lambda s, n: run(steps=n, learning_rate=None, schedule=s), 1e-3, 1, 7)
    np.testing.assert_allclose(rates, np.logspace(-3, 0, 7), rtol=1e-12)
    assert losses.shape == (7,)


def test_the_rate_finders_losses_are_a_debiased_average():
    """A constant loss stays what it is; the last of others has the weight of its share."""

    def finder(losses):
        history = History(loss=losses, rates=[0.1] * len(losses))
        return find_rate(lambda schedule, steps: history, 0.01, 1, len(losses), keep=0.75)[1]

    np.testing.assert_allclose(finder([2.0, 2.0, 2.0]), [2, 2, 2], rtol=1e-12)
    np.testing.assert_allclose(finder([0.0, 7.0]), [0, 4], rtol=1e-12)  # ¼ · 7 of ¼ + 3/16


def test_the_rate_finder_ends_where_the_loss_does():
    rates, losses = find_rate(
        lambda s, n: run(steps=n, learning_rate=None, schedule=s), 1e-3, 1e30, 40
    )
    assert len(rates) == len(losses) < 40 and np.isfinite(losses).all()


@pytest.mark.parametrize(
    ("low", "high", "steps", "keep", "message"),
    [
        (0, 1, 10, 0.9, "low must be greater than 0, got 0"),
        (0.1, 0.1, 10, 0.9, "high must be greater than 0.1, got 0.1"),
        (0.1, 1, 1, 0.9, "steps must be a whole number of at least 2, got 1"),
        (0.1, 1, 10, 1.0, "keep must be at least 0 and below 1, got 1.0"),
    ],
)
def test_the_rate_finder_needs_a_range(low, high, steps, keep, message):
    with pytest.raises(ValueError, match=message):
        find_rate(None, low, high, steps, keep)


# --------------------------------------------------------------------------- comparing


def test_the_interval_is_that_of_scipys_paired_t_test():
    rng = np.random.default_rng(0)
    first, second = rng.normal(1, 1, 8), rng.normal(size=8)
    result = compare(lambda s: first[s], lambda s: second[s], range(8))
    interval = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert result.mean == pytest.approx((first - second).mean())
    np.testing.assert_array_equal(result.differences, first - second)


def test_a_comparison_is_one_sentence():
    def says(mean, low, high):
        ones = np.ones(5)
        return str(Comparison(("BN", "none"), ones, ones, mean, low, high))

    assert says(0.2, 0.1, 0.3) == (
        "BN is above none by 0.2 on average (95 % interval +0.1 to +0.3, 5 seeds)."
    )
    assert says(-0.2, -0.3, -0.1).startswith("BN is below none by 0.2 on average")
    assert says(0.1, -0.1, 0.3).startswith("BN and none do not differ clearly: +0.1 (95 %")


def test_comparisons_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match=r"two or more different numbers, got \[1\]"):
        compare(float, float, [1])
    with pytest.raises(ValueError, match="two or more different numbers"):
        compare(float, float, [1, 1])
    with pytest.raises(ValueError, match=r"finite, got \(nan, 2\.0\) at seed 2; return a number"):
        compare(lambda seed: np.nan if seed == 2 else 0, float, [1, 2])


def test_timed_counts_its_calls_and_reports_the_shortest(monkeypatch):
    calls, clock = [], iter([0, 50, 100, 101, 200, 207, 300, 303])
    monkeypatch.setattr("cs231n_lib.train.telling.time.perf_counter", lambda: next(clock))
    assert timed(lambda: calls.append(1), repeats=3) == 1  # of 1, 7 and 3; 50 was the warm-up
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("guess", "measured", "text"),
    [
        (None, 0.5, "No prediction made; measured: 0.5 s."),
        (0.5, 0.5, "You predicted 0.5 s; measured: 0.5 s. Exactly right."),
        (1, 2.0, "You predicted 1 s; measured: 2 s. Your prediction was 50 % too low."),
        (-1, -2.0, "You predicted -1 s; measured: -2 s. Your prediction was 50 % too high."),
        (0.1, 0.0, "You predicted 0.1 s; measured: 0 s. The difference is 0.1 s."),
    ],
)
def test_predictions(guess, measured, text, capsys):
    assert predicted(guess, measured, "s") is None
    assert capsys.readouterr().out == text + "\n"


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([], "You made no predictions in this lesson."),
        ([(None, 2.0)], "You made no predictions in this lesson."),
        (
            [(0, 0.0)],
            "Your predictions: 1 of 1 within a quarter of what was measured (off by 0 %).",
        ),
        (
            [(0.1, 0.0), (None, 1.0), (-5, -4.0), (3, 2)],
            "Your predictions: 1 of 3 within a quarter of what was measured "
            "(off by 25 %, 50 %, far); 1 not made.",
        ),
    ],
)
def test_predictions_are_scored_over_a_lesson(pairs, text, capsys):
    assert score_predictions(dict(enumerate(pairs))) is None
    assert capsys.readouterr().out == text + "\n"


def test_a_prediction_that_is_made_again_counts_once(monkeypatch, capsys):
    monkeypatch.setattr("cs231n_lib.train.telling._predictions", kept := {})
    for guess in (3, 2):
        predicted(guess, 2.0)
    predicted(9, 8.0)
    assert list(kept.values()) == [(2, 2.0), (9, 8.0)]


def test_sgd_returns_new_weights():
    w, dw, config = np.ones(2), np.array([1.0, -2.0]), {"learning_rate": 0.5}
    next_w, same = sgd_update(w, dw, config)
    np.testing.assert_array_equal(next_w, [0.5, 2])
    np.testing.assert_array_equal(w, [1, 1])
    assert same is config == {"learning_rate": 0.5}


# --------------------------------------------------------------------------- reading curves

FALLING = 2.3 * 0.97 ** np.arange(200)
CURVES = {
    "good": (FALLING, 0.9, 0.89),
    "gap": (FALLING, 1.0, 0.9),
    "learning rate too low": (2.3 - 0.002 * np.arange(200), 0.5, 0.5),
    "learning rate too high": (2.3 + 0.01 * np.arange(200), 0.1, 0.1),
    "plateau": (np.concatenate([np.full(100, 2.3), FALLING]), 0.9, 0.9),
}


def run_with(loss, train=0.5, val=0.5, diverged=False):
    return History(list(loss), [len(loss)], [train], [val], diverged)


@pytest.mark.parametrize("reading", CURVES)
def test_curves_are_read_by_their_shape_whatever_their_length_and_noise(reading):
    loss, train, val = CURVES[reading]
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(0, 0.005, len(loss))
        noise[0] = 0
        assert read_curve(run_with(loss + noise, train, val)) == reading
    assert read_curve(run_with(np.repeat(loss, 3), train, val)) == reading


def test_other_shapes():
    assert read_curve(run_with([2.3, np.nan], diverged=True)) == "learning rate too high"
    hovering = np.concatenate([[2.3], 1.8 + 0.1 * np.sin(np.arange(199))])
    assert read_curve(run_with(hovering)) == "learning rate too high"
    assert read_curve(run_with(np.full(50, 2.3) - 1e-5 * np.arange(50))) == "plateau"


def test_a_short_run_is_not_read():
    with pytest.raises(ValueError, match=r"number of steps must be .* at least 20, got 19"):
        read_curve(run_with(FALLING[:19]))


# --------------------------------------------------------------------------- remembering trials


def test_what_is_remembered_is_not_computed_again(tmp_path):
    calls = []

    def objective(rate, reg):
        calls.append((rate, reg))
        return rate / 3 + reg

    settings = np.random.default_rng(0).random((4, 2))
    path = tmp_path / "table.json"
    first = [remembered(objective, path)(*setting) for setting in settings[:3]]
    again = [remembered(objective, path)(*setting) for setting in settings]  # a restart each time
    assert first == again[:3] == [rate / 3 + reg for rate, reg in settings[:3]]  # to the last bit
    assert len(calls) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["table.json"]


def test_an_interrupted_search_goes_on(tmp_path):
    done = []

    def objective(x):
        if len(done) == 2:
            done.append("interrupted")
            raise KeyboardInterrupt
        done.append(x)
        return x

    search = remembered(objective, tmp_path / "table.json", total=4, progress=False)
    with pytest.raises(KeyboardInterrupt):
        [search(x) for x in (1.0, 2.0, 3.0, 4.0)]
    search = remembered(objective, tmp_path / "table.json", total=4, progress=False)
    assert [search(x) for x in (1.0, 2.0, 3.0, 4.0)] == [1, 2, 3, 4]
    assert done == [1.0, 2.0, "interrupted", 3.0, 4.0]


@pytest.mark.parametrize("place", ["missing/search.json", "folder"])
def test_a_file_that_cannot_be_written_is_refused_before_the_first_trial(place, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="the path must be in a folder that exists"):
        remembered(pytest.fail, tmp_path / place)


@pytest.mark.parametrize("result", [None, "0.5 or so", [1.0, 2.0]])
def test_a_trial_without_a_number_is_refused(result, tmp_path):
    search = remembered(lambda x: result, tmp_path / "search.json")
    for run in (lambda: search(1.0), lambda: compare(lambda s: 1.0, lambda s: result, [1, 2])):
        with pytest.raises(TypeError, match="a trial must return a number, got"):
            run()
    assert not list(tmp_path.iterdir())


def test_failed_trials_are_remembered_as_null(tmp_path):
    path = tmp_path / "table.json"
    remembered(lambda x: math.nan, path)(0.5)
    assert path.read_text() == "[[0.5, null]]\n"
    assert math.isnan(remembered(lambda x: pytest.fail("it is known"), path)(0.5))


def test_a_file_survives_an_interruption_while_it_is_written(tmp_path, monkeypatch):
    path = tmp_path / "table.json"
    remembered(lambda x: x, path)(1.0)
    before = path.read_text()

    def stopped(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        remembered(lambda x: x, path)(2.0)
    assert path.read_text() == before


@pytest.mark.parametrize("text", ["", "[[1.0, ", '{"a": 1}', "[1, 2]", '[["x", "y"]]'])
def test_another_file_is_refused_by_name(tmp_path, text):
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"table\.json must hold a JSON list of"):
        remembered(lambda x: x, path)


def test_the_bar_counts_the_trials(tmp_path, capsys):
    search = remembered(lambda x: x, tmp_path / "table.json", total=2, progress=True)
    search(1.0), search(1.0)
    assert "trials" in capsys.readouterr().err


def test_an_experiment_is_smaller_in_a_page_and_says_so(monkeypatch, capsys):
    assert sized(20, 3, "seeds") == 20 and capsys.readouterr().out == ""
    monkeypatch.setattr("cs231n_lib.webpage.IN_A_PAGE", True)
    assert sized(20, 3, "seeds") == 3
    said = capsys.readouterr().out
    assert "3 seeds" in said and "20" in said and said.count("\n") == 1
