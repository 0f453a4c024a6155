"""Let a notebook import NumPy and matplotlib alone, until its PyTorch half begins."""

import builtins
import sys

MORE = ("torch", "scipy", "skimage", "sklearn")
# Seen in every import statement: what is imported already is looked up in no finder again.
imported = builtins.__import__


def begin():
    """Refuse imports of more, but to the checks."""
    builtins.__import__ = import_numpy_alone


def end():
    """Let everything be imported."""
    builtins.__import__ = imported


def import_numpy_alone(name, *rest, **options):
    """Import as Python does, or raise ImportError."""
    if name.startswith(MORE) and not _is_asked_by_itself() and not _is_asked_by_a_check():
        raise ImportError(f"the NumPy half of a lesson imports {name}")
    return imported(name, *rest, **options)


def _is_asked_by_itself():
    return sys._getframe(2).f_globals["__name__"].startswith(MORE)


def _is_asked_by_a_check():
    frame = sys._getframe(2)
    while frame and frame.f_globals["__name__"] != "__main__":
        if frame.f_globals["__name__"].startswith("autograder"):
            return True
        frame = frame.f_back
    return frame is None  # in no cell
