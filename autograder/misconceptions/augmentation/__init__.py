"""Wrong and other right answers of the family `augmentation`."""

from autograder.misconceptions.augmentation import (
    colors,
    crops,
    equivalent,
    geometry,
    pipeline,
    variants,
    variants_torch,
)

MISCONCEPTIONS = (
    *crops.MISCONCEPTIONS,
    *colors.MISCONCEPTIONS,
    *geometry.MISCONCEPTIONS,
    *pipeline.MISCONCEPTIONS,
)
VARIANTS = (*variants.VARIANTS, *variants_torch.VARIANTS)
EQUIVALENT = equivalent.EQUIVALENT
