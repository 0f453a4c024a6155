r"""Normalization (slides 11–19): every layer here is *standardize, then scale and shift*.

Shapes: :math:`x` is (N, D) for fully connected layers and (N, C, H, W) for images.
Batch norm takes its statistics per feature (per channel), over everything else.

Batch normalization, slides 12–14 (Ioffe & Szegedy 2015, arXiv:1502.03167):

.. math::
    \mu_j &= \tfrac1N \sum_i x_{ij}                                             && \text{(BN.1)} \\
    \sigma^2_j &= \tfrac1N \sum_i (x_{ij} - \mu_j)^2                            && \text{(BN.2)} \\
    \hat x_{ij} &= (x_{ij} - \mu_j) \, / \, \sqrt{\sigma^2_j + \varepsilon}     && \text{(BN.3)} \\
    y_{ij} &= \gamma_j \hat x_{ij} + \beta_j                                    && \text{(BN.4)}

Running statistics, for test time (slide 13), with momentum :math:`\rho`:

.. math::
    r_\mu &\leftarrow \rho \, r_\mu + (1 - \rho) \, \mu                         && \text{(BN.5)} \\
    r_{\sigma^2} &\leftarrow \rho \, r_{\sigma^2} + (1 - \rho) \, \sigma^2      && \text{(BN.6)}

This is the opposite of PyTorch's momentum, and :math:`\sigma^2` is the biased variance
(PyTorch keeps the unbiased one). Started at zero, a running statistic after t batches is too
small by a known factor:

.. math::
    \tilde r = r \, / \, (1 - \rho^t)                                           && \text{(BN.7)}

The backward pass, step by step along the computation graph, with :math:`s = \sqrt{\sigma^2 +
\varepsilon}` and :math:`g` the gradient of the loss with respect to :math:`y`:

.. math::
    d\beta_j &= \sum_i g_{ij}                                                   && \text{(BN.8)} \\
    d\gamma_j &= \sum_i g_{ij} \hat x_{ij}                                      && \text{(BN.9)} \\
    d\hat x_{ij} &= g_{ij} \gamma_j                                             && \text{(BN.10)} \\
    d\sigma^2_j &= -\tfrac12 s_j^{-3} \sum_i d\hat x_{ij} (x_{ij} - \mu_j)      && \text{(BN.11)} \\
    d\mu_j &= -s_j^{-1} \sum_i d\hat x_{ij}                                     && \text{(BN.12)} \\
    dx_{ij} &= s_j^{-1} d\hat x_{ij}
               + \tfrac2N (x_{ij} - \mu_j) \, d\sigma^2_j + \tfrac1N d\mu_j     && \text{(BN.13)}

and simplified, with everything put together:

.. math::
    dx_{ij} = \frac{\gamma_j}{s_j}
              \Bigl(g_{ij} - \tfrac1N d\beta_j - \tfrac1N \hat x_{ij} \, d\gamma_j\Bigr)
                                                                                && \text{(BN.14)}

Consequences. At test time batch norm is affine, so it folds into the affine layer before it:

.. math::
    W' = W \, \gamma / s, \qquad b' = (b - r_\mu) \, \gamma / s + \beta         && \text{(BN.15)}

The output ignores the length of each column w of W, hence :math:`\langle w, \partial L/\partial
w\rangle = 0`: a gradient step can only lengthen w, L2 (slide 70, without ½) only shortens it, and
what matters is the rate that the *direction* of w sees (van Laarhoven 2017, arXiv:1706.05350):

.. math::
    \lVert w' \rVert^2 &= (1 - 2 \alpha \lambda)^2 \lVert w \rVert^2
                          + \alpha^2 \lVert \partial L / \partial w \rVert^2   && \text{(BN.16)} \\
    \alpha_\text{eff} &= \alpha \, / \, \lVert w' \rVert^2                       && \text{(BN.17)}

==============  ===================  ========================  =======================
layer           statistics over      one mean per              train = test?
==============  ===================  ========================  =======================
batch norm      N                    feature                   no: running statistics
spatial         N, H, W              channel                   no: running statistics
==============  ===================  ========================  =======================
"""

from cs231n_lib.errors import at_least, between


def bn_options(size):
    """Return what `bn_param` may hold, for statistics of shape (`size`,), such as "D" or "C"."""
    return {
        "mode": ("train", "test"),
        "eps": at_least(0),
        "momentum": between(0, 1),
        "running_mean": size,
        "running_var": size,
    }
