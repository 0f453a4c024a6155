"""Layer, instance and group normalization: statistics within one example."""

from types import MappingProxyType

from autograder.checking.judge import keeps_types
from autograder.exercises.normalization import tiny
from autograder.exercises.normalization.shared import (
    PRECISION,
    Normalization,
    backward_checks,
    checks,
    defaults,
    exercise,
    large_mean,
    output,
    types_and_inputs,
)

C, G = 8, 2  # neither C nor C / G can be taken for G, G² or another axis

LAYER = Normalization(
    "layernorm_forward", "layernorm_backward", shape=(7, 5), axes=(1,), one_mean=(1,)
)
INSTANCE = Normalization(
    "instancenorm_forward",
    "instancenorm_backward",
    shape=(3, 4, 2, 5),
    axes=(2, 3),
    one_mean=(1, 1),
)
GROUP = Normalization(
    "spatial_groupnorm_forward",
    "spatial_groupnorm_backward",
    shape=(3, C, 5, 7),
    view=(3, G, C // G, 5, 7),
    axes=(2, 3, 4),
    one_mean=(1, slice(C // G, C)),
    parameters=(1, -1, 1, 1),
    extra=(G,),
)


def forward_checks(norm, one_mean, points, identities=MappingProxyType({})):
    """Return the checks of a forward pass that looks at one example at a time.

    Args:
        norm: what is tried.
        one_mean: words for numbers that share a mean.
        points: of the checks, in order.
        identities: {title: the arguments before the options} of further checks of the output.
    """

    usual = norm.enlarged()

    def alone(impl, rng):
        x, gamma, beta = usual.arrays(rng)
        return {"out": usual.call(impl, (x[:1], gamma, beta))[0]}

    scenarios = {
        "output of a batch": (output(usual), None),
        "another eps": (output(norm), None),
        f"{one_mean}, default eps": (defaults(norm), None),
        "an example alone gives what it gives in a batch": (alone, None),
        **{title: (output(usual, extra), None) for title, extra in identities.items()},
        "float32 around a mean of 10,000": (large_mean(norm), None),
        PRECISION: (types_and_inputs(norm), keeps_types),
    }
    return checks(scenarios, points)


LAYER_FORWARD = exercise(
    "Layer normalization, forward",
    "layernorm_forward",
    forward_checks(LAYER, "a constant example", (3, 1, 1, 1.5, 1, 1.5)),
    "15",
    small=tiny.LAYER,
    look=tiny.LOOK_LAYER,
)
LAYER_BACKWARD = exercise(
    "Layer normalization, backward",
    "layernorm_forward layernorm_backward",
    backward_checks(LAYER, (1, 1, 1, 1, 1, 2, 1)),
    "15",
    small=tiny.LAYER_BACKWARD,
    look=tiny.LOOK_LAYER_BACKWARD,
)
INSTANCE_FORWARD = exercise(
    "Instance normalization, forward",
    "instancenorm_forward",
    forward_checks(INSTANCE, "a constant channel of an image", (1.75, 0.75, 0.75, 1, 0.75, 1)),
    "16",
    small=tiny.INSTANCE,
    look=tiny.LOOK_INSTANCE,
)
INSTANCE_BACKWARD = exercise(
    "Instance normalization, backward",
    "instancenorm_forward instancenorm_backward",
    backward_checks(INSTANCE, (0.5, 0.5, 0.5, 0.5, 0.5, 1.5, 1)),
    "16",
    small=tiny.INSTANCE_BACKWARD,
    look=tiny.LOOK_INSTANCE_BACKWARD,
)
GROUP_FORWARD = exercise(
    "Group normalization, forward",
    "spatial_groupnorm_forward",
    forward_checks(
        GROUP,
        "a constant group of channels",
        (2, 0.75, 1.25, 1, 1, 1, 1, 1),
        {"G = 1: layer norm over all of an image": (1,), "G = C: instance norm": (C,)},
    ),
    "18",
    small=tiny.GROUP,
    look=tiny.LOOK_GROUP,
)
GROUP_BACKWARD = exercise(
    "Group normalization, backward",
    "spatial_groupnorm_forward spatial_groupnorm_backward",
    backward_checks(GROUP, (1, 1, 1, 1, 1, 2, 1)),
    "18",
    small=tiny.GROUP_BACKWARD,
    look=tiny.LOOK_GROUP_BACKWARD,
)
