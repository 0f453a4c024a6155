r"""Regularization (slides 69–84, 93–96): penalties on the weights, and noise in training.

Shapes: :math:`x` is (N, D), or (N, C, H, W) for images, and :math:`W` has any shape.
:math:`p` is always the probability to *keep* what noise may take away, as on slide 72.

DropConnect, slide 94 (Wan et al. 2013), takes away *weights*, and every example n has a mask of its
own. The bias stays; the paper masks it too, which is the same as a weight on an input that is
always 1:

.. math::
    M_{ndm} &\sim \mathrm{Bernoulli}(p)                                         && \text{(DC.1)} \\
    u_{nm} &= \sum_d x_{nd} \, M_{ndm} W_{dm} + b_m                             && \text{(DC.2)} \\
    dx_{nd} &= \sum_m g_{nm} \, M_{ndm} W_{dm}                                  && \text{(DC.3)} \\
    dW_{dm} &= \sum_n x_{nd} \, M_{ndm} \, g_{nm}                               && \text{(DC.4)} \\
    db_m &= \sum_n g_{nm}                                                       && \text{(DC.5)}

At test time u is a sum of many independent terms, so nearly Gaussian, with the same two moments.
The paper draws K numbers z from N(0, 1) for each u and averages *after* the nonlinearity; for ReLU
the mean of the Gaussian has a closed form, with :math:`\Phi` and :math:`\varphi` the distribution
function and the density of N(0, 1). The mean network forgets the variance:

.. math::
    \mu &= p \, x W + b                                                         && \text{(DC.6)} \\
    \sigma^2 &= p (1 - p) \, (x \circ x)(W \circ W)                             && \text{(DC.7)} \\
    y &= \tfrac1K \sum_k \max(0, \mu + \sigma z_k)                              && \text{(DC.8)} \\
    E[y] &= \mu \, \Phi(\mu / \sigma) + \sigma \, \varphi(\mu / \sigma)         && \text{(DC.9)} \\
    y &\approx \max(0, \mu)                                                     && \text{(DC.10)}

Fractional max pooling, slide 95 (Graham 2014, arXiv:1412.6071), from :math:`N_{in}` rows to
:math:`N_{out}`, with :math:`\alpha = N_{in} / N_{out}` between 1 and 2. Boundaries
:math:`a_0 = 0, \dots, a_{N_{out}} = N_{in}` rise by 1 or 2, pseudo-random (one u for all of them)
or random (a random order of as many ones and twos as are needed). Rows and columns have boundaries
of their own; all images and channels of a batch share them. Regions are disjoint or overlap by one
row, where the image does not end:

.. math::
    a_i &= \lceil \alpha (i + u) \rceil - \lceil \alpha u \rceil,
           \qquad u \sim U(0, 1)                                                && \text{(FMP.1)} \\
    a_i - a_{i-1} &= 2 \text{ for } N_{in} - N_{out} \text{ of the } i,
           \text{ else } 1                                                      && \text{(FMP.2)} \\
    R_i &= \{a_{i-1}, \dots, a_i - 1\} \quad \text{or} \quad
           \{a_{i-1}, \dots, \min(a_i, N_{in} - 1)\}                            && \text{(FMP.3)} \\
    y_{ij} &= \max_{r \in R_i, \, c \in C_j} x_{rc}                             && \text{(FMP.4)} \\
    dx_{rc} &= \sum_{ij} g_{ij} \,
           [\, x_{rc} \text{ is the first maximum of } R_i \times C_j \,]       && \text{(FMP.5)} \\
    E[y] &\approx \tfrac1K \sum_k y^{(k)}                                       && \text{(FMP.6)}

Stochastic depth, slide 96 (Huang et al. 2016, arXiv:1603.09382): of L residual blocks, block l
keeps its branch f with a probability that falls from block to block; q is drawn once for a batch,
or for each example. The paper scales at test time, others in training:

.. math::
    p_l &= 1 - \tfrac{l}{L} (1 - p_L), \qquad l = 1, \dots, L                   && \text{(SD.1)} \\
    q &\sim \mathrm{Bernoulli}(p_l), \qquad \text{or that divided by } p_l      && \text{(SD.2)} \\
    q &= p_l \text{ at test time}, \qquad \text{or } 1                          && \text{(SD.3)} \\
    y &= x + q \, f                                                             && \text{(SD.4)} \\
    dx &= g, \qquad df = q \, g                                                 && \text{(SD.5)}

======================  =======================  =================  ==============================
noise                   takes away               drawn once for     at test time
======================  =======================  =================  ==============================
batch norm              (adds others' examples)  a batch            running statistics
dropout                 units                    unit and example   all units, scaled
DropConnect             weights                  weight and example  moments of a Gaussian
fractional max pooling  (moves the regions)      a batch            average over several draws
stochastic depth        blocks                   block and batch    all blocks, scaled
======================  =======================  =================  ==============================
"""

from cs231n_lib.errors import above, between, whole


def kept(name, value, known=None):
    """Rule: a probability to keep something by which the rest is divided, so above 0."""
    above(0)(name, value)
    between(0, 1)(name, value)


FMP_PARAM = {
    "height": whole(1),
    "width": whole(1),
    "kind": ("pseudo-random", "random"),
    "overlapping": (False, True),
}
DEPTH_PARAM = {
    "p": kept,
    "training": (False, True),
    "mode": ("batch", "row"),
    "scale": ("test", "train"),
}


def require_fraction(function, n_in, n_out):
    """Raise ValueError unless n_in / n_out lies between 1 and 2, where regions of 1 and 2 fit."""
    if not n_out < n_in < 2 * n_out:
        raise ValueError(
            f"{function}: n_in / n_out must lie between 1 and 2, got {n_in} / {n_out}; for "
            f"n_in = {n_in} choose n_out from {n_in // 2 + 1} to {n_in - 1}"
        )
