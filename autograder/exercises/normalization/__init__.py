"""Exercises of the family `normalization`: what is asked, how it is tried, what it is worth."""

from autograder.exercises.normalization import batch, consequences, decorrelated, groups, modules

LESSON_02 = (
    batch.FORWARD,
    batch.BACKWARD,
    batch.BACKWARD_ALT,
    consequences.SEPARATING,
    batch.SPATIAL_FORWARD,
    batch.SPATIAL_BACKWARD,
    consequences.FOLD,
    consequences.EFFECTIVE_RATE,
    consequences.DEBIAS,
    batch.FORWARD.in_torch(points=3),
    batch.BACKWARD.in_torch(points=3),
    batch.BACKWARD_ALT.in_torch(points=1, optional=True),
    modules.BATCH_NORM,
    batch.SPATIAL_FORWARD.in_torch(points=1),
    batch.SPATIAL_BACKWARD.in_torch(points=2),
)
LESSON_03 = (
    groups.LAYER_FORWARD,
    groups.LAYER_BACKWARD,
    groups.INSTANCE_FORWARD,
    groups.INSTANCE_BACKWARD,
    groups.GROUP_FORWARD,
    groups.GROUP_BACKWARD,
    decorrelated.SEPARATING_GROUPS,
    decorrelated.FORWARD,
    decorrelated.BACKWARD,
    groups.LAYER_FORWARD.in_torch(points=4),
    groups.LAYER_BACKWARD.in_torch(points=3),
    groups.INSTANCE_FORWARD.in_torch(points=1, optional=True),
    groups.INSTANCE_BACKWARD.in_torch(points=1, optional=True),
    groups.GROUP_FORWARD.in_torch(points=4),
    groups.GROUP_BACKWARD.in_torch(points=4),
    modules.GROUP_NORM,
    decorrelated.FORWARD.in_torch(points=2, optional=True),
)
EXERCISES = (*LESSON_02, *LESSON_03)
