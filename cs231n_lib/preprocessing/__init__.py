r"""Data preprocessing (slides 6–7): *learn on the training data, apply to everything*.

Shapes: the training data :math:`x` is (N, D), the validation data :math:`v` is (M, D): one row per
example, one column per feature. Every statistic comes from the training data alone, because at
test time there is nothing else to take it from.

Centring and scaling, for each feature j:

.. math::
    \mu_j &= \tfrac1N \sum_i x_{ij},
        \qquad x_{ij} \to x_{ij} - \mu_j                                        && \text{(Pre.1)} \\
    \sigma^2_j &= \tfrac1N \sum_i (x_{ij} - \mu_j)^2                            && \text{(Pre.2)} \\
    \hat x_{ij} &= (x_{ij} - \mu_j) \, / \, \sqrt{\sigma^2_j + \varepsilon}     && \text{(Pre.3)}

Turning the axes, for all features together. :math:`\Sigma` is (D, D), its eigenvectors are the
columns of :math:`U`, its eigenvalues :math:`\lambda_1 \ge \lambda_2 \ge \dots` the variances along
them; :math:`U_k` are the first k columns:

.. math::
    \Sigma &= \tfrac1N (x - \mu)^\top (x - \mu)                                 && \text{(Pre.4)} \\
    \Sigma &= U \, \operatorname{diag}(\lambda) \, U^\top                       && \text{(Pre.5)} \\
    z &= (x - \mu) \, U_k                                                       && \text{(Pre.6)} \\
    w &= (x - \mu) \, U \operatorname{diag}\bigl(1/\sqrt{\lambda + \varepsilon}\bigr) \, U^\top
                                                                                && \text{(Pre.7)}

An eigenvector's sign is arbitrary, so each column of z is determined up to its sign. w is fully
determined: it turns back at the end, which is called ZCA whitening. Without the last factor it is
PCA whitening, the same cloud seen from another side.

===========  ===================  =====================  ==========================
step         mean of a feature    variance of a feature  covariance of two features
===========  ===================  =====================  ==========================
zero_center  0                    as it was              as it was
normalize    0                    1                      as it was, rescaled
pca          0                    :math:`\lambda_j`      0
whiten       0                    1                      0
===========  ===================  =====================  ==========================

(Up to :math:`\varepsilon`, and on the training data; on validation data nearly.)
"""

from cs231n_lib.errors import whole


def directions(name, value, known):
    """Rule for `validated`: a whole number of directions, from 1 to the D features."""
    whole(1)(name, value)
    D, source = known["D"]
    if value > D:
        raise ValueError(f"{name} must be at most D = {D}, the features of {source}, got {value}")
