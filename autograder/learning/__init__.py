"""What a learner sees beyond one check: progress, a review of mistakes, questions on own code."""
