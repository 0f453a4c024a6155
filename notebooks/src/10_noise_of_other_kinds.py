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
#     lesson: "10"
#     title: Noise of other kinds
#     minutes_core: 90
#     minutes_all: 145
# ---

# %% [markdown]
# # Noise of other kinds
#
# **Lesson 10 · CS231n 2018, lecture 7, slides 83–84 and 93–96 · core 90 minutes, all of it 145**
#
# Dropout takes units away while a network trains, and puts them all back for the test. Slide 83
# sees a pattern in that: *add noise in training, average it out at test time*. This lesson has
# three more of its kind. DropConnect takes away weights, fractional max pooling moves the regions
# of a pooling layer, stochastic depth leaves out whole blocks. You will write each of them, train
# with two of them, and see in the end what they share, in one picture.
#
# | part | you write | minutes |
# |---|---|---|
# | 1 noise in, average out | nothing | 5 |
# | 2 weights that come and go | `dropconnect_forward`, `dropconnect_backward`, a prediction | 20 |
# | 3 which average? | `dropconnect_moments`, `separating_weights`, `dropconnect_inference`, question 1 | 22 |
# | 4 regions that move | `pooling_boundaries`, a prediction, question 2 | 10 |
# | 5 blocks that come and go | `survival_probabilities`, `stochastic_depth_forward`, `stochastic_depth_backward` | 16 |
# | 6 wire a network, and remove half of it | `stochastic_depth_network`, a prediction, question 3 | 17 |
# | **the core** | | **90** |
# | 7 the Gaussian without a draw | `dropconnect_closed_form` (bonus) | 8 |
# | 8 fractional pooling, the whole layer | `pooling_regions`, `fractional_max_pool_forward`, `fractional_max_pool_backward` (bonus) | 22 |
# | 9 the same in PyTorch | both pairs again; two more (bonus) | 15 |
# | 10 one picture | question 4 | 10 |
# | **all of it** | | **145** |
#
# 80 points come from the checks, which you can run as often as you like; 20 are given by hand for
# the four questions; the bonus comes on top. Words and symbols are the same in all lessons
# (`docs/vocabulary.md`).
#
# Every experiment runs on *your* functions. While one is missing, its experiments say so and the
# notebook goes on.

# %% role="setup"
import itertools
import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
from threadpoolctl import threadpool_limits

from autograder.check import check, needs
from cs231n_lib import plotting
from cs231n_lib.data import load, photograph
from cs231n_lib.layers.batched import fit_many
from cs231n_lib.layers.in_numpy import softmax_loss
from cs231n_lib.layers.network import Affine, Layer, Network, ReLU
from cs231n_lib.train import compare, predicted, score_predictions

threadpool_limits(1)  # networks this small are fastest on one thread

# %% [markdown]
# ## 1 Noise in, average out
#
# Write a layer with noise as $y = f_W(x, z)$: $x$ comes from the layer before, $z$ is random.
# Training draws a $z$ in every step. The test wants one answer, so it takes the mean (slide 83):
#
# $$y = f(x) = E_z [f(x, z)] = \int p(z) \, f(x, z) \, dz$$
#
# You have met two of them. In dropout $z$ is the mask. In *batch normalization* (slide 84) it is
# the company: what becomes of an example depends on the others in its batch, which are drawn at
# random, and at test time fixed statistics take their place. Nobody invented batch norm as noise,
# but noise it is.
#
# Two questions tell such layers apart. *What is drawn, and how often?* And *how is it averaged*:
# exactly, by a formula that is nearly right, or by trying several $z$?
#
# **The data** is that of lesson 09: 500 digits, of which 30 % have a random label, and clean
# validation and test data. Twenty seeds; each has its own examples, labels and initial weights. For
# other images change this one line to `load("fashion-mnist")` or `load("cifar10")`; the text
# describes the digits.

# %% role="experiment"
data = load("digits")
print(data)

# %% role="setup"
BATCH, SEEDS = 25, range(20)


def sample(seed, noise=0.3):
    """Return 500 training examples, a fraction of them with random labels; the rest joins the test set."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.x_train))
    few, rest = order[:500], order[500:1000]
    small = replace(
        data, x_train=data.x_train[few], y_train=data.y_train[few],
        x_test=np.concatenate([data.x_test[:1000], data.x_train[rest]]),
        y_test=np.concatenate([data.y_test[:1000], data.y_train[rest]]),
    )  # fmt: skip
    return small.with_random_labels(noise, rng)


def paired(a, b, names):
    """Compare two results, each with one number for every seed."""
    return compare(lambda i: a[i], lambda i: b[i], range(len(a)), names=names)


def trained(nets, sets, steps, rate=lambda t: 0.3):
    """Train networks, one a seed, each on its own data; return their test accuracies in percent."""
    fit_many(
        nets, sets, steps=steps, batch_size=BATCH, schedule=rate,
        rngs=[np.random.default_rng(seed) for seed in range(len(nets))], progress=False,
    )  # fmt: skip
    return tested(nets, sets)


def tested(nets, sets):
    """Return the test accuracies (seeds,) in percent, in the present mode."""
    pairs = zip(nets, sets, strict=True)
    return np.array([100 * net.accuracy(one.x_test, one.y_test) for net, one in pairs])


# %% role="experiment"
noisy = [sample(seed) for seed in SEEDS]

# %% [markdown]
# ## 2 Weights that come and go
#
# Dropout sets units to zero. DropConnect (slide 94; Wan et al. 2013) sets *weights* to zero: a unit
# may be missing for one output and there for the next. Every example $n$ has a mask of its own, as
# large as the weight matrix:
#
# $$M_{ndm} = 1 \text{ with probability } p, \text{ else } 0 \quad \text{(DC.1)} \qquad
#   u_{nm} = \sum_d x_{nd} \, M_{ndm} W_{dm} + b_m \quad \text{(DC.2)}$$
#
# Nothing is divided by $p$: unlike inverted dropout, DropConnect leaves the scale to test time. The
# bias is never taken away here. (The paper masks it too; a bias like that is a weight on one more
# input that is always 1.)
#
# `rng.random(shape) < p` is True with probability $p$. Sums over one of three axes are what
# `np.einsum` is good at: `np.einsum("nd,ndm->nm", x, A)` is $\sum_d x_{nd} A_{ndm}$.
#
# ### Exercise: `dropconnect_forward`

# %% role="exercise" exercise="regularization.dropconnect_forward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * one mask for the whole batch: nearly right, and it trains worse;
# * a mask of shape (N, D, 1): these are units, so it is dropout; of shape (N, 1, M): outputs;
# * keep and drop swapped; divided by p, as in inverted dropout;
# * the bias left out, or masked, or multiplied by p;
# * random numbers that do not come from `rng`.
# </details>
#
# A weight that was not there for an example passes nothing back, and gets nothing from it. With $g$
# the gradient of the loss with respect to $u$:
#
# $$dx_{nd} = \sum_m g_{nm} \, M_{ndm} W_{dm} \quad \text{(DC.3)} \qquad
#   dW_{dm} = \sum_n x_{nd} \, M_{ndm} \, g_{nm} \quad \text{(DC.4)} \qquad
#   db_m = \sum_n g_{nm} \quad \text{(DC.5)}$$
#
# ### Exercise: `dropconnect_backward`

# %% role="exercise" exercise="regularization.dropconnect_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the mask forgotten in one of the two sums;
# * a new mask on the way back, or the mask of another call;
# * dw divided by N: the loss is a mean already.
# </details>
#
# *You can stop here.*
#
# ### Does it help?
#
# Two hidden layers of 48 ReLUs, 400 steps. The second layer comes in three versions: as it is, with
# DropConnect, and with dropout on its inputs, $p = ½$ in both. (Dropout is DropConnect with the
# identity in the place of $W$: each unit has one weight, to itself. So your functions can do it.)
# At test time both use the mean weights, $p \, W$.
#
# **Predict, then run.** Without noise the test accuracy is 85 %. How many points does DropConnect
# add?

# %% role="predict"
my_gain_of_dropconnect = None  # your prediction: percentage points

# %% role="setup"
WIDTH, KEEP, STEPS = 48, 0.5, 400


class DropConnect(Affine):
    """An affine layer and ReLU with DropConnect, by a pair of functions; `average` at test time."""

    def __init__(self, n_in, n_out, rng, pair, draws, average):
        super().__init__(n_in, n_out, rng)
        self.pair, self.draws, self.average = pair, draws, average

    def forward(self, x):
        w, b = self.params["w"], self.params["b"]
        if not self.training:
            return self.average(x, w, b)
        out, self.cache = self.pair[0](x, w, b, KEEP, self.draws)
        self.positive = out > 0
        return out * self.positive

    def backward(self, dout):
        dx, self.grads["w"], self.grads["b"] = self.pair[1](dout * self.positive, self.cache)
        return dx


class Units(Layer):
    """Dropout of units: DropConnect with the identity for W, and its mean at test time."""

    def __init__(self, n, pair, draws):
        super().__init__()
        self.layer = np.eye(n, dtype=np.float32), np.zeros(n, np.float32)
        self.pair, self.draws = pair, draws

    def forward(self, x):
        if not self.training:
            return np.float32(KEEP) * x
        out, self.cache = self.pair[0](x, *self.layer, KEEP, self.draws)
        return out

    def backward(self, dout):
        return self.pair[1](dout, self.cache)[0]


def mean_network(x, w, b):
    """Average the weights: what dropout would do."""
    return np.maximum(np.float32(KEEP) * (x @ w) + b, 0)


def two_layers(seed, kind, pair=None, average=mean_network):
    """Return a network with a second hidden layer of the given kind."""
    rng, draws = np.random.default_rng(seed), np.random.default_rng(seed + 1000)
    n_in, classes = data.x_train[0].size, len(data.classes)
    second = {
        "none": lambda: [Affine(WIDTH, WIDTH, rng), ReLU()],
        "dropout": lambda: [Units(WIDTH, pair, draws), Affine(WIDTH, WIDTH, rng), ReLU()],
        "DropConnect": lambda: [DropConnect(WIDTH, WIDTH, rng, pair, draws, average)],
    }[kind]()
    return Network([Affine(n_in, WIDTH, rng), ReLU(), *second, Affine(WIDTH, classes, rng)])


# %% role="experiment" uses="dropconnect_forward dropconnect_backward" claim="dropconnect-above-none" of="gain" says="above" slide="94"
pair = dropconnect_forward, dropconnect_backward
nets = {kind: [two_layers(seed, kind, pair) for seed in SEEDS]
        for kind in ("none", "dropout", "DropConnect")}  # fmt: skip
accuracy = {kind: trained(some, noisy, STEPS) for kind, some in nets.items()}
for kind, values in accuracy.items():
    print(
        f"{kind:>12}: {values.mean():.1f} % of the test examples, {values.std():.1f} from seed to seed"
    )
gain = paired(accuracy["DropConnect"], accuracy["none"], ("DropConnect", "none"))
predicted(my_gain_of_dropconnect, gain.mean, "points")
print(gain)

# %% role="experiment" uses="dropconnect_forward dropconnect_backward" claim="dropconnect-against-dropout" of="float(against.mean)" says="-1.5 to 1.5" slide="94"
against = paired(accuracy["DropConnect"], accuracy["dropout"], ("DropConnect", "dropout"))
print(against)

# %% [markdown]
# DropConnect helps, and so does dropout, about as much: there is no clear winner here. The paper
# reports wins over dropout in some settings, with much larger networks. What DropConnect costs is
# plain: dropout draws $D$ random numbers for an example, DropConnect $D \cdot M$.
#
# And the gain belongs to *400 steps at a constant rate*. Let the rate fall to zero along a cosine,
# in the same 400 steps:


# %% role="experiment" uses="dropconnect_forward dropconnect_backward" claim="nothing-is-left-with-a-falling-rate" of="float(falling.mean)" says="-1.5 to 1.5" slide="94"
def cosine(t):
    """Return the rate at step t: from 0.3 to 0."""
    return 0.15 * (1 + math.cos(math.pi * t / STEPS))


pair = dropconnect_forward, dropconnect_backward
at_the_end = {
    kind: trained([two_layers(seed, kind, pair) for seed in SEEDS], noisy, STEPS, cosine)
    for kind in ("none", "DropConnect")
}
falling = paired(at_the_end["DropConnect"], at_the_end["none"], ("DropConnect", "none"))
print(f"none: {at_the_end['none'].mean():.1f} % with a falling rate")
print(falling)

# %% [markdown]
# Nothing is left: with these small last steps the plain network does not come to learn the wrong
# labels by heart, and there is nothing for noise to prevent. (Take 200 steps, or 1,200, and it is
# another number again.) None of these is "the gain of DropConnect": each belongs to one kind of
# training.
#
# *You can stop here.*
#
# ## 3 Which average?
#
# At test time all masks should count. Averaging the *weights* is what we did above. But the average
# of slide 83 is that of the *output*, and after the layer comes a ReLU: the mean of a ReLU is not
# the ReLU of the mean.
#
# The paper's solution: before the ReLU, $u_{nm}$ is a sum of many independent terms, so it is nearly
# Gaussian. Its mean and variance over all masks need no drawing. A product $x_d W_d$ that is there
# with probability $p$ has the mean $p \, x_d W_d$ and the variance $p (1 - p) \, x_d^2 W_d^2$, and for
# independent terms both add up:
#
# $$\mu = p \, x W + b \quad \text{(DC.6)} \qquad
#   \sigma^2 = p (1 - p) \, (x \circ x)(W \circ W) \quad \text{(DC.7)}$$
#
# with $\circ$ for products element by element.
#
# ### Exercise: `dropconnect_moments`

# %% role="exercise" exercise="regularization.dropconnect_moments"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * $p (xW + b)$: the bias is always there; the bias in the variance: it never varies;
# * the square of the sum where the sum of the squares belongs;
# * the root of the variance; $p$ or $p^2$ for $p (1 - p)$.
# </details>
#
# ### Kill the bug
#
# Somebody wrote $\sigma^2 = p (1 - p) (xW)^2$, which looks alike: the locked function below. Supply
# weights for which it sees no noise at all, though there is some. The inputs are all 1, and $p = ½$.

# %% role="exercise" exercise="regularization.separating_weights"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# When is a sum 0, and the sum of its squares not?
# </details>
#
# With the two moments, draw $K$ numbers $z_k$ from $N(0, 1)$ for every output, and average *after*
# the ReLU (algorithm 2 of the paper):
#
# $$y = \frac1K \sum_k \max(0, \mu + \sigma z_k) \quad \text{(DC.8)}$$
#
# ### Exercise: `dropconnect_inference`

# %% role="exercise" exercise="regularization.dropconnect_inference"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * averaged first, the ReLU afterwards: that is the mean network;
# * the variance where its root belongs;
# * one draw for several outputs, or one sample whatever K is.
# </details>
#
# *You can stop here.*
#
# ### How good is the Gaussian?
#
# For few inputs all $2^n$ masks can be enumerated, so the exact mean is known. Here is the error of
# three approximations of it, in units of $\sigma$, for units that lie around the bend of the ReLU.

# %% role="setup"
FAN_INS = (2, 4, 6, 8, 10, 12, 14)


def errors_at(fan_in, seed, moments, inference, units=16):
    """Return the rms errors, in σ, of the mean network, of 100 samples, and of the Gaussian."""
    rng, p = np.random.default_rng(seed), 0.5
    w, x = rng.normal(size=(fan_in, units)), np.ones((1, fan_in))
    b = -p * w.sum(axis=0)
    masks = np.array(list(itertools.product((0.0, 1.0), repeat=fan_in)))
    exact = np.maximum(masks @ w + b, 0).mean(axis=0)  # p = ½: all masks are equally likely
    mean, variance = (a[0] for a in moments(x, w, b, p))
    sigma = np.sqrt(variance)
    grid = np.array([NormalDist().inv_cdf((i + 0.5) / 2000) for i in range(2000)])
    ways = (
        np.maximum(mean, 0),
        inference(x, w, b, p, 100, rng)[0],
        np.maximum(mean + sigma * grid[:, None], 0).mean(axis=0),
    )
    return [float(np.sqrt(np.mean(((way - exact) / sigma) ** 2))) for way in ways]


# %% role="experiment" uses="dropconnect_moments dropconnect_inference" claim="the-gaussian-gets-better" of="shrinks" says="0.05 to 0.6" slide="94" alt="Error in units of sigma against the number of inputs, on a logarithmic scale. The mean network stays near 0.4; a hundred samples stay near 0.06; the Gaussian falls from 0.1 to 0.01."
errors = np.array(
    [
        [errors_at(n, seed, dropconnect_moments, dropconnect_inference) for n in FAN_INS]
        for seed in SEEDS
    ]
)  # (seeds, fan-ins, ways)
ways = ("mean network", "100 samples", "whole Gaussian")
figure = plotting.plot_lines(
    FAN_INS, {way: errors[:, :, k] for k, way in enumerate(ways)}, "inputs of the unit",
    "rms error (σ)",
)  # fmt: skip
figure.axes[0].set_yscale("log")
plotting.show("The Gaussian gets better with every input")
middle = np.median(errors, axis=0)
shrinks = float(middle[-1, 2] / middle[1, 2])
stays = float(middle[-1, 0] / middle[1, 0])
print(
    f"from 4 to 14 inputs: the Gaussian's error × {shrinks:.2f}, the mean network's × {stays:.2f}"
)

# %% role="experiment" uses="dropconnect_moments dropconnect_inference" claim="the-mean-network-does-not" of="stays" says="0.7 to 1.3" slide="94"
print("the mean network's error, by fan-in:", middle[:, 0].round(2))

# %% [markdown]
# The Gaussian is not exact, and it need not be: it gets better with every input. The mean network
# does not; around the bend it is wrong by 0.4 σ however wide the layer. And sampling adds an error of
# its own, which only more samples make smaller. Does the network care?

# %% role="experiment" uses="dropconnect_forward dropconnect_backward dropconnect_moments dropconnect_inference" claim="inference-hardly-matters" of="float(sampled.mean)" says="-1.5 to 1.5" slide="94"
infer, sampling = dropconnect_inference, np.random.default_rng(0)
for net in nets["DropConnect"]:
    net.layers[2].average = lambda x, w, b: infer(x, w, b, KEEP, 30, sampling)
sampled_accuracy = tested(nets["DropConnect"], noisy)
sampled = paired(sampled_accuracy, accuracy["DropConnect"], ("30 samples", "the mean network"))
print(sampled)

# %% [markdown]
# Hardly: the difference is a fraction of a point, on whichever side the interval lies. The samples are the
# better approximation of the average by far, and the next layer, which was trained on noisy inputs,
# forgives the difference. **Not confirmed here: that sampling is worth its price.**

# %% [markdown] role="question" id="two-averages" points=5
# **Question 1 (5 points).** (a) A unit has $\mu = 0$ and $\sigma = 1$. What does the mean network put
# out, and what is the mean of the ReLU? (Use $\int_0^\infty z \, e^{-z^2/2} dz = 1$.) (b) For which
# units are the two nearly equal, in terms of $\mu / \sigma$? (c) Why does the error of the Gaussian
# fall with the number of inputs, and that of the mean network not? (d) Somebody shares one mask among
# all examples of a batch, to save time. What is the expectation at test time then, and what has
# changed in training?

# %% [markdown] role="answer"
# *Model answer.* (a) 0 and $1/\sqrt{2\pi} = 0.4$. (b) Where $|\mu|$ is several σ: then nearly all
# masks are on the same side of the bend, and the ReLU is linear there. (c) The sum of more
# independent terms is closer to a Gaussian (central limit theorem), so what is computed from the
# Gaussian is closer to the truth. The mean network ignores the spread altogether; the spread does
# not go away with more inputs, it is what σ measures. (d) The same: the distribution of one example's
# mask is what it was. In training the examples of a batch now make the same mistakes, so the noise no
# longer averages out over the batch: the gradient is noisier.
#
# *Rubric.* (a) 1 point: 0 and 0.4. (b) 1 point: $|\mu|$ well above σ. (c) 1 point: more terms
# are closer to a Gaussian, the mean network ignores the spread. (d) 2 points: 1 for "the same",
# 1 for the noise of the gradient.

# %% [markdown]
# *You can stop here.*
#
# ## 4 Regions that move
#
# Max pooling with stride 2 throws three of four numbers away, and always on the same grid.
# *Fractional* max pooling (slide 95; Graham 2014) shrinks by a ratio $\alpha = N_{in} / N_{out}$
# *between* 1 and 2, so that regions of one and of two rows must take turns, and in every pass they
# take turns differently. Let the boundaries be $a_0 = 0, a_1, \dots, a_{N_{out}} = N_{in}$. One
# random number $u$ between 0 and 1 chooses them:
#
# $$a_i = \lceil \alpha (i + u) \rceil - \lceil \alpha u \rceil \quad \text{(FMP.1)}$$
#
# Region $i$ holds the rows $a_{i-1}, \dots, a_i - 1$. Columns have a $u$ of their own. These sequences
# are called *pseudo-random*: they are as even as whole numbers allow.
#
# ### Exercise: `pooling_boundaries`

# %% role="exercise" exercise="regularization.pooling_boundaries"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the ratio upside down; the ratio rounded, not the product;
# * $\lceil \alpha u \rceil$ not taken off, so that the first boundary is not 0;
# * $u$ added outside of the product; one boundary too few.
# </details>
#
# A detail of a photograph, 16 × 16 pixels, and its regions for three draws.
#
# **Predict, then run.** All numbers $u$ between 0 and 1 together: how many *different* sequences of
# boundaries do they give, from 16 rows to 11?

# %% role="predict"
my_number_of_sequences = None  # your prediction: a whole number

# %% role="experiment" uses="pooling_boundaries" claim="eleven-sequences" of="len(sequences)" says="10.5 to 11.5" slide="95" alt="Three copies of a small grey photograph with grids of 11 by 11 regions; the lines, one or two pixels apart, lie differently in each."
grey = photograph("camera").astype(float)[100:228, 190:318] / 255
small = grey.reshape(16, 8, 16, 8).mean(axis=(1, 3))
rng = np.random.default_rng(1)
draws = {
    f"draw {k}": (
        pooling_boundaries(16, 11, rng.random()),
        pooling_boundaries(16, 11, rng.random()),
    )
    for k in (1, 2, 3)
}
plotting.plot_pooling_regions(small, draws)
plotting.show("16 rows, 11 regions: every draw cuts the picture elsewhere")
sequences = {tuple(pooling_boundaries(16, 11, u).tolist()) for u in np.arange(0.0005, 1, 0.001)}
predicted(my_number_of_sequences, len(sequences), "sequences")

# %% [markdown]
# At test time there is no formula for the mean: one tries several draws and averages what the network
# says (12 in the paper). Part 8 has the whole layer as a bonus, and an honest measurement.

# %% [markdown] role="question" id="how-many-sequences" points=4
# **Question 2 (4 points).** (a) From 16 to 11: how many of the 11 regions have two rows, and how many
# one? (b) If the order of these is *random*, how many sequences are there? (c) How many pseudo-random
# ones are there (printed above), and why so few: what happens to all boundaries when $u$ grows a
# little? (d) Why must $\alpha$ lie between 1 and 2 here?

# %% [markdown] role="answer"
# *Model answer.* (a) 5 of two and 6 of one: together 16 rows. (b) The number of ways to choose which 5
# of the 11 have two rows, $\binom{11}{5} = 462$. (c) 11. As $u$ grows, a boundary stays where it is
# until $\alpha (i + u)$ passes a whole number; the sequence is determined by the fractional part of
# $\alpha u$ up to steps of 1/11, so there are as many as the denominator of 16/11. (d) Regions of one
# and two rows have a mean length between 1 and 2; at 1 nothing is pooled, at 2 nothing is left to
# chance.
#
# *Rubric.* (a) 1 point: 5 of two and 6 of one. (b) 1 point: 462. (c) 1 point: 11, and a reason.
# (d) 1 point: what would happen at 1 and at 2.

# %% [markdown]
# *You can stop here.*
#
# ## 5 Blocks that come and go
#
# A residual network has blocks $y = x + f(x)$: a branch $f$ in parallel with an identity. Leave the branch out,
# and the block still passes something on. So *stochastic depth* (slide 96; Huang et al. 2016) leaves
# out branches at random: while it trains, the network is now shorter, now longer; at test time it has
# all its blocks. Early blocks are needed by all that follow, so they survive more often:
#
# $$p_l = 1 - \frac{l}{L} (1 - p_L), \qquad l = 1, \dots, L \quad \text{(SD.1)}$$
#
# ### Exercise: `survival_probabilities`

# %% role="exercise" exercise="regularization.survival_probabilities"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * $l$ from 0: the first block is not sure to survive; the *input* is;
# * the schedule backwards; how often a block is left out, where it should be kept.
# </details>
#
# One block. $q$ is drawn once for the whole batch, as in the paper, or once for each example ("row"):
#
# $$q = 1 \text{ with probability } p, \text{ else } 0 \quad \text{(SD.2)} \qquad
#   y = x + q \, f \quad \text{(SD.4)}$$
#
# At test time the branch is always there, and its mean over $q$ is $p f$: so $q = p$ (SD.3). As with
# dropout, the scale may be put into training instead: $q = 1 / p$ or 0 there, and 1 at test time.
# Which of the two is a setting of its own, `scale`.
#
# ### Exercise: `stochastic_depth_forward`

# %% role="exercise" exercise="regularization.stochastic_depth_forward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the identity left out with the branch: $q (x + f)$;
# * N random numbers need the shape (N, 1, ..., 1); (N,) lies along the *last* axis;
# * scaled in training and at test time, or in neither;
# * single numbers of the branch left out: that is dropout.
# </details>
#
# The gradient goes through the identity in any case, and through the branch as the branch came in:
#
# $$dx = g, \qquad df = q \, g \quad \text{(SD.5)}$$
#
# ### Exercise: `stochastic_depth_backward`

# %% role="exercise" exercise="regularization.stochastic_depth_backward"

# %% [markdown]
# *You can stop here.*
#
# ## 6 Wire a network, and remove half of it
#
# Put the two together: blocks in a row, each with its own probability and its own draw, each fed with
# what the blocks before it made; and the right thing at test time. Each block is a function from $x$
# to its *branch*. The check passes in blocks that write down what they are given.
#
# ### Exercise: `stochastic_depth_network`

# %% role="exercise" exercise="regularization.stochastic_depth_network"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * every block is given the network's own input;
# * `training` or `mode` does not arrive; a new generator in every pass;
# * your block function returns the whole output already: do not add x again.
# </details>
#
# Now train. Twenty networks of 24 blocks each, $p_L = ½$, on the noisy digits, with and without
# stochastic depth. Then take blocks *away for good*: 6, 12 or 18 of the 24, chosen at random, with no
# training afterwards. Lesson 09 silenced units in the same way.
#
# **Predict, then run.** With all blocks the plain network has 82 % of the test examples right. What
# is left of it with half of the blocks removed, and what with stochastic depth (86 %)?

# %% role="predict"
my_rest_without, my_rest_with_depth = None, None  # your predictions: percent

# %% role="setup" hide=true
DEPTH, NARROW, REMOVED = 24, 32, (0, 6, 12, 18)


class Deep:
    """Residual networks of 24 blocks, all seeds at once; branches are affine layers of ReLUs.

    x is (S, N, D) for S networks, h (S, N, 32). For your functions a network is a row: mode 'row'
    draws for each network, so that each has the paper's mode 'batch' to itself.
    """

    def __init__(self, p_last, survival, forward, backward):
        self.p = survival(DEPTH, p_last).tolist()
        self.block, self.block_back = forward, backward
        self.draws = np.random.default_rng(1)
        n_in, classes = data.x_train[0].size, len(data.classes)
        rngs = [np.random.default_rng(seed) for seed in SEEDS]

        def weights(n_in, n_out, variance):
            drawn = [rng.normal(0, variance**0.5, (n_in, n_out)) for rng in rngs]
            return np.array(drawn, np.float32)  # (S, n_in, n_out)

        self.first = weights(n_in, NARROW, 2 / n_in)
        self.w = [weights(NARROW, NARROW, 2 / NARROW / DEPTH) for _ in range(DEPTH)]
        self.b = [np.zeros((len(rngs), 1, NARROW), np.float32) for _ in range(DEPTH)]
        self.last = weights(NARROW, classes, 1 / NARROW)

    def forward(self, x, training, kept=None):
        """Return the scores (S, N, C), and what the backward pass needs."""
        h, passed = x @ self.first, []
        for l in range(DEPTH) if kept is None else kept:  # noqa: E741
            rectified = np.maximum(h, 0)
            branch = rectified @ self.w[l] + self.b[l]
            param = {"p": self.p[l], "mode": "row", "training": training}
            passed.append((h, rectified))
            h, cache = self.block(h, branch, param, self.draws)
            passed[-1] += (cache,)
        return np.maximum(h, 0) @ self.last, (h, passed)

    def step(self, x, y, rate):
        """Take one step of gradient descent with every network."""
        scores, (h, passed) = self.forward(x, training=True)
        dscores = np.stack([softmax_loss(s, t)[1] for s, t in zip(scores, y, strict=True)])
        dh = (dscores @ self.last.mT) * (h > 0)
        self.last -= rate * np.maximum(h, 0).mT @ dscores
        for l in reversed(range(DEPTH)):  # noqa: E741
            h, rectified, cache = passed[l]
            dx, dbranch = self.block_back(dh, cache)
            dh = dx + (dbranch @ self.w[l].mT) * (h > 0)
            self.w[l] -= rate * rectified.mT @ dbranch
            self.b[l] -= rate * dbranch.sum(axis=1, keepdims=True)
        self.first -= rate * x.mT @ dh

    def train(self, sets, steps=500, batch=50, rate=0.1):
        """Train every network on its own data."""
        rngs = [np.random.default_rng(seed) for seed in SEEDS]
        for t in range(steps):
            chosen = [rng.permutation(len(one.x_train))[:batch]
                      for rng, one in zip(rngs, sets, strict=True)]  # fmt: skip
            x = np.stack([one.x_train[c] for one, c in zip(sets, chosen, strict=True)])
            y = np.stack([one.y_train[c] for one, c in zip(sets, chosen, strict=True)])
            self.step(x, y, rate * (1 - t / steps))
        return self

    def accuracy(self, sets, removed=0, repeats=4, part="test"):
        """Return the accuracies (S,) in percent, with some random blocks removed."""
        rng, total = np.random.default_rng(5), 0
        x, y = (np.stack([getattr(one, f"{a}_{part}") for one in sets]) for a in "xy")
        for _ in range(repeats if removed else 1):
            kept = sorted(rng.permutation(DEPTH)[removed:].tolist())
            scores, _ = self.forward(x, training=False, kept=kept)
            total = total + 100 * (scores.argmax(axis=-1) == y).mean(axis=1)
        return total / (repeats if removed else 1)


# %% role="experiment" uses="survival_probabilities stochastic_depth_forward stochastic_depth_backward" claim="half-of-the-blocks" of="half" says="above" slide="96" alt="Test accuracy against the number of blocks removed, of 24. Without stochastic depth it falls from 82 to about 64 percent at half of the blocks; with it from 86 to 77."
functions = survival_probabilities, stochastic_depth_forward, stochastic_depth_backward
deep = {
    "none": Deep(1.0, *functions).train(noisy),
    "stochastic depth": Deep(0.5, *functions).train(noisy),
}
left = {
    name: np.array([nets_.accuracy(noisy, r) for r in REMOVED]).T for name, nets_ in deep.items()
}
for name, values in left.items():
    print(
        f"{name:>16}: "
        + ", ".join(
            f"{r} removed {a:.0f} %" for r, a in zip(REMOVED, values.mean(axis=0), strict=True)
        )
    )
predicted(my_rest_without, left["none"][:, 2].mean(), "percent")
predicted(my_rest_with_depth, left["stochastic depth"][:, 2].mean(), "percent")
half = paired(left["stochastic depth"][:, 2], left["none"][:, 2], ("stochastic depth", "none"))
print("12 blocks removed:", half)
figure = plotting.plot_lines(REMOVED, left, "blocks removed, of 24", "test accuracy (%)")
figure.axes[0].set_xticks(REMOVED)
plotting.show("Blocks that can be missed")

# %% role="experiment" uses="survival_probabilities stochastic_depth_forward stochastic_depth_backward" claim="all-of-the-blocks" of="whole" says="above" slide="96"
whole = paired(left["stochastic depth"][:, 0], left["none"][:, 0], ("stochastic depth", "none"))
print("all blocks there:", whole)
unscaled = deep["stochastic depth"]
p, unscaled.p = unscaled.p, [1.0] * DEPTH
print(f"stochastic depth, not scaled at test time: {unscaled.accuracy(noisy).mean():.1f} %")
unscaled.p = p

# %% [markdown]
# This is the picture to remember. The plain network loses a large part of what it can do with half of
# its blocks; the other one hardly notices. Compare lesson 09: dropout made *units* that can be missed,
# stochastic depth makes *blocks* that can be missed. What is absent at random cannot be relied upon.
# The gain with all blocks there is real too, among wrong labels (and a network left unscaled by
# mistake pays for it, without an error message).

# %% [markdown] role="question" id="one-idea" points=5
# **Question 3 (5 points): slides 73 and 96 are one idea.** (a) Say the idea in one sentence that fits
# both dropout and stochastic depth. (b) Why can a *residual* block be left out, and a layer of an
# ordinary network not? (c) The network has 24 blocks. How many different networks are trained, and
# what do they share? (d) Why does the last block survive less often than the first? (e) Which cost
# does stochastic depth save in training that dropout does not, and in which mode only?

# %% [markdown] role="answer"
# *Model answer.* (a) A part that may be missing at any moment cannot be relied upon, so what it does
# must also be done, partly, by others: redundancy. (b) Without the branch the identity is left, and
# the next block gets nearly what it is used to. Without a layer of an ordinary network nothing
# arrives, or something of the wrong shape. (c) $2^{24}$, about 17 million, with shared weights; most
# of them are never drawn. (d) Early blocks extract what all later ones work on, and a missing one
# changes the input of everything behind it. (e) A branch that is left out need not be computed,
# forward or backward: a quarter of the time here. In mode 'batch' only; with a draw for each example
# nearly every branch is needed by somebody.
#
# *Rubric.* (a) 1 point: redundancy, as what may be missing is not relied upon. (b) 1 point: the
# identity is left. (c) 1 point: $2^{24}$, and shared weights. (d) 1 point: later blocks work on
# what early ones put out. (e) 1 point: the computation of a branch, with one draw a batch only.

# %% [markdown]
# *You can stop here; this is the end of the core.*
#
# ## 7 The Gaussian without a draw
#
# For a ReLU the mean of the Gaussian can be written down. With $\Phi$ the distribution function and
# $\varphi$ the density of $N(0, 1)$:
#
# $$E[\max(0, \mu + \sigma z)] = \mu \, \Phi(\mu / \sigma) + \sigma \, \varphi(\mu / \sigma)
#   \quad \text{(DC.9)}$$
#
# Where $\sigma = 0$ nothing varies, and it is $\max(0, \mu)$. $\Phi$ is given: `normal_cdf`.
#
# ### Bonus exercise: `dropconnect_closed_form`

# %% role="exercise" exercise="regularization.dropconnect_closed_form"

# %% role="experiment" uses="dropconnect_moments dropconnect_inference dropconnect_closed_form"
rng = np.random.default_rng(3)
x, w, b = rng.normal(size=(5, 30)), rng.normal(size=(30, 4)), rng.normal(size=4)
exact = dropconnect_closed_form(x, w, b, 0.5)
for K in (10, 100, 1000, 10_000):
    error = dropconnect_inference(x, w, b, 0.5, K, rng) - exact
    print(f"{K:>6} samples: rms distance to the closed form {np.sqrt(np.mean(error**2)):.4f}")

# %% [markdown]
# A hundred times as many samples, a tenth of the error; the formula needs none. (It is right for the
# Gaussian. For the masks it is as good as the Gaussian is, part 3.)
#
# *You can stop here.*
#
# ## 8 Fractional pooling, the whole layer
#
# First the regions of one axis, as a first and a last row each. `kind` chooses between the
# pseudo-random boundaries of part 4 and *random* ones: as many steps of 2 and of 1 as are needed
# (FMP.2), in random order. Overlapping regions have the first row of the next one as well, except at
# the end of the image (FMP.3).
#
# ### Bonus exercise: `pooling_regions`

# %% role="exercise" exercise="regularization.pooling_regions"

# %% [markdown]
# Then the maximum of every region (FMP.4). All images and channels of a batch share the regions; rows
# and columns have their own. And backwards the gradient of an output goes to the place of its maximum
# (FMP.5): where regions overlap, gradients add up, and if several numbers are equally large, the
# first gets it (or they share it).
#
# ### Bonus exercises: `fractional_max_pool_forward`, `fractional_max_pool_backward`

# %% role="exercise" exercise="regularization.fractional_max_pool_forward"

# %% role="exercise" exercise="regularization.fractional_max_pool_backward"

# %% [markdown]
# <details><summary><b>If your checks fail</b>: the usual suspects, by name</summary>
#
# * `last` belongs to the region, and a slice ends before its second number;
# * regions of their own for each channel or image; one draw for rows and columns;
# * `=` for `+=` where regions overlap; the whole gradient to every tied number;
# * the maximum found again by its value, anywhere in the image.
# </details>
#
# *You can stop here.*
#
# Does it help? Digits pooled from 8 × 8 to 5 × 5 before a small network: with regions that never change,
# and with new ones in every batch. At test time one draw, or the mean over 12 (FMP.6).


# %% role="setup" hide=true
def shorter(length):
    """Return the side of an image after the pooling: 8 becomes 5."""
    return round(length / 1.6)


class Pool(Layer):
    """Pooling of images to rows of numbers, in regions that are drawn, or fixed."""

    def __init__(self, pool, seed):
        super().__init__()
        self.pool, self.fixed, self.draws = pool, seed is None, np.random.default_rng(seed)

    def forward(self, x):
        rng = np.random.default_rng(0) if self.fixed else self.draws
        C, H, W = data.image_shape
        param = {"height": shorter(H), "width": shorter(W)}
        out, _ = self.pool(x.reshape(-1, C, H, W), param, rng)
        return out.reshape(len(x), -1)

    def backward(self, dout):
        return np.zeros((len(dout), 1), dout.dtype)  # it is the first layer: nobody asks


def pooling_net(seed, pool, fixed):
    """Return a network with one hidden layer behind the pooling."""
    rng = np.random.default_rng(seed)
    C, H, W = data.image_shape
    n_in = C * shorter(H) * shorter(W)
    hidden = Affine(n_in, WIDTH, rng), ReLU(), Affine(WIDTH, len(data.classes), rng)
    return Network([Pool(pool, None if fixed else seed + 70), *hidden])


def averaged(pass_once, passes):
    """Return the mean of the probabilities over some noisy passes, each (N, C) of scores."""
    total = 0
    for _ in range(passes):
        scores = pass_once()
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        total = total + e / e.sum(axis=1, keepdims=True)
    return total / passes


# %% role="experiment" uses="pooling_regions fractional_max_pool_forward" claim="one-draw-of-regions" of="one_draw" says="below" slide="95"
pool_nets = {
    name: [pooling_net(seed, fractional_max_pool_forward, name == "fixed") for seed in SEEDS]
    for name in ("fixed", "moving")
}
pooled = {name: trained(some, noisy, STEPS) for name, some in pool_nets.items()}
one_draw = paired(pooled["moving"], pooled["fixed"], ("moving regions, one draw", "fixed ones"))
print(one_draw)

# %% role="experiment" uses="pooling_regions fractional_max_pool_forward" claim="twelve-draws-of-regions" of="float(twelve.mean)" says="-1.0 to 4.0" slide="95"
twelve_draws = [
    100 * np.mean(averaged(lambda net=net, one=one: net.scores(one.x_test), 12).argmax(axis=1)
                  == one.y_test)
    for net, one in zip(pool_nets["moving"], noisy, strict=True)
]  # fmt: skip
twelve = paired(np.array(twelve_draws), pooled["fixed"], ("moving regions, 12 draws", "fixed ones"))
print(twelve)

# %% [markdown]
# With one draw at test time moving regions are clearly *worse* than fixed ones: the noise is still
# in. The average over twelve makes up for all of that. Nothing in this lesson shows so plainly that
# noise in training is only half of the method, and the average at test time the other half. **No
# clear gain over fixed regions at this size**, though; the paper's networks are far larger, and the
# method is slow.
#
# *You can stop here.*
#
# ## 9 The same in PyTorch
#
# From here on six of your functions are **defined again**, on tensors. To repeat an experiment from
# above afterwards, run its exercise cells again first. `rng` is a `torch.Generator`:
# `torch.rand(shape, generator=rng, device=x.device)`. Write the backward passes by hand.

# %% role="setup"
import torch

torch.set_num_threads(1)

# %% role="experiment"
device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"PyTorch {torch.__version__} on {device}")

# %% [markdown]
# ### Exercises in PyTorch: DropConnect and stochastic depth

# %% role="exercise" exercise="regularization.torch.dropconnect_forward"

# %% role="exercise" exercise="regularization.torch.dropconnect_backward"

# %% role="exercise" exercise="regularization.torch.stochastic_depth_forward"

# %% role="exercise" exercise="regularization.torch.stochastic_depth_backward"

# %% [markdown]
# ### Bonus exercises: moments and inference in PyTorch

# %% role="exercise" exercise="regularization.torch.dropconnect_moments"

# %% role="exercise" exercise="regularization.torch.dropconnect_inference"

# %% [markdown]
# Autograd knows nothing of your backward passes, and can judge them: with the same generator the same
# mask is drawn, so a numerical derivative of the forward pass exists.


# %% role="setup"
class HandWritten(torch.autograd.Function):
    """A pair of functions as an operation of autograd; `options` follow its two or three arrays."""

    @staticmethod
    def forward(ctx, pair, options, *arrays):
        out, ctx.cache = pair[0](*arrays, *options())
        ctx.backward_pass = pair[1]
        return out

    @staticmethod
    def backward(ctx, dout):
        return None, None, *ctx.backward_pass(dout, ctx.cache)


def judged(pair, options, *shapes):
    """Say whether a pair's gradients are those of its forward pass, by torch's gradcheck."""
    generator = torch.Generator().manual_seed(0)
    arrays = [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
              for shape in shapes]  # fmt: skip
    return torch.autograd.gradcheck(lambda *a: HandWritten.apply(pair, options, *a), arrays)


def same_generator():
    """Return a generator that always begins in the same place."""
    return torch.Generator().manual_seed(1)


# %% role="experiment" uses="dropconnect_forward dropconnect_backward"
pair = dropconnect_forward, dropconnect_backward
print("DropConnect:", judged(pair, lambda: (0.6, same_generator()), (3, 4), (4, 2), (2,)))

# %% role="experiment" uses="stochastic_depth_forward stochastic_depth_backward"
pair = stochastic_depth_forward, stochastic_depth_backward
param = {"p": 0.6, "mode": "row", "scale": "train"}
print("stochastic depth:", judged(pair, lambda: (dict(param), same_generator()), (5, 3), (5, 3)))

# %% [markdown]
# *You can stop here.*
#
# ## 10 One picture
#
# Five kinds of noise, five kinds of networks: yours with DropConnect, moving regions and stochastic
# depth, and two from PyTorch's own parts, with dropout and with batch normalization. Leave the noise
# *on* at test time, average the probabilities of more and more passes, and compare with the network's
# own test-time pass, which is one pass.

# %% role="setup" hide=true
from cs231n_lib.train import fit_torch

COUNTS = (1, 2, 4, 8, 16)


def torch_net(seed, *noise):
    """Return a network of two hidden layers, each followed by what `noise` makes."""
    torch.manual_seed(seed)
    n_in, layers = data.x_train[0].size, []
    for _ in range(2):
        layers += [torch.nn.Linear(n_in, WIDTH), torch.nn.ReLU(), *(make() for make in noise)]
        n_in = WIDTH
    model = torch.nn.Sequential(*layers, torch.nn.Linear(n_in, len(data.classes))).to(device)
    fit_torch(
        model, noisy[seed], steps=300, batch_size=BATCH, schedule=lambda t: 0.2 * (1 - t / 300),
        rng=np.random.default_rng(seed), progress=False,
    )  # fmt: skip
    return model


def torch_passes(model, one, rng):
    """Return a function that runs a noisy pass over validation data, in batches drawn at random."""
    x = torch.as_tensor(one.x_val, device=device)

    def pass_once():
        scores = np.empty((len(x), len(data.classes)))
        for rows in np.array_split(rng.permutation(len(x)), len(x) // BATCH):
            with torch.no_grad():
                scores[rows] = model(x[rows]).cpu().numpy()
        return scores

    return pass_once


def gap_curve(pass_once, own, y):
    """Return points above the network's own accuracy, by how many noisy passes are averaged."""
    total, row, done = 0, [], 0
    for count in COUNTS:
        total = total + (count - done) * averaged(pass_once, count - done)
        done = count
        row.append(100 * np.mean(total.argmax(axis=1) == y) - own)
    return row


def torch_gaps(*noise):
    """Return the curves (seeds, K) of networks from PyTorch's own parts."""
    rows = []
    for seed in SEEDS:
        one, model = noisy[seed], torch_net(seed, *noise)
        x = torch.as_tensor(one.x_val, device=device)
        with torch.no_grad():
            own = 100 * np.mean(model(x).argmax(dim=1).cpu().numpy() == one.y_val)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.momentum = 0.0  # the running statistics stay what they are
        model.train()
        rows.append(
            gap_curve(torch_passes(model, one, np.random.default_rng(seed)), own, one.y_val)
        )
    return np.array(rows)


def numpy_gaps(some, own=None):
    """Return the curves (seeds, K) of networks of layers, their noise switched on."""
    rows = []
    for s, (net, one) in enumerate(zip(some, noisy, strict=True)):
        level = 100 * net.accuracy(one.x_val, one.y_val) if own is None else own[s]
        net.train()
        rows.append(gap_curve(lambda net=net, one=one: net.scores(one.x_val), level, one.y_val))
        net.eval()
    return np.array(rows)


def deep_gaps(some):
    """Return the curves (seeds, K) of the residual networks, which run all at once."""
    x = np.stack([one.x_val for one in noisy])
    own = some.accuracy(noisy, part="val")
    drawn = np.array([some.forward(x, training=True)[0] for _ in range(max(COUNTS))])
    rows = []
    for s, one in enumerate(noisy):
        passes = iter(drawn[:, s])
        rows.append(gap_curve(lambda passes=passes: next(passes), own[s], one.y_val))
    return np.array(rows)


def twelve_on_validation(nets):
    """Return the accuracies of the mean over twelve draws of the regions."""
    return [
        100 * np.mean(averaged(lambda net=net, one=one: net.scores(one.x_val), 12).argmax(axis=1)
                      == one.y_val)
        for net, one in zip(nets, noisy, strict=True)
    ]  # fmt: skip


# %% role="experiment" uses="dropconnect_forward stochastic_depth_forward" claim="averaging-helps" of="float(smallest_rise)" says="0.2 to 20.0" slide="93" alt="Five panels on one scale, one for each kind of noise. Each curve rises with the number of noisy passes averaged: from far below the line, for dropout and moving regions, or from a little below it, for the others, to about the line."
gaps = {
    "DropConnect": numpy_gaps(nets["DropConnect"]),
    "stochastic depth": deep_gaps(deep["stochastic depth"]),
    "dropout": torch_gaps(lambda: torch.nn.Dropout(0.3)),
    "batch norm": torch_gaps(lambda: torch.nn.BatchNorm1d(WIDTH)),
}
if "pool_nets" in globals():  # part 8 is a bonus
    moving = pool_nets["moving"]
    gaps["moving regions"] = numpy_gaps(moving, twelve_on_validation(moving))
plotting.plot_averaged_passes(COUNTS, gaps)
plotting.show("Averaging over the noise gives back what a single draw costs")
single = {kind: values[:, 0].mean() for kind, values in gaps.items()}
final = {kind: values[:, -1].mean() for kind, values in gaps.items()}
for kind in gaps:
    print(
        f"{kind:>16}: one noisy pass {single[kind]:+.1f} points, {COUNTS[-1]} passes {final[kind]:+.1f}"
    )
smallest_rise = min(final[kind] - single[kind] for kind in gaps)

# %% role="experiment" uses="dropconnect_forward stochastic_depth_forward" claim="sixteen-passes" of="float(widest)" says="0.0 to 5.0" slide="93"
widest = max(abs(gap) for gap in final.values())
print(f"with {COUNTS[-1]} passes all are within {widest:.1f} points of their own test-time pass")

# %% [markdown]
# One pattern, five times: every curve rises. Where the noise is strong (dropout, moving regions) one
# noisy pass is far below what the network can do; where it is weak (batch norm, stochastic depth), a
# little. The average of sixteen is level, or nearly level, with the one pass that the method takes at
# test time: running statistics, scaled units, moments, scaled branches. For moving regions there is no
# such pass: the line is the average over twelve draws.

# %% [markdown] role="question" id="the-pattern" points=6
# **Question 4 (6 points), slides 83, 84 and 93.** (a) Fill in a table for batch norm, dropout,
# DropConnect, fractional max pooling and stochastic depth: what is $z$, how often is it drawn, and
# what happens at test time? (b) For which of these is the test-time pass the *exact* mean over $z$,
# if what follows the layer is linear? For which is it not even then? (c) Data augmentation is on the
# list of slide 93 too. What is its $z$, and what is its average at test time?

# %% [markdown] role="answer"
# *Model answer.* (a) Batch norm: the other examples of the batch; once a batch; running mean and
# variance. Dropout: a mask of units; for each unit of each example; all units, scaled (or scaled in
# training). DropConnect: a mask of weights; for each weight and each example; samples or moments of a
# Gaussian, or the mean weights. Fractional pooling: the boundaries of the regions; one sequence a
# batch for rows and one for columns; mean over several draws. Stochastic depth: which branches are
# there; for each block once a batch (or an example); all branches, scaled. (b) Exact: dropout,
# DropConnect with mean weights, one block of stochastic depth: the output is linear in $z$. Not:
# batch norm (the output is no linear function of the statistics, and the mean of $1/\sigma$ is not
# one over the mean of σ), and fractional pooling, which has no such pass at all. (c) The flip, crop
# or colour change; the average of the scores over a fixed set of crops and flips (slide 89).
#
# *Rubric.* (a) 3 points: batch norm (0.5), dropout (0.5), DropConnect (0.5), fractional pooling
# (0.5), stochastic depth (0.5), all of them complete (0.5). (b) 2 points: 1 for the exact ones,
# 1 for a reason why batch norm is not. (c) 1 point: its draw, and the average over a fixed set.

# %% role="experiment"
score_predictions()

# %% [markdown]
# ## What to take away
#
# * The pattern: noise in training, average at test time. Ask what is drawn, how often, and how it is
#   averaged.
# * DropConnect: a mask of weights for each example; its average belongs behind the nonlinearity. The
#   Gaussian gets better with every input. Here it gains as much as dropout, not more.
# * Fractional pooling: steps of one and two that take turns at random; one draw at test time is not
#   enough.
# * Stochastic depth: the identity stays, the branch comes and goes, and half of the blocks can be
#   removed afterwards.
#
# **Next:** lesson 11 puts the noise into the data.
#
# **Sources.** Lecture 7, slides 83–84, 93–96. Wan, Zeiler, Zhang, LeCun & Fergus 2013,
# *Regularization of neural networks using DropConnect*, ICML. Graham 2014, *Fractional max-pooling*,
# arXiv:1412.6071. Huang, Sun, Liu, Sedra & Weinberger 2016, *Deep networks with stochastic depth*,
# arXiv:1603.09382. Ioffe & Szegedy 2015, arXiv:1502.03167.
