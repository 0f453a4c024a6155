"""Wrong and other right answers about penalties, dropout as one, and the wiring."""

import numpy as np

from autograder.misconceptions.records import SLIP, grouped, right, wrong

NUMPY, TORCH = {"framework": "numpy"}, {"framework": "torch"}

# ------------------------------------------------------------------ L2

R2, D2 = "reg * np.sum(W**2)", "2 * reg * W"
WRONG_L2 = wrong(
    "l2_penalty",
    (
        "the ½ of the usual assignment",
        "Penalty and gradient fit each other, but both are half of the slide's. Which factor does "
        "slide 70 have in front of the sum?",
        SLIP,
        (R2, "0.5 * reg * np.sum(W**2)"),
        (D2, "reg * W"),
    ),
    (
        "a ½ in the penalty only",
        "Your gradient is that of the slide's penalty, and your penalty is half of that.",
        SLIP,
        (R2, "0.5 * reg * np.sum(W**2)"),
    ),
    (
        "the 2 of the gradient is missing",
        "Move one weight by a little: by how much does the sum of squares change?",
        SLIP,
        (D2, "reg * W"),
    ),
    (
        "the gradient of the sum",
        "Every entry of your gradient is the same. Does the slope of a square depend on the weight "
        "itself, or on all of them together?",
        (D2, "0 * W + 2 * reg * np.sum(W)"),
    ),
    (
        "λ times the sum of the weights",
        "Your gradient is one number. How many slopes does a penalty on many weights have?",
        (D2, "reg * np.sum(W)"),
    ),
    (
        "the length, not its square",
        "For the weights 3 and 4 the slide's R(W) is 25, and yours 5.",
        (R2, "reg * np.sqrt(np.sum(W**2))"),
    ),
    (
        "the mean of the squares",
        "Twice as many weights of the same size: should the penalty stay as it is?",
        (R2, "reg * np.mean(W**2)"),
    ),
    (
        "the length, with its own gradient",
        "For the weights 3 and 4 the slide's R(W) is 25, and yours 5.",
        grouped("the length, not its square"),
        (R2, "reg * np.sqrt(np.sum(W**2))"),
        (D2, "reg * W / np.sqrt(np.sum(W**2))"),
    ),
    (
        "the mean of the squares, with its own gradient",
        "Twice as many weights of the same size: should the penalty stay as it is?",
        grouped("the mean of the squares"),
        (R2, "reg * np.sum(W**2) / W.reshape(-1).shape[0]"),
        (D2, "2 * reg * W / W.reshape(-1).shape[0]"),
    ),
    (
        "divided by the number of rows",
        "Is there anything in R(W) that counts examples, or rows of W?",
        (R2, "reg * np.sum(W**2) / len(W)"),
        (D2, "2 * reg * W / len(W)"),
    ),
    (
        "the square of the sum",
        "Weights of 1 and −1 cancel in your penalty. Which comes first, the square or the sum?",
        (R2, "reg * np.sum(W) ** 2"),
    ),
    (
        "L1 in place of L2",
        "Your penalty grows with the size of a weight; the slide's L2 with its square.",
        (R2, "reg * np.sum(np.abs(W))"),
        (D2, "reg * np.sign(W)"),
    ),
    (
        "no λ in the gradient",
        "Twice the strength must give twice the gradient. Does yours change with λ at all?",
        (D2, "2 * W"),
    ),
    (
        "the gradient points downhill",
        "The update subtracts what you return. With your sign, do weights shrink or grow?",
        (D2, "-2 * reg * W"),
    ),
    (
        "one sum for each column",
        "The loss is one number, and your penalty has one for each column of W.",
        SLIP,
        (R2, "reg * np.sum(W**2, axis=0)"),
    ),
    (
        "W is changed",
        "After the call the caller's weights are other ones. Which of your statements writes into "
        "W?",
        SLIP,
        ("return penalty, dW", "W *= 1 - reg\n    return penalty, dW"),
    ),
)

# ------------------------------------------------------------------ L1

R1, D1 = "reg * np.sum(np.abs(W))", "reg * np.sign(W)"
WRONG_L1 = (
    *wrong(
        "l1_penalty",
        (
            "not a number at 0",
            "A weight that is exactly 0 makes your gradient nan. What does your formula divide by, "
            "and which slopes may |w| have there?",
            SLIP,
            (D1, "reg * W / np.abs(W)"),
        ),
        (
            "the slope at 0 is too steep",
            "At 0 any slope between those of the two sides will do. Yours is steeper than either.",
            SLIP,
            (D1, "reg * np.sign(W) + 3 * reg * (W == 0)"),
        ),
        (
            "no sign",
            "For a negative weight |w| grows when w falls. Can the slope be positive everywhere?",
            (D1, "reg + 0 * W"),
        ),
        (
            "the size for the slope",
            "Large weights get a larger gradient from you, and all the same sign. How steep is "
            "|w|, and to which side?",
            (D1, "reg * np.abs(W)"),
        ),
        (
            "the gradient of L2",
            "Large weights get a larger gradient from you. How does the slope of |w| depend on the "
            "size of w?",
            (D1, "2 * reg * W"),
        ),
        (
            "no absolute value",
            "Positive and negative weights cancel in your penalty.",
            (R1, "reg * np.sum(W)"),
        ),
        (
            "the gradient points downhill",
            "The update subtracts what you return. With your sign, do weights shrink or grow?",
            (D1, "-reg * np.sign(W)"),
        ),
        (
            "no λ in the gradient",
            "Twice the strength must give twice the gradient. Does yours change with λ at all?",
            (D1, "np.sign(W)"),
        ),
        (
            "the mean of the sizes",
            "Twice as many weights of the same size: should the penalty stay as it is?",
            (R1, "reg * np.mean(np.abs(W))"),
        ),
        (
            "a ½ as in L2",
            "A ½ in front of a square cancels the 2 of its derivative. What would it cancel here?",
            SLIP,
            (R1, "0.5 * reg * np.sum(np.abs(W))"),
        ),
        (
            "W is changed",
            "After the call the caller's weights are other ones. Which of your statements writes "
            "into W?",
            SLIP,
            ("return penalty, dW", "W *= 1 - reg\n    return penalty, dW"),
        ),
    ),
    *wrong(
        "l1_penalty",
        (
            "the norm of a matrix",
            "For a matrix, numpy's norm of order 1 is the largest sum of a column. Which numbers "
            "does the slide add up?",
            (R1, "reg * max(np.atleast_2d(np.abs(W).reshape(W.shape[0], -1)).sum(axis=0))"),
        ),
        (
            "the norm of a matrix, as numpy has it",
            "For a matrix, numpy's norm of order 1 is the largest sum of a column, and weights "
            "with more axes have none. Which numbers does the slide add up?",
            grouped("the norm of a matrix"),
            (R1, "reg * np.linalg.norm(W, 1)"),
        ),
        **NUMPY,
    ),
)

# ------------------------------------------------------------------ elastic net

RN = "reg * np.sum(beta * W**2 + np.abs(W))"
DN = "reg * (2 * beta * W + np.sign(W))"
WRONG_NET = wrong(
    "elastic_net_penalty",
    (
        "β on the other part",
        "Which of the two parts does slide 70 multiply by β: the squares, or the absolute values?",
        (RN, "reg * np.sum(W**2 + beta * np.abs(W))"),
        (DN, "reg * (2 * W + beta * np.sign(W))"),
    ),
    (
        "β on both parts",
        "With β = 0 the slide's elastic net is L1. What is left of yours?",
        (RN, "reg * beta * np.sum(W**2 + np.abs(W))"),
        (DN, "reg * beta * (2 * W + np.sign(W))"),
    ),
    (
        "no β",
        "Your penalty is the same for every β. Which of its parts does β belong to?",
        (RN, "reg * np.sum(W**2 + np.abs(W))"),
        (DN, "reg * (2 * W + np.sign(W))"),
    ),
    (
        "λ on one part only",
        "Without strength, λ = 0, nothing should be left of the penalty.",
        (RN, "reg * beta * np.sum(W**2) + np.sum(np.abs(W))"),
        (DN, "reg * 2 * beta * W + np.sign(W)"),
    ),
    (
        "a mixture of shares β and 1 − β",
        "That is how some libraries define it. Slide 70 gives the absolute values the weight 1, "
        "whatever β is.",
        (RN, "reg * np.sum(beta * W**2 + (1 - beta) * np.abs(W))"),
        (DN, "reg * (2 * beta * W + (1 - beta) * np.sign(W))"),
    ),
    (
        "the gradient of the absolute values is missing",
        "There are two parts in the penalty. How many are there in your gradient?",
        (DN, "reg * 2 * beta * W"),
    ),
    (
        "the 2 of the gradient is missing",
        "Move one weight by a little: by how much does its square change?",
        (DN, "reg * (beta * W + np.sign(W))"),
    ),
    (
        "no sign",
        "For a negative weight |w| grows when w falls. Can its slope be positive everywhere?",
        (DN, "reg * (2 * beta * W + 1)"),
    ),
    (
        "not a number at 0",
        "A weight that is exactly 0 makes your gradient nan. What does your formula divide by, and "
        "which slopes may |w| have there?",
        SLIP,
        (DN, "reg * (2 * beta * W + W / np.abs(W))"),
    ),
    (
        "W is changed",
        "After the call the caller's weights are other ones. Which of your statements writes into "
        "W?",
        SLIP,
        ("return penalty, dW", "W *= 1 - reg\n    return penalty, dW"),
    ),
)

# ------------------------------------------------------------------ the proximal step

V = "w - learning_rate * dw"
SHRUNK = "np.sign(v) * np.clip(np.abs(v) - learning_rate * reg, 0, None)"
WRONG_PROX = wrong(
    "l1_proximal_step",
    (
        "past zero",
        "A weight of 0.1 that is to move by 0.3 towards zero stops there; yours comes out on the "
        "other side.",
        (SHRUNK, "v - learning_rate * reg * np.sign(v)"),
    ),
    (
        "past zero, by the sign of the old weight",
        "A weight of 0.1 that is to move by 0.3 towards zero stops there; yours comes out on the "
        "other side.",
        grouped("past zero"),
        (SHRUNK, "v - learning_rate * reg * np.sign(w)"),
    ),
    (
        "λ in place of αλ",
        "A step half as long must shrink the weights half as much. Does your threshold know the "
        "learning rate?",
        (SHRUNK, SHRUNK.replace("learning_rate * reg", "reg")),
    ),
    (
        "shrunk before the step",
        "You look at where the weights were. Which comes first: the step along the gradient, or "
        "the move towards zero?",
        (V, "np.sign(w) * np.clip(np.abs(w) - learning_rate * reg, 0, None)"),
        (SHRUNK, "v - learning_rate * dw"),
    ),
    (
        "the sign of the old weights",
        "A step may bring a weight to the other side of zero. Towards zero is then the other way.",
        (SHRUNK, SHRUNK.replace("np.sign(v)", "np.sign(w)")),
    ),
    (
        "a hard threshold",
        "Small weights become 0, but the large ones should move by αλ as well.",
        (SHRUNK, "v * (np.abs(v) > learning_rate * reg)"),
    ),
    (
        "positive weights only",
        "All of your negative weights are 0. Which way is towards zero for them?",
        (SHRUNK, "np.clip(v - learning_rate * reg, 0, None)"),
    ),
    (
        "no step along the gradient",
        "Your weights only shrink. Where does the data come in?",
        (V, "w"),
    ),
    (
        "the step goes uphill",
        "Gradient descent goes against the gradient: which sign does a step have?",
        (V, "w + learning_rate * dw"),
    ),
    (
        "the penalty twice",
        "The move towards zero *is* the penalty. Is it also in the gradient of your step?",
        (V, "w - learning_rate * (dw + reg * np.sign(w))"),
    ),
    (
        "the step of L2",
        "Your weights shrink by a fraction of their size, and never become 0.",
        (SHRUNK, "v * (1 - learning_rate * reg)"),
    ),
    (
        "inputs are changed",
        "After the call the caller's gradient is another one. Which of your statements writes into "
        "it?",
        SLIP,
        (V, "w - learning_rate * dw\n    dw *= 0"),
    ),
)

# ------------------------------------------------------------------ dropout as L2

RESIDUAL, SIZE = "y - p * (x @ w)", "np.sum(x**2, axis=0)"
LOSS = "np.sum(r**2) + p * (1 - p) * np.sum(size * w**2)"
DW = "-2 * p * (x.T @ r) + 2 * p * (1 - p) * size * w"
WRONG_AS_L2 = wrong(
    "dropout_as_l2",
    (
        "nothing is dropped from the prediction",
        "With probability 1 − p an input is missing. What is the mean of the prediction then?",
        (RESIDUAL, "y - x @ w"),
    ),
    (
        "the products of different inputs",
        "Two inputs are dropped independently, so the noise of one has nothing to do with the "
        "noise of the other. Which entries of xᵀx can the penalty contain?",
        ("np.sum(size * w**2)", "np.sum((x @ w) ** 2)"),
        ("size * w  #", "(x.T @ (x @ w))  #"),
    ),
    (
        "the variance is p",
        "What is the variance of a number that is 1 with probability p, and 0 otherwise? With "
        "p = 1 nothing is random.",
        (LOSS, "np.sum(r**2) + p * np.sum(size * w**2)"),
        (DW, "-2 * p * (x.T @ r) + 2 * p * size * w"),
    ),
    (
        "the variance is 1 − p",
        "What is the variance of a number that is 1 with probability p, and 0 otherwise?",
        (LOSS, "np.sum(r**2) + (1 - p) * np.sum(size * w**2)"),
        (DW, "-2 * p * (x.T @ r) + 2 * (1 - p) * size * w"),
    ),
    (
        "the standard deviation of the mask",
        "A sum of squared errors grows by the variance of the prediction, not by its root.",
        (LOSS, "np.sum(r**2) + (p * (1 - p)) ** 0.5 * np.sum(size * w**2)"),
        (DW, "-2 * p * (x.T @ r) + 2 * (p * (1 - p)) ** 0.5 * size * w"),
    ),
    (
        "inverted dropout",
        "That is the expected loss when what is kept is scaled up by 1/p. Here it is not.",
        (RESIDUAL, "y - x @ w"),
        (LOSS, "np.sum(r**2) + (1 - p) / p * np.sum(size * w**2)"),
        (DW, "-2 * (x.T @ r) + 2 * (1 - p) / p * size * w"),
    ),
    (
        "plain L2",
        "Your penalty does not look at the inputs. Which is worse for the prediction: to drop an "
        "input that is always large, or one that is always small?",
        (SIZE, "0 * w + 1"),
    ),
    (
        "the length of the inputs, not its square",
        "Inputs twice as large make noise of four times the variance.",
        (SIZE, "np.sum(x**2, axis=0) ** 0.5"),
    ),
    (
        "no penalty",
        "That is the error of the mean prediction. Single predictions scatter around it.",
        (LOSS, "np.sum(r**2)"),
        (DW, "-2 * p * (x.T @ r)"),
    ),
    (
        "the mean over the examples",
        "The sum of the squared errors is asked for, over all examples.",
        (LOSS, "(np.sum(r**2) + p * (1 - p) * np.sum(size * w**2)) / len(y)"),
        (DW, "(-2 * p * (x.T @ r) + 2 * p * (1 - p) * size * w) / len(y)"),
    ),
    (
        "the mean of the squares, penalty as a sum",
        "One part of your loss is divided by the number of examples, and the other one is not.",
        (LOSS, "np.mean(r**2) + p * (1 - p) * np.sum(size * w**2)"),
        (DW, "-2 * p * (x.T @ r) / len(y) + 2 * p * (1 - p) * size * w"),
    ),
    (
        "the inner p of the gradient is missing",
        "The residual contains p·x·w. By how much does it change with w?",
        (DW, "-2 * (x.T @ r) + 2 * p * (1 - p) * size * w"),
    ),
    (
        "the 2 of the gradient is missing",
        "Both parts of the loss are squares. What is the derivative of a square?",
        (DW, "-p * (x.T @ r) + p * (1 - p) * size * w"),
    ),
    (
        "the 2 of the penalty's gradient is missing",
        "The penalty is a square as well. What is the derivative of a square?",
        (DW, "-2 * p * (x.T @ r) + p * (1 - p) * size * w"),
    ),
    (
        "the sign of the residual",
        "The residual is the target minus the prediction. Does it grow or fall with w?",
        (DW, "2 * p * (x.T @ r) + 2 * p * (1 - p) * size * w"),
    ),
    (
        "the gradient of the penalty is missing",
        "There are two parts in the loss. How many are there in your gradient?",
        (DW, "-2 * p * (x.T @ r)"),
    ),
    (
        "inputs are changed",
        "After the call the caller's inputs are other ones. Which of your statements writes into "
        "them?",
        SLIP,
        ("return loss, dw", "x *= p\n    return loss, dw"),
    ),
)

# ------------------------------------------------------------------ the wiring

WEIGHTS, ADDED = 'if name.endswith(".w"):', "loss, dw = loss + R, dw + dR"
WRONG_WIRED = wrong(
    "train_regularized",
    (
        "biases are penalized too",
        "A bias only shifts a unit; keeping it small buys nothing. What tells the weights from "
        "the other parameters?",
        grouped("biases"),
        (WEIGHTS, "if True:"),
    ),
    (
        "biases shrink, but only in the gradient",
        "Your losses contain the weights' penalty alone, but the other parameters shrink as well. "
        "Gradient and loss must belong to each other.",
        grouped("biases"),
        (
            ADDED,
            "loss = loss + R\n                dw = dw + penalty(w)[1]",
        ),
        (WEIGHTS, 'R, dR = 0, 0\n                if name.endswith(".w"):'),
    ),
    (
        "the last layer is left out",
        "Only the first layer's weights are penalized. Which layers does the sum run over?",
        (WEIGHTS, 'if name == "affine1.w":'),
    ),
    (
        "the penalty is not in the gradient",
        "The losses contain the penalty, and the weights never hear of it.",
        (ADDED, "loss = loss + R"),
    ),
    (
        "the penalty is not in the loss",
        "The weights feel the penalty, but the losses you return are those of the data alone.",
        (ADDED, "dw = dw + dR"),
    ),
    (
        "the penalty's gradient is subtracted",
        "With your sign the weights grow, and the penalty is to make them small.",
        (ADDED, "loss, dw = loss + R, dw - dR"),
    ),
    (
        "the penalty divided by the size of the batch",
        "The mean over the batch is in the data loss. Is there anything in the penalty that counts "
        "examples?",
        (ADDED, "loss, dw = loss + R / len(batches), dw + dR / len(batches)"),
    ),
    (
        "noise stays on at validation",
        "The validation accuracy is measured with noise on. Who switches it off?",
        SLIP,
        ("net.eval()", "pass"),
    ),
    (
        "noise stays off after the first epoch",
        "In the first epoch there is noise, and from then on never again. What did the validation "
        "leave behind, and where do you undo it?",
        SLIP,
        ("net.train()", "net.train() if not accuracies else None"),
    ),
    (
        "noise is never on",
        "Nobody switches the noise on before the first step.",
        SLIP,
        ("net.train()", "pass"),
    ),
    (
        "train and eval swapped",
        "Is the noise meant for training, or for validation?",
        ("net.train()", "net.eval( )"),
        ("net.eval()", "net.train()"),
    ),
    (
        "parameters are replaced, not changed",
        "Your new array has a name in your function, and the network still has the old one.",
        ("w -= learning_rate * dw", "w = w - learning_rate * dw"),
    ),
    (
        "the step goes uphill",
        "Gradient descent goes against the gradient: which sign does a step have?",
        ("w -= learning_rate * dw", "w += learning_rate * dw"),
    ),
    (
        "only weights are trained",
        "Biases get no penalty, but they do get a step.",
        (
            "                w -= learning_rate * dw",
            "                    w -= learning_rate * dw",
        ),
    ),
    (
        "scored on a training batch",
        "Your accuracies are those of a batch that was trained on.",
        SLIP,
        ("net.accuracy(*val)", "net.accuracy(x, y)"),
    ),
    (
        "scored before the epoch",
        "An accuracy after each epoch is asked for; your first one is that of the untrained "
        "network.",
        SLIP,
        ("        accuracies.append(net.accuracy(*val))\n", ""),
        ("        net.eval()\n", ""),
        (
            "        net.train()\n",
            "        net.eval()\n        accuracies.append(net.accuracy(*val))\n"
            "        net.train()\n",
        ),
    ),
    (
        "one loss an epoch",
        "One loss for each step is asked for, not one for each epoch.",
        SLIP,
        (
            "            losses.append(loss)\n        net.eval()",
            "        losses.append(loss)\n        net.eval()",
        ),
    ),
)

MISCONCEPTIONS = (
    *WRONG_L2,
    *WRONG_L1,
    *WRONG_NET,
    *WRONG_PROX,
    *WRONG_AS_L2,
    *WRONG_WIRED,
)

# ------------------------------------------------------------------ right


def l2_by_loop(W, reg):
    """Add up one weight after the other."""
    penalty, dW = 0.0, W * 0
    for place in np.ndindex(*W.shape):
        penalty = penalty + reg * W[place] * W[place]
        dW[place] = reg * W[place] + reg * W[place]
    return penalty, dW


def l1_by_cases(W, reg):
    """Slope by cases, −λ at zero."""
    dW = np.where(W > 0, reg, -reg).astype(W.dtype)
    return reg * np.sum(W * np.where(W > 0, 1, -1)), dW


def net_by_parts(W, reg, beta):
    """Add the two penalties."""
    squares, sizes = beta * reg * np.square(W), reg * np.abs(W)
    return np.sum(squares) + np.sum(sizes), 2 * beta * reg * W + reg * np.sign(W)


def prox_by_cases(w, dw, learning_rate, reg):
    """Say what happens above, below and in between."""
    next_w, t = w - learning_rate * dw, learning_rate * reg
    above, below = next_w > t, next_w < -t
    return np.where(above, next_w - t, np.where(below, next_w + t, 0 * next_w))


def as_l2_by_loop(x, y, w, p):
    """Mean and variance of the prediction, example by example."""
    loss, dw = 0.0, np.zeros_like(w)
    for row, target in zip(x, y, strict=True):
        away = target - p * np.dot(row, w)
        loss += away**2 + np.sum(p * (1 - p) * row**2 * w**2)
        dw = dw - 2 * p * away * row + 2 * p * (1 - p) * row**2 * w
    return loss, dw


def as_l2_by_quadratic_form(x, y, w, p):
    """The expected xᵀx of a dropped x, as one matrix."""
    gram = p**2 * x.T @ x + np.diag(p * (1 - p) * np.diag(x.T @ x))
    return y @ y - 2 * p * y @ x @ w + w @ gram @ w, 2 * gram @ w - 2 * p * x.T @ y


def as_l2_by_einsum(x, y, w, p):
    """Named sums."""
    predicted = p * np.einsum("nd,d->n", x, w)
    size = np.einsum("nd,nd->d", x, x)
    loss = np.einsum("n,n->", predicted - y, predicted - y) + (p - p**2) * size @ w**2
    return loss, 2 * (p * np.einsum("nd,n->d", x, predicted - y) + (p - p**2) * size * w)


def wired_with_gradients_first(net, batches, val, penalty, learning_rate, epochs):
    """First all gradients, then all steps; an evaluation puts the mode back."""
    losses, accuracies = [], []
    net.train()
    for _epoch in range(epochs):
        for batch in batches:
            loss, grads = net.loss_and_gradients(*batch)
            weights = [key for key in net.params if ".w" in key]
            terms = {key: penalty(net.params[key]) for key in weights}
            losses += [loss + sum(float(value) for value, _ in terms.values())]
            for key in grads:
                if key in terms:
                    grads[key] = grads[key] + terms[key][1]
            for key, array in net.params.items():
                array[...] = array - learning_rate * grads[key]
        net.eval()
        accuracies += [net.accuracy(val[0], val[1])]
        net.train()
    return np.asarray(losses), np.asarray(accuracies)


def wired_by_index(net, batches, val, penalty, learning_rate, epochs):
    """Fill arrays that are made before."""
    losses = np.zeros(epochs * len(batches))
    accuracies = np.zeros(epochs)
    for epoch in range(epochs):
        for k, (x, y) in enumerate(batches):
            net.train()
            losses[epoch * len(batches) + k], gradients = net.loss_and_gradients(x, y)
            for name in gradients:
                parameter = net.params[name]
                step = learning_rate * gradients[name]
                if name.split(".")[1] == "w":
                    losses[epoch * len(batches) + k] += penalty(parameter)[0]
                    step = step + learning_rate * penalty(parameter)[1]
                parameter -= step
        net.eval()
        x, y = val
        accuracies[epoch] = net.accuracy(x, y)
    return losses, accuracies


VARIANTS = (
    *right("l2_penalty", "a loop", l2_penalty=l2_by_loop, **NUMPY),
    *right("l2_penalty", "products", (R2, "reg * np.sum(W * W)"), (D2, "reg * (W + W)")),
    *right("l2_penalty", "a number of Python's", (R2, "float(reg * np.sum(W**2))")),
    *right("l2_penalty", "a power", (R2, "np.sum(W**2.0) * reg"), (D2, "2.0 * W * reg")),
    *right("l2_penalty", "a dot product", (R2, "reg * (W.reshape(-1) @ W.reshape(-1))")),
    *right("l1_penalty", "by cases, −λ at zero", l1_penalty=l1_by_cases),
    *right("l1_penalty", "the method", (R1, "reg * abs(W).sum()")),
    *right("l1_penalty", "the sign times the weight", (R1, "reg * (np.sign(W) * W).sum()")),
    *right("elastic_net_penalty", "by parts", elastic_net_penalty=net_by_parts),
    *right(
        "elastic_net_penalty", "factored", (RN, "reg * np.sum(np.abs(W) * (1 + beta * np.abs(W)))")
    ),
    *right("elastic_net_penalty", "λ inside", (DN, "reg * 2 * beta * W + reg * np.sign(W)")),
    *right("l1_proximal_step", "by cases", l1_proximal_step=prox_by_cases),
    *right(
        "l1_proximal_step",
        "v minus v clipped",
        (SHRUNK, "v - np.clip(v, -learning_rate * reg, learning_rate * reg)"),
    ),
    *right(
        "l1_proximal_step",
        "two one-sided steps",
        (
            SHRUNK,
            "np.clip(v - learning_rate * reg, 0, None) + np.clip(v + learning_rate * reg, None, 0)",
        ),
    ),
    *right("dropout_as_l2", "example by example", dropout_as_l2=as_l2_by_loop),
    *right("dropout_as_l2", "a quadratic form", dropout_as_l2=as_l2_by_quadratic_form),
    *right("dropout_as_l2", "einsum", dropout_as_l2=as_l2_by_einsum),
    *right("train_regularized", "gradients first", train_regularized=wired_with_gradients_first),
    *right("train_regularized", "by index", train_regularized=wired_by_index),
    *right(
        "train_regularized",
        "weights by their shape",
        (WEIGHTS, "if w.ndim > 1:"),
        ("w -= learning_rate * dw", "w[:] = w - learning_rate * dw"),
    ),
)
