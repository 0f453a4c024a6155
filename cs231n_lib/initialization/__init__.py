r"""Weight initialization (slide 5): neither too small nor too big, but just right.

A weight matrix W has a row for each of the :math:`n_\text{in}` inputs (the fan-in) and a column for
each of the :math:`n_\text{out}` units (the fan-out). Its numbers are drawn independently:

.. math::
    W_{ij} \sim N(0, s^2)                                       \qquad \text{(Init.1)}

Each unit adds up fan-in many products, so a layer multiplies the variance of centred inputs by
:math:`n_\text{in} s^2`. To keep it (Glorot & Bengio 2010, with the fan-in alone), and to keep it
although a ReLU takes away half of the mean square (He et al. 2015, arXiv:1502.01852):

.. math::
    s^2 &= 1 \, / \, n_\text{in}                                && \text{(Init.2)} \\
    s^2 &= 2 \, / \, n_\text{in}                                && \text{(Init.3)}

What comes of it in a deep network, layer after layer with an activation function f:

.. math::
    h_\ell = f(h_{\ell-1} W_\ell), \qquad \text{its mean and its standard deviation}
                                                                \qquad \text{(Init.4)}

===============  ====================  =======================================================
name             variance of W         made for
===============  ====================  =======================================================
small Gaussian   any :math:`s^2`       shallow networks only
Xavier           1/fan_in              linear units, tanh around 0
Glorot           2/(fan_in + fan_out)  the same, and gradients on the way back
Kaiming (He)     2/fan_in              ReLU and its relatives
===============  ====================  =======================================================
"""
