"""The grader graded: how many wrong answers it catches and names."""
