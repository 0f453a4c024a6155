"""SciPy's and PyTorch's own versions of what students write about second-order methods.

SciPy's L-BFGS operator starts from the identity; with s/√γ and y·√γ in place of s and y it is the
operator that starts from γI, divided by γ.
"""

import numpy as np
import scipy.linalg
import scipy.optimize
import torch


def newton(w, dw, H, damping=0.0):
    """The point to which SciPy's solver for symmetric matrices goes."""
    shifted = H.double().numpy() + damping * np.eye(len(w))
    step = scipy.linalg.solve(shifted, dw.double().numpy(), assume_a="sym")
    return w - torch.from_numpy(step).to(w.dtype)


def saddle_free(w, dw, H, damping=0.0):
    """The polar decomposition of a symmetric matrix is a sign times its absolute value."""
    positive = scipy.linalg.polar(H.double().numpy())[1]
    step = scipy.linalg.solve(positive + damping * np.eye(len(w)), dw.double().numpy())
    return w - torch.from_numpy(step).to(w.dtype)


def bfgs(M, s, y):
    """SciPy's strategy for updating a Hessian, here of its inverse."""
    if y @ s <= 0:
        return M.clone()
    strategy = scipy.optimize.BFGS(init_scale=M.double().numpy())
    strategy.initialize(len(s), "inv_hess")
    strategy.update(s.double().numpy(), y.double().numpy())
    return torch.from_numpy(strategy.get_matrix()).to(M.dtype)


def lbfgs(dw, S, Y):
    """SciPy's operator of the inverse Hessian, applied to the gradient."""
    if len(S) == 0:
        return -dw
    S, Y, g = (array.double().numpy() for array in (S, Y, dw))
    root = np.sqrt((S[-1] @ Y[-1]) / (Y[-1] @ Y[-1]))
    product = scipy.optimize.LbfgsInvHessProduct(S / root, Y * root) @ g
    return torch.from_numpy(-(root**2) * product).to(dw.dtype)


def output_gradients(scores, y, u):
    """What autograd finds for PyTorch's cross-entropy, with labels from its search."""
    probabilities = scores.softmax(dim=1)
    drawn = torch.searchsorted(probabilities.cumsum(dim=1), u[:, None])[:, 0]
    with torch.inference_mode(False), torch.enable_grad():
        leaf = scores.clone().requires_grad_()
        return tuple(
            torch.autograd.grad(
                torch.nn.functional.cross_entropy(leaf, labels.clone(), reduction="sum"), leaf
            )[0]
            for labels in (y, drawn)
        )


def kronecker(dW, db, A, S, damping=0.0):
    """PyTorch's Kronecker product, and one system of equations for all weights."""
    dW, db, A, S, dtype = dW.double(), db.double(), A.double(), S.double(), dW.dtype
    pi = (A.diagonal().mean() / S.diagonal().mean()).sqrt()
    shares = pi * damping**0.5, damping**0.5 / pi
    damped = [
        F + share * torch.eye(len(F), dtype=F.dtype)
        for F, share in zip((A, S), shares, strict=True)
    ]
    gradient = torch.vstack([dW, db])
    F = torch.kron(*damped)
    p = -torch.cholesky_solve(gradient.reshape(-1, 1), torch.linalg.cholesky(F))
    p = p.reshape(gradient.shape).to(dtype)
    return p[:-1], p[-1]


class LBFGS(torch.optim.LBFGS):
    """PyTorch's own without a line search, one evaluation a step.

    Its first step is shortened to length 1 in the L1 norm at most; here it gets its whole length.
    """

    def __init__(self, params, lr=1.0, memory=10):
        options = {"max_iter": 1, "history_size": memory, "tolerance_grad": 0}
        super().__init__(params, lr, tolerance_change=0, **options)

    def step(self, closure):
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        is_first = "d" not in state
        loss = super().step(closure)
        if is_first:
            with torch.no_grad():
                self._add_grad(group["lr"] - state["t"], state["d"])
            state["t"] = group["lr"]
        return loss


BUILT_INS = {
    "LBFGS": LBFGS,
    "newton_step": newton,
    "saddle_free_step": saddle_free,
    "bfgs_update": bfgs,
    "lbfgs_direction": lbfgs,
    "kfac_output_gradients": output_gradients,
    "kfac_direction": kronecker,
}
WITHOUT = {
    "taylor_model": "a sum of three terms, which no framework has under a name",
    "misleading_pair": "it is a search for an input",
    "kfac_factors": "two products of matrices, which no framework has under a name",
}
REMARKED = {}
