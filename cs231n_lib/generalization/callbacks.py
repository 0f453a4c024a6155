"""Callbacks of `fit` and `fit_torch`; they go on with a run that was saved.

    stop, average = StopEarly(patience=5), Average(kind="uniform", start_at=500)
    fit(net, data, ..., evaluate_every=20, callbacks=[average, stop])
    stop.restore(net)

A network is a `Network` or an nn.Module.
"""

import copy

import numpy as np

from cs231n_lib.errors import whole
from cs231n_lib.generalization import in_numpy
from cs231n_lib.generalization.shared import EarlyStopping
from cs231n_lib.layers.network import Network
from cs231n_lib.train import StopTraining


class StopEarly:
    """End a run when the validation accuracy has had no gain for a while, and keep the best.

    It looks at the accuracies whenever they are measured, so `fit` needs `evaluate_every`.

    Args:
        patience, min_delta: as for `EarlyStopping`.

    Slide 64.

    >>> import numpy as np
    >>> from cs231n_lib.data import digits
    >>> from cs231n_lib.layers.network import Affine
    >>> from cs231n_lib.train import fit
    >>> rng, stop = np.random.default_rng(0), StopEarly(patience=3)
    >>> net = Network([Affine(64, 10, rng)])
    >>> history = fit(net, digits(), steps=5000, batch_size=20, learning_rate=0.3, rng=rng,
    ...               evaluate_every=20, callbacks=[stop])
    >>> stop.restore(net)
    >>> len(history.loss) < 5000, net.accuracy(digits().x_val, digits().y_val) == stop.best
    (True, True)
    """

    def __init__(self, patience, min_delta=0.0):
        self._stopper = EarlyStopping(patience, min_delta)

    @property
    def best(self):
        """The best validation accuracy so far."""
        return self._stopper.best

    def __call__(self, step, net, history):
        """Take in the accuracy, where there is a new one."""
        if history.steps[-1:] == [step] and self._stopper.update(
            history.val_accuracy[-1], _state_of(net)
        ):
            raise StopTraining

    def restore(self, net):
        """Give a network the weights and statistics that had the best accuracy."""
        if self._stopper.best_weights is None:
            raise RuntimeError(
                "no accuracy has been measured, so there is no best one; train with evaluate_every"
            )
        _load(net, self._stopper.best_weights)

    def state(self):
        """Return what has to be saved."""
        stopper = self._stopper
        best = stopper.best if stopper.best_weights is not None else None
        return {"best": best, "weights": stopper.best_weights, "waited": stopper.waited}

    def load_state(self, state):
        """Go on from what was saved."""
        stopper = self._stopper
        stopper.best_weights, stopper.waited = state["weights"], state["waited"]
        if state["best"] is not None:
            stopper.best = state["best"]


class Average:
    """Keep a Polyak average of the parameters along a run, which does not notice.

    Args:
        **config: kind, start, beta, start_at, as for `polyak_average`.

    Slide 68.

    >>> import numpy as np
    >>> from cs231n_lib.data import digits
    >>> from cs231n_lib.layers.network import Affine
    >>> from cs231n_lib.train import fit
    >>> rng, average = np.random.default_rng(0), Average(kind="uniform")
    >>> net = Network([Affine(64, 10, rng)])
    >>> history = fit(net, digits(), steps=50, batch_size=20, learning_rate=0.3, rng=rng,
    ...               callbacks=[average])
    >>> average.apply(net, [digits().x_train[:100]])
    >>> bool((net.params["affine1.b"] == average.params["affine1.b"]).all())
    True
    """

    def __init__(self, **config):
        in_numpy.polyak_average(np.zeros(1), dict(config))  # refuses what it would refuse later
        self._config = config
        self._configs = {}
        self.params = {}

    def __call__(self, step, net, history):
        """Take in the parameters after a step."""
        average = _module(net).polyak_average
        for name, w in _parameters(net).items():
            config = self._configs.get(name) or dict(self._config)
            self.params[name], self._configs[name] = average(w, config)

    def apply(self, net, batches):
        """Give a network the averaged parameters, and statistics of their own.

        Args:
            batches: inputs of some training batches, by which batch norms collect theirs.
        """
        parameters = _parameters(net)
        found, expected = (
            {k: tuple(w.shape) for k, w in p.items()} for p in (self.params, parameters)
        )
        if found != expected:
            raise ValueError(
                f"the average must be that of this network, with the parameters {expected}, got "
                f"{found or 'none yet: train with this callback first'}"
            )
        for name, w in parameters.items():
            w[...] = self.params[name]
        _module(net).refresh_statistics(net, batches)

    def state(self):
        """Return what has to be saved."""
        return {"params": self.params, "configs": self._configs}

    def load_state(self, state):
        """Go on from what was saved."""
        self.params, self._configs = state["params"], state["configs"]


class Snapshots:
    """Keep copies of a network at the ends of the last cycles of its learning rate.

    Args:
        length: steps in a cycle.
        members: how many to keep.

    Slides 66–67. With `cosine_restarts` as the schedule of `fit` the run is a snapshot ensemble.

    >>> import numpy as np
    >>> from cs231n_lib.data import digits
    >>> from cs231n_lib.layers.network import Affine
    >>> from cs231n_lib.train import fit
    >>> rng, snapshots = np.random.default_rng(0), Snapshots(length=20, members=2)
    >>> net = Network([Affine(64, 10, rng)])
    >>> history = fit(net, digits(), steps=60, batch_size=20, rng=rng, callbacks=[snapshots],
    ...               schedule=lambda t: 0.3 * (1 - t % 20 / 20))
    >>> [member.accuracy(digits().x_val, digits().y_val) > 0.5 for member in snapshots.of(net)]
    [True, True]
    """

    def __init__(self, length, members):
        whole(1)("length", length)
        whole(1)("members", members)
        self.length, self.members, self.kept = length, members, []

    def __call__(self, step, net, history):
        """Keep a copy, at the end of a cycle."""
        if step % self.length == 0:
            self.kept = [*self.kept, copy.deepcopy(_state_of(net))][-self.members :]

    def of(self, net):
        """Return a network for each snapshot, in test mode; `net` stays as it is."""
        members = [copy.deepcopy(net) for _ in self.kept]
        for member, state in zip(members, self.kept, strict=True):
            _load(member, state)
            member.eval()
        return members

    def state(self):
        """Return what has to be saved."""
        return {"kept": self.kept}

    def load_state(self, state):
        """Go on from what was saved."""
        self.kept = list(state["kept"])


def _module(net):
    """Return the functions for this kind of network; NumPy's need not wait for PyTorch."""
    if isinstance(net, Network):
        return in_numpy
    from cs231n_lib.generalization import in_torch

    return in_torch


def _parameters(net):
    """Return the live parameters by name."""
    if isinstance(net, Network):
        return net.params
    return {name: w.detach() for name, w in net.named_parameters()}


def _state_of(net):
    return net.state() if isinstance(net, Network) else dict(net.state_dict())


def _load(net, state):
    (net.load_state if isinstance(net, Network) else net.load_state_dict)(state)
