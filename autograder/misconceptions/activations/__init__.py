"""Wrong and other right answers of the family `activations`."""

from autograder.misconceptions.activations import elu, leaky_relu, maxout, separating

MISCONCEPTIONS = (*leaky_relu.WRONG, *separating.WRONG, *maxout.WRONG, *elu.WRONG)
VARIANTS = (*leaky_relu.RIGHT, *separating.RIGHT, *maxout.RIGHT, *elu.RIGHT)
EQUIVALENT = leaky_relu.EQUIVALENT | separating.EQUIVALENT | maxout.EQUIVALENT | elu.EQUIVALENT
__all__ = ["EQUIVALENT", "MISCONCEPTIONS", "VARIANTS"]
