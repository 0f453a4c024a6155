"""Wrong answers about the models of a loss, and about the steps that they suggest."""

from autograder.misconceptions.records import SLIP, fundamental, grouped, wrong

SOLVED = "np.linalg.solve(H_damped, dw)"

MODEL = wrong(
    "taylor_model",
    (
        "half forgotten",
        "Integrate a slope that grows steadily from 0: the area of a triangle. Which factor stands "
        "before the curvature term?",
        ("0.5 * ((d @ H) * d)", "((d @ H) * d)"),
    ),
    (
        "the point in place of the distance",
        "At w0 itself both models must give the loss that was measured there. Do yours?",
        ("d = w - w0", "d = w"),
    ),
    (
        "the point in place of the distance in the slope",
        "At w0 itself both models must give the loss that was measured there. Do yours?",
        grouped("the point in place of the distance"),
        ("loss + d @ dw", "loss + w @ dw"),
    ),
    (
        "the distance points the wrong way",
        "Take a step against the gradient: the first-order model must fall. Which way does your "
        "distance point?",
        ("d = w - w0", "d = w0 - w"),
    ),
    (
        "the loss at w0 forgotten",
        "At w0 itself both models must give the loss that was measured there. Do yours?",
        ("first = loss + d @ dw", "first = d @ dw"),
    ),
    (
        "curvature of the axes only",
        "You use the diagonal of H alone. What does an entry off the diagonal say about a step "
        "that moves two parameters at once?",
        ("((d @ H) * d)", "(d * np.diag(H) * d)"),
    ),
    (
        "the second-order model without the slope",
        "The second-order model adds something to the first-order one. Is all of that still there?",
        ("second = first + 0.5", "second = loss + 0.5"),
    ),
    (
        "curvature subtracted",
        "In a bowl the loss lies above its tangent. Does your second-order model?",
        ("second = first + 0.5", "second = first - 0.5"),
    ),
    (
        "the product squared",
        "The distance stands on both sides of H, once each. How often does H appear in yours?",
        ("((d @ H) * d)", "((d @ H) ** 2)"),
    ),
    (
        "summed over the points",
        "Every point has a prediction of its own. Along which axis do the parameters lie?",
        fundamental("the shapes collide, so every call stops"),
        (".sum(axis=1)", ".sum(axis=0)"),
    ),
    (
        "w is changed",
        "After the call the caller's w is no longer what it was: -= writes into it.",
        SLIP,
        ("d = w - w0", "w -= w0\n    d = w"),
    ),
)

NEWTON = wrong(
    "newton_step",
    (
        "inverse multiplied element by element",
        "A matrix times a vector is a vector of D numbers. How many numbers does your step have, "
        "and which sign of multiplication did you use?",
        (SOLVED, "np.linalg.inv(H_damped) * dw"),
    ),
    (
        "divided by the Hessian element by element",
        "The inverse of a matrix is not the matrix of inverses. What must come out when you "
        "multiply H by your step?",
        (SOLVED, "dw / H_damped"),
    ),
    (
        "diagonal only",
        "You divide each slope by its own curvature. That is right where no two parameters "
        "influence each other. Where do you see in H that they do?",
        (SOLVED, "dw / np.diag(H_damped)"),
    ),
    (
        "multiplied by the Hessian",
        "Where the loss is strongly curved a step should be short. Is yours?",
        (SOLVED, "H_damped @ dw"),
    ),
    (
        "wrong direction",
        "Try one dimension by hand: the loss w² at w = 1. Where is the minimum, and where do you "
        "go?",
        ("return w - np.", "return w + np."),
    ),
    (
        "damping forgotten",
        "With a huge damping the step should become tiny. Does yours change at all?",
        ("damping * np.eye", "0 * np.eye"),
    ),
    (
        "damping subtracted",
        "With a huge damping the step should become tiny, and go downhill. Try 1,000.",
        ("H_damped = H + damping", "H_damped = H - damping"),
    ),
    (
        "damping added to every element",
        "A number plus a matrix reaches every element. On which of them does the identity have "
        "its ones?",
        ("np.eye(len(w)", "np.ones((len(w), len(w))"),
    ),
    (
        "damping scaled by the diagonal",
        "Damping should raise every curvature by the same amount. How much does yours add to one "
        "that is zero?",
        ("damping * np.eye", "damping * np.diag(H) * np.eye"),
    ),
    (
        "damping shortens the step only",
        "You shorten the whole step. Damping should hardly touch it where the curvature is large; "
        "where does it have to be added?",
        (SOLVED, "np.linalg.solve(H, dw) / (1 + damping)"),
    ),
    (
        "the step is returned",
        "You returned the way to go. Asked for is the place where it ends.",
        ("return w - np.", "return -np."),
    ),
    (
        "w is changed",
        "After the call the caller's w has moved: -= writes into it. Make a new array.",
        SLIP,
        (f"return w - {SOLVED}", f"w -= {SOLVED}\n    return w"),
    ),
    (
        "H is changed",
        "After the call the damping sits in the caller's H as well, and the next call adds it "
        "again. Make a new matrix.",
        SLIP,
        ("H_damped = H + damping", "H_damped = H\n    H_damped += damping"),
    ),
)

SADDLE_FREE = wrong(
    "saddle_free_step",
    (
        "the signs kept",
        "Along a direction of negative curvature the loss has a maximum. Does your step go to it "
        "or away from it?",
        ("abs(h)", "h"),
    ),
    (
        "negative curvature cut off",
        "You replaced every negative curvature by one tiny number. What length does the step then "
        "have along those directions?",
        ("abs(h)", "np.clip(h, 1e-3, None)"),
    ),
    (
        "negative curvature counted as none",
        "You replaced every negative curvature by almost nothing. What length does the step then "
        "have along those directions?",
        grouped("negative curvature cut off"),
        ("abs(h)", "np.clip(h, 1e-12, None)"),
    ),
    (
        "absolute values of the elements",
        "What must lose its sign are the curvatures along the eigenvectors. Is the sign of an "
        "element of H the sign of a curvature?",
        ("np.linalg.eigh(H)", "np.linalg.eigh(abs(H))"),
    ),
    (
        "squares in place of absolute values",
        "Twice the curvature should halve the step. What does it do to yours?",
        ("abs(h)", "h**2"),
    ),
    (
        "curvatures applied to the coordinates",
        "You divided the slope along an axis by the curvature along an eigenvector. In which "
        "directions do the curvatures hold?",
        ("Q @ ((Q.T @ dw) / (abs(h) + damping))", "dw / (abs(h) + damping)"),
    ),
    (
        "damping before the absolute value",
        "A damping as large as a negative curvature cancels it in your step. In which order are "
        "the two done?",
        ("(abs(h) + damping)", "abs(h + damping)"),
    ),
    (
        "damping forgotten",
        "With a huge damping the step should become tiny. Does yours change at all?",
        ("abs(h) + damping", "abs(h)"),
    ),
    (
        "rows taken for eigenvectors",
        "The eigenvectors are the columns of the matrix that came back. Which product gives the "
        "components of the gradient along them?",
        ("Q @ ((Q.T @ dw)", "Q.T @ ((Q @ dw)"),
    ),
    (
        "wrong direction",
        "Whatever the curvature, a step against the gradient is what lowers the loss at first. "
        "Which way do you go?",
        ("return w - step", "return w + step"),
    ),
    (
        "curvature of the axes only",
        "You used the diagonal of H. Are the axes its eigenvectors?",
        ("Q @ ((Q.T @ dw) / (abs(h) + damping))", "dw / (abs(np.diag(H)) + damping)"),
    ),
    (
        "w is changed",
        "After the call the caller's w has moved: -= writes into it. Make a new array.",
        SLIP,
        ("return w - step", "w -= step\n    return w"),
    ),
)
MISCONCEPTIONS = (*MODEL, *NEWTON, *SADDLE_FREE)
