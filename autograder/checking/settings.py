"""Dicts of settings that notice which of their keys are looked up.

Whoever reads `config["lr"]` where the caller's rate is under "learning_rate" gets a default without
an error. So an observation says which settings were never looked up, and the report names them.
"""

from collections.abc import Callable

import numpy as np

ASKED = "_asked "  # how the names of such observations start: the judges leave them alone


class Settings(dict):
    """A dict that notes in `asked` {key: whether it was looked up}.

    To go through all keys, or to copy them, is to look up every one.
    """

    def __init__(self, entries: dict, asked: dict[str, bool]):
        super().__init__(entries)
        self._asked = asked
        for key in entries:
            asked.setdefault(key, False)

    def _note(self, *keys):
        self._asked.update(dict.fromkeys(keys, True))

    def __reduce__(self):
        self._note(*dict.keys(self))
        return dict, (dict(dict.items(self)),)


def _of_one(method: Callable):
    def noting(self, key, *rest):
        self._note(key)
        return method(self, key, *rest)

    return noting


def _of_all(method: Callable):
    def noting(self, *rest):
        self._note(*dict.keys(self))
        return method(self, *rest)

    return noting


for _name in ("__getitem__", "__contains__", "get", "pop", "setdefault"):
    setattr(Settings, _name, _of_one(getattr(dict, _name)))
for _name in ("__iter__", "__or__", "__ror__", "copy", "items", "keys", "values", "popitem"):
    setattr(Settings, _name, _of_all(getattr(dict, _name)))


def as_observations(asked: dict[str, bool]) -> dict[str, np.ndarray]:
    """Return what was looked up as observations of a scenario."""
    return {f"{ASKED}{key}": np.array(was) for key, was in asked.items()}


def never_asked(pairs) -> tuple[str, ...]:
    """Return the settings that the reference looks up, and the code under test never does.

    Args:
        pairs: of observations (seen, expected), one for each check; None where there are none.
    """
    missed: dict[str, bool] = {}
    for seen, expected in pairs:
        for key in expected:
            if key.startswith(ASKED) and expected[key].all() and key in (seen or ()):
                missed[key] = missed.get(key, True) and not seen[key].any()
    return tuple(key.removeprefix(ASKED) for key, was in missed.items() if was)
