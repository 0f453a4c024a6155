"""Wrong and other right answers about maxout."""

import numpy as np

from autograder.misconceptions.records import SLIP, right, wrong

BIAS, OUT = "pieces += b[:, None]", "np.amax(pieces, axis=0)"
NO_BIAS = "pieces = x @ w"
DPIECE, DX = "left * (pieces[k] == best)", "dx += dpiece @ w[k].T"
CACHE = "the cache is between the student's two functions; the backward exercise tries it"

MISCONCEPTIONS = (
    *wrong(
        "maxout_forward",
        (
            "the sum of the pieces",
            "A sum of affine functions is affine again: your layer bends nowhere. "
            "What does the name of the layer say?",
            (OUT, "pieces.sum(axis=0)"),
        ),
        (
            "the bias of the first piece for all",
            "Each piece is an affine function with a bias of its own. Which row of b does yours "
            "get?",
            ("b[:, None]", "b[0]"),
        ),
        (
            "the mean of the pieces",
            "A mean of affine functions is affine again: your layer bends nowhere. "
            "What does the name of the layer say?",
            (OUT, "pieces.mean(axis=0)"),
        ),
        (
            "the smallest piece",
            "Your layer bends downwards where it should bend upwards. Which piece do you take?",
            (OUT, "np.amin(pieces, axis=0)"),
        ),
        (
            "pieces without bias",
            "All of your pieces go through 0. What does b do to a piece?",
            (BIAS, NO_BIAS),
        ),
        (
            "the bias added afterwards",
            "Each piece has a bias of its own, which may decide who is largest. "
            "When do yours come in?",
            (BIAS, NO_BIAS),
            (OUT, "np.amax(pieces, axis=0) + np.amax(b, axis=0)"),
        ),
        (
            "the first two pieces only",
            "The slide shows two pieces. How many does w hold here?",
            (OUT, "np.amax(pieces[:2], axis=0)"),
        ),
        (
            "the largest over the batch",
            "The output should have a row for each example. Over what do you take the maximum: "
            "over the pieces, or over the examples?",
            (OUT, "np.amax(pieces, axis=1)"),
        ),
        (
            "the largest over the units",
            "The output should have a column for each unit. Over what do you take the maximum: "
            "over the pieces, or over the units?",
            (OUT, "np.amax(pieces, axis=2)"),
        ),
        (
            "the largest in absolute value",
            "A piece with a large negative value is not the largest piece. "
            "Which size do you compare?",
            (OUT, "np.amax(np.abs(pieces), axis=0)"),
        ),
        (
            "clipped at 0",
            "Your outputs are never negative. Nothing on the slide compares the pieces with 0: "
            "with whom are they compared?",
            (OUT, f"{OUT}.clip(min=0)"),
        ),
        (
            "out forced to float32",
            "float64 comes in and float32 goes out: half of the digits are lost. "
            "Where do you name a type, or make an array that has one of its own?",
            SLIP,
            (OUT, f"{OUT}.astype(np.float32)"),
        ),
    ),
    *wrong(
        "maxout_backward",
        (
            "the full gradient to every tied piece",
            "Where two pieces are equally large, both of yours get the whole gradient, and more "
            "goes back than came in. How much may the shares add up to?",
            (DPIECE, "dout * (pieces[k] == best)"),
        ),
        (
            "the gradient to every piece",
            "Change a piece that is not the largest a little: does the output move? "
            "What is its gradient then?",
            (DPIECE, "dout.copy()"),
        ),
        (
            "the gradient split over all pieces",
            "Change a piece that is not the largest a little: does the output move? "
            "What is its gradient then?",
            (DPIECE, "dout / len(w)"),
        ),
        (
            "the gradient to the smallest piece",
            "Which piece did the forward pass choose, and which one do you send the gradient to?",
            ("np.amax(", "np.amin("),
        ),
        (
            "always the first piece",
            "Which piece is the largest differs from example to example. Does your dw know?",
            (DPIECE, "dout * (k == 0)"),
        ),
        (
            "the weights' gradient to the first piece",
            "Each piece has weights of its own, and your dx knows it. Where does the gradient of "
            "the second piece's weights go?",
            ("dw[k] = x.T @ dpiece", "dw[k] = x.T @ dout * (k == 0)"),
            ("db[k] = dpiece.sum(axis=0)", "db[k] = dout.sum(axis=0) * (k == 0)"),
        ),
        (
            "the mask without the gradient",
            "Your gradients do not change when dout does. What does the chain rule do with "
            "the gradient that arrives?",
            ("left = dout.copy()", "left = 0 * dout + 1"),
        ),
        (
            "dw without the gradient",
            "Double dout: your dx and db double, and dw stays. What does the chain rule do with "
            "the gradient that arrives?",
            ("x.T @ dpiece", "x.T @ (dpiece / dout)"),
        ),
        (
            "db without the gradient",
            "Double dout: your dx and dw double, and db stays. What does the chain rule do with "
            "the gradient that arrives?",
            ("dpiece.sum(axis=0)", "(dpiece / dout).sum(axis=0)"),
        ),
        (
            "dx of one piece only",
            "x goes into every piece. What happens to gradients where paths meet?",
            (DX, "dx = dpiece @ w[k].T"),
        ),
        (
            "dx averaged over the pieces",
            "x goes into every piece. What happens to gradients where paths meet: are they "
            "averaged?",
            (DX, f"{DX} / len(w)"),
        ),
        (
            "db averaged over the batch",
            "The loss already says how the examples are weighted; it is inside dout. One bias "
            "reaches N outputs: what does the chain rule do with N paths?",
            ("dpiece.sum(axis=0)", "dpiece.mean(axis=0)"),
        ),
        (
            "dw averaged over the batch",
            "The loss already says how the examples are weighted; it is inside dout. One weight "
            "reaches N outputs: what does the chain rule do with N paths?",
            ("dw[k] = x.T @ dpiece", "dw[k] = x.T @ dpiece / len(x)"),
        ),
        (
            "dout is changed",
            "After the call the caller's dout is no longer what it was: *= writes into the "
            "caller's array. Who else may still need dout?",
            SLIP,
            ("return dx, dw, db", "dout *= 2\n    return dx, dw, db"),
        ),
        (
            "dx forced to float32",
            "float64 comes in and float32 goes out: half of the digits are lost. "
            "Where do you name a type, or make an array that has one of its own?",
            SLIP,
            ("return dx, dw, db", "return dx.astype(np.float32), dw, db"),
        ),
    ),
)

# ------------------------------------------------------------------ right


def forward_by_loop(x, w, b):
    """Keep the best piece so far."""
    out = x @ w[0] + b[0]
    for k in range(1, len(w)):
        out = np.maximum(out, x @ w[k] + b[k])
    return out, (x, w, b, out)


def forward_by_einsum(x, w, b):
    """All pieces of all units by einsum, the pieces last."""
    pieces = np.einsum("nd,kdm->nmk", x, w) + b.T
    return np.amax(pieces, axis=2), (x, w, pieces)


def backward_by_einsum(dout, cache):
    """Let the last of equal pieces have the gradient."""
    x, w, pieces = cache
    K = len(w)
    last = K - 1 - pieces[:, :, list(range(K))[::-1]].argmax(axis=2)
    share = np.stack([last == k for k in range(K)]) * dout
    dx = np.einsum("knm,kdm->nd", share, w)
    return dx, np.einsum("nd,knm->kdm", x, share), np.einsum("knm->km", share)


def forward_side_by_side(x, w, b):
    """One wide affine layer, then the largest of each group of columns."""
    K, D, M = w.shape
    wide = w.transpose(1, 0, 2).reshape(D, K * M)
    pieces = (x @ wide + b.reshape(-1)).reshape(len(x), K, M)
    return np.amax(pieces, axis=1), (x, w, pieces.transpose(1, 0, 2))


def backward_with_equal_shares(dout, cache):
    """Pieces that are equally large share the gradient."""
    x, w, pieces = cache
    largest = pieces == np.amax(pieces, axis=0)
    dpieces = dout * largest / largest.sum(axis=0)
    dpieces = dpieces.astype(dout.dtype)
    dw = np.stack([x.T @ dpiece for dpiece in dpieces])
    dx = sum(dpiece @ piece.T for dpiece, piece in zip(dpieces, w, strict=True))
    return dx, dw, dpieces.sum(axis=1)


def backward_by_loop(dout, cache):
    """A piece gets what no piece before it took."""
    x, w, b, out = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    left = dout.copy()
    for k in range(len(w)):
        dpiece = left * (x @ w[k] + b[k] == out)
        left = left - dpiece
        dx += dpiece @ w[k].T
        dw[k] = x.T @ dpiece
        db[k] = dpiece.sum(axis=0)
    return dx, dw, db


VARIANTS = (
    *right("maxout_forward", "the best so far", maxout_forward=forward_by_loop),
    *right("maxout_forward", "einsum", maxout_forward=forward_by_einsum),
    *right("maxout_forward", "one wide layer", maxout_forward=forward_side_by_side),
    *right(
        "maxout_backward",
        "a loop over pieces",
        maxout_forward=forward_by_loop,
        maxout_backward=backward_by_loop,
    ),
    *right(
        "maxout_backward",
        "the last of equal pieces",
        maxout_forward=forward_by_einsum,
        maxout_backward=backward_by_einsum,
    ),
    *right("maxout_backward", "equal shares", maxout_backward=backward_with_equal_shares),
)
EQUIVALENT = {
    "activations.maxout_forward": {"return (out, (...": CACHE},
    "activations.maxout_backward": {
        "dx, dw, db = (np.zeros_like(x), np.zeros_like(w), np.zeros_like(w[...": (
            "only the shape is read, and all rows have the same"
        ),
        "for k in range(len(dw)):": "dw has as many pieces as w",
    },
}
