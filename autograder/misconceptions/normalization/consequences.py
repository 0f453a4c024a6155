"""Wrong answers about what follows from batch normalization: folding, rates, debiasing."""

from autograder.misconceptions.records import SLIP, another_default, fundamental, grouped, wrong

FOLD = wrong(
    "fold_batchnorm",
    (
        "no eps",
        "Test mode divides by the root of more than the running variance. What else is under it?",
        SLIP,
        (' + bn_param.get("eps", 1e-5))', ")"),
    ),
    (
        "eps outside the root",
        "Read (BN.3) once more: what exactly is eps added to?",
        SLIP,
        (
            'np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))',
            '(np.sqrt(bn_param["running_var"]) + bn_param.get("eps", 1e-5))',
        ),
    ),
    another_default("eps", 'bn_param.get("eps", 1e-5)', 'bn_param.get("eps", 1e-3)'),
    (
        "eps hard-coded",
        "The caller may choose eps. Where does the function learn about it?",
        SLIP,
        ('bn_param.get("eps", 1e-5)', "1e-5"),
    ),
    (
        "divided by the variance",
        "Write test mode for one feature as a·x + b. Which root stands under a?",
        (
            'np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))',
            '(bn_param["running_var"] + bn_param.get("eps", 1e-5))',
        ),
    ),
    (
        "gamma forgotten",
        "Write test mode for one feature as a·x + b. Which learned number is a factor of a?",
        ("gamma / np.sqrt", "1 / np.sqrt"),
    ),
    (
        "beta forgotten",
        "Feed in x = 0 and b = running_mean: what does test mode answer, and what do you?",
        (" * scale + beta", " * scale"),
    ),
    (
        "beta scaled too",
        "In which order does batch norm scale and shift? Follow beta from there to the output.",
        (
            '(b - bn_param["running_mean"]) * scale + beta',
            '(b - bn_param["running_mean"] + beta) * scale',
        ),
    ),
    (
        "running mean forgotten",
        "Write test mode for one feature as a·x + b. What does the running mean add to b?",
        ('(b - bn_param["running_mean"])', "b"),
    ),
    (
        "running mean not scaled",
        "The running mean is subtracted before the division. Follow it through to the output.",
        ('(b - bn_param["running_mean"]) * scale', '(b * scale - bn_param["running_mean"])'),
    ),
    (
        "bias not scaled",
        "The affine layer's own b goes through the batch norm as well. What happens to it there?",
        ('(b - bn_param["running_mean"]) * scale', '(b - bn_param["running_mean"] * scale)'),
    ),
    (
        "wrong sign of the running mean",
        "Feed in an x for which x @ W + b is just the running mean: the answer must be beta.",
        ('(b - bn_param["running_mean"])', '(b + bn_param["running_mean"])'),
    ),
    (
        "rows of W scaled",
        "Column j of W makes feature j. Which axis of W belongs to the features?",
        fundamental("the shapes collide in every call"),
        ("W_folded = W * scale", "W_folded = W * scale[:, None]"),
    ),
    (
        "W and b are changed",
        "After the call the caller's W is no longer what it was: a statement such as *= writes "
        "into it. The network may still want to train.",
        SLIP,
        ("W_folded = W * scale", "W *= scale\n    W_folded = W"),
        (
            'b_folded = (b - bn_param["running_mean"]) * scale + beta',
            'b -= bn_param["running_mean"]\n    b *= scale\n    b += beta\n    b_folded = b',
        ),
    ),
)

EFFECTIVE_RATE = wrong(
    "effective_learning_rate",
    (
        "L2 with the factor ½",
        "What is the gradient of reg · w², when there is no ½ in front to cancel anything?",
        ("1 - 2 * learning_rate * reg", "1 - learning_rate * reg"),
    ),
    (
        "L2 forgotten",
        "The step also pulls w towards zero. What does that do to its length?",
        ("1 - 2 * learning_rate * reg", "1"),
    ),
    (
        "shrinking not squared",
        "When a column becomes half as long, what happens to the square of its length?",
        ("shrink**2 *", "shrink *"),
    ),
    (
        "learning rate not squared",
        "A step twice as long: what happens to the square of its length?",
        ("learning_rate**2 *", "learning_rate *"),
    ),
    (
        "divided by the length, not by its square",
        "Make w ten times as long: the gradient becomes ten times smaller, and the same step "
        "turns a vector that is ten times longer. How often does the ten count?",
        ("learning_rate / (kept + added)", "learning_rate / np.sqrt(kept + added)"),
    ),
    (
        "the length before the step",
        "The step itself makes w longer. Which length is asked for, before or after?",
        ("learning_rate / (kept + added)", "learning_rate / (W**2).sum(axis=0)"),
    ),
    (
        "the step shortens w",
        "The gradient is orthogonal to w. Draw both: is the sum longer or shorter than w?",
        ("kept + added", "kept - added"),
    ),
    (
        "lengths added in place of squares",
        "Two sides of a right angle: what do you know about the third?",
        (
            "learning_rate / (kept + added)",
            "learning_rate / (np.sqrt(kept) + np.sqrt(added)) ** 2",
        ),
    ),
    (
        "one rate for the whole of W",
        "Every feature is normalized on its own, so each column of W has a length of its own.",
        fundamental("one number where there is one for each column"),
        ("(W**2).sum(axis=0)", "(W**2).sum()"),
        ("(dW**2).sum(axis=0)", "(dW**2).sum()"),
    ),
    (
        "rows in place of columns",
        "Column j of W makes feature j. How many rates should there be?",
        ("(W**2).sum(axis=0)", "(W**2).sum(axis=1)"),
        ("(dW**2).sum(axis=0)", "(dW**2).sum(axis=1)"),
    ),
    (
        "rows in place of columns, of the new W",
        "Column j of W makes feature j. How many rates should there be?",
        grouped("rows in place of columns"),
        (
            "learning_rate / (kept + added)",
            "learning_rate / ((shrink * W - learning_rate * dW) ** 2).sum(axis=1)",
        ),
    ),
    (
        "the squared length is returned",
        "You return how long w is. How fast does the direction of such a w turn?",
        ("learning_rate / (kept + added)", "kept + added"),
    ),
    (
        "W is changed",
        "After the call the caller's W has taken the step. Only the rate was asked for.",
        SLIP,
        (
            "    return learning_rate",
            "    W -= learning_rate * (dW + 2 * reg * W)\n    return learning_rate",
        ),
    ),
)

DEBIAS = wrong(
    "debias_running",
    (
        "momentum times steps",
        "Each batch keeps a fraction of what was there. After two batches, is that fraction "
        "doubled, or is it a fraction of a fraction?",
        ("momentum**steps", "momentum * steps"),
    ),
    (
        "steps ignored",
        "After a thousand batches nothing is left of the start at zero. "
        "What does your correction do then?",
        ("momentum**steps", "momentum"),
    ),
    (
        "power of the wrong fraction",
        "Which fraction of the start at zero survives one batch: momentum, or the rest?",
        ("1 - momentum**steps", "1 - (1 - momentum) ** steps"),
    ),
    (
        "power taken after the subtraction",
        "What is too small is the weight of all batches together. "
        "Subtract what is left of the start from the whole: in which order?",
        ("(1 - momentum**steps)", "(1 - momentum) ** steps"),
    ),
    (
        "one step too many",
        "After the first batch, how often has the start at zero been multiplied by momentum?",
        ("momentum**steps", "momentum ** (steps + 1)"),
    ),
    (
        "one step too few",
        "After the first batch your correction divides by zero. How often has the start been "
        "multiplied by momentum by then?",
        ("momentum**steps", "momentum ** (steps - 1)"),
    ),
    (
        "multiplied in place of divided",
        "A statistic that started at zero is too small. Does your correction make it larger?",
        ("running / (1", "running * (1"),
    ),
    (
        "running is changed",
        "After the call the caller's running statistic has been corrected too, and the next batch "
        "would go on from there. Make a new array.",
        SLIP,
        (
            "return running / (1 - momentum**steps)",
            "running /= 1 - momentum**steps\n    return running",
        ),
    ),
)

SEPARATING = wrong(
    "separating_input",
    (
        "values around zero",
        "A difference loses digits when two nearly equal numbers are subtracted that are large "
        "beside it. What are the two numbers here, and when are they large?",
        ("10_000 + spread", "0 + spread"),
    ),
    (
        "a constant feature",
        "Both outputs are zero when nothing varies. There has to be a spread that gets lost.",
        ("spread.reshape(-1, 1)", "0 * spread.reshape(-1, 1)"),
    ),
    (
        "float64",
        "In float64 there are about 16 digits, and the flaw hides. Which type has fewer?",
        ("dtype=np.float32", "dtype=np.float64"),
    ),
    (
        "values too large",
        "At this size the numbers themselves have no room for a spread any more, and every "
        "implementation fails. Where does only the square run out of digits?",
        ("10_000 + spread", "1_000_000_000 + spread"),
    ),
    (
        "not a batch of rows",
        "x needs two axes, (N, D), even with a single feature.",
        ("spread.reshape(-1, 1)", "spread"),
    ),
    (
        "a mean that is not large enough",
        "The values are away from zero, but their squares still have room for the spread. "
        "How many digits has float32, and how many do the squares need?",
        ("10_000 + spread", "30 + spread"),
    ),
)
MISCONCEPTIONS = (*FOLD, *EFFECTIVE_RATE, *DEBIAS, *SEPARATING)
