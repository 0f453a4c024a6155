"""Second-order optimization in PyTorch: the functions of `in_numpy` on tensors.

Device and dtype follow the input; no autograd is needed.
"""

from collections import deque

import torch

from cs231n_lib.descent import descend
from cs231n_lib.errors import at_least, labels, validated, whole
from cs231n_lib.precision import in_single_throughout
from cs231n_lib.second_order import remembered, solvable


@validated(w="N D", w0="D", dw="D", H="D D")
def taylor_model(w, w0, loss, dw, H):
    """First- and second-order models of the loss around w0, at several points.

    Args:
        w: (N, D) one point per row.
        w0: (D,) where loss (a number), dw (D,) and the Hessian H (D, D) were measured.

    Returns:
        first: (N,) what the slope alone predicts; second: (N,) what slope and curvature predict.

    Slides 53–56.

    >>> w, w0 = torch.tensor([[3.0, 0.0]]), torch.tensor([1.0, 0.0])
    >>> taylor_model(w, w0, 5.0, torch.tensor([1.0, 0.0]), torch.eye(2))
    (tensor([7.]), tensor([9.]))
    """
    d = w - w0  # (N, D)
    first = loss + d @ dw  # (N,) Taylor.1
    second = first + 0.5 * ((d @ H) * d).sum(dim=1)  # (N,) Taylor.2
    return first, second


@validated(w="D", dw="D", H="D D", damping=at_least(0))
@in_single_throughout
def newton_step(w, dw, H, damping=0.0):
    """Newton's step: go to where the gradient of the second-order model is zero.

    Args:
        w: (D,) the parameters; dw: (D,) gradient and H: (D, D) Hessian of the loss at w.
        damping: number of at least 0, added to every eigenvalue of H.

    Returns:
        next_w: (D,), a new tensor.

    Raises:
        torch.linalg.LinAlgError: when H + damping·I is singular; yours may do otherwise.

    Slides 56–59.

    >>> H = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    >>> newton_step(torch.tensor([3.0, 3.0]), torch.tensor([6.0, 3.0]), H)
    tensor([0., 0.])
    """
    H_damped = H + damping * torch.eye(len(w), dtype=H.dtype, device=H.device)  # (D, D)
    return w - torch.linalg.solve(H_damped, dw)  # (D,) Newton.1


@validated(w="D", dw="D", H="D D", damping=at_least(0))
@solvable("pass a damping above 0, so that flat directions have a step")
@in_single_throughout
def saddle_free_step(w, dw, H, damping=0.0):
    """Newton's step with the absolute values of the curvatures: downhill in every direction.

    Args:
        w: (D,) the parameters; dw: (D,) gradient and H: (D, D) symmetric Hessian at w.
        damping: number of at least 0, added to every |eigenvalue| of H.

    Returns:
        next_w: (D,), a new tensor.

    Raises:
        numpy.linalg.LinAlgError: when a curvature is 0 and the damping is too; yours may do
            otherwise.

    Beyond slide 59. Dauphin et al. 2014, arXiv:1406.2572.

    >>> w = torch.tensor([1.0, 0.5])  # on w[0]² − w[1]², whose saddle is at 0
    >>> saddle_free_step(w, torch.tensor([2.0, -1.0]), torch.diag(torch.tensor([2.0, -2.0])))
    tensor([0., 1.])
    """
    h, Q = torch.linalg.eigh(H)  # (D,), (D, D) Newton.2
    step = Q @ ((Q.T @ dw) / (abs(h) + damping))  # (D,)
    return w - step  # Newton.3


@validated(M="D D", s="D", y="D")
@in_single_throughout
def bfgs_update(M, s, y):
    """Correct an approximate inverse Hessian by what one step has shown.

    Args:
        M: (D, D) symmetric approximation of the inverse Hessian.
        s: (D,) the step made; y: (D,) the change of the gradient along it.

    Returns:
        M_next: (D, D), a new tensor with M_next @ y = s; equal to M where y·s is not above 0,
        because there is no positive curvature to learn from.

    Slide 60. Nocedal & Wright 2006, section 6.1.

    >>> bfgs_update(torch.eye(2), s=torch.tensor([1.0, 0.0]), y=torch.tensor([2.0, 0.0]))
    tensor([[0.5000, 0.0000],
            [0.0000, 1.0000]])
    """
    if y @ s <= 0:
        return M.clone()
    rho = 1 / (y @ s)  # BFGS.1
    My = M @ y  # (D,)
    mixed = torch.outer(s, My)  # (D, D)
    squares = rho * (1 + rho * (y @ My)) * torch.outer(s, s)  # (D, D)
    return M - rho * (mixed + mixed.T) + squares  # BFGS.2, multiplied out: D² work, not D³


@validated(w="D", max_steps=whole(0), tolerance=at_least(0))
def bfgs(f, w, max_steps=200, tolerance=1e-6, line_search=None):
    """Minimize f by BFGS with a strong-Wolfe line search.

    Args:
        f: function w -> loss, dw.
        w: (D,) start; max_steps, tolerance, line_search: see `cs231n_lib.descent.descend`.

    Returns:
        a `Descent`: w, losses, evaluations, reason.

    Slide 60. Nocedal & Wright 2006, algorithm 6.1.

    >>> bfgs(lambda w: (w @ w, 2 * w), torch.tensor([3.0, 4.0])).reason
    'flat'
    """
    M = None  # nothing learned yet

    def learn(s, y):
        nonlocal M
        if M is None:
            gamma = abs(s @ y) / (y @ y) if y.any() else 1.0
            M = gamma * torch.eye(len(s), dtype=s.dtype, device=s.device)  # BFGS.3
        M = bfgs_update(M, s, y)

    def forget():
        nonlocal M
        M = None

    return descend(f, w, lambda dw: -(M @ dw), learn, forget, max_steps, tolerance, line_search)


@validated(dw="D", S=remembered, Y=remembered)
@in_single_throughout
def lbfgs_direction(dw, S, Y):
    """Direction of L-BFGS, minus the approximate inverse Hessian times dw, by two loops.

    Args:
        dw: (D,) gradient.
        S, Y: (m, D) the last m steps and the changes of the gradient along them, oldest first;
            each pair has y·s > 0, and m may be 0.

    Returns:
        p: (D,) a new tensor; -dw when there is no pair yet.

    Slides 60–61. Nocedal & Wright 2006, algorithm 7.4.

    >>> S, Y = torch.tensor([[1.0, 0.0]]), torch.tensor([[4.0, 0.0]])
    >>> lbfgs_direction(torch.tensor([8.0, 8.0]), S, Y)
    tensor([-2., -2.])
    """
    pairs = list(zip(S, Y, strict=True))
    q, alphas = dw.clone(), []
    for s, y in reversed(pairs):
        alphas.append((s @ q) / (y @ s))
        q -= alphas[-1] * y  # (D,) LBFGS.1
    if pairs:
        s, y = pairs[-1]
        q *= (s @ y) / (y @ y)  # LBFGS.2: from here on q is the r of the formula
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        beta = (y @ q) / (y @ s)
        q += (alpha - beta) * s  # (D,) LBFGS.3
    return -q  # LBFGS.4


class LBFGS(torch.optim.Optimizer):
    """An optimizer for networks, around `lbfgs_direction`, with steps of a given length.

    Args:
        params: parameters, which are one vector w together, in their order.
        lr: learning rate: the step is lr times the direction.
        memory: number of pairs to keep, the newest ones.

    What it remembers is in `self.state` of the first parameter, so that `state_dict()` saves it.

    Slides 60–61. Liu & Nocedal 1989.

    >>> w = torch.nn.Parameter(torch.tensor([3.0]))
    >>> optimizer = LBFGS([w], lr=0.25)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = 2 * (w**2).sum()
    ...     loss.backward()
    ...     return loss
    >>> for step in range(3):
    ...     loss = optimizer.step(closure)
    >>> loss.item(), w.data
    (0.0, tensor([0.]))
    """

    @validated(lr=at_least(0), memory=whole(1))
    def __init__(self, params, lr=1.0, memory=10):
        super().__init__(params, {"lr": lr, "memory": memory})
        if len(self.param_groups) > 1:
            raise ValueError(
                f"LBFGS: all parameters are one vector, got {len(self.param_groups)} groups; pass "
                "one list"
            )

    @torch.no_grad()
    def step(self, closure):
        """Change all parameters by one step; return the loss of `closure`.

        The closure computes the loss and its gradients anew; it is called once, before the step.
        The gradients stay as they are: the closure clears them.
        """
        with torch.enable_grad():
            loss = closure()
        group, as_vector = self.param_groups[0], torch.nn.utils.parameters_to_vector
        params, state = group["params"], self.state[group["params"][0]]
        gradients = (torch.zeros_like(p) if p.grad is None else p.grad for p in params)
        w, dw = as_vector(params), as_vector(gradients)  # (D,)
        self.remember(state, w, dw, group["memory"])
        next_w = w + group["lr"] * lbfgs_direction(dw, state["S"], state["Y"])
        torch.nn.utils.vector_to_parameters(next_w, params)
        return loss

    def remember(self, state, w, dw, memory):
        """Put the pair of the last step into `state`, if y·s > 0; keep the newest, oldest first.

        Args:
            state: dict, empty before the first step; afterwards it has S, Y (m, D) and what else
                the next step has to know.
            w, dw: (D,) where the parameters and their gradient are now.
            memory: number of pairs to keep.
        """
        empty = w.new_zeros(0, len(w))
        S, Y = state.get("S", empty), state.get("Y", empty)
        if "w" in state:
            s, y = w - state["w"], dw - state["dw"]  # (D,)
            if y @ s > 0:
                S, Y = (torch.vstack(pair)[-memory:] for pair in ((S, s), (Y, y)))
        state.update(w=w, dw=dw, S=S, Y=Y)


@validated(w="D", memory=whole(1), max_steps=whole(0), tolerance=at_least(0))
def lbfgs(f, w, memory=10, max_steps=200, tolerance=1e-6, line_search=None):
    """Minimize f by L-BFGS: pairs of positive curvature are kept, the oldest are forgotten.

    Args:
        f: function w -> loss, dw.
        w: (D,) start; memory: number of pairs to keep.
        max_steps, tolerance, line_search: see `cs231n_lib.descent.descend`.

    Returns:
        a `Descent`: w, losses, evaluations, reason.

    Slides 60–61. Liu & Nocedal 1989; Nocedal & Wright 2006, algorithm 7.5.

    >>> lbfgs(lambda w: (w @ w, 2 * w), torch.tensor([3.0, 4.0])).reason
    'flat'
    """
    S, Y = deque(maxlen=memory), deque(maxlen=memory)

    def learn(s, y):
        if y @ s > torch.finfo(y.dtype).eps * (y @ y):
            S.append(s)
            Y.append(y)

    def forget():
        S.clear()
        Y.clear()

    def direction(dw):
        return lbfgs_direction(dw, S, Y)

    return descend(f, w, direction, learn, forget, max_steps, tolerance, line_search)


@validated(scores="N C", y=labels("N", "C"), u="N")
def kfac_output_gradients(scores, y, u):
    """Gradients of each example's own cross-entropy, with the true and with a drawn label.

    The first one makes the gradient of the loss. The second one makes the Fisher matrix, whose
    labels come from the model's own probabilities.

    Args:
        scores: (N, C) of the classes, before the softmax.
        y: (N,) true labels, whole numbers from 0 to C − 1.
        u: (N,) uniform random numbers in [0, 1): the drawn label is the first class up to which
            the probabilities add up to u or more.

    Returns:
        g: (N, C) with the true labels; g_drawn: (N, C) with the drawn ones. No division by N.

    Slide 61. Martens & Grosse 2015, arXiv:1503.05671.

    >>> scores, u = torch.zeros((1, 4)), torch.tensor([0.6])
    >>> kfac_output_gradients(scores, torch.tensor([0]), u)
    (tensor([[-0.7500,  0.2500,  0.2500,  0.2500]]), tensor([[ 0.2500,  0.2500, -0.7500,  0.2500]]))
    """
    exponentials = torch.exp(scores - torch.amax(scores, dim=1, keepdim=True))
    p = exponentials / exponentials.sum(dim=1, keepdim=True)  # (N, C)
    below = p.cumsum(dim=1)[:, :-1] < u[:, None]  # (N, C − 1)
    drawn = below.sum(dim=1)  # (N,) labels
    one_hot = torch.eye(p.shape[1], dtype=p.dtype, device=p.device)  # (C, C)
    return p - one_hot[y], p - one_hot[drawn]  # (N, C) KFAC.1, twice


@validated(a="N D_in", g="N D_out")
def kfac_factors(a, g):
    """Return the two factors of the Fisher matrix of an affine layer a @ W + b.

    Args:
        a: (N, D_in) what goes into the layer.
        g: (N, D_out) gradient of each example's own loss with respect to what comes out.

    Returns:
        A: (D_in + 1, D_in + 1), the bias last; S: (D_out, D_out).

    Slide 61. Martens & Grosse 2015, arXiv:1503.05671, section 3; Ba et al. 2017.

    >>> kfac_factors(torch.tensor([[2.0], [4.0]]), torch.tensor([[1.0], [3.0]]))
    (tensor([[10.,  3.],
            [ 3.,  1.]]), tensor([[5.]]))
    """
    N = len(a)
    a_bar = torch.concatenate([a, torch.ones_like(a[:, :1])], dim=1)  # (N, D_in + 1)
    A = a_bar.T @ a_bar / N  # (D_in + 1, D_in + 1) KFAC.2
    S = g.T @ g / N  # (D_out, D_out) KFAC.2
    return A, S


@validated(dW="D_in D_out", db="D_out", A="D_bar D_bar", S="D_out D_out", damping=at_least(0))
@solvable("of a saturated model A or S is 0 and says nothing: take the gradient's own step")
@in_single_throughout
def kfac_direction(dW, db, A, S, damping=0.0):
    """Direction of K-FAC for one affine layer: minus the inverse factors times the gradient.

    Args:
        dW: (D_in, D_out) and db: (D_out,) gradient of the mean loss.
        A: (D_in + 1, D_in + 1) and S: (D_out, D_out) from `kfac_factors`.
        damping: number of at least 0; its root is shared out between A and S.

    Returns:
        pW: (D_in, D_out); pb: (D_out,).

    Raises:
        numpy.linalg.LinAlgError: when A or S is 0, or singular without damping.

    Slide 61. Martens & Grosse 2015, arXiv:1503.05671, sections 4.2 and 6.3.

    >>> A, S = torch.diag(torch.tensor([2.0, 1.0])), torch.diag(torch.tensor([4.0]))
    >>> kfac_direction(torch.tensor([[8.0]]), torch.tensor([8.0]), A, S)
    (tensor([[-1.]]), tensor([-2.]))
    """
    dW_bar = torch.concatenate([dW, db[None]])  # (D_in + 1, D_out)
    pi = torch.sqrt(torch.trace(A) / len(A) / (torch.trace(S) / len(S)))  # KFAC.3
    root = damping**0.5
    A_damped = A + pi * root * torch.eye(len(A), dtype=A.dtype, device=A.device)
    S_damped = S + root / pi * torch.eye(len(S), dtype=S.dtype, device=S.device)
    left = torch.linalg.solve(A_damped, dW_bar)  # (D_in + 1, D_out)
    p = -torch.linalg.solve(S_damped, left.T).T  # KFAC.4; S is symmetric
    return p[:-1], p[-1]
