"""The exercises of the family `transfer`: checks of probes on arrays, and of networks of modules.

A network in a check is a small one with the names and parts of the zoo's, in float64, with weights
from the check's generator. What happened to it is read off the network itself: its weights, its
running statistics, what it computes. So any way to freeze, replace or train that works is right.
PyTorch is imported where it is used; the checks of the NumPy half never do.
"""

import contextlib
import tempfile
from dataclasses import replace
from itertools import pairwise

import numpy as np

from autograder.checking.judge import keeps_types
from autograder.checking.scenarios import afterwards, family, separation
from autograder.checking.spec import CALLBACK, KILLS_A_BUG, Check

CLASSES, CHANNELS, PIXELS = 4, 2, (6, 8)  # of the networks in the checks
RATE = 0.1

# ------------------------------------------------------------------ standardize


def _spread(rng, n, d=5):
    """Return (n, d) features with means and deviations of their own."""
    scale, centre = rng.uniform(0.5, 3, d), rng.uniform(-4, 4, d)
    return (centre + scale * rng.normal(size=(n, d))).astype(np.float32)


def _balanced(rng, n, d=5):
    """Return (n, d) of as many 1 as −1 in every column: mean 0 and deviation 1, exactly."""
    column = np.repeat(np.array([-1, 1], np.float32), n // 2)
    return np.stack([rng.permutation(column) for _ in range(d)], axis=1)


def _other_mean(impl, rng):
    """The training features have the deviation 1 already."""
    centre = rng.uniform(-4, 4, 5).astype(np.float32)
    return {"z": impl.standardize(_balanced(rng, 12) + centre, _spread(rng, 7))}


def _other_deviation(impl, rng):
    """The training features have the mean 0 already."""
    scale = rng.uniform(0.5, 3, 5).astype(np.float32)
    return {"z": impl.standardize(_balanced(rng, 12) * scale, _spread(rng, 7))}


def _own_features(impl, rng):
    x_train = _spread(rng, 11)
    return {"z": impl.standardize(x_train, x_train.copy())}


def _dead_feature(impl, rng):
    """A feature that never changes in training; on other examples it may change."""
    x_train, x, firing = (_spread(rng, N) for N in (9, 6, 6))
    x_train[:, 2] = x[:, 2] = 4096  # its sums are exact
    z = impl.standardize(x_train.copy(), x)
    if z.shape != x.shape:
        return {"z": z}
    x_train[:, 2] = 0
    return {
        "z": np.delete(z, 2, axis=1),
        "sum of z over the features": z.sum(axis=1),
        "z of a feature that only these examples have": impl.standardize(x_train, firing),
    }


def _feature_types(impl, rng):
    """All features have one mean and the deviation 1; so has each example, as for the mean."""
    x_train = _balanced(rng, 8, 4) + np.float32(3)
    x = np.stack([rng.permutation(np.array([1, 2, 4, 5], np.float32)) for _ in range(3)])
    z = impl.standardize(x_train, x)
    return {"z": z, **afterwards("x_train x", (x_train, x))}


# ------------------------------------------------------------------ a linear probe

PENALTIES = (0.03, 0.3, 3.0, 30.0)


class Fitting:
    """A stand-in for the fit of a linear classifier, that writes down what it is given.

    Each penalty has weights of its own. They do not depend on the features, so that what a check
    asks does not depend on how well something was fitted.
    """

    def __init__(self, rng, d=4, classes=3):
        self.weights = {p: rng.normal(size=(d, classes)) for p in PENALTIES}
        self.bias = {p: rng.normal(size=classes) for p in PENALTIES}
        self.x, self.y, self.penalties = [], [], []

    def fit(self, x, y, penalty):
        """Write down the data; return this penalty's w and b."""
        self.x.append(x)
        self.y.append(y)
        self.penalties.append(float(penalty))
        return self.weights[float(penalty)], self.bias[float(penalty)]

    def classes(self, x, penalty):
        """Return the classes of features that need not be standardized."""
        return (x @ self.weights[penalty] + self.bias[penalty]).argmax(axis=1)


def _call(impl, fitting, x_train, y_train, x_val, y_val, x_test, penalties):
    def fit(x, y, penalty):
        return fitting.fit(x, y, penalty)

    return impl.linear_probe(fit, x_train, y_train, x_val, y_val, x_test, penalties)


def _what_is_fitted(impl, rng):
    fitting = Fitting(rng)
    y, y_val = rng.integers(3, size=20), rng.integers(3, size=9)
    x, x_val, x_test = _spread(rng, 20, 4), _spread(rng, 9, 4) + 2, _spread(rng, 7, 4) - 2
    _call(impl, fitting, x, y, x_val, y_val, x_test, PENALTIES[:1])
    return {"x as fitted": fitting.x[0], "y as fitted": fitting.y[0]}


def _from_afar(impl, rng):
    """Two penalties: the first is right on features as standardized, the second as they come."""
    fitting = Fitting(rng)
    x, y = _spread(rng, 20, 4), rng.integers(3, size=20)
    mean, deviation, (first, second) = x.mean(axis=0), x.std(axis=0), PENALTIES[:2]
    x_val, x_test = (
        (mean + deviation * rng.normal(shift, 1, (n, 4))).astype(np.float32)
        for n, shift in ((31, 0), (61, 1))
    )
    fitting.weights[second] = fitting.weights[first] / deviation[:, None]
    fitting.bias[second] = fitting.bias[first] - mean @ fitting.weights[second]
    y_val = fitting.classes(x_val, second)
    predictions, penalty = _call(impl, fitting, x, y, x_val, y_val, x_test, (first, second))
    return {"predictions": predictions, "penalty": penalty}


def _selection(impl, rng, twins=False):
    """Validation labels that one penalty's weights get right, and training labels of another.

    All features are standardized as they are, so that nothing depends on how that is done. What
    tells the first penalty and the tempting one from the best is the bias alone.
    `twins`: the last penalty has the weights of the best, and is equally good.
    """
    fitting = Fitting(rng)
    best, tempting = rng.permutation([1, 2])  # neither the first nor the last
    bias = rng.permutation([-1.5, 0.0, 1.5])
    for place, shifted in ((best, bias), (tempting, -bias), (0, np.roll(bias, 1))):
        fitting.weights[PENALTIES[place]] = fitting.weights[PENALTIES[best]]
        fitting.bias[PENALTIES[place]] = shifted
    if twins:
        for numbers in (fitting.weights, fitting.bias):
            numbers[PENALTIES[3]] = numbers[PENALTIES[best]]
    x, x_val, x_test = (_balanced(rng, n, 4) for n in (40, 30, 60))
    y = fitting.classes(x, PENALTIES[tempting])
    y_val = fitting.classes(x_val, PENALTIES[best])
    return fitting, _call(impl, fitting, x, y, x_val, y_val, x_test, list(PENALTIES))


def _which_penalty(impl, rng):
    return {
        "penalty": _selection(impl, rng)[1][1],
        "first of two equally good ones": _selection(impl, rng, twins=True)[1][1],
    }


def _predictions_of_the_chosen(impl, rng):
    return {"predictions": _selection(impl, rng)[1][0]}


# ------------------------------------------------------------------ kill the bug


def standardize_alone(x_train, x):
    """Somebody's standardize: it works on any data at once, and forgets about x_train."""
    deviation = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1)


TRAINED_ON = np.array([[0.0, 3.0], [2.0, -1.0], [1.0, 1.0], [5.0, 0.0], [2.0, 7.0]])
CLEARLY = 0.1  # deviations from the mean

SIDES = (
    "right and wrong differ",
    "x must have shape (M, 2), with 1 to 100 rows of finite floats",
    "your own standardize is wrong on these features",
    "both see these features on the same sides of the average: they are the training features",
    "both see these features on the same sides of the average",
    "alone, an example is its own average",
)


def _unfair_features(x):
    fair = x.ndim == 2 and x.shape[1] == 2 and 0 < len(x) <= 100
    return 0 if fair and np.isfinite(x).all() else 1


def _sides(x, own):
    """Return the place in SIDES of what the features `x`, and `own` of them, show."""
    mean, square = TRAINED_ON.mean(axis=0), (TRAINED_ON**2).mean(axis=0)
    right = (x - mean) / (square - mean**2) ** 0.5
    if own is None or own.shape != x.shape or not np.allclose(own, right, 1e-3, 1e-4):
        return 2
    wrong = standardize_alone(TRAINED_ON, x)
    clear = np.minimum(np.abs(right), np.abs(wrong)) > CLEARLY
    if (clear & (right * wrong < 0)).any():
        return 0
    if len(x) == 1:
        return 5
    return 3 if x.shape == TRAINED_ON.shape and np.allclose(x, TRAINED_ON, 1e-3) else 4


# ------------------------------------------------------------------ a table of experiments

TABLE = (2, 4, 3)  # cells, ways, seeds


def _numbers(rng):
    """Return cells whose data are numbers, ways that multiply them, and seeds out of order."""
    made, factor = rng.uniform(1, 2, TABLE[::2]), rng.uniform(1, 2, TABLE[1:])
    seeds = [int(seed) for seed in np.roll(np.arange(TABLE[2]), rng.integers(1, TABLE[2]))]
    cells = [lambda seed, row=row: row[seed] for row in made]
    ways = [lambda data, seed, row=row: float(data * row[seed]) for row in factor]
    return cells, ways, seeds


def _whole_table(impl, rng):
    return {"accuracies": impl.transfer_matrix(*_numbers(rng))}


def _one_way(impl, rng):
    cells, ways, seeds = _numbers(rng)
    return {"accuracies": impl.transfer_matrix(cells, ways[:1], seeds[:1])}


def _same_data(impl, rng):
    """A cell whose data differ from call to call: only one call a seed compares like with like."""
    calls, gains = [], rng.uniform(1, 2, 4)

    def drawn(seed):
        calls.append(seed)
        return 0.1 * len(calls)

    ways = [lambda data, seed, gain=gain: data + float(gain) for gain in gains]
    table = impl.transfer_matrix([drawn], ways, [5, 3, 8])
    return {"calls": np.array(len(calls)), "above the first way": table[0] - table[0, :1]}


# ------------------------------------------------------------------ networks for the checks


def network(rng, norms=True, dtype=None):
    """Return a network of named parts: two stages with pixels, one without, and a head.

    Its batch norms have statistics that are neither 0 nor 1. `norms=False` leaves them out, and
    the stages are linear: what is computed is the same in both modes then.
    """
    import torch
    from torch import nn

    def stage(n_in, n_out, kernel):
        conv = nn.Conv2d(n_in, n_out, kernel)
        return nn.Sequential(conv, *([nn.BatchNorm2d(n_out)] if norms else []), nn.ReLU())

    model = nn.Sequential()
    model.add_module("stage1", stage(CHANNELS, 3, 2))
    model.add_module("stage2", stage(3, 5, 3))
    model.add_module("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    model.add_module("hidden", nn.Sequential(nn.Linear(5, 6), nn.Tanh()))
    model.add_module("head", nn.Linear(6, CLASSES))
    model.to(dtype or torch.float64)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            low, high = (0.3, 2) if "var" in name or name.endswith("1.weight") else (-0.6, 0.6)
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(rng.uniform(low, high, tuple(tensor.shape))))
    return model.eval()


def images(rng, n, dtype=None):
    """Return n images and their labels."""
    import torch

    x = torch.from_numpy(rng.uniform(-1, 2, (n, CHANNELS, *PIXELS)))
    return x.to(dtype or torch.float64), torch.from_numpy(rng.integers(CLASSES, size=n))


def learn(model, optimizer, x, y, **zeroing):
    """Take one step of training."""
    from torch.nn.functional import cross_entropy

    optimizer.zero_grad(**zeroing)
    cross_entropy(model(x), y).backward()
    optimizer.step()


def descent(model, **settings):
    """Return plain gradient descent on all of a network."""
    import torch

    return torch.optim.SGD(model.parameters(), lr=RATE, **settings)


def held(**tensors):
    """Return tensors as observations, flat: "weights_of_stage1" becomes "weights of stage1"."""
    return {
        name.replace("_", " "): tensor.detach().cpu().numpy().ravel().copy()
        for name, tensor in tensors.items()
    }


# ------------------------------------------------------------------ features


def _features(stage, pooled, n):
    """Return the scenario that takes the features of one stage."""

    def scenario(impl, rng):
        model, (x, _) = network(rng), images(rng, n)
        return {"features": impl.extract_features(model, x, stage, pooled)}

    return scenario


def _features_as_in_a_test(impl, rng):
    model, (x, _) = network(rng), images(rng, 7)
    model.train()
    features = impl.extract_features(model, x, "stage2", True)
    return {"features": features, **held(running_mean_afterwards=model.stage1[1].running_mean)}


def _nothing_left_behind(impl, rng):
    model, (x, _), recording = network(rng), images(rng, 7), []
    spy = model.stage1.register_forward_hook(lambda *call: recording.append(call[-1].requires_grad))
    impl.extract_features(model, x, "stage2", True)
    spy.remove()
    hooks = sum(len(part._forward_hooks) for part in model.modules())
    return {"gradients recorded": np.array(any(recording)), "hooks left": np.array(hooks)}


def _counted(model):
    """Return a list that grows by one whenever the network computes."""
    calls = []
    model.stage1.register_forward_pre_hook(lambda *call: calls.append(1))
    return calls


def _cached(change):
    """Return the scenario that asks twice, with `change` of model, x, stage and pooled between."""

    def scenario(impl, rng):
        model, (x, _) = network(rng), images(rng, 7)
        asked = [model, x, "stage1", True]
        with tempfile.TemporaryDirectory() as folder:
            impl.cached_features(*asked, folder)
            change(asked, rng)
            return {"features the second time": impl.cached_features(*asked, folder)}

    return scenario


def _other_network(asked, rng):
    asked[0] = network(rng)


def _other_statistics(asked, rng):
    asked[0].stage1[1].running_mean.add_(0.5)


def _images(impl, rng):
    """Ask for others of the same sum, and for the same numbers in another shape."""
    (others,), (turned,) = (
        _cached(change)(impl, rng).values() for change in (_other_images, _other_shape)
    )
    return {"features of other images": others, "features in another shape": turned}


def _other_images(asked, rng):
    asked[1] = asked[1].flip(0)


def _other_shape(asked, rng):
    N, C, H, W = asked[1].shape
    asked[1] = asked[1].reshape(N, C, W, H)


def _stage_and_pixels(impl, rng):
    """Ask for another stage, and for all pixels in place of their mean."""
    (stage,), (pixels,) = (
        _cached(change)(impl, rng).values() for change in (_other_stage, _all_pixels)
    )
    return {"features of another stage": stage, "features with all pixels": pixels}


def _other_stage(asked, rng):
    asked[2] = "stage2"


def _all_pixels(asked, rng):
    asked[3] = False


def _asked_again(impl, rng):
    model, (x, _) = network(rng), images(rng, 7)
    calls = _counted(model)
    with tempfile.TemporaryDirectory() as folder:
        first = impl.cached_features(model, x, "stage2", True, folder)
        computed = len(calls)
        impl.cached_features(model, x.clone(), "stage2", True, folder)
        again = len(calls)
        with _hashing_anew(impl.namespace("cached_features")):
            impl.cached_features(model, x.clone(), "stage2", True, folder)
    return {
        "features": first,
        "computed again": np.array(again > computed),
        "computed again by another kernel": np.array(len(calls) > again),
    }


@contextlib.contextmanager
def _hashing_anew(names):
    """Let hash() give other numbers than before, as it does in a kernel that has just started."""
    if "hash" in names:
        yield  # the student's own
        return
    names["hash"] = lambda value: ~hash(value)
    try:
        yield
    finally:
        del names["hash"]


# ------------------------------------------------------------------ a new head


def _new_head(impl, rng, classes):
    """Return a network in float32 with a new head, the parameters of its old one, and images.

    PyTorch's own generator is in a known state, so that a layer's usual weights are known too.
    """
    import torch

    model = network(rng, dtype=torch.float32)
    old = list(model.head.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        impl.replace_head(model, classes)
    return model, old, images(rng, 9, torch.float32)


def _number_of_scores(impl, rng):
    model, _, (x, _) = _new_head(impl, rng, CLASSES - 1)
    return held(what_the_head_is_given=model[:-1](x)) | {"scores": np.array(model(x).shape[1])}


def _first_scores(impl, rng):
    model, _, (x, _) = _new_head(impl, rng, CLASSES + 1)
    return {"largest first score": model(x).abs().max().item()}


def _equal_number(impl, rng):
    model, old, _ = _new_head(impl, rng, CLASSES)
    kept = sum(any(p is q for q in old) for p in model.head.parameters())
    return {"old parameters in the head": np.array(kept)}


def _head_learns(impl, rng):
    import torch

    model = network(rng, dtype=torch.float32)
    x, y = images(rng, 9, torch.float32)
    model.requires_grad_(False)
    impl.replace_head(model, CLASSES + 1)
    before = model.head.weight.detach().clone()
    learn(model, descent(model), x, y)
    still = (model.head.weight == before).all(dim=1).sum().item()
    return held(weights_of_stage1=model.stage1[0].weight) | {"scores that stay": np.array(still)}


def _head_dtype(impl, rng):
    model = network(rng)
    impl.replace_head(model, CLASSES + 2)
    return {"bytes of a weight": np.array(model.head.weight.element_size())}


def _comes_back(function, *args):
    """Return the scenario of what `function` returns of the stage or network it was given."""

    def scenario(impl, rng):
        model = network(rng)
        part = model if args else model.stage1
        returned = getattr(impl, function)(part, *args)
        return {"the model is what comes back": np.array(returned is part)}

    return scenario


# ------------------------------------------------------------------ freezing


def _frozen_convolutions(impl, rng):
    """In eval mode, where batch norms do the same whether they are frozen or not."""
    model, (x, y) = network(rng), images(rng, 9)
    impl.freeze(model.stage1)
    learn(model, descent(model), x, y)
    first, second = model.stage1[0], model.stage2[0]
    return held(weights=first.weight, weights_of_stage2=second.weight)


def _frozen_scale(impl, rng):
    model, (x, y) = network(rng), images(rng, 9)
    impl.freeze(model.stage1)
    learn(model, descent(model), x, y)
    conv, norm = model.stage1[0], model.stage1[1]
    return held(biases=conv.bias, scale=norm.weight, shift=norm.bias)


def _frozen_in_motion(impl, rng):
    """Frozen between a backward pass and its step, with momentum and weight decay."""
    model, (x, y) = network(rng), images(rng, 9)
    optimizer = descent(model, momentum=0.8, weight_decay=0.3)
    learn(model, optimizer, x, y)
    impl.freeze(model.stage1)
    before = model.stage1[0].weight.detach().clone()
    optimizer.step()
    moved = (model.stage1[0].weight != before).sum().item()
    return held(weights=model.stage1[0].weight) | {"weights that moved": np.array(moved)}


def _statistics_after(*modes, whole=False):
    """Return the scenario of a frozen batch norm that saw a batch after `modes` were set.

    `whole`: frozen is all of the network, of which the batch norm is a part of a part.
    """

    def scenario(impl, rng):
        model, (x, _) = network(rng), images(rng, 9)
        model.train()
        impl.freeze(model if whole else model.stage1)
        for mode in modes:
            model.train(mode)
        model(x)
        norm = model.stage1[1]
        return held(running_mean=norm.running_mean, running_variance=norm.running_var)

    return scenario


def _frozen_norm(impl, rng):
    model, (x, _) = network(rng), images(rng, 7)
    model.train()
    impl.freeze(model.stage1)
    return held(output_of_stage1=model.stage1(x)[:, :, 0, 0])


def _the_rest_learns(impl, rng):
    """Frozen is a part without batch norms."""
    model, (x, y) = network(rng), images(rng, 9)
    impl.freeze(model.hidden)
    model.train()
    learn(model, descent(model), x, y)
    return held(
        convolution_of_stage1=model.stage1[0].weight,
        running_mean_of_stage1=model.stage1[1].running_mean,
        head=model.head.weight,
    )


def _thawed(what):
    """Return the scenario of a part that froze, thawed, and learns again; `what` of it is seen."""

    def scenario(impl, rng):
        model, (x, y) = network(rng), images(rng, 9)
        impl.freeze(model.stage1)
        learn(model, descent(model), x, y)
        impl.unfreeze(model.stage1)
        model.eval()
        learn(model, descent(model), x, y)
        return what(model.stage1)

    return scenario


def _convolution(stage):
    return held(weights=stage[0].weight)


def _scale_and_shift(stage):
    return held(scale=stage[1].weight, shift=stage[1].bias)


def _thawed_statistics(impl, rng):
    """A stage that was frozen twice, and one that thaws with all of the network."""
    again = _seen_after_thawing(impl, rng, lambda model: impl.freeze(model.stage1), "stage1")
    within = _seen_after_thawing(impl, rng, lambda model: None, "")
    return held(running_mean=again, running_mean_within_a_network=within)


def _seen_after_thawing(impl, rng, more, thawed):
    """Return the running mean of a stage that froze, and after `more` thawed with a part."""
    model, (x, _) = network(rng), images(rng, 9)
    impl.freeze(model.stage1)
    more(model)
    model.train()
    model(x)
    impl.unfreeze(model.get_submodule(thawed))
    model.train()
    model(x)
    return model.stage1[1].running_mean


def _mode_after_thawing(impl, rng):
    """A network whose frozen part thaws goes on in the mode that it was set to last."""
    outputs = {}
    for mode, training in (("train", True), ("eval", False)):
        model, (x, _) = network(rng), images(rng, 7)
        impl.freeze(model.stage1)
        model.train(training)
        model(x)
        impl.unfreeze(model.stage1)
        outputs[f"output_of_stage1_in_{mode}_mode"] = model.stage1(x)[:, :, 0, 0]
    return held(**outputs)


# ------------------------------------------------------------------ fine-tuning


def _rates_of(model, groups):
    """Return the rate of each parameter in the network's order; −1 where no group has it."""
    rates = {id(p): float(group["lr"]) for group in groups for p in group["params"]}
    return np.array([rates.get(id(p), -1.0) for p in model.parameters()])


def _rate_settings(rng):
    """Return a head's rate and a factor that is not ½."""
    return float(rng.uniform(0.2, 0.9)), float(rng.uniform(0.1, 0.4))


def _rates_downwards(impl, rng):
    """Without a part that has no parameters."""
    model = network(rng)
    del model.pool
    return {"rates": _rates_of(model, impl.parameter_groups(model, *_rate_settings(rng)))}


def _rates_of_frozen(impl, rng):
    model = network(rng)
    del model.pool
    model.stage1.requires_grad_(False)
    model.hidden.requires_grad_(False)
    groups = impl.parameter_groups(model, *_rate_settings(rng))
    return {"parameters without a group": np.sum(_rates_of(model, groups) < 0)}


def _rates_past_a_pool(impl, rng):
    model = network(rng)
    groups = impl.parameter_groups(model, *_rate_settings(rng))
    rates = _rates_of(model, groups)
    return {"rates by that of the head": rates / rates[-1], "groups": np.array(len(groups))}


def _finetuned(impl, rng, norms, epochs=2, rate=RATE):
    """Return a network after the student's loop, what it returned, and the path of the weights."""
    import torch

    model, path = network(rng, norms), []
    batches = [images(rng, n) for n in (6, 7, 5)]
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    optimizer.register_step_post_hook(lambda *call: path.append(_sums(model)))
    losses = impl.finetune(model, batches, optimizer, epochs, {})
    return model, losses, np.array(path)


def _sums(model):
    return [parameter.detach().sum().item() for parameter in model.parameters()]


def _plain_training(impl, rng):
    return {"sums of the weights, step by step": _finetuned(impl, rng, norms=False)[2]}


def _thawing(impl, rng):
    """Which parts learnt in which epoch: two of them are frozen, and thaw later."""
    model, seen, epochs = network(rng, norms=False), [], 6
    batches = [images(rng, n) for n in (6, 7)]
    first, second = sorted(int(epoch) for epoch in rng.permutation(np.arange(1, epochs))[:2])
    thaw = {first: "stage2", second: "stage1"}
    for name in thaw.values():
        impl.freeze(model.get_submodule(name))
    model.register_forward_pre_hook(lambda *call: seen.append(_values(model)))
    impl.finetune(model, batches, descent(model), epochs, thaw)
    starts = [*seen[:: len(batches)], _values(model)]  # of each epoch, and the end
    return {"learnt": np.array([_learnt(*pair) for pair in pairwise(starts)])}


def _values(model):
    return [parameter.detach().numpy().copy() for parameter in model.parameters()]


def _learnt(before, after):
    """Say of a weight of stage1, of stage2 and of the head whether any number of it moved.

    Their sums would not tell: that of the head stays, but for rounding.
    """
    return [not np.array_equal(before[part], after[part]) for part in (0, 2, -1)]


def _mode_while_training(impl, rng):
    model, *_ = _finetuned(impl, rng, norms=True)
    return held(running_mean=model.stage1[1].running_mean)


def _mode_in_the_end(impl, rng):
    """A network without batch norms, but with a part that says in which mode it is."""
    model, *_ = _finetuned(impl, rng, norms=False)
    return {"parts in train mode": np.array(sum(part.training for part in model.modules()))}


def _epoch_losses(impl, rng):
    """At a rate so small that the losses do not depend on how the steps were taken."""
    return {"losses": _finetuned(impl, rng, norms=False, epochs=3, rate=1e-12)[1]}


# ------------------------------------------------------------------ the exercises

RETURNS = {
    "standardize": ("z",),
    "linear_probe": ("predictions", "penalty"),
    "separating_features": ("x",),
    "transfer_matrix": ("accuracies",),
    "extract_features": ("features",),
    "cached_features": ("features",),
    "replace_head": ("model",),
    "freeze": ("model",),
    "unfreeze": ("model",),
    "parameter_groups": ("groups",),
    "finetune": ("losses",),
}
FORBIDDEN = (
    "sklearn.preprocessing.StandardScaler",
    "sklearn.preprocessing.scale",
    "scipy.stats.zscore",
)
exercise = family("transfer", RETURNS, FORBIDDEN)


def on_modules(title, functions, checks, slide, **options):
    """Return an exercise of which there is only a form in PyTorch: it is about modules."""
    written = exercise(title, functions, checks, slide, needs_autograd=True, **options)
    return replace(written, id=f"transfer.torch.{written.function}")


LOOK_STANDARDIZE = """\
# Two features of different size. The training features should get the mean 0 and the deviation 1;
# the last example lies above all of them, and should still do so.
x_train = np.array([[1.0, 100.0], [2.0, 300.0], [6.0, 200.0]])
print(standardize(x_train, x_train))
print(standardize(x_train, np.array([[9.0, 500.0]])))
"""
LOOK_PROBE = """\
# Labels that the first of two features tells apart. What is fitted here has weights of its own for
# each penalty, and only those of 0.5 look at the first feature: that should be your penalty.
x, y = np.array([[1.0, 5.0], [2.0, 3.0], [7.0, 4.0], [8.0, 2.0]]), np.array([0, 0, 1, 1])
weights = {0.1: [[0.0, 0.0], [-1.0, 1.0]], 0.5: [[-1.0, 1.0], [0.0, 0.0]]}
print(linear_probe(lambda x, y, p: (np.array(weights[p]), np.zeros(2)), x, y, x, y, x, [0.1, 0.5]))
"""
LOOK_MATRIX = """\
# Two cells, three ways, two seeds: shape (2, 3, 2). The second cell is ten times the first one, and
# in each row of three the next way adds 1.
cells = [lambda seed: seed, lambda seed: 10 * seed]
print(transfer_matrix(cells, [lambda data, seed, k=k: data + k for k in range(3)], [4, 5]))
"""
SMALL_STANDARDIZE = (
    "standardize(np.array([[0.0], [2.0]]), np.array([[3.0]]))",
    "standardize(np.array([[1.0, 0.0], [3.0, 8.0]]), np.array([[2.0, 4.0], [5.0, 12.0]]))",
    "standardize(np.array([[1.0, 7.0], [3.0, 7.0]]), np.array([[2.0, 9.0]]))",
)
STANDARDIZE = exercise(
    "Standardize by the training set",
    "standardize",
    (
        Check("the mean of the training set", 1.5, _other_mean),
        Check("the deviation of the training set", 1.5, _other_deviation),
        Check("the training features themselves", 1, _own_features),
        Check("a feature that is always the same", 1, _dead_feature),
        Check("float32 stays float32, inputs stay as they were", 1, _feature_types, keeps_types),
    ),
    "99–101",
    small=SMALL_STANDARDIZE,
    look=LOOK_STANDARDIZE,
)
PROBE = exercise(
    "A linear probe, its penalty chosen on validation data",
    "standardize linear_probe",
    (
        Check("what is fitted: the training features, standardized", 3, _what_is_fitted),
        Check("other features, standardized by the training set", 3, _from_afar),
        Check("the penalty that is best on validation data", 3, _which_penalty),
        Check("predictions with that penalty", 3, _predictions_of_the_chosen),
    ),
    "99–101",
    look=LOOK_PROBE,
    no_small=CALLBACK,
)
SEPARATING = exercise(
    "Kill the bug: features for a standardize that looks at them alone",
    "standardize separating_features",
    (
        separation(
            "your features tell right from wrong",
            4,
            SIDES,
            find=lambda impl: impl.separating_features(TRAINED_ON.copy()),
            own=lambda impl, x: impl.standardize(TRAINED_ON.copy(), x),
            unfair=_unfair_features,
            outcome=_sides,
        ),
    ),
    "99–101",
    given=(standardize_alone,),
    no_small=KILLS_A_BUG,
    look="""\
# The same features, standardized by the training set and on their own: some sign should differ.
x = separating_features(np.array([[0.0], [2.0]]))
print("by the training set:", standardize(np.array([[0.0], [2.0]]), x).ravel())
print("on their own:       ", standardize_alone(np.array([[0.0], [2.0]]), x).ravel())
""",
)
MATRIX = exercise(
    "A table of experiments",
    "transfer_matrix",
    (
        Check("one way, one seed", 1, _one_way),
        Check("every number in its place", 3, _whole_table),
        Check("all ways of a seed have the same data", 2, _same_data),
    ),
    "102–104",
    look=LOOK_MATRIX,
    no_small=CALLBACK,
)
FEATURES = on_modules(
    "Features of a stage",
    "extract_features",
    (
        Check("averaged over the pixels", 4, _features("stage2", True, 7)),
        Check("all pixels kept", 2, _features("stage1", False, 9)),
        Check("a part that has no pixels", 2, _features("hidden", True, 9)),
        Check("more examples than go through at once", 2, _features("hidden", False, 230)),
        Check("computed as in a test, and no statistic moved", 3, _features_as_in_a_test),
        Check("no gradients recorded, no hook left", 1, _nothing_left_behind),
    ),
    "99–104",
    no_small=CALLBACK,
)
CACHED = on_modules(
    "Features from a file (bonus)",
    "extract_features cached_features",
    (
        Check("asked again: nothing is computed", 1, _asked_again),
        Check("another network of the same architecture", 1, _cached(_other_network)),
        Check("other running statistics", 1, _cached(_other_statistics)),
        Check("other images", 1, _images),
        Check("another stage, and all pixels", 1, _stage_and_pixels),
    ),
    "99–101",
    bonus=True,
    no_small=CALLBACK,
)
HEAD = on_modules(
    "A new head",
    "replace_head",
    (
        Check("as many scores as classes, from the same features", 2.5, _number_of_scores),
        Check("all scores begin at zero", 1.5, _first_scores),
        Check("as many classes as before: still a new head", 1.5, _equal_number),
        Check("it learns, while the rest is frozen", 1, _head_learns),
        Check("the dtype of the old head", 1, _head_dtype),
        Check("the network comes back", 0.5, _comes_back("replace_head", CLASSES)),
    ),
    "99–101",
    no_small=CALLBACK,
)
FREEZE = on_modules(
    "Freeze",
    "freeze",
    (
        Check("weights of convolutions stay", 2.5, _frozen_convolutions),
        Check("biases stay, and scale and shift of batch norms", 1.5, _frozen_scale),
        Check("momentum, weight decay and an old gradient move nothing", 2, _frozen_in_motion),
        Check("running statistics stay, however deep", 1.5, _statistics_after(whole=True)),
        Check("running statistics stay after model.train()", 1.5, _statistics_after(False, True)),
        Check("a frozen batch norm uses its running statistics", 1.5, _frozen_norm),
        Check("what is not frozen learns on", 1, _the_rest_learns),
        Check("what was frozen comes back", 0.5, _comes_back("freeze")),
    ),
    "100–101",
    no_small=CALLBACK,
)
UNFREEZE = on_modules(
    "Unfreeze",
    "freeze unfreeze",
    (
        Check("the weights of convolutions learn again", 0.75, _thawed(_convolution)),
        Check("scale and shift of batch norms learn again", 1, _thawed(_scale_and_shift)),
        Check("what thaws comes back", 0.25, _comes_back("unfreeze")),
        Check("the running statistics move again", 1, _thawed_statistics),
        Check("all parts are in the mode that the network was set to", 1, _mode_after_thawing),
    ),
    "100–101",
    no_small=CALLBACK,
)
GROUPS = on_modules(
    "A rate for every part",
    "parameter_groups",
    (
        Check("the rates, from the head down", 2, _rates_downwards),
        Check("frozen parameters have a group too", 2, _rates_of_frozen),
        Check("a part without parameters is no step", 2, _rates_past_a_pool),
    ),
    "101",
    no_small=CALLBACK,
)
FINETUNE = on_modules(
    "Wire the pipeline: fine-tuning",
    "freeze unfreeze finetune",
    (
        Check("every step follows the gradient of its batch", 2, _plain_training),
        Check("parts thaw when it is their turn", 2, _thawing),
        Check("train mode while it learns", 1.5, _mode_while_training),
        Check("eval mode in the end", 1, _mode_in_the_end),
        Check("the mean loss of every epoch", 1.5, _epoch_losses),
    ),
    "100–104",
    no_small=CALLBACK,
)

EXERCISES = (
    STANDARDIZE,
    PROBE,
    SEPARATING,
    MATRIX,
    FEATURES,
    CACHED,
    HEAD,
    FREEZE,
    UNFREEZE,
    GROUPS,
    FINETUNE,
)
