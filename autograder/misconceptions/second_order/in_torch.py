"""Wrong and other right answers around L-BFGS as an optimizer; written in PyTorch's words."""

import torch

from autograder.misconceptions.records import (
    SLIP,
    another_default,
    fundamental,
    grouped,
    right,
    wrong,
)
from cs231n_lib.second_order.in_torch import lbfgs_direction

PAIR = 's, y = w - state["w"], dw - state["dw"]'
NEXT = 'next_w = w + group["lr"] * lbfgs_direction(dw, state["S"], state["Y"])'
NEWEST = "(torch.vstack(pair)[-memory:] for pair in ((S, s), (Y, y)))"


class EachParameterAlone(torch.optim.Optimizer):
    """Give each parameter pairs and a direction of its own."""

    def __init__(self, params, lr=1.0, memory=10):
        super().__init__(params, {"lr": lr, "memory": memory})

    @torch.no_grad()
    def step(self, closure=None):
        with torch.enable_grad():
            loss = closure()
        group = self.param_groups[0]
        for p in group["params"]:
            state, w, dw = self.state[p], p.flatten().clone(), p.grad.flatten().clone()
            S, Y = state.get("S", w.new_zeros(0, len(w))), state.get("Y", w.new_zeros(0, len(w)))
            if "w" in state:
                s, y = w - state["w"], dw - state["dw"]
                if y @ s > 0:
                    S = torch.vstack((S, s))[-group["memory"] :]
                    Y = torch.vstack((Y, y))[-group["memory"] :]
            state.update(w=w, dw=dw, S=S, Y=Y)
            p.copy_((w + group["lr"] * lbfgs_direction(dw, S, Y)).view_as(p))
        return loss


class PairsInTheOptimizer(torch.optim.Optimizer):
    """Keep the pairs in attributes, which `state_dict` does not know."""

    def __init__(self, params, lr=1.0, memory=10):
        super().__init__(params, {"lr": lr, "memory": memory})
        self.S, self.Y, self.last = [], [], None

    @torch.no_grad()
    def step(self, closure=None):
        with torch.enable_grad():
            loss = closure()
        group = self.param_groups[0]
        w = torch.nn.utils.parameters_to_vector(group["params"])
        dw = torch.nn.utils.parameters_to_vector(p.grad for p in group["params"])
        if self.last is not None:
            s, y = w - self.last[0], dw - self.last[1]
            if y @ s > 0:
                self.S = [*self.S, s][-group["memory"] :]
                self.Y = [*self.Y, y][-group["memory"] :]
        self.last = w, dw
        next_w = w + group["lr"] * lbfgs_direction(dw, self.S, self.Y)
        torch.nn.utils.vector_to_parameters(next_w, group["params"])
        return loss


REMEMBER = wrong(
    "LBFGS",
    (
        "nothing is remembered from step to step",
        "Every step of yours is a first step, against the gradient. Where does an optimizer keep "
        "what the next step has to know?",
        ("state.update(w=w, dw=dw, S=S, Y=Y)", "state.update(S=S, Y=Y)"),
    ),
    (
        "the step backwards",
        "Your pairs have y·s below zero where the loss curves up, and none is kept. From where to "
        "where does the step s lead?",
        grouped("nothing is remembered from step to step"),
        (PAIR, 's, y = state["w"] - w, dw - state["dw"]'),
    ),
    (
        "pairs without positive curvature are kept",
        "Where the gradient grows along the step, the direction that such a pair gives leads "
        "uphill. What does lesson 07 demand of a pair before it is remembered?",
        SLIP,
        ("if y @ s > 0:", "if y @ s != 0:"),
    ),
    (
        "a step with a bad pair is not remembered",
        "A pair that is left out was a step all the same. From where does the next step start?",
        SLIP,
        ("if y @ s > 0:", "if y @ s <= 0:\n                return\n            if True:"),
    ),
    (
        "all pairs are kept",
        "The memory should hold so many pairs, and yours grows with every step. Which ones go?",
        SLIP,
        (NEWEST, "(torch.vstack(pair) for pair in ((S, s), (Y, y)))"),
    ),
    (
        "the oldest pairs are kept",
        "When the memory is full, you leave out the new pair. Which pairs say most about where "
        "you are?",
        SLIP,
        (NEWEST, "(torch.vstack(pair)[:memory] for pair in ((S, s), (Y, y)))"),
    ),
    (
        "newest pair first",
        "`lbfgs_direction` takes the oldest pair first. In which order do you hand them over?",
        (NEWEST, "(torch.vstack(pair)[:memory] for pair in ((s, S), (y, Y)))"),
    ),
    edited="LBFGS.remember",
)
STEP = wrong(
    "LBFGS",
    (
        "the newest pair is missing",
        "The direction of this step does not know the step before it. When does a pair enter the "
        "memory, and when is the memory asked?",
        (
            '        self.remember(state, w, dw, group["memory"])\n',
            '        S, Y = state.get("S", w[None][:0]), state.get("Y", w[None][:0])\n'
            '        self.remember(state, w, dw, group["memory"])\n',
        ),
        ('lbfgs_direction(dw, state["S"], state["Y"])', "lbfgs_direction(dw, S, Y)"),
    ),
    (
        "uphill",
        "`lbfgs_direction` returns a direction that leads downhill. With which sign does a step "
        "go along it?",
        (NEXT, NEXT.replace("w + ", "w - ")),
    ),
    (
        "one learning rate forever",
        "A scheduler changes the rate of the group on the way. Whose rate do you use?",
        SLIP,
        ('w + group["lr"]', 'w + self.defaults["lr"]'),
    ),
    (
        "no learning rate",
        "You go the whole direction. By what is it to be multiplied?",
        (NEXT, NEXT.replace('group["lr"] * ', "")),
    ),
    (
        "the closure is called twice",
        "How often is the loss computed in one step of yours? Without a line search, once will do.",
        SLIP,
        ("            loss = closure()\n", "            loss = closure()\n            closure()\n"),
    ),
    (
        "the closure is called without gradients",
        "Inside of step gradients are off, and that is well, but the closure is about to call "
        "backward. For how long do they have to be on?",
        fundamental("every step begins with the closure"),
        ("with torch.enable_grad():", "with torch.no_grad():"),
    ),
    (
        "the loss is not returned",
        "A training loop prints what step returns. What is it with you?",
        SLIP,
        ("        return loss", "        return torch.zeros(())"),
    ),
    (
        "the step clears the gradients",
        "Your steps are right, and after them the gradients are gone: somebody may want to look at "
        "their size. In a training loop, who calls zero_grad?",
        SLIP,
        ("        return loss", "        self.zero_grad()\n        return loss"),
    ),
    edited="LBFGS.step",
)
MISCONCEPTIONS = (
    *wrong(
        "LBFGS",
        (
            "each parameter a vector of its own",
            "A pair says how the gradient of *all* parameters changes along a step of all of them. "
            "With a vector for each, who knows how one of them changes the slope of another?",
            EachParameterAlone,
        ),
        (
            "the pairs are not in the state",
            "Your steps are right, and a run that is saved forgets its pairs. Which dict does "
            "state_dict() write down?",
            SLIP,
            PairsInTheOptimizer,
        ),
    ),
    *wrong(
        "LBFGS",
        another_default("rate", "lr=1.0", "lr=0.1"),
        another_default("memory", "memory=10", "memory=5"),
        edited="LBFGS.__init__",
    ),
    *REMEMBER,
    *STEP,
)


class PairsInLists(torch.optim.Optimizer):
    """Keep the pairs in lists, and copy the parameters one by one."""

    def __init__(self, params, lr=1.0, memory=10):
        super().__init__(params, dict(lr=lr, memory=memory))

    def step(self, closure=None):
        loss = closure()
        group = self.param_groups[0]
        params, lr = group["params"], group["lr"]
        flat = torch.cat([p.detach().reshape(-1) for p in params])
        grad = torch.cat([p.grad.reshape(-1) for p in params])
        memory = self.state[params[0]].setdefault("memory", {"s": [], "y": []})
        if "w" in memory:
            s, y = flat - memory["w"], grad - memory["g"]
            if torch.dot(y, s) > 0:
                memory["s"].append(s)
                memory["y"].append(y)
                if len(memory["s"]) > group["memory"]:
                    memory["s"].pop(0)
                    memory["y"].pop(0)
        memory["w"], memory["g"] = flat, grad
        step = lr * lbfgs_direction(grad, memory["s"], memory["y"])
        start = 0
        for p in params:
            p.data.add_(step[start : start + p.numel()].view_as(p))
            start += p.numel()
        return loss


class StepRemembered(torch.optim.Optimizer):
    """Remember the step itself, not the place that it came from."""

    def __init__(self, params, lr=1.0, memory=10):
        super().__init__(params, {"lr": lr, "memory": memory})
        self.first = self.param_groups[0]["params"][0]

    @torch.no_grad()
    def step(self, closure=None):
        loss = torch.enable_grad()(closure)()
        group, state = self.param_groups[0], self.state[self.first]
        g = torch.nn.utils.parameters_to_vector([p.grad for p in group["params"]])
        if "d" in state and state["d"] @ (g - state["g"]) > 0:
            kept = state.get("pairs", g.new_zeros(0, 2, len(g)))
            new = torch.stack([state["d"], g - state["g"]])[None]
            state["pairs"] = torch.cat([kept, new])[-group["memory"] :]
        pairs = state.get("pairs", g.new_zeros(0, 2, len(g)))
        state["d"] = group["lr"] * lbfgs_direction(g, pairs[:, 0], pairs[:, 1])
        state["g"] = g
        parts = state["d"].split([p.numel() for p in group["params"]])
        for p, part in zip(group["params"], parts, strict=True):
            p += part.reshape(p.shape)
        return loss


VARIANTS = (
    *right("LBFGS", "pairs in lists", LBFGS=PairsInLists),
    *right("LBFGS", "the step is remembered", LBFGS=StepRemembered),
    *right(
        "LBFGS",
        "the curvature first",
        ("if y @ s > 0:", "curvature = (s * y).sum()\n            if curvature.item() > 0:"),
        edited="LBFGS.remember",
    ),
)
