"""Wrong and other right answers of the family `second_order`."""

from autograder.misconceptions.second_order import factored, newton, quasi_newton
from autograder.misconceptions.second_order.equivalent import EQUIVALENT
from autograder.misconceptions.second_order.variants import VARIANTS

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
)
__all__ = ["EQUIVALENT", "MISCONCEPTIONS", "VARIANTS"]
