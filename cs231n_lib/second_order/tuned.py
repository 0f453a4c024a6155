"""L-BFGS for speed on a CPU: one code for NumPy arrays and PyTorch tensors.

The equations of `in_numpy` and `in_torch`. The direction is a combination of dw, the s and the y:
both loops can run on its few coefficients. All that they need of the long vectors are inner
products, and those of the pairs with one another are kept from step to step, as ρ usually is. What
is left is one product of a matrix with a vector to get in, and one to get out, in place of four
passes over single vectors for each pair.
"""

import numpy as np

from cs231n_lib.errors import validated, whole


class Memory:
    """The last `size` pairs of L-BFGS, with what its direction needs of them.

    `direction`, `learn` and `forget` are what `cs231n_lib.descent.descend` asks for.

    Slides 60–61. Nocedal & Wright 2006, algorithm 7.4; Byrd, Nocedal & Schnabel 1994.

    >>> memory = Memory(10)
    >>> memory.learn(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    >>> memory.direction(np.array([8.0, 8.0]))
    array([-2., -2.])
    """

    @validated(size=whole(1))
    def __init__(self, size):
        self.size = size
        self.forget()

    def forget(self):
        """Drop all pairs."""
        self._order = []  # places of the pairs in the arrays, oldest first
        self._rows = None  # (2·size, D): the s above, the y below
        self._SY, self._YY = np.zeros((2, self.size, self.size))  # s_i·y_j, y_i·y_j

    @validated(s="D", y="D")
    def learn(self, s, y):
        """Keep a pair, (D,) each, of positive curvature, in the place of the oldest one."""
        if not y @ s > 0:
            return
        if self._rows is None:
            self._rows = _zeros(2 * self.size, s)
        full = len(self._order) == self.size
        place = self._order.pop(0) if full else len(self._order)
        self._order.append(place)
        self._rows[place], self._rows[self.size + place] = s, y
        self._SY[place] = _numbers(self._rows[self.size :] @ s)
        self._SY[:, place], self._YY[place] = _numbers(self._rows @ y).reshape(2, self.size)
        self._YY[:, place] = self._YY[place]

    @validated(dw="D")
    def direction(self, dw):
        """Return (D,) minus the approximate inverse Hessian times dw; -dw without any pair."""
        if not self._order:
            return -dw
        SY, YY = self._SY, self._YY
        Sg, Yg = _numbers(self._rows @ dw).reshape(2, self.size)
        alpha, on_s = np.zeros((2, self.size))  # q = dw − alpha·Y; r = gamma·q + on_s·S
        for i in reversed(self._order):
            alpha[i] = (Sg[i] - SY[i] @ alpha) / SY[i, i]  # LBFGS.1
        newest = self._order[-1]
        gamma = SY[newest, newest] / YY[newest, newest]  # LBFGS.2
        for i in self._order:
            beta = (gamma * (Yg[i] - YY[i] @ alpha) + SY[:, i] @ on_s) / SY[i, i]
            on_s[i] = alpha[i] - beta  # LBFGS.3
        p = _like(dw, np.concatenate([-on_s, gamma * alpha])) @ self._rows
        p -= float(gamma) * dw
        return p  # LBFGS.4


def _zeros(count, vector):
    """Return (count, D) zeros with the library, dtype and device of a vector (D,)."""
    if isinstance(vector, np.ndarray):
        return np.zeros((count, len(vector)), vector.dtype)
    return vector.new_zeros((count, len(vector)))


def _numbers(products):
    """Return a few inner products as an array in double precision."""
    return np.asarray(products if isinstance(products, np.ndarray) else products.cpu(), float)


def _like(vector, numbers):
    """Return a few numbers with the library, dtype and device of a vector."""
    if isinstance(vector, np.ndarray):
        return numbers.astype(vector.dtype)
    return vector.new_tensor(numbers)
