"""Wrong answers about K-FAC."""

from autograder.misconceptions.records import (
    SLIP,
    in_one_place_too,
    wrong,
)

RETURNED = "return p - one_hot[y], p - one_hot[drawn]"

OUTPUT_GRADIENTS = wrong(
    "kfac_output_gradients",
    (
        "the true labels twice",
        "With the true labels one gets the empirical Fisher matrix, which vanishes when the "
        "training set is known by heart. Whose labels does the Fisher matrix take?",
        ("p - one_hot[drawn]", "p - one_hot[y]"),
    ),
    (
        "the most probable label",
        "The model says 60 : 40, and you always take the first. What are the random numbers for?",
        ("below.sum(axis=1)", "p.argmax(axis=1)"),
    ),
    (
        "labels drawn evenly",
        "Every class is drawn equally often, whatever the model says. Draw from its probabilities.",
        ("below.sum(axis=1)", "(u * p.shape[1]).astype(int)"),
    ),
    (
        "one class too early",
        "A u close to 0 must draw the first class. Which one do you get?",
        ("below.sum(axis=1)", "below.sum(axis=1) - 1"),
    ),
    (
        "scores added up in place of probabilities",
        "The numbers that are added up must end at 1. Do scores?",
        ("p.cumsum", "scores.cumsum"),
    ),
    (
        "opposite sign",
        "Raise the score of the right class: the loss falls. Which sign has your gradient there?",
        (RETURNED, "return one_hot[y] - p, one_hot[drawn] - p"),
    ),
    (
        "divided by N",
        "Asked for is the gradient of each example's own loss. Where does the mean over the "
        "examples belong?",
        (RETURNED, "return (p - one_hot[y]) / len(p), (p - one_hot[drawn]) / len(p)"),
    ),
    (
        "one sum for all examples",
        "Each row has probabilities of its own, which add up to 1. Do yours?",
        ("exponentials.sum(axis=1, keepdims=True)", "exponentials.sum()"),
    ),
    (
        "large scores overflow",
        "exp(200) does not fit into float32. Probabilities stay the same when all scores of a row "
        "are moved by one number.",
        ("scores - np.amax(scores, axis=1, keepdims=True)", "scores"),
    ),
    (
        "scores are changed",
        "After the call the caller's scores are no longer what they were: -= writes into them.",
        SLIP,
        (
            "exponentials = np.exp(scores - np.amax(scores, axis=1, keepdims=True))",
            "scores -= np.amax(scores, axis=1, keepdims=True)\n    exponentials = np.exp(scores)",
        ),
    ),
)

FACTORS = wrong(
    "kfac_factors",
    (
        "no column for the bias",
        "The layer has a bias, whose input is always 1. Where is that in your A?",
        ("np.concatenate([a, np.ones_like(a[:, :1])], axis=1)", "a"),
    ),
    (
        "the bias first",
        "A must be ordered like the gradient that it will meet: the weights, then the bias.",
        ("[a, np.ones_like(a[:, :1])]", "[np.ones_like(a[:, :1]), a]"),
    ),
    (
        "sums in place of means",
        "Twice as many examples of the same kind must give the same factors. Do they?",
        ("A = a_bar.T @ a_bar / N", "A = a_bar.T @ a_bar"),
        ("S = g.T @ g / N", "S = g.T @ g"),
    ),
    (
        "S not divided by N",
        "Twice as many examples of the same kind must give the same factors. Does S stay?",
        ("S = g.T @ g / N", "S = g.T @ g"),
    ),
    (
        "S divided by N twice",
        "The gradients are already those of single examples. How often is a mean taken?",
        ("S = g.T @ g / N", "S = g.T @ g / N**2"),
    ),
    *in_one_place_too(
        "centred covariances",
        "Nothing in (KFAC.2) subtracts a mean. What would become of the 1 of the bias?",
        ("A = a_bar.T @ a_bar / N", "A = np.cov(a_bar.T, bias=True)"),
        ("S = g.T @ g / N", "S = np.cov(g.T, bias=True)"),
    ),
    (
        "the product of the means",
        "Positive and negative gradients cancel before you multiply. Which comes first, the "
        "product or the mean?",
        ("S = g.T @ g / N", "S = np.outer(g.mean(axis=0), g.mean(axis=0))"),
    ),
    (
        "the factors swapped",
        "A is as wide as the input with its bias. Which of yours is?",
        ("return A, S", "return S, A"),
    ),
    (
        "products between examples",
        "A factor has a row for each feature, not for each example. Along which axis do you sum?",
        ("g.T @ g", "g @ g.T"),
    ),
    (
        "g is changed",
        "After the call the caller's g is no longer what it was: /= writes into it.",
        SLIP,
        ("S = g.T @ g / N", "g /= N**0.5\n    S = g.T @ g"),
    ),
)

DIRECTION = wrong(
    "kfac_direction",
    (
        "the factors on the wrong sides",
        "dW has a row for each input and a column for each output. Which factor belongs to the "
        "rows? Where both are equally wide, nothing warns you.",
        ("np.linalg.solve(A_damped, dW_bar)", "np.linalg.solve(S_damped, dW_bar)"),
        ("np.linalg.solve(S_damped, left.T)", "np.linalg.solve(A_damped, left.T)"),
    ),
    (
        "multiplied by the factors",
        "Where the curvature is large a step should be short. Is yours?",
        ("np.linalg.solve(A_damped, dW_bar)", "A_damped @ dW_bar"),
        ("np.linalg.solve(S_damped, left.T)", "(S_damped @ left.T)"),
    ),
    (
        "the whole damping for each factor",
        "The product of the two factors is damped. If each gets all of it, how much is that "
        "together?",
        ("damping**0.5", "damping"),
    ),
    (
        "the damping shared out evenly",
        "A and S may have very different scales. What balances them in the formula?",
        ("pi = np.sqrt(np.trace(A) / len(A) / (np.trace(S) / len(S)))", "pi = 1.0"),
    ),
    (
        "the balance upside down",
        "The larger factor should get the larger fraction of the damping. Does it?",
        (
            "pi = np.sqrt(np.trace(A) / len(A) / (np.trace(S) / len(S)))",
            "pi = np.sqrt(np.trace(S) / len(S) / (np.trace(A) / len(A)))",
        ),
    ),
    (
        "traces not divided by their sizes",
        "A large matrix has a large trace even when its elements are small. What makes the two "
        "comparable?",
        ("np.trace(A) / len(A) / (np.trace(S) / len(S))", "np.trace(A) / np.trace(S)"),
    ),
    (
        "no damping",
        "With a huge damping the step should become tiny. Does yours change at all?",
        ("damping**0.5", "0.0"),
    ),
    (
        "uphill",
        "With A and S the identity the direction must go down the gradient. Does yours?",
        ("p = -np", "p = np"),
    ),
    (
        "the bias as the first row",
        "In A the bias comes last. Is it in the same place in the gradient?",
        ("[dW, db[None]]", "[db[None], dW]"),
        ("p[:-1], p[-1]", "p[1:], p[0]"),
    ),
    (
        "the bias left out",
        "The bias is one more row of the weights, and its inputs are not independent of the "
        "others. Where does your A act on it?",
        ("p[:-1], p[-1]", "p[:-1], -db"),
    ),
    (
        "A is changed",
        "After the call the caller's A is no longer what it was: += writes into it.",
        SLIP,
        ("A_damped = A + pi * root", "A_damped = A\n    A_damped += pi * root"),
    ),
)
MISCONCEPTIONS = (*OUTPUT_GRADIENTS, *FACTORS, *DIRECTION)
