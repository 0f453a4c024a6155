r"""Regularization (slides 69–84, 93–96): penalties on the weights, and noise in training.

Shapes: :math:`x` is (N, D), or (N, C, H, W) for images, and :math:`W` has any shape.
:math:`p` is always the probability to *keep* what noise may take away, as on slide 72.
"""
