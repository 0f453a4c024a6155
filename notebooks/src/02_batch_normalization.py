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
#     lesson: "02"
#     title: Batch normalization
#     minutes_core: 90
#     minutes_all: 180
# ---

# %% [markdown]
# # Batch normalization
#
# **Lesson 02 · CS231n 2018, lecture 7, slides 10–14 and 84 · core 90 minutes, all of it 180**
#
# A deep network is a long product, and long products explode or vanish. Batch normalization breaks
# the product: after every layer it puts each feature back to mean 0 and standard deviation 1, and
# lets the network choose from there. You will write it, forward and backward, for rows and for
# images, in NumPy and in PyTorch. Then you will measure what it does, where it fails, and which of
# the usual stories about it survive a measurement.
#
# | part | you write | minutes |
# |---|---|---|
# | 1–3 from the question to the forward pass | `batchnorm_forward` | 25 |
# | 4 the backward pass | `batchnorm_backward`, question 1 | 25 |
# | 5 kill the bug | `separating_input` | 10 |
# | 6 does it train better? | two predictions | 15 |
# | 8 test time | `fold_batchnorm`, question 2 | 15 |
# | **the core** | | **90** |
# | 4 the same gradient in one formula | `batchnorm_backward_alt` | 15 |
# | 7 images | `spatial_batchnorm_forward`, `spatial_batchnorm_backward` | 15 |
# | 9 the length of the weights | `effective_learning_rate`, question 3 | 15 |
# | 10 statistics that start at zero | `debias_running` | 5 |
# | 11 noise in training, fixed statistics in testing | question 4 | 15 |
# | 12 the same in PyTorch | the functions of parts 3, 4 and 7 on tensors, a layer | 25 |
# | **all of it** | | **180** |
#
# 80 points come from the checks, which you can run as often as you like; 20 are given by hand for
# the four questions; the bonus comes on top. Words and symbols are the same in all lessons
# (`docs/vocabulary.md`). The signatures are those of the usual CS231n assignments, so code that you
# wrote there can be pasted.
#
# Every experiment runs on *your* functions. While one is missing, its experiments say so and the
# notebook goes on.

# %% role="setup"
import functools
from dataclasses import replace
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from autograder.check import check, needs
from cs231n_lib import plotting
from cs231n_lib.data import load
from cs231n_lib.gradcheck import check_gradients, relative_error
from cs231n_lib.layers.network import Affine, Conv, Network, Normalization, ReLU
from cs231n_lib.train import compare, fit, predicted, score_predictions, timed

threadpool_limits(1)  # arrays this small are fastest on one thread, and the race below is fair

# %% [markdown]
# **The data.** 8 × 8 images of handwritten digits that come with scikit-learn: nothing to download.
# For other images change this one line to `data = load("fashion-mnist")` or `load("cifar10")`.
# Everything below adapts, and takes several times as long; what the text says about results was
# written for the digits.

# %% role="experiment"
data = load("digits")
print(data)

# %% [markdown]
# ## 1 The question
#
# Take a network of affine layers and ReLUs and follow the size of the activations through it. Every
# layer multiplies by a weight matrix, so what comes out of layer $\ell$ is a product of $\ell$
# factors. Slide 5 showed how this ends, in one of two ways: weights a little too small, and the
# activations die out; a little too large, and they blow up. The gradients run through the same
# product in reverse and do the same. The answer there was to start with weights of just the right
# size. But then training moves the weights, and nothing keeps the product near 1.
#
# How sensitive is it? In the network below all biases are 0, and the weights of the five hidden
# layers are drawn from $N(0, \text{scale}^2)$.
#
# **Predict, then run.** You double the scale. By what factor does the standard deviation of the
# activations of hidden layer 5 grow?

# %% role="predict"
my_factor = None  # your prediction: a number

# %% role="setup" hide=true
WIDTH, DEPTH = 64, 5
SCALES = np.logspace(-3, 1, 20)


def deep_net(seed, weight_scale=None, normalization=None):
    """Return (affine, [normalization], ReLU) × DEPTH and an affine layer to the class scores.

    `weight_scale` is that of the hidden layers, Kaiming's unless given; `normalization` is a pair
    of functions, forward and backward.
    """
    rng = np.random.default_rng(seed)
    sizes = [data.x_train[0].size] + [WIDTH] * DEPTH
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers.append(Affine(n_in, n_out, rng, weight_scale))
        if normalization is not None:
            layers.append(Normalization(*normalization, n_out))
        layers.append(ReLU())
    return Network([*layers, Affine(WIDTH, len(data.classes), rng)])


def spread_by_layer(normalization=None):
    """Return {layer: standard deviation of its activations at each of SCALES}, before training."""
    spread = {f"hidden layer {layer}": [] for layer in (1, 3, 5)}
    for scale in SCALES:
        activations = deep_net(0, scale, normalization).activations(data.x_train[:500])
        for layer in (1, 3, 5):
            spread[f"hidden layer {layer}"].append(activations[f"relu{layer}"].std())
    return spread


# %% role="experiment" claim="activations-are-a-product" of="twice / once" says="31.9 to 32.1" slide="5" alt="Standard deviation of the activations against the scale of the initial weights, both logarithmic: a straight line for each layer, the deeper the steeper; layer 5 covers twenty decades."
once, twice = (deep_net(0, s).activations(data.x_train[:500])["relu5"].std() for s in (0.1, 0.2))
predicted(my_factor, twice / once)

plotting.plot_scale_sweep(SCALES, spread_by_layer())
plotting.show("Five layers multiply a small mistake five times")

# %% [markdown]
# While the scale covers four decades, layer 1 covers four and layer 5 covers twenty. Numbers of
# order 1 come out of layer 5 only in a narrow band of scales, which narrows with every further layer.
#
# ## 2 The idea in one picture
#
# If activations should have mean 0 and standard deviation 1, then *make* them so. That sounds too
# blunt to work, for two reasons. Batch normalization (Ioffe & Szegedy 2015, arXiv:1502.03167) answers
# both.
#
# * *Nobody knows the mean and the variance.* They are estimated from the examples of the present
#   batch, and the estimate is a part of the network: gradients flow through it. (Section 2 of the
#   paper describes what happens if they do not: a step raises a bias, the normalization removes it
#   again, the loss stays where it was, and the bias grows without bound.)
# * *Perhaps the next layer wants a different mean and a different spread.* So every feature gets a
#   learned scale $\gamma$ and shift $\beta$. With $\gamma = \sqrt{\sigma^2 + \varepsilon}$ and
#   $\beta = \mu$ the layer undoes itself: nothing that the network could compute before is lost.

# %% role="experiment" alt="The computation graph of batch norm for the batch 1, 2, 6 with its numbers forwards and its gradients backwards: x forks into the mean and the difference, the difference forks into the variance."
plotting.plot_computation_graph()
plotting.show("x takes three paths to y, so three gradients come back")

# %% [markdown]
# One feature, a batch of three examples: $x = (1, 2, 6)$, $\gamma = 2$, $\beta = 1$. Follow the upright
# numbers from left to right, and you have done the forward pass once by hand. The slanted ones are
# gradients; they will be of use in part 4.
#
# The thing to keep from this picture is that it *forks*: $x$ goes straight on and into the mean, and
# the centred values go straight on and into the variance. So every output depends on every input of
# its column. In the forward pass that is a detail. In the backward pass it is everything.
#
# *You can stop here.*
#
# ## 3 The mathematics, and the forward pass
#
# $x$ is (N, D): a row per example, a column per feature. All of the following happens in each column
# $j$ by itself (slides 11 and 12):
#
# $$\mu_j = \frac1N \sum_{i=1}^N x_{ij} \quad \text{(BN.1)} \qquad\qquad
#   \sigma_j^2 = \frac1N \sum_{i=1}^N (x_{ij} - \mu_j)^2 \quad \text{(BN.2)}$$
#
# $$\hat x_{ij} = \frac{x_{ij} - \mu_j}{\sqrt{\sigma_j^2 + \varepsilon}} \quad \text{(BN.3)}
#   \qquad\qquad y_{ij} = \gamma_j \hat x_{ij} + \beta_j \quad \text{(BN.4)}$$
#
# At test time there may be a single example, and its prediction must not depend on its neighbours.
# So the layer keeps running averages while it trains (slide 13). They start at zero and keep a fraction
# $\rho$, the momentum, of the old value:
#
# $$r_\mu \leftarrow \rho\, r_\mu + (1 - \rho)\, \mu \quad \text{(BN.5)} \qquad\qquad
#   r_{\sigma^2} \leftarrow \rho\, r_{\sigma^2} + (1 - \rho)\, \sigma^2 \quad \text{(BN.6)}$$
#
# In test mode $r_\mu$ and $r_{\sigma^2}$ take the place of $\mu$ and $\sigma^2$ in (BN.3), and nothing is
# updated.
#
# Two conventions differ elsewhere. The variance here is the *biased* one, divided by N. And
# `momentum` is the fraction of the *old* value that is kept; in PyTorch it is that of the new one.
#
# ### Exercise: `batchnorm_forward`
#
# Write both modes. `bn_param` carries the settings in, and the running statistics from call to call.
# `cache` is yours: put into it what your backward pass wants. You can come back and extend it.

# %% role="exercise" exercise="normalization.batchnorm_forward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * a statistic over the wrong axis; the unbiased variance;
# * $\varepsilon$ outside the root, or stored in the running variance and then added again;
# * the standard deviation where the variance belongs;
# * constants in place of the settings in `bn_param`;
# * momentum the other way round; running statistics written, then overwritten by old local values;
# * a test mode that looks at the batch, forgets $\gamma$ and $\beta$, or updates something;
# * $\mathrm E[x^2] - \mathrm E[x]^2$ as variance (part 5 is about that);
# * float32 that became float64 on the way; an input changed in place.
#
# The failing row of the table tells which lines to look at.
# </details>
#
# ### First look
#
# The experiment of part 1 again, now with your forward pass between each affine layer and its ReLU.

# %% role="experiment" uses="batchnorm_forward" claim="batch-norm-breaks-the-product" of="max(with_batch_norm['hidden layer 5']) / min(with_batch_norm['hidden layer 5'])" says="1 to 2" slide="11" alt="Two panels on one scale: without batch norm the sizes of activations follow the scale of the weights over many decades, with it they stay level. Below, histograms of the inputs of five ReLUs: without batch norm ever narrower, with it all of spread 1."
forward_only = (batchnorm_forward, None)
with_batch_norm = spread_by_layer(forward_only)
for layer, values in with_batch_norm.items():
    print(f"{layer}: from {min(values):.2f} to {max(values):.2f} over all scales")
panels = {"std without batch norm": spread_by_layer(), "std with batch norm": with_batch_norm}
figure = plotting.plot_scale_sweep(SCALES, panels)
for ax in figure.axes:
    ax.set(yscale="log", ylim=(1e-12, 1e9))
plotting.show("With batch norm no layer knows the scale of the weights before it")

rows = {}
for name, normalization in {"without": None, "with batch norm": forward_only}.items():
    outputs = deep_net(0, 0.1, normalization).activations(data.x_train[:500])
    before_relu = "affine" if normalization is None else "normalization"
    rows[name] = {f"layer {n}": outputs[f"{before_relu}{n}"] for n in (1, 2, 3, 4, 5)}
plotting.plot_histograms(rows, xlabel="input of the ReLU")
plotting.show("Without batch norm the spread shrinks by layer, with it every layer starts anew")

# %% [markdown]
# The product is broken: layer 5 does not know what scale the weights of layers 1 to 4 have. (The
# histograms are for scale 0.1, a factor of 1.8 below Kaiming's. Both histograms of a layer have the
# same axis; read how the standard deviations above the upper row shrink.)
#
# The printed ranges say more than the picture: at the smallest scale layer 1 falls short. Which
# constant in your code is the reason? Compare it with the variance that arrives at layer 1 there.
#
# *You can stop here.*
#
# ## 4 The backward pass, twice
#
# You are given $g = \partial L / \partial y$, in code `dout`, and want the gradients of $x$, $\gamma$
# and $\beta$. Walk through the graph of part 2 from right to left. Three rules are enough, and each
# is the mirror image of something in the forward pass:
#
# 1. **A broadcast becomes a sum.** $\gamma_j$ was used in all N rows, so its gradient collects from
#    all N rows.
# 2. **A mean becomes a division.** $\mu_j$ is the mean of N numbers, so each of them gets one N-th of
#    what arrives at $\mu_j$.
# 3. **A fork becomes an addition.** Where a value was used twice, its gradient is the sum of what
#    comes back on both.
#
# On paper, in this order, with $s = \sqrt{\sigma^2 + \varepsilon}$:
#
# | gradient of | comes back through | mind |
# |---|---|---|
# | $\beta$, $\gamma$, $\hat x$ | (BN.4) | rule 1, twice |
# | $\sigma^2$ | (BN.3) | rule 1; and how does $1/\sqrt{\sigma^2 + \varepsilon}$ change with $\sigma^2$? |
# | $\mu$ | (BN.3), and in principle (BN.2) | one of the two contributions contains $\sum_i (x_{ij} - \mu_j)$ |
# | $x$ | (BN.3), (BN.2), (BN.1) | rule 3: three terms; rule 2 in two of them |
#
# ### Exercise: `batchnorm_backward`
#
# About one line for each gradient; do not simplify yet. The slanted numbers in the graph are the right
# answer for its small example, where `dout` is (1, 0, 0). The checks of `dx` are staged: each sends a `dout` that leaves only
# some of the paths open, so that the wrong one shows by itself. A backward pass that is right for
# *your own* forward pass, though that one is wrong, earns half.

# %% role="exercise" exercise="normalization.batchnorm_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the mean or the variance treated as a constant, so that a path back is missing;
# * a sum without its axis, or no sum where a value was broadcast;
# * a lost N, 2 or −½; the derivative of $1/s$ taken with respect to $s$ instead of $\sigma^2$;
# * $\gamma$ forgotten between $y$ and $\hat x$;
# * $\varepsilon$ in the forward pass but not in the backward pass.
# </details>
#
# ### A check of your own, and how it can fool you
#
# A backward pass can be tested by someone who does not know the answer: move every element of $x$ by
# $\pm h$ and see how the loss moves. As loss take $\sum_{ij} g_{ij} y_{ij}$. The lazy choice is
# $g = 1$ everywhere, and it has fooled many people. Run both.

# %% role="experiment" uses="batchnorm_forward batchnorm_backward"
rng = np.random.default_rng(0)
inputs = {
    "x": rng.normal(3, 2, (6, 4)),
    "gamma": rng.uniform(0.5, 2, 4),
    "beta": rng.normal(size=4),
}
for name, dout in {"random": rng.normal(size=(6, 4)), "all ones": np.ones((6, 4))}.items():
    report = check_gradients(
        batchnorm_forward, batchnorm_backward, inputs, {"mode": "train"}, dout=dout
    )
    print(f"dout {name}:\n{report}\n")

# %% [markdown]
# With $g = 1$ the loss is the sum of the outputs, and in column $j$ that is $N \beta_j$ whatever $x$
# is. The true gradient is 0, and a relative error would compare rounding with rounding. A test can
# only tell you something where the answer is not trivial.
#
# *You can stop here.*
#
# ### The same gradient in one formula (beyond the core)
#
# Frameworks do not walk the graph. They use a formula that somebody simplified on paper, and now you
# are somebody.
#
# 1. Put your expressions for the gradients of $\sigma^2_j$ and $\mu_j$ into the three terms of $dx_{ij}$.
# 2. Replace every $x_{ij} - \mu_j$ by $s_j \hat x_{ij}$ and count the powers of $s_j$.
# 3. Two sums over the batch remain. You know both: they are other gradients of this layer.
#
# The result needs only $\hat x$, $\gamma$ and $s$. Test it on paper with two questions before you
# type it. Adding a constant to a column of $x$ changes nothing: what does that say about
# $\sum_i dx_{ij}$? Stretching a column about its mean changes nothing either, but for $\varepsilon$:
# what does that say about $\sum_i dx_{ij} \hat x_{ij}$?
#
# ### Exercise: `batchnorm_backward_alt`

# %% role="exercise" exercise="normalization.batchnorm_backward_alt"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * a sum where a mean belongs, or 1/N on one term and not on the other;
# * $\sigma^2 - \varepsilon$, or a power of $s$ too many;
# * $\gamma$ twice, or not at all.
# </details>

# %% role="experiment" uses="batchnorm_forward batchnorm_backward batchnorm_backward_alt" alt="Two bars: the time of the backward pass along the graph and, shorter, of the one formula." claim="one-formula-is-the-same-gradient" of="relative_error(staged, simplified)" says="0 to 1e-5"
rng = np.random.default_rng(0)
x, dout = rng.normal(size=(2, 512, 1024)).astype(np.float32)
gamma, beta = np.ones(1024, "float32"), np.zeros(1024, "float32")
_, cache = batchnorm_forward(x, gamma, beta, {"mode": "train"})
staged, simplified = batchnorm_backward(dout, cache)[0], batchnorm_backward_alt(dout, cache)[0]
print(f"largest relative difference of the two: {relative_error(staged, simplified):.1e}")

seconds = {
    "along the graph": timed(lambda: batchnorm_backward(dout, cache)),
    "in one formula": timed(lambda: batchnorm_backward_alt(dout, cache)),
}
print(f"one formula takes {seconds['in one formula'] / seconds['along the graph']:.2f} × the time")
plotting.plot_timings(seconds)
plotting.show("One formula does with fewer passes over memory")

# %% [markdown] role="question" id="useless-bias" points=5
# **Question 1 (5 points).** Each affine layer of our network has a bias $b$, and batch norm comes
# right after it. (a) Show from (BN.1)–(BN.3) what $b$ does to the output in train mode. (b) What is
# $\partial L / \partial b$, and how does it follow from what you found for $\sum_i dx_{ij}$? (c) What
# happens to $b$ during training by plain gradient descent, and what may it still do at test time?

# %% [markdown] role="answer"
# *Model answer.* (a) Nothing: $b_j$ raises every $x_{ij}$ and therefore $\mu_j$ by $b_j$, so
# $x_{ij} - \mu_j$ and $\sigma_j^2$ stay, and $y$ with them. (b) $b_j$ is added to every row, so
# $\partial L/\partial b_j = \sum_i dx_{ij}$, which is 0 because shifting a column changes nothing.
# (c) It stays where it started (with L2 on it, it shrinks to 0). At test time it cancels too, because
# the running mean has seen the same $b$: that holds exactly as long as $b$ has not moved while the
# average was formed. The shift that the network needs is $\beta$'s work. So one leaves $b$ out
# (`bias=False`).
#
# *Rubric.* (a) 2 points: 1 for the mean that moves along, 1 for the unchanged output. (b) 2 points: 1
# for "zero", 1 for the sum over rows. (c) 1 point: it does not move, and cancels against the running
# mean or is replaced by $\beta$.

# %% [markdown]
# *You can stop here.*
#
# ## 5 Kill the bug
#
# The variance needs two passes over the data: one for the mean, one for the squares. On paper
# $\sigma^2 = \mathrm E[x^2] - \mathrm E[x]^2$ is the same and needs one pass, so people write it, and
# their tests pass. The locked cell below does it.
#
# Find an $x$ for which it goes wrong while *your* batch norm stays right. Think about what float32
# can hold: 24 bits, about seven decimal digits. When does the difference of two numbers keep none of
# the digits that matter? The check asks for a finite float32 array of shape (N, D) with at most
# 10,000 numbers within ±1,000,000. It runs both versions on it and compares them with float64.
#
# ### Exercise: `separating_input`

# %% role="exercise" exercise="normalization.separating_input"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# * `x` is float64: with 53 bits the bug hides much deeper;
# * mean and standard deviation of `x` are of the same order: then both formulas are fine;
# * the mean is so large that `x` itself cannot hold the spread any more: then no formula can help;
# * your own `batchnorm_forward` is of the one-pass kind.
# </details>

# %% role="experiment" uses="batchnorm_forward separating_input" claim="two-passes-stay-right" of="np.abs(own - exact).max()" says="0 to 0.01"
x = separating_input()
D = x.shape[1]
own, _ = batchnorm_forward(x, np.ones(D, x.dtype), np.zeros(D, x.dtype), {"mode": "train"})
exact = (x - x.mean(axis=0, dtype=float)) / np.sqrt(x.var(axis=0, dtype=float) + 1e-5)
for name, values in {"exact": exact, "yours": own, "one pass": one_pass_batchnorm(x)}.items():
    print(f"{name:>8}: standard deviation of the first feature {values[:, 0].std():.6g}")

# %% [markdown]
# A batch norm that works on standardized test data and fails on raw sensor readings is an expensive
# bug: nothing crashes, and the numbers look like numbers.
#
# *You can stop here.*
#
# ## 6 Does it train better?
#
# ### Over weight scales
#
# The same network, trained for 150 steps of gradient descent from ten of these weight scales, with
# your batch norm and without; three seeds each. Everything else is equal: seed, data, batches,
# learning rate 0.1.
#
# **Predict, then run.** What accuracy does the network *without* batch norm reach from weight scale
# 10? There are ten classes.

# %% role="predict"
my_accuracy_at_scale_10 = None  # your prediction: a fraction

# %% role="setup" hide=true
STEPS = 150


@functools.cache  # some of these trainings are asked for twice
def trained(seed, normalization, weight_scale=None, learning_rate=0.1, batch_size=64, steps=STEPS):
    """Return a trained `deep_net`, and the history of its training."""
    net = deep_net(seed, weight_scale, normalization)
    history = fit(
        net, data, steps=steps, batch_size=batch_size, learning_rate=learning_rate,
        rng=np.random.default_rng(seed), progress=False,
    )  # fmt: skip
    return net, history


def sweep(run, ways, settings, seeds):
    """Return {name: (seeds, settings) of run(seed, way, setting)} for every named way."""
    jobs = [(n, s, x) for n in ways for s in seeds for x in settings]
    results = {name: [] for name in ways}
    for name, seed, setting in tqdm(jobs, "training", delay=2, leave=False):
        results[name].append(run(seed, ways[name], setting))
    return {
        name: np.reshape(values, (len(seeds), len(settings), *np.shape(values[0])))
        for name, values in results.items()
    }


def paired(a, b, names=("batch norm", "none")):
    """Compare two results, each with one number for every seed."""
    return compare(lambda i: a[i], lambda i: b[i], range(len(a)), names=names)


# %% role="experiment" uses="batchnorm_forward batchnorm_backward" claim="batch-norm-learns-from-many-scales" of="len(learns_from['batch norm']) - len(learns_from['none'])" says="4 to 9" slide="14" alt="Validation accuracy against the scale of the initial weights: without batch norm a narrow peak near 0.2 and chance elsewhere; with it high from 0.001 on, sagging from 0.5 to 10."
ways = {"batch norm": (batchnorm_forward, batchnorm_backward), "none": None}
TRAINED_SCALES = SCALES[1::2]


def accuracy_from_scale(seed, way, scale):
    return trained(seed, way, weight_scale=scale)[1].val_accuracy[-1]


by_scale, learns_from = sweep(accuracy_from_scale, ways, TRAINED_SCALES, seeds=range(3)), {}
predicted(my_accuracy_at_scale_10, by_scale["none"][:, -1].mean())
for name, accuracy in by_scale.items():
    middle = np.median(accuracy, axis=0)
    good = learns_from[name] = TRAINED_SCALES[middle > 0.9 * middle.max()]
    print(f"{name}: within a tenth of its best from scale {good.min():.2g} to {good.max():.2g}")
plotting.plot_scale_sweep(TRAINED_SCALES, by_scale, ylabel="validation accuracy")
plotting.show("Without batch norm only a narrow band of scales can be trained")

# %% [markdown]
# Without batch norm there is a narrow band of scales from which the network learns, and chance
# everywhere else. With batch norm it learns from every scale. But the curve is not quite flat: to
# the right, from large weights, it sags. The normalized network computes the *same function* at the start for
# all scales (but for $\varepsilon$), so why would it train worse from large weights? Keep the
# question for part 9.
#
# ### Over learning rates
#
# The paper's other promise is larger learning rates. Here both networks start from Kaiming's scale,
# which is the best that the network without batch norm can hope for.

# %% role="experiment" uses="batchnorm_forward batchnorm_backward" claim="batch-norm-tolerates-larger-rates" of="highest['batch norm'] / highest['none']" says="3 to 1000" slide="14" alt="Validation accuracy against the learning rate: without batch norm it falls to chance beyond about 0.3, with batch norm it stays high well beyond."
RATES = np.logspace(-2, 1, 7)


def accuracy_at_rate(seed, way, rate):
    return trained(seed, way, learning_rate=rate)[1].val_accuracy[-1]


by_rate = sweep(accuracy_at_rate, ways, RATES, seeds=range(4))
plotting.plot_lines(RATES, by_rate, "learning rate", "validation accuracy", log_x=True)
plotting.show("Batch norm tolerates larger learning rates")

at_best, highest = {}, {}
for name, accuracy in by_rate.items():
    middle = np.median(accuracy, axis=0)
    good, best = RATES[middle > 0.9 * middle.max()], middle.argmax()
    print(f"{name}: best at learning rate {RATES[best]:.2g}, "
          f"within a tenth of that from {good.min():.2g} to {good.max():.2g}")  # fmt: skip
    at_best[name], highest[name] = accuracy[:, best], good.max()

# %% role="experiment" uses="batchnorm_forward batchnorm_backward" claim="little-is-left-at-the-best-rates" of="tie.mean" says="-0.02 to 0.06" slide="14"
tie = paired(at_best["batch norm"], at_best["none"])
print("Each at its own best rate:", tie)

# %% [markdown]
# Batch norm tolerates learning rates that are many times larger. That is the robust part of the claim.
# Once both networks have a good weight scale *and* a good learning rate, little is left between them
# here: look at the last line, and at how wide its interval is. What batch norm buys is that one need
# not find them first.
#
# ### Over batch sizes
#
# Batch norm estimates a mean and a variance from N numbers. What if N is small? Both networks train
# for the same number of steps with batches of 2 to 64 examples. (Equal steps, so small batches also
# see fewer examples. That is why the network without batch norm is in the picture.)
#
# Before you predict, take $\varepsilon = 0$ and a batch of N = 2 with $a > b$ in some feature. Which
# values can $\hat x$ have? What do they still tell about $a$ and $b$?
#
# **Predict, then run.** What accuracy does the network *with* batch norm reach at batch size 2?

# %% role="predict"
my_accuracy_at_batch_size_2 = None  # your prediction: a fraction

# %% role="experiment" uses="batchnorm_forward batchnorm_backward" claim="two-examples-are-too-few" of="by_column[2]" says="below" slide="14" alt="Validation accuracy against the batch size from 2 to 64: at 2 batch norm is far below none, from 4 on it is level or above."
BATCH_SIZES = (2, 4, 8, 16, 32, 64)


def accuracy_at_batch_size(seed, way, batch_size):
    return trained(seed, way, batch_size=batch_size)[1].val_accuracy[-1]


by_size = sweep(accuracy_at_batch_size, ways, BATCH_SIZES, seeds=range(5))
predicted(my_accuracy_at_batch_size_2, by_size["batch norm"][:, 0].mean())
plotting.plot_batch_sizes(BATCH_SIZES, by_size)
plotting.show("With two examples to a batch, batch norm learns next to nothing")
by_column = {
    size: paired(*(by_size[name][:, column] for name in ("batch norm", "none")))
    for column, size in enumerate(BATCH_SIZES)
}
for size, difference in by_column.items():
    print(f"batch size {size}:", difference)

# %% role="experiment" uses="batchnorm_forward batchnorm_backward" claim="from-four-on-the-harm-is-over" of="worst" says="-0.05 to 0.5" slide="14"
worst = min(difference.mean for size, difference in by_column.items() if size >= 4)
print(f"from batch size 4 on, batch norm is at worst {worst:+.3f} from none on average")

# %% [markdown]
# At batch size 2 batch norm does great harm. Your own functions say why:

# %% role="experiment" uses="batchnorm_forward batchnorm_backward" claim="at-two-no-gradient-gets-through" of="np.abs(dx).max()" says="0 to 1e-10"
rng = np.random.default_rng(0)
x, dout = rng.normal(3, 2, (2, 2, 5))
out, cache = batchnorm_forward(x, np.ones(5), np.zeros(5), {"mode": "train", "eps": 0.0})
dx, _, _ = batchnorm_backward(dout, cache)
print(f"x:\n{x.round(2)}\nx_hat:\n{out.round(2)}\nlargest |dx|: {np.abs(dx).max():.1e}")

# %% [markdown]
# Of two numbers batch norm keeps only *which one is larger*, and since that does not change when
# $x$ moves a little, no gradient gets through. The hidden layers are frozen where they started; all
# that still learns is the last normalization's $\gamma$ and $\beta$ and the layer after it. From batch
# size 4 on the harm is over. Where the benefit is clear, and where the two do not differ, the intervals say.
#
# *You can stop here.*
#
# ## 7 Images (beyond the core)
#
# In a convolutional layer the same filter runs over all places of an image, so a *channel* is what a
# feature was before: one filter, one kind of pattern. It should have one mean and one variance,
# whatever the place. So for $x$ of shape (N, C, H, W) the statistics run over N, H and W, and
# $\mu, \sigma, \gamma, \beta$ have one number per channel (slide 14):
#
# $$\mu_c = \frac{1}{N H W} \sum_{n, h, w} x_{n c h w} \qquad\qquad
#   y_{n c h w} = \gamma_c \, \frac{x_{n c h w} - \mu_c}{\sqrt{\sigma_c^2 + \varepsilon}} + \beta_c$$
#
# No new mathematics: arrange the numbers as rows that `batchnorm_forward` understands, one row per
# pixel and one column per channel, call it, and put everything back in its place. Draw the axes on
# paper first.
#
# ### Exercise: `spatial_batchnorm_forward`

# %% role="exercise" exercise="normalization.spatial_batchnorm_forward"

# %% [markdown]
# ### Exercise: `spatial_batchnorm_backward`

# %% role="exercise" exercise="normalization.spatial_batchnorm_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * a `reshape` that mixes channels, because the axis of the channels was not the last one;
# * the axes rearranged rightly going in and wrongly coming out;
# * a loop over channels in which all of them share one `bn_param`;
# * one mean per pixel place (N only), or per image and channel (H, W only: that is a different
#   layer, in lesson 03).
# </details>

# %% role="experiment" uses="batchnorm_forward spatial_batchnorm_forward" claim="each-channel-is-standardized" of="np.ptp(out.std(axis=(0, 2, 3)))" says="0 to 0.01" slide="14" alt="Histograms of four feature maps before and after: stretched by factors from one half to four, then all of mean 0 and spread 1, each with its own shape."
images = data.images().x_train[:200]
rng = np.random.default_rng(0)
maps = Conv(images.shape[1], 4, 3, rng).forward(images) * [[[0.5]], [[1]], [[2]], [[4]]] + 1
out, _ = spatial_batchnorm_forward(maps, np.ones(4), np.zeros(4), {"mode": "train"})
rows = {}
for name, values in {"before": maps, "after": out}.items():
    rows[name] = {f"channel {c}": values[:, c] for c in range(4)}
plotting.plot_histograms(rows, xlabel="feature map")
plotting.show("Each channel gets its own mean and spread removed")

# %% [markdown]
# Four filters over the images, stretched by ½, 1, 2 and 4 and moved by 1: afterwards all have mean
# 0 and standard deviation 1, and each keeps the *shape* of its distribution. Batch norm is affine for
# each channel; it does not make anything Gaussian.
#
# *You can stop here.*
#
# ## 8 Test time
#
# ### A layer that disappears
#
# With fixed statistics (slide 13) batch norm is one multiplication and one addition per feature. The
# affine layer before it can do both: $x W + b$ followed by test-time batch norm is $x W' + b'$. So
# at test time batch norm can be free of charge. Find $W'$ and $b'$: put the affine layer into (BN.3)
# and (BN.4) with running statistics, and collect what is multiplied by $x$ and what is not.
#
# ### Exercise: `fold_batchnorm`

# %% role="exercise" exercise="normalization.fold_batchnorm"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * rows of W scaled instead of columns;
# * b left out of the scaling; $\beta$ scaled, though it comes after;
# * $\varepsilon$ forgotten, or taken outside the root.
# </details>

# %% role="experiment" uses="batchnorm_forward batchnorm_backward fold_batchnorm" claim="the-layer-disappears" of="difference" says="0 to 0.0001" slide="13"
net, _ = trained(0, ways["batch norm"])
folded = deep_net(0).eval()
affines = [layer for layer in net.layers if isinstance(layer, Affine)]
norms = [layer for layer in net.layers if isinstance(layer, Normalization)]
for n, affine in enumerate(affines, start=1):
    W, b = affine.params["w"], affine.params["b"]
    if n <= len(norms):
        norm = norms[n - 1]
        W, b = fold_batchnorm(W, b, norm.params["gamma"], norm.params["beta"], norm.param)
    folded.params[f"affine{n}.w"][...], folded.params[f"affine{n}.b"][...] = W, b

difference = relative_error(net.scores(data.x_val), folded.scores(data.x_val))
print(f"largest relative difference of the scores: {difference:.1e}")
slow, fast = (timed(lambda net=net: net.scores(data.x_val), 20) for net in (net, folded))
print(f"time of a forward pass, folded / not folded: {fast / slow:.2f}")

# %% [markdown]
# ### What the running statistics are worth
#
# Train with batches of N, then measure the accuracy twice: in test mode, and in train mode with
# batches of N again.


# %% role="experiment" uses="batchnorm_forward batchnorm_backward" claim="fixed-statistics-are-better-than-a-small-batch" of="paired(*both[:, 2].T)" says="above" slide="13" alt="Validation accuracy against the batch size in train mode and in test mode: test mode is above by 0.2 at a batch of 4, the gap closes towards 64."
def accuracy_in_both_modes(seed, way, batch_size):
    net, history = trained(seed, way, batch_size=batch_size)
    in_train_mode = net.train().accuracy(data.x_val, data.y_val, batch_size)
    return history.val_accuracy[-1], in_train_mode


only_batch_norm = {"batch norm": ways["batch norm"]}
both = sweep(accuracy_in_both_modes, only_batch_norm, BATCH_SIZES, seeds=range(5))["batch norm"]
plotting.plot_train_eval_gap(BATCH_SIZES, both[:, :, 1], both[:, :, 0], "batch size (examples)")
plt.xscale("log", base=2)
plt.xticks(BATCH_SIZES, BATCH_SIZES)
plotting.show("Fixed statistics beat those of a small batch")
for column, size in enumerate(BATCH_SIZES):
    print(f"batch size {size}:", paired(*both[:, column].T, names=("test mode", "train mode")))

# %% role="experiment" claim="batch-variances-are-too-small" of="ratios[2]" says="0.48 to 0.53" slide="13"
rng = np.random.default_rng(0)
hidden, ratios = data.x_train @ deep_net(0).params["affine1.w"], {}
for size in (2, 4, 16):
    batches = [hidden[rng.integers(0, len(hidden), size)] for _ in range(1000)]
    variances = [batch.var(axis=0) for batch in batches]
    ratios[size] = np.mean(variances / hidden.var(axis=0))
    print(f"mean variance of a batch of {size} / variance of all examples: {ratios[size]:.3f}")

# %% [markdown]
# Two things to see. In train mode a prediction carries the noise of its neighbours, and with small
# batches that costs a lot; fixed statistics average the noise away. And the average of the batch
# variances, which is what slide 13 asks for, is not the variance of all examples: it is too small by
# the factor $(N - 1)/N$. That is why PyTorch keeps the unbiased variance. At N = 64 nobody notices; at
# N = 2 it is a factor of two.

# %% [markdown] role="question" id="test-statistics" points=5
# **Question 2 (5 points).** A colleague leaves the network in train mode when it is used: "The
# statistics of the present batch are fresher than old averages." Name two different things that go
# wrong for the people who use the network. Say what comes out for a batch of *one* example, and
# why. Support one of your points with a number that you measured above.

# %% [markdown] role="answer"
# *Model answer.* (1) A prediction depends on the other examples that happen to be in the batch:
# the same image gets different answers in different company, so results cannot be reproduced, and one
# user's input changes another user's output. (2) The statistics of a small batch are noisy, which
# costs accuracy: see the printed differences of test mode and train mode at batch sizes 4 to 16. (Also accepted: a batch that is not a random sample, such as images of one class, has
# other statistics than the training data, and what distinguishes the class is subtracted away.)
# A batch of one has $\mu = x$ and $\sigma^2 = 0$, so $\hat x = 0$ and $y = \beta$ whatever the
# input: the same scores for every image. (PyTorch refuses.)
#
# *Rubric.* 1 point: one consequence with its mechanism. 1 point: a different second one with
# its mechanism. 2 points: $y = \beta$ for one example (1) with the reason (1). 1 point: a
# fitting measured number.

# %% [markdown]
# *You can stop here.*
#
# ## 9 The length of the weights
#
# Multiply one column $w$ of the weights before a batch norm by $c > 0$. The feature is multiplied by
# $c$, its mean and standard deviation too, and the output stays as it was (but for $\varepsilon$). So
# the loss has $L(c\,w) = L(w)$ for all $c$. Differentiate with respect to $c$ at $c = 1$:
#
# $$\langle w, \partial L / \partial w \rangle = 0 .$$
#
# The gradient is always at right angles to the weights. A gradient step goes out along a tangent,
# and the weights can only get longer. L2 pulls straight inwards and changes nothing but the length.
# And the length itself changes nothing in the output. Is it without meaning, then? No: the
# *direction* of $w$ is all that counts, and a step of the same size turns a long vector less than a
# short one. The gradient at $c\,w$ is also $c$ times smaller. Both together give the direction an
# effective learning rate of (van Laarhoven 2017, arXiv:1706.05350)
#
# $$\alpha_\text{eff} = \alpha \, / \, \lVert w \rVert^2 .$$
#
# ### Exercise: `effective_learning_rate`
#
# Make one step of gradient descent with L2 (slide 70, without ½), $w' = w - \alpha\,(\partial L /
# \partial w + 2 \lambda w)$, and return the effective rate at $w'$ for every column of W. You know
# that two of the vectors in this formula are at right angles; a theorem from school gives
# $\lVert w' \rVert^2$ without computing $w'$.

# %% role="exercise" exercise="normalization.effective_learning_rate"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the length before the step instead of after it; the length instead of its square;
# * one number for all of W instead of one per column;
# * a missing factor 2 from the derivative of $\lambda w^2$; L2 outside the square.
# </details>
#
# Now watch it: the same network from three weight scales, without L2 and with it.


# %% role="experiment" uses="batchnorm_forward batchnorm_backward effective_learning_rate" claim="l2-raises-the-effective-rate" of="effective['scale 3, L2'][-1] / effective['scale 3, no L2'][-1]" says="2 to 6" alt="Effective learning rate over 300 steps, logarithmic: from a small scale it falls at once, from a large one it stays four decades lower; with L2 each line ends above the one without." hide=true
def watch_effective_rate(weight_scale, reg, steps=300, learning_rate=0.1):
    """Train; return the effective rate in hidden layer 2 (median) at each step, and the network."""
    net = deep_net(0, weight_scale, ways["batch norm"])
    rng = np.random.default_rng(0)
    W = net.params["affine2.w"]
    rates = [np.median(effective_learning_rate(W, 0 * W, learning_rate, 0.0))]
    for _ in range(steps):
        rows = rng.integers(0, len(data.x_train), 64)
        _, gradients = net.loss_and_gradients(data.x_train[rows], data.y_train[rows])
        dW = gradients["affine2.w"]
        rates.append(np.median(effective_learning_rate(W, dW, learning_rate, reg)))
        for name, w in net.params.items():
            penalty = 2 * reg * w if name.endswith(".w") else 0
            w -= learning_rate * (gradients[name] + penalty)
    return rates, net.eval()


effective = {}
for scale in (0.01, 0.18, 3.0):
    for reg in (0.0, 0.01):
        label = f"scale {scale:g}, {'L2' if reg else 'no L2'}"
        effective[label], net = watch_effective_rate(scale, reg)
        before, first, *_, last = effective[label]
        accuracy = net.accuracy(data.x_val, data.y_val)
        print(f"{label:>18}: effective rate {before:.2g}, after one step {first:.2g}, "
              f"at the end {last:.2g}; accuracy {accuracy:.3f}")  # fmt: skip
plotting.plot_lines(np.arange(301), effective, "step", "effective learning rate")
plotting.show("Six runs at the rate 0.1, and their effective rates")

# %% role="experiment" uses="batchnorm_forward batchnorm_backward effective_learning_rate" claim="the-gradient-is-at-right-angles" of="np.abs(cosines).max()" says="0 to 0.001"
net, _ = trained(0, ways["batch norm"])
_, gradients = net.train().loss_and_gradients(data.x_train[:500], data.y_train[:500])
W, dW = net.params["affine2.w"], gradients["affine2.w"]
cosines = (W * dW).sum(axis=0) / (np.linalg.norm(W, axis=0) * np.linalg.norm(dW, axis=0))
print(f"cosine of the angle between w and its gradient: at most {np.abs(cosines).max():.0e}")

# %% [markdown]
# The learning rate is 0.1 in all six runs, and the effective rates lie decades apart. From a small
# scale the first step is huge in effect, so it lengthens the weights, and the rate comes down at once:
# a brake that nobody built. In the other direction there is no such help. Weights that start too
# long could only get shorter, and gradient steps cannot do that. L2 can, slowly.
#
# Back to the sag in part 6. If the effective learning rate is the reason, then it must go away when
# $\alpha$ is multiplied by $c^2$ wherever the weights are multiplied by $c$: the effective rate is
# then the same from every scale. The cell below does that, for the weights before a batch norm.

# %% role="experiment" uses="batchnorm_forward batchnorm_backward" claim="the-sag-was-the-effective-rate" of="spread" says="0 to 0.05" alt="Validation accuracy against the scale of the initial weights: at the same learning rate it sags from 0.5 on, at the same effective rate it stays level." hide=true
KAIMING = np.sqrt(2 / WIDTH)


def accuracy_at_equal_effective_rate(seed, way, scale):
    def update(w, dw, config):
        hidden = w.ndim == 2 and w.shape[1] == WIDTH
        factor = (scale / KAIMING) ** 2 if hidden else 1.0
        return w - factor * config["learning_rate"] * dw, config

    history = fit(
        deep_net(seed, scale, way), data, steps=STEPS, batch_size=64, learning_rate=0.1,
        rng=np.random.default_rng(seed), update=update, progress=False,
    )  # fmt: skip
    return history.val_accuracy[-1]


rescaled = {"same effective rate": ways["batch norm"]}
kept = sweep(accuracy_at_equal_effective_rate, rescaled, TRAINED_SCALES, seeds=range(3))
plotting.plot_scale_sweep(
    TRAINED_SCALES,
    {"same learning rate": by_scale["batch norm"]} | kept,
    ylabel="validation accuracy",
)
plotting.show("At one effective rate the sag is gone")
flat = kept["same effective rate"]
print("At scale 10:", paired(flat[:, -1], by_scale["batch norm"][:, -1], names=(
    "same effective rate", "same learning rate",
)))  # fmt: skip
spread = np.ptp(flat[:, TRAINED_SCALES > 0.2], axis=1).max()
print(
    f"Same effective rate, scales 0.2 to 10: accuracies of one seed differ by at most {spread:.3f}"
)

# %% [markdown]
# The sag is gone, and to the right it is more than an average: whatever the scale, the training runs
# through the same functions, step by step. At the left edge $\varepsilon$ spoils the equality, as in
# part 3. So batch norm does not care how long the weights are, but your learning rate does.


# %% [markdown] role="question" id="l2-under-batch-norm" points=5
# **Question 3 (5 points).** Without batch norm, L2 is explained like this: small weights make a
# simple function. (a) What is left of this for weights that are followed by a batch norm? (b) What
# happens to the length of $w$, and to the effective learning rate, in a long training without L2,
# and why? (c) So what does $\lambda$ control here? Use a line of the picture of the effective
# learning rates in your answer.

# %% [markdown] role="answer"
# *Model answer.* (a) Nothing: the output, and so the function, depends on the direction of $w$ only;
# shrinking $w$ does not change it. (b) The gradient is at right angles to $w$, so by Pythagoras each
# step makes $w$ longer, and $\alpha/\lVert w\rVert^2$ falls: the training slows down by itself.
# (c) L2 shrinks $w$ and so raises the effective rate; where the lengthening by the gradient and the
# shrinking by L2 balance, it settles, after some thousand steps rather than the 300 shown. So
# $\lambda$ sets the effective learning rate (together with $\alpha$), not the complexity of the
# function. In the picture the lines with L2 end above those without.
#
# *Rubric.* (a) 1 point: nothing, because only the direction counts. (b) 2 points: longer
# because of the right angle (1), effective rate falls (1). (c) 2 points: $\lambda$ controls the
# effective rate (1), with the evidence (1).

# %% [markdown]
# *You can stop here.*
#
# ## 10 Statistics that start at zero
#
# The running statistics start at 0 (BN.5, BN.6), so at first they are too small. By how much? Put the
# same value $v$ in at every step and unroll the recursion: after $t$ steps $r = (1 - \rho^t)\, v$.
# Slide 46 will meet the same thing in Adam, and correct it in the same way.
#
# ### Exercise: `debias_running`

# %% role="exercise" exercise="normalization.debias_running"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * $\rho$ in place of $\rho^t$, or $(1 - \rho)^t$;
# * multiplied instead of divided;
# * t counted from 0: after the first batch t is 1.
# </details>

# %% role="experiment" uses="batchnorm_forward debias_running" alt="Running mean and variance of a feature over 100 steps for momentum 0.9 and 0.99: uncorrected they climb from zero, corrected they start near the values of all data." claim="corrected-statistics-start-right" of="corrected['variance'][0.9][0] / population['variance']" says="0.4 to 2" hide=true
rng = np.random.default_rng(0)
hidden = data.x_train @ deep_net(0).params["affine1.w"]  # (N, D) what the first batch norm sees
kinds = {"mean": "running_mean", "variance": "running_var"}
running = {kind: {0.9: [], 0.99: []} for kind in kinds}
corrected = {kind: {0.9: [], 0.99: []} for kind in kinds}
for momentum in (0.9, 0.99):
    bn_param = {"mode": "train", "momentum": momentum}
    for step in range(1, 101):
        batch = hidden[rng.integers(0, len(hidden), 32)]
        batchnorm_forward(batch, np.ones(WIDTH), np.zeros(WIDTH), bn_param)
        for kind, key in kinds.items():
            running[kind][momentum].append(bn_param[key][0])
            corrected[kind][momentum].append(debias_running(bn_param[key], momentum, step)[0])
population = {"mean": hidden[:, 0].mean(), "variance": hidden[:, 0].var()}
plotting.plot_running_statistics(running, population, corrected)
plotting.show("Started at zero, running statistics need a correction")

# %% role="experiment" uses="batchnorm_forward batchnorm_backward debias_running" claim="the-correction-decides-at-first" of="pays" says="above" slide="46" alt="Validation accuracy against the training steps before the test: uncorrected statistics are far below corrected ones up to some forty steps, then level."
FEW = (1, 2, 3, 5, 10, 20, 40, 80)


def accuracy_after(seed, way, steps):
    net, history = trained(seed, way, steps=steps)
    for layer in net.layers:
        if isinstance(layer, Normalization):
            for key in kinds.values():
                layer.param[key] = debias_running(layer.param[key], 0.9, steps)
    return history.val_accuracy[-1], net.accuracy(data.x_val, data.y_val)


few = sweep(accuracy_after, only_batch_norm, FEW, seeds=range(5))["batch norm"]
plotting.plot_lines(
    FEW,
    {"uncorrected": few[:, :, 0], "corrected": few[:, :, 1]},
    "training steps before the test",
    "validation accuracy",
    log_x=True,
)
plotting.show("The correction decides after few steps of training")
pays = paired(few[:, 4, 1], few[:, 4, 0], names=("corrected", "uncorrected"))
print("After 10 steps:", pays)

# %% [markdown]
# In the first dozens of steps the correction decides whether test mode works at all; after a hundred it
# makes no difference, if $\rho = 0.9$. With $\rho = 0.99$ everything takes ten times as long. PyTorch
# starts the running variance at 1 instead of 0, and corrects neither.
#
# *You can stop here.*
#
# ## 11 Noise in training, fixed statistics in testing
#
# Slide 84 counts batch norm among the regularizers: *training* adds randomness, because the
# statistics come from random batches, and *testing* averages it out, because they are fixed. Look
# at the randomness first. One validation image, sent through the trained network in train mode 500
# times, each time in other random company: what probability does the network give to the right
# class?


# %% role="experiment" uses="batchnorm_forward batchnorm_backward" claim="small-batches-are-noisy" of="columns['batch of 4'].std() / columns['batch of 64'].std()" says="1.3 to 100" slide="84" alt="Three histograms of the probability of the right class for one image in random company: wide for batches of 4, narrow for batches of 64."
def probability_of_right_class(net, x, labels):
    scores = net.scores(x)
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials[np.arange(len(x)), labels] / exponentials.sum(axis=1)


net, _ = trained(0, ways["batch norm"])
alone = probability_of_right_class(net, data.x_val, data.y_val)
chosen = np.abs(alone - 0.9).argmin()
print(f"test mode, always the same: {alone[chosen]:.2f}")

rng = np.random.default_rng(0)
net.train()
columns = {}
for size in (4, 16, 64):
    draws = []
    for _ in range(500):
        company = data.x_train[rng.integers(0, len(data.x_train), size - 1)]
        batch = np.concatenate([data.x_val[[chosen]], company])
        draws.append(probability_of_right_class(net, batch, data.y_val[chosen])[0])
    columns[f"batch of {size}"] = np.array(draws)
figure = plotting.plot_histograms({"train mode": columns}, xlabel="probability")
for ax in figure.axes:
    ax.set_xlim(0, 1)
plotting.show("One image, random company: the smaller the batch, the noisier")

# %% [markdown]
# Does this noise regularize? To find out, everything but the noise must stay equal. So we train on
# few examples (192, easy to learn by heart), all of them in every step, and let the *same* batch be
# normalized in groups: each group of 4, 8, … examples has its own statistics ("ghost batches", Hoffer
# et al. 2017, arXiv:1705.08741). The gradient is always that of the same 192 examples; the only thing that
# changes is how many of them share a mean and a variance.


# %% role="setup" hide=true
def in_groups(pair, size):
    """Return a batch norm like `pair` that normalizes every `size` rows of a batch by themselves."""
    forward, backward = pair

    def side_by_side(x):  # (groups · size, D) -> (size, groups · D): a group's features are its own
        D = x.shape[1]
        return x.reshape(-1, size, D).transpose(1, 0, 2).reshape(size, -1)

    def one_below_another(wide, D):
        return wide.reshape(size, -1, D).transpose(1, 0, 2).reshape(-1, D)

    def grouped_forward(x, gamma, beta, param):
        if param["mode"] == "test":
            return forward(x, gamma, beta, param)
        groups, D = len(x) // size, x.shape[1]
        own = {"mode": "train", "momentum": 0.0}  # leaves the statistics of this batch
        out, cache = forward(side_by_side(x), np.tile(gamma, groups), np.tile(beta, groups), own)
        for key in ("running_mean", "running_var"):
            new = own[key].reshape(groups, D).mean(axis=0)
            param[key] = 0.9 * param.get(key, 0) + 0.1 * new
        return one_below_another(out, D), cache

    def grouped_backward(dout, cache):
        D = dout.shape[1]
        dx, dgamma, dbeta = backward(side_by_side(dout), cache)
        dgamma, dbeta = (d.reshape(-1, D).sum(axis=0) for d in (dgamma, dbeta))
        return one_below_another(dx, D), dgamma, dbeta

    return grouped_forward, grouped_backward


# %% role="experiment" uses="batchnorm_forward batchnorm_backward" claim="the-noise-regularizes" of="quiet[16]" says="above" slide="84" alt="Accuracies against the number of examples that share a mean: training is 1 from groups of 8 on; validation is highest for middle-sized groups and lower for all 192." hide=true
GROUPS = (2, 4, 8, 16, 48, 192)
pool_x = np.concatenate([data.x_train, data.x_val])
pool_y = np.concatenate([data.y_train, data.y_val])


def accuracies_in_groups(seed, way, size):
    order = np.random.default_rng(seed).permutation(len(pool_x))
    few, rest = order[:192], order[192:2192]
    small = replace(
        data, x_train=pool_x[few], y_train=pool_y[few], x_val=pool_x[rest], y_val=pool_y[rest]
    )
    history = fit(
        deep_net(seed, normalization=in_groups(way, size)), small, steps=100, batch_size=192,
        learning_rate=0.2, rng=np.random.default_rng(seed), progress=False,
    )  # fmt: skip
    return history.train_accuracy[-1], history.val_accuracy[-1]


grouped = sweep(accuracies_in_groups, only_batch_norm, GROUPS, seeds=range(4))["batch norm"]
plotting.plot_batch_sizes(
    GROUPS, {"training": grouped[:, :, 0], "validation": grouped[:, :, 1]}, ylabel="accuracy"
)
plt.xlabel("examples that share a mean and a variance")
plotting.show("A middle amount of noise is best for new examples")
quiet = {
    size: paired(grouped[:, column, 1], grouped[:, -1, 1], names=(f"groups of {size}", "all 192"))
    for column, size in enumerate(GROUPS[:-1])
}
print(*quiet.values(), sep="\n")

# %% [markdown]
# Same examples, same steps, same size of the gradient's batch. All networks with groups of 8 or more
# know the training examples by heart; what they make of new ones depends on the noise. Middle-sized
# groups do best, and are well above the quiet batch of all 192: here the noise of batch norm does
# regularize. With groups of 2 there is nothing left to learn from.
#
# Mind how far this goes. Few examples make it plain; in part 6 it cannot be seen, because there the
# batch size changes the noise of the gradient as well. And with CIFAR-10 in place of the digits far less
# of it shows.

# %% [markdown] role="question" id="noise-and-batch-size" points=5
# **Question 4 (5 points).** Slide 84 writes $y = f_W(x, z)$ for training and
# $y = \mathrm E_z[f_W(x, z)]$ for testing. (a) What is $z$ in batch norm, and what takes the place of
# the expectation? Is it exactly the expectation? (b) Why can this noise lower the validation error
# though it disturbs the training? (c) Why do very small batches hurt all the same? Refer to the two
# last pictures.

# %% [markdown] role="answer"
# *Model answer.* (a) $z$ is the choice of the other examples of the batch, through their mean and
# variance. At test time the running statistics, their averages, take its place. That is not the expectation of
# the output: $y$ is not linear in $\sigma$, and the following layers are not linear in $y$, so the
# output at average statistics is an approximation of the average output. (b) The network sees the
# same example shifted and stretched at random, differently at every step, so it cannot rely on
# exact values of single features to learn the training set by heart; what works under all these
# disturbances is what carries over. In the picture, training accuracy is 1 both with middle-sized groups and with
# all examples together, but validation is higher with groups. (c) The noise of the statistics
# grows as the batch shrinks (like $1/\sqrt N$; see the histograms). At some point it is larger than
# the signal, and the network in test mode meets values that it never saw in training; at
# N = 2 only the sign of a difference is left and the gradient vanishes.
#
# *Rubric.* (a) 2 points: 1 for $z$ and what replaces the expectation, 1 for "only approximately" with
# a reason. (b) 1.5 points: random disturbance keeps from learning by heart (1), with the evidence (0.5).
# (c) 1.5 points: noise grows as N falls (1), and train and test differ or the gradient vanishes (0.5).

# %% [markdown]
# ### Which explanation survives?
#
# The paper's own explanation is *internal covariate shift*: layers learn better when the distribution
# of their inputs stays still. Santurkar et al. (2018, arXiv:1805.11604) tested it by moving the
# distributions on purpose: *after* each batch norm, they shift and stretch every feature at random,
# differently at every step. If stillness were the point, this should do away with the benefit. Here
# is their experiment on a small scale, from weight scale 0.01, where the network without batch norm does not
# learn: shifts of half a standard deviation and stretches of about a half, in all five layers.


# %% role="setup" hide=true
def shaken(pair, strength, rng):
    """Return a batch norm like `pair` whose training output is moved and stretched at random."""
    forward, backward = pair

    def shaken_forward(x, gamma, beta, param):
        out, cache = forward(x, gamma, beta, param)
        if param["mode"] == "test":
            return out, cache
        stretch, shift = strength * rng.standard_normal((2, x.shape[1])).astype(x.dtype)
        return (1 + stretch) * out + shift, (cache, stretch)

    def shaken_backward(dout, cache):
        cache, stretch = cache
        return backward((1 + stretch) * dout, cache)

    return shaken_forward, shaken_backward


# %% role="experiment" uses="batchnorm_forward batchnorm_backward" claim="shaking-does-no-great-harm" of="still.mean" says="-0.03 to 0.05"
def accuracy_when_shaken(seed, way, strength):
    if way is not None:
        way = shaken(way, strength, np.random.default_rng(1000 + seed))
    return trained(seed, way, weight_scale=0.01)[1].val_accuracy[-1]


STRENGTHS = (0.0, 0.5)
moved = sweep(accuracy_when_shaken, ways, STRENGTHS, seeds=range(5))
print(f"none: {moved['none'][:, 0].mean():.3f} on average")
for column, strength in enumerate(STRENGTHS):
    print(f"shaken by {strength}: {moved['batch norm'][:, column].mean():.3f} on average")
still = paired(*moved["batch norm"].T, names=("still batch norm", "shaken batch norm"))
print(still)

# %% [markdown]
# At this size the shaken network does not do clearly worse than the still one, and the network
# without batch norm does not learn at all from this scale. Keeping the distributions still is not what
# helps. (Everything has its limit: try strength 1.) What is left? Santurkar et al. find that batch norm
# makes the loss smoother, so that a gradient is trustworthy over a longer step; that is not measured
# here. The length of the weights sets its own learning rate (part 9: measured). The noise regularizes
# (above: measured). These do not exclude each other.
#
# *You can stop here.*
#
# ## 12 The same in PyTorch
#
# From here on the names `batchnorm_forward`, `batchnorm_backward`, … are **defined again**, on
# tensors. To repeat an experiment from above afterwards, run its exercise cells again first.
#
# Translate your functions. `axis` is called `dim`, `keepdims` is `keepdim`, `transpose` with several
# axes is `permute`. The backward pass stays written by hand: no autograd, and no
# `torch.nn.functional.batch_norm`. Create new tensors *from* given ones (`torch.zeros_like(gamma)`),
# then device and dtype follow by themselves. One trap: `x.var(dim=0)` is the unbiased variance in
# PyTorch.

# %% role="setup"
import torch

from cs231n_lib.train import fit_torch

torch.set_num_threads(1)
device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"PyTorch {torch.__version__} on {device}")

# %% [markdown]
# Part of this half is a race, so let your NumPy functions run before their names are taken.

# %% role="setup" hide=true
SHAPES = {"512 × 1024": (512, 1024), "32 × 16 × 32 × 32": (32, 16, 32, 32)}
seconds = {name: {} for name in SHAPES}


def race_inputs(shape):
    """Return x, gamma, beta and dout for an input of this shape, in float32."""
    x, dout = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    return x, np.ones(shape[1], np.float32), np.zeros(shape[1], np.float32), dout


def seconds_for(pair, x, gamma, beta, dout):
    """Return how long a forward and a backward pass of a pair of functions take together."""

    def forward_and_backward():
        _, cache = pair[0](x, gamma, beta, {"mode": "train"})
        pair[1](dout, cache)

    return timed(forward_and_backward, 15)


# %% role="experiment" uses="batchnorm_forward batchnorm_backward spatial_batchnorm_forward spatial_batchnorm_backward"
numpy_pairs = (
    (batchnorm_forward, batchnorm_backward),
    (spatial_batchnorm_forward, spatial_batchnorm_backward),
)
for (name, shape), numpy_pair in zip(SHAPES.items(), numpy_pairs, strict=True):
    seconds[name]["your NumPy, cpu"] = seconds_for(numpy_pair, *race_inputs(shape))

# %% [markdown]
# ### Exercise: `batchnorm_forward` in PyTorch

# %% role="exercise" exercise="normalization.torch.batchnorm_forward"

# %% [markdown]
# ### Exercise: `batchnorm_backward` in PyTorch

# %% role="exercise" exercise="normalization.torch.batchnorm_backward"

# %% [markdown]
# ### Exercise: `batchnorm_backward_alt` in PyTorch (bonus)

# %% role="exercise" exercise="normalization.torch.batchnorm_backward_alt"

# %% [markdown]
# ### Exercise: `BatchNorm`, a layer of a network
#
# A network asks more of a layer than the right numbers: its optimizer must find gamma and beta,
# `train()` and `eval()` must switch it, and a saved network must bring its running statistics
# along. `torch.nn.Module` does most of that, if you tell it what is a parameter
# (`torch.nn.Parameter`) and what is state that no gradient changes (`register_buffer`). This time
# autograd finds the backward pass.

# %% role="exercise" exercise="normalization.torch.BatchNorm"

# %% [markdown]
# ### Exercise: `spatial_batchnorm_forward` in PyTorch

# %% role="exercise" exercise="normalization.torch.spatial_batchnorm_forward"

# %% [markdown]
# ### Exercise: `spatial_batchnorm_backward` in PyTorch

# %% role="exercise" exercise="normalization.torch.spatial_batchnorm_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * all those from above, and besides:
# * `x.var()` and `x.std()`, unbiased unless told otherwise;
# * `.view` on a permuted tensor (PyTorch complains), or a reshape in the wrong order (it does not);
# * tensors made on the CPU or in float32 by hand, so that device or dtype change on the way.
# </details>
#
# *You can stop here.*
#
# ### Against autograd, and in a network
#
# Now your own layer in a network for images: one mean for each channel is what your `BatchNorm` takes
# of rows, when every pixel of every image is a row of channels.


# %% role="setup" hide=true
class OnPixels(torch.nn.Module):
    """A layer for rows (N, C), applied to images (N, C, H, W): each pixel is a row."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        N, C, H, W = x.shape
        rows = self.layer(x.permute(0, 2, 3, 1).reshape(-1, C))
        return rows.reshape(N, H, W, C).permute(0, 3, 1, 2)


def conv_net(seed, normalization=None):
    """Return a ConvNet with three layers of filters; `normalization` makes a layer for a width."""
    torch.manual_seed(seed)
    layers, channels = [], data.image_shape[0]
    for width in (8, 16, 16):
        layers.append(torch.nn.Conv2d(channels, width, 3, padding=1))
        if normalization is not None:
            layers.append(normalization(width))
        layers.append(torch.nn.ReLU())
        channels = width
    head = torch.nn.Linear(channels * 16, len(data.classes))
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveMaxPool2d(4), torch.nn.Flatten(), head)


# %% role="experiment" uses="batchnorm_forward BatchNorm" claim="your-layer-is-the-built-in" of="difference.max()" says="0 to 0.01" alt="Training loss and validation accuracy over 60 steps: your layer and the built-in one lie on each other and fall, the network without batch norm stays near its start."
layers = {
    "yours": lambda width: OnPixels(BatchNorm(width)),
    "built-in": torch.nn.BatchNorm2d,
    "none": None,
}
images = data.images()
histories = {name: [] for name in layers}
for seed in tqdm(range(3), "training", delay=2, leave=False):
    for name, normalization in layers.items():
        model = conv_net(seed, normalization).to(device)
        rng = np.random.default_rng(seed)
        history = fit_torch(
            model, images, steps=60, batch_size=64, learning_rate=0.1, rng=rng, evaluate_every=15,
            progress=False,
        )  # fmt: skip
        histories[name].append(history)
plotting.plot_curves(histories)
plotting.show("Your layer trains as the built-in one does")

difference = np.abs(np.array(histories["yours"][0].loss) - histories["built-in"][0].loss)
print(f"loss, yours against built-in, seed 0: differs by at most {difference.max():.1e}")
final = {name: [run.val_accuracy[-1] for run in runs] for name, runs in histories.items()}
print(paired(final["yours"], final["none"], names=("your batch norm", "none")))

# %% [markdown]
# The losses of your layer and of the built-in one agree but for rounding, which grows a little with
# every step. The first accuracies differ all the same. Which of the two conventions in part 10 is
# behind that? (Without batch norm this ConvNet, from PyTorch's own initial weights and at the same
# learning rate, hardly gets going in 60 steps. That says something about the start, not about the
# end of a long training.)
#
# ### How fast is it?
#
# The built-in is one piece of C++ (or CUDA) that goes over the data as few times as it can. Yours is
# a handful of array operations, and each of them reads its input from memory and writes its output
# back.
#
# **Predict, then run.** Forward and backward, 512 × 1024 numbers in float32: how many times as long as
# PyTorch's built-in does *your PyTorch version* take on this machine?

# %% role="predict"
my_time_ratio = None  # your prediction: 2 means twice as long


# %% role="experiment" uses="batchnorm_forward batchnorm_backward spatial_batchnorm_forward spatial_batchnorm_backward" alt="Bars of the times of forward and backward pass for two shapes: the built-in, your PyTorch and your NumPy version, in this order." hide=true
def built_in_forward(x, gamma, beta, bn_param):
    leaves = [tensor.detach().requires_grad_() for tensor in (x, gamma, beta)]
    out = torch.nn.functional.batch_norm(leaves[0], None, None, *leaves[1:], training=True)
    return out, (out, leaves)


def built_in_backward(dout, cache):
    return torch.autograd.grad(*cache, dout)


torch_pairs = (
    (batchnorm_forward, batchnorm_backward),
    (spatial_batchnorm_forward, spatial_batchnorm_backward),
)
for (name, shape), torch_pair in zip(SHAPES.items(), torch_pairs, strict=True):
    tensors = [torch.from_numpy(array).to(device) for array in race_inputs(shape)]
    built_in = seconds_for((built_in_forward, built_in_backward), *tensors)
    yours = seconds_for(torch_pair, *tensors)
    if name == "512 × 1024":
        predicted(my_time_ratio, yours / built_in, "times as long")
    in_torch = {f"PyTorch's built-in, {device}": built_in, f"your PyTorch, {device}": yours}
    seconds[name] = in_torch | seconds[name]
plotting.plot_timings(seconds)
plotting.show("What fewer passes over memory save")

# %% [markdown]
# Count how often your functions go over all N × D numbers: every line that makes an (N, D) array reads
# and writes all of them, and memory is slower than arithmetic. The built-in does several lines in one
# go. `torch.compile` can fuse your lines in the same way; try it if you like (its first call takes
# half a minute).

# %% role="experiment"
score_predictions()

# %% [markdown]
# ## 13 What to take away
#
# * Batch norm standardizes each feature (each channel) over the batch, and the network learns the scale
#   and shift that it wants. Gradients flow through the mean and the variance; that is the whole point.
# * It makes a network insensitive to the scale of its weights, and lets it tolerate larger learning
#   rates: all of that was measured above. Not confirmed: that it works by keeping distributions
#   still.
# * The price: examples of a batch depend on each other. So there are two modes, running statistics, their
#   start at zero, biased or not, and trouble with small batches. At N = 2 nothing gets through.
# * Under batch norm the bias before it is useless, L2 is a learning-rate knob, and at test time the
#   layer vanishes into the one before it.
# * A gradient check with `dout = 1` proves nothing. A variance in one pass is a bug that waits for data
#   with a large mean.
#
# What would a normalization look like that needs no batch? That is lesson 03 (slides 15–19).
#
# **Sources.** Lecture 7, slides 10–14 and 84. Ioffe & Szegedy 2015, *Batch Normalization*,
# arXiv:1502.03167 · Santurkar, Tsipras, Ilyas & Madry 2018, *How Does Batch Normalization Help
# Optimization?*, arXiv:1805.11604 · van Laarhoven 2017, *L2 Regularization versus Batch and Weight
# Normalization*, arXiv:1706.05350 · Hoffer, Hubara & Soudry 2017, *Train longer, generalize better*,
# arXiv:1705.08741 · Wu & He 2018, *Group Normalization*, arXiv:1803.08494 (batch norm at small batch
# sizes).
