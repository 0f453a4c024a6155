r"""Getting started: one small function, to learn how an exercise and its check work.

.. math::
    \hat x_{ij} = x_{ij} \, / \, \sqrt{\textstyle\sum_k x_{ik}^2}    && \text{(GS.1)}

A row of zeros has no direction and stays a row of zeros.
"""
