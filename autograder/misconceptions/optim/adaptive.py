"""Wrong answers of the rules that divide by the size of the gradients."""

from autograder.checking.diagnose import ANOTHER_DEFAULT
from autograder.misconceptions.optim.usual import ignored, usual
from autograder.misconceptions.records import grouped, wrong

UPHILL = (
    "the step goes uphill",
    "The gradient points to where the loss grows. Which way do you want to go?",
    ("w - learning_rate *", "w + learning_rate *"),
)
NO_LEARNING_RATE_HINT = "Each of your steps is about 1 long. By what should it be multiplied?"


def epsilon(root):
    """Return the lines about epsilon, for a rule that divides by `root` and epsilon."""
    get = 'config.get("epsilon", 1e-8)'
    return (
        (
            "epsilon inside the root",
            "Some books write it so. Read the formula of this course once more: what exactly is "
            "epsilon added to?",
            (f"(np.sqrt({root}) + eps)", f"np.sqrt({root} + eps)"),
        ),
        (
            "epsilon forgotten",
            "What do you divide by when a gradient has been zero from the start?",
            (f"(np.sqrt({root}) + eps)", f"np.sqrt({root})"),
        ),
        (
            "epsilon of the config ignored",
            "Your epsilon is right as long as nobody chooses another one. Under which name does "
            "the docstring say that it arrives?",
            (get, "1e-8"),
        ),
        (
            "another default epsilon",
            "The slides have one number, papers and frameworks another. Which one does the "
            "docstring promise to callers who give none?",
            (get, 'config.get("epsilon", 1e-7)'),
        ),
    )


def cache(update, new):
    """Return the lines about the squares that AdaGrad and RMSProp keep, updated by `update`."""
    return (
        UPHILL,
        (
            "cache holds sizes, not squares",
            "A root is taken of what the cache holds. What has to go in, so that a size comes out?",
            (new, "np.abs(dw)  #"),
        ),
        (
            "no root",
            "Make all gradients ten times as large: your steps become ten times as small, and "
            "should stay as they are. Which power of the gradient do you divide by?",
            ("(np.sqrt(cache) + eps)", "(cache + eps)"),
        ),
        (
            "cache not stored",
            "Every step of yours is a first step. Where do the squares wait for the next one?",
            ('    config["cache"] = cache\n', ""),
        ),
        (
            "step with the old cache",
            "In the first step you divide by epsilon alone. Is the present gradient among those "
            "whose squares you divide by?",
            (f"    cache = {update}", f"    old = cache\n    cache = {update}"),
            ("np.sqrt(cache)", "np.sqrt(old)"),
        ),
        (
            "one cache for all weights",
            "Your cache is one number. The point of the method is that every weight has its own.",
            (new, "(dw**2).sum()  #"),
        ),
        (
            "the gradient is squared before the step",
            "Your steps forget which way is down: all have the same sign. With what do you "
            "multiply the rate?",
            ("learning_rate * dw /", "learning_rate * dw**2 /"),
        ),
        (
            "no learning rate",
            NO_LEARNING_RATE_HINT,
            ("w - learning_rate * dw", "w - dw"),
        ),
    )


ADAGRAD_UPDATE = "cache + dw**2"
ADAGRAD = wrong(
    "adagrad",
    *usual(state=(("cache", "cache"),)),
    *epsilon("cache"),
    *cache(ADAGRAD_UPDATE, "dw**2  #"),
    (
        "RMSProp written for AdaGrad",
        "Your cache is a mean that forgets; that comes some slides later. What does AdaGrad do "
        "with old squares?",
        (ADAGRAD_UPDATE, "0.99 * cache + (1 - 0.99) * dw**2"),
    ),
    (
        "cache decays",
        "Your cache loses some of what it holds in every step. How much does AdaGrad forget?",
        (ADAGRAD_UPDATE, "0.9 * cache + dw**2"),
    ),
    (
        "square of the sum",
        "Let a gradient change its sign in every step: what remains in your cache, and what "
        "should? In which order are squares and sums taken?",
        (ADAGRAD_UPDATE, "cache + dw"),
        ("np.sqrt(cache)", "np.abs(cache)"),
    ),
)

RMSPROP_UPDATE = "decay_rate * cache + (1 - decay_rate) * dw**2"
RMSPROP = wrong(
    "rmsprop",
    *usual(state=(("cache", "cache"),)),
    *epsilon("cache"),
    *cache(RMSPROP_UPDATE, "dw**2  #"),
    ignored(
        "decay_rate",
        "0.99",
        "Your mean is right while the decay rate has its usual value. Where does the caller say "
        "that it should be another one?",
    ),
    (
        "another default decay rate",
        "With a decay rate in the config your steps are right. Which one does the docstring "
        "promise to callers who give none?",
        ('config.get("decay_rate", 0.99)', 'config.get("decay_rate", 0.9)'),
    ),
    (
        "the mean taken off: a variance",
        "You divide by the spread of the gradients around their mean. A gradient that is always "
        "the same then has no spread at all; slide 42 takes the squares as they are.",
        ("np.sqrt(cache)", 'np.sqrt(cache - config["mean"] ** 2)'),
        (
            "    cache = decay_rate",
            '    config["mean"] = decay_rate * config.get("mean", 0 * w) + (1 - decay_rate) * dw\n'
            "    cache = decay_rate",
        ),
    ),
    (
        "decay on the wrong term",
        "A decay rate near 1 means a long memory. How much of the old mean do you keep?",
        (RMSPROP_UPDATE, "(1 - decay_rate) * cache + decay_rate * dw**2"),
    ),
    (
        "the new fraction forgotten",
        "Let all gradients be 1 forever: a mean of their squares is 1. Where does your cache end?",
        (RMSPROP_UPDATE, "decay_rate * cache + dw**2"),
    ),
    (
        "the new fraction squared as well",
        "Let all gradients be 1 forever: a mean of their squares is 1, and yours ends far below. "
        "What exactly do you square?",
        (RMSPROP_UPDATE, "decay_rate * cache + ((1 - decay_rate) * dw) ** 2"),
    ),
    (
        "AdaGrad written for RMSProp",
        "Your cache only ever grows. What became of the decay rate?",
        (RMSPROP_UPDATE, "cache + dw**2"),
    ),
    (
        "bias corrected",
        "The mean starts at zero, and you make up for that. RMSProp does not; another rule, some "
        "slides later, does.",
        ("np.sqrt(cache)", 'np.sqrt(cache / (1 - decay_rate ** config["t"]))'),
        (
            "    cache = decay_rate",
            '    config["t"] = config.get("t", 0) + 1\n    cache = decay_rate',
        ),
    ),
)

# ------------------------------------------------------------------ Adam

KEEP_M, KEEP_V = "beta1 * m + (1 - beta1) * dw  #", "beta2 * v + (1 - beta2) * dw**2"
GET_BETAS = 'config.get("beta1", 0.9), config.get("beta2", 0.999)'


def means(step_m, step_v, m, v, stored):
    """Return the lines about both running means.

    Args:
        step_m, step_v: the updates in the reference.
        m, v: what stands above and below in its step.
        stored: the keywords with which it stores its state.
    """
    root = f"np.sqrt({v})"
    return (
        (
            "betas of the config ignored",
            "Your means are right while both betas have their usual values. Where does the caller "
            "say that they should be others?",
            (GET_BETAS, "0.9, 0.999"),
        ),
        (
            "other default betas",
            "With betas in the config your steps are right. Which ones does the docstring promise "
            "to callers who give none?",
            grouped(ANOTHER_DEFAULT),
            (GET_BETAS, 'config.get("beta1", 0.9), config.get("beta2", 0.99)'),
        ),
        (
            "betas swapped",
            "Which of the two means should forget faster, that of the gradients or that of their "
            "squares? Which beta does it get?",
            (step_m, "beta2 * m + (1 - beta2) * dw  #"),
            (step_v, "beta1 * v + (1 - beta1) * dw**2"),
        ),
        (
            "one beta for both means",
            "The squares should be remembered for about a thousand steps, the gradients for ten. "
            "Which beta do the squares get from you?",
            (step_v, "beta1 * v + (1 - beta1) * dw**2"),
        ),
        (
            "one beta for both means, that of the squares",
            "The squares should be remembered for about a thousand steps, the gradients for ten. "
            "Which beta do the gradients get from you?",
            grouped("one beta for both means"),
            (step_m, "beta2 * m + (1 - beta2) * dw  #"),
        ),
        (
            "no root",
            "Make all gradients ten times as large: your steps become ten times as small, and "
            "should stay as they are. Which power of the gradient do you divide by?",
            (root, v),
        ),
        (
            "second moment from the first",
            "You square the mean. What is the second mean a mean of?",
            ("dw**2", "m**2"),
        ),
        (
            "second moment holds sizes, not squares",
            "A root is taken of the second mean. What has to go in, so that a size comes out?",
            ("dw**2", "np.abs(dw)"),
        ),
        (
            "first moment not used",
            "Your step goes along the present gradient. For what did you take its running mean?",
            (f"learning_rate * {m} /", "learning_rate * dw /"),
        ),
        (
            "decay on the wrong terms",
            "A beta near 1 means a long memory. How much of the old means do you keep?",
            (step_m, "(1 - beta1) * m + beta1 * dw  #"),
            (step_v, "(1 - beta2) * v + beta2 * dw**2"),
        ),
        (
            "new fraction of the gradient forgotten",
            "Let all gradients be 1 forever: their mean is 1. Where does your first mean end?",
            (step_m, "beta1 * m + dw  #"),
        ),
        (
            "new fraction of the square forgotten",
            "Let all gradients be 1 forever: the mean of their squares is 1. Where does your "
            "second mean end?",
            (step_v, "beta2 * v + dw**2"),
        ),
        (
            "means not stored",
            "Your means start again in every step. Where do they wait for the next one?",
            (stored, stored.replace("m=m, v=v, ", "").replace("m=m, v=v", "")),
        ),
        (
            "first mean not stored",
            "The squares are remembered and the gradients are not. What should the next step find "
            "in the config?",
            (stored, stored.replace("m=m, ", "")),
        ),
        (
            "second mean not stored",
            "The gradients are remembered and their squares are not. What should the next step "
            "find in the config?",
            (stored, stored.replace("v=v, ", "").replace(", v=v", "")),
        ),
    )


MEANS = (("m", "m"), ("v", "v"))
ADAM_STATE = (*MEANS, ("t", "t"))

ADAM_UNCORRECTED = wrong(
    "adam_uncorrected",
    *usual("1e-3", MEANS),
    UPHILL,
    *epsilon("v"),
    *means(KEEP_M, KEEP_V, "m", "v", "config.update(m=m, v=v)"),
    (
        "bias corrected",
        "This is the rule after the next slide, and it is a good one. Here both means are used as "
        "they are, so that you can see what their start at zero does.",
        (
            "m / (np.sqrt(v) + eps)",
            'm / (1 - beta1 ** config["t"]) / (np.sqrt(v / (1 - beta2 ** config["t"])) + eps)',
        ),
        ("    m = beta1", '    config["t"] = config.get("t", 0) + 1\n    m = beta1'),
    ),
    (
        "no learning rate",
        NO_LEARNING_RATE_HINT,
        ("w - learning_rate * m", "w - m"),
    ),
)

CORRECT_M, CORRECT_V = "(1 - beta1**t)", "(1 - beta2**t)"
T = 'config.get("t", 0) + 1'


def corrections(stored):
    """Return the lines about the bias correction and its count of steps."""
    return (
        (
            "no bias correction",
            "Your first step is about three times too long. Both means start at zero; which of "
            "them is further from what it should be?",
            (f"m / {CORRECT_M}", "m"),
            (f"v / {CORRECT_V}", "v"),
        ),
        (
            "only the first mean corrected",
            "Both means start at zero. Which one do you use as it is?",
            (f"v / {CORRECT_V}", "v"),
        ),
        (
            "one fraction corrects both means",
            "Both means are freed of their start at zero by the same number. They forget at "
            "different speeds: which fraction belongs to which?",
            (CORRECT_V, CORRECT_M),
        ),
        (
            "one fraction corrects both means, that of the squares",
            "Both means are freed of their start at zero by the same number. They forget at "
            "different speeds: which fraction belongs to which?",
            grouped("one fraction corrects both means"),
            (CORRECT_M, CORRECT_V),
        ),
        (
            "only the second mean corrected",
            "Both means start at zero. Which one do you use as it is?",
            (f"m / {CORRECT_M}", "m"),
        ),
        (
            "t one too high",
            "In the very first step Adam moves each weight by the learning rate. Yours moves less. "
            "What is t then, and does anything else count as well?",
            (T, 'config.get("t", 1) + 1'),
        ),
        (
            "t one too low",
            "In the first step you divide zero by zero. What should t be by then?",
            (T, 'config.get("t", -1) + 1'),
        ),
        (
            "t counted up after the step",
            "Your first step is right, and the second believes to be the first. When is t "
            "counted up, and what is it when the means are corrected?",
            (T, 'max(config.get("t", 0), 1)'),
            (stored, stored.replace("t=t", 't=config.get("t", 0) + 1')),
        ),
        (
            "t not stored, or beta without its power",
            "Your first step is right, and all later ones believe to be the first. How often has "
            "the start at zero been multiplied by beta by then, and where does that number wait?",
            (stored, stored.replace(", t=t", "")),
        ),
        (
            "squared beta for its power",
            "In the second step you are right by accident. How often has the start at zero been "
            "multiplied by beta after ten steps?",
            (CORRECT_M, "(1 - beta1**2)"),
            (CORRECT_V, "(1 - beta2**2)"),
        ),
        (
            "beta times t for its power",
            "After t steps the start at zero has been multiplied by beta t times. Is that the same "
            "as multiplied by t?",
            (CORRECT_M, "(1 - beta1 * t)"),
            (CORRECT_V, "(1 - beta2 * t)"),
        ),
        (
            "power of the wrong fraction",
            "Which fraction of the start at zero survives one step: beta, or the rest?",
            (CORRECT_M, "(1 - (1 - beta1) ** t)"),
            (CORRECT_V, "(1 - (1 - beta2) ** t)"),
        ),
        (
            "power taken after the subtraction",
            "What is too small is the weight of all gradients together. Subtract what is left of "
            "the start from the whole: in which order?",
            (CORRECT_M, "(1 - beta1) ** t"),
            (CORRECT_V, "(1 - beta2) ** t"),
        ),
        (
            "corrected means written back",
            "The first step is right. In the second you correct what has been corrected already. "
            "Which numbers should the config remember?",
            (stored, stored.replace("m=m, v=v", "m=m_hat, v=v_hat")),
        ),
        (
            "corrected first mean written back",
            "The first step is right. In the second you correct a gradient's mean that has been "
            "corrected already. Which numbers should the config remember?",
            (stored, stored.replace("m=m", "m=m_hat")),
        ),
        (
            "multiplied in place of divided",
            "Means that started at zero are too small. Does your correction make them larger?",
            (f"m / {CORRECT_M}", f"m * {CORRECT_M}"),
            (f"v / {CORRECT_V}", f"v * {CORRECT_V}"),
        ),
        (
            "second correction outside the root",
            "The root is taken of the corrected mean of squares. What is under your root?",
            ("np.sqrt(v_hat)", f"np.sqrt(v) / {CORRECT_V}"),
        ),
        (
            "epsilon inside the uncorrected root",
            "Read the formula once more: what stands under the root, and what is added to it?",
            ("(np.sqrt(v_hat) + eps)", f"np.sqrt((v + eps) / {CORRECT_V})"),
        ),
    )


STORED = "config.update(m=m, v=v, t=t)"
ADAM = wrong(
    "adam",
    *usual("1e-3", ADAM_STATE),
    UPHILL,
    *epsilon("v_hat"),
    *means(KEEP_M, KEEP_V, "m_hat", "v_hat", STORED),
    *corrections(STORED),
    ("no learning rate", NO_LEARNING_RATE_HINT, ("w - learning_rate * m_hat", "w - m_hat")),
)

DECAY = " + weight_decay * w)"
GRADIENT = "    m = beta1"
ADAMW = wrong(
    "adamw",
    *usual("1e-3", ADAM_STATE),
    UPHILL,
    *epsilon("v_hat"),
    *corrections(STORED),
    (
        *ignored(
        "weight_decay",
        "1e-2",
        "Your decay is right while it has its usual value. Where does the caller say that it "
        "should be another one?",
    ),
        {"kind": "mistake"},  # a decay that is usual hardly shows, so all checks give another
    ),
    (
        "uphill, with the decay downhill",
        UPHILL[1],
        grouped(UPHILL[0]),
        ("w - learning_rate * (m_hat /", "w + learning_rate * (m_hat /"),
        (DECAY, " - weight_decay * w)"),
    ),
    (
        "another default decay",
        "With a decay in the config your steps are right. Which one does the docstring promise to "
        "callers who give none?",
        ('config.get("weight_decay", 1e-2)', 'config.get("weight_decay", 1e-3)'),
    ),
    (
        "L2 in the gradient taken for weight decay",
        "Your penalty goes through both means, so its size is divided out again: a weight with "
        "large gradients hardly decays. At which place does W come into AdamW?",
        (DECAY, ")"),
        (GRADIENT, "    dw = dw + weight_decay * w\n    m = beta1"),
    ),
    (
        "no decay",
        "Let all gradients be zero: AdamW still moves the weights. Whereto?",
        (DECAY, ")"),
    ),
    (
        "decay without the learning rate",
        "When the rate falls to a tenth, by how much should the weights shrink in a step? "
        "By how much do yours?",
        ("learning_rate * (m_hat / (np.sqrt(v_hat) + eps) + weight_decay * w)",
         "(learning_rate * m_hat / (np.sqrt(v_hat) + eps) + weight_decay * w)"),
    ),
    (
        "decay makes the weights grow",
        "Let all gradients be zero: do your weights come nearer to zero?",
        (DECAY, " - weight_decay * w)"),
    ),
    (
        "decay of the weights after the step",
        "The decay takes a fraction of the weights as they came. Of which weights does yours?",
        (DECAY, ")"),
        ("    config.update", "    next_w = next_w - learning_rate * weight_decay * next_w\n"
         "    config.update"),
    ),
    (
        "decay divided by the root",
        "Two weights of equal size should shrink equally, whatever their gradients. What is your "
        "decay divided by?",
        ("(m_hat / (np.sqrt(v_hat) + eps) + weight_decay * w)",
         "(m_hat + weight_decay * w) / (np.sqrt(v_hat) + eps)"),
    ),
    (
        "decay with the factor 2",
        "A penalty would be differentiated; a fraction is taken as it is. How large a one does the "
        "docstring name?",
        (DECAY, " + 2 * weight_decay * w)"),
    ),
    (
        "betas of the config ignored",
        "Your means are right while both betas have their usual values. Where does the caller say "
        "that they should be others?",
        (GET_BETAS, "0.9, 0.999"),
    ),
)  # fmt: skip
MISCONCEPTIONS = (*ADAGRAD, *RMSPROP, *ADAM_UNCORRECTED, *ADAM, *ADAMW)
