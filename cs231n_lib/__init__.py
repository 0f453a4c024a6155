"""From-scratch NumPy and PyTorch code for CS231n lecture 7, *Training Neural Networks, Part 2*.

One folder a family of techniques, with the same function names in `in_numpy.py` and `in_torch.py`.
Around them stand the tools that lessons use: `layers`, `train`, `descent`, `data`, `gradcheck`,
`plotting` and `errors`.
"""
