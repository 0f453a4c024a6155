"""Laws of the optimizers, for every implementation: oracles, identities, awkward arrays."""

import inspect
import math

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from implementations import Implementation, relative_difference

from cs231n_lib.optim import in_numpy, in_torch, optimizers, tuned

NUMPY = Implementation("numpy", in_numpy)
TORCH = Implementation("torch", in_torch, tensors=True)
TUNED = Implementation("tuned", tuned)
EVERY = (NUMPY, TORCH, TUNED)
RULES = (  # every rule (w, dw, config), and the state it keeps for each weight
    ("sgd", ()),
    ("sgd_momentum", ("velocity",)),
    ("sgd_momentum_unscaled", ("velocity",)),
    ("nesterov", ("velocity",)),
    ("adagrad", ("cache",)),
    ("rmsprop", ("cache",)),
    ("adam_uncorrected", ("m", "v")),
    ("adam", ("m", "v")),
    ("adamw", ("m", "v")),
)
NAMES = tuple(name for name, _ in RULES)
SETTINGS = {  # neither the defaults nor each other's complement
    "sgd": {"learning_rate": 0.03},
    "sgd_momentum": {"learning_rate": 0.02, "momentum": 0.7},
    "sgd_momentum_unscaled": {"learning_rate": 0.02, "momentum": 0.7},
    "nesterov": {"learning_rate": 0.02, "momentum": 0.7},
    "adagrad": {"learning_rate": 0.3, "epsilon": 1e-3},
    "rmsprop": {"learning_rate": 0.01, "decay_rate": 0.8, "epsilon": 1e-3},
    "adam_uncorrected": {"learning_rate": 0.01, "beta1": 0.6, "beta2": 0.83, "epsilon": 1e-3},
    "adam": {"learning_rate": 0.01, "beta1": 0.6, "beta2": 0.83, "epsilon": 1e-3},
    "adamw": {"learning_rate": 0.01, "beta1": 0.6, "beta2": 0.83, "weight_decay": 0.3},
}
BUILT_IN = {  # class of torch.optim and of ours, the same settings; uncorrected Adam has none
    "sgd": ("SGD", {"lr": 0.03}),
    "sgd_momentum_unscaled": ("SGD", {"lr": 0.02, "momentum": 0.7}),
    "nesterov": ("SGD", {"lr": 0.02, "momentum": 0.7, "nesterov": True}),
    "adagrad": ("Adagrad", {"lr": 0.3, "eps": 1e-3}),
    "rmsprop": ("RMSprop", {"lr": 0.01, "alpha": 0.8, "eps": 1e-3}),
    "adam": ("Adam", {"lr": 0.01, "betas": (0.6, 0.83), "eps": 1e-3}),
    "adamw": ("AdamW", {"lr": 0.01, "betas": (0.6, 0.83), "weight_decay": 0.3}),
}
every_rule = pytest.mark.parametrize("name", NAMES)
every_implementation = pytest.mark.parametrize("impl", EVERY, ids=lambda impl: impl.name)


def descend(impl, name, gradients, w=None, config=None):
    """Return the weights (T, …) after steps along given gradients (T, …); `config` goes along."""
    w, path = np.ones_like(gradients[0]) if w is None else w, []
    config = dict(SETTINGS[name]) if config is None else config
    last = config
    for dw in gradients:
        w, last = getattr(impl, name)(w, dw, last)
        path.append(w)
    config.update(last)
    return np.array(path)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# ---------------------------------------------------------------------------------- torch.optim


@pytest.mark.parametrize("steps", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", BUILT_IN)
def test_many_steps_stay_within_rounding_of_the_built_in(name, steps):
    """On a noisy quadratic, each on its own path: a difference feeds back through the gradient."""
    kind, options = BUILT_IN[name]
    curvature, shocks = np.geomspace(0.05, 5, 4), noise(steps, 4)
    steppers, weights = [], []
    for module in (torch.optim, optimizers):
        parameter = torch.nn.Parameter(torch.ones(4, dtype=torch.float64))
        parameter.grad = torch.zeros_like(parameter)
        steppers.append(getattr(module, kind)([parameter], **options))
        weights.append((parameter.detach().numpy(), parameter.grad.numpy()))
    (theirs, _), (ours, _) = weights
    step, w, config, farthest = getattr(in_numpy, name), np.ones(4), dict(SETTINGS[name]), 0.0
    for shock in shocks:
        w, config = step(w, curvature * w + shock, config)
        for optimizer, (values, gradient) in zip(steppers, weights, strict=True):
            gradient[:] = curvature * values + shock
            optimizer.step()
        farthest = max(farthest, np.abs(w - theirs).max(), np.abs(ours - theirs).max())
    assert np.abs(theirs).max() > 1e-3, "the weights are where the noise keeps them"
    assert farthest < 1e-13  # roundings of numbers near 1, forgotten again; seen: 3e-15


@pytest.mark.parametrize("impl", (TORCH, TUNED), ids=lambda impl: impl.name)
@every_rule
def test_every_implementation_takes_the_same_steps(impl, name):
    gradients = noise(200, 3, 2)
    gradients[:, 0, 1] = 0  # a weight that gets no gradient
    expected = descend(NUMPY, name, gradients)
    assert relative_difference(descend(impl, name, gradients), expected) < 1e-13


@pytest.mark.parametrize("impl", (NUMPY, TORCH), ids=lambda impl: impl.name)
def test_the_lookahead_takes_the_same_steps_as_the_built_in(impl):
    """Where the built-in is asked is x + ρv; moved back by its own velocity, it is at x."""
    curvature, rho = np.array([0.5, 4.0]), 0.7
    gradient = (lambda at: torch.from_numpy(curvature) * at) if impl is TORCH else curvature.__mul__
    parameter = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer = torch.optim.SGD([parameter], lr=0.02, momentum=rho, nesterov=True)
    w, config = np.ones(2), dict(SETTINGS["nesterov"])
    for _ in range(50):
        w, config = impl.nesterov_lookahead(w, gradient, config)
        parameter.grad = torch.from_numpy(curvature) * parameter.detach()
        optimizer.step()
        v = -0.02 * optimizer.state[parameter]["momentum_buffer"]
        assert relative_difference(w, parameter.detach() - rho * v) < 1e-13


# ---------------------------------------------------------------------------------- closed forms


@every_implementation
def test_gradient_descent_on_a_quadratic_is_a_power(impl):
    w, h, config = np.array([1.0, -2.0]), np.array([0.5, 3.0]), {"learning_rate": 0.1}
    for _ in range(20):
        w, config = impl.sgd(w, h * w, config)
    np.testing.assert_allclose(w, [1, -2] * (1 - 0.1 * h) ** 20, rtol=1e-13)


@every_implementation
@pytest.mark.parametrize("name", ["sgd_momentum", "sgd_momentum_unscaled"])
def test_momentum_is_a_recursive_filter_of_the_gradients(impl, name):
    gradients = noise(60, 3)
    velocity = scipy.signal.lfilter([1], [1, -0.7], gradients, axis=0)
    expected = 1 - 0.02 * np.cumsum(velocity, axis=0)
    np.testing.assert_allclose(descend(impl, name, gradients), expected, rtol=1e-12)


@every_implementation
def test_the_velocity_is_a_sum_and_the_step_grows_to_the_rate_over_one_minus_rho(impl):
    config = {"learning_rate": 0.5, "momentum": 0.9}
    path = descend(impl, "sgd_momentum", np.ones((300, 1)), config=config)
    assert np.diff(path[-2:, 0])[0] == pytest.approx(-0.5 / (1 - 0.9))


@every_implementation
@pytest.mark.parametrize("size", [1e-3, 4.0, 1e5])
@pytest.mark.parametrize(
    ("name", "in_rates"),  # the t-th step under a constant gradient of any size
    [
        ("adagrad", lambda t: 1 / np.sqrt(t)),
        ("rmsprop", lambda t: 1 / np.sqrt(1 - 0.8**t)),
        ("adam_uncorrected", lambda t: (1 - 0.6**t) / np.sqrt(1 - 0.83**t)),
        ("adam", lambda t: np.ones(len(t))),
    ],
)
def test_steps_under_a_constant_gradient(impl, size, name, in_rates):
    config = SETTINGS[name] | {"epsilon": 0.0}
    gradients = np.full((50, 1), -size)
    path = descend(impl, name, gradients, w=np.zeros(1), config=config)[:, 0]
    steps = np.diff(path, prepend=0) / config["learning_rate"]
    np.testing.assert_allclose(steps, in_rates(np.arange(1, 51)), rtol=1e-11)


@every_implementation
def test_the_first_step_of_uncorrected_adam_is_3_16_rates_and_the_twelfth_is_the_longest(impl):
    gradients = np.full((50, 1), -7.0)
    config = {"learning_rate": 1e-3}
    path = descend(impl, "adam_uncorrected", gradients, w=np.zeros(1), config=config)[:, 0]
    steps = np.diff(path, prepend=0) / 1e-3
    assert steps[0] == pytest.approx(0.1 / math.sqrt(0.001), rel=1e-6)
    assert round(steps[0], 2) == 3.16
    assert steps.argmax() + 1 == 12
    assert round(steps.max(), 2) == 6.57


@every_implementation
def test_means_of_adam_are_those_of_a_recursive_filter(impl):
    gradients, config = noise(40, 2), dict(SETTINGS["adam"])
    descend(impl, "adam", gradients, config=config)
    for key, beta, values in (("m", 0.6, gradients), ("v", 0.83, gradients**2)):
        expected = scipy.signal.lfilter([1 - beta], [1, -beta], values, axis=0)[-1]
        np.testing.assert_allclose(config[key], expected, rtol=1e-12)
    assert config["t"] == 40


@every_implementation
def test_epsilon_is_added_to_the_root(impl):
    config = {"learning_rate": 1.0, "epsilon": 3.0}
    w = np.zeros(1)
    assert impl.adagrad(w, np.array([2.0]), dict(config))[0] == pytest.approx(-2 / (2 + 3))
    assert impl.adam(w, np.array([2.0]), dict(config))[0] == pytest.approx(-2 / (2 + 3))
    config["decay_rate"] = 0.75
    assert impl.rmsprop(w, np.array([2.0]), dict(config))[0] == pytest.approx(-2 / (1 + 3))


# ---------------------------------------------------------------------------------- identities


@every_implementation
def test_both_momentum_forms_are_one_sequence_until_the_rate_drops(impl):
    gradients, configs = noise(30, 4), {}
    names = "sgd_momentum", "sgd_momentum_unscaled"
    first = {}
    for name in names:
        configs[name] = dict(SETTINGS[name])
        first[name] = descend(impl, name, gradients[:20], config=configs[name])
    assert relative_difference(*first.values()) < 1e-14

    velocity = np.asarray(configs["sgd_momentum"]["velocity"]).copy()
    apart = []
    for name in names:
        configs[name]["learning_rate"] = 0.002
        w = first[name][-1]
        apart.append(descend(impl, name, gradients[20:], w=w, config=configs[name])[0])
    expected = 0.7 * velocity * (1 - 0.002 / 0.02)  # what is left of the steps begun before
    np.testing.assert_allclose(apart[0] - apart[1], expected, rtol=1e-9)


@pytest.mark.parametrize("impl", (NUMPY, TORCH), ids=lambda impl: impl.name)
@pytest.mark.parametrize("seed", range(3))
def test_both_nesterov_forms_are_one_sequence_after_the_change_of_variables(impl, seed):
    rng = np.random.default_rng(seed)
    h, w, rho = rng.uniform(0.2, 3, 4), rng.normal(size=4), 0.7

    def gradient(at):  # of a loss that is not quadratic
        if isinstance(at, torch.Tensor):
            return torch.from_numpy(h) * at + torch.sin(3 * at)
        return h * at + np.sin(3 * at)

    ahead = w.copy()  # x̃ = x + ρv, and v is zero
    configs, apart = [dict(SETTINGS["nesterov"]), dict(SETTINGS["nesterov"])], 0.0
    for _ in range(40):
        w, configs[0] = impl.nesterov_lookahead(w, gradient, configs[0])
        ahead, configs[1] = impl.nesterov(ahead, gradient(ahead), configs[1])
        v = np.asarray(configs[0]["velocity"])
        np.testing.assert_allclose(ahead, w + rho * v, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(configs[1]["velocity"], v, rtol=1e-10, atol=1e-13)
        apart = max(apart, np.abs(ahead - w).max())
    assert apart > 0.01, "the two points are not the same"


@every_implementation
def test_without_momentum_all_of_the_sgd_family_is_gradient_descent(impl):
    gradients = noise(20, 3)
    expected = descend(impl, "sgd", gradients)
    for name in ("sgd_momentum", "sgd_momentum_unscaled", "nesterov"):
        config = {"learning_rate": 0.03, "momentum": 0.0}
        path = descend(impl, name, gradients, config=config)
        assert relative_difference(path, expected) < 1e-14


@every_implementation
def test_bias_corrected_rmsprop_is_adam_with_beta1_zero(impl):
    """The correction of the cache is one of the rate, as long as epsilon is zero."""
    gradients = noise(30, 3)
    config = {"learning_rate": 0.01, "beta1": 0.0, "beta2": 0.8, "epsilon": 0.0}
    expected = descend(impl, "adam", gradients, config=config)
    w, config, path = np.ones(3), {"decay_rate": 0.8, "epsilon": 0.0}, []
    for t, dw in enumerate(gradients, start=1):
        config["learning_rate"] = 0.01 * math.sqrt(1 - 0.8**t)
        w, config = impl.rmsprop(w, dw, config)
        path.append(w)
    assert relative_difference(np.array(path), expected) < 1e-13


@every_implementation
def test_uncorrected_adam_is_adam_after_a_long_time(impl):
    state = {"m": np.array([0.5, -0.1]), "v": np.array([2.0, 0.3])}
    w, dw = np.ones(2), np.array([0.4, 0.7])
    late = impl.adam(w, dw, SETTINGS["adam"] | {k: a.copy() for k, a in state.items()} | {"t": 500})
    plain = impl.adam_uncorrected(w, dw, SETTINGS["adam"] | state)
    assert relative_difference(late[0], plain[0]) < 1e-15


@every_implementation
def test_adamw_without_decay_is_adam_and_with_it_the_weights_shrink_beside_the_step(impl):
    gradients, config = noise(20, 3), dict(SETTINGS["adam"])
    expected = descend(impl, "adam", gradients, config=config)
    config = SETTINGS["adam"] | {"weight_decay": 0.0}
    assert relative_difference(descend(impl, "adamw", gradients, config=config), expected) == 0

    config = {"learning_rate": 0.01, "weight_decay": 0.3}
    decayed = descend(impl, "adamw", np.zeros((20, 2)), config=config)[-1]
    np.testing.assert_allclose(decayed, (1 - 0.01 * 0.3) ** 20, rtol=1e-13)


@given(
    name=st.sampled_from(["adagrad", "rmsprop", "adam_uncorrected", "adam"]),
    scale=st.floats(1e-6, 1e6),
    seed=st.integers(0, 2**32 - 1),
)
@settings(derandomize=True, deadline=None, max_examples=30)
def test_adaptive_methods_ignore_the_scale_of_the_gradients(name, scale, seed):
    gradients, config = noise(6, 3, seed=seed), {"learning_rate": 0.1, "epsilon": 0.0}
    expected = descend(NUMPY, name, gradients, config=dict(config))
    path = descend(NUMPY, name, scale * gradients, config=dict(config))
    np.testing.assert_allclose(path, expected, rtol=1e-9, atol=1e-12)


@given(beta1=st.floats(0.05, 0.99), beta2=st.floats(0.05, 0.999), seed=st.integers(0, 2**32 - 1))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_no_step_of_adam_is_longer_than_cauchy_and_schwarz_allow(beta1, beta2, seed):
    """m̂ = Σ aᵢgᵢ and v̂ = Σ bᵢgᵢ², so m̂² ≤ v̂ · Σ aᵢ²/bᵢ, whatever the gradients."""
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(12, 4)) * 10 ** rng.uniform(-3, 3, (12, 4))
    config = {"learning_rate": 1.0, "beta1": beta1, "beta2": beta2, "epsilon": 0.0}
    path = descend(NUMPY, "adam", gradients, w=np.zeros(4), config=config)
    for t, step in enumerate(np.diff(path, axis=0, prepend=0), start=1):
        a, b = (beta ** np.arange(t) for beta in (beta1, beta2))
        bound = np.sqrt(np.sum((a / a.sum()) ** 2 / (b / b.sum())))
        assert (np.abs(step) <= bound * (1 + 1e-9)).all()


# ---------------------------------------------------------------------------------- arrays

SHAPES = [(), (1,), (4,), (2, 3), (3, 1, 2), (0,), (3, 0)]


@every_implementation
@every_rule
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_and_dtypes_stay_and_inputs_are_untouched(impl, name, dtype, shape):
    w, dw = noise(2, *shape).astype(dtype)
    w, dw = np.asarray(w), np.asarray(dw)
    before, config, next_w = (w.copy(), dw.copy()), None, w
    for _ in range(2):
        next_w, config = getattr(impl, name)(next_w, dw, config)
    assert next_w.shape == shape and next_w.dtype == dtype
    for key in dict(RULES)[name]:
        assert tuple(config[key].shape) == shape and str(dtype.__name__) in str(config[key].dtype)
    assert np.array_equal(w, before[0]) and np.array_equal(dw, before[1])
    assert w.size == 0 or not np.array_equal(next_w, w)


@every_rule
def test_float32_steps_are_those_of_float64_but_for_rounding(name):
    gradients = noise(30, 4)
    expected = descend(NUMPY, name, gradients)
    for impl in EVERY:
        path = descend(impl, name, gradients.astype(np.float32))
        assert path.dtype == np.float32
        assert relative_difference(path, expected) < 30 * 2**-23  # a rounding of the weights a step


def views(a):
    """Return the numbers of a as arrays that lie differently in memory."""
    wide = np.empty((*a.shape, 2))
    wide[..., 1] = a
    return {
        "columns first": np.asfortranarray(a),
        "every second": wide[..., 1],
        "backwards": a[::-1].copy()[::-1],
        "read only": np.broadcast_to(a, a.shape),
    }


@every_implementation
@every_rule
def test_memory_layout_does_not_matter(impl, name):
    w, dw = noise(2, 3, 5)
    expected = descend(impl, name, [dw, -dw], w=w)
    for ws, dws in zip(views(w).values(), reversed(views(dw).values()), strict=True):
        if impl is TORCH:
            ws, dws = ws.copy(), dws.copy(order="F")  # PyTorch has no such views
        assert relative_difference(descend(impl, name, [dws, -dws], w=ws), expected) < 1e-15


@every_implementation
@every_rule
def test_settings_and_state_go_in_and_come_out(impl, name):
    w, dw = noise(2, 3)
    config = dict(SETTINGS[name])
    next_w, returned = getattr(impl, name)(w, dw, config)
    assert {**returned}.items() >= SETTINGS[name].items(), "settings are kept as they were"
    assert set(config) == set(returned), "the dict that was passed holds the state too"
    assert set(returned) - set(SETTINGS[name]) >= set(dict(RULES)[name])
    assert set(getattr(impl, name)(w, dw)[1]) >= set(dict(RULES)[name])
    assert not np.array_equal(next_w, w)


DEFAULTS = {"learning_rate": 1e-2, "momentum": 0.9, "decay_rate": 0.99, "epsilon": 1e-8} | {
    "beta1": 0.9,
    "beta2": 0.999,
    "weight_decay": 1e-2,
}


@every_implementation
@every_rule
def test_defaults(impl, name):
    """What the usual assignment has: given in full or left out, the steps are the same."""
    allowed = {key: DEFAULTS[key] for key in SETTINGS[name]} | (
        {"epsilon": 1e-8} if name == "adamw" else {}
    )
    if "adam" in name:
        allowed["learning_rate"] = 1e-3
    gradients = 1e-8 * noise(5, 3)  # so small that epsilon counts
    expected = descend(impl, name, gradients, config=allowed)
    assert np.array_equal(descend(impl, name, gradients, config={}), expected)


# ---------------------------------------------------------------------------------- bad input

REFUSED = [
    (
        {"learning_rate": -0.1},
        ValueError,
        r"config\['learning_rate'\] must be at least 0, got -0.1",
    ),
    ({"learning_rate": math.nan}, ValueError, r"\['learning_rate'\] must be at least 0, got nan"),
    ({"learning_rate": "0.1"}, TypeError, r"\['learning_rate'\] must be a number, at least 0"),
    ({"lr": 0.1}, ValueError, "config has the unknown key 'lr'; known keys: 'learning_rate'"),
    (0.1, TypeError, "config must be a dict of options, got float 0.1"),
]


@every_implementation
@every_rule
@pytest.mark.parametrize(("config", "error", "says"), REFUSED)
def test_bad_settings_are_refused(impl, name, config, error, says):
    with pytest.raises(error, match=f"^{name}: .*{says}"):
        getattr(impl, name)(np.ones(2), np.ones(2), config)


@pytest.mark.parametrize(
    ("name", "config", "says"),
    [
        ("sgd_momentum", {"momentum": 1.5}, r"\['momentum'\] must be between 0 and 1, got 1.5"),
        ("nesterov", {"velocity": np.ones(3)}, r"\['velocity'\] must have the shape of w, \(2,\)"),
        ("adagrad", {"epsilon": -1.0}, r"\['epsilon'\] must be at least 0, got -1.0"),
        ("adagrad", {"decay_rate": 0.9}, "unknown key 'decay_rate'"),
        ("rmsprop", {"decay_rate": 1.0}, r"\['decay_rate'\] must be at least 0 and below 1"),
        ("adam", {"beta2": 1.0}, r"\['beta2'\] must be at least 0 and below 1, got 1.0"),
        ("adam", {"t": -1}, r"\['t'\] must be a whole number of at least 0, got -1"),
        ("adam", {"weight_decay": 0.1}, "unknown key 'weight_decay'"),
        ("adamw", {"weight_decay": -0.1}, r"\['weight_decay'\] must be at least 0, got -0.1"),
    ],
)
@every_implementation
def test_settings_of_one_method_are_checked(impl, name, config, says):
    with pytest.raises(ValueError, match=f"^{name}: config.*{says}"):
        getattr(impl, name)(np.ones(2), np.ones(2), config)


def of_its_own(module, value):
    """Return an array as one of the module's library."""
    own = module is in_torch and isinstance(value, np.ndarray)
    return torch.from_numpy(value) if own else value


@pytest.mark.parametrize(
    ("w", "dw", "error", "says"),
    [
        (np.ones((2, 3)), np.ones(3), ValueError, r"dw must have the shape of w, \(2, 3\), got"),
        (np.ones(2, int), np.ones(2), TypeError, "w must hold floats, got int64 values"),
        ([1.0], np.ones(1), TypeError, "w must be a NumPy array or a PyTorch tensor of floats"),
        (np.ones(1), None, TypeError, "dw must be a NumPy array or a PyTorch tensor of floats"),
    ],
)
@every_rule
def test_bad_arrays_are_refused(name, w, dw, error, says):
    for module in (in_numpy, in_torch, tuned):
        given = [of_its_own(module, value) for value in (w, dw)]
        with pytest.raises(error, match=f"^{name}: {says.replace('int64', '.*int64')}"):
            getattr(module, name)(*given)


def test_arrays_of_two_libraries_are_refused():
    for module, w, dw in ((in_numpy, np.ones(1), torch.ones(1)), (in_torch, *2 * [np.ones(1)])):
        with pytest.raises(TypeError, match="must come from one library, got this function from"):
            module.sgd(w, dw)
    with pytest.raises(TypeError, match="must come from one library, got w from NumPy and dw from"):
        tuned.sgd(np.ones(1), torch.ones(1))


@pytest.mark.parametrize("module", (in_numpy, in_torch))
def test_a_gradient_that_is_no_function_is_refused(module):
    with pytest.raises(TypeError, match="nesterov_lookahead: gradient must be a function, got"):
        module.nesterov_lookahead(*2 * [of_its_own(module, np.ones(1))])


# ---------------------------------------------------------------------------------- in place


@pytest.fixture(params=[3, 8, 2**18], ids="blocks of {}".format)
def small_blocks(monkeypatch, request):
    monkeypatch.setattr(tuned, "BLOCK", request.param)


@every_rule
def test_blocks_and_places_do_not_matter(name, small_blocks):
    """Whole arrays, blocks of rows, into w, into another array: the same numbers."""
    for shape in [(), (7,), (5, 2), (2, 9), (0, 3)]:
        gradients, w = noise(4, *shape), np.asarray(noise(*shape, seed=1))
        expected = descend(NUMPY, name, list(gradients), w=w)
        place, other, configs = w.copy(), np.empty_like(w), [dict(SETTINGS[name]) for _ in "ab"]
        for dw, right in zip(gradients, expected, strict=True):
            dw = np.asarray(dw)
            start = place.copy()
            into_other, configs[0] = getattr(tuned, name)(start, dw, configs[0], out=other)
            next_w, configs[1] = getattr(tuned, name)(place, dw, configs[1], out=place)
            assert next_w is place and into_other is other
            np.testing.assert_allclose(place, right, rtol=1e-13, atol=1e-15)
            assert np.array_equal(other, place)


@every_rule
def test_state_is_changed_in_place(name):
    w, dw = noise(2, 4)
    _, config = getattr(tuned, name)(w, dw, dict(SETTINGS[name]))
    state = {key: config[key] for key in dict(RULES)[name]}
    getattr(tuned, name)(w, dw, config)
    assert all(config[key] is array for key, array in state.items())


@every_rule
def test_the_tuned_form_goes_on_where_the_readable_one_stopped(name):
    """Also with a single weight, whose state is a number after a readable step."""
    for shape in [(), (3,)]:
        gradients = list(noise(6, *shape))
        expected = descend(NUMPY, name, gradients)
        config = dict(SETTINGS[name])
        half = descend(NUMPY, name, gradients[:3], config=config)
        rest = descend(TUNED, name, gradients[3:], w=half[-1], config=config)
        assert relative_difference(rest, expected[3:]) < 1e-14


def test_a_step_in_place_needs_no_more_memory_than_a_block():
    import tracemalloc

    w, dw = np.ones((2, 40, 2**14), np.float32)  # 2.6 MB each
    _, config = tuned.adam(w, dw)
    tracemalloc.start()
    tuned.adam(w, dw, config, out=w)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * 4 * tuned.BLOCK


def test_the_tuned_form_has_every_rule_that_is_given_a_gradient():
    def rules(module):
        found = inspect.getmembers(module, inspect.isfunction)
        parameters = {name: list(inspect.signature(f).parameters) for name, f in found}
        return {n for n, p in parameters.items() if p[:3] == ["w", "dw", "config"] and n[0] != "_"}

    assert rules(tuned) == rules(in_numpy) == rules(in_torch) == set(NAMES)


@every_implementation
@every_rule
@pytest.mark.parametrize("size", [0.0, 1e-7, 1e-4, 1.0, 1e3, 3e4])
def test_steps_in_half_precision_are_those_in_single_precision_rounded(impl, name, size):
    if not hasattr(impl.module, name):
        pytest.skip("no such form")
    rule, settings = getattr(impl.module, name), {"learning_rate": 0.01}
    half, w, exact = np.linspace(-1, 1, 8).astype(np.float16), dict(settings), dict(settings)
    for factor in (1.0, -0.5, 0.75):
        dw = (factor * size * np.array([0, 1, -1, 1, 0.5, 0, 1, 1])).astype(np.float16)
        arrays = [half, dw]
        single = [a.astype(np.float32) for a in arrays]
        if impl.tensors:
            arrays, single = ([torch.from_numpy(a) for a in pair] for pair in (arrays, single))
        (found, w), (expected, exact) = rule(*arrays, w), rule(*single, exact)
        half, expected = np.asarray(found), np.asarray(expected)
        assert half.dtype == np.float16 and np.isfinite(half).all()
        np.testing.assert_allclose(half, expected, rtol=2**-10, atol=2**-10 * abs(expected).max())


# ---------------------------------------------------------------------------------- devices


@pytest.mark.gpu
@every_rule
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_steps_on_a_gpu_are_those_on_the_cpu(name, dtype):
    paths = {}
    for device in ("cpu", "cuda"):
        w, config = torch.ones(5, dtype=dtype, device=device), dict(SETTINGS[name])
        for dw in torch.from_numpy(noise(10, 5)).to(device, dtype):
            w, config = getattr(in_torch, name)(w, dw, config)
        assert w.device.type == device and w.dtype == dtype
        paths[device] = w.double().cpu()
    rounding = 50 * torch.finfo(dtype).eps  # ten steps of a few roundings each
    assert relative_difference(paths["cuda"], paths["cpu"]) < rounding


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_many_arrays_side_by_side_take_the_steps_of_each(name):
    if not hasattr(tuned, name):
        pytest.skip("no tuned form")
    rng = np.random.default_rng(0)
    alone = [rng.normal(size=shape) for shape in ((2, 3), (), (4,), (1, 2, 2))]
    flat, configs = tuned.Flat(alone), [dict(SETTINGS[name]) for _ in alone]
    views, config = list(flat.views), dict(SETTINGS[name])
    for _ in range(3):
        gradients = [rng.normal(size=w.shape) for w in alone]
        stepped = [
            getattr(in_numpy, name)(w, dw, c)
            for w, dw, c in zip(alone, gradients, configs, strict=True)
        ]
        alone, configs = map(list, zip(*stepped, strict=True))
        config = flat.step(getattr(tuned, name), gradients, config)
        for view, w in zip(views, alone, strict=True):
            np.testing.assert_allclose(view, w, rtol=1e-12)
    with pytest.raises(ValueError, match=r"Flat: each gradient must have the shape .* \(2, 3\)"):
        flat.step(tuned.sgd, [np.zeros((3, 2)), *gradients[1:]])
