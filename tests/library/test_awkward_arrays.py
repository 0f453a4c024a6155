"""Arrays as people have them: read-only, of other strides, in half precision.

Every function of a family is found, and called as its documented example calls it, with other
arrays of the same numbers.
"""

import functools
import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import torch
from examples import ARRAYS, copied, recorded_calls, tree

import cs231n_lib

FORMS = ("in_numpy", "in_torch", "shared", "tuned")
WRITES = ("optim.tuned", "fit", "train", "finetune")  # in place, as they say
OF_MODELS = (  # take a network, whose weights are as they are
    "cached_features", "evaluate_average", "expectation_over_masks", "extract_features", "finetune",
    "refresh_statistics", "train_and_select", "train_augmented", "train_regularized",
    "train_with_schedule",
)  # fmt: skip


def found():
    """Return {name: function} of the library's techniques that are given arrays."""
    functions = {}
    for module in pkgutil.walk_packages(cs231n_lib.__path__, "cs231n_lib."):
        if module.name.rpartition(".")[2] in FORMS:
            for name, value in list(vars(importlib.import_module(module.name)).items()):
                own = getattr(value, "__module__", None) == module.name and name[0] != "_"
                if own and inspect.isfunction(value) and inspect.signature(value).parameters:
                    functions[f"{module.name.removeprefix('cs231n_lib.')}.{name}"] = value
    return functions


FOUND = {name: f for name, f in found().items() if f.__name__ not in OF_MODELS}
HALVES = [
    (name, precision)
    for name in FOUND
    if not name.startswith(("normalization", "optim.tuned"))  # test_half_precision; in place
    for precision in ("float16", "bfloat16")
    if precision == "float16" or ".in_torch." in name  # NumPy has no bfloat16
]


def leaves(value):
    """Return the arrays, tensors and numbers in lists, tuples and dicts."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [leaf for entry in value for leaf in leaves(entry)]
    return [value] if isinstance(value, np.ndarray | np.generic | float | torch.Tensor) else []


def numbers(value):
    return np.asarray(value.detach().double() if torch.is_tensor(value) else value, float)


def read_only(array):
    if isinstance(array, np.ndarray):
        array = array.copy()
        array.setflags(write=False)
    return array


def columns_first(array):
    if torch.is_tensor(array):
        return array.movedim(0, -1).contiguous().movedim(-1, 0) if array.ndim > 1 else array
    return np.asfortranarray(array)


def every_second(array):
    """A view of every second number of a larger array, from behind in NumPy."""
    if torch.is_tensor(array):
        larger = torch.zeros([2 * size for size in array.shape], dtype=array.dtype)
        view = larger[tuple(slice(None, None, 2) for _ in array.shape)]
        return view.copy_(array)
    larger = np.zeros([2 * size for size in array.shape], array.dtype)
    view = larger[tuple(slice(None, None, -2) for _ in array.shape)]
    view[...] = array
    return view


def to(name):
    """Return a function that gives arrays of floats this precision."""

    def change(array):
        if torch.is_tensor(array):
            return array.to(getattr(torch, name)) if array.is_floating_point() else array
        kind = "float16" if name == "bfloat16" else name
        return array.astype(kind) if array.dtype.kind == "f" else array

    return change


def answers(function, call):
    """Return what a call gives, with what it leaves in its arguments (states in dicts)."""
    args, named = call
    found = function(*args, **named)
    return found, leaves([found, list(args), named])


def same(found, expected, tolerance, floor=0.0):
    assert len(found) == len(expected)
    for one, other in zip(map(numbers, found), map(numbers, expected), strict=True):
        size = np.abs(other, where=np.isfinite(other), out=np.zeros(other.shape)).max(initial=0)
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * size + floor)


@functools.cache
def calls_of(name):
    """Return two calls of a function's example that give it arrays; none, if it takes none."""
    calls = recorded_calls(FOUND[name])
    return [call for call in calls if any(isinstance(x, ARRAYS) for x in leaves(call))][:2]


@pytest.mark.parametrize("name", FOUND)
def test_the_answer_depends_on_the_numbers_and_not_on_how_they_lie_in_memory(name):
    for call in calls_of(name):
        _, expected = answers(FOUND[name], copied(call))
        for change in (read_only, columns_first, every_second):
            if change is read_only and name.startswith(WRITES):
                continue
            _, there = answers(FOUND[name], tree(change, copied(call), ARRAYS))
            same(there, expected, 1e-5, 1e-12)


@pytest.mark.parametrize(("name", "precision"), HALVES)
def test_half_precision_gives_what_single_precision_gives_of_the_same_numbers(name, precision):
    function, coarse = FOUND[name], torch.finfo(getattr(torch, precision)).eps
    for call in calls_of(name):
        half = tree(to(precision), copied(call), ARRAYS)
        single = tree(to("float32"), copied(half), ARRAYS)
        first = next(leaf for leaf in leaves(half) if isinstance(leaf, ARRAYS))
        answer, found = answers(function, copied(half))
        same(found, answers(function, single)[1], 8 * coarse)
        for leaf in leaves(answer)[:1]:
            if getattr(leaf, "shape", None) == first.shape and "loat" in str(first.dtype):
                assert leaf.dtype == first.dtype


OWN = [  # the functions of one library that take its arrays
    name for name in FOUND if ".in_" in name and not name.endswith("separating_features")
]


@pytest.mark.parametrize("name", OWN)
def test_arrays_of_the_other_library_are_refused_with_a_sentence(name):
    def other(array):
        if torch.is_tensor(array):
            return array.detach().numpy()
        return torch.from_numpy(np.ascontiguousarray(array))

    for args, named in calls_of(name)[:1]:
        given = tree(other, copied((args, named)), ARRAYS)
        with pytest.raises(TypeError, match="must come from one library, got this function from"):
            FOUND[name](*given[0], **given[1])


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("kind", [np.matrix, np.ma.masked_array])
@pytest.mark.parametrize("name", [name for name in OWN if ".in_numpy" in name])
def test_arrays_that_multiply_in_another_way_are_refused_with_a_sentence(name, kind):
    def of_kind(array):
        flat = array.dtype.kind == "f" and (kind is not np.matrix or array.ndim == 2)
        return kind(array) if flat else array

    for args, named in calls_of(name)[:1]:
        given = tree(of_kind, list(copied(args)), np.ndarray)  # of the arguments, not in a cache
        if any(type(leaf) is not np.ndarray for leaf in given if isinstance(leaf, np.ndarray)):
            with pytest.raises(TypeError, match=r"must be a plain array, got (matrix|MaskedArray)"):
                FOUND[name](*given, **copied(named))


@pytest.mark.parametrize("name", [name for name in OWN if ".in_torch" in name])
def test_tensors_may_require_a_gradient(name):
    def learning(tensor):
        return tensor.detach().clone().requires_grad_(tensor.is_floating_point())

    for call in calls_of(name):
        _, expected = answers(FOUND[name], copied(call))
        _, found = answers(FOUND[name], tree(learning, copied(call), torch.Tensor))
        same(found, expected, 1e-6)


PRECISE = (  # of what they compute in half precision, sizes matter
    "second_order.in_numpy", "second_order.in_torch", "transfer.in_numpy.standardize",
    "regularization", "layers", "preprocessing",
)  # fmt: skip


@pytest.mark.parametrize("scale", [300.0, 1e-2])
@pytest.mark.parametrize(
    ("name", "precision"), [pair for pair in HALVES if pair[0].startswith(PRECISE)]
)
def test_numbers_that_fit_into_half_precision_have_no_square_that_does_not(name, precision, scale):
    function, largest = FOUND[name], torch.finfo(getattr(torch, precision)).max
    for call in calls_of(name):
        half = tree(to(precision), tree(lambda a: scaled(a, scale), copied(call), ARRAYS), ARRAYS)
        single = tree(to("float32"), copied(half), ARRAYS)
        with np.errstate(all="ignore"):
            expected = answers(function, single)[1]
            found = answers(function, copied(half))[1]
        for one, other in zip(map(numbers, found), map(numbers, expected), strict=True):
            assert np.isfinite(one[np.abs(other) < largest / 2]).all()


def scaled(array, scale):
    if "loat" not in str(array.dtype):
        return array
    return array * scale


def test_most_functions_take_arrays():
    assert len(FOUND) > 200 and sum(bool(calls_of(name)) for name in FOUND) > 150
