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
#     lesson: "01"
#     title: Foundations recap
#     minutes_core: 60
#     minutes_all: 120
# ---

# %% [markdown]
# # Foundations recap
#
# **Lesson 01 · CS231n 2018, lecture 7, slides 2–9 · core 60 minutes, all of it 120**
#
# The lecture opens with eight slides of "last time": activation functions, initialization,
# preprocessing, babysitting, search. This lesson is a *diagnostic* on them. Four short exercises tell you
# whether the ground is firm; if one of them is hard, its part is where to stay. And since a recap is
# quickly nodded through, every claim of these slides is measured here. Most hold, one does not.
#
# | part | you write | minutes |
# |---|---|---|
# | 1 activation functions | `leaky_relu_forward`, `leaky_relu_backward`, question 1 | 16 |
# | 2 weight initialization | `xavier_init`, question 2 | 16 |
# | 3 data preprocessing | `normalize`, question 3 | 12 |
# | 4 babysitting the learning | two predictions | 6 |
# | 5 hyperparameter search | `log_uniform`, question 4 | 10 |
# | **the core** | | **60** |
# | 6–7 the same in PyTorch | the leaky ReLU, `xavier_init` and `normalize` on tensors | 25 |
# | optional, within the parts | kill the bug, ELU, maxout, Kaiming, PCA and more: bonus points | 35 |
# | **all of it** | | **120** |
#
# 80 points come from the checks, which you can run as often as you like; 20 are given by hand for
# the four questions. Words and symbols are the same in all lessons (`docs/vocabulary.md`). The
# signatures are those of the usual CS231n assignments, so code that you wrote there can be pasted.
#
# Every experiment runs on *your* functions. While one is missing, its experiments say so and the
# notebook goes on.

# %% role="setup"
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from autograder.check import check, needs
from cs231n_lib import plotting
from cs231n_lib.data import load
from cs231n_lib.gradcheck import check_gradients
from cs231n_lib.layers.in_numpy import relu_backward, relu_forward
from cs231n_lib.layers.network import Activation, Affine, Network
from cs231n_lib.train import compare, fit, fit_torch, predicted

threadpool_limits(1)  # arrays this small are fastest on one thread
torch.set_num_threads(1)

# %% [markdown]
# **The data.** 8 × 8 images of handwritten digits that come with scikit-learn: nothing to download.
# For CIFAR-10 change this one line to `data = load("cifar10")`. Everything below adapts, and takes
# several times as long; what the text says about results was written for the digits.

# %% role="experiment"
data = load("digits")
print(data)

# %% [markdown]
# ## 1 Activation functions (slides 3–4)
#
# ### The question
#
# A network of affine layers alone is one affine layer, however deep. What stands between them must
# bend. Slides 3 and 4 show six ways to bend, and look like a catalogue. They are answers to one
# question: *what comes back through the unit when the loss asks it to change?* In the backward
# pass each of them multiplies the gradient by its slope, layer after layer. Where the slope is 0,
# nothing comes back, and the weights before that unit do not learn from that example.
#
# ### The idea in one picture
#
# Solid: the function. Dashed: its slope. PyTorch's autograd computes both here.

# %% role="experiment"
x = torch.linspace(-4, 4, 161, dtype=torch.float64)
SHOWN = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "ReLU": torch.relu,
    "leaky ReLU, slope 0.1": lambda x: torch.nn.functional.leaky_relu(x, 0.1),
    "maxout of −x − 1, x/2 and 2x − 3": lambda x: torch.stack([-x - 1, x / 2, 2 * x - 3]).amax(0),
    "ELU, α = 1": torch.nn.functional.elu,
}
curves = {}
for name, function in SHOWN.items():
    leaf = x.clone().requires_grad_()
    out = function(leaf)
    (slope,) = torch.autograd.grad(out.sum(), leaf)
    curves[name] = out.detach().numpy(), slope.numpy()
    print(f"{name}: largest slope {slope.max():.3g}, at x = −4 {slope[0]:.2g}")
plotting.plot_activation_functions(x.numpy(), curves)
plt.show()

# %% [markdown]
# * **Sigmoid** and **tanh** are flat on both sides: a unit whose input is far from 0 is *saturated*.
#   The sigmoid's slope is nowhere above ¼, so ten layers of it multiply a gradient by less than
#   10⁻⁶ before any weight has its say; and its outputs are all positive.
# * **ReLU** has slope 1 on one half and 0 on the other. A unit whose input is negative for *every*
#   example gets no gradient from any of them: it is *dead*, and nothing inside the network wakes it up.
# * **Leaky ReLU** keeps a little slope on the negative side, **ELU** keeps some for a while, and
#   **maxout** has no flat part unless its weights are flat; it pays with K times as many weights.
#
# ### The mathematics
#
# $$\text{leaky}(x) = \max(\alpha x, x) \quad \text{(Act.7)}$$
#
# with the lecture's $\alpha = 0.1$. For $\alpha$ between 0 and 1 the larger one of the two is the
# right one on either side. Its derivative you can read off the picture.
#
# ### Exercise: `leaky_relu_forward` and `leaky_relu_backward`
#
# $x$ may have any shape, the slope is the caller's, and in the backward pass the chain rule has two
# factors: the slope *at x*, and what arrives in `dout`. At $x = 0$ exactly there is no derivative; any
# slope between those of the two sides is accepted. One line each.

# %% role="exercise" exercise="activations.leaky_relu_forward"

# %% role="exercise" exercise="activations.leaky_relu_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the slope applied to all of x, or to the wrong side;
# * the slope fixed in the code, in place of the argument;
# * a backward pass that looks at the sign of `dout` or of the output's gradient, and not at x;
# * a slope that is never multiplied by `dout`, or a `dout` that is never multiplied by a slope;
# * a division by x;
# * an input changed in place; float32 that became float64 on the way (`np.where` with two plain
#   numbers makes float64).
# </details>
#
# ### Kill the bug
#
# Here is a backward pass that somebody wrote for the function that you have just finished. On random
# numbers it agrees with yours to the last digit, whatever the seed, and it passes a gradient check.
# Find an input on which it does not. (`cache` is $(x, \alpha)$. There is more than one answer.)

# %% role="exercise" exercise="activations.slope_breaking_input"

# %% role="experiment" uses="leaky_relu_forward leaky_relu_backward slope_breaking_input"
mine = slope_breaking_input()
random = np.random.default_rng(0).normal(size=5)
with np.errstate(all="ignore"):
    for name, numbers in {"random numbers": random, "your input": mine}.items():
        _, cache = leaky_relu_forward(numbers)
        own = leaky_relu_backward(np.ones_like(numbers), cache)
        divided = slope_by_division(np.ones_like(numbers), (numbers, 0.1))
        print(f"{name}:\n  your slopes  {own.ravel()[:5]}\n  by division  {divided.ravel()[:5]}")

# %% [markdown]
# Tests with random numbers say nothing about the numbers that random generators never give. Real data
# are full of them: how many of the pixels of the digits does this concern?
#
# ### Units that are lost, counted
#
# Now a real network: five hidden layers of 64 units, 200 steps of gradient descent on the digits, five
# seeds. After training, every unit is asked with all training examples: is there *any* example for
# which it passes back at least one hundredth of the gradient? If not, count it as lost. For ReLU lost
# means dead, for tanh it means saturated everywhere. What a layer passes back is found by sending ones
# through its backward pass.
#
# **Predict, then run.** With ReLU and the learning rate 0.1 the network reaches an accuracy of about
# 0.96. At five times that rate, which share of the units of hidden layer 5 is dead at the end?

# %% role="predict"
my_dead_share = None  # your prediction: from 0 to 1

# %% role="setup"
WIDTH, DEPTH = 64, 5


def net_with(pair, seed, depth=DEPTH):
    """Return (affine, activation) × depth and an affine layer to the class scores."""
    rng = np.random.default_rng(seed)
    sizes = [data.x_train[0].size] + [WIDTH] * depth
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [Affine(n_in, n_out, rng), Activation(*pair)]
    return Network([*layers, Affine(WIDTH, len(data.classes), rng)])


def lost_units(net):
    """Return the share of units, layer by layer, that pass back less than 0.01 for every example."""
    shares = []
    with np.errstate(all="ignore"):  # a run that diverged has infinite activations
        for name, out in net.activations(data.x_train).items():
            if name.startswith("activation"):
                slopes = net.layers[net.names.index(name)].backward(np.ones_like(out))
                shares.append(np.mean(slopes.max(axis=0) < 0.01))
    return shares


def tanh_forward(x):
    """Hyperbolic tangent, and what its backward pass needs."""
    out = np.tanh(x)
    return out, out


def tanh_backward(dout, out):
    """Gradient of the hyperbolic tangent."""
    return dout * (1 - out**2)


RELU, TANH = (relu_forward, relu_backward), (tanh_forward, tanh_backward)


def trained_with(pair, learning_rate, seeds=range(5)):
    """Return the shares of lost units (seeds, L) and the final accuracies (seeds,)."""
    shares, accuracies = [], []
    for seed in tqdm(seeds, "training", delay=2, leave=False):
        net = net_with(pair, seed)
        history = fit(
            net, data, steps=200, batch_size=64, learning_rate=learning_rate,
            rng=np.random.default_rng(seed), progress=False,
        )  # fmt: skip
        shares.append(lost_units(net))
        accuracies.append(history.val_accuracy[-1])
    return np.array(shares), np.array(accuracies)


# %% role="experiment" uses="leaky_relu_forward leaky_relu_backward"
LEAKY = leaky_relu_forward, leaky_relu_backward
runs = {
    "ReLU, rate 0.1": trained_with(RELU, 0.1),
    "ReLU, rate 0.5": trained_with(RELU, 0.5),
    "leaky ReLU, rate 0.5": trained_with(LEAKY, 0.5),
    "tanh, rate 0.1": trained_with(TANH, 0.1),
    "tanh, rate 1": trained_with(TANH, 1.0),
}
predicted(my_dead_share, runs["ReLU, rate 0.5"][0][:, -1].mean())
for name, (shares, accuracies) in runs.items():
    lost = ", ".join(f"{share:.2f}" for share in shares.mean(axis=0))
    print(f"{name}: accuracy {accuracies.mean():.2f}; lost in layers 1 to 5: {lost}")
plotting.plot_unit_states({name: shares for name, (shares, _) in runs.items()})
plt.show()

relu_accuracy, leaky_accuracy = (runs[f"{name}, rate 0.5"][1] for name in ("ReLU", "leaky ReLU"))
print(
    compare(
        lambda seed: leaky_accuracy[seed],
        lambda seed: relu_accuracy[seed],
        range(5),
        progress=False,
        names=("leaky ReLU", "ReLU"),
    )
)

# %% [markdown]
# At the rate 0.1 a few units in a hundred are lost. At 0.5 a good quarter of the first layer is, and
# 38 % of the fifth, with a wide spread: from 12 % to 77 %, depending on the seed. One large step can
# push a whole unit to the negative side, and from there it gets no gradient to come back. With tanh at
# rate 1 nearly all units of the last layer are saturated for all examples, and the network guesses.
#
# And leaky ReLU? It never loses a unit: its slope is 0.1 at least. But that alone does not make the
# rate 0.5 a good one. The last line compares both over the same five seeds, and they do not differ
# clearly. "Does not die" is confirmed; "trains better" is not, at this size. The simple remedy is in the
# first row: a smaller learning rate.
#
# ### Optional: ELU
#
# $$\text{ELU}(x) = x \;\text{ for } x > 0, \;\text{ else } \alpha\,(e^x - 1) \quad \text{(Act.9)}$$
#
# Two things to mind. The derivative of the left part can be had from the *output*, without a second
# exponential. And $e^x$ of a large positive $x$ overflows, also where nobody wants its value. (5 minutes
# each way, bonus points.)

# %% role="exercise" exercise="activations.elu_forward"

# %% role="exercise" exercise="activations.elu_backward"

# %% [markdown]
# ### Optional: maxout
#
# Maxout is a layer with weights: each of its M units gives the largest of K affine pieces,
#
# $$z_k = x W_k + b_k \quad \text{(Act.11)} \qquad\qquad y = \max_k z_k \quad \text{(Act.12)}$$
#
# with $W$ as (K, D, M) and $b$ as (K, M); the slide shows K = 2. In the backward pass the gradient goes
# to the piece that was the largest. Where several pieces tie, they may share it as they like, but what
# they get must add up to what came. (Bonus points.)

# %% role="exercise" exercise="activations.maxout_forward"

# %% role="exercise" exercise="activations.maxout_backward"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * ELU: alpha in the wrong place; the input where the output belongs; the − 1 forgotten, or not
#   made up for; infinity times zero;
# * maxout: the maximum over the wrong axis; biases added after the maximum; two pieces where there may
#   be more; every tied piece given the full gradient; the sum over pieces missing in `dx`;
# * both: a mask that is not multiplied by `dout`; `dout` changed in place.
# </details>

# %% [markdown] role="question" id="units-that-die" points=5
# **Question 1 (5 points).** (a) Why does a ReLU unit that is dead on the whole training set stay dead
# for the rest of the training, if only its own layer and those after it are trained? And what could
# wake it up in the network above, where the layers before it are trained too? (b) A tanh unit that is
# saturated on every example is not dead in this strict sense. What is the difference, and does it help
# in practice? Refer to your counts. (c) Write ReLU and leaky ReLU as maxout with K = 2. What would you
# pay for letting the network learn the pieces?

# %% [markdown] role="answer"
# *Model answer.* (a) Its output is 0 and its slope is 0 for every example, so the gradient of its
# incoming weights and of its bias is exactly 0: a step of gradient descent does not move them, and after
# the step the unit is as dead as before. Only a change of its *inputs* can make its input positive
# again: the layers before it still get gradients through their other units, and when they move, the
# dead unit may see positive numbers once more. (b) The slope of tanh is $1 - y^2$, tiny but not 0, so
# some gradient always comes back. With a slope below 0.01 it needs at least a hundred times as
# many steps, and in float32 $1 - y^2$ is exactly 0 from about |x| = 9. In the counts above, the
# network with tanh at rate 1 has most units of its last layers saturated and does not get beyond
# guessing: it does not help. (c) ReLU: pieces $0$ and $x$, leaky ReLU: $\alpha x$ and $x$ (for a unit
# $w^T x + b$: $w_1 = 0, b_1 = 0$, or $w_1 = \alpha w, b_1 = \alpha b$; and $w_2 = w, b_2 = b$).
# Learning them costs twice the weights and twice the multiplications.
#
# *Rubric.* (a) 2 points: zero gradient of its own weights (1), inputs that move (1). (b) 1.5 points:
# small against exactly zero (0.5), no help in practice, with a number from the experiment (1). (c) 1.5
# points: both pairs of pieces (1), the price (0.5).

# %% [markdown]
# ## 2 Weight initialization (slide 5)
#
# ### The question
#
# All weights 0 would make all units alike for ever, so they start at random: but how large? Slide 5
# tells of three outcomes, too small, too big and just right. Here they are, in a network of ten hidden
# layers with 100 units each, before any training. You follow two things: the activations on their way
# forward, and the gradients of the loss with respect to them on their way back.
#
# ### The idea in one picture
#
# A unit adds up fan-in many products $x_i W_{ij}$. If the weights are independent with mean 0 and
# variance $s^2$, variances add up:
#
# $$\operatorname{E}\bigl[(x W)_j^2\bigr] = s^2 \sum_i x_i^2
#   = n_\text{in}\, s^2 \cdot \frac1{n_\text{in}} \sum_i x_i^2$$
#
# The mean square of what goes in is multiplied by $n_\text{in} s^2$ in every layer. Smaller than 1, ten
# times: gone. Larger than 1, ten times: exploded. On the way back it is the same with the fan-out.
#
# ### Exercise: `xavier_init`
#
# Choose $s^2$ so that a linear layer keeps the mean square, and draw the weights from a Gaussian. All
# randomness comes from the generator that is passed in. The check draws many weights and asks which
# rule they obey; it allows for chance (a right answer fails once in 10⁹ draws).

# %% role="exercise" exercise="initialization.xavier_init"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * the fan-out where the fan-in belongs, or the shape the other way round;
# * a variance used as a standard deviation, or a root taken twice;
# * the factor for ReLU, which belongs to another initialization;
# * `rand` where `randn` belongs; limits of a uniform distribution taken for its standard deviation;
# * numbers from the global generator, or from one with a fixed seed.
# </details>
#
# ### Too small, too big, just right: tanh
#
# **Predict, then run.** The weights of the first network have the standard deviation 0.01. By
# which factor is the root mean square of the activations of layer 10 smaller than that of layer 1?
# (Near 0, tanh is a straight line of slope 1.)

# %% role="predict"
my_shrinking = None  # your prediction: layer 10 over layer 1, such as 1e-3

# %% role="setup"
UNITS, LAYERS = 100, 10
SHOWN_LAYERS = (1, 4, 7, 10)


def gaussian(std):
    """Return an initialization: weights from N(0, std²), whatever the size of the layer."""
    return lambda fan_in, fan_out, rng: std * rng.standard_normal((fan_in, fan_out))


def deep_net(pair, init, seed=0):
    """Return LAYERS hidden layers of UNITS units with their weights from `init`, in float64."""
    rng = np.random.default_rng(seed)
    sizes = [data.x_train[0].size] + [UNITS] * LAYERS + [len(data.classes)]
    layers = []
    for n_in, n_out in pairwise(sizes):
        affine = Affine(n_in, n_out, rng, dtype=np.float64)
        affine.params["w"][...] = init(n_in, n_out, rng)
        layers += [affine, Activation(*pair)]
    return Network(layers[:-1])


def signals(net, examples=300):
    """Return {layer: activations} and {layer: gradients of the loss with respect to them}."""
    x, y = data.x_train[:examples].astype(float), data.y_train[:examples]
    outputs = net.activations(x)
    _, dout = net.loss(outputs[net.names[-1]], y)
    forward, backward = {}, {}
    for name, layer in reversed(list(zip(net.names, net.layers, strict=True))):
        if name.startswith("activation"):
            number = int(name.removeprefix("activation"))
            forward[number], backward[number] = outputs[name], dout
        dout = layer.backward(dout)
    return forward, backward


def show_signals(nets, limits):
    """Draw activations and gradients of some layers of several networks."""
    found = {name: signals(net) for name, net in nets.items()}
    for side, (what, ends) in enumerate((("activation", limits), ("gradient", None))):
        rows = {
            name: {f"layer {n}": both[side][n] for n in SHOWN_LAYERS}
            for name, both in found.items()
        }
        plotting.plot_layer_histograms(rows, what, ends)
        plt.show()
    for name, (forward, backward) in found.items():
        sizes = [np.sqrt(np.mean(part[n] ** 2)) for part in (forward, backward) for n in (1, 10)]
        print(
            f"{name}: root mean square of activations, layer 1 {sizes[0]:.2g}, layer 10 "
            f"{sizes[1]:.2g}; of gradients, layer 10 {sizes[3]:.2g}, layer 1 {sizes[2]:.2g}"
        )
    return found


# %% role="experiment" uses="xavier_init"
found = show_signals(
    {
        "too small, 0.01": deep_net(TANH, gaussian(0.01)),
        "too big, 1": deep_net(TANH, gaussian(1.0)),
        "yours, Xavier": deep_net(TANH, xavier_init),
    },
    limits=(-1, 1),
)
first, last = (np.sqrt(np.mean(found["too small, 0.01"][0][n] ** 2)) for n in (1, 10))
predicted(my_shrinking, last / first)
big = found["too big, 1"][0][10]
print(f"too big: {np.mean(np.abs(big) > 0.99):.0%} of the activations of layer 10 are beyond ±0.99")

# %% [markdown]
# **Too small.** Every layer multiplies by about $\sqrt{100} \cdot 0.01 = 0.1$: nine layers, nine powers
# of ten. The gradients shrink in the same way on their way back. Nothing is exactly 0, but a weight of
# layer 5 has a gradient that is a product of two such small numbers.
#
# **Too big.** 78 % of the activations of layer 10 are beyond ±0.99, where the slope of tanh is below
# 0.02. So far, so slide 5. But look at the gradients: they do *not* go to zero. From layer 10 to layer 1
# they grow from 0.0043 to 8.6. The slope is tiny for most units, but not for all, and weights of
# standard deviation 1 times a hundred units more than make up for it. "Gradients zero" is true of a
# saturated unit, and not of this network; question 2 comes back to it (and `docs/lecture_errata.md`).
#
# **Just right.** Activations and gradients have about the same size in all layers. The activations
# still shrink a little, from 0.40 to 0.22, because tanh is only nearly a straight line.
#
# ### And ReLU
#
# A ReLU sets half of the numbers to 0 and with them half of the mean square. So what is just right for
# tanh loses a factor of 2 in every layer here. Kaiming initialization makes up for it; it is what the
# `Affine` layers of this course start with, so that the third network below needs nothing from you.
#
# **Predict, then run.** With Xavier's weights and ReLU: by which factor is the root mean square of
# layer 10 smaller than that of layer 1?

# %% role="predict"
my_relu_shrinking = None  # your prediction: layer 10 over layer 1

# %% role="setup"


def kaiming(fan_in, fan_out, rng):
    """Return the weights with which the course's own affine layers start."""
    return Affine(fan_in, fan_out, rng, dtype=np.float64).params["w"]


# %% role="experiment" uses="xavier_init"
found = show_signals(
    {
        "too small, 0.01": deep_net(RELU, gaussian(0.01)),
        "too big, 1": deep_net(RELU, gaussian(1.0)),
        "yours, Xavier": deep_net(RELU, xavier_init),
        "Kaiming": deep_net(RELU, kaiming),
    },
    limits=None,
)
ratios = []
for seed in range(10):
    forward, _ = signals(deep_net(RELU, xavier_init, seed))
    ratios.append(np.sqrt(np.mean(forward[10] ** 2) / np.mean(forward[1] ** 2)))
predicted(my_relu_shrinking, np.median(ratios))
print(f"over ten seeds: from {min(ratios):.3f} to {max(ratios):.3f}")

# %% [markdown]
# (The axis is logarithmic here, and numbers beyond its ends are collected there. A panel names the share
# of zeros, which have no logarithm.) Expected for Xavier: $\sqrt{1/2}$ for each of nine layers, 0.044.
# Ten seeds lie around it, from 0.029 to 0.058. With Kaiming's factor the activations stay where they
# were, 0.47 in layer 1 and 0.35 in layer 10, and so do the gradients. Too big *explodes* with ReLU: by a
# factor of about 7 in every layer, forwards and backwards.
#
# ### Does it matter for learning?
#
# The same networks, trained: 200 steps of gradient descent from each initialization, three seeds, the
# learning rate 0.05 for all.

# %% role="setup"


def accuracy_from(pair, init, seed):
    """Return the validation accuracy after 200 steps."""
    history = fit(
        deep_net(pair, init, seed), data, steps=200, batch_size=64, learning_rate=0.05,
        rng=np.random.default_rng(seed), progress=False,
    )  # fmt: skip
    return history.val_accuracy[-1]


# %% role="experiment" uses="xavier_init"
starts = {"0.01": gaussian(0.01), "1": gaussian(1.0), "Xavier": xavier_init, "Kaiming": kaiming}
accuracy = {}
for activation, pair in {"tanh": TANH, "ReLU": RELU}.items():
    for start, init in starts.items():
        results = [accuracy_from(pair, init, seed) for seed in range(3)]
        accuracy[activation, start] = results
        low, high = min(results), max(results)
        print(f"{activation} from {start}: {np.mean(results):.2f} ({low:.2f} to {high:.2f})")
for activation in ("tanh", "ReLU"):
    a, b = accuracy[activation, "Xavier"], accuracy[activation, "Kaiming"]
    both = compare(
        lambda seed, a=a: a[seed], lambda seed, b=b: b[seed], range(3), progress=False,
        names=(f"{activation} from Xavier", "from Kaiming"),
    )  # fmt: skip
    print(both)

# %% [markdown]
# From 0.01 and from 1 nothing is learned, with either activation. With tanh, Xavier and Kaiming do not
# differ clearly. With ReLU they do: after 200 steps the network from Xavier's weights has an accuracy of
# 0.32, that from Kaiming's of 0.94. Ten halvings are enough to make the difference between learning and
# hardly any.
#
# ### A cure that needs no luck: batch normalization
#
# If the size of the activations is the trouble, one can also set it right in every layer, whatever the
# weights are. That is batch normalization, slide 11 and lesson 02. Here is PyTorch's own as a
# foretaste: ten hidden layers of 100 ReLUs again, trained from seven scales of the initial weights, with
# and without it, two seeds each.

# %% role="setup"
SCALES = np.array([0.001, 0.01, 0.1, 0.14, 0.2, 1.0, 10.0])


def torch_net(scale, normalized, seed):
    """Return the deep network of this part as a PyTorch module; weights from N(0, scale²)."""
    torch.manual_seed(seed)
    sizes = [data.x_train[0].size] + [UNITS] * LAYERS
    layers = []
    for n_in, n_out in pairwise(sizes):
        linear = torch.nn.Linear(n_in, n_out)
        torch.nn.init.normal_(linear.weight, 0, scale)
        torch.nn.init.zeros_(linear.bias)
        layers += [linear, *([torch.nn.BatchNorm1d(n_out)] if normalized else []), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(UNITS, len(data.classes)))


# %% role="experiment"
by_scale = {"batch norm": [], "none": []}
jobs = [(name, seed) for name in by_scale for seed in range(2)]
for name, seed in tqdm(jobs, "training", delay=2, leave=False):
    row = []
    for scale in SCALES:
        history = fit_torch(
            torch_net(scale, name == "batch norm", seed), data, steps=150, batch_size=64,
            learning_rate=0.05, rng=np.random.default_rng(seed), progress=False,
        )  # fmt: skip
        row.append(history.val_accuracy[-1])
    by_scale[name].append(row)
for name, results in by_scale.items():
    good = SCALES[np.min(results, axis=0) > 0.8]
    span = f"from scale {good.min():.2g} to {good.max():.2g}" if good.size else "nowhere"
    print(f"{name}: above 0.8 with both seeds {span}")
plotting.plot_scale_sweep(SCALES, by_scale, ylabel="validation accuracy")
plt.show()

# %% [markdown]
# Without normalization the network learns from the scales around Kaiming's 0.14 only. With
# batch norm it learns from 0.001 as well as from 0.2; where the weights are far too large it
# still learns, but slowly (lesson 02 tells why). A good initialization is cheap; a normalization is
# robust. Networks today have both.
#
# ### Optional: `kaiming_init`
#
# Write the initialization that makes up for the ReLU, by the fan-in. (Bonus points.)

# %% role="exercise" exercise="initialization.kaiming_init"

# %% role="experiment" uses="kaiming_init"
sizes = []
for seed in range(10):
    forward, _ = signals(deep_net(RELU, kaiming_init, seed))
    sizes.append([np.sqrt(np.mean(forward[n] ** 2)) for n in range(1, LAYERS + 1)])
plotting.plot_lines(
    range(1, LAYERS + 1), {"your Kaiming": sizes}, "hidden layer", "root mean square of activations"
)
plt.show()

# %% [markdown] role="question" id="too-small-too-big" points=5
# **Question 2 (5 points).** Slide 5 says "too small: activations go to zero, gradients also zero" and
# "too big: activations saturate (for tanh), gradients zero". (a) In the network with scale 0.01, why is
# the gradient *of the weights* of layer 5 so small? Name two factors. Is it zero? (b) Which half of the
# second sentence do your numbers for tanh confirm, and how can the other half fail although most slopes
# are near 0? What does "too big" do to a ReLU network? (c) Derive the variance that keeps the mean
# square through a linear layer, and say where a ReLU changes the derivation. (d) Why can no choice of
# $s^2$ keep the size of both activations and gradients when fan-in and fan-out differ?

# %% [markdown] role="answer"
# *Model answer.* (a) The gradient of $W_5$ is (activations of layer 4)ᵀ times (gradient at the input of
# the tanh of layer 5), and both are small: the activations have shrunk in four layers on their way
# forward, the gradient in five on its way back, by about 0.1 each time. It is not zero, but steps
# are so small that nothing is learned in any reasonable time. (b) They saturate: 78 % beyond ±0.99.
# But gradients grow by a factor of about 2000 from layer 10 to layer 1: about a fifth of a hundred
# units still has a slope that counts, and each of them sends its gradient back through weights of size 1.
# The sum of some twenty such terms is larger than what came. In a ReLU network nothing saturates:
# activations and gradients grow by a factor of about 7, $\sqrt{100/2}$, in every layer. (c)
# $\operatorname E[(\sum_i x_i W_i)^2] = s^2 \sum_i x_i^2$, because mixed terms have mean 0; with
# $n_\text{in}$ inputs of mean square $q$ this is $n_\text{in} s^2 q$, so $s^2 = 1/n_\text{in}$. A ReLU
# halves the mean square of what is symmetric around 0, so $s^2 = 2/n_\text{in}$. (d) Forward the factor is
# $n_\text{in} s^2$, backward $n_\text{out} s^2$ (each input reaches fan-out many units); both are 1
# only if the fans are equal. Glorot's $2/(n_\text{in} + n_\text{out})$ is a compromise.
#
# *Rubric.* (a) 1 point: both factors (0.5), small but not zero (0.5). (b) 2 points: saturation confirmed,
# vanishing gradients not, with numbers (1), why they grow (0.5), explosion with ReLU (0.5). (c) 1
# point: variances add (0.5), half of the mean square (0.5). (d) 1 point.

# %% [markdown]
# ## 3 Data preprocessing

# %% [markdown]
# ## 4 Babysitting the learning

# %% [markdown]
# ## 5 Hyperparameter search

# %% [markdown]
# ## 6 The same in PyTorch: activations and initialization
#
# From here on the names `leaky_relu_forward`, `xavier_init`, … are **defined again**, on tensors. To
# repeat an experiment from above afterwards, run its exercise cells again first.
#
# `np.where` and `np.maximum` have namesakes; `axis` is called `dim`. Random numbers come from a
# `torch.Generator`, which is passed as `generator=`; it also says on which device to draw. The backward
# pass stays written by hand, without autograd and without `torch.nn.functional`.

# %% role="experiment"
device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"PyTorch {torch.__version__} on {device}")

# %% [markdown]
# ### Exercise: the leaky ReLU on tensors

# %% role="exercise" exercise="activations.torch.leaky_relu_forward"

# %% role="exercise" exercise="activations.torch.leaky_relu_backward"

# %% [markdown]
# ### Exercise: Xavier initialization with a torch.Generator

# %% role="exercise" exercise="initialization.torch.xavier_init"

# %% [markdown]
# <details><summary><b>If your check fails</b>: the usual suspects, by name</summary>
#
# * all those from above, and besides:
# * `torch.maximum` with a number: it wants two tensors;
# * `torch.randn` without the generator, or one seeded inside the function;
# * tensors made in float32 by hand, so that the dtype changes on the way.
# </details>
#
# ### Against autograd, and in a network
#
# A `torch.autograd.Function` tells autograd to call your backward pass. One trap on the way from your
# weights to PyTorch's: `torch.nn.Linear` keeps its weight as (fan_out, fan_in), the other way round.


# %% role="setup"
class HandWritten(torch.autograd.Function):
    """A forward/backward pair of one tensor as an operation of autograd."""

    @staticmethod
    def forward(ctx, x, pair):
        out, ctx.cache = pair[0](x)
        ctx.backward_pass = pair[1]
        return out

    @staticmethod
    def backward(ctx, dout):
        return ctx.backward_pass(dout, ctx.cache), None


class HandWrittenLayer(torch.nn.Module):
    """A layer around a forward/backward pair."""

    def __init__(self, pair):
        super().__init__()
        self.pair = pair

    def forward(self, x):
        return HandWritten.apply(x, self.pair)


def net_in_torch(activation, init=None):
    """Return five hidden layers of 64 units; `init` fills the weights, else PyTorch's own way."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    layers = []
    for n_in, n_out in pairwise([data.x_train[0].size] + [WIDTH] * DEPTH + [len(data.classes)]):
        linear = torch.nn.Linear(n_in, n_out)
        if init is not None:
            with torch.no_grad():
                linear.weight.copy_(init(n_in, n_out, generator).T)
                linear.bias.zero_()
        layers += [linear, activation()]
    return torch.nn.Sequential(*layers[:-1])


# %% role="experiment" uses="leaky_relu_forward leaky_relu_backward xavier_init"
activations = {
    "yours": lambda: HandWrittenLayer((leaky_relu_forward, leaky_relu_backward)),
    "built-in": lambda: torch.nn.LeakyReLU(0.1),
}
histories = {}
for name, activation in activations.items():
    histories[name] = fit_torch(
        net_in_torch(activation, xavier_init).to(device), data, steps=100, batch_size=64,
        learning_rate=0.1, rng=np.random.default_rng(0), progress=False,
    )  # fmt: skip
difference = np.abs(np.array(histories["yours"].loss) - histories["built-in"].loss).max()
print(f"losses of your leaky ReLU and of the built-in one differ by at most {difference:.1e}")
print(f"accuracy after 100 steps: {histories['yours'].val_accuracy[-1]:.2f}")

# %% [markdown]
# ### What does `torch.nn.Linear` start with?
#
# **Predict, then run.** PyTorch fills a `Linear` layer by a rule of its own. What is the variance of its
# weights, in units of Xavier's?

# %% role="predict"
my_variance_ratio = None  # your prediction: 1 for Xavier, 2 for Kaiming

# %% role="experiment" uses="xavier_init"
torch.manual_seed(0)
weights = torch.nn.Linear(400, 300).weight.detach()
mine = xavier_init(400, 300, torch.Generator().manual_seed(0))
predicted(my_variance_ratio, (weights.var() / mine.var()).item())
largest = weights.abs().max().item()
print(f"its largest weight: {largest:.5f}; 1/√400 = {400**-0.5:.5f}")

# %% [markdown]
# Uniform between $\pm 1/\sqrt{n_\text{in}}$, whose variance is a third of $1/n_\text{in}$. It comes from a
# call of `kaiming_uniform_` with the odd argument $a = \sqrt5$, a relic from older versions. In a deep
# network of your own, choose the initialization; do not inherit it.
#
# ### Optional: ELU, maxout and Kaiming on tensors

# %% role="exercise" exercise="activations.torch.elu_forward"

# %% role="exercise" exercise="activations.torch.elu_backward"

# %% role="exercise" exercise="activations.torch.maxout_forward"

# %% role="exercise" exercise="activations.torch.maxout_backward"

# %% role="exercise" exercise="initialization.torch.kaiming_init"

# %% [markdown]
# ## 7 The same in PyTorch: preprocessing

# %% [markdown]
# ## 8 What to take away
