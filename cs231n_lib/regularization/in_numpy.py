"""Regularization in NumPy: penalties, and forward and backward passes of layers with noise."""

import itertools
import math

import numpy as np

from cs231n_lib.errors import (
    above,
    alike,
    below,
    generator,
    or_none,
    validated,
    whole,
)
from cs231n_lib.precision import in_single_throughout, loss_in_single
from cs231n_lib.regularization import (
    DEPTH_PARAM,
    FMP_PARAM,
    dropout_options,
    normal_cdf,
    rows_after,
    rows_before,
)

# ---------------------------------------------------------------------------------- penalties


@validated(W="...", reg="nonnegative")
@loss_in_single
def l2_penalty(W, reg):
    """L2 penalty on weights, λ·ΣW², and its gradient.

    There is no ½ in it, as on the slide; with the ½ of the usual assignment, λ has to be twice as
    large for the same effect.

    Args:
        W: weights of one layer, of any shape.
        reg: strength λ, 0 or more.

    Returns:
        penalty: a number, to be added to the loss; dW: like W, to be added to the gradient.

    Raises:
        ValueError: for a negative strength; yours may do otherwise.

    Slides 69–70.

    >>> penalty, dW = l2_penalty(np.array([3.0, -4.0]), 0.1)
    >>> float(penalty), dW
    (2.5, array([ 0.6, -0.8]))
    """
    penalty = reg * np.sum(W**2)  # Ridge.1
    dW = 2 * reg * W  # Ridge.1
    return penalty, dW


@validated(W="...", reg="nonnegative")
@loss_in_single
def l1_penalty(W, reg):
    """L1 penalty on weights, λ·Σ|W|, and a gradient of it.

    Args:
        W: weights of one layer, of any shape.
        reg: strength λ, 0 or more.

    Returns:
        penalty: a number, to be added to the loss; dW: like W. Where a weight is 0, any slope from
        −λ to λ is right; here it is 0.

    Raises:
        ValueError: for a negative strength; yours may do otherwise.

    Slides 69–70.

    >>> penalty, dW = l1_penalty(np.array([3.0, -4.0, 0.0]), 0.5)
    >>> float(penalty), dW
    (3.5, array([ 0.5, -0.5,  0. ]))
    """
    penalty = reg * np.sum(np.abs(W))  # Lasso.1
    dW = reg * np.sign(W)  # Lasso.1
    return penalty, dW


@validated(W="...", reg="nonnegative", beta="nonnegative")
@loss_in_single
def elastic_net_penalty(W, reg, beta):
    """Elastic net, λ·Σ(β·W² + |W|), and a gradient of it.

    Args:
        W: weights of one layer, of any shape.
        reg: strength λ, 0 or more.
        beta: weight of the squares beside the absolute values, 0 or more.

    Returns:
        penalty: a number, to be added to the loss; dW: like W. Where a weight is 0, any slope from
        −λ to λ is right; here it is 0.

    Raises:
        ValueError: for a negative strength or weight; yours may do otherwise.

    Slides 69–70. Zou & Hastie 2005, JRSS B 67.

    >>> penalty, dW = elastic_net_penalty(np.array([3.0, -4.0]), 0.1, 2.0)
    >>> round(float(penalty), 6), dW.round(6)
    (5.7, array([ 1.3, -1.7]))
    """
    penalty = reg * np.sum(beta * W**2 + np.abs(W))  # Net.1
    dW = reg * (2 * beta * W + np.sign(W))  # Net.1
    return penalty, dW


@validated(w=alike("w"), dw=alike("w"), learning_rate="positive", reg="nonnegative")
def l1_proximal_step(w, dw, learning_rate, reg):
    """Gradient descent with an L1 penalty, by its proximal step: weights become exactly 0.

    Args:
        w: weights, of any shape.
        dw: like w, the gradient of the data loss alone, without the penalty.
        learning_rate: length α of the step.
        reg: strength λ of the penalty.

    Returns:
        next_w: like w, new. First comes the step along −dw; then each weight moves by α·λ towards
        zero, and stops there.

    Raises:
        ValueError: for a rate that is not positive, or a negative strength;
            yours may do otherwise.

    Beside slide 70. Parikh & Boyd 2014, Proximal Algorithms, section 6.5.2.

    >>> l1_proximal_step(np.array([1.0, -1.0, 0.25]), np.zeros(3), 0.5, 1.0)
    array([ 0.5, -0.5,  0. ])
    """
    v = w - learning_rate * dw  # Prox.1
    next_w = np.sign(v) * np.clip(np.abs(v) - learning_rate * reg, 0, None)  # Prox.2
    return next_w


# ---------------------------------------------------------------------------------- dropout


@validated(x="N ...", dropout_param=dropout_options())
def vanilla_dropout_forward(x, dropout_param):
    """Vanilla dropout: units are set to 0 in training, and all are scaled by p at test time.

    Args:
        x: (N, ...) one row per example.
        dropout_param: dict with
            p: probability to KEEP a unit, above 0 and at most 1; default 0.5.
            mode: 'train' or 'test'; default 'train'.
            seed: an int, which gives the same mask at every call, or a np.random.Generator,
                which gives the next one; default: fresh random numbers.

    Returns:
        out: like x; cache: whatever your backward pass needs.

    Raises:
        ValueError: when the mode is neither 'train' nor 'test'; for a p outside its range
            yours may do otherwise.

    Slides 71–72, 79–81. Srivastava et al. 2014, JMLR 15.

    >>> out, cache = vanilla_dropout_forward(np.ones((8, 8)), {"p": 0.25, "seed": 0})
    >>> np.unique(out)
    array([0., 1.])
    >>> vanilla_dropout_forward(np.ones((1, 3)), {"p": 0.25, "mode": "test"})[0]
    array([[0.25, 0.25, 0.25]])
    """
    p, mode = dropout_param.get("p", 0.5), dropout_param.get("mode", "train")
    if mode == "train":
        rng = np.random.default_rng(dropout_param.get("seed"))
        mask = rng.random(x.shape, dtype=np.float32) < p  # (N, ...) Vanilla.1
    elif mode == "test":
        mask = p
    else:
        raise ValueError(f"dropout_param['mode'] must be 'train' or 'test', not {mode!r}")
    out = x * mask  # Vanilla.2
    return out, mask


@validated(dout="N ...")
def vanilla_dropout_backward(dout, cache):
    """Backward pass of vanilla dropout: the gradient goes where the numbers went.

    Args:
        dout: (N, ...) gradient of the loss with respect to out; cache: from the forward pass.

    Returns:
        dx: like dout.

    Slides 71–72.

    >>> out, cache = vanilla_dropout_forward(np.ones((8, 8)), {"p": 0.25, "seed": 0})
    >>> dx = vanilla_dropout_backward(np.full((8, 8), 5.0), cache)
    >>> bool((dx == 5 * out).all())  # x was 1, so out shows the mask
    True
    """
    mask = cache
    dx = dout * mask  # Vanilla.3
    return dx


@validated(x="N ...", dropout_param=dropout_options())
def dropout_forward(x, dropout_param):
    """Inverted dropout: units are set to 0 or scaled up in training; at test time nothing happens.

    Args:
        x: (N, ...) one row per example.
        dropout_param: dict with
            p: probability to KEEP a unit, above 0 and at most 1; default 0.5.
            mode: 'train' or 'test'; default 'train'.
            seed: an int, which gives the same mask at every call, or a np.random.Generator,
                which gives the next one; default: fresh random numbers.

    Returns:
        out: like x; cache: whatever your backward pass needs.

    Raises:
        ValueError: when the mode is neither 'train' nor 'test'; for a p outside its range
            yours may do otherwise.

    Slide 82. Srivastava et al. 2014, JMLR 15.

    >>> out, cache = dropout_forward(np.ones((8, 8)), {"p": 0.25, "seed": 0})
    >>> np.unique(out)
    array([0., 4.])
    >>> dropout_forward(np.ones((1, 3)), {"p": 0.25, "mode": "test"})[0]
    array([[1., 1., 1.]])
    """
    p, mode = dropout_param.get("p", 0.5), dropout_param.get("mode", "train")
    if mode == "train":
        rng = np.random.default_rng(dropout_param.get("seed"))
        kept = rng.random(x.shape, dtype=np.float32) < p  # (N, ...) Drop.1
        mask = kept / x.dtype.type(p)  # Drop.2
    elif mode == "test":
        mask = 1
    else:
        raise ValueError(f"dropout_param['mode'] must be 'train' or 'test', not {mode!r}")
    out = x * mask  # Drop.3
    return out, mask


@validated(dout="N ...")
def dropout_backward(dout, cache):
    """Backward pass of inverted dropout: the gradient goes where the numbers went, as scaled.

    Args:
        dout: (N, ...) gradient of the loss with respect to out; cache: from the forward pass.

    Returns:
        dx: like dout.

    Slide 82.

    >>> out, cache = dropout_forward(np.ones((8, 8)), {"p": 0.25, "seed": 0})
    >>> dx = dropout_backward(np.full((8, 8), 5.0), cache)
    >>> bool((dx == 5 * out).all())  # x was 1, so out shows the mask
    True
    """
    mask = cache
    dx = dout * mask  # Drop.4
    return dx


# ---------------------------------------------------------------------------------- expectations


@validated(function="function", x="D", p="fraction")
def expectation_over_masks(function, x, p):
    """Exact expectation of a function of x when each of its numbers is kept with probability p.

    Args:
        function: of an array (D,); returns a number or an array.
        x: (D,) numbers, each of which is kept or set to 0, independently of the others.
        p: probability to KEEP a number, 0 to 1.

    Returns:
        expected: like what the function returns: its sum over all 2^D masks, each weighted by its
        probability.

    Raises:
        ValueError: for a p outside its range; yours may do otherwise.

    Slides 75–78.

    >>> w = np.array([1.0, -2.0])
    >>> float(expectation_over_masks(lambda x: w @ x, np.array([3.0, 1.0]), 0.5))
    0.5
    """
    D, expected = len(x), 0
    for kept in itertools.product((0, 1), repeat=D):
        m = np.array(kept, dtype=x.dtype)  # (D,)
        probability = p ** sum(kept) * (1 - p) ** (D - sum(kept))  # Mask.1
        expected = expected + probability * function(m * x)  # Mask.2
    return expected


@validated(x="N D", y="N", w="D", p="fraction")
def dropout_as_l2(x, y, w, p):
    """Expected squared error of a linear model whose inputs are dropped, without any drawing.

    Args:
        x: (N, D) inputs, each number of which is kept with probability p and set to 0 otherwise
            (vanilla: not scaled up); y: (N,) targets; w: (D,) weights.
        p: probability to KEEP an input, 0 to 1.

    Returns:
        loss: the expected sum of squared errors, a number; dw: (D,) its gradient.

    Raises:
        ValueError: for a p outside its range; yours may do otherwise.

    Beside slides 73–79. Srivastava et al. 2014, JMLR 15, section 9.1.

    >>> loss, dw = dropout_as_l2(np.array([[2.0]]), np.array([3.0]), np.array([1.0]), 0.5)
    >>> float(loss), dw  # half of the time (3 - 2)² = 1, half of the time 3² = 9
    (5.0, array([-2.]))
    """
    r = y - p * (x @ w)  # (N,) Squares.1
    size = np.sum(x**2, axis=0)  # (D,) the diagonal of xᵀx
    loss = np.sum(r**2) + p * (1 - p) * np.sum(size * w**2)  # Squares.2
    dw = -2 * p * (x.T @ r) + 2 * p * (1 - p) * size * w  # (D,) Squares.3
    return loss, dw


@validated(p=above(0, at_most=1))
def separating_products(p):
    """Return the products w·x of a neuron with a ReLU for which scaling by p is not the mean.

    Args:
        p: probability to keep an input, above 0 and below 1.

    Returns:
        a: (D,) 2 to 8 products w_j·x_j: the mean of max(0, Σ m_j·a_j) over all masks m, and
        max(0, p·Σ a_j), differ by more than a tenth of the largest |a_j|.

    Slides 75–80.

    >>> len(separating_products(0.5)) <= 8
    True
    """
    a = np.array([1.0, -1.0])  # their sum is 0, but a mask may keep the first alone
    return a


# ---------------------------------------------------------------------------------- wiring


def train_regularized(net, batches, val, penalty, learning_rate, epochs):
    """Train a network with a penalty on its weights, and noise in training only.

    Args:
        net: has `train()` and `eval()`, which switch the noise on and off; `params`, a dict
            {name: array} of the live parameters, to be changed in place;
            `loss_and_gradients(x, y)`, the data loss and {name: gradient}; `accuracy(x, y)`.
            Weights are the parameters whose name ends in ".w"; nothing else is penalized.
        batches: list of the (x, y) of an epoch, to be used in this order in every epoch.
        val: (x, y) of the validation data.
        penalty: function of the weights W of one layer; returns its penalty and the gradient dW.
        learning_rate: of plain gradient descent.
        epochs: how many, at least one.

    Returns:
        losses: (epochs · number of batches,) data loss plus all penalties, before each step;
        accuracies: (epochs,) on the validation data, after each epoch.

    Slides 70, 82–83.

    >>> from cs231n_lib.data import digits
    >>> from cs231n_lib.layers.network import Affine, Network
    >>> data, net = digits(), Network([Affine(64, 10, np.random.default_rng(0))])
    >>> batches, val = [(data.x_train, data.y_train)] * 20, (data.x_val, data.y_val)
    >>> losses, accuracies = train_regularized(
    ...     net, batches, val, lambda W: l2_penalty(W, 1e-3), learning_rate=0.3, epochs=2
    ... )
    >>> losses.shape, bool(losses[-1] < losses[0]), accuracies.shape
    ((40,), True, (2,))
    """
    losses, accuracies = [], []
    for _ in range(epochs):
        net.train()
        for x, y in batches:
            loss, gradients = net.loss_and_gradients(x, y)
            for name, w in net.params.items():
                dw = gradients[name]
                if name.endswith(".w"):
                    R, dR = penalty(w)
                    loss, dw = loss + R, dw + dR
                w -= learning_rate * dw
            losses.append(loss)
        net.eval()
        accuracies.append(net.accuracy(*val))
    return np.array(losses), np.array(accuracies)


# ---------------------------------------------------------------------------------- DropConnect


@validated(x="N D", w="D M", b="M", p="fraction", rng=generator)
def dropconnect_forward(x, w, b, p, rng):
    """Affine layer whose weights are taken away at random, for each example on its own.

    Args:
        x: (N, D) one row per example; w: (D, M); b: (M,), never taken away.
        p: probability to keep a weight.
        rng: np.random.Generator, the only source of randomness.

    Returns:
        out: (N, M), before any nonlinearity and not rescaled; cache: what your backward pass needs.

    Slide 94. Wan et al. 2013, "Regularization of Neural Networks using DropConnect". (The paper
    takes biases away too: append a 1 to every x and the row b to w.)

    >>> x, w, b = np.ones((2, 3)), np.array([[1.0], [10.0], [100.0]]), np.zeros(1)
    >>> dropconnect_forward(x, w, b, 0.5, np.random.default_rng(0))[0]  # sums of 1, 10 and 100
    array([[  0.],
           [111.]])
    """
    drawn = rng.random((*x.shape, w.shape[1]), dtype=np.float32)
    mask = drawn < p  # (N, D, M) DC.1
    masked = mask * w  # (N, D, M)
    out = np.einsum("nd,ndm->nm", x, masked) + b  # (N, M) DC.2
    return out, (x, mask, masked)


@validated(dout="N M")
def dropconnect_backward(dout, cache):
    """Gradient of DropConnect, through the weights that were there.

    Args:
        dout: (N, M) gradient of the loss with respect to the output.
        cache: from `dropconnect_forward`.

    Returns:
        dx: (N, D); dw: (D, M); db: (M,).

    Slide 94. Wan et al. 2013, section 3.

    >>> x, w, b = np.ones((1, 3)), np.array([[1.0], [10.0], [100.0]]), np.zeros(1)
    >>> out, cache = dropconnect_forward(x, w, b, 0.5, np.random.default_rng(0))
    >>> dropconnect_backward(np.ones((1, 1)), cache)[1].ravel()  # out was 0
    array([0., 0., 0.])
    """
    x, mask, masked = cache
    dx = np.einsum("nm,ndm->nd", dout, masked)  # (N, D) DC.3
    dw = np.einsum("nd,ndm->dm", x, mask * dout[:, None, :])  # (D, M) DC.4
    db = dout.sum(axis=0)  # (M,) DC.5
    return dx, dw, db


@validated(x="N D", w="D M", b="M", p="fraction")
def dropconnect_moments(x, w, b, p):
    """Mean and variance of DropConnect's output over all masks.

    Args:
        x: (N, D); w: (D, M); b: (M,); p: probability to keep a weight.

    Returns:
        mean: (N, M); variance: (N, M).

    Slide 94. Wan et al. 2013, section 3.

    >>> x, w, b = np.ones((1, 2)), np.array([[1.0], [-1.0]]), np.array([3.0])
    >>> dropconnect_moments(x, w, b, 0.5)  # 3, 4, 2 and 3, each as often
    (array([[3.]]), array([[0.5]]))
    """
    mean = p * (x @ w) + b  # (N, M) DC.6
    variance = p * (1 - p) * (x**2 @ w**2)  # (N, M) DC.7
    return mean, variance


@validated(x="N D", w="D M", b="M", p="fraction", samples=whole(1), rng=generator)
@in_single_throughout
def dropconnect_inference(x, w, b, p, samples, rng):
    """DropConnect and ReLU at test time, the paper's way: averaged over draws from a Gaussian.

    Args:
        x: (N, D); w: (D, M); b: (M,); p: probability to keep a weight.
        samples: K, the number of draws for each output.
        rng: np.random.Generator, the only source of randomness.

    Returns:
        out: (N, M), after the ReLU.

    Slide 94. Wan et al. 2013, algorithm 2.

    >>> x, w, b = np.ones((1, 2)), np.array([[1.0], [-1.0]]), np.zeros(1)
    >>> dropconnect_inference(x, w, b, 1.0, 5, np.random.default_rng(0))  # nothing is taken away
    array([[0.]])
    """
    mean, variance = dropconnect_moments(x, w, b, p)
    z = rng.standard_normal((samples, *mean.shape), dtype=mean.dtype)  # (K, N, M)
    u = mean + np.sqrt(variance) * z  # (K, N, M)
    return u.clip(0).mean(axis=0)  # (N, M) DC.8


@validated(x="N D", w="D M", b="M", p="fraction")
@in_single_throughout
def dropconnect_closed_form(x, w, b, p):
    """DropConnect and ReLU at test time, averaged over the whole Gaussian without a draw.

    Args:
        x: (N, D); w: (D, M); b: (M,); p: probability to keep a weight.

    Returns:
        out: (N, M), after the ReLU; max(0, mean) where the variance is 0.

    Slide 94. The limit of `dropconnect_inference` for more and more samples.

    >>> x, w, b = np.ones((1, 2)), np.array([[1.0], [-1.0]]), np.zeros(1)
    >>> dropconnect_closed_form(x, w, b, 0.5).round(4)  # sigma / sqrt(2 pi)
    array([[0.2821]])
    """
    mean, variance = dropconnect_moments(x, w, b, p)
    sigma = np.sqrt(variance)  # (N, M)
    t = mean / np.where(sigma > 0, sigma, 1)  # (N, M)
    density = np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)
    out = mean * normal_cdf(t) + sigma * density  # (N, M) DC.9
    return np.where(sigma > 0, out, mean.clip(0))


@validated(x="N D", w="D M", b="M", p="fraction")
def dropconnect_mean_network(x, w, b, p):
    """DropConnect and ReLU at test time with averaged weights, as dropout would do it.

    Args:
        x: (N, D); w: (D, M); b: (M,); p: probability to keep a weight.

    Returns:
        out: (N, M), after the ReLU.

    Slide 94. What Wan et al. 2013 improve on: ReLU and mean are in the wrong order.

    >>> x, w, b = np.ones((1, 2)), np.array([[1.0], [-1.0]]), np.zeros(1)
    >>> dropconnect_mean_network(x, w, b, 0.5)
    array([[0.]])
    """
    mean, _ = dropconnect_moments(x, w, b, p)
    return mean.clip(0)  # (N, M) DC.10


def separating_weights():
    """Return weights for which p(1 − p)·(x·w)², the square of a sum, is no variance of DropConnect.

    Returns:
        w: (D, 1) 1 to 10 weights: on an x of ones that variance is 0 (a millionth of the right one
            at most), and the right one is not.

    Slide 94. Each weight is taken away on its own, so variances add up, not their roots.

    >>> separating_weights().shape[1]
    1
    """
    return np.array([[1.0], [-1.0]])


# ---------------------------------------------------------------------------------- pooling


@validated(n_in=rows_before, n_out=rows_after, u=below(1))
def pooling_boundaries(n_in, n_out, u):
    """Pseudo-random boundaries that cut n_in rows into n_out regions of one or two.

    Args:
        n_in, n_out: number of rows before and after; n_in / n_out lies between 1 and 2.
        u: the random number, 0 up to 1.

    Returns:
        a: (n_out + 1,) integers from 0 to n_in; region i is a[i], ..., a[i + 1] - 1.

    Raises:
        ValueError: when n_in / n_out is not between 1 and 2; yours may do otherwise.

    Slide 95. Graham 2014, arXiv:1412.6071, section 2, moved to start at 0.

    >>> pooling_boundaries(7, 5, 0.5)
    array([0, 2, 3, 4, 6, 7])
    """
    k = math.ceil(n_in * u)  # an integer in the place of n_in·u: no ceiling can be rounded wrongly
    ceilings = -(-(n_in * np.arange(n_out + 1) + k) // n_out)  # of (n_in / n_out) (i + u)
    return ceilings - ceilings[0]  # (n_out + 1,) FMP.1


@validated(n_in=rows_before, n_out=rows_after, pool_param=FMP_PARAM, rng=generator)
def pooling_regions(n_in, n_out, pool_param, rng):
    """Draw the regions of one axis of fractional max pooling.

    Args:
        n_in, n_out: number of rows before and after; n_in / n_out lies between 1 and 2.
        pool_param: dict with
            kind: 'pseudo-random' (default): `pooling_boundaries` of a random u; or 'random': as
                many steps of two and of one as are needed, in random order.
            overlapping: whether a region has the first row of the next as well; default False.
        rng: np.random.Generator, the only source of randomness.

    Returns:
        first, last: (n_out,) integers; region i is the rows first[i], ..., last[i].

    Raises:
        ValueError: when n_in / n_out is not between 1 and 2; yours may do otherwise.

    Slide 95. Graham 2014, arXiv:1412.6071, section 2.

    >>> first, last = pooling_regions(7, 5, {"overlapping": True}, np.random.default_rng(0))
    >>> first, last
    (array([0, 2, 3, 5, 6]), array([2, 3, 5, 6, 6]))
    """
    if pool_param.get("kind", "pseudo-random") == "random":
        steps = 1 + (np.arange(n_out) < n_in - n_out)  # (n_out,) the twos, then the ones
        a = np.append(0, rng.permutation(steps).cumsum())  # (n_out + 1,) FMP.2
    else:
        a = pooling_boundaries(n_in, n_out, rng.random())
    last = a[1:] if pool_param.get("overlapping", False) else a[1:] - 1
    return a[:-1], last.clip(max=n_in - 1)  # (n_out,) FMP.3


@validated(x="N C H W", pool_param=FMP_PARAM, rng=generator)
def fractional_max_pool_forward(x, pool_param, rng):
    """Largest value of each of height × width regions, whose boundaries are drawn anew every time.

    Args:
        x: (N, C, H, W).
        pool_param: dict with
            height, width: of the output; H / height and W / width lie between 1 and 2.
            kind: 'pseudo-random' (default) or 'random' boundaries.
            overlapping: whether a region has the first row and column of the next; default False.
        rng: np.random.Generator, the only source of randomness.

    Returns:
        out: (N, C, height, width); all images and channels have the same regions, rows and columns
        have their own; cache: what your backward pass needs.

    Raises:
        ValueError: when a ratio is not between 1 and 2; yours may do otherwise.

    Slide 95. Graham 2014, arXiv:1412.6071.

    >>> x = np.arange(25.0).reshape(1, 1, 5, 5)
    >>> rng = np.random.default_rng(0)
    >>> fractional_max_pool_forward(x, {"height": 3, "width": 3}, rng)[0]
    array([[[[ 1.,  2.,  4.],
             [11., 12., 14.],
             [21., 22., 24.]]]])
    """
    rows = pooling_regions(x.shape[2], pool_param["height"], pool_param, rng)
    cols = pooling_regions(x.shape[3], pool_param["width"], pool_param, rng)
    bands = [x[:, :, a : b + 1].max(axis=2) for a, b in zip(*rows, strict=True)]
    x_rows = np.stack(bands, axis=2)  # (N, C, height, W)
    out = [x_rows[..., a : b + 1].max(axis=3) for a, b in zip(*cols, strict=True)]
    out = np.stack(out, axis=3)  # (N, C, height, width) FMP.4
    return out, (x, out, rows, cols)


@validated(dout="N C height width")
def fractional_max_pool_backward(dout, cache):
    """Gradient of fractional max pooling: dout goes to the largest value of its region.

    Args:
        dout: (N, C, height, width) gradient of the loss with respect to the output.
        cache: from `fractional_max_pool_forward`.

    Returns:
        dx: (N, C, H, W); a value that is the largest of several regions collects all their
        gradients. Where several values of a region are largest, they may share its gradient in any
        way, as long as their shares sum to 1.

    Slide 95. Graham 2014, arXiv:1412.6071.

    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> param = {"height": 2, "width": 2, "overlapping": True}
    >>> out, cache = fractional_max_pool_forward(x, param, np.random.default_rng(0))
    >>> fractional_max_pool_backward(np.ones((1, 1, 2, 2)), cache)
    array([[[[0., 0., 0.],
             [0., 0., 0.],
             [0., 2., 2.]]]])
    """
    x, out, (top, bottom), (left, right) = cache
    dx = np.zeros_like(x)
    open_regions = np.ones(out.shape, bool)  # whose largest value has not been met yet
    for i, j in np.ndindex(3, 3):  # a region has at most 3 rows and columns
        rows = np.flatnonzero(top + i <= bottom)
        cols = np.flatnonzero(left + j <= right)
        here = (slice(None), slice(None), rows[:, None], cols)
        there = (slice(None), slice(None), top[rows, None] + i, left[cols] + j)
        met = (x[there] == out[here]) & open_regions[here]
        open_regions[here] &= ~met
        dx[there] += met * dout[here]  # FMP.5
    return dx


@validated(x="N C H W", pool_param=FMP_PARAM, draws=whole(1), rng=generator)
def fractional_max_pool_expectation(x, pool_param, draws, rng):
    """Fractional max pooling at test time: the mean of several draws of the regions.

    Args:
        x: (N, C, H, W); pool_param, rng: as for `fractional_max_pool_forward`.
        draws: K, the number of draws; the paper takes 12.

    Returns:
        out: (N, C, height, width).

    Slides 93 and 95. Graham 2014, arXiv:1412.6071, section 4, which averages at the last layer.

    >>> x = np.arange(25.0).reshape(1, 1, 5, 5)
    >>> param = {"height": 3, "width": 3}
    >>> fractional_max_pool_expectation(x, param, 12, np.random.default_rng(0))[0, 0, 2, 2]
    np.float64(24.0)
    """
    out = [fractional_max_pool_forward(x, pool_param, rng)[0] for _ in range(draws)]
    return np.stack(out).mean(axis=0)  # (N, C, height, width) FMP.6


# ---------------------------------------------------------------------------------- depth


@validated(L=whole(1), p_last=above(0, at_most=1))
def survival_probabilities(L, p_last):
    """Probability of each of L residual blocks to keep its branch, falling in equal steps.

    Args:
        L: number of blocks; p_last: the probability of the last one.

    Returns:
        (L,) probabilities; the first block is one step below 1.

    Slide 96. Huang et al. 2016, arXiv:1603.09382, equation 4.

    >>> survival_probabilities(4, 0.5)
    array([0.875, 0.75 , 0.625, 0.5  ])
    """
    l = np.arange(1, L + 1)  # noqa: E741, the paper's letter
    return 1 - l / L * (1 - p_last)  # (L,) SD.1


@validated(x=alike("x"), branch=alike("x"), depth_param=DEPTH_PARAM, rng=or_none(generator))
def stochastic_depth_forward(x, branch, depth_param, rng):
    """Residual block whose branch is left out at random: x + q·branch.

    Args:
        x: (N, ...) what goes around the block; branch: (N, ...) what the block computed from x.
        depth_param: dict with
            p: probability to keep the branch, above 0.
            training: True (default) or False.
            mode: 'batch' (default) draws once for all examples, as in the paper; 'row' for each.
            scale: 'test' (default) multiplies by p at test time, as in the paper; 'train' divides
                by p in training.
        rng: np.random.Generator, the only source of randomness; not used at test time.

    Returns:
        out: (N, ...); cache: what your backward pass needs.

    Slide 96. Huang et al. 2016, arXiv:1603.09382, equations 2 and 5.

    >>> x, branch = np.zeros((5, 1)), np.ones((5, 1))
    >>> param = {"p": 0.5, "mode": "row"}
    >>> stochastic_depth_forward(x, branch, param, np.random.default_rng(0))[0].ravel()
    array([0., 1., 1., 1., 0.])
    >>> stochastic_depth_forward(x, branch, param | {"training": False}, None)[0].ravel()
    array([0.5, 0.5, 0.5, 0.5, 0.5])
    """
    p, scale = depth_param["p"], depth_param.get("scale", "test")
    if depth_param.get("training", True):
        draws = len(x) if depth_param.get("mode", "batch") == "row" else 1
        q = rng.random((draws, *[1] * (x.ndim - 1))) < p  # (N or 1, 1, ...) SD.2
        q = q.astype(x.dtype) / (p if scale == "train" else 1)
    else:
        q = p if scale == "test" else 1  # SD.3
    return x + q * branch, q  # (N, ...) SD.4


@validated(dout="...")
def stochastic_depth_backward(dout, cache):
    """Gradient of a residual block with stochastic depth.

    Args:
        dout: (N, ...) gradient of the loss with respect to the output.
        cache: from `stochastic_depth_forward`.

    Returns:
        dx: (N, ...) along the identity; dbranch: (N, ...).

    Slide 96. Huang et al. 2016, arXiv:1603.09382.

    >>> param = {"p": 0.5, "training": False}
    >>> _, q = stochastic_depth_forward(np.zeros((1, 2)), np.ones((1, 2)), param, None)
    >>> stochastic_depth_backward(np.array([[1.0, 2.0]]), q)
    (array([[1., 2.]]), array([[0.5, 1. ]]))
    """
    q = cache
    return dout.copy(), q * dout  # (N, ...) SD.5


@validated(x="N ...", p_last=above(0, at_most=1), mode=("batch", "row"), rng=or_none(generator))
def stochastic_depth_network(x, blocks, p_last, training, mode, rng):
    """Pass x through residual blocks with stochastic depth, scaled at test time.

    Args:
        x: (N, ...); blocks: functions (N, ...) -> (N, ...), one branch each, in order.
        p_last: probability to keep the last branch; earlier ones are kept more often.
        training: True draws, False takes the expectation.
        mode: 'batch' or 'row', as in `stochastic_depth_forward`.
        rng: np.random.Generator, the only source of randomness.

    Returns:
        out: (N, ...).

    Slide 96. Huang et al. 2016, arXiv:1603.09382.

    >>> double = [lambda x: x] * 2  # x + x
    >>> stochastic_depth_network(np.ones((1, 1)), double, 0.5, False, "batch", None)
    array([[2.625]])
    """
    kept_with = survival_probabilities(len(blocks), p_last).tolist()
    for block, p in zip(blocks, kept_with, strict=True):
        param = {"p": p, "mode": mode, "training": training}
        x, _ = stochastic_depth_forward(x, block(x), param, rng)
    return x
