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
#     lesson: "09"
#     title: Penalties and dropout
#     minutes_core: 90
#     minutes_all: 135
# ---

# %% [markdown]
# # Penalties and dropout
#
# **Lesson 09 · CS231n 2018, lecture 7, slides 69–83 · core 90 minutes, all of it 135**
#
# A network that is large enough learns anything by heart, mislabelled examples included. Lesson 08
# stopped it in time, or averaged several networks. This one changes the network while it trains: a
# penalty keeps its weights small, dropout takes units away at random. Both help, and how much
# depends on what you compare with; you will measure that. Then slide 73 asks how dropout can
# *possibly* be a good idea. The answer has a number too.
#
# | part | you write | minutes |
# |---|---|---|
# | 1 learnt by heart | a prediction | 8 |
# | 2 a penalty on the weights | `l2_penalty` | 10 |
# | 3 dropout | `dropout_forward`, `dropout_backward` | 17 |
# | 4 wire the pipeline | `train_regularized` | 13 |
# | 5 at the end, and stopped in time | question 1 | 10 |
# | 6 units that can be missed | a prediction, question 2 | 8 |
# | 7 the mean over all masks | `expectation_over_masks`, `separating_products`, a prediction | 13 |
# | 8 dropout is a penalty | `dropout_as_l2`, question 3 | 11 |
# | **the core** | | **90** |
# | 9 L1, and zeros | `l1_penalty`, `elastic_net_penalty`, `l1_proximal_step` (bonus), a prediction | 15 |
# | 10 vanilla dropout | `vanilla_dropout_forward`, `vanilla_dropout_backward` (bonus), question 4 | 10 |
# | 11 which mean? | nothing | 5 |
# | 12 the same in PyTorch | `l2_penalty`, `dropout_forward`, `dropout_backward` | 15 |
# | **all of it** | | **135** |
#
# 80 points come from the checks, which you can run as often as you like; 20 are given by hand for
# the four questions. Words and symbols are the same in all lessons (`docs/vocabulary.md`).
#
# Every experiment runs on *your* functions. While one is missing, its experiments say so and the
# notebook goes on.

# %% role="setup"
import itertools
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from autograder.check import check, needs
from cs231n_lib import plotting
from cs231n_lib.data import load
from cs231n_lib.layers.batched import fit_many
from cs231n_lib.layers.in_numpy import softmax_loss, svm_loss
from cs231n_lib.layers.network import Affine, Network, Noise, ReLU
from cs231n_lib.train import compare, predicted, score_predictions

threadpool_limits(1)  # networks this small are fastest on one thread

# %% [markdown]
# ## 1 Learnt by heart
#
# **The data.** 500 of the handwritten digits, and for 30 % of these 500 the label is drawn at
# random. Such labels can only be learnt by heart. Validation and test labels stay as they are. For
# other images change this one line to `load("fashion-mnist")` or `load("cifar10")`; what the text
# says about results was written for the digits.

# %% role="experiment"
data = load("digits")
print(data)

# %% [markdown]
# **The network.** Two hidden layers of 64 ReLUs, batches of 50, gradient descent, 500 steps.
# Twenty times: each seed has its own 500 examples, random labels, initial weights and batches. The
# twenty are trained together, one matrix product a layer for all of them, so it takes seconds.

# %% role="setup" hide=true
WIDTH, BATCH, RATE, STEPS, EVERY, SEEDS = 64, 50, 0.3, 500, 25, range(20)


def sample(seed, noise):
    """Return 500 training examples, a fraction of them with random labels; the rest joins the test set."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.x_train))
    few, rest = order[:500], order[500:1500]
    small = replace(
        data, x_train=data.x_train[few], y_train=data.y_train[few],
        x_test=np.concatenate([data.x_test[:1000], data.x_train[rest]]),
        y_test=np.concatenate([data.y_test[:1000], data.y_train[rest]]),
    )  # fmt: skip
    return small.with_random_labels(noise, rng)


def new_net(seed, noise=None, penalty=None):
    """Return a network; noise(rng) makes a layer of noise after each ReLU, penalty(W) a penalty."""
    rng, draws = np.random.default_rng(seed), np.random.default_rng(seed + 1000)
    layers, n_in = [], data.x_train[0].size
    for _ in range(2):
        layers += [Affine(n_in, WIDTH, rng), ReLU()]
        layers += [noise(draws)] if noise else []
        n_in = WIDTH
    return Network([*layers, Affine(n_in, len(data.classes), rng)], penalty=penalty)


class Runs:
    """Twenty networks trained in one way: accuracies on validation and test data by time."""

    def __init__(self, sets, steps=STEPS, update=None, **options):
        self.sets = sets
        self.nets = [new_net(seed, **options) for seed in SEEDS]
        self.val, self.test = [], []
        watch = [[lambda step, net, _, one=one: self._watch(step, net, one)] for one in sets]
        settings = {"update": update} if update else {}
        self.histories = fit_many(
            self.nets, sets, steps=steps, batch_size=BATCH, learning_rate=RATE,
            rngs=[np.random.default_rng(seed) for seed in SEEDS], callbacks=watch, progress=False,
            **settings,
        )  # fmt: skip
        self.val = np.reshape(self.val, (-1, len(SEEDS))).T  # (seeds, T)
        self.test = np.reshape(self.test, (-1, len(SEEDS))).T
        self.at_end = self.test[:, -1]
        best = self.val.argmax(axis=1)  # early stopping: the first of the best on validation data
        self.stopped = self.test[np.arange(len(SEEDS)), best]

    def _watch(self, step, net, one):
        if step % EVERY == 0:
            net.eval()
            self.val.append(net.accuracy(one.x_val, one.y_val))
            self.test.append(net.accuracy(one.x_test, one.y_test))
            net.train()


def paired(a, b, names):
    """Compare two results, each with one number for every seed."""
    return compare(lambda i: a[i], lambda i: b[i], range(len(a)), names=names)


# %% [markdown]
# **Predict, then run.** With 30 % random labels, what is the accuracy on the (clean) test data after
# 500 steps, in percent? At its best moment it is about 89.

# %% role="predict"
my_accuracy_at_the_end = None  # your prediction: percent

# %% role="experiment" claim="learnt-by-heart" of="by_heart" says="below" slide="69" alt="Test accuracy of the plain network against training steps: a quick rise, a peak, then a slow fall."
noisy = [sample(seed, 0.3) for seed in SEEDS]
plain = Runs(noisy)
steps = np.arange(EVERY, STEPS + 1, EVERY)

predicted(my_accuracy_at_the_end, 100 * plain.at_end.mean(), "percent")
by_heart = paired(plain.at_end, plain.test.max(axis=1), ("at the end", "at the best moment"))
print(by_heart)
print(f"training data, random labels and all: {plain.histories[0].train_accuracy[-1]:.2f} right")
plotting.plot_lines(steps, {"no regularization": plain.test}, "step", "test accuracy")
plotting.show("It learns the digits first, then the wrong labels")

# %% [markdown]
# Both kinds of examples are learnt, one after the other: first what many examples agree on, then
# the exceptions, one by one. The peak is where lesson 08 stops. The question here is whether a
# network can be made *unable* to learn the exceptions.
#
# *You can stop here.*
#
# ## 2 A penalty on the weights
#
# To learn one example by heart, a network has to react to what sets this example apart from its
# neighbours, and for that it needs large weights. So make large weights expensive (slide 70). The
# loss becomes
#
# $$L = \frac1N \sum_i L_i + \lambda R(W), \qquad R(W) = \sum_k \sum_l W_{k,l}^2 .$$
#
# This is L2. Its gradient pulls every weight towards zero, the harder the larger it is:
#
# $$\frac{\partial}{\partial W} \, \lambda \sum W^2 = 2 \lambda W \quad \text{(Ridge.1)}$$
#
# The usual assignment has a ½ in front of the sum, to cancel the 2. The slide has none, and here
# there is none; if you compare values of $\lambda$, ask which it is.
#
# ### Exercise: `l2_penalty`

# %% role="exercise" exercise="regularization.l2_penalty"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * a ½ too many, in one of the two or in both; a 2 too few in the gradient;
# * the gradient of the *sum*, one number for all weights;
# * a root around the sum, a mean in place of the sum, an axis.
# </details>
#
# ### Why slide 70 has both, a hinge and a penalty
#
# The data loss on the slide is the hinge loss of a support vector machine. It has a peculiarity
# that softmax has not. Train a linear classifier with it on 100 clean digits until the loss is 0,
# then multiply all weights by the same number:

# %% role="experiment" uses="l2_penalty" claim="hinge-is-flat" of="hinge_losses.max()" says="-0.001 to 0.001" slide="70"
x, y = data.x_train[:100], data.y_train[:100]
W = np.zeros((x.shape[1], len(data.classes)), np.float32)
for _ in range(2000):
    loss, dscores = svm_loss(x @ W, y)
    W -= 0.2 * (x.T @ dscores)
print(f"{'weights':>10} {'hinge loss':>11} {'softmax loss':>13} {'L2, λ = 0.01':>13}")
factors = (1, 2, 4)
hinge_losses = np.array([svm_loss(x @ (k * W), y)[0] for k in factors])
for k, hinge in zip(factors, hinge_losses, strict=True):
    softmax, _ = softmax_loss(x @ (k * W), y)
    penalty, _ = l2_penalty(k * W, 0.01)
    print(f"{'× ' + str(k):>10} {hinge:11.4f} {softmax:13.4f} {penalty:13.2f}")

# %% [markdown]
# Once every margin is reached, the hinge loss does not care: infinitely many W have loss 0, and
# among them the penalty prefers the smallest. Softmax is never content; it rewards larger weights without
# end, so there the penalty is what keeps them from growing. In both, $\lambda R(W)$ decides between
# weights that the data cannot tell apart.
#
# *You can stop here.*
#
# ## 3 Dropout
#
# Slide 71: in each forward pass, set some units to zero, at random. **p is the probability of
# keeping a unit**, as in the code of slide 72 (PyTorch's p is the other one). At test time nothing
# should be random, so all units are there, and a unit's output must then be what it was *on
# average* in training. *Inverted* dropout (slide 82) arranges that in training already. For every
# unit $j$ of every example $i$:
#
# $$k_{ij} = 1 \text{ with probability } p, \text{ else } 0 \quad \text{(Drop.1)} \qquad
#   m_{ij} = k_{ij} / p \quad \text{(Drop.2)} \qquad y_{ij} = m_{ij} \, x_{ij} \quad \text{(Drop.3)}$$
#
# The mean of $m$ is $p \cdot 1/p = 1$; at test time nothing is left to do. A uniform random number
# is below $p$ with probability $p$; `rng.random(shape)` draws them. And backwards, the gradient goes
# where the numbers went:
#
# $$dx_{ij} = m_{ij} \, g_{ij} \quad \text{(Drop.4)}$$
#
# ### Exercise: `dropout_forward`

# %% role="exercise" exercise="regularization.dropout_forward"

# %% [markdown]
# ### Exercise: `dropout_backward`

# %% role="exercise" exercise="regularization.dropout_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * `rng.random(x.shape) < p / p`: Python divides first, and nothing is ever dropped;
# * keep and drop swapped; scaled by $1 - p$, or not at all, or at test time too;
# * one mask for the whole batch, one draw for a whole example, normal numbers for uniform ones;
# * a new mask on the way back, or the mask of another call; 1/p forgotten on the way back;
# * a generator made from nothing: `np.random.default_rng(seed)` takes a number *or* a generator.
# </details>
#
# *You can stop here.*
#
# ## 4 Wire the pipeline
#
# Three things can go wrong when the parts come together, and none of them raises an error. The
# penalty belongs to *weights*, of every layer, the last one included, not to biases. It belongs in
# the loss *and* in the gradient. And the noise is on while the network trains and off while it is
# tested, again in every epoch.
#
# `train_regularized` gets any network that has the methods named below, such as those of this
# lesson. The check passes in a spy, which writes down in which mode it was used and where its
# parameters went.
#
# ### Exercise: `train_regularized`

# %% role="exercise" exercise="regularization.train_regularized"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * `w = w - ...` gives a new array a name; the network still has the old one. Change it in place;
# * `train()` before the first epoch only, or `eval()` never;
# * the penalty divided by the number of examples: only the data loss is a mean.
# </details>

# %% role="experiment" uses="l2_penalty dropout_forward dropout_backward train_regularized"
one, rng = noisy[0], np.random.default_rng(0)
net = new_net(0, noise=lambda draws: Noise(dropout_forward, dropout_backward, p=0.7, seed=draws))
rows = rng.permutation(500).reshape(-1, BATCH)
losses, accuracies = train_regularized(
    net, [(one.x_train[r], one.y_train[r]) for r in rows], (one.x_val, one.y_val),
    lambda W: l2_penalty(W, 5e-3), RATE, epochs=40,
)  # fmt: skip
first, last = losses[: len(rows)].mean(), losses[-len(rows) :].mean()
print(f"loss with its penalty: {first:.2f} in the first epoch, {last:.2f} in the last")
print(f"validation accuracy: {accuracies[-1]:.3f}")
net.train()
print(f"the same network, noise left on by mistake: {net.accuracy(one.x_val, one.y_val):.3f}")

# %% [markdown]
# The last line is the mistake that nobody notices: the network is fine, and somebody measures it in
# the wrong mode.
#
# *You can stop here.*
#
# ## 5 At the end, and stopped in time
#
# Twenty networks of each kind, on the data of part 1: without anything, with dropout ($p = 0.7$ after
# both hidden layers), with L2 ($\lambda = 0.005$). And there are two moments to look at the result. *At the end*:
# the accuracy after 500 steps. *Stopped*: the accuracy at the step that was best on the validation
# data, which is lesson 08's early stopping, for all three alike.


# %% role="setup" hide=true
def report(ways):
    """Print each way's accuracy and its gain over the first one, in points, at the end and stopped."""
    (first, base), *_ = ways.items()
    gains = {}
    print(f"{'':>12} {'at the end':>11} {'gain':>24} {'stopped':>9} {'gain':>24}")
    for name, runs in ways.items():
        cells = [f"{name:>12}"]
        for kind, width in (("at_end", 11), ("stopped", 9)):
            results = 100 * getattr(runs, kind)
            cells.append(f"{results.mean():{width}.1f}")
            gain = gains[name, kind] = None if runs is base else paired(
                results, 100 * getattr(base, kind), (name, first)
            )  # fmt: skip
            interval = gain and f"{gain.mean:+.1f} ({gain.low:+.1f} to {gain.high:+.1f})"
            cells.append(f"{interval or '':>24}")
        print(" ".join(cells))
    return gains


# %% role="experiment" uses="l2_penalty dropout_forward dropout_backward" claim="little-is-left-when-both-stop" of="most" says="0.05 to 0.6" slide="71" alt="Test accuracy against steps. Without regularization it peaks early and falls by nine points; with L2 it falls little, with dropout it stays."
def dropping(draws):
    """Return a layer of dropout with your functions."""
    return Noise(dropout_forward, dropout_backward, p=0.7, seed=draws)


dropped = Runs(noisy, noise=dropping)
small_weights = Runs(noisy, penalty=lambda W: l2_penalty(W, 5e-3))
ways = {"none": plain, "dropout": dropped, "L2": small_weights}
gains = report(ways)
curves = {name: runs.test for name, runs in ways.items()}
plotting.plot_lines(steps, curves, "step", "test accuracy")
plotting.show("Regularized networks stay near their best")

shrunk = {
    name: gains[name, "stopped"].mean / (gains[name, "at_end"].mean or np.nan)
    for name in ("dropout", "L2")
}
most = max(shrunk.values())
for name, fraction in shrunk.items():
    print(f"{name}: of the gain at the end, {fraction:.0%} is left when both are stopped in time")

# %% [markdown]
# Both statements are true: "dropout gains nine points" and "dropout gains two". The first compares
# with a network that nobody would use. Most of what a regularizer gains *at the end* of training,
# stopping gains for free; what is left is the part that stopping cannot do.
#
# And without random labels? The same three kinds on the clean digits:

# %% role="experiment" uses="l2_penalty dropout_forward dropout_backward" claim="dropout-on-clean-digits" of="clean_gains['dropout', 'at_end']" says="alike" slide="71"
clean = [sample(seed, 0.0) for seed in SEEDS]
with_dropout = Runs(clean, noise=dropping)
with_l2 = Runs(clean, penalty=lambda W: l2_penalty(W, 5e-3))
clean_gains = report({"none": Runs(clean), "dropout": with_dropout, "L2": with_l2})

# %% [markdown]
# **Not confirmed: that dropout helps here.** On clean labels there is little to be learnt by heart
# that does harm, and the interval of dropout's gain contains 0. The L2 strength that helped above is
# even too strong: with nothing to protect from, it only holds the network back. A regularizer's
# strength belongs to the data, and is searched for on validation data like any other setting.

# %% [markdown] role="question" id="fair-comparison" points=5
# **Question 1 (5 points).** A paper trains a network for a fixed number of epochs, with and without
# its new regularizer, and reports a gain of nine points. (a) Which two rows of numbers above show
# what may be wrong with that? (b) Why does stopping help the network without a regularizer more than
# the one with it? (c) Name one more experiment that you would ask for before you believe that the
# new regularizer does something stopping does not, and say which result would convince you.

# %% [markdown] role="answer"
# *Model answer.* (a) The gain at the end and the gain when both are stopped: +9 against +2 for
# dropout. The fixed number of epochs lies where the network without it has been falling for a long
# time. (b) Stopping takes away what a network loses after its peak. The plain network loses about
# nine points there, the regularized one hardly any, so it has nothing to get back. (c) For instance
# both under the same stopping rule, over many seeds, paired, with the strength chosen on validation
# data for both; convincing is an interval of the difference above 0. Or on clean data; or at another
# size of the training set.
#
# *Rubric.* (a) 1 point: the gain at the end beside the gain when both are stopped. (b) 2
# points: 1 for where the plain network loses, 1 for why the other one has nothing to gain. (c)
# 2 points: 1 for an experiment that is fair to both, 1 for a result that could have come out
# otherwise.

# %% [markdown]
# *You can stop here.*
#
# ## 6 Units that can be missed
#
# "How can this possibly be a good idea?" (slide 73). The slide's answer: it forces the network to
# have a *redundant* representation, and prevents units from relying on each other. That can be
# measured. Take the trained networks and silence a fraction of the hidden units for good, at random,
# with no training afterwards. A network whose units rely on each other falls apart.
#
# **Predict, then run.** Without any regularization the test accuracy at the end is 80 %. What is
# left of it with a quarter of the hidden units silenced, and what with dropout (89 %)?

# %% role="predict"
my_rest_without, my_rest_with_dropout = None, None  # your predictions: percent

# %% role="setup"
FRACTIONS = (0, 0.25, 0.5, 0.75)


def silenced(runs, fraction, repeats=4):
    """Return the test accuracies (seeds,) with this fraction of the hidden units set to 0."""
    results = []
    for seed, net, one in zip(SEEDS, runs.nets, runs.sets, strict=True):
        rng, accuracies = np.random.default_rng(seed), []
        for _ in range(repeats):
            x = one.x_test
            for layer in net.layers:
                x = layer.forward(x)
                if isinstance(layer, ReLU):
                    gone = rng.permutation(x.shape[1])[: round(fraction * x.shape[1])]
                    x[:, gone] = 0
            accuracies.append(np.mean(x.argmax(axis=1) == one.y_test))
        results.append(np.mean(accuracies))
    return np.array(results)


# %% role="experiment" uses="l2_penalty dropout_forward dropout_backward" claim="redundancy" of="redundancy" says="above" slide="73" alt="Test accuracy against the fraction of silenced hidden units. All fall; dropout falls least at a quarter, the network without regularization loses a quarter of its accuracy at once."
gone = np.mean(dropping(np.random.default_rng(0)).forward(np.ones((1, 10_000))) == 0)
squares, _ = l2_penalty(plain.nets[0].params["affine2.w"], 1.0)
print(f"in every step of training with dropout {gone:.0%} of the units were gone")
print(f"sum of the squares of the second layer's weights, without L2: {squares:.0f}")
rest = {name: np.array([silenced(runs, s) for s in FRACTIONS]).T for name, runs in ways.items()}
quarter = FRACTIONS.index(0.25)
predicted(my_rest_without, 100 * rest["none"][:, quarter].mean(), "percent")
predicted(my_rest_with_dropout, 100 * rest["dropout"][:, quarter].mean(), "percent")
lost = {name: 100 * (results[:, 0] - results[:, quarter]) for name, results in rest.items()}
points = ", ".join(f"{name} {values.mean():.1f}" for name, values in lost.items())
print("points lost with a quarter of the units:", points)
redundancy = paired(lost["L2"], lost["dropout"], ("points lost with L2", "with dropout"))
print(redundancy)
plotting.plot_lines(FRACTIONS, rest, "fraction of the hidden units silenced", "test accuracy")
plotting.show("Nearly equal accuracy, unequal redundancy")

# %% [markdown]
# This is the picture to remember. L2 and dropout are nearly equally accurate with all units there.
# With a quarter gone they are not: the network trained with dropout has learnt to do without any of
# its units, because it had to, in every step. L2 makes weights small; it does not make units
# independent of each other.

# %% [markdown] role="question" id="good-idea" points=5
# **Question 2 (5 points), slide 73: how can this possibly be a good idea?** (a) Two hidden units
# detect a digit together: one says 8 too often, and the other corrects it. What does dropout do to
# such a pair, and what does L2? (b) Slide 74 gives another reading: an ensemble of $2^n$ networks
# that share their weights. How is this ensemble different from the one of lesson 08, in training and
# at test time? (c) Which of the two readings does the picture above support, and can it refute the
# other?

# %% [markdown] role="answer"
# *Model answer.* (a) With dropout the first unit is often there without the second, and then it is
# wrong with nobody to correct it: it gets a gradient to be right by itself. L2 only asks for small
# weights; a pair of small weights that cancel is as cheap as any other. (b) In lesson 08 each member
# is trained to the end by itself, and at test time their probabilities are averaged, at the cost of
# all of them. Here each member (mask) gets a single step if any, all share their weights, and at
# test time one forward pass with scaled units replaces the mean. (c) The first: units that can be
# missed are what the picture measures. It does not refute the second, which is about why the
# *average* is good; both are statements about the same networks.
#
# *Rubric.* (a) 2 points: 1 for the gradient to be right alone, 1 for L2 being blind to it. (b)
# 2 points: 1 for training (shared weights, one step a mask), 1 for test time. (c) 1 point:
# supports the first, does not refute the second.

# %% [markdown]
# *You can stop here.*
#
# ## 7 The mean over all masks
#
# At test time we want the mean output over all masks $z$ (slide 75),
#
# $$y = f(x) = E_z[f(x, z)] = \int p(z) \, f(x, z) \, dz .$$
#
# "But this integral seems hard." For a handful of inputs it is a sum over $2^D$ masks, and can be
# done. With masks $m$ of zeros and ones, not scaled:
#
# $$P(m) = p^{\sum_j m_j} (1 - p)^{D - \sum_j m_j} \quad \text{(Mask.1)} \qquad
#   E_m[f(m \circ x)] = \sum_m P(m) \, f(m \circ x) \quad \text{(Mask.2)}$$
#
# Slide 78 has this sum for two inputs and $p = ½$: four masks, a quarter each.
# `itertools.product((0, 1), repeat=D)` goes through all masks.
#
# ### Exercise: `expectation_over_masks`

# %% role="exercise" exercise="regularization.expectation_over_masks"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * all masks equally likely: true for $p = ½$ only;
# * the mask that keeps nothing left out, or the one that keeps everything;
# * the function of the mean in place of the mean of the function;
# * `x *= m` in the loop: what one mask has set to zero is gone for the next.
# </details>
#
# **Predict, then run.** A neuron adds up two inputs, $+1$ and $-1$, and has a ReLU. Each input is
# kept with probability ½. What is its mean output? (Scaling by $p$ says $\max(0, ½ - ½) = 0$.)

# %% role="predict"
my_mean_of_the_neuron = None  # your prediction: a number

# %% role="experiment" uses="expectation_over_masks"
inputs = np.array([1.0, -1.0])
mean = expectation_over_masks(lambda a: np.maximum(a.sum(), 0), inputs, 0.5)
predicted(my_mean_of_the_neuron, float(mean))
w, x = np.array([0.3, -2.0, 0.7]), np.array([1.5, 0.4, 2.0])
for p in (0.5, 0.8):
    mean = expectation_over_masks(lambda at: w @ at, x, p)
    print(f"p = {p}: a neuron without ReLU has the mean {mean:.4f}; scaled: {p * (w @ x):.4f}")

# %% [markdown]
# Without a ReLU, scaling by $p$ *is* the mean: that is what slides 76 to 79 show. (Slide 79 says
# "multiply by dropout probability"; it must be the probability of keeping. At ½ one cannot see the
# difference.) With a ReLU it is an approximation. When is it bad?
#
# ### Kill the bug
#
# Somebody takes the scaled neuron for the mean. Supply the products $a_j = w_j x_j$ of a neuron for
# which that is clearly wrong: the locked function below is theirs, the right mean is your
# `expectation_over_masks`.

# %% role="exercise" exercise="regularization.separating_products"

# %% [markdown]
# <details><summary><b>If your check fails</b>: where to look</summary>
#
# The ReLU is a straight line on either side of 0. What must some masks do, and others not?
# </details>
#
# *You can stop here.*
#
# ## 8 Dropout is a penalty
#
# For one model the mean over all masks can be worked out on paper: least squares, with dropout on
# the inputs. The prediction $\sum_j m_j x_j w_j$ has the mean $p \, x \cdot w$ and, since masks are
# independent, the variance $p (1-p) \sum_j x_j^2 w_j^2$. An expected square is the square of the mean
# plus the variance. With the residual $r$:
#
# $$r = y - p \, X w \quad \text{(Squares.1)} \qquad
#   E \lVert y - (M \circ X) w \rVert^2 = \lVert r \rVert^2
#   + p (1 - p) \sum_j (X^\top X)_{jj} \, w_j^2 \quad \text{(Squares.2)}$$
#
# The second term is an L2 penalty, weighted by how large each input is. Its gradient, next to that
# of the residual:
#
# $$\frac{\partial}{\partial w_j} = -2 p \, (X^\top r)_j + 2 p (1 - p) \, (X^\top X)_{jj} \, w_j
#   \quad \text{(Squares.3)}$$
#
# ### Exercise: `dropout_as_l2`

# %% role="exercise" exercise="regularization.dropout_as_l2"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the variance of a mask: $p$, or $1 - p$, or a root of it;
# * $(Xw)^\top(Xw)$ in place of the diagonal: masks of different inputs are independent;
# * inner derivatives: a $p$ from the residual, a 2 from each square;
# * a mean over examples where the sum is asked for.
# </details>
#
# Drop inputs at random, average the sum of squared errors over the masks, and watch the average:

# %% role="experiment" uses="dropout_as_l2 expectation_over_masks" claim="dropout-is-l2" of="largest_gap" says="-1e-9 to 1e-9" slide="78" alt="Mean squared error over more and more random masks, five runs, closing in on the horizontal line of the formula."
rng = np.random.default_rng(0)
X, y, w, p = rng.normal(size=(8, 5)), rng.normal(size=8), rng.normal(size=5), 0.7
exact, _ = dropout_as_l2(X, y, w, p)
enumerated = sum(
    expectation_over_masks(lambda row, target=target: (target - row @ w) ** 2, row, p)
    for row, target in zip(X, y, strict=True)
)
largest_gap = float(abs(exact - enumerated) / exact)
print(f"the formula: {exact:.6f}; all {2**5} masks of each example: {enumerated:.6f}")

draws = np.unique(np.geomspace(1, 3000, 40).astype(int))
masks = rng.random((5, 3000, *X.shape)) < p
errors = ((y - (masks * X) @ w) ** 2).sum(axis=-1)  # (runs, draws)
averages = {
    f"run {run}": (np.cumsum(e) / np.arange(1, 3001))[draws - 1] for run, e in enumerate(errors, 1)
}
figure = plotting.plot_lines(
    draws, averages, "random masks so far", "error averaged over them", True
)
figure.axes[0].axhline(exact, color="0.4", ls=":", lw=1.5)
plotting.show("Random masks average to the formula (dotted)")

# %% [markdown] role="question" id="penalty-in-disguise" points=5
# **Question 3 (5 points).** (a) Inverted dropout divides what is kept by $p$. Put $w / p$ for $w$ in
# (Squares.2): what is the strength of the penalty now, and what does it become for $p \to 1$ and for
# $p \to 0$? (b) Plain L2 penalizes all weights alike. Which weights does dropout penalize more, and
# why is that fair when inputs are measured in different units? (c) Does the formula prove that
# dropout is L2 in the networks of part 5? Use part 6.

# %% [markdown] role="answer"
# *Model answer.* (a) $\lVert y - Xw \rVert^2 + \frac{1-p}{p} \sum_j (X^\top X)_{jj} w_j^2$: nothing for
# $p \to 1$, without bound for $p \to 0$. (b) Those of large inputs. Measure an input in centimetres
# instead of metres: its numbers become 100 times larger, the weight that gives the same prediction
# 100 times smaller, and $(X^\top X)_{jj} w_j^2$ stays what it was; plain L2 would have changed. (c)
# No. It is exact for a linear model and squared errors. The networks have ReLUs and softmax, and
# with equal accuracy they lose different numbers of points when units are silenced: what dropout did
# to them, L2 did not do.
#
# *Rubric.* (a) 2 points: 1 for $(1-p)/p$, 1 for the limits. (b) 1 point: large inputs, and
# units of measurement that do not matter. (c) 2 points: 1 for "linear and squares only", 1 for
# the evidence.

# %% [markdown]
# *You can stop here; this is the end of the core.*
#
# ## 9 L1, and zeros
#
# Slide 70 has two more: L1, $R = \sum |W|$, and the elastic net, $R = \sum (\beta W^2 + |W|)$. L1
# pulls every weight with the *same* force, however small it is, so small weights should arrive at
# zero.
#
# $$\frac{\partial}{\partial W} \lambda \sum |W| = \lambda \, \mathrm{sign}(W) \quad \text{(Lasso.1)}
#   \qquad \frac{\partial}{\partial W} \lambda \sum (\beta W^2 + |W|) =
#   \lambda (2 \beta W + \mathrm{sign}(W)) \quad \text{(Net.1)}$$
#
# ### Bonus exercises: `l1_penalty`, `elastic_net_penalty`

# %% role="exercise" exercise="regularization.l1_penalty"

# %% role="exercise" exercise="regularization.elastic_net_penalty"

# %% [markdown]
# Should; but a step of length $\alpha \lambda$ jumps over zero, and back in the next step. The
# *proximal* step stops there: first along the gradient $g$ of the data loss, then by
# $\alpha \lambda$ towards zero and not past it.
#
# $$v = w - \alpha g \quad \text{(Prox.1)} \qquad
#   w' = \mathrm{sign}(v) \, \max(|v| - \alpha \lambda, 0) \quad \text{(Prox.2)}$$
#
# ### Bonus exercise: `l1_proximal_step`

# %% role="exercise" exercise="regularization.l1_proximal_step"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * $W / |W|$ at zero; a slope at zero outside of $-\lambda$ to $\lambda$;
# * $\beta$ on the wrong part; $\lambda$ on one part only;
# * $\lambda$ in place of $\alpha \lambda$; past zero; shrunk before the step.
# </details>
#
# **Predict, then run.** Twenty networks with L1 by its gradient, $\lambda = 0.002$. How many of the
# weights of the second layer are *exactly* 0 in the end, in percent?

# %% role="predict"
my_exact_zeros = None  # your prediction: percent

# %% role="experiment" uses="l1_penalty l1_proximal_step" claim="zeros-need-the-proximal-step" of="zeros" says="above" slide="70"
LAMBDA = 2e-3


def proximal_update(w, dw, config):
    """Take a proximal step for weights, and a plain one for biases."""
    rate = config["learning_rate"]
    return (l1_proximal_step(w, dw, rate, LAMBDA) if w.ndim > 1 else w - rate * dw), config


sparse = {
    "none": plain,
    "L1 slope": Runs(noisy, penalty=lambda W: l1_penalty(W, LAMBDA)),
    "L1 proximal": Runs(noisy, update=proximal_update),
}
report(sparse)
second = {name: [net.params["affine2.w"] for net in runs.nets] for name, runs in sparse.items()}
exact_zeros = {k: np.array([100 * np.mean(W == 0) for W in Ws]) for k, Ws in second.items()}
predicted(my_exact_zeros, exact_zeros["L1 slope"].mean(), "percent")
for name, Ws in second.items():
    small = 100 * np.mean([np.mean(np.abs(W) < 1e-3) for W in Ws])
    print(f"{name:>12}: {exact_zeros[name].mean():.1f} % exactly 0, {small:.1f} % below 0.001")
zeros = paired(exact_zeros["L1 proximal"], exact_zeros["L1 slope"], ("proximal", "slope"))
left = ", ".join(f"{k} {100 * silenced(runs, 0.25).mean():.1f}" for k, runs in sparse.items())
print("accuracy (%) with a quarter of the units silenced:", left)

# %% role="experiment" uses="dropout_forward dropout_backward l1_penalty l1_proximal_step" claim="l1-is-the-opposite-of-dropout" of="opposite" says="above" slide="73"
by_quarter = [100 * silenced(runs, 0.25) for runs in (dropped, sparse["L1 proximal"])]
opposite = paired(*by_quarter, ("with a quarter silenced dropout", "L1"))
print(opposite)

# %% [markdown]
# Both make weights small, about as many; only the proximal step makes zeros. The accuracies are
# alike. And on the axes of part 6, L1 is the opposite of dropout: it throws away what is not needed,
# and what is left is needed.
#
# *You can stop here.*
#
# ## 10 Vanilla dropout
#
# Slides 72 and 80 show the first form: units are set to zero in training and *not* scaled, and at
# test time every unit is multiplied by $p$.
#
# $$m_{ij} = 1 \text{ with probability } p, \text{ else } 0 \quad \text{(Vanilla.1)} \qquad
#   y_{ij} = m_{ij} \, x_{ij} \text{, at test time } p \, x_{ij} \quad \text{(Vanilla.2)}$$
#
# and the gradient takes the same path: $m_{ij} \, g_{ij}$, at test time $p \, g_{ij}$ (Vanilla.3).
#
# ### Bonus exercises: `vanilla_dropout_forward`, `vanilla_dropout_backward`

# %% role="exercise" exercise="regularization.vanilla_dropout_forward"

# %% role="exercise" exercise="regularization.vanilla_dropout_backward"

# %% role="experiment" uses="dropout_forward vanilla_dropout_forward"
x = np.ones((2000, 50))
for name, forward in (("inverted", dropout_forward), ("vanilla", vanilla_dropout_forward)):
    means = [
        forward(x, {"p": 0.7, "mode": mode, "seed": 0})[0].mean() for mode in ("train", "test")
    ]
    print(f"{name:>9}: mean output {means[0]:.3f} in training, {means[1]:.3f} at test time")

# %% [markdown]
# Both are consistent with themselves. The inverted form is the more common one because it leaves
# the network at test time as it is: whoever uses it later need not know $p$.

# %% [markdown] role="question" id="two-conventions" points=5
# **Question 4 (5 points).** A colleague moves a network from this lesson to PyTorch and replaces
# inverted dropout with keep probability 0.8 by `torch.nn.Dropout(0.8)`. (a) What fraction of the units
# is there in training now, and by what are they multiplied? (b) Is the mean output right in
# training? At test time? (c) Which of these would notice the mistake: a gradient check in train
# mode with a fixed mask, a comparison of outputs in test mode, the training loss? (d) How would you
# test for it?

# %% [markdown] role="answer"
# *Model answer.* (a) PyTorch's p is the probability to drop: a fifth of the units is there, times 5.
# (b) Yes, both: inverted dropout is consistent for any p. (c) The gradient check would not (the
# gradient is right for the mask), nor the outputs in test mode (nothing happens there). The training
# loss would be higher and noisier than before, if one compares. (d) Pass a large array of ones
# through the layer in train mode: the fraction of values that are not zero must be 0.8, and these
# values 1/0.8.
#
# *Rubric.* (a) 1 point: a fifth of the units, times 5. (b) 1 point: right in both. (c) 2
# points: 1 for the two that would not, 1 for the loss. (d) 1 point: a test that could fail.

# %% [markdown]
# *You can stop here.*
#
# ## 11 Which mean?
#
# A network ends in a softmax, and for it "the mean over all masks" can mean two things: the mean of
# the probabilities (slide 75), or their *geometric* mean, scaled to add up to 1. For softmax
# regression on ten inputs both are sums over 1,024 masks, and your function does them:


# %% role="experiment" uses="expectation_over_masks" claim="scaling-is-the-geometric-mean" of="gaps['geometric, weighted by P(m)']" says="-1e-12 to 1e-12" slide="75"
def softmax(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


rng, p = np.random.default_rng(1), 0.8
W, x = 2 * rng.normal(size=(4, 10)), rng.normal(size=10)
scaled = softmax(W @ (p * x))
log_mean = expectation_over_masks(lambda at: np.log(softmax(W @ at)), x, p)
masks = itertools.product((0, 1), repeat=10)
unweighted = np.mean([np.log(softmax(W @ (np.array(m) * x))) for m in masks], axis=0)
means = {
    "geometric, weighted by P(m)": softmax(log_mean),
    "geometric, all masks alike": softmax(unweighted),
    "arithmetic (slide 75)": expectation_over_masks(lambda at: softmax(W @ at), x, p),
}
gaps = {name: float(np.abs(mean - scaled).max()) for name, mean in means.items()}
for name, gap in gaps.items():
    print(f"{name:>28}: at most {gap:.1e} away from the scaled network")

# %% [markdown]
# Scaling is *exactly* the geometric mean, each mask weighted by its probability. The arithmetic
# mean of slide 75 is a different number. Does it matter for a real network? Average the
# probabilities of the dropout networks of part 5 over more and more random masks:

# %% role="experiment" uses="dropout_forward dropout_backward" claim="monte-carlo-against-scaling" of="monte_carlo" says="-1.0 to 1.0" slide="83" alt="Test accuracy against the number of masks averaged: one mask is clearly worse; the average of thirty is level with the scaled network."
counts = (1, 3, 10, 30)
kept = np.mean(dropping(np.random.default_rng(0)).forward(np.ones((1, 10_000))) != 0)
print(f"each mask keeps about {kept:.0%} of the units")
averaged = []
for net, one in zip(dropped.nets, noisy, strict=True):
    net.train()
    total, row = 0, []
    for number in range(1, max(counts) + 1):
        scores = net.scores(one.x_test)
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        total = total + e / e.sum(axis=1, keepdims=True)
        if number in counts:
            row.append(np.mean(total.argmax(axis=1) == one.y_test))
    net.eval()
    averaged.append(row)
averaged = np.array(averaged)  # (seeds, counts)
scaling = np.repeat(dropped.at_end[:, None], len(counts), axis=1)
monte_carlo = 100 * float((averaged[:, -1] - scaling[:, -1]).mean())
print(f"{max(counts)} masks against scaling: {monte_carlo:+.2f} points on average")
lines = {"mean over masks": averaged, "scaled, one pass": scaling}
plotting.plot_lines(counts, lines, "masks averaged", "test accuracy", log_x=True)
plotting.show("One scaled pass is as good as thirty random ones")

# %% [markdown]
# Averaging many masks buys nothing over one scaled pass here. This is the common pattern of slide 83:
# noise in training, averaged out at test time, exactly where that is possible and approximately where
# it is not. Lesson 10 has more of the kind.
#
# *You can stop here.*
#
# ## 12 The same in PyTorch
#
# From here on `l2_penalty`, `dropout_forward` and `dropout_backward` are **defined again**, on
# tensors. To repeat an experiment from above afterwards, run its exercise cells again first.
# `generator_of` is given: it makes a `torch.Generator` from a seed, which `torch.rand(...,
# generator=)` takes. Write the backward pass by hand, without `torch.nn.functional.dropout`.

# %% role="setup"
import torch

from cs231n_lib.regularization import generator_of
from cs231n_lib.train import fit_torch

torch.set_num_threads(1)

# %% role="experiment"
device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"PyTorch {torch.__version__} on {device}")

# %% [markdown]
# ### Exercises: `l2_penalty`, `dropout_forward`, `dropout_backward` in PyTorch

# %% role="exercise" exercise="regularization.torch.l2_penalty"

# %% role="exercise" exercise="regularization.torch.dropout_forward"

# %% role="exercise" exercise="regularization.torch.dropout_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * all those from above, and besides:
# * a mask of True and False divided by p is float32, whatever x is: `mask.to(x.dtype)` first;
# * random numbers on the CPU for an x on the GPU: `torch.rand(x.shape, generator=rng,
#   device=x.device)`.
# </details>
#
# A hand-written pair becomes an operation of autograd in a few lines, and goes where
# `torch.nn.Dropout` would:


# %% role="setup"
class HandWritten(torch.autograd.Function):
    """A pair of functions with dropout's arguments, as an operation of autograd."""

    @staticmethod
    def forward(ctx, x, param, pair):
        out, ctx.cache = pair[0](x, param)
        ctx.backward_pass = pair[1]
        return out

    @staticmethod
    def backward(ctx, dout):
        return ctx.backward_pass(dout, ctx.cache), None, None


class HandWrittenDropout(torch.nn.Module):
    """Dropout with keep probability p, by a pair of functions; it follows train() and eval()."""

    def __init__(self, pair, p, seed):
        super().__init__()
        self.pair, self.param = pair, {"p": p, "seed": torch.Generator(device).manual_seed(seed)}

    def forward(self, x):
        self.param["mode"] = "train" if self.training else "test"
        return HandWritten.apply(x, self.param, self.pair)


def torch_net(seed, dropout):
    """Return a network with one hidden layer of 64 ReLUs, and a layer `dropout` after it."""
    torch.manual_seed(seed)
    n_in, classes = data.x_train[0].size, len(data.classes)
    layers = torch.nn.Linear(n_in, 64), torch.nn.ReLU(), dropout, torch.nn.Linear(64, classes)
    return torch.nn.Sequential(*layers).to(device)


def torch_accuracy(seed, dropout):
    """Return the validation accuracy of a network trained on the noisy digits."""
    model = torch_net(seed, dropout)
    history = fit_torch(
        model, noisy[seed], steps=200, batch_size=BATCH, learning_rate=0.3,
        rng=np.random.default_rng(seed), progress=False,
    )  # fmt: skip
    return history.val_accuracy[-1]


# %% role="experiment" uses="dropout_forward dropout_backward" claim="own-dropout-in-pytorch" of="own" says="alike" slide="82"
pair = dropout_forward, dropout_backward
own = compare(
    lambda seed: torch_accuracy(seed, HandWrittenDropout(pair, 0.7, seed)),
    lambda seed: torch_accuracy(seed, torch.nn.Dropout(0.3)),
    SEEDS, progress=False, names=("your dropout, p = 0.7", "torch.nn.Dropout(0.3)"),
)  # fmt: skip
print(own)

# %% [markdown]
# And the penalty? Slide 70 calls L2 "weight decay". In PyTorch `weight_decay=` is an argument of the
# optimizer. For plain gradient descent the two are the same, with one factor of 2. For Adam they are
# not: it divides the penalty's gradient by its size, like any gradient. Two weights, 1 and 10, no
# data at all:

# %% role="experiment" uses="l2_penalty" claim="weight-decay-under-adam" of="adam_gap" says="0.05 to 0.5" slide="70"
start, reg, steps_taken = torch.tensor([1.0, 10.0], dtype=torch.float64), 0.1, 20


def left_of(make, with_penalty):
    """Return what is left of both weights after some steps of a PyTorch optimizer."""
    w = torch.nn.Parameter(start.clone())
    optimizer = make([w])
    for _ in range(steps_taken):
        w.grad = l2_penalty(w.detach(), reg)[1] if with_penalty else torch.zeros_like(w)
        optimizer.step()
    return (w.detach() / start).numpy()


adam, adamw, sgd = torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD
left = {
    "SGD, your L2": left_of(lambda w: sgd(w, lr=0.01), True),
    "SGD, weight_decay = 2λ": left_of(lambda w: sgd(w, lr=0.01, weight_decay=2 * reg), False),
    "Adam, your L2": left_of(lambda w: adam(w, lr=0.01), True),
    "AdamW, weight_decay = 2λ": left_of(lambda w: adamw(w, lr=0.01, weight_decay=2 * reg), False),
}
for name, (small, large) in left.items():
    print(f"{name:>25}: left of the weight 1: {small:.3f}, of the weight 10: {large:.3f}")
adam_gap = float(left["Adam, your L2"][1] - left["Adam, your L2"][0])

# %% [markdown]
# SGD decays both weights by the same fraction, with your penalty as with its own argument. Under Adam
# your penalty takes the same *amount* from both, so nearly nothing of the large one: the opposite of
# what L2 is for. AdamW (lesson 05) takes the decay out of the gradient.

# %% role="experiment"
score_predictions()

# %% [markdown]
# ## What to take away
#
# * A penalty decides between weights that the data cannot tell apart; without ½ here, with ½
#   elsewhere.
# * Dropout: a mask of its own for every unit of every example, the same mask on the way back,
#   scaled by the probability of *keeping*, nothing at test time.
# * Against the end of training regularizers gain much, against early stopping little, on clean
#   digits nothing. Always say against what.
# * Nearly equal accuracy, unequal redundancy: dropout's networks can do without a quarter of their
#   units.
# * Scaling is the exact mean for a linear unit, the geometric mean for softmax, an approximation
#   elsewhere, and a good one. For least squares, dropout *is* a penalty.
# * L1 makes zeros only with a step that stops at zero.
#
# **Next:** lesson 10 adds noise elsewhere: to weights, to regions, to whole layers.
#
# **Sources.** Lecture 7, slides 69–83. Srivastava et al. 2014, *Dropout*, JMLR 15. Wager, Wang &
# Liang 2013, *Dropout training as adaptive regularization*, NeurIPS. Baldi & Sadowski 2013,
# *Understanding dropout*, NeurIPS. Parikh & Boyd 2014, *Proximal algorithms*. Zou & Hastie 2005,
# elastic net. Loshchilov & Hutter 2019, *Decoupled weight decay*, arXiv:1711.05101.
