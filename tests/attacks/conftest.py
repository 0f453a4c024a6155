"""The options of the corpus, for a run of `pytest tests/attacks`."""

import os


def pytest_addoption(parser):
    """Offer --all-attacks and --tier."""
    parser.addoption(
        "--all-attacks",
        action="store_true",
        default=bool(os.environ.get("ALL_ATTACKS")),  # the one way where all tests run
        help="hand in every attack of the corpus, not only the fast subset (or ALL_ATTACKS=1)",
    )
    parser.addoption("--tier", choices="ABC", help="a lower tier than the machine allows")
