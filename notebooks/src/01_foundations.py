# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   course:
#     lesson: "01"
#     title: Foundations recap
#     minutes_core: 60
#     minutes_all: 120
# ---

# %% [markdown]
# # Foundations recap
#
# **Lesson 01 · CS231n 2018, lecture 7, slides 2–9 · core 60 minutes, all of it 120**
#
# | part | you write | minutes |
# |---|---|---|
# | 1 activation functions | `leaky_relu_forward`, `leaky_relu_backward`, question 1 | 16 |
# | 2 weight initialization | `xavier_init`, question 2 | 16 |
# | 3 data preprocessing | `normalize`, question 3 | 12 |
# | 4 babysitting the learning | two predictions | 6 |
# | 5 hyperparameter search | `log_uniform`, question 4 | 10 |
# | **the core** | | **60** |

# %% role="setup"
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from autograder.check import check, needs
from cs231n_lib import plotting
from cs231n_lib.data import load
from cs231n_lib.gradcheck import check_gradients
from cs231n_lib.layers.network import Activation, Affine, Network, Normalization, ReLU
from cs231n_lib.train import compare, fit, fit_torch, predicted

threadpool_limits(1)  # arrays this small are fastest on one thread
torch.set_num_threads(1)

# %% [markdown]
# **The data.** 8 × 8 images of handwritten digits that come with scikit-learn: nothing to download.
# For CIFAR-10 change this one line to `data = load("cifar10")`. Everything below adapts, and takes
# several times as long; what the text says about results was written for the digits.

# %% role="experiment"
data = load("digits")
print(data)

# %% [markdown]
# ## 1 Activation functions

# %% role="exercise" exercise="activations.leaky_relu_forward"

# %% role="exercise" exercise="activations.leaky_relu_backward"

# %% role="exercise" exercise="activations.slope_breaking_input"

# %% role="exercise" exercise="activations.elu_forward"

# %% role="exercise" exercise="activations.elu_backward"

# %% role="exercise" exercise="activations.maxout_forward"

# %% role="exercise" exercise="activations.maxout_backward"

# %% [markdown]
# ## 2 Weight initialization

# %% role="exercise" exercise="initialization.xavier_init"

# %% role="exercise" exercise="initialization.kaiming_init"

# %% [markdown]
# ## 3 Data preprocessing

# %% [markdown]
# ## 4 Babysitting the learning

# %% [markdown]
# ## 5 Hyperparameter search

# %% [markdown]
# ## 6 The same in PyTorch: activations and initialization

# %% role="exercise" exercise="activations.torch.leaky_relu_forward"

# %% role="exercise" exercise="activations.torch.leaky_relu_backward"

# %% role="exercise" exercise="activations.torch.elu_forward"

# %% role="exercise" exercise="activations.torch.elu_backward"

# %% role="exercise" exercise="activations.torch.maxout_forward"

# %% role="exercise" exercise="activations.torch.maxout_backward"

# %% role="exercise" exercise="initialization.torch.xavier_init"

# %% role="exercise" exercise="initialization.torch.kaiming_init"

# %% [markdown]
# ## 7 The same in PyTorch: preprocessing

# %% [markdown]
# ## 8 What to take away
