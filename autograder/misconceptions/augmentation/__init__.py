"""Wrong and other right answers of the family `augmentation`."""

from autograder.misconceptions.augmentation import (
    colors,
    crops,
    geometry,
    pipeline,
)

MISCONCEPTIONS = (
    *crops.MISCONCEPTIONS,
    *colors.MISCONCEPTIONS,
    *geometry.MISCONCEPTIONS,
    *pipeline.MISCONCEPTIONS,
)
