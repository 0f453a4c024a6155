"""Wrong and other right answers of the family `optim`."""

from autograder.misconceptions.optim import adaptive, momentum, separating
from autograder.misconceptions.optim.equivalent import EQUIVALENT
from autograder.misconceptions.optim.variants import VARIANTS
from autograder.misconceptions.records import where_torch_is

classes = where_torch_is(f"{__name__}.classes")
MISCONCEPTIONS = (
    *momentum.SGD,
    *momentum.MOMENTUM,
    *momentum.UNSCALED,
    *momentum.LOOKAHEAD,
    *momentum.NESTEROV,
    *separating.CURVATURES,
    *adaptive.ADAGRAD,
    *adaptive.RMSPROP,
    *adaptive.ADAM_UNCORRECTED,
    *adaptive.ADAM,
    *adaptive.ADAMW,
    *separating.GRADIENTS,
    *classes.MISCONCEPTIONS,
)
VARIANTS = (*VARIANTS, *classes.VARIANTS)
__all__ = ["EQUIVALENT", "MISCONCEPTIONS", "VARIANTS"]
