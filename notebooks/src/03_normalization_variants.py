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
#     lesson: "03"
#     title: Normalization variants
#     minutes_core: 90
#     minutes_all: 190
# ---

# %% [markdown]
# # Normalization variants
#
# **Lesson 03 · CS231n 2018, lecture 7, slides 15–19 · core 90 minutes, all of it 190**
#
# Batch norm takes its mean and its variance from the other examples of the batch. That is the
# source of all its troubles: two modes, running statistics, small batches. Here are four layers
# that do something else. Layer norm, instance norm and group norm take their statistics from other
# numbers than the examples of the batch; decorrelated batch norm takes more statistics from the
# same numbers. You will write all four, see on photographs and in a recurrent network what they are
# good for, and measure where they win and where nothing of it shows.
#
# | part | you write | minutes |
# |---|---|---|
# | 1 which numbers share a mean? | a prediction | 5 |
# | 2 layer norm | `layernorm_forward`, `layernorm_backward` | 30 |
# | 4 instance norm | `instancenorm_forward`, question 2 | 20 |
# | 5 group norm | `spatial_groupnorm_forward`, `spatial_groupnorm_backward` | 20 |
# | 7 batches of 2 to 32 | a prediction, question 3 | 15 |
# | **the core** | | **90** |
# | 3 in a recurrent network | question 1 | 15 |
# | 4 its backward pass | `instancenorm_backward` | 5 |
# | 6 kill the bug | `separating_groups` | 10 |
# | 8 decorrelated batch norm | `decorrelated_batchnorm_forward`, question 4 | 30 |
# | 9 challenge | `decorrelated_batchnorm_backward` (bonus) | 15 |
# | 10 the same in PyTorch | layer and group norm on tensors, a layer; others (bonus) | 25 |
# | **all of it** | | **190** |
#
# 80 points come from the checks, which you can run as often as you like; 20 are given by hand for
# the four questions; the bonus comes on top. Words and symbols are the same in all lessons
# (`docs/vocabulary.md`). The signatures are those of the usual CS231n assignments.
#
# Every experiment runs on *your* functions. While one is missing, its experiments say so and the
# notebook goes on. Batch norm, which you wrote in lesson 02, is PyTorch's own here.

# %% role="setup"
from dataclasses import replace
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from autograder.check import check, needs
from cs231n_lib import plotting
from cs231n_lib.data import load, photograph
from cs231n_lib.gradcheck import check_gradients
from cs231n_lib.layers.network import Affine, Conv, Flatten, Network, Normalization, ReLU
from cs231n_lib.layers.recurrent import Recurrent
from cs231n_lib.train import compare, fit, predicted, score_predictions, timed

threadpool_limits(1)  # arrays this small are fastest on one thread, and the race below is fair

# %% [markdown]
# **The data.** 8 × 8 images of handwritten digits that come with scikit-learn, and three photographs
# that come with scikit-image: nothing to download. For other images than digits change this one line
# to `data = load("fashion-mnist")` or `load("cifar10")`; what the text says about results was
# written for the digits.

# %% role="experiment"
data = load("digits")
print(data)

# %% role="experiment"
PHOTOGRAPHS = {name: photograph(name, crop=True) for name in ("astronaut", "cat", "coffee")}
photographs = np.stack(list(PHOTOGRAPHS.values())).transpose(0, 3, 1, 2) / 255  # (3, 3, 100, 100)

# %% [markdown]
# ## 1 The question
#
# Every normalization layer does the same two things: *standardize* some numbers with their common
# mean and variance, then *scale and shift* with what was learned. The layers differ in one point only:
# **which numbers share a mean**.
#
# A block of activations has the axes N (examples), C (channels) and the pixels, H and W. Batch norm
# groups over N, H and W: one mean for each channel. The examples depend on each other, and when there
# is a single example, as at test time, one has to fall back on statistics kept from training.
#
# **Predict, then run.** Suppose that a layer takes its means over C, H and W instead, in every example
# by itself. For a batch of N = 32 images with C = 64 channels of 8 × 8 pixels: how many means does it
# compute? (Batch norm computes 64.)

# %% role="predict"
my_number_of_means = None  # your prediction: a number

# %% role="experiment" alt="Four blocks of numbers, examples by channels by pixels: dark are those that share a mean with the starred one; batch norm a slab through all examples, layer norm one whole example, instance norm one channel of one, group norm some channels of one."
block = np.zeros((32, 64, 8, 8))
predicted(my_number_of_means, block.mean(axis=(1, 2, 3)).size)
plotting.plot_normalization_axes()
plotting.show("Four layers, four answers: which numbers share a mean?")

# %% [markdown]
# This is the picture of slide 17. The dark numbers are those that move the output at the star; the
# picture found them by changing one number after the other in PyTorch's layers. Three of the four never
# leave the front row: they look at **one example** only. So they have no use for running
# statistics, and do the same thing in training and in testing (slides 15 and 16 say so with an
# exclamation mark). The price: what they take away is something of that example, and not what all
# examples have in common.
#
# ## 2 Layer norm
#
# For rows, $x$ of shape (N, D), layer norm (Ba, Kiros & Hinton 2016, arXiv:1607.06450; slide 15) walks
# along the features $j$ of each example $i$:
#
# $$\mu_i = \frac1D \sum_{j=1}^D x_{ij} \quad \text{(LN.1)} \qquad
#   \sigma_i^2 = \frac1D \sum_{j=1}^D (x_{ij} - \mu_i)^2 \quad \text{(LN.2)}$$
#
# $$\hat x_{ij} = \frac{x_{ij} - \mu_i}{\sqrt{\sigma_i^2 + \varepsilon}} \quad \text{(LN.3)}
#   \qquad y_{ij} = \gamma_j \hat x_{ij} + \beta_j \quad \text{(LN.4)}$$
#
# There are N means now, and still D scales and shifts: the statistics belong to the example, what is
# learned belongs to the feature. That is the whole difference, and it is where the mistakes are made.
#
# ### Exercise: `layernorm_forward`

# %% role="exercise" exercise="normalization.layernorm_forward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * statistics over axis 0: that is batch norm, and its gradient check passes too;
# * a mean of shape (N,) where (N, 1) is needed: NumPy lines it up with the features;
# * a transposed batch norm that transposes $\gamma$ and $\beta$ along;
# * $\varepsilon$ outside the root, or written as a number; the unbiased variance;
# * float32 that became float64 on the way; an input changed in place.
# </details>
#
# *You can stop here.*
#
# The backward pass is that of batch norm, turned by a right angle, but for one thing. In batch norm all
# numbers that share a mean share a $\gamma_j$ as well, so $\gamma$ comes out in front. Here the
# means run over features with *different* $\gamma_j$. So take $d\hat x_{ij} = g_{ij} \gamma_j$ first, and
# never look at $\gamma$ again:
#
# $$dx_{ij} = \frac1{s_i} \Bigl(d\hat x_{ij} - \frac1D \sum_k d\hat x_{ik}
#   - \hat x_{ij} \, \frac1D \sum_k d\hat x_{ik} \hat x_{ik}\Bigr) \quad \text{(LN.8)}$$
#
# with $s_i = \sqrt{\sigma_i^2 + \varepsilon}$. And the gradients of $\gamma_j$ and $\beta_j$: which
# numbers does each of them touch? Sum over those.
#
# ### Exercise: `layernorm_backward`

# %% role="exercise" exercise="normalization.layernorm_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * `dgamma` of shape (N,): summed over the features instead of the examples;
# * $\gamma$ pulled out in front of the means, as in batch norm;
# * the sums in `dx` over the batch; 1/N where 1/D belongs;
# * a term left out, or $1/s_i$ once too often.
# </details>
#
# ### Same at train and test
#
# Send one image through the first layer of a network, alone and in company, and normalize it.

# %% role="setup" hide=true
WIDTH = 64


def features_as_rows(x):
    """Return x (N, D) or (N, C, H, W) with a row for each feature or channel."""
    return x.swapaxes(0, 1).reshape(x.shape[1], -1)


def per_feature_forward(x, gamma, beta, param):
    """Batch norm, by your own layer norm: the same formula on rows that are features."""
    per_channel = (-1, *[1] * (x.ndim - 2))
    scale, shift = gamma.reshape(per_channel), beta.reshape(per_channel)
    rows, cache = features_as_rows(x), None
    eps = param.get("eps", 1e-5)
    if param["mode"] == "train":
        one, zero = np.ones_like(rows[0]), np.zeros_like(rows[0])
        x_hat, cache = layernorm_forward(rows, one, zero, {"eps": eps})
        for key, value in (("mean", rows.mean(axis=1)), ("var", rows.var(axis=1))):
            param[key] = 0.9 * param.get(key, value) + 0.1 * value
    else:
        x_hat = (rows - param["mean"][:, None]) / np.sqrt(param["var"][:, None] + eps)
    x_hat = x_hat.reshape(x.shape[1], x.shape[0], *x.shape[2:]).swapaxes(0, 1)
    return scale * x_hat + shift, (x_hat, scale, cache)


def per_feature_backward(dout, cache):
    """The gradients of `per_feature_forward`, by your own layer norm's backward pass."""
    x_hat, scale, cache = cache
    dx, _, _ = layernorm_backward(features_as_rows(dout * scale), cache)
    dx = dx.reshape(dout.shape[1], dout.shape[0], *dout.shape[2:]).swapaxes(0, 1)
    dgamma, dbeta = (features_as_rows(d).sum(axis=1) for d in (dout * x_hat, dout))
    return dx, dgamma, dbeta


# %% role="experiment" uses="layernorm_forward" claim="layer-norm-does-not-know-its-company" of="apart" says="0 to 1e-5" slide="15"
rng = np.random.default_rng(0)
hidden = data.x_train[:100] @ rng.normal(0, 0.2, (data.x_train.shape[1], WIDTH)).astype("float32")
one, zero = np.ones(WIDTH, "float32"), np.zeros(WIDTH, "float32")
for name, forward in {"batch norm": per_feature_forward, "layer norm": layernorm_forward}.items():
    crowd, _ = forward(hidden, one, zero, {"mode": "train"})
    few, _ = forward(hidden[:4], one, zero, {"mode": "train"})
    apart = np.abs(crowd[0] - few[0]).max()  # of layer norm, in the end
    print(f"{name}: the first image, in company of 99 or of 3, differs by {apart:.1e}")

# %% [markdown]
# For layer norm the company is nothing but rounding. There is no `mode`: your function has one branch.
#
# *You can stop here.*
#
# ## 3 In a recurrent network (beyond the core)
#
# A recurrent layer reads a sequence step by step and uses the same weights in every step:
# $h_t = \tanh(x_t W_x + h_{t-1} W_h + b)$. Where would batch norm get its running statistics from? The
# distribution of $h_t$ changes with $t$, so one set for all steps does not fit; usually one keeps a
# set for each step. Then comes a sequence that is *longer than any in training*, and for its last
# steps there are no statistics. The best one can do is to borrow those of the last step that was
# seen (Cooijmans et al. 2017, arXiv:1603.09025). Layer norm has no such question: "can be used
# in recurrent networks", says slide 15.
#
# Here is the experiment. A network reads an image row by row, 8 numbers a step, *twice*, so sequences
# have T = 16 steps. Afterwards it is tested on images read once, three times, … up to eight times. A
# network that has understood the image has no reason to change its mind.

# %% role="setup" hide=true
TIMES = (1, 2, 3, 4, 6, 8)  # how often an image is read


def read(x, times):
    """Return sequences (N, H·times, C·W): the rows of each image, so many times over."""
    C, H, W = data.image_shape
    rows = x.reshape(-1, C, H, W).swapaxes(1, 2).reshape(-1, H, C * W)
    return np.tile(rows, (1, times, 1))


def accuracy_by_length(seed, pair):
    """Train on images read twice; return the accuracy on images read once to eight times."""
    rng = np.random.default_rng(seed)
    C, _, W = data.image_shape
    net = Network([Recurrent(C * W, 48, rng, pair), Affine(48, 10, rng)])
    twice = replace(data, x_train=read(data.x_train, 2), x_val=read(data.x_val, 2))
    fit(net, twice, steps=300, batch_size=64, learning_rate=0.2, rng=rng, progress=False)
    return [net.accuracy(read(data.x_val, times), data.y_val) for times in TIMES]


def paired(a, b, names):
    """Compare two results, each with one number for every seed."""
    return compare(lambda i: a[i], lambda i: b[i], range(len(a)), names=names)


# %% role="experiment" uses="layernorm_forward layernorm_backward" claim="batch-norm-falls-behind-on-long-sequences" of="longer" says="above" slide="15" alt="Validation accuracy against the length of the test sequences, trained at 16: layer norm and none stay near their level, batch norm falls behind from 24 on; at 8 all three are worse."
ways = {
    "layer norm": (layernorm_forward, layernorm_backward),
    "batch norm": (per_feature_forward, per_feature_backward),
    "none": None,
}
jobs = [(name, seed) for name in ways for seed in range(4)]
by_length = {name: [] for name in ways}
for name, seed in tqdm(jobs, "training", delay=2, leave=False):
    by_length[name].append(accuracy_by_length(seed, ways[name]))
lengths = [8 * times for times in TIMES]
plotting.plot_lines(lengths, by_length, "steps T of the test sequences (training: 16)",
                    "validation accuracy")  # fmt: skip
plotting.show("Batch norm falls behind where it has no statistics")
for name, accuracy in by_length.items():
    print(f"{name}: T = 16: {np.mean(accuracy, axis=0)[1]:.3f}, "
          f"T = 64: {np.mean(accuracy, axis=0)[-1]:.3f}")  # fmt: skip
last = {name: np.array(accuracy)[:, -1] for name, accuracy in by_length.items()}
longer = paired(last["layer norm"], last["batch norm"], ("layer norm", "batch norm"))
print("T = 64:", longer)

# %% role="experiment" uses="layernorm_forward layernorm_backward" claim="batch-norm-falls-at-once" of="falls['batch norm'] - falls['layer norm']" says="0.01 to 0.2" slide="15"
falls = {name: np.mean(accuracy, axis=0)[1:3] @ [1, -1] for name, accuracy in by_length.items()}
print("lost from T = 16 to 24:", {name: round(float(points), 3) for name, points in falls.items()})

# %% role="experiment" uses="layernorm_forward layernorm_backward" claim="layer-norm-is-not-above-none-on-long-sequences" of="run_on.mean" says="-0.15 to 0.15" slide="15"
run_on = paired(last["layer norm"], last["none"], ("layer norm", "none"))
print("T = 64:", run_on)

# %% [markdown]
# At T = 16, as in training, all three are good. On longer sequences batch norm falls behind, by several
# points at the first length that was not trained, while layer norm loses little. Two things
# the picture does *not* say. That layer norm is better than no normalization: without one, the network
# also runs on for any length, and the difference is not clear. And that the network has learned to
# read: shown an image only once (T = 8), all three are worse, layer norm most. A recurrent network learns
# what it needs at the length that it is trained on.

# %% [markdown] role="question" id="recurrent-norm" points=5
# **Question 1 (5 points).** (a) Batch norm in the recurrent layer keeps a mean and a variance for each of
# 16 steps. What exactly does it do in step 17 of a longer sequence, and why is that wrong here, where the
# image is read again from its first row? (b) Why does layer norm not have this problem? Name the
# numbers that its mean is taken over in step 17. (c) Before the first row of an image, somebody feeds
# in a few rows of zeros, and $h_0 = 0$. What is the variance (LN.2) in these steps, by which factor
# does the backward pass multiply there, and what may happen to the training?

# %% [markdown] role="answer"
# *Model answer.* (a) It normalizes with the running statistics of step 16, the last that it has. Those are
# the statistics of what comes in with row 8 of an image, but in step 17 row 1 comes in: its pre-activations
# have another mean and another variance, so they come out shifted and stretched, differently
# for every feature. (b) Its mean runs over the D features of the same example in the same step,
# $x_{17} W_x + h_{16} W_h$, which are there whatever the length; nothing is kept. (c) All features are
# 0 there, so the variance is 0 and $s = \sqrt\varepsilon$; the backward pass divides by it, which is a
# factor of $1/\sqrt{10^{-5}} \approx 316$ in every such step, and over several steps a power of it. What
# explodes is the gradient of $\beta$, which acts on every later step; the weights multiply inputs that
# are 0 there, and a single huge step of $\beta$ is enough to spoil the training. (A larger $\varepsilon$
# or a bias before the normalization helps.)
#
# *Rubric.* (a) 2 points: borrowed statistics of step 16 (1), they belong to another row (1). (b) 1
# point: features of this example in this step. (c) 2 points: variance 0 (0.5), factor $1/\sqrt\varepsilon$
# (1), consequence (0.5).

# %% [markdown]
# *You can stop here.*
#
# ## 4 Instance norm
#
# Now images. Instance norm (Ulyanov, Vedaldi & Lempitsky 2017, arXiv:1701.02096; slide 16) takes a mean over
# the P = H·W pixels of **one channel of one image**:
#
# $$\mu_{nc} = \frac1P \sum_p x_{ncp} \quad \text{(IN.1)} \qquad
#   \sigma_{nc}^2 = \frac1P \sum_p (x_{ncp} - \mu_{nc})^2 \quad \text{(IN.2)}$$
#
# and then $\hat x$ and $y = \gamma_c \hat x + \beta_c$ as before. In the backward pass everything
# that shares a mean shares a $\gamma_c$ again, as in batch norm.
#
# ### Exercise: `instancenorm_forward`

# %% role="exercise" exercise="normalization.instancenorm_forward"

# %% [markdown]
# ### Exercise: `instancenorm_backward` (beyond the core)

# %% role="exercise" exercise="normalization.instancenorm_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * statistics over N as well: that is spatial batch norm; over C as well: that is layer norm;
# * $\gamma$ of shape (C,) that NumPy lines up with the last axis, W, instead of the channels;
# * `dgamma` summed over the pixels only, or over the examples only;
# * 1/(N·P) in `dx`, where the mean ran over P numbers.
# </details>
#
# *You can stop here.*
#
# ### What it takes away
#
# The mean of a colour channel over all pixels is its brightness; its standard deviation is its contrast.
# Together they are a crude description of an image's *style*: the light, the haze, the colour of the
# lamp. Below, the photograph of the cup is taken in the dark, in fog, and in the light of a candle:
# each channel is multiplied by a number and another one is added. ($\hat x$ has values around 0; it is drawn
# as $\frac12 + \frac15 \hat x$.)
#
# **Predict, then run.** In the dark, all numbers are multiplied by 0.4. By what is the output of
# instance norm multiplied ($\varepsilon$ is small)?

# %% role="predict"
my_factor_in_the_dark = None  # your prediction: a number

# %% role="experiment"
cup = photographs[2]
STYLES = {
    "as taken": cup,
    "in the dark": 0.4 * cup,
    "in fog": 0.3 * cup + 0.6,
    "by candlelight": cup * np.reshape([1.0, 0.6, 0.25], (3, 1, 1)),
}


# %% role="experiment" uses="instancenorm_forward" claim="instance-norm-removes-the-light" of="ratio" says="0.99 to 1.01" slide="16" alt="Above, a photograph of a cup as taken, in the dark, in fog and by candlelight; below, after instance norm, all four alike."
one, zero = np.ones(3), np.zeros(3)
batch = np.stack(list(STYLES.values()))
normalized, _ = instancenorm_forward(batch, one, zero, {})
ratio = (normalized[1] * normalized[0]).sum() / (normalized[0] ** 2).sum()
predicted(my_factor_in_the_dark, ratio)
plotting.plot_photographs({
    "before": STYLES,
    "after": {name: 0.5 + 0.2 * x for name, x in zip(STYLES, normalized, strict=True)},
})  # fmt: skip
plotting.show("Instance norm removes the light")
apart = np.abs(batch - batch[0]).max(), np.abs(normalized - normalized[0]).max()
print(f"The four differ by at most {apart[0]:.2f} before and {apart[1]:.3f} after instance norm.")
batch_normalized, _ = per_feature_forward(batch, one, zero, {"mode": "train"})
apart = np.abs(batch_normalized - batch_normalized[0]).max()
print(f"After batch norm, which has one mean for all four, by {apart:.2f}.")

# %% [markdown]
# All four come out the same. The factor 0.4 goes into the mean and into the standard deviation, and
# cancels; so does what is added. (What little difference is left is $\varepsilon$.) Colours have
# changed as well: in the lower row every channel has the same mean and the same spread, so the warm
# light of the original is gone. Batch norm takes one mean for all four and leaves their differences as
# they are.
#
# What was taken away can be given back, and it need not be one's own. With $\gamma_c$ and $\beta_c$ set to
# the standard deviations and the means of *another* photograph, instance norm dresses one image in the
# colours of another. With the channels of a deep network in place of three colours this is how fast
# style transfer works (Huang & Belongie 2017, arXiv:1703.06868).

# %% role="experiment" uses="instancenorm_forward" alt="Three rows of three photographs: an astronaut, a cat and a cup, each in its own colours and in those of the two others."
names = list(PHOTOGRAPHS)
dressed = {}
for style_name, style in zip(names, photographs, strict=True):
    gamma, beta = style.std(axis=(1, 2)), style.mean(axis=(1, 2))
    out, _ = instancenorm_forward(photographs, gamma, beta, {})
    dressed[f"colours of\n{style_name}"] = {
        name if name != style_name else f"{name} (its own)": image
        for name, image in zip(names, out, strict=True)
    }
    print(f"with its own statistics {style_name} changes by "
          f"{np.abs(out[names.index(style_name)] - style).max():.4f}")  # fmt: skip
plotting.plot_photographs(dressed)
plotting.show("A photograph in the colours of another")

# %% [markdown] role="question" id="instance-norm-loses" points=5
# **Question 2 (5 points).** (a) Which two numbers of each channel does instance norm remove from an
# image, and which of them can $\gamma$ and $\beta$ bring back? (b) Name a task for which it
# is good that they are gone, and one for which it is fatal; say why. (c) A network ends with a
# feature map of 1 × 1 pixels. What does instance norm make of it? Answer from (IN.1) to (IN.3).

# %% [markdown] role="answer"
# *Model answer.* (a) Its mean and its standard deviation over the pixels (brightness and contrast).
# $\gamma_c, \beta_c$ give every image the same new ones; what was particular to this image is lost.
# (b) Good: style transfer, or recognizing objects in any light, because the answer should not
# depend on brightness and contrast. Fatal: telling day from night, judging exposure or
# the concentration of a dye in a microscope image: there the mean *is* the answer, and two different
# images become the same. (Any example with a reason counts.) (c) With P = 1 the mean is the number
# itself, $x - \mu = 0$, so $\hat x = 0$ and $y = \beta_c$ for every image: nothing gets through.
#
# *Rubric.* (a) 2 points: both numbers (1), $\gamma, \beta$ are the same for all images (1). (b)
# 2 points: a good example with its reason (1), a fatal one with its reason (1). (c) 1 point:
# $\beta_c$ for every image.

# %% [markdown]
# *You can stop here.*
#
# ## 5 Group norm
#
# Layer norm throws all channels of an image into one pot, though one may be an edge detector and another
# a patch of colour. Instance norm trusts a channel alone, with few pixels where the map is small. Group
# norm (Wu & He 2018, arXiv:1803.08494; slide 18) lies between: the C channels form G groups of C/G
# **neighbours**, and each group of each image has a mean over its $M = C/G \cdot H \cdot W$ numbers.
#
# $$\mu_{ng} = \frac1M \sum_k x_{ngk} \quad \text{(GN.1)} \qquad
#   \sigma_{ng}^2 = \frac1M \sum_k (x_{ngk} - \mu_{ng})^2 \quad \text{(GN.2)}$$
#
# $\gamma$ and $\beta$ still have a number for each *channel*, and a group holds several. So in the
# backward pass, is it more like layer norm or more like instance norm?
#
# ### Exercise: `spatial_groupnorm_forward`
#
# $\gamma$ and $\beta$ come as (1, C, 1, 1), as on slide 14: ready to be multiplied.

# %% role="exercise" exercise="normalization.spatial_groupnorm_forward"

# %% [markdown]
# ### Exercise: `spatial_groupnorm_backward`

# %% role="exercise" exercise="normalization.spatial_groupnorm_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * `x.reshape(...)` on a line of its own: the result is thrown away;
# * G taken for an axis, or for the number of channels in a group;
# * statistics for each pixel of a group, because H and W were left out;
# * $\gamma$ of a whole group in place of each channel's; gradients that are not (1, C, 1, 1).
# </details>
#
# The layer in the middle contains both of its neighbours. Verify it on your own functions:

# %% role="experiment" uses="layernorm_forward instancenorm_forward spatial_groupnorm_forward" claim="group-norm-contains-both" of="apart" says="0 to 1e-10" slide="18" alt="Four blocks as in part 1, found with your own functions: the dark group shrinks from all channels to three, two and one."
rng = np.random.default_rng(0)
x = rng.normal(3, 2, (5, 6, 4, 3))
one, zero = np.ones((1, 6, 1, 1)), np.zeros((1, 6, 1, 1))
as_rows, _ = layernorm_forward(x.reshape(5, -1), np.ones(72), np.zeros(72), {})
by_channel, _ = instancenorm_forward(x, np.ones(6), np.zeros(6), {})
for G, name, other in ((1, "layer norm over C, H, W", as_rows.reshape(x.shape)),
                       (6, "instance norm", by_channel)):  # fmt: skip
    out, _ = spatial_groupnorm_forward(x, one, zero, G, {})
    apart = np.abs(out - other).max()
    print(f"group norm with G = {G} and {name}: differ by at most {apart:.1e}")

ours = {
    "layer norm": lambda x: spatial_groupnorm_forward(x, one, zero, 1, {})[0],
    "group norm, G = 2": lambda x: spatial_groupnorm_forward(x, one, zero, 2, {})[0],
    "group norm, G = 3": lambda x: spatial_groupnorm_forward(x, one, zero, 3, {})[0],
    "instance norm": lambda x: instancenorm_forward(x, np.ones(6), np.zeros(6), {})[0],
}
plotting.plot_normalization_axes(ours)
plotting.show("The number of groups leads from layer norm to instance norm")

# %% [markdown]
# The same picture as in part 1, drawn with *your* functions. From left to right the dark group shrinks
# from all channels to one.
#
# *You can stop here.*
#
# ## 6 Kill the bug (beyond the core)
#
# The locked function below is a group norm without $\gamma$ and $\beta$. Its author tried it on images
# with 4 channels and G = 2, compared it with a right one, found no difference, and shipped it.
#
# Find images $x$ of shape (N, C, H, W), with an even C, on which it goes wrong for G = 2 while *your*
# group norm stays right. Write down which channels share a mean, once for each of the two functions.
# Then one more thing has to be so, or even different groups give nearly the same output: what? The
# check wants outputs that differ by 0.5 somewhere, from at most 10,000 numbers within ±1,000,000.
#
# ### Exercise: `separating_groups`

# %% role="exercise" exercise="normalization.separating_groups"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# * C = 4: then G groups, or groups of G channels, are the same thing;
# * all channels look alike: then it does not matter who shares a mean with whom;
# * whole numbers in place of floats; a missing axis; an odd C.
# </details>

# %% role="experiment" uses="spatial_groupnorm_forward separating_groups"
x = separating_groups()
one = np.ones((1, x.shape[1], 1, 1), x.dtype)
own, _ = spatial_groupnorm_forward(x, one, 0 * one, 2, {})
print(f"{x.shape[1]} channels; mean of each channel of the first image after\n"
      f"  your group norm    {own[0].mean(axis=(1, 2)).round(2)}\n"
      f"  the swapped one    {groupnorm_swapped(x, 2)[0].mean(axis=(1, 2)).round(2)}")  # fmt: skip

# %% [markdown]
# A test on a square case (as many groups as channels in a group, as many rows as columns, as many
# examples as features) cannot see that two of its numbers are swapped. The checks in this course
# avoid them, and so should your own.
#
# *You can stop here.*
#
# ## 7 Batches of 2 to 32
#
# ### Rows
#
# Five hidden layers, 400 steps of gradient descent with batches of 2 to 32 digits: layer norm, batch
# norm and no normalization. Equal steps, so small batches also see fewer examples and have noisier
# gradients; that hits all three, and the line "none" shows how much.
#
# **Predict, then run.** In lesson 02 batches of 2 did great harm to batch norm. What
# accuracy does *layer norm* reach with batches of 2?

# %% role="predict"
my_accuracy_of_layer_norm = None  # your prediction: a fraction

# %% role="setup" hide=true
BATCH_SIZES = (2, 4, 8, 32)


def deep_net(seed, pair):
    """Return (affine, [normalization], ReLU) × 5 and an affine layer to the class scores."""
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out in pairwise([data.x_train[0].size] + [WIDTH] * 5):
        layers.append(Affine(n_in, n_out, rng))
        if pair is not None:
            layers.append(Normalization(*pair, n_out))
        layers.append(ReLU())
    return Network([*layers, Affine(WIDTH, len(data.classes), rng)])


def accuracies(make, dataset, names, sizes, seeds, **options):
    """Return {name: (seeds, sizes)} of validation accuracies of the nets make(seed, name)."""
    results = {name: np.zeros((len(seeds), len(sizes))) for name in names}
    jobs = [(n, i, j) for n in names for i in range(len(seeds)) for j in range(len(sizes))]
    for name, i, j in tqdm(jobs, "training", delay=2, leave=False):
        rng = np.random.default_rng(seeds[i])
        net = make(seeds[i], name)
        run = fit(net, dataset, batch_size=sizes[j], rng=rng, progress=False, **options)
        results[name][i, j] = run.val_accuracy[-1]
    return results


# %% role="experiment" uses="layernorm_forward layernorm_backward" claim="layer-norm-learns-from-two" of="rows[2]" says="above" slide="15" alt="Validation accuracy against the batch size: at 2 batch norm is near guessing, layer norm and none far above; from 8 on the three are alike."
by_size = accuracies(
    lambda seed, name: deep_net(seed, ways[name]), data, ways, BATCH_SIZES, range(4), steps=400,
    learning_rate=0.045,
)  # fmt: skip
predicted(my_accuracy_of_layer_norm, by_size["layer norm"][:, 0].mean())
plotting.plot_batch_sizes(BATCH_SIZES, by_size)
plotting.show("Two examples are too few for batch norm, not for layer norm")
rows = {
    size: paired(*(by_size[name][:, column] for name in ("layer norm", "batch norm")),
                 ("layer norm", "batch norm"))
    for column, size in enumerate(BATCH_SIZES)
}  # fmt: skip
for size, difference in rows.items():
    print(f"batch size {size}:", difference)

# %% role="experiment" uses="layernorm_forward layernorm_backward" claim="layer-norm-does-no-harm" of="no_harm.mean" says="-0.15 to 0.3" slide="15"
no_harm = paired(by_size["layer norm"][:, 0], by_size["none"][:, 0], ("layer norm", "none"))
print("batch size 2:", no_harm)

# %% [markdown]
# With batches of 2 batch norm stays near guessing, and layer norm is far above it. From 8 on no
# difference can be seen. But look at the line "none", too: layer norm does not make small batches *good*. It
# is as good as no normalization there, and both suffer from noisy gradients and from 16 times fewer
# examples than at 32. It does no harm, and that is its merit.
#
# ### Images
#
# And all four in a small ConvNet. Mind what batch norm has here: its mean runs over N, H and W, so
# even two images give it dozens of numbers.

# %% role="experiment"
images = data.images()

# %% role="setup" hide=true
IMAGE_SIZES = (2, 4, 16)


def conv_net(seed, make):
    """Return a ConvNet with three layers of filters; `make` gives a normalization for a width."""
    rng = np.random.default_rng(seed)
    layers, channels = [], images.image_shape[0]
    for width, stride in ((8, 2), (16, 1), (16, 1)):
        layers.append(Conv(channels, width, 3, rng, stride=stride))
        if make is not None:
            layers.append(make(width))
        layers.append(ReLU())
        channels = width
    pixels = (images.image_shape[1] // 2) * (images.image_shape[2] // 2)
    return Network([*layers, Flatten(), Affine(channels * pixels, len(data.classes), rng)])


# %% role="experiment" uses="instancenorm_forward instancenorm_backward spatial_groupnorm_forward spatial_groupnorm_backward" claim="no-breakdown-on-images" of="breakdown" says="-0.3 to 0.1" slide="18" alt="Validation accuracy against the batch size for four normalizations of images: all rise together, batch norm at 2 about as good as the others."
def group_norm(G):
    def forward(x, gamma, beta, gn_param):
        return spatial_groupnorm_forward(x, gamma, beta, G, gn_param)

    return lambda width: Normalization(forward, spatial_groupnorm_backward, (1, width, 1, 1))


layers = {
    "batch norm": lambda width: Normalization(per_feature_forward, per_feature_backward, width),
    "layer norm (G = 1)": group_norm(1),
    "group norm (G = 4)": group_norm(4),
    "instance norm": lambda width: Normalization(
        instancenorm_forward, instancenorm_backward, width
    ),
}
on_images = accuracies(
    lambda seed, name: conv_net(seed, layers[name]), images, layers, IMAGE_SIZES, range(3),
    steps=100, learning_rate=0.05,
)  # fmt: skip
plotting.plot_batch_sizes(IMAGE_SIZES, on_images)
plotting.show("Two images hold enough pixels for batch norm")
others = np.median([on_images[name][:, 0] for name in list(layers)[1:]])
breakdown = others - np.median(on_images["batch norm"][:, 0])
for name in list(layers)[1:]:
    for column, size in ((0, 2), (-1, 16)):
        pair = on_images[name][:, column], on_images["batch norm"][:, column]
        print(f"batch size {size}:", paired(*pair, (name, "batch norm")))

# %% [markdown]
# Now batch norm tolerates batches of 2 about as well as the others; the intervals say how far that
# is known. Two images of 4 × 4 pixels are 32 numbers for each mean, not two. So the breakdown of
# batch norm at small batches, for which group norm was invented, does **not** show with images of
# this size. (On ImageNet it does: with 2 images a GPU, group norm's error is 10.6 points below
# batch norm's, report Wu & He.) What remains is the convenience: no modes, no running statistics.

# %% [markdown] role="question" id="which-norm" points=5
# **Question 3 (5 points).** A detector works on very large images, so that a GPU holds only two of
# them at a time. Its last feature maps have 64 channels of 4 × 4 pixels. (a) Over how many numbers do
# batch norm (2 images), layer norm, instance norm and group norm with G = 8 take a mean there?
# (b) Which of the four would you try first, and what speaks against each of the others? Use your
# answer to (a) and something measured above. (c) The two experiments of part 7 do not agree about batch
# norm in batches of 2. What is the difference between them that explains it?

# %% [markdown] role="answer"
# *Model answer.* (a) 2·16 = 32; 64·16 = 1024; 16; 8·16 = 128. (b) Group norm: 128 numbers from one
# image, and only channels of one group share a mean. Against batch norm: its
# statistics come from two images, which differ between training and testing, and for rows it
# failed at batch size 2 (no pixels to help). Against instance norm: only 16 numbers, and it removes the
# contrast of each channel. Against layer norm: all channels share one mean, though they mean
# different things. (Another choice with reasons from (a) is right too: in the images above the
# four differ little.) (c) Rows give batch norm N = 2 numbers for a mean, after which only the sign of a difference
# is left; images give it N·H·W numbers (32 in the ConvNet above), which is enough for statistics to work.
#
# *Rubric.* (a) 2 points: batch norm (0.5), layer norm (0.5), instance norm (0.5), group norm
# (0.5). (b) 2 points: a choice with a reason from (a) (1), reasons against the others with
# something measured (1). (c) 1 point: N against N·H·W numbers.

# %% [markdown]
# *You can stop here.*
#
# ## 8 Decorrelated batch norm
#
# The last of the variants (Huang et al. 2018, arXiv:1804.08450; slide 19) goes in the opposite direction: back to the
# batch, and more of it. Batch norm gives each feature variance 1 and leaves their *correlations* as
# they are. Decorrelated batch norm removes those as well: it multiplies the centred batch by a
# matrix $S$ such that the covariance of the result is the identity. That is called **whitening**.
#
# Why should one want that? A layer $x W$ learns by gradient descent, and the steps that it tolerates are
# ruled by the covariance of $x$: its largest eigenvalue limits the learning rate, its smallest decides how long
# the slowest direction takes. Their quotient is the *condition number* (slide 21 will come back to it);
# for white inputs it is 1.
#
# Which $S$? From the eigendecomposition of the covariance,
#
# $$\Sigma = \frac1N X_\mu^\top X_\mu = U \,\mathrm{diag}(\lambda)\, U^\top \quad \text{(DBN.2, DBN.3)}
#   \qquad r_i = \sqrt{\lambda_i + \varepsilon} ,$$
#
# two candidates offer themselves:
#
# * **PCA**: $S = U \,\mathrm{diag}(1/r)$. The new features are the principal components.
# * **ZCA**: $S = U \,\mathrm{diag}(1/r)\, U^\top = (\Sigma + \varepsilon I)^{-1/2}$ (DBN.4). Turn to the
#   principal axes, stretch, and *turn back*.
#
# Both whiten. As layers in a network they could not be more different:


# %% role="setup"
def whitening(batch, kind, eps=1e-5):
    """Return the mean of a batch (N, 2) and its whitening matrix, as eigh gives it."""
    mu = batch.mean(axis=0)
    lam, U = np.linalg.eigh((batch - mu).T @ (batch - mu) / len(batch))
    S = U / np.sqrt(lam + eps)
    return mu, S if kind == "PCA" else S @ U.T


# %% role="experiment" alt="The same 200 numbered points five times: as they are, whitened by PCA with the statistics of two batches, where the cloud turns, and by ZCA with both, where it stays."
rng = np.random.default_rng(0)
mixing = rng.normal(0, 0.2, (data.x_train.shape[1], 6))
hidden = data.x_train.astype(float) @ mixing  # (N, 6) what a layer of 6 units sees
panels = {"two features": hidden[:200, :2]}
for kind in ("PCA", "ZCA"):
    for number, start in enumerate((0, 64), start=1):
        mu, S = whitening(hidden[start : start + 64, :2], kind)
        panels[f"{kind}, batch {number}"] = (hidden[:200, :2] - mu) @ S
plotting.plot_whitening(panels)
plotting.show("PCA turns the cloud with every batch, ZCA leaves it")

# %% [markdown]
# The same 200 examples five times, whitened with the statistics of one batch or of the next (64
# examples each). Follow the numbered ones. Under ZCA they stay where they are, and near where they
# were before the whitening. Under PCA they do not: compare where 1 and 2 lie in its two panels.
# From one batch to the next the whole cloud has been turned or mirrored.
#
# **Predict, then run.** Draw two batches of 64, whiten the same 200 examples with each, and correlate
# every feature of one result with the *same* feature of the other, for the 6 features above. What is the
# average correlation for PCA? (For ZCA it is about 0.98.)

# %% role="predict"
my_correlation = None  # your prediction: a number between -1 and 1


# %% role="experiment" claim="zca-keeps-its-features" of="agree[64][1] - abs(agree[64][0])" says="0.6 to 1" slide="19"
def agreement(kind, batch_size, draws=200):
    """Return the mean correlation of a feature with itself under the statistics of two batches."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        outs = []
        for _ in range(2):
            mu, S = whitening(hidden[rng.integers(0, len(hidden), batch_size)], kind)
            outs.append((hidden[:200] - mu) @ S)
        found += [np.corrcoef(a, b)[0, 1] for a, b in zip(*(out.T for out in outs), strict=True)]
    return np.mean(found)


predicted(my_correlation, agreement("PCA", 64))
agree = {size: (agreement("PCA", size), agreement("ZCA", size)) for size in (16, 64, 256)}
for size, (pca, zca) in agree.items():
    print(f"batches of {size}: PCA {pca:.2f}, ZCA {zca:.2f}")

# %% [markdown]
# An eigenvector has no sign, and the order of the eigenvectors depends on which eigenvalue happens
# to be larger. So what PCA calls "feature 1" is something else in the next batch. The weights of
# the next layer, which learn what feature 1 means, learn nothing. ZCA turns back, and with that all
# of this cancels: $S$ is a symmetric matrix that does not depend on signs or order. Of all white
# versions of a batch, it is the one nearest to the batch itself.
#
# At test time, the layer uses running averages: of the mean, and of the matrices $S$,
#
# $$r_S \leftarrow \rho\, r_S + (1 - \rho)\, S \quad \text{(DBN.8)}.$$
#
# (One may also average $\Sigma$ and take the inverse root at the end. The check accepts both.) Averaging
# matrices makes sense for ZCA; the average of PCA's is meaningless. Why?
#
# A covariance of D features has $D (D+1)/2$ numbers, and the N examples of a batch must pay for all of
# them. If that is too much, one whitens **groups** of K neighbouring features, each by itself. K = 1 is
# batch norm.
#
# ### Exercise: `decorrelated_batchnorm_forward`
#
# The two locked helpers bring the columns of $x$ into groups, (G, N, K), and back. `@`,
# `np.linalg.eigh` and `.mT` (the transpose of the last two axes) work on all groups at once.

# %% role="exercise" exercise="normalization.decorrelated_batchnorm_forward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * a covariance that is not centred, or divided by D, or by N − 1;
# * eigenvalues without their root; the root of every entry in place of the root of the matrix;
# * PCA in place of ZCA; rows of U taken for eigenvectors;
# * no $\varepsilon$: with fewer examples than features some eigenvalues are 0;
# * `group_size` taken for the number of groups; groups made by a reshape alone;
# * a test mode that looks at the batch, or does not know both running statistics;
# * $\mathrm E[x x^\top] - \mu \mu^\top$: the one-pass variance of lesson 02, again.
# </details>
#
# *You can stop here.*
#
# ### The next layer's problem
#
# Take the hidden features of a trained network and let a linear layer learn the classes from them by
# gradient descent on the squared error. The problem's condition number is that of the covariance.
# Every method gets the learning rate $1/\lambda_\text{max}$, half of what its steepest direction
# tolerates; the best would be $2/(\lambda_\text{max} + \lambda_\text{min})$, hardly more.


# %% role="experiment" uses="decorrelated_batchnorm_forward" claim="whitening-makes-the-condition-one" of="np.log10(conditions['K = 1: batch norm'] / conditions['K = 32: all'])" says="2 to 6" slide="19" alt="Squared error above the best over 200 steps, logarithmic: centred features and batch norm fall slowly, groups of 4 and 16 faster, all features whitened together are there after one step." hide=true
def narrow_net(seed, pair=None, **param):
    """Return (affine, [normalization], ReLU) × 2, 32 wide, and an affine layer to the scores."""
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out in pairwise([data.x_train[0].size, 32, 32]):
        layers.append(Affine(n_in, n_out, rng))
        if pair is not None:
            layers.append(Normalization(*pair, n_out, **param))
        layers.append(ReLU())
    return Network([*layers, Affine(32, len(data.classes), rng)])


net = narrow_net(0)
fit(net, data, steps=300, batch_size=64, learning_rate=0.1, rng=np.random.default_rng(0))
hidden = net.activations(data.x_train)["affine1"].astype(float)  # (N, 32)
targets = np.eye(10)[data.y_train] - 0.1
one, zero = np.ones(32), np.zeros(32)
inputs = {"centred only": hidden - hidden.mean(axis=0)}
for K, name in ((1, "K = 1: batch norm"), (4, "K = 4"), (16, "K = 16"), (32, "K = 32: all")):
    param = {"mode": "train", "group_size": K}
    inputs[name], _ = decorrelated_batchnorm_forward(hidden, one, zero, param)

gaps, conditions = {}, {}
for name, x in inputs.items():
    lam = np.linalg.eigvalsh(x.T @ x / len(x))
    best = x @ np.linalg.lstsq(x, targets)[0]
    w, gaps[name] = np.zeros((32, 10)), []
    for _ in range(200):
        error = x @ w - targets
        gaps[name].append(max((error**2).mean() - ((best - targets) ** 2).mean(), 1e-9))
        w -= x.T @ error / len(x) / lam[-1]
    conditions[name] = lam[-1] / lam[0]
    print(f"{name:>18}: condition number {conditions[name]:7.3g}, "
          f"gap to the best after 10 steps {gaps[name][10]:.1e}")  # fmt: skip
plotting.plot_lines(
    np.arange(200), gaps, "step of gradient descent", "squared error above the best"
)
plotting.show("The larger the whitened groups, the easier the next layer's problem")

# %% [markdown]
# Batch norm helps little: the condition number stays above a thousand, because correlations are what
# makes it. The larger the groups, the smaller it gets, and with all features whitened together it is 1:
# gradient descent arrives in **one** step. (The curve ends on a floor that the cell draws at
# $10^{-9}$.) This is what whitening promises, and it holds.

# %% [markdown] role="question" id="why-zca" points=5
# **Question 4 (5 points).** (a) Both PCA and ZCA give a white batch. Why can the layer after a PCA
# whitening not learn? Say what changes from batch to batch, and support it with a number from above.
# (b) Show that $S$ of ZCA does not change when an eigenvector changes its sign, or when two of them
# change places. (c) With 64 features and batches of 64, what is wrong with whitening all features
# together, even by ZCA? Which setting of the layer is there for that?

# %% [markdown] role="answer"
# *Model answer.* (a) Feature $j$ of a PCA whitening is the coordinate along the $j$-th eigenvector of
# *this batch*. Its sign is arbitrary and the order changes when two eigenvalues come close, so
# the next layer's weights meet another feature under the same number: between two batches of 64
# the correlation of a feature with itself is only about 0.06 (ZCA: about 0.98). (b) $S = \sum_i u_i u_i^\top
# / r_i$: in $u_i u_i^\top$ a sign occurs twice and cancels; changing places only reorders the terms of
# the sum. (c) The covariance has 64·65/2 = 2080 numbers, estimated from 64 centred examples: it has rank
# at most 63, so at least one eigenvalue is 0, and the small ones are mostly noise,
# which the division by their root blows up. Then training outputs and running statistics (test
# time) have little to do with each other. A smaller `group_size` (or a larger batch, or a larger
# $\varepsilon$) is there for that.
#
# *Rubric.* (a) 2 points: identity of the features changes (1), a number (1). (b) 1.5 points: the sum
# or an equivalent argument. (c) 1.5 points: too few examples for the covariance (1), `group_size`
# (0.5).

# %% [markdown]
# *You can stop here.*
#
# ## 9 Challenge: backward through the eigenvectors
#
# *(Bonus.)* The backward pass goes through `eigh`. If you differentiate eigenvectors you meet
# $1/(\lambda_i - \lambda_j)$: infinite where two eigenvalues are equal, though nothing special happens
# to the *output* there. The remedy: do not differentiate $U$ and $\lambda$, but the function
# $\Sigma \mapsto S = (\Sigma + \varepsilon I)^{-1/2}$. In the axes of the eigenvectors its derivative is a
# multiplication, entry by entry, with the quotients
#
# $$k_{ij} = \frac{r_i^{-1} - r_j^{-1}}{r_i^2 - r_j^2}
#   = \frac{-1}{r_i\, r_j\, (r_i + r_j)} ,$$
#
# and after the difference has cancelled nothing can go wrong any more. So, with $dS = X_\mu^\top d\hat X$:
#
# $$d\Sigma = U \Bigl(k \circ U^\top \tfrac12 (dS + dS^\top)\, U\Bigr) U^\top \quad \text{(DBN.13)}
#   \qquad dX_\mu = d\hat X\, S + \tfrac2N X_\mu\, d\Sigma \quad \text{(DBN.14)}$$
#
# and the mean last. The locked helper computes $k$ from $r$, in groups.
#
# ### Exercise: `decorrelated_batchnorm_backward`

# %% role="exercise" exercise="normalization.decorrelated_batchnorm_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the whitening matrix, or the mean, treated as a constant;
# * the symmetric part forgotten, or its half; a lost 2 or 1/N;
# * a matrix product where the formula has a circle; the kernel used in the axes of $x$;
# * U and its transpose exchanged; $\gamma$ forgotten.
# </details>

# %% role="experiment" uses="decorrelated_batchnorm_forward decorrelated_batchnorm_backward"
rng = np.random.default_rng(0)
points = {"x": rng.normal(size=(9, 6)), "gamma": rng.uniform(0.5, 2, 6), "beta": np.zeros(6)}
param = {"mode": "train", "group_size": 3, "eps": 0.01}
print(
    check_gradients(decorrelated_batchnorm_forward, decorrelated_batchnorm_backward, points, param)
)


# %% [markdown]
# Does it train? Batches of 128, groups of 1, 4, 16 and all 32. Everything else is equal,
# $\varepsilon = 10^{-3}$.


# %% role="experiment" uses="decorrelated_batchnorm_forward decorrelated_batchnorm_backward" claim="whitening-does-not-train-faster-here" of="max(difference.mean for difference in faster.values())" says="-0.2 to 0.02" slide="19" alt="Training loss and validation accuracy over 150 steps for groups of 1, 4, 16 and 32: the larger the groups, the more slowly the loss falls."
own = decorrelated_batchnorm_forward, decorrelated_batchnorm_backward
settings = {
    "K = 1: batch norm": (own, {"group_size": 1}),
    "K = 4": (own, {"group_size": 4}),
    "K = 16": (own, {"group_size": 16}),
    "K = 32: all": (own, {"group_size": 32}),
}
histories = {name: [] for name in settings}
for seed in tqdm(range(4), "training", delay=2, leave=False):
    for name, (pair, param) in settings.items():
        history = fit(
            narrow_net(seed, pair, eps=1e-3, **param), data, steps=150, batch_size=128,
            learning_rate=0.1, rng=np.random.default_rng(seed), evaluate_every=30, progress=False,
        )  # fmt: skip
        histories[name].append(history)
plotting.plot_curves(histories)
plotting.show("Larger groups do not train faster here")
final = {name: [run.val_accuracy[-1] for run in runs] for name, runs in histories.items()}
faster = {
    name: paired(final[name], final["K = 1: batch norm"], (name, "batch norm"))
    for name in list(settings)[1:]
}
print(*faster.values(), sep="\n")

# %% [markdown]
# With ZCA the network trains. (With PCA it does not: part 10 has the experiment.) But it does not train
# *faster* than with batch norm: K = 4 makes no difference, and the larger
# the groups, the more slowly the loss falls and the lower the accuracy in test mode. The
# better condition number from above does not show. Here are two reasons that you can test: with 128 examples
# the small eigenvalues are mostly noise, which is blown up in training and gone in test mode;
# and the learning rate is the same for all. Huang et al. find gains on much larger networks, with
# groups, and with learning rates of their own.
#
# *You can stop here.*
#
# ## 10 The same in PyTorch
#
# From here on the names `layernorm_forward`, … are **defined again**, on tensors. To repeat an experiment
# from above afterwards, run its exercise cells again first.
#
# Translate your functions. `axis` is called `dim`, `keepdims` is `keepdim`; `x.var()` is the unbiased
# variance in PyTorch. The backward passes stay written by hand. `by_group` and `side_by_side` from
# above work on tensors as they are. Create new tensors *from* given ones (`torch.zeros_like(gamma)`,
# `x.new_zeros(...)`), then device and dtype follow by themselves.

# %% role="setup"
import torch

from cs231n_lib.train import fit_torch

torch.set_num_threads(1)
device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"PyTorch {torch.__version__} on {device}")

# %% [markdown]
# ### Exercise: `layernorm_forward` in PyTorch

# %% role="exercise" exercise="normalization.torch.layernorm_forward"

# %% [markdown]
# ### Exercise: `layernorm_backward` in PyTorch

# %% role="exercise" exercise="normalization.torch.layernorm_backward"

# %% [markdown]
# ### Exercise: `instancenorm_forward` in PyTorch (bonus)

# %% role="exercise" exercise="normalization.torch.instancenorm_forward"

# %% [markdown]
# ### Exercise: `instancenorm_backward` in PyTorch (bonus)

# %% role="exercise" exercise="normalization.torch.instancenorm_backward"

# %% [markdown]
# ### Exercise: `spatial_groupnorm_forward` in PyTorch

# %% role="exercise" exercise="normalization.torch.spatial_groupnorm_forward"

# %% [markdown]
# ### Exercise: `spatial_groupnorm_backward` in PyTorch

# %% role="exercise" exercise="normalization.torch.spatial_groupnorm_backward"

# %% [markdown]
# ### Exercise: `GroupNorm`, a layer of a network
#
# In a network gamma and beta belong to the layer, as `torch.nn.Parameter`, so that the optimizer
# finds them. Batch norm's layer also has to know its mode and to keep running statistics. What of
# that does group norm need? Autograd finds the backward pass.

# %% role="exercise" exercise="normalization.torch.GroupNorm"

# %% [markdown]
# ### Exercise: `decorrelated_batchnorm_forward` in PyTorch (bonus)

# %% role="exercise" exercise="normalization.torch.decorrelated_batchnorm_forward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * all those from above, and besides:
# * `x.var()` and `x.std()`, unbiased unless told otherwise;
# * `torch.cov`, which wants features in rows and divides by N − 1;
# * tensors made on the CPU or in float32 by hand, so that device or dtype change on the way.
# </details>
#
# *You can stop here.*
#
# ### Against the built-in, in a network
#
# Your own layer takes the place of PyTorch's, with the same initial weights.


# %% role="setup" hide=true
def torch_conv_net(seed, normalization):
    """Return a ConvNet with three layers of filters; `normalization` makes a layer for a width."""
    torch.manual_seed(seed)
    layers, channels = [], images.image_shape[0]
    for width in (8, 16, 16):
        layers.append(torch.nn.Conv2d(channels, width, 3, padding=1))
        layers += [normalization(width), torch.nn.ReLU()]
        channels = width
    head = torch.nn.Linear(channels * 16, len(data.classes))
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveMaxPool2d(4), torch.nn.Flatten(), head)


# %% role="experiment" uses="spatial_groupnorm_forward GroupNorm" claim="your-group-norm-is-the-built-in" of="difference.max()" says="0 to 0.01" slide="18" alt="Training loss and validation accuracy over 60 steps: your group norm and the built-in one lie on each other."
torch_layers = {
    "yours": lambda width: GroupNorm(4, width),
    "built-in": lambda width: torch.nn.GroupNorm(4, width),
}
runs = {}
for name, normalization in torch_layers.items():
    model = torch_conv_net(0, normalization).to(device)
    runs[name] = fit_torch(
        model, images, steps=60, batch_size=32, learning_rate=0.03, rng=np.random.default_rng(0),
        evaluate_every=15, progress=False,
    )  # fmt: skip
plotting.plot_curves(runs)
plotting.show("Your group norm trains as the built-in one does")
difference = np.abs(np.array(runs["yours"].loss) - runs["built-in"].loss)
print(f"loss, yours against built-in: differs by at most {difference.max():.1e} in 60 steps")

# %% [markdown]
# The two losses agree but for rounding. (At a learning rate of 0.1 they part after some steps: where training
# is wild, rounding grows as well.) Nothing about momentum, modes or biased variances had to be
# settled first: without running statistics there are no conventions to differ in.
#
# ### Why ZCA and not PCA
#
# PCA whitens too, with one rotation less, and autograd finds its exact gradient. Does the network of
# part 9 train with it?


# %% role="setup" hide=true
class PCAWhitening(torch.nn.Module):
    """Whitens by PCA, with running averages for test mode; autograd goes through everything."""

    def __init__(self, features, eps=1e-3):
        super().__init__()
        self.eps = eps
        self.register_buffer("mu", torch.zeros(features))
        self.register_buffer("S", torch.eye(features))

    def forward(self, x):
        if not self.training:
            return (x - self.mu) @ self.S
        mu = x.mean(dim=0)
        lam, U = torch.linalg.eigh((x - mu).T @ (x - mu) / len(x))
        S = U / torch.sqrt(lam.clamp(min=0) + self.eps)
        with torch.no_grad():
            self.mu.lerp_(mu, 0.1)
            self.S.lerp_(S, 0.1)
        return (x - mu) @ S


def torch_narrow_net(seed, whitening):
    """Return the network of part 9 as a module; `whitening` makes a layer for a width."""
    torch.manual_seed(seed)
    layers = []
    for n_in, n_out in pairwise([data.x_train[0].size, 32, 32]):
        layers += [torch.nn.Linear(n_in, n_out), whitening(n_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(32, len(data.classes))).to(device)


# %% role="experiment" claim="pca-hardly-learns" of="hardly" says="below" slide="19"
by_axes = {}
for name, whitening in (("PCA", PCAWhitening), ("batch norm", torch.nn.BatchNorm1d)):
    by_axes[name] = [
        fit_torch(
            torch_narrow_net(seed, whitening), data, steps=150, batch_size=128, learning_rate=0.1,
            rng=np.random.default_rng(seed), progress=False,
        ).val_accuracy[-1]
        for seed in range(4)
    ]  # fmt: skip
hardly = paired(by_axes["PCA"], by_axes["batch norm"], ("PCA", "batch norm"))
print(hardly)

# %% [markdown]
# PCA hardly gets away from guessing, although its gradient is exact. It is the axes: an eigenvector may
# point either way, and eigenvectors change places from batch to batch, so the next layer never sees the
# same unit twice. ZCA turns back, and every unit stays where it was.
#
# ### How fast is it?
#
# **Predict, then run.** Forward and backward of layer norm, 512 × 1024 numbers in float32: how many times
# as long as PyTorch's built-in does *your PyTorch version* take on this machine?

# %% role="predict"
my_time_ratio = None  # your prediction: 2 means twice as long

# %% role="experiment" uses="layernorm_forward layernorm_backward" alt="Two bars: the time of forward and backward pass of layer norm, PyTorch's built-in and yours."
x, dout = torch.randn(2, 512, 1024, generator=torch.Generator().manual_seed(0)).to(device)
one, zero = torch.ones(1024, device=device), torch.zeros(1024, device=device)
leaves = [tensor.clone().requires_grad_() for tensor in (x, one, zero)]


def built_in():
    out = torch.nn.functional.layer_norm(leaves[0], (1024,), *leaves[1:])
    torch.autograd.grad(out, leaves, dout)


def yours():
    _, cache = layernorm_forward(x, one, zero, {})
    layernorm_backward(dout, cache)


seconds = {f"PyTorch's built-in, {device}": timed(built_in, 15)}
seconds[f"your PyTorch, {device}"] = timed(yours, 15)
fast, slow = seconds.values()
predicted(my_time_ratio, slow / fast, "times as long")
plotting.plot_timings(seconds)
plotting.show("The same layer in one piece and in many")

# %% role="experiment"
score_predictions()

# %% [markdown]
# ## 11 What to take away
#
# * Normalization layers differ in *which numbers share a mean*. Ask that first, of every new one.
# * Layer, instance and group norm look at one example. They do the same in training and in testing, work
#   for a batch of one and, step by step, for sequences of any length. Group norm with G = 1 and G = C is the other
#   two.
# * Where the numbers that share a mean have different $\gamma$, it stays inside the means of the
#   backward pass; where they share it, it comes out in front.
# * Instance norm removes brightness and contrast of every channel: the style. Good for some tasks, fatal
#   for others.
# * Small batches are fatal for batch norm where a mean has only N numbers. With images it has N·H·W, and
#   at the size of this lesson no harm could be shown.
# * Whitening brings the condition number of the next layer's problem to 1. It has to be ZCA, and the batch
#   must pay for the whole covariance. That it also trains faster could not be shown here.
# * Square test cases hide swapped numbers.
#
# **Sources.** Lecture 7, slides 15–19. Ba, Kiros & Hinton 2016, *Layer Normalization*, arXiv:1607.06450 ·
# Ulyanov, Vedaldi & Lempitsky 2017, *Improved Texture Networks*, arXiv:1701.02096 · Wu & He 2018, *Group
# Normalization*, arXiv:1803.08494 · Huang, Yang, Lang & Deng 2018, *Decorrelated Batch Normalization*,
# arXiv:1804.08450 · Cooijmans et al. 2017, *Recurrent Batch Normalization*, arXiv:1603.09025 · Huang &
# Belongie 2017, *Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization*,
# arXiv:1703.06868.
