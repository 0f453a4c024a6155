"""Callbacks of both trainers: what they keep, that training does not notice, save and resume."""

import numpy as np
import pytest
import torch
from torch.optim import swa_utils

from cs231n_lib.data import digits
from cs231n_lib.generalization.callbacks import Average, Snapshots, StopEarly
from cs231n_lib.layers.network import Affine, Network, Normalization
from cs231n_lib.normalization.in_numpy import batchnorm_backward, batchnorm_forward
from cs231n_lib.train import fit, fit_torch

DATA = digits().few(300).with_random_labels(0.5, np.random.default_rng(0))


def in_numpy():
    rng = np.random.default_rng(0)
    norm = Normalization(batchnorm_forward, batchnorm_backward, 16, momentum=0.9)
    return Network([Affine(64, 16, rng), norm, Affine(16, 10, rng)])


def in_torch():
    torch.manual_seed(0)
    middle = torch.nn.BatchNorm1d(16)
    return torch.nn.Sequential(torch.nn.Linear(64, 16), middle, torch.nn.Linear(16, 10))


KINDS = {"numpy": (in_numpy, fit, np.asarray), "torch": (in_torch, fit_torch, torch.as_tensor)}
each_kind = pytest.mark.parametrize("kind", KINDS)


def trained(kind, *callbacks, steps=60, **options):
    """Return a network and its history after a run with these callbacks."""
    make, train, _ = KINDS[kind]
    net = make()
    settings = {"batch_size": 10, "learning_rate": 0.5, "evaluate_every": 5, "progress": False}
    settings |= {"rng": np.random.default_rng(0), "callbacks": callbacks, "steps": steps} | options
    return net, train(net, DATA, **settings)


def numbers(net):
    """Return all that a network holds, as arrays by name."""
    if isinstance(net, Network):
        statistics = net.layers[1].param
        return net.params | {n: statistics[n] for n in ("running_mean", "running_var")}
    return {name: w.numpy() for name, w in net.state_dict().items()}


def same(a, b):
    a, b = numbers(a), numbers(b)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def val_accuracy(net):
    if isinstance(net, Network):
        return net.eval().accuracy(DATA.x_val, DATA.y_val)
    with torch.inference_mode():
        labels = net.eval()(torch.as_tensor(DATA.x_val)).argmax(dim=1).numpy()
    return float((labels == DATA.y_val).mean())


@each_kind
def test_a_run_ends_when_the_patience_is_over_with_the_best_network(kind):
    _, whole = trained(kind, steps=400)
    stop = StopEarly(patience=4)
    net, history = trained(kind, stop, steps=400)
    val = whole.val_accuracy
    ages = [t - int(np.argmax(val[: t + 1])) for t in range(len(val))]
    assert len(history.val_accuracy) == next(t + 1 for t, age in enumerate(ages) if age == 4)
    assert len(history.loss) < 400 and history.loss == whole.loss[: len(history.loss)]
    assert history.val_accuracy[-1] != max(history.val_accuracy), "the end is not the best"
    stop.restore(net)
    assert val_accuracy(net) == stop.best == max(history.val_accuracy)


def test_there_is_no_best_before_the_first_accuracy():
    with pytest.raises(RuntimeError, match="train with evaluate_every"):
        StopEarly(patience=2).restore(in_numpy())


@each_kind
def test_training_does_not_notice(kind):
    plain, expected = trained(kind)
    net, history = trained(kind, Average(), Snapshots(10, 3), StopEarly(patience=99))
    assert same(net, plain) and history.loss == expected.loss


@each_kind
def test_the_average_is_that_of_the_parameters_after_every_step(kind):
    seen, average = [], Average(kind="uniform", start_at=20)

    def watch(step, net, history):
        seen.append({name: np.array(w) for name, w in numbers(net).items()})

    net, _ = trained(kind, watch, average)
    for name, w in average.params.items():
        expected = np.mean([params[name] for params in seen[20:]], axis=0, dtype=float)
        np.testing.assert_allclose(np.asarray(w), expected, rtol=1e-5, atol=1e-6)
    assert any("running" in name for name in seen[0]) and len(average.params) == 6
    _, _, of = KINDS[kind]
    average.apply(net, [of(DATA.x_train[:100]), of(DATA.x_train[100:200])])
    found = numbers(net)
    assert all(np.array_equal(found[name], np.asarray(w)) for name, w in average.params.items())


def test_the_applied_average_is_pytorchs():
    average, built_in = Average(kind="uniform"), swa_utils.AveragedModel(in_torch())
    net, _ = trained("torch", average, lambda step, net, history: built_in.update_parameters(net))
    batches = list(torch.as_tensor(DATA.x_train).split(100))
    average.apply(net, batches)
    swa_utils.update_bn(batches, built_in)
    for (name, mine), theirs in zip(
        net.named_parameters(), built_in.module.parameters(), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6, msg=name)
    theirs = built_in.module[1]
    torch.testing.assert_close(net[1].running_var, theirs.running_var, rtol=1e-4, atol=1e-5)


@each_kind
def test_snapshots_are_networks_of_their_own(kind):
    snapshots = Snapshots(length=20, members=2)
    net, _ = trained(kind, snapshots)
    first, last = snapshots.of(net)
    assert same(last, net) and not same(first, net)
    assert same(first, trained(kind, steps=40)[0])
    numbers(first)["affine1.w" if kind == "numpy" else "0.weight"][...] = 0
    assert same(snapshots.of(net)[1], net)


@each_kind
@pytest.mark.parametrize("half", [15, 40])
def test_a_saved_run_goes_on_as_if_nothing_had_happened(kind, half, tmp_path):
    def callbacks():
        return Average(beta=0.9), Snapshots(10, 3), StopEarly(patience=7)

    whole = callbacks()
    net, history = trained(kind, *whole)
    trained(kind, *callbacks(), steps=half, save=tmp_path / "run")
    resumed = callbacks()
    other, later = trained(kind, *resumed, save=tmp_path / "run", resume=True)
    assert later.loss == history.loss and same(net, other)
    for name, w in whole[0].params.items():
        assert np.array_equal(np.asarray(w), np.asarray(resumed[0].params[name])), name
    pairs = zip(whole[1].of(net), resumed[1].of(other), strict=True)
    assert all(same(a, b) for a, b in pairs) and len(whole[1].kept) == 3
    assert whole[2].best == resumed[2].best
    whole[2].restore(net)
    resumed[2].restore(other)
    assert same(net, other)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="length must be a whole number of at least 1, got 0"):
        Snapshots(0, 2)
    with pytest.raises(ValueError, match="patience must be a whole number"):
        StopEarly(0)
    with pytest.raises(ValueError, match="'kind'] must be 'uniform' or 'exponential'"):
        trained("numpy", Average(kind="mean"))


@each_kind
def test_an_average_of_nothing_or_of_another_network_changes_nothing(kind):
    make, other = KINDS[kind][0], Average()
    rng = np.random.default_rng(0)
    small = Network([Affine(64, 10, rng)]) if kind == "numpy" else torch.nn.Linear(64, 10)
    other(1, small, None)
    for average, got in ((Average(), "none yet"), (other, r"\(10, 64\)|\(64, 10\)")):
        net = make()
        with pytest.raises(ValueError, match=f"the average must be that of this network.*{got}"):
            average.apply(net, [DATA.x_train[:20]])
        parameters = net.params if kind == "numpy" else dict(net.named_parameters())
        fresh = make().params if kind == "numpy" else dict(make().named_parameters())
        assert all((parameters[name] == fresh[name]).all() for name in fresh)


@pytest.mark.parametrize("config", [{"kind": "mean"}, {"decay": 0.9}, {"beta": 2.0}])
def test_settings_of_an_average_are_looked_at_before_the_training(config):
    with pytest.raises(ValueError, match="config"):
        Average(**config)
