"""The lessons of the course, read once by a process, however many tests ask."""

from functools import cache

from autograder.lessons.lesson import all_lessons as read

all_lessons = cache(read)


def numpy_half(lesson):
    """Return [(role, source), …] of a solution up to its PyTorch half, without the checks."""
    code = [cell for cell in lesson.cells if cell.kind == "code" and cell.role != "check"]
    torch = (i for i, c in enumerate(code) if c.role == "setup" and "import torch" in c.solution)
    return [(cell.role, cell.solution) for cell in code[: next(torch, None)]]
