"""Wrong and other right answers of the family `regularization`, found by discovery.

A module here has tuples `MISCONCEPTIONS` and `VARIANTS`, and where needed a table `EQUIVALENT`.
"""

import importlib
import pkgutil

_MODULES = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
MISCONCEPTIONS = tuple(r for module in _MODULES for r in getattr(module, "MISCONCEPTIONS", ()))
VARIANTS = tuple(r for module in _MODULES for r in getattr(module, "VARIANTS", ()))
EQUIVALENT = {
    function: lines
    for module in _MODULES
    for function, lines in getattr(module, "EQUIVALENT", {}).items()
}
