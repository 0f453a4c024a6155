"""Regularization in PyTorch: the functions of `in_numpy` on tensors.

Every backward pass is written by hand; device and dtype follow the input.
"""

import itertools

import torch

from cs231n_lib.errors import alike, validated
from cs231n_lib.regularization import dropout_options, generator_of

# ---------------------------------------------------------------------------------- penalties


@validated(W="...", reg="nonnegative")
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
        ValueError: for a negative strength.

    Slides 69–70.

    >>> penalty, dW = l2_penalty(torch.tensor([3.0, -4.0]), 0.1)
    >>> float(penalty), dW
    (2.5, tensor([ 0.6000, -0.8000]))
    """
    penalty = reg * torch.sum(W**2)  # Ridge.1
    dW = 2 * reg * W  # Ridge.1
    return penalty, dW


@validated(W="...", reg="nonnegative")
def l1_penalty(W, reg):
    """L1 penalty on weights, λ·Σ|W|, and a gradient of it.

    Args:
        W: weights of one layer, of any shape.
        reg: strength λ, 0 or more.

    Returns:
        penalty: a number, to be added to the loss; dW: like W. Where a weight is 0, any slope from
        −λ to λ is right; here it is 0.

    Raises:
        ValueError: for a negative strength.

    Slides 69–70.

    >>> penalty, dW = l1_penalty(torch.tensor([3.0, -4.0, 0.0]), 0.5)
    >>> float(penalty), dW
    (3.5, tensor([ 0.5000, -0.5000,  0.0000]))
    """
    penalty = reg * torch.sum(torch.abs(W))  # Lasso.1
    dW = reg * torch.sign(W)  # Lasso.1
    return penalty, dW


@validated(W="...", reg="nonnegative", beta="nonnegative")
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
        ValueError: for a negative strength or weight.

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
        ValueError: for a rate that is not positive, or a negative strength.

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
        ValueError: when the mode is neither 'train' nor 'test', or for a p outside its range.

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
        ValueError: when the mode is neither 'train' nor 'test', or for a p outside its range.

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
        ValueError: for a p outside its range.

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
        ValueError: for a p outside its range.

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
