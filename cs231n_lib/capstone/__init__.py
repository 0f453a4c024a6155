r"""The capstone (slide 108): one network with everything, and what each ingredient is worth.

There is nothing new in the network, so what is written here is how to measure it. An *ablation*
leaves out one of K ingredients at a time, never two. Row 0 of a table of accuracies is the complete
recipe, row k the recipe without ingredient k, and each column is one seed, the same for all rows:

.. math::
    a_{ks} = \text{train}(\text{recipe without } k, \; s)                 && \text{(Ablation.1)}

Seeds differ from each other by more than most ingredients change, so the two runs of one seed are
subtracted before anything is averaged:

.. math::
    d_{ks} &= a_{0s} - a_{ks}                                             && \text{(Ablation.2)} \\
    \bar d_k &= \tfrac1S \sum_s d_{ks}                                    && \text{(Ablation.3)} \\
    \bar d_k &\pm t \, \frac{1}{\sqrt S}
        \sqrt{\tfrac{1}{S-1} \sum_s (d_{ks} - \bar d_k)^2}                && \text{(Ablation.4)}

with t the quantile of Student's distribution. An interval that holds 0 shows nothing.
"""

from cs231n_lib.errors import array


def two_rows(name, value, known):
    """Rule for `validated`: (1 + K, S) accuracies of at least two recipes and two seeds."""
    array("recipes seeds")(name, value, known)
    if min(value.shape) < 2:
        raise ValueError(
            f"{name} must have shape (1 + K, S), a row for the complete recipe and for each of K "
            f"ingredients, a column for each of at least two seeds, got shape {value.shape}"
        )
