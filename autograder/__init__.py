"""Checks, builds and grades the lessons of the course."""
