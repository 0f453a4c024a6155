"""Exercises of the family `regularization`: every module here has a tuple `EXERCISES`."""

import importlib
import pkgutil

_MODULES = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
EXERCISES = tuple(e for module in _MODULES for e in getattr(module, "EXERCISES", ()))
