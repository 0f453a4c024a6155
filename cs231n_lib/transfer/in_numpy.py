"""What is done with features, as arrays: standardize them, classify them, compare ways to transfer.

The equations of the package are cited by their tags.
"""

import numpy as np

from cs231n_lib.errors import at_least, labels, validated


@validated(x_train="N D", x="M D")
def standardize(x_train, x):
    """Give every feature the mean 0 and the standard deviation 1, as the training set has them.

    Args:
        x_train: (N, D) features from which mean and standard deviation are taken.
        x: (M, D) features to standardize: training, validation or test data.

    Returns:
        (M, D). A feature that is the same for all of x_train is centred and not scaled.

    Raises:
        TypeError, ValueError: for arrays that are not of floats, or do not fit.

    Slides 99–101.

    >>> standardize(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[4.0, 5.0]]))
    array([[2., 0.]])
    """
    mean = x_train.mean(axis=0)  # (D,)
    std = x_train.std(axis=0)
    return (x - mean) / np.where(std > 0, std, 1)  # Probe.1


@validated(x="N D", y=labels("N"), penalty="nonnegative")
def softmax_regression(x, y, penalty):
    """Fit a linear classifier with a squared penalty on its weights, by L-BFGS.

    Args:
        x: (N, D) features, about standardized; y: (N,) labels from 0.
        penalty: the penalty's strength; the bias has none.

    Returns:
        w (D, C), b (C,): the scores are x @ w + b.

    Raises:
        TypeError, ValueError: for features that are not floats, or a negative penalty.

    Slides 99–101.

    >>> w, b = softmax_regression(np.array([[-1.0], [1.0], [2.0]]), np.array([0, 1, 1]), 0.01)
    >>> (np.array([[-3.0], [3.0]]) @ w + b).argmax(axis=1)
    array([0, 1])
    """
    from scipy.optimize import minimize

    N, D = x.shape
    x = np.hstack([x, np.ones((N, 1))])  # (N, D + 1): the last weight is the bias
    target = np.eye(y.max() + 1)[y]  # (N, C)

    def loss_and_gradient(w):
        w = w.reshape(D + 1, -1)
        scores = x @ w
        scores -= scores.max(axis=1, keepdims=True)
        log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        loss = -(target * log_p).sum() / N + penalty * np.sum(w[:D] ** 2)  # Probe.2
        gradient = x.T @ (np.exp(log_p) - target) / N
        gradient[:D] += 2 * penalty * w[:D]  # Probe.3
        return loss, gradient.ravel()

    start = np.zeros((D + 1) * target.shape[1])
    w = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B").x.reshape(D + 1, -1)
    return w[:D], w[D]


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
        TypeError, ValueError: for arrays that do not fit.

    Slides 99–101.

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
            best, chosen, predictions = (
                accuracy,
                penalty,
                (z_test @ w + b).argmax(axis=1),
            )  # Probe.4
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


def transfer_matrix(cells, ways, seeds, progress=None):
    """Run every way to learn in every cell of a table, such as the one of slide 104.

    Args:
        cells: {name: function (seed) -> data}, such as few or many examples of similar data.
        ways: {name: function (data, seed) -> accuracy}, such as a probe or fine-tuning.
        seeds: what the runs of a way differ in; the same for all ways, so that they can be paired.
        progress: True or False shows or hides the progress bar; None shows it after three seconds.

    Returns:
        {cell: {way: (S,) accuracies}}.

    Raises:
        ValueError: where there is no cell, no way or no seed.

    Slides 102–104.

    >>> cells = {"few": lambda seed: 5, "many": lambda seed: 50}
    >>> ways = {"guess": lambda data, seed: 0.5, "learn": lambda data, seed: 1 - 1 / data}
    >>> transfer_matrix(cells, ways, [0, 1])["many"]["learn"]
    array([0.98, 0.98])
    """
    from tqdm.auto import tqdm

    for name, given in (("cells", cells), ("ways", ways), ("seeds", list(seeds))):
        at_least(1)(f"transfer_matrix: the number of {name}", len(given))
    delay = 0 if progress else 3
    table = {cell: {way: [] for way in ways} for cell in cells}
    plan = [(cell, seed) for cell in cells for seed in seeds]
    for cell, seed in tqdm(plan, "runs", disable=progress is False, delay=delay, leave=False):
        data = cells[cell](seed)
        for way, accuracy_of in ways.items():
            table[cell][way].append(accuracy_of(data, seed))
    return {cell: {w: np.array(a) for w, a in found.items()} for cell, found in table.items()}
