"""What lesson 12 claims, and what `docs/lecture_errata.md` says about its slides."""

from functools import cache

import numpy as np
import pytest
import torch

from cs231n_lib.data import TARGET, digits, grey, patches
from cs231n_lib.train import softmax_regression
from cs231n_lib.transfer.in_numpy import linear_probe
from cs231n_lib.transfer.in_torch import extract_features, finetune, replace_head
from cs231n_lib.zoo import efficientnet_lite0, preprocess, pretrained_small_cnn, small_cnn

EACH = 42  # pieces of a photograph
PENALTIES = [0.01, 0.1]


@cache
def photographs():
    """Return (features by kind, labels) of pieces of the six photographs."""
    rng = np.random.default_rng(0)
    pieces = np.concatenate([rng.permutation(patches(name))[:EACH] for name in TARGET])
    x, net = preprocess(pieces, 64), efficientnet_lite0(pretrained=True)
    pixels = pieces.reshape(len(pieces), 16, 2, 16, 2, 3).mean(axis=(2, 4))
    features = {
        "pixels": pixels.reshape(len(pieces), -1),
        "top": extract_features(net, x, "top", True).numpy(),
        "middle": extract_features(net, x, "stage3", True).numpy(),
    }
    return features, np.repeat(np.arange(len(TARGET)), EACH)


def chosen(y, each, seed, n_test=12):
    """Return indices to train, to validate and to test on."""
    rng, parts = np.random.default_rng(seed), ([], [], [])
    for label in np.unique(y):
        order = rng.permutation(np.flatnonzero(y == label))
        split = np.split(order[: n_test + 5 + each], [n_test, n_test + 5])
        for part, indices in zip(parts, (split[2], split[1], split[0]), strict=True):
            part.extend(indices)
    return parts


def accuracy(h, y, each, seed, n_test=12):
    train, val, test = chosen(y, each, seed, n_test)
    parts = h[train], y[train], h[val], y[val], h[test]
    predictions, _ = linear_probe(softmax_regression, *parts, PENALTIES)
    return float((predictions == y[test]).mean())


def accuracies(kind, each):
    features, y = photographs()
    return np.array([accuracy(features[kind].astype(float), y, each, seed) for seed in range(5)])


@pytest.mark.slow
def test_five_examples_of_trained_features_beat_twenty_five_of_pixels():
    assert (accuracies("middle", 5) > accuracies("pixels", 25)).all()


@pytest.mark.slow
def test_a_middle_stage_is_better_than_the_top_for_textures():
    assert (accuracies("middle", 5) - accuracies("top", 5)).mean() > 0.05
    assert (accuracies("middle", 25) - accuracies("top", 25)).mean() > 0.02


# ---------------------------------------------------------------------------- the table


@cache
def permuted():
    """Return digits (N, 1, 16, 16) with their pixels in another order, and labels."""
    data = digits()
    x = data.x_train[:, np.random.default_rng(7).permutation(64)].reshape(-1, 1, 8, 8)
    return torch.from_numpy(x.repeat(2, axis=2).repeat(2, axis=3)), data.y_train


def untrained(seed):
    return small_cnn(12, rng=torch.Generator().manual_seed(1000 + seed))


def stage_accuracies(net_of, stage, seeds):
    x, y = permuted()
    return np.array(
        [
            accuracy(extract_features(net_of(seed), x, stage, False).numpy(), y, 5, seed, n_test=40)
            for seed in seeds
        ]
    )


@pytest.mark.slow
def test_on_permuted_digits_the_first_stage_is_best_and_the_top_hurts():
    seeds = range(12)
    top = stage_accuracies(lambda seed: pretrained_small_cnn(), "stage3", seeds)
    first = stage_accuracies(lambda seed: pretrained_small_cnn(), "stage1", seeds)
    random = stage_accuracies(untrained, "stage3", seeds)
    assert (first - top).mean() > 0.05 and (first > top).sum() >= 11
    assert (random - top).mean() > 0.005


@cache
def grey_pieces():
    """Return grey pieces (N, 1, 16, 16) of the six photographs, and labels."""
    pieces = [grey(patches(name)) for name in TARGET]
    labels = np.repeat(np.arange(len(TARGET)), list(map(len, pieces)))
    return torch.from_numpy(np.concatenate(pieces)), labels


def tuned_accuracy(data, net, each, seed, n_batches, epochs):
    x, y = data
    train, _, test = chosen(y, each, seed, n_test=40)
    order = np.random.default_rng(seed).permutation(train)
    batches = [(x[part], torch.from_numpy(y[part])) for part in np.split(order, n_batches)]
    replace_head(net, int(y.max()) + 1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.005, weight_decay=0.01)
    finetune(net, batches, optimizer, epochs, {})
    with torch.no_grad():
        return float((net(x[test]).argmax(dim=1).numpy() == y[test]).mean())


@pytest.mark.slow
def test_on_permuted_digits_scratch_is_above_fine_tuning():
    pairs = [
        (
            tuned_accuracy(permuted(), untrained(seed), 30, seed, 10, 8),
            tuned_accuracy(permuted(), pretrained_small_cnn(), 30, seed, 10, 8),
        )
        for seed in range(4)
    ]
    scratch, tuned = np.array(pairs).T
    assert (scratch - tuned).mean() > 0


@pytest.mark.slow
def test_much_of_what_fine_tuning_gains_on_similar_data_is_a_head_start():
    def gain(seed, epochs):
        tuned, scratch = (
            tuned_accuracy(grey_pieces(), net, 25, seed, 3, epochs)
            for net in (pretrained_small_cnn(), untrained(seed))
        )
        return tuned - scratch

    early, late = np.array([[gain(seed, epochs) for epochs in (14, 28)] for seed in range(6)]).T
    assert early.mean() > 0.05
    assert late.mean() < 0.75 * early.mean()


# ---------------------------------------------------------------------------- a new head


@pytest.mark.parametrize("classes", [3, 12])
def test_the_first_step_of_a_zero_head_leaves_the_body_alone(classes):
    net = replace_head(pretrained_small_cnn(), classes)
    x = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    loss = torch.nn.functional.cross_entropy(net(x), torch.arange(6) % classes)
    assert loss.item() == pytest.approx(np.log(classes), rel=1e-6)
    loss.backward()
    body = [p for name, p in net.named_parameters() if not name.startswith("head")]
    assert body and not any(p.grad.any() for p in body)
