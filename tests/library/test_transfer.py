"""Transfer: probes against scikit-learn, frozen parts bit by bit, fine-tuning against a loop."""

import copy
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from cs231n_lib.train import softmax_regression
from cs231n_lib.transfer.in_numpy import (
    linear_probe,
    separating_features,
    standardize,
    transfer_matrix,
)
from cs231n_lib.transfer.in_torch import (
    cached_features,
    extract_features,
    finetune,
    freeze,
    parameter_groups,
    replace_head,
    unfreeze,
)
from cs231n_lib.zoo import efficientnet_lite0, small_cnn

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ],
    ),
]
on_every_device = pytest.mark.parametrize("device", DEVICES)


def network(seed=0, classes=5, device="cpu"):
    """Return a small network with running statistics that are neither 0 nor 1."""
    rng = torch.Generator().manual_seed(seed)
    model = small_cnn(classes, rng=rng).train()
    model(3 * torch.rand(20, 1, 16, 16, generator=rng) + 1)
    return model.eval().to(device)


def examples(n, seed=0, device="cpu"):
    rng = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 1, 16, 16, generator=rng)
    return x.to(device), (torch.arange(n) % 5).to(device)


def bits(module):
    """Return a copy of all that a module holds."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def train_step(model, optimizer, seed=0, set_to_none=True):
    device = next(model.parameters()).device
    x, y = examples(10, seed, device)
    optimizer.zero_grad(set_to_none=set_to_none)
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()


# ---------------------------------------------------------------------------- standardize


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10**6),
    st.integers(2, 30),
    st.integers(1, 6),
    st.sampled_from([np.float32, np.float64]),
)
def test_standardize_is_scikit_learns(seed, n, d, dtype):
    rng = np.random.default_rng(seed)
    x_train, x = (rng.normal(7, 3, (m, d)).astype(dtype) for m in (n, n + 3))
    expected = StandardScaler().fit(x_train.astype(float)).transform(x.astype(float))
    ours = standardize(x_train, x)
    assert ours.dtype == dtype
    tolerance = 1e-10 if dtype is np.float64 else 1e-3
    np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


def test_a_dead_feature_is_centred_only():
    x_train = np.array([[0.0, 1.0], [0.0, 3.0]])
    np.testing.assert_array_equal(standardize(x_train, np.array([[2.0, 2.0]])), [[2.0, 0.0]])


def test_standardized_training_features_have_mean_zero_and_deviation_one():
    x = np.random.default_rng(0).gamma(2, size=(50, 4)) + 100
    z = standardize(x, x)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(standardize(5 * x - 7, 5 * x - 7), z, atol=1e-10)


def test_separating_features_change_sides():
    x_train = np.random.default_rng(0).normal(size=(9, 3))
    x = separating_features(x_train)
    alone = (x - x.mean(axis=0)) / x.std(axis=0)
    assert (standardize(x_train, x) > 0).all() and (alone < -0.1).any()


# ---------------------------------------------------------------------------- the probe


@pytest.mark.parametrize("penalty", [1e-3, 0.1, 1.0])
def test_softmax_regression_is_scikit_learns(penalty):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 4)), np.arange(60) % 3
    x += np.eye(4)[y]
    w, b = softmax_regression(x, y, penalty)
    oracle = LogisticRegression(C=1 / (2 * 60 * penalty), tol=1e-8, max_iter=10_000).fit(x, y)
    theirs = x @ oracle.coef_.T + oracle.intercept_
    ours = x @ w + b
    np.testing.assert_allclose(
        ours - ours.mean(axis=1, keepdims=True),
        theirs - theirs.mean(axis=1, keepdims=True),
        atol=5e-3,
    )


def test_the_solution_is_stationary_by_autograd():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(40, 3)), rng.integers(4, size=40)
    w, b = (torch.tensor(a, requires_grad=True) for a in softmax_regression(x, y, 0.05))
    scores = torch.from_numpy(x) @ w + b
    loss = nn.functional.cross_entropy(scores, torch.from_numpy(y)) + 0.05 * (w**2).sum()
    gradients = torch.autograd.grad(loss, (w, b))
    assert all(g.abs().max() < 1e-4 for g in gradients)


def test_a_large_penalty_leaves_the_bias_alone():
    y = np.array([0, 0, 0, 1])
    w, b = softmax_regression(np.eye(4), y, 1e4)
    assert np.abs(w).max() < 1e-3
    assert np.exp(b[0] - b[1]) == pytest.approx(3, rel=1e-2)  # how often each class occurs


@pytest.mark.parametrize("seed", range(5))
def test_the_probe_takes_the_penalty_that_is_best_on_validation_data(seed):
    rng = np.random.default_rng(seed)
    y = np.arange(120) % 3
    x = rng.normal(size=(120, 20)) + 1.5 * np.eye(20)[y]
    parts = x[:30], y[:30], x[30:60], y[30:60]
    predictions, chosen = linear_probe(softmax_regression, *parts, x[60:], [1e-4, 0.03, 10.0])
    scaler = StandardScaler().fit(x[:30])
    accuracies = {}
    for penalty in (1e-4, 0.03, 10.0):
        w, b = softmax_regression(scaler.transform(x[:30]), y[:30], penalty)
        scores = scaler.transform(x[30:60]) @ w + b
        accuracies[penalty] = (scores.argmax(axis=1) == y[30:60]).mean()
        if penalty == chosen:
            expected = (scaler.transform(x[60:]) @ w + b).argmax(axis=1)
    assert accuracies[chosen] == max(accuracies.values())
    np.testing.assert_array_equal(predictions, expected)


def test_the_probe_does_not_depend_on_the_other_test_examples():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)), np.arange(60) % 2
    parts = x[:20], y[:20], x[20:40], y[20:40]
    many, _ = linear_probe(softmax_regression, *parts, x[40:], [0.1])
    one, _ = linear_probe(softmax_regression, *parts, x[40:41] + 0, [0.1])
    assert many[0] == one[0] and len(set(many)) == 2


def test_inputs_are_left_alone():
    rng = np.random.default_rng(0)
    arrays = [
        rng.normal(size=(12, 3)),
        np.arange(12) % 3,
        rng.normal(size=(6, 3)),
        np.arange(6) % 3,
    ]
    before = [a.copy() for a in arrays]
    linear_probe(softmax_regression, *arrays, rng.normal(size=(2, 3)), [0.1, 1.0])
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: standardize(np.ones((2, 3)), np.ones((2, 4))), ValueError, "with D = 3"),
        (lambda: standardize(np.ones((2, 3), int), np.ones((2, 3))), TypeError, "must hold floats"),
        (
            lambda: softmax_regression(np.ones((2, 3)), np.array([0, 1]), -1.0),
            ValueError,
            "penalty must be at least 0",
        ),
        (
            lambda: softmax_regression(np.ones((2, 3)), np.array([0.0, 1.0]), 1.0),
            TypeError,
            "integer labels",
        ),
        (
            lambda: softmax_regression(np.ones((2, 3)), np.array([-1, 1]), 1.0),
            ValueError,
            "labels from 0, got labels from -1 to 1",
        ),
        (lambda: replace_head(small_cnn(3), 0), ValueError, "n_classes must be a whole number"),
        (lambda: parameter_groups(small_cnn(3), 0.1, 1.5), ValueError, "factor must be between"),
        (
            lambda: finetune(small_cnn(3), [], None, 0, {}),
            ValueError,
            "epochs must be a whole number of at least 1",
        ),
        (
            lambda: extract_features(small_cnn(3), torch.zeros(1, 1, 16, 16), "stage9", True),
            AttributeError,
            "stage9",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_matrix_runs_every_way_in_every_cell_on_the_same_data():
    made, seen = [], []
    cells = [lambda seed, c=c: made.append((c, seed)) or [c, seed] for c in range(2)]
    ways = [lambda data, seed, j=j: seen.append(id(data)) or data[0] + j / 10 for j in range(3)]
    table = transfer_matrix(cells, ways, [3, 1])
    assert sorted(made) == [(0, 1), (0, 3), (1, 1), (1, 3)] and len(seen) == 12
    assert table.shape == (2, 3, 2)
    np.testing.assert_allclose(table[1, :, 0], [1.0, 1.1, 1.2])


# ---------------------------------------------------------------------------- features


@on_every_device
@pytest.mark.parametrize("stage", ["stage1", "stage2", "stage3"])
def test_features_are_what_the_parts_compute_in_turn(stage, device):
    model, (x, _) = network(device=device), examples(7, device=device)
    a = x
    with torch.no_grad():
        for name, part in model.named_children():
            a = part(a)
            if name == stage:
                break
    mean = nn.functional.adaptive_avg_pool2d(a, 1).flatten(1)
    torch.testing.assert_close(extract_features(model, x, stage, True), mean)
    torch.testing.assert_close(extract_features(model, x, stage, False), a.reshape(7, -1))


def test_parts_without_pixels_have_features_too():
    model, (x, _) = network(), examples(4)
    with torch.no_grad():
        scores = model(x)
    for pooled in (True, False):
        torch.testing.assert_close(extract_features(model, x, "head", pooled), scores)
        assert extract_features(model, x, "pool", pooled).shape == (4, 64)


@pytest.mark.parametrize("n", [1, 100, 101, 230])
def test_features_do_not_depend_on_the_batch(n):
    model, (x, _) = network(), examples(n)
    together = extract_features(model, x, "stage2", True)
    alone = torch.cat([extract_features(model, one, "stage2", True) for one in x.split(1)])
    assert together.shape == (n, 32) and together.std() > 0
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("n", [3, 103])
def test_examples_that_do_not_fit_leave_no_hook(n):
    model = small_cnn(2)
    with pytest.raises(RuntimeError, match="channels"):
        extract_features(model, torch.zeros(n, 3, 16, 16), "stage2", True)
    with pytest.raises(AttributeError, match="stage9"):
        extract_features(model, torch.zeros(n, 1, 16, 16), "stage9", True)
    assert not any(part._forward_hooks for part in model.modules())


def test_extracting_leaves_nothing_behind():
    model, (x, _) = network().train(), examples(5)
    before = bits(model)
    features = extract_features(model, x, "stage3", True)
    assert same(before, bits(model)) and not features.requires_grad and not model.training
    assert not any(part._forward_hooks for part in model.modules())
    features.requires_grad_().sum().backward()  # an ordinary tensor: a probe may learn from it


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_cache_keeps_features_of_any_dtype(dtype, tmp_path):
    model, x = network().to(dtype), examples(4)[0].to(dtype)
    first, again = (cached_features(model, x, "stage1", True, tmp_path) for _ in range(2))
    assert first.dtype == dtype and torch.equal(first, extract_features(model, x, "stage1", True))
    assert torch.equal(first, again) and len(os.listdir(tmp_path)) == 1


def test_features_of_the_pretrained_architecture():
    model, x = efficientnet_lite0(), torch.rand(2, 3, 64, 64)
    sizes = {"stem": 32, "stage1": 16, "stage7": 320, "top": 1280, "pool": 1280}
    for stage, size in sizes.items():
        assert extract_features(model, x, stage, True).shape == (2, size)


@pytest.mark.parametrize("what", ["weights", "statistics", "examples", "stage", "pooled"])
def test_the_cache_tells_everything_apart_that_features_depend_on(what, tmp_path):
    model, (x, _), stage, pooled = network(), examples(4), "stage1", True
    first = cached_features(model, x, stage, pooled, tmp_path)
    if what == "weights":
        model = network(seed=1)
    elif what == "statistics":
        model.stage1[1].running_mean += 1e-3
    elif what == "examples":
        x = x.clone()
        x[2, 0, 3, 4] += 1e-3
    elif what == "stage":
        stage = "stage2"
    else:
        pooled = False
    second = cached_features(model, x, stage, pooled, tmp_path)
    assert torch.equal(second, extract_features(model, x, stage, pooled))
    assert not torch.equal(first, second) and len(os.listdir(tmp_path)) == 2


def test_the_cache_runs_the_network_once(tmp_path, monkeypatch):
    model, (x, _), calls = network(), examples(4), []
    model.register_forward_pre_hook(lambda *call: calls.append(1))
    first, again = (cached_features(model, x, "stage2", True, tmp_path) for _ in range(2))
    copied = cached_features(copy.deepcopy(model), x.clone(), "stage2", True, tmp_path)
    assert calls == [1] and torch.equal(first, again) and torch.equal(first, copied)


def test_an_interrupted_write_leaves_no_features(tmp_path, monkeypatch):
    def interrupted(features, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    model, (x, _) = network(), examples(2)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cached_features(model, x, "stage1", True, tmp_path)
    features = cached_features(model, x, "stage1", True, tmp_path)
    assert torch.equal(features, extract_features(model, x, "stage1", True))


# ---------------------------------------------------------------------------- a new head


@on_every_device
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("classes", [3, 5])
def test_a_new_head_starts_at_zero_whatever_the_old_one_was(classes, dtype, device):
    model, (x, y) = network(device=device).to(dtype), examples(6, device=device)
    body = bits(model.stage3)
    assert replace_head(model, classes) is model
    scores = model(x.to(dtype))
    assert scores.shape == (6, classes) and not scores.any()
    assert scores.dtype == dtype and scores.device.type == device
    assert same(body, bits(model.stage3)) and model.head.weight.requires_grad
    loss = nn.functional.cross_entropy(scores, y % classes)
    assert loss.item() == pytest.approx(np.log(classes))
    loss.backward()
    assert not model.stage1[0].weight.grad.any()  # the first step leaves what is below alone
    assert model.head.weight.grad.any()


# ---------------------------------------------------------------------------- freezing

OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


@on_every_device
@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_nothing_frozen_moves_by_a_bit(make, set_to_none, device):
    """Weight decay, momentum, left-over gradients, `model.train()`: nothing moves it."""
    model = network(device=device)
    optimizer = make(model.parameters())
    model.train()
    train_step(model, optimizer)  # fills momentum buffers, leaves gradients
    assert freeze(model.stage1) is model.stage1
    frozen, free = bits(model.stage1), bits(model.stage2)
    for seed in range(3):
        model.train()
        train_step(model, optimizer, seed, set_to_none)
    assert same(frozen, bits(model.stage1))
    assert not any(torch.equal(t, model.stage2.state_dict()[n]) for n, t in free.items())


def test_a_frozen_batch_norm_computes_in_training_as_in_a_test():
    model, (x, _) = network(), examples(6)
    expected = model(x)
    freeze(model).train()
    torch.testing.assert_close(model(x), expected)
    assert not torch.allclose(unfreeze(model).train()(x), expected)


def test_unfreezing_undoes_freezing():
    model = network()
    twin = copy.deepcopy(model)
    unfreeze(freeze(freeze(model)))  # twice is not once more
    assert not any(part._forward_pre_hooks for part in model.modules())
    for net in (model, twin):
        optimizer = OPTIMIZERS["SGD"](net.parameters())
        net.train()
        train_step(net, optimizer)
    assert same(bits(model), bits(twin))


@pytest.mark.parametrize("mode", [True, False])
def test_unfreezing_keeps_the_mode(mode):
    model = freeze(network()).train(mode)
    model(examples(3)[0])
    unfreeze(model.stage1)
    assert all(part.training == mode for part in model.stage1.modules())


def test_a_copy_of_a_frozen_network_is_frozen_and_can_be_unfrozen_alone():
    model = freeze(network())
    twin = copy.deepcopy(model)
    unfreeze(twin)
    before = bits(model), bits(twin)
    x, _ = examples(6)
    model.train()(x)
    twin.train()(x)
    assert same(before[0], bits(model)) and not same(before[1], bits(twin))


def test_a_frozen_network_saves_and_loads_like_any_other():
    model = freeze(network())
    assert bits(model).keys() == bits(network()).keys()
    other = network(seed=3)
    other.load_state_dict(model.state_dict())
    assert same(bits(model), bits(other))


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.InstanceNorm1d])
def test_every_layer_with_running_statistics_keeps_them(norm):
    layer = freeze(norm(3, track_running_stats=True)).train()
    before = bits(layer)
    layer(torch.rand(4, 3, 5))
    assert same(before, bits(layer))


def test_eval_alone_does_not_last():
    """The mistake that the exercise is about, seen in PyTorch itself."""
    model = network()
    model.requires_grad_(False)
    model.stage1.eval()
    before = bits(model.stage1)
    model.train()(examples(6)[0])
    assert not same(before, bits(model.stage1))


# ---------------------------------------------------------------------------- fine-tuning


def test_rates_shrink_from_the_head_down():
    model = network()
    groups = parameter_groups(model, 0.3, 0.1)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    for d, name in enumerate(("head", "stage3", "stage2", "stage1")):
        for parameter in model.get_submodule(name).parameters():
            assert rates[id(parameter)] == pytest.approx(0.3 * 0.1**d)
    assert len(rates) == len(list(model.parameters()))


def test_a_factor_of_zero_trains_the_head_alone():
    model = network().train()
    before = {name: bits(part) for name, part in model.named_children()}
    train_step(model, torch.optim.SGD(parameter_groups(model, 0.1, 0.0)))
    assert not same(before["head"], bits(model.head))
    for name, parameter in model.stage1.named_parameters():
        assert torch.equal(parameter, before["stage1"][name])


def test_parts_thaw_when_it_is_their_turn():
    """Before it, all that a part holds stays the same bit by bit; from then on it learns."""
    model = network()
    freeze(model.stage1)
    freeze(model.stage2)
    optimizer = OPTIMIZERS["SGD"](parameter_groups(model, 0.1, 0.5))
    seen = []
    model.register_forward_pre_hook(
        lambda *call: seen.append({name: bits(part) for name, part in model.named_children()})
    )
    batches = [examples(10, seed) for seed in range(2)]
    losses = finetune(model, batches, optimizer, 3, {1: "stage2", 2: "stage1"})
    seen.append({name: bits(part) for name, part in model.named_children()})
    moved = {
        name: [not same(seen[2 * e][name], seen[2 * e + 2][name]) for e in range(3)]
        for name in ("stage1", "stage2", "stage3", "head")
    }
    assert moved == {
        "stage1": [False, False, True],
        "stage2": [False, True, True],
        "stage3": [True, True, True],
        "head": [True, True, True],
    }
    assert losses.shape == (3,) and not model.training


def test_fine_tuning_is_plain_training_where_nothing_is_frozen():
    model, twin = network(), network()
    batches = [examples(10, seed) for seed in range(3)]
    losses = finetune(model, batches, OPTIMIZERS["SGD"](model.parameters()), 2, {})
    optimizer, expected = OPTIMIZERS["SGD"](twin.parameters()), []
    twin.train()
    for _ in range(2):
        total = 0.0
        for x, y in batches:
            loss = nn.functional.nll_loss(twin(x).log_softmax(dim=1), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        expected.append(total / 3)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for name, tensor in bits(model).items():
        torch.testing.assert_close(tensor, twin.state_dict()[name])


def test_an_optimizer_without_the_frozen_parameters_never_trains_them():
    """The mistake of filtering by `requires_grad`: thawed parts get gradients and do not move."""
    model = network()
    freeze(model.stage1)
    before = bits(model.stage1)
    few = [p for p in model.parameters() if p.requires_grad]
    finetune(model, [examples(10)], torch.optim.SGD(few, lr=0.1), 2, {0: "stage1"})
    assert model.stage1[0].weight.grad.any()
    assert torch.equal(before["0.weight"], model.stage1[0].weight)
