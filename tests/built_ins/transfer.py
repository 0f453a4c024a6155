"""Built-ins of the family `transfer`: scikit-learn's scaler; the rest is wiring of built-ins."""

from sklearn.preprocessing import StandardScaler


def standardize(x_train, x):
    """Mean and deviation of the training set, by scikit-learn."""
    import torch

    return torch.from_numpy(StandardScaler().fit(x_train.numpy()).transform(x.numpy()))


BUILT_INS = {"standardize": standardize}
WITHOUT = {
    "linear_probe": "it is the choice between fits",
    "separating_features": "it is a search for features",
    "transfer_matrix": "it is a loop over experiments",
    "extract_features": "PyTorch has hooks, and nothing that uses them so",
    "cached_features": "PyTorch has no cache of features",
    "replace_head": "it is an assignment of built-ins",
    "freeze": "PyTorch freezes parameters, not the statistics of a batch norm",
    "unfreeze": "it undoes what has no built-in",
    "parameter_groups": "it is an argument for the built-in optimizers",
    "finetune": "it is the wiring between built-ins",
}
REMARKED = {}
