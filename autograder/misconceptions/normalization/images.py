"""Wrong batch normalization of images."""

from autograder.misconceptions.normalization.backward import DIRECT, MEAN, VARIANCE
from autograder.misconceptions.normalization.forward import VAR
from autograder.misconceptions.records import (
    SLIP,
    grouped,
    judged_by,
    wrong,
)

ROWS = "rows = x.transpose(1, 0, 2, 3).reshape(C, -1).T"
IMAGES = "out.T.reshape(C, N, H, W).transpose(1, 0, 2, 3)"
CALL = "out, cache = batchnorm_forward(rows, gamma, beta, bn_param)"

OF_EVERY_IMAGE = """\
params, out = [dict(bn_param) for _ in range(N)], 0 * rows
    for n, param in enumerate(params):
        of_image = slice(n * H * W, (n + 1) * H * W)
        out[of_image], cache = batchnorm_forward(rows[of_image], gamma, beta, param)
    for key in ("running_mean", "running_var"):
        bn_param[key] = sum(param[key] for param in params) / N"""
SPATIAL_FORWARD = wrong(
    "spatial_batchnorm_forward",
    (
        "channels mixed by reshape",
        "reshape reads the numbers in the order in which they lie in memory, and there the channel "
        "is not the last axis. Fill channel c with the number c and print your rows.",
        (ROWS, "rows = x.reshape(-1, C)"),
        (IMAGES, "out.reshape(N, C, H, W)"),
    ),
    (
        "channels mixed on the way back",
        "Your rows are right. The way back must undo every step of the way in, the last one first.",
        (IMAGES, "out.reshape(N, C, H, W)"),
    ),
    (
        "height and width swapped on the way back",
        "All numbers of a channel are there, in other places. "
        "Which of the two axes, height or width, runs faster in your rows?",
        (IMAGES, "out.T.reshape(C, N, W, H).transpose(1, 0, 3, 2)"),
    ),
    (
        "the way in taken for the way back",
        "The permutation that brought the channels to the end does not bring them back. "
        "Write down where each axis goes, and where it must go from there.",
        (ROWS, "rows = x.transpose(0, 2, 3, 1).reshape(-1, C)"),
        (IMAGES, "out.reshape(N, H, W, C).transpose(0, 2, 3, 1)"),
    ),
    (
        "rows returned in place of images",
        "What you return has the shape of your rows. reshape and transpose give a new array; "
        "they do not change the one they are called on.",
        (IMAGES, "out"),
    ),
    (
        "the last axis taken for the channels",
        "Which position has C in the shape of x? You normalize each column of the image.",
        (ROWS, "rows = x.reshape(-1, W)"),
    ),
    (
        "statistics of every pixel",
        "You have a mean for each pixel of each channel. How many should there be, when a "
        "convolution treats all places of an image alike?",
        (ROWS, "rows = x.reshape(N, -1)"),
        (
            CALL,
            "gamma, beta = (\n"
            "        (a[:, None] + 0 * x[0].reshape(C, -1)).reshape(-1) for a in (gamma, beta)\n"
            "    )\n"
            "    out, cache = batchnorm_forward(rows, gamma, beta, bn_param)",
        ),
        (IMAGES, "out.reshape(N, C, H, W)"),
    ),
    (
        "statistics of every image, their means kept",
        "Each image is normalized on its own here; that is another kind of normalization. "
        "Over which axes does batch norm take its mean?",
        grouped("statistics of every image"),
        (CALL, OF_EVERY_IMAGE),
    ),
    (
        "statistics of every image",
        "Each image is normalized on its own here; that is another kind of normalization. "
        "Over which axes does batch norm take its mean?",
        (
            CALL,
            "out = 0 * rows\n"
            "    for n in range(N):\n"
            "        of_image = slice(n * H * W, (n + 1) * H * W)\n"
            "        out[of_image], cache = "
            "batchnorm_forward(rows[of_image], gamma, beta, bn_param)",
        ),
    ),
    (
        "one bn_param for a loop over channels",
        "Your loop hands the same running statistics to every channel, so each channel continues "
        "with those of the one before. What should a channel keep for itself?",
        (
            CALL,
            "out = 0 * rows\n"
            "    for c in range(C):\n"
            "        own = slice(c, c + 1)\n"
            "        out[:, own], cache = "
            "batchnorm_forward(rows[:, own], gamma[own], beta[own], bn_param)",
        ),
    ),
    (
        "running statistics in a copy of bn_param",
        "The running statistics end up in a dict of your own. Where will the next call look?",
        ("beta, bn_param)\n", "beta, dict(bn_param))\n"),
    ),
    (
        "test mode uses batch statistics",
        "In test mode one image must give the same output whoever else is in the batch. "
        "Does the mode reach batchnorm_forward?",
        ("beta, bn_param)\n", 'beta, bn_param | {"mode": "train"})\n'),
    ),
    (
        "eps and momentum left behind",
        "The caller may choose eps and momentum. Do they reach batchnorm_forward?",
        (
            CALL,
            'left = {k: v for k, v in bn_param.items() if k not in ("eps", "momentum")}\n'
            "    out, cache = batchnorm_forward(rows, gamma, beta, left)\n"
            "    bn_param.update(left)",
        ),
    ),
    (
        "out forced to float32",
        "float64 comes in and float32 goes out: half of the digits are lost. "
        "Where do you name a type, or make an array that has one of its own?",
        (IMAGES, f"{IMAGES}.astype(np.float32)"),
    ),
)

DROWS = "rows = dout.transpose(1, 0, 2, 3).reshape(C, -1).T"
DIMAGES = "dx.T.reshape(C, N, H, W).transpose(1, 0, 2, 3)"
DCALL = "dx, dgamma, dbeta = batchnorm_backward(rows, cache)"

SPATIAL_BACKWARD = wrong(
    "spatial_batchnorm_backward",
    (
        "channels mixed by reshape",
        "reshape reads the numbers in the order in which they lie in memory, and there the channel "
        "is not the last axis. dout has to go the same way as x in the forward pass.",
        (DROWS, "rows = dout.reshape(-1, C)"),
        (DIMAGES, "dx.reshape(N, C, H, W)"),
    ),
    (
        "channels mixed on the way back",
        "Your rows are right. The way back must undo every step of the way in, the last one first.",
        (DIMAGES, "dx.reshape(N, C, H, W)"),
    ),
    (
        "rows of dout in another order than those of x",
        "The rows of dout must stand in the order of the rows in the cache. "
        "Compare both ways in, axis by axis.",
        (DROWS, "rows = dout.transpose(0, 3, 2, 1).reshape(-1, C)"),
        (DIMAGES, "dx.reshape(N, W, H, C).transpose(0, 3, 2, 1)"),
    ),
    (
        "height and width swapped on the way back",
        "All numbers of a channel are there, in other places. "
        "Which of the two axes, height or width, runs faster in your rows?",
        (DIMAGES, "dx.T.reshape(C, N, W, H).transpose(1, 0, 3, 2)"),
    ),
    (
        "rows returned in place of images",
        "What you return has the shape of your rows. reshape and transpose give a new array; "
        "they do not change the one they are called on.",
        (DIMAGES, "dx"),
    ),
    (
        "dgamma and dbeta of every pixel",
        "One gamma scales a whole channel, so all its pixels have a say in dgamma. "
        "Over which axes of dout do you have to sum?",
        (
            DCALL,
            "dx, dgamma, dbeta = batchnorm_backward(rows, cache)\n"
            "    x_hat = cache[0].T.reshape(C, N, H, W).transpose(1, 0, 2, 3)\n"
            "    dgamma, dbeta = (dout * x_hat).sum(axis=0), dout.sum(axis=0)",
        ),
    ),
    (
        "dgamma and dbeta keep the axes of the image",
        "gamma has shape (C,). A gradient has the shape of its parameter.",
        (
            DCALL,
            "dx, dgamma, dbeta = batchnorm_backward(rows, cache)\n"
            "    dgamma, dbeta = dgamma.reshape(1, C, 1, 1), dbeta.reshape(1, C, 1, 1)",
        ),
    ),
    (
        "dgamma and dbeta averaged over the pixels",
        "One beta reaches every pixel of its channel. What does the chain rule do with many paths?",
        (
            DCALL,
            "dx, dgamma, dbeta = batchnorm_backward(rows, cache)\n"
            "    dgamma, dbeta = dgamma / (H * W), dbeta / (H * W)",
        ),
    ),
    (
        "dgamma and dbeta averaged over images and pixels",
        "One beta reaches every pixel of its channel in every image. What does the chain rule do "
        "with many paths?",
        grouped("dgamma and dbeta averaged over the pixels"),
        (
            DCALL,
            "dx, dgamma, dbeta = batchnorm_backward(rows, cache)\n"
            "    dgamma, dbeta = dgamma / len(rows), dbeta / len(rows)",
        ),
    ),
    (
        "N counts images",
        "How many numbers went into the mean of one channel? The formula divides by that.",
        (
            DCALL,
            "x_hat, gamma, std = cache\n"
            "    dgamma, dbeta = (rows * x_hat).sum(axis=0), rows.sum(axis=0)\n"
            "    dx = gamma / std * (rows - dbeta / N - x_hat * (dgamma / N))",
        ),
    ),
    (
        "mean and variance treated as constants",
        "Move one pixel: the mean and the variance of its channel move too, and with them all "
        "other outputs of the channel. Which paths does your dx leave out?",
        (
            DCALL,
            "dx, dgamma, dbeta = batchnorm_backward(rows, cache)\n"
            "    dx = rows * cache[1] / cache[2]",
        ),
    ),
    (
        "the cache of the last channel for all",
        "Only your last channel is right. In a loop over channels, how many caches do you need?",
        (
            DCALL,
            "x_hat, gamma, std = cache\n"
            "    last = (x_hat[:, -1:] + 0 * x_hat, gamma[-1] + 0 * gamma, std[-1] + 0 * std)\n"
            "    dx, dgamma, dbeta = batchnorm_backward(rows, last)",
        ),
    ),
    (
        "dx forced to float32",
        "float64 comes in and float32 goes out: half of the digits are lost. "
        "Where do you name a type, or make an array that has one of its own?",
        (DIMAGES, f"{DIMAGES}.astype(np.float32)"),
    ),
)
# What rows get wrong, images get wrong where somebody writes the formula once more.
AS_ROWS = (
    *wrong(
        "spatial_batchnorm_forward",
        (
            "unbiased variance",
            "Over the batch the squares of x_hat should have the mean 1 (nearly: eps). Yours are a "
            "little small. By what do you divide the sum of squares in (BN.2)?",
            judged_by("output of a training batch"),
            (VAR, "(x_mu**2).sum(axis=0) / (len(x) - 1)"),
        ),
        (
            "eps outside the root",
            "Read (BN.3) once more: what exactly is eps added to?",
            SLIP,
            ("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
        ),
        edited="batchnorm_forward",
    ),
    *wrong(
        "spatial_batchnorm_backward",
        (
            "gamma forgotten on the way to x_hat",
            "With gamma = 0 the output does not depend on x at all; what would your dx be?",
            ("dx_hat = dout * gamma", "dx_hat = dout"),
        ),
        (
            "mean treated as a constant",
            "Move one x: the mean of its channel moves too. Does that path reach your dx?",
            (f"{VARIANCE} + {MEAN}", VARIANCE),
        ),
        (
            "variance treated as a constant",
            "Move one x: the variance of its channel moves too. Does that path reach your dx?",
            (f"{DIRECT} + {VARIANCE}", DIRECT),
        ),
        edited="batchnorm_backward",
    ),
)
MISCONCEPTIONS = (*SPATIAL_FORWARD, *SPATIAL_BACKWARD, *AS_ROWS)
