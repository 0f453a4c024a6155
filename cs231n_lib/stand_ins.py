"""The framework's own versions of functions that a lesson carries over from earlier ones.

A lesson that builds on earlier ones uses the student's own functions where they are there, and
these where they are not: same names, same arguments, but the work is done by PyTorch or SciPy.
They are no answers, and no exercise accepts them.
"""

import warnings
from functools import cache
from types import SimpleNamespace


def batchnorm_forward(x, gamma, beta, bn_param):
    """Batch norm by `torch.nn.functional.batch_norm`; slide 11.

    Args:
        x: (N, D); gamma, beta: (D,).
        bn_param: "mode", and where wanted "eps", "momentum"; running statistics are kept in it. As
            in PyTorch, the running variance is that of N − 1.

    Returns:
        (out, cache) for `batchnorm_backward`.
    """
    import torch

    leaves = [torch.tensor(array, requires_grad=True) for array in (x, gamma, beta)]
    zeros = torch.zeros(x.shape[1], dtype=leaves[0].dtype)
    running = [
        torch.as_tensor(bn_param.get(key, zeros)).clone() for key in ("running_mean", "running_var")
    ]
    out = torch.nn.functional.batch_norm(
        leaves[0], *running, *leaves[1:], training=bn_param["mode"] == "train",
        momentum=1 - bn_param.get("momentum", 0.9), eps=bn_param.get("eps", 1e-5),
    )  # fmt: skip
    bn_param["running_mean"], bn_param["running_var"] = (tensor.numpy() for tensor in running)
    return out.detach().numpy(), (out, leaves)


def batchnorm_backward(dout, cache):
    """Gradients of `batchnorm_forward` by autograd: (N, D), (D,), (D,); slide 12."""
    import torch

    out, leaves = cache
    gradients = torch.autograd.grad(out, leaves, torch.as_tensor(dout), retain_graph=True)
    return tuple(gradient.numpy() for gradient in gradients)


def adam(w, dw, config=None):
    """One step of `torch.optim.Adam`; slide 46.

    Args:
        w, dw: weights and their gradient, of one shape.
        config: "learning_rate", "beta1", "beta2", "epsilon"; the state is kept under "state".

    Returns:
        (next_w, config).
    """
    import torch
    from torch.optim.adam import adam as in_place

    config = {} if config is None else config
    weight, gradient = torch.tensor(w), torch.tensor(dw)
    zeros = torch.zeros_like(weight)
    mean, square, step = config.get("state") or (zeros, zeros.clone(), torch.tensor(0.0))
    in_place(
        [weight], [gradient], [mean], [square], [], [step], foreach=False, amsgrad=False,
        beta1=config.get("beta1", 0.9), beta2=config.get("beta2", 0.999), weight_decay=0.0,
        lr=config.get("learning_rate", 1e-3), eps=config.get("epsilon", 1e-8), maximize=False,
    )  # fmt: skip
    config["state"] = (mean, square, step)
    return weight.numpy(), config


def cosine_restarts(t, high, low, period, multiple):
    """Rate at time t of `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`; slides 66–67."""
    optimizer, scheduler = _restarts(high, low, period, multiple)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would have a step of the optimizer first
        scheduler.step(float(t))
    return float(optimizer.param_groups[0]["lr"])


@cache
def _restarts(high, low, period, multiple):
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=high)
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer, T_0=period, T_mult=multiple, eta_min=low
    )


def log_uniform(low, high, size, rng):
    """`size` numbers from `scipy.stats.loguniform`; slide 9."""
    import scipy.stats

    return scipy.stats.loguniform(low, high).rvs(size, random_state=rng)


STAND_INS = {
    function.__name__: function
    for function in (
        batchnorm_forward,
        batchnorm_backward,
        adam,
        cosine_restarts,
        log_uniform,
    )
}
PAIRS = {"batchnorm_forward": "batchnorm_backward"}  # a cache is read by whoever wrote it


def own_or_framework(names, space):
    """Take a student's carried functions, and the framework's where one is missing; say which.

    Args:
        names: of functions, in one text.
        space: the notebook's `globals()`.

    Returns:
        a namespace with a function for every name. A forward pass and its backward pass come from
        the same place.

    Raises:
        ValueError: for a name that has no stand-in.

    >>> functions = own_or_framework("log_uniform", {"log_uniform": lambda *settings: 1.0})
    log_uniform: yours
    >>> functions.log_uniform(1, 10, 3, None)
    1.0
    """
    names = names.split()
    unknown = [name for name in names if name not in STAND_INS]
    if unknown:
        raise ValueError(
            f"names must be among {', '.join(STAND_INS)}, got {', '.join(unknown)}; pass such a "
            "function of yours directly"
        )
    missing = {name for name in names if not _is_own(name, space)}
    for pair in PAIRS.items():
        if missing & set(pair):
            missing |= set(pair)
    for name in names:
        print(f"{name}: {'the framework’s' if name in missing else 'yours'}")
    if missing & set(names):
        print("`autograder carry` brings your own functions here from the notebooks before.")
    return SimpleNamespace(
        **{name: STAND_INS[name] if name in missing else space[name] for name in names}
    )


def _is_own(name, space):
    return callable(space.get(name)) and space[name] is not STAND_INS[name]
