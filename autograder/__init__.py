"""Checks, builds and grades the lessons of the course; `python -m autograder --help` shows how."""
