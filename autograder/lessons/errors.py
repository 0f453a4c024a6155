"""What can be wrong with a lesson or a kit, told in one sentence."""


class BuildError(ValueError):
    """An author's mistake: names the file and the line, and what to do."""


class KitError(ValueError):
    """The kit cannot be written; says why, and what to do."""
