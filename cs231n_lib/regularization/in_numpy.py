"""Regularization in NumPy: penalties, and forward and backward passes of layers with noise."""

import itertools

import numpy as np

from cs231n_lib.errors import above, alike, validated
from cs231n_lib.regularization import dropout_options

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

    >>> penalty, dW = l2_penalty(np.array([3.0, -4.0]), 0.1)
    >>> float(penalty), dW
    (2.5, array([ 0.6, -0.8]))
    """
    penalty = reg * np.sum(W**2)  # Ridge.1
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

    >>> penalty, dW = l1_penalty(np.array([3.0, -4.0, 0.0]), 0.5)
    >>> float(penalty), dW
    (3.5, array([ 0.5, -0.5,  0. ]))
    """
    penalty = reg * np.sum(np.abs(W))  # Lasso.1
    dW = reg * np.sign(W)  # Lasso.1
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
        ValueError: for a rate that is not positive, or a negative strength.

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
        ValueError: when the mode is neither 'train' nor 'test', or for a p outside its range.

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
        ValueError: when the mode is neither 'train' nor 'test', or for a p outside its range.

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
        ValueError: for a p outside its range.

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
        ValueError: for a p outside its range.

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
