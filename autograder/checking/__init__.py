"""What an exercise is, how it is observed and how it is judged."""
