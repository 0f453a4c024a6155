"""Wrong and other right answers around the layers of a network; written in PyTorch's words."""

import torch

from autograder.checking.spec import Misconception
from autograder.misconceptions.normalization.variants import UNBIASED
from autograder.misconceptions.records import (
    SLIP,
    another_default,
    fundamental,
    grouped,
    judged_by,
    right,
    wrong,
)
from cs231n_lib.normalization.in_torch import batchnorm_forward

PARAMETERS = """\
        self.gamma = torch.nn.Parameter(torch.ones(features))
        self.beta = torch.nn.Parameter(torch.zeros(features))
"""
KEPT = """\
        self.running_mean = bn_param["running_mean"].detach()
        self.running_var = bn_param["running_var"].detach()
"""
MODE = '"train" if self.training else "test"'
FOLLOWING = """\
        if not self.training:
            now = {"running_mean": x.mean(dim=0), "running_var": x.var(dim=0, correction=0)}
            for name, value in now.items():
                getattr(self, name).lerp_(value.detach(), 1 - self.momentum)
"""
FROZEN = "self.running_{} = torch.nn.Parameter(torch.zeros(features), requires_grad=False)"
AS_MADE = (
    (
        "beta starts at one",
        "A new layer should only normalize. Which shift leaves everything where it is?",
        SLIP,
        ("self.beta = torch.nn.Parameter(torch.zeros", "self.beta = torch.nn.Parameter(torch.ones"),
    ),
    (
        "gamma starts at zero",
        "A new layer should only normalize. Which factor leaves everything as it is?",
        SLIP,
        (
            "self.gamma = torch.nn.Parameter(torch.ones",
            "self.gamma = torch.nn.Parameter(torch.zeros",
        ),
    ),
    (
        "the base class is not called",
        "A module keeps lists of its parameters and buffers. Who makes these lists, and when?",
        fundamental("no layer is made"),
        ("        super().__init__()\n", ""),
    ),
)

IN_INIT = wrong(
    "BatchNorm",
    (
        "running statistics are not in the state_dict",
        "Train the layer, save it and load it again: what did it know that it no longer knows? "
        "A module saves what it was told to keep, and moves only that to another device.",
        ('self.register_buffer("running_mean", torch', "self.running_mean = (torch"),
        ('self.register_buffer("running_var", torch', "self.running_var = (torch"),
    ),
    (
        "gamma and beta are not parameters",
        "What does list(layer.parameters()) hold? The optimizer is given that list, and nothing "
        "else is trained.",
        (PARAMETERS, PARAMETERS.replace("torch.nn.Parameter(", "(")),
    ),
    (
        "gamma is no parameter",
        "What does list(layer.parameters()) hold? The optimizer is given that list, and nothing "
        "else is trained.",
        ("torch.nn.Parameter(torch.ones(features))", "torch.ones(features)"),
    ),
    (
        "running_var starts at one",
        "PyTorch's own layer starts there. What does the docstring say of the start of this one?",
        SLIP,
        ('"running_var", torch.zeros', '"running_var", torch.ones'),
    ),
    another_default("eps", "eps=1e-5", "eps=1e-3"),
    another_default("momentum", "momentum=0.9)", "momentum=0.1)"),
    *AS_MADE,
    edited="BatchNorm.__init__",
)
IN_FORWARD = wrong(
    "BatchNorm",
    (
        "always in training mode",
        "After eval() one example alone should come out like any other. What does the module know "
        "about the mode it is in, and who tells batchnorm_forward?",
        (MODE, '"train"'),
    ),
    (
        "always in evaluation mode",
        "A new layer knows nothing yet, and normalizes by what it does not know. By which mean "
        "should a batch be centred while the network is trained?",
        (MODE, '"test"'),
    ),
    (
        "the mode of the first call stays",
        "The layer does the right thing until somebody calls eval(). When do you ask which mode it "
        "is in: once, or in every forward pass?",
        (MODE, f'self.__dict__.setdefault("mode", {MODE})'),
    ),
    (
        "statistics follow in evaluation too",
        "A layer that is evaluated should not learn from what it sees. When do your running "
        "statistics move?",
        ("        bn_param = {\n", FOLLOWING + "        bn_param = {\n"),
    ),
    (
        "running statistics stay where they started",
        "batchnorm_forward leaves the new statistics in the dict that it was given. Where are they "
        "when that dict is gone?",
        (KEPT, ""),
    ),
    (
        "gradients flow into the running statistics",
        "The running statistics remember how they were computed, batch after batch: print one, and "
        "look for grad_fn. No loss should ever be followed that far back.",
        SLIP,
        ('["running_mean"].detach()', '["running_mean"]'),
        ('["running_var"].detach()', '["running_var"]'),
    ),
    (
        "eps of the layer is not used",
        "Your layer is right as long as nobody chooses another eps. What becomes of the one that "
        "was given to the layer?",
        SLIP,
        ('            "eps": self.eps,\n', ""),
    ),
    (
        "momentum of the layer is not used",
        "How fast the running statistics follow is the caller's choice. Does batchnorm_forward "
        "ever hear of it?",
        SLIP,
        ('            "momentum": self.momentum,\n', ""),
    ),
    (
        "momentum as PyTorch counts it",
        "Is your momentum the share that is kept, or the share that is new? Both conventions are "
        "in use; read the docstring once more.",
        SLIP,
        ('"momentum": self.momentum', '"momentum": 1 - self.momentum'),
    ),
    edited="BatchNorm.forward",
)
BUFFER = 'self.register_buffer("running_{}", torch.zeros(features))'
AS_PARAMETERS = Misconception(
    "normalization.torch.BatchNorm",
    "running statistics are parameters",
    "The layer tells running statistics and parameters apart: the first come from the data, the "
    "second from the optimizer. What does list(layer.parameters()) hold?",
    edits={
        "BatchNorm.__init__": tuple((BUFFER.format(n), FROZEN.format(n)) for n in ("mean", "var")),
        "BatchNorm.forward": ((KEPT, KEPT.replace(" =", ".data =")),),
    },
    kind="slip",
)
IN_FUNCTION = wrong(
    "BatchNorm",
    (
        "no gradient through mean and variance",
        "Move one x: the mean and the variance of its feature move too. Does autograd hear of it, "
        "or is something detached?",
        SLIP,
        ("mu = x.mean(dim=0)", "mu = x.detach().mean(dim=0)"),
        ("x_mu -= x_mu.mean(dim=0)", "x_mu = x_mu - x_mu.detach().mean(dim=0)"),
        ("var = (x_mu**2).mean(dim=0)", "var = (x_mu.detach() ** 2).mean(dim=0)"),
    ),
    (
        "unbiased variance",
        "Your variance is divided by N − 1, as torch.var does it unless told otherwise. By what "
        "does the formula divide?",
        judged_by("output in training"),
        ("var = (x_mu**2).mean(dim=0)", "var = (x_mu**2).sum(dim=0) / (len(x) - 1)"),
    ),
    edited="batchnorm_forward",
)
GROUP_PARAMETERS = """\
        self.gamma = torch.nn.Parameter(torch.ones(1, channels, 1, 1))
        self.beta = torch.nn.Parameter(torch.zeros(1, channels, 1, 1))
"""
OF_GROUPS = (
    *wrong(
        "GroupNorm",
        (
            "gamma and beta are not parameters",
            "What does list(layer.parameters()) hold? The optimizer is given that list, and "
            "nothing else is trained.",
            (GROUP_PARAMETERS, GROUP_PARAMETERS.replace("torch.nn.Parameter(", "(")),
        ),
        (
            "gamma and beta of shape (C,)",
            "Against which axes of an image does an array of shape (C,) broadcast? The group norm "
            "of this lesson takes other shapes.",
            fundamental("every output depends on gamma and beta"),
            (GROUP_PARAMETERS, GROUP_PARAMETERS.replace("1, channels, 1, 1", "channels")),
        ),
        (
            "gamma and beta of shape (C, 1, 1)",
            "The numbers broadcast as they should. Which shape does the docstring promise to those "
            "who load the parameters from a file?",
            grouped("gamma and beta of shape (C,)"),
            fundamental("every question is put to given gamma and beta"),
            (GROUP_PARAMETERS, GROUP_PARAMETERS.replace("1, channels, 1, 1", "channels, 1, 1")),
        ),
        (
            "gamma and beta without a place in parameters()",
            "Gradients flow into both, and yet no optimizer moves them: what does "
            "list(layer.parameters()) hold?",
            grouped("gamma and beta are not parameters"),
            (
                GROUP_PARAMETERS,
                GROUP_PARAMETERS.replace("torch.nn.Parameter(", "(").replace(
                    "1, 1)", "1, 1, requires_grad=True)"
                ),
            ),
        ),
        another_default("eps", "eps=1e-5):", "eps=1e-3):"),
        *AS_MADE,
        edited="GroupNorm.__init__",
    ),
    *wrong(
        "GroupNorm",
        (
            "eps of the layer is not used",
            "Your layer is right as long as nobody chooses another eps. What becomes of the one "
            "that was given to the layer?",
            SLIP,
            ('{"eps": self.eps}', "{}"),
        ),
        (
            "channels in a group for the number of groups",
            "Take six channels in three groups: how many channels share a mean? Which of the two "
            "numbers does the function ask for?",
            fundamental("every question is about groups of the right size"),
            ("self.groups, gn_param", "x.shape[1] // self.groups, gn_param"),
        ),
        (
            "every channel a group of its own",
            "With as many groups as channels this is instance norm. Which number did your layer "
            "get?",
            fundamental("every question is about groups of the right size"),
            ("self.groups, gn_param", "x.shape[1], gn_param"),
        ),
        (
            "no normalization after eval()",
            "Group norm has no running statistics. Why should an image come out in another way "
            "after eval()?",
            ("        return out", "        return out if self.training else x"),
        ),
        (
            "gradients stop in the layer",
            "Call backward on a loss and look at layer.gamma.grad. Which line took the result out "
            "of the graph?",
            ("        return out", "        return out.detach().requires_grad_()"),
        ),
        (
            "no gradients are recorded",
            "Call backward on a loss of what your layer returns. Where does its graph end, under "
            "which `with`?",
            ("        return out", "        return out.detach()"),
        ),
        edited="GroupNorm.forward",
    ),
)
MISCONCEPTIONS = (*IN_INIT, *IN_FORWARD, AS_PARAMETERS, *IN_FUNCTION, *OF_GROUPS)


class OneDict(torch.nn.Module):
    """Keep one dict of options, and write into the buffers."""

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, features, eps=1e-5, momentum=0.9):
        super().__init__()
        self.gamma = torch.nn.Parameter(torch.ones(features))
        self.beta = torch.nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.zeros(features))
        self.bn_param = {"eps": eps, "momentum": momentum}

    def forward(self, x):
        buffers = {"running_mean": self.running_mean, "running_var": self.running_var}
        self.bn_param |= {"mode": "train" if self.training else "test"} | buffers
        out, _ = batchnorm_forward(x, self.gamma, self.beta, self.bn_param)
        with torch.no_grad():
            for name, buffer in buffers.items():
                buffer.copy_(self.bn_param[name])
        return out


class OwnFormula(torch.nn.Module):
    """Write the formula once more, in the operations that autograd knows."""

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, features, eps=1e-5, momentum=0.9):
        super().__init__()
        self.features, self.eps, self.keep = features, eps, momentum
        self.gamma = torch.nn.Parameter(torch.full((features,), 1.0))
        self.beta = torch.nn.Parameter(torch.zeros_like(self.gamma))
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, torch.zeros(features))

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = x.mean(dim=0), x.var(dim=0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, 1 - self.keep)
                self.running_var.lerp_(var, 1 - self.keep)
        return torch.addcmul(self.beta, self.gamma, (x - mean) * torch.rsqrt(var + self.eps))


class GroupsByReshape(torch.nn.Module):
    """Write the formula once more, on one axis for each group."""

    def __init__(self, groups, channels, eps=1e-5):
        super().__init__()
        self.groups, self.eps = groups, eps
        self.gamma = torch.nn.Parameter(torch.full((1, channels, 1, 1), 1.0))
        self.beta = torch.nn.Parameter(torch.zeros_like(self.gamma))

    def forward(self, x):
        flat = x.reshape(len(x), self.groups, -1)
        var, mean = torch.var_mean(flat, dim=2, correction=0, keepdim=True)
        x_hat = ((flat - mean) * torch.rsqrt(var + self.eps)).reshape(x.shape)
        return torch.addcmul(self.beta, self.gamma, x_hat)


class GroupsOneByOne(torch.nn.Module):
    """Normalize one group after the other."""

    def __init__(self, groups, channels, eps=1e-5):
        super().__init__()
        self.size, self.eps = channels // groups, eps
        self.gamma = torch.nn.Parameter(torch.ones(1, channels, 1, 1))
        self.beta = torch.nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x):
        parts = [self.normalized(part) for part in x.split(self.size, dim=1)]
        return self.gamma * torch.cat(parts, dim=1) + self.beta

    def normalized(self, part):
        centred = part - part.mean(dim=(1, 2, 3), keepdim=True)
        return centred / (centred.square().mean(dim=(1, 2, 3), keepdim=True) + self.eps).sqrt()


VARIANTS = (
    *right("BatchNorm", "one dict of options, buffers in place", BatchNorm=OneDict),
    *right("BatchNorm", "the formula once more", BatchNorm=OwnFormula),
    *right(
        "GroupNorm",
        "beta before gamma",
        (GROUP_PARAMETERS, "".join(reversed(GROUP_PARAMETERS.splitlines(keepends=True)))),
        edited="GroupNorm.__init__",
    ),
    *right(
        "BatchNorm",
        "statistics kept without a graph",
        (KEPT, KEPT.replace(".detach()", ".data")),
        edited="BatchNorm.forward",
    ),
    *right(
        "BatchNorm",
        "unbiased running variance",
        ("(1 - momentum) * var", "(1 - momentum) * var * len(x) / (len(x) - 1)"),
        edited="batchnorm_forward",
        remark=UNBIASED,
    ),
    *right("GroupNorm", "one axis for each group", GroupNorm=GroupsByReshape),
    *right("GroupNorm", "one group after the other", GroupNorm=GroupsOneByOne),
    *right(
        "GroupNorm",
        "the result of the function by its place",
        ("out, _ = spatial", "out = spatial"),
        ("        return out", "        return out[0]"),
        edited="GroupNorm.forward",
    ),
)
