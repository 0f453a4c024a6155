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

==================  =======================  ====================  =====================
noise               in training              at test time          one draw for each
==================  =======================  ====================  =====================
vanilla dropout     units set to 0           multiplied by p       unit of each example
inverted dropout    units set to 0, or / p   nothing               unit of each example
==================  =======================  ====================  =====================
"""

from numbers import Integral

from cs231n_lib.errors import above


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
    generator = torch.Generator(device)
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator
