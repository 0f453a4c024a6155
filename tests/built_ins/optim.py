"""The frameworks' own versions of the optimizers, with the conventions of the exercises.

The state of `torch.optim` travels in config["state"]. Three methods are not there as such: a
velocity that holds the rate is that of gradients times the rate, stepped at rate 1; Adam without
its corrections is Adam after so many steps that there is nothing left to correct; the look-ahead is
the rearranged Nesterov, asked at x + ρv and moved back afterwards.
"""

import torch


def with_settings(optimizer, settings, rate_in_velocity=False, state=dict):
    """Return (w, dw, config) -> next_w, config around a class of torch.optim."""

    def step(w, dw, config=None):
        config = {} if config is None else config
        with torch.inference_mode(False), torch.enable_grad():
            parameter = torch.nn.Parameter(w.clone())
            parameter.grad = dw.clone()
            options = settings(config)
            if rate_in_velocity:
                parameter.grad *= options.pop("lr")
                options["lr"] = 1.0
            stepper = optimizer([parameter], **options)
            started = config["state"] if "state" in config else state_for(parameter)
            stepper.state[parameter].update(started)
            stepper.step()
            config["state"] = dict(stepper.state[parameter])
        return parameter.detach(), config

    def state_for(parameter):
        return {key: make(parameter) for key, make in state().items()}

    return step


def sgd_settings(config):
    """Return the settings of torch.optim.SGD that a config stands for."""
    return {"lr": config.get("learning_rate", 1e-2)}


def momentum_settings(**options):
    """Return the settings of torch.optim.SGD with momentum that a config stands for."""
    return lambda config: {
        **sgd_settings(config),
        "momentum": config.get("momentum", 0.9),
        **options,
    }


def adagrad_settings(config):
    """Return the settings of torch.optim.Adagrad that a config stands for."""
    return {"lr": config.get("learning_rate", 1e-2), "eps": config.get("epsilon", 1e-8)}


def rmsprop_settings(config):
    """Return the settings of torch.optim.RMSprop that a config stands for."""
    return adagrad_settings(config) | {"alpha": config.get("decay_rate", 0.99)}


def adam_settings(config):
    """Return the settings of torch.optim.Adam that a config stands for."""
    return {
        "lr": config.get("learning_rate", 1e-3),
        "eps": config.get("epsilon", 1e-8),
        "betas": (config.get("beta1", 0.9), config.get("beta2", 0.999)),
    }


def adamw_settings(config):
    """Return the settings of torch.optim.AdamW that a config stands for."""
    return adam_settings(config) | {"weight_decay": config.get("weight_decay", 1e-2)}


def long_ago():
    """State of an Adam that has taken so many steps that both corrections are 1."""
    return {
        "step": lambda parameter: torch.tensor(1e6),
        "exp_avg": torch.zeros_like,
        "exp_avg_sq": torch.zeros_like,
    }


def nesterov_lookahead(w, gradient, config=None):
    """The rearranged form moves w + ρv, from which the weights are found again."""
    config = {} if config is None else config
    momentum = config.get("momentum", 0.9)

    def lead():
        velocity = config.get("state", {}).get("momentum_buffer")
        return 0 if velocity is None else -momentum * velocity

    ahead = w + lead()
    ahead, config = nesterov(ahead, gradient(ahead), config)
    return ahead - lead(), config


nesterov = with_settings(torch.optim.SGD, momentum_settings(nesterov=True), rate_in_velocity=True)


class Momentum(torch.optim.SGD):
    """PyTorch's own, with the default of the exercise."""

    def __init__(self, params, lr=1e-2, momentum=0.9):
        super().__init__(params, lr, momentum)


BUILT_INS = {
    "Momentum": Momentum,
    "Adam": torch.optim.Adam,
    "sgd": with_settings(torch.optim.SGD, sgd_settings),
    "sgd_momentum": with_settings(torch.optim.SGD, momentum_settings(), rate_in_velocity=True),
    "sgd_momentum_unscaled": with_settings(torch.optim.SGD, momentum_settings()),
    "nesterov_lookahead": nesterov_lookahead,
    "nesterov": nesterov,
    "adagrad": with_settings(torch.optim.Adagrad, adagrad_settings),
    "rmsprop": with_settings(torch.optim.RMSprop, rmsprop_settings),
    "adam_uncorrected": with_settings(torch.optim.Adam, adam_settings, state=long_ago),
    "adam": with_settings(torch.optim.Adam, adam_settings),
    "adamw": with_settings(torch.optim.AdamW, adamw_settings),
}
WITHOUT = {
    "separating_curvatures": "it is a search for a bowl",
    "separating_gradients": "it is a search for gradients",
}
REMARKED = {}
