"""Second-order optimization in NumPy: directions and updates, with the tags of the equations."""

from collections import deque

import numpy as np

from cs231n_lib.descent import descend
from cs231n_lib.errors import at_least, labels, validated, whole
from cs231n_lib.precision import in_single_throughout
from cs231n_lib.second_order import remembered, solvable


@validated(w="N D", w0="D", dw="D", H="D D")
def taylor_model(w, w0, loss, dw, H):
    """First- and second-order models of the loss around w0, at several points.

    Args:
        w: (N, D) one point per row.
        w0: (D,) where loss (a number), dw (D,) and the Hessian H (D, D) were measured.

    Returns:
        first: (N,) what the slope alone predicts; second: (N,) what slope and curvature predict.

    Slides 53–56.

    >>> w, w0 = np.array([[3.0, 0.0]]), np.array([1.0, 0.0])
    >>> taylor_model(w, w0, 5.0, np.array([1.0, 0.0]), np.eye(2))
    (array([7.]), array([9.]))
    """
    d = w - w0  # (N, D)
    first = loss + d @ dw  # (N,) Taylor.1
    second = first + 0.5 * ((d @ H) * d).sum(axis=1)  # (N,) Taylor.2
    return first, second


@validated(w="D", dw="D", H="D D", damping=at_least(0))
@in_single_throughout
def newton_step(w, dw, H, damping=0.0):
    """Newton's step: go to where the gradient of the second-order model is zero.

    Args:
        w: (D,) the parameters; dw: (D,) gradient and H: (D, D) Hessian of the loss at w.
        damping: number of at least 0, added to every eigenvalue of H.

    Returns:
        next_w: (D,), a new array.

    Raises:
        numpy.linalg.LinAlgError: when H + damping·I is singular; yours may do otherwise.

    Slides 56–59.

    >>> newton_step(np.array([3.0, 3.0]), np.array([6.0, 3.0]), np.diag([2.0, 1.0]))
    array([0., 0.])
    """
    H_damped = H + damping * np.eye(len(w), dtype=H.dtype)  # (D, D)
    return w - np.linalg.solve(H_damped, dw)  # (D,) Newton.1


@validated(w="D", dw="D", H="D D", damping=at_least(0))
@solvable("pass a damping above 0, so that flat directions have a step")
@in_single_throughout
def saddle_free_step(w, dw, H, damping=0.0):
    """Newton's step with the absolute values of the curvatures: downhill in every direction.

    Args:
        w: (D,) the parameters; dw: (D,) gradient and H: (D, D) symmetric Hessian at w.
        damping: number of at least 0, added to every |eigenvalue| of H.

    Returns:
        next_w: (D,), a new array.

    Raises:
        numpy.linalg.LinAlgError: when a curvature is 0 and the damping is too; yours may do
            otherwise.

    Beyond slide 59. Dauphin et al. 2014, arXiv:1406.2572.

    >>> w = np.array([1.0, 0.5])  # on w[0]² − w[1]², whose saddle is at 0
    >>> saddle_free_step(w, np.array([2.0, -1.0]), np.diag([2.0, -2.0]))
    array([0., 1.])
    """
    h, Q = np.linalg.eigh(H)  # (D,), (D, D) Newton.2
    step = Q @ ((Q.T @ dw) / (abs(h) + damping))  # (D,)
    return w - step  # Newton.3


@validated(M="D D", s="D", y="D")
@in_single_throughout
def bfgs_update(M, s, y):
    """Correct an approximate inverse Hessian by what one step has shown.

    Args:
        M: (D, D) symmetric approximation of the inverse Hessian.
        s: (D,) the step made; y: (D,) the change of the gradient along it.

    Returns:
        M_next: (D, D), a new array with M_next @ y = s; equal to M where y·s is not above 0,
        because there is no positive curvature to learn from.

    Slide 60. Nocedal & Wright 2006, section 6.1.

    >>> bfgs_update(np.eye(2), s=np.array([1.0, 0.0]), y=np.array([2.0, 0.0]))
    array([[0.5, 0. ],
           [0. , 1. ]])
    """
    if y @ s <= 0:
        return M.copy()
    rho = 1 / (y @ s)  # BFGS.1
    My = M @ y  # (D,)
    mixed = np.outer(s, My)  # (D, D)
    squares = rho * (1 + rho * (y @ My)) * np.outer(s, s)  # (D, D)
    return M - rho * (mixed + mixed.T) + squares  # BFGS.2, multiplied out: D² work, not D³


@validated(w="D", max_steps=whole(0), tolerance=at_least(0))
def bfgs(f, w, max_steps=200, tolerance=1e-6, line_search=None):
    """Minimize f by BFGS with a strong-Wolfe line search.

    Args:
        f: function w -> loss, dw.
        w: (D,) start; max_steps, tolerance, line_search: see `cs231n_lib.descent.descend`.

    Returns:
        a `Descent`: w, losses, evaluations, reason.

    Slide 60. Nocedal & Wright 2006, algorithm 6.1.

    >>> bfgs(lambda w: (w @ w, 2 * w), np.array([3.0, 4.0])).reason
    'flat'
    """
    M = None  # nothing learned yet

    def learn(s, y):
        nonlocal M
        if M is None:
            gamma = abs(s @ y) / (y @ y) if y.any() else 1.0
            M = gamma * np.eye(len(s), dtype=s.dtype)  # BFGS.3
        M = bfgs_update(M, s, y)

    def forget():
        nonlocal M
        M = None

    return descend(f, w, lambda dw: -(M @ dw), learn, forget, max_steps, tolerance, line_search)


@validated(dw="D", S=remembered, Y=remembered)
@in_single_throughout
def lbfgs_direction(dw, S, Y):
    """Direction of L-BFGS, minus the approximate inverse Hessian times dw, by two loops.

    Args:
        dw: (D,) gradient.
        S, Y: (m, D) the last m steps and the changes of the gradient along them, oldest first;
            each pair has y·s > 0, and m may be 0.

    Returns:
        p: (D,) a new array; -dw when there is no pair yet.

    Slides 60–61. Nocedal & Wright 2006, algorithm 7.4.

    >>> S, Y = np.array([[1.0, 0.0]]), np.array([[4.0, 0.0]])
    >>> lbfgs_direction(np.array([8.0, 8.0]), S, Y)
    array([-2., -2.])
    """
    pairs = list(zip(S, Y, strict=True))
    q, alphas = dw.copy(), []
    for s, y in reversed(pairs):
        alphas.append((s @ q) / (y @ s))
        q -= alphas[-1] * y  # (D,) LBFGS.1
    if pairs:
        s, y = pairs[-1]
        q *= (s @ y) / (y @ y)  # LBFGS.2: from here on q is the r of the formula
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        beta = (y @ q) / (y @ s)
        q += (alpha - beta) * s  # (D,) LBFGS.3
    return -q  # LBFGS.4


@validated(w="D", memory=whole(1), max_steps=whole(0), tolerance=at_least(0))
def lbfgs(f, w, memory=10, max_steps=200, tolerance=1e-6, line_search=None):
    """Minimize f by L-BFGS: pairs of positive curvature are kept, the oldest are forgotten.

    Args:
        f: function w -> loss, dw.
        w: (D,) start; memory: number of pairs to keep.
        max_steps, tolerance, line_search: see `cs231n_lib.descent.descend`.

    Returns:
        a `Descent`: w, losses, evaluations, reason.

    Slides 60–61. Liu & Nocedal 1989; Nocedal & Wright 2006, algorithm 7.5.

    >>> lbfgs(lambda w: (w @ w, 2 * w), np.array([3.0, 4.0])).reason
    'flat'
    """
    S, Y = deque(maxlen=memory), deque(maxlen=memory)

    def learn(s, y):
        if y @ s > np.finfo(y.dtype).eps * (y @ y):
            S.append(s)
            Y.append(y)

    def forget():
        S.clear()
        Y.clear()

    def direction(dw):
        return lbfgs_direction(dw, S, Y)

    return descend(f, w, direction, learn, forget, max_steps, tolerance, line_search)


def misleading_pair():
    """Return a step, the change of the gradient along it, and a gradient, for a wrong direction.

    Returns:
        s, y, dw: (D,) each, D from 2 to 100, finite, within ±1,000,000 and not zero, such that
        L-BFGS with the one pair (s, y) goes uphill from a point whose gradient is dw.

    Slide 61, where noise changes the loss between two gradients.

    >>> s, y, dw = misleading_pair()
    >>> float(dw @ lbfgs_direction(dw, s[None], y[None])) > 0
    True
    """
    s = np.array([1.0, 0.0])
    y = np.array([-1.0, 0.5])  # along s the gradient falls: y·s is negative
    return s, y, np.array([0.0, 1.0])


@validated(scores="N C", y=labels("N", "C"), u="N")
def kfac_output_gradients(scores, y, u):
    """Gradients of each example's own cross-entropy, with the true and with a drawn label.

    The first one makes the gradient of the loss. The second one makes the Fisher matrix, whose
    labels come from the model's own probabilities.

    Args:
        scores: (N, C) of the classes, before the softmax.
        y: (N,) true labels, whole numbers from 0 to C − 1.
        u: (N,) uniform random numbers in [0, 1): the drawn label is the first class up to which
            the probabilities add up to u or more.

    Returns:
        g: (N, C) with the true labels; g_drawn: (N, C) with the drawn ones. No division by N.

    Slide 61. Martens & Grosse 2015, arXiv:1503.05671.

    >>> scores, u = np.zeros((1, 4)), np.array([0.6])
    >>> kfac_output_gradients(scores, np.array([0]), u)
    (array([[-0.75,  0.25,  0.25,  0.25]]), array([[ 0.25,  0.25, -0.75,  0.25]]))
    """
    exponentials = np.exp(scores - np.amax(scores, axis=1, keepdims=True))
    p = exponentials / exponentials.sum(axis=1, keepdims=True)  # (N, C)
    below = p.cumsum(axis=1)[:, :-1] < u[:, None]  # (N, C − 1)
    drawn = below.sum(axis=1)  # (N,) labels
    one_hot = np.eye(p.shape[1], dtype=p.dtype)  # (C, C)
    return p - one_hot[y], p - one_hot[drawn]  # (N, C) KFAC.1, twice


@validated(a="N D_in", g="N D_out")
def kfac_factors(a, g):
    """Return the two factors of the Fisher matrix of an affine layer a @ W + b.

    Args:
        a: (N, D_in) what goes into the layer.
        g: (N, D_out) gradient of each example's own loss with respect to what comes out.

    Returns:
        A: (D_in + 1, D_in + 1), the bias last; S: (D_out, D_out).

    Slide 61. Martens & Grosse 2015, arXiv:1503.05671, section 3; Ba et al. 2017.

    >>> kfac_factors(np.array([[2.0], [4.0]]), np.array([[1.0], [3.0]]))
    (array([[10.,  3.],
           [ 3.,  1.]]), array([[5.]]))
    """
    N = len(a)
    a_bar = np.concatenate([a, np.ones_like(a[:, :1])], axis=1)  # (N, D_in + 1)
    A = a_bar.T @ a_bar / N  # (D_in + 1, D_in + 1) KFAC.2
    S = g.T @ g / N  # (D_out, D_out) KFAC.2
    return A, S


@validated(dW="D_in D_out", db="D_out", A="D_bar D_bar", S="D_out D_out", damping=at_least(0))
@solvable("of a saturated model A or S is 0 and says nothing: take the gradient's own step")
@in_single_throughout
def kfac_direction(dW, db, A, S, damping=0.0):
    """Direction of K-FAC for one affine layer: minus the inverse factors times the gradient.

    Args:
        dW: (D_in, D_out) and db: (D_out,) gradient of the mean loss.
        A: (D_in + 1, D_in + 1) and S: (D_out, D_out) from `kfac_factors`.
        damping: λ, at least 0, shared out between A and S by π, as in (KFAC.4).

    Returns:
        pW: (D_in, D_out); pb: (D_out,).

    Raises:
        numpy.linalg.LinAlgError: when A or S is 0, or singular without damping;
            yours may do otherwise.

    Slide 61. Martens & Grosse 2015, arXiv:1503.05671, sections 4.2 and 6.3.

    >>> A, S = np.diag([2.0, 1.0]), np.diag([4.0])
    >>> kfac_direction(np.array([[8.0]]), np.array([8.0]), A, S)
    (array([[-1.]]), array([-2.]))
    """
    dW_bar = np.concatenate([dW, db[None]])  # (D_in + 1, D_out)
    pi = np.sqrt(np.trace(A) / len(A) / (np.trace(S) / len(S)))  # KFAC.3
    root = damping**0.5
    A_damped = A + pi * root * np.eye(len(A), dtype=A.dtype)
    S_damped = S + root / pi * np.eye(len(S), dtype=S.dtype)
    left = np.linalg.solve(A_damped, dW_bar)  # (D_in + 1, D_out)
    p = -np.linalg.solve(S_damped, left.T).T  # KFAC.4; S is symmetric
    return p[:-1], p[-1]
