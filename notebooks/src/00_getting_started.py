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
#     lesson: "00"
#     title: Getting started
#     minutes_core: 10
#     minutes_all: 10
# ---

# %% [markdown]
# # Getting started
#
# **Lesson 00 · before slide 1 · 10 minutes**
#
# Every lesson of this course works like this page. You read a little, you write a function of a few
# lines, a *check* tells you at once what is right and what is not, and then an experiment runs on
# *your* function. Here the function is small, so that you can get to know the rest.
#
# | cell | what you do with it |
# |---|---|
# | setup, and helpers that are given | run it: `Shift` + `Enter`; it is locked |
# | a function that says `raise NotImplementedError` | replace that line by your code |
# | `check(...)` | run it as often as you like; it is locked |
# | an experiment | run it, then change it and play |
# | `my_guess = None` | write down a number *before* you run what follows |
# | "Write your answer here" | answer in words; a person reads it (not in this lesson) |

# %% role="setup"
import matplotlib.pyplot as plt
import numpy as np

from autograder.check import check, needs
from cs231n_lib.data import load
from cs231n_lib.train import predicted, score_predictions

# %% [markdown]
# ## 1 The question
#
# Take two pictures of the same scene, one twice as bright as the other. As rows of numbers they are
# far apart, but they point in the same direction. To compare directions only, scale every row
# $x_i$ to length 1:
#
# $$\hat x_{ij} = \frac{x_{ij}}{\sqrt{\sum_k x_{ik}^2}}$$
#
# The product of two such rows is the cosine of the angle between them: 1 for the same direction,
# 0 for a right angle. A row of zeros has no direction; it stays a row of zeros.

# %% [markdown]
# ## 2 Two wrong answers first
#
# Checks are made to be failed. Run the next cell: it has a plausible mistake in it.


# %% role="experiment"
def first_try(x):
    return x / np.linalg.norm(x, axis=0)


check("getting_started.unit_rows", first_try)

# %% [markdown]
# One row a check. On the left, whether it passed, and its points. On the right, what came: how it
# differs, and the first number that differs beside the one that was expected. Below it, when the
# mistake is a known one, a **hint**. Hints do not give the answer away, and each is shown once:
# fix what it names, then run the check again. The number under the table is your score.
#
# Not every mistake is known; then there is no hint, and *what came* has to be enough. Read the last
# row of the next table: it says nothing about `out` and complains about `x`. What did `second_try`
# do to the array that it was given?


# %% role="experiment"
def second_try(x):
    x *= 2
    return x


check("getting_started.unit_rows", second_try)

# %% [markdown]
# ## 3 Your turn
#
# Write `unit_rows`. Its description says what comes in and what must come out; the example in it
# can be tried in a cell of your own (press `Esc`, then `B`).

# %% role="exercise" exercise="getting_started.unit_rows"

# %% [markdown]
# **If your check fails**
#
# * *not written yet*: the cell above still raises, or was not run after you changed it.
# * *out must have shape …*, or *operands could not be broadcast*: print the shapes along the way.
#   A sum over an axis removes that axis, unless it is told to keep it.
# * *out is not finite*: somewhere 0 was divided by 0.
# * anything about *x*: your function wrote into the array that it was given, for instance with
#   `/=`. The caller still needs that array.
# * anything about the *dtype*: an array of yours turned float32 into float64.
#
# When your notebook is graded, the same checks run again on other random numbers. What is right
# here is right there; what fits only these numbers is not.

# %% [markdown]
# ## 4 Predict, then run
#
# Before most experiments you write down what you expect. Nobody grades it: a wrong guess is what
# makes the result stick. The last cell of a lesson tells you how far off your guesses were.
#
# The data are 1797 real images of handwritten digits, 8 × 8 pixels each, that come with
# scikit-learn, so nothing is downloaded. (For other images change the one line that loads them to
# `load("fashion-mnist")` or `load("cifar10")`.) For each validation image the experiment takes the
# training image with the nearest direction, by your `unit_rows`, and calls it by that image's name.
# For which fraction of them is this the right digit? Guessing blindly gets 0.1.

# %% role="predict"
my_guess = None  # a number from 0 to 1

# %% role="experiment" uses="unit_rows" alt="Two rows of eight digits: validation images above, their nearest training images below, with the cosine between them."
data = load("digits")
cosine = unit_rows(data.x_val) @ unit_rows(data.x_train).T  # (N_val, N_train)
nearest = cosine.argmax(axis=1)
predicted(my_guess, (data.y_train[nearest] == data.y_val).mean())

images = data.images()  # (N, C, H, W)
figure, axes = plt.subplots(2, 8, figsize=(8, 2.6), layout="constrained")
for column, (above, below) in enumerate(axes.T):
    above.imshow(images.x_val[column].transpose(1, 2, 0), cmap="gray_r")
    above.set_title(f"{cosine[column].max():.2f}", fontsize=9)
    below.imshow(images.x_train[nearest[column]].transpose(1, 2, 0), cmap="gray_r")
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("image")
axes[1, 0].set_ylabel("nearest")
figure.suptitle("Validation images, their nearest training images, and the cosines between them")
plt.show()

# %% [markdown]
# As long as `unit_rows` is not written, the cell above only says so. This holds for every
# experiment: a notebook always runs to its end, however much of it you have done.

# %% [markdown]
# ## 5 Your device
#
# The second half of a lesson repeats it in PyTorch, on whatever device there is. A GPU is nice to
# have, and never needed.

# %% role="experiment"
try:
    import torch
except ImportError:
    print("PyTorch is not here, so do the first half of each lesson: it needs NumPy alone.")
else:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "the processor"
    print(f"PyTorch {torch.__version__} computes on {device}: {name}.")
    print(torch.ones(2, 3, device=device) @ torch.ones(3, 1, device=device))

# %% [markdown]
# ## 6 The rules of grading
#
# * Executed are your functions, the cells that you added, and the checks, in the order in which they
#   stand. Of a changed experiment or prediction only its imports, functions, classes and constants are.
# * A function that you define twice counts as you wrote it last, before the check of the next exercise.
# * Each cell has 5 seconds. Your own have 20 seconds together, the graded ones 40; a cell that takes
#   too long is left out, and the next ones are run.
# * Files of your own, such as `helper.py`, must be handed in beside the notebook: at most 20, 1 MB in all.
# * Packages are those of the course. `!pip` and the like print a line and do nothing.
# * There is no network and no GPU, and what a cell prints counts for nothing.

# %% role="experiment"
score_predictions()

# %% [markdown]
# ## 7 To take away
#
# * Read the table from the top; fix one thing; run the check again.
# * A function gives back new arrays, of the type that came in, and leaves its input alone.
# * Guess before you run.
# * Before you hand in: *Kernel → Restart Kernel and Run All Cells…*, and look at every check again.
#
# **Next:** lesson 01 asks how firm the ground is: activation functions, initialization, search. Whoever
# knows these well may go straight on to lesson 02, batch normalization.
