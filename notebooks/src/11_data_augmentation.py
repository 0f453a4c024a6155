# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   course:
#     lesson: "11"
#     title: Data augmentation
#     minutes_core: 90
#     minutes_all: 130
# ---

# %% [markdown]
# # Data augmentation
#
# **Lesson 11 · CS231n 2018, lecture 7, slides 85–92 · core 90 minutes, all of it 130**
#
# A mirrored cat is a cat. If you know that, you can tell a network, without a new formula for the
# loss: show it the mirrored cat too, with the label "cat" (slides 85 and 86). Every augmentation is
# such a statement: *this change does not change the answer*. Where the statement is true, the
# network sees many more examples than you have. Where it is false, you teach it mistakes. You will
# write the usual changes for whole batches of images, find out which statements are true of two
# data sets, and put it all in its place in the pipeline, which is where it mostly goes wrong.
#
# | part | you write | minutes |
# |---|---|---|
# | 1 flips | `horizontal_flip`, a prediction | 12 |
# | 2 random crops | `pad_crop`, a prediction | 10 |
# | 3 scales | `resize_short_side`, `separating_image` | 15 |
# | 4 a fixed set of crops at test time | `ten_crop`, `average_over_crops`, question 1 | 15 |
# | 5 colours | `color_jitter`, `color_components`, `pca_color_offsets`, question 2 | 18 |
# | 6 geometry | `affine_matrices`, `affine_warp`, a prediction, question 3 | 12 |
# | 7 wire the pipeline | `train_augmented` | 8 |
# | **the core** | | **90** |
# | 8 a lens | `lens_distortion` (bonus) | 8 |
# | 9 mixing two images | `mixup` (bonus) | 8 |
# | 10 the same in PyTorch | `color_jitter`, `affine_warp` again; two more (bonus) | 14 |
# | 11 workers and their generators | question 4 | 10 |
# | **all of it** | | **130** |
#
# 80 points come from the checks, which you can run as often as you like; 20 are given by hand for
# the four questions; the bonus comes on top. Words and symbols are the same in all lessons
# (`docs/vocabulary.md`).
#
# Every experiment runs on *your* functions. While one is missing, its experiments say so and the
# notebook goes on.

# %% role="setup"
import numpy as np
from threadpoolctl import threadpool_limits
from tqdm.auto import trange

from autograder.check import check, needs
from cs231n_lib import plotting
from cs231n_lib.data import load, photograph, photograph_patches
from cs231n_lib.layers.batched import Stack
from cs231n_lib.layers.network import Affine, Network, ReLU
from cs231n_lib.sampling import bilinear
from cs231n_lib.train import compare, predicted, score_predictions, sized

threadpool_limits(1)  # networks this small are fastest on one thread

# %% [markdown]
# **Images and data.** A batch of images is x of shape (N, H, W, C): N images of H rows, W columns
# and C colours, floats from 0 to 1. There are two tasks. *Photographs*: six of them are cut into
# pieces of 16 × 16 pixels, and a piece is to be told by the photograph that it comes from; training
# pieces come from the left 60 %, test pieces from the right 20 %. *Digits*: 200 of the handwritten
# digits of 8 × 8 pixels, tested on 500 others. One small network for each of 16 seeds (one hidden
# layer of 64 units, 300 steps of SGD with momentum on batches of 50, the rate falling along a
# cosine), with its own examples, and all of them are trained in one go.

# %% role="setup"
SEEDS, STEPS = sized(16, 3, "seeds"), sized(300, 100, "steps")
BATCH, WIDTH, RATE = 50, 64, 0.02


def channels_last(x):
    """Return images (..., C, H, W) as (..., H, W, C)."""
    return np.ascontiguousarray(np.moveaxis(x, -3, -1))


def task_of(sets):
    """Return x_train (S, N, H, W, C), y_train (S, N), x_test, y_test of S data sets."""
    x_train, x_test = (
        np.stack([channels_last(images) for images in part])
        for part in ([s.x_train for s in sets], [s.x_test for s in sets])
    )
    return x_train, np.stack([s.y_train for s in sets]), x_test, np.stack([s.y_test for s in sets])


def normalized(x):
    """Return images with about mean 0 and standard deviation 1."""
    return ((x - 0.45) / 0.3).astype(np.float32)


def as_it_is(x, rng):
    """The augmentation that does nothing."""
    return x


def mixture_loss(scores, targets):
    """Return the loss of scores (N, K) for labels that are probabilities, and its gradient."""
    z = scores - scores.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -(targets * log_p).sum() / len(z), (np.exp(log_p) - targets) / np.float32(len(z))


def trained(task, augment, mix=None):
    """Train a network for each seed on its own examples; return all of them as one `Stack`.

    `mix` (images, labels, rng), where there is one, mixes the examples of a batch.
    """
    x, y, x_test = task[:3]
    S, N = y.shape
    D, classes = x_test[0, 0].size, int(y.max()) + 1
    rngs, rng = [np.random.default_rng(seed) for seed in range(S)], np.random.default_rng(S)
    nets = [
        Network([Affine(D, WIDTH, r), ReLU(), Affine(WIDTH, classes, r)], mixture_loss)
        for r in rngs
    ]
    stack, rows = Stack(nets), np.arange(S)[:, None]
    velocity = {name: np.zeros_like(w) for name, w in stack.params.items()}
    for step in trange(STEPS, desc="training", delay=3, leave=False):
        chosen = np.stack([r.permutation(N)[:BATCH] for r in rngs])  # (S, B)
        images = augment(x[rows, chosen].reshape(-1, *x.shape[2:]), rng)  # (S·B, H, W, C)
        images = images.reshape(S, BATCH, *images.shape[1:])
        targets = np.eye(classes, dtype=np.float32)[y[rows, chosen]]  # (S, B, K)
        if mix is not None:  # seed by seed: each has its own examples
            mixed = [mix(*own, rng) for own in zip(images, targets, strict=True)]
            images, targets = map(np.stack, zip(*mixed, strict=True))
        inputs = normalized(images).reshape(S, BATCH, D)
        _, gradients = stack.loss_and_gradients(inputs, targets)
        rate = RATE * (1 + np.cos(np.pi * step / STEPS)) / 2
        for name, w in stack.params.items():
            velocity[name] = 0.9 * velocity[name] - rate * gradients[name]
            w += velocity[name]
    return stack


def probabilities(net, x):
    """Return what one network says of images (N, H, W, C): (N, classes)."""
    scores = net.scores(normalized(x).reshape(len(x), -1))
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def accuracies(stack, task, look=probabilities):
    """Return the test accuracy of each network; `look` (net, x) gives probabilities."""
    x, y = task[2:]
    parts = zip(stack.nets, x, y, strict=True)
    return np.array(
        [(look(net, own).argmax(axis=1) == labels).mean() for net, own, labels in parts]
    )


def gain(a, b, names):
    """Compare two results, each with one number for every seed."""
    return compare(lambda i: a[i], lambda i: b[i], range(len(a)), names=names)


def few_digits(seed, n=200):
    """Return n training digits, and 500 for the test, as one part of a task."""
    chosen = np.random.default_rng(seed).permutation(len(data.x_train))[:n]
    x = channels_last(np.concatenate([data.x_val, data.x_test])[:500])
    y = np.concatenate([data.y_val, data.y_test])[:500]
    return channels_last(data.x_train[chosen]), data.y_train[chosen], x, y


# %% [markdown]
# For other images than digits change this one line to `data = load("fashion-mnist").images()` or
# `load("cifar10").images()`; what the text says about results was written for the digits.

# %% role="experiment"
data = load("digits").images()
pieces = task_of([
    photograph_patches(per_class=(100, 1, 200), seed=seed).images() for seed in range(SEEDS)
])  # fmt: skip
numerals = tuple(map(np.stack, zip(*map(few_digits, range(SEEDS)), strict=True)))
cat, coffee = photograph("cat") / 255, photograph("coffee") / 255
plain_pieces, plain_numerals = trained(pieces, as_it_is), trained(numerals, as_it_is)
without = accuracies(plain_pieces, pieces), accuracies(plain_numerals, numerals)
photographs, others = (one.mean() for one in without)
print(f"without augmentation: photographs {photographs:.3f}, {data.name} {others:.3f}")
on_photographs = {}  # gains over no augmentation, as they are measured below

# %% [markdown]
# ## 1 Flips
#
# Slide 87 mirrors an image left to right, or leaves it as it is, by the toss of a coin:
#
# $$\hat x_{ij} = x_{i,\,W-1-j} \;\text{ if } u < p, \text{ else } x_{ij}
#   \qquad u \sim U(0, 1) \qquad \text{(Flip.1)}$$
#
# Two rules hold for everything in this lesson. **Every image of a batch has its own draw**: a batch
# in which all images are mirrored, or none, teaches less. And **all randomness comes from `rng`**,
# the generator that is passed in, so that a run can be repeated.
#
# ### Exercise: `horizontal_flip`

# %% role="exercise" exercise="augmentation.horizontal_flip"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the wrong axis: the order of the images, the rows or the colours reversed;
# * one draw for the whole batch; the images where the number is *above* p;
# * the global generator `np.random.rand`, or a new generator with a seed of your own;
# * `x[flips] = …`, which writes into the caller's images.
# </details>
#
# ### Which statement is true?
#
# "Left and right may change places" is true of most photographs. Is "top and bottom may change
# places"? And what of a digit? Your function, used on three tasks:


# %% role="experiment" uses="horizontal_flip" alt="Versions of a cat, mirrored left to right and upside down, and of digits. The mirrored digits are framed in red, since their labels are lost."
def upside_down(x, rng):
    """Let rows be columns, mirror, and turn back."""
    return horizontal_flip(x.swapaxes(1, 2), 0.5, rng).swapaxes(1, 2)


rng = np.random.default_rng(1)
faces = np.stack([cat[10:110, 60:190]] * 5)
digits = load("digits").images()
first = [np.flatnonzero(digits.y_train == digit)[0] for digit in (3, 4, 6, 7, 9)]
five_digits = channels_last(digits.x_train[first])
plotting.plot_versions(
    {
        "a cat, mirrored\nor not": horizontal_flip(faces, 0.5, rng),
        "a cat, upside\ndown or not": upside_down(faces, rng),
        "digits": five_digits,
        "digits, mirrored": horizontal_flip(five_digits, 1.0, rng),
    },
    broken=["digits, mirrored"],
)
plotting.show("A mirrored cat is a cat; a mirrored 3 or 4 is nothing at all")

# %% [markdown]
# **Predict, then run.** By how many points of test accuracy do flips change the photographs' task,
# left to right? Without augmentation it is about 64 %. And will mirror images upside down help more,
# or less?

# %% role="predict"
my_gain_by_flips = None  # your prediction: points, such as 1.5 or -1


# %% role="experiment" uses="horizontal_flip" claim="flips-help-on-photographs" of="flips" says="above" slide="87"
def flipped(x, rng):
    return horizontal_flip(x, 0.5, rng)


with_flips = trained(pieces, flipped)
flips = gain(accuracies(with_flips, pieces), without[0], ("with flips", "without"))
upright = gain(
    accuracies(trained(pieces, upside_down), pieces), without[0], ("upside down", "without")
)
on_photographs |= {"flips": flips, "upside down": upright}
predicted(my_gain_by_flips, 100 * flips.mean, "points")
print("Left to right:", flips)
print("Top to bottom:", upright)

# %% role="experiment" uses="horizontal_flip" claim="upside-down-gains-nothing-there" of="float(upright.mean)" says="-0.02 to 0.03" slide="87"
print(f"upside down: {100 * upright.mean:+.1f} points")

# %% [markdown]
# Flips gain four to five points; the same number of new images upside down gains nothing that 16
# seeds could tell from zero. A photographer holds the camera upright, so that is what one expects.
# But be careful with what one expects. Training pieces came from the left of each photograph and
# test pieces from the right, and the right half of many a scene looks like the mirror image of its
# left half: an iris, a saucer, a face. Is it the camera, or is it the split?
# Cut the same photographs along the other axis, training pieces from the top and test pieces from the
# bottom:

# %% role="experiment" uses="horizontal_flip" claim="the-split-decides-which-flip-helps" of="turned_split" says="above" slide="87"
by_height = task_of([
    photograph_patches(per_class=(100, 1, 200), along="height", seed=seed).images()
    for seed in range(SEEDS)
])  # fmt: skip
plain_by_height = accuracies(trained(by_height, as_it_is), by_height)
turned_split, turned_flips = (
    gain(accuracies(trained(by_height, way), by_height), plain_by_height, (name, "without"))
    for way, name in ((upside_down, "upside down"), (flipped, "flips"))
)
print("Left to right:", turned_flips)
print("Top to bottom:", turned_split)

# %% [markdown]
# It was the split: now it is *upside down* that helps, and flips gain less. A new version of a
# training image helps where it looks like a test image that you do not have, whatever the reason.
# And a claim about an augmentation is a claim about a test set: look at how it was made.
#
# *You can stop here.* Next: moving the window.
#
# ## 2 Random crops
#
# Slide 88 cuts a random patch out of a larger image. For images that are small already, the usual
# form (He et al. 2016) makes them larger first, by $P$ rows and columns of zeros on every side, and
# cuts a window of the old size out of that:
#
# $$\hat x_{ij} = \bar x_{r+i,\,s+j} \qquad r, s \in \{0, \dots, 2P\} \qquad \text{(Crop.1)}$$
#
# There are $2P + 1$ places for $r$, the last one included. In the middle, $r = s = P$, the image is
# as it was.
#
# ### Exercise: `pad_crop`

# %% role="exercise" exercise="augmentation.pad_crop"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the last place is never drawn: does the upper bound of `rng.integers` belong to the numbers?
# * one place for all images, or one number for row and column;
# * the border repeated or mirrored where zeros are asked for;
# * the crop first and the zeros afterwards.
# </details>
#
# ### Does it help?
#
# **Predict, then run.** The statement is "two pixels to the side, it is still the same". How many
# points does it gain on the photographs ($P = 2$ of 16 pixels)?

# %% role="predict"
my_gain_by_crops = None  # your prediction: points

# %% role="experiment" uses="pad_crop" claim="zeros-at-the-border-hurt-on-pieces" of="crops" says="below" slide="88"
crops = gain(
    accuracies(trained(pieces, lambda x, rng: pad_crop(x, 2, rng)), pieces),
    without[0], ("with crops", "without"),
)  # fmt: skip
of_digits = gain(
    accuracies(trained(numerals, lambda x, rng: pad_crop(x, 1, rng)), numerals),
    without[1], (f"{data.name} with crops", "without"),
)  # fmt: skip
on_photographs["crops with zeros"] = crops
predicted(my_gain_by_crops, 100 * crops.mean, "points")
print(crops)
print(of_digits)

# %% [markdown]
# Here it *hurts*, on both, and it is worth knowing why, since the same lines belong to nearly every
# recipe for CIFAR-10. Our pieces were cut at random places to begin with, so a shift by two pixels
# is nothing new; what is new are black edges, which no test image has. And an 8 × 8 digit fills its
# square: a shift by one pixel cuts a part of it off, and a fully connected network of this size has
# no means to see that a shifted digit is the same pattern. A convolutional network on images of 32
# × 32 pixels, where four pixels of zeros are little and objects are at different places, is another
# case; it is not measured here. What can be measured is crops *without* black edges: pieces of 20 × 20
# pixels, shifted, then cut to the middle 16; and only 25 of each photograph, so that a shift is news.


# %% role="experiment" uses="pad_crop" claim="crops-without-black-edges-help-where-examples-are-few" of="inside" says="above" slide="88"
def middle(x, rng):
    """Return the middle 16 × 16 pixels of pieces of 20 × 20."""
    return x[:, 2:-2, 2:-2]


larger = [photograph_patches(size=20, per_class=(25, 1, 200), seed=seed) for seed in range(SEEDS)]
few = task_of([one.images() for one in larger])
few = (*few[:2], few[2][:, :, 2:-2, 2:-2], few[3])
inside = gain(
    accuracies(trained(few, lambda x, rng: middle(pad_crop(x, 2, rng), rng)), few),
    accuracies(trained(few, middle), few), ("with crops", "without"),
)  # fmt: skip
print("no black edges, 25 pieces of each photograph:", inside)

# %% [markdown]
# Now crops gain. (Change 25 to 100, and see what is left of it.) The same two lines of code help or hurt by
# what lies beyond the edge, and by how much the examples that you have leave unsaid.
#
# *You can stop here.* Next: scales.
#
# ## 3 Scales
#
# ResNet's recipe (slide 88) begins with a random scale: resize the image so that its *short side*
# has $L$ pixels, then cut. For new pixels one has to look between the old ones. `bilinear(x, rows,
# columns)` does that for you: a mean of the four pixels around a place, weighted by nearness.
# `rows` and `columns` broadcast; the centre of the first pixel is at row 0, column 0. What is left to
# you is *where* to look, and half of all resizes that people write get that wrong by half a pixel.
#
# A pixel is a small square, and its centre is half a pixel from its edge. The image reaches from
# $-\frac12$ to $H - \frac12$. Resizing keeps these edges where they are:
#
# $$H' = L\,H / \min(H, W) \quad \text{(Size.1)} \qquad
#   \text{row } i \text{ looks at } (i + \tfrac12)\,H/H' - \tfrac12 \quad \text{(Size.2)}$$

# %% role="experiment" alt="One row of four pixels, and where eight new centres lie by three rules: edges stay, the corner stays, the outermost centres stay. The middle of the second lies to the left." hide=true
new = np.arange(8)
plotting.plot_pixel_centres(
    4,
    {
        "edges stay: right": (new + 0.5) / 2 - 0.5,
        "row i looks at i·H/H'": new / 2,
        "outermost centres stay": np.linspace(0, 3, 8),
    },
)
plotting.show("Only where the edges stay do all new pixels have one size")

# %% [markdown]
# The bars mark the middle of each set: the second rule moves the image by a quarter of an old pixel
# to the upper left.
#
# ### Exercise: `resize_short_side`

# %% role="exercise" exercise="augmentation.resize_short_side"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * corners for centres: both halves of a pixel left out, or one of them;
# * the outermost centres kept, which is PyTorch's `align_corners=True`;
# * the scale upside down: a larger image looks at places that lie *closer* together;
# * the height taken for the short side; the other side not resized in proportion.
# </details>
#
# ### Kill the bug
#
# Somebody resizes with row $i$ at $i\,H/H'$. On most photographs nobody would notice. Find an image
# on which it shows: one that is its own mirror image, left to right and top to bottom, and that the
# wrong resize to a short side of 4 makes lopsided by a fifth of the range at least.

# %% role="exercise" exercise="augmentation.separating_image"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# Which old pixels does the wrong version never look at, at one end? Put something there, and the
# same at the other end.
# </details>
#
# *You can stop here.* Next: crops when testing.
#
# ## 4 A fixed set of crops at test time
#
# In training, noise; in testing, an average over the noise: the pattern of slide 83. For crops,
# slide 89 averages over a *fixed* set, so that a test gives the same answer every time: four
# corners, the centre, and the mirror images of the five.
#
# ### Exercise: `ten_crop`

# %% role="exercise" exercise="augmentation.ten_crop"

# %% role="experiment" uses="ten_crop" alt="A photograph of a cup of coffee with five numbered squares: four corners and the centre, which overlap." hide=true
plotting.plot_crop_places(coffee, 160)
plotting.show("Five of the ten crops; the others are their mirror images")

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * corners in another order; crop, mirror image, crop, mirror image, …;
# * mirrored top to bottom: in (N, 5, size, size, C), which axis goes from left to right?
# * a crop that ends with the last row begins at row H − size;
# * an odd margin: the smaller half lies above and to the left.
# </details>
#
# ### Exercise: `average_over_crops`
#
# What is averaged are *probabilities*, as in an ensemble (lesson 08). Give all crops of all images
# to the network at once, as one long batch.

# %% role="exercise" exercise="augmentation.average_over_crops"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# In a batch of N·K crops that comes from a reshape, which come first: all crops of the first image,
# or the first crop of all images? And a mean of probabilities adds up to 1: does yours?
# </details>
#
# ### Twice the same points
#
# A network without flips in training, averaged over an image and its mirror image at test time; and
# the same for the network that was trained with flips.


# %% role="experiment" uses="horizontal_flip average_over_crops" claim="mirror-averaging-helps-without-flips" of="before" says="above" slide="89"
def over_both(net, x):
    """Average over each image and its mirror image."""
    crops = np.stack([x, x[:, :, ::-1]], axis=1)  # (N, 2, H, W, C)
    return average_over_crops(crops, lambda images: probabilities(net, images))


before = gain(
    accuracies(plain_pieces, pieces, over_both), without[0], ("averaged", "one look")
)  # fmt: skip
after = gain(
    accuracies(with_flips, pieces, over_both), accuracies(with_flips, pieces),
    ("averaged", "one look"),
)  # fmt: skip
print("trained without flips:", before)
print("trained with flips:   ", after)

# %% role="experiment" uses="horizontal_flip average_over_crops" claim="the-same-points-not-twice" of="float(after.mean)" says="-0.02 to 0.02" slide="89"
print(f"after training with flips averaging gains {100 * after.mean:+.1f} points")

# %% [markdown]
# Averaging helps the network that has not seen mirrored pieces, by about as much as training with
# flips did. After training with flips there is at most little left to gain: that network answers
# nearly alike for both. The two gain the same points, not twice as many, and the one at
# test time costs twice the computation with every use.
#
# Slide 89 has two uses of scale in one list. Ten crops at *one* scale are what ResNet's authors
# compare models by; their best results use whole images at five scales and average the scores.
#
# %% [markdown] role="question" id="fifty-crops" points=5
# **Question 1 (5 points), slide 89.** (a) With five scales and ten crops each, how many crops of an
# image are looked at? (b) An image is square. Of the ten crops of 224 pixels at $L = 224$, how many
# are different? How many of a wide image with proportions 3 : 2? (c) A crop of 224 pixels at $L =
# 640$ shows which fraction of a square image? Name a class for which this helps, and one for which it
# must hurt. (d) Why is the average of a *fixed* set reported, and not one of random crops?

# %% [markdown] role="answer"
# *Model answer.* (a) 50. (b) Square: there is one place only, so two: the crop and its mirror
# image. Wide: 224 × 336; upper and lower corners are the same crop, so three places (left, centre,
# right) and six crops. (c) $(224/640)^2 = 12\,\%$. It helps where the object is small in the image,
# such as a bird in a landscape; it must hurt where the whole is needed, such as a castle of which
# only a wall is left. (d) A test should give the same number when it is repeated; otherwise models
# can be compared only with error bars, and one could draw until the number is good.
#
# *Rubric.* (a) 1 point: 50. (b) 2 points: two for the square image (1), six for the wide one
# (1). (c) 1 point: about an eighth, and both classes. (d) 1 point: the same number when it is
# repeated.

# %% [markdown]
# *You can stop here.* Next: colours.
#
# ## 5 Colours
#
# "A little brighter, it is still the same": slide 90 randomizes contrast and brightness. Contrast
# is how far values lie from *their mean*, $\mu$, over all pixels and colours of the image. Each
# image gets a factor and a shift:
#
# $$\hat x = \mu + c\,(x - \mu) + b \qquad c \sim U(1 - c_0, 1 + c_0), \quad
#   b \sim U(-b_0, b_0) \qquad \text{(Color.1)}$$
#
# and what leaves the range is cut off at 0 and 1. So an image that is grey all over keeps its grey
# whatever $c$ is.
#
# ### Exercise: `color_jitter`

# %% role="exercise" exercise="augmentation.color_jitter"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * contrast around 0 or around ½, in place of the mean; the mean of the whole batch;
# * one draw for the batch, or one for each pixel or channel;
# * a factor around 0: it should be near 1; a shift that only makes brighter;
# * no cut at 0 and 1.
# </details>


# %% role="experiment" uses="color_jitter" claim="jitter-helps-on-photographs" of="jitter" says="above" slide="90"
def jittered(x, rng):
    return color_jitter(x, 0.4, 0.2, rng)


jitter = gain(
    accuracies(trained(pieces, jittered), pieces), without[0], ("with jitter", "without")
)  # fmt: skip
on_photographs["jitter"] = jitter
print(jitter)

# %% [markdown]
# Jitter gains as well: the two parts of a photograph are not lit alike.
#
# ### Along the colours of the data
#
# The more complex form (slide 91, Krizhevsky et al. 2012) changes the *tint*, in the directions in
# which the colours of the data vary. Step 1 is a principal component analysis of all pixels of the
# training data; its examples are colours, C = 3 numbers each, not images:
#
# $$\Sigma = U\,\mathrm{diag}(\lambda)\,U^\top \qquad \text{(Color.2)}$$
#
# where $\Sigma$ is the (C, C) covariance of the colours, divided by the number of pixels.
#
# ### Exercise: `color_components`

# %% role="exercise" exercise="augmentation.color_components"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# Centred first? Divided by the number of *pixels*? Each component a column of U, and paired with its own
# eigenvalue?
# </details>

# %% role="experiment" uses="color_components" alt="Colours of 1,500 pixels of six photographs in the red-green and the red-blue plane. The first component runs from dark to bright and a little red; the others are shorter and across it." hide=true
training = pieces[0][0]
eigenvalues, U = color_components(training)
some = np.random.default_rng(0).permutation(training.reshape(-1, 3))[:1500]
plotting.plot_color_components(
    some, training.mean(axis=(0, 1, 2)), eigenvalues, U
)  # fmt: skip
plotting.show("The first component goes from dark to bright; the others are tints")
print("fractions of the variance:", np.sort(eigenvalues / eigenvalues.sum())[::-1].round(3))

# %% [markdown]
# Steps 2 and 3: draw one number $\alpha_k$ for each component, with standard deviation $s$ (0.1 in
# the paper), and add the *same* colour to all pixels of the image:
#
# $$\hat x_{ij} = x_{ij} + U(\alpha \circ \lambda) \qquad \alpha_k \sim N(0, s^2)
#   \qquad \text{(Color.3)}$$
#
# ### Exercise: `pca_color_offsets`

# %% role="exercise" exercise="augmentation.pca_color_offsets"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the root of the eigenvalue, or no eigenvalue; rows of U for its columns;
# * one number for all components; one offset for the batch, or one a pixel.
# </details>

# %% role="experiment" uses="color_jitter color_components pca_color_offsets" alt="Six versions of a cup of coffee by jitter, and six by offsets along the components with a large standard deviation: they differ in brightness and a little in tint." hide=true
rng = np.random.default_rng(2)
cups = np.stack([coffee[::2, ::2]] * 6)
plotting.plot_versions(
    {
        "contrast and\nbrightness": color_jitter(cups, 0.4, 0.2, rng),
        "along components,\ns = 0.1": pca_color_offsets(cups, eigenvalues, U, 0.1, rng),
        "s = 2": pca_color_offsets(cups, eigenvalues, U, 2.0, rng),
    },
)
plotting.show("With the paper's s = 0.1 and values from 0 to 1 the offsets hardly show")
for scale in (1, 255):
    spread = 0.1 * color_components(scale * training)[0].max()
    print(
        f"values from 0 to {scale}: offsets of about {spread:.3g}, {spread / scale:.2%} of the range"
    )

# %% [markdown] role="question" id="eigenvalue-or-root" points=5
# **Question 2 (5 points), slide 91.** (a) The last two lines compute the same thing in two units of
# brightness. Why are the results not the same, and by which factor do they differ? (b) Which power
# of $\lambda$ would make the augmentation independent of the unit? (c) What would be lost if an
# offset were drawn for each *pixel*? (d) The paper says that this makes a network indifferent to
# the intensity and the colour of the light. Which of the exercises of this part does that too, and
# what can it not do?

# %% [markdown] role="answer"
# *Model answer.* (a) An eigenvalue is a variance: with values 255 times as large it is 255² times
# as large, and so is the offset, though the range is only 255 times as large. Relative to the range
# the offsets are 255 times larger. (b) The root, a standard deviation, grows like the values: then
# $s$ says how many standard deviations the light may vary. (c) The statement. Light changes all
# pixels of a scene alike; independent offsets are noise, which destroys the differences between
# neighbouring pixels that the augmentation is to leave alone. (d) `color_jitter`: its shift is an
# offset along (1, 1, 1), and its factor changes the contrast, which offsets do not. It cannot
# change the tint.
#
# *Rubric.* (a) 2 points: 1 for "an eigenvalue is a square", 1 for the factor 255. (b) 1 point:
# the root. (c) 1 point: light changes all pixels alike. (d) 1 point: `color_jitter`, which
# cannot change the tint.

# %% [markdown]
# *You can stop here.* Next: moving, turning, bending.
#
# ## 6 Geometry
#
# Slide 92: translation, rotation, stretching, shearing. All four are one matrix. Let $z = (x, y)$ be
# a place seen from the *centre* of the image, x to the right and y down. What is at $z$ moves to
# $A z + t$ with
#
# $$A = \begin{pmatrix} \cos\theta & -\sin\theta \\ \sin\theta & \cos\theta \end{pmatrix}
#       \begin{pmatrix} 1 & g \\ 0 & 1 \end{pmatrix}
#       \begin{pmatrix} s_x & 0 \\ 0 & s_y \end{pmatrix} \qquad \text{(Warp.1)}$$
#
# ### Exercise: `affine_matrices`

# %% role="exercise" exercise="augmentation.affine_matrices"

# %% [markdown]
# To draw the new image, go through its pixels and ask *where each one came from*: in the
# opposite direction. The pixel at $z'$ shows what was at
#
# $$A^{-1}(z' - t) \qquad \text{(Warp.2)}$$
#
# (Going forward would leave holes.) `bilinear` does the looking up again.
#
# ### Exercise: `affine_warp`

# %% role="exercise" exercise="augmentation.affine_warp"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * degrees for radians; rotation and shear in the other order; x and y exchanged;
# * the matrix where its inverse belongs; the shift taken back after the inverse, not before;
# * turned about the corner: with W pixels at 0, …, W − 1 the centre is (W − 1)/2;
# * places seen from the centre handed to `bilinear`, which counts from the first pixel.
# </details>


# %% role="experiment" uses="affine_matrices affine_warp" alt="Five versions of a cat and of digits: turned, stretched, sheared and shifted a little; and digits upside down, framed in red: the 6 has become a 9."
def random_affine(x, rng, angle=10, stretch=0.1, shear=0.2, shift=0.7):
    """Draw a map for each image; its parts reach so far in both directions."""
    N = len(x)
    matrices = affine_matrices(
        rng.uniform(-angle, angle, N), rng.uniform(1 - stretch, 1 + stretch, (N, 2)),
        rng.uniform(-shear, shear, N), rng.uniform(-shift, shift, (N, 2)),
    )  # fmt: skip
    return affine_warp(x, matrices.astype(x.dtype))


def half_turn(x, rng):
    return random_affine(x, rng, angle=180)


rng = np.random.default_rng(3)
upended = np.tile([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]], (5, 1, 1)).astype(np.float32)
plotting.plot_versions(
    {
        "a cat": random_affine(faces, rng, angle=25, shear=0.3, shift=8),
        "digits": random_affine(five_digits, rng),
        "digits, turned\nby 180 degrees": affine_warp(five_digits, upended),
    },
    broken=["digits, turned\nby 180 degrees"],
)
plotting.show("Turn a 6 far enough, and it is a 9")

# %% [markdown]
# **Predict, then run.** The digits' accuracy is about 93 % without augmentation. How many points do
# small maps gain (10 degrees, a tenth of the size, 0.7 pixels), and how many do mirror images cost?

# %% role="predict"
my_gain_by_maps, my_loss_by_mirrors = None, None  # your predictions: points

# %% role="experiment" uses="horizontal_flip affine_matrices affine_warp" claim="small-maps-help-on-digits" of="maps" says="above" slide="92" alt="Gains in accuracy on digits for each augmentation: small maps help, mirrors and large turns cost accuracy."
ways = {
    "small maps": random_affine,
    "mirror images": flipped,
    "any angle": half_turn,
}
on_digits = {
    name: gain(accuracies(trained(numerals, way), numerals), without[1], (name, "none"))
    for name, way in ways.items()
}
maps, mirrors, angles = on_digits.values()
predicted(my_gain_by_maps, 100 * maps.mean, "points")
predicted(my_loss_by_mirrors, -100 * mirrors.mean, "points")
plotting.plot_gains(on_digits)
plotting.show("What keeps the label helps, what breaks it hurts")

# %% role="experiment" uses="horizontal_flip affine_matrices affine_warp" claim="mirrored-digits-cost-points" of="mirrors" says="below" slide="87"
print(mirrors)

# %% role="experiment" uses="horizontal_flip affine_matrices affine_warp" claim="any-angle-costs-more" of="float(angles.mean / mirrors.mean)" says="1.5 to 30" slide="92"
print(f"any angle costs {angles.mean / mirrors.mean:.1f} times as many points as mirror images")

# %% role="experiment" alt="Dots of 16 seeds and intervals for four augmentations of pieces of photographs: flips and jitter gain, upside down gains nothing, crops with zeros lose." hide=true
if len(on_photographs) == 4:
    plotting.plot_gains(on_photographs)
    plotting.show("Photographs: flips and jitter help, black edges do not")
else:
    print("The photographs' figure comes when flips, crops and jitter are written.")

# %% [markdown]
# Small maps take away about a fifth of the errors. Mirror images cost points, and any angle costs
# several times as many: a 6 on its head *is* a 9, and the network is told to call it both. The two
# figures are the lesson in short. Nothing here knows what an image shows: it is you who says which
# changes leave the answer alone, and the data says whether you are right.
#
# %% [markdown] role="question" id="true-statements" points=5
# **Question 3 (5 points), slide 92: "Get creative for your problem!"** For each of these, name one
# augmentation that is true and one that is false, with the reason: (a) satellite images, classes of
# land use; (b) X-rays of the chest, where one disease puts the heart on the other side; (c) words
# on road signs; (d) photographs of birds, where two species differ in their colour only. (e) In
# *segmentation*, the label is an image too. What has to be done to it under a flip, and under
# jitter?

# %% [markdown] role="answer"
# *Model answer.* (a) True: flips and turns by any angle, since a satellite has no up; false: strong
# changes of scale, if the size of fields and houses tells the class. (b) True: small maps, a little
# contrast; false: left-right flips, which turn the one class into the other. (c) True: small maps,
# shear (signs are seen from the side), brightness; false: flips. (d) True: flips, crops; false:
# changes of tint. (e) Under a flip the label image is mirrored with the same draw; under jitter it
# stays as it is.
#
# *Rubric.* (a) 1 point: satellite images. (b) 1 point: X-rays. (c) 1 point: road signs. (d) 1
# point: birds. (e) 1 point: the same flip, and no jitter; another answer counts where its
# reason is right.

# %% [markdown]
# *You can stop here.* Next: where it all goes.
#
# ## 7 Wire the pipeline
#
# Slides 85 and 86 as a loop. Four mistakes are common, none of them raises an error, and each costs
# accuracy or makes it a lie: images augmented once before training, so that every epoch shows the
# same versions; the augmentation of what was augmented already; jitter after the normalization,
# when values no longer go from 0 to 1; and validation images that are augmented too. Your loop is
# observed by spies that know of every image where it has been.
#
# ### Exercise: `train_augmented`

# %% role="exercise" exercise="augmentation.train_augmented"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * `normalize` and `augment` in the wrong order; one of them missing, or also used at validation;
# * the augmented images written back into the data;
# * labels in another order than images; the last batch, which is smaller, left out.
# </details>

# %% role="experiment" uses="horizontal_flip color_jitter train_augmented" alt="Validation accuracy of one network over 40 epochs: it rises to about 0.8, with large steps up and down."
one = photograph_patches(seed=0).images()
one_task = (channels_last(one.x_train), one.y_train, channels_last(one.x_val), one.y_val)
rng = np.random.default_rng(0)
net = Network([Affine(768, WIDTH, rng), ReLU(), Affine(WIDTH, 6, rng)])


def step(x, y):
    _, gradients = net.loss_and_gradients(x.reshape(len(x), -1), y)
    for name, w in net.params.items():
        w -= 0.05 * gradients[name]


def score(x, y):
    return net.accuracy(x.reshape(len(x), -1), y)


curve = train_augmented(
    one_task, lambda x, rng: jittered(flipped(x, rng), rng), normalized, step, score, 40, BATCH, rng
)
plotting.plot_lines(
    np.arange(1, 41), {"flips and jitter": curve[None]}, "epochs", "validation accuracy"
)
plotting.show("One network: it rises, and is restless")

# %% [markdown]
# **This is the end of the core.**
#
# *You can stop here.*
#
# ## 8 A lens
#
# "Lens distortions, … (go crazy)", says slide 92. A simple lens moves a place along its radius, the
# more the further out it is; $R$ is the distance from the centre to a corner:
#
# $$z' \text{ looks at } z'\,(1 + k\,|z'|^2/R^2) \qquad \text{(Lens.1)}$$
#
# ### Bonus exercise: `lens_distortion`

# %% role="exercise" exercise="augmentation.lens_distortion"

# %% role="experiment" uses="lens_distortion" alt="A brick wall through five lenses, from cushion to barrel." hide=true
wall = np.stack([photograph("brick")[:90, :120, None] / 255] * 5)
strengths = np.array([-0.5, -0.25, 0.0, 0.25, 0.5])
plotting.plot_versions(
    {"k from −0.5 to 0.5": lens_distortion(wall, strengths)},
)
plotting.show("A wall through a cushion (left) and a barrel (right)")

# %% [markdown]
# *You can stop here.*
#
# ## 9 Mixing two images
#
# Beyond the lecture, *mixup* (Zhang et al. 2018) gives up the idea that an augmentation keeps the
# label. It mixes two images, and their labels in the same proportion:
#
# $$\hat x = \lambda x + (1 - \lambda)\,x_\pi, \quad \hat y = \lambda y + (1 - \lambda)\,y_\pi,
#   \qquad \lambda \sim \mathrm{Beta}(\alpha, \alpha) \qquad \text{(Mix.1)}$$
#
# The statement is "between two images, the answer goes from one to the other on a straight line".
#
# ### Bonus exercise: `mixup`

# %% role="exercise" exercise="augmentation.mixup"

# %% role="experiment" uses="mixup" alt="Six mixtures of a cat and a cup of coffee, each with its fraction of cat." hide=true
pair = np.stack([cat[10:110, 60:190], coffee[40:140, 40:170]] * 6)
mixed, fractions = mixup(pair, np.tile(np.eye(2), (6, 1)), 1.0, np.random.default_rng(5))
plotting.plot_versions({"cat and coffee": mixed[:6]})
plotting.show("What the network is to call a mixture")
print("fractions of cat:", fractions[:6, 0].round(2))

# %% [markdown]
# Does it help? On the photographs, with $\alpha = 0.2$, as the paper has it for ImageNet. Beside it
# *cutout* (DeVries & Taylor 2017): a square of each image is covered with grey, at a random place.

# %% role="experiment" uses="mixup" claim="mixup-does-not-show-here" of="float(mixtures.mean)" says="-0.03 to 0.02"
mixtures = gain(
    accuracies(trained(pieces, as_it_is, lambda x, y, rng: mixup(x, y, 0.2, rng)), pieces),
    without[0], ("with mixup", "without"),
)  # fmt: skip
print(mixtures)


# %% role="experiment" claim="cutout-does-not-show-here" of="float(covered.mean)" says="-0.02 to 0.03" hide=true
def cut_out(x, rng, side=6):
    """Cover a square of each image with grey."""
    x, corners = x.copy(), rng.integers(0, x.shape[1] - side + 1, (len(x), 2))
    for image, (top, left) in zip(x, corners, strict=True):
        image[top : top + side, left : left + side] = 0.45
    return x


covered = gain(accuracies(trained(pieces, cut_out), pieces), without[0], ("with cutout", "without"))
print(covered)

# %% [markdown]
# **Not confirmed at this size**, either of them: the differences are about a point, on whichever side. Both
# papers report gains for large networks that are trained for a long time. With $\alpha = 1$, where halves
# are mixed with halves, you will see mixup cost more than it can give.
#
# *You can stop here.*
#
# ## 10 The same in PyTorch
#
# Images are (N, C, H, W) there, and the generator is a `torch.Generator`. **From here on the names
# of your functions mean their PyTorch versions.** `bilinear_tensor` is the sampler for tensors.

# %% role="setup"
import torch

from cs231n_lib.sampling import bilinear_tensor

torch.set_num_threads(1)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% role="exercise" exercise="augmentation.torch.color_jitter"

# %% role="exercise" exercise="augmentation.torch.affine_warp"

# %% [markdown]
# ### Bonus exercises: flips and crops in PyTorch

# %% role="exercise" exercise="augmentation.torch.horizontal_flip"

# %% role="exercise" exercise="augmentation.torch.pad_crop"

# %% [markdown]
# Your warp next to PyTorch's own, which takes the inverse map in units of half an image:

# %% role="experiment" uses="affine_warp" hide=true
images = torch.rand(8, 3, 32, 32, device=device)
theta = torch.linspace(-0.5, 0.5, 8, device=device)
turn = torch.stack([theta.cos(), -theta.sin(), theta.sin(), theta.cos()], 1).reshape(-1, 2, 2)
zero = torch.zeros(8, 2, 1, device=device)
grid = torch.nn.functional.affine_grid(
    torch.cat([turn.mT, zero], 2), images.shape, align_corners=True
)
theirs = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=True)
ours = affine_warp(images, torch.cat([turn, zero], 2))
print(f"largest difference: {(ours - theirs).abs().max().item():.1e}")

# %% [markdown]
# *You can stop here.*
#
# ## 11 Workers and their generators
#
# A `DataLoader` with several workers copies your data set into each of them. If a generator lives in
# it, every worker has the same one, and every epoch starts again from the copy. Below, a data set
# whose "augmentation" is a random number; two epochs, four workers.
#
# **Predict, then run.** 40 examples, two epochs: how many *different* numbers are there?

# %% role="predict"
my_different_draws = None  # your prediction: a whole number from 1 to 80

# %% role="setup"
import warnings

from torch.utils.data import DataLoader

warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores
warnings.filterwarnings("ignore", "This process .* is multi-threaded")


class OneGenerator:
    """A data set with a generator of its own: the trap."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return 40

    def draw(self, rng):
        return int(rng.integers(2**40))

    def __getitem__(self, number):
        return self.draw(self.rng)


class ByEpochAndNumber(OneGenerator):
    """The same with a new generator for each example of each epoch: the way out."""

    def __getitem__(self, place):
        return self.draw(np.random.default_rng(place))


def draws(data, sampler_of):
    """Return the number of different draws in two epochs."""
    loaders = [DataLoader(data, 5, sampler=sampler_of(epoch), num_workers=4) for epoch in range(2)]
    return len(torch.cat([batch for loader in loaders for batch in loader]).unique())


# %% role="experiment" claim="a-generator-in-the-data-set-repeats-itself" of="repeated" says="9.5 to 10.5"
repeated = draws(OneGenerator(), lambda epoch: range(40))
fresh = draws(ByEpochAndNumber(), lambda epoch: [(epoch, number) for number in range(40)])
predicted(my_different_draws, repeated)
print(f"of 80 draws, {repeated} are different with one generator, {fresh} by epoch and number")

# %% [markdown]
# Ten: every worker draws the same ten numbers, and in the second epoch the same again. No error, no
# warning; only less augmentation than you believe. With a generator made from (seed, epoch, number
# of the example) nothing repeats itself, and the result does not depend on the number of workers.

# %% [markdown] role="question" id="which-generator" points=5
# **Question 4 (5 points).** (a) Explain the number that came out, from 40 examples, 4 workers and 2
# epochs. (b) A colleague calls `np.random.seed(worker_id)` in every worker. Which part of the
# problem does that solve, and which not? (c) Another one draws from PyTorch's global generator,
# which `DataLoader` seeds anew for each worker and each epoch. What is still lost? (d) How would
# you find out, in a training run that somebody else wrote, whether its augmentation repeats itself?

# %% [markdown] role="answer"
# *Model answer.* (a) Each worker gets 10 of the 40 examples, and a copy of the generator in its
# first state: 10 numbers, the same for all four. For the second epoch new workers are made from the
# same unchanged data set: the same 10. (b) Workers differ from each other, but every epoch starts
# with the same seeds: 40 numbers, each twice. (c) The draws are all different, but they depend on
# the number of workers and on which worker gets which example, so a run cannot be repeated on
# another machine. (d) Save what the network sees, or a hash of it, for some examples over several
# epochs, and count how many are different; or plot the same example from ten epochs side by side.
#
# *Rubric.* (a) 2 points: 1 for ten examples a worker with equal copies, 1 for the second epoch.
# (b) 1 point: workers differ, epochs do not. (c) 1 point: the run cannot be repeated elsewhere.
# (d) 1 point: a comparison of what the network sees in several epochs.

# %% role="experiment"
score_predictions()

# %% [markdown]
# ## What to take away
#
# * An augmentation is a statement about the data: this change leaves the answer alone. Where it is
#   true it helps, where it is false it hurts, and the number of new images does not decide.
# * Here: flips and jitter help on photographs, crops where examples are few, small maps on digits;
#   mirrored digits, any angle and black edges hurt; mixup and cutout do not show. Which flip helps
#   depends on how the test set was cut.
# * Every image has its own draw, from the generator that was passed in; a new one in every epoch.
# * Pixels have a size: edges stay where they are, and places are asked for from new to old.
# * Augment, then normalize; never at validation. At test time a *fixed* set of crops may be
#   averaged, which gains what training with the same changes gains, not both.
# * The paper's colour offsets take the eigenvalue, not its root, and are meant for values from 0
#   to 1.
#
# **Next:** lesson 12 begins with a network that others have trained on a million images.
#
# **Sources.** Lecture 7, slides 85–92. Krizhevsky, Sutskever & Hinton 2012, *ImageNet Classification
# with Deep Convolutional Neural Networks*, NeurIPS · He, Zhang, Ren & Sun 2016, *Deep Residual Learning
# for Image Recognition*, arXiv:1512.03385 · DeVries & Taylor 2017, *Improved Regularization of
# Convolutional Neural Networks with Cutout*, arXiv:1708.04552 · Zhang et al. 2018, *mixup: Beyond
# Empirical Risk Minimization*, arXiv:1710.09412.
