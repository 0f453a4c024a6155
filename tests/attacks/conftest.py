"""The option that runs the whole corpus."""


def pytest_addoption(parser):
    """Offer --all-attacks."""
    parser.addoption(
        "--all-attacks",
        action="store_true",
        help="hand in every attack of the corpus, not only the fast subset",
    )
