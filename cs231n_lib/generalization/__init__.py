r"""Beyond training error (slides 63–68): stop in time, average predictions, average weights.

None of these changes what training minimizes. Each makes more of a run, or of several, for examples
that nobody trained on.

Early stopping (slide 64; Prechelt 1998). A score :math:`s` of validation data arrives now and then.
With :math:`\sigma = 1` where high scores are good and :math:`\sigma = -1` where low ones are, it is
a *gain* when it beats the best score :math:`b` by more than :math:`\delta`:

.. math::
    \sigma \, (s - b) &> \delta                                           && \text{(Stop.1)} \\
    b \leftarrow s, \quad w^* &\leftarrow \text{a copy of } w, \quad k \leftarrow 0
                                                       && \text{(Stop.2), after a gain} \\
    k &\leftarrow k + 1                                && \text{(Stop.3), otherwise} \\
    k &\ge P                                           && \text{(Stop.4): stop}

An ensemble (slide 65) of :math:`M` members with scores :math:`z^{(m)}`, one row an example:

.. math::
    p^{(m)}_{nc} &= e^{z^{(m)}_{nc}} \, / \, \textstyle\sum_j e^{z^{(m)}_{nj}} && \text{(Ens.1)} \\
    \bar p_{nc} &= \tfrac1M \textstyle\sum_m p^{(m)}_{nc}                 && \text{(Ens.2)} \\
    \hat y_n &= \arg\max_c \, \bar p_{nc}                                 && \text{(Ens.3)}

Snapshots (slides 66–67; Huang et al. 2017, arXiv:1704.00109) are members from one run. In every
cycle of :math:`T` steps the rate falls by the same schedule :math:`\alpha`, and at its end, where
the rate is low, the weights are copied:

.. math::
    w &\leftarrow w - \alpha(t) \, g, \qquad t = 0, \dots, T - 1          && \text{(Snap.1)} \\
    w^{(c)} &\leftarrow \text{a copy of } w                               && \text{(Snap.2)}

Polyak averaging (slide 68; Polyak & Juditsky 1992) uses a mean of the weights at test time, and
never in training. Of the weights :math:`w_1, w_2, \dots` after every step the paper takes the
uniform mean; the "moving average" of the slide forgets, and is too small at first if it starts at
zero, by a factor that is known:

.. math::
    a_n &= a_{n-1} + (w_n - a_{n-1}) \, / \, n                            && \text{(Polyak.1)} \\
    m_n &= \beta \, m_{n-1} + (1 - \beta) \, w_n                          && \text{(Polyak.2)} \\
    a_n &= m_n \, / \, (1 - \beta^n) \quad \text{where } m_0 = 0          && \text{(Polyak.3)} \\
    a_n &= m_n \quad \text{where } m_0 = w_1                              && \text{(Polyak.4)}

The running statistics of a batch norm belong to the weights that they were collected with. For new
weights they are collected again, over :math:`B` batches:

.. math::
    r \leftarrow r + (\text{statistic of batch } i - r) \, / \, i, \qquad i = 1, \dots, B
                                                                          && \text{(Refresh.1)}

================  =====================  ========================  ==============================
technique         costs in training      costs at test time        PyTorch
================  =====================  ========================  ==============================
early stopping    validation, one copy   nothing                   –
ensemble          M times                M times                   –
snapshots         nothing                M times                   –
Polyak averaging  one copy, and a sum    statistics, once          torch.optim.swa_utils
================  =====================  ========================  ==============================

Where others define it differently: PyTorch's moving average starts at the weights, and its default
is the uniform mean. Keras starts at the weights too; optax debiases.
"""

from cs231n_lib.errors import alike, below, one_of, whole

POLYAK = {
    "kind": one_of("uniform", "exponential"),
    "start": one_of("zero", "weights"),
    "beta": below(1),
    "start_at": whole(0),
    "t": whole(0),
    "mean": alike("w"),
}
