"""Wrong answers of gradient descent and of the rules that build up velocity."""

from autograder.misconceptions.optim.usual import ignored, usual
from autograder.misconceptions.records import grouped, wrong

STORE = '    config["velocity"] = v\n'
STATE = (("velocity", "v"),)

MOMENTUM_IGNORED = ignored(
    "momentum",
    "0.9",
    "Your steps are right while momentum has its usual value. "
    "Where does the caller say that it should be another one?",
)
OTHER_MOMENTUM = (
    "another default momentum",
    "With a momentum in the config your steps are right. Which one does the docstring promise to "
    "callers who give none?",
    ('config.get("momentum", 0.9)', 'config.get("momentum", 0.99)'),
)
NOT_STORED = (
    "velocity not stored",
    "Every step of yours is a first step. Where does the velocity wait for the next one?",
    (STORE, ""),
)
SHARED = (MOMENTUM_IGNORED, OTHER_MOMENTUM, NOT_STORED)

UPHILL = grouped("the step goes uphill")
UPHILL_HINT = (
    "Follow the signs from the gradient through the velocity to the weights: with no velocity yet, "
    "does your first step go against the gradient?"
)

SGD = wrong(
    "sgd",
    *usual(),
    (
        "the step goes uphill",
        "The gradient points to where the loss grows. Which way do you want to go?",
        ("w - learning_rate", "w + learning_rate"),
    ),
    (
        "only the sign of the gradient",
        "Your steps are equally long in all directions. What became of the size of the gradient?",
        ("learning_rate * dw  #", "learning_rate * np.sign(dw)  #"),
    ),
    (
        "gradient scaled to length 1",
        "Near a minimum the gradient becomes small, and the steps should too. Are yours?",
        ("learning_rate * dw  #", "learning_rate * dw / np.sqrt((dw**2).sum())  #"),
    ),
    (
        "the step returned in place of the weights",
        "What comes back is how far to go. The caller asked where one arrives.",
        ("next_w = w - learning_rate", "next_w = -learning_rate"),
    ),
    (
        "no learning rate",
        "The whole gradient is subtracted. By what should it be multiplied first?",
        ("learning_rate * dw  #", "dw  #"),
    ),
)

MOMENTUM = wrong(
    "sgd_momentum",
    *usual(state=STATE),
    *SHARED,
    (
        "the step goes uphill",
        UPHILL_HINT,
        ("- learning_rate * dw", "+ learning_rate * dw"),
    ),
    (
        "uphill along the gradient alone",
        UPHILL_HINT,
        UPHILL,
        ("next_w = w + v", "next_w = w + learning_rate * dw"),
    ),
    (
        "learning rate twice",
        "In this form the velocity holds the rate already. How often does the rate reach w?",
        ("next_w = w + v", "next_w = w + learning_rate * v"),
    ),
    (
        "Nesterov written for momentum",
        "Your step corrects itself by the change of the velocity, which comes some slides later. "
        "Here the velocity is the step.",
        ("v = momentum * v -", "old_v = v\n    v = momentum * v -"),
        ("next_w = w + v", "next_w = w + v + momentum * (v - old_v)"),
    ),
    (
        "dampened gradient",
        "Let the gradient be 1 forever: the velocity should become a sum, larger than one step of "
        "gradient descent, and yours a mean. By what is your gradient multiplied?",
        ("- learning_rate * dw", "- (1 - momentum) * learning_rate * dw"),
    ),
    (
        "the other form: velocity without the learning rate",
        "At a constant rate nobody can tell. When the rate falls, what of the steps that were "
        "begun at the old rate: does this form go through with them, or shorten them too?",
        ("v = momentum * v - learning_rate * dw", "v = momentum * v - dw"),
        ("next_w = w + v", "next_w = w + learning_rate * v"),
    ),
    (
        "step with the old velocity",
        "Your first step stays where it is, because the velocity is zero then. Which comes first, "
        "the new velocity or the step?",
        ("v = momentum * v -", "old_v = v\n    v = momentum * v -"),
        ("next_w = w + v", "next_w = w + old_v"),
    ),
    (
        "the velocity returned for the weights",
        "What you return is how far w moves. From where does it move?",
        ("next_w = w + v", "next_w = v"),
    ),
    (
        "momentum on the wrong side",
        "Momentum near 1 should keep nearly all of the velocity. How much of it does yours keep?",
        ("v = momentum * v -", "v = (1 - momentum) * v -"),
    ),
    (
        "no friction",
        "With a gradient of zero the velocity should fade. Does yours?",
        ("v = momentum * v -", "v = v -"),
    ),
    (
        "weights multiplied by momentum",
        "What fades is the velocity, not the place. Which of the two does momentum belong to?",
        ("v = momentum * v -", "v = v -"),
        ("next_w = w + v", "next_w = w + momentum * v"),
    ),
    (
        "the gradient multiplied by momentum",
        "Momentum says how much of the old velocity is kept. Which of your terms does it multiply?",
        grouped("weights multiplied by momentum"),
        ("v = momentum * v - learning_rate * dw", "v = v - momentum * learning_rate * dw"),
    ),
    (
        "velocity overwritten by the step's start",
        "The first step is right, and the velocity is kept, but not the one of this step.",
        (STORE, '    config["velocity"] = -learning_rate * dw\n'),
    ),
)

UNSCALED = wrong(
    "sgd_momentum_unscaled",
    *usual(state=STATE),
    *SHARED,
    (
        "the step goes uphill",
        "This velocity points where the gradient points. Which sign has the step, then?",
        ("w - learning_rate * v", "w + learning_rate * v"),
    ),
    (
        "uphill along the gradient alone",
        UPHILL_HINT,
        UPHILL,
        ("w - learning_rate * v", "w + learning_rate * dw"),
    ),
    (
        "learning rate twice",
        "In this form the rate comes in at one place only, when w moves. Is it in your velocity?",
        ("momentum * v + dw", "momentum * v + learning_rate * dw"),
    ),
    (
        "no learning rate",
        "The whole velocity is subtracted. By what should it be multiplied first?",
        ("w - learning_rate * v", "w - v"),
    ),
    (
        "Nesterov written for momentum",
        "Your step mixes gradient and velocity once more, which comes some slides later. Here the "
        "velocity alone is the direction.",
        ("w - learning_rate * v", "w - learning_rate * (dw + momentum * v)"),
    ),
    (
        "dampened gradient",
        "Let the gradient be 1 forever: the velocity should become a sum, larger than one "
        "gradient, and yours a mean. By what is your gradient multiplied?",
        ("momentum * v + dw", "momentum * v + (1 - momentum) * dw"),
    ),
    (
        "the other form: velocity with the learning rate",
        "At a constant rate nobody can tell. When the rate falls, what of the steps that were "
        "begun at the old rate: does this form go through with them, or shorten them too?",
        ("momentum * v + dw", "momentum * v + learning_rate * dw"),
        ("w - learning_rate * v", "w - v"),
    ),
    (
        "step with the old velocity",
        "Your first step stays where it is, because the velocity is zero then. Which comes first, "
        "the new velocity or the step?",
        ("v = momentum * v + dw", "old_v = v\n    v = momentum * v + dw"),
        ("w - learning_rate * v", "w - learning_rate * old_v"),
    ),
    (
        "the velocity returned for the weights",
        "What you return is how far w moves. From where does it move?",
        ("w - learning_rate * v", "-learning_rate * v"),
    ),
    (
        "momentum on the wrong side",
        "Momentum near 1 should keep nearly all of the velocity. How much of it does yours keep?",
        ("v = momentum * v + dw", "v = (1 - momentum) * v + dw"),
    ),
    (
        "no friction",
        "With a gradient of zero the velocity should fade. Does yours?",
        ("momentum * v + dw", "v + dw"),
    ),
)

LOOKAHEAD = wrong(
    "nesterov_lookahead",
    *usual(state=STATE, steps=""),
    *SHARED,
    (
        "look-ahead in the wrong direction",
        "Where would the velocity carry w by itself, and on which side of w do you ask for the "
        "gradient?",
        ("gradient(w + momentum * v)", "gradient(w - momentum * v)"),
    ),
    (
        "momentum written for Nesterov",
        "You ask for the gradient where you stand. What makes this method different from the one "
        "before it?",
        ("gradient(w + momentum * v)", "gradient(w)"),
    ),
    (
        "look-ahead by the whole velocity",
        "Of the velocity only a fraction survives into this step. How far ahead does that lead?",
        ("gradient(w + momentum * v)", "gradient(w + v)"),
    ),
    (
        "the step goes uphill",
        UPHILL_HINT,
        ("- learning_rate * gradient", "+ learning_rate * gradient"),
    ),
    (
        "the velocity subtracted from the weights",
        UPHILL_HINT,
        UPHILL,
        ("next_w = w + v", "next_w = w - v"),
    ),
    (
        "uphill, and the look-ahead backwards",
        UPHILL_HINT,
        UPHILL,
        (
            "- learning_rate * gradient(w + momentum * v)",
            "+ learning_rate * gradient(w - momentum * v)",
        ),
    ),
    (
        "learning rate twice",
        "In this form the velocity holds the rate already. How often does the rate reach w?",
        ("next_w = w + v", "next_w = w + learning_rate * v"),
    ),
    (
        "the gradient asked for twice",
        "The weights are right, at twice the price: a gradient is the dear part of a step. Which "
        "of the two points do you need?",
        ("v = momentum * v -", "gradient(w)\n    v = momentum * v -"),
    ),
    (
        "step from the look-ahead point",
        "The new velocity contains what was left of the old one. If you start from the point ahead "
        "of w, how often is that counted?",
        ("v = momentum * v -", "ahead = w + momentum * v\n    v = momentum * v -"),
        ("next_w = w + v", "next_w = ahead + v"),
    ),
    (
        "the look-ahead point returned",
        "You return the point where the next gradient will be taken. The caller asks for w itself.",
        ("next_w = w + v", "next_w = w + (1 + momentum) * v"),
    ),
    (
        "dampened gradient",
        "Let the gradient be 1 forever: the velocity should become a sum, larger than one step of "
        "gradient descent, and yours a mean. By what is your gradient multiplied?",
        ("- learning_rate * gradient", "- (1 - momentum) * learning_rate * gradient"),
    ),
    (
        "no friction",
        "Where the gradient is zero the velocity should fade. Does yours?",
        ("v = momentum * v -", "v = v -"),
    ),
    (
        "step with the old velocity",
        "Your first step stays where it is, because the velocity is zero then. Which comes first, "
        "the new velocity or the step?",
        ("v = momentum * v -", "old_v = v\n    v = momentum * v -"),
        ("next_w = w + v", "next_w = w + old_v"),
    ),
)

STEP = "w - momentum * old_v + (1 + momentum) * v"

NESTEROV = wrong(
    "nesterov",
    *usual(state=STATE),
    *SHARED,
    (
        "momentum written for Nesterov, or the old velocity overwritten",
        "Your step is the new velocity and nothing else. If the old one was meant to be in it: "
        "does it still exist in the line that needs it?",
        (STEP, "w + v"),
    ),
    (
        "sign of the old velocity",
        "The point to which the old velocity led is left, and the one to which the new velocity "
        "leads is entered. Which sign has the first of the two?",
        ("w - momentum * old_v", "w + momentum * old_v"),
    ),
    (
        "look-ahead in the wrong direction",
        "Your weights stand where the velocity would lead if it were turned round. With which sign "
        "does the velocity enter the change of variables?",
        (STEP, "w + momentum * old_v + (1 - momentum) * v"),
    ),
    (
        "the one missing in front of the new velocity",
        "Put the new point into the change of variables: the step by v, and the look-ahead by a "
        "fraction of v. How many v is that together?",
        ("(1 + momentum) * v", "momentum * v"),
    ),
    (
        "the new look-ahead missing",
        "You leave the old look-ahead point and arrive at w itself. Where does the next gradient "
        "have to be taken?",
        ("(1 + momentum) * v", "v"),
    ),
    (
        "the old velocity in place of the new one",
        "You go ahead by the velocity of the step before. Where will the *next* gradient be taken?",
        (STEP, "w - momentum * old_v + (1 + momentum) * old_v - learning_rate * dw"),
    ),
    (
        "the old look-ahead not left",
        "The old velocity had carried the point ahead already, and you go ahead from there. "
        "What has to be taken back first?",
        (STEP, "w + (1 + momentum) * v"),
    ),
    (
        "the step goes uphill",
        UPHILL_HINT,
        ("- learning_rate * dw", "+ learning_rate * dw"),
    ),
    (
        "the last gradient's step goes uphill",
        "The look-ahead is right, and the step beside it follows the gradient. Does the loss grow "
        "or fall that way?",
        UPHILL,
        (STEP, "w + momentum * v + learning_rate * dw"),
    ),
    (
        "learning rate twice",
        "The velocity holds the rate already. How often does the rate reach w?",
        (STEP, f"w + learning_rate * ({STEP} - w)"),
    ),
    (
        "dampened gradient",
        "Let the gradient be 1 forever: the velocity should become a sum, larger than one step of "
        "gradient descent, and yours a mean. By what is your gradient multiplied?",
        ("- learning_rate * dw", "- (1 - momentum) * learning_rate * dw"),
    ),
    (
        "no friction",
        "With a gradient of zero the velocity should fade. Does yours?",
        ("v = momentum * old_v -", "v = old_v -"),
    ),
)
MISCONCEPTIONS = (*SGD, *MOMENTUM, *UNSCALED, *LOOKAHEAD, *NESTEROV)
