r"""Learning-rate schedules (slides 49–52, 66–67): the rate as a plain function of time.

Time :math:`t` is the number of steps, or of epochs, that are already done: 0 for the first. Nothing
is remembered between calls, so a schedule fits any optimizer, and a run can resume anywhere.

Decay (slide 50), from a first rate :math:`\alpha_0`:

.. math::
    n &= \lfloor t / S \rfloor                                                && \text{(Decay.1)} \\
    \alpha_t &= \alpha_0 \, f^n                                               && \text{(Decay.2)} \\
    \alpha_t &= \alpha_0 \, e^{-kt}                                           && \text{(Decay.3)} \\
    \alpha_t &= \alpha_0 \, / \, (1 + kt)                                       && \text{(Decay.4)}

Cosine with warm restarts (slides 66–67; Loshchilov & Hutter 2017, arXiv:1608.03983). A cycle of
length :math:`T_i` that is over is followed by one of :math:`T_{i+1}`; within a cycle the rate falls
from :math:`\alpha_{max}` along half a wave of the cosine:

.. math::
    T_{cur} &\leftarrow T_{cur} - T_i                                         && \text{(SGDR.1)} \\
    T_{i+1} &= m \, T_i                                                       && \text{(SGDR.2)} \\
    \alpha_t &= \alpha_{min} + \tfrac12 (\alpha_{max} - \alpha_{min})
                (1 + \cos(\pi \, T_{cur} / T_i))                                && \text{(SGDR.3)}

In whole steps :math:`T_{cur}` runs from 0 to :math:`T_i - 1`: the step that would reach
:math:`\alpha_{min}` is the first of the next cycle. PyTorch does the same.

Linear warm-up, beyond the lecture (Goyal et al. 2017, arXiv:1706.02677), from a share :math:`s` of
the rate to all of it in :math:`T_w` steps:

.. math::
    \alpha_t = \alpha \, (s + (1 - s) \, \min(t / T_w, 1))                        && \text{(Warm.1)}

And where a schedule goes in a training loop: the optimizer takes its step *at* the present rate,
then the scheduler moves on, once a batch or once an epoch, as its :math:`t` is meant:

.. math::
    w_{t+1} &= w_t - \alpha_t \, g_t                                          && \text{(Wire.1)} \\
    t &\leftarrow t + 1                                                         && \text{(Wire.2)}

=====================  ====================================  ==========================
schedule               falls by the same ... in equal times  torch.optim.lr_scheduler
=====================  ====================================  ==========================
step                   factor, at once                       StepLR
exponential            factor, evenly                        ExponentialLR, e^(-k)
1/t                    less and less: its inverse is linear  LambdaLR
cosine with restarts   half a wave, then up again            CosineAnnealingWarmRestarts
linear warm-up         (rises)                               LinearLR
=====================  ====================================  ==========================
"""
