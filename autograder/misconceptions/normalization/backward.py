"""Wrong backward passes of batch normalization, step by step and in one formula."""

from autograder.checking.spec import Misconception
from autograder.misconceptions.records import (
    fundamental,
    grouped,
    ids_of,
    in_one_place_too,
    wrong,
)

SUMS = (
    *in_one_place_too(
        "dgamma and dbeta summed over everything",
        "gamma has one number for each feature, so its gradient has too. "
        "Over which axis does one gamma reach into the outputs?",
        ("dbeta = dout.sum(axis=0)", "dbeta = dout.sum()"),
        ("(dout * x_hat).sum(axis=0)", "(dout * x_hat).sum()"),
    ),
    *in_one_place_too(
        "dgamma and dbeta summed over the features",
        "There are as many numbers in your dbeta as examples in the batch. "
        "How many beta are there, and which outputs does one of them reach?",
        fundamental("sums of this shape collide with all that follows"),
        ("dbeta = dout.sum(axis=0)", "dbeta = dout.sum(axis=1)"),
        ("(dout * x_hat).sum(axis=0)", "(dout * x_hat).sum(axis=1)"),
    ),
    (
        "dgamma and dbeta averaged over the batch",
        "The loss already says how the examples are weighted; it is inside dout. "
        "One beta reaches N outputs: what does the chain rule do with N paths?",
        ("dbeta = dout.sum(axis=0)", "dbeta = dout.mean(axis=0)"),
        ("(dout * x_hat).sum(axis=0)", "(dout * x_hat).mean(axis=0)"),
    ),
    (
        "dgamma averaged over the batch",
        "The loss already says how the examples are weighted; it is inside dout. "
        "One gamma reaches N outputs: what does the chain rule do with N paths?",
        grouped("dgamma and dbeta averaged over the batch"),
        ("(dout * x_hat).sum(axis=0)", "(dout * x_hat).mean(axis=0)"),
    ),
    (
        "dgamma from x - mu",
        "By what is gamma multiplied in (BN.4)? Your factor is larger by the spread of x.",
        ("(dout * x_hat).sum(axis=0)", "(dout * x_hat * std).sum(axis=0)"),
    ),
    (
        "dgamma and dbeta in the wrong order",
        "Both gradients are right, and each is where the other should be. "
        "In which order are they returned?",
        ("return dx, dgamma, dbeta", "return dx, dbeta, dgamma"),
    ),
    (
        "dx of zeros",
        "With dout = 1 everywhere the true dx is zero, whatever x is (why?), so a gradient check "
        "with such a dout accepts almost anything. Try a random dout.",
        (
            "    return dx, dgamma, dbeta",
            "    dx = np.zeros_like(dout)\n    return dx, dgamma, dbeta",
        ),
    ),
    (
        "dx forced to float32",
        "float64 comes in and float32 goes out: half of the digits are lost. "
        "Where do you name a type, or make an array that has one of its own?",
        (
            "    return dx, dgamma, dbeta",
            "    dx = dx.astype(np.float32)\n    return dx, dgamma, dbeta",
        ),
    ),
)
DIRECT, VARIANCE, MEAN = "dx_hat / std", "2 / N * x_mu * dvar", "dmu / N"

BACKWARD = wrong(
    "batchnorm_backward",
    *SUMS,
    (
        "mean and variance treated as constants",
        "Move one x: the mean and the variance of its feature move too, and with them all other "
        "outputs. Which paths through the graph does your dx leave out?",
        (f"{DIRECT} + {VARIANCE} + {MEAN}", DIRECT),
    ),
    (
        "mean treated as a constant",
        "Move one x: the mean of its feature moves too. Does that path reach your dx?",
        (f"{VARIANCE} + {MEAN}", VARIANCE),
    ),
    (
        "variance treated as a constant",
        "Move one x: the variance of its feature moves too. Does that path reach your dx?",
        (f"{DIRECT} + {VARIANCE}", DIRECT),
    ),
    (
        "the last path overwrites the others",
        "x is used in more than one place of the graph. "
        "What happens to gradients where paths meet: does the last one win?",
        (f"{DIRECT} + {VARIANCE} + {MEAN}", MEAN),
    ),
    (
        "gamma forgotten on the way to x_hat",
        "With gamma = 0 the output does not depend on x at all; what would your dx be? "
        "Go through (BN.4) backwards once more.",
        ("dx_hat = dout * gamma", "dx_hat = dout"),
    ),
    (
        "gamma forgotten in the paths of mean and variance",
        "Your direct path is right. What flows into mean and variance: the gradient of the output "
        "y, or that of x_hat?",
        ("(dx_hat * x_mu)", "(dout * x_mu)"),
        ("dx_hat.sum(axis=0)", "dout.sum(axis=0)"),
    ),
    (
        "wrong sign of dvar",
        "A larger variance makes x_hat smaller. Which sign has the derivative of 1/√v?",
        ("-0.5 / std**3", "0.5 / std**3"),
    ),
    (
        "factor ½ missing in dvar",
        "Differentiate v to the power −½ by hand: which number comes down in front?",
        ("-0.5 / std**3", "-1 / std**3"),
    ),
    (
        "wrong power in dvar",
        "Differentiate v to the power −½ by hand: which power of v is left, and which power of "
        "the standard deviation is that?",
        ("-0.5 / std**3", "-0.5 / std"),
    ),
    (
        "dvar from x_hat",
        "In (BN.3) the root divides x − μ. Which of the two, x − μ or x_hat, stands in the "
        "numerator when you differentiate by the variance?",
        ("(dx_hat * x_mu).sum(axis=0)", "(dx_hat * x_hat).sum(axis=0)"),
    ),
    (
        "wrong sign of dmu",
        "A larger mean makes every x_hat smaller. Which sign follows for dmu?",
        ("dmu = -1 / std", "dmu = 1 / std"),
    ),
    (
        "dvar and dmu summed over everything",
        "Each feature has its own mean and variance. How many numbers should dvar hold?",
        ("(dx_hat * x_mu).sum(axis=0)", "(dx_hat * x_mu).sum()"),
        ("dx_hat.sum(axis=0)", "dx_hat.sum()"),
    ),
    (
        "factor 2 of the square missing",
        "The variance is a mean of squares. What does a square leave behind when differentiated?",
        ("2 / N * x_mu", "1 / N * x_mu"),
    ),
    (
        "N forgotten",
        "One x has only a small share in the mean and in the variance of its feature. How small?",
        ("2 / N * x_mu", "2 * x_mu"),
        (MEAN, "dmu"),
    ),
    (
        "N forgotten in the path of the mean",
        "Which share does one x have in the mean of its feature?",
        (MEAN, "dmu"),
    ),
    (
        "N forgotten in the path of the variance",
        "Which share does the square of one x − μ have in the variance of its feature?",
        ("2 / N * x_mu", "2 * x_mu"),
    ),
    (
        "N - 1 in place of N",
        "The gradient must belong to the variance of your forward pass. By what is that divided?",
        ("N = dout.shape[0]", "N = dout.shape[0] - 1"),
    ),
    (
        "direct path divided by the variance",
        "In (BN.3) x − μ is divided by a root. Is the same root in your direct path?",
        (f"{DIRECT} +", "dx_hat / std**2 +"),
    ),
    (
        "dout is changed",
        "After the call the caller's dout is no longer what it was: a statement such as *= writes "
        "into it. Other layers may still need it.",
        ("dx_hat = dout * gamma", "dout *= gamma\n    dx_hat = dout"),
    ),
)

BRACKET = "(dout - dbeta / N - x_hat * (dgamma / N))"

BACKWARD_ALT = wrong(
    "batchnorm_backward_alt",
    *SUMS,
    (
        "dx N times too large",
        "Your dx has the right direction. Which factor stands in front of the bracket in (BN.14)?",
        (BRACKET, f"N * {BRACKET}"),
    ),
    (
        "dx N times too small",
        "Your dx has the right direction. Count how often you divide by N: in (BN.14) no term is "
        "divided twice.",
        (BRACKET, f"{BRACKET} / N"),
    ),
    (
        "mean and variance treated as constants",
        "Move one x: the mean and the variance of its feature move too, and with them all other "
        "outputs. Where are they in your formula?",
        (BRACKET, "dout"),
    ),
    (
        "mean treated as a constant",
        "Sum your dx over the batch: moving all x of a feature together changes nothing, so the "
        "sum must be 0. Which term would make it so?",
        (BRACKET, "(dout - x_hat * (dgamma / N))"),
    ),
    (
        "variance treated as a constant",
        "Stretching a feature (nearly) changes nothing, so dx and x_hat must (nearly) be "
        "orthogonal in each feature. Which term would make them so?",
        (BRACKET, "(dout - dbeta / N)"),
    ),
    (
        "gamma forgotten",
        "With gamma = 0 the output does not depend on x at all; what would your dx be?",
        ("gamma * (1 / std) *", "1 / std *"),
    ),
    (
        "gamma twice in the sums",
        "Each path goes through gamma once. Count gamma in each of your three terms.",
        (BRACKET, "(dout - gamma * dbeta / N - x_hat * gamma * dgamma / N)"),
    ),
    (
        "wrong sign of the sums",
        "Sum your dx over the batch: moving all x of a feature together changes nothing, so the "
        "sum must be 0. Is it twice something instead?",
        (BRACKET, "(dout + dbeta / N + x_hat * (dgamma / N))"),
    ),
    (
        "N forgotten",
        "One x has only a small share in the mean and in the variance of its feature. How small?",
        (BRACKET, "(dout - dbeta - x_hat * dgamma)"),
    ),
    (
        "N forgotten before dout",
        "With 1/N in front of the bracket everything in it is N times as large. Which of the three "
        "terms is not?",
        (BRACKET, "(dout - dbeta - x_hat * dgamma) / N"),
    ),
    (
        "N forgotten in the path of the mean",
        "One x has only a small share in the mean of its feature. How small?",
        (BRACKET, "(dout - dbeta - x_hat * (dgamma / N))"),
    ),
    (
        "N forgotten in the path of the variance",
        "One x has only a small share in the variance of its feature. How small?",
        (BRACKET, "(dout - dbeta / N - x_hat * dgamma)"),
    ),
    (
        "N - 1 in place of N",
        "The gradient must belong to the variance of your forward pass. By what is that divided?",
        ("N = dout.shape[0]", "N = dout.shape[0] - 1"),
    ),
    (
        "x_hat missing in the last term",
        "The variance does not push all x the same way: some move it up, some down. "
        "What tells them apart?",
        ("x_hat * (dgamma / N)", "dgamma / N"),
    ),
    (
        "x - mu in the last term",
        "Write the path of the variance with x_hat only: how many roots are left over?",
        ("x_hat * (dgamma", "x_hat * std * (dgamma"),
    ),
    (
        "divided by the variance",
        "Double x: the gradient becomes half as large. Yours becomes a quarter. "
        "Which power of the root stands in front?",
        ("(1 / std) *", "(1 / std**2) *"),
    ),
    (
        "dout is changed",
        "After the call the caller's dout is no longer what it was: a statement such as -= writes "
        "into it. Other layers may still need it.",
        (f"(1 / std) * {BRACKET}", "(1 / std) * dout"),
        ("    dx = ", "    dout -= dbeta / N + x_hat * (dgamma / N)\n    dx = "),
    ),
) + wrong(
    "batchnorm_backward_alt",
    (
        "eps taken away under the root",
        "Your dx is too large, and most where a feature varies little. "
        "Is the root here the very same as in the forward pass?",
        ("(x_hat, gamma, std)", "(x_hat, gamma, np.sqrt(var - eps))"),
    ),
    edited="batchnorm_forward",
)
FROM_X = tuple(
    Misconception(
        exercise_id,
        "dgamma from x",
        f"By what is gamma multiplied in ({tag}): by x as it came, or by what became of it?",
        edits={
            forward: (("return out, (x_hat, gamma, std)", "return out, (x_hat, gamma, std, x)"),),
            backward: (
                ("x_hat, gamma, std = cache", "x_hat, gamma, std, x = cache"),
                ("dgamma = (dout * x_hat)", "dgamma = (dout * x)"),
            ),
        },
    )
    for forward, backward, tag in (
        ("batchnorm_forward", "batchnorm_backward", "BN.4"),
        ("batchnorm_forward", "batchnorm_backward_alt", "BN.4"),
        ("layernorm_forward", "layernorm_backward", "LN.4"),
        ("instancenorm_forward", "instancenorm_backward", "IN.4"),
        ("spatial_groupnorm_forward", "spatial_groupnorm_backward", "GN.4"),
    )
    for exercise_id in ids_of(backward)
)

MISCONCEPTIONS = (*BACKWARD, *BACKWARD_ALT, *FROM_X)
