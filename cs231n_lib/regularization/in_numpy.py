"""Regularization in NumPy: penalties, and forward and backward passes of layers with noise."""
