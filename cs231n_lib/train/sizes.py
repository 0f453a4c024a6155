"""The size of an experiment: smaller in a web page, where Python computes five times as long."""

from cs231n_lib import webpage


def sized(full, in_a_page, what):
    """Return how much of something an experiment takes, and say so where that is less.

    Args:
        full: a number, as the text has it; in_a_page: as a web page computes it.
        what: is counted, in the plural.

    >>> sized(6, 2, "seeds")
    6
    """
    if not webpage.IN_A_PAGE:
        return full
    print(f"In this page {in_a_page} {what}, where the text has {full}: it computes more slowly.")
    return in_a_page
