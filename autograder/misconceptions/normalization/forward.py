"""Wrong forward passes of batch normalization."""

from autograder.misconceptions.records import (
    SLIP,
    another_default,
    grouped,
    in_one_place_too,
    judged_by,
    wrong,
)

MU = "mu = x.mean(axis=0, dtype=float).astype(x.dtype)"
VAR = "(x_mu**2).mean(axis=0, dtype=float).astype(x.dtype)"

MISCONCEPTIONS = wrong(
    "batchnorm_forward",
    (
        "no eps",
        "A feature that is the same in the whole batch has variance 0. "
        "What do you divide by then, and what is in (BN.3) against it?",
        SLIP,
        ("np.sqrt(var + eps)", "np.sqrt(var)"),
    ),
    (
        "eps outside the root",
        "Read (BN.3) once more: what exactly is eps added to? "
        "With an eps as small as usual nobody would notice; here eps is large.",
        SLIP,
        ("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
    ),
    (
        "eps outside the root in training",
        "Test mode divides as (BN.3) says. Does train mode divide by the same expression?",
        SLIP,
        grouped("eps outside the root"),
        (
            "np.sqrt(var + eps)",
            'np.sqrt(var) + eps if mode == "train" else np.sqrt(var + eps)',
        ),
    ),
    (
        "no eps in training",
        "A feature that never changes has variance 0. What is 0 divided by 0, and what does eps do "
        "about it in (BN.3)?",
        SLIP,
        ("np.sqrt(var + eps)", 'np.sqrt(var + eps * (mode == "test"))'),
    ),
    (
        "beta added before the scaling in training",
        "With gamma = 0 every output should be beta; yours is 0. In which order does (BN.4) "
        "scale and shift?",
        grouped("beta added before the scaling"),
        ("gamma * x_hat + beta", 'gamma * x_hat + beta * (gamma if mode == "train" else 1)'),
    ),
    (
        "test mode forgets gamma",
        "Train mode scales and shifts. Does test mode do both too?",
        ("gamma * x_hat + beta", '(gamma if mode == "train" else 1) * x_hat + beta'),
    ),
    (
        "no shift in test mode",
        "Train mode scales and shifts. Does test mode do both too?",
        ("        var = running_var\n", "        var = running_var\n        beta = 0 * beta\n"),
    ),
    (
        "not centred in training",
        "Your outputs have the mean of x still in them. What stands in the numerator of (BN.3)?",
        ("    elif mode", "        x_mu = x\n    elif mode"),
    ),
    (
        "eps kept inside running_var",
        "A feature that never changes should end with a running variance of 0; yours does not. "
        "What belongs to the statistic, and what only to the division?",
        (VAR, "(x_mu**2).mean(axis=0) + eps"),
        ("np.sqrt(var + eps)", 'np.sqrt(var + eps * (mode == "test"))'),
    ),
    (
        "test mode without eps",
        "In train mode your division is right. Does test mode divide by the same expression?",
        SLIP,
        ("np.sqrt(var + eps)", 'np.sqrt(var + eps * (mode == "train"))'),
    ),
    (
        "test mode forgets gamma and beta",
        "In test mode your output has mean about 0 and spread about 1, whatever was learned. "
        "Which of the steps (BN.1) to (BN.4) do both modes share?",
        ("out = gamma * x_hat + beta", 'out = gamma * x_hat + beta if mode == "train" else x_hat'),
    ),
    (
        "running_var holds the standard deviation",
        "Your running_var grows like the spread of x, not like its square. "
        "Which of your variables goes into (BN.6)?",
        ("(1 - momentum) * var", "(1 - momentum) * np.sqrt(var + eps)"),
    ),
    (
        "running_var holds the root of the variance",
        "Double x: a variance becomes four times as large. What does your running_var do?",
        ("(1 - momentum) * var", "(1 - momentum) * np.sqrt(var)"),
    ),
    (
        "running statistics start at the first batch",
        "Whoever starts at zero is far off at first; you start at the first batch. Where do (BN.5) "
        "and (BN.6) start by the docstring, and which share has the first batch then?",
        (
            "momentum * running_mean + (1 - momentum) * mu",
            '(mu if "running_mean" not in bn_param else '
            "momentum * running_mean + (1 - momentum) * mu)",
        ),
        (
            "momentum * running_var + (1 - momentum) * var",
            '(var if "running_var" not in bn_param else '
            "momentum * running_var + (1 - momentum) * var)",
        ),
    ),
    (
        "scaled and shifted before the normalization",
        "Double gamma and beta: the output should double, and yours stays as it is. What does "
        "(BN.3) make of a scale and a shift that were there before it?",
        ("    mode = bn_param", "    x = (gamma * x + beta).astype(x.dtype)\n    mode = bn_param"),
        ("gamma * x_hat + beta", "x_hat"),
    ),
    (
        "beta added before the scaling",
        "With gamma = 0 every output should be beta; yours is 0. In which order does (BN.4) "
        "scale and shift?",
        ("gamma * x_hat + beta", "gamma * (x_hat + beta)"),
    ),
    (
        "running statistics overwritten with their old values",
        "You store the new running statistics and later store something else under the same keys. "
        "Print bn_param at the end of the function.",
        (
            "    return out, (x_hat, gamma, std)",
            '    bn_param["running_mean"] = running_mean\n'
            '    bn_param["running_var"] = running_var\n'
            "    return out, (x_hat, gamma, std)",
        ),
    ),
    *in_one_place_too(
        "running statistics not stored",
        "The running statistics change inside the function only. "
        "Where will the next call look for them?",
        ('bn_param["running_mean"] = momentum', "running_mean = momentum"),
        ('bn_param["running_var"] = momentum', "running_var = momentum"),
    ),
    *in_one_place_too(
        "running statistics of the last batch only",
        "After three batches your running statistics know nothing of the first two. "
        "What is momentum for?",
        ("momentum * running_mean + (1 - momentum) * mu", "mu"),
        ("momentum * running_var + (1 - momentum) * var", "var"),
    ),
    *in_one_place_too(
        "running statistics add up",
        "Feed the same batch many times: your running mean grows without end, and should settle. "
        "How much of the old value is kept?",
        ("momentum * running_mean +", "running_mean +"),
        ("momentum * running_var +", "running_var +"),
    ),
    *in_one_place_too(
        "momentum the other way round",
        "There are two conventions: momentum as the fraction of the old value, and PyTorch's, as "
        "that of the new one. Which one does the description of bn_param name?",
        (
            "momentum * running_mean + (1 - momentum) * mu",
            "(1 - momentum) * running_mean + momentum * mu",
        ),
        (
            "momentum * running_var + (1 - momentum) * var",
            "(1 - momentum) * running_var + momentum * var",
        ),
    ),
    (
        "running_var starts at one",
        "PyTorch starts the running variance at 1. Where does it start in this course?",
        (
            'bn_param.get("running_var", np.zeros_like(gamma))',
            'bn_param.get("running_var", np.ones_like(gamma))',
        ),
    ),
    (
        "momentum hard-coded",
        "The caller may choose momentum, and your running statistics do not care. "
        "Where does the function learn about it?",
        ('bn_param.get("momentum", 0.9)', "0.9"),
    ),
    another_default("eps", 'bn_param.get("eps", 1e-5)', 'bn_param.get("eps", 1e-3)'),
    another_default("momentum", 'bn_param.get("momentum", 0.9)', 'bn_param.get("momentum", 0.99)'),
    (
        "eps hard-coded",
        "The caller may choose eps, and your output does not care. "
        "Where does the function learn about it?",
        SLIP,
        ('bn_param.get("eps", 1e-5)', "1e-5"),
    ),
    (
        "test mode uses batch statistics",
        "In test mode one example must give the same output whoever else is in the batch. "
        "Which mean and variance do not depend on the batch?",
        ("x_mu = x - running_mean", "x_mu = x - x.mean(axis=0)"),
        ("var = running_var", "var = (x_mu**2).mean(axis=0)"),
    ),
    (
        "running statistics move in test mode",
        "Ask twice in test mode about the same input: your second answer differs from the first. "
        "In which mode do the statistics learn?",
        (
            "x_mu = x - running_mean",
            "mu, var = x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).mean(axis=0)\n"
            '        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu\n'
            '        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var\n'
            "        x_mu = x - running_mean",
        ),
    ),
    (
        "unbiased variance",
        "Over the batch itself the squares of x_hat should have the mean 1 (nearly: eps). Yours "
        "are a little small. By what do you divide the sum of squares in (BN.2)? Some functions "
        "choose for you: read their documentation.",
        judged_by("output of a training batch"),
        (VAR, "(x_mu**2).sum(axis=0) / (len(x) - 1)"),
    ),
    (
        "the variance is a sum",
        "Your variance grows with the number of examples. Which symbol in (BN.2) stops that?",
        (VAR, "(x_mu**2).sum(axis=0)"),
    ),
    (
        "variance around zero",
        "Add 100 to every x: the variance must stay the same, and yours does not. "
        "Around which point is the spread measured?",
        (VAR, "(x**2).mean(axis=0)"),
    ),
    (
        "one-pass variance",
        "Around 10,000 the squares are near 100,000,000, and float32 keeps about 7 digits. What is "
        "left of a spread of 1 when two such numbers are subtracted? Which of mean, difference and "
        "square should come first?",
        (VAR, "(x**2).mean(axis=0) - x.mean(axis=0) ** 2"),
    ),
    (
        "one mean and variance for all features",
        "All features share one mean and one variance here. "
        "How many means does (BN.1) give for x of shape (N, D)?",
        (MU, "mu = x.mean()"),
        ("x_mu -= x_mu.mean(axis=0)", "x_mu -= x_mu.mean()"),
        (VAR, "(x_mu**2).mean()"),
    ),
    (
        "statistics of each example, shapes collide",
        "There should be one mean for each of the D features. "
        "How many did you get, and along which axis did you walk?",
        (MU, "mu = x.mean(axis=1)"),
    ),
    (
        "statistics of each example",
        "Every row of your x_hat has mean 0; every column should. That would be another kind of "
        "normalization. Along which axis are the examples of a batch?",
        (MU, "mu = x.mean(axis=1, keepdims=True)"),
        ("x_mu -= x_mu.mean(axis=0)", "x_mu -= x_mu.mean(axis=1, keepdims=True)"),
        (VAR, "(x_mu**2).mean(axis=1, keepdims=True)"),
    ),
    (
        "divided by the variance",
        "Double x: x_hat must (nearly) stay the same, and yours becomes half as large. "
        "Is it the variance or its root that has the unit of x?",
        ("x_hat = x_mu * (1 / std)", "x_hat = x_mu / std**2"),
    ),
    (
        "divided by the variance in training",
        "Double x in train mode: x_hat must (nearly) stay the same, and yours becomes half as "
        "large. In test mode you do it right.",
        grouped("divided by the variance"),
        ("x_hat = x_mu * (1 / std)", 'x_hat = x_mu / std ** (2 if mode == "train" else 1)'),
    ),
    (
        "x is not centred",
        "Add 100 to every x: the output must stay the same, and yours does not. "
        "Which step of (BN.3) is missing?",
        ("x_hat = x_mu * (1 / std)", "x_hat = x / std"),
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
        "an unknown mode counts as test mode",
        "A typing error such as 'tset' now passes silently as test mode. "
        "What does the description say under Raises?",
        ('elif mode == "test":', "else:"),
        (
            "    else:\n"
            "        raise ValueError("
            "f\"bn_param['mode'] must be 'train' or 'test', not {mode!r}\")\n",
            "",
        ),
    ),
    (
        "x is changed",
        "After the call the caller's x is no longer what it was: a statement such as -= writes "
        "into it. Who else may still need x?",
        ("x_mu = x - mu  #", "x -= mu\n        x_mu = x  #"),
    ),
    (
        "out forced to float32",
        "float64 comes in and float32 goes out: half of the digits are lost. "
        "Where do you name a type, or make an array that has one of its own?",
        ("gamma * x_hat + beta", "(gamma * x_hat + beta).astype(np.float32)"),
    ),
)
