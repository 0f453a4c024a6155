"""Wrong answers about the place of augmentation, and about mixup."""

import numpy as np

from autograder.misconceptions.augmentation.shared import IN_PLACE, drawn_elsewhere
from autograder.misconceptions.records import SLIP, grouped, wrong

# ------------------------------------------------------------------ wire the pipeline

STEP = "step(normalize(augment(x_train[batch], rng)), y_train[batch])"
SCORE = "scores.append(score(normalize(x_val), y_val))"


def augmented_once(data, augment, normalize, step, score, epochs, batch_size, rng):
    """Augment the training images once, before the first epoch."""
    x_train, y_train, x_val, y_val = data
    x_train, scores = augment(x_train, rng), []
    for _ in range(epochs):
        order = rng.permutation(len(x_train))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            step(normalize(x_train[batch]), y_train[batch])
        scores.append(score(normalize(x_val), y_val))
    return np.array(scores)


def augmented_again(data, augment, normalize, step, score, epochs, batch_size, rng):
    """Augment what the epoch before had augmented."""
    x_train, y_train, x_val, y_val = data
    scores = []
    for _ in range(epochs):
        x_train = augment(x_train, rng)
        order = rng.permutation(len(x_train))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            step(normalize(x_train[batch]), y_train[batch])
        scores.append(score(normalize(x_val), y_val))
    return np.array(scores)


def one_order(data, augment, normalize, step, score, epochs, batch_size, rng):
    """Draw one order for all epochs."""
    x_train, y_train, x_val, y_val = data
    order, scores = rng.permutation(len(x_train)), []
    for _ in range(epochs):
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            step(normalize(augment(x_train[batch], rng)), y_train[batch])
        scores.append(score(normalize(x_val), y_val))
    return np.array(scores)


PIPELINE = wrong(
    "train_augmented",
    (
        "normalized before it is augmented",
        "An augmentation is made for images from 0 to 1: it cuts off at 0 and at 1. What does it "
        "do to an image that has been normalized?",
        ("normalize(augment(x_train[batch], rng))", "augment(normalize(x_train[batch]), rng)"),
    ),
    (
        "training images are not normalized",
        "Validation images come normalized and training images do not. The network is to see the "
        "same kind of numbers.",
        ("normalize(augment(x_train[batch], rng))", "augment(x_train[batch], rng)"),
    ),
    (
        "no augmentation",
        "Your network sees the images as they are. Where does `augment` come in?",
        ("normalize(augment(x_train[batch], rng))", "normalize(x_train[batch])"),
    ),
    (
        "augmented once, before the first epoch",
        "Every epoch shows the same versions, so there are no more images than before. When is a "
        "new draw due?",
        augmented_once,
    ),
    (
        "the augmented images are augmented again",
        "After ten epochs an image has been cropped ten times. From what should each epoch start?",
        augmented_again,
    ),
    (
        "augmented versions written into the data",
        "After the first epoch the original images are gone, and later epochs augment what is left "
        "of them. Where do you put the new versions?",
        (STEP, "x_train[batch] = augment(x_train[batch], rng)\n            "
               "step(normalize(x_train[batch]), y_train[batch])"),
    ),
    (
        "validation images are augmented",
        "A score that changes from call to call though nothing was learned is no good to compare "
        "by. What is validation to measure?",
        (SCORE, "scores.append(score(normalize(augment(x_val, rng)), y_val))"),
    ),
    (
        "validation images are not normalized",
        "The network was trained on normalized images. What does it see at validation?",
        (SCORE, "scores.append(score(x_val, y_val))"),
    ),
    (
        "the score of the training images",
        "You score what the network was trained on. Which images does it not know?",
        (SCORE, "scores.append(score(normalize(x_train), y_train))"),
    ),
    (
        "labels of other images",
        "Images are taken in a random order, and labels in the order of the data.",
        ("rng)), y_train[batch])", "rng)), y_train[start : start + batch_size])"),
    ),
    (
        "one order for all epochs",
        "Every epoch has the same batches. Where is the order drawn: once, or once an epoch?",
        one_order,
    ),
    (
        "the order of the data",
        "Data is often sorted by class. Who chooses the order of the examples?",
        ("order = rng.permutation(len(x_train))", "order = np.arange(len(x_train))"),
    ),
    (
        "the last examples are left out",
        "An epoch shows all examples, even where the last batch is not full.",
        SLIP,
        ("range(0, len(order), batch_size)", "range(0, len(order) - batch_size + 1, batch_size)"),
    ),
    (
        "drawn with repetition",
        "Some of your examples come twice in an epoch and others never.",
        ("order = rng.permutation(len(x_train))",
         "order = rng.integers(0, len(x_train), len(x_train))"),
    ),
    (
        "scored after every batch",
        "Your scores are as many as there are batches. After what is one asked for?",
        (SCORE, "    scores.append(score(normalize(x_val), y_val))"),
    ),
    (
        "the last score alone",
        "A score for each epoch is asked for: a curve.",
        SLIP,
        ("np.array(scores)", "np.array(scores[-1:])"),
    ),
    (
        "the best score so far",
        "Your curve never falls. What is asked for is what each epoch had.",
        ("np.array(scores)", "np.maximum.accumulate(scores)"),
    ),
)  # fmt: skip

# ------------------------------------------------------------------ mixup

SHARE = "rng.beta(alpha, alpha, len(x))"
LABELS = "for_y * y + (1 - for_y) * y[order]"

MIXUP = wrong(
    "mixup",
    (
        "labels are not mixed",
        "An image that is half a cat and half a dog has which label?",
        (LABELS, "y.copy()"),
    ),
    (
        "images are not mixed",
        "Your images come out as they went in, and only the labels are mixed.",
        ("x_mix = for_x * x + (1 - for_x) * x[order]", "x_mix = x.copy()"),
    ),
    (
        "the fraction of the other image for the labels",
        "An image that is nine tenths cat has the label nine tenths *dog* with you. Which share "
        "belongs to whom?",
        (LABELS, "(1 - for_y) * y + for_y * y[order]"),
    ),
    (
        "other partners for the labels",
        "Images are mixed in one order and labels in another.",
        (LABELS, "for_y * y + (1 - for_y) * y[rng.permutation(len(x))]"),
    ),
    (
        "a share for each pixel",
        "Each of your pixels is mixed differently: a picture of noise. What share does the label "
        "have then?",
        ("for_x, for_y = share[:, None, None, None], share[:, None].astype(y.dtype)",
         "for_x = rng.beta(alpha, alpha, x.shape)\n    for_y = share[:, None].astype(y.dtype)"),
    ),
    (
        "each image with itself",
        "An image mixed with itself is the same image. Who is the partner?",
        grouped("images are not mixed"),
        ("rng.permutation(len(x))", "np.arange(len(x))"),
    ),
    (
        "partners drawn with repetition",
        "Some of your images are partners twice and others never. What kind of order is asked for?",
        ("rng.permutation(len(x))", "rng.integers(0, len(x), len(x))"),
    ),
    (
        "Beta(α, 1)",
        "Your shares are not symmetric: the second number of the beta distribution is α too.",
        (SHARE, "rng.beta(alpha, 1, len(x))"),
    ),
    (
        "uniform shares",
        "Where does α come in? Uniform numbers are Beta(1, 1).",
        (SHARE, "rng.random(len(x))"),
    ),
    (
        "the second share added in full",
        "Your labels add up to more than 1. What is left for the partner?",
        (LABELS, "for_y * y + y[order]"),
    ),
    (
        *IN_PLACE,
        ("x_mix = for_x * x + (1 - for_x) * x[order]",
         "x_mix = for_x * x + (1 - for_x) * x[order]\n    x[...] = x_mix + 1e-3"),
    ),
)  # fmt: skip
MIXUP += drawn_elsewhere(
    "mixup", {SHARE: f"np.random{SHARE[3:]}", "rng.permutation": "np.random.permutation"}
)

MISCONCEPTIONS = (*PIPELINE, *MIXUP)
