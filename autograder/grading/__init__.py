"""The trusted side of grading one assignment."""
