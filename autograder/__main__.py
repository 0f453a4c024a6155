"""`python -m autograder` is the command line of the course."""

import sys

OLDEST = (3, 11)


def require_python(version=sys.version_info):
    """Leave with one line when this Python is too old to read the rest of the package."""
    if tuple(version[:2]) < OLDEST:
        wanted, found = (".".join(map(str, v[:2])) for v in (OLDEST, version))
        sys.stderr.write(
            "autograder: this is Python {}, and Python {} or newer is needed. Install it from "
            "https://www.python.org/downloads/ and run `make venv`.\n".format(found, wanted)  # noqa: UP032 - old Pythons read this
        )
        sys.exit(2)


if __name__ == "__main__":
    require_python()
    from autograder.cli import main

    main()
