"""Exercises of the family `second_order`: what is asked, how it is tried, what it is worth.

Inputs are awkward on purpose: Hessians are not diagonal and their eigenvalues lie on both sides
of 1, pairs have a scale far from 1, K-FAC's factors are not as wide as they look. What is square
is observed row by row, in one line.
"""

import numpy as np

from autograder.checking.judge import Verdict, keeps_types
from autograder.checking.scenarios import afterwards, failed, family, in_floats
from autograder.checking.spec import KILLS_A_BUG, Check

DAMPING = 0.7
D = 5


def rotated(rng, eigenvalues):
    """Return a symmetric matrix with these eigenvalues and no zeros."""
    size = len(eigenvalues)
    Q = np.linalg.qr(rng.normal(size=(size, size)))[0]
    H = (Q * eigenvalues) @ Q.T
    return (H + H.T) / 2


def convex(rng, size=D):
    """Return a Hessian whose eigenvalues lie between 0.3 and 4."""
    return rotated(rng, rng.permutation(np.geomspace(0.3, 4, size)))


def saddle(rng, size=D):
    """Return a Hessian with eigenvalues of both signs."""
    signs = np.where(np.arange(size) % 2, -1.0, 1.0)
    return rotated(rng, signs * np.geomspace(0.4, 3, size))


def single(*arrays):
    """Return the arrays in float32."""
    return [array.astype(np.float32) for array in arrays]


def kept(names, arrays):
    """Return what went in as observations, one line each."""
    return {key: array.ravel() for key, array in afterwards(names, arrays).items()}


# ------------------------------------------------------------------ the two models


def _model_inputs(rng):
    """Return points w (4, 3) around w0, and loss, gradient and Hessian there."""
    w0, dw = rng.normal(1, 2, (2, 3))
    return w0 + rng.normal(size=(4, 3)), w0, rng.uniform(3, 5), dw, saddle(rng, 3)


def _first_model(impl, rng):
    return {"first": impl.taylor_model(*_model_inputs(rng))[0]}


def _second_model(impl, rng):
    return {"second": impl.taylor_model(*_model_inputs(rng))[1]}


def _curvature_alone(impl, rng):
    w, w0, loss, dw, H = _model_inputs(rng)
    return {"second": impl.taylor_model(w, w0, loss, 0 * dw, H)[1]}


def _model_types(impl, rng):
    w, w0, loss, dw, H = _model_inputs(rng)
    arrays = single(w, w0, dw, H)
    first, second = impl.taylor_model(arrays[0], arrays[1], loss, *arrays[2:])
    return {"first": first, "second": second, **kept("w w0 dw H", arrays)}


# ------------------------------------------------------------------ one step


def step_checks(name, points):
    """Return the checks of a step (w, dw, H, damping) -> next_w, such as Newton's."""

    def step(impl, *args):
        return getattr(impl, name)(*args)

    def on_a_bowl(impl, rng):
        H = convex(rng)
        w, minimum = rng.normal(0, 2, (2, D))
        return {"next_w": step(impl, w, H @ (w - minimum), H)}

    def on_a_saddle(impl, rng):
        H = saddle(rng)
        w, centre = rng.normal(0, 2, (2, D))
        return {"next_w": step(impl, w, H @ (w - centre), H)}

    def damped(impl, rng):
        H = saddle(rng)
        w, dw = rng.normal(0, 2, (2, D))
        return {"next_w": step(impl, w, dw, H, DAMPING)}

    def types_and_inputs(impl, rng):
        arrays = single(*rng.normal(0, 2, (2, D)), convex(rng))
        next_w = step(impl, *arrays, DAMPING)
        return {"next_w": next_w, **kept("w dw H", arrays)}

    scenarios = {
        "on a quadratic bowl": (on_a_bowl, None),
        "on a quadratic saddle": (on_a_saddle, None),
        "with damping": (damped, None),
        "float32 stays float32, inputs stay as they were": (types_and_inputs, keeps_types),
    }
    return tuple(
        Check(title, worth, scenario, judge)
        for (title, (scenario, judge)), worth in zip(scenarios.items(), points, strict=True)
    )


# ------------------------------------------------------------------ BFGS


def _pair(rng, size=D):
    """Return a step s and the change y of the gradient of a bowl along it."""
    s = rng.normal(0, 0.3, size)
    return s, 6 * convex(rng, size) @ s


def _one_update(impl, rng):
    M_next = impl.bfgs_update(convex(rng), *_pair(rng))
    return {"M_next": M_next.ravel()}


def _secant(impl, rng):
    s, y = _pair(rng)
    return {"M_next @ y": impl.bfgs_update(convex(rng), s, y) @ y}


def _three_updates(impl, rng):
    M = np.eye(D)
    for _ in range(3):
        M = impl.bfgs_update(M, *_pair(rng))
    return {"M_next": M.ravel()}


def _no_curvature(impl, rng):
    M, (s, y) = convex(rng), _pair(rng)
    level = np.array([1.0, 0, 0, 2, 0]), np.array([0.0, 3, 1, 0, 1])  # at right angles, exactly
    return {
        "M_next after y·s < 0": impl.bfgs_update(M.copy(), s, -y).ravel(),
        "M_next after y·s = 0": impl.bfgs_update(M.copy(), *level).ravel(),
    }


def _update_types(impl, rng):
    arrays = single(convex(rng), *_pair(rng))
    M_next = impl.bfgs_update(*arrays)
    return {"M_next": M_next.ravel(), **kept("M s y", arrays)}


# ------------------------------------------------------------------ L-BFGS


def _history(rng, m, size=7):
    """Return S and Y (m, size) of a bowl whose curvature changes from step to step."""
    pairs = [_pair(rng, size) for _ in range(m)]
    return np.array([s for s, _ in pairs]), np.array([y for _, y in pairs])


def _directions(m):
    def scenario(impl, rng):
        S, Y = _history(rng, m)
        return {"p": impl.lbfgs_direction(rng.normal(size=7), S, Y)}

    return scenario


def _no_history(impl, rng):
    empty = np.zeros((0, 7))
    return {"p": impl.lbfgs_direction(rng.normal(size=7), empty, empty.copy())}


def _along_the_newest(impl, rng):
    S, Y = _history(rng, 3)
    return {"p": impl.lbfgs_direction(Y[-1].copy(), S, Y)}


def _direction_types(impl, rng):
    arrays = single(rng.normal(size=7), *_history(rng, 3))
    return {"p": impl.lbfgs_direction(*arrays), **kept("dw S Y", arrays)}


# ------------------------------------------------------------------ kill the bug


def remember(S, Y, s, y, memory):
    """Return the history with one more pair, and without the oldest ones beyond `memory`."""
    S, Y = np.concatenate([S, s[None]]), np.concatenate([Y, y[None]])
    return S[-memory:], Y[-memory:]


def _mislead(impl, rng):
    s, y, dw = map(in_floats, impl.misleading_pair())
    unfair = _unfair(s, y, dw)
    if unfair:
        return {"__s": s, "__y": y, "__dw": dw, "outcome": np.array(unfair)}
    empty = np.zeros((0, len(s)))
    p = impl.lbfgs_direction(dw.copy(), *remember(empty, empty, s, y, 1))
    observed = {"__s": s, "__y": y, "__dw": dw, "__p": p}
    return {**observed, "outcome": np.array(_outcome(s, y, dw, p))}


def _misleads(seen, expected):
    """Judge: the student's own direction, which is right, goes uphill after this pair."""
    s, y, dw = (seen.get(key, np.array(0)) for key in ("__s", "__y", "__dw"))
    outcome = _outcome(s, y, dw, seen.get("__p"))
    return failed(OUTCOMES[outcome], "outcome") if outcome else Verdict(1)


OUTCOMES = (
    "the direction goes uphill",
    "s, y and dw must have one shape (D,), with D from 2 to 100",
    "s, y and dw must be finite and stay within ±1,000,000",
    "none of s, y and dw may be zero",
    "y·s is zero: a division by zero stops the method, which is another bug",
    "the direction of your own lbfgs_direction for this pair is not what (LBFGS.1–4) give",
    "the direction goes downhill",
)


def _outcome(s, y, dw, p=None):
    """Return the place in OUTCOMES of what a pair and the student's direction after it show.

    The direction p is right when the Hessian that one pair stands for maps it to −dw.
    """
    unfair = _unfair(s, y, dw)
    if unfair:
        return unfair
    s, y, dw = (array.astype(float) for array in (s, y, dw))
    curvature = y @ s
    if abs(curvature) < 1e-9 * np.linalg.norm(s) * np.linalg.norm(y):
        return 4
    if p is None or p.shape != s.shape or not np.isfinite(p).all():
        return 5
    along = s * (s @ p) / (s @ s)
    mapped = (p - along) * (y @ y) / curvature + y * (y @ p) / curvature
    if not np.abs(mapped + dw).max() <= 1e-3 * np.abs(dw).max():
        return 5
    return 0 if dw @ p > 0 else 6


def _unfair(*arrays):
    """Return the place in OUTCOMES of what is wrong with the vectors themselves, or 0."""
    shape = arrays[0].shape
    if len(shape) != 1 or not 2 <= shape[0] <= 100 or any(a.shape != shape for a in arrays):
        return 1
    if not all((np.abs(array) <= 1e6).all() for array in arrays):
        return 2
    return 0 if all(array.any() for array in arrays) else 3


# ------------------------------------------------------------------ K-FAC


def _labelled(rng):
    """Return scores (7, 4), labels, and u that draws another label, away from the borders."""
    scores, y = rng.normal(0, 1.5, (7, 4)), rng.integers(0, 4, 7)
    drawn = (y + rng.integers(1, 4, 7)) % 4
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    rows = np.arange(7)
    u = p.cumsum(axis=1)[rows, drawn] - p[rows, drawn] * rng.uniform(0.2, 0.8, 7)
    return scores, y, u


def _true_labels(impl, rng):
    return {"g": impl.kfac_output_gradients(*_labelled(rng))[0]}


def _drawn_labels(impl, rng):
    return {"g_drawn": impl.kfac_output_gradients(*_labelled(rng))[1]}


def _large_scores(impl, rng):
    scores, y, u = _labelled(rng)
    scores[2] += 2000  # e²⁰⁰⁰ does not fit into any float
    g, g_drawn = impl.kfac_output_gradients(scores, y, u)
    return {"g": g, "g_drawn": g_drawn}


def _gradient_types(impl, rng):
    scores, y, u = _labelled(rng)
    scores, u = single(scores, u)
    g, g_drawn = impl.kfac_output_gradients(scores, y, u)
    return {"g": g, "g_drawn": g_drawn, **kept("scores u", [scores, u])}


def _factor(position, key):
    def scenario(impl, rng):
        a, g = rng.normal(1, 1, (9, 3)), rng.normal(0.5, 1, (9, 5))
        return {key: impl.kfac_factors(a, g)[position].ravel()}

    return scenario


def _factor_types(impl, rng):
    arrays = single(rng.normal(1, 1, (6, 4)), rng.normal(0.5, 1, (6, 2)))
    A, S = impl.kfac_factors(*arrays)
    return {"A": A.ravel(), "S": S.ravel(), **kept("a g", arrays)}


def _layer(rng, D_in, D_out):
    """Return dW, db, A and S of an affine layer; the scales of A and S are far apart."""
    dW, db = rng.normal(size=(D_in, D_out)), rng.normal(size=D_out)
    return dW, db, 5 * convex(rng, D_in + 1), 0.2 * convex(rng, D_out)


def _layer_direction(D_in, D_out, *damping):
    def scenario(impl, rng):
        pW, pb = impl.kfac_direction(*_layer(rng, D_in, D_out), *damping)
        return {"pW": pW.ravel(), "pb": pb}

    return scenario


def _layer_types(impl, rng):
    arrays = single(*_layer(rng, 3, 4))
    pW, pb = impl.kfac_direction(*arrays, DAMPING)
    return {"pW": pW, "pb": pb, **kept("dW db A S", arrays)}


# ------------------------------------------------------------------ the exercises

FORBIDDEN = (
    "torch.optim.LBFGS",
    "scipy.optimize.BFGS",
    "scipy.optimize.LbfgsInvHessProduct",
    "scipy.optimize.fmin_bfgs",
    "scipy.optimize.fmin_l_bfgs_b",
    "scipy.optimize.minimize",
)
RETURNS = {
    "taylor_model": ("first", "second"),
    "newton_step": ("next_w",),
    "saddle_free_step": ("next_w",),
    "bfgs_update": ("M_next",),
    "lbfgs_direction": ("p",),
    "LBFGS": ("optimizer",),
    "misleading_pair": ("s", "y", "dw"),
    "kfac_output_gradients": ("g", "g_drawn"),
    "kfac_factors": ("A", "S"),
    "kfac_direction": ("pW", "pb"),
}

exercise = family("second_order", RETURNS, FORBIDDEN)

MODEL = exercise(
    "First- and second-order models of a loss",
    "taylor_model",
    (
        Check("the first-order model", 3, _first_model),
        Check("the second-order model", 3, _second_model),
        Check("where the gradient is zero", 2, _curvature_alone),
        Check("float32 stays float32, inputs stay as they were", 2, _model_types, keeps_types),
    ),
    "53–56",
    small=(
        "taylor_model(np.array([[3.0, 1.0]]), np.array([1.0, 0.0]), 5.0, np.array([1.0, "
        "2.0]), np.array([[2.0, 1.0], [1.0, 3.0]]))",
        "taylor_model(np.array([[3.0, 1.0], [1.0, 2.0], [0.0, 1.0]]), np.array([1.0, "
        "0.0]), 5.0, np.array([1.0, 2.0]), np.array([[2.0, 1.0], [1.0, 3.0]]))",
    ),
    look="""\
print(*taylor_model(np.array([[3.0], [1.0]]), np.array([1.0]), 5.0, np.array([1.0]), np.eye(1)))
# at w0 both say 5; two to the right 7 and 9
""",
)
NEWTON = exercise(
    "Newton's step",
    "newton_step",
    step_checks("newton_step", (6, 3, 5, 2)),
    "56–59",
    small=(
        "newton_step(np.array([1.0, 0.0]), np.array([3.0, 4.0]), np.array([[2.0, 1.0], "
        "[1.0, 3.0]]))",
        "newton_step(np.array([1.0, 0.0]), np.array([3.0, 4.0]), np.array([[2.0, 1.0], "
        "[1.0, 3.0]]), 1.0)",
    ),
    look="""\
bowl = np.array([[2.0, 1.0], [1.0, 3.0]])
print(newton_step(np.ones(2), bowl @ np.ones(2), bowl))
# the minimum of the bowl, 0, in one step
""",
)
SADDLE_FREE = exercise(
    "A step that no saddle attracts (bonus)",
    "saddle_free_step",
    step_checks("saddle_free_step", (1, 2, 2, 1)),
    "59",
    bonus=True,
    small=(
        "saddle_free_step(np.array([1.0, 0.0]), np.array([3.0, 4.0]), np.array([[1.0, "
        "2.0], [2.0, -1.0]]))",
        "saddle_free_step(np.array([1.0, 0.0]), np.array([3.0, 4.0]), np.array([[1.0, "
        "2.0], [2.0, -1.0]]), 1.0)",
        """\
H = np.array([[2.0, 1.0, 0.0], [1.0, -1.0, 1.0], [0.0, 1.0, 3.0]])
saddle_free_step(np.zeros(3), np.array([3.0, 4.0, 1.0]), H)""",
    ),
    look="""\
print(saddle_free_step(np.ones(2), np.array([2.0, -2.0]), np.diag([2.0, -2.0])))
# 0 along the bowl, and 2 along the hill: away from the saddle
""",
)
UPDATE = exercise(
    "The BFGS update",
    "bfgs_update",
    (
        Check("what the step has shown: M_next @ y", 4, _secant),
        Check("one update", 6, _one_update),
        Check("three updates, from the identity", 4, _three_updates),
        Check("a pair without positive curvature teaches nothing", 4, _no_curvature),
        Check("float32 stays float32, inputs stay as they were", 2, _update_types, keeps_types),
    ),
    "60",
    small=(
        "bfgs_update(np.eye(2), np.array([1.0, 0.0]), np.array([2.0, 1.0]))",
        "bfgs_update(np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 1.0]), "
        "np.array([2.0, 1.0]))",
        "bfgs_update(np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 0.0]), "
        "np.array([-2.0, 1.0]))",
        "bfgs_update(np.eye(2), np.array([1.0, 0.0]), np.array([0.0, 1.0]))",
    ),
    look="""\
step, change = np.array([1.0, 0.0]), np.array([2.0, 1.0])
print(bfgs_update(np.eye(2), step, change) @ change)
# the step again, 1 and 0: M has learned what the gradient did along it
""",
)
DIRECTION = exercise(
    "The direction of L-BFGS",
    "lbfgs_direction",
    (
        Check("no pair yet", 2, _no_history),
        Check("one pair", 5, _directions(1)),
        Check("four pairs", 6, _directions(4)),
        Check("the gradient is the newest y", 4, _along_the_newest),
        Check("float32 stays float32, inputs stay as they were", 3, _direction_types, keeps_types),
    ),
    "60–61",
    small=(
        "lbfgs_direction(np.array([1.0, 2.0]), np.zeros((0, 2)), np.zeros((0, 2)))",
        "lbfgs_direction(np.array([1.0, 2.0]), np.array([[1.0, 0.0]]), np.array([[2.0, 1.0]]))",
        "lbfgs_direction(np.array([1.0, 2.0]), np.array([[1.0, 0.0], [0.0, 1.0]]), "
        "np.array([[2.0, 1.0], [1.0, 3.0]]))",
    ),
    look="""\
print(lbfgs_direction(np.array([2.0, 1.0]), np.array([[1.0, 0.0]]), np.array([[2.0, 1.0]])))
# minus the newest step: what raised the gradient by y lowers it by y
""",
)
MISLEADING = exercise(
    "Kill the bug: a pair that leads uphill",
    "lbfgs_direction misleading_pair",
    (Check("after your pair the direction goes uphill", 4, _mislead, _misleads),),
    "61",
    given=(remember,),
    no_small=KILLS_A_BUG,
    look="""\
# Along a direction that leads downhill the gradient is negative. Here it should be positive.
s, y, dw = misleading_pair()
print(lbfgs_direction(dw, s[None], y[None]) @ dw)
""",
)
OUTPUT_GRADIENTS = exercise(
    "K-FAC: gradients with drawn labels (challenge)",
    "kfac_output_gradients",
    (
        Check("with the true labels", 1, _true_labels),
        Check("with labels drawn from the model", 1.5, _drawn_labels),
        Check("large scores", 0.75, _large_scores),
        Check(
            "float32 stays float32, inputs stay as they were", 0.75, _gradient_types, keeps_types
        ),
    ),
    "61",
    bonus=True,
    small=(
        "kfac_output_gradients(np.zeros((1, 2)), np.array([0]), np.array([0.7]))",
        "kfac_output_gradients(np.array([[1.0, 0.0, -1.0]]), np.array([0]), np.array([0.8]))",
        "kfac_output_gradients(np.array([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]]), np.array([2, "
        "0]), np.array([0.8, 0.05]))",
        "kfac_output_gradients(np.array([[1000.0, 0.0]]), np.array([1]), np.array([0.7]))",
    ),
    look="""\
print(*kfac_output_gradients(np.zeros((1, 4)), np.array([0]), np.array([0.6])))
# 1/4 everywhere, less 1 at label 0 and, drawn, at label 2
""",
)
FACTORS = exercise(
    "K-FAC: the two factors (challenge)",
    "kfac_factors",
    (
        Check("the factor of the inputs", 1.5, _factor(0, "A")),
        Check("the factor of the gradients", 1.5, _factor(1, "S")),
        Check("float32 stays float32, inputs stay as they were", 1, _factor_types, keeps_types),
    ),
    "61",
    bonus=True,
    small=(
        "kfac_factors(np.array([[2.0], [4.0]]), np.array([[1.0], [3.0]]))",
        "kfac_factors(np.array([[2.0, 1.0], [4.0, 0.0]]), np.array([[1.0, -1.0], [3.0, 0.0]]))",
    ),
    look="""\
print(*kfac_factors(np.array([[2.0], [4.0]]), np.array([[1.0], [3.0]])))
# the last number of A is 1: the bias sees a one in every example
""",
)
LAYER_DIRECTION = exercise(
    "K-FAC: the direction for one layer (challenge)",
    "kfac_direction",
    (
        Check("without damping", 1, _layer_direction(3, 5)),
        Check("with damping", 1, _layer_direction(3, 5, DAMPING)),
        Check("as many outputs as inputs with the bias", 1, _layer_direction(3, 4, DAMPING)),
        Check("float32 stays float32, inputs stay as they were", 1, _layer_types, keeps_types),
    ),
    "61",
    bonus=True,
    small=(
        "kfac_direction(np.array([[8.0]]), np.array([8.0]), np.array([[2.0, 0.5], [0.5, "
        "1.0]]), np.array([[4.0]]))",
        "kfac_direction(np.array([[8.0]]), np.array([8.0]), np.array([[2.0, 0.5], [0.5, "
        "1.0]]), np.array([[4.0]]), 1.0)",
        "kfac_direction(np.array([[8.0, 1.0]]), np.array([8.0, 2.0]), np.array([[2.0, "
        "0.5], [0.5, 1.0]]), np.array([[2.0, 1.0], [1.0, 3.0]]), 4.0)",
    ),
    look="""\
print(*kfac_direction(np.array([[8.0]]), np.array([8.0]), np.diag([2.0, 1.0]), np.array([[4.0]])))
# -1 and -2: each gradient divided by its two factors
""",
)

EXERCISES = (
    MODEL,
    NEWTON,
    SADDLE_FREE,
    UPDATE,
    DIRECTION,
    MISLEADING,
    OUTPUT_GRADIENTS,
    FACTORS,
    LAYER_DIRECTION,
    NEWTON.in_torch(points=4),
    UPDATE.in_torch(points=2, optional=True),
    DIRECTION.in_torch(points=6),
)
