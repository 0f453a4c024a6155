"""Argument checks: what is refused, with which message, and what passes untouched."""

import inspect

import numpy as np
import pytest
import torch

from cs231n_lib.errors import at_least, below, between, divisor, labels, validated, whole

RULES = {
    "x": "N D",
    "gamma": "D",
    "param": {
        "mode": ("train", "test"),
        "eps": "nonnegative",
        "momentum": "fraction",
        "running": "D",
        "note": ...,
    },
    "rate": "positive",
}


@validated(**RULES)
def layer(x, gamma, param, rate=1.0):
    """Docstring of the layer."""
    return x, param


def arrays(library):
    x, gamma = np.ones((3, 4)), np.ones(4)
    return (x, gamma) if library == "numpy" else (torch.from_numpy(x), torch.from_numpy(gamma))


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_good_arguments_arrive_as_they_are(library):
    x, gamma = arrays(library)
    param = {"mode": "test", "eps": 0, "momentum": 1.0, "running": gamma, "note": object()}
    assert layer(x, gamma, param, 0.5)[0] is x
    assert layer(param=param, gamma=gamma, x=x)[1] is param
    assert layer(x, gamma, {})[1] == {}


def test_a_wrapped_function_keeps_its_name_source_and_signature():
    assert layer.__name__ == "layer" and layer.__doc__ == "Docstring of the layer."
    assert "return x, param" in inspect.getsource(layer)
    assert list(inspect.signature(layer).parameters) == ["x", "gamma", "param", "rate"]
    assert inspect.unwrap(layer) is layer.__wrapped__ is not layer


def test_a_missing_argument_is_pythons_own_error():
    with pytest.raises(TypeError, match=r"layer\(\) missing 1 required .* 'gamma'"):
        layer(np.ones((3, 4)), param={})


X, GAMMA = arrays("numpy")
REFUSED = [
    ({"x": [[1.0]]}, TypeError, r"layer: x must be a NumPy array or .*got list .*np\.asarray\(x"),
    ({"x": X.astype(int)}, TypeError, r"x must hold floats, got int64 .*x\.astype\(float\)"),
    ({"x": X > 0}, TypeError, r"x must hold floats, got bool"),
    ({"x": torch.ones(3, 4, dtype=torch.int64)}, TypeError, r"got torch.int64 .*x\.float\(\)"),
    ({"x": torch.ones(3, 4)}, TypeError, r"x from PyTorch and gamma from NumPy"),
    ({"x": X[0]}, ValueError, r"x must have shape \(N, D\), got shape \(4,\)"),
    ({"x": X[None]}, ValueError, r"x must have shape \(N, D\), got shape \(1, 3, 4\)"),
    ({"x": X[:0]}, ValueError, r"x must not be empty, got shape \(0, 4\)"),
    ({"gamma": np.ones(3)}, ValueError, r"gamma .* \(D,\) with D = 4 as in x, got shape \(3,\)"),
    ({"param": None}, TypeError, r"param must be a dict of options, got NoneType"),
    ({"param": {"epsilon": 1}}, ValueError, r"unknown key 'epsilon'; known keys: 'mode', 'eps'"),
    ({"param": {"mode": "eval"}}, ValueError, r"param\['mode'\] must be 'train' or 'test', got"),
    ({"param": {"mode": X}}, TypeError, r"param\['mode'\] must be 'train' or 'test', got float64"),
    ({"param": {"eps": -1e-5}}, ValueError, r"param\['eps'\] must be at least 0, got -1e-05"),
    ({"param": {"eps": np.nan}}, ValueError, r"param\['eps'\] must be at least 0, got nan"),
    ({"param": {"eps": "1"}}, TypeError, r"param\['eps'\] must be a number, .*got str '1'"),
    ({"param": {"momentum": 1.1}}, ValueError, r"must be between 0 and 1, got 1.1"),
    ({"param": {"momentum": True}}, TypeError, r"must be a number, between 0 and 1, got bool"),
    ({"param": {"running": np.ones(5)}}, ValueError, r"param\['running'\] .*D = 4 as in x"),
    ({"rate": 0}, ValueError, r"rate must be greater than 0, got 0"),
    ({"rate": np.inf}, ValueError, r"rate must be greater than 0, got inf"),
    ({"rate": None}, TypeError, r"rate must be a number"),
]


@pytest.mark.parametrize(("change", "error", "message"), REFUSED)
def test_bad_arguments_are_refused_by_name(change, error, message):
    with pytest.raises(error, match=message) as caught:
        layer(**({"x": X, "gamma": GAMMA, "param": {}} | change))
    assert type(caught.value) is error and str(caught.value).startswith("layer: ")


def test_numpy_numbers_are_numbers():
    layer(X, GAMMA, {"eps": np.float32(0.5), "momentum": np.float64(0.1)}, rate=np.int64(2))


def test_sizes_of_one_and_any_rest():
    @validated(x="N C ...", scale="1 C 1")
    def channels(x, scale):
        return x

    channels(np.ones((2, 3)), np.ones((1, 3, 1)))
    channels(np.ones((2, 3, 4, 5)), np.ones((1, 3, 1)))
    with pytest.raises(ValueError, match=r"scale must have shape \(1, C, 1\), got .*\(2, 3, 1\)"):
        channels(np.ones((2, 3)), np.ones((2, 3, 1)))
    with pytest.raises(ValueError, match=r"x must have shape \(N, C, \.\.\.\), got shape \(2,\)"):
        channels(np.ones(2), np.ones((1, 3, 1)))


def test_an_argument_that_may_be_none_is_checked_only_when_given():
    @validated(config={"rate": "positive"})
    def update(w, config=None):
        return config

    assert update(1) is None and update(1, None) is None
    with pytest.raises(ValueError, match="rate"):
        update(1, {"rate": -1})


@validated(scores="N C", y=labels("N", "C"))
def loss(scores, y):
    """Stand for a loss."""
    return len(y)


def test_labels():
    scores = np.ones((3, 4))
    assert loss(scores, np.array([0, 3, 1])) == 3
    assert loss(torch.ones(3, 4), torch.tensor([0, 3, 1])) == 3
    bad = [
        (np.array([0.0, 1, 2]), TypeError, r"y must be an array of integer labels, got float64"),
        ([0, 1, 2], TypeError, r"integer labels, got list"),
        (np.array([True, False, True]), TypeError, r"integer labels, got bool"),
        (np.zeros((3, 1), int), ValueError, r"y must have shape \(N,\), got shape \(3, 1\)"),
        (np.zeros(2, int), ValueError, r"with N = 3 as in scores, got shape \(2,\)"),
        (np.array([0, 4, 1]), ValueError, r"labels from 0 to 3 \(C = 4 classes\), got .* 0 to 4"),
        (np.array([0, -1, 1]), ValueError, r"got labels from -1 to 1"),
    ]
    for y, error, message in bad:
        with pytest.raises(error, match=message):
            loss(scores, y)


def test_rules_are_functions_that_can_be_called_directly():
    at_least(2)("n", 2)
    between(0, 1)("p", 0)
    below(1)("momentum", 0)
    whole(1)("stride", np.int32(3))
    with pytest.raises(ValueError, match=r"momentum must be at least 0 and below 1, got 1\.0"):
        below(1)("momentum", 1.0)
    with pytest.raises(ValueError, match=r"must be a whole number of at least 1, got 1\.5"):
        whole(1)("stride", 1.5)


def test_a_divisor_is_one_of_a_size_that_came_before():
    @validated(x="N C", G=divisor("C"))
    def grouped(x, G):
        return G

    assert [grouped(np.ones((2, 6)), G) for G in (1, 2, 3, np.int64(6))] == [1, 2, 3, 6]
    with pytest.raises(ValueError, match=r"grouped: G must divide C = 6 as in x, got 4; divisors"):
        grouped(np.ones((2, 6)), 4)
    with pytest.raises(ValueError, match=r"G must be a whole number of at least 1, got 0"):
        grouped(np.ones((2, 6)), 0)
    with pytest.raises(TypeError, match=r"G must be a number"):
        grouped(np.ones((2, 6)), None)


def test_a_rule_for_no_parameter_is_a_mistake_of_the_author():
    with pytest.raises(TypeError, match="has no parameter 'X'"):
        validated(X="N")(lambda x: x)
