"""Half precision: what would overflow or vanish in 16 bits is computed in 32, as frameworks do."""

import functools
from collections import deque


def in_single(function):
    """Let a function of half-precision arrays or tensors compute in single precision.

    The first result has the dtype of the first argument again. Statistics, caches and the
    gradients of parameters stay in single precision: a float16 ends at 65,504, which the square of
    300 exceeds.

    >>> import numpy as np
    >>> in_single(lambda x: (x**2 / 1000, (x**2).dtype))(np.array([300.0], np.float16))
    (array([90.], dtype=float16), dtype('float32'))
    """
    return _computed(function, lambda found, dtype: (_as(found[0], dtype), *found[1:]))


def in_single_throughout(function):
    """Let a function compute in single precision as `in_single` does; all results are half again.

    It is for linear algebra, of which neither NumPy nor PyTorch has much in half precision.

    >>> import numpy as np
    >>> in_single_throughout(np.linalg.inv)(np.array([[4.0]], np.float16))
    array([[0.25]], dtype=float16)
    """

    def back(found, dtype):
        if isinstance(found, tuple):
            return tuple(_as(value, dtype) for value in found)
        return _as(found, dtype)

    return _computed(function, back)


def loss_in_single(function):
    """Let a function of loss and gradient compute in single precision; only the gradient is half.

    The loss is a sum, which half precision cannot hold, and is kept as it was computed.

    >>> import numpy as np
    >>> loss_in_single(lambda w: (np.sum(w**2), 2 * w))(np.array([300.0], np.float16))
    (np.float32(90000.0), array([600.], dtype=float16))
    """
    return _computed(function, lambda found, dtype: (found[0], _as(found[1], dtype)))


def _computed(function, back):
    """Return the function with its half-precision arguments made single, and results taken back."""

    @functools.wraps(function)
    def computed(*args, **named):
        first = args[0] if args else next(iter(named.values()))
        if not _is_half(first):
            return function(*args, **named)
        named = {name: _single(value) for name, value in named.items()}
        return back(function(*map(_single, args), **named), first.dtype)

    return computed


def _is_half(value):
    dtype = getattr(value, "dtype", None)
    if dtype is None or dtype.itemsize != 2:
        return False
    return getattr(dtype, "is_floating_point", False) or getattr(dtype, "kind", "") == "f"


def _single(value):
    if isinstance(value, list | tuple | deque):  # of vectors, such as a history of steps
        return [_single(entry) for entry in value]
    if not _is_half(value):
        return value
    return value.float() if hasattr(value, "float") else value.astype("float32")


def _as(value, dtype):
    return value.to(dtype) if hasattr(value, "to") else value.astype(dtype)
