"""Wrong and other right answers: decorrelated batch normalization, and swapped groups."""

import numpy as np

from autograder.misconceptions.normalization.equivalent import (
    CACHE,
    CENTRED_AGAIN,
    ROUNDING,
    SAME_SHAPE,
    SINGLE,
    WIDER,
)
from autograder.misconceptions.normalization.variants import WITH_AXIS
from autograder.misconceptions.records import another_default, judged_by, right, wrong
from cs231n_lib.normalization import by_group, side_by_side, zca_kernel

MU = "mu = x.mean(axis=0, dtype=float).astype(x.dtype)"
COV = "cov = groups.mT @ groups / N"
ROOT = "root = np.sqrt(lam.clip(0) + eps)"
ZCA = "zca = U / root[:, None, :] @ U.mT"
KEPT = "momentum * running_zca + (1 - momentum) * zca"

FORWARD = wrong(
    "decorrelated_batchnorm_forward",
    (
        "the covariance is divided by the number of features",
        "Repeat every example of a batch: its covariance must stay the same, and yours doubles. "
        "Over what does (DBN.2) average?",
        (COV, "cov = groups.mT @ groups / D"),
    ),
    (
        "the covariance is not divided",
        "Repeat every example of a batch: its covariance must stay the same, and yours doubles. "
        "Is it a sum or a mean?",
        (COV, "cov = groups.mT @ groups"),
    ),
    (
        "unbiased covariance",
        "The covariance of your output is a little less than 1 (more than eps explains). By what "
        "does (DBN.2) divide? Some functions choose for you: read their documentation.",
        judged_by("all features whitened together"),
        (COV, "cov = groups.mT @ groups / (N - 1)"),
    ),
    (
        "the covariance is not centred",
        "Add 100 to every x: the covariance must stay the same, and yours does not. Around which "
        "point is it measured?",
        (COV, "cov = by_group(x, K).mT @ by_group(x, K) / N"),
    ),
    (
        "one-pass covariance",
        "Around 10,000 the products are near 100,000,000, and float32 keeps about 7 digits. What "
        "should come first, the product or the subtraction of the mean?",
        (
            COV,
            "cov = by_group(x, K).mT @ by_group(x, K) / N\n"
            "        cov = cov - by_group(x.mean(axis=0)[None], K).mT"
            " @ by_group(x.mean(axis=0)[None], K)",
        ),
    ),
    (
        "the output of a training batch is not centred",
        "Add 100 to every x: the output must stay the same, and yours does not. Which x stands in "
        "(DBN.5)?",
        (ZCA, ZCA + "\n        groups = by_group(x, K)"),
    ),
    (
        "no square root of the eigenvalues",
        "Double x: x_hat must (nearly) stay the same, and yours becomes half as large. "
        "Is it an eigenvalue of the covariance or its root that has the unit of x?",
        (ROOT, "root = lam.clip(0) + eps"),
    ),
    (
        "PCA in place of ZCA",
        "Your output is white, but its first feature is a principal component, and not like the "
        "first feature of x. In a next batch it may be another component, or have the other sign. "
        "How do you get back to the axes of x?",
        (ZCA, "zca = U / root[:, None, :]"),
    ),
    (
        "Cholesky in place of ZCA",
        "Your output is white, but so is every rotation of it. Yours depends on the order of the "
        "features. Which of all whitening matrices is symmetric?",
        (
            ZCA,
            "zca = np.linalg.inv(np.linalg.cholesky(cov + eps * np.eye(K, dtype=x.dtype))).mT",
        ),
    ),
    (
        "rows of U taken for eigenvectors",
        "Multiply the covariance by what you take for an eigenvector: does it keep its direction? "
        "Where does eigh put the eigenvectors?",
        (ZCA, "zca = U.mT / root[:, None, :] @ U"),
    ),
    (
        "the root is taken element by element",
        "The whitening matrix times itself, times the covariance, should be (nearly) the identity. "
        "The root of a matrix is not the matrix of the roots. What are the eigenvalues for?",
        (ZCA, "zca = 1 / np.sqrt(cov + eps)"),
    ),
    (
        "the covariances are left out",
        "Each of your features has variance 1, and they are as correlated as before: that is "
        "batch norm. Which entries of the covariance did you use?",
        (COV, COV + " * np.eye(K, dtype=x.dtype)"),
    ),
    (
        "no eps",
        "With fewer examples than features the covariance has eigenvalues 0. "
        "What do you divide by then, and what is in (DBN.3) against it?",
        (ROOT, "root = np.sqrt(lam.clip(0))"),
    ),
    (
        "eps outside the root",
        "Read (DBN.3) once more: what exactly is eps added to?",
        (ROOT, "root = np.sqrt(lam.clip(0)) + eps"),
    ),
    another_default("eps", 'dbn_param.get("eps", 1e-5)', 'dbn_param.get("eps", 1e-3)'),
    another_default(
        "momentum", 'dbn_param.get("momentum", 0.9)', 'dbn_param.get("momentum", 0.99)'
    ),
    (
        "eps hard-coded",
        "The caller may choose eps, and your output does not care. "
        "Where does the function learn about it?",
        ('dbn_param.get("eps", 1e-5)', "1e-5"),
    ),
    (
        "momentum hard-coded",
        "The caller may choose momentum, and your running statistics do not care. "
        "Where does the function learn about it?",
        ('dbn_param.get("momentum", 0.9)', "0.9"),
    ),
    (
        "group_size ignored",
        "The caller asked for groups, and you whiten all features together. "
        "Where does the function learn how large a group is?",
        ('dbn_param.get("group_size", D)', "D"),
    ),
    (
        "group_size taken for the number of groups",
        "With group_size 3 and 6 features, how many groups are there, and how many features has "
        "each? Print the shape of your covariance.",
        ('K = dbn_param.get("group_size", D)', 'K = D // dbn_param.get("group_size", 1)'),
    ),
    (
        "groups mixed by the reshape",
        "Each of your groups should hold neighbouring columns of x. A reshape keeps the order in "
        "memory and does not move an axis: print a small example.",
        ("groups = by_group(x_mu, K)", "groups = x_mu.reshape(-1, N, K)"),
    ),
    (
        "running statistics not stored",
        "The running statistics change inside the function only. "
        "Where will the next call look for them?",
        ('dbn_param["running_mean"] = momentum', "running_mean = momentum"),
        ('dbn_param["running_zca"] = momentum', "running_zca = momentum"),
    ),
    (
        "running statistics of the last batch only",
        "After three batches your running statistics know nothing of the first two. "
        "What is momentum for?",
        ("momentum * running_mean + (1 - momentum) * mu", "mu"),
        (KEPT, "zca"),
    ),
    (
        "running statistics add up",
        "Feed the same batch many times: your running mean grows without end, and should settle. "
        "How much of the old value is kept?",
        ("momentum * running_mean +", "running_mean +"),
        ("momentum * running_zca +", "running_zca +"),
    ),
    (
        "momentum the other way round",
        "There are two conventions: momentum as the fraction of the old value, and PyTorch's, as "
        "that of the new one. Which one does the description of dbn_param name?",
        (
            "momentum * running_mean + (1 - momentum) * mu",
            "(1 - momentum) * running_mean + momentum * mu",
        ),
        (KEPT, "(1 - momentum) * running_zca + momentum * zca"),
    ),
    (
        "the inverse of the whitening matrix is averaged",
        "In test mode you multiply by what was averaged in training. Did you average the matrix "
        "that whitens, or the one that undoes it?",
        (KEPT, "momentum * running_zca + (1 - momentum) * (U * root[:, None, :] @ U.mT)"),
    ),
    (
        "test mode whitens with the batch",
        "In test mode one example must give the same output whoever else is in the batch. Which "
        "whitening matrix does not depend on the batch?",
        (
            "zca, U, root = running_zca, None, None",
            "lam, U = np.linalg.eigh(groups.mT @ groups / N)\n"
            "        root = np.sqrt(lam.clip(0) + eps)\n"
            "        zca = U / root[:, None, :] @ U.mT",
        ),
    ),
    (
        "test mode centres with the batch",
        "In test mode one example must give the same output whoever else is in the batch. Which "
        "mean does not depend on the batch?",
        ("groups = by_group(x - running_mean, K)", "groups = by_group(x - x.mean(axis=0), K)"),
    ),
    (
        "test mode does not centre",
        "Feed in the running mean itself in test mode: every output should be beta.",
        ("groups = by_group(x - running_mean, K)", "groups = by_group(x, K)"),
    ),
    (
        "the running mean moves in test mode",
        "Ask twice in test mode about the same input: your second answer differs from the first. "
        "In which mode do the statistics learn?",
        (
            "groups = by_group(x - running_mean, K)",
            "groups = by_group(x - running_mean, K)\n"
            '        dbn_param["running_mean"] = momentum * running_mean + (1 - momentum) * '
            "x.mean(axis=0)",
        ),
    ),
    (
        "test mode forgets gamma and beta",
        "In test mode your output has mean about 0 and spread about 1, whatever was learned. "
        "Which of the steps (DBN.1) to (DBN.6) do both modes share?",
        ("out = gamma * x_hat + beta", 'out = gamma * x_hat + beta if mode == "train" else x_hat'),
    ),
    (
        "gamma and beta never used",
        "Your output is x_hat itself, in every mode. What can the network learn in this layer?",
        ("out = gamma * x_hat + beta", "out = x_hat"),
    ),
    (
        "gamma and beta swapped",
        "With beta = 0 your output is the same number for every example. "
        "Which of the two scales, and which one shifts?",
        ("out = gamma * x_hat + beta", "out = beta * x_hat + gamma"),
    ),
    (
        "scaled before the whitening",
        "What the network learns in gamma is whitened away again. In which order do (DBN.5) and "
        "(DBN.6) come?",
        (
            "side_by_side(groups @ zca)",
            "side_by_side(by_group(side_by_side(groups) * gamma, K) @ zca)",
        ),
        ("out = gamma * x_hat + beta", "out = x_hat + beta"),
    ),
    (
        "an unknown mode counts as test mode",
        "A typing error such as 'tset' now passes silently as test mode. "
        "What does the description say under Raises?",
        ('elif mode == "test":', "else:"),
        (
            "    else:\n"
            "        raise ValueError("
            "f\"dbn_param['mode'] must be 'train' or 'test', not {mode!r}\")\n",
            "",
        ),
    ),
    (
        "x is changed",
        "After the call the caller's x is no longer what it was: a statement such as -= writes "
        "into it. Make a new array for the centred values.",
        ("x_mu = x - mu", "x -= mu\n        x_mu = x"),
    ),
)

TURNED = "turned = U.mT @ (dzca + dzca.mT) @ U / 2"
DCOV = "dcov = U @ (zca_kernel(root) * turned) @ U.mT"
DX_MU = "dx_hat @ zca + 2 / N * groups @ dcov"

BACKWARD = wrong(
    "decorrelated_batchnorm_backward",
    (
        "the whitening matrix treated as a constant",
        "Your gradient goes back through x alone. The whitening matrix was made from the batch: "
        "which inputs does it depend on?",
        (DX_MU, "dx_hat @ zca"),
    ),
    (
        "the mean treated as a constant",
        "Add the same number to a column of x: the output stays. What does that say about the sum "
        "of a column of dx?",
        ("dx = dx_mu - dx_mu.mean(axis=0)", "dx = dx_mu"),
    ),
    (
        "the mean subtracted as a sum",
        "The mean of N numbers goes back to each of them. In which share?",
        ("dx = dx_mu - dx_mu.mean(axis=0)", "dx = dx_mu - dx_mu.sum(axis=0)"),
    ),
    (
        "the direct path left out",
        "x meets the whitening matrix in a product. Your gradient has what goes back through one "
        "factor of it, and not what goes back through the other.",
        (DX_MU, "2 / N * groups @ dcov"),
    ),
    (
        "not made symmetric",
        "The covariance is symmetric, so its gradient has to be. Yours is not. What in (DBN.13) "
        "sees to that?",
        (TURNED, "turned = U.mT @ dzca @ U"),
    ),
    (
        "the half forgotten",
        "A symmetric part is half of a sum. Which factor is missing where you add the transpose?",
        (TURNED, "turned = U.mT @ (dzca + dzca.mT) @ U"),
    ),
    (
        "the factor 2 forgotten",
        "x occurs twice in the covariance. How often does its gradient come back to x?",
        ("2 / N * groups", "1 / N * groups"),
    ),
    (
        "the division by N forgotten",
        "The covariance is a mean over the examples. What part of its gradient gets each of them?",
        ("2 / N * groups", "2 * groups"),
    ),
    (
        "the sign of the kernel lost",
        "A larger covariance makes a smaller whitening matrix. Which sign has the kernel, and "
        "which has what you add?",
        ("2 / N * groups @ dcov", "2 / N * groups @ -dcov"),
    ),
    (
        "the kernel used in the axes of x",
        "The kernel belongs to pairs of eigenvalues. In which axes do entry (i, j) and pair (i, j) "
        "speak of the same thing?",
        (DCOV, "dcov = zca_kernel(root) * (dzca + dzca.mT) / 2"),
    ),
    (
        "turned the wrong way",
        "U takes coordinates along the eigenvectors back to the axes of x. You need the other way "
        "first, and this way afterwards.",
        (TURNED, "turned = U @ (dzca + dzca.mT) @ U.mT / 2"),
        (DCOV, "dcov = U.mT @ (zca_kernel(root) * turned) @ U"),
    ),
    (
        "not turned back",
        "Your gradient of the covariance is still in the axes of the eigenvectors.",
        (DCOV, "dcov = zca_kernel(root) * turned"),
    ),
    (
        "a matrix product with the kernel",
        "The circle in (DBN.13) is no matrix product. What does it stand for?",
        ("zca_kernel(root) * turned", "zca_kernel(root) @ turned"),
    ),
    (
        "only the diagonal of the kernel",
        "You let each eigenvalue change by itself, and the eigenvectors stay. They move as well. "
        "Which entries of the kernel are about that?",
        (
            "zca_kernel(root) * turned",
            "zca_kernel(root) * np.eye(K, dtype=root.dtype) * turned",
        ),
    ),
    (
        "divided by differences of eigenvalues",
        "Where two eigenvalues are equal you divide by zero, though nothing special happens to the "
        "output. The kernel that you were given is the same thing without that division.",
        (
            DCOV,
            "inverse, lam = 1 / root, root**2\n"
            "    difference = lam[:, :, None] - lam[:, None, :]\n"
            "    quotient = (inverse[:, :, None] - inverse[:, None, :]) / difference\n"
            "    for i in range(K):\n"
            "        quotient[:, i, i] = -0.5 / root[:, i] ** 3\n"
            "    dcov = U @ (quotient * turned) @ U.mT",
        ),
    ),
    (
        "gamma forgotten",
        "gamma stands between x_hat and the output. What does it do to a gradient that comes back?",
        ("dx_hat = by_group(dout * gamma, K)", "dx_hat = by_group(dout, K)"),
    ),
    (
        "groups mixed by the reshape",
        "Each group should hold neighbouring columns. A reshape keeps the order in memory and does "
        "not move an axis.",
        ("dx_hat = by_group(dout * gamma, K)", "dx_hat = (dout * gamma).reshape(-1, N, K)"),
    ),
    (
        "dgamma without x_hat",
        "What was gamma multiplied by in the forward pass?",
        ("dgamma = (dout * x_hat).sum(axis=0)", "dgamma = dout.sum(axis=0)"),
    ),
    (
        "dgamma from the input",
        "What was gamma multiplied by in the forward pass: the centred input, or something later?",
        (
            "dgamma = (dout * x_hat).sum(axis=0)",
            "dgamma = (dout * side_by_side(groups)).sum(axis=0)",
        ),
    ),
    (
        "means in place of sums",
        "beta and gamma are used in every row. Does a gradient that comes back from all rows get "
        "added up, or averaged?",
        ("dbeta = dout.sum(axis=0)", "dbeta = dout.mean(axis=0)"),
        ("dgamma = (dout * x_hat).sum(axis=0)", "dgamma = (dout * x_hat).mean(axis=0)"),
    ),
    (
        "sum without its axis",
        "beta has D numbers. How many has your gradient, and along which axis were they added up?",
        ("dbeta = dout.sum(axis=0)", "dbeta = dout.sum()"),
    ),
    (
        "dout is changed",
        "After the call the caller's dout is no longer what it was. Make a new array.",
        (
            "dx_hat = by_group(dout * gamma, K)",
            "dout *= gamma\n    dx_hat = by_group(dout, K)",
        ),
    ),
)

SEPARATING_GROUPS = wrong(
    "separating_groups",
    (
        "four channels",
        "Write down which channels share a mean, once for each of the two. The locked function was "
        "tried on four channels by its author.",
        ("np.arange(6.0).reshape(1, 6, 1, 1)", "np.arange(4.0).reshape(1, 4, 1, 1)"),
    ),
    (
        "channels that are alike",
        "The groups differ now, but every group has the same mean and variance. "
        "What must differ between the channels for a group to matter?",
        ("np.tile(levels, (1, 1, 2, 3))", "0 * levels + np.arange(6.0).reshape(2, 3)"),
    ),
    (
        "an odd number of channels",
        "G is 2, and the channels have to form two groups of equal size.",
        ("np.arange(6.0).reshape(1, 6, 1, 1)", "np.arange(5.0).reshape(1, 5, 1, 1)"),
    ),
    (
        "rows in place of images",
        "x needs four axes, (N, C, H, W), even with a single pixel.",
        ("np.tile(levels, (1, 1, 2, 3))", "np.tile(levels, (1, 1, 2, 3)).reshape(1, -1)"),
    ),
)

MISCONCEPTIONS = (*FORWARD, *BACKWARD, *SEPARATING_GROUPS)

# ------------------------------------------------------------------ right answers

COVARIANCE_AVERAGED = (
    "You average the covariance and take the inverse root in test mode; the paper averages the "
    "inverse roots. Both are in use, and they agree once the statistics are steady."
)


def forward_by_svd(x, gamma, beta, dbn_param):
    """Whiten one group after the other by a singular value decomposition of the batch."""
    D = x.shape[1]
    eps, keep = dbn_param.get("eps", 1e-5), dbn_param.get("momentum", 0.9)
    K = dbn_param.get("group_size", D)
    if dbn_param["mode"] == "test":
        mean, matrices = dbn_param["running_mean"], dbn_param["running_zca"]
    elif dbn_param["mode"] == "train":
        mean, matrices = x.mean(axis=0), []
        for start in range(0, D, K):
            part = (x - mean)[:, start : start + K]
            _, s, Vt = np.linalg.svd(part.T @ part / len(x))
            matrices.append(Vt.T @ np.diag((s + eps) ** -0.5) @ Vt)
        matrices = np.stack(matrices)
        for key, value in (("running_mean", mean), ("running_zca", matrices)):
            dbn_param[key] = keep * dbn_param.get(key, 0) + (1 - keep) * value
    else:
        raise ValueError("mode")
    parts = [(x - mean)[:, K * g : K * (g + 1)] @ m for g, m in enumerate(matrices)]
    return gamma * np.concatenate(parts, axis=1) + beta, None


def forward_by_einsum(x, gamma, beta, dbn_param):
    """Add eps to the covariance itself, and let einsum keep the axes apart."""
    mode = dbn_param["mode"]
    if mode not in ("train", "test"):
        raise ValueError(f"Invalid forward mode {mode}")
    eps = dbn_param.get("eps", 1e-5)
    momentum = dbn_param.get("momentum", 0.9)
    N, D = x.shape
    K = dbn_param.get("group_size", D)
    mean = x.mean(axis=0) if mode == "train" else dbn_param["running_mean"]
    centred = (x - mean).reshape(N, D // K, K)
    if mode == "train":
        cov = np.einsum("ngi,ngj->gij", centred, centred) / N + eps * np.eye(K, dtype=x.dtype)
        values, vectors = np.linalg.eigh(cov)
        matrix = np.einsum("gik,gk,gjk->gij", vectors, values**-0.5, vectors)
        kept = dbn_param.get("running_mean", np.zeros_like(beta))
        dbn_param["running_mean"] = momentum * kept + (1 - momentum) * mean
        kept = dbn_param.get("running_zca", np.zeros_like(matrix))
        dbn_param["running_zca"] = momentum * kept + (1 - momentum) * matrix
    else:
        matrix = dbn_param["running_zca"]
    return np.einsum("ngi,gij->ngj", centred, matrix).reshape(N, D) * gamma + beta, None


def forward_under_one_key(x, gamma, beta, dbn_param):
    """Keep both running statistics under a key of one's own."""
    mode, eps = dbn_param["mode"], dbn_param.get("eps", 1e-5)
    if mode not in ("train", "test"):
        raise ValueError("mode")
    momentum, D = dbn_param.get("momentum", 0.9), x.shape[1]
    K = dbn_param.get("group_size", D)
    old = dbn_param.get("running", (np.zeros_like(gamma), 0))
    if mode == "test":
        mean, matrix = old
        return gamma * side_by_side(by_group(x - mean, K) @ matrix) + beta, None
    mean = x.mean(axis=0)
    groups = by_group(x - mean, K)
    cov = groups.mT @ groups / len(x) + eps * np.eye(K, dtype=x.dtype)
    values, vectors = np.linalg.eigh(cov)
    matrix = (vectors * values[:, None, :] ** -0.5) @ vectors.mT
    dbn_param["running"] = (
        momentum * old[0] + (1 - momentum) * mean,
        momentum * old[1] + (1 - momentum) * matrix,
    )
    return gamma * side_by_side(groups @ matrix) + beta, None


def backward_by_groups(dout, cache):
    """Walk back group by group, with the symmetric part taken in the eigenvectors' axes."""
    groups, x_hat, gamma, zca, U, root = cache
    N, K = len(dout), root.shape[1]
    dx = np.zeros_like(dout)
    for g in range(len(groups)):
        columns = slice(g * K, (g + 1) * K)
        dx_hat = dout[:, columns] * gamma[columns]
        inside = U[g].T @ (groups[g].T @ dx_hat) @ U[g]
        r = root[g]
        kernel = -1 / (np.outer(r, r) * (r[:, None] + r[None, :]))
        dcov = U[g] @ ((inside + inside.T) * kernel) @ U[g].T
        dx[:, columns] = dx_hat @ zca[g] + groups[g] @ dcov / N
    dx -= dx.mean(axis=0)
    return dx, np.einsum("nd,nd->d", dout, x_hat), dout.sum(axis=0)


def backward_by_equations(dout, cache):
    """Solve R·dΣ + dΣ·R = −S·dS·S for dΣ, where R is the root of the covariance."""
    groups, x_hat, gamma, zca, U, root = cache
    N, K = len(dout), root.shape[1]
    one = np.eye(K, dtype=dout.dtype)
    parts = []
    for X, S, u, r, dX in zip(groups, zca, U, root, by_group(dout * gamma, K), strict=True):
        R = (u * r) @ u.T
        dS = X.T @ dX
        right_side = -(S @ ((dS + dS.T) / 2) @ S).reshape(-1)
        dcov = np.linalg.solve(np.kron(R, one) + np.kron(one, R), right_side).reshape(K, K)
        dX = dX @ S + 2 * X @ dcov / N
        parts.append(dX - dX.mean(axis=0))
    return np.concatenate(parts, axis=1), (dout * x_hat).sum(axis=0), dout.sum(axis=0)


def backward_centred_first(dout, cache):
    """Centre what comes back before it meets the covariance: the rest is centred anyway."""
    groups, x_hat, gamma, zca, U, root = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx_hat = by_group((dout - dbeta / len(dout)) * gamma, root.shape[1])
    inside = U.mT @ (groups.mT @ dx_hat) @ U
    inside = zca_kernel(root) * (inside + inside.mT) / len(dout)
    return side_by_side(dx_hat @ zca + groups @ U @ inside @ U.mT), dgamma, dbeta


def groups_by_noise():
    """Six channels of noise around different means."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 6, 3, 4)) + rng.permutation(6).reshape(1, 6, 1, 1) * 3


def groups_of_two_channels():
    """Two channels: one group for each, or both in one."""
    x = np.zeros((1, 2, 1, 2))
    x[0, 1] = [5.0, 7.0]
    return x


def groups_in_float32():
    """Eight channels, one of which stands out."""
    x = np.ones((1, 8, 2, 2), dtype=np.float32)
    x[:, 3] = 100
    return x


RUNNING_COV = 'dbn_param["running_zca"] = momentum * running_zca + (1 - momentum) * '
FROM_RUNNING_COV = (
    "lam, U = np.linalg.eigh(running_zca)\n"
    "        root = np.sqrt(lam + eps)\n"
    "        zca = U / root[:, None, :] @ U.mT"
)

VARIANTS = (
    *right(
        "decorrelated_batchnorm_forward",
        "singular values, group by group",
        decorrelated_batchnorm_forward=forward_by_svd,
    ),
    *right(
        "decorrelated_batchnorm_forward",
        "eps added to the covariance",
        decorrelated_batchnorm_forward=forward_by_einsum,
    ),
    *right(
        "decorrelated_batchnorm_forward",
        "statistics under a key of one's own",
        decorrelated_batchnorm_forward=forward_under_one_key,
    ),
    *right(
        "decorrelated_batchnorm_forward",
        "the running covariance",
        (f"{RUNNING_COV}zca", f"{RUNNING_COV}cov"),
        ("zca, U, root = running_zca, None, None", FROM_RUNNING_COV),
        remark=COVARIANCE_AVERAGED,
    ),
    *right(
        "decorrelated_batchnorm_forward",
        "the running covariance with eps in it",
        (f"{RUNNING_COV}zca", f"{RUNNING_COV}(cov + eps * np.eye(K, dtype=x.dtype))"),
        ("zca, U, root = running_zca, None, None", FROM_RUNNING_COV.replace("lam + eps", "lam")),
        remark=COVARIANCE_AVERAGED,
    ),
    *right(
        "decorrelated_batchnorm_backward",
        "group by group",
        decorrelated_batchnorm_backward=backward_by_groups,
    ),
    *right(
        "decorrelated_batchnorm_backward",
        "linear equations",
        decorrelated_batchnorm_backward=backward_by_equations,
    ),
    *right(
        "decorrelated_batchnorm_backward",
        "centred first",
        decorrelated_batchnorm_backward=backward_centred_first,
    ),
    *right(
        "decorrelated_batchnorm_backward",
        "gradients with an axis more",
        ("dbeta = dout.sum(axis=0)", "dbeta = dout.sum(axis=0, keepdims=True)"),
        ("(dout * x_hat).sum(axis=0)", "(dout * x_hat).sum(axis=0, keepdims=True)"),
        remark=WITH_AXIS,
    ),
    *right("separating_groups", "six noisy channels", separating_groups=groups_by_noise),
    *right("separating_groups", "two channels", separating_groups=groups_of_two_channels),
    *right("separating_groups", "one channel in eight", separating_groups=groups_in_float32),
)

BELOW_ZERO = "no eigenvalue is below zero but by rounding, which eps covers here"
EQUIVALENT = {
    "normalization.separating_groups": {"...": "any input that separates is a right answer"},
    "normalization.decorrelated_batchnorm_backward": {"N, K = (len(x_hat), ...": SAME_SHAPE},
    "normalization.decorrelated_batchnorm_forward": {
        "mode = dbn_param.get('mode', 'train_')": "the description asks for a mode: no check "
        "leaves it out",
        "running_mean = dbn_param.get('running_mean', np.zeros_like(beta))": SAME_SHAPE,
        "running_zca = dbn_param.get('running_zca', ...": "zeros are broadcast to the right shape",
        "return (out, (...": CACHE,
        "zca, root, U = (running_zca, None, None)": CACHE,
        "mu = x.mean(axis=0).astype(x.dtype)": SINGLE,
        "mu = x.mean(axis=0, dtype=float)": WIDER,
        "x_mu = x + mu": CENTRED_AGAIN,
        "x_mu = x - beta": CENTRED_AGAIN,
        "x_mu = x - gamma": CENTRED_AGAIN,
        "x_mu = x - running_mean": CENTRED_AGAIN,
        "x_mu += x_mu.mean(axis=0)": ROUNDING,
        "x_mu -= x_mu.sum(axis=0)": ROUNDING,
        "x_mu -= x_mu.mean()": ROUNDING,
        "left out: x_mu -= x_mu.mean(axis=0)": ROUNDING,
        "root = np.sqrt(lam + eps)": BELOW_ZERO,
        "root = np.sqrt(lam.clip(-1) + eps)": BELOW_ZERO,
    },
}
