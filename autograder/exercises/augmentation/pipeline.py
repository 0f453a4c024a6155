"""Where augmentation goes: slides 85 and 86, and mixup, which takes labels as well.

The loop is judged by spies. An image is four numbers: which example it is, how often it was
augmented, by which draw, and how often it was normalized. So what arrives in a step or in the
score says where it has been.
"""

import numpy as np

from autograder.checking.scenarios import Measured
from autograder.checking.spec import CALLBACK, RANDOM, Check
from autograder.exercises.augmentation.shared import (
    RIGHT,
    a_generator,
    by_chance,
    exercise,
    generator_check,
    photographs,
    precision_check,
)

TRAIN, VAL, EPOCHS, BATCH = 20, 7, 3, 6  # 20 = 6 + 6 + 6 + 2
EXAMPLE, AUGMENTED, DRAW, NORMALIZED = range(4)
TOO_LATE = 100  # what an augmentation after the normalization adds

# ------------------------------------------------------------------ wire the pipeline


class Pipeline:
    """Data, transforms, a training step and a score: all of them spies."""

    def __init__(self, rng):
        train, val = np.zeros((TRAIN, 1, 1, 4)), np.zeros((VAL, 1, 1, 4))
        train[..., EXAMPLE] = np.arange(TRAIN)[:, None, None]
        val[..., EXAMPLE] = TRAIN + np.arange(VAL)[:, None, None]
        self.labels = rng.permutation(TRAIN + VAL)
        self.data = train, self.labels[:TRAIN].copy(), val, self.labels[TRAIN:].copy()
        self.rng = np.random.default_rng(int(rng.integers(2**31)))
        self.scores = sorted(rng.uniform(0.2, 0.9, 20), reverse=True)  # so "best" is not "last"
        self.steps, self.scored, self.draws = [], [], 0

    def run(self, impl):
        """Pass everything to the student's loop and return what it returns."""
        return impl.train_augmented(
            *(self.data, self._augment, self._normalize, self._step, self._score),
            *(EPOCHS, BATCH, self.rng),
        )

    def _augment(self, x, rng):
        out = np.array(x, dtype=float)
        out[..., AUGMENTED] += 1 + TOO_LATE * (out[..., NORMALIZED] > 0)
        self.draws += 1
        out[..., DRAW] = self.draws
        rng.random()
        return out

    def _normalize(self, x):
        out = np.array(x, dtype=float)
        out[..., NORMALIZED] += 1
        return out

    def _step(self, x, y):
        self.steps.append(self._rows(x, y))

    def _score(self, x, y):
        self.scored.append(np.column_stack([np.full(len(x), len(self.steps)), self._rows(x, y)]))
        return self.scores[(len(self.scored) - 1) % len(self.scores)]

    def _rows(self, x, y):
        """Return (n, 5): the four numbers of each image, and whether the label is its own."""
        x = np.asarray(x, dtype=float).reshape(len(x), 4)
        return np.column_stack([x, self.labels[x[:, EXAMPLE].astype(int)] == np.asarray(y)])


def _trained(impl, rng):
    """Observe every image that came to a step, and to a score, in order."""
    pipeline = Pipeline(rng)
    pipeline.run(impl)
    steps = np.concatenate([np.zeros((0, 5)), *pipeline.steps])
    scored = np.concatenate([np.zeros((0, 6)), *pipeline.scored])
    lengths = np.array([len(rows) for rows in pipeline.steps], dtype=int)
    return {"__steps": steps, "__lengths": lengths, "__scored": scored}


def _rows_of(arrays, key, columns):
    rows = arrays.get(key, np.zeros(0))
    return rows if rows.ndim == 2 and rows.shape[1] == columns else np.zeros((0, columns))


ORDER = (
    RIGHT,
    "no batch came to the training step",
    "batches come to the step without augmentation",
    "images are augmented more than once on their way to the step",
    "augmented after the normalization, which the ranges of an augmentation are not made for",
    "batches come to the step without normalization",
    "batches are normalized twice",
)


def _in_order(arrays):
    rows = _rows_of(arrays, "__steps", 5)
    first = rows[: min(BATCH, len(rows))]
    if not len(first):
        return ORDER[1]
    augmented, normalized = first[:, AUGMENTED], first[:, NORMALIZED]
    if (augmented >= TOO_LATE).any():
        return ORDER[4]
    if (augmented != 1).any():
        return ORDER[2] if (augmented < 1).any() else ORDER[3]
    if (normalized != 1).any():
        return ORDER[5] if (normalized < 1).any() else ORDER[6]
    return RIGHT


FRESH = (
    RIGHT,
    "too few batches came to the training step",
    "the same versions come again in every epoch",
    "each epoch augments what the epoch before had augmented",
    "images that were not augmented come to the step",
)


def _is_fresh(arrays):
    rows = _rows_of(arrays, "__steps", 5)
    if len(rows) < 2 * TRAIN:
        return FRESH[1]
    half = len(rows) // 2
    early, late = rows[:half], rows[half:]
    if (late[:, AUGMENTED] % TOO_LATE > early[:, AUGMENTED].max() % TOO_LATE).any():
        return FRESH[3]
    if (rows[:, AUGMENTED] == 0).any():
        return FRESH[4]
    versions = {(row[EXAMPLE], row[DRAW]) for row in rows}
    return RIGHT if len(versions) == len(rows) else FRESH[2]


COVERED = (
    RIGHT,
    "an epoch does not show every training example once",
    "images come with labels of other images",
    "every epoch has the same order",
    "the examples come in the order of the data",
    "validation data is trained on",
    "the last examples, which fill no batch, are left out",
    "batches are larger than asked for",
    "there are fewer epochs than asked for, or more",
)


def _covers(arrays):
    rows, lengths = _rows_of(arrays, "__steps", 5), arrays.get("__lengths", np.zeros(0))
    if len(rows) and rows[:, EXAMPLE].max() >= TRAIN:
        return COVERED[5]
    if len(rows) and not rows[:, 4].all():
        return COVERED[2]
    if len(rows) == EPOCHS * (TRAIN - TRAIN % BATCH):
        return COVERED[6]
    if lengths.size and lengths.max() > BATCH:
        return COVERED[7]
    if len(rows) != EPOCHS * TRAIN:
        return COVERED[8 if len(rows) % TRAIN == 0 else 1]
    order = rows[:, EXAMPLE].reshape(EPOCHS, TRAIN)
    if (np.sort(order, axis=1) != np.arange(TRAIN)).any():
        return COVERED[1]
    if (order[0] == np.sort(order[0])).all():
        return COVERED[4]
    return COVERED[3] if (order == order[0]).all() else RIGHT


VALIDATED = (
    RIGHT,
    "nothing was scored",
    "validation images are augmented before they are scored",
    "validation images are not normalized as the training images are",
    "the score is taken on training images",
    "the score is not taken on all validation images, each with its label",
    "the score is taken at other times than after each epoch",
)


def _validates(arrays):
    rows = _rows_of(arrays, "__scored", 6)
    if not len(rows):
        return VALIDATED[1]
    done, images = rows[:, 0], rows[:, 1:]
    if images[:, EXAMPLE].min() < TRAIN:
        return VALIDATED[4]
    if images[:, AUGMENTED].any():
        return VALIDATED[2]
    if (images[:, NORMALIZED] != 1).any():
        return VALIDATED[3]
    every = np.tile(np.arange(TRAIN, TRAIN + VAL), len(images) // VAL)
    if not np.array_equal(images[:, EXAMPLE], every) or not images[:, 4].all():
        return VALIDATED[5]
    lengths = arrays.get("__lengths", np.zeros(0))
    ends = np.arange(1, EPOCHS + 1) * (len(lengths) / EPOCHS)
    return RIGHT if np.array_equal(done, np.repeat(ends, VAL)) else VALIDATED[6]


def _returned(impl, rng):
    pipeline = Pipeline(rng)
    scores = pipeline.run(impl)
    x_train, y_train, x_val, _ = pipeline.data
    places = x_train[..., EXAMPLE].ravel()
    changes = [x_train[..., 1:].any(), x_val[..., 1:].any(), (places != np.arange(TRAIN)).any()]
    return {
        "scores": scores,
        "y_train after the call": y_train,
        "changes in the images": np.array(sum(changes)),
    }


PIPELINE = exercise(
    "Wire the pipeline",
    "train_augmented",
    (
        by_chance("augmented once, then normalized once", 2, _trained, _in_order, ORDER),
        by_chance("a new version of every image in every epoch", 2, _trained, _is_fresh, FRESH),
        by_chance("validation is normalized, never augmented", 2, _trained, _validates, VALIDATED),
        by_chance(
            "all examples with their labels, in a new order in every epoch", 1, _trained, _covers,
            COVERED,
        ),
        Check("the scores are returned, and the data stays as it was", 1, _returned),
    ),
    "85–86",
    no_small=CALLBACK,
    look="""\
# A network that only tells what it is given: three images in batches of two, for two epochs. In
# each epoch every label should come once, with new pixels; what is scored stays as it is.
def told(x, y):
    print("labels", y, "pixels", x.ravel().round(2))
    return 0.5

whites, numbers = np.ones((3, 1, 1, 1)), np.arange(3)
darker, centred = lambda x, rng: x * rng.uniform(size=(len(x), 1, 1, 1)), lambda x: x - 0.5
parts = whites, numbers, whites[:1], numbers[:1]
print(train_augmented(parts, darker, centred, told, told, 2, 2, np.random.default_rng(0)))
""",
)  # fmt: skip

# ------------------------------------------------------------------ mixup

ALPHA = 0.3


def _mixed(impl, rng):
    """Observe labels that are one-hot by example, so that they say who was mixed with whom."""
    x, y = photographs(rng, (300, 2, 3, 1)), np.eye(300)
    x_mix, y_mix = impl.mixup(x.copy(), y.copy(), ALPHA, rng)
    return {"_x": x, "__x_mix": x_mix, "__y_mix": y_mix}


def _parts(arrays):
    """Return x_mix and y_mix, or None where they do not have the right shapes."""
    x, n = arrays["_x"], len(arrays["_x"])
    x_mix, y_mix = (arrays.get(f"__{key}_mix", np.zeros(0)) for key in "xy")
    fits = x_mix.shape == x.shape and y_mix.shape == (n, n)
    return (
        (x_mix, y_mix) if fits and np.isfinite(x_mix).all() and np.isfinite(y_mix).all() else None
    )


MIXES = (
    RIGHT,
    "x_mix and y_mix must have the shapes of x and y",
    "the labels are not mixed",
    "the images are not mixed",
    "images and labels are mixed by different shares: λ for one and 1 − λ for the other",
    "images and labels are mixed with different partners, or by different shares",
    "the parts of a label do not add up to 1",
    "the images are mixed pixel by pixel, and not by one share",
)


def _mixes_alike(arrays):
    x, parts = arrays["_x"], _parts(arrays)
    if parts is None:
        return MIXES[1]
    x_mix, y_mix = parts
    n = len(x)
    if np.allclose(x_mix, x):
        return MIXES[3]
    if np.allclose(y_mix, np.eye(n)):
        return MIXES[2]
    if not np.allclose(y_mix.sum(axis=1), 1):
        return MIXES[6]
    if np.allclose(np.tensordot(y_mix, x, axes=1), x_mix):
        return RIGHT
    own = np.diag(y_mix)
    partner = (y_mix - np.diag(own)).argmax(axis=1)
    seen = 1 - own > 1e-6  # elsewhere the label does not tell the partner
    theirs, mine, mixed = x[partner][seen], x[seen], x_mix[seen]
    share = own[seen][:, None, None, None]
    if np.allclose((1 - share) * mine + share * theirs, mixed):
        return MIXES[4]
    low, high = np.minimum(mine, theirs), np.maximum(mine, theirs)
    between = ((mixed > low - 1e-9) & (mixed < high + 1e-9)).all()
    return MIXES[7] if between else MIXES[5]


SHARES = (
    RIGHT,
    "x_mix and y_mix must have the shapes of x and y",
    "a label is made of more than two",
    "images are mixed with themselves",
    "the shares are not centred on one half",
    "the shares spread otherwise than those of Beta(α, α)",
    "a partner is used twice: the order of the batch is not a permutation",
)
ONE_SHARE = (
    "You draw one share for the whole batch, as the program of the paper's authors does; the "
    "formula has one for each image. Both are mixup."
)


def _shares(arrays):
    """Return what the shares and the partners show."""
    parts = _parts(arrays)
    if parts is None:
        return SHARES[1]
    n = len(arrays["_x"])
    images = arrays["_x"].reshape(n, -1)
    own = parts[1].diagonal()
    partner = parts[1] - np.diag(own)
    if ((partner > 1e-9).sum(axis=1) > 1).any():
        return SHARES[2]
    mixed = partner.max(axis=1) > 1e-9
    if mixed.sum() < n // 2:
        unmixed = np.allclose(parts[0].reshape(n, -1), images)
        return SHARES[3] if unmixed else SHARES[5]
    if len(np.unique(partner.argmax(axis=1)[mixed])) < mixed.sum():
        return SHARES[6]
    share = own[mixed]
    if np.ptp(share) < 1e-9:
        return RIGHT, ONE_SHARE
    return _beta(share)


def _beta(share):
    """Compare mean and variance with those of Beta(α, α), within 6.5 standard errors."""
    n, variance, kurtosis = len(share), 0.25 / (2 * ALPHA + 1), 3 - 6 / (2 * ALPHA + 3)
    mean_error = 6.5 * np.sqrt(variance / n)
    variance_error = 6.5 * variance * np.sqrt((kurtosis - 1) / n)
    centred = share - 0.5
    if abs(centred.mean()) > mean_error:
        return Measured(SHARES[4], f"mean {share.mean():.3f}, expected 0.5 ± {mean_error:.3f}")
    square = (centred**2).mean()
    if abs(square - variance) < variance_error:
        return RIGHT
    expected = f"{variance:.3f} ± {variance_error:.3f}"
    return Measured(SHARES[5], f"variance {square:.3f}, expected {expected}")


def _mixup_types(dtype):
    return np.eye(2, 3, dtype=dtype), ALPHA, a_generator()


def _mixup_options():
    return np.eye(12, 6), ALPHA


MIXUP = exercise(
    "Mixup",
    "mixup",
    (
        by_chance("images and labels are mixed alike", 2, _mixed, _mixes_alike, MIXES),
        by_chance("shares from Beta(α, α), partners from the batch", 1, _mixed, _shares, SHARES),
        generator_check("mixup", 0.5, _mixup_options),
        precision_check("mixup", 0.5, _mixup_types),
    ),
    "92",
    bonus=True,
    no_small=RANDOM,
    look="""\
# A black and a white image, with the labels 0 and 1. Each mixed pixel should be as bright as its
# mixed label says, and the rows of the labels should sum to 1.
two = np.array([0.0, 1.0]).reshape(2, 1, 1, 1)
x_mix, y_mix = mixup(two, np.eye(2), 1.0, np.random.default_rng(0))
print("pixels", x_mix.ravel(), "labels", y_mix, sep="\\n")
""",
)
