"""Wrong and other right answers around the optimizers of networks; written in PyTorch's words."""

import torch

from autograder.misconceptions.records import SLIP, another_default, fundamental, right, wrong
from cs231n_lib.optim.in_torch import adam, sgd_momentum_unscaled

CLOSURE = """\
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
"""
LINES = (
    (
        "nothing is remembered from step to step",
        "Every step of yours is a first step. Where does an optimizer keep what the next step of "
        "this parameter has to know?",
        ("                    self.state[w].update(config)\n", ""),
    ),
    (
        "all parameters share one state",
        "The velocity of one parameter has the shape of that parameter, and no other. By what do "
        "you look it up?",
        ("**self.state[w]", '**self.state["all"]'),
        ("self.state[w].update", 'self.state["all"].update'),
    ),
    (
        "parameters do not move",
        "Your step computes where the weights should go. Does the network hear of it? A name on "
        "the left of = is only bound anew.",
        fundamental("every question is about where the parameters go"),
        ("w.copy_(next_w)", "w = next_w"),
    ),
    (
        "the step goes uphill",
        "The gradient points to where the loss grows. On which side of its old place does a "
        "parameter lie after your step?",
        fundamental("every question is about where the parameters go"),
        ("w.copy_(next_w)", "w.copy_(2 * w - next_w)"),
    ),
    (
        "one learning rate for all groups",
        "Two groups may learn at different rates, and a scheduler changes them on the way. Of "
        "which group is the rate that you use?",
        ('group["lr"]', 'self.defaults["lr"]'),
    ),
    (
        "a parameter without a gradient",
        "Not every parameter takes part in every loss. What is w.grad of one that did not?",
        SLIP,
        ("if w.grad is not None", "if True"),
    ),
    (
        "the loss does not come back",
        "Some training loops hand the computation of the loss to the step. What do they get back "
        "from yours?",
        SLIP,
        (CLOSURE, "        loss = None\n"),
    ),
    (
        "the closure is called without gradients",
        "Inside of step gradients are off, and that is well, but the closure is about to call "
        "backward. For how long do they have to be on?",
        SLIP,
        (
            CLOSURE,
            "        loss = None\n        if closure is not None:\n            loss = closure()\n",
        ),
    ),
    (
        "the closure is called more than once",
        "How often is the loss computed in one step of yours? Once is enough, however the "
        "parameters are grouped.",
        SLIP,
        (
            "                loss = closure()\n",
            "                loss = closure() + 0 * closure()\n",
        ),
    ),
    (
        "the closure is called after the step",
        "A closure computes the gradients anew. Which gradients does your step go along?",
        SLIP,
        (CLOSURE, ""),
        ("        return loss\n", f"{CLOSURE}        return loss\n"),
    ),
    (
        "only the first group",
        "Parameters may come in several groups, each with its settings. What becomes of the second "
        "group?",
        SLIP,
        ("in self.param_groups", "in self.param_groups[:1]"),
    ),
    (
        "the state is kept elsewhere",
        "Your steps are right, and a run that is saved forgets its state. Which dict does "
        "state_dict() write down?",
        SLIP,
        ("**self.state[w]", '**self.__dict__.setdefault("own", {}).setdefault(w, {})'),
        ("self.state[w].update(config)", "self.own[w].update(config)"),
    ),
    (
        "the step clears the gradients",
        "Your steps are right, and after them the gradients are gone: somebody may want to look at "
        "their size. In a training loop, who calls zero_grad?",
        SLIP,
        ("        return loss", "        self.zero_grad()\n        return loss"),
    ),
    (
        "the rate of the first step stays",
        "A scheduler changes the rate of a group on the way. When do you look it up?",
        SLIP,
        ('group["lr"]', 'group.setdefault("first", group["lr"])'),
    ),
)
NO_BASE = (
    "the base class is not called",
    "An optimizer keeps groups and states in what `torch.optim.Optimizer.__init__` makes. Who "
    "calls it?",
    fundamental("no optimizer is made"),
)

MISCONCEPTIONS = (
    *wrong("Momentum", *LINES, edited="Momentum.step"),
    *wrong(
        "Momentum",
        (
            "momentum of the optimizer is not used",
            "Your steps are right as long as nobody chooses another momentum. What becomes of the "
            "one that stands in the group?",
            SLIP,
            (', "momentum": group["momentum"]}', "}"),
        ),
        (
            "the velocity holds the learning rate",
            "While the rate stays, both forms of momentum go the same way. What becomes of the old "
            "steps in yours when the rate falls?",
            SLIP,
            ("(w, w.grad, ", '(w, group["lr"] * w.grad, '),
            ('group["lr"], "momentum"', '1.0, "momentum"'),
        ),
        (
            "dampened gradient",
            "Let the gradient be 1 forever: the velocity should become a sum, larger than one step "
            "of gradient descent, and yours a mean. By what is your gradient multiplied?",
            fundamental("every question begins with a step along the gradient"),
            ("(w, w.grad, ", '(w, (1 - group["momentum"]) * w.grad, '),
        ),
        (
            "the velocity is the gradient's own memory",
            "The first velocity is equal to the gradient, and with you it *is* that tensor. What "
            "happens to it when the next backward pass writes there?",
            (
                "self.state[w].update(config)",
                'first = {} if self.state[w] else {"velocity": w.grad}\n'
                "                    self.state[w].update(config | first)",
            ),
        ),
        edited="Momentum.step",
    ),
    *wrong(
        "Momentum",
        (*NO_BASE, ('super().__init__(params, {"lr": lr, "momentum": momentum})', "self.lr = lr")),
        another_default("rate", "lr=1e-2", "lr=1e-3"),
        another_default("momentum", "momentum=0.9", "momentum=0.99"),
        edited="Momentum.__init__",
    ),
    *wrong("Adam", *LINES, edited="Adam.step"),
    *wrong(
        "Adam",
        (
            "the betas change places",
            "Two numbers come as one pair. Which of them belongs to the mean of the gradients, and "
            "which to that of their squares?",
            ("beta1, beta2 = group", "beta2, beta1 = group"),
        ),
        (
            "betas of the optimizer are not used",
            "Your steps are right as long as nobody chooses other betas. What becomes of those "
            "that stand in the group?",
            SLIP,
            ('            settings |= {"beta1": beta1, "beta2": beta2}\n', ""),
        ),
        (
            "eps of the optimizer is not used",
            "Your steps are right as long as nobody chooses another eps. What becomes of the one "
            "that stands in the group?",
            SLIP,
            (', "epsilon": group["eps"]}', "}"),
        ),
        (
            "all parameters share one count",
            "With two parameters your t goes up by two in a step. Of what does t count the steps?",
            ("**settings})", '**settings, "t": self.__dict__.get("t", 0)})'),
            (
                "self.state[w].update(config)",
                'self.state[w].update(config)\n                    self.t = config["t"]',
            ),
        ),
        (
            "no bias correction",
            "The first steps of yours are too small: both means start at zero. What does Adam "
            "divide them by?",
            fundamental("every check looks at the first steps"),
            ("**settings})", '**settings, "t": 10**9})'),
        ),
        edited="Adam.step",
    ),
    *wrong(
        "Adam",
        (
            *NO_BASE,
            ('super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})', "self.lr = lr"),
        ),
        another_default("rate", "lr=1e-3", "lr=1e-2"),
        another_default("betas", "betas=(0.9, 0.999)", "betas=(0.9, 0.99)"),
        edited="Adam.__init__",
    ),
)


class MomentumByHand(torch.optim.Optimizer):
    """Write the rule once more, on the parameters themselves."""

    def __init__(self, params, lr=1e-2, momentum=0.9):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    def step(self, closure=None):
        loss = closure() if closure else None
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    velocity = self.state[p].get("velocity")
                    velocity = p.grad.clone() if velocity is None else velocity
                    if "velocity" in self.state[p]:
                        velocity.mul_(group["momentum"]).add_(p.grad)
                    self.state[p]["velocity"] = velocity
                    p.sub_(group["lr"] * velocity)
        return loss


class MomentumInData(torch.optim.Optimizer):
    """Keep a whole config for each parameter, and replace what the parameters hold."""

    def __init__(self, params, lr=1e-2, momentum=0.9):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for p in filter(lambda p: p.grad is not None, group["params"]):
                config = self.state[p].setdefault("config", {})
                config["learning_rate"], config["momentum"] = group["lr"], group["momentum"]
                p.data, self.state[p]["config"] = sgd_momentum_unscaled(p.data, p.grad, config)
        return loss


class AdamByHand(torch.optim.Optimizer):
    """Write the rule once more, with the steps counted in a tensor."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    def step(self, closure=None):
        loss = closure() if closure else None
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p += self.change(p, group)
        return loss

    def change(self, p, group):
        state, (beta1, beta2) = self.state[p], group["betas"]
        if not state:
            state.update(t=torch.tensor(0.0, dtype=torch.float64))
            state.update(m=torch.zeros_like(p), v=torch.zeros_like(p))
        state["t"] += 1
        state["m"].lerp_(p.grad, 1 - beta1)
        state["v"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
        root = (state["v"] / (1 - beta2 ** state["t"])).sqrt() + group["eps"]
        return -group["lr"] / (1 - beta1 ** state["t"]) * state["m"] / root


class AdamInData(torch.optim.Optimizer):
    """Keep a whole config for each parameter, and replace what the parameters hold."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            given = dict(zip(("beta1", "beta2"), group["betas"], strict=True))
            for p in filter(lambda p: p.grad is not None, group["params"]):
                config = self.state[p].setdefault("config", {})
                config.update(given, learning_rate=group["lr"], epsilon=group["eps"])
                p.data, self.state[p]["config"] = adam(p.data, p.grad, config)
        return loss


IN_PLACE = ("w.copy_(next_w)", "w -= w - next_w")
VARIANTS = (
    *right("Momentum", "the rule once more", Momentum=MomentumByHand),
    *right("Momentum", "a config for each parameter", Momentum=MomentumInData),
    *right("Momentum", "subtract the step in place", IN_PLACE, edited="Momentum.step"),
    *right("Adam", "the rule once more", Adam=AdamByHand),
    *right("Adam", "a config for each parameter", Adam=AdamInData),
    *right("Adam", "subtract the step in place", IN_PLACE, edited="Adam.step"),
)
