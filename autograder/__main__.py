"""`python -m autograder` is the command line of the course."""

import os
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


def run():
    """Run the command line; Ctrl-C ends it with one line, however early or late it comes."""
    require_python()
    terminal, told = sys.stderr, sys.unraisablehook

    def stop():
        terminal.write("autograder: Stopped. What was done before is kept.\n")
        terminal.flush()
        os._exit(130)  # waits for no thread

    def tell(found):
        if issubclass(found.exc_type, KeyboardInterrupt):
            stop()
        told(found)

    sys.unraisablehook = tell  # in a finalizer and at the very end Python would only print it
    # What is checked are many small arrays: threads would wait for each other most of their time.
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy and PyTorch are imported
    try:
        from autograder.cli import main

        main()
    except KeyboardInterrupt:
        stop()


if __name__ == "__main__":
    run()
