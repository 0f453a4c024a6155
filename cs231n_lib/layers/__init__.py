"""Layers that every lesson builds on: given to students, never an exercise.

`in_numpy` and `in_torch` hold the same forward and backward pairs on arrays and on tensors;
`network` puts the NumPy ones, and a student's own functions, together into a network, and
`recurrent` adds a layer that reads sequences.
"""
