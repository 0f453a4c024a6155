"""A linear classifier on features, without a network and without a rate."""

import numpy as np

from cs231n_lib.errors import labels, validated


@validated(x="N D", y=labels("N"), penalty="nonnegative")
def softmax_regression(x, y, penalty):
    """Fit a linear classifier on features, with a squared penalty on its weights, by L-BFGS.

    The loss is mean(cross-entropy) + penalty · Σ w². Its minimum lies in the span of the examples,
    so with few of them it is searched for there.

    Args:
        x: (N, D) features, about standardized; y: (N,) labels from 0.
        penalty: the penalty's strength; the bias has none.

    Returns:
        w (D, C), b (C,): the scores are x @ w + b.

    Raises:
        TypeError, ValueError: for features that are not floats, or a negative penalty.

    Slides 99–101.

    >>> w, b = softmax_regression(np.array([[-1.0], [1.0], [2.0]]), np.array([0, 1, 1]), 0.01)
    >>> (np.array([[-3.0], [3.0]]) @ w + b).argmax(axis=1)
    array([0, 1])
    """
    from scipy.optimize import minimize

    axes = np.linalg.svd(x.astype(float), full_matrices=False)[2]  # (R, D), R at most N
    N, R = len(x), len(axes)
    x = np.hstack([x @ axes.T, np.ones((N, 1))])  # (N, R + 1): the last weight is the bias
    target = np.eye(y.max() + 1)[y]  # (N, C)

    def loss_and_gradient(w):
        w = w.reshape(R + 1, -1)
        scores = x @ w
        scores -= scores.max(axis=1, keepdims=True)
        log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        loss = -(target * log_p).sum() / N + penalty * np.sum(w[:R] ** 2)
        gradient = x.T @ (np.exp(log_p) - target) / N
        gradient[:R] += 2 * penalty * w[:R]
        return loss, gradient.ravel()

    start = np.zeros((R + 1) * target.shape[1])
    w = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B").x.reshape(R + 1, -1)
    return axes.T @ w[:R], w[R]
