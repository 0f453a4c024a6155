"""Wrong and other right answers of the family `normalization`."""

from autograder.misconceptions.normalization import (
    backward,
    consequences,
    decorrelated,
    equivalent,
    forward,
    groups,
    groups_variants,
    images,
    variants,
)
from autograder.misconceptions.records import where_torch_is

modules = where_torch_is(f"{__name__}.modules")

MISCONCEPTIONS = (
    *forward.FORWARD,
    *backward.BACKWARD,
    *backward.BACKWARD_ALT,
    *images.SPATIAL_FORWARD,
    *images.SPATIAL_BACKWARD,
    *modules.MISCONCEPTIONS,
    *consequences.FOLD,
    *consequences.EFFECTIVE_RATE,
    *consequences.DEBIAS,
    *consequences.SEPARATING,
    *groups.MISCONCEPTIONS,
    *decorrelated.MISCONCEPTIONS,
)
VARIANTS = (
    *variants.VARIANTS,
    *modules.VARIANTS,
    *groups_variants.VARIANTS,
    *decorrelated.VARIANTS,
)
EQUIVALENT = equivalent.EQUIVALENT | decorrelated.EQUIVALENT
