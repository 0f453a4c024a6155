"""Wrong layer, instance and group normalization: the same slips in three kinds of statistics."""

from autograder.misconceptions.records import (
    SLIP,
    another_default,
    fundamental,
    grouped,
    in_one_place_too,
    judged_by,
    wrong,
)

# ------------------------------------------------------------------ forward


def forward_slips(tag, x, axes, count, scaled, shifted):
    """Return the slips that all three forward passes invite, as lines for `wrong`.

    Args:
        tag: of the equations, such as "LN".
        x: name of what is standardized.
        axes: over which a mean runs, such as "axis=1".
        count: how many numbers it has.
        scaled, shifted: gamma and beta as they meet x_hat.
    """
    var = f"(x_mu**2).mean({axes}, keepdims=True, dtype=float).astype(x.dtype)"
    affine = f"out = {scaled} * x_hat + {shifted}"
    return (
        (
            "no eps",
            "Numbers that are all the same have variance 0. "
            f"What do you divide by then, and what is in ({tag}.3) against it?",
            SLIP,
            ("np.sqrt(var + eps)", "np.sqrt(var)"),
        ),
        (
            "eps outside the root",
            f"Read ({tag}.3) once more: what exactly is eps added to? "
            "With an eps as small as usual nobody would notice; here eps is large.",
            SLIP,
            ("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
        ),
        another_default(
            "eps", f'{tag.lower()}_param.get("eps", 1e-5)', f'{tag.lower()}_param.get("eps", 1e-3)'
        ),
        (
            "eps hard-coded",
            "The caller may choose eps, and your output does not care. "
            "Where does the function learn about it?",
            SLIP,
            (f'{tag.lower()}_param.get("eps", 1e-5)', "1e-5"),
        ),
        (
            "the root is missing",
            "Double x: x_hat must (nearly) stay the same, and yours becomes half as large. "
            "Is it the variance or its root that has the unit of x?",
            ("std = np.sqrt(var + eps)", "std = var + eps"),
        ),
        (
            "x is not centred",
            "Add 100 to every x: the output must stay the same, and yours does not. "
            f"Which step of ({tag}.3) is missing?",
            ("x_mu * (1 / std)", f"{x} / std"),
        ),
        (
            "root mean square in place of the deviation",
            "You divide by the root mean square and never subtract the mean. That is a layer too "
            "(RMS norm), but another one: add 100 to every x and look at the output.",
            (var, f"({x}**2).mean({axes}, keepdims=True)"),
            ("x_mu * (1 / std)", f"{x} / std"),
        ),
        (
            "variance around zero",
            "Add 100 to every x: the variance must stay the same, and yours does not. "
            "Around which point is the spread measured?",
            (var, f"({x}**2).mean({axes}, keepdims=True)"),
        ),
        (
            "one-pass variance",
            "Around 10,000 the squares are near 100,000,000, and float32 keeps about 7 digits. "
            "What is left of a spread of 1 when two such numbers are subtracted? Which of mean, "
            "difference and square should come first?",
            (
                var,
                f"({x}**2).mean({axes}, keepdims=True) - {x}.mean({axes}, keepdims=True) ** 2",
            ),
        ),
        (
            "unbiased variance",
            "Where one mean is taken, the squares of x_hat should have the mean 1 (nearly: eps). "
            f"Yours are a little small. By what do you divide the sum of squares in ({tag}.2)? "
            "Some functions choose for you: read their documentation.",
            judged_by("output of a batch"),
            (var, f"(x_mu**2).sum({axes}, keepdims=True) / ({count} - 1)"),
        ),
        (
            "the variance is a sum",
            "Your variance grows with how many numbers go into it. "
            f"Which symbol in ({tag}.2) stops that?",
            (var, f"(x_mu**2).sum({axes}, keepdims=True)"),
        ),
        (
            "the means lose their axis",
            "The shapes collide where the mean is subtracted. Print the shape of the mean: "
            "which axis is missing, and how can a reduction keep it?",
            fundamental("the shapes collide in every call"),
            (
                f"{x}.mean({axes}, keepdims=True, dtype=float).astype(x.dtype)",
                f"{x}.mean({axes})",
            ),
        ),
        (
            "gamma and beta never used",
            "Your output is x_hat itself. What can the network learn in this layer?",
            (affine, "out = x_hat"),
        ),
        (
            "gamma and beta swapped",
            "With beta = 0 your output is the same number for every example. "
            "Which of the two scales, and which one shifts?",
            (affine, f"out = {shifted} * x_hat + {scaled}"),
        ),
        (
            "scaled and shifted before the normalization",
            f"Double gamma and beta: the output should double, and yours stays nearly as it is. "
            f"What does ({tag}.3) make of a scale and a shift that were there before it?",
            (affine, "out = x_hat"),
            ("    eps = ", f"    x = ({scaled} * x + {shifted}).astype(x.dtype)\n    eps = "),
        ),
        (
            "beta added before the scaling",
            f"With gamma = 0 every output should be beta; yours is 0. In which order does ({tag}.4)"
            " scale and shift?",
            (affine, f"out = {scaled} * (x_hat + {shifted})"),
        ),
        (
            "x is changed",
            "After the call the caller's x is no longer what it was: a statement such as -= writes "
            "into it. Who else may still need x?",
            SLIP,
            (f"x_mu = {x} - mu  #", f"{x} -= mu\n    x_mu = {x}  #"),
        ),
        (
            "out forced to float32",
            "float64 comes in and float32 goes out: half of the digits are lost. "
            "Where do you name a type, or make an array that has one of its own?",
            SLIP,
            ("    return out,", "    out = out.astype(np.float32)\n    return out,"),
        ),
    )


def over(x, axes, others):
    """Return the edits that take mean and variance over other axes."""
    return tuple(
        (f"{place}.mean({axes}", f"{place}.mean({others}")
        for place in (f"mu = {x}", "x_mu -= x_mu", "(x_mu**2)")
    )


LAYER_FORWARD = wrong(
    "layernorm_forward",
    *forward_slips("LN", "x", "axis=1", "x.shape[1]", "gamma", "beta"),
    (
        "statistics over the batch",
        "Every column of your x_hat has mean 0; every row should. That is the layer of the lesson "
        "before. How many means does (LN.1) give for x of shape (N, D)?",
        *over("x", "axis=1", "axis=0"),
    ),
    (
        "one mean and variance for the whole batch",
        "All examples share one mean here, so what one example becomes depends on the others. "
        "How many means does (LN.1) give for x of shape (N, D)?",
        *over("x", "axis=1", "axis=(0, 1)"),
    ),
    (
        "variance over the batch",
        "Your mean is that of an example, your variance that of a feature. "
        "Over which letter does the sum in (LN.2) run?",
        ("(x_mu**2).mean(axis=1", "(x_mu**2).mean(axis=0"),
    ),
    (
        "a transpose is missing on the way back",
        "What you return has D rows. Transposing lets you reuse the lines of batch norm; "
        "what must happen at the end?",
        ("    return out,", "    out = out.T\n    return out,"),
    ),
)

INSTANCE_FORWARD = wrong(
    "instancenorm_forward",
    *forward_slips(
        "IN",
        "x",
        "axis=(2, 3)",
        "(x.shape[2] * x.shape[3])",
        "gamma[:, None, None]",
        "beta[:, None, None]",
    ),
    (
        "statistics over the batch too",
        "Your images share their means, so what one becomes depends on the others: that is batch "
        "norm. How many means does (IN.1) give for N images of C channels?",
        *over("x", "axis=(2, 3)", "axis=(0, 2, 3)"),
    ),
    (
        "statistics over the channels too",
        "You have one mean for each image: that is layer norm. "
        "How many means does (IN.1) give for N images of C channels?",
        *over("x", "axis=(2, 3)", "axis=(1, 2, 3)"),
    ),
    (
        "statistics of each pixel over the channels",
        "You have one mean for each pixel. Which letters of (N, C, H, W) should be left when the "
        "mean has been taken?",
        *over("x", "axis=(2, 3)", "axis=1"),
    ),
    (
        "statistics of each line of pixels",
        "You have one mean for each line of a channel. Does your mean run over both axes of the "
        "image?",
        *over("x", "axis=(2, 3)", "axis=3"),
    ),
    (
        "gamma and beta not brought to the channels",
        "NumPy and PyTorch line up shapes from the right, so (C,) meets the width of the image. "
        "Which shape would meet the channels?",
        fundamental("the shapes collide in every call"),
        ("gamma[:, None, None] * x_hat + beta[:, None, None]", "gamma * x_hat + beta"),
    ),
)

GROUPS = "groups = x.reshape(len(x) * G, -1)"
BACK = "(x_mu * (1 / std)).reshape(x.shape)"

GROUP_FORWARD = wrong(
    "spatial_groupnorm_forward",
    *forward_slips("GN", "groups", "axis=1", "groups.shape[1]", "gamma", "beta"),
    (
        "C/G groups in place of G",
        "G is how many groups there are. You take it for how many channels a group has: "
        "try G = 1 and count the means of one image.",
        (GROUPS, "groups = x.reshape(len(x) * (x.shape[1] // G), -1)"),
    ),
    (
        "statistics of each pixel in its group",
        "Each pixel has a mean of its own here. Which of channels, height and width belong to one "
        "group on slide 18?",
        (GROUPS, "groups = x.reshape(len(x), G, -1, x.shape[2] * x.shape[3])"),
        *over("groups", "axis=1", "axis=2"),
    ),
    (
        "the reshape into groups has no effect",
        "Your output does not depend on G: it is always that of a single group. reshape returns a "
        "new array and leaves the old one as it was. Which of the two do you go on with?",
        (GROUPS, "groups = x.reshape(len(x), -1)"),
    ),
    (
        "every channel a group of its own",
        "Your output does not depend on G: it is always that of instance norm. "
        "How many channels share a mean when C = 6 and G = 2?",
        (GROUPS, "groups = x.reshape(len(x) * x.shape[1], -1)"),
    ),
    (
        "G used as the number of an axis",
        "Your mean runs over axis number G of x, whatever stands there. G counts groups: before "
        "a mean can run over a group, the groups need an axis.",
        (GROUPS, "groups = x"),
        *over("groups", "axis=1", "axis=G"),
    ),
    (
        "channels dealt out in turn",
        "You put every G-th channel into the same group. Which channels form the first group on "
        "slide 18?",
        (
            GROUPS,
            "pixels = x.shape[2] * x.shape[3]\n"
            "    groups = x.reshape(len(x), -1, G, pixels).transpose(0, 2, 1, 3)\n"
            "    groups = groups.reshape(len(x) * G, -1)",
        ),
        (
            BACK,
            "(x_mu / std).reshape(len(x), G, -1, pixels).transpose(0, 2, 1, 3).reshape(x.shape)",
        ),
    ),
    (
        "statistics over the batch too",
        "Your images share their means, so what one becomes depends on the others. "
        "How many means does (GN.1) give for N images?",
        (GROUPS, "groups = x.reshape(len(x), G, -1)"),
        *over("groups", "axis=1", "axis=(0, 2)"),
    ),
    (
        "the batch cut into G pieces",
        "Your reshape cuts the whole batch into G pieces, wherever an image ends. "
        "How many rows are there when each of N images has G groups?",
        (GROUPS, "groups = x.reshape(G, -1)"),
    ),
    (
        "rows returned in place of images",
        "What you return does not have the shape of x. When the groups are standardized, what is "
        "left to do before each channel gets its scale?",
        (BACK, "x_mu / std"),
    ),
)

# ------------------------------------------------------------------ backward


def backward_slips(x, sums, axes, dx_hat, x_hat, count, dx="dx"):
    """Return the slips that all three backward passes invite, as lines for `wrong`.

    Args:
        x: what shares one mean, in words.
        sums: over which dgamma and dbeta run, such as "axis=0".
        axes: over which a mean runs.
        dx_hat, x_hat: names of what the means are taken of.
        count: how many numbers a mean has.
        dx: as it is returned.
    """
    dbeta, dgamma = f"dout.sum({sums})", f"(dout * x_hat).sum({sums})"
    mean = f"mean = {dx_hat}.mean({axes}, keepdims=True)"
    share = f"share = ({dx_hat} * {x_hat}).mean({axes}, keepdims=True)"
    bracket = f"({dx_hat} - mean - {x_hat} * share)"
    return (
        *in_one_place_too(
            "dgamma and dbeta summed over everything",
            "gamma has one number for each feature or channel, so its gradient has too. "
            "Over which axes does one gamma reach into the outputs?",
            (dbeta, "dout.sum()"),
            (dgamma, "(dout * x_hat).sum()"),
        ),
        (
            "dgamma and dbeta averaged over the batch",
            "The loss already says how the examples are weighted; it is inside dout. One beta "
            "reaches many outputs: what does the chain rule do with many paths?",
            (dbeta, f"{dbeta} / len(dout)"),
            (dgamma, f"{dgamma} / len(dout)"),
        ),
        (
            "dgamma averaged over the batch",
            "The loss already says how the examples are weighted; it is inside dout. One gamma "
            "reaches many outputs: what does the chain rule do with many paths?",
            grouped("dgamma and dbeta averaged over the batch"),
            (dgamma, f"{dgamma} / len(dout)"),
        ),
        (
            "dgamma from dout alone",
            "Your dgamma equals dbeta. By what is gamma multiplied in the forward pass?",
            (dgamma, dbeta),
        ),
        (
            "dgamma and dbeta in the wrong order",
            "Both gradients are right, and each is where the other should be. "
            "In which order are they returned?",
            (f"return {dx}, dgamma, dbeta", f"return {dx}, dbeta, dgamma"),
        ),
        (
            "dx of zeros",
            "Your dx is zero everywhere. With some dout that is right, and a gradient check with "
            "such a dout accepts almost anything. Try a random dout.",
            ("    return dx", "    dx = np.zeros_like(dx)\n    return dx"),
        ),
        (
            "dx forced to float32",
            "float64 comes in and float32 goes out: half of the digits are lost. "
            "Where do you name a type, or make an array that has one of its own?",
            ("    return dx", "    dx = dx.astype(np.float32)\n    return dx"),
        ),
        (
            "mean and variance treated as constants",
            f"Move one x: mean and variance of its {x} move too, and with them all other outputs "
            f"of this {x}. Which paths does your dx leave out?",
            (bracket, dx_hat),
        ),
        (
            "mean treated as a constant",
            f"Moving a whole {x} together changes nothing, so over the {x} your dx must have the "
            "sum 0. Which term would make it so?",
            (bracket, f"({dx_hat} - {x_hat} * share)"),
        ),
        (
            "variance treated as a constant",
            f"Stretching a {x} (nearly) changes nothing, so over the {x} dx and x_hat must "
            "(nearly) be orthogonal. Which term would make them so?",
            (bracket, f"({dx_hat} - mean)"),
        ),
        (
            "wrong sign of the means",
            f"Moving a whole {x} together changes nothing, so over the {x} your dx must have the "
            "sum 0. Is it twice something instead?",
            (bracket, f"({dx_hat} + mean + {x_hat} * share)"),
        ),
        (
            "sums in place of means",
            f"One x has only a small share in the mean and in the variance of its {x}. How small?",
            (mean, f"mean = {dx_hat}.sum({axes}, keepdims=True)"),
            (share, f"share = ({dx_hat} * {x_hat}).sum({axes}, keepdims=True)"),
        ),
        (
            "divided by the number of examples",
            f"How many numbers went into the mean of one {x}? Your sums are divided by N.",
            (mean, f"mean = {dx_hat}.sum({axes}, keepdims=True) / len(dout)"),
            (share, f"share = ({dx_hat} * {x_hat}).sum({axes}, keepdims=True) / len(dout)"),
        ),
        (
            "one number too few in the means",
            "The gradient must belong to the variance of your forward pass. By what is that "
            "divided?",
            (mean, f"mean = {dx_hat}.sum({axes}, keepdims=True) / ({count} - 1)"),
            (share, f"share = ({dx_hat} * {x_hat}).sum({axes}, keepdims=True) / ({count} - 1)"),
        ),
        (
            "x_hat missing in the last term",
            "The variance does not push all x the same way: some move it up, some down. "
            "What tells them apart?",
            (bracket, f"({dx_hat} - mean - share)"),
        ),
        (
            "x - mu in the last term",
            "Write the path of the variance with x_hat only: how many roots are left over?",
            (bracket, f"({dx_hat} - mean - {x_hat} * std * share)"),
        ),
        (
            "not divided by the root",
            "Double x: the gradient becomes half as large. Yours stays. Which number has the unit "
            "of x and is missing?",
            ("    return dx", "    dx = dx * std\n    return dx"),
        ),
    )


IN_FRONT = (
    "gamma in front, as in batch norm",
    "In batch norm all numbers of one mean share their gamma, so it could be taken out of the "
    "means. Do the numbers that share a mean here have one gamma too?",
)
GAMMA_FORGOTTEN = (
    "gamma forgotten on the way to x_hat",
    "With gamma = 0 the output does not depend on x at all; what would your dx be? "
    "Go backwards through scale and shift once more.",
)
DOUT_CHANGED = (
    "dout is changed",
    "After the call the caller's dout is no longer what it was: a statement such as *= writes "
    "into it. Other layers may still need it.",
)

LAYER_BACKWARD = wrong(
    "layernorm_backward",
    *backward_slips("row", "axis=0", "axis=1", "dx_hat", "x_hat", "dout.shape[1]"),
    *in_one_place_too(
        "dgamma and dbeta of each example",
        "There are as many numbers in your dbeta as examples in the batch. gamma and beta are "
        "still those of a feature: which outputs does one of them reach?",
        ("dbeta = dout.sum(axis=0)", "dbeta = dout.sum(axis=1)"),
        ("(dout * x_hat).sum(axis=0)", "(dout * x_hat).sum(axis=1)"),
    ),
    (
        "means over the batch",
        "Change one example: only its own row of dx should change, and yours all do. "
        "Which numbers share a mean in the forward pass?",
        ("dx_hat.mean(axis=1", "dx_hat.mean(axis=0"),
        ("(dx_hat * x_hat).mean(axis=1", "(dx_hat * x_hat).mean(axis=0"),
    ),
    (
        "dx summed over the batch",
        "What you return as dx is the same for all examples. Has every x its own gradient?",
        ("    return dx", "    dx = dx.sum(axis=0) + 0 * dx\n    return dx"),
    ),
    (
        "dx returned transposed",
        "Your dx has D rows. Transposing lets you reuse the lines of batch norm; "
        "what must happen at the end?",
        ("    return dx", "    dx = dx.T\n    return dx"),
    ),
    (
        *IN_FRONT,
        ("dx_hat = dout * gamma", "dx_hat = dout"),
        ("1 / std * (dx_hat", "gamma / std * (dx_hat"),
    ),
    (*GAMMA_FORGOTTEN, ("dx_hat = dout * gamma", "dx_hat = dout")),
    (*DOUT_CHANGED, ("dx_hat = dout * gamma", "dout *= gamma\n    dx_hat = dout")),
)

INSTANCE_BACKWARD = wrong(
    "instancenorm_backward",
    *backward_slips(
        "channel",
        "axis=(0, 2, 3)",
        "axis=(2, 3)",
        "dout",
        "x_hat",
        "(dout.shape[2] * dout.shape[3])",
    ),
    *in_one_place_too(
        "dgamma and dbeta of each image",
        "You have one dbeta for each channel of each image. How many beta are there, and in how "
        "many images does one of them appear?",
        ("dbeta = dout.sum(axis=(0, 2, 3))", "dbeta = dout.sum(axis=(2, 3))"),
        ("(dout * x_hat).sum(axis=(0, 2, 3))", "(dout * x_hat).sum(axis=(2, 3))"),
    ),
    *in_one_place_too(
        "dgamma and dbeta keep the axes of the image",
        "gamma has shape (C,). A gradient has the shape of its parameter.",
        ("dbeta = dout.sum(axis=(0, 2, 3))", "dbeta = dout.sum(axis=(0, 2, 3), keepdims=True)"),
        (
            "(dout * x_hat).sum(axis=(0, 2, 3))",
            "(dout * x_hat).sum(axis=(0, 2, 3), keepdims=True)",
        ),
    ),
    (
        "means over the batch too",
        "Change one image: only its own dx should change, and yours all do. "
        "Which numbers share a mean in the forward pass?",
        ("mean = dout.mean(axis=(2, 3)", "mean = dout.mean(axis=(0, 2, 3)"),
        ("(dout * x_hat).mean(axis=(2, 3)", "(dout * x_hat).mean(axis=(0, 2, 3)"),
    ),
    (
        "means over the channels too",
        "Change one channel: only its own dx should change, and yours changes in all channels. "
        "Which numbers share a mean in the forward pass?",
        ("mean = dout.mean(axis=(2, 3)", "mean = dout.mean(axis=(1, 2, 3)"),
        ("(dout * x_hat).mean(axis=(2, 3)", "(dout * x_hat).mean(axis=(1, 2, 3)"),
    ),
    (
        "dgamma and dbeta used for the means",
        "dbeta and dgamma are sums over all images, and they serve batch norm well. "
        "Over how many images does a mean of instance norm run?",
        grouped("means over the batch too"),
        (
            "mean = dout.mean(axis=(2, 3), keepdims=True)",
            "mean = dbeta[:, None, None] / (dout.shape[2] * dout.shape[3])",
        ),
        (
            "share = (dout * x_hat).mean(axis=(2, 3), keepdims=True)",
            "share = dgamma[:, None, None] / (dout.shape[2] * dout.shape[3])",
        ),
    ),
    (*GAMMA_FORGOTTEN, ("gamma[:, None, None] / std *", "1 / std *")),
    (
        *DOUT_CHANGED,
        ("    dx = ", "    dout -= mean + x_hat * share\n    dx = "),
        ("(dout - mean - x_hat * share)", "dout"),
    ),
)

SHAPED = "(axis=(0, 2, 3), keepdims=True)"
BY_IMAGE, BY_CHANNEL = "len(dout), -1", "-1, dout.shape[2] * dout.shape[3]"


def means_of(shape):
    """Return the edits that take the means over the rows of another shape."""
    new = f"(0 * h.reshape({shape}) + {{}}.reshape({shape}).mean(axis=1, keepdims=True))"
    return tuple(
        (
            f"{name} = {old}.mean(axis=1, keepdims=True)",
            f"{name} = {new}.reshape(h.shape)".format(old),
        )
        for name, old in (("mean", "dx_hat"), ("share", "(dx_hat * h)"))
    )


OVER_PIXELS = "keepdims=True) / dout[0, 0].reshape(-1).shape[0]"
GROUP_BACKWARD = wrong(
    "spatial_groupnorm_backward",
    *backward_slips(
        "group",
        "axis=(0, 2, 3), keepdims=True",
        "axis=1",
        "dx_hat",
        "h",
        "h.shape[1]",
        dx="dx.reshape(dout.shape)",
    ),
    *in_one_place_too(
        "dgamma and dbeta in the wrong shape",
        "The numbers of your dgamma and dbeta are right, their shape is not. Which shape has gamma "
        "here, and how can a sum keep its axes?",
        (f"dbeta = dout.sum{SHAPED}", "dbeta = dout.sum(axis=(0, 2, 3))"),
        (f"(dout * x_hat).sum{SHAPED}", "(dout * x_hat).sum(axis=(0, 2, 3))"),
    ),
    *in_one_place_too(
        "dgamma and dbeta of each image",
        "You have one dbeta for each channel of each image. How many beta are there, and in how "
        "many images does one of them appear?",
        (f"dbeta = dout.sum{SHAPED}", "dbeta = dout.sum(axis=(2, 3), keepdims=True)"),
        (f"(dout * x_hat).sum{SHAPED}", "(dout * x_hat).sum(axis=(2, 3), keepdims=True)"),
    ),
    (
        "divided by the numbers of one channel",
        "How many numbers went into the mean of one group? Your sums are divided by H·W.",
        ("mean = dx_hat.mean(axis=1, keepdims=True)", f"mean = dx_hat.sum(axis=1, {OVER_PIXELS}"),
        ("(dx_hat * h).mean(axis=1, keepdims=True)", f"(dx_hat * h).sum(axis=1, {OVER_PIXELS}"),
    ),
    (
        "means over the examples",
        "Change one image: only its own dx should change, and yours all do. "
        "Which numbers share a mean in the forward pass?",
        ("mean = dx_hat.mean(axis=1", "mean = dx_hat.mean(axis=0"),
        ("(dx_hat * h).mean(axis=1", "(dx_hat * h).mean(axis=0"),
    ),
    (
        "means over all of an image",
        "Change one group: only its own dx should change, and yours changes in all groups. "
        "Your dx would be right if there were one group.",
        *means_of(BY_IMAGE),
    ),
    (
        "means over each channel",
        "Change one channel: dx should change in its whole group, and yours changes in this "
        "channel only. Your dx would be right if each channel were a group.",
        *means_of(BY_CHANNEL),
    ),
    (
        "rows returned in place of images",
        "What you return as dx has a row for each group. Which shape has x?",
        ("return dx.reshape(dout.shape)", "return dx"),
    ),
    (
        *IN_FRONT,
        ("(dout * gamma).reshape", "dout.reshape"),
        ("return dx.reshape(dout.shape)", "return gamma * dx.reshape(dout.shape)"),
    ),
    (*GAMMA_FORGOTTEN, ("(dout * gamma).reshape", "dout.reshape")),
    (
        *DOUT_CHANGED,
        ("dx_hat = (dout * gamma).reshape", "dout *= gamma\n    dx_hat = dout.reshape"),
    ),
)

MISCONCEPTIONS = (
    *LAYER_FORWARD,
    *LAYER_BACKWARD,
    *INSTANCE_FORWARD,
    *INSTANCE_BACKWARD,
    *GROUP_FORWARD,
    *GROUP_BACKWARD,
)
