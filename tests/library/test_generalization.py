"""Early stopping, ensembles, snapshots and averaged weights against independent answers."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import swa_utils

from cs231n_lib.errors import validated
from cs231n_lib.generalization import in_numpy, in_torch
from cs231n_lib.generalization.shared import (
    EarlyStopping,
    evaluate_average,
    separating_scores,
    snapshot_ensemble,
    train_and_select,
)
from cs231n_lib.layers.network import Affine, Network, Normalization
from cs231n_lib.normalization.in_numpy import batchnorm_backward, batchnorm_forward

# A mean of up to a hundred numbers, or as many steps of an average, each with a rounding or two.
ROUNDING = 200 * np.finfo(float).eps


# ------------------------------------------------------------------ early stopping


def run(scores, patience, **options):
    """Return the place of the score that stopped the run, None if none did, and the stopper."""
    stopper, weights = EarlyStopping(patience, **options), {"w": np.zeros(1)}
    for t, score in enumerate(scores):
        weights["w"][0] = t  # training changes the very array that was shown
        if stopper.update(score, weights):
            return t, stopper
    return None, stopper


few_values = st.lists(st.integers(0, 5), min_size=1, max_size=40)  # with many ties


@given(few_values, st.integers(1, 6))
def test_it_stops_patience_scores_after_the_first_maximum_so_far(scores, patience):
    ages = [t - int(np.argmax(scores[: t + 1])) for t in range(len(scores))]
    expected = next((t for t, age in enumerate(ages) if age >= patience), None)
    stopped, stopper = run(scores, patience)
    assert stopped == expected
    seen = scores if stopped is None else scores[: stopped + 1]
    assert stopper.best == max(seen)
    assert stopper.best_weights["w"] == [np.argmax(seen)]


@given(few_values, st.integers(1, 6), st.floats(0, 2))
def test_low_scores_are_good_where_the_mode_says_so(scores, patience, min_delta):
    high, by_high = run(scores, patience, min_delta=min_delta)
    low, by_low = run([-s for s in scores], patience, min_delta=min_delta, mode="min")
    assert high == low and by_high.best == -by_low.best
    assert by_high.best_weights["w"] == by_low.best_weights["w"]


@given(few_values, st.integers(1, 6), st.sampled_from([0, 1, 2, 3]))
def test_each_best_score_is_the_first_that_beats_the_one_before_by_enough(scores, patience, least):
    """A chain of bests, each found by looking ahead as far as the patience reaches."""
    best = 0
    while True:
        ahead = range(best + 1, min(best + 1 + patience, len(scores)))
        gain = next((t for t in ahead if scores[t] > scores[best] + least), None)
        if gain is None:
            break
        best = gain
    stopped, stopper = run(scores, patience, min_delta=least)
    assert stopper.best == scores[best] and stopper.best_weights["w"] == [best]
    assert stopped == (best + patience if best + patience < len(scores) else None)


def test_slow_progress_adds_up():
    """Each step gains 0.6 of what counts, two of them 1.2."""
    stopped, stopper = run(0.6 * np.arange(20), patience=2, min_delta=1.0)
    assert stopped is None and stopper.best_weights["w"] == [18]


def test_slide_64_taken_literally_misses_what_comes_later():
    assert run([0.5, 0.4, 0.9], patience=1)[0] == 1
    assert run([0.5, 0.4, 0.9], patience=2)[1].best == 0.9


def test_nan_is_no_gain():
    stopped, stopper = run([math.nan, 0.2, math.nan, math.nan], patience=2)
    assert stopped == 3 and stopper.best_weights["w"] == [1]
    assert run([math.nan] * 3, patience=2)[0] == 1


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_the_best_weights_are_copies(kind):
    weights = {"layer": {"w": kind([1.0, 2.0])}}
    stopper = EarlyStopping(3)
    stopper.update(0.5, weights)
    weights["layer"]["w"] += 1
    stopper.update(0.4, weights)
    assert stopper.best_weights["layer"]["w"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"patience": 0}, ValueError, "patience must be a whole number of at least 1, got 0"),
        ({"patience": 2.5}, ValueError, "patience must be a whole number"),
        ({"patience": 2, "min_delta": -0.1}, ValueError, "min_delta must be at least 0, got -0.1"),
        ({"patience": 2, "min_delta": math.nan}, ValueError, "min_delta must be at least 0"),
        ({"patience": 2, "mode": "auto"}, ValueError, "mode must be 'max' or 'min', got 'auto'"),
    ],
)
def test_bad_settings_are_named(options, error, message):
    with pytest.raises(error, match=f"EarlyStopping: {message}"):
        EarlyStopping(**options)


def test_other_errors_of_a_class_name_it_too():
    class Thing:
        @validated(size="positive")
        def __init__(self, size):
            self.size = size

    with pytest.raises(ValueError, match=r"^Thing: size must be greater than 0"):
        Thing(size=-1)


@pytest.mark.parametrize("patience", [2, 3, 7])
def test_the_separating_scores_renew_the_patience_once(patience):
    scores = separating_scores(patience)
    assert run(scores, patience)[0] is None
    falls = sum(score < max(scores[:t], default=0) for t, score in enumerate(scores))
    assert falls >= patience, "whoever never renews the patience has none left"


# ------------------------------------------------------------------ ensembles


FRAMEWORKS = {"numpy": (in_numpy, np.asarray), "torch": (in_torch, torch.as_tensor)}
each_framework = pytest.mark.parametrize("framework", FRAMEWORKS)


def predicted(framework, scores):
    module, of = FRAMEWORKS[framework]
    return [np.asarray(value) for value in module.ensemble_predict(of(scores))]


@each_framework
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (4, 1, 2), (3, 7, 10)])
@pytest.mark.parametrize("seed", range(5))
def test_the_prediction_is_that_of_scipys_mean_softmax(framework, shape, seed):
    from scipy.special import softmax

    scores = np.random.default_rng(seed).normal(size=shape, scale=5)
    probabilities, labels = predicted(framework, scores)
    theirs = softmax(scores, axis=2).mean(axis=0)
    np.testing.assert_allclose(probabilities, theirs, rtol=ROUNDING)
    np.testing.assert_array_equal(labels, theirs.argmax(axis=1))


@each_framework
def test_a_model_five_times_is_one_model(framework):
    scores = np.random.default_rng(0).normal(size=(1, 6, 4))
    alone, five = (predicted(framework, np.repeat(scores, m, axis=0))[0] for m in (1, 5))
    np.testing.assert_allclose(five, alone, rtol=ROUNDING)


@each_framework
@pytest.mark.parametrize("offset", [0.0, 1e3, -1e3])
def test_a_constant_on_a_models_scores_changes_nothing(framework, offset):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3, 6, 4))
    moved = scores + offset * rng.integers(0, 2, size=(3, 6, 1))
    before, after = (predicted(framework, s)[0] for s in (scores, moved))
    np.testing.assert_allclose(after, before, rtol=1e-10)  # a thousand loses three of 16 digits
    np.testing.assert_allclose(after.sum(axis=1), 1, rtol=ROUNDING)


@pytest.mark.parametrize("seed", range(20))
def test_the_ensemble_is_surer_of_the_truth_than_its_members_are_on_average(seed):
    """Jensen: −log of a mean is at most the mean of −log, for every example."""
    rng = np.random.default_rng(seed)
    scores, y = rng.normal(size=(5, 30, 4), scale=3), rng.integers(4, size=30)
    together = -np.log(in_numpy.ensemble_predict(scores)[0][np.arange(30), y])
    alone = [-np.log(in_numpy.ensemble_predict(s[None])[0][np.arange(30), y]) for s in scores]
    assert (together < np.mean(alone, axis=0)).all()


def test_votes_and_mean_scores_choose_differently_from_mean_probabilities():
    """One sure member against two that hardly prefer the other class (and the reverse)."""
    scores = np.log([[[0.9, 0.1]], [[0.45, 0.55]], [[0.45, 0.55]]])
    assert in_numpy.ensemble_predict(scores)[1] == [0]
    assert scores.argmax(axis=2).sum() == 2, "two of three votes for class 1"
    surest = np.log([[[1e-9, 1 - 1e-9]], [[0.9, 0.1]], [[0.9, 0.1]]])
    assert in_numpy.ensemble_predict(surest)[1] == [0] != surest.mean(axis=0).argmax(axis=1)


@each_framework
def test_scores_stay_single_precision_and_untouched(framework):
    module, of = FRAMEWORKS[framework]
    scores = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    before = scores.copy()
    probabilities, _ = module.ensemble_predict(of(scores))
    assert np.asarray(probabilities).dtype == np.float32
    np.testing.assert_array_equal(scores, before)


@each_framework
def test_scores_of_one_model_must_say_so(framework):
    module, of = FRAMEWORKS[framework]
    with pytest.raises(ValueError, match=r"ensemble_predict: scores must have shape \(M, N, C\)"):
        module.ensemble_predict(of(np.zeros((5, 4))))
    with pytest.raises(TypeError, match="scores must be a NumPy array or a PyTorch tensor"):
        module.ensemble_predict([np.zeros((5, 4))] * 3)


# ------------------------------------------------------------------ Polyak averaging


def averages(framework, path, **config):
    """Return the average after every step along a path of weights (T, ...)."""
    module, of = FRAMEWORKS[framework]
    seen = []
    for w in path:
        average, config = module.polyak_average(of(w), config)
        seen.append(np.asarray(average))
    return np.array(seen)


def path_of(seed, steps=40, shape=(3, 2)):
    return np.cumsum(np.random.default_rng(seed).normal(size=(steps, *shape)), axis=0)


def weighted(path, weights_of):
    """Return np.average of the first n weights, for every n."""
    return np.array(
        [np.average(path[:n], axis=0, weights=weights_of(n)) for n in range(1, len(path) + 1)]
    )


@each_framework
@pytest.mark.parametrize("seed", range(3))
def test_the_uniform_mean_is_the_mean(framework, seed):
    path = path_of(seed)
    np.testing.assert_allclose(
        averages(framework, path, kind="uniform"), weighted(path, np.ones), rtol=1e-12, atol=1e-13
    )


@each_framework
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.999])
def test_debiased_from_zero_is_a_mean_with_weights_that_fall_by_beta(framework, beta):
    path = path_of(1)
    closed = weighted(path, lambda n: beta ** np.arange(n - 1.0, -1, -1))
    # 1 − 0.999 and 1 − 0.999ⁿ are both right to a thousandth of the usual precision
    np.testing.assert_allclose(averages(framework, path, beta=beta), closed, rtol=0, atol=1e-11)


@each_framework
@pytest.mark.parametrize("beta", [0.5, 0.99])
def test_from_the_weights_the_first_ones_weigh_more(framework, beta):
    path = path_of(2)

    def falling(n):
        return np.r_[beta ** (n - 1), (1 - beta) * beta ** np.arange(n - 2.0, -1, -1)][:n]

    mine = averages(framework, path, beta=beta, start="weights")
    np.testing.assert_allclose(mine, weighted(path, falling), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ({"kind": "uniform"}, {}),
        (
            {"start": "weights", "beta": 0.9},
            {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.9)},
        ),
    ],
)
def test_the_averages_are_those_of_pytorchs_averaged_model(config, options):
    model = torch.nn.Linear(3, 2, bias=False, dtype=torch.float64)
    averaged = swa_utils.AveragedModel(model, **options)
    path, theirs = path_of(3, shape=(2, 3)), []
    for w in path:
        with torch.no_grad():
            model.weight.copy_(torch.from_numpy(w))
        averaged.update_parameters(model)
        theirs.append(averaged.module.weight.detach().numpy().copy())
    np.testing.assert_allclose(averages("torch", path, **config), theirs, rtol=0, atol=1e-12)


def test_the_three_averages_of_the_same_weights_differ():
    """For 1, 3, 2, 5, 4 and β = 0.9, by hand."""
    path = np.array([[1.0], [3.0], [2.0], [5.0], [4.0]])
    ends = [
        averages("numpy", path, beta=0.9)[-1],
        averages("numpy", path, beta=0.9, start="weights")[-1],
        averages("numpy", path, kind="uniform")[-1],
    ]
    np.testing.assert_allclose(np.ravel(ends), [3.1655, 1.8868, 3.0], atol=5e-5)


@each_framework
@pytest.mark.parametrize("config", [{}, {"start": "weights"}, {"kind": "uniform"}])
def test_an_average_of_equal_weights_is_the_weights(framework, config):
    path = np.full((25, 2), 7.5)
    np.testing.assert_allclose(averages(framework, path, **config), path, rtol=1e-12)


@each_framework
@pytest.mark.parametrize("config", [{}, {"start": "weights"}, {"kind": "uniform"}])
def test_a_late_start_forgets_what_came_before(framework, config):
    path = path_of(4)
    late = averages(framework, path, start_at=15, **config)
    np.testing.assert_array_equal(late[:15], path[:15])
    np.testing.assert_allclose(late[15:], averages(framework, path[15:], **config), rtol=1e-12)


@each_framework
def test_averaging_can_be_resumed_and_leaves_the_weights_alone(framework):
    module, of = FRAMEWORKS[framework]
    path, config = path_of(5), {"beta": 0.8}
    for t, w in enumerate(path):
        before = w.copy()
        average, config = module.polyak_average(of(w), config)
        np.testing.assert_array_equal(w, before)
        np.asarray(average)[...] = np.nan if t < 15 else np.asarray(average)  # its user's to change
        config = copy.deepcopy(config)
    assert config["t"] == len(path)
    np.testing.assert_allclose(average, averages(framework, path, beta=0.8)[-1], rtol=1e-12)


@each_framework
def test_averages_keep_single_precision(framework):
    for config in ({}, {"kind": "uniform"}, {"start": "weights"}, {"start_at": 3}):
        mine = averages(framework, path_of(0, 6).astype(np.float32), **config)
        assert mine.dtype == np.float32


@each_framework
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "mean"}, "'kind'] must be 'uniform' or 'exponential', got 'mean'"),
        ({"start": "w"}, "'start'] must be 'zero' or 'weights', got 'w'"),
        ({"beta": 1.0}, "'beta'] must be at least 0 and below 1, got 1.0"),
        ({"start_at": -1}, "'start_at'] must be a whole number of at least 0, got -1"),
        ({"decay": 0.9}, "unknown key 'decay'; known keys: 'kind', 'start'"),
    ],
)
def test_bad_options_of_an_average_are_named(framework, config, message):
    module, of = FRAMEWORKS[framework]
    with pytest.raises(ValueError, match="polyak_average: config") as caught:
        module.polyak_average(of(np.zeros(2)), config)
    assert message in str(caught.value)


# ------------------------------------------------------------------ running statistics


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(loc=i, scale=1 + i, size=(5 + i, 4)).astype(np.float32) for i in range(6)]


def norm_net(seed=0):
    """Return a network with a batch norm in the middle, and the same in PyTorch."""
    rng = np.random.default_rng(seed)
    ours = Network(
        [Affine(4, 3, rng), Normalization(batchnorm_forward, batchnorm_backward, 3, momentum=0.8)]
    )
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    with torch.no_grad():
        theirs[0].weight.copy_(torch.from_numpy(ours.params["affine1.w"].T))
        theirs[0].bias.zero_()
    return ours, theirs


def test_refreshed_statistics_are_pytorchs():
    """Up to the variance, which PyTorch takes as unbiased, one size of batch at a time."""
    ours, theirs = norm_net()
    built_in = copy.deepcopy(theirs)
    batches = [x[:5] for x in inputs()]
    tensors = [torch.from_numpy(x) for x in batches]
    in_numpy.refresh_statistics(ours, batches)
    in_torch.refresh_statistics(theirs, tensors)
    swa_utils.update_bn(tensors, built_in)
    for name in ("running_mean", "running_var"):
        expected, mine = getattr(built_in[1], name), getattr(theirs[1], name)
        assert expected.std() > 0
        torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-6)
        biased = expected * 4 / 5 if name == "running_var" else expected
        np.testing.assert_allclose(ours.layers[1].param[name], biased, rtol=1e-5, atol=1e-6)


def test_a_refresh_forgets_stale_statistics_and_keeps_the_rest():
    ours, theirs = norm_net()
    for _ in range(3):
        ours.train().scores(100 + inputs(1)[0])
        theirs.train()(torch.from_numpy(100 + inputs(1)[0]))
    weights = {name: w.copy() for name, w in ours.params.items()}
    state = {name: w.clone() for name, w in theirs.named_parameters()}
    fresh = [norm_net()[0], norm_net()[1]]
    for module, net, other, of in (
        (in_numpy, ours.eval(), fresh[0], np.asarray),
        (in_torch, theirs.eval(), fresh[1], torch.from_numpy),
    ):
        for each in (net, other):
            module.refresh_statistics(each, [of(x) for x in inputs()])
    np.testing.assert_array_equal(
        ours.layers[1].param["running_mean"], fresh[0].layers[1].param["running_mean"]
    )
    torch.testing.assert_close(theirs[1].running_mean, fresh[1][1].running_mean)
    assert ours.layers[1].param["momentum"] == 0.8 and theirs[1].momentum == 0.1
    assert not ours.layers[1].training and not theirs.training and fresh[1].training
    assert all((w == weights[name]).all() for name, w in ours.params.items())
    assert all(torch.equal(w, state[name]) for name, w in theirs.named_parameters())


@pytest.mark.parametrize("good", [0, 2])
def test_a_refresh_that_fails_leaves_modes_and_settings(good):
    ours, theirs = norm_net()
    ours.eval().layers[0].training = True
    theirs.eval()
    next(iter(theirs.children())).train()

    def held():
        numpy = [
            (layer.training, getattr(layer, "param", {}).get("momentum")) for layer in ours.layers
        ]
        return numpy, [(m.training, getattr(m, "momentum", None)) for m in theirs.modules()]

    before, bad = held(), np.zeros((4, 999))
    fine = [np.eye(4) * i for i in range(good)]
    for module, net, of in ((in_numpy, ours, np.asarray), (in_torch, theirs, torch.Tensor)):
        with pytest.raises((ValueError, RuntimeError)):
            module.refresh_statistics(net, [of(x) for x in [*fine, bad]])
    assert held() == before


@each_framework
def test_a_refresh_needs_a_batch(framework):
    module, _ = FRAMEWORKS[framework]
    with pytest.raises(ValueError, match="refresh_statistics: pass at least one batch"):
        module.refresh_statistics(norm_net()[framework == "torch"], [])


# ------------------------------------------------------------------ loops around PyTorch's objects


def line(seed=0, momentum=0.5):
    """Return a model, an optimizer, batches and a loss: a line fitted to points."""
    torch.manual_seed(seed)
    model = torch.nn.Linear(3, 1).double()
    batches = [torch.randn(7, 3, dtype=torch.float64) for _ in range(4)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum)
    return model, optimizer, batches, lambda x: (model(x) - x.sum()).pow(2).mean()


def state_of(model):
    return {name: w.clone() for name, w in model.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_snapshots_are_the_weights_at_the_ends_of_pytorchs_cycles():
    T, model, optimizer, batches, loss_of = 5, *line()
    rates = []

    def take_step(rate):
        optimizer.param_groups[0]["lr"] = rate
        rates.append(rate)
        optimizer.zero_grad()
        loss_of(batches[len(rates) % 4]).backward()
        optimizer.step()

    def schedule(t):
        return 0.02 + 0.04 * (1 + math.cos(math.pi * t / T))

    snapshots = snapshot_ensemble(model, take_step, optimizer.state.clear, schedule, T, 4, 3)

    twin, other, _, loss_of = line()
    built_in = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.5), T, eta_min=0.02
    )
    other, states, theirs = built_in.optimizer, [], []
    for t in range(1, 4 * T + 1):
        if t % T == 1:
            other.state.clear()
        theirs.append(other.param_groups[0]["lr"])
        other.zero_grad()
        loss_of(batches[t % 4]).backward()
        other.step()
        built_in.step()
        states.append(state_of(twin))
    np.testing.assert_allclose(rates, theirs, rtol=1e-12)
    for snapshot, state in zip(snapshots, states[T - 1 :: T][-3:], strict=True):
        for name in state:
            torch.testing.assert_close(snapshot[name], state[name], rtol=1e-10, atol=1e-12)
    assert not same(snapshots[0], snapshots[1])


@pytest.mark.parametrize("argument", [4, 5, 6])
def test_a_cycle_needs_a_step(argument):
    arguments = [{}, print, print, print, 3, 2, 1]
    arguments[argument] = 0
    with pytest.raises(ValueError, match="must be a whole number of at least 1, got 0"):
        snapshot_ensemble(*arguments)


@pytest.mark.parametrize(("patience", "epochs", "run_for"), [(2, 9, 4), (5, 6, 6), (1, 9, 3)])
def test_the_weights_of_the_best_validation_meet_the_test_set_once(patience, epochs, run_for):
    model, optimizer, batches, loss_of = line()
    val, asked, states = iter([0.1, 0.4, 0.3, 0.2, 0.25, 0.35, 0.1]), [], []

    def accuracy(part):
        asked.append((part, model.training, state_of(model)))
        return next(val) if part == "val" else 0.6

    result = train_and_select(
        model, optimizer, batches, loss_of, accuracy, EarlyStopping(patience), epochs
    )
    states = [state for part, _, state in asked if part == "val"]
    assert result == (0.4, 0.6) and len(states) == run_for
    assert [part for part, _, _ in asked] == ["val"] * run_for + ["test"]
    assert not any(training for _, training, _ in asked) and not model.training
    assert same(asked[-1][2], states[1]) and same(model.state_dict(), states[1])
    assert not same(states[1], states[-1]), "training went on"


def test_evaluating_an_average_changes_nothing_of_a_run():
    """A twin that never looks at its average takes the same path, to the last bit."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).double()
    twin, path = copy.deepcopy(model), path_of(0, 5, (8, 3))
    average = state_of(model)
    scores = []
    for x in map(torch.from_numpy, path):
        for net in (model, twin):
            loss = net.train()(x).pow(4).mean()
            net.zero_grad()
            loss.backward()
            with torch.no_grad():
                for w in net.parameters():
                    w -= 0.1 * w.grad

        def refresh(x=x):
            in_torch.refresh_statistics(model, [x])

        def evaluate(x=x):
            return model.eval()(x).exp().sum().item()

        scores.append(evaluate_average(model, average, refresh, evaluate))
        assert same(model.state_dict(), twin.state_dict())
    fresh = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).double()
    fresh.load_state_dict(average)
    swa_utils.update_bn([x], fresh)
    assert scores[-1] == pytest.approx(fresh.eval()(x).exp().sum().item(), rel=1e-9)
    stale = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).double()
    stale.load_state_dict(average)
    assert scores[-1] != pytest.approx(stale.eval()(x).exp().sum().item(), rel=1e-6)
