"""Batch normalization of rows and of images: forward, with its two modes, and backward."""

from dataclasses import replace

from autograder.checking.judge import keeps_types
from autograder.checking.scenarios import refusal, refuses
from autograder.exercises.normalization import tiny
from autograder.exercises.normalization.shared import (
    EPS,
    MOMENTUM,
    PRECISION,
    Normalization,
    backward_checks,
    checks,
    defaults,
    exercise,
    large_mean,
    output,
    running,
    shaped,
    types_and_inputs,
)

ROWS = Normalization(
    "batchnorm_forward",
    "batchnorm_backward",
    shape=(7, 5),
    axes=(0,),
    one_mean=(slice(None), 1),
    options={"mode": "train", "eps": EPS, "momentum": MOMENTUM},
    unlike=False,
)
ROWS_ALT = replace(ROWS, backward="batchnorm_backward_alt")
IMAGES = replace(
    ROWS,
    forward="spatial_batchnorm_forward",
    backward="spatial_batchnorm_backward",
    shape=(3, 4, 2, 5),
    axes=(0, 2, 3),
)


def forward_checks(norm, points):
    """Return the checks of a forward pass with running statistics."""
    features = norm.shape[1]
    usual = norm.enlarged()

    def training(**options):
        return {**norm.options, **options}

    def running_statistics(impl, rng):
        return shaped(train_three(impl, rng))

    def train_three(impl, rng, norm=norm):
        bn_param = dict(norm.options)
        for _ in range(3):
            norm.call(impl, norm.arrays(rng), bn_param)
        return bn_param

    def in_test_mode(impl, rng, norm):
        arrays = norm.arrays(rng)
        mean = norm.scale * rng.normal(size=features)
        var = norm.scale**2 * rng.uniform(0.5, 2, features)
        statistics = {"running_mean": mean, "running_var": var}
        bn_param = {**norm.options, "mode": "test", **statistics}
        out, _ = norm.call(impl, arrays, bn_param)
        return {"out": out, **running(bn_param)}

    def given_statistics(impl, rng):
        return in_test_mode(impl, rng, usual)

    def another_eps_in_test(impl, rng):
        return {"out": in_test_mode(impl, rng, norm)["out"]}

    def train_then_test(impl, rng):
        bn_param = train_three(impl, rng, usual)
        x, gamma, beta = usual.arrays(rng)
        bn_param["mode"] = "test"
        out, _ = usual.call(impl, (x[:1], gamma, beta), bn_param)
        return {"out": out}

    def unknown_mode(impl, rng):
        arrays = norm.arrays(rng)
        return refusal(lambda: norm.call(impl, arrays, training(mode="tests")))

    scenarios = {
        "output of a training batch": (output(usual), None),
        "another eps, train mode": (output(norm), None),
        "another eps, test mode": (another_eps_in_test, None),
        "a constant feature, default eps and momentum": (defaults(norm), None),
        "running statistics after three batches": (running_statistics, None),
        "test mode with given statistics": (given_statistics, None),
        "test mode after three training batches": (train_then_test, None),
        "float32 around a mean of 10,000": (large_mean(norm), None),
        PRECISION: (types_and_inputs(norm), keeps_types),
        "a mode that is neither train nor test": (unknown_mode, refuses),
    }
    return checks(scenarios, points)


FORWARD = exercise(
    "Batch normalization, forward",
    "batchnorm_forward",
    forward_checks(ROWS, (2.5, 0.75, 0.75, 1.5, 3, 3, 1.5, 1.5, 1, 0.5)),
    "11–13",
    small=tiny.BATCH,
    look=tiny.LOOK_BATCH,
)
BACKWARD = exercise(
    "Batch normalization, backward",
    "batchnorm_forward batchnorm_backward",
    backward_checks(ROWS, (2, 2, 3, 2, 2, 2, 1)),
    "12",
    small=tiny.batch_backward("batchnorm_backward"),
    look=tiny.LOOK_BATCH_BACKWARD,
)
BACKWARD_ALT = exercise(
    "Batch normalization, backward in one formula",
    "batchnorm_forward batchnorm_backward_alt",
    backward_checks(ROWS_ALT, (1, 1, 1, 1, 1, 2, 1)),
    "12",
    small=tiny.batch_backward("batchnorm_backward_alt"),
    look=tiny.LOOK_BATCH_BACKWARD_ALT,
)
SPATIAL_FORWARD = exercise(
    "Batch normalization for ConvNets, forward",
    "batchnorm_forward spatial_batchnorm_forward",
    forward_checks(IMAGES, (1, 0.5, 0.5, 1, 1, 1, 0.5, 1, 1, 0.5)),
    "14",
    small=tiny.IMAGES,
    look=tiny.LOOK_IMAGES,
)
SPATIAL_BACKWARD = exercise(
    "Batch normalization for ConvNets, backward",
    "batchnorm_forward batchnorm_backward spatial_batchnorm_forward spatial_batchnorm_backward",
    backward_checks(IMAGES, (0.5, 0.5, 1, 1, 1, 1, 1)),
    "14",
    small=tiny.IMAGES_BACKWARD,
    look=tiny.LOOK_IMAGES_BACKWARD,
)
