"""Wrong and other right answers of the family `normalization`."""

from autograder.misconceptions.normalization import backward, consequences, forward, images
from autograder.misconceptions.normalization.equivalent import EQUIVALENT
from autograder.misconceptions.normalization.variants import VARIANTS

MISCONCEPTIONS = (
    *forward.FORWARD,
    *backward.BACKWARD,
    *backward.BACKWARD_ALT,
    *images.SPATIAL_FORWARD,
    *images.SPATIAL_BACKWARD,
    *consequences.FOLD,
    *consequences.EFFECTIVE_RATE,
    *consequences.DEBIAS,
    *consequences.SEPARATING,
)
__all__ = ["EQUIVALENT", "MISCONCEPTIONS", "VARIANTS"]
