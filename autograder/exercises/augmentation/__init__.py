"""Exercises of the family `augmentation`: what is asked, how it is tried, what it is worth."""

from autograder.exercises.augmentation import colors, crops, geometry, pipeline
from autograder.exercises.augmentation.shared import in_torch

EXERCISES = (
    crops.FLIP,
    crops.PAD_CROP,
    crops.RESIZE,
    crops.SEPARATING,
    crops.TEN,
    crops.AVERAGE,
    colors.JITTER,
    colors.COMPONENTS,
    colors.OFFSETS,
    geometry.MATRICES,
    geometry.WARP,
    pipeline.PIPELINE,
    geometry.LENS,
    pipeline.MIXUP,
    in_torch(crops.FLIP, points=1, optional=True),
    in_torch(crops.PAD_CROP, points=2, optional=True),
    in_torch(colors.JITTER, points=5),
    in_torch(geometry.WARP, points=7, small=geometry.SMALL_WARP_IN_TORCH),
)
