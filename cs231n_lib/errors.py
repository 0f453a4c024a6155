"""Argument checks that say which invariant is broken, what arrived, and what to pass instead.

One line above a function states what it accepts; the function itself stays pure formula:

    @validated(x="N D", gamma="D", beta="D",
               bn_param={"mode": ("train", "test"), "eps": "nonnegative", "running_mean": "D"})
    def batchnorm_forward(x, gamma, beta, bn_param): ...

What a parameter may be is written as one of these rules:

- ``"N D"``: an array of floats (NumPy or PyTorch) with these dimensions. Equal letters are equal
  sizes in all arguments, ``1`` is a size of one, and a last ``...`` stands for any more dimensions.
- ``"positive"``, ``"nonnegative"``, ``"fraction"`` (0 to 1, both included): finite numbers;
  ``"array"``: an array of floats of any shape; ``"function"``: something to call.
- ``("train", "test")``: one of these values.
- ``{"eps": rule}``: a dict that holds no other keys; each key may be missing.
- ``...``: anything.
- a function ``rule(name, value, known)``: `between(low, high)`, `at_least(low)`, `above(low)`,
  `below(high)`, `whole(low)`, `divisor("C")`, `labels("N", "C")`, `alike("w")`,
  `images("N H W C")`, `generator`, or your own.
  ``known`` maps each letter to its size and the name of the argument that fixed it.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real

import numpy as np

LIBRARY = "the library"  # the key of `known` under which the first array's library is kept
UNLIKE = np.matrix, np.ma.MaskedArray  # arrays of NumPy whose products are others
OWN_LIBRARY = {"in_numpy": "NumPy", "in_torch": "PyTorch"}  # of the functions in these modules


def validated(**rules):
    """Check the named arguments of a function by `rules` at every call.

    Raises TypeError for a wrong type and ValueError for a wrong value; the message starts with the
    function's name. An argument that equals its default None is not checked.

    >>> @validated(x="N D", gamma="D", momentum="fraction")
    ... def scaled(x, gamma, momentum=0.9):
    ...     return momentum * gamma * x
    >>> scaled(np.ones((2, 3)), np.ones(4))
    Traceback (most recent call last):
    ValueError: scaled: gamma must have shape (D,) with D = 3 as in x, got shape (4,)
    """

    def decorate(function):
        parameters = list(inspect.signature(function).parameters.values())
        positions = {parameter.name: i for i, parameter in enumerate(parameters)}
        optional = {p.name for p in parameters if p.default is None}
        unknown = sorted(set(rules) - set(positions))
        if unknown:
            raise TypeError(f"{function.__name__} has no parameter {unknown[0]!r} to validate")
        checks = [(name, positions[name], rule_from(rule)) for name, rule in rules.items()]
        own = OWN_LIBRARY.get(function.__module__.rpartition(".")[2])
        start = {LIBRARY: (own, "this function")} if own else {}

        @functools.wraps(function)
        def checked(*args, **kwargs):
            known = start.copy()
            given = len(args)
            try:
                for name, position, check in checks:
                    if position < given:
                        value = args[position]
                    elif name in kwargs:
                        value = kwargs[name]
                    else:
                        continue
                    if value is not None or name not in optional:
                        check(name, value, known)
                        if isinstance(value, np.generic) and check in NUMERIC:
                            value = value.item()  # a np.float64 would turn float32 into float64
                            if position < given:
                                args = (*args[:position], value, *args[position + 1 :])
                            else:
                                kwargs[name] = value
            except (TypeError, ValueError) as error:
                raise type(error)(f"{_called(function)}: {error}") from None
            return function(*args, **kwargs)

        return checked

    return decorate


def _called(function):
    """Return the name that a function is called by: that of its class, where it makes one."""
    if function.__name__ == "__init__":
        return function.__qualname__.split(".")[-2]
    return function.__name__


def rule_from(rule):
    """Return `rule` as a function (name, value, known), from any of the short forms above."""
    if isinstance(rule, str):
        return NAMED[rule] if rule in NAMED else array(rule)
    if isinstance(rule, tuple):
        return one_of(*rule)
    if isinstance(rule, Mapping):
        return options(rule)
    if rule is ...:
        return lambda name, value, known=None: None
    return rule


# ---------------------------------------------------------------------------------- arrays


def array(dimensions, or_bytes=False):
    """Rule: an array of floats whose shape is `dimensions`, such as "N C H W" or "N ..."."""
    tokens = dimensions.split()
    open_ended = tokens[-1:] == ["..."]
    sizes = tokens[:-1] if open_ended else tokens
    rank = len(sizes)

    def check(name, value, known):
        library = _require_floats(name, value, or_bytes)
        first_library, first_name = known.setdefault(LIBRARY, (library, name))
        if library != first_library:
            raise TypeError(
                f"all arrays must come from one library, got {first_name} from {first_library} and "
                f"{name} from {library}; convert with torch.from_numpy(array) or tensor.numpy()"
            )
        shape = value.shape
        if len(shape) < rank or (len(shape) > rank and not open_ended):
            raise ValueError(
                f"{name} must have shape {_shape(tokens)}, got shape {tuple(shape)} with "
                f"{len(shape)} dimensions; reshape it or index it to {rank}"
            )
        _require_sizes(name, shape, sizes, tokens, known)

    return check


def images(dimensions):
    """Rule: images of these dimensions, of floats from 0 to 1 or of bytes (uint8) from 0 to 255.

    >>> images("N H W C")("x", np.zeros((1, 2, 2, 3), dtype=int), {})
    Traceback (most recent call last):
    TypeError: x must hold floats or uint8, got int64 values of shape (1, 2, 2, 3); convert with \
x.astype(float)
    """
    return array(dimensions, or_bytes=True)


def alike(letter):
    """Rule: an array of floats of any shape, the same shape wherever the letter is the same.

    >>> @validated(w=alike("w"), dw=alike("w"))
    ... def step(w, dw):
    ...     return w - dw
    >>> step(np.ones((2, 3)), np.ones(3))
    Traceback (most recent call last):
    ValueError: step: dw must have the shape of w, (2, 3), got shape (3,)
    """

    floats = array("...")

    def check(name, value, known):
        first, source = known.get(letter, (None, None))
        if type(value) is type(first) and value.dtype == first.dtype and value.shape == first.shape:
            return  # at once, for optimizers call this for every small array
        floats(name, value, known)
        first, source = known.setdefault(letter, (value, name))
        if value.shape != first.shape:
            raise ValueError(
                f"{name} must have the shape of {source}, {tuple(first.shape)}, got shape "
                f"{tuple(value.shape)}"
            )

    return check


def labels(size, classes=None):
    """Rule: an array of `size` integers, each the number of one of `classes` (two letters).

    Where nothing fixes the number of classes, it is left out.
    """

    def check(name, value, known):
        integer = _library(value) and not _is_floating(value) and "bool" not in str(value.dtype)
        if not integer:
            raise TypeError(
                f"{name} must be an array of integer labels, got {_describe(value)}; convert with "
                f"{name}.astype(int) or {name}.long()"
            )
        if len(value.shape) != 1:
            raise ValueError(f"{name} must have shape ({size},), got shape {tuple(value.shape)}")
        _require_sizes(name, value.shape, [size], [size], known)
        if isinstance(value, np.ndarray):  # reading a tensor's values would wait for the GPU
            count = known[classes][0] if classes else math.inf
            low, high = value.min(), value.max()
            if low < 0 or high >= count:
                to = f" to {count - 1} ({classes} = {count} classes)" if classes else ""
                raise ValueError(
                    f"{name} must hold labels from 0{to}, got labels from {low} to {high}"
                )

    return check


def _require_floats(name, value, or_bytes=False):
    library = _library(value)
    if type(value) is not np.ndarray and isinstance(value, UNLIKE):
        raise TypeError(
            f"{name} must be a plain array, got {type(value).__name__}, which multiplies in "
            f"another way; convert with np.asarray({name})"
        )
    if library is None:
        raise TypeError(
            f"{name} must be a NumPy array or a PyTorch tensor of floats, got {_describe(value)}; "
            f"convert with np.asarray({name}, dtype=float) or torch.as_tensor({name}).float()"
        )
    if not _is_floating(value) and not (or_bytes and str(value.dtype).endswith("uint8")):
        cast = "astype(float)" if library == "NumPy" else "float()"
        kinds = "floats or uint8" if or_bytes else "floats"
        raise TypeError(
            f"{name} must hold {kinds}, got {_describe(value)}; convert with {name}.{cast}"
        )
    return library


def _require_sizes(name, shape, sizes, tokens, known):
    for token, size in zip(sizes, shape, strict=False):
        if size == 0:
            raise ValueError(f"{name} must not be empty, got shape {tuple(shape)}")
        expected, source = (1, None) if token == "1" else known.setdefault(token, (size, name))
        if size != expected:
            reason = f" with {token} = {expected} as in {source}" if source else ""
            raise ValueError(
                f"{name} must have shape {_shape(tokens)}{reason}, got shape {tuple(shape)}"
            )


def _library(value):
    if isinstance(value, (np.ndarray, np.generic)):  # an array without axes becomes a generic
        return "NumPy"
    return "PyTorch" if hasattr(value, "is_floating_point") else None


def _is_floating(value):
    return value.is_floating_point() if _library(value) == "PyTorch" else value.dtype.kind == "f"


def _shape(tokens):
    return f"({', '.join(tokens)}{',' if len(tokens) == 1 else ''})"


def _describe(value):
    if _library(value):
        return f"{value.dtype} values of shape {tuple(value.shape)}"
    return f"{type(value).__name__} {value!r:.60}"


# ---------------------------------------------------------------------------------- options


def options(rules):
    """Rule: a dict that holds only keys of `rules`, each value as its rule says.

    >>> options({"eps": "nonnegative"})("bn_param", {"epsilon": 1e-5})
    Traceback (most recent call last):
    ValueError: bn_param has the unknown key 'epsilon'; known keys: 'eps'
    """
    checks = {key: rule_from(rule) for key, rule in rules.items()}

    def check(name, value, known=None):
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} must be a dict of options, got {_describe(value)}")
        for key, entry in value.items():
            if key not in checks:
                listed = ", ".join(map(repr, checks))
                raise ValueError(f"{name} has the unknown key {key!r}; known keys: {listed}")
            checks[key](f"{name}[{key!r}]", entry, known)
        for key, entry in value.items():
            if isinstance(entry, np.generic) and checks[key] in NUMERIC:
                value[key] = entry.item()

    return check


def one_of(*choices):
    """Rule: one of `choices`."""
    listed = " or ".join(map(repr, choices))
    kinds = tuple({type(choice) for choice in choices})

    def check(name, value, known=None):
        if not isinstance(value, kinds):
            raise TypeError(f"{name} must be {listed}, got {_describe(value)}")
        if value not in choices:
            raise ValueError(f"{name} must be {listed}, got {value!r}")

    return check


# ---------------------------------------------------------------------------------- numbers


def at_least(low):
    """Rule: a finite number, `low` or more.

    >>> at_least(0)("eps", -1e-5)
    Traceback (most recent call last):
    ValueError: eps must be at least 0, got -1e-05
    """
    return _number(f"at least {low}", lambda value: value >= low)


def above(low, at_most=math.inf):
    """Rule: a finite number greater than `low`, and `at_most` so large.

    >>> above(0, at_most=1)("p", 0)
    Traceback (most recent call last):
    ValueError: p must be greater than 0 and at most 1, got 0
    """
    limit = "" if at_most == math.inf else f" and at most {at_most}"
    return _number(f"greater than {low}{limit}", lambda value: low < value <= at_most)


def between(low, high):
    """Rule: a number from `low` to `high`, both included: a probability is `between(0, 1)`."""
    return _number(f"between {low} and {high}", lambda value: low <= value <= high)


def below(high, low=0):
    """Rule: a number from `low` up to `high`, which is excluded: a share to keep is `below(1)`."""
    return _number(f"at least {low} and below {high}", lambda value: low <= value < high)


def whole(low):
    """Rule: a whole number, `low` or more, such as a stride or a batch size."""
    return _number(f"a whole number of at least {low}", lambda value: value >= low, Integral)


def divisor(size):
    """Rule: a whole number that divides `size`, a letter of an array that is checked before it.

    >>> divisor("C")("G", 4, {"C": (6, "x")})
    Traceback (most recent call last):
    ValueError: G must divide C = 6 as in x, got 4; divisors: 1, 2, 3, 6
    """
    positive = whole(1)

    def check(name, value, known):
        positive(name, value, known)
        number, source = known[size]
        if number % value:
            divisors = ", ".join(str(d) for d in range(1, number + 1) if number % d == 0)
            raise ValueError(
                f"{name} must divide {size} = {number} as in {source}, got {value}; "
                f"divisors: {divisors}"
            )

    return check


def _number(invariant, holds, kind=Real):
    def check(name, value, known=None):
        if type(value) is not float and (not isinstance(value, Real) or isinstance(value, bool)):
            raise TypeError(f"{name} must be a number, {invariant}, got {_describe(value)}")
        if not (isinstance(value, kind) and math.isfinite(value) and holds(value)):
            raise ValueError(f"{name} must be {invariant}, got {value!r}")

    NUMERIC.add(check)
    return check


def off(name, value, known=None):
    """Rule: an option of PyTorch's that this library does not have, so it stays off.

    >>> off("SGD: maximize", True)
    Traceback (most recent call last):
    ValueError: SGD: maximize must be off, got True; use PyTorch's own for that
    """
    if value:
        raise ValueError(f"{name} must be off, got {value!r}; use PyTorch's own for that")


NUMERIC: set[Callable] = set()  # the rules for numbers: what they check becomes a number of Python


def generator(name, value, known=None):
    """Rule: a NumPy generator of random numbers.

    >>> generator("rng", 0)
    Traceback (most recent call last):
    TypeError: rng must be a generator of random numbers, got 0; make one with
    np.random.default_rng(seed)
    """
    if not isinstance(value, np.random.Generator):
        raise TypeError(
            f"{name} must be a generator of random numbers, got {value!r:.60}; make one with "
            "np.random.default_rng(seed)"
        )


def torch_generator(name, value, known=None):
    """Rule: a PyTorch generator of random numbers."""
    if not hasattr(value, "initial_seed"):
        raise TypeError(
            f"{name} must be a torch.Generator, got {value!r:.60}; make one with "
            "torch.Generator().manual_seed(seed)"
        )


def or_none(rule):
    """Rule: None, or what `rule` says."""
    inner = rule_from(rule)
    return lambda name, value, known=None: None if value is None else inner(name, value, known)


def _function(name, value, known=None):
    if not callable(value):
        raise TypeError(f"{name} must be a function, got {_describe(value)}")


NAMED = {
    "positive": above(0),
    "nonnegative": at_least(0),
    "fraction": between(0, 1),
    "array": array("..."),
    "function": _function,
}
