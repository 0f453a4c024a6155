"""Optimizer classes: drop-ins for those of `torch.optim`, with the rules of `in_torch` inside.

They take parameter groups and closures, work with `torch.optim.lr_scheduler`, and a `state_dict`
goes from the built-in ones to these and back. Options that these lack may be given as long as they
are off; whatever is wrong with a setting or a state is said before anything is changed. Each rule
is written once, on lists of tensors, and `foreach` says how many tensors it gets at a time:

- True: all of a group, which is best on a GPU, and what `torch.compile` is given;
- False: one after the other, which needs the least memory;
- None: True on a GPU; on a CPU portions that fit into the cache, so large tensors are cut into
  blocks and small ones are put together.

Weights in half precision take the step of single precision, rounded: a square or a small eps would
not fit into 16 bits. What is kept for them is in single precision too.
"""

import functools

import torch

from cs231n_lib.errors import at_least, below, between, off

HALVES = torch.float16, torch.bfloat16
PORTION = 2**17  # numbers of each list that are taken at a time on a CPU


def _betas(name, value, known=None):
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{name} must be a pair (beta1, beta2), got {value!r}")
    for i in (0, 1):
        below(1)(f"{name}[{i}]", value[i])


RULES = {
    "lr": at_least(0),
    "momentum": between(0, 1),
    "alpha": below(1),
    "betas": _betas,
    "eps": at_least(0),
    "weight_decay": at_least(0),
}


@functools.cache
def built_in_options(name):
    """Return the options of one of PyTorch's optimizers, with their defaults."""
    return getattr(torch.optim, name)([torch.zeros(1, requires_grad=True)]).defaults


@functools.cache
def options_that_are_off(name, options):
    """Return what PyTorch's optimizers have beside `options`, with the value that means off."""
    known = {
        o: 0 for other in ("SGD", "Adagrad", "RMSprop", "Adam") for o in built_in_options(other)
    }
    return {o: v for o, v in (known | built_in_options(name)).items() if o not in options}


class Optimizer(torch.optim.Optimizer):
    """What all classes below share: groups, closures, state, portions.

    A subclass names the optimizer of PyTorch that it is (`built_in`), the options of that which it
    has, and the tensors that it keeps (`state_names`); `rule(group, w, dw, *state, steps)` changes
    the tensors in the lists w and state, where `steps` counts from 1 for each tensor.
    """

    built_in = "SGD"
    options: tuple[str, ...] = ("lr", "weight_decay", "foreach")
    state_names: tuple[str, ...] = ()
    decoupled = False  # weight decay is part of the rule, not of the gradient

    def __init__(self, params, **settings):
        others = built_in_options(self.built_in)
        unknown = sorted(settings.keys() - others.keys() - set(self.options))
        if unknown:
            listed = ", ".join(self.options)
            raise TypeError(
                f"{type(self).__name__}: there is no option {unknown[0]!r}; options: {listed}"
            )
        super().__init__(params, others | settings)

    def add_param_group(self, param_group):
        """Add a group of parameters with settings of its own; refuse what is out of range."""
        self._check(self.defaults | dict(param_group))
        super().add_param_group(param_group)

    def load_state_dict(self, state_dict):
        """Go on from a state of this class, or of PyTorch's; where it is refused, nothing changes.

        Raises ValueError or TypeError when a setting is missing, out of range or of an option that
        is not supported, or when a tensor of the state is missing or has another shape than its
        parameter.
        """
        if not {"param_groups", "state"} <= dict(state_dict).keys():
            raise ValueError(
                f"{type(self).__name__}: a state holds 'param_groups' and 'state', got "
                f"{sorted(map(str, state_dict))!r:.60}"
            )
        groups, saved = state_dict["param_groups"], state_dict["state"]
        for group in groups:
            missing = sorted(set(self.options) - group.keys() - {"foreach"})
            if missing:
                raise ValueError(
                    f"{type(self).__name__}: the state holds no {missing[0]!r}; it must be one of "
                    f"torch.optim.{self.built_in} or of this class"
                )
            self._check(group)
        pairs = zip(self.param_groups, groups, strict=False)  # PyTorch refuses other numbers
        loaded = [
            (w, saved.get(number, {}))
            for group, old in pairs
            for w, number in zip(group["params"], old["params"], strict=False)
        ]
        for w, entries in loaded:
            self._check_state(w, entries)
        super().load_state_dict(state_dict)
        for w, entries in loaded:
            for name, value in entries.items():
                if w.dtype in HALVES and name != "step" and torch.is_tensor(value):
                    self.state[w][name] = value.to(w.device, torch.float32, copy=True)

    def _check_state(self, w, entries):
        kept = type(self).__name__
        for name in self.state_names if entries else ():
            if not torch.is_tensor(entries.get(name)):
                raise ValueError(f"{kept}: {name} must be a tensor, got {entries.get(name)!r:.60}")
        if not isinstance(entries.get("step", 0), int | float | torch.Tensor):
            raise TypeError(f"{kept}: step must be a number, got {entries['step']!r:.60}")
        for name, value in entries.items():
            if name != "step" and torch.is_tensor(value) and value.shape != w.shape:
                raise ValueError(
                    f"{kept}: {name} must have the shape of its parameter, "
                    f"{tuple(w.shape)}, got shape {tuple(value.shape)}"
                )

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in built_in_options(self.built_in).items():
                group.setdefault(name, value)  # in a state of an older PyTorch
            self._check(group)

    def _check(self, group):
        try:
            for name, rule in RULES.items():
                if name in group and name in self.options:
                    rule(name, group[name])
        except (TypeError, ValueError) as error:
            raise type(error)(f"{type(self).__name__}: {error}") from None
        self._check_off(group)

    def _check_off(self, group):
        for name, value in options_that_are_off(self.built_in, self.options).items():
            if group.get(name, value) != value:
                off(f"{type(self).__name__}: {name}", group[name])
                if value:
                    raise ValueError(
                        f"{type(self).__name__}: {name} must be on, got {group[name]!r}"
                    )

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step; `closure` computes the loss and its gradients anew and is called first.

        Returns the closure's loss, or None. Raises RuntimeError for a sparse or complex gradient.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:  # of all groups, before anything changes
            self._check_step(group)
        for group in self.param_groups:
            names = self.names_of_state(group)
            entries = [self._entry(w, names) for w in group["params"] if w.grad is not None]
            for portion in _portions(entries, group["foreach"]):
                w, dw, *state, steps = map(list, zip(*portion, strict=True))
                half = w if any(t.dtype in HALVES for t in w) else None
                if half is not None:
                    w, dw = _single(w), _single(dw)
                if group["weight_decay"] and not self.decoupled:
                    dw = torch._foreach_add(dw, w, alpha=group["weight_decay"])
                self.rule(group, w, dw, *state, steps)
                if half is not None:
                    torch._foreach_copy_(half, w)
        return loss

    def _check_step(self, group):
        if not torch.compiler.is_compiling():
            self._check_off(group)
        for w in group["params"]:
            if w.grad is not None and (w.grad.is_sparse or w.is_complex()):
                raise RuntimeError(
                    f"{type(self).__name__}: gradients must be dense and real, got "
                    f"{w.grad.layout} of {w.dtype}; torch.optim has optimizers for others"
                )

    def _entry(self, w, names):
        """Return (w, its gradient, *its state, number of this step)."""
        state = self.state[w]
        for name in names:
            if state.get(name) is None:
                state[name] = _zeros_for(w)
        steps = state.get("step", 0)
        if torch.compiler.is_compiling():  # there a number would be compiled in, anew each time
            steps = torch.as_tensor(steps, dtype=torch.float32) + 1
        else:
            steps = int(steps) + 1
        state["step"] = steps
        return w, w.grad, *(state[name] for name in names), steps

    def names_of_state(self, group):
        """Return the names of the tensors that are kept for each parameter of a group."""
        return self.state_names

    def rule(self, group, w, dw, *state_and_steps):
        """Change the tensors of the lists by one step."""
        raise NotImplementedError


def _zeros_for(w):
    kind = torch.promote_types(w.dtype, torch.float32)
    return torch.zeros_like(w, dtype=kind, memory_format=torch.preserve_format, requires_grad=False)


def _single(tensors):
    return [t.float() if t.dtype in HALVES else t for t in tensors]


def _portions(entries, foreach):
    """Yield lists of entries, or of blocks of them: what is worked on at a time."""
    if not entries:
        return
    stateless = len(entries[0]) == 3  # nothing that a cache could hold for later
    if foreach is None and (stateless or entries[0][0].is_cuda or torch.compiler.is_compiling()):
        foreach = True
    if foreach is not None:
        yield from [entries] if foreach else ([entry] for entry in entries)
        return
    portion, size = [], 0
    for block in (block for entry in entries for block in _blocks(entry)):
        if size + block[0].numel() > PORTION and portion:
            yield portion
            portion, size = [], 0
        portion.append(block)
        size += block[0].numel()
    yield portion


def _blocks(entry):
    """Cut an entry along the first axis into blocks of about PORTION numbers."""
    *tensors, steps = entry
    w = tensors[0]
    if w.numel() <= PORTION:
        return [entry]
    rows = max(1, PORTION // (w.numel() // len(w)))
    return [(*blocks, steps) for blocks in zip(*(t.split(rows) for t in tensors), strict=True)]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum or Nesterov momentum, as `torch.optim.SGD`.

    The velocity is a sum of gradients (`sgd_momentum_unscaled`), so that a new learning rate takes
    hold at once. `weight_decay` times the weights is added to the gradient. `dampening` must
    be 0.

    Raises:
        ValueError: for a setting outside its range, or Nesterov without momentum.

    Slides 20–35. Sutskever et al. 2013.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> SGD([w], lr=0.25).step()
    >>> w.detach()
    tensor([0.5000])
    """

    built_in = "SGD"
    options = ("lr", "momentum", "weight_decay", "nesterov", "foreach")

    def __init__(
        self,
        params,
        lr=1e-3,
        momentum=0.0,
        dampening=0.0,
        weight_decay=0.0,
        nesterov=False,
        **other,
    ):
        settings = {"lr": lr, "momentum": momentum, "dampening": dampening}
        super().__init__(params, **settings, weight_decay=weight_decay, nesterov=nesterov, **other)

    def _check(self, group):
        super()._check(group)
        if group["nesterov"] and not group["momentum"]:
            raise ValueError(f"SGD: nesterov needs a momentum above 0, got {group['momentum']!r}")

    def names_of_state(self, group):
        """Return the velocity's name, or none without momentum."""
        return ("momentum_buffer",) if group["momentum"] else ()

    def rule(self, group, w, dw, *state_and_steps):
        """Change w by one step of SGD, the velocity first."""
        *velocity, _ = state_and_steps
        for v in velocity:
            torch._foreach_mul_(v, group["momentum"])
            torch._foreach_add_(v, dw)  # Momentum.3
            dw = torch._foreach_add(dw, v, alpha=group["momentum"]) if group["nesterov"] else v
        torch._foreach_add_(w, dw, alpha=-group["lr"])  # SGD.1, Momentum.4


class Adagrad(Optimizer):
    """AdaGrad, as `torch.optim.Adagrad` with a sum that starts at zero and no `lr_decay`.

    Raises:
        ValueError: for a setting outside its range.

    Slide 37. Duchi et al. 2011.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([5.0])
    >>> Adagrad([w], lr=0.25).step()
    >>> w.detach()
    tensor([0.7500])
    """

    built_in = "Adagrad"
    options = ("lr", "weight_decay", "eps", "foreach")
    state_names = ("sum",)

    def __init__(
        self,
        params,
        lr=1e-2,
        lr_decay=0.0,
        weight_decay=0.0,
        initial_accumulator_value=0.0,
        eps=1e-10,
        **other,
    ):
        settings = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        start = initial_accumulator_value
        super().__init__(params, **settings, initial_accumulator_value=start, **other)

    def add_param_group(self, param_group):
        """Add a group of parameters; as in the built-in one, their sums exist from the start."""
        super().add_param_group(param_group)
        for w in self.param_groups[-1]["params"]:
            self.state[w] = {"step": 0, "sum": _zeros_for(w)}

    def rule(self, group, w, dw, cache, steps):
        """Change w by one step of AdaGrad, the sum of squares first."""
        torch._foreach_addcmul_(cache, dw, dw)  # AdaGrad.1
        root = torch._foreach_sqrt(cache)
        torch._foreach_add_(root, group["eps"])
        torch._foreach_addcdiv_(w, dw, root, value=-group["lr"])  # AdaGrad.2


class RMSprop(Optimizer):
    """RMSProp, as `torch.optim.RMSprop` without momentum and not centred; `alpha` is the decay ρ.

    Raises:
        ValueError: for a setting outside its range.

    Slide 42. Tieleman & Hinton 2012.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([5.0])
    >>> RMSprop([w], lr=0.1, alpha=0.75).step()
    >>> w.detach()
    tensor([0.8000])
    """

    built_in = "RMSprop"
    options = ("lr", "alpha", "eps", "weight_decay", "foreach")
    state_names = ("square_avg",)

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, **other):
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, **other)

    def rule(self, group, w, dw, cache, steps):
        """Change w by one step of RMSProp, the running mean first."""
        torch._foreach_mul_(cache, group["alpha"])
        torch._foreach_addcmul_(cache, dw, dw, value=1 - group["alpha"])  # RMSProp.1
        root = torch._foreach_sqrt(cache)
        torch._foreach_add_(root, group["eps"])
        torch._foreach_addcdiv_(w, dw, root, value=-group["lr"])  # RMSProp.2


class Adam(Optimizer):
    """Adam, as `torch.optim.Adam` without AMSGrad; `weight_decay` is L2 in the gradient.

    Raises:
        TypeError: for betas that are no pair; ValueError: for a setting outside its range.

    Slides 46–47. Kingma & Ba 2015, arXiv:1412.6980.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([5.0])
    >>> Adam([w], lr=0.25).step()
    >>> w.detach()
    tensor([0.7500])
    """

    built_in = "Adam"
    options = ("lr", "betas", "eps", "weight_decay", "foreach")
    state_names = ("exp_avg", "exp_avg_sq")

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, **other):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, **other)

    def rule(self, group, w, dw, m, v, steps):
        """Change w by one step of Adam, the running means first."""
        beta1, beta2 = group["betas"]
        torch._foreach_lerp_(m, dw, 1 - beta1)  # Adam.1
        torch._foreach_mul_(v, beta2)
        torch._foreach_addcmul_(v, dw, dw, value=1 - beta2)  # Adam.2
        root = torch._foreach_sqrt(v)
        torch._foreach_div_(root, [(1 - beta2**t) ** 0.5 for t in steps])  # Adam.5
        torch._foreach_add_(root, group["eps"])
        torch._foreach_mul_(root, [1 - beta1**t for t in steps])  # Adam.4
        torch._foreach_addcdiv_(w, m, root, value=-group["lr"])  # Adam.6


class AdamW(Adam):
    """Adam with decoupled weight decay, as `torch.optim.AdamW` without AMSGrad.

    Raises:
        TypeError: for betas that are no pair; ValueError: for a setting outside its range.

    Beyond slide 47. Loshchilov & Hutter 2019, arXiv:1711.05101.

    >>> w = torch.nn.Parameter(torch.tensor([8.0]))
    >>> w.grad = torch.tensor([0.0])
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w.detach()
    tensor([7.6000])
    """

    built_in = "AdamW"
    decoupled = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, **other):
        super().__init__(params, lr, betas, eps, weight_decay, **other)

    def rule(self, group, w, dw, m, v, steps):
        """Shrink w, then take Adam's step."""
        torch._foreach_mul_(w, 1 - group["lr"] * group["weight_decay"])  # AdamW.1
        super().rule(group, w, dw, m, v, steps)
