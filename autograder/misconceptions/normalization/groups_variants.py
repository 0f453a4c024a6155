"""Other right ways to write layer, instance and group normalization.

Written in NumPy's words; where PyTorch needs its own, the framework is named.
"""

import numpy as np

from autograder.misconceptions.normalization.variants import WITH_AXIS
from autograder.misconceptions.records import right


def pair(kind, name, forward=None, backward=None, framework=None):
    """Return the variants of both exercises of a kind that `forward` and `backward` make."""
    names = f"{kind}_forward", f"{kind}_backward"
    both = {n: f for n, f in zip(names, (forward, backward), strict=True) if f}
    one = {names[0]: forward} if forward else {}
    return (
        *(right(names[0], name, framework=framework, **one) if forward else ()),
        *(right(names[1], name, framework=framework, **both) if backward else ()),
    )


def library_variance(kind, x, axes):
    """Return the variants that leave the variance to the framework."""
    return (
        *right(
            f"{kind}_forward",
            "the library's variance",
            (
                f"(x_mu**2).mean(axis={axes}, keepdims=True, dtype=float).astype(x.dtype)",
                f"np.var({x}, axis={axes}, keepdims=True)",
            ),
            framework="numpy",
        ),
        *right(
            f"{kind}_forward",
            "the library's variance",
            (
                f"(x_mu**2).mean(axis={axes}, keepdims=True)",
                f"{x}.var(axis={axes}, keepdims=True, unbiased=False)",
            ),
            framework="torch",
        ),
    )


# ------------------------------------------------------------------ layer norm


def layer_by_example(x, gamma, beta, ln_param):
    """Normalize one example at a time, each number on its own."""
    N, D = x.shape
    eps = ln_param.get("eps", 1e-5)
    out, cache = np.zeros_like(x), []
    for i in range(N):
        mean = sum(x[i]) / D
        var = sum((value - mean) ** 2 for value in x[i]) / D
        for j in range(D):
            out[i, j] = gamma[j] * (x[i, j] - mean) / np.sqrt(var + eps) + beta[j]
        cache.append(((x[i] - mean) / np.sqrt(var + eps), var + eps))
    return out, (cache, gamma)


def layer_gradients_by_example(dout, cache):
    """Multiply the gradient of each example by its own (D, D) matrix of derivatives."""
    examples, gamma = cache
    D = dout.shape[1]
    dx, dgamma, dbeta = np.zeros_like(dout), 0 * gamma, 0 * gamma
    for i, (h, squared) in enumerate(examples):
        one = 1 + 0 * h
        identity = (h[:, None] == h[None, :]) * one
        derivatives = identity - (one[:, None] + h[:, None] * h) / D
        dx[i] = (dout[i] * gamma) @ derivatives / squared**0.5
        dgamma = dgamma + dout[i] * h
        dbeta = dbeta + dout[i]
    return dx, dgamma, dbeta


def layer_transposed(x, gamma, beta, ln_param):
    """Turn examples into columns, and go on as in batch norm."""
    eps = ln_param.get("eps", 1e-5)
    x_t = x.T
    mu = x_t.mean(axis=0)
    xmu = x_t - mu
    sqrtvar = np.sqrt((xmu**2).mean(axis=0) + eps)
    xhat = xmu / sqrtvar
    out = gamma.reshape(-1, 1) * xhat + beta.reshape(-1, 1)
    return out.T, (xhat, xmu, sqrtvar, gamma)


def layer_gradients_transposed(dout, cache):
    """Walk back through the graph of `layer_transposed`, one node at a time."""
    xhat, xmu, sqrtvar, gamma = cache
    dout_t = dout.T
    D = dout_t.shape[0]
    dbeta = dout_t.sum(axis=1)
    dgamma = (dout_t * xhat).sum(axis=1)
    dxhat = dout_t * gamma.reshape(-1, 1)
    dvar = (dxhat * xmu).sum(axis=0) * -0.5 / sqrtvar**3
    dmu = (-dxhat / sqrtvar).sum(axis=0) - 2 * dvar * xmu.mean(axis=0)
    dx = dxhat / sqrtvar + dvar * 2 * xmu / D + dmu / D
    return dx.T, dgamma, dbeta


def layer_by_einsum(x, gamma, beta, ln_param):
    """Sum with einsum, and divide by multiplying."""
    D = x.shape[1]
    centred = x - np.einsum("nd->n", x)[:, None] / D
    inverse = (np.einsum("nd,nd->n", centred, centred) / D + ln_param.get("eps", 1e-5)) ** -0.5
    x_hat = np.einsum("nd,n->nd", centred, inverse)
    return x_hat * gamma + beta, (x_hat, inverse, gamma)


def layer_gradients_compact(dout, cache):
    """Use the usual compact form, with D in front."""
    x_hat, inverse, gamma = cache
    D = x_hat.shape[1]
    g = gamma * dout
    first = np.einsum("nd->n", g)[:, None]
    second = np.einsum("nd,nd->n", g, x_hat)[:, None]
    dx = inverse[:, None] / D * (D * g - first - x_hat * second)
    return dx, np.einsum("nd,nd->d", dout, x_hat), np.einsum("nd->d", dout)


LAYER = (
    *pair("layernorm", "example by example", layer_by_example, layer_gradients_by_example),
    *pair("layernorm", "transposed", layer_transposed, layer_gradients_transposed),
    *pair("layernorm", "einsum", layer_by_einsum, layer_gradients_compact),
    *library_variance("layernorm", "x", "1"),
    *right(
        "layernorm_backward",
        "gradients with an axis more",
        ("dbeta = dout.sum(axis=0)", "dbeta = dout.sum(axis=0, keepdims=True)"),
        ("(dout * x_hat).sum(axis=0)", "(dout * x_hat).sum(axis=0, keepdims=True)"),
        remark=WITH_AXIS,
    ),
)

# ------------------------------------------------------------------ instance norm


def instance_by_channel(x, gamma, beta, in_param):
    """Normalize one channel of one image at a time."""
    eps = in_param.get("eps", 1e-5)
    N, C, H, W = x.shape
    out, x_hat, std = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x[:, :, 0, 0])
    for n in range(N):
        for c in range(C):
            plane = x[n, c] - x[n, c].mean()
            std[n, c] = ((plane**2).sum() / (H * W) + eps) ** 0.5
            x_hat[n, c] = plane / std[n, c]
            out[n, c] = gamma[c] * x_hat[n, c] + beta[c]
    return out, (x_hat, std, gamma)


def instance_gradients_by_channel(dout, cache):
    """Go back through one channel of one image at a time."""
    x_hat, std, gamma = cache
    N, C, H, W = dout.shape
    dx, dgamma, dbeta = np.zeros_like(dout), np.zeros_like(gamma), np.zeros_like(gamma)
    for n in range(N):
        for c in range(C):
            g, h = dout[n, c], x_hat[n, c]
            dbeta[c] += g.sum()
            dgamma[c] += (g * h).sum()
            means = g.sum() / (H * W), (g * h).sum() / (H * W)
            dx[n, c] = gamma[c] / std[n, c] * (g - means[0] - h * means[1])
    return dx, dgamma, dbeta


def instance_by_rows(x, gamma, beta, in_param):
    """Lay every channel out as a row of numbers."""
    N, C, H, W = x.shape
    rows = x.reshape(N * C, H * W)
    rows = rows - rows.mean(axis=1).reshape(-1, 1)
    var = (rows**2).mean(axis=1).reshape(-1, 1)
    inverse = 1 / np.sqrt(var + in_param.get("eps", 1e-5))
    x_hat = (rows * inverse).reshape(N, C, H * W)
    out = gamma.reshape(1, C, 1) * x_hat + beta.reshape(1, C, 1)
    return out.reshape(N, C, H, W), (x_hat, inverse.reshape(N, C, 1), gamma)


def instance_gradients_by_rows(dout, cache):
    """Bring dout into rows, with gamma inside the means."""
    x_hat, inverse, gamma = cache
    N, C, H, W = dout.shape
    g = dout.reshape(N, C, H * W)
    dx_hat = g * gamma.reshape(1, C, 1)
    dx = dx_hat - dx_hat.mean(axis=2).reshape(N, C, 1)
    dx = dx - x_hat * (dx_hat * x_hat).mean(axis=2).reshape(N, C, 1)
    dgamma = np.einsum("ncp,ncp->c", g, x_hat)
    return (dx * inverse).reshape(N, C, H, W), dgamma, np.einsum("ncp->c", g)


def instance_staged(x, gamma, beta, in_param):
    """Keep every node of the computation graph in a dict."""
    eps = in_param.get("eps", 1e-5)
    mu = x.mean(axis=(2, 3), keepdims=True)
    var = ((x - mu) ** 2).mean(axis=(2, 3), keepdims=True)
    x_hat = (x - mu) * (var + eps) ** -0.5
    out = gamma.reshape(1, -1, 1, 1) * x_hat + beta.reshape(1, -1, 1, 1)
    return out, {"xmu": x - mu, "var": var + eps, "x_hat": x_hat, "gamma": gamma}


def instance_gradients_staged(dout, cache):
    """Collect the gradients of variance and mean before that of x."""
    xmu, var, gamma = cache["xmu"], cache["var"], cache["gamma"]
    count = xmu.shape[2] * xmu.shape[3]
    dx_hat = dout * gamma.reshape(1, -1, 1, 1)
    dvar = -0.5 * var**-1.5 * (dx_hat * xmu).sum(axis=(2, 3), keepdims=True)
    dmu = -(var**-0.5) * dx_hat.sum(axis=(2, 3), keepdims=True)
    dx = dx_hat * var**-0.5 + 2 * dvar * xmu / count + dmu / count
    dgamma = (dout * cache["x_hat"]).sum(axis=3).sum(axis=2).sum(axis=0)
    return dx, dgamma, dout.sum(axis=3).sum(axis=2).sum(axis=0)


INSTANCE = (
    *pair("instancenorm", "channel by channel", instance_by_channel, instance_gradients_by_channel),
    *pair("instancenorm", "rows of pixels", instance_by_rows, instance_gradients_by_rows),
    *pair("instancenorm", "every node kept", instance_staged, instance_gradients_staged),
    *library_variance("instancenorm", "x", "(2, 3)"),
)

# ------------------------------------------------------------------ group norm


def group_with_five_axes(x, gamma, beta, G, gn_param):
    """Give the groups an axis of their own."""
    N, C, H, W = x.shape
    groups = x.reshape(N, G, C // G, H, W)
    mean = groups.mean(axis=(2, 3, 4), keepdims=True)
    var = ((groups - mean) ** 2).mean(axis=(2, 3, 4), keepdims=True)
    std = np.sqrt(var + gn_param.get("eps", 1e-5))
    x_hat = ((groups - mean) / std).reshape(N, C, H, W)
    return x_hat * gamma + beta, (G, x_hat, gamma, std)


def group_gradients_with_five_axes(dout, cache):
    """Collect the gradients of variance and mean before that of x."""
    G, x_hat, gamma, std = cache
    N, C, H, W = dout.shape
    dgamma = (dout * x_hat).sum(axis=(0, 2, 3)).reshape(1, C, 1, 1)
    dbeta = dout.sum(axis=(0, 2, 3)).reshape(1, C, 1, 1)
    dx_hat = (dout * gamma).reshape(N, G, C // G, H, W)
    xmu = x_hat.reshape(N, G, C // G, H, W) * std
    count = H * W * (C // G)
    dvar = (dx_hat * xmu * -0.5 / std**3).sum(axis=(2, 3, 4), keepdims=True)
    dmu = (-dx_hat / std).sum(axis=(2, 3, 4), keepdims=True)
    dx = dx_hat / std + dvar * 2 * xmu / count + dmu / count
    return dx.reshape(N, C, H, W), dgamma, dbeta


def group_by_group(x, gamma, beta, G, gn_param):
    """Cut the channels into slices, and normalize one slice of all images at a time."""
    size = x.shape[1] // G
    x_hat, inverses = np.zeros_like(x), []
    for g in range(G):
        own = slice(g * size, (g + 1) * size)
        part = x[:, own] - x[:, own].mean(axis=(1, 2, 3), keepdims=True)
        var = (part**2).mean(axis=(1, 2, 3), keepdims=True)
        inverses.append(1 / np.sqrt(var + gn_param.get("eps", 1e-5)))
        x_hat[:, own] = part * inverses[g]
    return gamma * x_hat + beta, (x_hat, inverses, gamma)


def group_gradients_by_group(dout, cache):
    """Go back through one slice of the channels at a time."""
    x_hat, inverses, gamma = cache
    size = dout.shape[1] // len(inverses)
    dx, g = np.zeros_like(dout), gamma * dout
    for number, inverse in enumerate(inverses):
        own = slice(number * size, (number + 1) * size)
        share = (g[:, own] * x_hat[:, own]).mean(axis=(1, 2, 3), keepdims=True)
        mean = g[:, own].mean(axis=(1, 2, 3), keepdims=True)
        dx[:, own] = inverse * (g[:, own] - mean - share * x_hat[:, own])
    dgamma = (dout * x_hat).sum(axis=(0, 2, 3), keepdims=True)
    return dx, dgamma, dout.sum(axis=(0, 2, 3), keepdims=True)


def group_by_einsum(x, gamma, beta, G, gn_param):
    """Sum with einsum over the numbers of each group."""
    groups = x.reshape(len(x), G, -1)
    K = groups.shape[2]
    centred = groups - np.einsum("ngk->ng", groups)[:, :, None] / K
    var = np.einsum("ngk,ngk->ng", centred, centred) / K
    inverse = (var + gn_param.get("eps", 1e-5)) ** -0.5
    x_hat = np.einsum("ngk,ng->ngk", centred, inverse)
    return gamma * x_hat.reshape(x.shape) + beta, (x_hat, inverse, gamma)


def group_gradients_by_einsum(dout, cache):
    """Use the compact form, with einsum for every sum."""
    x_hat, inverse, gamma = cache
    K = x_hat.shape[2]
    g = (gamma * dout).reshape(x_hat.shape)
    first, second = np.einsum("ngk->ng", g), np.einsum("ngk,ngk->ng", g, x_hat)
    dx = (g - first[:, :, None] / K - x_hat * second[:, :, None] / K) * inverse[:, :, None]
    dgamma = np.einsum("nchw,nchw->c", dout, x_hat.reshape(dout.shape))
    dbeta = np.einsum("nchw->c", dout)
    return dx.reshape(dout.shape), dgamma.reshape(gamma.shape), dbeta.reshape(gamma.shape)


GROUP = (
    *pair("spatial_groupnorm", "five axes", group_with_five_axes, group_gradients_with_five_axes),
    *pair("spatial_groupnorm", "group by group", group_by_group, group_gradients_by_group),
    *pair("spatial_groupnorm", "einsum", group_by_einsum, group_gradients_by_einsum),
    *library_variance("spatial_groupnorm", "groups", "1"),
)

VARIANTS = (*LAYER, *INSTANCE, *GROUP)
