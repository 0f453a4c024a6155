"""The door by which existing courses configure nbgrader: their settings import it by this name."""

from autograder.course.nbgrader_plugin import configure  # noqa: F401 - the door itself
