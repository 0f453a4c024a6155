"""A training that is cut short says so, and goes on bit for bit where it stood."""

import json
import os
import signal
import threading

import numpy as np
import pytest
import torch

from cs231n_lib.data import digits
from cs231n_lib.generalization.callbacks import Average, Snapshots, StopEarly
from cs231n_lib.layers.batched import fit_many
from cs231n_lib.layers.network import Affine, Network, Noise, Normalization, ReLU
from cs231n_lib.normalization.in_numpy import batchnorm_backward, batchnorm_forward
from cs231n_lib.optim import optimizers
from cs231n_lib.optim.in_numpy import adam
from cs231n_lib.train import (
    History,
    StopTraining,
    TrainingInterrupted,
    compare,
    find_rate,
    fit,
    fit_torch,
    remembered,
)
from cs231n_lib.train.state import load_state, save_state

DATA = digits().few(210)  # no multiple of a batch: a cut falls into an epoch


def dropout_forward(x, param):
    """Noise from a generator in `param`."""
    if param["mode"] == "test":
        return x, np.ones_like(x)
    mask = ((param["rng"].random(x.shape) < 0.8) / 0.8).astype(x.dtype)
    return x * mask, mask


def network(rng):
    return Network(
        [
            Affine(64, 16, rng),
            Normalization(batchnorm_forward, batchnorm_backward, 16),
            ReLU(),
            Noise(dropout_forward, lambda dout, mask: dout * mask, rng=rng),  # shared with batches
            Affine(16, 10, rng),
        ]
    )


class Watch:
    """A callback with a state: an average of the loss, and the weights at its smallest."""

    def __init__(self):
        self.average, self.best, self.seen = None, np.inf, []

    def __call__(self, step, net, history):
        loss = history.loss[-1]
        self.average = loss if self.average is None else 0.9 * self.average + 0.1 * loss
        self.best = min(self.best, self.average)
        self.seen.append(step)

    def state(self):
        return {"average": self.average, "best": self.best, "seen": self.seen}

    def load_state(self, state):
        self.average, self.best, self.seen = state["average"], state["best"], state["seen"]


def torch_model():
    torch.manual_seed(3)
    layers = torch.nn.Linear(64, 16), torch.nn.BatchNorm1d(16), torch.nn.Dropout(0.3)
    return torch.nn.Sequential(*layers, torch.nn.Linear(16, 10))


def in_numpy(callbacks, **settings):
    rng = np.random.default_rng(0)
    net = network(rng)
    settings = {"learning_rate": 1e-2, "update": adam} | settings
    history = fit(net, DATA, batch_size=20, rng=rng, callbacks=callbacks, **settings)
    return net.state(), history


def in_torch(callbacks, **settings):
    model = torch_model()
    adam = torch.optim.AdamW(model.parameters(), lr=1e-2)
    rng = np.random.default_rng(0)
    history = fit_torch(
        model, DATA, batch_size=20, rng=rng, optimizer=adam, callbacks=callbacks, **settings
    )
    return dict(model.state_dict()) | {"drawn next": torch.rand(3)}, history


TRAINERS = {"numpy": in_numpy, "torch": in_torch}
in_both = pytest.mark.parametrize("train", TRAINERS.values(), ids=TRAINERS)


def bits(tree):
    """Return a tree with every array and tensor as its bytes, to compare exactly."""
    if isinstance(tree, dict):
        return {key: bits(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [bits(value) for value in tree]
    return tree.tolist() if hasattr(tree, "tolist") else tree


def stop_at(*steps):
    def stop(step, net, history):
        if step in steps:
            os.kill(os.getpid(), signal.SIGINT)

    return stop


def nothing(step, net, history):
    """A callback without a state."""


@in_both
def test_a_run_in_pieces_is_the_run_in_one(train, tmp_path):
    whole_watch = Watch()
    whole, history = train([whole_watch, nothing], steps=40, evaluate_every=7)
    for end in (3, 10, 11, 25, 40):  # before, at and after the ends of epochs
        watch = Watch()
        where = {"save": tmp_path / "run", "resume": True}
        if end < 40:
            with pytest.raises(TrainingInterrupted, match=f"interrupted after {end} of 40 steps"):
                train([watch, stop_at(end)], steps=40, evaluate_every=7, **where)
        else:
            pieces, resumed = train([watch, nothing], steps=40, evaluate_every=7, **where)
    assert bits(pieces) == bits(whole)
    assert resumed == history and len(history.loss) == 40
    assert watch.state() == whole_watch.state() and watch.seen == list(range(1, 41))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.40.npz", "run.json"]


@in_both
def test_a_run_that_was_killed_goes_on_from_its_last_save(train, tmp_path):
    class Killed(Exception):
        pass

    def kill(step, net, history):
        if step == 17:
            raise Killed

    whole, history = train([Watch(), nothing], steps=30)
    with pytest.raises(Killed):
        train([Watch(), kill], steps=30, save=tmp_path / "run", save_every=5)
    assert json.loads((tmp_path / "run.json").read_text())["step"] == 15
    pieces, resumed = train([Watch(), nothing], steps=30, save=tmp_path / "run", resume=True)
    assert bits(pieces) == bits(whole) and resumed == history


@in_both
def test_a_run_can_be_made_longer_but_not_when_it_ended_itself(train, tmp_path):
    save = tmp_path / "run"
    train([], steps=10, save=save)
    assert len(train([], steps=15, save=save, resume=True)[1].loss) == 15
    assert len(train([], steps=15, save=save, resume=True)[1].loss) == 15

    def stop(step, net, history):
        raise StopTraining

    other = tmp_path / "other"
    train([stop], steps=10, save=other)
    assert len(train([nothing], steps=10, save=other, resume=True)[1].loss) == 1


def test_what_is_saved_needs_no_pickle(tmp_path):
    in_torch([Watch()], steps=3, save=tmp_path / "run")
    with np.load(tmp_path / "run.3.npz", allow_pickle=False) as arrays:
        assert all(arrays[key].dtype != object for key in arrays.files)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16", "int64", "bool"])
def test_tensors_keep_their_type_and_bits(dtype, tmp_path):
    tensor = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).mul(9)
    tensor = tensor.to(getattr(torch, dtype))
    save_state(tmp_path / "a", 1, {0: [tensor, (1, 2.5, None, True, "x")]})
    step, tree = load_state(tmp_path / "a")
    assert step == 1 and tree[0][0].dtype == tensor.dtype
    assert torch.equal(tree[0][0], tensor) and tree[0][1] == (1, 2.5, None, True, "x")


@pytest.mark.parametrize("bits_of", ["PCG64", "MT19937", "Philox", "SFC64"])
def test_any_generator_goes_on(bits_of, tmp_path):
    rng = np.random.Generator(getattr(np.random, bits_of)(5))
    rng.random(7)
    save_state(tmp_path / "a", 1, {"rng": rng.bit_generator.state})
    other = np.random.Generator(getattr(np.random, bits_of)(6))
    other.bit_generator.state = load_state(tmp_path / "a")[1]["rng"]
    assert rng.random(5).tolist() == other.random(5).tolist()


def test_an_interruption_while_the_state_is_written_leaves_the_old_one(tmp_path, monkeypatch):
    save_state(tmp_path / "a", 1, {"w": np.ones(2)})
    before = load_state(tmp_path / "a")
    replace, done = os.replace, []

    def stopped(*args):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(replace(*args))

    monkeypatch.setattr(os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        save_state(tmp_path / "a", 2, {"w": np.zeros(2)})
    monkeypatch.setattr(os, "replace", replace)
    assert bits(load_state(tmp_path / "a")[1]) == bits(before[1])
    save_state(tmp_path / "a", 3, {"w": np.zeros(2)})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.3.npz", "a.json"]


@pytest.mark.parametrize("text", ["", "{}", '{"format": 1, "step": 9, "state": 1}', "[1]"])
def test_another_file_is_refused(text, tmp_path):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run\.json and the \.npz beside it must hold a training"):
        in_numpy([], steps=1, save=tmp_path / "run", resume=True)


def test_a_state_of_something_else_is_refused_before_anything_changes(tmp_path):
    save = tmp_path / "run"
    in_numpy([], steps=3, save=save)
    rng = np.random.default_rng(0)
    net = Network([Affine(64, 10, rng)])
    before = bits(net.params)
    settings = {"steps": 5, "learning_rate": 0.1, "save": save, "resume": True, "rng": rng}
    with pytest.raises(ValueError, match=r"the network must have the parameters \{'affine1\.w'"):
        fit(net, DATA, batch_size=20, **settings)
    with pytest.raises(ValueError, match=r"had batch_size 20, got 21; pass what it had"):
        fit(net, DATA, batch_size=21, **settings)
    with pytest.raises(ValueError, match=r"had examples 210, got 209"):
        fit(net, DATA.few(209), batch_size=20, **settings)
    with pytest.raises(ValueError, match=r"had 0 callbacks, got 1; pass as many"):
        fit(net, DATA, batch_size=20, callbacks=[nothing], **settings)
    assert bits(net.params) == before
    torch_save = tmp_path / "torch"
    in_torch([], steps=2, save=torch_save)
    with pytest.raises(ValueError, match="the saved state is that of another model"):
        fit_torch(
            torch.nn.Linear(64, 10), DATA, batch_size=20, steps=3, learning_rate=0.1, rng=rng,
            save=torch_save, resume=True,
        )  # fmt: skip


def whole_state(net, optimizer, callbacks, rng):
    """Return all that a resumed training may change, as text."""
    state = net.state() if isinstance(net, Network) else dict(net.state_dict())
    held = [optimizer.state_dict()] if optimizer else []
    held += [vars(callback) for callback in callbacks if hasattr(callback, "__dict__")]
    return repr(bits([state, *held, torch.get_rng_state(), rng.bit_generator.state]))


def refused_and_unchanged(net, message, save, callbacks=(), optimizer=None):
    """Check that a training does not go on from `save`, and that nothing has changed."""
    rng = np.random.default_rng(5)
    before = whole_state(net, optimizer, callbacks, rng)
    settings = {"batch_size": 20, "steps": 9, "rng": rng, "save": save, "callbacks": callbacks}
    with pytest.raises(ValueError, match=message):
        if isinstance(net, Network):
            fit(net, DATA, learning_rate=0.1, resume=True, **settings)
        else:
            fit_torch(net, DATA, optimizer=optimizer, resume=True, **settings)
    assert whole_state(net, optimizer, callbacks, rng) == before


OTHER_MODELS = {
    "wider": torch.nn.Linear(64, 17),
    "another head": torch.nn.Sequential(*list(torch_model())[:3], torch.nn.Linear(16, 11)),
    "deeper": torch.nn.Sequential(*torch_model(), torch.nn.Linear(10, 10)),
}


@pytest.mark.parametrize("model", OTHER_MODELS.values(), ids=OTHER_MODELS)
def test_another_model_is_as_it_was_where_a_state_is_refused(model, tmp_path):
    in_torch([Watch()], steps=2, save=tmp_path / "run")
    optimizer = torch.optim.AdamW(model.parameters())
    message = "the saved state is that of another model"
    refused_and_unchanged(model, message, tmp_path / "run", [Watch()], optimizer)


@pytest.mark.parametrize("module", [torch.optim, optimizers], ids=["torch", "ours"])
@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adagrad"])
def test_another_optimizer_is_as_it_was_where_a_state_is_refused(name, module, tmp_path):
    in_torch([], steps=2, save=tmp_path / "run")
    model = torch_model()
    optimizer = getattr(module, name)(model.parameters(), lr=0.1)
    refused_and_unchanged(
        model, r"holds no '\w+'|betas must be off", tmp_path / "run", [], optimizer
    )


@in_both
@pytest.mark.parametrize("other", [StopEarly(2), Average(), Snapshots(2, 2), nothing])
def test_other_callbacks_and_all_beside_them_are_as_they_were(other, train, tmp_path):
    train([Watch(), Watch()], steps=2, save=tmp_path / "run")
    net = network(np.random.default_rng(1)) if train is in_numpy else torch_model()
    optimizer = None if train is in_numpy else torch.optim.AdamW(net.parameters())
    refused_and_unchanged(net, "run.json holds no training", tmp_path / "run", [Watch(), other],
                          optimizer)  # fmt: skip


def test_other_layers_without_parameters_are_refused():
    rng = np.random.default_rng(0)
    saved = network(rng).state()
    for layers, message in (
        ([0, 1, 3, 4], "must have 5 layers, got 4"),
        ([0, 1, 2, 2, 4], "relu2 must remember"),
    ):
        own = network(rng)
        net = Network([own.layers[i] for i in layers])
        before = bits(net.state())
        with pytest.raises(ValueError, match=message):
            net.load_state(saved)
        assert bits(net.state()) == before


@pytest.mark.parametrize("name", ["run.json", "run.2.npz"])
def test_files_that_were_cut_short_anywhere_are_refused_by_name(name, tmp_path):
    in_numpy([], steps=2, save=tmp_path / "run")
    content = (tmp_path / name).read_bytes()
    for size in np.linspace(0, len(content) - 2, 40).astype(int):
        (tmp_path / name).write_bytes(content[:size])
        net = network(np.random.default_rng(1))
        refused_and_unchanged(net, r"run\.json and the \.npz beside it", tmp_path / "run")


def test_numbers_that_were_damaged_are_refused(tmp_path):
    in_numpy([], steps=2, save=tmp_path / "run")
    file = tmp_path / "run.2.npz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    net = network(np.random.default_rng(1))
    refused_and_unchanged(net, r"run\.json and the \.npz beside it", tmp_path / "run")


@in_both
@pytest.mark.parametrize("place", ["missing/run", "file/run", "folder"])
def test_a_place_that_cannot_be_written_is_refused_before_the_first_step(place, train, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.json").mkdir()
    watch = Watch()
    with pytest.raises(OSError, match=r"^the path must be in a folder that exists"):
        train([watch], steps=3, save=tmp_path / place)
    assert not watch.seen and len(list(tmp_path.iterdir())) == 2


@in_both
@pytest.mark.parametrize("callbacks", [nothing, [None], [nothing, "stop"], 3])
def test_callbacks_that_cannot_be_called_are_refused(callbacks, train):
    with pytest.raises(TypeError, match=r"^callbacks must be a list of functions"):
        train(callbacks, steps=1)


@in_both
def test_callbacks_may_come_from_a_generator(train):
    watch = Watch()
    train((callback for callback in [watch]), steps=3)
    assert watch.seen == [1, 2, 3]


@pytest.mark.parametrize("data", [(DATA.x_train, DATA.y_train), None, iter([])])
def test_what_is_no_dataset_is_refused(data):
    net, rng = network(np.random.default_rng(0)), np.random.default_rng(0)
    with pytest.raises(TypeError, match=r"data must be a Dataset, .* got \w+"):
        fit(net, data, steps=1, batch_size=2, learning_rate=0.1, rng=rng)


def training(train, **changes):
    rng = np.random.default_rng(0)
    net = network(rng) if train is fit else torch_model()
    settings = {
        "net" if train is fit else "model": net,
        "steps": 1,
        "learning_rate": 0.1,
        "rng": rng,
    }
    return train(**(settings | {"data": DATA, "batch_size": 20} | changes))


@pytest.mark.parametrize(
    ("train", "changes", "message"),
    [
        (fit, {"net": torch_model()}, "net must be a Network, got Sequential; .* with fit_torch"),
        (fit, {"update": None}, "update must be a function, got NoneType"),
        (
            fit,
            {"learning_rate": None, "schedule": "cosine"},
            "schedule must be a function, got str",
        ),
        (fit_torch, {"model": network(np.random.default_rng(0))}, "model must be an nn.Module"),
        (fit_torch, {"optimizer": "adam"}, "optimizer must be one of PyTorch, .* got 'adam'"),
        (fit_torch, {"optimizer": torch.optim.SGD}, "optimizer must be one of PyTorch"),
    ],
)
def test_parts_of_a_training_that_are_of_another_kind_are_refused(train, changes, message):
    with pytest.raises(TypeError, match=message):
        training(train, **changes)


def test_an_optimizer_of_another_model_is_refused():
    optimizer = torch.optim.SGD(torch_model().parameters(), lr=0.1)
    with pytest.raises(ValueError, match="the optimizer must have parameters of the model"):
        training(fit_torch, optimizer=optimizer)
    model = torch_model()
    model[0].requires_grad_(False)
    for part, learns in ((model[0], False), (model[3], True)):
        optimizer = torch.optim.SGD(part.parameters(), lr=0.1)
        if learns:
            training(fit_torch, model=model, optimizer=optimizer)
        else:
            with pytest.raises(ValueError, match="the optimizer must have parameters"):
                training(fit_torch, model=model, optimizer=optimizer)


def test_a_rate_that_is_a_tensor_is_noted_as_a_number():
    model = torch_model()
    adam = torch.optim.Adam(model.parameters(), lr=torch.tensor(0.5))

    def halve(step, net, history):
        adam.param_groups[0]["lr"].mul_(0.5)

    rng = np.random.default_rng(0)
    history = fit_torch(model, DATA, steps=3, batch_size=20, rng=rng, optimizer=adam,
                        callbacks=[halve])  # fmt: skip
    assert history.rates == [0.5, 0.25, 0.125]


def test_what_cannot_be_saved_is_named(tmp_path):
    class Odd(Watch):
        def state(self):
            return {"net": [object()]}

    with pytest.raises(TypeError, match=r"state\.callbacks\[0\]\.net\[0\] must be a number, text"):
        in_numpy([Odd()], steps=1, save=tmp_path / "run")
    assert not list(tmp_path.iterdir())
    for settings in ({"resume": True}, {"save_every": 3}):
        with pytest.raises(ValueError, match="resume and save_every need save"):
            in_numpy([], steps=1, **settings)


# --------------------------------------------------------------------------- Ctrl-C


@in_both
def test_ctrl_c_gives_the_history_and_a_model_in_test_mode(train):
    seen = []

    def look(step, net, history):
        seen.append(net)

    with pytest.raises(KeyboardInterrupt) as caught:
        train([look, stop_at(5)], steps=30)
    assert isinstance(caught.value, TrainingInterrupted)
    history = caught.value.history
    assert len(history.loss) == 5 and history.interrupted and "interrupted" in repr(history)
    assert "to go on another time, pass save=PATH" in str(caught.value)
    net = seen[0]
    assert not (net.training if isinstance(net, torch.nn.Module) else net.layers[0].training)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@in_both
def test_ctrl_c_may_return_the_history(train, tmp_path):
    save = tmp_path / "run"
    _, history = train([stop_at(5)], steps=30, on_interrupt="return", save=save)
    assert len(history.loss) == 5 and history.interrupted and save.with_suffix(".json").exists()
    _, resumed = train([nothing], steps=30, save=save, resume=True)
    assert len(resumed.loss) == 30 and not resumed.interrupted
    with pytest.raises(ValueError, match="on_interrupt must be 'raise' or 'return', got 'stop'"):
        train([], steps=3, on_interrupt="stop")


def test_ctrl_c_within_a_step_waits_for_its_end():
    def update(w, dw, config):
        if w.shape == (64, 16) and config.get("t") == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return adam(w, dw, config)

    def trained(steps, update):
        rng = np.random.default_rng(0)
        net = network(rng)
        settings = {"batch_size": 20, "learning_rate": 0.1, "on_interrupt": "return"}
        return net, fit(net, DATA, rng=rng, update=update, steps=steps, **settings)

    net, history = trained(9, update)
    whole, expected = trained(3, adam)
    assert history.loss == expected.loss and bits(net.params) == bits(whole.params)


def test_a_second_ctrl_c_does_not_wait():
    def twice(step, net, history):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("this is not reached")

    with pytest.raises(TrainingInterrupted, match="after 1 of 9 steps"):
        in_numpy([twice], steps=9)


def test_a_thread_trains_without_a_handler():
    results = []
    thread = threading.Thread(target=lambda: results.append(in_numpy([], steps=3)[1]))
    thread.start()
    thread.join()
    assert len(results[0].loss) == 3


def test_an_interrupted_run_is_no_result(tmp_path):
    def cut(*args, steps=9, **settings):
        return in_numpy([stop_at(2)], steps=steps, on_interrupt="return", **settings)[1]

    def accuracy(seed):
        history = cut()
        return history.loss[-1]

    with pytest.raises(TrainingInterrupted, match="training is no result") as caught:
        compare(accuracy, accuracy, [1, 2, 3])
    assert caught.value.history.interrupted
    with pytest.raises(TrainingInterrupted, match="no result"):
        find_rate(lambda schedule, steps: cut(steps=steps), 0.01, 1, 5)
    search = remembered(accuracy, tmp_path / "table.json")
    with pytest.raises(TrainingInterrupted, match="no result"):
        search(0.1)
    assert not (tmp_path / "table.json").exists()
    assert len(in_numpy([], steps=3)[1].loss) == 3  # later runs are not touched


def test_ctrl_c_reaches_networks_that_are_trained_together():
    rngs = [np.random.default_rng(s) for s in range(3)]
    nets = [network(rng) for rng in rngs]
    calls = [[stop_at(4)], [], []]
    with pytest.raises(TrainingInterrupted) as caught:
        fit_many(nets, DATA, steps=9, batch_size=20, learning_rate=0.1, rngs=rngs, callbacks=calls)
    assert [len(history.loss) for history in caught.value.history] == [4, 4, 4]
    assert not any(net.layers[0].training for net in nets)


# --------------------------------------------------------------------------- stopping, errors


@in_both
def test_a_callback_may_stop_the_training(train):
    def stop(step, net, history):
        if step == 6:
            raise StopTraining

    _, history = train([stop], steps=30, evaluate_every=4)
    assert len(history.loss) == 6 and history.steps == [4, 6]
    assert not history.diverged and not history.interrupted


@in_both
def test_settings_that_would_train_nothing_are_refused(train):
    with pytest.raises(ValueError, match="batch_size must be at most 210, the examples, got 211"):
        rng = np.random.default_rng(0)
        fit(network(rng), DATA, epochs=2, batch_size=211, learning_rate=0.1, rng=rng)
    with pytest.raises(ValueError, match="the data must have validation examples, got none"):
        empty = type(DATA)(**vars(DATA) | {"x_val": DATA.x_val[:0], "y_val": DATA.y_val[:0]})
        rng = np.random.default_rng(0)
        fit(network(rng), empty, steps=2, batch_size=10, learning_rate=0.1, rng=rng)
    with pytest.raises(TypeError, match="rng must be a generator of random numbers, got 0; make"):
        fit(network(np.random.default_rng(0)), DATA, steps=2, batch_size=9, learning_rate=1, rng=0)


@pytest.mark.parametrize("value", [np.nan, 90.0])
def test_an_accuracy_that_is_none_is_refused(value):
    class Odd(Network):
        def accuracy(self, x, y, batch_size=1000):
            return value

    rng = np.random.default_rng(0)
    net = Odd([Affine(64, 10, rng)])
    with pytest.raises(ValueError, match="an accuracy must be a number from 0 to 1, got"):
        fit(net, DATA, steps=2, batch_size=20, learning_rate=0.1, rng=rng)


def test_an_optimizer_has_its_own_rate():
    model = torch.nn.Linear(64, 10)
    sgd = torch.optim.SGD(model.parameters(), lr=0.25)
    settings = {"steps": 2, "batch_size": 20, "optimizer": sgd, "rng": np.random.default_rng(0)}
    assert fit_torch(model, DATA, **settings).rates == [0.25, 0.25]
    assert fit_torch(model, DATA, learning_rate=0.25, **settings).rates == [0.25, 0.25]
    with pytest.raises(ValueError, match=r"left out where an optimizer .* \[0\.25\]; got 0\.1"):
        fit_torch(model, DATA, learning_rate=0.1, **settings)


# --------------------------------------------------------------------------- histories


HISTORIES = [
    History(),
    History([2.3, 0.1 + 0.2, 1e-300], [2, 3], [0.1, 1 / 3], [0.0, 1.0], rates=[0.1, 0.1, np.pi]),
    History([1.0, np.inf], [2], [0.1], [0.1], diverged=True, rates=[0.1, np.nan]),
    History([1.0], interrupted=True, rates=[0.5]),
]


@pytest.mark.parametrize("history", HISTORIES)
def test_histories_are_kept_exactly(history, tmp_path):
    history.save(tmp_path / "h.json")
    again = History.load(tmp_path / "h.json")
    assert repr(again) == repr(history)
    assert str(bits(again.state())) == str(bits(history.state()))  # NaN is NaN, bit for bit
    json.loads((tmp_path / "h.json").read_text(), parse_constant=pytest.fail)  # strict JSON


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"loss": 3}'])
def test_another_file_is_no_history(text, tmp_path):
    (tmp_path / "h.json").write_text(text)
    with pytest.raises(ValueError, match=r"h\.json must hold a history as History\.save writes it"):
        History.load(tmp_path / "h.json")


@pytest.mark.parametrize("history", HISTORIES)
def test_a_table_has_a_row_a_step(history):
    table = history.table()
    assert list(table) == ["step", "rate", "loss", "train_accuracy", "val_accuracy"]
    assert {len(column) for column in table.values()} == {len(history.loss)}
    measured = ~np.isnan(table["val_accuracy"])
    assert table["step"][measured].tolist() == history.steps
    assert table["val_accuracy"][measured].tolist() == history.val_accuracy
