"""The frameworks' own versions of preprocessing, with the conventions of the exercises."""

import numpy as np
import scipy.linalg
import torch
from sklearn.decomposition import PCA
from torch.nn.functional import batch_norm


def normalize(x_train, x_val, eps=1e-5):
    """Batch norm in train mode on the training data, then in test mode on the validation data."""
    N, D = x_train.shape
    mean, var = torch.zeros(D, dtype=x_train.dtype), torch.zeros(D, dtype=x_train.dtype)
    train = batch_norm(x_train, mean, var, training=True, momentum=1.0, eps=eps)
    val = batch_norm(x_val, mean, var * ((N - 1) / N), training=False, eps=eps)
    return train, val


def pca(x_train, x_val, k):
    """scikit-learn's, from a singular value decomposition of the data."""
    fitted = PCA(k, svd_solver="full").fit(x_train.numpy())
    return tuple(torch.from_numpy(fitted.transform(x.numpy())) for x in (x_train, x_val))


def whiten(x_train, x_val, eps=1e-5):
    """SciPy's power −½ of the covariance, from a Schur decomposition."""
    x_train, x_val = x_train.numpy(), x_val.numpy()
    cov = np.cov(x_train.T, bias=True, dtype=float) + eps * np.eye(x_train.shape[1])
    W = scipy.linalg.fractional_matrix_power(cov, -0.5).astype(x_train.dtype)
    mean = x_train.mean(axis=0)
    return tuple(torch.from_numpy((x - mean) @ W) for x in (x_train, x_val))


BUILT_INS = {"normalize": normalize, "pca": pca, "whiten": whiten}
WITHOUT = {"separating_feature": "it is a search for an input"}
REMARKED = {}
