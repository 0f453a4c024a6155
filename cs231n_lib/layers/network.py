"""A small NumPy network of layers, into which a student's own forward/backward pairs plug.

A layer has `forward(x) -> out`, `backward(dout) -> dx`, its arrays in `params` and, after
`backward`, their gradients under the same keys in `grads`. The network names a parameter by its
layer and its key: `affine1.w`, `normalization2.gamma`.
"""

import math
from collections import Counter

import numpy as np

from cs231n_lib.errors import above, at_least, generator, whole
from cs231n_lib.layers.in_numpy import (
    affine_backward,
    affine_forward,
    conv_backward,
    conv_forward,
    max_pool_backward,
    max_pool_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
)


class Layer:
    """What all layers share: no parameters yet, and train mode."""

    def __init__(self):
        self.params = {}
        self.grads = {}
        self.training = True

    def forward(self, x):
        """Return the output for the batch x, and remember what `backward` needs."""
        raise NotImplementedError

    def backward(self, dout):
        """Return dx, and leave the gradients of `params` in `grads`."""
        raise NotImplementedError


class Affine(Layer):
    """x·w + b on rows of `n_in` numbers; w is drawn from N(0, scale²), b starts at 0.

    `scale` is Kaiming's √(2 / n_in) unless given (He et al. 2015, arXiv:1502.01852).

    >>> layer = Affine(3, 4, np.random.default_rng(0))
    >>> layer.forward(np.ones((2, 3), np.float32)).shape
    (2, 4)
    """

    def __init__(self, n_in, n_out, rng, scale=None, dtype=np.float32):
        super().__init__()
        whole(1)("n_in", n_in)
        whole(1)("n_out", n_out)
        self.params["w"] = _weights((n_in, n_out), n_in, rng, scale, dtype)
        self.params["b"] = np.zeros(n_out, dtype)

    def forward(self, x):
        out, self.cache = affine_forward(x, self.params["w"], self.params["b"])
        return out

    def backward(self, dout):
        dx, self.grads["w"], self.grads["b"] = affine_backward(dout, self.cache)
        return dx


class Conv(Layer):
    """`n_out` filters of size × size pixels on (N, n_in, H, W); pads so that stride 1 keeps H, W.

    w is drawn from N(0, scale²), where `scale` is √(2 / (n_in·size²)) unless given.
    """

    def __init__(self, n_in, n_out, size, rng, scale=None, stride=1, pad=None, dtype=np.float32):
        super().__init__()
        fan_in = n_in * size * size
        self.params["w"] = _weights((n_out, n_in, size, size), fan_in, rng, scale, dtype)
        self.params["b"] = np.zeros(n_out, dtype)
        self.param = {"stride": stride, "pad": (size - 1) // 2 if pad is None else pad}

    def forward(self, x):
        out, self.cache = conv_forward(x, self.params["w"], self.params["b"], self.param)
        return out

    def backward(self, dout):
        dx, self.grads["w"], self.grads["b"] = conv_backward(dout, self.cache)
        return dx


class Normalization(Layer):
    """Any forward/backward pair with `batchnorm_forward`'s arguments, such as your own.

    Args:
        forward: (x, gamma, beta, param) -> out, cache.
        backward: (dout, cache) -> dx, dgamma, dbeta.
        shape: of gamma (starts at 1) and beta (starts at 0): the number of features or channels,
            or a tuple such as (1, C, 1, 1).
        **param: what `forward` finds in its options dict, such as eps=1e-5 or momentum=0.9.

    The options dict stays in `param`, with the running statistics that `forward` puts there; its
    'mode' is 'train' after `net.train()` and 'test' after `net.eval()`.
    """

    def __init__(self, forward, backward, shape, dtype=np.float32, **param):
        super().__init__()
        self._forward, self._backward = forward, backward
        self.params["gamma"] = np.ones(shape, dtype)
        self.params["beta"] = np.zeros(shape, dtype)
        self.param = param

    def forward(self, x):
        self.param["mode"] = "train" if self.training else "test"
        gamma, beta = self.params["gamma"], self.params["beta"]
        out, self.cache = self._forward(x, gamma, beta, self.param)
        return out

    def backward(self, dout):
        dx, self.grads["gamma"], self.grads["beta"] = self._backward(dout, self.cache)
        return dx


class Activation(Layer):
    """Any pair (x, *options) -> out, cache and (dout, cache) -> dx, such as your own leaky ReLU.

    Args:
        forward, backward: the pair; it works on arrays of any shape and holds no parameters.
        *options: further arguments of `forward`, such as a slope.

    >>> square = Activation(lambda x: (x**2, x), lambda dout, cache: 2 * cache * dout)
    >>> square.forward(np.array([3.0])), square.backward(np.array([1.0]))
    (array([9.]), array([6.]))
    """

    def __init__(self, forward, backward, *options):
        super().__init__()
        self._forward, self._backward, self._options = forward, backward, options

    def forward(self, x):
        out, self.cache = self._forward(x, *self._options)
        return out

    def backward(self, dout):
        return self._backward(dout, self.cache)


class Noise(Layer):
    """Any pair (x, param) -> out, cache and (dout, cache) -> dx that is noise in training only.

    Args:
        forward, backward: the pair, such as your own dropout.
        **param: what `forward` finds in its options dict `param`, such as p=0.8 or a generator; its
            'mode' is 'train' after `net.train()` and 'test' after `net.eval()`.

    >>> doubled = Noise(lambda x, param: (2 * x if param["mode"] == "train" else x, None), None)
    >>> doubled.forward(np.array([3.0]))
    array([6.])
    """

    def __init__(self, forward, backward, **param):
        super().__init__()
        self._forward, self._backward = forward, backward
        self.param = param

    def forward(self, x):
        self.param["mode"] = "train" if self.training else "test"
        out, self.cache = self._forward(x, self.param)
        return out

    def backward(self, dout):
        return self._backward(dout, self.cache)


class ReLU(Activation):
    """max(0, x) on arrays of any shape."""

    def __init__(self):
        super().__init__(relu_forward, relu_backward)


class MaxPool(Layer):
    """Largest value of each window of size × size pixels; stride = size unless given.

    >>> MaxPool(2).forward(np.zeros((1, 3, 8, 6))).shape
    (1, 3, 4, 3)
    """

    def __init__(self, size=2, stride=None):
        super().__init__()
        self.param = {"pool_height": size, "pool_width": size, "stride": stride or size}

    def forward(self, x):
        out, self.cache = max_pool_forward(x, self.param)
        return out

    def backward(self, dout):
        return max_pool_backward(dout, self.cache)


class Flatten(Layer):
    """Images (N, C, H, W) to rows (N, C·H·W)."""

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dout):
        return dout.reshape(self.shape)


class Network:
    """Layers applied one after the other, and a loss on what comes out of the last one.

    Args:
        layers: objects such as those above, in order.
        loss: (scores, y) -> loss, dscores.
        penalty: w -> loss, dw, added for every weight matrix (`affine1.w`), not for biases and
            normalizations; such as your own L2.

    >>> rng = np.random.default_rng(0)
    >>> net = Network([Affine(64, 32, rng), ReLU(), Affine(32, 10, rng)])
    >>> list(net.params)
    ['affine1.w', 'affine1.b', 'affine2.w', 'affine2.b']
    >>> loss, gradients = net.loss_and_gradients(np.zeros((5, 64), np.float32), np.arange(5))
    >>> round(loss, 4), gradients["affine1.w"].shape  # log(10): no class is preferred yet
    (2.3026, (64, 32))
    """

    def __init__(self, layers, loss=softmax_loss, penalty=None):
        self.layers = list(layers)
        self.loss = loss
        self.penalty = penalty
        self.names = _names(self.layers)
        self.train()

    @property
    def params(self):
        """Every parameter by its name; the arrays are those of the layers, not copies."""
        return self._collect("params")

    @property
    def grads(self):
        """Every gradient of the last `loss_and_gradients`, by its parameter's name."""
        return self._collect("grads")

    def train(self):
        """Training mode: normalization uses the statistics of the batch. Returns the network."""
        return self._set_training(True)

    def eval(self):
        """Test mode: normalization uses its running statistics. Returns the network."""
        return self._set_training(False)

    def scores(self, x):
        """Scores (N, C) of the examples x in the present mode."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def activations(self, x):
        """Output of every layer for the examples x, by the layer's name, in the present mode."""
        outputs = {}
        for name, layer in zip(self.names, self.layers, strict=True):
            x = outputs[name] = layer.forward(x)
        return outputs

    def loss_and_gradients(self, x, y):
        """Loss of the examples x with labels y, and the gradient of every parameter by name.

        Both include the penalty, where the network has one.

        Raises:
            RuntimeError: in test mode, where a normalization has no backward pass.
        """
        if not all(layer.training for layer in self.layers):
            raise RuntimeError("gradients need train mode; call net.train() first")
        loss, dout = self.loss(self.scores(x), y)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        gradients = self.grads
        extra, more = self.penalty_and_gradients()
        for name, dw in more.items():
            gradients[name] += dw
        return loss + extra, gradients

    def penalty_and_gradients(self):
        """The penalty, 0 without one, and its gradient for every weight matrix by name.

        >>> net = Network([Affine(2, 3, np.random.default_rng(0))], penalty=lambda w: (1.0, 2 * w))
        >>> loss, gradients = net.penalty_and_gradients()
        >>> loss, list(gradients)
        (1.0, ['affine1.w'])
        """
        if self.penalty is None:
            return 0.0, {}
        weights = {name: w for name, w in self.params.items() if name.endswith(".w")}
        parts = {name: self.penalty(w) for name, w in weights.items()}
        return sum(loss for loss, _ in parts.values()), {
            name: dw for name, (_, dw) in parts.items()
        }

    def accuracy(self, x, y, batch_size=1000):
        """Fraction of the examples x whose highest score is that of their label y.

        The present mode counts: in train mode, normalization uses (and its running statistics
        remember) each batch of `batch_size` examples.
        """
        whole(1)("batch_size", batch_size)
        starts = range(0, len(x), batch_size)
        batches = [slice(start, start + batch_size) for start in starts]
        right = sum((self.scores(x[b]).argmax(axis=1) == y[b]).sum() for b in batches)
        return float(right / len(x))

    def state(self):
        """What a saved training needs of the network: parameters, and what layers have in `param`.

        A layer that remembers more has `state()` and `load_state(state)` of its own.
        """
        return {
            "params": {name: w.copy() for name, w in self.params.items()},
            "layers": [_layer_state(layer) for layer in self.layers],
        }

    def load_state(self, state):
        """Become the network whose `state` this was; a generator stays, and draws what it drew.

        Raises:
            ValueError: when the saved parameters have other names or shapes, or the saved layers
                remember what these do not; nothing has changed then.
        """
        saved, params = state["params"], self.params
        expected = {name: w.shape for name, w in params.items()}
        found = {name: w.shape for name, w in saved.items()}
        if found != expected:
            raise ValueError(f"the network must have the parameters {found}, got {expected}")
        kept = state["layers"]
        if len(kept) != len(self.layers):
            raise ValueError(f"the network must have {len(kept)} layers, got {len(self.layers)}")
        for name, layer, memory in zip(self.names, self.layers, kept, strict=True):
            if memory and not (hasattr(layer, "load_state") or hasattr(layer, "param")):
                raise ValueError(f"{name} must remember {', '.join(memory)}, which it does not")
        for name, w in params.items():
            w[...] = saved[name]
        for layer, memory in zip(self.layers, kept, strict=True):
            _load_layer_state(layer, memory)

    def _collect(self, kind):
        return {
            f"{name}.{key}": array
            for name, layer in zip(self.names, self.layers, strict=True)
            for key, array in getattr(layer, kind).items()
        }

    def _set_training(self, training):
        for layer in self.layers:
            layer.training = training
        return self


def _weights(shape, fan_in, rng, scale, dtype):
    generator("rng", rng)
    at_least(0)("scale", 0 if scale is None else scale)
    above(0)("fan-in", fan_in)
    deviation = math.sqrt(2 / fan_in) if scale is None else scale
    return (deviation * rng.standard_normal(shape)).astype(dtype)


def _names(layers):
    counts = Counter()
    names = []
    for layer in layers:
        kind = type(layer).__name__.lower()
        counts[kind] += 1
        names.append(f"{kind}{counts[kind]}")
    return names


def _layer_state(layer):
    if hasattr(layer, "state"):
        return layer.state()
    param = getattr(layer, "param", {})
    return {key: _kept(value) for key, value in param.items() if not callable(value)}


def _load_layer_state(layer, state):
    if hasattr(layer, "load_state"):
        layer.load_state(state)
        return
    param = getattr(layer, "param", {})
    for key in [key for key, value in param.items() if key not in state and not callable(value)]:
        del param[key]
    for key, value in state.items():
        if isinstance(layer.param.get(key), np.random.Generator):
            layer.param[key].bit_generator.state = value
        else:
            layer.param[key] = value


def _kept(value):
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    return value.copy() if isinstance(value, np.ndarray) else value
