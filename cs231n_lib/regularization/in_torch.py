"""Regularization in PyTorch: the functions of `in_numpy` on tensors.

Every backward pass is written by hand; device and dtype follow the input.
"""

import itertools
import math

import torch

from cs231n_lib.errors import (
    above,
    alike,
    below,
    or_none,
    torch_generator,
    validated,
    whole,
)
from cs231n_lib.precision import in_single_throughout, loss_in_single
from cs231n_lib.regularization import (
    DEPTH_PARAM,
    FMP_PARAM,
    dropout_options,
    generator_of,
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

    >>> penalty, dW = l2_penalty(torch.tensor([3.0, -4.0]), 0.1)
    >>> float(penalty), dW
    (2.5, tensor([ 0.6000, -0.8000]))
    """
    penalty = reg * torch.sum(W**2)  # Ridge.1
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

    >>> penalty, dW = l1_penalty(torch.tensor([3.0, -4.0, 0.0]), 0.5)
    >>> float(penalty), dW
    (3.5, tensor([ 0.5000, -0.5000,  0.0000]))
    """
    penalty = reg * torch.sum(torch.abs(W))  # Lasso.1
    dW = reg * torch.sign(W)  # Lasso.1
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

    >>> penalty, dW = elastic_net_penalty(torch.tensor([3.0, -4.0]), 0.1, 2.0)
    >>> round(float(penalty), 6), dW
    (5.7, tensor([ 1.3000, -1.7000]))
    """
    penalty = reg * torch.sum(beta * W**2 + torch.abs(W))  # Net.1
    dW = reg * (2 * beta * W + torch.sign(W))  # Net.1
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

    >>> l1_proximal_step(torch.tensor([1.0, -1.0, 0.25]), torch.zeros(3), 0.5, 1.0)
    tensor([ 0.5000, -0.5000,  0.0000])
    """
    v = w - learning_rate * dw  # Prox.1
    next_w = torch.sign(v) * torch.clip(torch.abs(v) - learning_rate * reg, 0, None)  # Prox.2
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
            seed: an int, which gives the same mask at every call, or a torch.Generator,
                which gives the next one; default: fresh random numbers.

    Returns:
        out: like x; cache: whatever your backward pass needs.

    Raises:
        ValueError: when the mode is neither 'train' nor 'test'; for a p outside its range
            yours may do otherwise.

    Slides 71–72, 79–81. Srivastava et al. 2014, JMLR 15.

    >>> out, cache = vanilla_dropout_forward(torch.ones(8, 8), {"p": 0.25, "seed": 0})
    >>> out.unique()
    tensor([0., 1.])
    >>> vanilla_dropout_forward(torch.ones(1, 3), {"p": 0.25, "mode": "test"})[0]
    tensor([[0.2500, 0.2500, 0.2500]])
    """
    p, mode = dropout_param.get("p", 0.5), dropout_param.get("mode", "train")
    if mode == "train":
        rng = generator_of(dropout_param.get("seed"), x.device)
        mask = torch.rand(x.shape, generator=rng, device=x.device) < p  # (N, ...) Vanilla.1
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

    >>> out, cache = vanilla_dropout_forward(torch.ones(8, 8), {"p": 0.25, "seed": 0})
    >>> dx = vanilla_dropout_backward(torch.full((8, 8), 5.0), cache)
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
            seed: an int, which gives the same mask at every call, or a torch.Generator,
                which gives the next one; default: fresh random numbers.

    Returns:
        out: like x; cache: whatever your backward pass needs.

    Raises:
        ValueError: when the mode is neither 'train' nor 'test'; for a p outside its range
            yours may do otherwise.

    Slide 82. Srivastava et al. 2014, JMLR 15.

    >>> out, cache = dropout_forward(torch.ones(8, 8), {"p": 0.25, "seed": 0})
    >>> out.unique()
    tensor([0., 4.])
    >>> dropout_forward(torch.ones(1, 3), {"p": 0.25, "mode": "test"})[0]
    tensor([[1., 1., 1.]])
    """
    p, mode = dropout_param.get("p", 0.5), dropout_param.get("mode", "train")
    if mode == "train":
        rng = generator_of(dropout_param.get("seed"), x.device)
        kept = torch.rand(x.shape, generator=rng, device=x.device) < p  # (N, ...) Drop.1
        mask = kept.to(x.dtype) / p  # Drop.2
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

    >>> out, cache = dropout_forward(torch.ones(8, 8), {"p": 0.25, "seed": 0})
    >>> dx = dropout_backward(torch.full((8, 8), 5.0), cache)
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
        function: of a tensor (D,); returns a tensor.
        x: (D,) numbers, each of which is kept or set to 0, independently of the others.
        p: probability to KEEP a number, 0 to 1.

    Returns:
        expected: like what the function returns: its sum over all 2^D masks, each weighted by its
        probability.

    Raises:
        ValueError: for a p outside its range; yours may do otherwise.

    Slides 75–78.

    >>> w = torch.tensor([1.0, -2.0])
    >>> float(expectation_over_masks(lambda x: w @ x, torch.tensor([3.0, 1.0]), 0.5))
    0.5
    """
    D, expected = len(x), 0
    for kept in itertools.product((0, 1), repeat=D):
        m = torch.tensor(kept, dtype=x.dtype, device=x.device)  # (D,)
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

    >>> x, y, w = torch.tensor([[2.0]]), torch.tensor([3.0]), torch.tensor([1.0])
    >>> loss, dw = dropout_as_l2(x, y, w, 0.5)
    >>> float(loss), dw  # half of the time (3 - 2)² = 1, half of the time 3² = 9
    (5.0, tensor([-2.]))
    """
    r = y - p * (x @ w)  # (N,) Squares.1
    size = torch.sum(x**2, dim=0)  # (D,) the diagonal of xᵀx
    loss = torch.sum(r**2) + p * (1 - p) * torch.sum(size * w**2)  # Squares.2
    dw = -2 * p * (x.T @ r) + 2 * p * (1 - p) * size * w  # (D,) Squares.3
    return loss, dw


# ---------------------------------------------------------------------------------- DropConnect


@validated(x="N D", w="D M", b="M", p="fraction", rng=torch_generator)
def dropconnect_forward(x, w, b, p, rng):
    """Affine layer whose weights are taken away at random, for each example on its own.

    Args:
        x: (N, D) one row per example; w: (D, M); b: (M,), never taken away.
        p: probability to keep a weight.
        rng: torch.Generator on the device of x, the only source of randomness.

    Returns:
        out: (N, M), before any nonlinearity and not rescaled; cache: what your backward pass needs.

    Slide 94. Wan et al. 2013, "Regularization of Neural Networks using DropConnect". (The paper
    takes biases away too: append a 1 to every x and the row b to w.)

    >>> x, w, b = torch.ones((2, 3)), torch.tensor([[1.0], [10.0], [100.0]]), torch.zeros(1)
    >>> rng = torch.Generator().manual_seed(0)
    >>> dropconnect_forward(x, w, b, 0.5, rng)[0]  # sums of 1, 10 and 100
    tensor([[101.],
            [ 11.]])
    """
    drawn = torch.rand((*x.shape, w.shape[1]), generator=rng, device=x.device)
    mask = drawn < p  # (N, D, M) DC.1
    masked = mask * w  # (N, D, M)
    out = torch.einsum("nd,ndm->nm", x, masked) + b  # (N, M) DC.2
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

    >>> x, w, b = torch.ones((1, 3)), torch.tensor([[1.0], [10.0], [100.0]]), torch.zeros(1)
    >>> out, cache = dropconnect_forward(x, w, b, 0.5, torch.Generator().manual_seed(0))
    >>> dropconnect_backward(torch.ones((1, 1)), cache)[1].ravel()  # out was 101
    tensor([1., 0., 1.])
    """
    x, mask, masked = cache
    dx = torch.einsum("nm,ndm->nd", dout, masked)  # (N, D) DC.3
    dw = torch.einsum("nd,ndm->dm", x, mask * dout[:, None, :])  # (D, M) DC.4
    db = dout.sum(dim=0)  # (M,) DC.5
    return dx, dw, db


@validated(x="N D", w="D M", b="M", p="fraction")
def dropconnect_moments(x, w, b, p):
    """Mean and variance of DropConnect's output over all masks.

    Args:
        x: (N, D); w: (D, M); b: (M,); p: probability to keep a weight.

    Returns:
        mean: (N, M); variance: (N, M).

    Slide 94. Wan et al. 2013, section 3.

    >>> x, w, b = torch.ones((1, 2)), torch.tensor([[1.0], [-1.0]]), torch.tensor([3.0])
    >>> dropconnect_moments(x, w, b, 0.5)  # 3, 4, 2 and 3, each as often
    (tensor([[3.]]), tensor([[0.5000]]))
    """
    mean = p * (x @ w) + b  # (N, M) DC.6
    variance = p * (1 - p) * (x**2 @ w**2)  # (N, M) DC.7
    return mean, variance


@validated(x="N D", w="D M", b="M", p="fraction", samples=whole(1), rng=torch_generator)
@in_single_throughout
def dropconnect_inference(x, w, b, p, samples, rng):
    """DropConnect and ReLU at test time, the paper's way: averaged over draws from a Gaussian.

    Args:
        x: (N, D); w: (D, M); b: (M,); p: probability to keep a weight.
        samples: K, the number of draws for each output.
        rng: torch.Generator on the device of x, the only source of randomness.

    Returns:
        out: (N, M), after the ReLU.

    Slide 94. Wan et al. 2013, algorithm 2.

    >>> x, w, b = torch.ones((1, 2)), torch.tensor([[1.0], [-1.0]]), torch.zeros(1)
    >>> rng = torch.Generator().manual_seed(0)
    >>> dropconnect_inference(x, w, b, 1.0, 5, rng)  # nothing is taken away
    tensor([[0.]])
    """
    mean, variance = dropconnect_moments(x, w, b, p)
    z = torch.randn((samples, *mean.shape), generator=rng, dtype=x.dtype, device=x.device)

    u = mean + torch.sqrt(variance) * z  # (K, N, M)
    return u.clip(0).mean(dim=0)  # (N, M) DC.8


@validated(x="N D", w="D M", b="M", p="fraction")
@in_single_throughout
def dropconnect_closed_form(x, w, b, p):
    """DropConnect and ReLU at test time, averaged over the whole Gaussian without a draw.

    Args:
        x: (N, D); w: (D, M); b: (M,); p: probability to keep a weight.

    Returns:
        out: (N, M), after the ReLU; max(0, mean) where the variance is 0.

    Slide 94. The limit of `dropconnect_inference` for more and more samples.

    >>> x, w, b = torch.ones((1, 2)), torch.tensor([[1.0], [-1.0]]), torch.zeros(1)
    >>> dropconnect_closed_form(x, w, b, 0.5).round(decimals=4)  # sigma / sqrt(2 pi)
    tensor([[0.2821]])
    """
    mean, variance = dropconnect_moments(x, w, b, p)
    sigma = torch.sqrt(variance)  # (N, M)
    t = mean / torch.where(sigma > 0, sigma, 1)  # (N, M)
    density = torch.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)
    out = mean * torch.special.ndtr(t) + sigma * density  # (N, M) DC.9
    return torch.where(sigma > 0, out, mean.clip(0))


@validated(x="N D", w="D M", b="M", p="fraction")
def dropconnect_mean_network(x, w, b, p):
    """DropConnect and ReLU at test time with averaged weights, as dropout would do it.

    Args:
        x: (N, D); w: (D, M); b: (M,); p: probability to keep a weight.

    Returns:
        out: (N, M), after the ReLU.

    Slide 94. What Wan et al. 2013 improve on: ReLU and mean are in the wrong order.

    >>> x, w, b = torch.ones((1, 2)), torch.tensor([[1.0], [-1.0]]), torch.zeros(1)
    >>> dropconnect_mean_network(x, w, b, 0.5)
    tensor([[0.]])
    """
    mean, _ = dropconnect_moments(x, w, b, p)
    return mean.clip(0)  # (N, M) DC.10


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
    tensor([0, 2, 3, 4, 6, 7])
    """
    k = math.ceil(n_in * u)  # an integer in the place of n_in·u: no ceiling can be rounded wrongly
    ceilings = -(-(n_in * torch.arange(n_out + 1) + k) // n_out)  # of (n_in / n_out) (i + u)
    return ceilings - ceilings[0]  # (n_out + 1,) FMP.1


@validated(n_in=rows_before, n_out=rows_after, pool_param=FMP_PARAM, rng=torch_generator)
def pooling_regions(n_in, n_out, pool_param, rng):
    """Draw the regions of one axis of fractional max pooling.

    Args:
        n_in, n_out: number of rows before and after; n_in / n_out lies between 1 and 2.
        pool_param: dict with
            kind: 'pseudo-random' (default): `pooling_boundaries` of a random u; or 'random': as
                many steps of two and of one as are needed, in random order.
            overlapping: whether a region has the first row of the next as well; default False.
        rng: torch.Generator, the only source of randomness.

    Returns:
        first, last: (n_out,) integers on the generator's device; region i is the rows first[i],
        ..., last[i].

    Raises:
        ValueError: when n_in / n_out is not between 1 and 2; yours may do otherwise.

    Slide 95. Graham 2014, arXiv:1412.6071, section 2.

    >>> rng = torch.Generator().manual_seed(0)
    >>> pooling_regions(7, 5, {"overlapping": True}, rng)
    (tensor([0, 1, 3, 4, 5]), tensor([1, 3, 4, 5, 6]))
    """
    if pool_param.get("kind", "pseudo-random") == "random":
        steps = 1 + (torch.arange(n_out, device=rng.device) < n_in - n_out).long()  # twos, ones
        mixed = steps[torch.randperm(n_out, generator=rng, device=rng.device)]
        a = torch.cat([steps.new_zeros(1), mixed.cumsum(dim=0)])  # (n_out + 1,) FMP.2
    else:
        u = torch.rand((), generator=rng, device=rng.device, dtype=torch.float64).item()
        a = pooling_boundaries(n_in, n_out, u).to(rng.device)
    last = a[1:] if pool_param.get("overlapping", False) else a[1:] - 1
    return a[:-1], last.clip(max=n_in - 1)  # (n_out,) FMP.3


@validated(x="N C H W", pool_param=FMP_PARAM, rng=torch_generator)
def fractional_max_pool_forward(x, pool_param, rng):
    """Largest value of each of height × width regions, whose boundaries are drawn anew every time.

    Args:
        x: (N, C, H, W).
        pool_param: dict with
            height, width: of the output; H / height and W / width lie between 1 and 2.
            kind: 'pseudo-random' (default) or 'random' boundaries.
            overlapping: whether a region has the first row and column of the next; default False.
        rng: torch.Generator on the device of x, the only source of randomness.

    Returns:
        out: (N, C, height, width); all images and channels have the same regions, rows and columns
        have their own; cache: what your backward pass needs.

    Raises:
        ValueError: when a ratio is not between 1 and 2; yours may do otherwise.

    Slide 95. Graham 2014, arXiv:1412.6071.

    >>> x = torch.arange(25.0).reshape(1, 1, 5, 5)
    >>> rng = torch.Generator().manual_seed(0)
    >>> fractional_max_pool_forward(x, {"height": 3, "width": 3}, rng)[0]
    tensor([[[[ 5.,  7.,  9.],
              [10., 12., 14.],
              [20., 22., 24.]]]])
    """
    rows = pooling_regions(x.shape[2], pool_param["height"], pool_param, rng)
    cols = pooling_regions(x.shape[3], pool_param["width"], pool_param, rng)
    bands = [x[:, :, a : b + 1].amax(dim=2) for a, b in zip(*rows, strict=True)]
    x_rows = torch.stack(bands, dim=2)  # (N, C, height, W)
    out = [x_rows[..., a : b + 1].amax(dim=3) for a, b in zip(*cols, strict=True)]
    out = torch.stack(out, dim=3)  # (N, C, height, width) FMP.4
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

    >>> x = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> param = {"height": 2, "width": 2, "overlapping": True}
    >>> out, cache = fractional_max_pool_forward(x, param, torch.Generator().manual_seed(0))
    >>> fractional_max_pool_backward(torch.ones((1, 1, 2, 2)), cache)
    tensor([[[[0., 0., 0.],
              [0., 1., 1.],
              [0., 1., 1.]]]])
    """
    x, out, (top, bottom), (left, right) = cache
    dx = torch.zeros_like(x)
    open_regions = torch.ones_like(out, dtype=bool)  # whose largest value has not been met yet
    for i, j in itertools.product(range(3), repeat=2):  # a region has at most 3 rows and columns
        rows = (top + i <= bottom).nonzero()[:, 0]
        cols = (left + j <= right).nonzero()[:, 0]
        here = (slice(None), slice(None), rows[:, None], cols)
        there = (slice(None), slice(None), top[rows, None] + i, left[cols] + j)
        met = (x[there] == out[here]) & open_regions[here]
        open_regions[here] &= ~met
        dx[there] += met * dout[here]  # FMP.5
    return dx


@validated(x="N C H W", pool_param=FMP_PARAM, draws=whole(1), rng=torch_generator)
def fractional_max_pool_expectation(x, pool_param, draws, rng):
    """Fractional max pooling at test time: the mean of several draws of the regions.

    Args:
        x: (N, C, H, W); pool_param, rng: as for `fractional_max_pool_forward`.
        draws: K, the number of draws; the paper takes 12.

    Returns:
        out: (N, C, height, width).

    Slides 93 and 95. Graham 2014, arXiv:1412.6071, section 4, which averages at the last layer.

    >>> x = torch.arange(25.0).reshape(1, 1, 5, 5)
    >>> param = {"height": 3, "width": 3}
    >>> fractional_max_pool_expectation(x, param, 12, torch.Generator().manual_seed(0))[0, 0, 2, 2]
    tensor(24.)
    """
    out = [fractional_max_pool_forward(x, pool_param, rng)[0] for _ in range(draws)]
    return torch.stack(out).mean(dim=0)  # (N, C, height, width) FMP.6


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
    tensor([0.8750, 0.7500, 0.6250, 0.5000], dtype=torch.float64)
    """
    l = torch.arange(1, L + 1, dtype=torch.float64)  # noqa: E741, the paper's letter
    return 1 - l / L * (1 - p_last)  # (L,) SD.1


@validated(x=alike("x"), branch=alike("x"), depth_param=DEPTH_PARAM, rng=or_none(torch_generator))
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
        rng: torch.Generator on the device of x, the only source of randomness; not used at test
            time.

    Returns:
        out: (N, ...); cache: what your backward pass needs.

    Slide 96. Huang et al. 2016, arXiv:1603.09382, equations 2 and 5.

    >>> x, branch = torch.zeros((5, 1)), torch.ones((5, 1))
    >>> param = {"p": 0.5, "mode": "row"}
    >>> stochastic_depth_forward(x, branch, param, torch.Generator().manual_seed(0))[0].ravel()
    tensor([1., 0., 1., 1., 1.])
    >>> stochastic_depth_forward(x, branch, param | {"training": False}, None)[0].ravel()
    tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000])
    """
    p, scale = depth_param["p"], depth_param.get("scale", "test")
    if depth_param.get("training", True):
        draws = len(x) if depth_param.get("mode", "batch") == "row" else 1
        q = torch.rand((draws, *[1] * (x.ndim - 1)), generator=rng, device=x.device) < p  # SD.2
        q = q.to(x.dtype) / (p if scale == "train" else 1)
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
    >>> _, q = stochastic_depth_forward(torch.zeros((1, 2)), torch.ones((1, 2)), param, None)
    >>> stochastic_depth_backward(torch.tensor([[1.0, 2.0]]), q)
    (tensor([[1., 2.]]), tensor([[0.5000, 1.0000]]))
    """
    q = cache
    return dout.clone(), q * dout  # (N, ...) SD.5


@validated(
    x="N ...", p_last=above(0, at_most=1), mode=("batch", "row"), rng=or_none(torch_generator)
)
def stochastic_depth_network(x, blocks, p_last, training, mode, rng):
    """Pass x through residual blocks with stochastic depth, scaled at test time.

    Args:
        x: (N, ...); blocks: functions (N, ...) -> (N, ...), one branch each, in order.
        p_last: probability to keep the last branch; earlier ones are kept more often.
        training: True draws, False takes the expectation.
        mode: 'batch' or 'row', as in `stochastic_depth_forward`.
        rng: torch.Generator on the device of x, the only source of randomness.

    Returns:
        out: (N, ...).

    Slide 96. Huang et al. 2016, arXiv:1603.09382.

    >>> double = [lambda x: x] * 2  # x + x
    >>> stochastic_depth_network(torch.ones((1, 1)), double, 0.5, False, "batch", None)
    tensor([[2.6250]])
    """
    kept_with = survival_probabilities(len(blocks), p_last).tolist()
    for block, p in zip(blocks, kept_with, strict=True):
        param = {"p": p, "mode": mode, "training": training}
        x, _ = stochastic_depth_forward(x, block(x), param, rng)
    return x
