"""`python -m autograder` is the command line of the course."""

import sys

OLDEST = (3, 11)


def require_python(version=tuple(sys.version_info[:2])):
    """Leave with one line when this Python is too old to read the rest of the package."""
    if version < OLDEST:
        found, wanted = (f"{major}.{minor}" for major, minor in (version, OLDEST))
        sys.stderr.write(
            f"autograder: this is Python {found}, and Python {wanted} or newer is needed. Install "
            "it from https://www.python.org/downloads/ and run `make venv`.\n"
        )
        sys.exit(2)


if __name__ == "__main__":
    require_python()
    from autograder.cli import main

    main()
