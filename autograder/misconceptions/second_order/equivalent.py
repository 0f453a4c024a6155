"""Mutants of the references of `second_order` that are right answers, with the reason."""

WIDER = "right, in more memory than needed; a remark says so"
SAME_SIZE = "only the size or the dtype is read, and it is the same"
SAME_LENGTH = "S and Y always hold equally many vectors, and so does the list of alphas"

EQUIVALENT = {
    "second_order.newton_step": {
        "H_damped = H + damping * np.eye(len(w)...": WIDER,
        "H_damped = H + damping * np.eye(len(dw), dtype=H.dtype...": SAME_SIZE,
    },
    "second_order.bfgs_update": {
        "mixed = np.outer(My, s)": "it is added to its transpose",
        "return M": "nobody writes into what comes back; M itself will do",
    },
    "second_order.lbfgs_direction": {
        "pairs = list(zip(S, Y...": SAME_LENGTH,
        "for (s, y), alpha in zip(pairs, reversed(alphas)...": SAME_LENGTH,
        "if alphas:": SAME_LENGTH,
    },
    "second_order.torch.LBFGS": {
        "group, as_vector = (self.param_groups[-1]...": "there is one group",
        "params, state = (group['params'], self.state[...])": "the state of any parameter will do",
        "empty = ....new_zeros(0, len(...))": SAME_SIZE,
        "if y @ s >= 0:": "it is zero with probability zero",
    },
    "second_order.misleading_pair": {"...": "any input that misleads is a right answer"},
    "second_order.kfac_output_gradients": {
        "below = p.cumsum(axis=1)[:, :-1] <= u[:, None]": "u meets a border with probability zero",
        "one_hot = np.eye(p.shape[1])": WIDER,
        "one_hot = np.eye(exponentials.shape[1], dtype=p.dtype)": SAME_SIZE,
        "one_hot = np.eye(scores.shape[1], dtype=p.dtype)": SAME_SIZE,
        "one_hot = np.eye(p.shape[1], dtype=exponentials.dtype)": SAME_SIZE,
        "one_hot = np.eye(p.shape[1], dtype=scores.dtype)": SAME_SIZE,
    },
    "second_order.kfac_direction": {
        "A_damped = A + pi * root * np.eye(len(A))": WIDER,
        "S_damped = S + root / pi * np.eye(len(S))": WIDER,
    },
}
