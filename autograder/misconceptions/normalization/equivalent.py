"""Mutants of the references of `normalization` that are right answers, with the reason."""

CENTRED_AGAIN = (
    "the next line centres again; only rounding is left, and the tolerance allows for it"
)
ROUNDING = "takes out rounding only; the tolerance allows for the plain form"
SINGLE = "the sum is rounded sooner; the tolerance allows for the plain form"
WIDER = "right, in more memory than needed; a remark says so"
SAME_SHAPE = "only the shape is read, and it is the same"
CACHE = "the cache is between the student's two functions; the backward exercise tries it"
NEGATIVE = "NumPy takes any negative size for the unknown one"
AXES = "the same axes in another order"


DOUBLE = "keepdims=True, dtype=float).astype(x.dtype)"


def centred_twice(x, axes, turned=None):
    """Return the mutants of a forward pass within one example; `turned` are the axes reordered."""
    lines = {
        f"mu = {x}.mean(axis={axes}, keepdims=True, dtype=float)": WIDER,
        f"mu = {x}.mean(axis={axes}, keepdims=True).astype(x.dtype)": SINGLE,
        f"mu = {x}.mean({DOUBLE}": CENTRED_AGAIN,
        f"x_mu = {x} + mu": CENTRED_AGAIN,
        f"x_mu += x_mu.mean(axis={axes}, keepdims=True)": ROUNDING,
        "x_mu -= x_mu.mean(keepdims=True)": ROUNDING,
        f"left out: x_mu -= x_mu.mean(axis={axes}, keepdims=True)": ROUNDING,
        f"var = (x_mu ** 2).mean(axis={axes}, keepdims=True, dtype=float)": WIDER,
        f"var = (x_mu ** 2).mean(axis={axes}, keepdims=True).astype(x.dtype)": SINGLE,
        "return (out, (...": CACHE,
    }
    if turned:
        lines |= {
            f"mu = {x}.mean(axis={turned}, {DOUBLE}": AXES,
            f"x_mu -= x_mu.mean(axis={turned}, keepdims=True)": AXES,
            f"var = (x_mu ** 2).mean(axis={turned}, {DOUBLE}": AXES,
        }
    return lines


def with_few_numbers(axes):
    """Return the mutants that are right where a mean runs over a few numbers of x itself."""
    return {
        f"mu = x.sum(axis={axes}, {DOUBLE}": CENTRED_AGAIN,
        f"x_mu -= x_mu.sum(axis={axes}, keepdims=True)": ROUNDING,
        f"var = (x_mu ** 2).mean(axis={axes}, keepdims=True, dtype=float).astype(x_mu.dtype)": (
            "x_mu has the dtype of x"
        ),
    }


def sums_reordered(ending=")"):
    """Return the mutants of dbeta and dgamma over N, H and W."""
    return {
        f"{name}.sum(axis={axes}{ending}": AXES
        for name in ("dbeta = dout", "dgamma = (dout * x_hat)")
        for axes in ("(2, 0, 3)", "(0, 3, 2)")
    }


EQUIVALENT = {
    "normalization.batchnorm_forward": {
        "mode = bn_param.get('mode', 'train_')": "code for CS231n reads bn_param['mode']: no check "
        "leaves it out",
        "running_mean = bn_param.get('running_mean', np.zeros_like(beta))": SAME_SHAPE,
        "running_var = bn_param.get('running_var', np.zeros_like(beta))": SAME_SHAPE,
        "running_var = bn_param.get('running_var', np.zeros_like(running_mean))": SAME_SHAPE,
        "return (out, (...": CACHE,
        "mu = x.mean(axis=0).astype(x.dtype)": SINGLE,
        "mu = x.mean(axis=0, dtype=float)": WIDER,
        "var = (x_mu ** 2).mean(axis=0).astype(x.dtype)": SINGLE,
        "var = (x_mu ** 2).mean(axis=0, dtype=float)": WIDER,
        "var = (x_mu ** 2).mean(axis=0, dtype=float).astype(x_mu.dtype)": "x_mu has the dtype of x",
        "x_mu = x + mu": CENTRED_AGAIN,
        "x_mu = x - beta": CENTRED_AGAIN,
        "x_mu = x - gamma": CENTRED_AGAIN,
        "x_mu = x - running_mean": CENTRED_AGAIN,
        "x_mu = x - running_var": CENTRED_AGAIN,
        "x_mu += x_mu.mean(axis=0)": ROUNDING,
        "x_mu -= x_mu.sum(axis=0)": ROUNDING,
        "x_mu -= x_mu.mean()": ROUNDING,
        "left out: x_mu -= x_mu.mean(axis=0)": ROUNDING,
    },
    "normalization.batchnorm_backward": {"N = x_hat.shape[0]": SAME_SHAPE},
    "normalization.batchnorm_backward_alt": {"N = x_hat.shape[0]": SAME_SHAPE},
    "normalization.spatial_batchnorm_forward": {
        "rows = x.transpose(1, 0, 2, 3).reshape(C, -2).T": NEGATIVE,
    },
    "normalization.spatial_batchnorm_backward": {
        "rows = dout.transpose(1, 0, 2, 3).reshape(C, -2).T": NEGATIVE,
    },
    "normalization.layernorm_forward": centred_twice("x", "1") | with_few_numbers("1"),
    "normalization.instancenorm_forward": {
        **centred_twice("x", "(2, 3)", turned="(3, 2)"),
        **with_few_numbers("(2, 3)"),
    },
    "normalization.instancenorm_backward": {
        **sums_reordered(),
        "mean = dout.mean(axis=(3, 2), keepdims=True)": AXES,
        "share = (dout * x_hat).mean(axis=(3, 2), keepdims=True)": AXES,
    },
    "normalization.spatial_groupnorm_forward": {
        **centred_twice("groups", "1"),
        "groups = x.reshape(len(x) * G, -2)": NEGATIVE,
    },
    "normalization.spatial_groupnorm_backward": {
        **sums_reordered(", keepdims=True)"),
        "dx_hat = (dout * gamma).reshape(len(std), -2)": NEGATIVE,
        "h = x_hat.reshape(len(std), -2)": NEGATIVE,
        "return (dx.reshape(x_hat.shape), dgamma, dbeta)": SAME_SHAPE,
    },
    "normalization.separating_input": {"...": "any input that separates is a right answer"},
}
