"""Our optimizer classes against those of torch.optim: same settings, same weights, same state."""

import copy
import inspect
import math

import numpy as np
import pytest
import torch

from cs231n_lib.data import digits
from cs231n_lib.optim import optimizers
from cs231n_lib.train import fit_torch

KINDS = {  # name in both modules, and settings that are not the defaults
    "SGD": ("SGD", {"lr": 0.05}),
    "SGD, decay": ("SGD", {"lr": 0.05, "weight_decay": 0.1}),
    "momentum": ("SGD", {"lr": 0.05, "momentum": 0.7, "weight_decay": 0.1}),
    "Nesterov": ("SGD", {"lr": 0.05, "momentum": 0.7, "nesterov": True, "weight_decay": 0.1}),
    "AdaGrad": ("Adagrad", {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.1}),
    "RMSProp": ("RMSprop", {"lr": 0.02, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    "Adam": ("Adam", {"lr": 0.02, "betas": (0.6, 0.83), "eps": 1e-3, "weight_decay": 0.1}),
    "AdamW": ("AdamW", {"lr": 0.02, "betas": (0.6, 0.83), "eps": 1e-3, "weight_decay": 0.1}),
}
every_kind = pytest.mark.parametrize(("name", "options"), KINDS.values(), ids=KINDS)
CLASSES = sorted({name for name, _ in KINDS.values()})
SHAPES = [(3, 4), (5,), (), (2, 1, 3), (0,)]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def parameters(seed=0, dtype=torch.float64, device="cpu", shapes=SHAPES):
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [torch.nn.Parameter(tensor.to(device, dtype)) for tensor in drawn]


def step(optimizer, params, seed):
    """Give each parameter a random gradient and take a step."""
    for parameter, gradient in zip(params, parameters(1000 + seed), strict=True):
        parameter.grad = gradient.detach().to(parameter.device, parameter.dtype)
    optimizer.step()


def pair(name, options, build=list, **where):
    """Return [(our optimizer, its parameters), (the built-in one, its parameters)]."""
    both = []
    for module in (optimizers, torch.optim):
        params = parameters(**where)
        both.append((getattr(module, name)(build(params), **options), params))
    return both


def assert_same(ours, theirs, bound=1e-12):
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.detach(), b.detach(), rtol=bound, atol=bound)


@every_kind
@pytest.mark.parametrize("foreach", [None, True, False])
@pytest.mark.parametrize("device", DEVICES)
def test_same_weights_as_the_built_in(name, options, foreach, device):
    (ours, w), (theirs, expected) = pair(name, options, device=device)
    ours.param_groups[0]["foreach"] = foreach
    start = copy.deepcopy(w)
    for seed in range(20):
        step(ours, w, seed)
        step(theirs, expected, seed)
        assert_same(w, expected)
    assert all((a != b).any() for a, b in zip(w, start, strict=True) if a.numel())


@every_kind
@pytest.mark.parametrize("portion", [1, 4, 7])
def test_portions_and_blocks_do_not_matter(name, options, portion, monkeypatch):
    (ours, w), (theirs, expected) = pair(name, options)
    monkeypatch.setattr(optimizers, "PORTION", portion)
    for seed in range(3):
        step(ours, w, seed)
        step(theirs, expected, seed)
    assert_same(w, expected)


@pytest.mark.parametrize("numbers", [1, 4, 5, 7, 100])
def test_portions_hold_every_number_once_and_no_more_than_they_may(numbers, monkeypatch):
    monkeypatch.setattr(optimizers, "PORTION", numbers)
    entries = [(w, w, w, 1) for w in map(torch.zeros, SHAPES)]
    portions = list(optimizers._portions(entries, None))
    for portion in portions:
        for block, *_ in portion:
            block += 1
        rows_are_smaller = len(portion) > 1
        assert not rows_are_smaller or sum(block.numel() for block, *_ in portion) <= numbers
    assert all((w == 1).all() for w, *_ in entries)
    assert (len(portions) == 1) == (numbers == 100)


@every_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_dtypes_stay(name, options, dtype):
    (ours, w), (theirs, expected) = pair(name, options, dtype=dtype)
    for seed in range(3):
        step(ours, w, seed)
        step(theirs, expected, seed)
    assert {p.dtype for p in w} == {dtype}
    kept = [tensor for p in w for key, tensor in ours.state[p].items() if key != "step"]
    assert all(tensor.dtype == torch.float32 for tensor in kept)  # which 16 bits could not hold
    assert_same(w, expected, bound=30 * torch.finfo(dtype).eps)  # three steps of some roundings


@every_kind
@pytest.mark.parametrize("size", [0.0, 1e-7, 1e-4, 1.0, 1e3, 3e4])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_step_in_half_precision_is_that_in_single_precision_rounded(name, options, dtype, size):
    make, options = getattr(optimizers, name), options | {"lr": 1e-2}
    if "eps" in options:
        options["eps"] = 1e-8  # 0 in 16 bits
    half = torch.nn.Parameter(torch.linspace(-1, 1, 8).to(dtype))
    single = torch.nn.Parameter(half.detach().float())
    ours, exact = make([half], **options), make([single], **options)
    for factor in (1.0, -0.5, 0.75):
        gradient = (factor * size * torch.tensor([0, 1, -1, 1, 0.5, 0, 1, 1])).to(dtype)
        with torch.no_grad():
            single.copy_(half)
        half.grad, single.grad = gradient, gradient.float()
        ours.step()
        exact.step()
        assert half.isfinite().all()
        torch.testing.assert_close(half.detach(), single.detach().to(dtype), rtol=0, atol=0)
        ours.load_state_dict(copy.deepcopy(ours.state_dict()))  # keeps what it kept


@every_kind
def test_a_run_in_half_precision_goes_to_pytorch_and_back(name, options):
    (ours, w), (theirs, expected) = pair(name, options, dtype=torch.bfloat16)
    for before, one, after, other in ((ours, w, theirs, expected), (theirs, expected, ours, w)):
        step(before, one, 0)
        hand_over(before, one, after, other)
        step(after, other, 1)
        assert all(p.isfinite().all() and p.dtype == torch.bfloat16 for p in other)


@every_kind
def test_parameters_of_a_group_may_differ_in_precision(name, options):
    kinds = torch.float16, torch.float64, torch.bfloat16, torch.float32
    together, alone = (
        [torch.nn.Parameter(torch.linspace(-1, 1, 8).to(kind)) for kind in kinds] for _ in range(2)
    )
    make = getattr(optimizers, name)
    one, others = make(together, **options), [make([w], **options) for w in alone]
    for seed in range(3):
        for w, v, other in zip(together, alone, others, strict=True):
            w.grad = torch.randn(8, generator=torch.Generator().manual_seed(seed)).to(w.dtype)
            v.grad = w.grad.clone()
            other.step()
        one.step()
    for w, v, kind in zip(together, alone, kinds, strict=True):
        assert w.dtype == kind
        torch.testing.assert_close(w, v, rtol=0, atol=0)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("fault", ["sparse", "complex", "maximize"])
def test_a_step_that_is_refused_changes_no_parameter_and_no_state(name, fault):
    good = torch.nn.Parameter(torch.ones(3))
    odd = torch.nn.Parameter(torch.ones(3, dtype=torch.complex64 if fault == "complex" else None))
    optimizer = getattr(optimizers, name)([{"params": [good]}, {"params": [odd]}], lr=0.1)
    good.grad = torch.ones(3)
    odd.grad = torch.ones_like(odd).to_sparse() if fault == "sparse" else torch.ones_like(odd)
    optimizer.param_groups[1]["maximize"] = fault == "maximize"
    before = repr(optimizer.state_dict())
    with pytest.raises((RuntimeError, ValueError), match=f"^{name}: (gradients|maximize) must be"):
        optimizer.step()
    assert repr(optimizer.state_dict()) == before and (good == 1).all() and (odd == 1).all()


@pytest.mark.parametrize("name", CLASSES)
def test_an_option_that_is_switched_on_later_is_refused_at_the_next_step(name):
    make = getattr(optimizers, name)
    for option, value in optimizers.options_that_are_off(name, make.options).items():
        params = parameters()
        optimizer = make(params, lr=0.1)
        optimizer.param_groups[0][option] = not value
        with pytest.raises(ValueError, match=rf"^{name}: {option} must be o(ff|n), got"):
            step(optimizer, params, 0)
        assert_same(params, parameters())


@pytest.mark.parametrize("name", CLASSES)
def test_a_state_with_a_hole_or_of_another_kind_is_refused_and_changes_nothing(name):
    make, params, others = getattr(optimizers, name), parameters(), parameters(1)
    saved, optimizer = make(params, lr=0.1), make(others, lr=0.2)
    step(saved, params, 0)
    step(optimizer, others, 1)
    before = copy.deepcopy(optimizer.state_dict())
    states = [{}, {"state": {}}, {"param_groups": []}, {"state": {}, "param_groups": [{}]}]
    for key in make.state_names:
        for wrong in (None, "zero", 1.0):
            states.append(copy.deepcopy(saved.state_dict()))
            states[-1]["state"][0][key] = wrong
    states.append(copy.deepcopy(saved.state_dict()))
    states[-1]["state"][0]["step"] = "many"
    for state in states:
        with pytest.raises((TypeError, ValueError), match=f"^{name}: "):
            optimizer.load_state_dict(state)
        assert repr(optimizer.state_dict()) == repr(before)


@every_kind
def test_groups_have_settings_of_their_own(name, options):
    def groups(params):
        return [{"params": params[:2], "lr": 0.001}, {"params": params[2:], "weight_decay": 0.0}]

    (ours, w), (theirs, expected) = pair(name, options, build=groups)
    for seed in range(5):
        step(ours, w, seed)
        step(theirs, expected, seed)
    assert_same(w, expected)
    added = parameters(5, shapes=[(2, 2)])
    ours.add_param_group({"params": added, "lr": 0.5})
    assert ours.param_groups[-1]["lr"] == 0.5
    assert ours.param_groups[-1]["weight_decay"] == options.get("weight_decay", 0.0)


@every_kind
def test_a_parameter_that_joins_late_counts_its_own_steps(name, options):
    (ours, w), (theirs, expected) = pair(name, options)
    for seed in range(6):
        for params, optimizer in ((w, ours), (expected, theirs)):
            step_of = zip(params, parameters(seed), strict=True)
            for number, (parameter, gradient) in enumerate(step_of):
                joined = number != 1 or seed >= 3
                parameter.grad = gradient.detach() if joined else None
            optimizer.step()
        assert_same(w, expected)
    assert (w[1] != parameters()[1]).any()


def hand_over(before, w, after, v):
    """Give one optimizer the state of another, and its parameters v the values of w."""
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    with torch.no_grad():
        for new, old in zip(v, w, strict=True):
            new.copy_(old)


@every_kind
def test_a_run_of_the_built_in_one_goes_on_from_its_state(name, options):
    theirs, expected = pair(name, options)[1]
    for seed in range(4):
        step(theirs, expected, seed)
    ours, w = pair(name, {})[0]
    hand_over(theirs, expected, ours, w)
    for seed in range(4, 8):
        step(ours, w, seed)
        step(theirs, expected, seed)
    assert_same(w, expected)


@every_kind
def test_state_survives_a_file(name, options, tmp_path):
    optimizer, w = pair(name, options)[0]
    for seed in range(3):
        step(optimizer, w, seed)
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    twin, w2 = pair(name, options)[0]
    twin.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    with torch.no_grad():
        for after, before in zip(w2, w, strict=True):
            after.copy_(before)
    step(optimizer, w, 3)
    step(twin, w2, 3)
    assert_same(w2, w, bound=0)


SCHEDULERS = {
    "step": lambda o: torch.optim.lr_scheduler.StepLR(o, 3, gamma=0.3),
    "exponential": lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.8),
    "restarts": lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 4),
    "function": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda epoch: epoch / 10),
}


@every_kind
@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=SCHEDULERS)
def test_learning_rate_schedulers_drive_them(name, options, scheduler):
    both = pair(name, options)
    schedulers = [scheduler(optimizer) for optimizer, _ in both]
    for seed in range(9):
        for (optimizer, params), schedule in zip(both, schedulers, strict=True):
            step(optimizer, params, seed)
            schedule.step()
    assert_same(both[0][1], both[1][1])
    assert both[0][0].param_groups[0]["lr"] != options["lr"]


def test_one_cycle_moves_the_betas_too():
    both = pair("Adam", {"lr": 0.02})
    for optimizer, params in both:
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
        for seed in range(9):
            step(optimizer, params, seed)
            cycle.step()
    assert_same(both[0][1], both[1][1])
    assert both[0][0].param_groups[0]["betas"][0] != 0.9


@every_kind
def test_a_closure_is_called_once_with_gradients_on_and_its_loss_comes_back(name, options):
    (w,) = parameters(shapes=[(3,)])
    optimizer, calls = getattr(optimizers, name)([w], **options), []

    def closure():
        optimizer.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        calls.append(loss.item())
        return loss

    losses = [optimizer.step(closure).item() for _ in range(30)]
    assert losses == calls
    assert losses[-1] < losses[0]
    assert optimizer.step() is None


@pytest.mark.parametrize("name", CLASSES)
def test_a_network_learns_as_with_the_built_in_one(name):
    losses = []
    for module in (optimizers, torch.optim):
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Linear(64, 20), torch.nn.ReLU(), torch.nn.Linear(20, 10)
        ).double()
        optimizer = getattr(module, name)(model.parameters(), lr=0.02)
        rng = np.random.default_rng(0)
        history = fit_torch(
            model, digits(), steps=100, batch_size=50, learning_rate=0.02, rng=rng,
            optimizer=optimizer, progress=False,
        )  # fmt: skip
        losses.append(history.loss)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-9)
    assert losses[0][-1] < 0.98 * losses[0][0]


@pytest.mark.parametrize(
    ("name", "options", "error", "says"),
    [
        ("SGD", {"lr": -0.1}, ValueError, "SGD: lr must be at least 0, got -0.1"),
        ("SGD", {"lr": math.nan}, ValueError, "SGD: lr must be at least 0, got nan"),
        ("SGD", {"momentum": 2.0}, ValueError, "SGD: momentum must be between 0 and 1, got 2.0"),
        ("SGD", {"nesterov": True}, ValueError, "SGD: nesterov needs a momentum above 0, got 0.0"),
        ("Adagrad", {"eps": -1.0}, ValueError, "Adagrad: eps must be at least 0, got -1.0"),
        ("RMSprop", {"alpha": 1.0}, ValueError, "RMSprop: alpha must be at least 0 and below 1"),
        ("Adam", {"betas": (0.9, 1.0)}, ValueError, r"Adam: betas\[1\] must be at least 0 and bel"),
        (
            "Adam",
            {"betas": 0.9},
            TypeError,
            r"Adam: betas must be a pair \(beta1, beta2\), got 0.9",
        ),
        ("AdamW", {"weight_decay": -1}, ValueError, "AdamW: weight_decay must be at least 0, got"),
        ("Adam", {"amsgrad": True}, ValueError, "Adam: amsgrad must be off, got True; use PyT"),
        ("Adam", {"rate": 1}, TypeError, "Adam: there is no option 'rate'; options: lr, betas, "),
    ],
)
def test_bad_settings_are_refused(name, options, error, says):
    with pytest.raises(error, match=says):
        getattr(optimizers, name)(parameters(), **options)


def off_options():
    """Return (name of a class, option that it lacks, a value of it that is on)."""
    return [
        (name, option, 0.5 if type(default) in (int, float) else not default)
        for name in CLASSES
        for option, default in getattr(torch.optim, name)(parameters()).defaults.items()
        if option not in getattr(optimizers, name).options
    ]


@pytest.mark.parametrize(("name", "option", "on"), off_options())
def test_what_an_optimizer_lacks_may_be_off_and_is_refused_when_on(name, option, on):
    ours = getattr(optimizers, name)
    off = getattr(torch.optim, name)(parameters()).defaults[option]
    says = f"{name}: {option} must be {'on' if off else 'off'}, got {on}"
    if option != "decoupled_weight_decay":  # no argument of PyTorch's AdamW either
        assert ours(parameters(), **{option: off}).param_groups[0][option] == off
        with pytest.raises(ValueError, match=says):
            ours(parameters(), **{option: on})
    optimizer = ours(parameters())
    with pytest.raises(ValueError, match=says):
        optimizer.add_param_group({"params": parameters(1), option: on})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("name", CLASSES)
def test_arguments_stand_in_the_order_of_the_built_in_one(name):
    mine, theirs = (
        [p.name for p in inspect.signature(getattr(place, name)).parameters.values()]
        for place in (optimizers, torch.optim)
    )
    assert mine[:-1] == theirs[: len(mine) - 1]
    assert mine[-1] == "other"


def states_to_refuse():
    """Return {what is wrong: (name, change of a state, what is said)}."""

    def setting(name, value):
        return lambda state: state["param_groups"][-1].update({name: value})

    def shape(state):
        state["state"][3]["exp_avg_sq"] = torch.zeros(7)

    return {
        "a flag": ("Adam", setting("amsgrad", True), "Adam: amsgrad must be off, got True"),
        "a rate": ("SGD", setting("lr", -1.0), "SGD: lr must be at least 0, got -1.0"),
        "a pair": ("AdamW", setting("betas", (0.9, 2.0)), r"AdamW: betas\[1\] must be"),
        "a lack": ("RMSprop", lambda state: state["param_groups"][-1].pop("alpha"), "no 'alpha'"),
        "a shape": ("Adam", shape, r"Adam: exp_avg_sq must have the shape of .* \(2, 1, 3\), got"),
        "a count": ("Adagrad", lambda state: state["param_groups"].pop(), "parameter group"),
    }


@pytest.mark.parametrize(
    ("name", "change", "says"), states_to_refuse().values(), ids=states_to_refuse()
)
def test_a_refused_state_changes_nothing(name, change, says):
    def groups(params):
        return [{"params": params[:2]}, {"params": params[2:]}]

    (ours, w), (theirs, expected) = pair(name, {"lr": 0.3, "weight_decay": 0.2}, build=groups)
    step(ours, w, 0)
    step(theirs, expected, 0)
    before, bad = (copy.deepcopy(optimizer.state_dict()) for optimizer in (ours, theirs))
    bad["param_groups"][0]["lr"] = 0.7
    change(bad)
    with pytest.raises(ValueError, match=says):
        ours.load_state_dict(bad)
    after = ours.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for number, entries in before["state"].items():
        for key, value in entries.items():
            torch.testing.assert_close(after["state"][number][key], value, rtol=0, atol=0)


@every_kind
@pytest.mark.parametrize("late", [False, True])
def test_the_built_in_one_goes_on_from_our_state(name, options, late):
    """Also where a parameter gets its first gradient only there."""
    ours, w = pair(name, options)[0]
    theirs, expected = pair(name, {})[1]
    for seed in range(4):
        for number, (parameter, gradient) in enumerate(zip(w, parameters(seed), strict=True)):
            parameter.grad = None if late and number == 1 else gradient.detach()
        ours.step()
    hand_over(ours, w, theirs, expected)
    for seed in range(4, 8):
        step(ours, w, seed)
        step(theirs, expected, seed)
    assert_same(w, expected)


def test_a_group_with_a_bad_setting_is_refused():
    optimizer = optimizers.Adam(parameters())
    with pytest.raises(ValueError, match="Adam: lr must be at least 0, got -1"):
        optimizer.add_param_group({"params": parameters(1), "lr": -1})


def test_sparse_and_complex_gradients_are_refused():
    (w,) = parameters(shapes=[(3,)])
    w.grad = torch.ones(3, dtype=torch.float64).to_sparse()
    with pytest.raises(RuntimeError, match=r"SGD: gradients must be dense and real, got .*sparse"):
        optimizers.SGD([w]).step()
    w = torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))
    w.grad = torch.ones_like(w)
    with pytest.raises(RuntimeError, match=r"Adam: gradients .* dense and real, got .*complex"):
        optimizers.Adam([w]).step()
