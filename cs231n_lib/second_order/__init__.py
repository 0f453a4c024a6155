r"""Second-order optimization (slides 53–62): a step from the slope *and* the curvature.

:math:`w` is (D,), all parameters in one vector; :math:`g` is the gradient of the loss L and
:math:`H` its Hessian, (D, D), both at :math:`w_0`.

What the slope says about the loss nearby, and what slope and curvature say (slides 53–56):

.. math::
    L_1(w) &= L(w_0) + (w - w_0)^\top g                                      && \text{(Taylor.1)} \\
    L_2(w) &= L_1(w) + \tfrac12 (w - w_0)^\top H (w - w_0)                   && \text{(Taylor.2)}

Newton's step goes to where the gradient of :math:`L_2` is zero (slide 56). A damping
:math:`\lambda` keeps it short; :math:`|H|`, with the absolute values of the eigenvalues
:math:`h_i`, keeps it away from saddles (beyond the lecture: Dauphin et al. 2014,
arXiv:1406.2572):

.. math::
    w' &= w - (H + \lambda I)^{-1} g                                         && \text{(Newton.1)} \\
    H &= Q \, \mathrm{diag}(h) \, Q^\top                                     && \text{(Newton.2)} \\
    w' &= w - Q \, \mathrm{diag}\bigl(1 / (|h_i| + \lambda)\bigr) \, Q^\top g && \text{(Newton.3)}

BFGS (slide 60) keeps a matrix :math:`M`, in the place of :math:`H^{-1}`, and corrects it by each
step made, :math:`s = w' - w`, and the change of the gradient, :math:`y = g' - g`. The correction
has rank 2, though the slide says 1 (Nocedal & Wright 2006, section 6.1):

.. math::
    \rho &= 1 / y^\top s, \quad \text{only where } y^\top s > 0              && \text{(BFGS.1)} \\
    M' &= (I - \rho s y^\top) \, M \, (I - \rho y s^\top) + \rho s s^\top    && \text{(BFGS.2)} \\
    M_0 &= \gamma I, \quad \gamma = s^\top y / y^\top y                      && \text{(BFGS.3)}

L-BFGS never forms :math:`M`. It keeps the last m pairs, oldest first, and computes
:math:`p = -M g` by two loops over them (Nocedal 1980; Nocedal & Wright 2006, algorithm 7.4).
From the newest pair to the oldest, starting at :math:`q = g`:

.. math::
    \alpha_i &= \rho_i \, s_i^\top q, \qquad q \leftarrow q - \alpha_i y_i   && \text{(LBFGS.1)} \\
    r &= \gamma q, \quad \text{with } \gamma \text{ of the newest pair}      && \text{(LBFGS.2)} \\
    \beta &= \rho_i \, y_i^\top r, \qquad r \leftarrow r + (\alpha_i - \beta) s_i
                                                                             && \text{(LBFGS.3)} \\
    p &= -r                                                                  && \text{(LBFGS.4)}

where LBFGS.3 goes back from the oldest to the newest.

K-FAC (Martens & Grosse 2015, arXiv:1503.05671; Ba et al. 2017, on slide 61) replaces the Hessian
by the Fisher matrix, and that, for each affine layer with input a and output o, by the Kronecker
product of two small matrices. :math:`\bar a` is a with a 1 behind it, for the bias;
:math:`g_n` is the gradient of *one* example's loss with respect to its o, with a label that is
drawn from the model's own probabilities:

.. math::
    g_{nc} &= p_{nc} - [c = \text{label}_n]                                  && \text{(KFAC.1)} \\
    A &= \tfrac1N \sum_n \bar a_n \bar a_n^\top, \qquad
    S = \tfrac1N \sum_n g_n g_n^\top                                         && \text{(KFAC.2)} \\
    \pi &= \sqrt{\frac{\mathrm{tr} A / \dim A}{\mathrm{tr} S / \dim S}}      && \text{(KFAC.3)} \\
    p &= -(A + \pi \sqrt\lambda I)^{-1} \, d\bar W \, (S + \tfrac1\pi \sqrt\lambda I)^{-1}
                                                                             && \text{(KFAC.4)}

==========  ===================  ======================  ====================================
method      it stores            work for a direction    what it knows of the curvature
==========  ===================  ======================  ====================================
Newton      D² numbers           D³                      everything, here
BFGS        D² numbers           D²                      what D steps have shown
L-BFGS      2 m D numbers        4 m D                   what the last m steps have shown
K-FAC       D_in² + D_out²       D_in³ + D_out³          what holds on average, layer by layer
==========  ===================  ======================  ====================================
"""

import functools

import numpy as np

from cs231n_lib.errors import array


def solvable(advice):
    """Let a function refuse a singular matrix with `advice`, where it would answer nan or inf.

    On a GPU nothing is looked at, which would have to wait for the answer.

    >>> @solvable("pass a damping above 0")
    ... def inverse(h):
    ...     return 1 / h
    >>> inverse(np.zeros(2))
    Traceback (most recent call last):
    numpy.linalg.LinAlgError: inverse: the matrix must not be singular; pass a damping above 0
    """

    def decorate(function):
        @functools.wraps(function)
        def solved(*args, **named):
            try:
                with np.errstate(divide="ignore", invalid="ignore"):
                    answer = function(*args, **named)
            except (ValueError, RuntimeError) as error:
                if type(error).__name__.strip("_") != "LinAlgError":  # torch's is another
                    raise
                answer = None
            if answer is None or not _is_finite(answer):
                raise np.linalg.LinAlgError(
                    f"{function.__name__}: the matrix must not be singular; {advice}"
                )
            return answer

        return solved

    return decorate


def _is_finite(answer):
    parts = answer if isinstance(answer, tuple) else (answer,)
    return all(
        np.isfinite(part).all() if isinstance(part, np.ndarray) else bool(part.isfinite().all())
        for part in parts
        if isinstance(part, np.ndarray) or part.device.type == "cpu"
    )


def remembered(name, value, known):
    """Rule: a history of vectors, (m, D) or a sequence of m arrays (D,); m may be 0."""
    if not hasattr(value, "__len__"):
        raise TypeError(f"{name} must hold vectors, (m, D), got {type(value).__name__}")
    for i, row in enumerate(value):
        array("D")(f"{name}[{i}]", row, known)
    count, source = known.setdefault("m", (len(value), name))
    if len(value) != count:
        raise ValueError(
            f"{name} must hold m = {count} vectors as {source} does, got {len(value)}; "
            "every step needs its change of the gradient"
        )
