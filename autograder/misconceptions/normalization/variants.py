"""Right answers of the family `normalization` in other ways: loops, other caches, other algebra.

Written in NumPy's words; where PyTorch needs its own, the framework is named. What a variant calls
is looked up beside it, among the other functions of the exercise.
"""

import numpy as np

from autograder.misconceptions.records import right
from cs231n_lib.normalization.in_numpy import batchnorm_backward, batchnorm_forward

UNBIASED = (
    "Your running variance is the unbiased one, from a sum divided by N - 1, as PyTorch keeps it; "
    "that of (BN.6) is biased. Both are in use."
)
WITH_AXIS = (
    "dgamma and dbeta have one axis more than gamma and beta: (1, D), not (D,). Broadcasting hides "
    "it; an optimizer that updates in place does not accept it."
)

# ------------------------------------------------------------------ forward


def forward_by_feature(x, gamma, beta, bn_param):
    """Normalize one feature at a time, and the batch in a loop."""
    N, D = x.shape
    eps, keep = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", np.zeros_like(x[0])).copy()
    running_var = bn_param.get("running_var", np.zeros_like(x[0])).copy()
    if bn_param["mode"] not in ("train", "test"):
        raise ValueError("no such mode")
    out = np.empty_like(x)
    for j in range(D):
        mean, var = running_mean[j], running_var[j]
        if bn_param["mode"] == "train":
            mean = sum(x[:, j]) / N
            var = sum((value - mean) ** 2 for value in x[:, j]) / N
            running_mean[j] = keep * running_mean[j] + (1 - keep) * mean
            running_var[j] = keep * running_var[j] + (1 - keep) * var
        for i in range(N):
            out[i, j] = gamma[j] * (x[i, j] - mean) / np.sqrt(var + eps) + beta[j]
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    return out, None


def forward_staged(x, gamma, beta, bn_param):
    """Keep every node of the computation graph, with axes kept, in a dict."""
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    cache = {}
    if mode == "train":
        mu = 1.0 / N * np.sum(x, axis=0, keepdims=True)
        xmu = x - mu
        var = 1.0 / N * np.sum(xmu**2, axis=0, keepdims=True)
        sqrtvar = np.sqrt(var + eps)
        ivar = 1.0 / sqrtvar
        xhat = xmu * ivar
        out = gamma[None, :] * xhat + beta[None, :]
        cache = {"xhat": xhat, "gamma": gamma, "xmu": xmu, "ivar": ivar, "sqrtvar": sqrtvar}
        running_mean = momentum * running_mean + (1 - momentum) * mu.reshape(-1)
        running_var = momentum * running_var + (1 - momentum) * var.reshape(-1)
    elif mode == "test":
        out = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta
    else:
        raise ValueError(f"Invalid forward batchnorm mode {mode}")
    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    return out, cache


def forward_as_affine_map(x, gamma, beta, bn_param):
    """Bring everything into the form x * a + b, with statistics updated in place."""
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    if bn_param["mode"] == "test":
        mean, var = bn_param["running_mean"], bn_param["running_var"]
    elif bn_param["mode"] == "train":
        mean = np.einsum("nd->d", x) / len(x)
        x = x - mean
        bias = np.einsum("nd->d", x) / len(x)
        var = np.einsum("nd,nd->d", x, x) / len(x) - bias**2
        for key, value in (("running_mean", mean), ("running_var", var)):
            kept = bn_param.setdefault(key, np.zeros_like(gamma))
            kept *= momentum
            kept += (1 - momentum) * value
        mean = bias
    else:
        raise ValueError("mode")
    a = gamma / np.sqrt(var + eps)
    return (x - mean) * a + beta, (x, mean, var, eps)


FORWARD = (
    *right("batchnorm_forward", "loops over features", batchnorm_forward=forward_by_feature),
    *right("batchnorm_forward", "every node kept", batchnorm_forward=forward_staged),
    *right("batchnorm_forward", "an affine map", batchnorm_forward=forward_as_affine_map),
    *right(
        "batchnorm_forward",
        "the library's variance",
        ("(x_mu**2).mean(axis=0, dtype=float).astype(x.dtype)", "np.var(x, axis=0)"),
        framework="numpy",
    ),
    *right(
        "batchnorm_forward",
        "the library's variance",
        ("(x_mu**2).mean(axis=0)", "x.var(dim=0, unbiased=False)"),
        framework="torch",
    ),
    *right(
        "batchnorm_forward",
        "unbiased running variance",
        ("(1 - momentum) * var", "(1 - momentum) * var * len(x) / (len(x) - 1)"),
        remark=UNBIASED,
    ),
)

# ------------------------------------------------------------------ backward


def backward_staged(dout, cache):
    """Walk back through the graph of `forward_staged`, one node at a time."""
    N = dout.shape[0]
    xhat, gamma, xmu = cache["xhat"], cache["gamma"], cache["xmu"]
    ivar, sqrtvar = cache["ivar"], cache["sqrtvar"]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0, keepdims=True)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / (sqrtvar**2) * divar
    dvar = 0.5 / sqrtvar * dsqrtvar
    dsq = 1.0 / N * np.ones_like(dout) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0, keepdims=True)
    dx2 = 1.0 / N * np.ones_like(dout) * dmu
    return dx1 + dx2, dgamma, dbeta


def backward_by_jacobian(dout, cache):
    """Multiply each feature by its own (N, N) matrix of derivatives."""
    x_hat, gamma, std = cache
    N, D = dout.shape
    one = np.ones_like(x_hat[:, 0])
    dx = np.zeros_like(dout)
    for j in range(D):
        h = x_hat[:, j]
        identity = (h[:, None] == h[None, :]) * (1 + 0 * h)
        derivatives = (identity - (one[:, None] + h[:, None] * h) / N) / std[j]
        dx[:, j] = gamma[j] * (dout[:, j] @ derivatives)
    return dx, np.einsum("nd,nd->d", dout, x_hat), np.einsum("nd->d", dout)


def backward_simplified(dout, cache):
    """Use the usual compact form, with N in front."""
    x_hat, gamma, std = cache
    N = len(dout)
    dxhat = dout * gamma
    sums = N * dxhat - dxhat.sum(axis=0) - x_hat * (dxhat * x_hat).sum(axis=0)
    return sums / (N * std), (x_hat * dout).sum(axis=0), dout.sum(axis=0)


def backward_by_projection(dout, cache):
    """Take the mean out of the gradient, then its share along x_hat."""
    x_hat, gamma, std = cache
    dgamma = np.einsum("nd,nd->d", dout, x_hat)
    dx = dout - dout.mean(axis=0)
    dx = dx - x_hat * (dout * x_hat).mean(axis=0)
    dx *= gamma
    dx /= std
    return dx, dgamma, dout.sum(axis=0)


SUMS_WITH_AXIS = (
    ("dbeta = dout.sum(axis=0)", "dbeta = dout.sum(axis=0, keepdims=True)"),
    ("(dout * x_hat).sum(axis=0)", "(dout * x_hat).sum(axis=0, keepdims=True)"),
)


def gradients(function, **others):
    """Return the variants that hold for both backward passes of batch norm."""
    staged = {"batchnorm_forward": forward_staged, function: backward_staged}
    return (
        *right(function, "every node of the graph", **staged),
        *right(function, "a matrix for each feature", **{function: backward_by_jacobian}),
        *right(function, "the compact form", **{function: backward_simplified}),
        *right(function, "projections", **{function: backward_by_projection}),
        *right(function, "gradients with an axis more", *SUMS_WITH_AXIS, remark=WITH_AXIS),
    )


BACKWARD = (
    *gradients("batchnorm_backward"),
    *gradients("batchnorm_backward_alt"),
    *right(
        "batchnorm_backward",
        "the variance's share in dmu",
        (
            "dx_hat.sum(axis=0)  #",
            "dx_hat.sum(axis=0) + dvar * -2 * x_mu.mean(axis=0)  #",
        ),
    ),
)

# ------------------------------------------------------------------ images


def images_by_channels_last(x, gamma, beta, bn_param):
    """Move the channels to the end, and back."""
    N, C, H, W = x.shape
    x_flat = x.transpose(0, 2, 3, 1).reshape(-1, C)
    out_flat, cache = batchnorm_forward(x_flat, gamma, beta, bn_param)
    return out_flat.reshape(N, H, W, C).transpose(0, 3, 1, 2), cache


def images_without_rows(x, gamma, beta, bn_param):
    """Take means over three axes, and never reshape x."""
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    if bn_param["mode"] == "train":
        mean = x.mean(axis=(0, 2, 3))
        var = ((x - mean[:, None, None]) ** 2).mean(axis=(0, 2, 3))
        for key, value in (("running_mean", mean), ("running_var", var)):
            old = bn_param.get(key, np.zeros_like(mean))
            bn_param[key] = momentum * old + (1 - momentum) * value
    elif bn_param["mode"] == "test":
        mean, var = bn_param["running_mean"], bn_param["running_var"]
    else:
        raise ValueError("mode")
    inverse = 1 / np.sqrt(var + eps)
    x_hat = (x - mean[:, None, None]) * inverse[:, None, None]
    out = x_hat * gamma.reshape(1, -1, 1, 1) + beta.reshape(1, -1, 1, 1)
    return out, (x_hat, gamma, inverse)


def images_channel_by_channel(x, gamma, beta, bn_param):
    """Normalize each channel on its own, with its own fraction of the running statistics."""
    N, C, H, W = x.shape
    keys = ("running_mean", "running_var")
    for key in keys:
        bn_param.setdefault(key, np.zeros_like(gamma))
    out, caches = np.zeros_like(x), []
    parts: dict[str, list] = {key: [] for key in keys}
    for c in range(C):
        own = {key: v[c : c + 1] if key in keys else v for key, v in bn_param.items()}
        rows = x[:, c].reshape(-1, 1)
        flat, cache = batchnorm_forward(rows, gamma[[c]], beta[[c]], own)
        out[:, c] = flat.reshape(N, H, W)
        caches.append(cache)
        for key in keys:
            parts[key].append(own[key])
    for key in keys:
        bn_param[key] = np.concatenate(parts[key])
    return out, caches


def image_gradients_channels_last(dout, cache):
    """Bring dout into rows as `images_channels_last` does with x."""
    N, C, H, W = dout.shape
    flat = dout.transpose(0, 2, 3, 1).reshape(N * H * W, C)
    dx, dgamma, dbeta = batchnorm_backward(flat, cache)
    return dx.reshape(N, H, W, C).transpose(0, 3, 1, 2), dgamma, dbeta


def image_gradients_without_rows(dout, cache):
    """Sum over three axes, and never reshape dout."""
    x_hat, gamma, inverse = cache
    dgamma = np.einsum("nchw,nchw->c", dout, x_hat)
    dbeta = np.einsum("nchw->c", dout)
    count = dout[:, 0].reshape(-1).shape[0]
    sums = dbeta[:, None, None] + x_hat * dgamma[:, None, None]
    return (gamma * inverse)[:, None, None] * (dout - sums / count), dgamma, dbeta


def image_gradients_by_channel(dout, cache):
    """Go back through each channel on its own."""
    N, C, H, W = dout.shape
    dx, dgammas, dbetas = np.zeros_like(dout), [], []
    for c in range(C):
        flat, dgamma, dbeta = batchnorm_backward(dout[:, c].reshape(-1, 1), cache[c])
        dx[:, c] = flat.reshape(N, H, W)
        dgammas.append(dgamma)
        dbetas.append(dbeta)
    return dx, np.concatenate(dgammas), np.concatenate(dbetas)


def image_pair(name, forward, backward):
    """Return the variants of both image exercises that `forward` and `backward` make."""
    one = {"spatial_batchnorm_forward": forward}
    both = {**one, "spatial_batchnorm_backward": backward}
    return (
        *right("spatial_batchnorm_forward", name, **one),
        *right("spatial_batchnorm_backward", name, **both),
    )


IMAGES = (
    *image_pair("channels last", images_by_channels_last, image_gradients_channels_last),
    *image_pair("means over three axes", images_without_rows, image_gradients_without_rows),
    *image_pair("channel by channel", images_channel_by_channel, image_gradients_by_channel),
    *right(
        "spatial_batchnorm_forward",
        "unbiased running variance",
        ("(1 - momentum) * var", "(1 - momentum) * var * len(x) / (len(x) - 1)"),
        edited="batchnorm_forward",
        remark=UNBIASED,
    ),
    *right(
        "spatial_batchnorm_backward",
        "gradients with an axis more",
        *SUMS_WITH_AXIS,
        edited="batchnorm_backward",
        remark=WITH_AXIS,
    ),
)

# ------------------------------------------------------------------ consequences


def fold_by_matrix(W, b, gamma, beta, bn_param):
    """Write test mode as a diagonal matrix and a shift."""
    eps = bn_param.get("eps", 1e-5)
    scale = gamma / (bn_param["running_var"] + eps) ** 0.5
    shift = beta - scale * bn_param["running_mean"]
    return W @ np.diag(scale), b @ np.diag(scale) + shift


def fold_by_column(W, b, gamma, beta, bn_param):
    """Fold one column at a time."""
    eps = bn_param.get("eps", 1e-5)
    W_folded, b_folded = W.copy(), b.copy()
    for j in range(len(b)):
        std = np.sqrt(bn_param["running_var"][j] + eps)
        W_folded[:, j] *= gamma[j] / std
        b_folded[j] = gamma[j] * (b[j] - bn_param["running_mean"][j]) / std + beta[j]
    return W_folded, b_folded


def fold_by_asking(W, b, gamma, beta, bn_param):
    """Ask the two layers what they do to zero and to each unit vector."""

    def layers(x):
        x_hat = (x @ W + b - bn_param["running_mean"]) / np.sqrt(
            bn_param["running_var"] + bn_param.get("eps", 1e-5)
        )
        return gamma * x_hat + beta

    b_folded = layers(np.zeros((1, len(W))))[0]
    return layers(np.eye(len(W))) - b_folded, b_folded


def rate_by_step(W, dW, learning_rate, reg):
    """Take the step, and measure."""
    after = W - learning_rate * (dW + 2 * reg * W)
    return learning_rate / np.linalg.norm(after, axis=0) ** 2


def rate_by_column(W, dW, learning_rate, reg):
    """Measure one column at a time."""
    rates = []
    for w, dw in zip(W.T, dW.T, strict=True):
        w = (1 - 2 * reg * learning_rate) * w
        rates.append(learning_rate / (w @ w + learning_rate**2 * (dw @ dw)))
    return np.array(rates)


def rate_by_pythagoras(W, dW, learning_rate, reg):
    """Two sides of a right angle, with einsum."""
    w = W * (1 - 2 * learning_rate * reg)
    step = learning_rate * dW
    squares = np.einsum("ij,ij->j", w, w) + np.einsum("ij,ij->j", step, step)
    return learning_rate / squares


def debias_by_weights(running, momentum, steps):
    """Divide by the weights that all batches have together."""
    return running / sum((1 - momentum) * momentum**age for age in range(steps))


def debias_by_loop(running, momentum, steps):
    """Let the start fade, one batch after the other."""
    left = 1.0
    for _ in range(steps):
        left *= momentum
    return running * (1 / (1 - left))


def debias_by_series(running, momentum, steps):
    """Use the sum of a geometric series."""
    series = (momentum**steps - 1) / (momentum - 1)
    return running / ((1 - momentum) * series)


def separate_by_noise():
    """Small noise on a large number."""
    rng = np.random.default_rng(0)
    return (50_000 + rng.normal(size=(100, 3))).astype(np.float32)


def separate_by_ramp():
    """Consecutive whole numbers."""
    return np.arange(100_000, 100_010, dtype=np.float32).reshape(-1, 1)


def separate_by_one_feature():
    """One feature that separates is enough."""
    x = np.zeros((4, 3), dtype=np.float32)
    x[:, 1] = [4096.0, 4096.5, 4097.0, 4096.5]
    x[0, 0] = 1
    return x


CONSEQUENCES = (
    *right("fold_batchnorm", "a diagonal matrix", fold_batchnorm=fold_by_matrix),
    *right("fold_batchnorm", "column by column", fold_batchnorm=fold_by_column),
    *right("fold_batchnorm", "asking both layers", fold_batchnorm=fold_by_asking),
    *right("effective_learning_rate", "a real step", effective_learning_rate=rate_by_step),
    *right("effective_learning_rate", "column by column", effective_learning_rate=rate_by_column),
    *right("effective_learning_rate", "Pythagoras", effective_learning_rate=rate_by_pythagoras),
    *right("debias_running", "the sum of all weights", debias_running=debias_by_weights),
    *right("debias_running", "a loop", debias_running=debias_by_loop),
    *right("debias_running", "a geometric series", debias_running=debias_by_series),
    *right("separating_input", "noise on 50,000", separating_input=separate_by_noise),
    *right("separating_input", "a ramp from 100,000", separating_input=separate_by_ramp),
    *right("separating_input", "one feature in three", separating_input=separate_by_one_feature),
)

VARIANTS = (*FORWARD, *BACKWARD, *IMAGES, *CONSEQUENCES)
