"""A small recurrent layer in NumPy, with room for a normalization of your own.

It reads a sequence step by step and hands on the last state, so that it goes into a `Network` in
front of an affine layer.
"""

import numpy as np

from cs231n_lib.errors import generator, whole
from cs231n_lib.layers.network import Layer


class Recurrent(Layer):
    """Reads x (N, T, n_in) in T steps, h ← tanh(x_t·wx + h·wh + b), and returns the last h.

    Args:
        n_in: numbers in one step; n_hidden: numbers in the state h, which starts at zero.
        rng: draws wx and wh from N(0, 1 / number of rows).
        normalization: a pair (forward, backward) such as (layernorm_forward, layernorm_backward);
            it is applied to x_t·wx + h·wh in every step, with one gamma and one beta for all of
            them, and beta takes the place of b (Ba, Kiros & Hinton 2016, arXiv:1607.06450).
        **param: what `forward` finds in its options dict, such as eps=1e-5.

    Every step has an options dict of its own in `steps_param`, so that running statistics are kept
    step by step. In test mode a step that never came in training borrows that of the last step that
    did, as Cooijmans et al. 2017 do (arXiv:1603.09025).

    >>> layer = Recurrent(8, 16, np.random.default_rng(0))
    >>> layer.forward(np.ones((5, 3, 8), np.float32)).shape  # 5 sequences of 3 steps
    (5, 16)
    """

    def __init__(self, n_in, n_hidden, rng, normalization=None, dtype=np.float32, **param):
        super().__init__()
        whole(1)("n_in", n_in)
        whole(1)("n_hidden", n_hidden)
        generator("rng", rng)
        self.normalization, self.param = normalization, param
        self.steps_param = []
        for key, n in (("wx", n_in), ("wh", n_hidden)):
            self.params[key] = (n**-0.5 * rng.standard_normal((n, n_hidden))).astype(dtype)
        if normalization is None:
            self.params["b"] = np.zeros(n_hidden, dtype)
        else:
            self.params["gamma"] = np.ones(n_hidden, dtype)
            self.params["beta"] = np.zeros(n_hidden, dtype)

    def forward(self, x):
        """Return the state (N, n_hidden) after the last step of x (N, T, n_in).

        Raises:
            ValueError: when x has other dimensions.
        """
        wx, wh = self.params["wx"], self.params["wh"]
        if x.ndim != 3 or x.shape[2] != len(wx):
            raise ValueError(
                f"Recurrent: x must have shape (N, T, {len(wx)}), got shape {x.shape}; rows of an "
                f"image are steps after x.reshape(len(x), -1, {len(wx)})"
            )
        h = np.zeros((len(x), len(wh)), x.dtype)  # (N, n_hidden)
        self.states, self.caches = [h], []
        for t in range(x.shape[1]):
            a, cache = self._shifted(x[:, t] @ wx + h @ wh, t)  # (N, n_hidden)
            h = np.tanh(a)
            self.states.append(h)
            self.caches.append(cache)
        self.x = x
        return h

    def backward(self, dout):
        """Return dx from the gradient (N, n_hidden) of the last state, step by step backwards."""
        wx, wh = self.params["wx"], self.params["wh"]
        self.grads = {key: np.zeros_like(array) for key, array in self.params.items()}
        dx = np.empty_like(self.x)
        dh = dout
        for t in reversed(range(self.x.shape[1])):
            da = dh * (1 - self.states[t + 1] ** 2)  # through tanh
            da = self._shifted_backward(da, self.caches[t])
            self.grads["wx"] += self.x[:, t].T @ da
            self.grads["wh"] += self.states[t].T @ da
            dx[:, t] = da @ wx.T
            dh = da @ wh.T
        return dx

    def _shifted(self, a, t):
        """Return a + b, or what the normalization makes of a in step t."""
        if self.normalization is None:
            return a + self.params["b"], None
        while self.training and len(self.steps_param) <= t:
            self.steps_param.append(dict(self.param))
        known = self.steps_param or [dict(self.param)]
        param = known[min(t, len(known) - 1)]
        param["mode"] = "train" if self.training else "test"
        return self.normalization[0](a, self.params["gamma"], self.params["beta"], param)

    def _shifted_backward(self, da, cache):
        if self.normalization is None:
            self.grads["b"] += da.sum(axis=0)
            return da
        da, dgamma, dbeta = self.normalization[1](da, cache)
        self.grads["gamma"] += dgamma
        self.grads["beta"] += dbeta
        return da
