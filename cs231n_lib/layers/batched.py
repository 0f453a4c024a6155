"""Many small networks of one architecture, trained together: one matmul a layer for all of them.

A claim needs many seeds, and a small network spends half of its time between the matmuls.
`fit_many` trains S networks as `fit` would train each of them alone, on its own batches, in less
time: twelve networks 64-128-128-10 take a thousand steps in a few seconds on one core. They
stay what they are: while it runs, their weights are views into the stacked arrays (S, ...), so
callbacks, accuracies and later lessons use any of them.
"""

from functools import partial

import numpy as np

from cs231n_lib.data import Dataset
from cs231n_lib.errors import whole
from cs231n_lib.layers.in_numpy import softmax_loss
from cs231n_lib.layers.network import Affine, Layer, Network, ReLU
from cs231n_lib.train import History, TrainingInterrupted, sgd_update
from cs231n_lib.train.loop import (
    Batches,
    CtrlC,
    finish_step,
    first_configs,
    functions_of,
    length_of,
    quiet_divergence,
    rate_function,
    require_network,
    update_parameters,
)
from cs231n_lib.train.progress import shown_progress


def fit_many(
    nets,
    data,
    *,
    steps=None,
    epochs=None,
    batch_size,
    learning_rate=None,
    schedule=None,
    rngs,
    update=sgd_update,
    callbacks=None,
    evaluate_every=None,
    progress=None,
):
    """Train S networks of one architecture, each as `fit` would train it alone, but together.

    Layers may be of any kind: `Affine` and `ReLU` are computed for all networks at once, others
    (dropout, batch normalization, your own) network by network, each with its own state and draws.
    Penalties and losses are those of each network, and may differ between them.

    Args:
        nets: S `Network`s with the same layers; their parameters are changed, and they are left in
            test mode. A layer reads its parameters from its dict `params` at every call.
        data: a `Dataset` for all, or a sequence of S of them: other labels, other examples.
        rngs: S generators, which choose the batches of each network.
        callbacks: a sequence of callbacks for each network, S sequences; each callback is called
            as in `fit`, with its own network and history. `StopTraining` ends that network's
            training; the others go on.
        (all others): as for `fit`.

    Returns:
        a list of S `History`s.

    Raises:
        ValueError: for networks that differ in their layers or shapes, or share one, for numbers
            of data sets, generators or callbacks other than S, and as `fit` does.
        TrainingInterrupted: on Ctrl-C; its `history` is the list.

    >>> from cs231n_lib.data import digits
    >>> def network(seed):
    ...     rng = np.random.default_rng(seed)
    ...     return Network([Affine(64, 32, rng), ReLU(), Affine(32, 10, rng)])
    >>> nets, rngs = [network(s) for s in range(3)], [np.random.default_rng(s) for s in range(3)]
    >>> histories = fit_many(
    ...     nets, digits(), steps=200, batch_size=50, learning_rate=0.3, rngs=rngs
    ... )
    >>> all(history.val_accuracy[-1] > 0.8 for history in histories)
    True
    """
    nets = list(nets)
    whole(1)("the number of networks", len(nets))
    sets = [data] * len(nets) if isinstance(data, Dataset) else _one_each("data sets", data, nets)
    rngs = _one_each("generators in rngs", rngs, nets)
    callbacks = _one_each("callbacks", callbacks or [()] * len(nets), nets)
    if evaluate_every is not None:
        whole(1)("evaluate_every", evaluate_every)
    rate_at = rate_function(learning_rate, schedule)

    for net in nets:
        require_network(net, update)
    learning = [id(layer) for net in nets for layer in net.layers if layer.params]
    if len(set(learning)) < len(learning):
        raise ValueError("the networks must have parameters of their own, got one layer twice")
    callbacks = list(map(functions_of, callbacks))
    streams = [Batches(own, batch_size, rng) for own, rng in zip(sets, rngs, strict=True)]
    steps = length_of(steps, epochs, min(len(s.x_train) for s in sets) // batch_size)
    stack = Stack(nets)
    going = runs = [
        _Run(net, own, stream, update, calls, learning_rate)
        for net, own, stream, calls in zip(nets, sets, streams, callbacks, strict=True)
    ]
    try:
        with quiet_divergence(), CtrlC() as ctrl_c:
            for number in shown_progress(range(1, steps + 1), progress, "training"):
                rate = rate_at(number - 1)
                due = number == steps or (evaluate_every and number % evaluate_every == 0)
                x, y = map(np.stack, zip(*(next(run.stream) for run in going), strict=True))
                losses, _ = stack.loss_and_gradients(x, y)
                for run, loss, own in zip(going, losses, stack.own, strict=True):
                    run.step(number, float(loss), rate, due, *own)
                ctrl_c.strike()
                if not all(run.goes_on for run in going):
                    going = [run for run in going if run.goes_on]
                    if not going:
                        break
                    stack = Stack([run.net for run in going])
    except KeyboardInterrupt:
        for run in going:
            run.history.interrupted = True
        raise TrainingInterrupted(
            f"training of {len(nets)} networks was interrupted before its {steps} steps were done; "
            "their histories are a list in .history",
            [run.history for run in runs],
        ) from None
    finally:
        for net in nets:
            net.eval()
    return [run.history for run in runs]


class Stack(Network):
    """S networks of one architecture as one: x is (S, N, D), y (S, N), every parameter (S, ...).

    From then on the parameters of the networks, and their gradients, are views into the stacked
    ones; `own` has a pair ({name: parameter}, {name: gradient}) for each network.

    >>> nets = [Network([Affine(3, 2, np.random.default_rng(seed))]) for seed in range(4)]
    >>> stack = Stack(nets)
    >>> stack.params["affine1.w"].shape, stack.scores(np.ones((4, 5, 3), np.float32)).shape
    ((4, 3, 2), (4, 5, 2))
    >>> stack.params["affine1.b"] += 1
    >>> nets[2].params["affine1.b"]
    array([1., 1.], dtype=float32)
    """

    def __init__(self, nets):
        self.nets = list(nets)
        depths = sorted({len(net.layers) for net in self.nets}, reverse=True)
        if len(depths) > 1:
            listed = " and ".join(map(str, depths))
            raise ValueError(f"the networks must have the same layers, got {listed} layers")
        columns = zip(*(net.layers for net in self.nets), strict=True)
        super().__init__(list(map(_stacked, columns)), partial(_losses, self.nets))
        self.names = self.nets[0].names
        self.own = [(net.params, net.grads) for net in self.nets]

    def loss_and_gradients(self, x, y):
        """The S losses (S,), and the gradients (S, ...) of the S networks by name."""
        losses, gradients = super().loss_and_gradients(x, y)
        for s, net in enumerate(self.nets):
            extra, more = net.penalty_and_gradients()
            losses[s] += extra
            for name, dw in more.items():
                gradients[name][s] += dw
        return losses, gradients


class _Run:
    """What belongs to one of the networks while it is trained."""

    def __init__(self, net, data, stream, update, callbacks, learning_rate):
        self.net, self.data, self.stream = net.train(), data, stream
        self.update, self.callbacks, self.constant = update, callbacks, learning_rate is not None
        self.configs = first_configs(net, learning_rate)
        self.history, self.goes_on = History(), True

    def step(self, number, loss, rate, due, params, gradients):
        """Do, with the loss and the gradients of a batch, what `fit` does in a step."""
        net, history = self.net, self.history
        history.note(loss, rate)
        if not history.diverged:
            changed = None if self.constant else rate
            update_parameters(params, gradients, self.configs, self.update, changed)
        self.goes_on = finish_step(
            number, net, history, net.accuracy, self.data, due, self.callbacks
        )


class _Affines(Layer):
    """S affine layers at once, by one matmul."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers
        self.params, self.grads = _shared(layers)

    def forward(self, x):
        self.x = x
        w, b = self.params["w"], self.params["b"]  # (S, D, M), (S, M)
        out = x.reshape(*x.shape[:2], -1) @ w  # (S, N, M)
        out += b[:, None]
        return out

    def backward(self, dout):
        x = self.x
        rows = x.reshape(*x.shape[:2], -1)  # (S, N, D)
        np.matmul(rows.transpose(0, 2, 1), dout, out=self.grads["w"])  # (S, D, M)
        np.matmul(np.ones(x.shape[1], x.dtype), dout, out=self.grads["b"])  # (S, M), the sums
        return (dout @ self.params["w"].transpose(0, 2, 1)).reshape(x.shape)


class _Each(Layer):
    """S layers of any kind, one after the other, each on its own part of the batch."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers
        self.params, self.grads = _shared(layers)

    def forward(self, x):
        return np.stack([layer.forward(part) for layer, part in zip(self.layers, x, strict=True)])

    def backward(self, dout):
        parts = zip(self.layers, dout, strict=True)
        dx = np.stack([layer.backward(part) for layer, part in parts])
        for key, stacked in self.grads.items():  # the layers have made new ones
            np.stack([layer.grads[key] for layer in self.layers], out=stacked)
            _share(self.layers, "grads", key, stacked)
        return dx


def _stacked(layers):
    kinds = {type(layer) for layer in layers}
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"the networks must have the same layers, got {names} in one place")
    special = {Affine: _Affines, ReLU: lambda layers: ReLU()}
    return special.get(kinds.pop(), _Each)(list(layers))


def _shared(layers):
    """Stack the parameters of the layers; return them, and an empty stack for the gradients.

    The parameters and the gradients of each layer become views into the stacks.
    """
    params, grads = {}, {}
    for key in layers[0].params:
        arrays = [layer.params[key] for layer in layers]
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            raise ValueError(
                f"the networks must have parameters of the same shapes, got {sorted(shapes)} for "
                f"{key!r} in one place"
            )
        params[key] = np.stack(arrays)
        grads[key] = np.zeros_like(params[key])
        _share(layers, "params", key, params[key])
        _share(layers, "grads", key, grads[key])
    return params, grads


def _share(layers, kind, key, stacked):
    for layer, view in zip(layers, stacked, strict=True):
        getattr(layer, kind)[key] = view


def _losses(nets, scores, y):
    """The loss of each network, (S,), and dscores (S, N, C)."""
    if all(net.loss is softmax_loss for net in nets):
        return _softmax_losses(scores, y)
    parts = zip(nets, scores, y, strict=True)
    losses, dscores = zip(*(net.loss(*part) for net, *part in parts), strict=True)
    return np.array(losses, dtype=float), np.stack(dscores)


def _softmax_losses(scores, y):
    """`softmax_loss` for each network: losses (S,) and dscores (S, N, C)."""
    N = y.shape[1]
    rows, right = np.arange(y.size), y.reshape(-1)
    shifted = scores - scores.max(axis=2, keepdims=True)  # (S, N, C)
    probabilities = np.exp(shifted).reshape(y.size, -1)  # (S·N, C)
    totals = probabilities.sum(axis=1, keepdims=True)
    log_right = shifted.reshape(y.size, -1)[rows, right] - np.log(totals[:, 0])  # (S·N,)
    dscores = probabilities
    dscores /= totals * N
    dscores[rows, right] -= 1 / N
    return -log_right.reshape(y.shape).mean(axis=1, dtype=float), dscores.reshape(scores.shape)


def _one_each(name, values, nets):
    values = list(values)
    if len(values) != len(nets):
        raise ValueError(f"there must be {len(nets)} {name}, one a network, got {len(values)}")
    return values
