r"""Optimizers (slides 20–48): from a gradient to the next step.

Symbols: :math:`x_t` the weights, :math:`g_t = \nabla f(x_t)` the gradient, :math:`\alpha` the
learning rate, :math:`v` the velocity or the second moment, :math:`\rho` the momentum or the decay
rate, :math:`\varepsilon` a small number against division by zero. Squares, roots and quotients are
taken element by element. Every method starts with all of its state at zero and with
:math:`t = 1` in the first step.

Gradient descent, slide 20:

.. math::
    x_{t+1} = x_t - \alpha \, g_t                                         && \text{(SGD.1)}

Momentum with a velocity that holds the rate, slide 28:

.. math::
    v_{t+1} &= \rho \, v_t - \alpha \, g_t                                && \text{(Momentum.1)} \\
    x_{t+1} &= x_t + v_{t+1}                                              && \text{(Momentum.2)}

and with a velocity that does not, slide 27, which is PyTorch's form. Both give the same
:math:`x_t` as long as :math:`\alpha` is constant; after it drops, the first form still finishes
the steps that were begun at the old rate. The velocity is a sum and no mean: with a constant
gradient the steps grow to :math:`\alpha / (1 - \rho)` times the gradient.

.. math::
    v_{t+1} &= \rho \, v_t + g_t                                          && \text{(Momentum.3)} \\
    x_{t+1} &= x_t - \alpha \, v_{t+1}                                    && \text{(Momentum.4)}

Nesterov's momentum takes the gradient where the velocity is about to lead, slide 32:

.. math::
    v_{t+1} &= \rho \, v_t - \alpha \, \nabla f(x_t + \rho \, v_t)        && \text{(Nesterov.1)} \\
    x_{t+1} &= x_t + v_{t+1}                                              && \text{(Nesterov.2)}

In terms of :math:`\tilde x_t = x_t + \rho \, v_t` it needs the gradient at the point itself,
slide 35:

.. math::
    v_{t+1} &= \rho \, v_t - \alpha \, \nabla f(\tilde x_t)               && \text{(Nesterov.3)} \\
    \tilde x_{t+1} &= \tilde x_t - \rho \, v_t + (1 + \rho) \, v_{t+1}    && \text{(Nesterov.4)}

AdaGrad, slide 37 (Duchi et al. 2011), divides by the root of the sum of all squared gradients,

.. math::
    s_{t+1} &= s_t + g_t^2                                                && \text{(AdaGrad.1)} \\
    x_{t+1} &= x_t - \alpha \, g_t \, / \, (\sqrt{s_{t+1}} + \varepsilon) && \text{(AdaGrad.2)}

RMSProp, slide 42 (Tieleman & Hinton 2012), by the root of their running mean:

.. math::
    s_{t+1} &= \rho \, s_t + (1 - \rho) \, g_t^2                          && \text{(RMSProp.1)} \\
    x_{t+1} &= x_t - \alpha \, g_t \, / \, (\sqrt{s_{t+1}} + \varepsilon) && \text{(RMSProp.2)}

Adam, slides 44–47 (Kingma & Ba 2015), puts a running mean in place of the gradient too. Slide 44
calls this "almost":

.. math::
    m_t &= \beta_1 m_{t-1} + (1 - \beta_1) \, g_t                         && \text{(Adam.1)} \\
    v_t &= \beta_2 v_{t-1} + (1 - \beta_2) \, g_t^2                       && \text{(Adam.2)} \\
    x_{t+1} &= x_t - \alpha \, m_t \, / \, (\sqrt{v_t} + \varepsilon)     && \text{(Adam.3)}

because both means start at zero and are too small at first, by factors that are known:

.. math::
    \hat m_t &= m_t \, / \, (1 - \beta_1^t)                               && \text{(Adam.4)} \\
    \hat v_t &= v_t \, / \, (1 - \beta_2^t)                               && \text{(Adam.5)} \\
    x_{t+1} &= x_t - \alpha \, \hat m_t \, / \, (\sqrt{\hat v_t} + \varepsilon) && \text{(Adam.6)}

AdamW (Loshchilov & Hutter 2019, beyond the lecture) shrinks the weights beside the step, so that
the shrinking is not divided by :math:`\sqrt{\hat v}`:

.. math::
    x_{t+1} = x_t - \alpha \, \hat m_t \, / \, (\sqrt{\hat v_t} + \varepsilon)
              - \alpha \lambda \, x_t                                     && \text{(AdamW.1)}

================  ===================  ================  =================  ====================
method            state per weight     steep and flat    noisy gradients    step size over time
================  ===================  ================  =================  ====================
SGD               0                    one rate for all  pass through       α
momentum          1 (v)                one rate for all  smoothed           up to α/(1 − ρ)
Nesterov          1 (v)                one rate for all  smoothed           up to α/(1 − ρ)
AdaGrad           1 (s)                evened out        pass through       can only fall
RMSProp           1 (s)                evened out        pass through       about α
Adam, almost      2 (m, v)             evened out        smoothed           too big at the start
Adam              2 (m, v)             evened out        smoothed           about α
AdamW             2 (m, v)             evened out        smoothed           about α, and αλ·x
================  ===================  ================  =================  ====================

Where others define it differently: the slides have ε = 1e-7, ours is 1e-8 as in the paper and in
PyTorch. All of ours add ε to the root; some books put it inside. PyTorch and the slides start
AdaGrad's sum at zero as we do, TensorFlow at 0.1. In the long form of Adam's paper ε is added after
both corrections, as here; its short form adds it to the uncorrected root, which is another ε.
"""

from cs231n_lib.errors import alike, at_least, below, between, whole


def optim_options(state=(), **numbers):
    """Return what `config` may hold: a rate, `numbers` with their rules, and arrays of `state`."""
    return {
        "learning_rate": at_least(0),
        **numbers,
        **{name: whole(0) if name == "t" else alike("w") for name in state},
    }


MOMENTUM = optim_options(state=("velocity",), momentum=between(0, 1))
ADAGRAD = optim_options(state=("cache",), epsilon=at_least(0))
RMSPROP = {**ADAGRAD, "decay_rate": below(1)}
ADAM = optim_options(state=("m", "v", "t"), beta1=below(1), beta2=below(1), epsilon=at_least(0))
ADAMW = {**ADAM, "weight_decay": at_least(0)}
