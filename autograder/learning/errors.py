"""Mistakes of a learner's own making, told in one sentence."""


class LearnerError(ValueError):
    """A learner's input cannot be used; one sentence says why, and what to do."""
