"""Optimizers in PyTorch: the functions of `in_numpy` on tensors, whatever their device and dtype.

Drop-in classes for `torch.optim` are in `optimizers`, a faster form of the rules in `tuned`.

Every rule is `(w, dw, config=None) -> next_w, config`. `config` holds the settings and the state;
None takes all defaults. Give the returned one to the next step. `w` and `dw` are never changed.
"""

import torch

from cs231n_lib.errors import alike, validated
from cs231n_lib.optim import ADAGRAD, ADAM, ADAMW, MOMENTUM, RMSPROP, optim_options
from cs231n_lib.precision import in_single


@validated(w=alike("w"), dw=alike("w"), config=optim_options())
def sgd(w, dw, config=None):
    """Stochastic gradient descent: one step against the gradient.

    Args:
        w: weights, of any shape.
        dw: gradient of the loss with respect to w, of the same shape.
        config: dict with
            learning_rate: α; default 1e-2.

    Returns:
        next_w: the weights after the step; config: for the next step.

    Slide 20.

    >>> sgd(torch.tensor([1.0, 2.0]), torch.tensor([10.0, -10.0]), {"learning_rate": 0.1})[0]
    tensor([0., 3.])
    """
    config = {} if config is None else config
    learning_rate = config.get("learning_rate", 1e-2)

    next_w = w - learning_rate * dw  # SGD.1
    return next_w, config


@validated(w=alike("w"), dw=alike("w"), config=MOMENTUM)
@in_single
def sgd_momentum(w, dw, config=None):
    """SGD with momentum, whose velocity holds the learning rate: the velocity is the step.

    Args:
        w: weights, of any shape.
        dw: gradient of the loss with respect to w, of the same shape.
        config: dict with
            learning_rate: α; default 1e-2.
            momentum: ρ, the fraction of the velocity that is kept; default 0.9.
            velocity: v, shaped as w; starts at zero; updated here. Yours may keep −v instead,
                or anything else that comes to the same steps.

    Returns:
        next_w: the weights after the step; config: for the next step.

    Slide 28, left. Sutskever et al. 2013. The usual assignment has this form, PyTorch the other.

    >>> w, config = sgd_momentum(torch.tensor([1.0]), torch.tensor([1.0]), {"learning_rate": 0.5})
    >>> sgd_momentum(w, torch.tensor([0.0]), config)[0]  # no gradient, yet 0.9 of the last step
    tensor([0.0500])
    """
    config = {} if config is None else config
    learning_rate = config.get("learning_rate", 1e-2)
    momentum = config.get("momentum", 0.9)
    v = config.get("velocity", torch.zeros_like(w))

    v = momentum * v - learning_rate * dw  # Momentum.1
    next_w = w + v  # Momentum.2
    config["velocity"] = v
    return next_w, config


@validated(w=alike("w"), dw=alike("w"), config=MOMENTUM)
@in_single
def sgd_momentum_unscaled(w, dw, config=None):
    """SGD with momentum, whose velocity is a sum of gradients: the rate comes in at the step.

    Args:
        w: weights, of any shape.
        dw: gradient of the loss with respect to w, of the same shape.
        config: dict with
            learning_rate: α; default 1e-2.
            momentum: ρ, the fraction of the velocity that is kept; default 0.9.
            velocity: v, shaped as w; starts at zero; updated here. Yours may keep −v instead,
                or anything else that comes to the same steps.

    Returns:
        next_w: the weights after the step; config: for the next step.

    Slide 27, and `torch.optim.SGD` with dampening 0. Sutskever et al. 2013.

    >>> one = torch.ones(1)
    >>> w, config = sgd_momentum_unscaled(one, one, {"learning_rate": 0.5})
    >>> w, config["velocity"]
    (tensor([0.5000]), tensor([1.]))
    """
    config = {} if config is None else config
    learning_rate = config.get("learning_rate", 1e-2)
    momentum = config.get("momentum", 0.9)
    v = config.get("velocity", torch.zeros_like(w))

    v = momentum * v + dw  # Momentum.3
    next_w = w - learning_rate * v  # Momentum.4
    config["velocity"] = v
    return next_w, config


class Momentum(torch.optim.Optimizer):
    """An optimizer for networks, around `sgd_momentum_unscaled`.

    Args:
        params: parameters, or groups of them: dicts with "params" and settings of their own.
        lr: learning rate of all groups that have none.
        momentum: of all groups that have none.

    What it remembers of a parameter w is in `self.state[w]`, so that `state_dict()` saves it.

    Slides 27–28. Sutskever et al. 2013.

    >>> w = torch.nn.Parameter(torch.tensor([3.0]))
    >>> optimizer = Momentum([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([2.4000])
    """

    def __init__(self, params, lr=1e-2, momentum=0.9):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        """Change every parameter that has a gradient; return the loss of `closure`, if given.

        A closure computes the loss and its gradients anew; it is called once, before the step.
        The gradients stay as they are: whoever trains clears them.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            settings = {"learning_rate": group["lr"], "momentum": group["momentum"]}
            for w in group["params"]:
                if w.grad is not None:
                    next_w, config = sgd_momentum_unscaled(w, w.grad, {**self.state[w], **settings})
                    self.state[w].update(config)
                    w.copy_(next_w)
        return loss


@validated(w=alike("w"), gradient="function", config=MOMENTUM)
@in_single
def nesterov_lookahead(w, gradient, config=None):
    """Nesterov momentum as it is drawn: the gradient is taken where the velocity leads.

    Args:
        w: weights, of any shape.
        gradient: function of the weights that returns the gradient there, of their shape.
        config: dict with
            learning_rate: α; default 1e-2.
            momentum: ρ, the fraction of the velocity that is kept; default 0.9.
            velocity: v, shaped as w; starts at zero; updated here. Yours may keep −v instead,
                or anything else that comes to the same steps.

    Returns:
        next_w: the weights after the step; config: for the next step.

    Slides 31–32. Nesterov 1983; Sutskever et al. 2013.

    >>> config = {"learning_rate": 0.5, "velocity": torch.tensor([1.0])}
    >>> nesterov_lookahead(torch.tensor([2.0]), lambda w: 2 * w, config)[0]  # gradient at 2.9
    tensor([0.])
    """
    config = {} if config is None else config
    learning_rate = config.get("learning_rate", 1e-2)
    momentum = config.get("momentum", 0.9)
    v = config.get("velocity", torch.zeros_like(w))

    v = momentum * v - learning_rate * gradient(w + momentum * v)  # Nesterov.1
    next_w = w + v  # Nesterov.2
    config["velocity"] = v
    return next_w, config


@validated(w=alike("w"), dw=alike("w"), config=MOMENTUM)
@in_single
def nesterov(w, dw, config=None):
    """Nesterov momentum rearranged: w is the point to which the velocity leads, and dw is there.

    Args:
        w: weights, of any shape.
        dw: gradient of the loss with respect to w, of the same shape.
        config: dict with
            learning_rate: α; default 1e-2.
            momentum: ρ, the fraction of the velocity that is kept; default 0.9.
            velocity: v, shaped as w; starts at zero; updated here. Yours may keep −v instead,
                or anything else that comes to the same steps.

    Returns:
        next_w: the weights after the step; config: for the next step.

    Slides 34–35. Nesterov 1983. `torch.optim.SGD(nesterov=True)` gives the same at a constant rate.

    >>> w, config = nesterov(torch.tensor([1.0]), torch.tensor([1.0]), {"learning_rate": 0.5})
    >>> w, config["velocity"]
    (tensor([0.0500]), tensor([-0.5000]))
    """
    config = {} if config is None else config
    learning_rate = config.get("learning_rate", 1e-2)
    momentum = config.get("momentum", 0.9)
    old_v = config.get("velocity", torch.zeros_like(w))

    v = momentum * old_v - learning_rate * dw  # Nesterov.3
    next_w = w - momentum * old_v + (1 + momentum) * v  # Nesterov.4
    config["velocity"] = v
    return next_w, config


@validated(w=alike("w"), dw=alike("w"), config=ADAGRAD)
@in_single
def adagrad(w, dw, config=None):
    """AdaGrad: each weight's step is divided by the root of all its squared gradients so far.

    Args:
        w: weights, of any shape.
        dw: gradient of the loss with respect to w, of the same shape.
        config: dict with
            learning_rate: α; default 1e-2.
            epsilon: added to the root; default 1e-8 (the slide has 1e-7, PyTorch 1e-10).
            cache: sum of squared gradients, shaped as w; starts at zero (TensorFlow's at 0.1);
                updated here.

    Returns:
        next_w: the weights after the step; config: for the next step.

    Slide 37. Duchi et al. 2011.

    >>> adagrad(torch.tensor([1.0, 1.0]), torch.tensor([5.0, -0.01]), {"learning_rate": 0.5})[0]
    tensor([0.5000, 1.5000])
    """
    config = {} if config is None else config
    learning_rate = config.get("learning_rate", 1e-2)
    eps = config.get("epsilon", 1e-8)
    cache = config.get("cache", torch.zeros_like(w))

    cache = cache + dw**2  # AdaGrad.1
    next_w = w - learning_rate * dw / (torch.sqrt(cache) + eps)  # AdaGrad.2
    config["cache"] = cache
    return next_w, config


@validated(w=alike("w"), dw=alike("w"), config=RMSPROP)
@in_single
def rmsprop(w, dw, config=None):
    """RMSProp: AdaGrad that forgets, with a running mean in place of the sum.

    Args:
        w: weights, of any shape.
        dw: gradient of the loss with respect to w, of the same shape.
        config: dict with
            learning_rate: α; default 1e-2.
            decay_rate: ρ, the fraction of the old mean that is kept; default 0.99.
            epsilon: added to the root; default 1e-8.
            cache: running mean of squared gradients, shaped as w; starts at zero; updated here.

    Returns:
        next_w: the weights after the step; config: for the next step.

    Slide 42. Tieleman & Hinton 2012. PyTorch's has the same definition (its `alpha` is ρ).

    >>> one = torch.ones(1)
    >>> rmsprop(one, 5 * one, {"learning_rate": 0.1, "decay_rate": 0.75})[0]
    tensor([0.8000])
    """
    config = {} if config is None else config
    learning_rate = config.get("learning_rate", 1e-2)
    decay_rate = config.get("decay_rate", 0.99)
    eps = config.get("epsilon", 1e-8)
    cache = config.get("cache", torch.zeros_like(w))

    cache = decay_rate * cache + (1 - decay_rate) * dw**2  # RMSProp.1
    next_w = w - learning_rate * dw / (torch.sqrt(cache) + eps)  # RMSProp.2
    config["cache"] = cache
    return next_w, config


@validated(w=alike("w"), dw=alike("w"), config=ADAM)
@in_single
def adam_uncorrected(w, dw, config=None):
    """Adam (almost): running means of the gradient and of its square, which start too small.

    Args:
        w: weights, of any shape.
        dw: gradient of the loss with respect to w, of the same shape.
        config: dict with
            learning_rate: α; default 1e-3.
            beta1, beta2: fractions of the old means that are kept; default 0.9 and 0.999.
            epsilon: added to the root; default 1e-8.
            m, v: the running means, shaped as w; start at zero; updated here.

    Returns:
        next_w: the weights after the step; config: for the next step.

    Slides 44–45; Kingma & Ba 2015, Algorithm 1 without its correction.

    >>> settings = {"learning_rate": 0.1, "beta1": 0.5, "beta2": 0.75}
    >>> w, config = adam_uncorrected(torch.ones(1), torch.ones(1), settings)
    >>> w
    tensor([0.9000])
    """
    config = {} if config is None else config
    learning_rate = config.get("learning_rate", 1e-3)
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    eps = config.get("epsilon", 1e-8)
    m = config.get("m", torch.zeros_like(w))
    v = config.get("v", torch.zeros_like(w))

    m = beta1 * m + (1 - beta1) * dw  # Adam.1
    v = beta2 * v + (1 - beta2) * dw**2  # Adam.2
    next_w = w - learning_rate * m / (torch.sqrt(v) + eps)  # Adam.3
    config.update(m=m, v=v)
    return next_w, config


@validated(w=alike("w"), dw=alike("w"), config=ADAM)
@in_single
def adam(w, dw, config=None):
    """Adam: running means of the gradient and of its square, both freed of their start at zero.

    Args:
        w: weights, of any shape.
        dw: gradient of the loss with respect to w, of the same shape.
        config: dict with
            learning_rate: α; default 1e-3.
            beta1, beta2: fractions of the old means that are kept; default 0.9 and 0.999.
            epsilon: added to the root; default 1e-8.
            m, v: the running means, shaped as w; start at zero; updated here.
            t: number of steps taken; starts at 0 and is incremented first.

    Returns:
        next_w: the weights after the step; config: for the next step.

    Slides 46–47. Kingma & Ba 2015, arXiv:1412.6980, algorithm 1.

    >>> w, config = adam(torch.tensor([1.0]), torch.tensor([5.0]), {"learning_rate": 0.1})
    >>> w, config["t"]
    (tensor([0.9000]), 1)
    """
    config = {} if config is None else config
    learning_rate = config.get("learning_rate", 1e-3)
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    eps = config.get("epsilon", 1e-8)
    m = config.get("m", torch.zeros_like(w))
    v = config.get("v", torch.zeros_like(w))
    t = config.get("t", 0) + 1

    m = beta1 * m + (1 - beta1) * dw  # Adam.1
    v = beta2 * v + (1 - beta2) * dw**2  # Adam.2
    m_hat = m / (1 - beta1**t)  # Adam.4
    v_hat = v / (1 - beta2**t)  # Adam.5
    next_w = w - learning_rate * m_hat / (torch.sqrt(v_hat) + eps)  # Adam.6
    config.update(m=m, v=v, t=t)
    return next_w, config


class Adam(torch.optim.Optimizer):
    """An optimizer for networks, around `adam`.

    Args:
        params: parameters, or groups of them: dicts with "params" and settings of their own.
        lr: learning rate of all groups that have none.
        betas, eps: (beta1, beta2) and epsilon, likewise.

    What it remembers of a parameter w is in `self.state[w]`, so that `state_dict()` saves it.

    Slides 46–47. Kingma & Ba 2015, arXiv:1412.6980.

    >>> w = torch.nn.Parameter(torch.tensor([3.0]))
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([2.9000])
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        """Change every parameter that has a gradient; return the loss of `closure`, if given.

        A closure computes the loss and its gradients anew; it is called once, before the step.
        The gradients stay as they are: whoever trains clears them.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            settings = {"learning_rate": group["lr"], "epsilon": group["eps"]}
            settings |= {"beta1": beta1, "beta2": beta2}
            for w in group["params"]:
                if w.grad is not None:
                    next_w, config = adam(w, w.grad, {**self.state[w], **settings})
                    self.state[w].update(config)
                    w.copy_(next_w)
        return loss


@validated(w=alike("w"), dw=alike("w"), config=ADAMW)
@in_single
def adamw(w, dw, config=None):
    """Adam with decoupled weight decay: the weights shrink beside the step, not through dw.

    Args:
        w: weights, of any shape.
        dw: gradient of the loss *without* a penalty, with respect to w, of the same shape.
        config: dict with
            learning_rate: α; default 1e-3.
            weight_decay: λ; each step takes the share α·λ away from w; default 1e-2.
            beta1, beta2: fractions of the old means that are kept; default 0.9 and 0.999.
            epsilon: added to the root; default 1e-8.
            m, v: the running means, shaped as w; start at zero; updated here.
            t: number of steps taken; starts at 0 and is incremented first.

    Returns:
        next_w: the weights after the step; config: for the next step.

    Beyond slide 47. Loshchilov & Hutter 2019, arXiv:1711.05101, where the fraction is λ times a
    schedule without α; here, as in PyTorch, it is α·λ.

    >>> w = torch.tensor([8.0])
    >>> adamw(w, torch.zeros(1), {"learning_rate": 0.1, "weight_decay": 0.5})[0]
    tensor([7.6000])
    """
    config = {} if config is None else config
    learning_rate = config.get("learning_rate", 1e-3)
    weight_decay = config.get("weight_decay", 1e-2)
    beta1, beta2 = config.get("beta1", 0.9), config.get("beta2", 0.999)
    eps = config.get("epsilon", 1e-8)
    m = config.get("m", torch.zeros_like(w))
    v = config.get("v", torch.zeros_like(w))
    t = config.get("t", 0) + 1

    m = beta1 * m + (1 - beta1) * dw  # Adam.1
    v = beta2 * v + (1 - beta2) * dw**2  # Adam.2
    m_hat = m / (1 - beta1**t)  # Adam.4
    v_hat = v / (1 - beta2**t)  # Adam.5
    next_w = w - learning_rate * (m_hat / (torch.sqrt(v_hat) + eps) + weight_decay * w)  # AdamW.1
    config.update(m=m, v=v, t=t)
    return next_w, config
