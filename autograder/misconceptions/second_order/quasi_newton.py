"""Wrong answers about BFGS and L-BFGS."""

import numpy as np

from autograder.checking.spec import Misconception
from autograder.misconceptions.records import SLIP, fundamental, grouped, ids_of, wrong

GUARD = "    if y @ s <= 0:\n        return M.copy()\n"


def _other_formula(name, hint, function):
    """Return misconceptions with another update than that of BFGS."""
    return tuple(
        Misconception(exercise_id, name, hint, functions={"bfgs_update": function})
        for exercise_id in ids_of("bfgs_update")
    )


def update_of_the_hessian(M, s, y):
    """Correct M as if it stood for the Hessian."""
    if y @ s <= 0:
        return M.copy()
    Ms = M @ s
    return M + np.outer(y, y) / (y @ s) - np.outer(Ms, Ms) / (s @ Ms)


def update_of_rank_one(M, s, y):
    """Correct M by one outer product."""
    if y @ s <= 0:
        return M.copy()
    error = s - M @ y
    return M + np.outer(error, error) / (error @ y)


def update_by_dfp(M, s, y):
    """Correct M by the formula of Davidon, Fletcher and Powell."""
    if y @ s <= 0:
        return M.copy()
    My = M @ y
    return M - np.outer(My, My) / (y @ My) + np.outer(s, s) / (y @ s)


UPDATE = (
    *_other_formula(
        "the formula for the Hessian",
        "Multiply your result by y: it should give s, because M stands for the inverse Hessian. "
        "Yours turns s into y.",
        update_of_the_hessian,
    ),
    *_other_formula(
        "a correction of rank one",
        "Your result turns y into s, but so do many matrices. This one was corrected by a single "
        "outer product, and may stop being positive definite. How many does (BFGS.2) have?",
        update_of_rank_one,
    ),
    *_other_formula(
        "the formula of Davidon, Fletcher and Powell",
        "Your result turns y into s, but so do many matrices. This is an older method's. "
        "Multiply (BFGS.2) out: are there products of s with another vector in yours?",
        update_by_dfp,
    ),
    *wrong(
        "bfgs_update",
        (
            "s and y swapped",
            "Multiply your result by y: does s come out, or is it the other way round?",
            ("    if y @ s <= 0:", "    s, y = y, s\n    if y @ s <= 0:"),
        ),
        (
            "y for s in the last term",
            "Multiply your result by y: s should come out. Which of the two vectors makes the "
            "last term?",
            (
                "rho * (1 + rho * (y @ My)) * np.outer(s, s)",
                "rho * (rho * (y @ My) * np.outer(s, s) + np.outer(y, y))",
            ),
        ),
        (
            "a pair without positive curvature is used",
            "Where y·s is negative, the new M leads uphill; where it is zero, you divide by zero. "
            "What should such a pair teach?",
            (GUARD, ""),
        ),
        (
            "only a tiny y·s is refused",
            "Where y·s is far below zero, the new M leads uphill. Which sign must the curvature "
            "have?",
            ("y @ s <= 0", "abs(y @ s) < 1e-10"),
        ),
        (
            "only a negative y·s is refused",
            "What is divided by y·s? Think of a gradient that changes at right angles to the step.",
            ("y @ s <= 0", "y @ s < 0"),
        ),
        (
            "the pairs of positive curvature are refused",
            "Most pairs leave your M as it was, and those that should do not. Look at your "
            "condition once more.",
            fundamental("nothing is learned where it should be, and the reverse"),
            ("y @ s <= 0", "y @ s >= 0"),
        ),
        (
            "everything forgotten after a bad pair",
            "A bad pair teaches nothing, but what earlier pairs have taught is not wrong. What "
            "should M be afterwards?",
            ("return M.copy()", "return np.eye(len(s), dtype=s.dtype)"),
        ),
        (
            "the last term forgotten",
            "Multiply your result by y: zeros come out. Which term of (BFGS.2) puts s there?",
            ("rho * (1 + rho", "rho * (rho"),
        ),
        (
            "rho missing once",
            "Make s and y ten times as long: y·s becomes a hundred times as large, and M should "
            "stay the same. Count the powers of rho in each term.",
            ("(1 + rho * (y @ My))", "(1 + y @ My)"),
        ),
        (
            "rho missing in the last term",
            "Make s and y ten times as long: y·s becomes a hundred times as large, and M should "
            "stay the same. What does your last term do?",
            grouped("rho missing once"),
            ("rho * (1 + rho * (y @ My))", "(1 + rho * rho * (y @ My))"),
        ),
        (
            "the two factors exchanged",
            "M stands between a matrix and its transpose, and your update does not fulfil M_next @ "
            "y = s. Which of the two stands on the left?",
            ("My = M @ y", "Ms = M @ s"),
            ("np.outer(s, My)", "np.outer(y, Ms)"),
            (
                "squares = rho * (1 + rho * (y @ My)) * np.outer(s, s)",
                "squares = rho * np.outer(s, s) + rho**2 * (s @ Ms) * np.outer(y, y)",
            ),
        ),
        (
            "not symmetric",
            "Compare your result with its transpose. M stands between two factors that mirror "
            "each other; do both act in yours?",
            ("mixed + mixed.T", "2 * mixed"),
        ),
        (
            "products element by element",
            "A column times a row is a matrix of D × D products. How many numbers has yours?",
            ("np.outer(s, My)", "(s * My)"),
        ),
        (
            "mixed terms added",
            "Multiply your result by y: s should come out. Which signs do the mixed products have "
            "when the factors of (BFGS.2) are multiplied out?",
            ("M - rho", "M + rho"),
        ),
        (
            "rho from the length of y",
            "By which number is each outer product divided? Multiply your result by y and see "
            "whether s comes out.",
            ("rho = 1 / (y @ s)", "rho = 1 / (y @ y)"),
        ),
        (
            "M is changed",
            "After the call the caller's M has been corrected too: -= writes into it. Make a new "
            "matrix.",
            SLIP,
            (
                "return M - rho * (mixed + mixed.T) + squares",
                "M -= rho * (mixed + mixed.T)\n    M += squares\n    return M",
            ),
        ),
    ),
)

DIRECTION = wrong(
    "lbfgs_direction",
    (
        "the history read backwards",
        "Which pair knows the curvature here best, the newest or the oldest? The outermost "
        "correction, which comes first, is its.",
        ("for s, y in reversed(pairs):", "for s, y in pairs:"),
        ("zip(pairs, reversed(alphas)", "zip(reversed(pairs), reversed(alphas)"),
    ),
    (
        "uphill once there is a pair",
        "Without a pair your direction is −dw. Which sign has it with pairs?",
        grouped("uphill"),
        ("return -q", "return q if pairs else -q"),
    ),
    (
        "both loops run from newest to oldest",
        "The first loop goes in, the second comes out again. In which order does one come out?",
        ("zip(pairs, reversed(alphas)", "zip(reversed(pairs), alphas"),
    ),
    (
        "both loops run from oldest to newest",
        "The first loop goes in, the second comes out again. Which pair comes first on the way in?",
        ("for s, y in reversed(pairs):", "for s, y in pairs:"),
        ("reversed(alphas)", "alphas"),
    ),
    (
        "alphas of other pairs",
        "The second loop meets the pairs in another order than the first did. Whose alpha does "
        "it take?",
        ("reversed(alphas)", "alphas"),
    ),
    (
        "no scaling between the loops",
        "Measure the loss in other units, so that every y is ten times as large. Directions that "
        "no pair has seen should shrink too. What sets their scale?",
        ("q *= (s @ y) / (y @ y)", "q *= 1"),
    ),
    (
        "the scaling upside down",
        "A strong curvature makes y long. Should that make the step longer or shorter?",
        ("(s @ y) / (y @ y)", "(y @ y) / (s @ y)"),
    ),
    (
        "scaled by s·s / s·y",
        "That number has the right units and is a curvature's inverse as well, but a larger one. "
        "Compare it with the gamma that the formula names.",
        ("(s @ y) / (y @ y)", "(s @ s) / (s @ y)"),
    ),
    (
        "scaled by the oldest pair",
        "Which pair knows the curvature here best, the newest or the oldest?",
        ("pairs[-1]", "pairs[0]"),
    ),
    (
        "scaled at the very end",
        "The pairs know the length of the step along themselves; only what they have not seen "
        "needs a scale. Between which two parts of the work does it belong?",
        ("q *= (s @ y) / (y @ y)", "gamma = (s @ y) / (y @ y)"),
        ("return -q", "return -gamma * q if pairs else -q"),
    ),
    (
        "uphill",
        "Without any pair the direction must go down the gradient. Does yours?",
        ("return -q", "return q"),
    ),
    (
        "rho from the length of y",
        "By which number is alpha divided? With one pair and the gradient y, the direction must "
        "be −s.",
        ("(s @ q) / (y @ s)", "(s @ q) / (y @ y)"),
    ),
    (
        "s in place of y in beta",
        "In the second loop the roles of s and y are changed. Whose product with the vector is "
        "taken there?",
        ("beta = (y @ q)", "beta = (s @ q)"),
    ),
    (
        "S and Y swapped",
        "With one pair and the gradient y, the direction must be −s. What do you get?",
        ("zip(S, Y", "zip(Y, S"),
    ),
    (
        "y added in the second loop",
        "The result is a step, so it is made of steps. What do you add to it in the second loop?",
        ("(alpha - beta) * s", "(alpha - beta) * y"),
    ),
    (
        "the difference of alpha and beta reversed",
        "With one pair and the gradient y, the direction must be −s. Follow the sign through the "
        "second loop.",
        ("(alpha - beta)", "(beta - alpha)"),
    ),
    (
        "s removed in the first loop",
        "The first loop takes out of the gradient what the pairs explain, and y is what a "
        "gradient looks like. What do you take out?",
        ("q -= alphas[-1] * y", "q -= alphas[-1] * s"),
    ),
    (
        "the newest pair only",
        "With one pair all is well. What do the other pairs change in your result?",
        ("zip(S, Y, strict=True))", "zip(S, Y, strict=True))[-1:]"),
    ),
    (
        "no second loop",
        "What the first loop took out has to come back, as a step. Where does that happen?",
        ("q += (alpha - beta) * s", "pass"),
    ),
    (
        "dw is changed",
        "After the call the caller's gradient is no longer what it was. Which statement writes "
        "into it?",
        SLIP,
        ("dw.copy()", "dw"),
    ),
)

MISLEADING = (
    *wrong(
        "misleading_pair",
        (
            "positive curvature",
            "Here the gradient grows along the step, as in a bowl, and then the method is right. "
            "Which sign must y·s have to deceive it?",
            ("[-1.0, 0.5]", "[1.0, 0.5]"),
        ),
        (
            "no curvature",
            "Your y is at right angles to s. That stops the method with a division by zero; "
            "to lead it uphill, y must have a part along s.",
            ("[-1.0, 0.5]", "[0.0, 0.5]"),
        ),
        (
            "no gradient",
            "Where the gradient is zero nothing goes up or down. Choose a place on a slope.",
            ("[0.0, 1.0]", "[0.0, 0.0]"),
        ),
        (
            "not vectors",
            "All three are vectors of the same D numbers, (D,), without a second axis.",
            ("return s, y, np", "return s[None], y[None], np"),
        ),
        (
            "infinite numbers",
            "A pair that is not finite stops any method. This bug needs quite ordinary numbers.",
            ("[-1.0, 0.5]", "[-np.inf, 0.5]"),
        ),
    ),
    *wrong(
        "misleading_pair",
        (
            "your own direction is wrong",
            "Your lbfgs_direction goes another way than the formula does after this pair, so it "
            "shows nothing about the bug. Pass its check first.",
            ("q *= (s @ y) / (y @ y)", "q *= 1"),
        ),
        edited="lbfgs_direction",
    ),
)
MISCONCEPTIONS = (*UPDATE, *DIRECTION, *MISLEADING)
