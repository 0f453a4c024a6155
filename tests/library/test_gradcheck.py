"""Gradient checks: they find wrong gradients, pass right ones, and say when they cannot tell."""

import numpy as np
import pytest
import torch

from cs231n_lib.gradcheck import check_gradients, numerical_gradient, relative_error


def square_forward(x, y, param):
    """Return x²·y, and spoil the options, which must not matter to the next call."""
    param["calls"] = param.get("calls", 0) + 1
    return x**2 * y * (param["calls"] == 1), (x, y)


def square_backward(dout, cache):
    """Return the gradients of `square_forward`."""
    x, y = cache
    return 2 * x * y * dout, x**2 * dout


INPUTS = {"x": np.array([[1.0, -2.0, 0.5]]), "y": np.array([[3.0, 0.1, -7.0]])}


def broken(change):
    """Return `square_backward` with its result changed."""
    return lambda dout, cache: change(*square_backward(dout, cache))


def test_the_numerical_gradient_is_autograds():
    x = np.random.default_rng(0).normal(size=(3, 2, 4))
    dout = np.random.default_rng(1).normal(size=(3, 2, 4))
    tensor = torch.tensor(x, requires_grad=True)
    (torch.tanh(tensor) * torch.tensor(dout)).sum().backward()
    assert relative_error(numerical_gradient(np.tanh, x, dout), tensor.grad.numpy()) < 1e-9
    assert relative_error(numerical_gradient(np.tanh, x, dout, h=1e-4), tensor.grad.numpy()) < 1e-7


def test_the_numerical_gradient_follows_the_size_of_x():
    x = np.array([1e6, 1e-6, 0.0])
    assert relative_error(numerical_gradient(lambda v: (v**2).sum(), x), 2 * x) < 1e-9


def test_x_is_not_written_to_even_when_f_writes_to_its_argument():
    def f(v):
        v *= 2
        return v.sum(), "cache"

    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(numerical_gradient(f, x), [2, 2], rtol=1e-9)
    np.testing.assert_array_equal(x, [1, 2])


def test_float32_points_are_checked_in_float64():
    x = np.array([0.3, 0.7], np.float32)
    gradient = numerical_gradient(lambda v: np.exp(v).sum(), x)
    assert gradient.dtype == np.float64
    assert relative_error(gradient, np.exp(x.astype(float))) < 1e-9


def test_dout_must_fit():
    with pytest.raises(ValueError, match=r"f must return a number, got .* shape \(2,\); pass dout"):
        numerical_gradient(np.exp, np.ones(2))
    with pytest.raises(ValueError, match=r"dout must have the shape of f\(x\), \(2,\), got \(3,\)"):
        numerical_gradient(np.exp, np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="h must be greater than 0, got 0"):
        numerical_gradient(np.sum, np.ones(2), h=0)


def test_relative_error():
    assert relative_error([1.0, 2.0], [1.0, 2.5]) == 0.2
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error([0.0], [1e-300]) == 1
    with pytest.raises(ValueError, match=r"one shape, got \(3,\) and \(3, 1\)"):
        relative_error(np.ones(3), np.ones((3, 1)))


def test_right_gradients_pass():
    report = check_gradients(square_forward, square_backward, INPUTS, {})
    assert report.ok
    assert [row.name for row in report.rows] == ["x", "y"]
    assert str(report).count("right") == 2 and repr(report) == str(report)


def test_one_input_needs_no_tuple():
    report = check_gradients(
        lambda x: (np.sin(x), x), lambda dout, x: dout * np.cos(x), {"x": INPUTS["x"]}
    )
    assert report.ok


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda dx, dy: (dx, 2 * dy), r"dy        wrong    relative error 5.0e-01"),
        (lambda dx, dy: (dx, dy * np.nan), r"dy        wrong    it must be finite, got NaN"),
        (lambda dx, dy: (dx, dy[0]), r"dy        wrong    its shape must be (1, 3), got (3,)"),
    ],
)
def test_wrong_gradients_are_named_and_say_why(change, line):
    report = check_gradients(square_forward, broken(change), INPUTS, {})
    assert not report.ok
    assert [row.verdict for row in report.rows] == ["right", "wrong"]
    assert line in str(report)


def test_a_gradient_of_zero_cannot_be_judged():
    def centred(x):
        return x - x.mean(axis=0), None

    def no_mean(dout, cache):
        return dout - dout.mean(axis=0)

    x = {"x": np.random.default_rng(0).normal(size=(4, 3))}
    ones = check_gradients(centred, no_mean, x, dout=np.ones((4, 3)))
    assert not ones.ok
    assert "dx        unclear  the true gradient is about 0" in str(ones)
    assert check_gradients(centred, no_mean, x).ok


def test_dout_is_not_what_people_take_for_x():
    seen = []

    def backward(dout, x):
        seen.append(dout)
        return dout

    x = np.random.default_rng(0).standard_normal((4, 3))
    check_gradients(lambda x: (x, x), backward, {"x": x})
    assert relative_error(seen[0], x) > 0.1


def test_the_number_of_gradients_is_checked():
    with pytest.raises(ValueError, match="a gradient for each of x, y, got 1 values"):
        check_gradients(square_forward, broken(lambda dx, dy: dx), INPUTS, {})


# --------------------------------------------------------------------------- where nothing is told


def elementwise(f, df):
    """Return forward and backward of a function of each element."""
    return lambda x: (f(x), x), lambda dout, x: dout * df(x)


def half(x):
    return x.astype(np.float32)


UNCLEAR = {
    "kink": (*elementwise(lambda x: np.maximum(x, 0), lambda x: x > 0), [0.0, 1.0, -2.0], "a kink"),
    "edge": (*elementwise(np.sqrt, lambda x: 0.5 / np.sqrt(x)), [1e-8, 2.0], "not finite beside"),
    "bend": (*elementwise(np.sqrt, lambda x: 0.5 / np.sqrt(x)), [1e-5, 2.0], "bends too much"),
    "single": (
        *elementwise(lambda x: half(x) ** 3 + 5, lambda x: 3 * x**2), [0.7, 1.3], "float32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_differences_cannot_tell_is_said_with_its_reason(case):
    forward, backward, x, reason = UNCLEAR[case]
    with np.errstate(all="ignore"):
        (row,) = check_gradients(forward, backward, {"x": np.array(x)}).rows
    assert row.verdict == "unclear" and "cannot tell" in row.detail and reason in row.detail


@pytest.mark.parametrize("case", UNCLEAR)
@pytest.mark.parametrize("factor", [-1.0, 1.5, 0.0])
def test_an_excuse_is_none_for_a_gradient_that_is_wrong(case, factor):
    forward, backward, x, _ = UNCLEAR[case]

    def wrong(dout, cache):
        return factor * backward(dout, cache)

    with np.errstate(all="ignore"):
        (row,) = check_gradients(forward, wrong, {"x": np.array(x)}).rows
    assert row.verdict == "wrong"


def test_nan_is_no_agreement():
    for a, b in [([0.0, 0.0], [np.nan, 0.0]), ([np.nan], [0.0]), ([np.nan], [np.nan])]:
        assert np.isnan(relative_error(np.array(a), np.array(b)))


def test_a_kink_excuses_only_slopes_between_its_own():
    def five(dout, x):
        return dout * np.where(x == 0, 5.0, x > 0)

    (row,) = check_gradients(UNCLEAR["kink"][0], five, {"x": np.array([0.0, 1.0])}).rows
    assert row.verdict == "wrong"


def line(x):
    return 3.0 * x, None


def slope(dout, cache):
    return 3.0 * dout


POINT = {"x": np.array([1.0, -2.0])}
REFUSED = {  # arguments that are none, with what is said
    "a number for rng": ({"rng": 0}, TypeError, "rng must be a generator"),
    "another generator": ({"rng": torch.Generator()}, TypeError, "rng must be a generator"),
    "no tolerance": ({"tolerance": 0}, ValueError, "tolerance must be greater than 0, got 0"),
    "NaN": ({"tolerance": np.nan}, ValueError, "tolerance must be greater than 0, got nan"),
    "wrong N": ({"dout": np.ones(3)}, ValueError, r"dout must have the shape of the output, \(2,"),
    "a number for dout": ({"dout": 1.0}, ValueError, "dout must have the shape of the output"),
    "complex dout": ({"dout": np.ones(2) * 1j}, TypeError, "dout must hold real numbers"),
    "complex x": ({"inputs": {"x": np.ones(2) * 1j}}, TypeError, "x must hold real numbers"),
    "text": ({"inputs": {"x": np.array(["a"])}}, TypeError, "x must hold real numbers, got <U1"),
    "None": ({"inputs": {"x": None}}, TypeError, "x must hold real numbers, got object"),
    "a list": (
        {"inputs": [np.ones(2)]},
        TypeError,
        "inputs must be a dict name -> array, got list",
    ),
    "no cache": ({"forward": lambda x: x}, TypeError, "forward must return a pair out, cache, got"),
    "no out": ({"forward": lambda x: None}, TypeError, "forward must return a pair .* NoneType"),
    "complex out": ({"forward": lambda x: (x * 1j, 0)}, TypeError, "must return real numbers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_refused_with_a_sentence(case):
    changes, error, message = REFUSED[case]
    arguments = {"forward": line, "backward": slope, "inputs": POINT} | changes
    with pytest.raises(error, match=message):
        check_gradients(**arguments)


FORMS = {
    "read-only": lambda a: np.broadcast_to(a[:1], a.shape),
    "every second": lambda a: np.repeat(a, 2)[::2],
    "backwards": lambda a: a[::-1],
    "big-endian": lambda a: a.astype(">f4"),
    "longdouble": lambda a: a.astype(np.longdouble),
    "whole numbers": lambda a: a.astype(int),
    "list": lambda a: a.tolist(),
    "subclass": lambda a: a.view(np.ma.MaskedArray),
    "tensor": torch.from_numpy,
    "parameter": lambda a: torch.nn.Parameter(torch.from_numpy(a)),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("which", ["inputs", "dout"])
def test_arrays_may_come_in_any_form(which, form):
    given = {"inputs": POINT, "dout": np.array([1.0, 2.0])}
    given[which] = {"x": form(POINT["x"])} if which == "inputs" else form(given["dout"])
    assert check_gradients(line, slope, **given).ok
    assert relative_error(form(POINT["x"]), form(POINT["x"])) == 0


def test_an_output_may_be_a_number():
    def backward(dout, x):
        return 2 * dout * x

    for total in (float, np.float64, np.array):
        report = check_gradients(lambda x, t=total: (t((x**2).sum()), x), backward, POINT)
        assert report.ok


@pytest.mark.parametrize("gradient", [np.ones(2) * 1j, np.array([None, 1]), ["a", "b"]])
def test_a_gradient_of_something_else_is_wrong(gradient):
    (row,) = check_gradients(line, lambda dout, cache: (gradient,), POINT).rows
    assert row.verdict == "wrong" and "must hold real numbers" in row.detail


def test_a_step_that_rounding_swallows_is_refused():
    with pytest.raises(ValueError, match="h must be large enough to change 1"):
        numerical_gradient(lambda x: x.sum(), np.ones(2), h=1e-30)


@pytest.mark.parametrize(("a", "b"), [(np.inf, np.inf), (np.inf, 1.0), (-np.inf, np.nan)])
def test_infinity_is_no_agreement(a, b):
    assert np.isnan(relative_error(a, b)) and relative_error(1e308, -1e308) > 1
