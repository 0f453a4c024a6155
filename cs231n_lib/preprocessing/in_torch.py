"""Preprocessing in PyTorch: the functions of `in_numpy` on tensors, on the device they are on."""

import torch

from cs231n_lib.errors import at_least, validated
from cs231n_lib.precision import in_single_throughout
from cs231n_lib.preprocessing import directions


@validated(x_train="N D", x_val="M D")
def zero_center(x_train, x_val):
    """Move the data so that every feature of the training data has mean 0.

    Args:
        x_train: (N, D) one row per example; the mean is learned here.
        x_val: (M, D) gets the same treatment.

    Returns:
        x_train_out: (N, D); x_val_out: (M, D).

    Slide 6.

    >>> x_train, x_val = torch.tensor([[1.0, 10.0], [3.0, 30.0]]), torch.tensor([[2.0, 0.0]])
    >>> zero_center(x_train, x_val)[1]
    tensor([[  0., -20.]])
    """
    mean = x_train.mean(dim=0)  # (D,) Pre.1
    return x_train - mean, x_val - mean


@validated(x_train="N D", x_val="M D", eps=at_least(0))
@in_single_throughout
def normalize(x_train, x_val, eps=1e-5):
    """Standardize every feature by the mean and the variance of the training data.

    Args:
        x_train: (N, D) one row per example; mean and (biased) variance are learned here.
        x_val: (M, D) gets the same treatment, with the same numbers.
        eps: added to the variance, under the root.

    Returns:
        x_train_out: (N, D) every feature with mean 0 and variance 1, but for eps;
        x_val_out: (M, D).

    Slides 6–7.

    >>> x_train, x_val = torch.tensor([[1.0, 10.0], [3.0, 30.0]]), torch.tensor([[2.0, 0.0]])
    >>> normalize(x_train, x_val, eps=0.0)[1]
    tensor([[ 0., -2.]])
    """
    mean = x_train.mean(dim=0)  # (D,) Pre.1
    var = ((x_train - mean) ** 2).mean(dim=0)  # (D,) Pre.2
    std = torch.sqrt(var + eps)  # (D,)
    return (x_train - mean) / std, (x_val - mean) / std  # Pre.3


@validated(x_train="N D", x_val="M D", k=directions)
@in_single_throughout
def pca(x_train, x_val, k):
    """Project the data on the k directions in which the training data varies most.

    Args:
        x_train: (N, D) one row per example; mean and directions are learned here.
        x_val: (M, D) gets the same treatment, with the same numbers.
        k: number of directions, from 1 to D.

    Returns:
        z_train: (N, k) the first column has the largest variance; the sign of a column is
        arbitrary; z_val: (M, k).

    Slides 6–7. Pearson 1901, *On lines and planes of closest fit*.

    >>> x_train = torch.tensor([[1.0, 1.0], [2.0, 2.0], [6.0, 6.0]])
    >>> z_train, z_val = pca(x_train, torch.tensor([[3.0, 3.0]]), k=1)
    >>> (z_train[2] - z_train[0]).abs(), z_val.abs().round(decimals=5)
    (tensor([7.0711]), tensor([[0.]]))
    """
    mean = x_train.mean(dim=0)  # (D,) Pre.1
    x_mu = x_train - mean  # (N, D)
    cov = x_mu.T @ x_mu / len(x_train)  # (D, D) Pre.4
    eigenvalues, U = torch.linalg.eigh(cov)  # (D,), (D, D) Pre.5
    largest = torch.argsort(-eigenvalues)[:k]
    U_k = U[:, largest]  # (D, k)
    return x_mu @ U_k, (x_val - mean) @ U_k  # Pre.6


@validated(x_train="N D", x_val="M D", eps=at_least(0))
@in_single_throughout
def whiten(x_train, x_val, eps=1e-5):
    """Make all features of the training data uncorrelated, with variance 1 in every direction.

    Args:
        x_train: (N, D) one row per example; mean and (biased) covariance are learned here.
        x_val: (M, D) gets the same treatment, with the same numbers.
        eps: added to the eigenvalues of the covariance, under the root.

    Returns:
        x_train_out: (N, D) with the identity as covariance, but for eps; turned as x_train was, or
            along the directions in which it varies most;
        x_val_out: (M, D).

    Slides 6–7. Bell & Sejnowski 1997, *The independent components of natural scenes*.

    >>> x_train = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [2.0, -2.0], [-2.0, 2.0]])
    >>> whiten(x_train, x_train[:1], eps=0.0)[1].round(decimals=5)
    tensor([[1., 1.]])
    """
    mean = x_train.mean(dim=0)  # (D,) Pre.1
    x_mu = x_train - mean  # (N, D)
    cov = x_mu.T @ x_mu / len(x_train)  # (D, D) Pre.4
    eigenvalues, U = torch.linalg.eigh(cov)  # (D,), (D, D) Pre.5
    std = torch.sqrt(eigenvalues.clip(0) + eps)  # (D,) clip: rounding may go below 0
    W = U / std @ U.T  # (D, D)
    return x_mu @ W, (x_val - mean) @ W  # Pre.7
