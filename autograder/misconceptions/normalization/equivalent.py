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
    "normalization.separating_input": {"...": "any input that separates is a right answer"},
}
