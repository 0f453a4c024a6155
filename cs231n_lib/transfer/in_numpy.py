"""What is done with features, as arrays: standardize them, classify them, compare ways to transfer.

The equations of the package are cited by their tags.
"""

import numpy as np

from cs231n_lib.errors import labels, validated
from cs231n_lib.precision import in_single_throughout


@validated(x_train="N D", x="M D")
@in_single_throughout
def standardize(x_train, x):
    """Give every feature the mean 0 and the standard deviation 1, as the training set has them.

    Args:
        x_train: (N, D) features from which mean and standard deviation are taken, the latter over
            N or over N − 1.
        x: (M, D) features to standardize: training, validation or test data.

    Returns:
        (M, D). A feature that is the same for all of x_train is centred and not scaled.

    Raises:
        TypeError, ValueError: for arrays that are not of floats, or do not fit;
            yours may do otherwise.

    Slides 99–101.

    >>> standardize(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[4.0, 5.0]]))
    array([[2., 0.]])
    """
    mean = x_train.mean(axis=0)  # (D,)
    std = x_train.std(axis=0)
    return (x - mean) / np.where(std > 0, std, 1)  # Probe.1


@validated(
    fit="function",
    x_train="N D",
    y_train=labels("N"),
    x_val="V D",
    y_val=labels("V"),
    x_test="M D",
)
def linear_probe(fit, x_train, y_train, x_val, y_val, x_test, penalties):
    """Classify features by a linear classifier, its penalty chosen on the validation data.

    Args:
        fit: function (x, y, penalty) -> w, b, such as `softmax_regression`; scores are x @ w + b.
        x_train, x_val, x_test: (N, D), (V, D), (M, D) features as they come from a network.
        y_train, y_val: (N,), (V,) labels from 0.
        penalties: numbers to choose from; of equally good ones the first is taken.

    Returns:
        predictions (M,): integer labels for x_test; the chosen penalty.

    Raises:
        TypeError, ValueError: for arrays that do not fit; yours may do otherwise.

    Slides 99–101.

    >>> from cs231n_lib.train import softmax_regression
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> x = rng.normal(size=(90, 5)) + 3 * np.eye(5)[y]
    >>> parts = x[:30], y[:30], x[30:60], y[30:60], x[60:]
    >>> predictions, penalty = linear_probe(softmax_regression, *parts, [0.01, 0.1])
    >>> bool((predictions == y[60:]).mean() > 0.8)
    True
    """
    z_train, z_val, z_test = (standardize(x_train, x) for x in (x_train, x_val, x_test))
    best = -1.0
    for penalty in penalties:
        w, b = fit(z_train, y_train, penalty)
        accuracy = np.mean((z_val @ w + b).argmax(axis=1) == y_val)
        if accuracy > best:
            best, chosen = accuracy, penalty  # Probe.2
            predictions = (z_test @ w + b).argmax(axis=1)
    return predictions, chosen


def separating_features(x_train):
    """Return features on which `standardize` and `standardize_alone` disagree about a sign.

    Args:
        x_train: (N, D) training features.

    Returns:
        x (M, D): some feature is above the average of the training set by one function, and below
        by the other, clearly so by both.

    Slides 99–101.

    >>> separating_features(np.array([[0.0], [2.0]]))
    array([[3.],
           [5.]])
    """
    return x_train + 3 * x_train.std(axis=0)  # all above the training set's mean


def transfer_matrix(cells, ways, seeds):
    """Run every way to learn in every cell of a table, such as the one of slide 104.

    Args:
        cells: list of functions (seed) -> data, such as few or many examples of similar data.
        ways: list of functions (data, seed) -> accuracy, such as a probe or fine-tuning.
        seeds: list of whole numbers. For one cell and one seed the data are made once, so that all
            ways are compared on the same examples.

    Returns:
        accuracies (cells, ways, seeds).

    Slides 102–104.

    >>> cells = [lambda seed: 5, lambda seed: 50]
    >>> ways = [lambda data, seed: 0.5, lambda data, seed: 1 - 1 / data]
    >>> transfer_matrix(cells, ways, [0])[:, :, 0]
    array([[0.5 , 0.8 ],
           [0.5 , 0.98]])
    """
    accuracies = np.zeros((len(cells), len(ways), len(seeds)))
    for i, examples in enumerate(cells):
        for k, seed in enumerate(seeds):
            data = examples(seed)
            for j, way in enumerate(ways):
                accuracies[i, j, k] = way(data, seed)
    return accuracies
