"""Regularization in PyTorch: the functions of `in_numpy` on tensors.

Every backward pass is written by hand; device and dtype follow the input.
"""
