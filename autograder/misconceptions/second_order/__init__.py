"""Wrong and other right answers of the family `second_order`."""

from autograder.misconceptions.records import where_torch_is
from autograder.misconceptions.second_order import factored, newton, quasi_newton, variants
from autograder.misconceptions.second_order.equivalent import EQUIVALENT

classes = where_torch_is(f"{__name__}.classes")

MISCONCEPTIONS = (
    *newton.MODEL,
    *newton.NEWTON,
    *newton.SADDLE_FREE,
    *quasi_newton.UPDATE,
    *quasi_newton.DIRECTION,
    *quasi_newton.MISLEADING,
    *factored.OUTPUT_GRADIENTS,
    *factored.FACTORS,
    *factored.DIRECTION,
    *classes.MISCONCEPTIONS,
)
VARIANTS = (*variants.VARIANTS, *classes.VARIANTS)
__all__ = ["EQUIVALENT", "MISCONCEPTIONS", "VARIANTS"]
