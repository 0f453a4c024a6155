"""Layer, instance and group norm as students write them: in the style of the usual assignment."""

import numpy as np
import pytest
import torch

from autograder import exercises
from autograder.check import run
from cs231n_lib.normalization import in_numpy, in_torch

PRECISION = "float32 and float64 alike, dout stays as it was"


def report_on(exercise_id, *functions):
    exercise = exercises.find(exercise_id)
    return run(exercise, dict(zip(exercise.functions, functions, strict=True)))


def assert_full_marks(report):
    assert report.score == report.points, str(report)
    assert not report.misconceptions and not any(row.remark for row in report.rows)


# ------------------------------------------------------------------ right


def shared_forward(x, gamma, beta, param):
    """One function for batch and layer norm, which differ in an axis and a transpose."""
    layernorm = param.get("layernorm", 0)
    eps = param.get("eps", 1e-5)
    mean, var = x.mean(axis=0), x.var(axis=0)
    std = np.sqrt(var + eps)
    x_hat = (x - mean) / std
    out = gamma * x_hat + beta
    return out, (x, mean, std, gamma, x_hat, (0, 1)[layernorm])


def layer_forward(x, gamma, beta, ln_param):
    param = {**ln_param, "mode": "train", "layernorm": 1}
    gamma, beta = np.atleast_2d(gamma).T, np.atleast_2d(beta).T
    out, cache = shared_forward(x.T, gamma, beta, param)
    return out.T, cache


def layer_backward(dout, cache):
    x, _, std, gamma, x_hat, axis = cache
    dout = dout.T
    N = x.shape[0]
    dbeta, dgamma = dout.sum(axis=axis), (dout * x_hat).sum(axis=axis)
    dfdz = dout * gamma
    sums = np.sum(dfdz, axis=0), np.sum(dfdz * x_hat, axis=0)
    dx = (dfdz - sums[0] / N - x_hat * sums[1] / N) / std
    return dx.T, dgamma, dbeta


def group_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get("eps", 1e-5)
    N, C, H, W = x.shape
    x = x.reshape((N * G, C // G * H * W)).T
    mean = np.mean(x, axis=0)
    xc = x - mean
    std = np.sqrt(np.mean(xc**2, axis=0) + eps)
    xn = (xc / std).T.reshape(N, C, H, W)
    return gamma * xn + beta, (std, gamma, xn, (N, C, H, W, G))


def group_backward(dout, cache):
    std, gamma, xn, (N, C, H, W, G) = cache
    dbeta = np.sum(dout, axis=(0, 2, 3))[None, :, None, None]
    dgamma = np.sum(dout * xn, axis=(0, 2, 3))[None, :, None, None]
    dxn = (dout * gamma).reshape((N * G, C // G * H * W)).T
    xn = xn.reshape((N * G, C // G * H * W)).T
    M = dxn.shape[0]
    dx = 1.0 / M / std * (M * dxn - dxn.sum(axis=0) - xn * (dxn * xn).sum(axis=0))
    return dx.T.reshape(N, C, H, W), dgamma, dbeta


def instance_forward(x, gamma, beta, in_param):
    """Instance norm as the group norm with a group for each channel."""
    shaped = [a.reshape(1, -1, 1, 1) for a in (gamma, beta)]
    return group_forward(x, *shaped, x.shape[1], in_param)


def instance_backward(dout, cache):
    dx, dgamma, dbeta = group_backward(dout, cache)
    return dx, dgamma.ravel(), dbeta.ravel()


PAIRS = {
    "layernorm": (layer_forward, layer_backward),
    "instancenorm": (instance_forward, instance_backward),
    "spatial_groupnorm": (group_forward, group_backward),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_code_in_the_style_of_the_assignment_earns_full_marks(kind):
    forward, backward = PAIRS[kind]
    assert_full_marks(report_on(f"normalization.{kind}_forward", forward))
    assert_full_marks(report_on(f"normalization.{kind}_backward", forward, backward))


# ------------------------------------------------------------------ wrong


def of_batches(x, gamma, beta, ln_param):
    """The lines of batch norm, pasted in."""
    mean, var = x.mean(axis=0), x.var(axis=0)
    return gamma * (x - mean) / np.sqrt(var + ln_param.get("eps", 1e-5)) + beta, None


def group_by_pixel(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    groups = x.reshape(N, G, C // G, H, W)
    mean, var = groups.mean(axis=2, keepdims=True), groups.var(axis=2, keepdims=True)
    x_hat = (groups - mean) / np.sqrt(var + gn_param.get("eps", 1e-5))
    return gamma * x_hat.reshape(N, C, H, W) + beta, None


def group_with_lost_reshape(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    np.reshape(x, (N * G, C // G, H, W))
    mean, var = x.mean(axis=(1, 2, 3), keepdims=True), x.var(axis=(1, 2, 3), keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + gn_param.get("eps", 1e-5)) + beta, None


def group_of_groups(x, gamma, beta, G, gn_param):
    return group_forward(x, gamma, beta, x.shape[1] // G, gn_param)


def instance_over_batch(x, gamma, beta, in_param):
    mean, var = x.mean(axis=(0, 2, 3), keepdims=True), x.var(axis=(0, 2, 3), keepdims=True)
    x_hat = (x - mean) / np.sqrt(var + in_param.get("eps", 1e-5))
    return gamma[None, :, None, None] * x_hat + beta[None, :, None, None], None


@pytest.mark.parametrize(
    ("kind", "wrong", "name"),
    [
        ("layernorm", of_batches, "statistics over the batch"),
        ("instancenorm", instance_over_batch, "statistics over the batch too"),
        ("spatial_groupnorm", group_by_pixel, "statistics of each pixel in its group"),
        (
            "spatial_groupnorm",
            group_with_lost_reshape,
            "the reshape into groups has no effect",
        ),
        ("spatial_groupnorm", group_of_groups, "C/G groups in place of G"),
    ],
)
def test_wrong_forward_passes_lose_points_and_are_named(kind, wrong, name):
    report = report_on(f"normalization.{kind}_forward", wrong)
    assert report.score < report.points / 2
    assert report.misconceptions == (name,)


def test_the_gradient_of_batch_norm_is_told_from_that_of_layer_norm():
    def backward(dout, cache):
        x_hat, gamma, std = cache
        dbeta, dgamma = dout.sum(axis=0), (dout * x_hat).sum(axis=0)
        D = dout.shape[1]
        means = dout.sum(axis=1, keepdims=True) / D, (dout * x_hat).sum(axis=1, keepdims=True) / D
        return gamma / std * (dout - means[0] - x_hat * means[1]), dgamma, dbeta

    report = report_on("normalization.layernorm_backward", in_numpy.layernorm_forward, backward)
    assert report.misconceptions == ("gamma in front, as in batch norm",)


def test_a_gradient_that_is_right_for_a_wrong_forward_earns_half():
    def forward(x, gamma, beta, G, gn_param):
        return in_numpy.spatial_groupnorm_forward(x, gamma, beta, 4, gn_param)

    backward = in_numpy.spatial_groupnorm_backward
    report = report_on("normalization.spatial_groupnorm_backward", forward, backward)
    shares = {row.check: row.earned / row.points for row in report.rows}
    assert shares.pop("dbeta") == 1  # does not depend on the mistake
    assert shares.pop(PRECISION) == 1  # of types alone
    assert set(shares.values()) == {0.5}, shares


SHORTCUTS = {
    "layernorm": lambda x, gamma, beta, ln_param: (
        torch.nn.functional.layer_norm(x, gamma.shape, gamma, beta, ln_param.get("eps", 1e-5)),
        None,
    ),
    "instancenorm": lambda x, gamma, beta, in_param: (
        torch.nn.InstanceNorm2d(len(gamma), in_param.get("eps", 1e-5))(x),
        None,
    ),
    "spatial_groupnorm": lambda x, gamma, beta, G, gn_param: (
        torch.nn.GroupNorm(G, x.shape[1], gn_param.get("eps", 1e-5))(x),
        None,
    ),
}


@pytest.mark.parametrize("kind", SHORTCUTS)
def test_shortcuts_are_refused(kind):
    report = report_on(f"normalization.torch.{kind}_forward", SHORTCUTS[kind])
    assert report.score == 0
    assert {row.message for row in report.rows} == {"shortcut"}


@pytest.mark.parametrize("kind", PAIRS)
def test_pytorch_in_its_own_style(kind):
    """An example at a time, as a function of one example would be mapped over the batch."""

    def forward(x, gamma, beta, *rest):
        parts = [getattr(in_torch, f"{kind}_forward")(e, gamma, beta, *rest) for e in x.split(1)]
        return torch.cat([out for out, _ in parts]), [cache for _, cache in parts]

    def backward(dout, caches):
        function = getattr(in_torch, f"{kind}_backward")
        parts = [function(d, cache) for d, cache in zip(dout.split(1), caches, strict=True)]
        dx, dgamma, dbeta = zip(*parts, strict=True)
        return torch.cat(dx), sum(dgamma), sum(dbeta)

    assert_full_marks(report_on(f"normalization.torch.{kind}_forward", forward))
    assert_full_marks(report_on(f"normalization.torch.{kind}_backward", forward, backward))
