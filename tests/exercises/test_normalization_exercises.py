"""Batch norm as students really write it: code in the style of CS231n's assignment, pasted in.

Right code earns full marks however it is written; wrong code loses points and is told why; and
whatever a function does or returns, the check ends with a report.
"""

import signal
import sys
import warnings

import numpy as np
import pytest
import torch

from autograder import exercises
from autograder.check import run
from cs231n_lib.normalization import in_numpy, in_torch

FORWARD = exercises.find("normalization.batchnorm_forward")
PRECISION = "float32 and float64 alike, inputs stay as they were"


def report_on(exercise_id, *functions):
    exercise = exercises.find(exercise_id)
    return run(exercise, dict(zip(exercise.functions, functions, strict=True)))


def failed(report):
    return {row.check for row in report.rows if row.earned < row.points}


def assert_full_marks(report):
    assert report.score == report.points, str(report)
    assert not report.misconceptions


# ------------------------------------------------------------------ right: three styles of forward


def forward_with_dict(x, gamma, beta, bn_param):
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    _, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    out, cache = None, None
    if mode == "train":
        sample_mean = np.mean(x, axis=0)
        sample_var = np.var(x, axis=0)
        x_normalized = (x - sample_mean) / np.sqrt(sample_var + eps)
        out = gamma * x_normalized + beta
        running_mean = momentum * running_mean + (1 - momentum) * sample_mean
        running_var = momentum * running_var + (1 - momentum) * sample_var
        cache = {
            "x": x,
            "x_norm": x_normalized,
            "mean": sample_mean,
            "var": sample_var,
            "gamma": gamma,
            "beta": beta,
            "eps": eps,
        }
    elif mode == "test":
        x_normalized = (x - running_mean) / np.sqrt(running_var + eps)
        out = gamma * x_normalized + beta
    else:
        raise ValueError('Invalid forward batchnorm mode "%s"' % mode)  # noqa: UP031
    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    return out, cache


def forward_staged(x, gamma, beta, bn_param):
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D))  # float64, whatever x is
    running_var = bn_param.get("running_var", np.zeros(D))
    if mode == "train":
        # step 1: mean, step 2: centre, step 3: square, step 4: variance
        mu = 1.0 / N * np.sum(x, axis=0)
        xmu = x - mu
        sq = xmu**2
        var = 1.0 / N * np.sum(sq, axis=0)
        # step 5: root, step 6: invert, step 7: normalize, steps 8 and 9: scale and shift
        sqrtvar = np.sqrt(var + eps)
        ivar = 1.0 / sqrtvar
        xhat = xmu * ivar
        gammax = gamma * xhat
        out = gammax + beta
        cache = (xhat, gamma, xmu, ivar, sqrtvar, var, eps)
        bn_param["running_mean"] = momentum * running_mean + (1.0 - momentum) * mu
        bn_param["running_var"] = momentum * running_var + (1.0 - momentum) * var
        return out, cache
    if mode == "test":
        scale = gamma / np.sqrt(running_var + eps)
        return x * scale + (beta - running_mean * scale), None
    raise ValueError(mode)


def forward_transposed(x, gamma, beta, bn_param):
    """Features in rows, as for sharing code with layer norm."""
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    x_t = x.T
    if bn_param["mode"] == "train":
        mean = x_t.mean(axis=1, keepdims=True)
        var = x_t.var(axis=1, keepdims=True)
        for key, value in (("running_mean", mean), ("running_var", var)):
            bn_param.setdefault(key, np.zeros(len(value), x.dtype))
            bn_param[key] *= momentum
            bn_param[key] += (1 - momentum) * value.ravel()
    elif bn_param["mode"] == "test":
        mean, var = bn_param["running_mean"][:, None], bn_param["running_var"][:, None]
    else:
        raise ValueError("mode must be train or test")
    x_hat = (x_t - mean) / np.sqrt(var + eps)
    out = gamma.reshape(-1, 1) * x_hat + beta.reshape(-1, 1)
    return out.T, (x_hat, np.sqrt(var + eps), gamma)


# ------------------------------------------------------------------ right: their backward passes


def backward_from_dict(dout, cache):
    x, mean, var, eps = cache["x"], cache["mean"], cache["var"], cache["eps"]
    m = x.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * cache["x_norm"]).sum(axis=0)
    dx_norm = dout * cache["gamma"]
    dvar = np.sum(dx_norm * (x - mean) * -0.5 * (var + eps) ** -1.5, axis=0)
    dmean = np.sum(dx_norm * -1 / np.sqrt(var + eps), axis=0) + dvar * np.mean(-2 * (x - mean), 0)
    dx = dx_norm / np.sqrt(var + eps) + dvar * 2 * (x - mean) / m + dmean / m
    return dx, dgamma, dbeta


def backward_staged(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgammax = dout
    dgamma = np.sum(dgammax * xhat, axis=0)
    dxhat = dgammax * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / (sqrtvar**2) * divar
    dvar = 0.5 * 1.0 / np.sqrt(var + eps) * dsqrtvar
    dsq = 1.0 / N * np.ones((N, D)) * dvar  # float64, whatever dout is
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1.0 / N * np.ones((N, D)) * dmu
    return dx1 + dx2, dgamma, dbeta


def backward_one_line(dout, cache):
    x, mean, var, eps = cache["x"], cache["mean"], cache["var"], cache["eps"]
    gamma, N = cache["gamma"], len(dout)
    xmu, inv = x - mean, (var + eps) ** (-1.0 / 2.0)
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(xmu * inv * dout, axis=0)
    dx = (1.0 / N) * gamma * inv * (N * dout - dbeta - xmu * inv**2 * np.sum(dout * xmu, axis=0))
    return dx, dgamma, dbeta


def backward_transposed(dout, cache):
    x_hat, std, gamma = cache
    dout = dout.T
    dbeta, dgamma = dout.sum(1), (dout * x_hat).sum(1)
    dxhat = dout * gamma[:, None]
    dx = dxhat - dxhat.mean(1, keepdims=True) - x_hat * (dxhat * x_hat).mean(1, keepdims=True)
    return (dx / std).T, dgamma, dbeta


@pytest.mark.parametrize("forward", [forward_with_dict, forward_staged, forward_transposed])
def test_forward_passes_in_the_style_of_the_assignment(forward):
    assert_full_marks(report_on("normalization.batchnorm_forward", forward))


PAIRS = [
    (forward_with_dict, backward_from_dict),
    (forward_with_dict, backward_one_line),
    (forward_staged, backward_staged),
    (forward_transposed, backward_transposed),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[1].__name__)
@pytest.mark.parametrize("name", ["batchnorm_backward", "batchnorm_backward_alt"])
def test_backward_passes_in_the_style_of_the_assignment(name, pair):
    assert_full_marks(report_on(f"normalization.{name}", *pair))


def test_more_precision_than_asked_for_gets_a_remark_and_keeps_its_points():
    report = report_on("normalization.batchnorm_backward", forward_staged, backward_staged)
    remarks = [row.remark for row in report.rows if row.remark]
    assert len(remarks) == 1 and "more memory than needed" in remarks[0]


def spatial_forward_pasted(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    x_new = x.transpose(0, 2, 3, 1).reshape(N * H * W, C)
    out, cache = forward_with_dict(x_new, gamma, beta, bn_param)
    out = out.reshape(N, H, W, C).transpose(0, 3, 1, 2)
    return out, cache


def spatial_backward_pasted(dout, cache):
    N, C, H, W = dout.shape
    dout_new = dout.transpose(0, 2, 3, 1).reshape(N * H * W, C)
    dx, dgamma, dbeta = backward_from_dict(dout_new, cache)
    return dx.reshape(N, H, W, C).transpose(0, 3, 1, 2), dgamma, dbeta


def spatial_forward_swapped(x, gamma, beta, bn_param):
    swapped = np.swapaxes(x, 0, 1)
    shape = swapped.shape
    flat, cache = forward_transposed(swapped.reshape(shape[0], -1).T, gamma, beta, bn_param)
    return np.ascontiguousarray(np.swapaxes(flat.T.reshape(shape), 0, 1)), (cache, shape)


def spatial_backward_swapped(dout, cache):
    cache, shape = cache
    flat = np.swapaxes(dout, 0, 1).reshape(shape[0], -1).T
    dx, dgamma, dbeta = backward_transposed(flat, cache)
    return np.swapaxes(dx.T.reshape(shape), 0, 1), dgamma, dbeta


@pytest.mark.parametrize(
    ("forward", "backward", "spatial"),
    [
        (forward_with_dict, backward_from_dict, (spatial_forward_pasted, spatial_backward_pasted)),
        (
            forward_transposed,
            backward_transposed,
            (spatial_forward_swapped, spatial_backward_swapped),
        ),
    ],
    ids=["transpose and reshape", "swapaxes"],
)
def test_images_in_the_style_of_the_assignment(forward, backward, spatial):
    name = "normalization.spatial_batchnorm"
    assert_full_marks(report_on(f"{name}_forward", forward, spatial[0]))
    assert_full_marks(report_on(f"{name}_backward", forward, backward, *spatial))


def torch_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    if bn_param["mode"] == "train":
        mean, var = x.mean(0), x.var(0, unbiased=False)
        old_mean = bn_param.get("running_mean", torch.zeros(x.shape[1], dtype=x.dtype))
        old_var = bn_param.get("running_var", torch.zeros(x.shape[1], dtype=x.dtype))
        bn_param["running_mean"] = torch.lerp(mean, old_mean, momentum)
        bn_param["running_var"] = torch.lerp(var, old_var, momentum)
    elif bn_param["mode"] == "test":
        mean, var = bn_param["running_mean"], bn_param["running_var"]
    else:
        raise ValueError(bn_param["mode"])
    inverse = torch.rsqrt(var + eps)
    x_hat = (x - mean).mul(inverse)
    return torch.addcmul(beta, gamma, x_hat), {"x_hat": x_hat, "scale": gamma * inverse}


def torch_backward(dout, cache):
    x_hat = cache["x_hat"]
    dx = dout - dout.mean(0) - x_hat * torch.mean(dout * x_hat, dim=0)
    return cache["scale"] * dx, torch.sum(dout * x_hat, 0), dout.sum(0)


def test_pytorch_in_its_own_style():
    assert_full_marks(report_on("normalization.torch.batchnorm_forward", torch_forward))
    for name in ("batchnorm_backward", "batchnorm_backward_alt"):
        report = report_on(f"normalization.torch.{name}", torch_forward, torch_backward)
        assert_full_marks(report)


# ------------------------------------------------------------------ wrong, and told why


def wrong_forward(
    train_var=lambda x, eps: np.var(x, axis=0),
    train_std=lambda var, eps: np.sqrt(var + eps),
    stored=lambda mean, var, eps: (mean, var),
    old_share=lambda momentum: momentum,
    test=None,
    store=True,
    affine=lambda x_hat, gamma, beta: gamma * x_hat + beta,
):
    """Return a forward pass in the style of the assignment with one step of it replaced."""

    def forward(x, gamma, beta, bn_param):
        mode, eps = bn_param["mode"], bn_param.get("eps", 1e-5)
        momentum = old_share(bn_param.get("momentum", 0.9))
        running_mean = bn_param.get("running_mean", np.zeros(x.shape[1], dtype=x.dtype))
        running_var = bn_param.get("running_var", np.zeros(x.shape[1], dtype=x.dtype))
        cache = None
        if mode == "train":
            mean, var = np.mean(x, axis=0), train_var(x, eps)
            std = train_std(var, eps)
            x_hat = (x - mean) / std
            out = affine(x_hat, gamma, beta)
            new_mean, new_var = stored(mean, var, eps)
            running_mean = momentum * running_mean + (1 - momentum) * new_mean
            running_var = momentum * running_var + (1 - momentum) * new_var
            cache = (x_hat, gamma, std)
        elif mode == "test":
            own = test or (
                lambda x, m, v, eps, gamma, beta: gamma * (x - m) / np.sqrt(v + eps) + beta
            )
            out = own(x, running_mean, running_var, eps, gamma, beta)
        else:
            raise ValueError(mode)
        if store:
            bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
        return out, cache

    return forward


def test_the_wrong_forward_passes_are_right_where_nothing_is_replaced():
    assert_full_marks(report_on("normalization.batchnorm_forward", wrong_forward()))


def batch_statistics(x, m, v, eps, gamma, beta):
    return gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + eps) + beta


WRONG = {
    "test mode uses batch statistics": dict(test=batch_statistics),
    "test mode without eps": dict(test=lambda x, m, v, eps, g, b: g * (x - m) / np.sqrt(v) + b),
    "test mode forgets gamma and beta": dict(
        test=lambda x, m, v, eps, g, b: (x - m) / np.sqrt(v + eps)
    ),
    "eps kept inside running_var": dict(
        train_var=lambda x, eps: np.var(x, axis=0) + eps, train_std=lambda v, eps: np.sqrt(v)
    ),
    "eps outside the root": dict(
        train_std=lambda v, eps: np.sqrt(v) + eps,
        test=lambda x, m, v, eps, g, b: g * (x - m) / (np.sqrt(v) + eps) + b,
    ),
    "no eps": dict(
        train_std=lambda v, eps: np.sqrt(v),
        test=lambda x, m, v, eps, g, b: g * (x - m) / np.sqrt(v) + b,
    ),
    "running_var holds the standard deviation": dict(
        stored=lambda mean, var, eps: (mean, np.sqrt(var + eps))
    ),
    "running statistics not stored": dict(store=False),
    "momentum the other way round": dict(old_share=lambda momentum: 1 - momentum),
    "momentum hard-coded": dict(old_share=lambda momentum: 0.9),
    "unbiased variance": dict(train_var=lambda x, eps: np.var(x, axis=0, ddof=1)),
    "one-pass variance": dict(
        train_var=lambda x, eps: np.mean(x**2, axis=0) - np.mean(x, axis=0) ** 2
    ),
    "the variance is a sum": dict(train_var=lambda x, eps: np.sum((x - x.mean(0)) ** 2, axis=0)),
    "beta added before the scaling": dict(
        affine=lambda x_hat, gamma, beta: gamma * (x_hat + beta),
        test=lambda x, m, v, eps, g, b: g * ((x - m) / np.sqrt(v + eps) + b),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_forward_passes_lose_points_and_are_named(name):
    report = report_on("normalization.batchnorm_forward", wrong_forward(**WRONG[name]))
    assert report.score < report.points
    assert name in report.misconceptions, str(report)


def test_two_mistakes_in_one_function_get_no_third_ones_name():
    """Each explains half of what is wrong, which is no majority: a name needs evidence."""
    both = WRONG["momentum hard-coded"] | WRONG["test mode forgets gamma and beta"]
    report = report_on("normalization.batchnorm_forward", wrong_forward(**both))
    assert report.score < report.points
    assert set(report.misconceptions) <= {"momentum hard-coded", "test mode forgets gamma and beta"}


def test_unbiased_running_variance_keeps_its_points_with_a_remark():
    def stored(mean, var, eps):
        return mean, var * 7 / 6

    exercise = "normalization.batchnorm_forward"
    report = report_on(exercise, wrong_forward(stored=stored))
    assert_full_marks(report)
    assert {row.remark for row in report.rows if "unbiased" in row.remark}


def no_axis(dout, cache):
    x_hat, gamma, std = cache
    dx = gamma / std * (dout - dout.mean(0) - x_hat * (dout * x_hat).mean(0))
    return dx, np.sum(dout * x_hat), np.sum(dout)


def constants(dout, cache):
    x_hat, gamma, std = cache
    return dout * gamma / std, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)


@pytest.mark.parametrize(
    ("function", "backward", "name"),
    [
        ("batchnorm_backward", no_axis, "dgamma and dbeta summed over everything"),
        ("batchnorm_backward", constants, "mean and variance treated as constants"),
        ("batchnorm_backward_alt", constants, "mean and variance treated as constants"),
    ],
)
def test_wrong_backward_passes_lose_points_and_are_named(function, backward, name):
    report = report_on(f"normalization.{function}", wrong_forward(), backward)
    assert report.score < report.points
    assert name in report.misconceptions, str(report)


def channels_mixed(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    out, cache = in_numpy.batchnorm_forward(x.reshape(N * H * W, C), gamma, beta, bn_param)
    return out.reshape(N, C, H, W), cache


def one_bn_param(x, gamma, beta, bn_param):
    out, caches = np.zeros_like(x), []
    for c in range(x.shape[1]):
        own = x[:, c].reshape(-1, 1)
        flat, cache = wrong_forward()(own, gamma[c : c + 1], beta[c : c + 1], bn_param)
        out[:, c] = flat.reshape(x[:, c].shape)
        caches.append(cache)
    return out, caches


@pytest.mark.parametrize(
    ("spatial", "name"),
    [
        (channels_mixed, "channels mixed by reshape"),
        (one_bn_param, "one bn_param for a loop over channels"),
    ],
)
def test_wrong_images_lose_points_and_are_named(spatial, name):
    report = report_on("normalization.spatial_batchnorm_forward", wrong_forward(), spatial)
    assert report.score < report.points
    assert name in report.misconceptions, str(report)


def test_pytorchs_default_variance_is_named():
    def forward(x, gamma, beta, bn_param):
        if bn_param["mode"] != "train":
            return in_torch.batchnorm_forward(x, gamma, beta, bn_param)
        eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        mean, var = x.mean(dim=0), x.var(dim=0)
        for key, value in (("running_mean", mean), ("running_var", var)):
            old = bn_param.get(key, torch.zeros_like(mean))
            bn_param[key] = momentum * old + (1 - momentum) * value
        return gamma * (x - mean) / torch.sqrt(var + eps) + beta, None

    report = report_on("normalization.torch.batchnorm_forward", forward)
    assert "unbiased variance" in report.misconceptions


# ------------------------------------------------------------------ right for one's own forward


def eps_outside(x, gamma, beta, bn_param):
    mean, sigma = x.mean(0), x.std(0)
    s = sigma + bn_param.get("eps", 1e-5)
    return gamma * (x - mean) / s + beta, (x - mean, sigma, s, gamma)


def consistent(dout, cache):
    """The true gradient of `eps_outside`."""
    x_mu, sigma, s, gamma = cache
    dx_hat = dout * gamma
    along = x_mu * (dx_hat * x_mu).mean(0) / (sigma * s**2)
    return (dx_hat - dx_hat.mean(0)) / s - along, (dout * x_mu / s).sum(0), dout.sum(0)


def test_a_gradient_that_is_right_for_a_wrong_forward_earns_half():
    report = report_on("normalization.batchnorm_backward", eps_outside, consistent)
    shares = {row.check: row.earned / row.points for row in report.rows}
    assert shares.pop("dbeta") == 1  # does not depend on the mistake
    assert shares.pop("float32 and float64 alike, dout stays as it was") == 1  # of types alone
    assert set(shares.values()) == {0.5}, shares


def test_following_a_trivial_forward_earns_nothing():
    def constant(x, gamma, beta, bn_param):
        return np.zeros_like(x), None

    def zeros(dout, cache):
        return np.zeros_like(dout), np.zeros(dout.shape[1]), np.zeros(dout.shape[1])

    assert report_on("normalization.batchnorm_backward", constant, zeros).score == 0


# ------------------------------------------------------------------ hostile and careless functions


class Lying(np.ndarray):
    """An array that claims to equal everything."""

    def __eq__(self, other):
        return True

    def __le__(self, other):
        return np.ones(self.shape, bool)

    __sub__ = __rsub__ = __abs__ = lambda self, *other: np.zeros(self.shape)


def cached(value):
    return lambda x, gamma, beta, bn_param: (value(x) if callable(value) else value, None)


STRANGE = {
    "None for the pair": lambda *args: None,
    "one value": lambda x, *args: x,
    "three values": lambda x, *args: (x, x, x),
    "a generator": lambda x, *args: (row for row in x),
    "a list": cached(lambda x: x.tolist()),
    "text": cached("out"),
    "an array of text": cached(np.array(["a"])),
    "an array of objects": cached(lambda x: x.astype(object)),
    "complex numbers": cached(lambda x: x + 1j),
    "a record array": cached(np.zeros(3, dtype=[("a", float)])),
    "an array that lies": cached(lambda x: np.zeros(x.shape).view(Lying)),
    "a matrix": cached(lambda x: np.asmatrix(x)),
    "a huge array": cached(np.broadcast_to(1.0, (10**6, 10**6))),
    "an empty array": cached(np.zeros((0, 5))),
    "a scalar": cached(3.0),
    "NaN": cached(lambda x: x * np.nan),
    "infinity": cached(lambda x: x + np.inf),
    "whole numbers": cached(lambda x: x.astype(int)),
    "half precision": cached(lambda x: x.astype(np.float16)),
    "a tensor": cached(lambda x: torch.from_numpy(x)),
    "the class of arrays": cached(np.ndarray),
}


@pytest.mark.parametrize("name", STRANGE)
def test_whatever_comes_back_ends_in_a_report_with_nothing_earned(name):
    report = report_on("normalization.batchnorm_forward", STRANGE[name])
    assert report.score == 0
    assert all(row.message and "Traceback" not in str(row) for row in report.rows)
    str(report), report._repr_html_(), report.public()


def test_a_lying_subclass_earns_what_its_numbers_are_worth():
    def forward(*args):
        out, cache = in_numpy.batchnorm_forward(*args)
        return out.view(Lying), cache

    assert_full_marks(report_on("normalization.batchnorm_forward", forward))


@pytest.mark.parametrize("value", [None, "text", [1, "a"], np.zeros((2, 10**6)), np.zeros(3)])
def test_strange_running_statistics_cost_the_checks_that_read_them(value):
    def forward(x, gamma, beta, bn_param):
        out, cache = in_numpy.batchnorm_forward(x, gamma, beta, dict(bn_param))
        bn_param["running_mean"] = bn_param["running_var"] = value
        return out, cache

    report = report_on("normalization.batchnorm_forward", forward)
    assert "output of a training batch" not in failed(report)
    assert "a constant feature, default eps and momentum" in failed(report)


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class Base(BaseException):
    pass


RAISED = [
    (SystemExit(1), "raised SystemExit"),
    (KeyboardInterrupt(), "raised KeyboardInterrupt"),
    (GeneratorExit(), "raised GeneratorExit"),
    (StopIteration(), "raised StopIteration"),
    (MemoryError(), "raised MemoryError"),
    (Unprintable(), "raised Exception"),
    (Base("secret"), "raised BaseException"),
    (NotImplementedError("not for this dtype"), "raised NotImplementedError"),
    (NotImplementedError(), "not written yet"),
    (NotImplementedError("not written yet"), "not written yet"),
    (type("x_is_3_14", (ValueError,), {})("boom"), "raised ValueError"),
]


@pytest.mark.parametrize(("error", "message"), RAISED, ids=lambda e: repr(e)[:40])
def test_whatever_is_raised_ends_in_a_report(error, message):
    def forward(*args):
        raise error

    report = report_on("normalization.batchnorm_forward", forward)
    unknown_mode = 0.5 if isinstance(error, ValueError) else 0
    assert report.score == unknown_mode
    names = {message, message.replace("raised", "expected ValueError, got")}
    assert message in {row.message for row in report.rows if not row.earned} <= names


def test_endless_recursion_ends_in_a_report():
    def forward(*args):
        return forward(*args)

    report = report_on("normalization.batchnorm_forward", forward)
    names = {"raised RecursionError", "expected ValueError, got RecursionError"}
    assert {row.message for row in report.rows} == names


def test_a_key_pressed_by_the_user_stops_the_check():
    def forward(*args):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        report_on("normalization.batchnorm_forward", forward)


def test_printing_and_warning_are_swallowed(capfd):
    def forward(*args):
        print("here I am")
        sys.stderr.write("and here\n")
        warnings.warn("careful", stacklevel=1)
        np.float64(1) / np.float64(0)
        return in_numpy.batchnorm_forward(*args)

    assert_full_marks(report_on("normalization.batchnorm_forward", forward))
    assert capfd.readouterr() == ("", "")


def test_settings_of_numpy_and_of_the_streams_do_not_outlive_a_check():
    stdout, settings = sys.stdout, np.geterr()

    def forward(*args):
        np.seterr(all="raise")
        sys.stdout = None
        return in_numpy.batchnorm_forward(*args)

    assert_full_marks(report_on("normalization.batchnorm_forward", forward))
    assert sys.stdout is stdout and np.geterr() == settings


def test_changing_x_in_place_costs_only_the_check_that_says_so():
    def forward(x, gamma, beta, bn_param):
        out, cache = in_numpy.batchnorm_forward(x, gamma, beta, bn_param)
        x -= x.mean(0)
        return out, cache

    report = report_on("normalization.batchnorm_forward", forward)
    assert failed(report) == {PRECISION}
    assert "x after the call" in str(report)
    later = ("batchnorm_backward", "batchnorm_backward_alt")
    for name in later:
        backward = getattr(in_numpy, name)
        assert_full_marks(report_on(f"normalization.{name}", forward, backward))


def test_changing_dout_in_place_costs_only_the_check_that_says_so():
    def backward(dout, cache):
        gradients = in_numpy.batchnorm_backward(dout, cache)
        dout *= 2
        return gradients

    name = "normalization.batchnorm_backward"
    report = report_on(name, in_numpy.batchnorm_forward, backward)
    assert failed(report) == {"float32 and float64 alike, dout stays as it was"}


def test_a_shortcut_is_refused_while_a_check_runs_and_works_again_afterwards():
    def forward(x, gamma, beta, bn_param):
        return torch.nn.functional.batch_norm(x, None, None, gamma, beta, True), None

    report = report_on("normalization.torch.batchnorm_forward", forward)
    assert report.score == 0
    assert {row.message for row in report.rows} == {"shortcut"}
    assert torch.nn.functional.batch_norm(torch.rand(3, 2), None, None, training=True).shape == (
        3,
        2,
    )


def test_autograd_does_not_write_a_backward_pass():
    def backward(dout, cache):
        x = torch.rand(dout.shape, dtype=dout.dtype).requires_grad_()
        (dx,) = torch.autograd.grad((x * dout).sum(), x)
        return dx, dx[0], dx[0]

    name = "normalization.torch.batchnorm_backward"
    report = report_on(name, in_torch.batchnorm_forward, backward)
    assert report.score == 0
    assert {row.message for row in report.rows} == {"shortcut"}


def test_an_unwritten_forward_is_what_a_backward_waits_for():
    def forward(*args):
        raise NotImplementedError("not written yet")

    name = "normalization.batchnorm_backward"
    report = report_on(name, forward, in_numpy.batchnorm_backward)
    assert report.score == 0
    assert {row.message for row in report.rows} == {"not written yet"}


# ------------------------------------------------------------------ kill the bug

INPUTS = {
    "must have shape": [np.zeros(3, np.float32), np.zeros((0, 2), np.float32)],
    "must be float32": [np.array([[1e4], [1e4 + 1]]), np.array([[1], [2]])],
    "must be finite": [np.full((2, 1), np.nan, np.float32), np.full((2, 1), 2e6, np.float32)],
    "every feature is constant": [np.full((3, 2), 1e4, np.float32)],
    "lies around 0": [np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)],
    "nearly the same output": [np.array([[30.0], [31.0], [29.0]], np.float32)],
}


@pytest.mark.parametrize(("message", "inputs"), INPUTS.items())
def test_an_input_that_does_not_separate_is_told_why(message, inputs):
    name = "normalization.separating_input"
    for x in inputs:
        report = report_on(name, in_numpy.batchnorm_forward, lambda x=x: x)
        assert report.score == 0
        assert message in report.rows[0].message, str(report)


def test_a_wrong_batch_norm_separates_nothing():
    def forward(x, gamma, beta, bn_param):
        return np.zeros_like(x), None

    name = "normalization.separating_input"
    report = report_on(name, forward, in_numpy.separating_input)
    assert report.score == 0 and "your own batchnorm_forward" in report.rows[0].message
