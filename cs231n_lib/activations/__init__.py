r"""Activation functions (slides 3–4): what a unit makes of its input, and the slope it passes back.

All but maxout work element by element on arrays of any shape, so the backward pass is
:math:`dx = g \cdot f'(x)`, with :math:`g` the gradient of the loss with respect to the output.

Those that saturate, with slopes written by their own outputs :math:`y`:

.. math::
    \sigma(x) &= 1 \, / \, (1 + e^{-x})                          && \text{(Act.1)} \\
    \sigma'(x) &= y \, (1 - y)                                   && \text{(Act.2)} \\
    \tanh(x) &= (e^x - e^{-x}) \, / \, (e^x + e^{-x})            && \text{(Act.3)} \\
    \tanh'(x) &= 1 - y^2                                         && \text{(Act.4)}

Those that pass positive numbers on as they are; at a kink any slope between those of the two sides
is right:

.. math::
    \text{ReLU}(x) &= \max(0, x)                                 && \text{(Act.5)} \\
    \text{ReLU}'(x) &= 1 \text{ for } x > 0, \text{ else } 0     && \text{(Act.6)} \\
    \text{leaky}(x) &= \max(\alpha x, x)                         && \text{(Act.7)} \\
    \text{leaky}'(x) &= 1 \text{ for } x > 0, \text{ else } \alpha && \text{(Act.8)} \\
    \text{ELU}(x) &= x \text{ for } x > 0, \text{ else } \alpha \, (e^x - 1) && \text{(Act.9)} \\
    \text{ELU}'(x) &= 1 \text{ for } x > 0, \text{ else } \alpha e^x = y + \alpha && \text{(Act.10)}

Maxout takes the largest of K affine pieces :math:`z_k`, so it holds weights of its own. Its
gradient goes to the piece that was largest, :math:`k^*`; where several are, any shares that sum to
1 are right:

.. math::
    z_k &= x W_k + b_k                                           && \text{(Act.11)} \\
    y &= \max_k z_k                                              && \text{(Act.12)} \\
    dz_k &= g \text{ for } k = k^*, \text{ else } 0              && \text{(Act.13)} \\
    dx &= \sum_k dz_k W_k^T                                      && \text{(Act.14)} \\
    dW_k &= x^T dz_k                                             && \text{(Act.15)} \\
    db_k &= \textstyle\sum_i dz_{ki}                             && \text{(Act.16)}

==========  ==============  ===============  ==================================
name        output          largest slope    slope far on the negative side
==========  ==============  ===============  ==================================
sigmoid     (0, 1)          1/4              0: saturates on both sides
tanh        (−1, 1)         1                0: saturates on both sides
ReLU        [0, ∞)          1                0: a unit can die
leaky ReLU  (−∞, ∞)         1                α
ELU         (−α, ∞)         1 (for α ≤ 1)    0, but only gradually
maxout      (−∞, ∞)         of the weights   of the weights; K times as many
==========  ==============  ===============  ==================================
"""
