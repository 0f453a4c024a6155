"""Regularization in NumPy: penalties, and forward and backward passes of layers with noise."""

import math

import numpy as np

from cs231n_lib.errors import alike, below, validated, whole
from cs231n_lib.regularization import DEPTH_PARAM, FMP_PARAM, kept, require_fraction

# ------------------------------------------------------------------ DropConnect


@validated(x="N D", w="D M", b="M", p="fraction")
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
    array([[110.],
           [  1.]])
    """
    mask = rng.random((*x.shape, w.shape[1])) < p  # (N, D, M) DC.1
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
    >>> dropconnect_backward(np.ones((1, 1)), cache)[1].ravel()  # out was 110
    array([0., 1., 1.])
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


@validated(x="N D", w="D M", b="M", p="fraction", samples=whole(1))
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
def dropconnect_closed_form(x, w, b, p):
    """DropConnect and ReLU at test time, averaged over the whole Gaussian without a draw.

    Args:
        x: (N, D); w: (D, M); b: (M,); p: probability to keep a weight.

    Returns:
        out: (N, M), after the ReLU; max(0, mean) where the variance is 0.

    Slide 94. The limit of `dropconnect_inference` for ever more samples.

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


def normal_cdf(t):
    """Distribution function of N(0, 1) at t, an array of any shape.

    Slide 94, for the closed form.

    >>> normal_cdf(np.array([0.0, 1.96])).round(3)
    array([0.5  , 0.975])
    """
    return np.vectorize(math.erfc, otypes=[t.dtype])(-t / math.sqrt(2)) / 2


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


# ------------------------------------------------------------------ fractional max pooling


@validated(n_in=whole(2), n_out=whole(2), u=below(1))
def pooling_boundaries(n_in, n_out, u):
    """Pseudo-random boundaries that cut n_in rows into n_out regions of one or two.

    Args:
        n_in, n_out: number of rows before and after; n_in / n_out lies between 1 and 2.
        u: the random number, 0 up to 1.

    Returns:
        a: (n_out + 1,) integers from 0 to n_in; region i is a[i], ..., a[i + 1] - 1.

    Raises:
        ValueError: when n_in / n_out is not between 1 and 2.

    Slide 95. Graham 2014, arXiv:1412.6071, section 2, moved to start at 0.

    >>> pooling_boundaries(7, 5, 0.5)
    array([0, 2, 3, 4, 6, 7])
    """
    require_fraction("pooling_boundaries", n_in, n_out)
    k = math.ceil(n_in * u)  # an integer in the place of n_in·u: no ceiling can be rounded wrongly
    ceilings = -(-(n_in * np.arange(n_out + 1) + k) // n_out)  # of (n_in / n_out) (i + u)
    return ceilings - ceilings[0]  # (n_out + 1,) FMP.1


@validated(n_in=whole(2), n_out=whole(2))
def random_boundaries(n_in, n_out, rng):
    """Random boundaries that cut n_in rows into n_out regions of one or two.

    Args:
        n_in, n_out: number of rows before and after; n_in / n_out lies between 1 and 2.
        rng: np.random.Generator, the only source of randomness.

    Returns:
        a: (n_out + 1,) integers from 0 to n_in; region i is a[i], ..., a[i + 1] - 1.

    Raises:
        ValueError: when n_in / n_out is not between 1 and 2.

    Slide 95. Graham 2014, arXiv:1412.6071, section 2.

    >>> a = random_boundaries(7, 5, np.random.default_rng(0))
    >>> a[0], a[-1], sorted(np.diff(a).tolist())
    (np.int64(0), np.int64(7), [1, 1, 1, 2, 2])
    """
    require_fraction("random_boundaries", n_in, n_out)
    steps = 1 + (np.arange(n_out) < n_in - n_out)  # (n_out,) the twos, then the ones
    return np.append(0, rng.permutation(steps).cumsum())  # (n_out + 1,) FMP.2


def largest_along(x, region, axis):
    """Largest value of x from first to last along one axis, for each region (first, last).

    Slide 95.

    >>> largest_along(np.array([5.0, 1.0, 7.0]), (np.array([0, 1]), np.array([1, 2])), 0)
    array([5., 7.])
    """
    first, last = region
    out = x.take(first, axis)
    for further in range(1, int((last - first).max()) + 1):
        np.maximum(out, x.take(np.minimum(first + further, last), axis), out=out)
    return out


@validated(x="N C H W", pool_param=FMP_PARAM)
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
        ValueError: when a ratio is not between 1 and 2.

    Slide 95. Graham 2014, arXiv:1412.6071.

    >>> x = np.arange(25.0).reshape(1, 1, 5, 5)
    >>> rng = np.random.default_rng(0)
    >>> fractional_max_pool_forward(x, {"height": 3, "width": 3}, rng)[0]
    array([[[[ 1.,  2.,  4.],
             [11., 12., 14.],
             [21., 22., 24.]]]])
    """
    kind = pool_param.get("kind", "pseudo-random")
    overlapping = pool_param.get("overlapping", False)
    sizes = zip(x.shape[2:], (pool_param["height"], pool_param["width"]), strict=True)
    regions = []  # of the rows, of the columns: the first of each region, and the last
    for n_in, n_out in sizes:
        if kind == "random":
            a = random_boundaries(n_in, n_out, rng)
        else:
            a = pooling_boundaries(n_in, n_out, rng.random())
        last = a[1:] if overlapping else a[1:] - 1
        regions.append((a[:-1], last.clip(max=n_in - 1)))  # FMP.3

    rows, cols = regions
    out = [largest_along(largest_along(image, rows, 1), cols, 2) for image in x]
    out = np.stack(out)  # (N, C, height, width) FMP.4, an image at a time fits the cache
    return out, (x, out, regions)


@validated(dout="N C height width")
def fractional_max_pool_backward(dout, cache):
    """Gradient of fractional max pooling: dout goes to the first largest value of its region.

    Args:
        dout: (N, C, height, width) gradient of the loss with respect to the output.
        cache: from `fractional_max_pool_forward`.

    Returns:
        dx: (N, C, H, W); a value that is the largest of several regions collects all their
        gradients.

    Slide 95. Graham 2014, arXiv:1412.6071.

    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> param = {"height": 2, "width": 2, "overlapping": True}
    >>> out, cache = fractional_max_pool_forward(x, param, np.random.default_rng(0))
    >>> fractional_max_pool_backward(np.ones((1, 1, 2, 2)), cache)
    array([[[[0., 0., 0.],
             [0., 0., 0.],
             [0., 2., 2.]]]])
    """
    x, out, ((top, bottom), (left, right)) = cache
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


@validated(x="N C H W", pool_param=FMP_PARAM, draws=whole(1))
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


# ------------------------------------------------------------------ stochastic depth


@validated(L=whole(1), p_last=kept)
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


@validated(x=alike("x"), branch=alike("x"), depth_param=DEPTH_PARAM)
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


@validated(x="N ...", p_last=kept, mode=("batch", "row"))
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
