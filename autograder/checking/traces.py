"""What a derived wrong answer leaves behind: a few sums of what it shows in one check.

There are too many such answers to keep all that they show. A sum with fixed weights tells arrays
apart that differ by more than rounding, and nothing can be read off it.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from autograder.checking.judge import Expected
from autograder.checking.observe import Seen

SUMS = 3
SAME = 1e-7  # relative; a wrong answer that agrees this closely is the same wrong answer
CLEAR = 10  # tolerances that a wrong answer is off what is right, where it can be told from others
NO_NUMBER = 1e3  # counts for NaN and infinities


@dataclass(frozen=True)
class Trace:
    """A derived wrong answer: its names, the checks it passes, what it shows in the next one.

    `hint` is empty where the names are those of two known wrong answers.
    """

    names: tuple[str, ...]
    hint: str
    check: str
    passed: tuple[str, ...]
    sums: tuple[float, ...]

    @property
    def trace(self) -> "Trace":
        """Itself, as of one that is found later."""
        return self

    def is_of(self, sums: np.ndarray, bound: float) -> bool:
        """Say whether an answer has left the same sums, within rounding."""
        return bool((np.abs(sums - self.sums) <= bound).all())


@dataclass(eq=False)
class Later:
    """A derived wrong answer that is run when somebody asks for its `trace`: not many are."""

    names: tuple[str, ...]
    hint: str
    find: Callable[[], Trace | None]

    @cached_property
    def trace(self) -> Trace | None:
        """What it leaves behind, where that is nothing known."""
        return self.find()


def trace_from(entry: dict) -> Trace:
    """Return the trace of which `dataclasses.asdict` made `entry`, read from a JSON text."""
    names, passed, sums = (tuple(entry[key]) for key in ("names", "passed", "sums"))
    return Trace(names, entry["hint"], entry["check"], passed, sums)


def sums_of(seen: Seen, expected: Expected) -> tuple[np.ndarray, float]:
    """Return the weighted sums (SUMS,) of what is compared in a check, and their rounding."""
    sums, bound = np.zeros(SUMS), 0.0
    for key in compared(expected):
        array = (seen.arrays or {}).get(key)
        if array is None:
            return np.full(SUMS, np.nan), 0.0
        values = np.nan_to_num(array.astype(float), True, NO_NUMBER, NO_NUMBER, NO_NUMBER)
        weights = _weights(key, array.shape)  # (SUMS, size)
        with np.errstate(over="ignore", invalid="ignore"):
            sums += weights @ values.ravel()
        largest = max(expected.tolerance(key, array.dtype), SAME * np.abs(values).max(initial=0))
        bound += largest * weights.sum(axis=1).max()
    return sums, bound


def compared(expected: Expected) -> list[str]:
    """Return the observations that are no working material of a judge."""
    return [key for key in expected.arrays if key[0] != "_"]


@lru_cache(maxsize=1_000)  # students return what they like
def _weights(key, shape):
    seed = zlib.crc32(f"{key} {shape}".encode())
    return np.random.default_rng(seed).uniform(0.5, 1.5, (SUMS, int(np.prod(shape))))


def is_telling(wrong: tuple[str, ...], arrays: Mapping[str, np.ndarray]) -> bool:
    """Say whether something wrong is more than a yes, a no, or a count or two."""
    found = [arrays[key] for key in wrong if key in arrays and key[0] != "_"]
    return any(array.dtype.kind == "f" or array.size > 3 for array in found)
