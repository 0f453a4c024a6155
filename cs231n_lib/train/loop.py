"""The training loop: batches, steps, measurements, callbacks, and what Ctrl-C does."""

import copy
import math
import signal
import threading

import numpy as np

from cs231n_lib.errors import above, at_least, generator, one_of, rule_from, whole
from cs231n_lib.train.history import EVALUATED, History
from cs231n_lib.train.progress import shown_progress
from cs231n_lib.train.state import UNREADABLE, load_state, rehearse, save_state


class StopTraining(Exception):
    """Raise it in a callback to end the training after this step; `fit` returns as usual.

    >>> from cs231n_lib.data import digits
    >>> from cs231n_lib.layers.network import Affine, Network
    >>> def enough(step, net, history):
    ...     if history.loss[-1] < 1:
    ...         raise StopTraining
    >>> rng = np.random.default_rng(0)
    >>> settings = {"steps": 1000, "batch_size": 50, "learning_rate": 0.3, "rng": rng}
    >>> history = fit(Network([Affine(64, 10, rng)]), digits(), callbacks=[enough], **settings)
    >>> len(history.loss) < 100
    True
    """


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C in a training: `history` has what was seen, the network is in test mode.

    Ctrl-C waits for the end of the step, so that weights and state belong together; a second one
    does not wait.
    """

    def __init__(self, message, history):
        super().__init__(message)
        self.history = history


def sgd_update(w, dw, config):
    """Return w − learning_rate·dw, a step of gradient descent, and the config, unchanged.

    >>> sgd_update(np.array([1.0]), np.array([0.5]), {"learning_rate": 0.2})[0]
    array([0.9])
    """
    return w - config["learning_rate"] * dw, config


def fit(
    net,
    data,
    *,
    steps=None,
    epochs=None,
    batch_size,
    learning_rate=None,
    schedule=None,
    rng,
    update=sgd_update,
    callbacks=(),
    evaluate_every=None,
    progress=None,
    save=None,
    save_every=None,
    resume=False,
    on_interrupt="raise",
):
    """Train a NumPy network on random batches.

    Args:
        net: a `Network`; its parameters are changed, and it is left in test mode.
        data: a `Dataset`.
        steps or epochs: how long; one of the two. An epoch leaves out an incomplete last batch.
        batch_size: examples in a step.
        learning_rate or schedule: size of a step, reaches `update` in `config`; one of the two. A
            schedule is a function: number of steps done so far -> learning rate of the next one.
        rng: np.random.Generator that chooses the batches.
        update: (w, dw, config) -> next_w, config; every parameter has its own config.
        callbacks: functions (step, net, history), called after every step, the first being 1. An
            array that a callback keeps must be copied: the next step changes it. They may end the
            training, and may have a state: see `cs231n_lib.train`.
        evaluate_every: steps between measurements of the accuracies; None measures at the end only.
            Training accuracy is that of the first 1,000 training examples.
        progress: True or False shows or hides the progress bar; None shows it after three seconds.
        save: path without a suffix; the state of the training is written there at the end, when it
            is interrupted, and every `save_every` steps: weights, what `update` and callbacks
            remember, the order of the batches, the generators of `rng` and of layers (in `param`).
        resume: go on from what `save` holds, bit for bit; start where it holds nothing. Network,
            data, batch_size, and generators that are shared must be made as they were.
        on_interrupt: "raise" raises `TrainingInterrupted` on Ctrl-C; "return" returns the history,
            whose `interrupted` is True.

    Returns:
        a `History`.

    Raises:
        ValueError: for both or neither of steps and epochs, or of learning_rate and schedule, a
            number outside its range, or a saved state of another network or other data.
        TypeError: for an `rng` that is no generator, and whatever else is of another kind.
        OSError: when nothing can be written to `save`.
        TrainingInterrupted: on Ctrl-C, a KeyboardInterrupt.

    >>> from cs231n_lib.data import digits
    >>> from cs231n_lib.layers.network import Affine, Network
    >>> rng = np.random.default_rng(0)
    >>> net = Network([Affine(64, 10, rng)])
    >>> history = fit(net, digits(), steps=200, batch_size=50, learning_rate=0.3, rng=rng)
    >>> history.steps, history.val_accuracy[-1] > 0.8
    ([200], True)
    """
    learner = _InNumPy(net, update, learning_rate, schedule)
    return _train(
        learner, data, steps, epochs, batch_size, rng, callbacks, evaluate_every, progress, save,
        save_every, resume, on_interrupt,
    )  # fmt: skip


def fit_torch(
    model,
    data,
    *,
    steps=None,
    epochs=None,
    batch_size,
    learning_rate=None,
    schedule=None,
    rng,
    optimizer=None,
    callbacks=(),
    evaluate_every=None,
    progress=None,
    save=None,
    save_every=None,
    resume=False,
    on_interrupt="raise",
):
    """Train a PyTorch model with cross-entropy, as `fit` does; device and dtype are the model's.

    Args:
        model: an nn.Module from examples to scores; it is left in eval mode.
        optimizer: a torch optimizer over the model's parameters, with its own rate in place of
            `learning_rate`; torch.optim.SGD unless given. A `schedule` sets the rate of all its
            parameter groups before each step.
        save: as for `fit`; PyTorch's own generator, which dropout draws from, is saved too.
        (all others): as for `fit`.

    Raises:
        ValueError: as `fit`, for a learning_rate that is not the optimizer's, and for a model
            without parameters that require a gradient, or none that the optimizer has.

    >>> import torch
    >>> from cs231n_lib.data import digits
    >>> rng, model = np.random.default_rng(0), torch.nn.Linear(64, 10)
    >>> history = fit_torch(model, digits(), steps=200, batch_size=50, learning_rate=0.3, rng=rng)
    >>> history.val_accuracy[-1] > 0.8
    True
    """
    learner = _InTorch(model, optimizer, learning_rate, schedule)
    return _train(
        learner, data, steps, epochs, batch_size, rng, callbacks, evaluate_every, progress, save,
        save_every, resume, on_interrupt,
    )  # fmt: skip


class _InNumPy:
    """One step of a `Network`, and what has to be saved of it."""

    def __init__(self, net, update, learning_rate, schedule):
        require_network(net, update)
        self.net, self.update, self.accuracy = net, update, net.accuracy
        self.rate_at, self.scheduled = rate_function(learning_rate, schedule), schedule is not None
        self.configs = first_configs(net, learning_rate)

    def step(self, x, y, rate):
        loss, gradients = self.net.loss_and_gradients(x, y)
        if math.isfinite(loss):
            rate = rate if self.scheduled else None
            update_parameters(self.net.params, gradients, self.configs, self.update, rate)
        return float(loss)

    def state(self):
        return {"net": self.net.state(), "configs": self.configs}

    def load_state(self, state):
        self.net.load_state(state["net"])
        self.configs.update(state["configs"])


class _InTorch:
    """One step of an nn.Module, and what has to be saved of it."""

    def __init__(self, model, optimizer, learning_rate, schedule):
        import torch  # NumPy lessons need not wait for it

        if not isinstance(model, torch.nn.Module):
            raise TypeError(
                f"model must be an nn.Module, got {type(model).__name__}; train a Network with fit"
            )
        if optimizer is not None and not hasattr(optimizer, "param_groups"):
            raise TypeError(
                f"optimizer must be one of PyTorch, such as torch.optim.SGD(model.parameters()), "
                f"got {optimizer!r:.60}"
            )
        self.net, self.schedule = model, None
        if optimizer is None or schedule is not None:
            self.schedule = rate_function(learning_rate, schedule)
        if not any(w.requires_grad for w in model.parameters()):
            raise ValueError(
                "the model must have parameters that require a gradient, got none; give it layers "
                "with weights, or call model.requires_grad_()"
            )
        first = next(model.parameters())
        self.dtype, self.device = first.dtype, first.device
        self.optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=self.schedule(0))
        stepped = {id(w) for group in self.optimizer.param_groups for w in group["params"]}
        if not any(w.requires_grad and id(w) in stepped for w in model.parameters()):
            raise ValueError(
                "the optimizer must have parameters of the model that require a gradient, got "
                f"{len(stepped)} others; make it with model.parameters()"
            )
        own = [group.get("lr") for group in self.optimizer.param_groups]
        if (
            self.schedule is None
            and learning_rate is not None
            and own != [learning_rate] * len(own)
        ):
            raise ValueError(
                f"learning_rate must be left out where an optimizer is given, which has its own, "
                f"{own}; got {learning_rate}"
            )

    def rate_at(self, t):
        if self.schedule is None:  # callbacks may change an optimizer's own rate
            return float(self.optimizer.param_groups[0].get("lr", math.nan))
        return self.schedule(t)

    def step(self, x, y, rate):
        import torch

        if self.schedule is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = rate
        loss = torch.nn.functional.cross_entropy(self.net(self._tensor(x)), self._labels(y))
        self.optimizer.zero_grad()
        loss.backward()
        value = loss.item()  # the one number that a step waits for
        if math.isfinite(value):
            self.optimizer.step()
        return value

    def accuracy(self, x, y):
        import torch

        right = torch.zeros((), dtype=torch.int64, device=self.device)
        with torch.inference_mode():
            for start in range(0, len(x), EVALUATED):
                part = slice(start, start + EVALUATED)
                scores = self.net(self._tensor(x[part]))
                right += (scores.argmax(dim=1) == self._labels(y[part])).sum()
        return right.item() / len(x)

    def state(self):
        import torch

        cuda = torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None
        return {
            "model": dict(self.net.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "generators": [torch.get_rng_state(), cuda],
        }

    def load_state(self, state):
        import torch

        try:
            self.net.load_state_dict(state["model"])
        except RuntimeError as error:
            raise ValueError(f"the saved state is that of another model: {error}") from None
        options = [group.keys() for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for expected, group in zip(options, self.optimizer.param_groups, strict=True):
            if expected - group.keys():  # which PyTorch would only say at the next step
                raise ValueError(
                    "the saved state is that of another optimizer: it holds no "
                    f"{min(expected - group.keys())!r}"
                )
        cpu, cuda = state["generators"]
        torch.set_rng_state(cpu)
        if cuda is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(cuda, self.device)

    def _tensor(self, x):
        import torch

        return torch.as_tensor(x, dtype=self.dtype, device=self.device)

    def _labels(self, y):
        import torch

        y = torch.as_tensor(y, device=self.device)
        return y if y.is_floating_point() else y.long()  # other whole numbers it does not take


def _train(
    learner, data, steps, epochs, batch_size, rng, callbacks, evaluate_every, progress, save,
    save_every, resume, on_interrupt,
):  # fmt: skip
    one_of("raise", "return")("on_interrupt", on_interrupt)
    for name, value in (("evaluate_every", evaluate_every), ("save_every", save_every)):
        if value is not None:
            whole(1)(name, value)
    if save is None and (resume or save_every):
        raise ValueError("resume and save_every need save, the path of the state, got save=None")
    stream = Batches(data, batch_size, rng)
    steps = length_of(steps, epochs, len(data.x_train) // batch_size)
    callbacks = functions_of(callbacks)
    net, history = learner.net, History()
    record = _Record(save, learner, stream, history, callbacks)
    if save is not None:
        record.rehearse()
    done, goes_on = record.load() if resume else (0, True)
    numbers = range(done + 1, steps + 1) if goes_on else ()
    net.train()
    try:
        with quiet_divergence(), CtrlC() as ctrl_c:
            for number in shown_progress(numbers, progress, "training"):
                rate = learner.rate_at(number - 1)
                history.note(learner.step(*next(stream), rate), rate)
                due = number == steps or (evaluate_every and number % evaluate_every == 0)
                goes_on = finish_step(number, net, history, learner.accuracy, data, due, callbacks)
                ends = number == steps or not goes_on or ctrl_c.came
                if save is not None and (ends or (save_every and number % save_every == 0)):
                    record.save(number, goes_on)
                ctrl_c.strike()
                if not goes_on:
                    break
    except KeyboardInterrupt:
        history.interrupted = True
        if on_interrupt == "raise":
            raise TrainingInterrupted(record.interrupted(steps), history) from None
        interruptions.append(history)
    finally:
        net.eval()
    return history


def require_network(net, update):
    """Refuse what is no network, or no update of its parameters."""
    if not hasattr(net, "loss_and_gradients"):
        raise TypeError(
            f"net must be a Network, got {type(net).__name__}; train an nn.Module with fit_torch"
        )
    rule_from("function")("update", update)


def quiet_divergence():
    """Overflow is an outcome of a training, not a warning."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


interruptions: list[History] = []  # histories of runs that returned although they were interrupted


def first_configs(net, learning_rate):
    """The config of every parameter before the first step; a schedule sets its rate later."""
    rate = None if learning_rate is None else float(learning_rate)
    return {name: {"learning_rate": rate} for name in net.params}


def functions_of(callbacks):
    """Return the callbacks as a list; refuse what cannot be called."""
    listed = list(callbacks) if hasattr(callbacks, "__iter__") else [None]
    if not all(map(callable, listed)):
        raise TypeError(
            f"callbacks must be a list of functions (step, net, history), got {callbacks!r:.60}"
        )
    return listed


def update_parameters(params, gradients, configs, update, rate):
    """Change every parameter in place as `update` says; a rate of None leaves that in configs."""
    for name, w in params.items():
        if rate is not None:
            configs[name]["learning_rate"] = rate
        w[...], configs[name] = update(w, gradients[name], configs[name])


def finish_step(number, net, history, accuracy, data, due, callbacks):
    """Measure the accuracies where due, call the callbacks; return whether the training goes on."""
    if due or history.diverged:
        history.measure(number, net, accuracy, data)
    try:
        for callback in callbacks:
            callback(number, net, history)
    except StopTraining:
        if history.steps[-1:] != [number]:
            history.measure(number, net, accuracy, data)
        return False
    return not history.diverged


def rate_function(learning_rate, schedule):
    """Return the function t -> learning rate that the arguments of `fit` describe."""
    if (learning_rate is None) == (schedule is None):
        raise ValueError(
            "pass either learning_rate or schedule, a function of the step, got "
            f"learning_rate={learning_rate} and schedule={schedule}"
        )
    if schedule is None:
        above(0)("learning_rate", learning_rate)
        return lambda t: float(learning_rate)
    rule_from("function")("schedule", schedule)

    def rate_at(t):
        rate = schedule(t)
        at_least(0)(f"schedule({t})", rate)
        return float(rate)

    return rate_at


def length_of(steps, epochs, steps_per_epoch):
    """The number of steps that the arguments of `fit` describe."""
    if (steps is None) == (epochs is None):
        raise ValueError(f"pass either steps or epochs, got steps={steps} and epochs={epochs}")
    name, value = ("steps", steps) if epochs is None else ("epochs", epochs)
    whole(1)(name, value)
    return value if epochs is None else value * steps_per_epoch


class Batches:
    """Batches of the training examples without end, every epoch in another order.

    They are those of `batches`, epoch after epoch; `state` and `load_state` say where it stands.

    >>> from cs231n_lib.data import digits
    >>> x, y = next(Batches(digits(), 50, np.random.default_rng(0)))
    >>> x.shape, y.shape
    ((50, 64), (50,))
    """

    def __init__(self, data, batch_size, rng):
        whole(1)("batch_size", batch_size)
        generator("rng", rng)
        if not hasattr(data, "x_train"):
            raise TypeError(
                f"data must be a Dataset, such as cs231n_lib.data.digits(), got "
                f"{type(data).__name__}"
            )
        self.x, self.y, self.size, self.rng = data.x_train, data.y_train, batch_size, rng
        if len(data.x_val) == 0:
            raise ValueError("the data must have validation examples, got none; split again")
        if batch_size > len(self.x):
            raise ValueError(
                f"batch_size must be at most {len(self.x)}, the examples, got {batch_size}"
            )
        self.order, self.start = np.empty(0, np.int64), 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.start + self.size > len(self.order):
            self.order, self.start = self.rng.permutation(len(self.x)), 0
        chosen = self.order[self.start : self.start + self.size]
        self.start += self.size
        return self.x[chosen], self.y[chosen]

    def state(self):
        """What a saved training needs to know."""
        return {
            "examples": len(self.x),
            "batch_size": self.size,
            "order": self.order,
            "start": self.start,
            "rng": self.rng.bit_generator.state,
        }

    def load_state(self, state):
        """Go on where another one was, which had as many examples and batches as large."""
        self.order, self.start = state["order"], state["start"]
        self.rng.bit_generator.state = state["rng"]


class _Record:
    """The file of a training: what goes into it, and how it goes on from there."""

    def __init__(self, path, learner, stream, history, callbacks):
        self.path, self.learner, self.stream = path, learner, stream
        self.history, self.callbacks, self.saved = history, callbacks, None

    def _state(self, goes_on):
        return {
            "goes_on": goes_on,
            "batches": self.stream.state(),
            "learner": self.learner.state(),
            "history": self.history.state(),
            "callbacks": [c.state() if hasattr(c, "state") else None for c in self.callbacks],
        }

    def rehearse(self):
        """Refuse before the first step what could not be saved after the last one."""
        rehearse(self.path, self._state(True))

    def save(self, number, goes_on):
        save_state(self.path, number, self._state(goes_on))
        self.saved = number

    def load(self):
        """Take over the saved state; return its number of steps, and whether it goes on.

        Where it is refused, everything is as it was before.
        """
        found = load_state(self.path)
        if found is None:
            return 0, True
        before = copy.deepcopy(self._state(True))
        try:
            self._take(found[1])
        except BaseException as error:
            self._put_back(before)
            if not isinstance(error, UNREADABLE) or isinstance(error, ValueError):
                raise
            raise ValueError(
                f"{self.path}.json holds no training of these parts "
                f"({type(error).__name__}: {error}); make them as they were, or choose another save"
            ) from error
        self.saved = found[0]
        return self.saved, found[1]["goes_on"]

    def _take(self, state):
        batches, mine = state["batches"], self.stream.state()
        for name in ("examples", "batch_size"):
            if batches[name] != mine[name]:
                raise ValueError(
                    f"the training in {self.path}.json had {name} {batches[name]}, got "
                    f"{mine[name]}; pass what it had, or another save"
                )
        if len(state["callbacks"]) != len(self.callbacks):
            raise ValueError(
                f"the training in {self.path}.json had {len(state['callbacks'])} callbacks, got "
                f"{len(self.callbacks)}; pass as many, in the same order"
            )
        self._put_back(state)

    def _put_back(self, state):
        self.learner.load_state(state["learner"])
        self.history.load_state(state["history"])
        for callback, kept in zip(self.callbacks, state["callbacks"], strict=True):
            if kept is not None:
                callback.load_state(kept)
        self.stream.load_state(state["batches"])  # last, for layers may share its generator

    def interrupted(self, steps):
        """What an interrupted run says."""
        seen = f"training was interrupted after {len(self.history.loss)} of {steps} steps; "
        if self.path is None:
            return seen + "its .history has what it saw; to go on another time, pass save=PATH"
        if self.saved is None:
            return seen + "its .history has what it saw; nothing was saved"
        return seen + f"{self.path}.json has step {self.saved}: pass resume=True to go on from it"


class CtrlC:
    """Makes Ctrl-C wait for the end of a step; a second Ctrl-C does not wait."""

    def __init__(self):
        self.came, self.before = False, None

    def __enter__(self):
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error):
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)

    def _note(self, *signal_and_frame):
        if self.came:
            raise KeyboardInterrupt
        self.came = True

    def strike(self):
        if self.came:
            raise KeyboardInterrupt
