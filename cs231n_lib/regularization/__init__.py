r"""Regularization (slides 69–84, 93–96): penalties on the weights, and noise in training.

Shapes: :math:`x` is (N, D), or any other with one example a row; :math:`W` has any shape.
:math:`p` is always the probability to *keep* what noise may take away, as on slide 72, and
:math:`g` the gradient of the loss with respect to an output.

Penalties (slides 69–70), added to the loss with strength :math:`\lambda`. L2, which the usual
assignment multiplies by ½ and the slide does not; L1; and the elastic net, which is both:

.. math::
    R &= \lambda \sum W^2,
         \qquad \partial R / \partial W = 2 \lambda W   && \text{(Ridge.1)} \\
    R &= \lambda \sum |W|,
         \qquad \partial R / \partial W = \lambda \, \mathrm{sign}(W)   && \text{(Lasso.1)} \\
    R &= \lambda \sum (\beta W^2 + |W|), \qquad
         \partial R / \partial W = \lambda (2 \beta W + \mathrm{sign}(W))   && \text{(Net.1)}

Where :math:`W = 0` the slope of :math:`|W|` may be any number from −1 to 1; here it is 0. A step
along it jumps over zero. The proximal step of L1 takes the step of the data's gradient :math:`g`
first, and then moves each weight by :math:`\alpha \lambda` towards zero, but not past it:

.. math::
    v &= w - \alpha g   && \text{(Prox.1)} \\
    w' &= \mathrm{sign}(v) \, \max(|v| - \alpha \lambda, 0)   && \text{(Prox.2)}

Dropout (slides 71–82; Srivastava et al. 2014, JMLR 15). Vanilla, as on slides 72 and 80: noise in
training, and at test time the output is scaled down to what it was on average:

.. math::
    m_{ij} &= 1 \text{ with probability } p \text{, else } 0   && \text{(Vanilla.1)} \\
    y_{ij} &= m_{ij} \, x_{ij} \text{ in training}, \qquad
              y_{ij} = p \, x_{ij} \text{ at test time}   && \text{(Vanilla.2)} \\
    dx_{ij} &= m_{ij} \, g_{ij} \text{ in training}, \qquad
              dx_{ij} = p \, g_{ij} \text{ at test time}   && \text{(Vanilla.3)}

Inverted (slide 82): scaled up in training, so that nothing is left to do at test time:

.. math::
    k_{ij} &= 1 \text{ with probability } p \text{, else } 0   && \text{(Drop.1)} \\
    m_{ij} &= k_{ij} / p   && \text{(Drop.2)} \\
    y_{ij} &= m_{ij} \, x_{ij} \text{ in training}, \qquad
              y_{ij} = x_{ij} \text{ at test time}   && \text{(Drop.3)} \\
    dx_{ij} &= m_{ij} \, g_{ij}   && \text{(Drop.4)}

The exact expectation of slides 75–78, over all :math:`2^D` masks of 0 and 1 on D inputs:

.. math::
    P(m) &= p^{\sum_j m_j} (1 - p)^{D - \sum_j m_j}   && \text{(Mask.1)} \\
    E_m[f(m \circ x)] &= \sum_m P(m) \, f(m \circ x)   && \text{(Mask.2)}

For least squares that sum can be done once and for all, and dropout on the inputs *is* an L2
penalty, weighted by the size of each input. With residual r:

.. math::
    r &= y - p \, X w   && \text{(Squares.1)} \\
    E \lVert y - (M \circ X) w \rVert^2 &=
        \lVert r \rVert^2 + p (1 - p) \sum_j (X^\top X)_{jj} \, w_j^2   && \text{(Squares.2)} \\
    \partial E / \partial w_j &= -2 p \, (X^\top r)_j
        + 2 p (1 - p) \, (X^\top X)_{jj} \, w_j   && \text{(Squares.3)}

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

======================  =======================  ====================  ========================
noise                   in training              at test time          one draw for each
======================  =======================  ====================  ========================
vanilla dropout         units set to 0           multiplied by p       unit of each example
inverted dropout        units set to 0, or / p   nothing               unit of each example
DropConnect             weights set to 0         mean of a Gaussian    weight of each example
fractional max pooling  regions moved            mean of some draws    axis of each batch
stochastic depth        branches left out        multiplied by p       block of each batch
======================  =======================  ====================  ========================
"""

import math
from numbers import Integral

import numpy as np

from cs231n_lib.errors import above, whole


def dropout_options():
    """Return what `dropout_param` may hold."""
    return {"p": above(0, at_most=1), "mode": ("train", "test"), "seed": random_source}


def random_source(name, value, known=None):
    """Rule: where random numbers come from: a whole number, a generator, or None for fresh ones."""
    whole = isinstance(value, Integral) and not isinstance(value, bool) and value >= 0
    if not (value is None or whole or type(value).__name__ == "Generator"):
        raise TypeError(
            f"{name} must be a whole number of at least 0, a np.random.Generator or a "
            f"torch.Generator, got {value!r}; pass np.random.default_rng(0), for instance"
        )


def generator_of(seed, device):
    """Return the torch.Generator that `seed` is, or a new one seeded by it; None: by chance."""
    import torch  # the NumPy half need not wait for it

    if isinstance(seed, torch.Generator):
        return seed
    if torch.device(device).type == "meta":  # where nothing is drawn
        return None
    generator = torch.Generator(device)
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator


FMP_PARAM = {
    "height": whole(1),
    "width": whole(1),
    "kind": ("pseudo-random", "random"),
    "overlapping": (False, True),
}
DEPTH_PARAM = {
    "p": above(0, at_most=1),
    "training": (False, True),
    "mode": ("batch", "row"),
    "scale": ("test", "train"),
}


def rows_before(name, value, known):
    """Rule: the number of rows, or columns, before a pooling; `rows_after` asks for it."""
    whole(2)(name, value)
    known[name] = value, name


def rows_after(name, value, known):
    """Rule: fewer rows than `n_in` before, and more than half of them: regions of 1 and 2 fit."""
    whole(2)(name, value)
    n_in, _ = known["n_in"]
    if not value < n_in < 2 * value:
        raise ValueError(
            f"n_in / {name} must lie between 1 and 2, got {n_in} / {value}; for n_in = {n_in} "
            f"choose {name} from {n_in // 2 + 1} to {n_in - 1}"
        )


def normal_cdf(t):
    """Return P(z ≤ t) for z from N(0, 1), at each t of an array of any shape.

    >>> import numpy as np
    >>> normal_cdf(np.array([0.0, 1.96])).round(3)
    array([0.5  , 0.975])
    """
    return np.vectorize(math.erfc, otypes=[t.dtype])(-t / math.sqrt(2)) / 2
