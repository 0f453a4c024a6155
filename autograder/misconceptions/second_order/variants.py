"""Right answers of the family `second_order` in other ways.

Written in NumPy's words, which are translated for PyTorch.
"""

import numpy as np

from autograder.misconceptions.records import right

# ------------------------------------------------------------------ models and steps


def model_point_by_point(w, w0, loss, dw, H):
    """Predict one point at a time, with a loop over pairs of parameters."""
    first, second = np.empty_like(w[:, 0]), np.empty_like(w[:, 0])
    for n in range(len(w)):
        d = w[n] - w0
        first[n] = loss + np.dot(dw, d)
        curvature = sum(H[i, j] * d[i] * d[j] for i in range(len(d)) for j in range(len(d)))
        second[n] = first[n] + curvature / 2
    return first, second


def model_from_the_gradient_between(w, w0, loss, dw, H):
    """Use that the mean slope on the way is the slope half-way."""
    d = w - w0
    half_way = dw + d @ H / 2
    return loss + (d * dw).sum(axis=1), loss + (d * half_way).sum(axis=1)


def newton_by_eigenvectors(w, dw, H, damping=0.0):
    """Take the step along each eigenvector by itself."""
    next_w = w.copy()
    h, Q = np.linalg.eigh(H)
    for i in range(len(h)):
        next_w = next_w - Q[:, i] * (Q[:, i] @ dw) / (h[i] + damping)
    return next_w


def saddle_free_by_root(w, dw, H, damping=0.0):
    """Build |H| as a matrix, and solve."""
    h, Q = np.linalg.eigh(H)
    positive = Q @ np.diag(np.sqrt(h * h)) @ Q.T
    eye = np.eye(len(w), dtype=w.dtype)
    return w - np.linalg.solve(positive + damping * eye, dw)


def saddle_free_by_loop(w, dw, H, damping=0.0):
    """Take the step along each eigenvector by itself."""
    h, Q = np.linalg.eigh(H)
    step = np.zeros_like(w)
    for i in range(len(h)):
        length = h[i] if h[i] > 0 else -h[i]
        step = step + Q[:, i] * (Q[:, i] @ dw) / (length + damping)
    return w - step


MODEL = (
    *right("taylor_model", "point by point", taylor_model=model_point_by_point),
    *right("taylor_model", "the slope half-way", taylor_model=model_from_the_gradient_between),
    *right(
        "taylor_model",
        "einsum",
        ("((d @ H) * d).sum(axis=1)", 'np.einsum("ni,ij,nj->n", d, H, d)'),
    ),
)
NEWTON = (
    *right("newton_step", "along eigenvectors", newton_step=newton_by_eigenvectors),
    *right(
        "newton_step",
        "the inverse",
        ("np.linalg.solve(H_damped, dw)", "np.linalg.inv(H_damped) @ dw"),
    ),
    *right(
        "newton_step",
        "the pseudo-inverse",
        ("np.linalg.solve(H_damped, dw)", "np.linalg.pinv(H_damped) @ dw"),
    ),
    *right(
        "newton_step",
        "solved as a matrix with one column",
        ("np.linalg.solve(H_damped, dw)", "np.linalg.solve(H_damped, dw[:, None])[:, 0]"),
    ),
)
SADDLE_FREE = (
    *right("saddle_free_step", "|H| as a matrix", saddle_free_step=saddle_free_by_root),
    *right("saddle_free_step", "one eigenvector at a time", saddle_free_step=saddle_free_by_loop),
    *right(
        "saddle_free_step",
        "a diagonal matrix",
        (
            "Q @ ((Q.T @ dw) / (abs(h) + damping))",
            "Q @ np.diag(1 / (abs(h) + damping)) @ Q.T @ dw",
        ),
    ),
)

# ------------------------------------------------------------------ quasi-Newton


def update_by_products(M, s, y):
    """Form the factors of (BFGS.2) as matrices, and refuse what is not clearly positive."""
    curvature = np.dot(y, s)
    if not curvature > 1e-12 * np.dot(s, s):
        return M
    left = np.eye(len(s), dtype=s.dtype) - np.outer(s, y) / curvature
    return left @ M @ left.T + np.outer(s, s) / curvature


def update_in_columns(M, s, y):
    """Work with columns (D, 1), as on paper."""
    s, y = s[:, None], y[:, None]
    curvature = (s.T @ y)[0, 0]
    if curvature <= 0:
        return M.copy()
    first = (curvature + y.T @ M @ y) * (s @ s.T) / curvature**2
    return M + first - (M @ y @ s.T + s @ y.T @ M) / curvature


def update_by_inverting(M, s, y):
    """Correct the Hessian itself, and invert it."""
    if y @ s <= 0:
        return M.copy()
    B = np.linalg.inv(M)
    Bs = B @ s
    return np.linalg.inv(B + np.outer(y, y) / (y @ s) - np.outer(Bs, Bs) / (s @ Bs))


def direction_by_matrix(dw, S, Y):
    """Build the matrix pair by pair, and multiply."""
    if len(S) == 0:
        return -dw
    eye = np.eye(len(dw), dtype=dw.dtype)
    M = (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1]) * eye
    for k in range(len(S)):
        rho = 1 / (Y[k] @ S[k])
        right_side = eye - rho * np.outer(Y[k], S[k])
        M = right_side.T @ M @ right_side + rho * np.outer(S[k], S[k])
    return -(M @ dw)


def direction_by_recursion(dw, S, Y):
    """Go in and come out again by recursion."""

    def product(q, k):
        if k == 0:
            return q if len(S) == 0 else q * (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])
        s, y = S[k - 1], Y[k - 1]
        alpha = s @ q / (s @ y)
        r = product(q - alpha * y, k - 1)
        return r + s * (alpha - y @ r / (s @ y))

    return -product(dw, len(S))


def direction_in_compact_form(dw, S, Y):
    """Use the compact representation of Byrd, Nocedal and Schnabel (1994)."""
    if len(S) == 0:
        return -dw
    gamma = (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])
    R = np.triu(S @ Y.T)
    v = np.linalg.solve(R, S @ dw)
    inner = np.diag(np.diag(R)) + gamma * Y @ Y.T
    u = np.linalg.solve(R.T, inner @ v - gamma * (Y @ dw))
    return -(gamma * dw + S.T @ u - gamma * (Y.T @ v))


def direction_with_arrays(dw, S, Y):
    """Keep rho and alpha in lists by number, and the gradient as it is."""
    m = len(S)
    rho = [1 / (S[i] @ Y[i]) for i in range(m)]
    alpha = [0.0] * m
    q = dw
    for i in range(m - 1, -1, -1):
        alpha[i] = rho[i] * (S[i] @ q)
        q = q - alpha[i] * Y[i]
    r = q if m == 0 else q / (rho[-1] * (Y[-1] @ Y[-1]))
    for i in range(m):
        r = r + S[i] * (alpha[i] - rho[i] * (Y[i] @ r))
    return -r


UPDATE = (
    *right("bfgs_update", "products of matrices", bfgs_update=update_by_products),
    *right("bfgs_update", "columns", bfgs_update=update_in_columns),
    *right("bfgs_update", "by way of the Hessian", bfgs_update=update_by_inverting),
)
DIRECTION = (
    *right("lbfgs_direction", "the matrix itself", lbfgs_direction=direction_by_matrix),
    *right("lbfgs_direction", "recursion", lbfgs_direction=direction_by_recursion),
    *right("lbfgs_direction", "the compact form", lbfgs_direction=direction_in_compact_form),
    *right("lbfgs_direction", "numbered lists", lbfgs_direction=direction_with_arrays),
)
MISLEADING = (
    *right("misleading_pair", "straight back", ("[-1.0, 0.5]", "[-3.0, 0.0]")),
    *right("misleading_pair", "the gradient along the step", ("[0.0, 1.0]", "[1.0, 0.0]")),
    *right("misleading_pair", "another slope", ("[0.0, 1.0]", "[40.0, -7.0]")),
)

# ------------------------------------------------------------------ K-FAC


def gradients_one_by_one(scores, y, u):
    """Treat one example at a time."""
    g, g_drawn = np.zeros_like(scores), np.zeros_like(scores)
    for n in range(len(scores)):
        weights = np.exp(scores[n] - scores[n].max())
        p = weights / weights.sum()
        label, total = 0, p[0]
        while total < u[n] and label < len(p) - 1:
            label += 1
            total += p[label]
        g[n], g_drawn[n] = p, p
        g[n, y[n]] -= 1
        g_drawn[n, label] -= 1
    return g, g_drawn


def gradients_by_search(scores, y, u):
    """Find the drawn labels by binary search."""
    logs = scores - scores.max(axis=1, keepdims=True)
    p = np.exp(logs - np.log(np.exp(logs).sum(axis=1, keepdims=True)))
    labels = [np.searchsorted(np.cumsum(row)[:-1], number) for row, number in zip(p, u)]  # noqa: B905
    g, g_drawn = p.copy(), p.copy()
    g[np.arange(len(y)), y] -= 1
    g_drawn[np.arange(len(y)), labels] -= 1
    return g, g_drawn


def factors_one_by_one(a, g):
    """Add up outer products of the examples."""
    N = len(a)
    a_bar = [np.append(row, np.ones(1, a.dtype)) for row in a]
    return tuple(sum(np.outer(row, row) / N for row in rows) for rows in (a_bar, g))


def factors_in_blocks(a, g):
    """Fill A block by block."""
    N, D_in = a.shape
    A = np.ones((D_in + 1, D_in + 1), dtype=a.dtype)
    A[:-1, :-1] = a.T @ a / N
    A[-1, :-1] = A[:-1, -1] = a.mean(axis=0)
    return A, np.einsum("ni,nj->ij", g, g) / N


def direction_by_kronecker(dW, db, A, S, damping=0.0):
    """Build the Kronecker product, and solve for all weights at once."""
    gradient = np.vstack([dW, db])
    pi = np.sqrt(np.mean(np.diag(A)) / np.mean(np.diag(S)))
    share = np.sqrt(damping).astype(A.dtype)
    F = np.kron(
        A + pi * share * np.eye(len(A), dtype=A.dtype),
        S + share / pi * np.eye(len(S), dtype=S.dtype),
    )
    p = -np.linalg.solve(F, gradient.ravel()).reshape(gradient.shape)
    return p[:-1], p[-1]


def direction_by_inverses(dW, db, A, S, damping=0.0):
    """Invert both factors."""
    pi = (np.trace(A) * len(S) / (np.trace(S) * len(A))) ** 0.5
    left = np.linalg.inv(A + pi * damping**0.5 * np.eye(len(A), dtype=A.dtype))
    right_side = np.linalg.inv(S + damping**0.5 / pi * np.eye(len(S), dtype=S.dtype))
    p = left @ np.vstack([dW, db]) @ right_side
    return -p[:-1], -p[-1]


def direction_by_eigenvectors(dW, db, A, S, damping=0.0):
    """Divide in the coordinates of the eigenvectors."""
    (a, QA), (s, QS) = np.linalg.eigh(A), np.linalg.eigh(S)
    pi = np.sqrt(a.mean() / s.mean())
    root = damping**0.5
    inner = QA.T @ np.vstack([dW, db]) @ QS
    p = -QA @ (inner / np.outer(a + pi * root, s + root / pi)) @ QS.T
    return p[:-1], p[-1]


OUTPUT_GRADIENTS = (
    *right("kfac_output_gradients", "one by one", kfac_output_gradients=gradients_one_by_one),
    *right("kfac_output_gradients", "binary search", kfac_output_gradients=gradients_by_search),
    *right(
        "kfac_output_gradients",
        "the first class that reaches u",
        ("below.sum(axis=1)", "(p.cumsum(axis=1) >= u[:, None]).argmax(axis=1)"),
    ),
)
FACTORS = (
    *right("kfac_factors", "one by one", kfac_factors=factors_one_by_one),
    *right("kfac_factors", "block by block", kfac_factors=factors_in_blocks),
    *right(
        "kfac_factors",
        "hstack",
        ("np.concatenate([a, np.ones_like(a[:, :1])], axis=1)", "np.hstack([a, 0 * a[:, :1] + 1])"),
    ),
)
LAYER_DIRECTION = (
    *right("kfac_direction", "the Kronecker product", kfac_direction=direction_by_kronecker),
    *right("kfac_direction", "both inverses", kfac_direction=direction_by_inverses),
    *right("kfac_direction", "eigenvectors", kfac_direction=direction_by_eigenvectors),
)

VARIANTS = (
    *MODEL,
    *NEWTON,
    *SADDLE_FREE,
    *UPDATE,
    *DIRECTION,
    *MISLEADING,
    *OUTPUT_GRADIENTS,
    *FACTORS,
    *LAYER_DIRECTION,
)
