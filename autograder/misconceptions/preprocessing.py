"""Wrong and other right answers of the family `preprocessing`."""

import numpy as np

from autograder.misconceptions.records import (
    SLIP,
    another_default,
    fundamental,
    grouped,
    judged_by,
    right,
    wrong,
)

# ------------------------------------------------------------------ wrong: normalize

UNBIASED = (
    "Compute the variance of your result over all N examples: it is a little less than 1. By how "
    "many is the sum of squares divided in the formula, and what does your library do unasked?"
)
MEAN = "mean = x_train.mean(axis=0)"
VAR = "((x_train - mean) ** 2).mean(axis=0)"
OF_VAL = "(x_val - mean) / std"


def normalize_each_example(x_train, x_val, eps=1e-5):
    """Standardize every row by itself."""
    outs = []
    for x in (x_train, x_val):
        mean = x.mean(axis=1, keepdims=True)
        var = ((x - mean) ** 2).mean(axis=1, keepdims=True)
        outs.append((x - mean) / np.sqrt(var + eps))
    return tuple(outs)


def centre_each_example(x_train, x_val, eps=1e-5):
    """Subtract the mean of every row."""
    x_train = x_train - x_train.mean(axis=1, keepdims=True)
    x_val = x_val - x_val.mean(axis=1, keepdims=True)
    std = np.sqrt(((x_train - x_train.mean(axis=0)) ** 2).mean(axis=0) + eps)
    return x_train / std, x_val / std


def squeeze_into_unit_interval(x_train, x_val, eps=1e-5):
    """Bring the smallest value to 0 and the largest to 1."""
    low, high = np.amin(x_train, axis=0), np.amax(x_train, axis=0)
    return (x_train - low) / (high - low + eps), (x_val - low) / (high - low + eps)


WRONG_NORMALIZE = wrong(
    "normalize",
    (
        "the mean of training and validation data together",
        "Validation data should play the part of data that nobody has seen. What does your mean "
        "know about them?",
        grouped("statistics of training and validation data together"),
        ("x_train.mean(axis=0)", "np.concatenate([x_train, x_val]).mean(axis=0)"),
    ),
    (
        "a constant feature left as it is",
        "A feature that never changes needs no scale, and you leave it alone altogether. What "
        "about its mean?",
        SLIP,
        (
            "return (x_train - mean) / std, (x_val - mean) / std",
            "mean, std = (np.where(var > 0, s, alone) for s, alone in ((mean, 0), (std, 1)))\n"
            "    return (x_train - mean) / std, (x_val - mean) / std",
        ),
    ),
    (
        "validation data normalized by its own statistics",
        "A validation set of one example comes out as zeros, whatever it shows. From which data "
        "may a mean and a spread be learned, and which data are only looked at with them?",
        (
            OF_VAL,
            "(x_val - x_val.mean(axis=0)) / np.sqrt("
            "((x_val - x_val.mean(axis=0)) ** 2).mean(axis=0) + eps)",
        ),
    ),
    (
        "validation data centred by its own mean",
        "Add 5 to all validation data: the network should notice, and after your function it "
        "cannot. Whose mean do you subtract there?",
        (OF_VAL, "(x_val - x_val.mean(axis=0)) / std"),
    ),
    (
        "statistics of training and validation data together",
        "Change one validation example: your training data comes out differently. What did the "
        "training learn there that it may not know?",
        (MEAN, "x = np.concatenate([x_train, x_val])\n    mean = x.mean(axis=0)"),
        (VAR, "((x - mean) ** 2).mean(axis=0)"),
    ),
    (
        "validation data left as they are",
        "The network learns on the prepared data. What will it make of data that are not prepared?",
        (OF_VAL, "x_val"),
    ),
    (
        "validation data centred and not scaled",
        "A feature in millimetres and one in kilometres: after your function the training data are "
        "alike in size, and the validation data are not.",
        (OF_VAL, "x_val - mean"),
    ),
    (
        "mean of each example, shapes collide",
        "There should be one mean for each of the D features. "
        "How many did you get, and along which axis did you walk?",
        fundamental("the shapes collide, so every call stops"),
        (MEAN, "mean = x_train.mean(axis=1)"),
    ),
    (
        "statistics of each example",
        "Every row of your result has mean 0; every column should. That takes away how bright an "
        "image is, and leaves how a pixel usually looks. Along which axis are the examples?",
        normalize_each_example,
    ),
    (
        "mean of each example",
        "You subtract from each example its own mean, and then divide by the spread of a feature. "
        "Which mean belongs to a feature?",
        centre_each_example,
    ),
    (
        "one mean and variance for all features",
        "All features share one mean and one spread here. A feature that is always ten times as "
        "large as the others stays so. How many means are there for D features?",
        (MEAN, "mean = x_train.mean()"),
        (VAR, "((x_train - mean) ** 2).mean()"),
    ),
    (
        "not centred",
        "Add 100 to all data, training and validation: the result must stay the same.",
        (
            "return (x_train - mean) / std, (x_val - mean) / std",
            "return x_train / std, x_val / std",
        ),
    ),
    (
        "not scaled",
        "Multiply a feature by 1,000: in your result it is 1,000 times as large as before. "
        "What was it to be divided by?",
        (
            "return (x_train - mean) / std, (x_val - mean) / std",
            "return x_train - mean, x_val - mean",
        ),
    ),
    (
        "divided by the variance",
        "Double the data: the result must (nearly) stay the same, and yours becomes half as large. "
        "Is it the variance or its root that has the unit of x?",
        ("std = np.sqrt(var + eps)", "std = var + eps"),
    ),
    (
        "divided by the unbiased variance",
        "Double the data: the result must (nearly) stay the same, and yours becomes half as large. "
        "Is it the variance or its root that has the unit of x?",
        grouped("divided by the variance"),
        ("std = np.sqrt(var + eps)", "std = var * len(x_train) / (len(x_train) - 1) + eps"),
    ),
    (
        "no eps",
        "A feature that never changes in the training data has variance 0. What do you divide by "
        "then, and what is in the formula against it?",
        SLIP,
        ("np.sqrt(var + eps)", "np.sqrt(var)"),
    ),
    (
        "a spread of 0 replaced by 1",
        "You look for features with a spread of 0 and leave eps unused. The formula needs no such "
        "case: what does it do to a feature that never changes?",
        grouped("no eps"),
        ("np.sqrt(var + eps)", "np.sqrt(var)\n    std = np.where(std == 0, 1 + 0 * std, std)"),
    ),
    (
        "eps outside the root",
        "Read the formula once more: what exactly is eps added to? "
        "With an eps as small as usual nobody would notice; here eps is large.",
        SLIP,
        ("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
    ),
    another_default("eps", "eps=1e-5):", "eps=1e-3):"),
    (
        "eps hard-coded",
        "The caller may choose eps, and your result does not care.",
        SLIP,
        ("np.sqrt(var + eps)", "np.sqrt(var + 1e-5)"),
    ),
    (
        "unbiased variance",
        UNBIASED,
        judged_by("training data"),
        (VAR, "((x_train - mean) ** 2).sum(axis=0) / (len(x_train) - 1)"),
    ),
    (
        "the variance is a sum",
        "Your variance grows with the number of examples. Which symbol in its formula stops that?",
        (VAR, "((x_train - mean) ** 2).sum(axis=0)"),
    ),
    (
        "variance around zero",
        "Add 100 to every training example: the spread must stay the same, and yours does not. "
        "Around which point is it measured?",
        (VAR, "(x_train ** 2).mean(axis=0)"),
    ),
    (
        "one-pass variance",
        "Around 1,000 the squares are near 1,000,000, and float32 keeps about 7 digits. What is "
        "left of a spread of 1 when two such numbers are subtracted?",
        (VAR, "((x_train**2).mean(axis=0) - mean**2).clip(0)"),
    ),
    (
        "squeezed between 0 and 1",
        "Your smallest value becomes 0 and your largest 1, so one outlier decides about all the "
        "others. Which two statistics were asked for?",
        squeeze_into_unit_interval,
    ),
    (
        "outputs in the wrong order",
        "Look at the number of rows of what you return first. Which data does the caller expect "
        "there?",
        (
            "return (x_train - mean) / std, (x_val - mean) / std",
            "return (x_val - mean) / std, (x_train - mean) / std",
        ),
    ),
    (
        "the inputs are changed",
        "After the call the caller's training data are no longer what they were: a statement such "
        "as -= writes into them. Who else may still need them?",
        SLIP,
        (
            "return (x_train - mean) / std, (x_val - mean) / std",
            "x_train -= mean\n    x_train /= std\n    x_val -= mean\n    x_val /= std\n"
            "    return x_train, x_val",
        ),
    ),
    (
        "results forced to float32",
        "float64 comes in and float32 goes out: half of the digits are lost. "
        "Where do you name a type, or make an array that has one of its own?",
        SLIP,
        (
            "return (x_train - mean) / std, (x_val - mean) / std",
            "return ((x_train - mean) / std).astype(np.float32), "
            "((x_val - mean) / std).astype(np.float32)",
        ),
    ),
)

# ------------------------------------------------------------------ wrong: an input that separates

WRONG_SEPARATING = wrong(
    "separating_feature",
    (
        "a constant whose mean is exact",
        "Adding up your constant makes no rounding error: its sums have room in 24 bits, so the "
        "mean is exact and the guard sees a spread of 0. Which constants make sums round?",
        (
            "constants = np.linspace(0.1, 0.9, 9, dtype=np.float32)",
            "constants = np.float32([1, 2])",
        ),
    ),
    (
        "too few examples",
        "With two rows there is one addition, which only doubles the number. What makes an error "
        "of rounding in a sum likelier?",
        ("np.tile(constants, (1000, 1))", "np.tile(constants, (2, 1))"),
    ),
    (
        "float64",
        "The check asks for float32, the type in which networks are trained.",
        ("dtype=np.float32", "dtype=np.float64"),
    ),
    (
        "not a set of rows",
        "The data need two axes, (N, D), even with a single feature.",
        ("np.tile(constants, (1000, 1))", "constants"),
    ),
    (
        "a feature that varies",
        "The guard is there for features that never change. Yours does.",
        (
            "return np.tile(constants, (1000, 1))",
            "ramp = np.arange(1000, dtype=np.float32)[:, None]\n"
            "    return np.tile(constants, (1000, 1)) + ramp / 10",
        ),
    ),
    (
        "values too large",
        "The check allows numbers up to 1,000. Small ones round as well.",
        ("(1000, 1))", "(1000, 1)) * np.float32(1e4)"),
    ),
    (
        "a constant that defeats every normalize",
        "Rounding grows with the numbers. Here it is so large that your own function, with its "
        "default eps, shows it too. Which size is too small for eps to notice?",
        ("(1000, 1))", "(1000, 1)) * np.float32(999)"),
    ),
)

# ------------------------------------------------------------------ wrong: pca

PROJECTED = "return x_mu @ U_k, (x_val - mean) @ U_k"
COV = "cov = x_mu.T @ x_mu / len(x_train)"
LARGEST = "largest = np.argsort(-eigenvalues)[:k]"


def pca_of_each(x_train, x_val, k):
    """Find directions for training and for validation data separately."""
    outs = []
    for x in (x_train, x_val):
        x_mu = x - x.mean(axis=0)
        eigenvalues, U = np.linalg.eigh(x_mu.T @ x_mu / len(x))
        outs.append(x_mu @ U[:, np.argsort(-eigenvalues)[:k]])
    return tuple(outs)


def columns_of_singular_vectors(x_train, x_val, k):
    """Take the first columns of what holds the directions in rows."""
    mean = x_train.mean(axis=0)
    V = np.linalg.svd(x_train - mean, full_matrices=False)[2][:, :k]
    return (x_train - mean) @ V, (x_val - mean) @ V


WRONG_PCA = wrong(
    "pca",
    (
        "PCA on uncentred data",
        "Move all data far away from zero: your first direction now points at the mean. "
        "Which step comes before the covariance?",
        ("x_mu = x_train - mean", "x_mu = x_train"),
        ("(x_val - mean) @ U_k", "x_val @ U_k"),
    ),
    (
        "directions of uncentred data",
        "Your coordinates have mean 0, but the directions are found with data that do not. "
        "Which x stands in the covariance?",
        (COV, "cov = x_train.T @ x_train / len(x_train)"),
    ),
    (
        "training data projected without centring",
        "The first column of your result has the right spread. What is its mean?",
        ("return x_mu @ U_k", "return x_train @ U_k"),
    ),
    (
        "validation data not centred",
        "Training and validation data should land in one picture. From which point do you measure "
        "each of them?",
        ("(x_val - mean) @ U_k", "x_val @ U_k"),
    ),
    (
        "validation data centred by its own mean",
        "Add 5 to all validation data: the network should notice, and after your function it "
        "cannot. Whose mean do you subtract there?",
        ("(x_val - mean) @ U_k", "(x_val - x_val.mean(axis=0)) @ U_k"),
    ),
    (
        "validation data get directions of their own",
        "The first coordinate of a training example and that of a validation example should mean "
        "the same thing. From which data do the directions come?",
        pca_of_each,
    ),
    (
        "directions of smallest variance",
        "`eigh` returns eigenvalues in ascending order. At which end are the directions that you "
        "want?",
        (LARGEST, "largest = np.argsort(eigenvalues)[:k]"),
    ),
    (
        "largest variance last",
        "The right directions, in the reverse order. Which column of your result varies most?",
        (LARGEST, "largest = np.argsort(eigenvalues)[-k:]"),
    ),
    (
        "rows of U taken for eigenvectors",
        "Multiply the covariance by what you take for an eigenvector: does it only change its "
        "length? How does `eigh` arrange them?",
        ("U_k = U[:, largest]", "U_k = U[largest].T"),
    ),
    (
        "rows of U taken for eigenvectors, from the singular values",
        "Multiply the covariance by what you take for an eigenvector: does it only change its "
        "length? How does `svd` arrange them in its last result?",
        grouped("rows of U taken for eigenvectors"),
        columns_of_singular_vectors,
    ),
    (
        "k ignored",
        "The caller asks for k directions. How many columns do you return?",
        ("np.argsort(-eigenvalues)[:k]", "np.argsort(-eigenvalues)"),
    ),
    (
        "whitened as well",
        "Every column of your result has variance 1. In PCA the columns keep the variances that "
        "the data have along them.",
        (PROJECTED, "U_k = U_k / np.sqrt(eigenvalues[largest] + 1e-5)\n    " + PROJECTED),
    ),
    (
        "features scaled first",
        "These are the directions of data whose features were scaled to variance 1 before. "
        "Which matrix does the formula decompose?",
        (COV, "x_mu = x_mu / np.sqrt((x_mu**2).mean(axis=0) + 1e-5)\n    " + COV),
    ),
    (
        "projected and turned back",
        "Your result has D columns again: that is what the k directions can say about x, in the "
        "old axes. Which of the two multiplications is asked for?",
        (PROJECTED, "return x_mu @ U_k @ U_k.T, (x_val - mean) @ U_k @ U_k.T"),
    ),
    (
        "the first k features",
        "You return some of the features as they were. Which new axes does U hold?",
        (PROJECTED, "return x_mu[:, :k], (x_val - mean)[:, :k]"),
    ),
    (
        "the inputs are changed",
        "After the call the caller's training data are no longer what they were: a statement such "
        "as -= writes into them. Who else may still need them?",
        SLIP,
        ("x_mu = x_train - mean", "x_train -= mean\n    x_mu = x_train"),
    ),
    (
        "results forced to float32",
        "float64 comes in and float32 goes out: half of the digits are lost. "
        "Where do you name a type, or make an array that has one of its own?",
        SLIP,
        (
            PROJECTED,
            "return (x_mu @ U_k).astype(np.float32), ((x_val - mean) @ U_k).astype(np.float32)",
        ),
    ),
)

# ------------------------------------------------------------------ wrong: whiten

W = "W = U / std @ U.T"
ROOT = "np.sqrt(eigenvalues.clip(0) + eps)"


def whiten_each(x_train, x_val, eps=1e-5):
    """Whiten training and validation data, each by its own covariance."""
    outs = []
    for x in (x_train, x_val):
        x_mu = x - x.mean(axis=0)
        eigenvalues, U = np.linalg.eigh(x_mu.T @ x_mu / len(x))
        outs.append(x_mu @ (U / np.sqrt(eigenvalues.clip(0) + eps) @ U.T))
    return tuple(outs)


WRONG_WHITEN = wrong(
    "whiten",
    (
        "no square root of the eigenvalues",
        "Double x: white data must (nearly) stay the same, and yours become half as large. "
        "Is it the eigenvalue or its root that has the unit of x?",
        (ROOT, "eigenvalues.clip(0) + eps"),
    ),
    (
        "multiplied by the spread",
        "Your widest direction became wider still. Which way round makes all of them equal?",
        (W, "W = U * std @ U.T"),
    ),
    (
        "whitening of uncentred data",
        "Move all data far away from zero: your result must stay the same. "
        "Which step comes before the covariance?",
        ("x_mu = x_train - mean", "x_mu = x_train"),
        ("(x_val - mean) @ W", "x_val @ W"),
    ),
    (
        "covariance of uncentred data",
        "Your result has mean 0, but its covariance is not the identity. "
        "Which x stands in the covariance?",
        (COV, "cov = x_train.T @ x_train / len(x_train)"),
    ),
    (
        "validation data not centred",
        "Training and validation data should land in one picture. From which point do you measure "
        "each of them?",
        ("(x_val - mean) @ W", "x_val @ W"),
    ),
    (
        "validation data centred by its own mean",
        "Add 5 to all validation data: the network should notice, and after your function it "
        "cannot. Whose mean do you subtract there?",
        ("(x_val - mean) @ W", "(x_val - x_val.mean(axis=0)) @ W"),
    ),
    (
        "validation data whitened by their own covariance",
        "The same example should come out the same whether it is training or validation data. "
        "From which data does the covariance come?",
        whiten_each,
    ),
    (
        "unbiased covariance",
        UNBIASED,
        judged_by("training data"),
        (COV, "cov = x_mu.T @ x_mu / (len(x_train) - 1)"),
    ),
    (
        "the covariance is a sum",
        "With ten times as many examples your result becomes smaller. What turns a sum over "
        "examples into a covariance?",
        (COV, "cov = x_mu.T @ x_mu"),
    ),
    (
        "covariance divided by the number of features",
        "Over what does the covariance take a mean: over examples, or over features?",
        (COV, "cov = x_mu.T @ x_mu / x_train.shape[1]"),
    ),
    (
        "only scaled",
        "Every feature of your result has variance 1, and the features are still correlated. "
        "What do the eigenvectors do about that?",
        (W, "W = np.diag(1 / np.sqrt(np.diag(cov) + eps))"),
    ),
    (
        "only turned",
        "No correlation is left, and each direction has the spread that it had. What comes next?",
        (W, "W = U"),
    ),
    (
        "scaled before turning",
        "An eigenvalue belongs to an eigenvector, a column of U. Which axis of U do you divide?",
        (W, "W = (U / std[:, None]) @ U.T"),
    ),
    (
        "eps outside the root",
        "Read the formula once more: what exactly is eps added to? "
        "With an eps as small as usual nobody would notice; here eps is large.",
        SLIP,
        (ROOT, "(np.sqrt(eigenvalues.clip(0)) + eps)"),
    ),
    (
        "eps outside a root of numbers below 0",
        "Rounding may leave an eigenvalue a little below 0, and its root is no number. Read the "
        "formula once more: what exactly is eps added to?",
        SLIP,
        grouped("eps outside the root"),
        (ROOT, "(np.sqrt(eigenvalues) + eps)"),
    ),
    (
        "no eps",
        "With fewer examples than features there are directions in which the training data do not "
        "vary at all. What do you divide by there?",
        SLIP,
        (ROOT, "np.sqrt(eigenvalues)"),
    ),
    another_default("eps", "eps=1e-5):", "eps=1e-3):"),
    (
        "eps hard-coded",
        "The caller may choose eps, and your result does not care.",
        SLIP,
        (ROOT, "np.sqrt(eigenvalues.clip(0) + 1e-5)"),
    ),
    (
        "the inputs are changed",
        "After the call the caller's training data are no longer what they were: a statement such "
        "as -= writes into them. Who else may still need them?",
        SLIP,
        ("x_mu = x_train - mean", "x_train -= mean\n    x_mu = x_train"),
    ),
    (
        "results forced to float32",
        "float64 comes in and float32 goes out: half of the digits are lost. "
        "Where do you name a type, or make an array that has one of its own?",
        SLIP,
        (
            "return x_mu @ W, (x_val - mean) @ W",
            "return (x_mu @ W).astype(np.float32), ((x_val - mean) @ W).astype(np.float32)",
        ),
    ),
)

MISCONCEPTIONS = (*WRONG_NORMALIZE, *WRONG_SEPARATING, *WRONG_PCA, *WRONG_WHITEN)

# ------------------------------------------------------------------ right in other ways


def normalize_by_feature(x_train, x_val, eps=1e-5):
    """Treat one feature at a time."""
    train, val = x_train * 0, x_val * 0
    for j in range(x_train.shape[1]):
        column = x_train[:, j]
        mean = sum(column) / len(column)
        std = (sum((value - mean) ** 2 for value in column) / len(column) + eps) ** 0.5
        train[:, j] = (column - mean) / std
        val[:, j] = (x_val[:, j] - mean) / std
    return train, val


def normalize_everything_at_once(x_train, x_val, eps=1e-5):
    """Learn on a part of the rows, apply to all."""
    N = len(x_train)
    x = np.concatenate([x_train, x_val])
    x = x - x[:N].mean(axis=0)
    x = x / np.sqrt((x[:N] ** 2).mean(axis=0) + eps)
    return x[:N], x[N:]


def normalize_by_a_function(x_train, x_val, eps=1e-5):
    """Learn a function, then apply it twice."""
    N = len(x_train)
    mean = np.einsum("nd->d", x_train) / N
    centred = x_train - mean
    scale = 1 / np.sqrt(np.einsum("nd,nd->d", centred, centred) / N + eps)

    def prepared(x):
        return (x - mean) * scale

    return prepared(x_train), prepared(x_val)


def pca_by_svd(x_train, x_val, k):
    """Take the directions from a singular value decomposition of the data."""
    mean = x_train.mean(axis=0)
    _, _, directions = np.linalg.svd(x_train - mean, full_matrices=False)
    U_k = directions[:k].T
    return (x_train - mean) @ U_k, (x_val - mean) @ U_k


def pca_by_singular_values(x_train, x_val, k):
    """Use what the decomposition says about the coordinates themselves."""
    mean = x_train.mean(axis=0)
    left, singular, directions = np.linalg.svd(x_train - mean, full_matrices=False)
    return left[:, :k] * singular[:k], (x_val - mean) @ directions.T[:, :k]


def pca_one_direction_at_a_time(x_train, x_val, k):
    """Find the largest direction, take it out of the data, and look again."""
    mean = x_train.mean(axis=0)
    rest, z_train, z_val = x_train - mean, [], []
    for _ in range(k):
        _, U = np.linalg.eigh(rest.T @ rest)
        u = U[:, -1]
        z_train.append((x_train - mean) @ u)
        z_val.append((x_val - mean) @ u)
        rest = rest - (rest @ u)[:, None] * u
    return np.stack(z_train, axis=1), np.stack(z_val, axis=1)


def pca_with_the_other_signs(x_train, x_val, k):
    """Point every direction the other way."""
    mean = x_train.mean(axis=0)
    x_mu = x_train - mean
    _, U = np.linalg.eigh(np.einsum("ni,nj->ij", x_mu, x_mu))
    columns = [-U[:, -1 - j] for j in range(k)]
    U_k = np.stack(columns, axis=1)
    return x_mu @ U_k, (x_val - mean) @ U_k


def whiten_by_pca(x_train, x_val, eps=1e-5):
    """Stop before turning back: PCA whitening."""
    mean = x_train.mean(axis=0)
    x_mu = x_train - mean
    eigenvalues, U = np.linalg.eigh(x_mu.T @ x_mu / len(x_mu))
    scale = 1 / np.sqrt(eigenvalues.clip(0) + eps)
    return x_mu @ U * scale, (x_val - mean) @ U * scale


def whiten_by_cholesky(x_train, x_val, eps=1e-5):
    """Use the triangular root of the inverse covariance."""
    mean = x_train.mean(axis=0)
    x_mu = x_train - mean
    cov = x_mu.T @ x_mu / len(x_mu)
    root = np.linalg.cholesky(cov + eps * np.eye(len(cov), dtype=cov.dtype))
    return np.linalg.solve(root, x_mu.T).T, np.linalg.solve(root, (x_val - mean).T).T


def whiten_by_svd(x_train, x_val, eps=1e-5):
    """Take directions and spreads from the data, and turn back."""
    mean = x_train.mean(axis=0)
    x_mu = x_train - mean
    _, singular, Vt = np.linalg.svd(x_mu, full_matrices=True)
    eigenvalues = 0 * Vt[0]
    eigenvalues[: len(singular)] = singular**2 / len(x_mu)
    turn = Vt.T / np.sqrt(eigenvalues + eps) @ Vt
    return x_mu @ turn, (x_val - mean) @ turn


def constant_tenths():
    """One constant in many rows."""
    return np.full((5000, 3), [0.1, 0.7, 0.3], dtype=np.float32)


def constant_thirds():
    """Fractions that no binary number holds."""
    return np.ones((2001, 6), dtype=np.float32) * np.array(
        [1 / 3, 2 / 3, 1 / 7, 0.9, 0.55, 1.3], np.float32
    )


def constant_noise():
    """Random constants."""
    constants = np.random.default_rng(1).uniform(0.5, 1.5, 20)
    return np.repeat(constants.astype(np.float32)[None], 999, axis=0)


VARIANTS = (
    *right("normalize", "a feature at a time", normalize=normalize_by_feature),
    *right("normalize", "all rows at once", normalize=normalize_everything_at_once),
    *right("normalize", "a function applied twice", normalize=normalize_by_a_function),
    *right("separating_feature", "tenths", separating_feature=constant_tenths),
    *right("separating_feature", "thirds and sevenths", separating_feature=constant_thirds),
    *right("separating_feature", "random constants", separating_feature=constant_noise),
    *right("pca", "singular vectors of the data", pca=pca_by_svd),
    *right("pca", "singular vectors and values", pca=pca_by_singular_values),
    *right("pca", "one direction at a time", pca=pca_one_direction_at_a_time),
    *right("pca", "the other signs", pca=pca_with_the_other_signs),
    *right("whiten", "PCA whitening", whiten=whiten_by_pca),
    *right("whiten", "Cholesky factor", whiten=whiten_by_cholesky),
    *right("whiten", "singular value decomposition", whiten=whiten_by_svd),
)

SAME_LENGTH = "x_mu has as many rows as x_train"
SAME_PRODUCT = "the columns of x_mu sum to 0, so taking the mean from one factor is enough"

EQUIVALENT = {
    "preprocessing.separating_feature": {"...": "any input that separates is a right answer"},
    "preprocessing.pca": {
        "cov = x_mu.T @ x_mu": "a factor on the covariance turns no eigenvector",
        "cov = x_mu.T @ x_mu * len(x_train)": "a factor on the covariance turns no eigenvector",
        "cov = x_mu.T @ x_train / len(x_train)": SAME_PRODUCT,
        "cov = x_train.T @ x_mu / len(x_train)": SAME_PRODUCT,
        "cov = x_mu.T @ x_mu / len(x_mu)": SAME_LENGTH,
    },
    "preprocessing.whiten": {
        "cov = x_mu.T @ x_train / len(x_train)": SAME_PRODUCT,
        "cov = x_train.T @ x_mu / len(x_train)": SAME_PRODUCT,
        "cov = x_mu.T @ x_mu / len(x_mu)": SAME_LENGTH,
        "std = np.sqrt(eigenvalues + eps)": "below 0 there is only rounding, and eps is larger",
        "std = np.sqrt(eigenvalues.clip(-1) + eps)": "below 0 there is only rounding, as above",
        "W = U / std": "a rotation of white data is white: this is PCA whitening",
        "W = U / std @ U": "a rotation of white data is white",
    },
}
